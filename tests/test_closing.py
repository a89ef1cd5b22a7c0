"""Closing is never refused for margin: an order within the position becomes reduce-only instead, of whatever kind."""

from typing import Any

import pytest

from engine import host, invariants
from engine.codes import AccountAttribute as A
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventFlag, EventKind, ExecInst, MarginMode, OrdType, Reason, Restriction, TimeInForce
from engine.schema import MAX_REDUCE_ONLY_ORDERS
from tests import build
from tests.build import BUY, SELL
from tests.stage import MICROS, WORKED, Stage, conserved

SHIPPED = WORKED | {P.BAND_PPB: 49_500_000, P.TAKER_FEE_PPB: 500_000, P.BRACKET_MMR_PPB: 50_000_000}
REDUCES, MADE = int(ExecInst.REDUCE_ONLY), int(EventFlag.MADE_REDUCE_ONLY)
SIZE = 14
SHORT = Reason.INSUFFICIENT_MARGIN


def holding(equity: float, side: int = BUY, mark: int = 1000, mode: MarginMode = MarginMode.CROSS) -> Stage:
    """Account 0 holds 14 lots from 1000 with so much equity at the mark; account 1 bids or asks 50 a tick from it."""
    stage = Stage((SHIPPED,))
    for account, units in ((0, 10_000), (1, 10_000_000), (2, 10_000_000)):
        stage.deposit(account, units)
    stage.index(1000)
    stage.send(build.directive(K.SET_MARGIN_MODE, account_slot=0, contract_slot=0, value=mode))
    stage.order(2, other(side), SIZE, 1000)
    stage.order(0, side, SIZE, 1000)
    stage.order(1, side, 50, mark - 1 if side == BUY else mark + 1)
    if mark != 1000:
        stage.index(mark)
    leave(stage, equity)
    return stage


def other(side: int) -> int:
    """The side that closes."""
    return SELL if side == BUY else BUY


def leave(stage: Stage, equity: float) -> None:
    """Take money of account 0 until its position's pool has so much equity; beside an isolated one there is none."""
    position, account = stage.position(0), stage.state["accounts"][0]
    mark = int(stage.state["contracts"][0]["mark_subticks"]) // 1000
    profit = mark * int(position["size_lots"]) * MICROS - int(position["entry_cost_micros"])
    before = int(account["cash_micros"]) + int(position["isolated_micros"])
    if position["margin_mode"] == MarginMode.ISOLATED:
        position["isolated_micros"], account["cash_micros"] = round(equity * MICROS) - profit, 0
    else:
        account["cash_micros"] = round(equity * MICROS) - profit
    after = int(account["cash_micros"]) + int(position["isolated_micros"])
    stage.state["withdrawals_micros"] += before - after


def without_marks(root: build.Rows) -> str:
    """The state's digest without the marks of orders that the venue made reduce-only."""
    marks = root[0]["details"]["made_reduce_only"]
    used = int(root[0]["orders_used"])
    kept = marks[:used].copy()
    marks[:used] = 0
    found = host.digest(root)
    marks[:used] = kept
    return found


def answer(stage: Stage) -> dict[str, Any]:
    """The answer to the last order command."""
    return stage.of(EventKind.ACCEPTED, EventKind.REJECTED, EventKind.AMENDED, EventKind.REPEATED)[0]


def outcome(stage: Stage) -> tuple[int, bool]:
    """The reason of a refusal or 0, and whether the venue made the order reduce-only."""
    row = answer(stage)
    assert bool(row["flags"] & MADE) <= bool(row["flags"] & REDUCES)
    invariants.check(stage.root)
    assert conserved(stage.state) == 0
    return row["reason"], bool(row["flags"] & MADE)


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("mark", [1000, 970, 1030])
def test_a_market_order_closes_a_whole_position_at_every_equity_above_maintenance(side: int, mark: int) -> None:
    """The known case: 10x, band 4.95 %, taker 0.05 %, maintenance 700; a plain sell was refused from 1493 to 1993."""
    price, seen = (mark - 1 if side == BUY else mark + 1), set()
    for equity in (*range(725, 2300, 50), 1493, 1993, 1994):
        stage = holding(equity, side, mark)
        stage.order(0, other(side), SIZE)
        reason, made = outcome(stage)
        fills = [(row["account_slot"], row["last_lots"], row["price_ticks"]) for row in stage.of(EventKind.FILL)]
        assert (reason, fills, stage.size(0)) == (0, [(1, SIZE, price), (0, SIZE, price)], 0), equity
        seen.add(made)
    assert seen == {True, False}


