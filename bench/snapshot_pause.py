"""What the process that writes a snapshot costs a trader beside it: `python -m bench.snapshot_pause`.

A venue on a large data folder runs in a process of its own. A trader places and cancels orders one at a time, a while
beside a snapshot and as long alone, in turns: one each millisecond, or with --closed as soon as the one before is
answered. Venue and snapshot process share one core, the trader has another. With --closed that core is full, which is
the worst case: a snapshot's process that gets nothing for a second takes its share then. Wanted: a snapshot makes no
answer wait 5 ms longer, and to begin one holds the loop for less.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from bench.attacked_venue import log_in
from bench.gateway_load import Connection, Target, connect, disconnect, json_script
from bench.large_venue import DEPOSIT_MICROS, INDEX_TICKS, made
from bench.lifetime import end_with_parent
from bench.load_servers import CONTRACT, START_SECONDS, UNLIMITED
from bench.measurement import BenchError, Plan
from bench.placement import go_before_others
from gateway import clock
from gateway import config as settings
from gateway.commands.serving import SWITCH_SECONDS, tune
from gateway.net.server import Server
from gateway.office.bootstrap import Trader, open_trader
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault

PRICE = INDEX_TICKS // 10
AWAY = 100
"""The trader's orders rest so far below the price, among those of others."""
PAIRS = 64
LOOK_SECONDS = 0.05
EVERY_SECONDS = 0.001
"""The trader's next order comes so long after the one before, or after its answer if that came later."""
OPEN_SECONDS = 180
CALM_SECONDS = 1.5
"""Between two turns: the venue has seen that the process has ended, and the disk has written what it left."""


@dataclass
class Answers:
    """How long the answers of all turns of one kind took."""

    turns_ns: list[Any] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Percentiles of all answers together, and the longest one of each turn, in milliseconds."""
        values = np.concatenate(self.turns_ns) / 1e6
        points = {f"p{percent:g}_ms": round(float(np.percentile(values, percent)), 3) for percent in (50, 99, 99.9)}
        longest = sorted(round(float(turn.max()) / 1e6, 2) for turn in self.turns_ns)
        return {"orders": len(values), **points, "longest_ms": longest}

    def line(self, name: str) -> str:
        """For people."""
        told = self.as_dict()
        longest = " ".join(f"{value:.1f}" for value in told["longest_ms"])
        return (
            f"{name}: {told['orders']:,} answers, p50/p99/p99.9 {told['p50_ms']:.2f}/{told['p99_ms']:.2f}/"
            f"{told['p99.9_ms']:.2f} ms, the longest of each turn {longest} ms"
        )


@dataclass
class Outcome:
    """All turns: answers beside a snapshot and alone, and of each snapshot how long it took and held the loop."""

    beside: Answers = field(default_factory=Answers)
    alone: Answers = field(default_factory=Answers)
    seconds: list[float] = field(default_factory=list)
    held_ms: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "alone": self.alone.as_dict(), "beside": self.beside.as_dict(),
            "snapshot_seconds": [round(value, 2) for value in self.seconds],
            "begin_held_ms": [round(value, 2) for value in self.held_ms],
        }  # fmt: skip

    def text(self) -> str:
        """For people."""
        seconds = " ".join(f"{value:.1f}" for value in self.seconds)
        held = " ".join(f"{value:.2f}" for value in self.held_ms)
        return "\n".join((
            self.alone.line("alone"), self.beside.line("beside a snapshot"),
            f"a snapshot took {seconds} s; to begin one held the loop for {held} ms",
        ))  # fmt: skip


# --- the venue ----------------------------------------------------------------------------------------------------


def serve(core: int, config: settings.Config, pipe: Any) -> None:
    """The venue's process: it begins a snapshot when it is asked for one, and says how that goes."""
    end_with_parent()
    os.sched_setaffinity(0, {core})
    go_before_others()

    async def run() -> None:
        server = Server(config)
        await server.start()
        tune(SWITCH_SECONDS)
        pipe.send(server.port)
        asyncio.get_running_loop().add_reader(pipe.fileno(), answer, server)
        await server.failed

    def answer(server: Server) -> None:
        snapshots, begun_ns = server.venue.snapshots, clock.steady_ns()
        try:
            is_to_begin = pipe.recv()
        except EOFError:  # the trader's process has ended
            os._exit(1)
        if is_to_begin:
            snapshots.begin(server.venue.engine.durable_seq)
        held_ms = (clock.steady_ns() - begun_ns) / 1e6
        pipe.send((held_ms, snapshots.is_running, snapshots.last_seconds, snapshots.failures))

    uvloop.run(run())


def _config(folder: Path, durability: str) -> settings.Config:
    """As shipped, but that a snapshot is only written when it is asked for, and for the orders of a key."""
    given = {
        "data": str(folder), "port": 0, "operations_port": 0, "scripted_index": f"{CONTRACT}={PRICE}",
        "durability": durability, "snapshot_commands": 0, "snapshot_seconds": 0,
        "orders_per_s": UNLIMITED, "orders_burst": UNLIMITED, "cancels_per_s": UNLIMITED, "cancels_burst": UNLIMITED,
    }  # fmt: skip
    return settings.load(None, {}, given)


def _trader(config: settings.Config) -> Trader:
    """Another client of the folder, whose secret is known."""
    registry = Registry(config.registry)
    trader = open_trader(registry, Vault(config.vault, registry), "watched", DEPOSIT_MICROS, clock.wall_ns())
    registry.close()
    return trader


# --- the trader ---------------------------------------------------------------------------------------------------


