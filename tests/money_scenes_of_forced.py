"""Directed scenes of liquidation, the fund and deleveraging, each with the figures that must come out."""

from engine.codes import EventFlag, EventKind, ExecInst, MarketState, Reason
from engine.codes import VenueParameter as V
from tests import build
from tests.scene import (
    BUY,
    DAY_NS,
    FEES,
    MICROS,
    RICH,
    SCENES,
    SELL,
    Begin,
    K,
    brackets,
    flagged,
    given,
    helped,
    isolate,
    isolated,
    mark,
    market,
    micros,
    move,
    order,
    patient,
    rounds,
    scene,
    trade,
)
from tests.stage import Stage

LONG, SHORT = 1, -1
TABLE = [
    (LONG, 2600, 1800, RICH, [(BUY, 4, 1800)], 1792.80, 6),
    (LONG, 2600, 1800, RICH, [(BUY, 1, 1800), (BUY, 9, 1700)], 2398.20, 9),
    (LONG, 2180, 1800, RICH, [(BUY, 8, 1800)], 126.00, 0),
    (LONG, 2180, 1800, RICH, [], 0.00, 0),
    (LONG, 2800, 1700, RICH, [(BUY, 10, 1700)], 0.00, 0),
    (LONG, 2800, 1700, 0, [], 0.00, 0),
    (SHORT, 2600, 2200, RICH, [(SELL, 5, 2200)], 1589.00, -5),
    (SHORT, 2180, 2200, RICH, [(SELL, 9, 2200)], 140.00, 0),
    (SHORT, 2800, 2300, RICH, [(SELL, 10, 2300)], 0.00, 0),
    (SHORT, 2800, 2300, 0, [], 0.00, 0),
]
"""The rulebook's worked examples: side, cash, mark, fund, quotes (side, lots, price), cash and position afterwards."""


def struck(
    begin: Begin, cash: float, price: float, *bids: tuple[int, int], lots: int = 10, fund: float = RICH, **settings: int
) -> Stage:
    """Account 0 is long from 2000, accounts 2 on bid (lots, price), and the index falls."""
    stage = market(begin, cash, fund=fund, **settings)
    trade(stage, 0, 1, lots, 2000)
    for account, (size, at) in enumerate(bids, start=2):
        stage.order(account, BUY, size, at)
    move(stage, price)
    stage.settle()
    return stage


def fees(stage: Stage) -> list[int]:
    """All liquidation fees so far."""
    return [row["amount_micros"] for row in stage.history(EventKind.LIQUIDATION_FEE)]


# --- the worked examples ------------------------------------------------------------------------------------------


def worked(place: int, begin: Begin) -> None:
    """One row of the rulebook's table."""
    side, cash, price, fund, quotes, left, size = TABLE[place]
    stage = market(begin, cash, fund=fund)
    if side == LONG:
        trade(stage, 0, 1, 10, 2000)
    else:
        trade(stage, 1, 0, 10, 2000)
    for account, (direction, lots, at) in enumerate(quotes, start=2):
        stage.order(account, direction, lots, at)
    move(stage, price)
    stage.settle()
    assert (stage.cash(0), stage.size(0)) == (left, size)


for row in range(len(TABLE)):
    SCENES[f"worked example {row + 1}"] = lambda begin, place=row: worked(place, begin)  # type: ignore[misc]


# --- whom ---------------------------------------------------------------------------------------------------------


@scene
def liquidatable_is_strictly_below(begin: Begin) -> None:
    """MM at 1800 is 900: who has just that is not flagged, who has a micro less is."""
    stage = market(begin, 2900, RICH, 0)
    micros(stage, 2, 2900 * MICROS - 1)
    for account in (0, 2):
        trade(stage, account, 1, 10, 2000)
    move(stage, 1800)
    assert flagged(stage) == [(2, 900 * MICROS - 1, 900 * MICROS)]


