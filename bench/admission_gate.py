"""What rows 1 to 15 of the admission ladder cost an order that passes them: the same loop with and without them."""

import statistics
import time

import numpy as np

from bench.measurement import BenchError, Measurement, Plan
from bench.risk import PERSON, Market
from engine import admission
from engine.codes import OrdType, Reason, Side, TimeInForce
from engine.kernels import entry

PAIRS = 21
"""Rounds with and without the rows take turns; the median of their differences counts."""


@entry
def _with_rows(root, accounts, rounds):
    s = root[0]
    refused = np.int64(0)
    for turn in range(rounds):
        s.taker.account_slot = turn & (accounts - 1)
        if admission.gate_reason(s) != Reason.NONE:
            refused += 1
    return refused


@entry
def _without_rows(root, accounts, rounds):
    s = root[0]
    refused = np.int64(0)
    for turn in range(rounds):
        s.taker.account_slot = turn & (accounts - 1)
        if s.taker.account_slot < 0:
            refused += 1
    return refused


def rows_1_to_15(plan: Plan) -> list[Measurement]:
    """Nanoseconds that an eligible individual's order in an open market pays for all rows about who may trade."""
    accounts, rounds = plan.size(256, 1024), plan.size(10_000, 2_000_000)
    market = Market(accounts, accounts)
    taker = market.state["taker"]
    taker["contract_slot"], taker["person"], taker["flags"] = 0, PERSON, 0
    taker["side"], taker["ord_type"], taker["tif"] = Side.BUY, OrdType.LIMIT, TimeInForce.GTC
    differences = []
    for pair in range(PAIRS + 1):
        plan.progress(f"pair {pair} of {PAIRS}")
        begun = time.perf_counter_ns()
        refused = _with_rows(market.runner.root, accounts, rounds)
        between = time.perf_counter_ns()
        refused += _without_rows(market.runner.root, accounts, rounds)
        ended = time.perf_counter_ns()
        if refused != 0:
            raise BenchError("an eligible order was refused")
        differences.append(((between - begun) - (ended - between)) / rounds)
    differences = differences[1:]
    return [
        Measurement(
            name="rows-1-to-15",
            value=round(statistics.median(differences), 3),
            unit="ns",
            workload=f"{rounds:,} orders of {accounts:,} eligible individuals, the rows of who may trade alone",
            seed=None,
            digest=market.runner.digest(),
            note=f"median of {PAIRS} paired differences: {min(differences):.2f} to {max(differences):.2f} ns",
        )
    ]
