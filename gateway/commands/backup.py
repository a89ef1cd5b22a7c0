"""`lionrock backup`: a checked copy of a data folder, beside a running venue or of a stopped one."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from engine import host
from gateway.commands.common import default_data, print_facts, readable_errors, when
from gateway.commands.restore import shown_progress
from gateway.config import Config
from gateway.venue.backup import Choice, Taken, take

_EXAMPLES = """examples:
  lionrock backup lionrock-data --to /mnt/backup/lionrock
  lionrock backup lionrock-data --to /mnt/backup/lionrock --without-vault
  lionrock backup lionrock-data --to /mnt/backup/lionrock --quick --json

The venue may run: it is not asked and does not wait. Each backup is a folder of its own, named by time and sequence.
Segments, archives and snapshots that the backup before it has are shared with it (hard links), after they were
compared with their hashes; so each backup is whole, and may be removed with `rm -r`. A backup has everybody's data:
keep it as safe as the data folder. Run it as the user that the venue runs as.
exit codes: 0 the copy is whole and was checked, 2 refused or failed: no backup was made
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "backup",
        help="copy the data folder of a running venue, and check the copy",
        description="Copy journal, archives, snapshots, registry, history and logs, as they belong together, and check "
        "the copy: every file is read back, and the log is held against tip, snapshots and registry.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, nargs="?", default=default_data(), metavar="DATA", help="the data folder")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder of the backups")
    parser.add_argument("--without-vault", action="store_true", help="leave vault.key out: keep a copy elsewhere")
    parser.add_argument("--without-history", action="store_true", help="leave history.db out: a start makes it again")
    parser.add_argument("--quick", action="store_true", help="read the copied log from its oldest snapshot on only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take a backup: 0, or FAILED with one line of error."""
    config, begun = Config(data=str(args.data)), time.monotonic()
    choice = Choice(args.without_vault, args.without_history, args.quick)
    with readable_errors("backup", args):
        try:
            with shown_progress() as progress:
                taken = take(config, args.to, choice, progress)
        except host.JournalError as error:
            raise ValueError(str(error)) from None
    facts = _facts(taken) | {"seconds": round(time.monotonic() - begun, 3)}
    if args.json:
        print(json.dumps(facts))
    else:
        _show(facts)
    return 0


def _facts(taken: Taken) -> dict[str, Any]:
    manifest = taken.manifest
    return {
        "backup": str(taken.folder), "sequence": manifest.sequence, "log_time_ns": manifest.log_time_ns,
        "files": len(manifest.files), "bytes": manifest.size_bytes, "shared_bytes": taken.linked_bytes,
        "checked_from": taken.checked_from, "left_out": manifest.left_out,
        "missing_segments": manifest.missing_segments,
    }  # fmt: skip


def _show(facts: dict[str, Any]) -> None:
    rows = [
        ("backup", facts["backup"]),
        ("sequence", f"{facts['sequence']:,}, {when(facts['log_time_ns']) or 'no command'}"),
        ("files", f"{facts['files']}, {facts['bytes']:,} bytes, {facts['shared_bytes']:,} of them shared"),
        ("checked", f"every file, the log from sequence {facts['checked_from'] + 1:,} on"),
        ("left out", ", ".join(facts["left_out"]) or "nothing"),
    ]
    if facts["missing_segments"]:
        rows.append(("not there", f"{len(facts['missing_segments'])} segments were archived elsewhere"))
    print_facts([*rows, ("seconds", str(facts["seconds"]))])
