"""Order slots, price levels and their FIFO queues: mechanism only, no money, no events.

An order's row is one cache line. A level is one price of one ladder: bids, asks, or the trigger prices of conditional
orders, which wait in the same kind of queue. On the book a level has two queues in one list: all clients' orders, then
those of affiliates, who yield to every client at their price. The order's flag says which. Complexity: every operation
is O(1) in the number of orders, but for an account that becomes an affiliate: one pass over the levels it stands in.
"""

import numpy as np

from engine import idmap, ladder
from engine.code_values import EXEC_AFFILIATE, EXEC_CONDITIONAL, EXEC_ICEBERG
from engine.codes import NIL, Side
from engine.kernels import inlined, kernel, rare
from engine.row_access import (
    account_at,
    contract_at,
    detail_at,
    follower_at,
    job_at,
    ladder_at,
    level_at,
    order_at,
    own_at,
    position_at,
)
from engine.schema import LADDERS_PER_CONTRACT, LEVELS_PER_ORDER, ORDER_SLOT_BITS
from engine.units import unlikely

_SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1


@inlined
def ladder_of(contract_slot, side):
    """The ladder of a contract's bids or asks."""
    return contract_slot * LADDERS_PER_CONTRACT + side - 1


@inlined
def serial_of(order_id):
    """The count of orders accepted before this one, plus one: it tells older from newer."""
    return order_id >> ORDER_SLOT_BITS


# --- slots --------------------------------------------------------------------------------------------------------


@inlined
def has_level_room(s):
    """Whether an order could rest at any price and expire. The lapse of each affiliate's approval keeps its place."""
    more = LEVELS_PER_ORDER + s.approvals_used
    return (
        s.levels_live + more <= s.levels_capacity and s.nodes_live + more * ladder.NODES_PER_INSERT <= s.nodes_capacity
    )


@inlined
def has_room(s):
    """Whether one more order could be kept, whatever its price: the rows of every pool that it may need."""
    return s.orders_live < s.orders_capacity and has_level_room(s)


@inlined
def take_slot(s):
    """Reserve an order row and give it the next order id."""
    slot = s.orders_free_slot
    if slot != NIL:
        s.orders_free_slot = order_at(s, slot).next_slot
    else:
        slot = s.orders_used
        s.orders_used += 1
    s.orders_live += 1
    s.order_serial += 1
    order_at(s, slot).level_slot = NIL
    return slot, (s.order_serial << ORDER_SLOT_BITS) | slot


@inlined
def give_slot(s, slot):
    """Free an order row; its id names nothing from here on."""
    row = order_at(s, slot)
    row.order_id = 0
    row.next_slot = s.orders_free_slot
    s.orders_free_slot = slot
    s.orders_live -= 1


@inlined
def pass_slot(s):
    """`take_slot` where a row is free, for an order that ends before another one takes a row: it stays the next one."""
    slot = np.int64(s.orders_free_slot)
    s.order_serial += 1
    order_at(s, slot).level_slot = NIL
    return slot, (s.order_serial << ORDER_SLOT_BITS) | slot


@inlined
def find_order(s, order_id):
    """The slot of a live order id, NIL for every other number."""
    slot = order_id & _SLOT_MASK
    if order_id > 0 and slot < s.orders_used and order_at(s, slot).order_id == order_id:
        return slot
    return NIL


@inlined
def _is_order(s, slot, account_slot, cl_ord_id):
    row = order_at(s, slot)
    return row.cl_ord_id == cl_ord_id and position_at(s, row.position_slot).account_slot == account_slot


@inlined
def _match_client_id(s, size, tag, account_slot, cl_ord_id):
    start = s.order_map.base + size
    place = idmap.seek(s, start, size - 1, tag, idmap.home_of(tag, size - 1))
    while place != NIL:
        slot = idmap.slot_at(s, start + place)
        if not unlikely(not _is_order(s, slot, account_slot, cl_ord_id)):
            return start + place, slot
        place = idmap.seek_on(s, start, size - 1, tag, place)
    return np.int64(NIL), np.int64(NIL)


@rare
def _match_old_id(s, tag, account_slot, cl_ord_id):
    return _match_client_id(s, s.order_map.old_size, tag, account_slot, cl_ord_id)


