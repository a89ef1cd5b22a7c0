"""The history on disk: one SQLite file whose rows are compressed, checksummed blobs.

Rows of the history are kept in blocks of `BLOCK_ROWS`, by place: block n has the places from n x BLOCK_ROWS on, behind
the row before them, as a trade's second leg is told with its first. What a block has is noted beside it, so that a
question finds its blocks without reading the others. SQLite makes what belongs together durable in one transaction; the
checksums find what a disk changed afterwards. Everything here can be made again from the journal.
"""

import os
import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zstandard
from google_crc32c import value as crc32c

from engine import disk
from engine.code_values import FLAG_FORCED
from engine.disk import Pace
from gateway.read_model.event_fold import DELIVERY_KIND, FUNDING_KIND, LEG_ROW, ORDER_ROW
from gateway.read_model.row_scans import MASK_BITS, note_blocks, writable
from gateway.read_model.segments import Block
from gateway.registry.errors import SQLITE_FAULTS, in_one_line

BLOCK_ROWS = 512
CACHED_BLOCKS = 32
NOTED_BLOCKS = 8
"""So many blocks are looked through at once when they are written: a millisecond or two."""
FORMAT_VERSION = 1
_SETTLED = 1 << FUNDING_KIND | 1 << DELIVERY_KIND
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE block (n INTEGER PRIMARY KEY, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
    first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, kinds INTEGER NOT NULL, traded INTEGER NOT NULL,
    paid INTEGER NOT NULL, flags INTEGER NOT NULL, content INTEGER NOT NULL, mark INTEGER NOT NULL);
