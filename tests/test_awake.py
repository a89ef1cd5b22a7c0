"""A core that is kept awake while somebody waits, and only then."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.journal.awake import Awake, can_keep_awake
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


def names() -> set[str]:
    """The threads that run."""
    return {thread.name for thread in threading.enumerate()}


def test_the_core_turns_while_somebody_waits_and_then_rests(one_core: None) -> None:
    awake = Awake()
    for _ in range(3):
        begun = of_other_threads()
        with awake:
            while of_other_threads() - begun < 0.002:
                time.sleep(0.001)
        while not awake._is_parked:
            time.sleep(0.001)
    awake.close()
    assert "awake" not in names()


def test_a_journal_keeps_its_one_core_awake(tmp_path: Path, one_core: None) -> None:
    begin(tmp_path)
    assert can_keep_awake()
    journal = resume(tmp_path, threaded=True, stays_awake=True)
    assert "awake" in names()
    for _ in range(50):
        journal.append(rows(journal.next_seq, 1).tobytes())
        journal.flush()
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
