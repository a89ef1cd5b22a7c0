"""Captures of websocket messages, one JSON object a line, as decoders of order lives read them: by msgspec, typed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from engine.recordings.batches import EVERYTHING, ContractSpec, Wanted
from engine.recordings.byte_blocks import ByteBlocks
from engine.recordings.decimal_units import DecimalUnits
from engine.recordings.order_lives import BLOCK_ROWS, LIFE, LifeBlock, LifeFlag
from engine.recordings.recorded_contracts import RecordedContracts, readable
from engine.recordings.source import BadLineError, RecordingError, Source
from engine.units import MAX_LOTS, MAX_TICKS, NS_PER_S

MAX_LINE_BYTES = 1 << 28
"""A snapshot of a whole book is one line."""
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Message = TypeVar("Message", bound=msgspec.Struct)


class Life(NamedTuple):
    """A LIFE row; its message is the line."""

    action: int
    contract: int
    time_ns: int
    order_id: int = 0
    side: int = 0
    price_ticks: int = 0
    size_lots: int = 0
    flags: int = int(LifeFlag.LAST)


class JsonLives(RecordedContracts, ABC, Generic[Message]):
    """A decoder of one capture: what `_take` makes of each message of type `message_type`, a block at a time.

    What stands before the first brace of a line is left out: tools write the time of arrival there. Blank lines are
    left out. A line that is no such message, or that `_take` raises BadLineError for, ends the recording after what was
    read until then; with `skip_bad` it is counted in `bad`.
    """

    format: str
    message_type: type[Message]
    default: ContractSpec
    total = 0

    def __init__(self, source: Source, wanted: Wanted = EVERYTHING, skip_bad: bool = False) -> None:
        super().__init__(source, wanted)
        self.ignored: dict[str, int] = {}
        self.skip_bad, self.bad, self.line = skip_bad, 0, 0
        self._decoder = msgspec.json.Decoder(self.message_type)
        self._rows: list[tuple[int, Life]] = []

    def blocks(self) -> Iterator[LifeBlock]:
        """The whole capture."""
        failure = None
        try:
            for body in self._lines():
                try:
                    self._take(self._message(body))
                except BadLineError:
                    if not self.skip_bad:
                        raise
                    self.bad += 1
                while len(self._rows) >= BLOCK_ROWS:
                    yield self._block()
        except RecordingError as error:
            failure = error
        self._finish()
        while len(self._rows) > BLOCK_ROWS:
            yield self._block()
        yield self._block()
        if failure:
            raise failure

    @abstractmethod
    def _take(self, message: Message) -> None:
        """Add the rows of one message."""

    def _finish(self) -> None:
        """Add the rows of messages that were kept back: nothing more is read."""

    def _row(self, life: Life, line: int = 0) -> None:
        """Add a row of a line, or of the one that was read last."""
        self._rows.append((line or self.line, life))

    def _ignore(self, reason: str, count: int = 1) -> None:
        self.ignored[reason] = self.ignored.get(reason, 0) + count

    def _error(self, field: str, reason: str) -> BadLineError:
        """What is wrong with the line that was read last."""
        return BadLineError(self.source.name, self.line, field, reason)

    def _units(self, name: str, text: str | None, units: DecimalUnits, least: int = 1) -> int:
        """A decimal field as whole units. BadLineError names the field, the value and the remedy."""
        if text is None:
            raise self._error(name, "is missing")
        try:
            value = units(text)
        except ValueError as error:
            raise self._error(name, str(error)) from error
        if value < least:
            raise self._error(name, f"{text[:40]} is not above 0")
        return value

    def _price(self, name: str, text: str | None, ticks: DecimalUnits, least: int = 1) -> int | None:
        """As `_units`; None, and counted, for a price above the highest."""
        value = self._units(name, text, ticks, least)
        if value != ticks.beyond:
            return value
        self._ignore("order above 2^30 ticks")
        return None

    def _market(self, name: str) -> tuple[int, DecimalUnits, DecimalUnits]:
        """The slot of a contract that has just appeared, -1 when it is not wanted, its ticks and its lots."""
        name, spec, slot = readable(name), self.default, -1
        if self.takes(name):
            slot = self.append(ContractSpec(name, spec.tick, spec.lot))
            spec = self.contracts[slot]
        ticks = DecimalUnits("tick", spec.tick, MAX_TICKS, beyond=MAX_TICKS + 1)
        return slot, ticks, DecimalUnits("lot", spec.lot, MAX_LOTS)

    def _lines(self) -> Iterator[bytes]:
        with ByteBlocks(self.source) as window:
            while window.more():
                lines = window.rest().split(b"\n")
                for line in lines[:-1]:
                    yield from self._body(line)
                window.at = len(window.data) - len(lines[-1])
                if len(lines[-1]) > MAX_LINE_BYTES:
                    self.line += 1
                    raise self._error("line", f"has no end within {MAX_LINE_BYTES} bytes")
            if len(window.rest()):
                yield from self._body(window.rest())

    def _body(self, line: bytes) -> Iterator[bytes]:
        self.line += 1
        if line.strip():
            yield line

    def _message(self, line: bytes) -> Message:
        begin = line.find(b"{")
        if begin < 0:
            raise self._error("line", f"{line[:40].decode('ascii', 'replace')!r} is no JSON object")
        try:
            return self._decoder.decode(line[begin:])
        except _NOT_JSON as error:
            raise self._error("line", f"is no message of a {self.format} capture: {str(error)[:100]}") from error

    def _block(self) -> LifeBlock:
        """The rows so far, at most BLOCK_ROWS of them."""
        now, self._rows = self._rows[:BLOCK_ROWS], self._rows[BLOCK_ROWS:]
        rows = np.zeros(len(now), LIFE)
        if now:
            values: np.ndarray[Any, Any] = np.array([life for _, life in now], np.int64)
            rows["message"] = [line for line, _ in now]
            for place, name in enumerate(Life._fields):
                rows[name] = values[:, place]
        return LifeBlock(rows, self.line)


def time_ns_of(text: str) -> int:
    """A time like 2014-11-07T08:19:27.028459Z as nanoseconds since the epoch. ValueError when it is none."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = _seconds_of(seconds)
    if not (fraction or "0").isdecimal() or not fraction.isascii() or len(fraction) > 9:
        raise ValueError(f"{text[:40]!r} is no time like 2014-11-07T08:19:27.028459Z")
    return whole * NS_PER_S + int(fraction.ljust(9, "0"))


@lru_cache(maxsize=16)
def _seconds_of(text: str) -> int:
    try:
        when = datetime.fromisoformat(text).replace(tzinfo=UTC) if text[10:11] == "T" else None
    except ValueError:
        when = None
    if when is None or len(text) != 19 or when.year < 1970 or when.year > 2200:
        raise ValueError(f"{text[:40]!r} is no time like 2014-11-07T08:19:27.028459Z")
    return int(when.timestamp())
