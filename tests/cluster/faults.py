"""What may happen to a cluster's servers, networks and clocks, under load: is anything lost, and how long is the pause.

    python -m tests.cluster.faults --fault leader --times 20 --json
    python -m tests.cluster.faults --fault all --times 2 --append faults.jsonl

Clients trade through the addresses of both nodes, and keep what they were told (`told`). One thing goes wrong and is
mended; then the venue must answer everybody again by itself, and have all that was told. Where the other node leads
after that, the two journals are compared as in `kills`. Faults of the network need root: the nodes run in network
namespaces of their own, which are made and removed here, and a cut is a link that goes down.
"""

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from engine import host
from tests.cluster.kills import append, at, fault_of_old, kept
from tests.cluster.logs import faults_of_logs
from tests.cluster.namespaces import Namespaces, why_none
from tests.cluster.running import Cluster, cluster, status_of
from tests.cluster.told import Load

SERVERS = 3
WARM_SECONDS = 0.7
CUT_SECONDS = 3.0
"""How long a cut, or a lost majority, lasts."""
AFTER_SECONDS = 0.3
SETTLE_SECONDS = 180
CLOCKS_MS = ("-30000", "30000")
"""How far the clocks of the two nodes are off: a minute between them, and each within what a login allows."""


class Happened(msgspec.Struct, kw_only=True):
    """What came of one fault."""

    fault: str
    pause_ms: float
    """The longest time within which nobody was answered."""
    has_taken_over: bool
    acknowledged: int
    fills: int
    faults: list[str]


async def stream_leader_killed(running: Cluster) -> None:
    """The server that leads the stream, as by kill -9; it comes back."""
    servers = running.servers
    place = await servers.stream_leader()
    servers.kill(place)
    await asyncio.sleep(CUT_SECONDS)
    servers.again(place)


async def follower_killed(running: Cluster) -> None:
    """A server that does not lead the stream."""
    servers = running.servers
    place = (await servers.stream_leader() + 1) % SERVERS
    servers.kill(place)
    await asyncio.sleep(CUT_SECONDS)
    servers.again(place)


async def majority_lost(running: Cluster) -> None:
    """Two of three servers; nothing can be acknowledged until they are back."""
    servers = running.servers
    place = await servers.stream_leader()
    lost = (place, (place + 1) % SERVERS)
    for each in lost:
        servers.kill(each)
    await asyncio.sleep(CUT_SECONDS)
    for each in lost:
        servers.again(each)


async def empty_store(running: Cluster) -> None:
    """A server that comes back without anything on its disk."""
    servers = running.servers
    place = (await servers.stream_leader() + 1) % SERVERS
    servers.kill(place)
    shutil.rmtree(servers.nodes[place].folder / "store")
    await asyncio.sleep(AFTER_SECONDS)
    servers.again(place)


async def clocks_apart(running: Cluster) -> None:
    """The leader is killed, and the clock of the node that takes over is a minute ahead of its own, or behind."""
    running.leader.kill()


def _cut(*names: str) -> Callable[[Cluster], Awaitable[None]]:
    async def cut(running: Cluster) -> None:
        assert running.namespaces is not None
        nodes = [getattr(running, name) for name in names]
        for node in nodes:
            running.namespaces.cut(node.namespace)
        await asyncio.sleep(CUT_SECONDS)
        for node in nodes:
            running.namespaces.mend(node.namespace)

    return cut


FAULTS: dict[str, Callable[[Cluster], Awaitable[None]]] = {
    "leader": stream_leader_killed, "follower": follower_killed, "majority": majority_lost, "empty": empty_store,
    "primary-cut": _cut("leader"), "standby-cut": _cut("standby"), "both-cut": _cut("leader", "standby"),
    "clocks": clocks_apart,
}  # fmt: skip
CUTS = frozenset(name for name in FAULTS if name.endswith("-cut"))


