"""Messages of the three venues as they come today, made from levels; a wire that keeps what is sent over it."""

import json

import picows

from gateway.clock import VenueTime
from gateway.index_feeds import kraken
from gateway.index_feeds.adapter import Book
from gateway.index_feeds.source_connection import Source

NS_PER_S = 1_000_000_000


def levels(pairs):
    return [(f"{price}", f"{quantity}") for price, quantity in pairs]


class Wire:
    """In place of a websocket: what was sent, and whether it was hung up."""

    def __init__(self):
        self.sent = []
        self.is_open = True

    def send(self, kind, data):
        assert self.is_open
        self.sent.append(json.loads(data) if data[:1] == b"{" else data)

    def disconnect(self):
        self.is_open = False


class OkxFeed:
    """OKX as it is since June 2026: numbered, and with a checksum of 0."""

    name, pair, other = "okx", "BTC-USDT", "ETH-USDT"

    def __init__(self):
        self.last = {}

    def message(self, pair, action, bids, asks, **changes):
        previous, sequence = self.last.get(pair, -1), self.last.get(pair, 10) + 7
        row = {
            "asks": [[price, quantity, "0", "1"] for price, quantity in levels(asks)],
            "bids": [[price, quantity, "0", "1"] for price, quantity in levels(bids)],
            "ts": "1790000000000", "checksum": 0, "seqId": sequence,
            "prevSeqId": -1 if action == "snapshot" else previous,
        } | changes  # fmt: skip
        self.last[pair] = row["seqId"]
        return json.dumps({"arg": {"channel": "books", "instId": pair}, "action": action, "data": [row]}).encode()

    def snapshot(self, pair, bids, asks):
        return self.message(pair, "snapshot", bids, asks)

    def update(self, pair, bids=(), asks=()):
        return self.message(pair, "update", bids, asks)

    def gap(self, pair):
        self.last[pair] += 7
        return self.update(pair, [(1, 1)])

    def heartbeat(self):
        return b"pong"

    def status(self):
        return b'{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}'


class KrakenFeed:
    """Kraken, version 1: a checksum in each update."""

    name, pair, other = "kraken", "XBT/USD", "ETH/USD"

    def __init__(self):
        self.books = {}

    def snapshot(self, pair, bids, asks):
        self.books[pair] = book = Book()
        book.put(levels(bids), levels(asks))
        content = {"as": self._rows(asks), "bs": self._rows(bids)}
        return json.dumps([0, content, "book-10", pair]).encode()

    def update(self, pair, bids=(), asks=(), **changes):
        self.books[pair].put(levels(bids), levels(asks))
        check = {"c": str(kraken.checksum(self.books[pair]))} | changes
        parts = [{side: self._rows(rows)} for side, rows in (("a", asks), ("b", bids)) if rows] or [{}]
        parts[-1] |= check
        return json.dumps([0, *parts, "book-10", pair]).encode()

    @staticmethod
    def _rows(rows):
        return [[price, quantity, "1790000000.000000"] for price, quantity in levels(rows)]

    def gap(self, pair):
        return self.update(pair, [(1, 1)], c="1")

    def heartbeat(self):
        return b'{"event":"heartbeat"}'

    def status(self):
        return b'{"connectionID":8628615390848610000,"event":"systemStatus","status":"online","version":"1.0.0"}'


class CoinbaseFeed:
    """Coinbase Advanced Trade: every message of the connection is numbered."""

    name, pair, other = "coinbase", "BTC-USD", "ETH-USD"

    def __init__(self):
        self.sequence = -1

    def message(self, channel, *events):
        self.sequence += 1
        envelope = {"channel": channel, "timestamp": "2026-09-01T00:00:00.123456789Z", "sequence_num": self.sequence}
        return json.dumps(envelope | {"events": events}).encode()

    def event(self, kind, pair, bids, asks):
        updates = [
            {"side": side, "event_time": "1970-01-01T00:00:00Z", "price_level": price, "new_quantity": quantity}
            for side, rows in (("bid", bids), ("offer", asks)) for price, quantity in levels(rows)
        ]  # fmt: skip
        return self.message("l2_data", {"type": kind, "product_id": pair, "updates": updates})

    def snapshot(self, pair, bids, asks):
        return self.event("snapshot", pair, bids, asks)

    def update(self, pair, bids=(), asks=()):
        return self.event("update", pair, bids, asks)

    def gap(self, pair):
        self.sequence += 1
        return self.update(pair, [(1, 1)])

    def heartbeat(self):
        return self.message("heartbeats", {"current_time": "x", "heartbeat_counter": self.sequence})

    def status(self):
        return self.message("subscriptions", {"subscriptions": {"level2": ["BTC-USD"]}})


FEEDS = (KrakenFeed, OkxFeed, CoinbaseFeed)


class ScriptedTime(VenueTime):
    """The venue's time as a test says it."""

    at_ns = 0

    def now_ns(self) -> int:
        return self.at_ns


def connected(source: Source) -> Wire:
    """Open a connection of a source."""
    wire = Wire()
    source.opened(wire)
    return wire


class _Peer(picows.WSListener):
    """A venue that sends its next script to whoever subscribes, then hangs up or goes silent."""

    def __init__(self, venue):
        super().__init__()
        self._venue = venue

    def on_ws_frame(self, transport, frame):
        request = frame.get_payload_as_bytes() if frame.msg_type == picows.WSMsgType.TEXT else b""
        if b'"subscribe"' in request and b"heartbeats" not in request:
            venue = self._venue
            script = venue.scripts[min(venue.subscriptions, len(venue.scripts) - 1)]
            venue.subscriptions += 1
            for message in script:
                self._send(transport, message)
            if venue.hangs_up:
                transport.disconnect()
        elif request == b"ping":
            transport.send(picows.WSMsgType.TEXT, b"pong")

    def _send(self, transport, message):
        """One message, in frames of at most so many bytes."""
        for at in range(0, len(message), self._venue.frame_bytes):
            end = at + self._venue.frame_bytes
            kind = picows.WSMsgType.CONTINUATION if at else picows.WSMsgType.TEXT
            transport.send(kind, message[at:end], fin=end >= len(message))


class LocalVenue:
    """A local server that replays scripts, one after another and the last one again and again."""

    def __init__(self, *scripts, hangs_up=False, frame_bytes=1 << 20):
        self.scripts, self.hangs_up, self.frame_bytes, self.subscriptions = scripts, hangs_up, frame_bytes, 0

    async def __aenter__(self):
        self._server = await picows.ws_create_server(lambda request: _Peer(self), "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()
