"""No order is admitted that its margin could not carry in the worst case, and nobody gets beyond a limit.

The requirement is worked out again here, in plain Python from the order rows, after every order of generated flow that
came to rest: equity covers the initial margin of the larger side, the fees of every order and its loss to the mark.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from engine import invariants, step
from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, EventFlag, EventKind, ExecInst, MarginMode, Reason, Side
from engine.schema import EVENT
from tests import build
from tests.risk_flow import CONTRACTS, flow, start

COUNT = 2_500
MAX_POSITION_LOTS, MAX_EXPOSURE_MICROS = 900, 1_500_000_000
MAX_GROUP_LOTS = 2 * MAX_POSITION_LOTS
PPB = 10**9
GROUP_LIMIT = Reason.GROUP_POSITION_LIMIT


def resting(state: Any, position: Any) -> list[Any]:
    """A position's orders that may still open."""
    found, slot = [], int(position["own_head_slot"])
    while slot != -1:
        order = state["orders"][slot]
        if not int(order["flags"]) & (ExecInst.REDUCE_ONLY | ExecInst.CONDITIONAL):
            found.append(order)
        slot = int(state["own"][slot]["next_slot"])
    return found


def positions_of(state: Any, account: int) -> list[Any]:
    """An account's rows in all contracts."""
    rows = state["positions"][: int(state["positions_used"])]
    return [row for row in rows if int(row["account_slot"]) == account]


def value(contract: Any, subtick_lots: int) -> Fraction:
    """Micros of price x quantity."""
    return Fraction(subtick_lots * int(contract["micros_per_tick_lot"]), 1000)


def need(state: Any, position: Any) -> Fraction:
    """Initial margin, fees and loss of one contract, as the rulebook has them, unrounded."""
    contract = state["contracts"][int(position["contract_slot"])]
    mark, size = int(contract["mark_subticks"]), int(position["size_lots"])
    sums, loss = {Side.BUY: Fraction(0), Side.SELL: Fraction(0)}, Fraction(0)
    for order in resting(state, position):
        lots, distance = int(order["leaves_lots"]), int(order["loss_subticks"])
        price = int(order["price_ticks"]) * 1000 + (distance if order["side"] == Side.SELL else 0)
        sums[Side(int(order["side"]))] += value(contract, price * lots)
        loss += value(contract, distance * lots)
    held = value(contract, mark * abs(size))
    same, other = (Side.BUY, Side.SELL) if size >= 0 else (Side.SELL, Side.BUY)
    worst = max(held + sums[same], sums[other] - held)
    leverage = int(position["leverage"]) or int(contract["bracket_leverage"][0])
    leverage = min(leverage, int(contract["bracket_leverage"][0]))
    margin = worst / leverage - (held / leverage if position["margin_mode"] == MarginMode.ISOLATED else 0)
    return margin + sum(sums.values()) * int(contract["taker_fee_ppb"]) / PPB + loss


def equity(state: Any, account: int) -> Fraction:
    """Cash, collateral and unrealised profit of the cross pool."""
    row = state["accounts"][account]
    total = Fraction(int(row["cash_micros"]))
    for place, units in enumerate(row["collateral_units"].tolist()):
        asset = state["collateral"][place]
        worth = Fraction(units * int(asset["coin_micros"]) * int(asset["weight_ppb"]), 10**8 * PPB)
        total += min(worth, int(asset["limit_micros"]))
    for position in positions_of(state, account):
        if position["margin_mode"] == MarginMode.CROSS:
            contract = state["contracts"][int(position["contract_slot"])]
            total += value(contract, int(contract["mark_subticks"]) * int(position["size_lots"]))
            total -= int(position["entry_cost_micros"])
    return total


def worst_lots(state: Any, position: Any) -> int:
    """The largest size that a position can come to."""
    orders, size = resting(state, position), int(position["size_lots"])
    buys = sum(int(order["leaves_lots"]) for order in orders if order["side"] == Side.BUY)
    sells = sum(int(order["leaves_lots"]) for order in orders if order["side"] == Side.SELL)
    return max(size + buys, sells - size)


