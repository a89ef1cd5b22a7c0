"""Sessions: one answer to every request, scopes, limits, logins, heartbeats and what a lost connection does."""

import json

import numpy as np
import pytest

from engine.codes import CommandKind, ExecInst, OrdStatus, Reason
from engine.host import JournalError
from engine.schema import COMMAND
from gateway.sessions import slices
from gateway.sessions.actions import Reply, Submit, Subscribe, Unsubscribe
from gateway.sessions.dead_mans_switch import of_countdown
from gateway.sessions.method_table import REQUESTS
from gateway.sessions.rate_limits import RateLimits
from gateway.sessions.routes import ROUTES
from gateway.sessions.session import MAX_FAULTS
from gateway.wire.log_lines import HELD_NS
from gateway.wire.views import Outcome
from tests.gateway.desk import BTC, MS, NOW, Desk, S, answer, ask, closes, logged, order, own_trade, send, submitted

I = BTC.name  # noqa: E741 - the instrument


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.registry.close()


def row(actions):
    return np.frombuffer(submitted(actions).rows, COMMAND)[0]


# --- bad input ----------------------------------------------------------------------------------------------------

LONG = "0." + "1" * 30
BAD_ORDERS = [
    ({}, -32602, "amount"),
    ({"amount": -1}, -32602, "amount"),
    ({"amount": "-0.5"}, -32602, "amount"),
    ({"amount": "NaN"}, -32602, "amount"),
    ({"amount": "Infinity"}, -32602, "amount"),
    ({"amount": LONG}, -32602, "amount"),
    ({"amount": "1_000"}, -32602, "amount"),
    ({"amount": "\u0661"}, -32602, "amount"),
    ({"amount": True}, -32602, "amount"),
    ({"amount": [1]}, -32602, "amount"),
    ({"amount": {"a": 1}}, -32602, "amount"),
    ({"amount": 1e30}, 11029, "amount"),
    ({"amount": 0.00005}, 11029, "amount"),
    ({"amount": 1}, -32602, "price"),
    ({"amount": 1, "price": 0}, 10043, "price"),
    ({"amount": 1, "price": -5}, -32602, "price"),
    ({"amount": 1, "price": 20000.3}, 10043, "price"),
    ({"amount": 1, "price": 1e18}, 10007, "price"),
    ({"amount": 1, "price": LONG}, -32602, "price"),
    ({"amount": 1, "type": "market", "price": 5}, -32602, "price"),
    ({"amount": 1, "type": "stop_market"}, -32602, "trigger_price"),
    ({"amount": 1, "type": "stop_market", "trigger_price": 0.3}, 10043, "trigger_price"),
    ({"amount": 1, "type": "trailing_stop"}, -32602, "trigger_offset"),
    ({"amount": 1, "type": "trailing_stop", "trigger_price": 5, "trigger_offset": 5}, -32602, "trigger_price"),
    ({"amount": 1, "price": 5, "trigger_price": 5}, -32602, "trigger_price"),
    ({"amount": 1, "price": 5, "trigger": "mark_price"}, -32602, "trigger"),
    ({"amount": 1, "price": 5, "triggerPrice": 5}, -32602, "triggerPrice"),
    ({"amount": 1, "price": 5, "type": "iceberg"}, -32602, "type"),
    ({"amount": 1, "price": 5, "time_in_force": "forever"}, -32602, "time_in_force"),
    ({"amount": 1, "price": 5, "label": "x" * 65}, -32602, "label"),
    ({"amount": 1, "price": 5, "label": "a\u0000b"}, -32602, "label"),
    ({"amount": 1, "price": 5, "label": 7}, -32602, "label"),
    ({"amount": 1, "price": 5, "cl_ord_id": "abc"}, -32602, "cl_ord_id"),
    ({"amount": 1, "price": 5, "cl_ord_id": 2**63}, -32602, "cl_ord_id"),
    ({"amount": 1, "price": 5, "cl_ord_id": 0}, -32602, "cl_ord_id"),
    ({"amount": 1, "price": 5, "expires_at": 1.5}, -32602, "expires_at"),
    ({"amount": 1, "price": 5, "expires_at": 10**15}, -32602, "expires_at"),
    ({"amount": 1, "price": 5, "expires_at": 5, "time_in_force": "fill_or_kill"}, -32602, "expires_at"),
    ({"amount": 1, "price": 5, "valid_until": 5}, 11029, "valid_until"),
    ({"amount": 1, "price": 5, "instrument_name": "DOGE-PERPETUAL"}, 10020, "instrument_name"),
    ({"amount": 1, "price": 5, "instrument_name": 5}, -32602, "instrument_name"),
    ({"amount": 1, "price": 5, "post_only": 1}, -32602, "post_only"),
    ({"amount": 1, "price": 5, "stp": "maybe"}, -32602, "stp"),
]


