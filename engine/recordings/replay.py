"""Replays a recording: reader -> engine -> totals, reports and the comparison with the recorded book.

The loop is the same for every format. Where the recording says what should be true, the commands up to that point are
applied as one batch and compared; between such points they go in as large batches as the reader gives.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engine import host
from engine.codes import CommandKind, Mode
from engine.host import Engine
from engine.recordings.batches import Batch, Book, ManyContracts, Reader
from engine.recordings.checked_run import CheckedRun
from engine.recordings.checks import Checks, no_checks
from engine.recordings.comparison import AS_RECORDED, CHECKED, EQUAL, EXECUTIONS, Comparison
from engine.recordings.journals import JournalRecording
from engine.recordings.lost_orders import LIMITS, WITHOUT_INDEX, lost_orders
from engine.recordings.report_stream import ReportStream
from engine.recordings.research import open_market
from engine.recordings.runner import Rows, Runner, count_late
from engine.recordings.source import RecordingError
from engine.schema import VENUE

PACE_SLICE_NS = 10_000_000
"""At a given speed, commands within this recorded time of each other go in together."""

NAMED_CONTRACTS = 5
"""The title of a result names so many contracts."""


class Reports(Protocol):
    """Gets what happened: every ring of events in order, with the batch of commands that they are of."""

    def write(self, commands: Rows, sequences: Rows, events: Rows) -> None:
        """Events, valid until this returns; `sequences` is what the recording calls each command."""
        ...

    def finish(self) -> None:
        """The replay is at its end."""
        ...


@dataclass(frozen=True)
class Options:
    """How to replay.

    `until_message` and `until_ns` end the replay after so many recorded messages or after a recorded time. `pace`
    is called with a recorded time before what happened then is applied, and may wait. `progress` is called with
    (messages read, messages in all or 0). `levels` is how much of the final book is wanted.
    `compare` says whether to compare with what is recorded.
    """

    until_message: int | None = None
    until_ns: int | None = None
    reports: Reports | None = None
    pace: Callable[[int], None] | None = None
    progress: Callable[[int, int], None] | None = None
    levels: int = 10
    compare: bool = True


@dataclass
class ContractResult:
    """What a replay came to for one of many contracts; the fields as in `ReplayResult`."""

    depth: Book
    book_rows_checked: int = 0
    book_rows_equal: int = 0
    executions: int = 0
    executions_as_recorded: int = 0


@dataclass
class ReplayResult:
    """What a replay came to. Quantities in lots, times in seconds; `depth` is the final book, best first.

    Of a recording of many contracts `depth` is the first one's, and `contracts` has each one's result by its name.
    `ignored` counts what had no effect on the book, by what it was.

    `times_out_of_order` counts messages whose time is before an earlier one's; the engine's clock does not go back.
    `repeated` orders were the same as one that waited under their id. `lost` counts by reason what was refused for
    limits: with any of it, the replay is not the recording's. A journal loses nothing: its refusals are its own.
    """

    format: str
    contract: str
    messages: int = 0
    commands: int = 0
    bad_lines: int = 0
    times_out_of_order: int = 0
    seconds: float = 0.0
    engine_seconds: float = 0.0
    trades: int = 0
    volume_lots: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    ignored: dict[str, int] = field(default_factory=dict)
    book_rows_checked: int | None = None
    book_rows_equal: int | None = None
    book_rows_one_event_off: int | None = None
    executions: int | None = None
    executions_as_recorded: int | None = None
    differences: list[str] = field(default_factory=list)
    execution_differences: list[str] = field(default_factory=list)
    depth: Book = field(default_factory=lambda: ([], []))
    contracts: dict[str, ContractResult] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values; what does not apply to the recording is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def replay(reader: Reader, runner: Runner, options: Options) -> ReplayResult:
    """Apply a whole recording to an engine that `prepare` made for it. RecordingError on a malformed line."""
    if not reader.has_clock and (options.until_ns is not None or options.pace is not None):
        raise RecordingError(f"a {reader.format} recording has no clock: neither a time nor a speed applies to it")
    return Replay(reader, runner, options).run()


def prepare(reader: Reader, directory: Path | None = None) -> Runner:
    """An engine for a recording: in research mode with the recorded market, or as the journal says that is read.

    With a directory the engine writes a journal there. JournalError when it cannot.
    """
    if isinstance(reader, JournalRecording):
        capacities, mode = reader.log.capacities, reader.log.mode
    else:
        capacities, mode = VENUE, Mode.RESEARCH
    if directory is None:
        runner = Runner(Engine(host.create(capacities, mode)))
    else:
        runner = Runner(Engine.create(directory, mode, capacities))
    runner.engine.timed = True
    if not reader.is_log:
        try:
            open_market(runner, reader)
        except BaseException:
            runner.engine.close()
            raise
    return runner


class Replay:
    """One replay: where it stands and what it has found."""

    limits = LIMITS | WITHOUT_INDEX
    """The reasons of refusal that lose an order."""

    def __init__(self, reader: Reader, runner: Runner, options: Options) -> None:
        self.reader, self.runner, self.options = reader, runner, options
        self.result = ReplayResult(reader.format, reader.contract.name)
        self.comparison = Comparison(reader.depth)
        reports = options.reports
        self._is_told = reports is not None and not isinstance(reports, ReportStream)
        self.checked = CheckedRun(runner, self.comparison, reports if isinstance(reports, ReportStream) else None)
        self._latest_ns = 0

    def run(self) -> ReplayResult:
        begun, result = time.perf_counter_ns(), self.result
        engine_seconds = self.runner.engine.engine_seconds
        for batch in self._batches():
            if self.comparison.depth != self.reader.depth:
                self.comparison.set_depth(self.reader.depth)
            ended = self._cut(batch)
            self._count_late(batch)
            self._apply(batch)
            result.messages = batch.read
            if self.options.progress:
                self.options.progress(batch.read, self.reader.total)
            if ended:
                break
        if self.options.reports:
            self.options.reports.finish()
        self.runner.engine.commit()
        result.seconds = (time.perf_counter_ns() - begun) / 1e9
        result.engine_seconds = self.runner.engine.engine_seconds - engine_seconds
        result.bad_lines = self.reader.bad
        self._totals()
        return result

    def _batches(self) -> Iterator[Batch]:
        """The recording's batches; an error within tells how much was read before it."""
        try:
            yield from self.reader.batches()
        except RecordingError as error:
            if self.result.messages:
                error.args = (f"{error}; {self.result.messages:,} messages were read until then",)
            raise

    def _count_late(self, batch: Batch) -> None:
        """Count the messages whose time is before an earlier one's."""
        if not self.reader.has_clock or self.reader.is_log or not len(batch.commands):
            return
        late, self._latest_ns = count_late(batch.commands, batch.messages, self._latest_ns)
        self.result.times_out_of_order += int(late)

    def _cut(self, batch: Batch) -> bool:
        """Shorten the batch to what is wanted; whether nothing after it is."""
        rows, batch.read, ended = batch.until(self.options.until_message, self.options.until_ns)
        if ended:
            rows += rows < len(batch.commands) and bool(batch.commands["kind"][rows] == CommandKind.LABEL)
            batch.commands, batch.messages = batch.commands[:rows], batch.messages[:rows]
            batch.sequences = batch.sequences[:rows]
            batch.checks = batch.checks and batch.checks.cut(rows, batch.read)
        return ended

    def _apply(self, batch: Batch) -> None:
        self.result.commands += len(batch.commands)
        if not self.reader.is_log:
            open_market(self.runner, self.reader)
            self.runner.stamp(batch.commands)
        checks = (batch.checks if self.options.compare else None) or no_checks()
        self.checked.begin(batch, checks)
        begun = 0
        for stop, checked in self._pieces(batch, checks):
            if self.options.pace and stop > begun:
                self.options.pace(int(batch.commands["time_ns"][stop - 1]))
            self._piece(batch, (begun, stop), checked)
            begun = stop

    def _piece(self, batch: Batch, rows: tuple[int, int], checked: int) -> None:
        """Apply rows, and compare up to so many of the batch's checks."""

        def take(events: Rows) -> None:
            if self.options.reports:
                self.options.reports.write(batch.commands, batch.sequences, events)

        self.checked.advance(rows[1], checked, take if self._is_told else None)

    def _pieces(self, batch: Batch, checks: Checks) -> Iterator[tuple[int, int]]:
        """(row after the last, checks up to there) of what goes into the engine together."""
        start, times, count = 0, batch.commands["time_ns"], len(checks)
        if self.options.pace and count:
            for number, stop in enumerate(checks.rows["at"].tolist(), 1):
                yield stop, number
                start = stop
        if count and not len(times):
            yield 0, count
        while start < len(times):
            stop = len(times)
            if self.options.pace:
                stop = int(np.searchsorted(times, times[start] + PACE_SLICE_NS, "right"))
            yield stop, count
            start = stop

    def _totals(self) -> None:
        result, runner, comparison = self.result, self.runner, self.comparison
        result.digest = runner.engine.digest()
        result.trades, result.volume_lots, result.rejects = runner.trades, runner.volume_lots, runner.rejects
        result.repeated = runner.repeated
        result.lost = {} if self.reader.is_log else lost_orders(result.rejects, result.repeated, self.limits)
        result.depth = runner.depth(self.options.levels)
        if isinstance(self.reader, ManyContracts) and self.reader.contracts:
            names = [each.name for each in self.reader.contracts]
            result.contract = ", ".join(names[:NAMED_CONTRACTS]) + (", ..." if len(names) > NAMED_CONTRACTS else "")
            for slot, name in enumerate(names):
                depth, counts = runner.depth(self.options.levels, slot), comparison.counts[slot].tolist()
                result.contracts[name] = ContractResult(
                    depth, counts[CHECKED], counts[EQUAL], counts[EXECUTIONS], counts[AS_RECORDED]
                )
        result.ignored = dict(getattr(self.reader, "ignored", {}))
        if self.reader.depth and self.options.compare:
            result.book_rows_checked, result.book_rows_equal = comparison.count(CHECKED), comparison.count(EQUAL)
            result.book_rows_one_event_off = comparison.book_rows_one_event_off
            result.executions = comparison.count(EXECUTIONS)
            result.executions_as_recorded = comparison.count(AS_RECORDED)
            result.differences = comparison.differences
            result.execution_differences = comparison.execution_differences
