"""BATS and Cboe PITCH as binary messages: those of the multicast feed, with or without its sequenced unit headers.

Fields and rules are those of Cboe's US Equities/Options Multicast Depth of Book (PITCH) Specification, versions 2.41.29
(20 April 2022) and 2.41.80, as the Open Markets Initiative's public descriptions of both have them. What a message
means for a book:

- *Add order, long, short, expanded* (21, 22, 2F): an order rests. *Order executed* (23): it gave a quantity to an
  aggressor. *Order executed at price/size* (24): so too, and the message says what is left of it; where that is not
  what the messages before it say, the order is first made as large as both together. *Reduce size, long, short* (25,
  26): it is that much smaller, or gone. *Delete order* (29): it is gone.
- *Modify order, long, short* (27, 28): it rests with another price and size, behind the others of its price, even where
  nothing changes. With the flag of a kept priority, which later versions have, it stays in front where the engine's own
  rule lets it: with less at the same price.
- *Unit clear* (97): all orders of the unit's symbols are gone. Before the unit's first time it says nothing.
- *Trade, long, short, expanded* (2A, 2B, 30): a trade of an order that was never shown, beside the visible book.
- *Trade break* (2C), *trading status* (31), *auction update* and *summary* (95, D1, 96), *transaction begin* and *end*
  (BC, BD), *end of session* (2D), *symbol mapping* (2E), *retail price improvement* (98) and *width update* (D2) change
  no book. A type that is none of these is left out by its length and counted. Messages may be longer than here: later
  versions append fields.

*Frames.* Where the file has sequenced unit headers, a message's unit is its frame's, and messages that came before with
the same unit and sequence number (the second line of a feed) are left out and counted, as numbers that are missing are.
Without headers all is of one unit. A capture of network packets (pcap) is to be unpacked first.

*Seeding.* Nothing. Executions, reductions and deletions name neither symbol nor side, so the decoder remembers of each
open order which symbol, side and size it has; messages about an order that the file never added (it began earlier) are
counted. *Forgetting.* Nothing.

*Contracts* appear with their first order or trade; options by their six letters of the feed. *Prices* have four
decimals, those of short messages two; above 2^30 ticks an order is left out and counted, and enters when it is
modified to a price below. *Times* are nanoseconds: each unit's time message has the second after New York's midnight of
the date in the file's name, and what comes before the first of them is refused.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.recordings.batches import EVERYTHING, Wanted
from engine.recordings.byte_blocks import ByteBlocks
from engine.recordings.exchange_day import END, FILLED, FULL, MESSAGES, MIDNIGHT_NS, MORE, OK, ExchangeDay
from engine.recordings.id_table import EMPTY, find, rebuilt, remove
from engine.recordings.order_lives import LifeAction, LifeFlag
from engine.recordings.pitch import NEW_SYMBOL, OPEN, SYMBOL, UNWANTED, PitchDecoder, is_pitch, symbol_word
from engine.recordings.source import BadBytesError, RecordingError, Source
from engine.schema import MAX_CONTRACTS
from engine.units import MAX_TICKS, NS_PER_S

TIME, UNIT_CLEAR = 0x20, 0x97
ADD_LONG, ADD_SHORT, ADD_EXPANDED = 0x21, 0x22, 0x2F
EXECUTED, EXECUTED_AT_PRICE = 0x23, 0x24
REDUCE_LONG, REDUCE_SHORT, MODIFY_LONG, MODIFY_SHORT, DELETE = range(0x25, 0x2A)
TRADE_LONG, TRADE_SHORT, TRADE_EXPANDED = 0x2A, 0x2B, 0x30
MIN_LENGTH_OF = {
    TIME: 6, UNIT_CLEAR: 6, 0xBC: 6, 0xBD: 6,
    ADD_LONG: 34, ADD_SHORT: 26, ADD_EXPANDED: 40, EXECUTED: 26, EXECUTED_AT_PRICE: 38,
    REDUCE_LONG: 18, REDUCE_SHORT: 16, MODIFY_LONG: 27, MODIFY_SHORT: 19, DELETE: 14,
    TRADE_LONG: 41, TRADE_SHORT: 33, TRADE_EXPANDED: 43, 0x2C: 14, 0x2D: 6, 0x2E: 38, 0x31: 18,
    0x95: 47, 0xD1: 64, 0x96: 27, 0x98: 15, 0xD2: 19,
}  # fmt: skip
"""Bytes of a message of each type, its length and type included."""
HEADER_BYTES = 8
"""Of a sequenced unit header: length of the frame (2), messages (1), unit (1), sequence number of the first (4)."""
IGNORED = (
    "message of an unknown type",
    "message of a symbol or an order that is left out",
    "message about an order that was never added",
    "order above 2^30 ticks",
    "trade between two ticks",
    "message that came before",
    "sequence number that is missing",
)
"""Why messages became no row although they might have."""

Array = np.ndarray[Any, Any]

_LENGTHS = np.zeros(256, np.int64)
for _type, _length in MIN_LENGTH_OF.items():
    _LENGTHS[_type] = _length
_LOOKED_AT = 2
_WITH_SIDE = (ADD_LONG, ADD_SHORT, ADD_EXPANDED, TRADE_LONG, TRADE_SHORT, TRADE_EXPANDED)
_SIDE_AT = 14
_KEEPS_PRIORITY = 2
"""A bit of the flags of a modify order message."""
_UNITS, _MOST_ROWS = 256, 2
_UNITS_OF_CENT = 100
_HIGHEST = (1 << 63) - 1
_TIMELESS, _UNSEEN = -1, -1
"""A unit has its second of the day and its next sequence number; a contract its unit, and the price units of a tick."""
_DAY_S = 24 * 3600
_SIDE_SHIFT, _OUTSIDE, _CONTRACT = 16, 1 << 20, (1 << 16) - 1
"""Of an open order the table has its contract, its side above that, whether it is above the highest price; its size."""

_FRAMED, _UNIT, _SEQUENCE, _LEFT, _LEFT_BYTES, _CLEARED_UP_TO = range(OPEN + 1, OPEN + 7)
_UNKNOWN, _OTHER, _NEVER, _TOO_HIGH, _OFF_TICK, _AGAIN, _MISSING, _WORDS = range(OPEN + 7, OPEN + 15)
_CLEARED, _GROW, _CUT = range(NEW_SYMBOL + 1, NEW_SYMBOL + 4)
_BAD_FRAME, _BAD_SIZE = 10, 11
"""Nothing can be read behind these."""
_BAD_END, _BAD_LENGTH, _BAD_TIME, _NO_TIME, _BAD_SIDE, _BAD_SHARES, _BAD_PRICE, _BAD_TICK = range(12, 20)
_B, _S = ord("B"), ord("S")
_ADD, _REDUCE, _RESIZE, _DELETE = (int(LifeAction[name]) for name in ("ADD", "REDUCE", "RESIZE", "DELETE"))
_EXECUTE, _REPLACE, _CLEAR, _TRADE = (int(LifeAction[name]) for name in ("EXECUTE", "REPLACE", "CLEAR", "TRADE"))
_LAST = int(LifeFlag.LAST)


def is_binary(head: bytes) -> bool:
    """Whether the first two messages are of known types and as long as those are, or those of the first frame."""
    return _messages(head, _LOOKED_AT)[0] > 0 or is_framed(head)


def is_framed(head: bytes) -> bool:
    """Whether the first frame that is no heartbeat holds such messages, to its last byte."""
    at = 0
    while at + HEADER_BYTES <= len(head):
        length, count = int.from_bytes(head[at : at + 2], "little"), head[at + 2]
        if count:
            read, size = _messages(head[at + HEADER_BYTES : at + length], count)
            is_whole = at + length <= len(head)
            return read > 0 and (not is_whole or (read, size) == (count, length - HEADER_BYTES))
        if length != HEADER_BYTES:
            return False
        at += length
    return False


def _messages(data: bytes, most: int) -> tuple[int, int]:
    """How many messages of known types these bytes begin with, and their size; (0, 0) where something else follows."""
    at, read = 0, 0
    while read < most and at + 2 <= len(data):
        kind = data[at + 1]
        if not 0 < _LENGTHS[kind] <= data[at]:
            return 0, 0
        if at + data[at] > len(data):
            break
        if kind in _WITH_SIDE and data[at + _SIDE_AT] not in b"BS":  # lines of text begin like trades
            return 0, 0
        at, read = at + data[at], read + 1
    return read, at


class Day(NamedTuple):
    """What compiled code knows of a day: the open orders, the symbols, units and contracts, and the state's words."""

    orders: Array
    symbols: Array
    units: Array
    contracts: Array
    state: Array