@pytest.mark.parametrize("params, code, param", BAD_ORDERS, ids=[json.dumps(row[0])[:60] for row in BAD_ORDERS])
def test_bad_order_is_answered_and_nothing_is_sent(desk, params, code, param):
    session = desk.session("alice")
    error = ask(session, "private/buy", **{"instrument_name": I, **params})["error"]
    assert (error["code"], error["data"]["param"]) == (code, param)
    assert error["data"]["reason"]
    assert row(send(session, "private/buy", instrument_name=I, amount=1, price=5))["qty_lots"] == 10_000


BACKWARDS = {"instrument_name": I, "start_timestamp": 5, "end_timestamp": 4}
CHART = {"instrument_name": I, "start_timestamp": 1, "end_timestamp": 2, "resolution": "7"}
BAD_CALLS = [
    ("private/edit", {"order_id": "9", "amount": 1}, 10004, "order_id"),
    ("private/edit", {"order_id": "x" * 100, "amount": 1}, 10004, "order_id"),
    ("private/edit", {"order_id": "-1", "amount": 1}, 10004, "order_id"),
    ("private/edit", {"order_id": "99999999999999999999", "amount": 1}, 10004, "order_id"),
    ("private/edit", {"order_id": "88", "amount": 1}, 10004, "order_id"),
    ("private/edit", {"order_id": "77", "amount": 0}, 10002, "amount"),
    ("private/edit", {"order_id": "77", "price": 1.3}, 10043, "price"),
    ("private/edit", {"order_id": "77", "post_only": True}, 11029, "post_only"),
    ("private/edit", {"order_id": "77", "trigger_offset": 1}, 11029, "trigger_offset"),
    ("private/edit", {"order_id": "77", "side": "sell"}, -32602, "side"),
    ("private/edit_by_label", {"label": "none", "instrument_name": I}, 10004, "label"),
    ("private/cancel", {}, -32602, "order_id"),
    ("private/cancel", {"order_id": "1", "cl_ord_id": 1}, -32602, "order_id"),
    ("private/cancel", {"order_id": "nonsense"}, 10004, "order_id"),
    ("private/cancel_by_label", {"label": ""}, -32602, "label"),
    ("private/cancel_by_label", {"label": "a", "currency": "XYZ"}, -32602, "currency"),
    ("private/cancel_all_by_instrument", {"instrument_name": "X"}, 10020, "instrument_name"),
    ("private/cancel_all_by_instrument", {"instrument_name": I, "type": "stop_all"}, -32602, "type"),
    ("private/close_position", {"instrument_name": I, "type": "market"}, 10010, "instrument_name"),
    ("private/get_order_state", {"order_id": "5"}, 10004, "order_id"),
    ("private/get_open_orders_by_currency", {"currency": "XYZ"}, -32602, "currency"),
    ("private/get_user_trades_by_instrument", {"instrument_name": I, "count": 0}, -32602, "count"),
    ("private/get_user_trades_by_instrument", {"instrument_name": I, "count": 1001}, -32602, "count"),
    ("private/get_user_trades_by_instrument", {"instrument_name": I, "sorting": "up"}, -32602, "sorting"),
    ("private/get_account_summary", {"currency": "XYZ"}, -32602, "currency"),
    ("private/set_leverage", {"instrument_name": I, "leverage": 0}, -32602, "leverage"),
    ("private/set_leverage", {"instrument_name": I, "leverage": 1.5}, -32602, "leverage"),
    ("public/ticker", {"instrument_name": "../../etc/passwd"}, 10020, "instrument_name"),
    ("public/get_order_book", {"instrument_name": I, "depth": 0}, -32602, "depth"),
    ("public/get_index_price", {"index_name": "xyz"}, -32602, "index_name"),
    ("public/get_funding_rate_value", BACKWARDS, -32602, "end_timestamp"),
    ("public/get_tradingview_chart_data", CHART, -32602, "resolution"),
    ("public/set_heartbeat", {"interval": 9}, -32602, "interval"),
    ("public/set_heartbeat", {"interval": "NaN"}, -32602, "interval"),
    ("public/test", {"expected_result": "exception"}, -32602, "expected_result"),
    ("public/auth", {"grant_type": "password"}, -32602, "grant_type"),
    ("public/auth", {"grant_type": "client_credentials"}, -32602, "client_id"),
    ("venue/countdown_cancel_all", {"timeout_ms": -1}, -32602, "timeout_ms"),
    ("venue/resume", {"sequence": "x"}, -32602, "sequence"),
    ("venue/get_admission", {"instrument_name": "X"}, 10020, "instrument_name"),
]  # fmt: skip


