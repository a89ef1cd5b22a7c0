"""A consistent copy of a data folder, beside a running venue or of a stopped one.

What proves that the log had a length is copied before the log's end is read: the tip, the snapshots, the read models,
the history, the alerts, the seals. The registry comes next. It has the order of everything that the log has up to that
end, for an order is in the registry before it is submitted; where it knows results behind that end, the end moves
there. Then the journal is copied up to its end, and the gateway's log, which may only have more than the journal
vouches for.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from engine import disk, host
from engine.schema import SEMANTICS_VERSION
from gateway import clock
from gateway.audit_trail.venue_files import seals_folder
from gateway.config import Config
from gateway.registry.database_copy import copy_database
from gateway.registry.signatures import SIGNATURES
from gateway.surveillance.store import file_of
from gateway.venue.backup_check import LogEnd, Progress, check_files, check_log, missing_segments, opened_registry
from gateway.venue.backup_files import (
    FORMAT,
    MANIFEST,
    BackedUp,
    BackupError,
    Manifest,
    copy_file,
    hash_of,
    read_manifest,
    write_manifest,
)
from gateway.venue.disk_space import beside_running
from gateway.venue.recovery import projection_path
from gateway.wire.versions import RELEASE

PARTIAL = "partial"
"""The folder in which a backup is made, until it is whole."""
LOCK = "lock"
_MARK_BYTES = 256
"""The first bytes of a snapshot or an archive, with the hash of all others."""
_TRIES = 100


@dataclass(frozen=True)
class Choice:
    """What is left out of a backup. `is_quick`: the copied log is read from its oldest snapshot on, not whole."""

    without_vault: bool = False
    without_history: bool = False
    is_quick: bool = False


@dataclass(frozen=True)
class Taken:
    """A backup that was taken; `linked_bytes` of it are shared with the backup before it."""

    folder: Path
    manifest: Manifest
    linked_bytes: int
    checked_from: int


class _End(NamedTuple):
    """The end of the log: the segment and the offset at which it ends, the last sequence, the hash."""

    segment: int
    offset: int
    seq: int
    chain: bytes


def newest(target: Path) -> Path | None:
    """The newest whole backup in a folder of backups."""
    return max((path.parent for path in target.glob(f"*/{MANIFEST}") if path.parent.name != PARTIAL), default=None)


def take(config: Config, target: Path, choice: Choice, progress: Progress) -> Taken:
    """Copy the data folder of these settings into a new folder of `target`, and check the copy.

    BackupError, JournalError, RegistryError, sqlite3.Error, OSError: nothing is there then but the backups before.
    """
    if not host.holds_journal(config.journal):
        raise BackupError(f"{config.data}: no journal there; name the data folder of a venue")
    if target.resolve().is_relative_to(Path(config.data).resolve()):
        raise BackupError(f"--to {target}: it lies in the data folder; name a folder on another disk")
    disk.make_folder(target)
    with _only_one(target):
        partial = target / PARTIAL
        with beside_running(config, target) as pace:
            _remove_partial(partial, pace)
            disk.make_folder(partial)
            try:
                return _whole(config, target, choice, progress, pace)
            except BaseException:
                _remove_partial(partial, pace)
                raise


def _remove_partial(partial: Path, pace: disk.Pace | None) -> None:
    """Take away what is not whole; with a pace a piece at a time, but for files that another backup shares."""
    if pace is not None:
        for path in partial.rglob("*"):
            if path.is_file() and path.stat().st_nlink == 1:
                with contextlib.suppress(OSError):
                    disk.remove(path, pace)
    shutil.rmtree(partial, ignore_errors=True)


def _whole(config: Config, target: Path, choice: Choice, progress: Progress, pace: disk.Pace | None) -> Taken:
    partial, before = target / PARTIAL, newest(target)
    copying = _Copying(config, partial, before, progress, pace)
    end = copying.all(choice)
    left_out = copying.left_out()
    found = check_log(partial, choice.is_quick, progress, pace)
    if (found.seq, found.chain) != (end.seq, end.chain):
        raise BackupError(f"{partial}: the copied log ends at {found.seq} and not at {end.seq}; try again")
    manifest = _manifest(copying, found, left_out, missing_segments(Config(data=str(partial)).journal))
    check_files(partial, manifest, copying.counter("bytes read back", manifest.size_bytes))
    write_manifest(partial, manifest)
    _sync_folders(partial)
    taken = datetime.fromtimestamp(manifest.taken_ns / clock.NS_PER_S, UTC)
    folder = target / f"{taken:%Y%m%dT%H%M%S}{manifest.taken_ns // 1000 % 1_000_000:06d}Z-{end.seq}"
    disk.current().rename(partial, folder)
    disk.current().sync_folder(target)
    return Taken(folder, manifest, copying.linked_bytes, found.from_seq)


def _manifest(copying: "_Copying", end: LogEnd, left_out: list[str], missing: list[int]) -> Manifest:
    return Manifest(
        format=FORMAT, release=RELEASE, semantics_version=SEMANTICS_VERSION, sequence=end.seq,
        chain=end.chain.hex(), log_time_ns=end.time_ns, taken_ns=clock.wall_ns(),
        files=[copying.files[name] for name in sorted(copying.files)], left_out=left_out, missing_segments=missing,
    )  # fmt: skip


@contextlib.contextmanager
def _only_one(target: Path) -> Iterator[None]:
    with open(target / LOCK, "a", opener=disk.private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"--to {target}: another backup is made there; wait until it has ended") from None
        yield


def _sync_folders(folder: Path) -> None:
    for place in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        disk.current().sync_folder(place)


class _Copying:
    """Copies a data folder, file by file; `files` has what was copied."""

    def __init__(
        self, config: Config, folder: Path, before: Path | None, progress: Progress, pace: disk.Pace | None
    ) -> None:
        self._config, self._data, self._folder, self._before = config, Path(config.data), folder, before
        self._pace = pace
        self._known = {file.path: file for file in read_manifest(before).files} if before else {}
        self._progress = progress
        self.files: dict[str, BackedUp] = {}
        self.linked_bytes = 0
        total = sum(path.stat().st_size for path in self._data.rglob("*") if path.is_file())
        self._count = self.counter("bytes copied", total)

    def counter(self, what: str, total: int) -> Callable[[int], None]:
        """What counts bytes and shows them."""
        done = 0

        def count(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            self._progress(what, done, total)

        return count

    def all(self, choice: Choice) -> _End:
        """Copy everything, in the one order that fits together; where the log ends."""
        journal, data = self._config.journal, self._data
        if host.tip_path(journal).exists():
            self._copy(host.tip_path(journal))
        for path in reversed(disk.current().files(journal, "snapshot-*.state")):
            with contextlib.suppress(FileNotFoundError):  # it was an older one than those that are kept
                self._copy(path, mark=_first_bytes(path))
                self._copy(projection_path(data, int(path.stem.removeprefix("snapshot-"))))
        if not choice.without_history:
            self._database(self._config.history)
        self._database(file_of(data))
        for path in disk.current().files(seals_folder(journal), "*"):
            self._copy(path)
        end = _read_end(journal)
        self._database(data / SIGNATURES)
        self._database(self._config.registry)
        if not choice.without_vault and self._config.vault.exists():
            self._copy(self._config.vault)
        end = self._end_with_registry(end)
        self._copy_journal(end)
        for path in disk.current().files(self._config.gateway_log, "*.jsonl"):
            with contextlib.suppress(FileNotFoundError):  # its time was over: a later file says so
                self._copy(path)
        return end

    def left_out(self) -> list[str]:
        """What the data folder has beside what was copied; locks and what databases keep for themselves are nothing."""
        found = {str(path.relative_to(self._data)) for path in self._data.rglob("*") if path.is_file()}
        nothing = ("-wal", "-shm", "lock", ".tmp")
        segments = ("journal/journal-", "archive/journal-")
        names = {name for name in found - set(self.files) if not name.endswith(nothing)}
        return sorted(name for name in names if not name.startswith(segments))

    def _copy(self, path: Path, size_bytes: int | None = None, mark: str = "") -> None:
        name = str(path.relative_to(self._data))
        target, known = self._folder / name, self._known.get(name)
        disk.make_folder(target.parent)
        if mark and known is not None and known.mark == mark and self._link(known, target):
            self.files[name] = known
            self.linked_bytes += known.size_bytes
            self._count(known.size_bytes)
            return
        copied_bytes, digest = copy_file(path, target, size_bytes, self._count, self._pace)
        self.files[name] = BackedUp(path=name, size_bytes=copied_bytes, blake3=digest, mark=mark)

    def _link(self, known: BackedUp, target: Path) -> bool:
        """Share a file of the backup before, if it is still what was copied and its disk can do that."""
        if self._before is None:
            return False
        source = self._before / known.path
        try:
            if hash_of(source, lambda size_bytes: None) != known.blake3:
                return False
            os.link(source, target)
        except OSError:
            return False
        return True

    def _database(self, path: Path) -> None:
        if not path.exists():
            return
        name = str(path.relative_to(self._data))
        copy = self._folder / name
        copy_database(path, copy, self._pace)
        size_bytes = copy.stat().st_size
        self.files[name] = BackedUp(path=name, size_bytes=size_bytes, blake3=hash_of(copy, self._count))

    def _end_with_registry(self, end: _End) -> _End:
        """The log's end, not before what the copied registry knows of it."""
        with opened_registry(Config(data=str(self._folder)), self._pace) as (registry, _):
            tip = registry.log_tip()
            least_seq = max(registry.last_applied(), tip[0] if tip else 0)
        if least_seq <= end.seq:
            return end
        end = _read_end(self._config.journal, end, least_seq)
        if end.seq < least_seq:
            raise BackupError(
                f"{self._config.registry}: it knows of sequence {least_seq}, and the journal ends at {end.seq}; "
                "see what a start says, and `lionrock verify`"
            )
        return end

    def _copy_journal(self, end: _End) -> None:
        """Copy segments and archives; a segment that is archived meanwhile is found in the archive."""
        journal = self._config.journal
        segments = host.retention.segments_of(journal)
        if end.segment < segments.first:
            raise BackupError(f"{journal}: its last segment was archived while it was copied; try again")
        self._copy(segments.path(end.segment), end.offset)
        for _ in range(_TRIES):
            try:
                self._copy_others(journal, end)
            except FileNotFoundError:
                continue
            return
        raise BackupError(f"{journal}: its segments do not stay while they are copied; try again")

    def _copy_others(self, journal: Path, end: _End) -> None:
        archives = host.archive.archive_folder(journal)
        for number in host.archive.archived_numbers(archives):
            path = host.archive.archive_path(archives, number)
            if number < end.segment and self._is_new(path):
                self._copy(path, mark=_first_bytes(path))
        segments = host.retention.segments_of(journal)
        for number in range(segments.first, end.segment):
            path = segments.path(number)
            if self._is_new(path):
                self._copy(path, mark=_first_bytes(segments.path(number + 1)))

    def _is_new(self, path: Path) -> bool:
        return str(path.relative_to(self._data)) not in self.files


def _first_bytes(path: Path) -> str:
    """A hash of a file's header: of a segment's next one, it vouches for every byte of the segment."""
    return blake3(disk.read(path, _MARK_BYTES)).hexdigest()


def _read_end(journal: Path, start: _End | None = None, least_seq: int | None = None) -> _End:
    """Read the log's last segment, or on from a place, to its end, or until it has a sequence."""
    reader: Any = host.JournalReader(journal)
    segments = host.retention.segments_of(journal)
    header = segments.header(segments.last)
    seq, chain = (header.first_seq - 1, header.chain) if start is None else (start.seq, start.chain)
    if not reader.seek(seq, chain):
        raise BackupError(f"{journal}: it was changed while it was read; try again, and run `lionrock verify`")
    for _ in reader.batches():
        if least_seq is not None and reader.last_seq >= least_seq:
            break
    position = reader.position
    return _End(position.segment.number, position.offset, reader.last_seq, position.chain)
