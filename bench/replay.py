"""How fast recordings are replayed from end to end, in turns with another checkout.

    python -m bench.replay FILE... --against ../lionrock-before

Each run is a process of its own: `lionrock replay FILE --json`, whose `seconds` are reading, applying, comparing and
writing reports, without imports and without compiling; what else its first call takes to load compiled code is in them.
Beside it is what the whole process took, with its start: by the clock, and of a processor. What both builds say of a
recording must be the same, else the times say nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.builds import Build, other_build, this_build
from bench.measurement import DEFAULT_TURNS, BenchError, Spread, machine
from bench.placement import go_before_others

SAME = (
    "messages", "commands", "digest", "book_rows_checked", "book_rows_equal", "executions", "executions_as_recorded",
    "differences", "execution_differences",
)  # fmt: skip
"""What both builds have to agree about."""
MEASURES = {"replay": "seconds", "process": "process_seconds", "cpu": "cpu_seconds"}
"""What a ratio is about, and the figure of a run that it compares."""


@dataclass(frozen=True)
class Run:
    """What one process said, and what it took: by the clock and of a processor, both from its start to its end."""

    said: dict[str, Any]
    process_seconds: float
    cpu_seconds: float

    @property
    def seconds(self) -> float:
        """The time of the replay alone, by the clock."""
        return float(self.said["seconds"])


def main(arguments: list[str] | None = None) -> int:
    """Measure as the arguments say; 0, or 2 with one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description="Replay in turns with another build.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings")
    parser.add_argument("--against", required=True, metavar="DIR", help="another checkout")
    parser.add_argument("--turns", type=int, default=DEFAULT_TURNS, metavar="N", help=f"default {DEFAULT_TURNS}")
    parser.add_argument("--reports", action="store_true", help="write the report stream too, to a file that is dropped")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each recording")
    args = parser.parse_args(arguments)
    options = ["--reports", "/dev/null"] if args.reports else []
    try:
        for file in args.files:
            tell(compared(file, options, (this_build(), other_build(args.against)), args.turns), args.json)
    except (BenchError, ValueError) as error:
        print(f"bench.replay: {error}", file=sys.stderr)
        return 2
    return 0


def compared(file: Path, options: list[str], builds: tuple[Build, Build], turns: int) -> dict[str, Any]:
    """The figures of one recording. BenchError when a run fails, or when the builds do not agree about it."""
    for build in builds:
        replayed(build, file, options)  # compiles what is not compiled yet, and is not counted
    runs: dict[str, list[Run]] = {build.name: [] for build in builds}
    for turn in range(turns):
        for build in builds if turn % 2 == 0 else builds[::-1]:
            runs[build.name].append(replayed(build, file, options))
    ours, theirs = (runs[build.name] for build in builds)
    this, other = ours[-1].said, theirs[-1].said
    unlike = [name for name in SAME if this.get(name) != other.get(name)]
    if unlike:
        raise BenchError(f"{file.name}: the builds disagree about {', '.join(unlike)}: their times say nothing")
    found: dict[str, Any] = {"recording": file.name, "messages": this["messages"], "turns": turns}
    for name, measure in MEASURES.items():
        now, before = ([float(getattr(run, measure)) for run in each] for each in (ours, theirs))
        found[name] = {
            "seconds": Spread.of(now).median, "other_seconds": Spread.of(before).median,
            "ratio": Spread.of([was / is_ for is_, was in zip(now, before, strict=True)]).as_json(),
        }  # fmt: skip
    return found | {"machine": machine()}


def replayed(build: Build, file: Path, options: list[str]) -> Run:
    """One run of a build. BenchError with its last line when it fails."""
    words = ["replay", str(file.absolute()), "--json", *options]
    before, begun = os.times(), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], cwd=build.root, env=_environment(build),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        go_before_others(process.pid)
        printed, said = process.communicate()
    process_seconds, after = time.perf_counter() - begun, os.times()
    if process.returncode:
        last = (said.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise BenchError(f"{file.name} with {build.name}: {last}")
    cpu_seconds = after.children_user - before.children_user + after.children_system - before.children_system
    return Run(json.loads(printed.splitlines()[-1]), process_seconds, cpu_seconds)


def _environment(build: Build) -> dict[str, str]:
    """What an installed build has: its modules are translated once and kept."""
    kept = {name: value for name, value in build.environment().items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(build.cache / "bytecode")}


def tell(found: dict[str, Any], as_json: bool) -> None:
    """Print the figures of one recording."""
    if as_json:
        print(json.dumps(found))
        return
    print(f"{found['recording']}, {found['messages']:,} messages, {found['turns']} turns:")
    for name, what in (("replay", "replay"), ("process", "whole process"), ("cpu", "its processor time")):
        each, ratio = found[name], found[name]["ratio"]
        print(
            f"  {what}: {each['seconds']:.3f} s, before {each['other_seconds']:.3f} s; "
            f"{ratio['median']:.2f} times ({ratio['low']:.2f} to {ratio['high']:.2f})"
        )


if __name__ == "__main__":
    sys.exit(main())
