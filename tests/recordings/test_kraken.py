"""Kraken's book channel as captured: every book has the venue's checksum, and what is wrong is named."""

import json
import random
import zlib
from pathlib import Path
from typing import Any

import pytest

from engine.recordings import open_recording
from engine.recordings.batches import Wanted
from engine.recordings.checks import book_of
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import BadLineError, RecordingError
from tests.recordings.data import DATA, needs_data
from tests.recordings.level_market import books_of
from tests.recordings.mutations import mutated

CAPTURE = DATA / "ws_captures" / "KRAKEN.ws.50.0.xz"


def level(price: str, volume: str, time: str = "1618678133.365913") -> list[str]:
    return [price, volume, time]


def checksum(*texts: str) -> str:
    return str(zlib.crc32("".join(text.replace(".", "").lstrip("0") for text in texts).encode()))


def message(*parts: dict[str, Any], pair: str = "XMR/USD", depth: int = 1000) -> str:
    return json.dumps([992, *parts, f"book-{depth}", pair], separators=(",", ":"))


SNAPSHOT = message({"as": [level("354.20", "2.0"), level("354.30", "1.5")], "bs": [level("354.10", "0.4")]})
UPDATE = message(
    {"b": [level("354.15", "5.0")], "c": checksum("354.20", "2.0", "354.30", "1.5", "354.15", "5.0", "354.10", "0.4")}
)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"1618678134.21 {line}\n" for line in lines))
    return path


def play(path: Path, **options: Any) -> tuple[Any, Any]:
    reader: Any = open_recording(path, **options)
    return replay(reader, prepare(reader), Options()), reader


@needs_data
def test_every_book_of_a_capture_has_the_venues_checksum() -> None:
    result, reader = play(CAPTURE)
    assert (result.format, len(reader.contracts), reader.bad) == ("kraken", 10, 0)
    assert reader.ignored["books with the venue's checksum"] == 4269
    assert "books with another checksum than the venue's" not in reader.ignored
    assert (result.book_rows_checked, result.book_rows_equal, result.rejects) == (4279, 4279, {})


def test_checksums_depth_and_times(tmp_path: Path) -> None:
    both = message({"a": [level("354.20", "0.0")]}, {"b": [level("354.15", "1.0")], "c": "7"})
    small = [
        message({"as": [level(f"1.{place}", "1.0") for place in range(3)], "bs": []}, pair="A/B", depth=3),
        message({"a": [level("0.9", "1.0")]}, pair="A/B", depth=3),
        message({"a": [level("0.9", "0.0")]}, pair="A/B", depth=3),
    ]
    heartbeat = '{"event":"heartbeat"}'
    lines = ["wss://ws.kraken.com <- 1: {}", heartbeat, SNAPSHOT, UPDATE, both]
    reader: Any = open_recording(write(tmp_path / "a.log", *lines), "kraken")
    assert books_of(reader)[-1] == ([(35415, 10), (35410, 4)], [(35430, 15)])
    assert reader.ignored == {
        "lines about the connection": 1,
        "messages that are no book's": 1,
        "snapshots": 1,
        "books with the venue's checksum": 1,
        "books with another checksum than the venue's": 1,
    }
    reader = open_recording(write(tmp_path / "a.log", *small))
    (batch,) = [batch for batch in reader.batches() if len(batch.commands)]
    assert book_of(batch.checks.books[-1]) == ([], [(10, 1), (11, 1)])
    assert batch.commands["time_ns"][0] == 1618678133365913000


WRONG = [
    ("354.10,0.4]", "line: '354.10,0.4]' is no JSON"),
    ("[992", "line: is no message of a kraken capture"),
    ('[992,{"a":7},"book-10","A/B"]', "line: is no message"),
    ('[992,{"a":[[1,2,3]]},"book-10","A/B"]', "line: is no message"),
    ('[992,{"a":[["1","2","3"]],"c":7},"book-10","A/B"]', "line: is no message"),
    ("[1.5]", "line: is no message"),
    ("[]", r"line: is not \[channel, levels, name, pair\]"),
    ("[992]", r"line: is not \[channel"),
    ('[992,{"a":[]},"A/B"]', r"line: is not \[channel"),
    ('[992,{"a":[]},5,"A/B"]', r"line: is not \[channel"),
    ('[992,{"a":[]},"book-10","A/B",9]', r"line: is not \[channel"),
    (message({"a": [level("1", "1")]}, pair=""), "symbol: '' is not up to 32"),
    (message({"a": [level("1", "1")]}, pair="A B"), "symbol: 'A B' is not up to 32"),
    (message({"a": [["1", "2"]]}), "a: a level of 2 texts is not"),
    (message({"b": [["1", "2", "3.0", "r", "r"]]}), "b: a level of 5 texts is not"),
    (message({"b": [level("1", "1", "now")]}), "b: 'now' is not a time in seconds"),
    (message({"b": [level("1", "1", "16186781331618678133.1")]}), "b: '1618.*' is not a time"),
    (message({"b": [level("1", "1", "9999999999.1")]}), "b: '9999999999.1' is not a time"),
    (message({"b": [level("1", "1")], "c": "x"}), "c: 'x' is no checksum"),
    (message({"b": [level("", "1")]}), "price: '' is no decimal number"),
    (message({"b": [level("-1", "1")]}), "price: '-1' is no decimal number"),
    (message({"b": [level("0.00", "1")]}), "price: 0 is no price"),
    (
        message({"b": [level("1.005", "1")]}),
        "price: 1.005 is no multiple of the tick 0.01; name a finer one with --contract XMR",
    ),
    (message({"b": [level("1", "0.05")]}), "quantity: 0.05 is no multiple of the lot 0.1"),
    (message({"b": [level("1", "1e99")]}), "quantity: 1e99 has more than 18 digits"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_a_wrong_message_is_named_or_left_out(tmp_path: Path, wrong: str, said: str) -> None:
    path, wanted = tmp_path / "a.log", Wanted(contracts=("XMR/USD,tick=0.01,lot=0.1",))
    path.write_text("\n".join((SNAPSHOT, wrong, UPDATE)))
    with pytest.raises(BadLineError, match=rf"a\.log, line 2, {said}"):
        list(open_recording(path, wanted=wanted).batches())
    reader: Any = open_recording(path, skip_bad=True, wanted=wanted)
    assert len(books_of(reader)) == 2 and reader.bad == 1


@pytest.mark.parametrize("seed", range(20))
def test_damaged_bytes_are_rows_or_one_line(tmp_path: Path, seed: int) -> None:
    path = write(tmp_path / "a.log", SNAPSHOT, UPDATE, SNAPSHOT.replace("354", "355"), UPDATE)
    path.write_bytes(mutated(path.read_bytes(), random.Random(seed)))
    try:
        list(open_recording(path, "kraken").batches())
    except RecordingError as error:
        assert "\n" not in str(error)
    list(open_recording(path, "kraken", skip_bad=True).batches())
