"""Who may write: the lock of a journal's folder, held by its one writer."""

import fcntl
import os
import time
from pathlib import Path

from engine import disk
from engine.journal.format import JournalError

LOCK = "lock"
"""The file in a journal's folder that its writer locks."""
LOOK_SECONDS = 0.01
"""A writer tries again after so long: whoever looks at the lock with `is_written` holds it for a moment."""


def is_written(directory: Path) -> bool:
    """Whether a process holds the folder's lock, as it writes the journal."""
    try:
        with (directory / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


class Lock:
    """One writer to a folder: held until `release`, by this process alone. JournalError when another holds it."""

    def __init__(self, directory: Path) -> None:
        self._file = open(directory / LOCK, "a+", opener=disk.private)  # noqa: SIM115 - held until close
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(LOOK_SECONDS)
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise JournalError(f"{directory}: in use by process {owner}; stop it first") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another process write."""
        self._file.close()
