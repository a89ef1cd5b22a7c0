"""Unmodified ccxt classes over a transport that calls the HTTP session directly: requests, fields and error mapping."""

import json
import time

import ccxt
import numpy as np
import pytest

from engine.codes import ExecInst, OrdStatus, OrdType, Reason
from engine.schema import COMMAND
from gateway.document.sample_rows import sample_projection
from gateway.registry import authentication
from gateway.registry.registry import KeyOrder
from gateway.sessions.actions import LargeReply, Reply
from gateway.sessions.http_calls import HttpCall, http
from gateway.wire.jsonrpc_answers import is_error
from gateway.wire.views import Outcome
from tests.gateway.desk import NOW, Desk, own_trade

SYMBOL = "BTC/USDC:USDC"
HOST = "http://127.0.0.1:1"


class Wire:
    """Carries ccxt's requests to the HTTP session and remembers the last command."""

    def __init__(self, desk):
        self.desk = desk
        self.outcome = Outcome(order_id=77, count=2, trades=[own_trade()])
        self.command = None

    def fetch(self, exchange):
        def fetch(url, method="GET", headers=None, body=None):
            target = url.removeprefix(HOST)
            lower = {key.lower(): value for key, value in (headers or {}).items()}
            data = (body or "").encode()
            now_ns = time.time_ns()
            [action] = http(self.desk.context, self.desk.rows, HttpCall(method, target, lower, data), now_ns)
            if not isinstance(action, Reply | LargeReply):
                self.command = np.frombuffer(action.rows[:128], COMMAND)[0]
                answer = action.pending.complete(self.outcome, now_ns)
            else:
                answer = action.data
            text, decoded = answer.decode(), json.loads(answer)
            status = 400 if is_error(answer) else 200
            exchange.handle_errors(status, "", url, method, {}, text, decoded, headers, body)
            return decoded

        return fetch


def log_in(exchange, desk):
    """The class's own REST login stops inside its `sign`; its options take a token that its own JWT has opened."""
    target = "/api/v2/public/auth"
    jwt = exchange.create_auth_token(exchange.seconds(), "POST", HOST + target, exchange.is_eddsa_secret())
    params = {"grant_type": "coinbase_cdp", "token": jwt}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "public/auth", "params": params}).encode()
    [action] = http(desk.context, desk.rows, HttpCall("POST", target, {}, body), time.time_ns())
    result = json.loads(action.data)["result"]
    exchange.options["v2AccessToken"] = result["access_token"]
    exchange.options["v2TokenExpires"] = exchange.milliseconds() + result["expires_in"] * 800


@pytest.fixture(params=["deribit", "coinbaseinternational"])
def trader(request, tmp_path):
    desk = Desk(tmp_path)
    desk.rows = sample_projection()
    wire = Wire(desk)
    if request.param == "deribit":
        key = desk.keys["alice"]
        options = {"apiKey": key.id, "secret": key.secret, "urls": {"api": {"rest": HOST}}}
    else:
        key = authentication.new_ed25519_key()
        person = desk.registry.person("Ed", NOW)
        desk.registry.add_key(KeyOrder(key.id, 0, person, "ed25519", key.verifier, ["read", "trade"], ""), NOW)
        options = {"apiKey": key.id, "secret": key.secret, "urls": {"api": {"rest": HOST + "/api/v2"}}}
    exchange = getattr(ccxt, request.param)({**options, "enableRateLimit": False})
    exchange.fetch = wire.fetch(exchange)
    exchange.wire = wire
    if request.param == "coinbaseinternational":
        log_in(exchange, desk)
    yield exchange
    desk.registry.close()


