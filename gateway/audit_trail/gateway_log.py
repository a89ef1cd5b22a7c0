"""The gateway's log: what never reaches the engine, in files of a day each, hash-chained over all of them.

A file is `YYYY-MM-DD.jsonl` by the day in Hong Kong, a JSON object a line, compact, keys sorted. Its first line says
how many records there are before it and their hash. Each record has its number and the BLAKE3 hash over the hash before
it and the record without its own. The journal vouches for that hash (ATTEST) some seconds after a record was written,
so what it has vouched for cannot be changed any more. A file is kept for as long as the configuration says; a record
`removed` then stands in its place.

Several processes append: the venue, and the commands by which officers read. They take turns by a lock.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from blake3 import blake3

from engine import disk, host
from engine.codes import Attested, CommandKind
from engine.schema import DIRECTIVE
from gateway.audit_trail.columns import Record
from gateway.audit_trail.hash_chain import CHAIN, canonical, link
from gateway.audit_trail.records import Progress, Scope
from gateway.wire.civil_dates import civil_date

FORMAT = "lionrock gateway log 1"
_GENESIS = blake3(FORMAT.encode()).digest()
_LOCK = "lock"
REMOVED = "removed"
"""What a record is that stands in place of a file whose time was over; `count` is the number of its last record."""


class GatewayLogError(ValueError):
    """A gateway log that is not what was written: one line that names the file."""


class Head(NamedTuple):
    """How many records there are, and the hash over them."""

    number: int
    chain: bytes


class _File(NamedTuple):
    """A file of the log: its day, what stands before it, its records."""

    path: Path
    day: date
    before: Head


class GatewayLog:
    """The log in a folder, for appending. `days` is how long a file is kept, 0 for good."""

    def __init__(self, folder: Path, days: int = 0) -> None:
        self.folder = folder
        self._days = days
        self._known: tuple[Path, int, Head] | None = None

    def append(self, records: Iterable[Record], now_ns: int) -> Head:
        """Write records durably and answer the log's new head. A line that a crash left unfinished is cut."""
        disk.make_folder(self.folder)
        with self._locked():
            path, head = self._end()
            day = civil_date(now_ns)
            lines: list[bytes] = []
            if path is None or path != self._path(day):
                removed = self._remove_old(day)
                records = [*removed, *records]
                if not records:
                    return head
                path = max(path or self._path(day), self._path(day))
                if not path.exists():
                    disk.make_empty(path)
                    first = {"format": FORMAT, "day": path.stem, "number": head.number, "before": head.chain.hex()}
                    lines.append(canonical(first) + b"\n")
            for record in records:
                numbered = record | {"number": head.number + 1}
                chain = link(head.chain, numbered)
                head = Head(head.number + 1, chain)
                lines.append(canonical(numbered | {CHAIN: chain.hex()}) + b"\n")
            with path.open("ab") as file:
                file.write(b"".join(lines))
                file.flush()
                os.fdatasync(file.fileno())
            self._known = path, path.stat().st_size, head
            return head

    def head(self) -> Head:
        """The present head; a line that a crash left unfinished is cut."""
        if not self.folder.is_dir():
            return Head(0, _GENESIS)
        with self._locked():
            return self._end()[1]

    def has_grown(self) -> bool:
        """Whether somebody else has written since this object last did."""
        if self._known is None:
            return self.folder.is_dir()
        path, size_bytes, _ = self._known
        try:
            return path.stat().st_size != size_bytes or max(_paths(self.folder)) != path
        except (OSError, ValueError):
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.folder / _LOCK
        disk.make_empty(lock)
        with lock.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, day: date) -> Path:
        return self.folder / f"{day}.jsonl"

    def _end(self) -> tuple[Path | None, Head]:
        """The last file and the head."""
        paths = _paths(self.folder)
        if not paths:
            return None, Head(0, _GENESIS)
        path = paths[-1]
        if self._known is not None and self._known[:2] == (path, path.stat().st_size):
            return path, self._known[2]
        with path.open("r+b") as file:
            _cut_unfinished(file)
        if not path.stat().st_size:
            path.unlink()  # not even its first line was written
            return self._end()
        head = None
        for head, _ in _records_of(_opened(path)):  # noqa: B007
            pass
        head = head or _opened(path).before
        self._known = path, path.stat().st_size, head
        return path, head

    def _remove_old(self, today: date) -> list[Record]:
        """Delete the files whose time is over; what stands in their place."""
        if not self._days:
            return []
        first, found = today - timedelta(days=self._days), []
        paths = _paths(self.folder)
        for path, following in pairwise(paths):
            file = _opened(path)
            if file.day < first:
                upto = _opened(following).before.number
                found.append(entry(REMOVED, about=path.stem, count=upto, outcome="happened"))
                path.unlink()
        return found


def entry(method: str, **fields: Any) -> Record:
    """A record of what happened: the columns that are not empty."""
    given = {"method": method, **fields}
    return {name: value for name, value in given.items() if value not in ("", None)}


def _cut_unfinished(file: IO[bytes]) -> None:
    data = file.read()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        file.truncate(whole)


