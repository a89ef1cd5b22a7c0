"""Directed scenes of leverage, limits, money and collateral, each with the figures that must come out."""

from engine.codes import Asset, EventKind, ExecInst, Reason, TimeInForce
from tests import build
from tests.scene import (
    BUY,
    COIN,
    DAY_NS,
    MICROS,
    RICH,
    SELL,
    TOO_LITTLE,
    A,
    Begin,
    K,
    P,
    V,
    accept,
    answer,
    coins,
    flagged,
    isolate,
    leverage,
    market,
    micros,
    move,
    order,
    patient,
    rounds,
    scene,
    setting,
    trade,
    transfer,
    withdraw,
)
from tests.stage import Stage

# --- leverage, limits ---------------------------------------------------------------------------------------------


@scene
def leverage_must_be_carried_and_a_refusal_leaves_it(begin: Begin) -> None:
    """8,000 units with 1,000: 8 x is the least; an isolated position is judged by its own money."""
    stage = market(begin, 1000, RICH, 1000, 1000)
    trade(stage, 0, 1, 4, 2000)
    for value, reason in ((8, Reason.NONE), (7, TOO_LITTLE), (11, Reason.LEVERAGE_LIMIT), (8, Reason.NONE)):
        assert leverage(stage, 0, value) == reason, value
    assert [row["old_value"] for row in stage.of(EventKind.LEVERAGE_CHANGED)] == [8]
    assert leverage(stage, 0, 0) == Reason.NONE
    assert withdraw(stage, 0, 200 * MICROS) == Reason.NONE
    isolate(stage, 2)
    trade(stage, 2, 1, 4, 2000)
    assert leverage(stage, 2, 8) == TOO_LITTLE
    assert transfer(stage, 2, 200 * MICROS) == Reason.NONE
    assert leverage(stage, 2, 8) == Reason.NONE
    assert leverage(stage, 3, 5) == Reason.NONE
    stage.send(build.account_set(3, A.RESTRICTION, 1))
    assert leverage(stage, 3, 6) == Reason.ACCOUNT_RESTRICTED
    assert leverage(stage, 3, 4) == Reason.NONE


@scene
def leverage_counts_open_orders(begin: Begin) -> None:
    """Bids for 8,000 units with 1,000 beside nothing else."""
    stage = market(begin, 1000)
    assert order(stage, 0, BUY, 4, 2000) == Reason.NONE
    assert leverage(stage, 0, 7) == TOO_LITTLE
    assert isolate(stage, 0) == Reason.HAS_POSITION
    assert leverage(stage, 0, 8) == Reason.NONE


@scene
def the_band_is_in_whole_ticks_inside_it(begin: Begin) -> None:
    """5 % of 2000 and of 2000.001; it follows the mark; far passive prices are fine."""
    stage = market(begin)
    for side, price, reason in (
        (BUY, 2100, Reason.NONE),
        (BUY, 2101, Reason.PRICE_OUT_OF_BAND),
        (SELL, 1900, Reason.NONE),
        (SELL, 1899, Reason.PRICE_OUT_OF_BAND),
        (SELL, 90_000, Reason.NONE),
    ):
        assert order(stage, 0, side, 1, price, tif=TimeInForce.GTC if reason else TimeInForce.IOC) == reason, price
    move(stage, 2000.001)
    for side, price, reason in (
        (BUY, 2100, Reason.NONE),
        (BUY, 2101, Reason.PRICE_OUT_OF_BAND),
        (SELL, 1901, Reason.NONE),
        (SELL, 1900, Reason.PRICE_OUT_OF_BAND),
    ):
        assert order(stage, 0, side, 1, price, tif=TimeInForce.IOC) == reason, price