def exposure(state: Any, account: int) -> Fraction:
    """What an account could come to hold, at the mark."""
    total = Fraction(0)
    for position in positions_of(state, account):
        contract = state["contracts"][int(position["contract_slot"])]
        total += value(contract, int(contract["mark_subticks"]) * worst_lots(state, position))
    return total


def apply(root: Any, row: Any, ring: Any) -> Any:
    """One command and all that it causes."""
    done, found = 0, []
    while not done:
        done, written = step.apply_batch(root, row, ring)
        found.append(ring[:written].copy())
    return np.concatenate(found)


def limited() -> Any:
    """The generated exchange with limits that bind."""
    root, ring = start(), np.zeros(4096, EVENT)
    rows = [build.account_set(account, A.MAX_EXPOSURE_MICROS, MAX_EXPOSURE_MICROS) for account in range(4, 40)]
    rows += [build.account_set(account, A.GROUP, 1) for account in range(4, 12)]
    rows += [build.group_set(1, contract, MAX_GROUP_LOTS) for contract in range(CONTRACTS)]
    for row in rows:
        row["seq"], row["time_ns"] = int(root[0]["last_seq"]) + 1, build.START_NS
        apply(root, row, ring)
    return root


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_admitted_order_is_carried_and_within_the_limits(seed: int) -> None:
    root, ring, checked, refused = limited(), np.zeros(4096, EVENT), 0, 0
    state, commands = root[0], flow(seed, COUNT)
    commands["seq"] = int(state["last_seq"]) + 1 + np.arange(COUNT)
    for place in range(COUNT):
        events = apply(root, commands[place : place + 1], ring)
        for event in events[events["kind"] == EventKind.ACCEPTED]:
            flags, account = int(event["flags"]), int(event["account_slot"])
            if not flags & EventFlag.RESTING or flags & ExecInst.REDUCE_ONLY:
                continue
            positions = positions_of(state, account)
            assert equity(state, account) >= sum(need(state, position) for position in positions)
            if account >= 4:
                assert exposure(state, account) <= MAX_EXPOSURE_MICROS
            checked += 1
        refused += np.count_nonzero(events["reason"][events["kind"] == EventKind.REJECTED] == Reason.EXPOSURE_LIMIT)
    assert checked > 100
    assert refused > 0
    invariants.check(root)


@pytest.mark.parametrize("seed", [4, 5])
def test_groups_stay_within_their_limit(seed: int) -> None:
    """After every admitted order of a member, all members' worst cases added up are within the group's limit."""
    root, ring, checked, refused = limited(), np.zeros(4096, EVENT), 0, 0
    state, commands = root[0], flow(seed, COUNT)
    opens = commands["kind"] == CommandKind.NEW
    commands["account_slot"][opens] = np.where(
        commands["account_slot"][opens] >= 4, 4 + commands["account_slot"][opens] % 8, commands["account_slot"][opens]
    )
    commands["seq"] = int(state["last_seq"]) + 1 + np.arange(COUNT)
    for place in range(COUNT):
        events = apply(root, commands[place : place + 1], ring)
        for event in events[events["kind"] == EventKind.ACCEPTED]:
            account, contract = int(event["account_slot"]), int(event["contract_slot"])
            if not 4 <= account < 12 or int(event["flags"]) & ExecInst.REDUCE_ONLY:
                continue
            held = [row for member in range(4, 12) for row in positions_of(state, member)]
            total = sum(worst_lots(state, row) for row in held if int(row["contract_slot"]) == contract)
            assert total <= MAX_GROUP_LOTS
            checked += 1
        refused += np.count_nonzero(events["reason"][events["kind"] == EventKind.REJECTED] == GROUP_LIMIT)
    assert checked > 50
    assert refused > 0
