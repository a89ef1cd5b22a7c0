"""Deleveraging takes the best by rank, exactly, although nobody looks at everybody at once."""

from typing import Any

import numpy as np
import pytest

from engine import invariants
from engine.codes import ContractParameter as P
from engine.codes import EventKind
from engine.host import digest
from tests.build import BUY, SELL
from tests.model.deleveraging import Side
from tests.stage import WORKED, Stage, conserved

UNIT = 1000
ACCOUNTS = 120
FAILING = 12


def crowd(seed: int, ring_rows: int = 1 << 16) -> Stage:
    """A few longs about to fail, many shorts at many prices with much or hardly any money, and an empty book."""
    rng = np.random.default_rng(seed)
    stage = Stage((WORKED | {P.MICROS_PER_TICK_LOT: UNIT},), accounts=ACCOUNTS, ring_rows=ring_rows)
    for account in range(ACCOUNTS):
        stage.deposit(account, 10_000)
    stage.index(2000)
    for account in range(FAILING, ACCOUNTS):
        lots, price = int(rng.integers(1, 60)), int(rng.choice([1960, 2000, 2000, 2030]))
        stage.order(account, SELL, lots, price)
        stage.order(int(rng.integers(0, FAILING)), BUY, lots, price)
    for account in range(ACCOUNTS):
        size = abs(stage.size(account))
        kept = int(size * 2000 * UNIT * rng.choice([0.11, 0.12, 0.3, 1.0]) * (1 if account >= FAILING else 0.9))
        stage.state["withdrawals_micros"] += int(stage.state["accounts"][account]["cash_micros"]) - kept
        stage.state["accounts"][account]["cash_micros"] = kept
    stage.adopt()
    return stage


def side_of(stage: Stage) -> Side:
    """What the model has to know."""
    rows = stage.state["positions"][: stage.state["positions_used"]]
    cash = stage.state["accounts"]["cash_micros"]
    held = {
        slot: [int(row[name]) for name in ("size_lots", "entry_cost_micros")]
        + [int(cash[row["account_slot"]]), int(row["opened_seq"])]
        for slot, row in enumerate(rows)
    }
    return Side(0, UNIT, held)


def follow(stage: Stage, side: Side) -> int:
    """Every deleveraging trade of the run was the one that the model makes; how many there were."""
    slots = {int(row["account_slot"]): slot for slot, row in enumerate(stage.state["positions"][:ACCOUNTS])}
    left, failing, trades = 0, -1, 0
    for row in stage.history(EventKind.LIQUIDATION_STARTED, EventKind.DELEVERAGED):
        price = row["price_subticks"] // 1000
        if row["kind"] == EventKind.LIQUIDATION_STARTED:
            failing, left = slots[row["account_slot"]], row["amount_micros"]
            continue
        longs = side.held[failing][0] < 0
        giver, lots = side.next(longs, price) or (None, 0)
        lots = min(lots, left)
        assert (slots[row["account_slot"]], row["amount_micros"]) == (giver, lots), row
        assert row["code"] == side.light(longs, giver)
        side.take(giver, lots, price)
        side.take(failing, lots, price)
        left -= lots
        trades += 1
    return trades


@pytest.mark.parametrize("seed", range(4))
def test_each_trade_is_with_the_best_of_all(seed: int) -> None:
    stage = crowd(seed)
    side = side_of(stage)
    stage.index(1780)
    side.mark = int(stage.state["contracts"][0]["mark_subticks"])
    while stage.state["next_due_ns"] <= stage.now_ns:
        stage.settle()
    assert follow(stage, side) > 15
    invariants.check(stage.root)
    assert conserved(stage.state) == 0


def test_the_ring_changes_nothing_in_a_ranking() -> None:
    outcomes = set()
    for ring_rows in (128, 1 << 14):
        stage = crowd(9, ring_rows)
        stage.index(1780)
        stage.settle()
        outcomes.add((digest(stage.root), len(stage.history(EventKind.DELEVERAGED))))
    assert len(outcomes) == 1


@pytest.mark.parametrize("places", [2, 3])
def test_more_candidates_than_are_kept(places: int, monkeypatch: Any) -> None:
    """The same with hardly any room: the scan comes again and again, each time behind the last."""
    from engine import adl_ranking
    from engine.units import JIT

    if JIT:
        pytest.skip("compiled code keeps its own sizes")
    monkeypatch.setattr(adl_ranking, "RANKED_PLACES", places)
    monkeypatch.setattr(adl_ranking, "SCAN_POSITIONS", 7)
    test_each_trade_is_with_the_best_of_all(3)
