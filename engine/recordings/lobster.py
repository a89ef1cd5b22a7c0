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
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from zoneinfo import ZoneInfo

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.codes import Side, TimeInForce
from engine.recordings.batches import (
    CHECKED_ROWS,
    READER_ID,
    Batch,
    Book,
    ContractSpec,
    Execution,
    Level,
    Rows,
)
from engine.recordings.recorded_queues import Queues
from engine.recordings.source import WIDEST, BadLineError, Source, whole_number
from engine.units import MAX_TICKS, NS_PER_S

FIELDS = ("time", "type", "order id", "size", "price", "direction")
NEW, REDUCE, DELETE, EXECUTE = 1, 2, 3, 4
BOOK_TYPES = (NEW, REDUCE, DELETE, EXECUTE)
MAX_PRICE_TICKS = 1 << 27
"""13,421 dollars: what this leaves for the largest order is 34 million shares."""
QUIET_TYPES = (5, 6, 7)
"""Hidden execution, cross trade, halt: none changes the visible book."""

_NAME = re.compile(r"(?P<ticker>[A-Z.]+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_\d+_message_\d+")
_MESSAGE_LINE = re.compile(rb"\d+(\.\d+)?,[1-7],-?\d+,-?\d+,-?\d+,-?1\s*$")
_MESSAGE = re.compile(r"(\d{1,6})(?:\.(\d+))?,(\d{1,18}),(-?\d{1,18}),(-?\d{1,18}),(-?\d{1,18}),(-?\d{1,18})", re.ASCII)
_SIDE_OF = {"1": SIDE_BUY, "-1": SIDE_SELL}
_SIDES = (SIDE_BUY, SIDE_SELL)
_EXCHANGE_ZONE = ZoneInfo("America/New_York")


def is_messages(head: bytes) -> bool:
    """Whether the first line has the six fields of a LOBSTER message."""
    return _MESSAGE_LINE.match(head.split(b"\n", 1)[0]) is not None


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the message file; `side` is the resting order's."""

    time_ns: int
    type: int
    order_id: int
    size: int
    price: int
    side: int
    line: int


