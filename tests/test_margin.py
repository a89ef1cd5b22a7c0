"""Margin: brackets, orders, leverage, isolation, withdrawals, and the admission row that asks for it."""

import numpy as np
import pytest

from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventKind, ExecInst, MarginMode, Reason, TimeInForce
from tests import build
from tests import perpetual as p
from tests.build import BUY, SELL
from tests.perpetual import MICROS, Bench
from tests.stage import WORKED, Stage, conserved

PLAIN = WORKED | {P.BRACKET_MMR_PPB: 50_000_000}


def market(cash: float = 1000, **parameters: int) -> Stage:
    """Account 0 with some cash, rich accounts 1 and 2, mark 2000."""
    stage = Stage((PLAIN | {P[name]: value for name, value in parameters.items()},))
    for account, money in ((0, cash), (1, 10_000_000), (2, 10_000_000)):
        stage.deposit(account, money)
    stage.index(2000)
    return stage


def refused(stage: Stage) -> int:
    """The reason of the last refusal, 0 for none."""
    rows = stage.of(EventKind.REJECTED, EventKind.REFUSED)
    return rows[0]["reason"] if rows else 0


# --- pure ---------------------------------------------------------------------------------------------------------


def test_maintenance_is_continuous_at_a_bracket_and_rounds_up() -> None:
    bench = Bench(1, 1e-6)
    bench.brackets((0, 10, 0.05), (1000, 5, 0.1))
    bench.contract["mark_subticks"] = 1000
    lots = 1000 * MICROS
    below, at, above = (p.maintenance(bench.root, 0, lots + step) for step in (-1, 0, 1))
    assert below == at == 50 * MICROS
    assert above == 50 * MICROS + 1, "0.1 micro more is a whole micro more"
    assert p.maintenance(bench.root, 0, 2 * lots) == 150 * MICROS


def test_initial_margin_rounds_up_and_the_bracket_caps_leverage() -> None:
    bench = Bench()
    bench.brackets((0, 10, 0.05), (1000, 4, 0.1))
    assert p.initial(bench.root, 0, 1001) == 101
    assert p.initial(bench.root, 3, 1000) == 334
    assert p.initial(bench.root, 25, 1000) == 100
    assert p.initial(bench.root, 10, 2000 * MICROS) == 500 * MICROS


@pytest.mark.parametrize(
    ("size", "buys", "sells", "worst"),
    [(10, 0, 0, 20_000), (10, 5000, 0, 25_000), (10, 0, 15_000, 20_000), (10, 0, 45_000, 25_000), (0, 300, 200, 300),
     (-10, 5000, 0, 20_000), (-10, 45_000, 1000, 25_000), (-10, 0, 7000, 27_000)],
)  # fmt: skip
def test_orders_of_the_other_side_count_beyond_the_position(size: int, buys: int, sells: int, worst: int) -> None:
    bench = Bench(1, 1)
    bench.contract["mark_subticks"] = 2_000_000
    row = bench.hold(size, 2000)
    row["buy_subtick_lots"], row["sell_subtick_lots"] = buys * 1000, sells * 1000
    assert p.worst_notional(bench.root, 0) == worst * MICROS


def test_reducing_limit_is_the_bankruptcy_price_less_the_taker_fee() -> None:
    bench = Bench(1, 1)
    bench.contract["mark_subticks"], bench.contract["taker_fee_ppb"] = 2_000_000, 1_000_000
    assert p.reducing_limit(bench.root, 10, 200 * MICROS) == 1982, "1980 / 0.999 is 1981.98"
    assert p.reducing_limit(bench.root, -10, 200 * MICROS) == 2017, "2020 / 1.001 is 2017.98"
    assert p.reducing_limit(bench.root, 10, -5 * MICROS) == 2003, "without equity only better than the mark"
    assert p.close_price(bench.root, 10, 205 * MICROS) == 1980, "1979.5 goes up for a long"
    assert p.close_price(bench.root, -10, 205 * MICROS) == 2020, "2020.5 goes down for a short"
    assert p.close_price(bench.root, 1, (1 << 60)) == 1
    assert p.close_price(bench.root, -1, (1 << 60)) == (1 << 30) - 1


def test_partial_quantity_is_the_smallest_that_cures() -> None:
    bench = Bench(1, 1)
    bench.contract["mark_subticks"], bench.contract["liquidation_fee_ppb"] = 1_800_000, 1_000_000
    assert p.partial(bench.root, 10, 600 * MICROS) == 4
    bench.contract["min_order_lots"] = 7
    assert p.partial(bench.root, 10, 600 * MICROS) == 10, "a rest of 6 would be below the minimum"
    bench.contract["min_order_lots"], bench.contract["lot_step"] = 1, 3
    assert p.partial(bench.root, 10, 600 * MICROS) == 6


