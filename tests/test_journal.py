"""The journal on disk: what is written is read, what was never safe is cut, all else is refused with its place."""

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import disk
from engine.codes import CommandKind, Mode
from engine.journal import (
    CorruptJournalError,
    Durability,
    Journal,
    JournalError,
    JournalOptions,
    JournalReader,
    begin_segment,
    genesis,
    writer,
)
from engine.journal import format as layout
from engine.schema import COMMAND, SEMANTICS_VERSION, SMALL
from tests.patience import patience_s

RECORD_BYTES, SEGMENT_BYTES, ROW_BYTES = 64, 256, 128
Rows = np.ndarray[Any, Any]
COUNT_BYTES = range(8, 12)
"""Where in a record its number of rows is."""


def rows(first_seq: int, count: int) -> Rows:
    """Rows with random contents, numbered."""
    drawn = np.random.default_rng(first_seq).integers(0, 256, count * ROW_BYTES, np.uint8)
    commands = drawn.view(COMMAND)
    commands["seq"] = np.arange(first_seq, first_seq + count)
    commands["kind"] = CommandKind.NEW
    return commands


def begin(directory: Path, mode: Mode = Mode.EXCHANGE) -> None:
    """A journal without commands."""
    directory.mkdir(exist_ok=True)
    begin_segment(directory, genesis(mode, SMALL))


def resume(directory: Path, **options: Any) -> Journal:
    """The journal's writer, from the end of what is sound."""
    reader = JournalReader(directory)
    for _ in reader.batches():
        pass
    return Journal(directory, reader.position, JournalOptions(**options))


def write(directory: Path, sizes: list[int], close: bool = True, **options: Any) -> Rows:
    """A new journal with a commit after each batch; without `close` it is left as a killed process leaves it."""
    begin(directory)
    journal = resume(directory, **options)
    batches = []
    for size in sizes:
        batches.append(rows(journal.next_seq, size))
        ticket = journal.append(batches[-1].tobytes())
        assert ticket == journal.next_seq - 1
        journal.commit()
    if close:
        journal.close()
    return np.concatenate(batches)


def read(directory: Path) -> tuple[Rows, JournalReader]:
    """Everything in a journal, and its reader."""
    reader = JournalReader(directory)
    batches = [batch.copy() for batch in reader.batches()]
    return np.concatenate(batches) if batches else np.zeros(0, COMMAND), reader


def last_segment(directory: Path) -> Path:
    """The newest segment's file."""
    return sorted(directory.glob("journal-*.log"))[-1]


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("durability", list(Durability))
@pytest.mark.parametrize("threaded", [False, True])
def test_what_is_written_is_read(tmp_path: Path, durability: Durability, threaded: bool) -> None:
    written = write(tmp_path, [1, 7, 512, 1, 3], durability=durability, threaded=threaded)
    found, reader = read(tmp_path)
    assert found.tobytes() == written.tobytes()
    assert reader.last_seq == len(written) and reader.torn is None
    assert reader.mode is Mode.EXCHANGE and reader.capacities == SMALL


