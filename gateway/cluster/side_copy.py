"""Copies of the files beside the leader's journal, put together from the pages that its messages bring.

A copy lies in the data folder as NAME.copy. What it becomes, the registry for example, is written from it as a whole.
Which version it is stands in a file beside it: after a restart some messages come again, and pages of an older version
would spoil a newer one.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
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
        self._note = _note_of(path)
        self._parts: list[SideMessage] = []
        self.version = (0, 0)
        """The epoch and the version of what the copy has; (0, 0) without any."""
        self.is_held = False
        """Whether `whole` waits until `release`: the data folder may be another venue's, whose file would be lost."""
        self._is_due = False
        if disk.current().is_there(self._note):
            *version, self._is_due = msgspec.msgpack.decode(disk.read(self._note), type=tuple[int, int, bool])
            self.version = version[0], version[1]

    @property
    def is_whole(self) -> bool:
        """Whether there is a copy."""
        return self.version > (0, 0)

    @property
    def is_partial(self) -> bool:
        """Whether some parts of a version are here, and the others are still to come."""
        return bool(self._parts)

    def forget_parts(self) -> None:
        """Another node leads: the rest of what is here in parts never comes."""
        self._parts = []

    def take(self, message: SideMessage) -> None:
        """Take one message. SideError when it does not follow, or the copy is not the leader's file once it is whole.

        Changes of a file that was never here as a whole are passed over: version 1 of a later process brings all of it.
        """
        version = (message.epoch, message.version)
        if version <= self.version or not (self.is_whole or message.version == 1):
            return
        if message.part == 0:
            self._parts = []
        before = (self._parts[-1].epoch, self._parts[-1].version) if self._parts else version
        if message.part != len(self._parts) or before != version:
            self._parts = []  # its first part was before the place from which the stream is read
            return
        if message.version > 1 and self.version != (message.epoch, message.version - 1):
            raise self._wrong(message, f"does not follow version {self.version[1]} of epoch {self.version[0]}")
        self._parts.append(message)
        if len(self._parts) == message.parts:
            parts, self._parts = self._parts, []
            self._write(parts)
            self.version, self._is_due = version, True
            self._pass_on()

    def release(self) -> None:
        """The data folder is of this venue: pass on what was held, and from now on each version as it comes."""
        if self.is_held:
            self.is_held = False
            if self._is_due:
                self._pass_on()

    def _pass_on(self) -> None:
        if not self.is_held:
            self._whole(self.path)
            self._is_due = False
        disk.write_atomically(self._note, [msgspec.msgpack.encode((*self.version, self._is_due))])

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
            raise self._wrong(last, f"is not what {last.node} has")

    def _wrong(self, message: SideMessage, why: str) -> SideError:
        return SideError(
            f"{self.path}: version {message.version} of {message.name}, epoch {message.epoch}, {why}; keep this data "
            "folder aside and begin the standby anew with an empty one, or with a restored backup"
        )


def note_version(copy: Path, version: tuple[int, int]) -> None:
    """Note of which epoch and version a copy is that came whole in another way. Its database is still to be written."""
    disk.write_atomically(_note_of(copy), [msgspec.msgpack.encode((*version, True))])


def _note_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.version")


def into_database(copy: Path, path: Path) -> None:
    """Have an SQLite file say what a copy says, in one transaction, whoever has it open. sqlite3.Error."""
    disk.make_empty(path)
    reading = f"{copy.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(reading, uri=True)) as source, closing(sqlite3.connect(path)) as target:
        target.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        source.backup(target)