def test_markets_and_market_data(trader):
    market = trader.load_markets()[SYMBOL]
    assert (market["id"], market["linear"], market["contractSize"]) == ("BTC_USDC-PERPETUAL", True, 1)
    assert market["precision"] == {**market["precision"], "price": 0.5, "amount": 0.001}
    assert (market["taker"], market["maker"], market["active"]) == (0.0005, 0.0002, True)
    ticker = trader.fetch_ticker(SYMBOL)
    assert (ticker["bid"], ticker["ask"], ticker["markPrice"], ticker["baseVolume"]) == (20000, 20000.5, 20000, 3)
    book = trader.fetch_order_book(SYMBOL, 5)
    assert book["bids"] == [[20000, 1]] and book["asks"] == [[20000.5, 2]]
    assert trader.fetch_ohlcv(SYMBOL, "1m")[0][1:] == [19995, 20005, 19990, 20000.5, 0.5]
    assert abs(trader.fetch_time() - time.time() * 1000) < 5000


def test_deribit_extras(trader):
    if trader.id != "deribit":
        pytest.skip("methods of the deribit class only")
    assert trader.fetch_funding_rate(SYMBOL)["fundingRate"] == 0.0001
    assert trader.fetch_trades(SYMBOL)[0]["price"] == 20000.5
    assert trader.fetch_status()["status"] == "ok"
    assert trader.fetch_trading_fees()[SYMBOL]["taker"] == 0.0005
    assert trader.fetch_tickers(None, {"code": "USDC"})[SYMBOL]["bid"] == 20000
    assert trader.fetch_order_trades("77")[0]["order"] == "77"
    assert trader.fetch_closed_orders(SYMBOL) == []  # closed without a fill, which the class does not ask for
    unfilled = trader.fetch_closed_orders(SYMBOL, None, None, {"include_unfilled": True, "include_old": True})
    assert unfilled[0]["status"] == "canceled"
    assert [order["id"] for order in trader.fetch_open_orders(None, None, None, {"currency": "USDC"})] == ["77", "78"]


def test_without_a_symbol_the_deribit_class_asks_for_btc_unless_told_the_settlement_currency(trader):
    if trader.id != "deribit":
        pytest.skip("the deribit class alone asks by currency")
    trader.load_markets()
    assert trader.fetch_open_orders() == trader.fetch_my_trades() == []
    assert trader.fetch_tickers([SYMBOL]) == {}  # it asks for the base currency, and takes no other with symbols
    trader.options["code"] = "USDC"
    assert [order["id"] for order in trader.fetch_open_orders()] == ["77", "78"]
    assert [trade["order"] for trade in trader.fetch_my_trades()] == ["77"]
    assert [position["symbol"] for position in trader.fetch_positions()] == [SYMBOL]


def test_account(trader):
    balance = trader.fetch_balance()
    assert balance["USDC"]["total"] == 10000
    [position] = trader.fetch_positions()
    assert (position["symbol"], position["side"], position["contracts"]) == (SYMBOL, "long", 0.5)
    assert (position["entryPrice"], position["markPrice"], position["liquidationPrice"]) == (20000.5, 20000, 18000)
    assert position["notional"] == 0.5  # the classes take `size_currency`, which is base currency by the protocol
    assert trader.fetch_position(SYMBOL)["unrealizedPnl"] == -0.25
    [trade] = trader.fetch_my_trades(SYMBOL)
    assert (trade["id"], trade["price"], trade["amount"], trade["order"]) == ("BTC-3", 20000.5, 0.5, "77")
    assert trade["fee"] == {"cost": 5.000125, "currency": "USDC"}
    assert [order["id"] for order in trader.fetch_open_orders(SYMBOL)] == ["77", "78"]
    order = trader.fetch_order("77", SYMBOL)
    assert (order["status"], order["price"], order["amount"], order["filled"]) == ("open", 20000.5, 0.5, 0)


