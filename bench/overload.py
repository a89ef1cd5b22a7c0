"""What the venue does when three times as many orders come as it can take: the part of `bench.attacks` about overload.

In turns: a load of as many orders as are answered, which is the capacity, and one for which three times as many are due
whatever is answered. Another trader places and cancels one order at a time beside it, and what counts are its cancels.
In the end the venue is killed under the load: its journal must have every order that was acknowledged.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.attacked_venue import CALM_SECONDS, Plan, Running, log_in
from bench.attackers import LOAD
from bench.gateway_load import WARM_SECONDS, Connection, Target, connect, disconnect, json_script
from bench.histogram import Histogram
from bench.load_servers import CONTRACT, PRICE
from engine import host
from engine.codes import CommandKind

TIMES = 3
"""How much more than the capacity is offered."""


@dataclass
class Overload:
    """What the venue answered at its capacity and beyond, and how long another client's cancels took meanwhile."""

    capacity_per_s: list[float] = field(default_factory=list)
    due_per_s: list[float] = field(default_factory=list)
    """What was offered beyond it: messages that were due, counted by the sender, sent or not."""
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
            "due_per_s": round(median(self.due_per_s)), "overload_per_s": round(median(self.overload_per_s)),
            "at_capacity": self.at_capacity.summary(), "overloaded": self.overloaded.summary(),
            "acknowledged": self.acknowledged, "logged": self.logged,
        }  # fmt: skip

    def line(self) -> str:
        """For people."""
        known, beyond = self.at_capacity.summary(), self.overloaded.summary()
        offered = f"{median(self.due_per_s):,.0f}/s due: {median(self.overload_per_s):,.0f} answers/s"
        return (
            f"overload   {median(self.capacity_per_s):,.0f} answers/s at capacity; {offered}; another client's cancels "
            f"p50/p99 {known['p50_us']:,.0f}/{known['p99_us']:,.0f} us, then {beyond['p50_us']:,.0f}/"
            f"{beyond['p99_us']:,.0f} us; {self.acknowledged} orders acknowledged, {self.logged} in the journal"
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


async def cancels(connection: Connection, seconds: float) -> list[int]:
    """How long each cancel took, in ns, of a trader that places one order and cancels it, over and over."""
    connection.window = 1
    connection.send(1, time.perf_counter_ns())
    await asyncio.sleep(WARM_SECONDS)
    first = connection.sent - connection.under_way
    connection.delays = []
    await asyncio.sleep(seconds)
    delays, connection.window = connection.delays, 0
    while connection.under_way:
        await asyncio.sleep(0.01)
    return delays[1 - first % 2 :: 2]  # every other message is a cancel


async def overload(plan: Plan, venue: Running) -> Overload:
    """A load at the venue's capacity and one of three times as much, in turns; another trader's cancels beside it."""
    outcome = Overload()
    script = json_script(CONTRACT, [str(PRICE - 100)], 1, 1)
    link = await connect(Target(venue.url, [log_in(venue.traders[2])]), [script])
    key, capacity_per_s = venue.traders[0].key, 0.0
    for _ in range(plan.turns):
        for times, rates, histogram in (
            (0, outcome.capacity_per_s, outcome.at_capacity),
            (TIMES, outcome.overload_per_s, outcome.overloaded),
        ):
            load = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.attackers", LOAD, str(venue.port), key.id, key.secret,
                str(int(times * capacity_per_s)),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            first = await _told(load)
            histogram.add(await cancels(link[0], plan.seconds))
            told = first
            while told["at_ms"] - first["at_ms"] < (plan.seconds + WARM_SECONDS) * 1000:
                told = await _told(load)
            span_s = (told["at_ms"] - first["at_ms"]) / 1000
            rates.append((told["answers"] - first["answers"]) / span_s)
            if times:
                outcome.due_per_s.append((told["due"] - first["due"]) / span_s)
            else:
                capacity_per_s = rates[-1]
            outcome.acknowledged += told["orders"]
            if told["errors"]:
                raise ValueError(f"{told['errors']} of the load's orders were refused")
            if times and len(rates) == plan.turns:
                os.kill(venue.pid, signal.SIGKILL)  # in the middle of it
            assert load.stdin is not None
            load.stdin.close()
            await load.wait()
            await asyncio.sleep(CALM_SECONDS)
    disconnect(link)
    return outcome
