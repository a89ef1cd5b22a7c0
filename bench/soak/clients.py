"""The other clients of a soak: watchers, a follower of its own trades, askers, a slow reader, clients that come and go.

Each runs for ever, counts what it did, and writes a fault down when the venue did not keep its word. That a connection
is cut is no fault while the venue is killed and started again.
"""

import asyncio
import itertools
import json
import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any

import picows

from bench.attacked_venue import log_in
from bench.soak.makers import RETRY_SECONDS, Market
from bench.soak.served_venue import ServedVenue, get
from gateway.client import Client, Disconnected
from gateway.office.bootstrap import Trader

ANSWER_SECONDS = 30
GONE_SECONDS = 30
"""How long a lost connection's orders may stay."""
_CUT = (OSError, picows.WSError, TimeoutError, Disconnected)


class Line(picows.WSListener):
    """A websocket on which one request at a time is asked and answered; pushes are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.transport: Any = None
        self.pushes = 0
        self.is_open = False
        self._ids = itertools.count(1)
        self._reply: asyncio.Future[Any] | None = None

    async def connect(self, url: str, trader: Trader | None = None) -> None:
        """Connect, and log in as a trader. OSError when it does not come about."""
        websocket, _ = await picows.ws_connect(
            lambda: self, url, max_frame_size=1 << 26, websocket_handshake_timeout=ANSWER_SECONDS
        )
        self.transport, self._websocket, self.is_open = websocket.underlying_transport, websocket, True
        if trader is not None:
            answer = await self._sent(log_in(trader))
            if "error" in answer:
                raise OSError(f"login refused: {answer['error']}")

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One answer, with `result` or `error`. OSError when the connection is cut before it."""
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        return await self._sent(json.dumps(message).encode())

    async def _sent(self, message: bytes) -> dict[str, Any]:
        if not self.is_open:
            raise OSError("not connected")
        self._reply = asyncio.get_running_loop().create_future()
        self._websocket.send(picows.WSMsgType.TEXT, message)
        async with asyncio.timeout(ANSWER_SECONDS):
            answer: dict[str, Any] = await self._reply
        return answer

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """Take an answer or count a push."""
        if frame.msg_type == picows.WSMsgType.TEXT:
            data = frame.get_payload_as_bytes()
            if b'"method":"subscription"' in data[:80]:
                self.pushes += 1
            elif self._reply is not None and not self._reply.done():
                self._reply.set_result(json.loads(data))
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: Any) -> None:
        """Whoever waits for an answer hears that there will be none."""
        self.is_open = False
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(OSError("the connection was cut"))

    def abort(self) -> None:
        """Be gone without a word."""
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Say goodbye."""
        if self.is_open:
            self._websocket.send_close(picows.WSCloseCode.OK)
            self._websocket.disconnect()


class Kind(ABC):
    """A kind of client: its counts, and what the venue did wrong."""

    name = ""

    def __init__(self, venue: ServedVenue) -> None:
        self.venue = venue
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    async def run(self) -> None:
        """Round after round."""
        while True:
            try:
                await self.round()
            except _CUT:
                self.counts["cut"] += 1
                await asyncio.sleep(RETRY_SECONDS)

    @abstractmethod
    async def round(self) -> None:
        """What it does over and over."""

    def blame(self, text: str) -> None:
        """Note what the venue did wrong; just after the whole load stood still it is only counted."""
        if time.monotonic() < self.venue.excused_until:
            self.counts["excused"] += 1
            return
        self.counts["faults"] += 1
        if len(self.faults) < 20:
            self.faults.append(f"{self.name}, after {self.venue.seconds:.0f} s: {text}")

    @contextmanager
    def one_life(self) -> Iterator[None]:
        """What fails inside is a fault unless the venue was ended or began meanwhile."""
        life, was_serving = len(self.venue.lives), self.venue.is_serving
        try:
            yield
        except _CUT as error:
            if was_serving and self.venue.is_serving and life == len(self.venue.lives):
                self.blame(f"{type(error).__name__}: {error}")
            raise


class Probe(Kind):
    """One order and its cancel, one at a time; a delay counts from when the request is sent until its answer."""

    name = "probe"
    GAP_SECONDS = 0.05

    def __init__(self, venue: ServedVenue, trader: Trader, market: Market) -> None:
        super().__init__(venue)
        self._trader, self._market = trader, market
        self.order_ns: list[int] = []
        self.cancel_ns: list[int] = []
        self.outages_s: list[float] = []
        """From a cut connection until the next order is taken."""
        self._cut_at = 0.0

    async def round(self) -> None:
        line = Line()
        try:
            await line.connect(self.venue.url, self._trader)
            while True:
                await self._probe(line)
                await asyncio.sleep(self.GAP_SECONDS)
        finally:
            self._cut_at = self._cut_at or time.monotonic()
            line.abort()

    async def _probe(self, line: Line) -> None:
        price = round(self._market.index * 0.99)
        sent = time.monotonic_ns()
        answer = await line.ask(
            "private/buy", instrument_name=self._market.name, amount=0.01, type="limit", price=price, post_only=True
        )
        now = time.monotonic_ns()
        if "error" in answer:
            self.counts["refused"] += 1
            return
        if self._cut_at:
            self.outages_s.append(time.monotonic() - self._cut_at)
            self._cut_at = 0.0
        self.order_ns.append(now - sent)
        answer = await line.ask("private/cancel", order_id=answer["result"]["order"]["order_id"])
        self.cancel_ns.append(time.monotonic_ns() - now)
        if "is filled" in str(answer.get("error")):
            self.counts["filled before the cancel"] += 1  # a sweep of a thin book got as far as its price
        elif answer.get("result", {}).get("order_state") != "cancelled":
            self.blame(f"the cancel of a resting order was answered with {answer}")
        self.counts["orders"] += 1


class Watcher(Kind):
    """Keeps copies of the books and hears tickers, from which the makers know the index."""

    name = "watcher"
    LOOKS = 50
    """Other clients go on trading a little: the copy is a tenth of a second behind them."""

    def __init__(self, venue: ServedVenue, markets: list[Market]) -> None:
        super().__init__(venue)
        self.markets = markets
        self.client = Client(venue.url)

    async def round(self) -> None:
        await self.client.connect()
        for market in self.markets:
            await self.client.book(market.name, "100ms")
            await self.client.subscribe(f"ticker.{market.name}.100ms", partial(self._heard, market))
            await self.client.subscribe(f"trades.{market.name}.100ms", self._traded)
        await asyncio.Event().wait()

    def _heard(self, market: Market, told: dict[str, Any]) -> None:
        self.counts["tickers"] += 1
        if told.get("index_price"):
            market.index = float(told["index_price"])

    def _traded(self, told: Any) -> None:
        self.counts["trades"] += len(told)

    async def compare(self) -> None:
        """With the load at rest: does each copy become what the venue says of its book?"""
        for market in self.markets:
            book = self.client.books[f"book.{market.name}.100ms"]
            for _ in range(self.LOOKS):
                said = await self.client.call("public/get_order_book", instrument_name=market.name, depth=1000)
                kept = [[[price, amount] for price, amount in side] for side in book.depth(1000)]
                if [said["bids"], said["asks"]] == kept:
                    self.counts["levels compared"] += len(kept[0]) + len(kept[1])
                    break
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.blame(f"the copy of {market.name} has {len(kept[0])}/{len(kept[1])} levels, the venue "
                           f"{len(said['bids'])}/{len(said['asks'])}, or others")  # fmt: skip


class Follower(Kind):
    """Hears an account's trades over every cut; what they add up to must be the account's position."""

    name = "follower"

    def __init__(self, venue: ServedVenue, trader: Trader, markets: list[Market]) -> None:
        super().__init__(venue)
        self.markets = markets
        self.client = Client(venue.url, trader.key.id, trader.key.secret)
        self.client.on_gap = lambda gap: self.blame(f"a gap: {gap.reason}")
        self.sizes = {market.name: Decimal(0) for market in markets}

    async def round(self) -> None:
        await self.client.connect()
        for market in self.markets:
            await self.client.subscribe(f"user.trades.{market.name}.raw", self._heard)
        await asyncio.Event().wait()

    def _heard(self, trades: list[dict[str, Any]]) -> None:
        for trade in trades:
            self.counts["trades"] += 1
            amount = Decimal(trade["amount"])
            self.sizes[trade["instrument_name"]] += amount if trade["direction"] == "buy" else -amount

    async def compare(self) -> None:
        """With the load at rest: the position, as the venue says it and as the trades add up to it."""
        said = {position.instrument_name: position.size for position in await self.client.positions()}
        for name, size in self.sizes.items():
            if said.get(name, Decimal(0)) != size:
                self.blame(f"{name}: the venue says {said.get(name, 0)}, the trades that were told come to {size}")


class HttpAsker(Kind):
    """Asks over HTTP, on a connection of its own each time."""

    name = "http"
    GAP_SECONDS = 0.2
    PATHS = (
        "/api/v2/public/get_order_book?instrument_name=BTC_USDC-PERPETUAL&depth=20",
        "/api/v2/public/get_last_trades_by_instrument?instrument_name=BTC_USDC-PERPETUAL&count=100",
        "/api/v2/public/ticker?instrument_name=ETH_USDC-PERPETUAL",
        "/openrpc.json",
        "/healthz",
    )

    async def round(self) -> None:
        for path in self.PATHS:
            await asyncio.sleep(self.GAP_SECONDS)
            with self.one_life():
                status, _ = await get(self.venue.port, path)
            self.counts[f"status {status}"] += 1
            if status not in (200, 429):
                self.blame(f"{path}: status {status}")


class HistoryAsker(Kind):
    """Asks for pages of an account's ended orders, which are on disk, and for the account itself."""

    name = "history"
    GAP_SECONDS = 0.5

    def __init__(self, venue: ServedVenue, trader: Trader) -> None:
        super().__init__(venue)
        self._trader = trader
        self._random = random.Random(1)

    async def round(self) -> None:
        line = Line()
        with self.one_life():
            await line.connect(self.venue.url, self._trader)
            while True:
                offset = self._random.choice([0, 100, 1000, 10_000])
                answer = await line.ask(
                    "private/get_order_history_by_currency", currency="USDC", count=20, offset=offset,
                    include_old=True, include_unfilled=True,
                )  # fmt: skip
                if "error" in answer:
                    self.counts[f"error {answer['error']['code']}"] += 1
                    if answer["error"]["code"] != 10028:
                        self.blame(f"a page was refused: {answer['error']}")
                else:
                    self.counts["pages"] += 1
                    self.counts["rows"] += len(answer["result"])
                await line.ask("private/get_positions", currency="USDC", kind="future")
                await asyncio.sleep(self.GAP_SECONDS)