@scene
def limits_hold_to_the_lot_and_the_micro(begin: Begin) -> None:
    """Order value, position, open interest, exposure, leverage, number of orders."""
    stage = market(begin)
    stage.send(build.contract_set(0, P.MAX_ORDER_VALUE_MICROS, 20_000 * MICROS))
    assert order(stage, 0, BUY, 10, 2001, tif=TimeInForce.IOC) == Reason.ORDER_VALUE_LIMIT
    assert order(stage, 0, BUY, 10, 2000, tif=TimeInForce.IOC) == Reason.NONE
    stage.send(build.account_set(0, A.MAX_EXPOSURE_MICROS, 20_000 * MICROS))
    assert order(stage, 0, BUY, 11, 1800) == Reason.EXPOSURE_LIMIT, "at the mark"
    assert order(stage, 0, BUY, 10, 1800) == Reason.NONE
    assert order(stage, 0, BUY, 1, 1800) == Reason.EXPOSURE_LIMIT
    stage.send(build.account_set(1, A.MAX_OPEN_ORDERS, 1))
    assert order(stage, 1, BUY, 1, 1800) == Reason.NONE
    assert order(stage, 1, BUY, 1, 1800) == Reason.TOO_MANY_ORDERS
    stage.send(build.account_set(2, A.MAX_LEVERAGE, 10))
    assert order(stage, 2, BUY, 1, 1800) == Reason.NONE
    stage.send(build.account_set(2, A.MAX_LEVERAGE, 9))
    assert order(stage, 2, BUY, 1, 1800) == Reason.LEVERAGE_LIMIT
    assert leverage(stage, 2, 10) == Reason.LEVERAGE_LIMIT
    assert leverage(stage, 2, 9) == Reason.NONE
    assert order(stage, 2, BUY, 1, 1800) == Reason.NONE


@scene
def a_position_is_no_credit_against_its_limit(begin: Begin) -> None:
    """10 lots at most, also for who is short of 5; open interest counts what is asked for."""
    stage = market(begin, MAX_POSITION_LOTS=10, MAX_ORDER_LOTS=10)
    trade(stage, 1, 0, 5, 2000)
    assert order(stage, 0, BUY, 10, 1900) == Reason.NONE
    assert order(stage, 0, BUY, 1, 1900) == Reason.POSITION_LIMIT
    assert order(stage, 0, SELL, 5, 2100) == Reason.NONE
    assert order(stage, 0, SELL, 1, 2100) == Reason.POSITION_LIMIT
    stage.send(build.contract_set(0, P.MAX_OPEN_INTEREST_LOTS, 8))
    assert order(stage, 2, BUY, 4, 1900) == Reason.OPEN_INTEREST_CAP
    assert order(stage, 2, BUY, 3, 1900) == Reason.NONE


@scene
def a_contract_is_listed_at_the_very_edge(begin: Begin) -> None:
    """Band and fee up to the lowest MMR, the clamp up to half of it, the liquidation fee up to MMR less the fee."""
    stage = market(begin)
    for code, value, reason in (
        (P.BAND_PPB, 50_000_000, Reason.NONE),
        (P.BAND_PPB, 50_000_001, Reason.BAND_TOO_WIDE),
        (P.TAKER_FEE_PPB, 1, Reason.BAND_TOO_WIDE),
        (P.BAND_PPB, 49_500_000, Reason.NONE),
        (P.TAKER_FEE_PPB, 500_000, Reason.NONE),
        (P.MARK_CLAMP_PPB, 25_000_000, Reason.NONE),
        (P.MARK_CLAMP_PPB, 25_000_001, Reason.MARK_CLAMP_TOO_WIDE),
        (P.LIQUIDATION_FEE_PPB, 49_500_000, Reason.NONE),
        (P.LIQUIDATION_FEE_PPB, 49_500_001, Reason.LIQUIDATION_FEE_TOO_HIGH),
        (P.MAKER_FEE_PPB, -500_000, Reason.NONE),
        (P.MAKER_FEE_PPB, -500_001, Reason.FEES_NEGATIVE),
        (P.IMPACT_NOTIONAL_MICROS, 20_000 * MICROS, Reason.NONE),
        (P.IMPACT_NOTIONAL_MICROS, 20_000 * MICROS - 1, Reason.IMPACT_NOTIONAL_TOO_SMALL),
    ):
        stage.send(build.contract_set(0, code, value))
        assert answer(stage) == reason, (code, value)


