"""Databento's market by order as CSV: a header, then a line for each record, parsed by compiled code in blocks.

Prices are decimal numbers (pretty) or whole numbers of 1e-9; times are like 2020-12-28T13:00:00.006136329Z (pretty) or
nanoseconds since the epoch. Empty cells are undefined. Columns that are not used may be missing, and others may stand
there; `symbol` names the instrument where it is given.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit

from engine.recordings.byte_blocks import ByteBlocks
from engine.recordings.dbn_file import MBO, RTYPE_MBO
from engine.recordings.order_lives import BLOCK_ROWS
from engine.recordings.recorded_contracts import readable
from engine.recordings.source import BadLineError, Source

REQUIRED = ("ts_event", "instrument_id", "action", "side", "price", "size", "order_id", "flags")
MAX_LINE_BYTES = 1 << 14
_COLUMNS = ("ts_recv", *REQUIRED, "rtype", "symbol")
_TS_RECV, _TS_EVENT, _INSTRUMENT, _ACTION, _SIDE, _PRICE, _SIZE, _ORDER, _FLAGS, _RTYPE, _SYMBOL = range(len(_COLUMNS))
_SKIPPED = -1
_REASONS = {
    1: "is no whole number that fits",
    2: "is no time like 2020-12-28T13:00:00.006136329Z, and no nanoseconds since the epoch",
    3: "is no decimal number with at most nine places",
    4: "is not one letter",
}
_FIELDS_OFF, _NUMBER_OFF, _TIME_OFF, _PRICE_OFF, _LETTER_OFF = -1, 1, 2, 3, 4
_NEWLINE, _RETURN, _COMMA, _ZERO, _NINE, _DOT, _MINUS = 10, 13, 44, 48, 57, 46, 45
_UNDEF_PRICE = (1 << 63) - 1
_MAX_UINT32, _MAX_UINT8 = (1 << 32) - 1, 255
_WIDEST = 20
"""Digits of the largest unsigned number."""
_NS_PER_S = 1_000_000_000
_LAST_YEAR = 2261
"""Its end is within 63 bits of nanoseconds."""

Array = np.ndarray[Any, Any]


def is_csv(head: bytes) -> bool:
    """Whether the first line is the header of a market by order."""
    return set(REQUIRED) <= set(head.split(b"\n", 1)[0].decode("ascii", "replace").strip().split(","))


class MboCsv:
    """The records of a CSV file; `bad` counts lines that were left out. Nothing else is in such a file."""

    others = 0
    listed: frozenset[str] = frozenset()

    def __init__(self, source: Source, skip_bad: bool = False) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.ticks: dict[int, int] = {}
        self.bad = 0
        self._line = 1
        self._data: Array = np.zeros(0, np.uint8)
        self._symbols: Array = np.zeros((BLOCK_ROWS, 2), np.int64)

    def name(self, instrument_id: int, block: Array, row: int) -> str:
        """What the line of a row calls its instrument, else its number."""
        start, end = self._symbols[row].tolist()
        return readable(self._data[start:end].tobytes().decode("ascii", "replace")) or str(instrument_id)

    def records(self) -> Iterator[Array]:
        """MBO rows, at most BLOCK_ROWS at a time. BadLineError for a malformed line, unless those are to be skipped."""
        with ByteBlocks(self.source) as data:
            self._read_header(data)
            is_open = True
            while is_open:
                is_open = data.more()
                if not is_open and data.rest():
                    data.data = np.append(data.data, np.uint8(_NEWLINE))
                yield from self._lines(data)
                if len(data.data) - data.at > MAX_LINE_BYTES:
                    raise BadLineError(
                        self.source.name, self._line + 1, "line", f"is longer than {MAX_LINE_BYTES:,} bytes"
                    )

    def _lines(self, data: ByteBlocks) -> Iterator[Array]:
        """The records of all whole lines that were read."""
        while True:
            rows, before = np.zeros(BLOCK_ROWS, MBO), 0
            while True:
                count, end, column, reason = _parse(data.data, data.at, self._kinds, rows, before, self._symbols)
                self._data, data.at = data.data, end
                self._line, before = self._line + count - before, count
                if not reason or not self.skip_bad:
                    break
                self._leave_out(data)
            if count:
                yield rows[:count]
            if reason:
                raise self._error(data, column, reason)
            if count < BLOCK_ROWS:
                return

    def _read_header(self, data: ByteBlocks) -> None:
        while _NEWLINE not in data.data and len(data.data) < MAX_LINE_BYTES and data.more():
            continue
        text = data.peek(MAX_LINE_BYTES).partition(b"\n")[0]
        data.at += len(text) + 1
        header = text.decode("ascii", "replace").strip().split(",")
        for name in REQUIRED:
            if header.count(name) != 1:
                raise BadLineError(self.source.name, 1, "header", f"{name} must stand there once")
        self._header = header
        self._kinds = np.array([_COLUMNS.index(name) if name in _COLUMNS else _SKIPPED for name in header], np.int64)

    def _leave_out(self, data: ByteBlocks) -> None:
        """Go behind the malformed line at which the bytes stand."""
        self._line += 1
        self.bad += 1
        data.at += len(data.line()) + 1

    def _error(self, data: ByteBlocks, column: int, reason: int) -> BadLineError:
        """What is wrong with the line at which the bytes stand."""
        cells = data.line().decode("ascii", "replace").rstrip("\r").split(",")
        if reason == _FIELDS_OFF:
            said = f"{len(cells)} fields instead of {len(self._header)}"
            return BadLineError(self.source.name, self._line + 1, "line", said)
        said = f"{cells[column][:40]!r} {_REASONS[reason]}"
        return BadLineError(self.source.name, self._line + 1, self._header[column], said)


# --- cells --------------------------------------------------------------------------------------------------------


@njit(cache=True)
def _number(data, at, end):
    """(a whole number of at most 64 bits as int64, whether it is one)."""
    is_negative = at < end and data[at] == _MINUS
    at += is_negative
    value = np.int64(0)
    if at >= end or end - at > _WIDEST:
        return value, False
    for place in range(at, end):
        if data[place] < _ZERO or data[place] > _NINE:
            return value, False
        value = value * 10 + np.int64(data[place] - _ZERO)
    return (-value if is_negative else value), True


@njit(cache=True)
def _price(data, at, end):
    """(a price in 1e-9, whether it is one)."""
    dot = at
    while dot < end and data[dot] != _DOT:
        dot += 1
    if dot == end:
        return _number(data, at, end)
    whole, is_sound = _number(data, at, dot)
    if not is_sound or dot - at > 11 or end - dot - 1 > 9:
        return np.int64(0), False
    places, is_fraction = np.int64(0), True
    if end - dot > 1:
        places, is_fraction = _number(data, dot + 1, end)
    for _ in range(end - dot - 1, 9):
        places *= 10
    if places < 0 or not is_fraction:
        return np.int64(0), False
    whole *= 1_000_000_000
    return (whole - places if data[at] == _MINUS else whole + places), True


@njit(cache=True)
def _days(year, month, day):
    """Days since 1970-01-01 of a date of the Gregorian calendar."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@njit(cache=True)
