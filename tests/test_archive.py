"""Segments that move into the archive: read as if they were in place, whole at every moment, named when missing."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import disk, host
from engine.codes import Mode
from engine.host import Engine, JournalError, JournalOptions
from engine.journal import (
    CorruptJournalError,
    JournalReader,
    archive_folder,
    archive_path,
    archive_segment,
    archived_numbers,
    check_archive,
    check_body,
    read_archive_header,
    retention_lock,
    retired,
    sound_snapshots,
)
from engine.journal.archive import ARCHIVE_BYTES, write_archive
from engine.journal.format import SEGMENT_BYTES, segment_path
from tests.test_host import CAPACITIES, cut, play, script
from tests.test_journal import flip

SEGMENT = 1 << 14
OPTIONS = JournalOptions(segment_bytes=SEGMENT)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal's folder of many segments, closed, with snapshots in the middle and at the end."""
    directory = tmp_path / "journal"
    live = Engine.create(directory, Mode.RESEARCH, CAPACITIES, OPTIONS)
    batches = cut(script(21, 1200), 40)
    for place, batch in enumerate(batches):
        live.submit(batch)
        live.commit()
        if place in (len(batches) // 2, len(batches) - 2):
            live.snapshot()
    live.close()
    return directory


def everything(directory: Path) -> bytes:
    """All commands of a journal."""
    return b"".join(batch.tobytes() for batch in JournalReader(directory).batches())


def archive_all(directory: Path) -> list[int]:
    """Archive what no start needs; their numbers."""
    numbers = retired(directory, sound_snapshots(directory)[-1])
    for number in numbers:
        archive_segment(directory, number)
    return numbers


def test_archived_segments_are_read_as_if_they_were_in_place(journal: Path) -> None:
    before, chain = everything(journal), None
    for _ in (reader := JournalReader(journal)).batches():
        chain = reader.position.chain
    numbers = archive_all(journal)
    assert len(numbers) > 4 and archived_numbers(archive_folder(journal)) == numbers
    assert not any(segment_path(journal, number).exists() for number in numbers)
    assert everything(journal) == before
    assert reader.position.chain == chain
    folder = archive_folder(journal)
    assert sum(read_archive_header(archive_path(folder, number)).size_bytes for number in numbers) == sum(
        path.stat().st_size for path in folder.iterdir()
    )


def test_progress_counts_archived_bytes_as_they_were(journal: Path) -> None:
    whole = JournalReader(journal)
    for _ in whole.batches():
        pass
    archive_all(journal)
    reader = JournalReader(journal)
    seen = [reader.bytes_read for _ in reader.batches()]
    assert seen == sorted(seen) and reader.bytes_read == whole.bytes_read
    assert reader.bytes_total == whole.bytes_total


def test_only_what_lies_before_the_older_snapshot_is_retired(journal: Path) -> None:
    newer, older = host.snapshot_seqs(journal)
    segments = [JournalReader(journal)._segments.header(number) for number in retired(journal, older)]
    following = JournalReader(journal)._segments.header(segments[-1].number + 1)
    assert following.first_seq <= older + 1 < newer
    assert retired(journal, older, 3) == [header.number for header in segments[:-3]]
    assert retired(journal, 0) == [] == retired(journal, older, 1000)
    last = JournalReader(journal)._segments.last
    assert retired(journal, 1 << 60) == list(range(1, last))


def test_a_start_needs_no_archive(journal: Path) -> None:
    with_all = Engine.open(journal, Mode.RESEARCH)
    digest = with_all.digest()
    with_all.close()
    archive_all(journal)
    shutil.rmtree(archive_folder(journal))
    again = Engine.open(journal, Mode.RESEARCH)
    assert again.digest() == digest and again.recovery.ignored == []
    again.close()


def test_a_missing_archive_is_named_with_what_needs_it(journal: Path) -> None:
    numbers = archive_all(journal)
    lost = archive_path(archive_folder(journal), numbers[2])
    lost.unlink()
    with pytest.raises(JournalError, match=f"{lost}: segment {numbers[2]} is neither .* up to sequence .* put its arc"):
        everything(journal)
    reader = JournalReader(journal)
    later = read_archive_header(archive_path(archive_folder(journal), numbers[3]))
    assert reader.seek(later.last_seq, later.chain)  # what lies behind it is read all the same
    assert int(next(reader.batches())["seq"][0]) == later.last_seq + 1


def test_a_segment_that_is_archived_while_a_journal_is_read(journal: Path) -> None:
    before, reader = everything(journal), JournalReader(journal)
    batches = reader.batches()
    first = next(batches).tobytes()
    archive_all(journal)
    assert first + b"".join(batch.tobytes() for batch in batches) == before


def test_a_missing_segment_in_the_folder_is_no_archive(journal: Path) -> None:
    archive_all(journal)
    segments = sorted(journal.glob("journal-*.log"))
    segments[1].unlink()
    with pytest.raises(JournalError, match=r"segment \d+ is missing"):
        JournalReader(journal)


def test_every_changed_byte_of_an_archive_is_found(journal: Path) -> None:
    numbers = archive_all(journal)
    path = archive_path(archive_folder(journal), numbers[0])
    whole = path.read_bytes()
    chance = np.random.default_rng(3)
    places = [*range(0, ARCHIVE_BYTES + SEGMENT_BYTES, 7), *chance.integers(0, len(whole), 60).tolist()]
    for place in places:
        flip(path, place, int(chance.integers(8)))
        with pytest.raises(JournalError):
            check_archive(path)
        with pytest.raises(JournalError):
            check_body(read_archive_header(path))
        path.write_bytes(whole)
    for size in (0, 100, ARCHIVE_BYTES, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CorruptJournalError):
            read_archive_header(path)
    path.write_bytes(whole)
    assert check_archive(path).number == numbers[0]
    check_body(read_archive_header(path))


def test_an_archive_of_another_journal_is_refused(journal: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "journal"
    live = Engine.create(other, Mode.RESEARCH, CAPACITIES, OPTIONS)
    play(live, script(22, 1200))
    live.close()
    archive_all(journal)
    following = JournalReader(other)._segments.header(2)
    archive_path(archive_folder(journal), 1).unlink()
    write_archive(segment_path(other, 1), archive_folder(journal), following)
    with pytest.raises(CorruptJournalError, match="does not follow"):
        everything(journal)


def test_a_damaged_segment_is_not_archived(journal: Path) -> None:
    flip(segment_path(journal, 1), 5000)
    with pytest.raises(CorruptJournalError):
        archive_segment(journal, 1)
    assert segment_path(journal, 1).exists() and archived_numbers(archive_folder(journal)) == []


def test_a_damaged_archive_is_written_again(journal: Path) -> None:
    before = everything(journal)
    whole = segment_path(journal, 1).read_bytes()
    archive = archive_segment(journal, 1)
    segment_path(journal, 1).write_bytes(whole)  # as if the process had ended before it took the segment away
    flip(archive.path, archive.size_bytes - 9)
    archive_segment(journal, 1)
    assert everything(journal) == before and check_archive(archive.path).number == 1


class EndError(Exception):
    """The process ends here."""


class EndingDisk(disk.SystemDisk):
    """The machine's disk until the n-th call that changes something, which does not happen any more."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise EndError

    def pwrite(self, *args: Any) -> int:
        self._count()
        return super().pwrite(*args)

    def rename(self, *args: Any) -> None:
        self._count()
        super().rename(*args)

    def unlink(self, *args: Any) -> None:
        self._count()
        super().unlink(*args)

    def truncate(self, *args: Any) -> None:
        self._count()
        super().truncate(*args)

    def sync(self, *args: Any) -> None:
        self._count()
        super().sync(*args)

    def sync_folder(self, *args: Any) -> None:
        self._count()
        super().sync_folder(*args)


def crashes(work: Callable[[], object]) -> Iterator[int]:
    """Do something with a disk that ends after 0, 1, 2 ... calls, until it is done; yields after each end."""
    for calls in range(1000):
        ended = False
        try:
            with disk.use(EndingDisk(calls)):
                work()
        except EndError:
            ended = True
        yield calls
        if not ended:
            return


def test_archiving_may_end_anywhere(journal: Path) -> None:
    """Each end leaves the segment in its place or in the archive, and the next attempt goes on from there."""
    before, ends = everything(journal), 0
    numbers = retired(journal, sound_snapshots(journal)[-1])[:2]
    for ends in crashes(lambda: [archive_segment(journal, number) for number in numbers if number in left(journal)]):
        assert everything(journal) == before, ends
    assert ends > 5 and archived_numbers(archive_folder(journal)) == numbers


def left(directory: Path) -> list[int]:
    """The segments in a journal's folder."""
    segments = JournalReader(directory)._segments
    return list(range(segments.first, segments.last + 1))


def test_a_snapshot_may_end_anywhere(journal: Path) -> None:
    """An older sound one is there until the newer one is whole; what a killed process leaves is removed."""
    pair = host.snapshot_seqs(journal)
    seqs = [pair]
    state = Engine.read(journal)
    digest = state.digest()

    def take() -> None:
        state.snapshot(pace=lambda: None)

    for _ in crashes(take):
        seqs.append(sound_snapshots(journal))
        assert seqs[-1] in (pair, [state.last_seq, pair[0]])
        again = Engine.read(journal)
        assert again.digest() == digest and again.recovery.ignored == []
        with retention_lock(journal):
            assert not list(journal.glob("*" + disk.TEMPORARY))
    assert seqs[-1] == [state.last_seq, pair[0]] and len(host.snapshot_seqs(journal)) == 2


class VisitedDisk(disk.SystemDisk):
    """Somebody comes to archive at the moment when a new file is about to get its name."""

    def __init__(self, directory: Path) -> None:
        self._directory, self.visits = directory, 0

    def rename(self, old: Path, new: Path) -> None:
        if old.suffix == disk.TEMPORARY:
            with disk.use(disk.SystemDisk()), retention_lock(self._directory):
                self.visits += 1
        super().rename(old, new)


def test_who_archives_leaves_the_segment_that_is_being_begun(tmp_path: Path) -> None:
    """Its file taken away, the journal would have failed, and the venue with it."""
    visited = VisitedDisk(tmp_path)
    with disk.use(visited):
        engine = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES, OPTIONS)
        for batch in cut(script(23, 400), 25):
            engine.submit(batch)
            engine.commit()
    assert visited.visits > 2 and engine.journal is not None and engine.journal.failure is None
    digest = engine.digest()
    engine.close()
    assert Engine.read(tmp_path).digest() == digest


def test_who_archives_takes_away_what_an_ended_process_left(journal: Path) -> None:
    whole = sorted(journal.glob("journal-*.log"))
    left_behind = [whole[0], whole[-2], journal / "snapshot-00000000000000000001.state"]
    for path in left_behind:
        path.with_name(path.name + disk.TEMPORARY).touch()
    with retention_lock(journal):
        assert not list(journal.glob("*" + disk.TEMPORARY))


def test_what_somebody_has_mapped_is_not_cut(tmp_path: Path) -> None:
    """Whoever reads mapped bytes that are gone is killed; and what is being cut is mapped by nobody."""
    path, content = tmp_path / "rows", bytes(range(256)) * 64
    path.write_bytes(content)
    mapped = disk.map_file(path)
    disk.remove(path, lambda: None)
    assert mapped[:] == content and not list(tmp_path.iterdir())
    path.write_bytes(content)
    descriptor = disk.current().open(path, os.O_WRONLY)
    assert disk.current().claim(descriptor)
    with pytest.raises(BlockingIOError):
        disk.map_file(path)
    disk.current().close(descriptor)
    assert disk.map_file(path)[:] == content


def test_a_segment_that_is_being_removed_is_read_from_its_archive(journal: Path) -> None:
    before = everything(journal)
    whole = segment_path(journal, 1).read_bytes()
    archive_segment(journal, 1)
    segment_path(journal, 1).write_bytes(whole)  # archived, and not yet gone
    descriptor = disk.current().open(segment_path(journal, 1), os.O_WRONLY)
    assert disk.current().claim(descriptor)
    assert everything(journal) == before
    disk.current().close(descriptor)


def test_an_unsound_snapshot_does_not_push_out_a_sound_one(journal: Path) -> None:
    newer, older = host.snapshot_seqs(journal)
    flip(next(journal.glob(f"snapshot-*{newer}.state")), 5000)
    state = Engine.read(journal)
    assert state.recovery.snapshot_seq == older and "digest" in state.recovery.ignored[0]
    state.snapshot()
    assert sound_snapshots(journal) == [state.last_seq, older]


def test_a_state_is_read_while_the_journal_is_written(tmp_path: Path) -> None:
    live = Engine.create(tmp_path, Mode.RESEARCH, CAPACITIES, OPTIONS)
    digests = {}
    for batch in cut(script(23, 400), 25):
        live.submit(batch)
        live.commit()
        digests[live.last_seq] = live.digest()
        if len(digests) % 5 == 0:
            assert Engine.read(tmp_path).digest() == live.digest()
    for seq, digest in list(digests.items())[3::7]:
        for until in (seq, seq + 1):  # in the middle of a record: the one before it counts
            state = Engine.read(tmp_path, until)
            assert (state.last_seq, state.digest()) == (seq, digest)
    state = Engine.read(tmp_path, seq)
    state.snapshot()
    live.close()
    again = Engine.open(tmp_path, Mode.RESEARCH)
    assert again.recovery.snapshot_seq == seq and again.digest() == live.digest()
    again.close()


def test_one_process_at_a_time_retires(journal: Path) -> None:
    with retention_lock(journal), pytest.raises(JournalError, match="another process"), retention_lock(journal):
        pass
    with retention_lock(journal):
        pass
