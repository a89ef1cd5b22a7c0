"""A recording as NumPy batches: what was asked, what the engine did, and the book on request.

for batch in replay(open_recording("synthetic:1:200000"), every_ns=1_000_000_000):
    trades = batch.events[batch.events["kind"] == EventKind.FILL]
    bids, asks = batch.depth(5)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import CommandKind
from engine.recordings.batches import Batch, Reader
from engine.recordings.replay import prepare
from engine.recordings.research import open_market
from engine.recordings.runner import Runner
from engine.recordings.source import RecordingError

Rows = np.ndarray[Any, Any]
Depth = tuple[Rows, Rows]
"""(bids, asks), best first: each an array of (price_ticks, qty_lots) rows."""


@dataclass(frozen=True)
class EventBatch:
    """Some commands of a recording and what they did.

    `commands` are COMMAND rows and `events` EVENT rows (`engine.log_rows`), both numbered by `seq`; `messages` has for
    each command the number of its recorded message, from 1. `time_ns` is the recorded time that is reached. The rows
    are the caller's own and stay as they are.
    """

    commands: Rows
    messages: Rows
    events: Rows
    time_ns: int
    _engine: "_Place"
    _place: int

    def depth(self, levels: int, contract_slot: int = 0) -> Depth:
        """The best visible levels after this batch. ValueError once the replay has gone on to the next one."""
        if self._engine.place != self._place:
            raise ValueError("depth: the replay has gone on; ask a batch for its depth before taking the next one")
        return depth_of(self._engine.runner, levels, contract_slot)


class _Place:
    """How far the engine is."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.place = runner, 0


def replay(recording: Reader, every_ns: int = 0, every_messages: int = 0) -> Iterator[EventBatch]:
    """Replay a recording and yield what happened.

    Batches are as the reader makes them, some thousands of commands each; or they end at each multiple of `every_ns`
    of recorded time, or after each so many recorded messages. Where nothing was recorded in an interval there is no
    batch of it. RecordingError for a malformed recording; ValueError for an interval that cannot be.
    """
    check_intervals(recording, every_ns, every_messages)
    runner = prepare(recording)
    place = _Place(runner)
    now_ns = 0
    for batch in recording.batches():
        if not recording.is_log:
            open_market(runner, recording)
            runner.stamp(batch.commands)
        times = running_times(batch, now_ns)
        if every_ns:
            check_times(recording, times)
        for start, stop in _pieces(batch, times, every_ns, every_messages):
            now_ns = int(times[stop - 1])
            commands, events = batch.commands[start:stop].copy(), _fed(runner, batch.commands[start:stop])
            place.place += 1
            yield EventBatch(commands, batch.messages[start:stop].copy(), events, now_ns, place, place.place)


def check_intervals(recording: Reader, every_ns: int, every_messages: int) -> None:
    """ValueError for intervals that are negative or both given; RecordingError for times where there is no clock."""
    for name, value in (("every_ns", every_ns), ("every_messages", every_messages)):
        if value < 0:
            raise ValueError(f"{name}: {value} is less than 0; name an interval, or 0 for none")
    if every_ns and every_messages:
        raise ValueError("every_ns, every_messages: only one of them can end a batch")
    if every_ns and not recording.has_clock:
        raise RecordingError(f"a {recording.format} recording has no clock; name every_messages instead of every_ns")


def running_times(batch: Batch, after_ns: int) -> Rows:
    """The venue's clock at each row: recorded times, which never go back here."""
    times = np.maximum.accumulate(batch.commands["time_ns"])
    return np.maximum(times, after_ns)


def check_times(recording: Reader, times: Rows) -> None:
    """RecordingError where a recording could have times and has none."""
    if len(times) and not times.any() and not recording.is_log:
        raise RecordingError("the recording has no times: name every_messages, and no latency")


def depth_of(runner: Runner, levels: int, contract_slot: int = 0) -> Depth:
    """The engine's best visible levels as arrays. ValueError for a number of levels below 1."""
    if levels < 1:
        raise ValueError(f"levels: {levels} is less than 1")
    bids, asks = runner.depth(levels, contract_slot)
    return np.array(bids, np.int64).reshape(-1, 2), np.array(asks, np.int64).reshape(-1, 2)


def _fed(runner: Runner, commands: Rows) -> Rows:
    """The events of some commands, in rows that nobody uses again."""
    rings: list[Rows] = []
    runner.feed(commands, lambda events: rings.append(events.copy()))
    return np.concatenate(rings) if rings else np.zeros(0, runner.engine.ring.dtype)


def _pieces(batch: Batch, times: Rows, every_ns: int, every_messages: int) -> Iterator[tuple[int, int]]:
    """(first row, row after the last) of what belongs to one interval."""
    if not len(batch.commands):
        return
    if every_ns:
        intervals = times // every_ns
    elif every_messages:
        intervals = (batch.messages - 1) // every_messages
    else:
        intervals = np.zeros(len(times), np.int64)
    begins = np.diff(intervals, prepend=intervals[0] - 1) != 0
    begins[1:] &= batch.commands["kind"][1:] != CommandKind.LABEL  # which stays with its order
    starts = np.flatnonzero(begins).tolist()
    yield from zip(starts, [*starts[1:], len(times)], strict=True)
