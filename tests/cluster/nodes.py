"""Nodes of a venue as processes of their own on this machine: begun, killed, stopped, continued."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


class NodeEnded(Exception):  # noqa: N818 - a state of the process
    """A node has ended that ought to run: its exit code, and what it said last."""


class Node:
    """One `lionrock serve` or `lionrock standby`. `facts` is what it said when it listened."""

    def __init__(
        self, name: str, folder: Path, words: list[str], before: Sequence[str] = (), module: Sequence[str] = ()
    ) -> None:
        """`before`: the words of a program that runs it; `module`: what runs in the place of `gateway.cli`."""
        self.name, self.folder = name, folder
        self.namespace = ""
        """The network namespace in which it runs; empty for the machine's own."""
        self.facts: dict[str, Any] = {}
        self.error_path = folder.with_name(f"{folder.name}.err")
        with self.error_path.open("ab") as errors:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", *(module or ["gateway.cli"]), *words,
                 "--data", str(folder), "--node", name, "--json"],
                stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def listens(self) -> "Node":
        """Wait until it listens."""
        self.facts = self.read()
        return self

    def read(self) -> dict[str, Any]:
        """The next JSON line that it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self.ended()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def errors(self) -> str:
        """What it said on its error stream."""
        return self.error_path.read_text()

    @property
    def journal(self) -> Path:
        """The folder of its log."""
        return self.folder / "journal"

    @property
    def url(self) -> str:
        """Where clients find it."""
        return str(self.facts["url"])

    def ended(self) -> NodeEnded:
        """What to raise when it has ended."""
        return NodeEnded(f"{self.name} ended with {self.process.wait()}: {self.errors[-500:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def publishers(self) -> list[int]:
        """The processes that publish its log."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == self.process.pid and b"publisher_process" in (path / "cmdline").read_bytes():
                    found.append(int(path.name))
        return found

    def kill(self) -> None:
        """It is gone at once."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Have it stop in order; its exit code."""
        self.process.terminate()
        return self.process.wait()


def leader(name: str, folder: Path, servers: str, *words: str, **ways: Sequence[str]) -> Node:
    """A node that leads from its own folder. `ways` as of `Node`."""
    return Node(name, folder, ["serve", *_common(servers), *words], **ways)


def standby(name: str, folder: Path, servers: str, *words: str, **ways: Sequence[str]) -> Node:
    """A node that follows, with an empty folder."""
    return Node(name, folder, ["standby", *_common(servers), *words], **ways)


def _common(servers: str) -> list[str]:
    return ["--cluster", servers, "--venue", "t", "--port", "0", "--log-level", "info"]
