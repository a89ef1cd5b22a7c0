"""LOBSTER's rules, compiled: messages and recorded books become command rows and checks. See `lobster` for the rules.

The functions share `f`, a FOLLOWER row, and these tuples: `queues`, what rests as recorded (`recorded_queues`); `out`,
where rows go (`row_writer`); `scratch`, queues as price-time priority would leave them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.code_values import SIDE_BUY, SIDE_SELL, TIF_GTC, TIF_IOC
from engine.kernels import entry, part, unlocked
from engine.recordings.batches import READER_ID, Batch
from engine.recordings.checks import (
    ASK_TICKS,
    BID_TICKS,
    BOOK_WORDS,
    CHECK,
    EXECUTION,
    Checks,
    copy_book,
)
from engine.recordings.recorded_orders import NOWHERE, find_order, has_room, remove_order
from engine.recordings.recorded_queues import (
    Queues,
    add,
    find_level,
    first_of,
    remove_level,
    resting,
    take,
)
from engine.recordings.row_writer import CURSOR, write_amend, write_cancel, write_check, write_new
from engine.schema import COMMAND, record

TIME, TYPE, ORDER_ID, SIZE, PRICE, DIRECTION, FIELDS = range(7)
"""The columns of a message; the time in nanoseconds, the direction 1 for a resting buy, -1 for a sell."""
NEW, REDUCE, DELETE, EXECUTE = 1, 2, 3, 4
DONE, FULL, RESTS_ALREADY, NOTHING_RESTS, TOO_LARGE = range(5)
"""Why `_follow_rows` comes back: the messages are done, there is no room, or a message that cannot be followed."""
_SPARE_ROWS = 64

FOLLOWER = record(
    [
        ("reader_ids", "i8"),  # the last id of the reader's own
        ("is_open", "i8"),  # whether the book of the beginning is entered
        ("skips_bad", "i8"),
        ("bad", "i8"),
        ("first", "i8"),  # of the block: the first message of the batch; the books that are checked move up to it
        ("next", "i8"),  # the first message of the present sweep, and the one behind it
        ("stop", "i8"),
        ("is_last", "i8"),  # whether the block is the last one
        ("read", "i8"),  # the last message that was followed
        ("fault", "i8"),  # of a message that cannot be followed: which one of the block, and what rests
        ("resting", "i8"),
        ("midnight_ns", "i8"),
    ]
)
Array = np.ndarray[Any, Any]
Block = tuple[Array, Array, Array, Array]
"""Messages (rows, FIELDS), books (rows, levels, BOOK_WORDS), whether a line was left out before each, its number."""


# --- the book ---------------------------------------------------------------------------------------------------------


@part
def _ticks_of(side):
    return BID_TICKS if side == SIDE_BUY else ASK_TICKS


@part
def _is_visible(book, side, price):
    ticks = _ticks_of(side)
    for level in range(len(book)):
        if book[level, ticks + 1] == 0:
            return False
        if book[level, ticks] == price:
            return True
    return False


@part
def _normalise(book):
    """Leave out levels without quantity: those that are filled up with, and what no book can hold."""
    for ticks in (ASK_TICKS, BID_TICKS):
        used = 0
        for level in range(len(book)):
            if book[level, ticks + 1] > 0:
                book[used, ticks] = book[level, ticks]
                book[used, ticks + 1] = book[level, ticks + 1]
                used += 1
        for level in range(used, len(book)):
            book[level, ticks] = 0
            book[level, ticks + 1] = 0


@part
def _seed(f, queues, out, side, level):
    """One anonymous order for a level, `level` = (price, size), unless something rests there."""
    price, size = level
    if find_level(queues, side, price) == NOWHERE:
        f.reader_ids += 1
        add(queues, f.reader_ids, side, price, size)
        write_new(out, f.reader_ids, side, price, size, TIF_GTC)


@part
def _seed_missing(f, queues, out, side, book):
    ticks = _ticks_of(side)
    for level in range(len(book)):
        if book[level, ticks + 1] == 0:
            break
        _seed(f, queues, out, side, (book[level, ticks], book[level, ticks + 1]))


@part
def _forget(queues, out, side, place):
    """Cancel the orders of a level."""
    levels, _, orders, _ = queues
    rows = orders[2]
    row = np.int64(levels[side - 1, place].first)
    while row != NOWHERE:
        behind = np.int64(rows[row].next)
        write_cancel(out, rows[row].order_id)
        remove_order(orders, row)
        row = behind
    remove_level(queues, side, place)


@part
def _is_followed(queues, seen, side, book):
    """Whether a side's levels are the visible ones still, as after most messages; the visible prices are kept."""
    changed, ticks = queues[3], _ticks_of(side)
    is_same = changed[side - 1] == 0
    changed[side - 1] = 0
    for level in range(len(book)):
        price = book[level, ticks]
        is_same = is_same and price == seen[side - 1, level]
        seen[side - 1, level] = price
    return is_same


