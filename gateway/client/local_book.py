"""A client's own copy of a book, built from the chain of changes and checked at every step."""

from decimal import Decimal
from typing import Any

from sortedcontainers import SortedDict


class BookBroken(Exception):  # noqa: N818 - the remedy is a new snapshot, not a repair
    """The chain has a gap or the book is crossed: subscribe again for a snapshot."""


class LocalBook:
    """Bids and asks by price. `apply` takes the data of book messages.

    >>> book = LocalBook()
    >>> book.apply({"type": "snapshot", "change_id": 1, "bids": [["new", 10, 2]], "asks": [["new", 11, 3]]})
    >>> book.apply({"type": "change", "prev_change_id": 1, "change_id": 5, "bids": [["delete", 10, 0]], "asks": []})
    >>> book.best_bid, book.best_ask
    (None, (11, 3))
    """

    def __init__(self) -> None:
        self.bids: SortedDict = SortedDict()
        self.asks: SortedDict = SortedDict()
        self.change_id: int | None = None
        self.timestamp = 0

    def apply(self, data: dict[str, Any]) -> None:
        """Take one message. BookBroken when it does not follow the last one or leaves the book crossed."""
        if data["type"] == "snapshot":
            self.bids.clear()
            self.asks.clear()
        elif self.change_id is None or data["prev_change_id"] != self.change_id:
            raise BookBroken(f"change {data['change_id']} follows {data.get('prev_change_id')}, not {self.change_id}")
        for side, rows in ((self.bids, data["bids"]), (self.asks, data["asks"])):
            for action, price, amount in rows:
                if action == "delete":
                    side.pop(price, None)
                else:
                    side[price] = amount
        self.change_id = data["change_id"]
        self.timestamp = data.get("timestamp", 0)
        self._check()

    def _check(self) -> None:
        if self.bids and self.asks and self.bids.peekitem(-1)[0] >= self.asks.peekitem(0)[0]:
            raise BookBroken(f"bid {self.bids.peekitem(-1)[0]} is not below ask {self.asks.peekitem(0)[0]}")

    @property
    def best_bid(self) -> tuple[Decimal, Decimal] | None:
        """(price, amount), None when there is no bid."""
        return self.bids.peekitem(-1) if self.bids else None

    @property
    def best_ask(self) -> tuple[Decimal, Decimal] | None:
        """(price, amount), None when there is no ask."""
        return self.asks.peekitem(0) if self.asks else None

    def depth(self, levels: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """(bids, asks), best first, at most so many each."""
        bids = [(price, self.bids[price]) for price in reversed(self.bids.keys()[-levels:])]
        asks = [(price, self.asks[price]) for price in self.asks.keys()[:levels]]
        return bids, asks
