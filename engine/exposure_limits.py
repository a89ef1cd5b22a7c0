"""Row 19: how much an account, its group and the whole contract may have open; the worst case counts.

The worst case of a position is that all open orders of one side are filled and none of the other. A position of the
other side is no credit: a reduce-only order may close it before these orders trade.
"""

import numpy as np

from engine import book, margin
from engine.code_values import EXEC_CONDITIONAL
from engine.codes import NIL, AccountAttribute, Reason, Stage
from engine.eligibility import skips_client_rules
from engine.kernels import inlined, kernel, rare
from engine.row_access import (
    account_at,
    client_at,
    contract_at,
    group_at,
    group_limit_at,
    of_side,
    position_at,
    profile_at,
)
from engine.units import INT64_MAX, against


@kernel
def _worst_lots(position):
    """The largest size that a position can reach with its open orders, whichever side."""
    size = np.int64(position.size_lots)
    return max(max(size, 0) + position.buy_lots, max(-size, 0) + position.sell_lots)


@inlined
def own_worst_lots(s, taker):
    """What the taker's account would hold in its contract on the taker's side, all its orders of that side filled."""
    worst = taker.leaves_lots - taker.old_leaves_lots
    if taker.position_slot == NIL:
        return worst
    position = position_at(s, taker.position_slot)
    return worst + of_side(position, taker.side).buy_lots + max(against(taker.side, position.size_lots), 0)


@kernel
def _either_side_lots(s, worst_lots):
    """The larger of the taker's side and of the side that its account could reach before."""
    if s.taker.position_slot == NIL:
        return worst_lots
    return max(worst_lots, _worst_lots(position_at(s, s.taker.position_slot)))


@rare
def _group_limit_lots(s, group, contract_slot):
    """The most that a group may hold in a contract, 0 for no limit."""
    place = group_at(s, group).limits_head
    while place != NIL:
        limit = group_limit_at(s, place)
        if limit.contract_slot == contract_slot:
            return np.int64(limit.max_lots)
        place = limit.next_place
    return np.int64(0)


@rare
def _group_reason(s, worst_lots):
    """The worst cases of all accounts of a group, added up without netting, stay within its limit."""
    taker = s.taker
    limit = _group_limit_lots(s, taker.group, taker.contract_slot)
    if limit == 0:
        return Reason.NONE
    total = _either_side_lots(s, worst_lots)
    member = np.int64(group_at(s, taker.group).members_head)
    while member != NIL:
        if member != taker.account_slot:
            slot = book.find_position(s, member, taker.contract_slot)
            if slot != NIL:
                total += _worst_lots(position_at(s, slot))
        member = np.int64(account_at(s, member).group_next_slot)
    return Reason.GROUP_POSITION_LIMIT if total > limit else Reason.NONE


@rare
def _left_micros(s, account_slot, left):
    """What of an exposure the worst cases of an account's contracts leave, at the mark and without the taker's own."""
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL and left >= 0:
        position = position_at(s, slot)
        if slot != s.taker.position_slot:
            left -= margin.notional_micros(contract_at(s, position.contract_slot), _worst_lots(position))
        slot = np.int64(position.next_slot)
    return left


@rare
def _exposure_reason(s, contract, worst_lots):
    """The account's worst cases stay within its limit, and those of all its client's accounts within the client's."""
    account_slot = np.int64(s.taker.account_slot)
    asked = margin.notional_micros(contract, _either_side_lots(s, worst_lots))
    if _left_micros(s, account_slot, account_at(s, account_slot).max_exposure_micros - asked) < 0:
        return Reason.EXPOSURE_LIMIT
    client = profile_at(s, account_slot).values[AccountAttribute.CLIENT]
    if client == 0 or client_at(s, client).max_exposure_micros == 0:
        return Reason.NONE
    left, member = client_at(s, client).max_exposure_micros - asked, np.int64(client_at(s, client).members_head)
    while member != NIL and left >= 0:
        left = _left_micros(s, member, left)
        member = np.int64(account_at(s, member).client_next_slot)
    return Reason.EXPOSURE_LIMIT if left < 0 else Reason.NONE


@rare
def _leverage_reason(s, contract):
    """The leverage that the account works with is within its own cap."""
    taker = s.taker
    account = account_at(s, taker.account_slot)
    chosen = np.int64(0)
    if taker.position_slot != NIL:
        chosen = np.int64(position_at(s, taker.position_slot).leverage)
    leverage = chosen if chosen != 0 else contract.bracket_leverage[0]
    return Reason.LEVERAGE_LIMIT if leverage > account.max_leverage else Reason.NONE


@inlined
def own_reason(s, taker, contract):
    """How many orders the account may have, and how large its position in this contract may get."""
    account = account_at(s, taker.account_slot)
    if taker.stage == Stage.NEW and account.open_orders >= account.max_open_orders:
        return Reason.TOO_MANY_ORDERS
    if taker.flags & EXEC_CONDITIONAL == 0 and own_worst_lots(s, taker) > contract.max_position_lots:
        return Reason.POSITION_LIMIT
    return Reason.NONE


@inlined
def account_asks_more(s, taker):
    """Whether there may be a limit on the account's group or on its exposure."""
    return (taker.group != 0 and group_at(s, taker.group).limits_head != NIL) or account_at(
        s, taker.account_slot
    ).max_exposure_micros != INT64_MAX


@inlined
def contract_asks_more(s, taker, contract):
    """Whether there may be a limit on the whole contract or on the leverage of this account in it."""
    max_leverage = account_at(s, taker.account_slot).max_leverage
    return contract.max_open_interest_lots != 0 or (max_leverage != 0 and not contract.margin_free)


@kernel
def _further_reason(s, contract):
    """The limits on a group, on an account's exposure, on the whole contract and on leverage."""
    taker = s.taker
    account, worst = account_at(s, taker.account_slot), own_worst_lots(s, taker)
    reason = Reason.NONE
    if taker.group != 0 and group_at(s, taker.group).limits_head != NIL:
        reason = _group_reason(s, worst)
    if reason == Reason.NONE and account.max_exposure_micros != INT64_MAX:
        if not skips_client_rules(account.investor_class):
            reason = _exposure_reason(s, contract, worst)
    if reason != Reason.NONE:
        return reason
    if contract.max_open_interest_lots != 0:
        if contract.open_interest_lots + taker.leaves_lots > contract.max_open_interest_lots:
            return Reason.OPEN_INTEREST_CAP
    if account.max_leverage != 0 and not contract.margin_free:
        return _leverage_reason(s, contract)
    return Reason.NONE


@inlined
def opening_reason(s, contract):
    """Row 19 for the order in `s.taker`, which opens. One that only waits for its trigger counts as an order alone."""
    taker = s.taker
    reason = own_reason(s, taker, contract)
    if reason == Reason.NONE and taker.flags & EXEC_CONDITIONAL == 0:
        if account_asks_more(s, taker) or contract_asks_more(s, taker, contract):
            return _further_reason(s, contract)
    return reason
