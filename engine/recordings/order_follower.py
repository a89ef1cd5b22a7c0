"""The compiled follower of order lives: LIFE rows in, command rows and checks out.

It keeps what rests as the recording says it: orders by (contract, id), and each price's orders in time priority. It
never asks the engine. Its rules:

- *Aggressors.* A recording shows the resting side of a trade. Consecutive executions of one contract, time and side
  are one aggressor: an immediate-or-cancel order at the worst price with the sum.
- *Correction.* Where these executions are not what price-time priority gives, the levels that differ are entered again
  as recorded, so that one difference does not breed others.
- *Auctions.* An order that would cross the book waits outside, and so does what enters its contract until the book is
  uncrossed; what waits then enters in its priority. Executions meanwhile take from the orders themselves.
- *Ids.* An order keeps its recorded id as `cl_ord_id`, unless that is below 1, is READER_ID or above, or rests in
  another contract: then it gets one of the reader's own.
- *Unknown orders.* What is said of an order that never came is counted and left out.
"""

import numpy as np
from numba import njit

from engine.code_values import COMMAND_AMEND, COMMAND_CANCEL, COMMAND_NEW, SIDE_BUY, SIDE_SELL
from engine.codes import NIL
from engine.recordings.batches import READER_ID
from engine.recordings.life_commands import has_rows, write_aggressor, write_book, write_check, write_command
from engine.recordings.live_orders import (
    ADDED_AGAIN,
    CROSSED,
    DONE,
    EXECUTIONS,
    FREE_ORDER,
    FROM_NS,
    FROM_REACHED,
    IS_MUTE,
    LEVELS_FULL,
    LIVE,
    MESSAGE,
    ORDERS,
    ORDERS_FULL,
    OUT_FULL,
    OVERRUN,
    READER_IDS,
    TIME_NS,
    UNKNOWN,
    append,
    crosses,
    enter_id,
    find,
    forget,
    has_level_room,
    hold,
    is_crossed,
    ladder_of,
    lower,
    unhold,
    unlink,
)
from engine.recordings.order_lives import LifeAction, LifeFlag

_ADD, _REDUCE, _RESIZE, _DELETE, _EXECUTE, _REPLACE, _CLEAR, _TRADE, _STATUS = (int(each) for each in LifeAction)
_LAST, _AGGRESSOR = int(LifeFlag.LAST), int(LifeFlag.AGGRESSOR)

# --- an order's life --------------------------------------------------------------------------------------------------


@njit(cache=True)
def _enter(f, out, slot):
    """An order that has its price and size comes to rest at the back of its level."""
    order = f.orders[slot]
    if f.markets[order.contract].held or crosses(f, order.contract, order.side, order.price_ticks):
        hold(f, slot)
    else:
        write_command(f, out, slot, COMMAND_NEW)
    append(f, slot)


@njit(cache=True)
def _leave(f, out, slot):
    """An order that rests goes; its cancel too, unless it never entered."""
    if f.orders[slot].is_held:
        unhold(f, slot)
    else:
        write_command(f, out, slot, COMMAND_CANCEL)
    forget(f, slot)


@njit(cache=True)
def _release(f, out, contract):
    """Enter what waited."""
    market = f.markets[contract]
    while market.held:
        slot = np.int64(market.held_head_slot)
        unhold(f, slot)
        write_command(f, out, slot, COMMAND_NEW)


@njit(cache=True)
def _add(f, out, life, order_id, side):
    """A new order. One whose id rests already takes its place."""
    head = f.head
    known = find(f, np.int64(life.contract), order_id)
    if known != NIL:
        f.counts[ADDED_AGAIN] += 1
        _leave(f, out, known)
    slot = head[FREE_ORDER]
    if slot == NIL:
        slot = head[ORDERS]
        head[ORDERS] += 1
    else:
        head[FREE_ORDER] = f.orders[slot].next_slot
    order = f.orders[slot]
    order.order_id, order.contract, order.side = order_id, life.contract, side
    order.price_ticks, order.size_lots = life.price_ticks, life.size_lots
    order.given_lots = order.taken_lots = 0
    order.is_held = 0
    order.cl_ord_id = order_id
    if enter_id(f, slot) or not 0 < order_id < READER_ID:
        head[READER_IDS] += 1
        order.cl_ord_id = head[READER_IDS]
    f.markets[order.contract].orders += 1
    head[LIVE] += 1
    _enter(f, out, slot)


