"""Bitstamp's rules of 2015, compiled: entries become command rows and checks. See `bitstamp` for the rules."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.code_values import SIDE_BUY, SIDE_SELL, TIF_GTC
from engine.kernels import entry, part, unlocked
from engine.recordings.batches import READER_ID, Batch
from engine.recordings.checks import ASK_TICKS, BID_TICKS, BOOK_WORDS, CHECK, EXECUTION, Checks, copy_book
from engine.recordings.recorded_orders import NOWHERE, OrderTable, add_order, find_order, has_room, remove_order
from engine.recordings.row_writer import CURSOR, write_amend, write_cancel, write_check, write_new
from engine.schema import COMMAND, record

CREATED, CHANGED, DELETED, TRADE, SNAPSHOT = range(5)
ENTRY = record(
    [
        ("time_ns", "i8"),
        ("order_id", "i8"),  # of a snapshot: which one
        ("price_ticks", "i8"),
        ("lots", "i8"),  # what is left of an order, for a deletion what was left; of a trade its quantity
        ("kind", "i4"),
        ("side", "i4"),
    ]
)
FOLLOWER = record(
    [
        ("reader_ids", "i8"),  # the last id of the reader's own
        ("next", "i8"),  # the next entry
        ("reach_buy", "i8"),  # the deepest price that a snapshot has shown, 0: none
        ("reach_sell", "i8"),
        ("has_books", "i8"),
    ]
)
_BATCH_ENTRIES = 8192
Array = np.ndarray[Any, Any]


@part
def _create(live, out, event):
    add_order(live, event.order_id, event.lots, event.price_ticks, event.side)
    write_new(out, event.order_id, event.side, event.price_ticks, event.lots, TIF_GTC)


@part
def _mark_gone(gone, order_id):
    if find_order(gone, order_id) == NOWHERE:
        add_order(gone, order_id, 0, 0, 0)


@part
def _order_event(live, gone, out, event):
    row = find_order(live, event.order_id)
    if event.kind == CREATED:
        if row == NOWHERE and find_order(gone, event.order_id) == NOWHERE:
            _create(live, out, event)
    elif row == NOWHERE:
        _mark_gone(gone, event.order_id)
    elif event.kind == DELETED:
        remove_order(live, row)
        _mark_gone(gone, event.order_id)
        write_cancel(out, event.order_id)
    else:
        _change(live, out, live[2][row], event)


@part
def _change(live, out, order, event):
    """At its price an echo of a trade, which only makes the order smaller; else it moves."""
    if event.price_ticks != order.price:
        order.side = event.side
        order.price = event.price_ticks
        order.size = event.lots
        write_amend(out, event.order_id, event.lots, event.price_ticks)
        return
    order.size = min(np.int64(order.size), event.lots)
    if order.size == 0:
        remove_order(live, find_order(live, event.order_id))


@part
def _is_uncovered(reach, side, price):
    return reach == 0 or (price < reach if side == SIDE_BUY else price > reach)


@part
def _known_lots(live, side, price):
    """How much of the orders that are known rests at a price."""
    heads, _, rows = live
    lots = np.int64(0)
    for row in range(heads[0].used):
        if rows[row].side == side and rows[row].price == price:
            lots += rows[row].size
    return lots


@part
def _seed_uncovered(f, live, out, side, book):
    """Enter the quantity of levels that no earlier snapshot reached, beyond what known orders account for."""
    ticks = BID_TICKS if side == SIDE_BUY else ASK_TICKS
    reach = np.int64(f.reach_buy if side == SIDE_BUY else f.reach_sell)
    last = np.int64(0)
    for level in range(len(book)):
        price, lots = book[level, ticks], book[level, ticks + 1]
        if lots == 0:
            break
        last = price
        if not _is_uncovered(reach, side, price):
            continue
        known = _known_lots(live, side, price)
        if lots > known:
            f.reader_ids += 1
            add_order(live, f.reader_ids, lots - known, price, side)
            write_new(out, f.reader_ids, side, price, lots - known, TIF_GTC)
    if last != 0 and _is_uncovered(reach, side, last):
        if side == SIDE_BUY:
            f.reach_buy = last
        else:
            f.reach_sell = last


@part
def _step(f, orders, out, event, books, said):
    live, gone = orders
    checks, executions, checked_books = said
    cursor = out[0][0]
    if event.kind == TRADE:
        execution = executions[cursor.executions]
        execution.price_ticks = event.price_ticks
        execution.qty_lots = event.lots
        write_check(cursor, checks, 1, 0)
    elif event.kind == SNAPSHOT:
        book = books[event.order_id]
        for side in (SIDE_BUY, SIDE_SELL):
            _seed_uncovered(f, live, out, side, book)
        copy_book(checked_books[cursor.books], book)
        write_check(cursor, checks, 0, 1)
    else:
        _order_event(live, gone, out, event)
        if f.has_books:
            write_check(cursor, checks, 0, 0)


@unlocked
def _follow_entries(followers, orders, out, entries, books, said):
    """Follow entries from `f.next` on, as long as there is room."""
    f = followers[0]
    live, gone = orders
    cursor, seeds = out[0][0], 2 * books.shape[1] + 1
    while f.next < len(entries) and cursor.checks < len(said[0]):
        fits = cursor.rows + seeds <= len(out[1]) and cursor.books < len(said[2])
        if not fits or not has_room(live, seeds) or not has_room(gone, 1):
            return
        cursor.message = f.next + 1
        cursor.time_ns = entries[f.next].time_ns
        _step(f, orders, out, entries[f.next], books, said)
        f.next += 1


@entry
def _enter(live, out, entries):
    """Enter orders from before the start."""
    for place in range(len(entries)):
        _create(live, out, entries[place])


@entry
def _fill_books(entries, levels, books):
    """Write the books of the snapshots, and their places into the entries; levels without quantity are left out."""
    used = 0
    for place in range(len(entries)):
        event = entries[place]
        if event.kind != SNAPSHOT:
            continue
        row = np.int64(event.order_id)
        for ticks, count in ((BID_TICKS, event.price_ticks), (ASK_TICKS, event.lots)):
            level = 0
            for _ in range(count):
                if levels[row, 1] > 0:
                    books[used, level, ticks] = levels[row, 0]
                    books[used, level, ticks + 1] = levels[row, 1]
                    level += 1
                row += 1
        event.order_id = used
        used += 1


def fill_books(entries: Array, levels: Array, depth: int) -> Array:
    """The books of the snapshots among entries, which from then on name their own."""
    books = np.zeros((int((entries["kind"] == SNAPSHOT).sum()), depth, BOOK_WORDS), np.int64)
    _fill_books(entries, levels, books)
    return books


class Follower:
    """Follows all entries of a log; `books` has the snapshots' books."""

    def __init__(self, entries: Array, books: Array) -> None:
        self.entries, self.books = entries, books
        self._f = np.zeros(1, FOLLOWER)
        self._f["reader_ids"], self._f["has_books"] = READER_ID, books.shape[1] > 0
        self._live, self._gone = OrderTable(), OrderTable()

    def batches(self, earlier: Array) -> Iterator[Batch]:
        """Everything, in order, after the orders from before the start."""
        seeds = 2 * self.books.shape[1] + 1
        self._live.grow(len(earlier))
        while True:
            first = int(self._f["next"][0])
            count = min(_BATCH_ENTRIES, len(self.entries) - first)
            self._live.grow(count + seeds)
            self._gone.grow(count)
            rows = len(earlier) + 2 * count + seeds
            out = np.zeros(1, CURSOR), np.zeros(rows, COMMAND), np.empty(rows, np.int64)
            if len(earlier):
                out[0]["message"], out[0]["time_ns"] = 1, self.entries["time_ns"][0]
                _enter(self._live.arrays, out, earlier)
            earlier = earlier[:0]
            yield self._followed(out, count)
            if int(self._f["next"][0]) == len(self.entries):
                return

    def _followed(self, out: tuple[Array, Array, Array], count: int) -> Batch:
        levels = self.books.shape[1]
        said = np.empty(count, CHECK), np.zeros(count, EXECUTION), np.empty((count, levels, BOOK_WORDS), np.int64)
        orders = self._live.arrays, self._gone.arrays
        _follow_entries(self._f, orders, out, self.entries, self.books, said)
        cursor, commands, messages = out
        used, checks, executions, books = (int(cursor[name][0]) for name in ("rows", "checks", "executions", "books"))
        found = Checks(said[0][:checks], said[1][:executions], said[2][:books])
        return Batch(commands[:used], messages[:used], messages[:used], int(self._f["next"][0]), found)
