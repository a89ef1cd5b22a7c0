"""Deleveraging takes the best by rank, exactly, although nobody looks at everybody at once."""

from typing import Any

import numpy as np
import pytest

from engine import batch_end, invariants
from engine.codes import CommandKind, EventKind, Mode
from engine.codes import ContractParameter as P
from engine.host import digest
from tests import build
from tests.build import BUY, SELL
from tests.model import Limits
from tests.money_state import Watch
from tests.pair import Pair
from tests.stage import WORKED, Stage, conserved

UNIT = 1000
ACCOUNTS = 120
FAILING = 12
LIMITS = Limits(orders=4096, accounts=256, positions=512, groups=64, persons=16, jobs=64, clients=64)


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


def beside_the_model(stage: Stage) -> Pair:
    """The same venue with the model at its side: what the stage has sent, then the cash that the stage was given."""
    pair = Pair(LIMITS, Mode.EXCHANGE)
    for rows in stage.log:
        for place in range(len(rows)):
            pair.send(rows[place : place + 1].copy())
    for account in range(ACCOUNTS):
        kept = int(stage.state["accounts"][account]["cash_micros"])
        pair.root["withdrawals_micros"] += int(pair.root["accounts"]["cash_micros"][0, account]) - kept
        pair.root["accounts"]["cash_micros"][0, account] = kept
        pair.model.withdrawals += pair.model.accounts[account].cash - kept
        pair.model.accounts[account].cash = kept
    assert batch_end.recount(pair.root)
    pair.watched, pair.watch = True, Watch(pair.root, pair.model)
    return pair


def given(reports: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    """Who gave how many lots, and its lights."""
    gifts = [report for report in reports if report["kind"] == EventKind.DELEVERAGED]
    return [(report["account_slot"], report["amount_micros"], report["code"]) for report in gifts]


def crash(pair: Pair) -> list[tuple[int, int, int]]:
    """The index falls, and all that follows is worked off."""
    for source in range(3):
        values = {"contract_slot": 0, "price_subticks": 1_780_000, "source_time_ns": pair.now_ns}
        pair.send(build.directive(CommandKind.INDEX_PRICE, code=source, **values))
    pair.now_ns = (pair.now_ns // build.SECOND + 1) * build.SECOND
    reports = pair.send(build.time())
    while pair.root["next_due_ns"][0] <= pair.now_ns:
        reports += pair.send(build.time())
    return given(reports)


@pytest.mark.parametrize("seed", range(4))
def test_each_trade_is_with_the_best_of_all(seed: int) -> None:
    """The model looks at everybody; there are more candidates than the engine keeps at a time."""
    pair = beside_the_model(crowd(seed))
    assert len(crash(pair)) > 15
    invariants.check(pair.root)
    assert conserved(pair.root[0]) == 0


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
    expected = crash(beside_the_model(crowd(3)))
    monkeypatch.setattr(adl_ranking, "RANKED_PLACES", places)
    monkeypatch.setattr(adl_ranking, "SCAN_POSITIONS", 7)
    stage = crowd(3)
    stage.index(1780)
    while stage.state["next_due_ns"] <= stage.now_ns:
        stage.settle()
    assert given(stage.history(EventKind.DELEVERAGED)) == expected