@pytest.mark.parametrize("method, params, code, param", BAD_CALLS, ids=[f"{r[0]} {r[1]}"[:70] for r in BAD_CALLS])
def test_bad_call_is_answered(desk, method, params, code, param):
    desk.rows.orders = {77: order(77), 88: order(88, account=1)}
    error = ask(desk.session("alice"), method, **params)["error"]
    assert (error["code"], error["data"].get("param")) == (code, param)


def test_many_malformed_messages_in_a_row_close_the_connection(desk):
    session, other = desk.session("alice"), desk.session("bob")
    for number in range(1, MAX_FAULTS + 1):
        actions = session.receive(b"{bad", NOW)
        assert answer(actions)["error"]["code"] == -32700
        assert closes(actions) == (1008 if number == MAX_FAULTS else None)
    assert "result" in ask(other, "public/test")


# --- scopes and limits --------------------------------------------------------------------------------------------


def test_over_limit_requests_are_told_how_long_to_wait(tmp_path):
    limits = RateLimits(orders_per_s=10, orders_burst=2, anonymous_per_s=10, anonymous_burst=5)
    desk = Desk(tmp_path, limits=limits)
    first, second = desk.session("alice"), desk.session("alice")
    place = {"instrument_name": I, "amount": 1, "price": 5}
    submitted(send(first, "private/buy", **place))
    submitted(send(second, "private/buy", **place))
    error = ask(first, "private/buy", **place)["error"]
    assert (error["code"], error["data"]["wait_ms"]) == (10028, 100)
    submitted(send(first, "private/cancel_all"))
    submitted(send(first, "private/buy", now_ns=NOW + 100 * MS, **place))
    codes = [ask(desk.session(), "public/test").get("error", {}).get("code") for _ in range(6)]
    assert codes == [None] * 5 + [10028]  # all without a login of one address together
    assert "result" in ask(first, "public/test")
    desk.registry.close()


def test_a_server_shutting_down_takes_cancels_only(desk):
    session = desk.session("alice")
    desk.context.shut_down()
    assert ask(session, "private/buy", instrument_name=I, amount=1, price=5)["error"]["code"] == 10040
    submitted(send(session, "private/cancel_all"))
    assert ask(session, "public/status")["result"]["locked"] == "true"


# --- logins -------------------------------------------------------------------------------------------------------


