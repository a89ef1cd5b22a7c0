"""The file of alerts: what the list says of each is its latest review, whatever is asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.registry import write_ahead_log
from gateway.surveillance.activity import Alert, Evidence
from gateway.surveillance.store import AlertStore, Review


def test_the_venue_s_loop_never_reads_the_whole_write_ahead_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AlertStore(tmp_path / "alerts.db").close()
    read: list[Path] = []

    def damage(path: Path) -> str:
        read.append(path)
        return ""

    monkeypatch.setattr(write_ahead_log, "damage", damage)
    AlertStore(tmp_path / "alerts.db", is_known=True).close()
    assert read == []
    AlertStore(tmp_path / "alerts.db").close()
    assert read == [tmp_path / "alerts.db"]


def test_the_latest_alerts_of_a_state_are_those_whose_latest_review_says_so(tmp_path: Path) -> None:
    store = AlertStore(tmp_path / "alerts.db")
    store.add(
        Alert("spoofing", "seen", time_ns, 0, (1,), Evidence([time_ns], [], {}), (time_ns,)) for time_ns in range(1, 7)
    )
    for number, state in ((2, "escalated"), (2, "reviewed"), (4, "dismissed"), (5, "reviewed"), (5, "escalated")):
        store.review(number, Review(state, "Ann", f"{state} now", 9))
    assert [alert.number for alert in store.latest("", 100)] == [6, 5, 4, 3, 2, 1]
    assert [alert.number for alert in store.latest("open", 2)] == [6, 3]
    assert [(alert.number, alert.note) for alert in store.latest("reviewed", 9)] == [(2, "reviewed now")]
    for state in ("open", "reviewed", "dismissed", "escalated"):
        assert store.latest(state, 100) == [replace(alert, evidence={}) for alert in store.alerts(state)[::-1]]
    store.close()
    known = AlertStore(tmp_path / "alerts.db", is_known=True)
    assert known.alert(5).state == "escalated" and [review.state for review in known.reviews(2)] == [
        "escalated",
        "reviewed",
    ]
    known.close()
