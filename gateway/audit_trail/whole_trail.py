"""A whole export: its scope first, the records with their counts, and an end that says how far the journal went."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gateway.audit_trail.columns import Record
from gateway.audit_trail.gateway_log import trail_records, vouched_in
from gateway.audit_trail.hash_chain import END, chained
from gateway.audit_trail.journal_follower import Follower, survey
from gateway.audit_trail.record_counts import COUNT, Tally, counted
from gateway.audit_trail.records import Progress, Scope, decisions
from gateway.config import Config


def _silent(done: int, total: int) -> None:
    return None


def trail(journal: Path, scope: Scope, progress: Progress = _silent, until_seq: int | None = None) -> Iterator[Record]:
    """The chained records of a scope, from a journal up to a sequence or its end.

    With the gateway's log: as far as the journal up to there vouches for it, each record before what came after it.
    """
    vouched = [0]

    def wanted(commands: Any, events: Any) -> Any:
        vouched.extend(number for _, number, _ in vouched_in(commands))
        return scope.wanted(commands, events)

    seen = survey(journal, wanted, until_seq)
    scope = scope.of_owner(seen.root)
    follower = Follower(journal)
    note = scope.note(follower.genesis)
    records = decisions(follower, scope, seen.stops, seen.last_seq, progress)
    if scope.with_gateway:
        folder = Config(data=str(journal.parent)).gateway_log
        records = in_order(records, trail_records(folder, scope, vouched[-1]))
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


def in_order(records: Iterator[Record], others: Iterator[Record]) -> Iterator[Record]:
    """Records of the journal and others, each of the others before the first of the journal that is later."""
    other = next(others, None)
    for record in records:
        while other is not None and other["time_ns"] <= record["time_ns"]:
            yield other
            other = next(others, None)
        yield record
    while other is not None:
        yield other
        other = next(others, None)
