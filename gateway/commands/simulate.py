"""`lionrock simulate`: a seeded market of agents with crash scenarios."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.simulation import LOTS_PER_COIN, SCENARIOS, Outcome, Series, Simulation
from engine.invariants import AuditError
from engine.recordings.charts import Chart, Curve, Panel
from engine.recordings.drawing import DrawingError, check_drawable, draw
from gateway.commands.common import FAILED, compile_engine, reason_of
from gateway.commands.replay import progress_bar

BROKEN = 1
"""Exit code when an invariant did not hold."""
MAX_SECONDS = 7 * 86_400

_EXAMPLES = """examples:
  lionrock simulate
  lionrock simulate --scenario crash --seed 7 --seconds 3600 --plot crash.html
  lionrock simulate --scenario gap --json

Every invariant is checked after each second; the same seed gives the same digest on every machine.
--plot: an .html needs nothing, a .png needs matplotlib: pip install "lionrock[plots]"
exit codes: 0 done, 1 an invariant did not hold, 2 a wrong argument, or a picture that cannot be drawn
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    scenarios = "; ".join(f"{name}: {(how.__doc__ or '').rstrip('.')}" for name, how in SCENARIOS.items())
    scenarios = scenarios.replace("%", "%%")
    parser = subparsers.add_parser(
        "simulate",
        help="a seeded market of agents with crash scenarios",
        description="Makers, momentum, noise and leveraged gamblers trade on the engine; an index leads them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="crash", help=f"{scenarios} (default: crash)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--seconds", type=_seconds, default=1800, metavar="N", help="how long (default: 1800)")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw prices, funding, open interest and fund: a .png or an .html"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 10 <= int(text) <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds from 10 to {MAX_SECONDS}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Simulate as the arguments say; 0, BROKEN or FAILED."""
    if args.seed < 0:
        print(f"lionrock simulate: --seed {args.seed} must not be negative", file=sys.stderr)
        return FAILED
    title = f"{args.scenario}, seed {args.seed}"
    try:
        if args.plot:
            check_drawable(args.plot)
    except DrawingError as error:
        print(f"lionrock simulate: {error}", file=sys.stderr)
        return FAILED
    compile_engine()
    simulation = Simulation(args.seed, args.scenario, args.seconds)
    try:
        with progress_bar("seconds") as show_progress:
            simulation.run(lambda second: show_progress(second, args.seconds))
        if args.plot:
            draw(chart_of(simulation.series, f"lionrock simulate: {title}"), args.plot)
    except AuditError as error:
        print(f"lionrock simulate: after second {simulation.outcome.checks}: {error}", file=sys.stderr)
        return BROKEN
    except OSError as error:
        print(f"lionrock simulate: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(asdict(simulation.outcome)))
    else:
        _show(simulation.outcome, title)
    return 0


def chart_of(series: Series, title: str) -> Chart:
    """Prices, funding, open interest and the fund over time."""
    seconds = range(1, len(series.mark) + 1)
    coins = [lots / LOTS_PER_COIN for lots in series.open_interest]
    prices = [("last", series.last), ("mark", series.mark), ("index", series.index)]
    panels = [Panel("price, USDC", tuple(Curve(name, seconds, values) for name, values in prices), "seconds", weight=2)]
    for label, name, values in (
        ("funding rate, %", "rate", [rate * 100 for rate in series.funding]),
        ("open interest, coins", "open interest", coins),
        ("insurance fund, USDC", "fund", series.fund),
    ):
        panels.append(Panel(label, (Curve(name, seconds, values, "steps"),), "seconds"))
    return Chart(title, tuple(panels))


def _show(outcome: Outcome, title: str) -> None:
    console = Console(highlight=False)
    table = Table(title=title, title_justify="left")
    for name in ("who", "profit", "funding paid"):
        table.add_column(name, justify="left" if name == "who" else "right")
    for name, profit in outcome.profit.items():
        table.add_row(name, f"{profit:,.2f}", f"{outcome.funding_paid[name]:,.2f}")
    table.add_row("fees of the venue", f"{outcome.fees:,.2f}", "")
    table.add_row("insurance fund", f"{outcome.fund_change:,.2f}", "")
    console.print(table)
    console.print(
        f"{outcome.seconds:,} seconds, {outcome.commands:,} commands, {outcome.trades:,} trades, "
        f"{outcome.rejected:,} rejected"
    )
    console.print(
        f"{outcome.liquidations:,} liquidation rounds of {outcome.accounts_liquidated:,} accounts, "
        f"{outcome.deleveraged:,} deleveraging trades, the fund paid {outcome.fund_paid:,.2f}"
    )
    console.print(f"every invariant held {outcome.checks:,} times; digest {outcome.digest}", soft_wrap=True)
