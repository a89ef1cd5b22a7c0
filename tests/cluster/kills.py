"""Kill the leader of a real cluster under load, again and again: how long nobody answers, and whether anything is lost.

    python -m tests.cluster.kills --times 100 --json
    python -m tests.cluster.kills --times 20 --by stop --append kills.jsonl

Servers, a leader and a standby run as processes of their own. Clients trade without pause through the addresses of both
nodes, and what they were told is compared with what the new leader has (`told`). The journals of both leaders are
replayed up to where the stream ended the old one's epoch (`logs`). Then the killed node's place is taken by another
standby, which is filled from the stream.
"""

import argparse
import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from engine import host
from tests.cluster.logs import faults_of_logs, faults_of_stopped
from tests.cluster.nodes import Node, NodeEnded
from tests.cluster.running import Cluster, cluster
from tests.cluster.told import Load

WARM_SECONDS = 0.7
"""How long the clients trade before each kill."""
STOP_SECONDS = 2.0
"""How long a stopped leader stands still."""
HANG_SECONDS = 0.1
LAG_SECONDS = 0.4
SLOW_SECONDS = 2.0
AFTER_SECONDS = 0.2
LIMIT_SECONDS = 60
FENCED = 5
WAYS = {
    "kill": "kill -9",
    "stop": "it stands still for 2 s and goes on",
    "hang": "its publisher stands still, then it does too, with records between them; after 2 s both go on",
    "lag": "kill -9 while the standby gets nothing from the stream, for its consumer is gone",
    "slow": "kill -9 while the servers stand still",
}
"""How the leader is harmed."""


class TooBusyError(Exception):
    """This machine cannot show anything now."""


class Killed(msgspec.Struct, kw_only=True):
    """What came of one kill."""

    by: str
    servers: int
    gap_ms: float
    """From the old leader's last answer to the new leader's first."""
    acknowledged: int
    fills: int
    faults: list[str]
    log_faults: list[str]


def summary(found: Iterable[Killed]) -> dict[str, Any]:
    """Figures of kills of one way, for a person or a program."""
    found = list(found)
    gaps = sorted(each.gap_ms for each in found)
    faults = [fault for each in found for fault in each.faults]
    twice = [fault for fault in faults if "twice" in fault]
    return {
        "by": found[0].by, "servers": found[0].servers, "kills": len(found),
        "gap_ms": {"median": at(gaps, 0.5), "p99": at(gaps, 0.99), "most": at(gaps, 1.0)},
        "acknowledged": sum(each.acknowledged for each in found), "fills": sum(each.fills for each in found),
        "lost": len(faults) - len(twice), "twice": len(twice),
        "digests_unequal": sum(bool(each.log_faults) for each in found),
        "faults": [*faults, *(fault for each in found for fault in each.log_faults)][:20],
    }  # fmt: skip


