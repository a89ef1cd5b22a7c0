"""Clients that trade without pause and keep what they were told, and what a venue has that contradicts it.

Nothing here looks at a log or into a process. What was told: the answers to orders and cancels, the trades in answers
and on channels. A request without an answer may have happened or not. The rest must be there once.
"""

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import picows

from gateway.client import Client, Disconnected, RpcError
from tests.gateway.live import BTC

RETRY_SECONDS = 0.005
PAGE_TRADES = 1000
MOST_OPEN = 100
"""A trader with so many open orders cancels one."""
CATCH_UP_SECONDS = 30
CONNECT_SECONDS = 120
LATER = frozenset({"STANDBY", "HANDED_OVER", "LOG_NOT_REPLICATED", "MARKET_HALTED", "STALE_PRICE"})
"""Refusals of a venue that takes nothing now, and says so: the index is old where time went on by a minute."""
CLOSED = frozenset({10004, 10010, 10012, 11044})
"""Codes of a cancel that came behind a fill."""


class Fill(NamedTuple):
    """A trade as its owner, or the public, was told of it."""

    trade_id: str
    trade_seq: int
    price: Decimal
    amount: Decimal
    direction: str
    order_id: str = ""

    @classmethod
    def of(cls, said: dict[str, Any], is_own: bool) -> "Fill":
        """From JSON with exact numbers."""
        order_id = str(said["order_id"]) if is_own else ""
        price, amount = Decimal(said["price"]), Decimal(said["amount"])
        return cls(str(said["trade_id"]), int(said["trade_seq"]), price, amount, str(said["direction"]), order_id)

    @property
    def key(self) -> str:
        """Which one it is: an account that trades with itself has both sides."""
        return f"{self.trade_id} {self.direction}"

    @property
    def signed(self) -> Decimal:
        """What it adds to the position."""
        return self.amount if self.direction == "buy" else -self.amount


class Ordered(NamedTuple):
    """An order that was acknowledged."""

    order_id: str
    amount: Decimal


class Answered(NamedTuple):
    """An answer to an order or a cancel: when it came, and which node gave it."""

    time: float
    url: str


@dataclass
class Told:
    """What one account was told, by the orders' own numbers."""

    orders: dict[int, Ordered] = field(default_factory=dict)
    sent: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    perhaps_cancelled: set[int] = field(default_factory=set)
    """A cancel of them had no answer."""
    answered_fills: dict[str, Fill] = field(default_factory=dict)
    """Trades in answers."""
    fills: list[Fill] = field(default_factory=list)
    """Trades on the own channel, as they came."""
    gaps: list[str] = field(default_factory=list)


