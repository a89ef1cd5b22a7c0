"""What a start finds: the state of the newest snapshot that its journal goes on from, and what it says of that."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine import batch_end
from engine.journal import (
    End,
    JournalReader,
    Snapshot,
    SnapshotError,
    newest_first,
    read_header,
    read_snapshot,
)
from engine.state_memory import allocate

Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recovery:
    """What opening found: the snapshot's sequence (0: none) and time, commands replayed, bytes of torn tail cut."""

    snapshot_seq: int = 0
    snapshot_ns: int = 0
    replayed: int = 0
    cut_bytes: int = 0
    ignored: list[str] = field(default_factory=list)
    """One line for each snapshot that could not be used."""
    seconds: dict[str, float] = field(default_factory=dict, compare=False)
    """How long each phase took: the snapshot, the recount of what it adds up to, the journal behind it."""
    previous_end: End | None = None
    """How the run before this one ended; None when nothing says so."""
    set_aside: list[Path] = field(default_factory=list)
    """What was moved out of the way because it knew more than the end that was accepted."""


def restore(snapshot: Snapshot, seconds: dict[str, float] | None = None) -> Rows:
    """The state that a snapshot holds; `seconds` gets how long it took. SnapshotError when it is damaged, or does not
    add up.
    """
    begun = time.perf_counter()
    root = allocate(huge_pages=True)
    read_snapshot(snapshot, root)
    read = time.perf_counter()
    adds_up = batch_end.recount(root)
    if seconds is not None:
        seconds |= {"snapshot": read - begun, "recount": time.perf_counter() - read}
    if not adds_up:
        raise SnapshotError(f"{snapshot.path}: its accounts, positions and orders do not add up; delete it")
    return root


def newest_root(reader: JournalReader, seconds: dict[str, float], seq: int | None) -> tuple[Rows | None, list[str]]:
    """The state of the newest snapshot that the journal goes on from, and why newer ones cannot be used.

    With a sequence only the snapshot of that one is looked at.
    """
    ignored: list[str] = []
    for path in newest_first(reader.directory):
        try:
            snapshot = read_header(path)
            if seq not in (None, snapshot.seq):
                continue
            root = restore(snapshot, seconds)  # before the reader moves there: it is not for a bad one
            begun = time.perf_counter()
            is_led_to = reader.seek(snapshot.seq, snapshot.chain)
            seconds["seek"] = time.perf_counter() - begun
            if is_led_to:
                return root, ignored
            ignored.append(f"{path}: the journal does not lead to it")
        except SnapshotError as error:
            ignored.append(str(error))
    return None, ignored