@inlined
def find_client_id(s, tag, account_slot, cl_ord_id):
    """The map's cell and the slot of an account's live order by the client's id, whose tag this is; NIL for none."""
    if cl_ord_id == 0:
        return np.int64(NIL), np.int64(NIL)
    if s.recent.tag == tag:
        slot = idmap.slot_at(s, s.recent.cell)
        if _is_order(s, slot, account_slot, cl_ord_id):
            return np.int64(s.recent.cell), slot
    cell, slot = _match_client_id(s, s.order_map.size, tag, account_slot, cl_ord_id)
    if slot == NIL and s.order_map.old_size != 0:
        return _match_old_id(s, tag, account_slot, cl_ord_id)
    return cell, slot


@inlined
def find_client_order(s, tag, account_slot, cl_ord_id):
    """The slot of an account's live order by the client's id, whose tag this is; NIL where there is none."""
    return find_client_id(s, tag, account_slot, cl_ord_id)[1]


@inlined
def find_known_or_free(s, tag, account_slot, cl_ord_id):
    """`find_client_order` for an id that is most likely new, and an empty cell where it belongs, NIL: none is known."""
    if cl_ord_id != 0:
        free = idmap.free_cell(s, s.order_map, tag)
        if free != NIL:
            return np.int64(NIL), free
    return np.int64(find_client_order(s, tag, account_slot, cl_ord_id)), np.int64(NIL)


@inlined
def name_order(s, tag, slot, free_cell):
    """Make a live order's client id, whose tag this is, findable; `free_cell` is empty and where it belongs, or NIL.

    Many orders are cancelled right after they came, so the cell is remembered: a search would load all cells of its
    bucket together, and that load would wait for the store to this one.
    """
    if free_cell != NIL:
        idmap.fill(s, s.order_map, tag, slot, free_cell)
        s.recent.tag = tag
        s.recent.cell = free_cell
    elif order_at(s, slot).cl_ord_id != 0:
        cell = idmap.insert(s, s.order_map, tag, slot)
        s.recent.tag = tag if cell != NIL else 0
        s.recent.cell = cell


@inlined
def forget_order(s, slot, account_slot, cell):
    """Make a client id free again; `cell` is the map's, NIL if it is yet to be found."""
    cl_ord_id = order_at(s, slot).cl_ord_id
    if cl_ord_id != 0:
        if cell == NIL:
            cell = idmap.cell_of(s, s.order_map, idmap.tag_of(account_slot, cl_ord_id), slot)
        if s.recent.tag != 0 and s.recent.cell == cell:
            idmap.remove_newest(s, s.order_map, cell)
        else:
            idmap.remove(s, s.order_map, cell)
        s.recent.tag = 0


@rare
def _search_position(s, size, account_slot, contract_slot):
    tag = idmap.tag_of(account_slot, contract_slot)
    start = s.position_map.base + size
    place = idmap.seek(s, start, size - 1, tag, idmap.home_of(tag, size - 1))
    while place != NIL:
        slot = idmap.slot_at(s, start + place)
        row = position_at(s, slot)
        if row.account_slot == account_slot and row.contract_slot == contract_slot:
            return slot
        place = idmap.seek(s, start, size - 1, tag, place + 1)
    return NIL


@inlined
def find_position(s, account_slot, contract_slot):
    """The position row of an account in a contract, NIL where it never had one."""
    slot = np.int64(account_at(s, account_slot).position_slot)
    if slot == NIL or position_at(s, slot).contract_slot == contract_slot:
        return slot
    return other_position(s, account_slot, contract_slot)


@inlined
def other_position(s, account_slot, contract_slot):
    """`find_position` in a contract that is not the one where the account was last."""
    slot = _search_position(s, s.position_map.size, account_slot, contract_slot)
    if slot == NIL and s.position_map.old_size != 0:
        slot = _search_position(s, s.position_map.old_size, account_slot, contract_slot)
    return slot


@rare
def open_position(s, account_slot, contract_slot):
    """The position row of an account in a contract, made if it is missing."""
    slot = find_position(s, account_slot, contract_slot)
    account = account_at(s, account_slot)
    if slot == NIL:
        slot = s.positions_used
        s.positions_used += 1
        row = position_at(s, slot)
        row.account_slot = account_slot
        row.contract_slot = contract_slot
        row.own_head_slot = NIL
        row.own_tail_slot = NIL
        row.next_slot = account.positions_head
        account.positions_head = slot
        idmap.insert(s, s.position_map, idmap.tag_of(account_slot, contract_slot), slot)
    account.position_slot = slot
    return slot


