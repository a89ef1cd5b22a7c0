"""The straight path of plain orders is a short cut and no more: without it the same commands give the same."""

import ast
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import step
from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, EventKind, ExecInst, MarketState, OrdType, Reason, Side, TimeInForce
from engine.codes import ContractParameter as P
from engine.schema import COMMAND
from engine.units import JIT
from tests.build import (
    CENTRE_TICKS,
    PLAIN_CONTRACT,
    START_NS,
    account_set,
    amend,
    contract_state,
    listed,
    new,
    opened,
    person,
)
from tests.flow import ACCOUNTS, CONTRACTS, Mix, flow, stage
from tests.pair import RING_ROWS, Pair, Script
from tests.test_model import batches, outcome

ROOT = Path(__file__).parents[1]
COMMANDS = 500
BY_ITSELF = "import tests.test_straight_path as t; t.compare_both_paths(); print(sorted(t.seen))"
seen: set[tuple[int, int]] = set()
"""Which kinds of command took the straight path, and how many commands at once; 0: they did not."""


def _fleeting(rng: np.random.Generator) -> Script:
    """An order that the next command cancels, or the one after an amendment, near the others or far from them.

    Now and then it is only almost that.
    """
    new, cancel = np.zeros(1, COMMAND), np.zeros(1, COMMAND)
    side, far = int(rng.integers(1, 3)), int(rng.choice([0, 3, 60, 700, 4000]))
    new["kind"], new["ord_type"], new["tif"], new["side"] = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC, side
    new["qty_lots"], new["price_ticks"] = (
        2 * rng.integers(1, 9),
        CENTRE_TICKS + (2 * side - 3) * (far + rng.integers(9)),
    )
    new["contract_slot"], new["tif"] = rng.integers(CONTRACTS), rng.choice([TimeInForce.GTC] * 9 + [TimeInForce.IOC])
    cancel["kind"], cancel["reason"] = CommandKind.CANCEL, rng.choice([0, 1313])
    for rows in (new, cancel):
        rows["cl_ord_id"], rows["person"] = 100 + rng.integers(200), 1
        rows["account_slot"] = rng.integers(ACCOUNTS)
    if rng.random() < 0.9:
        cancel["cl_ord_id"] = new["cl_ord_id"]
    if rng.random() < 0.9:
        cancel["account_slot"] = new["account_slot"]
    if rng.random() < 0.4:
        return [new, cancel]
    amend = cancel.copy()
    amend["kind"], amend["reason"] = CommandKind.AMEND, 0
    amend["qty_lots"] = rng.choice([0, new["qty_lots"][0], 2, 30])
    amend["flags"] = rng.choice([0, ExecInst.QTY_IS_LEAVES, ExecInst.FORFEIT_PRIORITY])
    if rng.random() < 0.7:
        amend["price_ticks"] = rng.choice([new["price_ticks"][0], CENTRE_TICKS]) + rng.choice([-64, -5, 0, 5, 64, 4096])
    return [new, amend, cancel]


def _sent(seed: int, mix: Mix, fleeting: float = 0.2) -> Script:
    pair, rng = Pair(), np.random.default_rng(seed)
    pair.play(stage())
    for item in flow(seed, COMMANDS, mix):
        pair.play([item])
        if rng.random() < fleeting:
            pair.play(_fleeting(rng))
    return list(pair.sent)


def _watched(s: Any, address: Any, index: int, *further: Any) -> int:
    done = int(_STRAIGHT(s, address, index, *further))
    seen.add((int(address["kind"][index]), done))
    return done


def _never(s: Any, address: Any, index: int, *further: Any) -> int:
    return 0


_STRAIGHT = step._straight


@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 32),
    size=st.sampled_from([1, 7, 512]),
    ring_rows=st.sampled_from([128, RING_ROWS]),
    spread_ticks=st.sampled_from([3, 12]),
)
def compare_both_paths(seed: int, size: int, ring_rows: int, spread_ticks: int) -> None:
    """Events and digest of the same script, with the straight path and without; the JIT has to be off."""
    sent = batches(_sent(seed, Mix(spread_ticks=spread_ticks, conditional=0.1, cancels=0.3, amends=0.2)), size)
    with mock.patch.object(step, "_straight", _watched):
        short = outcome(sent, ring_rows)
    with mock.patch.object(step, "_straight", _never):
        assert outcome(sent, ring_rows) == short


@pytest.mark.skipif(not JIT, reason="the JIT is off in this run: the suite calls the comparison itself")
def test_the_straight_path_gives_what_the_full_path_gives() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", BY_ITSELF], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    kinds = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL)
    ways = {(int(kind), 1) for kind in kinds} | {(int(kind), 0) for kind in kinds[:2]} | {(int(CommandKind.NEW), 2)}
    assert ways <= set(ast.literal_eval(done.stdout))


