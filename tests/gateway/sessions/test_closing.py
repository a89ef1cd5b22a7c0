"""Closing a position: larger than one order may be, smaller than one has to be, at the market and at a price."""

import pytest

from engine.codes import ContractParameter as P
from engine.schema import MAX_REDUCE_ONLY_ORDERS
from tests.gateway.live import BTC
from tests.gateway.query_venue import QueryVenue

CLOSE = {"instrument_name": BTC, "type": "market"}


@pytest.fixture
def venue(tmp_path, monkeypatch):
    return QueryVenue(tmp_path, monkeypatch)


def size(venue, who=0):
    return venue.result(who, "private/get_position", instrument_name=BTC)["size"]


def test_one_order_closes_what_one_order_may(venue):
    venue.trade(0.5, 20_000)
    venue.result(1, "private/buy", instrument_name=BTC, amount=1, price=19_990)
    answer = venue.result(0, "private/close_position", **CLOSE)
    assert set(answer) == {"order", "trades"} and size(venue) == 0
    assert (answer["order"]["amount"], answer["order"]["filled_amount"]) == (0.5, 0.5)
    assert answer["order"]["reduce_only"] is True
    error = venue.ask(0, "private/close_position", **CLOSE)["error"]
    assert (error["code"], error["data"]["param"]) == (10010, "instrument_name")


@pytest.mark.parametrize("rest", [0, 0.003, 0.012])
@pytest.mark.parametrize("buyer, seller", [(0, 1), (1, 0)])
def test_more_than_the_largest_order_is_split(venue, rest, buyer, seller):
    amount = round(0.4 + rest, 3)
    venue.trade(amount, 20_000, buyer=buyer, seller=seller)
    for name in ("private/buy", "private/sell"):
        venue.result(1, name, instrument_name=BTC, amount=1, price=19_990 if name.endswith("buy") else 20_010)
    venue.set_parameter(P.MIN_ORDER_LOTS, 10)
    venue.set_parameter(P.MAX_ORDER_LOTS, 100)
    answer = venue.result(0, "private/close_position", **CLOSE)
    assert size(venue) == 0
    parts = [0.1] * 4 + ([max(rest, 0.01)] if rest else [])
    assert [order["filled_amount"] for order in answer["orders"]] == [0.1] * 4 + ([rest] if rest else [])
    assert len(parts) == len(answer["orders"]) and answer["order"] == answer["orders"][0]
    assert sum(trade["amount"] for trade in answer["trades"]) == pytest.approx(amount)
    assert {order["reduce_only"] for order in answer["orders"]} == {True} and "refused" not in answer


def test_the_value_of_one_order_counts_as_its_amount_does(venue):
    venue.trade(0.4, 20_000)
    venue.result(1, "private/buy", instrument_name=BTC, amount=1, price=19_990)
    venue.set_parameter(P.MAX_ORDER_VALUE_MICROS, 2_000 * 10**6)
    answer = venue.result(0, "private/close_position", **CLOSE)
    assert size(venue) == 0 and len(answer["orders"]) == 4


@pytest.mark.parametrize("kind, price", [("market", {}), ("limit", {"price": 19_990}), ("limit", {"price": 20_010})])
def test_less_than_the_smallest_order_closes_exactly(venue, kind, price):
    venue.trade(0.003, 20_000)
    venue.result(1, "private/buy", instrument_name=BTC, amount=1, price=19_990)
    venue.set_parameter(P.MIN_ORDER_LOTS, 10)
    answer = venue.result(0, "private/close_position", instrument_name=BTC, type=kind, **price)
    if price.get("price") == 20_010:
        assert answer["order"]["order_state"] == "open"
        venue.result(1, "private/buy", instrument_name=BTC, amount=0.05, price=20_010)
    else:
        assert answer["order"]["filled_amount"] == 0.003
    assert size(venue) == 0
    assert venue.result(0, "private/get_open_orders") == []


def test_a_limit_closing_rests_in_parts_and_never_does_more_than_close(venue):
    venue.trade(0.213, 20_000)
    venue.set_parameter(P.MIN_ORDER_LOTS, 20)
    venue.set_parameter(P.MAX_ORDER_LOTS, 100)
    answer = venue.result(0, "private/close_position", instrument_name=BTC, type="limit", price=20_005)
    assert [order["order_state"] for order in answer["orders"]] == ["open"] * 3
    venue.set_parameter(P.MAX_ORDER_LOTS, 1000)
    venue.result(1, "private/buy", instrument_name=BTC, amount=1, price=20_005)
    assert size(venue) == 0 and venue.result(0, "private/get_open_orders") == []


def test_a_position_of_too_many_orders_is_refused_with_the_figures(venue):
    venue.trade(0.6, 20_000)
    venue.set_parameter(P.MAX_ORDER_LOTS, 1)
    error = venue.ask(0, "private/close_position", **CLOSE)["error"]
    assert error["code"] == 11029
    assert all(figure in error["data"]["reason"] for figure in ("0.6", "600 orders", "0.001", "500"))
    assert size(venue) == 0.6


def test_a_closing_that_the_engine_refuses_says_why(venue):
    venue.trade(0.2, 20_000)
    venue.set_parameter(P.MAX_ORDER_LOTS, 100)
    answer = venue.ask(0, "private/close_position", instrument_name=BTC, type="limit", price=1)
    assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (10005, "PRICE_OUT_OF_BAND")


def test_a_closing_of_which_a_part_was_refused_says_what_rests_and_why_not_all(venue):
    venue.trade(0.3, 20_000)
    venue.set_parameter(P.MAX_ORDER_LOTS, 1)
    answer = venue.result(0, "private/close_position", instrument_name=BTC, type="limit", price=20_005)
    assert answer["refused"] == "CAPACITY" and len(answer["orders"]) == MAX_REDUCE_ONLY_ORDERS
    assert len(venue.result(0, "private/get_open_orders")) == MAX_REDUCE_ONLY_ORDERS
