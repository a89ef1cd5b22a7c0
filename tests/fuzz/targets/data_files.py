"""Files of a data folder on a disk in memory: journal, tip, archive, snapshots, saved read model.

Each is damaged: bits, bytes, words, a cut or longer end, a piece of another file; and forged: its content is changed
and its checksums are made right again. What is read must be what was written; else the reader says so by an error of
its own, in one line that names the file. Nothing else may come out of it.
"""

import struct
from abc import abstractmethod
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np
from blake3 import blake3
from google_crc32c import value as crc32c

from engine import disk, host
from engine.codes import CommandKind, Mode
from engine.journal import archive, snapshot, tip
from engine.journal.format import (
    CRC_BYTES,
    RECORD_BYTES,
    RECORD_TAIL,
    ROW_BYTES,
    SEGMENT_BYTES,
    JournalError,
    segment_path,
)
from engine.journal.writer import JournalOptions
from engine.schema import COMMAND, SMALL
from gateway.read_model import saved_rows
from tests.fuzz.mutate import WORDS, below, mutated_fixed
from tests.fuzz.target import Target, Wrong
from tests.simulation.virtual_disk import File, VirtualDisk

_RECORDS_PER_SEGMENT = 4
_START_NS = 1_800_000_000 * 10**9
_U32 = struct.Struct("<I")


def damaged(data: bytes, chance: Random, others: list[bytes]) -> bytes:
    """What a disk or a careless hand does to a file."""
    changed, do = bytearray(data), below(chance, 10)
    if do < 6 and changed:
        mutated_fixed(changed, chance)
    elif do == 6:
        del changed[below(chance, len(changed) + 1) :]
    elif do == 7:
        changed += (bytes(64), b"\xff" * 64, bytes(4096), data[-64:], chance.choice(others)[:300])[below(chance, 5)]
    elif do == 8 and changed:
        first = below(chance, len(changed)) // 64 * 64
        other = chance.choice(others)
        changed[first : first + 64 * (1 + below(chance, 8))] = other[first : first + 64 * (1 + below(chance, 8))]
    elif changed:
        first = below(chance, len(changed)) // 64 * 64
        changed[first : first + 64 * (1 + below(chance, 16))] = bytes(64 * (1 + below(chance, 16)))
    return bytes(changed)


def reseal_header(data: bytearray, size: int) -> None:
    """A right checksum at the end of a header."""
    data[size - CRC_BYTES : size] = _U32.pack(crc32c(bytes(data[: size - CRC_BYTES])))


def forged_segment(data: bytes, chance: Random) -> bytes:
    """A segment in which one thing is changed and all checksums, and maybe the chain, are right."""
    changed = bytearray(data)
    if len(changed) < SEGMENT_BYTES:
        return data
    if chance.random() < 0.3:
        mutated_fixed(changed, chance, 0, SEGMENT_BYTES - CRC_BYTES)
        reseal_header(changed, SEGMENT_BYTES)
        return bytes(changed)
    places, at = [], SEGMENT_BYTES
    while at + RECORD_BYTES <= len(changed):
        count = RECORD_TAIL.unpack_from(changed, at + CRC_BYTES)[1]
        end = at + RECORD_BYTES + count * ROW_BYTES
        if end > len(changed):
            break
        places.append((at, end))
        at = end
    if not places:
        return bytes(changed)
    first, end = chance.choice(places)
    mutated_fixed(changed, chance, first + CRC_BYTES, end)
    chain, is_chained = None, chance.random() < 0.7
    for at, end in places:
        if at < first:
            continue
        if chain is not None and is_chained:
            changed[at + RECORD_BYTES - 32 : at + RECORD_BYTES] = chain
        body = bytes(changed[at + CRC_BYTES : end])
        changed[at : at + CRC_BYTES] = _U32.pack(crc32c(body))
        chain = blake3(body).digest()
    return bytes(changed)


