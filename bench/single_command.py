"""What one command costs when it is alone in its batch, called from Python."""

import time

import numpy as np

from bench.engine_runner import EngineRunner, Rows, market
from bench.measurement import Measurement, Plan, best_of, percentiles
from engine import step
from engine.codes import CommandKind, OrdType, Side, TimeInForce
from engine.host import Engine
from engine.recordings.batches import ContractSpec
from engine.row_access import address_of
from engine.schema import COMMAND

SPEC = ContractSpec("CALLS")
CALLS = 1_000
"""Calls of a run; a multiple of two, so that it ends with an empty book."""


def pair(first_seq: int) -> Rows:
    """A new order and its cancel, a row each, over and over."""
    commands = np.zeros(CALLS, COMMAND)
    commands["seq"] = np.arange(first_seq, first_seq + CALLS)
    commands["kind"] = np.where(np.arange(CALLS) % 2, CommandKind.CANCEL, CommandKind.NEW)
    commands["cl_ord_id"] = np.arange(CALLS) // 2 + 1
    news = commands["kind"] == CommandKind.NEW
    commands["side"][news], commands["ord_type"][news], commands["tif"][news] = Side.BUY, OrdType.LIMIT, TimeInForce.GTC
    commands["price_ticks"][news], commands["qty_lots"][news] = 1000, 10
    return commands


class Calls:
    """Makes CALLS calls, one command each, of the kernel or of the engine's object."""

    def __init__(self) -> None:
        self.runner, self.next_seq = market(SPEC)
        self.runner = EngineRunner(self.runner.root, CALLS)

    def kernel(self) -> Rows:
        """Nanoseconds of each call of `apply_rows`."""
        runner = self.runner
        runner.batch[:] = pair(self.next_seq)
        self.next_seq += CALLS
        rows = [runner.batch[place : place + 1] for place in range(CALLS)]
        addresses = [address_of(row) for row in rows]
        took, clock, apply_rows = np.zeros(CALLS, np.int64), time.perf_counter_ns, step.apply_rows
        root, ring, ring_rows = runner.root, runner.ring_address, len(runner.ring)
        for place, address in enumerate(addresses):
            begun = clock()
            apply_rows(root, address, 1, ring, ring_rows)
            took[place] = clock() - begun
        return took

    def engine(self) -> Rows:
        """Nanoseconds of each call of `Engine.submit`, which checks the numbering and hands out the events."""
        engine = Engine(self.runner.root)
        commands = pair(self.next_seq)
        self.next_seq += CALLS
        rows = [commands[place : place + 1] for place in range(CALLS)]
        took, clock, submit = np.zeros(CALLS, np.int64), time.perf_counter_ns, engine.submit
        for place, row in enumerate(rows):
            begun = clock()
            submit(row)
            took[place] = clock() - begun
        return took


def clock_ns() -> float:
    """What reading the clock adds to a measured call."""
    clock = time.perf_counter_ns
    took = np.zeros(CALLS, np.int64)
    for place in range(CALLS):
        begun = clock()
        took[place] = clock() - begun
    return float(np.median(took))


def one_command(plan: Plan) -> list[Measurement]:
    """One new order or cancel a call, through the kernel alone and through the engine's object."""
    calls = Calls()
    plan.progress("one command a call")
    kernel: list[Rows] = []
    engine: list[Rows] = []
    reading_ns = min(clock_ns() for _ in range(plan.runs))
    for _ in range(plan.size(2, 100)):
        kernel.append(calls.kernel())
        engine.append(calls.engine())
    digest = calls.runner.digest()
    through = {"call-kernel": "the kernel's entry", "call-engine": "Engine.submit, which checks and hands out events"}
    return [
        _figure(what, runs, reading_ns, digest) for what, runs in zip(through.items(), (kernel, engine), strict=True)
    ]


def _figure(what: tuple[str, str], runs: list[Rows], reading_ns: float, digest: str) -> Measurement:
    medians = [float(np.median(took)) - reading_ns for took in runs]
    best = runs[medians.index(min(medians))]
    return Measurement(
        name=what[0],
        value=round(min(medians), 1),
        unit="ns",
        workload=f"new orders and cancels in turn, one a call, {CALLS:,} calls a run, through {what[1]}",
        seed=None,
        digest=digest,
        percentiles=percentiles(best - reading_ns),
        note=f"median call, {best_of(medians, 'ns')}; {reading_ns:.0f} ns for reading the clock taken off",
    )
