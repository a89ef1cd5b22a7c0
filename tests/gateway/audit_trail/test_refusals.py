"""A refusal names the parameter, its value, the limit and what would pass: every reason that an order can meet."""

import re
from typing import Any

import pytest

from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, EventKind, ExecInst, OrdType, PriceSource, Reason, Restriction, TimeInForce
from engine.codes import ContractParameter as P
from gateway.audit_trail.refusals import why
from gateway.wire.decimals import Contract, Unit
from gateway.wire.errors import Explanation, code_of, refusal_of
from tests import build
from tests.build import BUY, PERPETUAL, PLAIN_CONTRACT, SELL, START_NS, account_set, new
from tests.stage import MICROS, WORKED, Stage
from tests.test_money_scenarios import exchange, flagged
from tests.test_scenarios import MARK, ORDER, REDUCE, REFUSED_ORDERS, STOP, TRADE, Scenario, restricted

CENTS = Contract(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse("0.01"), Unit.parse("0.01"))
"""A tick of 0.01 and a lot of 0.01, so 1000 ticks are 10 and 10 lots are 0.1."""
UNITS = Contract(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse("1"), Unit.parse("1"))
BOUNDED = {
    Reason.BAD_TICK, Reason.BAD_LOT, Reason.BAD_EXPIRY, Reason.QTY_TOO_SMALL, Reason.QTY_TOO_LARGE, Reason.DUPLICATE_ID,
    Reason.TRIGGER_WOULD_FIRE, Reason.CAPACITY, Reason.PRICE_OUT_OF_BAND, Reason.ORDER_VALUE_LIMIT,
    Reason.TOO_MANY_ORDERS, Reason.POSITION_LIMIT, Reason.GROUP_POSITION_LIMIT, Reason.EXPOSURE_LIMIT,
    Reason.OPEN_INTEREST_CAP, Reason.LEVERAGE_LIMIT, Reason.POST_ONLY_WOULD_CROSS, Reason.FOK_CANNOT_FILL,
    Reason.INSUFFICIENT_MARGIN,
}  # fmt: skip
"""Reasons whose line says value and limit as numbers."""


def shown(state: Any, contract: int, side: int, ticks: int) -> int:
    """What the book of a state shows at a price or better, as the read model would."""
    found = 0
    for level in state["levels"][: int(state["levels_used"])]:
        price, place = int(level["price_ticks"]), int(level["ladder_slot"]) - contract * 8
        if level["orders"] and place == side - 1 and (price >= ticks if side == BUY else price <= ticks):
            found += int(level["leaves_lots"] - level["hidden_lots"])
    return found


def said(root: Any, contract: Contract, command: Any, reason: int) -> Explanation:
    """The explanation of a refused command."""
    found = why(root, [contract], command, reason, lambda *asked: shown(root[0], *asked))
    assert found is not None
    return found


def of(scenario: Scenario) -> Explanation:
    """The explanation of a scenario's refusal."""
    pair = scenario.pair()
    reports = pair.send(scenario.last.copy())
    assert [report["reason"] for report in reports] == [scenario.reason]
    return said(pair.root, CENTS, pair.sent[-1][0], scenario.reason)


LEVERAGE = Scenario(Reason.LEVERAGE_LIMIT, ORDER, [MARK, account_set(0, A.MAX_LEVERAGE, 5)], contract=PERPETUAL)


@pytest.mark.parametrize("scenario", [*REFUSED_ORDERS, LEVERAGE], ids=lambda scenario: scenario.reason.name)
def test_every_reason_of_the_ladder_names_value_limit_and_remedy(scenario: Scenario) -> None:
    found = of(scenario)
    assert found.param and found.value and found.limit and found.fault and found.remedy, found
    assert found.message == f"{found.fault}; {found.remedy}" and "\n" not in found.message
    assert not found.message.endswith(".") and found.fault not in ("", found.remedy)
    if scenario.reason in BOUNDED:
        assert found.value in found.message and found.limit in found.message, found
    data = refusal_of(scenario.reason, found)
    assert (data.code, data.reason, data.param) == (code_of(scenario.reason), scenario.reason.name, found.param)
    assert data.data == {
        "message": found.message, "value": found.value, "limit": found.limit, "remedy": found.remedy
    }  # fmt: skip