CREATE INDEX settled ON block (n) WHERE kinds & {_SETTLED} != 0;
CREATE INDEX delivered ON block (n) WHERE kinds & {1 << DELIVERY_KIND} != 0;
CREATE INDEX forced ON block (n) WHERE flags & {FLAG_FORCED} != 0;
CREATE TABLE body (n INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE run (number INTEGER PRIMARY KEY, first INTEGER NOT NULL, past INTEGER NOT NULL, level INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE TABLE chunk (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE series (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
PRAGMA user_version = {FORMAT_VERSION};
COMMIT;
"""
"""All or nothing: a crash leaves a file with its tables and its version, or one in which they are made at the start."""
WANTED = {
    "all": "1",
    "settled": f"kinds & {_SETTLED} != 0",
    "delivered": f"kinds & {1 << DELIVERY_KIND} != 0",
    "forced": f"flags & {FLAG_FORCED} != 0",
    "traded": "traded & :mask != 0",
    "paid": "paid & :mask != 0",
}
"""What blocks may be asked for: all, or those with some rows. The first words are those of the indexes above."""
_COMPRESSION_LEVEL = 1
_CHECK = struct.Struct("<I")
_KEY = struct.Struct("<8sqq")
LONGEST_BYTES = 1 << 26
"""What is kept under one key is far shorter."""
_PAGE = 64


class HistoryError(ValueError):
    """The history on disk cannot be read or written; the journal has everything that it had."""


class HistoryDiskError(HistoryError):
    """The disk or another process is in the way; the file itself may be sound."""


class BlockNote(NamedTuple):
    """What a block has: bounds of time and sequence, its kinds of rows, contracts with trades and with payments (as
    bits, see `contracts_mask`), flags of its trades, and the checksum of its rows."""

    n: int
    first_ns: int
    last_ns: int
    first_seq: int
    last_seq: int
    kinds: int
    traded: int
    paid: int
    flags: int
    content: int


def contracts_mask(slots: Any) -> int:
    """Contracts as bits, see `row_scans.MASK_BITS`."""
    mask = 0
    for slot in slots:
        mask |= 1 << slot % MASK_BITS
    return mask


def block_notes(first_block: int, legs: Any) -> list[BlockNote]:
    """The notes of whole blocks of rows; `content` is left 0."""
    rows, count = writable(legs), len(legs) // BLOCK_ROWS
    found = np.empty((count, len(BlockNote._fields) - 2), np.int64)
    note_blocks(rows, rows.view(ORDER_ROW), BLOCK_ROWS, found)
    return [BlockNote._make((first_block + at, *note, 0)) for at, note in enumerate(found.tolist())]


class UnmadeError(HistoryError):
    """The venue has made the file and not yet its tables, so nothing is on disk yet."""


class HistoryFile:
    """One connection to the file. Each thread has its own; one process writes, others may read beside it."""

    def __init__(self, path: Path, is_written: bool = False) -> None:
        """HistoryError when there is no such file and it is not to be written, or when it is of another format."""
        self.path = path
        if is_written and not disk.current().is_there(path):
            disk.current().close(disk.current().open(path, os.O_WRONLY | os.O_CREAT))
        try:
            # A name in this form makes no new file where there is none.
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None,
                                       check_same_thread=False)  # fmt: skip
            self._db.text_factory = bytes  # there is no text, but a damaged blob may say that it is one
            try:
                self._prepare(is_written)
            except BaseException:
                self._db.close()
                raise
        except SQLITE_FAULTS as error:
            told = f"cannot be opened ({in_one_line(error)})"
            raise self._disk_wrong(told) if _is_of_disk(error) else self.wrong(told) from None
        self._compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()
        self._blocks: OrderedDict[int, Block] = OrderedDict()

    def _prepare(self, is_written: bool) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if is_written and version == 0:
            self._db.execute("PRAGMA page_size=16384")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
        elif version == 0:
            raise UnmadeError(f"{self.path}: it is being made")
        elif version != FORMAT_VERSION:
            raise self.wrong(f"it is of format {version}, this version reads format {FORMAT_VERSION}")
        elif is_written:
            self._check_writable()
        self._db.execute("PRAGMA cache_size=-4096")
        self._db.execute("PRAGMA busy_timeout=5000")
        # What a saved read model leaves out must be here after a power failure: every commit is synced.
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(f"PRAGMA query_only={int(not is_written)}")
        self.check_notes()

    def _check_writable(self) -> None:
        """SQLite only reads a file whose header has a higher write version, which looks like a disk in the way.

        The file is not read beside SQLite: to close it again would let go the locks of all its connections here.
        """
        try:
            self._db.execute("DELETE FROM series WHERE 0")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_READONLY and os.access(self.path, os.W_OK):
                raise self.wrong("its header is damaged: it says that nobody may write") from None
            raise

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def wrong(self, what: str) -> HistoryError:
        """An error that says what is wrong with the file, and what to do."""
        return HistoryError(
            f"{self.path}: {what}; stop the venue and delete the file: it is made again from the journal at the start"
        )

    def _disk_wrong(self, what: str) -> HistoryDiskError:
        return HistoryDiskError(f"{self.path}: {what}; see what is wrong with the disk")

    # --- blobs ----------------------------------------------------------------------------------------------------

    def run(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement: what it finds. HistoryError when SQLite finds the file damaged, full or locked."""
        try:
            return self._db.execute(statement, values).fetchall()
        except SQLITE_FAULTS as error:
            told = in_one_line(error)
            raise self._disk_wrong(told) if _is_of_disk(error) else self.wrong(told) from None

    def in_transaction(self, work: Callable[[], None]) -> None:
        """Do all of some writes, durably, or nothing of them."""
        self.run("BEGIN IMMEDIATE")
        try:
            work()
            self.run("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def sealed(self, table: str, key: int, data: Any) -> bytes:
        """Data as it is kept in a table under a key: compressed, behind a checksum of all of it."""
        body = self._compressor.compress(data)
        return _CHECK.pack(crc32c(_KEY.pack(table.encode(), key, len(body)) + body)) + body

    def opened(self, table: str, key: int, kept: bytes | None) -> bytes:
        """The data again. HistoryError when it is not there or not what was written under this key."""
        if kept is None:
            raise self.wrong(f"its {table} {key} is missing")
        body = kept[_CHECK.size :] if isinstance(kept, bytes) else b""  # a flipped bit may make another type of it
        check = _CHECK.pack(crc32c(_KEY.pack(table.encode(), key, len(body)) + body))
        if not isinstance(kept, bytes) or kept[: _CHECK.size] != check:
            raise self.wrong(f"its {table} {key} is damaged")
        try:
            if zstandard.frame_content_size(body) <= LONGEST_BYTES:  # so much memory is about to be taken
                return self._decompressor.decompress(body)
        except zstandard.ZstdError:
            pass
        raise self.wrong(f"its {table} {key} is damaged")

    def blob(self, table: str, key: int) -> bytes:
        """The data under a key of the tables chunk, body and series."""
        name = "n" if table == "body" else "id"
        found = self.run(f"SELECT data FROM {table} WHERE {name} = ?", key)
        return self.opened(table, key, found[0][0] if found else None)

    # --- blocks ---------------------------------------------------------------------------------------------------

    def bounds(self) -> tuple[int, int]:
        """The number of the first block, and the number behind the last one."""
        ((first, last),) = self.run("SELECT (SELECT min(n) FROM block), (SELECT max(n) FROM block)")
        return (0, 0) if last is None else (first, last + 1)

    def note(self, n: int) -> BlockNote | None:
        """What a block has; None when it is not there."""
        found = self.run("SELECT * FROM block WHERE n = ?", n)
        return self._checked(found[0]) if found else None

    def _checked(self, row: tuple[int, ...]) -> BlockNote:
        *note, mark = row
        if mark != _mark_of(tuple(note)):
            raise self.wrong(f"its note of block {note[0]} is damaged")
        return BlockNote(*note)

    def notes(self, first: int, last: int, wanted: str, is_ascending: bool, mask: int = 0) -> Iterator[BlockNote]:
        """The notes of those blocks between two numbers, both included, that have wanted rows."""
        while first <= last:
            direction = "ASC" if is_ascending else "DESC"
            condition = WANTED[wanted].replace(":mask", str(mask))
            found = self.run(
                f"SELECT * FROM block WHERE n BETWEEN ? AND ? AND {condition} ORDER BY n {direction} LIMIT {_PAGE}",
                first, last,
            )  # fmt: skip
            yield from map(self._checked, found)
            if len(found) < _PAGE:
                return
            first, last = (found[-1][0] + 1, last) if is_ascending else (first, found[-1][0] - 1)

    def block(self, n: int) -> Block:
        """A block's rows, behind the row before them. HistoryError when it is missing or damaged."""
        known = self._blocks.get(n)
        if known is None:
            data = self.blob("body", n)
            if len(data) != (BLOCK_ROWS + 1) * LEG_ROW.itemsize:
                raise self.wrong(f"its body {n} is damaged")
            known = Block(BLOCK_ROWS + 1, n * BLOCK_ROWS - 1, np.frombuffer(data, LEG_ROW))
            self._blocks[n] = known
            if len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(n)
        return known

    def check_notes(self) -> None:
        """Compare the indexes of the notes with the notes, which nothing else does: a block that an index leaves out
        would be left out of answers. HistoryError."""
        ((told,), *_) = self.run("PRAGMA integrity_check(block)")
        if told != b"ok":
            raise self.wrong(f"its notes of blocks are damaged ({in_one_line(told.decode(errors='replace'))})")

    def check(self) -> Iterator[int]:
        """Read and check every block and every block of a series: the size of each in bytes. HistoryError.

        Another process may write meanwhile.
        """
        self.check_notes()
        first, past = self.bounds()
        for n in range(first, past):
            found = self.run("SELECT block.*, data FROM block LEFT JOIN body USING (n) WHERE n = ?", n)
            if found:
                *row, data = found[0]
                if crc32c(self.opened("body", n, data)) != self._checked(tuple(row)).content:
                    raise self.wrong(f"its block {n} is not the one that was noted")
                yield len(data)
            elif self.bounds()[0] <= n < self.bounds()[1]:  # neither forgotten meanwhile nor taken back
                raise self.wrong(f"its note of block {n} is missing")
        for (key,) in self.run("SELECT id FROM series"):
            yield len(self.blob("series", key))

    def place_of(self, column: int, value: int, first: int, past: int) -> int:
        """The first block between two whose last time (column 2) or last sequence (4) is not before a value.

        Times and sequences only grow from block to block.
        """
        while first < past:
            middle = (first + past) // 2
            note = self.note(middle)
            if note is None:
                raise self.wrong(f"its note of block {middle} is missing")
            first, past = (first, middle) if note[column] >= value else (middle + 1, past)
        return first

    def add_blocks(self, first_block: int, rows: Any, pace: Pace) -> None:
        """Add blocks; `rows` are theirs behind the row before them. To be called in a transaction."""
        for first in range(0, len(rows) - 1, NOTED_BLOCKS * BLOCK_ROWS):
            part = rows[first : first + NOTED_BLOCKS * BLOCK_ROWS + 1]
            for at, note in enumerate(block_notes(first_block + first // BLOCK_ROWS, part[1:])):
                data = part[at * BLOCK_ROWS : (at + 1) * BLOCK_ROWS + 1].tobytes()
                kept = (*note[:-1], crc32c(data))
                self.run(f"INSERT INTO block VALUES ({','.join('?' * 11)})", *kept, _mark_of(kept))
                self.run("INSERT INTO body VALUES (?, ?)", note.n, self.sealed("body", note.n, data))
                pace()

    def has_same(self, n: int, rows: Any) -> bool:
        """Whether a block has these rows; they come with the row before them."""
        note = self.note(n)
        return note is not None and note.content == crc32c(rows.tobytes())

    def delete_blocks(self, first: int, past: int) -> None:
        """Take blocks away. To be called in a transaction."""
        self.run("DELETE FROM block WHERE n >= ? AND n < ?", first, past)
        self.run("DELETE FROM body WHERE n >= ? AND n < ?", first, past)
        self._blocks.clear()


def _is_of_disk(error: Exception) -> bool:
    """Whether the disk or another process is in the way. An error of the statement, for SQLite, is a damaged file."""
    is_of_statement = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF == sqlite3.SQLITE_ERROR
    return isinstance(error, sqlite3.OperationalError) and not is_of_statement


def _mark_of(note: tuple[Any, ...]) -> int:
    """The checksum of a block's note; -1, which is none, for one that has something else than whole numbers."""
    if any(type(number) is not int for number in note):
        return -1
    return int(crc32c(struct.pack(f"<{len(note)}q", *note)))
