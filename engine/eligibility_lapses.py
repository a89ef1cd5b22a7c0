"""Eligibility that ends: at its instant, or by a command, an account or a person loses what let it open risk.

Losing it stops new risk and never traps the client: resting and conditional orders that open are cancelled with the
cause; reduce-only orders and protective stops stay, funding and liquidation go on. Nothing is revived: whoever is
restored while the cancellations still wait in their queue loses those orders all the same.
"""

import numpy as np

from engine import cancel_queue, eligibility, events, ladder, timed_queues
from engine.codes import NIL, AccountAttribute, EventKind, Reason
from engine.kernels import kernel
from engine.row_access import (
    account_lapse_at,
    approval_at,
    job_at,
    ladder_at,
    level_at,
    person_lapse_at,
    profile_at,
)
from engine.schema import LAPSE_LADDER, MAX_JOBS, PERSON_LADDER
from engine.units import EPOCH_2025_S, FOREVER_NS, MAX_TICKS, NS_PER_S


@kernel
def _is_overdue(s, account_slot):
    """Whether a date of the account has passed and its lapse is not done yet: it is later this second, or queued."""
    if account_lapse_at(s, account_slot).second == 0:
        return False
    return eligibility.client_reason(s, account_slot, eligibility.ANYONE) != Reason.NONE


@kernel
def _is_person_overdue(s, person):
    """The same for a person's knowledge."""
    return person_lapse_at(s, person).second != 0 and s.persons[person] <= s.now_ns


@kernel
def _has_room(s, overdue):
    """Whether there is room for one more lapse, one more mass cancel, and the mass cancel of an overdue lapse."""
    return (
        s.jobs_count + (1 if overdue else 0) < s.jobs_capacity
        and s.levels_live + s.approvals_used < s.levels_capacity
        and s.nodes_live + (1 + s.approvals_used) * ladder.NODES_PER_INSERT <= s.nodes_capacity
    )


@kernel
def has_room(s, account_slot):
    """Whether a command on an account finds room for all that it can cause."""
    return _has_room(s, _is_overdue(s, account_slot))


@kernel
def has_person_room(s, person):
    """Whether a command on a person finds room for all that it can cause."""
    return _has_room(s, _is_person_overdue(s, person))


# --- when ---------------------------------------------------------------------------------------------------------


@kernel
def _first_ns(s, ladder_slot):
    second = ladder_at(s, ladder_slot).first_key
    if second == NIL:
        return FOREVER_NS
    return (second + EPOCH_2025_S) * NS_PER_S


@kernel
def due_ns(s):
    """When the next lapse is due."""
    return min(_first_ns(s, LAPSE_LADDER), _first_ns(s, PERSON_LADDER))


@kernel
def _enter(s, ladder_slot, slot, instant_ns):
    """Wait for an instant, at the first whole second that is not before it."""
    second = instant_ns // NS_PER_S + (1 if instant_ns % NS_PER_S != 0 else 0) - EPOCH_2025_S
    if second < 1 or second > MAX_TICKS:
        return
    timed_queues.join_lapse(s, ladder_slot, slot, second)
    s.next_due_ns = min(s.next_due_ns, due_ns(s))


@kernel
def schedule(s, account_slot):
    """Queue an account for its next lapse."""
    timed_queues.leave_lapse(s, LAPSE_LADDER, account_slot)
    _enter(s, LAPSE_LADDER, account_slot, eligibility.next_lapse_ns(s, account_slot))


@kernel
def schedule_person(s, person):
    """Queue a person for the end of their knowledge; what has ended already does not end again."""
    timed_queues.leave_lapse(s, PERSON_LADDER, person)
    if s.persons[person] > s.now_ns:
        _enter(s, PERSON_LADDER, person, s.persons[person])


# --- what is lost -------------------------------------------------------------------------------------------------


@kernel
def lose(s, account_slot, contract_slot, reason):
    """The account may not open any more, in one contract or (NIL) in any: cancel what opens, with the cause."""
    cancel_queue.add_opening(s, account_slot, contract_slot, reason)
    row = events.notice(s, EventKind.ELIGIBILITY_LAPSED, account_slot, contract_slot)
    row.reason = reason


@kernel
def lose_person(s, person):
    """A person does not know derivatives any more: cancel what they placed that opens, wherever that is asked."""
    job = job_at(s, cancel_queue.add_opening(s, NIL, NIL, Reason.DERIVATIVES_KNOWLEDGE_REQUIRED))
    job.scope |= cancel_queue.KNOWING
    job.person = person
    row = events.notice(s, EventKind.PERSON_LAPSED, NIL, NIL)
    row.person = person
    row.reason = Reason.DERIVATIVES_KNOWLEDGE_REQUIRED


@kernel
def ask_persons(s, account_slot):
    """Persons must know derivatives now, of one account or (NIL) of all institutions: cancel what others placed."""
    job = job_at(s, cancel_queue.add_opening(s, account_slot, NIL, Reason.DERIVATIVES_KNOWLEDGE_REQUIRED))
    job.scope |= cancel_queue.UNKNOWING


@kernel
def _waits_for_disclosures(s):
    """Whether a mass cancel of what lacks a disclosure is in the queue."""
    for ahead in range(s.jobs_count):
        job = job_at(s, (s.jobs_head + ahead) % MAX_JOBS)
        if job.scope & cancel_queue.UNACKNOWLEDGED and job.account_slot == NIL:
            return True
    return False


@kernel
def acknowledge(s, account_slot, code, old, new):
    """The account has another version of a disclosure: cancel what opens where an earlier one was not enough.

    That is what it loses by an earlier version, and what it lost before though its cancellation still waits: a later
    version would hide it.
    """
    if new == old or (new > old and not _waits_for_disclosures(s)):
        return
    job = job_at(s, cancel_queue.add_opening(s, account_slot, NIL, Reason.DISCLOSURE_NOT_ACKNOWLEDGED))
    job.scope |= cancel_queue.UNACKNOWLEDGED
    for place in range(3):
        attribute = AccountAttribute.DISCLOSURE_PRODUCT + place
        version = profile_at(s, account_slot).values[attribute]
        job.label[place] = min(old, new) if attribute == code else version


@kernel
def catch_up(s, account_slot):
    """A lapse that is overdue comes before a command that changes the account, which would hide it."""
    if _is_overdue(s, account_slot):
        lose(s, account_slot, NIL, eligibility.client_reason(s, account_slot, eligibility.ANYONE))


@kernel
def catch_up_person(s, person):
    """The same before a command that changes a person's knowledge."""
    if _is_person_overdue(s, person):
        lose_person(s, person)


# --- one item -----------------------------------------------------------------------------------------------------


@kernel
def _expired_approval(s, account_slot):
    """An approval of the account that has ended, NIL when there is none."""
    for place in range(s.approvals_used):
        approval = approval_at(s, place)
        if approval.account_slot == account_slot and 0 < approval.until_ns <= s.now_ns:
            return np.int64(place)
    return np.int64(NIL)


@kernel
def _lapse_account(s, account_slot):
    """The account loses what has ended: all of it, or one approval of an affiliate."""
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


@kernel
def step(s):
    """The next lapse that is due; of one instant, accounts come before persons."""
    if _first_ns(s, LAPSE_LADDER) <= _first_ns(s, PERSON_LADDER):
        _lapse_account(s, np.int64(level_at(s, ladder_at(s, LAPSE_LADDER).first_slot).head_slot))
    else:
        person = np.int64(level_at(s, ladder_at(s, PERSON_LADDER).first_slot).head_slot)
        lose_person(s, person)
        schedule_person(s, person)
