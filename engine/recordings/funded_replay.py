"""A recording among funded accounts with everything on: margin, brackets, fees, an index, funding and liquidation.

The orders are spread over accounts by a seeded hash, each order's amendments and cancels with it. The same recording
runs beside it in a research state, whose mid price is the index: said each second, at first the first one that there
will be, so that no order is refused because the market has just opened. The venue's clock runs by messages, a thousand
a second, so that every recording reaches mark ticks and funding, whatever its own clock says.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from engine import host
from engine.codes import AccountAttribute, CommandKind, EventKind, InvestorClass, Mode, Reason
from engine.codes import ContractParameter as P
from engine.host import Engine
from engine.recordings.batches import Batch, ContractSpec, Reader
from engine.recordings.lives_reader import choose_contract, refuse_other_contracts
from engine.recordings.lost_orders import LIMITS
from engine.recordings.replay import Options, Replay, ReplayResult, prepare
from engine.recordings.research import ELIGIBLE, open_market
from engine.recordings.runner import Rows, Runner
from engine.recordings.source import RecordingError
from engine.schema import COMMAND, DIRECTIVE, NOTICE, VENUE
from engine.units import MAX_LOTS, MAX_NOTIONAL_SUBMICROS, SUBTICKS

START_NS = 1_767_225_600_000_000_000
MESSAGE_NS = 1_000_000
SLICE = 1_000
"""Messages in a second of the venue's clock; before each the sources say a price."""
SOURCES = 3
MICROS = 1_000_000
LEAST_UNITS, MOST_UNITS = 20_000, 400_000
"""What an account is funded with, in whole units of the settlement currency: drawn by the seed."""
FUND_UNITS = 1_000_000
MAX_ACCOUNTS = 1 << 20
MAX_PRICE_TICKS = 1 << 20
"""The largest price when the recording names none. The higher it is, the smaller is the largest order: money counts."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

RULES = {
    P.MIN_ORDER_LOTS: 1,
    P.LOT_STEP: 1,
    P.BASE_ELIGIBLE: 1,
    P.NEEDS_INDEX: 1,
    P.MIN_SOURCES: 2,
    P.BAND_PPB: 30_000_000,
    P.TAKER_FEE_PPB: 500_000,
    P.MAKER_FEE_PPB: 200_000,
    P.LIQUIDATION_FEE_PPB: 5_000_000,
    P.MARK_CLAMP_PPB: 20_000_000,
    P.FUNDING_INTERVAL_S: 60,
    P.SAMPLE_INTERVAL_S: 1,
    P.FUNDING_INTEREST_PPB: 100_000,
    P.FUNDING_CLAMP_PPB: 500_000,
    P.FUNDING_CAP_PPB: 37_500_000,
    P.IMPACT_NOTIONAL_MICROS: 20_000_000_000,
    P.DISCLOSURE_PRODUCT: 1,
    P.DISCLOSURE_LOSS: 1,
}
"""The shipped contracts' rules with funding once a minute; leverage 10, maintenance 5 %."""
BRACKETS = ((0, 10, 50_000_000), (10_000_000 * MICROS, 5, 100_000_000))
"""(notional from, leverage, maintenance rate)."""
_DISCLOSURES = {AccountAttribute.DISCLOSURE_PRODUCT: 1, AccountAttribute.DISCLOSURE_LOSS: 1}


@dataclass
class FundedResult(ReplayResult):
    """What it came to among accounts. Money in millionths; `funding_micros` is what was paid by those who paid."""

    accounts: int = 0
    seed: int = 0
    liquidations: int = 0
    deleveraged: int = 0
    funding_payments: int = 0
    funding_micros: int = 0
    fees_micros: int = 0
    fund_change_micros: int = 0


def replay_funded(reader: Reader, accounts: int, seed: int, options: Options) -> FundedResult:
    """Replay a recording among so many accounts. RecordingError when it cannot be traded with money."""
    if reader.is_log:
        raise RecordingError("a journal has accounts of its own: leave --accounts out")
    if not 1 <= accounts <= MAX_ACCOUNTS:
        raise RecordingError(f"accounts: {accounts} is not within 1 to {MAX_ACCOUNTS}")
    choose_contract(reader, "--accounts")
    runner = Runner(Engine(host.create(VENUE, Mode.EXCHANGE)))
    runner.engine.timed = True
    funded = _Funded(reader, runner, options, FundedResult(reader.format, reader.contract.name))
    funded.accounts, funded.seed = accounts, seed
    funded.open_venue()
    funded.run()
    return funded.outcome


