"""The registry: what it keeps, what it refuses, and that intents are applied once."""

import stat

import pytest

from engine.codes import NIL, AccountAttribute, CommandKind, InvestorClass
from gateway.registry.clients import unbound_accounts
from gateway.registry.registry import ContractRecord, Intent, KeyOrder, Record, Registry, RegistryError
from gateway.sessions.shared_context import Context
from tests.gateway.registry.older_file import older_file


@pytest.fixture
def registry(tmp_path):
    registry = Registry(tmp_path / "registry.db")
    yield registry
    registry.close()


def test_accounts_get_slots_and_intents(registry):
    alice = registry.create_account("alice", 10, investor_class=InvestorClass.INDIVIDUAL)
    desk = registry.create_account("alice-desk", 11, parent="alice")
    assert (alice.slot, desk.slot, desk.parent_slot, desk.client) == (0, 1, 0, "alice")
    assert [a.name for a in registry.accounts()] == ["alice", "alice-desk"]
    opened = registry.pending_intents()
    assert [(i.kind, i.account_slot, i.value, i.reference) for i in opened] == [
        (CommandKind.ACCOUNT_OPEN, 0, 1, 1),
        (CommandKind.ACCOUNT_SET, 0, 1, 2),
        (CommandKind.ACCOUNT_OPEN, 1, 0, 3),
        (CommandKind.ACCOUNT_SET, 1, 1, 4),
    ]
    assert [i.code for i in opened[1::2]] == [AccountAttribute.CLIENT] * 2
    assert unbound_accounts(registry) == []


@pytest.mark.parametrize(
    "name, parent, word",
    [
        ("alice", "", "exists"),
        ("", "", "1 to 64"),
        (" x", "", "1 to 64"),
        ("x" * 65, "", "1 to 64"),
        ("a\nb", "", "1 to 64"),
        ("7", "", "an account's number"),
        ("two  spaces", "", "write 'two spaces'"),
        ("\uff41lice", "", "write 'alice'"),
        ("Jose\u0301", "", "write 'Jos\u00e9'"),
        ("a\u202eb", "", "printable"),
        ("new", "nobody", "no account 'nobody'"),
        ("new", "sub", "itself a sub-account"),
    ],
)
def test_bad_accounts_change_nothing(registry, name, parent, word):
    registry.create_account("alice", 1)
    registry.create_account("sub", 1, parent="alice")
    before = registry.accounts(), registry.pending_intents()
    with pytest.raises(RegistryError, match=word):
        registry.create_account(name, 2, parent=parent)
    assert (registry.accounts(), registry.pending_intents()) == before


@pytest.mark.parametrize("client", ["a\nb", " x", "x" * 65, "\x1b[2Jbob", "two  spaces"])
def test_a_clients_name_is_held_to_the_same_rule(registry, client):
    with pytest.raises(RegistryError, match="client: "):
        registry.create_account("new", 2, client)
    assert registry.accounts() == []


def test_a_sub_account_is_its_parents_clients(registry):
    registry.create_account("alice", 1, "fund")
    with pytest.raises(RegistryError, match="'alice' belongs to 'fund'"):
        registry.create_account("new", 2, "other", "alice")
    assert registry.create_account("new", 2, "fund", "alice").client == "fund"


@pytest.mark.parametrize("name", ["ann lee", "ANN LEE", "Ann  Lee", "\uff21nn Lee"])
def test_nobody_is_a_second_person_by_another_spelling(registry, name):
    ann = registry.person("Ann Lee", 1)
    with pytest.raises(RegistryError, match="Ann Lee"):
        registry.person(name, 2)
    assert registry.person("Ann Lee", 3) == ann and registry.person("Anna Lee", 3) != ann


def test_intents_are_applied_once_and_survive_a_restart(tmp_path):
    first = Registry(tmp_path / "r.db")
    first.create_account("a", 1)
    first.set_attribute(0, AccountAttribute.VA_KNOWLEDGE, 1, 2, "assessed")
    first.mark_applied([(1, 100, 0), (2, 101, 0)])
    first.close()
    again = Registry(tmp_path / "r.db")
    assert [i.reference for i in again.pending_intents()] == [3]
    again.mark_applied([(3, 102, 1402)])
    assert again.pending_intents() == []
    found = [(intent.note, result) for intent, result in again.intents_of(0)]
    assert found == [("open a", (100, 0, None)), ("", (101, 0, None)), ("assessed", (102, 1402, None))]
    assert again.intents_between(2, 3) == again.intents_of(0)[2:]
    again.close()


