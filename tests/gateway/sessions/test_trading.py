"""Orders: a request becomes exactly one command, and the command's outcome becomes its answer."""

import json

import numpy as np
import pytest
from msgspec.structs import replace

from engine.codes import (
    NIL,
    CommandKind,
    ExecInst,
    OrdStatus,
    OrdType,
    PriceSource,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from engine.schema import COMMAND, DIRECTIVE, LABEL
from gateway.document.sample_rows import TERMS
from gateway.wire.errors import ErrorCode, code_of
from gateway.wire.views import Outcome, PositionView
from tests.gateway.desk import BTC, ETH, MS, NOW, Desk, ask, order, own_trade, send, submitted

NAME = BTC.name
DAY = 86_400_000_000_000


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.registry.close()


def command(actions):
    data = submitted(actions).rows
    return np.frombuffer(data[:128], COMMAND)[0]


def complete(actions, **outcome):
    return json.loads(submitted(actions).pending.complete(Outcome(**outcome), NOW + MS))


@pytest.mark.parametrize(
    "params, fields",
    [
        (
            {"amount": 0.5, "price": 20000.5},
            {"kind": CommandKind.NEW, "side": 1, "ord_type": OrdType.LIMIT, "tif": TimeInForce.GTC, "qty_lots": 5000,
             "price_ticks": 40001, "flags": 0, "account_slot": 0, "contract_slot": 0, "key": 1, "person": 1},
        ),
        ({"amount": "5e-1", "price": "2.00005e4"}, {"qty_lots": 5000, "price_ticks": 40001}),
        ({"amount": 1, "type": "market"}, {"ord_type": OrdType.MARKET, "price_ticks": 0}),
        ({"amount": 1, "price": 5, "post_only": True}, {"flags": ExecInst.POST_ONLY}),
        (
            {"amount": 1, "price": 5, "post_only": True, "reject_post_only": True},
            {"flags": ExecInst.POST_ONLY | ExecInst.REJECT_POST_ONLY},
        ),
        ({"amount": 1, "price": 5, "reject_post_only": True}, {"flags": 0}),
        ({"amount": 1, "price": 5, "reduce_only": True}, {"flags": ExecInst.REDUCE_ONLY}),
        ({"amount": 1, "price": 5, "reduceOnly": True}, {"flags": ExecInst.REDUCE_ONLY}),
        ({"amount": 1, "price": 5, "reduce_only": None, "post_only": False}, {"flags": 0}),
        ({"amount": 1, "price": 5, "display_amount": 0.1}, {"flags": ExecInst.ICEBERG, "display_lots": 1000}),
        ({"amount": 1, "price": 5, "max_show": 0.1}, {"flags": ExecInst.ICEBERG, "display_lots": 1000}),
        ({"amount": 1, "price": 5, "confirm": True}, {"flags": ExecInst.CONFIRMED}),
        ({"amount": 1, "price": 5, "stp": "decrement"}, {"self_trade": SelfTrade.DECREMENT}),
        ({"amount": 1, "price": 5, "stp": "cancel_taker"}, {"self_trade": SelfTrade.CANCEL_TAKER}),
        ({"amount": 1, "price": 5, "time_in_force": "immediate_or_cancel"}, {"tif": TimeInForce.IOC}),
        ({"amount": 1, "price": 5, "time_in_force": "fill_or_kill"}, {"tif": TimeInForce.FOK}),
        (
            {"amount": 1, "price": 5, "time_in_force": "good_til_day"},
            {"tif": TimeInForce.GTD, "expire_ns": (NOW // DAY + 1) * DAY},
        ),
        (
            {"amount": 1, "price": 5, "expires_at": NOW // MS + 5000},
            {"tif": TimeInForce.GTD, "expire_ns": NOW + 5000 * MS},
        ),
        ({"amount": 1, "price": 5, "cl_ord_id": 2**63 - 1}, {"cl_ord_id": 2**63 - 1}),
        ({"amount": 1, "price": 5, "cl_ord_id": "42"}, {"cl_ord_id": 42}),
        ({"amount": 1, "price": 5, "clientOrderId": 42}, {"cl_ord_id": 42, "flags": 0}),
        ({"contracts": 0.5, "price": 5, "direction": "buy"}, {"qty_lots": 5000, "side": Side.BUY}),
        ({"contracts": "0.5", "amount": 0.50, "price": 5}, {"qty_lots": 5000}),
        ({"amount": 1, "price": 5, "clientOrderId": str(2**63 - 1)}, {"cl_ord_id": 2**63 - 1, "flags": 0}),
        ({"amount": 1, "price": 5, "clientOrderId": "42", "label": "bot"}, {"flags": ExecInst.LABELLED}),
        ({"amount": 1, "price": 5, "clientOrderId": "mine"}, {"cl_ord_id": 0, "flags": ExecInst.LABELLED}),
        ({"amount": 1, "price": 5, "post_only": "true", "reduce_only": "false"}, {"flags": ExecInst.POST_ONLY}),
        ({"amount": 1, "price": 5, "valid_until": NOW // MS}, {"kind": CommandKind.NEW}),
        (
            {"amount": 1, "type": "stop_market", "trigger_price": 6, "trigger": "last_price"},
            {"ord_type": OrdType.STOP_MARKET, "trigger_price_ticks": 12, "trigger_source": PriceSource.LAST},
        ),
        (
            {"amount": 1, "type": "take_limit", "trigger_price": 6, "price": 7},
            {"ord_type": OrdType.TAKE_LIMIT, "trigger_price_ticks": 12, "price_ticks": 14, "trigger_source": 0},
        ),
        (
            {"amount": 1, "type": "trailing_stop", "trigger_offset": 100, "trigger": "index_price"},
            {"ord_type": OrdType.TRAILING_STOP, "offset_ticks": 200, "trigger_source": PriceSource.INDEX},
        ),
    ],
)  # fmt: skip
def test_an_order_becomes_one_command(desk, params, fields):
    row = command(send(desk.session("alice"), "private/buy", instrument_name=NAME, **params))
    assert {name: int(row[name]) for name in fields} == {name: int(value) for name, value in fields.items()}
    assert row["seq"] == 0 and row["time_ns"] == 0


def test_sell_sells_and_labels_ride_behind(desk):
    actions = send(desk.session("bob"), "private/sell", instrument_name=ETH.name, amount=1, price=5, label="bot-1")
    row = command(actions)
    assert (row["side"], row["contract_slot"], row["account_slot"]) == (Side.SELL, 1, 1)
    label = np.frombuffer(submitted(actions).rows[128:], LABEL)[0]
    assert label["text"].tobytes().rstrip(b"\0") == b"bot-1"


@pytest.mark.parametrize("text", ["mine", "0", "-7", "042", str(2**63), "4.2", 0, 2**63])
def test_a_client_order_id_that_is_no_id_of_ours_is_the_label(desk, text):
    place = {"instrument_name": NAME, "amount": 1, "price": 5, "clientOrderId": text}
    session = desk.session("alice")
    actions = send(session, "private/buy", **place)
    label = np.frombuffer(submitted(actions).rows[128:], LABEL)[0]
    assert (command(actions)["cl_ord_id"], label["text"].tobytes().rstrip(b"\0")) == (0, str(text).encode())
    again = send(session, "private/buy", **place, label=str(text))
    assert submitted(again).rows == submitted(actions).rows


@pytest.mark.parametrize(
    "params, param",
    [
        ({"clientOrderId": "42", "cl_ord_id": 43}, "clientOrderId"),
        ({"clientOrderId": "mine", "label": "other"}, "clientOrderId"),
        ({"direction": "sell"}, "direction"),
        ({"contracts": 2}, "contracts"),
        ({"amount": None, "direction": "buy"}, "amount"),
        ({"clientOrderId": "x" * 65}, "clientOrderId"),
        ({"clientOrderId": 4.2}, "clientOrderId"),
        ({"clientOrderId": True}, "clientOrderId"),
        ({"post_only": "yes"}, "post_only"),
        ({"type": "market", "price": None, "stopPrice": 6}, "stopPrice"),
        ({"type": "market", "price": None, "triggerPrice": 6}, "triggerPrice"),
        ({"type": "market", "price": None, "stopLossPrice": 6, "reduce_only": "true"}, "stopLossPrice"),
    ],
)
def test_what_would_change_the_order_is_refused_by_name(desk, params, param):
    place = {"instrument_name": NAME, "amount": 1, "price": 5, **params}
    assert ask(desk.session("alice"), "private/buy", **place)["error"]["data"]["param"] == param


def test_the_answer_to_an_order_has_every_field(desk):
    session = desk.session("alice")
    actions = send(session, "private/buy", instrument_name=NAME, amount=0.5, price=20000.5, label='say "hi"')
    desk.rows.orders[77] = order(
        77, label_json=b'"say \\"hi\\""', filled_lots=2000, filled_tick_lots=2000 * 40_000, fee_micros=2_000_000,
        status=OrdStatus.PARTIALLY_FILLED, cl_ord_id=9, flags=int(ExecInst.POST_ONLY | ExecInst.REDUCE_ONLY),
    )  # fmt: skip
    result = complete(actions, order_id=77, trades=[own_trade()])["result"]
    assert result["order"] == {
        "order_id": "77", "instrument_name": NAME, "direction": "buy", "order_type": "limit", "order_state": "open",
        "price": 20000.5, "amount": 0.5, "filled_amount": 0.2, "average_price": 20000,
        "time_in_force": "good_til_cancelled", "post_only": True, "reduce_only": True, "label": 'say "hi"',
        "creation_timestamp": NOW // MS, "last_update_timestamp": NOW // MS, "commission": 2, "replaced": False,
        "api": True, "web": False, "is_liquidation": False, "cl_ord_id": 9,
    }  # fmt: skip
    assert result["trades"] == [
        {
            "trade_id": "BTC-3", "trade_seq": 3, "timestamp": NOW // MS, "instrument_name": NAME, "price": 20000.5,
            "amount": 0.5, "direction": "buy", "tick_direction": 0, "mark_price": 20000, "index_price": 20000,
            "affiliated_maker": False,
            "order_id": "77", "label": "", "liquidity": "T", "fee": 5.000125, "fee_currency": "USDC",
            "state": "filled", "order_type": "limit", "reduce_only": False, "post_only": False, "matching_id": None,
            "api": True,
        }
    ]  # fmt: skip


def test_a_makers_trade_shows_its_own_side(desk):
    maker = own_trade(is_taker=False)
    maker.side = int(Side.SELL)
    desk.rows.own_trades = [maker]
    [row] = ask(desk.session("alice"), "private/get_user_trades_by_order", order_id="77")["result"]
    assert (row["direction"], row["liquidity"]) == ("sell", "M")


def test_conditional_and_ended_orders_say_so(desk):
    desk.rows.orders[78] = order(
        78, ord_type=OrdType.STOP_MARKET, status=OrdStatus.UNTRIGGERED, trigger_price_ticks=38_000, trigger_source=2,
        price_ticks=0, expire_ns=NOW, display_lots=10,
    )  # fmt: skip
    desk.rows.orders[79] = order(79, status=OrdStatus.CANCELED, reason=int(Reason.DISCONNECT))
    desk.rows.orders[80] = order(80, ord_type=OrdType.TRAILING_STOP, status=OrdStatus.UNTRIGGERED, offset_ticks=50)
    session = desk.session("alice")
    stop = ask(session, "private/get_order_state", order_id="78")["result"]
    assert (stop["order_state"], stop["order_type"], stop["price"]) == ("untriggered", "stop_market", "market_price")
    assert (stop["trigger"], stop["trigger_price"], stop["triggered"]) == ("last_price", 19000, False)
    assert (stop["expires_at"], stop["display_amount"]) == (NOW // MS, 0.001)
    ended = ask(session, "private/get_order_state", order_id="79")["result"]
    assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "cancel_on_disconnect")
    assert ask(session, "private/get_order_state", order_id="80")["result"]["trigger_offset"] == 25


@pytest.mark.parametrize("reason", [reason for reason in Reason if 1000 < reason < 1300])
def test_every_refusal_has_its_code_and_reason(desk, reason):
    session = desk.session("alice")
    error = complete(send(session, "private/sell", instrument_name=NAME, amount=1, price=5), reason=reason)["error"]
    assert error["code"] == code_of(reason, Side.SELL)
    assert error["data"]["reason"].startswith(reason.name)


def test_the_band_says_which_way(desk):
    session = desk.session("alice")
    for method, code in (("private/buy", ErrorCode.PRICE_TOO_HIGH), ("private/sell", ErrorCode.PRICE_TOO_LOW)):
        actions = send(session, method, instrument_name=NAME, amount=1, price=5)
        assert complete(actions, reason=int(Reason.PRICE_OUT_OF_BAND))["error"]["code"] == code


def test_edit(desk):
    desk.rows.orders[77] = order(77)
    session = desk.session("alice")
    row = command(send(session, "private/edit", order_id="77", amount=1, price=20001, forfeit_priority=True))
    assert (row["kind"], row["order_id"], row["qty_lots"]) == (CommandKind.AMEND, 77, 10_000)
    assert (row["price_ticks"], row["flags"]) == (40_002, ExecInst.FORFEIT_PRIORITY)
    row = command(send(session, "private/edit", order_id="77", trigger_price=5, post_only=False))
    assert (row["qty_lots"], row["price_ticks"], row["trigger_price_ticks"]) == (5000, 0, 10)
    desk.rows.orders[77] = order(77, status=OrdStatus.FILLED)
    refused = complete(send(session, "private/edit", order_id="77", amount=1), reason=1222, order_id=77)
    assert refused["error"]["code"] == ErrorCode.NOT_OPEN_ORDER


def test_edit_by_label_needs_exactly_one(desk):
    session = desk.session("alice")
    labels = {77: b'"a"', 78: b'"b"', 79: b'"b"'}
    desk.rows.orders = {order_id: order(order_id, label_json=label) for order_id, label in labels.items()}
    row = command(send(session, "private/edit_by_label", instrument_name=NAME, label="a", amount=1))
    assert row["order_id"] == 77
    error = ask(session, "private/edit_by_label", instrument_name=NAME, label="b", amount=1)["error"]
    assert (error["code"], error["data"]["param"]) == (11029, "label")


def test_cancel(desk):
    session = desk.session("alice")
    row = command(send(session, "private/cancel", order_id="77"))
    assert (row["kind"], row["order_id"], row["cl_ord_id"]) == (CommandKind.CANCEL, 77, 0)
    row = command(send(session, "private/cancel", cl_ord_id=5))
    assert (row["order_id"], row["cl_ord_id"]) == (0, 5)
    desk.rows.orders[77] = order(77, status=OrdStatus.CANCELED, reason=int(Reason.BY_CLIENT))
    actions = send(session, "private/cancel", order_id="77")
    assert complete(actions, order_id=77)["result"]["cancel_reason"] == "user_request"
    assert complete(actions, order_id=77, reason=1222)["error"]["code"] == ErrorCode.ALREADY_CLOSED
    assert complete(actions, order_id=99, reason=1222)["error"]["code"] == ErrorCode.ORDER_NOT_FOUND
    assert complete(actions, reason=1222)["error"]["code"] == ErrorCode.ORDER_NOT_FOUND


@pytest.mark.parametrize(
    "method, params, fields",
    [
        ("private/cancel_all", {}, {"contract_slot": NIL, "side": 0}),
        ("private/cancel_all_by_instrument", {"instrument_name": ETH.name}, {"contract_slot": 1, "side": 0}),
        ("private/cancel_all_by_instrument", {"instrument_name": NAME, "side": "sell"}, {"contract_slot": 0}),
        ("private/cancel_by_label", {"label": "a"}, {"contract_slot": NIL, "flags": ExecInst.LABELLED}),
        ("private/cancel_by_label", {"label": "a", "currency": "usdc"}, {"contract_slot": NIL}),
    ],
)
def test_mass_cancels_answer_how_many(desk, method, params, fields):
    actions = send(desk.session("alice"), method, **params)
    row = command(actions)
    assert row["kind"] == CommandKind.MASS_CANCEL and row["account_slot"] == 0 and row["group"] == NIL
    assert {name: int(row[name]) for name in fields} == fields
    assert complete(actions, count=5)["result"] == 5


def test_a_mass_cancel_in_several_commands_answers_once(desk):
    third = type(BTC)(2, "SOL_EURR-PERPETUAL", "SOL", "EURR", BTC.tick, BTC.lot)
    desk.rows.list = [BTC, ETH, third]
    actions = send(desk.session("alice"), "private/cancel_by_label", label="a", currency="USDC")
    assert [int(np.frombuffer(a.rows[:128], COMMAND)[0]["contract_slot"]) for a in actions] == [0, 1]
    assert actions[0].pending.complete(Outcome(count=2), NOW) is None
    assert json.loads(actions[1].pending.complete(Outcome(count=3), NOW))["result"] == 5
    row = command(send(desk.session("alice"), "private/cancel_by_label", label="a", currency="EURR"))
    assert row["contract_slot"] == 2


@pytest.mark.parametrize("currency", ["BTC", "eth", "USDT", "EURR"])
def test_a_currency_without_contracts_has_no_orders_to_cancel(desk, currency):
    assert ask(desk.session("alice"), "private/cancel_by_label", label="a", currency=currency)["result"] == 0


def test_a_refused_mass_cancel_says_why(desk):
    actions = send(desk.session("alice"), "private/cancel_all")
    assert complete(actions, reason=int(Reason.CAPACITY))["error"]["code"] == ErrorCode.HALTED


def test_close_position(desk):
    session = desk.session("alice")
    desk.rows.positions.rows[0] = PositionView(0, size_lots=-700)
    row = command(send(session, "private/close_position", instrument_name=NAME, type="market"))
    assert (row["side"], row["qty_lots"], row["flags"], row["tif"]) == (1, 700, ExecInst.REDUCE_ONLY, TimeInForce.IOC)
    row = command(send(session, "private/close_position", instrument_name=NAME, type="limit", price=5))
    assert (row["price_ticks"], row["tif"]) == (10, TimeInForce.GTC)
    desk.rows.positions.rows[0] = PositionView(0, size_lots=700)
    assert command(send(session, "private/close_position", instrument_name=NAME, type="market"))["side"] == 2


def test_set_leverage(desk):
    actions = send(desk.session("alice"), "private/set_leverage", instrument_name=ETH.name, leverage="5")
    row = np.frombuffer(submitted(actions).rows, DIRECTIVE)[0]
    assert (row["kind"], row["account_slot"], row["contract_slot"], row["value"]) == (CommandKind.SET_LEVERAGE, 0, 1, 5)
    assert (row["person"], row["key"]) == (1, 1)
    assert complete(actions)["result"] == {"instrument_name": ETH.name, "leverage": 10, "max_leverage": 10}
    assert complete(actions, reason=int(Reason.LEVERAGE_LIMIT))["error"]["code"] == 13021


@pytest.mark.parametrize(
    "size, parts",
    [(700, [700]), (3, [10]), (2_000, [1_000] * 2), (2_003, [1_000, 1_000, 10]), (2_500, [1_000, 1_000, 500])],
)
def test_a_position_is_closed_in_orders_of_sizes_that_are_taken(desk, size, parts):
    desk.rows.terms = lambda slot: replace(TERMS, max_order_lots=1_000)
    for sign, side in ((1, Side.SELL), (-1, Side.BUY)):
        desk.rows.positions.rows[0] = PositionView(0, size_lots=sign * size)
        actions = send(desk.session("alice"), "private/close_position", instrument_name=NAME, type="market")
        rows = [np.frombuffer(action.rows, COMMAND)[0] for action in actions]
        assert [int(row["qty_lots"]) for row in rows] == parts
        assert {(row["side"], row["flags"]) for row in rows} == {(side, ExecInst.REDUCE_ONLY)}


def test_a_detailed_cancel_answers_the_orders(desk):
    desk.rows.orders[77] = order(77)
    desk.rows.orders[78] = order(78, ord_type=OrdType.STOP_LIMIT, status=OrdStatus.UNTRIGGERED)
    actions = send(desk.session("alice"), "private/cancel_all", detailed=True)
    for number in (77, 78):
        desk.rows.orders[number].status, desk.rows.orders[number].reason = OrdStatus.CANCELED, Reason.MASS_CANCEL
    found = complete(actions, count=2)["result"]
    assert [(row["currency"], row["type"], row["instrument_name"]) for row in found] == [
        ("USDC", "limit", NAME), ("USDC", "trigger", NAME),
    ]  # fmt: skip
    assert [order["order_id"] for row in found for order in row["result"]] == ["77", "78"]
