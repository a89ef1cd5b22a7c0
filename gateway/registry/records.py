"""The registry's records: keys, accounts, contracts, intents and the entries of a client's file."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.codes import NIL, InvestorClass
from gateway.registry.errors import RegistryError

SCOPES = ("read", "trade", "transfer", "compliance", "admin")
TRADERS, OFFICERS = frozenset({"trade", "transfer"}), frozenset({"compliance", "admin"})
CONFLICTS = (TRADERS, OFFICERS)
"""No person holds scopes of both sides."""


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """A key to register: its id, whose it is, and what verification needs of it.

    An officer's key belongs to no account (NIL) and may hold the scopes compliance and admin only.
    """

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

    @property
    def is_officers(self) -> bool:
        """Whether it is an officer's key; such a key never trades."""
        return bool(self.scopes & OFFICERS)


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
    """A contract's names and units; the engine has the rest."""

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
    source_time_ns: int = 0
    change: int = 0
    """The number of its change in the registry, which has actor, reason and approval."""
    key: int = 0
    sweeps: bool = False
    """Whether the orders of its account, its contract or its person (all, if it names none) are cancelled with it."""
    digest: bytes = b""
    """The hash of what the registry keeps of its change, for the log to vouch for; see `vouching`."""


class Result(NamedTuple):
    """What the log has made of an intent; all None while the log does not have it."""

    sequence: int | None
    reason: int | None
    """Why the engine refused it; 0 when it did not."""
    orders_cancelled: int | None
    """How many orders its sweep took, None while that is under way; NOT_SWEPT when the engine refused the sweep."""


NOT_SWEPT = -1
"""In place of a number of orders: the queue of mass cancels was full."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a client's file; `details` has the rest. A document is kept elsewhere, only its hash is here."""

    topic: str
    client_id: int = 0
    account_slot: int = NIL
    person: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    document_hash: str = ""
    valid_through: str = ""
    number: int = 0
    change: int = 0
    recorded_ns: int = 0


RECORD_COLUMNS = (
    "topic, client_id, account_slot, person, details, document_hash, valid_through, number, change, recorded_ns"
)


def record_of(row: tuple[Any, ...]) -> Record:
    """An entry from its row of RECORD_COLUMNS."""
    topic, client_id, account_slot, person, details, *rest = row
    slot = NIL if account_slot is None else account_slot
    return Record(topic, client_id or 0, slot, person or 0, json.loads(details), *rest)


def hashes_in(details: Any) -> Iterator[str]:
    """The SHA-256 of each document that details or parameters name, however deep, as `hash` or `..._hash`."""
    pairs = details.items() if isinstance(details, dict) else enumerate(details) if isinstance(details, list) else ()
    for name, value in pairs:
        if isinstance(value, str) and (name == "hash" or str(name).endswith("_hash")):
            yield value
        yield from hashes_in(value)


def key_of(row: tuple[Any, ...]) -> Key:
    """A key from its row."""
    number, key_id, account_slot, person, kind, verifier, scopes, label, created_ns, revoked_ns = row
    held = frozenset(scopes.split())
    slot = NIL if account_slot is None else account_slot
    return Key(number, key_id, slot, person, kind, verifier, held, label, created_ns, revoked_ns)


def in_order(scopes: Iterable[str]) -> list[str]:
    """Scopes in their fixed order. RegistryError for none, and for one that is unknown."""
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        raise RegistryError(f"scopes: {' '.join(unknown) or 'none given'}; choose from {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]
