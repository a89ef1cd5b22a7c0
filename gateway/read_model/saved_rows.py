"""A file of named arrays, checksummed: the read model as it stood at one sequence.

A header (magic, version, how long the index is, its checksum), the index (name, dtype, size and checksum of each array,
as JSON), then the bytes of the arrays. A file is read whole and checked before any of it is used, and the arrays are
views of it. What is in such a file can be made again from the journal, so a bad one costs time and nothing else.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from google_crc32c import extend

from engine import disk

MAGIC = b"LIONROWS"
VERSION = 4
"""Of the layout of what is saved: a file of another version is made again."""
_HEAD = struct.Struct("<8sIIQ")
_CHECK = struct.Struct("<I")
_PART_BYTES = 1 << 20


class SavedRowsError(ValueError):
    """A file that cannot be used; the journal has everything that it had."""


class _Entry(msgspec.Struct, array_like=True):
    """One array of the index."""

    name: str
    dtype: str
    size_bytes: int
    check: int


_INDEX = msgspec.json.Decoder(list[_Entry])


def checksum(data: Any) -> int:
    """The CRC-32C of a buffer, which is copied a part at a time."""
    view, crc = memoryview(data).cast("B"), 0
    for first in range(0, len(view), _PART_BYTES):
        crc = extend(crc, bytes(view[first : first + _PART_BYTES]))
    return int(crc)


def write(path: Path, arrays: Mapping[str, Any], pace: disk.Pace | None = None) -> None:
    """Write arrays of one dimension durably: the file is there whole under its name, or not at all."""
    kept = {name: np.ascontiguousarray(rows) for name, rows in arrays.items()}
    bodies = {name: rows.reshape(-1).view(np.uint8).data for name, rows in kept.items()}
    entries = [_Entry(name, _named(kept[name].dtype), len(body), checksum(body)) for name, body in bodies.items()]
    index = msgspec.json.encode(entries)
    head = _HEAD.pack(MAGIC, VERSION, checksum(index), len(index))
    disk.write_atomically(path, [head + _CHECK.pack(checksum(head)), index, *bodies.values()], pace)


class SavedRows:
    """A file's arrays by name. SavedRowsError, whose line says what to do, when it is not as it was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            data: Any = memoryview(disk.map_file(path))
        except (OSError, ValueError) as error:
            raise self.wrong(f"cannot be read ({error})") from None
        index, first = self._index(data)
        self._arrays: dict[str, tuple[_Entry, Any]] = {}
        for entry in index:
            body = data[first : first + entry.size_bytes]
            if len(body) != entry.size_bytes or checksum(body) != entry.check:
                raise self.wrong(f"its part {entry.name!r} is damaged")
            self._arrays[entry.name] = (entry, body)
            first += entry.size_bytes
        if first != len(data):
            raise self.wrong(f"it has {len(data)} bytes instead of {first}")

    def _index(self, data: Any) -> tuple[list[_Entry], int]:
        """The index, and where the arrays begin."""
        begin = _HEAD.size + _CHECK.size
        if len(data) < begin or data[_HEAD.size : begin] != _CHECK.pack(checksum(data[: _HEAD.size])):
            raise self.wrong("its header is damaged")
        magic, version, check, size_bytes = _HEAD.unpack_from(data)
        if magic != MAGIC or version != VERSION:
            raise self.wrong(f"it is of layout {version}, this version reads layout {VERSION}")
        index = data[begin : begin + size_bytes]
        if len(index) != size_bytes or checksum(index) != check:
            raise self.wrong("its index is damaged")
        try:
            return _INDEX.decode(index), begin + size_bytes
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.wrong("its index is damaged") from None

    def array(self, name: str, dtype: Any) -> Any:
        """The rows of an array; of one that has another layout now, or is not there, SavedRowsError."""
        entry, body = self._arrays.get(name, (None, b""))
        wanted = np.dtype(dtype)
        if entry is None or entry.dtype != _named(wanted) or entry.size_bytes % wanted.itemsize:
            raise self.wrong(f"its part {name!r} is missing or of another layout")
        return np.frombuffer(body, wanted)

    def wrong(self, what: str) -> SavedRowsError:
        """An error that says what is wrong with the file; nothing of it may be used."""
        return SavedRowsError(f"{self._path}: {what}; delete it: the venue makes it again from the journal")


def _named(dtype: np.dtype[Any]) -> str:
    """A record's layout in words, short enough for an index: its checksum and its size."""
    return f"{checksum(repr(np.lib.format.dtype_to_descr(dtype)).encode()):08x}-{dtype.itemsize}"