@scene
def margin_calls_come_below_their_levels(begin: Begin) -> None:
    """1,350 is one and a half times 900, and 1,080 is a fifth above; once each until it eases."""
    stage = market(begin, 3350, RICH, 0, 3080, 0)
    micros(stage, 2, 3350 * MICROS - 1)
    micros(stage, 4, 3080 * MICROS - 1)
    for account in (0, 2, 3, 4):
        trade(stage, account, 1, 10, 2000)
    for price, calls in ((1800, [(2, 1), (3, 1), (4, 2)]), (1800, []), (2000, []), (1800, [(2, 1), (3, 1), (4, 2)])):
        move(stage, price)
        assert [(row["account_slot"], row["code"]) for row in stage.of(EventKind.MARGIN_CALL)] == calls


@scene
def the_levels_of_margin_calls_round_up(begin: Begin) -> None:
    """MM of 2101 micros: calls come below 3151.5 and below 2521.2, so at 3151 and at 2521."""
    stage = market(begin, 0, RICH, 0, 0, 0, MICROS_PER_TICK_LOT=7)
    for account, amount in ((0, 6176), (2, 6175), (3, 5546), (4, 5545)):
        micros(stage, account, amount)
    move(stage, 2144)
    for account in (0, 2, 3, 4):
        trade(stage, account, 1, 3, 2144)
    move(stage, 2000.001)
    calls = [(row["account_slot"], row["code"], row["old_value"]) for row in stage.of(EventKind.MARGIN_CALL)]
    assert calls == [(2, 1, 3151), (3, 1, 2522), (4, 2, 2521)]


@scene
def a_flag_goes_at_exactly_the_maintenance_margin(begin: Begin) -> None:
    """600 of 900 and nobody bids; with 300 more it is cured, with a micro less it is not."""
    stage = struck(begin, 2600, 1800)
    micros(stage, 0, 300 * MICROS - 1)
    move(stage, 1800)
    assert stage.state["accounts"][0]["liquidating"] == 1
    micros(stage, 0, 1)
    move(stage, 1800)
    assert stage.state["accounts"][0]["liquidating"] == 0
    assert len(stage.history(EventKind.LIQUIDATION_CURED)) == 1


@scene
def an_isolated_position_stands_alone(begin: Begin) -> None:
    """It is closed and nothing else is: not the other position, not the other orders, not the other money."""
    stage = market(begin, 4000, contracts=2)
    isolate(stage, 0)
    for contract in (0, 1):
        trade(stage, 0, 1, 5, 2000, contract=contract)
    assert order(stage, 0, BUY, 1, 1500, contract_slot=1) == Reason.NONE
    assert order(stage, 0, BUY, 1, 1500) == Reason.NONE
    stage.order(2, BUY, 5, 1840)
    move(stage, 1840, 2000)
    stage.settle()
    assert (stage.size(0), stage.size(0, 1)) == (0, 5)
    assert stage.cash(0) == 3000 + 1000 - 800 - 9.2 and isolated(stage, 0) == 0
    gone = [(row["contract_slot"], row["reason"]) for row in stage.history(EventKind.CANCELLED)]
    assert gone == [(0, Reason.LIQUIDATION)]


@scene
def an_isolated_position_is_judged_strictly_too(begin: Begin) -> None:
    """1,000 of money and a loss of 540 leave just the MM of 460; a subtick lower it is too little."""
    stage = market(begin, 5000)
    isolate(stage, 0)
    trade(stage, 0, 1, 5, 2000)
    move(stage, 1894.737)
    assert flagged(stage) == []
    stage.send(build.directive(K.TRANSFER, account_slot=0, contract_slot=0, amount_micros=-1))
    move(stage, 1894.736)
    assert [row[0] for row in flagged(stage)] == [0]
    assert [row[1:3] for row in rounds(stage)] == [(0, 1)]


@scene
def an_isolated_flag_goes_at_exactly_its_maintenance(begin: Begin) -> None:
    """1,070 of money: at 1879 it is 465 of 469.75, at 1880 just the 470 that it needs."""
    stage = market(begin, 5000)
    isolate(stage, 0)
    trade(stage, 0, 1, 5, 2000)
    stage.send(build.directive(K.TRANSFER, account_slot=0, contract_slot=0, amount_micros=70 * MICROS))
    for price, held in ((1879, 1), (1880, 0)):
        move(stage, price)
        assert stage.state["accounts"][0]["liquidating"] == held


