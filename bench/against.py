"""A benchmark of two builds in turns: each in a process of its own, with its own modules and compiled code.

A drift of the machine affects both, so the ratio within a turn says more than the figures. A ratio counts only when
both builds ended in the same state: else they did different work.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.builds import Build
from bench.lifetime import end_with_parent
from bench.measurement import BenchError, Spread, machine
from bench.placement import go_before_others

Figures = dict[str, dict[str, Any]]
"""What one run printed, by name."""


@dataclass(frozen=True)
class Run:
    """Which benchmark, of which size and seed, and in how many turns."""

    name: str
    size: str
    seed: int
    turns: int


@dataclass
class Pair:
    """One figure of both builds, turn by turn."""

    name: str
    unit: str
    workload: str
    digests: set[str] = field(default_factory=set)
    this: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)

    @property
    def is_same_work(self) -> bool:
        """Whether every run of both builds ended in the same state."""
        return len(self.digests) == 1

    def ratio(self) -> Spread:
        """This build's figure as a multiple of the other's, turn by turn."""
        pairs = zip(self.this, self.other, strict=True)
        return Spread.of([this / other if other else 0.0 for this, other in pairs])

    def as_json(self) -> dict[str, Any]:
        """Plain values; without a ratio when the builds did different work."""
        found = {
            "name": self.name, "unit": self.unit, "workload": self.workload, "turns": len(self.this),
            "this": Spread.of(self.this).as_json(), "other": Spread.of(self.other).as_json(),
            "digests": sorted(self.digests), "machine": machine(),
        }  # fmt: skip
        return found | ({"ratio": self.ratio().as_json()} if self.is_same_work else {})


def figures_of(build: Build, run: Run, size: str) -> Figures:
    """One run of a build's own benchmark in a process of its own. BenchError in one line when it has no figures."""
    found, last = _run(build, run, size)
    if not found:
        raise BenchError(f"{run.name} of {build.name}: {last}")
    return found


def _run(build: Build, run: Run, size: str) -> tuple[Figures, str]:
    """Its figures, none when it was left out, and the last line of its error stream. BenchError when it fails."""
    words = ["bench", run.name, "--size", size, "--seed", str(run.seed), "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], cwd=build.root, env=build.environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=end_with_parent,
    ) as process:  # fmt: skip
        try:
            go_before_others(process.pid)
            printed, said = process.communicate()
        finally:
            process.kill()
    last = (said.strip().splitlines() or [f"exit code {process.returncode}"])[-1].removeprefix("lionrock bench: ")
    if process.returncode:
        raise BenchError(f"{run.name} of {build.name}: {last}")
    found = [json.loads(line) for line in printed.splitlines()]
    return {figure["name"]: figure for figure in found}, last


def compared(run: Run, this: Build, other: Build, progress: Callable[[str], None]) -> list[Pair]:
    """The figures that both builds have. The small size is run first: what it compiles and reads is warm afterwards."""
    for build in (this, other):
        progress(f"{run.name} of {build.name}: a small run that does not count; it compiles what is not compiled yet")
        _run(build, run, "small")
    pairs: dict[str, Pair] = {}
    for turn in range(run.turns):
        found = {}
        for build in (this, other) if turn % 2 == 0 else (other, this):
            progress(f"{run.name}, turn {turn + 1} of {run.turns}: {build.name}")
            found[build is this] = figures_of(build, run, run.size)
        for name, figure in found[True].items():
            if name in found[False]:
                pair = pairs.setdefault(name, Pair(name, figure["unit"], figure["workload"]))
                _add(pair, figure, found[False][name])
    if not pairs:
        raise BenchError(f"{run.name}: {other.name} measures no figure of the same name")
    return list(pairs.values())


def _add(pair: Pair, this: dict[str, Any], other: dict[str, Any]) -> None:
    pair.this.append(this["value"])
    pair.other.append(other["value"])
    pair.digests |= {this["digest"], other["digest"]}
