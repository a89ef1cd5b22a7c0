"""Directed scenes of contract settlement, each with the figures that must come out."""

from engine.codes import EventKind, ExecInst, MarketState, Reason
from engine.codes import VenueParameter as V
from tests import build
from tests.scene import (
    BUY,
    COIN,
    DAY_NS,
    MICROS,
    RICH,
    SELL,
    Begin,
    K,
    accept,
    answer,
    coins,
    flagged,
    helped,
    isolate,
    isolated,
    mark,
    market,
    micros,
    order,
    patient,
    scene,
    trade,
)
from tests.stage import Stage

MINUTE_NS = 60 * build.SECOND


def minutes(begin: Begin, *cash: float, **parameters: int) -> Stage:
    """Mark ticks come every minute, and sources count for days."""
    stage = market(begin, *cash, **parameters)
    patient(stage)
    stage.send(build.directive(K.VENUE_SET, code=V.MARK_TICK_NS, value=MINUTE_NS))
    return stage


def tick(stage: Stage, *prices: float) -> None:
    """The next minute, at these index prices where some are given."""
    for contract, price in enumerate(prices):
        stage.send(*[stage.source_price(source, round(price * 1000), contract) for source in range(3)])
    stage.now_ns = (stage.now_ns // MINUTE_NS + 1) * MINUTE_NS
    stage.send(build.time())


def end(stage: Stage, *prices: float, last: float = 0) -> None:
    """Settle contract 0: these prices at the first minute of the window, and another one at its last."""
    tick(stage)
    stage.send(build.contract_state(0, MarketState.SETTLED))
    assert answer(stage) == Reason.NONE
    tick(stage, *prices)
    for _ in range(28):
        tick(stage)
    assert stage.state["contracts"][0]["state"] == MarketState.REDUCE_ONLY
    if last:
        tick(stage, last)
    else:
        tick(stage)
    stage.settle()
    assert stage.state["contracts"][0]["state"] == MarketState.SETTLED


@scene
def a_contract_is_settled_at_the_mean_of_its_index(begin: Begin) -> None:
    """29 minutes at 2000 and one at 2030.001; the mark is another one; orders that open end with the window."""
    stage = minutes(begin, 2600, SAMPLE_INTERVAL_S=60, FUNDING_INTERVAL_S=28_800)
    trade(stage, 0, 1, 10, 2000)
    stage.order(2, BUY, 100, 2030)
    stage.order(3, SELL, 100, 2032)
    stage.order(4, BUY, 10, 2032)
    for _ in range(3):
        tick(stage)
    assert mark(stage) == 2_031_000
    end(stage, 2000, last=2030.001)
    fixed = stage.history(EventKind.CONTRACT_STATE_CHANGED)[-1]
    assert (fixed["amount_micros"], fixed["price_subticks"]) == (30, 2_001_000)
    assert stage.cash(0) == 2610 and stage.size(0) == stage.size(4) == 0
    assert stage.state["orders_live"] == 0
    rates = len(stage.history(EventKind.FUNDING_RATE))
    stage.now_ns += DAY_NS
    stage.send(build.time())
    assert len(stage.history(EventKind.FUNDING_RATE)) == rates
    assert stage.state["contracts"][0]["open_interest_lots"] == 0


@scene
def minutes_without_sources_are_no_samples(begin: Begin) -> None:
    """Two minutes at 2020, and then silence: the mean is of the two."""
    stage = minutes(begin, 2600)
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=100 * build.SECOND))
    trade(stage, 0, 1, 10, 2000)
    tick(stage, 2000)
    stage.send(build.contract_state(0, MarketState.SETTLED))
    tick(stage, 2020)
    tick(stage, 2020)
    for _ in range(28):
        tick(stage)
    stage.settle()
    fixed = stage.history(EventKind.CONTRACT_STATE_CHANGED)[-1]
    assert (fixed["amount_micros"], fixed["price_subticks"]) == (2, 2_020_000)
    assert stage.cash(0) == 2800


@scene
def what_the_window_lets_be_is_reducing(begin: Begin) -> None:
    """Opening orders are cancelled, reducing goes on, and what was stricter stays."""
    stage = market(begin)
    trade(stage, 0, 1, 10, 2000)
    stage.order(2, BUY, 1, 1990)
    stage.order(0, SELL, 1, 2010, flags=ExecInst.REDUCE_ONLY)
    stage.send(build.contract_state(0, MarketState.SETTLED))
    assert stage.state["contracts"][0]["state"] == MarketState.REDUCE_ONLY
    stage.settle()
    assert stage.state["orders_live"] == 1
    assert order(stage, 2, BUY, 1, 1990) == Reason.MARKET_REDUCE_ONLY
    stage.send(build.contract_state(0, MarketState.OPEN))
    assert answer(stage) == Reason.SETTLEMENT_UNDER_WAY
    stage.send(build.contract_state(0, MarketState.HALTED))
    assert stage.state["contracts"][0]["state"] == MarketState.HALTED


