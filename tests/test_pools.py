"""Full pools: what an order may still do when no price level is left, whichever way it would take one."""

from dataclasses import replace

import numpy as np
import pytest

from engine import host, invariants
from engine.codes import AccountAttribute as A
from engine.codes import EventKind, ExecInst, Mode, OrdType, PriceSource, Reason, TimeInForce
from engine.schema import SMALL
from tests import build
from tests.build import BUY, SECOND, SELL, START_NS, Rows, new
from tests.pair import apply

LEVELS = 8
FULL = LEVELS - 1
"""Orders come as long as two levels are free: one for the price, one for an expiry."""


class Shallow:
    """An engine with room for few levels."""

    def __init__(self, accounts: int = 3) -> None:
        self.root = host.create(replace(SMALL, levels=LEVELS), Mode.RESEARCH)
        self.seq = 0
        for rows in build.venue(accounts):
            self.send(rows)

    def send(self, rows: Rows, time_ns: int = START_NS) -> list[Reason]:
        """Apply one command and return the reasons of its reports."""
        rows = build.numbered([rows.copy()], self.seq + 1, time_ns)[0]
        self.seq += len(rows)
        self.reports = apply(self.root, rows)
        invariants.check(self.root)
        assert self.root["levels_live"][0] <= LEVELS
        return [Reason(int(reason)) for reason in self.reports["reason"]]

    def fill(self, count: int) -> None:
        """Take this many levels."""
        for place in range(count):
            assert self.send(new(1, BUY, 1, 100 + place)) == [Reason.NONE]

    def kinds(self) -> set[int]:
        """The kinds of the last reports."""
        return set(self.reports["kind"].tolist())


def test_orders_of_one_level_cannot_be_amended_to_more_levels_than_there_are() -> None:
    engine = Shallow()
    for name in range(1, 21):
        engine.send(new(0, BUY, 2, 900, cl_ord_id=name))
    answers = [engine.send(build.amend(0, cl_ord_id=name, price_ticks=500 + name))[0] for name in range(1, 21)]
    assert answers == [Reason.NONE] * (FULL - 1) + [Reason.CAPACITY] * (21 - FULL)
    assert engine.send(build.amend(0, cl_ord_id=20, qty_lots=1)) == [Reason.NONE]
    assert engine.send(build.amend(0, cl_ord_id=20, flags=ExecInst.FORFEIT_PRIORITY))[0] == Reason.NONE


@pytest.mark.parametrize(
    ("ord_type", "reason"), [(OrdType.STOP_LIMIT, Reason.CAPACITY), (OrdType.STOP_MARKET, Reason.NO_LIQUIDITY)]
)
def test_what_fires_does_not_come_to_rest_without_a_level(ord_type: OrdType, reason: Reason) -> None:
    """A limit order would rest, and ends with its reason; a market order never rests, and ends for another."""
    engine = Shallow()
    engine.send(new(1, SELL, 1, 1000))
    engine.send(new(2, BUY, 1, 1000))
    stop = {"ord_type": ord_type, "trigger_source": PriceSource.LAST, "trigger_price_ticks": 1010}
    for _ in range(2):
        engine.send(new(0, BUY, 5, 1010 if ord_type == OrdType.STOP_LIMIT else 0, **stop))
    engine.send(new(1, SELL, 4, 1010))
    engine.fill(FULL - 3)
    engine.send(new(2, BUY, 5, 1010, tif=TimeInForce.GTD, expire_ns=START_NS + SECOND))
    reasons = engine.send(build.time())
    assert np.count_nonzero(engine.reports["kind"] == EventKind.TRIGGERED) == 2
    assert set(reasons) == {Reason.NONE, reason}


def test_a_trailing_stop_waits_for_a_level_and_fires_when_there_is_one() -> None:
    engine = Shallow()
    engine.send(new(1, SELL, 1, 1000))
    engine.send(new(2, BUY, 1, 1000))
    trailing = {"ord_type": OrdType.TRAILING_STOP, "trigger_source": PriceSource.LAST, "offset_ticks": 5}
    engine.send(new(0, SELL, 1, **trailing))
    engine.send(new(2, BUY, 9, 990))
    engine.fill(FULL - 2)
    engine.send(new(1, SELL, 10, 990, tif=TimeInForce.GTD, expire_ns=START_NS + SECOND))
    engine.send(build.time())
    assert EventKind.TRIGGERED not in engine.kinds()
    engine.send(build.mass_cancel(1))
    engine.send(new(1, SELL, 1, 990))
    engine.send(new(2, BUY, 1, 990))
    engine.send(build.time())
    assert EventKind.TRIGGERED in engine.kinds()


def test_lapses_of_affiliates_keep_their_places() -> None:
    """Three approvals end in one second: each account then waits for another date, in a level of its own."""
    engine = Shallow(accounts=4)
    for account, later in ((0, 60), (2, 90), (3, 120)):
        engine.send(build.account_set(account, A.AFFILIATION, 1))
        engine.send(build.approval(account, 0, START_NS + 9 * SECOND))
        engine.send(build.account_set(account, A.KYC_UNTIL_NS, START_NS + later * SECOND))
    place = 0
    while engine.send(new(1, BUY, 1, 100 + place)) == [Reason.NONE]:
        place += 1
    assert engine.reports["reason"][0] == Reason.CAPACITY
    engine.send(build.time(), START_NS + 9 * SECOND)
    assert np.count_nonzero(engine.reports["kind"] == EventKind.ELIGIBILITY_LAPSED) == 3
    assert engine.root["account_lapses"]["second"][0][[0, 2, 3]].all()
