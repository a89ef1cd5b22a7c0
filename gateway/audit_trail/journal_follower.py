"""Where a journal is, and a replay of it that looks for commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import host
from gateway.config import Config

Wanted = Callable[[Any, Any], Any]
"""(commands, events, a ring at a time) -> the sequences of the commands that are looked for."""


def journal_of(folder: Path) -> Path:
    """The journal at a path, or in a data folder at the path. ValueError when there is none."""
    for place in (folder, Config(data=str(folder)).journal):
        if host.holds_journal(place):
            return place
    raise ValueError(f"{folder}: no journal there; name its folder or the data folder above it")


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