class Trader:
    """One client that places, trades and cancels without pause, and forgets nothing that it was told."""

    def __init__(self, client: Client, number: int, ids: "itertools.count[int]", is_loyal: bool = False) -> None:
        """One that is loyal stays with its node, and does not hear what is told after that."""
        self.client, self._ids, self._rolls, self.is_loyal = client, ids, Random(number), is_loyal
        self.told = Told()
        self.answers: list[Answered] = []
        self.seen: list[str] = []
        """The refusals and lost connections that its program saw."""
        self.is_over = False
        """Set, it sends nothing more: `trade` ends behind the answer to what is on its way."""
        self._resting: list[int] = []
        self._before = Decimal(0)
        self._first_trade_seq = 1

    async def begin(self) -> None:
        """Listen to the own trades, and note where the account stands."""
        self.client.on_gap = lambda gap: self.told.gaps.append(gap.reason)
        await self.client.subscribe("user.trades.any.any.raw", self._hear)
        self._before = await self._position()
        self._first_trade_seq = 1 + await last_trade_seq(self.client)

    def _hear(self, said: Any) -> None:
        for trade in said if isinstance(said, list) else [said]:
            self.told.fills.append(Fill.of(trade, True))

    async def _position(self) -> Decimal:
        return sum((each.size for each in await self.client.positions()), Decimal(0))

    async def trade(self) -> None:
        """Place orders and cancel some, until it is over."""
        while not self.is_over:
            try:
                if len(self._resting) >= MOST_OPEN or (self._resting and self._rolls.random() < 0.3):
                    await self._cancel()
                else:
                    await self._place()
            except (Disconnected, TimeoutError) as lost:
                self.seen.append(str(lost) or "no answer")
                if self.is_loyal:
                    return
                await asyncio.sleep(RETRY_SECONDS)
            except RpcError as error:
                self.seen.append(str(error))
                if error.reason not in LATER:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def _place(self) -> None:
        """A bid far below the market, or an order at the one price where all traders meet."""
        rolls, number = self._rolls, next(self._ids)
        amount = Decimal(rolls.randint(1, 4)) / 1000
        is_far = rolls.random() < 0.4
        order = self.client.buy if is_far or rolls.random() < 0.5 else self.client.sell
        price = str(rolls.randint(15_000, 16_000)) if is_far else "20000"
        self.told.sent.add(number)
        try:
            placed = await order(BTC, amount, price=price, cl_ord_id=number, label=str(number))
        except RpcError:
            self.told.sent.discard(number)
            raise
        self._note_answer()
        self.told.orders[number] = Ordered(placed.order.order_id, amount)
        for trade in placed.trades:
            fill = Fill(trade.trade_id, trade.trade_seq, trade.price, trade.amount, trade.direction, trade.order_id)
            self.told.answered_fills[fill.key] = fill
        if placed.order.order_state == "open":
            self._resting.append(number)

    async def _cancel(self) -> None:
        number = self._resting.pop(self._rolls.randrange(len(self._resting)))
        self.told.perhaps_cancelled.add(number)
        try:
            order = await self.client.cancel(self.told.orders[number].order_id)
        except RpcError as error:
            self.told.perhaps_cancelled.discard(number)
            if error.code in CLOSED:
                self._note_answer()
                return
            self._resting.append(number)
            raise
        self._note_answer()
        self.told.perhaps_cancelled.discard(number)
        if order.order_state == "cancelled":
            self.told.cancelled.add(number)

    def _note_answer(self) -> None:
        self.answers.append(Answered(time.monotonic(), self.client.url))

    # --- what the venue has --------------------------------------------------------------------------------------

    async def faults(self) -> list[str]:
        """What the venue has now that contradicts what this client was told. Nobody trades meanwhile."""
        said = [trade async for trade in trades_since(self.client, self._first_trade_seq, True)]
        history = [Fill.of(trade, True) for trade in said]
        labels = [(int(trade["label"]), str(trade["order_id"])) for trade in said]
        if not self.is_loyal:
            await self._caught_up(len(history))
        found = [
            *self._faults_of_fills(history), *await self._faults_of_orders(history, labels),
            *(f"messages of its channel are gone: {gap}" for gap in self.told.gaps),
        ]  # fmt: skip
        position, wanted = await self._position(), self._before + sum(fill.signed for fill in history)
        if position != wanted:
            found.append(f"the position is {position}, and its trades make {wanted}")
        return [f"{self.client.key_id}: {fault}" for fault in found]

    async def _caught_up(self, count: int) -> None:
        """Wait for what the channel has still to bring."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while len(self.told.fills) < count:
                    await asyncio.sleep(0.01)

    def _faults_of_fills(self, history: list[Fill]) -> Iterator[str]:
        yield from faults_of_told(self.told.fills, history)
        yield from faults_of_told(self.told.answered_fills.values(), history)
        heard = {fill.key for fill in history if self.is_loyal} | {fill.key for fill in self.told.fills}
        for fill in history:
            if fill.key not in heard:
                yield f"trade {fill.key} is in the history, and its channel never told of it"

    async def _faults_of_orders(self, history: list[Fill], labels: list[tuple[int, str]]) -> list[str]:
        """`labels`: the own number, which is the label, and the order of each trade."""
        told, faults = self.told, list[str]()
        filled: defaultdict[str, Decimal] = defaultdict(Decimal)
        for fill in history:
            filled[fill.order_id] += fill.amount
        open_orders = await self.client.open_orders()
        ids: defaultdict[int, set[str]] = defaultdict(set)
        for order in open_orders:
            ids[order.cl_ord_id].add(order.order_id)
            if order.filled_amount != filled[order.order_id]:
                faults.append(f"order {order.cl_ord_id}: {order.filled_amount} filled, {filled[order.order_id]} traded")
        for number, order_id in labels:
            ids[number].add(order_id)
        still_open = Counter(order.cl_ord_id for order in open_orders)
        for number, ordered in told.orders.items():
            is_filled = filled[ordered.order_id] == ordered.amount
            is_open, is_cancelled = bool(still_open[number]), number in told.cancelled
            if is_open and is_cancelled:
                faults.append(f"order {number} was cancelled, as was told, and is open")
            if not (is_open or is_filled or is_cancelled or number in told.perhaps_cancelled):
                faults.append(f"order {number} was acknowledged and is lost")
            if filled[ordered.order_id] > ordered.amount:
                faults.append(f"order {number} of {ordered.amount} traded {filled[ordered.order_id]}")
            if ids[number] - {ordered.order_id}:
                faults.append(f"order {number} of {ordered.order_id} is there as {sorted(ids[number])}")
        faults += [f"order {number} is open twice: {count} times" for number, count in still_open.items() if count > 1]
        faults += [f"order {number} is there twice: {sorted(each)}" for number, each in ids.items() if len(each) > 1]
        faults += [f"order {number} was never sent" for number in ids if number not in told.sent]
        return faults


class Watcher:
    """A reader of the public trades of one node alone: what that node has told must stay true."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, reconnect=False)
        self.fills: list[Fill] = []

    async def begin(self) -> None:
        """Listen."""
        await self.client.connect()
        await self.client.subscribe(f"trades.{BTC}.raw", self._hear)

    def _hear(self, said: Any) -> None:
        self.fills += [Fill.of(trade, False) for trade in said]

    async def faults(self, client: Client) -> list[str]:
        """What the venue of another client has that contradicts it."""
        first = min((fill.trade_seq for fill in self.fills), default=0)
        history = [Fill.of(said, False) async for said in trades_since(client, first, False)] if self.fills else []
        return [f"a public reader: {fault}" for fault in faults_of_told(self.fills, history)]


