"""`lionrock restore`: a data folder made of a backup, checked before it is there."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from engine import host
from gateway.commands.common import print_facts, readable_errors, when
from gateway.config import Config
from gateway.venue import restore
from gateway.venue.backup_check import Progress as Shown

_EXAMPLES = """examples:
  lionrock restore /mnt/backup/lionrock --to lionrock-data
  lionrock restore /mnt/backup/lionrock/20270102T030405000000Z-81234 --to lionrock-data --vault vault.key
  lionrock restore /mnt/backup/lionrock --check --json

The folder of backups means the newest of them. A start on the restored folder goes on from the sequence that is told:
what the venue did after it is not there. Never put files of another copy beside it: a start would refuse them.
exit codes: 0 restored, or whole, 2 refused or failed: nothing was changed
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "restore",
        help="make a data folder of a backup, or check one",
        description="Compare every file of a backup with its hash, hold its log against tip, snapshots and registry, "
        "and make a data folder of it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("backup", type=Path, metavar="DIR", help="a backup, or the folder of the backups")
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--to", type=Path, metavar="DATA", help="the data folder, which is missing or empty")
    work.add_argument("--check", action="store_true", help="only check the backup")
    parser.add_argument("--vault", type=Path, metavar="FILE", help="the vault.key, for a backup without it")
    parser.add_argument("--quick", action="store_true", help="read the log from its oldest snapshot on only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Restore or check: 0, or FAILED with one line of error."""
    with readable_errors("restore", args):
        if args.check and args.vault:
            raise ValueError("--vault: it belongs to --to; leave it out with --check")
        try:
            with shown_progress() as progress:
                folder = restore.chosen(args.backup)
                if args.check:
                    manifest, end = restore.check(folder, args.quick, progress)
                else:
                    manifest, end = restore.restore(folder, args.to, args.vault, args.quick, progress)
        except host.JournalError as error:
            raise ValueError(str(error)) from None
    has_vault = bool(args.vault) or any(file.path == Config().vault.name for file in manifest.files)
    facts = {
        "backup": str(folder), "data": str(args.to) if args.to else None, "sequence": manifest.sequence,
        "log_time_ns": manifest.log_time_ns, "taken_ns": manifest.taken_ns, "bytes": manifest.size_bytes,
        "checked_from": end.from_seq, "has_vault": has_vault, "missing_segments": manifest.missing_segments,
    }  # fmt: skip
    if args.json:
        print(json.dumps(facts))
    else:
        _show(facts)
    return 0


def _show(facts: dict[str, Any]) -> None:
    rows = [
        ("backup", f"{facts['backup']}, {facts['bytes']:,} bytes, whole"),
        ("sequence", f"{facts['sequence']:,}, {when(facts['log_time_ns']) or 'no command'}"),
        ("taken", when(facts["taken_ns"])),
        ("checked", f"every file, the log from sequence {facts['checked_from'] + 1:,} on"),
    ]
    if facts["missing_segments"]:
        rows.append(("not there", f"{len(facts['missing_segments'])} segments: put their archives into DATA/archive"))
    if not facts["has_vault"]:
        rows.append(("vault.key", "not in the backup: put it into the data folder before a start, or name it: --vault"))
    if facts["data"]:
        rows.append(("next", f"lionrock serve --data {facts['data']}"))
    print_facts(rows)


@contextmanager
def shown_progress() -> Iterator[Shown]:
    """A bar for each kind of work on stderr, when that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield show
