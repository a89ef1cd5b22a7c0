"""The records of a segment's bytes: finding one, checking it against its checksum, and following the hash chain."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3
from google_crc32c import value as crc32c

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
    SegmentHeader,
)

Record = tuple[bytes, tuple[Any, ...]]
"""What a record's checksum covers, and the header's fields."""


class Position(NamedTuple):
    """Where the next record goes: `offset` in the segment, its number there, its first sequence, the chain so far."""

    segment: SegmentHeader
    offset: int
    records: int
    next_seq: int
    chain: bytes


def start_of(header: SegmentHeader) -> Position:
    """Where a segment's first record goes."""
    return Position(header, SEGMENT_BYTES, 0, header.first_seq, header.chain)


def record_at(data: Any, offset: int) -> Record | None:
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


def after(path: Path, here: Position, record: Record) -> Position:
    """Where the record after this one goes. CorruptJournalError when it does not follow what is before it."""
    body, (_, count, number, first_seq, _, before) = record
    if before != here.chain:
        raise CorruptJournalError(path, here.offset, "the hash chain breaks: something before it was changed")
    if number != here.records or first_seq != here.next_seq:
        raise CorruptJournalError(path, here.offset, f"sequence {first_seq} where {here.next_seq} should follow")
    chain = blake3(body).digest() if count else here.chain
    end = here.offset + RECORD_BYTES + count * ROW_BYTES
    return Position(here.segment, end, number + 1, first_seq + count, chain)


def end_of(path: Path, data: Any, header: SegmentHeader) -> Position:
    """Where a whole segment ends, after a check of all its records. CorruptJournalError for a bad one."""
    here = start_of(header)
    while here.offset < len(data):
        record = record_at(data, here.offset)
        if record is None:
            raise corrupt(path, data, here.offset)
        here = after(path, here, record)
    return here


def was_durable(data: Any, offset: int, seq: int) -> bool:
    """Whether a whole record after the bad one says that `seq`, where the bad one begins, was durable before it."""
    words = np.frombuffer(data, "<u4", len(data) // ALIGNMENT * (ALIGNMENT // 4))
    magics = words[CRC_BYTES // 4 :: ALIGNMENT // 4]
    for place in np.flatnonzero(magics[offset // ALIGNMENT + 1 :] == RECORD_MAGIC).tolist():
        record = record_at(data, (offset // ALIGNMENT + 1 + place) * ALIGNMENT)
        if record is not None and record[1][4] >= seq:
            return True
    return False


def corrupt(path: Path, data: Any, offset: int) -> CorruptJournalError:
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
