"""Checks an export: recomputes its chain, and compares it with its journal."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from gateway.audit_trail import export
from gateway.audit_trail.columns import COLUMNS, Record
from gateway.audit_trail.hash_chain import CHAIN, genesis, link
from gateway.audit_trail.records import Progress, Scope, scope_of, trail


@dataclass
class Checked:
    """The result of a check: `first_bad` is the number of the first record that was changed."""

    file: str
    records: int = 0
    chain: str = ""
    first_bad: int | None = None
    problem: str = ""
    journal: str = ""


def check(path: Path, journal: Path | None = None, progress: Progress = lambda done, total: None) -> Checked:
    """Recompute an export's chain; with a `journal`, compare every record with the journal too."""
    found = Checked(str(path))
    try:
        scope = _check_chain(path, found)
        if journal is not None and scope is not None:
            found.journal = str(journal)
            _compare(path, journal, scope, found, progress)
    except (ValueError, OverflowError, csv.Error) as error:
        found.first_bad, found.problem = found.records + 1, str(error)
    return found


def _check_chain(path: Path, found: Checked) -> Scope | None:
    """The scope of an export whose chain is whole; a fault is noted in `found`."""
    chain, last, scope = b"", None, None
    for number, record in enumerate(export.read(path), 1):
        if last is None:
            note = str(record.get("note", ""))
            try:
                scope, chain = scope_of(note), genesis(note)
            except ValueError as error:
                found.first_bad, found.problem = number, f"{path}: {error}"
                return None
        written = record.pop(CHAIN, "")
        chain = link(chain, record)
        if record.get("number") != number or written != chain.hex():
            found.first_bad = number
            found.problem = f"{path}: record {number} is not what was written: the chain breaks there"
            return None
        found.records, found.chain, last = number, chain.hex(), record
    if last is None or last.get("record") != "end" or _counted_records(last) != found.records:
        found.first_bad = found.records + 1
        found.problem = f"{path}: it ends after record {found.records}, before the record that closes an export"
        return None
    return scope


def _counted_records(end: Record) -> int:
    """How many records the closing record counts, 0 when it has no count."""
    try:
        return int(json.loads(end["note"])["records"])
    except (KeyError, TypeError, ValueError):
        return 0


def _compare(path: Path, journal: Path, scope: Scope, found: Checked, progress: Progress) -> None:
    """Make the export again and find the first record that differs; the journal may have grown since."""
    wanted = _until_end(trail(journal, scope, progress), found.records)
    for number, (given, made) in enumerate(zip_longest(_until_end(export.read(path), found.records), wanted), 1):
        name = _difference(given, made)
        if name:
            found.first_bad = number
            found.problem = f"{path}: record {number} is not what the journal gives: {name}"
            return


def _until_end(records: Iterator[Record], count: int) -> Iterator[Record]:
    """All records but the closing one, which depends on how long the journal was."""
    for number, record in enumerate(records, 1):
        if number >= count:
            return
        yield record


def _difference(given: Record | None, made: Record | None) -> str:
    """The first column in which two records differ, with both values; empty when they agree."""
    if given is None or made is None:
        return "the record is missing" if given is None else "the journal has no such record"
    for name in (*COLUMNS, CHAIN):
        if given.get(name) != made.get(name):
            return f"{name} is {given.get(name)!r}, the journal gives {made.get(name)!r}"
    return ""
