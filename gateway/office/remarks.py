"""What both officers should know of a change beside its words: what it would prove, and documents seen elsewhere.

A document that is in another client's file is pointed out, not refused: a joint account's statement is rightly for two.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import msgspec

from gateway.office.changes import KINDS, Lookup, Plan
from gateway.registry.records import hashes_in
from gateway.registry.registry import Record, Registry, RegistryError


class Asked(NamedTuple):
    """A change as far as remarks need it."""

    number: int
    kind: str
    params: dict[str, Any]
    is_proposed: bool


def remarks(registry: Registry, asked: Asked, now_ns: int) -> list[str]:
    """One sentence for each thing to know, with what a proposal would prove."""
    found = list(_outcome(registry, asked, now_ns)) if asked.is_proposed else []
    return found + used_elsewhere(registry, asked, now_ns)


def used_elsewhere(registry: Registry, asked: Asked, now_ns: int) -> list[str]:
    """One sentence for each document of a change that is used for somebody else too."""
    found: list[str] = []
    own = _people(registry, asked.params)
    items = Counter(item["hash"] for item in asked.params.get("items") or ())
    found += [f"document {document[:12]}... is {count} items here" for document, count in items.items() if count > 1]
    for document in dict.fromkeys(hashes_in(asked.params)):
        places = [
            *_in_files(registry, document, asked.number, own),
            *_waiting(registry, document, asked.number, own, now_ns),
        ]
        found += [f"document {document[:12]}... is also used for {place}" for place in dict.fromkeys(places)]
    return found


def _outcome(registry: Registry, asked: Asked, now_ns: int) -> Iterator[str]:
    """What a proposal would put into the client's file if it were approved now, or why it no longer could be."""
    kind = KINDS[asked.kind]
    try:
        plan: Plan = kind.plan(Lookup(registry, now_ns), kind.of(asked.params))
    except (RegistryError, ValueError) as error:
        yield f"it cannot be carried out now: {error}"
        return
    yield from (_proves(record) for record in plan.records if record.topic == "evidence")


def _proves(record: Record) -> str:
    details = record.details
    total = f" with HK${details['total_hkd']}" if "total_hkd" in details else ""
    return f"it proves {details['investor_class']}{total} through {date.fromisoformat(record.valid_through)}"


def _people(registry: Registry, params: dict[str, Any]) -> set[str]:
    """Whose file a change is for: a client, or the clients whose keys a person holds, and the person itself."""
    client, person = params.get("client"), params.get("person")
    if client is not None:
        return {client}
    return _of_person(registry, person) if person is not None else set()


def _of_person(registry: Registry, name: str) -> set[str]:
    rows = registry.all(
        "SELECT DISTINCT clients.name FROM keys JOIN persons ON persons.id = person "
        "JOIN accounts ON slot = account_slot JOIN clients ON clients.id = accounts.client_id WHERE persons.name = ?",
        name,
    )
    return {client for (client,) in rows} or {name}


def _in_files(registry: Registry, document: str, change: int, own: set[str]) -> Iterator[str]:
    """The other files that hold a document."""
    rows = registry.all(
        "SELECT records.topic, clients.name, persons.name, records.change FROM documents "
        "JOIN records ON records.number = record LEFT JOIN clients ON clients.id = records.client_id "
        "LEFT JOIN persons ON persons.id = records.person WHERE hash = ? AND change != ? ORDER BY records.number",
        document, change,
    )  # fmt: skip
    for topic, client, person, number in rows:
        whose = {client} if client else _of_person(registry, person) if person else set()
        if not whose & own:
            yield f"{', '.join(sorted(whose)) or 'the venue'}: {topic}, change {number}"


def _waiting(registry: Registry, document: str, change: int, own: set[str], now_ns: int) -> Iterator[str]:
    """The proposals that name a document for somebody else."""
    rows = registry.all(
        "SELECT number, kind, params FROM changes WHERE state = 'proposed' AND expires_ns > ? AND number != ? "
        "AND instr(params, ?) ORDER BY number",
        now_ns, change, document,
    )  # fmt: skip
    for number, kind, params in rows:
        whose = _people(registry, msgspec.json.decode(params))
        if not whose & own:
            yield f"{', '.join(sorted(whose)) or 'the venue'}: {kind}, change {number}, proposed"