def test_orders_of_every_kind(trader):
    reduce = {"reduceOnly": True}
    stop = {"stopLossPrice": 19000} if trader.id == "deribit" else {"triggerPrice": 19000}
    cases = [
        (("limit", "buy", 0.5, 20000.5, {}), {"ord_type": OrdType.LIMIT, "qty_lots": 5000, "price_ticks": 40001}),
        (("market", "sell", 0.5, None, {}), {"ord_type": OrdType.MARKET, "side": 2, "price_ticks": 0}),
        (
            ("limit", "buy", 0.5, 20000.5, {"postOnly": True}),
            {"flags": int(ExecInst.POST_ONLY | ExecInst.REJECT_POST_ONLY)},
        ),
        (("limit", "sell", 0.5, 20000.5, reduce), {"flags": int(ExecInst.REDUCE_ONLY)}),
        (("market", "sell", 0.5, None, stop), {"ord_type": OrdType.STOP_MARKET, "trigger_price_ticks": 38000}),
        (("limit", "sell", 0.5, 18000, stop), {"ord_type": OrdType.STOP_LIMIT, "price_ticks": 36000}),
        (("limit", "buy", 0.5, 20000.5, {"timeInForce": "IOC"}), {"tif": 3}),
        (("limit", "buy", 0.5, 20000.5, {"timeInForce": "FOK"}), {"tif": 4}),
    ]
    for (kind, side, amount, price, params), expected in cases:
        order = trader.create_order(SYMBOL, kind, side, amount, price, params)
        assert (order["id"], order["symbol"]) == ("77", SYMBOL)
        labelled = 8 if trader.id == "coinbaseinternational" else 0
        wanted = {**expected, **({"flags": expected["flags"] | labelled} if "flags" in expected else {})}
        assert {name: int(trader.wire.command[name]) for name in wanted} == {k: int(v) for k, v in wanted.items()}
        assert order["trades"][0]["price"] == 20000.5


def test_edit_cancel_and_leverage(trader):
    assert trader.edit_order("77", SYMBOL, "limit", "buy", 0.4, 20001)["id"] == "77"
    assert (trader.wire.command["qty_lots"], trader.wire.command["price_ticks"]) == (4000, 40002)
    trader.wire.desk.rows.orders[77].status = int(OrdStatus.CANCELED)
    assert trader.cancel_order("77", SYMBOL)["status"] == "canceled"
    trader.cancel_all_orders(SYMBOL)
    assert trader.wire.command["contract_slot"] == 0
    trader.cancel_all_orders()
    assert trader.wire.command["contract_slot"] == -1
    if trader.id == "coinbaseinternational":
        assert trader.fetch_leverage(SYMBOL)["longLeverage"] == 10
        trader.set_leverage(5, SYMBOL)


@pytest.mark.parametrize(
    "reason, error",
    [
        (Reason.INSUFFICIENT_MARGIN, ccxt.InsufficientFunds),
        (Reason.UNKNOWN_ORDER, ccxt.OrderNotFound),
        (Reason.QTY_TOO_SMALL, ccxt.InvalidOrder),
        (Reason.PRICE_OUT_OF_BAND, ccxt.InvalidOrder),
        (Reason.POST_ONLY_WOULD_CROSS, ccxt.InvalidOrder),
        (Reason.PI_EVIDENCE_EXPIRED, ccxt.PermissionDenied),
        (Reason.VENUE_HALTED, ccxt.OnMaintenance),
        (Reason.UNSUPPORTED_ORDER, ccxt.BadRequest),
    ],
)
def test_refusals_become_the_clients_own_errors(trader, reason, error):
    trader.wire.outcome = Outcome(reason=int(reason))
    expected = error if trader.id == "deribit" else ccxt.ExchangeError
    with pytest.raises(expected, match=reason.name):
        trader.create_order(SYMBOL, "limit", "buy", 0.5, 20000.5)


def test_wrong_credentials(trader):
    trader.load_markets()
    trader.apiKey = "lrwrongwrongwron"
    trader.options["v2AccessToken"] = "nonsense"
    expected = ccxt.AuthenticationError if trader.id == "deribit" else ccxt.ExchangeError
    with pytest.raises(expected, match=r"1300[49]"):
        trader.fetch_balance()


def test_a_trigger_that_the_class_does_not_translate_is_refused_not_dropped(trader):
    if trader.id != "deribit":
        pytest.skip("the other class translates triggerPrice")
    with pytest.raises(ccxt.BadRequest, match="triggerPrice"):
        trader.create_order(SYMBOL, "limit", "buy", 0.5, 20000.5, {"triggerPrice": 19000})