class DataFile(Target):
    """One kind of file; an input is its name, a line feed, and what is in it."""

    round_inputs = 50_000
    files: dict[Path, bytes]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.journal = folder / "data" / "journal"
        self.journal.mkdir(parents=True)  # for the lock, which is the system's
        self.disk = VirtualDisk(Random(0))
        with disk.use(self.disk):
            self._write()
        self.files = {path: bytes(file.data) for path, file in self.disk.names.items()}
        self.targets = [path for path in sorted(self.files) if self.is_target(path)]
        self._by_name = {path.name.encode(): path for path in self.targets}

    def _write(self) -> None:
        """A journal of several segments, one of them archived, closed in order, with its tip and two snapshots."""
        options = JournalOptions(
            keeps_tip=True, segment_bytes=SEGMENT_BYTES + _RECORDS_PER_SEGMENT * (RECORD_BYTES + ROW_BYTES)
        )
        engine = host.Engine.create(self.journal, Mode.EXCHANGE, SMALL, options)
        for number in range(14):
            rows = np.zeros(1 + (number == 5), COMMAND)
            rows["seq"] = engine.last_seq + 1 + np.arange(len(rows))
            rows["kind"], rows["time_ns"] = CommandKind.TIME, _START_NS + rows["seq"]
            engine.submit(rows)
            engine.commit()
        engine.close()

    @abstractmethod
    def is_target(self, path: Path) -> bool:
        """Whether this target damages a file."""

    def bases(self) -> list[bytes]:
        return [path.name.encode() + b"\n" + self.files[path] for path in self.targets]

    @abstractmethod
    def forged(self, name: str, data: bytes, chance: Random) -> bytes:
        """A file with a changed content and right checksums."""

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < 0.8:
            path = chance.choice(self.targets)
            name, data = path.name.encode(), self.files[path]
        else:
            name, _, data = pool[below(chance, len(pool))].partition(b"\n")
        do = chance.random()
        if do < 0.6:
            data = damaged(data, chance, list(self.files.values()))
        if do > 0.5:
            data = self.forged(name.decode(), data, chance)
        return name + b"\n" + data

    def check(self, data: bytes) -> str:
        name, _, content = data.partition(b"\n")
        path = self._by_name.get(name, self.targets[0])
        names = dict.fromkeys(self.files)
        self.disk.names = {other: File(self.files[other]) for other in names}
        self.disk.names[path] = File(content)
        with disk.use(self.disk):
            try:
                shape = self.read(path, content == self.files[path])
            except (JournalError, saved_rows.SavedRowsError) as error:
                return f"{path.name} {self._refused(path, str(error))}"
        return f"{path.name} {shape}"

    def _refused(self, path: Path, line: str) -> str:
        if not line.isprintable() or len(line) > 700:
            raise Wrong(f"not one line: {line!r:.300}")
        if path.name not in line and str(self.journal) not in line:
            raise Wrong(f"a line that names no file: {line!r:.300}")
        words = "".join(letter for letter in line.rpartition("/")[2] if not letter.isdigit()).split()
        return " ".join(words[:12])[:70]

    @abstractmethod
    def read(self, path: Path, is_whole: bool) -> str:
        """Read the file as a start does: the shape of what came of it. Raises Wrong."""

    def pieces(self, data: bytes):
        """A damaged file is kept as it is: shorter ones fail by their length."""
        return iter(())


class JournalFiles(DataFile):
    """Segments, and an archived one."""

    name = "journal"

    def _write(self) -> None:
        super()._write()
        reader = host.JournalReader(self.journal)
        self.rows = np.concatenate(list(reader.batches()))
        following = reader._segments.header(2)
        archive.write_archive(segment_path(self.journal, 1), archive.archive_folder(self.journal), following)
        disk.current().unlink(segment_path(self.journal, 1))

    def is_target(self, path: Path) -> bool:
        return path.name.startswith("journal-")

    def forged(self, name: str, data: bytes, chance: Random) -> bytes:
        if not name.endswith(".zst"):
            return forged_segment(data, chance)
        changed, part = bytearray(data), below(chance, 3)
        if len(changed) < archive.ARCHIVE_BYTES + SEGMENT_BYTES:
            return data
        if part == 0:
            mutated_fixed(changed, chance, 8, archive.ARCHIVE_BYTES - CRC_BYTES)
        elif part == 1:
            mutated_fixed(changed, chance, archive.ARCHIVE_BYTES, archive.ARCHIVE_BYTES + SEGMENT_BYTES - CRC_BYTES)
            head = bytearray(changed[archive.ARCHIVE_BYTES : archive.ARCHIVE_BYTES + SEGMENT_BYTES])
            reseal_header(head, SEGMENT_BYTES)
            changed[archive.ARCHIVE_BYTES : archive.ARCHIVE_BYTES + SEGMENT_BYTES] = head
        else:
            at = archive.ARCHIVE_BYTES + SEGMENT_BYTES
            if len(changed) > at:
                mutated_fixed(changed, chance, at)
        reseal_header(changed, archive.ARCHIVE_BYTES)
        return bytes(changed)

    def read(self, path: Path, is_whole: bool) -> str:
        reader = host.JournalReader(self.journal)
        found = [rows.copy() for rows in reader.batches()]
        reader.check_end()
        rows = np.concatenate(found) if found else np.zeros(0, COMMAND)
        if rows.tobytes() != self.rows.tobytes():
            raise Wrong(f"{len(rows)} rows are read that are not the {len(self.rows)} that were written")
        if path.suffix == ".zst":
            archive.check_body(archive.read_archive_header(path))
        torn = "" if reader.torn is None else "torn "
        return f"{torn}{'untouched' if is_whole else 'harmless'}"


