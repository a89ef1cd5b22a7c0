"""Answers leave when they are durable, in order; those of many turns in one write for each connection."""

from collections import deque
from types import SimpleNamespace

from gateway.venue.sequencer import UNTIMED, Sequencer
from gateway.venue.stage_times import StageTimes


def test_turns_that_become_durable_together_are_one_write_for_each_origin():
    told = []

    def origin(name):
        return SimpleNamespace(write=lambda data: told.append((name, data)))

    a, b = origin("a"), origin("b")
    found = object.__new__(Sequencer)
    found._released, found._released_to = 0, SimpleNamespace(seq=2)
    found._outbox = deque([
        (1, UNTIMED, [(a, b"1")], None),
        (2, UNTIMED, [(b, b"2"), (a, b"3"), (b, b"")], None),
        (3, UNTIMED, [(a, b"4")], None),
        (4, UNTIMED, [(b, b"5")], lambda: told.append("noted")),
        (5, UNTIMED, [(b, b"6")], None),
        (6, UNTIMED, [(a, b"7")], None),
    ])  # fmt: skip
    found.release()
    assert told == [("a", b"13"), ("b", b"2")]
    assert len(found._outbox) == 4, "what is not durable stays"
    told.clear()
    found._released_to.seq = 5
    found.release()
    assert told == [("a", b"4"), ("b", b"5"), "noted", ("b", b"6")], "what follows a turn comes before the next turn"
    assert len(found._outbox) == 1


def test_of_turns_that_leave_together_one_in_eight_has_its_own_times_counted():
    """The first of them always waits longest: its times alone would say that all answers are late."""
    origin, ms = SimpleNamespace(write=lambda data: None), 1_000_000
    found = object.__new__(Sequencer)
    found._released, found._released_to, found.stage_times = 0, SimpleNamespace(seq=16), StageTimes()
    found._outbox = deque((seq, (seq * ms, (seq + seq) * ms), [(origin, b"1")], None) for seq in range(1, 17))
    found.release()
    counted = found.stage_times.histograms()["received_to_applied"]
    assert (counted.counts.sum(), counted.sum_ns) == (2, (8 + 16) * ms)
