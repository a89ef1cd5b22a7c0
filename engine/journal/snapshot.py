"""Snapshots and digests of a state: the bytes in use, and nothing else.

In use are the header, the ranking, the ladders, the queue of jobs, the collateral, of every pool the rows below its
high-water mark, and the tables of the id maps. A digest is the BLAKE3 hash of those bytes in the order of the layout;
a snapshot is those bytes behind a header that carries the digest, so checking one checks the other.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from google_crc32c import value as crc32c

from engine import disk
from engine.codes import Phase
from engine.journal.format import JournalError
from engine.schema import CELL, POOLED, SEMANTICS_VERSION, STATE

SNAPSHOT_MAGIC = b"LIONSNAP"
SNAPSHOT_BYTES = 256
_SNAPSHOT = struct.Struct("<8sIIIIqQ32s32s32s")
_CRC = struct.Struct("<I")
_FORMAT_VERSION = 2
_WHOLE = ("ranked", "ladders", "jobs", "collateral", "settings")
_MAPS = ("order_map", "position_map")

Root = np.ndarray[Any, Any]
Region = tuple[int, int]


class SnapshotError(JournalError):
    """A snapshot that cannot be used; the journal has everything that it had."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot file whose header is sound. `chain` is the journal's hash after the command `seq`."""

    path: Path
    seq: int
    mode: int
    body_bytes: int
    digest: bytes
    chain: bytes


def _fields() -> dict[str, tuple[np.dtype[Any], int]]:
    return {name: (entry[0], entry[1]) for name, entry in (STATE.fields or {}).items()}


_FIELDS = _fields()
_HEADER_BYTES = _FIELDS["contracts"][1]


def _shape(dtype: np.dtype[Any]) -> str:
    """A dtype's layout as text: names, offsets and formats all the way down."""
    if dtype.subdtype is not None:
        return f"{dtype.subdtype[1]}{_shape(dtype.subdtype[0])}"
    if dtype.fields is None:
        return dtype.str
    rows = [f"{name}@{entry[1]}:{_shape(entry[0])}" for name, entry in dtype.fields.items()]
    return f"({','.join(rows)};{dtype.itemsize})"


LAYOUT = blake3(_shape(STATE).encode()).digest()
"""A digest of STATE's layout: bytes of another layout are never read as this one."""


def _pool(root: Root, name: str) -> Region:
    """The bytes of an array below its high-water mark."""
    dtype, offset = _FIELDS[name]
    assert dtype.subdtype is not None
    rows = int(root[POOLED[name]][0]) if name in POOLED else dtype.subdtype[1][0]
    return offset, offset + rows * dtype.subdtype[0].itemsize


def _tables(root: Root) -> Iterator[Region]:
    """The bytes of the id maps' tables: the one of size n begins at cell base + n."""
    cells = _FIELDS["cells"][1]
    for name in _MAPS:
        table = root[name][0]
        for size in sorted({int(table["size"]), int(table["old_size"])} - {0}):
            start = cells + (int(table["base"]) + size) * CELL.itemsize
            yield start, start + size * CELL.itemsize


def regions(root: Root) -> list[Region]:
    """(first byte, byte after the last) of everything in use, ascending."""
    found = [(0, _HEADER_BYTES), *(_pool(root, name) for name in (*_WHOLE, *POOLED)), *_tables(root)]
    return sorted(region for region in found if region[0] < region[1])


def _in_use(root: Root) -> list[memoryview]:
    """The bytes in use. ValueError inside a command, where a state is not one."""
    if int(root["phase"][0]) != Phase.IDLE:
        raise ValueError("the state is paused inside a command: finish it before a digest or a snapshot")
    state = root.view(np.uint8).data
    return [state[start:stop] for start, stop in regions(root)]


def _hash(parts: list[memoryview]) -> bytes:
    hasher = blake3()
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def digest(root: Root) -> str:
    """The state's BLAKE3 digest in hex: equal for equal logs, however they were cut into batches."""
    return _hash(_in_use(root)).hex()


def snapshot_path(directory: Path, seq: int) -> Path:
    """The file of a snapshot."""
    return directory / f"snapshot-{seq:020d}.state"


def write_snapshot(directory: Path, root: Root, chain: bytes, pace: disk.Pace | None = None) -> Snapshot:
    """Write the state durably. ValueError inside a command."""
    parts = _in_use(root)
    seq, mode = int(root["last_seq"][0]), int(root["mode"][0])
    body_bytes, state_digest = sum(len(part) for part in parts), _hash(parts)
    head = _SNAPSHOT.pack(
        SNAPSHOT_MAGIC, _FORMAT_VERSION, SEMANTICS_VERSION, mode, 0, seq, body_bytes, state_digest, chain, LAYOUT
    ).ljust(SNAPSHOT_BYTES - _CRC.size, b"\0")
    path = snapshot_path(directory, seq)
    disk.write_atomically(path, [head + _CRC.pack(crc32c(head)), *parts], pace)
    return Snapshot(path, seq, mode, body_bytes, state_digest, chain)


