"""`lionrock export --format dbn`, read back with Databento's own decoder."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from engine.recordings import open_recording
from engine.recordings.batches import ContractSpec, contracts_of
from engine.recordings.batches import Wanted as Sought
from engine.recordings.out.book_changes import CHANGE, Action
from engine.recordings.out.dbn_files import MAX_SIZE
from engine.recordings.out.export import Export, Wanted
from engine.recordings.out.file_set import ExportError, FileSet
from engine.recordings.out.formats import DAY_NS
from engine.recordings.replay import Options, prepare, replay
from tests.recordings.data import compiled
from tests.recordings.test_commands import lionrock
from tests.recordings.test_export import (
    LEVELS,
    SPECS,
    Heard,
    exported,
    follow,
    last_of_each_time,
    trades_of,
    venue_events,
)

dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
pytestmark = compiled
NANOS = (10_000_000, 500_000_000)
F_LAST, F_SNAPSHOT = 128, 32


def decoded(path: Path) -> tuple[Any, list[Any]]:
    """The metadata and the records of a file."""
    data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes()), read_across_frames=True).read()
    decoder = dbn.DBNDecoder()
    decoder.write(data)
    metadata, *records = decoder.decode()
    return metadata, records


class OrderBook:
    """A reader's book of one instrument. `strict`: a C takes away its size, else the whole order."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.orders: dict[int, tuple[str, int, int]] = {}

    def apply(self, record: Any) -> None:
        """Apply a record."""
        action, key = str(record.action), int(record.order_id)
        side, price, size = self.orders.get(key, ("", 0, 0))
        if action == "R":
            self.orders = {}
        elif action == "A":
            assert key not in self.orders
            self.orders[key] = str(record.side), record.price, record.size
        elif action in "MC":
            assert (side, price) == (str(record.side), record.price)
            left = record.size if action == "M" else size - record.size if self.strict else 0
            assert 0 <= left < size
            self.orders[key] = side, price, left
            if left == 0:
                del self.orders[key]
        elif action == "F":
            assert (side, price) == (str(record.side), record.price) and record.size <= size

    def levels(self, nanos: int) -> list[int]:
        """The best levels as the cells of a depth row."""
        cells = np.zeros((LEVELS, 4), np.int64)
        for place, (side, sign) in enumerate((("B", -1), ("A", 1))):
            sums: dict[int, int] = {}
            for of, price, size in self.orders.values():
                if of == side:
                    sums[price] = sums.get(price, 0) + size
            for level, price in enumerate(sorted(sums, key=lambda price: sign * price)[:LEVELS]):
                cells[level, 2 * place : 2 * place + 2] = price // nanos, sums[price]
        return list(cells.ravel().tolist())


def depths(records: list[Any], strict: bool) -> list[dict[int, list[int]]]:
    """Of each contract the depth at the end of each event, by time."""
    books = [OrderBook(strict) for _ in SPECS]
    rows: list[list[list[int]]] = [[] for _ in SPECS]
    for record in records:
        contract = record.instrument_id - 1
        books[contract].apply(record)
        if record.flags & F_LAST:
            levels = books[contract].levels(NANOS[contract])
            rows[contract].append([record.ts_event, 0, contract, *levels])
    return [last_of_each_time(np.array(found)) for found in rows]


@pytest.mark.parametrize("fills", ["strict", "reduce"])
def test_each_variants_reader_has_the_same_book_after_every_event(fills: str, tmp_path: Path) -> None:
    exported(tmp_path, Wanted("dbn", ("orders",), options={"fills": fills}), pieces=4)
    metadata, records = decoded(tmp_path / "lionrock.mbo.dbn.zst")
    assert (metadata.dataset, metadata.schema, metadata.symbols) == ("LIONROCK", "mbo", ["BTC_PERP", "ETH_PERP"])
    was = follow(venue_events())
    for contract, found in enumerate(depths(records, fills == "strict")):
        expected = last_of_each_time(was.depth[was.depth[:, 2] == contract])
        assert len(expected) > 500 and found == expected
    fills_of = was.changes[was.changes["action"] == Action.FILL]
    filled = [record for record in records if record.action == "F"]
    assert [record.order_id for record in filled] == fills_of["order_id"].tolist()
    assert [record.size for record in filled] == fills_of["lots"].tolist()
    assert any(record.action == "M" for record in records)


def test_a_replay_of_the_file_has_the_same_book_at_every_event_and_the_same_trades(tmp_path: Path) -> None:
    exported(tmp_path, Wanted("dbn", ("orders",)))
    contracts = tuple(f"{spec.name},tick={spec.tick},lot={spec.lot}" for spec in SPECS)
    reader, heard = open_recording(tmp_path / "lionrock.mbo.dbn.zst", wanted=Sought(contracts=contracts)), Heard()
    result = replay(reader, prepare(reader), Options(reports=heard))
    assert result.book_rows_equal == result.book_rows_checked and (result.book_rows_checked or 0) > 3000
    assert result.executions_as_recorded == result.executions
    again, was = follow(np.concatenate(heard.rings)), follow(venue_events())
    slots = [[spec.name for spec in contracts_of(reader)].index(spec.name) for spec in SPECS]
    for slot, of in enumerate(slots):
        before, after = was.changes[was.changes["contract"] == slot], again.changes[again.changes["contract"] == of]
        assert trades_of(after) == trades_of(before)
        expected = last_of_each_time(was.depth[was.depth[:, 2] == slot])
        assert last_of_each_time(again.depth[again.depth[:, 2] == of]) == expected


