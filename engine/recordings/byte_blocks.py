"""Recorded bytes a window at a time, for decoders of whole messages; days and prices as exchanges write them."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from engine.recordings.source import DAMAGED, RecordingError, Source
from engine.units import NS_PER_S

READ_BYTES = 1 << 20
_LINE_BYTES = 1 << 8
"""Most lines are shorter."""
_EXCHANGE_ZONE = ZoneInfo("America/New_York")
_DASHED = re.compile(r"(?:19|20)\d\d-\d\d-\d\d")
_DATE = re.compile(r"(?P<mdY>\d{8})\.NASDAQ|S(?P<mdy>\d{6})-v|(?P<Ymd>(?:19|20)\d{6})")


class ByteBlocks:
    """The bytes of a source from `offset` on that nobody has taken yet: `data` from `at` on.

    `more` drops what was taken and reads on, so that what is held is a message and READ_BYTES.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.at, self.offset = source, 0, 0
        self.data: np.ndarray[Any, Any] = np.zeros(0, np.uint8)

    def __enter__(self) -> "ByteBlocks":
        self._stream = self.source.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def more(self) -> bool:
        """Read on; whether there was anything. RecordingError where packed bytes are damaged."""
        rest = self.rest()
        try:
            read = self._stream.read(READ_BYTES)
        except DAMAGED as error:
            where = f"damaged after byte {self.offset + len(self.data):,}"
            raise RecordingError(f"{self.source.path}: {where}: {error}") from error
        self.offset += self.at
        self.data, self.at = np.frombuffer(rest + read, np.uint8), 0
        return bool(read)

    def rest(self) -> bytes:
        """The bytes from `at` on that have been read."""
        return bytes(self.data[self.at :])

    def peek(self, size: int) -> bytes:
        """The first so many of these bytes, or as many as there are: a copy, so take no more than is needed."""
        return bytes(self.data[self.at : self.at + size])

    def line(self) -> bytes:
        """The text from `at` up to the end of its line, or of what has been read."""
        size = _LINE_BYTES
        while True:
            text, end, _ = self.peek(size).partition(b"\n")
            if end or self.at + size >= len(self.data):
                return text
            size *= _LINE_BYTES

    @property
    def position(self) -> int:
        """Where `at` stands in the source, from 0."""
        return self.offset + self.at


def date_of(name: str) -> date | None:
    """The trading day in a file's name, else None.

    It is 2020-01-30 or 20200130 anywhere, or as in 01302020.NASDAQ_ITCH50 and S013020-v50.
    """
    dashed = _DASHED.search(name)
    found = _DATE.search(dashed[0].replace("-", "") if dashed else name)
    if found is None:
        return None
    digits = found["mdY"] or found["mdy"] or found["Ymd"]
    year, month, day = (digits[:4], digits[4:6], digits[6:]) if found["Ymd"] else (digits[4:], digits[:2], digits[2:4])
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return None


def midnight_ns(name: str) -> int:
    """Midnight in New York of the day in a file's name, as nanoseconds since the epoch (UTC); 0 without a day."""
    day = date_of(name)
    if day is None:
        return 0
    midnight = datetime(day.year, day.month, day.day, tzinfo=_EXCHANGE_ZONE).astimezone(UTC)
    return int(midnight.timestamp()) * NS_PER_S


def units_per_tick(file: str, tick: str, unit: str) -> int:
    """How many of a format's price units one tick is. RecordingError unless it is a whole number of them."""
    units = Decimal(tick) / Decimal(unit)
    if units != units.to_integral_value() or units < 1:
        raise RecordingError(f"{file}: a tick of {tick} is no multiple of the format's {unit}; name a coarser one")
    return int(units)
