"""The registry's tables, and the upgrade of a file of an earlier version."""

import sqlite3
from pathlib import Path
from typing import Any

from engine.code_values import COMMAND_ACCOUNT_SET
from gateway.registry import row_checks, spellings
from gateway.registry.errors import SQLITE_FAULTS, BusyError, DamagedError, RegistryError, in_one_line
from gateway.registry.signatures import SIGNATURES, SignaturesSeen

SCHEMA_VERSION = 5
_KEYS = """(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account_slot INTEGER REFERENCES accounts,
    person INTEGER NOT NULL REFERENCES persons, kind TEXT NOT NULL CHECK (kind IN ('hmac', 'ed25519')),
    verifier BLOB NOT NULL, scopes TEXT NOT NULL, label TEXT NOT NULL, created_ns INTEGER NOT NULL,
    revoked_ns INTEGER) STRICT
"""
_TABLES = f"""
CREATE TABLE IF NOT EXISTS clients (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS persons (
    id INTEGER PRIMARY KEY, client_id INTEGER REFERENCES clients, name TEXT NOT NULL UNIQUE,
    created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS accounts (
    slot INTEGER PRIMARY KEY, client_id INTEGER NOT NULL REFERENCES clients, name TEXT NOT NULL UNIQUE,
    parent_slot INTEGER REFERENCES accounts, investor_class INTEGER NOT NULL, created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys {_KEYS};
CREATE INDEX IF NOT EXISTS keys_revoked ON keys (revoked_ns) WHERE revoked_ns IS NOT NULL;
CREATE INDEX IF NOT EXISTS accounts_by_client ON accounts (client_id);
CREATE INDEX IF NOT EXISTS keys_by_account ON keys (account_slot);
CREATE INDEX IF NOT EXISTS keys_by_person ON keys (person);
CREATE TABLE IF NOT EXISTS contracts (
    slot INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, base TEXT NOT NULL, settlement TEXT NOT NULL,
    tick TEXT NOT NULL, lot TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS intents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, reference INTEGER UNIQUE, kind INTEGER NOT NULL, code INTEGER NOT NULL,
    account_slot INTEGER NOT NULL, contract_slot INTEGER NOT NULL, item INTEGER NOT NULL, person INTEGER NOT NULL,
    value INTEGER NOT NULL, amount_micros INTEGER NOT NULL, actor INTEGER NOT NULL, approver INTEGER NOT NULL,
    note TEXT NOT NULL, created_ns INTEGER NOT NULL, applied_seq INTEGER, reason INTEGER,
    source_time_ns INTEGER NOT NULL DEFAULT 0, change INTEGER NOT NULL DEFAULT 0, key INTEGER NOT NULL DEFAULT 0,
    sweeps INTEGER NOT NULL DEFAULT 0, orders_cancelled INTEGER, digest BLOB NOT NULL DEFAULT x'') STRICT;
CREATE INDEX IF NOT EXISTS intents_by_place ON intents (kind, account_slot, contract_slot, code, item, person);
CREATE INDEX IF NOT EXISTS intents_by_value ON intents (code, value) WHERE kind = {COMMAND_ACCOUNT_SET};
CREATE INDEX IF NOT EXISTS intents_by_change ON intents (change) WHERE change > 0;
CREATE INDEX IF NOT EXISTS intents_refused ON intents (change) WHERE reason > 0;
CREATE INDEX IF NOT EXISTS intents_pending ON intents (reference) WHERE applied_seq IS NULL;
CREATE INDEX IF NOT EXISTS intents_sweeping ON intents (applied_seq) WHERE sweeps = 1;
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, params TEXT NOT NULL, reason TEXT NOT NULL,
    actor INTEGER NOT NULL, actor_key INTEGER NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected', 'expired', 'done')),
    approver INTEGER NOT NULL DEFAULT 0, approver_key INTEGER NOT NULL DEFAULT 0, decided_ns INTEGER,
    note TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX IF NOT EXISTS changes_by_state ON changes (state, number);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, client_id INTEGER REFERENCES clients,
    account_slot INTEGER REFERENCES accounts, person INTEGER REFERENCES persons, details TEXT NOT NULL,
    document_hash TEXT NOT NULL, valid_through TEXT NOT NULL, change INTEGER NOT NULL REFERENCES changes,
    recorded_ns INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS records_by_client ON records (client_id);
CREATE INDEX IF NOT EXISTS records_by_account ON records (account_slot);
CREATE INDEX IF NOT EXISTS records_by_person ON records (person);
CREATE TABLE IF NOT EXISTS documents (
    hash TEXT NOT NULL, record INTEGER NOT NULL REFERENCES records, PRIMARY KEY (hash, record)) STRICT;
CREATE TABLE IF NOT EXISTS disclosures (
    name TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL, effective_from TEXT NOT NULL,
    text TEXT NOT NULL, published_ns INTEGER NOT NULL,
    PRIMARY KEY (name, version)) STRICT;
CREATE TABLE IF NOT EXISTS last_trades (
    account_slot INTEGER PRIMARY KEY REFERENCES accounts, day TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS identities (
    digest TEXT PRIMARY KEY, document TEXT NOT NULL, person INTEGER NOT NULL REFERENCES persons,
    change INTEGER NOT NULL, bound_ns INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS identities_by_person ON identities (person);
CREATE TABLE IF NOT EXISTS spellings (
    kind TEXT NOT NULL, skeleton TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (kind, skeleton)) STRICT;
CREATE TABLE IF NOT EXISTS spelling_tables (version TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS governance (governed_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS vault (fingerprint TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS log_tip (
    id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, chain BLOB NOT NULL) STRICT
"""
_LARGE, _NEWEST_CHUNKS = ("intents", "spellings"), 256
"""Tables that grow without end, and how many chunks of such a one a start looks at: 16,384 rows."""
_FROM_VERSION_1 = f"""
PRAGMA foreign_keys=OFF;
BEGIN IMMEDIATE;
CREATE TABLE keys_2 {_KEYS};
INSERT INTO keys_2 SELECT * FROM keys;
DROP TABLE keys;
ALTER TABLE keys_2 RENAME TO keys;
ALTER TABLE intents ADD COLUMN source_time_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN sweeps INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version=2;
COMMIT;
PRAGMA foreign_keys=ON;
"""
_FROM_VERSION_2 = """
BEGIN IMMEDIATE;
ALTER TABLE intents ADD COLUMN orders_cancelled INTEGER;
UPDATE intents SET sweeps = 0 WHERE applied_seq > 0;
PRAGMA user_version=3;
COMMIT;
"""
_FROM_VERSION_3 = """
BEGIN IMMEDIATE;
ALTER TABLE intents ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
PRAGMA user_version=4;
COMMIT;
"""
_FROM_VERSION_4 = ("documents", "identities")
"""Tables that had no rowid, by which rows are checked; the spellings, which had none either, are made anew."""
_DOCUMENTS_OF_EARLIER_RECORDS = """
INSERT OR IGNORE INTO documents SELECT document_hash, number FROM records WHERE document_hash != ''
"""


