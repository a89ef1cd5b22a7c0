"""What all index sources share: the book of one pair, its checksum, and the price that follows from it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from sortedcontainers import SortedDict

MAX_SPREAD = Decimal("0.01")
"""A book whose spread is wider than this share of its middle gives no price."""


class LevelError(ValueError):
    """A level of a book that is none: the text says why."""


class DesyncError(Exception):
    """A book cannot be trusted any more: the text says what was wrong.

    `pair` says whose book, which is dropped already. Without one, no book of the connection can be trusted.
    """

    def __init__(self, text: str, pair: str | None = None) -> None:
        super().__init__(text)
        self.pair = pair


class RequestRefusedError(Exception):
    """The venue refuses a request, in the words of the text: no message of a book is missing, so the books stay."""


@dataclass(frozen=True)
class Quote:
    """What a message made of a pair's book: the middle of best bid and ask; None while the book gives no price."""

    pair: str
    price: Decimal | None


@dataclass
class Side:
    """One side of a book: price -> (price and quantity as the venue wrote them)."""

    is_bid: bool
    levels: SortedDict = field(default_factory=SortedDict)

    def put(self, price: str, quantity: str) -> None:
        """Set a level, or delete it with quantity 0. LevelError when a text is not a number."""
        try:
            key, amount = Decimal(price), Decimal(quantity)
        except InvalidOperation:
            raise LevelError(f"level {price!r}: {quantity!r} is not a price and a quantity") from None
        if not key.is_finite() or not amount.is_finite() or key <= 0 or amount < 0:
            raise LevelError(f"level {price!r}: {quantity!r} is out of range")
        key = -key if self.is_bid else key
        if amount == 0:
            self.levels.pop(key, None)
        else:
            self.levels[key] = (price, quantity)

    def cut(self, depth: int) -> None:
        """Delete levels beyond the subscribed depth."""
        while len(self.levels) > depth:
            self.levels.popitem(-1)

    def best(self, count: int) -> list[tuple[str, str]]:
        """The best levels, the best first, as the venue wrote them."""
        return [self.levels.peekitem(place)[1] for place in range(min(count, len(self.levels)))]

    def first(self) -> Decimal | None:
        """The best price, None when the side is empty."""
        return abs(self.levels.peekitem(0)[0]) if self.levels else None


@dataclass
class Book:
    """Both sides of a pair, and the number of the last update where the venue numbers the updates of each book."""

    sequence: int | None = None
    bids: Side = field(default_factory=lambda: Side(True))
    asks: Side = field(default_factory=lambda: Side(False))

    def put(self, bids: Iterable[Any], asks: Iterable[Any]) -> None:
        """Set levels of both sides; each begins with price and quantity."""
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, quantity, *_ in rows:
                side.put(price, quantity)

    def cut(self, depth: int) -> None:
        """Delete levels beyond the subscribed depth, on both sides."""
        self.bids.cut(depth)
        self.asks.cut(depth)

    def middle(self) -> Decimal | None:
        """The middle of best bid and ask; None when a side is empty, the spread is wide, or the book is crossed."""
        bid, ask = self.bids.first(), self.asks.first()
        if bid is None or ask is None or bid >= ask or ask - bid > (bid + ask) / 2 * MAX_SPREAD:
            return None
        return (bid + ask) / 2


class Adapter(ABC):
    """One venue's public feed of some pairs, without I/O: bytes in, quotes out.

    A book begins with a snapshot. It ends when a check fails, when the connection ends, or when its pair is subscribed
    to again.
    """

    name = ""
    url = ""

    def __init__(self, pairs: Iterable[str]) -> None:
        self.pairs = tuple(pairs)
        self.books: dict[str, Book] = {}

    def reset(self) -> None:
        """Delete all books, because a new connection begins."""
        self.books.clear()

    @abstractmethod
    def subscribe(self) -> list[bytes]:
        """The messages to send after connecting."""

    @abstractmethod
    def resubscribe(self, pair: str) -> list[bytes]:
        """The messages that bring a new snapshot of one pair."""

    def ping(self) -> bytes | None:
        """The message to send when the venue was silent; None where websocket pings are enough."""
        return None

    def receive(self, message: bytes) -> list[Quote]:
        """Take one message: a quote for each pair whose book it is about. Pairs that nobody asked for are ignored.

        DesyncError when it does not follow from the messages before it, cannot be checked, or cannot be read;
        RequestRefusedError when it refuses a request.
        """
        try:
            return self._read(message)
        except DesyncError as error:
            if error.pair is not None:
                self.books.pop(error.pair, None)
            raise
        except (msgspec.DecodeError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise DesyncError(f"{self.name}: not a message of the book feed: {error!r}") from None

    @abstractmethod
    def _read(self, message: bytes) -> list[Quote]:
        """Take one message."""

    def _book(self, pair: str, is_snapshot: bool) -> Book:
        """The book that a message is about: an empty one for a snapshot. DesyncError before the first snapshot."""
        if is_snapshot:
            self.books[pair] = Book()
        elif pair not in self.books:
            raise DesyncError(f"{self.name}: {pair}: an update before the snapshot", pair)
        return self.books[pair]

    def _put(self, pair: str, bids: Iterable[Any], asks: Iterable[Any]) -> None:
        """Set levels of a pair's book. DesyncError when one cannot be."""
        try:
            self.books[pair].put(bids, asks)
        except LevelError as error:
            raise DesyncError(f"{self.name}: {pair}: {error}", pair) from None

    def _quote(self, pair: str) -> Quote:
        return Quote(pair, self.books[pair].middle())
