"""Kraken's public book feed, version 1: arrays `[channel, {...}, "book-10", pair]`.

A snapshot carries no checksum, each update does: the CRC32 of the ten best levels. A heartbeat says that the connection
lives and nothing about any book.
"""

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
        return [self._request("subscribe", self.pairs)]

    def resubscribe(self, pair: str) -> list[bytes]:
        """Leave the pair's book and ask for it again."""
        return [self._request("unsubscribe", [pair]), self._request("subscribe", [pair])]

    def _request(self, event: str, pairs: Iterable[str]) -> bytes:
        request = {"event": event, "pair": pairs, "subscription": {"name": "book", "depth": self._depth}}
        return msgspec.json.encode(request)

    def ping(self) -> bytes | None:
        """Kraken has a ping message of its own and answers it."""
        return b'{"event":"ping"}'

    def _read(self, message: bytes) -> list[Quote]:
        data = msgspec.json.decode(message)
        if isinstance(data, dict):
            if data.get("status") == "error":
                pair = data.get("pair") if data.get("pair") in self.pairs else None
                raise DesyncError(f"kraken: {data.get('errorMessage', message)!r}", pair)
            return []
        if data[-1] not in self.pairs:
            return []
        return self._levels(data[-1], [part for part in data[1:-2] if isinstance(part, dict)])

    def _levels(self, pair: str, parts: list[dict[str, Any]]) -> list[Quote]:
        is_snapshot = any("as" in part or "bs" in part for part in parts)
        book, expected = self._book(pair, is_snapshot), 0
        for part in parts:
            self._put(pair, part.get("bs", part.get("b", [])), part.get("as", part.get("a", [])))
            expected = int(part.get("c", expected))
        book.cut(self._depth)
        if not is_snapshot and expected == 0:
            raise DesyncError(f"kraken: {pair}: an update without a checksum", pair)
        if expected != 0 and checksum(book) != expected:
            raise DesyncError(f"kraken: {pair}: checksum {checksum(book)} is not {expected}", pair)
        return [self._quote(pair)]