def test_the_walk_covers_every_reason_that_an_order_can_meet() -> None:
    """Rows 1 to 22 and unknown orders; those of margin and liquidation are below."""
    ladder = {reason for reason in Reason if 1000 < reason < 1300 and reason < Reason.WITHDRAWAL_LIMIT}
    met = {scenario.reason for scenario in REFUSED_ORDERS} | {LEVERAGE.reason}
    assert ladder - met == {Reason.INSUFFICIENT_MARGIN, Reason.ACCOUNT_IN_LIQUIDATION}


@pytest.mark.parametrize(("reason", "text"), [
    (Reason.QTY_TOO_LARGE, "amount 10.01 is above the maximum of 10 BTC; send 10 or less"),
    (Reason.QTY_TOO_SMALL, "amount 0.1 is below the minimum of 0.11 BTC; send 0.11 or more"),
    (Reason.BAD_LOT, "amount 0.11 is not a positive multiple of 0.02 BTC; send 0.1 or 0.12"),
    (Reason.BAD_TICK, "price 1000.01 is not within 0.01 and 1000; send a price from 0.01 to 1000"),
    (Reason.BAD_EXPIRY, "expires_at 1772442000000 ms is not a whole second; send a whole second in ms, such as "
     "1772442001000, or later"),
    (Reason.TRIGGER_WOULD_FIRE, "trigger_price 10 is not above the last_price of 10: it would fire at once; send 10.01 "
     "or more, or the order without a trigger"),
    (Reason.PRICE_OUT_OF_BAND, "price 10.31 is outside the band around the mark of 10: a buy is at most 10.3; send "
     "10.3 or less"),
    (Reason.ORDER_VALUE_LIMIT, "the order is worth 0.99 USDC, above the limit of 0.989999 USDC; at this price send "
     "0.09 or less"),
    (Reason.TOO_MANY_ORDERS, "the account has 1 open orders, and 1 is the most it may have; cancel some"),
    (Reason.POSITION_LIMIT, "with all orders of its side filled the position would be 20.01, above the limit of 20 "
     "BTC; send 9.99 or less, or cancel others of that side"),
    (Reason.GROUP_POSITION_LIMIT, "the accounts of the group could hold 0.3, above its limit of 0.29 BTC; send "
     "0.09 or less, or cancel orders of the group"),
    (Reason.LEVERAGE_LIMIT, "the leverage in BTC_USDC-PERPETUAL is 10, above the account's limit of 5; set 5 or less "
     "with private/set_leverage"),
    (Reason.REDUCE_ONLY_WOULD_INCREASE, "a reduce-only buy needs a short position, and the position is 0.1; send a "
     "sell, or leave out reduce_only"),
    (Reason.POST_ONLY_WOULD_CROSS, "price 10 would trade with the best ask of 10; send 9.99 or less"),
    (Reason.FOK_CANNOT_FILL, "amount 0.11 cannot be filled at once: the book shows 0.1 at 10 or better; send 0.1 or "
     "less, or send immediate_or_cancel, or another price"),
    (Reason.MARKET_REDUCE_ONLY, "BTC_USDC-PERPETUAL is reduce_only; set reduce_only, or wait until its state is open"),
    (Reason.DUPLICATE_ID, None),
])  # fmt: skip
def test_the_words(reason: Reason, text: str | None) -> None:
    found = of(next(scenario for scenario in [*REFUSED_ORDERS, LEVERAGE] if scenario.reason == reason))
    if text is None:
        assert re.fullmatch(r"cl_ord_id 5 names the open order \d+, which is another one; choose .*", found.message)
    else:
        assert found.message == text


LOTS = re.compile(r"send ([0-9.]+) or (?:less|more)")


def hundredths(text: str) -> int:
    """A decimal of the words in ticks or lots of the contract."""
    return round(float(text) * 100)


@pytest.mark.parametrize(("reason", "field", "beyond"), [
    (Reason.QTY_TOO_LARGE, "qty_lots", 1), (Reason.QTY_TOO_SMALL, "qty_lots", -1),
    (Reason.PRICE_OUT_OF_BAND, "price_ticks", 1), (Reason.POST_ONLY_WOULD_CROSS, "price_ticks", 1),
    (Reason.TRIGGER_WOULD_FIRE, "trigger_price_ticks", -1), (Reason.ORDER_VALUE_LIMIT, "qty_lots", 1),
    (Reason.POSITION_LIMIT, "qty_lots", 1), (Reason.GROUP_POSITION_LIMIT, "qty_lots", 1),
    (Reason.FOK_CANNOT_FILL, "qty_lots", 1), (Reason.OPEN_INTEREST_CAP, "qty_lots", 1),
])  # fmt: skip
def test_what_would_pass_passes_and_one_more_does_not(reason: Reason, field: str, beyond: int) -> None:
    scenario = next(scenario for scenario in REFUSED_ORDERS if scenario.reason == reason)
    (named,) = LOTS.findall(of(scenario).remedy)[:1]
    for more, expected in ((beyond, reason), (0, 0)):
        pair, command = scenario.pair(), scenario.last.copy()
        command[field] = hundredths(named) + more
        assert pair.send(command)[0]["reason"] == expected, more