# --- money --------------------------------------------------------------------------------------------------------


@scene
def deposits_end_at_their_bound(begin: Begin) -> None:
    """All together at most 2^60 micros, to the micro; the fund's seed counts."""
    stage = market(begin, fund=0)
    left = (1 << 60) - int(stage.state["deposits_micros"])
    micros(stage, 0, left + 1)
    assert answer(stage) == Reason.BAD_AMOUNT
    micros(stage, 0, left - 5)
    assert answer(stage) == Reason.NONE
    stage.send(build.directive(K.FUND_DEPOSIT, amount_micros=6))
    assert answer(stage) == Reason.BAD_AMOUNT
    stage.send(build.directive(K.FUND_DEPOSIT, amount_micros=3))
    assert answer(stage) == Reason.NONE
    micros(stage, 0, 2)
    assert answer(stage) == Reason.NONE
    micros(stage, 0, 1)
    assert answer(stage) == Reason.BAD_AMOUNT
    assert withdraw(stage, 0, 0) == Reason.BAD_AMOUNT


@scene
def who_is_flagged_moves_no_money(begin: Begin) -> None:
    """No payout, no leverage, no opening; a deposit is welcome, and at exactly MM the flag goes."""
    stage = market(begin, 2600)
    trade(stage, 0, 1, 10, 2000)
    move(stage, 1800)
    held = Reason.ACCOUNT_IN_LIQUIDATION
    assert withdraw(stage, 0, 1) == held
    assert leverage(stage, 0, 9) == held
    assert transfer(stage, 0, 1) == held
    assert order(stage, 0, BUY, 1, 1790) == held
    stage.deposit(0, 300)
    move(stage, 1800)
    assert stage.state["accounts"][0]["liquidating"] == 0 and stage.size(0) == 10
    assert rounds(stage) == [(0, 0, 4, 1740)]


@scene
def fees_round_up_and_rebates_down(begin: Begin) -> None:
    """2.000997999 is owed as 2.000998; 0.666998... is received as 0.666999 less a micro's part."""
    stage = market(begin, 1000, RICH, TAKER_FEE_PPB=333_333, MAKER_FEE_PPB=-111_111, BAND_PPB=40_000_000)
    trade(stage, 0, 1, 3, 2001)
    assert stage.state["accounts"][0]["cash_micros"] == 1000 * MICROS - 2_000_998
    assert stage.state["accounts"][1]["cash_micros"] == RICH * MICROS + 666_999
    assert stage.state["fees_micros"] == 2_000_998 - 666_999


@scene
def part_of_a_cost_is_released_rounded_down(begin: Begin) -> None:
    """3 lots cost 42,014 and 2 of them 28,009.33: released 28,009; a short's the other way round."""
    stage = market(begin, 0, RICH, 0, MICROS_PER_TICK_LOT=7)
    micros(stage, 0, 5000)
    micros(stage, 2, 5000)
    trade(stage, 0, 1, 1, 2002)
    trade(stage, 0, 1, 2, 2000)
    trade(stage, 1, 2, 1, 2002)
    trade(stage, 1, 2, 2, 2000)
    trade(stage, 1, 0, 2, 2000)
    assert stage.state["accounts"][0]["cash_micros"] == 5000 + 28_000 - 28_009
    trade(stage, 2, 1, 2, 2000)
    assert stage.state["accounts"][2]["cash_micros"] == 5000 - 28_000 + 28_010
    assert int(stage.position(0)["entry_cost_micros"]) == 42_014 - 28_009


# --- collateral ---------------------------------------------------------------------------------------------------


