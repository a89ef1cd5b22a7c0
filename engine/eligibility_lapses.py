"""Eligibility that ends: at its instant, or by a command, an account loses what let it open risk.

Losing it stops new risk and never traps the client: resting and conditional orders that open are cancelled with the
cause; reduce-only orders and protective stops stay, funding and liquidation go on. Nothing is revived.
"""

import numpy as np

from engine import eligibility, events, ladder, mass_cancel, timed_queues
from engine.codes import NIL, EventKind, Reason
from engine.kernels import kernel
from engine.row_access import account_at, approval_at, job_at, ladder_at, level_at
from engine.schema import LAPSE_LADDER
from engine.units import EPOCH_2025_S, FOREVER_NS, MAX_TICKS, NS_PER_S


@kernel
def _is_overdue(s, account_slot):
    """Whether a date of the account has passed and its lapse is not done yet: it is later this second, or queued."""
    if account_at(s, account_slot).lapse_s == 0:
        return False
    return eligibility.client_reason(s, account_slot, eligibility.ANYONE) != Reason.NONE


@kernel
def has_room(s, account_slot):
    """Whether there is room for one more lapse, one more mass cancel, and the mass cancel of an overdue lapse."""
    return (
        s.jobs_count + (1 if _is_overdue(s, account_slot) else 0) < s.jobs_capacity
        and s.levels_live + s.approvals_used < s.levels_capacity
        and s.nodes_live + (1 + s.approvals_used) * ladder.NODES_PER_INSERT <= s.nodes_capacity
    )


@kernel
def due_ns(s):
    """When the next lapse is due."""
    second = ladder_at(s, LAPSE_LADDER).first_key
    if second == NIL:
        return FOREVER_NS
    return (second + EPOCH_2025_S) * NS_PER_S


@kernel
def schedule(s, account_slot):
    """Queue an account for its next lapse, at the first whole second that is not before it."""
    account = account_at(s, account_slot)
    if account.lapse_s != 0:
        timed_queues.leave_lapse(s, account_slot)
    instant = eligibility.next_lapse_ns(s, account_slot)
    second = instant // NS_PER_S + (1 if instant % NS_PER_S != 0 else 0) - EPOCH_2025_S
    if second < 1 or second > MAX_TICKS:
        return
    account.lapse_s = second
    timed_queues.join_lapse(s, account_slot)
    s.next_due_ns = min(s.next_due_ns, due_ns(s))


@kernel
def lose(s, account_slot, contract_slot, reason):
    """The account may not open any more, in one contract or (NIL) in any: cancel what opens, with the cause."""
    job = job_at(s, mass_cancel.add(s, account_slot, contract_slot, 0))
    job.scope = mass_cancel.OPENING_ONLY | mass_cancel.QUIET
    job.reason = reason
    row = events.notice(s, EventKind.ELIGIBILITY_LAPSED, account_slot, contract_slot)
    row.reason = reason


@kernel
def catch_up(s, account_slot):
    """A lapse that is overdue comes before a command that changes the account, which would hide it."""
    if _is_overdue(s, account_slot):
        lose(s, account_slot, NIL, eligibility.client_reason(s, account_slot, eligibility.ANYONE))


@kernel
def _expired_approval(s, account_slot):
    """An approval of the account that has ended, NIL when there is none."""
    for place in range(s.approvals_used):
        approval = approval_at(s, place)
        if approval.account_slot == account_slot and 0 < approval.until_ns <= s.now_ns:
            return np.int64(place)
    return np.int64(NIL)


@kernel
def step(s):
    """The next account whose lapse is due loses what has ended: all of it, or one approval of an affiliate."""
    account_slot = np.int64(level_at(s, ladder_at(s, LAPSE_LADDER).first_slot).head_slot)
    reason = eligibility.client_reason(s, account_slot, eligibility.ANYONE)
    if reason != Reason.NONE:
        lose(s, account_slot, NIL, reason)
    else:
        place = _expired_approval(s, account_slot)
        if place != NIL:
            approval_at(s, place).until_ns = 0
            lose(s, account_slot, approval_at(s, place).contract_slot, Reason.AFFILIATE_NOT_APPROVED)
    eligibility.set_gate(s, account_slot)
    schedule(s, account_slot)
