"""A seeded market of agents on the engine itself: makers, momentum, noise and leveraged gamblers, with scenarios.

The same seed, scenario and length give the same market to the last micro. Every second of it is one batch, after which
every invariant is checked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import host, invariants
from engine.codes import CommandKind, EventKind, ExecInst, Mode, OrdType, Side, TimeInForce
from engine.codes import ContractParameter as P
from engine.schema import COMMAND, DIRECTIVE, NOTICE, Capacities
from gateway.registry.required_attributes import given_until

START_NS = 1_772_442_000_000_000_000
SECOND = 1_000_000_000
MICROS = 1_000_000
CENTRE_TICKS = 50_000
LOTS_PER_COIN = 1000
"""A tick is one USDC and a lot a thousandth of a coin, as MICROS_PER_TICK_LOT says: so prices and amounts are drawn."""
SOURCES = 3
FAR_NS = START_NS + (1 << 60)
FUND_MICROS = 2_000_000 * MICROS
CAPACITIES = Capacities(
    orders=1 << 16, accounts=1 << 12, positions=1 << 13, levels=1 << 14, nodes=1 << 15, groups=8, persons=8, jobs=1024
)

CONTRACT = {
    P.MICROS_PER_TICK_LOT: 1000,
    P.MAX_PRICE_TICKS: 1_000_000,
    P.MIN_ORDER_LOTS: 1,
    P.MAX_ORDER_LOTS: 1_000_000,
    P.LOT_STEP: 1,
    P.MAX_POSITION_LOTS: 2_000_000,
    P.NEEDS_INDEX: 1,
    P.BASE_ELIGIBLE: 1,
    P.BAND_PPB: 30_000_000,
    P.TAKER_FEE_PPB: 500_000,
    P.MAKER_FEE_PPB: 200_000,
    P.LIQUIDATION_FEE_PPB: 5_000_000,
    P.MARK_CLAMP_PPB: 20_000_000,
    P.FUNDING_INTERVAL_S: 600,
    P.SAMPLE_INTERVAL_S: 5,
    P.FUNDING_INTEREST_PPB: 100_000,
    P.FUNDING_CLAMP_PPB: 500_000,
    P.FUNDING_CAP_PPB: 37_500_000,
    P.IMPACT_NOTIONAL_MICROS: 20_000_000_000,
    P.MIN_SOURCES: 1,
    P.DISCLOSURE_PRODUCT: 1,
    P.DISCLOSURE_LOSS: 1,
    P.BRACKET_LEVERAGE: 10,
    P.BRACKET_MMR_PPB: 50_000_000,
}
"""Leverage 10, maintenance 5 %, band 3 %; funding every ten minutes, so that an hour shows some."""

@dataclass(frozen=True)
class Crowd:
    """One kind of agent: how many, and the money each begins with."""

    name: str
    count: int
    cash: int


CROWDS = (
    Crowd("maker", 8, 5_000_000),
    Crowd("momentum", 20, 300_000),
    Crowd("noise", 40, 100_000),
    Crowd("gambler", 200, 10_000),
)


def _calm(moves: Any) -> None:
    """Nothing but the random walk."""


def _crash(moves: Any) -> None:
    """Half-way the price falls by 30 % within a minute and stays there."""
    middle = len(moves) // 2
    moves[middle : middle + 60] += np.log(0.70) / 60


def _squeeze(moves: Any) -> None:
    """Half-way the price rises by 35 % within a minute and stays there."""
    middle = len(moves) // 2
    moves[middle : middle + 60] += np.log(1.35) / 60


def _flash(moves: Any) -> None:
    """Half-way the price falls by 25 % in ten seconds and comes back within two minutes."""
    middle = len(moves) // 2
    moves[middle : middle + 10] += np.log(0.75) / 10
    moves[middle + 30 : middle + 150] -= np.log(0.75) / 120


def _gap(moves: Any) -> None:
    """Half-way the price is 15 % lower from one second to the next: below what gamblers' margin can carry."""
    moves[len(moves) // 2] += np.log(0.85)


SCENARIOS: dict[str, Callable[[Any], None]] = {
    "calm": _calm,
    "crash": _crash,
    "squeeze": _squeeze,
    "flash": _flash,
    "gap": _gap,
}


@dataclass
class Series:
    """One value for each second."""

    index: list[float] = field(default_factory=list)
    mark: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    funding: list[float] = field(default_factory=list)
    open_interest: list[float] = field(default_factory=list)
    fund: list[float] = field(default_factory=list)


@dataclass
class Outcome:
    """What became of a market; money in units of the settlement currency."""

    seconds: int = 0
    commands: int = 0
    trades: int = 0
    rejected: int = 0
    liquidations: int = 0
    accounts_liquidated: int = 0
    deleveraged: int = 0
    fund_paid: float = 0.0
    fund_change: float = 0.0
    fees: float = 0.0
    funding_paid: dict[str, float] = field(default_factory=dict)
    profit: dict[str, float] = field(default_factory=dict)
    checks: int = 0
    digest: str = ""


class Simulation:
    """One market: `run` lets it go on to its end; `series` and `outcome` say what happened."""

    def __init__(self, seed: int, scenario: str, seconds: int) -> None:
        self._rng = np.random.default_rng(seed)
        moves = self._rng.normal(0, 0.0004, seconds)
        SCENARIOS[scenario](moves)
        self._path = CENTRE_TICKS * np.exp(np.cumsum(moves))
        self._moves = moves
        self._engine = host.Engine(host.create(CAPACITIES, Mode.EXCHANGE))
        self._state = self._engine.root[0]
        self._now_ns = START_NS
        self._ids = 0
        self._quotes: list[tuple[int, int]] = []
        self._counts = np.zeros(max(EventKind) + 1, np.int64)
        self._hurt: set[int] = set()
        self.series = Series()
        self.outcome = Outcome(seconds=seconds)
        self._open()

    # --- setting up -----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        rows = [_directive(CommandKind.PERSON_SET, person=1, value=FAR_NS)]
        self._crowd: list[str] = []
        for crowd in CROWDS:
            for _ in range(crowd.count):
                rows += _account(len(self._crowd), crowd.cash)
                self._crowd.append(crowd.name)
        rows.append(_directive(CommandKind.CONTRACT_CREATE))
        rows += [_directive(CommandKind.CONTRACT_SET, code=code, value=value) for code, value in CONTRACT.items()]
        rows += [_directive(CommandKind.CONTRACT_SET, code=P.SOURCE_WEIGHT, value=1, index=i) for i in range(SOURCES)]
        rows.append(_directive(CommandKind.CONTRACT_LIST))
        rows.append(_directive(CommandKind.FUND_DEPOSIT, amount_micros=FUND_MICROS))
        self._submit(np.concatenate(rows))
        self._who = {name: np.flatnonzero(np.array(self._crowd) == name) for name in {*self._crowd}}

    def _submit(self, rows: Any) -> None:
        rows["seq"] = self._engine.last_seq + 1 + np.arange(len(rows))
        rows["time_ns"] = self._now_ns
        self._engine.feed(rows, self._take)
        self.outcome.commands += len(rows)

    def _take(self, commands: Any, events: Any) -> None:
        self._counts += np.bincount(events["kind"], minlength=max(EventKind) + 1)
        started = events["kind"] == EventKind.LIQUIDATION_STARTED
        if started.any():
            self._hurt.update(events[started].view(NOTICE)["account_slot"].tolist())

    # --- a second -------------------------------------------------------------------------------------------------

    def run(self, progress: Callable[[int], None] = lambda second: None) -> None:
        """Let every second pass; AuditError at the first invariant that does not hold."""
        for second, price in enumerate(self._path):
            rows = [self._prices(price), self._makers(price), self._takers(second, price), self._gamblers(price)]
            self._submit(np.concatenate(rows))
            self._now_ns += SECOND
            self._settle()
            invariants.check(self._engine.root)
            self.outcome.checks += 1
            self._observe()
            progress(second + 1)
        self._summarise()

    def _settle(self) -> None:
        """The mark tick, and everything that it makes due."""
        tick = np.zeros(1, COMMAND)
        tick["kind"] = CommandKind.TIME
        self._submit(tick)
        while int(self._state["next_due_ns"]) <= self._now_ns:
            self._submit(tick)

    def _prices(self, price: float) -> Any:
        rows = np.zeros(SOURCES, DIRECTIVE)
        rows["kind"], rows["code"] = CommandKind.INDEX_PRICE, np.arange(SOURCES)
        rows["price_subticks"] = price * 1000 * (1 + self._rng.normal(0, 0.00005, SOURCES))
        rows["source_time_ns"] = self._now_ns
        return rows.view(COMMAND)

    def _orders(self, accounts: Any, sides: Any, lots: Any, prices: Any) -> Any:
        """New orders with client ids of their own; price 0 is a market order."""
        rows = np.zeros(len(accounts), COMMAND)
        rows["kind"], rows["account_slot"], rows["side"], rows["qty_lots"] = CommandKind.NEW, accounts, sides, lots
        rows["price_ticks"], rows["person"] = prices, 1
        rows["ord_type"] = np.where(rows["price_ticks"] == 0, OrdType.MARKET, OrdType.LIMIT)
        rows["tif"] = np.where(rows["price_ticks"] == 0, TimeInForce.IOC, TimeInForce.GTC)
        rows["cl_ord_id"] = self._ids + 1 + np.arange(len(rows))
        self._ids += len(rows)
        return rows

    def _makers(self, price: float) -> Any:
        """Each second all old quotes go and five levels a side come, leaning against the inventory."""
        makers = self._who["maker"]
        old = np.zeros(len(self._quotes), COMMAND)
        old["kind"] = CommandKind.CANCEL
        if self._quotes:
            old["account_slot"], old["cl_ord_id"] = np.array(self._quotes).T
        levels = np.arange(1, 6)
        lean = np.array([self._size(maker) for maker in makers]) / 40_000 * 0.01
        spread = 0.0004 * levels * (1 + 40 * abs(self._last_move))
        middle = price * (1 - np.clip(lean, -0.01, 0.01))
        bids = (middle[:, None] * (1 - spread)).astype(np.int64)
        asks = (middle[:, None] * (1 + spread)).astype(np.int64) + 1
        accounts = np.repeat(makers, 5)
        lots = self._rng.integers(100, 800, (2, len(accounts)))
        rows = np.concatenate([
            self._orders(accounts, Side.BUY, lots[0], bids.ravel()),
            self._orders(accounts, Side.SELL, lots[1], asks.ravel()),
        ])  # fmt: skip
        rows["flags"] = ExecInst.POST_ONLY
        self._quotes = list(zip(rows["account_slot"].tolist(), rows["cl_ord_id"].tolist(), strict=True))
        return np.concatenate([old, rows])

    _last_move = 0.0

    def _takers(self, second: int, price: float) -> Any:
        """Momentum follows the last ten seconds, noise does anything."""
        trend = float(self._moves[max(0, second - 10) : second + 1].sum())
        self._last_move = trend
        follow = self._rng.random(len(self._who["momentum"])) < min(abs(trend) * 60, 0.6)
        followers = self._who["momentum"][follow]
        side = Side.BUY if trend > 0 else Side.SELL
        noise = self._who["noise"][self._rng.random(len(self._who["noise"])) < 0.05]
        accounts = np.concatenate([followers, noise])
        sides = np.concatenate([np.full(len(followers), side), self._rng.integers(1, 3, len(noise))])
        return self._orders(accounts, sides, self._rng.integers(5, 150, len(accounts)), 0)

    def _gamblers(self, price: float) -> Any:
        """Whoever is flat bets everything on one side with nine times its money; some take what they have won."""
        chosen = self._rng.random(len(self._who["gambler"])) < 0.004
        rows = []
        for account in self._who["gambler"][chosen]:
            size = self._size(account)
            cash = int(self._state["accounts"][account]["cash_micros"])
            lots = int(cash * self._rng.uniform(4, 9) / (price * int(CONTRACT[P.MICROS_PER_TICK_LOT])))
            if size == 0 and lots > 0:
                side = Side.BUY if self._rng.random() < 0.6 else Side.SELL
                rows.append(self._orders([account], side, lots, 0))
            elif size != 0 and self._rng.random() < 0.3:
                close = self._orders([account], Side.SELL if size > 0 else Side.BUY, abs(size), 0)
                close["flags"] = ExecInst.REDUCE_ONLY
                rows.append(close)
        return np.concatenate(rows) if rows else np.zeros(0, COMMAND)

    def _size(self, account: Any) -> int:
        slot = int(self._state["accounts"][account]["positions_head"])
        return int(self._state["positions"][slot]["size_lots"]) if slot >= 0 else 0

    # --- what happened --------------------------------------------------------------------------------------------

    def _observe(self) -> None:
        contract, series = self._state["contracts"][0], self.series
        series.index.append(int(contract["index_subticks"]) / 1000)
        series.mark.append(int(contract["mark_subticks"]) / 1000)
        series.last.append(float(contract["last_price_ticks"]) or series.mark[-1])
        series.funding.append(int(contract["funding_rate_ppb"]) / 1e9)
        series.open_interest.append(int(contract["open_interest_lots"]))
        series.fund.append(int(self._state["fund_micros"]) / MICROS)

    def _summarise(self) -> None:
        out, state = self.outcome, self._state
        out.trades = int(self._counts[EventKind.FILL]) // 2
        out.rejected = int(self._counts[EventKind.REJECTED])
        out.liquidations = int(self._counts[EventKind.LIQUIDATION_STARTED])
        out.accounts_liquidated = len(self._hurt)
        out.deleveraged = int(self._counts[EventKind.DELEVERAGED])
        out.fund_paid = int(state["accounts"]["fund_used_micros"].sum()) / MICROS
        out.fund_change = (int(state["fund_micros"]) - FUND_MICROS) / MICROS
        out.fees = int(state["fees_micros"]) / MICROS
        out.digest = self._engine.digest()
        mark, unit = int(state["contracts"][0]["mark_subticks"]), int(state["contracts"][0]["micros_per_tick_lot"])
        for crowd in CROWDS:
            profit, funding = 0, 0
            for account in self._who[crowd.name]:
                profit += int(state["accounts"][account]["cash_micros"]) - crowd.cash * MICROS
                slot = int(state["accounts"][account]["positions_head"])
                if slot >= 0:
                    row = state["positions"][slot]
                    profit += int(row["size_lots"]) * mark * unit // 1000 - int(row["entry_cost_micros"])
                    funding += int(row["funding_micros"])
            out.profit[crowd.name] = profit / MICROS
            out.funding_paid[crowd.name] = -funding / MICROS


def _directive(kind: int, **fields: Any) -> Any:
    rows = np.zeros(1, DIRECTIVE)
    rows["kind"] = kind
    for name, value in fields.items():
        rows[name] = value
    return rows.view(COMMAND)


def _account(slot: int, cash: int) -> list[Any]:
    """An eligible account with money."""
    rows = [_directive(CommandKind.ACCOUNT_OPEN, account_slot=slot, value=1)]
    for attribute, value in given_until(FAR_NS).items():
        rows.append(_directive(CommandKind.ACCOUNT_SET, account_slot=slot, code=attribute, value=value))
    return [*rows, _directive(CommandKind.DEPOSIT, account_slot=slot, amount_micros=cash * MICROS)]
