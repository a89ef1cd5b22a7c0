"""What `lionrock load` measures: venues and echo servers, in processes of their own on chosen cores, and the disk."""

import asyncio
import json
import multiprocessing
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench import venue_process
from bench.builds import Build, this_build
from bench.gateway_load import Script, Target, json_script, log_in, row_script, serve_echo
from bench.lifetime import end_with_parent
from bench.placement import go_before_others, on_cores
from gateway import config as settings
from gateway.net.websocket_connection import BINARY_PROTOCOL

CONTRACT = "BTC_USDC-PERPETUAL"
PRICE = 60_000
PAIRS = 512
REPLY_BYTES = 660
"""About the size of the venue's reply to an order of the load."""
UNLIMITED = 100_000_000
ROW_CONNECTIONS = 4
"""The most connections with frames of rows: each frame has so many orders that more connections only wait."""
SYNCS, SYNC_BYTES = 50, 256
START_SECONDS = 600
STOP_SECONDS = 20
MARK_SECONDS = 2.5
"""Until the first mark ticks: orders need a mark."""
DEPOSIT_MICROS = 10**15


@dataclass(frozen=True)
class Cores:
    """Which cores the venue with its threads and the echo, the processes that the venue starts, and the load run on."""

    venue: tuple[int, ...]
    surveillance: tuple[int, ...]
    load: tuple[int, ...]


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
    turns: int
    cores: Cores
    is_real_time: bool = False
    cluster: str = ""
    """The servers of a replicated log, with commas between; empty: a machine alone."""
    replicas: int = 1
    goes_first: bool = True
    """Whether venues run before the machine's other processes, also before threads of the system."""


def chosen_cores(venue: str, surveillance: str, load: str) -> Cores:
    """Cores from lists such as `0,2`: by default the venue has the first and the load all others, if there are any.

    ValueError for a core that this process may not use.
    """
    cores = sorted(os.sched_getaffinity(0))

    def read(flag: str, text: str, default: list[int]) -> tuple[int, ...]:
        words = text.split(",") if text else []
        given = [int(word) for word in words if word.isascii() and word.isdigit()]
        if len(given) != len(words) or not set(given) <= set(cores):
            allowed = ",".join(map(str, cores))
            raise ValueError(f"{flag} {text}: not among the cores that this process may use; some of {allowed}")
        return tuple(given or default)

    first = read("--venue-core", venue, cores[:1])
    others = [core for core in cores if core not in first]
    own_processes = read("--surveillance-core", surveillance, list(first))
    return Cores(first, own_processes, read("--load-core", load, others or cores))


def config_of(folder: Path, plan: Plan) -> dict[str, Any]:
    """The venue's settings. ConfigError when they are not what those of `lionrock serve` may be."""
    given = {
        "data": str(folder), "port": 0, "durability": plan.durability, "busy_poll_us": plan.busy_poll_us,
        "scripted_index": f"{CONTRACT}={PRICE}", "max_frame_bytes": 1 << 20, "max_connections_per_address": 0,
        "orders_per_s": UNLIMITED, "orders_burst": UNLIMITED, "cancels_per_s": UNLIMITED, "cancels_burst": UNLIMITED,
    }  # fmt: skip
    if plan.cluster:
        given |= {"cluster_servers": plan.cluster, "cluster_venue": folder.name, "cluster_replicas": plan.replicas}
    settings.load(None, {}, given)
    return given


@dataclass(frozen=True)
class Venue:
    """A running venue: JSON and rows are sent to the same port."""

    process: "subprocess.Popen[bytes]"
    json: Target
    rows: Target

    def check(self) -> None:
        """ValueError when it has stopped."""
        if self.process.poll() is not None:
            raise ValueError("the venue stopped while it was measured; its error is above")


@dataclass(frozen=True)
class Echoes:
    """Echo servers: frame by frame, gathering its writes, and one whose every reply is as long as a venue's."""

    bare: Target
    gathering: Target
    long: Target