def test_the_rank_compares_by_cross_multiplication() -> None:
    assert p.outranks(3, 10, 5, 5), "30 over 25"
    assert not p.outranks(5, 5, 3, 10)
    assert p.outranks(1, 1, -1, 1 << 60), "profit before loss"
    assert p.outranks(-1, 10, -1, 5), "of losses the more leveraged one"
    assert p.outranks(1 << 60, 1 << 60, (1 << 60) - 1, 1 << 60), "no overflow"
    assert not p.outranks(7, 7, 7, 7)


# --- admission ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("qty", "price", "reason"), [(5, 2000, 0), (6, 2000, Reason.INSUFFICIENT_MARGIN)])
def test_an_order_needs_its_initial_margin(qty: int, price: int, reason: int) -> None:
    stage = market(1000)
    stage.order(0, BUY, qty, price)
    assert refused(stage) == reason


def test_reserves_are_fee_and_open_loss_over_all_orders() -> None:
    """5 lots at 2060: IM 1030, loss 300, fee 5.15 make 1335.15."""
    for cash, reason in ((1335.15, 0), (1335.14, Reason.INSUFFICIENT_MARGIN)):
        stage = market(cash, TAKER_FEE_PPB=500_000, BAND_PPB=40_000_000)
        stage.order(0, BUY, 5, 2060)
        assert refused(stage) == reason, cash


def test_sells_count_at_the_mark_and_the_other_side_is_free() -> None:
    stage = market(1000)
    stage.order(0, SELL, 5, 1950)
    assert refused(stage) == Reason.INSUFFICIENT_MARGIN, "10000 / 10 and 250 of open loss"
    stage.order(0, SELL, 4, 1950)
    assert refused(stage) == 0
    stage = market(1000)
    stage.order(0, SELL, 5, 2000)
    stage.order(0, BUY, 5, 1900)
    assert refused(stage) == 0, "only the larger side counts"


def test_reduce_only_orders_need_no_margin() -> None:
    stage = market(1000)
    stage.order(1, SELL, 5, 2000)
    stage.order(0, BUY, 5, 2000)
    stage.order(0, SELL, 5, 2100)
    assert refused(stage) == 0, "a close that adds only its fee, which is 0 here"
    stage.order(0, SELL, 5, 2100, flags=ExecInst.REDUCE_ONLY)
    assert refused(stage) == 0


def test_an_amendment_is_judged_with_the_old_order_taken_out() -> None:
    stage = market(1000)
    stage.order(0, BUY, 5, 1990, cl_ord_id=7)
    stage.send(build.amend(0, cl_ord_id=7, price_ticks=2000))
    assert refused(stage) == 0
    stage.send(build.amend(0, cl_ord_id=7, qty_lots=6))
    assert refused(stage) == Reason.INSUFFICIENT_MARGIN
    assert stage.position(0)["buy_lots"] == 5


def test_a_maker_that_lost_its_margin_elsewhere_is_cancelled_not_filled() -> None:
    """Equity 1000 less a later loss cannot carry the old order's fill far from the mark."""
    stage = Stage((PLAIN, PLAIN))
    for account, money in ((0, 10_000), (1, 10_000_000), (2, 10_000_000)):
        stage.deposit(account, money)
    for contract in (0, 1):
        stage.index(2000, contract=contract)
    stage.order(0, BUY, 45, 1990)
    stage.order(1, SELL, 4, 2000, contract_slot=1)
    stage.order(0, BUY, 4, 2000, contract_slot=1)
    for price in (1500, 1000, 600, 350, 205):
        stage.index(price, contract=1)
    assert 2800 < p.cross_equity(stage.root, 0) / MICROS < 2900
    assert stage.state["accounts"][0]["liquidating"] == 0
    stage.index(1900)
    stage.order(2, SELL, 45, 1990)
    cancelled = [row["reason"] for row in stage.of(EventKind.CANCELLED) if row["account_slot"] == 0]
    assert cancelled == [Reason.INSUFFICIENT_MARGIN] and stage.size(0) == 0


# --- money --------------------------------------------------------------------------------------------------------


