"""Directed scenes of margin and isolated money, each with the figures that must come out."""

from engine.codes import EventKind, ExecInst, Reason, TimeInForce
from tests import build
from tests.scene import (
    BUY,
    DAY_NS,
    FEES,
    MICROS,
    RICH,
    SELL,
    TOO_LITTLE,
    Begin,
    answer,
    brackets,
    flagged,
    isolate,
    isolated,
    leverage,
    market,
    micros,
    move,
    order,
    patient,
    scene,
    trade,
    transfer,
    withdraw,
)
from tests.stage import Stage

# --- admission ----------------------------------------------------------------------------------------------------


@scene
def an_order_needs_its_margin_to_the_micro(begin: Begin) -> None:
    """Notional, IM, fee and loss round up, each for itself; a sell counts at the mark."""
    stage = market(begin, 0, RICH, 0, MICROS_PER_TICK_LOT=7, **FEES)
    move(stage, 2000.001)
    micros(stage, 0, 4245)
    assert order(stage, 0, BUY, 3, 2001) == TOO_LITTLE, "42021: IM 4203, fee 22, loss 20.979"
    micros(stage, 0, 1)
    assert order(stage, 0, BUY, 3, 2001) == Reason.NONE
    micros(stage, 2, 4244)
    assert order(stage, 2, SELL, 3, 1999) == TOO_LITTLE, "42000.021: IM 4201, fee 22, loss 21.021"
    micros(stage, 2, 1)
    assert order(stage, 2, SELL, 3, 1999) == Reason.NONE


@scene
def equity_rounds_down_and_maintenance_up(begin: Begin) -> None:
    """21 micros a tick at 1816.191 are 38140.011: worth 38140, MM of 38141 is 1908."""
    stage = market(begin, 0, RICH, 0, MICROS_PER_TICK_LOT=7, LIQUIDATION_ENABLED=0)
    micros(stage, 0, 5788)
    micros(stage, 2, 5789)
    move(stage, 2001)
    for account in (0, 2):
        trade(stage, account, 1, 3, 2001)
    move(stage, 1816.191)
    assert flagged(stage) == [(0, 1907, 1908)]


@scene
def a_bracket_reaches_to_its_edge(begin: Begin) -> None:
    """20,000 units still belong to the lower bracket; the upper one's cap binds whoever chose more."""
    stage = market(begin, 2000)
    brackets(stage, (20_000, 5, 100_000_000))
    assert leverage(stage, 0, 10) == Reason.NONE
    stage.order(1, SELL, 11, 2000)
    assert order(stage, 0, BUY, 10, 2000) == Reason.NONE
    assert withdraw(stage, 0, 1) == Reason.WITHDRAWAL_LIMIT
    micros(stage, 0, 2400 * MICROS - 1)
    assert order(stage, 0, BUY, 1, 2000) == TOO_LITTLE, "22,000 at 5 x"
    micros(stage, 0, 1)
    assert order(stage, 0, BUY, 1, 2000) == Reason.NONE


@scene
def deductions_add_up(begin: Begin) -> None:
    """103,500 units in the third bracket: 20 % less 11,000."""
    stage = market(begin, 30_000)
    brackets(stage, (20_000, 8, 100_000_000), (100_000, 4, 200_000_000))
    trade(stage, 0, 1, 60, 2000)
    move(stage, 1725)
    calls = stage.of(EventKind.MARGIN_CALL)
    assert [(row["old_value"], row["new_value"]) for row in calls] == [(13_500 * MICROS, 9_700 * MICROS)]


@scene
def the_other_side_counts_beyond_the_position(begin: Begin) -> None:
    """The published example, in lots of 0.1 and ticks of 10: 5,950; and its mirror."""
    stage = market(begin, 8000, RICH, 8000)
    trade(stage, 0, 1, 5, 2000)
    trade(stage, 1, 2, 5, 2000)
    for account in (0, 2):
        assert leverage(stage, account, 2) == Reason.NONE
    for side, lots, price in ((BUY, 1, 1900), (SELL, 1, 2200), (SELL, 7, 2100)):
        assert order(stage, 0, side, lots, price) == Reason.NONE
    for side, lots, price in ((SELL, 1, 2100), (BUY, 1, 1800), (BUY, 7, 1900)):
        assert order(stage, 2, side, lots, price) == Reason.NONE
    for account, free in ((0, 2050), (2, 1950)):
        assert withdraw(stage, account, free * MICROS + 1) == Reason.WITHDRAWAL_LIMIT
        assert withdraw(stage, account, free * MICROS) == Reason.NONE


