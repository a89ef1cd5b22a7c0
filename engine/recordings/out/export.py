"""Follows a replay and has its results written: the part of an export that is the same for every format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from engine.code_values import EVENT_NOTICE_FIRST
from engine.recordings.batches import ContractSpec
from engine.recordings.out.book_changes import DEPTH_HEAD, ORDER, BookFollower, Followed
from engine.recordings.out.dbn_files import DBN
from engine.recordings.out.file_set import ExportError, FileSet
from engine.recordings.out.formats import DAY_NS, Format, Opening, Rows, Table, Writer
from engine.recordings.out.hftbacktest_npz import HFTBACKTEST
from engine.recordings.out.market_rows import MarketFollower
from engine.recordings.out.parquet_files import PARQUET
from engine.recordings.out.tardis_csv import TARDIS

FORMATS: Mapping[str, Format] = {"parquet": PARQUET, "dbn": DBN, "tardis": TARDIS, "hftbacktest": HFTBACKTEST}
WHAT = tuple(dict.fromkeys(what for format in FORMATS.values() for what in format.tables))
MAX_LEVELS = 1000
WAITING_BYTES = 1 << 28
"""When all files together hold more than this in memory, they are told to write it."""


@dataclass(frozen=True)
class Wanted:
    """What to write. `what` is empty for what the format writes by itself; `options` are the format's own."""

    format: str
    what: tuple[str, ...] = ()
    levels: int = 10
    daily: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def tables(self) -> dict[str, Table]:
        """The tables to write. ExportError for one that the format does not have."""
        of = FORMATS[self.format]
        for what in self.what:
            if what not in of.tables:
                raise ExportError(f"--what {what}: {self.format} has {', '.join(of.tables)}")
        for name, value in self.options.items():
            if name not in of.options:
                raise ExportError(f"--option {name}={value}: {self.format} has {_options_of(of)}")
            if value not in of.options[name]:
                raise ExportError(f"--option {name}={value}: {name} is {' or '.join(of.options[name])}")
        return {what: of.tables[what] for what in self.what or of.default}


def _options_of(format: Format) -> str:
    return ", ".join(f"{name}={'|'.join(values)}" for name, values in format.options.items()) or "no options"


class Export:
    """Takes the events of a replay, as `Options.reports`, and writes files, which have their names after `finish`.

    `contracts` are the recording's, by slot; more may be appended while it is read. `rows` counts by table.
    """

    def __init__(self, files: FileSet, wanted: Wanted, contracts: list[ContractSpec], has_clock: bool) -> None:
        self._tables, of = wanted.tables(), FORMATS[wanted.format]
        self._times_for = "--daily" if wanted.daily else f"--format {wanted.format}" if of.needs_clock else ""
        if not has_clock:
            self._need_times("clock")
        of.check()
        self._wanted, self._contracts, self._has_clock = wanted, contracts, has_clock
        sources = {table.source for table in self._tables.values()}
        self._follower = BookFollower(wanted.levels if "depth" in sources else 0)
        self._market = MarketFollower() if sources & {"ticker", "funding"} else None
        self._sources = sources
        self._files = files
        self._writers: dict[tuple[str, int], Writer] = {}
        self._day: int | None = None
        self._resting, self._since_ns = np.zeros(0, ORDER), 0
        self.rows = dict.fromkeys(self._tables, 0)

    def write(self, commands: Rows, sequences: Rows, events: Rows) -> None:
        """The next events of the replay."""
        for day, rows in self._days(events):
            if day != self._day and self._wanted.daily:
                self._begin_day(day)
            self._write(rows, self._follower.follow(rows))
        if sum(writer.waiting_bytes for writer in self._writers.values()) > WAITING_BYTES:
            for writer in self._writers.values():
                writer.flush()

    def finish(self) -> None:
        """Write what is left, close all files and give them their names."""
        self._end()
        self._files.commit()

    def _days(self, events: Rows) -> Iterator[tuple[int, Rows]]:
        """The events of each day. The engine's now never goes back."""
        if not self._wanted.daily or not len(events):
            yield 0, events
            return
        days = events["time_ns"] // DAY_NS
        bounds = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(events)]
        for begin, end in pairwise(bounds):
            yield int(days[begin]), events[begin:end]

    def _begin_day(self, day: int) -> None:
        self._end()
        self._day, self._resting, self._since_ns = day, self._follower.resting(), day * DAY_NS

    def _end(self) -> None:
        """Close the files that are open."""
        self._write(np.zeros(0, np.int64), self._follower.flush())
        for (what, _), writer in self._writers.items():
            writer.close()
            self.rows[what] += writer.rows
        self._writers = {}
        self._files.close()

    def _need_times(self, missing: str) -> None:
        """ExportError when what is wanted means nothing without times."""
        if self._times_for:
            raise ExportError(
                f"{self._times_for}: the recording has no {missing}; choose --format parquet, without --daily"
            )

    def _write(self, events: Rows, followed: Followed) -> None:
        if len(followed.changes) and not followed.changes["time_ns"][0]:
            self._need_times("times")
        rows: dict[str, Any] = {"changes": followed.changes, "depth": followed.depth}
        if "events" in self._sources and len(events):
            rows["events"] = events[events["kind"] < EVENT_NOTICE_FIRST]
        if self._market is not None and len(events):
            rows |= self._market.follow(events)._asdict()
        for what, table in self._tables.items():
            found = rows.get(table.source)
            if found is not None and len(found):
                self._put(what, table, found)

    def _put(self, what: str, table: Table, rows: Rows) -> None:
        if table.whole:
            self._writer(what, table, -1).write(rows)
            return
        contracts = _contracts_of(table.source, rows)
        for contract in np.unique(contracts).tolist():
            self._writer(what, table, contract).write(rows[contracts == contract])

    def _writer(self, what: str, table: Table, contract: int) -> Writer:
        writer = self._writers.get((what, contract))
        if writer is None:
            resting = self._resting if contract < 0 else self._resting[self._resting["contract"] == contract]
            opening = Opening(
                what, contract, self._contracts, self._day if self._wanted.daily else None, resting, self._since_ns,
                self._has_clock, self._wanted.levels, self._wanted.options, self._files.spool,
            )  # fmt: skip
            writer = table.writer(self._files.open(table.file_name(opening)), opening)
            self._writers[what, contract] = writer
        return writer


def _contracts_of(source: str, rows: Rows) -> Any:
    if source == "depth":
        return rows[:, DEPTH_HEAD - 1]
    return rows["contract_slot" if source == "events" else "contract"]
