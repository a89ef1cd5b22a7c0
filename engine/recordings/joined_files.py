"""Files whose lines follow each other, as one stream of bytes: a capture that began a new file each day.

What a capture says goes on from one file to the next, so one decoder reads all of them: gaps are seen and books stay.
"""

import io
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from engine.recordings.daily_files import days_of, only_source, verify
from engine.recordings.source import BUFFER_BYTES, DAMAGED, HEAD_BYTES, BadLineError, Source, count_lines, note_file

JOINED_FORMATS = ("binance", "kraken", "coinbase", "bitstamp_live", "csv", "jsonl")
"""The formats that are lines and nothing else, but for a header."""
_LINE_FEED = b"\n"


@dataclass(frozen=True)
class JoinedSource(Source):
    """The files of a folder in the order of their days and names; with `has_header` one header of all.

    `starts` and `names`: the number of the first line of each file that was begun, and its name.
    """

    has_header: bool = False
    starts: list[int] = field(default_factory=list, compare=False)
    names: list[str] = field(default_factory=list, compare=False)

    def parts(self) -> list[Source]:
        """The files. RecordingError for a zip of several, and when only some have a day in their names."""
        return [only_source(path) for _, path in days_of(self.path)]

    def head(self) -> bytes:
        """The first bytes of the first file."""
        return self.parts()[0].head()

    def _open(self) -> BinaryIO:
        self.starts.clear()
        self.names.clear()
        return io.BufferedReader(_Joined(self), BUFFER_BYTES)

    def located(self, items: Iterator[Any]) -> Iterator[Any]:
        """What is read from this source; an error names the file and the line in it."""
        try:
            yield from items
        except BadLineError as error:
            place = bisect_right(self.starts, error.line) - 1
            if place < 0 or error.file != self.name:
                raise
            line = error.line - self.starts[place] + 1 + (self.has_header and place > 0)
            raise BadLineError(self.names[place], line, error.field, error.reason) from error


class _Joined(io.RawIOBase):
    """The bytes of all files; a last line without its end gets one."""

    def __init__(self, source: JoinedSource) -> None:
        self._source, self._parts = source, source.parts()
        self._sizes = [part.path.stat().st_size for part in self._parts]
        self._next, self._lines = 0, 0
        self._stream: BinaryIO | None = None
        self._last = _LINE_FEED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._stream is None:
                if self._next == len(self._parts):
                    return 0
                self._begin()
            data = self._read(len(buffer))
            if not data:
                data = b"" if self._last == _LINE_FEED else _LINE_FEED
            if data:
                self._last, self._lines = data[-1:], self._lines + count_lines(data)
                buffer[: len(data)] = data
                return len(data)

    def _read(self, size: int) -> bytes:
        """The next bytes of the file at hand; none at its end. OSError names a damaged file."""
        assert self._stream is not None
        try:
            data: bytes = self._stream.read1(size)  # type: ignore[attr-defined]
        except DAMAGED as error:
            raise OSError(f"in {self._source.names[-1]}: {error}") from error
        if not data:
            self._stream.close()
            self._stream = None
        return data

    def _begin(self) -> None:
        """Open the next file."""
        part = self._parts[self._next]
        note_file(self._source.path, sum(self._sizes[: self._next]), part.path, sum(self._sizes))
        verify(part.path)
        self._stream = part.open()
        if self._source.has_header and self._next:
            self._leave_header_out(part.name)
        self._source.starts.append(self._lines + 1)
        self._source.names.append(part.name)
        self._next += 1

    def _leave_header_out(self, name: str) -> None:
        """The same columns as in the first file, in the same order."""
        assert self._stream is not None
        first, found = self._source.head().split(_LINE_FEED, 1)[0], self._stream.readline(HEAD_BYTES)
        if found.strip() != first.strip():
            raise BadLineError(name, 1, "header", f"is not that of {self._source.names[0]}; a folder has one for all")

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()
