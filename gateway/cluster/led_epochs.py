"""Which epochs a data folder has led in: whose records its journal may have that the stream has not.

A node's name may change, or be another folder's tomorrow. Who wrote a message is known for certain by its epoch and the
name that its writer had then: no two writers share both. So each epoch that a folder leads in is noted there, ahead of
the first record of that epoch in its journal. Once the journal is one with the stream, as another node leads, the list
is emptied: from then on all that comes into the journal comes from the stream.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine import disk
from gateway.cluster.messages import Author

FILE = "led.epochs"
KEPT = 16
"""Older ones are forgotten: each start that writes an epoch adds one, and only the last one with records matters."""


class LedEpoch(msgspec.Struct, frozen=True):
    """An epoch that was, or was to be, begun by this folder: its number, the node's name then, its message's sequence
    in the stream."""

    epoch: int
    node: str
    stream_seq: int

    @property
    def author(self) -> Author:
        """Who writes in it."""
        return Author(self.epoch, self.node)


def read(data: Path) -> list[LedEpoch] | None:
    """What is noted in a data folder; None where nothing ever was, as after a restore or an older release. OSError."""
    path = data / FILE
    return msgspec.json.decode(disk.read(path), type=list[LedEpoch]) if disk.current().is_there(path) else None


def note(data: Path, led: LedEpoch) -> None:
    """Note one, durably. OSError."""
    before = [each for each in read(data) or () if each.author != led.author]
    _write(data, [*before, led][-KEPT:])


def clear(data: Path) -> None:
    """Note that the journal is one with the stream, and another node leads. OSError."""
    if read(data) != []:
        _write(data, [])


def is_own(led: Sequence[LedEpoch] | None, author: Author, name: str) -> bool:
    """Whether a folder with these notes wrote what this author did; by the node's name where nothing is noted."""
    return author.node == name if led is None else any(each.author == author for each in led)


def _write(data: Path, led: list[LedEpoch]) -> None:
    disk.write_atomically(data / FILE, [msgspec.json.encode(led)])
