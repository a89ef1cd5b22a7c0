"""Mass cancels: jobs in a queue inside the state, worked off a bounded number of orders at a time.

A job on one account walks that account's own orders, any other job the order slots. Orders accepted after the job are
spared. The job at the head of the queue is the only one at work.
"""

import numpy as np

from engine import book, eligibility, events, matching
from engine.code_values import EXEC_LABELLED, EXEC_REDUCE_ONLY
from engine.codes import NIL, Reason
from engine.kernels import kernel, rare
from engine.row_access import account_at, detail_at, job_at, label_of, order_at, own_at, position_at
from engine.schema import MAX_JOBS

KEEP_PROTECTION = 1
OPENING_ONLY = 2
BY_LABEL = 4
QUIET = 8
INELIGIBLE = 16
LOOKS_PER_ITEM = 256
"""How many orders that do not match may be passed over for one item of work."""


@kernel
def has_room(s):
    """Whether one more job fits the queue."""
    return s.jobs_count < s.jobs_capacity


@kernel
def add(s, account_slot, contract_slot, side):
    """Queue a job and return its slot; the caller narrows it down and has made sure of room."""
    slot = (s.jobs_head + s.jobs_count) % MAX_JOBS
    s.jobs_count += 1
    s.next_due_ns = 0
    job = job_at(s, slot)
    job.before_serial = s.order_serial + 1
    job.account_slot = account_slot
    job.contract_slot = contract_slot
    job.group = NIL
    job.cursor_slot = NIL
    job.position_slot = NIL
    job.cancelled = 0
    job.reason = Reason.MASS_CANCEL
    job.side = side
    job.scope = 0
    job.seq = s.last_seq
    for word in range(8):
        job.label[word] = 0
    if s.jobs_count == 1:
        _begin(s, job)
    return slot


@kernel
def _begin(s, job):
    """Put the cursor of the job at the head of the queue on the first order it looks at."""
    if job.account_slot == NIL:
        job.cursor_slot = 0
        return
    job.position_slot = account_at(s, job.account_slot).positions_head
    _enter_position(s, job)


@kernel
def _enter_position(s, job):
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
def _matches(s, job, slot):
    order = order_at(s, slot)
    if order.order_id == 0 or book.serial_of(order.order_id) >= job.before_serial:
        return False
    if job.side != 0 and order.side != job.side:
        return False
    position = position_at(s, order.position_slot)
    if job.contract_slot != NIL and position.contract_slot != job.contract_slot:
        return False
    if job.group != NIL and account_at(s, position.account_slot).group != job.group:
        return False
    if job.scope & (KEEP_PROTECTION | OPENING_ONLY) and order.flags & EXEC_REDUCE_ONLY:
        # What the venue made reduce-only was placed without protection in mind: who is gone gets it cancelled.
        if job.scope & OPENING_ONLY or not detail_at(s, slot).made_reduce_only:
            return False
    if job.scope & INELIGIBLE:
        if eligibility.contract_reason(s, position.account_slot, position.contract_slot) == Reason.NONE:
            return False
    if job.scope & BY_LABEL and not _same_label(s, job, slot):
        return False
    return True


@kernel
def _advance(s, job, slot):
    """Move the cursor past an order that stays."""
    if job.account_slot == NIL:
        job.cursor_slot = slot + 1
        return
    job.cursor_slot = own_at(s, slot).next_slot
    _leave_empty(s, job)


@kernel
def _leave_empty(s, job):
    if job.account_slot != NIL and job.cursor_slot == NIL and job.position_slot != NIL:
        job.position_slot = position_at(s, job.position_slot).next_slot
        _enter_position(s, job)


@kernel
def _at_end(s, job):
    if job.account_slot == NIL:
        return job.cursor_slot >= s.orders_used
    return job.cursor_slot == NIL


@kernel
def _finish(s, job):
    if job.scope & QUIET == 0:
        events.mass_cancelled(s, job)
    s.jobs_head = (s.jobs_head + 1) % MAX_JOBS
    s.jobs_count -= 1
    if s.jobs_count != 0:
        _begin(s, job_at(s, s.jobs_head))
    else:
        s.jobs_head = 0


@rare
def step(s):
    """One item of work for the job at the head: cancel its next order, or pass over some that do not match."""
    job = job_at(s, s.jobs_head)
    _leave_empty(s, job)
    for _ in range(LOOKS_PER_ITEM):
        if _at_end(s, job):
            _finish(s, job)
            return
        slot = np.int64(job.cursor_slot)
        if _matches(s, job, slot):
            if job.account_slot == NIL:
                job.cursor_slot = slot + 1
            job.cancelled += 1
            matching.cancel_order(s, slot, job.reason)
            return
        _advance(s, job, slot)
