"""The registry: clients, persons, accounts, keys and used signatures, in SQLite beside the journal.

For the engine the log alone counts: a change that matters to it is written here as an intent, and is in force when the
sequencer has written it into the log. The command carries the intent's `reference`, so after a restart the log tells
which intents it has, and none is applied twice.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import disk
from engine.code_values import COMMAND_ACCOUNT_SET, COMMAND_ATTEST, COMMAND_CONTRACT_STATE, MARKET_HALTED
from engine.codes import NIL, AccountAttribute, Attested, CommandKind, InvestorClass, MarketState
from engine.schema import MAX_CLIENT_MEMBERS
from gateway.registry import spellings, write_ahead_log
from gateway.registry.errors import BusyError, DamagedError, RegistryError
from gateway.registry.names import check_name
from gateway.registry.records import (
    CONFLICTS,
    OFFICERS,
    RECORD_COLUMNS,
    SCOPES,
    Account,
    ContractRecord,
    Intent,
    Key,
    KeyOrder,
    Record,
    Result,
    hashes_in,
    in_order,
    key_of,
    record_of,
)
from gateway.registry.signatures import SIGNATURES, SignaturesSeen
from gateway.registry.tables import Transaction, leaves_out_rows, prepare, rows_of
from gateway.registry.vouching import stages

__all__ = [
    "SCOPES", "Account", "BusyError", "ContractRecord", "Intent", "Key", "KeyOrder", "Record", "Registry",
    "RegistryError", "Result",
]  # fmt: skip
WAIT_SECONDS = 5.0
INTENT_COLUMNS = (
    "kind, code, account_slot, contract_slot, item, person, value, amount_micros, actor, approver, note, reference, "
    "source_time_ns, change, key, sweeps, digest"
)


class Registry:
    """The open registry. Every change is one transaction."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        disk.make_empty(self.path)
        torn = write_ahead_log.damage(self.path)
        if torn:
            raise DamagedError(f"{path}-wal", torn)
        self._db = sqlite3.connect(path, isolation_level=None)
        is_of_earlier_release = prepare(self._db, self.path)
        try:
            self._seen = SignaturesSeen(self.path.with_name(SIGNATURES))
        except RegistryError:
            self._db.close()
            raise
        self.wait_at_most(WAIT_SECONDS)
        self._acting: dict[str, Any] = {}
        if is_of_earlier_release:
            self._vouch_for_earlier()

    def wait_at_most(self, seconds: float) -> None:
        """How long a write waits for that of another process before it is refused as BusyError."""
        self._db.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")
        self._seen.wait_at_most(seconds)

    @property
    def has_unread_rows(self) -> bool:
        """Whether opening it has left out rows of a large table: somebody looks at those beside trading."""
        return leaves_out_rows(self._db)

    def close(self) -> None:
        """Close the connections."""
        self._seen.close()
        self._db.close()

    def changes(self) -> int:
        """A number to poll: it changes when another process has changed the file."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def written(self) -> tuple[int, int]:
        """What changes when anybody has changed the file, this connection or another process."""
        return self.changes(), self._db.total_changes

    # --- clients, persons, accounts -------------------------------------------------------------------------------

    def create_account(
        self, name: str, now_ns: int, client: str = "", parent: str = "", investor_class: int = InvestorClass.NONE
    ) -> Account:
        """Open an account or, with `parent`, a sub-account of the same client; intents open it and say whose it is.

        So what holds for the client holds for the account before anything else is known of it.
        """
        with self.transaction():
            self.check_new_account(name, parent, client)
            parent_slot, client_id = self._parent(parent, client or name, now_ns)
            slot = self.next_account_slot()
            row = (slot, client_id, name, parent_slot, int(investor_class), now_ns)
            self._db.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", row)
            spellings.add(self._db, "account", name)
            kind = CommandKind.ACCOUNT_OPEN
            self._add(Intent(kind, account_slot=slot, value=int(investor_class), note=f"open {name}"), now_ns)
            self._add(Intent(CommandKind.ACCOUNT_SET, int(AccountAttribute.CLIENT), slot, value=client_id), now_ns)
        return self.account(name)

    def check_new_account(self, name: str, parent: str, client: str = "") -> None:
        """Refuse invalid names, an existing account, and a parent that is a sub-account or another client's."""
        check_name("name", name)
        if client:
            check_name("client", client)
        if name.isdecimal():
            raise RegistryError(f"name: {name!r} would be taken for an account's number; add a letter")
        if self.one("SELECT 1 FROM accounts WHERE name = ?", name):
            raise RegistryError(f"name: account {name!r} exists; choose another")
        self._check_unlike("account", name, "name")
        owner = client or name
        if not parent and not self.one("SELECT 1 FROM clients WHERE name = ?", owner):
            self._check_unlike("client", owner, "client" if client else "name")
        if parent and self.account(parent).parent_slot is not None:
            raise RegistryError(f"parent: {parent!r} is itself a sub-account; name a main account")
        if parent and client not in ("", self.account(parent).client):
            raise RegistryError(f"client: {parent!r} belongs to {self.account(parent).client!r}; leave client out")
        owner = self.account(parent).client if parent else client or name
        if len(self.accounts_of(owner)) >= MAX_CLIENT_MEMBERS:
            raise RegistryError(f"client: {owner!r} has {MAX_CLIENT_MEMBERS} accounts, the most; use one that is open")

    def next_account_slot(self) -> int:
        """The slot of the next account."""
        return int(self.one("SELECT coalesce(max(slot) + 1, 0) FROM accounts")[0])

    def _parent(self, parent: str, client: str, now_ns: int) -> tuple[int | None, int]:
        if parent:
            found = self.one("SELECT slot, client_id FROM accounts WHERE name = ?", parent)
            return found[0], found[1]
        self._db.execute("INSERT OR IGNORE INTO clients (name, created_ns) VALUES (?, ?)", (client, now_ns))
        spellings.add(self._db, "client", client)
        return None, self.one("SELECT id FROM clients WHERE name = ?", client)[0]

    def account(self, name: str) -> Account:
        """The account of this name."""
        for account in self._accounts("WHERE accounts.name = ?", name):
            return account
        raise RegistryError(f"account: no account {name!r}; `lionrock account list` shows them")

    def account_at(self, slot: int) -> Account:
        """The account in this slot."""
        [account] = self._accounts("WHERE slot = ?", slot)
        return account

    def subaccounts(self, slot: int) -> list[Account]:
        """An account and its sub-accounts, by slot."""
        return self._accounts("WHERE slot = ? OR parent_slot = ? ORDER BY slot", slot, slot)

    def accounts(self) -> list[Account]:
        """All accounts by slot."""
        return self._accounts("ORDER BY slot")

    def _accounts(self, clause: str, *values: object) -> list[Account]:
        query = (
            "SELECT slot, accounts.name, clients.name, parent_slot, investor_class, accounts.created_ns "
            f"FROM accounts JOIN clients ON clients.id = client_id {clause}"
        )
        rows = self._db.execute(query, values)
        return [
            Account(slot, name, client, parent_slot, InvestorClass(its_class), created_ns)
            for slot, name, client, parent_slot, its_class, created_ns in rows
        ]

    def person(self, name: str, now_ns: int) -> int:
        """The number of a natural person, registered at the first mention; numbers begin at 1."""
        with self.transaction():
            if not self.find_person(name):
                self._db.execute("INSERT INTO persons (name, created_ns) VALUES (?, ?)", (name, now_ns))
                spellings.add(self._db, "person", name)
            return self.find_person(name)

    def find_person(self, name: str) -> int:
        """The number of a person who is registered, or 0 for a new name; one that looks like another's is refused."""
        found = self.one("SELECT id FROM persons WHERE name = ?", name)
        if found:
            return int(found[0])
        check_name("person", name)
        self._check_unlike("person", name, "person")
        return 0

    def _check_unlike(self, kind: spellings.Kind, name: str, field: str) -> None:
        """Refuse a new name that a person could take for another of its kind."""
        problem = spellings.problem(self._db, kind, name)
        if problem:
            raise RegistryError(f"{field}: {problem}")

    def known_person(self, name: str) -> int:
        """The number of a person who is registered, or a refusal."""
        number = self.find_person(name)
        if not number:
            raise RegistryError(f"person: no person {name!r}; who holds a key is one: `lionrock key create`")
        return number

    def set_attribute(self, account_slot: int, attribute: AccountAttribute, value: int, now_ns: int, note: str) -> None:
        """Ask for one attribute of an account to be set."""
        intent = Intent(CommandKind.ACCOUNT_SET, int(attribute), account_slot, value=value, note=note)
        with self.transaction():
            self._add(intent, now_ns)

    # --- keys -----------------------------------------------------------------------------------------------------

    def add_key(self, order: KeyOrder, now_ns: int) -> Key:
        """Register a key. No person may hold trading and compliance or admin scopes, whatever the account."""
        key_id, account_slot, person, kind = order.id, order.account_slot, order.person, order.kind
        verifier, scopes, label = order.verifier, order.scopes, order.label
        wanted = self.check_scopes(person, account_slot, scopes)
        with self.transaction():
            self._check_separation(person, wanted)
            slot = account_slot if account_slot != NIL else None
            row = (key_id, slot, person, kind, verifier, " ".join(wanted), label, now_ns)
            columns = "id, account_slot, person, kind, verifier, scopes, label, created_ns"
            self._db.execute(f"INSERT INTO keys ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        key = self.key(key_id)
        if key is None:
            raise RegistryError(f"key: {key_id} was not stored")
        return key

    def check_scopes(self, person: int, account_slot: int, scopes: Iterable[str]) -> list[str]:
        """The scopes in fixed order, or a refusal: unknown, not for a key without account, or both sides at once."""
        wanted = in_order(scopes)
        if account_slot == NIL and set(wanted) - OFFICERS:
            raise RegistryError(f"scopes: {' '.join(wanted)}: a key of no account holds only compliance and admin")
        self._check_separation(person, wanted)
        return wanted

    def _check_separation(self, person: int, wanted: list[str]) -> None:
        held = set(wanted)
        for (scopes,) in self._db.execute("SELECT scopes FROM keys WHERE person = ? AND revoked_ns IS NULL", (person,)):
            held.update(scopes.split())
        if all(held & side for side in CONFLICTS):
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

    def revoked_keys(self, known: int) -> set[str] | None:
        """The ids of all revoked keys, whose sessions must end; None while their number is still `known`."""
        if self.one("SELECT count(*) FROM keys WHERE revoked_ns IS NOT NULL")[0] == known:
            return None
        return {key.id for key in self._keys("WHERE revoked_ns IS NOT NULL")}

    def _keys(self, clause: str, *values: object) -> list[Key]:
        columns = "number, id, account_slot, person, kind, verifier, scopes, label, created_ns, revoked_ns"
        rows = self._db.execute(f"SELECT {columns} FROM keys {clause}", values)
        return [key_of(row) for row in rows]

    def revoke_key(self, key_id: str, now_ns: int) -> Key:
        """Revoke a key for good; the server closes its sessions, and what its person's orders may open ends."""
        key = self.key(key_id)
        if key is None:
            raise RegistryError(f"key: no key {key_id!r}; `lionrock key list` shows them")
        if key.revoked_ns is not None:
            raise RegistryError(f"key: {key_id} is revoked already")
        with self.transaction():
            self._db.execute("UPDATE keys SET revoked_ns = ? WHERE id = ?", (now_ns, key_id))
            if "trade" in key.scopes:
                kind = CommandKind.KEY_REVOKE
                self._add(Intent(kind, account_slot=key.account_slot, person=key.person, sweeps=True), now_ns)
        return key

    def is_live(self, number: int) -> bool:
        """Whether the key of this number is not revoked."""
        return self.one("SELECT 1 FROM keys WHERE number = ? AND revoked_ns IS NULL", number) is not None

    def holders(self, scope: str, without: str = "") -> set[int]:
        """The persons who hold a live key with a scope, not counting one key."""
        live = self._keys("WHERE revoked_ns IS NULL AND instr(scopes, ?)", scope)  # not every trader's key
        return {key.person for key in live if scope in key.scopes and key.id != without}

    # --- officers and their changes ---------------------------------------------------------------------------------

    @property
    def is_governed(self) -> bool:
        """Whether officers have been named: from then on every change goes through them."""
        return self.one("SELECT 1 FROM governance") is not None

    def govern(self, now_ns: int) -> None:
        """From now on every change goes through officers; this cannot be undone."""
        with self.transaction():
            if self.is_governed:
                raise RegistryError("officers: they have been named already; they decide on everything else")
            self._db.execute("INSERT INTO governance VALUES (?)", (now_ns,))

    def revoke_officers(self, now_ns: int) -> list[Key]:
        """Revoke every live key with an officer's scopes and return them, before the first officers are named."""
        keys = [key for key in self.keys() if key.is_officers and key.revoked_ns is None]
        return [self.revoke_key(key.id, now_ns) for key in keys]

    def check_open(self) -> None:
        """Refuse what only a venue without officers does."""
        if self.is_governed:
            raise RegistryError("officers: this venue has them; give --as FILE with an officer's key, or new --data")

    def insert_change(self, row: tuple[object, ...]) -> int:
        """Keep a change; returns its number."""
        columns = "kind, params, reason, actor, actor_key, created_ns, expires_ns, state"
        query = f"INSERT INTO changes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        return int(self._db.execute(query, row).lastrowid or 0)

    def last_change(self, kind: str = "") -> int:
        """The number of the last change, or of the last one of a kind that is in force; 0 without one."""
        query = "SELECT coalesce(max(number), 0) FROM changes"
        if kind:
            found = self._db.execute(f"{query} WHERE kind = ? AND state IN ('done', 'approved')", (kind,))
        else:
            found = self._db.execute(query)
        return int(found.fetchone()[0])

    def decide_change(self, number: int, state: str, officer: Key, note: str, now_ns: int) -> None:
        """Note the decision on a proposal and who made it."""
        query = (
            "UPDATE changes SET state = ?, approver = ?, approver_key = ?, decided_ns = ?, note = ? WHERE number = ?"
        )
        self._db.execute(query, (state, officer.person, officer.number, now_ns, note, number))

    def vouch(self, number: int, now_ns: int) -> None:
        """Have the log vouch for a change as it is now: by the directives that it just wrote, or by an ATTEST."""
        [change] = rows_of(self._db, "SELECT * FROM changes WHERE number = ?", number)
        records = rows_of(self._db, "SELECT * FROM records WHERE change = ? ORDER BY number", number)
        digest = stages(change, records)[-1]
        with self.transaction():
            query = "UPDATE intents SET digest = ? WHERE change = ? AND digest = x'' AND applied_seq IS NULL"
            if self._db.execute(query, (digest, number)).rowcount == 0:
                intent = Intent(
                    COMMAND_ATTEST, Attested.REGISTRY, actor=change["actor"], approver=change["approver"],
                    change=number, key=change["actor_key"], digest=digest,
                )  # fmt: skip
                self._add(intent, now_ns)

    def _vouch_for_earlier(self) -> None:
        """Have the log vouch for the changes that an earlier release made, which kept no hashes."""
        vouched = "SELECT change FROM intents WHERE digest != x''"
        query = f"SELECT number, created_ns FROM changes WHERE number NOT IN ({vouched}) ORDER BY number"
        with self.transaction():
            for number, created_ns in self.all(query):
                self.vouch(number, created_ns)

    # --- signatures seen --------------------------------------------------------------------------------------------

    def use_once(self, digest: bytes, expires_ns: int, now_ns: int) -> bool:
        """Whether this signature or token is used for the first time; remembered until it expires, over restarts."""
        return self._seen.use_once(digest, expires_ns, now_ns)

    def is_used(self, digest: bytes) -> bool:
        """Whether this digest has been used."""
        return self._seen.is_used(digest)

    # --- contracts --------------------------------------------------------------------------------------------------

    def add_contract(self, record: ContractRecord, intents: Iterable[Intent]) -> None:
        """Register a contract's names and units together with the intents that create and list it."""
        with self.transaction():
            if self.one("SELECT 1 FROM contracts WHERE name = ? OR slot = ?", record.name, record.slot):
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
        with self.transaction():
            for intent in intents:
                self._add(intent, now_ns)

    def _add(self, intent: Intent, now_ns: int) -> None:
        if self._acting:
            intent = replace(intent, **self._acting)
        columns = INTENT_COLUMNS.replace(" reference,", "")
        next_reference = "(SELECT coalesce(max(reference), 0) + 1 FROM intents)"
        values = (
            int(intent.kind), int(intent.code), intent.account_slot, intent.contract_slot, intent.item, intent.person,
            intent.value, intent.amount_micros, intent.actor, intent.approver, intent.note, intent.source_time_ns,
            intent.change, intent.key, int(intent.sweeps), intent.digest, now_ns,
        )  # fmt: skip
        places = ", ".join("?" * len(values))
        query = f"INSERT INTO intents (reference, {columns}, created_ns) VALUES ({next_reference}, {places})"
        self._db.execute(query, values)

    @contextmanager
    def acting(self, actor: int, approver: int, change: int, key: int) -> Iterator[None]:
        """Every intent that is written inside gets these persons, this change and this key."""
        self._acting = {"actor": actor, "approver": approver, "change": change, "key": key}
        try:
            yield
        finally:
            self._acting = {}

    @property
    def acting_change(self) -> int:
        """The number of the change that is being carried out; 0 outside of one."""
        return int(self._acting.get("change", 0))

    def pending_intents(self, after: int = 0, limit: int = 1000) -> list[Intent]:
        """Intents after a reference that the log does not have yet, in the order of their references."""
        clause = "WHERE applied_seq IS NULL AND reference > ? ORDER BY reference LIMIT ?"
        rows = self._db.execute(f"SELECT {INTENT_COLUMNS} FROM intents {clause}", (after, limit))
        return [Intent(*row) for row in rows]

    def last_reference(self) -> int:
        """The reference of the latest intent, 0 for none."""
        return int(self.one("SELECT coalesce(max(reference), 0) FROM intents")[0])

    def last_asked(self, intent: Intent) -> Intent | None:
        """The last intent, not refused, that writes where this one does; None when there is none."""
        is_state = intent.kind in (CommandKind.CONTRACT_STATE, CommandKind.VENUE_STATE)
        found = self.one(
            f"SELECT {INTENT_COLUMNS} FROM intents WHERE kind = ? AND account_slot = ? AND contract_slot = ? AND "
            "item = ? AND person = ? AND (? OR code = ?) AND coalesce(reason, 0) = 0 ORDER BY number DESC LIMIT 1",
            int(intent.kind), intent.account_slot, intent.contract_slot, intent.item, intent.person, is_state,
            int(intent.code),
        )  # fmt: skip
        return Intent(*found) if found else None

    def known_value(self, intent: Intent) -> int | None:
        """The last value asked for, and not refused, where an intent writes; None when there is none."""
        found = self.last_asked(intent)
        if found is None:
            return None
        return found.code if found.kind in (CommandKind.CONTRACT_STATE, CommandKind.VENUE_STATE) else found.value

    def attribute(self, account_slot: int, attribute: AccountAttribute) -> int | None:
        """The value of an account's attribute that was last asked for, or None."""
        return self.known_value(Intent(CommandKind.ACCOUNT_SET, int(attribute), account_slot))

    def state_before_halt(self, contract_slot: int) -> MarketState:
        """The last state asked for that is not a halt; the contract returns to it when the halt is lifted."""
        found = self.one(
            "SELECT code FROM intents WHERE kind = ? AND account_slot = ? AND contract_slot = ? AND code != ? AND "
            "coalesce(reason, 0) = 0 ORDER BY number DESC LIMIT 1",
            COMMAND_CONTRACT_STATE, NIL, contract_slot, MARKET_HALTED,
        )  # fmt: skip
        return MarketState(found[0]) if found else MarketState.OPEN

    def accounts_with(self, attribute: AccountAttribute, least: int, most: int) -> list[tuple[int, int]]:
        """(slot, value) of the accounts whose attribute was last asked to be within these bounds, both included."""
        query = (
            f"SELECT DISTINCT account_slot FROM intents WHERE kind = {COMMAND_ACCOUNT_SET} AND code = ? "
            "AND value BETWEEN ? AND ? ORDER BY account_slot"
        )
        slots = [slot for (slot,) in self.all(query, int(attribute), least, most)]
        found = [(slot, self.attribute(slot, attribute) or 0) for slot in slots]
        return [(slot, value) for slot, value in found if least <= value <= most]

    def intents_of(self, change: int) -> list[tuple[Intent, Result]]:
        """A change's directives in their order, and what became of them; not what only vouches for it."""
        return self._with_results("change = ? AND kind != ?", change, COMMAND_ATTEST)

    def intents_between(self, after: int, last: int) -> list[tuple[Intent, Result]]:
        """The intents after one reference up to another, in their order, and what became of them."""
        return self._with_results("reference > ? AND reference <= ?", after, last)

    def _with_results(self, clause: str, *values: object) -> list[tuple[Intent, Result]]:
        columns = f"{INTENT_COLUMNS}, applied_seq, reason, orders_cancelled"
        rows = self._db.execute(f"SELECT {columns} FROM intents WHERE {clause} ORDER BY reference", values)
        return [(Intent(*row[:-3]), Result(*row[-3:])) for row in rows]

    def mark_applied(
        self,
        results: Iterable[tuple[int, int, int]],
        swept: Iterable[tuple[int, int]] = (),
        tip: tuple[int, bytes] | None = None,
    ) -> None:
        """Record (reference, sequence in the log, reason or 0) of intents that the log holds.

        `swept` has (sequence, number of orders) of intents whose sweep has ended; `tip` is as in `keep_tip`.
        """
        applied = [(seq, reason, reference) for reference, seq, reason in results]
        ended = [(orders, seq) for seq, orders in swept]
        with self.transaction():
            self._db.executemany("UPDATE intents SET applied_seq = ?, reason = ? WHERE reference = ?", applied)
            self._db.executemany("UPDATE intents SET orders_cancelled = ? WHERE sweeps = 1 AND applied_seq = ?", ended)
            if tip is not None:
                self.keep_tip(*tip)

    def keep_tip(self, seq: int, chain: bytes) -> None:
        """Note that the log is durable up to this sequence, with its hash: a start refuses a shorter log."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO log_tip VALUES (1, ?, ?)", (seq, chain))

    def log_tip(self) -> tuple[int, bytes] | None:
        """Up to which sequence the log was known to be durable, and its hash; None for a registry without a log."""
        found = self.one("SELECT seq, chain FROM log_tip")
        return (int(found[0]), bytes(found[1])) if found else None

    def last_applied(self) -> int:
        """The latest sequence at which the log is noted to hold an intent; 0 for none. They come in order."""
        latest = "SELECT applied_seq FROM intents ORDER BY reference DESC LIMIT 1000"
        return int(self.one(f"SELECT coalesce(max(applied_seq), 0) FROM ({latest})")[0])

    def unfinished_sweeps(self) -> list[tuple[int, int]]:
        """The sequences and kinds of the intents in the log whose sweep is not known to have ended."""
        clause = "sweeps = 1 AND applied_seq > 0 AND orders_cancelled IS NULL"
        return self._db.execute(f"SELECT applied_seq, kind FROM intents WHERE {clause}").fetchall()

    # --- client records ---------------------------------------------------------------------------------------------

    def client_id(self, name: str) -> int:
        """The number of a client by name."""
        found = self.one("SELECT id FROM clients WHERE name = ?", name)
        if found is None:
            raise RegistryError(f"client: no client {name[:64]!r}; `lionrock account list` shows them")
        return int(found[0])

    def client_of(self, account_slot: int) -> str:
        """The name of the client that an account belongs to."""
        query = "SELECT clients.name FROM accounts JOIN clients ON clients.id = client_id WHERE slot = ?"
        return str(self.one(query, account_slot)[0])

    def accounts_of(self, client: str) -> list[Account]:
        """A client's accounts and sub-accounts by slot."""
        return self._accounts("WHERE clients.name = ? ORDER BY slot", client)

    def person_name(self, person: int) -> str:
        """A person's name; empty when there is none."""
        found = self.one("SELECT name FROM persons WHERE id = ?", person)
        return str(found[0]) if found else ""

    def add_record(self, record: Record, change: int, now_ns: int) -> None:
        """Add an entry to a client's file; no entry is ever changed or removed."""
        columns = "topic, client_id, account_slot, person, details, document_hash, valid_through, change, recorded_ns"
        slot = record.account_slot if record.account_slot != NIL else None
        row = (
            record.topic, record.client_id or None, slot, record.person or None, json.dumps(record.details),
            record.document_hash, record.valid_through, change, now_ns,
        )  # fmt: skip
        with self.transaction():
            number = self.write(f"INSERT INTO records ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)
            for document in {record.document_hash, *hashes_in(record.details)} - {""}:
                self.write("INSERT INTO documents VALUES (?, ?)", document, number)

    def records_of(self, client_id: int) -> list[Record]:
        """A client's file: its own entries, and those of its accounts and of the persons who hold their keys."""
        query = (
            f"SELECT {RECORD_COLUMNS} FROM records WHERE client_id = :client OR account_slot IN (SELECT slot FROM "
            "accounts WHERE client_id = :client) OR person IN (SELECT person FROM keys JOIN accounts "
            "ON slot = keys.account_slot WHERE client_id = :client) ORDER BY number"
        )
        return [record_of(row) for row in self._db.execute(query, {"client": client_id})]

    # --- plumbing ---------------------------------------------------------------------------------------------------

    def all(self, query: str, *values: object) -> list[Any]:
        """The rows of a query."""
        return self._db.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> Any:
        """The first row of a query, or None."""
        return self._db.execute(query, values).fetchone()

    def write(self, query: str, *values: object) -> int:
        """Write inside the caller's transaction; the number of the row that was inserted last."""
        return int(self._db.execute(query, values).lastrowid or 0)

    def transaction(self) -> Transaction:
        """A transaction: all of it is written with its checksums, or nothing. Nothing is written outside of one."""
        return Transaction(self._db)
