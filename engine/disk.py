"""The only calls that files of a data folder are written with, and the way in which they become durable.

Journal, snapshots, tip, read model and archives call these functions and nothing else. So who may read a file has one
home, and a simulated disk, or one that fails at a chosen call, takes the place of the real one for all of them: `use`.
Paths are real paths; a descriptor is a number that only these functions understand.
"""

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

FILE_MODE, FOLDER_MODE = 0o600, 0o700
"""Who may read: the account that the venue runs as, and nobody else, whatever the umask says."""
Bytes = bytes | bytearray | memoryview
TEMPORARY = ".tmp"
"""What the name of a file ends with that is not whole yet, or no longer."""
PIECE_BYTES = 1 << 20
"""A file that is written or removed beside a running venue is synced or cut so many bytes at a time. The syncs of the
journal wait while the file system writes or frees more than that at once."""
Pace = Callable[[], None]
"""Called after each piece: it waits, so that others use the disk meanwhile."""


class Disk(Protocol):
    """What is called of a disk. All calls raise OSError; no write is durable before its file is synced."""

    def open(self, path: Path, flags: int) -> int:
        """A descriptor of a file; one that is made belongs to its owner alone."""
        ...

    def close(self, descriptor: int) -> None:
        """Let a descriptor go."""
        ...

    def pwrite(self, descriptor: int, parts: Sequence[Bytes], offset: int, flags: int = 0) -> int:
        """Write parts one behind the other, with flags of `os.pwritev`; answers how many bytes, maybe fewer."""
        ...

    def pread(self, descriptor: int, size_bytes: int, offset: int) -> bytes:
        """Bytes of a file; fewer at its end."""
        ...

    def sync(self, descriptor: int) -> None:
        """Have a file's bytes and its length on the disk."""
        ...

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut or lengthen a file."""
        ...

    def size_bytes(self, descriptor: int) -> int:
        """How long a file is."""
        ...

    def map(self, descriptor: int) -> Any:
        """A whole file as a buffer that may be written without changing the file. ValueError for an empty one."""
        ...

    def claim(self, descriptor: int) -> bool:
        """Whether nobody has the file mapped; until the descriptor is closed nobody can map it then."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, whose file is replaced; durable when the folder is synced."""
        ...

    def unlink(self, path: Path) -> None:
        """Take a file's name away; durable when the folder is synced."""
        ...

    def make_folder(self, path: Path) -> None:
        """Make a folder, and those above it, for the owner alone; one that is there stays as it is."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Have the names in a folder on the disk."""
        ...

    def files(self, folder: Path, pattern: str) -> list[Path]:
        """The files of a folder whose names match, sorted; none when the folder is not there."""
        ...

    def free_bytes(self, path: Path) -> int:
        """How much room the disk of a folder has for whoever runs the venue."""
        ...

    def drop_cache(self, descriptor: int, offset: int = 0, size_bytes: int = 0) -> None:
        """Have the next reads of a part of a file come from the disk, as far as the system can do that.

        Without a size, up to its end. What is not on the disk yet stays in memory, and the system begins to write it.
        """
        ...

    def is_there(self, path: Path) -> bool:
        """Whether there is a file or a folder of this name."""
        ...


class SystemDisk:
    """The machine's own disk."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, FILE_MODE)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def pwrite(self, descriptor: int, parts: Sequence[Bytes], offset: int, flags: int = 0) -> int:
        return os.pwritev(descriptor, parts, offset, flags)

    def pread(self, descriptor: int, size_bytes: int, offset: int) -> bytes:
        return os.pread(descriptor, size_bytes, offset)

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        os.ftruncate(descriptor, size_bytes)

    def size_bytes(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def map(self, descriptor: int) -> Any:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # the mapping keeps the lock as long as it lives
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)

    def claim(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def make_folder(self, path: Path) -> None:
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in made:
            folder.chmod(FOLDER_MODE)

    def sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def files(self, folder: Path, pattern: str) -> list[Path]:
        return sorted(folder.glob(pattern))

    def free_bytes(self, path: Path) -> int:
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def drop_cache(self, descriptor: int, offset: int = 0, size_bytes: int = 0) -> None:
        os.posix_fadvise(descriptor, offset, size_bytes, os.POSIX_FADV_DONTNEED)

    def is_there(self, path: Path) -> bool:
        return path.exists()


_disk: Disk = SystemDisk()
_left_free: ContextVar[tuple[Path, int, str] | None] = ContextVar("_left_free", default=None)
"""Of this thread: the folder on whose disk so many bytes stay free, and why."""


@contextlib.contextmanager
def use(disk: Disk) -> Iterator[None]:
    """Have every file of the process on another disk meanwhile: for simulations, and for disks that fail on purpose."""
    global _disk
    before, _disk = _disk, disk
    try:
        yield
    finally:
        _disk = before


def current() -> Disk:
    """The disk in use. Ask for it when a file is opened, and keep to it until that file is closed."""
    return _disk


@contextlib.contextmanager
def leave_free(folder: Path, size_bytes: int, why: str) -> Iterator[None]:
    """Have this thread write nothing meanwhile that would leave less room than this on the disk of a folder.

    It raises OSError (ENOSPC) with the text `why`. 0: as long as there is room.
    """
    token = _left_free.set((folder, size_bytes, why) if size_bytes else None)
    try:
        yield
    finally:
        _left_free.reset(token)


def check_room(size_bytes: int) -> None:
    """Raise OSError (ENOSPC) when so many bytes more would take of the room that `leave_free` wants to be left."""
    found = _left_free.get()
    if found is not None and _disk.free_bytes(found[0]) - size_bytes < found[1]:
        raise OSError(errno.ENOSPC, found[2])


def write_all(descriptor: int, parts: Sequence[Bytes], offset: int) -> int:
    """Write parts whole, however few bytes the disk takes at a time; answers where they end."""
    for part in parts:
        left = memoryview(part).cast("B")
        check_room(left.nbytes)
        while left:
            written = _disk.pwrite(descriptor, [left], offset)
            offset, left = offset + written, left[written:]
    return offset


def write_atomically(path: Path, parts: Sequence[Bytes], pace: Pace | None = None) -> None:
    """Write a whole file durably: it is there completely under its name, or not at all.

    With a pace it is written and synced a piece at a time. What is written of a file that fails is taken away: on a
    full disk that room is the journal's.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    descriptor = _disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_from_begin(descriptor, parts, pace)
        _disk.sync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            _disk.unlink(temporary)
        raise
    finally:
        _disk.close(descriptor)
    _disk.rename(temporary, path)
    _disk.sync_folder(path.parent)


