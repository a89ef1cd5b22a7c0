"""Writing a journal: batches are appended in memory and made durable together, a group to a record.

`Journal` is the one interface to the log that the engine knows: append a batch -> a ticket, which is the batch's last
sequence; `durable_seq` and `watch` say when a ticket is durable; `JournalReader` reads from a sequence.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import google_crc32c as crc32c
from blake3 import blake3

from engine import disk
from engine.journal.awake import Awake, can_keep_awake
from engine.journal.format import (
    CRC_BYTES,
    RECORD_BYTES,
    RECORD_MAGIC,
    RECORD_TAIL,
    ROW_BYTES,
    SEGMENT_BYTES,
    JournalError,
    SegmentHeader,
    segment_path,
)
from engine.journal.precedence import take_precedence
from engine.journal.raw_records import RawRecord
from engine.journal.records import Position
from engine.journal.segments import READ_BYTES
from engine.journal.tip import TIP_ROWS, End, Tip, TipFile

MAX_GROUP_ROWS = 1 << 15
"""A record takes no further batch once it has so many rows."""
SMALL_GROUP_ROWS = 32
QUICK_SYNC_NS = 500_000
"""Up to so many rows, on a disk that syncs in no longer than this, are synced by the caller: the way to the thread and
back costs the core as much as the sync itself, and in an even stream of orders that cost makes the next group larger. A
larger group is one of a flood: the next one is matched while the thread syncs it."""
ROOM_BYTES = 1 << 16
_ROOM = memoryview(bytes(ROOM_BYTES))
"""Zeros that are written behind a small record. A sync of bytes within the file takes half as long as one of bytes that
make the file longer. Behind a large record they would only cost a second write of the same place."""
CACHED_BYTES = 128 << 20
"""So much of the log's end stays in the system's memory, a million commands: what snapshots and copies of it read."""
DROP_BYTES = 2 << 20
"""So much behind that is dropped at once. The system uses that memory for what is written next. New memory would cost a
virtual machine several times as much as the write: its host gives memory when it is first touched."""

HOLD_SECONDS = 0.05
"""So long a group waits at most for whoever gets the records to have room for one more; it grows meanwhile."""

Batch = tuple[bytes, int, int]
"""Rows as bytes, first sequence, last sequence."""
OnRecord = Callable[[RawRecord], None]
"""Gets each record just before it is written; called by the thread that writes."""
HasRoom = Callable[[], bool]
"""Whether the next record may be begun; called by any thread, often."""


class Durability(Enum):
    """When a batch counts as durable: on the disk, with the operating system, or as soon as it was appended."""

    FSYNC = "fsync"
    OS = "os"
    NONE = "none"


@dataclass(frozen=True)
class JournalOptions:
    """How a journal is written. `threaded`: a thread of its own writes and syncs while the engine goes on.

    `stays_awake`: where the process has one core alone, that core does not sleep while a commit waits for the disk.
    `keeps_tip`: what is durable is also noted outside the journal's folder, so that a shorter journal is noticed.
    """

    durability: Durability = Durability.FSYNC
    threaded: bool = False
    segment_bytes: int = 256 << 20
    stays_awake: bool = False
    keeps_tip: bool = False


class SegmentWriter:
    """Appends records to the last segment and begins a new one when it is full."""

    def __init__(self, directory: Path, position: Position, segment_bytes: int) -> None:
        self._directory, self._limit = directory, segment_bytes
        self._segment, self.chain = position.segment, position.chain
        self._offset, self._records, self._next_seq = position.offset, position.records, position.next_seq
        self._disk = disk.current()
        self._descriptor = self._disk.open(segment_path(directory, self._segment.number), os.O_WRONLY)
        if self._disk.size_bytes(self._descriptor) > self._offset:
            self._disk.truncate(self._descriptor, self._offset)
        self.sync()
        self._disk.sync_folder(directory)  # a process that was killed may have begun the segment and not come to this
        self._size_bytes = self._offset
        self._dropped_bytes = self._offset
        """Up to where the segment was dropped from the system's memory."""
        self.on_record: OnRecord | None = None

    @property
    def segment_number(self) -> int:
        """The number of the segment that is written."""
        return self._segment.number

    def write(self, batches: list[Batch], durable_seq: int, flags: int = 0) -> None:
        """Append one record of consecutive batches, with flags of `os.pwritev`.

        RWF_DSYNC makes the record durable on return, and no byte before it: those have to be durable already.
        """
        first_seq, size_bytes = batches[0][1], RECORD_BYTES + sum(len(batch[0]) for batch in batches)
        if self._offset > SEGMENT_BYTES and self._offset + size_bytes > self._limit:
            self._rotate(first_seq)
        self._append(first_seq, [batch[0] for batch in batches], durable_seq, flags)
        self._next_seq = batches[-1][2] + 1
        if self._offset - self._dropped_bytes >= CACHED_BYTES + DROP_BYTES:
            self._drop_cache(self._offset - CACHED_BYTES)

    def tip(self, end: End = End.OPEN) -> Tip:
        """The end of what is written."""
        return Tip(self._next_seq - 1, self.chain, self._segment.number, self._offset, end)

    def seal(self) -> None:
        """Append a record without rows, not in the chain: everything before it is durable, so none of it is torn."""
        self.sync()
        self._append(self._next_seq, [b""], self._next_seq - 1)
        self._disk.truncate(self._descriptor, self._offset)
        self.sync()

    def _append(self, first_seq: int, batches: list[bytes], durable_seq: int, flags: int = 0) -> None:
        rows = batches[0] if len(batches) == 1 else b"".join(batches)
        count = len(rows) // ROW_BYTES
        tail = RECORD_TAIL.pack(RECORD_MAGIC, count, self._records, first_seq, durable_seq, self.chain)
        head = crc32c.extend(crc32c.value(tail), rows).to_bytes(CRC_BYTES, "little") + tail
        end = self._offset + len(head) + len(rows)
        room = ROOM_BYTES if end > self._size_bytes and 0 < count <= SMALL_GROUP_ROWS else 0
        chain = blake3(tail).update(rows).digest() if rows else self.chain
        if self.on_record is not None:
            begins = b"" if self._records else self._segment.pack()
            last_seq, parts = first_seq + count - 1, (begins, head, rows)
            self.on_record(RawRecord(self._segment.number, self._records, first_seq, last_seq, chain, parts))
        written = self._write_at([head, rows, _ROOM[:room]], end - self._offset, flags)
        self._size_bytes = max(self._size_bytes, self._offset + written)
        self.chain, self._offset = chain, end
        self._records += 1

    def sync(self) -> None:
        """Sync everything written."""
        self._disk.sync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        self._disk.close(self._descriptor)

    def _drop_cache(self, end: int) -> None:
        """Drop the segment up to here from the system's memory. What was not on the disk the last time is on it now."""
        begin = max(0, self._dropped_bytes - DROP_BYTES)
        with contextlib.suppress(OSError):  # a disk that cannot do that keeps it
            self._disk.drop_cache(self._descriptor, begin, end - begin)
        self._dropped_bytes = end

    def _write_at(self, parts: list[bytes | memoryview], size_bytes: int, flags: int) -> int:
        """Write a record of this size, and behind it as much of the room as the disk takes; answers how many bytes."""
        write, offset = self._disk.pwrite, self._offset
        written = write(self._descriptor, parts, offset, flags)
        while written < size_bytes:
            written += write(self._descriptor, [b"".join(parts)[written:size_bytes]], offset + written, flags)
        return written

    def _rotate(self, first_seq: int) -> None:
        """Begin the next segment; the old one is durable, and ends with its last record, before the new one exists."""
        self._disk.truncate(self._descriptor, self._offset)
        self.sync()
        old = self._segment
        self._segment = SegmentHeader(old.number + 1, first_seq, old.mode, old.capacities, self.chain)
        begin_segment(self._directory, self._segment)
        descriptor = self._disk.open(segment_path(self._directory, self._segment.number), os.O_WRONLY)
        if self._offset > CACHED_BYTES:
            self._drop_cache(self._offset)
        self.close()
        self._descriptor = descriptor
        self._offset, self._size_bytes, self._records = SEGMENT_BYTES, SEGMENT_BYTES, 0
        self._dropped_bytes = 0


