"""A naive engine: the rulebook in plain Python, sharing nothing with the product but its codes and record layouts.

`Model.apply(rows)` takes one command (with its label row, if any) and returns the report rows as tuples. Orders are
numbered 1, 2, 3 in order of acceptance.
"""

from collections import Counter
from dataclasses import dataclass

from engine.codes import CommandKind, EventKind, ExecInst, Mode, Reason, Side, VenueState
from engine.codes import VenueParameter as V
from engine.schema import COMMAND, DIRECTIVE, LABEL
from tests.model import collateral, directives, orders, timers, work
from tests.model.records import EVENT_NAMES, NIL, NOTICE_NAMES, Client, Position, Row

NS = 1_000_000_000
__all__ = ["Limits", "Model"]


@dataclass(frozen=True)
class Limits:
    """How many things of each kind there may be."""

    orders: int = 1 << 22
    accounts: int = 1 << 20
    positions: int = 1 << 21
    groups: int = 1 << 16
    persons: int = 1 << 16
    jobs: int = 1024
    clients: int = 1 << 20


class Model:
    """The whole venue."""

    def __init__(self, limits=None, mode=Mode.RESEARCH):
        self.limits = limits or Limits()
        self.mode = mode
        self.now_ns = self.seq = self.serial = self.entries = 0
        self.venue_state = VenueState.OPEN
        self.venue_values = {V.AFFILIATE_POST_ONLY: int(mode == Mode.EXCHANGE)}
        self.venue_values[V.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE] = 1
        usual = {V.MARK_TICK_NS: NS, V.INDEX_STALE_NS: 10 * NS, V.INDEX_RECOVERY_NS: 30 * NS}
        self.venue_values |= usual if mode == Mode.EXCHANGE else dict.fromkeys(usual, 0)
        self.next_mark_tick_ns = self.tick_number = 0
        self.approvals = {}  # (account, contract) -> (from, until)
        self.settings = {}  # what is kept for others
        self.group_limits = {}  # (group, contract) -> lots
        self.accounts = {}
        self.contracts = {}
        self.orders = {}
        self.positions = []  # of all accounts, in order of creation
        self.persons = {}
        self.lapses = {}  # (0, account) or (1, person) -> when it next loses what lets it open
        self.clients = {}
        self.jobs = []
        self.triggers_since = 0
        self.fees = self.fund = self.deposits = self.withdrawals = 0
        self.queue = []  # flagged accounts, in order of flagging
        self.liquidation_since_ns = 0  # when the work on them became due, 0: there is none
        self.round = self.ranking = None  # of forced work under way
        self.refusals = 0
        self.reached = Counter()  # branch of a rule -> how often
        self.assets = {code: collateral.Asset() for code in collateral.ASSETS}
        self.places = {}  # order id -> where the engine keeps it, which decides the order of wide mass cancels
        self.events = []

    # --- looking up ------------------------------------------------------------------------------------------------

    @property
    def halted(self):
        """The whole venue stands still."""
        return self.venue_state == VenueState.HALTED

    @property
    def mark_tick_ns(self):
        """The interval of mark ticks, 0: there are none."""
        return self.venue_values[V.MARK_TICK_NS]

    def place(self, order):
        """An order's place; without word from outside, in order of acceptance."""
        return self.places.get(order.id, order.id)

    def by_client_id(self, account, cl_ord_id):
        """An account's open order by the client's id."""
        if not cl_ord_id:
            return None
        own = (order for order in self.orders.values() if order.account == account)
        return next((order for order in own if order.cl_ord_id == cl_ord_id), None)

    def position(self, account, contract, create=False):
        """The position of an account in a contract, None before its first order there."""
        positions = self.accounts[account].positions
        found = next((position for position in positions if position.contract == contract), None)
        if found is None and create:
            found = Position(account, contract)
            positions.append(found)
            self.positions.append(found)
        return found

    def client(self, number):
        """A client, who may not have been mentioned before."""
        return self.clients.setdefault(number, Client())

    def waiting(self, contract):
        """The untriggered orders of a contract."""
        return [order for order in self.orders.values() if order.waiting and order.contract == contract]

    def open_interest(self, contract):
        """The sum of all long positions."""
        return sum(max(position.size, 0) for position in self.positions if position.contract == contract)

    def has_position_room(self):
        """Whether one more position fits."""
        return len(self.positions) < self.limits.positions

    def has_room(self, order, position):
        """Whether one more order fits."""
        return (position is not None or self.has_position_room()) and len(self.orders) < self.limits.orders

    def has_job_room(self, others=0):
        """Whether one more mass cancel fits, beside some others."""
        return len(self.jobs) + others < self.limits.jobs

    def reach(self, branch, happens=True):
        """Count that a branch of a rule is taken."""
        if happens:
            self.reached[branch] += 1

    # --- changing --------------------------------------------------------------------------------------------------

    def accept(self, order):
        """Number an order and enter it with its account."""
        self.serial += 1
        order.id = self.serial
        self.orders[order.id] = order
        self.position(order.account, order.contract, create=True).orders.append(order)

    def add_job(self, **scope):
        """Queue a mass cancel."""
        job = work.Job(before=self.serial + 1, seq=self.seq, **scope)
        self.jobs.append(job)
        return job

    def set_reference(self, contract_slot, mark, index):
        """New mark and index prices, and what they set off."""
        contract = self.contracts[contract_slot]
        contract.mark, contract.index = mark, index
        for source in (0, 1):
            contract.notice(source)
            work.observe(self, contract, source)

    # --- reporting -------------------------------------------------------------------------------------------------

    def _emit(self, names, **values):
        self.events.append(tuple(values.get(name, 0) for name in names))

    def report(self, kind, order, flags=0, price_ticks=None, **values):
        """An event about an order as it is now."""
        waits = order.flags & ExecInst.CONDITIONAL
        values.setdefault("fee_micros", order.trigger if waits else 0)
        self._emit(
            EVENT_NAMES,
            seq=self.seq,
            time_ns=self.now_ns,
            kind=int(kind),
            side=order.side,
            ord_type=order.ord_type,
            tif=order.tif,
            flags=int(order.flags | flags),
            contract_slot=order.contract,
            account_slot=order.account,
            order_id=order.id,
            cl_ord_id=order.cl_ord_id,
            price_ticks=order.price if price_ticks is None else price_ticks,
            leaves_lots=order.leaves,
            filled_lots=order.filled,
            **values,
        )

    def reject(self, command, reason, flag=0):
        """An order command that changed nothing, with what it asked for."""
        self.refusals += 1
        self._emit(
            EVENT_NAMES,
            seq=self.seq,
            time_ns=self.now_ns,
            kind=int(EventKind.REJECTED),
            side=command.side,
            ord_type=command.ord_type,
            tif=command.tif,
            flags=int(command.flags | flag),
            reason=int(reason),
            contract_slot=max(min(command.contract_slot, 32767), NIL),
            account_slot=command.account_slot,
            order_id=command.order_id,
            cl_ord_id=command.cl_ord_id,
            price_ticks=command.price_ticks,
            last_lots=command.qty_lots,
            level_lots=NIL,
        )

    def report_job(self, job):
        """A mass cancel is complete."""
        self._emit(
            EVENT_NAMES,
            seq=job.seq,
            time_ns=self.now_ns,
            kind=int(EventKind.MASS_CANCELLED),
            side=job.side,
            reason=int(job.reason),
            contract_slot=job.contract,
            account_slot=job.account,
            last_lots=len(job.cancelled),
            level_lots=NIL,
        )

    def report_leg(self, position, lots, price, flags):
        """One leg of a deleveraging trade, `lots` signed: it has no order."""
        self._emit(
            EVENT_NAMES,
            seq=self.seq,
            time_ns=self.now_ns,
            kind=int(EventKind.FILL),
            side=int(Side.BUY if lots > 0 else Side.SELL),
            flags=int(flags),
            contract_slot=position.contract,
            account_slot=position.account,
            price_ticks=price,
            last_lots=abs(lots),
            filled_lots=abs(lots),
            level_lots=NIL,
            trade_id=self.contracts[position.contract].trades,
            position_lots=position.size,
            entry_cost_micros=position.entry_cost,
            cash_micros=self.accounts[position.account].cash,
        )

    def tell(self, kind, account, contract, reason, **values):
        """A notice that no directive asked for."""
        values |= {"account_slot": account, "contract_slot": contract, "reason": int(reason)}
        self._emit(NOTICE_NAMES, seq=self.seq, time_ns=self.now_ns, kind=int(kind), **values)

    def tell_of(self, kind, contract, **values):
        """A notice about a contract, of an account where it names one, that no directive asked for."""
        values = {"account_slot": NIL, "contract_slot": contract.slot} | values
        self._emit(NOTICE_NAMES, seq=self.seq, time_ns=self.now_ns, kind=int(kind), **values)

    def tell_state(self, contract, old, reason):
        """A contract's state has changed, and no directive asked for it."""
        values = {"code": int(contract.state), "old_value": int(old), "new_value": int(contract.state)}
        self.tell(EventKind.CONTRACT_STATE_CHANGED, NIL, contract.slot, reason, **values)

    def notice(self, kind, directive, **values):
        """A notice about a directive, with whom and what it names."""
        named = {
            "code": directive.code,
            "contract_slot": max(min(directive.contract_slot, 32767), NIL),
            "account_slot": directive.account_slot,
            "index": directive.index,
            "person": directive.person,
            "new_value": directive.value,
            "amount_micros": directive.amount_micros,
            "actor": directive.actor,
            "approver": directive.approver,
            "reference": directive.reference,
        }
        self._emit(NOTICE_NAMES, seq=self.seq, time_ns=self.now_ns, kind=int(kind), **(named | values))

    # --- the door --------------------------------------------------------------------------------------------------

    def apply(self, rows):
        """One command; returns its reports as tuples in the order of the EVENT or NOTICE layout."""
        self.events = []
        command = Row(COMMAND, rows[0])
        self.seq, self.now_ns = command.seq, max(self.now_ns, command.time_ns)
        timers.do_due(self)
        jobs = len(self.jobs)
        self._dispatch(command, rows)
        if len(self.jobs) > jobs:
            work.do_jobs(self)
        if len(rows) > 1:
            self.seq = Row(LABEL, rows[1:2].view(LABEL)[0]).seq
        return self.events

    def _dispatch(self, command, rows):
        labelled = command.kind in (CommandKind.NEW, CommandKind.MASS_CANCEL) and command.flags & ExecInst.LABELLED
        if labelled and len(rows) == 1:
            self.reject(command, Reason.UNSUPPORTED_ORDER)
            return
        label = tuple(rows[1:2].view(LABEL)[0]["text"].tolist()) if labelled else None
        if command.kind == CommandKind.NEW:
            orders.new(self, command, label)
        elif command.kind == CommandKind.AMEND:
            orders.amend(self, command)
        elif command.kind == CommandKind.CANCEL:
            orders.cancel(self, command)
        elif command.kind == CommandKind.MASS_CANCEL:
            orders.mass_cancel(self, command, label)
        elif command.kind != CommandKind.TIME:
            directives.apply(self, Row(DIRECTIVE, rows[:1].view(DIRECTIVE)[0]))

    def recent_order(self, account, back):
        """One of the account's open orders, counted from the youngest; far back, the `back`-th youngest of all."""
        own = sorted(order.id for order in self.orders.values() if order.account == account)
        return own[-1 - (back - 1) % len(own)] if own and back <= 32 else max(self.serial + 1 - back, 0)
