"""Copies of the files beside the leader's journal, put together from the pages that its messages bring.

A copy lies in the data folder as NAME.copy. What it becomes, the registry for example, is written from it as a whole.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from blake3 import blake3

from engine import disk
from gateway.cluster.messages import SideMessage

BUSY_MS = 5000
"""How long a file that another process writes at this moment is waited for."""


class SideError(Exception):
    """A copy is not what the leader has: one line."""


class SideCopy:
    """One file's copy. `take` gets its messages in order, and may get some of them again."""

    def __init__(self, path: Path, whole: Callable[[Path], None]) -> None:
        """`whole` is called with the copy each time that it is another whole version."""
        self.path = path
        self._whole = whole
        self._parts: list[SideMessage] = []
        self.version = 0
        """The version that the copy has; 0 for none since this was made."""

    def take(self, message: SideMessage) -> None:
        """Take one message. SideError when the copy is not the leader's file once all parts of a version are in it."""
        if message.part == 0:
            self._parts = []
        before = self._parts[-1] if self._parts else None
        follows = message.part == len(self._parts) and (
            before is None or (before.author, before.version) == (message.author, message.version)
        )
        if not follows:
            self._parts = []  # its first part was before the place from which the stream is read
            return
        self._parts.append(message)
        if len(self._parts) == message.parts:
            parts, self._parts = self._parts, []
            self._write(parts)

    def _write(self, parts: list[SideMessage]) -> None:
        last, using = parts[-1], disk.current()
        disk.make_empty(self.path)
        descriptor = using.open(self.path, os.O_RDWR)
        try:
            for message in parts:
                for number, page in message.pages.items():
                    disk.write_all(descriptor, [page], number * message.page_bytes)
            using.truncate(descriptor, last.file_bytes)
            using.sync(descriptor)
        finally:
            using.close(descriptor)
        if blake3(self.path.read_bytes()).digest() != last.digest:
            raise SideError(
                f"{self.path}: version {last.version} of {last.name} is not what {last.node} has; remove the data "
                "folder and begin the standby anew, from a backup or from the stream's beginning"
            )
        self.version = last.version
        self._whole(self.path)


def into_database(copy: Path, path: Path) -> None:
    """Have an SQLite file say what a copy says, in one transaction, whoever has it open. sqlite3.Error."""
    disk.make_empty(path)
    reading = f"{copy.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(reading, uri=True)) as source, closing(sqlite3.connect(path)) as target:
        target.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        source.backup(target)