class Trading:
    """Orders one at a time over one connection, from `begin` to `end`."""

    def __init__(self, link: Connection, is_closed: bool) -> None:
        """`is_closed`: the next order is sent as soon as the one before is answered."""
        self._link, self._is_closed = link, is_closed
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Send the first order, and the next ones as they are due."""
        self._link.delays.clear()
        if self._is_closed:
            self._link.window = 1
            self._link.send(1, time.perf_counter_ns())
        else:
            self._is_over = False
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while not self._is_over:
            if not self._link.under_way:
                self._link.send(1, time.perf_counter_ns())
            await asyncio.sleep(EVERY_SECONDS)

    async def end(self, answers: Answers) -> None:
        """Stop, and keep how long the answers took."""
        link = self._link
        link.window, self._is_over = 0, True
        if self._task is not None:
            await self._task
        until = time.monotonic() + START_SECONDS
        while link.under_way:
            if time.monotonic() > until:
                raise BenchError("an order was not answered")
            await asyncio.sleep(0.001)
        if link.errors:
            raise BenchError(f"an order was refused: {link.first_error.decode()[:200]}")
        answers.turns_ns.append(np.array(link.delays, np.int64))


async def _ask(pipe: Any, is_to_begin: bool) -> tuple[float, bool, float, int]:
    """What the venue says of its snapshot, after it has begun one if that is wanted."""
    pipe.send(is_to_begin)
    while not pipe.poll():
        await asyncio.sleep(0.001)
    held_ms, is_running, seconds, failures = pipe.recv()
    return held_ms, is_running, seconds, failures


async def _turn(pipe: Any, trading: Trading, outcome: Outcome) -> None:
    """Trade beside one snapshot, then as long alone."""
    begun = time.monotonic()
    trading.begin()
    held_ms, is_running, _, _ = await _ask(pipe, True)
    while is_running:
        await asyncio.sleep(LOOK_SECONDS)
        _, is_running, seconds, failures = await _ask(pipe, False)
    await trading.end(outcome.beside)
    length_seconds = time.monotonic() - begun
    if failures:
        raise BenchError("a snapshot was not written")
    outcome.held_ms.append(held_ms)
    outcome.seconds.append(seconds)
    await asyncio.sleep(CALM_SECONDS)
    trading.begin()
    until = time.monotonic() + length_seconds
    while time.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        await _ask(pipe, False)
    await trading.end(outcome.alone)


async def _market_open(link: Connection) -> None:
    """Wait until orders are taken: the market is halted until its index has been live for a while."""
    until = time.monotonic() + OPEN_SECONDS
    while not link.answered or link.errors:
        if time.monotonic() > until:
            raise BenchError(f"the market does not open: {link.first_error.decode()[:200]}")
        link.errors, link.first_error = 0, b""
        for _ in range(2 * PAIRS):
            link.send(1, time.perf_counter_ns())
            while link.under_way:
                await asyncio.sleep(0.001)
        await asyncio.sleep(CALM_SECONDS)


async def _measure(pipe: Any, url: str, trader: Trader, plan: tuple[int, bool]) -> Outcome:
    outcome, (turns, is_closed) = Outcome(), plan
    script = json_script(CONTRACT, [str(PRICE - AWAY)], 1, PAIRS)
    [link] = await connect(Target(url, [log_in(trader)]), [script])
    await _market_open(link)
    for turn in range(turns):
        await _turn(pipe, Trading(link, is_closed), outcome)
        beside, alone = (int(kind.turns_ns[-1].max()) / 1e6 for kind in (outcome.beside, outcome.alone))
        told = f"turn {turn + 1} of {turns}: the longest answer {beside:.1f} ms beside a snapshot, {alone:.1f} ms alone"
        print(told, file=sys.stderr, flush=True)
    disconnect([link])
    return outcome


def measure(folder: Path, turns: int, durability: str, is_closed: bool) -> Outcome:
    """Start a venue on a folder, which is changed, and trade on it."""
    config = _config(folder, durability)
    trader, cores = _trader(config), sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    pipe, inner = context.Pipe()
    process = context.Process(target=serve, args=(cores[0], config, inner))
    process.start()
    inner.close()
    try:
        if not pipe.poll(START_SECONDS):
            raise BenchError(f"the venue did not start within {START_SECONDS} s")
        port = int(pipe.recv())
        os.sched_setaffinity(0, set(cores[1:]) or set(cores))
        go_before_others()
        return uvloop.run(_measure(pipe, f"ws://127.0.0.1:{port}/ws/api/v2", trader, (turns, is_closed)))
    finally:
        os.sched_setaffinity(0, set(cores))
        process.kill()
        process.join()


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.snapshot_pause", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m bench.snapshot_pause\n  python -m bench.snapshot_pause --full --folder "
        "/tmp/large --turns 7 --json",
    )  # fmt: skip
    parser.add_argument("--full", action="store_true", help="on the large folder of bench.restart --full")
    parser.add_argument("--folder", type=Path, help="the data folder to copy: made there when it is missing")
    parser.add_argument("--turns", type=int, default=5, help="snapshots, and times without one (default: 5)")
    parser.add_argument("--durability", choices=["fsync", "os"], default="fsync", help="of the venue (default: fsync)")
    parser.add_argument("--closed", action="store_true", help="the next order as soon as the one before is answered")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    args = parser.parse_args(arguments)
    plan = Plan(args.full, progress=lambda text: print(text, file=sys.stderr, flush=True))
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-", dir=args.folder.parent if args.folder else None) as name:
        kept, copy = args.folder or Path(name) / "made", Path(name) / "data"
        if not kept.exists():
            made(kept, plan)
        shutil.copytree(kept, copy)
        os.sync()
        outcome = measure(copy, args.turns, args.durability, args.closed)
    print(json.dumps(outcome.as_dict()) if args.json else outcome.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
