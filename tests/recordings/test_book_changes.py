"""The follower of books on a few events written by hand; runs without compiled code too."""

from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind, Side
from engine.recordings.out.book_changes import Action, BookFollower, Cause
from engine.schema import EVENT

ICEBERG, OTHER, TAKER = 1 << 22 | 1, 2 << 22 | 2, 3 << 22 | 3
RESTS = EventFlag.RESTING


def event(seq: int, kind: int, order_id: int, side: int, **values: int) -> Any:
    """One event at a price of 100 unless given."""
    row = np.zeros(1, EVENT)
    values = {"price_ticks": 100, "level_lots": -1, **values}
    for name, value in (
        {"seq": seq, "time_ns": seq * 10, "kind": kind, "order_id": order_id, "side": side} | values
    ).items():
        row[name] = value
    return row


def fill(seq: int, lots: int, left: int, level_lots: int, trade_id: int) -> list[Any]:
    """Both reports of a trade of the iceberg."""
    traded = {"last_lots": lots, "trade_id": trade_id}
    maker = event(seq, EventKind.FILL, ICEBERG, Side.SELL, leaves_lots=left, level_lots=level_lots, **traded)
    return [maker, event(seq, EventKind.FILL, TAKER, Side.BUY, flags=EventFlag.TAKER, **traded)]


def told(rows: list[Any]) -> list[tuple[int, ...]]:
    """(sequence, action, order, lots, left, level, last) of the changes."""
    follower = BookFollower(1)
    changes = np.concatenate([follower.follow(np.concatenate(rows)).changes, follower.flush().changes])
    names = ["seq", "action", "order_id", "lots", "left_lots", "level_lots", "last"]
    return [tuple(int(row[name]) for name in names) for row in changes]


def test_an_iceberg_shows_its_parts_and_comes_back_behind_the_queue() -> None:
    rows = [
        event(1, EventKind.ACCEPTED, ICEBERG, Side.SELL, flags=RESTS, leaves_lots=10, level_lots=3),
        event(2, EventKind.ACCEPTED, OTHER, Side.SELL, flags=RESTS, leaves_lots=4, level_lots=7),
        event(3, EventKind.ACCEPTED, TAKER, Side.BUY),
        *fill(3, 3, 7, 4, 1),
        event(3, EventKind.REFILLED, ICEBERG, Side.SELL, leaves_lots=7, level_lots=7),
    ]
    assert told(rows) == [
        (1, Action.ADD, ICEBERG, 3, 3, 3, 1),
        (2, Action.ADD, OTHER, 4, 4, 7, 1),
        (3, Action.FILL, ICEBERG, 3, 0, 4, 0),
        (3, Action.ADD, ICEBERG, 3, 3, 7, 1),
    ]
    follower = BookFollower()
    follower.follow(np.concatenate(rows))
    assert follower.resting()["order_id"].tolist() == [OTHER, ICEBERG]
    assert follower.resting()["lots"].tolist() == [4, 3]


def test_hidden_quantity_that_goes_is_not_seen() -> None:
    rows = [
        event(1, EventKind.ACCEPTED, ICEBERG, Side.SELL, flags=RESTS, leaves_lots=10, level_lots=3),
        event(2, EventKind.REDUCED, ICEBERG, Side.SELL, leaves_lots=5, level_lots=3, last_lots=5),
        event(3, EventKind.REDUCED, ICEBERG, Side.SELL, leaves_lots=2, level_lots=2, last_lots=3),
        event(4, EventKind.CANCELLED, ICEBERG, Side.SELL, level_lots=0, last_lots=2),
    ]
    assert told(rows)[1:] == [
        (3, Action.REDUCE, ICEBERG, 1, 2, 2, 1),
        (4, Action.DELETE, ICEBERG, 2, 0, 0, 1),
    ]


def test_an_order_that_is_amended_afresh_leaves_its_old_price() -> None:
    rows = [
        event(1, EventKind.ACCEPTED, OTHER, Side.BUY, flags=RESTS, leaves_lots=4, level_lots=4),
        event(2, EventKind.AMENDED, OTHER, Side.BUY, leaves_lots=6, level_lots=0, price_ticks=101),
        event(2, EventKind.RESTED, OTHER, Side.BUY, flags=RESTS, leaves_lots=6, level_lots=6, price_ticks=101),
        event(3, EventKind.REPEATED, OTHER, Side.BUY, flags=RESTS, leaves_lots=6, level_lots=6, price_ticks=101),
    ]
    follower = BookFollower(1)
    followed = follower.follow(np.concatenate(rows))
    assert followed.changes[["action", "price_ticks", "lots", "last"]].tolist() == [
        (Action.ADD, 100, 4, 1), (Action.DELETE, 100, 4, 0),
    ]  # fmt: skip
    last = follower.flush()
    assert last.changes[["action", "price_ticks", "lots", "last"]].tolist() == [(Action.ADD, 101, 6, 1)]
    assert last.depth.tolist() == [[20, 2, 0, 101, 6, 0, 0]]


def test_deleveraging_is_a_trade_that_takes_nothing_from_the_book() -> None:
    forced = {"flags": EventFlag.FORCED | EventFlag.DELEVERAGING, "last_lots": 5, "trade_id": 9}
    rows = [event(1, EventKind.FILL, 0, side, **forced) for side in (Side.SELL, Side.BUY)]
    follower = BookFollower(1)
    follower.follow(np.concatenate(rows))
    last = follower.flush()
    assert last.changes[["action", "cause", "side", "lots", "trade_id"]].tolist() == [
        (Action.TRADE, Cause.DELEVERAGING, Side.SELL, 5, 9)
    ]
    assert len(last.depth) == 0