Row = tuple[Message, Book]


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
        self.midnight_ns = _midnight_ns(named["date"]) if named else 0
        self.depth = len(book.head().split(b"\n", 1)[0].split(b",")) // 4
        self.total, self.bad = 0, 0
        self.rows = Rows()
        self.recorded = Queues()
        self._reader_ids = READER_ID
        self._opened, self._torn = False, False
        self._followed: Book = ([], [])

    def batches(self) -> Iterator[Batch]:
        """The whole recording; a check follows every message that has a row, one for all rows of a sweep."""
        for group in self._groups():
            try:
                self._step(group)
            except BadLineError:
                if not self.skip_bad:
                    raise
                self.bad += 1
                self._rewrite(group[-1][1])
            if len(self.rows) >= CHECKED_ROWS:
                yield self.rows.flush()
        yield self.rows.flush()

    # --- the files ------------------------------------------------------------------------------------------------

    def _groups(self) -> Iterator[list[Row]]:
        """Rows one by one, but the executions of one sweep together."""
        group: list[Row] = []
        for row in self._read():
            if group and not _same_sweep(group[-1][0], row[0]):
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def _read(self) -> Iterator[Row]:
        books = self.book.lines()
        for number, text in self.messages.lines():
            book_line, book_text = next(books, (0, ""))
            if not book_text:
                raise BadLineError(self.book.name, number, "line", f"missing, although {self.messages.name} has one")
            try:
                yield self._message(number, text), self._book(book_line, book_text)
            except BadLineError:
                if not self.skip_bad:
                    raise
                self.bad += 1
                self._torn = True

    def _message(self, line: int, text: str) -> Message:
        cells = _MESSAGE.fullmatch(text)
        if cells is None:
            self._refuse_line(line, text)
        seconds, fraction, kind, order_id, size, price, direction = cells.groups("")
        time_ns = self.midnight_ns + int(seconds) * NS_PER_S + int(fraction[:9].ljust(9, "0"))
        side = _SIDE_OF.get(direction, 0)
        message = Message(time_ns, int(kind), int(order_id), int(size), int(price), side, line)
        self._validate(message)
        return message

    def _refuse_line(self, line: int, text: str) -> NoReturn:
        """Say which field of a malformed line is wrong."""
        name, cells = self.messages.name, text.split(",")
        if len(cells) != len(FIELDS):
            raise BadLineError(name, line, "line", f"{len(cells)} fields instead of {len(FIELDS)}")
        for field, cell in zip(FIELDS[1:], cells[1:], strict=True):
            whole_number(cell, (name, line, field))
        raise BadLineError(name, line, "time", f"{cells[0][:40]!r} is not seconds after midnight")

    def _validate(self, message: Message) -> None:
        name = self.messages.name
        if message.type not in BOOK_TYPES + QUIET_TYPES:
            raise BadLineError(name, message.line, "type", f"{message.type} is not one of 1 to 7")
        if message.type in QUIET_TYPES:
            return
        if not 0 < message.order_id < READER_ID:
            raise BadLineError(name, message.line, "order id", f"{message.order_id} is not within 1 to {READER_ID - 1}")
        if not 0 < message.size < 1 << 31:
            raise BadLineError(name, message.line, "size", f"{message.size} is not within 1 to {(1 << 31) - 1}")
        if not 0 < message.price <= MAX_TICKS:
            raise BadLineError(name, message.line, "price", f"{message.price} is not within 1 to {MAX_TICKS}")
        if not message.side:
            raise BadLineError(name, message.line, "direction", "is neither 1 (buy) nor -1 (sell)")

    def _book(self, line: int, text: str) -> Book:
        cells = text.split(",")
        if len(cells) != 4 * self.depth:
            raise BadLineError(self.book.name, line, "line", f"{len(cells)} fields instead of {4 * self.depth}")
        try:
            values = list(map(int, cells))
        except ValueError as error:
            raise BadLineError(self.book.name, line, "line", f"a field is no number: {str(error)[:90]}") from error
        if "_" in text or max(values) > WIDEST or min(values) < -WIDEST:
            raise BadLineError(self.book.name, line, "line", f"a field is no whole number from -{WIDEST} to {WIDEST}")
        asks = list(zip(values[0::4], values[1::4], strict=True))
        bids = list(zip(values[2::4], values[3::4], strict=True))
        if values[-3] <= 0 or values[-1] <= 0:
            return [level for level in bids if level[1] > 0], [level for level in asks if level[1] > 0]
        return bids, asks

    # --- the commands ---------------------------------------------------------------------------------------------

    def _step(self, group: list[Row]) -> None:
        """The commands and the check of one message or one sweep."""
        message, book = group[0]
        self.rows.begin(group[-1][0].line, message.time_ns)
        if self._torn:
            return self._rewrite(group[-1][1])
        if not self._opened:
            self._opened = True
            self._rewrite(_before(message, book))
        executions: list[Execution] = []
        if message.type == NEW:
            self._new(message)
        elif message.type in (REDUCE, DELETE):
            self._reduce(message)
        elif message.type == EXECUTE:
            executions = self._sweep(group)
        self._follow(group[-1][1])
        self.rows.check([row[1] for row in group], executions)

    def _new(self, message: Message) -> None:
        if message.order_id in self.recorded.places:
            raise BadLineError(self.messages.name, message.line, "order id", f"{message.order_id} rests already")
        self.recorded.add(message.order_id, message.side, message.price, message.size)
        self.rows.new(message.order_id, message.side, message.price, message.size)

    def _reduce(self, message: Message) -> None:
        order_id, resting = self._resting(message)
        if message.size > resting:
            self._refuse_size(message, resting)
        if self.recorded.take(order_id, message.size):
            self.rows.amend(order_id, resting - message.size)
        else:
            self.rows.cancel(order_id)

    def _sweep(self, group: list[Row]) -> list[Execution]:
        """One aggressor for the group; the executions that it should have."""
        messages = [row[0] for row in group]
        for _, book in group:
            for side, levels in zip(_SIDES, book, strict=True):
                self._seed_missing(side, levels)
        executions = [Execution(self._resting(each)[0], each.side, each.price, each.size) for each in messages]
        self._refuse_more_than_rests(messages, executions)
        side, prices = messages[0].side, [each.price for each in messages]
        limit = min(prices) if side == Side.BUY else max(prices)
        quantity = sum(each.size for each in messages)
        self.rows.new(self._reader_id(), 3 - side, limit, quantity, TimeInForce.IOC)
        predicted = {price: dict(self.recorded.queue(side, price)) for price in prices}
        predicted |= self.recorded.swept(side, limit, quantity)
        for each in executions:
            self.recorded.take(each.cl_ord_id, each.qty_lots)
        for price, queue in predicted.items():
            self._correct(side, price, queue)
        return executions

    def _correct(self, side: int, price: int, queue: dict[int, int]) -> None:
        """Enter a level again as recorded where price-time priority has left another queue."""
        recorded = self.recorded.queue(side, price)
        if list(recorded.items()) == list(queue.items()):
            return
        for order_id in queue:
            self.rows.cancel(order_id)
        for order_id, size in recorded.items():
            self.rows.new(order_id, side, price, size)

    def _resting(self, message: Message) -> tuple[int, int]:
        """(id, size) of the order that a message is about: itself, or the anonymous one of its level."""
        order_id = message.order_id
        if self.recorded.places.get(order_id) != (message.side, message.price):
            order_id = self.recorded.front_anonymous(message.side, message.price)
        size = self.recorded.queue(message.side, message.price).get(order_id, 0)
        if not size:
            reason = f"{message.order_id} does not rest at {message.price} and nothing anonymous does"
            raise BadLineError(self.messages.name, message.line, "order id", reason)
        return order_id, size

    def _refuse_more_than_rests(self, messages: list[Message], executions: list[Execution]) -> None:
        taken: dict[int, int] = {}
        for message, each in zip(messages, executions, strict=True):
            taken[each.cl_ord_id] = taken.get(each.cl_ord_id, 0) + each.qty_lots
            resting = self._resting(message)[1]
            if taken[each.cl_ord_id] > resting:
                self._refuse_size(message, resting)

    def _refuse_size(self, message: Message, resting: int) -> None:
        reason = f"{message.size} is more than the {resting} that rest at {message.price}"
        raise BadLineError(self.messages.name, message.line, "size", reason)

    # --- seeding and forgetting -----------------------------------------------------------------------------------

    def _follow(self, book: Book) -> None:
        """Forget the levels that left the visible depth, seed those that entered it."""
        for side, levels, before in zip(_SIDES, book, self._followed, strict=True):
            known = self.recorded.levels[side]
            if levels != before and known.keys() != (visible := dict(levels)).keys():
                for price in [price for price in known if price not in visible]:
                    for order_id in self.recorded.drop(side, price):
                        self.rows.cancel(order_id)
                self._seed_missing(side, levels)
        self._followed = book

    def _seed_missing(self, side: int, levels: list[Level]) -> None:
        known = self.recorded.levels[side]
        for price, size in levels:
            if price not in known:
                order_id = self._reader_id()
                self.recorded.add(order_id, side, price, size)
                self.rows.new(order_id, side, price, size)

    def _rewrite(self, book: Book) -> None:
        """Start over from one recorded book: at the beginning, and after a line that had to be skipped."""
        self._follow(([], []))
        self._followed = ([], [])
        self._follow(book)
        self._torn = False

    def _reader_id(self) -> int:
        self._reader_ids += 1
        return self._reader_ids


def _same_sweep(last: Message, message: Message) -> bool:
    return last.type == message.type == EXECUTE and (last.time_ns, last.side) == (message.time_ns, message.side)


def _before(message: Message, book: Book) -> Book:
    """The book before a message, from the book after it."""
    before: Book = ([], [])
    for side, levels in zip(_SIDES, book, strict=True):
        sizes = dict(levels)
        if side == message.side and message.type in BOOK_TYPES:
            undone = -message.size if message.type == NEW else message.size
            sizes[message.price] = sizes.get(message.price, 0) + undone
        before[side - 1].extend((price, size) for price, size in sizes.items() if size > 0)
    return before


def _midnight_ns(date: str) -> int:
    """Midnight of the exchange's day, in UTC."""
    midnight = datetime.fromisoformat(date).replace(tzinfo=_EXCHANGE_ZONE)
    return int(midnight.timestamp()) * NS_PER_S
