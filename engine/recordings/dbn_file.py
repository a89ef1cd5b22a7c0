"""A DBN file as MBO records: its metadata through `databento-dbn`, its records in blocks by their fixed layout.

The layout of an MBO record is the same in versions 1 to 3. Records of other kinds are stepped over by the length that
each says of itself; symbol mappings and definitions among them are used.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit

from engine.recordings.byte_blocks import ByteBlocks
from engine.recordings.order_lives import BLOCK_ROWS
from engine.recordings.recorded_contracts import readable
from engine.recordings.source import BadBytesError, RecordingError, Source, one_line
from engine.schema import record

MAGIC = b"DBN"
VERSIONS = (1, 2, 3)
NO_LIBRARY = "DBN needs databento-dbn: pip install 'lionrock[databento]', or replay the same data as CSV"
MAX_METADATA_BYTES = 1 << 26
MBO = record(
    [
        ("length", "u1"),  # of the record, in units of four bytes
        ("rtype", "u1"),
        ("publisher_id", "u2"),
        ("instrument_id", "u4"),
        ("ts_event", "i8"),  # undefined, and what is beyond 63 bits, reads as below zero
        ("order_id", "i8"),
        ("price", "i8"),  # in 1e-9
        ("size", "u4"),
        ("flags", "u1"),
        ("channel_id", "u1"),
        ("action", "u1"),
        ("side", "u1"),
        ("ts_recv", "i8"),
        ("ts_in_delta", "i4"),
        ("sequence", "u4"),
    ]
)
RTYPE_MBO, RTYPE_DEFINITION, RTYPE_MAPPING = 0xA0, 0x13, 0x16
_WORD_BYTES, _HEADER_BYTES, _PREFIX_BYTES = 4, 16, 8
_MBO_LENGTHS = (MBO.itemsize // _WORD_BYTES, MBO.itemsize // _WORD_BYTES + 2)
"""The longer one ends with the time at which the record was sent."""
_INCREMENT_AT = 24
_MAPPED_SYMBOLS = {80: (16, 22), 176: (17, 71)}
"""By the length of a symbol mapping: where its symbols begin and how long each is, but for the type between them."""

Array = np.ndarray[Any, Any]


def is_dbn(head: bytes) -> bool:
    """Whether this is the beginning of a DBN file of a version that is known."""
    return head[:3] == MAGIC and len(head) > 3 and head[3] in VERSIONS


class DbnFile:
    """The MBO records of a file. `others` counts records that are none; the rest is complete for the blocks so far.

    `listed`: the names of all instruments, when the metadata has them.
    `ticks`: of instruments that the file defines, what one tick is in 1e-9.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.ticks: dict[int, int] = {}
        self.others = 0
        self.listed: frozenset[str] = frozenset()
        self._names: dict[int, str] = {}

    def name(self, instrument_id: int, block: Array, row: int) -> str:
        """An instrument's symbol, or its number when the file does not name it."""
        return self._names.get(instrument_id, str(instrument_id))

    def records(self) -> Iterator[Array]:
        """MBO records, at most BLOCK_ROWS at a time. RecordingError where the file is damaged."""
        found, others, read = np.zeros(BLOCK_ROWS, np.int64), np.zeros(BLOCK_ROWS, np.int64), 0
        with ByteBlocks(self.source) as data:
            self._read_metadata(data)
            while True:
                count, other, end, is_sound = _find(data.data, data.at, found, others)
                for at in others[:other].tolist():
                    self._look_at(data.data[at : at + int(data.data[at]) * _WORD_BYTES])
                self.others += other
                block = _gathered(data.data, found[:count])
                data.at, read = end, read + count
                if count:
                    yield block
                if not is_sound:
                    raise BadBytesError(self.source.name, data.position, read + 1, "length", "no record is so long")
                if count < BLOCK_ROWS and other < BLOCK_ROWS and not data.more():
                    break
            if data.at < len(data.data):
                raise BadBytesError(self.source.name, data.position, read + 1, "record", "the file ends within it")

    def _read_metadata(self, data: ByteBlocks) -> None:
        try:
            import databento_dbn
        except ImportError as error:
            raise RecordingError(f"{self.source.path}: {NO_LIBRARY}") from error
        while len(data.data) - data.at < _PREFIX_BYTES and data.more():
            continue
        prefix = data.rest()[:_PREFIX_BYTES]
        size = _PREFIX_BYTES + int.from_bytes(prefix[4:], "little")
        if not is_dbn(prefix) or size > MAX_METADATA_BYTES:
            raise BadBytesError(self.source.name, 0, 1, "metadata", "is not that of a DBN file of version 1 to 3")
        while len(data.data) - data.at < size:
            if not data.more():
                raise BadBytesError(self.source.name, 0, 1, "metadata", f"the file ends within its {size:,} bytes")
        try:
            metadata = databento_dbn.Metadata.decode(data.rest()[:size])
            mappings = metadata.mappings
        except Exception as error:  # its own error, and those of Python for what it cannot make a value of
            raise BadBytesError(self.source.name, 0, 1, "metadata", f"cannot be read: {one_line(error)}") from error
        data.at += size
        for symbol, intervals in mappings.items():
            for interval in intervals:
                self._map(symbol, str(interval["symbol"]))
        self.listed = frozenset(self._names.values())

    def _map(self, symbol: str, mapped: str) -> None:
        """One of the two is an instrument's number, and the other its name."""
        for number, name in ((mapped, symbol), (symbol, mapped)):
            if number.isascii() and number.isdecimal() and len(number) <= 10:
                self._names.setdefault(int(number), readable(name))
                return

    def _look_at(self, row: Array) -> None:
        """Use a record that is no market by order."""
        instrument_id = int.from_bytes(row[4:8].tobytes(), "little")
        if row[1] == RTYPE_DEFINITION and len(row) >= _INCREMENT_AT + 8:
            tick = int.from_bytes(row[_INCREMENT_AT : _INCREMENT_AT + 8].tobytes(), "little", signed=True)
            if 0 < tick < (1 << 63) - 1:
                self.ticks[instrument_id] = tick
        if row[1] == RTYPE_MAPPING and len(row) in _MAPPED_SYMBOLS:
            at, width = _MAPPED_SYMBOLS[len(row)]
            second = at + width + (at == _HEADER_BYTES + 1)
            text = row[second : second + width].tobytes().partition(b"\0")[0].decode("ascii", "replace")
            if readable(text):
                self._names[instrument_id] = readable(text)


def _gathered(data: Array, places: Array) -> Array:
    """The MBO records that begin at some places."""
    return np.ascontiguousarray(data[places[:, None] + np.arange(MBO.itemsize)]).view(MBO).reshape(len(places))


@njit(cache=True)
def _find(data, at, found, others):
    """Where records begin from `at` on. (MBO records, others, the end of the last one, whether it ended well)."""
    count = other = 0
    while count < len(found) and other < len(others) and at + _HEADER_BYTES <= len(data):
        length = np.int64(data[at])
        is_mbo = data[at + 1] == RTYPE_MBO
        if length * _WORD_BYTES < _HEADER_BYTES or (is_mbo and length != _MBO_LENGTHS[0] and length != _MBO_LENGTHS[1]):
            return count, other, at, False
        if at + length * _WORD_BYTES > len(data):
            break
        if is_mbo:
            found[count] = at
            count += 1
        else:
            others[other] = at
            other += 1
        at += length * _WORD_BYTES
    return count, other, at, True
