"""`lionrock load`: how many orders a venue takes and how long they wait, beside an echo server in the same run."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvloop

from bench.builds import other_build
from bench.gateway_load import (
    Connection,
    Result,
    Script,
    Target,
    closed_loop,
    connect,
    disconnect,
    open_loop,
    subscribe,
)
from bench.load_servers import (
    CONTRACT,
    MARK_SECONDS,
    DiskSync,
    Echoes,
    Plan,
    Venue,
    chosen_cores,
    config_of,
    order_script,
    order_scripts,
    row_scripts,
    running_echoes,
    running_venue,
)
from bench.load_turns import CLOSED, OTHER, REAL_TIME_SECONDS, VENUE, Turns, loads_of, measured
from bench.measurement import DEFAULT_TURNS
from bench.placement import on_cores, real_time
from gateway.commands.common import print_table, readable_errors, whole

_EXAMPLES = """examples:
  lionrock load
  lionrock load --connections 16 --window 64 --seconds 5
  lionrock load --durability none --only json --json
  lionrock load --only latency --busy-poll 200
  lionrock load --rate 30000,50000,half
  lionrock load --rate closed,one --durability none --turns 7 --json
  lionrock load --rate 50000 --venue-core 0 --load-core 1
  lionrock load --rate half,closed --against ../lionrock-before
  lionrock load --rate 30000,235000 --durability none --seconds 0.4 --real-time

Each connection places post-only orders below the market and cancels them again, by client id; every order is
journalled, matched, and answered in full. The venue runs in a process of its own, on a core of its own where there
are two. Open loop counts delays from when a request was due (no coordinated omission); to send them in time the load
polls its core, so give it one of its own. With --rate and --against echo, venue, the other build's venue and the disk
take turns, and each ratio is the median over the turns. The other build needs the packages of this one.
exit codes: 0 measured; 2 refused, or a server failed
"""
ONE_ECHO, ONE_ORDER = "echo, one at a time", "orders, one at a time"
BARE_ECHO, JSON_ECHO, ORDERS = "echo, frame by frame", "echo, JSON", "orders, JSON"
ROUNDS = 8
ROW_WINDOW = 4
MAX_TURNS = 1000


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "load",
        help="measure orders a second and delays over real connections",
        description="Start a venue and an echo server and load both the same way.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--durability", choices=("fsync", "os", "none"), default="fsync")
    parser.add_argument("--connections", type=int, default=16, help="connections (default: 16)")
    parser.add_argument("--window", type=int, default=128, help="JSON requests under way on each (default: 128)")
    parser.add_argument("--rows", type=int, default=256, help="rows of a binary frame (default: 256)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement (default: 3)")
    parser.add_argument("--subscribers", type=int, default=1000, help="readers of one book (default: 1000)")
    parser.add_argument(
        "--busy-poll", type=int, default=0, metavar="US", help="the venue's busy_poll_us (default: 0, it sleeps)"
    )
    parser.add_argument(
        "--rate", metavar="R[,R...]", help="in turns with an echo and the disk: an even stream of R orders a second, "
        "or half (of the closed loop's rate just before), closed (the closed loop), one (one order at a time)",
    )  # fmt: skip
    parser.add_argument(
        "--turns", type=whole(1, MAX_TURNS), default=DEFAULT_TURNS, metavar="N",
        help=f"of --rate and --against (default: {DEFAULT_TURNS})",
    )  # fmt: skip
    parser.add_argument(
        "--real-time", action="store_true",
        help="of --rate: real-time priority for each turn, so that other work of the machine hardly counts; needs "
        f"--durability none and --seconds of at most {REAL_TIME_SECONDS}",
    )  # fmt: skip
    parser.add_argument(
        "--against", metavar="DIR", help="another checkout, whose venue takes turns with this one (--rate: closed)"
    )
    for name, what in (
        ("venue", "of the venue, its threads and the echo (default: the first)"),
        ("surveillance", "of the processes that the venue starts (default: the venue's)"),
        ("load", "of the load (default: all others)"),
    ):
        parser.add_argument(f"--{name}-core", default="", metavar="N[,N...]", help=f"cores {what}")
    parser.add_argument("--only", choices=("json", "binary", "latency", "feed"), help="measure this alone")
    parser.add_argument("--data", default="", metavar="DIR", help="where the venue writes (default: temporary)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0, or one line of error and 2."""
    with readable_errors("load"):
        cores = chosen_cores(args.venue_core, args.surveillance_core, args.load_core)
        plan = Plan(
            args.durability, args.connections, args.window, args.rows, args.seconds, args.subscribers, args.busy_poll,
            args.turns, cores, args.real_time,
        )  # fmt: skip
        if min(plan.connections, plan.window, plan.rows) < 1 or plan.rows > 2048 or plan.seconds <= 0:
            raise ValueError("connections, window, rows (at most 2048) and seconds must be positive")
        if args.only and (args.rate or args.against):
            raise ValueError("--only and --rate (or --against) measure different things; give one of them")
        loads = loads_of(args.rate or (CLOSED if args.against else ""))
        _check_real_time(plan, bool(loads))
        other = other_build(args.against) if args.against else None
        with tempfile.TemporaryDirectory(prefix="lionrock-load-") as temporary:
            folder = Path(args.data or temporary)
            config_of(folder, plan)
            folder.mkdir(parents=True, exist_ok=True)
            disk = DiskSync(folder, cores.venue)
            facts = {"durability": plan.durability, "busy_poll_us": plan.busy_poll_us, "cores": vars(cores)}
            if loads:
                turns = measured(plan, disk, loads, other, _say)
                _print_turns(turns, facts, args.json)
            else:
                results = _measure(plan, disk, args.only)
                _print(results, {**disk.medians(), **facts}, args.json)
        return 0