@njit(cache=True)
def _shrink(f, out, slot, size_lots):
    """Take from an order that keeps its priority."""
    order = f.orders[slot]
    if size_lots > order.size_lots:
        f.counts[OVERRUN] += 1
    if size_lots >= order.size_lots:
        _leave(f, out, slot)
        return
    lower(f, slot, size_lots)
    if not order.is_held:
        write_command(f, out, slot, COMMAND_AMEND)


@njit(cache=True)
def _resize(f, out, slot, life):
    """Leave an order with a size at a price, by the engine's rule of priority."""
    order = f.orders[slot]
    price_ticks = life.price_ticks if life.price_ticks else order.price_ticks
    if price_ticks == order.price_ticks and life.size_lots <= order.size_lots:
        if life.size_lots < order.size_lots:
            _shrink(f, out, slot, order.size_lots - life.size_lots)
        return
    unlink(f, slot)
    was_held = order.is_held
    if was_held:
        unhold(f, slot)
    waits = f.markets[order.contract].held or crosses(f, order.contract, order.side, price_ticks)
    if waits and not was_held:
        write_command(f, out, slot, COMMAND_CANCEL)
    order.price_ticks, order.size_lots = price_ticks, life.size_lots
    if waits:
        hold(f, slot)
    elif was_held:
        write_command(f, out, slot, COMMAND_NEW)
    else:
        write_command(f, out, slot, COMMAND_AMEND)
    append(f, slot)


@njit(cache=True)
def _clear(f, out, contract):
    """All orders of a contract go."""
    for side in (SIDE_BUY, SIDE_SELL):
        ladder = f.ladders[ladder_of(contract, side)]
        while ladder.count:
            _leave(f, out, np.int64(f.levels[ladder.start + ladder.count - 1].head_slot))


# --- executions -------------------------------------------------------------------------------------------------------


@njit(cache=True)
def _sweep_end(f, rows, first):
    """The row after the last execution of the aggressor that the first row begins."""
    one = rows[first]
    slot = find(f, np.int64(one.contract), one.order_id)
    side = f.orders[slot].side if slot != NIL else 0
    end = first + 1
    while end < len(rows):
        row = rows[end]
        if row.action != _EXECUTE or row.flags & _AGGRESSOR:
            break
        if row.contract != one.contract or row.time_ns != one.time_ns:
            break
        slot = find(f, np.int64(row.contract), row.order_id)
        if slot != NIL and side and f.orders[slot].side != side:
            break
        if slot != NIL:
            side = f.orders[slot].side
        end += 1
    return end


@njit(cache=True)
def _give(f, out, rows, first, end):
    """Note what each order gives. (sum, worst price, side, executions written)."""
    total, worst, side, written = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for index in range(first, end):
        row = rows[index]
        slot = find(f, np.int64(row.contract), row.order_id)
        if slot == NIL:
            continue
        order = f.orders[slot]
        size = min(row.size_lots, order.size_lots - order.given_lots)
        if size <= 0:
            continue
        order.given_lots += size
        if total == 0 or (order.price_ticks < worst) == (order.side == SIDE_BUY):
            worst = order.price_ticks
        total += size
        side = np.int64(order.side)
        if not f.head[IS_MUTE]:
            place = out.executions[f.head[EXECUTIONS] + written]
            place.cl_ord_id, place.side = order.cl_ord_id, side
            place.price_ticks, place.qty_lots = order.price_ticks, size
            written += 1
    return total, worst, side, written


@njit(cache=True)
def _predict(f, ladder, total):
    """Note what price-time priority takes; whether it is what the orders gave."""
    is_equal = True
    level = ladder.start + ladder.count - 1
    while total and level >= ladder.start:
        slot = np.int64(f.levels[level].head_slot)
        while slot != NIL and total:
            order = f.orders[slot]
            order.taken_lots = min(order.size_lots, total)
            total -= order.taken_lots
            is_equal &= order.taken_lots == order.given_lots
            slot = np.int64(order.next_slot)
        level -= 1
    return is_equal


