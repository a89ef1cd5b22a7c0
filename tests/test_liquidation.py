"""Liquidation: the worked table of the rulebook, its edges, and the classic ways in which venues got it wrong."""

import pytest

from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventFlag, EventKind, ExecInst, MarginMode, MarketState, Reason, TimeInForce
from tests import build
from tests.build import BUY, SELL
from tests.money_scenes_of_forced import LONG, TABLE
from tests.scene import RICH
from tests.stage import WORKED, Stage, conserved


def begin(side: int, cash: float, fund: float = RICH, **parameters: int) -> Stage:
    """Account 0 holds 10 lots bought or sold at 2000; accounts 1 to 5 are rich; no order rests."""
    stage = Stage((WORKED | {P[name]: value for name, value in parameters.items()},))
    if fund:
        stage.fund(fund)
    stage.deposit(0, cash)
    for account in range(1, 6):
        stage.deposit(account, RICH)
    stage.index(2000)
    stage.order(1, SELL if side == LONG else BUY, 10, 2000)
    stage.order(0, BUY if side == LONG else SELL, 10, 2000)
    assert stage.size(0) == 10 * side
    return stage


def strike(stage: Stage, mark: float, *quotes: tuple[int, int, int]) -> None:
    """The index jumps to a mark with these quotes (side, lots, price) on the book, and one round runs."""
    for account, (side, lots, price) in enumerate(quotes, start=2):
        stage.order(account, side, lots, price)
    stage.index(mark)
    stage.settle()
    assert conserved(stage.state) == 0
    assert int(stage.state["fund_micros"]) >= 0


@pytest.mark.parametrize(("side", "cash", "mark", "fund", "quotes", "left", "size"), TABLE)
def test_worked_table(
    side: int, cash: float, mark: int, fund: float, quotes: list[tuple[int, int, int]], left: float, size: int
) -> None:
    stage = begin(side, cash, fund)
    strike(stage, mark, *quotes)
    assert stage.cash(0) == left
    assert stage.size(0) == size


def test_forced_fills_are_flagged_to_both_sides() -> None:
    stage = begin(LONG, 2180)
    strike(stage, 1800, (BUY, 8, 1800))
    fills = [fill for fill in stage.history(EventKind.FILL) if fill["flags"] & EventFlag.FORCED]
    assert [fill["last_lots"] for fill in fills] == [8, 8, 2, 2]
    assert [bool(fill["flags"] & EventFlag.DELEVERAGING) for fill in fills] == [False, False, True, True]
    assert all(fill["fee_micros"] == 0 for fill in fills)
    assert [row["price_subticks"] for row in stage.history(EventKind.DELEVERAGED)] == [1_782_000]


def test_the_round_cancels_all_orders_and_stops_when_that_cures() -> None:
    stage = begin(LONG, 2600)
    stage.order(0, BUY, 1, 1900)
    stage.order(0, SELL, 2, 2050, flags=ExecInst.REDUCE_ONLY)
    strike(stage, 1800, (BUY, 4, 1800))
    gone = [row["reason"] for row in stage.history(EventKind.CANCELLED) if row["account_slot"] == 0]
    assert gone == [Reason.LIQUIDATION, Reason.LIQUIDATION]


def test_flagged_account_may_not_open_or_withdraw_until_cured() -> None:
    stage = begin(LONG, 2600)
    strike(stage, 1800, (BUY, 1, 1800))
    assert stage.state["accounts"][0]["liquidating"] == 1
    stage.order(0, BUY, 1, 1790)
    assert stage.of(EventKind.REJECTED)[0]["reason"] == Reason.ACCOUNT_IN_LIQUIDATION
    stage.send(build.directive(K.WITHDRAW, account_slot=0, amount_micros=1))
    assert stage.of(EventKind.REFUSED)[0]["reason"] == Reason.ACCOUNT_IN_LIQUIDATION
    stage.deposit(0, 1000)
    stage.index(1800)
    stage.settle()
    assert stage.state["accounts"][0]["liquidating"] == 0
    assert stage.size(0) == 9


def test_switched_off_contract_is_not_closed() -> None:
    stage = begin(LONG, 2180)
    stage.send(build.contract_set(0, P.LIQUIDATION_ENABLED, 0))
    strike(stage, 1800, (BUY, 8, 1800))
    assert stage.size(0) == 10
    stage.send(build.contract_set(0, P.LIQUIDATION_ENABLED, 1))
    stage.index(1800)
    stage.settle()
    assert stage.size(0) == 0


