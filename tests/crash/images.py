"""The disks that a crash may leave, made from a recording: at each point what the process had written, and every way in
which what was not synced may be lost.

A disk keeps what was synced: bytes by a sync of their file, names by a sync of their folder. Of the rest any part may
be there after a loss of power, in any order. Tried at each point are: all of it (as when only the process ends),
nothing, all but the oldest change, and the last write cut at a sector. Where a sync is about to begin, or somebody is
about to be told, all but each single change as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.recorded import Call

SECTOR_BYTES = 512
NOT_KEPT = "-shm"
"""What SQLite makes anew for each first connection: no part of what a crash leaves."""


class File:
    """One file, whatever its names: a number for its changes."""


@dataclass(slots=True)
class Change:
    """A write or truncate of a file, or what a name stands for from now on."""

    file: File
    call: Call
    name: Path | None = None
    is_gone: bool = False


@dataclass(slots=True)
class Image:
    """The files of a folder."""

    point: int
    """How many calls were done."""
    how: str
    files: dict[Path, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Disk:
    """What is on the disk for sure, what is shown, and what waits between them."""

    names: dict[Path, File] = field(default_factory=dict)
    shown: dict[Path, File] = field(default_factory=dict)
    data: dict[File, bytearray] = field(default_factory=dict)
    sizes: dict[File, int] = field(default_factory=dict)
    waiting: list[tuple[int, Change]] = field(default_factory=list)
    frozen: dict[File, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, files: dict[Path, bytes]) -> "Disk":
        """A disk with these files, all of it durable."""
        disk = cls()
        for path, data in files.items():
            file = File()
            disk.names[path] = disk.shown[path] = file
            disk.data[file], disk.sizes[file] = bytearray(data), len(data)
        return disk

    def do(self, number: int, call: Call) -> None:
        """One more call is done."""
        if call.kind == "sync":
            self._sync(call)
        elif call.kind == "make":
            if call.path not in self.shown:
                self._name(number, call, call.path, File())
        elif call.kind == "link":
            assert call.target is not None
            self._name(number, call, call.target, self.shown[call.path])
        elif call.kind == "rename":
            assert call.target is not None
            file = self.shown[call.path]
            # One change: a rename is done or not, it is never half done.
            self.waiting.append((number, Change(file, call, call.target)))
            del self.shown[call.path]
            self.shown[call.target] = file
        elif call.kind == "unlink":
            file = self.shown.pop(call.path)
            self.waiting.append((number, Change(file, call, call.path, is_gone=True)))
        elif call.kind in ("write", "truncate"):
            self._change(number, call)

    def _name(self, number: int, call: Call, name: Path, file: File) -> None:
        self.shown[name] = file
        self.sizes.setdefault(file, 0)
        self.data.setdefault(file, bytearray())
        self.waiting.append((number, Change(file, call, name)))

    def _change(self, number: int, call: Call) -> None:
        file = self.shown[call.path]
        size = self.sizes[file]
        if call.kind == "truncate":
            if call.offset == size:
                return
            self.sizes[file] = call.offset
        else:
            if call.offset < 0:
                call = Call("write", call.path, call.data, size)
            self.sizes[file] = max(size, call.offset + len(call.data))
        self.waiting.append((number, Change(file, call)))
        if call.is_synced:
            self._settle([change for _, change in self.waiting if change.file is file and change.call is call])

    def _sync(self, call: Call) -> None:
        """A file's changes, or the names in a folder, as far as they were done when the sync began."""
        file = self.shown.get(call.path)
        self._settle([
            change for number, change in self.waiting
            if number < call.begun and (change.name.parent == call.path if change.name else change.file is file)
        ])  # fmt: skip

    def _settle(self, changes: list[Change]) -> None:
        for change in changes:
            _apply(change, self.names, self.data)
            self.frozen.pop(change.file, None)
        gone = set(map(id, changes))
        self.waiting = [(number, change) for number, change in self.waiting if id(change) not in gone]

    # --- what a crash leaves ------------------------------------------------------------------------------------------

    def images(self, point: int, is_barrier: bool) -> Iterator[Image]:
        """Every disk that is tried at a point. At a barrier each change is left out once: then most of them wait."""
        changes = [change for _, change in self.waiting if not str(change.call.path).endswith(NOT_KEPT)]
        yield self._image(point, "all of it", changes)
        if not changes:
            return
        yield self._image(point, "nothing that was not synced", [])
        if len(changes) > 1:
            for missing in changes if is_barrier else changes[:1]:
                kept = [change for change in changes if change is not missing]
                yield self._image(point, f"without {_told(missing)}", kept)
        writes = [change for change in changes if change.call.kind == "write" and change.name is None]
        if writes and (cut := _cut(writes[-1])):
            kept = [cut if change is writes[-1] else change for change in changes]
            yield self._image(point, f"{_told(writes[-1])}, cut at a sector", kept)

    def _image(self, point: int, how: str, changes: Sequence[Change]) -> Image:
        names, data = dict(self.names), dict[File, bytearray]()
        for change in changes:
            if change.name is None and change.file not in data:
                data[change.file] = bytearray(self.data[change.file])
            _apply(change, names, data)
        files = {
            name: bytes(data[file]) if file in data else self._bytes(file)
            for name, file in names.items()
            if not str(name).endswith(NOT_KEPT)
        }
        return Image(point, how, files)

    def _bytes(self, file: File) -> bytes:
        """The durable bytes of a file; the images of a point share them."""
        found = self.frozen.get(file)
        if found is None:
            found = self.frozen[file] = bytes(self.data[file])
        return found


def _apply(change: Change, names: dict[Path, File], data: dict[File, bytearray]) -> None:
    call = change.call
    if change.name is not None:
        if change.is_gone:
            if names.get(change.name) is change.file:
                del names[change.name]
            return
        if call.kind == "rename" and names.get(call.path) is change.file:
            del names[call.path]
        names[change.name] = change.file
        return
    kept = data[change.file]
    if call.kind == "truncate":
        del kept[call.offset :]
        kept.extend(bytes(call.offset - len(kept)))
    elif call.data:
        kept.extend(bytes(max(0, call.offset - len(kept))))
        kept[call.offset : call.offset + len(call.data)] = call.data


def _cut(change: Change) -> Change | None:
    """The same write up to the last sector's border within it."""
    call = change.call
    border = (call.offset + len(call.data) - 1) // SECTOR_BYTES * SECTOR_BYTES
    if border <= call.offset:
        return None
    return Change(change.file, Call("write", call.path, call.data[: border - call.offset], call.offset))


def _told(change: Change) -> str:
    return f"the {change.call.kind} of {change.call.path.name}"
