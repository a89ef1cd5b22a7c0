"""What another client notices while one host attacks the venue: `python -m bench.attacks`.

A venue runs in a process of its own. A trader places and cancels orders one at a time, a while in peace and a while
under attack, in turns. Wanted: its p99 under attack is at most twice the quiet one, and the venue's memory grows by at
most 300 MB. Everything stays on this machine.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvloop

from bench.attacked_venue import (
    CALM_SECONDS,
    Plan,
    Running,
    config_of,
    log_in,
    resident_bytes,
    set_up,
    start,
    turn,
)
from bench.attackers import ATTACKS
from bench.gateway_load import Script, Target, client_frame, connect, disconnect, json_script
from bench.histogram import Histogram
from bench.load_servers import CONTRACT, MARK_SECONDS, PRICE
from bench.overload import overload
from bench.placement import go_before_others
from gateway.office.bootstrap import Trader

TRADES = 3000
SAMPLE_SECONDS = 0.05
FEW_FILES = 1024
"""The attack with idle connections meets a venue that may open so many files."""
MEGABYTE = 1 << 20
OVERLOAD = "overload"


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

    def line(self) -> str:
        """For people."""
        quiet, attacked = self.quiet.summary(), self.attacked.summary()
        memory_mb = (self.most_bytes - self.quiet_bytes) / MEGABYTE
        return (
            f"{self.name:10} quiet p50/p99 {quiet['p50_us']:,.0f}/{quiet['p99_us']:,.0f} us, under attack "
            f"{attacked['p50_us']:,.0f}/{attacked['p99_us']:,.0f} us, {self.orders} orders, memory "
            f"{memory_mb:+,.0f} MB {self.failed}"
        )


# --- the trader and the attack ------------------------------------------------------------------------------------


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


async def attack(name: str, plan: Plan, venue: Running) -> Outcome:
    """Quiet turns and turns under one attack, one after the other."""
    outcome = Outcome(name)
    script = json_script(CONTRACT, [str(PRICE - 100)], 1, 64)
    link = await connect(Target(venue.url, [log_in(venue.traders[2])]), [script])
    outcome.quiet_bytes = resident_bytes(venue.pid)
    sampler = asyncio.get_running_loop().create_task(_sampled(venue.pid, outcome))
    for _ in range(plan.turns):
        await turn(link, outcome.quiet, plan.seconds)
        key = venue.traders[0].key
        attacker = subprocess.Popen(
            [sys.executable, "-m", "bench.attackers", name, str(venue.port), key.id, key.secret], stdin=subprocess.PIPE
        )
        await asyncio.sleep(CALM_SECONDS / 2)
        outcome.orders += await turn(link, outcome.attacked, plan.seconds)
        attacker.communicate()
        await asyncio.sleep(CALM_SECONDS)
    sampler.cancel()
    if link[0].under_way:
        outcome.failed = "an order was not answered"
    disconnect(link)
    return outcome


def _said(outcome: Any, plan: Plan) -> Any:
    """Print what came out as soon as it is known."""
    print(json.dumps(outcome.as_dict()) if plan.as_json else outcome.line(), flush=True)
    return outcome


async def _attacks(plan: Plan, venue: Running) -> list[Outcome]:
    await asyncio.sleep(MARK_SECONDS)
    await make_history(venue.url, venue.traders)
    return [_said(await attack(name, plan, venue), plan) for name in plan.names]


async def _overload(plan: Plan, venue: Running) -> list[Any]:
    await asyncio.sleep(MARK_SECONDS)
    return [await overload(plan, venue)]


def measure(plan: Plan, folder: Path) -> list[Any]:
    """Start a venue for the attacks, another one, with few files, for idle connections, and one for too much load."""
    cores = sorted(os.sched_getaffinity(0))
    go_before_others()
    outcomes: list[Any] = []
    alone = ("idle", OVERLOAD)
    for names, files, run in (
        ([name for name in plan.names if name not in alone], 0, _attacks),
        ([name for name in plan.names if name == "idle"], FEW_FILES, _attacks),
        ([name for name in plan.names if name == OVERLOAD], 0, _overload),
    ):
        if not names:
            continue
        config = config_of(folder / names[0])
        traders = set_up(config)
        process, port = start(config, cores[0], files)
        os.sched_setaffinity(0, set(cores[1:]) or set(cores))
        try:
            outcomes += uvloop.run(run(replace(plan, names=names), Running(process.pid, port, traders)))
            if run is _overload:
                outcomes[-1].count_logged(config.journal, traders[0].account_slot)
                _said(outcomes[-1], plan)
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
    parser.add_argument("--only", choices=[*sorted(ATTACKS), OVERLOAD], help="this attack alone")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    args = parser.parse_args(arguments)
    plan = Plan(args.seconds, args.turns, [args.only] if args.only else [*ATTACKS, OVERLOAD], args.json)
    with tempfile.TemporaryDirectory(prefix="lionrock-attacks-") as folder:
        measure(plan, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
