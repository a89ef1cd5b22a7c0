"""`lionrock archive`: old journal segments, compressed, listed, checked, moved to other storage."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import disk, host
from gateway.commands.common import FAILED, print_facts, print_table, progress_bar, reason_of, whole
from gateway.config import Config
from gateway.venue.disk_space import beside_running

DAMAGED = 1
"""Exit code when an archive is missing or is not what was written."""
_EXAMPLES = """examples:
  lionrock archive lionrock-data
  lionrock archive lionrock-data --keep 4
  lionrock archive lionrock-data --list
  lionrock archive lionrock-data --verify --json
  lionrock archive lionrock-data --to /mnt/cold/lionrock

A segment may be archived once all of its commands lie before the older of the two kept snapshots; a running venue does
it by itself (settings archive_after_segments, snapshot_commands). Nothing is lost when this command is ended.
A start never reads archives. `verify`, `audit`, `explain`, `funding audit` and alerts from the journal do, from the
folder archive; what was moved with --to is copied back there first, under the same names.
exit codes: 0 done, 1 an archive is missing or damaged, 2 refused or failed
"""
Progress = Callable[[int, int], None]


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "archive",
        help="compress old journal segments, list them, check them, move them",
        description="Compress the journal segments that no start needs, beside a running venue or a stopped one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="data folder, or the journal's folder in it")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--list", action="store_true", help="where each segment is, and what it holds")
    choice.add_argument("--verify", action="store_true", help="read every archive whole and follow the hash chain")
    choice.add_argument("--to", type=Path, metavar="FOLDER", help="move the archives there, each read back first")
    parser.add_argument(
        "--keep", type=whole(0, 1 << 30), default=0, metavar="N",
        help="leave the latest so many of these segments as they are (default: 0)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what is asked: 0, DAMAGED, or FAILED with one line of error."""
    journal = args.directory
    if not host.holds_journal(journal):
        journal = Config(data=str(args.directory)).journal
    work = _list if args.list else _verify if args.verify else _move if args.to else _archive
    try:
        if not host.holds_journal(journal):
            raise ValueError(f"{args.directory}: no journal there; name the data folder of a venue")
        with progress_bar("segments") as progress:
            facts = work(journal, args, progress)
    except (host.JournalError, OSError, ValueError) as error:
        print(f"lionrock archive: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(facts))
    else:
        _show(facts)
    for problem in facts.get("problems", []):
        print(f"lionrock archive: {problem}", file=sys.stderr)
    return DAMAGED if facts.get("problems") else 0


def _archive(journal: Path, args: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Archive what no start needs."""
    with host.retention.retention_lock(journal):
        kept = host.retention.sound_snapshots(journal)
        if len(kept) < host.retention.KEPT_SNAPSHOTS:
            raise ValueError(
                f"{journal}: {len(kept)} sound snapshots, two are needed before a segment may leave; a venue writes "
                "one after snapshot_commands, and one when it stops"
            )
        numbers, done = host.retention.retired(journal, kept[-1], args.keep), []
        with beside_running(Config(data=str(journal.parent)), journal) as pace:
            for place, number in enumerate(numbers):
                done.append(host.retention.archive_segment(journal, number, pace))
                progress(place + 1, len(numbers))
    return {
        "archived": [archive.number for archive in done],
        "segment_bytes": sum(archive.segment_bytes for archive in done),
        "archive_bytes": sum(archive.size_bytes for archive in done),
        "folder": str(host.archive.archive_folder(journal)), "needed_from": kept[-1] + 1,
    }  # fmt: skip


def _list(journal: Path, args: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Where each segment is."""
    segments, folder = host.retention.segments_of(journal), host.archive.archive_folder(journal)
    rows: list[dict[str, Any]] = []
    for number in range(1, segments.last + 1):
        if number >= segments.first:
            header, path = segments.header(number), segments.path(number)
            last_seq = segments.header(number + 1).first_seq - 1 if number < segments.last else None
            row = {"first_seq": header.first_seq, "last_seq": last_seq, "bytes": disk.size_bytes(path), "in": "journal"}
        elif number in host.archive.archived_numbers(folder):
            found = host.archive.read_archive_header(host.archive.archive_path(folder, number))
            row = {"first_seq": found.segment.first_seq, "last_seq": found.last_seq, "bytes": found.segment_bytes}
            row |= {"in": "archive", "archive_bytes": found.size_bytes}
        else:
            row = {"first_seq": None, "last_seq": None, "bytes": None, "in": "nowhere"}
        rows.append({"segment": number} | row)
    return {"segments": rows, "folder": str(folder)}


def _verify(journal: Path, args: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Read every archive whole; each has to lead to the next, the last one to the journal's first segment."""
    segments, folder = host.retention.segments_of(journal), host.archive.archive_folder(journal)
    following, problems, checked = segments.any_header, list[str](), 0
    for number in range(segments.first - 1, 0, -1):
        path = host.archive.archive_path(folder, number)
        progress(segments.first - number, segments.first - 1)
        if not disk.current().is_there(path):
            problems.append(f"{path}: missing; put it back, or restore it from a copy")
            break
        try:
            following = host.archive.check_archive(path, following).segment
            checked += 1
        except host.CorruptJournalError as error:
            problems.append(str(error))
            break
    return {"checked": checked, "archived": segments.first - 1, "folder": str(folder), "problems": problems}


def _move(journal: Path, args: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Copy each archive elsewhere, read the copy back, and only then take it away here."""
    folder, using = host.archive.archive_folder(journal), disk.current()
    numbers = host.archive.archived_numbers(folder)
    with host.retention.retention_lock(journal):
        using.make_folder(args.to)
        if args.to.resolve() == folder.resolve():
            raise ValueError(f"--to {args.to}: the archives are there already; name another folder")
        with beside_running(Config(data=str(journal.parent)), args.to) as pace:
            for place, number in enumerate(numbers):
                source = host.archive.archive_path(folder, number)
                copy = host.archive.archive_path(args.to, number)
                disk.write_atomically(copy, [disk.map_file(source)], pace)
                host.archive.check_archive(copy)
                disk.remove(source, pace)
                using.sync_folder(folder)
                progress(place + 1, len(numbers))
    return {"moved": numbers, "to": str(args.to), "folder": str(folder)}


def _show(facts: dict[str, Any]) -> None:
    """Print the result for a person."""
    if "segments" in facts:
        names = ["segment", "first_seq", "last_seq", "in", "bytes", "archive_bytes"]
        cells = [["" if row.get(name) is None else str(row[name]) for name in names] for row in facts["segments"]]
        print_table(names, cells, f"segments; archive: {facts['folder']}", right=set(names) - {"in"})
        return
    lines = [(name.replace("_", " "), _words(value)) for name, value in facts.items() if name != "problems"]
    print_facts(lines)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)}: {value[0]} to {value[-1]}" if value else "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
