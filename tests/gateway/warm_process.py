"""A process that has loaded what a break of the gateway cannot reach, and forks a child for each run of pytest.

It reads one JSON line for each run from its input and answers with one. What is loaded before the fork: the engine with
its compiled code, and what the gateway imports from elsewhere; nothing of the gateway or of its tests.
"""

import ast
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import hypothesis  # noqa: F401 (pytest loads it at the end of each run)
import numba
import pytest

import engine
from engine import host
from tests.gateway import broken_module

ROOT = Path(__file__).parents[2]
OWN = ("engine", "gateway", "bench", "tests")
NEVER_ENDED = "the test never ended"


class WarmProcess:
    """The side that asks: starts the process, and ends it with `close`."""

    def __init__(self) -> None:
        roots = (ROOT, Path(engine.__file__).parents[1])
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots)), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def run(self, environment: dict[str, str], broken: tuple[str, str, str], arguments: list[str], timeout_s: int):
        """Run pytest in a child with this environment and this broken module: exit code and what was printed.

        The code is None when it did not end within `timeout_s`: then it is killed, with all that it started.
        """
        order = {"environment": environment, "broken": broken, "arguments": arguments, "timeout_s": timeout_s}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["output"]

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _load() -> None:
    """Load what is the same for every run."""
    for name in sorted(_foreign()):
        importlib.import_module(name)
    host.warm_up()
    loaded = sorted(name for name in sys.modules if name.split(".")[0] in ("gateway", "bench"))
    assert not loaded, f"a break of {loaded} would not be noticed"
    gc.collect()
    gc.freeze()


def _foreign() -> set[str]:
    """What the gateway's modules import from elsewhere when they are loaded."""
    found = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module)
    return {name for name in found if name.split(".")[0] not in OWN}


def _serve() -> None:
    """A child for each line of the input."""
    _load()
    for line in sys.stdin:
        order = json.loads(line)
        output = Path(order["environment"]["TMPDIR"]) / "output"
        threads = list(Path("/proc/self/task").iterdir())
        assert len(threads) == 1, f"{len(threads)} threads before a fork"
        child = os.fork()
        if not child:
            _run(order, output)
        code = _wait(child, order["timeout_s"])
        print(json.dumps({"code": code, "output": output.read_text(errors="replace")}), flush=True)


def _run(order, output: Path) -> None:
    """The child: become a group of its own, load the broken module in place of the whole one, and run pytest."""
    code = -1
    try:
        os.setsid()
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), 0)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = engine._place_cache()
        broken_module.install(*order["broken"])
        code = int(pytest.main(order["arguments"]))
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code & 255)


def _wait(child: int, timeout_s: int) -> int | None:
    """The exit code of a child, None when it had to be killed; nothing that it started in its group outlives it."""
    ended = os.pidfd_open(child)
    in_time, _, _ = select.select([ended], [], [], timeout_s)
    os.close(ended)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if in_time else None


if __name__ == "__main__":
    _serve()
