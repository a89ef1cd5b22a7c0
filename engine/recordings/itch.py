"""NASDAQ TotalView-ITCH 5.0: the binary file of one trading day, each message behind its length in two bytes.

What a message means for a book:

- *A, F* (add): an order rests. *E* (executed) and *C* (executed at another price, printed): the order gave a quantity.
- *C that is not printed*: a cross took the quantity, and its Q message prints the whole. No aggressor took it, so it
  only makes the order smaller, as *X* (cancelled in part) does. *D*: it is gone. *U*: one order replaces another.
- *P* (trade of an order that was never shown) and *Q* (cross) are trades beside the visible book.
- *B* (broken trade) changes no book: the order does not come back. System events, the directory, trading states, halts,
  limits, imbalances and the like (S, R, H, Y, L, V, W, K, J, h, I, N, O) change none either.
- A type that is not in the format's list is left out by its length and counted.

*Seeding.* Nothing: a day's file begins with an empty book. Messages about orders that the file never added (a cut file)
are counted by whoever follows the orders. *Forgetting.* Nothing: every order's end is in the file.

*Contracts.* The directory (R) or an order itself names the symbol of a locate code; each symbol that has orders is a
contract. Above MAX_CONTRACTS the symbols that are wanted must be named; messages of the others are left out here. A
symbol that is wanted and not listed is refused when the market opens, if the file begins with the day.
*Prices* have four decimals. An order above 2^30 ticks, such as a stub quote of $199,999.99 at a tick of 0.0001, is left
out and counted; so are trades beside the book whose price is no multiple of a coarser tick.
*Times* are nanoseconds after New York's midnight of the date in the file's name; without one, of 1 January 1970.
"""

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
from engine.recordings.order_lives import LifeAction, LifeFlag
from engine.recordings.recorded_contracts import readable, refuse_unknown_symbols
from engine.recordings.source import BadBytesError, RecordingError, Source
from engine.units import MAX_TICKS, NS_PER_S

PRICE_UNIT = "0.0001"
LENGTH_OF = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "O": 48,
    "A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20,
}  # fmt: skip
"""Bytes of a message of each type, its type included."""
IGNORED = (
    "message of an unknown type",
    "message of a symbol that is not wanted",
    "message of a symbol without an order so far",
    "order above 2^30 ticks",
    "trade between two ticks",
)
"""Why messages became no row although they might have."""

_DAY_NS = 24 * 3600 * NS_PER_S
_LENGTHS = np.zeros(256, np.int64)
for _type, _length in LENGTH_OF.items():
    _LENGTHS[ord(_type)] = _length
_LOOKED_AT = 8
_LOCATES = 1 << 16
"""Of each locate code a decoder keeps its contract's slot + 1, or one of these + 1, and the price units of a tick."""
_UNSEEN, _LISTED, _UNWANTED = -1, -2, -3

_STAGE, _UNKNOWN, _OTHER, _UNNAMED, _TOO_HIGH, _OFF_TICK, _WORDS = range(FIRST_WORD, FIRST_WORD + 7)
_DIRECTORY, _OPENING, _CUT = range(FIRST_CODE, FIRST_CODE + 3)
_BAD_LENGTH, _BAD_TIME, _BAD_SIDE, _BAD_SHARES, _BAD_PRICE, _BAD_TICK = range(10, 16)
_A, _F, _E, _C, _X, _D, _U, _P, _Q, _R = (ord(letter) for letter in "AFECXDUPQR")
_B, _S, _NOT_PRINTED = ord("B"), ord("S"), ord("N")
_FILE_BEGINS, _MARKET_OPENS = ord("O"), ord("Q")
_BEGUN, _OPEN = 1, 2
_ADD, _REDUCE, _DELETE = int(LifeAction.ADD), int(LifeAction.REDUCE), int(LifeAction.DELETE)
_EXECUTE, _REPLACE, _TRADE = int(LifeAction.EXECUTE), int(LifeAction.REPLACE), int(LifeAction.TRADE)
_LAST = int(LifeFlag.LAST)


def is_itch(head: bytes) -> bool:
    """Whether the first messages are of known types and as long as those are."""
    at, known = 0, 0
    while known < _LOOKED_AT and at + 2 < len(head):
        length = int.from_bytes(head[at : at + 2], "big")
        if length == 0 or length != _LENGTHS[head[at + 2]]:
            return False
        at, known = at + 2 + length, known + 1
    return known > 0


