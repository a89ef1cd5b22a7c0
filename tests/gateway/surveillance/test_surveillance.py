"""Rules of trades and prices, the runner and the throttle: what must alert, and what is innocent."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from engine.codes import EventKind
from engine.schema import NOTICE
from gateway.surveillance.activity import ACTIVITY, Owners
from gateway.surveillance.execution_rate import Throttle
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rule_runner import RuleRunner
from gateway.surveillance.windows import Kept
from tests.gateway.surveillance.stream import (
    ALICE,
    ALSO_ALICE,
    BOB,
    BUY,
    CAROL,
    CLIENTS,
    DAVE,
    FORCED,
    QUIET,
    SECOND,
    SELL,
    Stream,
    rules,
)


@pytest.fixture
def stream() -> Stream:
    return Stream()


# --- wash trades --------------------------------------------------------------------------------------------------


def test_wash_trades_between_accounts_of_one_owner(stream: Stream) -> None:
    for _ in range(3):
        stream.trade(ALICE, ALSO_ALICE, BUY, 10)
        stream.wait(2)
        stream.trade(BOB, CAROL, SELL, 5)
    assert rules(stream) == ["wash_trades"]
    alert = stream.alerts()[0]
    assert alert.accounts == (ALICE, ALSO_ALICE) and alert.evidence.figures["traded_lots"] == 30
    assert alert.evidence.seqs == [2, 6, 10]


def test_wash_trades_innocent_trades_with_others_and_forced_ones(stream: Stream) -> None:
    for _ in range(3):
        stream.trade(ALICE, BOB, BUY, 10)
        stream.trade(ALSO_ALICE, CAROL, SELL, 10)
        stream.trade(ALICE, ALSO_ALICE, BUY, 10, flags=FORCED)
    stream.trade(ALICE, ALSO_ALICE, BUY, 10)
    assert rules(stream) == []


def test_wash_trades_within_a_group_that_the_stream_tells(stream: Stream) -> None:
    for account in (BOB, CAROL):
        row = stream._row(EventKind.ACCOUNT_CHANGED).view(NOTICE)
        row["account_slot"], row["code"], row["new_value"] = account, 17, 9
    for _ in range(3):
        stream.trade(BOB, CAROL, BUY, 10)
    assert rules(stream) == ["wash_trades"]


# --- momentum ignition --------------------------------------------------------------------------------------------


def pushing(stream: Stream, back: int) -> None:
    """Alice buys the price up by 2 %, then sells `back` lots at the top."""
    for step in range(5):
        stream.trade(ALICE, BOB, BUY, 20, 1000 + 5 * step)
        stream.wait(1)
    if back:
        stream.trade(CAROL, ALICE, BUY, back, 1025)


def test_momentum_ignition_push_and_profit(stream: Stream) -> None:
    pushing(stream, back=80)
    assert rules(stream) == ["momentum_ignition"]
    assert stream.alerts()[0].evidence.figures["undone_traded_lots"] == 80


def test_momentum_ignition_innocent_buyer_keeps_what_it_bought(stream: Stream) -> None:
    pushing(stream, back=20)
    assert rules(stream) == []


def test_momentum_ignition_innocent_when_the_index_leads(stream: Stream) -> None:
    for price in (1_000_000, 1_020_000):
        row = stream._row(EventKind.INDEX_CHANGED).view(NOTICE)
        row["old_value"], row["price_subticks"] = 1_000_000, price
        stream.wait(1)
        stream.trade(ALICE, BOB, BUY, 20, price // 1000)
    stream.trade(CAROL, ALICE, BUY, 30, 1025)
    assert rules(stream) == []
    alone = Stream()
    for price in (1000, 1020):
        alone.trade(ALICE, BOB, BUY, 20, price)
        alone.wait(1)
    alone.trade(CAROL, ALICE, BUY, 30, 1025)
    assert rules(alone) == ["momentum_ignition"]


def test_momentum_ignition_innocent_small_part_of_a_rally(stream: Stream) -> None:
    for step in range(5):
        stream.trade(DAVE, BOB, BUY, 60, 1000 + 5 * step)
        stream.trade(ALICE, BOB, BUY, 20, 1000 + 5 * step)
    stream.trade(CAROL, ALICE, BUY, 80, 1025)
    assert rules(stream) == []


# --- pre-arranged trades ------------------------------------------------------------------------------------------


def passes(stream: Stream, *chain: int, lots: int = 10) -> None:
    """Each sells to the next, with orders of one size."""
    for seller, buyer in pairwise(chain):
        stream.trade(buyer, seller, BUY, lots)
        stream.wait(5)


def test_round_trips_of_two_clients(stream: Stream) -> None:
    passes(stream, BOB, CAROL, BOB, CAROL, BOB)
    assert rules(stream) == ["round_trips"]
    assert stream.alerts()[0].accounts == (BOB, CAROL)


def test_round_trips_innocent_when_one_way_or_little_of_their_volume(stream: Stream) -> None:
    for _ in range(4):
        passes(stream, BOB, CAROL)
    assert rules(stream) == []
    busy = Stream()
    passes(busy, BOB, CAROL, BOB, CAROL, BOB)
    passes(busy, ALICE, CAROL, lots=70)
    assert rules(busy) == []


def test_round_trips_innocent_with_orders_of_other_sizes(stream: Stream) -> None:
    for _ in range(2):
        for maker, taker in ((BOB, CAROL), (CAROL, BOB)):
            order = stream.rest(maker, SELL, 40)
            stream.hit(taker, maker, order, BUY, 10, leaves=30)
            stream.cancel(maker, order)
    assert rules(stream) == []


def test_a_ring_of_three_clients(stream: Stream) -> None:
    passes(stream, BOB, CAROL, DAVE, BOB, CAROL, DAVE, BOB)
    assert rules(stream) == ["ring_trades"]
    (alert,) = stream.alerts()
    assert alert.accounts == (BOB, CAROL, DAVE) and alert.evidence.figures["clients"] == 3


def test_a_ring_innocent_when_somebody_keeps_what_he_got(stream: Stream) -> None:
    passes(stream, BOB, CAROL, DAVE)
    passes(stream, BOB, CAROL, DAVE)
    passes(stream, BOB, CAROL, DAVE)
    assert rules(stream) == []


# --- marking near funding -----------------------------------------------------------------------------------------


def before_funding(stream: Stream, long_first: bool, gap: float) -> None:
    """Alice has a position; then she sells the price down, and the funding instant follows."""
    stream.trade(ALICE, BOB, BUY if long_first else SELL, 500, 1000)
    stream.wait(400)
    stream.trade(CAROL, DAVE, SELL, 5, 1000)
    for step in range(3):
        stream.trade(ALICE, BOB, SELL, 20, 998 - step)
        stream.wait(1)
    stream.wait(gap)
    stream.funding()


def test_marking_taking_before_funding_that_pays(stream: Stream) -> None:
    before_funding(stream, long_first=True, gap=5)
    assert rules(stream) == ["marking"]
    assert stream.alerts()[0].evidence.figures["position_lots"] == 440


def test_marking_innocent_when_the_position_does_not_gain_or_time_is_far(stream: Stream) -> None:
    before_funding(stream, long_first=False, gap=5)
    assert rules(stream) == []
    early = Stream()
    before_funding(early, long_first=True, gap=300)
    assert rules(early) == []


def test_marking_for_the_position_of_another_account_of_the_owner(stream: Stream) -> None:
    stream.trade(ALSO_ALICE, BOB, BUY, 500, 1000)
    stream.wait(400)
    stream.trade(CAROL, DAVE, SELL, 5, 1000)
    for step in range(3):
        stream.trade(ALICE, BOB, SELL, 20, 998 - step)
        stream.wait(1)
    stream.funding()
    assert rules(stream) == ["marking"]
    (alert,) = stream.alerts()
    assert alert.accounts == (ALICE,) and alert.evidence.figures["position_lots"] == 440


def test_marking_innocent_when_the_owners_accounts_gain_nothing_together(stream: Stream) -> None:
    stream.trade(ALSO_ALICE, DAVE, SELL, 500, 1000)
    before_funding(stream, long_first=True, gap=5)
    assert rules(stream) == []


# --- quotes at samples, and a source of the index -----------------------------------------------------------------


def sampled(stream: Stream, times: int, premium_ppb: int = 500_000, best: int = 1000) -> None:
    """Alice is short; Bob bids `best`, she bids 1001 while samples are taken, and an index of 1000 has a premium."""
    stream.trade(BOB, ALICE, BUY, 500, 1000)
    stream.wait(1000)
    stream.rest(BOB, BUY, 10, best)
    bid = stream.rest(ALICE, BUY, 400, 1001)
    for _ in range(times):
        stream.wait(5)
        row = stream._row(EventKind.PREMIUM_SAMPLED).view(NOTICE)
        row["old_value"], row["price_subticks"], row["rate_ppb"] = 1_000_000, 1_000_500, premium_ppb
    stream.cancel(ALICE, bid)


def test_marking_by_quotes_that_alone_make_the_premium(stream: Stream) -> None:
    sampled(stream, 10)
    assert rules(stream) == ["marking_by_quotes"]
    (alert,) = stream.alerts()
    assert alert.accounts == (ALICE,) and alert.evidence.figures["samples_times"] == 10
    assert alert.text.endswith("the owner holds -500 lots: funding is paid to that position")


@pytest.mark.parametrize("changed", [{"times": 7}, {"premium_ppb": 100_000}, {"best": 1001}])
def test_marking_by_quotes_innocent_when_rare_small_or_shared(stream: Stream, changed: dict[str, int]) -> None:
    sampled(stream, **({"times": 10} | changed))
    assert rules(stream) == []


def pushed(stream: Stream, opened: int, away: int = 10_000, sources: int = 3) -> None:
    """Alice buys; then the last source goes up while the others stay, and she sells."""
    stream.trade(ALICE, BOB, BUY, opened, 1000)
    stream.trade(CAROL, DAVE, BUY, 60, 1000)
    stream.wait(60)
    for price in (1_000_000, 1_000_000 + away, 1_000_000):
        for source in range(sources):
            row = stream._row(EventKind.INDEX_RECORDED).view(NOTICE)
            row["code"], row["price_subticks"] = source, price if source == sources - 1 else 1_000_000
        stream.wait(20)
    stream.trade(ALICE, CAROL, SELL, opened, 1005)
    stream.wait(20)


def test_index_push_with_a_position_that_was_opened_before(stream: Stream) -> None:
    pushed(stream, opened=200)
    assert rules(stream) == ["index_push"]
    (alert,) = stream.alerts()
    assert alert.accounts == (ALICE,) and alert.evidence.figures["move_ppb"] == 10_000_000


@pytest.mark.parametrize("changed", [{"opened": 15}, {"away": 3000}, {"away": -10_000}, {"sources": 2}])
def test_index_push_innocent_when_small_against_it_or_unclear(stream: Stream, changed: dict[str, int]) -> None:
    pushed(stream, **({"opened": 200} | changed))
    assert "index_push" not in {alert.rule for alert in stream.alerts() if ALICE in alert.accounts}


# --- open interest ------------------------------------------------------------------------------------------------


def test_open_interest_share_is_said_once_while_it_lasts(stream: Stream) -> None:
    p = Parameters(interest_share_percent=40, interest_lots=1000)
    stream.trade(ALICE, BOB, BUY, 400)
    stream.trade(ALSO_ALICE, CAROL, BUY, 300)
    stream.trade(DAVE, BOB, BUY, 400)
    for _ in range(5):
        stream.wait(20)
        stream.trade(CAROL, BOB, BUY, 1)
    found = [(alert.rule, alert.accounts) for alert in stream.alerts(p)]
    assert found.count(("open_interest", (ALICE, ALSO_ALICE))) == 1
    assert len({accounts for _, accounts in found}) == len(found)


def test_open_interest_that_stood_when_the_rules_began_is_an_alert_without_an_event_of_its_own(stream: Stream) -> None:
    owners = Owners()
    owners.add_clients(CLIENTS)
    runner = RuleRunner(Parameters(interest_share_percent=40, interest_lots=1000), owners)
    runner.begin({(ALICE, 0): 1500, (BOB, 0): -1500}, {})
    stream.trade(CAROL, DAVE, BUY, 1)
    stream.wait(20)
    stream.trade(CAROL, DAVE, BUY, 1)
    found = [*runner.take(np.concatenate(stream.rows)), *runner.flush()]
    assert [(alert.rule, alert.accounts, alert.evidence.seqs) for alert in found] == [
        ("open_interest", (ALICE,), []), ("open_interest", (BOB,), []),
    ]  # fmt: skip
    assert {alert.first_seq for alert in found} == {alert.last_seq for alert in found} == {0}


def test_open_interest_innocent_when_shared_or_small(stream: Stream) -> None:
    p = Parameters(interest_share_percent=60, interest_lots=1000)
    stream.trade(ALICE, BOB, BUY, 500)
    stream.trade(CAROL, DAVE, BUY, 500)
    assert rules(stream, p) == []
    small = Stream()
    small.trade(ALICE, BOB, BUY, 500)
    assert rules(small, p) == []


# --- the runner and the throttle ----------------------------------------------------------------------------------


def test_one_episode_is_one_alert_that_grows_and_a_later_one_another(stream: Stream) -> None:
    for _ in range(6):
        stream.trade(ALICE, ALSO_ALICE, BUY, 10)
        stream.wait(15)
    (alert,) = stream.alerts()
    assert alert.rule == "wash_trades" and alert.evidence.figures == {"trades": 6, "traded_lots": 60}
    stream.wait(4000)
    for _ in range(3):
        stream.trade(ALICE, ALSO_ALICE, BUY, 10)
    assert [item.evidence.figures["trades"] for item in stream.alerts()] == [6, 3]


def test_many_rows_are_forgotten_step_by_step() -> None:
    kept = Kept(ACTIVITY, 100, 10)
    for step in range(20):
        rows = np.zeros(4, ACTIVITY)
        rows["time_ns"], rows["seq"] = step * SECOND, step
        kept.add(rows, step * SECOND)
    assert kept.rows["seq"].tolist() == [18] * 4 + [19] * 4


def test_a_rule_with_window_0_is_off(stream: Stream) -> None:
    for _ in range(3):
        stream.trade(ALICE, ALSO_ALICE, BUY, 10)
    assert rules(stream, replace(QUIET, wash_window_s=0)) == []


def executions(stream: Stream, gaps: list[float]) -> Iterator[Any]:
    for gap in gaps:
        stream.wait(gap)
        stream.trade(BOB, ALICE, BUY, 1)
    throttle = Throttle(replace(QUIET, throttle_executions=5, throttle_seconds=10))
    for row in stream.rows:
        yield from throttle.take(row)


def test_throttle_counts_in_a_sliding_window(stream: Stream) -> None:
    found = list(executions(stream, [0, 2, 2, 2, 3.9]))
    assert [alert.accounts for alert in found] == [(ALICE,), (BOB,)]
    assert found[0].evidence.figures == {"executions": 5, "allowed": 5, "seconds": 10}


def test_throttle_innocent_when_slower_or_forced(stream: Stream) -> None:
    assert list(executions(stream, [0, 2, 2, 2, 4, 2, 3])) == []
    forced = Stream()
    for _ in range(20):
        forced.trade(BOB, ALICE, BUY, 1, flags=FORCED)
    throttle = Throttle(replace(QUIET, throttle_executions=5, throttle_seconds=10))
    assert throttle.take(np.concatenate(forced.rows)) == []


def test_throttle_begins_anew_after_it_has_stopped_somebody(stream: Stream) -> None:
    found = list(executions(stream, [0.1] * 9))
    assert [alert.accounts for alert in found] == [(ALICE,), (BOB,)]
