"""DBN, Databento's encoding: orders as `mbo`, trades, and the contracts' definitions; all contracts in one file.

A trade is T (the aggressor's), F (the resting order's), and then what the fill leaves of the resting order. For that
readers want different records, so `fills` names the variant:

- `strict`, as Databento writes it: C of the filled size, whether or not it is the whole order.
- `reduce`, for readers that take every C for the whole order: M with the size that is left, and C only at the end.

Prices are in 1e-9 and sizes are lots, in 32 bits. `instrument_id` is the contract's slot and one.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import IO, Any

import numpy as np
import zstandard

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.recordings.batches import ContractSpec
from engine.recordings.out.book_changes import Action, Cause, as_changes
from engine.recordings.out.file_set import ExportError
from engine.recordings.out.formats import DAY_NS, Format, Opening, Rows, Table

DATASET = "LIONROCK"
PUBLISHER = 0
"""None of Databento's."""
NO_LIBRARY = "--format dbn needs databento-dbn: pip install 'lionrock[databento]', or choose another format"
MAX_SIZE = (1 << 32) - 2
UNDEF_PRICE = (1 << 63) - 1
_F_LAST, _F_SNAPSHOT = 128, 32
_MBO, _TRADES = 160, 0
_NANOS = 1_000_000_000
MBO = np.dtype(
    [
        ("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"), ("ts_event", "<u8"),
        ("order_id", "<u8"), ("price", "<i8"), ("size", "<u4"), ("flags", "u1"), ("channel_id", "u1"),
        ("action", "u1"), ("side", "u1"), ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
    ]
)  # fmt: skip
TRADE = np.dtype(
    [
        ("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"), ("ts_event", "<u8"),
        ("price", "<i8"), ("size", "<u4"), ("action", "u1"), ("side", "u1"), ("flags", "u1"), ("depth", "u1"),
        ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
    ]
)  # fmt: skip
_BID, _ASK, _NONE = b"BAN"
_RECORDS = {Action.ADD: b"A", Action.REDUCE: b"M", Action.DELETE: b"C", Action.FILL: b"TFC", Action.TRADE: b"T"}


def library() -> Any:
    """databento-dbn. ExportError when it is not installed."""
    try:
        import databento_dbn
    except ImportError:
        raise ExportError(NO_LIBRARY) from None
    return databento_dbn


def nanos_of(spec: ContractSpec) -> int:
    """What a tick is in 1e-9. ExportError when that is no whole number."""
    nanos = Decimal(spec.tick) * _NANOS
    if nanos != int(nanos):
        raise ExportError(f"{spec.name}: a tick of {spec.tick} is finer than DBN's 0.000000001; choose another format")
    return int(nanos)


# --- records ------------------------------------------------------------------------------------------------------


