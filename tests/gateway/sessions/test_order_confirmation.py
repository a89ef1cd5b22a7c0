"""Soft confirmation: unusual orders are refused with their figures until they say confirm; off by default."""

import numpy as np
import pytest

from engine.codes import CommandKind, ExecInst, OrdType, Side, TimeInForce
from engine.schema import COMMAND
from gateway.client import RpcError
from gateway.clock import VenueTime
from gateway.config import Config
from gateway.document.sample_rows import BTC, NOW, order
from gateway.sessions.actions import Reply, Submit
from gateway.sessions.order_confirmation import Confirmation
from gateway.sessions.shared_context import make_context
from gateway.wire.views import TickerView
from tests.gateway.desk import Desk, answer, send
from tests.gateway.live import market, play

MARK = 40_000_000  # subticks: 20,000


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path, confirmation=Confirmation(value_micros=50_000 * 10**6, distance_bp=200))
    desk.rows.ticker_rows[0] = TickerView(0, NOW, 1, mark_subticks=MARK)
    yield desk
    desk.registry.close()


def outcome(actions):
    """ "submitted", or the parameter and the reason of the refusal."""
    if isinstance(actions[0], Submit):
        return "submitted"
    data = answer(actions)["error"]["data"]
    assert data["param"] == "confirm"
    return data["reason"]


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"amount": "2.5", "price": "20000"}, ""),
        ({"amount": "2.5001", "price": "20000"}, "worth 50,002 USDC, more than 50,000 USDC"),
        ({"amount": "2.5001", "price": "20000", "confirm": True}, ""),
        ({"amount": "2.5001", "price": "20000", "confirm": False}, "worth 50,002"),
        ({"amount": "2.5001", "price": "20000", "reduce_only": True}, ""),
        ({"amount": "2.5", "type": "market"}, ""),
        ({"amount": "2.6", "type": "market"}, "worth 52,000"),
        ({"amount": "0.1", "price": "19600"}, ""),
        ({"amount": "0.1", "price": "20400"}, ""),
        ({"amount": "0.1", "price": "19599.5"}, "the price 19599.5 is 2 % away from the mark 20000, more than 2 %"),
        ({"amount": "0.1", "price": "21000"}, "is 5 % away"),
        ({"amount": "0.1", "price": "21000", "confirm": True}, ""),
        ({"amount": "0.1", "type": "stop_market", "trigger_price": "19000"}, "is 5 % away"),
        ({"amount": "0.1", "type": "trailing_stop", "trigger_offset": "500"}, ""),
    ],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_unusual_orders_are_asked(desk, side, params, wanted):
    found = outcome(send(desk.session("alice"), f"private/{side}", instrument_name=BTC.name, **params))
    assert wanted in found if wanted else found == "submitted"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"amount": "2.4"}, "submitted"),
        ({"amount": "2.6"}, "worth 52,001.3"),
        ({"amount": "2.6", "confirm": True}, "submitted"),
        ({"price": "21000"}, "5 % away"),
        ({"price": "20100"}, "submitted"),
    ],
)
def test_amending_is_no_way_around_it(desk, change, wanted):
    desk.rows.orders = {77: order(77)}
    assert wanted in outcome(send(desk.session("alice"), "private/edit", order_id="77", **change))


@pytest.mark.parametrize(
    ("kind", "fields", "wanted"),
    [
        (CommandKind.NEW, {"qty_lots": 25_000, "price_ticks": 40_000}, "submitted"),
        (CommandKind.NEW, {"qty_lots": 25_001, "price_ticks": 40_000}, "row 1: CONFIRMATION_NEEDED: the order"),
        (CommandKind.NEW, {"qty_lots": 25_001, "price_ticks": 40_000, "flags": ExecInst.CONFIRMED}, "submitted"),
        (CommandKind.NEW, {"qty_lots": 1, "price_ticks": 50_000}, "25 % away"),
        (CommandKind.AMEND, {"order_id": 77, "qty_lots": 26_000}, "row 1: CONFIRMATION_NEEDED"),
        (CommandKind.AMEND, {"order_id": 77, "qty_lots": 26_000, "flags": ExecInst.CONFIRMED}, "submitted"),
        (CommandKind.AMEND, {"cl_ord_id": 9, "qty_lots": 26_000}, "row 1: CONFIRMATION_NEEDED"),
        (CommandKind.AMEND, {"order_id": 99, "qty_lots": 26_000}, "submitted"),
    ],
)
def test_binary_rows_are_asked_too(desk, kind, fields, wanted):
    desk.rows.orders = {77: order(77, cl_ord_id=9)}
    rows = np.zeros(2, COMMAND)
    rows[0]["kind"], rows[0]["order_id"] = CommandKind.CANCEL, 5
    rows[1]["kind"], rows[1]["side"], rows[1]["ord_type"] = kind, Side.BUY, OrdType.LIMIT
    rows[1]["tif"] = TimeInForce.GTC
    for name, value in fields.items():
        rows[1][name] = value
    assert wanted in outcome(desk.session("alice", binary=True).receive_rows(rows.tobytes(), NOW))


