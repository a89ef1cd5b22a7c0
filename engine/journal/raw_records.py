"""The records of a journal as bytes, for whoever keeps a copy of it elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.journal.format import RECORD_BYTES, SEGMENT_BYTES
from engine.journal.records import after, record_at, start_of
from engine.journal.segments import Segments


class RawRecord(NamedTuple):
    """A record and its place. One without rows, as closing writes it, has a `last_seq` below its `first_seq`."""

    segment: int
    number: int
    """Which record of its segment it is, from 0."""
    first_seq: int
    last_seq: int
    chain: bytes
    """The log's hash after it."""
    parts: tuple[bytes, bytes, bytes]
    """The segment's header where this is its first record, else nothing; the record's header; its rows."""


class LogEnd(NamedTuple):
    """The end of a log: its last record, that one's last sequence, and the log's hash behind it.

    A log without records ends with segment 0.
    """

    segment: int
    number: int
    last_seq: int
    chain: bytes


def log_end(directory: Path) -> LogEnd:
    """Where the whole records of a journal end. JournalError."""
    segments = Segments(directory)
    for number in range(segments.last, max(segments.last - 2, 0), -1):  # the last one may be without a record
        found = None
        for record in _records_of(segments, number):
            found = record
        if found is not None:
            return LogEnd(found.segment, found.number, found.last_seq, found.chain)
    header = segments.header(segments.last)
    return LogEnd(0, 0, header.first_seq - 1, header.chain)


def is_in_one_segment(directory: Path) -> bool:
    """Whether the journal has its first segment alone."""
    return Segments(directory).last == 1


def raw_records(directory: Path, segment: int) -> Iterator[RawRecord]:
    """The whole records from the beginning of a segment on, checked; none where the journal ends before it.

    JournalError for a segment that is archived elsewhere; CorruptJournalError for a record that does not follow from
    the one before it. A torn tail ends it.
    """
    segments = Segments(directory)
    for number in range(segment, segments.last + 1):
        yield from _records_of(segments, number)


def _records_of(segments: Segments, number: int) -> Iterator[RawRecord]:
    data, path = segments.read(number), segments.path(number)
    here = start_of(segments.header(number))
    while (record := record_at(data, here.offset)) is not None:
        follows = after(path, here, record)
        begins = b"" if here.records else bytes(data[:SEGMENT_BYTES])
        start = here.offset + RECORD_BYTES
        parts = (begins, bytes(data[here.offset : start]), bytes(data[start : follows.offset]))
        yield RawRecord(number, here.records, here.next_seq, follows.next_seq - 1, follows.chain, parts)
        here = follows
