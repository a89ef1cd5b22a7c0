"""The follower of order lives: what a recording of single orders says, in the engine and in the reader's own book."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.codes import Side
from engine.recordings.batches import READER_ID, Book, Wanted, contracts_of
from engine.recordings.lives_reader import LivesReader
from engine.recordings.order_lives import LifeAction, LifeFlag
from engine.recordings.replay import Options, ReplayResult, prepare, replay
from engine.recordings.source import RecordingError
from tests.recordings.data import compiled, play
from tests.recordings.lives import GivenDecoder, Lives, life_rows

LEVELS = 5


def drawn(seed: int, events: int, contracts: int = 3) -> tuple[Lives, Any]:
    """A naive market's lives and their rows."""
    lives = Lives(seed, contracts)
    for _ in range(events):
        lives.step()
    return lives, life_rows(lives.rows)


def follow(rows: Any, contracts: int = 1, **wanted: Any) -> ReplayResult:
    reader = LivesReader(GivenDecoder(rows, contracts), LEVELS, Wanted(**wanted))
    return replay(reader, prepare(reader), Options(levels=LEVELS))


def books_of(result: ReplayResult) -> dict[str, Book]:
    """The final book of each contract."""
    return {name: each.depth for name, each in result.contracts.items()}


def exact(result: ReplayResult) -> bool:
    """Whether every book row and every execution is as recorded."""
    rows = result.book_rows_equal == result.book_rows_checked and result.differences == []
    return rows and result.executions_as_recorded == result.executions and result.rejects == {}


@compiled
@pytest.mark.parametrize("block", [1 << 16, 7])
def test_lives_of_several_contracts_lead_to_their_books(block: int) -> None:
    lives, rows = drawn(1, 1500)
    reader = LivesReader(GivenDecoder(rows, 3, block), LEVELS)
    result, _ = play(reader, levels=LEVELS)
    assert exact(result) and result.ignored == {}
    assert (result.book_rows_checked or 0) > 1000
    assert result.executions == lives.executions > 500
    assert result.contract == "C0, C1, C2"
    assert books_of(result) == {f"C{slot}": market.book(LEVELS) for slot, market in enumerate(lives.markets)}
    assert result.messages == len(rows)


