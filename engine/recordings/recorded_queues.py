"""The recorded queues of a market: what a recording says rests, order by order, in time priority.

A reader's own notes: it decides nothing and matches nothing for the engine. The levels of each side stand in the order
in which they came, which is as many as the recording shows. `queues` in the functions is `Queues.arrays`:
(levels, counts, orders, changed); the first two have one row and one count for each side, the last one says whether a
level of it came or went.
"""

from typing import Any

import numpy as np

from engine.kernels import part
from engine.recordings.batches import READER_ID
from engine.recordings.recorded_orders import NOWHERE, OrderTable, add_order, find_order, remove_order
from engine.schema import record

_FIRST_LEVELS = 64

QUEUE = record([("price", "i8"), ("first", "i8"), ("last", "i8")])
"""One level: its price, and the rows of its first and its last order."""


class Queues:
    """Memory for the levels and their orders."""

    def __init__(self) -> None:
        self.orders = OrderTable()
        self.levels = np.zeros((2, _FIRST_LEVELS), QUEUE)
        self.counts, self.changed = np.zeros(2, np.int64), np.zeros(2, np.int64)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What the functions below take; it changes with `grow`."""
        return self.levels, self.counts, self.orders.arrays, self.changed

    def grow(self, orders: int, levels: int) -> None:
        """Room for so many orders and levels a side more than there are."""
        self.orders.grow(orders)
        size = self.levels.shape[1]
        while size < self.counts.max() + levels:
            size *= 2
        if size > self.levels.shape[1]:
            added = np.zeros((2, size - self.levels.shape[1]), QUEUE)
            self.levels = np.concatenate([self.levels, added], axis=1)


@part
def find_level(queues, side, price):
    """The place of a level, NOWHERE when nothing rests at the price."""
    levels, counts, _, _ = queues
    for place in range(counts[side - 1]):
        if levels[side - 1, place].price == price:
            return place
    return NOWHERE


@part
def first_of(queues, side, price):
    """The row of the first order at a price, NOWHERE when nothing rests there."""
    place = find_level(queues, side, price)
    return NOWHERE if place == NOWHERE else np.int64(queues[0][side - 1, place].first)


@part
def add(queues, order_id, side, price, size):
    """An order at the back of its level's queue."""
    levels, counts, orders, changed = queues
    row = add_order(orders, order_id, size, price, side)
    place = find_level(queues, side, price)
    if place == NOWHERE:
        place = np.int64(counts[side - 1])
        counts[side - 1] += 1
        changed[side - 1] = 1
        level = levels[side - 1, place]
        level.price = price
        level.first = row
        level.last = row
    else:
        level = levels[side - 1, place]
        rows = orders[2]
        rows[level.last].next = row
        rows[row].prev = level.last
        level.last = row


@part
def remove_level(queues, side, place):
    """Close the gap that a level without orders leaves."""
    levels, counts, _, changed = queues
    for behind in range(place + 1, counts[side - 1]):
        target, source = levels[side - 1, behind - 1], levels[side - 1, behind]
        target.price = source.price
        target.first = source.first
        target.last = source.last
    counts[side - 1] -= 1
    changed[side - 1] = 1


@part
def take(queues, row, size):
    """Take quantity from an order; what is left of it. At nothing the order, and an empty level, are gone."""
    levels, _, orders, _ = queues
    rows = orders[2]
    order = rows[row]
    order.size -= size
    left = np.int64(order.size)
    if left != 0:
        return left
    side, place = np.int64(order.side), find_level(queues, order.side, order.price)
    level = levels[side - 1, place]
    if order.prev == NOWHERE:
        level.first = order.next
    else:
        rows[order.prev].next = order.next
    if order.next == NOWHERE:
        level.last = order.prev
    else:
        rows[order.next].prev = order.prev
    if level.first == NOWHERE:
        remove_level(queues, side, place)
    remove_order(orders, row)
    return left


@part
def resting(queues, order_id, side, price):
    """The row of the order that a message is about: itself, or the anonymous one of its level; NOWHERE: neither."""
    rows = queues[2][2]
    row = find_order(queues[2], order_id)
    if row != NOWHERE and rows[row].side == side and rows[row].price == price:
        return row
    row = first_of(queues, side, price)
    while row != NOWHERE and rows[row].order_id < READER_ID:
        row = np.int64(rows[row].next)
    return row
