"""Hand a real cluster over under load, to and fro: how long nobody answers, and whether anything is refused or lost.

    python -m tests.cluster.handovers --times 20 --json

A refusal or a lost connection that a client's program sees is a fault, as is what the checker of `kills` finds; but not
of the client that stays with the node that led.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from engine import host
from tests.cluster.kills import LIMIT_SECONDS, WARM_SECONDS, at
from tests.cluster.running import Cluster, cluster
from tests.cluster.told import Load

AFTER_SECONDS = 0.2


class HandedOver(msgspec.Struct, kw_only=True):
    """What came of one handover."""

    gap_ms: float
    held_ms: float
    acknowledged: int
    faults: list[str]


async def _hand_over(running: Cluster) -> HandedOver:
    old, new = running.leader, running.standby
    load = Load(running.urls, running.keys)
    await load.begin()
    await asyncio.sleep(WARM_SECONDS)
    begun = time.monotonic()
    words = ["handover", "--data", str(old.folder), "--to", new.name, "--reason", "a measurement", "--json"]
    asked = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway.cli", *words, stdout=-1, stderr=-1)
    said, errors = await asked.communicate()
    answer = json.loads(said or "{}")
    if answer.get("state") != "done":
        raise RuntimeError(f"{answer} {errors.decode()}")
    await load.answered_by(new.url, LIMIT_SECONDS)
    await asyncio.sleep(AFTER_SECONDS)
    faults = [f"a client saw: {seen}" for trader in load.traders for seen in trader.seen]
    assert new.read()["leads"] and old.read()["handed_over"]
    old_url = old.url
    await asyncio.to_thread(old.listens)
    faults += await load.end()
    times = {url: [each.time for each in load.answers() if each.url == url] for url in (old_url, new.url)}
    last = max(time for time in times[old_url] if time < min(times[new.url])) if times[old_url] else begun
    await load.close()
    running.leader, running.standby = new, old
    return HandedOver(
        gap_ms=(min(times[new.url]) - last) * 1000, held_ms=float(answer["held_ms"]), acknowledged=load.acknowledged,
        faults=faults,
    )  # fmt: skip


async def run(folder: Path, times: int, servers: int) -> list[HandedOver]:
    """Hand over so many times."""
    found = []
    with cluster(folder, servers) as running:
        for _ in range(times):
            await running.standby_is_ready()
            found.append(await _hand_over(running))
    return found


def summary(found: list[HandedOver]) -> dict[str, Any]:
    """Figures for a person or a program."""
    gaps, held = sorted(each.gap_ms for each in found), sorted(each.held_ms for each in found)
    faults = [fault for each in found for fault in each.faults]
    return {
        "handovers": len(found), "gap_ms": {"median": at(gaps, 0.5), "p99": at(gaps, 0.99), "most": at(gaps, 1.0)},
        "held_ms": {"median": at(held, 0.5), "most": at(held, 1.0)},
        "acknowledged": sum(each.acknowledged for each in found), "fault_count": len(faults), "faults": faults[:20],
    }  # fmt: skip


def main() -> int:
    """0 when nothing was refused, nothing was lost and nothing happened twice."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.handovers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--servers", type=int, choices=(1, 3), default=1, help="JetStream servers (default: 1)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        facts = summary(asyncio.run(run(Path(scratch), args.times, args.servers)))
    print(json.dumps(facts) if args.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 1 if facts["faults"] else 0


if __name__ == "__main__":
    host.warm_up()
    sys.exit(main())