class _Prices:
    """The contracts' ticks in 1e-9, looked up when one first appears."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._nanos: dict[int, int] = {}

    def of(self, rows: Rows) -> Rows:
        """The prices of some changes. ExportError for one that DBN cannot hold."""
        prices = np.zeros(len(rows), np.int64)
        for contract in np.unique(rows["contract"]).tolist():
            nanos = self._nanos.setdefault(contract, nanos_of(self._opening.spec_of(contract)))
            at = rows["contract"] == contract
            ticks = rows["price_ticks"][at]
            if int(ticks.max()) * nanos >= UNDEF_PRICE:
                spec = self._opening.spec_of(contract)
                raise ExportError(
                    f"{spec.name}: {int(ticks.max())} ticks of {spec.tick} are more than DBN's prices hold"
                )
            prices[at] = ticks * nanos
        return prices


def _fill(records: Rows, rows: Rows, rtype: int) -> None:
    """What all records have alike."""
    records["length"], records["rtype"], records["publisher_id"] = records.dtype.itemsize // 4, rtype, PUBLISHER
    records["instrument_id"] = rows["contract"] + 1
    records["ts_event"] = records["ts_recv"] = rows["time_ns"]
    records["sequence"] = rows["seq"] & 0xFFFF_FFFF


def _check_sizes(rows: Rows, what: Rows) -> Rows:
    if len(what) and int(what.max()) > MAX_SIZE:
        row = rows[int(np.argmax(what))]
        raise ExportError(
            f"order {row['order_id']}, sequence {row['seq']}: {int(what.max())} lots, and a size in DBN is at most "
            f"{MAX_SIZE}; choose another format"
        )
    return what


def mbo_records(rows: Rows, prices: Rows, reduces: bool) -> Rows:
    """The MBO records of changes."""
    counts = np.ones(max(Action) + 1, np.int64)
    counts[Action.FILL] = len(_RECORDS[Action.FILL])
    codes = np.zeros((max(Action) + 1, 3), np.uint8)
    for code, text in _RECORDS.items():
        codes[code, : len(text)] = list(text)
    counts = counts[rows["action"]]
    source = np.repeat(np.arange(len(rows)), counts)
    part = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    of = rows[source]
    records = np.zeros(len(of), MBO)
    _fill(records, of, _MBO)
    action = codes[of["action"], part]
    is_trade = action == ord("T")
    records["order_id"] = np.where(is_trade, of["taker_order_id"], of["order_id"])
    records["price"] = prices[source]
    resting = np.where(of["side"] == SIDE_BUY, _BID, _ASK)
    taking = np.where(of["cause"] == Cause.DELEVERAGING, _NONE, np.where(of["side"] == SIDE_BUY, _ASK, _BID))
    records["side"] = np.where(is_trade, taking, resting)
    size = np.where(action == ord("M"), of["left_lots"], of["lots"])
    if reduces:
        stays = (of["action"] == Action.FILL) & (action == ord("C")) & (of["left_lots"] > 0)
        action, size = np.where(stays, ord("M"), action), np.where(stays, of["left_lots"], size)
    records["action"], records["size"] = action, _check_sizes(of, size)
    ends = part == counts[source] - 1
    records["flags"] = np.where(ends & (of["last"] == 1), _F_LAST, 0)
    return records


def snapshot_records(resting: Rows, time_ns: int, prices: _Prices) -> Rows:
    """A clear of each contract's book, then what rests there."""
    rows = as_changes(resting, time_ns)
    adds = mbo_records(rows, prices.of(rows), False)
    adds["flags"] = _F_SNAPSHOT
    first = np.flatnonzero(np.diff(rows["contract"], prepend=-1))
    last = np.append(first[1:], len(rows)) - 1
    adds["flags"][last] |= _F_LAST
    clears = adds[first].copy()
    clears["order_id"], clears["price"], clears["size"], clears["flags"] = 0, UNDEF_PRICE, 0, _F_SNAPSHOT
    clears["action"], clears["side"] = ord("R"), _NONE
    return np.insert(adds, first, clears)


def _trade_records(rows: Rows, prices: Rows) -> Rows:
    records = np.zeros(len(rows), TRADE)
    _fill(records, rows, _TRADES)
    records["price"], records["size"] = prices, _check_sizes(rows, rows["lots"])
    records["action"] = ord("T")
    taking = np.where(rows["side"] == SIDE_SELL, _BID, _ASK)
    records["side"] = np.where(rows["cause"] == Cause.DELEVERAGING, _NONE, taking)
    return records


# --- files --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Interval:
    start_date: date
    end_date: date
    symbol: str


@dataclass(frozen=True)
class _Mapping:
    raw_symbol: str
    intervals: list[_Interval]


