"""Cancelling many orders: what is chosen, and the answer in numbers or in detail."""

import pytest

from tests.gateway.live import BTC
from tests.gateway.query_venue import ETH, QueryVenue


@pytest.fixture
def venue(tmp_path, monkeypatch):
    venue = QueryVenue(tmp_path, monkeypatch)
    for label, price in (("a", 19_000), ("b", 19_100)):
        venue.result(0, "private/buy", instrument_name=BTC, amount=0.1, price=price, label=label)
    for side, kind, price in (("sell", "stop_market", 18_500), ("buy", "take_market", 18_000)):
        order = {"instrument_name": BTC, "amount": 0.1, "label": "a", "type": kind, "trigger_price": price}
        venue.result(0, f"private/{side}", **order)
    venue.result(0, "private/sell", instrument_name=ETH, amount=1, price=1_010, label="a")
    return venue


def left(venue):
    return len(venue.result(0, "private/get_open_orders"))


def reports(answer):
    return sorted((r["currency"], r["type"], r["instrument_name"], len(r["result"])) for r in answer)


BOTH_OF_BTC = [("USDC", "limit", BTC, 2), ("USDC", "trigger", BTC, 2)]


@pytest.mark.parametrize(
    "method, params, count, told",
    [
        ("private/cancel_all", {}, 5, [("USDC", "limit", BTC, 2), ("USDC", "limit", ETH, 1), BOTH_OF_BTC[1]]),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC}, 4, BOTH_OF_BTC),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC, "type": "all"}, 4, BOTH_OF_BTC),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC, "type": "limit"}, 2, BOTH_OF_BTC[:1]),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC, "type": "trigger_all"}, 2, BOTH_OF_BTC[1:]),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC, "type": "stop"}, 1,
         [("USDC", "trigger", BTC, 1)]),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC, "type": "trailing_stop"}, 0, []),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC, "side": "sell"}, 1,
         [("USDC", "trigger", BTC, 1)]),
        ("private/cancel_all_by_instrument", {"instrument_name": BTC, "side": "buy", "type": "limit"}, 2,
         BOTH_OF_BTC[:1]),
        ("private/cancel_by_label", {"label": "b"}, 1, [("USDC", "limit", BTC, 1)]),
        ("private/cancel_by_label", {"label": "a", "currency": "USDC"}, 4,
         [("USDC", "limit", BTC, 1), ("USDC", "limit", ETH, 1), BOTH_OF_BTC[1]]),
        ("private/cancel_by_label", {"label": "a", "currency": "BTC"}, 0, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("detailed", [False, True])
def test_what_is_chosen_is_cancelled_and_told(venue, method, params, count, told, detailed):
    answer = venue.result(0, method, **params, detailed=detailed)
    assert left(venue) == 5 - count
    if not detailed:
        assert answer == count
        return
    assert reports(answer) == sorted(told)
    for report in answer:
        for order in report["result"]:
            assert (order["order_state"], order["cancel_reason"]) == ("cancelled", "user_request")
            assert order["instrument_name"] == report["instrument_name"]


def test_an_order_that_came_before_in_the_same_turn_is_chosen_and_a_later_one_is_not(venue):
    sell = {"instrument_name": BTC, "amount": 0.1, "price": 21_000}
    origin_frames = []
    for method, params in (("private/sell", sell), ("private/cancel_all", {"detailed": True}), ("private/sell", sell)):
        for action in venue.actions(0, method, **params):
            venue.sequencer.submit(action.rows, None, action.pending)
            origin_frames.append(action.pending)
    venue.sequencer.settle()
    assert len(origin_frames[1].order_ids) == 6 and left(venue) == 1
