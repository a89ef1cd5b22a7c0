"""Kraken's book channel (websocket v1) as captured: JSON lines of any number of pairs, with the venue's checksums.

- *A snapshot* (`as`, `bs`) is the whole book to the subscribed depth. *An update* (`a`, `b`) sets levels; volume 0: the
  level is gone. Both sides of one message are one event.
- *Forgetting.* A book has no more levels than its channel says (`book-1000`): the worst of one more is forgotten.
- *Checksums* (`c`): CRC32 of the ten best levels of both sides. Each book that has one is compared, and those that are
  equal and those that are not are counted. So is what is no message of a book.
- *Time* is the latest of a message's levels. Text before a line's first bracket or brace is left out: tools write the
  time of arrival there; lines that were sent have `<-` in it and are left out.
- *Ticks and lots*: `--contract PAIR,tick=...,lot=...`, else the finest that a pair's first block shows.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from engine.recordings.batches import ContractSpec, Wanted
from engine.recordings.checks import ASK_LOTS, ASK_TICKS, BID_LOTS, BID_TICKS
from engine.recordings.decimal_columns import Unit
from engine.recordings.level_texts import BEYOND, Levels, LevelTexts, Update
from engine.recordings.line_blocks import line_blocks
from engine.recordings.price_levels import SNAPSHOT, LevelBlock
from engine.recordings.source import BadLineError, RecordingError, Source

BLOCK_BYTES = 1 << 22
BLOCK_LEVELS = 1 << 15
CHECKED_LEVELS = 10
MOST_S = 9_223_372_035
"""The last second whose nanoseconds are within int64."""
EQUAL, DIFFERENT = "books with the venue's checksum", "books with another checksum than the venue's"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MESSAGE = re.compile(rb'\[\d+,\{"(as|bs|a|b)":\[')
_CHANNEL = re.compile(r"book-(\d{1,5})", re.ASCII)
_TIME = re.compile(r"(\d{1,10})\.(\d{1,9})", re.ASCII)
_CHECKSUM = re.compile(r"\d{1,10}", re.ASCII)

Array = np.ndarray[Any, Any]


class Part(
    msgspec.Struct, gc=False, rename={"all_asks": "as", "all_bids": "bs", "asks": "a", "bids": "b", "checksum": "c"}
):
    """A part of a message: the levels of one side or both."""

    all_asks: list[list[str]] | None = None
    all_bids: list[list[str]] | None = None
    asks: list[list[str]] = []
    bids: list[list[str]] = []
    checksum: str = ""


def is_kraken(head: bytes) -> bool:
    """Whether one of the first lines is a message of a book."""
    return _MESSAGE.search(head) is not None


class KrakenLevels:
    """Decodes one capture. `most_levels` is what the channels say, of all pairs the most."""

    format = "kraken"
    total = 0

    def __init__(self, source: Source, wanted: Wanted, skip_bad: bool = False) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.counts: Counter[str] = Counter()
        self.texts = LevelTexts(source.name, wanted, skip_bad)
        self.most_levels = 0
        self._line, self._time_ns, self._left_out = 0, 0, 0
        self._decoder = msgspec.json.Decoder(list[Part | int | str])
        self._checksums: dict[int, int] = {}
        self._places: dict[str, tuple[int, int]] = {}

    @property
    def contracts(self) -> list[ContractSpec]:
        """The pairs that have appeared, with their units."""
        return self.texts.contracts

    @property
    def seen(self) -> set[str]:
        """All pairs, wanted or not."""
        return self.texts.seen

    @property
    def bad(self) -> int:
        """Lines that were left out."""
        return self._left_out + self.texts.bad

    @property
    def ignored(self) -> dict[str, int]:
        """What had no effect, and what the checksums came to."""
        return dict(self.counts) | ({BEYOND: self.texts.beyond} if self.texts.beyond else {})

    def blocks(self) -> Iterator[LevelBlock]:
        """The whole capture; what was read before damage is given out first."""
        failure = None
        try:
            for text in line_blocks(self.source, BLOCK_BYTES):
                for line in text.split(b"\n")[:-1]:
                    self._read(line)
                    if self.texts.levels >= BLOCK_LEVELS:
                        yield self.texts.block(self._line)
        except RecordingError as error:
            failure = error
        yield self.texts.block(self._line)
        if failure:
            raise failure

    def compare(self, message: int, contract: int, image: Array) -> None:
        """Compare a book, as in `Checks.books`, with the checksum of its message, when it has one."""
        told = self._checksums.pop(message, None)
        if told is None or len(image) < CHECKED_LEVELS:
            return
        name, units = self.contracts[contract].name, self.texts.units[contract]
        text = ""
        for ticks, lots in ((ASK_TICKS, ASK_LOTS), (BID_TICKS, BID_LOTS)):
            for row in image[:CHECKED_LEVELS].tolist():
                if row[lots]:
                    for value, unit, places in zip((row[ticks], row[lots]), units, self._places[name], strict=True):
                        text += str(_digits(value, unit, places))
        self.counts[EQUAL if zlib.crc32(text.encode()) == told else DIFFERENT] += 1

    def _error(self, field: str, reason: str) -> BadLineError:
        return BadLineError(self.source.name, self._line, field, reason)

    def _read(self, line: bytes) -> None:
        """Take one line."""
        self._line += 1
        begin = min((place for place in (line.find(b"["), line.find(b"{")) if place >= 0), default=-1)
        if not line.strip():
            return
        try:
            if b"<" in line[: max(begin, 40)]:
                self.counts["lines about the connection"] += 1
            elif begin < 0:
                raise self._error("line", f"{line[:40].decode('ascii', 'replace')!r} is no JSON")
            elif line[begin : begin + 1] == b"{":
                self.counts["messages that are no book's"] += 1
            else:
                self._take(line[begin:])
        except BadLineError:
            if not self.skip_bad:
                raise
            self._left_out += 1

    def _take(self, body: bytes) -> None:
        """Take one message of a channel."""
        try:
            message = self._decoder.decode(body)
        except _NOT_JSON as error:
            raise self._error("line", f"is no message of a kraken capture: {str(error)[:100]}") from error
        parts = [part for part in message if isinstance(part, Part)]
        if len(message) != len(parts) + 3 or not isinstance(message[-1], str) or not isinstance(message[-2], str):
            raise self._error("line", "is not [channel, levels, name, pair]")
        channel, pair = _CHANNEL.fullmatch(message[-2]), message[-1]
        if not channel or not parts:
            self.counts["messages that are no book's"] += 1
            return
        if not self.texts.takes(pair, self._line):
            return
        self.most_levels = max(self.most_levels, int(channel[1]))
        self._update(pair, parts)

    def _update(self, pair: str, parts: list[Part]) -> None:
        snapshot = any(part.all_asks is not None or part.all_bids is not None for part in parts)
        asks = [level for part in parts for level in (part.all_asks or part.asks)]
        bids = [level for part in parts for level in (part.all_bids or part.bids)]
        levels = self._levels(bids, "b"), self._levels(asks, "a")
        for checksum in (part.checksum for part in parts if part.checksum):
            if not _CHECKSUM.fullmatch(checksum):
                raise self._error("c", f"{checksum[:40]!r} is no checksum")
            self._checksums[self._line] = int(checksum)
        if pair not in self._places and (bids or asks):
            price, volume = ((bids or asks)[0][place] for place in (0, 1))
            self._places[pair] = len(price.partition(".")[2]), len(volume.partition(".")[2])
        self.texts.add(Update(self._line, self._time_ns, pair, SNAPSHOT if snapshot else 0, *levels))

    def _levels(self, rows: list[list[str]], field: str) -> Levels:
        """(price, volume) of each level; the latest time becomes the message's."""
        found = []
        for row in rows:
            if not 3 <= len(row) <= 4:
                raise self._error(field, f"a level of {len(row)} texts is not [price, volume, time]")
            time = _TIME.fullmatch(row[2])
            if not time or int(time[1]) > MOST_S:
                raise self._error(field, f"{row[2][:40]!r} is not a time in seconds")
            self._time_ns = max(self._time_ns, int(time[1]) * 10**9 + int(time[2].ljust(9, "0")))
            found.append((row[0], row[1]))
        return found


def _digits(value: int, unit: Unit, places: int) -> int:
    """A count of a unit as the digits of the decimal with so many places."""
    scaled = value * unit.numerator * 10**places
    return scaled // 10**unit.places