def faults_of_told(told: Collection[Fill], history: list[Fill]) -> Iterator[str]:
    """Trades that were told must be in the history once, as they were told; and they are told once."""
    there: defaultdict[str, list[Fill]] = defaultdict(list)
    for fill in history:
        there[fill.key].append(fill)
    counts = Counter(fill.key for fill in told)
    yield from (f"trade {key} was told twice: {count} times" for key, count in counts.items() if count > 1)
    for fill in told:
        found = there[fill.key]
        if not found:
            yield f"trade {fill.key} was told and is lost"
        elif len(found) > 1:
            yield f"trade {fill.key} is in the history twice"
        elif found != [fill]:
            yield f"trade {fill.key} was told as {fill}, and the history has {found[0]}"


async def last_trade_seq(client: Client) -> int:
    """The number of the market's last trade; 0 without any."""
    said = await client.call("public/get_last_trades_by_instrument", instrument_name=BTC, count=1)
    return int(said["trades"][0]["trade_seq"]) if said["trades"] else 0


async def trades_since(client: Client, first_seq: int, is_own: bool) -> Any:
    """Trades in the history of the node to which a client is connected, from a number on."""
    method = f"p{'rivate/get_user' if is_own else 'ublic/get_last'}_trades_by_instrument"
    while True:
        said = await client.call(
            method, instrument_name=BTC, start_seq=first_seq, count=PAGE_TRADES, sorting="asc"
        )  # fmt: skip
        for trade in said["trades"]:
            yield trade
        if not said["has_more"]:
            return
        first_seq = int(said["trades"][-1]["trade_seq"]) + 1


