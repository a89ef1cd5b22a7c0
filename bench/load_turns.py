"""Venue, echo and disk in turns, and another build's venue beside them: what `lionrock load --rate` measures.

A drift of the machine affects all of them, so the ratios within a turn say more than the figures. Each ratio is the
median over the turns, with the smallest and the largest.
"""

import asyncio
import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.builds import Build
from bench.gateway_load import Connection, Result, Target, closed_loop, connect, disconnect, open_loop
from bench.load_servers import (
    MARK_SECONDS,
    DiskSync,
    Plan,
    Venue,
    order_scripts,
    running_echoes,
    running_venue,
)
from bench.measurement import Spread
from bench.placement import on_cores, real_time

HALF, CLOSED, ONE = "half", "closed", "one"
MAX_RATE = 10_000_000
ECHO, VENUE, OTHER = "echo", "venue", "other"
REST_SECONDS = 0.3
"""After each turn of real-time priority: other work of the machine has waited for it."""
REAL_TIME_SECONDS = 0.4
"""The longest such turn. With the time before it that does not count the system gives nobody else the core yet."""


def loads_of(text: str) -> list[float | str]:
    """What `--rate` names: rates in orders a second, and the words. ValueError for anything else."""
    return [_load_of(word.strip()) for word in text.split(",")] if text else []


def _load_of(word: str) -> float | str:
    if word in (HALF, CLOSED, ONE):
        return word
    try:
        rate = float(word)
    except ValueError:
        rate = 0.0
    if not 1 <= rate <= MAX_RATE:
        raise ValueError(
            f"--rate {word!r}: neither orders a second from 1 to {MAX_RATE} nor {HALF}, {CLOSED} or {ONE}; give some "
            "of these, with commas between"
        )
    return rate


def named(load: float | str) -> str:
    """What tables call a load: `30,000/s`, or its word."""
    return load if isinstance(load, str) else f"{load:,.0f}/s"


@dataclass
class Side:
    """One of those that take turns: its connections, and what each turn measured."""

    name: str
    target: Target
    connections: list[Connection]
    results: list[Result] = field(default_factory=list)

    async def turn(self, load: float | str, plan: Plan) -> None:
        """Load it once."""
        if plan.is_real_time:
            with real_time((self.target.pid, os.getpid())):
                await self._turn(load, plan)
            await asyncio.sleep(REST_SECONDS)
        else:
            await self._turn(load, plan)

    async def _turn(self, load: float | str, plan: Plan) -> None:
        connections = self.connections[:1] if load == ONE else self.connections
        result = Result(self.name, len(connections))
        if isinstance(load, str):
            await closed_loop(result, connections, 1 if load == ONE else plan.window, plan.seconds, self.target.pid)
            result.late = sum(connection.under_way for connection in connections)
        else:
            await open_loop(result, connections, load, plan.seconds, self.target.pid)
        refusal = next((connection.first_error for connection in connections if connection.first_error), b"")
        if refusal:
            raise ValueError(f"the {self.name} refused an order of the load: {refusal.decode()[:300]}")
        if result.late:
            raise ValueError(
                f"the {self.name} left {result.late:,} orders of {named(load)} unanswered; give a lower --rate"
            )
        self.results.append(result)

    def points(self, name: str) -> list[float]:
        """One figure of each turn: `p50_us`, `p99_us` or another of the delays."""
        return [result.histogram.summary()[name] for result in self.results]

    def as_json(self) -> dict[str, Any]:
        """Medians over the turns."""
        names = ("p50_us", "p99_us", "p99_9_us")
        late = Spread.of([result.sender.percentile(99) / 1000 for result in self.results]).median
        return {
            "orders_per_s": round(statistics.median(result.rate for result in self.results)),
            **{name: round(statistics.median(self.points(name)), 1) for name in names},
            "cpu_us": round(statistics.median(result.cpu_us for result in self.results), 3),
            "sender_late_p99_us": round(late, 1),
        }


