"""What is due at a time and in which order, one bounded item after the other (Rulebook 4)."""

from engine.codes import Reason, TimerClass
from tests.model import eligibility, funding, liquidation, matching, prices, settlement, ticks, work
from tests.model.records import NIL

FOREVER = (1 << 63) - 1


def expiring(model):
    """The order that expires next; those of one instant by arrival."""
    mortal = [order for order in model.orders.values() if order.expire_ns]
    return min(mortal, key=lambda order: (order.expire_ns, order.id), default=None)


def next_due(model):
    """What falls due first, as (instant, class, contract): of one instant the lower class, then the lower slot."""
    due = []
    order, lapse = expiring(model), eligibility.next_lapse(model)
    if lapse:
        due.append((lapse.due_ns, TimerClass.ELIGIBILITY_LAPSE, NIL))
    if order:
        due.append((order.expire_ns, TimerClass.ORDER_EXPIRY, NIL))
    if model.mark_tick_ns:
        due.append((model.next_mark_tick_ns, TimerClass.MARK_TICK, NIL))
        for contract in model.contracts.values():
            due.append((contract.next_sample_ns or FOREVER, TimerClass.PREMIUM_SAMPLE, contract.slot))
            due.append((contract.next_funding_ns or FOREVER, TimerClass.FUNDING, contract.slot))
        due.append((model.liquidation_since_ns or FOREVER, TimerClass.LIQUIDATION_WORK, NIL))
    for contract in model.contracts.values():
        due.append((contract.delivery_due_ns or FOREVER, TimerClass.DELIVERY, contract.slot))
    if model.triggers_since:
        due.append((model.triggers_since, TimerClass.TRIGGERS, NIL))
    return min(due, default=(FOREVER, TimerClass.DELIVERY, NIL))


def do_due(model):
    """What is due before a command, a bounded number of items: mass cancels, then by time (Rulebook 4)."""
    items = work.ITEMS_PER_COMMAND
    while items:
        if model.jobs:
            work.step_job(model)
            items -= 1
            continue
        due_ns, kind, slot = next_due(model)
        if due_ns > model.now_ns:
            return
        if kind == TimerClass.TRIGGERS:
            items -= work.fire_next(model)
            continue
        _do(model, kind, model.contracts.get(slot))
        items -= 1


def _do(model, kind, contract):
    """One item of a class."""
    if kind == TimerClass.ELIGIBILITY_LAPSE:
        eligibility.do_lapse(model, eligibility.next_lapse(model))
    elif kind == TimerClass.ORDER_EXPIRY:
        matching.cancel(model, expiring(model), Reason.EXPIRED)
    elif kind == TimerClass.PREMIUM_SAMPLE:
        prices.sample(model, contract)
    elif kind == TimerClass.MARK_TICK:
        ticks.run(model)
    elif kind == TimerClass.FUNDING:
        funding.settle(model, contract)
    elif kind == TimerClass.LIQUIDATION_WORK:
        liquidation.step(model)
    elif kind == TimerClass.DELIVERY:
        settlement.settle(model, contract)