def test_a_wrong_login_leaves_the_session_as_it_was(desk):
    session = desk.session()
    key = desk.keys["alice"]
    wrong = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": "x"}
    assert ask(session, "public/auth", **wrong)["error"]["code"] == 13004
    assert ask(session, "private/get_positions")["error"]["code"] == 13009
    assert session.account_slot == -1


def test_one_connection_one_account(desk):
    session = desk.session("alice")
    bob = desk.keys["bob"]
    login = {"grant_type": "client_credentials", "client_id": bob.id, "client_secret": bob.secret}
    assert ask(session, "public/auth", **login)["error"]["code"] == 13021
    assert session.account_slot == 0


def test_a_revoked_key_ends_its_sessions(desk):
    session = desk.session("alice")
    desk.registry.revoke_key(desk.keys["alice"].id, NOW + S)
    desk.context.end_revoked_keys()
    assert ask(session, "private/get_positions")["error"]["code"] == 13009
    assert closes(session.tick(NOW + S)) == 4003
    assert desk.session("bob").tick(NOW + S) == []


def test_idle_connections_must_log_in_when_asked_to(tmp_path):
    desk = Desk(tmp_path, login_seconds=5)
    idle, active = desk.session(), desk.session("alice")
    assert idle.tick(NOW + 5 * S - 1) == []
    assert closes(idle.tick(NOW + 5 * S)) == 1008
    assert active.tick(NOW + 5 * S) == []
    desk.registry.close()


# --- heartbeats and lost connections ------------------------------------------------------------------------------


def test_heartbeats_ask_and_then_close(desk):
    session = desk.session("alice")
    assert ask(session, "public/set_heartbeat", interval=10)["result"] == "ok"
    assert session.tick(NOW + 9 * S) == []
    beat = session.tick(NOW + 10 * S)
    assert json.loads(beat[0].data)["params"]["type"] == "test_request"
    assert "version" in ask(session, "public/test", now_ns=NOW + 11 * S)["result"]
    assert session.tick(NOW + 19 * S) == []
    assert json.loads(session.tick(NOW + 20 * S)[0].data)["params"]["type"] == "heartbeat"
    assert closes(session.tick(NOW + 31 * S)) == 4001
    assert session.closed and session.tick(NOW + 99 * S) == []


def test_heartbeats_can_be_stopped(desk):
    session = desk.session()
    ask(session, "public/set_heartbeat", interval="30")
    ask(session, "public/disable_heartbeat")
    assert session.tick(NOW + 1000 * S) == []


def with_orders(desk, session, *flags):
    """Sample orders that were made over a session's connection, and one that was not."""
    desk.rows.orders = {70 + place: order(70 + place, flags=flag) for place, flag in enumerate(flags)}
    desk.rows.connections = dict.fromkeys(desk.rows.orders, session.signer.connection)
    desk.rows.orders[99] = order(99)


def cancelled(actions):
    """The orders that one submission cancels, each with its reason; the switch is turned off behind them."""
    *cancels, off = np.frombuffer(submitted(actions).rows, COMMAND)
    rows = np.array(cancels, COMMAND)
    assert (rows["kind"] == CommandKind.CANCEL).all() and off["kind"] == CommandKind.SWITCH
    return list(zip(rows["order_id"].tolist(), rows["reason"].tolist(), strict=True))


def test_cancel_on_disconnect_acts_on_loss_and_not_on_logout(desk):
    session = desk.session("alice")
    with_orders(desk, session, 0, ExecInst.REDUCE_ONLY, 0)
    assert session.lost() == []
    session = desk.session("alice")
    with_orders(desk, session, 0, ExecInst.REDUCE_ONLY, 0)
    ask(session, "private/enable_cancel_on_disconnect")
    assert ask(session, "private/get_cancel_on_disconnect")["result"] == {"scope": "connection", "enabled": True}
    lost = session.lost()
    assert cancelled(lost) == [(70, Reason.DISCONNECT), (72, Reason.DISCONNECT)]
    assert logged(session, lost) == session.lost() == []
    session = desk.session("alice")
    with_orders(desk, session, 0)
    ask(session, "private/enable_cancel_on_disconnect")
    assert closes(logged(session, send(session, "private/logout"))) == 1000
    assert session.lost() == [] and not desk.rows.switches.connections
    session = desk.session("alice")
    with_orders(desk, session, 0)
    ask(session, "private/enable_cancel_on_disconnect")
    ask(session, "private/disable_cancel_on_disconnect")
    assert session.lost() == []


