"""`lionrock affiliates`: the daily report on affiliated market makers, from the journal alone."""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import config as settings
from gateway.affiliates.governance import Governance, governance
from gateway.affiliates.report import DAY_NS, DayReport, MakerReport, day_report
from gateway.audit_trail.journal_follower import journal_of
from gateway.commands.common import (
    Names,
    end_of_day_ns,
    open_registry,
    progress_bar,
    readable_errors,
    when,
)
from gateway.config import Config

MICROS = 1_000_000
UNMET = 1
"""Exit code when an obligation of the day was not kept."""
_EXAMPLES = """examples:
  lionrock affiliates report --day 2026-11-26
  lionrock affiliates report --day 2026-11-26 --data lionrock-data --config lionrock.toml --json

The day is a civil day in Hong Kong; the obligations are the [affiliates] table of --config. A mark-out is the gain of
the maker's fills at the mark 1, 10 and 60 seconds later: what the other sides have lost.
exit codes: 0 every obligation was kept, 1 one was not, 2 refused
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "affiliates",
        help="the daily report on affiliated market makers",
        description="Obligations kept, share of volume, trades with clients, mark-outs: by maker and contract.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = os.environ.get("LIONROCK_DATA", Config().data)
    parser.add_argument("action", choices=["report"], help="what to do")
    parser.add_argument("--day", type=end_of_day_ns, required=True, metavar="D", help="such as 2026-11-26")
    parser.add_argument("--data", type=Path, default=Path(default), metavar="DIR",
                        help=f"a data folder or a journal's folder (default: {default})")  # fmt: skip
    parser.add_argument("--config", metavar="FILE", help="TOML file with the [affiliates] table")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report as the arguments say: 0, UNMET, or one line of error and 2."""
    with readable_errors("affiliates"):
        programme = settings.load(args.config, os.environ, {}).affiliates
        with progress_bar("bytes of the journal") as progress:
            names = Names(args.data)
            found = day_report(journal_of(args.data), args.day - DAY_NS, programme, progress)
        approvals = _approvals(args.data, found)
    if args.json:
        report = asdict(found)
        for maker, approval in zip(report["makers"], approvals, strict=True):
            maker["approval"] = asdict(approval) if approval else None
        print(json.dumps(report))
    else:
        _show(found, names, approvals)
    kept = all(hour.is_met for maker in found.makers for hour in maker.hours)
    return 0 if kept else UNMET


def _approvals(folder: Path, found: DayReport) -> list[Governance | None]:
    """Each maker's approval in the registry beside the journal, with who answers for its conflicts."""
    if not Config(data=str(folder)).registry.exists():
        return [None] * len(found.makers)
    with open_registry(str(folder)) as registry:
        names = {contract.slot: contract.name for contract in registry.contracts()}
        known = {account.slot for account in registry.accounts()}
        return [
            governance(registry, maker.account_slot, names.get(maker.contract_slot, ""), found.to_ns)
            if maker.account_slot in known
            else None
            for maker in found.makers
        ]


def _money(micros: int) -> str:
    return f"{micros / MICROS:,.2f}"


def _show(found: DayReport, names: Names, approvals: list[Governance | None]) -> None:
    console = Console(highlight=False)
    console.print(f"affiliated makers from {when(found.from_ns)} until {when(found.to_ns)}")
    if found.known_until_ns < found.to_ns:
        console.print(f"the journal ends at {when(found.known_until_ns)}: this is a part of the day")
    for maker, approval in zip(found.makers, approvals, strict=True):
        _show_maker(console, maker, found.volume_micros.get(maker.contract_slot, 0), names, approval)
    if not found.makers:
        console.print("none had an approval or traded")


def _show_maker(
    console: Console, maker: MakerReport, all_micros: int, names: Names, approval: Governance | None
) -> None:
    title = f"account {names.account(maker.account_slot)}, contract {names.contract(maker.contract_slot)}"
    table = Table(title=Text(title), show_header=False)
    if approval is not None:
        table.add_row("approval", f"change {approval.change}, through {approval.valid_through}")
        table.add_row("responsible officer", approval.responsible_officer)
        table.add_row("information barriers", approval.information_barriers_hash)
    table.add_row("volume", f"{_money(maker.volume_micros)} of {_money(all_micros)} ({maker.volume_percent:.2f} %)")
    table.add_row("fills", f"{maker.fills:,}")
    table.add_row("with clients", f"{maker.client_fills:,} fills, {_money(maker.client_volume_micros)}")
    table.add_row("marked in public", f"{maker.maker_fills:,} fills as maker, {_money(maker.maker_volume_micros)}")
    for row in maker.mark_outs:
        basis_points = row.gain_ppb / 100_000
        text = f"{_money(row.gain_micros)} on {row.fills:,} fills ({basis_points:+.3f} basis points)"
        table.add_row(f"gain after {row.seconds} s", text)
    console.print(table)
    hours = Table(title="hour by hour")
    for name in ("hour", "open s", "presence %", "two-sided %", "spread bp", "size", "kept"):
        hours.add_column(name, justify="right")
    for hour in maker.hours:
        hours.add_row(
            f"{hour.hour:02d}", str(hour.open_seconds), f"{hour.presence_percent:.1f}",
            f"{hour.two_sided_percent:.1f}", f"{hour.spread_ppb / 100_000:.2f}", _money(hour.size_micros),
            "yes" if hour.is_met else "no",
        )  # fmt: skip
    console.print(hours)
