"""A slice of each target, all that is kept, and the harness itself. `python -m tests.fuzz TARGET` is the long run."""

import json
import shutil
from pathlib import Path
from random import Random

import pytest

from gateway import cli
from gateway.commands.common import COMPILES
from tests.fuzz import runner
from tests.fuzz.__main__ import main
from tests.fuzz.mutate import mutated
from tests.fuzz.target import CORPUS, Target, Wrong
from tests.fuzz.targets import TARGETS
from tests.fuzz.targets.recordings import problem

SLICE = {
    "json": 3_000, "binary": 1_500, "compiled": 2_000, "http": 800, "config": 1_500, "journal": 800, "tip": 400,
    "snapshot": 500, "saved_rows": 2_000, "registry": 3_000, "history": 400, "recordings": 1_500, "input_files": 1_500,
}  # fmt: skip
"""About a second each."""
OF_A_READER = 80
"""Of each reader of recordings, beside those of `recordings`."""
SEED = 7
RECORDINGS = sorted(path for path in (CORPUS / "recordings").iterdir() if "orderbook" not in path.name)


@pytest.mark.parametrize("name", TARGETS)
def test_a_slice(name: str) -> None:
    inputs = SLICE.get(name, OF_A_READER)
    result = runner.run_round(name, SEED, 0, inputs)
    assert [(found.what, found.data) for found in result.found] == []
    assert result.inputs >= inputs and len(result.shapes) > 5


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].kept()])
def test_what_was_found_once_stays_right(name: str) -> None:
    with runner.made(name) as target:
        told = {path.name: runner.problem(target, target.loaded(path))[1] for path in target.kept()}
    assert {name: wrong for name, wrong in told.items() if wrong} == {}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_a_kept_recording_is_right_when_bad_lines_are_skipped(path: Path) -> None:
    assert problem(path, True)[0] == ""


@pytest.mark.parametrize("path", [p for p in RECORDINGS if "number" not in p.name], ids=lambda path: path.name)
def test_the_command_ends_with_one_line(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (CORPUS / "recordings").iterdir():
        shutil.copy(file, tmp_path)
    assert cli.main(["replay", str(tmp_path / path.name)]) == 2
    told = capsys.readouterr().err.replace(COMPILES + "\n", "")
    assert told.startswith("lionrock replay: ") and told.count("\n") == 1
    assert path.name.replace("message", "orderbook") in told


class Broken(Target):
    """A reader with a fault: it does not stand a certain word."""

    name = "broken"
    round_inputs = 2_000

    def bases(self) -> list[bytes]:
        return [b"a long text with a word in it"]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        return mutated(pool[int(chance.random() * len(pool))], chance)

    def check(self, data: bytes) -> str:
        if b"NaN" in data:
            raise Wrong("this is no number")
        return str(len(data) // 4)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "broken", Broken)


def test_a_fault_is_found_shrunk_and_told_how_to_find_again(broken, tmp_path, capsys) -> None:
    words = ["broken", "--inputs", "2000", "--processes", "1", "--seed", "3", "--keep", str(tmp_path), "--json"]
    assert main(words) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["found"] == ["Wrong: this is no number"]
    assert "python -m tests.fuzz broken --seed 3 --round 0" in told.err
    [path] = tmp_path.iterdir()
    assert path.read_bytes() == b"NaN"
    assert main(["broken", "--input", str(path)]) == 1
    path.write_bytes(b"7")
    assert main(["broken", "--input", str(path)]) == 0


@pytest.mark.parametrize("name", ["config", "journal"])
def test_a_round_is_the_same_each_time(name: str) -> None:
    first, second = (runner.run_round(name, SEED, 4, 150) for _ in range(2))
    assert first.shapes == second.shapes and len(first.shapes) > 5
    assert first.shapes != runner.run_round(name, SEED, 5, 150).shapes


def test_any_round_can_be_run_again_by_itself(broken) -> None:
    whole = {result.number: result.shapes for result in runner.rounds("broken", 1, 0, 6_000, 1)}
    assert whole == {number: runner.run_round("broken", 1, number).shapes for number in range(3)}
