"""Follows the price levels of many contracts and writes their changes as commands: each level is one anonymous order.

Compiled, a block of LEVEL rows at a call. The rows of one event of the venue are taken together:

1. What shrinks or goes is cancelled or amended first, so that a book that moves does not cross itself on the way.
2. A trade that was recorded before, at the price and for no more than the quantity by which a level shrinks, takes that
   much by an IOC order instead, from the best level on.
3. What grows or is new is amended or entered. Levels of the other side that it would trade with are older: they are
   taken out and counted.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.code_values import COMMAND_AMEND, COMMAND_CANCEL, COMMAND_NEW, EXEC_QTY_IS_LEAVES
from engine.codes import OrdType, Side, TimeInForce
from engine.recordings.batches import READER_ID

Array = np.ndarray[Any, Any]

SNAPSHOT, LAST, TRADE = 1, 2, 4
"""Flags of a LEVEL row."""
KEY, SIZE, ORDER, EVENT, TRADED, LEVEL_WORDS = range(6)
"""Of a level in a ladder: the price, negative for asks, so that the best is the largest; the event that named it last;
what trades take of it in this event."""
COUNT, START, ROOM, LADDER_WORDS = range(4)
"""Of a ladder: how many levels it has, where they begin in the pool, for how many there is room there."""
TRADE_TIME, TRADE_LADDER, TRADE_KEY, TRADE_LOTS, TRADE_EVENT, TRADE_WORDS = range(6)
"""Of a trade that waits for the change of its level; the event is the one that it is part of, 0 before."""
AT, ROWS, CHECKS, EXECUTIONS, BOOKS, WAITING, NEXT_ORDER, EVENTS = range(8)
TRADES, TRADED_ALONE, CROSSED, SNAPSHOTS, WANTS, OF, MOST_LEVELS, STATE_WORDS = range(8, 16)
"""Where a call stands: rows read and written, trades that wait, ids given out, and what was counted. MOST_LEVELS is
how many levels a side of a book has at most, 0: any number."""
ENDED, FULL, MORE_ROOM = range(3)
"""Why a call came back: every whole event is read; the output is full; ladder OF needs WANTS places."""
MAX_WAITING = 4_096
"""Trades that wait for the change of their level; beyond this the oldest is given up."""
WAIT_NS = 1_000_000_000
"""How long a trade waits, by the recording's clock."""


class Ladders(NamedTuple):
    """What rests: two ladders a contract, bids before asks, each in its own place of the pool, best level last."""

    pool: Array
    ladders: Array
    waiting: Array
    cells: Array
    """Scratch: a map from (ladder, key) to the last row of an event that names it: event, ladder, key, row."""


class Written(NamedTuple):
    """What a call writes: commands, their messages, and checks as in `checks`."""

    rows: Array
    messages: Array
    checks: Array
    executions: Array
    books: Array


_inlined = njit(_nrt=False, error_model="numpy", forceinline=True)
_compiled = njit(_nrt=False, error_model="numpy")


# --- the ladder -----------------------------------------------------------------------------------------------------


@_inlined
def _find(book, ladder, key):
    """The place of a level in the pool, or where it would be."""
    low = book.ladders[ladder, START]
    high = low + book.ladders[ladder, COUNT]
    while low < high:
        middle = (low + high) >> 1
        if book.pool[middle, KEY] < key:
            low = middle + 1
        else:
            high = middle
    return low


@_inlined
def _end(book, ladder):
    return book.ladders[ladder, START] + book.ladders[ladder, COUNT]


@_inlined
def _is_at(book, ladder, place, key):
    return place < _end(book, ladder) and book.pool[place, KEY] == key


@_compiled
def _remove(book, ladder, place):
    end = _end(book, ladder) - 1
    for index in range(place, end):
        for word in range(LEVEL_WORDS):
            book.pool[index, word] = book.pool[index + 1, word]
    book.ladders[ladder, COUNT] -= 1


@_compiled
def _insert(book, ladder, place, key):
    for index in range(_end(book, ladder), place, -1):
        for word in range(LEVEL_WORDS):
            book.pool[index, word] = book.pool[index - 1, word]
    book.ladders[ladder, COUNT] += 1
    book.pool[place, KEY] = key
    book.pool[place, SIZE] = 0
    book.pool[place, TRADED] = 0


# --- commands -------------------------------------------------------------------------------------------------------


@_inlined
def _command(out, state, last, kind, ladder):
    """The next command row, with what all have in common; `last` is the event's last row."""
    row = out.rows[state[ROWS]]
    out.messages[state[ROWS]] = last.message
    state[ROWS] += 1
    row.kind, row.time_ns, row.contract_slot = kind, last.time_ns, ladder >> 1
    return row


