"""Every invariant of the rulebook and of the data structures, checked from the state alone.

`check(root)` costs one walk over what is in use. Tests call it after every command; an operator may call it on any
snapshot. It reads the state through its own eyes: none of the functions that maintain it is used.
"""

from typing import Any

import numpy as np

from engine import owner_invariants
from engine.batch_end import collateral_micros, lowest_equity_micros
from engine.code_values import EXEC_AFFILIATE, EXEC_CONDITIONAL, EXEC_ICEBERG, EXEC_REDUCE_ONLY
from engine.codes import (
    NIL,
    AccountAttribute,
    Affiliation,
    InvestorClass,
    MarketState,
    OrdType,
    Restriction,
    Side,
    TimeInForce,
    Violation,
)
from engine.kernels import entry, kernel
from engine.row_access import (
    account_at,
    account_lapse_at,
    cell_at,
    child_at,
    collateral_at,
    contract_at,
    detail_at,
    job_at,
    ladder_at,
    level_at,
    node_at,
    order_at,
    own_at,
    person_lapse_at,
    position_at,
    profile_at,
)
from engine.schema import COLLATERAL_ASSETS, EXPIRY_LADDER, LADDERS_PER_CONTRACT, LAPSE_LADDER, MAX_JOBS, PERSON_LADDER
from engine.units import SUBTICKS

_LOOKS_AT_ALL = 2
"""The gate word that lets no order pass unseen."""


class AuditError(Exception):
    """An invariant does not hold."""


# --- queues and ladders -------------------------------------------------------------------------------------------


@kernel
def _find(s, ladder_slot, key):
    """The slot at a key, by a plain walk from the root."""
    ladder_row = ladder_at(s, ladder_slot)
    node = np.int64(ladder_row.root)
    shift = 6 * (np.int64(ladder_row.height) - 1)
    while node != NIL:
        bit = (key >> shift) & 63
        if (node_at(s, node).bitmap >> bit) & 1 == 0:
            return np.int64(NIL)
        node = np.int64(child_at(node_at(s, node), bit).slot)
        if shift == 0:
            return node
        shift -= 6
    return np.int64(NIL)


@kernel
def _is_tagged(s, order):
    """Whether an order's account is no client's now."""
    return account_at(s, position_at(s, order.position_slot).account_slot).affiliation != Affiliation.CLIENT


@kernel
def _queue_fault(s, level_slot, untriggered):
    """Check one level's queue: links, sums and that each order belongs here."""
    level = level_at(s, level_slot)
    count, leaves, hidden = 0, np.int64(0), np.int64(0)
    slot, before, affiliated_head = np.int64(level.head_slot), np.int64(NIL), np.int64(NIL)
    while slot != NIL:
        order = order_at(s, slot)
        if order.prev_slot != before or order.level_slot != level_slot:
            return Violation.QUEUE_LINK
        conditional = order.flags & EXEC_CONDITIONAL != 0
        price = detail_at(s, slot).trigger_price_ticks if conditional else np.int64(order.price_ticks)
        if order.order_id == 0 or order.leaves_lots <= 0 or conditional != (untriggered != 0):
            return Violation.ORDER_MISPLACED
        if price != level.price_ticks:
            return Violation.ORDER_MISPLACED
        if not conditional:
            if order.flags & EXEC_AFFILIATE:
                affiliated_head = slot if affiliated_head == NIL else affiliated_head
            elif affiliated_head != NIL or _is_tagged(s, order):
                return Violation.AFFILIATE_BEFORE_CLIENT
        count += 1
        leaves += order.leaves_lots
        if order.flags & EXEC_ICEBERG:
            hidden += order.leaves_lots - detail_at(s, slot).shown_lots
        before = slot
        slot = np.int64(order.next_slot)
    if level.tail_slot != before or level.orders != count or count == 0:
        return Violation.QUEUE_LINK
    if level.affiliated_head_slot != affiliated_head:
        return Violation.AFFILIATE_BEFORE_CLIENT
    if level.leaves_lots != leaves or level.hidden_lots != hidden or hidden < 0:
        return Violation.LEVEL_SUM
    return Violation.NONE


