"""A generator of what moves prices: index inputs at random times, sources that fall silent and return, thin and deep
books, big trades, outages that skip samples, ticks and funding, and officers who change what a contract is priced by.

The accounts are rich: nobody is liquidated here.
"""

from typing import Any

import numpy as np

from engine.codes import AccountAttribute as A
from engine.codes import (
    Affiliation,
    CommandKind,
    ExecInst,
    MarketState,
    OrdType,
    Restriction,
    Side,
    TimeInForce,
    VenueState,
)
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests import build
from tests.build import SECOND, START_NS, Rows
from tests.model import Limits

LIMITS = Limits(orders=400, accounts=16, positions=64, groups=8, persons=8, jobs=8, clients=8)
ACCOUNTS = 6
HOUSE = 5
"""The account of a company of the operator's group."""
ROUND = build.PERPETUAL | {
    P.MICROS_PER_TICK_LOT: 1_000_000,
    P.MAX_PRICE_TICKS: 2000,
    P.MIN_ORDER_LOTS: 1,
    P.LOT_STEP: 1,
    P.MAX_ORDER_LOTS: 400,
    P.MAX_POSITION_LOTS: 4000,
    P.FUNDING_INTERVAL_S: 60,
    P.SAMPLE_INTERVAL_S: 5,
    P.FUNDING_CAP_PPB: 37_500_000,
    P.MARK_CLAMP_PPB: 20_000_000,
    P.MIN_SOURCES: 2,
    P.AFFILIATE_PRESENT: 1,
    P.DISCLOSURE_AFFILIATE: 1,
}
"""Two lots at 1000 are a tenth of the impact notional, 20 are all of it."""
ODD = ROUND | {
    P.MICROS_PER_TICK_LOT: 333_333_333,
    P.MAX_PRICE_TICKS: 30,
    P.FUNDING_INTERVAL_S: 40,
    P.SAMPLE_INTERVAL_S: 4,
    P.FUNDING_INTEREST_PPB: -300_001,
    P.FUNDING_CAP_PPB: 2_000_000,
    P.FUNDING_CLAMP_PPB: 77_777,
    P.FUNDING_EQUAL_WEIGHTS: 1,
    P.IMPACT_EXCLUDES_AFFILIATES: 1,
    P.IMPACT_NOTIONAL_MICROS: 33_333_333_333,
    P.BAND_PPB: 40_000_000,
    P.MARK_CLAMP_PPB: 7_777_777,
    P.MIN_SOURCES: 1,
    P.ALLOW_THIN_INDEX: 1,
}
"""Few ticks, and nothing comes out even."""
WIDE = ROUND | {
    P.MICROS_PER_TICK_LOT: 999_983,
    P.MAX_PRICE_TICKS: 500_000,
    P.MAX_ORDER_LOTS: 5,
    P.MAX_POSITION_LOTS: 50,
    P.FUNDING_INTERVAL_S: 120,
    P.SAMPLE_INTERVAL_S: 1,
    P.FUNDING_CAP_PPB: 500_000,
    P.IMPACT_NOTIONAL_MICROS: 100_000_000_007,
    P.MIN_SOURCES: 3,
    P.BRACKET_MMR_PPB: 50_000_001,
    P.AFFILIATE_PRESENT: 0,
    P.DISCLOSURE_AFFILIATE: 0,
}
"""Many ticks, and eight sources of very different weights."""
CONTRACTS: tuple[dict[Any, int], ...] = (ROUND, ODD, WIDE, ROUND)
DRAFT = 3
"""The contract that is never listed."""
WEIGHTS = ((1, 2, 5), (7,), (1, 2, 3, 5, 8, 13, 1 << 20, 1), (1,))
CENTRES = (1_000_000, 12_345, 100_000_000, 1_000_000)
"""Where the index begins, in subticks."""


def stage() -> list[Rows]:
    """Six accounts, of which the last is a company of the group, and four contracts, of which three are listed."""
    rows = [build.person(1)]
    for account in range(ACCOUNTS):
        rows += build.opened(account, (0, 1, 1, 0, 0, 0)[account])
    for slot, parameters in enumerate(CONTRACTS):
        rows += build.draft(slot, parameters)[:-3]
        rows += [build.contract_set(slot, P.SOURCE_WEIGHT, weight, place) for place, weight in enumerate(WEIGHTS[slot])]
        if slot != DRAFT:
            rows.append(build.directive(CommandKind.CONTRACT_LIST, contract_slot=slot))
    rows.append(build.account_set(HOUSE, A.AFFILIATION, Affiliation.GROUP_COMPANY))
    rows += [build.approval(HOUSE, slot, build.FAR_NS) for slot in range(DRAFT)]
    rows.append(build.directive(CommandKind.VENUE_SET, code=V.AFFILIATE_POST_ONLY, value=0))
    return [*rows, build.directive(CommandKind.FUND_DEPOSIT, amount_micros=10**15)]


