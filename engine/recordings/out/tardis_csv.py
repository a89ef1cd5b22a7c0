"""CSV files with the columns, names and units of Tardis' datasets: gzip, prices as decimals, times in microseconds.

`depth` is `book_snapshot_N`, `levels` is `incremental_book_L2`, `ticker` is `derivative_ticker`. A book's file begins
with a snapshot; where nothing rests yet, it is the changes of the first command. Times are the engine's; of several
commands in one microsecond each has a `local_timestamp` of its own in a book's file, one later than the one before.
"""

import gzip
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

from engine.code_values import SIDE_BUY
from engine.recordings.out.arrow_columns import Maker, arrow
from engine.recordings.out.book_changes import DEPTH_HEAD, Action, level_changes
from engine.recordings.out.formats import Format, GroupWriter, Opening, Rows, Table

EXCHANGE = "lionrock"
NS_PER_US = 1000
GZIP_LEVEL = 6
_FLUSH_ROWS = 1 << 16
Columns = dict[str, Any]
_TRADE_SIDES, _BOOK_SIDES = ("buy", "sell"), ("bid", "ask")


def _levels(rows: Rows, make: Maker) -> Columns:
    return {
        "is_snapshot": make.numbers(rows["last"] > 1),
        "side": make.words(rows["side"] - SIDE_BUY, _BOOK_SIDES),
        "price": make.texts(rows["price_ticks"], "ticks"),
        "amount": make.texts(rows["level_lots"], "lots"),
    }


def _trades(rows: Rows, make: Maker) -> Columns:
    taker_buys = rows["side"] != SIDE_BUY
    return {
        "id": make.numbers(rows["trade_id"]),
        "side": make.words(np.where(taker_buys, 0, 1), _TRADE_SIDES),
        "price": make.texts(rows["price_ticks"], "ticks"),
        "amount": make.texts(rows["lots"], "lots"),
    }


