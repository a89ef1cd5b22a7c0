"""Processes beside a venue: how one begins, gives way to it, and ends when it does, however that ends.

Such a process has a pipe from the venue as its standard input, and another one to the venue as its standard output.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from gateway import clock

Process = subprocess.Popen[bytes]
NICENESS = 10
"""Beside a thread that wants all of a core it gets a tenth of it: it ends some time, however busy the venue is."""
STARVED_PART = 0.9
"""While it waits for a core for less than this part of a second, it runs only where nobody else wants to: the venue
goes on at once then. Beside a process that is merely nice it waits until that one's slice of milliseconds ends."""
STARVED_SECONDS = 1.0
PACE_SECONDS = 0.01
"""After each piece that is written or removed: others use the disk meanwhile."""
OOM_SCORE = 1000
"""When memory is short the system ends such a process first."""
GIVE_WAY = "--give-way"
"""The argument with which it runs behind all others."""
INPUT_ENDED = 1
"""Exit code of a process that ends because its input did: it has not come to its end."""


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
        os._exit(INPUT_ENDED)

    threading.Thread(target=watch, name="venue", daemon=True).start()


def ordered() -> bytes:
    """Begin as a process that does one thing beside a venue: what it is to do, the first line of its input.

    SIGINT and SIGTERM are ignored: the venue ends it by closing its input.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if GIVE_WAY in sys.argv:
        give_way()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    line = sys.stdin.buffer.readline()
    if not line:
        os._exit(INPUT_ENDED)  # the venue has ended before it asked for anything
    end_with(sys.stdin.buffer)
    return line


def tell(said: object) -> None:
    """Say something to the venue, as a line of JSON. Where the venue has ended meanwhile, so does this process."""
    try:
        print(json.dumps(said), flush=True)
    except BrokenPipeError:
        os._exit(INPUT_ENDED)


def pause() -> None:
    """Let others use the disk."""
    time.sleep(PACE_SECONDS)


def give_way() -> None:
    """Run behind all others: only when nobody else wants the core, or, where that is next to never, a tenth of it."""
    os.nice(NICENESS)
    try:
        waited_ns = _waited_ns()
    except OSError:
        return
    if _may_come_back():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        threading.Thread(target=_watch_wait, args=(waited_ns,), name="wait", daemon=True).start()


def _may_come_back() -> bool:
    """Whether the process may leave SCHED_IDLE again: it needs a right (CAP_SYS_NICE or RLIMIT_NICE) to do that.

    Tried by a thread that ends at once: Linux keeps the policy of each thread apart.
    """
    done: list[bool] = []

    def there_and_back() -> None:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            done.append(True)

    thread = threading.Thread(target=there_and_back, name="idle")
    thread.start()
    thread.join()
    return bool(done)


def _watch_wait(waited_ns: int) -> None:
    """Be only nice as soon as the process waits for a core nearly all of the time."""
    begun_ns = clock.steady_ns()
    while True:
        time.sleep(STARVED_SECONDS)
        before_ns, waited_ns = waited_ns, _waited_ns()
        since_ns, begun_ns = begun_ns, clock.steady_ns()
        if waited_ns - before_ns > STARVED_PART * (begun_ns - since_ns):
            os.sched_setscheduler(os.getpid(), os.SCHED_OTHER, os.sched_param(0))
            return


def _waited_ns() -> int:
    """How long the process has been ready to run without running. OSError where the system does not say."""
    return int(Path("/proc/self/schedstat").read_text().split()[1])
