"""Contract settlement: the window, the price, the closing of all positions, and who carries what is missing."""

from typing import Any

import numpy as np
import pytest

from engine import contract_settlement, invariants, step
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventKind, ExecInst, MarginMode, MarketState, Mode, OrdType, Reason
from engine.codes import VenueParameter as V
from engine.host import digest
from engine.schema import EVENT
from tests import build, risk_flow
from tests.build import BUY, SELL
from tests.model import Limits
from tests.pair import Pair
from tests.stage import MICROS, WORKED, Stage, conserved

RICH = 10_000_000
WINDOW_S = contract_settlement.WINDOW_NS // build.SECOND
TICK_S = 50
STALE_S = 60
LIMITS = Limits(orders=4096, accounts=64, positions=128, groups=8, persons=8, jobs=256, clients=64)
SETTLE = build.contract_state(0, MarketState.SETTLED)


def begin(cash: float = 2600, fund: float = RICH, contracts: int = 1, **settings: int) -> Stage:
    """Account 0 is long 10 lots from 2000 against account 1; accounts 2 to 5 are rich."""
    stage = Stage(tuple(WORKED | {P[name]: value for name, value in settings.items()} for _ in range(contracts)))
    if fund:
        stage.fund(fund)
    stage.deposit(0, cash)
    for account in range(1, 6):
        stage.deposit(account, RICH)
    for contract in range(contracts):
        stage.index(2000, contract=contract)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    return slow(stage)


def slow(stage: Stage) -> Stage:
    """Mark ticks only every 50 seconds, with sources that count as long: a window of 36 samples."""
    stage.send(build.directive(K.VENUE_SET, code=V.MARK_TICK_NS, value=TICK_S * build.SECOND))
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=TICK_S * build.SECOND))
    for _ in range(2):
        to_tick(stage, *[2000] * int(stage.state["contracts_used"]))
    return stage


def to_tick(stage: Stage, *prices: float) -> None:
    """The next mark tick, with index prices of the contracts made just before it."""
    stage.now_ns = (stage.now_ns // (TICK_S * build.SECOND) + 1) * TICK_S * build.SECOND - build.SECOND
    for contract, price in enumerate(prices):
        stage.send(*[stage.source_price(source, round(price * 1000), contract) for source in range(3)])
    stage.now_ns += build.SECOND
    stage.send(build.time())


def state_of(stage: Stage, contract: int = 0) -> int:
    """The contract's state."""
    return int(stage.state["contracts"][contract]["state"])


def run_window(stage: Stage, *prices: float) -> None:
    """Settle the contract: the window's seconds are shared out among some index prices, then the work is done."""
    stage.send(SETTLE.copy())
    ends = int(stage.state["contracts"][0]["delivery_ns"])
    for place, price in enumerate(prices):
        until = ends - contract_settlement.WINDOW_NS * (len(prices) - 1 - place) // len(prices)
        while stage.now_ns < until:
            to_tick(stage, price)
    stage.settle()


def test_all_is_closed_at_the_mean_of_the_index_without_fee() -> None:
    stage = begin(TAKER_FEE_PPB=0)
    run_window(stage, 2010, 2020.5)
    assert state_of(stage) == MarketState.SETTLED
    price = stage.history(EventKind.CONTRACT_STATE_CHANGED)[-1]
    assert price["amount_micros"] == WINDOW_S // TICK_S and price["price_subticks"] == 2_015_250
    assert (stage.cash(0), stage.cash(1)) == (2600 + 152.5, RICH - 152.5)
    closed = stage.history(EventKind.POSITION_SETTLED)
    assert sorted((row["account_slot"], row["position_lots"], row["amount_micros"]) for row in closed) == [
        (0, 10, 152_500_000),
        (1, -10, -152_500_000),
    ]
    assert not [row for row in stage.history(EventKind.FILL) if row["fee_micros"]]
    invariants.check(stage.root)
    assert conserved(stage.state) == 0
    assert int(stage.state["listed_submicros"]) == 0, "what it could have come to is free for other contracts"


@pytest.mark.parametrize(
    "state", [MarketState.OPEN, MarketState.POST_ONLY, MarketState.REDUCE_ONLY, MarketState.CANCEL_ONLY, 5]
)
def test_the_window_is_reduce_only_or_what_is_stricter(state: int) -> None:
    stage = begin()
    stage.order(2, BUY, 1, 1990)
    stage.order(0, SELL, 1, 2010, flags=ExecInst.REDUCE_ONLY)
    if state != MarketState.OPEN:
        stage.send(build.contract_state(0, state))
    stage.send(SETTLE.copy())
    assert state_of(stage) == max(state, MarketState.REDUCE_ONLY)
    stage.settle()
    assert stage.state["orders_live"] == (1 if state <= MarketState.REDUCE_ONLY else 2)
    for code in (MarketState.OPEN, MarketState.POST_ONLY, MarketState.SETTLED):
        stage.send(build.contract_state(0, code))
        assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.SETTLEMENT_UNDER_WAY]
    stage.send(build.contract_state(0, MarketState.HALTED))
    assert state_of(stage) == MarketState.HALTED


