"""Answers leave when they are durable, in order; those of many turns in one write for each connection."""

from collections import deque
from types import SimpleNamespace

from gateway.venue.sequencer import UNTIMED, Sequencer


def test_turns_that_become_durable_together_are_one_write_for_each_origin():
    told = []

    def origin(name):
        return SimpleNamespace(write=lambda data: told.append((name, data)))

    a, b = origin("a"), origin("b")
    found = object.__new__(Sequencer)
    found._released, found.engine = 0, SimpleNamespace(durable_seq=2)
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
    found.engine.durable_seq = 5
    found.release()
    assert told == [("a", b"4"), ("b", b"5"), "noted", ("b", b"6")], "what follows a turn comes before the next turn"
    assert len(found._outbox) == 1