def _time(data, at, end):
    """(nanoseconds since the epoch, whether it is a time)."""
    if end - at < 19 or data[at + 4] != _MINUS:
        value, is_sound = _number(data, at, end)
        return value, is_sound
    parts = np.zeros(6, np.int64)
    for index, place, width in ((0, 0, 4), (1, 5, 2), (2, 8, 2), (3, 11, 2), (4, 14, 2), (5, 17, 2)):
        parts[index], is_sound = _number(data, at + place, at + place + width)
        if not is_sound or parts[index] < 0:
            return np.int64(0), False
    months, hours, minutes, seconds = parts[1], parts[3], parts[4], parts[5]
    if not (1970 <= parts[0] <= _LAST_YEAR and 1 <= months <= 12 and 1 <= parts[2] <= 31):
        return np.int64(0), False
    if hours >= 24 or minutes >= 60 or seconds >= 60:
        return np.int64(0), False
    at += 19
    fraction, unit = np.int64(0), np.int64(_NS_PER_S)
    if at < end and data[at] == _DOT:
        at += 1
        while at < end and _ZERO <= data[at] <= _NINE and unit > 1:
            unit //= 10
            fraction += unit * np.int64(data[at] - _ZERO)
            at += 1
    is_utc = at == end or (end - at == 1 and data[at] == ord("Z"))
    is_utc |= end - at == 6 and data[at + 1] == _ZERO and data[at + 2] == _ZERO and data[at + 4] == _ZERO
    seconds += 3600 * hours + 60 * minutes + 86_400 * _days(parts[0], months, parts[2])
    return seconds * _NS_PER_S + fraction, is_utc


