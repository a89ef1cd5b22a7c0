"""`lionrock upgrade`: a data folder of an earlier release, after a checked copy."""

import argparse
import json
from pathlib import Path
from typing import Any

from engine import host
from gateway.commands.common import compile_engine, default_data, print_facts, readable_errors
from gateway.commands.restore import shown_progress
from gateway.config import Config
from gateway.venue.upgrade import outdated, upgrade

OUTDATED = 1
_EXAMPLES = """examples:
  lionrock upgrade lionrock-data --check
  lionrock upgrade lionrock-data --backup backups

The venue is stopped. A backup is made and checked before anything is changed; `lionrock restore` takes it back. A start
does the same without a backup. A journal of another semantics version is refused and left as it is.
exit codes: 0 up to date, 1 with --check: there is something to upgrade, 2 refused or failed
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "upgrade",
        help="bring a data folder of an earlier release up to date",
        description="Bring registry and alerts to this release's tables, and make snapshot and read model anew where "
        "another release wrote them, after a checked backup.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, nargs="?", default=default_data(), metavar="DATA", help="the data folder")
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--check", action="store_true", help="only say what is of another release")
    work.add_argument("--backup", type=Path, metavar="DIR", help="the folder of the backups")
    parser.add_argument(
        "--accept-time", choices=("wall", "log"), default="", help="as of `lionrock serve`, after a long stop"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check or upgrade: 0, OUTDATED, or FAILED with one line of error."""
    config, place = Config(data=str(args.data)), None
    with readable_errors("upgrade", args):
        try:
            if args.check:
                changes = outdated(config)
            else:
                compile_engine()
                with shown_progress() as progress:
                    done = upgrade(config, args.backup, args.accept_time, progress)
                changes, place = done.changes, str(done.backup.folder) if done.backup else None
        except host.JournalError as error:
            raise ValueError(str(error)) from None
    if args.json:
        print(json.dumps({"changes": changes, "backup": place, "upgraded": bool(place)}))
    else:
        rows = [("to upgrade" if args.check else "upgraded", change) for change in changes]
        print_facts([*(rows or [("up to date", str(args.data))]), *([("backup", place)] if place else [])])
    return OUTDATED if args.check and changes else 0
