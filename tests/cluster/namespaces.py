"""Nodes in network namespaces of their own, whose link to the servers can be cut while clients still reach them.

A namespace has two links: one to the servers, one to the clients. All of it is on this machine, and is removed at the
end.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

SERVERS_HOST = "10.91.0.1"
COUNT = 2


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def why_none() -> str:
    """Why there cannot be namespaces here, in one line; empty when there can."""
    if os.geteuid() or not shutil.which("ip"):
        return "network namespaces need root and the program ip"
    name = f"lr{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.decode().strip()}"
    return ""


class Namespaces:
    """Namespaces `lr1` and `lr2`, and the servers' address beside them."""

    def __init__(self) -> None:
        self._names = [f"lr{number}" for number in range(1, COUNT + 1)]
        self._lock = (Path(tempfile.gettempdir()) / "lionrock-namespaces.lock").open("wb")

    def begin(self) -> None:
        """Make them, once no other process of this machine has them. CalledProcessError."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._remove()
        _ip("link", "add", "lrh0", "type", "veth", "peer", "name", "lrh1")
        _ip("addr", "add", f"{SERVERS_HOST}/32", "dev", "lrh0")
        for side in ("lrh0", "lrh1"):
            _ip("link", "set", side, "up")
        for number, name in enumerate(self._names, 1):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
            for kind, net in (("s", 91), ("c", 92)):
                outside, inside = f"{name}{kind}0", f"{name}{kind}1"
                _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
                _ip("addr", "add", f"10.{net}.{number}.1/24", "dev", outside)
                _ip("link", "set", outside, "up")
                _ip("-n", name, "addr", "add", f"10.{net}.{number}.2/24", "dev", inside)
                _ip("-n", name, "link", "set", inside, "up")
            _ip("-n", name, "route", "add", f"{SERVERS_HOST}/32", "via", f"10.91.{number}.1")

    def free(self, taken: set[str]) -> str:
        """One in which nobody runs."""
        return next(name for name in self._names if name not in taken)

    def host(self, name: str) -> str:
        """Where clients find who listens in it."""
        return f"10.92.{self._names.index(name) + 1}.2"

    def cut(self, name: str) -> None:
        """Nothing gets from it to the servers or back, and nobody is told."""
        _ip("link", "set", f"{name}s0", "down")

    def mend(self, name: str) -> None:
        """It reaches the servers again."""
        _ip("link", "set", f"{name}s0", "up")

    def close(self) -> None:
        """Remove them."""
        self._remove()
        self._lock.close()

    def _remove(self) -> None:
        for name in self._names:
            for words in (("link", "del", f"{name}s0"), ("link", "del", f"{name}c0"), ("netns", "del", name)):
                with suppress(subprocess.CalledProcessError):
                    _ip(*words)
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", "lrh0")
