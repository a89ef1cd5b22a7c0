"""BATS and Cboe PITCH as text: one message a line, with or without the sequenced packet's S before it.

`pitch_binary` has the messages of the multicast feed. What a line means for a book:

- *A, d* (add, with a symbol of six or of eight letters): an order rests. *E* (executed): it gave a quantity. *X*
  (cancelled): it is that much smaller, or gone. *s* (symbol clear): all orders of the symbol are gone.
- *P, r* (trade of an order that was never shown) are trades beside the visible book.
- *B* (broken trade), *H* (trading status), *I, J* (auction) and *R* (retail interest) change no book. A line of another
  type is left out and counted.

*Seeding.* Nothing. E and X name neither symbol nor side, so the decoder remembers which symbol each open order is of;
those about an order that the file never added (it began earlier) are counted. *Forgetting.* Nothing.

*Contracts* appear with their first order or trade. Above MAX_CONTRACTS those that are wanted must be named.
*Prices* have four decimals; what is above 2^30 ticks, or a trade between two ticks, is left out and counted.
*Times* are milliseconds after New York's midnight of a date like 20120106 in the file's name; without one, of 1 January
1970. Executions of one symbol and side within a millisecond count as one aggressor.
"""

import re
from typing import Any

import numpy as np
from numba import njit

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.recordings.batches import EVERYTHING, ContractSpec, Wanted
from engine.recordings.byte_blocks import ByteBlocks, units_per_tick
from engine.recordings.exchange_day import (
    END,
    FILLED,
    FIRST_CODE,
    FIRST_WORD,
    FULL,
    MESSAGES,
    MIDNIGHT_NS,
    MORE,
    OK,
    ExchangeDay,
)
from engine.recordings.id_table import EMPTY, find, new_table, rebuilt, remove
from engine.recordings.order_lives import LifeAction, LifeFlag
from engine.recordings.recorded_contracts import readable
from engine.recordings.source import BadLineError, RecordingError, Source
from engine.units import MAX_TICKS

PRICE_UNIT = "0.0001"
MIN_LENGTH_OF = {
    "s": 17, "A": 45, "d": 47, "E": 39, "X": 27, "P": 56, "r": 58, "B": 21, "H": 21, "I": 58, "J": 38, "R": 18,
}  # fmt: skip
"""Bytes of a line of each type, without the packet's S; later versions of the format append fields."""
MAX_LINE_BYTES = 1 << 12
IGNORED = (
    "line of an unknown type",
    "line of a symbol or an order that is left out",
    "line about an order that was never added",
    "order above 2^30 ticks",
    "trade between two ticks",
)
"""Why lines became no row although they might have."""

_DAY_MS = 24 * 3600 * 1000
_NS_PER_MS = 1_000_000
_LENGTHS = np.zeros(256, np.int64)
for _type, _length in MIN_LENGTH_OF.items():
    _LENGTHS[ord(_type)] = _length
_LINE = re.compile(rb"S?\d{8}[sAdEXPrBHIJR][0-9A-Z][0-9A-Z .+*=^#-]+")
UNWANTED = -1
SYMBOL, OPEN, _UNKNOWN, _OTHER, _NEVER, _TOO_HIGH, _OFF_TICK, _WORDS = range(FIRST_WORD, FIRST_WORD + 8)
NEW_SYMBOL, _CLEARED, _GROW = range(FIRST_CODE, FIRST_CODE + 3)
_BAD_LENGTH, _BAD_TIME, _BAD_ID, _BAD_SIDE, _BAD_SHARES, _BAD_PRICE, _BAD_TICK, _TOO_LONG = range(10, 18)
_A, _D, _E, _X, _P, _R, _CLEAR_TYPE = (ord(letter) for letter in "AdEXPrs")
_B, _S, _LF, _CR, _SPACE, _ZERO, _NINE, _LETTER_A, _LETTER_Z = (ord(letter) for letter in "BS\n\r 09AZ")
_ADD, _REDUCE, _EXECUTE = int(LifeAction.ADD), int(LifeAction.REDUCE), int(LifeAction.EXECUTE)
_TRADE, _CLEAR, _LAST = int(LifeAction.TRADE), int(LifeAction.CLEAR), int(LifeFlag.LAST)


def is_pitch(head: bytes) -> bool:
    """Whether the first line is one of PITCH."""
    line = head.split(b"\n", 1)[0].rstrip(b"\r")
    body = line[1:] if line.startswith(b"S") else line
    return _LINE.fullmatch(line) is not None and len(body) >= MIN_LENGTH_OF[chr(body[8])]


