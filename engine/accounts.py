"""Commands about accounts, the persons who trade for them, their groups, and what affiliates are approved for."""

import numpy as np

from engine import admission, book, cancel_queue, clients, eligibility, eligibility_lapses, events, money
from engine.codes import (
    NIL,
    AccountAttribute,
    Affiliation,
    EventKind,
    InvestorClass,
    MarketState,
    Reason,
    Restriction,
    SelfTrade,
    Switch,
)
from engine.kernels import kernel
from engine.row_access import (
    account_at,
    approval_at,
    contract_at,
    group_at,
    group_limit_at,
    job_at,
    position_at,
    profile_at,
)
from engine.schema import ATTRIBUTES, MAX_APPROVALS, MAX_GROUP_LIMITS, MAX_GROUP_MEMBERS
from engine.units import INT64_MAX, MAX_LOTS

DEFAULT_MAX_OPEN_ORDERS = 1000
MAX_LEVERAGE = 1_000_000
_LAST_ATTRIBUTE = int(max(AccountAttribute))


# --- accounts -----------------------------------------------------------------------------------------------------


@kernel
def open_account(s, d):
    """Open an account in a slot that never had one, with an investor class and nothing else."""
    slot = np.int64(d.account_slot)
    if slot < 0 or slot >= s.accounts_capacity:
        return events.refused(s, d, Reason.CAPACITY)
    if account_at(s, slot).state != 0:
        return events.refused(s, d, Reason.ALREADY_EXISTS)
    s.accounts_used = max(s.accounts_used, slot + 1)
    account = account_at(s, slot)
    account.state = admission.OPEN_ACCOUNT
    account.positions_head = NIL
    account.position_slot = NIL
    account.queue_next_slot = NIL
    account.group_next_slot = NIL
    account.group_prev_slot = NIL
    account.max_open_orders = DEFAULT_MAX_OPEN_ORDERS
    account.client_next_slot = NIL
    account.investor_class = min(max(d.value, 0), 4)
    clients.put_in_force(s, slot)
    profile_at(s, slot).values[AccountAttribute.INVESTOR_CLASS] = account.investor_class
    eligibility.set_gate(s, slot)
    events.directive_notice(s, EventKind.ACCOUNT_OPENED, d)


@kernel
def _highest_value(s, code):
    """The largest value that an attribute may have."""
    if code == AccountAttribute.RESTRICTION:
        return np.int64(Restriction.CLOSED)
    if code == AccountAttribute.INVESTOR_CLASS:
        return np.int64(InvestorClass.INSTITUTIONAL)
    if code == AccountAttribute.SELF_TRADE_MODE:
        return np.int64(SelfTrade.DECREMENT)
    if code == AccountAttribute.AFFILIATION:
        return np.int64(Affiliation.CUSTODY)
    if code == AccountAttribute.GROUP:
        return s.groups_capacity - 1
    if code == AccountAttribute.MAX_OPEN_ORDERS:
        return s.orders_capacity
    if code == AccountAttribute.MAX_LEVERAGE:
        return np.int64(MAX_LEVERAGE)
    return np.int64(INT64_MAX)


@kernel
def _has_position(s, account_slot):
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL and position_at(s, slot).size_lots == 0:
        slot = np.int64(position_at(s, slot).next_slot)
    return slot != NIL


@kernel
def _binds_closed_account(s, d):
    """Whether a closed account is to be bound to its client: what is in it is still the client's."""
    slot = d.account_slot
    if d.code != AccountAttribute.CLIENT or slot < 0 or slot >= s.accounts_used:
        return False
    return account_at(s, slot).state == admission.CLOSED_ACCOUNT