def test_batches_appended_together_make_one_record(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = resume(tmp_path)
    for _ in range(5):
        journal.append(rows(journal.next_seq, 2).tobytes())
    assert journal.durable_seq == 0
    journal.commit()
    assert journal.durable_seq == 10
    assert [len(batch) for batch in JournalReader(tmp_path).batches()] == [10]
    journal.close()


def test_a_commit_is_cut_into_records_between_batches_only(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = resume(tmp_path)
    for size in (40_000, 3, 40_000):
        journal.append(rows(journal.next_seq, size).tobytes())
    journal.commit()
    assert [len(batch) for batch in JournalReader(tmp_path).batches()] == [40_000, 40_003]
    journal.close()


def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = resume(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append(rows(1, 1).tobytes())


def test_segments_rotate_and_chain(tmp_path: Path) -> None:
    written = write(tmp_path, [10] * 20, segment_bytes=4096)
    paths = sorted(tmp_path.glob("journal-*.log"))
    assert len(paths) == 10 and all(path.stat().st_size <= 4096 for path in paths)
    found, reader = read(tmp_path)
    assert found.tobytes() == written.tobytes()
    assert reader.bytes_read == reader.bytes_total
    paths[3].unlink()
    with pytest.raises(JournalError, match="segment 4 is missing"):
        JournalReader(tmp_path)


def test_a_record_larger_than_a_segment_is_written(tmp_path: Path) -> None:
    written = write(tmp_path, [1, 100, 1], segment_bytes=1024)
    assert read(tmp_path)[0].tobytes() == written.tobytes()


def test_a_segment_from_elsewhere_is_refused(tmp_path: Path) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    write(here, [10] * 6, segment_bytes=4096)
    begin(other)
    journal = resume(other, segment_bytes=4096)
    for size in [10] * 6:
        journal.append(np.roll(rows(journal.next_seq, size), 1).tobytes())
        journal.commit()
    journal.close()
    (here / "journal-00000002.log").write_bytes((other / "journal-00000002.log").read_bytes())
    with pytest.raises(CorruptJournalError, match=r"journal-00000002.log: corrupt at byte 0: .*does not follow"):
        read(here)


def test_reading_from_a_sequence(tmp_path: Path) -> None:
    written = write(tmp_path, [10] * 20, segment_bytes=4096)
    whole = JournalReader(tmp_path)
    places = [(whole.position.next_seq - 1, whole.position.chain)]
    for _ in whole.batches():
        places.append((whole.last_seq, whole.position.chain))
    for seq, chain in places:
        reader = JournalReader(tmp_path)
        assert reader.seek(seq, chain)
        rest = [batch.copy() for batch in reader.batches()]
        assert b"".join(batch.tobytes() for batch in rest) == written[seq:].tobytes()
        assert reader.bytes_read == reader.bytes_total
    reader = JournalReader(tmp_path)
    assert not reader.seek(55, places[5][1]), "no record ends there"
    assert not reader.seek(50, places[4][1]), "another history"
    assert not reader.seek(5000, places[4][1]), "beyond the end"
    assert reader.last_seq == 0 and sum(len(batch) for batch in reader.batches()) == 200


def test_reading_until_a_sequence_keeps_a_label_with_its_command(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = resume(tmp_path)
    batch = rows(1, 10)
    batch["kind"][5] = CommandKind.LABEL
    journal.append(batch.tobytes())
    journal.close()
    counts = {until: sum(map(len, JournalReader(tmp_path).batches(until))) for until in (1, 4, 5, 6, 10, 99)}
    assert counts == {1: 1, 4: 4, 5: 6, 6: 6, 10: 10, 99: 10}


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = resume(tmp_path)
    for size in (1, 5, 9):
        journal.append(rows(journal.next_seq, size).tobytes())
        journal.commit()
        found, reader = read(tmp_path)
        assert len(found) == journal.durable_seq and reader.torn is None
        assert reader.position.chain == journal.chain
    journal.close()


def test_a_reader_survives_a_writer_that_closes(tmp_path: Path) -> None:
    begin(tmp_path)
    journal = resume(tmp_path)
    for _ in range(2):
        journal.append(rows(journal.next_seq, 1).tobytes())
        journal.commit()
    batches = JournalReader(tmp_path).batches()
    next(batches)
    journal.close()
    assert [len(batch) for batch in batches] == [1]


@pytest.mark.parametrize("closed", [False, True])
def test_only_what_a_writer_may_cut_is_copied(tmp_path: Path, closed: bool) -> None:
    """A change of the file is seen where it is mapped. Who opens a closed journal again never cuts what it had."""
    write(tmp_path, [1, 1], close=closed)
    reader = JournalReader(tmp_path)
    data = reader._bytes(reader._segments.last)
    with last_segment(tmp_path).open("r+b") as file:
        file.seek(SEGMENT_BYTES)
        file.write(b"changed")
    assert (data[SEGMENT_BYTES : SEGMENT_BYTES + 7] == b"changed") == closed


def test_a_reader_of_a_closed_journal_survives_a_writer_that_comes_and_goes(tmp_path: Path) -> None:
    write(tmp_path, [1, 1])
    batches = JournalReader(tmp_path).batches()
    next(batches)
    journal = resume(tmp_path)
    journal.append(rows(journal.next_seq, 1).tobytes())
    journal.commit()
    journal.close()
    assert [len(batch) for batch in batches] == [1]


def test_a_segment_too_long_to_be_copied_is_read_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write(tmp_path, [1, 7, 512], close=False)
    monkeypatch.setattr("engine.journal.segments.COPIED_BYTES", SEGMENT_BYTES)
    found, reader = read(tmp_path)
    assert found.tobytes() == written.tobytes() and reader.torn is None


def test_a_record_that_was_written_while_the_file_was_read_is_no_corruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write(tmp_path, [1, 1, 1], close=False)
    reader, original, reads = JournalReader(tmp_path), JournalReader._bytes, []

    def torn_at_first(self: JournalReader, number: int) -> Any:
        data = original(self, number)
        second = SEGMENT_BYTES + RECORD_BYTES + ROW_BYTES
        if not reads:
            data[second : second + RECORD_BYTES + ROW_BYTES] = bytes(RECORD_BYTES + ROW_BYTES)
        reads.append(number)
        return data

    monkeypatch.setattr(JournalReader, "_bytes", torn_at_first)
    found = np.concatenate([batch.copy() for batch in reader.batches()])
    assert found.tobytes() == written.tobytes()
    assert len(reads) == 2 and reader.torn is None


def test_a_torn_tail_is_cut_at_every_length(tmp_path: Path) -> None:
    sizes = [3, 1, 2]
    written = write(tmp_path / "whole", sizes, close=False)
    whole = last_segment(tmp_path / "whole").read_bytes()
    ends = [SEGMENT_BYTES, *(SEGMENT_BYTES + RECORD_BYTES * n + ROW_BYTES * sum(sizes[:n]) for n in (1, 2, 3))]
    assert not any(whole[ends[-1] :]), "behind the last record is room for more"
    whole = whole[: ends[-1]]
    for length in range(SEGMENT_BYTES, len(whole) + 1):
        directory = tmp_path / f"torn{length}"
        directory.mkdir()
        layout.segment_path(directory, 1).write_bytes(whole[:length])
        kept = max(n for n in range(4) if ends[n] <= length)
        found, reader = read(directory)
        assert found.tobytes() == written[: sum(sizes[:kept])].tobytes()
        assert (reader.torn is None) == (length == ends[kept])
        if reader.torn:
            assert (reader.torn.offset, reader.torn.size_bytes) == (ends[kept], length - ends[kept])
        if length % 37 == 0:
            _goes_on(directory, found)


@pytest.mark.parametrize("room", [1, 63, 64, 1000])
def test_a_record_may_be_torn_in_the_room_that_was_made_for_it(tmp_path: Path, room: int) -> None:
    written = write(tmp_path / "whole", [2, 1], close=False)
    whole = last_segment(tmp_path / "whole").read_bytes()
    first, end = SEGMENT_BYTES + RECORD_BYTES + 2 * ROW_BYTES, SEGMENT_BYTES + 2 * RECORD_BYTES + 3 * ROW_BYTES
    for length in range(first, end + 1, 13):
        directory = tmp_path / f"torn{length}"
        directory.mkdir()
        layout.segment_path(directory, 1).write_bytes(whole[:length] + bytes(end - length + room))
        found, reader = read(directory)
        is_whole = not any(whole[length:end])  # a record may end with zeros
        assert found.tobytes() == written[: 3 if is_whole else 2].tobytes()
        assert (reader.torn is None) == (is_whole or not any(whole[first:length]))
        if length % 5 == 0:
            _goes_on(directory, found)


def test_a_closed_journal_ends_with_its_last_record(tmp_path: Path) -> None:
    write(tmp_path, [1, 2, 30, 1], segment_bytes=SEGMENT_BYTES + 20 * ROW_BYTES)
    for path in tmp_path.glob("journal-*.log"):
        data, offset = path.read_bytes(), SEGMENT_BYTES
        while offset < len(data):
            offset += RECORD_BYTES + layout.RECORD_HEAD.unpack_from(data, offset)[2] * ROW_BYTES
        assert offset == len(data)


class _DroppingDisk(disk.SystemDisk):
    """A disk that notes which parts of a file were dropped from memory, and how long it was then."""

    def __init__(self) -> None:
        self.dropped: list[tuple[int, int, int]] = []

    def drop_cache(self, descriptor: int, offset: int = 0, size_bytes: int = 0) -> None:
        self.dropped.append((offset, offset + size_bytes, self.size_bytes(descriptor)))
        super().drop_cache(descriptor, offset, size_bytes)


@pytest.mark.parametrize("durability", list(Durability))
def test_the_log_leaves_the_systems_memory_but_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    kept, piece = 1 << 16, 1 << 13
    monkeypatch.setattr(writer, "CACHED_BYTES", kept)
    monkeypatch.setattr(writer, "DROP_BYTES", piece)
    with disk.use(dropping := _DroppingDisk()):
        written = write(tmp_path, [40] * 60, close=False, durability=durability)
    assert read(tmp_path)[0].tobytes() == written.tobytes()
    ends = [0, *(end for _, end, _ in dropping.dropped)]
    assert dropping.dropped[-1][2] - ends[-1] < kept + 2 * piece
    for (begin, end, length), before in zip(dropping.dropped, ends, strict=False):
        assert begin == max(0, before - piece), "what was not on the disk the last time is dropped now"
        assert before < end == length - kept


def test_a_segment_that_is_over_leaves_the_systems_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CACHED_BYTES", 1 << 13)
    with disk.use(dropping := _DroppingDisk()):
        write(tmp_path, [40] * 20, segment_bytes=1 << 14, close=False)
    assert dropping.dropped and all(end == length for _, end, length in dropping.dropped)


def test_a_disk_that_keeps_all_in_memory_takes_the_log_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keeping(disk.SystemDisk):
        def drop_cache(self, descriptor: int, offset: int = 0, size_bytes: int = 0) -> None:
            raise OSError("not here")

    monkeypatch.setattr(writer, "CACHED_BYTES", 1 << 13)
    monkeypatch.setattr(writer, "DROP_BYTES", 1 << 10)
    with disk.use(Keeping()):
        written = write(tmp_path, [40] * 20)
    assert read(tmp_path)[0].tobytes() == written.tobytes()


def test_zeros_where_a_record_was_safe_are_no_room(tmp_path: Path) -> None:
    write(tmp_path, [1, 1, 1], close=False)
    path, size = last_segment(tmp_path), RECORD_BYTES + ROW_BYTES
    data = bytearray(path.read_bytes())
    data[SEGMENT_BYTES + size : SEGMENT_BYTES + 2 * size] = bytes(size)
    path.write_bytes(data)
    with pytest.raises(CorruptJournalError, match=f"corrupt at byte {SEGMENT_BYTES + size}"):
        read(tmp_path)


def _goes_on(directory: Path, found: Rows) -> None:
    journal = resume(directory)
    more = rows(journal.next_seq, 4)
    journal.append(more.tobytes())
    journal.close()
    again, reader = read(directory)
    assert again.tobytes() == found.tobytes() + more.tobytes() and reader.torn is None


def test_a_tail_that_was_never_safe_may_be_torn_in_its_middle(tmp_path: Path) -> None:
    """One commit of several records, of which the disk kept the last but not the first."""
    write(tmp_path, [5], close=False)
    journal = resume(tmp_path)
    for size in (40_000, 3):
        journal.append(rows(journal.next_seq, size).tobytes())
    journal.commit()
    path = last_segment(tmp_path)
    offset = SEGMENT_BYTES + RECORD_BYTES + 5 * ROW_BYTES
    flip(path, offset + RECORD_BYTES + 1000)
    found, reader = read(tmp_path)
    assert len(found) == 5 and reader.torn is not None and reader.torn.offset == offset


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_bit_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """In a journal that was closed, wherever the bit is; the place named is the record that holds it."""
    directory = tmp_path_factory.mktemp("flip")
    written = write(directory, data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=8)), segment_bytes=2048)
    path = data.draw(st.sampled_from(sorted(directory.glob("journal-*.log"))))
    size = path.stat().st_size
    offset = data.draw(st.integers(0, size - 1))
    flip(path, offset, data.draw(st.integers(0, 7)))
    if path == last_segment(directory) and offset >= size - RECORD_BYTES:
        found, reader = read(directory)
        assert reader.torn is not None and found.tobytes() == written.tobytes(), "the closing seal holds no command"
        return
    with pytest.raises(CorruptJournalError) as refused:
        read(directory)
    assert refused.value.path == path
    assert refused.value.offset <= offset < refused.value.offset + RECORD_BYTES + 12 * ROW_BYTES
    is_count = offset - refused.value.offset in COUNT_BYTES  # it says how much the checksum is of: no byte is named
    if "checksum" in refused.value.what and "begins here" not in refused.value.what and not is_count:
        assert refused.value.offset == offset, "one byte changed, and it is named"


def test_a_changed_count_names_its_record(tmp_path: Path) -> None:
    """A record of 1 that says 9 still ends within the file, so its checksum is of other bytes."""
    write(tmp_path, [1, 8, 7], segment_bytes=2048)
    path = sorted(tmp_path.glob("journal-*.log"))[0]
    flip(path, SEGMENT_BYTES + COUNT_BYTES.start, 3)
    with pytest.raises(CorruptJournalError, match=f"corrupt at byte {SEGMENT_BYTES}: .* does not match its checksum"):
        read(tmp_path)


def test_interior_corruption_is_refused_with_file_and_offset(tmp_path: Path) -> None:
    write(tmp_path, [2, 3, 4], close=False)
    path = last_segment(tmp_path)
    second = SEGMENT_BYTES + RECORD_BYTES + 2 * ROW_BYTES
    flip(path, second + RECORD_BYTES + 5)
    bad = second + RECORD_BYTES + 5
    what = f"the record from byte {second} to {second + RECORD_BYTES + 3 * ROW_BYTES} does not match its checksum"
    with pytest.raises(CorruptJournalError, match=f"{path}: corrupt at byte {bad}: {what}; restore this file"):
        read(tmp_path)
    flip(path, second + RECORD_BYTES + 200)
    with pytest.raises(CorruptJournalError, match=f"{path}: corrupt at byte {second}: {what}"):
        read(tmp_path)


def test_a_removed_record_breaks_the_chain(tmp_path: Path) -> None:
    write(tmp_path, [2, 3, 4], close=False)
    path = last_segment(tmp_path)
    data, second = path.read_bytes(), SEGMENT_BYTES + RECORD_BYTES + 2 * ROW_BYTES
    path.write_bytes(data[:second] + data[second + RECORD_BYTES + 3 * ROW_BYTES :])
    with pytest.raises(CorruptJournalError, match=f"corrupt at byte {second}: the hash chain breaks"):
        read(tmp_path)


def _reseal(path: Path, offset: int, format_string: str, value: int) -> None:
    """Change a segment header and make its checksum right again."""
    data = bytearray(path.read_bytes())
    struct.pack_into(format_string, data, offset, value)
    struct.pack_into("<I", data, SEGMENT_BYTES - 4, layout.crc32c(bytes(data[: SEGMENT_BYTES - 4])))
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (8, 99, "journal format 99, this release reads 1: use the lionrock release that wrote it"),
        (12, 99, f"99, this engine has version {SEMANTICS_VERSION} .*use a lionrock release with semantics version 99"),
        (16, 7, "unknown mode 7"),
    ],
)
def test_another_version_is_refused_with_what_to_do(tmp_path: Path, offset: int, value: int, message: str) -> None:
    write(tmp_path, [2])
    _reseal(last_segment(tmp_path), offset, "<I", value)
    with pytest.raises(JournalError, match=message):
        JournalReader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"LIONJRNL", b"x" * 4096])
