"""A fill-or-kill order fills as a whole or not at all, whatever its makers, and it itself, can still carry."""

from typing import Any

import numpy as np
import pytest

from engine import invariants
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventKind, ExecInst, MarginMode, Reason, TimeInForce
from tests import build, state
from tests.build import BUY, SELL
from tests.stage import WORKED, Stage

RICH = 10_000_000
FOK = {"tif": TimeInForce.FOK}
MAKERS, TAKER, OTHER = 4, 4, 5
CENTRE = 2000


def distressed_maker(*orders: int) -> Stage:
    """Account 0 bids for so many lots each at 1990, then loses elsewhere: equity 2840 at a mark of 1900."""
    stage = Stage((WORKED, WORKED))
    for account, money in ((0, 10_000), (1, RICH), (2, RICH)):
        stage.deposit(account, money)
    for contract in (0, 1):
        stage.index(2000, contract=contract)
    for lots in orders:
        stage.order(0, BUY, lots, 1990)
    stage.order(1, SELL, 4, 2000, contract_slot=1)
    stage.order(0, BUY, 4, 2000, contract_slot=1)
    for price in (1500, 1000, 600, 350, 205):
        stage.index(price, contract=1)
    stage.index(1900)
    return stage


def test_maker_that_carries_each_of_its_orders_but_not_all() -> None:
    """A fill costs it 90 a lot: it carries 15 lots, and 15 more, but not 45."""
    stage = distressed_maker(15, 15, 15)
    before = state.parts(stage.root)
    stage.order(2, SELL, 45, 1990, **FOK)
    assert [row["reason"] for row in stage.of(EventKind.REJECTED)] == [Reason.FOK_CANNOT_FILL]
    assert state.changed(before, state.parts(stage.root)) == []
    stage.order(2, SELL, 45, 1990, tif=TimeInForce.IOC)
    assert stage.size(2) == -30, "an order that may fill in part takes what the maker carries"


def test_maker_that_carries_all_of_its_orders_counts() -> None:
    stage = distressed_maker(15, 16)
    stage.order(2, SELL, 31, 1990, **FOK)
    assert stage.size(2) == -31


def test_reduce_only_taker_whose_isolated_money_leaves_with_each_fill() -> None:
    """950 carry a close of ten lots at 94 below the mark, but not after five lots took half of the rest with them."""
    stage = Stage((WORKED,))
    for account, money in ((0, 2000), (1, RICH), (2, RICH)):
        stage.deposit(account, money)
    stage.index(2000)
    stage.send(build.directive(K.SET_MARGIN_MODE, account_slot=0, value=MarginMode.ISOLATED))
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    stage.index(1895)
    for _ in range(2):
        stage.order(2, BUY, 5, 1801)
    before = state.parts(stage.root)
    stage.order(0, SELL, 10, 1801, flags=ExecInst.REDUCE_ONLY, **FOK)
    assert [row["reason"] for row in stage.of(EventKind.REJECTED)] == [Reason.INSUFFICIENT_MARGIN]
    assert state.changed(before, state.parts(stage.root)) == []
    stage.order(2, BUY, 10, 1810)
    stage.order(0, SELL, 10, 1801, flags=ExecInst.REDUCE_ONLY, **FOK)
    assert stage.size(0) == 0, "one fill closes it all"


# --- as a property ------------------------------------------------------------------------------------------------


