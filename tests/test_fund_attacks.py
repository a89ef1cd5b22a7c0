"""Two accounts of one owner against the insurance fund: whatever they try, it loses no more than the rules allow.

Only the owner's accounts trade, so what the fund and the fee account lose is what the owner wins. The search draws the
attack anew each time: sizes, leverage, prices, gaps, styles of order and margin, and how often it is repeated.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from engine import invariants
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventKind, ExecInst, MarginMode, TimeInForce
from tests import build
from tests import perpetual as p
from tests.build import BUY, SELL
from tests.stage import MICROS, WORKED, Stage, conserved

DAY_NS = 86_400 * build.SECOND
CENTRE = 2000
FUND_UNITS = 20_000
VICTIM, PARTNER, OTHER = 0, 1, 2
"""The account that is to fail, and two that trade with it."""


class Attack:
    """An owner with a contract drawn at random, at the most permissive edge of what may be listed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        taker_fee = int(self.rng.choice([0, 100_000, 500_000]))
        settings = {
            P.TAKER_FEE_PPB: taker_fee,
            P.MAKER_FEE_PPB: -int(self.rng.integers(0, taker_fee + 1)),
            P.BAND_PPB: 50_000_000 - taker_fee,
            P.LIQUIDATION_FEE_PPB: int(self.rng.choice([0, 1_000_000, 50_000_000 - taker_fee])),
        }
        self.stage = Stage((WORKED | settings,), accounts=3)
        self.stage.fund(FUND_UNITS)
        for account in (PARTNER, OTHER):
            self.stage.deposit(account, 5_000_000)
        self.margin = 0.0
        self.paid: defaultdict[tuple[int, int], int] = defaultdict(int)

    def draw(self, low: float, high: float) -> int:
        """A whole number in [low, high]."""
        return int(self.rng.integers(int(low), int(high) + 1))

    @property
    def fund(self) -> int:
        """What the fund holds."""
        return int(self.stage.state["fund_micros"])

    def note(self, reports: Any = None) -> None:
        """Add up what the fund paid in the last step, by account and day, and hold it to a tenth."""
        for row in self.stage.of(EventKind.FUND_PAID):
            key = row["account_slot"], row["time_ns"] // DAY_NS
            self.paid[key] += row["amount_micros"]
        today = self.stage.now_ns // DAY_NS
        for (account, day), paid in self.paid.items():
            if day == today:
                assert 10 * paid <= self.fund + paid, f"account {account} got {paid} of {self.fund + paid}"
        invariants.check(self.stage.root)
        assert conserved(self.stage.state) == 0 and self.fund >= 0

    def open(self) -> tuple[int, int]:
        """The victim takes a position as large as its money carries, cross or isolated; its side and size."""
        stage, side = self.stage, self.draw(BUY, SELL)
        stage.index(CENTRE)
        self.note()
        stage.settle()
        self.note()
        self.start_afresh()
        mode = MarginMode.ISOLATED if self.draw(0, 2) == 0 else MarginMode.CROSS
        stage.send(build.directive(K.SET_MARGIN_MODE, account_slot=VICTIM, value=mode))
        lots = self.draw(1, 80)
        share = self.draw(101, 140) / 1000
        self.margin = 0.1 if mode == MarginMode.ISOLATED else share
        stage.deposit(VICTIM, lots * CENTRE * share)
        stage.order(PARTNER, 3 - side, lots, CENTRE)
        stage.order(VICTIM, side, lots, CENTRE)
        return side, abs(stage.size(VICTIM))

    def start_afresh(self) -> None:
        """What is left of the victim is closed at the centre, and its money is gone."""
        stage = self.stage
        stage.send(build.mass_cancel())
        size = stage.size(VICTIM)
        if size:
            stage.order(PARTNER, BUY if size > 0 else SELL, abs(size), CENTRE)
            stage.order(VICTIM, SELL if size > 0 else BUY, abs(size), CENTRE, flags=ExecInst.REDUCE_ONLY)
        left = int(p.withdrawable(stage.root, VICTIM))
        if left:
            stage.send(build.directive(K.WITHDRAW, account_slot=VICTIM, amount_micros=left))

    def brink(self, side: int) -> float:
        """A mark at which the victim's equity is a little more than its maintenance margin of 5 %."""
        away = -1 if side == BUY else 1
        furthest = (self.margin - 0.05) / (1 + away * 0.05)
        return CENTRE * (1 + away * furthest * self.draw(850, 1000) / 1000)

    def bait(self, side: int, lots: int, price: float, spread: float) -> None:
        """The partners bid for what the victim will have to give, at prices that are bad for it."""
        away = -1 if side == BUY else 1
        for account in (PARTNER, OTHER):
            for _ in range(self.draw(0, 2)):
                at = max(round(price * (1 + away * self.draw(0, 1000) / 1000 * spread)), 1)
                self.stage.order(account, side, self.draw(1, max(lots, 1)), at)


