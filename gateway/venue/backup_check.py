"""Whether a copy of a data folder is whole: every file is what was copied, and the log leads to the state.

The log is read whole, with its hash chain, and held against the tip, the snapshots, the read models and the registry,
by the rules of a start. Nothing in the copy is changed: the registry is looked at in a copy of its own.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from engine import disk, host
from gateway.audit_trail.verify_registry import check_registry
from gateway.config import Config
from gateway.registry.database_copy import copy_database
from gateway.registry.errors import RegistryError
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault
from gateway.venue import losses
from gateway.venue.backup_files import BackupError, Count, Manifest, hash_of

Progress = Callable[[str, int, int], None]
"""(what is done, how much of it, how much there is)."""


class LogEnd(NamedTuple):
    """Where a log ends: its last sequence, its hash, the time of its last command; and from where it was read."""

    seq: int
    chain: bytes
    time_ns: int
    from_seq: int


def check_files(folder: Path, manifest: Manifest, count: Count) -> None:
    """Compare each file with the manifest. BackupError names the first that differs."""
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file():
            raise BackupError(f"{path}: missing from the backup; use another backup")
        if path.stat().st_size != file.size_bytes or hash_of(path, count) != file.blake3:
            raise BackupError(f"{path}: not what was backed up; use another backup")


def check_log(folder: Path, is_quick: bool, progress: Progress, pace: disk.Pace | None = None) -> LogEnd:
    """Hold the log of a copied data folder against all that belongs to it. `is_quick`: from the oldest snapshot on.

    BackupError, or what a start on the folder would raise: JournalError, RegistryError.
    """
    config = Config(data=str(folder))
    damage = host.tip_damage(config.journal)
    if damage:
        raise BackupError(f"{damage}; use another backup")
    proofs = _snapshot_proofs(config.journal)
    with opened_registry(config, pace) as (registry, place):
        reader = host.JournalReader(config.journal)
        reader.expect([*proofs, *losses.expected(config, registry, None).proofs])
        from_seq = 0
        if proofs and (is_quick or missing_segments(config.journal)):
            from_seq = proofs[0].seq
            if proofs[0].chain is None or not reader.seek(from_seq, proofs[0].chain):
                raise BackupError(f"{config.journal}: the log does not lead to {proofs[0].by}; use another backup")
        time_ns = 0
        for rows in reader.batches():
            time_ns = int(rows["time_ns"][-1])
            progress("bytes of the journal", reader.bytes_read, reader.bytes_total)
        reader.check_end()
        if not from_seq:
            checked = check_registry(config.journal, place, lambda *done: progress("bytes for the registry", *done))
            if checked.problems:
                raise BackupError(f"{config.registry}: {checked.problems[0]}; see `lionrock audit verify`")
    return LogEnd(reader.last_seq, reader.position.chain, time_ns, from_seq)


def _snapshot_proofs(journal: Path) -> list[host.Proof]:
    """What the sound snapshots show, oldest first. A start passes the others over; they are copied as they are."""
    sound = set(host.retention.sound_snapshots(journal))
    found = [snapshot for snapshot in host.sound_headers(journal) if snapshot.seq in sound]
    return [host.Proof(snapshot.seq, snapshot.chain, f"the snapshot {snapshot.path}") for snapshot in found[::-1]]


def missing_segments(journal: Path) -> list[int]:
    """The segments before those in the journal's folder that the archive does not have."""
    archived = host.archive.archived_numbers(host.archive.archive_folder(journal))
    return sorted(set(range(1, host.retention.segments_of(journal).first)) - set(archived))


@contextmanager
def opened_registry(config: Config, pace: disk.Pace | None = None) -> Iterator[tuple[Registry, Path]]:
    """The registry of a folder in a copy, with that copy's path; it must be of the folder's vault.key if there is one.

    RegistryError.
    """
    with tempfile.TemporaryDirectory(prefix="lionrock-backup-") as temporary:
        place = Path(temporary) / config.registry.name
        try:
            copy_database(config.registry, place, pace)
            with closing(Registry(place)) as registry:
                if config.vault.exists():
                    Vault(config.vault, registry)
                yield registry, place
        except (RegistryError, sqlite3.Error) as error:
            raise RegistryError(str(error).replace(str(place), str(config.registry))) from None
