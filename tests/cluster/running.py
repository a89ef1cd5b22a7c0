"""A cluster on this machine: JetStream servers, a leader, a standby, each a process of its own that can be killed."""

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from nats.errors import Error as NatsError
from nats.js.api import StreamInfo

from gateway.client import Client, Disconnected
from gateway.cluster import nats_server
from gateway.cluster.log_stream import LogStream, StreamError
from gateway.cluster.messages import stream_name
from gateway.cluster.nats_server import Process
from tests.cluster.namespaces import SERVERS_HOST, Namespaces
from tests.cluster.nodes import Node, leader, standby
from tests.cluster.servers import free_port
from tests.gateway.live import INDEX, config_of, set_up

TRADERS = 5
"""The last of them stays with the node that leads."""
VENUE = "t"
READY_SECONDS = 120
PAUSE_SECONDS = 0.1
UNLIMITED = str(10**8)
_LIMITS = ("ORDERS_PER_S", "ORDERS_BURST", "CANCELS_PER_S", "CANCELS_BURST", "LOGINS_BURST")


class Servers:
    """JetStream servers of one cluster, each of which can be killed, stopped and begun again."""

    def __init__(self, folder: Path, count: int, host: str = "127.0.0.1") -> None:
        ports = [free_port() for _ in range(2 * count)]
        routes = tuple(ports[count:]) if count > 1 else ()
        self.nodes = [
            nats_server.Node(
                f"n{at + 1}", folder / f"n{at + 1}", ports[at], routes[at] if routes else 0, routes, host
            )
            for at in range(count)
        ]  # fmt: skip
        self.addresses = ",".join(f"nats://{host}:{node.port}" for node in self.nodes)
        self.processes: list[Process] = []

    def begin(self) -> None:
        """Run all of them."""
        self.processes = [nats_server.begin(node) for node in self.nodes]

    def again(self, at: int) -> None:
        """Begin one again, on its port and store."""
        self.processes[at] = nats_server.begin(self.nodes[at])

    def kill(self, at: int) -> None:
        """One is gone; its store stays."""
        self.processes[at].kill()
        self.processes[at].wait()

    def stop(self) -> None:
        """None of them answers, as behind a network that is cut."""
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """They answer again."""
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    async def drop_consumers(self) -> None:
        """Whoever follows the stream gets nothing more until it notices, as when its server is lost."""
        stream = LogStream(self.addresses.split(","), VENUE)
        await stream.connect()
        context = stream.connection.jetstream(timeout=1.0)
        for consumer in await context.consumers_info(stream_name(VENUE)):
            await context.delete_consumer(stream_name(VENUE), consumer.name)
        await stream.close()

    def close(self) -> None:
        """End all of them."""
        for process in self.processes:
            process.kill()
            process.wait()

    async def stream_leader(self) -> int:
        """Which of them leads the stream; waits until one does."""
        names = [node.name for node in self.nodes]
        async with asyncio.timeout(READY_SECONDS):
            while True:
                found = await self._info()
                if found is not None and len(names) == 1:
                    return 0
                if found is not None and found.cluster is not None and found.cluster.leader in names:
                    return names.index(found.cluster.leader)
                await asyncio.sleep(PAUSE_SECONDS)

    async def whole(self) -> None:
        """Wait until every server has the stream's end."""
        async with asyncio.timeout(READY_SECONDS):
            while not self._is_whole(await self._info()):
                await asyncio.sleep(PAUSE_SECONDS)

    def _is_whole(self, found: StreamInfo | None) -> bool:
        if found is None or len(self.nodes) == 1:
            return found is not None
        replicas = (found.cluster and found.cluster.replicas) or []
        return len(replicas) == len(self.nodes) - 1 and all(each.current and not each.offline for each in replicas)

    async def _info(self) -> StreamInfo | None:
        """What the stream's leader says of the stream; None when nobody does."""
        stream = LogStream(self.addresses.split(","), VENUE)
        try:
            await stream.connect()
            return await stream.connection.jetstream(timeout=1.0).stream_info(stream_name(VENUE))
        except (StreamError, NatsError, OSError, TimeoutError):
            return None
        finally:
            await stream.close()


