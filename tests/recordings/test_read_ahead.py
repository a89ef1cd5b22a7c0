"""Items made ahead: the same ones in the same order, what was raised behind them, and no thread that stays."""

import gzip
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.recordings.read_ahead import ITEMS, ahead
from engine.recordings.source import AHEAD_BYTES, RecordingError, Source

PATIENCE_S = 60


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read ahead"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter(()))) == []
    assert not threads()


def test_an_error_comes_behind_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(ITEMS + 2)
        raise RecordingError("damaged after line 7")

    taken = []
    with pytest.raises(RecordingError, match="damaged after line 7"):
        for item in ahead(items()):
            taken.append(item)
    assert taken == list(range(ITEMS + 2))
    assert not threads()


def test_no_more_than_so_many_are_made_ahead() -> None:
    made: list[int] = []
    is_full = threading.Event()

    def items() -> Iterator[int]:
        for item in range(20):
            made.append(item)
            if len(made) == ITEMS + 2:  # one that was taken, those that wait, and one that finds no room
                is_full.set()
            yield item

    stream = ahead(items())
    assert next(stream) == 0
    assert is_full.wait(PATIENCE_S)
    assert len(made) == ITEMS + 2
    assert list(stream) == list(range(1, 20))


def test_closing_early_ends_the_thread_and_the_items() -> None:
    ended = []

    def items() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            ended.append(True)

    stream = ahead(items())
    assert next(stream) == 0
    stream.close()
    assert ended == [True] and not threads()


def test_a_packed_file_is_read_as_it_is_and_closed_early(tmp_path: Path) -> None:
    data = b"".join(b"%d,%d\n" % (number, number * number) for number in range(AHEAD_BYTES // 4))
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        file.write(data)
    source = Source(tmp_path / "a.gz")
    with source.open() as stream:
        assert stream.read(10) + stream.read(3 * AHEAD_BYTES) + stream.read() == data
    with source.open() as stream:
        assert stream.read(10) == data[:10]
    assert not threads()


def test_damage_comes_behind_all_that_is_sound(tmp_path: Path) -> None:
    data = b"".join(b"%d,%d\n" % (number, number * number) for number in range(AHEAD_BYTES // 4))
    packed = gzip.compress(data, 1)
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) * 3 // 4])
    found = b""
    with pytest.raises(RecordingError, match="damaged after line"):
        for _, block in Source(tmp_path / "a.gz").blocks(AHEAD_BYTES // 3):
            found += block
    assert data.startswith(found) and len(found) > 2 * AHEAD_BYTES
    assert not threads()