@_inlined
def _order(out, state, last, ladder, side, key):
    """A new limit order at a ladder's price, with an id of its own."""
    row = _command(out, state, last, COMMAND_NEW, ladder)
    state[NEXT_ORDER] += 1
    row.cl_ord_id = READER_ID + state[NEXT_ORDER]
    row.side, row.ord_type = side, OrdType.LIMIT
    row.price_ticks = key if ladder & 1 == 0 else -key
    return row


@_compiled
def _cancel(out, state, last, ladder, order):
    row = _command(out, state, last, COMMAND_CANCEL, ladder)
    row.cl_ord_id = READER_ID + order


@_compiled
def _amend(out, state, last, ladder, order, size):
    row = _command(out, state, last, COMMAND_AMEND, ladder)
    row.cl_ord_id, row.qty_lots, row.flags = READER_ID + order, size, EXEC_QTY_IS_LEAVES


@_compiled
def _enter(out, state, last, ladder, key, size):
    side = Side.BUY if ladder & 1 == 0 else Side.SELL
    row = _order(out, state, last, ladder, side, key)
    row.qty_lots, row.tif = size, TimeInForce.GTC


@_compiled
def _shrink(book, out, state, last, ladder, place):
    """Have the engine follow a level that has less by now, or nothing."""
    if book.pool[place, SIZE] == 0:
        _cancel(out, state, last, ladder, book.pool[place, ORDER])
        _remove(book, ladder, place)
    else:
        _amend(out, state, last, ladder, book.pool[place, ORDER], book.pool[place, SIZE])


# --- trades ---------------------------------------------------------------------------------------------------------


@_compiled
def _wait(book, state, row):
    """Keep a trade until its level changes; it names the side of who took."""
    waiting = state[WAITING]
    if waiting == MAX_WAITING:
        _give_up(book, state, 1)
        waiting -= 1
    ladder = 2 * np.int64(row.contract) + (1 if row.side == Side.BUY else 0)
    trade = book.waiting
    trade[waiting, TRADE_TIME], trade[waiting, TRADE_LADDER] = row.time_ns, ladder
    trade[waiting, TRADE_KEY] = row.price_ticks if ladder & 1 == 0 else -row.price_ticks
    trade[waiting, TRADE_LOTS], trade[waiting, TRADE_EVENT] = row.size_lots, 0
    state[WAITING] = waiting + 1
    state[TRADES] += 1


@_compiled
def _give_up(book, state, count):
    """Count the oldest trades as traded without a change of their level."""
    for index in range(count, state[WAITING]):
        for word in range(TRADE_WORDS):
            book.waiting[index - count, word] = book.waiting[index, word]
    state[WAITING] -= count
    state[TRADED_ALONE] += count


@_compiled
def _match(book, state, ladder, key, most):
    """Mark the trades that a level's decrease is made of; how much they are."""
    taken = np.int64(0)
    for index in range(state[WAITING]):
        trade = book.waiting[index]
        if trade[TRADE_LADDER] == ladder and trade[TRADE_KEY] == key and trade[TRADE_EVENT] == 0:
            if taken + trade[TRADE_LOTS] > most:
                break
            taken += trade[TRADE_LOTS]
            book.waiting[index, TRADE_EVENT] = state[EVENTS]
    return taken


@_compiled
def _trade(book, out, state, last, ladder):
    """Have the marked trades of a ladder take from its best levels, as far as these are levels that traded."""
    while book.ladders[ladder, COUNT] > 0:
        place = _end(book, ladder) - 1
        if book.pool[place, EVENT] != state[EVENTS] or book.pool[place, TRADED] == 0:
            break
        key = book.pool[place, KEY]
        for index in range(state[WAITING]):
            trade = book.waiting[index]
            if trade[TRADE_EVENT] != state[EVENTS] or trade[TRADE_LADDER] != ladder or trade[TRADE_KEY] != key:
                continue
            side = Side.SELL if ladder & 1 == 0 else Side.BUY
            row = _order(out, state, last, ladder, side, key)
            row.qty_lots, row.tif = trade[TRADE_LOTS], TimeInForce.IOC
            execution = out.executions[state[EXECUTIONS]]
            execution.cl_ord_id = READER_ID + book.pool[place, ORDER]
            execution.side = Side.BUY if ladder & 1 == 0 else Side.SELL
            execution.price_ticks, execution.qty_lots = row.price_ticks, row.qty_lots
            state[EXECUTIONS] += 1
            book.waiting[index, TRADE_LADDER] = -1
        book.pool[place, SIZE] -= book.pool[place, TRADED]
        book.pool[place, TRADED] = 0
        if book.pool[place, SIZE] == 0:
            _remove(book, ladder, place)