def test_keys_scopes_and_separation_of_duties(registry):
    registry.create_account("a", 1)
    ann, bob = registry.person("Ann", 1), registry.person("Bob", 1)
    assert registry.person("Ann", 5) == ann != bob
    key = registry.add_key(KeyOrder("k1", 0, ann, "hmac", b"s", ["trade", "read"], "bot"), 2)
    assert key.scopes == {"read", "trade"} and registry.key("k1") == key
    with pytest.raises(RegistryError, match="one person"):
        registry.add_key(KeyOrder("k2", 0, ann, "hmac", b"s", ["admin"], ""), 3)
    with pytest.raises(RegistryError, match="one person"):
        registry.add_key(KeyOrder("k2", 0, bob, "hmac", b"s", ["trade", "compliance"], ""), 3)
    registry.revoke_key("k1", 9)
    assert registry.revoked_keys(0) == {"k1"} and registry.revoked_keys(1) is None
    registry.add_key(KeyOrder("k2", 0, ann, "hmac", b"s", ["admin"], ""), 10)
    with pytest.raises(RegistryError, match="revoked already"):
        registry.revoke_key("k1", 11)
    with pytest.raises(RegistryError, match="no key 'k9'"):
        registry.revoke_key("k9", 11)
    for scopes in ([], ["root"]):
        with pytest.raises(RegistryError, match="scopes"):
            registry.add_key(KeyOrder("k3", 0, bob, "hmac", b"s", scopes, ""), 12)
    assert [k.id for k in registry.keys(0)] == ["k1", "k2"]


def test_signatures_are_remembered_over_a_restart_and_then_forgotten(tmp_path):
    first = Registry(tmp_path / "r.db")
    assert first.use_once(b"x", 100, 1)
    assert not first.use_once(b"x", 100, 2)
    first.close()
    again = Registry(tmp_path / "r.db")
    assert again.is_used(b"x") and not again.use_once(b"x", 100, 3)
    assert again.use_once(b"y", 200_000_000_000, 150_000_000_000)
    assert not again.is_used(b"x")
    again.close()


