"""Order slots, price levels and their FIFO queues: mechanism only, no money, no events.

An order's row is one cache line. A level is one price of one ladder: bids, asks, or the trigger prices of conditional
orders, which wait in the same kind of queue. Complexity: every operation is O(1) in the number of orders.
"""

import numpy as np
from numba import njit

from engine import idmap, ladder
from engine.codes import NIL, ExecInst, Side
from engine.schema import EXPIRY_LADDER, LADDERS_PER_CONTRACT, ORDER_SLOT_BITS

_ICEBERG = int(ExecInst.ICEBERG)
_LABELLED = int(ExecInst.LABELLED)
_ROW_FLAGS = 127
_SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1


@njit
def ladder_of(contract_slot, side):
    """The ladder of a contract's bids or asks."""
    return contract_slot * LADDERS_PER_CONTRACT + side - 1


@njit
def serial_of(order_id):
    """The count of orders accepted before this one, plus one: it tells older from newer."""
    return order_id >> ORDER_SLOT_BITS


# --- slots --------------------------------------------------------------------------------------------------------


@njit
def has_room(s):
    """Whether one more order could be kept, whatever its price: the rows of every pool that it may need."""
    return (
        s.orders_live < s.orders_capacity
        and s.levels_live + 2 <= s.levels_capacity
        and s.nodes_live + 2 * ladder.NODES_PER_INSERT <= s.nodes_capacity
    )


@njit
def take_slot(s):
    """Reserve an order row and give it the next order id."""
    slot = s.orders_free_slot
    if slot != NIL:
        s.orders_free_slot = s.orders[slot].next_slot
    else:
        slot = s.orders_used
        s.orders_used += 1
    s.orders_live += 1
    s.order_serial += 1
    s.orders[slot].level_slot = NIL
    return slot, (s.order_serial << ORDER_SLOT_BITS) | slot


@njit
def give_slot(s, slot):
    """Free an order row; its id names nothing from here on."""
    row = s.orders[slot]
    row.order_id = 0
    row.next_slot = s.orders_free_slot
    s.orders_free_slot = slot
    s.orders_live -= 1


@njit
def find_order(s, order_id):
    """The slot of a live order id, NIL for every other number."""
    slot = order_id & _SLOT_MASK
    if order_id > 0 and slot < s.orders_used and s.orders[slot].order_id == order_id:
        return slot
    return NIL


@njit
def _match_client_id(s, size, account_slot, cl_ord_id):
    tag = idmap.tag_of(account_slot, cl_ord_id)
    place = idmap.seek(s.order_cells, size, tag, tag)
    while place != NIL:
        slot = idmap.slot_at(s.order_cells, size, place)
        row = s.orders[slot]
        if row.cl_ord_id == cl_ord_id and s.positions[row.position_slot].account_slot == account_slot:
            return slot
        place = idmap.seek(s.order_cells, size, tag, place + 1)
    return NIL


@njit
def find_client_order(s, account_slot, cl_ord_id):
    """The slot of an account's live order by the client's id, NIL where there is none."""
    if cl_ord_id == 0:
        return NIL
    slot = _match_client_id(s, s.order_map.size, account_slot, cl_ord_id)
    if slot == NIL and s.order_map.old_size != 0:
        return _match_client_id(s, s.order_map.old_size, account_slot, cl_ord_id)
    return slot


@njit
def name_order(s, slot, account_slot):
    """Make a live order's client id findable."""
    cl_ord_id = s.orders[slot].cl_ord_id
    if cl_ord_id != 0:
        idmap.insert(s.order_map, s.order_cells, idmap.tag_of(account_slot, cl_ord_id), slot)


@njit
def forget_order(s, slot, account_slot):
    """Make a client id free again."""
    cl_ord_id = s.orders[slot].cl_ord_id
    if cl_ord_id != 0:
        idmap.remove(s.order_map, s.order_cells, idmap.tag_of(account_slot, cl_ord_id), slot)


@njit
def find_position(s, account_slot, contract_slot):
    """The position row of an account in a contract, NIL where it never had one."""
    slot = s.accounts[account_slot].position_slot
    if slot == NIL or s.positions[slot].contract_slot == contract_slot:
        return slot
    tag = idmap.tag_of(account_slot, contract_slot)
    for size in (s.position_map.size, s.position_map.old_size):
        place = idmap.seek(s.position_cells, size, tag, tag) if size != 0 else NIL
        while place != NIL:
            slot = idmap.slot_at(s.position_cells, size, place)
            row = s.positions[slot]
            if row.account_slot == account_slot and row.contract_slot == contract_slot:
                return slot
            place = idmap.seek(s.position_cells, size, tag, place + 1)
    return NIL


@njit
def open_position(s, account_slot, contract_slot):
    """The position row of an account in a contract, made if it is missing."""
    slot = find_position(s, account_slot, contract_slot)
    account = s.accounts[account_slot]
    if slot == NIL:
        slot = s.positions_used
        s.positions_used += 1
        row = s.positions[slot]
        row.account_slot = account_slot
        row.contract_slot = contract_slot
        row.own_head_slot = NIL
        row.own_tail_slot = NIL
        row.next_slot = account.positions_head
        account.positions_head = slot
        idmap.insert(s.position_map, s.position_cells, idmap.tag_of(account_slot, contract_slot), slot)
    account.position_slot = slot
    return slot


