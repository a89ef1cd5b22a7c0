"""Nothing wraps: the largest contract that may be listed, filled to its limits, against sums in big integers."""

from typing import Any

import pytest

from engine import invariants
from engine.codes import CommandKind, EventKind, ExecInst, Reason, TimeInForce
from engine.codes import ContractParameter as P
from engine.schema import STATE
from engine.units import JIT, MAX_LOTS, MAX_NOTIONAL_SUBMICROS, MAX_POSITION_LOTS, MAX_SOURCE_WEIGHT, MAX_TICKS
from tests import build
from tests import perpetual as p
from tests.build import BUY, SELL
from tests.pair import Pair
from tests.perpetual import Bench
from tests.stage import WORKED, Stage, conserved

TOP = MAX_TICKS * 1000
"""The largest price in subticks."""
PPB = 10**9
INT64 = 1 << 63
UNITS = (1, 1000, 10**6)


def most_lots(unit: int) -> int:
    """The largest position limit that listing accepts at the largest price."""
    return MAX_NOTIONAL_SUBMICROS // (TOP * unit)


def ceil_div(number: int, divisor: int) -> int:
    """Division rounded up."""
    return -(-number // divisor)


def largest(unit: int, size: int, mark: int = TOP) -> tuple[Bench, Any]:
    """A position of this size with nothing of its own, in the largest contract."""
    bench = Bench(1, 1)
    bench.contract["micros_per_tick_lot"], bench.contract["max_price_ticks"] = unit, MAX_TICKS
    bench.contract["mark_subticks"], bench.contract["taker_fee_ppb"] = mark, 500_000
    row = bench.hold(0, 0)
    row["size_lots"] = size
    return bench, row


def test_all_sources_at_the_largest_weight_and_price() -> None:
    bench = Bench(1, 1)
    for place in range(8):
        row = bench.contract["source"][place]
        row["weight"], row["price_subticks"], row["time_ns"] = MAX_SOURCE_WEIGHT, TOP, 10
    assert 8 * MAX_SOURCE_WEIGHT * TOP < INT64
    assert p.index(bench.root, 0) == TOP


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("mark", [TOP, TOP // 3, 1000])
def test_margin_of_the_largest_position_with_the_most_orders(unit: int, sign: int, mark: int) -> None:
    """Orders of the other side up to the limit and reduce-only ones of the same size, all at the largest price."""
    most = most_lots(unit)
    size = sign * most
    bench, row = largest(unit, size, mark)
    other = "sell" if sign > 0 else "buy"
    row[f"{other}_subtick_lots"], row["loss_subtick_lots"] = most * TOP, most * (TOP - mark)
    row[f"{other}_lots"] = row["reduce_only_lots"] = most
    entry = most * MAX_TICKS * unit * sign
    row["entry_cost_micros"] = entry
    held = ceil_div(mark * most * unit, 1000)
    orders = ceil_div(most * TOP * unit, 1000)
    worst = max(held, orders - held)
    assert p.notional(bench.root, 0, size) == held
    assert p.maintenance(bench.root, 0, size) == ceil_div(held * 50_000_000, PPB)
    fees = ceil_div(orders * 500_000, PPB)
    loss = ceil_div(most * (TOP - mark) * unit, 1000)
    assert p.requirement(bench.root, 0) == ceil_div(worst, 10) + fees + loss
    assert p.cross_equity(bench.root, 0) == mark * size * unit // 1000 - entry
    assert 1 <= p.close_price(bench.root, size, p.cross_equity(bench.root, 0)) <= MAX_TICKS


def test_listing_stops_at_the_bound() -> None:
    """Two contracts of half the bound fill it; a lot more of either is refused, and so is a third."""
    half = WORKED | {P.MICROS_PER_TICK_LOT: 1, P.MAX_PRICE_TICKS: 1 << 20, P.MAX_ORDER_LOTS: 1}
    lots = (MAX_NOTIONAL_SUBMICROS // 2) // (1000 << 20)
    stage = Stage((half | {P.MAX_POSITION_LOTS: lots}, half | {P.MAX_POSITION_LOTS: lots}), accounts=1)
    assert [int(stage.state["contracts"][slot]["state"]) for slot in range(2)] == [1, 1]
    stage.send(build.contract_set(1, P.MAX_POSITION_LOTS, lots + MAX_NOTIONAL_SUBMICROS // (1000 << 20) % 2 + 1))
    assert stage.of(EventKind.REFUSED)[0]["reason"] == Reason.BAD_RANGE
    for rows in build.listed(2, WORKED):
        stage.send(rows)
    assert stage.of(EventKind.REFUSED)[0]["reason"] == Reason.BAD_RANGE


def test_the_largest_contract_traded_to_its_limits() -> None:
    """A full position, orders of the limit against it, reduce-only ones beside: no limit is passed, no sum wraps."""
    most = most_lots(1)
    limits = {P.MAX_ORDER_LOTS: most, P.MAX_POSITION_LOTS: most, P.TAKER_FEE_PPB: 500_000, P.BAND_PPB: 49_000_000}
    stage = Stage((WORKED | {P.MICROS_PER_TICK_LOT: 1, P.MAX_PRICE_TICKS: MAX_TICKS} | limits,), accounts=3)
    for account in range(3):
        stage.send(build.deposit(account, (1 << 60) // 3))
    mark = MAX_TICKS * 100 // 104
    stage.index(mark)
    stage.order(1, SELL, most, mark)
    stage.order(0, BUY, most, mark)
    stage.order(0, SELL, most, MAX_TICKS, flags=ExecInst.REDUCE_ONLY)
    stage.order(0, SELL, most, MAX_TICKS)
    assert int(stage.position(0)["sell_subtick_lots"]) == most * TOP
    for account, side in ((0, SELL), (0, BUY), (1, SELL)):
        stage.order(account, side, 1, mark)
        assert [report["reason"] for report in stage.of(EventKind.REJECTED)] == [Reason.POSITION_LIMIT]
    stage.order(2, BUY, most, MAX_TICKS, tif=TimeInForce.FOK)
    assert (stage.size(0), stage.size(1), stage.size(2)) == (0, -most, most)
    stage.order(1, BUY, most, MAX_TICKS, tif=TimeInForce.FOK)
    assert (stage.size(0), stage.size(1), stage.size(2)) == (-most, 0, most)
    stage.index(1)
    stage.settle()
    invariants.check(stage.root)
    assert conserved(stage.state) == 0


@pytest.mark.skipif(not JIT, reason="plain Python warns where a sum that nobody reads wraps")
def test_without_money_the_largest_prices_and_quantities_are_counted_exactly() -> None:
    """A recorded market's tick on a lot is worth nothing: no sum of money grows, quantities have their own bound."""
    limits = {P.MAX_PRICE_TICKS: MAX_TICKS, P.MAX_ORDER_LOTS: MAX_LOTS, P.MAX_POSITION_LOTS: MAX_POSITION_LOTS}
    pair = Pair()
    pair.play(build.venue(contract=build.WITHOUT_MONEY | limits))
    most = MAX_POSITION_LOTS // MAX_LOTS
    for number in range(1, most + 2):
        pair.play([build.new(0, SELL, MAX_LOTS, MAX_TICKS - number, cl_ord_id=number)])
    assert int(pair.root[0]["contracts"][0]["open_interest_lots"]) == 0
    for number in range(1, most + 1):
        pair.play([build.new(1, BUY, MAX_LOTS, MAX_TICKS, cl_ord_id=number)])
    pair.play([build.new(1, BUY, 1, 1, cl_ord_id=99)])
    state = pair.root[0]
    assert int(state["contracts"][0]["open_interest_lots"]) == MAX_POSITION_LOTS, "what is beyond it was refused"
    assert int(state["contracts"][0]["trade_serial"]) == most
    assert {int(account["cash_micros"]) for account in state["accounts"][:4]} == {1 << 52}
    invariants.check(pair.root)


@pytest.mark.parametrize("amount", [-INT64, -INT64 + 1, -(1 << 60) - 1, (1 << 60) + 1, INT64 - 1])
def test_transfer_of_an_amount_whose_size_does_not_fit(amount: int) -> None:
    """The smallest integer has no positive counterpart: a check of its absolute value would let it pass."""
    stage = Stage(accounts=2)
    for account in range(2):
        stage.deposit(account, 1_000_000)
    stage.index(2000)
    stage.send(build.directive(CommandKind.SET_MARGIN_MODE, account_slot=0, contract_slot=0, value=1))
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    stage.send(build.directive(CommandKind.TRANSFER, account_slot=0, contract_slot=0, amount_micros=amount))
    assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.BAD_AMOUNT]
    invariants.check(stage.root)


@pytest.mark.parametrize("name", ["orders", "own"])
def test_nothing_lies_where_a_row_at_nil_would(name: str) -> None:
    """Queues are linked without asking for their ends, so what lies right before their first row is written to."""
    assert STATE.fields is not None
    rows, start = STATE.fields[name][:2]
    ends = [offset + field.itemsize for field, offset, *_ in STATE.fields.values() if offset < start]
    assert max(ends) <= start - rows.base.itemsize
