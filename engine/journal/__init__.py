"""The log on disk: append-only segments of checksummed, hash-chained batches, and snapshots of the state."""

from engine.journal.archive import (
    Archive,
    archive_folder,
    archive_path,
    archived_numbers,
    check_archive,
    check_body,
    read_archive_header,
    write_archive,
)
from engine.journal.format import CorruptJournalError, JournalError, SegmentHeader, genesis
from engine.journal.loss import begin_anew, begin_reading, write_read_again
from engine.journal.raw_records import LogEnd, RawRecord, is_in_one_segment, log_end, raw_records
from engine.journal.reader import JournalReader, TornTail, gathered
from engine.journal.records import Position
from engine.journal.retention import (
    KEPT_SNAPSHOTS,
    archive_segment,
    remove_old_snapshots,
    retention_lock,
    retired,
    sound_snapshots,
)
from engine.journal.snapshot import (
    Snapshot,
    SnapshotError,
    digest,
    newest_first,
    read_header,
    read_snapshot,
    snapshot_seqs,
    snapshots,
    sound_headers,
    write_snapshot,
)
from engine.journal.tip import End, Expected, LossError, Proof, Tip, read_tip, tip_damage, tip_path
from engine.journal.writer import Durability, Journal, JournalOptions, begin_segment

__all__ = [
    "KEPT_SNAPSHOTS",
    "Archive",
    "CorruptJournalError",
    "Durability",
    "End",
    "Expected",
    "Journal",
    "JournalError",
    "JournalOptions",
    "JournalReader",
    "LogEnd",
    "LossError",
    "Position",
    "Proof",
    "RawRecord",
    "SegmentHeader",
    "Snapshot",
    "SnapshotError",
    "Tip",
    "TornTail",
    "archive_folder",
    "archive_path",
    "archive_segment",
    "archived_numbers",
    "begin_anew",
    "begin_reading",
    "begin_segment",
    "check_archive",
    "check_body",
    "digest",
    "gathered",
    "genesis",
    "is_in_one_segment",
    "log_end",
    "newest_first",
    "raw_records",
    "read_archive_header",
    "read_header",
    "read_snapshot",
    "read_tip",
    "remove_old_snapshots",
    "retention_lock",
    "retired",
    "snapshot_seqs",
    "snapshots",
    "sound_headers",
    "sound_snapshots",
    "tip_damage",
    "tip_path",
    "write_archive",
    "write_read_again",
    "write_snapshot",
]