class PitchDecoder(ExchangeDay):
    """Decodes one file: a contract for each wanted symbol that has orders or trades."""

    format = "pitch"
    words = _WORDS
    reasons: tuple[str, ...] = IGNORED

    def __init__(self, source: Source, wanted: Wanted = EVERYTHING, skip_bad: bool = False) -> None:
        super().__init__(source, wanted, skip_bad)
        self._orders, self._symbols = new_table(), new_table()

    def _decode(self, window: ByteBlocks, rows: np.ndarray[Any, Any]) -> int:
        window.at, code = _decode(window.data, window.at, self._orders, self._symbols, self._state, rows)
        return int(code)

    def _go_on(self, window: ByteBlocks, code: int) -> tuple[int, RecordingError | None]:
        """What to do where the compiled decoder stopped: read on, learn, leave a line out, or fail."""
        try:
            if code == MORE:
                return self._more(window)
            if code == NEW_SYMBOL:
                self._name_symbol()
                return OK, None
        except RecordingError as error:
            return code, error
        if code in (_CLEARED, _GROW):
            of_cleared = (self._orders[:, 1] == self._state[SYMBOL]) & (code == _CLEARED)
            kept = (self._orders[:, 1] != EMPTY) & ~of_cleared
            self._orders = rebuilt(self._orders, kept)
            self._state[OPEN] = kept.sum()
            return OK, None
        if not self.skip_bad or code == _TOO_LONG:
            return code, self._error(window, code)
        self.bad += 1
        self._state[MESSAGES] += 1
        window.at += len(window.line()) + 1
        return OK, None

    def _more(self, window: ByteBlocks) -> tuple[int, RecordingError | None]:
        """Read on; a last line without its end gets one."""
        if len(window.data) - window.at > MAX_LINE_BYTES:
            return _TOO_LONG, self._error(window, _TOO_LONG)
        if window.more():
            return OK, None
        if not len(window.data):
            return END, None
        window.data = np.append(window.data, np.uint8(_LF))
        return OK, None

    def _name_symbol(self) -> None:
        """Learn whether a symbol is wanted, and which contract it is."""
        symbol = int(self._state[SYMBOL])
        name = readable(symbol.to_bytes(8, "big", signed=True).decode("ascii", "replace"))
        slot, units = UNWANTED, 1
        if self.takes(name):
            slot = self.append(ContractSpec(name, tick=PRICE_UNIT))
            units = units_per_tick(self.source.name, self.contracts[slot].tick, PRICE_UNIT)
        if 2 * len(self.seen) >= len(self._symbols):
            self._symbols = rebuilt(self._symbols, self._symbols[:, 1] != EMPTY)
        self._symbols[find(self._symbols, symbol)] = symbol, slot, units

    def _error(self, window: ByteBlocks, code: int) -> RecordingError:
        line = window.line()[:80].decode("ascii", "replace")
        body = line.removeprefix("S")
        kind = body[8:9]
        price_at = 36 if kind in "dr" else 34
        field, reason = {
            _TOO_LONG: ("line", f"has no end within {MAX_LINE_BYTES} bytes"),
            _BAD_LENGTH: ("line", f"{len(body)} characters instead of the {MIN_LENGTH_OF.get(kind)} of type {kind!r}"),
            _BAD_TIME: ("time", f"{body[:8]!r} is not milliseconds within a day"),
            _BAD_ID: ("order id", f"{body[9:21]!r} is not of the digits 0 to 9 and A to Z"),
            _BAD_SIDE: ("side", f"{body[21:22]!r} is neither B nor S"),
            _BAD_SHARES: ("shares", f"{body[21:27] if kind in 'EX' else body[22:28]!r} is no number above 0"),
            _BAD_PRICE: ("price", f"{body[price_at : price_at + 10]!r} is no number above 0"),
            _BAD_TICK: ("price", f"{body[price_at : price_at + 10]!r} ten-thousandths are no multiple of the tick"),
        }[code]
        return BadLineError(self.source.name, int(self._state[MESSAGES]) + 1, field, reason)


@njit(cache=True)
def _decode(data, at, orders, symbols, state, rows):
    """Decode lines into rows until something is needed; (where the next line begins, what is needed)."""
    while True:
        if state[FILLED] == len(rows):
            return at, FULL
        if 2 * state[OPEN] >= len(orders):
            return at, _GROW
        stop = at
        while stop < len(data) and data[stop] != _LF:
            stop += 1
        if stop == len(data):
            return at, MORE
        end = stop
        if end > at and data[end - 1] == _CR:
            end -= 1
        code = OK
        if end > at:
            begin = at + 1 if data[at] == _S else at
            code = _message(data[begin:end], orders, symbols, state, rows)
            if code >= _BAD_LENGTH or code == NEW_SYMBOL:
                return at, code
        state[MESSAGES] += 1
        at = stop + 1
        if code == _CLEARED:
            return at, code