@kernel
def _attribute_reason(s, d):
    if not money.known_account(s, d.account_slot) and not _binds_closed_account(s, d):
        return Reason.UNKNOWN_ACCOUNT
    if d.code < 1 or d.code > _LAST_ATTRIBUTE or d.code >= ATTRIBUTES:
        return Reason.BAD_PARAMETER
    if d.value < 0 or d.value > _highest_value(s, d.code):
        return Reason.BAD_PARAMETER
    if d.code == AccountAttribute.RESTRICTION and d.value == Restriction.CLOSED:
        if _has_position(s, d.account_slot):
            return Reason.HAS_POSITION
        if profile_at(s, d.account_slot).values[d.code] == Restriction.FROZEN:
            return Reason.ACCOUNT_RESTRICTED
    if d.code == AccountAttribute.CLIENT:
        reason = clients.binding_reason(s, np.int64(d.account_slot), d.value)
        if reason != Reason.NONE:
            return reason
    if d.code == AccountAttribute.GROUP and d.value != 0 and d.value < s.groups_used:
        if account_at(s, d.account_slot).group != d.value and group_at(s, d.value).members >= MAX_GROUP_MEMBERS:
            return Reason.CAPACITY
    return Reason.NONE if eligibility_lapses.has_room(s, np.int64(d.account_slot)) else Reason.CAPACITY


@kernel
def set_attribute(s, d):
    """Set one attribute of an account; what it may do follows from all of them, at once."""
    reason = _attribute_reason(s, d)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    slot = np.int64(d.account_slot)
    values = profile_at(s, slot).values
    if d.code == AccountAttribute.CLIENT and values[d.code] == d.value:
        events.directive_notice(s, EventKind.ACCOUNT_CHANGED, d).old_value = d.value
        return
    eligibility_lapses.catch_up(s, slot)
    was = eligibility.client_reason(s, slot, eligibility.ANYONE)
    asked = eligibility.needs_person(s, account_at(s, slot))
    row = events.directive_notice(s, EventKind.ACCOUNT_CHANGED, d)
    row.old_value = values[d.code]
    values[d.code] = d.value
    if _holds(d.code):
        _hold(s, slot, d.code, d.value)
    elif d.code == AccountAttribute.AFFILIATION:
        _affiliate(s, slot, d.value)
    elif AccountAttribute.DISCLOSURE_PRODUCT <= d.code <= AccountAttribute.DISCLOSURE_AFFILIATE:
        eligibility_lapses.acknowledge(s, slot, d.code, row.old_value, d.value)
    else:
        _take_over(s, slot, d.code, d.value)
    eligibility.set_gate(s, slot)
    now = eligibility.client_reason(s, slot, eligibility.ANYONE)
    if was == Reason.NONE and now != Reason.NONE:
        eligibility_lapses.lose(s, slot, NIL, now)
    elif not asked and eligibility.needs_person(s, account_at(s, slot)):
        eligibility_lapses.ask_persons(s, slot)
    eligibility_lapses.schedule(s, slot)


@kernel
def _take_over(s, account_slot, code, value):
    """Attributes that the account's row keeps as well; a leverage of 0 lifts that limit."""
    account = account_at(s, account_slot)
    if code == AccountAttribute.GROUP:
        _join_group(s, account_slot, value)
    elif code == AccountAttribute.MAX_OPEN_ORDERS:
        account.max_open_orders = value
    elif code == AccountAttribute.MAX_EXPOSURE_MICROS:
        clients.put_in_force(s, account_slot)
    elif code == AccountAttribute.MAX_LEVERAGE:
        account.max_leverage = value
    elif code == AccountAttribute.SELF_TRADE_MODE:
        account.self_trade = value
    elif code == AccountAttribute.INVESTOR_CLASS:
        account.investor_class = value


@kernel
def _holds(code):
    """Whether an attribute says what the operator has put on an account, or whose it is: the client may be frozen."""
    return (
        code == AccountAttribute.RESTRICTION
        or code == AccountAttribute.KILL_SWITCH
        or code == AccountAttribute.REDUCING_STOPPED_UNTIL_NS
        or code == AccountAttribute.CLIENT
    )


@kernel
def _hold(s, account_slot, code, value):
    """What the operator puts on an account cancels what may not trade any more: all its orders, or those that open."""
    if code == AccountAttribute.RESTRICTION:
        closed = value == Restriction.CLOSED
        account_at(s, account_slot).state = admission.CLOSED_ACCOUNT if closed else admission.OPEN_ACCOUNT
    if code == AccountAttribute.CLIENT:
        clients.bind(s, account_slot, value)
    clients.put_in_force(s, account_slot)
    everything = eligibility.held_reason(s, account_slot, False)
    reason = eligibility.held_reason(s, account_slot, True)
    if reason != Reason.NONE:
        job = job_at(s, cancel_queue.add_opening(s, account_slot, NIL, reason))
        if everything != Reason.NONE:
            job.scope = cancel_queue.QUIET


