"""Reads lines of Tardis' CSV files in blocks, compiled: what is not a plain line stops the scan, as in `order_text`."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.codes import Side
from engine.schema import record

Array = np.ndarray[Any, Any]

TEXT_ROW = record(
    [
        ("time_us", "i8"),
        ("local_us", "i8"),
        ("line", "i8"),
        ("price", "i8"),  # the decimal's digits
        ("amount", "i8"),
        ("symbol", "i2"),
        ("side", "u1"),  # Side
        ("snapshot", "u1"),
        ("price_places", "u1"),  # how many of the digits stand behind the point
        ("amount_places", "u1"),
        ("pad", "u1", (2,)),
    ]
)
COLUMNS, WIDTH = 8, 64
"""Fields of a line; the longest symbol in bytes."""
AT, LINE, ROWS, SCAN = range(4)
ENDED, FULL, UNUSUAL = range(3)
_MOST_DIGITS = 18
_NEWLINE, _RETURN, _COMMA, _POINT, _QUOTE = b'\n\r,."'
_ZERO, _NINE, _A, _Z = b"09az"
_TRUE, _FALSE, _BID, _ASK, _BUY, _SELL = (
    int.from_bytes(word, "little") for word in (b"true", b"false", b"bid", b"ask", b"buy", b"sell")
)
_MOST_US = ((1 << 63) - 1) // 1000


class Symbols(NamedTuple):
    """The known symbols: bytes, padded, and how long each is."""

    text: Array
    sizes: Array


_inlined = njit(_nrt=False, error_model="numpy", forceinline=True)


@_inlined
def _digits(data, at):
    """A whole number and the place after it; -1 for none, or too many digits."""
    begin, value = at, np.int64(0)
    while _ZERO <= data[at] <= _NINE and at - begin <= _MOST_DIGITS:
        value = value * 10 + (np.int64(data[at]) - _ZERO)
        at += 1
    return value if 0 < at - begin <= _MOST_DIGITS else np.int64(-1), at


@_inlined
def _decimal(data, at):
    """The digits of a decimal, how many are behind the point, and the place after it; -1 for none."""
    begin, value, point = at, np.int64(0), np.int64(-1)
    while at - begin <= _MOST_DIGITS:
        if _ZERO <= data[at] <= _NINE:
            value = value * 10 + (np.int64(data[at]) - _ZERO)
        elif data[at] == _POINT and point < 0 and at > begin:
            point = at
        else:
            break
        at += 1
    if not 0 < at - begin <= _MOST_DIGITS or point == at - 1:
        return np.int64(-1), np.int64(0), at
    return value, np.int64(0) if point < 0 else at - 1 - point, at


@_inlined
def _symbol(data, at, symbols):
    begin = at
    while data[at] != _COMMA and data[at] != _NEWLINE and data[at] != _QUOTE:
        at += 1
    for symbol in range(len(symbols.sizes)):
        if symbols.sizes[symbol] != at - begin:
            continue
        same = True
        for place in range(at - begin):
            same &= symbols.text[symbol, place] == data[begin + place]
        if same:
            return np.int64(symbol), at
    return np.int64(-1), at


@_inlined
def _skip(data, at):
    while data[at] != _COMMA and data[at] != _NEWLINE and data[at] != _QUOTE:
        at += 1
    return at


@_inlined
def _word(data, at):
    """Up to eight small letters as one number, and the place after them."""
    word, begin = np.int64(0), at
    while _A <= data[at] <= _Z and at - begin < 8:
        word |= np.int64(data[at]) << (8 * (at - begin))
        at += 1
    return word, at


@_inlined
def _line(data, at, symbols, has_snapshots, row):
    """Fill a row from one line; where the line ends, -1 when it is not a plain one."""
    at = _skip(data, at)
    if data[at] != _COMMA:
        return np.int64(-1)
    row.symbol, at = _symbol(data, at + 1, symbols)
    if row.symbol < 0 or data[at] != _COMMA:
        return np.int64(-1)
    row.time_us, at = _digits(data, at + 1)
    if not 0 <= row.time_us <= _MOST_US or data[at] != _COMMA:
        return np.int64(-1)
    row.local_us, at = _digits(data, at + 1)
    if not 0 <= row.local_us <= _MOST_US or data[at] != _COMMA:
        return np.int64(-1)
    if has_snapshots:
        word, at = _word(data, at + 1)
        row.snapshot = word == _TRUE
        if word != _TRUE and word != _FALSE:
            return np.int64(-1)
    else:
        at = _skip(data, at + 1)
    if data[at] != _COMMA:
        return np.int64(-1)
    word, at = _word(data, at + 1)
    is_buy = word == (_BID if has_snapshots else _BUY)
    if not (is_buy or word == (_ASK if has_snapshots else _SELL)) or data[at] != _COMMA:
        return np.int64(-1)
    row.side = Side.BUY if is_buy else Side.SELL
    row.price, row.price_places, at = _decimal(data, at + 1)
    if row.price < 0 or data[at] != _COMMA:
        return np.int64(-1)
    row.amount, row.amount_places, at = _decimal(data, at + 1)
    if data[at] == _RETURN:
        at += 1
    return at if row.amount >= 0 and data[at] == _NEWLINE else np.int64(-1)


@njit(cache=True, _nrt=False, error_model="numpy")
def scan(data, symbols, has_snapshots, rows, state):
    """Read plain lines from AT on, until the data end, the rows are full or a line is not plain; which of them it was.

    The last byte is a newline. `has_snapshots` tells a book's lines from those of trades.
    """
    at, line, row = state[AT], state[LINE], state[ROWS]
    why = ENDED
    while at < len(data):
        if data[at] != _NEWLINE:
            if row == len(rows):
                why = FULL
                break
            end = _line(data, at, symbols, has_snapshots, rows[row])
            if end < 0:
                why = UNUSUAL
                break
            rows[row].line = line + 1
            row += 1
            at = end
        at += 1
        line += 1
    state[AT], state[LINE], state[ROWS] = at, line, row
    return why