def write_from_begin(descriptor: int, parts: Iterable[Bytes], pace: Pace | None = None) -> int:
    """Write parts from a file's beginning on, with a pace a piece at a time; answers where they end.

    The end is not synced yet.
    """
    offset = 0
    for part in parts:
        left = memoryview(part).cast("B")
        while left:
            piece = left if pace is None else left[: PIECE_BYTES - offset % PIECE_BYTES]
            offset, left = write_all(descriptor, [piece], offset), left[len(piece) :]
            if pace is not None and offset % PIECE_BYTES == 0:
                _disk.sync(descriptor)
                pace()
    return offset


def remove(path: Path, pace: Pace | None = None) -> None:
    """Take a file away, durably once its folder is synced. With a pace it is first cut a piece at a time.

    A file that somebody has mapped is not cut: whoever reads mapped bytes that are gone is killed.
    """
    _disk.unlink(path if pace is None else _cut(path, pace))


def _cut(path: Path, pace: Pace) -> Path:
    """Cut a file a piece at a time unless it is mapped; the name that it has then."""
    descriptor = _disk.open(path, os.O_WRONLY)
    try:
        if not _disk.claim(descriptor):
            return path
        leftover = path.with_name(path.name + TEMPORARY)
        _disk.rename(path, leftover)  # a file under its own name is always whole
        for size in range(_disk.size_bytes(descriptor) // PIECE_BYTES * PIECE_BYTES, 0, -PIECE_BYTES):
            _disk.truncate(descriptor, size)
            _disk.sync(descriptor)
            pace()
        return leftover
    finally:
        _disk.close(descriptor)


def leftovers(folder: Path) -> dict[Path, Path]:
    """Files that are not whole, by the names that they would have: a process writes or removes them, or has ended."""
    return {path.with_suffix(""): path for path in _disk.files(folder, "*" + TEMPORARY)}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The descriptor of a file that is read, for as long as it is needed."""
    using = _disk
    descriptor = using.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        using.close(descriptor)


def read(path: Path, size_bytes: int | None = None, offset: int = 0) -> bytes:
    """Bytes of a file, all from the offset on unless a size is given."""
    with _opened(path) as descriptor:
        wanted = _disk.size_bytes(descriptor) - offset if size_bytes is None else size_bytes
        parts: list[bytes] = []
        while wanted > 0 and (part := _disk.pread(descriptor, wanted, offset)):
            parts.append(part)
            wanted, offset = wanted - len(part), offset + len(part)
        return b"".join(parts)


def size_bytes(path: Path) -> int:
    """How long a file is."""
    with _opened(path) as descriptor:
        return _disk.size_bytes(descriptor)


def map_file(path: Path) -> Any:
    """A whole file as a buffer that may be written without changing the file. ValueError for an empty one."""
    with _opened(path) as descriptor:
        return _disk.map(descriptor)


def drop_cached(path: Path) -> None:
    """Have the next read of a file come from the disk, where the system can do that."""
    with _opened(path) as descriptor:
        _disk.drop_cache(descriptor)


# --- files that SQLite or the gateway's log write: always on the machine's own disk ---------------------------------

_SYSTEM = SystemDisk()


def write_new(path: Path, data: Bytes) -> None:
    """Write a new file durably: it is there completely or not at all.

    FileExistsError when there is one already, which is not changed.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    temporary.unlink(missing_ok=True)
    descriptor = _SYSTEM.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _SYSTEM.sync(descriptor)
        os.link(temporary, path)  # unlike a rename, it replaces nothing
    finally:
        temporary.unlink()
    _SYSTEM.sync_folder(path.parent)


def make_empty(path: Path) -> None:
    """Make an empty file if there is none. SQLite gives the side files of a database the same permissions.

    One that is there is not opened: to close it again would let go the locks that this process has on it, and another
    process that closes the database would take its write-ahead log away.
    """
    if not path.exists():
        _SYSTEM.close(_SYSTEM.open(path, os.O_WRONLY | os.O_CREAT))


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, for the owner alone; one that is there stays as it is."""
    _SYSTEM.make_folder(path)


def private(path: str | Path, flags: int) -> int:
    """The `opener` of `open`: a file that is made is its owner's alone, whatever the umask says."""
    return _SYSTEM.open(Path(path), flags)
