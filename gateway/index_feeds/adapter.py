"""What every index source has in common: a book of one pair, its checksum, and the price that it stands for."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from sortedcontainers import SortedDict

MAX_SPREAD = Decimal("0.01")
"""A book whose spread is wider than this share of its middle says nothing."""


class DesyncError(Exception):
    """The book is not what the venue has: resubscribe. The text says what was wrong."""


@dataclass(frozen=True)
class Quote:
    """The middle of a pair's best bid and ask, and when the venue made it (0: it does not say)."""

    pair: str
    price: Decimal
    time_ns: int


@dataclass
class Side:
    """One side of a book: price -> (price and quantity as the venue wrote them)."""

    is_bid: bool
    levels: SortedDict = field(default_factory=SortedDict)

    def put(self, price: str, quantity: str) -> None:
        """Set a level, or delete it with quantity 0. DesyncError for what is no number."""
        try:
            key, amount = Decimal(price), Decimal(quantity)
        except InvalidOperation:
            raise DesyncError(f"level {price!r}: {quantity!r} is not a price and a quantity") from None
        if not key.is_finite() or not amount.is_finite() or key <= 0 or amount < 0:
            raise DesyncError(f"level {price!r}: {quantity!r} is out of range")
        key = -key if self.is_bid else key
        if amount == 0:
            self.levels.pop(key, None)
        else:
            self.levels[key] = (price, quantity)

    def cut(self, depth: int) -> None:
        """Forget what is deeper than the depth that was subscribed to."""
        while len(self.levels) > depth:
            self.levels.popitem(-1)

    def best(self, count: int) -> list[tuple[str, str]]:
        """The first levels, best first, as written."""
        return [self.levels.peekitem(place)[1] for place in range(min(count, len(self.levels)))]

    def first(self) -> Decimal | None:
        """The best price, None when the side is empty."""
        return abs(self.levels.peekitem(0)[0]) if self.levels else None


@dataclass
class Book:
    """Both sides of a pair."""

    bids: Side = field(default_factory=lambda: Side(True))
    asks: Side = field(default_factory=lambda: Side(False))

    def put(self, bids: Iterable[Any], asks: Iterable[Any]) -> None:
        """Set levels of both sides; each begins with price and quantity."""
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, quantity, *_ in rows:
                side.put(price, quantity)

    def cut(self, depth: int) -> None:
        """Forget what is deeper than the subscription on either side."""
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

    `receive` raises DesyncError when the book cannot be trusted any more; the runner then connects anew.
    """

    name = ""
    url = ""

    def __init__(self, pairs: Iterable[str]) -> None:
        self.pairs = tuple(pairs)
        self.books: dict[str, Book] = {}

    def reset(self) -> None:
        """Forget everything: a new connection begins."""
        self.books.clear()

    @abstractmethod
    def subscribe(self) -> list[bytes]:
        """What to send after connecting."""

    def ping(self) -> bytes | None:
        """What to send when the venue was silent, None when websocket pings do."""
        return None

    @abstractmethod
    def receive(self, message: bytes) -> list[Quote]:
        """Take one message and answer what it changed."""

    def _quotes(self, pair: str, time_ns: int) -> list[Quote]:
        middle = self.books[pair].middle()
        return [] if middle is None else [Quote(pair, middle, time_ns)]