def at(ordered: list[float], part: float) -> float:
    """The value below which this part of them lies."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 1) if ordered else 0.0


async def run(
    folder: Path, times: int, by: str, servers: int, seconds: float, keep: Callable[[Killed], None] = lambda each: None
) -> list[Killed]:
    """Kill the leader so many times, or as often as there is time for; `keep` gets each result."""
    found, deadline = [], time.monotonic() + seconds
    with cluster(folder, servers) as running:
        await running.standby_is_ready()
        for number in range(times):
            for before in found[-1:]:
                keep(before)
            killed = await kill_once(running, by)
            await running.standby_is_ready()
            found.append(killed)
            faults = (killed.faults + killed.log_faults)[:2]
            print(f"{number + 1}: {killed.gap_ms:.0f} ms {faults or ''}", file=sys.stderr, flush=True)
            if time.monotonic() > deadline:
                break
        code = await asyncio.to_thread(running.leader.stop)
        found[-1].log_faults += [] if code == 0 else [f"the last leader stopped with {code}"]
        found[-1].log_faults += await asyncio.to_thread(faults_of_stopped, running.leader.journal)
    keep(found[-1])
    return found


async def kill_once(running: Cluster, by: str) -> Killed:
    """Harm the leader once under load, and compare what was told with what the new leader has.

    On return the new leader is the cluster's leader, and has another standby.
    """
    old, new = running.leader, running.standby
    load = Load(running.urls, running.keys)
    await load.begin()
    await asyncio.sleep(WARM_SECONDS)
    if any(each.url != old.url for each in load.answers()):
        raise TooBusyError(f"{new.name} took over before anything was done: the machine stands still for too long")
    await _harm(running, by)
    faults = await _followed(load, new)
    has_followed = not faults
    await asyncio.sleep(AFTER_SECONDS)
    running.exchange()
    following = asyncio.create_task(asyncio.to_thread(running.begin_standby))
    faults += await asyncio.to_thread(fault_of_old, old)
    await asyncio.sleep(AFTER_SECONDS)
    log_faults = []
    if new.process.poll() is not None:
        faults.append(f"nobody leads: the node that took over ended with {new.process.poll()}: {new.errors[-500:]}")
    elif has_followed:
        led = await asyncio.to_thread(new.read)
        faults = await load.end() + faults
        log_faults += await asyncio.to_thread(faults_of_logs, old.journal, new.journal, int(led["sequence"]))
    times = {url: [each.time for each in load.answers() if each.url == url] or [0.0] for url in (old.url, new.url)}
    faults += [] if faults or max(times[old.url]) < min(times[new.url]) else ["both leaders answered in turns"]
    await load.close()
    try:
        await following
    except NodeEnded as ended:
        faults.append(f"the next standby did not begin: {ended}")
    return Killed(
        by=by, servers=len(running.servers.nodes), gap_ms=(min(times[new.url]) - max(times[old.url])) * 1000,
        acknowledged=load.acknowledged, fills=load.fills, faults=faults, log_faults=log_faults,
    )  # fmt: skip


def fault_of_old(old: Node) -> list[str]:
    """What is wrong with the end of a node that led: it was killed, or is fenced."""
    try:
        code = old.process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"the old leader has not ended within {LIMIT_SECONDS} s: {old.errors[-500:]}"]
    return [] if code in (FENCED, -signal.SIGKILL) else [f"the old leader ended with {code}: {old.errors[-500:]}"]


async def _followed(load: Load, new: Node) -> list[str]:
    """Wait until everybody was answered by the new leader; what to say when that does not come."""
    try:
        await load.answered_by(new.url, LIMIT_SECONDS)
    except TimeoutError:
        return [f"nobody took over within {LIMIT_SECONDS} s: {new.errors[-500:]}"]
    return []


async def _harm(running: Cluster, by: str) -> None:
    """One of `WAYS`."""
    leader, servers = running.leader, running.servers
    if by in ("stop", "hang"):
        publishers = leader.publishers() if by == "hang" else []
        _signal(publishers, signal.SIGSTOP)
        await asyncio.sleep(HANG_SECONDS if publishers else 0)
        leader.signal(signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        loop.call_later(STOP_SECONDS, _signal, [*publishers, leader.process.pid], signal.SIGCONT)
        return
    if by == "lag":
        await servers.drop_consumers()
        await asyncio.sleep(LAG_SECONDS)
    elif by == "slow":
        servers.stop()
        await asyncio.sleep(SLOW_SECONDS)
    leader.kill()
    if by == "slow":
        servers.go_on()


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)


def append(path: Path | None, result: Any) -> None:
    """Add a result to a file of one JSON object a line."""
    if path is not None:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")


def kept(path: Path, kind: type[Any]) -> list[Any]:
    """All results of such a file."""
    return [msgspec.json.decode(line, type=kind) for line in path.read_bytes().splitlines()]


def main() -> int:
    """0 when nothing was lost and nothing happened twice."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=10, help="default: 10")
    parser.add_argument(
        "--by", choices=WAYS, default="kill", help="; ".join(f"{way}: {what}" for way, what in WAYS.items())
    )
    parser.add_argument("--servers", type=int, choices=(1, 3), default=3, help="JetStream servers (default: 3)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="no kill begins later than this")
    parser.add_argument("--append", type=Path, metavar="FILE", help="add the results to those of runs before")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="keep the nodes' folders here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        folder.mkdir(exist_ok=True, parents=True)
        work = run(folder, args.times, args.by, args.servers, args.seconds, lambda each: append(args.append, each))
        found = asyncio.run(work)
    if args.append:
        found = kept(args.append, Killed)
    facts = summary(each for each in found if (each.by, each.servers) == (args.by, args.servers))
    print(json.dumps(facts) if args.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 1 if facts["faults"] else 0


if __name__ == "__main__":
    host.warm_up()
    sys.exit(main())
