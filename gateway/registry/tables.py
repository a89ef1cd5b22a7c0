"""The registry's tables, and the upgrade of a file of an earlier version."""

import sqlite3
from pathlib import Path
from typing import Any

from engine.code_values import COMMAND_ACCOUNT_SET
from gateway.registry import spellings

SCHEMA_VERSION = 4
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
CREATE TABLE IF NOT EXISTS used (digest BLOB PRIMARY KEY, expires_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used_by_end ON used (expires_ns);
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
    hash TEXT NOT NULL, record INTEGER NOT NULL REFERENCES records, PRIMARY KEY (hash, record)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disclosures (
    name TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL, effective_from TEXT NOT NULL,
    text TEXT NOT NULL, published_ns INTEGER NOT NULL,
    PRIMARY KEY (name, version)) STRICT;
CREATE TABLE IF NOT EXISTS last_trades (
    account_slot INTEGER PRIMARY KEY REFERENCES accounts, day TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS identities (
    digest TEXT PRIMARY KEY, document TEXT NOT NULL, person INTEGER NOT NULL REFERENCES persons,
    change INTEGER NOT NULL, bound_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identities_by_person ON identities (person);
CREATE TABLE IF NOT EXISTS spellings (
    kind TEXT NOT NULL, skeleton TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (kind, skeleton)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spelling_tables (version TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS governance (governed_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS log_tip (
    id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
PRAGMA user_version={SCHEMA_VERSION};
"""
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
_FROM_VERSION_3 = f"""
BEGIN IMMEDIATE;
ALTER TABLE intents ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
PRAGMA user_version={SCHEMA_VERSION};
COMMIT;
"""
_DOCUMENTS_OF_EARLIER_RECORDS = """
INSERT OR IGNORE INTO documents SELECT document_hash, number FROM records WHERE document_hash != ''
"""


class RegistryError(Exception):
    """A change that the registry refuses: one line that names the field, the value and the remedy."""


class BusyError(RegistryError):
    """The registry cannot be written now: another process writes, or the disk is full."""

    def __init__(self, error: sqlite3.Error) -> None:
        super().__init__(f"the registry cannot be written now ({error}); try again in a moment")


def prepare(db: sqlite3.Connection, path: Path | str) -> bool:
    """Make the tables of a new file, upgrade an older one, refuse one of another program. Every commit is fsynced.

    Answers whether the file was of an earlier version.
    """
    try:
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            db.execute(f"PRAGMA {setting}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        db.close()
        raise RegistryError(f"{path}: {error}; name another data folder, or see what holds or has damaged it") from None
    if version not in range(SCHEMA_VERSION + 1):
        db.close()
        raise RegistryError(f"{path}: registry version {version}, this program reads {SCHEMA_VERSION}; use its own")
    if version == 1:
        db.executescript(_FROM_VERSION_1)
    if version in (1, 2):
        db.executescript(_FROM_VERSION_2)
    if version in (1, 2, 3):
        db.executescript(_FROM_VERSION_3)
    db.executescript(_TABLES)
    if version in (1, 2, 3):
        db.execute(_DOCUMENTS_OF_EARLIER_RECORDS)
    spellings.refresh(db)
    return 0 < version < SCHEMA_VERSION


def rows_of(db: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    """The rows of a query by the names of their columns."""
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
