"""A folder of daily files as one recording, such as a vendor's downloads or our own daily exports.

- *Which files.* Those of the table that makes a book (`incremental_book_L2`, `mbo`, `orders` of our Parquet) where
  names have one; else all, which must be of one format. Hidden files and CHECKSUM files are none.
- *Order.* By the day in each name: `2020-01-30`, `20200130`, or as ITCH's files have it. Files of one day, and those of
  a folder without any day, are merged by time, event by event; their messages are then numbered as they come.
- *Contracts* are the same by name, with the ticks and lots of the first file that has them.
- *A day begins anew.* Tardis' and Databento's files say what rests when they begin. ITCH's and PITCH's begin with empty
  books: what rested the day before is gone.
- *`--from`*: files whose day ended more than a day before it are not read.
- *Checksums.* A file with NAME.CHECKSUM beside it, as `sha256sum` writes it, is verified before it is read.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from engine.recordings.batches import Wanted
from engine.recordings.byte_blocks import date_of
from engine.recordings.order_lives import LIFE, LifeAction, LifeBlock, LifeFlag
from engine.recordings.price_levels import LAST, LevelBlock
from engine.recordings.recorded_contracts import RecordedContracts
from engine.recordings.source import RecordingError, Source, note_file, sources
from engine.recordings.tardis import trades_beside

CHECKSUM = ".CHECKSUM"
FORMATS_BY_DAY = ("tardis", "databento", "itch", "pitch")
"""The formats whose files by day each say the whole book."""
_BEGIN_EMPTY = ("itch", "pitch")
_BOOK_TABLES = tuple(map(re.compile, (r"_incremental_book_L2_", r"\.mbo\.", r"-orders(-\d{4}-\d{2}-\d{2})?\.parquet$")))
_SHA_256 = re.compile(r"[0-9a-f]{64}")

Array = np.ndarray[Any, Any]
MakeDecoder = Callable[[Source, Wanted, bool], Any]
"""Makes the decoder of one file: a LifeDecoder or a LevelDecoder."""


def daily_files(folder: Path) -> list[Path]:
    """The files of a folder that make up its recording, by name; none is no error."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    files = sorted(path for path in files if path.suffix != CHECKSUM)
    for table in _BOOK_TABLES:
        named = [path for path in files if table.search(path.name)]
        if named:
            return named
    return files


def days_of(folder: Path) -> list[tuple[date, Path]]:
    """The files of a folder with their days, in order; without any day they are all of one.

    RecordingError when only some have a day in their names.
    """
    days = [(date_of(path.name), path) for path in daily_files(folder)]
    undated = [path for day, path in days if day is None]
    if undated and len(undated) < len(days):
        raise RecordingError(f"{undated[0]}: no day in its name, such as 2020-01-30, and other files there have one")
    return sorted((day or date.max, path) for day, path in days)


def verify(path: Path) -> None:
    """RecordingError when a file is not the one that the checksum beside it is of."""
    beside = path.with_name(path.name + CHECKSUM)
    if not beside.exists():
        return
    wanted = beside.read_bytes()[:65].decode("ascii", "replace").lower().rstrip()
    if not _SHA_256.fullmatch(wanted):
        raise RecordingError(f"{beside}: does not begin with a SHA-256 of 64 hexadecimal digits")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise RecordingError(
            f"{path}: its SHA-256 begins with {found[:8]}, that in {beside.name} with {wanted[:8]}; get the file again"
        )


@dataclass
class _Part:
    """The file at hand: its decoder, the slot in the whole recording of each of its contracts, messages read."""

    decoder: Any
    slots: list[int]
    read: int = 0