def write_again(directory: Path, first: tuple[int, int], end: tuple[int, int]) -> None:
    """Write the bytes from one (segment, offset) to another once more, as they are, and sync them.

    After a sync that failed, the system may show bytes that never reached the disk. What a start goes on from must not
    be of that kind: either it is written now, or this raises OSError. Bytes that are on the disk do not change.
    """
    using = disk.current()
    for number in range(first[0], end[0] + 1):
        path = segment_path(directory, number)
        if not using.is_there(path):
            continue  # it was durable before the next one was begun
        offset = first[1] if number == first[0] else 0
        stop = end[1] if number == end[0] else disk.size_bytes(path)
        descriptor = using.open(path, os.O_RDWR)
        try:
            while offset < stop:
                part = using.pread(descriptor, min(READ_BYTES, stop - offset), offset)
                offset = disk.write_all(descriptor, [part], offset)
            using.sync(descriptor)
        finally:
            using.close(descriptor)


def begin_segment(directory: Path, header: SegmentHeader) -> None:
    """Write a segment that has no record yet, durably."""
    disk.write_atomically(segment_path(directory, header.number), [header.pack()])


class Journal:
    """The log of one engine, for one writer. Batches are consecutive from the position that it was opened at.

    `append` keeps a batch; `commit` has what was appended written and synced, in one group: at once, or by the
    journal's own thread, which takes all but small groups on a quick disk. After a failed write or sync nothing is
    promised any more: every call raises JournalError and `failure` has the cause.
    """

    def __init__(self, directory: Path, position: Position, options: JournalOptions | None = None) -> None:
        self.options = options or JournalOptions()
        self.directory = directory
        self.next_seq = position.next_seq
        self.durable_seq = position.next_seq - 1
        self.failure: Exception | None = None
        self._refused: Exception | None = None
        self._written_seq = self.durable_seq
        self._writer = SegmentWriter(directory, position, self.options.segment_bytes)
        self._pending: deque[Batch] = deque()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # the thread waits for it
        self._progress = threading.Condition(self._lock)  # who flushes waits for it
        self._wanted, self._closing = False, False
        self._is_writing, self._is_held = False, False
        self._flushing = 0
        """How many wait in `flush`."""
        self._has_room: HasRoom = _always
        self._taken_seq = self.durable_seq
        self._sync_ns = 2 * QUICK_SYNC_NS  # a running mean; nothing is known yet, so the thread finds out
        self._on_durable: Callable[[int], None] | None = None
        self._on_failure: Callable[[Exception], None] | None = None
        self._tip_wanted = False
        self._durable_tip = self._writer.tip()
        self._tip: TipFile | None = None
        if self.options.keeps_tip:
            self._tip = TipFile(directory)
            self._tip.write(self._durable_tip)
        self._awake = Awake() if self.options.stays_awake and can_keep_awake() else None
        self._thread: threading.Thread | None = None
        if self.options.threaded:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()

    @property
    def sync_ns(self) -> int:
        """How long a sync takes, a running mean."""
        return self._sync_ns

    @property
    def segment_number(self) -> int:
        """The number of the segment that is written."""
        return self._writer.segment_number

    @property
    def chain(self) -> bytes:
        """The hash of the whole log as far as it is written."""
        return self._writer.chain

    @property
    def durable_tip(self) -> Tip:
        """The end of what is known to be on the disk."""
        return self._durable_tip

    @property
    def tip_seq(self) -> int:
        """Up to which sequence the tip on the disk says that the log is durable; -1 without a tip."""
        return -1 if self._tip is None else self._tip.seq

    def keep_tip(self) -> None:
        """Have the tip follow what is durable; call about every second. A journal with a thread does it there."""
        if self.failure is None and not self._closing and self._is_tip_behind(1):
            if self._thread is None:
                self._write_tip()
            else:
                self._want_tip()

    def _is_tip_behind(self, rows: int) -> bool:
        """Whether the tip is so many durable commands behind. Without a sync for each commit nothing is known."""
        tip, is_synced = self._tip, self.options.durability is Durability.FSYNC
        return is_synced and tip is not None and self._durable_tip.seq - tip.seq >= rows

    def _want_tip(self) -> None:
        with self._lock:
            self._tip_wanted = True
            self._work.notify()

    def _write_tip(self, end: End = End.OPEN) -> None:
        """Write the tip of what is durable. A disk that fails here has failed for the journal too: JournalError."""
        if self._tip is None:
            return
        try:
            self._tip.write(self._durable_tip._replace(end=end))
        except Exception as error:
            self._fail(error)
            raise self._refusal() from error

    def watch(self, on_durable: Callable[[int], None], on_failure: Callable[[Exception], None]) -> None:
        """Have a function called by the journal's thread with each `durable_seq` that it brings, or with the failure.

        A commit without the thread tells it by its return.
        """
        self._on_durable, self._on_failure = on_durable, on_failure

    def tell_records(self, on_record: OnRecord | None, has_room: HasRoom | None = None) -> None:
        """Have a function called with each record before it is written and synced; None: nobody any more.

        It is called by whichever thread writes, one record at a time, and holds up the writing. What it raises fails
        the journal as a disk would. While `has_room` says no, a journal with a thread begins no record, for
        HOLD_SECONDS at most: what is committed meanwhile makes a larger one. `go_on` says that there is room again.
        Call this while nothing is being written.
        """
        self._writer.on_record, self._has_room = on_record, has_room or _always

    def go_on(self) -> None:
        """Whoever gets the records may have room again: begin a record that was held for that."""
        if self._is_held:
            with self._lock:
                self._work.notify()

    def append(self, rows: bytes) -> int:
        """Keep a batch of rows (128 bytes each) for the next commit. Returns its ticket: the last sequence.

        The rows must be numbered on from the last batch: the caller sees to it.
        """
        if self.failure is not None or self._closing:
            raise self._refusal()
        first_seq = self.next_seq
        self.next_seq = first_seq + len(rows) // ROW_BYTES
        self._pending.append((rows, first_seq, self.next_seq - 1))
        if self.options.durability is Durability.NONE:
            self.durable_seq = self.next_seq - 1
        return self.next_seq - 1

    def commit(self) -> None:
        """Have everything appended made durable: on return, or soon when the journal has its own thread."""
        if self.failure is not None:
            raise self._refusal()
        with self._lock:
            is_ours = self._thread is None or (self._is_sooner_without() and self._has_room())
            self._is_writing |= is_ours
            if not is_ours:
                self._wanted = True
                self._work.notify()
        if is_ours:
            self._write_pending(self._awake)

    def _is_sooner_without(self) -> bool:
        """Whether what is pending is durable sooner without the thread."""
        if self._wanted or self._is_writing or self.next_seq - 1 - self._taken_seq > SMALL_GROUP_ROWS:
            return False
        return self.options.durability is not Durability.FSYNC or self._sync_ns <= QUICK_SYNC_NS

    def flush(self) -> None:
        """Commit and wait until everything appended is written, and durable as the option says."""
        self.commit()
        if self._thread is not None:
            with self._lock:
                self._flushing += 1  # who waits here may be the one who would say that there is room
                self._work.notify()
                try:
                    self._progress.wait_for(lambda: self._written_seq >= self.next_seq - 1 or self.failure is not None)
                finally:
                    self._flushing -= 1
        if self.failure is not None:
            raise self._refusal()

    def sync(self) -> None:
        """Have everything appended on the disk on return, whatever the durability."""
        self.flush()
        self._writer.sync()
        self._durable_tip = self._writer.tip()

    def close(self) -> None:
        """Write and sync everything and close the file. The journal cannot be used afterwards."""
        if self._closing:
            return
        try:
            if self.failure is None:
                self.flush()
                self._writer.seal()
                self._durable_tip = self._writer.tip()
        finally:
            self._stop()

    def _stop(self) -> None:
        with self._lock:
            self._closing = True
            self._work.notify()
        if self._thread is not None:
            self._thread.join()
        if self._awake is not None:
            self._awake.close()
        self._writer.close()
        if self._tip is not None:
            with contextlib.suppress(JournalError):
                if self.failure is None:
                    self._write_tip(End.CLOSED)
            self._tip.close()

    def refuse(self, error: Exception) -> None:
        """Take and write nothing any more: from here on every call but `close` raises this error."""
        with self._lock:
            self._refused = self.failure = error

    def _refusal(self) -> Exception:
        if self._refused is not None:
            return self._refused
        if self.failure is None:
            return JournalError(f"{self.directory}: the journal is closed; open the engine again")
        return JournalError(
            f"{self.directory}: the journal cannot be written ({self.failure}); "
            "make room or replace the disk, then start again"
        )

    def _run(self) -> None:
        """The journal's own thread: a group at a time, as long as somebody wants one."""
        take_precedence()
        while True:
            with self._lock:
                self._work.wait_for(lambda: self._wanted or self._tip_wanted or self._closing)
                if not (self._wanted or self._tip_wanted):
                    return
                for_tip = not self._wanted
                if for_tip:
                    self._tip_wanted = False
                else:
                    self._hold()
                    if self.failure is not None:
                        return  # another node leads since: nothing more is written
                    self._wanted, self._is_writing = False, True
            try:
                if for_tip:
                    self._write_tip()
                    continue
                has_written = self._write_pending(None)
            except JournalError:
                return
            if has_written and self._on_durable is not None:
                self._on_durable(self.durable_seq)

    def _hold(self) -> None:
        """Wait for room, but not for ever: what is pending must not stay in memory alone. The lock is held."""
        self._is_held = True
        self._work.wait_for(lambda: self._flushing > 0 or self._closing or self._has_room(), HOLD_SECONDS)
        self._is_held = False

    def _write_pending(self, awake: Awake | None) -> bool:
        """Write what is pending in records and sync once; whether there was anything. JournalError when that fails."""
        batches = [self._pending.popleft() for _ in range(len(self._pending))]
        try:
            if batches:
                self._taken_seq = batches[-1][2]
                self._write(batches, awake)
        except Exception as error:
            self._fail(error)
            raise self._refusal() from error
        with self._lock:
            self._is_writing = False
            if batches:
                self._written_seq = self._taken_seq
                if self.options.durability is not Durability.NONE:
                    self.durable_seq = self._taken_seq
                if self.options.durability is Durability.FSYNC:
                    self._durable_tip = self._writer.tip()
                self._progress.notify_all()
        if self._is_tip_behind(TIP_ROWS):
            self.keep_tip()
        return bool(batches)

    def _write(self, batches: list[Batch], awake: Awake | None) -> None:
        """Write records and, where the durability asks for it, sync: a single record in the same call of the system."""
        is_synced, groups = self.options.durability is Durability.FSYNC, _groups(batches)
        is_at_once = is_synced and len(groups) == 1
        if not is_at_once:
            for group in groups:
                self._writer.write(group, self._written_seq)
        if is_synced:
            begun = time.perf_counter_ns()
            with awake or contextlib.nullcontext():
                if is_at_once:
                    self._writer.write(groups[0], self._written_seq, os.RWF_DSYNC)
                else:
                    self._writer.sync()
            self._sync_ns += (time.perf_counter_ns() - begun - self._sync_ns) >> 3

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self.failure = error
            self._progress.notify_all()
        if self._tip is not None:
            with contextlib.suppress(OSError):
                self._tip.write(self._durable_tip._replace(end=End.FAILED))
        if self._on_failure is not None:
            self._on_failure(error)


def _always() -> bool:
    """There is room: nobody gets the records, or nobody minds how many there are."""
    return True


def _groups(batches: list[Batch]) -> list[list[Batch]]:
    """Consecutive batches cut into the records that they go into."""
    groups: list[list[Batch]] = [[]]
    rows = 0
    for batch in batches:
        if rows >= MAX_GROUP_ROWS:
            groups.append([])
            rows = 0
        groups[-1].append(batch)
        rows += len(batch[0]) // ROW_BYTES
    return groups