@scene
def fees_are_reserved_for_both_sides(begin: Begin) -> None:
    """IM of the larger side is 1005, fees of both 4.975 and 5.025."""
    stage = market(begin, 0, **FEES)
    micros(stage, 0, 1015 * MICROS - 1)
    assert order(stage, 0, BUY, 5, 1990) == Reason.NONE
    assert order(stage, 0, SELL, 5, 2010) == TOO_LITTLE
    micros(stage, 0, 1)
    assert order(stage, 0, SELL, 5, 2010) == Reason.NONE


@scene
def the_dearer_fee_is_reserved(begin: Begin) -> None:
    """A maker pays 0.08 % here and a taker 0.05 %: 1,000 of IM and 8 of fee, whichever it will be."""
    stage = market(begin, 0, MAKER_FEE_PPB=800_000, **FEES)
    micros(stage, 0, 1008 * MICROS - 1)
    assert order(stage, 0, BUY, 5, 2000) == TOO_LITTLE
    micros(stage, 0, 1)
    assert order(stage, 0, BUY, 5, 2000) == Reason.NONE


@scene
def the_open_loss_of_every_order_is_reserved(begin: Begin) -> None:
    """Of a resting order, of a new one, and of an amended one without what it was before."""
    stage = market(begin, 1000, RICH, 1250, 510, contracts=2)
    assert order(stage, 0, BUY, 1, 2050) == Reason.NONE
    assert order(stage, 0, BUY, 3, 2050, contract_slot=1) == TOO_LITTLE, "255 and 765"
    assert withdraw(stage, 0, 745 * MICROS + 1) == Reason.WITHDRAWAL_LIMIT
    assert withdraw(stage, 0, 745 * MICROS) == Reason.NONE
    stage.send(build.mass_cancel(0))
    assert withdraw(stage, 2, 1) == Reason.NONE
    assert order(stage, 2, SELL, 5, 1950) == TOO_LITTLE, "1000 at the mark and 250"
    micros(stage, 2, 1)
    assert order(stage, 2, SELL, 5, 1950) == Reason.NONE
    stage.send(build.mass_cancel(2))
    assert order(stage, 3, BUY, 2, 2050, cl_ord_id=7) == Reason.NONE
    stage.send(build.amend(3, cl_ord_id=7, price_ticks=2060))
    assert answer(stage) == TOO_LITTLE, "412 and 120"
    micros(stage, 3, 22 * MICROS)
    stage.send(build.amend(3, cl_ord_id=7, price_ticks=2060))
    assert answer(stage) == Reason.NONE


@scene
def profit_is_not_withdrawable(begin: Begin) -> None:
    """4 lots from 2000: 800 of IM, then 820 in profit, then 792 and a loss of 80."""
    stage = market(begin, 1000)
    trade(stage, 0, 1, 4, 2000)
    for price, free in ((2000, 200), (2050, 180), (1980, 128)):
        move(stage, price)
        assert withdraw(stage, 0, free * MICROS + 1) == Reason.WITHDRAWAL_LIMIT
    assert withdraw(stage, 0, 128 * MICROS) == Reason.NONE


