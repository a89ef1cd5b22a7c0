"""Follows the engine's events: every change of what the books show, order by order, and the best levels after it.

Only what a market-data reader could see is followed: of an iceberg its shown part, which comes back behind its queue
when it is refilled. The events say what each price shows after them, so nothing is asked of the engine.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.code_values import (
    EVENT_ACCEPTED,
    EVENT_AMENDED,
    EVENT_CANCELLED,
    EVENT_FILL,
    EVENT_NOTICE_FIRST,
    EVENT_REFILLED,
    EVENT_REPEATED,
    EVENT_RESTED,
    FLAG_DELEVERAGING,
    FLAG_FORCED,
    FLAG_RESTING,
    SIDE_BUY,
)
from engine.schema import ORDER_SLOT_BITS, record

Rows = np.ndarray[Any, Any]


class Action(IntEnum):
    """What happened to an order in the book; TRADE is a trade that took nothing from it: deleveraging."""

    ADD = 1
    REDUCE = 2
    DELETE = 3
    FILL = 4
    TRADE = 5


class Cause(IntEnum):
    """Why a trade happened: an order, a liquidation's forced order, or deleveraging."""

    ORDER = 0
    LIQUIDATION = 1
    DELEVERAGING = 2


CHANGE = record(
    [
        ("seq", "<i8"),  # of the command that caused it
        ("time_ns", "<i8"),
        ("order_id", "<i8"),  # the order in the book; of a FILL the resting one
        ("taker_order_id", "<i8"),  # FILL
        ("trade_id", "<i8"),  # FILL, TRADE
        ("price_ticks", "<i8"),
        ("lots", "<i8"),  # ADD: shown now; REDUCE, DELETE: taken away; FILL, TRADE: traded
        ("left_lots", "<i8"),  # what the order shows after it
        ("level_lots", "<i8"),  # what its price shows after it; TRADE: -1
        ("contract", "<i4"),
        ("action", "u1"),
        ("side", "u1"),  # of the order in the book; of a trade the aggressor's is the other one
        ("last", "u1"),  # 1: the last change of its contract by this command, or by this part of a long one
        ("cause", "u1"),
    ]
)
ORDER = record(
    [
        ("order_id", "<i8"),  # 0: none
        ("price_ticks", "<i8"),
        ("lots", "<i8"),  # shown
        ("arrival", "<i8"),  # who came to a price first has the smaller number
        ("contract", "<i4"),
        ("side", "<i4"),
    ]
)
_ADD, _REDUCE, _DELETE, _FILL, _TRADE = map(int, Action)
_LIQUIDATION, _DELEVERAGING = int(Cause.LIQUIDATION), int(Cause.DELEVERAGING)
_SLOTS = 1 << ORDER_SLOT_BITS
_HELD, _HALF, _ARRIVALS, _MOST_SLOT, _MOVED, _NUMBERS = range(6)
DEPTH_HEAD = 3
"""Columns of a depth row before its levels: time in ns, sequence, contract."""
_DEPTH_CELLS = 1 << 21
"""About how many cells of depth rows are made at a time."""


class _Book(NamedTuple):
    """What is followed. Levels are sorted with the best one last; asks are kept under their negative price."""

    orders: Rows  # by slot
    keys: Rows  # (2 * contract + side - 1, place)
    lots: Rows
    counts: Rows
    kept: Rows  # CHANGE: a change that is held until the next one is known; the first half of a trade
    numbers: Rows


class Followed(NamedTuple):
    """Changes in order, and depth rows: head, then N times bid price, bid lots, ask price, ask lots; 0 is none."""

    changes: Rows
    depth: Rows