def test_all_orders_end_with_the_market_state_and_none_comes_after() -> None:
    stage = begin()
    stage.send(build.contract_state(0, MarketState.HALTED))
    stop = {"ord_type": OrdType.STOP_MARKET, "trigger_source": 0, "trigger_price_ticks": 1500}
    stage.send(build.contract_state(0, MarketState.OPEN))
    for place in range(100):
        stage.order(2 + place % 4, BUY, 1, 1900 + place % 7)
    stage.order(0, SELL, 1, flags=ExecInst.REDUCE_ONLY, **stop)
    stage.send(build.contract_state(0, MarketState.HALTED))
    run_window(stage, 2000)
    ends = stage.history(EventKind.CANCELLED)
    assert len(ends) == 101 and {row["reason"] for row in ends} == {Reason.MARKET_STATE}
    assert stage.state["orders_live"] == 0
    stage.order(2, BUY, 1, 1990)
    assert [row["reason"] for row in stage.of(EventKind.REJECTED)] == [Reason.MARKET_HALTED]
    stage.send(build.contract_set(0, P.MAX_ORDER_LOTS, 5))
    assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.NOT_LISTED]
    stage.send(SETTLE.copy())
    assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.NOT_LISTED]


def test_a_contract_without_mark_cannot_be_settled() -> None:
    stage = Stage()
    stage.send(SETTLE.copy())
    assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.REFERENCE_PRICE_UNAVAILABLE]


def test_ticks_without_live_sources_are_no_samples() -> None:
    stage = begin()
    stage.send(SETTLE.copy())
    for _ in range(10):
        to_tick(stage, 2020)
    while state_of(stage) != MarketState.SETTLED:
        to_tick(stage)
    stage.settle()
    row = stage.history(EventKind.CONTRACT_STATE_CHANGED)[-1]
    assert row["new_value"] == MarketState.SETTLED
    assert row["price_subticks"] == 2_020_000
    assert row["amount_micros"] == 10, "at the next tick the last price is too old"
    assert stage.size(0) == stage.size(1) == 0


def test_the_fund_carries_what_is_below_zero() -> None:
    """The mark is 100 below where the account has nothing left."""
    stage = begin(cash=2000, LIQUIDATION_ENABLED=0)
    fund = int(stage.state["fund_micros"])
    run_window(stage, 1700)
    assert stage.cash(0) == 0 and stage.size(0) == 0
    assert fund - int(stage.state["fund_micros"]) == 1000 * MICROS
    assert stage.cash(1) == RICH + 3000
    invariants.check(stage.root)
    assert conserved(stage.state) == 0


def test_deleveraging_carries_what_the_fund_cannot() -> None:
    """The fund gives a tenth of itself to the account: 10. The rest, 990, is what account 1 does not get."""
    stage = begin(cash=2000, fund=100)
    stage.send(build.contract_state(0, MarketState.HALTED))
    stage.send(build.contract_set(0, P.LIQUIDATION_ENABLED, 0))
    stage.send(SETTLE.copy())
    while stage.now_ns < int(stage.state["contracts"][0]["delivery_ns"]) - TICK_S * build.SECOND:
        to_tick(stage, 1700)
    stage.send(build.contract_set(0, P.LIQUIDATION_ENABLED, 1))
    while state_of(stage) != MarketState.SETTLED:
        to_tick(stage, 1700)
    stage.settle()
    assert stage.size(0) == stage.size(1) == 0
    assert stage.cash(0) >= 0 and int(stage.state["fund_micros"]) >= 90 * MICROS
    assert RICH + 2000 <= stage.cash(1) <= RICH + 2010
    assert stage.history(EventKind.DELEVERAGED)
    invariants.check(stage.root)


def test_the_closing_waits_for_money_that_is_missing() -> None:
    """Without fund and without deleveraging nobody carries the loss: positions stand until the fund is topped up."""
    stage = begin(cash=2000, fund=0, LIQUIDATION_ENABLED=0)
    run_window(stage, 1700)
    assert state_of(stage) == MarketState.SETTLED and stage.size(0) == 10
    invariants.check(stage.root)
    stage.fund(999)
    to_tick(stage, 1700)
    assert stage.size(0) == 10
    stage.fund(1)
    to_tick(stage, 1700)
    assert stage.size(0) == 0 and stage.cash(0) == 0 and int(stage.state["fund_micros"]) == 0
    assert stage.cash(1) == RICH + 3000
    invariants.check(stage.root)


