"""Simulate many seeds on several processes: `python -m tests.simulation --seeds 1..20000 --steps 1000`."""

import argparse
import contextlib
import json
import signal
import sys
import time
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation import broken, kept
from tests.simulation.many import outcomes, ready

EXAMPLES = """examples:
  python -m tests.simulation --seeds 1..20000 --steps 1000 --processes 2
  python -m tests.simulation --seeds 4711..4711 --steps 1000 --trace     what each step of one seed does
  python -m tests.simulation --seeds 4711..4711 --steps 1000 --shrink    the shortest list of steps, kept as a file
  python -m tests.simulation --breaks --seeds 1..200                     every broken build, and the seed that finds it
  python -m tests.simulation --kept tests/simulation/kept/NAME.json      one that was kept"""


def main(words: list[str] | None = None) -> int:
    """Run what the command line asks for; 1 when a promise was broken."""
    args = _parser().parse_args(words)
    if args.breaks:
        return _breaks(args)
    return _one(args) if args.kept or args.trace or args.shrink else _many(args)


def _breaks(args: argparse.Namespace) -> int:
    """Leave each rule out in turn and look for it; 1 when one is not found."""
    found: dict[str, int] = {}
    before = broken.found_by()
    for rule in broken.BREAKS:
        seeds = [*([before[rule.name]] if rule.name in before else []), *args.seeds]
        outcome = broken.search(ready(), rule, seeds)
        if outcome is not None:
            found[rule.name] = outcome[0]
        told = f"seed {outcome[0]}: {outcome[1][:120]}" if outcome else "NOT FOUND"
        print(f"{rule.name:<46} {told}", flush=True)
    if args.record:
        broken.FOUND_BY.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(found)} of {len(broken.BREAKS)} broken builds are found")
    return int(len(found) < len(broken.BREAKS))


def _one(args: argparse.Namespace) -> int:
    """One seed, or one kept list of steps: traced or shrunk."""
    case = kept.load(args.kept) if args.kept else kept.of_seed(args.seeds[0], args.steps)
    result = case.run(ready())
    if args.shrink and result.violation:
        case = kept.shortest(ready(), case)
        print(f"{len(case.steps)} steps: {kept.save(case)}")
    if args.trace:
        result = case.run(ready(), print)
    print(json.dumps(asdict(result)) if args.json else result.violation or f"no promise is broken, {result.digest}")
    return int(bool(result.violation))


def _many(args: argparse.Namespace) -> int:
    """Many seeds, with progress; a table at the end."""
    begun, bad, results = time.monotonic(), [], []
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("seeds", total=len(args.seeds))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):  # what was done until then counts
            for found in outcomes(args.seeds, args.steps, args.processes):
                results += [outcome.result for outcome in found]
                for seed, result in found:
                    if result.violation:
                        bad.append(seed)
                        console.print(f"seed {seed}: {result.violation}", markup=False, highlight=False)
                        again = f"python -m tests.simulation --seeds {seed}..{seed} --steps {args.steps} --trace"
                        console.print(f"  {again}")
                progress.update(task, advance=len(found), description=f"{len(bad)} broken")
    seconds = time.monotonic() - begun
    steps = sum(result.steps for result in results)
    rows = {
        "seeds": len(results),
        "steps": steps,
        "starts": sum(result.boots for result in results),
        "facts told to clients": sum(result.facts for result in results),
        "seconds": round(seconds, 1),
        "ms a step": round(1000 * seconds * args.processes / max(steps, 1), 3),
        "seeds with a violation": len(bad),
    }
    if args.json:
        named = {key.replace(" ", "_"): value for key, value in rows.items()}
        print(json.dumps(named | {"broken": sorted(bad)}))
    else:
        for name, value in rows.items():
            print(f"{name:<24} {value:>12,}")
    return int(bool(bad))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.simulation", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--seeds", type=_seeds, default=range(1, 101), metavar="A..B", help="A to B, both included")
    parser.add_argument("--steps", type=int, default=1000, help="steps of each seed (default: 1000)")
    parser.add_argument("--processes", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--trace", action="store_true", help="say each step of the first seed")
    parser.add_argument("--shrink", action="store_true", help="shrink the first seed to the shortest list and keep it")
    parser.add_argument("--breaks", action="store_true", help="leave each rule out and say which seed finds it")
    parser.add_argument("--record", action="store_true", help="with --breaks: keep the seeds for the suite")
    parser.add_argument("--kept", metavar="FILE", help="run a list of steps that was kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    try:
        found = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        found = range(0)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: say A..B, two whole numbers, such as 1..20000")
    return found


if __name__ == "__main__":
    sys.exit(main())
