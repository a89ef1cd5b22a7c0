"""A process of the suite does not grow with the engines that it has had."""

from types import SimpleNamespace

import pytest

from engine import host
from tests.memory import COLLECTED, States


def in_a_cycle() -> SimpleNamespace:
    """A state as a venue has it: only the collector finds out that nobody uses it."""
    venue = SimpleNamespace(state=host.allocate(False)[0])
    venue.itself = venue
    return venue


def test_states_that_nobody_uses_are_collected_before_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "allocate", host.allocate)  # as it was, afterwards
    states = States()
    states.watch()
    kept = [in_a_cycle() for _ in range(COLLECTED - 1)]
    for _ in range(20):
        in_a_cycle()
        states.collect_many()
        assert states.count < len(kept) + COLLECTED
    kept.clear()
    for _ in range(COLLECTED):
        in_a_cycle()
        states.collect_many()
    assert states.count < COLLECTED