@scene
def what_is_switched_off_or_frozen_is_not_closed(begin: Begin) -> None:
    """The contract without an index stays as it is, the account's other one is closed."""
    stage = market(begin, 4100, contracts=2)
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=2 * build.SECOND))
    for contract in (0, 1):
        trade(stage, 0, 1, 10, 2000, contract=contract)
    for price in (2000, 1950, 1790):
        rows = [stage.source_price(source, round(price * 1000), 1) for source in range(3)]
        stage.send(*rows)
        stage.pass_time(1)
    stage.settle()
    assert stage.state["contracts"][0]["mark_frozen"] == 1 and mark(stage) == 2_000_000
    assert (stage.size(0), stage.size(0, 1)) == (10, 10) and flagged(stage) == []
    stage.send(*[stage.source_price(source, 1_600_000, 1) for source in range(3)])
    stage.pass_time(1)
    stage.settle()
    assert [row[0] for row in flagged(stage)] == [0]
    assert (stage.size(0), stage.size(0, 1)) == (10, 0)


@scene
def forced_orders_ignore_band_and_fees(begin: Begin) -> None:
    """A bid of before, far above the band of 1800, is taken at 1990; no taker's or maker's fee."""
    stage = struck(begin, 2610, 1800, (4, 1990), MAKER_FEE_PPB=200_000, **FEES)
    assert (stage.size(0), stage.cash(0)) == (6, 2600 - 40 - 7.2)
    forced = [row for row in stage.history(EventKind.FILL) if row["flags"] & EventFlag.FORCED]
    assert len(forced) == 2 and not any(row["fee_micros"] for row in forced)
    assert stage.cash(2) == RICH


@scene
def one_round_for_each_tick(begin: Begin) -> None:
    """However often time passes within the second, the thin book is tried once."""
    stage = struck(begin, 2600, 1800, (1, 1800))
    for _ in range(5):
        stage.send()
    assert rounds(stage) == [(0, 0, 4, 1740)] and stage.size(0) == 9
    move(stage, 1800)
    assert len(rounds(stage)) == 2


@scene
def a_round_begins_with_cancelling_the_accounts_orders(begin: Begin) -> None:
    """All ten of them, and then 4 lots are closed."""
    stage = market(begin, 2600)
    trade(stage, 0, 1, 10, 2000)
    for place in range(10):
        stage.order(0, SELL, 1, 2100 + place, flags=ExecInst.REDUCE_ONLY)
    stage.order(2, BUY, 4, 1800)
    move(stage, 1800)
    stage.settle()
    gone = [row["reason"] for row in stage.history(EventKind.CANCELLED) if row["account_slot"] == 0]
    assert gone == [Reason.LIQUIDATION] * 10
    assert (stage.size(0), stage.cash(0)) == (6, 1792.8)


# --- how much -----------------------------------------------------------------------------------------------------


@scene
def at_half_of_the_maintenance_margin_all_is_closed(begin: Begin) -> None:
    """450 of 900 is full; a micro more is partial."""
    stage = market(begin, 2450, RICH, 0)
    micros(stage, 2, 2450 * MICROS + 1)
    for account in (0, 2):
        trade(stage, account, 1, 10, 2000)
    move(stage, 1800)
    assert [row[:2] for row in rounds(stage)] == [(0, 1), (2, 0)]


@scene
def the_least_that_cures_counts_the_fee(begin: Begin) -> None:
    """630 would be enough for 3 without the fee; 547.20 is just enough for 4 with it."""
    stage = market(begin, 2630, RICH, 2547.2)
    for account in (0, 2):
        trade(stage, account, 1, 10, 2000)
    move(stage, 1800)
    assert [row[:3] for row in rounds(stage)] == [(0, 0, 4), (2, 0, 4)]


@scene
def no_remainder_is_below_the_minimum(begin: Begin) -> None:
    """A rest of 6 is fine where 6 is the minimum, and too small where it is 7."""
    for least, closed in ((6, 4), (7, 10)):
        stage = struck(begin, 2600, 1800, MIN_ORDER_LOTS=least)
        assert [row[2] for row in rounds(stage)] == [closed]