@njit(cache=True)
def _queued(f, ladder, side, worst):
    """How many orders rest at prices as good as the worst."""
    orders = np.int64(0)
    level = ladder.start + ladder.count - 1
    sign = 1 if side == SIDE_BUY else -1
    while level >= ladder.start and sign * f.levels[level].price_ticks >= sign * worst:
        orders += f.levels[level].orders
        level -= 1
    return orders


@njit(cache=True)
def _correct(f, out, ladder, side, worst):
    """Enter the levels again that price-time priority has left otherwise than recorded."""
    level = ladder.start + ladder.count - 1
    sign = 1 if side == SIDE_BUY else -1
    while level >= ladder.start and sign * f.levels[level].price_ticks >= sign * worst:
        head, differs = np.int64(f.levels[level].head_slot), False
        slot = head
        while slot != NIL:
            differs |= f.orders[slot].given_lots != f.orders[slot].taken_lots
            slot = np.int64(f.orders[slot].next_slot)
        slot = head
        while differs and slot != NIL:
            if f.orders[slot].taken_lots < f.orders[slot].size_lots:
                write_command(f, out, slot, COMMAND_CANCEL)
            slot = np.int64(f.orders[slot].next_slot)
        slot = head
        while differs and slot != NIL:
            order = f.orders[slot]
            if order.given_lots < order.size_lots:
                order.size_lots -= order.given_lots
                write_command(f, out, slot, COMMAND_NEW)
                order.size_lots += order.given_lots
            slot = np.int64(order.next_slot)
        level -= 1


@njit(cache=True)
def _forgive(f, rows, first, end):
    """Undo what `_give` noted."""
    for index in range(first, end):
        slot = find(f, np.int64(rows[index].contract), rows[index].order_id)
        if slot != NIL:
            f.orders[slot].given_lots = 0


@njit(cache=True)
def _untake(f, ladder, side, worst):
    level = ladder.start + ladder.count - 1
    sign = 1 if side == SIDE_BUY else -1
    while level >= ladder.start and sign * f.levels[level].price_ticks >= sign * worst:
        slot = np.int64(f.levels[level].head_slot)
        while slot != NIL and f.orders[slot].taken_lots:
            f.orders[slot].taken_lots = 0
            slot = np.int64(f.orders[slot].next_slot)
        level -= 1


@njit(cache=True)
def _settle(f, rows, first, end):
    """Take from the orders what they gave."""
    for index in range(first, end):
        row = rows[index]
        slot = find(f, np.int64(row.contract), row.order_id)
        if slot == NIL:
            f.counts[UNKNOWN + _EXECUTE] += 1
            continue
        order = f.orders[slot]
        f.counts[OVERRUN] += row.size_lots > order.size_lots
        order.given_lots = 0
        if row.size_lots < order.size_lots:
            lower(f, slot, row.size_lots)
        else:
            forget(f, slot)


@njit(cache=True)
def _execute(f, out, rows, first, end):
    """One aggressor; False when the out rows do not hold what it needs."""
    contract = np.int64(rows[first].contract)
    if not has_rows(f, out, end - first + f.markets[contract].held):
        return False
    if f.markets[contract].held:
        for index in range(first, end):
            slot = find(f, contract, rows[index].order_id)
            if slot == NIL:
                f.counts[UNKNOWN + _EXECUTE] += 1
            else:
                _shrink(f, out, slot, rows[index].size_lots)
        return True
    total, worst, side, written = _give(f, out, rows, first, end)
    if total:
        ladder = f.ladders[ladder_of(contract, side)]
        is_equal = _predict(f, ladder, total)
        if not is_equal and not has_rows(f, out, 2 * _queued(f, ladder, side, worst)):
            _untake(f, ladder, side, worst)
            _forgive(f, rows, first, end)
            return False
        write_aggressor(f, out, contract, side, worst, total)
        if written:
            f.head[EXECUTIONS] += written
            write_check(f, out, contract, written, 0)
        if not is_equal:
            _correct(f, out, ladder, side, worst)
        _untake(f, ladder, side, worst)
    _settle(f, rows, first, end)
    return True


