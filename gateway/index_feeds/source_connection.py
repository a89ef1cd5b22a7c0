"""Keeps index sources connected: reconnects with growing pauses, notices silence and lost books, and drops outliers."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import picows

from gateway import clock
from gateway.clock import VenueTime
from gateway.index_feeds.adapter import Adapter, DesyncError, Quote, RequestRefusedError

STALE_NS = 10_000_000_000
"""A pair's price counts for so long after the last message about its book; the engine's default."""
SILENCE_S = 8.0
"""A connection without any message for so long counts as lost."""
RESUBSCRIBE_S = 30.0
"""A pair without a message for so long is subscribed to again, and no pair more often; venues limit subscriptions."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
MAX_MOVE = Decimal("0.1")
"""A price that is further than this from the source's last one is dropped until the source repeats it."""
MAX_FRAME_BYTES = 1 << 24

_NS_PER_S = 1_000_000_000
_LOG = logging.getLogger("lionrock.feeds")


class Price(NamedTuple):
    """A pair's price, and when the last message about its book came: nanoseconds of the venue's time."""

    price: Decimal
    time_ns: int


@dataclass
class OutlierFilter:
    """Drops a price that jumps, unless the source repeats it."""

    last: dict[str, Decimal] = field(default_factory=dict)
    doubted: dict[str, Decimal] = field(default_factory=dict)

    def accepts(self, pair: str, price: Decimal) -> bool:
        """Whether a price may be used; it is remembered for the next call."""
        before, doubt = self.last.get(pair), self.doubted.pop(pair, None)
        if before is not None and abs(price - before) > before * MAX_MOVE:
            if doubt is None or abs(price - doubt) > doubt * MAX_MOVE:
                self.doubted[pair] = price
                return False
        self.last[pair] = price
        return True


class _Listener(picows.WSListener):
    """The listener that the websocket library calls; it puts together what a venue sends in several frames."""

    def __init__(self, source: "Source") -> None:
        super().__init__()
        self._source = source
        self._parts: list[bytes] = []
        self._parts_bytes = 0

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            self._parts_bytes += len(self._parts[-1])
            if frame.fin:
                message, self._parts, self._parts_bytes = b"".join(self._parts), [], 0
                self._source.received(message)
            elif self._parts_bytes > MAX_FRAME_BYTES:
                transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()