@dataclass(frozen=True)
class Turns:
    """What a load measured, in turns."""

    load: str
    rate: float
    sides: dict[str, Side]
    sync_us: list[float]
    """The median of each turn."""
    syncs_us: list[float]
    """All of them."""
    is_durable: bool

    def ratios(self) -> dict[str, Spread]:
        """The venue's against the echo's, turn by turn; for `p50` the echo has a sync on top if the venue syncs."""
        echo, venue = self.sides[ECHO], self.sides[VENUE]
        floors = [
            median + (sync_us if self.is_durable else 0.0)
            for median, sync_us in zip(echo.points("p50_us"), self.sync_us, strict=True)
        ]
        return {
            "p50": Spread.of(_over(venue.points("p50_us"), floors)),
            "p99": Spread.of(_over(venue.points("p99_us"), echo.points("p99_us"))),
            "rate": Spread.of(_over(_rates(venue), _rates(echo))),
        }

    def against(self) -> dict[str, Spread]:
        """This build's figures as multiples of the other build's, turn by turn; empty without another build."""
        if OTHER not in self.sides:
            return {}
        this, other = self.sides[VENUE], self.sides[OTHER]
        delays = {name: _over(this.points(f"{name}_us"), other.points(f"{name}_us")) for name in ("p50", "p99")}
        figures = {name: Spread.of(values) for name, values in delays.items()}
        cpu = _over([result.cpu_us for result in this.results], [result.cpu_us for result in other.results])
        return figures | {"rate": Spread.of(_over(_rates(this), _rates(other))), "cpu": Spread.of(cpu)}

    def as_json(self) -> dict[str, Any]:
        """Plain values for --json."""
        sync = {"p50_us": round(statistics.median(self.sync_us), 1), "p99_us": round(_p99(self.syncs_us), 1)}
        return {
            "load": self.load, "rate": round(self.rate), "turns": len(self.sync_us),
            **{name: side.as_json() for name, side in self.sides.items()}, "sync": sync,
            "ratios": {name: spread.as_json() for name, spread in self.ratios().items()},
            "against": {name: spread.as_json() for name, spread in self.against().items()},
        }  # fmt: skip


def _rates(side: Side) -> list[float]:
    return [result.rate for result in side.results]


def _over(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Quotients; 0 where there is nothing to divide by, such as the processor time of a short turn."""
    return [value / other if other else 0.0 for value, other in zip(values, others, strict=True)]


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def measured(
    plan: Plan, disk: DiskSync, loads: Sequence[float | str], other: Build | None, progress: Callable[[str], None]
) -> list[Turns]:
    """Start the servers and measure each load in turns. `progress` is told in words what is being measured."""
    venues: dict[str, Venue] = {}
    with ExitStack() as stack:
        progress("starting the echo server")
        echo = stack.enter_context(running_echoes(plan.cores)).gathering
        for name, build in ((VENUE, None), (OTHER, other)):
            if name == VENUE or build is not None:
                progress(f"starting the venue{f' of {build.name}' if build else ''}")
                venues[name] = stack.enter_context(running_venue(disk.folder / name, plan, build))
        stack.enter_context(on_cores(plan.cores.load))
        return uvloop.run(_measured(plan, disk, loads, (echo, venues), progress))


async def _measured(
    plan: Plan, disk: DiskSync, loads: Sequence[float | str], servers: tuple[Target, dict[str, Venue]],
    progress: Callable[[str], None],
) -> list[Turns]:  # fmt: skip
    """Connect to all of them once: an order that a load leaves open is cancelled by the next load."""
    echo, venues = servers
    await asyncio.sleep(MARK_SECONDS)
    targets = {ECHO: echo} | {name: venue.json for name, venue in venues.items()}
    links = {name: await connect(target, order_scripts(plan)) for name, target in targets.items()}
    found = []
    for load in loads:
        sides = {name: Side(name, target, links[name]) for name, target in targets.items()}
        rate = load
        if load == HALF:
            progress("a closed loop, of whose rate half is wanted")
            closed = Side(VENUE, targets[VENUE], links[VENUE])
            await closed.turn(CLOSED, plan)
            rate = max(closed.results[0].rate / 2, 1.0)
        syncs_us, first = [], len(disk.appended_us)
        for turn in range(plan.turns):
            progress(f"{named(load)}, turn {turn + 1} of {plan.turns}")
            syncs_us.append(await _turn(turn, rate, sides, plan, disk))
            for venue in venues.values():
                venue.check()
        spent_us = disk.appended_us[first:]
        is_durable = plan.durability == "fsync"
        per_second = 0.0 if isinstance(rate, str) else rate
        found.append(Turns(named(load), per_second, sides, syncs_us, spent_us, is_durable))
    for connections in links.values():
        disconnect(connections)
    return found


async def _turn(turn: int, load: float | str, sides: dict[str, Side], plan: Plan, disk: DiskSync) -> float:
    """Each side once, another first each time, then the disk: the median of its syncs in microseconds."""
    order = list(sides.values())
    first = turn % len(order)
    for side in order[first:] + order[:first]:
        await side.turn(load, plan)
    return disk.measure()