@njit(cache=True)
def _message(line, orders, symbols, state, rows):
    """Decode one line; the code of what stops it."""
    if len(line) < 9:
        return _BAD_TIME
    time_ms, kind = _whole(line, 0, 8), line[8]
    if not 0 <= time_ms < _DAY_MS:
        return _BAD_TIME
    if _LENGTHS[kind] == 0:
        state[_UNKNOWN] += 1
        return OK
    if len(line) < _LENGTHS[kind]:
        return _BAD_LENGTH
    row = rows[state[FILLED]]
    row["time_ns"] = state[MIDNIGHT_NS] + time_ms * _NS_PER_MS
    row["message"] = state[MESSAGES] + 1
    row["order_id"] = row["new_order_id"] = row["price_ticks"] = row["size_lots"] = 0
    row["side"] = 0
    row["flags"] = _LAST
    if kind in (_E, _X):
        return _smaller(line, orders, state, row)
    if kind in (_A, _D, _P, _R):
        return _placed(line, orders, symbols, state, row)
    if kind == _CLEAR_TYPE:
        return _cleared(line, symbols, state, row)
    return OK


@njit(cache=True)
def _smaller(line, orders, state, row):
    """An order gave a quantity, or is cancelled in part or in full."""
    order_id, shares = _base_36(line, 9), _whole(line, 21, 6)
    if order_id < 0:
        return _BAD_ID
    if shares <= 0:
        return _BAD_SHARES
    place = find(orders, order_id)
    contract = orders[place, 1]
    if contract == EMPTY:
        state[_NEVER] += 1
        return OK
    orders[place, 2] -= shares
    if orders[place, 2] <= 0:
        remove(orders, place)
        state[OPEN] -= 1
    if contract == UNWANTED:
        state[_OTHER] += 1
        return OK
    row["action"] = _EXECUTE if line[8] == _E else _REDUCE
    row["contract"], row["order_id"], row["size_lots"] = contract, order_id, shares
    state[FILLED] += 1
    return OK


@njit(cache=True)
def _placed(line, orders, symbols, state, row):
    """An order comes to rest, or one that is not shown has traded."""
    kind = line[8]
    is_long = kind in (_D, _R)
    price_at = 36 if is_long else 34
    order_id, shares, price = _base_36(line, 9), _whole(line, 22, 6), _whole(line, price_at, 10)
    if order_id < 0:
        return _BAD_ID
    if line[21] != _B and line[21] != _S:
        return _BAD_SIDE
    if shares <= 0:
        return _BAD_SHARES
    if price <= 0:
        return _BAD_PRICE
    symbol = symbol_word(line, 28, 8 if is_long else 6)
    found = find(symbols, symbol)
    contract, units = symbols[found, 1], symbols[found, 2]
    if contract == EMPTY:
        state[SYMBOL] = symbol
        return NEW_SYMBOL
    is_order, is_too_high = kind in (_A, _D), price // units > MAX_TICKS
    if is_order and not is_too_high and price % units != 0:
        return _BAD_TICK
    if is_order:
        place = find(orders, order_id)
        state[OPEN] += orders[place, 1] == EMPTY
        orders[place, 0], orders[place, 2] = order_id, shares
        orders[place, 1] = UNWANTED if is_too_high else contract
    if contract == UNWANTED:
        state[_OTHER] += 1
        return OK
    if is_too_high or price % units != 0:
        state[_TOO_HIGH if is_order else _OFF_TICK] += 1
        return OK
    row["action"] = _ADD if is_order else _TRADE
    row["contract"], row["price_ticks"], row["size_lots"] = contract, price // units, shares
    if is_order:
        row["order_id"] = order_id
        row["side"] = SIDE_BUY if line[21] == _B else SIDE_SELL
    state[FILLED] += 1
    return OK


@njit(cache=True)
def _cleared(line, symbols, state, row):
    """All orders of a symbol are gone; the table of open orders is to lose them too."""
    symbol = symbol_word(line, 9, 8)
    contract = symbols[find(symbols, symbol), 1]
    if contract in (EMPTY, UNWANTED):
        return OK
    row["action"], row["contract"] = _CLEAR, contract
    state[FILLED] += 1
    state[SYMBOL] = contract
    return _CLEARED


@njit(cache=True)
def _whole(line, at, size):
    """Decimal digits as a number, -1 where something else stands."""
    value = np.int64(0)
    for index in range(at, at + size):
        digit = np.int64(line[index]) - _ZERO
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = value * 10 + digit
    return value


@njit(cache=True)
def _base_36(line, at):
    """Twelve digits of base 36 as a number, -1 where something else stands."""
    value = np.int64(0)
    for index in range(at, at + 12):
        letter = np.int64(line[index])
        if _ZERO <= letter <= _NINE:
            value = value * 36 + letter - _ZERO
        elif _LETTER_A <= letter <= _LETTER_Z:
            value = value * 36 + letter - _LETTER_A + 10
        else:
            return np.int64(-1)
    return value


@njit(cache=True)
def symbol_word(line, at, size):
    """A symbol's letters, filled up with spaces, as a number of eight bytes."""
    value = np.int64(0)
    for index in range(8):
        letter = np.int64(line[at + index]) if index < size else np.int64(_SPACE)
        value = (value << 8) | letter
    return value