@pytest.mark.parametrize("size", [3, 7, 512])
def test_an_order_that_the_next_command_cancels_leaves_what_any_other_leaves(size: int) -> None:
    """One command at a time the two are never done at once."""
    sent = _sent(11, Mix(spread_ticks=12, conditional=0.0, cancels=0.1, amends=0.2), 1.0)
    apart = outcome(sent, RING_ROWS)
    for ring_rows in (128, RING_ROWS):
        assert outcome(batches(sent, size), ring_rows) == apart


def test_a_person_may_forget_between_an_order_and_its_amendment() -> None:
    """A person's lapse is worked off at the next whole second; an amendment asks for their knowledge before that."""
    pair, until_ns = Pair(), START_NS + 1_500_000_000
    pair.play([person(1, until_ns), *opened(0), *listed(0, PLAIN_CONTRACT)])
    new, amend, cancel = (np.zeros(1, COMMAND) for _ in range(3))
    for rows in (new, amend, cancel):
        rows["cl_ord_id"], rows["person"] = 7, 1
    new["kind"], new["ord_type"], new["tif"], new["side"] = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC, Side.BUY
    new["qty_lots"], new["price_ticks"] = 4, CENTRE_TICKS
    amend["kind"], amend["price_ticks"], cancel["kind"] = CommandKind.AMEND, CENTRE_TICKS + 1, CommandKind.CANCEL
    for second_ns in (0, 1_000_000_000):  # the first round leaves the rows that the next one passes by
        for rows, after_ns in ((new, 100_000_000), (amend, 600_000_000), (cancel, 700_000_000)):
            rows["time_ns"] = START_NS + second_ns + after_ns
            reports = pair.send(rows.copy())
            if rows is amend:
                assert [report["reason"] for report in reports if report["kind"] == EventKind.REJECTED] == (
                    [Reason.DERIVATIVES_KNOWLEDGE_REQUIRED] if second_ns else []
                )
    assert outcome(batches(pair.sent, len(pair.sent)), RING_ROWS) == outcome(pair.sent, RING_ROWS)


def _one_after_the_other() -> Script:
    """Runs of orders of one account, which go past each limit, each a command of its own."""
    ids, rows = itertools.count(1), []

    def place(orders: int, account: int, side: int, lots: int, price_ticks: int, **fields: int) -> None:
        for _ in range(orders):
            rows.append(new(account, side, lots, price_ticks, cl_ord_id=next(ids), **fields))

    place(8, 0, Side.BUY, 3, CENTRE_TICKS - 5)  # six may be open
    place(10, 1, Side.BUY, 50, CENTRE_TICKS - 7)  # eight make the largest position
    place(10, 1, Side.SELL, 50, CENTRE_TICKS + 7)
    place(3, 2, Side.SELL, 30, CENTRE_TICKS - 7)  # trades
    place(4, 1, Side.BUY, 50, CENTRE_TICKS - 8)
    place(2, 2, Side.BUY, 51, CENTRE_TICKS - 9)
    place(2, 2, Side.BUY, 5, 100_001)
    others = {"contract_slot": 1}, {"person": 3}, {"account_slot": 7}, {"flags": ExecInst.POST_ONLY}, {"person": 2}
    for other in others:
        place(1, 2, Side.SELL, 5, CENTRE_TICKS + 9)
        place(2, 2, Side.SELL, 5, CENTRE_TICKS + 9, **other)
    for millisecond in (1400, 1600):  # what this person knows ends between them, and is looked at a second later
        place(2, 2, Side.SELL, 5, CENTRE_TICKS + 9, person=2, time_ns=START_NS + millisecond * 1_000_000)
    return rows


def test_an_account_that_goes_on_meets_its_limits_where_they_are() -> None:
    """In one batch its further orders are hardly asked anything, one at a time each is asked everything."""
    pair, contract = Pair(), PLAIN_CONTRACT | {P.MAX_ORDER_LOTS: 50, P.MAX_POSITION_LOTS: 400}
    pair.play([person(1), person(2, START_NS + 1_500_000_000)])
    for account in range(3):
        pair.play(opened(account))
    pair.play([account_set(0, A.MAX_OPEN_ORDERS, 6), *listed(0, contract), *listed(1, contract)])
    reasons = set()
    for rows in _one_after_the_other():
        reports = pair.send(rows)
        reasons |= {int(report["reason"]) for report in reports if report["kind"] == EventKind.REJECTED}
    assert reasons == {
        Reason.TOO_MANY_ORDERS,
        Reason.POSITION_LIMIT,
        Reason.QTY_TOO_LARGE,
        Reason.BAD_TICK,
        Reason.DERIVATIVES_KNOWLEDGE_REQUIRED,
        Reason.UNKNOWN_ACCOUNT,
    }
    for size in (2, 3, len(pair.sent)):
        assert outcome(batches(pair.sent, size), RING_ROWS) == outcome(pair.sent, RING_ROWS)