class ItchDecoder(ExchangeDay):
    """Decodes one file: a contract for each wanted symbol that is listed, or without a wish for each with orders."""

    format = "itch"
    words, reasons = _WORDS, IGNORED

    def __init__(self, source: Source, wanted: Wanted = EVERYTHING, skip_bad: bool = False) -> None:
        super().__init__(source, wanted, skip_bad)
        self._locates = np.zeros((_LOCATES, 2), np.int64)
        self._slots: dict[str, int] = {}

    def _decode(self, window: ByteBlocks, rows: np.ndarray[Any, Any]) -> int:
        window.at, code = _decode(window.data, window.at, self._locates, self._state, rows)
        return int(code)

    def _go_on(self, window: ByteBlocks, code: int) -> tuple[int, RecordingError | None]:
        """What to do where the compiled decoder stopped: read on, leave a message out, or fail."""
        try:
            if code == MORE:
                if window.more():
                    return OK, None
                return END, self._error(window, _CUT) if len(window.rest()) else None
            if code == _DIRECTORY:
                return self._name_locate(window), None
            if code == _OPENING:
                return self._open(), None
            if code == END:
                return END, self._error(window, END) if len(window.rest()) > 2 or window.more() else None
        except RecordingError as error:
            return code, error
        if not self.skip_bad:
            return code, self._error(window, code)
        self.bad += 1
        self._state[MESSAGES] += 1
        window.at += 2 + int.from_bytes(window.peek(2), "big")
        return OK, None

    def _open(self) -> int:
        """The market opens, and the directory is whole. RecordingError for symbols that are wanted and not listed."""
        refuse_unknown_symbols(self.wanted, self.seen)
        self._state[_STAGE] = _OPEN
        return OK

    def _name_locate(self, window: ByteBlocks) -> int:
        """Learn which contract a locate code is, from the directory or from the first order."""
        message = bytes(window.data[window.at + 2 : window.at + 2 + LENGTH_OF["F"]])
        is_listing = message[0] == _R
        locate, name_at = int.from_bytes(message[1:3], "big"), 11 if is_listing else 24
        name = readable(message[name_at : name_at + 8].decode("ascii", "replace"))
        if not self.takes(name):
            self._locates[locate, 0] = _UNWANTED + 1
        elif is_listing and not self.wanted.symbols:
            self._locates[locate, 0] = _LISTED + 1
        else:
            if name not in self._slots:
                self._slots[name] = self.append(ContractSpec(name, tick=PRICE_UNIT))
            slot = self._slots[name]
            units = units_per_tick(self.source.name, self.contracts[slot].tick, PRICE_UNIT)
            self._locates[locate] = slot + 1, units
        return OK

    def _error(self, window: ByteBlocks, code: int) -> BadBytesError:
        message = window.peek(2 + LENGTH_OF["O"])[2:]
        length = int.from_bytes(window.peek(2), "big")
        kind = chr(message[0]) if message else ""
        price_at = 31 if kind == "U" else 32
        price = int.from_bytes(message[price_at : price_at + 4], "big")
        tick = int(self._locates[int.from_bytes(message[1:3], "big"), 1])
        field, reason = {
            END: ("length", "is 0, which ends a file, but bytes follow"),
            _CUT: ("length", f"{length}, but the file ends {len(message)} bytes after it"),
            _BAD_LENGTH: ("length", f"{length} is not the {LENGTH_OF.get(kind)} of type {kind!r}"),
            _BAD_TIME: ("time", "is not within a day"),
            _BAD_SIDE: ("side", f"{chr(message[19]) if len(message) > 19 else ''!r} is neither 'B' nor 'S'"),
            _BAD_SHARES: ("shares", f"are 0 in a message of type {kind!r}"),
            _BAD_PRICE: ("price", f"is 0 in a message of type {kind!r}"),
            _BAD_TICK: ("price", f"{price / 10000:.4f} is no multiple of the tick {tick / 10000:.4f}"),
        }[code]
        return BadBytesError(self.source.name, window.position, int(self._state[MESSAGES]) + 1, field, reason)


@njit(cache=True)
def _decode(data, at, locates, state, rows):
    """Decode messages into rows until something is needed; (where the next message begins, what is needed)."""
    while True:
        if state[FILLED] == len(rows):
            return at, FULL
        if at + 2 > len(data):
            return at, MORE
        length = _number(data, at, 2)
        if length == 0:
            return at, END
        if at + 2 + length > len(data):
            return at, MORE
        expected = _LENGTHS[data[at + 2]]
        if expected == 0:
            state[_UNKNOWN] += 1
        elif expected != length:
            return at, _BAD_LENGTH
        else:
            code = _message(data, at + 2, locates, state, rows)
            if code != OK:
                return at, code
        state[MESSAGES] += 1
        at += 2 + length


