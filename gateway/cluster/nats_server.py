"""The file of a JetStream server as a venue needs it, and one such server run on this machine."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.cluster.messages import MAX_PAYLOAD_BYTES

Process = subprocess.Popen[bytes]


class Node(NamedTuple):
    """One server: its name, its folder, where clients and the other servers connect."""

    name: str
    folder: Path
    port: int
    route_port: int = 0
    """0 for a server that is alone."""
    routes: tuple[int, ...] = ()
    """The route ports of all servers of the cluster on this machine."""
    host: str = "127.0.0.1"
    """The address on which all of them listen."""


def server_file(node: Node) -> str:
    """The text of a server's file. Without `sync_interval: always` a server syncs its store every two minutes."""
    lines = [
        f"server_name: {node.name}",
        f"listen: {node.host}:{node.port}",
        f"max_payload: {MAX_PAYLOAD_BYTES}",
        "jetstream {",
        f'  store_dir: "{node.folder / "store"}"',
        "  sync_interval: always",
        "}",
    ]
    if node.route_port:
        routes = ", ".join(f'"nats://{node.host}:{port}"' for port in node.routes)
        lines += [
            "cluster {",
            "  name: lionrock",
            f"  listen: {node.host}:{node.route_port}",
            f"  routes: [{routes}]",
            "}",
        ]
    return "\n".join(lines) + "\n"


def executable() -> str:
    """The server's program beside this interpreter or on the path; empty where there is none."""
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server") or ""


def begin(node: Node, cores: int = 0) -> Process:
    """Write the server's file and run it; its log is in its folder. OSError where there is no program for it.

    It uses as many cores as there are, or so many, unless the environment's GOMAXPROCS says how many.
    """
    program = executable()
    if not program:
        raise FileNotFoundError("nats-server: no such program; install lionrock[cluster]")
    node.folder.mkdir(parents=True, exist_ok=True)
    file = node.folder / "server.conf"
    file.write_text(server_file(node))
    command = [program, "-c", str(file), "-l", str(node.folder / "server.log"), "--ports_file_dir", str(node.folder)]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is for whoever runs it, which ends what needs it first
        env=({"GOMAXPROCS": str(cores)} if cores else {}) | os.environ,
    )  # fmt: skip


def _free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, each another."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listening in taken:
            listening.bind(("127.0.0.1", 0))
        return [int(listening.getsockname()[1]) for listening in taken]


@contextlib.contextmanager
def local_servers(folder: Path, count: int) -> Iterator[list[str]]:
    """So many servers of one cluster on this machine while the block runs: their addresses. OSError.

    They share the cores: each one's own scheduler would wake threads on all of them, which costs a fifth more.
    """
    cores = max(1, (os.cpu_count() or 1) // count)
    ports = _free_ports(2 * count)
    routes = tuple(ports[count:]) if count > 1 else ()
    processes = []
    try:
        for place in range(count):
            name = f"n{place + 1}"
            route = routes[place] if routes else 0
            processes.append(begin(Node(name, folder / name, ports[place], route, routes), cores))
        yield [f"nats://127.0.0.1:{port}" for port in ports[:count]]
    finally:
        for process in processes:
            process.kill()
            process.wait()
