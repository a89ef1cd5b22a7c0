"""The flash1 format: a public matching-engine benchmark's order streams, binary or CSV.

Binary: a 16-byte header (magic, version, count), then records of 40 bytes. CSV: a header line with the same columns.
A modify cancels and reinserts at the new price and quantity, so its row says that the quantity is what is to be open
(`QTY_IS_LEAVES`) and that priority goes (`FORFEIT_PRIORITY`). The format has no clock: all rows carry time 0.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_NEW,
    EXEC_FORFEIT_PRIORITY,
    EXEC_QTY_IS_LEAVES,
    SIDE_BUY,
    SIDE_SELL,
    TIF_GTC,
    TIF_IOC,
    TYPE_LIMIT,
)
from engine.kernels import unlocked
from engine.recordings.batches import BATCH_ROWS, READER_ID, Batch, ContractSpec, command_rows
from engine.recordings.integer_csv import WORD, Lines, LineStream, Settled, word_value
from engine.recordings.source import DAMAGED, BadLineError, RecordingError, Source, whole_number
from engine.schema import COMMAND, record
from engine.units import MAX_TICKS

MAGIC = b"100_WBEM"
CSV_COLUMNS = ("type", "side", "ioc", "quantity", "sequence", "order_id", "price_ticks")
HEADER = np.dtype([("magic", "S8"), ("version", "<u4"), ("count", "<u4")])
RECORD = record(
    [
        ("type", "u1"),  # 0 new, 1 cancel, 2 modify
        ("side", "u1"),  # 0 buy, 1 sell
        ("ioc", "u1"),
        ("pad", "u1"),
        ("quantity", "<u4"),
        ("sequence", "<u8"),
        ("order_id", "<u8"),
        ("price_ticks", "<i8"),
        ("zero", "<i8"),
    ]
)

Records = np.ndarray[Any, Any]
Messages = np.ndarray[Any, Any]
Chunk = tuple[Records, Messages]
"""Records and the number of each in the recording, from 1."""

_IOC = 3
_BLANKS = command_rows(
    [
        (COMMAND_NEW, TYPE_LIMIT, TIF_GTC, 0),
        (COMMAND_CANCEL, 0, 0, 0),
        (COMMAND_AMEND, 0, 0, EXEC_FORFEIT_PRIORITY | EXEC_QTY_IS_LEAVES),
        (COMMAND_NEW, TYPE_LIMIT, TIF_IOC, 0),
    ],
    ("kind", "ord_type", "tif", "flags"),
)
"""A command of each type of record, and behind them a new order that is IOC, without what is different for each."""
CHUNK_ROWS = 1 << 14
"""Records of a binary file are taken so many at a time: as commands they stay in the caches until they are applied."""
_NEW, _CANCEL, _MODIFY = range(3)
_TYPES = ("NEW", "CANCEL", "MODIFY")
_WORDS = [word_value(each) for each in _TYPES]
PLACES = np.array([WORD, 0, 0, 0, 0, 0, 0])
_BOUNDS = {
    "type": (0, 2),
    "side": (0, 1),
    "ioc": (0, 1),
    "quantity": (1, (1 << 32) - 1),
    "sequence": (0, (1 << 63) - 1),
    "order_id": (1, READER_ID - 1),
    "price_ticks": (1, MAX_TICKS),
}
_NOT_OF_CANCELS = ("quantity", "price_ticks")
_WIDTHS = {"quantity": (0, (1 << 32) - 1), "price_ticks": (-(1 << 63), (1 << 63) - 1)}
"""What fits into a record where the value does not count."""


def is_binary(head: bytes) -> bool:
    """Whether the first bytes are the binary form's."""
    return head.startswith(MAGIC)


def is_csv(head: bytes) -> bool:
    """Whether the first bytes are the CSV form's header line."""
    return head.split(b"\n", 1)[0].strip() == ",".join(CSV_COLUMNS).encode()


