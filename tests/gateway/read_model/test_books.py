"""Books from event rows: absolute quantities, the order of events, amended prices, lagging readers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codes import EventFlag, EventKind, Side
from engine.schema import COMMAND, EVENT, LABEL, NOTICE
from gateway.read_model import books as books_module
from gateway.read_model import event_fold
from gateway.read_model.books import Book, Books
from gateway.read_model.segments import Segment

VIEW = event_fold.empty_view()


def rows(*given):
    """EVENT rows from (kind, side, price, level) and optional fields."""
    events = np.zeros(len(given), EVENT)
    for event, (kind, side, price, level, *fields) in zip(events, given, strict=True):
        event["kind"], event["side"], event["price_ticks"], event["level_lots"] = kind, side, price, level
        for name, value in dict(fields).items():
            event[name] = value
    return events


def collect(books, events, seq):
    """Fold a batch of one command, which these events came of."""
    command, segment = np.zeros(1, COMMAND), Segment(3 * len(events))
    command["seq"] = seq
    batch = (command, command.view(LABEL), events, events.view(NOTICE))
    reports = Segment(len(events))
    history = (segment.legs, segment.orders, reports.legs, reports.orders)
    _, end = event_fold.fold(VIEW, batch, (1, len(events), 0, 0), history, books.room(len(events)))
    books.noted(end, seq)


def test_the_last_word_on_a_price_counts():
    books = Books(16)
    collect(books, rows((EventKind.RESTED, Side.BUY, 100, 5), (EventKind.FILL, Side.BUY, 100, 3)), 7)
    collect(books, rows((EventKind.ACCEPTED, Side.SELL, 102, 4), (EventKind.CANCELLED, Side.BUY, 100, 0)), 9)
    book = books.book(0)
    assert (book.best(1, 0), book.best(2, 0), book.change_id) == ([], [(102, 4)], 9)


def test_what_says_nothing_of_a_level_changes_nothing():
    books = Books(16)
    collect(books, rows((EventKind.FILL, Side.BUY, 100, -1), (EventKind.REPEATED, Side.BUY, 100, 5)), 7)
    notice = rows((EventKind.MARK_CHANGED, 0, 1, 99))
    collect(books, notice, 8)
    assert books.book(0).best(1, 0) == []


def test_an_amended_order_leaves_its_old_price():
    books = Books(16)
    collect(books, rows((EventKind.ACCEPTED, Side.BUY, 100, 5)), 1)
    moved = (EventKind.AMENDED, Side.BUY, 105, 0, ("entry_cost_micros", 100))
    collect(books, rows(moved, (EventKind.RESTED, Side.BUY, 105, 5)), 2)
    assert books.book(0).best(1, 0) == [(105, 5)]
    kept = (EventKind.AMENDED, Side.BUY, 105, 3, ("flags", int(EventFlag.RESTING)))
    collect(books, rows(kept), 3)
    assert books.book(0).best(1, 0) == [(105, 3)]


def test_sides_contracts_and_depth_are_kept_apart():
    books = Books(16)
    given = [(EventKind.ACCEPTED, side, 100 + step, 1, ("contract_slot", 3)) for side in (1, 2) for step in range(5)]
    collect(books, rows(*given), 1)
    assert books.book(0).best(1, 0) == []
    assert books.book(3).best(1, 2) == [(104, 1), (103, 1)]
    assert books.book(3).best(2, 2) == [(100, 1), (101, 1)]


def test_moves_say_what_was_before_and_lagging_readers_get_the_difference():
    book = Book()
    assert book.apply({(1, 100): 5}, 1) == {(1, 100): (0, 5)}
    assert book.apply({(1, 100): 0, (2, 101): 4}, 2) == {(1, 100): (5, 0), (2, 101): (0, 4)}
    assert book.since(1) == {(1, 100): 0, (2, 101): 4}
    assert book.since(2) == {}


def test_the_memory_of_gone_levels_is_bounded(monkeypatch):
    monkeypatch.setattr(books_module, "TOMBSTONES", 10)
    book = Book()
    for change in range(1, 40):
        book.apply({(1, change): 1}, 2 * change)
        book.apply({(1, change): 0}, 2 * change + 1)
    assert len(book.touched) <= 11
    assert book.since(0) is None and book.since(book.change_id) == {}


@pytest.mark.parametrize("count", [1, 40])
def test_a_batch_larger_than_expected_is_taken(count):
    books = Books(2)
    collect(books, rows(*[(EventKind.ACCEPTED, Side.BUY, 1 + step, 1) for step in range(count)]), 1)
    assert len(books.book(0).best(1, 0)) == count


def test_what_nobody_looks_at_is_gathered_now_and_then():
    books = Books(16)
    for seq in range(1, 3 * books_module.GATHER_ROWS):
        collect(books, rows((EventKind.ACCEPTED, Side.BUY, 100 + seq % 3, seq)), seq)
    last = 3 * books_module.GATHER_ROWS - 1
    best = {100 + seq % 3: seq for seq in (last - 2, last - 1, last)}
    assert books.book(0).best(Side.BUY, 0) == sorted(best.items(), reverse=True)
    assert books.book(0).change_id == last


def _shared_places():
    """Prices that are noted at few places, so that each pushes others out."""

    def place(price):
        key = event_fold.level_key(0, 1, price)
        return (key ^ key >> 12) & 4095

    return [price for price in range(1, 40_000) if place(price) in (7, 8)][:12]


CHANGES = st.tuples(st.sampled_from(_shared_places()), st.integers(0, 9))
BATCHES = st.lists(st.tuples(st.lists(CHANGES, max_size=12), st.booleans()), max_size=20)


@settings(max_examples=300, deadline=None)
@given(BATCHES, st.integers(1, 40))
def test_levels_that_share_a_place_are_told_as_they_are_whoever_looks_when(batches, gather_rows):
    """Each move begins where the one before it ended, and a change is told once, under the id of a batch since."""
    books, shown, told = Books(16), {}, {}

    def listen(contract_slot, moves):
        for (_, price), (before, after) in moves.items():
            assert told.get(price, 0) == before
            told[price] = after

    kept, books_module.GATHER_ROWS = books_module.GATHER_ROWS, gather_rows
    try:
        for seq, (changes, looks) in enumerate(batches, 1):
            collect(books, rows(*((EventKind.ACCEPTED, Side.BUY, *change) for change in changes)), seq)
            shown.update(changes)
            if looks:
                for contract_slot, moves in books.fold():
                    listen(contract_slot, moves)
                assert dict(books.book(0).best(Side.BUY, 0)) == {price: lots for price, lots in shown.items() if lots}
                assert all(told[price] == lots for price, lots in shown.items())
    finally:
        books_module.GATHER_ROWS = kept
