"""Coinbase Exchange's public book feed: `snapshot` and `l2update` of the channel `level2_batch`, no checksum."""

from datetime import datetime
from typing import Any

import msgspec

from gateway.index_feeds.adapter import Adapter, Book, DesyncError, Quote


def _time_ns(text: str) -> int:
    """`2022-08-04T15:25:05.010758Z` in nanoseconds."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


class Coinbase(Adapter):
    """`wss://ws-feed.exchange.coinbase.com`, channels `level2_batch` and `heartbeat`."""

    name = "coinbase"
    url = "wss://ws-feed.exchange.coinbase.com"

    def subscribe(self) -> list[bytes]:
        """Books and a heartbeat each second, so that silence means a broken connection."""
        request = {"type": "subscribe", "product_ids": self.pairs, "channels": ["level2_batch", "heartbeat"]}
        return [msgspec.json.encode(request)]

    def receive(self, message: bytes) -> list[Quote]:
        """Take a snapshot, an update, or a message about the connection."""
        try:
            return self._message(msgspec.json.decode(message))
        except (msgspec.DecodeError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise DesyncError(f"coinbase: not a message of the book feed: {error!r}") from None

    def _message(self, data: dict[str, Any]) -> list[Quote]:
        kind = data["type"]
        if kind == "error":
            raise DesyncError(f"coinbase: {data.get('message')}: {data.get('reason', '')}")
        if kind == "snapshot":
            self.books[data["product_id"]] = book = Book()
            book.put(data["bids"], data["asks"])
            return self._quotes(data["product_id"], 0)
        if kind != "l2update":
            return []
        if data["product_id"] not in self.books:
            raise DesyncError(f"coinbase: {data['product_id']}: an update before the snapshot")
        book = self.books[data["product_id"]]
        for side, price, quantity in data["changes"]:
            (book.bids if side == "buy" else book.asks).put(price, quantity)
        return self._quotes(data["product_id"], _time_ns(data["time"]))