def test_withdrawable_leaves_margin_and_losses() -> None:
    stage = market(1000)
    stage.order(1, SELL, 4, 2000)
    stage.order(0, BUY, 4, 2000)
    assert p.withdrawable(stage.root, 0) == 200 * MICROS
    stage.index(2050)
    assert p.withdrawable(stage.root, 0) == 180 * MICROS, "profit is not withdrawable, IM has grown"
    stage.index(1980)
    assert p.withdrawable(stage.root, 0) == 128 * MICROS
    stage.send(build.directive(K.WITHDRAW, account_slot=0, amount_micros=128 * MICROS + 1))
    assert refused(stage) == Reason.WITHDRAWAL_LIMIT
    stage.send(build.directive(K.WITHDRAW, account_slot=0, amount_micros=128 * MICROS))
    assert refused(stage) == 0 and stage.cash(0) == 872


def test_leverage_changes_only_as_far_as_margin_carries_it() -> None:
    stage = market(1000)
    stage.order(1, SELL, 4, 2000)
    stage.order(0, BUY, 4, 2000)
    for leverage, reason in ((8, 0), (7, Reason.INSUFFICIENT_MARGIN), (11, Reason.LEVERAGE_LIMIT), (0, 0)):
        stage.send(build.directive(K.SET_LEVERAGE, account_slot=0, contract_slot=0, value=leverage, person=1))
        assert refused(stage) == reason, leverage


def test_margin_mode_changes_only_flat_and_without_orders() -> None:
    stage = market(1000)
    stage.order(0, BUY, 1, 1990, cl_ord_id=1)
    mode = build.directive(K.SET_MARGIN_MODE, account_slot=0, contract_slot=0, value=MarginMode.ISOLATED)
    stage.send(mode)
    assert refused(stage) == Reason.HAS_POSITION
    stage.send(build.cancel(0, cl_ord_id=1))
    stage.send(mode)
    assert refused(stage) == 0


def test_isolated_money_moves_in_at_fills_and_back_pro_rata() -> None:
    stage = market(1000)
    stage.send(build.directive(K.SET_MARGIN_MODE, account_slot=0, contract_slot=0, value=MarginMode.ISOLATED))
    stage.order(1, SELL, 4, 2000)
    stage.order(0, BUY, 4, 2000)
    assert (stage.cash(0), int(stage.position(0)["isolated_micros"])) == (200, 800 * MICROS)
    transfer = {"account_slot": 0, "contract_slot": 0}
    stage.send(build.directive(K.TRANSFER, amount_micros=201 * MICROS, **transfer))
    assert refused(stage) == Reason.WITHDRAWAL_LIMIT
    stage.send(build.directive(K.TRANSFER, amount_micros=100 * MICROS, **transfer))
    assert (stage.cash(0), int(stage.position(0)["isolated_micros"])) == (100, 900 * MICROS)
    stage.send(build.directive(K.TRANSFER, amount_micros=-101 * MICROS, **transfer))
    assert refused(stage) == Reason.WITHDRAWAL_LIMIT
    stage.order(2, BUY, 4, 2000)
    stage.order(0, SELL, 2, 2000, tif=TimeInForce.IOC)
    assert (stage.cash(0), int(stage.position(0)["isolated_micros"])) == (550, 450 * MICROS)
    stage.order(0, SELL, 2, 2000, tif=TimeInForce.IOC)
    assert (stage.cash(0), int(stage.position(0)["isolated_micros"])) == (1000, 0)
    assert conserved(stage.state) == 0


def test_fees_and_rebates_conserve() -> None:
    stage = market(1000, TAKER_FEE_PPB=333_333, MAKER_FEE_PPB=-111_111, BAND_PPB=40_000_000)
    stage.order(1, SELL, 3, 2001)
    stage.order(0, BUY, 3, 2001)
    assert stage.cash(0) == pytest.approx(1000 - 2.000998, abs=1e-9), "2.000997999 rounds up"
    assert conserved(stage.state) == 0
    assert int(stage.state["accounts"]["cash_micros"][1]) == 10_000_000 * MICROS + 666_999


def test_refusals_leave_money_alone() -> None:
    stage = market(1000)
    before = np.copy(stage.state["accounts"][:3])
    wrong = ((K.WITHDRAW, 0), (K.WITHDRAW, -1), (K.DEPOSIT, -1), (K.WITHDRAW, 1 << 62), (K.DEPOSIT, 1 << 62))
    for kind, amount in wrong:
        stage.send(build.directive(kind, account_slot=0, amount_micros=amount))
        assert refused(stage) != 0
    assert np.array_equal(before, stage.state["accounts"][:3])
