"""The files of one export: written under temporary names, and given theirs together once all of them are whole.

Beside each lies `NAME.CHECKSUM` with its SHA-256, as `sha256sum --check` reads it.
"""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from engine import disk

CHECKSUM = ".CHECKSUM"


class ExportError(ValueError):
    """An export that cannot be made; one line that says what to do."""


Wrap = Callable[[IO[bytes]], IO[bytes]]
"""What is put around each file that is written, such as one that keeps a pace."""
Opener = Callable[[str, int], int]


def _bare(file: IO[bytes]) -> IO[bytes]:
    return file


class FileSet:
    """Opens files in a folder, each in its `wrap`; `commit` names them, `abandon` leaves the folder as it was.

    An `opener`, as `open` has it, says who may read them; else the umask does.
    """

    def __init__(self, folder: Path, opener: Opener | None = None) -> None:
        self.folder, self._opener = folder, opener
        self.wrap: Wrap = _bare
        self.names: list[str] = []
        self._open: list[IO[bytes]] = []
        self._made = [place for place in (folder, *folder.parents) if not place.exists()]
        if folder.exists() and not folder.is_dir():
            raise ExportError(f"{folder}: not a folder; name a folder, which is made if it is missing")
        folder.mkdir(parents=True, exist_ok=True)

    def open(self, name: str) -> IO[bytes]:
        """A new file to write. ExportError when the folder has one of that name."""
        if name in self.names:
            raise ExportError(f"{name}: two contracts would have this file; name them apart with --contract")
        for taken in (name, name + CHECKSUM):
            if (self.folder / taken).exists():
                raise ExportError(f"{self.folder / taken}: is there already; name another folder or remove it")
        file = open(self.scratch(name), "wb", opener=self._opener)  # noqa: SIM115
        self.names.append(name)
        self._open.append(file)
        return self.wrap(file)

    def spool(self) -> IO[bytes]:
        """A file without a name, for what has to wait; it is gone once it is closed."""
        return self.wrap(tempfile.TemporaryFile(dir=self.folder))

    def scratch(self, name: str) -> Path:
        """Where a file lies until all are whole."""
        return self.folder / f".{name}{disk.TEMPORARY}"

    def close(self) -> None:
        """Close the files that are open: they are written to their end, and a process may have only so many."""
        for file in self._open:
            file.close()
        self._open = []

    def commit(self) -> None:
        """Close all files, write their checksums, and give all of them their names."""
        self.close()
        for name in self.names:
            with self.scratch(name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            with open(self.scratch(name + CHECKSUM), "wb", opener=self._opener) as file:
                file.write(f"{digest}  {name}\n".encode())
        for written in self._written():
            self.scratch(written).rename(self.folder / written)

    def abandon(self) -> None:
        """Remove what was written, and the folder if it is new."""
        self.close()
        for written in self._written():
            self.scratch(written).unlink(missing_ok=True)
        for place in self._made:
            if not any(place.iterdir()):
                place.rmdir()

    def _written(self) -> list[str]:
        """The names of all files, and of their checksums."""
        return [name + end for name in self.names for end in ("", CHECKSUM)]

    def size_bytes(self) -> int:
        """How long all files are together, once they have their names."""
        return sum((self.folder / name).stat().st_size for name in self.names)
