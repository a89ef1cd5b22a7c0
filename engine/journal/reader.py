"""Reading a journal: every record is checked against its checksum and its place in the hash chain.

A bad record that was never durable, in the last segment, is a torn tail: reading ends before it. Any other bad record
is corruption and refused with its file and byte offset.
"""

import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3
from google_crc32c import value as crc32c

from engine import disk
from engine.codes import CommandKind, Mode
from engine.journal.damage import changed_byte
from engine.journal.format import (
    ALIGNMENT,
    CRC_BYTES,
    RECORD_BYTES,
    RECORD_HEAD,
    RECORD_MAGIC,
    RECORD_TAIL,
    ROW_BYTES,
    SEGMENT_BYTES,
    CorruptJournalError,
    JournalError,
    SegmentHeader,
    segment_path,
    unpack_segment,
)
from engine.journal.tip import LossError, Proof, Tip, check_length, read_tip, tip_proof
from engine.schema import COMMAND, Capacities

COPIED_BYTES = 1 << 30
"""A last segment that is longer is mapped: it would take too much memory."""
READ_BYTES = 1 << 24
"""A last segment is copied so many bytes at a time."""
_NEVER = (1 << 63) - 1
Rows = np.ndarray[Any, Any]


class Position(NamedTuple):
    """Where the next record goes: `offset` in the segment, its number there, its first sequence, the chain so far."""

    segment: SegmentHeader
    offset: int
    records: int
    next_seq: int
    chain: bytes


@dataclass(frozen=True)
class TornTail:
    """The end of a journal that was never durable: the next writer cuts `size_bytes` from `offset` on."""

    path: Path
    offset: int
    size_bytes: int