def test_the_known_case_to_the_unit() -> None:
    """A sell of 14 at 951 from the band's edge needs 1400 of margin, 686 of loss and 7 of fee: IM is that of 14,000."""
    for equity, made in ((1493, True), (1993, True), (2092.99, True), (2093, False)):
        stage = holding(equity)
        stage.order(0, SELL, SIZE)
        assert outcome(stage) == (0, made), equity


def test_only_what_lies_wholly_within_the_position_closes() -> None:
    for lots, expected in ((1, (0, True)), (SIZE, (0, True)), (SIZE + 1, (SHORT, False))):
        stage = holding(720)
        stage.order(0, SELL, lots)
        assert outcome(stage) == expected, lots
    stage.order(0, BUY, 1, 1000)
    assert outcome(stage) == (SHORT, False), "it does not close"


@pytest.mark.parametrize("flags", [0, REDUCES])
@pytest.mark.parametrize(("lots", "expected"), [(9, (0, True)), (10, (SHORT, False))])
def test_other_orders_of_its_side_take_their_part(flags: int, lots: int, expected: tuple[int, bool]) -> None:
    stage = holding(9000)
    stage.order(0, SELL, 5, 1040, flags=flags, cl_ord_id=1)
    stage.order(0, BUY, 7, 900)
    stage.order(0, SELL, 6, trigger_price_ticks=900, ord_type=OrdType.STOP_MARKET)
    leave(stage, 720)
    stage.order(0, SELL, lots, 1010)
    assert outcome(stage) == expected, "untriggered orders and those of the other side do not count"
    if expected[0]:
        stage.send(build.cancel(0, cl_ord_id=1))
        stage.order(0, SELL, lots, 1010)
        assert outcome(stage) == (0, True)


@pytest.mark.parametrize("fields", [
    {"price": 0}, {"price": 999}, {"price": 951}, {"price": 951, "tif": TimeInForce.IOC},
    {"price": 998, "tif": TimeInForce.FOK}, {"price": 1000, "tif": TimeInForce.FOK},
    {"price": 951, "flags": ExecInst.POST_ONLY}, {"price": 951, "flags": ExecInst.ICEBERG, "display_lots": 2},
    {"price": 1010, "flags": ExecInst.ICEBERG, "display_lots": 2}, {"price": 1010},
    {"price": 1010, "flags": ExecInst.POST_ONLY | ExecInst.REJECT_POST_ONLY},
    {"price": 999, "tif": TimeInForce.GTD, "expire_ns": build.START_NS + 3600 * build.SECOND},
    {"price": 999, "self_trade": 3}, {"price": 940},
])  # fmt: skip
@pytest.mark.parametrize("mode", list(MarginMode))
def test_every_kind_does_what_its_reduce_only_twin_does(fields: dict[str, Any], mode: MarginMode) -> None:
    """Bids are thin, so that some trades and some rests: the same reports and, but for the mark, the same state."""
    seen = set()
    for equity in (1, 8, 9.45, 9.46, 13, 300, 705, 1399.99):
        twin = []
        for extra in (0, REDUCES):
            stage = holding(equity, mode=mode)
            stage.send(build.command(K.MASS_CANCEL, account_slot=1, contract_slot=0, group=-1))
            for lots, price in ((3, 999), (6, 998), (1, 955)):
                stage.order(1, BUY, lots, price)
            stage.order(0, SELL, 9, **(fields | {"flags": fields.get("flags", 0) | extra}))
            reports = [row | {"flags": row["flags"] & ~MADE} for row in stage.of(*EventKind)]
            refusal = reports[0]["reason"] if reports[0]["kind"] == EventKind.REJECTED else 0
            twin.append((refusal, [] if refusal else reports, without_marks(stage.root)))
            seen.add(outcome(stage))
            assert outcome(stage)[1] == (not extra and not refusal)
        assert twin[0] == twin[1], equity
    assert fields["price"] in (940, 1000) or (0, True) in seen