@contextmanager
def running_venue(folder: Path, plan: Plan, build: Build | None = None) -> Iterator[Venue]:
    """A venue of a build, with as many traders as there are connections, until the block ends."""
    build = build or this_build()
    process = subprocess.Popen(
        [sys.executable, "-P", venue_process.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=build.root, env=build.environment(), start_new_session=True,
    )  # fmt: skip
    if plan.goes_first:
        go_before_others(process.pid)
    try:
        said = _started(process, folder, plan)
        if "error" in said:
            raise ValueError(f"the venue of {build.name} does not start: {said['error']}")
        for child in children(process.pid):
            os.sched_setaffinity(child, plan.cores.surveillance)
        url, log_ins = f"ws://127.0.0.1:{said['port']}/ws/api/v2", [log_in(*key) for key in said["keys"]]
        rows = Target(url, log_ins, protocol=BINARY_PROTOCOL, pid=process.pid)
        yield Venue(process, Target(url, log_ins, pid=process.pid), rows)
    finally:
        process.kill()
        process.communicate()


def _started(process: "subprocess.Popen[bytes]", folder: Path, plan: Plan) -> dict[str, Any]:
    """What the venue's process says when it listens, or why it does not."""
    asked = {
        "settings": config_of(folder, plan), "traders": plan.connections, "deposit_micros": DEPOSIT_MICROS,
        "cores": plan.cores.venue,
    }  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], START_SECONDS)[0]:
        return {"error": f"it did not listen within {START_SECONDS} s"}
    line = process.stdout.readline()
    said: dict[str, Any] = json.loads(line) if line else {"error": "it stopped; its error is above"}
    return said


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for text in lists for child in text.split()]


@contextmanager
def running_echoes(cores: Cores) -> Iterator[Echoes]:
    """The echo servers, in one process on the venue's cores, until the block ends."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_echoes, args=(cores.venue, sender), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(START_SECONDS):
            raise ValueError(f"the echo server did not start within {START_SECONDS} s")
        urls = [f"ws://127.0.0.1:{port}/" for port in receiver.recv()]
        yield Echoes(*(Target(url, is_echo=True, pid=process.pid or 0) for url in urls))
    except EOFError:
        raise ValueError("the echo server stopped before it listened; its error is above") from None
    finally:
        process.terminate()
        process.join(STOP_SECONDS)


def _run_echoes(cores: tuple[int, ...], sender: Any) -> None:
    end_with_parent()
    os.setsid()  # else it would share what the load's session gets
    os.sched_setaffinity(0, cores)
    go_before_others()

    async def serve() -> None:
        kinds: list[dict[str, Any]] = [{"is_bare": True}, {}, {"reply_bytes": REPLY_BYTES}]
        sender.send([(await serve_echo(0, **kind))[1] for kind in kinds])
        await asyncio.get_running_loop().create_future()

    uvloop.run(serve())


def order_script(place: int) -> Script:
    """The orders of one connection: post-only below the market, then their cancels."""
    prices = [str(PRICE - 500 - 5 * step) for step in range(100)]
    return json_script(CONTRACT, prices, 1 + place * PAIRS, PAIRS)


def order_scripts(plan: Plan) -> list[Script]:
    """The orders of each connection."""
    return [order_script(place) for place in range(plan.connections)]


def row_scripts(plan: Plan) -> list[Script]:
    """The same as rows, on a few connections."""
    prices = [2 * (PRICE - 500) - step for step in range(1000)]
    places = range(min(plan.connections, ROW_CONNECTIONS))
    return [row_script(0, prices, 1_000_000 * (place + 1), plan.rows) for place in places]


@dataclass
class DiskSync:
    """How long a small write with fsync takes on the venue's core: at the file's end, and within the file."""

    folder: Path
    cores: tuple[int, ...]
    appended_us: list[float] = field(default_factory=list)
    within_us: list[float] = field(default_factory=list)

    def measure(self) -> float:
        """Measure some of both kinds; the median of those at the end, in microseconds."""
        path = self.folder / "sync"
        with on_cores(self.cores), path.open("wb", buffering=0) as file:
            appended_us = [_sync_us(file) for _ in range(SYNCS)]
            file.write(bytes(SYNCS * SYNC_BYTES))
            os.fsync(file.fileno())
            file.seek(-SYNCS * SYNC_BYTES, os.SEEK_END)
            self.within_us += [_sync_us(file) for _ in range(SYNCS)]
        path.unlink()
        self.appended_us += appended_us
        return statistics.median(appended_us)

    def medians(self) -> dict[str, float]:
        """Of all that was measured."""
        appended_us, within_us = statistics.median(self.appended_us), statistics.median(self.within_us)
        return {"disk_sync_us": round(appended_us, 1), "disk_sync_within_us": round(within_us, 1)}


def _sync_us(file: Any) -> float:
    begun = time.perf_counter()
    file.write(bytes(SYNC_BYTES))
    os.fdatasync(file.fileno())
    return (time.perf_counter() - begun) * 1e6
