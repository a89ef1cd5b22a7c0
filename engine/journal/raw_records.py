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


def raw_records(directory: Path, segment: int | None = None) -> Iterator[RawRecord]:
    """The whole records from the beginning of a segment on, checked; without one, from that of the last segment.

    CorruptJournalError for a record that does not follow from the one before it. A torn tail ends it.
    """
    segments = Segments(directory)
    for number in range(segments.last if segment is None else segment, segments.last + 1):
        data, path = segments.read(number), segments.path(number)
        here = start_of(segments.header(number))
        while (record := record_at(data, here.offset)) is not None:
            follows = after(path, here, record)
            begins = b"" if here.records else bytes(data[:SEGMENT_BYTES])
            start = here.offset + RECORD_BYTES
            parts = (begins, bytes(data[here.offset : start]), bytes(data[start : follows.offset]))
            yield RawRecord(number, here.records, here.next_seq, follows.next_seq - 1, follows.chain, parts)
            here = follows
