"""`lionrock demo --cluster`: three servers of the log, a node that leads and its standby, to kill the leader and see.

Everything runs on this machine in processes of its own. A client that asks for something which goes into the log every
some milliseconds measures for how long nobody answers. Whoever was killed comes back as a standby on its own folder.
"""

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway import clock
from gateway import config as settings
from gateway.client import Client, Disconnected, RpcError, demo_traders
from gateway.cluster.nats_server import local_servers
from gateway.commands import demo_market
from gateway.commands.common import make_data_folder, need_nats
from gateway.commands.demo_market import ARBITRAGEUR, MAKERS, TAKERS, YOU
from gateway.config import Cluster, Config
from gateway.office.bootstrap import Trader
from gateway.wire.plain_text import plain

SERVERS = 3
NODES = ("a", "b")
ASK_SECONDS = 0.005
LOOK_SECONDS = 0.05
START_SECONDS = 600
STOP_SECONDS = 15
REPEAT_SECONDS = 1.0


class Node:
    """One node's process. `facts` is what it said when it listened."""

    def __init__(self, name: str, config: Config, words: list[str]) -> None:
        self.name, self.config = name, config
        self.facts: dict[str, Any] = {}
        file = Path(config.data).with_suffix(".toml")
        file.write_text(settings.to_toml(config))
        self.log = Path(config.data).with_suffix(".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", *words, "--config", str(file), "--json"],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip

    async def listens(self) -> None:
        """Wait until it listens. ValueError with its last line when it ends instead."""
        assert self.process.stdout is not None
        line = await asyncio.to_thread(self.process.stdout.readline)
        if not line:
            last = (self.log.read_text(errors="replace").splitlines() or ["no word"])[-1]
            raise ValueError(f"node {self.name} does not start: {plain(last)}")
        self.facts = json.loads(line)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return str(self.facts["url"])

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, until: float) -> None:
        """Wait for its end until a time of the monotonic clock, then kill it."""
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Asker:
    """A client that asks without pause, and knows for how long nobody answered when another node began to."""

    def __init__(self, client: Client, url: str) -> None:
        """`url` is the node that leads now: it may be killed before its first answer."""
        self._client = client
        self._url = url
        self._answered_at = time.monotonic()
        self.on_changed: Callable[[str, float], None] = lambda url, pause_ms: None
        """Called with the address of the node that answers now, and the time without an answer in milliseconds."""

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            try:
                await self._client.cancel_all()
            except (Disconnected, RpcError, TimeoutError):
                await asyncio.sleep(ASK_SECONDS)
                continue
            now, url = time.monotonic(), self._client.url
            if self._url != url:
                self.on_changed(url, (now - self._answered_at) * 1000)
            self._url, self._answered_at = url, now
            await asyncio.sleep(ASK_SECONDS)


def run_cluster(folder: Path, port: int, seconds: float, as_json: bool) -> int:
    """Run it until a signal, or for so many seconds. ValueError, OSError."""
    need_nats()
    demo = _Demo(folder, port, as_json)
    try:
        with local_servers(folder / "nats", SERVERS) as servers:
            return asyncio.run(demo.run(servers, seconds))
    except KeyboardInterrupt:
        return 0


