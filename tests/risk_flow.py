"""A generator of risky flow: leveraged accounts, an index that wanders and crashes, funding, isolated margin, fees.

`python -m tests.risk_flow 1000000 7` runs a million commands of seed 7 with every invariant checked after each one.
"""

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import invariants, step
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventKind, ExecInst, MarketState, Mode, OrdType, Side, TimeInForce
from engine.codes import VenueParameter as V
from engine.host import digest
from engine.schema import COMMAND, DIRECTIVE, EVENT, STATE, Capacities
from tests import build

ACCOUNTS = 40
MAKERS = 4
CONTRACTS = 2
CENTRE = 2000
SETTLED_FROM, SETTLED_AT = 40_000, 0.6
"""In runs at least so long the last contract is settled from this part on, the coin that it values let go before."""
CAPACITIES = Capacities(
    orders=4096, accounts=64, positions=128, levels=8192, nodes=16384, groups=8, persons=8, jobs=256
)

RISKY = build.PERPETUAL | {
    P.MICROS_PER_TICK_LOT: 1000,
    P.MAX_PRICE_TICKS: 1_000_000,
    P.MIN_ORDER_LOTS: 1,
    P.LOT_STEP: 1,
    P.MAX_ORDER_LOTS: 100_000,
    P.MAX_POSITION_LOTS: 1_000_000,
    P.TAKER_FEE_PPB: 500_000,
    P.MAKER_FEE_PPB: -200_000,
    P.LIQUIDATION_FEE_PPB: 5_000_000,
    P.MARK_CLAMP_PPB: 25_000_000,
    P.FUNDING_INTERVAL_S: 60,
    P.SAMPLE_INTERVAL_S: 1,
    P.MIN_SOURCES: 2,
}
"""A perpetual with a rebate, a liquidation fee and a settlement every minute."""


@dataclass
class Tally:
    """What a run went through."""

    commands: int = 0
    fills: int = 0
    rejected: int = 0
    funding: int = 0
    liquidations: int = 0
    deleveraged: int = 0
    fund_paid: int = 0
    isolated: int = 0
    locks: int = 0
    collateral: int = 0
    calls: int = 0
    lapses: int = 0
    settled: int = 0

    def count(self, reports: Any) -> None:
        """Add what some reports say."""
        counts = np.bincount(reports["kind"], minlength=max(EventKind) + 1)
        self.fills += int(counts[EventKind.FILL])
        self.rejected += int(counts[EventKind.REJECTED])
        self.funding += int(counts[EventKind.FUNDING_PAID])
        self.liquidations += int(counts[EventKind.LIQUIDATION_STARTED])
        self.deleveraged += int(counts[EventKind.DELEVERAGED])
        self.fund_paid += int(counts[EventKind.FUND_PAID])
        self.isolated += int(counts[EventKind.MARGIN_MODE_CHANGED])
        self.locks += int(counts[EventKind.CONTRACT_STATE_CHANGED])
        self.collateral += int(counts[EventKind.COLLATERAL_TAKEN])
        self.calls += int(counts[EventKind.MARGIN_CALL])
        self.lapses += int(counts[EventKind.ELIGIBILITY_LAPSED])
        self.settled += int(counts[EventKind.POSITION_SETTLED])


def set_up() -> list[Any]:
    """Makers with much money, gamblers with little, two contracts and a small fund."""
    rows = [build.person(1)]
    for account in range(ACCOUNTS):
        rows += build.opened(account, amount_micros=50_000_000_000 if account < MAKERS else 200_000_000)
    for contract in range(CONTRACTS):
        rows += build.listed(contract, RISKY)
    for asset, haircut in ((1, 600_000_000), (2, 700_000_000)):
        parameters = {V.COLLATERAL_CONTRACT: asset - 1, V.COLLATERAL_LOTS_PER_COIN: 1000}
        parameters |= {V.COLLATERAL_HAIRCUT_PPB: haircut, V.COLLATERAL_CAP_MICROS: 2_000_000_000}
        for code, value in (parameters | {V.COLLATERAL_ENABLED: 1}).items():
            rows.append(build.directive(K.VENUE_SET, code=code, index=asset, value=value))
    return [*rows, build.directive(K.FUND_DEPOSIT, amount_micros=20_000_000_000)]