@njit(cache=True)
def _number(data, at, size):
    """Bytes as a big-endian whole number."""
    value = np.int64(0)
    for index in range(size):
        value = (value << 8) | np.int64(data[at + index])
    return value


@njit(cache=True)
def _message(data, at, locates, state, rows):
    """Decode one message of a known type; the code of what stops it."""
    kind, locate = data[at], _number(data, at + 1, 2)
    contract = locates[locate, 0] - 1
    if kind == _S and data[at + 11] == _FILE_BEGINS:
        state[_STAGE] = _BEGUN
    if kind == _S and data[at + 11] == _MARKET_OPENS and state[_STAGE] == _BEGUN:
        return _OPENING
    if kind == _R:
        return _DIRECTORY if contract == _UNSEEN else OK
    if kind not in (_A, _F, _E, _C, _X, _D, _U, _P, _Q):
        return OK
    if contract < 0:
        if contract == _UNWANTED:
            state[_OTHER] += 1
        elif kind in (_A, _F):
            return _DIRECTORY
        else:
            state[_UNNAMED] += 1
        return OK
    time_ns = _number(data, at + 5, 6)
    if time_ns >= _DAY_NS:
        return _BAD_TIME
    row = rows[state[FILLED]]
    row["time_ns"] = state[MIDNIGHT_NS] + time_ns
    row["order_id"] = _number(data, at + 11, 8)
    row["new_order_id"] = row["price_ticks"] = row["size_lots"] = 0
    row["message"] = state[MESSAGES] + 1
    row["contract"] = contract
    row["side"] = 0
    row["flags"] = _LAST
    if kind in (_P, _Q):
        return _trade(data, at, locates[locate, 1], state, row)
    return _life(data, at, locates[locate, 1], state, row)


@njit(cache=True)
def _life(data, at, units, state, row):
    """What happened to an order."""
    kind = data[at]
    if kind == _D:
        row["action"] = _DELETE
        state[FILLED] += 1
        return OK
    if kind in (_A, _F):
        if data[at + 19] != _B and data[at + 19] != _S:
            return _BAD_SIDE
        row["side"] = SIDE_BUY if data[at + 19] == _B else SIDE_SELL
        row["action"] = _ADD
        return _order(data, at + 20, at + 32, units, state, row)
    if kind == _U:
        row["action"] = _REPLACE
        row["new_order_id"] = _number(data, at + 19, 8)
        return _order(data, at + 27, at + 31, units, state, row)
    row["size_lots"] = _number(data, at + 19, 4)
    if row["size_lots"] == 0:
        return _BAD_SHARES
    is_taken = kind == _E or (kind == _C and data[at + 31] != _NOT_PRINTED)
    row["action"] = _EXECUTE if is_taken else _REDUCE
    state[FILLED] += 1
    return OK


@njit(cache=True)
def _order(data, shares_at, price_at, units, state, row):
    """The shares and the price of an order that comes to rest; above the highest price it is left out."""
    shares, price = _number(data, shares_at, 4), _number(data, price_at, 4)
    if shares == 0:
        return _BAD_SHARES
    if price == 0:
        return _BAD_PRICE
    if price // units > MAX_TICKS:
        state[_TOO_HIGH] += 1
        if row["action"] == _REPLACE:
            row["action"] = _DELETE
            state[FILLED] += 1
        return OK
    if price % units != 0:
        return _BAD_TICK
    row["size_lots"] = shares
    row["price_ticks"] = price // units
    state[FILLED] += 1
    return OK


@njit(cache=True)
def _trade(data, at, units, state, row):
    """A trade beside the visible book; a cross of nothing is none."""
    is_cross = data[at] == _Q
    shares = _number(data, at + 11, 8) if is_cross else _number(data, at + 20, 4)
    price = _number(data, at + 27, 4) if is_cross else _number(data, at + 32, 4)
    if price % units != 0 or price // units > MAX_TICKS:
        state[_OFF_TICK] += 1
    elif shares > 0:
        row["action"] = _TRADE
        row["order_id"] = 0
        row["size_lots"] = shares
        row["price_ticks"] = price // units
        state[FILLED] += 1
    return OK