class Story:
    """One cluster, and faults of one kind."""

    def __init__(self, running: Cluster, fault: str) -> None:
        self._running, self._fault = running, fault
        self._led = 0

    async def once(self) -> Happened:
        """It goes wrong, is mended, and what came of it."""
        running = self._running
        await running.servers.whole()
        await running.standby_is_ready()
        load = Load(running.urls, running.keys)
        await load.begin()
        await asyncio.sleep(WARM_SECONDS)
        begun = time.monotonic()
        await FAULTS[self._fault](running)
        mended = time.monotonic()
        await asyncio.sleep(AFTER_SECONDS)
        await load.answered_since(mended + AFTER_SECONDS, SETTLE_SECONDS)
        has_taken_over = (await status_of(running.standby))["role"] == "leader"
        if has_taken_over:
            await load.answered_by(running.standby.url, SETTLE_SECONDS)
        await asyncio.sleep(AFTER_SECONDS)
        faults = await load.end()
        pause_ms = load.longest_pause(begun) * 1000
        await load.close()
        faults += await (self._after_takeover() if has_taken_over else self._after_staying())
        return Happened(
            fault=self._fault, pause_ms=pause_ms, has_taken_over=has_taken_over, acknowledged=load.acknowledged,
            fills=load.fills, faults=faults,
        )  # fmt: skip

    async def _after_takeover(self) -> list[str]:
        """Compare both logs, and have another standby."""
        running = self._running
        old, new = running.leader, running.standby
        led, faults = await asyncio.to_thread(new.read), await asyncio.to_thread(fault_of_old, old)
        faults += await asyncio.to_thread(faults_of_logs, old.journal, new.journal, int(led["sequence"]))
        running.exchange()
        self._led += 1
        await asyncio.to_thread(running.begin_standby, shifted(self._fault)[self._led % 2 == 0])
        return faults

    async def _after_staying(self) -> list[str]:
        """The standby has what the leader has."""
        running = self._running
        if running.standby.process.poll() is not None:
            return [f"the standby has ended: {running.standby.errors[-500:]}"]
        wanted = int((await status_of(running.leader))["replicated_sequence"])
        async with asyncio.timeout(SETTLE_SECONDS):
            while (seq := int((await status_of(running.standby))["applied_sequence"])) < wanted:
                await asyncio.sleep(AFTER_SECONDS)
        return await asyncio.to_thread(faults_of_logs, running.standby.journal, running.leader.journal, seq)


def shifted(fault: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What runs in the place of `gateway.cli` in every second node, and in the others."""
    if fault != "clocks":
        return (), ()
    return ("tests.cluster.shifted", CLOCKS_MS[0]), ("tests.cluster.shifted", CLOCKS_MS[1])


async def run(
    folder: Path, fault: str, times: int, seconds: float, keep: Callable[[Happened], None] = lambda each: None
) -> list[Happened]:
    """So many faults of a kind, or as many as there is time for; `keep` gets each result."""
    found, deadline = [], time.monotonic() + seconds
    with ExitStack() as stack:
        namespaces = None
        if fault in CUTS:
            namespaces = Namespaces()
            stack.callback(namespaces.close)
            namespaces.begin()
        story = Story(stack.enter_context(cluster(folder, SERVERS, namespaces, shifted(fault))), fault)
        for number in range(times):
            happened = await story.once()
            found.append(happened)
            keep(happened)
            over = ", another one leads" if happened.has_taken_over else ""
            line = f"{fault} {number + 1}: {happened.pause_ms:.0f} ms{over} {happened.faults[:2] or ''}"
            print(line, file=sys.stderr, flush=True)
            if time.monotonic() > deadline:
                break
    return found


def summary(found: list[Happened]) -> dict[str, Any]:
    """Figures of one kind of fault."""
    pauses = sorted(each.pause_ms for each in found)
    faults = [fault for each in found for fault in each.faults]
    return {
        "fault": found[0].fault, "times": len(found), "pause_ms": {"median": at(pauses, 0.5), "most": at(pauses, 1.0)},
        "taken_over": sum(each.has_taken_over for each in found),
        "acknowledged": sum(each.acknowledged for each in found), "fills": sum(each.fills for each in found),
        "fault_count": len(faults), "faults": faults[:20],
    }  # fmt: skip


def main() -> int:
    """0 when nothing was lost, nothing happened twice, and the venue went on by itself."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fault", choices=("all", *FAULTS), default="all", help="default: all")
    parser.add_argument("--times", type=int, default=20, help="of each (default: 20)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="none of a kind begins later than this")
    parser.add_argument("--append", type=Path, metavar="FILE", help="add the results to those of runs before")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    args = parser.parse_args()
    wrong = 0
    for fault in FAULTS if args.fault == "all" else [args.fault]:
        if fault in CUTS and (why := why_none()):
            print(f"{fault}: skipped: {why}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            work = run(Path(scratch), fault, args.times, args.seconds, lambda each: append(args.append, each))
            found = asyncio.run(work)
        if args.append:
            found = [each for each in kept(args.append, Happened) if each.fault == fault]
        facts = summary(found)
        wrong += facts["fault_count"]
        print(json.dumps(facts) if args.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    host.warm_up()
    sys.exit(main())