class Source:
    """One venue's feed, kept running, and the prices of its pairs whose books are alive.

    `state` describes the connection in words, for an operator.
    """

    def __init__(self, adapter: Adapter, time: VenueTime, silence_s: float = SILENCE_S) -> None:
        self.adapter = adapter
        self._time = time
        self.state = "not started"
        self.connections = 0
        self.outliers = 0
        self.quotes = 0
        self._silence_s = silence_s
        self._filter = OutlierFilter()
        self._prices: dict[str, Price] = {}
        self._transport: Any = None
        self._heard_ns = 0
        self._renewed_ns: dict[str, int] = {}
        self._pair_heard_ns: dict[str, int] = {}

    def price(self, pair: str, now_ns: int) -> Price | None:
        """A pair's price while its own book is alive.

        None when nothing was said about the book for the stale time, whatever else the venue sends; while it is
        one-sided, crossed or wide; and from a gap or the end of the connection until the next snapshot.
        """
        found = self._prices.get(pair)
        return None if found is None or now_ns - found.time_ns > STALE_NS else found

    def opened(self, transport: Any) -> None:
        """A connection begins, with empty books."""
        self.adapter.reset()
        self._transport = transport
        self.connections += 1
        self.state = "connected"
        self._heard_ns = clock.steady_ns()
        self._renewed_ns = {}
        self._pair_heard_ns = dict.fromkeys(self.adapter.pairs, self._heard_ns)
        self._send(self.adapter.subscribe())

    def closed(self) -> None:
        """The connection ends, and with it every book; what still arrives over it is ignored."""
        if self._transport is not None:
            self._transport.disconnect()
        if self.state == "connected":
            self.state = f"{self.adapter.name}: closed; connecting again"
        self._transport = None
        self._prices.clear()

    def received(self, message: bytes) -> None:
        """Take one message, which comes now. What cannot be trusted is asked for again."""
        if self._transport is None:
            return
        self._heard_ns = clock.steady_ns()
        try:
            quotes = self.adapter.receive(message)
        except DesyncError as error:
            self._lost(error)
            return
        except RequestRefusedError as error:
            self.state = str(error)
            _LOG.warning("%s", error)
            return
        for quote in quotes:
            self._take(quote, self._time.now_ns())

    def _take(self, quote: Quote, now_ns: int) -> None:
        self.quotes += 1
        self._pair_heard_ns[quote.pair] = self._heard_ns
        if quote.price is not None and self._filter.accepts(quote.pair, quote.price):
            self._prices[quote.pair] = Price(quote.price, now_ns)
            return
        self.outliers += quote.price is not None
        self._prices.pop(quote.pair, None)

    def _lost(self, error: DesyncError) -> None:
        """A book was lost, or all: the pair is subscribed to again, or the connection ends."""
        if error.pair is None:
            self.state = str(error)
            _LOG.warning("%s", error)
            self.closed()
            return
        self._prices.pop(error.pair, None)
        if self._may_renew(error.pair, self._heard_ns):
            _LOG.warning("%s; subscribing again", error)
            self._renew(error.pair, self._heard_ns)

    def _may_renew(self, pair: str, steady_ns: int) -> bool:
        before_ns = self._renewed_ns.get(pair)
        return before_ns is None or steady_ns - before_ns >= RESUBSCRIBE_S * _NS_PER_S

    def _renew(self, pair: str, steady_ns: int) -> None:
        """Ask for a new snapshot of a pair, whose book ends."""
        self._renewed_ns[pair] = steady_ns
        self._prices.pop(pair, None)
        self.adapter.books.pop(pair, None)
        self._send(self.adapter.resubscribe(pair))

    def renew_silent(self, steady_ns: int) -> None:
        """Subscribe again to the pairs that have been silent for long, at a time of the steady clock."""
        for pair, heard_ns in self._pair_heard_ns.items():
            if steady_ns - heard_ns >= RESUBSCRIBE_S * _NS_PER_S and self._may_renew(pair, steady_ns):
                _LOG.warning("%s: %s: silent; subscribing again", self.adapter.name, pair)
                self._renew(pair, steady_ns)

    def _send(self, requests: Iterable[bytes]) -> None:
        for request in requests:
            self._transport.send(picows.WSMsgType.TEXT, request)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            quotes = self.quotes
            try:
                await self._connection()
            except (TimeoutError, OSError, picows.WSError) as error:
                self.state = f"{self.adapter.name}: {error or type(error).__name__}; trying again"
                _LOG.warning("%s", self.state)
            pause = FIRST_PAUSE_S if self.quotes != quotes else min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def _connection(self) -> None:
        """One connection from its beginning to its end."""
        async with asyncio.timeout(self._silence_s):
            transport, _ = await picows.ws_connect(
                lambda: _Listener(self), self.adapter.url, max_frame_size=MAX_FRAME_BYTES
            )
        closed = asyncio.ensure_future(transport.wait_disconnected())
        try:
            self.opened(transport)
            await self._watch(closed)
        finally:
            self.closed()
            closed.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await closed

    async def _watch(self, closed: "asyncio.Future[Any]") -> None:
        """Wait for the end of the connection; when it is silent, send a ping, and close it when no answer comes.

        It looks four times in the time of silence, so that there is a ping, and time for its answer, before the end.
        """
        while not closed.done():
            await asyncio.wait([closed], timeout=self._silence_s / 4)
            if closed.done() or self._transport is None:
                return
            steady_ns = clock.steady_ns()
            silent_s = (steady_ns - self._heard_ns) / _NS_PER_S
            if silent_s >= self._silence_s:
                self.state = f"{self.adapter.name}: silent for {silent_s:.0f} s; connecting again"
                return
            ping = self.adapter.ping()
            if silent_s >= self._silence_s / 2 and ping is not None:
                self._send([ping])
            self.renew_silent(steady_ns)
