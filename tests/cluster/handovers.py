"""Hand a real cluster over under load, to and fro: how long nobody answers, and whether anything is refused or lost.

    python -m tests.cluster.handovers --times 20 --json

One server, a leader and a standby run as processes of their own. Clients place and cancel orders without pause through
the addresses of both. A refusal or a lost connection that a client's program sees is a fault, as is what the checker of
`kills` finds.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import host
from gateway.client import Disconnected, RpcError
from tests.cluster.kills import LIMIT_SECONDS, WARM_SECONDS, Cluster, Result, Trader, _traders
from tests.cluster.servers import one_server
from tests.gateway.live import INDEX


@dataclass
class Handovers:
    """What came of the handovers."""

    gaps: Result = field(default_factory=Result)
    held: Result = field(default_factory=Result)

    def facts(self) -> dict[str, Any]:
        """Figures for a person or a program."""
        told = self.gaps.facts()
        told["handovers"] = told.pop("kills")
        return told | {"held_ms": self.held.facts()["gap_ms"]}


async def _trade(trader: Trader, ends: asyncio.Event, faults: list[str]) -> None:
    turn = 0
    while not ends.is_set():
        try:
            await trader._step(turn)
        except (Disconnected, RpcError) as error:
            faults.append(f"a client saw: {error}")
        turn += 1


async def _hand_over(cluster: Cluster, result: Handovers) -> None:
    old, new = cluster.leader, cluster.standby
    traders, ends, faults = await _traders(cluster, [old.url, new.url]), asyncio.Event(), result.gaps.faults
    works = [asyncio.create_task(_trade(trader, ends, faults)) for trader in traders]
    await asyncio.sleep(WARM_SECONDS)
    words = ["handover", "--data", str(old.folder), "--to", new.name, "--reason", "a measurement", "--json"]
    asked = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway.cli", *words, stdout=-1, stderr=-1)
    said, errors = await asked.communicate()
    answer = json.loads(said or "{}")
    if answer.get("state") != "done":
        raise RuntimeError(f"{answer} {errors.decode()}")
    result.held.gaps_ms.append(answer["held_ms"])
    async with asyncio.timeout(LIMIT_SECONDS):
        while not all(new.url in trader.epoch_answers for trader in traders):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    ends.set()
    await asyncio.gather(*works)
    last = max(trader.epoch_answers[old.url][1] for trader in traders)
    first = min(trader.epoch_answers[new.url][0] for trader in traders)
    result.gaps.gaps_ms.append((first - last) * 1000)
    for trader in traders:
        faults += await trader.faults()
        result.gaps.acknowledged += len(trader.told.open) + len(trader.told.cancelled)
        await trader.client.cancel_all()
        await trader.client.close()
    assert new.read()["leads"] and old.read()["handed_over"]
    await asyncio.to_thread(old.listens)
    cluster.leader, cluster.standby = new, old


async def run(folder: Path, times: int) -> Handovers:
    """Hand over so many times."""
    os.environ |= {"LIONROCK_CLUSTER_REPLICAS": "1", "LIONROCK_SCRIPTED_INDEX": INDEX, "LIONROCK_DURABILITY": "fsync"}
    result = Handovers()
    with one_server(folder / "nats") as server:
        cluster = Cluster(folder, server.address)
        try:
            await asyncio.to_thread(cluster.begin)
            for _ in range(times):
                await asyncio.sleep(3)  # the standby's processes are ready, and it has the whole registry
                await _hand_over(cluster, result)
        finally:
            cluster.close()
    return result


def main() -> int:
    """0 when nothing was refused, nothing was lost and nothing happened twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.handovers", description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        result = asyncio.run(run(Path(scratch), args.times))
    facts = result.facts()
    print(json.dumps(facts) if args.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 1 if result.gaps.faults else 0


if __name__ == "__main__":
    host.warm_up()
    sys.exit(main())
