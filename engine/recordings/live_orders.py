"""What rests, as a recording says it: orders by (contract, id), and each price's orders in time priority.

Compiled code over NumPy arrays that double when they are full. It decides nothing: `order_follower` has the rules.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.codes import NIL
from engine.recordings.batches import READER_ID
from engine.recordings.order_lives import LifeAction
from engine.schema import MAX_CONTRACTS, record
from engine.units import wrapping_mul

_ACTIONS = int(max(LifeAction))

# Why the follower stopped: everything is done, the out rows are full, or an array must grow before the next row.
DONE, OUT_FULL, ORDERS_FULL, LEVELS_FULL, FROM_REACHED = range(5)
# What it counts: rows about orders that never came, by action; ids that came twice; more taken than rested; ends of
# events at which the book was not compared because it was crossed.
UNKNOWN, ADDED_AGAIN, OVERRUN, CROSSED, COUNTS = 0, _ACTIONS + 1, _ACTIONS + 2, _ACTIONS + 3, _ACTIONS + 4
# Where it stands.
(
    ROWS,
    CHECKS,
    EXECUTIONS,
    BOOKS,
    READER_IDS,
    FREE_ORDER,
    ORDERS,
    LEVELS,
    LIVE,
    TIME_NS,
    MESSAGE,
    IS_MUTE,
    FROM_NS,
    NEED,
    HEAD_WORDS,
) = range(15)
_FIRST_LEVELS = 16
_K1, _K2 = np.int64(-7046029254386353131), np.int64(1609587929392839161)

LIVE_ORDER = record(
    [
        ("order_id", "i8"),
        ("cl_ord_id", "i8"),
        ("price_ticks", "i8"),
        ("size_lots", "i8"),
        ("given_lots", "i8"),  # of the executions at hand, as recorded
        ("taken_lots", "i8"),  # of the executions at hand, by price-time priority
        ("next_slot", "i4"),  # behind it at its price; free list
        ("prev_slot", "i4"),
        ("held_next_slot", "i4"),  # what waits outside a crossed book, in the order in which it came
        ("held_prev_slot", "i4"),
        ("contract", "i4"),
        ("side", "i1"),
        ("is_held", "i1"),
        ("pad", "i1", (2,)),
    ]
)
LIVE_LEVEL = record(
    [
        ("price_ticks", "i8"),
        ("size_lots", "i8"),
        ("head_slot", "i4"),
        ("tail_slot", "i4"),
        ("orders", "i8"),
    ]
)
LIVE_LADDER = record([("start", "i8"), ("capacity", "i8"), ("count", "i8")])
"""One side of a contract: its levels stand in a row of the pool, the best last, so that most changes move little."""
LIVE_MARKET = record(
    [("orders", "i8"), ("held", "i8"), ("is_changed", "i8"), ("held_head_slot", "i4"), ("held_tail_slot", "i4")]
)

Array = np.ndarray[Any, Any]


class Follower(NamedTuple):
    """All that the follower keeps; compiled code changes it in place."""

    head: Array
    counts: Array
    orders: Array
    cells: Array
    levels: Array
    ladders: Array
    markets: Array


def new_follower(from_ns: int, orders: int = 1 << 12, levels: int = 1 << 12) -> Follower:
    """An empty one, that says nothing before `from_ns`; both capacities are powers of two."""
    follower = Follower(
        np.zeros(HEAD_WORDS, np.int64),
        np.zeros(COUNTS, np.int64),
        np.zeros(orders, LIVE_ORDER),
        np.zeros(2 * orders, np.int64),
        np.zeros(levels, LIVE_LEVEL),
        np.zeros(2 * MAX_CONTRACTS, LIVE_LADDER),
        np.zeros(MAX_CONTRACTS, LIVE_MARKET),
    )
    follower.head[FREE_ORDER] = NIL
    follower.head[READER_IDS] = READER_ID
    follower.head[FROM_NS], follower.head[IS_MUTE] = from_ns, from_ns > 0
    follower.markets["held_head_slot"] = follower.markets["held_tail_slot"] = NIL
    return follower


def grown(follower: Follower, reason: int) -> Follower:
    """The same follower with twice the room for orders or levels."""
    if reason == LEVELS_FULL:
        levels = np.zeros(2 * len(follower.levels), LIVE_LEVEL)
        levels[: len(follower.levels)] = follower.levels
        return follower._replace(levels=levels)
    orders = np.zeros(2 * len(follower.orders), LIVE_ORDER)
    orders[: len(follower.orders)] = follower.orders
    follower = follower._replace(orders=orders, cells=np.zeros(2 * len(orders), np.int64))
    rehash(follower)
    return follower


# --- orders by id ---------------------------------------------------------------------------------------------------


@njit(cache=True)
def _home(cells, order_id):
    word = wrapping_mul(np.int64(order_id), _K1)
    word = wrapping_mul(word ^ (word >> 32), _K2)
    return (word >> 20) & np.int64(len(cells) - 1)


@njit(cache=True)
def find(f, contract, order_id):
    """The slot of a live order; NIL when there is none."""
    place = _home(f.cells, order_id)
    while f.cells[place] != 0:
        slot = f.cells[place] - 1
        if f.orders[slot].order_id == order_id and f.orders[slot].contract == contract:
            return slot
        place = (place + 1) & (len(f.cells) - 1)
    return np.int64(NIL)


@njit(cache=True)
def enter_id(f, slot):
    """Enter an order into the map; whether its id rests in another contract."""
    order_id = f.orders[slot].order_id
    place, is_shared = _home(f.cells, order_id), False
    while f.cells[place] != 0:
        is_shared |= f.orders[f.cells[place] - 1].order_id == order_id
        place = (place + 1) & (len(f.cells) - 1)
    f.cells[place] = slot + 1
    return is_shared


@njit(cache=True)
def drop_id(f, slot):
    """Take an order out of the map; those behind it in its run move up."""
    mask = np.int64(len(f.cells) - 1)
    place = _home(f.cells, f.orders[slot].order_id)
    while f.cells[place] != slot + 1:
        place = (place + 1) & mask
    hole, place = place, (place + 1) & mask
    while f.cells[place] != 0:
        home = _home(f.cells, f.orders[f.cells[place] - 1].order_id)
        if ((place - home) & mask) >= ((place - hole) & mask):
            f.cells[hole] = f.cells[place]
            hole = place
        place = (place + 1) & mask
    f.cells[hole] = 0


@njit(cache=True)
def rehash(f):
    for ladder in range(len(f.ladders)):
        start = f.ladders[ladder].start
        for level in range(start, start + f.ladders[ladder].count):
            slot = np.int64(f.levels[level].head_slot)
            while slot != NIL:
                enter_id(f, slot)
                slot = np.int64(f.orders[slot].next_slot)


# --- levels -----------------------------------------------------------------------------------------------------------


@njit(cache=True)
def ladder_of(contract, side):
    return 2 * np.int64(contract) + (side == SIDE_SELL)


@njit(cache=True)
def place_of(f, ladder, side, price_ticks):
    """Where a price stands or belongs in its ladder: bids rise towards the end, asks fall."""
    row = f.ladders[ladder]
    low, high = row.start, row.start + row.count
    sign = 1 if side == SIDE_BUY else -1
    while low < high:
        middle = (low + high) >> 1
        if sign * f.levels[middle].price_ticks < sign * price_ticks:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def has_level_room(f, contract, side):
    """Whether one more level fits; its ladder moves to the pool's end when it is full."""
    ladder = f.ladders[ladder_of(contract, side)]
    if ladder.count < ladder.capacity:
        return True
    capacity = max(2 * ladder.capacity, _FIRST_LEVELS)
    begin = f.head[LEVELS]
    if begin + capacity > len(f.levels):
        return False
    for index in range(ladder.count):
        f.levels[begin + index] = f.levels[ladder.start + index]
    f.head[LEVELS] = begin + capacity
    ladder.start, ladder.capacity = begin, capacity
    return True