@scene
def whole_steps_are_closed(begin: Begin) -> None:
    """4 lots would do; in steps of 3 they are 6."""
    stage = market(begin, 2600 * 1.2, LOT_STEP=3, MIN_ORDER_LOTS=3)
    trade(stage, 0, 1, 12, 2000)
    move(stage, 1800)
    assert [row[2] for row in rounds(stage)] == [6]


@scene
def the_rest_is_judged_bracket_by_bracket(begin: Begin) -> None:
    """30 lots at 1720 need 4,160 with 3,600 there; 26 need 3,472, less than their share of it."""
    stage = market(begin, 12_000)
    brackets(stage, (20_000, 5, 100_000_000))
    trade(stage, 0, 1, 30, 2000)
    move(stage, 1720)
    assert flagged(stage) == [(0, 3600 * MICROS, 4160 * MICROS)]
    assert rounds(stage) == [(0, 0, 4, 1600)]


@scene
def the_largest_need_is_closed_first(begin: Begin) -> None:
    """Partial: 3 of the larger one, what the other needs left alone. Full: the larger one, then the other."""
    stage = market(begin, 3200, contracts=2)
    trade(stage, 0, 1, 5, 2000, contract=1)
    trade(stage, 0, 1, 10, 2000)
    move(stage, 1800, 2000)
    assert flagged(stage) == [(0, 1200 * MICROS, 1400 * MICROS)]
    assert rounds(stage) == [(0, 0, 3, 1680)]
    move(stage, 1740, 2000)
    stage.settle()
    started = stage.of(EventKind.LIQUIDATION_STARTED) or stage.history(EventKind.LIQUIDATION_STARTED)[1:]
    assert [(row["contract_slot"], row["code"]) for row in started] == [(0, 1), (1, 1)]


@scene
def equity_is_read_again_before_the_next_position(begin: Begin) -> None:
    """500 of 1,350: 10 lots go at 1750, and what their buyer at 1770 leaves is the second one's bankruptcy price."""
    stage = market(begin, 3000, contracts=2)
    trade(stage, 0, 1, 5, 2000, contract=1)
    trade(stage, 0, 1, 10, 2000)
    stage.order(2, BUY, 10, 1770)
    move(stage, 1750, 2000)
    stage.settle()
    started = stage.history(EventKind.LIQUIDATION_STARTED)
    found = [(row["contract_slot"], row["code"], row["price_subticks"], row["old_value"]) for row in started]
    assert found == [(0, 1, 1_700_000, 500 * MICROS), (1, 1, 1_860_000, 700 * MICROS)]


# --- fee, fund, prices --------------------------------------------------------------------------------------------


@scene
def the_fee_is_at_most_what_is_left(begin: Begin) -> None:
    """17.80 are left of 10 x 1 sold at 1783, and the fee would be 18."""
    stage = struck(begin, 2180, 1800, (10, 1783))
    assert stage.cash(0) == 0 and fees(stage) == [10_000_000]
    assert stage.state["fund_micros"] == RICH * MICROS + 10_000_000


@scene
def the_fee_rounds_up_and_counts_what_was_deleveraged(begin: Begin) -> None:
    """21 micros a tick at 1816.191: 38141 of notional, 0.1 % of it is 39 micros."""
    stage = market(begin, 0, MICROS_PER_TICK_LOT=7)
    micros(stage, 0, 4600)
    move(stage, 2001)
    trade(stage, 0, 1, 3, 2001)
    stage.order(2, BUY, 1, 1800)
    move(stage, 1816.191)
    stage.settle()
    assert [row[1:3] for row in rounds(stage)] == [(1, 3)]
    assert fees(stage) == [39]


