"""Where a measured process runs, and that it runs before the machine's other processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NICE = -20


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
def on_cores(cores: tuple[int, ...]) -> Iterator[None]:
    """Run on some cores, and there before other processes, until the block ends."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        with before_others():
            yield
    finally:
        os.sched_setaffinity(0, before)
