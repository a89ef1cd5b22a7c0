"""What the venue does when more orders come than it can take: the part of `bench.attacks` about load beyond capacity.

The load is at first as much as is answered, then as much as the sockets take, in turns; another trader places and
cancels one order at a time beside it. In the end the venue is killed under the load: its journal must have every order
that was acknowledged.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.attacked_venue import CALM_SECONDS, CONTRACT, PRICE, Plan, Running, log_in, turn
from bench.gateway_load import WARM_SECONDS, Target, connect, disconnect, json_script
from bench.histogram import Histogram
from engine import host
from engine.codes import CommandKind


@dataclass
class Overload:
    """What the venue acknowledged at its capacity and beyond, and how long a cancel took meanwhile."""

    capacity_per_s: list[float] = field(default_factory=list)
    overload_per_s: list[float] = field(default_factory=list)
    at_capacity: Histogram = field(default_factory=Histogram)
    overloaded: Histogram = field(default_factory=Histogram)
    acknowledged: int = 0
    """Orders of the load that were answered; those of the last quarter of a second before its end do not count."""
    logged: int = 0
    """Orders of the load in the journal of the venue, which was killed under it."""

    def as_dict(self) -> dict[str, Any]:
        """For --json and the table."""
        return {
            "attack": "overload", "capacity_per_s": round(median(self.capacity_per_s)),
            "overload_per_s": round(median(self.overload_per_s)), "at_capacity": self.at_capacity.summary(),
            "overloaded": self.overloaded.summary(), "acknowledged": self.acknowledged, "logged": self.logged,
        }  # fmt: skip


    def line(self) -> str:
        """For people."""
        known, beyond = self.at_capacity.summary(), self.overloaded.summary()
        return (
            f"overload   {median(self.capacity_per_s):,.0f} answers/s at capacity, {median(self.overload_per_s):,.0f} "
            f"beyond it; another client's p50/p99 {known['p50_us']:,.0f}/{known['p99_us']:,.0f} us, then "
            f"{beyond['p50_us']:,.0f}/{beyond['p99_us']:,.0f} us; {self.acknowledged} orders acknowledged, "
            f"{self.logged} in the journal"
        )

    def count_logged(self, journal: Path, account_slot: int) -> None:
        """Count the load's orders in the journal of the venue that was killed."""
        for batch in host.JournalReader(journal).batches():
            self.logged += int(((batch["kind"] == CommandKind.NEW) & (batch["account_slot"] == account_slot)).sum())


async def _told(load: Any) -> dict[str, int]:
    """What a load says next."""
    line = await load.stdout.readline()
    told: dict[str, int] = json.loads(line)
    return told


async def overload(plan: Plan, venue: Running) -> Overload:
    """A load at the venue's capacity and one far beyond it, in turns; another trader's orders and cancels beside it."""
    outcome = Overload()
    script = json_script(CONTRACT, [str(PRICE - 100)], 1, 1)
    link = await connect(Target(venue.url, [log_in(venue.traders[2])]), [script])
    key = venue.traders[0].key
    for _ in range(plan.turns):
        for name, rates, histogram in (
            ("capacity", outcome.capacity_per_s, outcome.at_capacity),
            ("overload", outcome.overload_per_s, outcome.overloaded),
        ):
            load = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.attackers", name, str(venue.port), key.id, key.secret,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            first = await _told(load)
            await turn(link, histogram, plan.seconds)
            told = first
            while told["at_ms"] - first["at_ms"] < (plan.seconds + WARM_SECONDS) * 1000:
                told = await _told(load)
            rates.append((told["answers"] - first["answers"]) * 1000 / (told["at_ms"] - first["at_ms"]))
            outcome.acknowledged += told["orders"]
            if told["errors"]:
                raise ValueError(f"{told['errors']} of the load's orders were refused")
            if (name, len(rates)) == ("overload", plan.turns):
                os.kill(venue.pid, signal.SIGKILL)  # in the middle of it
            assert load.stdin is not None
            load.stdin.close()
            await load.wait()
            await asyncio.sleep(CALM_SECONDS)
    disconnect(link)
    return outcome
