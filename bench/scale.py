"""What an order costs against how many contracts, accounts and resting orders there are, and what such memory costs.

Of each curve all points take turns. A load that depends on the one before it, somewhere in an area of memory, is the
yardstick: it shows how much of a curve's rise one or two lines that are not in a cache explain.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit

from bench.cancel import RestingBook, resting_book
from bench.engine_runner import EngineRunner, Rows
from bench.measurement import Measurement, Plan, Spread
from bench.risk import Market, flow

CONTRACTS, ACCOUNTS = (1, 16, 256), (1_000, 10_000, 100_000, 1_000_000)
RESTING = (1_000, 10_000, 100_000, 1_000_000, 4_000_000)
AREAS = tuple(1 << bits for bits in (15, 18, 21, 24, 27, 29))
SHARED_ACCOUNTS = 16_384
"""How many accounts trade in all contracts together."""
ROUNDS = 100
"""Batches of cancels and new orders in a turn."""
LINE_BYTES = 64
STEPS = 1_000_000


@dataclass(frozen=True)
class Point:
    """One point of a curve: a turn measures nanoseconds a command."""

    curve: str
    size: int
    workload: str
    turn: Callable[[], float]
    digest: Callable[[], str]


def scale(plan: Plan) -> list[Measurement]:
    """Every curve, one after the other, so that one's states are gone before the next one's are made."""
    found = []
    for make in (_contracts, _accounts, _resting, _memory):
        points = make(plan)
        taken: list[list[float]] = [[] for _ in points]
        for turn in range(plan.runs):
            for point, values in zip(points, taken, strict=True):
                plan.progress(f"{point.curve} {point.size:,}, turn {turn + 1} of {plan.runs}")
                values.append(point.turn())
        smallest = Spread.of(taken[0]).median
        found += [_figure(point, values, smallest, plan.seed) for point, values in zip(points, taken, strict=True)]
    return found


def _figure(point: Point, values: list[float], smallest: float, seed: int) -> Measurement:
    spread = Spread.of(values)
    note = f"median of {len(values)} turns, {spread} ns; {spread.median / smallest:.2f} times the smallest size"
    name = f"scale-{point.curve}-{point.size}"
    return Measurement(name, round(spread.median, 1), "ns", point.workload, seed, point.digest(), note=note)


# --- orders of accounts -------------------------------------------------------------------------------------------


class Chunks:
    """A market and commands for it, of which each turn takes the next part. The first part is not measured."""

    def __init__(self, plan: Plan, accounts: int, contracts: int) -> None:
        self._market = Market(accounts, accounts, contracts=contracts)
        self._rows_per_turn = plan.size(1_000, 100_000)
        self._rows = flow(plan.seed, (plan.runs + 1) * self._rows_per_turn, accounts, contracts)
        self._rows["seq"] = self._market.seq + 1 + np.arange(len(self._rows))
        self._rows["time_ns"] = self._market.now_ns
        self._next = 0
        self.turn()

    @property
    def runner(self) -> EngineRunner:
        """The engine's state."""
        return self._market.runner

    def turn(self) -> float:
        """Apply the next part: nanoseconds a command."""
        first, self._next = self._next, self._next + self._rows_per_turn
        return 1e9 / self.runner.apply(self._rows[first : self._next]).rate


def _contracts(plan: Plan) -> list[Point]:
    sizes, accounts = (CONTRACTS, SHARED_ACCOUNTS) if plan.full else (CONTRACTS[:2], 256)
    return [_of_accounts(plan, "contracts", size, accounts, size) for size in sizes]


def _accounts(plan: Plan) -> list[Point]:
    return [_of_accounts(plan, "accounts", size, size, 1) for size in (ACCOUNTS if plan.full else (100, 1_000))]


def _of_accounts(plan: Plan, curve: str, size: int, accounts: int, contracts: int) -> Point:
    plan.progress(f"opening {accounts:,} accounts in {contracts:,} contracts")
    chunks = Chunks(plan, accounts, contracts)
    workload = (
        f"orders and cancels of {accounts:,} accounts, each with a position in one of {contracts:,} contracts, "
        "everything on, in batches of 512"
    )
    return Point(curve, size, workload, chunks.turn, chunks.runner.digest)


# --- resting orders -----------------------------------------------------------------------------------------------


def _resting(plan: Plan) -> list[Point]:
    points = []
    for size in RESTING if plan.full else (1_000, 4_000):
        plan.progress(f"entering {size:,} orders")
        book = resting_book(size, plan.seed)
        workload = f"a cancel among {size:,} resting orders and a new order, each half, in batches of 512; no margin"
        turn = partial(_exchange, book, plan.size(4, ROUNDS))
        points.append(Point("resting", size, workload, turn, book.runner.digest))
    return points


def _exchange(book: RestingBook, rounds: int) -> float:
    """Nanoseconds a command of the median round."""
    return float(np.median([sum(book.exchange_some()) / 2 for _ in range(rounds)]))


# --- memory -------------------------------------------------------------------------------------------------------


@njit
def _follow(links: Rows, steps: int) -> int:
    """The place after so many steps: each load waits for the one before."""
    place = 0
    for _ in range(steps):
        place = links[place]
    return place


def _memory(plan: Plan) -> list[Point]:
    return [_area(plan, size) for size in (AREAS if plan.full else AREAS[:2])]


def _area(plan: Plan, size: int) -> Point:
    """One chain through every line of an area, in an order drawn by the seed."""
    lines, words = size // LINE_BYTES, LINE_BYTES // 8
    order = np.random.default_rng(plan.seed).permutation(lines) * words
    links = np.zeros(lines * words, np.int64)
    links[order] = np.roll(order, -1)
    steps = plan.size(1_000, STEPS)
    _follow(links, 1)

    def turn() -> float:
        begun = time.perf_counter_ns()
        _follow(links, steps)
        return (time.perf_counter_ns() - begun) / steps

    workload = f"a load that waits for the load before, anywhere in {size:,} bytes"
    digest = hashlib.sha256(links.tobytes()).hexdigest
    return Point("memory", size, workload, turn, digest)
