"""A venue in a process of its own, with three traders: what `bench.attacks` and `bench.overload` have in common."""

import multiprocessing
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench import gateway_load, venue_process
from bench.gateway_load import Connection, closed_loop
from bench.gateway_load import Result as Load
from bench.histogram import Histogram
from bench.lifetime import end_with_parent
from bench.load_servers import CONTRACT, DEPOSIT_MICROS, PRICE, START_SECONDS, UNLIMITED
from bench.placement import go_before_others
from gateway import config as settings
from gateway.commands.serving import SWITCH_SECONDS, tune
from gateway.net.server import Server
from gateway.office.bootstrap import Trader

CALM_SECONDS = 1.0
"""Between an attack and the next turn: the venue closes what the attack left behind."""


@dataclass(frozen=True)
class Running:
    """A venue that runs, and its traders."""

    pid: int
    port: int
    traders: list[Trader]

    @property
    def url(self) -> str:
        """Where its websockets are."""
        return f"ws://127.0.0.1:{self.port}/ws/api/v2"


@dataclass(frozen=True)
class Plan:
    """How long, how often, and which attacks."""

    seconds: float
    turns: int
    names: list[str]
    as_json: bool = False


def config_of(folder: Path) -> settings.Config:
    """The venue under attack: as shipped, but for how many orders a second a key may send."""
    given = {
        "data": str(folder / "venue"), "port": 0, "scripted_index": f"{CONTRACT}={PRICE}", "durability": "fsync",
        "orders_per_s": UNLIMITED, "orders_burst": UNLIMITED, "cancels_per_s": UNLIMITED, "cancels_burst": UNLIMITED,
    }  # fmt: skip
    return settings.load(None, {}, given)


def set_up(config: settings.Config) -> list[Trader]:
    """Contracts and three traders: two make the history, of which one attacks; the third is the one that is watched."""
    return venue_process.set_up(config, ["maker", "taker", "watched"], DEPOSIT_MICROS)


def serve(core: int, config: settings.Config, files: int, sender: Any) -> None:
    """The venue's process."""
    end_with_parent()
    os.sched_setaffinity(0, {core})
    go_before_others()
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    async def run() -> None:
        server = Server(config)
        await server.start()
        tune(SWITCH_SECONDS)
        sender.send(server.port)
        await server.failed

    uvloop.run(run())


def start(config: settings.Config, core: int, files: int) -> tuple[Any, int]:
    """The venue's process and its port."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(core, config, files, sender), daemon=True)
    process.start()
    sender.close()
    if not receiver.poll(START_SECONDS):
        raise ValueError(f"the venue did not start within {START_SECONDS} s")
    return process, int(receiver.recv())


def resident_bytes(pid: int) -> int:
    """The memory that a process has now; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def log_in(trader: Trader) -> bytes:
    """The request with which a trader logs in."""
    return gateway_load.log_in(trader.key.id, trader.key.secret)


async def turn(link: list[Connection], histogram: Histogram, seconds: float) -> int:
    load = Load("", 1, histogram=histogram)
    await closed_loop(load, link, 1, seconds)
    return load.orders
