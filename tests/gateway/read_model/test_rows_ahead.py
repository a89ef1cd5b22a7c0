"""The memory of the next rows is there before the loop writes to it; what was written there before stays."""

import resource
import threading
from time import perf_counter_ns
from types import SimpleNamespace

import numpy as np
import pytest

from gateway.read_model import history, reports, rows_ahead
from gateway.read_model.history import History
from gateway.read_model.history_store import WrittenStore, _Joined
from gateway.read_model.reports import Reports
from gateway.read_model.rows_ahead import FIRST_ROWS, HELPER, RowsAhead, new_rows
from tests.gateway.read_model.test_history import rows

ROWS = 1 << 14
NEW = rows_ahead.new_rows


def faults_of(write):
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    write()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def fill(legs, first=0):
    legs["seq"][first:] = 7


@pytest.fixture
def gives():
    """Whether this system gives memory beforehand."""
    legs = new_rows(ROWS)
    begin = -(-legs.ctypes.data // 4096) * 4096
    if rows_ahead._madvise(begin, 4096, rows_ahead._POPULATE_WRITE):
        pytest.skip("this Linux has no MADV_POPULATE_WRITE (before 5.14)")


def test_a_segment_in_use_gets_its_memory_and_then_the_next_one_does(gives):
    pages = ROWS * new_rows(1).itemsize // 4096
    assert faults_of(lambda: fill(new_rows(ROWS))) > pages // 2, "new memory is given page by page"
    ahead, first = RowsAhead(), new_rows(ROWS)
    fill(first[:FIRST_ROWS])
    ahead.look(first, FIRST_ROWS)
    HELPER.wait()
    assert faults_of(lambda: fill(first, FIRST_ROWS)) < pages // 20
    assert (first["seq"] == 7).all(), "what was written before stays"
    assert ahead.at == ROWS // 2
    ahead.look(first, ROWS // 2)
    HELPER.wait()
    second = ahead.take(ROWS)
    assert not second["seq"].any()
    assert faults_of(lambda: fill(second)) < pages // 20
    assert ahead.at == ROWS // 2, "its own memory is there: the next is that of the one behind it"
    ahead.look(second, ROWS // 2)
    assert len(ahead.take(2 * ROWS)) == 2 * ROWS
    assert ahead.at == FIRST_ROWS, "nobody knew that so many rows would come"


def test_few_rows_and_rows_that_nobody_writes_cost_nothing():
    ahead, threads = RowsAhead(), threading.active_count()
    few = new_rows(100)
    ahead.look(few, 90)
    assert ahead.at > 100
    assert len(ahead.take(100)) == 100
    idle = History()
    idle.room(1)
    assert idle._ahead.at == FIRST_ROWS
    assert threading.active_count() == threads


def test_history_and_reports_write_to_memory_that_was_made_ready(monkeypatch):
    monkeypatch.setattr(history, "SEGMENT_ROWS", ROWS)
    monkeypatch.setattr(reports, "SEGMENT_ROWS", ROWS)
    made = []
    monkeypatch.setattr(rows_ahead, "new_rows", lambda count: made.append(NEW(count)) or made[-1])
    log = Reports(History(), [], 4 * ROWS)
    for found in (History(), log):
        made.clear()
        segments = found.segments if isinstance(found, History) else found._segments
        for _ in range(2 * ROWS // 64):
            segment = found.room(64)
            segment.used += 64
        assert len(segments) == 2
        assert segments[1].legs is made[0]
        HELPER.wait()
    assert log._segments[0].is_sealed, "by the thread: that would hold the loop for milliseconds"


def test_reports_use_memory_of_forgotten_rows_again_and_no_other(monkeypatch):
    monkeypatch.setattr(reports, "SEGMENT_ROWS", ROWS)
    log = Reports(History(), [], 2 * ROWS)
    addresses = set()
    for _ in range(6 * ROWS // 64):
        segment = log.room(64)
        segment.used += 64
        addresses.add(segment.legs.ctypes.data)
        HELPER.wait()
    assert len(addresses) == 3
    assert log._ahead._next is None


def test_history_writes_to_memory_of_rows_on_disk_again_but_not_while_they_are_read(monkeypatch, tmp_path):
    monkeypatch.setattr(history, "SEGMENT_ROWS", ROWS)
    made = []
    monkeypatch.setattr(rows_ahead, "new_rows", lambda count: made.append(count) or NEW(count))
    found = History(WrittenStore(tmp_path / "history.db", is_threaded=False), ROWS)
    addresses, read = [], found.segments[0].legs[:2]
    for place in range(8 * ROWS // 64):
        segment = found.room(64, place)
        segment.legs["seq"][segment.used : segment.used + 64] = place
        segment.used += 64
        if addresses[-1:] != [segment.legs.ctypes.data]:
            addresses.append(segment.legs.ctypes.data)
        HELPER.wait()
    assert len(addresses) == 8 and len(made) == 3, "seven others need new memory three times"
    assert addresses.count(read.ctypes.data) == 1
    assert read["seq"].tolist() == [0, 0]
    assert [segment.legs["seq"][0] for segment in found.segments] == [
        segment.first // 64 for segment in found.segments
    ], "what is in memory stays what it was"
    found.close()


def test_rows_whose_look_is_not_noted_yet_are_not_taken_for_others(monkeypatch):
    monkeypatch.setattr(reports, "SEGMENT_ROWS", ROWS)
    waiting = []
    monkeypatch.setattr(HELPER, "do", lambda legs, call, goes_first=False: waiting.append(call))
    log = Reports(History(), [], ROWS)
    seen = []
    for _ in range(3 * ROWS // 64):
        segment = log.room(64)
        segment.used += 64
        if not seen or seen[-1] is not segment:
            seen.append(segment)
    assert len(set(map(id, seen))) == 3, "the first is not sealed, so nobody may write to it"


def test_rows_that_are_over_are_looked_at_ahead_of_memory_that_waits_and_memory_that_is_there_takes_no_pause(
    monkeypatch, gives
):
    pauses = []
    monkeypatch.setattr(rows_ahead, "_GIVEN_NS", 1 << 60)
    # Its own name alone: a thread of another test, such as the history's writer, may sleep now.
    monkeypatch.setattr(rows_ahead, "time", SimpleNamespace(perf_counter_ns=perf_counter_ns, sleep=pauses.append))
    rows_ahead.give(new_rows(ROWS))
    assert not pauses
    monkeypatch.setattr(rows_ahead, "_GIVEN_NS", -1)
    rows_ahead.give(new_rows(ROWS))
    assert len(pauses) >= ROWS * new_rows(1).nbytes // rows_ahead._PIECE_BYTES - 1
    monkeypatch.undo()
    many, done, may_go_on = new_rows(ROWS), [], threading.Event()
    HELPER.do(many, may_go_on.wait)
    HELPER.do(many, lambda: done.append("memory"))
    HELPER.do(many, lambda: done.append("rows"), goes_first=True)
    may_go_on.set()
    HELPER.wait()
    assert done == ["rows", "memory"]


def test_joined_rows_are_those_of_both():
    head, body = rows(5, 1), rows(20, 2)
    both, joined = np.concatenate([head, body]), _Joined(head, body)
    assert len(joined) == 25
    for first in range(26):
        for end in range(first, 26):
            assert (joined[first:end] == both[first:end]).all()
            between = joined.between(first, end)
            assert len(between) == end - first
            assert (between[:] == both[first:end]).all()
    assert joined[5:20].base is not None, "a part of one of them is not copied"
