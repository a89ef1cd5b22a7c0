"""The targets of readers of recordings: what they read from memory in small blocks is what users read from a file."""

from pathlib import Path
from random import Random

import pytest

from engine.recordings import open_recording
from engine.recordings.batches import Reader
from engine.recordings.source import RecordingError
from tests.fuzz import runner
from tests.fuzz.structure import restructured
from tests.fuzz.targets.readers import READERS, SMALL, OneReader, set_values

BY_FIRST_BLOCK = ("databento", "tardis", "binance", "kraken")
"""Formats of which a contract's units are what its first block shows."""


def read(reader: Reader) -> tuple[bytes, list[str], str]:
    """Command rows, contracts and the refusal."""
    rows, refused = [], ""
    try:
        for batch in reader.batches():
            rows.append(batch.commands.tobytes())
    except RecordingError as error:
        refused = str(error)
    names = [spec.name for spec in getattr(reader, "contracts", [])]
    return b"".join(rows), names, refused


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.name)
def test_small_blocks_from_memory_make_the_rows_of_the_file(kind: type[OneReader], tmp_path: Path) -> None:
    target, chance, some = kind(tmp_path), Random(f"small {kind.name}"), 0
    try:
        inputs = target.bases()
        if kind.format not in BY_FIRST_BLOCK:
            inputs += [target.make(chance, inputs) for _ in range(60)]
        for data in inputs:
            head, _, content = data.partition(b"\n")
            name, skip_bad = head.decode().removeprefix("!"), head[:1] == b"!"
            path = target.write(name, content)
            set_values(target.as_users)
            try:
                whole = open_recording(path, kind.format, skip_bad=skip_bad)
                expected = read(whole)
            except RecordingError as error:
                expected = b"", [], str(error)
            set_values(SMALL)
            try:
                found = read(target.opened(name, content, skip_bad))
            except RecordingError as error:
                found = b"", [], str(error)
            assert found == expected, data
            some += len(found[0])
    finally:
        target.close()
    assert some


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind.layouts], ids=lambda kind: kind.name)
def test_files_are_parted_into_records_and_most_changes_keep_their_frame(kind: type[OneReader], tmp_path: Path) -> None:
    chance = Random(f"frame {kind.name}")
    target, whole = kind(tmp_path), 0
    try:
        for data in target.bases():
            head, _, content = data.partition(b"\n")
            layout = target.layout(head)
            assert layout is not None
            start, records = layout.parts(content)
            assert start + b"".join(records) == content and len(records) > 1
            for _ in range(100 // len(target.bases())):
                changed = b"!" + head + b"\n" + restructured(content, layout, chance)
                shape, wrong = runner.problem(target, changed)
                assert wrong == ""
                whole += " rows " in shape
    finally:
        target.close()
    assert whole > 60
