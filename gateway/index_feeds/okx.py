"""OKX's public book feed: `{"arg", "action", "data"}`, each update with the number of the one before it.

Since June 2026 `checksum` is always 0, which is no check. Where it is not 0 it is checked too: the CRC32 of 25 levels,
bids and asks in turn. The numbers may jump, may stay (an empty update when nothing changed for a minute) and may begin
anew after maintenance; `prevSeqId` is the last one's `seqId` in all cases. Each pair of a subscription is confirmed or
refused by itself; a refusal names its pair in words alone, and the others go on.
"""

import zlib
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Any

import msgspec

from gateway.index_feeds.adapter import Adapter, Book, DesyncError, Quote, RequestRefusedError

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
        return [self._request("subscribe", self.pairs)]

    def resubscribe(self, pair: str) -> list[bytes]:
        """Leave the pair's book and ask for it again."""
        return [self._request("unsubscribe", [pair]), self._request("subscribe", [pair])]

    def _request(self, operation: str, pairs: Iterable[str]) -> bytes:
        arguments = [{"channel": "books", "instId": pair} for pair in pairs]
        return msgspec.json.encode({"op": operation, "args": arguments})

    def ping(self) -> bytes | None:
        """OKX answers the text `ping`."""
        return b"ping"

    def _read(self, message: bytes) -> list[Quote]:
        if message == b"pong":
            return []
        data = msgspec.json.decode(message)
        if data.get("event") == "error":
            raise RequestRefusedError(f"okx: {data.get('msg', message)!r}")
        if "data" not in data or data["arg"]["channel"] != "books" or data["arg"]["instId"] not in self.pairs:
            return []
        for row in data["data"]:
            self._row(data["arg"]["instId"], data["action"] == "snapshot", row)
        return [self._quote(data["arg"]["instId"])]

    def _row(self, pair: str, is_snapshot: bool, row: dict[str, Any]) -> None:
        book, sequence, previous = self._book(pair, is_snapshot), row.get("seqId"), row.get("prevSeqId")
        if not is_snapshot and previous != book.sequence:
            raise DesyncError(f"okx: {pair}: an update after {previous}, but the last one was {book.sequence}", pair)
        self._put(pair, row["bids"], row["asks"])
        book.cut(DEPTH)
        book.sequence = sequence
        expected = row.get("checksum", 0)
        if sequence is None and expected == 0:
            raise DesyncError(f"okx: {pair}: a message without a number and without a checksum", pair)
        if expected != 0 and checksum(book) != expected:
            raise DesyncError(f"okx: {pair}: checksum {checksum(book)} is not {expected}", pair)