class _Flow:
    """What is drawn, and what a command needs to know of the ones before it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.trouble = self.one(0.05, 0.3, 1.0)  # how often sources, clocks and officers make some
        self.now_ns = START_NS
        self.centres = list(CENTRES)
        self.silent: dict[tuple[int, int], int] = {}  # (contract, source) -> until when it says nothing
        self.later: list[tuple[int, Rows]] = []  # what is undone some commands later

    def one(self, *values: Any) -> Any:
        """One of some values."""
        return values[self.rng.integers(len(values))]

    def chance(self, share: float) -> bool:
        """True for about this share of the calls."""
        return bool(self.rng.random() < share)

    def pass_time(self) -> None:
        """Mostly little; sometimes an outage that skips ticks, samples, or whole funding intervals."""
        step = self.rng.random()
        if step < 0.25:
            self.now_ns += int(self.rng.integers(0, SECOND // 2))
        elif step < 0.27:
            self.now_ns = (self.now_ns // SECOND + 1) * SECOND
        elif step < 0.27 + 0.005 * self.trouble:
            self.now_ns += int(self.rng.integers(SECOND, 12 * SECOND))
        elif step < 0.27 + 0.0055 * self.trouble:
            self.now_ns += int(self.rng.integers(12 * SECOND, 200 * SECOND))

    def contract(self) -> int:
        """A contract, most often the first."""
        return int(self.rng.choice(4, p=(0.38, 0.2, 0.4, 0.02)))

    def price(self, slot: int) -> Rows:
        """A source says a price: near the centre, away from it, or nonsense; seldom at another time than now."""
        self.centres[slot] = max(self.centres[slot] + int(self.centres[slot] * self.rng.normal(0, 0.001)), 2000)
        sources = max(len(WEIGHTS[slot]), 1)
        source = int(self.rng.integers(sources))
        if self.chance(0.01 * self.trouble):
            self.silent[slot, source] = self.now_ns + int(self.rng.integers(5, 40)) * SECOND
        if self.chance(0.003 * self.trouble):
            until = self.now_ns + int(self.rng.integers(5, 25)) * SECOND
            self.silent |= {(slot, other): until for other in range(sources)}
        if self.silent.get((slot, source), 0) > self.now_ns:
            return build.time()
        width = self.one(0.0005, 0.002, 0.01)
        said = round(self.centres[slot] * (1 + self.rng.normal(0, width)))
        if self.chance(0.04 * self.trouble):
            said = int(self.one(0, -1, said * 2, said // 2, said * 3, CONTRACTS[slot][P.MAX_PRICE_TICKS] * 1000 + 1))
        made_ns = self.now_ns
        if self.chance(0.1):
            made_ns += int(self.one(-SECOND, -3 * SECOND, -10 * SECOND, -11 * SECOND, SECOND, SECOND + 1))
        values = {"price_subticks": said, "source_time_ns": made_ns}
        source += int(self.one(0, 0, 0, 0, 8, -1)) if self.chance(0.03) else 0
        return build.directive(CommandKind.INDEX_PRICE, contract_slot=slot, code=source, **values)

    def order(self, slot: int) -> Rows:
        """An order near the centre; buyers lean down and sellers up, so that books fill and sometimes cross."""
        side = int(self.one(Side.BUY, Side.SELL))
        lean = -1 if side == Side.BUY else 1
        away = self.rng.normal(lean * self.one(0.001, 0.01, 0.03), 0.006)
        price = max(round(self.centres[slot] * (1 + away) / 1000), 1)
        lots = int(self.one(1, 2, 3, 5, 8, 20, 60, 150))
        if slot == 2:
            lots = int(self.rng.integers(1, 4))
        row = build.new(int(self.rng.integers(ACCOUNTS)), side, lots, price, contract_slot=slot)
        kind = self.rng.random()
        if kind < 0.08:
            row["flags"], row["display_lots"] = ExecInst.ICEBERG, max(lots // 3, 1)
        elif kind < 0.14:
            row["flags"] = ExecInst.REDUCE_ONLY
        elif kind < 0.18:
            row["flags"] = ExecInst.POST_ONLY
        elif kind < 0.25:
            row["ord_type"] = self.one(OrdType.STOP_MARKET, OrdType.TAKE_LIMIT, OrdType.STOP_LIMIT)
            row["trigger_source"] = self.rng.integers(3)
            row["trigger_price_ticks"] = max(round(price * (1 + self.rng.normal(0, 0.01))), 1)
        elif kind < 0.28:
            row["ord_type"], row["offset_ticks"] = OrdType.TRAILING_STOP, max(price // 100, 1)
            row["trigger_source"] = self.rng.integers(3)
        elif kind < 0.32:
            row["ord_type"], row["price_ticks"] = OrdType.MARKET, 0
        elif kind < 0.36:
            row["tif"] = self.one(TimeInForce.IOC, TimeInForce.FOK)
        elif kind < 0.42:
            row["tif"], row["expire_ns"] = TimeInForce.GTD, (self.now_ns // SECOND + self.rng.integers(1, 40)) * SECOND
        return row

    def officer(self) -> tuple[Rows, Rows | None]:
        """A change of what prices follow from, and what takes it back later."""
        slot = int(self.rng.integers(4))
        account = int(self.rng.integers(ACCOUNTS))

        def parameter(code: P, value: int, index: int = 0) -> tuple[Rows, Rows]:
            usual = CONTRACTS[slot].get(code, 0)
            if code == P.SOURCE_WEIGHT:
                usual = (*WEIGHTS[slot], *[0] * 8)[index]
            return build.contract_set(slot, code, value, index), build.contract_set(slot, code, usual, index)

        def policy(code: V, value: int, usual: int) -> tuple[Rows, Rows]:
            kind = CommandKind.VENUE_SET
            return build.directive(kind, code=code, value=value), build.directive(kind, code=code, value=usual)

        source = int(self.rng.integers(8))
        return self.one(
            lambda: parameter(P.SOURCE_WEIGHT, self.one(0, 1, 100), source),
            lambda: parameter(P.MIN_SOURCES, int(self.rng.integers(1, 5))),
            lambda: parameter(P.FUNDING_INTERVAL_S, self.one(30, 60, 120, 240)),
            lambda: parameter(P.SAMPLE_INTERVAL_S, self.one(1, 2, 5, 10)),
            lambda: parameter(P.FUNDING_EQUAL_WEIGHTS, self.one(0, 1)),
            lambda: parameter(P.IMPACT_EXCLUDES_AFFILIATES, self.one(0, 1)),
            lambda: parameter(P.IMPACT_NOTIONAL_MICROS, self.one(20_000_000_000, 77_777_777_777)),
            lambda: parameter(P.MARK_CLAMP_PPB, self.one(1, 1_000_000, 25_000_000)),
            lambda: parameter(P.FUNDING_INTEREST_PPB, self.one(0, 3_000_000, -2_000_000)),
            lambda: parameter(P.FUNDING_CLAMP_PPB, self.one(0, 5_000_000)),
            lambda: parameter(P.FUNDING_CAP_PPB, self.one(0, 300_000)),
            lambda: policy(V.INDEX_STALE_NS, self.one(0, SECOND, 30 * SECOND), 10 * SECOND),
            lambda: policy(V.INDEX_RECOVERY_NS, self.one(0, SECOND, 60 * SECOND), 30 * SECOND),
            lambda: policy(V.MARK_TICK_NS, self.one(0, 1_000_000, 250_000_000, 60 * SECOND), SECOND),
            lambda: policy(V.MARK_TICK_NS, self.one(-1, 999_999, 60 * SECOND + 1, 3 * SECOND), SECOND),
            lambda: (build.contract_state(slot, self.one(2, 3, 4, 5)), build.contract_state(slot, MarketState.OPEN)),
            lambda: (build.contract_state(slot, self.one(3, 3, 5)), build.contract_state(slot, self.one(1, 2))),
            lambda: (build.venue_state(VenueState.HALTED), build.venue_state(VenueState.OPEN)),
            lambda: (
                build.account_set(account, A.RESTRICTION, self.one(1, 2)),
                build.account_set(account, A.RESTRICTION, Restriction.NONE),
            ),
        )()

    def command(self) -> Rows:
        """The next one."""
        kind = self.rng.random()
        slot = self.contract()
        if kind < 0.45:
            return self.price(slot)
        if kind < 0.78:
            return self.order(slot)
        if kind < 0.84:
            back = -int(min(1 + self.rng.geometric(0.08), 60))
            return build.cancel(int(self.rng.integers(ACCOUNTS)), order_id=back)
        if kind < 0.88:
            back = -int(min(1 + self.rng.geometric(0.08), 60))
            return build.amend(int(self.rng.integers(ACCOUNTS)), order_id=back, qty_lots=int(self.rng.integers(1, 40)))
        if kind < 0.884:
            return build.mass_cancel(self.one(-1, 0, 1, 2, 3, 4), self.one(-1, slot, slot))
        if kind < 0.884 + 0.03 * self.trouble:
            change, back = self.officer()
            if back is not None:
                self.later.append((int(self.rng.integers(3, 80)), back))
            return change
        return build.contract_state(slot, MarketState.OPEN) if kind > 0.995 else build.time()


def flow(seed: int, count: int) -> list[Rows]:
    """`count` commands and a little more; the same seed gives the same."""
    draw = _Flow(seed)
    recovery_ns = int(draw.one(SECOND, 5 * SECOND, 30 * SECOND))
    rows: list[Rows] = [build.directive(CommandKind.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=recovery_ns)]
    for _ in range(count):
        draw.pass_time()
        due = [back for left, back in draw.later if left <= 0]
        draw.later = [(left - 1, back) for left, back in draw.later if left > 0]
        for row in [*due, draw.command()]:
            row["time_ns"] = draw.now_ns
            rows.append(row)
    return rows