def decoder(source: Source, wanted: Wanted, skip_bad: bool) -> ExchangeDay:
    """The decoder of a day of PITCH, as text or as binary messages."""
    head = source.head()
    is_text = is_pitch(head) or not is_binary(head)
    return (PitchDecoder if is_text else BinaryPitchDecoder)(source, wanted, skip_bad)


class BinaryPitchDecoder(PitchDecoder):
    """Decodes one file: a contract for each wanted symbol that has orders or trades."""

    words, reasons = _WORDS, IGNORED

    def __init__(self, source: Source, wanted: Wanted = EVERYTHING, skip_bad: bool = False) -> None:
        super().__init__(source, wanted, skip_bad)
        self._state[_FRAMED] = is_framed(source.head())
        self._units = np.full((_UNITS, 2), _TIMELESS, np.int64)
        self._contracts = np.full((MAX_CONTRACTS, 2), _UNSEEN, np.int64)

    def _decode(self, window: ByteBlocks, rows: Array) -> int:
        day = Day(self._orders, self._symbols, self._units, self._contracts, self._state)
        window.at, code = _decode(window.data, window.at, day, rows)
        return int(code)

    def _go_on(self, window: ByteBlocks, code: int) -> tuple[int, RecordingError | None]:
        """What to do where the compiled decoder stopped: read on, learn, leave a message out, or fail."""
        try:
            if code == MORE:
                if window.more():
                    return OK, None
                return END, self._error(window, _CUT) if len(window.rest()) else None
            if code == NEW_SYMBOL:
                self._name_symbol()
                return OK, None
        except RecordingError as error:
            return code, error
        if code in (_CLEARED, _GROW):
            self._rebuild(code == _CLEARED)
            return OK, None
        if not self.skip_bad or code in (_BAD_FRAME, _BAD_SIZE):
            return code, self._error(window, code)
        self.bad += 1
        self._leave_out(window, code)
        return OK, None

    def _rebuild(self, is_cleared: bool) -> None:
        """Make room for more open orders, and lose those of a unit that was cleared."""
        first = self._orders[:, 1]
        kept = first != EMPTY
        if is_cleared:
            unit_of = self._contracts[first & (MAX_CONTRACTS - 1), 0]
            kept &= (first == UNWANTED) | (unit_of != self._state[_UNIT])
        self._orders = rebuilt(self._orders, kept)
        self._state[OPEN] = kept.sum()

    def _leave_out(self, window: ByteBlocks, code: int) -> None:
        """Go on behind a malformed message; behind its frame where the frame and its messages do not end together."""
        state = self._state
        state[MESSAGES] += 1
        left = int(state[_LEFT]), int(state[_LEFT_BYTES])
        messages, size = left if code == _BAD_END else (1, window.peek(1)[0])
        _count_down(self._units, state, size, messages)
        window.at += size

    def _error(self, window: ByteBlocks, code: int) -> BadBytesError:
        message = window.peek(255)
        size, kind = (message[0], message[1]) if len(message) > 1 else (0, 0)
        name = f"{kind:#04x}"
        time, left = int.from_bytes(message[2:6], "little"), self._state[[_LEFT, _LEFT_BYTES]].tolist()
        side = chr(message[_SIDE_AT]) if len(message) > _SIDE_AT else ""
        field, reason = {
            _CUT: ("length", f"the file ends {len(window.rest())} bytes after the beginning of a message or a frame"),
            _BAD_FRAME: ("frame", f"has {int.from_bytes(message[:2], 'little')} bytes, less than its own header"),
            _BAD_SIZE: ("length", f"{size} is less than a message's own length and type"),
            _BAD_END: ("frame", f"has {left[1]} bytes for its last {left[0]} messages, and the next has {size}"),
            _BAD_LENGTH: ("length", f"{size} is less than the {MIN_LENGTH_OF.get(kind)} of type {name}"),
            _BAD_TIME: ("time", f"{time} is beyond a {'day of seconds' if kind == TIME else 'second of nanoseconds'}"),
            _NO_TIME: ("time", f"no time message of unit {self._state[_UNIT]} came before"),
            _BAD_SIDE: ("side", f"{side!r} is neither 'B' nor 'S'"),
            _BAD_SHARES: ("shares", f"are 0 in a message of type {name}"),
            _BAD_PRICE: ("price", f"is 0 in a message of type {name}"),
            _BAD_TICK: ("price", f"in a message of type {name} is no multiple of the tick"),
        }[code]
        return BadBytesError(self.source.name, window.position, int(self._state[MESSAGES]) + 1, field, reason)


