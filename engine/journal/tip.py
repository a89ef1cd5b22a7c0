"""A journal's tip: how far the log is known to be durable, in a small file apart from the journal's folder.

Records carry a hash chain, so nothing inside a journal can change unnoticed. What is missing at its end can only be
known from outside: from the tip, from snapshots, from what other files noted. Each of those is a `Proof`.

The file has two slots that are written in turn, so a torn write leaves the older one. It follows the durable end of the
journal within about a second, or TIP_ROWS commands, and is exact after a journal was closed in order.
"""

import os
import struct
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from google_crc32c import value as crc32c

from engine import disk
from engine.journal.format import JournalError

TIP_ROWS = 1 << 16
"""How many commands the tip stays behind at most while its file can be written."""
SLOT_BYTES = 4096
"""Slots are so far apart that no disk writes both at once."""
_MAGIC = b"LIONTIP1"
_SLOT = struct.Struct("<8sIIQqQ32s")
_CRC = struct.Struct("<I")


class End(IntEnum):
    """How the journal went on from its tip."""

    OPEN = 0
    """A writer has it, or was killed: the journal has at least this much."""
    CLOSED = 1
    """Closed in order: the journal has exactly this much."""
    FAILED = 2
    """The writer stopped because the disk failed."""


_ENDS = frozenset(End)


class Tip(NamedTuple):
    """The end of a log: last sequence, hash of the chain up to it, segment, and the byte behind its record."""

    seq: int
    chain: bytes
    segment: int
    offset: int
    end: End = End.OPEN


class Proof(NamedTuple):
    """Something that shows how far a log had come. `chain` is the log's hash after `seq`, None when it is not known."""

    seq: int
    chain: bytes | None
    by: str
    """What shows it, as a reader finds it: a file, or a table of one."""


class LossError(JournalError):
    """A journal is shorter than what is proven of it, or is not the one that the proofs are of."""


@dataclass(frozen=True)
class Expected:
    """What is known of a journal from outside it, and the end that somebody accepts although more is proven."""

    proofs: Sequence[Proof] = ()
    accepted_seq: int | None = None
    beyond: Sequence[Path] = ()
    """Files of the caller that know more than an accepted end: they are moved aside with the others."""


def tip_path(directory: Path) -> Path:
    """The file of a journal's tip: beside the folder, so that it is not lost with it."""
    return directory.with_name(directory.name + ".tip")


class TipFile:
    """Writes a journal's tip. OSError when the disk fails."""

    def __init__(self, directory: Path) -> None:
        self._disk, path = disk.current(), tip_path(directory)
        self._lock = threading.Lock()
        self.seq = -1
        slots = _slots(path)
        self._turn = max((turn for turn, _ in slots), default=0)
        if self._disk.is_there(path):
            self._disk.sync_folder(path.parent)  # a process that was killed may have made it and not come to this
        else:
            disk.write_atomically(path, [bytes(2 * SLOT_BYTES)])
        self._descriptor = self._disk.open(path, os.O_WRONLY)

    def write(self, tip: Tip) -> None:
        """Put a tip durably in the place of the older one of the two."""
        with self._lock:  # a commit that fails notes it while the journal's thread may be here
            self._turn += 1
            head = _SLOT.pack(_MAGIC, tip.end, tip.segment, self._turn, tip.seq, tip.offset, tip.chain)
            disk.write_all(self._descriptor, [head + _CRC.pack(crc32c(head))], self._turn % 2 * SLOT_BYTES)
            self._disk.sync(self._descriptor)
            self.seq = tip.seq

    def close(self) -> None:
        """Close the file."""
        self._disk.close(self._descriptor)


def read_tip(directory: Path) -> Tip | None:
    """The newest tip that is whole; None when there is no file, or nothing was written to it."""
    newest = max(_slots(tip_path(directory)), default=None, key=lambda slot: slot[0])
    return None if newest is None else newest[1]


def tip_damage(directory: Path) -> str:
    """What is wrong with a tip's file, in one line; empty when nothing is. One bad slot leaves the other."""
    path = tip_path(directory)
    if not disk.current().is_there(path) or _slots(path):
        return ""
    data = disk.read(path)
    if len(data) == 2 * SLOT_BYTES and not any(data):  # a crash between making it and writing it
        return ""
    return f"{path}: neither of its two slots matches its checksum, so nobody knows where the journal should end"


def _slots(path: Path) -> list[tuple[int, Tip]]:
    """The slots of a file that are whole, with the turns in which they were written."""
    if not disk.current().is_there(path):
        return []
    data, found = disk.read(path), []
    for start in (0, SLOT_BYTES):
        head = data[start : start + _SLOT.size]
        stored = data[start + _SLOT.size : start + _SLOT.size + _CRC.size]
        if len(stored) == _CRC.size and head.startswith(_MAGIC) and _CRC.unpack(stored)[0] == crc32c(head):
            _, end, segment, turn, seq, offset, chain = _SLOT.unpack(head)
            if end in _ENDS:
                found.append((turn, Tip(seq, chain, segment, offset, End(end))))
    return found


def tip_proof(directory: Path, tip: Tip) -> Proof:
    """A tip as a proof."""
    return Proof(tip.seq, tip.chain, f"the tip {tip_path(directory)}")


def check_length(directory: Path, last_seq: int, proofs: Iterable[Proof]) -> None:
    """LossError when a journal that ends at this sequence is shorter than the farthest proof."""
    proof = max(proofs, default=None, key=lambda proof: proof.seq)
    if proof is None or proof.seq <= last_seq:
        return
    there = f"ends at sequence {last_seq}" if last_seq else "is missing or empty"
    raise LossError(
        f"{directory}: the journal {there}, but {proof.by} shows that it had {proof.seq}: {proof.seq - last_seq} "
        f"commands are missing; restore the journal from a copy that has them, or go on without them, which takes back "
        f"what clients were told: `lionrock serve --accept-loss {last_seq} --reason TEXT`"
    )
