"""Files of a backup: how they are copied, and the manifest that says what each of them is.

A backup is a folder that is laid out as the data folder is, with `manifest.json` in it, which is written last and has
the size and the BLAKE3 hash of each file, and a hash of itself.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from blake3 import blake3

from engine import disk

FORMAT = "lionrock backup 1"
MANIFEST = "manifest.json"
PIECE_BYTES = 1 << 22
Count = Callable[[int], None]
"""Takes how many more bytes were read."""


class BackupError(ValueError):
    """A backup that cannot be taken, or cannot be used: one line with the remedy."""


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `mark` is equal for two files of this path only if all of their bytes are; empty: nobody knows."""

    path: str
    size_bytes: int
    blake3: str
    mark: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: the log up to `sequence`, whose hash is `chain`, and what belongs to it.

    `log_time_ns` is when its last command was taken, `taken_ns` when the copy was made. `left_out` are files of the
    data folder that were not copied, `missing_segments` those that neither the journal nor the archive had.
    """

    format: str
    release: str
    semantics_version: int
    sequence: int
    chain: str
    log_time_ns: int
    taken_ns: int
    files: list[BackedUp]
    left_out: list[str]
    missing_segments: list[int]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


class _Envelope(msgspec.Struct):
    blake3: str
    manifest: msgspec.Raw


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it durably."""
    body = msgspec.json.encode(manifest)
    head = b'{"blake3":"' + blake3(body).hexdigest().encode() + b'","manifest":'
    disk.write_atomically(folder / MANIFEST, [head + body + b"}\n"])


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup. BackupError when there is none, or it is not as it was written."""
    path = folder / MANIFEST
    try:
        envelope = msgspec.json.decode(path.read_bytes(), type=_Envelope)
        if blake3(bytes(envelope.manifest)).hexdigest() != envelope.blake3:
            raise BackupError(f"{path}: it does not match its hash; use another backup")
        manifest = msgspec.json.decode(envelope.manifest, type=Manifest)
    except FileNotFoundError:
        raise BackupError(f"{folder}: no backup, as it has no {MANIFEST}; name a folder of `lionrock backup`") from None
    except msgspec.MsgspecError as error:
        raise BackupError(f"{path}: {error}; use another backup, or the release that wrote it") from None
    if manifest.format != FORMAT:
        raise BackupError(f"{path}: {manifest.format!r}, this release reads {FORMAT!r}; use the release that wrote it")
    for file in manifest.files:
        if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
            raise BackupError(f"{path}: {file.path!r} lies outside the backup; use another backup")
    return manifest


def copy_file(
    source: Path, target: Path, size_bytes: int | None, count: Count, pace: disk.Pace | None = None
) -> tuple[int, str]:
    """Copy a file, or its first bytes, into a new one durably: its size and hash. OSError, BackupError."""
    using, hasher = disk.current(), blake3()
    reading = using.open(source, os.O_RDONLY)

    def pieces() -> Iterator[bytes]:
        done = 0
        while piece := using.pread(reading, PIECE_BYTES if size_bytes is None else _next(size_bytes, done), done):
            yield piece
            hasher.update(piece)
            done += len(piece)
            count(len(piece))

    try:
        writing = using.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            copied_bytes = disk.write_from_begin(writing, pieces(), pace)
            using.sync(writing)
        finally:
            using.close(writing)
    finally:
        using.close(reading)
    if size_bytes is not None and copied_bytes != size_bytes:
        raise BackupError(
            f"{source}: {copied_bytes} bytes instead of {size_bytes}; try again, and run `lionrock verify`"
        )
    return copied_bytes, hasher.hexdigest()


def _next(size_bytes: int, done: int) -> int:
    return min(PIECE_BYTES, size_bytes - done)


def hash_of(path: Path, count: Count) -> str:
    """The BLAKE3 hash of a file. OSError."""
    hasher = blake3()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            hasher.update(piece)
            count(len(piece))
    return hasher.hexdigest()
