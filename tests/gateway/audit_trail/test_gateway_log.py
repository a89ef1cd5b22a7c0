"""The gateway's log: a chain over files of a day, which nobody changes once the journal has vouched for it."""

import json
import multiprocessing
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import Mode
from engine.schema import COMMAND
from gateway.audit_trail.gateway_log import GatewayLog, GatewayLogError, check_log, entry, read_log
from gateway.audit_trail.gateway_notes import LISTED, MAX_METHODS, Note, Notes
from gateway.registry.registry import Key
from gateway.venue.gateway_log_writer import attest_row
from gateway.wire.civil_dates import start_ns
from tests import build
from tests.gateway.audit_trail.journals import Live
from tests.pair import CAPACITIES

NOW = start_ns(date(2026, 11, 26)) + 3600 * build.SECOND
DAY_NS = 86_400 * build.SECOND
KEY = Key(7, "lr7", 3, 2, "hmac", b"", frozenset({"read"}), "", 0, None)


def silent(done: int, total: int) -> None:
    return None


def some(count: int, first: int = 0) -> list[dict[str, Any]]:
    times = range(NOW + first, NOW + first + count)
    return [entry("private/buy", time_ns=time_ns, outcome="refused", count=1) for time_ns in times]


class Vouched:
    """A log of three days and a journal that vouches for it, the last two records aside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "gateway-log"
        self.live = Live(folder / "journal", CAPACITIES, Mode.RESEARCH)
        self.live.send(np.concatenate(build.venue(1)))
        log = GatewayLog(self.folder)
        for place in range(3):
            log.append(some(4, 10 * place), NOW + place * DAY_NS)
            self.attest(log)
        log.append(some(2, 50), NOW + 2 * DAY_NS)
        self.journal = self.live.close()

    def attest(self, log: GatewayLog) -> None:
        self.live.send(np.frombuffer(attest_row(log.head()), COMMAND).copy())

    def problems(self) -> list[str]:
        return check_log(self.journal, self.folder, silent).problems


@pytest.fixture
def vouched(tmp_path: Path) -> Vouched:
    return Vouched(tmp_path)


def test_the_journal_vouches_for_a_log_of_several_days(vouched: Vouched) -> None:
    found = check_log(vouched.journal, vouched.folder, silent)
    assert (found.problems, found.records, found.unvouched) == ([], 14, 2)
    assert [path.name for path in sorted(vouched.folder.glob("*.jsonl"))] == [
        "2026-11-26.jsonl", "2026-11-27.jsonl", "2026-11-28.jsonl",
    ]  # fmt: skip
    assert [head.number for head, _ in read_log(vouched.folder)] == [*range(1, 15)]
    assert all(path.stat().st_mode & 0o77 == 0 for path in vouched.folder.iterdir())


def lines_of(vouched: Vouched, day: int = 26) -> tuple[Path, list[bytes]]:
    path = vouched.folder / f"2026-11-{day}.jsonl"
    return path, path.read_bytes().splitlines(keepends=True)


def rehashed(folder: Path) -> None:
    """Write the log anew, with a chain of its own, as somebody would who has changed it."""
    kept: list[tuple[str, list[dict[str, Any]]]] = []
    for path in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
        bare = [{name: row[name] for name in row if name not in ("number", "chain")} for row in rows]
        kept.append((path.stem, bare))
        path.unlink()
    for day, rows in kept:
        GatewayLog(folder).append(rows, start_ns(date.fromisoformat(day)))


def edit(vouched: Vouched) -> None:
    path, lines = lines_of(vouched)
    lines[2] = lines[2].replace(b"refused", b"accepted")
    path.write_bytes(b"".join(lines))


def drop(vouched: Vouched) -> None:
    path, lines = lines_of(vouched)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))


def swap(vouched: Vouched) -> None:
    path, lines = lines_of(vouched)
    path.write_bytes(b"".join([lines[0], lines[2], lines[1], *lines[3:]]))


def cut(vouched: Vouched) -> None:
    path, lines = lines_of(vouched, 28)
    path.write_bytes(b"".join(lines[:3]))


def last_day(vouched: Vouched) -> None:
    lines_of(vouched, 28)[0].unlink()


def middle_day(vouched: Vouched) -> None:
    lines_of(vouched, 27)[0].unlink()


def first_day(vouched: Vouched) -> None:
    lines_of(vouched, 26)[0].unlink()


def all_days(vouched: Vouched) -> None:
    for path in vouched.folder.glob("*.jsonl"):
        path.unlink()


def edit_and_rehash(vouched: Vouched) -> None:
    edit(vouched)
    rehashed(vouched.folder)


def drop_and_rehash(vouched: Vouched) -> None:
    drop(vouched)
    rehashed(vouched.folder)


@pytest.mark.parametrize(
    "attack",
    [edit, drop, swap, cut, last_day, middle_day, first_day, all_days, edit_and_rehash, drop_and_rehash],
    ids=lambda attack: attack.__name__,
)
def test_what_was_changed_is_found(attack: Callable[[Vouched], None], vouched: Vouched) -> None:
    assert vouched.problems() == []
    attack(vouched)
    assert len(vouched.problems()) == 1


def test_a_line_that_a_crash_left_unfinished_is_cut_and_was_never_vouched_for(vouched: Vouched) -> None:
    path, lines = lines_of(vouched, 28)
    path.write_bytes(b"".join(lines) + lines[-1][:30])
    assert vouched.problems() == []
    head = GatewayLog(vouched.folder).append(some(1, 90), NOW + 2 * DAY_NS)
    assert head.number == 15 and vouched.problems() == []


@pytest.mark.parametrize("begun", [b"", b'{"before":"ab'])
def test_a_file_that_was_only_begun_is_begun_again(vouched: Vouched, begun: bytes) -> None:
    path = lines_of(vouched, 28)[0].with_stem("2026-11-29")
    path.write_bytes(begun)
    assert GatewayLog(vouched.folder).head().number == 14 and not path.exists()
    path.write_bytes(begun)
    assert GatewayLog(vouched.folder).append(some(1, 90), NOW + 3 * DAY_NS).number == 15
    assert path.exists() and vouched.problems() == []


def test_files_whose_time_is_over_are_removed_on_the_record(vouched: Vouched, tmp_path: Path) -> None:
    GatewayLog(vouched.folder, days=3).append(some(1, 90), NOW + 4 * DAY_NS)
    assert [path.stem for path in sorted(vouched.folder.glob("*.jsonl"))] == ["2026-11-27", "2026-11-28", "2026-11-30"]
    removed = [record for _, record in read_log(vouched.folder) if record["method"] == "removed"]
    assert [(record["about"], record["count"]) for record in removed] == [("2026-11-26", 4)]
    assert vouched.problems() == []
    lines_of(vouched, 27)[0].unlink()
    assert "are gone, and no record says that they were removed" in vouched.problems()[0]


def test_an_empty_log_has_a_head_and_nothing_is_made_for_it(tmp_path: Path) -> None:
    log = GatewayLog(tmp_path / "log")
    assert log.head().number == 0 and not log.folder.exists() and not log.has_grown()


def append_some(folder: Path, first: int) -> None:
    log = GatewayLog(folder)
    for place in range(20):
        log.append(some(3, first + place), NOW)


def test_several_processes_take_turns(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_some, args=(tmp_path / "log", place)) for place in (0, 1000)]
    for worker in workers:
        worker.start()
    append_some(tmp_path / "log", 2000)
    for worker in workers:
        worker.join()
    assert [head.number for head, _ in read_log(tmp_path / "log")] == [*range(1, 181)]


def test_another_object_notices_that_the_log_has_grown(tmp_path: Path) -> None:
    mine, other = GatewayLog(tmp_path / "log"), GatewayLog(tmp_path / "log")
    mine.append(some(1), NOW)
    assert not mine.has_grown()
    other.append(some(1), NOW)
    assert mine.has_grown() and mine.append([], NOW).number == 2 and not mine.has_grown()
    other.append(some(1), NOW + DAY_NS)
    assert mine.has_grown() and mine.append(some(1), NOW + DAY_NS).number == 4


@pytest.mark.parametrize("text", [b"", b"{}\n", b"[]\n", b'{"day":"2026-11-26"}\n', b"\xff\n"])
def test_what_is_no_log_is_said_in_one_line(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "2026-11-26.jsonl").write_bytes(text)
    with pytest.raises(GatewayLogError, match="its first line is not"):
        list(read_log(tmp_path))


# --- notes --------------------------------------------------------------------------------------------------------


def test_equal_notes_are_counted() -> None:
    notes = Notes()
    for place in range(5):
        notes.refused(KEY, "private/buy", "TOO_MANY_REQUESTS", NOW + place)
    notes.login(None, "refused", "client_credentials", "INVALID_CREDENTIALS", NOW + 9)
    first, second = notes.take()
    assert first == {
        "method": "private/buy", "time_ns": NOW, "count": 5, "outcome": "refused", "reason": "TOO_MANY_REQUESTS",
        "account_slot": 3, "person": 2, "key": 7,
    }  # fmt: skip
    assert second["method"] == "login client_credentials" and "key" not in second
    assert notes.take() == []


def test_what_was_looked_at_is_one_line_of_text() -> None:
    notes = Notes()
    notes.read(KEY, "host admin client", "client=a\nb\udcff\u2028 \u674e", NOW)
    assert notes.take()[0]["about"] == "client=a?b?? \u674e"


def test_a_flood_is_counted_by_kind_and_never_listed() -> None:
    notes = Notes()
    for place in range(10_000):
        notes.add(Note("refused", "private/buy", "INVALID_PARAMS", "", place, 1, place + 1), NOW + place)
    found = notes.take()
    assert len(found) == LISTED + 1 and sum(row["count"] for row in found) == 10_000
    assert found[-1]["count"] == 10_000 - LISTED and "key" not in found[-1]
    for place in range(10_000):
        notes.add(Note("refused", f"method {place}"), NOW + place)
    found = notes.take()
    assert len(found) == LISTED + MAX_METHODS + 1 and sum(row["count"] for row in found) == 10_000


def test_a_key_that_signs_each_call_is_noted_once_an_hour() -> None:
    notes = Notes()
    for minute in range(125):
        notes.signed_call(KEY, NOW + minute * 60 * build.SECOND)
    assert [row["count"] for row in notes.take()] == [3]


def test_days_go_by_hong_kong(tmp_path: Path) -> None:
    log = GatewayLog(tmp_path / "log")
    midnight = start_ns(date(2026, 11, 27))
    log.append(some(1), midnight - 1)
    log.append(some(1), midnight)
    assert sorted(path.stem for path in log.folder.glob("*.jsonl")) == [
        str(date(2026, 11, 26) + timedelta(days=place)) for place in range(2)
    ]
