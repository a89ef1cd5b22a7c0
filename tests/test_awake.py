"""A core that is kept awake while somebody waits, and only then."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.journal import JournalError
from engine.journal.awake import _PARKED, _WAITING, Awake, _spin, can_keep_awake
from engine.units import JIT
from tests.test_journal import begin, read, resume, rows

pytestmark = pytest.mark.skipif(not JIT, reason="without the JIT nothing turns")


@pytest.fixture
def one_core() -> Iterator[None]:
    """This thread, and those that it starts, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def of_other_threads() -> float:
    """Processor time that the process has used, but for this thread's."""
    return time.process_time() - time.thread_time()


def turned_since(begun: float) -> bool:
    """Whether another thread has used the processor for a while since then."""
    return of_other_threads() - begun > 0.002


def sleeps(awake: Awake) -> bool:
    """Whether the system says that its thread does nothing."""
    stat = Path(f"/proc/self/task/{awake._thread.native_id}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"


def comes(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within a minute: a thread that everything else takes precedence over may have to wait."""
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


def names() -> set[str]:
    """The threads that run."""
    return {thread.name for thread in threading.enumerate()}


def parked(awake: Awake) -> bool:
    """Whether its thread sleeps."""
    return bool(awake._cells[_PARKED])


@pytest.fixture
def awake(one_core: None) -> Iterator[Awake]:
    """One whose thread the system lets wait for everything else."""
    awake = Awake()
    if not comes(lambda: parked(awake) or not awake._thread.is_alive()) or not awake._thread.is_alive():
        pytest.skip("the system does not permit SCHED_IDLE here")
    yield awake
    awake.close()
    assert "awake" not in names()


def test_the_core_turns_while_somebody_waits_and_then_rests(awake: Awake) -> None:
    for _ in range(3):
        begun = of_other_threads()
        with awake:
            assert comes(partial(turned_since, begun))
        assert comes(lambda: parked(awake) and sleeps(awake))
    assert len(_spin.signatures) == 1, "nothing is compiled by the thread, which would hold the interpreter"


def test_a_wait_that_fails_ends_too(awake: Awake) -> None:
    with pytest.raises(JournalError), awake:
        raise JournalError("the disk is gone")
    assert comes(lambda: parked(awake))


def test_a_journal_keeps_its_one_core_awake_while_it_writes(
    tmp_path: Path, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path)
    assert can_keep_awake()
    journal = resume(tmp_path, stays_awake=True)
    assert journal._awake is not None
    write, waiting = journal._writer.write, []
    cells = journal._awake._cells

    def written(*args: Any) -> None:
        waiting.append(int(cells[_WAITING]))
        write(*args)

    monkeypatch.setattr(journal._writer, "write", written)
    for _ in range(50):
        journal.append(rows(journal.next_seq, 1).tobytes())
        journal.commit()
        assert not cells[_WAITING]
    assert waiting == [1] * 50
    journal.close()
    assert "awake" not in names() and len(read(tmp_path)[0]) == 50


def test_who_has_several_cores_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    journal = resume(tmp_path, stays_awake=True)
    assert "awake" not in names()
    journal.append(rows(1, 1).tobytes())
    journal.close()
    assert len(read(tmp_path)[0]) == 1


def test_where_the_system_does_not_permit_it_the_core_sleeps(one_core: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    awake = Awake()
    awake._thread.join()
    with awake:
        pass
    awake.close()
