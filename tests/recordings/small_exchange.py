"""A day of a small exchange, naively matched: what its feed would say, order by order, for writers of each format."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from engine.codes import Side
from engine.recordings.batches import Book

TICK = 100


class Fact(NamedTuple):
    """One fact of the feed. Prices in 1/10,000; `side` is the resting order's, `taker_id` that of who took it."""

    kind: str
    """add, execute, cut (executed in a cross), reduce, delete, replace or trade."""
    time_ns: int
    symbol: str
    order_id: int
    side: int
    price: int
    size: int
    new_id: int = 0
    taker_id: int = 0


class Rests(NamedTuple):
    """An order that rests."""

    order_id: int
    price: int
    size: int


class SmallExchange:
    """Books of several symbols in price-time order, driven by a seed. `facts` are what happened so far.

    Without `reduces` no order is made smaller but by an execution. Sizes are in lots, prices in 1/100 of a tick.
    """

    def __init__(self, seed: int, symbols: tuple[str, ...], reduces: bool = True) -> None:
        self.random, self.symbols, self.reduces = random.Random(seed), symbols, reduces
        self.queues: dict[tuple[str, int], list[Rests]] = {(name, side): [] for name in symbols for side in Side}
        self.time_ns, self.last_id = 34_200_000_000_000, 0
        self.facts: list[Fact] = []

    def day(self, steps: int) -> Iterator[list[Fact]]:
        """The facts of one step after another: what one instruction of a trader led to."""
        for _ in range(steps):
            begun = len(self.facts)
            self.time_ns += self.random.choice((1, 1000, 1_000_000, 50_000_000))
            self._step(self.random.choice(self.symbols), self.random.choice(tuple(Side)))
            yield self.facts[begun:]

    def book(self, symbol: str) -> Book:
        """Both sides as (price in ticks, size in lots), best first."""
        bids, asks = ({}, {})  # type: dict[int, int], dict[int, int]
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            for order in self.queues[symbol, side]:
                price = order.price // TICK
                levels[price] = levels.get(price, 0) + order.size
        return sorted(bids.items(), reverse=True), sorted(asks.items())

    def _step(self, symbol: str, side: int) -> None:
        dice, queue = self.random.random(), self.queues[symbol, side]
        if dice < 0.5 or not queue:
            middle = 1000 * TICK
            price = middle + (-1 if side == Side.BUY else 1) * TICK * self.random.randint(-1, 6)
            self._enter(symbol, side, price, self.random.randint(1, 50) * 10)
            return
        order = self.random.choice(queue)
        if dice < 0.65:
            self._say("delete", symbol, side, order)
            queue.remove(order)
        elif dice < 0.78 and order.size > 1 and self.reduces:
            cut = self.random.randint(1, order.size - 1)
            self._say("cut" if dice < 0.68 else "reduce", symbol, side, order._replace(size=cut))
            queue[queue.index(order)] = order._replace(size=order.size - cut)
        elif dice < 0.9:
            self._replace(symbol, side, order)
        else:
            self._say("trade", symbol, side, Rests(0, order.price, 10))

    def _replace(self, symbol: str, side: int, order: Rests) -> None:
        other = self.queues[symbol, 3 - side]
        price = order.price + TICK * self.random.randint(-2, 2)
        if any(_crosses(side, price, each.price) for each in other):
            price = order.price
        new = Rests(self._new_id(), price, self.random.randint(1, 50) * 10)
        self._say("replace", symbol, side, Rests(order.order_id, new.price, new.size), new_id=new.order_id)
        self.queues[symbol, side].remove(order)
        self._rest(symbol, side, new)

    def _enter(self, symbol: str, side: int, price: int, size: int) -> None:
        other, taker_id = self.queues[symbol, 3 - side], self._new_id()
        while size and other and _crosses(side, price, other[0].price):
            maker = other[0]
            taken = min(size, maker.size)
            self._say("execute", symbol, 3 - side, maker._replace(size=taken), taker_id=taker_id)
            size -= taken
            other[:1] = [maker._replace(size=maker.size - taken)] if maker.size > taken else []
        if size:
            order = Rests(taker_id, price, size)
            self._say("add", symbol, side, order)
            self._rest(symbol, side, order)

    def _rest(self, symbol: str, side: int, order: Rests) -> None:
        queue, sign = self.queues[symbol, side], -1 if side == Side.BUY else 1
        place = sum(sign * each.price <= sign * order.price for each in queue)
        queue.insert(place, order)

    def _say(self, kind: str, symbol: str, side: int, order: Rests, new_id: int = 0, taker_id: int = 0) -> None:
        self.facts.append(
            Fact(kind, self.time_ns, symbol, order.order_id, side, order.price, order.size, new_id, taker_id)
        )

    def _new_id(self) -> int:
        self.last_id += self.random.randint(1, 9)
        return self.last_id


def _crosses(side: int, price: int, other: int) -> bool:
    return price >= other if side == Side.BUY else price <= other