class SlowReader(Kind):
    """Subscribes to everything and hardly reads; it may be closed, and comes again."""

    name = "slow reader"
    READ_SECONDS, PAUSE_SECONDS = 0.2, 3.0
    LONG_PAUSE_SECONDS = 75.0
    """Longer than a slow reader may be."""

    def __init__(self, venue: ServedVenue, markets: list[Market]) -> None:
        super().__init__(venue)
        self._channels = [f"{kind}.{market.name}.{pace}" for market in markets for kind, pace in
                          (("book", "100ms"), ("trades", "raw"), ("ticker", "100ms"))]  # fmt: skip

    async def round(self) -> None:
        line = Line()
        await line.connect(self.venue.url)
        await line.ask("public/subscribe", channels=self._channels)
        for number in itertools.count(1):
            if not line.is_open:
                self.counts["closed"] += 1
                break
            line.transport.pause_reading()
            await asyncio.sleep(self.LONG_PAUSE_SECONDS if number % 10 == 0 else self.PAUSE_SECONDS)
            if line.is_open:
                line.transport.resume_reading()
            await asyncio.sleep(self.READ_SECONDS)
            self.counts["pauses"] += 1
        self.counts["messages"] += line.pushes
        line.abort()


class Leaver(Kind):
    """Places orders with cancel-on-disconnect and is gone: they must be gone too, also when the venue was killed."""

    name = "leaver"
    ORDERS = 3

    def __init__(self, venue: ServedVenue, trader: Trader, market: Market) -> None:
        super().__init__(venue)
        self._trader, self._market = trader, market

    async def round(self) -> None:
        line, placed = Line(), []
        try:
            await line.connect(self.venue.url, self._trader)
            await line.ask("private/enable_cancel_on_disconnect", scope="connection")
            for place in range(self.ORDERS):
                answer = await line.ask(
                    "private/sell", instrument_name=self._market.name, amount=0.01, type="limit",
                    price=round(self._market.index * (1.01 + place / 1000)), post_only=True,
                )  # fmt: skip
                if "result" in answer:
                    placed.append(answer["result"]["order"]["order_id"])
        finally:
            line.abort()
            if placed:
                await self._are_gone(set(placed))
        await asyncio.sleep(1.0)

    async def _are_gone(self, placed: set[str]) -> None:
        """Look until none of them is open; a look that fails, because the venue is away, is tried again."""
        looked_since, left = 0.0, placed
        while left:
            line = Line()
            try:
                await line.connect(self.venue.url, self._trader)
                looked_since = looked_since or time.monotonic()
                answer = await line.ask("private/get_open_orders")
                if "result" in answer:
                    left = placed & {order["order_id"] for order in answer["result"]}
                else:
                    self.counts["looks refused"] += 1  # a busy venue may say so: it is asked again
                    looked_since = 0.0
            except _CUT:
                looked_since = 0.0
            finally:
                line.close()
            if looked_since and time.monotonic() - looked_since > GONE_SECONDS:
                self.blame(f"orders {sorted(left)} outlived their connection")
                return
            if left:
                await asyncio.sleep(RETRY_SECONDS)
        self.counts["orders gone"] += len(placed)


