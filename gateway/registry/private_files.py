"""Files that only the operator's account can read, from the moment that they exist."""

import os
from pathlib import Path

_OWNERS_ALONE = 0o600


def write_private(path: Path | str, data: bytes) -> None:
    """Write a new file and fsync it. FileExistsError when there is one already, which is not changed."""
    with os.fdopen(_made(path), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(Path(path).parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_private(path: Path | str) -> None:
    """Make an empty file if there is none. SQLite gives the side files of a database the same permissions."""
    if not Path(path).exists():
        os.close(_made(path))


def _made(path: Path | str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNERS_ALONE)
