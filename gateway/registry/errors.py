"""What the registry refuses, each in one line."""

import sqlite3
from pathlib import Path

from gateway.wire.plain_text import plain

SQLITE_FAULTS = (sqlite3.Error, UnicodeError)
"""What reading a damaged file raises: SQLite's own errors, and those of a message with bytes of the file in it."""


def in_one_line(error: object) -> str:
    """What SQLite says, which may quote many lines of a damaged file, in one short line."""
    return plain(" ".join(str(error).split()))[:200]


class RegistryError(Exception):
    """A change that the registry refuses: one line that names the field, the value and the remedy."""


class BusyError(RegistryError):
    """The registry cannot be written now: another process writes, or the disk is full."""

    def __init__(self, error: sqlite3.Error) -> None:
        super().__init__(f"the registry cannot be written now ({error}); try again in a moment")


class DamagedError(RegistryError):
    """A file of the data folder that is not as it was written."""

    def __init__(self, path: Path | str, what: str, remedy: str = "") -> None:
        remedy = remedy or "restore the whole data folder from a backup"
        super().__init__(f"{path}: damaged: {in_one_line(what)}; look at the disk, and {remedy}")
