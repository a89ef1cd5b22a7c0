"""Clients before affiliates at one price: a tag only ever yields, and costs nobody but its bearer.

The two queues of a level are checked against the model everywhere else; here the rule is stated for itself, of pairs
of venues that differ in the tag alone and of what became of each order.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import batch_end, host, invariants
from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, EventFlag, EventKind, ExecInst, OrdType, Reason, SelfTrade, TimeInForce
from engine.codes import ContractParameter as P
from engine.journal import read_snapshot, write_snapshot
from engine.schema import ORDER_SLOT_BITS
from tests import build
from tests.build import BUY, SELL, account_set, amend, new
from tests.flow import Mix, flow, houses, stage
from tests.pair import SMALL, Pair, Reference, apply, create
from tests.perpetual import impact
from tests.stage import MICROS, WORKED, Stage

REDUCE = {"flags": ExecInst.REDUCE_ONLY}
ICEBERG = {"flags": ExecInst.ICEBERG, "display_lots": 2}
PRICE = 1000
HOUSE, OTHER_HOUSE, ALICE, BOB, TAKER = range(5)


def tagged(account: int, affiliation: int = Affiliation.GROUP_COMPANY) -> list[Any]:
    """An account that becomes an affiliate, approved for contract 0 where one can be."""
    tag = account_set(account, A.AFFILIATION, affiliation)
    return [tag, build.approval(account, 0, build.FAR_NS)] if affiliation == Affiliation.GROUP_COMPANY else [tag]


def venue(*affiliates: int) -> Pair:
    """Both engines with five accounts, of which some are affiliates that may trade."""
    pair = Pair(audited=True)
    pair.play(build.venue(5))
    for account in affiliates:
        pair.play(tagged(account))
    return pair


def served(pair: Pair, lots: int, side: int = BUY) -> list[tuple[int, int]]:
    """(account, lots) of the makers that a taker meets, in their order, at any price."""
    reports = pair.send(new(TAKER, side, lots, 2000 if side == BUY else 1, tif=TimeInForce.IOC))
    fills = [row for row in reports if row["kind"] == EventKind.FILL and not row["flags"] & EventFlag.TAKER]
    return [(row["account_slot"], row["last_lots"]) for row in fills]


def give_positions(pair: Pair, *accounts: int) -> None:
    """Each of the accounts buys 20 lots of the taker."""
    for account in accounts:
        pair.play([new(account, BUY, 20, 900), new(TAKER, SELL, 20, 900)])


# --- the rule, case by case ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [BUY, SELL])
def test_all_clients_come_first_each_queue_by_time(side: int) -> None:
    pair = venue(HOUSE, OTHER_HOUSE)
    order = (HOUSE, ALICE, OTHER_HOUSE, BOB)
    pair.play([new(account, side, 2, PRICE) for account in order])
    assert served(pair, 8, SELL if side == BUY else BUY) == [(ALICE, 2), (BOB, 2), (HOUSE, 2), (OTHER_HOUSE, 2)]


def test_a_better_price_of_an_affiliate_comes_before_a_client_at_a_worse_one() -> None:
    """It yields at its price, not beyond."""
    pair = venue(HOUSE)
    pair.play([new(ALICE, SELL, 2, PRICE + 1), new(HOUSE, SELL, 2, PRICE)])
    assert served(pair, 4) == [(HOUSE, 2), (ALICE, 2)]


def test_hidden_quantity_of_clients_comes_before_what_an_affiliate_shows() -> None:
    """A refill goes to the end of its own queue."""
    pair = venue(HOUSE, OTHER_HOUSE)
    pair.play([new(HOUSE, SELL, 4, PRICE, **ICEBERG), new(OTHER_HOUSE, SELL, 2, PRICE)])
    pair.play([new(ALICE, SELL, 4, PRICE, **ICEBERG), new(BOB, SELL, 2, PRICE)])
    expected = [(ALICE, 2), (BOB, 2), (ALICE, 2), (HOUSE, 2), (OTHER_HOUSE, 2), (HOUSE, 2)]
    assert served(pair, 12) == expected


def test_an_amended_order_keeps_or_takes_its_place_within_its_queue() -> None:
    pair = venue(HOUSE, OTHER_HOUSE)
    pair.play([new(account, SELL, 4, PRICE, cl_ord_id=1) for account in (HOUSE, ALICE, OTHER_HOUSE, BOB)])
    pair.play([amend(ALICE, cl_ord_id=1, qty_lots=2), amend(HOUSE, cl_ord_id=1, qty_lots=6)])
    assert served(pair, 16) == [(ALICE, 2), (BOB, 4), (OTHER_HOUSE, 4), (HOUSE, 6)]


@pytest.mark.parametrize("affiliation", list(Affiliation)[1:], ids=lambda affiliation: affiliation.name)
def test_a_tag_moves_what_rests_behind_at_once_and_in_its_order(affiliation: Affiliation) -> None:
    """By place and not by age: the first order was amended and stands behind the second. Opening orders go."""
    pair = venue(OTHER_HOUSE)
    give_positions(pair, HOUSE, ALICE, BOB)
    pair.play([new(HOUSE, SELL, lots, PRICE, cl_ord_id=lots, **REDUCE) for lots in (3, 4, 5)])
    pair.play([amend(HOUSE, cl_ord_id=3, qty_lots=6), new(ALICE, SELL, 2, PRICE, **REDUCE)])
    pair.play([new(HOUSE, SELL, 5, PRICE), new(OTHER_HOUSE, SELL, 2, PRICE), new(BOB, SELL, 2, PRICE, **REDUCE)])
    reports = pair.play(tagged(HOUSE, affiliation))
    assert [row["last_lots"] for row in reports if row["kind"] == EventKind.CANCELLED] == [5]
    assert served(pair, 19) == [(ALICE, 2), (BOB, 2), (OTHER_HOUSE, 2), (HOUSE, 4), (HOUSE, 5), (HOUSE, 4)]


def test_a_tag_that_goes_moves_nothing_forward_until_the_order_rests_again() -> None:
    pair = venue(HOUSE)
    give_positions(pair, HOUSE)
    pair.play([new(HOUSE, SELL, lots, PRICE, cl_ord_id=lots, **REDUCE) for lots in (3, 4)])
    pair.play([account_set(HOUSE, A.AFFILIATION, Affiliation.CLIENT), new(ALICE, SELL, 2, PRICE)])
    pair.play([amend(HOUSE, cl_ord_id=3, qty_lots=2), amend(HOUSE, cl_ord_id=4, qty_lots=6)])
    pair.play([new(BOB, SELL, 2, PRICE)])
    assert served(pair, 12) == [(ALICE, 2), (HOUSE, 6), (BOB, 2), (HOUSE, 2)]


def test_a_conditional_order_is_of_the_class_that_its_account_has_when_it_comes_to_the_book() -> None:
    pair = venue()
    give_positions(pair, HOUSE, ALICE)
    stop = {"ord_type": OrdType.STOP_LIMIT, "trigger_source": 2, "trigger_price_ticks": 890}
    pair.play([new(HOUSE, SELL, 2, PRICE, **stop, **REDUCE), *tagged(HOUSE), new(ALICE, SELL, 3, PRICE)])
    pair.play([new(ALICE, BUY, 1, 890), new(TAKER, SELL, 1, 890), new(BOB, SELL, 4, PRICE)])
    assert served(pair, 9) == [(ALICE, 3), (BOB, 4), (HOUSE, 2)]


@pytest.mark.parametrize(("lots", "fills"), [(12, True), (13, False)])
def test_fill_or_kill_counts_hidden_clients_ahead_of_an_affiliate_that_stops_it(lots: int, fills: bool) -> None:
    pair = venue(HOUSE)
    pair.play([account_set(account, A.GROUP, 1) for account in (HOUSE, TAKER)])
    pair.play([new(HOUSE, SELL, 4, PRICE), new(ALICE, SELL, 10, PRICE, **ICEBERG), new(BOB, SELL, 2, PRICE)])
    order = new(TAKER, BUY, lots, PRICE, tif=TimeInForce.FOK, self_trade=SelfTrade.CANCEL_TAKER)
    reports = pair.send(order)
    assert (reports[0]["reason"] == Reason.NONE) == fills
    assert sum(row["last_lots"] for row in reports if row["kind"] == EventKind.FILL) == (2 * lots if fills else 0)


# --- what else knows the queue ------------------------------------------------------------------------------------


def test_impact_prices_leave_out_all_that_affiliates_show() -> None:
    """And nothing else: hidden quantity never counts, and a client's order at their price does."""
    prices = []
    for excluded, maker in ((0, False), (0, True), (1, True)):
        parameters = {P.IMPACT_EXCLUDES_AFFILIATES: excluded, P.AFFILIATE_PRESENT: 1, P.DISCLOSURE_AFFILIATE: 1}
        stage = Stage((WORKED | parameters,))
        stage.state["contracts"][0]["impact_notional_micros"] = 2 * 2000 * MICROS
        for account in range(5):
            stage.deposit(account, 10_000_000)
        stage.index(2000)
        for row in tagged(HOUSE):
            stage.send(row)
        for side, price in ((BUY, 1990), (SELL, 2010)):
            stage.order(ALICE, side, 1, price - (1 if side == BUY else -1))
            stage.order(ALICE, side, 1, price)
            if maker:
                stage.order(HOUSE, side, 5, price, flags=ExecInst.POST_ONLY)
            stage.order(BOB, side, 20, price - (5 if side == BUY else -5))
        prices.append([int(impact(stage.root, side)) for side in (BUY, SELL)])
    assert prices[0] == prices[2] != prices[1] and all(prices[0])


