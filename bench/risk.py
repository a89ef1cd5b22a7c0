"""What margin, mark ticks, funding and liquidation cost, with everything on."""

import time
from typing import Any

import numpy as np

from bench.engine_runner import EngineRunner, Rows
from bench.measurement import BenchError, Measurement, Plan, best_of, one_digest, percentiles
from engine import batch_end, host, step
from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, EventKind, ExecInst, InvestorClass, Mode, OrdType, Side, TimeInForce
from engine.codes import ContractParameter as P
from engine.schema import COMMAND, DIRECTIVE, VENUE
from gateway.read_model.rows_ahead import HELPER
from gateway.venue.state_ahead import StateAhead

START_NS = 1_772_442_000_000_000_000
SECOND = 1_000_000_000
KINDS = max(EventKind) + 1
CENTRE_TICKS = 50_000
HELD_LOTS = 100
SOURCES = 3
"""Where a contract's index comes from."""
PARAMETERS = {
    P.MICROS_PER_TICK_LOT: 1000,
    P.MAX_PRICE_TICKS: 1_000_000,
    P.MIN_ORDER_LOTS: 1,
    P.MAX_ORDER_LOTS: 100_000,
    P.LOT_STEP: 1,
    P.MAX_POSITION_LOTS: 1_000_000,
    P.BASE_ELIGIBLE: 1,
    P.BAND_PPB: 30_000_000,
    P.TAKER_FEE_PPB: 500_000,
    P.MAKER_FEE_PPB: 200_000,
    P.LIQUIDATION_FEE_PPB: 5_000_000,
    P.MARK_CLAMP_PPB: 20_000_000,
    P.FUNDING_INTERVAL_S: 28_800,
    P.SAMPLE_INTERVAL_S: 5,
    P.FUNDING_INTEREST_PPB: 100_000,
    P.FUNDING_CLAMP_PPB: 500_000,
    P.FUNDING_CAP_PPB: 37_500_000,
    P.IMPACT_NOTIONAL_MICROS: 20_000_000_000,
    P.MIN_SOURCES: 1,
    P.NEEDS_INDEX: 1,
    P.DISCLOSURE_PRODUCT: 1,
    P.DISCLOSURE_LOSS: 1,
    P.BRACKET_LEVERAGE: 10,
    P.BRACKET_MMR_PPB: 50_000_000,
}
"""Leverage 10, maintenance 5 %, band 3 %, fees, funding every eight hours: nothing is off."""
PERSON = 1
FAR_NS = START_NS + (1 << 61)
ELIGIBLE = {
    A.KYC_UNTIL_NS: FAR_NS,
    A.SCREENING_UNTIL_NS: FAR_NS,
    A.JURISDICTION_PERMITTED: 1,
    A.EVIDENCE_UNTIL_NS: FAR_NS,
    A.CONFIRMATION_UNTIL_NS: FAR_NS,
    A.VA_KNOWLEDGE: 1,
    A.RISK_PROFILE: 1,
    A.AGREEMENT: 1,
    A.DISCLOSURE_PRODUCT: 1,
    A.DISCLOSURE_LOSS: 1,
}
"""What an individual needs to open risk."""


def contract_of(account: Any, contracts: int) -> Any:
    """In which of so many contracts an account trades: neighbours in the same, to trade with each other."""
    return account // 2 % contracts


