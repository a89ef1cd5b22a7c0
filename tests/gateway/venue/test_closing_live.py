"""Closing in a drawdown and refusals over the wire: compiled path, sessions and binary rows say the same."""

import json

import numpy as np
import pytest

from engine import batch_end
from engine.code_values import EXEC_REDUCE_ONLY, FLAG_MADE_REDUCE_ONLY
from engine.codes import EventKind, Reason
from engine.schema import EVENT
from gateway import clock
from gateway.client.client import RpcError
from gateway.sessions.actions import Submit
from tests.gateway.live import BTC, request
from tests.gateway.plain_orders.test_compiled_path import both_ways
from tests.gateway.socketless_venue import Origin, SocketlessVenue, buy, replies_of

SELL = "private/sell"


@pytest.fixture
def venue(tmp_path):
    made = SocketlessVenue(tmp_path)
    yield made
    made.venue.close()


def by_session(venue, message, who=0):
    """The session's answer to a message, whatever the compiled path would do."""
    origin = Origin(venue.sequencer, venue.sessions[who])
    origin.act(venue.sessions[who].receive(message, clock.steady_ns()))
    venue.sequencer.settle()
    frame = origin.frames[0]
    return json.loads(frame[frame.index(b"{") :])


def drawn_down(venue):
    """Alice holds 1 BTC from 20,000 with 1,020 left, and Bob bids for it below: margin carries no plain order."""
    venue.send([buy(1, method=SELL, price=20_000, amount=1)], who=1)
    venue.send([buy(1, price=20_000, amount=1)])
    venue.send([buy(2, price=19_900, amount=5)], who=1)
    root = venue.venue.engine.root[0]
    row = root["accounts"][venue.sessions[0].account_slot]
    root["withdrawals_micros"] += int(row["cash_micros"]) - 1_020_000_000
    row["cash_micros"] = 1_020_000_000
    assert batch_end.recount(venue.venue.engine.root)


