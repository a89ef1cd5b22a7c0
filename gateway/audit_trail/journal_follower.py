"""The journal applied one command at a time, stopping at the state that each command was judged on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import host
from engine.code_values import COMMAND_MASS_CANCEL, COMMAND_NEW, EVENT_NOTICE_FIRST
from engine.codes import CommandKind, ExecInst
from gateway.config import Config
from gateway.wire.event_rows import EVENT_STRUCT, KIND_AT, NOTICE_STRUCT, Event, Notice

_LABELLED = (COMMAND_NEW, COMMAND_MASS_CANCEL)
Happening = Any
"""One event row as a named tuple, an `Event` or a `Notice`."""


Wanted = Callable[[Any, Any], Any]
"""(commands, events, a ring at a time) -> the sequences of the commands at which to stop."""
Look = Callable[[Any, Any, list[Happening]], Any]
"""(root, command, events of due work before it) -> what is to be kept of this state."""


@dataclass
class Moment:
    """One command: what `look` kept just before it, and the command's own events."""

    command: Any
    has_label: bool
    seen: Any
    events: list[Happening]


def journal_of(folder: Path) -> Path:
    """The journal at a path, or in a data folder at the path. ValueError when there is none."""
    for place in (folder, Config(data=str(folder)).journal):
        if host.holds_journal(place):
            return place
    raise ValueError(f"{folder}: no journal there; name its folder or the data folder above it")


class Follower:
    """Replays a journal. `root` is the present state of the replay."""

    def __init__(self, journal: Path) -> None:
        self.reader = host.JournalReader(journal)
        self.genesis = self.reader.position.chain.hex()
        self.engine = host.Engine(host.create(self.reader.capacities, self.reader.mode))
        self.root = self.engine.root

    def moments(self, look: Look, stops: Any, until_seq: int | None = None) -> Iterator[Moment]:
        """The commands with these sequences, in order; all other commands, up to a sequence, are only applied.

        `look` is called with the state after the work that was due before a command, and before the command itself.
        """
        for rows in self.reader.batches(until_seq):
            if not len(rows):
                return
            done, first_seq = 0, int(rows["seq"][0])
            low, high = np.searchsorted(stops, (first_seq, first_seq + len(rows)))
            for seq in stops[low:high].tolist():
                place = seq - first_seq
                if place and _has_label(rows, place - 1):
                    place -= 1
                if place < done:
                    continue
                if done < place:
                    self.engine.feed(rows[done:place], _ignore)
                size = 2 if _has_label(rows, place) else 1
                yield self._step(rows[place : place + size], look)
                done = place + size
            if done < len(rows):
                self.engine.feed(rows[done:], _ignore)

    def _step(self, rows: Any, look: Look) -> Moment:
        events, left_ns = self.engine.do_due(rows)
        due = happenings(events)
        seen = look(self.root, rows[0], due)
        return Moment(rows[0], len(rows) > 1, seen, happenings(self.engine.judge(rows, left_ns)))


class Survey(NamedTuple):
    """A journal as it was replayed once: the sequences that were looked for, how far it went, and the state there."""

    stops: Any
    last_seq: int
    chain: bytes
    root: Any


def survey(journal: Path, wanted: Wanted, until_seq: int | None = None) -> Survey:
    """Replay a journal once, up to a sequence or its end, and note the sequences that `wanted` finds."""
    found = [np.zeros(0, np.int64)]
    reader = host.JournalReader(journal)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    sink = lambda commands, events: found.append(np.unique(wanted(commands, events)))  # noqa: E731
    host.replay(reader, engine, until_seq, sink)
    return Survey(np.unique(np.concatenate(found)), reader.last_seq, reader.position.chain, engine.root)


def stops(journal: Path, wanted: Wanted) -> Any:
    """The sequences of a whole journal that `wanted` finds, ascending."""
    return survey(journal, wanted).stops


def _ignore(commands: Any, events: Any) -> None:
    return None


def _has_label(rows: Any, place: int) -> bool:
    """Whether the row behind a command is its label."""
    row = rows[place]
    if int(row["kind"]) not in _LABELLED or not int(row["flags"]) & ExecInst.LABELLED or place + 1 == len(rows):
        return False
    return int(rows[place + 1]["kind"]) == CommandKind.LABEL


def happenings(events: Any) -> list[Happening]:
    """Event rows as named tuples, each in its own layout."""
    data = events.tobytes()
    return [
        Event._make(row)
        if row[KIND_AT] < EVENT_NOTICE_FIRST
        else Notice._make(NOTICE_STRUCT.unpack_from(data, place * EVENT_STRUCT.size))
        for place, row in enumerate(EVENT_STRUCT.iter_unpack(data))
    ]
