"""What another client notices while one host attacks the venue: `python -m bench.attacks`.

A venue runs in a process of its own. A trader places and cancels orders one at a time, a while in peace and a while
under attack, in turns. Wanted: its p99 under attack is at most twice the quiet one, and the venue's memory grows by at
most 300 MB. Everything stays on this machine.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.attackers import ATTACKS
from bench.gateway_load import Connection, Script, Target, client_frame, closed_loop, connect, disconnect, json_script
from bench.gateway_load import Result as Load
from bench.histogram import Histogram
from gateway import clock
from gateway import config as settings
from gateway.commands.serve import SWITCH_SECONDS, tune
from gateway.net.server import Server
from gateway.office.bootstrap import Trader, list_contracts, open_trader, set_up_venue
from gateway.registry.vault import Vault
from gateway.registry.registry import Registry

CONTRACT, PRICE = "BTC_USDC-PERPETUAL", 60_000
TRADES = 3000
UNLIMITED = 100_000_000
DEPOSIT_MICROS = 10**15
START_SECONDS = 600
CALM_SECONDS = 1.0
"""Between an attack and the next quiet turn: the venue closes what the attack left behind."""
SAMPLE_SECONDS = 0.05
FEW_FILES = 1024
"""The attack with idle connections meets a venue that may open so many files."""
MEGABYTE = 1 << 20


@dataclass
class Outcome:
    """What one attack did to the trader and to the venue's memory."""

    name: str
    quiet: Histogram = field(default_factory=Histogram)
    attacked: Histogram = field(default_factory=Histogram)
    quiet_bytes: int = 0
    most_bytes: int = 0
    orders: int = 0
    failed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For --json and the table."""
        quiet, attacked = self.quiet.summary(), self.attacked.summary()
        return {
            "attack": self.name, "quiet": quiet, "attacked": attacked, "orders_under_attack": self.orders,
            "memory_mb": round((self.most_bytes - self.quiet_bytes) / MEGABYTE, 1), "failed": self.failed,
        }  # fmt: skip


# --- the venue ----------------------------------------------------------------------------------------------------


def config_of(folder: Path) -> settings.Config:
    """The venue under attack: as shipped, but for how many orders a second a key may send."""
    given = {
        "data": str(folder / "venue"), "port": 0, "scripted_index": f"{CONTRACT}={PRICE}", "durability": "fsync",
        "orders_per_s": UNLIMITED, "orders_burst": UNLIMITED, "cancels_per_s": UNLIMITED, "cancels_burst": UNLIMITED,
    }  # fmt: skip
    return settings.load(None, {}, given)


def set_up(config: settings.Config) -> list[Trader]:
    """Contracts and three traders: two make the history, of which one attacks; the third is the one that is watched."""
    Path(config.data).mkdir(parents=True, exist_ok=True)
    registry, now_ns = Registry(config.registry), clock.wall_ns()
    vault = Vault(config.vault, registry)
    set_up_venue(registry, now_ns, DEPOSIT_MICROS)
    list_contracts(registry, now_ns)
    traders = [open_trader(registry, vault, name, DEPOSIT_MICROS, now_ns) for name in ("maker", "taker", "watched")]
    registry.close()
    return traders


def serve(core: int, config: settings.Config, files: int, sender: Any) -> None:
    """The venue's process."""
    os.sched_setaffinity(0, {core})
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


# --- the trader and the attack ------------------------------------------------------------------------------------


def log_in(trader: Trader) -> bytes:
    """The request with which a trader logs in."""
    params = {"grant_type": "client_credentials", "client_id": trader.key.id, "client_secret": trader.key.secret}
    return json.dumps({"jsonrpc": "2.0", "id": 0, "method": "public/auth", "params": params}).encode()


def _order(number: int, side: str) -> bytes:
    params = {"instrument_name": CONTRACT, "amount": 0.01, "type": "limit", "price": PRICE}
    message = {"jsonrpc": "2.0", "id": number, "method": f"private/{side}", "params": params}
    return client_frame(json.dumps(message).encode())