# --- reading ------------------------------------------------------------------------------------------------------


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("????-??-??.jsonl"))


def _opened(path: Path) -> _File:
    """A file by its first line. GatewayLogError when that is not one."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        first = json.loads(line)
        if canonical(first) + b"\n" != line or first["format"] != FORMAT or first["day"] != path.stem:
            raise ValueError(line)
        return _File(path, date.fromisoformat(first["day"]), Head(int(first["number"]), bytes.fromhex(first["before"])))
    except (KeyError, TypeError, ValueError):
        raise GatewayLogError(f"{path}: its first line is not that of a gateway log") from None


def _records_of(file: _File) -> Iterator[tuple[Head, Record]]:
    """The records of a file, each with the head after it. What has no end of line is not yet, or never, written."""
    head = file.before
    with file.path.open("rb") as lines:
        lines.readline()
        for number, line in enumerate(lines, 2):
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
                chain = bytes.fromhex(record.pop(CHAIN))
            except (AttributeError, KeyError, TypeError, ValueError):
                raise GatewayLogError(f"{file.path}: line {number} is no record") from None
            head = Head(head.number + 1, link(head.chain, record))
            if record.get("number") != head.number or chain != head.chain:
                raise GatewayLogError(f"{file.path}: line {number} is not what was written: the chain breaks there")
            yield head, record


def read_log(folder: Path) -> Iterator[tuple[Head, Record]]:
    """All records that are kept, each with the head after it. GatewayLogError where the chain breaks."""
    head: Head | None = None
    for path in _paths(folder):
        file = _opened(path)
        if head is not None and file.before != head:
            raise GatewayLogError(
                f"{path}: it does not follow the file before it: what was between them is gone"
            )
        head = file.before
        for head, record in _records_of(file):
            yield head, record


def trail_records(folder: Path, scope: Scope, upto: int) -> Iterator[Record]:
    """The log's records as the trail has them, up to a number: of a scope, in the order that they were written."""
    for head, record in read_log(folder):
        if head.number > upto:
            return
        account, time_ns = record.get("account_slot", -1), record.get("time_ns", 0)
        of_scope = scope.account_slot < 0 or account == scope.account_slot
        if of_scope and scope.from_ns <= time_ns < scope.to_ns:
            yield {
                "record": "gateway", "command": record["method"], "note": record.get("about", ""),
                **{name: record[name] for name in _AS_THEY_ARE if name in record},
            }  # fmt: skip


_AS_THEY_ARE = ("time_ns", "outcome", "reason", "account_slot", "person", "key", "count")


# --- what the journal vouches for -----------------------------------------------------------------------------------


def vouched_in(rows: Any) -> list[tuple[int, int, bytes]]:
    """(sequence, number of records, hash) of the gateway's log that some commands vouch for."""
    if not np.any(rows["kind"] == CommandKind.ATTEST):
        return []
    given = rows.view(DIRECTIVE)[rows["kind"] == CommandKind.ATTEST]
    given = given[given["code"] == Attested.GATEWAY_LOG]
    return [(int(row["seq"]), int(row["value"]), row["digest"].tobytes()) for row in given]


def is_vouched_for(journal: Path) -> bool:
    """Whether a journal vouches for a gateway's log at all."""
    return any(vouched_in(rows) for rows in host.JournalReader(journal).batches())


@dataclass
class LogChecked:
    """What a check of a gateway log found; `unvouched` records at its end are not vouched for yet."""

    folder: str
    records: int = 0
    unvouched: int = 0
    problems: list[str] = field(default_factory=list)


def check_log(journal: Path, folder: Path, progress: Progress) -> LogChecked:
    """Compare a gateway log with what a journal vouches for. The journal is read first: both may grow."""
    found = LogChecked(str(folder))
    reader, vouched = host.JournalReader(journal), dict[int, tuple[int, bytes]]()
    for rows in reader.batches():
        vouched.update((number, (seq, chain)) for seq, number, chain in vouched_in(rows))
        progress(reader.bytes_read, reader.bytes_total)
    paths, last, removed = _paths(folder), 0, set[int]()
    try:
        first = _opened(paths[0]).before if paths else Head(0, _GENESIS)
        last = first.number
        for head, record in read_log(folder):
            last = head.number
            if record.get("method") == REMOVED:
                removed.add(record.get("count", 0))
            seq, chain = vouched.get(last, (0, head.chain))
            if chain != head.chain:
                raise GatewayLogError(f"record {last} or one before it is not what the journal has at sequence {seq}")
        if first.number and first.number not in removed:
            raise GatewayLogError(
                f"the records up to {first.number:,} are gone, and no record says that they were removed"
            )
        if not first.number and first.chain != _GENESIS:
            raise GatewayLogError("it does not begin as a gateway log does")
    except GatewayLogError as error:
        found.problems.append(str(error))
    known = max(vouched, default=0)
    if last < known and not found.problems:
        seq = vouched[known][0]
        found.problems.append(f"it ends with record {last:,}; the journal vouches for {known:,} at sequence {seq}")
    found.records, found.unvouched = last, max(0, last - known)
    return found
