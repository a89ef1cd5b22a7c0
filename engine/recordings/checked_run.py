"""Applies a batch of commands and compares at every check of it, in compiled code.

One call of the engine takes the rows up to the next check. What happened is counted and reported at once, while it is
in the near caches. The loop comes back to Python where a batch is done, or the text of the reports is full. Where
Python wants the events too, they pile up in the ring, and it comes back when that is nearly full.
"""

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numba import types

from engine.code_values import COMMAND_LABEL
from engine.codes import NIL
from engine.kernels import part, unlocked
from engine.recordings.batches import Batch
from engine.recordings.checks import Checks, no_checks
from engine.recordings.comparison import Comparison, compare, take_fills
from engine.recordings.report_stream import LINE_BYTES, ReportStream, write_lines
from engine.recordings.runner import Rows, Runner, tally
from engine.schema import COMMAND, MIN_EVENT_ROWS, record
from engine.statements import stepping
from engine.statements.stepping import apply_at
from engine.units import JIT, NS_PER_S

RING_ROWS = 4096
"""Of the engine's ring so many rows are used, so that they are still in the caches when Python looks at them."""
_STRETCH = 512
"""So many commands at most are applied in one call of the engine."""
_DONE, _DRAIN, _BROKEN = range(3)
_NOTHING = np.zeros(0, COMMAND), np.zeros(0, np.int64), np.zeros(0, np.int64)
WORK = record(
    [
        ("code", "i8"),  # where the engine's entry lies
        ("count", "i8"),  # rows of the batch
        ("place", "i8"),  # the next one to be applied
        ("has_checks", "i8"),  # whether the batch has any
        ("checks", "i8"),  # up to which check the loop may go
        ("check", "i8"),  # the next one
        ("execution", "i8"),  # the next row of the executions
        ("book", "i8"),  # the next row of the books
        ("written", "i8"),  # rows of the ring
        ("is_told", "i8"),  # whether Python wants the events: the ring is kept until it comes
        ("is_reported", "i8"),  # whether lines of reports are written
        ("text_bytes", "i8"),  # of those lines
        ("engine_ns", "i8"),  # time inside the engine
    ]
)

if JIT:
    _clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))
    _CLOCK = int(time.CLOCK_MONOTONIC)

    @part
    def _now_ns(instant):
        _clock_gettime(_CLOCK, instant.ctypes.data)
        return instant[0] * NS_PER_S + instant[1]

else:

    def _now_ns(instant: Any) -> int:
        return time.monotonic_ns()


@part
def _look(work, batch, events, written, counted):
    """Count the newest events, and write the lines of reports about them."""
    commands, sequences = batch
    ring, _, _ = events
    totals, rejects, out, carry = counted
    first, stop = np.int64(work.written), work.written + written
    tally(ring, first, stop, totals, rejects)
    if work.is_reported:
        caused = commands, sequences, np.int64(commands[0].seq)
        work.text_bytes = write_lines(out, np.int64(work.text_bytes), carry, caused, (ring, first, stop))
    if work.is_told:
        work.written = stop


@part
def _apply(root, work, batch, events, kept):
    """Apply rows up to the next check, or as many as go at once: _DONE, _DRAIN when there is no room, _BROKEN."""
    commands, sequences, address, stop, instant = batch
    ring, ring_address, ring_rows = events
    compared, counted = kept
    tallies, fills, _, _, _, _, _, _, _ = compared
    room = min(ring_rows - work.written, len(fills) - tallies[0].fills)
    if work.is_reported:
        room = min(room, (len(counted[2]) - work.text_bytes) // LINE_BYTES - 1)
    if room < MIN_EVENT_ROWS:
        return _DRAIN
    count = min(stop - work.place, _STRETCH)
    if work.place + count < stop and commands[work.place + count].kind == COMMAND_LABEL:
        count += 1
    begun_ns = _now_ns(instant)
    span = (ring_address, np.int64(work.written), np.int64(room))
    consumed, written = apply_at(work.code, root, (address, np.int64(work.place), np.int64(count)), span)
    work.engine_ns += _now_ns(instant) - begun_ns
    if consumed < 0:
        return _BROKEN
    if work.has_checks:
        take_fills(tallies[0], fills, ring, np.int64(work.written), written)
    _look(work, (commands, sequences), events, written, counted)
    work.place += consumed
    return _DONE if consumed == count else _DRAIN


@unlocked
def _run(root, works, batch, events, said, kept):
    work = works[0]
    commands, sequences, address, instant = batch
    checks, executions, books = said
    while True:
        stop = np.int64(work.count)
        if work.check < len(checks):
            stop = np.int64(checks[work.check].at)
        while work.place < stop:
            status = _apply(root, work, (commands, sequences, address, stop, instant), events, kept)
            if status != _DONE:
                return status
        if work.check >= work.checks:
            return _DONE
        check = checks[work.check]
        compare(root[0], kept[0], check, (executions, books), (np.int64(work.execution), np.int64(work.book)))
        work.execution += check.executions
        work.book += check.books
        work.check += 1


class CheckedRun:
    """Gives the rows of one batch after another to a runner's engine and compares at their checks.

    `reports` gets the lines about what happens, as they come.
    """

    def __init__(self, runner: Runner, comparison: Comparison, reports: ReportStream | None = None) -> None:
        self._runner, self._comparison = runner, comparison
        self._reports = reports or ReportStream(BytesIO())
        engine = runner.engine
        self._events = engine.ring, engine.ring_address, min(RING_ROWS, len(engine.ring))
        self._work = np.zeros(1, WORK)
        self._work["code"] = stepping.code_of_apply(engine.root)
        self._work["is_reported"] = reports is not None
        self._instant = np.zeros(2, np.int64)
        self._batch, self._address, self._checks = Batch(*_NOTHING, 0), 0, no_checks()
        self._run()  # Compiled or loaded here, not while something is timed.

    def begin(self, batch: Batch, checks: Checks) -> None:
        """Go on with these rows, which are numbered, and these checks; without any nothing is kept to be compared."""
        for name in ("place", "check", "execution", "book"):
            self._work[name] = 0
        self._work["has_checks"] = len(checks) > 0
        self._batch, self._checks = batch, checks
        self._address = stepping.address_of(batch.commands)

    def advance(self, stop: int, checks: int, sink: Callable[[Rows], None] | None = None) -> None:
        """Apply the rows up to `stop` and compare at the first so many checks; `sink` gets the events as they come."""
        work = self._work
        work["count"], work["checks"], work["is_told"] = stop, checks, sink is not None

        def apply() -> tuple[int, int]:
            work["engine_ns"] = 0
            begun, status = int(work["place"][0]), _DRAIN
            while status == _DRAIN:
                status = self._run()
                written, work["written"] = int(work["written"][0]), 0
                if sink is not None and written:
                    sink(self._events[0][:written])
                text_bytes, work["text_bytes"] = int(work["text_bytes"][0]), 0
                if text_bytes:
                    self._reports.give(text_bytes)
            return (NIL if status == _BROKEN else int(work["place"][0]) - begun), int(work["engine_ns"][0])

        rows = self._batch.commands[int(work["place"][0]) : stop]
        if len(rows):
            self._runner.engine.apply_by(rows, apply)
        elif checks:
            apply()

    def _run(self) -> int:
        self._comparison.make_room()
        said = self._checks.rows, self._checks.executions, self._checks.books
        batch = self._batch.commands, self._batch.sequences, self._address, self._instant
        counted = *self._runner.tallies, self._reports.out, self._reports.carry
        kept = self._comparison.arrays, counted
        return int(_run(self._runner.engine.root, self._work, batch, self._events, said, kept))
