"""The history in many small segments finds what a plain walk over all rows finds."""

from pathlib import Path

import numpy as np
import pytest

from gateway.read_model import history
from gateway.read_model.event_fold import (
    DELIVERY_KIND,
    FUNDING_KIND,
    LEG_ROW,
    MONEY_KIND,
    ORDER_KIND,
    ORDER_ROW,
    TRADE_KIND,
)
from gateway.read_model.history import History, OrderFilter
from gateway.read_model.market_minutes import CANDLE_KIND
from gateway.read_model.money_records import MoneyRecords
from gateway.read_model.rows_ahead import BEHIND, SEGMENT_ROWS
from gateway.read_model.segments import Segment
from gateway.wire.views import Span

ACCOUNTS, CONTRACTS, TAKER = 5, 2, 4


def rows(count, seed):
    """Trades of two legs each, money, closed orders; times and trade ids of a contract go up."""
    rng = np.random.default_rng(seed)
    made = np.zeros(count, LEG_ROW)
    serials = [0] * CONTRACTS
    for place in range(count):
        row = made[place]
        row["account_slot"], row["time_ns"] = rng.integers(ACCOUNTS), 10 * (place // 3)
        row["contract_slot"], row["order_id"] = rng.integers(CONTRACTS), 1 + rng.integers(9)
        row["kind"] = rng.choice([TRADE_KIND, TRADE_KIND, MONEY_KIND, ORDER_KIND])
        if row["kind"] == TRADE_KIND:
            before = made[place - 1]
            if place and before["kind"] == TRADE_KIND and before["flags"] == 0:
                row["contract_slot"], row["trade_id"], row["flags"] = before["contract_slot"], before["trade_id"], TAKER
            else:
                serials[row["contract_slot"]] += 1
                row["trade_id"] = serials[row["contract_slot"]]
        if row["kind"] == ORDER_KIND:
            order = made.view(ORDER_ROW)[place]
            order["updated_ns"], order["filled_lots"] = 10 * (place // 3), rng.integers(2)
    return made


def written(made, monkeypatch, size):
    monkeypatch.setattr(history, "SEGMENT_ROWS", size)
    found = History()
    for first in range(0, len(made), 3):
        part = made[first : first + 3]
        segment = found.room(len(part))
        segment.legs[segment.used : segment.used + len(part)] = part
        segment.used += len(part)
    return found


def loaded(made, monkeypatch, size):
    monkeypatch.setattr(history, "SEGMENT_ROWS", size)
    found = History()
    found.load(0, made.copy())
    return found


def places(walk):
    return [segment.first + index for segment, index in walk]


SPANS = (
    Span(), Span(ascending=True), Span(50, 200), Span(50, 200, ascending=True), Span(first_id=3, last_id=9),
    Span(first_place=20, last_place=41), Span(first_place=30, ascending=True), Span(last_place=-1),
    Span(first_place=BEHIND),
)  # fmt: skip


@pytest.mark.parametrize("make", [written, loaded])
@pytest.mark.parametrize("seed", range(3))
def test_every_walk_finds_what_there_is_in_its_order(make, seed, monkeypatch):
    made = rows(130, seed)
    found = make(made, monkeypatch, 12)
    assert len(found.segments) > 5 and (found.saved()["history"] == made).all()
    orders = made.view(ORDER_ROW)
    for span in SPANS:
        inside = [
            place for place, row in enumerate(made)
            if span.start_ns <= row["time_ns"] <= span.end_ns and span.first_place <= place <= span.last_place
            and span.first_id <= row["trade_id"] <= span.last_id
        ]  # fmt: skip
        turn = slice(None, None, 1 if span.ascending else -1)
        for account in range(ACCOUNTS + 1):
            own = [p for p in inside if made[p]["account_slot"] == account and made[p]["kind"] == TRADE_KIND]
            assert places(found.trades(account, range(CONTRACTS), span)) == own[turn]
            in_one = [p for p in own if made[p]["contract_slot"] == 1]
            assert places(found.trades(account, (1,), span)) == in_one[turn]
        for contract in range(CONTRACTS):
            taken = [p for p in inside if made[p]["contract_slot"] == contract and made[p]["flags"] == TAKER]
            assert places(found.of_contracts((contract,), TAKER, span)) == taken[turn]
        both = [p for p in inside if made[p]["flags"] == TAKER]
        assert places(found.of_contracts(range(CONTRACTS), TAKER, span)) == both[turn]
        assert places(found.of_contracts((), TAKER, span)) == places(found.of_contracts((9,), TAKER, span)) == []
    for account in range(ACCOUNTS + 1):
        own = [p for p, row in enumerate(made) if row["account_slot"] == account]
        closed = [p for p in own if made[p]["kind"] == ORDER_KIND][::-1]
        assert places(found.closed_orders(account, OrderFilter(range(CONTRACTS)))) == closed
        for start_ns in (0, 100, 101, 1000):
            late = [p for p in closed if orders[p]["updated_ns"] >= start_ns]
            assert places(found.closed_orders(account, OrderFilter(range(CONTRACTS), start_ns))) == late
            filled = [p for p in late if orders[p]["filled_lots"] and orders[p]["contract_slot"] == 1]
            wanted = OrderFilter((1,), start_ns, is_filled=True)
            assert places(found.closed_orders(account, wanted)) == filled
        money = [p + 1 for p in own if made[p]["kind"] in (TRADE_KIND, MONEY_KIND)][::-1]
        assert [number for number, *_ in found.money(account, Span())] == money
        part = Span(50, 300, last_id=90)
        assert [number for number, *_ in found.money(account, part)] == [
            number for number in money if number <= 90 and 50 <= made[number - 1]["time_ns"] <= 300
        ]
        for order_id in range(1, 11):
            of_order = [p for p in own if made[p]["order_id"] == order_id and made[p]["kind"] == TRADE_KIND]
            assert places(found.of_order(account, order_id, TRADE_KIND)) == of_order


@pytest.mark.parametrize("make", [written, loaded])
def test_a_trade_is_found_by_its_id(make, monkeypatch):
    made = rows(130, 7)
    found = make(made, monkeypatch, 12)
    for contract in range(CONTRACTS):
        trades = [p for p, row in enumerate(made) if row["contract_slot"] == contract and row["kind"] == TRADE_KIND]
        last_id = int(made[trades[-1]]["trade_id"])
        for trade_id in range(1, last_id + 1):
            legs = [p for p in trades if made[p]["trade_id"] == trade_id]
            assert found.trade_place(contract, trade_id, False) == legs[0]
            assert found.trade_place(contract, trade_id, True) == legs[-1]
        assert (found.trade_place(contract, 0, False), found.trade_place(contract, 0, True)) == (0, -1)
        behind = [found.trade_place(contract, last_id + 1, is_last) for is_last in (False, True)]
        assert behind == [BEHIND, BEHIND]


def test_what_came_after_a_sequence_is_found_when_the_last_row_is_a_candle(monkeypatch):
    """Candles have no sequence, and the last row of a batch may be one."""
    made = rows(30, 1)
    made["seq"] = np.arange(1, 31)
    made["kind"][-1], made["seq"][-1] = CANDLE_KIND, 0
    for size in (6, 30, 64):
        found = written(made, monkeypatch, size)
        for after in (0, 20, 28):
            assert found.later((TRADE_KIND,), after).first_place <= after
        assert found.later((TRADE_KIND,), 29).first_place == 30


def test_the_legs_of_a_trade_are_loaded_into_one_segment(monkeypatch):
    made = np.zeros(40, LEG_ROW)
    made["kind"], made["trade_id"], made["contract_slot"] = TRADE_KIND, np.arange(40) // 2 + 1, 0
    made["trade_id"][0] = 100
    found = loaded(made, monkeypatch, 13)
    for segment in found.segments[1:]:
        assert segment.legs["trade_id"][0] != found.saved()["history"]["trade_id"][segment.first - 1]


def test_a_full_segment_shows_one_accounts_rows_without_reading_the_others(monkeypatch):
    made = rows(130, 1)
    found = written(made, monkeypatch, 12)
    for segment in found.segments[:-1]:
        segment.legs = {"account_slot": None}
        for account in range(ACCOUNTS):
            own = made[segment.first : segment.first + segment.used]["account_slot"] == account
            assert segment.rows_of(account).tolist() == np.flatnonzero(own).tolist()


def asked(found, span):
    """What questions by time find."""
    trades, taken = found.trades(0, range(CONTRACTS), span), found.of_contracts((0,), TAKER, span)
    return places(trades), places(taken), list(found.money(0, span))


def test_full_segments_outside_the_times_are_not_looked_at(monkeypatch):
    made = rows(130, 2)
    found = written(made, monkeypatch, 12)
    span = Span(180, 220)
    wanted = asked(found, span)
    near = [segment for segment in found.segments[:-1] if not segment.is_outside(span.start_ns, span.end_ns)]
    assert 0 < len(near) < 5 < len(found.segments)
    for segment in found.segments[:-1]:
        if segment not in near:
            segment.legs = None
    assert wanted == asked(found, span)


def test_full_segments_without_the_trades_asked_for_are_not_looked_at(monkeypatch):
    made = rows(130, 3)
    made["contract_slot"][made["contract_slot"] == 1] = 0
    made["trade_id"] = np.where(made["kind"] == TRADE_KIND, np.cumsum(made["flags"] == 0), 0)
    found = written(made, monkeypatch, 12)
    trade_id = int(made["trade_id"][made["flags"] == TAKER].max())
    spans = (Span(first_id=trade_id, ascending=True), Span(first_id=trade_id))
    wanted = [places(found.of_contracts((0,), TAKER, span)) for span in spans]
    place = found.trade_place(0, trade_id, False)
    for segment in found.segments[:-1]:
        if segment.first + segment.used <= place - 24:
            segment.legs = None
    assert [places(found.of_contracts((0,), TAKER, span)) for span in spans] == wanted and wanted[0]
    assert found.trade_place(0, trade_id, False) == place
    for segment in found.segments[:-1]:
        segment.legs = None
    assert places(found.of_contracts((1,), TAKER, Span())) == places(found.of_contracts((), TAKER, Span())) == []
    assert (found.trade_place(1, 5, False), found.trade_place(1, 5, True)) == (BEHIND, -1)


def test_settlements_are_found_without_a_walk_through_full_segments(monkeypatch):
    made = rows(130, 4)
    made["kind"][[3, 50, 51, 127]] = FUNDING_KIND, DELIVERY_KIND, DELIVERY_KIND, FUNDING_KIND
    found = written(made, monkeypatch, 12)
    assert [segment.first + int(place) for segment in found.segments for place in segment.settlements()] == [
        3, 50, 51, 127,
    ]  # fmt: skip
    for segment in found.segments[:-1]:
        if not len(segment.settlements()):
            segment.legs = None
    assert len(MoneyRecords(found).deliveries(frozenset({0, 1}))) == 2


def own_mb():
    """What the process has of memory that is no file's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def full_segment():
    made = Segment(SEGMENT_ROWS)
    made.legs["seq"] = 1
    return made


def test_the_memory_of_segments_goes_back_to_the_system_whatever_stays_behind_them():
    full_segment()  # the C library's limit for a mapping rises with the first one that is freed
    segments, others, before = [], [], own_mb()
    for _ in range(8):
        segments.append(full_segment())
        others.append(np.ones(50_000))
    taken = own_mb() - before
    assert taken > 100
    kept = segments[3].legs[:2]  # a reader of one segment holds that one alone
    segments.clear()
    assert own_mb() - before < taken / 3
    assert kept["seq"].tolist() == [1, 1]
