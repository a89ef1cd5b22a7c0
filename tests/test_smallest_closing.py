"""A reduce-only order that closes a whole position may be below the smallest order; nothing else may."""

import pytest

from engine.codes import ContractParameter as P
from engine.codes import EventKind, ExecInst, OrdType, Reason
from tests import build
from tests.build import BUY, SELL
from tests.stage import WORKED, Stage

REDUCE = {"flags": int(ExecInst.REDUCE_ONLY)}


def held(size: int = 3) -> Stage:
    """Account 0 holds so many lots, long or short, and no order may be below ten lots any more."""
    stage = Stage((WORKED,))
    for account in range(3):
        stage.deposit(account, 1_000_000)
    stage.index(1000)
    stage.order(1, SELL if size > 0 else BUY, abs(size), 1000)
    stage.order(0, BUY if size > 0 else SELL, abs(size), 1000)
    stage.send(build.contract_set(0, P.MIN_ORDER_LOTS, 10))
    stage.order(2, BUY, 50, 990)
    stage.order(2, SELL, 50, 1010)
    return stage


def outcome(stage: Stage, *order: int, **fields: int) -> Reason:
    """Why an order of account 0 was refused, NONE when it was not."""
    reports = stage.order(0, *order, **fields)
    refused = reports[reports["kind"] == EventKind.REJECTED]
    return Reason(int(refused["reason"][0])) if len(refused) else Reason.NONE


@pytest.mark.parametrize("size", [3, -3])
@pytest.mark.parametrize("lots", [3, 4])
def test_a_whole_position_is_closed_exactly(size: int, lots: int) -> None:
    stage = held(size)
    side, price = (SELL, 990) if size > 0 else (BUY, 1010)
    assert outcome(stage, side, lots, price, **REDUCE) == Reason.NONE
    assert stage.size(0) == 0


@pytest.mark.parametrize("size", [3, -3])
def test_nothing_else_may_be_that_small(size: int) -> None:
    stage = held(size)
    closing, opening = (SELL, BUY) if size > 0 else (BUY, SELL)
    price = {SELL: 990, BUY: 1010}
    assert outcome(stage, closing, 2, price[closing], **REDUCE) == Reason.QTY_TOO_SMALL
    assert outcome(stage, closing, 3, price[closing]) == Reason.QTY_TOO_SMALL
    assert outcome(stage, opening, 3, price[opening], **REDUCE) == Reason.QTY_TOO_SMALL
    assert stage.size(0) == size


def test_it_may_rest_and_wait_for_its_trigger() -> None:
    stage = held()
    assert outcome(stage, SELL, 3, 1005, **REDUCE) == Reason.NONE
    stop = {"ord_type": OrdType.STOP_MARKET, "trigger_price_ticks": 900}
    assert outcome(stage, SELL, 3, 0, **REDUCE, **stop) == Reason.NONE
    assert stage.size(0) == 3
    stage.order(2, BUY, 10, 1005)
    assert stage.size(0) == 0
