"""Where recorded bytes come from: plain, .gz, .xz, .zst and .zip files are read alike.

A source is one stream of bytes with the name it would have unpacked. A zip gives one source per member. Every error
about the content names file, line, field and reason (`BadLineError`).
"""

import gzip
import io
import lzma
import struct
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import zstandard

from engine.recordings.read_ahead import ahead

COMPRESSED_SUFFIXES = (".gz", ".xz", ".zst")
HEAD_BYTES = 4096
BUFFER_BYTES = 1 << 18
PIECE_BYTES = 1 << 16
"""Bytes unpacked at a time: no more are lost in front of damage."""
AHEAD_BYTES = 1 << 18
"""Packed bytes are unpacked so many at a time ahead of whoever reads them."""
MAX_LINE_BYTES = 1 << 22
"""What reads in blocks takes no longer line."""
_MOST_DIGITS = 19
"""Digits of the largest number of 64 bits with a sign."""
WIDEST = (1 << 62) - 1
"""The largest quantity or price that a reader counts with: two of them fit into int64."""
DAMAGED = (EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError, zipfile.BadZipFile, OSError)
"""What reading damaged packed bytes raises."""
NOT_OPENED = (*DAMAGED, RuntimeError, ValueError, struct.error)
"""What opening a damaged file raises; a zip's way of packing that is not known, or a password, is a RuntimeError."""


class RecordingError(ValueError):
    """A recording that cannot be read; the text is one line for a person."""


def one_line(error: Exception, most: int = 200) -> str:
    """What a library says of bytes that it cannot read, as one line that prints: it may repeat some of them."""
    text = " ".join(str(error).split())[:most]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class BadLineError(RecordingError):
    """A malformed line or record: file, line (from 1), field and reason."""

    def __init__(self, file: str, line: int, field: str, reason: str) -> None:
        super().__init__(f"{file}, line {line}, {field}: {reason}")
        self.file, self.line, self.field, self.reason = file, line, field, reason


class BadBytesError(RecordingError):
    """A malformed message of a binary recording: file, byte (from 0), message (from 1), field and reason."""

    def __init__(self, file: str, byte: int, message: int, field: str, reason: str) -> None:
        super().__init__(f"{file}, byte {byte:,}, message {message:,}, {field}: {reason}")
        self.file, self.byte, self.message, self.field, self.reason = file, byte, message, field, reason


class _Zstandard(io.RawIOBase):
    """Zstandard frames as a raw stream; a file that ends within a frame is an EOFError, as in gzip and lzma."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._data, self._ready = b"", b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._data or self._file.read(zstandard.DECOMPRESSION_RECOMMENDED_INPUT_SIZE)
            if not data:
                if not self._frame.eof:
                    raise EOFError("the compressed data ends early")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = self._frame.decompress(data)
            self._data = self._frame.unused_data
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


Piece = tuple[list[bytes], Exception | None]
"""Some bytes of a stream, in parts, and the damage behind them."""


class _Ahead(io.RawIOBase):
    """A packed stream that a thread unpacks ahead of whoever reads it; damage is raised behind the bytes before it."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._pieces = packed, ahead(_pieces(packed, AHEAD_BYTES))
        self._ready = memoryview(b"")
        self._damage: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ready:
            if self._damage is not None:
                raise self._damage
            parts, self._damage = next(self._pieces, ([], None))
            self._ready = memoryview(b"".join(parts))
            if self._damage is not None and not self._ready:
                raise self._damage
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._pieces.close()
        self._packed.close()
        super().close()


