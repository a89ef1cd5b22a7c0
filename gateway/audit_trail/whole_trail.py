"""A whole export: its scope first, the records with their counts, and an end that says how far the journal went."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gateway.audit_trail.columns import Record
from gateway.audit_trail.hash_chain import END, chained
from gateway.audit_trail.journal_follower import Follower, survey
from gateway.audit_trail.record_counts import COUNT, Tally, counted
from gateway.audit_trail.records import Progress, Scope, decisions


def _silent(done: int, total: int) -> None:
    return None


def trail(journal: Path, scope: Scope, progress: Progress = _silent, until_seq: int | None = None) -> Iterator[Record]:
    """The chained records of a scope, from a journal up to a sequence or its end."""
    seen = survey(journal, scope.wanted, until_seq)
    follower = Follower(journal)
    note = scope.note(follower.genesis)
    records = decisions(follower, scope, seen.stops, seen.last_seq, progress)
    closing = {"last_seq": seen.last_seq, "journal": seen.chain.hex(), "filter": scope.__dict__}
    return chained(closed(records, scope, note, closing), note)


def closed(records: Iterable[Record], scope: Scope, note: str, closing: dict[str, Any]) -> Iterator[Record]:
    """Records with what stands around them: the scope before, the counts between, and what closes the export."""
    total = Tally()
    yield {"record": "begin", "note": note}
    for record in counted(records):
        if record["record"] != COUNT:
            total.add(record)
        yield record
    facts = closing | total.facts()
    if scope.account_slot < 0:
        del facts["accounts"]
    yield {"record": END, "seq": closing["last_seq"], "note": json.dumps(facts, sort_keys=True)}