def test_a_remedy_of_an_expiry_is_a_whole_second_that_passes() -> None:
    for expire_ns in (START_NS + 1, START_NS - 5, START_NS, 1):
        scenario = Scenario(Reason.BAD_EXPIRY, new(0, BUY, 10, 990, tif=TimeInForce.GTD, expire_ns=expire_ns))
        command = scenario.last.copy()
        command["expire_ns"] = int(of(scenario).limit) * 1_000_000
        assert scenario.pair().send(command)[0]["kind"] == EventKind.ACCEPTED


def test_a_position_below_the_smallest_order_can_still_be_closed() -> None:
    """Long 10 lots; then the smallest order is raised to 20."""
    before = [new(0, SELL, 10, 1000), new(1, BUY, 10, 1000), build.contract_set(0, P.MIN_ORDER_LOTS, 20)]
    scenario = Scenario(Reason.QTY_TOO_SMALL, new(1, SELL, 10, 990), before)
    assert of(scenario).remedy == "send 0.2 or more, or 0.1 with reduce_only, which closes the position"
    assert of(Scenario(Reason.QTY_TOO_SMALL, new(1, BUY, 10, 990), before)).remedy == "send 0.2 or more"
    closing = scenario.last.copy()
    closing["flags"] = ExecInst.REDUCE_ONLY
    assert scenario.pair().send(closing)[0]["kind"] == EventKind.ACCEPTED


ICEBERG = {"flags": ExecInst.ICEBERG}


@pytest.mark.parametrize(("order", "param", "text"), [
    (new(0, BUY, 10, 990, display_lots=500, **ICEBERG), "display_amount", "is larger than the amount of 0.1 BTC; send "
     "0.1 or less"),
    (new(0, BUY, 400, 990, display_lots=3, **ICEBERG), "display_amount", "a hundredth of 4; send 0.04 or more, at"),
    (new(0, BUY, 10, 0, display_lots=5, **ICEBERG), "type", "one of type market does not; send a limit order"),
    (new(0, BUY, 10, 990, flags=ExecInst.POST_ONLY, tif=TimeInForce.IOC), "time_in_force", "immediate_or_cancel does "
     "not; send good_til_cancelled"),
    (new(0, BUY, 10, 990, flags=ExecInst.REJECT_POST_ONLY), "reject_post_only", "set post_only"),
])  # fmt: skip
def test_an_orders_parts_that_do_not_go_together_are_named(order: Any, param: str, text: str) -> None:
    found = of(Scenario(Reason.UNSUPPORTED_ORDER, order))
    assert found.param == param and text in found.message, found


@pytest.mark.parametrize(("amend", "reason", "text"), [
    ({"price_ticks": 100_001}, Reason.BAD_TICK, "price 1000.01 is not within"),
    ({"cl_ord_id": 6}, Reason.UNKNOWN_ORDER, "cl_ord_id 6 is no open order of this account"),
    ({"qty_lots": 501}, Reason.UNSUPPORTED_ORDER, "display_amount 0.05 is below 0.06"),
    ({"price_ticks": 1032}, Reason.PRICE_OUT_OF_BAND, "price 10.32 is outside the band"),
])  # fmt: skip
def test_an_amendment_is_told_as_the_order_would_be(amend: dict[str, int], reason: Reason, text: str) -> None:
    before = [MARK, new(0, BUY, 10, 990, cl_ord_id=5, display_lots=5, **ICEBERG)]
    contract = PERPETUAL | {P.LOT_STEP: 1, P.MIN_ORDER_LOTS: 1}
    plain = Scenario(
        Reason.QTY_TOO_LARGE, build.amend(0, cl_ord_id=5, qty_lots=1001), [new(0, BUY, 10, 9, cl_ord_id=5)]
    )
    assert of(plain).message == "amount 10.01 is above the maximum of 10 BTC; send 10 or less"
    found = of(Scenario(reason, build.amend(0, **({"cl_ord_id": 5} | amend)), before, contract=contract))
    assert text in found.message, found


