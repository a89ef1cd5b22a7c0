"""Works off the queue of mass cancels, a bounded number of orders at a time.

A job on one account walks that account's own orders, one on a client those of its accounts, any other job the order
slots. The job at the head of the queue is the only one at work.
"""

import numpy as np

from engine import cancel_queue, events, matching
from engine.codes import NIL
from engine.kernels import kernel, rare
from engine.row_access import account_at, job_at, own_at, position_at

LOOKS_PER_ITEM = 256
"""How many orders that do not match may be passed over for one item of work."""


@kernel
def _advance(s, job, slot):
    """Move the cursor past an order that stays."""
    if cancel_queue.is_scan(job):
        job.cursor_slot = slot + 1
        return
    job.cursor_slot = own_at(s, slot).next_slot
    _leave_empty(s, job)


@kernel
def _leave_empty(s, job):
    """Go on to the next position of the account, or account of the client, that has orders."""
    if cancel_queue.is_scan(job):
        return
    if job.cursor_slot == NIL and job.position_slot != NIL:
        job.position_slot = position_at(s, job.position_slot).next_slot
        cancel_queue.enter_position(s, job)
    while job.client != 0 and job.cursor_slot == NIL and job.member_slot != NIL:
        cancel_queue.enter_account(s, job, np.int64(account_at(s, job.member_slot).client_next_slot))


@kernel
def _at_end(s, job):
    if cancel_queue.is_scan(job):
        return job.cursor_slot >= s.orders_used
    return job.cursor_slot == NIL


@rare
def step(s):
    """One item of work for the job at the head: cancel its next order, or pass over some that do not match."""
    job = job_at(s, s.jobs_head)
    _leave_empty(s, job)
    for _ in range(LOOKS_PER_ITEM):
        if _at_end(s, job):
            if job.scope & cancel_queue.QUIET == 0:
                events.mass_cancelled(s, job)
            cancel_queue.remove_head(s)
            return
        slot = np.int64(job.cursor_slot)
        if cancel_queue.takes(s, job, slot):
            if cancel_queue.is_scan(job):
                job.cursor_slot = slot + 1
            job.cancelled += 1
            matching.cancel_order(s, slot, job.reason)
            return
        _advance(s, job, slot)
