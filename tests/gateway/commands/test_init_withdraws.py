"""`lionrock admin init` withdraws eligibility that the host gave: what no record is behind opens nothing afterwards."""

import json

import pytest

from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, InvestorClass, OrdType, Reason, Side, TimeInForce
from gateway import cli, clock
from gateway.config import Config
from gateway.office.bootstrap import list_contracts, set_up_venue
from gateway.office.changes import KINDS
from gateway.office.proposals import Office
from gateway.office.unrecorded import NOTE, withdraw_unrecorded
from gateway.registry.registry import Intent, Registry
from gateway.registry.required_attributes import GIVEN
from gateway.sessions.actions import Pending
from gateway.venue.venue import Venue
from gateway.wire.command_rows import NewRow, Signer, new_row
from tests.gateway.commands.test_admin import Lionrock, officer_words


class Answer(Pending):
    """Keeps the outcome of a command."""

    def complete(self, outcome, now_ns):
        self.outcome = outcome


def order_reason(folder, account_slot=0, person=1):
    """Why an order that opens is refused on a venue that starts on a data folder; row 17 is far enough."""
    venue, answer = Venue(Config(data=str(folder))), Answer()
    venue.take_intents()
    row = NewRow(0, Side.BUY, OrdType.LIMIT, TimeInForce.GTC, qty_lots=10, price_ticks=100)
    venue.sequencer.submit(new_row(Signer(account_slot, person, 1), row), None, answer)
    venue.sequencer.settle()
    venue.close()
    return Reason(answer.outcome.reason)


@pytest.fixture
def lionrock(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LIONROCK_OFFICER", raising=False)
    (tmp_path / "data").mkdir()
    registry = Registry(tmp_path / "data" / "registry.db")
    list_contracts(registry, clock.wall_ns())
    set_up_venue(registry, clock.wall_ns(), 1_000_000)
    registry.close()
    return Lionrock(tmp_path, capsys)


def test_an_account_that_was_eligible_to_2089_opens_nothing_after_the_ceremony(lionrock, tmp_path):
    eligible = ["--class", "individual", "--eligible-until", "2089-12-31", "--deposit", "1000"]
    lionrock("account", "create", "alice", *eligible)
    lionrock("account", "create", "alice-2", "--client", "alice", *eligible)
    lionrock("account", "create", "bob", "--class", "institutional")
    lionrock("account", "create", "carol")
    lionrock("key", "create", "alice", "--person", "Alice Chan", "--knowledge-until", "2089-12-31")
    assert order_reason(tmp_path / "data") == Reason.REFERENCE_PRICE_UNAVAILABLE
    words = officer_words(("Ann", tmp_path / "ann.key"), ("Ben", tmp_path / "ben.key"))
    args = lionrock.parse("admin", "init", *words)
    assert args.run(args) == 0
    said = lionrock.captured().err
    assert "no record is behind it: the eligibility of 3 accounts: alice, alice-2, bob" in said
    assert "no record is behind it: the knowledge of 1 person: Alice Chan" in said
    assert "carried out at the next start; evidence restores it, with two officers" in said
    assert [order_reason(tmp_path / "data", slot) for slot in (0, 1)] == [Reason.KYC_NOT_VALID] * 2
    registry = lionrock.registry()
    for slot in (0, 1):
        assert {registry.attribute(slot, attribute) for attribute in (A.INVESTOR_CLASS, *GIVEN)} == {0}
    assert registry.attribute(2, A.INVESTOR_CLASS) == 0 and registry.attribute(3, A.INVESTOR_CLASS) is None
    assert registry.known_value(Intent(CommandKind.PERSON_SET, person=1)) == 0
    registry.close()
    [row] = [row for row in lionrock("account", "list") if row["name"] == "bob"]
    assert row["class"] == "none"


def test_what_officers_have_recorded_stays(lionrock, tmp_path):
    """A second look, or keys of officers that were made before: only what no change gave is withdrawn."""
    words = officer_words(("Ann", tmp_path / "ann.key"), ("Ben", tmp_path / "ben.key"))
    lionrock("admin", "init", *words)
    assert json.loads((tmp_path / "ann.key").read_text())["id"]
    lionrock("account", "create", "alice", "--as", str(tmp_path / "ann.key"), "--reason", "r")
    registry, now_ns = lionrock.registry(), clock.wall_ns()
    ann, ben = (registry.key(json.loads((tmp_path / name).read_text())["id"]) for name in ("ann.key", "ben.key"))
    params = KINDS["record_agreement"].params(
        client="alice", version="1", document_date="2026-11-01", document_hash="0" * 64, reason="signed"
    )
    change = Office(registry).submit("record_agreement", params, ann, now_ns)
    Office(registry).approve(change.number, ben, "", now_ns)
    registry.set_attribute(0, A.VA_KNOWLEDGE, 1, now_ns, "by the host's own hand")
    registry.set_attribute(0, A.INVESTOR_CLASS, int(InvestorClass.INDIVIDUAL), now_ns, "the same")
    withdrawn = withdraw_unrecorded(registry, now_ns)
    assert (withdrawn.accounts, withdrawn.persons) == (["alice"], [])
    assert registry.attribute(0, A.AGREEMENT) == 1
    assert registry.attribute(0, A.VA_KNOWLEDGE) == registry.attribute(0, A.INVESTOR_CLASS) == 0
    assert [intent.note for intent in registry.pending_intents()[-2:]] == [NOTE, NOTE]
    assert withdraw_unrecorded(registry, now_ns).accounts == []
    registry.close()


@pytest.mark.parametrize(
    ("room", "words"),
    [
        ("account", ["create", "eve", "--class", "individual", "--eligible-until", "2089-12-31"]),
        ("account", ["deposit", "alice", "5"]),
        ("key", ["create", "alice", "--person", "Eve", "--scopes", "read"]),
    ],
)
def test_what_was_begun_before_officers_were_named_is_refused(tmp_path, lionrock, monkeypatch, capsys, room, words):
    lionrock("account", "create", "alice")
    monkeypatch.setattr(f"gateway.commands.{room}.acting_officer", lambda registry, _: registry.govern(clock.wall_ns()))
    with pytest.raises(SystemExit, match="2"):
        cli.main([room, *words, "--data", str(tmp_path / "data")])
    assert "officers: this venue has them" in capsys.readouterr().err
    registry = Registry(tmp_path / "data" / "registry.db")
    assert [account.name for account in registry.accounts()] == ["alice"] and registry.keys() == []
    registry.close()
