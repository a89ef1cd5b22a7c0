"""The trail in Parquet: rows and records of their own gathered to columns, a group of rows at a time."""

from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from engine.units import INT64_MAX
from gateway.audit_trail.columns import COLUMNS, Record
from gateway.audit_trail.hash_chain import CHAIN
from gateway.audit_trail.linked_blocks import Block
from gateway.audit_trail.row_writer import HASH_BYTES, HEX_BYTES, as_words
from gateway.audit_trail.trail_rows import (
    COLUMN,
    DIGEST_AT,
    DIGEST_WORDS,
    FIRST_COLUMN,
    HAS_DIGEST,
    NAMES,
    NO_SHAPE,
    TOLD,
    WORDS,
    word_text,
)

GROUP_ROWS = 1 << 14
_WORDS = DIGEST_AT + DIGEST_WORDS
"""How many words of a row are kept."""
_DIGEST = COLUMN["digest"]


def schema_of(arrow: Any) -> Any:
    """The columns of an export."""
    return arrow.schema([*((name, _type_of(arrow, name)) for name in NAMES), (CHAIN, arrow.string())])


def _type_of(arrow: Any, name: str) -> Any:
    return arrow.int64() if COLUMNS[name] is int else arrow.string()


def write_parquet(items: Iterable[Record | Block], file: IO[bytes], arrow: Any) -> int:
    """Write an export to an open file; returns how many records."""
    schema, count = schema_of(arrow), 0
    texts = [name for name in NAMES if COLUMNS[name] is str]  # few numbers come again often enough for a dictionary
    options = {"compression": "zstd", "write_page_checksum": True, "use_dictionary": texts}
    with arrow.parquet.ParquetWriter(file, schema, **options) as writer:
        group = _Group()
        for item in items:
            rest: Record | Block | None = item
            while rest is not None:
                rest = group.add(rest)
                if group.used == GROUP_ROWS:
                    writer.write_table(group.table(arrow, schema))
                    count += group.used
                    group.clear()
        writer.write_table(group.table(arrow, schema))
    return count + group.used


class _Group:
    """Records that become a group of rows of the file."""

    def __init__(self) -> None:
        self._columns = np.empty((_WORDS, GROUP_ROWS), np.int64)
        self._has = np.zeros((len(NAMES), GROUP_ROWS), np.bool_)
        self._hashes = np.empty((GROUP_ROWS, HASH_BYTES), np.uint8)
        self._texts: list[str] = []
        self.used = 0

    def clear(self) -> None:
        """Begin the next group."""
        self.used = 0
        self._texts = []
        self._has[:] = False

    def add(self, item: Record | Block) -> Block | None:
        """Add a record, or of a block what fits; returns the rest."""
        if isinstance(item, dict):
            self._add_record(item)
            return None
        size = min(len(item.rows), GROUP_ROWS - self.used)
        place = slice(self.used, self.used + size)
        self._columns[:, place] = as_words(item.rows[:size])[:, :_WORDS].T
        self._hashes[place] = np.frombuffer(item.hashes, np.uint8, size * HASH_BYTES).reshape(size, HASH_BYTES)
        self.used += size
        return None if size == len(item.rows) else item.behind(size)

    def _mark(self) -> None:
        """Note which columns the rows have, and take the texts of digests."""
        columns = self._columns[:, : self.used]
        for shape, told in TOLD.items():
            at = np.flatnonzero(columns[1] == shape)
            present = columns[0, at]
            for bits in np.unique(present).tolist():
                rows = at[present == bits]
                for bit, name in told:
                    if bits & bit:
                        self._has[COLUMN[name], rows] = True
        for row in np.flatnonzero(columns[0] & HAS_DIGEST).tolist():
            digest = columns[DIGEST_AT : DIGEST_AT + DIGEST_WORDS, row].tobytes().hex()
            columns[FIRST_COLUMN + _DIGEST, row] = self._word(digest)

    def _word(self, text: str) -> int:
        self._texts.append(text)
        return len(WORDS) + len(self._texts) - 1

    def _add_record(self, record: Record) -> None:
        self._columns[:FIRST_COLUMN, self.used] = 0, NO_SHAPE
        for name, value in record.items():
            if name != CHAIN:
                column = COLUMN[name]
                self._has[column, self.used] = True
                self._columns[FIRST_COLUMN + column, self.used] = self._number(record, name, value)
        self._hashes[self.used] = np.frombuffer(bytes.fromhex(record[CHAIN]), np.uint8)
        self.used += 1

    def _number(self, record: Record, name: str, value: Any) -> int:
        """What stands for a value in the row. ValueError when the column cannot hold it."""
        if COLUMNS[name] is str:
            return self._word(value)
        if not -INT64_MAX - 1 <= value <= INT64_MAX:
            raise ValueError(
                f"record {record['number']}: {name} is {value}, and Parquet's integers end at {INT64_MAX}; "
                "choose --format csv or jsonl"
            )
        return int(value)

    def table(self, arrow: Any, schema: Any) -> Any:
        """The group as columns."""
        self._mark()
        columns = [self._column(arrow, name) for name in NAMES]
        data = self._hashes[: self.used].tobytes().hex().encode()
        offsets = np.arange(self.used + 1, dtype=np.int32) * HEX_BYTES
        chain = arrow.StringArray.from_buffers(self.used, arrow.py_buffer(offsets), arrow.py_buffer(data))
        return arrow.Table.from_arrays([*columns, chain], schema=schema)

    def _column(self, arrow: Any, name: str) -> Any:
        column = COLUMN[name]
        lacks = ~self._has[column, : self.used]
        if lacks.all():
            return arrow.nulls(self.used, _type_of(arrow, name))
        values = self._columns[FIRST_COLUMN + column, : self.used]
        if COLUMNS[name] is int:
            return arrow.array(values, arrow.int64(), mask=lacks)
        words, texts = [*WORDS, *self._texts], np.where(lacks, 0, values)
        numbers = np.unique(texts[texts >= len(words)])
        texts = np.where(texts >= len(words), len(words) + np.searchsorted(numbers, texts), texts)
        words += map(word_text, numbers.tolist())
        return arrow.array(words, arrow.string()).take(arrow.array(texts, mask=lacks))
