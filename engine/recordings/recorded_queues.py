"""The recorded queues of a market: what a recording says rests, order by order, in time priority.

A reader's own notes, in plain dictionaries: it decides nothing and matches nothing for the engine.
"""

from engine.codes import Side
from engine.recordings.batches import READER_ID

Queue = dict[int, int]
"""Order id -> open quantity, first in time first."""


class Queues:
    """Levels by side and price; `places` finds an order's (side, price)."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, Queue]] = {Side.BUY: {}, Side.SELL: {}}
        self.places: dict[int, tuple[int, int]] = {}

    def add(self, order_id: int, side: int, price: int, quantity: int) -> None:
        """An order at the back of its level's queue."""
        self.levels[side].setdefault(price, {})[order_id] = quantity
        self.places[order_id] = (side, price)

    def take(self, order_id: int, quantity: int) -> int:
        """Take quantity from an order; what is left of it. At nothing the order, and an empty level, are gone."""
        side, price = self.places[order_id]
        queue = self.levels[side][price]
        queue[order_id] -= quantity
        left = queue[order_id]
        if not left:
            del queue[order_id], self.places[order_id]
            if not queue:
                del self.levels[side][price]
        return left

    def drop(self, side: int, price: int) -> Queue:
        """Remove a level; its orders."""
        queue = self.levels[side].pop(price)
        for order_id in queue:
            del self.places[order_id]
        return queue

    def queue(self, side: int, price: int) -> Queue:
        """The orders of a level, first first; empty when there is none."""
        return self.levels[side].get(price, {})

    def front_anonymous(self, side: int, price: int) -> int:
        """The first order of a level that the recording does not name; 0 when there is none."""
        return next((order_id for order_id in self.queue(side, price) if order_id >= READER_ID), 0)

    def swept(self, side: int, limit: int, quantity: int) -> dict[int, Queue]:
        """The queues of every level that price-time priority would touch, as they would be afterwards."""
        after: dict[int, Queue] = {}
        best_first = sorted(self.levels[side], reverse=side == Side.BUY)
        for price in best_first:
            if not quantity or (price < limit if side == Side.BUY else price > limit):
                break
            after[price] = {}
            for order_id, resting in self.levels[side][price].items():
                taken = min(resting, quantity)
                quantity -= taken
                if resting > taken:
                    after[price][order_id] = resting - taken
        return after
