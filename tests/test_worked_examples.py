"""The rulebook's worked examples of liquidation (section 11): by the model alone, and by engine and model together."""

from dataclasses import dataclass

import pytest

from engine.codes import CommandKind, Mode
from tests import build
from tests.build import BUY, SECOND, SELL
from tests.model import Model, liquidation
from tests.pair import SMALL, Pair, Script
from tests.stage import MICROS, WORKED

RICH = 1_000_000


@dataclass(frozen=True)
class Example:
    """A row of the rulebook's table: in whole units of money, ticks and lots."""

    side: int
    cash: int
    mark: int
    book: tuple[tuple[int, int], ...]  # (lots, price) on the side that the closing meets
    left: int  # position after one round
    cash_after: float
    flagged: bool = False
    fund: int = RICH
    fund_change: float = 0.0
    deleveraged: int = 0  # lots


EXAMPLES = [
    Example(BUY, 2600, 1800, ((4, 1800),), 6, 1792.8, fund_change=7.2),
    Example(BUY, 2600, 1800, ((1, 1800), (5, 1700)), 9, 2398.2, flagged=True, fund_change=1.8),
    Example(BUY, 2180, 1800, ((8, 1800),), 0, 126.0, fund_change=18.0, deleveraged=2),
    Example(BUY, 2180, 1800, (), 0, 0.0, deleveraged=10),
    Example(BUY, 2800, 1700, ((10, 1700),), 0, 0.0, fund_change=-200.0),
    Example(BUY, 2800, 1700, (), 0, 0.0, fund=0, deleveraged=10),
    Example(SELL, 2600, 2200, ((5, 2200),), -5, 1589.0, fund_change=11.0),
    Example(SELL, 2180, 2200, ((9, 2200),), 0, 140.0, fund_change=22.0, deleveraged=1),
    Example(SELL, 2800, 2300, ((10, 2300),), 0, 0.0, fund_change=-200.0),
    Example(SELL, 2800, 2300, (), 0, 0.0, fund=0, deleveraged=10),
]


def beginning(example: Example) -> Script:
    """Account 0 is about to hold 10 lots at 2000 against account 1; accounts 2 and 3 have money and nothing else."""
    script: Script = [build.person(1)]
    for account, units in enumerate((example.cash, RICH, RICH, RICH)):
        script += build.opened(account, amount_micros=units * MICROS)
    if example.fund:
        script.append(build.directive(CommandKind.FUND_DEPOSIT, amount_micros=example.fund * MICROS))
    return script + build.listed(0, WORKED)


def trades(example: Example) -> Script:
    """The trade at 2000, then the book that the closing will meet."""
    other = SELL if example.side == BUY else BUY
    script: Script = [build.new(1, other, 10, 2000), build.new(0, example.side, 10, 2000)]
    return script + [build.new(2, example.side, lots, price) for lots, price in example.book]


def check(model: Model, example: Example) -> None:
    """What the table says of the account, and where the rest went."""
    account, position = model.accounts[0], model.position(0, 0)
    assert position.size == example.left
    assert account.cash == round(example.cash_after * MICROS)
    assert account.liquidating == example.flagged
    assert model.fund - example.fund * MICROS == round(example.fund_change * MICROS)
    assert abs(model.position(1, 0).size) == 10 - example.deleveraged


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, 11))
def test_the_model_by_itself(example: Example) -> None:
    model = Model(SMALL, Mode.RESEARCH)
    for rows in build.numbered(beginning(example)):
        model.apply(rows)
    model.set_reference(0, 2_000_000, 2_000_000)
    for rows in build.numbered(trades(example), model.seq + 1):
        model.apply(rows)
    model.set_reference(0, example.mark * 1000, example.mark * 1000)
    model.tick_number += 1
    liquidation.recheck(model)
    while model.liquidation_since_ns:
        liquidation.step(model)
    check(model, example)


def said(price: int, now_ns: int) -> Script:
    """All three sources say a price."""
    values = {"contract_slot": 0, "price_subticks": price * 1000, "source_time_ns": now_ns}
    return [build.directive(CommandKind.INDEX_PRICE, code=source, time_ns=now_ns, **values) for source in range(3)]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, 11))
def test_engine_and_model_together(example: Example) -> None:
    pair = Pair(SMALL, Mode.EXCHANGE, audited=True)
    pair.play(beginning(example))
    for price, script in ((2000, trades(example)), (example.mark, [build.time()])):
        pair.play(said(price, pair.now_ns))
        pair.now_ns = (pair.now_ns // SECOND + 1) * SECOND
        pair.play([build.time(), *script])
    check(pair.model, example)