@njit(cache=True)
def _letter(data, at, end):
    return (np.int64(data[at]) if end > at else np.int64(ord("N"))), end - at <= 1


@njit(cache=True)
def _fill_in(data, at, end, kind, row):
    """Put a cell into its place of a row; 0, or why it is malformed."""
    if kind in (_ACTION, _SIDE):
        letter, is_sound = _letter(data, at, end)
        if kind == _ACTION:
            row.action = letter
        else:
            row.side = letter
        return 0 if is_sound else _LETTER_OFF
    if kind in (_TS_RECV, _TS_EVENT):
        time_ns, is_sound = (np.int64(-1), True) if at == end else _time(data, at, end)
        if kind == _TS_RECV:
            row.ts_recv = time_ns
        else:
            row.ts_event = time_ns
        return 0 if is_sound else _TIME_OFF
    if kind == _PRICE:
        price, is_sound = (np.int64(_UNDEF_PRICE), True) if at == end else _price(data, at, end)
        row.price = price
        return 0 if is_sound else _PRICE_OFF
    value, is_sound = (np.int64(0), True) if at == end and kind != _INSTRUMENT else _number(data, at, end)
    if kind == _ORDER:
        row.order_id = value
        return 0 if is_sound else _NUMBER_OFF
    if not is_sound or value < 0 or value > (_MAX_UINT8 if kind in (_FLAGS, _RTYPE) else _MAX_UINT32):
        return _NUMBER_OFF
    if kind == _SIZE:
        row.size = value
    elif kind == _FLAGS:
        row.flags = value
    elif kind == _INSTRUMENT:
        row.instrument_id = value
    return 0


@njit(cache=True)
def _parse(data, at, kinds, rows, count, symbols):
    """Parse whole lines into the rows from `count` on.

    (rows in use, where the next line begins, column and reason of the malformed line there, or 0).
    """
    while count < len(rows):
        end = at
        while end < len(data) and data[end] != _NEWLINE:
            end += 1
        if end == len(data):
            break
        last = end - 1 if end > at and data[end - 1] == _RETURN else end
        if last == at:
            at = end + 1
            continue
        row = rows[count]
        row.rtype, row.ts_recv = RTYPE_MBO, -1
        symbols[count, 0] = symbols[count, 1] = at
        column, begin = 0, at
        for place in range(at, last + 1):
            if place < last and data[place] != _COMMA:
                continue
            if column == len(kinds):
                return count, at, 0, _FIELDS_OFF
            if kinds[column] == _SYMBOL:
                symbols[count, 0], symbols[count, 1] = begin, place
            elif kinds[column] != _SKIPPED:
                reason = _fill_in(data, begin, place, kinds[column], row)
                if reason != 0:
                    return count, at, column, reason
            column, begin = column + 1, place + 1
        if column != len(kinds):
            return count, at, 0, _FIELDS_OFF
        count, at = count + 1, end + 1
    return count, at, 0, 0