@pytest.mark.parametrize(("ord_type", "side", "trigger", "limit"), [
    (OrdType.STOP_MARKET, BUY, 995, "10.01"), (OrdType.STOP_MARKET, SELL, 1000, "9.99"),
    (OrdType.TAKE_MARKET, BUY, 1000, "9.99"), (OrdType.TAKE_MARKET, SELL, 999, "10.01"),
])  # fmt: skip
def test_a_trigger_lies_on_the_side_from_which_it_fires(ord_type: int, side: int, trigger: int, limit: str) -> None:
    for source, before in ((PriceSource.LAST, TRADE), (PriceSource.MARK, [MARK]), (PriceSource.INDEX, [MARK])):
        terms = {"ord_type": ord_type, "trigger_source": source}
        scenario = Scenario(Reason.TRIGGER_WOULD_FIRE, new(0, side, 10, trigger_price_ticks=trigger, **terms), before)
        assert of(scenario).limit == limit
        passing = scenario.last.copy()
        passing["trigger_price_ticks"] = hundredths(limit)
        assert scenario.pair().send(passing)[0]["kind"] == EventKind.ACCEPTED


def test_an_order_that_is_not_there_is_told_without_a_look_at_those_that_are() -> None:
    """Cancels of orders that have just filled are many, and an account may have thousands of others."""
    for command in (build.cancel(0, cl_ord_id=7), build.amend(0, cl_ord_id=7, qty_lots=1)):
        found = why(None, [CENTS], command[0], Reason.UNKNOWN_ORDER, lambda *asked: 0)
        assert found is not None and found.value == "7"


def test_full_places_are_named() -> None:
    long = [new(1, SELL, 100, 1000), new(0, BUY, 100, 1000)]
    orders = [new(0, SELL, 1, 1010 + place, **REDUCE) for place in range(32)]
    found = of(Scenario(Reason.CAPACITY, new(0, SELL, 1, 1100, **REDUCE), [*long, *orders]))
    assert "32 reduce-only orders rest on this position" in found.message and found.limit == "32"


def test_a_legal_freeze_is_told_as_every_other_restriction() -> None:
    words = {
        of(Scenario(Reason.ACCOUNT_RESTRICTED, ORDER, [restricted(restriction)])).message
        for restriction in (Restriction.FROZEN, Restriction.REDUCE_ONLY)
    }
    assert words == {"the account is restricted; contact the venue"}


# --- money ------------------------------------------------------------------------------------------------------------


def refused(stage: Stage, command: Any) -> Explanation:
    """The explanation of a command that the stage refuses."""
    stage.send(command)
    (row,) = stage.of(EventKind.REJECTED, EventKind.REFUSED)
    return said(stage.root, UNITS, stage.log[-1][0], row["reason"])


def test_margin_that_is_missing_is_said_and_enough() -> None:
    """Long 10 at 2000 with 2600: another 10 need 4000 of initial margin."""
    stage = exchange()
    found = refused(stage, new(0, BUY, 10, 2000))
    assert (found.value, found.limit) == ("2600", "4000")
    assert found.message.startswith(
        "the order needs 4,000 USDC of margin with all that is open, and equity is 2,600 USDC"
    )
    stage.deposit(0, 1399.999999)
    assert refused(stage, new(0, BUY, 10, 2000)).remedy.startswith("deposit 0.000001 USDC")
    stage.send(build.deposit(0, 1))
    stage.order(0, BUY, 10, 2000)
    assert stage.of(EventKind.ACCEPTED)


def test_an_order_beyond_the_position_is_told_how_much_only_closes() -> None:
    stage = exchange()
    found = refused(stage, new(0, SELL, 50, 2000))
    assert "send 10 or less, which only closes" in found.remedy
    stage.state["accounts"][0]["cash_micros"] -= 600 * MICROS
    stage.state["withdrawals_micros"] += 600 * MICROS
    stage.adopt()
    stage.order(0, SELL, 10, 1990)
    assert stage.of(EventKind.ACCEPTED)[0]["flags"] & ExecInst.REDUCE_ONLY


def drain(stage: Stage, units: int) -> None:
    """Take money from account 0 that the rules would not let go."""
    stage.state["accounts"][0]["cash_micros"] -= units * MICROS
    stage.state["withdrawals_micros"] += units * MICROS
    stage.adopt()