# --- an account's own orders --------------------------------------------------------------------------------------


@inlined
def join_own(s, slot, person):
    """Append an order that a person placed to its account's list in this contract."""
    position = position_at(s, order_at(s, slot).position_slot)
    tail = np.int64(position.own_tail_slot)
    own = own_at(s, slot)
    own.next_slot = NIL
    own.prev_slot = tail
    own.person = person
    own_at(s, tail).next_slot = slot
    position.own_head_slot = slot if tail == NIL else position.own_head_slot
    position.own_tail_slot = slot
    account_at(s, position.account_slot).open_orders += 1


@inlined
def leave_own(s, slot):
    """Take an order out of its account's list; a mass cancel at this order moves on. No branches, as in `_unlink`."""
    position = position_at(s, order_at(s, slot).position_slot)
    behind, ahead = np.int64(own_at(s, slot).next_slot), np.int64(own_at(s, slot).prev_slot)
    own_at(s, ahead).next_slot = behind
    own_at(s, behind).prev_slot = ahead
    position.own_head_slot = behind if ahead == NIL else position.own_head_slot
    position.own_tail_slot = ahead if behind == NIL else position.own_tail_slot
    account_at(s, position.account_slot).open_orders -= 1
    if s.jobs_count != 0:
        job = job_at(s, s.jobs_head)
        if job.position_slot != NIL and job.cursor_slot == slot:
            job.cursor_slot = behind


# --- queues -------------------------------------------------------------------------------------------------------


@inlined
def take_level(s, ladder_slot, leaf, key):
    """A new level at a key that has none; the caller puts the first order there."""
    slot = s.levels_free_slot
    if slot != NIL:
        s.levels_free_slot = level_at(s, slot).next_slot
    else:
        slot = s.levels_used
        s.levels_used += 1
    s.levels_live += 1
    level = level_at(s, slot)
    level.price_ticks = key
    level.ladder_slot = ladder_slot
    level.leaf_node = leaf
    ladder.insert(s, ladder_slot, leaf, key, slot)
    return slot


@inlined
def empty_level(level):
    """A level without orders."""
    level.leaves_lots = 0
    level.hidden_lots = 0
    level.head_slot = NIL
    level.tail_slot = NIL
    level.affiliated_head_slot = NIL
    level.orders = 0


@inlined
def drop_level(s, slot):
    """Give back a level without orders."""
    level = level_at(s, slot)
    ladder_slot = np.int64(level.ladder_slot)
    node, floors = ladder.remove(s, ladder_slot, level.leaf_node, level.price_ticks)
    book_side = ladder_at(s, ladder_slot)
    follower = follower_at(s, ladder_slot)
    if book_side.first_slot == slot:
        if ladder.knows_follower(s, ladder_slot):
            book_side.first_slot = follower.slot
            book_side.first_key = follower.key
        elif node == NIL:
            book_side.first_slot = NIL
            book_side.first_key = NIL
        else:
            first = ladder.first_below(s, ladder_slot, node, floors)
            book_side.first_slot = first
            book_side.first_key = level_at(s, first).price_ticks
        ladder.forget_follower(s, ladder_slot)
    elif follower.slot == slot:
        ladder.forget_follower(s, ladder_slot)
    level.next_slot = s.levels_free_slot
    s.levels_free_slot = slot
    s.levels_live -= 1


@inlined
def hidden_lots(s, slot):
    """What the book does not show of an order: only an iceberg hides anything."""
    row = order_at(s, slot)
    if row.flags & EXEC_ICEBERG:
        return row.leaves_lots - detail_at(s, slot).shown_lots
    return 0


@inlined
def _is_affiliated(s, slot):
    """Whether an order yields to clients; one that waits for its trigger yields to nobody."""
    return order_at(s, slot).flags & (EXEC_AFFILIATE | EXEC_CONDITIONAL) == EXEC_AFFILIATE


@inlined
def _append(s, level_slot, slot):
    """Put an order at the very back of a level that has orders."""
    level, row = level_at(s, level_slot), order_at(s, slot)
    row.next_slot = NIL
    row.prev_slot = level.tail_slot
    order_at(s, level.tail_slot).next_slot = slot
    level.tail_slot = slot
    row.level_slot = level_slot


