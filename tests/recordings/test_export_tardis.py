"""`lionrock export --format tardis`: the columns and units of Tardis' datasets, read with polars and replayed."""

import csv
import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import EventKind
from engine.host import Engine
from engine.recordings import open_recording
from engine.recordings.batches import Wanted as Sought
from engine.recordings.out.arrow_columns import Maker
from engine.recordings.out.book_changes import DEPTH_HEAD, Action
from engine.recordings.out.export import Wanted
from engine.recordings.out.formats import DAY_NS
from engine.recordings.out.market_rows import MarketFollower
from engine.recordings.replay import Options, prepare, replay
from engine.schema import NOTICE
from tests import risk_flow
from tests.recordings.data import compiled
from tests.recordings.test_export import (
    LEVELS,
    SPECS,
    Heard,
    exported,
    follow,
    last_of_each_time,
    trades_of,
    venue_commands,
    venue_events,
)

pytestmark = compiled
pytest.importorskip("pyarrow", reason="pyarrow is not installed")
BOOK_COLUMNS = ["exchange", "symbol", "timestamp", "local_timestamp", "is_snapshot", "side", "price", "amount"]
UNITS = [(Decimal(spec.tick), Decimal(spec.lot)) for spec in SPECS]


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a file."""
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def test_levels_give_the_same_book_at_every_record(tmp_path: Path) -> None:
    exported(tmp_path, Wanted("tardis", ("levels",)), pieces=6)
    was = follow(venue_events()).depth
    for contract, (tick, lot) in enumerate(UNITS):
        rows = read(tmp_path / f"lionrock_incremental_book_L2_{SPECS[contract].name}.csv.gz")
        assert list(rows[0]) == BOOK_COLUMNS
        sides: dict[str, dict[int, int]] = {"bid": {}, "ask": {}}
        found: dict[int, list[int]] = {}
        for row in rows:
            price, lots = int(Decimal(row["price"]) / tick), int(Decimal(row["amount"]) / lot)
            sides[row["side"]][price] = lots
            if not lots:
                del sides[row["side"]][price]
            found[int(row["timestamp"])] = cells(sides)
        expected = {row[0] // 1000: row[DEPTH_HEAD:] for row in was[was[:, 2] == contract].tolist()}
        assert len(expected) > 500 and expected.items() <= found.items()


@pytest.mark.parametrize("contract", [0, 1])
def test_a_replay_of_the_files_has_the_same_book_at_every_record_and_the_same_trades(
    contract: int, tmp_path: Path
) -> None:
    exported(tmp_path, Wanted("tardis"), pieces=4)
    spec = SPECS[contract]
    path = tmp_path / f"lionrock_incremental_book_L2_{spec.name}.csv.gz"
    sought = Sought(contracts=(f"{spec.name},tick={spec.tick},lot={spec.lot}",))
    reader, heard = open_recording(path, wanted=sought), Heard()
    result = replay(reader, prepare(reader), Options(reports=heard))
    assert result.book_rows_equal == result.book_rows_checked and (result.book_rows_checked or 0) > 500
    again, was = follow(np.concatenate(heard.rings)), follow(venue_events())
    depth = was.depth[was.depth[:, 2] == contract]
    depth[:, 0] -= depth[:, 0] % 1000
    assert last_of_each_time(again.depth) == last_of_each_time(depth)
    changes = was.changes[was.changes["contract"] == contract]
    changes["time_ns"] -= changes["time_ns"] % 1000
    assert traded(again.changes) == traded(changes) and len(traded(changes)) > 300


def test_commands_within_a_microsecond_are_told_apart(tmp_path: Path) -> None:
    events = venue_events()
    events = events[events["contract_slot"] == 0].copy()
    events["time_ns"] = events["time_ns"][0] + (events["seq"] - events["seq"][0]) * 100
    exported(tmp_path, Wanted("tardis", ("levels",)), events=events, pieces=9)
    rows = read(tmp_path / "lionrock_incremental_book_L2_BTC_PERP.csv.gz")
    seqs = follow(events, pieces=1).changes
    seqs = seqs[seqs["action"] != Action.TRADE]
    stamps, local = ([int(row[name]) for row in rows] for name in ("timestamp", "local_timestamp"))
    assert len(set(local)) == len(np.unique(seqs["seq"])) and local == sorted(local)
    assert stamps == sorted(stamps) and all(late >= stamp for stamp, late in zip(stamps, local, strict=True))
    path = tmp_path / "lionrock_incremental_book_L2_BTC_PERP.csv.gz"
    reader, heard = open_recording(path, wanted=Sought(contracts=("BTC_PERP,tick=0.01,lot=0.001",))), Heard()
    result = replay(reader, prepare(reader), Options(reports=heard))
    assert result.book_rows_equal == result.book_rows_checked and (result.book_rows_checked or 0) > 1000


def traded(changes: Any) -> dict[tuple[int, ...], int]:
    """What was traded at each time and price: a level knows no orders."""
    sums: dict[tuple[int, ...], int] = {}
    for time_ns, side, price, lots in trades_of(changes):
        sums[time_ns, side, price] = sums.get((time_ns, side, price), 0) + lots
    return sums


def cells(sides: dict[str, dict[int, int]]) -> list[int]:
    """The best levels as the cells of a depth row."""
    found = np.zeros((LEVELS, 4), np.int64)
    for place, name in enumerate(("bid", "ask")):
        for level, price in enumerate(sorted(sides[name], reverse=name == "bid")[:LEVELS]):
            found[level, 2 * place : 2 * place + 2] = price, sides[name][price]
    return list(found.ravel().tolist())


def test_trades_and_snapshots_of_depth(tmp_path: Path) -> None:
    exported(tmp_path, Wanted("tardis", ("trades", "depth"), levels=LEVELS), pieces=3)
    was, (tick, lot) = follow(venue_events()), UNITS[1]
    trades = was.changes[(was.changes["action"] >= Action.FILL) & (was.changes["contract"] == 1)]
    rows = read(tmp_path / "lionrock_trades_ETH_PERP.csv.gz")
    assert [int(row["id"]) for row in rows] == trades["trade_id"].tolist()
    assert [Decimal(row["price"]) for row in rows] == [tick * ticks for ticks in trades["price_ticks"].tolist()]
    assert [row["side"] for row in rows] == [("sell", "buy")[side - 1] for side in trades["side"].tolist()]
    depth = was.depth[was.depth[:, 2] == 1]
    rows = read(tmp_path / f"lionrock_book_snapshot_{LEVELS}_ETH_PERP.csv.gz")
    assert len(rows) == len(depth) and "asks[4].amount" in rows[0]
    expected = [str(tick * price) if price else "" for price in depth[:, DEPTH_HEAD].tolist()]
    assert [row["bids[0].price"] for row in rows] == expected
    assert [Decimal(row["asks[0].amount"] or 0) for row in rows] == [lot * lots for lots in depth[:, 6].tolist()]


def test_every_file_of_a_day_begins_with_a_snapshot(tmp_path: Path) -> None:
    events = venue_events().copy()
    events["time_ns"][len(events) // 2 :] += DAY_NS
    exported(tmp_path, Wanted("tardis", ("levels",), daily=True), events=events)
    for path in tmp_path.glob("*.csv.gz"):
        rows = read(path)
        kinds = [row["is_snapshot"] for row in rows]
        snapshot = kinds.index("false")
        assert (
            snapshot > 0 and "true" not in kinds[snapshot:] and len({row["timestamp"] for row in rows[:snapshot]}) == 1
        )
    assert sorted(path.name for path in tmp_path.glob("*BTC_PERP.csv.gz")) == [
        f"lionrock_incremental_book_L2_2026-03-0{day}_BTC_PERP.csv.gz" for day in (2, 3)
    ]


def test_the_ticker_has_the_engines_open_interest_and_prices() -> None:
    engine, follower, checked = Engine(risk_flow.create()), MarketFollower(), 0
    rows = venue_commands()[:4500]
    told: list[Any] = []
    keep = told.append
    for row in range(len(rows)):
        engine.feed(rows[row : row + 1], lambda _, events: keep(follower.follow(events)))
        for contract, now in zip(engine.root[0]["contracts"][:2], follower._now, strict=False):
            for name, of in (
                ("open_interest_lots", "open_interest_lots"), ("mark_subticks", "mark_subticks"),
                ("index_subticks", "index_subticks"), ("last_price_ticks", "last_price_ticks"),
                ("funding_rate_ppb", "funding_rate_ppb"),
            ):  # fmt: skip
                assert now[name] == contract[of], (row, name)
            checked += 1
    assert (
        checked > 8000
        and sum(len(rows.funding) for rows in told) > 2
        and engine.root[0]["contracts"][0]["funding_rate_ppb"]
    )


def test_ticker_and_funding_files(tmp_path: Path) -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    import polars

    exported(tmp_path / "a", Wanted("tardis", ("ticker",)), pieces=5)
    exported(tmp_path / "b", Wanted("parquet", ("ticker", "funding")))
    events = venue_events()
    notices = events.view(NOTICE)[(events["contract_slot"] == 0) & (events["kind"] >= EventKind.NOTICE_FIRST)]
    marks, rates = (notices[notices["kind"] == kind] for kind in (EventKind.MARK_CHANGED, EventKind.FUNDING_RATE))
    frame = polars.read_csv(tmp_path / "a" / "lionrock_derivative_ticker_BTC_PERP.csv.gz", infer_schema=False)
    assert frame["mark_price"].to_list() == [
        f"{value * Decimal('0.00001'):.5f}" for value in marks["new_value"].tolist()
    ]
    assert set(frame["funding_rate"].drop_nulls()) <= {
        f"{rate * Decimal('1e-9'):.9f}" for rate in rates["rate_ppb"].tolist()
    }
    frame = polars.read_parquet(tmp_path / "b" / "BTC_PERP-ticker.parquet")
    assert frame["mark_price_subticks"].to_list() == marks["new_value"].tolist()
    assert frame["time"].to_physical().to_list() == marks["time_ns"].tolist()
    frame = polars.read_parquet(tmp_path / "b" / "BTC_PERP-funding.parquet")
    assert frame["funding_rate_ppb"].to_list() == rates["rate_ppb"].tolist() and len(frame) > 2
    assert frame["samples"].to_list() == rates["new_value"].tolist()


def test_many_decimal_places_are_written_plainly() -> None:
    make = Maker("0.00000005", "1", True)
    texts = make.texts(np.array([1, -3, 0, 250_000_000, 7]), "ticks", np.array([False] * 4 + [True]))
    assert texts.to_pylist() == ["0.00000005", "-0.00000015", "0.00000000", "12.50000000", None]
