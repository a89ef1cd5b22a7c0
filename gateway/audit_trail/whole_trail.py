"""A whole export: its scope first, the records with their counts, and an end that says how far the journal went."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.codes import NIL
from gateway.audit_trail.block_follower import BlockFollower
from gateway.audit_trail.columns import Record
from gateway.audit_trail.gateway_log import trail_records, vouched_in
from gateway.audit_trail.hash_chain import END, chained
from gateway.audit_trail.journal_follower import survey
from gateway.audit_trail.record_counts import Tally, counted
from gateway.audit_trail.records import Progress, Scope, row_blocks
from gateway.audit_trail.trail_rows import records_of
from gateway.config import Config


def _silent(done: int, total: int) -> None:
    return None


@dataclass
class Trail:
    """The records of a scope that have neither number nor hash yet, and the note of the first, which begins the chain.

    An item is rows, or a record of its own as a dict.
    """

    note: str
    items: Iterator[Any]

    def records(self) -> Iterator[Record]:
        """The records as dicts."""
        for item in self.items:
            yield from records_of(item)


@dataclass
class _Ahead:
    """What has to be known of a journal before the first record: where it ends, and what commands to stop at.

    `stops` None: any may have a record. `vouched`: how many records of the gateway's log the journal vouches for.
    """

    last_seq: int
    chain: bytes
    stops: Any
    vouched: int
    scope: Scope


def trail(journal: Path, scope: Scope, progress: Progress = _silent, until_seq: int | None = None) -> Iterator[Record]:
    """The chained records of a scope, from a journal up to a sequence or its end."""
    found = trail_of(journal, scope, progress, until_seq)
    return chained(found.records(), found.note)


def trail_of(journal: Path, scope: Scope, progress: Progress = _silent, until_seq: int | None = None) -> Trail:
    """The trail of a scope, from a journal up to a sequence or its end.

    With the gateway's log: as far as the journal up to there vouches for it, each record before what came after it.
    """
    known = _look_ahead(journal, scope, until_seq)
    scope = known.scope
    follower = BlockFollower(journal)
    note = scope.note(follower.genesis)
    end_seq = known.last_seq if until_seq is None else until_seq  # the journal ends with a record, which may go on
    items: Iterator[Any] = row_blocks(follower, scope, known.stops, end_seq, progress)
    if scope.with_gateway:
        folder = Config(data=str(journal.parent)).gateway_log
        items = in_order(items, trail_records(folder, scope, known.vouched))
    closing = {"last_seq": known.last_seq, "journal": known.chain.hex(), "filter": scope.__dict__}
    return Trail(note, closed(items, scope, note, closing))


def _look_ahead(journal: Path, scope: Scope, until_seq: int | None) -> _Ahead:
    """One account's few commands are found by a replay, which also gives the account's client; else a read will do."""
    vouched = [0]

    def note_vouched(commands: Any) -> None:
        vouched.extend(number for _, number, _ in vouched_in(commands))

    def wanted(commands: Any, events: Any) -> Any:
        note_vouched(commands)
        return scope.wanted(commands, events)

    if scope.account_slot != NIL:
        seen = survey(journal, wanted, until_seq)
        return _Ahead(seen.last_seq, seen.chain, seen.stops, vouched[-1], scope.of_owner(seen.root))
    reader = host.JournalReader(journal)
    for commands in reader.batches(until_seq):
        note_vouched(commands)
    return _Ahead(reader.last_seq, reader.position.chain, None, vouched[-1], scope)


def closed(items: Iterable[Any], scope: Scope, note: str, closing: dict[str, Any]) -> Iterator[Any]:
    """Records and rows with what stands around them: the scope first, the counts between, and the end."""
    total = Tally()
    yield {"record": "begin", "note": note}
    yield from counted(items, total)
    facts = closing | total.facts()
    if scope.account_slot < 0:
        del facts["accounts"]
    yield {"record": END, "seq": closing["last_seq"], "note": json.dumps(facts, sort_keys=True)}


def in_order(items: Iterator[Any], others: Iterator[Record]) -> Iterator[Any]:
    """Rows of the journal and other records, each of the others before the first row that is later."""
    other = next(others, None)
    for rows in items:
        times, done = np.atleast_1d(rows["time_ns"]), 0
        while other is not None and other["time_ns"] <= times[-1]:
            place = max(done, int(times.searchsorted(other["time_ns"])))
            if place > done:
                yield rows[done:place]
                done = place
            yield other
            other = next(others, None)
        yield rows if isinstance(rows, dict) else rows[done:]
    while other is not None:
        yield other
        other = next(others, None)