def pawn(begin: Begin, *cash: float, cap: int = 10_000, **parameters: int) -> Stage:
    """BTC counts with a haircut of 60 % and at most for a cap in units; a coin is one lot."""
    stage = market(begin, *cash, **parameters)
    accept(stage, cap)
    move(stage, 2000)
    return stage


@scene
def collateral_rounds_down_twice(begin: Begin) -> None:
    """200 units at 2001.111 are 4002.2 micros and count for 1600.8."""
    stage = pawn(begin, 0)
    move(stage, 2001.111)
    assert coins(stage, 0, 200) == Reason.NONE
    micros(stage, 0, 200 * MICROS - 1601)
    assert order(stage, 0, BUY, 1, 2000) == TOO_LITTLE
    micros(stage, 0, 1)
    assert order(stage, 0, BUY, 1, 2000) == Reason.NONE


@scene
def collateral_counts_up_to_its_cap(begin: Begin) -> None:
    """12.5 coins at 2000 are 10,000 units and not one unit more; at 2040 they still are."""
    stage = pawn(begin, 0)
    assert coins(stage, 0, 12 * COIN + COIN // 2 + 1) == Reason.CONCENTRATION_CAP
    assert coins(stage, 0, 12 * COIN + COIN // 2) == Reason.NONE
    assert coins(stage, 0, COIN) == Reason.CONCENTRATION_CAP
    move(stage, 2040)
    assert order(stage, 0, BUY, 50, 2040) == TOO_LITTLE, "10,200"
    assert order(stage, 0, BUY, 49, 2040) == Reason.NONE
    assert withdraw(stage, 0, 1) == Reason.WITHDRAWAL_LIMIT, "there is no cash to pay out"
    assert withdraw(stage, 0, COIN, Asset.BTC) == Reason.WITHDRAWAL_LIMIT
    stage.send(setting(V.COLLATERAL_CAP_MICROS, 9_000 * MICROS))
    assert withdraw(stage, 0, 1, Asset.BTC) == Reason.NONE, "11.5 coins count for more than 9,996"
    move(stage, 2040)
    assert withdraw(stage, 0, 1, Asset.BTC) == Reason.WITHDRAWAL_LIMIT, "now they count for 9,000"


@scene
def haircuts_and_indexes_count_from_the_next_tick(begin: Begin) -> None:
    """A change moves nothing before the tick, and at the tick everybody is looked at with it."""
    stage = pawn(begin, 0)
    assert coins(stage, 0, COIN) == Reason.NONE
    trade(stage, 0, 1, 3, 2000)
    stage.send(setting(V.COLLATERAL_HAIRCUT_PPB, 850_000_000))
    assert order(stage, 0, BUY, 1, 1990) == Reason.NONE
    move(stage, 2000)
    assert flagged(stage) == [], "300 of 300"
    stage.send(setting(V.COLLATERAL_HAIRCUT_PPB, 850_000_001))
    move(stage, 2000)
    assert flagged(stage) == [(0, 300 * MICROS - 2, 300 * MICROS)]


@scene
def a_coin_that_falls_is_felt_at_the_same_tick(begin: Begin) -> None:
    """1900: the coin counts for 760, the loss is 400, and 360 are less than 380."""
    stage = pawn(begin, 0)
    assert coins(stage, 0, COIN) == Reason.NONE
    trade(stage, 0, 1, 4, 2000)
    move(stage, 1900)
    assert flagged(stage) == [(0, 360 * MICROS, 380 * MICROS)]


@scene
def the_fund_buys_what_is_missing_at_98_percent(begin: Begin) -> None:
    """-630 of cash and 5.40 of fee: 0.36020409 coins at 1764, paid down to the micro."""
    stage = pawn(begin, 0)
    coins(stage, 0, COIN)
    trade(stage, 0, 1, 3, 2000)
    stage.order(1, BUY, 10, 1790)
    move(stage, 1800)
    stage.settle()
    assert rounds(stage) == [(0, 1, 3, 1760)]
    taken = stage.history(EventKind.COLLATERAL_TAKEN)
    assert [(row["old_value"], row["new_value"]) for row in taken] == [(COIN, COIN - 36_020_409)]
    assert taken[0]["amount_micros"] == 36_020_409 * 1764 // 100
    assert stage.state["accounts"][0]["cash_micros"] == taken[0]["amount_micros"] - 635_400_000 == 14
    assert stage.history(EventKind.FUND_PAID) == []
    assert stage.state["collateral"]["fund_units"][0] == 36_020_409


@scene
def selling_coins_may_cure(begin: Begin) -> None:
    """-200 of cash: sold at 98 % the coin is worth more than it counted for, and nothing is closed."""
    stage = pawn(begin, 0)
    coins(stage, 0, COIN)
    trade(stage, 0, 1, 4, 2000)
    move(stage, 1950)
    stage.order(1, BUY, 2, 1900)
    assert order(stage, 0, SELL, 2, 1900, flags=ExecInst.REDUCE_ONLY) == Reason.NONE
    assert stage.cash(0) == -200
    assert withdraw(stage, 0, 1) == Reason.WITHDRAWAL_LIMIT
    move(stage, 1820)
    stage.settle()
    assert flagged(stage) == [(0, 168 * MICROS, 182 * MICROS)]
    assert rounds(stage) == [] and stage.size(0) == 2
    assert len(stage.history(EventKind.COLLATERAL_TAKEN, EventKind.LIQUIDATION_CURED)) == 2
    assert 0 <= stage.cash(0) < 0.00002


@scene
def an_empty_fund_buys_nothing_it_cannot_pay(begin: Begin) -> None:
    """Only the fee of this very round is there; what is still owed stays covered by the coin."""
    stage = pawn(begin, 0, fund=0)
    coins(stage, 0, COIN)
    trade(stage, 0, 1, 3, 2000)
    stage.order(1, BUY, 10, 1790)
    move(stage, 1800)
    stage.settle()
    paid = stage.history(EventKind.COLLATERAL_TAKEN)[0]["amount_micros"]
    assert paid == 306_122 * 1764 // 100 == 5_400_000 - 8
    assert stage.state["fund_micros"] == 0
    assert stage.cash(0) == -630


@scene
def coins_leave_what_margin_needs(begin: Begin) -> None:
    """800 for 600 of IM: a quarter of the coin may go; none comes while the index stands still."""
    stage = pawn(begin, 0)
    coins(stage, 0, COIN)
    trade(stage, 0, 1, 3, 2000)
    assert withdraw(stage, 0, COIN // 4 + 1, Asset.BTC) == Reason.WITHDRAWAL_LIMIT
    assert withdraw(stage, 0, COIN // 4, Asset.BTC) == Reason.NONE
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=build.SECOND))
    stage.pass_time(3)
    assert coins(stage, 0, 1) == Reason.COLLATERAL_NOT_ACCEPTED


@scene
def a_coin_is_worth_its_index_not_its_mark(begin: Begin) -> None:
    """Funding has lifted the mark to 2050 over an index of 2000; the coin still counts for 800."""
    stage = pawn(begin, 0, FUNDING_INTERVAL_S=28_800, SAMPLE_INTERVAL_S=28_800)
    patient(stage)
    stage.order(2, BUY, 100, 2090)
    stage.now_ns = (stage.now_ns // DAY_NS + 1) * DAY_NS - 2 * build.SECOND
    for _ in range(3):
        move(stage, 2000)
    stage.send(build.mass_cancel(2))
    assert int(stage.state["contracts"][0]["mark_subticks"]) == 2_050_000
    coins(stage, 0, COIN)
    assert order(stage, 0, BUY, 4, 2000) == Reason.NONE
    assert withdraw(stage, 0, 1, Asset.BTC) == Reason.WITHDRAWAL_LIMIT