class BookFollower:
    """Follows the books from their beginning. `levels` is how many of the best levels depth rows have, 0 for none."""

    def __init__(self, levels: int = 0) -> None:
        self.levels = levels
        rows = np.zeros((0, 0), np.int64)
        numbers = np.zeros(_NUMBERS, np.int64)
        self._book = _Book(np.zeros(_SLOTS, ORDER), rows, rows, np.zeros(0, np.int64), np.zeros(2, CHANGE), numbers)

    def follow(self, events: Rows) -> Followed:
        """What the next events change. The last change is held back until the next one tells if it ends a group."""
        step = max(256, _DEPTH_CELLS // (4 * self.levels + DEPTH_HEAD))
        parts = [self._follow(events[at : at + step]) for at in range(0, len(events), step)]
        if len(parts) == 1:
            return parts[0]
        return _joined(parts) if parts else self._nothing()

    def flush(self) -> Followed:
        """The change that is held back, as the last of its group."""
        changes, depth = self._room(1)
        written, rows = _flush(self._book, changes, depth, self.levels)
        return Followed(changes[:written], depth[:rows])

    def resting(self) -> Rows:
        """ORDER rows of all orders that the books show, by contract, side and price (best first), then arrival."""
        orders = self._book.orders[: int(self._book.numbers[_MOST_SLOT]) + 1]
        orders = orders[(orders["order_id"] != 0) & (orders["lots"] > 0)]
        far = np.where(orders["side"] == SIDE_BUY, -orders["price_ticks"], orders["price_ticks"])
        return orders[np.lexsort((orders["arrival"], far, orders["side"], orders["contract"]))]

    def _nothing(self) -> Followed:
        changes, depth = self._room(0)
        return Followed(changes, depth)

    def _room(self, rows: int) -> tuple[Rows, Rows]:
        depth_rows = rows + 1 if self.levels else 0
        return np.zeros(rows + 1, CHANGE), np.zeros((depth_rows, DEPTH_HEAD + 4 * self.levels), np.int64)

    def _follow(self, events: Rows) -> Followed:
        self._grow(events)
        changes, depth = self._room(len(events))
        written, rows = _follow(self._book, events, changes, depth, self.levels)
        return Followed(changes[:written], depth[:rows])

    def _grow(self, events: Rows) -> None:
        """Have room for all contracts and for a new level with each event."""
        book = self._book
        orders = events["kind"] < EVENT_NOTICE_FIRST
        contracts = int(events["contract_slot"][orders].max(initial=-1)) + 1
        sides = max(2 * contracts, len(book.counts))
        levels = int(book.counts.max(initial=0)) + len(events)
        if sides == len(book.counts) and levels <= book.keys.shape[1]:
            return
        room = max(2 * levels, book.keys.shape[1])
        keys, lots = np.zeros((sides, room), np.int64), np.zeros((sides, room), np.int64)
        counts = np.zeros(sides, np.int64)
        had, wide = book.keys.shape
        keys[:had, :wide], lots[:had, :wide], counts[:had] = book.keys, book.lots, book.counts
        self._book = book._replace(keys=keys, lots=lots, counts=counts)


def as_changes(resting: Rows, time_ns: int) -> Rows:
    """CHANGE rows that make a book of what rests, ORDER rows."""
    changes = np.zeros(len(resting), CHANGE)
    for name in ("order_id", "price_ticks", "lots", "contract", "side"):
        changes[name] = resting[name]
    changes["left_lots"], changes["action"], changes["time_ns"] = resting["lots"], Action.ADD, time_ns
    return changes


def level_changes(resting: Rows, time_ns: int) -> Rows:
    """CHANGE rows of the levels that one contract's resting orders make: one for each, all of one event."""
    rows = as_changes(resting, time_ns)
    is_new = np.ones(len(rows), bool)
    is_new[1:] = (rows["side"][1:] != rows["side"][:-1]) | (rows["price_ticks"][1:] != rows["price_ticks"][:-1])
    first = np.flatnonzero(is_new)
    levels = rows[first]
    levels["level_lots"] = np.add.reduceat(rows["lots"], first)
    levels["last"][-1] = 1
    return levels


def _joined(parts: list[Followed]) -> Followed:
    return Followed(np.concatenate([part.changes for part in parts]), np.concatenate([part.depth for part in parts]))


@njit(cache=True)
def _set_level(book, row, key, lots):
    """Set what a price shows; (what it showed before, how many levels are better)."""
    count = book.counts[row]
    low, high = np.int64(0), np.int64(count)
    while low < high:
        middle = (low + high) >> 1
        if book.keys[row, middle] < key:
            low = middle + 1
        else:
            high = middle
    is_there = low < count and book.keys[row, low] == key
    before = book.lots[row, low] if is_there else np.int64(0)
    better = count - low - 1 if is_there else count - low
    if is_there and lots > 0:
        book.lots[row, low] = lots
    elif is_there:
        for place in range(low, count - 1):
            book.keys[row, place] = book.keys[row, place + 1]
            book.lots[row, place] = book.lots[row, place + 1]
        book.counts[row] = count - 1
    elif lots > 0:
        for place in range(count, low, -1):
            book.keys[row, place] = book.keys[row, place - 1]
            book.lots[row, place] = book.lots[row, place - 1]
        book.keys[row, low] = key
        book.lots[row, low] = lots
        book.counts[row] = count + 1
    return before, better


@njit(cache=True)
def _write_depth(book, row, change, levels):
    """The best levels of a contract, both sides."""
    row[0] = change.time_ns
    row[1] = change.seq
    row[2] = change.contract
    for side in range(2):
        place = 2 * np.int64(change.contract) + side
        count = book.counts[place]
        for level in range(min(levels, count)):
            key = book.keys[place, count - 1 - level]
            row[DEPTH_HEAD + 4 * level + 2 * side] = key if side == 0 else -key
            row[DEPTH_HEAD + 4 * level + 2 * side + 1] = book.lots[place, count - 1 - level]


@njit(cache=True)
def _close(book, changes, written, depth, rows, levels):
    """Give out the change that is held as the last of its group, and the depth after it if that has changed."""
    if book.numbers[_HELD]:
        book.kept[0].last = 1
        changes[written] = book.kept[0]
        written += 1
        book.numbers[_HELD] = 0
        if book.numbers[_MOVED]:
            _write_depth(book, depth[rows], book.kept[0], levels)
            rows += 1
            book.numbers[_MOVED] = 0
    return written, rows


@njit(cache=True)
def _flush(book, changes, depth, levels):
    return _close(book, changes, np.int64(0), depth, np.int64(0), levels)


@njit(cache=True)
def _hold(book, changes, written, change):
    """Give out the change that is held, and hold this one."""
    if book.numbers[_HELD]:
        changes[written] = book.kept[0]
        written += 1
    book.kept[0] = change
    book.kept[0].last = 0
    book.numbers[_HELD] = 1
    return written


@njit(cache=True)
def _move(book, change, price_ticks, level_lots, levels):
    """Set a level; what more it shows now than before."""
    row = 2 * np.int64(change.contract) + change.side - 1
    key = price_ticks if change.side == SIDE_BUY else -price_ticks
    before, better = _set_level(book, row, key, level_lots)
    if before != level_lots and better < levels:
        book.numbers[_MOVED] = 1
    return level_lots - before


@njit(cache=True)
def _rest(book, event, change, levels):
    """An order comes to the book, or shows its next part."""
    order = book.orders[np.int64(event.order_id) & (_SLOTS - 1)]
    shown = _move(book, change, event.price_ticks, event.level_lots, levels)
    order.order_id = event.order_id
    order.price_ticks = event.price_ticks
    order.lots = shown
    order.contract = event.contract_slot
    order.side = event.side
    book.numbers[_ARRIVALS] += 1
    order.arrival = book.numbers[_ARRIVALS]
    book.numbers[_MOST_SLOT] = max(book.numbers[_MOST_SLOT], np.int64(event.order_id) & (_SLOTS - 1))
    change.action = _ADD
    change.price_ticks = event.price_ticks
    change.lots = shown
    change.left_lots = shown
    return shown != 0


@njit(cache=True)
def _leave(book, event, change, stays, levels):
    """An order in the book shows less, or is gone; whether that can be seen."""
    order = book.orders[np.int64(event.order_id) & (_SLOTS - 1)]
    less = -_move(book, change, order.price_ticks, event.level_lots, levels)
    change.price_ticks = order.price_ticks
    change.lots = less
    order.lots -= less
    change.left_lots = order.lots
    change.action = _REDUCE if stays else _DELETE
    if not stays:
        order.order_id = 0
        order.lots = 0
    return less != 0


@njit(cache=True)
def _apply(book, event, change, levels):
    """Apply an event that is about one order in the book; whether that can be seen."""
    kind = event.kind
    if kind in (EVENT_ACCEPTED, EVENT_RESTED, EVENT_REFILLED):
        return _rest(book, event, change, levels)
    if kind == EVENT_FILL:
        return _leave(book, event, change, event.leaves_lots > 0, levels)
    if kind == EVENT_AMENDED:
        return _leave(book, event, change, event.flags & FLAG_RESTING != 0, levels)
    return _leave(book, event, change, kind != EVENT_CANCELLED, levels)


@njit(cache=True)
def _begin(event, change):
    change.seq = event.seq
    change.time_ns = event.time_ns
    change.order_id = event.order_id
    change.taker_order_id = 0
    change.trade_id = 0
    change.level_lots = event.level_lots
    change.contract = event.contract_slot
    change.side = event.side
    change.last = 0
    change.cause = 0


@njit(cache=True)
def _is_of_other_group(book, event):
    held = book.kept[0]
    return held.seq != event.seq or held.contract != event.contract_slot


@njit(cache=True)
def _first_half(book, event, levels):
    """The first report of a trade: the resting order's, or in deleveraging the giver's."""
    half = book.kept[1]
    _begin(event, half)
    if event.level_lots >= 0:
        _apply(book, event, half, levels)
    half.lots = event.last_lots
    half.price_ticks = event.price_ticks
    half.trade_id = event.trade_id
    half.action = _FILL
    if event.flags & FLAG_DELEVERAGING:
        half.action = _TRADE
        half.cause = _DELEVERAGING
        half.left_lots = 0
    elif event.flags & FLAG_FORCED:
        half.cause = _LIQUIDATION
    book.numbers[_HALF] = 1


@njit(cache=True)
def _follow(book, events, changes, depth, levels):
    """Follow events; how many changes and how many depth rows were written."""
    written = rows = np.int64(0)
    scratch = np.zeros(1, CHANGE)
    for at in range(len(events)):
        event = events[at]
        kind = event.kind
        if kind >= EVENT_NOTICE_FIRST or kind == EVENT_REPEATED:
            continue
        if event.level_lots < 0 and kind != EVENT_FILL:
            continue
        if _is_of_other_group(book, event):
            written, rows = _close(book, changes, written, depth, rows, levels)
        if kind != EVENT_FILL:
            _begin(event, scratch[0])
            if _apply(book, event, scratch[0], levels):
                written = _hold(book, changes, written, scratch[0])
        elif book.numbers[_HALF]:
            book.kept[1].taker_order_id = event.order_id
            book.numbers[_HALF] = 0
            written = _hold(book, changes, written, book.kept[1])
        else:
            _first_half(book, event, levels)
    return written, rows
