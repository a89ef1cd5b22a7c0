"""Checks a registry against the log: its changes, their records, directives and keys are what the log vouches for.

Whoever may write the registry's file may alter it; the log has a hash of every change and its records, and the
directives themselves. What was altered is named as closely as can be: by the rows that say the same elsewhere.
"""

import base64
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.codes import AccountAttribute, CommandKind
from engine.schema import DIRECTIVE
from gateway.audit_trail.records import Progress
from gateway.office.disclosures import sha256_of
from gateway.registry.tables import rows_of
from gateway.registry.vouching import as_proposed, digest_of, stages

_COLUMNS = {
    "kind": "kind", "code": "code", "account_slot": "account_slot", "contract_slot": "contract_slot", "item": "index",
    "person": "person", "value": "value", "amount_micros": "amount_micros", "source_time_ns": "source_time_ns",
    "actor": "actor", "approver": "approver", "change": "reason", "key": "key",
}  # fmt: skip
"""Columns of an intent, and where the directive has them."""
_KEYS = (
    "SELECT keys.id, keys.kind, verifier, scopes, keys.created_ns, revoked_ns, persons.name AS person, "
    "accounts.name AS account FROM keys JOIN persons ON persons.id = person LEFT JOIN accounts ON slot = account_slot"
)
_IDENTITIES = (
    "SELECT digest, document, change, persons.name AS person FROM identities JOIN persons ON persons.id = person "
    "WHERE change > 0 ORDER BY digest"
)
Row = dict[str, Any]
ACCEPTED = "accept_loss"
"""The kind of change by which somebody went on with a log that had lost its end."""


@dataclass
class RegistryChecked:
    """What a check of a registry found; `waiting` directives are not in the log yet, because no venue ran since.

    `left_out` payments were in a part of the log whose loss was accepted; `accepted_losses` says by which changes.
    """

    registry: str
    changes: int = 0
    records: int = 0
    directives: int = 0
    waiting: int = 0
    left_out: int = 0
    accepted_losses: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class _Logged:
    """What a log has of a registry: directives by reference, hashes by change in their order, all with sequences."""

    directives: dict[int, Any] = field(default_factory=dict)
    digests: dict[int, list[bytes]] = field(default_factory=dict)
    seqs: dict[int, int] = field(default_factory=dict)
    last_seq: int = 0

    @property
    def last_reference(self) -> int:
        return max(self.directives, default=0)


def check_registry(journal: Path, registry: Path, progress: Progress) -> RegistryChecked:
    """Compare a registry's file, which is only read, with a journal. The journal is read first: it may grow."""
    found = RegistryChecked(str(registry))
    logged = _read_log(journal, progress)
    db = sqlite3.connect(f"{registry.resolve().as_uri()}?mode=ro", uri=True)
    try:
        db.execute("BEGIN")
        intents = rows_of(db, "SELECT * FROM intents ORDER BY reference")
        changes = rows_of(db, "SELECT * FROM changes ORDER BY number")
        records = rows_of(db, "SELECT * FROM records ORDER BY number")
        keys = rows_of(db, _KEYS)
        accounts = rows_of(db, "SELECT slot, name, client_id FROM accounts ORDER BY slot")
        identities = rows_of(db, _IDENTITIES)
        texts = rows_of(db, "SELECT * FROM disclosures ORDER BY name, version")
        governed = db.execute("SELECT governed_ns FROM governance").fetchone()
    finally:
        db.close()
    found.changes, found.records, found.directives = len(changes), len(records), len(logged.directives)
    found.accepted_losses = [_told_loss(change) for change in changes if change["kind"] == ACCEPTED]
    found.problems += _check_directives(intents, changes, logged, found)
    found.problems += _check_changes(changes, records, intents, logged)
    found.problems += _check_keys(keys, changes, governed[0] if governed else None)
    found.problems += _check_accounts(accounts, logged)
    found.problems += _check_identities(identities, changes)
    found.problems += _check_texts(texts, records)
    for name, rows in (("change", changes), ("record", records)):
        numbers = {row["number"] for row in rows}
        missing = sorted(set(range(1, max(numbers, default=0))) - numbers)
        found.problems += [f"{name} {number} is missing: the numbers go on without it" for number in missing]
    return found


