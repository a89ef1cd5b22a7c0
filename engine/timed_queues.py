"""What waits for an instant or moves with a price: orders by the second at which they expire, accounts and persons by
the second of their next lapse, trailing stops by contract. Mechanism only.

The seconds are levels of three ladders, whose queues are linked in the rows of details and lapses.
"""

from engine import book, ladder
from engine.codes import NIL
from engine.kernels import inlined, kernel, rare
from engine.row_access import account_lapse_at, contract_at, detail_at, level_at, person_lapse_at
from engine.schema import EXPIRY_LADDER, LAPSE_LADDER


@kernel
def _level_for(s, ladder_slot, key):
    """The level at a key; if it is missing, a new one without orders."""
    leaf = ladder.leaf_for(s, ladder_slot, key)
    slot = ladder.at(s, leaf, key)
    if slot == NIL:
        slot = book.take_level(s, ladder_slot, leaf, key)
        book.empty_level(level_at(s, slot))
    return slot


@rare
def join_expiry(s, slot):
    """Queue an order at the second of its expiry, behind those that came before it."""
    detail = detail_at(s, slot)
    level_slot = _level_for(s, EXPIRY_LADDER, detail.expire_s)
    level = level_at(s, level_slot)
    detail.expire_next_slot = NIL
    detail.expire_prev_slot = level.tail_slot
    if level.tail_slot == NIL:
        level.head_slot = slot
    else:
        detail_at(s, level.tail_slot).expire_next_slot = slot
    level.tail_slot = slot
    level.orders += 1


@rare
def leave_expiry(s, slot):
    """Take an order out of its expiry queue."""
    detail = detail_at(s, slot)
    level_slot = ladder.find(s, EXPIRY_LADDER, detail.expire_s)
    level = level_at(s, level_slot)
    if detail.expire_prev_slot == NIL:
        level.head_slot = detail.expire_next_slot
    else:
        detail_at(s, detail.expire_prev_slot).expire_next_slot = detail.expire_next_slot
    if detail.expire_next_slot == NIL:
        level.tail_slot = detail.expire_prev_slot
    else:
        detail_at(s, detail.expire_next_slot).expire_prev_slot = detail.expire_prev_slot
    level.orders -= 1
    if level.orders == 0:
        book.drop_level(s, level_slot)


@inlined
def lapse_at(s, ladder_slot, slot):
    """When an account (LAPSE_LADDER) or a person (PERSON_LADDER) next loses something."""
    if ladder_slot == LAPSE_LADDER:
        return account_lapse_at(s, slot)
    return person_lapse_at(s, slot)


@kernel
def join_lapse(s, ladder_slot, slot, second):
    """Queue an account or a person at the second of its next lapse, behind those that came before it."""
    level_slot = _level_for(s, ladder_slot, second)
    level, lapse = level_at(s, level_slot), lapse_at(s, ladder_slot, slot)
    lapse.second = second
    lapse.next_slot = NIL
    lapse.prev_slot = level.tail_slot
    if level.tail_slot == NIL:
        level.head_slot = slot
    else:
        lapse_at(s, ladder_slot, level.tail_slot).next_slot = slot
    level.tail_slot = slot
    level.orders += 1


@kernel
def leave_lapse(s, ladder_slot, slot):
    """Take an account or a person out of the lapses, if it is there."""
    lapse = lapse_at(s, ladder_slot, slot)
    if lapse.second == 0:
        return
    level_slot = ladder.find(s, ladder_slot, lapse.second)
    level = level_at(s, level_slot)
    if lapse.prev_slot == NIL:
        level.head_slot = lapse.next_slot
    else:
        lapse_at(s, ladder_slot, lapse.prev_slot).next_slot = lapse.next_slot
    if lapse.next_slot == NIL:
        level.tail_slot = lapse.prev_slot
    else:
        lapse_at(s, ladder_slot, lapse.next_slot).prev_slot = lapse.prev_slot
    lapse.second = 0
    level.orders -= 1
    if level.orders == 0:
        book.drop_level(s, level_slot)


@kernel
def join_trailing(s, slot, contract_slot):
    """Append a trailing stop to its contract's list."""
    contract, detail = contract_at(s, contract_slot), detail_at(s, slot)
    tail = contract.trailing_tail_slot
    detail.trail_next_slot = NIL
    detail.trail_prev_slot = tail
    if tail == NIL:
        contract.trailing_head_slot = slot
    else:
        detail_at(s, tail).trail_next_slot = slot
    contract.trailing_tail_slot = slot
    contract.trailing_orders += 1


@rare
def leave_trailing(s, slot, contract_slot):
    """Take a trailing stop out of its contract's list."""
    contract, detail = contract_at(s, contract_slot), detail_at(s, slot)
    behind, ahead = detail.trail_next_slot, detail.trail_prev_slot
    if ahead == NIL:
        contract.trailing_head_slot = behind
    else:
        detail_at(s, ahead).trail_next_slot = behind
    if behind == NIL:
        contract.trailing_tail_slot = ahead
    else:
        detail_at(s, behind).trail_prev_slot = ahead
    contract.trailing_orders -= 1
