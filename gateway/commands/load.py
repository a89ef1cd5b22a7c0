"""`lionrock load`: how many orders a venue takes and how long they wait, beside an echo server in the same run."""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench.gateway_load import (
    Connection,
    Result,
    Script,
    Target,
    closed_loop,
    connect,
    disconnect,
    json_script,
    open_loop,
    row_script,
    serve_echo,
    subscribe,
)
from engine import disk
from gateway import clock
from gateway import config as settings
from gateway.commands.common import print_table, readable_errors
from gateway.commands.serve import SWITCH_SECONDS, tune
from gateway.net.server import Server
from gateway.net.websocket_connection import BINARY_PROTOCOL
from gateway.office.bootstrap import Trader, list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault

_EXAMPLES = """examples:
  lionrock load
  lionrock load --connections 16 --window 64 --seconds 5
  lionrock load --durability none --only json --json
  lionrock load --only latency --busy-poll 200

Each connection places post-only orders below the market and cancels them again, by client id; every order is
journalled, matched, and answered in full. The venue runs in a process of its own, on a core of its own where there
are two. Open loop counts delays from when a request was due (no coordinated omission).
"""
CONTRACT = "BTC_USDC-PERPETUAL"
PRICE = 60_000
PAIRS = 512
REPLY_BYTES = 660
"""About the size of the venue's reply to an order of the load."""
UNLIMITED = 100_000_000
ONE_ECHO, ONE_ORDER = "echo, one at a time", "orders, one at a time"
BARE_ECHO, ECHO, ORDERS = "echo, frame by frame", "echo, JSON", "orders, JSON"
ROW_CONNECTIONS = 4
"""The most connections with frames of rows: each frame has so many orders that more connections only wait."""
SYNCS, SYNC_BYTES = 50, 256
ROUNDS = 8
START_SECONDS = 600
DEPOSIT_MICROS = 10**15


