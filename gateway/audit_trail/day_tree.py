"""The tree of a day in Hong Kong: a leaf for each account or client with its number of records and the root over them.

So that an account's day can be shown to be complete: its leaf has the number of its records, and the leaves are sorted
by account, so that one which is not there has no place between its neighbours.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np

from engine import host
from engine.codes import NIL, Attested, CommandKind
from engine.schema import DIRECTIVE
from gateway.audit_trail.block_follower import BlockFollower
from gateway.audit_trail.columns import Record
from gateway.audit_trail.hash_chain import CHAIN, canonical
from gateway.audit_trail.merkle_tree import HASH_BYTES, RunningRoot
from gateway.audit_trail.record_counts import kind_of
from gateway.audit_trail.records import Progress, Scope, decisions
from gateway.wire.civil_dates import NS_PER_S, civil_date, lapse_ns, start_ns

VENUE_WIDE, VOUCHED = -1, -2
"""In place of an account: records about none, and what the log vouches for (ATTEST). Below them come the clients."""
SETTLED_NS = 60 * NS_PER_S
"""So long after a day what came on it is in the journal, though nothing later is."""
_LEAF = Struct(f">qQ{HASH_BYTES}s")
_OF_THE_EXPORT = ("number", CHAIN)
_VOUCHES, _SETS_CLIENT = CommandKind.ATTEST.name, CommandKind.CLIENT_SET.name


def owner_of_client(client: int) -> int:
    """What stands in place of an account for what is set on a client."""
    return VOUCHED - client


def owner_of(record: Record) -> int:
    """Whose leaf a record of an export belongs to."""
    if record.get("command") == _VOUCHES:
        return VOUCHED
    client: int = record.get("index", 0)
    if record.get("command") == _SETS_CLIENT and client > 0:
        return owner_of_client(client)
    account: int = record.get("account_slot", NIL)
    return account if account >= 0 else VENUE_WIDE


def bytes_of(record: Record) -> bytes:
    """A record as a leaf of its account's tree: without what depends on the export that it stands in."""
    return canonical({name: value for name, value in record.items() if name not in _OF_THE_EXPORT and value != ""})


@dataclass(frozen=True)
class Leaf:
    """An account's day: how many records, and the root of the tree over them in their order."""

    account: int
    count: int
    root: bytes

    def encode(self) -> bytes:
        """Account and count as 8 bytes each, most significant first (the account signed), and the root."""
        return _LEAF.pack(self.account, self.count, self.root)


class DayTree:
    """The records of one day as they come."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self._accounts = {VOUCHED: RunningRoot(), VENUE_WIDE: RunningRoot()}

    def add(self, record: Record) -> None:
        """Add the next record."""
        self.kinds[kind_of(record)] += 1
        owner = owner_of(record)
        running = self._accounts.get(owner)
        if running is None:
            running = self._accounts[owner] = RunningRoot()
        running.add(bytes_of(record))

    def leaves(self) -> list[Leaf]:
        """The leaves by account: the clients', then what is vouched for and what is venue-wide, both always."""
        return [Leaf(owner, running.count, running.root()) for owner, running in sorted(self._accounts.items())]


# --- days of a journal --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DayEnd:
    """What a day took of a journal: its sequences, and the hash of the log after the journal's record with the last.

    `log_seq` is the last sequence of that journal's record; `gateway` is the gateway's log as vouched for last.
    """

    day: date
    first_seq: int
    last_seq: int
    log_seq: int
    chain: bytes
    gateway: tuple[int, str]


@dataclass
class _Reading:
    """How far a journal was read: the last sequence, the last of its record, the hash there."""

    seq: int
    log_seq: int
    chain: bytes
    gateway: tuple[int, str] = (0, "")


@dataclass
class JournalDays:
    """The days that a journal has ended, first to last, and what identifies the venue."""

    venue: str = ""
    ended: list[DayEnd] = field(default_factory=list)

    def __getitem__(self, day: date) -> DayEnd:
        return next(item for item in self.ended if item.day == day)


def days_of(journal: Path, now_ns: int) -> JournalDays:
    """The days of a journal that are over at a time, also those without a command. Only reads, and replays nothing."""
    reader, found = host.JournalReader(journal), JournalDays()
    begun, day, first_seq = 0, None, 1
    here = _Reading(0, 0, reader.position.chain)

    def end(last: date) -> None:
        nonlocal day, first_seq
        while day is not None and day <= last:
            found.ended.append(DayEnd(day, first_seq, here.seq, here.log_seq, here.chain, here.gateway))
            first_seq, day = here.seq + 1, day + timedelta(days=1)

    for rows in reader.batches():
        times = np.maximum.accumulate(np.maximum(rows["time_ns"], begun))
        if day is None:
            day, found.venue = civil_date(int(times[0])), reader.position.chain.hex()
        place = 0
        while times[-1] >= lapse_ns(day):
            ahead = int(np.searchsorted(times, lapse_ns(day)))
            _read_to(here, rows[place:ahead], reader)
            end(civil_date(int(times[ahead])) - timedelta(days=1))
            place = ahead
        _read_to(here, rows[place:], reader)
        begun = int(times[-1])
    end(civil_date(now_ns - SETTLED_NS) - timedelta(days=1))
    return found


def _read_to(here: _Reading, rows: Any, reader: host.JournalReader) -> None:
    if not len(rows):
        return
    here.seq, here.log_seq, here.chain = int(rows["seq"][-1]), reader.last_seq, reader.position.chain
    vouched = rows.view(DIRECTIVE)[(rows["kind"] == CommandKind.ATTEST)]
    vouched = vouched[vouched["code"] == Attested.GATEWAY_LOG]
    if len(vouched):
        here.gateway = int(vouched["value"][-1]), vouched["digest"][-1].tobytes().hex()


def _silent(done: int, total: int) -> None:
    return None


def trees_of(journal: Path, days: list[DayEnd], progress: Progress = _silent) -> Iterator[tuple[DayEnd, DayTree]]:
    """The trees of consecutive days of a journal, which is replayed once for all of them."""
    if not days:
        return
    last_seq = days[-1].last_seq
    scope = Scope(NIL, start_ns(days[0].day), lapse_ns(days[-1].day))
    waiting = list(days)
    tree = DayTree()
    for record in decisions(BlockFollower(journal), scope, None, last_seq, progress) if last_seq else ():
        while record["time_ns"] >= lapse_ns(waiting[0].day):
            yield waiting.pop(0), tree
            tree = DayTree()
        tree.add(record)
    for day in waiting:
        yield day, tree
        tree = DayTree()