@rare
def _insert(s, level_slot, slot):
    """Put an order before the affiliates of a level that has some."""
    level, row = level_at(s, level_slot), order_at(s, slot)
    behind = np.int64(level.affiliated_head_slot)
    ahead = np.int64(order_at(s, behind).prev_slot)
    row.next_slot = behind
    row.prev_slot = ahead
    order_at(s, ahead).next_slot = slot
    order_at(s, behind).prev_slot = slot
    level.head_slot = slot if ahead == NIL else level.head_slot
    row.level_slot = level_slot


@inlined
def _enqueue(s, level_slot, slot, affiliated):
    """Put an order at the back of its own queue in a level that has orders."""
    level = level_at(s, level_slot)
    if affiliated:
        level.affiliated_head_slot = slot if level.affiliated_head_slot == NIL else level.affiliated_head_slot
        _append(s, level_slot, slot)
    elif not unlikely(level.affiliated_head_slot != NIL):
        _append(s, level_slot, slot)
    else:
        _insert(s, level_slot, slot)


@inlined
def _unlink(s, level_slot, slot):
    """Take an order out of a queue that has others.

    Without branches, since the processor could not predict them. Where there is no neighbour the write goes to the row
    at NIL, before the first row, which nobody reads.
    """
    level, row = level_at(s, level_slot), order_at(s, slot)
    behind, ahead = np.int64(row.next_slot), np.int64(row.prev_slot)
    order_at(s, ahead).next_slot = behind
    order_at(s, behind).prev_slot = ahead
    level.head_slot = behind if ahead == NIL else level.head_slot
    level.tail_slot = ahead if behind == NIL else level.tail_slot
    if row.flags & EXEC_AFFILIATE:
        level.affiliated_head_slot = behind if level.affiliated_head_slot == slot else level.affiliated_head_slot


@inlined
def _begin_queue(s, slot, level_slot, lots, hidden, affiliated):
    """Put the first order into a new level."""
    level, row = level_at(s, level_slot), order_at(s, slot)
    row.next_slot = NIL
    row.prev_slot = NIL
    row.level_slot = level_slot
    level.head_slot = slot
    level.tail_slot = slot
    level.affiliated_head_slot = slot if affiliated else NIL
    level.orders = 1
    level.leaves_lots = lots
    level.hidden_lots = hidden


@inlined
def join_queue(s, slot, ladder_slot, key, lots, hidden):
    """Put an order of so many lots, some hidden, at the back of its queue at a key. Returns what its level shows."""
    affiliated = _is_affiliated(s, slot)
    leaf = ladder.leaf_for(s, ladder_slot, key)
    level_slot = np.int64(ladder.at(s, leaf, key))
    if level_slot == NIL:
        _begin_queue(s, slot, take_level(s, ladder_slot, leaf, key), lots, hidden, affiliated)
        return np.int64(lots - hidden)
    level = level_at(s, level_slot)
    _enqueue(s, level_slot, slot, affiliated)
    level.orders += 1
    level.leaves_lots += lots
    level.hidden_lots += hidden
    return np.int64(level.leaves_lots - level.hidden_lots)


@inlined
def queue_order(s, slot, ladder_slot, key):
    """`join_queue` for an order whose row says how many lots it has."""
    return join_queue(s, slot, ladder_slot, key, order_at(s, slot).leaves_lots, hidden_lots(s, slot))


@inlined
def leave_queue(s, slot):
    """Take an order out of its queue and return what the level shows afterwards."""
    row = order_at(s, slot)
    level_slot = np.int64(row.level_slot)
    level = level_at(s, level_slot)
    row.level_slot = NIL
    if level.orders == 1:
        empty_level(level)
        drop_level(s, level_slot)
        return np.int64(0)
    _unlink(s, level_slot, slot)
    level.orders -= 1
    level.leaves_lots -= row.leaves_lots
    level.hidden_lots -= hidden_lots(s, slot)
    return level.leaves_lots - level.hidden_lots


@inlined
def shown_lots(s, slot):
    """What can be hit of a resting order now."""
    if order_at(s, slot).flags & EXEC_ICEBERG:
        return detail_at(s, slot).shown_lots
    return order_at(s, slot).leaves_lots


