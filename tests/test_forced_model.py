"""Forced work that waits between two commands, engine and model side by side."""

import pytest

from engine.codes import EventKind, ExecInst, Mode, OrdType
from tests import build
from tests.build import BUY, SECOND, SELL
from tests.model import Limits
from tests.pair import Pair
from tests.stage import MICROS, WORKED
from tests.test_worked_examples import said

LIMITS = Limits(orders=400, accounts=16, positions=40, groups=8, persons=8, jobs=8, clients=8)


def liquidated_while_a_deposit_comes(orders: int, units: int, cash: int) -> tuple[Pair, list[int]]:
    """Account 0 is long 10 lots at 2000 with untriggered orders; the command after the fall to 1800 deposits."""
    pair = Pair(LIMITS, Mode.EXCHANGE, audited=True, watched=True)
    script = [build.person(1)]
    for account, amount in ((0, cash), (1, 1_000_000), (2, 1_000_000)):
        script += build.opened(account, amount_micros=amount * MICROS)
    pair.play([*script, *build.listed(0, WORKED), *said(2000, pair.now_ns)])
    pair.now_ns = (pair.now_ns // SECOND + 1) * SECOND
    stop = {"ord_type": OrdType.TAKE_LIMIT, "flags": ExecInst.REDUCE_ONLY}
    takes = [build.new(0, SELL, 1, 3000, trigger_price_ticks=2900 + place, **stop) for place in range(orders)]
    trades = [build.new(1, SELL, 10, 2000), build.new(0, BUY, 10, 2000), build.new(2, BUY, 10, 1800)]
    pair.play([build.time(), *trades, *takes, *said(1800, pair.now_ns)])
    pair.now_ns = (pair.now_ns // SECOND + 1) * SECOND
    reports = pair.play([build.deposit(0, units * MICROS), build.time()])
    return pair, [report["kind"] for report in reports if report["kind"] >= EventKind.LIQUIDATION_FLAGGED]


@pytest.mark.parametrize("cash", [2600, 2180])
def test_money_that_comes_before_anything_is_closed_cures(cash: int) -> None:
    """The tick, the fresh check, 60 cancellations, their end and the decision are the 64 items before the deposit."""
    pair, kinds = liquidated_while_a_deposit_comes(60, 1000, cash)
    assert kinds == [EventKind.LIQUIDATION_FLAGGED, EventKind.LIQUIDATION_CURED]
    assert pair.model.position(0, 0).size == 10


@pytest.mark.parametrize("orders", range(58, 63))
@pytest.mark.parametrize("units", [1, 200])
def test_money_that_is_not_enough_makes_the_closing_smaller(orders: int, units: int) -> None:
    pair, kinds = liquidated_while_a_deposit_comes(orders, units, 2600)
    assert EventKind.LIQUIDATION_STARTED in kinds
    assert pair.model.position(0, 0).size == (8 if orders >= 60 and units == 200 else 6)
