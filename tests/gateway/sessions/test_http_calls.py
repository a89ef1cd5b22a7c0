"""Calls over HTTP: one answer for each, signatures, tokens, and what a connection alone can do."""

import hashlib
import hmac
import json

import numpy as np
import pytest

from engine.codes import ExecInst
from engine.schema import COMMAND
from gateway.sessions.actions import Reply
from gateway.sessions.http_calls import HttpCall, http
from gateway.sessions.rate_limits import RateLimits
from tests.gateway.desk import BTC, MS, NOW, Desk, answer, submitted

I = BTC.name  # noqa: E741 - the instrument


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.registry.close()


def row(actions):
    return np.frombuffer(submitted(actions).rows, COMMAND)[0]


def call(desk, verb, target, body=b"", **headers):
    return http(desk.context, desk.rows, HttpCall(verb, target, headers, body), NOW)


def bearer(desk):
    key = desk.keys["alice"]
    target = f"/api/v2/public/auth?grant_type=client_credentials&client_id={key.id}&client_secret={key.secret}"
    return "Bearer " + answer(call(desk, "GET", target))["result"]["access_token"]


def test_http_get_and_post(desk):
    assert answer(call(desk, "GET", "/api/v2/public/get_time"))["result"] == NOW // MS
    body = json.dumps({"jsonrpc": "2.0", "id": 9, "method": "public/get_time", "params": {}}).encode()
    assert answer(call(desk, "POST", "/api/v2/public/get_time", body))["id"] == 9
    token = bearer(desk)
    target = f"/api/v2/private/buy?instrument_name={I}&amount=0.5&price=20000.5&reduceOnly=true&label=a%20b"
    command = row(call(desk, "GET", target, authorization=token))
    assert (command["qty_lots"], command["price_ticks"]) == (5000, 40001)
    assert command["flags"] == ExecInst.REDUCE_ONLY | ExecInst.LABELLED


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/", "/api/v2/private/buy"])
def test_a_whole_request_is_posted_to_the_endpoint_and_signed_over_its_path(desk, path):
    key, place = desk.keys["alice"], {"instrument_name": I, "amount": 0.5, "price": 20000.5, "post_only": "true"}
    body = json.dumps({"id": 9, "jsonrpc": "2.0", "method": "/private/buy", "params": place}).encode()

    def signed_over(target):
        text = f"{NOW // MS}\n{target}\nPOST\n{target}\n".encode() + body + b"\n"
        signature = hmac.new(key.secret.encode(), text, hashlib.sha256).hexdigest()
        return f"deri-hmac-sha256 id={key.id},ts={NOW // MS},sig={signature},nonce={target}"

    command = row(call(desk, "POST", path, body, authorization=signed_over(path)))
    assert (command["qty_lots"], command["flags"]) == (5000, ExecInst.POST_ONLY)
    assert answer(call(desk, "POST", path, body, authorization=signed_over("/api/v2/other")))["error"]["code"] == 13004
    assert answer(call(desk, "POST", path, body))["error"]["code"] == 13009


@pytest.mark.parametrize(
    "question, is_refused",
    [
        ("private/get_positions?currency=USDC", False),
        ("private/get_order_state?order_id=1", False),
        ("private/cancel?order_id=1", False),
        ("private/cancel?cl_ord_id=7", True),
        ("private/cancel_all", True),
        (f"private/buy?instrument_name={I}&amount=0.5&price=20000.5", True),
    ],
)
def test_equal_calls_of_one_millisecond_are_signed_alike(desk, question, is_refused):
    key, target = desk.keys["alice"], f"/api/v2/{question}"
    signature = hmac.new(key.secret.encode(), f"{NOW // MS}\nn\nGET\n{target}\n\n".encode(), hashlib.sha256).hexdigest()
    header = f"deri-hmac-sha256 id={key.id},ts={NOW // MS},sig={signature},nonce=n"
    call(desk, "GET", target, authorization=header)
    (again,) = call(desk, "GET", target, authorization=header)
    assert (isinstance(again, Reply) and answer([again]).get("error", {}).get("code") == 13004) == is_refused


@pytest.mark.parametrize(
    "verb, target, body, code",
    [
        ("GET", "/api/v2/private/get_positions", b"", 13009),
        ("GET", "/api/v2/public/nope", b"", -32601),
        ("GET", "/api/v2/public/subscribe?channels=a", b"", -32602),
        ("POST", "/api/v2/public/subscribe", b'{"id":1,"method":"public/subscribe","params":{"channels":[]}}', -32601),
        ("GET", "/api/v2/public/set_heartbeat?interval=10", b"", -32601),
        ("GET", "/other", b"", -32601),
        ("GET", "/api/v2", b"", -32601),
        ("POST", "/api/v22", b'{"id":1,"method":"public/test"}', -32601),
        ("POST", "/api/v2", b'{"id":1,"method":"//public/test"}', -32601),
        ("POST", "/api/v2", b'{"id":1,"method":"public/subscribe","params":{"channels":[]}}', -32601),
        ("PUT", "/api/v2/public/get_time", b"", -32601),
        ("POST", "/api/v2/public/get_time", b"", -32700),
        ("POST", "/api/v2/public/test", b'{"id":1,"method":"public/get_time"}', -32600),
        ("GET", "/api/v2/public/ticker?instrument_name=%ff%fe", b"", 10020),
        ("GET", "/api/v2/public/ticker", b"", -32602),
    ],
)
def test_http_calls_that_are_wrong(desk, verb, target, body, code):
    assert answer(call(desk, verb, target, body))["error"]["code"] == code


@pytest.mark.parametrize("method", ["private/get_positions", "public/subscribe", "public/set_heartbeat"])
def test_a_refusal_over_http_has_the_id_of_its_request(desk, method):
    params = {"channels": [], "interval": 30}
    body = json.dumps({"jsonrpc": "2.0", "id": 9, "method": method, "params": params}).encode()
    refused = answer(call(desk, "POST", "/api/v2", body, authorization="Bearer nonsense"))
    assert refused["id"] == 9 and refused["error"]["code"] in (13009, -32601)


def test_http_without_a_key_is_limited_by_address(tmp_path):
    desk = Desk(tmp_path, limits=RateLimits(anonymous_per_s=10, anonymous_burst=2))

    def codes(peer, times):
        target = "/api/v2/public/get_time"
        replies = [http(desk.context, desk.rows, HttpCall("GET", target, {}, b"", peer), NOW) for _ in range(times)]
        return [answer(actions).get("error", {}).get("code") for actions in replies]

    assert codes("10.0.0.1", 3) == [None, None, 10028]
    assert codes("10.0.0.2", 1) == [None]
    desk.registry.close()


def test_http_logout_ends_the_token(desk):
    token = bearer(desk)
    assert answer(call(desk, "GET", "/api/v2/private/get_positions", authorization=token))["result"] == []
    assert answer(call(desk, "GET", "/api/v2/private/logout", authorization=token))["result"] == "ok"
    assert answer(call(desk, "GET", "/api/v2/private/get_positions", authorization=token))["error"]["code"] == 13009
    wrong = call(desk, "GET", "/api/v2/private/get_positions", authorization="Bearer nonsense")
    assert answer(wrong)["error"]["code"] == 13009
