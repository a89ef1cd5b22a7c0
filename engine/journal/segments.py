"""Where the segments of a journal are: the latest in its folder, those before them in the archive.

A journal is opened by the segments in its folder alone. An archive is opened when somebody reads what it holds.
"""

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google_crc32c import value as crc32c

from engine import disk
from engine.journal.archive import (
    Archive,
    archive_folder,
    archive_path,
    check_body,
    read_archive,
    read_archive_header,
)
from engine.journal.format import (
    CRC_BYTES,
    RECORD_BYTES,
    RECORD_HEAD,
    RECORD_MAGIC,
    SEGMENT_BYTES,
    CorruptJournalError,
    JournalError,
    SegmentHeader,
    segment_path,
    unpack_segment,
)

COPIED_BYTES = 1 << 30
"""A last segment that is longer is mapped: it would take too much memory."""
READ_BYTES = 1 << 24
"""A last segment is copied so many bytes at a time."""


class Segments:
    """The segments of a journal as they were when it was opened, by number.

    JournalError when the folder holds no journal, a segment is missing or another version wrote it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._disk = disk.current()
        self._archives: dict[int, Archive] = {}
        self._open()

    def _open(self) -> None:
        """Read the headers of the segments in the folder; again when one was archived meanwhile."""
        for _ in range(1000):
            try:
                self._read_headers()
            except FileNotFoundError:
                continue
            return
        raise JournalError(f"{self._directory}: its segments do not stay while it is opened; try again")

    def _read_headers(self) -> None:
        paths = self._disk.files(self._directory, "journal-*.log")
        if not paths:
            raise JournalError(f"{self._directory}: holds no journal; name the folder that has journal-00000001.log")
        self.first = self._number_of(paths[0])
        """The first segment in the folder; those before it are archived."""
        self._headers = {number: self._read_header(number, path) for number, path in enumerate(paths, self.first)}
        self._sizes = {number: disk.size_bytes(path) for number, path in enumerate(paths, self.first)}
        self.last = self.first + len(paths) - 1

    def _number_of(self, path: Path) -> int:
        """The number in a segment's name; 1 for another name, which then is found out."""
        digits = path.stem.removeprefix("journal-")
        return int(digits) if digits.isdigit() and int(digits) > 0 else 1

    def _read_header(self, number: int, path: Path) -> SegmentHeader:
        if path != segment_path(self._directory, number):
            raise JournalError(f"{self._directory}: segment {number} is missing; restore it from a copy")
        header = unpack_segment(path, disk.read(path, SEGMENT_BYTES))
        if header.number != number:
            raise CorruptJournalError(path, 0, f"this is segment {header.number} under another name")
        return header

    @property
    def any_header(self) -> SegmentHeader:
        """The header of the first segment in the folder: each says how the state was created."""
        return self._headers[self.first]

    def header(self, number: int) -> SegmentHeader:
        """A segment's header."""
        return self._headers[number] if number >= self.first else self._archive(number).segment

    def header_of(self, seq: int) -> SegmentHeader:
        """The header of the segment that has a sequence, or would have it."""
        for number in range(self.last, 0, -1):
            header = self.header(number)
            if header.first_seq <= seq:
                return header
        return self.header(1)

    def path(self, number: int) -> Path:
        """The file that has a segment."""
        return segment_path(self._directory, number) if number >= self.first else self._archive_path(number)

    @property
    def bytes_total(self) -> int:
        """How long the segments are, uncompressed: those in the folder, and those of the archive once one is read."""
        return self.bytes_before(self.last + 1)

    def bytes_before(self, number: int) -> int:
        """How long those before a segment are in all."""
        sizes = {its: archive.segment_bytes for its, archive in self._archives.items()} | self._sizes
        return sum(size for its, size in sizes.items() if its < number)

    def read(self, number: int) -> Any:
        """The bytes of a segment, writable as the kernels want them, while the file is not.

        The last one is copied unless it was closed in order: a writer may cut what lies behind the last record, and a
        process that reads mapped bytes that are gone is killed. All others never get shorter.
        """
        if number < self.first:
            return read_archive(self._archive(number))
        try:
            descriptor = self._disk.open(segment_path(self._directory, number), os.O_RDONLY)
        except FileNotFoundError:  # it was archived since this was opened
            return read_archive(self._archive(number))
        try:
            size_bytes = self._disk.size_bytes(descriptor)
            is_whole = number != self.last or self._is_closed(descriptor, size_bytes)
            if is_whole or size_bytes > COPIED_BYTES:
                with contextlib.suppress(BlockingIOError):  # it is being removed: it was archived since this was opened
                    return self._disk.map(descriptor)
                return read_archive(self._archive(number))
            data = mmap.mmap(-1, max(size_bytes, SEGMENT_BYTES))
            for offset in range(0, size_bytes, READ_BYTES):
                part = self._disk.pread(descriptor, min(READ_BYTES, size_bytes - offset), offset)
                data[offset : offset + len(part)] = part
            return data
        finally:
            self._disk.close(descriptor)

    def drop_cached(self, number: int) -> None:
        """Have the next read of a segment in the folder come from the disk."""
        with contextlib.suppress(FileNotFoundError):  # it was archived since this was opened
            disk.drop_cached(segment_path(self._directory, number))

    def check_archived(self, number: int) -> Iterator[int]:
        """Compare an archive on the disk with its hash; its size. Nothing for one that was moved elsewhere."""
        path = self._archive_path(number)
        if self._disk.is_there(path):
            disk.drop_cached(path)
            found = self._read_archive_header(number)
            check_body(found)
            yield found.size_bytes

    def sync(self, number: int) -> None:
        """Have a segment on the disk, whoever wrote it."""
        descriptor = self._disk.open(segment_path(self._directory, number), os.O_RDONLY)
        try:
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)

    def _is_closed(self, descriptor: int, size_bytes: int) -> bool:
        """Whether a segment ends with the record that closing writes."""
        if size_bytes < SEGMENT_BYTES + RECORD_BYTES:
            return False
        record = self._disk.pread(descriptor, RECORD_BYTES, size_bytes - RECORD_BYTES)
        crc, magic, count = RECORD_HEAD.unpack_from(record)
        return magic == RECORD_MAGIC and count == 0 and crc32c(record[CRC_BYTES:]) == crc

    # --- the archive ----------------------------------------------------------------------------------------------

    def _archive_path(self, number: int) -> Path:
        return archive_path(archive_folder(self._directory), number)

    def _archive(self, number: int) -> Archive:
        """An archived segment. JournalError when its file is not there: it may have been moved elsewhere."""
        if number not in self._archives:
            for wanted in range(number, max(self.first, number + 1)):  # reading goes on with those behind it
                self._archives[wanted] = self._read_archive_header(wanted)
        return self._archives[number]

    def _read_archive_header(self, number: int) -> Archive:
        path = self._archive_path(number)
        if not self._disk.is_there(path):
            last_seq = self._headers[self.first].first_seq - 1
            raise JournalError(
                f"{path}: segment {number} is neither in the journal's folder nor archived here, and what is asked for "
                f"reads the log up to sequence {last_seq}; put its archive back, or restore it from a copy"
            )
        archive = read_archive_header(path)
        if archive.number != number:
            raise CorruptJournalError(path, 0, f"this is segment {archive.number} under another name")
        return archive
