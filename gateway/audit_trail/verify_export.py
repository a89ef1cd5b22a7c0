"""Checks an export: alone its chain, its counts and its end; with the journal every record; with seals what they prove.

Alone an export is only consistent in itself: who can write the file can compute its chain anew.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine import host
from engine.codes import CommandKind
from gateway.audit_trail import export
from gateway.audit_trail.columns import COLUMNS, Record
from gateway.audit_trail.hash_chain import CHAIN, END, genesis, link
from gateway.audit_trail.journal_follower import survey
from gateway.audit_trail.proofs import Proof, ProofCheck, check_proofs
from gateway.audit_trail.record_counts import COUNT, Tally
from gateway.audit_trail.records import Progress, Scope, scope_of
from gateway.audit_trail.seals import SealError
from gateway.audit_trail.whole_trail import trail


@dataclass(frozen=True)
class Against:
    """What an export is held against besides itself."""

    journal: Path | None = None
    proofs: tuple[Proof, ...] = ()
    key: Ed25519PublicKey | None = None


@dataclass
class Checked:
    """The result of a check: `first_bad` is the number of the first record that was changed.

    `later` is how many further decisions in its scope the journal has after `last_seq`, where the export ends.
    """

    file: str
    records: int = 0
    chain: str = ""
    first_bad: int | None = None
    problem: str = ""
    journal: str = ""
    last_seq: int = 0
    later: int = 0
    proved: list[str] = field(default_factory=list)


class FaultError(ValueError):
    """What is wrong with a record, and with which."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(what)
        self.number = number


def _silent(done: int, total: int) -> None:
    return None


_ALONE = Against()


def check(path: Path, against: Against = _ALONE, progress: Progress = _silent) -> Checked:
    """Check an export's chain, counts and end; every record and the end against a journal; its days against proofs."""
    found, journal = Checked(str(path)), against.journal
    try:
        scope, end = check_alone(path, found)
        if against.key is not None:
            checks = [ProofCheck(proof, against.key) for proof in against.proofs]
            for item in checks:
                item.check_scope(scope, found.last_seq)
            found.proved = check_proofs(export.read(path), checks)
        if journal is not None:
            found.journal = str(journal)
            _check_end(journal, end, found)
            _compare(path, journal, scope, found, progress)
            found.later = _later(journal, scope, found.last_seq)
    except FaultError as fault:
        found.first_bad, found.problem = fault.number, f"{path}: {fault}"
    except SealError as error:
        found.problem = f"{path}: {error}"
    except (ValueError, OverflowError, csv.Error) as error:
        found.first_bad, found.problem = found.records + 1, str(error)
    return found


# --- alone --------------------------------------------------------------------------------------------------------


def check_alone(path: Path, found: Checked) -> tuple[Scope, dict[str, Any]]:
    """The scope of an export and the facts of its end, if chain, counts and end agree; else a FaultError."""
    scope, end = None, None
    since, total = Tally(), Tally()
    for record in _linked(export.read(path), found):
        number = record["number"]
        if end is not None:
            raise FaultError(number, f"record {number} comes after the one that closes the export")
        if scope is None:
            scope = _scope(record)
            continue
        kind = record.get("record")
        if kind == COUNT:
            _compare_counts(since, record)
            since = Tally()
        elif kind == END:
            end = _facts(record)
            _compare_end(record, end, total, scope)
        else:
            since.add(record)
            total.add(record)
    if scope is None or end is None:
        after = f"record {found.records}"
        raise FaultError(found.records + 1, f"it ends after {after}, before the record that closes an export")
    found.last_seq = end["last_seq"]
    return scope, end


def _linked(records: Iterable[Record], found: Checked) -> Iterator[Record]:
    """The records of an export without their hashes, as long as the chain holds."""
    chain = b""
    for number, record in enumerate(records, 1):
        if number == 1:
            chain = genesis(str(record.get("note", "")))
        written = record.pop(CHAIN, "")
        before, chain = chain, link(chain, record)
        if record.get("number") != number or written != chain.hex():
            raise FaultError(number, f"record {number} is not what was written: the chain breaks there")
        if record.get("record") == END and _facts(record).get("before") != before.hex():
            raise FaultError(
                number, f"record {number} closes the export, but names another hash of the record before it"
            )
        found.records, found.chain = number, chain.hex()
        yield record