@njit(cache=True)
def append(f, slot):
    """Put an order at the back of its price's queue."""
    order = f.orders[slot]
    number = ladder_of(order.contract, order.side)
    ladder = f.ladders[number]
    place = place_of(f, number, order.side, order.price_ticks)
    end = ladder.start + ladder.count
    if place == end or f.levels[place].price_ticks != order.price_ticks:
        for index in range(end, place, -1):
            f.levels[index] = f.levels[index - 1]
        ladder.count += 1
        new = f.levels[place]
        new.price_ticks, new.size_lots, new.orders = order.price_ticks, 0, 0
        new.head_slot = new.tail_slot = NIL
    level = f.levels[place]
    order.next_slot, order.prev_slot = NIL, level.tail_slot
    if level.tail_slot == NIL:
        level.head_slot = slot
    else:
        f.orders[level.tail_slot].next_slot = slot
    level.tail_slot = slot
    level.size_lots += order.size_lots
    level.orders += 1
    f.markets[order.contract].is_changed = 1


@njit(cache=True)
def unlink(f, slot):
    """Take an order out of its price's queue; an empty level goes."""
    order = f.orders[slot]
    number = ladder_of(order.contract, order.side)
    place = place_of(f, number, order.side, order.price_ticks)
    level = f.levels[place]
    if order.prev_slot == NIL:
        level.head_slot = order.next_slot
    else:
        f.orders[order.prev_slot].next_slot = order.next_slot
    if order.next_slot == NIL:
        level.tail_slot = order.prev_slot
    else:
        f.orders[order.next_slot].prev_slot = order.prev_slot
    level.size_lots -= order.size_lots
    level.orders -= 1
    f.markets[order.contract].is_changed = 1
    if level.orders == 0:
        ladder = f.ladders[number]
        for index in range(place, ladder.start + ladder.count - 1):
            f.levels[index] = f.levels[index + 1]
        ladder.count -= 1