class Trials:
    """Makers with several orders of every style whose money is then cut to about what these orders would cost."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        maker_fee = int(self.rng.choice([-200_000, 0, 200_000]))
        fees = {P.TAKER_FEE_PPB: 500_000, P.MAKER_FEE_PPB: maker_fee, P.BAND_PPB: 49_000_000}
        self.stage = Stage((WORKED | fees | {P.MICROS_PER_TICK_LOT: 1000},))
        for account in range(6):
            self.stage.deposit(account, RICH)
        self.stage.index(CENTRE)
        for account in range(0, MAKERS + 1, 2):
            mode = {"account_slot": account, "value": MarginMode.ISOLATED}
            self.stage.send(build.directive(K.SET_MARGIN_MODE, **mode))
        self.filled = self.refused = 0

    def draw(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return int(self.rng.integers(low, high + 1))

    def trial(self) -> None:
        """Positions, orders, a cut of money, and one fill-or-kill order, all at one instant."""
        stage, side = self.stage, self.draw(BUY, SELL)
        stage.send(build.mass_cancel())
        away = 1 if side == BUY else -1
        for account in range(MAKERS + 1):
            lots, holds = self.draw(1, 40), self.draw(BUY, SELL)
            stage.order(OTHER, 3 - holds, lots, CENTRE)
            stage.order(account, holds, lots, CENTRE)
            stage.send(build.mass_cancel())
        for _ in range(self.draw(1, 12)):
            self._quote(self.draw(0, MAKERS - 1), 3 - side, CENTRE - away * self.draw(-5, 80))
        kept = [self._cut(account) for account in range(MAKERS + 1)]
        stage.adopt()
        self._kill(side, CENTRE + away * self.draw(0, 90))
        for account, taken in enumerate(kept):
            position = stage.position(account)
            if position["margin_mode"] == MarginMode.ISOLATED and position["size_lots"] != 0:
                position["isolated_micros"] += taken
            else:
                stage.state["accounts"][account]["cash_micros"] += taken
            stage.state["withdrawals_micros"] -= taken
        stage.adopt()
        invariants.check(stage.root)

    def _quote(self, account: int, side: int, price: int) -> None:
        style = self.draw(0, 3)
        flags = (0, 0, ExecInst.ICEBERG, ExecInst.REDUCE_ONLY)[style]
        lots = self.draw(1, 30)
        shown = {"display_lots": self.draw(1, lots)} if style == 2 else {}
        self.stage.order(account, side, lots, price, flags=flags, **shown)

    def _cut(self, account: int) -> int:
        """Take money away until a random part of what the account's orders may cost is left; what was taken."""
        account_row, position = self.stage.state["accounts"][account], self.stage.position(account)
        value = CENTRE * 1000 * int(position["size_lots"]) - int(position["entry_cost_micros"])
        left = int(self.rng.choice([20_000, 200_000, 2_000_000])) * self.draw(0, 100) // 10
        cash = int(account_row["cash_micros"]) - self.draw(0, left)
        isolated = 0
        if position["margin_mode"] == MarginMode.ISOLATED:
            isolated = int(position["isolated_micros"]) + value - left
        else:
            cash = int(account_row["cash_micros"]) + value - left
        account_row["cash_micros"] -= cash
        position["isolated_micros"] -= isolated
        self.stage.state["withdrawals_micros"] += cash + isolated
        return cash + isolated

    def _kill(self, side: int, price: int) -> None:
        stage = self.stage
        account, flags = (OTHER, 0) if self.draw(0, 1) else (TAKER, ExecInst.REDUCE_ONLY)
        before = state.parts(stage.root)
        wanted = self.draw(1, 60)
        reports = stage.order(account, side, wanted, price, flags=flags, **FOK)
        ends = reports[(reports["kind"] == EventKind.CANCELLED) & (reports["tif"] == TimeInForce.FOK)]
        assert len(ends) == 0, f"filled {ends['filled_lots'][0]} of {wanted}, then {Reason(ends['reason'][0]).name}"
        if stage.of(EventKind.REJECTED):
            assert state.changed(before, state.parts(stage.root)) == []
            self.refused += stage.of(EventKind.REJECTED)[0]["reason"] == Reason.FOK_CANNOT_FILL
        else:
            self.filled += 1


@pytest.mark.parametrize("seed", range(3))
def test_fill_or_kill_is_never_filled_in_part(seed: int) -> None:
    trials: Any = Trials(seed)
    for _ in range(150):
        trials.trial()
    assert trials.filled > 15 and trials.refused > 15, (trials.filled, trials.refused)
