"""Previews over a real venue: what they say is what the same order or amendment then does, and they leave no trace."""

import pytest

from engine import host
from engine.codes import ContractParameter
from gateway.wire.errors import ErrorCode, Refusal
from tests.gateway.live import BTC
from tests.gateway.query_venue import START_NS, QueryVenue

MINUTE_NS = 60 * 10**9


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield QueryVenue(tmp_path_factory.mktemp("previews"), patch)


@pytest.fixture(autouse=True)
def clean(market):
    yield
    for who in (0, 1):
        market.result(who, "private/cancel_all")
        size = market.result(who, "private/get_position", instrument_name=BTC)["size"]
        if size > 0:
            market.result(1 - who, "private/buy", instrument_name=BTC, amount=size, price=20_000)
            market.result(who, "private/close_position", instrument_name=BTC, type="market")


def asked(market, side, who=0, **params):
    return market.result(who, "private/preview_order", instrument_name=BTC, direction=side, **params)


def sent(market, side, who=0, **params):
    return market.ask(who, f"private/{side}", instrument_name=BTC, **params)


def money(market, who=0):
    summary = market.result(who, "private/get_account_summary", currency="USDC")
    names = ("equity", "balance", "initial_margin", "maintenance_margin", "available_funds")
    return {name: summary[name] for name in names}


def held(market, names, who=0):
    position = market.result(who, "private/get_position", instrument_name=BTC)
    return {name: position[name] for name in names if position["size"] or name == "size"}


def test_a_market_order_does_what_its_preview_says(market):
    for price, amount in ((20_010, 0.1), (20_050, 0.3)):
        assert "result" in sent(market, "sell", 1, amount=amount, price=price)
    before = money(market)
    told = asked(market, "buy", amount=0.25, type="market")
    assert told["before"] == before and told["admitted"] and told["refusal"] is None and told["failing_rules"] == []
    assert (told["order_state"], told["filled_amount"], told["worst_price"]) == ("filled", 0.25, 20_050)
    assert told["average_price"] == pytest.approx((0.1 * 20_010 + 0.15 * 20_050) / 0.25, abs=0.001)
    assert told["slippage_best"] == pytest.approx(100 * (told["average_price"] / 20_010 - 1), abs=1e-5)
    assert told["slippage_mark"] == pytest.approx(100 * (told["average_price"] / told["mark_price"] - 1), abs=1e-5)
    done = sent(market, "buy", amount=0.25, type="market")["result"]
    assert done["order"]["average_price"] == told["average_price"]
    assert sum(trade["fee"] for trade in done["trades"]) == pytest.approx(told["taker_fee"])
    assert money(market) == told["after"]
    assert told["cost"] == pytest.approx(before["available_funds"] - told["after"]["available_funds"])
    assert held(market, told["position_after"]) == told["position_after"]


def test_a_question_leaves_no_trace(market):
    sent(market, "sell", 1, amount=0.1, price=20_010)
    engine = market.venue.engine
    state = host.digest(engine.root), engine.last_seq
    for order in (
        {"amount": 0.1, "type": "market"}, {"amount": 0.1, "price": 20_010}, {"amount": 0.1, "price": 19_000},
        {"amount": 1000, "price": 19_000}, {"amount": 0.1, "type": "stop_market", "trigger_price": 20_500},
        {"amount": 0.1, "price": 20_010, "time_in_force": "fill_or_kill", "with_max": True},
    ):  # fmt: skip
        asked(market, "buy", **order)
    assert (host.digest(engine.root), engine.last_seq) == state
    assert market.result(0, "private/get_open_orders") == []


def test_an_order_that_rests_tells_its_place_its_cost_and_the_fee_of_a_maker(market):
    told = asked(market, "buy", amount=0.1, price=19_900)
    assert (told["order_state"], told["resting_amount"], told["resting_price"]) == ("open", 0.1, 19_900)
    assert told["average_price"] is told["slippage_best"] is told["worst_price"] is None
    assert told["taker_fee"] == 0 and told["maker_fee"] > 0 and told["order_value"] == 1990
    assert told["position_after"]["size"] == 0
    assert told["after"] == (sent(market, "buy", amount=0.1, price=19_900), money(market))[1]