class TipFiles(DataFile):
    """The tip, beside a journal that is whole."""

    name = "tip"

    def is_target(self, path: Path) -> bool:
        return path == tip.tip_path(self.journal)

    def forged(self, name: str, data: bytes, chance: Random) -> bytes:
        changed = bytearray(data)
        size = tip._SLOT.size
        start = (0, tip.SLOT_BYTES)[below(chance, 2)]
        if len(changed) < start + size + CRC_BYTES:
            return data
        mutated_fixed(changed, chance, start + 8, start + size)
        changed[start + size : start + size + CRC_BYTES] = _U32.pack(crc32c(bytes(changed[start : start + size])))
        return bytes(changed)

    def read(self, path: Path, is_whole: bool) -> str:
        told = tip.tip_damage(self.journal)
        reader = host.JournalReader(self.journal)
        for _ in reader.batches():
            pass
        reader.check_end()
        if is_whole and (told or reader.tip is None or reader.tip.end != tip.End.CLOSED):
            raise Wrong(f"the untouched tip is read as {reader.tip}, {told!r}")
        if reader.tip is not None and reader.tip.seq > reader.last_seq:
            raise Wrong(f"a tip at {reader.tip.seq} is not missed in a journal of {reader.last_seq}")
        if reader.tip is None and not told and any(self.disk.names[path].data):
            raise Wrong("a tip that cannot be read is not told")
        return f"{'told ' if told else ''}{None if reader.tip is None else reader.tip.end.name}"


class SnapshotFiles(DataFile):
    """A snapshot of the engine's state."""

    name = "snapshot"
    round_inputs = 20_000

    def _write(self) -> None:
        super()._write()
        engine = host.Engine.read(self.journal)
        self.digest = engine.digest()
        engine.directory = self.journal
        self.snapshot = engine.snapshot()
        self.root = host.allocate(huge_pages=False)

    def is_target(self, path: Path) -> bool:
        return path.name.startswith("snapshot-")

    def forged(self, name: str, data: bytes, chance: Random) -> bytes:
        changed, size = bytearray(data), snapshot.SNAPSHOT_BYTES
        if len(changed) <= size:
            return data
        if chance.random() < 0.5:
            mutated_fixed(changed, chance, 8, size - CRC_BYTES)
        else:
            header = snapshot._HEADER_BYTES if chance.random() < 0.8 else len(changed) - size
            mutated_fixed(changed, chance, size, min(len(changed), size + header))
            fields = list(snapshot._SNAPSHOT.unpack_from(changed))
            fields[6], fields[7] = len(changed) - size, blake3(bytes(changed[size:])).digest()
            snapshot._SNAPSHOT.pack_into(changed, 0, *fields)
        reseal_header(changed, size)
        return bytes(changed)

    def read(self, path: Path, is_whole: bool) -> str:
        header = snapshot.read_header(path)
        snapshot.check_body(header)
        snapshot.read_snapshot(header, self.root)
        content = self.disk.names[path].data
        if is_whole and snapshot.digest(self.root) != self.digest:
            raise Wrong("the untouched snapshot is read as another state")
        body = bytes(content[snapshot.SNAPSHOT_BYTES :])
        if blake3(body).digest() != header.digest or len(body) != header.body_bytes:
            raise Wrong("a body is taken that is not of its header")
        return "untouched" if is_whole else "taken, by its own checksums"


class SavedRowsFiles(DataFile):
    """A saved read model: named arrays."""

    name = "saved_rows"
    ARRAYS: ClassVar = {
        "numbers": np.arange(40, dtype=np.int64), "rows": np.zeros(3, COMMAND), "nothing": np.zeros(0, np.int64),
        "flags": np.ones(7, np.uint8),
    }  # fmt: skip

    def _write(self) -> None:
        saved_rows.write(self.journal.with_name("projection-00000000000000000009.rows"), self.ARRAYS)

    def is_target(self, path: Path) -> bool:
        return path.name.startswith("projection-")

    def forged(self, name: str, data: bytes, chance: Random) -> bytes:
        head, begin = saved_rows._HEAD, saved_rows._HEAD.size + CRC_BYTES
        if len(data) < begin:
            return data
        magic, version, _, size = head.unpack_from(data)
        index, body = bytearray(data[begin : begin + size]), data[begin + size :]
        if not index:
            return data
        do = below(chance, 4)
        if do == 0:
            mutated_fixed(index, chance)
        elif do == 1:
            at = below(chance, len(index))
            index[at : at + below(chance, 6)] = str(chance.choice(WORDS) - (1 << 63)).encode()
        elif do == 2:
            index = bytearray(chance.choice((b"[]", b"{}", b"null", b"", b"[[1,2,3,4]]", b'[["a","b",-1,0]]',
                                             b'[["a","b",0,0]]', b"[" * 2000)))  # fmt: skip
        else:
            version = chance.choice(WORDS) & 0xFFFFFFFF
        packed = head.pack(magic, version, saved_rows.checksum(index), len(index))
        return packed + _U32.pack(saved_rows.checksum(packed)) + bytes(index) + body

    def read(self, path: Path, is_whole: bool) -> str:
        found, read = saved_rows.SavedRows(path), []
        for name, rows in self.ARRAYS.items():
            try:
                same = found.array(name, rows.dtype).tobytes() == rows.tobytes()
            except saved_rows.SavedRowsError:
                same = None
            if same is False:
                raise Wrong(f"{name} is served wrong")
            read.append(name if same else "")
        if is_whole and not all(read):
            raise Wrong("the untouched file is not read")
        return " ".join(read)