def test_a_forced_order_meets_clients_first() -> None:
    """Liquidation takes no other way through a level than any taker."""
    fills = []
    for affiliates in ((), (1,)):
        stage = Stage((WORKED,))
        for account, money in ((0, 2600), (1, 10_000_000), (2, 10_000_000)):
            stage.deposit(account, money)
        stage.index(2000)
        for account in affiliates:
            for row in tagged(account):
                stage.send(row)
        stage.order(2, SELL, 10, 2000)
        stage.order(0, BUY, 10, 2000)
        for account in (1, 2):
            stage.order(account, BUY, 3, 1800, flags=ExecInst.POST_ONLY)
        stage.index(1800)
        makers = [row for row in stage.of(EventKind.FILL) if int(row["price_ticks"]) == 1800]
        fills.append([int(row["account_slot"]) for row in makers if not int(row["flags"]) & EventFlag.TAKER])
    assert fills == [[1, 2], [2, 1]]


def test_deleveraging_neither_spares_nor_prefers_an_affiliate() -> None:
    """Of two equal winners the older position gives first, whichever of them is tagged."""
    gave = []
    for affiliates in ((), (1,), (2,)):
        stage = Stage((WORKED,))
        for account, money in ((0, 2180), (1, 10_000_000), (2, 10_000_000)):
            stage.deposit(account, money)
        stage.index(2000)
        for account in affiliates:
            for row in tagged(account):
                stage.send(row)
        for account in (1, 2):
            stage.order(account, SELL, 5, 2000, flags=ExecInst.POST_ONLY)
            stage.order(0, BUY, 5, 2000)
        stage.index(1800)
        gave.append([(row["account_slot"], row["amount_micros"]) for row in stage.of(EventKind.DELEVERAGED)])
    assert gave[0] and gave[0] == gave[1] == gave[2]