def test_contracts_come_with_their_intents(registry):
    record = ContractRecord(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", "0.5", "0.0001", 5)
    registry.add_contract(record, [Intent(CommandKind.CONTRACT_CREATE, contract_slot=0)])
    assert registry.contracts() == [record]
    assert registry.pending_intents()[0].contract_slot == 0
    with pytest.raises(RegistryError, match="exists"):
        registry.add_contract(record, [])


def test_only_the_operator_reads_the_files(tmp_path):
    registry = Registry(tmp_path / "r.db")
    registry.create_account("a", 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    registry.close()
    names = [name + side for name in ("r.db", "signatures.db") for side in ("", "-wal", "-shm")]
    assert modes == dict.fromkeys(names, 0o600)


def test_a_revocation_is_noticed_whatever_the_time_it_bears(registry):
    registry.create_account("a", 1)
    person = registry.person("Ann", 1)
    for key_id in ("k1", "k2"):
        registry.add_key(KeyOrder(key_id, 0, person, "hmac", b"s", ["read"], ""), 2)
    context = Context(None, registry)
    registry.revoke_key("k2", 9)
    context.end_revoked_keys()
    registry.revoke_key("k1", 8)
    context.end_revoked_keys()
    assert context.ended_keys == {"k1", "k2"}


def test_accounts_are_found_by_a_value_in_force(registry):
    for name in ("a", "b", "c"):
        registry.create_account(name, 1)
    for slot, value in ((0, 5), (1, 5), (1, 9), (2, 4)):
        registry.set_attribute(slot, AccountAttribute.GROUP, value, 2, "")
    assert registry.accounts_with(AccountAttribute.GROUP, 4, 5) == [(0, 5), (2, 4)]
    assert registry.accounts_with(AccountAttribute.RESTRICTION, 0, 9) == []


def test_another_process_is_noticed(tmp_path):
    server, tool = Registry(tmp_path / "r.db"), Registry(tmp_path / "r.db")
    before = server.changes()
    tool.create_account("a", 1)
    assert server.changes() != before
    assert len(server.pending_intents()) == 2
    server.close()
    tool.close()


def test_a_file_of_version_1_is_brought_up(tmp_path):
    registry = Registry(tmp_path / "r.db")
    registry.create_account("a", 1)
    person = registry.person("Ann", 1)
    registry.add_key(KeyOrder("k1", 0, person, "hmac", b"s", ["read"], ""), 2)
    before = registry.keys(), registry.pending_intents(), registry.accounts()
    registry.close()
    with older_file(tmp_path / "r.db", 1) as old:
        for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql NOT NULL").fetchall():
            old.execute(f"DROP INDEX {name}")
        old.executescript(
            "DROP TABLE documents; DROP TABLE records; DROP TABLE changes; DROP TABLE governance; "
            "ALTER TABLE intents DROP COLUMN source_time_ns; ALTER TABLE intents DROP COLUMN change; "
            "ALTER TABLE intents DROP COLUMN key; ALTER TABLE intents DROP COLUMN sweeps; "
            "ALTER TABLE intents DROP COLUMN orders_cancelled; ALTER TABLE intents DROP COLUMN digest;"
        )
    again = Registry(tmp_path / "r.db")
    assert (again.keys(), again.pending_intents(), again.accounts()) == before
    again.add_key(KeyOrder("k2", NIL, again.person("Ben", 1), "hmac", b"s", ["admin"], ""), 3)
    assert again.holders("admin") == {again.person("Ben", 1)} and not again.is_governed
    again.close()


def test_a_file_of_version_2_is_brought_up_and_earlier_sweeps_are_not_waited_for(tmp_path):
    registry = Registry(tmp_path / "r.db")
    registry.add_intents([Intent(CommandKind.VENUE_STATE, code, sweeps=True) for code in (1, 0)], 1)
    registry.mark_applied([(1, 100, 0)])
    assert registry.unfinished_sweeps() == [(100, CommandKind.VENUE_STATE)]
    registry.close()
    with older_file(tmp_path / "r.db", 2) as old:
        old.executescript("ALTER TABLE intents DROP COLUMN orders_cancelled; ALTER TABLE intents DROP COLUMN digest;")
    again = Registry(tmp_path / "r.db")
    assert again.unfinished_sweeps() == []
    assert [intent.sweeps for intent in again.pending_intents()] == [True]
    again.close()


def test_the_documents_of_a_file_of_version_3_are_found_by_their_hash(tmp_path):
    registry = Registry(tmp_path / "r.db")
    registry.create_account("a", 1)
    registry.insert_change(("record_kyc", "{}", "why", 1, 1, 1, 1, "done"))
    registry.add_record(Record("kyc", 1, document_hash="ab"), 1, 2)
    registry.add_record(Record("status", 1), 1, 3)
    registry.close()
    with older_file(tmp_path / "r.db", 3) as old:
        old.executescript(
            "DROP TABLE documents; DROP TABLE disclosures; DROP TABLE last_trades; "
            "ALTER TABLE intents DROP COLUMN digest;"
        )
    again = Registry(tmp_path / "r.db")
    items = [{"hash": "cd", "proof_hash": "ef"}, {"amount": "1"}]
    again.add_record(Record("evidence", 1, details={"items": items}), 1, 4)
    assert again.all("SELECT hash, record FROM documents ORDER BY hash") == [("ab", 1), ("cd", 3), ("ef", 3)]
    again.close()
    again = Registry(tmp_path / "r.db")
    assert len(again.all("SELECT * FROM documents")) == 3
    again.close()


def test_a_newer_file_is_refused(tmp_path):
    registry = Registry(tmp_path / "r.db")
    registry._db.execute("PRAGMA user_version=99")
    registry.close()
    with pytest.raises(RegistryError, match="version 99"):
        Registry(tmp_path / "r.db")