@njit(cache=True)
def _decode(data, at, day, rows):
    """Decode messages into rows until something is needed; (where the next message begins, what is needed)."""
    state = day.state
    while True:
        if state[FILLED] + _MOST_ROWS > len(rows):
            return at, FULL
        if 2 * state[OPEN] >= len(day.orders):
            return at, _GROW
        if state[_FRAMED] and state[_LEFT] == 0:
            at, code = _header(data, at, day.units, state)
            if code != OK:
                return at, code
            continue
        code = _whole(data, at, state)
        if code != OK:
            return at, code
        length = np.int64(data[at])
        if state[_FRAMED] and 0 <= state[_SEQUENCE] < day.units[state[_UNIT], 1]:
            state[_AGAIN] += 1
        else:
            code = _message(data[at : at + length], day, rows)
            if code != OK and code != _CLEARED:
                return at, code
        state[MESSAGES] += 1
        at += length
        _count_down(day.units, state, length, 1)
        if code == _CLEARED:
            return at, code


@njit(cache=True)
def _whole(data, at, state):
    """OK where the next message is here as a whole and ends with its frame at the latest, the last one there."""
    if state[_FRAMED] and state[_LEFT_BYTES] < 2:
        return _BAD_END
    if at + 2 > len(data):
        return MORE
    length = np.int64(data[at])
    left = state[_LEFT_BYTES] - length
    if state[_FRAMED] and (length < 2 or left < 0 or (state[_LEFT] == 1 and left > 0)):
        return _BAD_END
    if length < 2:
        return _BAD_SIZE
    return MORE if at + length > len(data) else OK