def equity(attack: Attack) -> int:
    """The victim's money and profit, its isolated position's too."""
    row = attack.stage.position(VICTIM)
    total = int(p.cross_equity(attack.stage.root, VICTIM))
    if row is None or row["margin_mode"] == MarginMode.CROSS:
        return total
    mark = int(attack.stage.state["contracts"][0]["mark_subticks"])
    return (
        total
        + int(row["isolated_micros"])
        + mark * int(row["size_lots"]) * MICROS // 1000
        - int(row["entry_cost_micros"])
    )


@pytest.mark.parametrize("seed", range(6))
def test_reduce_only_fills_at_the_edge_of_the_band_cannot_drain_the_fund(seed: int) -> None:
    """However bad the price at which the victim closes to its partners, it pays with its own money alone."""
    attack = Attack(seed)
    stage, closed, refused = attack.stage, 0, 0
    for _ in range(60):
        side, lots = attack.open()
        down = -1 if side == BUY else 1
        mark = attack.brink(side)
        attack.bait(side, lots, mark * (1 + down * 0.04), attack.draw(1, 12) / 1000)
        attack.bait(side, lots, mark * (1 + down * 0.047), 0.003)
        stage.index(mark)
        attack.note()
        before, owned = attack.fund, equity(attack)
        for _ in range(attack.draw(1, 3)):
            price = round(mark * (1 + down * attack.draw(440, 505) / 10_000))
            tif = int(attack.rng.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]))
            fields = {"flags": ExecInst.REDUCE_ONLY, "tif": tif}
            stage.order(VICTIM, 3 - side, attack.draw(1, max(lots, 1)), price, **fields)
            closed += len(stage.of(EventKind.FILL)) > 0
            refused += len(stage.of(EventKind.REJECTED)) > 0
            assert stage.of(EventKind.FUND_PAID) == [] and attack.fund == before
            assert equity(attack) >= min(owned, 0), "a fill that reduces left less than nothing"
            attack.note()
    assert closed > 15 and refused > 5, (closed, refused)


@pytest.mark.parametrize("seed", range(6))
def test_repeated_self_liquidation_cannot_drain_the_fund(seed: int) -> None:
    """Gap after gap the victim fails against its partners' bids: the fund gives a tenth of itself a day at most."""
    attack = Attack(100 + seed)
    stage, failures = attack.stage, 0
    for _ in range(60):
        start = attack.fund
        side, lots = attack.open()
        down = -1 if side == BUY else 1
        mark = CENTRE * (1 + down * attack.draw(50, 450) / 1000)
        attack.bait(side, lots, mark, attack.draw(1, 9) / 10)
        stage.index(mark)
        attack.note()
        while stage.state["next_due_ns"] <= stage.now_ns:
            stage.settle()
            attack.note()
        failures += len(stage.history(EventKind.LIQUIDATION_STARTED)) > 0
        assert 10 * (start - attack.fund) <= start, "one failure costs at most a tenth"
        if attack.draw(0, 3) == 0:
            stage.now_ns += DAY_NS
    days = len({day for _, day in attack.paid})
    assert failures > 40 and sum(attack.paid.values()) > 0
    assert attack.fund >= FUND_UNITS * MICROS * 9**days // 10**days, f"less than a tenth left on each of {days} days"
