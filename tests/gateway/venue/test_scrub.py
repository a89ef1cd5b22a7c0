"""What nobody reads any more is checked beside trading; what is damaged is an alarm that names its file."""

import errno
import sqlite3
import time

import pytest

from engine.journal import scrub as files
from engine.journal.format import segment_path
from gateway import clock
from gateway.venue import beside_venue, scrub
from gateway.venue.health import Effect, Health
from gateway.venue.scrub import Scrub
from tests.gateway.bit_flips import DataFolder
from tests.recordings.data import compiled
from tests.test_tip import SHORT, create, play

RATE = 1 << 30


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 8
    path.write_bytes(data)


@pytest.fixture
def journal(tmp_path):
    """A journal of four segments and two snapshots, still open."""
    engine = create(tmp_path / "journal", SHORT)
    for _ in range(2):
        play(engine, 7)
        engine.snapshot()
    yield engine.directory
    engine.close()


def faults(journal):
    sizes = []
    return list(files.faults(journal, sizes.append)), sum(sizes)


def test_every_file_but_the_open_segment_is_read_and_each_bad_one_is_told(journal):
    segments, snapshots = sorted(journal.glob("journal-*")), sorted(journal.glob("snapshot-*"))
    assert len(segments) == 4 and len(snapshots) == 2
    found, checked_bytes = faults(journal)
    assert not found
    records = sum(path.stat().st_size - 256 for path in segments[:-1])
    assert checked_bytes == records + sum(path.stat().st_size for path in snapshots)
    flip(segments[1], 600)
    flip(segments[-1], 300)
    flip(snapshots[0], 5000)
    found, _ = faults(journal)
    assert len(found) == 2, "the open segment is not its business"
    assert found[0].startswith(f"{segment_path(journal, 2)}: corrupt at byte 600") and str(snapshots[0]) in found[1]


def test_a_segment_that_does_not_lead_to_the_next_is_a_fault(journal):
    data = segment_path(journal, 1).read_bytes()
    segment_path(journal, 1).write_bytes(data[: 256 + 192])
    [fault], _ = faults(journal)
    assert "this segment does not follow the one before it" in fault


def wait_for(checks):
    deadline = time.monotonic() + 120
    while checks.is_running and time.monotonic() < deadline:
        checks.tick()
        time.sleep(0.01)
    assert not checks.is_running


def test_the_venue_has_it_done_and_says_what_is_wrong_until_it_is_mended(journal, monkeypatch):
    now_ns = clock.steady_ns()
    monkeypatch.setattr(clock, "steady_ns", lambda: now_ns)
    checks = Scrub(journal.parent, 24, RATE, health := Health())
    checks.tick()
    assert not checks.is_running, "not before its time"
    bad = segment_path(journal, 2)
    flip(bad, 600)
    now_ns += 24 * 3600 * 10**9
    checks.tick()
    assert checks.is_running
    wait_for(checks)
    [trouble] = health.troubles
    assert (trouble.name, trouble.effect, health.state) == (scrub.NAME, Effect.ALARM, "serving")
    assert trouble.cause.startswith(f"{bad}: corrupt at byte 600") and checks.faults
    flip(bad, 600)
    checks.begin()
    wait_for(checks)
    assert not health.troubles and not checks.faults and checks.checked_bytes > 0 and checks.checked_ns > 0
    never = Scrub(journal.parent, 0, RATE, health)
    now_ns += 10**18
    never.tick()
    assert not never.is_running
    checks.begin()
    checks.close()
    assert not checks.is_running


def test_without_room_for_a_process_there_is_an_alarm_and_the_venue_goes_on(journal, monkeypatch):
    def begin(*_):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    checks = Scrub(journal.parent, 24, RATE, health := Health())
    with monkeypatch.context() as patch:
        patch.setattr(beside_venue, "begin", begin)
        checks.start(has_left_out=True)
    [trouble] = health.troubles
    assert not checks.is_running and trouble.effect is Effect.ALARM and "does not begin" in trouble.cause
    checks.begin()
    wait_for(checks)
    assert not health.troubles