def test_a_file_that_is_no_segment_is_refused(tmp_path: Path, content: bytes) -> None:
    layout.segment_path(tmp_path, 1).write_bytes(content)
    with pytest.raises(CorruptJournalError, match="corrupt at byte 0: no segment header"):
        JournalReader(tmp_path)


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="holds no journal"):
        JournalReader(tmp_path)


def test_the_chain_stands_for_the_whole_log_and_how_it_was_created(tmp_path: Path) -> None:
    def chain(name: str, sizes: list[int], mode: Mode = Mode.EXCHANGE) -> bytes:
        begin(tmp_path / name, mode)
        journal = resume(tmp_path / name)
        for size in sizes:
            journal.append(rows(journal.next_seq, size).tobytes())
            journal.commit()
        journal.close()
        return journal.chain

    same = chain("a", [2, 3])
    assert same == chain("b", [2, 3])
    assert len({same, chain("c", [2, 4]), chain("d", [2, 3], Mode.RESEARCH)}) == 3


class Room:
    """Somebody who gets a journal's records, and has room for one or not."""

    def __init__(self, directory: Path, has_room: bool) -> None:
        begin(directory)
        self.has_room, self.sizes = has_room, list[int]()
        self._durable = threading.Event()
        self.journal = resume(directory, threaded=True)
        self.journal.tell_records(lambda record: self.sizes.append(record.last_seq - record.first_seq + 1), self._ask)
        self.journal.watch(self._note, lambda error: None)

    def _ask(self) -> bool:
        return self.has_room

    def _note(self, seq: int) -> None:
        if seq == self.journal.next_seq - 1:
            self._durable.set()

    def write(self, *sizes: int) -> None:
        """A commit after each batch."""
        for size in sizes:
            self.journal.append(rows(self.journal.next_seq, size).tobytes())
            self.journal.commit()

    def wait(self) -> None:
        """Until everything is durable."""
        assert self._durable.wait(patience_s())


