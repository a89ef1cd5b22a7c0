"""Freeze, kill switch and limit of a client, as officers ask for them, and what both are told of a frozen one."""

import pytest

from engine.codes import AccountAttribute as A
from engine.codes import ClientAttribute as C
from gateway.registry.clients import client_value
from gateway.registry.registry import KeyOrder, RegistryError
from tests.gateway.office.test_proposals import BTC, HASH, NOW, D, Venue, evidence, issue


@pytest.fixture
def venue(tmp_path):
    venue = Venue(tmp_path / "registry.db")
    yield venue
    venue.registry.close()


def of_client(venue, number=1):
    """(what, value) of the directives about a client that wait for the log."""
    return [(C(i.code), i.value, i.sweeps) for i in venue.writes() if i.kind == D.CLIENT_SET and i.item == number]


@pytest.mark.parametrize("named", [{"client": "alice"}, {"account": "alice-bot"}])
def test_a_freeze_is_the_clients_whichever_account_is_named(venue, named):
    venue.registry.create_account("alice-bot", NOW, parent="alice")
    assert venue.submit("set_restriction", restriction="frozen", **named).state == "done"
    assert of_client(venue) == [(C.FROZEN, 1, True)]
    assert [i for i in venue.writes() if i.code == A.RESTRICTION and i.kind == D.ACCOUNT_SET] == []
    with pytest.raises(RegistryError, match="the freeze is alice's: give client"):
        venue.submit("set_restriction", account="alice-bot", restriction="none")
    lifting = venue.submit("set_restriction", client="alice", restriction="none")
    assert lifting.state == "proposed"
    venue.office.approve(lifting.number, venue.ben, "", NOW)
    assert of_client(venue)[1:] == [(C.FROZEN, 0, False)]
    for fields in ({}, {"account": "alice", "client": "alice"}):
        with pytest.raises(RegistryError, match="one of them"):
            venue.submit("set_restriction", restriction="frozen", **fields)


def test_closing_every_account_leaves_the_client_frozen(venue):
    venue.submit("set_restriction", client="alice", restriction="frozen")
    assert venue.submit("set_restriction", account="alice", restriction="closed").state == "done"
    assert client_value(venue.registry, "alice", C.FROZEN) == 1
    assert venue.submit("open_account", account="third", client="alice").state == "done"
    bound = venue.writes()[-1]
    assert (A(bound.code), bound.value, bound.account_slot) == (A.CLIENT, 1, venue.registry.account("third").slot)


def test_a_change_that_touches_a_frozen_client_says_so(venue, monkeypatch):
    """In the answer, in the list and to the second officer, whichever way the change names the client."""
    venue.registry.create_account("bob", NOW)
    venue.registry.set_attribute(0, A.GROUP, 7, NOW, "")
    person = venue.registry.person("Alice", NOW)
    venue.registry.add_key(KeyOrder("ka", 0, person, "ed25519", b"v" * 32, ("read",), ""), NOW)
    touching = [
        venue.submit("record_withdrawal", account="alice", amount="5"),
        venue.submit("record_evidence", **evidence()),
        venue.submit("set_group_limit", group=7, instrument_name=BTC, max_amount="5"),
        venue.submit("issue_key", **issue("n9", "Alice", "read,trade", account="alice")),
        venue.submit("open_account", account="alice-new", client="alice"),
        venue.submit("open_account", account="alice-sub", parent="alice"),
        venue.submit("kill_switch", target="account", name="alice", is_on=True),
        venue.submit("kill_switch", target="client", name="alice", is_on=True),
        venue.submit("kill_switch", target="group", name="7", is_on=True),
        venue.submit("revoke_key", key="ka"),
        venue.submit(
            "record_knowledge", subject="derivatives", person="Alice", document_date="2026-01-31",
            document_hash=HASH, valid_through="2027-01-31",
        ),
    ]  # fmt: skip
    others = [
        venue.submit("record_deposit", account="bob", amount="5"),
        venue.submit("fund_deposit", amount="5"),
        venue.submit("kill_switch", target="venue", is_on=True),
    ]
    for change in (*touching, *others):
        assert venue.office.described(change, NOW)["frozen_clients"] == [], change.kind
    venue.submit("set_restriction", client="alice", restriction="frozen")
    with monkeypatch.context() as patch:
        for everything in ("accounts", "keys"):  # a list asks this of each change: all accounts would take seconds
            patch.delattr(f"gateway.registry.registry.Registry.{everything}")
        for change in touching:
            assert venue.office.described(change, NOW)["frozen_clients"] == ["alice"], change.kind
        for change in others:
            assert venue.office.described(change, NOW)["frozen_clients"] == [], change.kind
    venue.done("set_restriction", client="alice", restriction="none")
    assert venue.office.frozen_clients(touching[0]) == []


def test_kill_switch_and_limit_of_a_client(venue):
    venue.submit("kill_switch", target="client", name="alice", is_on=True)
    venue.submit("set_limits", client="alice", max_exposure="1000.5")
    assert of_client(venue) == [(C.KILL_SWITCH, 1, True), (C.MAX_EXPOSURE_MICROS, 1_000_500_000, False)]
    with pytest.raises(RegistryError, match="max_exposure alone"):
        venue.submit("set_limits", client="alice", max_exposure="5", max_leverage=3)
    with pytest.raises(RegistryError, match="max_exposure: it is missing"):
        venue.submit("set_limits", client="alice")
    with pytest.raises(RegistryError, match="no client 'carol'"):
        venue.submit("kill_switch", target="client", name="carol", is_on=True)


def test_a_client_has_so_many_accounts_and_no_more(venue, monkeypatch):
    monkeypatch.setattr("gateway.registry.registry.MAX_CLIENT_MEMBERS", 2)
    venue.submit("open_account", account="second", client="alice")
    for fields in ({"client": "alice"}, {"parent": "alice"}):
        with pytest.raises(RegistryError, match="'alice' has 2 accounts, the most"):
            venue.submit("open_account", account="third", **fields)
