"""What of a journal's folder is kept as it is, and what becomes of the rest.

Two sound snapshots are kept. A segment all of whose commands lie before the older one is needed by no start: it is
compressed into the archive, and leaves the folder when its archive has been read back. At each moment a segment is in
one of the two places, so a process that ends on the way loses nothing.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from engine import disk
from engine.journal.archive import Archive, archive_folder, archive_path, check_archive, write_archive
from engine.journal.format import CorruptJournalError, JournalError, segment_path
from engine.journal.segments import Segments
from engine.journal.snapshot import SnapshotError, check_body, newest_first, read_header, snapshot_path

KEPT_SNAPSHOTS = 2
LOCK = "retention-lock"
"""The file in a journal's folder that is locked by whoever writes snapshots beside the venue, or archives."""


@contextlib.contextmanager
def retention_lock(directory: Path) -> Iterator[None]:
    """Be the only process that writes snapshots beside the venue, or archives. JournalError while another does."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, disk.FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(
                f"{directory}: another process writes a snapshot or archives; try again when it has ended"
            ) from None
        _remove_leftovers(directory)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(directory: Path) -> None:
    """Take away what an ended process left of snapshots and segments.

    The segment behind the last one stays: whoever writes the journal may be about to begin it, and without its file
    the journal would have failed. One that was left by a crash is written anew when its turn comes.
    """
    segments = disk.current().files(directory, "journal-*.log")
    for name, path in disk.leftovers(directory).items():
        if not name.match("journal-*.log") or name < max(segments, default=Path()):
            disk.current().unlink(path)


def sound_snapshots(directory: Path) -> list[int]:
    """The sequences of the newest snapshots whose bytes are what was written, as many as are kept, newest first."""
    found: list[int] = []
    for path in newest_first(directory):
        if len(found) < KEPT_SNAPSHOTS:
            with contextlib.suppress(SnapshotError):
                snapshot = read_header(path)
                check_body(snapshot)
                found.append(snapshot.seq)
    return found


def remove_old_snapshots(directory: Path, pace: disk.Pace | None = None) -> list[int]:
    """Remove what is older than the sound snapshots that are kept; answers their sequences, newest first.

    They are read first. So an older one goes only when the newer ones are whole on the disk.
    """
    kept = sound_snapshots(directory)
    if len(kept) == KEPT_SNAPSHOTS:
        for path in newest_first(directory):
            if path < snapshot_path(directory, kept[-1]):
                disk.remove(path, pace)
        disk.current().sync_folder(directory)
    return kept


def segments_of(directory: Path) -> Segments:
    """Where the segments of a journal are. JournalError as from `Segments`."""
    return Segments(directory)


def retired(directory: Path, seq: int, kept_segments: int = 0) -> list[int]:
    """The segments in a journal's folder all of whose commands lie up to a sequence, but for the last so many."""
    segments = Segments(directory)
    headers = [segments.header(number) for number in range(segments.first, segments.last + 1)]
    before = [header.number - 1 for header in headers[1:] if header.first_seq - 1 <= seq]
    return before[: len(before) - kept_segments] if kept_segments else before


def archive_segment(directory: Path, number: int, pace: disk.Pace | None = None) -> Archive:
    """Move a segment into the archive. An archive that is there already, whole, counts: the segment only leaves."""
    source, folder = segment_path(directory, number), archive_folder(directory)
    following = Segments(directory).header(number + 1)
    path = archive_path(folder, number)
    archive: Archive | None = None
    if disk.current().is_there(path):
        with contextlib.suppress(CorruptJournalError):
            archive = check_archive(path, following)
            disk.current().sync_folder(folder)  # whoever wrote it may have been killed before this
    archive = archive or write_archive(source, folder, following, pace)
    disk.remove(source, pace)
    disk.current().sync_folder(directory)
    return archive