def test_a_snapshot_keeps_both_queues(tmp_path: Any) -> None:
    pair = Pair(audited=True)
    pair.play(stage() + houses())
    pair.play(flow(5, 600, Mix(houses=0.2, spread_ticks=3, mass_cancels=0.0)))
    levels = pair.root[0]["levels"][: int(pair.root[0]["levels_used"])]
    assert np.count_nonzero(levels["affiliated_head_slot"] > 0) > 1
    copy = create(SMALL)
    read_snapshot(write_snapshot(tmp_path, pair.root, bytes(32)), copy)
    assert batch_end.recount(copy)
    assert host.digest(copy) == host.digest(pair.root)
    invariants.check(copy)
    commands = [item for item in flow(6, 300, Mix(spread_ticks=3)) if not isinstance(item, Reference)]
    for rows in build.numbered(commands, pair.seq + 1, pair.now_ns):
        assert apply(pair.root, rows).tobytes() == apply(copy, rows).tobytes()
    assert host.digest(copy) == host.digest(pair.root)


def test_the_checker_sees_an_affiliate_among_clients() -> None:
    """The invariant fails on a queue that the rule forbids, whichever part of it is wrong."""
    for field_name, value in (("affiliated_head_slot", -1), ("affiliated_head_slot", 0)):
        pair = venue(HOUSE)
        pair.play([new(ALICE, SELL, 2, PRICE), new(HOUSE, SELL, 2, PRICE)])
        level = int(pair.root[0]["orders"][0]["level_slot"])
        invariants.check(pair.root)
        pair.root[0]["levels"][level][field_name] = value
        with pytest.raises(invariants.AuditError, match="affiliate_before_client"):
            invariants.check(pair.root)
    pair = venue(HOUSE)
    pair.play([new(ALICE, SELL, 2, PRICE), new(HOUSE, SELL, 2, PRICE)])
    pair.root[0]["orders"][0]["flags"] |= ExecInst.AFFILIATE
    with pytest.raises(invariants.AuditError, match="affiliate_before_client"):
        invariants.check(pair.root)