class Flash1Reader:
    """Reads one flash1 stream, binary or CSV."""

    format = "flash1"
    depth = 0
    is_log = False
    has_clock = False

    def __init__(self, source: Source, skip_bad: bool = False) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.contract = ContractSpec("FLASH1")
        self.total, self.bad = 0, 0

    def batches(self) -> Iterator[Batch]:
        """The whole stream, up to BATCH_ROWS records a batch."""
        chunks = self._csv_chunks() if is_csv(self.source.head()) else self._binary_chunks()
        for records, messages in chunks:
            batch = self._batch(records, messages)
            if len(batch.messages):
                yield batch

    def _batch(self, records: Records, messages: Messages) -> Batch:
        """The records as commands; those that are not within bounds are left out, or raise."""
        commands, sequences = np.empty(len(records), COMMAND), np.empty(len(records), np.int64)
        if _decode(records, _BLANKS, commands, sequences) < len(records):
            records, messages = self._good(records, messages)
            commands, sequences = commands[: len(records)], sequences[: len(records)]
            _decode(records, _BLANKS, commands, sequences)
        return Batch(commands, messages, sequences, int(messages[-1]) if len(messages) else 0)

    def _binary_chunks(self) -> Iterator[Chunk]:
        with self.source.open() as stream:
            header = np.empty(1, HEADER)
            self._read(stream, header, 0, "header")
            if header[0]["magic"] != MAGIC:
                raise BadLineError(self.source.name, 1, "magic", f"{bytes(header[0]['magic'])!r} is not {MAGIC!r}")
            self.total = int(header[0]["count"])
            room = np.empty(CHUNK_ROWS, RECORD)
            for start in range(0, self.total, CHUNK_ROWS):
                records = room[: self.total - start]
                self._read(stream, records, start, "record")
                yield records, np.arange(start + 1, start + 1 + len(records), dtype=np.int64)

    def _read(self, stream: BinaryIO, rows: Records, records_before: int, what: str) -> None:
        """Fill rows with the next bytes of a stream."""
        octets = rows.view(np.uint8)
        try:
            have = int(stream.readinto(octets.data))  # type: ignore[attr-defined]
        except DAMAGED as error:
            raise RecordingError(f"{self.source.path}: damaged after record {records_before}: {error}") from error
        if have < len(octets):
            line = records_before + have // RECORD.itemsize + 1
            raise BadLineError(self.source.name, line, what, f"the file ends {len(octets) - have} bytes early")

    def _good(self, records: Records, messages: Messages) -> Chunk:
        """The records within bounds; one that is not raises unless bad ones are skipped."""
        good = np.ones(len(records), np.bool_)
        for name, (low, high) in _BOUNDS.items():
            column = records[name]
            wrong = (column < low) | (column > high)
            if name in _NOT_OF_CANCELS:
                wrong &= records["type"] != _CANCEL
            if wrong.any() and not self.skip_bad:
                row = int(wrong.argmax())
                reason = f"{column[row]} is not within {low} to {high}"
                raise BadLineError(self.source.name, int(messages[row]), name, reason)
            good &= ~wrong
        self.bad += len(records) - int(good.sum())
        return records[good], messages[good]

    def _csv_chunks(self) -> Iterator[Chunk]:
        lines = LineStream(self.source, PLACES, self.settle)
        while lines.error is None:
            numbers, values, bad = lines.take(BATCH_ROWS)
            first = int(len(numbers) > 0 and numbers[0] == 1)
            good = np.flatnonzero(~bad[first:]) + first
            self.bad += len(bad) - first - len(good)
            records = np.zeros(len(good), RECORD)
            for place, column in enumerate(CSV_COLUMNS):
                records[column] = values[good, place]
            yield records, numbers[good] - 1
            if len(numbers) < BATCH_ROWS and lines.error is None:
                return
        raise lines.error

    def settle(self, lines: Lines) -> Settled:
        """The header's line counts as good, whatever its values are."""
        values = lines.values
        values[:, 0] = np.select([values[:, 0] == word for word in _WORDS], range(len(_WORDS)), -1)
        good = lines.plain & (values[:, 0] >= 0)
        is_cancel = values[:, 0] == _CANCEL
        for place, column in enumerate(CSV_COLUMNS):
            low, high = _BOUNDS[column]
            within = (values[:, place] >= low) & (values[:, place] <= high)
            if column in _NOT_OF_CANCELS:
                low, high = _WIDTHS[column]
                within |= is_cancel & (values[:, place] >= low) & (values[:, place] <= high)
            good &= within
        good |= lines.numbers == 1
        return lines.settle(good, self.csv_row, self.skip_bad)

    def csv_row(self, number: int, text: str) -> tuple[int, ...]:
        """The values of a line, whatever it looks like. BadLineError for what is none."""
        name, cells = self.source.name, text.split(",")
        if len(cells) != len(CSV_COLUMNS):
            raise BadLineError(name, number, "line", f"{len(cells)} fields instead of {len(CSV_COLUMNS)}")
        if cells[0] not in _TYPES:
            raise BadLineError(name, number, "type", f"{cells[0][:40]!r} is none of {', '.join(_TYPES)}")
        kind, values = _TYPES.index(cells[0]), []
        for column, cell in zip(CSV_COLUMNS[1:], cells[1:], strict=True):
            value = whole_number(cell, (name, number, column))
            low, high = _WIDTHS[column] if kind == _CANCEL and column in _NOT_OF_CANCELS else _BOUNDS[column]
            if not low <= value <= high:
                raise BadLineError(name, number, column, f"{value} is not within {low} to {high}")
            values.append(value)
        side, ioc, quantity, sequence, order_id, price_ticks = values
        return kind, side, ioc, quantity, sequence, order_id, price_ticks


@unlocked
def _decode(records, blanks, commands, sequences):
    """Make command rows of the records up to one that is not within _BOUNDS; how many."""
    for place in range(len(records)):
        record = records[place]
        sequence, order_id = np.int64(record.sequence), np.int64(record.order_id)
        price_ticks = np.int64(record.price_ticks)
        is_cancel = record.type == _CANCEL
        if record.type > _MODIFY or record.side > 1 or record.ioc > 1 or sequence < 0:
            return place
        if not 1 <= order_id < READER_ID:
            return place
        if not is_cancel and (record.quantity < 1 or not 1 <= price_ticks <= MAX_TICKS):
            return place
        commands[place] = blanks[_IOC if record.type == _NEW and record.ioc else record.type]
        row = commands[place]
        row.side = SIDE_SELL if record.side else SIDE_BUY
        row.cl_ord_id = order_id
        row.qty_lots = record.quantity
        row.price_ticks = price_ticks
        sequences[place] = sequence
    return len(records)