# --- an account's own orders --------------------------------------------------------------------------------------


@njit
def join_own(s, slot):
    """Append an order to its account's list in this contract."""
    position = s.positions[s.orders[slot].position_slot]
    tail = position.own_tail_slot
    own = s.own[slot]
    own.next_slot = NIL
    own.prev_slot = tail
    if tail == NIL:
        position.own_head_slot = slot
    else:
        s.own[tail].next_slot = slot
    position.own_tail_slot = slot
    s.accounts[position.account_slot].open_orders += 1


@njit
def leave_own(s, slot):
    """Take an order out of its account's list; a mass cancel that stands on it moves on."""
    position = s.positions[s.orders[slot].position_slot]
    behind, ahead = s.own[slot].next_slot, s.own[slot].prev_slot
    if ahead == NIL:
        position.own_head_slot = behind
    else:
        s.own[ahead].next_slot = behind
    if behind == NIL:
        position.own_tail_slot = ahead
    else:
        s.own[behind].prev_slot = ahead
    s.accounts[position.account_slot].open_orders -= 1
    if s.jobs_count != 0:
        job = s.jobs[s.jobs_head]
        if job.position_slot != NIL and job.cursor_slot == slot:
            job.cursor_slot = behind


# --- queues -------------------------------------------------------------------------------------------------------


@njit
def _take_level(s, ladder_slot, key):
    slot = s.levels_free_slot
    if slot != NIL:
        s.levels_free_slot = s.levels[slot].next_slot
    else:
        slot = s.levels_used
        s.levels_used += 1
    s.levels_live += 1
    level = s.levels[slot]
    level.price_ticks = key
    level.leaves_lots = 0
    level.hidden_lots = 0
    level.head_slot = NIL
    level.tail_slot = NIL
    level.orders = 0
    level.ladder_slot = ladder_slot
    level.leaf_node = ladder.insert(s, ladder_slot, key, slot)
    return slot


@njit
def _drop_level(s, slot):
    level = s.levels[slot]
    book_side = s.ladders[level.ladder_slot]
    if book_side.first_slot == slot:
        follower = next_level(s, slot)
        book_side.first_slot = follower
        book_side.first_key = s.levels[follower].price_ticks if follower != NIL else NIL
    ladder.remove(s, level.ladder_slot, level.leaf_node, level.price_ticks)
    level.next_slot = s.levels_free_slot
    s.levels_free_slot = slot
    s.levels_live -= 1


@njit
def hidden_lots(s, slot):
    """What the book does not show of an order: only an iceberg hides anything."""
    row = s.orders[slot]
    if row.flags & _ICEBERG:
        return row.leaves_lots - s.details[slot].shown_lots
    return 0


@njit
def _append(s, level_slot, slot):
    level = s.levels[level_slot]
    row = s.orders[slot]
    row.next_slot = NIL
    row.prev_slot = level.tail_slot
    if level.tail_slot == NIL:
        level.head_slot = slot
    else:
        s.orders[level.tail_slot].next_slot = slot
    level.tail_slot = slot
    row.level_slot = level_slot


@njit
def _unlink(s, level_slot, slot):
    level = s.levels[level_slot]
    row = s.orders[slot]
    if row.prev_slot == NIL:
        level.head_slot = row.next_slot
    else:
        s.orders[row.prev_slot].next_slot = row.next_slot
    if row.next_slot == NIL:
        level.tail_slot = row.prev_slot
    else:
        s.orders[row.next_slot].prev_slot = row.prev_slot


@njit
def join_queue(s, slot, ladder_slot, key):
    """Put an order at the back of the queue at a key and return the level's slot."""
    level_slot = ladder.find(s, ladder_slot, key)
    if level_slot == NIL:
        level_slot = _take_level(s, ladder_slot, key)
    level = s.levels[level_slot]
    _append(s, level_slot, slot)
    level.orders += 1
    level.leaves_lots += s.orders[slot].leaves_lots
    level.hidden_lots += hidden_lots(s, slot)
    return level_slot


@njit
def leave_queue(s, slot):
    """Take an order out of its queue and return what the level shows afterwards."""
    row = s.orders[slot]
    level_slot = np.int64(row.level_slot)
    level = s.levels[level_slot]
    _unlink(s, level_slot, slot)
    level.orders -= 1
    level.leaves_lots -= row.leaves_lots
    level.hidden_lots -= hidden_lots(s, slot)
    row.level_slot = NIL
    if level.orders == 0:
        _drop_level(s, level_slot)
        return np.int64(0)
    return level.leaves_lots - level.hidden_lots


@njit
def shown_lots(s, slot):
    """What can be hit of a resting order now."""
    if s.orders[slot].flags & _ICEBERG:
        return s.details[slot].shown_lots
    return s.orders[slot].leaves_lots