class Load:
    """Traders, one that stays with the node that leads, and a watcher of it, from `begin` to `end`."""

    def __init__(self, urls: list[str], keys: list[Any]) -> None:
        """The last of `keys` is the loyal trader's."""
        self._urls, self._keys = urls, keys
        self.traders: list[Trader] = []
        self._loyal: Trader
        self._watcher: Watcher
        self._works: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Connect everybody, then trade; on return everybody was answered once."""
        ids = itertools.count(time.time_ns() // 1000)
        for number, opened in enumerate(self._keys[:-1]):
            client = Client(self._urls, opened.key.id, opened.key.secret)
            await _connected(client)
            self.traders.append(Trader(client, number, ids))
        url, loyal = self.traders[0].client.url, self._keys[-1].key
        client = Client(url, loyal.id, loyal.secret, reconnect=False)
        await _connected(client)
        self._loyal = Trader(client, len(self.traders), ids, is_loyal=True)
        for trader in (*self.traders, self._loyal):
            await trader.begin()
        self._watcher = Watcher(url)
        await self._watcher.begin()
        self._works = [asyncio.create_task(trader.trade()) for trader in (*self.traders, self._loyal)]
        await self.answered_since(0.0, CONNECT_SECONDS)

    def check(self) -> None:
        """Raise what went wrong with a trader."""
        for work in self._works:
            if work.done():
                work.result()

    def answers(self) -> list[Answered]:
        """All answers so far, in order."""
        return sorted(answered for trader in self.traders for answered in trader.answers)

    def longest_pause(self, since: float) -> float:
        """The longest time within which nobody was answered, of those that reach beyond a moment; seconds."""
        times = [answered.time for answered in self.answers()]
        pauses = [later - sooner for sooner, later in itertools.pairwise(times) if later > since]
        return max(pauses, default=0.0)

    async def answered_by(self, url: str, seconds: float) -> None:
        """Wait until every trader was answered by a node. TimeoutError."""
        async with asyncio.timeout(seconds):
            while not all(any(each.url == url for each in trader.answers) for trader in self.traders):
                await asyncio.sleep(0.01)
                self.check()

    async def answered_since(self, moment: float, seconds: float) -> None:
        """Wait until every trader was answered after a moment. TimeoutError."""
        async with asyncio.timeout(seconds):
            while not all(trader.answers and trader.answers[-1].time > moment for trader in self.traders):
                await asyncio.sleep(0.01)
                self.check()

    async def end(self) -> list[str]:
        """Trade no more; what the venue has that contradicts what was told.

        An order on its way could still trade while another client's history is read: its answer is waited for.
        """
        for trader in (*self.traders, self._loyal):
            trader.is_over = True
        await asyncio.wait(self._works, timeout=CONNECT_SECONDS)
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)
        faults = list[str]()
        for trader in self.traders:
            await asyncio.wait_for(trader.client.is_connected.wait(), CONNECT_SECONDS)
            faults += await trader.faults()
        await self._loyal.client.close()
        loyal = self._loyal.client = Client(self._urls, self._keys[-1].key.id, self._keys[-1].key.secret)
        await _connected(loyal)
        faults += await self._loyal.faults()
        faults += await self._watcher.faults(self.traders[0].client)
        return faults

    @property
    def acknowledged(self) -> int:
        """How many orders and cancels were acknowledged."""
        return sum(len(trader.told.orders) + len(trader.told.cancelled) for trader in (*self.traders, self._loyal))

    @property
    def fills(self) -> int:
        """How many trades were told to their owners."""
        return sum(len(trader.told.fills) for trader in (*self.traders, self._loyal))

    async def close(self) -> None:
        """Take the orders back and hang up."""
        for trader in (*self.traders, self._loyal):
            with suppress(Disconnected, RpcError, TimeoutError):
                await trader.client.cancel_all()
            await trader.client.close()
        await self._watcher.client.close()


async def _connected(client: Client) -> None:
    async with asyncio.timeout(CONNECT_SECONDS):
        while True:
            with suppress(Disconnected, OSError, TimeoutError, picows.WSError):
                await client.connect()
                return
            await asyncio.sleep(0.05)