def test_isolated_money_returns_and_its_loss_stays_with_it() -> None:
    stage = Stage((WORKED | {P.LIQUIDATION_ENABLED: 0},))
    stage.fund(RICH)
    for account, money in ((0, 3000), (1, RICH), (2, 3000)):
        stage.deposit(account, money)
    stage.index(2000)
    for account in (0, 2):
        stage.send(build.directive(K.SET_MARGIN_MODE, account_slot=account, value=MarginMode.ISOLATED))
    stage.order(1, BUY, 10, 2000)
    stage.order(2, SELL, 10, 2000)
    stage.order(1, SELL, 20, 2000)
    stage.order(0, BUY, 10, 2000)
    slow(stage)
    run_window(stage, 1700)
    assert stage.cash(0) == 1000, "2000 were isolated and are gone; the fund paid 1000"
    assert stage.cash(2) == 6000
    assert int(stage.position(2)["isolated_micros"]) == 0
    invariants.check(stage.root)


def test_an_account_with_other_positions_is_checked_again() -> None:
    """Its profit here carried a loss elsewhere; at the mean it is less than at the last mark."""
    stage = begin(cash=3100, contracts=2)
    stage.order(2, SELL, 5, 2000, contract_slot=1)
    stage.order(0, BUY, 5, 2000, contract_slot=1)
    stage.send(SETTLE.copy())
    ends = int(stage.state["contracts"][0]["delivery_ns"])
    while stage.now_ns < ends - 2 * TICK_S * build.SECOND:
        to_tick(stage, 2000, 2000)
    while stage.now_ns < ends:
        to_tick(stage, 2400, 1450)
    stage.settle()
    assert stage.size(0) == 0
    assert stage.history(EventKind.LIQUIDATION_FLAGGED)
    invariants.check(stage.root)
    assert conserved(stage.state) == 0


def test_funding_of_the_last_instant_is_paid_and_none_after() -> None:
    stage = begin(FUNDING_INTERVAL_S=1800, SAMPLE_INTERVAL_S=5, MARK_CLAMP_PPB=25_000_000)
    while stage.now_ns % contract_settlement.WINDOW_NS:
        to_tick(stage, 2000)
    run_window(stage, 2000)
    rates = stage.history(EventKind.FUNDING_RATE)
    fixed = stage.history(EventKind.CONTRACT_STATE_CHANGED)[-1]
    assert rates[-1]["time_ns"] == fixed["time_ns"] == stage.history(EventKind.POSITION_SETTLED)[0]["time_ns"]
    stage.pass_time(3 * WINDOW_S, 600)
    assert stage.history(EventKind.FUNDING_RATE) == rates


# --- as a property ------------------------------------------------------------------------------------------------


def ending(seed: int) -> Any:
    """A risky flow whose second contract is settled after a third of it."""
    rows = risk_flow.flow(seed, 9000)
    rows["time_ns"] = build.START_NS + (rows["time_ns"] - build.START_NS) * 4
    for place, row in (
        (1, build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=STALE_S * build.SECOND)),
        (2900, build.directive(K.VENUE_SET, code=V.COLLATERAL_HAIRCUT_PPB, index=2, value=1_000_000_000)),
        (3000, build.contract_state(1, MarketState.SETTLED)),
    ):
        rows[place] = row[0]
        rows["time_ns"][place] = rows["time_ns"][place - 1]
    return rows


def apply(root: Any, rows: Any, ring_rows: int, size: int) -> list[tuple[int, Any]]:
    """Everything reported, with the time of the command: one batch after the other."""
    ring, found = np.zeros(ring_rows, EVENT), []
    rows["seq"] = int(root[0]["last_seq"]) + 1 + np.arange(len(rows))
    for first in range(0, len(rows), size):
        batch, done = rows[first : first + size], 0
        while done < len(batch):
            consumed, written = step.apply_batch(root, batch[done:], ring)
            found.append((int(batch["time_ns"][0]), ring[:written].copy()))
            done += consumed
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_a_generated_run_settles_as_the_model_says(seed: int) -> None:
    pair, closed = Pair(LIMITS, Mode.EXCHANGE, watched=True), 0
    for rows in (*risk_flow.set_up(), ending(seed)):
        for place in range(len(rows)):
            reports = pair.send(rows[place : place + 1].copy())
            closed += sum(report["kind"] == EventKind.POSITION_SETTLED for report in reports)
    assert closed > 10 and not pair.model.contracts[1].delivery_ns
    invariants.check(pair.root)
    assert conserved(pair.root[0]) == 0


def test_batches_and_rings_change_nothing_in_a_settlement() -> None:
    outcomes = set()
    for ring_rows, size in ((128, 1), (256, 512), (1 << 14, 7)):
        root = risk_flow.start()
        found = apply(root, ending(3), ring_rows, size)
        events = np.concatenate([reports for _, reports in found])
        assert (events["kind"] == EventKind.POSITION_SETTLED).sum() > 10
        outcomes.add((digest(root), events.tobytes()))
    assert len(outcomes) == 1