@dataclass(frozen=True)
class Source:
    """One stream of recorded bytes; `member` is its name inside a zip, or empty."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """The file's name once unpacked."""
        if self.member:
            return self.member.rsplit("/", 1)[-1]
        return self.path.stem if self.path.suffix in COMPRESSED_SUFFIXES else self.path.name

    def open(self) -> BinaryIO:
        """The decompressed bytes as a stream, unpacked ahead; the caller closes it.

        RecordingError when it cannot be opened.
        """
        stream = self._open()
        return stream if self._is_plain else _buffered(_Ahead(stream))

    @property
    def _is_plain(self) -> bool:
        return not self.member and self.path.suffix not in COMPRESSED_SUFFIXES

    def _open(self) -> BinaryIO:
        try:
            return self._unpacked()
        except NOT_OPENED as error:
            raise RecordingError(f"{self.path}: cannot be opened: {error}") from error

    def _unpacked(self) -> BinaryIO:
        file = self.path.open("rb")
        _being_read[self.path] = weakref.ref(file)
        if self.member:
            return cast(BinaryIO, zipfile.ZipFile(file).open(self.member))
        if self.path.suffix == ".gz":
            return cast(BinaryIO, gzip.open(file, "rb"))
        if self.path.suffix == ".xz":
            return cast(BinaryIO, lzma.open(file, "rb"))
        if self.path.suffix == ".zst":
            return _buffered(_Zstandard(file))
        return file

    def head(self) -> bytes:
        """The first bytes, for recognising the format."""
        with self._open() as stream:
            try:
                return stream.read(HEAD_BYTES)
            except DAMAGED as error:
                raise RecordingError(f"{self.path}: damaged: {error}") from error

    def blocks(self, size: int) -> Iterator[tuple[int, bytes]]:
        """(number of the first line, whole lines) in blocks of about `size` bytes; the last line may have no end.

        RecordingError when the packed bytes are damaged, after the whole lines before the damage.
        """
        number, rest = 1, b""
        with self._open() as stream:
            pieces = _pieces(stream, size)
            for parts, damage in pieces if self._is_plain else ahead(pieces):
                block = b"".join([rest, *parts])
                is_last = not damage and len(block) < len(rest) + size
                end = len(block) if is_last else block.rfind(b"\n") + 1
                if end:
                    whole = block[:end]
                    yield number, whole
                    number += count_lines(whole)
                rest = block[end:]
                if damage:
                    raise RecordingError(f"{self.path}: damaged after line {number - 1}: {damage}") from damage
                if len(rest) > MAX_LINE_BYTES:
                    raise BadLineError(self.name, number, "line", f"longer than {MAX_LINE_BYTES} bytes")

    def lines(self) -> Iterator[tuple[int, str]]:
        """(line number from 1, text without its end) of every line; blank lines are left out."""
        number = 0
        with self.open() as stream:
            try:
                for number, raw in enumerate(stream, 1):
                    text = raw.decode("ascii", "replace").strip()
                    if text:
                        yield number, text
            except DAMAGED as error:
                raise RecordingError(f"{self.path}: damaged after line {number}: {error}") from error


def _pieces(stream: BinaryIO, size: int) -> Iterator[Piece]:
    """The bytes of a stream so many at a time, the last time fewer, or none."""
    is_last = False
    while not is_last:
        parts, missing, damage = [], size, None
        while missing and not is_last:
            try:
                data = stream.read1(min(missing, PIECE_BYTES))  # type: ignore[attr-defined]
            except DAMAGED as error:
                data, damage = b"", error
            is_last = not data
            parts.append(data)
            missing -= len(data)
        yield parts, damage


def count_lines(data: bytes) -> int:
    """How many lines end in these bytes."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))


_being_read: dict[Path, "weakref.ref[BinaryIO]"] = {}
"""The file of each path that was opened last."""


_of_folder: dict[Path, tuple[int, Path, int]] = {}
"""Of a folder that is read as one recording: the bytes of the files that were read, the one at hand, all bytes."""


def note_file(folder: Path, done_bytes: int, file: Path, all_bytes: int) -> None:
    """Say which file of a folder is read now, for `share_read`."""
    _of_folder[folder] = done_bytes, file, all_bytes


def share_read(path: Path) -> float:
    """How much of a file or folder that is being read was read, from 0 to 1; 0 before. For a zip: of all of it.

    Of a packed file this counts what a thread has read ahead: up to six times AHEAD_BYTES when unpacked.
    """
    done_bytes, path, all_bytes = _of_folder.get(path, (0, path, 0))
    file = _being_read[path]() if path in _being_read else None
    try:
        read_bytes = file.tell() if file else 0
    except ValueError:  # closed, maybe this moment by the thread that reads
        read_bytes = 0
    return (done_bytes + read_bytes) / max(1, all_bytes or path.stat().st_size)


def _buffered(packed: Any) -> BinaryIO:
    """Lines of a packed stream without a call of Python for each."""
    return io.BufferedReader(packed, BUFFER_BYTES)


def sources(path: Path) -> list[Source]:
    """The streams in a file: one, or one per member of a zip. RecordingError when the path does not exist."""
    if not path.exists():
        raise RecordingError(f"{path}: no such file")
    if path.suffix != ".zip":
        return [Source(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            return [Source(path, entry.filename) for entry in archive.infolist() if not entry.is_dir()]
    except NOT_OPENED as error:
        raise RecordingError(f"{path}: not a readable zip: {error}") from error


def whole_number(text: str, where: tuple[str, int, str]) -> int:
    """The integer that a field holds. BadLineError(file, line, field) when it holds something else or leaves int64."""
    digits = text[1:] if text[:1] == "-" else text
    if not digits.isdecimal() or not digits.isascii():
        raise BadLineError(*where, f"{text[:40]!r} is not a whole number")
    digits = digits.lstrip("0") or "0"
    value = int(digits) if len(digits) <= _MOST_DIGITS else 1 << 64  # Python itself refuses thousands of digits
    value = -value if text[0] == "-" else value
    if not -(1 << 63) <= value < 1 << 63:
        raise BadLineError(*where, f"{text[:40]} is beyond 64 bits")
    return value
