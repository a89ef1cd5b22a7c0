"""Where a measured process runs, and that it runs before the machine's other processes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

NICE = -20
REAL_TIME = 10
"""The real-time priority of a process's first thread while it is measured."""


def go_before_others(pid: int = 0) -> None:
    """Have a process run before others of the machine, where that is allowed: they are not what is measured.

    Linux divides a core among sessions first (autogroup), so a process that leads a session takes the session along.
    """
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
    if _leads_session(pid):
        _set_session_nice(pid, NICE)


def _leads_session(pid: int) -> bool:
    return os.getsid(pid) == (pid or os.getpid())


def _session_nice() -> int:
    """How nice this process's session is; 0 where the system does not divide by sessions."""
    try:
        return int(Path("/proc/self/autogroup").read_text().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def _set_session_nice(pid: int, nice: int) -> None:
    with suppress(OSError):
        Path(f"/proc/{pid or 'self'}/autogroup").write_text(str(nice))


@contextmanager
def before_others() -> Iterator[None]:
    """Run before other processes until the block ends, with this session if this process leads it.

    A session that another process leads is a person's terminal, with all that runs in it: that stays as it is.
    """
    nice, session_nice = os.getpriority(os.PRIO_PROCESS, 0), _session_nice()
    go_before_others()
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        if _leads_session(0):
            _set_session_nice(0, session_nice)


@contextmanager
def pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """Run on some cores until the block ends."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def on_cores(cores: tuple[int, ...]) -> Iterator[None]:
    """Run on some cores, and there before other processes, until the block ends."""
    with pinned(cores), before_others():
        yield


@contextmanager
def real_time(pids: Sequence[int]) -> Iterator[None]:
    """Give the cores to some processes, before every ordinary process of the machine, until the block ends.

    The first thread of a process comes before its others. A thread that had a real-time priority before, as the
    journal's, comes before that one; a thread that only uses idle time stays as it is. Keep the block below a second:
    of each second that ordinary processes wait, the system gives them a twentieth. PermissionError where the system
    does not permit it.
    """
    before: list[tuple[int, int, os.sched_param]] = []
    try:
        for pid in pids:
            for thread in [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]:
                with suppress(ProcessLookupError):
                    policy, parameter = os.sched_getscheduler(thread), os.sched_getparam(thread)
                    kind = policy & ~os.SCHED_RESET_ON_FORK
                    if kind == os.SCHED_IDLE:
                        continue
                    rank = REAL_TIME + (1 if kind == os.SCHED_RR else 0 if thread == pid else -1)
                    os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(rank))
                    before.append((thread, policy, parameter))
        yield
    finally:
        for thread, policy, parameter in before:
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, policy, parameter)
