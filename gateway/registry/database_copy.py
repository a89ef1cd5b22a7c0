"""A copy of an SQLite file of a data folder as it is at one moment, beside a process that writes it or without one."""

import contextlib
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from engine import disk
from gateway.registry import write_ahead_log
from gateway.registry.errors import DamagedError

_TRIES = 100
_REMEDY = "restore the data folder from a backup"


def copy_database(path: Path, copy: Path) -> None:
    """Copy all that is committed into one new file, for its owner alone, without a trace in the folder.

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
                source.backup(target)
        else:
            shutil.copyfile(path, copy)
            if _is_open(path):  # a process opened it meanwhile, and may have written
                continue
        with closing(sqlite3.connect(copy)) as target:
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _sync(copy)
        return
    raise sqlite3.OperationalError(f"{path}: it is opened and closed all the time; try again")


def _is_open(path: Path) -> bool:
    return any(path.with_name(path.name + suffix).exists() for suffix in ("-shm", "-wal"))


def _sync(path: Path) -> None:
    using = disk.SystemDisk()
    descriptor = using.open(path, os.O_RDWR)
    with contextlib.closing(os.fdopen(descriptor, "r+b")):
        using.sync(descriptor)
