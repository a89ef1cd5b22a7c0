"""What is due at a time, and in which order: (due time, class), one bounded item after the other.

`next_due_ns` in the header is the earliest of all, so that a command with nothing due pays one comparison; it is 0
while work is pending.
"""

import numpy as np

from engine import mass_cancel, matching, reports, triggers
from engine.codes import NIL, Reason, TimerClass
from engine.kernels import kernel
from engine.rows import ladder_at, level_at
from engine.schema import EXPIRY_LADDER
from engine.units import EPOCH_2025_S, FOREVER_NS, NS_PER_S


@kernel
def expiry_due_ns(s):
    """When the next order expires."""
    second = ladder_at(s, EXPIRY_LADDER).first_key
    if second == NIL:
        return FOREVER_NS
    return (second + EPOCH_2025_S) * NS_PER_S


@kernel
def _earliest(s):
    """The instant and class of what is due first; at one instant the lower class goes first."""
    due, kind = expiry_due_ns(s), np.int64(TimerClass.ORDER_EXPIRY)
    if s.triggers_since_ns != 0 and s.triggers_since_ns < due:
        due, kind = s.triggers_since_ns, np.int64(TimerClass.TRIGGERS)
    return due, kind


@kernel
def refresh(s):
    """Recompute when something is due next."""
    if s.jobs_count != 0:
        s.next_due_ns = 0
        return
    due, kind = _earliest(s)
    s.next_due_ns = 0 if kind == TimerClass.TRIGGERS else due


@kernel
def schedule(s, due_ns):
    """Something falls due at this time."""
    if due_ns < s.next_due_ns:
        s.next_due_ns = due_ns


@kernel
def _expire_next(s):
    level = level_at(s, ladder_at(s, EXPIRY_LADDER).first_slot)
    matching.cancel_order(s, np.int64(level.head_slot), Reason.EXPIRED)


@kernel
def run(s):
    """Do what is due, at most `work_left` items. False when the ring is full or an order went to the book."""
    while s.work_left > 0:
        if not reports.has_room(s):
            return False
        if s.jobs_count != 0:
            s.work_left -= 1
            mass_cancel.step(s)
            continue
        due, kind = _earliest(s)
        if kind == TimerClass.TRIGGERS:
            if triggers.fire_next(s):
                s.work_left -= 1
                if s.sweeping:
                    return False
            continue
        if due > s.now_ns:
            break
        s.work_left -= 1
        _expire_next(s)
    refresh(s)
    return True