def test_a_refusal_for_margin_means_that_nothing_could_be_filled() -> None:
    """The limit tightened to the bankruptcy price less the fee is 1000.5 at an equity of 0, above every bid."""
    stage = holding(0)
    stage.order(0, SELL, SIZE)
    assert outcome(stage) == (SHORT, False) and stage.size(0) == SIZE
    stage.order(0, SELL, SIZE, tif=TimeInForce.FOK)
    assert outcome(stage)[0] and stage.position(0)["reduce_only_lots"] == 0


def test_what_rests_is_cut_with_the_position() -> None:
    stage = holding(720)
    stage.order(0, SELL, 8, 1010, cl_ord_id=1)
    stage.order(0, SELL, 6, 1020, cl_ord_id=2)
    assert outcome(stage) == (0, True) and stage.position(0)["reduce_only_lots"] == SIZE
    stage.order(0, SELL, 4, flags=REDUCES)
    cut = [(row["cl_ord_id"], row["last_lots"], row["reason"]) for row in stage.of(EventKind.REDUCED)]
    assert cut == [(2, 4, Reason.REDUCE_ONLY_EXCESS)]
    stage.order(0, SELL, 1)
    assert outcome(stage) == (SHORT, False), "the resting ones take all that is left"


def test_a_triggered_order_is_made_reduce_only_when_it_is_judged_again() -> None:
    """A stop on all of the position and another on a part: what the first leaves decides about the second."""
    for lots, first, second in ((SIZE, EventKind.FILL, False), (SIZE + 1, EventKind.CANCELLED, True)):
        stage = holding(9000)
        stage.order(0, SELL, lots, ord_type=OrdType.STOP_MARKET, trigger_price_ticks=995, cl_ord_id=1)
        stage.order(0, SELL, 2, 1000, ord_type=OrdType.STOP_LIMIT, trigger_price_ticks=994, cl_ord_id=2)
        assert not made_flags(stage), "an order that waits holds no margin"
        leave(stage, 790)
        stage.index(994)
        row = next(row for row in stage.of(first) if row["cl_ord_id"] == 1)
        assert (row["last_lots"], bool(row["flags"] & MADE)) == (lots, not second)
        (rested,) = stage.of(EventKind.RESTED)
        assert (rested["cl_ord_id"], bool(rested["flags"] & MADE)) == (2, second)
        assert stage.position(0)["reduce_only_lots"] == (2 if second else 0)
        invariants.check(stage.root)


def made_flags(stage: Stage) -> list[int]:
    """Which reports so far say that the venue made an order reduce-only."""
    return [row["order_id"] for row in stage.history(*EventKind) if "order_id" in row and row["flags"] & MADE]


def test_an_amendment_is_judged_without_what_it_replaces() -> None:
    stage = holding(9000)
    stage.order(0, SELL, 4, 1040, cl_ord_id=2)
    stage.order(0, SELL, 6, 1040, cl_ord_id=1)
    leave(stage, 720)
    stage.send(build.amend(0, cl_ord_id=1, qty_lots=11))
    assert outcome(stage) == (SHORT, False) and stage.position(0)["sell_lots"] == 10
    stage.send(build.amend(0, cl_ord_id=1, qty_lots=10))
    assert outcome(stage) == (0, True)
    assert (stage.position(0)["sell_lots"], stage.position(0)["reduce_only_lots"]) == (4, 10)
    stage.send(build.amend(0, cl_ord_id=1, price_ticks=999))
    assert outcome(stage) == (0, True) and stage.size(0) == 4, "it stays reduce-only and trades"
    stage.send(build.amend(0, cl_ord_id=2, price_ticks=999))
    assert stage.size(0) == 0 and stage.position(0)["reduce_only_orders"] == 0


