"""A disk in memory that does what a real one may do: lose, tear and reorder what was not synced, fail, be full, rot.

Each file has two contents: what the operating system shows (the page cache), and what is on the medium. A sector of 512
bytes is written whole or not at all. What differs is dirty: at a loss of power each dirty sector is on the medium or is
not, by chance. A sync brings the dirty sectors of one file to the medium. A sync that fails leaves them out for good,
while reads go on showing them, as Linux does. Names are durable when their folder was synced; before that a loss of
power keeps the first changes of names, but not the later ones.
"""

import errno
import fnmatch
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from engine.disk import Bytes

SECTOR = 512
_WRITES = os.O_WRONLY | os.O_RDWR


class PowerLost(BaseException):
    """The machine stops in the middle of a call. No code of the venue may catch it."""


class File:
    """One file, whatever its names: what is shown, what is on the medium, and which sectors differ."""

    __slots__ = ("data", "dirty", "durable", "is_longer")

    def __init__(self, data: bytes = b"", durable: bytes | None = None) -> None:
        self.data = bytearray(data)
        self.durable = bytearray(data if durable is None else durable)
        self.dirty: set[int] = set()
        self.is_longer = False
        """Whether the length that is shown is not yet the one on the medium."""

    def touch(self, first_byte: int, end_byte: int) -> None:
        """These bytes are changed in the page cache."""
        if first_byte < end_byte:
            self.dirty.update(range(first_byte // SECTOR, (end_byte - 1) // SECTOR + 1))

    def write_back(self, sectors: Sequence[int]) -> None:
        """These sectors reach the medium as they are shown now."""
        data, durable = self.data, self.durable
        for sector in sectors:
            first = sector * SECTOR
            part = data[first : first + SECTOR]
            if len(durable) < first:
                durable.extend(bytes(first - len(durable)))
            durable[first : first + len(part)] = part
        self.dirty.difference_update(sectors)

    def sync(self) -> None:
        """All that is shown reaches the medium."""
        self.write_back(sorted(self.dirty))
        del self.durable[len(self.data) :]
        if len(self.durable) < len(self.data):
            self.durable.extend(bytes(len(self.data) - len(self.durable)))
        self.is_longer = False

    def copy(self) -> "File":
        """The same file on another disk."""
        other = File(self.data, self.durable)
        other.dirty, other.is_longer = set(self.dirty), self.is_longer
        return other


NameChange = tuple[Path, File | None]
"""A name, and what it stands for from now on."""


class VirtualDisk:
    """`engine.disk.Disk` in memory. What may go wrong is set by its attributes; `chance` decides the rest."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.names: dict[Path, File] = {}
        self._durable_names: dict[Path, File] = {}
        self._changes: dict[Path, list[NameChange]] = {}
        self._folders: set[Path] = set()
        self._open: dict[int, File] = {}
        self._next = 3
        self.calls = 0
        self.stop_at: int | None = None
        """The call before which the power goes."""
        self.failing: dict[str, int] = {}
        """By the name of a call, how many calls of it pass until one fails with EIO."""
        self.capacity_bytes: int | None = None
        """The room of the disk; None: there is always more."""
        self.has_lying_cache = False
        """Whether a failed sync has left out what reads go on showing."""
        self.is_short = False
        """Whether writes take a part of what they are given."""
        self.before_sync: Callable[[], None] = lambda: None
        """Called before a sync begins: whoever waits for the disk lets others go on meanwhile."""

    # --- the calls --------------------------------------------------------------------------------------------------

    def open(self, path: Path, flags: int) -> int:
        self._call("open")
        file = self.names.get(path)
        if file is None:
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            file = File()
            self._name(path, file)
        elif flags & os.O_TRUNC and file.data:
            self._cut(file, 0)
        descriptor, self._next = self._next, self._next + 1
        self._open[descriptor] = file
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)

    def pwrite(self, descriptor: int, parts: Sequence[Bytes], offset: int, flags: int = 0) -> int:
        self._call("pwrite")
        file, data = self._open[descriptor], b"".join(bytes(part) for part in parts)
        if self.is_short and len(data) > 1:
            data = data[: self.chance.randrange(1, len(data))]
        self._take_room(max(0, offset + len(data) - len(file.data)))
        end = offset + len(data)
        if end > len(file.data):
            file.touch(len(file.data), end)
            file.data.extend(bytes(end - len(file.data)))
            file.is_longer = True
        file.data[offset:end] = data
        file.touch(offset, end)
        if flags & os.RWF_DSYNC and data:
            sectors = range(offset // SECTOR, (end - 1) // SECTOR + 1)
            self._sync(file, set(sectors))
            file.write_back(sectors)
        return len(data)

    def pread(self, descriptor: int, size_bytes: int, offset: int) -> bytes:
        return bytes(self._open[descriptor].data[offset : offset + size_bytes])

    def sync(self, descriptor: int) -> None:
        file = self._open[descriptor]
        self._sync(file, file.dirty)
        file.sync()

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        self._call("truncate")
        self._cut(self._open[descriptor], size_bytes)

    def size_bytes(self, descriptor: int) -> int:
        return len(self._open[descriptor].data)

    def map(self, descriptor: int) -> Any:
        data = self._open[descriptor].data
        if not data:
            raise ValueError("cannot mmap an empty file")
        return bytes(data)

    def claim(self, descriptor: int) -> bool:
        return True  # what is mapped here is a copy

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename")
        file = self._found(source)
        self._name(source, None)
        self._name(target, file)

    def unlink(self, path: Path) -> None:
        self._call("unlink")
        self._found(path)
        self._name(path, None)

    def make_folder(self, path: Path) -> None:
        self._folders |= {path, *path.parents}

    def sync_folder(self, path: Path) -> None:
        self.before_sync()
        self._call("sync_folder")
        for name, file in self._changes.pop(path, []):
            _set(self._durable_names, name, file)

    def files(self, folder: Path, pattern: str) -> list[Path]:
        return sorted(path for path in self.names if path.parent == folder and fnmatch.fnmatchcase(path.name, pattern))

    def free_bytes(self, path: Path) -> int:
        return 1 << 40 if self.capacity_bytes is None else max(self.capacity_bytes - self.used_bytes, 0)

    def drop_cache(self, descriptor: int, offset: int = 0, size_bytes: int = 0) -> None:
        """Nothing here is read that was not asked for."""

    def is_there(self, path: Path) -> bool:
        return path in self.names or path in self._folders or any(path in name.parents for name in self.names)

    # --- what happens to it -------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """The process ends: its descriptors go, the page cache stays."""
        self._open.clear()
        self.stop_at = None

    def lose_power(self) -> None:
        """What is on the medium is all that is left, and of what was dirty whatever chance says."""
        self.kill()
        for changes in self._changes.values():
            for name, file in changes[: self.chance.randrange(len(changes) + 1)]:
                _set(self._durable_names, name, file)
        self._changes.clear()
        self.names = dict(self._durable_names)
        self.has_lying_cache = False
        for file in self.names.values():
            self._settle(file)

    def write_back_some(self) -> None:
        """The operating system writes some dirty sectors by itself, as it may at any time."""
        for path in sorted(self.names):
            file = self.names[path]
            if file.dirty:
                file.write_back([sector for sector in sorted(file.dirty) if self.chance.random() < 0.5])

    def copy(self, chance: Random, named: Callable[[Path], Path] = lambda path: path) -> "VirtualDisk":
        """The same files on a disk of its own, under other names; all changes of names must be durable."""
        other = VirtualDisk(chance)
        copies = {id(file): file.copy() for file in self.names.values()}
        other.names = {named(name): copies[id(file)] for name, file in self.names.items()}
        other._durable_names = dict(other.names)
        return other

    def copy_settled(self, chance: Random) -> "VirtualDisk":
        """What the machine shows now, all of it durable, on a disk of its own."""
        other = VirtualDisk(chance)
        other.names = {name: File(file.data) for name, file in self.names.items()}
        other._durable_names = dict(other.names)
        return other

    def lose(self, path: Path) -> None:
        """A file is gone, with its name."""
        del self.names[path]
        self._durable_names.pop(path, None)

    def _settle(self, file: File) -> None:
        """What a loss of power leaves of a file."""
        mode = self.chance.randrange(4)
        if mode and file.dirty:
            dirty = sorted(file.dirty)
            share = (0.0, 1.0, 0.5, self.chance.random())[mode]
            kept = [sector for sector in dirty if self.chance.random() < share]
            if mode == 3:
                kept = dirty[: int(len(dirty) * share)]
            file.write_back(kept)
        if len(file.durable) > len(file.data) and mode == 1:
            del file.durable[len(file.data) :]
        file.data = bytearray(file.durable)
        file.dirty.clear()
        file.is_longer = False

    def _sync(self, file: File, sectors: set[int]) -> None:
        """Before a sync of some sectors; when it fails they never reach the medium by a later one."""
        self.before_sync()
        try:
            self._call("sync")
        except OSError:
            self.has_lying_cache |= bool(sectors)
            file.dirty -= set(sectors)
            raise

    def _found(self, path: Path) -> File:
        file = self.names.get(path)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return file

    def _name(self, path: Path, file: File | None) -> None:
        _set(self.names, path, file)
        self._changes.setdefault(path.parent, []).append((path, file))

    def _cut(self, file: File, size_bytes: int) -> None:
        if size_bytes > len(file.data):
            file.touch(len(file.data), size_bytes)
            file.data.extend(bytes(size_bytes - len(file.data)))
        del file.data[size_bytes:]
        file.dirty = {sector for sector in file.dirty if sector * SECTOR < size_bytes}

    def _take_room(self, more_bytes: int) -> None:
        if self.capacity_bytes is not None and more_bytes and self.used_bytes + more_bytes > self.capacity_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @property
    def used_bytes(self) -> int:
        """What all files take."""
        return sum(len(file.data) for file in self.names.values())

    def _call(self, name: str) -> None:
        """Before a call that changes something: the power may go, and the call may fail."""
        self.calls += 1
        if self.stop_at is not None and self.calls >= self.stop_at:
            raise PowerLost
        if name in self.failing:
            self.failing[name] -= 1
            if self.failing[name] < 0:
                del self.failing[name]
                raise OSError(errno.EIO, os.strerror(errno.EIO))


def _set(names: dict[Path, File], path: Path, file: File | None) -> None:
    if file is None:
        names.pop(path, None)
    else:
        names[path] = file
