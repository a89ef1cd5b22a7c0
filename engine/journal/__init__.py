"""The log on disk: append-only segments of checksummed, hash-chained batches, and snapshots of the state."""

from engine.journal.format import CorruptJournalError, JournalError, SegmentHeader, genesis
from engine.journal.reader import JournalReader, Position, TornTail
from engine.journal.snapshot import (
    Snapshot,
    SnapshotError,
    digest,
    newest_first,
    read_body,
    read_header,
    read_snapshot,
    write_snapshot,
)
from engine.journal.writer import Durability, Journal, JournalOptions, begin_segment

__all__ = [
    "CorruptJournalError",
    "Durability",
    "Journal",
    "JournalError",
    "JournalOptions",
    "JournalReader",
    "Position",
    "SegmentHeader",
    "Snapshot",
    "SnapshotError",
    "TornTail",
    "begin_segment",
    "digest",
    "genesis",
    "newest_first",
    "read_body",
    "read_header",
    "read_snapshot",
    "write_snapshot",
]