# --- the tag only ever yields -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placed:
    """One new order of a flow."""

    account: int
    side: int
    lots: int
    price: int
    display: int
    tif: int


@dataclass
class Fills:
    """What became of the orders of a venue, by the number of the order."""

    taken: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """Of a taker: (price, lots), a price once."""
    made: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Of a maker: lots so far."""


AFFILIATES = (HOUSE, OTHER_HOUSE)
ORDERS = st.builds(
    Placed,
    account=st.sampled_from(range(5)),
    side=st.sampled_from([BUY, SELL]),
    lots=st.integers(1, 12),
    price=st.integers(PRICE - 1, PRICE + 1),
    display=st.sampled_from([0, 0, 1, 3]),
    tif=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
)


class Book:
    """An engine whose affiliates are tagged, or not, and what it made of the orders."""

    def __init__(self, tags: bool) -> None:
        self.root, self.seq, self.fills = create(), 1, Fills()
        self.send(*build.venue(5))
        for account in AFFILIATES if tags else ():
            self.send(*tagged(account))

    def send(self, *rows: Any) -> None:
        """Commands, whose fills are noted."""
        for group in build.numbered([row.copy() for row in rows], self.seq):
            self.seq = int(group["seq"][-1]) + 1
            for row in apply(self.root, group):
                if row["kind"] == EventKind.FILL:
                    self._note(int(row["order_id"]) >> ORDER_SLOT_BITS, row)

    def _note(self, order: int, row: Any) -> None:
        price, lots = int(row["price_ticks"]), int(row["last_lots"])
        if not int(row["flags"]) & EventFlag.TAKER:
            self.fills.made[order] += lots
            return
        taken = self.fills.taken[order]
        if taken and taken[-1][0] == price:
            taken[-1] = price, taken[-1][1] + lots
        else:
            taken.append((price, lots))


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(orders=st.lists(ORDERS, max_size=40))
def test_the_tag_only_ever_yields(orders: list[Placed]) -> None:
    """Two venues with the same new orders, that differ in the tags of two accounts. After every order:

    - every taker, tagged or not, has got the same at the same prices: nobody but makers at one price is touched;
    - of the orders of a side and price, clients' have together been filled at least as far as without the tags, and
      affiliates' at most;
    - each single order that rests among clients who hide nothing has been filled at least as far; and what an affiliate
      hides or shows makes no difference to them.
    """
    plain, yielding = Book(tags=False), Book(tags=True)
    hides = {(order.side, order.price) for order in orders if order.display and order.account not in AFFILIATES}
    serials: dict[int, Placed] = {}
    for serial, order in enumerate(orders, 1):
        serials[serial] = order
        flags = ExecInst.ICEBERG if order.display and order.tif == TimeInForce.GTC else 0
        row = new(order.account, order.side, order.lots, order.price, tif=order.tif, flags=flags)
        row["display_lots"] = max(order.display, 1) if flags else 0
        for book in (plain, yielding):
            book.send(row)
        assert yielding.fills.taken == plain.fills.taken
        sums: dict[tuple[int, int, bool], int] = defaultdict(int)
        for number, placed in serials.items():
            more = yielding.fills.made[number] - plain.fills.made[number]
            is_affiliate = placed.account in AFFILIATES
            sums[placed.side, placed.price, is_affiliate] += more
            assert is_affiliate or more >= 0 or (placed.side, placed.price) in hides
        for (_, _, is_affiliate), more in sums.items():
            assert more <= 0 if is_affiliate else more >= 0


def test_what_affiliates_do_changes_no_queue_of_clients() -> None:
    """Among themselves clients are served as in a venue without affiliates, whatever these do at the same price."""
    rng = np.random.default_rng(3)
    without, beside = Pair(), Pair()
    for pair in (without, beside):
        pair.play(build.venue(5))
        for account in AFFILIATES:
            pair.play(tagged(account))
    shown = {"flags": ExecInst.ICEBERG, "display_lots": 3}
    for _ in range(60):
        for account in rng.integers(0, 4, 6).tolist():
            order = new(account, SELL, int(rng.integers(3, 9)), PRICE, **(shown if rng.random() < 0.4 else {}))
            beside.send(order.copy())
            if account not in AFFILIATES:
                without.send(order)
        resting = sum(order.leaves for order in without.model.orders.values())
        lots = int(rng.integers(1, resting + 1))
        assert served(beside, lots) == served(without, lots)
        beside.play([build.mass_cancel(account) for account in AFFILIATES])