@part
def _follow_book(f, queues, out, seen, book):
    """Forget the levels that are not visible, seed those that nothing rests at."""
    levels, counts, _, changed = queues
    for side in (SIDE_BUY, SIDE_SELL):
        if _is_followed(queues, seen, side, book):
            continue
        place = 0
        while place < counts[side - 1]:
            if _is_visible(book, side, levels[side - 1, place].price):
                place += 1
            else:
                _forget(queues, out, side, place)
        _seed_missing(f, queues, out, side, book)
        changed[side - 1] = 0


@part
def _rewrite(f, queues, out, seen, book):
    """Start over from one recorded book: after a line that had to be skipped."""
    counts = queues[1]
    for side in (SIDE_BUY, SIDE_SELL):
        while counts[side - 1] > 0:
            _forget(queues, out, side, 0)
    _follow_book(f, queues, out, seen, book)
    f.is_open = 1


@part
def _open(f, queues, out, message, book):
    """Enter the book before the first message, from the book after it."""
    f.is_open = 1
    price, size, kind = message[PRICE], message[SIZE], message[TYPE]
    for side in (SIDE_BUY, SIDE_SELL):
        ticks, undone = _ticks_of(side), np.int64(0)
        if kind <= EXECUTE and (side == SIDE_BUY) == (message[DIRECTION] == 1):
            undone = -size if kind == NEW else size
        for level in range(len(book)):
            lots = book[level, ticks + 1]
            if lots == 0:
                break
            if book[level, ticks] == price and undone != 0:
                lots += undone
                undone = 0
            if lots > 0:
                _seed(f, queues, out, side, (book[level, ticks], lots))
        if undone > 0:
            _seed(f, queues, out, side, (price, undone))


# --- the messages -----------------------------------------------------------------------------------------------------


@part
def _side_of(message):
    return SIDE_BUY if message[DIRECTION] == 1 else SIDE_SELL


@part
def _enter(queues, out, message):
    if find_order(queues[2], message[ORDER_ID]) != NOWHERE:
        return RESTS_ALREADY
    side = _side_of(message)
    add(queues, message[ORDER_ID], side, message[PRICE], message[SIZE])
    write_new(out, message[ORDER_ID], side, message[PRICE], message[SIZE], TIF_GTC)
    return DONE


@part
def _reduce(f, queues, out, message):
    row = resting(queues, message[ORDER_ID], _side_of(message), message[PRICE])
    if row == NOWHERE:
        return NOTHING_RESTS
    order = queues[2][2][row]
    order_id = np.int64(order.order_id)
    if message[SIZE] > order.size:
        f.resting = order.size
        return TOO_LARGE
    left = take(queues, row, message[SIZE])
    if left > 0:
        write_amend(out, order_id, left, 0)
    else:
        write_cancel(out, order_id)
    return DONE


