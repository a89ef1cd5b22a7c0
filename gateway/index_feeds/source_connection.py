"""Keeps index sources connected: reconnects with growing pauses, notices silence, and drops outliers."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import picows

from gateway import clock
from gateway.index_feeds.adapter import Adapter, DesyncError, Quote

SILENCE_S = 8.0
"""A connection without any message for so long counts as lost."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
MAX_MOVE = Decimal("0.1")
"""A price that is further than this from the source's last one is dropped until the source repeats it."""
MAX_FRAME_BYTES = 1 << 24

Deliver = Callable[[Adapter, Quote], None]

_LOG = logging.getLogger("lionrock.feeds")


@dataclass
class OutlierFilter:
    """Drops a price that jumps, unless the source repeats it."""

    last: dict[str, Decimal] = field(default_factory=dict)
    doubted: dict[str, Decimal] = field(default_factory=dict)

    def accepts(self, quote: Quote) -> bool:
        """Whether a quote may be used; the quote is remembered for the next call."""
        before, doubt = self.last.get(quote.pair), self.doubted.pop(quote.pair, None)
        if before is not None and abs(quote.price - before) > before * MAX_MOVE:
            if doubt is None or abs(quote.price - doubt) > doubt * MAX_MOVE:
                self.doubted[quote.pair] = quote.price
                return False
        self.last[quote.pair] = quote.price
        return True


class _Listener(picows.WSListener):
    """The listener that the websocket library calls."""

    def __init__(self, source: "Source") -> None:
        super().__init__()
        self._source = source

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self._source.received(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()


class Source:
    """One venue's feed, kept running: each usable price goes to `deliver(adapter, quote)`.

    `state` describes the connection in words, for an operator.
    """

    def __init__(self, adapter: Adapter, deliver: Deliver, silence_s: float = SILENCE_S) -> None:
        self.adapter = adapter
        self.state = "not started"
        self.connections = 0
        self.outliers = 0
        self._deliver = deliver
        self._silence_s = silence_s
        self._filter = OutlierFilter()
        self._transport: Any = None
        self._heard_ns = 0

    @property
    def is_alive(self) -> bool:
        """Whether the venue sent a message lately, and the book can be trusted."""
        return self.state == "connected" and clock.steady_ns() - self._heard_ns < self._silence_s * 1e9

    def received(self, message: bytes) -> None:
        """Take one message; a book that cannot be trusted ends the connection."""
        self._heard_ns = clock.steady_ns()
        try:
            quotes = self.adapter.receive(message)
        except DesyncError as error:
            self.state = str(error)
            _LOG.warning("%s", error)
            self._transport.disconnect()
            return
        for quote in quotes:
            if self._filter.accepts(quote):
                self._deliver(self.adapter, quote)
            else:
                self.outliers += 1

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            heard = self._heard_ns
            try:
                await self._connection()
            except (TimeoutError, OSError, picows.WSError) as error:
                self.state = f"{self.adapter.name}: {error or type(error).__name__}; trying again"
                _LOG.warning("%s", self.state)
            pause = FIRST_PAUSE_S if self._heard_ns != heard else min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def _connection(self) -> None:
        """One connection from its beginning to its end."""
        self.adapter.reset()
        async with asyncio.timeout(self._silence_s):
            self._transport, _ = await picows.ws_connect(
                lambda: _Listener(self), self.adapter.url, max_frame_size=MAX_FRAME_BYTES
            )
        self.connections += 1
        self.state = "connected"
        closed = asyncio.ensure_future(self._transport.wait_disconnected())
        try:
            for request in self.adapter.subscribe():
                self._transport.send(picows.WSMsgType.TEXT, request)
            await self._watch(closed)
        finally:
            self._transport.disconnect()
            closed.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await closed

    async def _watch(self, closed: "asyncio.Future[Any]") -> None:
        """Wait for the end of the connection; when it is silent, send a ping, and close it when no answer comes."""
        self._heard_ns = clock.steady_ns()
        while not closed.done():
            await asyncio.wait([closed], timeout=self._silence_s / 2)
            silent_s = (clock.steady_ns() - self._heard_ns) / 1e9
            if silent_s >= self._silence_s:
                self.state = f"{self.adapter.name}: silent for {silent_s:.0f} s; connecting again"
                return
            ping = self.adapter.ping()
            if silent_s >= self._silence_s / 2 and ping is not None and not closed.done():
                self._transport.send(picows.WSMsgType.TEXT, ping)