@njit(cache=True)
def _count_down(units, state, size, messages):
    """So many messages of a frame are behind."""
    if not state[_FRAMED]:
        return
    state[_LEFT] -= messages
    state[_LEFT_BYTES] -= size
    if state[_SEQUENCE] >= 0:
        state[_SEQUENCE] += messages
        units[state[_UNIT], 1] = max(units[state[_UNIT], 1], state[_SEQUENCE])


@njit(cache=True)
def _header(data, at, units, state):
    """Read the header of a frame that is here as a whole. (where its first message begins, what is needed)."""
    if at + HEADER_BYTES > len(data):
        return at, MORE
    length, count, sequence = _number(data, at, 2), np.int64(data[at + 2]), _number(data, at + 4, 4)
    if length < HEADER_BYTES:
        return at, _BAD_FRAME
    if at + length > len(data):
        return at, MORE
    unit = np.int64(data[at + 3])
    state[_UNIT], state[_LEFT], state[_LEFT_BYTES] = unit, count, length - HEADER_BYTES
    state[_SEQUENCE] = sequence if sequence > 0 else -1
    expected = units[unit, 1]
    if sequence > expected > 0:
        state[_MISSING] += sequence - expected
        units[unit, 1] = sequence
    return at + HEADER_BYTES, _BAD_END if count == 0 and length > HEADER_BYTES else OK


@njit(cache=True)
def _number(data, at, size):
    """Bytes as a little-endian whole number; above the highest of 64 bits with a sign it is negative."""
    value = np.int64(0)
    for index in range(size):
        value |= np.int64(data[at + index]) << (8 * index)
    return value


@njit(cache=True)
def _message(data, day, rows):
    """Decode one message; the code of what stops it."""
    kind, state = np.int64(data[1]), day.state
    if _LENGTHS[kind] == 0:
        state[_UNKNOWN] += 1
        return OK
    if len(data) < _LENGTHS[kind]:
        return _BAD_LENGTH
    second = day.units[state[_UNIT], 0]
    if kind == TIME:
        second = _number(data, 2, 4)
        if second >= _DAY_S:
            return _BAD_TIME
        day.units[state[_UNIT], 0] = second
        return OK
    is_placed = kind in _WITH_SIDE
    if not (is_placed or EXECUTED <= kind <= DELETE or kind == UNIT_CLEAR):
        return OK
    nanos = _number(data, 2, 4)
    if nanos >= NS_PER_S:
        return _BAD_TIME
    if second == _TIMELESS:
        return OK if kind == UNIT_CLEAR else _NO_TIME
    time_ns = state[MIDNIGHT_NS] + second * NS_PER_S + nanos
    if kind == UNIT_CLEAR:
        return _clear(time_ns, day, rows)
    _begin(rows[state[FILLED]], time_ns, state)
    return _placed(data, day, rows[state[FILLED]]) if is_placed else _later(data, day, rows)


