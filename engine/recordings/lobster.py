"""LOBSTER recordings: a message file and an orderbook file whose row k is the visible book after message k.

The messages alone do not make a book, so the reader keeps the recorded book beside them and follows three rules:

- *Seeding.* Orders from before the file exist. The first row, with its own message undone, is seeded as one anonymous
  order per level. A level that later enters the visible depth from below is seeded from the row it appears in. A
  level's anonymous order stands in front of every order that comes after it.
- *Forgetting.* Once a price leaves the visible depth, the deletions of its orders are no longer reported. So all
  orders of a level that leaves are cancelled, and seeded again as one if it comes back.
- *Aggressors.* A file shows only the resting side of a trade. Consecutive executions of visible orders with one
  timestamp and direction are one aggressor: an IOC limit order at the worst recorded price with the summed quantity.
  The levels that its sweep brings into view are seeded before it.

A message about an order that the file never introduced, or that was forgotten, means the anonymous order of its level.
Where the recorded aggressor took another order than the first in the queue, its level is cancelled and entered again
as recorded, so that one difference does not breed others. Hidden executions, crosses and halts do not change the book.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import numpy as np

from engine.recordings.batches import READER_ID, Batch, ContractSpec
from engine.recordings.checks import BOOK_WORDS
from engine.recordings.integer_csv import Lines, LineStream, Settled
from engine.recordings.lobster_follower import (
    DIRECTION,
    DONE,
    EXECUTE,
    FIELDS,
    ORDER_ID,
    PRICE,
    RESTS_ALREADY,
    SIZE,
    TOO_LARGE,
    TYPE,
    Block,
    Follower,
    joined,
    normalise_books,
    nothing,
)
from engine.recordings.read_ahead import ahead
from engine.recordings.source import WIDEST, BadLineError, RecordingError, Source, whole_number
from engine.units import MAX_TICKS, NS_PER_S

FIELD_NAMES = ("time", "type", "order id", "size", "price", "direction")
LAST_TYPE = 7
"""5 to 7 are a hidden execution, a cross trade and a halt: none changes the visible book."""
MAX_PRICE_TICKS = 1 << 27
"""13,421 dollars: what this leaves for the largest order is 34 million shares."""
BLOCK_LEVELS = 1 << 16
"""So many levels of recorded books, in as many rows, are followed together."""
_MAX_TIME_NS = 1_000_000 * NS_PER_S
_MAX_SIZE = (1 << 31) - 1
PLACES = np.array([9, 0, 0, 0, 0, 0])
"""Decimals of each field."""

_NAME = re.compile(r"(?P<ticker>[A-Z.]+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_\d+_message_\d+")
_MESSAGE_LINE = re.compile(rb"\d+(\.\d+)?,[1-7],-?\d+,-?\d+,-?\d+,-?1\s*$")
_MESSAGE = re.compile(r"(\d{1,6})(?:\.(\d+))?,(\d{1,18}),(-?\d{1,18}),(-?\d{1,18}),(-?\d{1,18}),(-?\d{1,18})", re.ASCII)
_EXCHANGE_ZONE = ZoneInfo("America/New_York")

Array = np.ndarray[Any, Any]


def is_messages(head: bytes) -> bool:
    """Whether the first line has the six fields of a LOBSTER message."""
    return _MESSAGE_LINE.match(head.split(b"\n", 1)[0]) is not None


class LobsterReader:
    """Reads a message file together with its orderbook file."""

    format = "lobster"
    has_clock = True
    is_log = False

    def __init__(self, messages: Source, book: Source, skip_bad: bool = False) -> None:
        self.messages, self.book, self.skip_bad = messages, book, skip_bad
        named = _NAME.match(messages.name)
        self.contract = ContractSpec(
            named["ticker"] if named else "LOBSTER", tick="0.0001", max_price_ticks=MAX_PRICE_TICKS
        )
        self.depth = max(1, (next(book.lines(), (0, ""))[1].count(",") + 1) // BOOK_WORDS)
        self.total, self.bad = 0, 0
        self._midnight_ns = _midnight_ns(named["date"]) if named else 0

    def batches(self) -> Iterator[Batch]:
        """The whole recording; a check follows every message that has a row, one for all rows of a sweep."""
        follower = Follower(self.depth, self._midnight_ns, self.skip_bad)
        waiting = nothing(self.depth)
        for read, bad, is_last in ahead(self._rows()):
            self.bad += bad
            block = joined(waiting, read)
            yield from self._follow(follower, block, is_last)
            waiting = follower.left(block)

    def _follow(self, follower: Follower, block: Block, is_last: bool) -> Iterator[Batch]:
        bad = follower.bad
        yield from follower.follow(block, is_last)
        self.bad += follower.bad - bad
        if follower.status != DONE:
            raise self._refused(follower, block)

    def _refused(self, follower: Follower, block: Block) -> BadLineError:
        """What is wrong with a message that cannot be followed."""
        message, line = block[0][follower.fault].tolist(), int(block[3][follower.fault])
        name, order_id, price = self.messages.name, message[ORDER_ID], message[PRICE]
        if follower.status == RESTS_ALREADY:
            return BadLineError(name, line, "order id", f"{order_id} rests already")
        if follower.status == TOO_LARGE:
            reason = f"{message[SIZE]} is more than the {follower.resting} that rest at {price}"
            return BadLineError(name, line, "size", reason)
        reason = f"{order_id} does not rest at {price} and nothing anonymous does"
        return BadLineError(name, line, "order id", reason)

    # --- the files ------------------------------------------------------------------------------------------------

    def _rows(self) -> Iterator[tuple[Block, int, bool]]:
        """Good messages with their books, how many lines were left out, and whether these are the last ones.

        What ends them early is raised after. It runs in a thread of its own, and changes nothing of the reader.
        """
        messages = LineStream(self.messages, PLACES, self.settle_messages)
        books = LineStream(self.book, np.zeros(BOOK_WORDS * self.depth, np.int64), self._settle_books)
        count, is_torn = max(1, BLOCK_LEVELS // self.depth), False
        error: RecordingError | None = None
        while error is None:
            numbers, values, bad = messages.take(count)
            _, levels, bad_books = books.take(len(numbers))
            used, error = len(bad_books), messages.error
            if used < len(numbers):
                reason = f"missing, although {self.messages.name} has one"
                error = books.error or BadLineError(self.book.name, int(numbers[used]), "line", reason)
            good = np.flatnonzero(~(bad[:used] | bad_books))
            torn = np.diff(good, prepend=-1) > 1
            torn[:1] |= is_torn
            is_torn = bool(good[-1] < used - 1) if len(good) else is_torn or used > 0
            if len(good) < used:
                numbers, values, levels = numbers[good], values[good], levels[good]
            is_last = error is None and used < count
            block = values[: len(good)], levels.reshape(-1, self.depth, BOOK_WORDS), torn, numbers[: len(good)]
            yield block, used - len(good), is_last
            if is_last:
                return
        raise error

    def settle_messages(self, lines: Lines) -> Settled:
        """Set the values of messages that are not plain; which ones are bad."""
        time_ns, kind, order_id, size, price, direction = lines.values.T
        good = (size > 0) & (size <= _MAX_SIZE) & (order_id > 0) & (order_id < READER_ID)
        good &= (price > 0) & (price <= MAX_TICKS) & (abs(direction) == 1)
        good |= kind > EXECUTE
        good &= (kind > 0) & (kind <= LAST_TYPE) & (time_ns >= 0) & (time_ns < _MAX_TIME_NS) & lines.plain
        return lines.settle(good, self.message, self.skip_bad)

    def _settle_books(self, lines: Lines) -> Settled:
        settled = lines.settle(lines.plain, self.book_row, self.skip_bad)
        normalise_books(lines.values.reshape(-1, self.depth, BOOK_WORDS))
        return settled

    def message(self, line: int, text: str) -> list[int]:
        """The values of a message line, whatever it looks like. BadLineError for what is no message."""
        cells = _MESSAGE.fullmatch(text)
        if cells is None:
            self._refuse_line(line, text)
        seconds, fraction, *others = cells.groups("")
        message = [int(seconds) * NS_PER_S + int(fraction[:9].ljust(9, "0")), *map(int, others)]
        self._validate(line, message)
        return message

    def _refuse_line(self, line: int, text: str) -> NoReturn:
        """Say which field of a malformed line is wrong."""
        name, cells = self.messages.name, text.split(",")
        if len(cells) != FIELDS:
            raise BadLineError(name, line, "line", f"{len(cells)} fields instead of {FIELDS}")
        for field, cell in zip(FIELD_NAMES[1:], cells[1:], strict=True):
            whole_number(cell, (name, line, field))
        raise BadLineError(name, line, "time", f"{cells[0][:40]!r} is not seconds after midnight")

    def _validate(self, line: int, message: list[int]) -> None:
        name = self.messages.name
        if not 0 < message[TYPE] <= LAST_TYPE:
            raise BadLineError(name, line, "type", f"{message[TYPE]} is not one of 1 to {LAST_TYPE}")
        if message[TYPE] > EXECUTE:
            return
        for field, last in ((ORDER_ID, READER_ID - 1), (SIZE, _MAX_SIZE), (PRICE, MAX_TICKS)):
            if not 0 < message[field] <= last:
                raise BadLineError(name, line, FIELD_NAMES[field], f"{message[field]} is not within 1 to {last}")
        if abs(message[DIRECTION]) != 1:
            raise BadLineError(name, line, "direction", "is neither 1 (buy) nor -1 (sell)")

    def book_row(self, line: int, text: str) -> list[int]:
        """The values of a row of the book, whatever it looks like. BadLineError for what is none."""
        name, cells = self.book.name, text.split(",")
        if len(cells) != BOOK_WORDS * self.depth:
            raise BadLineError(name, line, "line", f"{len(cells)} fields instead of {BOOK_WORDS * self.depth}")
        try:
            values = list(map(int, cells))
        except ValueError as error:
            raise BadLineError(name, line, "line", f"a field is no number: {str(error)[:90]}") from error
        if "_" in text or max(values) > WIDEST or min(values) < -WIDEST:
            raise BadLineError(name, line, "line", f"a field is no whole number from -{WIDEST} to {WIDEST}")
        return values


def _midnight_ns(date: str) -> int:
    """Midnight of the exchange's day, in UTC."""
    midnight = datetime.fromisoformat(date).replace(tzinfo=_EXCHANGE_ZONE)
    return int(midnight.timestamp()) * NS_PER_S