@_compiled
def _drop_trades(book, state, now_ns):
    """Forget the trades that are done, and those that have waited too long."""
    kept = 0
    for index in range(state[WAITING]):
        done = book.waiting[index, TRADE_LADDER] < 0
        alone = not done and (
            book.waiting[index, TRADE_EVENT] != 0 or now_ns - book.waiting[index, TRADE_TIME] > WAIT_NS
        )
        state[TRADED_ALONE] += alone
        if not done and not alone:
            for word in range(TRADE_WORDS):
                book.waiting[kept, word] = book.waiting[index, word]
            kept += 1
    state[WAITING] = kept


# --- one event of the venue -----------------------------------------------------------------------------------------


@_inlined
def _ladder_of(row):
    return 2 * np.int64(row.contract) + (0 if row.side == Side.BUY else 1)


@_inlined
def _key_of(row):
    return row.price_ticks if row.side == Side.BUY else -row.price_ticks


@_compiled
def _cell(book, state, ladder, key):
    """The scratch cell of a level in this event: its own, or a free one."""
    mask = len(book.cells) - 1
    cell = (key ^ (key >> 12) ^ ladder) & mask
    while book.cells[cell, 0] == state[EVENTS]:
        if book.cells[cell, 1] == ladder and book.cells[cell, 2] == key:
            break
        cell = (cell + 1) & mask
    return cell


@_compiled
def _note_last(book, state, rows, first, end):
    """Note of each level the last row that names it: that one counts."""
    for index in range(first, end):
        ladder, key = _ladder_of(rows[index]), _key_of(rows[index])
        cell = _cell(book, state, ladder, key)
        book.cells[cell, 0], book.cells[cell, 1] = state[EVENTS], ladder
        book.cells[cell, 2], book.cells[cell, 3] = key, index


@_compiled
def _less(book, out, state, rows, first, end):
    """Everything that shrinks or goes, without what trades take of it; whether any do."""
    last, traded = rows[end - 1], False
    for index in range(first, end):
        ladder, key, size = _ladder_of(rows[index]), _key_of(rows[index]), rows[index].size_lots
        if book.cells[_cell(book, state, ladder, key), 3] != index:
            continue
        place = _find(book, ladder, key)
        if not _is_at(book, ladder, place, key):
            continue
        book.pool[place, EVENT] = state[EVENTS]
        if size >= book.pool[place, SIZE]:
            continue
        taken = _match(book, state, ladder, key, book.pool[place, SIZE] - size) if state[WAITING] > 0 else np.int64(0)
        book.pool[place, TRADED] = taken
        traded |= taken > 0
        if size + taken < book.pool[place, SIZE]:
            book.pool[place, SIZE] = size + taken
            _shrink(book, out, state, last, ladder, place)
    return traded


@_compiled
def _after_trades(book, out, state, rows, first, end):
    """Let what traded behind a better level shrink after all: no order of ours would have reached it."""
    last = rows[end - 1]
    for index in range(first, end):
        ladder, key = _ladder_of(rows[index]), _key_of(rows[index])
        place = _find(book, ladder, key)
        if _is_at(book, ladder, place, key) and book.pool[place, TRADED] > 0:
            book.pool[place, SIZE] -= book.pool[place, TRADED]
            book.pool[place, TRADED] = 0
            _shrink(book, out, state, last, ladder, place)


@_compiled
def _uncross(book, out, state, last, ladder, key):
    """Take out the levels of the other side that a price would trade with."""
    other = ladder ^ 1
    while book.ladders[other, COUNT] > 0:
        place = _end(book, other) - 1
        if book.pool[place, KEY] < -key:
            break
        _cancel(out, state, last, other, book.pool[place, ORDER])
        book.ladders[other, COUNT] -= 1
        state[CROSSED] += 1


@_compiled
def _more(book, out, state, rows, first, end):
    """Everything that grows or is new; a snapshot's backwards, because venues tell its best levels first."""
    last = rows[end - 1]
    step = 1 if last.flags & SNAPSHOT == 0 else -1
    index = first if step > 0 else end - 1
    for _ in range(first, end):
        row = rows[index]
        ladder, key, size = _ladder_of(row), _key_of(row), row.size_lots
        counts = size > 0 and book.cells[_cell(book, state, ladder, key), 3] == index
        index += step
        if not counts:
            continue
        place = _find(book, ladder, key)
        if _is_at(book, ladder, place, key):
            if size > book.pool[place, SIZE]:
                _amend(out, state, last, ladder, book.pool[place, ORDER], size)
                book.pool[place, SIZE] = size
            continue
        _uncross(book, out, state, last, ladder, key)
        _insert(book, ladder, place, key)
        _enter(out, state, last, ladder, key, size)
        book.pool[place, SIZE], book.pool[place, ORDER] = size, state[NEXT_ORDER]
        book.pool[place, EVENT] = state[EVENTS]


