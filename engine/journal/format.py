"""The bytes of a journal: segment headers, record headers, and what can be wrong with them.

A journal is a directory of segments `journal-00000001.log`, `journal-00000002.log`, ... A segment is a header and
records; a record is a header and COMMAND rows. Everything is little-endian and a multiple of 64 bytes. Each record
names the BLAKE3 hash of the one before it (of what its checksum covers), and each segment the hash of the last record
before it, so one hash stands for the whole log. `durable_seq` in a record says up to which sequence the log was durable
when the record was written: what was never durable may be torn, everything else must be whole. Behind the last record
of a journal that is open, or was cut off, there may be zeros.
"""

import struct
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from blake3 import blake3
from google_crc32c import value as crc32c

from engine.codes import Mode
from engine.journal.damage import changed_byte
from engine.schema import COMMAND, SEMANTICS_VERSION, Capacities

FORMAT_VERSION = 1
ROW_BYTES = COMMAND.itemsize
ALIGNMENT = 64
SEGMENT_MAGIC = b"LIONJRNL"
SEGMENT_BYTES = 256
_CAPACITY_FIELDS = 14
_SEGMENT = struct.Struct(f"<8sIIIIqq{_CAPACITY_FIELDS}q32s")
_SEGMENT_CRC = struct.Struct("<I")

CRC_BYTES = 4
RECORD_BYTES = 64
RECORD_MAGIC = 0x434A4E4C
RECORD_HEAD = struct.Struct("<III")
"""Checksum of all that follows it, magic, rows."""
RECORD_TAIL = struct.Struct("<IIIqq32s")
"""What follows the checksum: magic, rows, number in the segment, first seq, durable seq, hash of the record before."""
assert CRC_BYTES + RECORD_TAIL.size == RECORD_BYTES and _SEGMENT.size + _SEGMENT_CRC.size <= SEGMENT_BYTES


class JournalError(Exception):
    """A journal cannot be used as asked: the text is one line that names the file and the remedy."""


class CorruptJournalError(JournalError):
    """Bytes that were durable once are not what was written.

    `path` and `offset` name the first bad byte when one byte explains it, else where the bad record begins.
    """

    def __init__(self, path: Path, offset: int, what: str) -> None:
        super().__init__(f"{path}: corrupt at byte {offset}: {what}; restore this file from a copy")
        self.path, self.offset, self.what = path, offset, what


@dataclass(frozen=True)
class SegmentHeader:
    """What every segment says at its start. `chain` is the hash of the last record before it."""

    number: int
    first_seq: int
    mode: int
    capacities: Capacities
    chain: bytes
    semantics_version: int = SEMANTICS_VERSION

    def pack(self) -> bytes:
        """The header's bytes."""
        sizes = list(astuple(self.capacities))
        sizes += [0] * (_CAPACITY_FIELDS - len(sizes))
        head = _SEGMENT.pack(
            SEGMENT_MAGIC,
            FORMAT_VERSION,
            self.semantics_version,
            self.mode,
            0,
            self.number,
            self.first_seq,
            *sizes,
            self.chain,
        ).ljust(SEGMENT_BYTES - _SEGMENT_CRC.size, b"\0")
        return head + _SEGMENT_CRC.pack(crc32c(head))


def genesis(mode: int, capacities: Capacities) -> SegmentHeader:
    """The header of the first segment: its chain begins with the hash of how the state is created."""
    seed = repr((FORMAT_VERSION, SEMANTICS_VERSION, int(mode), astuple(capacities))).encode()
    return SegmentHeader(1, 1, int(mode), capacities, blake3(seed).digest())


def unpack_segment(path: Path, data: bytes) -> SegmentHeader:
    """Read a segment's header. JournalError for another version, CorruptJournalError for a damaged one."""
    if len(data) < SEGMENT_BYTES or data[: len(SEGMENT_MAGIC)] != SEGMENT_MAGIC:
        raise CorruptJournalError(path, 0, "no segment header")
    covered = SEGMENT_BYTES - _SEGMENT_CRC.size
    stored, found = _SEGMENT_CRC.unpack_from(data, covered)[0], crc32c(data[:covered])
    if stored != found:
        place = changed_byte(covered, stored, found) or 0
        offset = place if place >= 0 else SEGMENT_BYTES + place
        raise CorruptJournalError(path, offset, "the segment header does not match its checksum")
    _, version, semantics, mode, _, number, first_seq, *sizes, chain = _SEGMENT.unpack_from(data)
    if version != FORMAT_VERSION:
        raise JournalError(
            f"{path}: journal format {version}, this release reads {FORMAT_VERSION}: "
            "use the lionrock release that wrote it"
        )
    if semantics != SEMANTICS_VERSION:
        raise JournalError(
            f"{path}: written under semantics version {semantics}, this engine has version {SEMANTICS_VERSION} and "
            f"would replay it differently: use a lionrock release with semantics version {semantics}"
        )
    if mode not in (Mode.EXCHANGE, Mode.RESEARCH):
        raise CorruptJournalError(path, 0, f"unknown mode {mode}")
    capacities = Capacities(*sizes[: len(fields(Capacities))])
    return SegmentHeader(number, first_seq, mode, capacities, chain, semantics)


def segment_path(directory: Path, number: int) -> Path:
    """The file of a segment."""
    return directory / f"journal-{number:08d}.log"