class JournalReader:
    """A journal's commands in order, verified, as they were when it was opened. Many may read while one writes.

    Iterate over `batches()` once; `position` follows, and `torn` says after the end whether there was a torn tail.
    JournalError when the directory holds no journal, a segment is missing or another version wrote it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._disk = disk.current()
        self.tip = read_tip(directory)
        self._proofs: list[Proof] = []
        self._awaited: list[Proof] = []
        self._awaited_seq = _NEVER
        self._paths = self._disk.files(directory, "journal-*.log")
        if not self._paths:
            raise JournalError(f"{directory}: holds no journal; name the folder that has journal-00000001.log")
        self._headers = [self._header(number, path) for number, path in enumerate(self._paths, 1)]
        sizes = [disk.size_bytes(path) for path in self._paths]
        self.bytes_total = sum(sizes)
        self._bytes_before = list(accumulate(sizes, initial=0))
        self.records_read = 0
        self.torn: TornTail | None = None
        self.position = _start(self._headers[0])
        self.expect([] if self.tip is None else [tip_proof(directory, self.tip)])

    @property
    def mode(self) -> Mode:
        """How the state was created."""
        return Mode(self._headers[0].mode)

    @property
    def capacities(self) -> Capacities:
        """How large the state was created."""
        return self._headers[0].capacities

    @property
    def last_seq(self) -> int:
        """The last sequence read so far."""
        return self.position.next_seq - 1

    @property
    def bytes_read(self) -> int:
        """How far into the journal the position is, of `bytes_total`."""
        return self._bytes_before[self.position.segment.number - 1] + self.position.offset

    def expect(self, proofs: Iterable[Proof]) -> None:
        """Hold the journal against more proofs while it is read; LossError where it is not the log that they are of."""
        self._proofs += proofs
        self._await()

    def accept_end(self) -> None:
        """Hold the journal against nothing: somebody has said that it ends where it ends."""
        self.tip, self._proofs = None, []
        self._await()

    @property
    def proven_seq(self) -> int:
        """Up to which sequence this journal was durable, for all that is known from outside it."""
        return max((proof.seq for proof in self._proofs), default=0)

    def check_end(self) -> None:
        """After the last record: LossError when the journal is shorter than what is proven, or not what the tip shows.

        A tip before the place where reading began is looked up; reading meets all others.
        """
        check_length(self.directory, self.last_seq, self._proofs)
        if self.tip is not None and not self._leads_to(self.tip):
            raise _other_log(self.directory, tip_proof(self.directory, self.tip))

    def _leads_to(self, tip: Tip) -> bool:
        """Whether the record, or the segment, after the tip's place names the tip's hash."""
        if (tip.seq, tip.chain) == (self.last_seq, self.position.chain):
            return True
        if not 0 < tip.segment <= len(self._headers):
            return False
        if tip.segment < len(self._headers):
            header = self._headers[tip.segment]
            if header.first_seq == tip.seq + 1:
                return header.chain == tip.chain
        record = disk.read(self._paths[tip.segment - 1], RECORD_BYTES, tip.offset)
        if len(record) < RECORD_BYTES or RECORD_HEAD.unpack_from(record)[1] != RECORD_MAGIC:
            return False
        *_, first_seq, _, before = RECORD_TAIL.unpack_from(record, CRC_BYTES)
        return bool((first_seq, before) == (tip.seq + 1, tip.chain))

    def _await(self) -> None:
        """Wait for the proofs that lie before the reader."""
        ahead = [proof for proof in self._proofs if proof.chain is not None and proof.seq > self.last_seq]
        self._awaited = sorted(ahead, key=lambda proof: -proof.seq)
        self._awaited_seq = self._awaited[-1].seq if ahead else _NEVER

    def _meet(self) -> None:
        """The reader has come to a proof, or past it: the log must have its hash."""
        while self._awaited and self._awaited[-1].seq <= self.last_seq:
            proof = self._awaited.pop()
            if (proof.seq, proof.chain) != (self.last_seq, self.position.chain):
                raise _other_log(self.directory, proof)
        self._awaited_seq = self._awaited[-1].seq if self._awaited else _NEVER

    @property
    def segments(self) -> int:
        """How many segments there are."""
        return len(self._headers)

    def check_segment(self, number: int) -> Iterator[int]:
        """Read one segment before the last from the disk and check it: the size of each record in bytes.

        CorruptJournalError. The reader is at this segment's end afterwards.
        """
        path = self._paths[number - 1]
        descriptor = self._disk.open(path, os.O_RDONLY)
        try:
            self._disk.drop_cache(descriptor)
        finally:
            self._disk.close(descriptor)
        self.accept_end()
        self.position = _start(self._headers[number - 1])
        for rows in self._segment(path):
            yield RECORD_BYTES + rows.nbytes
        self._next_segment(number)

    def seek(self, seq: int, chain: bytes) -> bool:
        """Go to the record after `seq`. False, and nowhere, unless the log up to there has this hash."""
        start, records_read = self.position, self.records_read
        number = max(header.number for header in self._headers if header.first_seq <= seq + 1)
        self.position = _start(self._headers[number - 1])
        self._await()
        for _ in self._records_until(seq):
            pass
        if self.last_seq == seq and self.position.chain == chain:
            return True
        self.position, self.torn, self.records_read = start, None, records_read
        self._await()
        return False

    def batches(self, until_seq: int | None = None) -> Iterator[Rows]:
        """The COMMAND rows from the position on, a record at a time, views of the file's bytes.

        `until_seq` ends it after that sequence, or after the label row that belongs to it. CorruptJournalError.
        """
        for rows in self._records_until(None):
            if until_seq is not None and self.last_seq >= until_seq:
                yield rows[: _cut(rows, until_seq)]
                return
            yield rows

    def _header(self, number: int, path: Path) -> SegmentHeader:
        if path != segment_path(self.directory, number):
            raise JournalError(f"{self.directory}: segment {number} is missing; restore it from a copy")
        header = unpack_segment(path, disk.read(path, SEGMENT_BYTES))
        if header.number != number:
            raise CorruptJournalError(path, 0, f"this is segment {header.number} under another name")
        return header

    def _records_until(self, seq: int | None) -> Iterator[Rows]:
        """The records that follow, up to the one that ends at `seq` or behind it."""
        while seq is None or self.last_seq < seq:
            number = self.position.segment.number
            for rows in self._segment(self._paths[number - 1]):
                yield rows
                if seq is not None and self.last_seq >= seq:
                    return
            if number == len(self._headers):
                return
            self._next_segment(number)

    def _next_segment(self, number: int) -> None:
        """Go on with the segment after `number`; it has to begin where that one ended."""
        header = self._headers[number]
        if header.first_seq != self.position.next_seq or header.chain != self.position.chain:
            raise CorruptJournalError(self._paths[number], 0, "this segment does not follow the one before it")
        self.position = _start(header)

    def _segment(self, path: Path) -> Iterator[Rows]:
        """The records of the present segment from the position on."""
        data, here = self._bytes(path), self.position
        offset, number, next_seq, chain = here.offset, here.records, here.next_seq, here.chain
        while offset < len(data):
            record = _record_at(data, offset)
            if record is None:
                if self._is_end(path, data, offset):
                    return
                data = self._bytes(path)  # what was written while it was read is whole by now
                record = _record_at(data, offset)
                if record is None:
                    raise self._with_proof(_corrupt(path, data, offset))
            body, (_, count, its_number, first_seq, _, before) = record
            if before != chain:
                raise CorruptJournalError(path, offset, "the hash chain breaks: something before it was changed")
            if its_number != number or first_seq != next_seq:
                raise CorruptJournalError(path, offset, f"sequence {first_seq} where {next_seq} should follow")
            if count:
                chain = blake3(body).digest()
            self.records_read += 1
            start, number, next_seq = offset + RECORD_BYTES, number + 1, next_seq + count
            offset = start + count * ROW_BYTES
            self.position = Position(here.segment, offset, number, next_seq, chain)
            if next_seq > self._awaited_seq:
                self._meet()
            if count:
                yield np.ndarray(count, COMMAND, data, start)

    def _bytes(self, path: Path) -> mmap.mmap:
        """The bytes of a segment, writable as the kernels want them, while the file is not.

        The last one is copied unless it was closed in order: a writer may cut what lies behind the last record, and a
        process that reads mapped bytes that are gone is killed. All others never get shorter.
        """
        descriptor = self._disk.open(path, os.O_RDONLY)
        try:
            size_bytes = self._disk.size_bytes(descriptor)
            is_whole = path != self._paths[-1] or self._is_closed(descriptor, size_bytes)
            if is_whole or size_bytes > COPIED_BYTES:
                return self._disk.map(descriptor)
            data = mmap.mmap(-1, max(size_bytes, SEGMENT_BYTES))
            for offset in range(0, size_bytes, READ_BYTES):
                part = self._disk.pread(descriptor, min(READ_BYTES, size_bytes - offset), offset)
                data[offset : offset + len(part)] = part
            return data
        finally:
            self._disk.close(descriptor)

    def _is_closed(self, descriptor: int, size_bytes: int) -> bool:
        """Whether a segment ends with the record that closing writes."""
        if size_bytes < SEGMENT_BYTES + RECORD_BYTES:
            return False
        record = self._disk.pread(descriptor, RECORD_BYTES, size_bytes - RECORD_BYTES)
        crc, magic, count = RECORD_HEAD.unpack_from(record)
        return magic == RECORD_MAGIC and count == 0 and crc32c(record[CRC_BYTES:]) == crc

    def _with_proof(self, error: CorruptJournalError) -> CorruptJournalError:
        """A bad record that something outside shows to have been durable: say what, and where the sound part ends."""
        proof = max(self._proofs, default=None, key=lambda proof: proof.seq)
        if proof is None or error.path != self._paths[-1] or proof.seq <= self.last_seq:
            return error
        known = f"{error.what}; {proof.by} shows that the log was durable up to {proof.seq}, the sound records end at "
        return CorruptJournalError(error.path, error.offset, f"{known}{self.last_seq}")

    def _is_end(self, path: Path, data: mmap.mmap, offset: int) -> bool:
        """Whether a bad record is the journal's end: zeros up to the file's end, or a torn tail, which is noted."""
        if path != self._paths[-1]:
            return False
        if not np.frombuffer(data, np.uint8, offset=offset).any():
            return True
        if self.position.next_seq <= self.proven_seq or _was_durable(data, offset, self.position.next_seq):
            return False
        self.torn = TornTail(path, offset, len(data) - offset)
        return True


def _other_log(directory: Path, proof: Proof) -> LossError:
    return LossError(
        f"{directory}: the journal is not the one that {proof.by} was made from: at sequence {proof.seq} it has "
        f"another history; put back the journal and the files that belong together, from one copy of the data folder"
    )


def _start(header: SegmentHeader) -> Position:
    return Position(header, SEGMENT_BYTES, 0, header.first_seq, header.chain)


def _record_at(data: mmap.mmap, offset: int) -> tuple[bytes, tuple[Any, ...]] | None:
    """The record at an offset, what its checksum covers and its header; None when the checksum does not match."""
    start = offset + RECORD_BYTES
    if start > len(data):
        return None
    crc, magic, count = RECORD_HEAD.unpack_from(data, offset)
    end = start + count * ROW_BYTES
    if magic != RECORD_MAGIC or end > len(data):
        return None
    body = data[offset + CRC_BYTES : end]
    return (body, RECORD_TAIL.unpack_from(body)) if crc32c(body) == crc else None


def _was_durable(data: mmap.mmap, offset: int, seq: int) -> bool:
    """Whether a whole record after the bad one says that `seq`, where the bad one begins, was durable before it."""
    words = np.frombuffer(data, "<u4", len(data) // ALIGNMENT * (ALIGNMENT // 4))
    magics = words[CRC_BYTES // 4 :: ALIGNMENT // 4]
    for place in np.flatnonzero(magics[offset // ALIGNMENT + 1 :] == RECORD_MAGIC).tolist():
        record = _record_at(data, (offset // ALIGNMENT + 1 + place) * ALIGNMENT)
        if record is not None and record[1][4] >= seq:
            return True
    return False


def _corrupt(path: Path, data: mmap.mmap, offset: int) -> CorruptJournalError:
    """What is wrong with the bad record at an offset."""
    start = offset + RECORD_BYTES
    if start > len(data):
        return CorruptJournalError(path, offset, f"{len(data) - offset} bytes that are no record")
    stored, magic, count = RECORD_HEAD.unpack_from(data, offset)
    end = start + count * ROW_BYTES
    if magic != RECORD_MAGIC or end > len(data):
        return CorruptJournalError(path, offset, "no record begins here")
    body = data[offset + CRC_BYTES : end]
    place = changed_byte(len(body), stored, crc32c(body))
    bad = offset if place is None else offset + CRC_BYTES + place
    return CorruptJournalError(path, bad, f"the record from byte {offset} to {end} does not match its checksum")


def _cut(rows: Rows, until_seq: int) -> int:
    """How many rows belong to the log up to a sequence: a label row stays with its command."""
    count = until_seq + 1 - int(rows["seq"][0])
    if count < len(rows) and rows["kind"][count] == CommandKind.LABEL:
        count += 1
    return count