@kernel
def _affiliate(s, account_slot, affiliation):
    """An account changes sides: what it had opened as what it was before goes, and so do its approvals.

    What stays yields to all clients from now on if the account is no client's any more; it gains nothing if it is.
    """
    account = account_at(s, account_slot)
    if account.affiliation == affiliation:
        return
    for place in range(s.approvals_used):
        if approval_at(s, place).account_slot == account_slot:
            approval_at(s, place).until_ns = 0
    account.affiliation = affiliation
    if eligibility.is_tagged(account):
        book.yield_places(s, account_slot)
    reason = Reason.ELIGIBILITY
    if affiliation == Affiliation.GROUP_COMPANY:
        reason = Reason.AFFILIATE_NOT_APPROVED
    elif affiliation != Affiliation.CLIENT:
        reason = Reason.AFFILIATE_PROHIBITED
    eligibility_lapses.lose(s, account_slot, NIL, np.int64(reason))


@kernel
def set_person(s, d):
    """Until when a person's derivatives knowledge counts."""
    person = np.int64(d.person)
    if person < 1 or person >= s.persons_capacity or d.value < 0:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    if not eligibility_lapses.has_person_room(s, person):
        return events.refused(s, d, Reason.CAPACITY)
    eligibility_lapses.catch_up_person(s, person)
    old = s.persons[person]
    row = events.directive_notice(s, EventKind.PERSON_CHANGED, d)
    row.old_value = old
    s.persons_used = max(s.persons_used, person + 1)
    s.persons[person] = d.value
    if old > s.now_ns and d.value <= s.now_ns:
        eligibility_lapses.lose_person(s, person)
    eligibility_lapses.schedule_person(s, person)


@kernel
def revoke_key(s, d):
    """A person has no key of this account any more: cancel what they placed for it that opens, and say how much."""
    if d.account_slot < 0 or d.account_slot >= s.accounts_used or account_at(s, d.account_slot).state == 0:
        return events.refused(s, d, Reason.UNKNOWN_ACCOUNT)
    if d.person < 1:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    if not cancel_queue.has_room(s):
        return events.refused(s, d, Reason.CAPACITY)
    events.directive_notice(s, EventKind.KEY_REVOKED, d)
    job = job_at(s, cancel_queue.add_opening(s, d.account_slot, NIL, Reason.KEY_REVOKED))
    job.person = d.person
    job.scope = cancel_queue.OPENING_ONLY


@kernel
def set_switch(s, d):
    """A client turns a dead-man's switch on or off. It is only told: no order and no money knows of it."""
    if d.account_slot < 0 or d.account_slot >= s.accounts_used or account_at(s, d.account_slot).state == 0:
        return events.refused(s, d, Reason.UNKNOWN_ACCOUNT)
    if d.code < Switch.COUNTDOWN or d.code > Switch.ACCOUNT or d.value < 0:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    events.directive_notice(s, EventKind.SWITCHED, d)


# --- groups -------------------------------------------------------------------------------------------------------


@kernel
def _use_group(s, group):
    """Make the rows of all groups up to this one."""
    while s.groups_used <= group:
        row = group_at(s, s.groups_used)
        row.members_head = NIL
        row.limits_head = NIL
        s.groups_used += 1


@kernel
def _join_group(s, account_slot, group):
    """Take an account out of its group and put it into another, 0 for none."""
    account = account_at(s, account_slot)
    if account.group == group:
        return
    if account.group != 0:
        ahead, behind = np.int64(account.group_prev_slot), np.int64(account.group_next_slot)
        if ahead == NIL:
            group_at(s, account.group).members_head = behind
        else:
            account_at(s, ahead).group_next_slot = behind
        if behind != NIL:
            account_at(s, behind).group_prev_slot = ahead
        group_at(s, account.group).members -= 1
    account.group = group
    account.group_prev_slot = NIL
    account.group_next_slot = NIL
    if group != 0:
        _use_group(s, group)
        row = group_at(s, group)
        account.group_next_slot = row.members_head
        if row.members_head != NIL:
            account_at(s, row.members_head).group_prev_slot = account_slot
        row.members_head = account_slot
        row.members += 1