async def make_history(url: str, traders: list[Trader]) -> None:
    """Some thousand trades between two traders: what the attacks ask for."""
    sides = [Script([_order(1, side)]) for side in ("buy", "sell")]
    links = await connect(Target(url, [log_in(trader) for trader in traders[:2]]), sides)
    for _ in range(TRADES // 100):
        for link in links:
            link.send(100, time.perf_counter_ns())
        while any(link.under_way for link in links):
            await asyncio.sleep(0.001)
    disconnect(links)


async def _sampled(pid: int, outcome: Outcome) -> None:
    while True:
        outcome.most_bytes = max(outcome.most_bytes, resident_bytes(pid))
        await asyncio.sleep(SAMPLE_SECONDS)


async def _turn(link: list[Connection], histogram: Histogram, seconds: float) -> int:
    load = Load("", 1, histogram=histogram)
    await closed_loop(load, link, 1, seconds)
    return load.orders


async def attack(name: str, plan: "Plan", venue: "Running") -> Outcome:
    """Quiet turns and turns under one attack, one after the other."""
    outcome = Outcome(name)
    script = json_script(CONTRACT, [str(PRICE - 100)], 1, 64)
    link = await connect(Target(venue.url, [log_in(venue.traders[2])]), [script])
    outcome.quiet_bytes = resident_bytes(venue.pid)
    sampler = asyncio.get_running_loop().create_task(_sampled(venue.pid, outcome))
    for _ in range(plan.turns):
        await _turn(link, outcome.quiet, plan.seconds)
        key = venue.traders[0].key
        attacker = subprocess.Popen(
            [sys.executable, "-m", "bench.attackers", name, str(venue.port), key.id, key.secret], stdin=subprocess.PIPE
        )
        await asyncio.sleep(CALM_SECONDS / 2)
        outcome.orders += await _turn(link, outcome.attacked, plan.seconds)
        attacker.communicate()
        await asyncio.sleep(CALM_SECONDS)
    sampler.cancel()
    if link[0].under_way:
        outcome.failed = "an order was not answered"
    disconnect(link)
    return outcome


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


async def _attacks(plan: Plan, venue: Running) -> list[Outcome]:
    await asyncio.sleep(2.5)  # the first mark ticks: orders need a mark
    await make_history(venue.url, venue.traders)
    return [await attack(name, plan, venue) for name in plan.names]


def measure(plan: Plan, folder: Path) -> list[Outcome]:
    """Start a venue for the attacks, and another one, with few files, for idle connections."""
    cores = sorted(os.sched_getaffinity(0))
    outcomes = []
    few = [name for name in plan.names if name == "idle"]
    for names, files in (([name for name in plan.names if name not in few], 0), (few, FEW_FILES)):
        if not names:
            continue
        config = config_of(folder / str(files))
        traders = set_up(config)
        process, port = start(config, cores[0], files)
        os.sched_setaffinity(0, set(cores[1:]) or set(cores))
        try:
            outcomes += uvloop.run(_attacks(Plan(plan.seconds, plan.turns, names), Running(process.pid, port, traders)))
        finally:
            os.sched_setaffinity(0, set(cores))
            process.terminate()
            process.join(20)
    return outcomes


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.attacks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m bench.attacks\n  python -m bench.attacks --only trades --turns 3 --json",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each turn (default: 2)")
    parser.add_argument("--turns", type=int, default=5, help="quiet turns and turns under attack (default: 5)")
    parser.add_argument("--only", choices=sorted(ATTACKS), help="this attack alone")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    args = parser.parse_args(arguments)
    plan = Plan(args.seconds, args.turns, [args.only] if args.only else list(ATTACKS))
    with tempfile.TemporaryDirectory(prefix="lionrock-attacks-") as folder:
        outcomes = measure(plan, Path(folder))
    for outcome in outcomes:
        facts = outcome.as_dict()
        if args.json:
            print(json.dumps(facts))
            continue
        quiet, attacked = facts["quiet"], facts["attacked"]
        print(
            f"{outcome.name:10} quiet p50/p99 {quiet['p50_us']:,.0f}/{quiet['p99_us']:,.0f} us, under attack "
            f"{attacked['p50_us']:,.0f}/{attacked['p99_us']:,.0f} us, {outcome.orders} orders, memory "
            f"{facts['memory_mb']:+,.0f} MB {outcome.failed}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