def test_the_order_is_told_as_it_would_be_sent(market):
    plain = asked(market, "buy", amount=0.1, price=19_900)
    assert (plain["time_in_force"], plain["stp"], plain["label"]) == ("good_til_cancelled", "cancel_maker", "")
    assert plain["trigger"] is plain["cl_ord_id"] is plain["display_amount"] is plain["expires_at"] is None
    order = {
        "price": 20_600, "trigger_price": 20_500, "trigger": "index_price", "label": "<b>é</b>", "cl_ord_id": 7,
        "stp": "decrement",
    }  # fmt: skip
    told = asked(market, "buy", amount=0.1, type="stop_limit", **order)
    assert {name: told[name] for name in order} == order and told["order_state"] == "untriggered"


def test_a_post_only_order_tells_where_it_slides_to(market):
    sent(market, "sell", 1, amount=0.1, price=20_010)
    told = asked(market, "buy", amount=0.1, price=20_020, post_only=True)
    placed = sent(market, "buy", amount=0.1, price=20_020, post_only=True)["result"]["order"]
    assert told["resting_price"] == placed["price"] < 20_010


@pytest.mark.parametrize(
    "order",
    [
        {"amount": 0.1, "price": 25_000},
        {"amount": 900, "price": 20_000},
        {"amount": 0.1, "price": 20_000, "reduce_only": True},
        {"amount": 0.1, "type": "stop_market", "trigger_price": 19_000},
        {"amount": 0.1, "price": 20_000, "time_in_force": "fill_or_kill"},
    ],
)
def test_a_refusal_says_the_same_as_that_of_the_order(market, order):
    told, error = asked(market, "buy", **order), sent(market, "buy", **order)["error"]
    assert not told["admitted"] and told["order_state"] == "rejected"
    assert told["refusal"]["code"] == error["code"]
    for name in ("reason", "message", "param", "value", "limit", "remedy"):
        assert told["refusal"].get(name) == error["data"].get(name), name
    assert told["after"] == told["before"] and told["cost"] == told["taker_fee"] == 0


def test_what_is_wrong_with_a_parameter_is_the_error_of_the_order(market):
    for order in (
        {"amount": 0.1, "price": 20_000.123},
        {"price": 20_000},
        {"amount": 0.1, "type": "market", "price": 1},
    ):
        params = {"instrument_name": BTC, **order}
        told = market.ask(0, "private/preview_order", direction="buy", **params)["error"]
        assert told == market.ask(0, "private/buy", **params)["error"]
    assert market.ask(0, "private/preview_order", instrument_name=BTC, amount=1)["error"]["code"] == -32602


def test_while_the_venue_takes_no_orders_a_preview_says_so(market):
    context = market.venue.context
    context.take_all_but(frozenset({"orders"}), lambda: Refusal(ErrorCode.RETRY, "the disk is full"))
    try:
        params = {"instrument_name": BTC, "amount": 0.1, "price": 19_900}
        told = market.ask(0, "private/preview_order", direction="buy", **params)["error"]
        assert told == market.ask(0, "private/buy", **params)["error"] and told["code"] == ErrorCode.RETRY
    finally:
        context.take_all_but(frozenset(), lambda: Refusal(ErrorCode.RETRY, ""))


def test_the_largest_amount_passes_and_one_step_more_does_not(market):
    told = asked(market, "buy", amount=0.1, price=19_900, with_max=True)
    step = market.result(0, "public/get_instrument", instrument_name=BTC)["amount_step"]
    most = told["max_amount"]
    assert most > 0.1
    assert asked(market, "buy", amount=most, price=19_900)["admitted"]
    more = asked(market, "buy", amount=round(most + step, 4), price=19_900)
    assert more["refusal"]["reason"] in ("INSUFFICIENT_MARGIN", "QTY_TOO_LARGE", "POSITION_LIMIT", "ORDER_VALUE_LIMIT")
    assert "max_amount" not in more


def test_the_largest_amount_of_an_iceberg_and_of_a_fill_or_kill_order(market):
    iceberg = {"price": 19_900, "display_amount": 0.002}
    assert asked(market, "buy", amount=0.05, **iceberg, with_max=True)["max_amount"] == 0.2
    assert asked(market, "buy", amount=0.2, **iceberg)["admitted"]
    other = asked(market, "buy", amount=0.1, price=19_900, time_in_force="immediate_or_cancel", with_max=True)
    told = asked(market, "buy", amount=0.1, price=19_900, time_in_force="fill_or_kill", with_max=True)
    assert not told["admitted"] and told["max_amount"] == other["max_amount"] > 0.1


