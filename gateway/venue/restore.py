"""A data folder made of a backup: files are compared with the manifest, the log with the state, before it is there."""

import shutil
from pathlib import Path

from engine import disk
from engine.schema import SEMANTICS_VERSION
from gateway.config import Config
from gateway.venue.backup import newest
from gateway.venue.backup_check import LogEnd, Progress, check_files, check_log
from gateway.venue.backup_files import MANIFEST, BackupError, Manifest, copy_file, read_manifest

SUFFIX = ".restoring"
"""Of the folder beside the new one, until that is whole."""


def chosen(place: Path) -> Path:
    """The backup that a path means: itself, or the newest one in it. BackupError."""
    if (place / MANIFEST).is_file():
        return place
    found = newest(place)
    if found is None:
        raise BackupError(f"{place}: no backup there; name a folder that `lionrock backup --to` wrote")
    return found


def check(folder: Path, is_quick: bool, progress: Progress) -> tuple[Manifest, LogEnd]:
    """Check a backup where it is. BackupError, JournalError, RegistryError, OSError."""
    manifest = _usable(folder)
    done_bytes = 0

    def count(size_bytes: int) -> None:
        nonlocal done_bytes
        done_bytes += size_bytes
        progress("bytes compared", done_bytes, manifest.size_bytes)

    check_files(folder, manifest, count)
    return manifest, _checked_log(folder, manifest, is_quick, progress)


def restore(
    folder: Path, data: Path, vault: Path | None, is_quick: bool, progress: Progress
) -> tuple[Manifest, LogEnd]:
    """Make the data folder, which must be missing or empty. `vault` is the key file of a backup without it.

    BackupError, JournalError, RegistryError, OSError: then nothing is there that was not before.
    """
    manifest = _usable(folder)
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupError(f"--to {data}: it is not empty; name a new folder, or move that one away")
    beside = data.with_name(data.name + SUFFIX)
    disk.make_folder(data.parent)
    if beside.exists():
        raise BackupError(f"{beside}: left by another restore; remove it, unless that is still at work")
    free_bytes = disk.current().free_bytes(data.parent)
    if free_bytes < manifest.size_bytes:
        raise BackupError(f"--to {data}: {free_bytes} bytes free, the backup has {manifest.size_bytes}; make room")
    try:
        end = _filled(folder, beside, manifest, vault, is_quick, progress)
        for place in (*(path for path in beside.rglob("*") if path.is_dir()), beside):
            disk.current().sync_folder(place)
        disk.current().rename(beside, data)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    disk.current().sync_folder(data.parent)
    return manifest, end


def _filled(
    folder: Path, target: Path, manifest: Manifest, vault: Path | None, is_quick: bool, progress: Progress
) -> LogEnd:
    done_bytes = 0

    def count(size_bytes: int) -> None:
        nonlocal done_bytes
        done_bytes += size_bytes
        progress("bytes copied", done_bytes, manifest.size_bytes)

    disk.make_folder(target)
    for file in manifest.files:
        disk.make_folder((target / file.path).parent)
        if copy_file(folder / file.path, target / file.path, None, count) != (file.size_bytes, file.blake3):
            raise BackupError(f"{folder / file.path}: not what was backed up; use another backup")
    own = Config(data=str(target)).vault
    if vault is not None and own.exists():
        raise BackupError(f"--vault {vault}: the backup has its own vault.key; leave it out")
    if vault is not None:
        copy_file(vault, own, None, lambda size_bytes: None)
    return _checked_log(target, manifest, is_quick, progress)


def _usable(folder: Path) -> Manifest:
    """The manifest of a backup that this release can serve."""
    manifest = read_manifest(folder)
    if manifest.semantics_version != SEMANTICS_VERSION:
        raise BackupError(
            f"{folder}: its log has semantics version {manifest.semantics_version}, this release {SEMANTICS_VERSION}: "
            f"use lionrock {manifest.release}"
        )
    return manifest


def _checked_log(folder: Path, manifest: Manifest, is_quick: bool, progress: Progress) -> LogEnd:
    end = check_log(folder, is_quick, progress)
    if (end.seq, end.chain.hex()) != (manifest.sequence, manifest.chain):
        raise BackupError(f"{folder}: its log ends at {end.seq}, not at {manifest.sequence}; use another backup")
    return end
