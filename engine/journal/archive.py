"""Archived segments: whole segments of a journal, compressed, in a folder of their own beside the journal's.

An archive is a header with its own checksum, the segment's header as it was, and the segment compressed with
zstandard. The header has the BLAKE3 hashes of both, so a file can be checked without decompressing it, and what is
decompressed is what was written. `JournalReader` reads archives where a segment is no longer in the journal's folder.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3
from google_crc32c import value as crc32c

from engine import disk
from engine.journal.format import (
    SEGMENT_BYTES,
    CorruptJournalError,
    JournalError,
    SegmentHeader,
    segment_path,
    unpack_segment,
)
from engine.journal.records import Position, end_of

ARCHIVE_MAGIC = b"LIONARCH"
ARCHIVE_BYTES = 256
_FORMAT_VERSION = 1
_ARCHIVE = struct.Struct("<8sIIqqq32s32s32s")
_CRC = struct.Struct("<I")
_LEVEL = 3
_SUFFIX = ".zst"
_FRAME_BYTES = 18
"""The longest header of a compressed frame (RFC 8878)."""


@dataclass(frozen=True)
class Archive:
    """An archived segment whose header is sound: what it holds, and how large it is."""

    path: Path
    segment: SegmentHeader
    last_seq: int
    chain: bytes
    """The hash of the journal's last record in it."""
    segment_bytes: int
    """The segment's size as it was."""
    body_bytes: int
    digest: bytes
    body_digest: bytes

    @property
    def number(self) -> int:
        """The segment's number."""
        return self.segment.number

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return ARCHIVE_BYTES + SEGMENT_BYTES + self.body_bytes


def archive_folder(directory: Path) -> Path:
    """Where the archived segments of a journal's folder are: beside it."""
    return directory.parent / "archive"


def archive_path(folder: Path, number: int) -> Path:
    """The file of an archived segment."""
    return folder / (segment_path(folder, number).name + _SUFFIX)


def archived_numbers(folder: Path) -> list[int]:
    """The numbers of the segments that an archive folder has, ascending."""
    names = [path.name for path in disk.current().files(folder, f"journal-*.log{_SUFFIX}")]
    return sorted(int(digits) for name in names if (digits := name.split(".")[0].removeprefix("journal-")).isdigit())


def write_archive(source: Path, folder: Path, following: SegmentHeader, pace: disk.Pace | None = None) -> Archive:
    """Compress a segment into the archive's folder, durably, and read it back. The segment itself stays.

    `following` is the header of the next segment, which this one must lead to: CorruptJournalError otherwise.
    """
    data = disk.map_file(source)
    header = unpack_segment(source, data[:SEGMENT_BYTES])
    end = _checked_end(source, data, header, following)
    packer = zstandard.ZstdCompressor(_LEVEL, write_checksum=True).compressobj(size=len(data))
    whole, parts = memoryview(data), list[bytes]()
    hasher, body_hasher = blake3(), blake3()
    for first in range(0, len(data), disk.PIECE_BYTES):
        piece = whole[first : first + disk.PIECE_BYTES]
        hasher.update(piece)
        parts.append(packer.compress(piece))
    parts.append(packer.flush())
    for part in parts:
        body_hasher.update(part)
    found = Archive(
        archive_path(folder, header.number), header, end.next_seq - 1, end.chain, len(data), sum(map(len, parts)),
        hasher.digest(), body_hasher.digest(),
    )  # fmt: skip
    disk.current().make_folder(folder)
    disk.current().sync_folder(folder.parent)
    disk.write_atomically(found.path, [_pack(found), *parts], pace)
    check_archive(found.path, following)
    return found


def check_archive(path: Path, following: SegmentHeader | None = None) -> Archive:
    """Read an archive whole and check every record of it, and that it leads to the next segment where that is given."""
    found = read_archive_header(path)
    data = read_archive(found)
    end = end_of(path, data, found.segment) if following is None else _checked_end(path, data, found.segment, following)
    if (end.next_seq - 1, end.chain) != (found.last_seq, found.chain):
        raise CorruptJournalError(path, 0, "its records do not end where its header says")
    return found


