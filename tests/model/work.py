"""What waits: conditional orders, expiries and mass cancels, worked off a bounded number of items at a time."""

from dataclasses import dataclass, field

from engine.codes import EventFlag, EventKind, ExecInst, MarketState, OrdType, PriceSource, Reason, Side
from tests.model import admission, eligibility, matching
from tests.model.records import NIL, SUBTICKS

ITEMS_PER_COMMAND = 64
MAX_TICKS = (1 << 30) - 1


@dataclass(eq=False)
class Job:
    """A mass cancel under way; orders from `before` on are spared."""

    before: int
    seq: int
    reason: int = Reason.MASS_CANCEL
    account: int = NIL
    contract: int = NIL
    group: int = NIL
    client: object = None
    side: int = 0
    label: tuple | None = None
    spare_reducing: bool = False
    spare_protection: bool = False  # what the client asked to be reduce-only
    quiet: bool = False
    person: int | None = None  # only what this person placed or amended last
    knowing: bool = False  # only of accounts whose persons must know derivatives
    unknowing: bool = False  # only what a person placed who does not, of one account or of all institutions
    required: dict | None = None  # only of accounts that have not acknowledged these versions of the disclosures
    acknowledged: dict | None = None  # only in contracts that require later versions than these
    passed: int = NIL  # the place of the order that it took last
    cancelled: list = field(default_factory=list)

    def takes(self, model, order):
        """Whether an order is in its scope."""
        return (
            order.id < self.before
            and (self.account == NIL or order.account == self.account)
            and (self.contract == NIL or order.contract == self.contract)
            and (self.group == NIL or model.accounts[order.account].group == self.group)
            and (self.client is None or model.accounts[order.account].client is self.client)
            and (self.side == 0 or order.side == self.side)
            and not (self.spare_reducing and order.reduce_only)
            and (self.person is None or order.person == self.person)
            and not (self.knowing and not eligibility.needs_person(model, order.account))
            and not (self.unknowing and eligibility.is_well_placed(model, order, self.account != NIL))
            and self._lacks_disclosure(model, order)
            and not (self.spare_protection and order.reduce_only and not order.made_reduce_only)
            and (self.label is None or (order.flags & ExecInst.LABELLED and order.label == self.label))
        )

    def _lacks_disclosure(self, model, order):
        if self.required is not None:
            given = eligibility.acknowledged(model, order.account)
            return any(given[name] < version for name, version in self.required.items())
        if self.acknowledged is not None:
            wanted = eligibility.required(model.contracts[order.contract])
            return any(self.acknowledged[name] < version for name, version in wanted.items())
        return True

    def next_order(self, model):
        """An account's orders: its youngest position first, oldest order first. A client's accounts as they were bound.
        Else by place."""
        if self.account != NIL or self.client is not None:
            accounts = [model.accounts[self.account]] if self.account != NIL else self.client.accounts
            positions = (position for account in accounts for position in reversed(account.positions))
            own = (order for position in positions for order in position.orders)
            return next((order for order in own if self.takes(model, order)), None)
        taken = (order for order in model.orders.values() if self.takes(model, order))
        return min((order for order in taken if model.place(order) > self.passed), key=model.place, default=None)


def step_job(model):
    """One item: cancel the next order of the job in front, or end it."""
    job = model.jobs[0]
    order = job.next_order(model)
    if order is not None:
        job.passed = model.place(order)
        job.cancelled.append(order.id)
        matching.cancel(model, order, job.reason)
        return
    model.jobs.pop(0)
    if not job.quiet:
        model.report_job(job)


def is_open(model, contract):
    """Triggers are frozen unless the contract trades freely."""
    return contract.state == MarketState.OPEN and not model.halted


def _trail(order, value):
    """Move the watermark with the source; the trigger follows in whole ticks, away from the source."""
    if order.side == Side.SELL:
        order.watermark = max(order.watermark, value)
        trigger = order.watermark // SUBTICKS - order.offset
    else:
        order.watermark = min(order.watermark, value)
        trigger = -(-order.watermark // SUBTICKS) + order.offset
    order.trigger = max(1, min(trigger, MAX_TICKS))


def _holds(order, value):
    return order.trigger * SUBTICKS <= value if order.rising else order.trigger * SUBTICKS >= value


def place(model, order):
    """A conditional order takes its place among those that wait."""
    if order.ord_type == OrdType.TRAILING_STOP:
        order.watermark = model.contracts[order.contract].value(order.source)
        _trail(order, order.watermark)
    order.waiting = True
    order.shown = order.leaves
    queue_up(model, order)


def queue_up(model, order):
    """Behind all others with the same trigger price."""
    model.entries += 1
    order.entered = model.entries


def due_orders(model, contract):
    """What fires, in order: mark, index, last; rising ones ascending, then falling ones descending, then by arrival."""
    trailing = OrdType.TRAILING_STOP
    due = [o for o in model.waiting(contract.slot) if (o.armed if o.ord_type == trailing else contract.fires(o))]
    return sorted(due, key=lambda o: (o.source, not o.rising, o.trigger if o.rising else -o.trigger, o.entered))


def observe(model, contract, source):
    """A source was looked at: trailing stops follow its present value, and the others answer to all it has covered."""
    waiting = model.waiting(contract.slot)
    if not is_open(model, contract) or not waiting:
        forget(model, contract)
        return
    for order in waiting:
        if order.ord_type == OrdType.TRAILING_STOP and order.source == source and not order.armed:
            _trail(order, contract.value(source))
            order.armed = _holds(order, contract.value(source))
            if order.armed:
                queue_up(model, order)
    if not due_orders(model, contract):
        forget(model, contract)
        return
    contract.due = True
    model.triggers_since = model.triggers_since or model.now_ns


def forget(model, contract):
    """Nothing is due in a contract any more; whatever was is judged afresh."""
    contract.forget()
    for order in model.waiting(contract.slot):
        order.armed = False


def fire_next(model):
    """One item of the triggers; false when no contract has any."""
    contract = next((c for c in model.contracts.values() if c.due), None)
    if contract is None:
        model.triggers_since = 0
        return False
    due = due_orders(model, contract)
    if not due or not is_open(model, contract):
        forget(model, contract)
    else:
        fire(model, due[0])
    return True


def fire(model, order):
    """An order whose condition holds is judged again, in full, and goes to the book or ends with the reason."""
    model.report(EventKind.TRIGGERED, order, level_lots=NIL)
    order.waiting = False
    order.flags &= ~ExecInst.CONDITIONAL
    order.flags |= EventFlag.MADE_REDUCE_ONLY if order.made_reduce_only else 0
    eligibility.classify(model, order)
    order.done_reason = admission.judge(model, admission.Request(order))
    if not order.done_reason:
        admission.settle_price(model, order)
    work(model, order)


def work(model, taker):
    """Sweep, end, and look at what the trades have set off."""
    matching.sweep(model, taker)
    matching.finish(model, taker)
    contract = model.contracts[taker.contract]
    observe(model, contract, PriceSource.LAST)


def do_jobs(model):
    """The first items of a mass cancel, in the command that asked for it."""
    for _ in range(ITEMS_PER_COMMAND):
        if not model.jobs:
            return
        step_job(model)
