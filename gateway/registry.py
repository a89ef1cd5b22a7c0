"""The registry: clients, persons, accounts, keys and used signatures, in SQLite beside the journal.

It is a projection and a list of intents, never a second truth: a change that matters to the engine is written here as
an intent, and is in force when the sequencer has put it into the log. The intent's `reference` travels in the
command, so a restart knows from the log which intents it holds and applies none twice.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.codes import AccountAttribute, CommandKind, InvestorClass

SCOPES = ("read", "trade", "transfer", "compliance", "admin")
_CONFLICTS = ({"trade", "transfer"}, {"compliance", "admin"})
SCHEMA_VERSION = 1
_SWEEP_EVERY_NS = 10_000_000_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS clients (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS persons (
    id INTEGER PRIMARY KEY, client_id INTEGER REFERENCES clients, name TEXT NOT NULL UNIQUE,
    created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS accounts (
    slot INTEGER PRIMARY KEY, client_id INTEGER NOT NULL REFERENCES clients, name TEXT NOT NULL UNIQUE,
    parent_slot INTEGER REFERENCES accounts, investor_class INTEGER NOT NULL, created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account_slot INTEGER NOT NULL REFERENCES accounts,
    person INTEGER NOT NULL REFERENCES persons, kind TEXT NOT NULL CHECK (kind IN ('hmac', 'ed25519')),
    verifier BLOB NOT NULL, scopes TEXT NOT NULL, label TEXT NOT NULL, created_ns INTEGER NOT NULL,
    revoked_ns INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS used (digest BLOB PRIMARY KEY, expires_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contracts (
    slot INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, base TEXT NOT NULL, settlement TEXT NOT NULL,
    tick TEXT NOT NULL, lot TEXT NOT NULL, created_ns INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS intents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, reference INTEGER UNIQUE, kind INTEGER NOT NULL, code INTEGER NOT NULL,
    account_slot INTEGER NOT NULL, contract_slot INTEGER NOT NULL, item INTEGER NOT NULL, person INTEGER NOT NULL,
    value INTEGER NOT NULL, amount_micros INTEGER NOT NULL, actor INTEGER NOT NULL, approver INTEGER NOT NULL,
    note TEXT NOT NULL, created_ns INTEGER NOT NULL, applied_seq INTEGER, reason INTEGER) STRICT;
"""


class RegistryError(Exception):
    """A change that the registry refuses: one line that names the field, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """A key to register: its id, whose it is, and what verification needs of it."""

    id: str
    account_slot: int
    person: int
    kind: str
    verifier: bytes
    scopes: Iterable[str]
    label: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key as verification needs it: `verifier` is the sealed HMAC secret or the Ed25519 public key."""

    number: int
    id: str
    account_slot: int
    person: int
    kind: str
    verifier: bytes
    scopes: frozenset[str]
    label: str
    created_ns: int
    revoked_ns: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """An account: `parent_slot` is the main account of a sub-account."""

    slot: int
    name: str
    client: str
    parent_slot: int | None
    investor_class: InvestorClass
    created_ns: int


