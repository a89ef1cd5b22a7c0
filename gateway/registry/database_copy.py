"""A copy of an SQLite file of a data folder as it is at one moment, beside a process that writes it or without one."""

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from engine import disk
from gateway.registry import write_ahead_log
from gateway.registry.errors import DamagedError

_TRIES = 100
_PIECE_PAGES = 256
"""So many pages are copied at a time: SQLite's pages have 4 KiB unless somebody has decided otherwise."""
_REMEDY = "restore the data folder from a backup"


def copy_database(path: Path, copy: Path, pace: disk.Pace | None = None) -> None:
    """Copy all that is committed into one new file, for its owner alone, without a trace in the folder.

    With a pace it is written and synced a piece at a time.

    SQLite, asked to read alone, would leave files of ours beside the original. Where its shared memory is, a process
    has it open or has crashed: SQLite reads it then, with what is there already. DamagedError when the write-ahead log
    is not as it was written; sqlite3.Error.
    """
    for _ in range(_TRIES):
        fault = write_ahead_log.damage(path)
        if fault:
            raise DamagedError(path.with_name(path.name + "-wal"), fault, _REMEDY)
        for suffix in ("", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
        disk.make_empty(copy)
        if _is_open(path):
            reading = f"{path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(reading, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
                _copy_open(source, target, copy, pace)
        else:
            _copy_closed(path, copy, pace)
            if _is_open(path):  # a process opened it meanwhile, and may have written
                continue
        with closing(sqlite3.connect(copy)) as target:
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _sync(copy)
        return
    raise sqlite3.OperationalError(f"{path}: it is opened and closed all the time; try again")


def _copy_open(source: sqlite3.Connection, target: sqlite3.Connection, copy: Path, pace: disk.Pace | None) -> None:
    """Copy what is committed now. One read transaction holds it: without that a commit would begin the copy anew."""
    (page_bytes,) = source.execute("PRAGMA page_size").fetchone()
    target.execute(f"PRAGMA cache_size={_PIECE_PAGES}")
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()
    using = disk.SystemDisk()
    descriptor = using.open(copy, os.O_RDONLY)  # closed last: that lets go the locks that SQLite has on the file

    def step(status: int, remaining: int, total: int) -> None:
        disk.check_room(min(remaining, _PIECE_PAGES) * page_bytes)
        if pace is not None:
            using.sync(descriptor)
            pace()

    try:
        source.backup(target, pages=_PIECE_PAGES, progress=step)
    finally:
        using.close(descriptor)


def _copy_closed(path: Path, copy: Path, pace: disk.Pace | None) -> None:
    using = disk.SystemDisk()
    with path.open("rb") as source, copy.open("r+b", buffering=0) as target:
        while piece := source.read(disk.PIECE_BYTES):
            disk.check_room(len(piece))
            target.write(piece)
            if pace is not None:
                using.sync(target.fileno())
                pace()


def _is_open(path: Path) -> bool:
    return any(path.with_name(path.name + suffix).exists() for suffix in ("-shm", "-wal"))


def _sync(path: Path) -> None:
    using = disk.SystemDisk()
    descriptor = using.open(path, os.O_RDWR)
    with contextlib.closing(os.fdopen(descriptor, "r+b")):
        using.sync(descriptor)
