"""A currency is the one that a contract is settled in, in every method and channel that takes one."""

import msgspec
import pytest

from gateway.document.sample_rows import sample_projection
from gateway.sessions.method_table import METHODS
from gateway.wire.channels import NoChannelError, parse
from gateway.wire.currencies import CURRENCIES
from tests.gateway.desk import NOW, Desk, ask

MS = 1_000_000
REST = {"start_timestamp": 0, "end_timestamp": NOW // MS, "label": "bot", "include_unfilled": True}
"""What the methods need beside the currency."""
WITH_ANY = {"public/get_instruments", "private/get_positions", "private/cancel_all_by_kind_or_type"}
EMPTY = (
    [], 0, {"trades": [], "has_more": False}, {"logs": [], "continuation": None}, {"data": [], "count": 0},
    {"settlements": [], "continuation": ""}, {"entries": [], "continuation": ""},
)  # fmt: skip


def fields_of(method):
    return {field.encode_name: field for field in msgspec.structs.fields(METHODS[method].params)}


TAKES_CURRENCY = sorted(
    name for name in METHODS if "currency" in fields_of(name) and not name.startswith("venue/admin/")
)


@pytest.fixture
def alice(tmp_path):
    desk = Desk(tmp_path)
    desk.rows.__dict__.update(sample_projection().__dict__)
    yield desk.session("alice")
    desk.registry.close()


def asked(session, method, currency):
    params = {name: value for name, value in REST.items() if name in fields_of(method)}
    return session.receive(
        msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "currency": currency}}),
        NOW,
    )


def test_the_walk_finds_the_methods():
    assert len(TAKES_CURRENCY) >= 9 and set(TAKES_CURRENCY) > WITH_ANY


@pytest.mark.parametrize("method", TAKES_CURRENCY)
def test_every_method_knows_the_same_currencies(alice, method):
    for currency in CURRENCIES:
        [action] = asked(alice, method, currency)
        if currency == "USDC" and hasattr(action, "pending"):
            continue
        answer = msgspec.json.decode(action.data)
        if currency == "USDC":
            assert answer["result"] not in EMPTY
        elif method == "private/get_account_summary":
            assert (answer["result"]["currency"], answer["result"]["equity"]) == (currency, 0)
        else:
            assert answer["result"] in EMPTY, currency
    for unknown in ("XYZ", "BTC_USDC", ""):
        error = msgspec.json.decode(asked(alice, method, unknown)[0].data)["error"]
        assert (error["code"], error["data"]["param"]) == (-32602, "currency")
        assert unknown in error["data"]["reason"] and "EURR" in error["data"]["reason"]


@pytest.mark.parametrize("method", TAKES_CURRENCY)
def test_any_is_taken_where_the_protocol_has_it(alice, method):
    [action] = asked(alice, method, "any")
    is_taken = hasattr(action, "pending") or "result" in msgspec.json.decode(action.data)
    assert is_taken is (method in WITH_ANY)


def test_the_transaction_log_never_stamps_another_currency(alice):
    rows = ask(alice, "private/get_transaction_log", currency="usdc", start_timestamp=0, end_timestamp=NOW // MS)
    assert {row["currency"] for row in rows["result"]["logs"]} == {"USDC"}


@pytest.mark.parametrize("kind", ["option", "spot", "future_combo", "option_combo"])
def test_kinds_without_instruments_are_empty_and_others_refused(alice, kind):
    for method in ("public/get_instruments", "private/get_positions", "private/get_open_orders"):
        assert ask(alice, method, kind=kind)["result"] == []
        assert ask(alice, method, kind="future")["result"] == ask(alice, method, kind="any")["result"] != []
        assert ask(alice, method, kind="linear")["error"]["data"]["param"] == "kind"


def test_channels_follow_the_same_rule():
    names = "user.orders.any.{}.raw", "user.trades.future.{}.100ms", "user.changes.any.{}.raw"
    for name in names:
        for currency in (*CURRENCIES, "any", "usdc"):
            assert parse(name.format(currency), {}.get, 0).currency == currency.upper()
        with pytest.raises(NoChannelError, match="'XYZ' is not a currency; choose from any, BTC, ETH, USDC"):
            parse(name.format("XYZ"), {}.get, 0)