def _scope(record: Record) -> Scope:
    try:
        return scope_of(str(record.get("note", "")))
    except ValueError as error:
        raise FaultError(1, str(error)) from None


def _facts(record: Record) -> dict[str, Any]:
    """What the note of a count or an end says."""
    try:
        facts = json.loads(str(record.get("note", "")))
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise FaultError(record["number"], f"record {record['number']}: its note is not as an export writes it")
    return facts


def _compare_counts(since: Tally, record: Record) -> None:
    number = record["number"]
    facts = _facts(record)
    differences = since.differences(facts)
    if differences or record.get("count") != since.records:
        day = f"of {facts.get('day')}" if "day" in facts else "before it"
        what = differences or "its number of records is another"
        raise FaultError(number, f"record {number} does not count the records {day} that are there: {what}")


def _compare_end(record: Record, facts: dict[str, Any], total: Tally, scope: Scope) -> None:
    """The end says how many records there are, of which kinds, and repeats the scope of the first record."""
    number = record["number"]
    accounts = facts.get("accounts", dict(total.accounts) if scope.account_slot < 0 else None)
    differences = total.differences(facts | {"accounts": accounts})
    if facts.get("records") != number:
        differences = differences or f"{facts.get('records')} records were written, {number} are there"
    if differences:
        raise FaultError(number, f"record {number} closes another export than this: {differences}")
    if facts.get("filter") != scope.__dict__:
        raise FaultError(
            number, f"record {number} closes an export of another account or time than the first record says"
        )
    last_seq, journal = facts.get("last_seq"), facts.get("journal")
    if type(last_seq) is not int or last_seq < 0 or record.get("seq") != last_seq or type(journal) is not str:
        raise FaultError(number, f"record {number} does not say where in the journal the export ends")


# --- with the journal ---------------------------------------------------------------------------------------------


def _check_end(journal: Path, end: dict[str, Any], found: Checked) -> None:
    """The journal up to where the export ends has the hash that the export says."""
    reader, last_seq = host.JournalReader(journal), found.last_seq
    try:
        chain = bytes.fromhex(end["journal"])
    except ValueError:
        chain = b""
    if not reader.seek(last_seq, chain):
        raise FaultError(
            found.records,
            f"record {found.records} closes the export at sequence {last_seq} of a journal that is not this one: "
            "its hash there is another",
        )


def _compare(path: Path, journal: Path, scope: Scope, found: Checked, progress: Progress) -> None:
    """Make the export again, up to where it ends, and find the first record that differs."""
    wanted = trail(journal, scope, progress, found.last_seq)
    for number, (given, made) in enumerate(zip_longest(export.read(path), wanted), 1):
        name = _difference(given, made)
        if name:
            raise FaultError(number, f"record {number} is not what the journal gives: {name}")


def _difference(given: Record | None, made: Record | None) -> str:
    """The first column in which two records differ, with both values; empty when they agree."""
    if given is None or made is None:
        return "the record is missing" if given is None else "the journal has no such record"
    for name in (*COLUMNS, CHAIN):
        if given.get(name) != made.get(name):
            return f"{name} is {given.get(name)!r}, the journal gives {made.get(name)!r}"
    return ""


def _later(journal: Path, scope: Scope, last_seq: int) -> int:
    """How many commands after a sequence the export would tell of too; not index prices, nor what the log vouches for.

    An export that was cut and closed again at an earlier sequence is one that was made earlier: this tells it.
    """
    bare = replace(scope, with_index=False)

    def wanted(commands: Any, events: Any) -> Any:
        first, count = int(commands["seq"][0]), len(commands)
        seqs = bare.wanted(commands, events)
        seqs = seqs[(seqs > last_seq) & (seqs >= first) & (seqs < first + count)]
        rows = commands[seqs - first]
        is_in = (rows["time_ns"] >= scope.from_ns) & (rows["time_ns"] < scope.to_ns)
        return seqs[is_in & (rows["kind"] != CommandKind.ATTEST)]

    return len(survey(journal, wanted).stops)