def path(rng: np.random.Generator, count: int) -> Any:
    """A price that wanders, with a crash or a squeeze every few thousand steps."""
    moves = rng.normal(0, 0.0007, count) + (rng.random(count) < 0.0004) * rng.choice([-1, 1], count) * 0.12
    log = np.cumsum(moves)
    return CENTRE * np.exp(2.0 * np.tanh(log / 2.0))


def _orders(rng: np.random.Generator, rows: Any, price: Any) -> None:
    """Makers quote both sides close to the price, gamblers take and bid up to the band."""
    count = len(rows)
    maker = rng.random(count) < 0.4
    rows["account_slot"] = np.where(maker, rng.integers(0, MAKERS, count), rng.integers(MAKERS, ACCOUNTS, count))
    rows["side"] = rng.integers(1, 3, count)
    sign = np.where(rows["side"] == Side.BUY, 1, -1)
    away = np.where(maker, -np.abs(rng.normal(0, 0.006, count)), rng.normal(0.001, 0.012, count))
    rows["price_ticks"] = np.maximum(price * (1 + sign * away), 1).astype(np.int64)
    rows["ord_type"] = np.where(~maker & (rng.random(count) < 0.3), OrdType.MARKET, OrdType.LIMIT)
    rows["qty_lots"] = np.where(maker, rng.integers(5, 400, count), rng.geometric(0.004, count))
    rows["tif"] = rng.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK], count, p=[0.8, 0.15, 0.05])
    reducing = ~maker & (rng.random(count) < 0.25)
    posting = maker & (rng.random(count) < 0.6) & (rows["tif"] == TimeInForce.GTC)
    rows["flags"] = np.where(reducing, ExecInst.REDUCE_ONLY, np.where(posting, ExecInst.POST_ONLY, 0))
    rows["cl_ord_id"] = rng.integers(1, 12, count)
    rows["person"] = 1


def _directives(rng: np.random.Generator, rows: Any, price: Any) -> None:
    """Index prices of three sources that differ a little and are silent now and then; money and leverage."""
    given = rows.view(DIRECTIVE)
    kind = rows["kind"]
    index = kind == K.INDEX_PRICE
    noise = 1 + rng.normal(0, 0.0004, len(rows)) + (rng.random(len(rows)) < 0.004) * 0.3
    given["code"] = np.where(index, rng.integers(0, 3, len(rows)), given["code"])
    given["price_subticks"] = np.where(index, price * 1000 * noise, given["price_subticks"]).astype(np.int64)
    given["source_time_ns"] = np.where(index, rows["time_ns"], given["source_time_ns"])
    money = np.isin(kind, [K.DEPOSIT, K.WITHDRAW, K.TRANSFER])
    back = (kind == K.TRANSFER) & (rng.random(len(rows)) < 0.5)
    amount = rng.integers(1, 40_000_000, len(rows)) * np.where(back, -1, 1)
    given["amount_micros"] = np.where(money, amount, given["amount_micros"])
    asset = rng.choice([0, 1, 2], len(rows), p=[0.6, 0.2, 0.2])
    given["index"] = np.where(np.isin(kind, [K.DEPOSIT, K.WITHDRAW]), asset, given["index"])
    setting = kind == K.SET_LEVERAGE
    given["value"] = np.where(setting, rng.integers(0, 13, len(rows)), given["value"])
    given["value"] = np.where(kind == K.SET_MARGIN_MODE, rng.integers(0, 2, len(rows)), given["value"])


