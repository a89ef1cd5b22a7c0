"""`lionrock bench --against`: each build runs its own code, turn by turn, and a ratio counts only for the same work."""

import json
from pathlib import Path

import pytest

from bench.against import Run, compared
from bench.builds import Build
from bench.measurement import BenchError
from gateway.cli import main
from gateway.commands import bench
from tests.recordings.data import compiled

ROOT = Path(__file__).parents[2]
RUN = Run("x", "full", 1, 3)
PROGRAM = """
import json, os, sys
from pathlib import Path
size, turns = sys.argv[sys.argv.index("--size") + 1], Path("turns")
turn = len(turns.read_text()) if turns.exists() else 0
if size == "full":
    turns.write_text("x" * (turn + 1))
    for name, values, digest in {figures}:
        print(json.dumps(dict(name=name, value=values[turn], unit="ns", workload="w", digest=digest)))
print("lionrock bench: x left out: for a reason", file=sys.stderr)
raise SystemExit({exit_code})
"""


def build_of(folder, figures, exit_code=0):
    """A build whose benchmark prints one of the values of each figure in each turn."""
    (folder / "gateway").mkdir(parents=True)
    (folder / "gateway" / "cli.py").write_text(PROGRAM.format(figures=repr(figures), exit_code=exit_code))
    return Build(folder, folder / "cache")


def both(tmp_path, this, other, exit_code=0):
    """What two builds with these figures come to, and what was said meanwhile."""
    said = []
    pairs = compared(RUN, build_of(tmp_path / "a", this), build_of(tmp_path / "b", other, exit_code), said.append)
    return pairs, said


def test_the_ratio_is_taken_turn_by_turn_and_its_median_counts(tmp_path):
    pairs, said = both(
        tmp_path,
        [("fast", [10.0, 30.0, 80.0], "d"), ("new", [1.0] * 3, "d")],
        [("fast", [20.0, 20.0, 20.0], "d"), ("old", [1.0] * 3, "d")],
    )
    assert [pair.name for pair in pairs] == ["fast"], "only what both measure"
    found = pairs[0].as_json()
    assert found["ratio"] == {"median": 1.5, "low": 0.5, "high": 4.0}
    assert (found["this"]["median"], found["other"]["median"], found["turns"]) == (30.0, 20.0, 3)
    first = [line.rpartition("/")[2] for line in said if ", turn " in line]
    assert first == ["a", "b", "b", "a", "a", "b"], "each begins in turn"


def test_builds_that_did_different_work_have_no_ratio(tmp_path):
    pairs, _ = both(tmp_path, [("fast", [1.0] * 3, "d")], [("fast", [1.0] * 3, "e")])
    assert not pairs[0].is_same_work
    assert "ratio" not in pairs[0].as_json() and pairs[0].as_json()["digests"] == ["d", "e"]


@pytest.mark.parametrize(
    ("figures", "exit_code", "said"),
    [
        ([("slow", [1.0] * 3, "d")], 0, "x: {other} measures no figure of the same name"),
        ([], 0, "x of {other}: x left out: for a reason"),
        ([], 2, "x of {other}: x left out: for a reason"),
    ],
)
def test_a_build_without_the_figure_is_named(tmp_path, figures, exit_code, said):
    with pytest.raises(BenchError) as caught:
        both(tmp_path, [("fast", [1.0] * 3, "d")], figures, exit_code)
    assert str(caught.value) == said.format(other=tmp_path / "b")


def test_what_is_no_build_is_refused_before_anything_runs(tmp_path, capsys):
    assert main(["bench", "synthetic", "--against", str(tmp_path)]) == bench.USAGE_ERROR
    assert capsys.readouterr().err == (
        f"lionrock bench: --against {tmp_path}: no checkout of Lionrock, pyproject.toml is missing; name the folder "
        "that has it\n"
    )


@compiled
def test_this_build_against_itself(capsys):
    flags = ["bench", "synthetic", "--size", "small", "--turns", "1", "--against", str(ROOT)]
    assert main([*flags, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "synthetic" and found["ratio"]["median"] > 0 and len(found["digests"]) == 1