class _Funded(Replay):
    limits = LIMITS

    def __init__(self, reader: Reader, runner: Runner, options: Options, result: FundedResult) -> None:
        super().__init__(reader, runner, options)
        self.result = self.outcome = result
        self.recorded = prepare(reader)
        self.accounts, self.seed, self.messages = 1, 0, 0
        self._has_index, self._ahead, self._waited_ns = False, 0, 0
        self.counts = np.zeros(max(EventKind) + 1, np.int64)

    def open_venue(self) -> None:
        """List the contract and open and fund the accounts."""
        self.outcome.accounts, self.outcome.seed = self.accounts, self.seed
        refused: list[str] = []

        def look(events: Rows) -> None:
            for notice in events.view(NOTICE)[events["kind"] == EventKind.REFUSED]:
                refused.append(f"{CommandKind(int(notice['code'])).name}, {Reason(int(notice['reason'])).name}")

        rows = np.concatenate([_listing(self.reader.contract), _accounts(self.accounts, self.seed)])
        self._send(rows, look)
        if refused:
            raise RecordingError(f"{self.reader.contract}: the venue cannot be opened: {refused[0]}")

    @property
    def now_ns(self) -> int:
        """The venue's clock."""
        return START_NS + self.messages * MESSAGE_NS + self._waited_ns

    def _send(self, rows: Rows, sink: Any) -> None:
        rows["time_ns"] = np.maximum(rows["time_ns"], self.now_ns)
        self.runner.stamp(rows)
        self.runner.feed(rows, sink)

    def _apply(self, batch: Batch) -> None:
        rows = batch.commands
        refuse_other_contracts(rows, "--accounts")
        open_market(self.recorded, self.reader)
        self.result.commands += len(rows)
        self._ahead = 0
        if not self._has_index:
            self._look_for_index(rows)
        for start in range(0, len(rows), SLICE):
            piece = rows[start : start + SLICE].copy()
            self._say_index()
            self._record(rows[max(start, self._ahead) : start + SLICE])
            orders = ~np.isin(piece["kind"], (CommandKind.LABEL, CommandKind.MASS_CANCEL))
            piece["account_slot"][orders] = _owners(piece["cl_ord_id"][orders], self.seed, self.accounts)
            piece["person"][orders] = 1
            piece["time_ns"] = self.now_ns + MESSAGE_NS * np.arange(len(piece))
            self._send(piece, self._count)
            self.messages += len(piece)

    def _record(self, rows: Rows) -> None:
        """What was recorded goes on without the accounts."""
        if len(rows):
            self.recorded.stamp(rows)
            self.recorded.feed(rows, _ignore)

    def _look_for_index(self, rows: Rows) -> None:
        """Go ahead in the recording until its book has two sides, and say its price a second before the orders come:
        the index is there at the tick in between.
        """
        step = 1
        while self._ahead < len(rows) and not self._has_index:
            self._record(rows[self._ahead : self._ahead + step])
            self._ahead, step = min(len(rows), self._ahead + step), min(2 * step, SLICE)
            self._has_index = all(self.recorded.depth(1))
        if self._has_index:
            self._say_index()
            self._waited_ns = SLICE * MESSAGE_NS

    def _say_index(self) -> None:
        bids, asks = self.recorded.depth(1)
        if not bids or not asks:
            return
        rows = np.zeros(SOURCES, DIRECTIVE)
        rows["kind"], rows["code"] = CommandKind.INDEX_PRICE, range(SOURCES)
        rows["price_subticks"] = (bids[0][0] + asks[0][0]) * SUBTICKS // 2
        rows["source_time_ns"] = self.now_ns
        self._send(rows.view(COMMAND), self._count)

    def _count(self, events: Rows) -> None:
        self.counts += np.bincount(events["kind"], minlength=len(self.counts))
        paid = events.view(NOTICE)[events["kind"] == EventKind.FUNDING_PAID]["amount_micros"]
        self.outcome.funding_micros -= int(paid[paid < 0].sum())

    def _totals(self) -> None:
        super()._totals()
        outcome, state = self.outcome, self.runner.engine.root[0]
        outcome.liquidations = int(self.counts[EventKind.LIQUIDATION_STARTED])
        outcome.deleveraged = int(self.counts[EventKind.DELEVERAGED])
        outcome.funding_payments = int(self.counts[EventKind.FUNDING_PAID])
        outcome.fees_micros = int(state["fees_micros"])
        outcome.fund_change_micros = int(state["fund_micros"]) - FUND_UNITS * MICROS
        outcome.book_rows_checked = outcome.executions = None
        outcome.contracts = {}