class _Demo:
    """The demo while it runs."""

    def __init__(self, folder: Path, port: int, as_json: bool) -> None:
        self._folder, self._port, self._as_json = folder, port, as_json
        self.nodes: dict[str, Node] = {}
        self._leader = NODES[0]
        self._trades = 0
        self._takeovers = 0
        self._asks: set[asyncio.Task[Any]] = set()

    async def run(self, servers: list[str], seconds: float) -> int:
        """Start, trade, and begin again what was killed. On return every node has ended."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await self._run(servers, loop.time() + seconds if seconds else None)
        finally:
            self.end()  # ahead of the end of the loop, which waits for whoever waits for a node's first word
        self._say({"trades": self._trades, "takeovers": self._takeovers}, f"{self._trades} trades")
        return 0

    async def _run(self, servers: list[str], deadline: float | None) -> None:
        configs = {name: self._config(name, place, servers) for place, name in enumerate(NODES)}
        first, second = (configs[name] for name in NODES)
        make_data_folder(first.data)
        traders = demo_market.set_up(first, demo_market.began_before(0))
        probe = demo_market.open_probe(first, clock.wall_ns())
        await self._begin(Node(NODES[0], first, ["serve"]))
        make_data_folder(second.data)
        shutil.copy(first.vault, second.vault)
        await self._begin(Node(NODES[1], second, ["standby"]))
        urls = [self.nodes[name].url for name in NODES]
        async with AsyncExitStack() as stack:
            names = (*MAKERS, *TAKERS, ARBITRAGEUR, YOU)
            clients = {name: await stack.enter_async_context(_client(urls, traders[name])) for name in names}
            asker = Asker(await stack.enter_async_context(_client(urls, probe)), urls[0])
            asker.on_changed = self._changed
            known = await demo_traders.markets(clients[YOU])
            for market in known:
                await clients[YOU].subscribe(f"trades.{market.name}.100ms", self._count)
            tasks = [asyncio.ensure_future(work) for work in (*demo_market.bots(clients, known), asker.run())]
            try:
                self._say_begin(traders[YOU], servers)
                self._listen_to_keys()
                await self._look(deadline, tasks)
            finally:
                for task in (*tasks, *self._asks):
                    task.cancel()
                await asyncio.gather(*tasks, *self._asks, return_exceptions=True)

    def _config(self, name: str, place: int, servers: list[str]) -> Config:
        cluster = Cluster(servers=",".join(servers), venue="demo", node=name, replicas=SERVERS)
        return Config(
            data=str(self._folder / name), port=self._port and self._port + 2 * place, testnet=True, max_stop_days=0,
            scripted_index=demo_market.scripted_index(), cluster=cluster,
        )  # fmt: skip

    async def _begin(self, node: Node) -> None:
        self.nodes[node.name] = node
        try:
            async with asyncio.timeout(START_SECONDS):
                await node.listens()
        except TimeoutError:
            why = f"node {node.name} does not listen after {START_SECONDS} s; is the machine busy?"
            raise ValueError(why) from None
        node.config = replace(
            node.config, port=node.facts["port"], operations_port=node.facts["operations_port"]
        )  # the next process of this node is found in the same place

    async def _look(self, deadline: float | None, tasks: list[asyncio.Future[None]]) -> None:
        """Begin again what has ended, until the time is over."""
        loop = asyncio.get_running_loop()
        while deadline is None or loop.time() < deadline:
            for task in tasks:
                if task.done():
                    task.result()
            for node in list(self.nodes.values()):
                if node.process.poll() is not None and node.name != self._leader:
                    await asyncio.sleep(REPEAT_SECONDS)
                    await self._begin(Node(node.name, node.config, ["standby"]))
                    self._say_follows(node.name)
            await asyncio.sleep(LOOK_SECONDS)

    def end(self) -> None:
        """End every node: the one that leads first, so that the standby has all of it."""
        until = time.monotonic() + STOP_SECONDS
        for name in sorted(self.nodes, key=lambda name: name != self._leader):
            self.nodes[name].end(signal.SIGTERM)
        for node in self.nodes.values():
            node.wait(until)
            if node.process.stdout is not None:
                node.process.stdout.close()

    # --- what a person does ---------------------------------------------------------------------------------------

    def _listen_to_keys(self) -> None:
        if not self._as_json and sys.stdin.isatty():
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._key)

    def _key(self) -> None:
        line = sys.stdin.readline()
        if not line:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        elif line.strip() == "k":
            self.nodes[self._leader].end(signal.SIGKILL)
        elif line.strip() == "h":
            command = shlex.split(self._handover_command)
            task = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL))
            self._asks.add(task)
            task.add_done_callback(self._asks.discard)

    @property
    def _kill_command(self) -> str:
        return f"kill -9 {self.nodes[self._leader].process.pid}"

    @property
    def _handover_command(self) -> str:
        data = self.nodes[self._leader].config.data
        return f"{shlex.quote(sys.executable)} -m gateway.cli handover --data {shlex.quote(data)} --reason 'a look'"

    # --- what is shown --------------------------------------------------------------------------------------------

    def _count(self, data: Any) -> None:
        self._trades += len(data)

    def _changed(self, url: str, pause_ms: float) -> None:
        """Another node answers."""
        self._leader = next(name for name, node in self.nodes.items() if node.url == url)
        self._takeovers += 1
        facts = {"leads": self._leader, "pause_ms": round(pause_ms, 1), "kill": self._kill_command,
                 "handover": self._handover_command}  # fmt: skip
        self._say(facts, f"node {self._leader} leads; nobody answered for {pause_ms:.0f} ms")

    def _say_follows(self, name: str) -> None:
        self._say({"follows": name}, f"node {name} follows again; kill the one that leads: {self._kill_command}")

    def _say_begin(self, you: Trader, servers: list[str]) -> None:
        file = self._folder / f"{you.name}.key"
        file.touch(0o600)
        file.write_text(json.dumps({"id": you.key.id, "secret": you.key.secret}))
        nodes = [
            {"node": node.name, "pid": node.process.pid, "url": node.url, "log": str(node.log)}
            for node in self.nodes.values()
        ]
        facts = {
            "servers": servers, "nodes": nodes, "leads": self._leader, "file": str(file), "kill": self._kill_command,
            "handover": self._handover_command,
        }  # fmt: skip
        lines = [
            f"three servers of the log: {', '.join(servers)}",
            *(f"node {each['node']}, process {each['pid']}: {each['url']}, log {each['log']}" for each in nodes),
            f"node {self._leader} leads, and is killed by k and Enter here, or in another terminal:",
            f"  {self._kill_command}",
            "it hands over without a refused order by h and Enter, or:",
            f"  {self._handover_command}",
            "trade on whichever leads, with this key:",
            f"  export LIONROCK_SECRET_FILE={shlex.quote(str(file))} LIONROCK_URL={self.nodes[self._leader].url}",
            "Ctrl-C ends everything",
        ]
        self._say(facts, "\n".join(lines))

    def _say(self, facts: dict[str, Any], line: str) -> None:
        with suppress(BrokenPipeError):
            print(json.dumps(facts) if self._as_json else line, flush=True)


def _client(urls: list[str], trader: Trader) -> Client:
    return Client(urls, trader.key.id, trader.key.secret)
