"""Parquet: orders, events, trades, depth, ticker and funding, one file for each contract.

Prices are whole ticks and quantities whole lots, and the file's metadata says what each is worth: 64-bit integers are
exact and quick in every tool, while a decimal column becomes Python objects in pandas. `prices=decimal` writes decimals
of the contract's own scale instead, for SQL and for eyes. Times are timestamps in nanoseconds, UTC.

`orders` is the order flow that the book has seen, in our own order format: replayed alone it gives the same book at
every record and the same trades. What rests when a file begins comes first; an aggressor is an immediate-or-cancel
order of what it took, and what is left of it a new order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from engine.code_values import EVENT_FILL, EXEC_CONDITIONAL, SIDE_BUY, SIDE_SELL
from engine.codes import NIL, EventKind, OrdType, Reason, Side, TimeInForce
from engine.recordings.out.arrow_columns import Maker, arrow
from engine.recordings.out.book_changes import DEPTH_HEAD, Action, Cause, as_changes
from engine.recordings.out.formats import Format, GroupWriter, Opening, Rows, Table

GROUP_ROWS = 1 << 17
"""Rows of a row group: what a reader can skip by its statistics."""
_ACTIONS = ("new", "amend", "cancel")
_NEW, _AMEND, _CANCEL = range(3)
_GTC, _IOC = 0, 1
Columns = dict[str, Any]


# --- columns ------------------------------------------------------------------------------------------------------


def _in_the_book(rows: Rows) -> Rows:
    return rows[rows["action"] != Action.TRADE]


def _of_trades(rows: Rows) -> Rows:
    return rows[rows["action"] >= Action.FILL]


def _all(rows: Rows) -> Rows:
    return rows


def _orders(rows: Rows, make: Maker) -> Columns:
    fills = rows["action"] == Action.FILL
    joins = np.zeros(len(rows), bool)
    joins[1:] = fills[1:] & fills[:-1]
    for name in ("taker_order_id", "seq", "contract"):
        joins[1:] &= rows[name][1:] == rows[name][:-1]
    first = np.flatnonzero(~joins)
    last = np.append(first[1:], len(rows)) - 1
    begun, action, is_fill = rows[last], rows["action"][first], fills[first]
    sums = np.add.reduceat(rows["lots"], first) if len(rows) else rows["lots"]
    kinds = np.full(max(Action) + 1, _NEW, np.int32)
    kinds[Action.REDUCE], kinds[Action.DELETE] = _AMEND, _CANCEL
    kind = kinds[action]
    gone, not_new = kind == _CANCEL, kind != _NEW
    lots = np.where(is_fill, sums, begun["left_lots"])
    sides = np.where(is_fill, SIDE_BUY + SIDE_SELL - begun["side"], begun["side"]) - SIDE_BUY
    columns = {
        "time": make.times(begun["time_ns"]),
        "action": make.words(kind, _ACTIONS),
        "cl_ord_id": make.numbers(np.where(is_fill, begun["taker_order_id"], begun["order_id"])),
        "side": make.words(sides, ("buy", "sell"), not_new),
    }
    columns.update([make.amount("qty_lots", lots, gone), make.amount("price_ticks", begun["price_ticks"], not_new)])
    columns["tif"] = make.words(np.where(is_fill, _IOC, _GTC), ("gtc", "ioc"), not_new)
    columns["flags"] = make.words(np.zeros(len(kind)), ("qty_is_leaves",), kind != _AMEND)
    return columns


def _trades(rows: Rows, make: Maker) -> Columns:
    no_order = rows["cause"] == Cause.DELEVERAGING
    columns = {
        "time": make.times(rows["time_ns"]),
        "trade_id": make.numbers(rows["trade_id"]),
        "side": make.words(SIDE_SELL - rows["side"], ("buy", "sell")),
    }
    columns.update([make.amount("price_ticks", rows["price_ticks"]), make.amount("qty_lots", rows["lots"])])
    columns["cause"] = make.codes(rows["cause"], Cause)
    columns["maker_order_id"] = make.numbers(rows["order_id"], no_order)
    columns["taker_order_id"] = make.numbers(rows["taker_order_id"], no_order)
    columns["seq"] = make.numbers(rows["seq"])
    return columns


def _events(rows: Rows, make: Maker) -> Columns:
    kind, no_fill = rows["kind"], rows["kind"] != EVENT_FILL
    columns = {
        "time": make.times(rows["time_ns"]),
        "seq": make.numbers(rows["seq"]),
        "kind": make.codes(kind, EventKind),
        "reason": make.codes(rows["reason"], Reason),
        "account_slot": make.numbers(rows["account_slot"]),
        "order_id": make.numbers(rows["order_id"], rows["order_id"] == 0),
        "cl_ord_id": make.numbers(rows["cl_ord_id"], rows["cl_ord_id"] == 0),
        "side": make.codes(rows["side"], Side),
        "ord_type": make.codes(rows["ord_type"], OrdType),
        "tif": make.codes(rows["tif"], TimeInForce),
        "flags": make.numbers(rows["flags"]),
    }
    columns.update([make.amount("price_ticks", rows["price_ticks"])])
    columns.update(make.amount(name, rows[name]) for name in ("last_lots", "leaves_lots", "filled_lots"))
    columns.update([make.amount("level_lots", rows["level_lots"], rows["level_lots"] == NIL)])
    columns["trade_id"] = make.numbers(rows["trade_id"], no_fill)
    columns["fee_micros"] = make.numbers(rows["fee_micros"], no_fill)
    columns.update([make.amount("position_lots", rows["position_lots"], no_fill)])
    columns.update((name, make.numbers(rows[name], no_fill)) for name in ("entry_cost_micros", "cash_micros"))
    waits = no_fill & (rows["flags"] & EXEC_CONDITIONAL != 0)
    columns.update([make.amount("trigger_price_ticks", rows["fee_micros"], ~waits)])
    return columns


def _depth(rows: Rows, make: Maker) -> Columns:
    columns = {"time": make.times(rows[:, 0]), "seq": make.numbers(rows[:, 1])}
    for at in range(DEPTH_HEAD, rows.shape[1], 2):
        level, side = divmod((at - DEPTH_HEAD) // 2, 2)
        name, is_none = f"{('bid', 'ask')[side]}_{level + 1}", rows[:, at + 1] == 0
        columns.update([make.amount(f"{name}_price_ticks", rows[:, at], is_none)])
        columns.update([make.amount(f"{name}_qty_lots", rows[:, at + 1], is_none)])
    return columns


def _ticker(rows: Rows, make: Maker) -> Columns:
    columns = {"time": make.times(rows["time_ns"]), "seq": make.numbers(rows["seq"])}
    columns.update([make.amount("mark_price_subticks", rows["mark_subticks"])])
    columns.update([make.amount("index_price_subticks", rows["index_subticks"], rows["index_subticks"] == 0)])
    columns.update([make.amount("last_price_ticks", rows["last_price_ticks"], rows["last_price_ticks"] == 0)])
    columns.update([make.amount("open_interest_lots", rows["open_interest_lots"])])
    columns.update([make.amount("funding_rate_ppb", rows["funding_rate_ppb"], rows["has_rate"] == 0)])
    return columns


def _funding(rows: Rows, make: Maker) -> Columns:
    columns = {"time": make.times(rows["time_ns"]), "seq": make.numbers(rows["seq"])}
    columns.update([make.amount("funding_rate_ppb", rows["rate_ppb"])])
    columns.update([make.amount("average_premium_ppb", rows["average_premium_ppb"])])
    columns["samples"] = make.numbers(rows["samples"])
    columns["is_paid"] = make.numbers(rows["is_paid"] != 0)
    columns.update([make.amount("mark_price_subticks", rows["mark_subticks"])])
    columns.update([make.amount("index_price_subticks", rows["index_subticks"])])
    return columns


@dataclass(frozen=True)
class _Content:
    """What a table has: which rows of its source, and their columns."""

    keep: Callable[[Rows], Rows]
    columns: Callable[[Rows, Maker], Columns]


# --- files --------------------------------------------------------------------------------------------------------


class ParquetWriter(GroupWriter):
    """Writes one table, a group of rows at a time."""

    def __init__(self, file: IO[bytes], opening: Opening, content: _Content) -> None:
        super().__init__(GROUP_ROWS)
        self._pa = arrow()
        self._file, self._content = file, content
        spec = opening.spec
        self._make = Maker(spec.tick, spec.lot, opening.options.get("prices") == "decimal")
        self._metadata = {
            "what": opening.what,
            "contract": spec.name,
            "tick": spec.tick,
            "lot": spec.lot,
            "has_clock": str(opening.has_clock).lower(),
        }
        self._contract = spec.name
        self._writer: Any = None

    def keep(self, rows: Rows) -> Rows:
        """Those rows of the source that the file has."""
        return self._content.keep(rows)

    def put(self, rows: Rows) -> int:
        """Write row groups."""
        table = self._pa.table(self._content.columns(rows, self._make))
        contract = self._make.words(np.zeros(len(table)), (self._contract,))
        table = table.append_column("contract", contract).replace_schema_metadata(self._metadata)
        if self._writer is None:
            self._writer = self._pa.parquet.ParquetWriter(
                self._file, table.schema, compression="zstd", write_page_checksum=True
            )
        if len(table):
            self._writer.write_table(table, row_group_size=GROUP_ROWS)
        return len(table)

    def close(self) -> None:
        """Write the rest and the end of the file."""
        self.flush()
        if self._writer is None:
            raise AssertionError("a file is opened for its first rows")
        self._writer.close()


class _OrdersWriter(ParquetWriter):
    """The order flow, which begins with what rests."""

    def __init__(self, file: IO[bytes], opening: Opening) -> None:
        super().__init__(file, opening, _Content(_in_the_book, _orders))
        if len(opening.resting):
            self.write(as_changes(opening.resting, opening.time_ns))


def _file_name(opening: Opening) -> str:
    day = opening.dated("-%Y-%m-%d")
    return f"{opening.name}-{opening.what}{day}.parquet"


def _table(source: str, columns: Callable[[Rows, Maker], Columns], keep: Callable[[Rows], Rows] = _all) -> Table:
    content = _Content(keep, columns)
    return Table(source, _file_name, lambda file, opening: ParquetWriter(file, opening, content))


def _check() -> None:
    arrow()


_TABLES: Mapping[str, Table] = {
    "orders": Table("changes", _file_name, _OrdersWriter),
    "events": _table("events", _events),
    "trades": _table("changes", _trades, _of_trades),
    "depth": _table("depth", _depth),
    "ticker": _table("ticker", _ticker),
    "funding": _table("funding", _funding),
}
PARQUET = Format(_TABLES, ("orders", "trades"), _check, needs_clock=False, options={"prices": ("ticks", "decimal")})