def test_each_connection_has_a_number_of_its_own_in_its_rows(desk):
    first, second = desk.session("alice"), desk.session("alice")
    rows = [row(send(one, "private/buy", instrument_name=I, amount=1, price=5)) for one in (first, second, first)]
    numbers = [int(one["connection"]) for one in rows]
    assert numbers[0] == numbers[2] != numbers[1] and min(numbers) > desk.rows.now_ns
    key = desk.keys["alice"]
    again = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
    ask(first, "public/auth", **again)
    assert row(send(first, "private/cancel_all"))["connection"] == numbers[0]
    desk.rows.now_ns += 10**12
    assert desk.session("alice").signer.connection > desk.rows.now_ns


def test_scope_account_is_how_later_connections_begin(desk):
    first = desk.session("alice")
    ask(first, "private/enable_cancel_on_disconnect", scope="account")
    with_orders(desk, first, 0)
    assert ask(first, "private/get_cancel_on_disconnect", scope="account")["result"]["enabled"] is True
    assert ask(first, "private/get_cancel_on_disconnect")["result"]["enabled"] is False
    assert first.lost() == []
    later, other = desk.session("alice"), desk.session("bob")
    with_orders(desk, later, 0)
    assert ask(later, "private/get_cancel_on_disconnect")["result"]["enabled"] is True
    assert cancelled(later.lost()) == [(70, Reason.DISCONNECT)]
    with_orders(desk, other, 0)
    assert other.lost() == []
    ask(desk.session("alice"), "private/disable_cancel_on_disconnect", scope="account")
    last = desk.session("alice")
    with_orders(desk, last, 0)
    assert last.lost() == []


def test_what_a_connection_has_chosen_stays_when_it_logs_in_again(desk):
    desk.add_key("reader", 0, ["read"])
    before = desk.session("alice")
    ask(before, "private/enable_cancel_on_disconnect", scope="account")
    later, reader = desk.session("alice"), desk.session("reader")
    ask(later, "private/disable_cancel_on_disconnect")
    key = desk.keys["alice"]
    for session, begins in ((before, False), (later, False), (reader, True)):
        ask(session, "public/auth", grant_type="client_credentials", client_id=key.id, client_secret=key.secret)
        assert ask(session, "private/get_cancel_on_disconnect")["result"]["enabled"] is begins


def test_a_key_that_may_not_trade_neither_sets_nor_fires_it(desk):
    desk.add_key("reader", 0, ["read"])
    ask(desk.session("alice"), "private/enable_cancel_on_disconnect", scope="account")
    reader = desk.session("reader")
    for method in ("private/enable_cancel_on_disconnect", "private/disable_cancel_on_disconnect"):
        for scope in ("connection", "account"):
            assert ask(reader, method, scope=scope)["error"]["code"] == 13021
    with_orders(desk, reader, 0)
    assert ask(reader, "private/get_cancel_on_disconnect")["result"]["enabled"] is False
    assert reader.lost() == []


