"""A folder of tables of orders as one recording, such as our own exports to Parquet: a file for each contract and day.

- *Order.* By the days in the names; files of one day are merged by time, and at one time by name.
- *A day begins anew.* A file of our exports (its metadata has `what`: orders) begins with the orders that rest then.
  Orders of its contract that rest from a file before are cancelled first, in one mass cancel.
- Tables without these metadata follow each other: what rests goes on over midnight.
- *Contracts* have the tick and lot of the first file that has them; a file that says others is refused.

Messages are the good rows of all files, numbered as they come.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from engine.recordings.batches import Batch, ContractSpec
from engine.recordings.daily_files import days_of, only_source, verify
from engine.recordings.order_fields import Names, write_row
from engine.recordings.order_table import TableReader
from engine.recordings.source import RecordingError, note_file
from engine.schema import COMMAND

Rows = np.ndarray[Any, Any]


class DailyTables:
    """Reads a folder of tables. RecordingError as `TableReader`, for the first file at once."""

    format = "table"
    has_clock = True
    depth = 0
    is_log = False
    total = 0

    def __init__(self, folder: Path, skip_bad: bool = False) -> None:
        self._folder, self._skip_bad = folder, skip_bad
        self._days: dict[date, list[Path]] = {}
        for day, path in days_of(folder):
            self._days.setdefault(day, []).append(path)
        self.names = Names()
        self.contract = self._open(next(iter(self._days.values()))[0]).contract
        self._specs: list[ContractSpec] = []
        self._bad, self._messages = 0, 0
        self._parts: list[_Part] = []

    @property
    def contracts(self) -> list[ContractSpec]:
        """The contracts that appeared so far, by slot."""
        return self._specs or [self.contract]

    @property
    def accounts(self) -> int:
        """How many accounts appeared so far: their slots are those below."""
        return max(self.names.accounts, 1)

    @property
    def bad(self) -> int:
        """The rows left out so far, of all files."""
        return self._bad + sum(part.reader.bad for part in self._parts)

    def batches(self) -> Iterator[Batch]:
        """The whole recording; a message is a row."""
        size_of = {path: path.stat().st_size for paths in self._days.values() for path in paths}
        done = 0
        for paths in self._days.values():
            for path in paths:
                note_file(self._folder, done, path, sum(size_of.values()))
                verify(path)
            self._parts = [_Part(self._open(path), self.names) for path in paths]
            yield from self._merged()
            self._bad, self._parts = self.bad, []
            done += sum(size_of[path] for path in paths)

    def _open(self, path: Path) -> TableReader:
        return TableReader(only_source(path), self._skip_bad, self.names)

    def _merged(self) -> Iterator[Batch]:
        """The rows of the parts by time."""
        while waiting := [part for part in self._parts if self._fill(part)]:
            until_ns = min(part.times_ns[-1] for part in waiting)
            times_ns, rows, is_message = map(
                np.concatenate, zip(*(part.take(until_ns) for part in waiting), strict=True)
            )
            order = np.argsort(times_ns, kind="stable")
            messages = self._messages + np.cumsum(is_message[order])
            self._messages = int(messages[-1])
            yield Batch(rows[order], messages, messages, self._messages)

    def _fill(self, part: "_Part") -> bool:
        """Read on in a file until it has rows; False at its end. RecordingError when it says other units."""
        if not part.fill():
            return False
        for name in self.names.contracts[len(self._specs) :]:
            self._specs.append(replace(part.reader.contract, name=name) if name else part.reader.contract)
        for slot in part.new_contracts():
            spec, said = self._specs[slot], part.reader.contract
            for field, first, now in (("tick", spec.tick, said.tick), ("lot", spec.lot, said.lot)):
                if first != now:
                    reason = f"{now} for {spec.name}, and {first} in a file before; replay it by itself"
                    raise RecordingError(f"{part.reader.source.path}: metadata: {field} is {reason}")
        return True


class _Part:
    """One file: the rows that wait to be merged, with times that never go back."""

    def __init__(self, reader: TableReader, names: Names) -> None:
        self.reader, self._names = reader, names
        self._batches = reader.batches()
        self._is_begun = False
        self._latest_ns = 0
        self._known: set[int] = set()
        self._rows, self._is_message = np.zeros(0, COMMAND), np.zeros(0, bool)
        self.times_ns = np.zeros(0, np.int64)

    def fill(self) -> bool:
        """Read on until there are rows; False at the end."""
        had = list(self._names.contracts)
        while not len(self.times_ns):
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._rows, self._is_message = batch.commands, np.ones(len(batch.commands), bool)
            if len(self._rows) and not self._is_begun:
                self._is_begun = True
                if self.reader.is_export and self.reader.contract.name in had:
                    self._rows = np.concatenate([self._cleared(int(self._rows["time_ns"][0])), self._rows])
                    self._is_message = np.concatenate([[False], self._is_message])
            times_ns = np.maximum.accumulate(np.concatenate([[self._latest_ns], self._rows["time_ns"]]))
            self._latest_ns, self.times_ns = int(times_ns[-1]), times_ns[1:]
        return True

    def new_contracts(self) -> list[int]:
        """The slots of the contracts that the file names for the first time in the rows that wait."""
        new = set(np.unique(self._rows["contract_slot"]).tolist()) - self._known
        self._known |= new
        return [slot for slot in new if slot >= 0]

    def take(self, until_ns: int) -> tuple[Rows, Rows, Rows]:
        """Times and rows up to a time, and whether each is of the file."""
        count = int(np.searchsorted(self.times_ns, until_ns, "right"))
        taken = self.times_ns[:count], self._rows[:count], self._is_message[:count]
        self.times_ns, self._rows = self.times_ns[count:], self._rows[count:]
        self._is_message = self._is_message[count:]
        return taken

    def _cleared(self, time_ns: int) -> Rows:
        """All orders of the file's contract are cancelled: it says itself what rests."""
        rows = np.zeros(1, COMMAND)
        fields = {"action": "mass_cancel", "contract": self.reader.contract.name, "time_ns": str(time_ns)}
        write_row(fields, (self.reader.source.name, 0), self._names, rows[0])
        return rows