def test_what_others_hide_is_not_told(market):
    assert "result" in sent(market, "sell", 1, amount=0.5, price=20_010, display_amount=0.1)
    order = {"amount": 0.3, "price": 20_010}
    told = asked(market, "buy", **order, time_in_force="immediate_or_cancel")
    assert (told["filled_amount"], told["cancelled_amount"], told["order_state"]) == (0.1, 0.2, "cancelled")
    assert asked(market, "buy", amount=0.3, type="market")["filled_amount"] == 0.1
    whole = {**order, "time_in_force": "fill_or_kill"}
    assert asked(market, "buy", **whole)["refusal"]["reason"] == "FOK_CANNOT_FILL"
    assert asked(market, "buy", 1, **order)["filled_amount"] == 0.3, "an account knows what it hides"
    assert sent(market, "buy", **whole)["result"]["order"]["filled_amount"] == 0.3


def test_who_may_not_open_hears_every_rule_that_fails(market):
    market.set_parameter(ContractParameter.DISCLOSURE_PRODUCT, 7)
    told = asked(market, "buy", amount=0.1, price=19_900)
    assert told["refusal"]["reason"] == "DISCLOSURE_NOT_ACKNOWLEDGED" and told["refusal"]["remedy"]
    assert [rule["reason"] for rule in told["failing_rules"]] == ["DISCLOSURE_NOT_ACKNOWLEDGED"]
    assert "version 7" in told["failing_rules"][0]["detail"] and told["failing_rules"][0]["remedy"]
    market.set_parameter(ContractParameter.DISCLOSURE_PRODUCT, 1)


def test_an_order_that_lies_within_the_position_is_taken_as_reduce_only_by_who_may_not_open(market):
    market.trade(0.2, 20_000)
    market.set_parameter(ContractParameter.DISCLOSURE_PRODUCT, 7)
    told = asked(market, "sell", amount=0.1, price=20_100)
    assert told["admitted"] and told["made_reduce_only"] and not told["reduce_only"]
    market.set_parameter(ContractParameter.DISCLOSURE_PRODUCT, 1)


def test_the_market_that_is_asked_about_is_of_now(market):
    first = asked(market, "buy", amount=0.1, type="market")
    assert first["best_price"] is None and first["order_state"] == "cancelled"
    assert first["cancel_reason"] == "no_liquidity" and first["cancelled_amount"] == 0.1
    sent(market, "sell", 1, amount=0.1, price=20_010)
    second = asked(market, "buy", amount=0.1, type="market")
    assert second["best_price"] == 20_010 and second["sequence"] > first["sequence"]
    assert market.clock.now_ns > START_NS


# --- amendments ---------------------------------------------------------------------------------------------------


def resting(market, side, who=0, **params):
    return sent(market, side, who, **params)["result"]["order"]["order_id"]


def asked_edit(market, order_id, who=0, **changes):
    return market.result(who, "private/preview_edit", order_id=order_id, **changes)


def edited(market, order_id, who=0, **changes):
    return market.ask(who, "private/edit", order_id=order_id, **changes)


def test_an_amendment_does_what_its_preview_says(market):
    assert "result" in sent(market, "sell", 1, amount=0.1, price=20_010)
    order_id = resting(market, "buy", amount=0.1, price=19_900)
    before = money(market)
    told = asked_edit(market, order_id, amount=0.25, price=20_020)
    assert told["before"] == before and told["admitted"] and told["refusal"] is None
    assert (told["order_id"], told["direction"], told["amount"], told["price"]) == (order_id, "buy", 0.25, 20_020)
    assert (told["filled_amount"], told["average_price"], told["resting_amount"]) == (0.1, 20_010, 0.15)
    assert (told["order_state"], told["resting_price"], told["keeps_priority"]) == ("open", 20_020, False)
    assert money(market) == before, "a question leaves no trace"
    done = edited(market, order_id, amount=0.25, price=20_020)["result"]
    assert done["order"]["filled_amount"] == told["filled_amount"]
    assert sum(trade["fee"] for trade in done["trades"]) == pytest.approx(told["taker_fee"]) and told["taker_fee"] > 0
    assert money(market) == told["after"]
    assert told["cost"] == pytest.approx(before["available_funds"] - told["after"]["available_funds"])
    assert held(market, told["position_after"]) == told["position_after"]


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({"amount": 0.1}, True),
        ({"amount": 0.3}, False),
        ({"price": 19_890}, False),
        ({"amount": 0.1, "forfeit_priority": True}, False),
    ],
)
def test_an_amendment_says_whether_the_order_keeps_its_place_in_the_queue(market, changes, keeps):
    first, second = (resting(market, "buy", amount=0.2, price=19_900) for _ in range(2))
    told = asked_edit(market, first, **changes)
    assert told["keeps_priority"] is keeps and told["order_state"] == "open" and told["filled_amount"] == 0
    edited(market, first, **changes)
    market.result(1, "private/sell", instrument_name=BTC, amount=0.1, price=19_900)
    filled = {order["order_id"]: order["filled_amount"] for order in market.result(0, "private/get_open_orders")}
    assert filled.get(second, 0) == (0 if keeps else 0.1)


