"""The lives of a naive market as Databento's market by order, written with the public library: DBN and CSV."""

import io
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import databento_dbn as dbn

from engine.codes import Side
from engine.recordings.order_lives import LifeAction, LifeFlag
from tests.recordings.lives import COLUMNS, START_NS

NANOS_PER_TICK = 10_000_000
"""A tick of 0.01."""
LAST = int(dbn.F_LAST)
NAMES = ("ALPHA", "BETA", "GAMMA")
_SIDES = {Side.BUY: dbn.Side.BID, Side.SELL: dbn.Side.ASK}


def message(row: dict[str, int], action: str, **said: Any) -> Any:
    """One MBO record."""
    values: dict[str, Any] = {
        "publisher_id": 1,
        "instrument_id": 100 + row["contract"],
        "ts_event": row["time_ns"] - 500,
        "order_id": row["order_id"],
        "price": dbn.UNDEF_PRICE,
        "size": 0,
        "action": dbn.Action(action),
        "side": dbn.Side.NONE,
        "ts_recv": row["time_ns"],
        "flags": 0,
        "sequence": row["message"],
    }
    return dbn.MBOMsg(**(values | said))


@dataclass
class MboWriter:
    """Makes records of life rows. `fills`: 'strict' cancels what is filled, 'reduce' modifies what is left."""

    fills: str = "strict"
    resting: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """Side, price in ticks and size."""

    def records(self, rows: list[tuple[int, ...]]) -> list[Any]:
        """All records, each event with F_LAST on its last one."""
        found: list[Any] = []
        for values in rows:
            row = dict(zip(COLUMNS, values, strict=True))
            new = self._event(row)
            if row["flags"] & LifeFlag.LAST and (new or found):
                new = new or [message(row, "N")]
                new[-1].flags |= LAST
            found += new
        return found

    def _event(self, row: dict[str, int]) -> list[Any]:
        key, action = (row["contract"], row["order_id"]), row["action"]
        if action == LifeAction.ADD:
            self.resting[key] = [row["side"], row["price_ticks"], row["size_lots"]]
            return [self._about(row, "A", key)]
        if action == LifeAction.CLEAR:
            self.resting = {other: order for other, order in self.resting.items() if other[0] != row["contract"]}
            return [message(row, "R", order_id=0)]
        if key not in self.resting:
            return []
        if action == LifeAction.REDUCE:
            return [self._cancel(row, key, row["size_lots"])]
        if action == LifeAction.DELETE:
            return [self._cancel(row, key, self.resting[key][2])]
        if action == LifeAction.RESIZE:
            self.resting[key][1:] = [row["price_ticks"] or self.resting[key][1], row["size_lots"]]
            return [self._about(row, "M", key)]
        if action == LifeAction.REPLACE:
            side = self.resting[key][0]
            gone = self._cancel(row, key, self.resting[key][2])
            new = (row["contract"], row["new_order_id"])
            self.resting[new] = [side, row["price_ticks"], row["size_lots"]]
            return [gone, self._about(row | {"order_id": row["new_order_id"]}, "A", new)]
        return self._execution(row, key)

    def _about(self, row: dict[str, int], action: str, key: tuple[int, int], **said: Any) -> Any:
        side, price, size = self.resting[key]
        values = {"side": _SIDES[Side(side)], "price": price * NANOS_PER_TICK, "size": size}
        return message(row, action, **(values | said))

    def _cancel(self, row: dict[str, int], key: tuple[int, int], size: int) -> Any:
        record = self._about(row, "C", key, size=size)
        self.resting[key][2] -= size
        if not self.resting[key][2]:
            del self.resting[key]
        return record

    def _execution(self, row: dict[str, int], key: tuple[int, int]) -> list[Any]:
        side, size = self.resting[key][0], row["size_lots"]
        trade = self._about(row, "T", key, size=size, side=_SIDES[Side(3 - side)], order_id=0)
        fill = self._about(row, "F", key, size=size)
        if self.fills == "reduce" and size < self.resting[key][2]:
            self.resting[key][2] -= size
            return [trade, fill, self._about(row, "M", key)]
        return [trade, fill, self._cancel(row, key, size)]


def metadata(version: int = 3, ts_out: bool = False) -> Any:
    """What stands at the beginning of a file of the three instruments."""
    return dbn.Metadata(
        dataset="XNAS.ITCH",
        start=START_NS,
        stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.MBO,
        symbols=list(NAMES),
        mappings=[_mapping(name, 100 + index) for index, name in enumerate(NAMES)],
        ts_out=ts_out,
        version=version,
    )


def _mapping(name: str, instrument_id: int) -> Any:
    day = date(2023, 11, 14)
    interval = SimpleNamespace(start_date=day, end_date=day + timedelta(1), symbol=str(instrument_id))
    return SimpleNamespace(raw_symbol=name, intervals=[interval])


def dbn_bytes(records: list[Any], version: int = 3) -> bytes:
    """A plain DBN file."""
    return metadata(version).encode() + b"".join(bytes(record)[:56] for record in records)


def csv_bytes(plain: bytes, is_pretty: bool = True, map_symbols: bool = True) -> bytes:
    """A DBN file as the public library writes it as CSV."""
    out = io.BytesIO()
    coder = dbn.Transcoder(
        out, dbn.Encoding.CSV, dbn.Compression.NONE, pretty_px=is_pretty, pretty_ts=is_pretty, map_symbols=map_symbols
    )
    coder.write(plain)
    coder.flush()
    return out.getvalue()
