"""Gives command rows to an engine and counts what happens: the part of a replay that is not about recordings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.code_values import EVENT_FILL, EVENT_REJECTED, EVENT_REPEATED, FLAG_TAKER
from engine.codes import Reason
from engine.host import Engine
from engine.kernels import entry, part
from engine.recordings.batches import Book
from engine.recordings.checks import BOOK_WORDS, book_of
from engine.recordings.depth import read_book

_REASONS = max(Reason) + 1
_TRADES, _VOLUME, _REPEATED, _TOTALS = 0, 1, 2, 3

Rows = np.ndarray[Any, Any]


class Runner:
    """An engine that is fed command rows. Counts trades, volume, repeated orders and refusals from its events.

    `contracts` and `accounts` are how many of a recording's are open, in slots from 0.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.contracts, self.accounts = 0, 0
        self._next_seq = engine.last_seq + 1
        self._totals = np.zeros(_TOTALS, np.int64)
        self._rejects = np.zeros(_REASONS, np.int64)
        self.tallies = self._totals, self._rejects
        """What compiled code that applies commands itself counts into, with `tally`."""
        self.depth(1)  # Compiled or loaded here, not while something is timed.

    def stamp(self, commands: Rows) -> None:
        """Number the commands on from the last ones; they must then be fed, in order."""
        commands["seq"] = np.arange(self._next_seq, self._next_seq + len(commands))
        self._next_seq += len(commands)

    def catch_up(self) -> None:
        """Number on from where the engine is: others have given it commands."""
        self._next_seq = self.engine.last_seq + 1

    def feed(self, commands: Rows, sink: Callable[[Rows], None]) -> None:
        """Have numbered commands applied; `sink` gets the events a ring at a time, valid until it returns."""

        def look(_: Rows, events: Rows) -> None:
            self.count(events)
            sink(events)

        if len(commands):
            self.engine.feed(commands, look)

    def count(self, events: Rows) -> None:
        """Count what happened, when somebody else has had commands applied."""
        _tally(events, *self.tallies)

    @property
    def trades(self) -> int:
        """Trades so far."""
        return int(self._totals[_TRADES])

    @property
    def volume_lots(self) -> int:
        """Quantity traded so far."""
        return int(self._totals[_VOLUME])

    @property
    def repeated(self) -> int:
        """Orders so far that were the same as one that waits under their id."""
        return int(self._totals[_REPEATED])

    @property
    def rejects(self) -> dict[str, int]:
        """How many commands were refused so far, by reason."""
        return {Reason(code).name: int(self._rejects[code]) for code in np.flatnonzero(self._rejects).tolist()}

    def depth(self, levels: int, contract_slot: int = 0) -> Book:
        """The best visible levels of both sides."""
        out = np.zeros((levels, BOOK_WORDS), np.int64)
        read_book(self.engine.root, contract_slot, out)
        return book_of(out)


@entry
def count_late(commands, messages, latest_ns):
    """How many messages have a time before an earlier one's, or before the latest so far, and the latest of all."""
    late, before = 0, np.int64(-1)
    for row in range(len(messages)):
        if messages[row] == before:
            continue
        before = messages[row]
        time_ns = np.int64(commands[row].time_ns)
        late += time_ns < latest_ns
        latest_ns = max(latest_ns, time_ns)
    return late, latest_ns


@part
def tally(ring, first, stop, totals, rejects):
    """Count what some events of a ring are."""
    for row in range(first, stop):
        event = ring[row]
        if event.kind == EVENT_FILL:
            if event.flags & FLAG_TAKER:
                totals[_TRADES] += 1
                totals[_VOLUME] += event.last_lots
        elif event.kind == EVENT_REJECTED:
            rejects[event.reason] += 1
        elif event.kind == EVENT_REPEATED:
            totals[_REPEATED] += 1


@entry
def _tally(events, totals, rejects):
    tally(events, 0, len(events), totals, rejects)