def _checked_end(path: Path, data: Any, header: SegmentHeader, following: SegmentHeader) -> Position:
    end = end_of(path, data, header)
    if (following.number, following.first_seq, following.chain) != (header.number + 1, end.next_seq, end.chain):
        raise CorruptJournalError(path, 0, f"segment {following.number} does not follow it")
    return end


def _pack(archive: Archive) -> bytes:
    head = _ARCHIVE.pack(
        ARCHIVE_MAGIC, _FORMAT_VERSION, 0, archive.segment_bytes, archive.body_bytes, archive.last_seq,
        archive.chain, archive.digest, archive.body_digest,
    ).ljust(ARCHIVE_BYTES - _CRC.size, b"\0")  # fmt: skip
    return head + _CRC.pack(crc32c(head)) + archive.segment.pack()


def read_archive_header(path: Path) -> Archive:
    """What an archive says that it holds. CorruptJournalError when its header is damaged or it was cut."""
    data = disk.read(path, ARCHIVE_BYTES + SEGMENT_BYTES + _FRAME_BYTES)
    if len(data) < ARCHIVE_BYTES + SEGMENT_BYTES or data[: len(ARCHIVE_MAGIC)] != ARCHIVE_MAGIC:
        raise CorruptJournalError(path, 0, "no archived segment")
    if _CRC.unpack_from(data, ARCHIVE_BYTES - _CRC.size)[0] != crc32c(data[: ARCHIVE_BYTES - _CRC.size]):
        raise CorruptJournalError(path, 0, "the archive's header does not match its checksum")
    _, version, _, segment_bytes, body_bytes, last_seq, chain, digest, body_digest = _ARCHIVE.unpack_from(data)
    if version != _FORMAT_VERSION:
        raise JournalError(
            f"{path}: archive format {version}, this release reads {_FORMAT_VERSION}: "
            "use the lionrock release that wrote it"
        )
    header = unpack_segment(path, data[ARCHIVE_BYTES : ARCHIVE_BYTES + SEGMENT_BYTES])
    if _packed_bytes(data[ARCHIVE_BYTES + SEGMENT_BYTES :]) != segment_bytes:  # so much memory is about to be taken
        raise CorruptJournalError(path, 0, f"what it holds is not the {segment_bytes} bytes that its header says")
    found = Archive(path, header, last_seq, chain, segment_bytes, body_bytes, digest, body_digest)
    if disk.size_bytes(path) != found.size_bytes:
        raise CorruptJournalError(path, 0, f"{disk.size_bytes(path)} bytes instead of {found.size_bytes}")
    return found


def _packed_bytes(frame: bytes) -> int:
    """How long a frame says that it is when it is decompressed; -1 when it does not say."""
    try:
        return int(zstandard.frame_content_size(frame))
    except zstandard.ZstdError:
        return -1


def read_archive(archive: Archive) -> Any:
    """A segment's bytes as they were, in memory that may be written. CorruptJournalError when a byte has changed."""
    data, done, hasher = mmap.mmap(-1, archive.segment_bytes), 0, blake3()
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    try:
        for packed in _pieces(archive):
            piece = unpacker.decompress(packed)
            if done + len(piece) > archive.segment_bytes:
                break
            data[done : done + len(piece)] = piece
            hasher.update(piece)
            done += len(piece)
    except zstandard.ZstdError as error:
        raise CorruptJournalError(archive.path, 0, f"the archived segment cannot be decompressed ({error})") from None
    if done != archive.segment_bytes or hasher.digest() != archive.digest:
        raise CorruptJournalError(archive.path, 0, "the archived segment does not match its hash")
    return data


def check_body(archive: Archive) -> None:
    """Compare an archive's bytes with its hash, without decompressing them. CorruptJournalError."""
    hasher = blake3()
    for piece in _pieces(archive):
        hasher.update(piece)
    if hasher.digest() != archive.body_digest:
        raise CorruptJournalError(archive.path, 0, "the archived segment does not match its hash")


def _pieces(archive: Archive) -> Iterator[bytes]:
    """The compressed bytes, a piece at a time."""
    system = disk.current()
    descriptor = system.open(archive.path, os.O_RDONLY)
    try:
        offset = ARCHIVE_BYTES + SEGMENT_BYTES
        while piece := system.pread(descriptor, disk.PIECE_BYTES, offset):
            yield piece
            offset += len(piece)
    finally:
        system.close(descriptor)