@scene
def a_close_price_is_in_whole_ticks_away_from_the_loss(begin: Begin) -> None:
    """1781.5 is 1782 for a long and 2218.5 is 2218 for a short; the distance rounds down before."""
    stage = market(begin, 2185, RICH, 2185, 2179.995)
    trade(stage, 0, 1, 10, 2000)
    trade(stage, 3, 1, 10, 2000)
    move(stage, 1800)
    stage.settle()
    assert rounds(stage) == [(0, 1, 10, 1782), (3, 1, 10, 1783)]
    stage = market(begin, RICH, RICH, 2185, 2179.995)
    trade(stage, 1, 2, 10, 2000)
    trade(stage, 1, 3, 10, 2000)
    move(stage, 2200)
    stage.settle()
    assert rounds(stage) == [(2, 1, 10, 2218), (3, 1, 10, 2217)]


def fall(stage: Stage, cash: float, before: int, after: int) -> None:
    """Account 0 opens 10 lots with so much money, and the mark falls from here to there."""
    stage.deposit(0, cash)
    trade(stage, 0, 1, 10, before)
    move(stage, after)
    stage.settle()
    assert stage.size(0) == 0 and stage.cash(0) == 0


@scene
def the_fund_gives_a_tenth_of_itself_an_account_and_day(begin: Begin) -> None:
    """100 of 1,000; nothing more that day; 90 of 900 the next day, and 100 more when it has grown by 1,000."""
    stage = market(begin, 0, fund=1000)
    patient(stage)
    fall(stage, 2000, 2000, 1700)
    assert (rounds(stage)[-1][3], helped(stage)) == (1790, [100])
    fall(stage, 1700, 1700, 1450)
    assert (rounds(stage)[-1][3], helped(stage)) == (1530, [100])
    stage.now_ns += DAY_NS
    move(stage, 1450)
    fall(stage, 1450, 1450, 1250)
    assert (rounds(stage)[-1][3], helped(stage)) == (1296, [100, 90])
    stage.fund(1000)
    fall(stage, 1250, 1250, 1050)
    assert (rounds(stage)[-1][3], helped(stage)) == (1115, [100, 90, 100])


# --- deleveraging -------------------------------------------------------------------------------------------------


@scene
def a_giver_gives_no_more_than_it_can_afford(begin: Begin) -> None:
    """110 of equity at a loss of 20 a lot are 5 lots; its orders and those of the next give way."""
    stage = market(begin, 4480, RICH, 4000, contracts=2, fund=0)
    trade(stage, 0, 2, 10, 2000)
    trade(stage, 2, 4, 10, 2000, contract=1)
    trade(stage, 0, 3, 6, 2000)
    trade(stage, 1, 3, 5, 2000)
    assert order(stage, 3, SELL, 1, 2300) == Reason.NONE
    assert order(stage, 3, BUY, 9, 1500, flags=ExecInst.REDUCE_ONLY) == Reason.NONE
    move(stage, 1700, 1311)
    assert rounds(stage)[0] == (0, 1, 16, 1720)
    assert given(stage)[:2] == [(2, 5, 1720), (3, 11, 1720)]
    stage.settle()
    gone = [(row["account_slot"], row["side"], row["reason"]) for row in stage.history(EventKind.CANCELLED)]
    assert (3, SELL, Reason.LIQUIDATION) in gone and (3, BUY, Reason.REDUCE_ONLY_EXCESS) in gone


@scene
def a_giver_may_give_its_last_micro(begin: Begin) -> None:
    """100 of equity at a loss of 20 a lot are 5 lots, and nothing is left."""
    stage = market(begin, 4480, RICH, 4000, contracts=2, fund=0)
    trade(stage, 0, 2, 10, 2000)
    trade(stage, 2, 4, 10, 2000, contract=1)
    trade(stage, 0, 3, 6, 2000)
    trade(stage, 1, 3, 5, 2000)
    move(stage, 1700, 1310)
    assert given(stage)[:2] == [(2, 5, 1720), (3, 11, 1720)]


