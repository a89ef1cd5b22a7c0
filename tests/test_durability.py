"""When what was journalled counts as safe, who makes it so, and what a disk that fails leaves behind."""

import os
import resource
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.journal import Durability, JournalError
from engine.journal.precedence import take_precedence
from engine.journal.writer import QUICK_SYNC_NS, SMALL_GROUP_ROWS
from tests.test_journal import RECORD_BYTES, ROW_BYTES, SEGMENT_BYTES, begin, read, resume, rows


@pytest.mark.parametrize(
    ("durability", "after_append", "after_commit"),
    [(Durability.FSYNC, 0, 2), (Durability.OS, 0, 2), (Durability.NONE, 2, 2)],
)
def test_what_counts_as_safe(tmp_path: Path, durability: Durability, after_append: int, after_commit: int) -> None:
    begin(tmp_path)
    journal = resume(tmp_path, durability=durability)
    journal.append(rows(1, 2).tobytes())
    assert journal.durable_seq == after_append
    journal.commit()
    assert journal.durable_seq == after_commit
    journal.close()


def test_fsync_comes_before_the_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path)
    journal, safe = resume(tmp_path), []
    sync, pwritev = journal._writer.sync, os.pwritev

    def written(descriptor: int, parts: list[Any], offset: int, flags: int = 0) -> int:
        if flags & os.RWF_DSYNC:
            safe.append(journal.durable_seq)
        return pwritev(descriptor, parts, offset, flags)

    monkeypatch.setattr(os, "pwritev", written)
    monkeypatch.setattr(journal._writer, "sync", lambda: (safe.append(journal.durable_seq), sync()))
    for count in (3, SMALL_GROUP_ROWS + 1):
        journal.append(rows(journal.next_seq, count).tobytes())
        journal.commit()
    assert safe == [0, 3] and journal.durable_seq == SMALL_GROUP_ROWS + 4
    monkeypatch.setattr("engine.journal.writer.MAX_GROUP_ROWS", 1)
    for _ in range(3):
        journal.append(rows(journal.next_seq, 1).tobytes())
    journal.commit()
    before = SMALL_GROUP_ROWS + 4
    assert safe == [0, 3, before] and journal.durable_seq == before + 3, "several records are synced together"
    journal.commit()
    assert safe == [0, 3, before], "nothing new, nothing to do"
    journal.close()


def test_a_small_record_written_in_pieces_is_safe_in_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path)
    journal, pieces = resume(tmp_path), []
    pwritev = os.pwritev

    def short(descriptor: int, parts: list[Any], offset: int, flags: int = 0) -> int:
        pieces.append(flags)
        return pwritev(descriptor, [b"".join(parts)[:100]], offset, flags)

    written = rows(1, 2)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", short)
        journal.append(written.tobytes())
        journal.commit()
    assert pieces == [os.RWF_DSYNC] * 4, "64 + 2 x 128 bytes, 100 at a time"
    journal.close()
    assert read(tmp_path)[0].tobytes() == written.tobytes()


@pytest.mark.parametrize("sync_ns", [0, 10**9])
def test_small_groups_on_a_quick_disk_are_safe_on_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync_ns: int
) -> None:
    begin(tmp_path)
    journal, threads, told = resume(tmp_path, threaded=True), [], []
    write = journal._writer.write

    def written(*args: Any) -> None:
        write(*args)
        threads.append(threading.get_ident())

    monkeypatch.setattr(journal._writer, "write", written)
    journal.watch(told.append, lambda error: None)
    here, by_thread = threading.get_ident(), []
    for count in (1, SMALL_GROUP_ROWS, SMALL_GROUP_ROWS + 1, 2):
        journal._sync_ns = sync_ns
        journal.append(rows(journal.next_seq, count).tobytes())
        journal.commit()
        is_ours = count <= SMALL_GROUP_ROWS and sync_ns <= QUICK_SYNC_NS
        assert not is_ours or journal.durable_seq == journal.next_seq - 1
        journal.flush()
        while journal._wanted or journal._is_writing:
            time.sleep(0.001)  # flush returned with the last row; the thread may have been asked once more
        assert (threads[-1] == here) == is_ours
        by_thread += [] if is_ours else [journal.durable_seq]
    journal.close()
    assert told == by_thread, "only the thread tells: who commits knows by the return"
    assert len(read(tmp_path)[0]) == 2 * SMALL_GROUP_ROWS + 4


