"""Liquidation: the worked table of the rulebook, its edges, and the classic ways in which venues got it wrong."""

import pytest

from engine.codes import ContractParameter as P
from tests.build import BUY, SELL
from tests.stage import WORKED, Stage, conserved

RICH = 10_000_000
LONG, SHORT = 1, -1


def begin(side: int, cash: float, fund: float = RICH, **parameters: int) -> Stage:
    """Account 0 holds 10 lots bought or sold at 2000; accounts 1 to 5 are rich; no order rests."""
    stage = Stage((WORKED | {P[name]: value for name, value in parameters.items()},))
    if fund:
        stage.fund(fund)
    stage.deposit(0, cash)
    for account in range(1, 6):
        stage.deposit(account, RICH)
    stage.index(2000)
    stage.order(1, SELL if side == LONG else BUY, 10, 2000)
    stage.order(0, BUY if side == LONG else SELL, 10, 2000)
    assert stage.size(0) == 10 * side
    return stage


def strike(stage: Stage, mark: float, *quotes: tuple[int, int, int]) -> None:
    """The index jumps to a mark with these quotes (side, lots, price) on the book, and one round runs."""
    for account, (side, lots, price) in enumerate(quotes, start=2):
        stage.order(account, side, lots, price)
    stage.index(mark)
    stage.settle()
    assert conserved(stage.state) == 0
    assert int(stage.state["fund_micros"]) >= 0


TABLE = [
    (LONG, 2600, 1800, RICH, [(BUY, 4, 1800)], 1792.80, 6),
    (LONG, 2600, 1800, RICH, [(BUY, 1, 1800), (BUY, 9, 1700)], 2398.20, 9),
    (LONG, 2180, 1800, RICH, [(BUY, 8, 1800)], 126.00, 0),
    (LONG, 2180, 1800, RICH, [], 0.00, 0),
    (LONG, 2800, 1700, RICH, [(BUY, 10, 1700)], 0.00, 0),
    (LONG, 2800, 1700, 0, [], 0.00, 0),
    (SHORT, 2600, 2200, RICH, [(SELL, 5, 2200)], 1589.00, -5),
    (SHORT, 2180, 2200, RICH, [(SELL, 9, 2200)], 140.00, 0),
    (SHORT, 2800, 2300, RICH, [(SELL, 10, 2300)], 0.00, 0),
    (SHORT, 2800, 2300, 0, [], 0.00, 0),
]


@pytest.mark.parametrize(("side", "cash", "mark", "fund", "quotes", "left", "size"), TABLE)
def test_worked_table(
    side: int, cash: float, mark: int, fund: float, quotes: list[tuple[int, int, int]], left: float, size: int
) -> None:
    stage = begin(side, cash, fund)
    strike(stage, mark, *quotes)
    assert stage.cash(0) == left
    assert stage.size(0) == size
