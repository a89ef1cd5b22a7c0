"""Binance's aggTrades as published: CSV of one symbol and day, of spot and futures, with or without a header.

The symbol is the start of the file's name, as in BTCUSDT-aggTrades-2024-01-01.zip. Times are in milliseconds or
microseconds. A trade whose buyer was the maker is a seller's.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.codes import Side
from engine.recordings.decimal_columns import NO_MULTIPLE, decimal_columns, decimal_text
from engine.recordings.level_texts import LevelTexts
from engine.recordings.line_blocks import line_blocks
from engine.recordings.price_levels import LAST, LEVEL, TRADE
from engine.recordings.source import BadLineError, RecordingError, sources, whole_number
from engine.recordings.trade_merge import TradeMerge
from engine.units import INT64_MAX

BLOCK_BYTES = 1 << 20
MOST_MS, MOST_US = 10**14, 10**17
"""The largest times in ms and in us: the unit of a time is told by its size."""
COLUMNS = (7, 8)
_NAME = re.compile(r"([A-Z0-9_]{1,32})-aggTrades-", re.ASCII)
_SIDES = {"true": Side.SELL, "false": Side.BUY}

Array = np.ndarray[Any, Any]


def nanoseconds(stamp: int) -> int:
    """A time of a message in nanoseconds."""
    if stamp <= MOST_MS:
        return min(stamp * 1_000_000, INT64_MAX)
    return min(stamp * 1_000, INT64_MAX) if stamp <= MOST_US else stamp


class AggTrades:
    """One file. Its rows are in the units of the book's contract; `alone` counts those of a symbol without a book."""

    def __init__(self, path: Path, texts: LevelTexts, skip_bad: bool) -> None:
        found = sources(path)
        name = _NAME.match(found[0].name) if len(found) == 1 else None
        if not name:
            raise RecordingError(f"{path}: is not one file named like BTCUSDT-aggTrades-2024-01-01.csv")
        self.source, self.symbol, self.texts, self.skip_bad = found[0], name[1], texts, skip_bad
        self.bad, self.alone, self._line = 0, 0, 0

    def merge(self) -> TradeMerge:
        """What puts these trades into the blocks of the book."""
        return TradeMerge(self._blocks(), self._levels)

    def _blocks(self) -> Iterator[tuple[Array, Array]]:
        for block in line_blocks(self.source, BLOCK_BYTES):
            numbers, prices, quantities = [], [], []
            for line in block.decode("ascii", "replace").split("\n")[:-1]:
                self._line += 1
                cells = line.strip().split(",")
                if cells == [""] or (self._line == 1 and cells[0] == "agg_trade_id"):
                    continue
                try:
                    numbers.append((*self._read(cells), self._line))
                except BadLineError:
                    if not self.skip_bad:
                        raise
                    self.bad += 1
                    continue
                prices.append(cells[1])
                quantities.append(cells[2])
            columns = np.array(numbers, np.int64).reshape(-1, 3), *decimal_columns(prices), *decimal_columns(quantities)
            rows = np.column_stack(columns)
            yield rows[:, 0], rows

    def _error(self, field: str, reason: str, line: int = 0) -> BadLineError:
        return BadLineError(self.source.name, line or self._line, field, reason)

    def _read(self, cells: list[str]) -> tuple[int, int]:
        """Time and side of one line."""
        if len(cells) not in COLUMNS:
            raise self._error("line", f"{len(cells)} fields instead of 7 or 8")
        stamp = whole_number(cells[5], (self.source.name, self._line, "transact_time"))
        if stamp < 0:
            raise self._error("transact_time", f"{stamp} is before 1970")
        side = _SIDES.get(cells[6].lower())
        if side is None:
            raise self._error("is_buyer_maker", f"{cells[6][:40]!r} is neither true nor false")
        return nanoseconds(stamp), side

    def _levels(self, rows: Array) -> Array:
        """Trades as LEVEL rows, in the units of the book's contract."""
        slot = self.texts.slot_of(self.symbol)
        if slot is None:
            self.alone += len(rows)
            return np.zeros(0, LEVEL)
        levels = np.zeros(len(rows), LEVEL)
        levels["time_ns"], levels["side"] = rows[:, 0], rows[:, 1]
        levels["contract"], levels["flags"] = slot, TRADE | LAST
        names, (tick, lot) = ("price_ticks", "size_lots"), self.texts.units[slot]
        for name, unit, first in zip(names, (tick, lot), (3, 5), strict=True):
            digits, places = rows[:, first], rows[:, first + 1]
            counts = np.where(digits > 0, unit.count(digits, places), NO_MULTIPLE)
            wrong = np.flatnonzero(counts < 1)
            if len(wrong) and not self.skip_bad:
                field, row = "price" if unit is tick else "quantity", rows[wrong[0]]
                said = decimal_text(int(row[first]), int(row[first + 1])) if row[first] > 0 else "what stands there"
                reason = f"{said} is no multiple from 1 on of the {unit.name} {unit.text}"
                raise self._error(field, reason, int(row[2]))
            levels[name] = counts
        good = (levels["price_ticks"] > 0) & (levels["size_lots"] > 0)
        self.bad += int((~good).sum())
        return levels[good]
