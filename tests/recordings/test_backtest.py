"""A recording in Python: NumPy batches of what happened, and strategies whose orders trade among the recorded ones."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from engine.codes import EventKind, Side, TimeInForce
from engine.recordings import Fees, Session, backtest, open_recording, replay
from engine.recordings.batches import ContractSpec
from engine.recordings.flash1 import CSV_COLUMNS
from engine.recordings.own_orders import fee_micros
from engine.recordings.replay import Options, prepare
from engine.recordings.replay import replay as replay_whole
from engine.recordings.side_by_side import OWN_ACCOUNT
from engine.recordings.source import RecordingError
from tests.recordings.data import compiled
from tests.recordings.level_market import Market
from tests.recordings.test_price_levels import write_tardis
from tests.recordings.test_readers import lobster_files

HEADER = "time_ns,action,cl_ord_id,side,qty_lots,price_ticks,tif\n"
Write = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes lines as a CSV recording."""

    def write(lines: str) -> Path:
        path = tmp_path / "orders.csv"
        path.write_text(HEADER + lines)
        return path

    return write


def at(instant_ns: int, act: Callable[[Session], object]) -> Callable[[Session], None]:
    """A strategy that acts once, at an instant."""
    done: list[object] = []

    def strategy(session: Session) -> None:
        if session.time_ns >= instant_ns and not done:
            done.append(act(session))

    return strategy


# --- batches ----------------------------------------------------------------------------------------------------------