@kernel
def _group_limit_place(s, group, contract_slot):
    place = np.int64(group_at(s, group).limits_head)
    while place != NIL and group_limit_at(s, place).contract_slot != contract_slot:
        place = np.int64(group_limit_at(s, place).next_place)
    return place


@kernel
def set_group_limit(s, d):
    """The most lots that all accounts of a group may hold in a contract in the worst case, 0 for no limit."""
    group = np.int64(d.index)
    if group < 1 or group >= s.groups_capacity or d.value < 0 or d.value > MAX_LOTS:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    if d.contract_slot < 0 or d.contract_slot >= s.contracts_used:
        return events.refused(s, d, Reason.UNKNOWN_CONTRACT)
    place = np.int64(NIL)
    if group < s.groups_used:
        place = _group_limit_place(s, group, d.contract_slot)
    if place == NIL and s.group_limits_used >= MAX_GROUP_LIMITS:
        return events.refused(s, d, Reason.CAPACITY)
    if place == NIL:
        _use_group(s, group)
        place = np.int64(s.group_limits_used)
        s.group_limits_used += 1
        limit = group_limit_at(s, place)
        limit.contract_slot = d.contract_slot
        limit.next_place = group_at(s, group).limits_head
        group_at(s, group).limits_head = place
    row = events.directive_notice(s, EventKind.GROUP_CHANGED, d)
    row.old_value = group_limit_at(s, place).max_lots
    group_limit_at(s, place).max_lots = d.value


# --- affiliates ---------------------------------------------------------------------------------------------------


@kernel
def _approval_reason(s, d):
    if not money.known_account(s, d.account_slot):
        return Reason.UNKNOWN_ACCOUNT
    if d.contract_slot < 0 or d.contract_slot >= s.contracts_used:
        return Reason.UNKNOWN_CONTRACT
    if contract_at(s, d.contract_slot).state == MarketState.DRAFT:
        return Reason.UNKNOWN_CONTRACT
    if account_at(s, d.account_slot).affiliation != Affiliation.GROUP_COMPANY:
        return Reason.BAD_PARAMETER
    if d.value < 0 or d.source_time_ns < 0 or (d.value != 0 and d.value <= d.source_time_ns):
        return Reason.BAD_PARAMETER
    if d.value == 0 and eligibility.approval_of(s, d.account_slot, d.contract_slot) == NIL:
        return Reason.BAD_PARAMETER
    return Reason.NONE if eligibility_lapses.has_room(s, np.int64(d.account_slot)) else Reason.CAPACITY


@kernel
def _free_approval(s):
    """A place for one more approval: one that has ended, or a new one; NIL when all are in use."""
    for place in range(s.approvals_used):
        if approval_at(s, place).until_ns == 0:
            return np.int64(place)
    if s.approvals_used >= MAX_APPROVALS:
        return np.int64(NIL)
    s.approvals_used += 1
    return s.approvals_used - 1


@kernel
def approve_affiliate(s, d):
    """A company of the operator's group may trade this contract from one instant until another; 0 ends it now."""
    reason = _approval_reason(s, d)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    place = np.int64(eligibility.approval_of(s, d.account_slot, d.contract_slot))
    if place == NIL:
        place = _free_approval(s)
    if place == NIL:
        return events.refused(s, d, Reason.CAPACITY)
    eligibility_lapses.catch_up(s, d.account_slot)
    approval, was = approval_at(s, place), eligibility.contract_reason(s, d.account_slot, d.contract_slot)
    ended = 0 < approval.until_ns <= s.now_ns
    row = events.directive_notice(s, EventKind.AFFILIATE_APPROVED, d)
    row.old_value = approval.until_ns if approval.account_slot == d.account_slot else 0
    approval.account_slot = d.account_slot
    approval.contract_slot = d.contract_slot
    approval.from_ns = d.source_time_ns
    approval.until_ns = d.value
    now = eligibility.contract_reason(s, d.account_slot, d.contract_slot)
    if ended or (was == Reason.NONE and now != Reason.NONE):
        eligibility_lapses.lose(s, d.account_slot, d.contract_slot, Reason.AFFILIATE_NOT_APPROVED if ended else now)
    eligibility_lapses.schedule(s, d.account_slot)