class Visitor(Kind):
    """Connects, logs in, subscribes, trades a little and leaves, in order or by a cut, over and over."""

    name = "visitor"

    def __init__(self, venue: ServedVenue, trader: Trader, market: Market) -> None:
        super().__init__(venue)
        self._trader, self._market = trader, market

    async def round(self) -> None:
        line = Line()
        with self.one_life():
            await line.connect(self.venue.url, self._trader)
            channels = [f"book.{self._market.name}.100ms", "user.orders.any.any.raw", "user.portfolio.USDC"]
            await line.ask("public/subscribe", channels=channels)
            answer = await line.ask(
                "private/buy", instrument_name=self._market.name, amount=0.1, type="limit",
                price=round(self._market.index * 0.985), post_only=True,
            )  # fmt: skip
            if "result" in answer:
                cancelled = await line.ask("private/cancel", order_id=answer["result"]["order"]["order_id"])
                if cancelled.get("result", {}).get("order_state") != "cancelled":
                    self.blame(f"the cancel of a resting order was answered with {cancelled}")
            self.counts["visits"] += 1
            if self.counts["visits"] % 2:
                line.close()
            else:
                line.abort()
        await asyncio.sleep(0.5)


class Crowd(Kind):
    """Connections that only listen to one channel."""

    name = "crowd"
    SIZE = 20

    def __init__(self, venue: ServedVenue, market: Market) -> None:
        super().__init__(venue)
        self._channel = f"book.{market.name}.none.20.100ms"

    async def round(self) -> None:
        await asyncio.gather(*(self._listen() for _ in range(self.SIZE)))

    async def _listen(self) -> None:
        while True:
            line = Line()
            with suppress(*_CUT):
                await line.connect(self.venue.url)
                await line.ask("public/subscribe", channels=[self._channel])
                while line.is_open:
                    await asyncio.sleep(RETRY_SECONDS)
            self.counts["messages"] += line.pushes
            self.counts["cut"] += 1
            line.abort()
            await asyncio.sleep(RETRY_SECONDS)


