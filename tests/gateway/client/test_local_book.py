"""The client's book: the chain, deletes, snapshots, and what breaks it."""

import pytest

from gateway.client.local_book import BookBroken, LocalBook


def snapshot(change_id, bids, asks):
    return {
        "type": "snapshot",
        "change_id": change_id,
        "bids": [["new", *row] for row in bids],
        "asks": [["new", *row] for row in asks],
    }


def change(previous, change_id, bids=(), asks=()):
    return {"type": "change", "prev_change_id": previous, "change_id": change_id, "bids": bids, "asks": asks}


def test_changes_follow_the_snapshot():
    book = LocalBook()
    book.apply(snapshot(5, [(10, 1), (9, 2)], [(11, 3), (12, 4)]))
    book.apply(change(5, 8, [["delete", 10, 0], ["new", 9.5, 7]], [["change", 11, 1]]))
    assert (book.best_bid, book.best_ask) == ((9.5, 7), (11, 1))
    assert book.depth(2) == ([(9.5, 7), (9, 2)], [(11, 1), (12, 4)])


def test_a_second_snapshot_replaces_everything():
    book = LocalBook()
    book.apply(snapshot(5, [(10, 1)], [(11, 3)]))
    book.apply(snapshot(9, [(8, 1)], []))
    assert book.depth(5) == ([(8, 1)], [])


@pytest.mark.parametrize("message", [change(4, 8), change(5, 8, [["new", 11, 1]])])
def test_a_gap_or_a_crossed_book_is_noticed(message):
    book = LocalBook()
    book.apply(snapshot(5, [(10, 1)], [(11, 3)]))
    with pytest.raises(BookBroken):
        book.apply(message)


def test_a_change_without_a_snapshot_is_noticed():
    with pytest.raises(BookBroken):
        LocalBook().apply(change(1, 2))
