"""Whoever alters the registry's file is found: every row of a change and of a record is what the log vouches for."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.codes import NIL, CommandKind
from engine.host import JournalReader
from engine.schema import DIRECTIVE
from gateway import cli, clock
from gateway.audit_trail.verify_registry import check_registry
from gateway.config import Config
from gateway.office.changes import KINDS
from gateway.office.evidence_params import Item
from gateway.office.proposals import Office
from gateway.registry import identities
from gateway.registry.registry import Key, KeyOrder, Registry
from gateway.registry.vault import Vault
from gateway.venue.venue import Venue
from gateway.wire.civil_dates import civil_date
from tests.gateway.identified import document
from tests.gateway.live import config_of
from tests.gateway.registry.older_file import older_file

HASH = "ab" * 32
TODAY = str(civil_date(clock.wall_ns()))
ITEM = Item(
    document="custodian_statement", date=TODAY, date_means="issued", hash=HASH, asset="securities", amount="1030000",
    currency="USD", rate="7.8", rate_source="HKMA", rate_date=TODAY,
)  # fmt: skip
EVIDENCE = {"client": "alice", "investor": "individual", "items": [ITEM]}
TEXT = {"disclosure": "product", "version": 1, "text": "You may lose all of it."}


def officer(registry: Registry, name: str) -> Key:
    person = registry.person(name, 1)
    identities.bind(registry, person, document(person), 0, 1)
    order = KeyOrder(f"key-{name}", NIL, person, "ed25519", b"v" * 32, ("compliance", "admin"), "")
    return registry.add_key(order, 1)


class Governed:
    """A venue with two officers: changes of every fate, and the log that has them."""

    def __init__(self, folder: Path) -> None:
        self.config = config_of(folder / "data")
        Path(self.config.data).mkdir(parents=True)
        registry = Registry(self.config.registry)
        Vault(self.config.vault, registry)
        self.ann, self.ben = officer(registry, "Ann"), officer(registry, "Ben")
        registry.create_account("alice", clock.wall_ns())
        registry.govern(clock.wall_ns())
        self._registry = registry
        self.evidence = self.decided("record_evidence", **EVIDENCE)
        self.frozen = self.submit("set_restriction", account="alice", restriction="frozen").number
        self.rejected = self.submit("fund_deposit", amount="5").number
        Office(registry).reject(self.rejected, self.ben, "who is it?", clock.wall_ns())
        self.waiting = self.submit("fund_deposit", amount="7").number
        issue = {"key": "lr1", "person": "Alice", "scopes": "read", "kind": "ed25519", "verifier": "A" * 43 + "="}
        issue |= {"identity": document(77)}
        self.issued = self.decided("issue_key", account="alice", **issue)
        self.decided("issue_key", account="alice", **issue | {"key": "lr2"})
        self.decided("revoke_key", key="lr2")
        self.decided("publish_disclosure", **TEXT)
        registry.close()
        self.run()

    def submit(self, kind: str, /, **fields: Any) -> Any:
        params = KINDS[kind].params(reason="because", **fields)
        return Office(self._registry).submit(kind, params, self.ann, clock.wall_ns())

    def decided(self, kind: str, /, **fields: Any) -> int:
        change = self.submit(kind, **fields)
        if change.state == "proposed":
            Office(self._registry).approve(change.number, self.ben, "seen", clock.wall_ns())
        return int(change.number)

    def run(self) -> None:
        """The venue runs once: the log has what the registry says."""
        venue = Venue(self.config)
        venue.take_intents()
        venue.close()


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Governed:
    return Governed(tmp_path_factory.mktemp("governed"))


def silent(done: int, total: int) -> None:
    return None


def problems(config: Config, registry: Path | None = None) -> list[str]:
    return check_registry(config.journal, registry or config.registry, silent).problems


def test_an_unaltered_registry_is_what_the_log_vouches_for(
    governed: Governed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert problems(governed.config) == []
    assert cli.main(["audit", "verify", "--journal", governed.config.data]) == 0
    assert "8 changes, 3 records and " in capsys.readouterr().out


def test_every_change_is_vouched_for_in_the_log(governed: Governed) -> None:
    """A proposal when it is made and when it is decided, with or without directives."""
    reader = JournalReader(governed.config.journal)
    rows = [row.copy() for batch in reader.batches() for row in batch.view(DIRECTIVE) if row["reason"]]
    seen = {(int(row["reason"]), CommandKind(row["kind"]).name) for row in rows if row["digest"].any()}
    assert {(governed.rejected, "ATTEST"), (governed.waiting, "ATTEST"), (governed.issued, "ATTEST")} <= seen
    assert {(governed.evidence, "ATTEST"), (governed.evidence, "ACCOUNT_SET")} <= seen
    assert len({row["digest"].tobytes() for row in rows if row["reason"] == governed.rejected}) == 2
    assert all(row["digest"].any() for row in rows)


def altered(governed: Governed, tmp_path: Path, *statements: str) -> list[str]:
    """What is found after somebody has altered a copy of the file."""
    copy = tmp_path / "registry.db"
    shutil.copy(governed.config.registry, copy)
    db = sqlite3.connect(copy)
    for statement in statements:
        assert db.execute(statement).rowcount > 0, statement
    db.commit()
    db.close()
    return problems(governed.config, copy)


def details(key: str, value: str) -> str:
    return f"UPDATE records SET details = json_set(details, '$.{key}', '{value}') WHERE topic = 'evidence'"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE records SET document_hash = 'cd' WHERE topic = 'evidence'",
            "record 1: document_hash is 'cd', the log",
        ),
        (
            "UPDATE records SET details = replace(details, '1030000', '9030000') WHERE number = 1",
            "record 1: details.items.0.amount is '9030000', the log vouches for '1030000'",
        ),
        (
            "UPDATE changes SET params = replace(params, '1030000', '9030000') WHERE number = 1",
            "params.items.0.amount is '9030000', the log vouches for '1030000'",
        ),
        ("UPDATE records SET valid_through = '2089-12-31' WHERE number = 1", "record 1"),
        ("UPDATE records SET recorded_ns = 7 WHERE number = 1", "record 1: recorded_ns is 7"),
        ("UPDATE records SET topic = 'kyc' WHERE number = 1", "record 1"),
        ("UPDATE changes SET reason = 'x' WHERE number = 1", "reason is 'x', the log vouches for 'because'"),
        ("UPDATE changes SET reason = 'x' WHERE number = 3", "reason is 'x', the log vouches for 'because'"),
        ("UPDATE changes SET note = 'x' WHERE number = 1", "change 1 (record_evidence): its decision"),
        ("UPDATE changes SET approver = 1 WHERE number = 1", "approver is 1, the log vouches for 2"),
        ("UPDATE changes SET actor = 2 WHERE number = 2", "actor is 2, the log vouches for 1"),
        ("UPDATE changes SET decided_ns = 5 WHERE number = 1", "decided_ns is 5"),
        ("UPDATE changes SET created_ns = 5 WHERE number = 4", "change 4 (fund_deposit)"),
        ("UPDATE changes SET state = 'approved' WHERE number = 3", "change 3 (fund_deposit)"),
        ("UPDATE changes SET params = replace(params, '\"7\"', '\"700\"') WHERE number = 4", "change 4"),
        ("UPDATE changes SET params = replace(params, 'read', 'read,trade') WHERE number = 5", "change 5 (issue_key)"),
        ("DELETE FROM changes WHERE number = 3", "change 3 is missing"),
        ("DELETE FROM changes WHERE number = 5", "change 5 is missing: the log vouches for it at sequence"),
        ("DELETE FROM records WHERE number = 1", "record 1 is missing"),
        ("DELETE FROM records WHERE number = 2", "change 2 (set_restriction): its row or a record that was deleted"),
        (
            "INSERT INTO records SELECT 4, topic, client_id, account_slot, person, details, document_hash, "
            "valid_through, change, recorded_ns FROM records WHERE number = 1",
            "record 4 was added",
        ),
        (
            "INSERT INTO changes SELECT 9, kind, params, reason, actor, actor_key, created_ns, expires_ns, state, "
            "approver, approver_key, decided_ns, note FROM changes WHERE number = 2",
            "change 9 (set_restriction) was added",
        ),
        (
            "UPDATE keys SET scopes = 'read trade' WHERE id = 'lr1'",
            "key lr1: scopes is ['read', 'trade'], change 5 says",
        ),
        ("UPDATE keys SET verifier = x'00' WHERE id = 'lr1'", "key lr1: verifier is "),
        ("UPDATE keys SET person = 1 WHERE id = 'lr1'", "key lr1: person is 'Ann', change 5 says 'Alice'"),
        ("UPDATE keys SET account_slot = NULL WHERE id = 'lr1'", "key lr1: account is '', change 5 says 'alice'"),
        ("UPDATE keys SET revoked_ns = NULL WHERE id = 'lr2'", "key lr2 is live again: change 7 revoked it"),
        ("DELETE FROM keys WHERE id = 'lr1'", "key lr1 is missing: change 5 issued it"),
        (
            "INSERT INTO keys SELECT 9, 'lr9', account_slot, person, kind, verifier, scopes, label, created_ns, "
            "revoked_ns FROM keys WHERE id = 'lr1'",
            "key lr9 was added: no change issued it",
        ),
        ("UPDATE intents SET value = 4 WHERE change = 2", "value is 4, the log has 1"),
        ("UPDATE intents SET amount_micros = 4 WHERE reference = 1", "directive 1, sequence 1: amount_micros is 4"),
        ("UPDATE intents SET digest = x'' WHERE change = 2", "digest is "),
        ("DELETE FROM intents WHERE reference = 2", "directive 2 is missing"),
        ("UPDATE accounts SET client_id = 2", "account alice: client_id is 2, sequence 2 says 1"),
        ("UPDATE identities SET person = 1 WHERE change = 5", "identity of Ann (passport HK): change 5 says another"),
        ("UPDATE identities SET digest = 'cd' WHERE change = 5", "identity of Alice (passport HK): change 5 says"),
        ("UPDATE disclosures SET text = 'You win.'", "disclosure product, version 1: its text is not the one"),
        ("UPDATE disclosures SET effective_from = '2020-01-01'", "version 1: effective_from is 2020-01-01, its record"),
        ("DELETE FROM disclosures", "disclosure product, version 1 is missing"),
        (
            "INSERT INTO intents (reference, kind, code, account_slot, contract_slot, item, person, value, "
            "amount_micros, actor, approver, note, created_ns, applied_seq) "
            "VALUES (77, 20, 0, 0, -1, 0, 0, 0, 9, 0, 0, '', 1, 3)",
            "directive 77 was added",
        ),
    ],
)
def test_what_was_altered_is_named(statement: str, words: str, governed: Governed, tmp_path: Path) -> None:
    found = altered(governed, tmp_path, statement)
    assert any(words in problem for problem in found), found


def test_every_column_of_a_change_and_a_record_is_vouched_for(governed: Governed, tmp_path: Path) -> None:
    """Also those that another release adds: a column that gets a value is one more fact."""
    db = sqlite3.connect(governed.config.registry)
    for table in ("changes", "records"):
        names = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] != "number"]
        for name in names:
            allowed = {"state": "'done'", "details": "'{}'", "params": "'{}'"}.get(name, "'7'")
            found = altered(governed, tmp_path, f"UPDATE {table} SET {name} = {allowed} WHERE number = 1")
            assert found, (table, name)
    for table in ("changes", "records"):
        add = f"ALTER TABLE {table} ADD COLUMN more TEXT NOT NULL DEFAULT ''"
        copy = tmp_path / "more.db"
        shutil.copy(governed.config.registry, copy)
        more = sqlite3.connect(copy)
        more.execute(add)
        assert problems(governed.config, copy) == []
        more.execute(f"UPDATE {table} SET more = 'x' WHERE number = 1")
        more.commit()
        more.close()
        assert problems(governed.config, copy) != []
    db.close()


def test_what_waits_for_the_venue_is_no_alteration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    governed = Governed(tmp_path)
    governed._registry = Registry(governed.config.registry)
    governed.submit("set_restriction", account="alice", restriction="closed")
    Office(governed._registry).approve(governed.waiting, governed.ben, "", clock.wall_ns())
    governed._registry.close()
    assert cli.main(["audit", "verify", "--journal", governed.config.data]) == 0
    assert "directives wait for the venue" in capsys.readouterr().out
    governed.run()
    assert cli.main(["audit", "verify", "--journal", governed.config.data, "--json"]) == 0
    part = json.loads(capsys.readouterr().out)[-1]
    assert part["problems"] == [] and "wait" not in part["summary"]


def test_the_changes_of_an_earlier_release_are_vouched_for_at_once(tmp_path: Path) -> None:
    governed = Governed(tmp_path)
    with older_file(governed.config.registry, 3) as db:
        db.executescript(
            "DELETE FROM intents WHERE kind = 29; UPDATE intents SET applied_seq = NULL, reason = NULL; "
            "ALTER TABLE intents DROP COLUMN digest; DROP TABLE IF EXISTS log_tip;"
        )
    shutil.rmtree(governed.config.journal)
    for file in [*Path(governed.config.data).glob("projection-*"), *Path(governed.config.data).glob("journal.tip")]:
        file.unlink()
    governed.run()
    assert problems(governed.config) == []
    found = altered(governed, tmp_path, "UPDATE changes SET note = 'x' WHERE number = 3")
    assert len(found) == 1 and "change 3" in found[0]