@part
def _name_executions(f, queues, messages, executions):
    """Which orders the messages of a sweep are about; an error when one takes more than rests."""
    rows = queues[2][2]
    for place in range(f.next, f.stop):
        message, execution = messages[place], executions[place - f.next]
        row = resting(queues, message[ORDER_ID], _side_of(message), message[PRICE])
        if row == NOWHERE:
            f.fault = place
            return NOTHING_RESTS
        rows[row].taken = 0
        execution.cl_ord_id = rows[row].order_id
        execution.side = _side_of(message)
        execution.price_ticks = message[PRICE]
        execution.qty_lots = message[SIZE]
    for place in range(f.next, f.stop):
        order = rows[find_order(queues[2], executions[place - f.next].cl_ord_id)]
        order.taken += messages[place, SIZE]
        if order.taken > order.size:
            f.fault = place
            f.resting = order.size
            return TOO_LARGE
    return DONE


@part
def _predict(queues, scratch, side, price, quantity):
    """Keep the queue of a price as it will be when so much is taken from its front; what is left to take."""
    marks, levels, kept, _ = scratch
    rows = queues[2][2]
    used, place = marks[1], 0
    while place < marks[0] and levels[place, 0] != price:
        place += 1
    if place == marks[0]:
        marks[0] += 1
    levels[place, 0] = price
    levels[place, 1] = used
    row = first_of(queues, side, price)
    while row != NOWHERE:
        taken = min(np.int64(rows[row].size), quantity)
        quantity -= taken
        if rows[row].size > taken:
            kept[used, 0] = rows[row].order_id
            kept[used, 1] = rows[row].size - taken
            used += 1
        row = np.int64(rows[row].next)
    levels[place, 2] = used
    marks[1] = used
    return quantity


@part
def _predict_sweep(queues, scratch, side, limit, quantity):
    """Keep the queues that price-time priority will leave at every level that it reaches."""
    levels, counts, _, _ = queues
    last, is_first = np.int64(0), True
    while quantity > 0:
        best, found = np.int64(0), False
        for place in range(counts[side - 1]):
            price = np.int64(levels[side - 1, place].price)
            is_later = is_first or (price < last if side == SIDE_BUY else price > last)
            if is_later and (not found or (price > best if side == SIDE_BUY else price < best)):
                best, found = price, True
        if not found or (best < limit if side == SIDE_BUY else best > limit):
            return
        quantity = _predict(queues, scratch, side, best, quantity)
        last, is_first = best, False


@part
def _is_as_predicted(queues, side, level, kept):
    rows = queues[2][2]
    row = first_of(queues, side, level[0])
    for place in range(level[1], level[2]):
        if row == NOWHERE or rows[row].order_id != kept[place, 0] or rows[row].size != kept[place, 1]:
            return False
        row = np.int64(rows[row].next)
    return row == NOWHERE


@part
def _correct(queues, out, scratch, side):
    """Enter a level again as recorded where price-time priority will have left another queue."""
    marks, levels, kept, _ = scratch
    rows = queues[2][2]
    for place in range(marks[0]):
        level = levels[place]
        if _is_as_predicted(queues, side, level, kept):
            continue
        for order in range(level[1], level[2]):
            write_cancel(out, kept[order, 0])
        row = first_of(queues, side, level[0])
        while row != NOWHERE:
            write_new(out, rows[row].order_id, side, level[0], rows[row].size, TIF_GTC)
            row = np.int64(rows[row].next)


@part
def _sweep(f, queues, out, block, executions, scratch):
    """One aggressor for the messages of a sweep; the executions that it should have."""
    messages, books = block
    for place in range(f.next, f.stop):
        for resting_side in (SIDE_BUY, SIDE_SELL):
            _seed_missing(f, queues, out, resting_side, books[place])
    status = _name_executions(f, queues, messages, executions)
    if status != DONE:
        return status
    side, limit, quantity = _side_of(messages[f.next]), messages[f.next, PRICE], np.int64(0)
    for place in range(f.next, f.stop):
        price = messages[place, PRICE]
        limit = min(limit, price) if side == SIDE_BUY else max(limit, price)
        quantity += messages[place, SIZE]
    f.reader_ids += 1
    write_new(out, f.reader_ids, SIDE_BUY + SIDE_SELL - side, limit, quantity, TIF_IOC)
    marks = scratch[0]
    marks[:] = 0
    for place in range(f.next, f.stop):
        _predict(queues, scratch, side, messages[place, PRICE], 0)
    _predict_sweep(queues, scratch, side, limit, quantity)
    for place in range(f.stop - f.next):
        execution = executions[place]
        take(queues, find_order(queues[2], execution.cl_ord_id), execution.qty_lots)
    _correct(queues, out, scratch, side)
    return DONE