def flow(seed: int, count: int) -> Any:
    """`count` commands after the set-up, stamped with times; `seq` follows from their place."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, COMMAND)
    kinds = [K.NEW, K.CANCEL, K.INDEX_PRICE, K.TIME, K.DEPOSIT, K.WITHDRAW, K.TRANSFER]
    kinds += [K.SET_LEVERAGE, K.SET_MARGIN_MODE]
    shares = [0.50, 0.08, 0.30, 0.03, 0.02, 0.02, 0.02, 0.015, 0.015]
    rows["time_ns"] = build.START_NS + np.cumsum(rng.integers(1, 200_000_000, count))
    quiet = rng.random(count) < 0.00005
    rows["time_ns"] += np.cumsum(np.where(quiet, 20_000_000_000, 0))
    contract = rng.integers(0, CONTRACTS, count)
    price = np.choose(contract, [path(rng, count) for _ in range(CONTRACTS)])
    _orders(rng, rows, price)
    rows["kind"] = rng.choice(kinds, count, p=shares)
    rows["contract_slot"] = contract
    for name in ("side", "price_ticks", "ord_type", "qty_lots", "tif", "flags"):
        rows[name] *= rows["kind"] == K.NEW
    directive = rows["kind"] > K.TIME
    cleared = rows[directive].view(DIRECTIVE)
    fresh = np.zeros(len(cleared), DIRECTIVE)
    for name in ("seq", "time_ns", "kind", "contract_slot"):
        fresh[name] = rows[directive][name]
    fresh["account_slot"] = rows[directive]["account_slot"]
    rows[directive] = fresh.view(COMMAND)
    _directives(rng, rows, price)
    if count >= SETTLED_FROM:
        place = int(count * SETTLED_AT)
        worthless = build.directive(K.VENUE_SET, code=V.COLLATERAL_HAIRCUT_PPB, index=CONTRACTS, value=1_000_000_000)
        for row, at in ((worthless, place - 200), (build.contract_state(CONTRACTS - 1, MarketState.SETTLED), place)):
            row["time_ns"] = rows["time_ns"][at]
            rows[at] = row[0]
    return rows


def create() -> Any:
    """An empty exchange."""
    root = np.zeros(1, STATE)
    for name, value in vars(CAPACITIES).items():
        root[0][f"{name}_capacity"] = value
    step.initialise(root, Mode.EXCHANGE)
    return root


def run(root: Any, rows: Any, ring_rows: int = 1 << 12, check_each: bool = True) -> tuple[Tally, list[Any]]:
    """Apply rows one by one, every invariant checked after each; returns what happened."""
    ring, tally, kept = np.zeros(ring_rows, EVENT), Tally(), []
    rows["seq"] = int(root[0]["last_seq"]) + 1 + np.arange(len(rows))
    size = 1 if check_each else len(rows)
    for first in range(0, len(rows), size):
        batch, done = rows[first : first + size], 0
        while done < len(batch):
            consumed, written = step.apply_batch(root, batch[done:], ring)
            done += consumed
            tally.count(ring[:written])
            if not check_each:
                kept.append(ring[:written].copy())
        if check_each:
            invariants.check(root)
    tally.commands += len(rows)
    return tally, kept


def start() -> Any:
    """An exchange after its set-up."""
    root = create()
    rows = np.concatenate(set_up())
    rows["time_ns"] = build.START_NS
    run(root, rows, check_each=False)
    return root


def main() -> None:
    """Run as many commands as asked for and print what happened and the digest."""
    parser = argparse.ArgumentParser(prog="python -m tests.risk_flow", description=__doc__)
    parser.add_argument("commands", type=int, help="how many")
    parser.add_argument("seed", type=int)
    asked = parser.parse_args()
    root, begun = start(), time.perf_counter()
    tally, _ = run(root, flow(asked.seed, asked.commands))
    print(f"{tally} in {time.perf_counter() - begun:.1f} s, digest {digest(root)}")


if __name__ == "__main__":
    main()
