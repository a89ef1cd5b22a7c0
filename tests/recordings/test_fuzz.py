"""Damaged and made-up recordings: each is read, or refused in one line that names its file."""

import shutil
from pathlib import Path

import pytest

from gateway import cli
from tests.recordings.fuzz import CORPUS, inputs, problem

COUNT = 1_500
"""`python -m tests.recordings.fuzz --count N` is the long run."""
KEPT = sorted(path for path in CORPUS.iterdir() if "orderbook" not in path.name)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_what_was_found_once_stays_right(path: Path, skip_bad: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert problem(path, skip_bad) == ""


@pytest.mark.parametrize("path", [path for path in KEPT if "number" not in path.name], ids=lambda path: path.name)
def test_the_command_ends_with_one_line(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in CORPUS.iterdir():
        shutil.copy(file, tmp_path)
    assert cli.main(["replay", str(tmp_path / path.name)]) == 2
    told = capsys.readouterr().err.replace("compiling the engine: about a minute, once after an installation\n", "")
    assert told.startswith("lionrock replay: ") and told.count("\n") == 1
    assert path.name.replace("message", "orderbook") in told


def test_mutated_recordings(tmp_path: Path) -> None:
    found = [(path.name, wrong, data) for place, (path, data) in enumerate(inputs(7, COUNT, tmp_path))
             if (wrong := problem(path, place % 2 == 1))]  # fmt: skip
    assert found == []