def read_header(path: Path) -> Snapshot:
    """The header of a snapshot. SnapshotError when it is damaged or of another version or layout."""
    data = disk.read(path, SNAPSHOT_BYTES)
    if len(data) < SNAPSHOT_BYTES or data[: len(SNAPSHOT_MAGIC)] != SNAPSHOT_MAGIC:
        raise SnapshotError(f"{path}: not a snapshot; delete it")
    if _CRC.unpack_from(data, SNAPSHOT_BYTES - 4)[0] != crc32c(data[: SNAPSHOT_BYTES - 4]):
        raise SnapshotError(f"{path}: the header does not match its checksum; delete it")
    _, version, semantics, mode, _, seq, body_bytes, state_digest, chain, layout = _SNAPSHOT.unpack_from(data)
    if (version, semantics, layout) != (_FORMAT_VERSION, SEMANTICS_VERSION, LAYOUT):
        raise SnapshotError(f"{path}: written by another release; the journal is replayed instead")
    size_bytes = disk.size_bytes(path)
    if size_bytes != SNAPSHOT_BYTES + body_bytes:
        raise SnapshotError(f"{path}: {size_bytes} bytes instead of {SNAPSHOT_BYTES + body_bytes}; delete it")
    return Snapshot(path, seq, mode, body_bytes, state_digest, chain)


def check_body(snapshot: Snapshot) -> None:
    """Compare the bytes behind the header with the digest. SnapshotError when they are not what was written."""
    with _Body(snapshot) as body:
        while body.read_piece():
            pass


def read_snapshot(snapshot: Snapshot, root: Root) -> None:
    """Fill a zeroed root from a snapshot. SnapshotError as from `check_body`; nobody may use the root then."""
    state = root.view(np.uint8).data
    with _Body(snapshot) as body:
        body.read_into(state[:_HEADER_BYTES])
        if snapshot.body_bytes >= _HEADER_BYTES:
            for start, stop in _regions_within(root, snapshot):
                body.read_into(state[start:stop])


def _regions_within(root: Root, snapshot: Snapshot) -> list[Region]:
    """What the header of a state says is in use, behind itself; SnapshotError when it cannot be of this snapshot."""
    try:
        found = [region for region in regions(root) if region[0] >= _HEADER_BYTES]
    except (IndexError, ValueError, OverflowError):
        found = []
    if _HEADER_BYTES + sum(stop - start for start, stop in found) != snapshot.body_bytes:
        raise SnapshotError(f"{snapshot.path}: the body does not match its digest; delete it")
    return found


class _Body:
    """The bytes behind a snapshot's header, read a piece at a time and hashed on the way.

    They are not mapped: a snapshot may be removed while it is read. Leaving the context checks the digest.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._hasher = blake3()
        self._offset = SNAPSHOT_BYTES

    def __enter__(self) -> "_Body":
        self._disk = disk.current()
        self._descriptor = self._disk.open(self._snapshot.path, os.O_RDONLY)
        return self

    def read_piece(self, most_bytes: int = disk.PIECE_BYTES) -> bytes:
        """The next bytes, fewer than asked for or none at the end."""
        piece = self._disk.pread(self._descriptor, most_bytes, self._offset)
        self._hasher.update(piece)
        self._offset += len(piece)
        return piece

    def read_into(self, room: memoryview) -> None:
        """Fill some room. SnapshotError when the file ends before."""
        done = 0
        while done < len(room):
            piece = self.read_piece(min(disk.PIECE_BYTES, len(room) - done))
            if not piece:
                raise SnapshotError(f"{self._snapshot.path}: it ends at byte {self._offset}; delete it")
            room[done : done + len(piece)] = piece
            done += len(piece)

    def __exit__(self, kind: object, *_: object) -> None:
        self._disk.close(self._descriptor)
        if kind is None and self._hasher.digest() != self._snapshot.digest:
            raise SnapshotError(f"{self._snapshot.path}: the body does not match its digest; delete it")


def newest_first(directory: Path) -> list[Path]:
    """The snapshot files of a directory, newest first."""
    return disk.current().files(directory, "snapshot-*.state")[::-1]


def snapshots(directory: Path) -> Iterator[Snapshot]:
    """The snapshots of a directory, oldest first, with their bodies checked. SnapshotError for a damaged one."""
    for path in reversed(newest_first(directory)):
        snapshot = read_header(path)
        check_body(snapshot)
        yield snapshot


def snapshot_seqs(directory: Path) -> list[int]:
    """The sequences of the snapshots of a directory whose headers are sound."""
    return [snapshot.seq for snapshot in sound_headers(directory)]


def sound_headers(directory: Path) -> Iterator[Snapshot]:
    """The snapshots of a directory whose headers are sound, newest first."""
    for path in newest_first(directory):
        with contextlib.suppress(SnapshotError):
            yield read_header(path)