@scene
def ties_go_to_the_older_position_and_losses_to_the_more_leveraged(begin: Begin) -> None:
    """35 lots at 1800: two alike, the older since flat first though it has grown since; then the losers."""
    stage = market(begin, 7000, RICH, 16_000, 12_000, 2500, 2500, fund=0)
    move(stage, 1500)
    trade(stage, 1, 2, 10, 1500)
    trade(stage, 1, 3, 10, 1500)
    move(stage, 2000)
    trade(stage, 0, 5, 5, 2000)
    trade(stage, 0, 4, 10, 2000)
    trade(stage, 0, 5, 5, 2000)
    trade(stage, 0, 6, 15, 2000)
    stage.deposit(6, 1 << 30)
    move(stage, 1780)
    stage.settle()
    assert rounds(stage) == [(0, 1, 35, 1800)]
    assert [row[:2] for row in given(stage)] == [(5, 10), (4, 10), (6, 15)]
    codes = [row["code"] for row in stage.history(EventKind.DELEVERAGED)]
    assert codes == [5, 4, 3]


@scene
def of_losers_the_more_leveraged_gives_first(begin: Begin) -> None:
    """Nobody is in profit: r / l is nearer to zero for who has less money."""
    stage = market(begin, 4000, RICH, 16_000, 9_000, fund=0)
    move(stage, 1500)
    trade(stage, 4, 2, 10, 1500)
    trade(stage, 4, 3, 10, 1500)
    move(stage, 2000)
    trade(stage, 0, 4, 20, 2000)
    move(stage, 1780)
    stage.settle()
    assert rounds(stage) == [(0, 1, 20, 1800)]
    assert [row[:2] for row in given(stage)] == [(3, 10), (2, 10)]


@scene
def return_is_on_cost_and_leverage_on_the_mark(begin: Begin) -> None:
    """0.1275 x 1.78 against 0.0918 x 2.525: the second goes first, by little."""
    stage = market(begin, 2000, RICH, 7400, 5250, fund=0)
    trade(stage, 1, 2, 10, 2040)
    trade(stage, 1, 3, 10, 1960)
    trade(stage, 0, 1, 10, 2000)
    move(stage, 1780)
    stage.settle()
    assert rounds(stage) == [(0, 1, 10, 1800)]
    assert [row[:2] for row in given(stage)] == [(3, 10)]


@scene
def who_has_given_is_ranked_again(begin: Begin) -> None:
    """After 3 lots the first has less leverage than the second; a newcomer counts at the next tick."""
    stage = market(begin, 600, 0, 6000, 6500, 1600, 900, fund=0)
    trade(stage, 0, 2, 3, 2000)
    trade(stage, 4, 2, 7, 2000)
    trade(stage, 4, 3, 1, 2000)
    trade(stage, 6, 3, 9, 2000)
    move(stage, 1780)
    stage.settle()
    assert [row[0] for row in rounds(stage)] == [0, 4]
    assert [row[:2] for row in given(stage)] == [(2, 3), (3, 8)]
    trade(stage, 5, 7, 4, 1780)
    stage.send(build.directive(K.WITHDRAW, account_slot=7, amount_micros=(RICH - 800) * MICROS))
    move(stage, 1550)
    stage.settle()
    assert [row[0] for row in rounds(stage)] == [0, 4, 5]
    assert given(stage)[2][:2] == (7, 4)


@scene
def an_isolated_giver_gets_its_money_back(begin: Begin) -> None:
    """It closes 10 at 1782 with a profit of 2,180, and all of it goes back to cash."""
    stage = market(begin, 2180, 5000)
    isolate(stage, 1)
    trade(stage, 0, 1, 10, 2000)
    move(stage, 1800)
    stage.settle()
    assert [row[:2] for row in given(stage)] == [(1, 10)]
    assert (isolated(stage, 1), stage.cash(1)) == (0, 7180)


@scene
def with_nobody_left_the_contract_halts(begin: Begin) -> None:
    """The only short has lost in another contract all that it won here."""
    stage = market(begin, 2180, 4000, contracts=2, fund=0)
    trade(stage, 0, 1, 10, 2000)
    trade(stage, 1, 2, 10, 2000, contract=1)
    move(stage, 1800, 1400)
    rows = stage.history(EventKind.DELEVERAGING_EXHAUSTED)
    assert [(row["account_slot"], row["amount_micros"]) for row in rows] == [(0, 10)]
    assert stage.state["contracts"][0]["state"] == MarketState.HALTED
