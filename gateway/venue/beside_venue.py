"""Processes beside a venue: how one begins, and that it ends when the venue does, however that ends.

Such a process has a pipe from the venue as its standard input, and another one to the venue as its standard output.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

Process = subprocess.Popen[bytes]


def begin(module: str, *arguments: str) -> Process:
    """Run a module of the gateway. OSError when the system has no room for another process."""
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip


def end(process: Process) -> None:
    """Kill it, wait until it has ended, and let its pipes go: when the venue stops."""
    process.kill()
    process.wait()
    release(process)


def release(process: Process) -> None:
    """Let the pipes of a process go that has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def end_with(source: IO[bytes]) -> None:
    """Have this process end when its input does, wherever it is: everything that it writes is whole or not there."""

    def watch() -> None:
        while os.read(source.fileno(), 1 << 12):  # not by the file object: its lock would be held at the process's end
            continue
        os._exit(0)

    threading.Thread(target=watch, name="venue", daemon=True).start()