# --- one row after the other ------------------------------------------------------------------------------------------


@njit(cache=True)
def _is_ready(f, out, life):
    """DONE when there is room for whatever the row may do, else what must grow first."""
    market = f.markets[life.contract]
    if f.head[FREE_ORDER] == NIL and f.head[ORDERS] == len(f.orders):
        return ORDERS_FULL
    for side in (SIDE_BUY, SIDE_SELL):
        if not has_level_room(f, np.int64(life.contract), side):
            return LEVELS_FULL
    if not has_rows(f, out, market.orders if life.action == _CLEAR else market.held):
        return OUT_FULL
    return DONE


@njit(cache=True)
def _apply(f, out, life):
    """What a row says of one order or one contract."""
    if life.action == _ADD:
        return _add(f, out, life, life.order_id, life.side)
    if life.action == _CLEAR:
        return _clear(f, out, np.int64(life.contract))
    if life.action == _TRADE or life.action == _STATUS:
        return None
    slot = find(f, np.int64(life.contract), life.order_id)
    if slot == NIL:
        f.counts[UNKNOWN + life.action] += 1
        if life.action == _REPLACE and life.side:
            _add(f, out, life, life.new_order_id, life.side)
        elif life.action == _RESIZE and life.side and life.price_ticks:
            _add(f, out, life, life.order_id, life.side)
    elif life.action == _REDUCE:
        _shrink(f, out, slot, life.size_lots)
    elif life.action == _DELETE:
        _leave(f, out, slot)
    elif life.action == _RESIZE:
        _resize(f, out, slot, life)
    elif life.action == _REPLACE:
        side = np.uint8(f.orders[slot].side)
        _leave(f, out, slot)
        _add(f, out, life, life.new_order_id, side)
    return None


@njit(cache=True)
def _end_event(f, out, contract):
    """An event of a contract has ended: what waited may enter, and the book may be compared."""
    market = f.markets[contract]
    if market.held and not is_crossed(f, contract):
        _release(f, out, contract)
    if not market.is_changed or f.head[IS_MUTE]:
        return
    market.is_changed = 0
    if market.held:
        f.counts[CROSSED] += 1
        return
    write_check(f, out, contract, 0, 1)
    write_book(f, out, contract)


@njit(cache=True)
def follow(f, rows, first, out):
    """Follow rows from the first one on. (the row to go on with, why it stopped there)."""
    head = f.head
    while first < len(rows):
        life = rows[first]
        if head[IS_MUTE] and life.time_ns >= head[FROM_NS]:
            return first, FROM_REACHED
        ready = _is_ready(f, out, life)
        if ready != DONE:
            return first, ready
        head[TIME_NS], head[MESSAGE] = life.time_ns, life.message
        end, flags = first + 1, life.flags
        if life.action == _EXECUTE:
            end = _sweep_end(f, rows, first)
            head[MESSAGE] = rows[end - 1].message
            if not _execute(f, out, rows, first, end):
                return first, OUT_FULL
            for index in range(first + 1, end):
                flags |= rows[index].flags
        else:
            _apply(f, out, life)
        if flags & _LAST:
            _end_event(f, out, np.int64(life.contract))
        first = end
    return first, DONE


@njit(cache=True)
def seed(f, out):
    """Begin to speak: what rests and does not wait enters, in its priority. `out` holds a row for each live order."""
    head = f.head
    head[IS_MUTE], head[TIME_NS] = 0, head[FROM_NS]
    for number in range(len(f.ladders)):
        ladder = f.ladders[number]
        for level in range(ladder.start, ladder.start + ladder.count):
            slot = np.int64(f.levels[level].head_slot)
            while slot != NIL:
                if not f.orders[slot].is_held:
                    write_command(f, out, slot, COMMAND_NEW)
                slot = np.int64(f.orders[slot].next_slot)