def test_own_group_makers_give_way_to_a_forced_order() -> None:
    stage = begin(LONG, 2180)
    for account in (0, 2):
        stage.send(build.account_set(account, build.A.GROUP, 5))
    strike(stage, 1800, (BUY, 8, 1800))
    assert stage.size(2) == 0, "own quotes must not take the position"
    assert stage.size(0) == 0
    assert Reason.SELF_TRADE in [row["reason"] for row in stage.history(EventKind.CANCELLED)]


def test_bankruptcy_price_is_taken_before_the_sweep() -> None:
    """A sweep through bad prices must not make its own limit worse: nothing below 1782 is ever sold."""
    stage = begin(LONG, 2180)
    strike(stage, 1800, (BUY, 2, 1800), (BUY, 2, 1790), (BUY, 6, 1781))
    forced = [fill for fill in stage.history(EventKind.FILL) if fill["flags"] & EventFlag.FORCED]
    assert min(fill["price_ticks"] for fill in forced) == 1782
    assert stage.cash(0) >= 0


def test_equity_is_divided_by_the_full_size_not_the_closed_part() -> None:
    """A partial close of 4 of 10 may lose 60 a lot, not 150: row two of the table at 1660 would drain the account."""
    stage = begin(LONG, 2600)
    strike(stage, 1800, (BUY, 10, 1739))
    assert stage.size(0) == 10
    assert stage.cash(0) == 2600


@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
def test_closing_at_the_edge_of_the_band_leaves_equity(tif: int) -> None:
    """With equity just above MM a close at the far edge of the band and its fee still leave something."""
    stage = begin(LONG, 2190, TAKER_FEE_PPB=500_000, BAND_PPB=45_000_000, MARK_CLAMP_PPB=20_000_000)
    stage.index(1877)
    stage.order(2, BUY, 10, 1793)
    stage.order(0, SELL, 10, 1793, tif=tif, flags=ExecInst.REDUCE_ONLY)
    assert stage.size(0) == 0
    assert stage.cash(0) == pytest.approx(2190 - 10 - 2070 - 8.965)
    assert conserved(stage.state) == 0


def test_isolated_liquidation_touches_only_its_contract() -> None:
    stage = Stage((WORKED, WORKED))
    stage.fund(RICH)
    for account, money in ((0, 4000), (1, RICH), (2, RICH)):
        stage.deposit(account, money)
    stage.index(2000)
    stage.index(2000, contract=1)
    stage.send(build.directive(K.SET_MARGIN_MODE, account_slot=0, contract_slot=0, value=MarginMode.ISOLATED))
    for contract in (0, 1):
        stage.order(1, SELL, 5, 2000, contract_slot=contract)
        stage.order(0, BUY, 5, 2000, contract_slot=contract)
    assert int(stage.position(0)["isolated_micros"]) == 1000 * 1_000_000
    assert stage.cash(0) == 3000
    stage.order(2, BUY, 5, 1840)
    stage.index(1840)
    stage.settle()
    assert stage.size(0) == 0 and stage.size(0, 1) == 5
    assert stage.cash(0) == pytest.approx(3000 + 1000 - 5 * 160 - 5 * 1840 * 0.001)
    assert conserved(stage.state) == 0


def test_none_left_to_deleverage_halts_the_contract() -> None:
    stage = begin(LONG, 2180)
    stage.send(build.directive(K.WITHDRAW, account_slot=1, amount_micros=(RICH - 2200) * 1_000_000))
    row = stage.position(1)
    row["entry_cost_micros"] += 2_000_000_000
    stage.state["accounts"][1]["cash_micros"] -= 8_000_000_000
    stage.state["withdrawals_micros"] += 6_000_000_000
    stage.index(1800)
    stage.settle()
    assert stage.state["contracts"][0]["state"] == MarketState.HALTED
    assert stage.history(EventKind.DELEVERAGING_EXHAUSTED)


@pytest.mark.parametrize("ticks_left", [0, 1, 2])
def test_one_round_at_each_tick_also_when_the_count_of_ticks_begins_again(ticks_left: int) -> None:
    """An empty book leaves a partial round undone; it is not tried again before the next tick, whatever its number."""
    stage = Stage(accounts=2)
    stage.fund(1_000_000)
    for account, units in ((0, 2_600), (1, 1_000_000)):
        stage.deposit(account, units)
    stage.index(2000)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    stage.state["mark_ticks"] = (1 << 31) - 1 - ticks_left
    for _ in range(4):
        stage.index(1800)
        rounds = len(stage.of(EventKind.LIQUIDATION_STARTED))
        for _ in range(5):
            stage.send(build.time())
            rounds += len(stage.of(EventKind.LIQUIDATION_STARTED))
        assert rounds == 1
        assert stage.state["next_due_ns"] > stage.now_ns