def test_a_recording_of_many_contracts_is_exported_by_the_names_that_it_tells(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    exported(tmp_path / "a", Wanted("dbn", ("orders",)))
    given = ("--to", tmp_path / "b", "--format", "parquet", "--what", "trades", "--contract", "ETH_PERP,tick=0.5,lot=1")
    source = tmp_path / "a" / "lionrock.mbo.dbn.zst"
    assert lionrock("export", source, *given, "--contract", "BTC_PERP,tick=0.01,lot=0.001") == 0
    was = follow(venue_events()).changes
    for slot, spec in enumerate(SPECS):
        table = parquet.read_table(tmp_path / "b" / f"{spec.name}-trades.parquet")
        trades = was[(was["action"] == Action.FILL) & (was["contract"] == slot)]
        assert table.schema.metadata[b"tick"].decode() == spec.tick
        assert table["price_ticks"].to_pylist() == trades["price_ticks"].tolist()
        assert table["qty_lots"].to_pylist() == trades["lots"].tolist()


def test_trades_and_definitions(tmp_path: Path) -> None:
    export = exported(tmp_path, Wanted("dbn", ("trades", "definition")))
    changes = follow(venue_events()).changes
    trades = changes[changes["action"] >= Action.FILL]
    metadata, records = decoded(tmp_path / "lionrock.trades.dbn.zst")
    assert export.rows == {"trades": len(trades), "definition": 2} and metadata.schema == "trades"
    assert [record.ts_event for record in records] == trades["time_ns"].tolist()
    sides = {1: "A", 2: "B"}
    expected = ["N" if row["cause"] == 2 else sides[int(row["side"])] for row in trades]
    assert [str(record.side) for record in records] == expected and "N" in expected
    assert {int(record.price) % NANOS[record.instrument_id - 1] for record in records} == {0}
    _, definitions = decoded(tmp_path / "lionrock.definition.dbn.zst")
    assert [(record.raw_symbol, record.min_price_increment) for record in sorted(definitions, key=str)] == [
        ("BTC_PERP", 10_000_000), ("ETH_PERP", 500_000_000),
    ]  # fmt: skip


def test_a_daily_file_begins_with_a_clear_and_a_snapshot(tmp_path: Path) -> None:
    events = venue_events().copy()
    half = len(events) // 2
    events["time_ns"][half:] += DAY_NS
    exported(tmp_path, Wanted("dbn", ("orders",), daily=True), pieces=3, events=events)
    first, second = (decoded(path)[1] for path in sorted(tmp_path.glob("*.zst")))
    midnight = (int(events["time_ns"][-1]) // DAY_NS) * DAY_NS
    snapshot = [record for record in second if record.flags & F_SNAPSHOT]
    assert snapshot == second[: len(snapshot)] and {record.ts_event for record in snapshot} == {midnight}
    assert [str(record.action) for record in snapshot].count("R") == 2
    before, after = [OrderBook(True) for _ in SPECS], [OrderBook(True) for _ in SPECS]
    for books, records in ((before, first), (after, snapshot)):
        for record in records:
            books[record.instrument_id - 1].apply(record)
    assert [book.orders for book in before] == [book.orders for book in after]
    was = follow(events)
    for contract, found in enumerate(depths(second, True)):
        rows = was.depth[(was.depth[:, 2] == contract) & (was.depth[:, 0] > midnight)]
        assert found.items() >= last_of_each_time(rows).items() and len(rows) > 100


def test_the_definitions_of_a_day_have_the_contracts_that_only_rest(tmp_path: Path) -> None:
    header = "time_ns,contract,action,cl_ord_id,side,qty_lots,price_ticks\n"
    days = f"{DAY_NS},A,new,1,sell,5,101\n{DAY_NS},B,new,2,sell,7,55\n{2 * DAY_NS},A,new,3,buy,3,99\n"
    (tmp_path / "days.csv").write_text(header + days)
    assert lionrock("export", tmp_path / "days.csv", "--to", tmp_path / "x", "--format", "dbn", "--daily") == 0
    for day in ("19700102", "19700103"):
        found = [
            {record.instrument_id for record in decoded(tmp_path / "x" / f"lionrock-{day}.{schema}.dbn.zst")[1]}
            for schema in ("mbo", "definition")
        ]
        assert found == [{1, 2}, {1, 2}]


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    spec = ContractSpec("FINE", tick="0.0000000001")
    with pytest.raises(ExportError, match=r"FINE: a tick of 0\.0000000001 is finer than DBN's"):
        exported_of(tmp_path, spec, 1, 1)
    with pytest.raises(ExportError, match="4294967295 lots, and a size in DBN is at most 4294967294"):
        exported_of(tmp_path, SPECS[0], 1, MAX_SIZE + 1)
    with pytest.raises(ExportError, match="1000000000 ticks of 100000 are more than DBN's prices hold"):
        exported_of(tmp_path, ContractSpec("WIDE", tick="100000"), 10**9, 1)
    exported_of(tmp_path, SPECS[0], 10**9, MAX_SIZE)


def exported_of(folder: Path, spec: ContractSpec, price_ticks: int, lots: int) -> None:
    """An export of one order."""
    files = FileSet(folder)
    export = Export(files, Wanted("dbn", ("orders",)), [spec], True)
    changes = np.zeros(1, CHANGE)
    changes["action"], changes["side"], changes["lots"], changes["price_ticks"] = Action.ADD, 1, lots, price_ticks
    try:
        export._put("orders", export._tables["orders"], changes)
        export.finish()
    finally:
        files.abandon()
