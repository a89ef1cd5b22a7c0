"""A journal cannot get shorter, or be another one, without a start noticing; and nothing else makes a start refuse."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import disk
from engine.codes import CommandKind, Mode
from engine.host import CorruptJournalError, Engine, Expected, JournalOptions, LossError, Proof
from engine.journal import End, read_tip, tip, tip_path, writer
from engine.journal.format import RECORD_BYTES, ROW_BYTES, SEGMENT_BYTES, segment_path
from engine.schema import COMMAND, SMALL

KEEPS = JournalOptions(keeps_tip=True)
SHORT = JournalOptions(keeps_tip=True, segment_bytes=SEGMENT_BYTES + 4 * (RECORD_BYTES + ROW_BYTES))
START_NS = 1_800_000_000 * 10**9


def rows(engine: Engine, count: int = 1) -> np.ndarray[Any, Any]:
    found = np.zeros(count, COMMAND)
    found["seq"] = np.arange(engine.last_seq + 1, engine.last_seq + 1 + count)
    found["kind"], found["time_ns"] = CommandKind.TIME, START_NS + found["seq"]
    return found


def play(engine: Engine, commits: int, count: int = 1) -> None:
    for _ in range(commits):
        engine.submit(rows(engine, count))
        engine.commit()


def create(directory: Path, options: JournalOptions = KEEPS) -> Engine:
    return Engine.create(directory, Mode.EXCHANGE, SMALL, options)


def opened(directory: Path, options: JournalOptions = KEEPS, expected: Expected | None = None) -> Engine:
    return Engine.open(directory, Mode.EXCHANGE, options, expected=expected)


def closed(directory: Path, commits: int = 10, options: JournalOptions = KEEPS) -> Engine:
    engine = create(directory, options)
    play(engine, commits)
    engine.close()
    return engine


def killed(engine: Engine, folder: Path) -> Path:
    """The data folder as kill -9 leaves it: a copy of what is there."""
    assert engine.directory is not None
    shutil.copytree(engine.directory, folder / "journal")
    shutil.copy(tip_path(engine.directory), folder / "journal.tip")
    return folder / "journal"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    folder = tmp_path / "left"
    folder.mkdir()
    return folder


def test_a_clean_stop_is_exact_and_a_start_says_how_the_last_run_ended(journal: Path, left: Path) -> None:
    engine = closed(journal)
    found = read_tip(journal)
    assert found is not None and (found.seq, found.end, found.segment) == (10, End.CLOSED, 1)
    assert found.chain == engine.journal.chain and found.offset == segment_path(journal, 1).stat().st_size
    again = opened(journal)
    assert again.recovery.previous_end is End.CLOSED and read_tip(journal).end is End.OPEN
    play(again, 3)
    after_kill = killed(again, left)
    again.close()
    third = opened(after_kill)
    assert third.recovery.previous_end is End.OPEN and third.last_seq == 13
    third.close()


def test_the_tip_follows_the_durable_end_when_asked_and_by_commands(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create(journal)
    play(engine, 5)
    assert engine.journal.tip_seq == 0, "no commit waits for the tip"
    engine.submit(rows(engine))
    engine.journal.keep_tip()
    assert engine.journal.tip_seq == 5 == read_tip(journal).seq, "what is not durable is not in the tip"
    engine.commit()
    monkeypatch.setattr(writer, "TIP_ROWS", 4)
    play(engine, 3)
    assert engine.journal.tip_seq == 9
    engine.close()


def test_the_journals_thread_writes_it(journal: Path) -> None:
    engine = create(journal, JournalOptions(keeps_tip=True, threaded=True))
    play(engine, 2, 20)
    engine.journal.flush()
    engine.journal.keep_tip()
    deadline = time.monotonic() + 60
    while engine.journal.tip_seq < 40 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert read_tip(journal).seq == 40
    engine.close()


@pytest.mark.parametrize("durability", ["os", "none"])
def test_without_a_sync_for_each_commit_the_tip_knows_only_what_was_synced(journal: Path, durability: str) -> None:
    engine = create(journal, JournalOptions(writer.Durability(durability), keeps_tip=True))
    play(engine, 5)
    engine.journal.keep_tip()
    assert read_tip(journal).seq == 0
    engine.journal.sync()
    play(engine, 5)
    engine.close()
    assert (read_tip(journal).seq, read_tip(journal).end) == (10, End.CLOSED)
    opened(journal).close()


def test_a_torn_slot_leaves_the_older_one(journal: Path) -> None:
    engine = create(journal)
    for _ in range(4):
        play(engine, 1)
        engine.journal.keep_tip()
    data = bytearray(tip_path(journal).read_bytes())
    newest = max((0, tip.SLOT_BYTES), key=lambda start: data[start + 16])
    data[newest + 30] ^= 1
    tip_path(journal).write_bytes(data)
    assert read_tip(journal).seq == 3 and not tip.tip_damage(journal)
    data[tip.SLOT_BYTES - newest + 30] ^= 1
    tip_path(journal).write_bytes(data)
    engine.journal.failure = OSError("left as it is")
    engine.close()
    tip_path(journal).write_bytes(data)
    with pytest.raises(LossError, match=r"journal\.tip: neither of its two slots .*; restore it from a copy"):
        opened(journal)
    opened(journal, expected=Expected(accepted_seq=4)).close()
    opened(journal).close()


# --- what is shorter --------------------------------------------------------------------------------------------------


def without_folder(journal: Path) -> None:
    shutil.rmtree(journal)


def without_last_segment(journal: Path) -> None:
    max(journal.glob("journal-*")).unlink()


def cut_at_a_record(journal: Path) -> None:
    path = max(journal.glob("journal-*"))
    os.truncate(path, SEGMENT_BYTES + RECORD_BYTES + ROW_BYTES)


def emptied(journal: Path) -> None:
    for path in sorted(journal.glob("journal-*"))[1:]:
        path.unlink()
    os.truncate(segment_path(journal, 1), SEGMENT_BYTES)


@pytest.mark.parametrize(
    ("lose", "there", "ends"),
    [
        (without_folder, "is missing or empty", 0),
        (without_last_segment, "ends at sequence 8", 8),
        (cut_at_a_record, "ends at sequence 9", 9),
        (emptied, "is missing or empty", 0),
    ],
)
def test_a_shorter_journal_is_refused_until_its_end_is_accepted(
    journal: Path, lose: Any, there: str, ends: int
) -> None:
    closed(journal, 11, SHORT)
    lose(journal)

    def start(accepted: int | None = None) -> Engine:
        expected = Expected(accepted_seq=accepted)
        if any(journal.glob("journal-*")):
            return opened(journal, SHORT, expected)
        return Engine.create(journal, Mode.EXCHANGE, SMALL, SHORT, expected)

    message = (
        rf"{there}, but the tip {tip_path(journal)} shows that it had 11: {11 - ends} commands are missing; restore"
    )
    with pytest.raises(LossError, match=message) as refused:
        start()
    assert f"--accept-loss {ends} --reason" in str(refused.value) and "\n" not in str(refused.value)
    for wrong in {ends + 1, ends - 1, 11} - {ends}:
        with pytest.raises(LossError, match=f"--accept-loss {wrong}: .* ends at sequence {ends}"):
            start(wrong)
    with pytest.raises(LossError, match=there):
        start()
    engine = start(ends)
    [aside] = engine.recovery.set_aside
    assert aside.parent.name == f"lost-after-{ends}-1" and engine.last_seq == ends
    play(engine, 2)
    engine.close()
    opened(journal).close()


def test_what_the_caller_knows_is_a_proof_too(journal: Path) -> None:
    closed(journal)
    with pytest.raises(LossError, match=r"ends at sequence 10, but the registry shows that it had 12: 2 commands"):
        opened(journal, expected=Expected([Proof(12, None, "the registry"), Proof(11, None, "another")]))
    opened(journal, expected=Expected([Proof(10, None, "the registry")])).close()
    with pytest.raises(LossError, match="the registry shows that it had 3"):
        fresh = journal.with_name("fresh")
        Engine.create(fresh, Mode.EXCHANGE, SMALL, KEEPS, Expected([Proof(3, None, "the registry")]))


def test_a_journal_of_another_history_is_refused(journal: Path, left: Path) -> None:
    """Both are longer than the tip that the folder has; one goes on from it, the other does not."""
    engine = create(journal)
    play(engine, 6)
    kept = killed(engine, left)
    engine.close()
    old = tip_path(journal).read_bytes()
    opened(kept).close()
    longer = opened(journal)
    play(longer, 6)
    longer.close()
    tip_path(journal).write_bytes(old)
    opened(journal).close()
    other = left / "other" / "journal"
    stranger = create(other)
    play(stranger, 3, 4)
    stranger.snapshot()
    stranger.close()
    for name in ("reading meets it", "the snapshot lies behind it"):
        tip_path(other).write_bytes(old)
        with pytest.raises(LossError, match=r"is not the one that the tip .* was made from: at sequence 6"):
            opened(other)
        if name == "reading meets it":
            assert max(other.glob("snapshot-*")).exists()


# --- a torn tail, and what is not -------------------------------------------------------------------------------------


def test_a_flipped_last_record_is_torn_only_if_nothing_shows_that_it_was_durable(journal: Path, left: Path) -> None:
    engine = create(journal)
    play(engine, 4)
    engine.journal.keep_tip()
    play(engine, 1)
    unproven = killed(engine, left)
    engine.journal.keep_tip()
    (left / "proven").mkdir()
    proven = killed(engine, left / "proven")
    engine.close()
    last = SEGMENT_BYTES + 4 * (RECORD_BYTES + ROW_BYTES)
    for folder in (unproven, proven):
        data = bytearray(segment_path(folder, 1).read_bytes())
        data[last + RECORD_BYTES + 20] ^= 4
        segment_path(folder, 1).write_bytes(data)
    again = opened(unproven)
    assert again.last_seq == 4 and again.recovery.cut_bytes > 0
    again.close()
    before = segment_path(proven, 1).read_bytes()
    with pytest.raises(CorruptJournalError, match=r"the tip .* durable up to 5, the sound records end at 4") as error:
        opened(proven)
    assert error.value.path == segment_path(proven, 1) and error.value.offset == last + RECORD_BYTES + 20
    assert segment_path(proven, 1).read_bytes() == before, "nothing is cut"
    accepted = opened(proven, expected=Expected(accepted_seq=4))
    assert accepted.last_seq == 4
    accepted.close()


def test_a_crash_at_any_moment_of_a_tip_starts_without_a_word(journal: Path, left: Path) -> None:
    """The journal is ahead of its tip by whatever was written last, and may have a torn tail behind."""
    engine = create(journal, SHORT)
    for number in range(14):
        play(engine, 1)
        if number % 3 == 0:
            engine.journal.keep_tip()
        for torn in (b"", b"\x7f" * 90):
            folder = left / f"{number}-{len(torn)}"
            folder.mkdir()
            copy = killed(engine, folder)
            path = max(copy.glob("journal-*"))
            size = path.stat().st_size
            with path.open("r+b") as file:
                file.seek(size - len(torn) if not torn else size)
                file.write(torn)
            again = opened(copy, SHORT)
            assert again.last_seq == number + 1
            again.close()
    engine.close()


# --- a disk that fails ------------------------------------------------------------------------------------------------


class FailingDisk(disk.SystemDisk):
    """A disk whose syncs fail from some moment on; what was written since the last good one is lost after a while."""

    def __init__(self) -> None:
        self.fails = False
        self.written: list[tuple[str, int, int]] = []
        self._paths: dict[int, str] = {}

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        self._paths[descriptor] = path.name
        return descriptor

    def pwrite(self, descriptor: int, parts: Any, offset: int, flags: int = 0) -> int:
        if self.fails and flags & os.RWF_DSYNC:
            super().pwrite(descriptor, parts, offset)
            raise OSError(5, "Input/output error")
        written = super().pwrite(descriptor, parts, offset, flags)
        self.written.append((self._paths[descriptor], offset, written))
        return written

    def sync(self, descriptor: int) -> None:
        if self.fails:
            raise OSError(5, "Input/output error")
        super().sync(descriptor)


def test_a_start_after_a_failed_sync_writes_what_it_goes_on_from_again(journal: Path) -> None:
    """The system shows bytes of which the sync failed: they are written once more, or the start fails."""
    failing = FailingDisk()
    with disk.use(failing):
        engine = create(journal)
        play(engine, 4)
        engine.journal.keep_tip()
        play(engine, 2)
        failing.fails = True
        with pytest.raises(Exception, match="Input/output error"):
            play(engine, 1)
        engine.close()
        failing.fails = False
    assert read_tip(journal) is not None
    with disk.use(failing):
        failing.fails = True
        with pytest.raises(OSError, match="Input/output error"):
            opened(journal)
        failing.fails = False
        failing.written.clear()
        again = opened(journal)
        durable = SEGMENT_BYTES + records_bytes(6)
        assert (segment_path(journal, 1).name, durable, records_bytes(1)) in failing.written
        assert again.last_seq == 7
        again.close()
        failing.written.clear()
        opened(journal).close()
        assert not [offset for name, offset, _ in failing.written if name.endswith(".log") and offset < durable]


def records_bytes(records: int) -> int:
    """How many bytes so many records of one row take."""
    return records * (RECORD_BYTES + ROW_BYTES)


def test_a_failed_sync_is_noted_where_the_disk_still_takes_it(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create(journal)
    play(engine, 3)
    monkeypatch.setattr(engine.journal._writer, "write", fail)
    with pytest.raises(Exception, match="No space left"):
        play(engine, 1)
    engine.close()
    found = read_tip(journal)
    assert found is not None and (found.seq, found.end) == (3, End.FAILED)
    again = opened(journal)
    assert again.recovery.previous_end is End.FAILED
    again.close()


def fail(*_: Any) -> None:
    raise OSError(28, "No space left on device")
