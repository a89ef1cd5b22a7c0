"""Recorded premium candles and funding rates from CSV files, as venues publish them. Exact integers, never floats."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from engine.units import PPB

TIME_COLUMNS = ("timestamp", "time", "date", "datetime", "open_time", "opentime", "fundingtime", "calc_time")
RATE_COLUMNS = ("rate", "fundingrate", "funding_rate", "last_funding_rate")
CANDLE_COLUMNS = ("open", "high", "low", "close")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,24})?([eE][+-]?[0-9]{1,2})?")
_DIGITS = re.compile(r"[0-9]{1,19}")
_EPOCH_UNITS = ((10, 1), (13, 1_000), (16, 1_000_000), (19, 1_000_000_000))
"""An epoch time of so many digits at most counts so many units a second."""
_LAST_S = 1 << 33

Candle = tuple[int, int, int, int]
"""Open, high, low and close of a premium, in ppb."""


@dataclass(frozen=True)
class Candles:
    """Premium candles of one length by the second at which each begins."""

    length_s: int
    by_time: dict[int, Candle]


@dataclass(frozen=True)
class Rate:
    """A recorded rate: when it was settled, to the minute, and the rate in ppb."""

    time_s: int
    ppb: int


def fraction_ppb(text: str) -> int | None:
    """A fraction such as 0.0001 or 1e-4 in ppb, rounded to the nearest; None when it is none from -1 to 1."""
    text = text.strip()
    value = Decimal(text) if _NUMBER.fullmatch(text) else None
    return None if value is None or abs(value) > 1 else round(value * PPB)


@dataclass(frozen=True)
class _Row:
    """One line of a file with the names of what it holds."""

    path: Path
    line: int
    cells: dict[str, str]

    def wrong(self, column: str, why: str) -> ValueError:
        """An error that says where it is."""
        return ValueError(f"{self.path}, line {self.line}: {column} {self.cells[column][:40]!r} {why}")

    def ppb(self, column: str) -> int:
        """A fraction in ppb."""
        found = fraction_ppb(self.cells[column])
        if found is None:
            raise self.wrong(column, "is no fraction from -1 to 1 such as -0.00019461: one basis point is 0.0001")
        return found

    def time_s(self, column: str) -> int:
        """An epoch time of any usual unit, or a date and time, UTC where it says nothing; cut to the second."""
        text = self.cells[column].strip()
        if _DIGITS.fullmatch(text):
            found = int(text) // next(per_s for digits, per_s in _EPOCH_UNITS if len(text) <= digits)
        else:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                raise self.wrong(column, "is no time such as 2024-03-01T08:00:00Z or 1709280000000") from None
            found = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        if not 0 <= found < _LAST_S:
            raise self.wrong(column, "is no time from 1970 to 2242")
        return found


def read_candles(path: Path, stamped_at_close: bool) -> Candles:
    """Premium candles. Some venues stamp a candle with its end. The shortest step between two is their length."""
    found: dict[int, Candle] = {}
    for row in _rows(path, CANDLE_COLUMNS):
        time_s = row.time_s(_column(row.path, row.cells, TIME_COLUMNS))
        first, high, low, last = (row.ppb(name) for name in CANDLE_COLUMNS)
        if time_s in found:
            raise ValueError(f"{path}, line {row.line}: a second candle at {moment_text(time_s)}; "
                             "keep one of each, and of one contract")  # fmt: skip
        if high < low:
            raise row.wrong("high", f"is below the low, {row.cells['low'][:40]!r}")
        # Some venues open a candle with the last one's close, which may lie outside its own high and low.
        found[time_s] = first, max(first, high, last), min(first, low, last), last
    times = sorted(found)
    if len(times) < 2:
        raise ValueError(f"{path}: {len(times)} candles; at least two are needed to know how long one is")
    length = min(later - earlier for earlier, later in pairwise(times))
    shift = length if stamped_at_close else 0
    return Candles(length, {time_s - shift: found[time_s] for time_s in times})


def read_rates(path: Path) -> list[Rate]:
    """Recorded rates in order of time. Venues stamp a settlement some milliseconds late: it belongs to its minute."""
    found: dict[int, Rate] = {}
    for row in _rows(path, ()):
        time_s = row.time_s(_column(path, row.cells, TIME_COLUMNS)) // 60 * 60
        if time_s in found:
            raise ValueError(f"{path}, line {row.line}: a second rate at {moment_text(time_s)}; "
                             "keep one of each, and of one contract")  # fmt: skip
        found[time_s] = Rate(time_s, row.ppb(_column(path, row.cells, RATE_COLUMNS)))
    if not found:
        raise ValueError(f"{path}: no rates; name a file with a header and a line for each settlement")
    return [found[time_s] for time_s in sorted(found)]


def moment_text(time_s: int) -> str:
    """A time as text, in UTC."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rows(path: Path, wanted: Sequence[str]) -> Iterator[_Row]:
    """The lines of a CSV file. Without a header the first columns are a time and those wanted, if any are."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            names: list[str] = []
            for cells in reader:
                if not cells:
                    continue
                if not names:
                    names = [cell.strip().lower() for cell in cells]
                    if not (wanted and _DIGITS.fullmatch(names[0])):
                        _require(path, names, wanted)
                        continue
                    names = ["open_time", *wanted]
                if len(cells) < len(names):
                    raise ValueError(f"{path}, line {reader.line_num}: {len(cells)} cells, but {len(names)} columns")
                yield _Row(path, reader.line_num, dict(zip(names, cells, strict=False)))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; unpack it first if it is an archive") from None
    except csv.Error as error:
        raise ValueError(f"{path}: not a CSV file: {error}") from None


def _require(path: Path, names: list[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"{path}: no column {missing[0]!r} among {', '.join(names)[:200]}; candles have "
                         "a time, open, high, low and close")  # fmt: skip


def _column(path: Path, cells: dict[str, str], known: Sequence[str]) -> str:
    """Which of the names known for something the file uses."""
    for name in known:
        if name in cells:
            return name
    raise ValueError(f"{path}: no column among {', '.join(cells)[:200]} is one of {', '.join(known)}")
