"""Broken builds of the replicated log, each of which the checker of `kills` has to find.

    python -m tests.cluster.broken

A break is a patch of one place of the gateway (as in `tests.gateway.mutants`), in every process of both nodes. The
same harm is done to the whole build as well, and nothing may be found there.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from engine import host
from tests.cluster.kills import kill_once
from tests.cluster.nodes import NodeEnded
from tests.cluster.running import cluster
from tests.gateway.mutants import Mutant
from tests.gateway.test_mutants import place

TIMES = 3
"""A break is looked for in so many clusters."""


class Break(NamedTuple):
    """A patch, and the harm to the leader under which it shows."""

    by: str
    mutant: Mutant


HERE = "tests/cluster/broken.py"
BREAKS = (
    Break("slow", Mutant(
        "acknowledge before the majority", "venue/released.py",
        "return min(durable_seq, self.copies.replicated_seq) if self.waits and self.copies else durable_seq",
        "return durable_seq", HERE,
    )),
    Break("stop", Mutant(
        "ignore the fence", "cluster/publisher.py",
        "            raise FencedError(message.author)\n",
        "            self._confirm(self._queued)\n            return\n", HERE,
    )),
    Break("lag", Mutant(
        "take over without applying the tail", "cluster/standby.py",
        "            self._take(stored)\n        if not follower.knows_end",
        "            follower.stream_seq = stored.seq\n        if not follower.knows_end", HERE,
    )),
    Break("hang", Mutant(
        "misspelt header", "cluster/messages.py",
        '= "Nats-Expected-Last-Sequence",', '= "nats-expected-last-sequence",', HERE,
    )),
    Break("kill", Mutant(
        "apply a record twice", "cluster/follower.py",
        "            self.apply(rows)\n", "            self.apply(rows)\n            self.apply(rows)\n", HERE,
    )),
)  # fmt: skip


@contextmanager
def in_place(mutant: Mutant) -> Iterator[None]:
    """Nodes that begin meanwhile are broken."""
    with tempfile.TemporaryDirectory() as folder:
        place(Path(folder), mutant)
        paths = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        with mock.patch.dict(os.environ, {"PYTHONPATH": paths}):
            yield


def found_in(by: str) -> list[str]:
    """What is found in one cluster with one server whose leader is harmed."""

    async def story(folder: Path) -> list[str]:
        try:
            with cluster(folder, 1) as running:
                await running.standby_is_ready()
                killed = await kill_once(running, by)
        except NodeEnded as ended:
            return [str(ended)]
        except TimeoutError:
            return [f"nobody answers: {' '.join(node.errors[-300:] for node in running.nodes)}"]
        return killed.faults + killed.log_faults

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(story(Path(folder)))


def search(broken: Break) -> list[str]:
    """What a broken build is found by; empty when it is not found in TIMES clusters."""
    with in_place(broken.mutant):
        return next(filter(None, (found_in(broken.by) for _ in range(TIMES))), [])


def main() -> int:
    """0 when every broken build is found, and nothing in the whole one."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.broken", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="WORDS", default="", help="only those whose name has these words")
    args = parser.parse_args()
    wrong = 0
    for broken in [broken for broken in BREAKS if args.only in broken.mutant.name]:
        found, whole = search(broken), found_in(broken.by)
        wrong += not found or bool(whole)
        print(f"{broken.mutant.name} ({broken.by}): {found[0][:300] if found else 'NOT FOUND'}", flush=True)
        if whole:
            print(f"  the whole build, {broken.by}: {whole[0][:300]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    host.warm_up()
    sys.exit(main())
