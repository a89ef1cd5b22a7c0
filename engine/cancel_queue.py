"""The queue of mass cancels inside the state: what each takes, and which of them would take a given order.

An order that a job in the queue takes is as good as cancelled, however long the queue is: see `standing`.
"""

import numpy as np

from engine import book, eligibility
from engine.code_values import EXEC_LABELLED, EXEC_REDUCE_ONLY
from engine.codes import NIL, AccountAttribute, InvestorClass, Reason
from engine.kernels import inlined, kernel, rare
from engine.row_access import (
    account_at,
    client_at,
    contract_at,
    detail_at,
    job_at,
    label_of,
    order_at,
    own_at,
    position_at,
    profile_at,
)
from engine.schema import MAX_JOBS

KEEP_PROTECTION = 1
OPENING_ONLY = 2
BY_LABEL = 4
QUIET = 8
UNACKNOWLEDGED = 16
"""Only where a disclosure lacks: of a job on all accounts the words of its label are the versions that it requires, of
a job on one account the versions that the account had acknowledged."""
KNOWING = 32
"""Only orders of accounts whose persons must know derivatives."""
UNKNOWING = 64
"""Only what somebody placed who does not know derivatives: of one account, or of all institutions."""


@kernel
def has_room(s):
    """Whether one more job fits the queue."""
    return s.jobs_count < s.jobs_capacity


@kernel
def add(s, account_slot, contract_slot, side):
    """Queue a job and return its slot; the caller narrows it down and has made sure of room.

    While it waits, the orders that it takes must not trade: those of one account are looked at more closely by the
    account's gate, those of a job on several accounts by the count of such jobs.
    """
    return _add(s, account_slot, contract_slot, side, 0)


@kernel
def add_for_client(s, client):
    """Queue a job on the accounts of a client, whose orders are found without a look at those of all others."""
    return _add(s, NIL, NIL, 0, client)


@kernel
def _add(s, account_slot, contract_slot, side, client):
    slot = (s.jobs_head + s.jobs_count) % MAX_JOBS
    s.jobs_count += 1
    s.next_due_ns = 0
    job = job_at(s, slot)
    job.before_serial = s.order_serial + 1
    job.account_slot = account_slot
    job.contract_slot = contract_slot
    job.group = NIL
    job.person = NIL
    job.client = client
    job.cursor_slot = NIL
    job.position_slot = NIL
    job.cancelled = 0
    job.reason = Reason.MASS_CANCEL
    job.side = side
    job.scope = 0
    job.seq = s.last_seq
    for word in range(8):
        job.label[word] = 0
    if account_slot == NIL:
        s.jobs_wide += 1
    else:
        account_at(s, account_slot).pending_jobs += 1
        eligibility.set_gate(s, account_slot)
    if s.jobs_count == 1:
        begin(s, job)
    return slot


@kernel
def add_opening(s, account_slot, contract_slot, reason):
    """Queue a job on orders that open, to be cancelled with this cause without a report on the whole."""
    slot = add(s, account_slot, contract_slot, 0)
    job_at(s, slot).scope = OPENING_ONLY | QUIET
    job_at(s, slot).reason = reason
    return slot


@kernel
def remove_head(s):
    """The job at the head is done: the next one begins."""
    job = job_at(s, s.jobs_head)
    s.jobs_head = (s.jobs_head + 1) % MAX_JOBS
    s.jobs_count -= 1
    if job.account_slot == NIL:
        s.jobs_wide -= 1
    else:
        account_at(s, job.account_slot).pending_jobs -= 1
        eligibility.set_gate(s, job.account_slot)
    if s.jobs_count != 0:
        begin(s, job_at(s, s.jobs_head))
    else:
        s.jobs_head = 0