@kernel
def _expiry_fault(s, level_slot):
    """Check one second's queue of orders to expire."""
    level = level_at(s, level_slot)
    count, slot, before = 0, np.int64(level.head_slot), np.int64(NIL)
    while slot != NIL:
        detail, order = detail_at(s, slot), order_at(s, slot)
        if detail.expire_prev_slot != before or detail.expire_s != level.price_ticks:
            return Violation.EXPIRY
        if order.order_id == 0 or order.tif != TimeInForce.GTD:
            return Violation.EXPIRY
        count += 1
        before = slot
        slot = np.int64(detail.expire_next_slot)
    if level.tail_slot != before or level.orders != count or count == 0:
        return Violation.EXPIRY
    return Violation.NONE


@kernel
def _lapse_fault(s, level_slot):
    """Check one second's queue of accounts whose standing ends, or of persons whose knowledge does."""
    level = level_at(s, level_slot)
    count, slot, before = 0, np.int64(level.head_slot), np.int64(NIL)
    while slot != NIL:
        lapse = account_lapse_at(s, slot) if level.ladder_slot == LAPSE_LADDER else person_lapse_at(s, slot)
        if lapse.prev_slot != before or lapse.second != level.price_ticks:
            return Violation.LAPSE
        count += 1
        before = slot
        slot = np.int64(lapse.next_slot)
    if level.tail_slot != before or level.orders != count or count == 0:
        return Violation.LAPSE
    return Violation.NONE


@kernel
def _level_fault(s, level_slot, kind):
    """Check one queue; kind 0 of a book side, 1 of triggers, 2 of expiries, 3 of lapses."""
    if kind == 2:
        return _expiry_fault(s, level_slot)
    return _lapse_fault(s, level_slot) if kind == 3 else _queue_fault(s, level_slot, kind)


@kernel
def _next_key(s, ladder_slot, key):
    """The next key in a ladder's direction, by probing the trie's words; NIL at the end. `key` NIL starts."""
    ladder_row = ladder_at(s, ladder_slot)
    node = np.int64(ladder_row.root)
    if node == NIL:
        return np.int64(NIL)
    # Walk down along the key; remember the nearest sibling that comes after it, then descend from there.
    up = ladder_row.direction > 0
    prefix, shift = np.int64(0), 6 * (np.int64(ladder_row.height) - 1)
    branch_node, branch_prefix, branch_shift = np.int64(NIL), np.int64(0), np.int64(0)
    following = key != NIL
    while True:
        found = np.int64(NIL)
        here = (key >> shift) & 63 if following else np.int64(NIL)
        for step in range(64):
            bit = np.int64(step if up else 63 - step)
            after = not following or (bit > here if up else bit < here)
            if after and (node_at(s, node).bitmap >> bit) & 1:
                found = bit
                break
        if found != NIL and shift == 0:
            return (prefix << 6) | found
        if found != NIL:
            branch_node = np.int64(child_at(node_at(s, node), found).slot)
            branch_prefix = (prefix << 6) | found
            branch_shift = shift - 6
        if following and shift > 0:
            node = np.int64(child_at(node_at(s, node), here).slot)
            prefix = (prefix << 6) | here
            shift -= 6
        elif branch_node != NIL:
            node, prefix, shift = branch_node, branch_prefix, branch_shift
            branch_node = np.int64(NIL)
            following = False
        else:
            return np.int64(NIL)


@kernel
def _ladder_fault(s, ladder_slot, kind):
    """Check one ladder and every queue in it, of a kind that `_level_fault` knows."""
    ladder_row = ladder_at(s, ladder_slot)
    key, count = _next_key(s, ladder_slot, NIL), 0
    if ladder_row.first_key != key:
        return Violation.LADDER_ORDER
    while key != NIL:
        level_slot = _find(s, ladder_slot, key)
        if level_slot == NIL:
            return Violation.LEVEL_UNREACHABLE
        level = level_at(s, level_slot)
        if level.price_ticks != key or level.ladder_slot != ladder_slot:
            return Violation.LEVEL_UNREACHABLE
        if count == 0 and ladder_row.first_slot != level_slot:
            return Violation.LADDER_ORDER
        fault = _level_fault(s, level_slot, kind)
        if fault != Violation.NONE:
            return fault
        count += 1
        following = _next_key(s, ladder_slot, key)
        if following != NIL and (following - key) * ladder_row.direction <= 0:
            return Violation.LADDER_ORDER
        key = following
    if ladder_row.entries != count:
        return Violation.LADDER_COUNT
    return Violation.NONE