def test_an_order_that_was_confirmed_is_asked_again_when_it_is_amended(desk):
    desk.rows.orders = {77: order(77, flags=int(ExecInst.CONFIRMED))}
    rows = np.zeros(1, COMMAND)
    rows["kind"], rows["order_id"], rows["qty_lots"] = CommandKind.AMEND, 77, 26_000
    session = desk.session("alice", binary=True)
    assert "CONFIRMATION_NEEDED" in outcome(session.receive_rows(rows.tobytes(), NOW))
    assert "CONFIRMATION_NEEDED" in outcome(send(desk.session("alice"), "private/edit", order_id="77", amount="2.6"))


@pytest.mark.parametrize(
    ("amendment", "wanted"),
    [({"qty_lots": 26_000}, "worth 52,000"), ({"price_ticks": 50_000}, "25 % away"), ({"qty_lots": 2}, "submitted")],
)
def test_an_order_is_not_placed_small_and_made_large_in_one_frame(desk, amendment, wanted):
    rows = np.zeros(2, COMMAND)
    rows["cl_ord_id"], rows["kind"] = 5, (CommandKind.NEW, CommandKind.AMEND)
    for name, value in {"side": Side.BUY, "ord_type": OrdType.LIMIT, "tif": TimeInForce.GTC}.items():
        rows[0][name] = value
    rows[0]["qty_lots"], rows[0]["price_ticks"] = 1, 40_000
    for name, value in amendment.items():
        rows[1][name] = value
    assert wanted in outcome(desk.session("alice", binary=True).receive_rows(rows.tobytes(), NOW))


def test_without_a_mark_only_the_value_counts(desk):
    desk.rows.ticker_rows[0] = TickerView(0, NOW, 1)
    session = desk.session("alice")
    assert outcome(send(session, "private/buy", instrument_name=BTC.name, amount="0.1", price="1")) == "submitted"
    assert "worth" in outcome(send(session, "private/buy", instrument_name=BTC.name, amount="9", price="20000"))


def test_it_is_asked_on_a_running_venue_however_orders_come(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",), confirm_value=10_000, confirm_distance_bp=100) as (_, (alice,)):
            for params in ({"price": "20000"}, {"type": "market"}, {"amount": "0.1", "price": "19700"}):
                with pytest.raises(RpcError, match="CONFIRMATION_NEEDED"):
                    await alice.buy(BTC.name, **{"amount": "0.6", **params})
            placed = await alice.buy(BTC.name, "0.1", price="19700", confirm=True)
            assert placed.order.order_state == "open"
            with pytest.raises(RpcError, match="CONFIRMATION_NEEDED"):
                await alice.edit(placed.order.order_id, amount="0.2")

    play(story())


def test_it_is_off_unless_it_is_set(tmp_path):
    desk = Desk(tmp_path)
    context = make_context(Config(confirm_value=5, confirm_distance_bp=7), desk.registry, desk.vault, VenueTime())
    assert context.confirmation == Confirmation(5_000_000, 7)
    assert not make_context(Config(), desk.registry, desk.vault, VenueTime()).confirmation.is_on
    actions = send(desk.session("alice"), "private/buy", instrument_name=BTC.name, amount="99", price="20000")
    assert not any(isinstance(action, Reply) for action in actions)
    desk.registry.close()