def test_a_repeat_of_what_was_made_reduce_only_is_a_repeat() -> None:
    stage = holding(720)
    stage.order(0, SELL, 3, 1010, cl_ord_id=1)
    stage.order(0, SELL, 3, 1010, cl_ord_id=2, flags=REDUCES)
    for cl_ord_id, flags, kind in ((1, 0, EventKind.REPEATED), (2, REDUCES, EventKind.REPEATED),
                                   (1, REDUCES, EventKind.REJECTED), (2, 0, EventKind.REJECTED)):  # fmt: skip
        stage.order(0, SELL, 3, 1010, cl_ord_id=cl_ord_id, flags=flags)
        assert answer(stage)["kind"] == kind, (cl_ord_id, flags)
        assert answer(stage)["reason"] in (0, Reason.DUPLICATE_ID)
    stage.send(build.amend(0, cl_ord_id=1, price_ticks=1011))
    stage.order(0, SELL, 3, 1011, cl_ord_id=1)
    assert answer(stage)["kind"] == EventKind.REPEATED and answer(stage)["flags"] & REDUCES


def test_a_lost_connection_takes_what_the_venue_made_reduce_only_and_keeps_what_the_client_did() -> None:
    """Also after an amendment; an eligibility that ends keeps both, because both only close."""
    for flags, kept in ((ExecInst.KEEP_PROTECTION, [2]), (0, [])):
        stage = holding(720)
        stage.order(0, SELL, 3, 1010, cl_ord_id=1)
        stage.order(0, SELL, 3, 1020, cl_ord_id=2, flags=REDUCES)
        stage.order(0, SELL, 2, 1030, cl_ord_id=3)
        stage.send(build.amend(0, cl_ord_id=3, price_ticks=1031))
        stage.send(build.mass_cancel(0, flags=flags))
        assert [row["cl_ord_id"] for row in stage.of(EventKind.CANCELLED)] == [n for n in (1, 2, 3) if n not in kept]
        assert stage.position(0)["reduce_only_lots"] == 3 * len(kept)
        invariants.check(stage.root)
    stage = holding(720)
    stage.order(0, SELL, 3, 1010, cl_ord_id=1)
    stage.send(build.account_set(0, A.RESTRICTION, Restriction.REDUCE_ONLY))
    assert stage.position(0)["reduce_only_lots"] == 3 and not stage.of(EventKind.CANCELLED)


def test_no_more_of_them_rest_than_reduce_only_orders_may() -> None:
    parameters = SHIPPED | {P.MAX_POSITION_LOTS: 10_000}
    stage = Stage((parameters,))
    for account, units in ((0, 100_000), (1, 10_000_000)):
        stage.deposit(account, units)
    stage.index(1000)
    stage.order(1, SELL, 100, 1000)
    stage.order(0, BUY, 100, 1000)
    leave(stage, 6000)
    for place in range(MAX_REDUCE_ONLY_ORDERS):
        stage.order(0, SELL, 1, 1010 + place)
        assert outcome(stage) == (0, True)
    stage.order(0, SELL, 1, 1010)
    assert outcome(stage) == (Reason.CAPACITY, False)
    stage.order(0, SELL, 1, 1010, flags=REDUCES)
    assert outcome(stage) == (Reason.CAPACITY, False)
    stage.order(1, BUY, 50, 999)
    for terms in ({"tif": TimeInForce.IOC}, {"tif": TimeInForce.FOK}, {"ord_type": OrdType.MARKET}):
        stage.order(0, SELL, 2, 999, **terms)
        assert outcome(stage) == (0, True), "what never rests needs no place"
        stage.order(0, SELL, 2, 999, flags=REDUCES, **terms)
        assert outcome(stage) == (0, False)
    assert stage.position(0)["size_lots"] == 100 - 6 * 2


def test_an_account_in_liquidation_is_not_let_in_by_this() -> None:
    stage = holding(9000)
    stage.send(build.command(K.MASS_CANCEL, account_slot=1, contract_slot=0, group=-1))
    leave(stage, 690)
    stage.now_ns = (stage.now_ns // build.SECOND + 1) * build.SECOND
    stage.order(0, SELL, 1, 1010)
    assert outcome(stage) == (Reason.ACCOUNT_IN_LIQUIDATION, False)