class DbnWriter:
    """Writes one schema. The records wait in a file without a name, since the head tells which contracts they have."""

    schema = ""

    def __init__(self, file: IO[bytes], opening: Opening) -> None:
        self._file, self._opening = file, opening
        self._spool = opening.spool()
        self._frame = zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(self._spool, closefd=False)
        self._prices = _Prices(opening)
        self._contracts: set[int] = set()
        self._first_ns, self._last_ns = 0, 0
        self.rows = self.waiting_bytes = 0

    def write(self, rows: Rows) -> None:
        """The records of the next changes."""
        self._put(rows, self.records(rows))

    def records(self, rows: Rows) -> Rows:
        """The records of changes."""
        return mbo_records(rows, self._prices.of(rows), self._opening.options.get("fills") == "reduce")

    def _put(self, rows: Rows, records: Rows) -> None:
        if len(rows):
            self._contracts.update(np.unique(rows["contract"]).tolist())
            self._first_ns = self._first_ns or int(rows["time_ns"][0])
            self._last_ns = int(rows["time_ns"][-1])
        self._frame.write(records.tobytes())
        self.rows += len(records)

    def flush(self) -> None:
        """Nothing is held in memory."""

    def close(self) -> None:
        """Write the head, then the records."""
        self._frame.close()
        self._file.write(zstandard.ZstdCompressor(level=3, write_checksum=True).compress(bytes(self._metadata())))
        self._spool.seek(0)
        shutil.copyfileobj(self._spool, self._file, 1 << 20)
        self._spool.close()

    def _metadata(self) -> Any:
        dbn = library()
        first = date(1970, 1, 1) + timedelta(days=self._first_ns // DAY_NS)
        after = date(1970, 1, 1) + timedelta(days=self._last_ns // DAY_NS + 1)
        names = {slot: self._opening.spec_of(slot).name for slot in sorted(self._contracts)}
        return dbn.Metadata(
            dataset=DATASET,
            start=self._first_ns,
            end=self._last_ns + 1,
            stype_in=dbn.SType.RAW_SYMBOL,
            stype_out=dbn.SType.INSTRUMENT_ID,
            schema=dbn.Schema(self.schema),
            symbols=list(names.values()),
            mappings=[_Mapping(name, [_Interval(first, after, str(slot + 1))]) for slot, name in names.items()],
        )


class MboWriter(DbnWriter):
    """Orders; begins with what rests."""

    schema = "mbo"

    def __init__(self, file: IO[bytes], opening: Opening) -> None:
        super().__init__(file, opening)
        if len(opening.resting):
            rows = as_changes(opening.resting, opening.time_ns)
            self._put(rows, snapshot_records(opening.resting, opening.time_ns, self._prices))


class TradesWriter(DbnWriter):
    """Trades."""

    schema = "trades"

    def write(self, rows: Rows) -> None:
        """The records of those changes that are trades."""
        super().write(rows[rows["action"] >= Action.FILL])

    def records(self, rows: Rows) -> Rows:
        """The records of trades."""
        return _trade_records(rows, self._prices.of(rows))


class DefinitionWriter(DbnWriter):
    """The contracts of the file beside it, those that only rest included: their names, ticks and lots."""

    schema = "definition"

    def __init__(self, file: IO[bytes], opening: Opening) -> None:
        super().__init__(file, opening)
        if len(opening.resting):
            self.write(as_changes(opening.resting, opening.time_ns))

    def records(self, rows: Rows) -> Rows:
        """The definitions of contracts that have not appeared before."""
        fresh = sorted(set(np.unique(rows["contract"]).tolist()) - self._contracts)
        if not fresh:
            return np.zeros(0, np.uint8)
        return np.frombuffer(b"".join(self._definition(slot, int(rows["time_ns"][0])) for slot in fresh), np.uint8)

    def _put(self, rows: Rows, records: Rows) -> None:
        super()._put(rows, records)
        self.rows = len(self._contracts)

    def _definition(self, slot: int, time_ns: int) -> bytes:
        dbn, spec = library(), self._opening.spec_of(slot)
        lot = Decimal(spec.lot) * _NANOS
        record = bytes(
            dbn.InstrumentDefMsg(
                publisher_id=PUBLISHER,
                instrument_id=slot + 1,
                ts_event=time_ns,
                ts_recv=time_ns,
                min_price_increment=nanos_of(spec),
                display_factor=_NANOS,
                raw_symbol=spec.name,
                asset="",
                security_type="FUT",
                instrument_class=dbn.InstrumentClass.FUTURE,
                security_update_action=dbn.SecurityUpdateAction.ADD,
                unit_of_measure_qty=int(lot) if lot == int(lot) else UNDEF_PRICE,
                min_lot_size=1,
            )
        )
        return record[: 4 * record[0]]


def _file_name(schema: str) -> Any:
    def name(opening: Opening) -> str:
        return f"lionrock{opening.dated('-%Y%m%d')}.{schema}.dbn.zst"

    return name


def _check() -> None:
    library()


_TABLES: Mapping[str, Table] = {
    "orders": Table("changes", _file_name("mbo"), MboWriter, whole=True),
    "trades": Table("changes", _file_name("trades"), TradesWriter, whole=True),
    "definition": Table("changes", _file_name("definition"), DefinitionWriter, whole=True),
}
DBN = Format(_TABLES, ("orders", "definition"), _check, options={"fills": ("strict", "reduce")})
