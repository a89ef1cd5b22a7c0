"""The log on disk: append-only segments of checksummed, hash-chained batches, and snapshots of the state."""

from engine.journal.format import CorruptJournalError, JournalError, SegmentHeader, genesis
from engine.journal.loss import begin_anew, begin_reading, write_read_again
from engine.journal.reader import JournalReader, Position, TornTail
from engine.journal.snapshot import (
    Snapshot,
    SnapshotError,
    digest,
    newest_first,
    read_body,
    read_header,
    read_snapshot,
    sound_headers,
    write_snapshot,
)
from engine.journal.tip import End, Expected, LossError, Proof, Tip, read_tip, tip_damage, tip_path
from engine.journal.writer import Durability, Journal, JournalOptions, begin_segment

__all__ = [
    "CorruptJournalError",
    "Durability",
    "End",
    "Expected",
    "Journal",
    "JournalError",
    "JournalOptions",
    "JournalReader",
    "LossError",
    "Position",
    "Proof",
    "SegmentHeader",
    "Snapshot",
    "SnapshotError",
    "Tip",
    "TornTail",
    "begin_anew",
    "begin_reading",
    "begin_segment",
    "digest",
    "genesis",
    "newest_first",
    "read_body",
    "read_header",
    "read_snapshot",
    "read_tip",
    "sound_headers",
    "tip_damage",
    "tip_path",
    "write_read_again",
    "write_snapshot",
]
