"""`lionrock bench`: measures the engine; every figure comes with the digest of what was computed."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.against import Pair, Run, compared
from bench.builds import Build, other_build, this_build
from bench.figure_chart import chart_of, ratio_chart
from bench.measurement import DEFAULT_TURNS, BenchError, Measurement, Plan, SkippedError, machine
from bench.placement import before_others
from bench.suite import SUITE
from engine.recordings.charts import Chart
from engine.recordings.drawing import check_drawable, draw
from gateway.commands.common import compile_engine, print_table, reason_of, whole

FAILED = 1
"""Exit code when a benchmark's result is wrong."""
USAGE_ERROR = 2
MAX_TURNS = 1000
CHART_CHARACTERS = 40
CURVE = "cancel-"
"""Figures with this prefix are points of a curve; the rest of the name is the number of resting orders."""

_EXAMPLES = """examples:
  lionrock bench --list
  lionrock bench flash1
  lionrock bench cancel --size small --seed 7
  lionrock bench --json > figures.jsonl
  lionrock bench orders --against ../lionrock-before
  lionrock bench flash1 --against ../lionrock-before --turns 7 --json
  lionrock bench scale --plot scale.html

Every figure is the best of several runs that take turns; the time is the time inside the engine alone unless the
workload says otherwise. The digest is the state's: the same seed and size give the same one on every machine.
With --against both builds run the benchmark in turns, each in a process of its own; the ratio is the median over the
turns, and counts only when both ended in the same state. The other build compiles once, and needs this one's packages.
--plot draws the figures beside printing them: an .html needs nothing, a .png needs pip install "lionrock[plots]"
exit codes: 0 measured, or left out for the reason given; 1 a benchmark's result is wrong, or two builds ended in
different states; 2 no such benchmark, no such build, or a picture that cannot be drawn
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "bench",
        help="run the benchmarks",
        description="Measure the engine. Without a name, everything: some minutes at full size.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="one benchmark (default: all of them)")
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are")
    parser.add_argument("--size", choices=("small", "full"), default="full", help="default: full")
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="of generated workloads (default 1)")
    parser.add_argument("--against", metavar="DIR", help="another checkout, which takes turns with this one")
    parser.add_argument(
        "--turns", type=whole(1, MAX_TURNS), default=DEFAULT_TURNS, metavar="N",
        help=f"of --against (default: {DEFAULT_TURNS})",
    )  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw what was measured: a .png or an .html")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure as the arguments say; 0, FAILED or USAGE_ERROR."""
    if args.list:
        _list(args.json)
        return 0
    if args.name is not None and args.name not in SUITE:
        print(f"lionrock bench: no benchmark {args.name!r}; one of {', '.join(SUITE)}", file=sys.stderr)
        return USAGE_ERROR
    names = [args.name] if args.name else list(SUITE)
    try:
        if args.plot:
            check_drawable(args.plot)
        if args.against:
            return _compare(names, args, other_build(args.against))
        return _measure(names, args)
    except (OSError, ValueError) as error:
        print(f"lionrock bench: {reason_of(error, args)}", file=sys.stderr)
        return USAGE_ERROR


def _measure(names: list[str], args: argparse.Namespace) -> int:
    """Measure, print and draw; FAILED when a result is wrong, and then what was measured before is drawn."""
    measured: dict[str, list[Measurement]] = {}
    has_failed = False
    try:
        if args.name != "start":
            compile_engine()
        for name in names:
            measured[name] = _one(name, args)
    except BenchError as error:
        print(f"lionrock bench: {error}", file=sys.stderr)
        has_failed = True
    _draw(chart_of(measured, {name: what for name, (what, _) in SUITE.items()}), args)
    return FAILED if has_failed else 0


def _draw(chart: Chart, args: argparse.Namespace) -> None:
    """Draw what was measured into the file of --plot, if there is one."""
    if not args.plot:
        return
    if chart.panels:
        draw(chart, args.plot)
    else:
        print(f"lionrock bench: {args.plot}: not drawn, as nothing was measured", file=sys.stderr)