def test_what_comes_while_there_is_no_room_makes_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "HOLD_SECONDS", patience_s())
    room = Room(tmp_path, has_room=False)
    room.write(2, 40, 3)
    assert room.journal.durable_seq == 0 and room.sizes == []
    room.has_room = True
    room.journal.go_on()
    room.wait()
    assert room.sizes == [45] and room.journal.durable_seq == 45
    room.journal.close()
    assert [len(batch) for batch in JournalReader(tmp_path).batches()] == [45]


def test_without_room_a_record_is_written_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "HOLD_SECONDS", 0.001)
    room = Room(tmp_path, has_room=False)
    room.write(2, 3)
    room.wait()
    assert sum(room.sizes) == room.journal.durable_seq == 5
    room.journal.close()


@pytest.mark.parametrize("end", [Journal.flush, Journal.sync, Journal.close])
def test_who_waits_for_the_journal_does_not_wait_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Any
) -> None:
    monkeypatch.setattr(writer, "HOLD_SECONDS", patience_s())
    room = Room(tmp_path, has_room=False)
    room.write(2, 3)
    end(room.journal)
    assert sum(room.sizes) == room.journal.durable_seq == 5
    room.journal.close()


def test_the_end_of_one_who_waits_takes_nothing_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "HOLD_SECONDS", 10 * patience_s())
    room, waits, ends = Room(tmp_path, has_room=False), threading.Event(), threading.Event()
    journal, wait_for = room.journal, room.journal._progress.wait_for

    def wait_longer(predicate: Callable[[], bool]) -> bool:
        """One of the two wakes later, when more has been appended."""
        return wait_for(predicate) if threading.current_thread() is not slow else waits.set() or wait_for(ends.is_set)

    monkeypatch.setattr(journal._progress, "wait_for", wait_longer)
    room.write(2)
    slow = threading.Thread(target=journal.flush)
    slow.start()
    assert waits.wait(patience_s())
    journal.flush()
    room.write(3)
    with journal._lock:
        assert wait_for(lambda: journal._written_seq == 5, patience_s())
        ends.set()
        journal._progress.notify_all()
    slow.join()
    journal.close()


@pytest.fixture
def _no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "journal"]


@pytest.mark.usefixtures("_no_thread_left")
def test_closing_ends_the_thread(tmp_path: Path) -> None:
    write(tmp_path, [1, 2], threaded=True)
