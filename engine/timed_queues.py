"""What waits for an instant or moves with a price: orders by the second at which they expire, accounts by the second of
their next lapse, trailing stops by contract. Mechanism only.

The seconds are levels of two ladders, whose queues are linked in the rows of details and accounts.
"""

from engine import book, ladder
from engine.codes import NIL
from engine.kernels import kernel, rare
from engine.row_access import account_at, contract_at, detail_at, level_at
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


@kernel
def join_lapse(s, account_slot):
    """Queue an account at the second of its next lapse, behind those that came before it."""
    account = account_at(s, account_slot)
    level_slot = _level_for(s, LAPSE_LADDER, account.lapse_s)
    level = level_at(s, level_slot)
    account.lapse_next_slot = NIL
    account.lapse_prev_slot = level.tail_slot
    if level.tail_slot == NIL:
        level.head_slot = account_slot
    else:
        account_at(s, level.tail_slot).lapse_next_slot = account_slot
    level.tail_slot = account_slot
    level.orders += 1


@kernel
def leave_lapse(s, account_slot):
    """Take an account out of the lapses."""
    account = account_at(s, account_slot)
    level_slot = ladder.find(s, LAPSE_LADDER, account.lapse_s)
    level = level_at(s, level_slot)
    if account.lapse_prev_slot == NIL:
        level.head_slot = account.lapse_next_slot
    else:
        account_at(s, account.lapse_prev_slot).lapse_next_slot = account.lapse_next_slot
    if account.lapse_next_slot == NIL:
        level.tail_slot = account.lapse_prev_slot
    else:
        account_at(s, account.lapse_next_slot).lapse_prev_slot = account.lapse_prev_slot
    account.lapse_s = 0
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
