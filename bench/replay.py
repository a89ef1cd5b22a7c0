"""How fast recordings are replayed from end to end, in turns with another checkout.

    python -m bench.replay FILE... --against ../lionrock-before

Each run is a process of its own: `lionrock replay FILE --json`, whose `seconds` are reading, applying, comparing and
writing reports, without imports and without compiling. What both builds say of a recording must be the same, else the
times say nothing.
"""

import argparse
import json
import subprocess
import sys
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
    seconds: dict[str, list[float]] = {build.name: [] for build in builds}
    said: dict[str, Any] = {}
    for turn in range(turns):
        for build in builds if turn % 2 == 0 else builds[::-1]:
            said[build.name] = replayed(build, file, options)
            seconds[build.name].append(said[build.name]["seconds"])
    this, other = (said[build.name] for build in builds)
    unlike = [name for name in SAME if this.get(name) != other.get(name)]
    if unlike:
        raise BenchError(f"{file.name}: the builds disagree about {', '.join(unlike)}: their times say nothing")
    ours, theirs = (seconds[build.name] for build in builds)
    ratio = Spread.of([before / now for now, before in zip(ours, theirs, strict=True)])
    rates = [this["messages"] / Spread.of(each).median for each in (ours, theirs)]
    return {
        "recording": file.name, "messages": this["messages"], "turns": turns, "messages_per_s": round(rates[0]),
        "other_messages_per_s": round(rates[1]), "ratio": ratio.as_json(), "machine": machine(),
    }  # fmt: skip


def replayed(build: Build, file: Path, options: list[str]) -> dict[str, Any]:
    """What one run of a build says. BenchError with its last line when it fails."""
    words = ["replay", str(file.absolute()), "--json", *options]
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], cwd=build.root, env=build.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        go_before_others(process.pid)
        printed, said = process.communicate()
    if process.returncode:
        last = (said.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise BenchError(f"{file.name} with {build.name}: {last}")
    return dict(json.loads(printed.splitlines()[-1]))


def tell(found: dict[str, Any], as_json: bool) -> None:
    """Print the figures of one recording."""
    if as_json:
        print(json.dumps(found))
        return
    ratio = found["ratio"]
    print(
        f"{found['recording']}: {found['messages_per_s']:,} messages/s, before {found['other_messages_per_s']:,}; "
        f"{ratio['median']:.1f} times ({ratio['low']:.1f} to {ratio['high']:.1f}, {found['turns']} turns)"
    )


if __name__ == "__main__":
    sys.exit(main())