@_compiled
def _only_named(book, out, state, last, ladder):
    """After a snapshot: take out every level that it does not name."""
    start, kept = book.ladders[ladder, START], np.int64(0)
    for index in range(start, _end(book, ladder)):
        if book.pool[index, EVENT] == state[EVENTS]:
            for word in range(LEVEL_WORDS):
                book.pool[start + kept, word] = book.pool[index, word]
            kept += 1
        else:
            _cancel(out, state, last, ladder, book.pool[index, ORDER])
    book.ladders[ladder, COUNT] = kept


@_compiled
def _check(book, out, state, last, executions):
    """Write what should be true after an event: its executions, and the best levels of the book."""
    check, image, contract = out.checks[state[CHECKS]], out.books[state[BOOKS]], np.int64(last.contract)
    check.at, check.message, check.contract = state[ROWS], last.message, contract
    check.executions, check.books = state[EXECUTIONS] - executions, 1
    for side in range(2):
        ladder = 2 * contract + side
        end, count = _end(book, ladder), min(book.ladders[ladder, COUNT], len(image))
        for level in range(len(image)):
            place = end - 1 - level
            is_there = level < count
            key = book.pool[place, KEY] if is_there else 0
            image[level, 2 - 2 * side] = key if side == 0 else -key
            image[level, 3 - 2 * side] = book.pool[place, SIZE] if is_there else 0
    state[CHECKS] += 1
    state[BOOKS] += 1


@_compiled
def _event(book, out, state, rows, first, end):
    """Follow one event."""
    last, executions = rows[end - 1], state[EXECUTIONS]
    bids = 2 * np.int64(last.contract)
    state[EVENTS] += 1
    _note_last(book, state, rows, first, end)
    if _less(book, out, state, rows, first, end):
        _trade(book, out, state, last, bids)
        _trade(book, out, state, last, bids + 1)
        _after_trades(book, out, state, rows, first, end)
    if last.flags & SNAPSHOT != 0:
        state[SNAPSHOTS] += 1
        _only_named(book, out, state, last, bids)
        _only_named(book, out, state, last, bids + 1)
    _more(book, out, state, rows, first, end)
    for ladder in range(bids, bids + 2):
        while 0 < state[MOST_LEVELS] < book.ladders[ladder, COUNT]:
            worst = book.ladders[ladder, START]
            _cancel(out, state, last, ladder, book.pool[worst, ORDER])
            _remove(book, ladder, worst)
    _drop_trades(book, state, last.time_ns)
    _check(book, out, state, last, executions)


@_compiled
def _room(book, out, state, rows, first, end):
    """ENDED when an event's commands and levels find room, else what is missing."""
    count, bids = end - first, 2 * np.int64(rows[first].contract)
    levels = book.ladders[bids, COUNT] + book.ladders[bids + 1, COUNT]
    needed = 3 * count + levels + state[WAITING]
    if state[ROWS] + needed > len(out.rows) or state[EXECUTIONS] + state[WAITING] > len(out.executions):
        state[OF], state[WANTS] = -1, needed
        return FULL
    if state[CHECKS] == len(out.checks):
        state[OF], state[WANTS] = -1, 0
        return FULL
    for ladder in range(bids, bids + 2):
        if book.ladders[ladder, COUNT] + count > book.ladders[ladder, ROOM]:
            state[OF], state[WANTS] = ladder, book.ladders[ladder, COUNT] + count
            return MORE_ROOM
    return ENDED


@njit(cache=True, _nrt=False, error_model="numpy")
def follow(book, out, state, rows):
    """Follow the events of a block from AT on; why it came back. The rows of one event are of one contract."""
    first = end = state[AT]
    while end < len(rows):
        row = rows[end]
        end += 1
        if row.flags & LAST == 0:
            continue
        if row.flags & TRADE != 0:
            _wait(book, state, row)
        else:
            why = _room(book, out, state, rows, first, end)
            if why != ENDED:
                return why
            _event(book, out, state, rows, first, end)
        first = end
        state[AT] = end
    return ENDED


@njit(cache=True, _nrt=False, error_model="numpy")
def seed(book, out, state, time_ns, message):
    """Write every level that rests as a new order, under the id that it has already."""
    for ladder in range(len(book.ladders)):
        for place in range(book.ladders[ladder, START], _end(book, ladder)):
            row = out.rows[state[ROWS]]
            out.messages[state[ROWS]] = message
            state[ROWS] += 1
            row.kind, row.time_ns, row.contract_slot = COMMAND_NEW, time_ns, ladder >> 1
            row.cl_ord_id, row.qty_lots = READER_ID + book.pool[place, ORDER], book.pool[place, SIZE]
            row.side, row.ord_type, row.tif = Side.BUY + (ladder & 1), OrdType.LIMIT, TimeInForce.GTC
            row.price_ticks = book.pool[place, KEY] if ladder & 1 == 0 else -book.pool[place, KEY]
