"""`python -m bench.soak`: a venue under half load, with crashes and restarts, and what came of it."""

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import uvloop

from bench.measurement import BenchError
from bench.soak.picture import draw
from bench.soak.run import SMALL, Outcome, Plan, Soak, as_line

FAILED, NOT_RUN = 1, 2
JUDGED_MINUTES = 10
"""A shorter soak tells how memory moves, and does not judge it."""
_EXAMPLES = """examples:
  python -m bench.soak --minutes 0.25 --small
  python -m bench.soak --minutes 60 --samples soak.jsonl --png soak.png --json
  python -m bench.soak --minutes 600 --restart-minutes 60 --folder /var/tmp

exit codes: 0 all that was told is true, nothing is lost, memory is flat; 1 not so, a line for each failure; 2 it did
not come to an end
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES,
    )  # fmt: skip
    found.add_argument("--minutes", type=float, default=60.0, help="length of the load (default: 60)")
    found.add_argument(
        "--restart-minutes", type=float,
        help="minutes from one kill or restart to the next, in turns (default: a fifth)",
    )
    found.add_argument("--share", type=float, default=0.5, help="load as a share of capacity (default: 0.5)")
    found.add_argument(
        "--capacity", type=float, default=0.0, metavar="N",
        help="commands a second, known from a quieter moment (default: it is measured)",
    )  # fmt: skip
    found.add_argument("--small", action="store_true", help="settings whose limits are reached within seconds")
    found.add_argument("--folder", type=Path, help="where its temporary folder is made")
    found.add_argument("--samples", type=Path, metavar="FILE", help="append each sample as a line of JSON")
    found.add_argument("--png", type=Path, metavar="FILE", help="draw memory, latency, queues and disk over time")
    found.add_argument("--json", action="store_true", help="print one JSON object at the end")
    return found


def plan_of(args: argparse.Namespace) -> Plan:
    """What the arguments ask for. ValueError when it cannot be."""
    if not 0 < args.minutes <= 10_000 or not 0 < args.share <= 1 or not 0 <= args.capacity <= 10**9:
        raise ValueError("--minutes: above 0 to 10000; --share: above 0 to 1; --capacity: 0 to 1000000000")
    restart_minutes = args.restart_minutes or args.minutes / 5
    if restart_minutes <= 0:
        raise ValueError("--restart-minutes must be above 0")
    return Plan(
        args.minutes, restart_minutes, min(5.0, args.minutes * 60 / 20), min(10.0, args.minutes * 60 / 8), args.share,
        args.capacity, min(3.0, restart_minutes / 3), SMALL if args.small else {}, 2_000 if args.small else 100_000,
        args.minutes >= JUDGED_MINUTES, lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip


def show(outcome: Outcome) -> None:
    """The result for people."""
    print(
        f"{outcome.minutes:.1f} minutes at {outcome.rate_per_s:,.0f} commands/s of {outcome.capacity_per_s:,.0f}: "
        f"{outcome.commands:,} commands in the log, {len(outcome.lives)} runs of the venue's process"
    )
    for name in ("latency", "memory", "most", "makers", "clients", "outages_s", "checks"):
        print(f"{name}: {json.dumps(getattr(outcome, name))}")
    for line in outcome.failures:
        print(f"FAILED {line}")


def main(arguments: list[str] | None = None) -> int:
    """Soak, and say what came of it."""
    args = parser().parse_args(arguments)
    if args.png is not None and importlib.util.find_spec("matplotlib") is None:
        print('soak: --png needs matplotlib; pip install "lionrock[plots]"', file=sys.stderr)
        return NOT_RUN
    try:
        plan = plan_of(args)
        with tempfile.TemporaryDirectory(prefix="lionrock-soak-", dir=args.folder) as folder:
            soak = Soak(plan, Path(folder), lambda sample: _append(args.samples, as_line(sample)))
            outcome = uvloop.run(soak.run())
    except (BenchError, ValueError, OSError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return NOT_RUN
    if args.png is not None:
        draw(outcome, args.png)
    if args.json:
        print(json.dumps(outcome.as_dict()))
    else:
        show(outcome)
    return FAILED if outcome.failures else 0


def _append(path: Path | None, line: str) -> None:
    if path is not None:
        with path.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