def _read_log(journal: Path, progress: Progress) -> _Logged:
    reader, found = host.JournalReader(journal), _Logged()
    for rows in reader.batches():
        given = rows.view(DIRECTIVE)[rows["kind"] >= CommandKind.ACCOUNT_OPEN]
        for row in given[given["reference"] > 0].copy():
            found.directives[int(row["reference"])] = row
            change, digest = int(row["reason"]), row["digest"].tobytes()
            if change and np.any(row["digest"]):
                of_change = found.digests.setdefault(change, [])
                if digest not in of_change:
                    of_change.append(digest)
                found.seqs[change] = int(row["seq"])
        progress(reader.bytes_read, reader.bytes_total)
    found.last_seq = reader.last_seq
    return found


# --- directives ---------------------------------------------------------------------------------------------------


def _left_out(changes: list[Row]) -> set[int]:
    """The payments that somebody has left out with a part of the log that was lost; the log vouches for the change."""
    return {
        reference
        for change in changes
        if change["kind"] == ACCEPTED
        for reference in _object(change["params"]).get("left", ())
    }


def _told_loss(change: Row) -> str:
    """A change by which the loss of a part of the log was accepted."""
    seq = _object(change["params"]).get("accepted_seq")
    return f"change {change['number']}: what came after sequence {seq} was lost, and accepted: {change['reason']}"


def _check_directives(
    intents: list[Row], changes: list[Row], logged: _Logged, found: RegistryChecked
) -> Iterator[str]:
    known = {row["reference"]: row for row in intents}
    for reference, row in sorted(logged.directives.items()):
        if reference not in known:
            kind = CommandKind(row["kind"]).name
            yield f"directive {reference} is missing: the log has it, {kind} at sequence {int(row['seq'])}"
    left = _left_out(changes)
    for reference, intent in known.items():
        if reference in logged.directives:
            yield from _differences(intent, logged.directives[reference])
        elif reference in left and intent["applied_seq"] == 0:
            found.left_out += 1
        elif reference <= logged.last_reference or (intent["applied_seq"] or 0) in range(1, logged.last_seq + 1):
            yield f"directive {reference} was added: the log does not have it"
        else:
            found.waiting += 1


def _differences(intent: Row, row: Any) -> Iterator[str]:
    where = f"directive {intent['reference']}, sequence {int(row['seq'])}"
    for name, column in _COLUMNS.items():
        if intent[name] != int(row[column]):
            yield f"{where}: {name} is {intent[name]}, the log has {int(row[column])}"
    if (intent["digest"] or bytes(row["digest"].nbytes)) != row["digest"].tobytes():
        yield f"{where}: digest is {intent['digest'].hex()}, the log has {row['digest'].tobytes().hex()}"
    if intent["applied_seq"] not in (None, int(row["seq"])):
        yield f"{where}: applied_seq is {intent['applied_seq']}"


# --- changes and records ------------------------------------------------------------------------------------------


def _check_changes(changes: list[Row], records: list[Row], intents: list[Row], logged: _Logged) -> Iterator[str]:
    made: dict[int, list[Row]] = {}
    for record in records:
        made.setdefault(record["change"], []).append(record)
    waiting = {row["change"] for row in intents if row["reference"] > logged.last_reference}
    numbers = {change["number"] for change in changes}
    for number in sorted(set(logged.digests) - numbers):
        yield f"change {number} is missing: the log vouches for it at sequence {logged.seqs[number]}"
    for number in sorted(set(made) - numbers):
        yield f"record {made[number][0]['number']} is of change {number}, which is not there"
    for change in changes:
        number = change["number"]
        given, expected = logged.digests.get(number, []), stages(change, made.get(number, []))
        if number in waiting and given == expected[: len(given)]:
            continue
        if not given:
            yield f"change {number} ({change['kind']}) was added: the log does not vouch for it"
        elif given[-1] != expected[-1] or not set(given) <= set(expected):
            yield _Alteration(change, made.get(number, []), given, logged).named()


