"""Kraken's public book feed, version 1: arrays `[channel, {...}, "book-10", pair]`, CRC32 of the ten best levels."""

import zlib
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.index_feeds.adapter import Adapter, Book, DesyncError, Quote

DEPTH = 10
CHECKED_LEVELS = 10


def _digits(number: str) -> str:
    """A number without its point and leading zeros."""
    return number.replace(".", "").lstrip("0")


def checksum(book: Book) -> int:
    """CRC32 of price and quantity of the ten best asks, then the ten best bids, digits only."""
    rows = book.asks.best(CHECKED_LEVELS) + book.bids.best(CHECKED_LEVELS)
    return zlib.crc32("".join(_digits(price) + _digits(quantity) for price, quantity in rows).encode())


class Kraken(Adapter):
    """`wss://ws.kraken.com`, channel `book`."""

    name = "kraken"
    url = "wss://ws.kraken.com"

    def __init__(self, pairs: Iterable[str], depth: int = DEPTH) -> None:
        super().__init__(pairs)
        self._depth = depth

    def subscribe(self) -> list[bytes]:
        """One subscription for all pairs."""
        request = {"event": "subscribe", "pair": self.pairs, "subscription": {"name": "book", "depth": self._depth}}
        return [msgspec.json.encode(request)]

    def ping(self) -> bytes | None:
        """Kraken answers pings of its own kind."""
        return b'{"event":"ping"}'

    def receive(self, message: bytes) -> list[Quote]:
        """A snapshot, an update, or something about the connection."""
        try:
            data = msgspec.json.decode(message)
            if isinstance(data, dict):
                if data.get("status") == "error":
                    raise DesyncError(f"kraken: {data.get('errorMessage', message)!r}")
                return []
            return self._book(str(data[-1]), [part for part in data[1:-2] if isinstance(part, dict)])
        except (msgspec.DecodeError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise DesyncError(f"kraken: not a message of the book feed: {error!r}") from None

    def _book(self, pair: str, parts: list[dict[str, Any]]) -> list[Quote]:
        book, newest, expected = self.books.setdefault(pair, Book()), 0.0, None
        for part in parts:
            if "as" in part or "bs" in part:
                book = self.books[pair] = Book()
            bids, asks = part.get("bs", part.get("b", [])), part.get("as", part.get("a", []))
            book.put(bids, asks)
            newest = max([newest, *(float(time_s) for _, _, time_s, *_ in [*bids, *asks])])
            expected = part.get("c", expected)
        book.cut(self._depth)
        if expected is not None and checksum(book) != int(expected):
            raise DesyncError(f"kraken: {pair}: checksum {checksum(book)} is not {expected}")
        return self._quotes(pair, round(newest * 1e9))