@dataclass(frozen=True)
class Plan:
    """What to measure, and how."""

    durability: str
    connections: int
    window: int
    rows: int
    seconds: float
    subscribers: int
    busy_poll_us: int


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
    parser.add_argument("--only", choices=("json", "binary", "latency", "feed"), help="measure this alone")
    parser.add_argument("--data", default="", metavar="DIR", help="where the venue writes (default: temporary)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0, or one line of error and 2."""
    with readable_errors("load"):
        plan = Plan(
            args.durability, args.connections, args.window, args.rows, args.seconds, args.subscribers, args.busy_poll
        )
        if min(plan.connections, plan.window, plan.rows) < 1 or plan.rows > 2048 or plan.seconds <= 0:
            raise ValueError("connections, window, rows (at most 2048) and seconds must be positive")
        with tempfile.TemporaryDirectory(prefix="lionrock-load-") as temporary:
            folder = Path(args.data or temporary)
            disk = _Disk(folder)
            results = _measure(plan, disk, args.only)
            facts = {**disk.medians(), "durability": plan.durability, "busy_poll_us": plan.busy_poll_us}
        _print(results, facts, args.json)
        return 0


def _measure(plan: Plan, disk: "_Disk", only: str | None) -> list[Result]:
    """Start both servers on one core, load them from the other."""
    traders = _set_up(disk.folder, plan)
    cores = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    echo, venue = _start(context, _run_echo, (cores[0],)), None
    try:
        venue = _start(context, _run_venue, (cores[0], _config(disk.folder, plan)))
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        targets = _targets(traders, (echo[0].pid, echo[1]), (venue[0].pid, venue[1]))
        disk.measure()
        results = uvloop.run(_load(plan, targets, only, disk))
        disk.measure()
        return results
    finally:
        os.sched_setaffinity(0, set(cores))
        for process, _ in filter(None, (echo, venue)):
            process.terminate()
            process.join(20)


def _config(folder: Path, plan: Plan) -> settings.Config:
    """The venue's settings, checked as those of `lionrock serve` are."""
    given = {
        "data": str(folder / "venue"), "port": 0, "durability": plan.durability, "busy_poll_us": plan.busy_poll_us,
        "scripted_index": f"{CONTRACT}={PRICE}", "max_frame_bytes": 1 << 20, "max_connections_per_address": 0,
        "orders_per_s": UNLIMITED, "orders_burst": UNLIMITED, "cancels_per_s": UNLIMITED, "cancels_burst": UNLIMITED,
    }  # fmt: skip
    return settings.load(None, {}, given)


def _set_up(folder: Path, plan: Plan) -> list[Trader]:
    config = _config(folder, plan)
    disk.make_folder(Path(config.data))
    registry, now_ns = Registry(config.registry), clock.wall_ns()
    vault = Vault(config.vault, registry)
    set_up_venue(registry, now_ns, DEPOSIT_MICROS)
    list_contracts(registry, now_ns)
    traders = [
        open_trader(registry, vault, f"load-{place}", DEPOSIT_MICROS, now_ns) for place in range(plan.connections)
    ]
    registry.close()
    return traders


# --- the servers, each in a process of its own --------------------------------------------------------------------


def _start(context: Any, target: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
    """A server process and the port or ports that it listens on."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*args, sender), daemon=True)
    process.start()
    sender.close()
    if not receiver.poll(START_SECONDS):
        raise ValueError(f"the server did not start within {START_SECONDS} s")
    try:
        return process, receiver.recv()
    except EOFError:
        raise ValueError("the server stopped before it listened; its error is above") from None


def _run_echo(core: int, sender: Any) -> None:
    """Three servers: a bare echo, one that gathers its writes, and one whose every reply is as long as a venue's."""
    os.sched_setaffinity(0, {core})

    async def serve() -> None:
        _, port = await serve_echo(0)
        _, long_port = await serve_echo(0, REPLY_BYTES)
        _, bare_port = await serve_echo(0, is_bare=True)
        sender.send((bare_port, port, long_port))
        await asyncio.get_running_loop().create_future()

    uvloop.run(serve())


def _run_venue(core: int, config: settings.Config, sender: Any) -> None:
    os.sched_setaffinity(0, {core})

    async def serve() -> None:
        server = Server(config)
        await server.start()
        tune(SWITCH_SECONDS)
        sender.send(server.port)
        await server.failed

    uvloop.run(serve())


# --- the measurements ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """The servers under load: the echo servers, the venue in JSON, and the venue with rows."""

    bare_echo: Target
    echo: Target
    long_echo: Target
    venue: Target
    rows: Target


def _targets(traders: list[Trader], echo: tuple[int, tuple[int, ...]], venue: tuple[int, int]) -> Targets:
    """The targets from (process, ports) of the echo servers and (process, port) of the venue."""
    log_ins = [_log_in(trader) for trader in traders]
    url = f"ws://127.0.0.1:{venue[1]}/ws/api/v2"
    bare, gathering, long = (
        Target(f"ws://127.0.0.1:{port}/", is_echo=True, pid=echo[0]) for port in echo[1]
    )
    return Targets(
        bare, gathering, long,
        Target(url, log_ins, pid=venue[0]),
        Target(url, log_ins, protocol=BINARY_PROTOCOL, pid=venue[0]),
    )  # fmt: skip


async def _load(plan: Plan, targets: Targets, only: str | None, disk: "_Disk") -> list[Result]:
    await asyncio.sleep(2.5)  # the first mark ticks: orders need a mark
    results: list[Result] = []
    if only in (None, "latency"):
        results += await _one_at_a_time(plan, targets, disk)
    if only in (None, "json"):
        for name, target in (
            (BARE_ECHO, targets.bare_echo), ("echo, replies of the venue's size", targets.long_echo),
            (ECHO, targets.echo), (ORDERS, targets.venue),
        ):  # fmt: skip
            results.append(await _closed(name, target, _json_scripts(plan), plan.window, plan.seconds))
        results.append(await _open("orders, JSON, open loop", targets.venue, plan, results[-1].rate / 2))
    if only in (None, "feed"):
        results.append(await _feed(targets.venue, plan))
    if only in (None, "binary"):
        for name, target in (("echo, rows", targets.echo), ("orders, rows", targets.rows)):
            results.append(await _closed(name, target, _row_scripts(plan), 4, plan.seconds))
    return results


async def _one_at_a_time(plan: Plan, targets: Targets, disk: "_Disk") -> list[Result]:
    """One request at a time to echo, venue and disk in turns, so that a drift of the machine affects all three."""
    results = [Result(ONE_ECHO, 1), Result(ONE_ORDER, 1)]
    sides = [
        (result, target, await connect(target, [_json_script(0)]))
        for result, target in zip(results, (targets.echo, targets.venue), strict=True)
    ]
    for _ in range(ROUNDS):
        for result, target, connections in sides:
            await closed_loop(result, connections, 1, plan.seconds / ROUNDS, target.pid)
            _check(connections)
        disk.measure()
    for _, _, connections in sides:
        disconnect(connections)
    return results


async def _closed(
    name: str, target: Target, scripts: list[Script], window: int, seconds: float
) -> Any:
    connections, result = await connect(target, scripts), Result(name, len(scripts))
    await closed_loop(result, connections, window, seconds, target.pid)
    _check(connections)
    disconnect(connections)
    return result


async def _open(name: str, target: Target, plan: Plan, rate: float) -> Result:
    connections = await connect(target, _json_scripts(plan))
    result = await open_loop(f"{name} at {rate:,.0f}/s", connections, max(rate, 1.0), plan.seconds)
    disconnect(connections)
    return result


async def _feed(venue: Target, plan: Plan) -> Result:
    """Orders while so many connections subscribe to the book."""
    readers = await subscribe(venue.url, f"book.{CONTRACT}.100ms", plan.subscribers)
    connections = await connect(venue, _json_scripts(plan))
    before = sum(reader.messages for reader in readers)
    name = f"orders, JSON, {plan.subscribers} on the book"
    result = Result(name, plan.connections)
    await closed_loop(result, connections, plan.window, plan.seconds, venue.pid)
    result.messages = sum(reader.messages for reader in readers) - before
    disconnect(connections)
    for reader in readers:
        reader.transport.close()
    return result


def _check(connections: list[Connection]) -> None:
    for connection in connections:
        if connection.first_error:
            raise ValueError(f"the venue refused an order of the load: {connection.first_error.decode()[:300]}")


def _json_script(place: int) -> Script:
    prices = [str(PRICE - 500 - 5 * step) for step in range(100)]
    return json_script(CONTRACT, prices, 1 + place * PAIRS, PAIRS)


def _json_scripts(plan: Plan) -> list[Script]:
    return [_json_script(place) for place in range(plan.connections)]


def _row_scripts(plan: Plan) -> list[Script]:
    prices = [2 * (PRICE - 500) - step for step in range(1000)]
    places = range(min(plan.connections, ROW_CONNECTIONS))
    return [row_script(0, prices, 1_000_000 * (place + 1), plan.rows) for place in places]


def _log_in(trader: Trader) -> bytes:
    params = {"grant_type": "client_credentials", "client_id": trader.key.id, "client_secret": trader.key.secret}
    return json.dumps({"jsonrpc": "2.0", "id": 0, "method": "public/auth", "params": params}).encode()


class _Disk:
    """How long a small write with fsync takes on the venue's core: at the file's end, and within the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._core = min(os.sched_getaffinity(0))
        self._longer_us: list[float] = []
        self._within_us: list[float] = []

    def measure(self) -> None:
        """Measure some of both kinds."""
        cores, path = os.sched_getaffinity(0), self.folder / "sync"
        os.sched_setaffinity(0, {self._core})
        with path.open("wb", buffering=0) as file:
            self._longer_us += [_sync_us(file) for _ in range(SYNCS)]
            file.write(bytes(SYNCS * SYNC_BYTES))
            os.fsync(file.fileno())
            file.seek(-SYNCS * SYNC_BYTES, os.SEEK_END)
            self._within_us += [_sync_us(file) for _ in range(SYNCS)]
        path.unlink()
        os.sched_setaffinity(0, cores)

    def medians(self) -> dict[str, float]:
        """Of all that was measured."""
        longer_us, within_us = statistics.median(self._longer_us), statistics.median(self._within_us)
        return {"disk_sync_us": round(longer_us, 1), "disk_sync_within_us": round(within_us, 1)}


def _sync_us(file: Any) -> float:
    begun = time.perf_counter()
    file.write(bytes(SYNC_BYTES))
    os.fdatasync(file.fileno())
    return (time.perf_counter() - begun) * 1e6


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
        shares = rates[ORDERS] / rates[BARE_ECHO], rates[ORDERS] / rates[ECHO]
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