def worn(begin: Begin, *quotes: tuple[int, int], alone: bool = False) -> Stage:
    """Account 0 is long 10 from 2000 and has just paid a funding of 3.45 %: 344.5 of equity at a mark of 1900.

    Its bankruptcy price is 1865.55, less the taker fee 1866.48; then others bid (lots, price). `alone`: isolated, with
    5,000 of cash beside it.
    """
    parameters = {"FUNDING_INTERVAL_S": 28_800, "SAMPLE_INTERVAL_S": 28_800, "FUNDING_CAP_PPB": 37_500_000}
    stage = market(begin, 7010 if alone else 2010, **FEES, **parameters)
    patient(stage)
    if alone:
        isolate(stage, 0)
    trade(stage, 0, 1, 10, 2000)
    stage.order(2, BUY, 100, 2070)
    stage.now_ns = (stage.now_ns // DAY_NS + 1) * DAY_NS - 2 * build.SECOND
    move(stage, 1900)
    stage.send(build.mass_cancel(2))
    move(stage, 1900)
    assert stage.cash(0) == (5000 if alone else 2000 - 655.5)
    for account, (lots, price) in enumerate(quotes, start=2):
        stage.order(account, BUY, lots, price)
    return stage


@scene
def a_closing_order_stops_at_the_bankruptcy_price_less_the_fee(begin: Begin) -> None:
    """1867 is the first price that leaves something; 1866 is refused; what is left rests there."""
    stage = worn(begin, (5, 1866))
    closing = {"flags": ExecInst.REDUCE_ONLY}
    assert order(stage, 0, SELL, 10, 1860, **closing) == TOO_LITTLE
    stage.order(3, BUY, 5, 1867)
    assert order(stage, 0, SELL, 10, 1860, tif=TimeInForce.FOK, **closing) == Reason.FOK_CANNOT_FILL
    assert order(stage, 0, SELL, 10, 1860, **closing) == Reason.NONE
    assert stage.size(0) == 5
    assert [(row["price_ticks"], row["leaves_lots"]) for row in stage.of(EventKind.RESTED)] == [(1867, 5)]
    assert stage.state["contracts"][0]["last_price_ticks"] == 1867


@scene
def a_short_stops_at_its_bankruptcy_price_less_the_fee(begin: Begin) -> None:
    """327.225 of equity at 2095 after the funding: 2127.72 is its bankruptcy price, and 2126 leaves the fee."""
    parameters = {"FUNDING_INTERVAL_S": 28_800, "SAMPLE_INTERVAL_S": 28_800, "FUNDING_CAP_PPB": 37_500_000}
    stage = market(begin, 2010, **FEES, **parameters)
    patient(stage)
    stage.order(1, BUY, 10, 2000)
    stage.order(0, SELL, 10, 2000)
    stage.order(2, SELL, 100, 1930)
    stage.now_ns = (stage.now_ns // DAY_NS + 1) * DAY_NS - 2 * build.SECOND
    move(stage, 2095)
    stage.send(build.mass_cancel(2))
    move(stage, 2095)
    assert stage.cash(0) == 2000 - 722.775
    closing = {"flags": ExecInst.REDUCE_ONLY}
    stage.order(2, SELL, 5, 2127)
    assert order(stage, 0, BUY, 10, 2140, **closing) == TOO_LITTLE
    stage.order(2, SELL, 5, 2126)
    assert order(stage, 0, BUY, 10, 2140, **closing) == Reason.NONE
    assert stage.size(0) == -5


@scene
def a_plain_closing_order_is_tightened_too(begin: Begin) -> None:
    """Without margin for it a plain sell becomes reduce-only, and then the same limit holds."""
    stage = worn(begin)
    assert order(stage, 0, SELL, 4, 1860) == Reason.NONE
    rested = stage.of(EventKind.ACCEPTED)
    assert [(row["price_ticks"], bool(row["flags"] & ExecInst.REDUCE_ONLY)) for row in rested] == [(1867, True)]
    assert order(stage, 0, SELL, 7, 1860) == TOO_LITTLE, "only 6 lie within the position"


def crippled(begin: Begin, **fields: int) -> Stage:
    """Account 0's bid of 45 at 1980 would now lose 3,600 and cost 17.82, and its equity is 3,610."""
    stage = market(begin, 10_000, contracts=2, MAKER_FEE_PPB=200_000, **FEES)
    stage.order(0, BUY, 45, 1980)
    trade(stage, 1, 2, 1, 2000, contract=1)
    stage.order(1, SELL, 4, 2000, contract_slot=1)
    micros(stage, 0, 4 * MICROS)
    stage.order(0, BUY, 4, 2000, contract_slot=1)
    assert stage.cash(0) == 10_000
    for price in (1500, 1000, 600, 402.5):
        move(stage, 2000, price)
    move(stage, 1900)
    stage.order(3, SELL, 45, 1980, **fields)
    return stage


@scene
def a_makers_fill_and_its_fee_leave_equity(begin: Begin) -> None:
    """What would leave less than nothing with its fee is cancelled on contact."""
    stage = crippled(begin)
    gone = [row["reason"] for row in stage.of(EventKind.CANCELLED) if row["account_slot"] == 0]
    assert gone == [TOO_LITTLE] and stage.size(0) == 0


@scene
def fill_or_kill_does_not_count_who_cannot_carry_it(begin: Begin) -> None:
    """The same maker, before a fill-or-kill order: it stays, and the order is refused."""
    stage = crippled(begin, tif=TimeInForce.FOK)
    assert answer(stage) == Reason.FOK_CANNOT_FILL


# --- isolated money -----------------------------------------------------------------------------------------------


@scene
def an_isolated_fill_brings_margin_loss_and_fee(begin: Begin) -> None:
    """4 at 2010 with the mark at 2000: IM 804, loss 40, fee 4.02; further orders need only what they add."""
    stage = market(begin, 1000, **FEES)
    isolate(stage, 0)
    trade(stage, 0, 1, 4, 2010)
    assert (stage.cash(0), isolated(stage, 0)) == (151.98, 844)
    assert order(stage, 0, BUY, 1, 1500) == Reason.NONE, "950 less 800, and 0.75"
    assert order(stage, 0, BUY, 1, 1500) == TOO_LITTLE


@scene
def an_isolated_fill_into_the_next_bracket_brings_more_for_what_is_held(begin: Begin) -> None:
    """10 lots brought 2,000 at 10 x; 5 more bring 3,000 at 5 x and 2,000 for the first ten."""
    stage = market(begin, 10_000)
    brackets(stage, (20_000, 5, 100_000_000))
    isolate(stage, 0)
    trade(stage, 0, 1, 10, 2000)
    assert isolated(stage, 0) == 2000
    trade(stage, 0, 1, 5, 2000)
    assert (isolated(stage, 0), stage.cash(0)) == (6000, 4000)


@scene
def isolated_money_goes_back_pro_rata_of_equity(begin: Begin) -> None:
    """Half of 1,000 when half is closed at a profit, the rest when flat."""
    stage = market(begin, 1000)
    isolate(stage, 0)
    trade(stage, 0, 1, 4, 2000)
    move(stage, 2050)
    trade(stage, 1, 0, 2, 2050)
    assert (stage.cash(0), isolated(stage, 0)) == (700, 400)
    trade(stage, 1, 0, 2, 2050)
    assert (stage.cash(0), isolated(stage, 0)) == (1200, 0)


@scene
def an_isolated_position_that_turns_begins_anew(begin: Begin) -> None:
    """All of the long's 480 goes back, and the short brings 612."""
    stage = market(begin, 1000)
    isolate(stage, 0)
    trade(stage, 0, 1, 2, 2000)
    move(stage, 2040)
    stage.order(1, BUY, 5, 2040)
    stage.order(0, SELL, 5, 2040)
    assert (stage.size(0), stage.cash(0), isolated(stage, 0)) == (-3, 468, 612)


@scene
def a_better_price_takes_no_more_than_there_is(begin: Begin) -> None:
    """A sell at 2000 reserves 400 and is filled at 2010, which asks for 402."""
    stage = market(begin, 400)
    isolate(stage, 0)
    stage.order(1, BUY, 2, 2010)
    assert order(stage, 0, SELL, 2, 2000) == Reason.NONE
    assert (stage.cash(0), isolated(stage, 0)) == (0, 400)


@scene
def an_isolated_position_gives_back_what_it_can_spare(begin: Begin) -> None:
    """900 of money, a loss of 40 and 796 of IM leave 64; into it goes what cash can spare."""
    stage = market(begin, 1000)
    isolate(stage, 0)
    trade(stage, 0, 1, 4, 2000)
    assert transfer(stage, 0, 200 * MICROS + 1) == Reason.WITHDRAWAL_LIMIT
    assert transfer(stage, 0, 100 * MICROS) == Reason.NONE
    move(stage, 1990)
    assert transfer(stage, 0, -64 * MICROS - 1) == Reason.WITHDRAWAL_LIMIT
    assert transfer(stage, 0, -64 * MICROS) == Reason.NONE
    assert (stage.cash(0), isolated(stage, 0)) == (164, 836)
    move(stage, 2050)
    assert transfer(stage, 0, -16 * MICROS - 1) == Reason.WITHDRAWAL_LIMIT, "836 less 820; profit stays"
    assert withdraw(stage, 0, 164 * MICROS) == Reason.NONE


@scene
def isolated_profit_carries_nothing_else(begin: Begin) -> None:
    """A profit of 400 in one contract is no margin for another, nor may it be paid out."""
    stage = market(begin, 1000, contracts=2)
    isolate(stage, 0)
    trade(stage, 0, 1, 4, 2000)
    move(stage, 2100, 2000)
    assert order(stage, 0, BUY, 2, 2000, contract_slot=1) == TOO_LITTLE, "400 of 200"
    assert order(stage, 0, BUY, 1, 2000, contract_slot=1) == Reason.NONE
    assert withdraw(stage, 0, 1) == Reason.WITHDRAWAL_LIMIT
    assert transfer(stage, 0, -1) == Reason.WITHDRAWAL_LIMIT, "IM is 840 by now"


@scene
def closing_an_isolated_position_is_judged_by_its_own_money(begin: Begin) -> None:
    """5,000 of cash beside it are no help: its limit is that of its own 344.5."""
    stage = worn(begin, (5, 1866), alone=True)
    assert (stage.cash(0), isolated(stage, 0)) == (5000, 1344.5)
    closing = {"flags": ExecInst.REDUCE_ONLY}
    assert order(stage, 0, SELL, 10, 1860, **closing) == TOO_LITTLE
    stage.order(3, BUY, 10, 1867)
    assert order(stage, 0, SELL, 10, 1860, tif=TimeInForce.FOK, **closing) == Reason.NONE
    assert isolated(stage, 0) == 0 and stage.cash(0) == 5000 + 1344.5 - 1330 - 9.335