def _check_keys(keys: list[Row], changes: list[Row], governed_ns: int | None) -> Iterator[str]:
    """Keys are what the changes say that issued and revoked them, which the log vouches for."""
    known = {key["id"]: key for key in keys}
    done = [(change, _object(change["params"])) for change in changes if change["state"] in ("done", "approved")]
    issued = {params.get("key"): (change, params) for change, params in done if change["kind"] == "issue_key"}
    for key_id, (change, params) in issued.items():
        if key_id not in known:
            yield f"key {key_id} is missing: change {change['number']} issued it"
            continue
        key = known[key_id]
        is_now = {
            "kind": key["kind"], "scopes": sorted(key["scopes"].split()), "person": key["person"],
            "verifier": base64.b64encode(key["verifier"]).decode(), "account": key["account"] or "",
        }  # fmt: skip
        was = params | {
            "scopes": sorted(scope.strip() for scope in str(params.get("scopes")).split(",") if scope.strip())
        }
        for name, value in is_now.items():
            if (was.get(name) or "") != value:
                yield f"key {key_id}: {name} is {value!r}, change {change['number']} says {was.get(name)!r}"
    for change, params in done:
        key = known.get(params.get("key"), {"revoked_ns": 1})
        if change["kind"] == "revoke_key" and key["revoked_ns"] is None:
            yield f"key {params['key']} is live again: change {change['number']} revoked it"
    for key_id, key in known.items():
        if governed_ns is not None and key["created_ns"] > governed_ns and key_id not in issued:
            yield f"key {key_id} was added: no change issued it"


# --- what changes have made ---------------------------------------------------------------------------------------


def _check_accounts(accounts: list[Row], logged: _Logged) -> Iterator[str]:
    """Each account is the client's of whom the log was told first; the engine binds it once."""
    told: dict[int, Any] = {}
    for _, row in sorted(logged.directives.items()):
        if row["kind"] == CommandKind.ACCOUNT_SET and row["code"] == AccountAttribute.CLIENT:
            told.setdefault(int(row["account_slot"]), row)
    for account in accounts:
        row = told.get(account["slot"])
        if row is not None and account["client_id"] != int(row["value"]):
            seq, value = int(row["seq"]), int(row["value"])
            yield f"account {account['name']}: client_id is {account['client_id']}, sequence {seq} says {value}"


def _check_identities(identities: list[Row], changes: list[Row]) -> Iterator[str]:
    """Each identity is bound to the person whom its change names."""
    params = {change["number"]: _object(change["params"]) for change in changes}
    for row in identities:
        asked = params.get(row["change"], {})
        if (asked.get("person"), asked.get("identity")) != (row["person"], f"{row['document']} {row['digest']}"):
            yield f"identity of {row['person']} ({row['document']}): change {row['change']} says another or none"


def _check_texts(texts: list[Row], records: list[Row]) -> Iterator[str]:
    """Each disclosure has the text whose hash is in the record of its publication."""
    entries = [_object(record["details"]) for record in records if record["topic"] == "disclosure_text"]
    published = {(entry.get("disclosure"), entry.get("version")): entry for entry in entries}
    known = set()
    for row in texts:
        place = row["name"], row["version"]
        known.add(place)
        entry, where = published.get(place, {}), f"disclosure {row['name']}, version {row['version']}"
        if sha256_of(row["text"]) != row["sha256"] or row["sha256"] != entry.get("text_sha256"):
            yield f"{where}: its text is not the one that was published"
        if row["effective_from"] != entry.get("effective_from"):
            yield f"{where}: effective_from is {row['effective_from']}, its record says {entry.get('effective_from')}"
    for name, version in sorted(set(published) - known, key=str):
        yield f"disclosure {name}, version {version} is missing: a record says that it was published"


