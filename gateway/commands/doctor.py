"""`lionrock doctor`: what is wrong with a machine, its settings or a data folder, and what to do about it."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway import config as settings
from gateway.commands import doctor_checks as checks
from gateway.commands.common import progress_bar, readable_errors
from gateway.config import Config

_EXAMPLES = """examples:
  lionrock doctor
  lionrock doctor --data /var/lib/lionrock
  lionrock doctor --config /etc/lionrock/lionrock.toml --json
  lionrock doctor --quick

It changes nothing, and may run beside a venue, as the user that the venue runs as and with the venue's settings.
exit codes: 0 all is well, 1 warnings, 2 something would stop a venue or lose data, or the settings are refused
"""
WARNED, WRONG = 1, 2


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="look for what is wrong with the machine, the settings or a data folder",
        description="Look at cores, memory, descriptors, the disk and its sync, permissions, certificate, registry, "
        "keys, journal, snapshots and clock: what is found, and what to do.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    settings.add_flags(parser)
    parser.add_argument("--quick", action="store_true", help="leave out the journal, every byte of which is read")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each finding")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at everything: 0, WARNED or WRONG."""
    with readable_errors("doctor", args):
        config = settings.from_args(args)
        found = list(_examined(config, args.quick))
    if args.json:
        for finding in found:
            print(json.dumps(asdict(finding)))
    else:
        _show(found)
    states = {finding.state for finding in found}
    return WRONG if checks.FAILED in states else WARNED if checks.WARNING in states else 0


def _examined(config: Config, is_quick: bool) -> Iterator[checks.Finding]:
    is_running, venue = checks.running(config)
    yield venue
    yield from checks.machine(config)
    yield from checks.files(config)
    if not is_quick:
        with progress_bar("bytes of the journal") as progress:
            yield from checks.journal(config, progress, is_running)


def _show(found: list[checks.Finding]) -> None:
    table = Table("check", "state", "found", "what to do", box=None)
    for finding in found:
        table.add_row(finding.check, finding.state, finding.found, finding.remedy)
    Console().print(table)