@njit
def reduce(s, slot, lots):
    """Shrink a resting order, which keeps its place: hidden quantity goes first. Returns what its level shows."""
    row = s.orders[slot]
    level = s.levels[row.level_slot]
    level.hidden_lots -= hidden_lots(s, slot)
    level.leaves_lots -= lots
    row.leaves_lots -= lots
    if row.flags & _ICEBERG:
        detail = s.details[slot]
        detail.shown_lots = min(detail.shown_lots, row.leaves_lots)
    level.hidden_lots += hidden_lots(s, slot)
    return level.leaves_lots - level.hidden_lots


@njit
def hit(s, slot, lots):
    """Fill a resting order at the head of its queue, from what it shows. Returns what its level shows."""
    row = s.orders[slot]
    level = s.levels[row.level_slot]
    level.leaves_lots -= lots
    row.leaves_lots -= lots
    row.filled_lots += lots
    if row.flags & _ICEBERG:
        s.details[slot].shown_lots -= lots
    return level.leaves_lots - level.hidden_lots


@njit
def refill(s, slot):
    """Show an iceberg's next part, at the back of the queue. Returns what its level shows."""
    row, detail = s.orders[slot], s.details[slot]
    level_slot = np.int64(row.level_slot)
    level = s.levels[level_slot]
    _unlink(s, level_slot, slot)
    _append(s, level_slot, slot)
    detail.shown_lots = min(detail.display_lots, row.leaves_lots)
    level.hidden_lots -= detail.shown_lots
    return level.leaves_lots - level.hidden_lots


# --- expiry and trailing stops ------------------------------------------------------------------------------------


@njit
def join_expiry(s, slot):
    """Queue an order at the second of its expiry, behind those that came before it."""
    detail = s.details[slot]
    level_slot = ladder.find(s, EXPIRY_LADDER, detail.expire_s)
    if level_slot == NIL:
        level_slot = _take_level(s, EXPIRY_LADDER, detail.expire_s)
    level = s.levels[level_slot]
    detail.expire_next_slot = NIL
    detail.expire_prev_slot = level.tail_slot
    if level.tail_slot == NIL:
        level.head_slot = slot
    else:
        s.details[level.tail_slot].expire_next_slot = slot
    level.tail_slot = slot
    level.orders += 1


@njit
def leave_expiry(s, slot):
    """Take an order out of its expiry queue."""
    detail = s.details[slot]
    level_slot = ladder.find(s, EXPIRY_LADDER, detail.expire_s)
    level = s.levels[level_slot]
    if detail.expire_prev_slot == NIL:
        level.head_slot = detail.expire_next_slot
    else:
        s.details[detail.expire_prev_slot].expire_next_slot = detail.expire_next_slot
    if detail.expire_next_slot == NIL:
        level.tail_slot = detail.expire_prev_slot
    else:
        s.details[detail.expire_next_slot].expire_prev_slot = detail.expire_prev_slot
    level.orders -= 1
    if level.orders == 0:
        _drop_level(s, level_slot)


@njit
def join_trailing(s, slot, contract_slot):
    """Append a trailing stop to its contract's list."""
    contract, detail = s.contracts[contract_slot], s.details[slot]
    tail = contract.trailing_tail_slot
    detail.trail_next_slot = NIL
    detail.trail_prev_slot = tail
    if tail == NIL:
        contract.trailing_head_slot = slot
    else:
        s.details[tail].trail_next_slot = slot
    contract.trailing_tail_slot = slot
    contract.trailing_orders += 1


@njit
def leave_trailing(s, slot, contract_slot):
    """Take a trailing stop out of its contract's list."""
    contract, detail = s.contracts[contract_slot], s.details[slot]
    behind, ahead = detail.trail_next_slot, detail.trail_prev_slot
    if ahead == NIL:
        contract.trailing_head_slot = behind
    else:
        s.details[ahead].trail_next_slot = behind
    if behind == NIL:
        contract.trailing_tail_slot = ahead
    else:
        s.details[behind].trail_prev_slot = ahead
    contract.trailing_orders -= 1


@njit
def best_price(s, contract_slot, side):
    """The first price of a side, NIL when it is empty."""
    return np.int64(s.ladders[ladder_of(contract_slot, side)].first_key)


@njit
def next_level(s, level_slot):
    """The level that follows in its ladder's direction, NIL at the end."""
    level = s.levels[level_slot]
    return ladder.after(s, level.ladder_slot, level.leaf_node, level.price_ticks)


@njit
def reset_contract(s, contract_slot):
    """Empty ladders for a new contract: bids and asks, then rising and falling triggers of each price source."""
    base = contract_slot * LADDERS_PER_CONTRACT
    ladder.reset(s, base + Side.BUY - 1, -1)
    ladder.reset(s, base + Side.SELL - 1, 1)
    for pair in range(1, LADDERS_PER_CONTRACT // 2):
        ladder.reset(s, base + 2 * pair, 1)
        ladder.reset(s, base + 2 * pair + 1, -1)
    contract = s.contracts[contract_slot]
    contract.trailing_head_slot = NIL
    contract.trailing_tail_slot = NIL