@kernel
def reduce(s, slot, lots):
    """Shrink a resting order, which keeps its place: hidden quantity goes first. Returns what its level shows."""
    row = order_at(s, slot)
    level = level_at(s, row.level_slot)
    level.hidden_lots -= hidden_lots(s, slot)
    level.leaves_lots -= lots
    row.leaves_lots -= lots
    if row.flags & EXEC_ICEBERG:
        detail = detail_at(s, slot)
        detail.shown_lots = min(detail.shown_lots, row.leaves_lots)
    level.hidden_lots += hidden_lots(s, slot)
    return level.leaves_lots - level.hidden_lots


@kernel
def hit(s, slot, lots):
    """Fill a resting order at the head of its queue, from what it shows. Returns what its level shows."""
    row = order_at(s, slot)
    level = level_at(s, row.level_slot)
    level.leaves_lots -= lots
    row.leaves_lots -= lots
    row.filled_lots += lots
    if row.flags & EXEC_ICEBERG:
        detail_at(s, slot).shown_lots -= lots
    return level.leaves_lots - level.hidden_lots


@rare
def refill(s, slot):
    """Show an iceberg's next part, at the back of its own queue. Returns what its level shows."""
    row, detail = order_at(s, slot), detail_at(s, slot)
    level_slot = np.int64(row.level_slot)
    level = level_at(s, level_slot)
    if level.orders > 1:
        _unlink(s, level_slot, slot)
        _enqueue(s, level_slot, slot, _is_affiliated(s, slot))
    detail.shown_lots = min(detail.display_lots, row.leaves_lots)
    level.hidden_lots -= detail.shown_lots
    return level.leaves_lots - level.hidden_lots


@rare
def _yield_level(s, level_slot, account_slot):
    """Move an account's orders among a level's clients behind all its orders, in their order, and tag them."""
    level = level_at(s, level_slot)
    slot = np.int64(level.head_slot)
    while slot != NIL and order_at(s, slot).flags & EXEC_AFFILIATE == 0:
        row = order_at(s, slot)
        behind = np.int64(row.next_slot)
        if position_at(s, row.position_slot).account_slot == account_slot:
            if level.orders > 1:
                _unlink(s, level_slot, slot)
                _append(s, level_slot, slot)
            row.flags |= EXEC_AFFILIATE
            level.affiliated_head_slot = slot if level.affiliated_head_slot == NIL else level.affiliated_head_slot
        slot = behind


@rare
def yield_places(s, account_slot):
    """An account has become an affiliate: its resting orders yield to every client at their prices, at once.

    An account's list is by age and not by place, so each level where it rests is walked, once. That is no more than
    one pass over the book, as often as two officers tag an account.
    """
    position_slot = np.int64(account_at(s, account_slot).positions_head)
    while position_slot != NIL:
        slot = np.int64(position_at(s, position_slot).own_head_slot)
        while slot != NIL:
            row = order_at(s, slot)
            if row.flags & (EXEC_AFFILIATE | EXEC_CONDITIONAL) == 0 and row.level_slot != NIL:
                _yield_level(s, row.level_slot, account_slot)
            slot = np.int64(own_at(s, slot).next_slot)
        position_slot = np.int64(position_at(s, position_slot).next_slot)


@inlined
def best_price(s, contract_slot, side):
    """The first price of a side, NIL when it is empty."""
    return np.int64(ladder_at(s, ladder_of(contract_slot, side)).first_key)


@kernel
def next_level(s, level_slot):
    """The level that follows in its ladder's direction, NIL at the end."""
    level = level_at(s, level_slot)
    return ladder.after(s, level.ladder_slot, level.leaf_node, level.price_ticks)


@kernel
def reset_contract(s, contract_slot):
    """Empty ladders for a new contract: bids and asks, then rising and falling triggers of each price source."""
    base = contract_slot * LADDERS_PER_CONTRACT
    ladder.reset(s, base + Side.BUY - 1, -1)
    ladder.reset(s, base + Side.SELL - 1, 1)
    for pair in range(1, LADDERS_PER_CONTRACT // 2):
        ladder.reset(s, base + 2 * pair, 1)
        ladder.reset(s, base + 2 * pair + 1, -1)
    contract = contract_at(s, contract_slot)
    contract.trailing_head_slot = NIL
    contract.trailing_tail_slot = NIL
