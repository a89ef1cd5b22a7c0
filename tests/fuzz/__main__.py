"""Made-up and damaged inputs for all that reads bytes: `python -m tests.fuzz json --inputs 1000000`.

A target is read by the real code in this process. For whatever it gets it must keep its rules, which each target's
module says. A round of inputs follows from target, seed and number, so any round can be run again.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz import runner
from tests.fuzz.target import CORPUS
from tests.fuzz.targets import TARGETS

EXAMPLES = """examples:
  python -m tests.fuzz json --inputs 10000000 --processes 2
  python -m tests.fuzz journal --seed 7 --round 12 --inputs 1      round 12 of seed 7 once more
  python -m tests.fuzz http --input tests/fuzz/corpus/http/NAME    one input that was kept
  python -m tests.fuzz all --inputs 100000 --json                  every target"""


def main(words: list[str] | None = None) -> int:
    """Run what the command line asks for; 1 when a rule does not hold."""
    args = _parser().parse_args(words)
    if args.input:
        return _kept(args)
    names = list(TARGETS) if args.target == "all" else [args.target]
    return max(_target(name, args) for name in names)


def _kept(args: argparse.Namespace) -> int:
    """One input from a file."""
    with runner.made(args.target) as target:
        shape, wrong = runner.problem(target, target.loaded(args.input))
    print(json.dumps({"target": args.target, "shape": shape, "wrong": wrong}) if args.json else wrong or shape)
    return int(bool(wrong))


def _target(name: str, args: argparse.Namespace) -> int:
    """Rounds of one target, with progress; what was found is told at once, and shrunk at the end."""
    begun, inputs, shapes, found = time.monotonic(), 0, Counter(), {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(name, total=args.inputs)
        for result in runner.rounds(name, args.seed, args.round, args.inputs, args.processes):
            inputs += result.inputs
            shapes += result.shapes
            for item in result.found:
                if item.kind not in found:
                    found[item.kind] = item
                    console.print(f"{name}: {item.what[:400]}", markup=False, highlight=False)
                    _tell_how(console, item)
            rate = inputs / (time.monotonic() - begun)
            told = f"{name}: {rate:,.0f}/s, {len(shapes)} shapes, {len(found)} found"
            progress.update(task, completed=inputs, description=told)
            if args.log:
                args.log.write_text(json.dumps(_figures(name, args, inputs, begun, shapes, len(found))) + "\n")
    figures = _figures(name, args, inputs, begun, shapes, len(found))
    for item in found.values():
        _keep(console, item, args.keep)
    if args.json:
        print(json.dumps(figures | {"found": [item.what for item in found.values()]}), flush=True)
    else:
        print(f"{name:<16} {inputs:>12,} inputs {figures['inputs_per_s']:>9,}/s {len(shapes):>6,} shapes "
              f"{len(found):>3} found", flush=True)  # fmt: skip
    if args.shapes:
        for shape, times in shapes.most_common(args.shapes):
            print(f"  {times:>10,}  {shape}")
    return int(bool(found))


def _figures(name: str, args: argparse.Namespace, inputs: int, begun: float, shapes: Counter, found: int) -> dict:
    seconds = time.monotonic() - begun
    return {
        "target": name, "seed": args.seed, "first_round": args.round, "inputs": inputs, "seconds": round(seconds, 1),
        "inputs_per_s": round(inputs / seconds), "shapes": len(shapes), "wrong": found,
    }  # fmt: skip


def _tell_how(console: Console, item: runner.Found) -> None:
    said = f"  python -m tests.fuzz {item.target} --seed {item.seed} --round {item.round} --inputs 1"
    console.print(said, markup=False, highlight=False)


def _keep(console: Console, item: runner.Found, folder: Path | None) -> None:
    """Shrink an input; write it where it is to be kept."""
    data = runner.shrunk(item)
    console.print(f"{item.target}: {item.what[:200]}: {data[:300]!r}", markup=False, highlight=False)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        name = "".join(letter if letter.isalnum() else "_" for letter in item.kind[:60]).strip("_").lower()
        path = folder / f"{item.target}-{name}.{TARGETS[item.target].ending}"
        path.write_bytes(data)
        console.print(f"  {path}", markup=False, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--inputs", type=_count, default=100_000, help="how many; at least a round (default: 100000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, default=0, help="the first round's number (default: 0)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--input", type=Path, metavar="FILE", help=f"one input only, such as one of {CORPUS.name}/")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write shrunk inputs that fail into a folder")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the figures there after each round")
    parser.add_argument("--shapes", type=int, default=0, metavar="N", help="list the N most frequent shapes")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each target")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: say a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
