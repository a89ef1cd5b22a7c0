"""Checksums of the rows of a database: what a disk or another program has changed is found before it is used.

Rows are hashed in chunks of 64 neighbours by their rowid. Triggers note which chunks a transaction writes, whoever
writes, and `note` hashes those anew before it is committed: a program that writes without it leaves its chunks noted.
The chunks are in the table `checks`: BLAKE3 over the rows, and CRC-32 of each row, which tells which one differs.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
from blake3 import blake3

from gateway.registry.errors import SQLITE_FAULTS

CHUNK_BITS = 6
TABLES = """
CREATE TABLE IF NOT EXISTS checks (
    name TEXT NOT NULL, chunk INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (name, chunk)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unchecked (
    name TEXT NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (name, chunk)) STRICT, WITHOUT ROWID
"""
_OWN = ("checks", "unchecked")
_SCHEMA = "sqlite_schema"
"""In `checks` the name of the definitions of all tables, indices and triggers."""
_HASH_BYTES, _CRC_BYTES = 16, 4
_encode = msgspec.msgpack.Encoder().encode
Rows = Sequence[tuple[Any, ...]]


def table_names(db: sqlite3.Connection) -> list[str]:
    """The tables whose rows are checked: all of the file."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in db.execute(query) if name not in _OWN]


def is_installed(db: sqlite3.Connection) -> bool:
    """Whether the file has checksums."""
    return db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'checks'").fetchone() is not None


def chunks(db: sqlite3.Connection, name: str) -> int:
    """How many chunks a table has."""
    return int(db.execute("SELECT count(*) FROM checks WHERE name = ?", (name,)).fetchone()[0])


def install(db: sqlite3.Connection) -> None:
    """Check every table of the file from now on, inside the caller's transaction; all chunks are hashed anew."""
    for statement in TABLES.split(";"):
        db.execute(statement)
    db.execute("DELETE FROM checks")
    for name in table_names(db):
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")):
            # Not INSERT OR IGNORE: how the statement that fires a trigger treats conflicts counts inside it too.
            chunk = f"{row}.rowid >> {CHUNK_BITS}"
            db.execute(
                f"CREATE TRIGGER IF NOT EXISTS {name}_{event.lower()}_{row.lower()} AFTER {event} ON {name} BEGIN "
                f"INSERT INTO unchecked SELECT '{name}', {chunk} WHERE NOT EXISTS "
                f"(SELECT 1 FROM unchecked WHERE name = '{name}' AND chunk = {chunk}); END"
            )
        db.execute(f"INSERT OR IGNORE INTO unchecked SELECT DISTINCT '{name}', rowid >> {CHUNK_BITS} FROM {name}")
    _keep(db, _SCHEMA, 0, _definitions(db))
    note(db)


def note(db: sqlite3.Connection) -> None:
    """Hash the chunks that this transaction has written; the last thing before it is committed."""
    written = db.execute("SELECT name, chunk FROM unchecked").fetchall()
    for name, chunk in written:
        _keep(db, name, chunk, _rows(db, name, chunk))
    if written:
        db.execute("DELETE FROM unchecked")


def _keep(db: sqlite3.Connection, name: str, chunk: int, rows: Rows) -> None:
    if rows:
        db.execute("INSERT OR REPLACE INTO checks VALUES (?, ?, ?)", (name, chunk, _digest(rows)))
    else:
        db.execute("DELETE FROM checks WHERE name = ? AND chunk = ?", (name, chunk))


def _rows(db: sqlite3.Connection, name: str, chunk: int) -> Rows:
    query = f"SELECT rowid, * FROM {name} WHERE rowid >= ? AND rowid < ? ORDER BY rowid"
    return db.execute(query, (chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS)).fetchall()


def _definitions(db: sqlite3.Connection) -> Rows:
    query = "SELECT name, type, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    return db.execute(query).fetchall()


def _digest(rows: Rows) -> bytes:
    return _hash(rows) + b"".join(_crc(row) for row in rows)


def _hash(rows: Rows) -> bytes:
    return blake3(_encode(rows)).digest(_HASH_BYTES)


def _crc(row: tuple[Any, ...]) -> bytes:
    return crc32(_encode(row)).to_bytes(_CRC_BYTES)


# --- looking ------------------------------------------------------------------------------------------------------


def damage(db: sqlite3.Connection, path: Path | str, newest: Iterable[str] = (), newest_chunks: int = 0) -> str:
    """What of the file is not as it was written, in a few words; empty when all of it is.

    Of the tables `newest` only that many of their last chunks are looked at, and not their indices: see `rest`.
    """
    newest = set(newest)
    begun_here = not db.in_transaction
    if begun_here:
        db.execute("BEGIN")
    try:
        names = table_names(db)
        indices = _Indices(path, [name for name in names if name not in newest])
        try:
            found = _altered(db) or _first(_table(db, name, newest_chunks if name in newest else 0) for name in names)
        finally:
            indices.join()
        return found or indices.found
    except SQLITE_FAULTS as error:
        return str(error)
    finally:
        if begun_here:
            db.execute("ROLLBACK")


def rest(path: Path | str, names: Iterable[str], is_over: threading.Event, pause_seconds: float) -> str:
    """Look at whole tables and their indices in a connection of its own, with a pause after each few chunks.

    Answers as `damage` does; empty too when `is_over` was set before the end. For a thread beside trading.
    """
    db = sqlite3.connect(path, isolation_level=None)
    try:
        for name in names:
            query = "SELECT chunk FROM checks WHERE name = ? ORDER BY chunk"
            for place, (chunk,) in enumerate(db.execute(query, (name,)).fetchall()):
                if place % 16 == 0 and is_over.wait(pause_seconds):
                    return ""
                db.execute("BEGIN")
                found = _chunk(db, name, chunk)
                db.execute("COMMIT")
                if found:
                    return found
            found = _of_indices(db, name)
            if found:
                return found
        return ""
    except SQLITE_FAULTS as error:
        return str(error)
    finally:
        db.close()


def _first(found: Iterable[str]) -> str:
    return next((text for text in found if text), "")


def _altered(db: sqlite3.Connection) -> str:
    """What the file itself says of its definitions, and of chunks that another program has written."""
    expected = db.execute("SELECT digest FROM checks WHERE name = ?", (_SCHEMA,)).fetchone()
    if expected is None or expected[0] != _digest(_definitions(db)):
        return "the definitions of its tables are not as they were written"
    for name, chunk in db.execute("SELECT name, chunk FROM unchecked ORDER BY name, chunk"):
        first, last = chunk << CHUNK_BITS, ((chunk + 1) << CHUNK_BITS) - 1
        return f"table {name}: another program has changed rows {first} to {last}"
    return _first(_sequence(db, name, last) for name, last in _last_numbers(db))


def _last_numbers(db: sqlite3.Connection) -> list[tuple[str, int]]:
    is_kept = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone()
    return db.execute("SELECT name, seq FROM sqlite_sequence").fetchall() if is_kept else []


def _sequence(db: sqlite3.Connection, name: str, last: int) -> str:
    """Rows are never deleted where numbers count on, so the last number is that of the last row."""
    if name not in table_names(db):
        return f"table sqlite_sequence: it names {name!r}"
    highest = db.execute(f"SELECT coalesce(max(rowid), 0) FROM {name}").fetchone()[0]
    return "" if last in (highest, 0) else f"table sqlite_sequence: {name} ends at {highest}, it says {last}"


def _table(db: sqlite3.Connection, name: str, newest_chunks: int) -> str:
    """The first chunk of a table that is not as it was written, or that there are rows of no chunk."""
    query = "SELECT chunk, digest FROM checks WHERE name = ? ORDER BY chunk DESC LIMIT ?"
    kept = db.execute(query, (name, newest_chunks or -1)).fetchall()
    for chunk, digest in kept:
        if _is_other(db, name, chunk, digest):
            return _row(db, name, chunk, digest)
    rows = sum((len(digest) - _HASH_BYTES) // _CRC_BYTES for _, digest in kept)
    counted = f"SELECT count(*) FROM {name} NOT INDEXED"
    if newest_chunks:
        counted += f" WHERE rowid >= {min((chunk for chunk, _ in kept), default=0) << CHUNK_BITS}"
    there = db.execute(counted).fetchone()[0]
    return "" if there == rows else f"table {name}: {there} rows, {rows} were written"


def _chunk(db: sqlite3.Connection, name: str, chunk: int) -> str:
    """What is wrong with a chunk as it is now; one that has no rows any more is right."""
    kept = db.execute("SELECT digest FROM checks WHERE name = ? AND chunk = ?", (name, chunk)).fetchone()
    return "" if kept is None or not _is_other(db, name, chunk, kept[0]) else _row(db, name, chunk, kept[0])


def _is_other(db: sqlite3.Connection, name: str, chunk: int, digest: bytes) -> bool:
    try:
        return _hash(_rows(db, name, chunk)) != digest[:_HASH_BYTES]
    except SQLITE_FAULTS:  # a text that is no UTF-8 any more
        return True


def _row(db: sqlite3.Connection, name: str, chunk: int, digest: bytes) -> str:
    """Which row of a chunk differs from what was written, as far as can be told."""
    crcs = [digest[at : at + _CRC_BYTES] for at in range(_HASH_BYTES, len(digest), _CRC_BYTES)]
    first, end = chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS
    numbers = [number for (number,) in db.execute(f"SELECT rowid FROM {name} WHERE rowid >= ? AND rowid < ?",
                                                  (first, end))]  # fmt: skip
    if len(numbers) != len(crcs):
        return f"table {name}: rows {first} to {end - 1} are {len(numbers)}, {len(crcs)} were written"
    for number, crc in zip(sorted(numbers), crcs, strict=True):
        try:
            [row] = db.execute(f"SELECT rowid, * FROM {name} WHERE rowid = ?", (number,)).fetchall()
        except (sqlite3.Error, ValueError):
            return f"table {name}: row {number} is not as it was written"
        if _crc(row) != crc:
            return f"table {name}: row {number} is not as it was written"
    return f"table {name}: the checksum of rows {first} to {end - 1} is not as it was written"


# --- indices ------------------------------------------------------------------------------------------------------


class _Indices(threading.Thread):
    """Compares indices with their tables in a connection of its own, while rows are hashed: SQLite alone is at work."""

    def __init__(self, path: Path | str, names: list[str]) -> None:
        super().__init__(daemon=True)
        self._path, self._names = path, names
        self.found = ""
        self.start()

    def run(self) -> None:
        """Look at each table; the first that is wrong ends it."""
        try:
            db = sqlite3.connect(self._path)
        except SQLITE_FAULTS as error:
            self.found = str(error)
            return
        try:
            self.found = _first(_of_indices(db, name) for name in (*self._names, *_OWN))
        except SQLITE_FAULTS as error:
            self.found = str(error)
        finally:
            db.close()


def _of_indices(db: sqlite3.Connection, name: str) -> str:
    [told] = _told(db, name)
    return "" if told == "ok" else f"table {name}: {told}"


def _told(db: sqlite3.Connection, name: str) -> Iterator[str]:
    """The first line of SQLite's own check of a table, its indices and the order of its pages."""
    for (text,) in db.execute(f"PRAGMA integrity_check({name})").fetchmany(1):
        yield str(text)