def _snapshots(rows: Rows, make: Maker) -> Columns:
    columns = {}
    for level in range((rows.shape[1] - DEPTH_HEAD) // 4):
        for name, at in (("asks", DEPTH_HEAD + 4 * level + 2), ("bids", DEPTH_HEAD + 4 * level)):
            is_none = rows[:, at + 1] == 0
            columns[f"{name}[{level}].price"] = make.texts(rows[:, at], "ticks", is_none)
            columns[f"{name}[{level}].amount"] = make.texts(rows[:, at + 1], "lots", is_none)
    return columns


def _ticker(rows: Rows, make: Maker) -> Columns:
    no_rate = rows["has_rate"] == 0
    nothing = np.ones(len(rows), bool)
    return {
        "funding_timestamp": make.numbers(rows["time_ns"], nothing),
        "funding_rate": make.texts(rows["funding_rate_ppb"], "ppb", no_rate),
        "predicted_funding_rate": make.numbers(rows["time_ns"], nothing),
        "open_interest": make.texts(rows["open_interest_lots"], "lots"),
        "last_price": make.texts(rows["last_price_ticks"], "ticks", rows["last_price_ticks"] == 0),
        "index_price": make.texts(rows["index_subticks"], "subticks", rows["index_subticks"] == 0),
        "mark_price": make.texts(rows["mark_subticks"], "subticks"),
    }


class TardisWriter(GroupWriter):
    """Writes one file, some tens of thousands of rows at a time."""

    def __init__(self, file: IO[bytes], opening: Opening, columns: Callable[[Rows, Maker], Columns]) -> None:
        super().__init__(_FLUSH_ROWS)
        self._pa = arrow()
        self._zip = gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0)
        self._make = Maker(opening.spec.tick, opening.spec.lot, True)
        self._symbol, self._columns = opening.name, columns
        self._has_head = False

    def arrivals(self, rows: Rows, times_us: Rows) -> Rows:
        """The local times of rows."""
        return times_us

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        self._zip.close()

    def put(self, rows: Rows) -> int:
        """Write lines, the head before the first."""
        make, times = self._make, rows["time_ns"] if rows.dtype.names else rows[:, 0]
        stamps = make.numbers(times // NS_PER_US)
        table = self._pa.table(
            {
                "exchange": make.words(np.zeros(len(rows)), (EXCHANGE,)),
                "symbol": make.words(np.zeros(len(rows)), (self._symbol,)),
                "timestamp": stamps,
                "local_timestamp": self._make.numbers(self.arrivals(rows, times // NS_PER_US)),
                **self._columns(rows, make),
            }
        )
        if not self._has_head:
            self._zip.write(",".join(table.column_names).encode() + b"\n")
            self._has_head = True
        options = self._pa.csv.WriteOptions(include_header=False, quoting_style="none")
        self._pa.csv.write_csv(table, self._zip, options)
        return len(rows)


class LevelsWriter(TardisWriter):
    """Levels; begins with a snapshot. `last` of a row is 2 where it belongs to that."""

    def __init__(self, file: IO[bytes], opening: Opening) -> None:
        super().__init__(file, opening, _levels)
        self._is_first, self._last_seq, self._last_us = True, -1, 0
        if len(opening.resting):
            self.write(level_changes(opening.resting, opening.time_ns))

    def arrivals(self, rows: Rows, times_us: Rows) -> Rows:
        """Each command has a local time of its own, so that readers can tell two within a microsecond apart."""
        if not len(rows):
            return times_us
        is_new = np.diff(rows["seq"], prepend=self._last_seq) != 0
        group, first = np.cumsum(is_new), np.flatnonzero(is_new)
        starts = np.concatenate([[self._last_us], times_us[first]])
        own = np.arange(len(starts))
        local: Rows = (np.maximum.accumulate(starts - own) + own)[group]
        self._last_seq, self._last_us = int(rows["seq"][-1]), int(local[-1])
        return local

    def keep(self, rows: Rows) -> Rows:
        """What a level has after the last of the changes that follow each other there by one command."""
        if self._is_first:
            rows = rows.copy()
            ends = np.flatnonzero(rows["last"])
            first = int(ends[0]) + 1 if len(ends) else len(rows)
            rows["last"][:first] = 2
            self._is_first = not len(ends)
        rows = rows[rows["action"] != Action.TRADE]
        goes_on = np.zeros(len(rows), bool)
        goes_on[:-1] = rows[1:]["seq"] == rows[:-1]["seq"]
        for name in ("side", "price_ticks"):
            goes_on[:-1] &= rows[name][1:] == rows[name][:-1]
        return rows[~goes_on]


class TradesWriter(TardisWriter):
    """Trades."""

    def __init__(self, file: IO[bytes], opening: Opening) -> None:
        super().__init__(file, opening, _trades)

    def keep(self, rows: Rows) -> Rows:
        """The trades among changes."""
        return rows[rows["action"] >= Action.FILL]


def _file_name(kind: str) -> Callable[[Opening], str]:
    def name(opening: Opening) -> str:
        day = opening.dated("_%Y-%m-%d")
        return f"{EXCHANGE}_{kind.format(levels=opening.levels)}{day}_{opening.name}.csv.gz"

    return name


def _table(source: str, kind: str, columns: Callable[[Rows, Maker], Columns]) -> Table:
    return Table(source, _file_name(kind), lambda file, opening: TardisWriter(file, opening, columns))


def _check() -> None:
    arrow()


_TABLES: Mapping[str, Table] = {
    "levels": Table("changes", _file_name("incremental_book_L2"), LevelsWriter),
    "trades": Table("changes", _file_name("trades"), TradesWriter),
    "depth": _table("depth", "book_snapshot_{levels}", _snapshots),
    "ticker": _table("ticker", "derivative_ticker", _ticker),
}
TARDIS = Format(_TABLES, ("levels", "trades"), _check)
