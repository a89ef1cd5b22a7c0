"""Kill the leader of a real cluster under load, again and again: how long nobody answers, and whether anything is lost.

    python -m tests.cluster.kills --times 100 --json
    python -m tests.cluster.kills --times 20 --by stop

One server, a leader and a standby run as processes of their own. Clients place and cancel orders without pause through
the addresses of both. The checker knows only what clients were told: each order that was acknowledged has to be there
once after the takeover, each cancel that was acknowledged has to have happened, and of the rest each may be either.
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import host
from gateway.client import Client, Disconnected, RpcError
from tests.cluster.nodes import Node, leader, standby
from tests.cluster.servers import one_server
from tests.gateway.live import BTC, INDEX, config_of, set_up

TRADERS = 4
WARM_SECONDS = 1.0
"""How long the clients trade before each kill."""
STOP_SECONDS = 2.0
"""How long a stopped leader stands still."""
SETTLE_SECONDS = 3.0
"""How long a new standby has, so that its processes are ready."""
RETRY_SECONDS = 0.005
LIMIT_SECONDS = 60


@dataclass
class Told:
    """What one client was told: orders that are open, that were cancelled, and those in doubt, by their own id."""

    open: dict[int, str] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    """A request about them had no answer."""


class Trader:
    """One client that places and cancels without pause."""

    def __init__(self, client: Client, ids: "itertools.count[int]") -> None:
        self.client, self._ids = client, ids
        self.told = Told()
        self.answered_at = 0.0
        self.epoch_answers: dict[str, list[float]] = {}
        """(first, last) time of an answer, by the address that gave it."""
        self.refused = 0

    async def trade(self) -> None:
        """Place orders, and cancel every second one, for ever."""
        for turn in itertools.count():
            try:
                await self._step(turn)
            except Disconnected:
                await asyncio.sleep(RETRY_SECONDS)
            except RpcError as error:
                self.refused += 1
                if error.reason not in ("STANDBY", "LOG_NOT_REPLICATED"):
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def _step(self, turn: int) -> None:
        told, number = self.told, next(self._ids)
        told.doubtful.add(number)
        try:
            placed = await self.client.buy(BTC, "0.001", price=str(10_000 + turn % 500), cl_ord_id=number)
        except RpcError:
            told.doubtful.discard(number)
            raise
        self._answered()
        told.doubtful.discard(number)
        told.open[number] = placed.order.order_id
        if turn % 2:
            told.doubtful.add(number)
            order_id = told.open.pop(number)
            try:
                await self.client.cancel(order_id)
            except RpcError:
                told.doubtful.discard(number)
                told.open[number] = order_id
                raise
            self._answered()
            told.doubtful.discard(number)
            told.cancelled.add(number)

    def _answered(self) -> None:
        now = time.monotonic()
        times = self.epoch_answers.setdefault(self.client.url, [now, now])
        times[1] = now

    async def faults(self) -> list[str]:
        """What the venue has that contradicts what this client was told."""
        found: dict[int, int] = {}
        for order in await self.client.open_orders():
            found[order.cl_ord_id] = found.get(order.cl_ord_id, 0) + 1
        told = self.told
        faults = [f"order {number} was acknowledged and is lost" for number in told.open if not found.get(number)]
        faults += [f"order {number} is there {count} times" for number, count in found.items() if count > 1]
        faults += [f"order {number} was cancelled and is open" for number in told.cancelled if number in found]
        known = told.open.keys() | told.cancelled | told.doubtful
        faults += [f"order {number} was never sent" for number in found if number not in known]
        return faults


@dataclass
class Result:
    """What came of the kills."""

    gaps_ms: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    acknowledged: int = 0

    def facts(self) -> dict[str, Any]:
        """Figures for a person or a program."""
        gaps = sorted(self.gaps_ms)
        parts = (("median", 0.5), ("p99", 0.99), ("most", 1.0))
        at = {name: round(gaps[min(len(gaps) - 1, int(len(gaps) * part))], 1) for name, part in parts}
        return {
            "kills": len(gaps), "gap_ms": at,
            "acknowledged": self.acknowledged, "faults": self.faults[:20], "fault_count": len(self.faults),
        }  # fmt: skip


class Cluster:
    """One server, a leader, a standby, and the clients."""

    def __init__(self, folder: Path, servers: str) -> None:
        self._folder, self._servers = folder, servers
        self._names = (f"n{number}" for number in itertools.count(1))
        self.config = config_of(folder / "n0")
        (folder / "n0").mkdir(mode=0o700)
        self.keys = set_up(self.config, [f"trader{number}" for number in range(TRADERS)])
        self.leader: Node
        self.standby: Node
        self.nodes: list[Node] = []

    def begin(self) -> None:
        """Run both nodes."""
        self.leader = self._keep(leader("n0", self._folder / "n0", self._servers))
        self.begin_standby()

    def _keep(self, node: Node) -> Node:
        self.nodes.append(node)
        return node.listens()

    def begin_standby(self) -> None:
        """A new standby, filled from the stream."""
        name = next(self._names)
        self.standby = self._keep(standby(name, self._folder / name, self._servers, self.config.vault))

    def close(self) -> None:
        """End every node that runs."""
        for node in self.nodes:
            if node.process.poll() is None:
                with suppress(ProcessLookupError):
                    node.signal(signal.SIGCONT)
                node.kill()


async def run(folder: Path, times: int, by: str) -> Result:
    """Kill the leader so many times."""
    os.environ |= {"LIONROCK_CLUSTER_REPLICAS": "1", "LIONROCK_SCRIPTED_INDEX": INDEX, "LIONROCK_DURABILITY": "fsync"}
    result = Result()
    with one_server(folder / "nats") as server:
        cluster = Cluster(folder, server.address)
        try:
            await asyncio.to_thread(cluster.begin)
            for _ in range(times):
                await _kill_once(cluster, by, result)
        finally:
            cluster.close()
    return result


async def _kill_once(cluster: Cluster, by: str, result: Result) -> None:
    old, new = cluster.leader, cluster.standby
    traders = await _traders(cluster, [old.url, new.url])
    works = [asyncio.create_task(trader.trade()) for trader in traders]
    await asyncio.sleep(WARM_SECONDS)
    if by == "kill":
        old.kill()
    else:
        old.signal(signal.SIGSTOP)
        asyncio.get_running_loop().call_later(STOP_SECONDS, old.signal, signal.SIGCONT)
    async with asyncio.timeout(LIMIT_SECONDS):
        while not all(new.url in trader.epoch_answers for trader in traders):
            await asyncio.sleep(0.01)
            for work in works:
                if work.done():
                    work.result()
    await asyncio.sleep(0.2)
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)
    last = max(trader.epoch_answers[old.url][1] for trader in traders)
    first = min(trader.epoch_answers[new.url][0] for trader in traders)
    result.gaps_ms.append((first - last) * 1000)
    for trader in traders:
        result.faults += await trader.faults()
        result.acknowledged += len(trader.told.open) + len(trader.told.cancelled)
        await trader.client.cancel_all()
        await trader.client.close()
    if by != "kill":
        code = await asyncio.to_thread(old.process.wait)
        result.faults += [] if code == 5 else [f"the old leader ended with {code}: {old.errors[-500:]}"]
    assert new.read()["leads"]
    cluster.leader = new
    await asyncio.to_thread(cluster.begin_standby)
    await asyncio.sleep(SETTLE_SECONDS)


async def _traders(cluster: Cluster, urls: list[str]) -> list[Trader]:
    ids, traders = itertools.count(time.time_ns() // 1000), []
    for opened in cluster.keys:
        client = Client(urls, opened.key.id, opened.key.secret)
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                with suppress(Disconnected, OSError):
                    await client.connect()
                    break
                await asyncio.sleep(0.1)
        traders.append(Trader(client, ids))
    return traders


def main() -> int:
    """0 when nothing was lost and nothing happened twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.kills", description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument(
        "--by", choices=("kill", "stop"), default="kill", help="kill -9, or stop it and go on after 2 s"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="keep the nodes' folders here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        folder.mkdir(exist_ok=True, parents=True)
        result = asyncio.run(run(folder, args.times, args.by))
    facts = result.facts()
    print(json.dumps(facts) if args.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 1 if result.faults else 0


if __name__ == "__main__":
    host.warm_up()
    sys.exit(main())