@njit(cache=True)
def _later(data, day, rows):
    """What happened to an order that rests."""
    kind, orders, state = np.int64(data[1]), day.orders, day.state
    place = find(orders, _number(data, 6, 8))
    first = orders[place, 1]
    if first == EMPTY:
        state[_NEVER] += 1
        return OK
    if first == UNWANTED:
        return _of_unwanted(data, orders, place, state)
    row = rows[state[FILLED]]
    row["contract"] = first & _CONTRACT
    row["order_id"] = orders[place, 0]
    if kind in (MODIFY_LONG, MODIFY_SHORT):
        return _modified(data, day, place, row)
    if kind == DELETE:
        row["action"] = _DELETE
        _gone(orders, place, state)
        return _said(first, state)
    return _smaller(data, orders, place, state, rows)


@njit(cache=True)
def _begin(row, time_ns, state):
    """What each row says."""
    row["time_ns"] = time_ns
    row["message"] = state[MESSAGES] + 1
    row["order_id"] = row["new_order_id"] = row["price_ticks"] = row["size_lots"] = 0
    row["side"] = 0
    row["flags"] = _LAST


@njit(cache=True)
def _said(first, state):
    """The row that was filled counts, unless its order is above the highest price."""
    if first & _OUTSIDE:
        state[_OTHER] += 1
    else:
        state[FILLED] += 1
    return OK


@njit(cache=True)
def _gone(orders, place, state):
    """An order is no longer open."""
    remove(orders, place)
    state[OPEN] -= 1


@njit(cache=True)
def _of_unwanted(data, orders, place, state):
    """A message about an order of a symbol that is not wanted: only its end matters."""
    kind = np.int64(data[1])
    size = _number(data, 14, 2 if kind in (REDUCE_SHORT, MODIFY_SHORT) else 4) if kind != DELETE else np.int64(0)
    state[_OTHER] += 1
    if kind in (MODIFY_LONG, MODIFY_SHORT):
        orders[place, 2] = size
    elif kind == EXECUTED_AT_PRICE:
        orders[place, 2] = _number(data, 18, 4)
    else:
        orders[place, 2] -= size
    if kind == DELETE or orders[place, 2] <= 0:
        _gone(orders, place, state)
    return OK


@njit(cache=True)
def _smaller(data, orders, place, state, rows):
    """An order gave a quantity, or is smaller."""
    kind, first = np.int64(data[1]), orders[place, 1]
    shares = _number(data, 14, 2 if kind == REDUCE_SHORT else 4)
    if shares == 0:
        return _BAD_SHARES
    row = rows[state[FILLED]]
    left = orders[place, 2] - shares
    if kind == EXECUTED_AT_PRICE and _number(data, 18, 4) != left:
        left = _number(data, 18, 4)
        row["action"], row["size_lots"], row["flags"] = _RESIZE, shares + left, 0
        time_ns, contract, order_id = row["time_ns"], row["contract"], row["order_id"]
        _said(first, state)
        row = rows[state[FILLED]]
        _begin(row, time_ns, state)
        row["contract"], row["order_id"] = contract, order_id
    row["action"] = _REDUCE if kind in (REDUCE_LONG, REDUCE_SHORT) else _EXECUTE
    row["size_lots"] = shares
    orders[place, 2] = left
    if left <= 0:
        _gone(orders, place, state)
    return _said(first, state)


@njit(cache=True)
def _price(data, at, size):
    """A price in ten-thousandths; short ones are cents. Above 64 bits with a sign it is the highest."""
    price = _number(data, at, size)
    if size == 2:
        return price * _UNITS_OF_CENT
    return price if price >= 0 else np.int64(_HIGHEST)