def _ignore(events: Rows) -> None:
    return None


def _owners(ids: Any, seed: int, accounts: int) -> Any:
    """The account of each client id: a hash, the same for every message about an order."""
    mixed = (ids.astype(np.uint64) + np.uint64(seed)) * _FACTOR
    mixed ^= mixed >> np.uint64(31)
    return ((mixed * _FACTOR) >> np.uint64(20)) % np.uint64(accounts)


def _rows(rows: list[dict[str, int]]) -> Rows:
    found = np.zeros(len(rows), DIRECTIVE)
    for row, fields in zip(found, rows, strict=True):
        for name, value in fields.items():
            row[name] = value
    return found.view(COMMAND)


def _unit_micros(spec: ContractSpec) -> int:
    """What one tick on one lot is worth. RecordingError unless it is a whole number of millionths."""
    unit = Decimal(spec.tick) * Decimal(spec.lot) * MICROS
    if unit < 1 or unit != int(unit):
        raise RecordingError(f"{spec.name}: tick x lot is {unit} millionths; name a whole one with --contract")
    return int(unit)


def _listing(spec: ContractSpec) -> Rows:
    unit = _unit_micros(spec)
    highest = spec.max_price_ticks or MAX_PRICE_TICKS
    most = min(MAX_NOTIONAL_SUBMICROS // (highest * SUBTICKS * unit), MAX_LOTS)
    own = {P.MICROS_PER_TICK_LOT: unit, P.MAX_PRICE_TICKS: highest, P.MAX_ORDER_LOTS: most}
    rows: list[dict[str, int]] = [{"kind": CommandKind.CONTRACT_CREATE}]
    for code, value in (RULES | own | {P.MAX_POSITION_LOTS: most}).items():
        rows.append({"kind": CommandKind.CONTRACT_SET, "code": code, "value": value})
    for index, bracket in enumerate(BRACKETS):
        codes = (P.BRACKET_FLOOR_MICROS, P.BRACKET_LEVERAGE, P.BRACKET_MMR_PPB)
        for code, value in zip(codes, bracket, strict=True):
            rows.append({"kind": CommandKind.CONTRACT_SET, "code": code, "index": index, "value": value})
    for index in range(SOURCES):
        rows.append({"kind": CommandKind.CONTRACT_SET, "code": P.SOURCE_WEIGHT, "index": index, "value": 1})
    return _rows([*rows, {"kind": CommandKind.CONTRACT_LIST}])


def _accounts(accounts: int, seed: int) -> Rows:
    units = np.random.default_rng(seed).integers(LEAST_UNITS, MOST_UNITS + 1, accounts).tolist()
    rows: list[dict[str, int]] = [{"kind": CommandKind.FUND_DEPOSIT, "amount_micros": FUND_UNITS * MICROS}]
    for slot, deposit in enumerate(units):
        rows.append({"kind": CommandKind.ACCOUNT_OPEN, "account_slot": slot, "value": InvestorClass.INSTITUTIONAL})
        for code, value in (ELIGIBLE | _DISCLOSURES).items():
            rows.append({"kind": CommandKind.ACCOUNT_SET, "account_slot": slot, "code": code, "value": value})
        rows.append({"kind": CommandKind.DEPOSIT, "account_slot": slot, "amount_micros": deposit * MICROS})
    return _rows(rows)
