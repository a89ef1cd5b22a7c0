"""What one account asks costs in proportion to the account: rows that are read, counted, among many other accounts'."""

import pytest

from engine import host
from engine.codes import NIL
from engine.schema import SMALL
from gateway.read_model import margin_explanation
from gateway.read_model.event_fold import DELIVERY_KIND, TRADE_KIND
from gateway.read_model.history import History
from gateway.read_model.money_records import MoneyRecords
from gateway.read_model.projection import Projection
from gateway.read_model.rows_ahead import SEGMENT_ROWS
from gateway.wire.views import Span
from tests.gateway.live import BTC
from tests.gateway.query_venue import QueryVenue

CROWD = 40


class Counted:
    """An array of rows that counts how many of them are read."""

    def __init__(self, rows):
        self.rows, self.reads = rows, 0

    def __getitem__(self, place):
        self.reads += len(self.rows[place]) if isinstance(place, slice) else 1
        return self.rows[place]


class CountedState:
    """An engine's state whose positions and orders are counted."""

    def __init__(self, state):
        self.state = state
        self.arrays = {name: Counted(state[name]) for name in ("positions", "orders", "own")}

    def __getitem__(self, name):
        return self.arrays.get(name) or self.state[name]

    @property
    def reads(self):
        return sum(counted.reads for counted in self.arrays.values())


def crowded(accounts):
    """A state in which every account has two positions, one of them with an order."""
    root = host.create(SMALL)
    state = root[0]
    for account in range(accounts):
        for place in (2 * account, 2 * account + 1):
            row = state["positions"][place]
            row["account_slot"], row["contract_slot"], row["own_head_slot"] = account, place % 2, NIL
            row["next_slot"] = place - 1 if place % 2 else NIL
        state["positions"][2 * account]["own_head_slot"] = account
        state["own"][account]["next_slot"] = NIL
        state["orders"][account]["order_id"], state["orders"][account]["side"] = account + 1, 1
        state["accounts"][account]["positions_head"] = 2 * account + 1
        state["accounts"][account]["state"] = 1
    root["positions_used"], root["accounts_used"] = 2 * accounts, accounts
    return root


def test_an_explanation_reads_the_accounts_own_rows():
    counts = []
    for accounts in (1, CROWD):
        root = crowded(accounts)
        counted = CountedState(root[0])
        [order] = margin_explanation.open_orders([counted], 0)
        assert order["order_id"] == 1 and order["contract_slot"] == 0
        counts.append(counted.reads)
    assert counts[0] == counts[1] > 0


@pytest.fixture
def projection(tmp_path, monkeypatch):
    venue = QueryVenue(tmp_path, monkeypatch)
    venue.trade(0.1, 20_000)
    for price in range(19_000, 19_000 + CROWD):
        venue.result(1, "private/buy", instrument_name=BTC, amount=0.1, price=price)
    venue.result(0, "private/buy", instrument_name=BTC, amount=0.1, price=19_000)
    return venue.venue.projection


def test_orders_and_positions_read_the_accounts_own_rows(projection: Projection):
    """An account with one order and one position, beside one with many orders."""
    state = projection._state
    for question in (
        lambda: projection.positions.of_account(0),
        lambda: projection.positions.size_lots(0, 0),
        lambda: projection.positions.one(0, 0),
        lambda: projection.positions.leverage(0, 0),
    ):
        counted = Counted(state["positions"])
        projection.positions._positions = counted
        question()
        assert 0 < counted.reads <= 4
    projection._next_slots = counted = Counted(projection._next_slots)
    assert len(projection.open_orders(0)) == 1 and counted.reads == 1
    assert len(projection.open_orders(1)) == CROWD and counted.reads == CROWD + 1


def test_settled_rates_are_found_without_a_walk_through_the_history(projection: Projection):
    def walked(*_):
        raise AssertionError("the whole history was walked")

    for name in ("of_contracts", "trades", "closed_orders", "money"):
        setattr(projection.history, name, walked)
    assert projection.funding(0, 0, 1 << 62) == []


def test_settlements_of_all_accounts_pass_over_what_is_traded():
    """Anyone may ask for them, so they may not cost what the venue has ever done."""
    found = History()
    for place in range(3):
        segment = found.room(SEGMENT_ROWS)
        segment.legs["kind"], segment.used = TRADE_KIND, SEGMENT_ROWS
        if place == 1:
            segment.legs[5]["kind"], segment.legs[5]["time_ns"] = DELIVERY_KIND, 7
    found.room(1)
    kept = found.segments[1].legs
    for segment in (found.segments[0], found.segments[2]):
        segment.legs = None
    records = MoneyRecords(found)
    assert records.deliveries(frozenset((0,))) == [(0, 7, 0)]
    found.segments[2].legs = kept
    assert records.settlements(frozenset((0,)), "settlement", Span()) == ([], 0)
    assert records.settlements(frozenset((0,)), "bankruptcy", Span()) == ([], 0)
    assert records.settlements(frozenset((0,)), None, Span()) == ([], 0), "nobody had a position"
