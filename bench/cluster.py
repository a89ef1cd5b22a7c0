"""A venue whose log is replicated beside a machine alone, in turns: `python -m bench.cluster`.

JetStream servers run on this machine, with the cores and the disk that both venues have. Each turn loads both the same
way; the ratios are medians over the turns. So is the processor time that an order takes of each process, which other
work on the machine changes less than the rates.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from bench.gateway_load import connect, cpu_seconds, disconnect
from bench.load_servers import MARK_SECONDS, Plan, Venue, children, chosen_cores, order_scripts, running_venue
from bench.load_turns import Side, loads_of, named
from bench.measurement import Spread, machine
from bench.placement import pinned
from engine.journal.precedence import PRIORITY
from gateway.cluster.nats_server import local_servers
from gateway.commands.common import compile_engine

ALONE, REPLICATED = "alone", "replicated"


@contextmanager
def _children_before_others() -> Iterator[None]:
    """Have processes that are begun in the block run before the load, which polls its core, and the venue's loop.

    Servers on machines of their own wait for neither. Where the system does not permit it they are as any process.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def measured(plan: Plan, folder: Path, servers: int, loads: list[float | str]) -> list[dict[str, Any]]:
    """Each load in turns: both sides' figures, and the replicated venue's as multiples of the other's."""
    with ExitStack() as stack:
        with _children_before_others():
            addresses = stack.enter_context(local_servers(folder / "servers", servers))
        cluster = replace(plan, cluster=",".join(addresses), replicas=servers)
        venues = {
            ALONE: stack.enter_context(running_venue(folder / ALONE, plan)),
            REPLICATED: stack.enter_context(running_venue(folder / REPLICATED, cluster)),
        }
        stack.enter_context(pinned(plan.cores.load))
        return uvloop.run(_measured(plan, venues, loads))


async def _measured(plan: Plan, venues: dict[str, Venue], loads: list[float | str]) -> list[dict[str, Any]]:
    await asyncio.sleep(MARK_SECONDS)
    links = {name: await connect(venue.json, order_scripts(plan)) for name, venue in venues.items()}
    processes = {name: _processes(venue) for name, venue in venues.items()}
    found = []
    for load in loads:
        spent_us: dict[str, list[dict[str, float]]] = {name: [] for name in venues}
        sides = [Side(name, venue.json, links[name]) for name, venue in venues.items()]
        for turn in range(plan.turns):
            print(f"{named(load)}, turn {turn + 1} of {plan.turns}", file=sys.stderr, flush=True)
            for side in sides if turn % 2 else sides[::-1]:
                before = _seconds(processes[side.name])
                await side.turn(load, plan)
                venues[side.name].check()
                after, orders = _seconds(processes[side.name]), max(side.results[-1].orders, 1)
                spent_us[side.name].append({part: (after[part] - before[part]) * 1e6 / orders for part in after})
        figures = {side.name: side.as_json() | {"cpu_us": _medians(spent_us[side.name])} for side in sides}
        found.append({"load": named(load), **figures, **_ratios(*sides)})
    for connections in links.values():
        disconnect(connections)
    return found


def _processes(venue: Venue) -> dict[str, list[int]]:
    """The processes that an order takes time of: the venue, its publisher and the stream's servers, and the load."""
    found = {"venue": [venue.process.pid], "load": [os.getpid()]}
    publisher = [pid for pid in children(venue.process.pid) if "publisher_process" in _command(pid)]
    if publisher:
        found |= {"publisher": publisher, "servers": [p for p in children(os.getpid()) if "nats-server" in _command(p)]}
    return found


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _seconds(processes: dict[str, list[int]]) -> dict[str, float]:
    return {part: sum(map(cpu_seconds, pids)) for part, pids in processes.items()}


def _medians(turns: list[dict[str, float]]) -> dict[str, float]:
    return {part: round(statistics.median(turn[part] for turn in turns), 2) for part in turns[0]}


def _ratios(alone: Side, replicated: Side) -> dict[str, Any]:
    rates = [mine.rate / other.rate for mine, other in zip(replicated.results, alone.results, strict=True)]
    delays = [mine / other for mine, other in zip(replicated.points("p50_us"), alone.points("p50_us"), strict=True)]
    more_us = [mine - other for mine, other in zip(replicated.points("p50_us"), alone.points("p50_us"), strict=True)]
    return {
        "rate_ratio": Spread.of(rates).as_json(), "p50_ratio": Spread.of(delays).as_json(),
        "p50_more_us": round(statistics.median(more_us), 1),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m bench.cluster\n  python -m bench.cluster --servers 1 --rate closed,2000 --json",
    )  # fmt: skip
    parser.add_argument("--servers", type=int, choices=(1, 3), default=3, help="JetStream servers (default: 3)")
    parser.add_argument("--rate", default="closed,one", help="loads as of `lionrock load --rate` (default: closed,one)")
    parser.add_argument("--turns", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn (default: 1)")
    parser.add_argument("--window", type=int, default=128, help="requests under way on each connection (default: 128)")
    parser.add_argument("--connections", type=int, default=16, help="default: 16")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    args = parser.parse_args(arguments)
    compile_engine()
    plan = Plan(
        durability="fsync", connections=args.connections, window=args.window, rows=256, seconds=args.seconds,
        subscribers=0, busy_poll_us=0, turns=args.turns, cores=chosen_cores("", "", ""),
        goes_first=False,  # the servers' syncs need threads of the system
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        found = measured(plan, Path(folder), args.servers, loads_of(args.rate))
    for load in found:
        print(json.dumps(load) if args.json else _line(load))
    if not args.json:
        print(machine())


def _line(load: dict[str, Any]) -> str:
    alone, replicated, ratio = load[ALONE], load[REPLICATED], load["rate_ratio"]
    return (
        f"{load['load']}: {replicated['orders_per_s']:,} orders/s beside {alone['orders_per_s']:,} alone, "
        f"ratio {ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"
        f"; p50 {replicated['p50_us'] / 1000:.2f} ms beside {alone['p50_us'] / 1000:.2f} ms"
        f"; us of processor time an order: {_spent(replicated)}, beside {_spent(alone)}"
    )


def _spent(side: dict[str, Any]) -> str:
    return ", ".join(f"{part} {us:.2f}" for part, us in side["cpu_us"].items())


if __name__ == "__main__":
    main()
