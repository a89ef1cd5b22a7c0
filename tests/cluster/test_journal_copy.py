"""A copy of another writer's journal: the same bytes and the same hash, and nothing that does not follow."""

from pathlib import Path

import numpy as np
import pytest

from engine.codes import CommandKind, Mode
from engine.journal import (
    CorruptJournalError,
    Journal,
    JournalCopy,
    JournalError,
    JournalOptions,
    JournalReader,
    begin_segment,
    genesis,
)
from engine.schema import COMMAND, SMALL
from tests.cluster.records import records_of


def rows(first_seq: int, count: int):
    drawn = np.random.default_rng(first_seq).integers(0, 256, count * COMMAND.itemsize, np.uint8)
    commands = drawn.view(COMMAND)
    commands["seq"], commands["kind"] = np.arange(first_seq, first_seq + count), CommandKind.NEW
    return commands


def written(folder: Path, batches: list[int], **options) -> Path:
    """A journal that was closed and opened again in the middle, so that a record without rows stands in it."""
    folder.mkdir()
    begin_segment(folder, genesis(Mode.EXCHANGE, SMALL))
    first = 1
    for half in (batches[: len(batches) // 2], batches[len(batches) // 2 :]):
        reader = JournalReader(folder)
        for _ in reader.batches():
            pass
        journal = Journal(folder, reader.position, JournalOptions(**options))
        for count in half:
            journal.append(rows(first, count).tobytes())
            journal.commit()
            first += count
        journal.close()
    return folder


def copied(source: Path, target: Path) -> JournalCopy:
    copy = None
    for header, record in records_of(source):
        if copy is None:
            copy = JournalCopy.begin(target, header)
            header = b""
        copy.append(record, header)
    return copy


def test_a_copy_has_the_same_bytes_in_the_same_segments(tmp_path):
    source = written(tmp_path / "a", [1, 3, 40, 2, 1, 33, 5], segment_bytes=6000)
    copy = copied(source, tmp_path / "b")
    copy.close()
    names = sorted(path.name for path in source.glob("journal-*.log"))
    assert len(names) > 2
    assert names == sorted(path.name for path in (tmp_path / "b").glob("journal-*.log"))
    assert all((source / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    assert copy.synced_seq == copy.last_seq == 85


def test_a_journal_goes_on_from_where_a_copy_ends(tmp_path):
    source = written(tmp_path / "a", [4, 4])
    copy = copied(source, tmp_path / "b")
    copy.close()
    journal = Journal(copy.directory, copy.position, JournalOptions(keeps_tip=True))
    journal.append(rows(9, 3).tobytes())
    journal.close()
    reader = JournalReader(copy.directory)
    assert sum(len(batch) for batch in reader.batches()) == 11
    reader.check_end()


def test_what_does_not_follow_is_refused_and_nothing_is_written(tmp_path):
    source = written(tmp_path / "a", [2, 2, 2, 2])
    header, first = next(records_of(source))
    copy = JournalCopy.begin(tmp_path / "b", header)
    copy.append(first)
    before = copy.position
    found = [record for _, record in records_of(source)]
    flipped = bytearray(found[1])
    flipped[100] ^= 1
    for bad in (found[2], found[0], bytes(flipped), found[1][:-64], b""):
        with pytest.raises(CorruptJournalError):
            copy.append(bad)
    with pytest.raises(CorruptJournalError):
        copy.append(found[1], header)
    assert copy.position == before
    assert len(copy.append(found[1])) == 2


def test_a_copy_begins_only_with_the_first_segment(tmp_path):
    source = written(tmp_path / "a", [40, 40, 40, 40], segment_bytes=6000)
    headers = [header for header, _ in records_of(source) if header]
    with pytest.raises(JournalError, match="begin with a backup"):
        JournalCopy.begin(tmp_path / "b", headers[1])


def test_what_lies_behind_the_last_whole_record_is_cut(tmp_path):
    source = written(tmp_path / "a", [2, 2])
    copied(source, tmp_path / "b").close()
    path = tmp_path / "b" / "journal-00000001.log"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\1" * 100)
    reader = JournalReader(tmp_path / "b")
    for _ in reader.batches():
        pass
    JournalCopy(tmp_path / "b", reader.position).close()
    assert path.read_bytes() == whole