def test_the_countdown_runs_out_unless_asked_again(desk):
    session, switches = desk.session("alice"), desk.rows.switches
    result = ask(session, "venue/countdown_cancel_all", timeout_ms=1000)["result"]
    assert result == {"timeout_ms": 1000, "cancels_at": NOW // MS + 1000}
    ask(session, "venue/countdown_cancel_all", now_ns=NOW + 900 * MS, timeout_ms=1000)
    assert switches.run_out(NOW + 1899 * MS) == []
    [signer] = switches.run_out(NOW + 1900 * MS)
    assert signer == session.signer
    mass_cancel, off = np.frombuffer(of_countdown(signer), COMMAND)
    assert (mass_cancel["kind"], mass_cancel["reason"]) == (CommandKind.MASS_CANCEL, Reason.DISCONNECT)
    assert mass_cancel["flags"] == ExecInst.KEEP_PROTECTION and off["kind"] == CommandKind.SWITCH
    logged(session, [Submit(of_countdown(signer), None)])
    assert switches.run_out(NOW + 9 * S) == []
    ask(session, "venue/countdown_cancel_all", timeout_ms=1000)
    assert ask(session, "venue/countdown_cancel_all", timeout_ms=0)["result"] == {"timeout_ms": 0, "cancels_at": 0}
    assert switches.run_out(NOW + 9 * S) == []


def test_a_switch_that_the_log_refuses_is_an_error(desk):
    [submit] = send(desk.session("alice"), "private/enable_cancel_on_disconnect")
    answer = json.loads(submit.pending.complete(Outcome(seq=1, reason=int(Reason.UNKNOWN_ACCOUNT)), NOW))
    assert answer["error"]["data"]["reason"] == "UNKNOWN_ACCOUNT"


# --- subscriptions ------------------------------------------------------------------------------------------------


def test_subscriptions_are_answered_then_joined(desk):
    session = desk.session("alice")
    names = [f"book.{I}.raw", "nonsense", "user.portfolio.SOL", f"book.{I}.raw"]
    actions = send(session, "private/subscribe", channels=names)
    assert [type(a) for a in actions] == [Reply, Subscribe]
    said = answer(actions)
    assert (said["result"], said["sequence"]) == ([names[0], names[2], names[3]], desk.rows.durable_seq)
    assert [refused["channel"] for refused in said["refused"]] == ["nonsense"]
    assert "/openrpc.json" in said["refused"][0]["reason"]
    assert [channel.name for channel in actions[1].channels] == [names[0], names[2]]
    again = send(session, "public/subscribe", channels=[names[0]])
    assert [channel.name for channel in again[1].channels] == [names[0]]
    assert answer(again).keys() & {"refused", "sequence"} == set()
    left = send(session, "private/unsubscribe", channels=[names[0], names[0], "other"])
    assert answer(left)["result"] == [names[0]] and left[1].names == [names[0]]
    rest = send(session, "private/unsubscribe_all")
    assert isinstance(rest[1], Unsubscribe) and rest[1].names == ["user.portfolio.SOL"]
    assert [type(a) for a in send(session, "public/unsubscribe_all")] == [Reply]


def test_private_channels_need_a_login_and_public_ones_do_not(desk):
    said = answer(send(desk.session(), "public/subscribe", channels=["user.orders.any.any.raw", f"quote.{I}"]))
    assert said["result"] == [f"quote.{I}"] and "log in" in said["refused"][0]["reason"]


def test_a_key_without_read_hears_no_private_channel(desk):
    desk.add_key("trader", 0, ["trade"])
    session = desk.session("trader")
    assert ask(session, "public/subscribe", channels=["user.orders.any.any.raw"])["result"] == []
    assert ask(session, "private/subscribe", channels=["user.orders.any.any.raw"])["error"]["code"] == 13021


def test_the_number_of_channels_is_limited(tmp_path):
    desk = Desk(tmp_path, max_subscriptions=3)
    session = desk.session()
    names = [f"book.{I}.raw", f"quote.{I}", f"ticker.{I}.raw", "platform_state"]
    assert ask(session, "public/subscribe", channels=names)["error"]["data"]["param"] == "channels"
    assert session.channels == {}
    assert len(ask(session, "public/subscribe", channels=names[:3])["result"]) == 3
    desk.registry.close()


def test_a_token_that_comes_with_an_order_is_the_logins_own(desk):
    key, place = desk.keys["alice"], {"instrument_name": I, "amount": 0.5, "price": 20000.5}
    login = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
    session = desk.session("alice")
    own = ask(session, "public/auth", **login)["result"]["access_token"]
    other = desk.keys["bob"]
    login = {"grant_type": "client_credentials", "client_id": other.id, "client_secret": other.secret}
    others = ask(desk.session(), "public/auth", **login)["result"]["access_token"]
    assert row(send(session, "private/buy", **place, access_token=own))["qty_lots"] == 5000
    for method, params in (("private/buy", place), ("private/cancel", {"order_id": "77"})):
        refused = ask(session, method, **params, access_token=others)["error"]
        assert (refused["code"], refused["data"]["param"]) == (13021, "access_token")
        assert ask(session, method, **params, access_token="nonsense")["error"]["code"] == 13009


def test_a_session_that_has_outlived_its_token_logs_out(desk):
    session = desk.session("alice")
    assert closes(send(session, "private/logout", now_ns=NOW + 2 * 3600 * S)) == 1000


# --- replies keep their ids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [0, -1, "x", "", 2**62])
def test_ids_come_back(desk, request_id):
    session = desk.session("alice")
    desk.rows.orders[77] = order(77, status=OrdStatus.FILLED, filled_lots=5000, filled_tick_lots=5000 * 40001)
    place = {"instrument_name": I, "amount": 0.5, "price": 20000.5}
    submit = submitted(send(session, "private/buy", request_id=request_id, **place))
    reply = json.loads(submit.pending.complete(Outcome(order_id=77, trades=[own_trade()]), NOW + 5000))
    assert reply["id"] == request_id and reply["usDiff"] == 5
    assert reply["result"]["order"]["order_state"] == "filled"
    assert isinstance(submit, Submit)


# --- faults of the venue ------------------------------------------------------------------------------------------


def failing(monkeypatch, method, error):
    def fail(session, params, call):
        raise error

    kind = REQUESTS[method]
    monkeypatch.setitem(ROUTES, kind, ROUTES[kind]._replace(handler=fail))


def test_a_fault_of_the_venue_is_one_answer_that_says_where_the_log_has_it(desk, monkeypatch, caplog):
    failing(monkeypatch, "private/get_positions", KeyError("of mine"))
    session, other = desk.session("alice"), desk.session("bob")
    error = answer(send(session, "private/get_positions", request_id=71))["error"]
    assert (error["code"], error["data"]["request"]) == (11094, f"{session.number}/71")
    assert "of mine" not in json.dumps(error) and session.number != other.number
    [record] = caplog.records
    assert record.exc_info and record.fields == {
        "method": "private/get_positions", "connection": session.number, "request": "71",
    }  # fmt: skip
    assert "result" in ask(session, "private/get_open_orders")


def test_what_stops_the_venue_is_not_answered(desk, monkeypatch):
    failing(monkeypatch, "private/get_positions", JournalError("the disk failed"))
    session = desk.session("alice")
    with pytest.raises(JournalError):
        send(session, "private/get_positions")


def test_a_request_that_holds_the_loop_is_told(desk, monkeypatch, caplog):
    session, held = desk.session("alice"), iter([HELD_NS, HELD_NS - 1])
    monkeypatch.setattr(desk.context.turns, "spent", lambda pool, begun_ns: next(held))
    for number in (5, 6):
        send(session, "public/test", request_id=number)
    assert [record.fields["request"] for record in caplog.records] == ["5"]


def test_a_large_answer_that_fails_half_way_is_an_answer_too(desk, monkeypatch):
    def rows():
        yield b"1"
        raise ValueError("a block is broken")

    kind = REQUESTS["private/get_positions"]
    handler = lambda session, params, call: slices.array(rows())  # noqa: E731
    monkeypatch.setitem(ROUTES, kind, ROUTES[kind]._replace(handler=handler))
    assert ask(desk.session("alice"), "private/get_positions")["error"]["code"] == 11094
