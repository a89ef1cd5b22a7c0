"""What is due at a time, and in which order: (due time, class), one bounded item after the other.

`next_due_ns` in the header is the earliest of all, so that a command with nothing due pays one comparison; it is 0
while work is pending.
"""

import numpy as np

from engine import (
    contract_settlement,
    eligibility_lapses,
    events,
    funding_payments,
    liquidator,
    mark_tick,
    mass_cancel,
    matching,
    reference_prices,
    triggers,
)
from engine.codes import NIL, Reason, TimerClass
from engine.kernels import kernel, rare
from engine.row_access import contract_at, ladder_at, level_at
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
def _contract_due(s, funding):
    """The contract whose premium sample, or whose funding, is due first, and when; NIL when none has started."""
    due, found = np.int64(FOREVER_NS), np.int64(NIL)
    for slot in range(s.contracts_used):
        contract = contract_at(s, slot)
        instant = contract.next_funding_ns if funding else contract.next_sample_ns
        if 0 < instant < due:
            due, found = instant, np.int64(slot)
    return due, found


@kernel
def _delivery_due(s):
    """The contract whose positions are to be closed, and since when; of one instant the lower slot."""
    due, found = np.int64(FOREVER_NS), np.int64(NIL)
    for slot in range(s.contracts_used):
        since = contract_at(s, slot).delivery_due_ns
        if 0 < since < due:
            due, found = since, np.int64(slot)
    return due, found


@kernel
def _earliest(s):
    """The instant, class and contract of what is due first; at one instant the lower class goes first."""
    due, kind, slot = np.int64(eligibility_lapses.due_ns(s)), np.int64(TimerClass.ELIGIBILITY_LAPSE), np.int64(NIL)
    instant = np.int64(expiry_due_ns(s))
    if instant < due:
        due, kind = instant, np.int64(TimerClass.ORDER_EXPIRY)
    if s.mark_tick_ns != 0:
        instant, contract_slot = _contract_due(s, 0)
        if instant < due:
            due, kind, slot = instant, np.int64(TimerClass.PREMIUM_SAMPLE), contract_slot
        if s.next_mark_tick_ns < due:
            due, kind = np.int64(s.next_mark_tick_ns), np.int64(TimerClass.MARK_TICK)
        instant, contract_slot = _contract_due(s, 1)
        if instant < due:
            due, kind, slot = instant, np.int64(TimerClass.FUNDING), contract_slot
        if s.liquidation_since_ns != 0 and s.liquidation_since_ns < due:
            due, kind = np.int64(s.liquidation_since_ns), np.int64(TimerClass.LIQUIDATION_WORK)
    if s.triggers_since_ns != 0 and s.triggers_since_ns < due:
        due, kind = np.int64(s.triggers_since_ns), np.int64(TimerClass.TRIGGERS)
    if s.deliveries_due != 0:
        since, contract_slot = _delivery_due(s)
        if since < due:
            due, kind, slot = since, np.int64(TimerClass.DELIVERY), contract_slot
    return due, kind, slot


@rare
def refresh(s):
    """Recompute when something is due next."""
    if s.jobs_count != 0:
        s.next_due_ns = 0
        return
    due, kind, _ = _earliest(s)
    s.next_due_ns = 0 if kind >= TimerClass.LIQUIDATION_WORK else due


@kernel
def _expire_next(s):
    level = level_at(s, ladder_at(s, EXPIRY_LADDER).first_slot)
    matching.cancel_order(s, np.int64(level.head_slot), Reason.EXPIRED)


@kernel
def _liquidate_next(s):
    liquidator.step(s)
    if s.liquidation_stage == liquidator.IDLE and not liquidator.has_work(s):
        s.liquidation_since_ns = 0


@kernel
def _do(s, kind, contract_slot):
    """One item of a class. False when the ring is full before it is complete."""
    if kind == TimerClass.ELIGIBILITY_LAPSE:
        eligibility_lapses.step(s)
    elif kind == TimerClass.ORDER_EXPIRY:
        _expire_next(s)
    elif kind == TimerClass.PREMIUM_SAMPLE:
        reference_prices.sample(s, contract_slot)
    elif kind == TimerClass.MARK_TICK:
        return mark_tick.run(s)
    elif kind == TimerClass.FUNDING:
        return funding_payments.settle(s, contract_slot)
    elif kind == TimerClass.LIQUIDATION_WORK:
        _liquidate_next(s)
    elif kind == TimerClass.DELIVERY:
        return contract_settlement.settle(s, contract_slot)
    return True


@rare
def run(s):
    """Do what is due, at most `work_left` items. False when the ring is full or an order went to the book."""
    while s.work_left > 0:
        if not events.has_room(s):
            return False
        if s.jobs_count != 0 and s.tick_cursor == 0:
            s.work_left -= 1
            mass_cancel.step(s)
            continue
        due, kind, contract_slot = _earliest(s)
        if kind == TimerClass.TRIGGERS:
            if triggers.fire_next(s):
                s.work_left -= 1
                if s.sweeping:
                    return False
            continue
        if due > s.now_ns:
            break
        if not _do(s, kind, contract_slot):
            return False
        s.work_left -= 1
        if s.sweeping:
            return False
    refresh(s)
    return True