@njit(cache=True)
def lower(f, slot, size_lots):
    order = f.orders[slot]
    number = ladder_of(order.contract, order.side)
    f.levels[place_of(f, number, order.side, order.price_ticks)].size_lots -= size_lots
    order.size_lots -= size_lots
    f.markets[order.contract].is_changed = 1


@njit(cache=True)
def forget(f, slot):
    unlink(f, slot)
    drop_id(f, slot)
    order, head = f.orders[slot], f.head
    f.markets[order.contract].orders -= 1
    order.next_slot = head[FREE_ORDER]
    head[FREE_ORDER] = slot
    head[LIVE] -= 1


@njit(cache=True)
def crosses(f, contract, side, price_ticks):
    """Whether a price would trade with the best one of the other side."""
    ladder = f.ladders[ladder_of(contract, SIDE_BUY + SIDE_SELL - side)]
    if ladder.count == 0:
        return False
    best = f.levels[ladder.start + ladder.count - 1].price_ticks
    return price_ticks >= best if side == SIDE_BUY else price_ticks <= best


@njit(cache=True)
def is_crossed(f, contract):
    ladder = f.ladders[ladder_of(contract, SIDE_BUY)]
    if ladder.count == 0:
        return False
    return crosses(f, contract, SIDE_BUY, f.levels[ladder.start + ladder.count - 1].price_ticks)


# --- orders that wait outside a crossed book --------------------------------------------------------------------------


@njit(cache=True)
def hold(f, slot):
    order = f.orders[slot]
    market = f.markets[order.contract]
    order.is_held = 1
    order.held_next_slot, order.held_prev_slot = NIL, market.held_tail_slot
    if market.held_tail_slot == NIL:
        market.held_head_slot = slot
    else:
        f.orders[market.held_tail_slot].held_next_slot = slot
    market.held_tail_slot = slot
    market.held += 1


@njit(cache=True)
def unhold(f, slot):
    order = f.orders[slot]
    market = f.markets[order.contract]
    order.is_held = 0
    if order.held_prev_slot == NIL:
        market.held_head_slot = order.held_next_slot
    else:
        f.orders[order.held_prev_slot].held_next_slot = order.held_next_slot
    if order.held_next_slot == NIL:
        market.held_tail_slot = order.held_prev_slot
    else:
        f.orders[order.held_next_slot].held_prev_slot = order.held_prev_slot
    market.held -= 1
