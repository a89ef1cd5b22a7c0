"""A market written naively, whose orders' lives are known: what the tests of decoders and follower compare with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from engine.codes import Side
from engine.recordings.batches import Book, ContractSpec
from engine.recordings.order_lives import BLOCK_ROWS, LIFE, LifeAction, LifeBlock, LifeFlag

COLUMNS = (
    "time_ns", "order_id", "new_order_id", "price_ticks", "size_lots", "message", "contract", "action", "side", "flags",
)  # fmt: skip
START_NS = 1_700_000_000 * 10**9


@dataclass
class Resting:
    """One order of the naive market."""

    order_id: int
    side: int
    price: int
    size: int


@dataclass
class Market:
    """One contract: its orders in the order in which they came to their price."""

    orders: list[Resting] = field(default_factory=list)

    def best(self, side: int) -> int | None:
        """The best price of a side."""
        prices = [each.price for each in self.orders if each.side == side]
        return (max(prices) if side == Side.BUY else min(prices)) if prices else None

    def book(self, levels: int) -> Book:
        """The best levels of both sides."""
        sums: dict[int, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        for each in self.orders:
            sums[each.side][each.price] = sums[each.side].get(each.price, 0) + each.size
        bids, asks = sorted(sums[Side.BUY].items(), reverse=True), sorted(sums[Side.SELL].items())
        return bids[:levels], asks[:levels]

    def queue(self, side: int) -> list[Resting]:
        """The orders of a side in price-time priority."""
        sign = -1 if side == Side.BUY else 1
        return sorted((each for each in self.orders if each.side == side), key=lambda each: sign * each.price)


class Lives:
    """Draws lives and keeps the markets that they make. `rows` are LIFE rows, `events` counts their ends."""

    def __init__(self, seed: int, contracts: int = 2) -> None:
        self.draw = Random(seed)
        self.markets = [Market() for _ in range(contracts)]
        self.rows: list[tuple[int, ...]] = []
        self.time_ns, self.next_id = START_NS, 1000
        self.executions = 0

    def tell(self, contract: int, action: int, order_id: int, **said: int) -> None:
        """One row."""
        row = {"time_ns": self.time_ns, "order_id": order_id, "contract": contract, "action": action}
        row |= {"message": len(self.rows) + 1} | said
        self.rows.append(tuple(int(row.get(name, 0)) for name in COLUMNS))

    def end(self) -> None:
        """The event that the last row belongs to ends with it."""
        self.rows[-1] = (*self.rows[-1][:-1], self.rows[-1][-1] | LifeFlag.LAST)
        self.time_ns += self.draw.randrange(1, 1000)

    def add(self, contract: int, side: int, price: int, size: int) -> None:
        """An order that rests."""
        self.next_id += self.draw.randrange(1, 5)
        self.markets[contract].orders.append(Resting(self.next_id, side, price, size))
        self.tell(contract, LifeAction.ADD, self.next_id, side=side, price_ticks=price, size_lots=size)

    def step(self) -> None:
        """One event of one contract."""
        contract = self.draw.randrange(len(self.markets))
        market, kind = self.markets[contract], self.draw.random()
        if kind < 0.45 or len(market.orders) < 4:
            self._place(contract)
        elif kind < 0.65:
            self._take(contract)
        else:
            self._change(contract, self.draw.choice(market.orders), kind)
        self.end()

    def _place(self, contract: int) -> None:
        side = self.draw.choice((Side.BUY, Side.SELL))
        away = int(self.draw.expovariate(0.2)) + 1
        best = self.markets[contract].best(3 - side) or 5000 + 100 * contract
        self.add(contract, side, best - away if side == Side.BUY else best + away, self.draw.randrange(1, 50))

    def _take(self, contract: int) -> None:
        side = self.draw.choice((Side.BUY, Side.SELL))
        left = self.draw.randrange(1, 150)
        for order in self.markets[contract].queue(side)[:20]:
            size = min(left, order.size)
            self.execute(contract, order, size)
            left -= size
            if not left:
                return
        if self.rows and not self.markets[contract].queue(side):
            self.tell(contract, LifeAction.STATUS, 0)

    def execute(self, contract: int, order: Resting, size: int) -> None:
        """A resting order gives."""
        self.executions += 1
        self.tell(contract, LifeAction.EXECUTE, order.order_id, size_lots=size)
        self._lower(contract, order, size)

    def _lower(self, contract: int, order: Resting, size: int) -> None:
        order.size -= size
        if not order.size:
            self.markets[contract].orders.remove(order)

    def _change(self, contract: int, order: Resting, kind: float) -> None:
        market = self.markets[contract]
        if kind < 0.75:
            size = self.draw.randrange(1, order.size + 1)
            self.tell(contract, LifeAction.REDUCE, order.order_id, size_lots=size)
            self._lower(contract, order, size)
        elif kind < 0.88:
            market.orders.remove(order)
            self.tell(contract, LifeAction.DELETE, order.order_id)
        elif kind < 0.94:
            self._resize(contract, order)
        elif kind < 0.999:
            self.next_id += 1
            price = self._inside(contract, order)
            self.tell(
                contract, LifeAction.REPLACE, order.order_id, new_order_id=self.next_id, price_ticks=price, size_lots=7
            )
            market.orders.remove(order)
            market.orders.append(Resting(self.next_id, order.side, price, 7))
        else:
            market.orders.clear()
            self.tell(contract, LifeAction.CLEAR, 0)

    def _inside(self, contract: int, order: Resting) -> int:
        """A price near the order's that does not cross."""
        price, other = order.price + self.draw.randrange(-3, 4), self.markets[contract].best(3 - order.side)
        if other is not None:
            price = min(price, other - 1) if order.side == Side.BUY else max(price, other + 1)
        return price

    def _resize(self, contract: int, order: Resting) -> None:
        market = self.markets[contract]
        price, size = self.draw.choice((order.price, self._inside(contract, order))), self.draw.randrange(1, 60)
        self.tell(contract, LifeAction.RESIZE, order.order_id, price_ticks=price, size_lots=size)
        if price != order.price or size > order.size:
            market.orders.remove(order)
            market.orders.append(order)
        order.price, order.size = price, size


def life_rows(rows: list[tuple[int, ...]]) -> Any:
    """LIFE rows of tuples of COLUMNS."""
    found = np.zeros(len(rows), LIFE)
    for index, name in enumerate(COLUMNS):
        found[name] = [row[index] for row in rows]
    return found


class GivenDecoder:
    """Gives rows that a test made, in blocks of a size."""

    format = "given"
    bad = total = 0

    def __init__(self, rows: Any, contracts: int = 1, block: int = BLOCK_ROWS) -> None:
        self.rows, self.block = rows, block
        self.contracts = [ContractSpec(f"C{index}") for index in range(contracts)]
        self.ignored: dict[str, int] = {}
        self.seen = {spec.name for spec in self.contracts}

    def blocks(self) -> Iterator[LifeBlock]:
        """The rows."""
        for start in range(0, len(self.rows), self.block):
            rows = self.rows[start : start + self.block]
            yield LifeBlock(rows, start + len(rows))