def test_an_amendment_that_asks_for_less_frees_funds(market):
    order_id = resting(market, "buy", amount=0.2, price=19_900)
    told = asked_edit(market, order_id, amount=0.1)
    assert told["cost"] < 0 and told["order_value"] == 1990
    edited(market, order_id, amount=0.1)
    assert money(market) == told["after"]


def test_a_part_that_is_filled_counts_no_more(market):
    order_id = resting(market, "buy", amount=0.2, price=20_000)
    market.result(1, "private/sell", instrument_name=BTC, amount=0.05, price=20_000)
    told = asked_edit(market, order_id, amount=0.3)
    assert (told["amount"], told["filled_amount"], told["resting_amount"], told["order_value"]) == (0.3, 0, 0.25, 5000)
    gone = asked_edit(market, order_id, amount=0.05)
    assert gone["admitted"] and gone["order_state"] == "cancelled" and gone["cancelled_amount"] == 0.15
    assert gone["order_value"] == 0, "nothing of it is open"
    order = edited(market, order_id, amount=0.05)["result"]["order"]
    assert order["order_state"] == "cancelled" and money(market) == gone["after"]


def test_a_stop_that_waits_tells_its_new_trigger(market):
    order_id = resting(market, "buy", amount=0.1, type="stop_limit", price=20_600, trigger_price=20_500)
    told = asked_edit(market, order_id, trigger_price=20_550, price=20_700)
    assert (told["order_state"], told["trigger_price"], told["price"]) == ("untriggered", 20_550, 20_700)
    assert told["order_value"] == 2070 and told["after"] == told["before"]
    assert asked_edit(market, order_id)["trigger_price"] == 20_500


def test_an_amendment_is_refused_with_the_words_of_the_edit(market):
    order_id = resting(market, "buy", amount=0.1, price=19_900)
    for changes in ({"price": 25_000}, {"amount": 900}):
        told, error = asked_edit(market, order_id, **changes), edited(market, order_id, **changes)["error"]
        assert not told["admitted"] and told["order_state"] == "rejected" and not told["keeps_priority"]
        assert told["refusal"]["code"] == error["code"]
        for name in ("reason", "message", "param", "value", "limit", "remedy"):
            assert told["refusal"].get(name) == error["data"].get(name), name
        assert told["after"] == told["before"] and told["cost"] == 0


def test_what_is_wrong_with_an_amendments_parameter_is_the_error_of_the_edit(market):
    order_id, gone = (resting(market, "buy", amount=0.1, price=19_900) for _ in range(2))
    market.result(0, "private/cancel", order_id=gone)
    for who, changed, changes in (
        (0, order_id, {"price": 19_900.123}), (0, order_id, {"amount": 0}), (0, order_id, {"post_only": True}),
        (0, order_id, {"display_amount": 0.05}), (0, gone, {"price": 19_950}), (1, order_id, {"price": 19_950}),
    ):  # fmt: skip
        told = market.ask(who, "private/preview_edit", order_id=changed, **changes)["error"]
        assert told == edited(market, changed, who, **changes)["error"]


def test_an_amendment_does_not_tell_what_others_hide(market):
    assert "result" in sent(market, "sell", 1, amount=0.5, price=20_010, display_amount=0.1)
    order_id = resting(market, "buy", amount=0.3, price=19_900)
    told = asked_edit(market, order_id, price=20_010)
    assert (told["filled_amount"], told["resting_amount"]) == (0.1, 0.2)
    assert edited(market, order_id, price=20_010)["result"]["order"]["filled_amount"] == 0.3