@dataclass(frozen=True, slots=True)
class ContractRecord:
    """A contract's names and units; the rest of it lives in the engine."""

    slot: int
    name: str
    base: str
    settlement: str
    tick: str
    lot: str
    created_ns: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A directive that the sequencer should put into the log; the fields are those of the DIRECTIVE row."""

    kind: int
    code: int = 0
    account_slot: int = -1
    contract_slot: int = -1
    item: int = 0
    person: int = 0
    value: int = 0
    amount_micros: int = 0
    actor: int = 0
    approver: int = 0
    note: str = ""
    reference: int = 0


class Registry:
    """The registry's file, open. Every change is one transaction."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, timeout=5, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            self._db.close()
            raise RegistryError(f"{path}: registry version {version}, this program reads {SCHEMA_VERSION}; use its own")
        self._db.executescript(f"{_SCHEMA} PRAGMA user_version={SCHEMA_VERSION};")
        # Signatures come with every signed HTTP call: they survive a crash of the process, without a disk sync each.
        self._seen = sqlite3.connect(path, timeout=5, isolation_level=None)
        self._seen.execute("PRAGMA synchronous=NORMAL")
        self._sweep_ns = 0

    def close(self) -> None:
        """Close the connections."""
        self._seen.close()
        self._db.close()

    def changes(self) -> int:
        """A number that moves when another process has changed the file: poll it."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    # --- clients, persons, accounts -------------------------------------------------------------------------------

    def create_account(
        self, name: str, now_ns: int, client: str = "", parent: str = "", investor_class: int = InvestorClass.NONE
    ) -> Account:
        """Open an account or, with `parent`, a sub-account of the same client; the engine is told by an intent."""
        _check_name("name", name)
        with self._transaction():
            if self._one("SELECT 1 FROM accounts WHERE name = ?", name):
                raise RegistryError(f"name: account {name!r} exists; choose another")
            parent_slot, client_id = self._parent(parent, client or name, now_ns)
            slot = int(self._one("SELECT coalesce(max(slot) + 1, 0) FROM accounts")[0])
            row = (slot, client_id, name, parent_slot, int(investor_class), now_ns)
            self._db.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", row)
            kind = CommandKind.ACCOUNT_OPEN
            self._add(Intent(kind, account_slot=slot, value=int(investor_class), note=f"open {name}"), now_ns)
        return self.account(name)

    def _parent(self, parent: str, client: str, now_ns: int) -> tuple[int | None, int]:
        if parent:
            found = self._one("SELECT slot, client_id, parent_slot FROM accounts WHERE name = ?", parent)
            if not found:
                raise RegistryError(f"parent: no account {parent!r}; `lionrock account list` shows them")
            if found[2] is not None:
                raise RegistryError(f"parent: {parent!r} is itself a sub-account; name a main account")
            return found[0], found[1]
        self._db.execute("INSERT OR IGNORE INTO clients (name, created_ns) VALUES (?, ?)", (client, now_ns))
        return None, self._one("SELECT id FROM clients WHERE name = ?", client)[0]

    def account(self, name: str) -> Account:
        """The account of this name."""
        for account in self._accounts("WHERE accounts.name = ?", name):
            return account
        raise RegistryError(f"account: no account {name!r}; `lionrock account list` shows them")

    def accounts(self) -> list[Account]:
        """All accounts by slot."""
        return self._accounts("ORDER BY slot")

    def _accounts(self, clause: str, *values: object) -> list[Account]:
        query = (
            "SELECT slot, accounts.name, clients.name, parent_slot, investor_class, accounts.created_ns "
            f"FROM accounts JOIN clients ON clients.id = client_id {clause}"
        )
        rows = self._db.execute(query, values)
        return [Account(row[0], row[1], row[2], row[3], InvestorClass(row[4]), row[5]) for row in rows]

    def person(self, name: str, now_ns: int) -> int:
        """The number of a natural person, registered at the first mention; numbers begin at 1."""
        _check_name("person", name)
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO persons (name, created_ns) VALUES (?, ?)", (name, now_ns))
        return int(self._one("SELECT id FROM persons WHERE name = ?", name)[0])

    def set_attribute(self, account_slot: int, attribute: AccountAttribute, value: int, now_ns: int, note: str) -> None:
        """Ask for one attribute of an account to be set."""
        intent = Intent(CommandKind.ACCOUNT_SET, int(attribute), account_slot, value=value, note=note)
        with self._transaction():
            self._add(intent, now_ns)

    # --- keys -----------------------------------------------------------------------------------------------------

    def add_key(self, order: KeyOrder, now_ns: int) -> Key:
        """Register a key. No person may hold trading and compliance or admin scopes, whatever the account."""
        key_id, account_slot, person, kind = order.id, order.account_slot, order.person, order.kind
        verifier, scopes, label = order.verifier, order.scopes, order.label
        wanted = _check_scopes(scopes)
        with self._transaction():
            self._check_separation(person, wanted)
            row = (key_id, account_slot, person, kind, verifier, " ".join(wanted), label, now_ns)
            columns = "id, account_slot, person, kind, verifier, scopes, label, created_ns"
            self._db.execute(f"INSERT INTO keys ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        key = self.key(key_id)
        if key is None:
            raise RegistryError(f"key: {key_id} was not stored")
        return key

    def _check_separation(self, person: int, wanted: list[str]) -> None:
        held = set(wanted)
        for (scopes,) in self._db.execute("SELECT scopes FROM keys WHERE person = ? AND revoked_ns IS NULL", (person,)):
            held.update(scopes.split())
        if all(held & side for side in _CONFLICTS):
            raise RegistryError(
                f"scopes: {' '.join(wanted)} would give one person trading and compliance or admin rights; "
                "use another person or revoke a key"
            )

    def key(self, key_id: str) -> Key | None:
        """A key by its id, revoked or not."""
        return next(iter(self._keys("WHERE id = ?", key_id)), None)

    def keys(self, account_slot: int | None = None) -> list[Key]:
        """All keys, or those of one account, oldest first."""
        if account_slot is None:
            return self._keys("ORDER BY number")
        return self._keys("WHERE account_slot = ? ORDER BY number", account_slot)

    def revoked_since(self, since_ns: int) -> list[Key]:
        """Keys revoked after an instant: their sessions must end."""
        return self._keys("WHERE revoked_ns > ? ORDER BY number", since_ns)

    def _keys(self, clause: str, *values: object) -> list[Key]:
        columns = "number, id, account_slot, person, kind, verifier, scopes, label, created_ns, revoked_ns"
        rows = self._db.execute(f"SELECT {columns} FROM keys {clause}", values)
        return [_key(row) for row in rows]

    def revoke_key(self, key_id: str, now_ns: int) -> Key:
        """End a key for good; open sessions of it are closed by the server."""
        key = self.key(key_id)
        if key is None:
            raise RegistryError(f"key: no key {key_id!r}; `lionrock key list` shows them")
        if key.revoked_ns is not None:
            raise RegistryError(f"key: {key_id} is revoked already")
        with self._transaction():
            self._db.execute("UPDATE keys SET revoked_ns = ? WHERE id = ?", (now_ns, key_id))
        return key

    # --- signatures seen --------------------------------------------------------------------------------------------

    def use_once(self, digest: bytes, expires_ns: int, now_ns: int) -> bool:
        """Whether this signature or token is used for the first time; remembered until it expires, over restarts."""
        if now_ns >= self._sweep_ns:
            self._sweep_ns = now_ns + _SWEEP_EVERY_NS
            self._seen.execute("DELETE FROM used WHERE expires_ns < ?", (now_ns,))
        return self._seen.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (digest, expires_ns)).rowcount == 1

    def is_used(self, digest: bytes) -> bool:
        """Whether this digest has been used."""
        return self._seen.execute("SELECT 1 FROM used WHERE digest = ?", (digest,)).fetchone() is not None

    # --- contracts --------------------------------------------------------------------------------------------------

    def add_contract(self, record: ContractRecord, intents: Iterable[Intent]) -> None:
        """Register a contract's names and units together with the intents that create and list it."""
        with self._transaction():
            if self._one("SELECT 1 FROM contracts WHERE name = ? OR slot = ?", record.name, record.slot):
                raise RegistryError(f"contract: {record.name} or slot {record.slot} exists")
            row = (
                record.slot, record.name, record.base, record.settlement, record.tick, record.lot, record.created_ns,
            )  # fmt: skip
            self._db.execute("INSERT INTO contracts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            for intent in intents:
                self._add(intent, record.created_ns)

    def contracts(self) -> list[ContractRecord]:
        """All contracts by slot."""
        columns = "slot, name, base, settlement, tick, lot, created_ns"
        return [ContractRecord(*row) for row in self._db.execute(f"SELECT {columns} FROM contracts ORDER BY slot")]

    # --- intents ----------------------------------------------------------------------------------------------------

    def add_intents(self, intents: Iterable[Intent], now_ns: int) -> None:
        """Write intents, ready to be sequenced in this order."""
        with self._transaction():
            for intent in intents:
                self._add(intent, now_ns)

    def _add(self, intent: Intent, now_ns: int) -> None:
        columns = (
            "reference, kind, code, account_slot, contract_slot, item, person, value, amount_micros, actor, approver, "
            "note, created_ns"
        )
        next_reference = "(SELECT coalesce(max(reference), 0) + 1 FROM intents)"
        values = (
            int(intent.kind), int(intent.code), intent.account_slot, intent.contract_slot, intent.item, intent.person,
            intent.value, intent.amount_micros, intent.actor, intent.approver, intent.note, now_ns,
        )  # fmt: skip
        places = ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO intents ({columns}) VALUES ({next_reference}, {places})", values)

    def pending_intents(self, limit: int = 1000) -> list[Intent]:
        """Intents that the log does not have yet, in the order of their references."""
        columns = (
            "kind, code, account_slot, contract_slot, item, person, value, amount_micros, actor, approver, note, "
            "reference"
        )
        clause = "WHERE applied_seq IS NULL AND reference IS NOT NULL ORDER BY reference LIMIT ?"
        return [Intent(*row) for row in self._db.execute(f"SELECT {columns} FROM intents {clause}", (limit,))]

    def mark_applied(self, results: Iterable[tuple[int, int, int]]) -> None:
        """Record (reference, sequence in the log, reason or 0) of intents that the log holds."""
        rows = [(seq, reason, reference) for reference, seq, reason in results]
        with self._transaction():
            self._db.executemany("UPDATE intents SET applied_seq = ?, reason = ? WHERE reference = ?", rows)

    def refused_intents(self) -> list[tuple[int, int, str]]:
        """(reference, reason, note) of intents that the engine refused."""
        query = "SELECT reference, reason, note FROM intents WHERE reason > 0 ORDER BY reference"
        return list(self._db.execute(query))

    # --- plumbing ---------------------------------------------------------------------------------------------------

    def _one(self, query: str, *values: object) -> Any:
        return self._db.execute(query, values).fetchone()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


def _key(row: tuple[Any, ...]) -> Key:
    number, key_id, account_slot, person, kind, verifier, scopes, label, created_ns, revoked_ns = row
    held = frozenset(scopes.split())
    return Key(number, key_id, account_slot, person, kind, verifier, held, label, created_ns, revoked_ns)


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK when anything is raised."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _check_name(field: str, name: str) -> None:
    if not (0 < len(name) <= 64 and name.isprintable() and name == name.strip()):
        raise RegistryError(f"{field}: {name[:70]!r} must be 1 to 64 printable characters without spaces at the ends")


def _check_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        raise RegistryError(f"scopes: {' '.join(unknown) or 'none given'}; choose from {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]
