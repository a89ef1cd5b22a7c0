"""A copy of a log that another process writes: its records are checked one by one, and written as they are.

The copy has the same bytes in the same segments, so the same hash chain, and every reader of a journal reads it. When
the other writer is gone, a `Journal` goes on from the copy's `position`.
"""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from engine import disk
from engine.journal.format import (
    RECORD_BYTES,
    ROW_BYTES,
    CorruptJournalError,
    JournalError,
    SegmentHeader,
    segment_path,
    unpack_segment,
)
from engine.journal.records import Position, after, record_at, start_of
from engine.journal.writer import begin_segment
from engine.schema import COMMAND

Rows = np.ndarray[Any, Any]


class JournalCopy:
    """Takes the records that follow a position. One thread takes them; `sync` may be called by another.

    Nothing is promised to be on the disk before `sync`: whoever made the records keeps them until then.
    """

    def __init__(self, directory: Path, position: Position) -> None:
        """The segment is cut at the position: what lies behind it was never whole."""
        self.directory = directory
        self.position = position
        self._disk = disk.current()
        self._lock = threading.Lock()
        """Held while the file is synced, so that it is not closed meanwhile."""
        self._path = segment_path(directory, position.segment.number)
        self._descriptor = self._disk.open(self._path, os.O_WRONLY)
        if self._disk.size_bytes(self._descriptor) > position.offset:
            self._disk.truncate(self._descriptor, position.offset)
        self.synced_seq = 0
        """Up to which sequence the copy is known to be on the disk."""
        self.sync()

    @classmethod
    def begin(cls, directory: Path, header: bytes) -> "JournalCopy":
        """Begin with the first segment of a log, in a folder that has none. JournalError for another segment."""
        found = unpack_segment(directory, header)
        if found.number != 1 or found.first_seq != 1:
            raise JournalError(
                f"{directory}: the log is offered from sequence {found.first_seq} on, and there is nothing before it "
                "here; begin with a backup that reaches so far"
            )
        disk.current().make_folder(directory)
        begin_segment(directory, found)
        return cls(directory, start_of(found))

    @property
    def last_seq(self) -> int:
        """The last sequence that was taken."""
        return self.position.next_seq - 1

    def append(self, record: bytes, header: bytes = b"") -> Rows:
        """Write one record, and before it the header of the segment that it begins, if there is one; its COMMAND rows.

        CorruptJournalError, and nothing is written, when it does not match its checksum or does not follow the record
        before it.
        """
        here = start_of(self._follows(header)) if header else self.position
        found = record_at(record, 0)
        if found is None or len(record) != RECORD_BYTES + found[1][1] * ROW_BYTES:
            raise CorruptJournalError(self._path, here.offset, "what is to be copied does not match its checksum")
        position = after(self._path, here, found)
        if header:
            self._rotate(here.segment)
        disk.write_all(self._descriptor, [record], here.offset)
        self.position = position
        return np.frombuffer(bytearray(record), COMMAND, offset=RECORD_BYTES)

    def sync(self) -> None:
        """Have everything that was taken on the disk on return."""
        with self._lock:
            last_seq = self.last_seq
            self._disk.sync(self._descriptor)
            self.synced_seq = last_seq

    def close(self) -> None:
        """Sync and close the file."""
        self.sync()
        self._disk.close(self._descriptor)

    def _follows(self, data: bytes) -> SegmentHeader:
        """The header of the next segment, which has to begin where this one ends."""
        here, header = self.position, unpack_segment(self._path, data)
        expected = SegmentHeader(
            here.segment.number + 1, here.next_seq, here.segment.mode, here.segment.capacities, here.chain
        )
        if header != expected:
            raise CorruptJournalError(self._path, here.offset, "the segment to be copied does not follow this one")
        return header

    def _rotate(self, header: SegmentHeader) -> None:
        """Begin the next segment; the old one is on the disk before the new one exists, as its writer has it."""
        self.sync()
        begin_segment(self.directory, header)
        self._path = segment_path(self.directory, header.number)
        with self._lock:
            self._disk.close(self._descriptor)
            self._descriptor = self._disk.open(self._path, os.O_WRONLY)