def _compare(names: list[str], args: argparse.Namespace, other: Build) -> int:
    """Measure both builds and print; FAILED when one of them has no figures, or they did different work."""
    console, has_failed = Console(stderr=True), False
    measured: dict[str, list[Pair]] = {}
    for name in names:
        with console.status(name) as status:
            run = Run(name, args.size, args.seed, args.turns)
            try:
                pairs = compared(run, this_build(), other, status.update)
            except BenchError as error:
                print(f"lionrock bench: {error}", file=sys.stderr)
                has_failed = True
                continue
        _show_pairs(name, pairs, other, args)
        measured[name] = pairs
        has_failed |= not all(pair.is_same_work for pair in pairs)
    _draw(ratio_chart(measured, other.name), args)
    return FAILED if has_failed else 0


def _show_pairs(name: str, pairs: list[Pair], other: Build, args: argparse.Namespace) -> None:
    """A line for each figure; what is no comparison is said on the error stream."""
    if args.json:
        for pair in pairs:
            print(json.dumps(pair.as_json()), flush=True)
    else:
        rows = []
        for pair in pairs:
            found = pair.as_json()
            medians = [f"{found[side]['median']:,.4g}" for side in ("this", "other")]
            rows.append([pair.name, *medians, pair.unit, f"{pair.ratio()}" if pair.is_same_work else "different work"])
        title = f"{name}: this build and {other.name}, {args.turns} turns; ratio: this / other, median (and range)"
        print_table(["figure", "this", "other", "unit", "ratio"], rows, title, right=("this", "other"))
    for pair in pairs:
        if not pair.is_same_work:
            states = ", ".join(sorted(digest[:8] for digest in pair.digests))
            print(f"lionrock bench: {pair.name}: the runs ended in different states: {states}", file=sys.stderr)


def _one(name: str, args: argparse.Namespace) -> list[Measurement]:
    """Run one benchmark and print what it measured: nothing when it is left out."""
    console = Console(stderr=True)
    with console.status(name) as status:
        plan = Plan(
            args.size == "full", args.seed, lambda text: status.update(f"{name}: {text}"),
            lambda text: print(f"lionrock bench: {name}: partly left out: {text}", file=sys.stderr),
        )  # fmt: skip
        try:
            with before_others():
                figures = SUITE[name][1](plan)
        except SkippedError as reason:
            figures = []
            print(f"lionrock bench: {name} left out: {reason}", file=sys.stderr)
    if args.json:
        for figure in figures:
            print(json.dumps(figure.as_json()), flush=True)
    elif figures:
        _show(name, figures)
    return figures


def _show(name: str, figures: list[Measurement]) -> None:
    """A table for a person, with the meaning of the figures below it."""
    table = Table(title=f"{name}: {SUITE[name][0]}", title_justify="left", caption_justify="left", caption=machine())
    points = max((list(figure.percentiles) for figure in figures), key=len)
    shares = "/".join(point.removesuffix("_ns") for point in points) or "percentiles"
    for heading in ("figure", "value", "unit", shares, "seed", "digest"):
        table.add_column(heading, justify="right" if heading in ("value", shares) else "left", no_wrap=True)
    for figure in figures:
        spread = "/".join(f"{value:,.0f}" for value in figure.percentiles.values())
        seed = "-" if figure.seed is None else str(figure.seed)
        table.add_row(figure.name, f"{figure.value:,}", figure.unit, spread, seed, figure.digest[:8])
    console = Console(highlight=False)
    console.print(table)
    for figure in figures:
        console.print(f"{figure.name}: {figure.workload}. {figure.note}", soft_wrap=True)
    curve = [figure for figure in figures if figure.name.startswith(CURVE)]
    if curve:
        console.print(chart(curve), soft_wrap=True)
    console.print()


def chart(curve: list[Measurement]) -> str:
    """A bar for each point of a curve."""
    largest = max(figure.value for figure in curve)
    lines = ["resting orders  ns a cancel"]
    for figure in curve:
        bar = "█" * max(1, round(figure.value / largest * CHART_CHARACTERS))
        lines.append(f"{int(figure.name.removeprefix(CURVE)):>14,}  {bar} {figure.value:,.1f}")
    return "\n".join(lines)


def _list(as_json: bool) -> None:
    for name, (what, _) in SUITE.items():
        print(json.dumps({"name": name, "measures": what}) if as_json else f"{name:16}{what}")


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 63):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {(1 << 63) - 1}")
    return int(text)