def prepare(db: sqlite3.Connection, path: Path) -> bool:
    """Make the tables of a new file, upgrade an older one, refuse one of another program. Every commit is fsynced.

    Answers whether the file was of an earlier version. DamagedError when the file is not as it was written.
    """
    try:
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cell_size_check=ON"):
            db.execute(f"PRAGMA {setting}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise RegistryError(f"{path}: registry version {version}, this program reads {SCHEMA_VERSION}; use its own")
        is_checked = row_checks.is_installed(db)
        if is_checked != (version == SCHEMA_VERSION):
            raise DamagedError(path, f"version {version}, with{'' if is_checked else 'out'} checksums of its rows")
        found = row_checks.damage(db, path, _large(db), _NEWEST_CHUNKS) if is_checked else ""
        if found:
            raise DamagedError(path, found)
        _upgrade(db, path, version)
    except SQLITE_FAULTS as error:
        db.close()
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise BusyError(error) from None
        told = in_one_line(error)
        raise RegistryError(f"{path}: {told}; name another data folder, or see what holds or has damaged it") from None
    except BaseException:
        db.close()
        raise
    return 0 < version < SCHEMA_VERSION


def _upgrade(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Bring a file to the present tables, in one transaction from version 4 on."""
    for before, script in ((1, _FROM_VERSION_1), (2, _FROM_VERSION_2), (3, _FROM_VERSION_3)):
        if 0 < version <= before:
            db.executescript(script)
    if version == SCHEMA_VERSION and spellings.is_current(db):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made the tables in the meantime.
        if db.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION:
            _move_signatures(db, path)
            _make_tables(db, version)
        spellings.refresh(db)
        row_checks.note(db)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _move_signatures(db: sqlite3.Connection, path: Path) -> None:
    """Signatures that were used have a file of their own since version 5."""
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'used'").fetchone():
        seen = SignaturesSeen(path.with_name(SIGNATURES))
        seen.take(db.execute("SELECT digest, expires_ns FROM used"))
        seen.close()
        db.execute("DROP TABLE used")


def _make_tables(db: sqlite3.Connection, version: int) -> None:
    statements = [statement for statement in _TABLES.split(";") if statement.strip()]
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    converted = [name for name in _FROM_VERSION_4 if name in there]
    for name in converted:
        db.execute(f"ALTER TABLE {name} RENAME TO {name}_4")
    for name in ("spellings", "spelling_tables"):
        db.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in statements:
        db.execute(statement)
    for name in converted:
        db.execute(f"INSERT INTO {name} SELECT * FROM {name}_4 ORDER BY 1")
        db.execute(f"DROP TABLE {name}_4")
    if version in (1, 2, 3):
        db.execute(_DOCUMENTS_OF_EARLIER_RECORDS)
    for statement in statements:
        if "INDEX" in statement:  # those of a table that was renamed went with it
            db.execute(statement)
    row_checks.install(db)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def leaves_out_rows(db: sqlite3.Connection) -> bool:
    """Whether a start has not looked at all rows of a registry."""
    return bool(_large(db))


def _large(db: sqlite3.Connection) -> list[str]:
    """Tables of which a start looks at the newest rows alone; a venue has the rest looked at while it runs."""
    return [name for name in _LARGE if row_checks.chunks(db, name) > _NEWEST_CHUNKS]


class Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK after an exception; inside another transaction it is part of that."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._is_inner = False

    def __enter__(self) -> None:
        self._is_inner = self._db.in_transaction
        if not self._is_inner:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise BusyError(error) from None

    def __exit__(self, kind: object, *_: object) -> None:
        if self._is_inner:
            return
        if kind is not None:
            self._db.execute("ROLLBACK")
            return
        try:
            row_checks.note(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def rows_of(db: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    """The rows of a query by the names of their columns."""
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