@part
def _commands_of(f, queues, out, block, executions, scratch):
    """The commands of the present messages; why not, when they cannot be followed."""
    message = block[0][f.next]
    f.fault = f.next
    if message[TYPE] == NEW:
        return _enter(queues, out, message)
    if message[TYPE] == REDUCE or message[TYPE] == DELETE:
        return _reduce(f, queues, out, message)
    if message[TYPE] == EXECUTE:
        return _sweep(f, queues, out, block, executions, scratch)
    return DONE


@part
def _step(f, queues, out, block, said, scratch):
    """The commands and the check of one message or one sweep."""
    messages, books, torn, numbers = block
    checks, executions = said
    cursor, message, book = out[0][0], messages[f.next], books[f.stop - 1]
    cursor.message = numbers[f.stop - 1]
    cursor.time_ns = f.midnight_ns + message[TIME]
    f.read = cursor.message
    for place in range(f.next, f.stop):
        if torn[place]:
            _rewrite(f, queues, out, scratch[3], book)
            return DONE
    if not f.is_open:
        _open(f, queues, out, message, books[f.next])
    status = _commands_of(f, queues, out, (messages, books), executions[cursor.executions :], scratch)
    if status != DONE:
        if not f.skips_bad:
            return status
        f.bad += 1
        _rewrite(f, queues, out, scratch[3], book)
        return DONE
    _follow_book(f, queues, out, scratch[3], book)
    count = f.stop - f.next
    if f.first + cursor.books < f.next:
        for place in range(count):
            copy_book(books[f.first + cursor.books + place], books[f.next + place])
    write_check(cursor, checks, count if message[TYPE] == EXECUTE else 0, count)
    return DONE


@part
def _group_end(messages, start):
    """Where the executions of one sweep end: those of visible orders with one time and direction."""
    stop = start + 1
    if messages[start, TYPE] == EXECUTE:
        while (
            stop < len(messages)
            and messages[stop, TYPE] == EXECUTE
            and messages[stop, TIME] == messages[start, TIME]
            and messages[stop, DIRECTION] == messages[start, DIRECTION]
        ):
            stop += 1
    return stop


@part
def _fits(queues, out, scratch, count, depth):
    """Whether there is room for whatever the next so many messages of one sweep may need."""
    levels, counts, orders, _ = queues
    seeds = count + 2 * depth * (count + 2)
    most = orders[0][0].live + seeds
    most_levels = max(counts[0], counts[1]) + seeds
    return (
        has_room(orders, seeds)
        and most_levels <= levels.shape[1]
        and 2 * most + count + _SPARE_ROWS <= len(out[1]) - out[0][0].rows
        and 2 * most <= len(scratch[2])
        and most_levels + count <= len(scratch[1])
    )


@unlocked
def _follow_rows(followers, queues, out, block, said, scratch):
    """Follow the messages of a block from `f.next` on; the last sweep waits unless the block is the last one."""
    f = followers[0]
    messages, books, _, _ = block
    while f.next < len(messages):
        f.stop = _group_end(messages, f.next)
        if f.stop == len(messages) and messages[f.next, TYPE] == EXECUTE and not f.is_last:
            return DONE
        if not _fits(queues, out, scratch, f.stop - f.next, books.shape[1]):
            return FULL
        status = _step(f, queues, out, block, said, scratch)
        if status != DONE:
            return status
        f.next = f.stop
    return DONE