@kernel
def _contract_fault(s, slot):
    """Check a contract's ladders, that its book is not crossed, and how many orders wait for triggers."""
    base = slot * LADDERS_PER_CONTRACT
    for place in range(LADDERS_PER_CONTRACT):
        fault = _ladder_fault(s, base + place, 0 if place < 2 else 1)
        if fault != Violation.NONE:
            return fault
    bid, ask = ladder_at(s, base).first_key, ladder_at(s, base + 1).first_key
    if bid != NIL and ask != NIL and bid >= ask:
        return Violation.BOOK_CROSSED
    waiting, trailing = 0, 0
    for order_slot in range(s.orders_used):
        order = order_at(s, order_slot)
        if order.order_id != 0 and order.flags & EXEC_CONDITIONAL:
            if position_at(s, order.position_slot).contract_slot == slot:
                waiting += 1
                trailing += 1 if order.ord_type == OrdType.TRAILING_STOP else 0
    contract = contract_at(s, slot)
    if contract.untriggered_orders != waiting or contract.trailing_orders != trailing:
        return Violation.UNTRIGGERED
    return Violation.NONE


# --- positions and accounts ---------------------------------------------------------------------------------------


@kernel
def _position_fault(s, slot):
    """Check the sums of a position's open orders against the orders themselves."""
    position = position_at(s, slot)
    buy, sell, buy_sum, sell_sum, loss = np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    reduce_only, reduce_only_orders = np.int64(0), 0
    order_slot, before = np.int64(position.own_head_slot), np.int64(NIL)
    while order_slot != NIL:
        order = order_at(s, order_slot)
        if own_at(s, order_slot).prev_slot != before or order.position_slot != slot or order.order_id == 0:
            return Violation.OWN_LINK
        if order.flags & (EXEC_CONDITIONAL | EXEC_REDUCE_ONLY) == EXEC_REDUCE_ONLY:
            reduce_only += order.leaves_lots
            reduce_only_orders += 1
            if order.side == (Side.BUY if position.size_lots > 0 else Side.SELL):
                return Violation.REDUCE_ONLY_EXCESS
        elif order.flags & EXEC_CONDITIONAL == 0:
            price = np.int64(order.price_ticks) * SUBTICKS
            if order.side == Side.BUY:
                buy += order.leaves_lots
                buy_sum += price * order.leaves_lots
            else:
                sell += order.leaves_lots
                sell_sum += (price + order.loss_subticks) * order.leaves_lots
            loss += order.loss_subticks * order.leaves_lots
        before = order_slot
        order_slot = np.int64(own_at(s, order_slot).next_slot)
    if position.own_tail_slot != before:
        return Violation.OWN_LINK
    if position.buy_lots != buy or position.sell_lots != sell or position.loss_subtick_lots != loss:
        return Violation.OPEN_SUMS
    if position.buy_subtick_lots != buy_sum or position.sell_subtick_lots != sell_sum:
        return Violation.OPEN_SUMS
    if position.reduce_only_lots != reduce_only or position.reduce_only_orders != reduce_only_orders:
        return Violation.OPEN_SUMS
    if reduce_only > abs(position.size_lots):
        return Violation.REDUCE_ONLY_EXCESS
    if position.size_lots == 0 and position.entry_cost_micros != 0:
        return Violation.ENTRY_COST_WITHOUT_POSITION
    return Violation.NONE


@kernel
def _is_held(s, account_slot, opens):
    """Whether the operator lets none of an account's orders trade, or none that opens."""
    account = account_at(s, account_slot)
    restriction = account.restriction
    if restriction == Restriction.FROZEN or restriction == Restriction.CLOSED:
        return True
    return opens and (restriction != Restriction.NONE or account.killed != 0)


@kernel
def _may_open_in(s, slot, contract_slot):
    """Whether a contract lets an account open: its state, and its disclosures."""
    values, contract = profile_at(s, slot).values, contract_at(s, contract_slot)
    affiliation = account_at(s, slot).affiliation
    if contract.state == MarketState.REDUCE_ONLY:
        return False
    if affiliation == Affiliation.OPERATOR or affiliation == Affiliation.CUSTODY:
        return False
    if contract.affiliate_present and values[AccountAttribute.DISCLOSURE_AFFILIATE] < contract.disclosure_affiliate:
        return False
    if values[AccountAttribute.DISCLOSURE_PRODUCT] < contract.disclosure_product:
        return False
    return values[AccountAttribute.DISCLOSURE_LOSS] >= contract.disclosure_loss