@pytest.mark.parametrize("terms", [REDUCE, {}, {"tif": TimeInForce.IOC}, {"tif": TimeInForce.FOK}], ids=str)
def test_a_closing_order_that_costs_more_than_there_is_says_so(terms: dict[str, int]) -> None:
    """Whatever its amount: no smaller one would pass, and so none is named."""
    stage = exchange()
    stage.order(1, BUY, 20, 1950)
    drain(stage, 2_589)
    for lots in (10, 4):
        found = refused(stage, new(0, SELL, lots, 1950, **terms))
        assert found.message == (
            "at the best price of 1950 the order would cost more than the equity of 11 USDC; deposit margin, or wait "
            "for 1999 or more"
        )
    stage.order(2, BUY, 20, 1999)
    stage.order(0, SELL, 10, 1950, **terms)
    assert stage.of(EventKind.FILL)


def test_what_only_closes_is_named_where_it_can_close() -> None:
    stage = exchange()
    stage.order(1, BUY, 20, 1950)
    drain(stage, 2_589)
    assert "which only closes" not in refused(stage, new(0, SELL, 12, 1950)).remedy
    assert "send 10 or less, which only closes" in refused(stage, new(0, SELL, 12, 1951)).remedy
    stage.order(0, SELL, 10, 1951)
    assert stage.of(EventKind.ACCEPTED)


def test_fill_or_kill_that_margin_keeps_from_filling_is_not_told_of_the_whole_book() -> None:
    """Of 25 lots within its limit only 5 are bid at what the equity of 100 bears."""
    stage = exchange()
    stage.order(1, BUY, 5, 1999)
    stage.order(1, BUY, 20, 1950)
    drain(stage, 2_500)
    found = refused(stage, new(0, SELL, 10, 1950, tif=TimeInForce.FOK))
    assert "the book shows 25 at 1950 or better, but not all of it can trade with this order" in found.fault
    assert found.remedy == "send immediate_or_cancel, or another price"


def test_what_an_amended_order_has_filled_counts_in_the_amount_that_would_pass() -> None:
    """4 of 10 are filled and 6 of the position are left: a whole amount of 10 closes them."""
    stage = exchange()
    stage.order(0, SELL, 10, 2010, cl_ord_id=3)
    stage.order(2, BUY, 4, 2010)
    found = refused(stage, build.amend(0, cl_ord_id=3, qty_lots=60))
    assert "send 10 or less, which only closes" in found.remedy
    found = refused(stage, build.amend(0, cl_ord_id=3, qty_lots=10_004))
    assert found.limit == "10000"
    stage = exchange(MAX_POSITION_LOTS=100, MAX_ORDER_LOTS=100)
    stage.deposit(0, 1_000_000)
    stage.order(0, BUY, 20, 1990, cl_ord_id=3)
    stage.order(2, SELL, 5, 1990)
    assert "send 90 or less" in refused(stage, build.amend(0, cl_ord_id=3, qty_lots=91)).remedy
    stage.send(build.amend(0, cl_ord_id=3, qty_lots=90))
    assert stage.of(EventKind.AMENDED)


def test_an_account_in_liquidation_is_told_its_equity_and_what_cures_it() -> None:
    """Long 10 from 2000 with 2600 at a mark of 1800: equity 600, maintenance 900."""
    found = refused(flagged(), new(0, BUY, 1, 1700))
    assert (found.value, found.limit) == ("600", "900")
    assert found.remedy == "deposit 300 USDC or more, or wait until it is cured"


def test_a_leverage_is_told_its_cap_and_the_lowest_that_is_carried() -> None:
    """Long 10 at 2000 with 2600: 20,000 / 7 is more, 20,000 / 8 is not."""
    for value, limit in ((11, "10"), (5, "8"), (7, "8")):
        stage = exchange()
        found = refused(stage, build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=value))
        assert (found.param, found.value, found.limit) == ("leverage", str(value), limit)
        assert found.value in found.message and found.limit in found.remedy
        stage.send(build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=int(limit)))
        assert not stage.of(EventKind.REFUSED)
    own = exchange()
    own.send(account_set(0, A.MAX_LEVERAGE, 4))
    found = refused(own, build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=9))
    assert found.message == "leverage 9 is above the account's limit, 4; send 4 or less"


def test_worked_contract_has_whole_units() -> None:
    assert UNITS.micros_per_tick_lot == WORKED[P.MICROS_PER_TICK_LOT]
    assert CENTS.micros_per_tick_lot == PLAIN_CONTRACT[P.MICROS_PER_TICK_LOT]
    assert STOP["trigger_source"] == PriceSource.LAST
