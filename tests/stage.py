"""An exchange in a few lines: the engine alone, with accounts, money, an index that follows orders, and a clock."""

from typing import Any

import numpy as np

from engine import step
from engine.codes import CommandKind, EventKind, Mode
from engine.codes import ContractParameter as P
from engine.schema import COMMAND, EVENT, NOTICE, STATE, Capacities
from tests import build

MICROS = 1_000_000
TINY = Capacities(orders=4096, accounts=256, positions=512, levels=4096, nodes=8192, groups=64, persons=16, jobs=64)

WORKED = build.PERPETUAL | {
    P.MICROS_PER_TICK_LOT: MICROS,
    P.MAX_PRICE_TICKS: 100_000,
    P.MIN_ORDER_LOTS: 1,
    P.LOT_STEP: 1,
    P.MAX_ORDER_LOTS: 10_000,
    P.MAX_POSITION_LOTS: 10_000,
    P.BAND_PPB: 50_000_000,
    P.TAKER_FEE_PPB: 0,
    P.MAKER_FEE_PPB: 0,
    P.LIQUIDATION_FEE_PPB: 1_000_000,
    P.MARK_CLAMP_PPB: 25_000_000,
    P.FUNDING_INTERVAL_S: 28_800,
    P.SAMPLE_INTERVAL_S: 5,
}
"""The contract of the worked examples: lot 1, tick 1 unit, MMR 5 %, liquidation fee 0.1 %, no other fee."""


class Stage:
    """An exchange under a script: each method sends one command and keeps what the engine reported."""

    def __init__(
        self, contracts: tuple[dict[Any, int], ...] = (WORKED,), accounts: int = 8, ring_rows: int = 1 << 16
    ) -> None:
        self.root = self.create()
        self.ring_rows = ring_rows
        self.seq, self.now_ns = 0, build.START_NS
        self.log: list[np.ndarray[Any, Any]] = []
        self.past: list[np.ndarray[Any, Any]] = []
        self.reports = np.zeros(0, EVENT)
        self.send(build.person(1))
        for account in range(accounts):
            self.send(*build.opened(account, amount_micros=0)[:-1])
        for slot, parameters in enumerate(contracts):
            self.send(*build.listed(slot, parameters))

    def create(self) -> Any:
        """An empty exchange."""
        root = np.zeros(1, STATE)
        for name, value in vars(TINY).items():
            root[0][f"{name}_capacity"] = value
        step.initialise(root, Mode.EXCHANGE)
        return root

    @property
    def state(self) -> Any:
        """The state record."""
        return self.root[0]

    def send(self, *groups: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Apply some rows now and return what they caused, work that they left pending included only when told."""
        rows = np.concatenate(groups) if groups else build.time()
        rows["seq"] = np.arange(self.seq + 1, self.seq + 1 + len(rows))
        rows["time_ns"] = self.now_ns
        self.seq += len(rows)
        self.log.append(rows.copy())
        self.reports = self.apply(rows)
        self.past.append(self.reports)
        return self.reports

    def apply(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the engine reports on some commands."""
        ring, done, found = np.zeros(self.ring_rows, EVENT), 0, []
        while done < len(rows):
            consumed, written = step.apply_batch(self.root, rows[done:], ring)
            assert consumed or written, "the engine makes no progress"
            found.append(ring[:written].copy())
            done += consumed
        return np.concatenate(found)

    def pass_time(self, seconds: float = 1, step_s: float = 1) -> np.ndarray[Any, Any]:
        """Let the clock run, one TIME command each step."""
        found, until = [], self.now_ns + round(seconds * build.SECOND)
        while self.now_ns < until:
            self.now_ns = min(self.now_ns + round(step_s * build.SECOND), until)
            found.append(self.send(build.time()))
        self.reports = np.concatenate(found)
        return self.reports

    def settle(self) -> np.ndarray[Any, Any]:
        """Let the engine finish what is pending at this instant."""
        found = []
        while self.state["next_due_ns"] <= self.now_ns:
            found.append(self.send(build.time()))
        self.reports = np.concatenate(found) if found else np.zeros(0, EVENT)
        return self.reports

    def index(self, price: float, contract: int = 0, sources: tuple[int, ...] = (0, 1, 2)) -> np.ndarray[Any, Any]:
        """Give the sources a price and wait for the next mark tick; the price is in ticks."""
        rows = [self.source_price(source, round(price * 1000), contract) for source in sources]
        self.send(*rows)
        self.now_ns = (self.now_ns // build.SECOND + 1) * build.SECOND
        return self.send(build.time())

    def source_price(self, source: int, price_subticks: int, contract: int = 0) -> np.ndarray[Any, Any]:
        """One source's price, made now."""
        return build.directive(
            CommandKind.INDEX_PRICE,
            contract_slot=contract,
            code=source,
            price_subticks=price_subticks,
            source_time_ns=self.now_ns,
        )

    def deposit(self, account: int, units: float) -> None:
        """Money in whole units."""
        self.send(build.deposit(account, round(units * MICROS)))

    def fund(self, units: float) -> None:
        """Seed the insurance fund."""
        self.send(build.directive(CommandKind.FUND_DEPOSIT, amount_micros=round(units * MICROS)))

    def order(self, account: int, side: int, qty: int, price: int = 0, **fields: Any) -> np.ndarray[Any, Any]:
        """A new order."""
        return self.send(build.new(account, side, qty, price, **fields))

    def cash(self, account: int) -> float:
        """An account's cash in units."""
        return float(self.state["accounts"][account]["cash_micros"]) / MICROS

    def position(self, account: int, contract: int = 0) -> Any:
        """An account's row in a contract, None when it never had one."""
        rows = self.state["positions"][: self.state["positions_used"]]
        for row in rows:
            if row["account_slot"] == account and row["contract_slot"] == contract:
                return row
        return None

    def size(self, account: int, contract: int = 0) -> int:
        """An account's position in lots."""
        row = self.position(account, contract)
        return 0 if row is None else int(row["size_lots"])

    def of(self, *kinds: int) -> list[dict[str, Any]]:
        """The last reports of some kinds, by field name."""
        return by_name(self.reports, kinds)

    def history(self, *kinds: int) -> list[dict[str, Any]]:
        """All reports of some kinds so far, by field name."""
        return by_name(np.concatenate(self.past), kinds)


def by_name(reports: np.ndarray[Any, Any], kinds: tuple[int, ...]) -> list[dict[str, Any]]:
    """Reports of some kinds as dictionaries."""
    found = []
    for event in reports[np.isin(reports["kind"], kinds)]:
        row = event if event["kind"] < EventKind.NOTICE_FIRST else np.array([event]).view(NOTICE)[0]
        found.append({name: row[name].item() for name in row.dtype.names if row[name].ndim == 0})
    return found


def conserved(state: Any) -> int:
    """What is missing or left over of all money: always 0."""
    accounts = state["accounts"][: state["accounts_used"]]
    positions = state["positions"][: state["positions_used"]]
    held = int(accounts["cash_micros"].sum()) + int(positions["isolated_micros"].sum())
    held += int(state["fund_micros"]) + int(state["fees_micros"]) - int(positions["entry_cost_micros"].sum())
    return held - int(state["deposits_micros"]) + int(state["withdrawals_micros"])


def rows_of(log: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """A log as one array of rows."""
    return np.concatenate(log) if log else np.zeros(0, COMMAND)
