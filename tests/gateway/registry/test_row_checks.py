"""Checksums of rows: whatever changes a registry's file but the registry itself is refused in one line."""

import random
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from engine.codes import NIL, AccountAttribute, CommandKind
from gateway.registry import identities, row_checks, tables
from gateway.registry.errors import DamagedError, RegistryError
from gateway.registry.registry import ContractRecord, Intent, KeyOrder, Record, Registry
from gateway.registry.vault import Vault
from gateway.venue import scrub_process
from gateway.venue.scrub_process import REGISTRY

NOW = 1_800_000_000_000_000_000
FLIPS = 200


def filled(folder):
    """A registry with a row in every table, closed."""
    registry = Registry(folder / "registry.db")
    vault = Vault(folder / "vault.key", registry)
    for number in range(70):
        registry.create_account(f"account {number}", NOW)
    person = registry.person("Ann Lee", NOW)
    registry.add_key(KeyOrder("k1", 3, person, "hmac", vault.seal(b"secret", "k1"), ["read", "trade"], "bot"), NOW)
    registry.add_key(KeyOrder("k2", NIL, registry.person("Ben", NOW), "hmac", b"s", ["admin"], ""), NOW)
    record = ContractRecord(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", "0.5", "0.001", NOW)
    registry.add_contract(record, [Intent(CommandKind.CONTRACT_CREATE, contract_slot=0)])
    with registry.transaction():
        registry.insert_change(("record_kyc", "{}", "why", 1, 1, NOW, NOW, "proposed"))
        registry.decide_change(1, "approved", registry.key("k2"), "fine", NOW)
        registry.add_record(Record("kyc", 1, document_hash="ab"), 1, NOW)
        registry.vouch(1, NOW)
        registry.write("INSERT INTO disclosures VALUES ('loss', 1, 'ab', '2026-01-01', 'You may lose it all', 1)")
        registry.write("INSERT INTO last_trades VALUES (3, '2026-11-29')")
        identities.bind(registry, person, identities.sealed("passport HK K1234567", vault), 1, NOW)
    registry.govern(NOW)
    registry.mark_applied([(reference, reference, 0) for reference in range(1, 100)], (), (99, bytes(32)))
    registry.revoke_key("k1", NOW)
    registry.use_once(b"0123456789abcdef", NOW + 10, NOW)
    registry.close()
    return registry.path


def content(registry):
    """All rows of the registry, and of the signatures that were used."""
    names = row_checks.table_names(registry._db)
    assert len(names) == 17
    rows = {name: registry.all(f"SELECT rowid, * FROM {name} ORDER BY rowid") for name in names}
    assert all(rows.values()), [name for name, found in rows.items() if not found]
    return rows, registry.key("k1"), registry.is_used(b"0123456789abcdef")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A filled registry, and what is in it."""
    path = filled(tmp_path_factory.mktemp("registry"))
    registry = Registry(path)
    found = content(registry)
    registry.close()
    return path, found


@pytest.mark.parametrize("name", ["registry.db", "signatures.db"])
def test_a_flipped_bit_is_refused_in_one_line_or_changes_nothing(kept, tmp_path, name):
    path, expected = kept
    shutil.copytree(path.parent, tmp_path, dirs_exist_ok=True)
    whole = (path.parent / name).read_bytes()
    seeded, refused = random.Random(7), 0
    for place in [*range(0, 110, 3), *seeded.sample(range(110, len(whole)), FLIPS)]:
        bit = 1 << seeded.randrange(8)
        damaged = bytearray(whole)
        damaged[place] ^= bit
        (tmp_path / name).write_bytes(damaged)
        try:
            registry = Registry(tmp_path / "registry.db")
        except RegistryError as error:
            assert name in str(error) and "\n" not in str(error), (place, bit)
            refused += 1
        else:
            assert content(registry) == expected, (place, bit)
            registry.close()
        for side in ("-wal", "-shm"):
            (tmp_path / f"{name}{side}").unlink(missing_ok=True)
    assert refused > FLIPS // 10


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE keys SET verifier = x'00' WHERE number = 1", "UPDATE contracts SET lot = '0.002'",
        "INSERT INTO governance VALUES (7)", "DELETE FROM accounts WHERE slot = 66",
        "UPDATE accounts SET slot = 90 WHERE slot = 69", "UPDATE intents SET applied_seq = NULL WHERE reference = 80",
    ],
)  # fmt: skip
@pytest.mark.parametrize("knows_the_triggers", [True, False])
def test_what_another_program_writes_is_refused(kept, tmp_path, statement, knows_the_triggers):
    shutil.copytree(kept[0].parent, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None)) as db:
        kept_triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in [] if knows_the_triggers else kept_triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
        for _, sql in [] if knows_the_triggers else kept_triggers:
            db.execute(sql)
    words = "another program has changed rows" if knows_the_triggers else r"row \d+ is not|rows \d+ to \d+ are|\d+ were"
    with pytest.raises(DamagedError, match=f"registry.db: damaged: table .*({words}).*; look at the disk, and restore"):
        Registry(tmp_path / "registry.db")


def test_what_a_start_leaves_out_is_looked_at_beside_trading(kept, tmp_path, monkeypatch):
    shutil.copytree(kept[0].parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "registry.db"
    monkeypatch.setattr(tables, "_NEWEST_CHUNKS", 1)
    registry = Registry(path)
    registry._db.execute("DROP TRIGGER intents_update_new")
    registry._db.execute("DROP TRIGGER intents_update_old")
    registry._db.execute("UPDATE intents SET note = 'other' WHERE reference = 2")
    registry._db.execute("UPDATE checks SET digest = x'00' WHERE name = 'sqlite_schema'")
    row_checks._keep(registry._db, "sqlite_schema", 0, row_checks._definitions(registry._db))
    registry.close()
    registry = Registry(path)  # the first chunks of a large table are not looked at now
    assert registry.has_unread_rows
    [found] = scrub_process.faults(tmp_path, lambda size_bytes: None, (REGISTRY,))
    assert "table intents: row 2 is not as it was written" in found.text
    registry.close()


def test_a_start_looks_at_all_of_a_small_registry(kept):
    registry = Registry(kept[0])
    assert not registry.has_unread_rows
    registry.close()


def test_the_rest_is_right_while_the_registry_is_written(kept, tmp_path):
    shutil.copytree(kept[0].parent, tmp_path, dirs_exist_ok=True)
    registry = Registry(tmp_path / "registry.db")
    found = []

    def look():
        found.extend(scrub_process.faults(tmp_path, lambda size_bytes: None, (REGISTRY,)))

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(30):
        registry.set_attribute(3, AccountAttribute.VA_KNOWLEDGE, number, NOW, "again")
    thread.join()
    assert found == []
    registry.close()


def test_signatures_of_an_earlier_file_still_count_as_used(tmp_path):
    from tests.gateway.registry.older_file import older_file

    filled(tmp_path)
    with older_file(tmp_path / "registry.db", 4) as old:
        old.execute("INSERT INTO used VALUES (x'aa', ?)", (NOW,))
    (tmp_path / "signatures.db").unlink()
    registry = Registry(tmp_path / "registry.db")
    assert registry.is_used(b"\xaa") and not registry.is_used(b"\xab")
    assert registry.all("SELECT count(*) FROM sqlite_schema WHERE name = 'used'") == [(0,)]
    assert row_checks.damage(registry._db, registry.path) == ""
    assert identities.is_bound(registry, registry.find_person("Ann Lee"))
    registry.close()