class _Alteration:
    """A change whose rows are not what the log vouches for: which row and column, as far as other rows tell."""

    def __init__(self, change: Row, records: list[Row], given: list[bytes], logged: _Logged) -> None:
        self._change, self._records, self._given = change, records, given
        self._seq = logged.seqs[change["number"]]
        self._directives = [row for row in logged.directives.values() if row["reason"] == change["number"]]

    def named(self) -> str:
        """What was altered, in one line."""
        number, kind = self._change["number"], self._change["kind"]
        for what, change, records in self._undone():
            expected = stages(change, records)
            if expected[-1] == self._given[-1] and set(self._given) <= set(expected):
                return f"change {number} ({kind}): {what} at sequence {self._seq}"
        is_proposal_whole = digest_of(as_proposed(self._change), []) in self._given
        rows = [f"record {record['number']}" for record in self._records]
        whole = "its decision (approver, time, note)" if is_proposal_whole else "its row"
        told = " or ".join([whole, *rows, "a record that was deleted"])
        return f"change {number} ({kind}): {told} is not what the log vouches for at sequence {self._seq}"

    def _undone(self) -> Iterator[tuple[str, Row, list[Row]]]:
        """What the rows would be with one alteration taken back, and how it is told."""
        change, records = self._change, self._records
        for place, record in enumerate(records):
            for name, old, new in self._of_record(record):
                before = [*records[:place], _with(record, name, new), *records[place + 1 :]]
                yield f"record {record['number']}: {name} is {old!r}, the log vouches for {new!r}", change, before
            without = [*records[:place], *records[place + 1 :]]
            yield f"record {record['number']} was added: the log does not vouch for it", change, without
        for name, old, new in self._of_change():
            yield f"{name} is {old!r}, the log vouches for {new!r}", _with(change, name, new), records

    def _of_record(self, record: Row) -> Iterator[tuple[str, Any, Any]]:
        """(column, value, what another row says of it)."""
        params, details = _object(self._change["params"]), _object(record["details"])
        for name in ("document_hash", "valid_through"):
            yield name, record[name], params.get(name) or ""
        for name, value, other in _shared(details, params):
            yield f"details.{name}", value, other
        times = {self._change["decided_ns"] or self._change["created_ns"]}
        for name, values in (("recorded_ns", times), ("change", [self._change["number"]])):
            for value in values:
                yield name, record[name], value
        for name in ("account_slot", "person"):
            for row in self._directives:
                yield name, record[name], int(row[name])

    def _of_change(self) -> Iterator[tuple[str, Any, Any]]:
        change, params = self._change, _object(self._change["params"])
        yield "reason", change["reason"], params.get("reason")
        yield "params.reason", params.get("reason"), change["reason"]
        for record in self._records:
            told = _object(record["details"]) | {name: record[name] for name in ("document_hash", "valid_through")}
            for name, value, other in _shared(params, told):
                yield f"params.{name}", value, other
            yield "decided_ns", change["decided_ns"], record["recorded_ns"]
            yield "created_ns", change["created_ns"], record["recorded_ns"]
        for row in self._directives:
            for name, column in (("actor", "actor"), ("approver", "approver"), ("actor_key", "key")):
                yield name, change[name], int(row[column])


def _object(text: str) -> Row:
    """The JSON object in a column; empty when it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _shared(ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, our value, theirs) of what both say; of objects in a list as `items.0.amount`."""
    pairs = enumerate(ours) if isinstance(ours, list) else ours.items()
    for name, value in pairs:
        if isinstance(theirs, list) and not (isinstance(name, int) and name < len(theirs)):
            continue
        if isinstance(theirs, dict) and name not in theirs:
            continue
        other = theirs[name]
        if isinstance(value, dict | list) and isinstance(other, type(value)):
            yield from ((f"{name}.{inner}", mine, their) for inner, mine, their in _shared(value, other))
        else:
            yield str(name), value, other


def _with(row: Row, name: str, value: Any) -> Row:
    """A row with another value in a column, or in the JSON of one, written as the registry writes it."""
    column, _, key = name.partition(".")
    if not key:
        return row | {column: value}
    inside = _object(row[column])
    *path, last = key.split(".")
    place: Any = inside
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    text = json.dumps(inside) if column == "details" else json.dumps(inside, ensure_ascii=False, separators=(",", ":"))
    return row | {column: text}


def summary(found: RegistryChecked) -> str:
    """A check that found nothing, in one line."""
    waiting = f"; {found.waiting:,} directives wait for the venue" if found.waiting else ""
    counts = f"{found.changes:,} changes, {found.records:,} records and {found.directives:,} directives"
    left_out = f"; {found.left_out:,} payments were left out with a lost part of the log" if found.left_out else ""
    accepted = "".join(f"; {line}" for line in found.accepted_losses)
    return f"{counts} are what the log vouches for{waiting}{left_out}{accepted}"