class Cluster:
    """Servers, a leader and a standby, and the accounts of the clients."""

    def __init__(self, folder: Path, servers: Servers, namespaces: Namespaces | None = None) -> None:
        """With `namespaces` each node runs in one of them."""
        self._folder, self.servers, self.namespaces = folder, servers, namespaces
        self._names = (f"n{number}" for number in itertools.count(1))
        self.config = config_of(folder / "n0")
        (folder / "n0").mkdir(mode=0o700)
        self.keys = set_up(self.config, [f"trader{number}" for number in range(TRADERS)])
        self.leader: Node
        self.standby: Node
        self.nodes: list[Node] = []

    def begin(self, modules: Sequence[Sequence[str]] = ((), ())) -> None:
        """Run a leader, then a standby; `modules`: what runs in the place of `gateway.cli`."""
        self.leader = self._run(leader, "n0", (), modules[0])
        self.begin_standby(modules[1])

    def begin_standby(self, module: Sequence[str] = ()) -> None:
        """A new standby, filled from the stream."""
        self.standby = self._run(standby, next(self._names), ("--vault", str(self.config.vault)), module)

    def _run(self, kind: Any, name: str, words: Sequence[str], module: Sequence[str]) -> Node:
        """A node, which listens on return, and is ended with the others."""
        before: tuple[str, ...] = ()
        space = ""
        if self.namespaces is not None:
            space = self.namespaces.free({node.namespace for node in self.nodes if node.process.poll() is None})
            before, words = ("ip", "netns", "exec", space), (*words, "--host", self.namespaces.host(space))
        node: Node = kind(name, self._folder / name, self.servers.addresses, *words, before=before, module=module)
        node.namespace = space
        self.nodes.append(node)
        return node.listens()

    @property
    def urls(self) -> list[str]:
        """Where clients look for the leader."""
        return [self.leader.url, self.standby.url]

    def exchange(self) -> None:
        """The standby has become the leader."""
        self.leader = self.standby

    async def standby_is_ready(self) -> None:
        """Wait until the standby could lead."""
        async with asyncio.timeout(READY_SECONDS):
            while (await status_of(self.standby))["why_not_to_lead"]:
                await asyncio.sleep(PAUSE_SECONDS / 2)

    def close(self) -> None:
        """End every node that runs."""
        for node in self.nodes:
            if node.process.poll() is None:
                with suppress(ProcessLookupError):
                    node.signal(signal.SIGCONT)
                node.kill()


async def status_of(node: Node) -> dict[str, Any]:
    """What a node says of the cluster. NodeEnded."""
    client = Client(node.url, reconnect=False)
    while True:
        if node.process.poll() is not None:
            raise node.ended()
        with suppress(Disconnected, OSError, TimeoutError):
            await client.connect()
            found: dict[str, Any] = (await client.call("public/status"))["cluster"]
            await client.close()
            return found
        await asyncio.sleep(PAUSE_SECONDS / 2)


@contextmanager
def cluster(
    folder: Path, count: int, namespaces: Namespaces | None = None, modules: Sequence[Sequence[str]] = ((), ())
) -> Iterator[Cluster]:
    """Servers, a leader and a standby while the block runs."""
    settings = {
        "LIONROCK_CLUSTER_REPLICAS": str(count), "LIONROCK_SCRIPTED_INDEX": INDEX, "LIONROCK_DURABILITY": "fsync",
        **{f"LIONROCK_{name}": UNLIMITED for name in _LIMITS},
    }  # fmt: skip
    servers = Servers(folder / "servers", count, "127.0.0.1" if namespaces is None else SERVERS_HOST)
    running: Cluster | None = None
    with mock.patch.dict(os.environ, settings):
        try:
            servers.begin()
            running = Cluster(folder, servers, namespaces)
            running.begin(modules)
            yield running
        finally:
            if running is not None:
                running.close()
            servers.close()