def _check_real_time(plan: Plan, has_loads: bool) -> None:
    """ValueError when turns of real-time priority would say nothing, or are not permitted."""
    if not plan.is_real_time:
        return
    if not has_loads or plan.durability != "none" or plan.seconds > REAL_TIME_SECONDS:
        raise ValueError(
            f"--real-time: needs --rate, --durability none and --seconds of at most {REAL_TIME_SECONDS}; a disk's sync "
            "waits for threads of the system that do not get a core meanwhile"
        )
    try:
        with real_time((os.getpid(),)):
            pass
    except PermissionError:
        raise ValueError(
            "--real-time: the system does not permit it; run as root, or raise the limit of real-time priorities "
            "(ulimit -r)"
        ) from None


def _say(text: str) -> None:
    """What is being measured, for a person who waits."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def _measure(plan: Plan, disk: DiskSync, only: str | None) -> list[Result]:
    """Start both servers on the venue's cores, load them from the others."""
    servers = running_echoes(plan.cores), running_venue(disk.folder / VENUE, plan)
    with servers[0] as echoes, servers[1] as venue, on_cores(plan.cores.load):
        disk.measure()
        results = uvloop.run(_load(plan, (echoes, venue), only, disk))
        disk.measure()
        venue.check()
    return results


# --- the measurements ---------------------------------------------------------------------------------------------


async def _load(plan: Plan, servers: tuple[Echoes, Venue], only: str | None, disk: DiskSync) -> list[Result]:
    """Connect to the venue once: an order that one measurement leaves open is cancelled by the next."""
    echoes, venue = servers
    await asyncio.sleep(MARK_SECONDS)
    orders = await connect(venue.json, order_scripts(plan))
    results: list[Result] = []
    if only in (None, "latency"):
        results += await _one_at_a_time(plan, echoes.gathering, (venue.json, orders[:1]), disk)
    if only in (None, "json"):
        for name, target in (
            (BARE_ECHO, echoes.bare), ("echo, replies of the venue's size", echoes.long), (JSON_ECHO, echoes.gathering),
        ):  # fmt: skip
            results.append(await _linked(name, target, order_scripts(plan), plan.window, plan.seconds))
        results.append(await _closed(ORDERS, (venue.json, orders), plan.window, plan.seconds))
        results.append(await _open((venue.json, orders), max(results[-1].rate / 2, 1.0), plan.seconds))
    if only in (None, "feed"):
        results.append(await _feed((venue.json, orders), plan))
    if only in (None, "binary"):
        for name, target in (("echo, rows", echoes.gathering), ("orders, rows", venue.rows)):
            results.append(await _linked(name, target, row_scripts(plan), ROW_WINDOW, plan.seconds))
    disconnect(orders)
    return results


Link = tuple[Target, list[Connection]]
"""A server, and the connections to it."""


async def _one_at_a_time(plan: Plan, echo: Target, venue: Link, disk: DiskSync) -> list[Result]:
    """One request at a time to echo, venue and disk in turns, so that a drift of the machine affects all three."""
    results = [Result(ONE_ECHO, 1), Result(ONE_ORDER, 1)]
    sides = [(echo, await connect(echo, [order_script(0)])), venue]
    for _ in range(ROUNDS):
        for result, (target, connections) in zip(results, sides, strict=True):
            await closed_loop(result, connections, 1, plan.seconds / ROUNDS, target.pid)
            _check(connections)
        disk.measure()
    disconnect(sides[0][1])
    return results


async def _closed(name: str, link: Link, window: int, seconds: float) -> Result:
    """A closed loop over connections that stay."""
    (target, connections), result = link, Result(name, len(link[1]))
    await closed_loop(result, connections, window, seconds, target.pid)
    _check(connections)
    return result


async def _linked(name: str, target: Target, scripts: list[Script], window: int, seconds: float) -> Result:
    """A closed loop over connections of its own."""
    connections = await connect(target, scripts)
    result = await _closed(name, (target, connections), window, seconds)
    disconnect(connections)
    return result


async def _open(link: Link, rate: float, seconds: float) -> Result:
    """An open loop over connections that stay."""
    target, connections = link
    result = Result(f"orders, JSON, open loop at {rate:,.0f}/s", len(connections))
    await open_loop(result, connections, rate, seconds, target.pid)
    _check(connections)
    return result