@entry
def normalise_books(books):
    """Levels without quantity are left out: those that fill the row, and what no book can hold."""
    for row in range(len(books)):
        _normalise(books[row])


def joined(first: Block, second: Block) -> Block:
    """One block behind another."""
    if not len(first[0]):
        return second
    messages, books, torn, numbers = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    return messages, books, torn, numbers


def nothing(depth: int) -> Block:
    """A block of no messages."""
    books = np.zeros((0, depth, BOOK_WORDS), np.int64)
    return np.zeros((0, FIELDS), np.int64), books, np.zeros(0, np.bool_), np.zeros(0, np.int64)


class Follower:
    """What the rules keep between blocks."""

    def __init__(self, depth: int, midnight_ns: int, skips_bad: bool) -> None:
        self.depth, self.status = depth, DONE
        self.f = np.zeros(1, FOLLOWER)
        self.f["reader_ids"], self.f["midnight_ns"], self.f["skips_bad"] = READER_ID, midnight_ns, skips_bad
        self.queues = Queues()
        self._scratch = np.zeros(2, np.int64), np.zeros((0, 3), np.int64), np.zeros((0, 2), np.int64)
        self._seen = np.zeros((2, depth), np.int64)

    def follow(self, block: Block, is_last: bool) -> Iterator[Batch]:
        """Batches of as many messages of a block as can be followed now; see `taken`, and `status` for why no more."""
        f = self.f
        f["next"], f["stop"], f["is_last"], self.status = 0, 1, is_last, FULL
        while self.status == FULL:
            batch = self._batch(block)
            if self.status in (DONE, FULL) and (batch.checks or len(batch.commands)):
                yield batch

    @property
    def taken(self) -> int:
        """How many messages of the block were followed."""
        return int(self.f["next"][0])

    def left(self, block: Block) -> Block:
        """What is left of a block that was followed: a sweep that may go on in the next one."""
        messages, books, torn, numbers = block
        return messages[self.taken :], books[self.taken :], torn[self.taken :], numbers[self.taken :]

    @property
    def bad(self) -> int:
        """How many messages that cannot be followed were skipped so far."""
        return int(self.f["bad"][0])

    @property
    def fault(self) -> int:
        """Which message of the block cannot be followed."""
        return int(self.f["fault"][0])

    @property
    def resting(self) -> int:
        """How much rests of what it would take."""
        return int(self.f["resting"][0])

    def _batch(self, block: Block) -> Batch:
        first = self.taken
        self.f["first"], left = first, len(block[0]) - first
        rows = 2 * left + self._make_room(int((self.f["stop"] - self.f["next"])[0]))
        commands, numbers, cursor = np.zeros(rows, COMMAND), np.empty(rows, np.int64), np.zeros(1, CURSOR)
        said = np.empty(left, CHECK), np.empty(left, EXECUTION)
        out = cursor, commands, numbers
        self.status = int(_follow_rows(self.f, self.queues.arrays, out, block, said, (*self._scratch, self._seen)))
        used, checks, executions, books = (int(cursor[name][0]) for name in ("rows", "checks", "executions", "books"))
        found = Checks(said[0][:checks], said[1][:executions], block[1][first : first + books])
        return Batch(commands[:used], numbers[:used], numbers[:used], int(self.f["read"][0]), found)

    def _make_room(self, count: int) -> int:
        """Room for a sweep of so many messages, whatever it needs; how many command rows that may be."""
        seeds = count + 2 * self.depth * (count + 2)
        self.queues.grow(seeds, seeds)
        most = int(self.queues.orders.head["live"][0]) + seeds
        marks, levels, kept = self._scratch
        if len(kept) < 2 * most or len(levels) < seeds + int(self.queues.counts.max()) + count:
            self._scratch = marks, np.zeros((2 * most + count, 3), np.int64), np.zeros((4 * most, 2), np.int64)
        return 4 * most + count + _SPARE_ROWS
