"""hftbacktest's event files: `data` of an npz, 64 bytes an event, valid for exchange and strategy alike.

`levels` is market by price (depth and trades), `orders` market by order. Both times of an event are the engine's, so
the feed has no latency of its own. Deleveraging touches no book and is left out.
"""

import io
import shutil
import zipfile
from collections.abc import Mapping
from decimal import Decimal
from typing import IO

import numpy as np
from numpy.lib import format as npy

from engine.code_values import SIDE_BUY
from engine.recordings.batches import ContractSpec
from engine.recordings.out.book_changes import Action, as_changes, level_changes
from engine.recordings.out.file_set import ExportError
from engine.recordings.out.formats import Format, Opening, Rows, Table

EVENT = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ]
)
_DEPTH, _TRADE, _CLEAR, _SNAPSHOT = 1, 2, 3, 4
_ADD, _CANCEL, _MODIFY, _FILL = 10, 11, 12, 13
_BOTH, _BUY, _SELL = 1 << 31 | 1 << 30, 1 << 29, 1 << 28
_EXACT = 1 << 53
"""Whole numbers below this are exact as floats."""
_DATED = (1980, 1, 1, 0, 0, 0)


class _Units:
    """Ticks and lots as the floats next to their decimal values."""

    def __init__(self, spec: ContractSpec) -> None:
        self._spec = spec

    def prices(self, ticks: Rows) -> Rows:
        """Prices of ticks."""
        return self._floats(ticks, self._spec.tick)

    def quantities(self, lots: Rows) -> Rows:
        """Quantities of lots."""
        return self._floats(lots, self._spec.lot)

    def _floats(self, values: Rows, unit: str) -> Rows:
        scale = max(0, -int(Decimal(unit).as_tuple().exponent))
        factor, most = int(Decimal(unit).scaleb(scale)), int(np.abs(values).max(initial=0))
        if most * factor >= _EXACT:
            raise ExportError(f"{self._spec.name}: {most} times {unit} is not exact as a float; choose another format")
        floats: Rows = (values * factor).astype(np.float64) / 10.0**scale
        return floats


def _events(rows: Rows, codes: Rows, sides: Rows, amounts: Rows, units: _Units) -> Rows:
    """Event rows of changes."""
    events = np.zeros(len(rows), EVENT)
    events["ev"] = codes | _BOTH | np.where(sides == SIDE_BUY, _BUY, _SELL)
    events["exch_ts"] = events["local_ts"] = rows["time_ns"]
    events["px"], events["qty"] = units.prices(rows["price_ticks"]), units.quantities(amounts)
    return events


def level_events(rows: Rows, units: _Units) -> Rows:
    """Depth events of changes, each after its trade."""
    is_fill = rows["action"] == Action.FILL
    source = np.repeat(np.arange(len(rows)), 1 + is_fill)
    of = rows[source]
    is_trade = np.zeros(len(of), bool)
    is_trade[:-1] = source[1:] == source[:-1]
    codes = np.where(is_trade, _TRADE, _DEPTH)
    sides = np.where(is_trade, SIDE_BUY + (of["side"] == SIDE_BUY), of["side"])
    return _events(of, codes, sides, np.where(is_trade, of["lots"], of["level_lots"]), units)


def order_events(rows: Rows, units: _Units) -> Rows:
    """Order events of changes: a fill is a trade, a fill, and what it leaves of the order."""
    is_fill = rows["action"] == Action.FILL
    counts = np.where(is_fill, 3, 1)
    source = np.repeat(np.arange(len(rows)), counts)
    part = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    of = rows[source]
    single = np.zeros(max(Action) + 1, np.int64)
    single[[Action.ADD, Action.REDUCE, Action.DELETE]] = _ADD, _MODIFY, _CANCEL
    rest = np.where(of["left_lots"] > 0, _MODIFY, _CANCEL)
    filled = np.where(part == 0, _TRADE, np.where(part == 1, _FILL, rest))
    codes = np.where(of["action"] == Action.FILL, filled, single[of["action"]])
    is_trade = codes == _TRADE
    sides = np.where(is_trade, SIDE_BUY + (of["side"] == SIDE_BUY), of["side"])
    events = _events(of, codes, sides, np.where(codes == _MODIFY, of["left_lots"], of["lots"]), units)
    events["order_id"] = np.where(is_trade, of["taker_order_id"], of["order_id"])
    return events


class NpzWriter:
    """Writes market by order. The events wait in a file without a name, since the array's head tells how many."""

    def __init__(self, file: IO[bytes], opening: Opening) -> None:
        self._file, self._units = file, _Units(opening.spec)
        self._spool = opening.spool()
        self.rows = self.waiting_bytes = 0
        if len(opening.resting):
            self._put(self.snapshot(opening.resting, opening.time_ns))

    def snapshot(self, resting: Rows, time_ns: int) -> Rows:
        """The events that a file begins with: a clear of the book, then its orders."""
        events = order_events(as_changes(resting, time_ns), self._units)
        clear = events[:1].copy()
        clear["ev"], clear["px"], clear["qty"], clear["order_id"] = _CLEAR | _BOTH, 0, 0, 0
        both: Rows = np.concatenate([clear, events])
        return both

    def events(self, rows: Rows) -> Rows:
        """The events of changes."""
        return order_events(rows, self._units)

    def write(self, rows: Rows) -> None:
        """The events of the next changes."""
        self._put(self.events(rows[rows["action"] != Action.TRADE]))

    def _put(self, events: Rows) -> None:
        self._spool.write(events.tobytes())
        self.rows += len(events)

    def flush(self) -> None:
        """Nothing is held in memory."""

    def close(self) -> None:
        """Write the array with its head."""
        head = io.BytesIO()
        npy.write_array_header_1_0(
            head, {"descr": npy.dtype_to_descr(EVENT), "fortran_order": False, "shape": (self.rows,)}
        )
        self._spool.seek(0)
        entry = zipfile.ZipInfo("data.npy", _DATED)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(self._file, "w") as pack, pack.open(entry, "w", force_zip64=True) as file:
            file.write(head.getvalue())
            shutil.copyfileobj(self._spool, file, 1 << 20)
        self._spool.close()


class LevelsWriter(NpzWriter):
    """Writes market by price."""

    def snapshot(self, resting: Rows, time_ns: int) -> Rows:
        """The events that a file begins with: its levels."""
        events = level_events(level_changes(resting, time_ns), self._units)
        events["ev"] += _SNAPSHOT - _DEPTH
        return events

    def events(self, rows: Rows) -> Rows:
        """The events of changes."""
        return level_events(rows, self._units)


def _file_name(opening: Opening) -> str:
    return f"{opening.name}_{opening.what}{opening.dated('_%Y%m%d')}.npz"


def _check() -> None:
    """It needs nothing that is not there."""


_TABLES: Mapping[str, Table] = {
    "levels": Table("changes", _file_name, LevelsWriter),
    "orders": Table("changes", _file_name, NpzWriter),
}
HFTBACKTEST = Format(_TABLES, ("levels",), _check)
