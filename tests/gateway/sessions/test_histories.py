"""Histories over a venue that really traded: filters come before paging, and a start means from there on."""

import pytest

from gateway.read_model import projection
from gateway.read_model.history_views import order_view
from gateway.sessions.methods import account_records
from tests.gateway.live import BTC
from tests.gateway.query_venue import ETH, MINUTE_NS, QueryVenue

MS = 1_000_000
DAY_NS = 1440 * MINUTE_NS


@pytest.fixture
def venue(tmp_path, monkeypatch):
    """Thirty trades, ten a minute: alice buys two, then sells one, of BTC and of ETH in turn."""
    venue = QueryVenue(tmp_path, monkeypatch)
    venue.minutes_ms = []
    for minute in range(3):
        venue.pass_time(venue.clock.now_ns - venue.clock.now_ns % MINUTE_NS + MINUTE_NS)
        venue.minutes_ms.append(venue.clock.now_ns // MS)
        for step in range(5):
            buyer, seller = (1, 0) if step % 3 == 2 else (0, 1)
            venue.trade(0.01, 20_000 + minute, BTC, buyer, seller)
            venue.trade(0.1, 1_000 + minute, ETH, buyer, seller)
    return venue


def ids(venue, method, **params):
    return [trade["trade_id"] for trade in venue.result(0, method, **params)["trades"]]


def of(base, numbers):
    return [f"{base}-{number}" for number in numbers]


def both(numbers):
    return [f"{base}-{number}" for number in numbers for base in ("BTC", "ETH")]


def test_trades_of_a_currency_between_two_ids(venue):
    by_currency = "private/get_user_trades_by_currency"
    assert ids(venue, by_currency, currency="USDC", start_id="BTC-4", count=4) == both((4, 5))
    assert ids(venue, by_currency, currency="USDC", start_id="ETH-4", count=3) == ["ETH-4", "BTC-5", "ETH-5"]
    assert ids(venue, by_currency, currency="USDC", end_id="BTC-2", count=2) == ["BTC-2", "ETH-1"]
    assert ids(venue, by_currency, currency="USDC", start_id="BTC-14") == both((14, 15))
    assert ids(venue, by_currency, currency="USDC", start_id="BTC-4", end_id="BTC-5") == ["BTC-4", "ETH-4", "BTC-5"]
    desc = ids(venue, by_currency, currency="USDC", start_id="BTC-4", end_id="BTC-5", sorting="desc", count=2)
    assert desc == ["BTC-5", "ETH-4"]
    assert ids(venue, by_currency, currency="USDC", start_id="BTC-99") == []
    assert ids(venue, by_currency, currency="USDC", end_id="BTC-99", count=1) == ["ETH-15"]
    assert ids(venue, by_currency, currency="USDC", start_id="ETH-0", count=1) == ["BTC-1"]
    assert ids(venue, by_currency, currency="USDC", end_id="BTC-0") == []
    for param, text in (("start_id", "15"), ("start_id", "SOL-1"), ("end_id", "BTC-x"), ("end_id", "")):
        error = venue.ask(0, by_currency, currency="USDC", **{param: text})["error"]
        assert (error["code"], error["data"]["param"]) == (-32602, param)
    assert venue.ask(0, by_currency, currency="BTC", start_id="BTC-1")["error"]["data"]["param"] == "start_id"


@pytest.mark.parametrize("method", ["public/get_last_trades_by_instrument", "private/get_user_trades_by_instrument"])
def test_a_start_means_from_there_on_unless_sorted_otherwise(venue, method):
    def found(**params):
        return ids(venue, method, instrument_name=BTC, **params)

    assert found(count=2) == of("BTC", (15, 14))
    assert found(start_seq=3, count=2) == found(start_seq=3, count=2, sorting="asc") == of("BTC", (3, 4))
    assert found(start_seq=3, count=2, sorting="desc") == of("BTC", (15, 14))
    assert found(start_seq=3, end_seq=4, sorting="desc") == of("BTC", (4, 3))
    assert found(end_seq=4, count=2) == of("BTC", (4, 3)) and found(end_seq=2, sorting="asc") == of("BTC", (1, 2))
    assert found(start_timestamp=venue.minutes_ms[1], count=2) == of("BTC", (6, 7))
    assert found(end_timestamp=venue.minutes_ms[1] - 1, count=2) == of("BTC", (5, 4))
    timed = method.replace("instrument", "instrument_and_time")
    assert ids(venue, timed, instrument_name=BTC, start_timestamp=venue.minutes_ms[2], count=2) == of("BTC", (11, 12))
    page = venue.result(0, method, instrument_name=BTC, start_seq=14)
    assert page["has_more"] is False and venue.result(0, method, instrument_name=BTC, start_seq=5)["has_more"] is True


def test_old_trades_and_orders_come_when_they_are_asked_for(venue):
    start_ms = venue.minutes_ms[0]
    venue.pass_time(venue.clock.now_ns + 3 * DAY_NS)
    history = {"currency": "USDC", "include_unfilled": True}
    assert venue.result(0, "private/get_order_history_by_currency", **history) == []
    assert len(venue.result(0, "private/get_order_history_by_currency", **history, include_old=True)) == 20
    trades = "private/get_user_trades_by_instrument"
    assert len(ids(venue, trades, instrument_name=BTC)) == 10
    venue.pass_time(venue.clock.now_ns + 5 * DAY_NS)
    assert ids(venue, trades, instrument_name=BTC) == []
    assert ids(venue, trades, instrument_name=BTC, start_timestamp=start_ms, include_old=False) == []
    assert ids(venue, trades, instrument_name=BTC, include_old=True, count=1) == of("BTC", [15])
    assert ids(venue, trades, instrument_name=BTC, start_timestamp=start_ms, count=1) == of("BTC", [1])
    timed = {"currency": "USDC", "start_timestamp": start_ms, "count": 1}
    assert ids(venue, "private/get_user_trades_by_currency_and_time", **timed) == of("BTC", [1])


def test_unfilled_orders_are_left_out_before_the_page_is_cut(venue):
    for price in range(19_000, 19_030):
        order = venue.result(0, "private/buy", instrument_name=BTC, amount=0.01, price=price)["order"]
        venue.result(0, "private/cancel", order_id=order["order_id"])
    history = "private/get_order_history_by_instrument"
    filled = venue.result(0, history, instrument_name=BTC, count=5)
    assert len(filled) == 5 and {order["order_state"] for order in filled} == {"filled"}
    assert venue.result(0, history, instrument_name=BTC, count=2, offset=3) == filled[3:5]
    every = venue.result(0, history, instrument_name=BTC, count=31, include_unfilled=True)
    assert [order["order_state"] for order in every] == ["cancelled"] * 30 + ["filled"]
    assert len(venue.result(0, history, instrument_name=BTC, include_unfilled=True)) == 20


def log(venue, **params):
    span = {"currency": "USDC", "start_timestamp": 0, "end_timestamp": venue.clock.now_ns // MS}
    return venue.result(0, "private/get_transaction_log", **span, **params)


def test_the_log_is_filtered_before_its_page_is_cut(venue):
    everything = log(venue, count=1000)["logs"]
    kinds = {"trade": 30, "deposit": 1, "buy": 24, "sell": 6, "taker": 24, "maker": 6, "future": 30, "option": 0}
    for query, count in kinds.items():
        found = log(venue, query=query, count=1000)
        assert len(found["logs"]) == count and found["continuation"] is None, query
        assert found["logs"] == [row for row in everything if row in found["logs"]]
    [deposit] = log(venue, query="deposit", count=1)["logs"]
    assert (deposit["type"], deposit["currency"]) == ("deposit", "USDC")
    paged, following = [], {}
    while following is not None:
        page = log(venue, query="sell", count=4, **following)
        paged += page["logs"]
        following = {"continuation": page["continuation"]} if page["continuation"] else None
    assert paged == [row for row in everything if row.get("side") == "sell"] and len(paged) == 6


def test_the_log_tells_opening_from_closing(venue):
    venue.trade(0.2, 20_000, buyer=1, seller=0)
    turned = log(venue, count=1)["logs"][0]
    opened, closed = (log(venue, query=query, count=1000)["logs"] for query in ("open", "close"))
    assert turned in opened and turned in closed, "0.09 long becomes 0.11 short"
    assert len(opened) == 25 and len(closed) == 7
    assert {row["side"] for row in closed} == {"sell"}
    error = venue.ask(
        0, "private/get_transaction_log", currency="USDC", start_timestamp=0, end_timestamp=1, query="fee"
    )
    assert error["error"]["data"]["param"] == "query" and "liquidation" in error["error"]["data"]["reason"]


@pytest.mark.parametrize(
    "name, found",
    [("all", "lmst"), (None, "lmst"), ("limit", "l"), ("trigger_all", "mst"), ("stop_all", "s"), ("stop_limit", ""),
     ("stop_market", "s"), ("take_all", "m"), ("take_market", "m"), ("take_limit", ""), ("trailing_all", "t"),
     ("trailing_stop", "t")],
)  # fmt: skip
def test_types_of_open_orders(venue, name, found):
    orders = {
        "l": {"price": 19_000}, "s": {"type": "stop_market", "trigger_price": 21_000},
        "m": {"type": "take_market", "trigger_price": 19_000}, "t": {"type": "trailing_stop", "trigger_offset": 300},
    }  # fmt: skip
    for label, order in orders.items():
        venue.result(0, "private/buy", instrument_name=BTC, amount=0.01, label=label, **order)
    for method, params in (
        ("private/get_open_orders", {}),
        ("private/get_open_orders_by_instrument", {"instrument_name": BTC}),
        ("private/get_open_orders_by_currency", {"currency": "USDC"}),
    ):
        rows = venue.result(0, method, **params, type=name)
        assert sorted(row["label"] for row in rows) == sorted(found)
        assert venue.ask(0, method, **params, type="stop")["error"]["data"]["param"] == "type"


def labelled(venue, label, **params):
    terms = {"instrument_name": BTC, "amount": 0.01, "label": label, "price": 19_000} | params
    return venue.result(0, "private/buy", **terms)["order"]["order_id"]


def test_orders_of_a_label_are_the_open_ones_and_the_latest_closed(venue, monkeypatch):
    monkeypatch.setattr(account_records, "MAX_COUNT", 3)
    first = [labelled(venue, "a") for _ in range(5)]
    labelled(venue, "ab")
    labelled(venue, "\u00e9", instrument_name=ETH, price=900)
    venue.result(0, "private/cancel_all")
    still = labelled(venue, "a")
    looked = []
    monkeypatch.setattr(projection, "order_view", lambda data, at: looked.append(at) or order_view(data, at))
    by_label = "private/get_order_state_by_label"
    found = venue.result(0, by_label, currency="USDC", label="a")
    assert [order["order_id"] for order in found] == [still, *first[::-1][:3]] and len(looked) == 4
    assert {order["order_state"] for order in found[1:]} == {"cancelled"}
    assert [order["label"] for order in venue.result(0, by_label, currency="USDC", label="\u00e9")] == ["\u00e9"]
    assert venue.result(0, by_label, currency="BTC", label="a") == venue.result(1, by_label, currency="USDC", label="a")
    assert venue.result(1, by_label, currency="USDC", label="a") == []
    assert venue.ask(0, by_label, currency="USDC", label="")["error"]["data"]["param"] == "label"


def stop(venue, number):
    terms = {"instrument_name": BTC, "amount": 0.01, "type": "stop_limit", "price": 30_000 + number}
    return venue.result(0, "private/buy", trigger_price=30_000, trigger="last_price", **terms)["order"]["order_id"]


def test_conditional_orders_that_ended_come_page_by_page_and_none_is_lost_or_told_twice(venue, monkeypatch):
    """Seven end in one instant, then two in one each, among many limit orders."""
    ended = [stop(venue, number) for number in range(7)]
    venue.result(0, "private/cancel_all")
    for number in range(7, 9):
        labelled(venue, "a")
        ended.append(stop(venue, number))
        venue.result(0, "private/cancel_all")
    stop(venue, 9)
    history = "private/get_trigger_order_history"
    for count in (1, 2, 3, 8, 9, 20):
        found, place = [], None
        while place != "":
            page = venue.result(0, history, currency="USDC", count=count, continuation=place)
            assert len(page["entries"]) == count or not page["continuation"]
            found += [entry["trigger_order_id"] for entry in page["entries"]]
            place = page["continuation"]
        assert len(found) == 9 and set(found) == set(ended) and found[:2] == ended[:-3:-1]
    looked = []
    monkeypatch.setattr(projection, "order_view", lambda data, at: looked.append(at) or order_view(data, at))
    for _ in range(50):
        labelled(venue, "a")
    venue.result(0, "private/cancel_all")
    looked.clear()
    assert len(venue.result(0, history, currency="USDC", count=1)["entries"]) == 1
    assert len(looked) < 15, "limit orders are passed over unread"
    for text in ("x", "1-", "99999999999999999999-1", "9999999999999999999-1"):
        error = venue.ask(0, history, currency="USDC", continuation=text)["error"]
        assert error["data"]["param"] == "continuation"