class DailyFiles(RecordedContracts):
    """Decodes a folder's files, one day after the other; `make` makes the decoder of one of them."""

    total = 0

    def __init__(self, folder: Path, format: str, make: MakeDecoder, wanted: Wanted, skip_bad: bool = False) -> None:
        super().__init__(Source(folder), wanted)
        self.format, self._make, self.skip_bad = format, make, skip_bad
        self._bad, self._ignored = 0, Counter[str]()
        self._parts: list[_Part] = []
        self._messages, self._latest_ns = 0, 0
        first = date.min
        if wanted.from_ns:
            first = datetime.fromtimestamp(wanted.from_ns // 10**9, UTC).date() - timedelta(days=1)
        self._days: dict[date, list[Path]] = {}
        for day, path in days_of(folder):
            if day >= first:
                self._days.setdefault(day, []).append(path)

    @property
    def bad(self) -> int:
        """What was left out as malformed, in all files so far."""
        return self._bad + sum(part.decoder.bad for part in self._parts)

    @property
    def ignored(self) -> dict[str, int]:
        """What had no effect, in all files so far."""
        return dict(sum((Counter(part.decoder.ignored) for part in self._parts), self._ignored))

    def blocks(self) -> Iterator[Any]:
        """The whole recording: LifeBlocks or LevelBlocks, as the files' decoders give them."""
        size_of = {path: path.stat().st_size for paths in self._days.values() for path in paths}
        done = 0
        for paths in self._days.values():
            for path in paths:
                note_file(self.source.path, done, path, sum(size_of.values()))
                verify(path)
                trades = trades_beside(only_source(path))
                if trades:
                    verify(trades.path)
            if self.format in _BEGIN_EMPTY and self.contracts:
                yield self._cleared()
            wanted = replace(self.wanted, known=self.contracts, may_lack=True)
            self._parts = [_Part(self._make(only_source(path), wanted, self.skip_bad), []) for path in paths]
            yield from self._following(self._parts[0]) if len(paths) == 1 else self._merged()
            self._messages += sum(part.read for part in self._parts)
            self.seen.update(*(part.decoder.seen for part in self._parts))
            self._bad, self._ignored = self.bad, Counter(self.ignored)
            self._parts = []
            done += sum(size_of[path] for path in paths)

    def _cleared(self) -> LifeBlock:
        """All orders of the day before are gone."""
        rows = np.zeros(len(self.contracts), LIFE)
        rows["action"], rows["flags"] = LifeAction.CLEAR, LifeFlag.LAST
        rows["contract"], rows["time_ns"] = range(len(rows)), self._latest_ns
        rows["message"] = self._messages
        return LifeBlock(rows, self._messages)

    def _following(self, part: _Part) -> Iterator[Any]:
        """The blocks of one file, its contracts and messages those of the whole recording."""
        for block in part.decoder.blocks():
            rows = self._taken(part, block)
            rows["message"] += self._messages
            yield replace(block, rows=rows, read=block.read + self._messages)

    def _taken(self, part: _Part, block: LifeBlock | LevelBlock) -> Array:
        """A block's rows with the slots of the whole recording."""
        for spec in part.decoder.contracts[len(part.slots) :]:
            names = [each.name for each in self.contracts]
            part.slots.append(names.index(spec.name) if spec.name in names else self.append(spec))
        self.seen |= part.decoder.seen
        part.read, rows = block.read, block.rows
        if len(rows):
            rows["contract"] = np.array(part.slots, np.int64)[rows["contract"]]
            self._latest_ns = max(self._latest_ns, int(rows["time_ns"][-1]))
        return rows

    # --- files of one day ---------------------------------------------------------------------------------------------

    def _merged(self) -> Iterator[Any]:
        """The blocks of files of one day by time; an event is never parted."""
        files = [_Events(part, self._taken) for part in self._parts]
        written = 0
        while waiting := [(place, file) for place, file in enumerate(files) if file.fill()]:
            until_ns = min(file.times_ns[-1] for _, file in waiting)
            pieces = [(place, *file.take(until_ns)) for place, file in waiting]
            times = np.concatenate([times for _, times, _ in pieces])
            rows = np.concatenate([rows for _, _, rows in pieces])
            of = np.repeat([place for place, _, _ in pieces], [len(rows) for _, _, rows in pieces])
            order = np.argsort(times, kind="stable")
            rows, of = rows[order], of[order]
            begins = (np.diff(rows["message"], prepend=-1) != 0) | (np.diff(of, prepend=-1) != 0)
            rows["message"] = self._messages + written + np.cumsum(begins)
            written += int(begins.sum())
            yield LifeBlock(rows, self._messages + written)


class _Events:
    """Whole events of one file that wait to be merged."""

    def __init__(self, part: _Part, taken: Callable[[_Part, Any], Array]) -> None:
        self._part, self._taken = part, taken
        self._blocks = part.decoder.blocks()
        self._rows: Array | None = None
        self.times_ns = np.zeros(0, np.int64)
        self._ended = False

    def fill(self) -> bool:
        """Read on until an event is whole; False when the file has no more."""
        while not len(self.times_ns) and not self._ended:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                rows = self._taken(self._part, block)
                self._rows = rows if self._rows is None else np.concatenate([self._rows, rows])
            if self._rows is not None:
                self.times_ns = _event_times(self._rows, self._ended)
        return len(self.times_ns) > 0

    def take(self, until_ns: int) -> tuple[Array, Array]:
        """Times and rows of the events up to a time; `fill` found some."""
        assert self._rows is not None
        count = int(np.searchsorted(self.times_ns, until_ns, "right"))
        times, rows = self.times_ns[:count], self._rows[:count]
        self._rows, self.times_ns = self._rows[count:], self.times_ns[count:]
        return times, rows


def _event_times(rows: Array, ended: bool) -> Array:
    """The time of the event that each row is of, never less than one before; of whole events alone until the end."""
    ends = np.flatnonzero(rows["flags"] & LAST)
    count = len(rows) if ended else int(ends[-1]) + 1 if len(ends) else 0
    starts = np.concatenate([[0], ends[ends < count - 1] + 1]).astype(np.int64)
    times = np.maximum.accumulate(rows["time_ns"][starts]) if count else np.zeros(0, np.int64)
    return np.repeat(times, np.diff(starts, append=count)) if count else times


def only_source(path: Path) -> Source:
    """The one stream in a file. RecordingError for a zip of several."""
    found = sources(path)
    if len(found) != 1:
        raise RecordingError(f"{path}: holds {len(found)} files; in a folder of daily files each holds one")
    return found[0]