def test_a_check_ends_with_its_venue_and_one_that_ended_early_says_nothing_of_the_files(journal, monkeypatch):
    """However the venue ends: a check that went on would hold files of a folder that is started again or moved."""
    now_ns = clock.steady_ns()
    monkeypatch.setattr(clock, "steady_ns", lambda: now_ns)
    checks = Scrub(journal.parent, 24, RATE, health := Health())
    flip(segment_path(journal, 2), 600)
    checks.begin()
    wait_for(checks)
    assert [trouble.name for trouble in health.troubles] == [scrub.NAME]
    found, checks._bytes_per_s = checks.faults, 1 << 16
    for end in (lambda process: process.stdin.close(), lambda process: process.kill()):
        checks.begin()
        process = checks._process
        end(process)  # the end of the venue closes its input; without memory the system kills it
        assert process.wait(120) != 0
        wait_for(checks)
        failed = next(trouble for trouble in health.troubles if trouble.name == scrub.FAILED)
        assert failed.effect is Effect.ALARM and "before it was through" in failed.cause
        assert {trouble.name for trouble in health.troubles} == {scrub.NAME, scrub.FAILED}
        assert checks.faults == found
    checks._bytes_per_s = RATE
    checks.tick()
    assert not checks.is_running, "not at once"
    now_ns += scrub.LONGEST_RETRY_SECONDS * 10**9
    checks.tick()
    wait_for(checks)
    assert [trouble.name for trouble in health.troubles] == [scrub.NAME], "it came to its end now"


@compiled
def test_archives_history_and_registry_are_checked_too_and_each_has_its_own_remedy(tmp_path):
    made = DataFolder(tmp_path)
    checks = Scrub(made.data, 24, RATE, health := Health())
    checks.begin()
    wait_for(checks)
    assert not health.troubles and checks.checked_bytes > 0
    archive = made.data / "archive" / "journal-00000001.log.zst"
    flip(archive, 2000)
    for file, statement in (
        ("history.db", "UPDATE body SET data = substr(data, 2) || 'x' WHERE n = 1"),
        ("registry.db", "UPDATE accounts SET name = 'other' WHERE slot = 1"),
    ):
        db = sqlite3.connect(made.data / file, isolation_level=None)
        db.execute(statement)
        db.close()
    checks.begin()
    wait_for(checks)
    history, journal, registry = sorted(health.troubles, key=lambda trouble: trouble.name)
    assert (registry.name, registry.effect) == (scrub.REGISTRY_NAME, Effect.READ_ONLY)
    assert registry.cause.startswith(str(made.data / "registry.db")) and registry.remedy.startswith("look at the disk")
    assert (history.name, history.effect) == (scrub.HISTORY_NAME, Effect.ALARM)
    assert history.cause == f"{made.data / 'history.db'}: its body 1 is damaged"
    assert history.remedy.startswith("stop the venue and delete the file")
    assert (journal.name, journal.effect) == (scrub.NAME, Effect.ALARM) and journal.cause.startswith(str(archive))
    assert health.state == "read_only" and len(checks.faults) == 3


@compiled
def test_a_start_has_the_rest_of_a_large_registry_looked_at_and_nothing_else(tmp_path):
    made = DataFolder(tmp_path)
    flip(made.data / "archive" / "journal-00000001.log.zst", 2000)
    checks = Scrub(made.data, 24, RATE, health := Health())
    checks.start(has_left_out=False)
    assert not checks.is_running
    health.report(scrub.HISTORY_NAME, Effect.ALARM, "a block is damaged", "")
    checks.start(has_left_out=True)
    wait_for(checks)
    assert checks.checked_ns == 0, "it was not a check of everything"
    assert [trouble.name for trouble in health.troubles] == [scrub.HISTORY_NAME], "it did not look at the history"
    health.clear(scrub.HISTORY_NAME)
    db = sqlite3.connect(made.data / "registry.db", isolation_level=None)
    db.execute("UPDATE accounts SET name = 'other' WHERE slot = 1")
    db.close()
    checks.start(has_left_out=True)
    wait_for(checks)
    [trouble] = health.troubles
    assert (trouble.name, trouble.effect) == (scrub.REGISTRY_NAME, Effect.READ_ONLY)