_LIMITS = PLAIN_CONTRACT | {P.MAX_ORDER_LOTS: 50, P.MAX_POSITION_LOTS: 400}


def _amended() -> tuple[Script, int]:
    """Amendments bring an account to its largest position."""
    rows = [new(0, Side.BUY, 1, CENTRE_TICKS - 20, cl_ord_id=number) for number in range(1, 9)]
    rows += [amend(0, cl_ord_id=number, qty_lots=50, price_ticks=CENTRE_TICKS - 20) for number in range(1, 9)]
    return [*rows, new(0, Side.BUY, 1, CENTRE_TICKS - 20, cl_ord_id=9)], Reason.POSITION_LIMIT


def _filled() -> tuple[Script, int]:
    """Trades do."""
    rows = [new(number % 2, Side.BUY, 50, CENTRE_TICKS, cl_ord_id=number) for number in range(1, 10)]
    rows += [new(2, Side.SELL, 50, CENTRE_TICKS, cl_ord_id=number) for number in range(11, 20)]
    return rows, Reason.POSITION_LIMIT


def _off_the_path() -> tuple[Script, int]:
    """Orders that are not plain do."""
    rows = [new(0, Side.BUY, 50, CENTRE_TICKS - 20, cl_ord_id=1)]
    rows += [new(0, Side.BUY, 50, CENTRE_TICKS - 20, cl_ord_id=at, flags=ExecInst.POST_ONLY) for at in range(2, 9)]
    return [*rows, new(0, Side.BUY, 1, CENTRE_TICKS - 20, cl_ord_id=9)], Reason.POSITION_LIMIT


def _halted() -> tuple[Script, int]:
    """The contract is halted between two orders."""
    rows = [new(0, Side.BUY, 1, CENTRE_TICKS - 20, cl_ord_id=number) for number in range(1, 5)]
    return [*rows[:2], contract_state(0, MarketState.HALTED), *rows[2:]], Reason.MARKET_HALTED


def _fewer_orders() -> tuple[Script, int]:
    """The account may have fewer orders from there on."""
    rows = [new(0, Side.BUY, 1, CENTRE_TICKS - 20, cl_ord_id=number) for number in range(1, 5)]
    return [*rows[:2], account_set(0, A.MAX_OPEN_ORDERS, 2), *rows[2:]], Reason.TOO_MANY_ORDERS


def _forgetful() -> tuple[Script, int]:
    """The person has no knowledge from there on."""
    rows = [new(0, Side.BUY, 1, CENTRE_TICKS - 20, cl_ord_id=number) for number in range(1, 5)]
    return [*rows[:2], person(1, START_NS - 1), *rows[2:]], Reason.DERIVATIVES_KNOWLEDGE_REQUIRED


def _many_ids() -> tuple[Script, int]:
    """The table of client ids grows in the midst of a run."""
    return [new(0, Side.BUY, 1, CENTRE_TICKS - 20, cl_ord_id=number) for number in range(1, 41)], Reason.NONE


def _many_levels() -> tuple[Script, int]:
    """Each order has a price far from the others, until nothing is left for one more."""
    rows = [new(0, Side.BUY, 1, 450 * number, cl_ord_id=number) for number in range(1, 202)]
    return rows, Reason.CAPACITY


@pytest.mark.parametrize(
    "script", [_amended, _filled, _off_the_path, _halted, _fewer_orders, _forgetful, _many_ids, _many_levels]
)
def test_what_is_kept_of_an_account_ends_where_it_no_longer_holds(script: Callable[[], tuple[Script, int]]) -> None:
    pair, (rows, last_reason) = Pair(), script()
    pair.play([person(1), *itertools.chain.from_iterable(map(opened, range(3))), *listed(0, _LIMITS)])
    reports: list[Any] = []
    for row in rows:
        reports = pair.send(row)
    refused = [report["reason"] for report in reports if report["kind"] == EventKind.REJECTED]
    assert refused == ([last_reason] if last_reason else [])
    for size in (2, 3, len(pair.sent)):
        assert outcome(batches(pair.sent, size), RING_ROWS) == outcome(pair.sent, RING_ROWS)


@pytest.mark.skipif(JIT, reason="the JIT is on in this run: the comparison is made by a process of its own")
def test_the_paths_agree_in_plain_python() -> None:
    compare_both_paths()
