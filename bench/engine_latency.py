"""How long a command waits for the engine at a fixed rate of arrivals, beside an entry that does nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bench.arrivals import Arrivals, nothing
from bench.engine_runner import EngineRunner, Rows, market
from bench.measurement import Measurement, Plan, Spread, one_digest
from bench.order_flow import synthetic_workload
from bench.risk import Market, flow
from engine import step

RATES = (1_000_000, 2_000_000, 4_000_000)
POINTS = (50.0, 99.0, 99.9, 99.99)
WARM_SHARE = 4
"""The first of so many parts of the commands arrives unmeasured: it touches the state's memory for the first time."""


@dataclass(frozen=True)
class Flow:
    """Commands, and how a state that takes them is made; it returns the runner and its next sequence."""

    name: str
    workload: str
    commands: Rows
    fresh: Callable[[], tuple[EngineRunner, int]]


@dataclass
class Delays:
    """What one entry did at one rate: for each point of the distribution its value in each turn."""

    turns: dict[float, list[float]] = field(default_factory=lambda: {point: [] for point in POINTS})
    digests: list[str] = field(default_factory=list)

    def add(self, delays_ns: Rows) -> None:
        """Those of one turn."""
        for point, value in zip(POINTS, np.percentile(delays_ns, POINTS), strict=True):
            self.turns[point].append(float(value))

    def medians(self) -> dict[str, float]:
        """The median of the turns for each point."""
        return {f"p{point:g}_ns": round(Spread.of(values).median) for point, values in self.turns.items()}


def latency(plan: Plan) -> list[Measurement]:
    """Each flow at each rate, the engine and the empty entry in turns."""
    found = []
    for make in (_matching, _margined):
        chosen = make(plan)
        for rate in RATES:
            found += _measured(chosen, rate, plan)
    return found


def _matching(plan: Plan) -> Flow:
    workload = synthetic_workload(plan)
    return Flow("latency", workload.name, workload.commands, lambda: market(workload.spec))


def _margined(plan: Plan) -> Flow:
    accounts, count = plan.size(1_000, 100_000), plan.size(10_000, 1_000_000)
    commands = flow(plan.seed, count, accounts)

    def fresh() -> tuple[EngineRunner, int]:
        made = Market(accounts, accounts)
        commands["time_ns"] = made.now_ns
        return made.runner, made.seq + 1

    return Flow("margined-latency", f"orders of {accounts:,} accounts, everything on", commands, fresh)


def _measured(chosen: Flow, rate: int, plan: Plan) -> list[Measurement]:
    """Two figures: the engine's p99 and the empty entry's."""
    engine, empty = Delays(), Delays()
    for turn in range(plan.runs):
        plan.progress(f"{chosen.workload} at {rate:,}/s, turn {turn + 1} of {plan.runs}")
        runner, first_seq = chosen.fresh()
        chosen.commands["seq"] = np.arange(first_seq, first_seq + len(chosen.commands))
        empty.add(_run(Arrivals(nothing, runner), chosen.commands, rate))
        engine.add(_run(Arrivals(step.apply_rows, runner), chosen.commands, rate))
        engine.digests.append(runner.digest())
    digest = one_digest(chosen.workload, engine.digests)
    name = f"{chosen.name}-{rate // 1_000_000}M"
    workload = f"{chosen.workload}, {len(chosen.commands):,} commands, one each {1e9 / rate:g} ns"
    pairs = (name, "the engine", engine), (f"{name}-empty", "an entry that does nothing", empty)
    return [_figure(name, f"{workload}: {what}", delays, plan.seed, digest) for name, what, delays in pairs]


def _run(arrivals: Arrivals, commands: Rows, rate: int) -> Rows:
    warm = len(commands) // WARM_SHARE
    arrivals.run(commands[:warm], rate)
    return arrivals.run(commands[warm:], rate)


def _figure(name: str, workload: str, delays: Delays, seed: int, digest: str) -> Measurement:
    spread = Spread.of(delays.turns[POINTS[1]])
    turns = f"{len(delays.turns[POINTS[1]])} turns, whose p99 were {spread.low:,.0f} to {spread.high:,.0f} ns"
    note = f"p99; every point is the median of {turns}"
    medians = delays.medians()
    return Measurement(name, medians["p99_ns"], "ns", workload, seed, digest, medians, note)
