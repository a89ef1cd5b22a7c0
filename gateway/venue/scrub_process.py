"""The process that checks what nobody reads any more, behind all others: the one list of what is checked.

`python -m gateway.venue.scrub_process DATA RATE [PART...]` reads RATE bytes a second of a data folder: old segments,
archives and snapshots, the history on disk, the registry; or the named parts alone. It prints a JSON object a line:
`{"part": ..., "fault": ...}` for each thing that is damaged, and `{"checked_bytes": ...}` when it has come to the end.
"""

import contextlib
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine import disk, host
from gateway.config import Config
from gateway.read_model.account_index import AccountIndex
from gateway.read_model.history_file import HistoryError, HistoryFile, UnmadeError
from gateway.registry import row_checks
from gateway.registry.errors import DamagedError
from gateway.venue.beside_venue import end_with, give_way, tell

MAX_FAULTS = 100
"""So many are told at most: they are read at the end, from a pipe."""
PIECE_BYTES = 1 << 20
"""It sleeps after so much."""
REGISTRY_PAUSE_SECONDS = 0.02
PARTS = JOURNAL, HISTORY, REGISTRY = "journal", "history", "registry"
Paced = Callable[[int], None]
"""Takes how many bytes were read, and waits when that goes too fast."""


class Fault(NamedTuple):
    """What is damaged, in one line, and which part of the data folder it belongs to."""

    part: str
    text: str


def faults(data: Path, pace: Paced, parts: tuple[str, ...] = PARTS) -> Iterator[Fault]:
    """Check these parts once. OSError and the like when the disk cannot even be read."""
    config = Config(data=str(data))
    for part, found in (
        (REGISTRY, _of_registry(config.registry, pace)),
        (HISTORY, _of_history(config.history, pace)),
        (JOURNAL, host.scrub_faults(config.journal, pace)),
    ):
        for text in found if part in parts else ():
            yield Fault(part, text)


def _of_history(path: Path, pace: Paced) -> Iterator[str]:
    if not path.exists():
        return
    disk.drop_cached(path)
    try:
        file = HistoryFile(path)
    except UnmadeError:
        return
    except HistoryError as error:
        yield str(error)
        return
    try:
        for sizes in (file.check(), AccountIndex(file).check()):
            try:
                for size_bytes in sizes:
                    pace(size_bytes)
            except HistoryError as error:
                yield str(error)
    finally:
        file.close()


def _of_registry(path: Path, pace: Paced) -> Iterator[str]:
    if not path.exists():
        return
    disk.drop_cached(path)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            names = row_checks.table_names(db)
    except row_checks.SQLITE_FAULTS as error:
        yield str(DamagedError(path, str(error)))
        return
    found = row_checks.rest(path, names, threading.Event(), REGISTRY_PAUSE_SECONDS)
    if found:
        yield str(DamagedError(path, found))
    pace(path.stat().st_size)


class Pace:
    """Keeps reading at so many bytes a second."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._owed = 0
        self.checked_bytes = 0

    def __call__(self, size_bytes: int) -> None:
        """So much was read."""
        self.checked_bytes += size_bytes
        self._owed += size_bytes
        if self._owed >= PIECE_BYTES:
            time.sleep(self._owed / self._bytes_per_s)
            self._owed = 0


def main(data: str, bytes_per_s: str, *parts: str) -> None:
    """Check everything, or these parts, once."""
    end_with(sys.stdin.buffer)
    give_way()
    pace = Pace(int(bytes_per_s))
    for number, fault in enumerate(faults(Path(data), pace, parts or PARTS)):
        if number < MAX_FAULTS:
            tell({"part": fault.part, "fault": fault.text})
    tell({"checked_bytes": pace.checked_bytes})


if __name__ == "__main__":
    main(*sys.argv[1:])
