"""Surveillance: each rule with a stream that must alert and a similar innocent one that must not."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.codes import EventFlag, EventKind, Reason, Side
from engine.schema import EVENT, NOTICE
from gateway.surveillance.activity import Owners
from gateway.surveillance.execution_rate import Throttle
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.rule_runner import RuleRunner

BUY, SELL = int(Side.BUY), int(Side.SELL)
SECOND = 1_000_000_000
START_NS = 1_772_442_000 * SECOND
RESTING, TAKER, FORCED = int(EventFlag.RESTING), int(EventFlag.TAKER), int(EventFlag.FORCED)
QUIET = Parameters(interest_share_percent=0)
ALICE, ALSO_ALICE, BOB, CAROL, DAVE = range(5)
CLIENTS = {ALICE: 1, ALSO_ALICE: 1, BOB: 2, CAROL: 3, DAVE: 4}


class Stream:
    """Events as the engine would write them."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.now_ns = START_NS
        self.orders = self.trades = 0
        self.held: dict[int, int] = {}

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now_ns += int(seconds * SECOND)

    def _row(self, kind: int, **fields: Any) -> Any:
        row = np.zeros(1, EVENT)
        row["seq"], row["time_ns"], row["kind"] = len(self.rows) + 1, self.now_ns, kind
        for name, value in fields.items():
            row[name] = value
        self.rows.append(row)
        return row

    def rest(self, account: int, side: int, lots: int, price: int = 100) -> int:
        """An order on the book; its id."""
        self.orders += 1
        self._row(
            EventKind.ACCEPTED, account_slot=account, side=side, price_ticks=price, leaves_lots=lots, flags=RESTING,
            order_id=self.orders,
        )  # fmt: skip
        return self.orders

    def amend(self, account: int, order: int, side: int, lots: int, price: int = 100) -> None:
        """An order on the book gets another size."""
        self._row(
            EventKind.AMENDED, account_slot=account, side=side, price_ticks=price, leaves_lots=lots, flags=RESTING,
            order_id=order,
        )  # fmt: skip

    def cancel(self, account: int, order: int, reason: int = Reason.BY_CLIENT) -> None:
        """An order goes."""
        self._row(EventKind.CANCELLED, account_slot=account, order_id=order, reason=reason)

    def trade(self, taker: int, maker: int, side: int, lots: int, price: int = 100, flags: int = 0) -> None:
        """`taker` takes `side` from `maker`."""
        self.trades += 1
        self.orders += 1
        sign = 1 if side == BUY else -1
        for account, its_side, change, flag in ((maker, 3 - side, -sign, 0), (taker, side, sign, TAKER)):
            self.held[account] = self.held.get(account, 0) + change * lots
            self._row(
                EventKind.FILL, account_slot=account, side=its_side, price_ticks=price, last_lots=lots,
                trade_id=self.trades, flags=flag | flags, order_id=self.orders, position_lots=self.held[account],
            )  # fmt: skip

    def funding(self) -> None:
        """A funding instant."""
        self._row(EventKind.FUNDING_RATE).view(NOTICE)["account_slot"] = -1

    def alerts(self, parameters: Parameters = QUIET, batch: int = 3) -> list[Any]:
        """What surveillance says of it all."""
        owners = Owners()
        owners.add_clients(CLIENTS)
        watch, events, found = RuleRunner(parameters, owners), np.concatenate(self.rows), []
        for first in range(0, len(events), batch):
            found += watch.take(events[first : first + batch])
        return found + watch.flush()


def rules(stream: Stream, parameters: Parameters = QUIET) -> list[str]:
    """The names of the rules that spoke; the batches make no difference."""
    found = stream.alerts(parameters)
    assert found == stream.alerts(parameters, 1) == stream.alerts(parameters, 1000)
    return [alert.rule for alert in found]


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
    assert alert.accounts == (ALICE, ALSO_ALICE) and alert.evidence.figures["lots"] == 30
    assert alert.evidence.seqs == [1, 2, 5, 6, 9, 10]


def test_wash_trades_innocent_trades_with_others_and_forced_ones(stream: Stream) -> None:
    for _ in range(3):
        stream.trade(ALICE, BOB, BUY, 10)
        stream.trade(ALSO_ALICE, BOB, SELL, 10)
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


# --- layering -----------------------------------------------------------------------------------------------------


def quoting(stream: Stream, bids: int, asks: int) -> None:
    """Alice has a ladder of each side, sells a little to Bob, and withdraws everything at once."""
    orders = [stream.rest(ALICE, BUY, 50, 99 - place) for place in range(bids)]
    orders += [stream.rest(ALICE, SELL, 50, 101 + place) for place in range(asks)]
    stream.wait(1)
    stream.trade(BOB, ALICE, BUY, 10, 101)
    stream.wait(1)
    for order in orders:
        stream.cancel(ALICE, order)


