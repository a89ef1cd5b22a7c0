"""The scope of a login: what a client may ask for, and what is refused instead of ignored."""

import pytest

from gateway.registry.login_scope import check_scope
from gateway.wire.errors import Refusal
from tests.gateway.desk import Desk, ask

TRADER = frozenset({"read", "trade"})


@pytest.mark.parametrize(
    "scope",
    [
        "", "connection", "session:bot", "session:a mainaccount", "trade:read_write", "expires:3600",
        "session:apiconsole-1 expires:2592000", "account:read trade:read_write wallet:none",
        "trade:read_write wallet:read_write block_trade:read_write",
    ],
)  # fmt: skip
def test_what_is_given_anyway_may_be_asked_for(scope):
    check_scope(scope, TRADER, 3600)


@pytest.mark.parametrize(
    "scope, why",
    [
        ("trade:read", "also holds trade"), ("account:read_write", "also holds trade"), ("trade:none", "read trade"),
        ("expires:60", "3600 s"), ("admin", "not a scope"), ("session:", "not a scope"), ("trade:write", "not a scope"),
    ],
)  # fmt: skip
def test_less_than_the_key_holds_and_what_is_unknown_is_refused(scope, why):
    with pytest.raises(Refusal, match=why) as caught:
        check_scope(scope, TRADER, 3600)
    assert caught.value.param == "scope"


def test_a_refused_scope_costs_no_refresh_token(tmp_path):
    desk = Desk(tmp_path)
    session, key = desk.session("alice"), desk.keys["alice"]
    login = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
    assert ask(session, "public/auth", **login, scope="trade:read")["error"]["data"]["param"] == "scope"
    token = ask(session, "public/auth", **login, scope="session:bot")["result"]["refresh_token"]
    renew = {"grant_type": "refresh_token", "refresh_token": token}
    assert ask(session, "public/auth", **renew, scope="trade:read")["error"]["data"]["param"] == "scope"
    assert "result" in ask(session, "public/auth", **renew)
    desk.registry.close()
