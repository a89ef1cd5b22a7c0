"""The process beside a simulated venue that writes snapshots: a thread of the same machine that ends with the venue.

It runs what the real one runs from its line of input to its line of output, on the same virtual disk and clock.
"""

import io
import subprocess
from typing import Any

import msgspec

from gateway.venue import snapshot_process
from tests.simulation.virtual_time import Thread, Threads


class SnapshotProcess:
    """In place of `subprocess.Popen` where a venue begins the process that writes snapshots."""

    def __init__(self, threads: Threads) -> None:
        self.stdin = _Input(self)
        self.stdout: Any = io.BytesIO()
        self.returncode: int | None = None
        self._thread = Thread(threads, self._run, (), "snapshot")

    def begin(self) -> None:
        """Its line of input is there."""
        self._thread.start()

    def _run(self) -> None:
        done = snapshot_process.answer(msgspec.json.decode(self.stdin.getvalue(), type=snapshot_process.Order))
        self.stdout = io.BytesIO(msgspec.json.encode(done))
        self.returncode = int(bool(done.problem))

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        self._thread.kill()

    def wait(self) -> None:
        return None


class _Input(io.BytesIO):
    """The pipe to the process: it begins when its line is written."""

    def __init__(self, process: SnapshotProcess) -> None:
        super().__init__()
        self._process = process

    def flush(self) -> None:
        self._process.begin()


class Subprocess:
    """In place of the module `subprocess`."""

    PIPE = subprocess.PIPE

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def Popen(self, *_: Any, **__: Any) -> SnapshotProcess:  # noqa: N802 - the name that it stands for
        return SnapshotProcess(self._threads)
