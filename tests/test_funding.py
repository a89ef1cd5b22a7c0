"""Funding: premium, rate and payment, settlements at their instants, outages, and the dust."""

import numpy as np
import pytest

from engine.codes import ContractParameter as P
from engine.codes import EventKind
from tests import build
from tests import perpetual as p
from tests.build import BUY, SECOND, SELL
from tests.perpetual import Bench, ppb
from tests.stage import WORKED, Stage, conserved

QUICK = WORKED | {P.FUNDING_INTERVAL_S: 60, P.SAMPLE_INTERVAL_S: 5, P.FUNDING_CAP_PPB: 37_500_000}


def bench(**fields: int) -> Bench:
    made = Bench(1, 1)
    given = {"funding_interval_s": 28_800, "funding_interest_ppb": 100_000, "funding_clamp_ppb": 500_000}
    for name, value in (given | {"funding_cap_ppb": 37_500_000} | fields).items():
        made.contract[name] = value
    return made


@pytest.mark.parametrize(
    ("bid", "ask", "premium"),
    [(1010, 1012, 0.01), (985, 990, -0.01), (999, 1001, 0), (0, 990, -0.01), (1010, 0, 0.01), (0, 0, 0)],
)
def test_premium(bid: int, ask: int, premium: float) -> None:
    assert p.premium(1_000_000, bid * 1000, ask * 1000) == ppb(premium)


def test_premium_rounds_down() -> None:
    assert p.premium(3000, 3001, 3002) == 333_333
    assert p.premium(3000, 2998, 2999) == -333_334


@pytest.mark.parametrize(
    ("average", "rate"),
    [(0, 0.0001), (0.0004, 0.0001), (0.0006, 0.0001), (0.0007, 0.0002), (-0.0004, 0.0001), (-0.001, -0.0005),
     (0.9, 0.0375), (-0.9, -0.0375)],
)  # fmt: skip
def test_rate(average: float, rate: float) -> None:
    assert p.rate_8h(bench().root, ppb(average)) == ppb(rate)
    assert p.interval_rate(bench(funding_interval_s=3600).root, ppb(average)) == ppb(rate) // 8


def test_what_is_owed_rounds_up_and_what_is_received_down() -> None:
    made = bench()
    made.contract["mark_subticks"], made.contract["micros_per_tick_lot"] = 1001, 7
    owed, received = p.payment(made.root, 3, 100_000), p.payment(made.root, -3, 100_000)
    assert (owed, received) == (1, 0), "0.0021 micros"
    assert p.payment(made.root, 3, -100_000) == 0 and p.payment(made.root, -3, -100_000) == 1


def test_linear_weights_favour_the_end() -> None:
    made = bench()
    for premium in (0, 0, 600):
        p.add_sample(made.root, premium)
    assert p.average(made.root) == 300
    made = bench(funding_equal_weights=1)
    for premium in (0, 0, 600):
        p.add_sample(made.root, premium)
    assert p.average(made.root) == 200


def held() -> Stage:
    """Account 0 long and 1 short of 10 at 2000, a settlement every minute, deep quotes above the index."""
    stage = Stage((QUICK,))
    for account in range(4):
        stage.deposit(account, 1_000_000)
    stage.index(2000)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    stage.order(2, BUY, 100, 2010)
    stage.order(3, SELL, 100, 2030)
    return stage


def test_an_interval_keeps_the_length_that_it_began_with() -> None:
    """A change in its middle counts from the next one on: neither the rate nor the samples that it needs change."""
    stage = held()
    stage.send(build.contract_set(0, P.FUNDING_INTERVAL_S, 7200))
    for _ in range(65):
        stage.index(2000)
    (settled,) = stage.history(EventKind.FUNDING_RATE)
    assert settled["code"] == 1
    assert settled["rate_ppb"] == (settled["old_value"] - 500_000) * 60 // 28_800
    assert stage.state["contracts"][0]["funding_interval_s"] == 7200


def test_longs_pay_shorts_when_the_premium_is_positive() -> None:
    stage = held()
    for _ in range(130):
        stage.index(2000)
    rates = [row for row in stage.history(EventKind.FUNDING_RATE) if row["code"]]
    paid = stage.history(EventKind.FUNDING_PAID)
    assert len(rates) >= 2 and len(paid) == 2 * len(rates)
    premium = p.premium(2_000_000, 2_010_000, 2_030_000)
    assert rates[0]["old_value"] == premium
    assert rates[0]["rate_ppb"] == (premium - 500_000) * 60 // 28_800
    assert stage.cash(0) < 1_000_000 < stage.cash(1)
    assert conserved(stage.state) == 0
    assert sum(row["amount_micros"] for row in paid) <= 0
    assert int(stage.state["fund_micros"]) == -sum(row["amount_micros"] for row in paid)


def test_the_sample_at_the_instant_belongs_to_the_ending_interval() -> None:
    stage = held()
    for _ in range(200):
        stage.index(2000)
    rates = stage.history(EventKind.FUNDING_RATE)
    assert {row["new_value"] for row in rates[1:]} <= {11, 12, 13}
    assert sum(row["new_value"] for row in rates[1:]) == pytest.approx(12 * len(rates[1:]), abs=1)


def test_after_an_outage_it_is_paid_once_or_below_half_the_samples_not_at_all() -> None:
    stage = held()
    while stage.now_ns // SECOND % 60 != 20:
        stage.index(2000)
    before = len(stage.history(EventKind.FUNDING_RATE))
    stage.now_ns += 200 * SECOND
    stage.index(2000)
    rates = stage.history(EventKind.FUNDING_RATE)[before:]
    assert len(rates) == 1 and rates[0]["code"] == 0 and rates[0]["rate_ppb"] == 0
    for _ in range(60):
        stage.index(2000)
    while stage.now_ns // SECOND % 60 != 50:
        stage.index(2000)
    before = len(stage.history(EventKind.FUNDING_RATE))
    stage.now_ns += 200 * SECOND
    stage.index(2000)
    rates = stage.history(EventKind.FUNDING_RATE)[before:]
    assert [row["code"] for row in rates] == [1], "paid once, on the samples there are"


def test_the_ring_changes_no_settlement() -> None:
    paid = []
    for ring_rows in (128, 1 << 16):
        stage = Stage((QUICK,), accounts=200, ring_rows=ring_rows)
        for account in range(200):
            stage.deposit(account, 100_000)
        stage.index(2000)
        for account in range(0, 200, 2):
            stage.order(account, SELL, 10, 2000)
            stage.order(account + 1, BUY, 10, 2000)
        for _ in range(70):
            stage.index(2000)
        paid.append(stage.history(EventKind.FUNDING_PAID))
        assert conserved(stage.state) == 0
    assert len(paid[0]) == 200 and paid[0] == paid[1]
    assert np.all([row["rate_ppb"] != 0 for row in paid[0]])
