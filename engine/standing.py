"""Whether an order that waits on the book may still trade: who placed it may have lost the right to open meanwhile.

What has been lost is cancelled by jobs in a queue, and some of it only at the next whole second. Matching does not wait
for either: it asks here about each order that it meets, and an order that may not trade is cancelled on contact.
"""

import numpy as np

from engine import cancel_queue, eligibility
from engine.code_values import EXEC_REDUCE_ONLY
from engine.codes import NIL, Reason
from engine.kernels import inlined, rare
from engine.row_access import account_at, job_at, order_at, own_at, position_at


@rare
def _full_reason(s, slot):
    """The cause that the queue gives or will give; what the client has lost by now though nothing is queued yet."""
    place = cancel_queue.covering(s, slot)
    if place != NIL:
        return np.int64(job_at(s, place).reason)
    position, opens = position_at(s, order_at(s, slot).position_slot), order_at(s, slot).flags & EXEC_REDUCE_ONLY == 0
    reason = eligibility.held_reason(s, position.account_slot, opens)
    if reason == Reason.NONE and opens and account_at(s, position.account_slot).liquidating:
        reason = Reason.LIQUIDATION
    if reason == Reason.NONE and opens:
        reason = eligibility.client_reason(s, position.account_slot, own_at(s, slot).person)
    if reason == Reason.NONE and opens:
        reason = eligibility.contract_reason(s, position.account_slot, position.contract_slot)
    return np.int64(reason)


@inlined
def lost_reason(s, slot):
    """Why an order on the book may not trade any more, 0 when it may. Row 15 is about placing an order alone."""
    account = account_at(s, position_at(s, order_at(s, slot).position_slot).account_slot)
    if s.jobs_wide == 0 and s.now_ns < account.eligible_until_ns:
        if account.gate == eligibility.CLEARED:
            return np.int64(0)
        if account.gate == eligibility.PERSONAL and eligibility.knows(s, own_at(s, slot).person, s.now_ns):
            return np.int64(0)
    return _full_reason(s, slot)
