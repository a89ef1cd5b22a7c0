"""Recorded bytes a window at a time, for decoders of messages of their own lengths; units that exchanges share."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from engine.recordings.source import DAMAGED, RecordingError, Source
from engine.units import NS_PER_S

READ_BYTES = 1 << 20
_EXCHANGE_ZONE = ZoneInfo("America/New_York")


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

    @property
    def position(self) -> int:
        """Where `at` stands in the source, from 0."""
        return self.offset + self.at


def new_york_midnight_ns(day: date) -> int:
    """Midnight in New York at the beginning of a day, as nanoseconds since the epoch (UTC)."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=_EXCHANGE_ZONE).astimezone(UTC)
    return int(midnight.timestamp()) * NS_PER_S


def units_per_tick(file: str, tick: str, unit: str) -> int:
    """How many of a format's price units one tick is. RecordingError unless it is a whole number of them."""
    units = Decimal(tick) / Decimal(unit)
    if units != units.to_integral_value() or units < 1:
        raise RecordingError(f"{file}: a tick of {tick} is no multiple of the format's {unit}; name a coarser one")
    return int(units)