@kernel
def _is_by_one_who_knows(s, account_slot, order_slot):
    """Whether who placed an order knows derivatives, or need not; while a lapse is still to come, they do."""
    account, person = account_at(s, account_slot), np.int64(own_at(s, order_slot).person)
    if s.institutions_skip_knowledge and account.investor_class == InvestorClass.INSTITUTIONAL:
        return True
    if person < 0 or person >= s.persons_used:
        return False
    return s.now_ns < s.persons[person] or person_lapse_at(s, person).second != 0


@kernel
def _has_standing(s, slot):
    """Whether an account's dates have not passed and nothing was taken from it: what any opening order needs."""
    if account_lapse_at(s, slot).second != 0:
        return True
    values = profile_at(s, slot).values
    until_ns = min(values[AccountAttribute.KYC_UNTIL_NS], values[AccountAttribute.SCREENING_UNTIL_NS])
    until_ns = min(until_ns, values[AccountAttribute.EVIDENCE_UNTIL_NS])
    until_ns = min(until_ns, values[AccountAttribute.CONFIRMATION_UNTIL_NS])
    given = values[AccountAttribute.JURISDICTION_PERMITTED] != 0 and values[AccountAttribute.AGREEMENT] != 0
    given = given and account_at(s, slot).investor_class != InvestorClass.NONE
    return s.now_ns < until_ns and given and values[AccountAttribute.PI_WITHDRAWN] == 0


@kernel
def _eligibility_fault(s, slot):
    """Check that who has lost its standing keeps no order that opens, once its lapse and the mass cancels are done."""
    if s.jobs_count != 0:
        return Violation.NONE
    has_standing = _has_standing(s, slot)
    position_slot = np.int64(account_at(s, slot).positions_head)
    while position_slot != NIL:
        order_slot = np.int64(position_at(s, position_slot).own_head_slot)
        may_open = has_standing and _may_open_in(s, slot, position_at(s, position_slot).contract_slot)
        while order_slot != NIL:
            opens = order_at(s, order_slot).flags & EXEC_REDUCE_ONLY == 0
            if _is_held(s, slot, opens):
                return Violation.TRADES_WHILE_HELD
            if opens and not (may_open and _is_by_one_who_knows(s, slot, order_slot)):
                return Violation.OPENS_WITHOUT_STANDING
            order_slot = np.int64(own_at(s, order_slot).next_slot)
        position_slot = np.int64(position_at(s, position_slot).next_slot)
    return Violation.NONE


@kernel
def _jobs_fault(s, slot):
    """Check that what an account's mass cancels in the queue take is looked at closely; NIL: those of all accounts."""
    count = 0
    for ahead in range(s.jobs_count):
        count += 1 if job_at(s, (s.jobs_head + ahead) % MAX_JOBS).account_slot == slot else 0
    if slot == NIL:
        return Violation.NONE if s.jobs_wide == count else Violation.PENDING_JOBS
    account = account_at(s, slot)
    if account.pending_jobs != count or (count != 0 and account.gate != _LOOKS_AT_ALL):
        return Violation.PENDING_JOBS
    return Violation.NONE


@kernel
def _account_fault(s, slot):
    """Check an account's order count, and that nobody without a position owes anything."""
    account = account_at(s, slot)
    if account.state == 0:
        return Violation.NONE
    orders, exposed = 0, False
    position_slot = np.int64(account.positions_head)
    while position_slot != NIL:
        position = position_at(s, position_slot)
        exposed = exposed or position.size_lots != 0
        order_slot = np.int64(position.own_head_slot)
        while order_slot != NIL:
            orders += 1
            order_slot = np.int64(own_at(s, order_slot).next_slot)
        position_slot = np.int64(position.next_slot)
    if account.open_orders != orders:
        return Violation.OPEN_ORDERS
    waits_for_fund = account.liquidating and (account.has_collateral or s.fund_micros == 0)
    if not exposed and not waits_for_fund and account.cash_micros + collateral_micros(s, slot) < 0:
        return Violation.CASH_NEGATIVE_WITHOUT_POSITION
    if not account.liquidating and lowest_equity_micros(s, slot)[0] < 0:
        return Violation.EQUITY_NEGATIVE
    fault = _jobs_fault(s, slot)
    if fault == Violation.NONE:
        fault = Violation.NONE if owner_invariants.is_in_force(s, slot) else Violation.NOT_IN_FORCE
    return fault if fault != Violation.NONE else _eligibility_fault(s, slot)


