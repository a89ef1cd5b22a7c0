"""`lionrock export --format hftbacktest`: its events rebuild the book; hftbacktest itself runs on them where it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.recordings.batches import ContractSpec
from engine.recordings.out.book_changes import DEPTH_HEAD, Action
from engine.recordings.out.export import Export, Wanted
from engine.recordings.out.file_set import ExportError, FileSet
from engine.recordings.out.formats import DAY_NS
from engine.recordings.out.hftbacktest_npz import EVENT
from tests.recordings.data import compiled
from tests.recordings.test_export import LEVELS, SPECS, exported, follow, last_of_each_time, venue_events

pytestmark = compiled
Rows = np.ndarray[Any, Any]
EXCHANGE, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
DEPTH, TRADE, CLEAR, SNAPSHOT, ADD, CANCEL, MODIFY, FILL = 1, 2, 3, 4, 10, 11, 12, 13
TICK, LOT = float(SPECS[0].tick), float(SPECS[0].lot)


def read(path: Path) -> Rows:
    """The events of a file."""
    with np.load(path) as file:
        events: Rows = file["data"]
    assert events.dtype == EVENT and events.dtype.itemsize == 64
    assert (events["ev"] & (EXCHANGE | LOCAL) == EXCHANGE | LOCAL).all()
    assert (events["exch_ts"] == events["local_ts"]).all() and (np.diff(events["exch_ts"]) >= 0).all()
    return events


def cells(levels: dict[tuple[int, int], int]) -> list[int]:
    """The best levels as the cells of a depth row."""
    found = np.zeros((LEVELS, 4), np.int64)
    for place, side in enumerate((BUY, SELL)):
        prices = sorted((price for of, price in levels if of == side), reverse=side == BUY)
        for level, price in enumerate(prices[:LEVELS]):
            found[level, 2 * place : 2 * place + 2] = price, levels[side, price]
    return list(found.ravel().tolist())


class Book:
    """What a reader of the events sees: levels, or orders."""

    def __init__(self) -> None:
        self.levels: dict[tuple[int, int], int] = {}
        self.orders: dict[int, tuple[tuple[int, int], int]] = {}
        self.trades: list[tuple[int, int, int, int]] = []

    def apply(self, event: Rows) -> None:
        """Apply an event."""
        kind, side = int(event["ev"]) & 0xFF, int(event["ev"]) & (BUY | SELL)
        price, lots = round(float(event["px"]) / TICK), round(float(event["qty"]) / LOT)
        assert (float(event["px"]), float(event["qty"])) == (price / 100, lots / 1000)
        place, order_id = (side, price), int(event["order_id"])
        if kind in (DEPTH, SNAPSHOT):
            self.levels[place] = lots
            if not lots:
                del self.levels[place]
        elif kind == TRADE:
            self.trades.append((int(event["exch_ts"]), 1 + (side == BUY), price, lots))
        elif kind == CLEAR:
            self.levels, self.orders = {}, {}
        elif kind == FILL:
            assert self.orders[order_id][0] == place and self.orders[order_id][1] >= lots
        else:
            assert (kind == ADD) == (order_id not in self.orders)
            before = self.orders.pop(order_id, (place, 0))
            left = 0 if kind == CANCEL else lots
            self.levels[place] = self.levels.get(place, 0) + left - before[1]
            if left:
                self.orders[order_id] = place, left
            if not self.levels[place]:
                del self.levels[place]


@pytest.mark.parametrize("what", ["levels", "orders"])
def test_the_events_give_the_same_book_at_every_record_and_the_same_trades(what: str, tmp_path: Path) -> None:
    exported(tmp_path, Wanted("hftbacktest", (what,)), pieces=4)
    book, rows, events = Book(), [], read(tmp_path / f"BTC_PERP_{what}.npz")
    for event, is_end in zip(events, np.diff(events["exch_ts"], append=0) != 0, strict=True):
        book.apply(event)
        if is_end:
            rows.append([int(event["exch_ts"]), 0, 0, *cells(book.levels)])
    was = follow(venue_events())
    assert last_of_each_time(np.array(rows)) == last_of_each_time(was.depth[was.depth[:, 2] == 0])
    changes = was.changes[(was.changes["contract"] == 0) & (was.changes["action"] == Action.FILL)]
    assert book.trades == changes[["time_ns", "side", "price_ticks", "lots"]].tolist() and len(book.trades) > 300


@pytest.mark.parametrize("what", ["levels", "orders"])
def test_a_daily_file_begins_with_the_book(what: str, tmp_path: Path) -> None:
    events = venue_events().copy()
    events["time_ns"][len(events) // 2 :] += DAY_NS
    exported(tmp_path, Wanted("hftbacktest", (what,), daily=True), events=events)
    first, second = map(read, sorted(tmp_path.glob("BTC_PERP*.npz")))
    before, after = Book(), Book()
    for event in first:
        before.apply(event)
    for event in second[second["exch_ts"] == second["exch_ts"][0]]:
        after.apply(event)
    assert before.levels == after.levels and before.orders == after.orders and len(after.levels) > 10
    assert int(second["ev"][0]) & 0xFF == (SNAPSHOT if what == "levels" else CLEAR)


@pytest.mark.parametrize("what", ["levels", "orders"])
def test_hftbacktest_itself_has_the_engines_depth_at_the_end(what: str, tmp_path: Path) -> None:
    module = pytest.importorskip("hftbacktest", reason="hftbacktest is not installed: it needs an older numpy")
    exported(tmp_path, Wanted("hftbacktest", (what,)))
    path = tmp_path / f"BTC_PERP_{what}.npz"
    module.data.validate_event_order(read(path))
    asset = module.BacktestAsset().data([str(path)]).tick_size(TICK).lot_size(LOT).linear_asset(1.0)
    asset = asset.l3_fifo_queue_model() if what == "orders" else asset.risk_adverse_queue_model()
    asset = asset.constant_order_latency(0, 0).no_partial_fill_exchange().trading_value_fee_model(0, 0)
    backtest = module.HashMapMarketDepthBacktest([asset])
    while backtest.elapse(10**9) == 0:
        pass
    depth, row = backtest.depth(0), follow(venue_events()).depth
    row = row[row[:, 2] == 0][-1, DEPTH_HEAD:]
    assert (depth.best_bid_tick, depth.best_ask_tick) == (row[0], row[2])
    assert (depth.best_bid_qty, depth.best_ask_qty) == pytest.approx((row[1] * LOT, row[3] * LOT))


def test_what_is_not_exact_as_a_float_is_refused(tmp_path: Path) -> None:
    spec = ContractSpec("WIDE", tick="0.001", lot="3")
    files = FileSet(tmp_path)
    export = Export(files, Wanted("hftbacktest"), [spec], True)
    changes = np.zeros(1, follow(venue_events()).changes.dtype)
    changes["action"], changes["side"], changes["lots"], changes["level_lots"] = Action.ADD, 1, 1, 1 << 52
    with pytest.raises(ExportError, match="WIDE: 4503599627370496 times 3 is not exact as a float"):
        export._put("levels", export._tables["levels"], changes)
    files.abandon()
    assert list(tmp_path.iterdir()) == []