@scene
def the_fund_must_cover_what_a_settlement_leaves(begin: Begin) -> None:
    """1,000 are missing: with 999 the closing waits, with 1,000 it is done and the fund is empty."""
    stage = minutes(begin, 2000, fund=0, LIQUIDATION_ENABLED=0)
    trade(stage, 0, 1, 10, 2000)
    end(stage, 1700)
    assert stage.size(0) == 10
    stage.fund(999)
    tick(stage)
    assert stage.size(0) == 10
    stage.fund(1)
    tick(stage)
    assert (stage.size(0), stage.cash(0), stage.cash(1)) == (0, 0, RICH + 3000)
    assert stage.state["fund_micros"] == 0


@scene
def isolated_money_returns_at_a_settlement(begin: Begin) -> None:
    """The loser's 2,000 are gone and the fund pays 1,000; the winner has all in cash."""
    stage = minutes(begin, 3000, RICH, 3000, LIQUIDATION_ENABLED=0)
    for account in (0, 2):
        isolate(stage, account)
    trade(stage, 1, 2, 10, 2000)
    trade(stage, 0, 1, 10, 2000)
    end(stage, 1700)
    assert (stage.cash(0), stage.cash(2)) == (1000, 6000)
    assert isolated(stage, 0) == isolated(stage, 2) == 0
    assert helped(stage) == [1000]


@scene
def the_dust_of_a_settlement_is_the_funds(begin: Begin) -> None:
    """7 micros a tick at 2000.333: longs get 14002 and 28004, the short of three owes 42007."""
    stage = minutes(begin, 0, RICH, 0, MICROS_PER_TICK_LOT=7, fund=0)
    micros(stage, 0, 5000)
    micros(stage, 2, 9000)
    trade(stage, 0, 1, 1, 2000)
    trade(stage, 2, 1, 2, 2000)
    end(stage, 2000.333)
    cash = stage.state["accounts"]["cash_micros"]
    assert (cash[0], cash[2], cash[1]) == (5002, 9004, RICH * MICROS - 7)
    assert stage.state["fund_micros"] == 1 and stage.state["fees_micros"] == 0


@scene
def other_positions_carry_a_settlements_loss(begin: Begin) -> None:
    """-1,866.67 of cash beside a profit elsewhere: nobody pays for it, and no coin is sold."""
    stage = minutes(begin, 4000, contracts=2)
    accept(stage, contract=1)
    for contract in (0, 1):
        trade(stage, 0, 1, 10, 2000, contract=contract)
    tick(stage)
    tick(stage)
    assert coins(stage, 0, COIN) == Reason.NONE
    stage.send(build.contract_state(0, MarketState.SETTLED))
    tick(stage, 1800, 2400)
    tick(stage, 1400, 2390)
    for _ in range(28):
        tick(stage)
    stage.settle()
    assert stage.size(0) == 0 and stage.size(0, 1) == 10
    assert stage.state["accounts"][0]["cash_micros"] == 4000 * MICROS - 5_866_670_000
    assert helped(stage) == [] and flagged(stage) == []
    assert stage.history(EventKind.COLLATERAL_TAKEN) == []


@scene
def a_settlement_price_is_a_mark_for_all_that_an_account_has(begin: Begin) -> None:
    """At the mean it wins 266 here where the last mark said 4,000, and elsewhere it has lost 3,250."""
    stage = minutes(begin, 3100, contracts=2)
    trade(stage, 0, 1, 10, 2000)
    trade(stage, 0, 1, 5, 2000, contract=1)
    tick(stage)
    stage.send(build.contract_state(0, MarketState.SETTLED))
    for _ in range(28):
        tick(stage)
    tick(stage, 2400, 1350)
    tick(stage)
    settled = stage.now_ns
    stage.settle()
    assert stage.size(0) == 0
    rows = stage.history(EventKind.LIQUIDATION_FLAGGED)
    assert [(row["account_slot"], row["time_ns"]) for row in rows] == [(0, settled)]


@scene
def who_has_too_little_after_a_settlement_is_flagged_at_once(begin: Begin) -> None:
    """Funding is due at the same instant: it takes 655.7 of 1,200, and 950 are needed elsewhere."""
    settings = {"FUNDING_INTERVAL_S": 28_800, "SAMPLE_INTERVAL_S": 14_400, "FUNDING_CAP_PPB": 34_500_000}
    stage = minutes(begin, 2200, contracts=2, **settings)
    trade(stage, 0, 1, 1, 2000)
    trade(stage, 0, 1, 10, 2000, contract=1)
    stage.order(2, BUY, 100, 2070, contract_slot=1)
    stage.now_ns = stage.now_ns // DAY_NS * DAY_NS + 15 * 3600 * build.SECOND + 29 * MINUTE_NS
    stage.send(build.time())
    tick(stage, 2000, 1900)
    stage.send(build.contract_state(0, MarketState.SETTLED))
    for _ in range(30):
        tick(stage)
    paid = [row["amount_micros"] for row in stage.history(EventKind.FUNDING_PAID) if row["account_slot"] == 0]
    assert paid == [-200_000, -655_500_000]
    assert flagged(stage) == [(0, 544_300_000, 950 * MICROS)]
    assert stage.size(0) == 0