@kernel
def _money_fault(s):
    """sum(cash) - sum(entry cost) + fund + fees = deposits - withdrawals, exactly; positions cancel per contract."""
    total = s.fund_micros + s.fees_micros - s.deposits_micros + s.withdrawals_micros
    for slot in range(s.accounts_used):
        total += account_at(s, slot).cash_micros
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        total += position.isolated_micros - position.entry_cost_micros
    if total != 0:
        return Violation.CASH_NOT_CONSERVED
    for place in range(COLLATERAL_ASSETS):
        units = collateral_at(s, place).fund_units - collateral_at(s, place).deposits_units
        for slot in range(s.accounts_used):
            held = account_at(s, slot).collateral_units[place]
            units += held
            if held < 0 or (held != 0 and account_at(s, slot).has_collateral == 0):
                return Violation.COLLATERAL_NOT_CONSERVED
        if units != 0:
            return Violation.COLLATERAL_NOT_CONSERVED
    if s.fund_micros < 0:
        return Violation.FUND_NEGATIVE
    for contract_slot in range(s.contracts_used):
        size, long = np.int64(0), np.int64(0)
        for slot in range(s.positions_used):
            position = position_at(s, slot)
            if position.contract_slot == contract_slot:
                size += position.size_lots
                long += max(position.size_lots, 0)
        if size != 0:
            return Violation.POSITIONS_DO_NOT_CANCEL
        if long != contract_at(s, contract_slot).open_interest_lots:
            return Violation.OPEN_INTEREST
    return Violation.NONE


# --- pools and maps -----------------------------------------------------------------------------------------------


@kernel
def _pool_fault(s):
    """Check that the free lists hold what is not in use, and that the id map names each named order once."""
    free, slot = np.int64(0), np.int64(s.orders_free_slot)
    while slot != NIL:
        free += 1
        slot = np.int64(order_at(s, slot).next_slot)
    live, named = np.int64(0), np.int64(0)
    for place in range(s.orders_used):
        order = order_at(s, place)
        live += 1 if order.order_id != 0 else 0
        named += 1 if order.order_id != 0 and order.cl_ord_id != 0 else 0
    if live != s.orders_live or live + free != s.orders_used:
        return Violation.LIVE_ORDERS
    free, slot = np.int64(0), np.int64(s.levels_free_slot)
    while slot != NIL:
        free += 1
        slot = np.int64(level_at(s, slot).next_slot)
    if s.levels_live + free != s.levels_used:
        return Violation.POOL
    free, slot = np.int64(0), np.int64(s.nodes_free_slot)
    while slot != NIL:
        free += 1
        slot = np.int64(node_at(s, slot).parent)
    if s.nodes_live + free != s.nodes_used:
        return Violation.POOL
    cells = np.int64(0)
    for size in (s.order_map.size, s.order_map.old_size):
        for place in range(size):
            cells += 1 if cell_at(s, s.order_map.base + size + place).word != 0 else 0
    if cells != named or s.order_map.live != named:
        return Violation.ID_MAP
    return Violation.NONE


@entry
def first_fault(root):
    """The first violation found and the slot of the row at fault: (Violation, slot)."""
    s = root[0]
    fault = _money_fault(s)
    if fault == Violation.NONE:
        fault = _pool_fault(s)
    if fault == Violation.NONE:
        fault = _ladder_fault(s, EXPIRY_LADDER, 2)
    if fault == Violation.NONE:
        fault = _ladder_fault(s, LAPSE_LADDER, 3)
    if fault == Violation.NONE:
        fault = _ladder_fault(s, PERSON_LADDER, 3)
    if fault == Violation.NONE:
        fault = _jobs_fault(s, NIL)
    if fault != Violation.NONE:
        return fault, np.int64(NIL)
    for slot in range(s.contracts_used):
        fault = _contract_fault(s, slot)
        if fault != Violation.NONE:
            return fault, np.int64(slot)
    for slot in range(s.positions_used):
        fault = _position_fault(s, slot)
        if fault != Violation.NONE:
            return fault, np.int64(slot)
    for client in range(1, s.clients_used):
        if not owner_invariants.has_its_members(s, client):
            return Violation.CLIENT_MEMBERS, np.int64(client)
    for slot in range(s.accounts_used):
        fault = _account_fault(s, slot)
        if fault != Violation.NONE:
            return fault, np.int64(slot)
    return fault, np.int64(NIL)


def check(root: Any) -> None:
    """Raise AuditError with the first invariant that does not hold; the state is only read."""
    fault, slot = first_fault(root)
    if fault != Violation.NONE:
        raise AuditError(f"{Violation(int(fault)).name.lower()} at slot {int(slot)}")