def test_a_slow_disk_is_left_to_the_thread_until_it_is_quick_again(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = resume(tmp_path, threaded=True)
    write = journal._writer.write
    journal._writer.write = lambda *args: (write(*args), time.sleep(0.02))
    for _ in range(8):
        journal.append(rows(journal.next_seq, 1).tobytes())
        journal.flush()
    assert not journal._is_sooner_without()
    journal._writer.write = lambda batches, durable_seq, flags: write(batches, durable_seq)
    for _ in range(1000):
        journal.append(rows(journal.next_seq, 1).tobytes())
        journal.flush()
        if journal._is_sooner_without():
            break
    assert journal._is_sooner_without()
    journal.close()


def test_the_thread_tells_when_a_ticket_is_safe(tmp_path: Path) -> None:
    begin(tmp_path)
    journal, told, heard = resume(tmp_path, threaded=True), [], threading.Event()
    count = SMALL_GROUP_ROWS + 2
    journal.watch(lambda seq: (told.append(seq), heard.set() if seq == 30 * count else None), lambda error: None)
    for _ in range(30):
        journal.append(rows(journal.next_seq, count).tobytes())
        journal.commit()
    assert heard.wait(60)
    assert told == sorted(set(told)) and journal.durable_seq == 30 * count
    journal.close()
    assert len(read(tmp_path)[0]) == 30 * count


def test_nothing_counts_as_safe_while_the_thread_has_not_written_it(tmp_path: Path) -> None:
    begin(tmp_path)
    journal, told, heard, goes_on = resume(tmp_path, threaded=True), [], threading.Event(), threading.Event()
    write = journal._writer.write
    journal._writer.write = lambda *args: (goes_on.wait(60), write(*args))
    journal.watch(lambda seq: (told.append(seq), heard.set()), lambda error: None)
    count = SMALL_GROUP_ROWS + 1
    journal.append(rows(1, count).tobytes())
    journal.commit()
    assert journal.durable_seq == 0 and not told, "handed over, not written"
    goes_on.set()
    assert heard.wait(60) and told == [count] and journal.durable_seq == count
    journal.close()


def policy_of(thread: threading.Thread) -> int:
    """How the system schedules a thread of this process."""
    assert thread.native_id is not None
    return os.sched_getscheduler(thread.native_id)


def may_take_precedence() -> bool:
    """Whether the system lets this account have real-time threads."""
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(take_precedence()))
    thread.start()
    thread.join()
    return found[0]


def test_the_thread_comes_before_ordinary_ones_and_what_it_begins_does_not(tmp_path: Path) -> None:
    if not may_take_precedence():
        pytest.skip("the system permits no real-time priority here: no CAP_SYS_NICE, and RLIMIT_RTPRIO is 0")
    begin(tmp_path)
    journal, begun, heard = resume(tmp_path, threaded=True), [], threading.Event()

    def durable(seq: int) -> None:
        thread = threading.Thread(target=lambda: begun.append(policy_of(threading.current_thread())))
        thread.start()
        thread.join()
        heard.set()

    journal.watch(durable, lambda error: None)
    journal.append(rows(1, SMALL_GROUP_ROWS + 1).tobytes())
    journal.commit()
    assert heard.wait(60) and journal._thread is not None
    assert policy_of(journal._thread) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
    assert begun == [os.SCHED_OTHER] and os.sched_getscheduler(0) == os.SCHED_OTHER
    journal.close()


def test_where_the_system_permits_no_precedence_the_thread_writes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    begin(tmp_path)
    journal = resume(tmp_path, threaded=True)
    journal.append(rows(1, SMALL_GROUP_ROWS + 1).tobytes())
    journal.flush()
    assert journal.durable_seq == SMALL_GROUP_ROWS + 1 and journal._thread is not None
    assert policy_of(journal._thread) == os.SCHED_OTHER
    journal.close()


@pytest.mark.parametrize(("failing", "batches"), [("write", 1), ("write", 2), ("sync", 2)])
@pytest.mark.parametrize("threaded", [False, True])
def test_after_a_failed_write_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threaded: bool, failing: str, batches: int
) -> None:
    begin(tmp_path)
    journal, failures = resume(tmp_path, threaded=threaded), []
    told: list[int] = []
    journal.watch(told.append, failures.append)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.journal.writer.MAX_GROUP_ROWS", 1)
    monkeypatch.setattr(journal._writer, failing, full)
    for _ in range(batches):
        journal.append(rows(journal.next_seq, 1).tobytes())
    with pytest.raises(JournalError, match=r"No space left on device.*make room"):
        journal.flush()
    for call in (journal.commit, journal.flush, lambda: journal.append(rows(2, 1).tobytes())):
        with pytest.raises(JournalError, match="cannot be written"):
            call()
    journal.close()
    assert journal.durable_seq == 0 and not told and len(failures) == 1


def test_a_record_that_fits_is_safe_where_the_room_behind_it_does_not(tmp_path: Path) -> None:
    begin(tmp_path)
    journal, unlimited = resume(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    sizes = [RECORD_BYTES + ROW_BYTES] * 3
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SEGMENT_BYTES + sum(sizes) + 100, unlimited[1]))
        for _ in sizes:
            journal.append(rows(journal.next_seq, 1).tobytes())
            journal.commit()
        journal.append(rows(journal.next_seq, 1).tobytes())
        with pytest.raises(JournalError, match="make room"):
            journal.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    journal.close()
    found, reader = read(tmp_path)
    assert journal.durable_seq == len(found) == 3 and reader.torn is not None


def test_a_segment_that_cannot_be_begun_leaves_no_other_file_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(directory: Path, header: Any) -> None:
        raise OSError(28, "No space left on device")

    begin(tmp_path)
    journal = resume(tmp_path, segment_bytes=SEGMENT_BYTES + RECORD_BYTES + ROW_BYTES)
    monkeypatch.setattr("engine.journal.writer.begin_segment", full)
    journal.append(rows(1, 1).tobytes())
    journal.commit()
    journal.append(rows(2, 1).tobytes())
    with pytest.raises(JournalError, match="No space left on device"):
        journal.commit()
    with (tmp_path / "another").open("w") as another:
        journal.close()
        another.write("still open")
    assert (tmp_path / "another").read_text() == "still open" and journal.durable_seq == 1
