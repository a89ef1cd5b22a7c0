"""OKX's public book feed: `{"arg", "action", "data"}`, CRC32 of 25 levels, bids and asks in turn."""

import zlib
from itertools import chain, zip_longest
from typing import Any

import msgspec

from gateway.index_feeds.adapter import Adapter, Book, DesyncError, Quote

CHECKED_LEVELS = 25
DEPTH = 400


def checksum(book: Book) -> int:
    """CRC32, signed, of `price:quantity` of the best bid, the best ask, the second bid and so on."""
    pairs = zip_longest(book.bids.best(CHECKED_LEVELS), book.asks.best(CHECKED_LEVELS))
    text = ":".join(f"{price}:{quantity}" for price, quantity in filter(None, chain.from_iterable(pairs)))
    value = zlib.crc32(text.encode())
    return value - (1 << 32) if value >> 31 else value


class Okx(Adapter):
    """`wss://ws.okx.com:8443/ws/v5/public`, channel `books`."""

    name = "okx"
    url = "wss://ws.okx.com:8443/ws/v5/public"

    def subscribe(self) -> list[bytes]:
        """One subscription for all pairs."""
        arguments = [{"channel": "books", "instId": pair} for pair in self.pairs]
        return [msgspec.json.encode({"op": "subscribe", "args": arguments})]

    def ping(self) -> bytes | None:
        """OKX answers the text `ping`."""
        return b"ping"

    def receive(self, message: bytes) -> list[Quote]:
        """Take a snapshot, an update, or a message about the connection; other channels are ignored."""
        if message == b"pong":
            return []
        try:
            data = msgspec.json.decode(message)
            if data.get("event") == "error":
                raise DesyncError(f"okx: {data.get('msg', message)!r}")
            if "data" not in data or data["arg"]["channel"] != "books":
                return []
            return self._book(data["arg"]["instId"], data["action"], data["data"])
        except (msgspec.DecodeError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise DesyncError(f"okx: not a message of the book feed: {error!r}") from None

    def _book(self, pair: str, action: str, rows: list[dict[str, Any]]) -> list[Quote]:
        if action == "snapshot":
            self.books[pair] = Book()
        elif pair not in self.books:
            raise DesyncError(f"okx: {pair}: an update before the snapshot")
        book, time_ns = self.books[pair], 0
        for row in rows:
            book.put(row["bids"], row["asks"])
            book.cut(DEPTH)
            time_ns = int(row["ts"]) * 1_000_000
            if row.get("checksum") and checksum(book) != row["checksum"]:
                raise DesyncError(f"okx: {pair}: checksum {checksum(book)} is not {row['checksum']}")
        return self._quotes(pair, time_ns)
