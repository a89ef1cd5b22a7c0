"""Compiled parsers against the Python that words errors: whatever a line holds, both take it alike or not at all."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from engine.recordings import bitstamp, flash1, lobster
from engine.recordings.bitstamp import BitstampReader
from engine.recordings.bitstamp_log import parse_log
from engine.recordings.flash1 import Flash1Reader
from engine.recordings.integer_csv import Lines, parse
from engine.recordings.lobster import LobsterReader
from engine.recordings.source import MAX_LINE_BYTES, BadLineError, RecordingError, Source
from tests.recordings.test_readers import FLASH1_LINES, LOG, MESSAGES, ORDERBOOK, lobster_files

LINES = 600
BITSTAMP_CSV = "5,1430438404518,1430438404000,236.47,200000000,created,bid\n6,1430438404520,1,236.5,1,changed,ask\n"
TRADES = '1430438404645 trade {"price": 236.47, "amount": 0.21144331, "id": 8111041}\n'
_LETTERS = '0123456789,.-+ _\r\txeNabd"{}[]:'


def mutated(text: str, seed: int) -> str:
    """Lines of a text, most of them with one to three letters changed, taken away or put in."""
    chance, lines = Random(seed), [line for line in text.splitlines() if line]
    found = []
    for _ in range(LINES):
        letters = list(chance.choice(lines))
        for _ in range(chance.randrange(4)):
            place, kind = chance.randrange(len(letters)), chance.randrange(3)
            if kind == 0:
                letters[place] = chance.choice(_LETTERS)
            elif kind == 1:
                letters.insert(place, chance.choice(_LETTERS))
            elif len(letters) > 1:
                del letters[place]
        found.append("".join(letters))
    return "\n".join(found) + "\n"


def compare(lines: Lines, bad: Any, slow: Callable[[int, str], Any]) -> None:
    """What was taken, and the values, are what Python says of each line."""
    taken = 0
    for row in range(len(lines)):
        number, text = int(lines.numbers[row]), lines.text(row)
        try:
            wanted = list(slow(number, text))
        except BadLineError:
            assert bad[row], f"{text!r} is refused, and was taken as {lines.values[row].tolist()}"
            continue
        assert not bad[row], text
        assert lines.values[row].tolist() == wanted, text
        taken += 1
    assert LINES // 8 < taken < LINES


@pytest.mark.parametrize("seed", range(3))
def test_lobster_lines_are_taken_alike(seed: int, tmp_path: Path) -> None:
    path = lobster_files(tmp_path)
    reader = LobsterReader(Source(path), Source(path.with_name(path.name.replace("message", "orderbook"))), True)
    lines = parse(mutated(MESSAGES, seed).encode(), 1, lobster.PLACES)
    compare(lines, reader.settle_messages(lines)[0], reader.message)
    rows = parse(mutated(ORDERBOOK, seed).encode(), 1, np.zeros(8, np.int64))
    bad = rows.settle(rows.plain, reader.book_row, True)[0]
    compare(rows, bad, reader.book_row)


@pytest.mark.parametrize("seed", range(3))
def test_flash1_lines_are_taken_alike(seed: int, tmp_path: Path) -> None:
    reader = Flash1Reader(Source(tmp_path / "a.csv"), True)
    lines = parse(mutated("\n".join(FLASH1_LINES), seed).encode(), 2, flash1.PLACES)
    compare(lines, reader.settle(lines)[0], reader.csv_row)


@pytest.mark.parametrize("seed", range(3))
def test_bitstamp_lines_are_taken_alike(seed: int, tmp_path: Path) -> None:
    reader = BitstampReader(Source(tmp_path / "a.csv"), None, True)
    lines = parse(mutated(BITSTAMP_CSV, seed).encode(), 2, bitstamp.CSV_PLACES)
    bad = reader.settle_csv("a.csv", lines)[0]
    lines.values[:, 2] = 0  # the exchange's time, which nothing is made of
    compare(lines, bad, lambda line, text: bitstamp.csv_values("a.csv", line, text))
    log, levels = parse_log(mutated(LOG + TRADES, seed).encode(), 1)
    bad, _ = reader.settle_log("a.log", log, levels)
    kept = [*levels.tolist(), *map(list, reader.slow_levels)]

    def shown(values: Any) -> Any:
        """A snapshot's levels instead of where they lie."""
        time, kind, first, bids, asks, _ = values
        return [time, kind, bids, asks, *kept[first : first + bids + asks]] if kind == bitstamp.SNAPSHOT else values

    for row in np.flatnonzero(~bad).tolist():
        first_slow = len(reader.slow_levels)
        wanted = reader.log_values("a.log", 1, log.text(row))
        kept += map(list, reader.slow_levels[first_slow:])
        assert shown(log.values[row].tolist()) == shown(list(wanted)), log.text(row)
    assert LINES // 8 < (~bad).sum() < LINES
    for row in np.flatnonzero(bad).tolist():
        with pytest.raises(BadLineError):
            reader.log_values("a.log", 1, log.text(row))


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"1430438404518 order_created {" + b" " * (MAX_LINE_BYTES + (1 << 20)))
    with pytest.raises(RecordingError, match=f"line 1, line: longer than {MAX_LINE_BYTES} bytes"):
        list(BitstampReader(Source(tmp_path / "a.log")).batches())


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_blocks_are_whole_lines(size: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\n\nthree\r\nfour")
    blocks = list(Source(tmp_path / "a").blocks(size))
    assert b"".join(data for _, data in blocks) == b"one\n\nthree\r\nfour"
    assert all(data.endswith(b"\n") for _, data in blocks[:-1])
    numbers = [number for number, data in blocks for _ in data.splitlines(keepends=True)]
    assert numbers[0] == 1 and blocks[-1][0] + blocks[-1][1].count(b"\n") == 4


def _changed(cells: list[str], chance: Random) -> list[str]:
    """A line with few other cells than the one before, as rows of a book are."""
    cells = list(cells)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 9))):
        place = chance.randrange(len(cells))
        cells[place] = str(chance.randrange(-(10 ** chance.randrange(1, 10)), 10 ** chance.randrange(1, 19)))
    return cells


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("fields", [1, 2, 20])
def test_fields_of_the_line_before_are_taken_as_they_are(fields: int, end: str) -> None:
    """A field that stands in the line before is not parsed again: whatever else changes, lines say what they say."""
    chance = Random(fields)
    rows, cells = [], [str(chance.randrange(10**6)) for _ in range(fields)]
    for _ in range(500):
        cells = _changed(cells, chance)
        rows.append(cells)
    odd = {50: "", 51: "  ", 100: ",".join(rows[99]) + ",1", 101: "x" + ",".join(rows[100]), 102: "1 "}
    texts = [odd.get(place, ",".join(row)) for place, row in enumerate(rows)]
    lines = parse((end.join(texts) + chance.choice(("", end))).encode(), 1, np.zeros(fields, np.int64))
    found = dict(
        zip(lines.numbers.tolist(), zip(lines.plain.tolist(), lines.values.tolist(), strict=True), strict=True)
    )
    assert sorted(found) == [place + 1 for place in range(500) if place not in (50, 51)]
    for place, row in enumerate(rows):
        if place in odd:
            assert place + 1 not in found or not found[place + 1][0]
        else:
            assert found[place + 1] == (True, [int(cell) for cell in row]), texts[place]