@compiled
def test_what_comes_before_from_enters_as_a_snapshot() -> None:
    lives, rows = drawn(2, 800)
    middle = int(rows["time_ns"][len(rows) // 2])
    result = follow(rows, 3, from_ns=middle)
    assert exact(result) and 0 < (result.executions or 0) < lives.executions
    assert books_of(result) == {f"C{slot}": market.book(LEVELS) for slot, market in enumerate(lives.markets)}
    late = follow(rows, 3, from_ns=int(rows["time_ns"][-1]) + 1)
    assert books_of(late) == books_of(result) and late.trades == 0


def test_executions_of_one_time_and_side_are_one_aggressor() -> None:
    lives = Lives(1, 1)
    for price, size in ((100, 5), (101, 5), (102, 5)):
        lives.add(0, Side.SELL, price, size)
        lives.end()
    first, second, third = lives.markets[0].orders
    for order, size in ((first, 5), (second, 5), (third, 1)):
        lives.execute(0, order, size)
    lives.end()
    result = follow(life_rows(lives.rows))
    assert exact(result) and result.executions == 3
    assert result.commands == 4
    assert result.depth == ([], [(102, 4)])
    rows = life_rows(lives.rows)
    rows["flags"][4] |= LifeFlag.AGGRESSOR
    assert follow(rows).commands == 5


def test_an_order_taken_out_of_turn_is_told_and_its_level_entered_again() -> None:
    lives = Lives(1, 1)
    for _ in range(3):
        lives.add(0, Side.BUY, 100, 5)
        lives.end()
    first, second, third = list(lives.markets[0].orders)
    lives.execute(0, second, 4)
    lives.end()
    lives.execute(0, first, 5)
    lives.execute(0, second, 1)
    lives.execute(0, third, 2)
    lives.end()
    result = follow(life_rows(lives.rows))
    assert (result.executions, result.executions_as_recorded) == (4, 3)
    assert "recorded 4 at 100 from order" in result.execution_differences[0]
    assert result.book_rows_equal == result.book_rows_checked == 5
    assert result.depth == ([(100, 3)], []) and result.rejects == {}


def test_orders_that_cross_wait_until_the_book_is_uncrossed() -> None:
    lives = Lives(1, 1)
    for side, price, size in ((Side.SELL, 100, 5), (Side.BUY, 102, 3), (Side.BUY, 99, 4), (Side.SELL, 98, 2)):
        lives.add(0, side, price, size)
        lives.end()
    ask, bid, low, late = list(lives.markets[0].orders)
    for order, size in ((ask, 3), (bid, 3)):
        lives.execute(0, order, size)
        lives.end()
    crossed = follow(life_rows(lives.rows))
    assert crossed.trades == 0 and crossed.depth == ([], [(100, 2)])
    assert crossed.ignored == {"ends of events with a crossed book, which is not compared": 5}
    lives.execute(0, low, 1)
    lives.execute(0, late, 2)
    lives.end()
    result = follow(life_rows(lives.rows))
    assert result.depth == ([(99, 3)], [(100, 2)]) == lives.markets[0].book(LEVELS)
    assert result.book_rows_equal == result.book_rows_checked == 2 and result.rejects == {}


def test_orders_that_never_came_are_counted_and_left_out() -> None:
    lives = Lives(1, 1)
    lives.add(0, Side.BUY, 100, 5)
    for action in (LifeAction.REDUCE, LifeAction.RESIZE, LifeAction.DELETE, LifeAction.EXECUTE, LifeAction.REPLACE):
        lives.tell(0, action, 7, price_ticks=90, size_lots=1)
        lives.end()
    lives.tell(0, LifeAction.REPLACE, 7, new_order_id=8, side=Side.SELL, price_ticks=105, size_lots=2)
    lives.tell(0, LifeAction.ADD, 8, side=Side.SELL, price_ticks=104, size_lots=2)
    lives.tell(0, LifeAction.EXECUTE, 8, size_lots=9)
    lives.end()
    result = follow(life_rows(lives.rows))
    counted = {f"{name} of an order that never came": 1 for name in ("REDUCE", "RESIZE", "DELETE", "EXECUTE")}
    assert result.ignored == counted | {
        "REPLACE of an order that never came": 2,
        "orders that came again under an id that rested": 1,
        "orders that gave more than they had": 1,
    }
    assert result.depth == ([(100, 5)], []) and result.trades == 1


def test_ids_that_are_no_client_ids_get_one_of_the_readers() -> None:
    lives = Lives(1, 2)
    for order_id in (0, -5, READER_ID + 1, 77):
        for contract in (0, 1):
            lives.tell(contract, LifeAction.ADD, order_id, side=Side.BUY, price_ticks=100, size_lots=1)
            lives.end()
    for contract in (0, 1):
        lives.tell(contract, LifeAction.EXECUTE, 0, size_lots=1)
        lives.end()
        lives.tell(contract, LifeAction.DELETE, 77)
        lives.end()
    result = follow(life_rows(lives.rows), 2)
    assert exact(result) and result.trades == 2
    assert books_of(result) == {"C0": ([(100, 2)], []), "C1": ([(100, 2)], [])}


@compiled
def test_the_followers_arrays_grow_with_what_rests() -> None:
    lives = Lives(1, 2)
    for index in range(9000):
        lives.add(index % 2, Side.SELL, 1000 + index, 1 + index % 3)
        lives.end()
    lives.tell(0, LifeAction.CLEAR, 0)
    lives.end()
    rows = life_rows(lives.rows)
    reader = LivesReader(GivenDecoder(rows, 2), LEVELS)
    result = replay(reader, prepare(reader), Options(levels=LEVELS, until_message=None, compare=False))
    lives.markets[0].orders.clear()
    assert books_of(result) == {f"C{slot}": market.book(LEVELS) for slot, market in enumerate(lives.markets)}


def test_a_symbol_that_is_not_there_is_one_line_that_names_those_that_are() -> None:
    _, rows = drawn(1, 5, contracts=2)
    with pytest.raises(RecordingError, match="--symbols: XYZ is not in the recording; there are: C0, C1"):
        follow(rows, 2, symbols=frozenset(["C1", "XYZ"]))
    many = GivenDecoder(rows, 2)
    many.contracts *= 200
    reader = LivesReader(many, LEVELS)
    assert len(contracts_of(reader)) == 400
    with pytest.raises(RecordingError, match="more than 256 contracts, which is all that fit; choose some with"):
        prepare(reader)


@compiled
def test_what_is_held_does_not_grow_with_the_recording() -> None:
    lives, _ = drawn(4, 4000)
    for contract in range(3):
        lives.tell(contract, LifeAction.CLEAR, 0)
    lives.end()
    rows = life_rows(lives.rows)

    def peak_bytes(times: int) -> int:
        decoder = GivenDecoder(np.tile(rows, times), 3, 1 << 12)
        tracemalloc.start()
        for _ in LivesReader(decoder, LEVELS).batches():
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(20) < 1.1 * peak_bytes(2)