@kernel
def begin(s, job):
    """Put the cursor of the job at the head of the queue on the first order it looks at."""
    if is_scan(job):
        job.cursor_slot = 0
    elif job.client != 0:
        enter_account(s, job, np.int64(client_at(s, job.client).members_head))
    else:
        enter_account(s, job, np.int64(job.account_slot))


@inlined
def is_scan(job):
    """Whether a job looks at every order slot."""
    return job.account_slot == NIL and job.client == 0


@kernel
def enter_account(s, job, account_slot):
    """Put the cursor on the first order of an account that the job is about, if it has any; NIL: of no account."""
    job.member_slot = account_slot
    if account_slot != NIL:
        job.position_slot = account_at(s, account_slot).positions_head
        enter_position(s, job)


@kernel
def enter_position(s, job):
    """Put the cursor on the oldest order of the job's position, or of the next one that has any the job is about."""
    while job.position_slot != NIL:
        position = position_at(s, job.position_slot)
        if job.contract_slot == NIL or position.contract_slot == job.contract_slot:
            job.cursor_slot = position.own_head_slot
            if job.cursor_slot != NIL:
                return
        job.position_slot = position.next_slot
    job.cursor_slot = NIL


@kernel
def _same_label(s, job, slot):
    if order_at(s, slot).flags & EXEC_LABELLED == 0:
        return False
    for word in range(8):
        if label_of(s, slot).text[word] != job.label[word]:
            return False
    return True


@kernel
def _is_acknowledged(s, job, position):
    """Whether an order's account had acknowledged what its contract required when it was lost."""
    if job.account_slot == NIL:
        return eligibility.has_acknowledged(s, position.account_slot, job.label[0], job.label[1], job.label[2])
    contract = contract_at(s, position.contract_slot)
    return not eligibility.requires_more(contract, job.label[0], job.label[1], job.label[2])


@kernel
def _takes_of_person(s, job, slot, account_slot):
    """Of a job on what a person placed, or somebody who does not know derivatives: whether an order is that."""
    account = account_at(s, account_slot)
    if job.scope & KNOWING and not eligibility.needs_person(s, account):
        return False
    if job.scope & UNKNOWING:
        if eligibility.knows(s, own_at(s, slot).person, s.now_ns):
            return False
        return job.account_slot != NIL or account.investor_class == InvestorClass.INSTITUTIONAL
    return job.person == NIL or own_at(s, slot).person == job.person


@kernel
def takes(s, job, slot):
    """Whether a job cancels the order in a slot; orders accepted after the job are spared."""
    order = order_at(s, slot)
    if order.order_id == 0 or book.serial_of(order.order_id) >= job.before_serial:
        return False
    if job.side != 0 and order.side != job.side:
        return False
    position = position_at(s, order.position_slot)
    if job.account_slot != NIL and position.account_slot != job.account_slot:
        return False
    if job.client != 0 and profile_at(s, position.account_slot).values[AccountAttribute.CLIENT] != job.client:
        return False
    if job.contract_slot != NIL and position.contract_slot != job.contract_slot:
        return False
    if job.group != NIL and account_at(s, position.account_slot).group != job.group:
        return False
    if job.scope & (KEEP_PROTECTION | OPENING_ONLY) and order.flags & EXEC_REDUCE_ONLY:
        # What the venue made reduce-only was placed without protection in mind: who is gone gets it cancelled.
        if job.scope & OPENING_ONLY or not detail_at(s, slot).made_reduce_only:
            return False
    if not _takes_of_person(s, job, slot, position.account_slot):
        return False
    if job.scope & UNACKNOWLEDGED and _is_acknowledged(s, job, position):
        return False
    if job.scope & BY_LABEL and not _same_label(s, job, slot):
        return False
    return True


@rare
def covering(s, slot):
    """The place of the first job that takes an order when its turn comes, NIL when none does."""
    for ahead in range(s.jobs_count):
        place = (s.jobs_head + ahead) % MAX_JOBS
        if takes(s, job_at(s, place), slot):
            return place
    return NIL