@njit(cache=True)
def _modified(data, day, place, row):
    """An order has another price and size, and lost its priority."""
    is_short = data[1] == MODIFY_SHORT
    shares = _number(data, 14, 2 if is_short else 4)
    price = _price(data, 16, 2) if is_short else _price(data, 18, 8)
    if shares == 0:
        return _BAD_SHARES
    if price == 0:
        return _BAD_PRICE
    orders, state = day.orders, day.state
    first = orders[place, 1]
    units = day.contracts[first & _CONTRACT, 1]
    is_too_high = price // units > MAX_TICKS
    if not is_too_high and price % units != 0:
        return _BAD_TICK
    was_outside = first & _OUTSIDE != 0
    orders[place, 1] = (first & ~_OUTSIDE) | (_OUTSIDE if is_too_high else 0)
    orders[place, 2] = shares
    if is_too_high:
        state[_TOO_HIGH] += 1
        row["action"] = _DELETE
        state[FILLED] += not was_outside
        return OK
    row["price_ticks"], row["size_lots"] = price // units, shares
    row["side"] = (first >> _SIDE_SHIFT) & 3
    if was_outside:
        row["action"] = _ADD
    elif data[18 if is_short else 26] & _KEEPS_PRIORITY:
        row["action"] = _RESIZE
    else:
        row["action"], row["new_order_id"] = _REPLACE, row["order_id"]
    state[FILLED] += 1
    return OK


@njit(cache=True)
def _placed(data, day, row):
    """An order comes to rest, or one that is not shown has traded."""
    kind, state = np.int64(data[1]), day.state
    is_short, is_add = kind in (ADD_SHORT, TRADE_SHORT), kind in (ADD_LONG, ADD_SHORT, ADD_EXPANDED)
    size_bytes = 2 if is_short else 4
    symbol_bytes = 8 if kind in (ADD_EXPANDED, TRADE_EXPANDED) else 6
    shares = _number(data, 15, size_bytes)
    price = _price(data, 15 + size_bytes + symbol_bytes, 2 if is_short else 8)
    if data[_SIDE_AT] != _B and data[_SIDE_AT] != _S:
        return _BAD_SIDE
    if shares == 0:
        return _BAD_SHARES
    if price == 0:
        return _BAD_PRICE
    symbol = symbol_word(data, 15 + size_bytes, symbol_bytes)
    found = find(day.symbols, symbol)
    contract, units = day.symbols[found, 1], day.symbols[found, 2]
    if contract == EMPTY:
        state[SYMBOL] = symbol
        return NEW_SYMBOL
    is_too_high = price // units > MAX_TICKS
    is_off_tick = not is_too_high and price % units != 0
    if is_add and is_off_tick:
        return _BAD_TICK
    row["action"] = _ADD if is_add else _TRADE
    row["contract"], row["price_ticks"], row["size_lots"] = contract, price // units, shares
    if is_add:
        row["order_id"] = _number(data, 6, 8)
        row["side"] = SIDE_BUY if data[_SIDE_AT] == _B else SIDE_SELL
        _open(day, contract, row, _OUTSIDE if is_too_high else 0)
    if contract == UNWANTED:
        state[_OTHER] += 1
        return OK
    day.contracts[contract, 0], day.contracts[contract, 1] = state[_UNIT], units
    if is_too_high or is_off_tick:
        state[_TOO_HIGH if is_add else _OFF_TICK] += 1
        return OK
    state[FILLED] += 1
    return OK


@njit(cache=True)
def _open(day, contract, row, outside):
    """Remember an order."""
    order_id, orders = row["order_id"], day.orders
    place = find(orders, order_id)
    day.state[OPEN] += orders[place, 1] == EMPTY
    orders[place, 0], orders[place, 2] = order_id, row["size_lots"]
    known = contract | np.int64(row["side"]) << _SIDE_SHIFT | outside
    orders[place, 1] = UNWANTED if contract == UNWANTED else known


@njit(cache=True)
def _clear(time_ns, day, rows):
    """All orders of a unit's symbols are gone; the table of open orders is to lose them too."""
    state = day.state
    for contract in range(state[_CLEARED_UP_TO], MAX_CONTRACTS):
        if day.contracts[contract, 0] != state[_UNIT]:
            continue
        if state[FILLED] == len(rows):
            state[_CLEARED_UP_TO] = contract
            return FULL
        row = rows[state[FILLED]]
        _begin(row, time_ns, state)
        row["action"], row["contract"] = _CLEAR, contract
        state[FILLED] += 1
    state[_CLEARED_UP_TO] = 0
    return _CLEARED