class Market:
    """An exchange with accounts that hold positions; set up in place, since opening a million by command takes long."""

    def __init__(self, accounts: int, positions: int, cash_micros: int = 1 << 40, contracts: int = 1) -> None:
        self.runner = EngineRunner(host.create(VENUE, Mode.EXCHANGE))
        self.seq, self.now_ns, self.contracts = 0, START_NS, contracts
        for slot in range(contracts):
            self._open_contract(slot)
        self._open_accounts(accounts, cash_micros)
        self.index(CENTRE_TICKS)
        self._hold(accounts, positions)

    @property
    def state(self) -> Any:
        """The state record."""
        return self.runner.root[0]

    def send(self, rows: Rows) -> tuple[float, int, Rows]:
        """Apply rows now and whatever events they cause; the seconds, events and kinds counted."""
        rows["seq"] = self.seq + 1 + np.arange(len(rows))
        rows["time_ns"] = self.now_ns
        self.seq += len(rows)
        events, counts = 0, np.zeros(KINDS, np.int64)
        done, spent = 0, 0.0
        while done < len(rows):
            begun = time.perf_counter()
            consumed, written = step.apply_batch(self.runner.root, rows[done:], self.runner.ring)
            spent += time.perf_counter() - begun
            done += consumed
            events += written
            counts += np.bincount(self.runner.ring["kind"][:written], minlength=KINDS)
        return spent, events, counts

    def _open_contract(self, slot: int) -> None:
        create = np.zeros(1, DIRECTIVE)
        create["kind"], create["contract_slot"] = CommandKind.CONTRACT_CREATE, slot
        settings = np.zeros(len(PARAMETERS) + SOURCES, DIRECTIVE)
        settings["kind"] = CommandKind.CONTRACT_SET
        own, weights = settings[:-SOURCES], settings[-SOURCES:]
        shared = {P.MAX_POSITION_LOTS: PARAMETERS[P.MAX_POSITION_LOTS] // self.contracts}  # a venue's sums have a bound
        shared[P.MAX_ORDER_LOTS] = min(PARAMETERS[P.MAX_ORDER_LOTS], shared[P.MAX_POSITION_LOTS])
        own["code"], own["value"] = list(PARAMETERS), list((PARAMETERS | shared).values())
        weights["code"], weights["value"], weights["index"] = P.SOURCE_WEIGHT, 1, range(SOURCES)
        listing = np.zeros(1, DIRECTIVE)
        listing["kind"] = CommandKind.CONTRACT_LIST
        settings["contract_slot"] = listing["contract_slot"] = slot
        _, _, counts = self.send(np.concatenate([create, settings, listing]).view(COMMAND))
        if counts[EventKind.CONTRACT_LISTED] != 1:
            raise BenchError("the contract of the benchmark cannot be listed")

    def _open_accounts(self, accounts: int, cash_micros: int) -> None:
        """Individual clients with all that lets them trade, given by command; their money is put in place."""
        person = np.zeros(1, DIRECTIVE)
        person["kind"], person["person"], person["value"] = CommandKind.PERSON_SET, PERSON, FAR_NS
        self.send(person.view(COMMAND))
        rows = np.zeros(accounts, DIRECTIVE)
        rows["kind"], rows["account_slot"] = CommandKind.ACCOUNT_OPEN, np.arange(accounts)
        rows["value"] = InvestorClass.INDIVIDUAL
        self.send(rows.view(COMMAND))
        rows["kind"] = CommandKind.ACCOUNT_SET
        for attribute, value in ELIGIBLE.items():
            rows["code"], rows["value"] = attribute, value
            self.send(rows.view(COMMAND))
        state = self.state
        state["accounts"]["cash_micros"][:accounts] = cash_micros
        state["deposits_micros"] += accounts * cash_micros
        batch_end.recount(self.runner.root)

    def _hold(self, accounts: int, positions: int) -> None:
        """Neighbours trade with each other: even accounts are long, odd ones short."""
        count = min(accounts, positions) // 2 * 2
        trades = np.zeros(count, COMMAND)
        trades["kind"], trades["ord_type"], trades["tif"] = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC
        trades["account_slot"], trades["person"] = np.arange(count), PERSON
        trades["contract_slot"] = contract_of(trades["account_slot"], self.contracts)
        trades["side"] = np.where(np.arange(count) % 2 == 0, Side.BUY, Side.SELL)
        trades["qty_lots"], trades["price_ticks"] = HELD_LOTS, CENTRE_TICKS
        _, _, counts = self.send(trades)
        if counts[EventKind.FILL] != count:
            raise BenchError("the positions of the benchmark were not opened")

    def index(self, price_ticks: int) -> tuple[float, int, Rows]:
        """New index prices, then the mark tick: what the tick took."""
        rows = np.zeros(SOURCES * self.contracts, DIRECTIVE)
        rows["kind"], rows["price_subticks"] = CommandKind.INDEX_PRICE, price_ticks * 1000
        rows["contract_slot"], rows["code"] = np.divmod(np.arange(len(rows)), SOURCES)
        rows["source_time_ns"] = self.now_ns
        self.send(rows.view(COMMAND))
        self.now_ns = (self.now_ns // SECOND + 1) * SECOND
        return self.send(self.clock())

    @staticmethod
    def clock() -> Rows:
        """A TIME command."""
        row = np.zeros(1, COMMAND)
        row["kind"] = CommandKind.TIME
        return row

    def settle(self) -> tuple[int, float, float, Rows]:
        """TIME commands until nothing is pending: how many, seconds in all, the longest, events by kind."""
        count, total, longest, counts = 0, 0.0, 0.0, np.zeros(KINDS, np.int64)
        while self.state["next_due_ns"] <= self.now_ns:
            spent, _, found = self.send(self.clock())
            count, total, longest = count + 1, total + spent, max(longest, spent)
            counts += found
        return count, total, longest, counts


# --- flow ---------------------------------------------------------------------------------------------------------


def flow(seed: int, count: int, accounts: int, contracts: int = 1) -> Rows:
    """Realistic flow of many accounts: quotes close to the mark, most of them cancelled, a tenth takes."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, COMMAND)
    place = np.arange(count)
    new = rng.random(count) < 0.52
    target = np.maximum(place - rng.geometric(0.0005, count), 0)
    author = rng.integers(0, accounts, count)
    rows["account_slot"] = np.where(new, author, author[target])
    rows["cl_ord_id"] = np.where(new, place, target) + 1
    rows["kind"] = np.where(new, CommandKind.NEW, CommandKind.CANCEL)
    rows["side"] = np.where(new, rng.integers(1, 3, count), 0)
    sign = np.where(rows["side"] == Side.BUY, -1, 1)
    takes = rng.random(count) < 0.1
    away = np.where(takes, -rng.integers(0, 20, count), 1 + rng.zipf(1.7, count).clip(max=400))
    rows["price_ticks"] = np.where(new, CENTRE_TICKS + sign * away, 0)
    rows["qty_lots"] = np.where(new, rng.integers(1, 40, count), 0)
    rows["person"] = PERSON
    rows["contract_slot"] = contract_of(rows["account_slot"], contracts)
    rows["ord_type"] = np.where(new, OrdType.LIMIT, 0)
    rows["tif"] = np.where(new, np.where(takes, TimeInForce.IOC, TimeInForce.GTC), 0)
    return rows


def orders(plan: Plan) -> list[Measurement]:
    """Orders a second with admission, margin, positions and fees of accounts that all hold positions."""
    accounts, count = plan.size(1_000, 100_000), plan.size(10_000, 1_000_000)
    timings, digests = [], []
    for turn in range(plan.runs):
        plan.progress(f"orders of {accounts:,} accounts, run {turn + 1} of {plan.runs}")
        market = Market(accounts, accounts)
        StateAhead(market.runner.root).look_again()  # as in a venue that is in use
        HELPER.wait()
        rows = flow(plan.seed, count, accounts)
        rows["seq"], rows["time_ns"] = market.seq + 1 + np.arange(count), market.now_ns
        timings.append(market.runner.apply(rows))
        digests.append(market.runner.digest())
    best = max(timings, key=lambda timing: timing.rate)
    return [
        Measurement(
            name="margined-orders",
            value=round(best.rate),
            unit="messages/s",
            workload=f"{count:,} orders and cancels of {accounts:,} accounts with positions, everything on",
            seed=plan.seed,
            digest=one_digest("margined orders", digests),
            percentiles={f"{name}_ns": value for name, value in percentiles(best.command_ns).items()},
            note=best_of([timing.rate for timing in timings], "messages/s"),
        )
    ]


def ticks(plan: Plan) -> list[Measurement]:
    """A mark tick that re-checks every position, and a funding settlement of all of them, events written."""
    positions = plan.size(2_000, 1_000_000)
    plan.progress(f"opening {positions:,} positions")
    market = Market(positions, positions)
    spent = []
    for turn in range(plan.runs + 2):
        plan.progress(f"mark tick {turn + 1}")
        spent.append(market.index(CENTRE_TICKS + 1 + turn % 2)[0] * 1e3)
    digest = market.runner.digest()
    what = f"{positions:,} positions"
    tick = Measurement(
        "mark-tick", round(min(spent), 2), "ms", f"one tick re-checks {what}", None, digest, note=best_of(spent, "ms")
    )
    state = market.state["contracts"][0]
    plan.progress("funding")
    state["premium_samples"], state["premium_weight"], state["premium_sum_ppb"] = 4000, 1, 100_000
    market.now_ns = int(state["next_funding_ns"])
    took, events, counts = market.send(market.clock())
    if counts[EventKind.FUNDING_PAID] != positions:
        raise BenchError(f"funding paid {counts[EventKind.FUNDING_PAID]} positions of {positions}")
    workload = f"one settlement of {what}, {events:,} events written, its mark tick too"
    funded = Measurement("funding", round(took * 1e3, 2), "ms", workload, None, market.runner.digest())
    return [tick, funded]


def _before_the_fall(plan: Plan, accounts: int) -> Market:
    """Half of all accounts hold positions that a fall will make liquidatable; the other half and the fund are rich."""
    plan.progress(f"a cascade of {accounts // 2:,} liquidations")
    market = Market(accounts, accounts, cash_micros=HELD_LOTS * CENTRE_TICKS * 1000 // 8)
    state = market.state
    state["fund_micros"] += 1 << 50
    state["accounts"]["cash_micros"][1:accounts:2] += 1 << 40
    state["deposits_micros"] += (1 << 50) + accounts // 2 * (1 << 40)
    batch_end.recount(market.runner.root)
    return market


def deleveraging(plan: Plan) -> list[Measurement]:
    """The same fall into an empty book: every position is closed by deleveraging against the best of the others."""
    accounts = plan.size(200, 20_000)
    market = _before_the_fall(plan, accounts)
    took, _, counts = market.index(CENTRE_TICKS * 89 // 100)
    count, total, longest, found = market.settle()
    trades = int(found[EventKind.DELEVERAGED] + counts[EventKind.DELEVERAGED])
    if trades < accounts // 2:
        raise BenchError(f"{trades} deleveraging trades of {accounts // 2} accounts")
    workload = f"{trades:,} deleveraging trades among {accounts:,} positions"
    note = f"worked off by {count:,} commands, the longest {longest * 1e6:,.0f} us"
    return [Measurement("deleveraging", round(total + took, 4), "s", workload, None, market.runner.digest(), note=note)]


def cascade(plan: Plan) -> list[Measurement]:
    """Half of all accounts become liquidatable at one tick, against a book that takes their positions."""
    accounts = plan.size(400, 200_000)
    market = _before_the_fall(plan, accounts)
    fall = CENTRE_TICKS * 91 // 100
    market.index(fall + CENTRE_TICKS // 50)
    bids = np.zeros(accounts // 2, COMMAND)
    bids["kind"], bids["ord_type"], bids["tif"] = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC
    bids["account_slot"], bids["side"] = np.arange(1, accounts, 2), Side.BUY
    bids["qty_lots"], bids["price_ticks"], bids["flags"] = HELD_LOTS, fall, ExecInst.REDUCE_ONLY
    market.send(bids)
    took, _, counts = market.index(fall)
    count, total, longest, found = market.settle()
    started = int(found[EventKind.LIQUIDATION_STARTED] + counts[EventKind.LIQUIDATION_STARTED])
    workload = f"{int(counts[EventKind.LIQUIDATION_FLAGGED]):,} accounts flagged at one tick, {started:,} rounds"
    note = f"worked off by {count:,} commands, the longest {longest * 1e6:,.0f} us"
    return [Measurement("cascade", round(total + took, 4), "s", workload, None, market.runner.digest(), note=note)]
