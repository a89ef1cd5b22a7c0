"""Coinbase's public Advanced Trade feed: channel `l2_data`, every message of the connection numbered.

The numbers count the messages of all channels of a connection, so a gap does not say which book missed one: none can be
trusted. The feed of Coinbase Exchange has no numbers without an account.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.index_feeds.adapter import Adapter, DesyncError, Quote


class Coinbase(Adapter):
    """`wss://advanced-trade-ws.coinbase.com`, channels `level2` and `heartbeats`."""

    name = "coinbase"
    url = "wss://advanced-trade-ws.coinbase.com"

    def __init__(self, pairs: Iterable[str]) -> None:
        super().__init__(pairs)
        self._sequence: int | None = None

    def reset(self) -> None:
        """Delete all books and begin to count anew."""
        super().reset()
        self._sequence = None

    def subscribe(self) -> list[bytes]:
        """Books, and a heartbeat each second, without which a quiet connection is closed."""
        return [self._request("subscribe", self.pairs), b'{"type":"subscribe","channel":"heartbeats"}']

    def resubscribe(self, pair: str) -> list[bytes]:
        """Leave the pair's book and ask for it again."""
        return [self._request("unsubscribe", [pair]), self._request("subscribe", [pair])]

    def _request(self, kind: str, pairs: Iterable[str]) -> bytes:
        return msgspec.json.encode({"type": kind, "product_ids": pairs, "channel": "level2"})

    def _read(self, message: bytes) -> list[Quote]:
        data = msgspec.json.decode(message)
        if data.get("type") == "error":
            raise DesyncError(f"coinbase: {data.get('message')}: {data.get('reason', '')}")
        self._count(data["sequence_num"])
        if data["channel"] != "l2_data":
            return []
        return self._events([event for event in data["events"] if event["product_id"] in self.pairs])

    def _events(self, events: list[dict[str, Any]]) -> list[Quote]:
        """Take the events of one message. A pair that is lost takes the others along: their quotes would be missing."""
        try:
            return [self._event(event) for event in events]
        except DesyncError as error:
            raise (error if len(events) == 1 else DesyncError(str(error))) from None

    def _count(self, sequence: int) -> None:
        """Check that no message of the connection was lost before this one."""
        before, self._sequence = self._sequence, sequence
        if before is not None and sequence != before + 1:
            raise DesyncError(f"coinbase: message {sequence} after {before}")

    def _event(self, event: dict[str, Any]) -> Quote:
        pair = event["product_id"]
        sides: dict[str, list[tuple[str, str]]] = {"bid": [], "offer": []}
        self._book(pair, event["type"] == "snapshot")
        for update in event["updates"]:
            sides[update["side"]].append((update["price_level"], update["new_quantity"]))
        self._put(pair, sides["bid"], sides["offer"])
        return self._quote(pair)