def test_a_plain_order_that_only_closes_is_reduce_only_in_every_answer(venue, monkeypatch):
    counts = both_ways(venue, monkeypatch)
    drawn_down(venue)
    seen = Origin(venue.sequencer, venue.sessions[0])
    venue.sequencer.binary[venue.sessions[0].account_slot] = [seen]
    messages = [
        request(3, SELL, instrument_name=BTC, amount=0.2, type="market"),
        buy(4, method=SELL, price=19_950, amount=0.2, cl_ord_id=7),
        buy(5, method=SELL, price=19_900, amount=0.1, time_in_force="fill_or_kill"),
        buy(6, method=SELL, price=19_890, amount=0.1, time_in_force="immediate_or_cancel"),
    ]
    replies = replies_of(venue.send(messages))
    assert [reply["result"]["order"]["reduce_only"] for reply in replies] == [True] * 4, replies
    assert [trade["reduce_only"] for reply in replies for trade in reply["result"]["trades"]] == [True] * 3
    assert [reply["result"]["order"]["order_state"] for reply in replies] == ["filled", "open", "filled", "filled"]
    assert counts[0] >= 4
    stop = by_session(venue, request(7, SELL, instrument_name=BTC, amount=0.1, price=19_980, post_only=True))
    assert stop["result"]["order"]["reduce_only"] and stop["result"]["order"]["post_only"]
    again = replies_of(venue.send([buy(8, method=SELL, price=19_950, amount=0.2, cl_ord_id=7)]))[0]
    assert again["result"]["order"]["order_id"] == replies[1]["result"]["order"]["order_id"], "a repeat is a repeat"
    rows = np.concatenate([np.frombuffer(frame[-(len(frame) // 128 * 128) :], EVENT) for frame in seen.frames])
    accepted = rows[rows["kind"] == EventKind.ACCEPTED]
    assert len(accepted) == 5 and (accepted["flags"] & (EXEC_REDUCE_ONLY | FLAG_MADE_REDUCE_ONLY) != 0).all()


def test_a_lost_connection_takes_what_the_venue_made_reduce_only(venue):
    drawn_down(venue)
    by_session(venue, request(2, "private/enable_cancel_on_disconnect"))
    messages = [buy(3, method=SELL, price=19_950, amount=0.2, reduce_only=is_asked) for is_asked in (False, True)]
    made, asked = (reply["result"]["order"] for reply in replies_of(venue.send(messages)))
    assert made["reduce_only"] and asked["reduce_only"]
    for action in venue.sessions[0].lost():
        venue.sequencer.submit(action.rows, None, None)
    venue.sequencer.settle()
    left = venue.venue.projection.open_orders(venue.sessions[0].account_slot)
    assert [str(order.order_id) for order in left] == [asked["order_id"]]


def test_what_the_venue_made_reduce_only_can_be_edited_as_what_the_client_sent(venue):
    drawn_down(venue)
    order = replies_of(venue.send([buy(3, method=SELL, price=19_950, amount=0.2)]))[0]["result"]["order"]
    for given in (True, False, None):
        params = {"order_id": order["order_id"], "amount": 0.3, "price": 19_960} | (
            {} if given is None else {"reduce_only": given}
        )
        edited = by_session(venue, request(4, "private/edit", **params))["result"]["order"]
        assert (edited["reduce_only"], edited["amount"]) == (True, 0.3)
    asked = replies_of(venue.send([buy(5, method=SELL, price=19_970, amount=0.1, reduce_only=True)]))[0]["result"][
        "order"
    ]
    refused = by_session(venue, request(6, "private/edit", order_id=asked["order_id"], amount=0.1, reduce_only=False))
    assert refused["error"]["data"]["param"] == "reduce_only", "what a client asked for does not change"


def test_the_statement_says_what_can_be_closed_and_by_whom_an_order_is_reduce_only(venue):
    drawn_down(venue)
    venue.send([
        buy(3, method=SELL, price=19_950, amount=0.2),
        buy(4, method=SELL, price=19_960, amount=0.1, reduce_only=True),
    ])  # fmt: skip
    told = by_session(venue, request(5, "venue/explain_account"))["result"]
    lots = told["positions"][0]["size_lots"]
    assert told["positions"][0]["closable_lots"] * 10 == lots * 7
    assert [(row["reduce_only"], row["made_reduce_only"]) for row in told["orders"]] == [(True, True), (True, False)]


def test_more_than_the_position_is_refused_with_what_would_pass(venue):
    drawn_down(venue)
    venue.send([buy(3, method=SELL, price=19_950, amount=0.2)])
    messages = [
        buy(4, method=SELL, price=19_900, amount=0.9),
        request(5, SELL, instrument_name=BTC, amount=2, type="market"),
    ]
    for message, reply in zip(messages, replies_of(venue.send(messages)), strict=True):
        data = reply["error"]["data"]
        assert data["reason"] == "INSUFFICIENT_MARGIN" and data["param"] == "amount"
        assert "send 0.8 or less, which only closes" in data["remedy"] and data["message"].endswith(data["remedy"])
        assert by_session(venue, message)["error"] == reply["error"], "both paths say the same"
    assert replies_of(venue.send([buy(6, method=SELL, price=19_900, amount=0.8)]))[0]["result"]["order"]["reduce_only"]


REFUSED = [
    (buy(1, amount=1000, price=19_000), "QTY_TOO_LARGE", "amount", "amount 1000 is above the maximum of "),
    (buy(1, amount=0.0, price=19_000), "BAD_LOT", "amount", "amount 0 is not a positive multiple of "),
    (buy(1, price=20_700), "PRICE_OUT_OF_BAND", "price", "price 20700 is outside the band around the mark of 20000: "),
    (buy(1, method=SELL, price=19_000), "PRICE_OUT_OF_BAND", "price", "a sell is at least 19400; send 19400 or more"),
    (buy(1, price=19_000.123), "BAD_TICK", "price", "price 19000.123 is not a positive multiple of the tick 0.5; send "
     "19000 or 19000.5"),
    (buy(1, amount="0.0015"), "BAD_LOT", "amount", "amount 0.0015 is not a positive multiple of the lot 0.001; send "
     "0.001 or 0.002"),
    (buy(1, reduce_only=True), "REDUCE_ONLY_WOULD_INCREASE", "reduce_only", "the position is 0; leave out reduce_only"),
    (buy(1, amount=0.1, display_amount=500), "UNSUPPORTED_ORDER", "display_amount", "display_amount 500 is larger than "
     "the amount of 0.1 BTC; send 0.1 or less"),
    (buy(1, expires_at=1_900_000_000_001), "BAD_EXPIRY", "expires_at", "is not a whole second; send a whole second in "
     "ms, such as 1900000001000, or later"),
    (request(1, SELL, instrument_name=BTC, amount=0.1, type="stop_market", trigger_price=20_500, trigger="mark_price"),
     "TRIGGER_WOULD_FIRE", "trigger_price", "trigger_price 20500 is not below the mark_price of 20000: it would fire "
     "at once; send 19999.5 or less"),
    (request(1, "private/set_leverage", instrument_name=BTC, leverage=50), "LEVERAGE_LIMIT", "leverage", "leverage 50 "
     "is above the limit of the contract, 10; send 10 or less"),
    (request(1, "private/cancel", cl_ord_id=99), "UNKNOWN_ORDER", "cl_ord_id", "cl_ord_id 99 is no open order of this "
     "account; see private/get_open_orders"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "reason", "param", "text"), REFUSED, ids=lambda value: str(value)[:20])
def test_a_refusal_says_what_limit_and_what_would_pass(venue, message, reason, param, text):
    error = by_session(venue, message)["error"]
    data = error["data"]
    assert (data["reason"], data["param"]) == (reason, param), error
    assert text in data["message"] and data["value"] and data["limit"] and data["message"].endswith(data["remedy"])
    assert data["message"] in str(RpcError(error)), "so the client and the commands show it"
    if venue.read(message):
        assert replies_of(venue.send([message]))[0]["error"] == error


def test_an_id_is_asked_of_every_request_on_a_socket(venue):
    for given in ({}, {"id": None}):
        actions = venue.sessions[0].receive(json.dumps({"method": "public/get_time", "params": {}} | given).encode(), 5)
        error = json.loads(actions[0].data)["error"]
        assert (error["code"], error["data"]["param"]) == (-32600, "id") and "send a number" in error["data"]["reason"]
    assert not [action for action in actions if isinstance(action, Submit)]
    named = venue.sessions[0].receive(b'{"id":"","method":"public/get_time"}', 5)
    assert "result" in json.loads(named[0].data)


CONDITIONAL = [
    ("stop_market", {"trigger_price": 20_500}), ("take_market", {"trigger_price": 19_500}),
    ("trailing_stop", {"trigger_offset": 100}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "terms"), CONDITIONAL)
def test_a_conditional_market_order_has_no_price_while_it_waits(venue, kind, terms):
    message = request(1, "private/buy", instrument_name=BTC, amount=0.1, type=kind, trigger="mark_price", **terms)
    order = by_session(venue, message)["result"]["order"]
    assert (order["price"], order["average_price"], order["order_state"]) == ("market_price", 0, "untriggered")
    open_orders = by_session(venue, request(2, "private/get_open_orders"))["result"]
    assert [row["price"] for row in open_orders] == ["market_price"]
    ended = by_session(venue, request(3, "private/cancel", order_id=order["order_id"]))["result"]
    assert (ended["price"], ended["order_state"]) == ("market_price", "cancelled")
    limited = {"instrument_name": BTC, "amount": 0.1, "type": "stop_limit", "trigger_price": 20_500, "price": 20_550}
    assert by_session(venue, request(4, "private/buy", **limited))["result"]["order"]["price"] == 20_550


def test_a_market_order_keeps_the_time_in_force_that_it_was_given(venue):
    venue.send([buy(1, method=SELL, price=20_000, amount=1)], who=1)
    for given in (None, "good_til_cancelled", "immediate_or_cancel", "fill_or_kill"):
        extra = {"time_in_force": given} if given else {}
        message = request(2, "private/buy", instrument_name=BTC, amount=0.1, type="market", **extra)
        answer = replies_of(venue.send([message]))[0]["result"]["order"]
        assert (answer["time_in_force"], answer["price"]) == (given or "good_til_cancelled", 20_000)
        state = by_session(venue, request(3, "private/get_order_state", order_id=answer["order_id"]))["result"]
        assert state["time_in_force"] == answer["time_in_force"]


def test_reasons_are_still_bare_names(venue):
    error = by_session(venue, buy(1, amount=1000, price=19_000))["error"]
    assert Reason[error["data"]["reason"]] == Reason.QTY_TOO_LARGE


def test_a_flood_of_refusals_is_answered_without_figures_from_some_on(venue):
    """One turn of 100 orders above the largest: the figures of 64, and the reason of all."""
    replies = replies_of(venue.send([buy(number, amount=1000) for number in range(1, 101)]))
    told = [reply["error"]["data"] for reply in replies]
    assert [row["reason"] for row in told] == ["QTY_TOO_LARGE"] * 100
    assert ["value" in row for row in told] == [True] * 64 + [False] * 36
    assert all(row["message"] and row["remedy"] for row in told)
    assert "value" in replies_of(venue.send([buy(101, amount=1000)]))[0]["error"]["data"], "the next turn tells again"
