"""The trail as a file, CSV, JSON lines or Parquet, with the same records and the same chain in each."""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from engine import disk
from gateway.audit_trail.columns import COLUMNS, Record
from gateway.audit_trail.hash_chain import CHAIN
from gateway.audit_trail.linked_blocks import Block
from gateway.audit_trail.parquet_columns import GROUP_ROWS, write_parquet
from gateway.registry.errors import in_one_line

FORMATS = ("csv", "jsonl", "parquet")
NAMES = (*COLUMNS, CHAIN)
_MOST_DIGITS = 60
"""No whole number of an export has more; Python itself refuses thousands of them."""
NO_PARQUET = "Parquet needs pyarrow: pip install 'lionrock[parquet]', or choose --format csv or jsonl"


class FileError(ValueError):
    """A file that is not an export, or a format that cannot be written here: one line with the remedy."""


def format_of(path: Path) -> str:
    """The format, by the ending of a file's name."""
    suffix = path.suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise FileError(f"{path}: end the name in .csv, .jsonl or .parquet")
    return suffix


def write(items: Iterable[Record | Block], path: Path, kind: str, pace: disk.Pace | None = None) -> int:
    """Write an export to a temporary file and rename it when it is complete; returns how many records.

    With a pace it is written and synced a piece at a time.
    """
    scratch = path.with_name(path.name + ".part")
    try:
        with open(scratch, "wb", opener=disk.private) as file:
            count = write_to(items, file if pace is None else paced(file, pace), kind)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return count


class _PacedFile:
    """A file that is synced whenever a piece of it was written."""

    def __init__(self, file: IO[bytes], pace: disk.Pace) -> None:
        self._file, self._pace, self._unsynced_bytes = file, pace, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: disk.Bytes) -> int:
        """Write all of it."""
        left = memoryview(data).cast("B")
        while left:
            piece = left[: disk.PIECE_BYTES - self._unsynced_bytes]
            disk.check_room(piece.nbytes)
            self._file.write(piece)
            self._unsynced_bytes += piece.nbytes
            left = left[piece.nbytes :]
            if self._unsynced_bytes == disk.PIECE_BYTES:
                self._file.flush()
                os.fdatasync(self._file.fileno())
                self._unsynced_bytes = 0
                self._pace()
        return memoryview(data).nbytes


def paced(file: IO[bytes], pace: disk.Pace) -> IO[bytes]:
    """A file that is written and synced a piece at a time, with the pace kept after each."""
    return cast(IO[bytes], _PacedFile(file, pace))


def write_to(items: Iterable[Record | Block], file: IO[bytes], kind: str) -> int:
    """Write an export to an open file; returns how many records."""
    if kind == "parquet":
        return write_parquet(items, file, _parquet())
    count = 0
    if kind == "csv":
        file.write(_csv_line(NAMES))
    for item in items:
        if isinstance(item, dict):
            file.write(_csv_record(item) if kind == "csv" else _json_record(item))
            count += 1
        else:
            file.write(item.lines)
            count += len(item.rows)
    return count


def _csv_record(record: Record) -> bytes:
    return _csv_line([record.get(name, "") for name in NAMES])


def _json_record(record: Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"


class _Line:
    """A file object for the csv module that keeps the last line."""

    text = ""

    def write(self, text: str) -> int:
        """Keep a line."""
        self.text = text
        return len(text)


def _csv_line(values: Iterable[Any]) -> bytes:
    line = _Line()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.text.encode()


def _parquet() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise FileError(NO_PARQUET) from None
    return pyarrow


def read(path: Path) -> Iterator[Record]:
    """The records of an export. FileError when the file is not one."""
    kind = format_of(path)
    try:
        if kind == "parquet":
            yield from _read_parquet(path)
        elif kind == "csv":
            yield from _read_csv(path)
        else:
            yield from _read_lines(path)
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: {error.reason} at byte {error.start}") from None


def _read_csv(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        if file.readline() != _csv_line(NAMES):
            raise FileError(f"{path}: the first line does not name the columns of an audit trail")
        for number, line in enumerate(file, 1):
            texts = next(csv.reader([line.decode().removesuffix("\n")]), [])
            given = {name: text for name, text in zip(NAMES, texts, strict=False) if text}
            record = {name: _number(text) if COLUMNS.get(name) is int else text for name, text in given.items()}
            if _csv_record(record) != line:
                raise FileError(f"{path}: record {number} is not as an export writes it")
            yield record


def _number(text: str) -> Any:
    """A whole number, or the text when it is none, so that it is not written back as it was."""
    is_number = text.removeprefix("-").isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else f"{text} is no number"


def _read_lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                raise FileError(f"{path}: record {number} is not JSON") from None
            if not isinstance(record, dict) or not all(_fits(name, record[name]) for name in record):
                raise FileError(f"{path}: record {number} does not have the columns of an audit trail")
            if _json_record(record) != line:
                raise FileError(f"{path}: record {number} is not as an export writes it")
            yield record


def _fits(name: str, value: Any) -> bool:
    return name in NAMES and type(value) is COLUMNS.get(name, str)


def _read_parquet(path: Path) -> Iterator[Record]:
    arrow = _parquet()
    try:
        source = arrow.parquet.ParquetFile(path, page_checksum_verification=True)
        if tuple(source.schema_arrow.names) != NAMES:
            raise FileError(f"{path}: not the columns of an audit trail")
        for batch in source.iter_batches(GROUP_ROWS):
            for row in batch.to_pylist():
                yield {name: value for name, value in row.items() if value is not None}
    except (arrow.ArrowException, OSError) as error:
        raise FileError(f"{path}: {in_one_line(error)}") from None