async def _feed(link: Link, plan: Plan) -> Result:
    """Orders while so many connections subscribe to the book."""
    readers = await subscribe(link[0].url, f"book.{CONTRACT}.100ms", plan.subscribers)
    before = sum(reader.messages for reader in readers)
    result = await _closed(f"orders, JSON, {plan.subscribers} on the book", link, plan.window, plan.seconds)
    result.messages = sum(reader.messages for reader in readers) - before
    for reader in readers:
        reader.transport.close()
    return result


def _check(connections: list[Connection]) -> None:
    for connection in connections:
        if connection.first_error:
            raise ValueError(f"the venue refused an order of the load: {connection.first_error.decode()[:300]}")


# --- what is printed ----------------------------------------------------------------------------------------------


def _print_turns(found: list[Turns], facts: dict[str, Any], as_json: bool) -> None:
    """A line for each load and side, then the ratios."""
    if as_json:
        for turns in found:
            print(json.dumps({**turns.as_json(), **facts}))
        return
    rows = []
    for turns in found:
        figures = turns.as_json()
        for name in turns.sides:
            side = figures[name]
            delays = [f"{side[key]:,.0f}" for key in ("p50_us", "p99_us", "p99_9_us", "sender_late_p99_us")]
            rows.append([turns.load, name, f"{side['orders_per_s']:,}", *delays, f"{side['cpu_us']:.2f}"])
        syncs = [f"{figures['sync'][key]:,.0f}" for key in ("p50_us", "p99_us")]
        rows.append([turns.load, "sync", "", *syncs, "", "", ""])
    cores = facts["cores"]
    placed = ", ".join(f"{name} on {','.join(map(str, numbers))}" for name, numbers in cores.items())
    names = ["load", "side", "orders/s", "p50 us", "p99 us", "p99.9 us", "sent late p99 us", "CPU us"]
    print_table(names, rows, f"load, {facts['durability']}; cores: {placed}", right=names[2:])
    print("medians of the turns; delays from when an order was due; sent late: by how much the load itself was behind")
    for turns in found:
        _print_ratios(turns)


def _print_ratios(turns: Turns) -> None:
    """The venue's figures as multiples of the echo's, and this build's as multiples of the other's."""
    ratios, floor = turns.ratios(), "an echo and a sync" if turns.is_durable else "an echo"
    print(f"{turns.load}: median over {len(turns.sync_us)} turns (smallest to largest)")
    if turns.load == CLOSED:
        print(f"  orders/s {ratios['rate']} x the echo's")
    else:
        print(f"  p50 {ratios['p50']} x {floor}")
    print(f"  p99 {ratios['p99']} x the echo's")
    against = turns.against()
    if against:
        said = ", ".join(f"{name} {spread}" for name, spread in against.items())
        print(f"  this build as multiples of the {OTHER}: {said}")


def _print(results: list[Result], facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        for result in results:
            print(json.dumps({**result.as_dict(), **facts}))
        return
    polls = f", polling for {facts['busy_poll_us']} us" if facts["busy_poll_us"] else ""
    names = ["what", "orders/s", "p50 us", "p99 us", "p99.9 us", "of echo", "x p50", "x p99", "CPU us", "pushes"]
    rows, echo = [], results[0]
    for result in results:
        echo = result if result.name.startswith("echo") else echo
        rows.append([result.name, *_figures(result, echo)])
    print_table(names, rows, f"load, {facts['durability']}{polls}")
    print("of echo: the rate as a share of the echo's above; x p50, x p99: the delays as multiples of its")
    sync_us = facts["disk_sync_us"]
    within_us = facts["disk_sync_within_us"]
    print(f"one append and sync of this disk: {sync_us} us, within the file {within_us} us (medians)")
    rates = {result.name: result.rate for result in results}
    if ORDERS in rates:
        shares = rates[ORDERS] / rates[BARE_ECHO], rates[ORDERS] / rates[JSON_ECHO]
        print(f"{ORDERS}: {shares[0]:.0%} of a bare echo, {shares[1]:.0%} of one that gathers its writes")
    medians = {result.name: result.histogram.summary()["p50_us"] for result in results}
    if facts["durability"] == "fsync" and ONE_ORDER in medians:
        floor_us = medians[ONE_ECHO] + sync_us
        print(f"one order: {medians[ONE_ORDER] / floor_us:.2f} x an echo and a sync, which take {floor_us:.0f} us")


def _figures(result: Result, echo: Result) -> list[str]:
    """A row of the table, compared with the echo of the same run."""
    summary, bare = result.histogram.summary(), echo.histogram.summary()
    delays = [f"{summary[name]:,.0f}" for name in ("p50_us", "p99_us", "p99_9_us")]
    share = f"{result.rate / echo.rate:.0%}" if echo.rate else ""
    longer = [f"{summary[name] / bare[name]:.2f}" if bare[name] else "" for name in ("p50_us", "p99_us")]
    cpu = f"{result.cpu_us:.2f}" if result.cpu_us else ""
    return [f"{result.rate:,.0f}", *delays, share, *longer, cpu, f"{result.messages:,}" if result.messages else ""]
