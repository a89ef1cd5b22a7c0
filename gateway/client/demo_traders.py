"""The demo's traders: makers, takers, an arbitrageur and gamblers, each a client like any other."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.client import Client, Disconnected, RpcError

Ticker = dict[str, Any]
LEVELS = 6


@dataclass
class Market:
    """One contract as a bot knows it: its units and its last ticker."""

    name: str
    tick: Decimal
    step: Decimal
    ticker: Ticker = field(default_factory=dict)

    @property
    def index(self) -> Decimal | None:
        """The index price, None before the first."""
        return self.ticker.get("index_price")

    @property
    def middle(self) -> Decimal | None:
        """The middle of the book, None when a side is empty."""
        bid, ask = self.ticker.get("best_bid_price"), self.ticker.get("best_ask_price")
        return Decimal(bid + ask) / 2 if bid and ask else None  # a whole number comes as int

    def price(self, value: Decimal) -> Decimal:
        """A price rounded to the tick."""
        return (value // self.tick) * self.tick

    def amount(self, value: float) -> Decimal:
        """An amount rounded to the lot, at least one lot."""
        return max(self.step, (Decimal(str(round(value, 6))) // self.step) * self.step)


async def markets(client: Client) -> list[Market]:
    """All contracts, their tickers kept fresh."""
    found = []
    for row in await client.call("public/get_instruments"):
        market = Market(row["instrument_name"], Decimal(row["tick_size"]), Decimal(row["amount_step"]))
        await client.subscribe(f"ticker.{market.name}.100ms", market.ticker.update)
        found.append(market)
    return found


class Maker:
    """Quotes both sides around the index and moves the quotes with it; a position shifts them to reduce it."""

    def __init__(self, client: Client, seed: int, spread: float, size_notional: float) -> None:
        self.client = client
        self._random = random.Random(seed)
        self._spread = Decimal(str(spread))
        self._size_notional = size_notional
        self._orders: dict[tuple[str, str, int], tuple[str, Decimal]] = {}
        self._skew: dict[str, Decimal] = {}
        self._has_begun = False

    async def step(self, known: list[Market]) -> None:
        """Move every quote to its right price, in one write. What an earlier run has left goes first."""
        if not self._has_begun:
            await self.client.cancel_all()
            self._has_begun = True
        for position in await self.client.positions():
            self._skew[position.instrument_name] = position.size
        open_ids = {order.order_id for order in await self.client.open_orders()}
        self._orders = {place: order for place, order in self._orders.items() if order[0] in open_ids}
        for market in known:
            if market.index:
                await self._quote(market, market.index)

    async def _quote(self, market: Market, index: Decimal) -> None:
        lean = self._skew.get(market.name, Decimal(0)) * index / Decimal(self._size_notional * 40) * self._spread
        places, calls = [], []
        for side, sign in (("buy", -1), ("sell", 1)):
            for level in range(LEVELS):
                away = self._spread * Decimal(str(0.5 + level * 0.7 + self._random.random() * 0.2))
                price = market.price(index * (1 + sign * away - lean))
                place = (market.name, side, level)
                call = self._call(place, market, price)
                if call:
                    places.append((place, price))
                    calls.append(call)
        for (place, price), answer in zip(places, await self.client.batch(calls), strict=True):
            if isinstance(answer, RpcError):
                self._orders.pop(place, None)
            elif isinstance(answer, dict):
                self._orders[place] = (answer["order"]["order_id"], price)

    def _call(self, place: tuple[str, str, int], market: Market, price: Decimal) -> Any:
        """The request that moves one quote to its right price, None when it is there."""
        name, side, level = place
        amount = market.amount(self._size_notional * (1 + level / 2) / float(price))
        order = self._orders.get(place)
        if order is None:
            given = {"instrument_name": name, "amount": amount, "price": price, "post_only": True, "label": "maker"}
            return f"private/{side}", given
        if abs(order[1] - price) <= 2 * market.tick:
            return None
        return "private/edit", {"order_id": order[0], "amount": amount, "price": price, "post_only": True}


class Taker:
    """Trades at the market now and then, more often with the last move than against it."""

    def __init__(self, client: Client, seed: int, size_notional: float) -> None:
        self.client = client
        self._random = random.Random(seed)
        self._size_notional = size_notional
        self._last: dict[str, Decimal] = {}

    async def step(self, known: list[Market]) -> None:
        """Send one order, or none."""
        market = self._random.choice(known)
        if not market.index:
            return
        rose = market.index >= self._last.get(market.name, market.index)
        self._last[market.name] = market.index
        side = "buy" if (self._random.random() < 0.6) == rose else "sell"
        amount = market.amount(self._size_notional * self._random.expovariate(1) / float(market.index))
        await self.client.call(
            f"private/{side}", instrument_name=market.name, amount=amount, type="market", label="taker"
        )


class Arbitrageur:
    """Sells what is above its index and buys what is below, until the gap is gone."""

    def __init__(self, client: Client, seed: int, size_notional: float, threshold: float = 0.0004) -> None:
        self.client = client
        self._threshold = Decimal(str(threshold))
        self._size_notional = size_notional

    async def step(self, known: list[Market]) -> None:
        """Send at most one order for each contract."""
        for market in known:
            if not (market.index and market.middle):
                continue
            gap = (market.middle - market.index) / market.index
            if abs(gap) > self._threshold:
                side, price_name = ("sell", "best_bid_price") if gap > 0 else ("buy", "best_ask_price")
                amount = market.amount(self._size_notional / float(market.index))
                await self.client.call(
                    f"private/{side}", instrument_name=market.name, amount=amount, price=market.ticker[price_name],
                    time_in_force="immediate_or_cancel", label="arbitrage",
                )  # fmt: skip


class Gambler:
    """Bets at full leverage in every contract where it has not half a bet left, and takes what it has won.

    A move of some tenths of a per cent against it is a liquidation, which closes a part; then it bets again. It takes
    profits of that size too: a bet that has won more is far from a liquidation.
    """

    def __init__(self, client: Client, seed: int, size_notional: float, take_profit: float = 0.003) -> None:
        self.client = client
        self._random = random.Random(seed)
        self._size_notional = size_notional
        self._take_profit = Decimal(str(take_profit))

    async def step(self, known: list[Market]) -> None:
        """Send at most one order, in one contract."""
        market = self._random.choice(known)
        held = {position.instrument_name: position for position in await self.client.positions() if position.size}
        position = held.get(market.name)
        if not market.index:
            return
        amount = market.amount(self._size_notional / float(market.index))
        if position is None or 2 * abs(position.size) < amount:
            side = self._random.choice(("buy", "sell"))
            await self.client.call(
                f"private/{side}", instrument_name=market.name, amount=amount, type="market", label="bet"
            )
        elif position.floating_profit_loss > abs(position.size) * market.index * self._take_profit:
            await self.client.call("private/close_position", instrument_name=market.name, type="market")


async def run(
    step: Callable[[list[Market]], Awaitable[None]], known: list[Market], seconds: float, seed: int
) -> None:
    """Step for ever, about every so many seconds, also after a refused order or a lost connection."""
    clock = random.Random(seed)
    while True:
        try:
            await step(known)
        except (RpcError, Disconnected, TimeoutError):
            await asyncio.sleep(seconds)
        await asyncio.sleep(seconds * (0.5 + clock.random()))