@compiled
def test_batches_hold_what_the_replay_counts() -> None:
    recording = open_recording("synthetic:3:40000")
    whole = replay_whole(recording, prepare(recording), Options(levels=5))
    trades = volume = commands = 0
    for batch in replay(open_recording("synthetic:3:40000"), every_ns=1_000_000):
        fills = batch.events[batch.events["kind"] == EventKind.FILL]
        trades, volume = trades + len(fills) // 2, volume + int(fills["last_lots"].sum()) // 2
        commands += len(batch.commands)
        assert len(batch.commands) == len(batch.messages) and batch.commands["time_ns"][-1] == batch.time_ns
        assert (batch.commands["time_ns"] // 1_000_000 == batch.time_ns // 1_000_000).all()
        assert set(batch.events["seq"]) <= set(batch.commands["seq"])
    assert (trades, volume, commands) == (whole.trades, whole.volume_lots, whole.commands)
    bids, asks = batch.depth(5)
    assert ([*map(tuple, bids.tolist())], [*map(tuple, asks.tolist())]) == whole.depth


def test_a_batch_ends_after_so_many_messages_and_has_its_own_depth(written: Write) -> None:
    path = written("1,new,1,sell,5,101,\n2,new,2,buy,3,99,\n3,new,3,buy,2,101,ioc\n")
    seen = []
    for batch in replay(open_recording(path), every_messages=1):
        last = batch
        seen.append([side.tolist() for side in batch.depth(2)])
    assert seen == [[[], [[101, 5]]], [[[99, 3]], [[101, 5]]], [[[99, 3]], [[101, 3]]]]
    assert [len(batch.commands) for batch in replay(open_recording(path))] == [3]
    batches = replay(open_recording(path), every_messages=2)
    first = next(batches)
    assert first.messages.tolist() == [1, 2] and next(batches).messages.tolist() == [3]
    with pytest.raises(ValueError, match="the replay has gone on"):
        first.depth(1)
    with pytest.raises(ValueError, match="levels: 0 is less than 1"):
        last.depth(0)


# --- own orders ------------------------------------------------------------------------------------------------------


def test_a_fill_tells_who_took_the_order_and_where_it_had_stood(written: Write) -> None:
    path = written(
        "10,new,1,sell,5,101,\n20,new,2,buy,3,99,\n40,new,3,sell,4,101,\n50,new,4,buy,7,101,ioc\n60,cancel,2,,,,\n"
    )
    seen: list[object] = []

    def strategy(session: Session) -> None:
        if session.time_ns == 30:
            session.sell(101, 2)
        if session.time_ns == 40:
            [order] = session.orders.values()
            seen.append((order.rests, order.orders_ahead, order.lots_ahead, session.ahead(order.cl_ord_id)))
        if session.time_ns == 50:
            seen.append(([side.tolist() for side in session.depth(2)], session.orders, session.position_lots))
            seen.append([side.tolist() for side in session.recorded_depth(2)])
            seen.append(session.new_fills["qty_lots"].tolist())

    result = backtest(open_recording(path), strategy, every_ns=10)
    assert seen[0] == (True, 1, 5, (1, 5))
    book = [[[99, 3]], [[101, 2]]]
    assert seen[1:4] == [(book, {}, -2), book, [2]], "what the aggressor took from us is taken from order 3 too"
    [fill] = result.fills
    said = {name: fill[name].item() for name in result.fills.dtype.names or () if name != "pad"}
    assert said == {
        "time_ns": 50, "cl_ord_id": 1, "other_id": 4, "message": 4, "price_ticks": 101, "qty_lots": 2,
        "orders_ahead": 1, "lots_ahead": 5, "position_lots": -2, "fee_micros": 0, "contract_slot": 0,
        "side": Side.SELL, "is_taker": False, "was_in_view": True,
    }  # fmt: skip
    assert (result.corrections, result.messages, result.positions, result.refused) == (1, 5, {0: -2}, {})
    assert result.cash_tick_lots == {0: 202} and result.profit == Decimal(202 - 2 * 101)


def test_what_was_taken_from_a_recorded_order_is_missing_until_the_recording_takes_it_away(written: Write) -> None:
    path = written(
        "10,new,1,sell,5,101,\n20,new,2,sell,3,102,\n30,new,3,buy,4,102,ioc\n40,cancel,1,,,,\n50,new,4,sell,1,103,\n"
    )
    books = []

    def strategy(session: Session) -> None:
        if session.time_ns == 20 and not session.position_lots:
            session.buy(101, 3, TimeInForce.IOC)
        books.append((session.depth(3)[1].tolist(), session.recorded_depth(3)[1].tolist()))

    result = backtest(open_recording(path), strategy, every_messages=1)
    assert result.fills["is_taker"].tolist() == [True]
    assert result.fills["other_id"].tolist() == [1] and result.fills["message"].tolist() == [0]
    # After our 3 of order 1 the aggressor of 4 finds 2 there and takes 2 of order 2, which nobody had taken.
    after = [([[101, 2], [102, 3]], [[101, 5], [102, 3]]), ([[102, 1]], [[101, 1], [102, 3]])]
    assert books[2:] == [*after, ([[102, 1]], [[102, 3]])]


def test_an_order_arrives_behind_what_was_recorded_within_the_latency(written: Write) -> None:
    path = written("10,new,1,sell,5,101,\n25,new,2,sell,4,101,\n26,new,3,sell,4,101,\n99,new,4,buy,1,90,\n")
    ahead: dict[int, tuple[int, int]] = {}
    for latency_ns in (0, 5, 14, 15, 16, 90):
        result = backtest(
            open_recording(path), at(10, lambda session: session.sell(101, 1)), every_ns=1_000, latency_ns=latency_ns
        )
        assert result.messages == 4 and result.refused == {}

        def look(session: Session, latency_ns: int = latency_ns) -> None:
            if session.time_ns == 10:
                session.sell(101, 1)
            for order in session.orders.values():
                if order.rests:
                    ahead[latency_ns] = (order.orders_ahead, order.lots_ahead)

        backtest(open_recording(path), look, every_ns=10, latency_ns=latency_ns)
    assert ahead == {0: (1, 5), 5: (1, 5), 14: (1, 5), 15: (2, 9), 16: (3, 13)}


def test_an_order_beyond_what_a_recording_shows_is_not_in_view(tmp_path: Path) -> None:
    messages = "34200.1,1,11,10,1000100,1\n34200.2,1,12,7,1000300,-1\n34200.5,1,13,5,1000100,1\n"
    rows = "1000200,20,1000100,30\n1000200,20,1000100,30\n1000200,20,1000100,35\n"
    seen = []

    def strategy(session: Session) -> None:
        if not session.orders:
            for price in (1000200, 1000201, 1000300):
                session.sell(price, 1)
        seen[:] = [(order.price_ticks, order.is_in_view) for order in session.orders.values()]

    backtest(open_recording(lobster_files(tmp_path, messages, rows)), strategy, every_messages=1)
    assert seen == [(1000200, True), (1000201, False), (1000300, False)]


def test_an_amended_order_keeps_its_place_only_where_the_engine_keeps_it(written: Write) -> None:
    path = written("10,new,1,sell,5,101,\n30,new,2,sell,4,101,\n90,new,4,buy,1,90,\n")
    seen = []

    def strategy(session: Session) -> None:
        act = {10: lambda: session.sell(101, 3), 40: lambda: session.amend(1, 2), 50: lambda: session.amend(1, 6)}
        act |= {60: lambda: session.amend(1, 6, 102), 70: lambda: session.cancel(1)}
        act.get(session.time_ns, int)()
        if order := session.orders.get(1):
            seen.append((order.price_ticks, order.leaves_lots, order.orders_ahead, order.lots_ahead))

    backtest(open_recording(path), strategy, every_ns=10)
    assert seen == [
        (101, 3, -1, -1), (101, 3, 1, 5), (101, 3, 1, 5), (101, 3, 1, 5), (101, 2, 1, 5), (101, 6, 2, 9),
        (102, 6, 0, 0),
    ]  # fmt: skip


def test_own_orders_do_not_trade_with_each_other(written: Write) -> None:
    path = written("10,new,1,sell,5,105,\n90,new,2,buy,1,90,\n")

    def cross(session: Session) -> None:
        session.sell(101, 3)
        session.buy(103, 2)

    result = backtest(open_recording(path), at(10, cross), every_ns=10)
    assert len(result.fills) == 0 and result.samples[-1, 1:3].tolist() == [103, 105], "the resting one gave way"


def test_a_recorded_order_that_we_took_cannot_come_back_and_a_remainder_is_not_more_than_recorded(
    written: Write,
) -> None:
    path = written(
        "10,new,1,sell,5,105,\n20,new,2,sell,10,101,\n30,new,3,buy,10,101,\n40,new,4,sell,1,104,\n50,cancel,1,,,,\n"
    )
    books = []

    def strategy(session: Session) -> None:
        if session.time_ns == 10:
            session.buy(101, 4)
        books.append([side.tolist() for side in session.depth(3)])

    result = backtest(open_recording(path), strategy, every_ns=10)
    assert result.fills["other_id"].tolist() == [2] and result.fills["orders_ahead"].tolist() == [0]
    assert books[-2:] == [[[], [[105, 5]]], [[], [[104, 1], [105, 5]]]]
    assert result.corrections == 1, "order 3 found 6 and would rest with 4; in the recording nothing of it rests"


@compiled
def test_no_recorded_order_ever_stands_with_more_than_recorded() -> None:
    random = np.random.default_rng(5)
    calls = [0, 0]

    def strategy(session: Session) -> None:
        bids, asks = session.depth(3)
        for cl_ord_id in list(session.orders):
            if random.integers(4) == 0:
                session.cancel(cl_ord_id)
        if len(bids) and len(asks):
            price = int(random.integers(bids[-1, 0], asks[-1, 0] + 1))
            way = session.buy if random.integers(2) else session.sell
            way(price, int(random.integers(1, 60)), TimeInForce.IOC if random.integers(3) == 0 else TimeInForce.GTC)
        own: dict[tuple[int, int], int] = {}
        for order in session.orders.values():
            if order.rests:
                key = (order.side, order.price_ticks)
                own[key] = own.get(key, 0) + order.leaves_lots
        ours, recorded = session.depth(4_000), session.recorded_depth(4_000)
        for side, mine, theirs in zip(Side, ours, recorded, strict=True):
            most = dict(theirs.tolist())
            for price, lots in mine.tolist():
                calls[1] += lots - own.get((side, price), 0) < most.get(price, 0)
                assert lots - own.get((side, price), 0) <= most.get(price, 0), (session.time_ns, side, price)
        calls[0] += 1

    result = backtest(open_recording("synthetic:9:30000"), strategy, every_ns=400_000, latency_ns=30_000)
    assert calls[0] > 100 and calls[1] > 0, "some recorded quantity was missing"
    assert result.corrections > 10 and len(result.fills) > 100
    assert result.fills["is_taker"].any() and not result.fills["is_taker"].all()
    signed = np.where(result.fills["side"] == Side.BUY, result.fills["qty_lots"], -result.fills["qty_lots"])
    assert signed.sum() == result.positions[0]
    assert -(signed * result.fills["price_ticks"]).sum() == result.cash_tick_lots[0]


@compiled
def test_without_own_orders_both_markets_are_the_recording() -> None:
    seen: list[int] = []

    def strategy(session: Session) -> None:
        assert [side.tolist() for side in session.depth(5)] == [side.tolist() for side in session.recorded_depth(5)]
        assert (session.events["account_slot"] != OWN_ACCOUNT).all()
        seen.append(len(session.events))

    result = backtest(open_recording("synthetic:3:40000"), strategy, every_messages=1_000)
    assert result.corrections == 0 and result.calls == len(seen) == 40
    whole = sum(len(batch.events) for batch in replay(open_recording("synthetic:3:40000")))
    assert 0 < whole - sum(seen) < whole // 20, "the rest is after the last call"


def test_each_contract_has_its_own_position(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "time_ns,contract,action,cl_ord_id,side,qty_lots,price_ticks\n"
        "10,A,new,1,sell,5,101\n10,B,new,4,sell,7,55\n20,B,new,2,buy,9,60\n30,A,new,3,buy,5,99\n"
    )

    def strategy(session: Session) -> None:
        if session.time_ns == 10 and not session.orders and not session.positions:
            assert [spec.name for spec in session.contracts] == ["A", "B"]
            session.buy(101, 2, contract_slot=0)
            session.sell(55, 1, contract_slot=1)
            with pytest.raises(ValueError, match="contract_slot: 2 is none of the 2 contracts"):
                session.sell(55, 1, contract_slot=2)

    result = backtest(open_recording(path), strategy, every_ns=10)
    assert result.positions == {0: 2, 1: -1} and result.cash_tick_lots == {0: -202, 1: 55}
    assert result.fills["contract_slot"].tolist() == [0, 1]
    assert result.fills[["orders_ahead", "lots_ahead"]].tolist() == [(-1, -1), (1, 7)]
    assert len(next(replay(open_recording(path))).events) > 6


# --- money and refusals -----------------------------------------------------------------------------------------------


def test_fees_are_whole_millionths_rounded_up() -> None:
    spec = ContractSpec("X", "0.5", "0.001")
    assert fee_micros(spec, 2_000, 500_000) == 500
    assert fee_micros(spec, 1, 500_000) == 1
    assert fee_micros(spec, 2_001, -500_000) == -500
    assert fee_micros(spec, 2_001, 0) == 0


def test_fees_are_in_the_profit(written: Write) -> None:
    path = written("10,new,1,sell,5,100,\n20,new,2,buy,5,100,\n30,new,3,buy,1,98,\n31,new,4,sell,1,102,\n")
    result = backtest(
        open_recording(path), at(10, lambda session: session.buy(100, 4)), every_ns=10, fees=Fees(0, 1_000_000)
    )
    assert result.fees_micros == 400 * 1_000
    assert result.profit == Decimal("-0.4") and result.positions == {0: 4}
    assert result.samples[-1].tolist() == [31, 98, 102, 4, -400, 400_000]


def test_refusals_are_counted_and_end_the_order(written: Write) -> None:
    path = written("10,new,1,sell,5,100,\n20,new,2,buy,5,90,\n30,new,3,buy,1,98,\n")

    def act(session: Session) -> None:
        session.cancel(77)
        session.buy(99, 1, TimeInForce.FOK)

    result = backtest(open_recording(path), at(10, act), every_ns=10)
    assert result.refused == {"UNKNOWN_ORDER": 1, "FOK_CANNOT_FILL": 1} and len(result.fills) == 0


def test_what_cannot_be_is_said_in_one_line(written: Write, tmp_path: Path) -> None:
    path = written("10,new,1,sell,5,100,\n20,new,2,buy,5,90,\n")
    for options, message in (
        ({}, "name one of them"),
        ({"every_ns": 1, "every_messages": 1}, "only one of them"),
        ({"every_ns": -1}, "every_ns: -1 is less than 0"),
        ({"every_ns": 1, "latency_ns": -1}, "latency_ns: -1 is less than 0"),
    ):
        with pytest.raises(ValueError, match=message):
            backtest(open_recording(path), lambda session: None, **options)
    for values, message in (((0, 1), "price_ticks: 0 is not within 1 to"), ((5, 1 << 60), "qty_lots: 115292150460")):
        with pytest.raises(ValueError, match=message):
            backtest(open_recording(path), at(10, lambda session, values=values: session.buy(*values)), every_ns=1)
    (tmp_path / "no-times.csv").write_text("action,cl_ord_id,side,qty_lots,price_ticks\nnew,1,buy,5,1\n")
    for options in ({"every_ns": 1}, {"every_messages": 1, "latency_ns": 1}):
        with pytest.raises(RecordingError, match="the recording has no times: name every_messages"):
            backtest(open_recording(tmp_path / "no-times.csv"), lambda session: None, **options)
    with pytest.raises(RecordingError, match="the recording has no times"):
        next(replay(open_recording(tmp_path / "no-times.csv"), every_ns=5))
    (tmp_path / "no-clock.csv").write_text(f"{','.join(CSV_COLUMNS)}\n0,0,0,5,1,1,100\n")
    for options, message in (({"every_ns": 1}, "has no clock"), ({"every_messages": 1, "latency_ns": 1}, "no latency")):
        with pytest.raises(RecordingError, match=message):
            backtest(open_recording(tmp_path / "no-clock.csv"), lambda session: None, **options)


def test_a_strategy_that_answers_itself_without_end_is_stopped(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.recordings.strategy.MAX_ANSWERS", 20)
    path = written("10,new,1,sell,500,100,\n20,new,2,buy,5,90,\n")
    with pytest.raises(ValueError, match="called 20 times at one instant"):
        backtest(open_recording(path), lambda session: session.buy(100, 1) and None, every_ns=10)


def test_many_messages_of_one_time_or_of_none_are_no_answers(
    written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.recordings.strategy.MAX_ANSWERS", 20)
    same = written("".join(f"10,new,{order},buy,5,90,\n" for order in range(1, 51)))
    none = tmp_path / "none.csv"
    none.write_text("".join(line.partition(",")[2] + "\n" for line in same.read_text().splitlines()))
    for path in (same, none):
        assert backtest(open_recording(path), lambda session: None, every_messages=1).calls == 49


@compiled
def test_small_rings_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> list[object]:
        def strategy(session: Session) -> None:
            bids, asks = session.depth(1)
            if len(bids) and len(asks):
                session.buy(asks[0, 0] + 50, 900, TimeInForce.IOC)

        result = backtest(open_recording("synthetic:4:6000"), strategy, every_ns=3_000_000)
        return [result.fills.tobytes(), result.samples.tobytes(), result.corrections, len(result.fills)]

    large = run()
    monkeypatch.setattr("engine.recordings.side_by_side.RING_ROWS", 128)
    assert run() == large and large[-1] > 100  # type: ignore[operator]


@compiled
def test_own_orders_trade_in_a_recording_of_levels_too(tmp_path: Path) -> None:
    path = write_tardis(tmp_path, list(Market(1).events(1500)))
    random = np.random.default_rng(3)
    looked = [0]

    def strategy(session: Session) -> None:
        session.cancel_all()
        for slot, _ in enumerate(session.contracts):
            bids, asks = session.depth(1, slot)
            if len(bids) and len(asks) and random.integers(2):
                session.buy(bids[0, 0], 400, contract_slot=slot)
                session.sell(asks[0, 0], 400, contract_slot=slot)
            own: dict[tuple[int, int], int] = {}
            for order in session.orders.values():
                if order.rests and order.contract_slot == slot:
                    assert not order.is_in_view
                    key = (order.side, order.price_ticks)
                    own[key] = own.get(key, 0) + order.leaves_lots
            for side, mine, theirs in zip(Side, session.depth(99, slot), session.recorded_depth(99, slot), strict=True):
                most = dict(theirs.tolist())
                for price, lots in mine.tolist():
                    looked[0] += 1
                    assert lots - own.get((side, price), 0) <= most.get(price, 0)

    result = backtest(open_recording(path), strategy, every_messages=10)
    assert looked[0] > 1000 and len(result.fills) > 20 and result.corrections > 5
    assert not result.fills["was_in_view"][~result.fills["is_taker"]].any()
    assert sorted(result.positions) == [0, 1]