def test_layering_a_wall_that_goes_with_the_fill(stream: Stream) -> None:
    quoting(stream, bids=5, asks=0)
    assert rules(stream) == ["layering"]
    alert = stream.alerts()[0]
    assert alert.evidence.figures["wall_lots"] == 250 and set(alert.evidence.order_ids) >= {1, 2, 3, 4, 5}


def test_layering_a_wall_that_grew_by_amendments(stream: Stream) -> None:
    orders = [stream.rest(ALICE, BUY, 1, 90 + place) for place in range(6)]
    stream.wait(15)
    for place, order in enumerate(orders):
        stream.amend(ALICE, order, BUY, 50, 90 + place)
    stream.rest(ALICE, SELL, 10, 100)
    stream.wait(1)
    stream.trade(BOB, ALICE, BUY, 10, 100)
    for order in orders:
        stream.cancel(ALICE, order)
    assert rules(stream) == ["layering"]
    assert stream.alerts()[0].evidence.figures["wall_lots"] == 300


def test_layering_innocent_maker_requotes_both_sides(stream: Stream) -> None:
    quoting(stream, bids=5, asks=5)
    assert rules(stream) == []


def test_layering_innocent_wall_that_stays(stream: Stream) -> None:
    orders = [stream.rest(ALICE, BUY, 50, 99 - place) for place in range(5)]
    stream.trade(BOB, ALICE, BUY, 10, 101)
    stream.wait(30)
    for order in orders:
        stream.cancel(ALICE, order)
    assert rules(stream) == []


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
    assert stream.alerts()[0].evidence.figures["undone_lots"] == 80


def test_momentum_ignition_innocent_buyer_keeps_what_it_bought(stream: Stream) -> None:
    pushing(stream, back=20)
    assert rules(stream) == []


def test_momentum_ignition_innocent_small_part_of_a_rally(stream: Stream) -> None:
    for step in range(5):
        stream.trade(DAVE, BOB, BUY, 60, 1000 + 5 * step)
        stream.trade(ALICE, BOB, BUY, 20, 1000 + 5 * step)
    stream.trade(CAROL, ALICE, BUY, 80, 1025)
    assert rules(stream) == []


# --- order-to-trade ratio -----------------------------------------------------------------------------------------


def flickering(stream: Stream, trades: int) -> None:
    for _ in range(60):
        stream.cancel(ALICE, stream.rest(ALICE, BUY, 10))
    for _ in range(trades):
        stream.trade(BOB, ALICE, SELL, 1)


def test_order_to_trade_messages_without_trades(stream: Stream) -> None:
    flickering(stream, 1)
    assert rules(stream, replace(QUIET, ratio_messages=100, ratio_per_trade=50)) == ["order_to_trade"]


def test_order_to_trade_innocent_with_trades_or_with_few_messages(stream: Stream) -> None:
    flickering(stream, 3)
    assert rules(stream, replace(QUIET, ratio_messages=100, ratio_per_trade=50)) == []
    assert rules(stream, replace(QUIET, ratio_messages=500, ratio_per_trade=10)) == []


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
    stream.trade(ALSO_ALICE, BOB, SELL, 500, 1000)
    before_funding(stream, long_first=True, gap=5)
    assert rules(stream) == []


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


def test_open_interest_innocent_when_shared_or_small(stream: Stream) -> None:
    p = Parameters(interest_share_percent=60, interest_lots=1000)
    stream.trade(ALICE, BOB, BUY, 500)
    stream.trade(CAROL, DAVE, BUY, 500)
    assert rules(stream, p) == []
    small = Stream()
    small.trade(ALICE, BOB, BUY, 500)
    assert rules(small, p) == []


# --- the runner and the throttle ----------------------------------------------------------------------------------


def test_the_same_evidence_alerts_once_and_new_evidence_again(stream: Stream) -> None:
    for _ in range(6):
        stream.trade(ALICE, ALSO_ALICE, BUY, 10)
        stream.wait(15)
    assert rules(stream) == ["wash_trades"]
    stream.wait(600)
    for _ in range(3):
        stream.trade(ALICE, ALSO_ALICE, BUY, 10)
    assert rules(stream) == ["wash_trades", "wash_trades"]


def test_a_rule_with_window_0_is_off(stream: Stream) -> None:
    quoting(stream, bids=5, asks=0)
    assert rules(stream, replace(QUIET, layering_window_s=0)) == []


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
    assert found[0].evidence.figures == {"executions": 5, "allowed": 5, "seconds": 10, "rows": 5}


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
