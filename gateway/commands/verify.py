"""`lionrock verify`: whether a journal and its snapshots are, byte for byte, what was written."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from engine import host
from gateway.commands.common import print_facts, reason_of
from gateway.config import Config

DAMAGED = 1
"""Exit code when a byte was changed."""
UNREADABLE = 2
"""Exit code when there is no journal, or another release wrote it."""

_EXAMPLES = """examples:
  lionrock verify data
  lionrock verify data/journal --json
  lionrock verify data --replay

exit codes: 0 everything is whole, 1 damaged or torn, 2 no journal that this release can read
"""


Mark = tuple[bytes, str]
"""The chain after a command, and the state's digest where it was computed."""


@dataclass
class Verification:
    """What a check found. `first_bad_byte` is an offset in `first_bad_file`; see `CorruptJournalError`."""

    journal: str
    mode: str = ""
    records: int = 0
    commands: int = 0
    bytes_checked: int = 0
    chain: str = ""
    snapshots: list[int] = field(default_factory=list)
    digest: str = ""
    first_bad_file: str = ""
    first_bad_byte: int | None = None
    torn: bool = False
    problem: str = ""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "verify",
        help="check a journal and its snapshots end to end",
        description="Check every record's checksum, the hash chain and the snapshots, and print the first bad byte.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="a journal's folder, or the data folder above it")
    parser.add_argument("--replay", action="store_true", help="also apply the log and compare each snapshot's digest")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check as the arguments say: 0, DAMAGED or UNREADABLE."""
    folder = args.directory
    if not host.holds_journal(folder) and host.holds_journal(Config(data=str(folder)).journal):
        folder = Config(data=str(folder)).journal
    try:
        with _progress_bar() as progress:
            found = verify(folder, args.replay, progress)
    except (host.JournalError, OSError) as error:
        print(f"lionrock verify: {reason_of(error, args)}", file=sys.stderr)
        return UNREADABLE
    if args.json:
        print(json.dumps(asdict(found)))
    else:
        _show(found)
    return DAMAGED if found.problem else 0


def verify(directory: Path, replay: bool, progress: Callable[[int, int], None]) -> Verification:
    """Check a journal and its snapshots. JournalError when there is none that this release can read."""
    found = Verification(str(directory))
    try:
        reader = host.JournalReader(directory)
        found.mode = reader.mode.name.lower()
        marks = _check_log(reader, replay, progress, found)
        _check_snapshots(directory, marks, found)
    except host.CorruptJournalError as error:
        found.problem, found.first_bad_file, found.first_bad_byte = str(error), str(error.path), error.offset
    except host.SnapshotError as error:
        found.problem = str(error)
    return found


def _check_log(
    reader: host.JournalReader, replay: bool, progress: Callable[[int, int], None], found: Verification
) -> dict[int, Mark]:
    """Read the log to its end, and apply it when asked; returns the chain and digest at each snapshot."""
    engine = host.Engine(host.create(reader.capacities, reader.mode)) if replay else None
    wanted = set(host.snapshot_seqs(reader.directory))
    marks: dict[int, Mark] = {}
    try:
        for commands in reader.batches():
            if engine is not None:
                engine.feed(commands, lambda commands, events: None)
            if reader.last_seq in wanted:
                marks[reader.last_seq] = reader.position.chain, engine.digest() if engine else ""
            progress(reader.bytes_read, reader.bytes_total)
    finally:
        found.records, found.commands = reader.records_read, reader.last_seq
        found.bytes_checked, found.chain = reader.bytes_read, reader.position.chain.hex()
    if engine is not None:
        found.digest = engine.digest()
    if reader.torn is not None:
        found.torn, found.first_bad_file, found.first_bad_byte = True, str(reader.torn.path), reader.torn.offset
        found.problem = (
            f"{reader.torn.path}: a torn tail of {reader.torn.size_bytes} bytes at byte {reader.torn.offset}, "
            "never acknowledged; the next start cuts it"
        )
    return marks


def _check_snapshots(directory: Path, marks: dict[int, Mark], found: Verification) -> None:
    """Check each snapshot's bytes, and that the log leads to it."""
    for snapshot in host.snapshots(directory):
        found.snapshots.append(snapshot.seq)
        chain, digest = marks.get(snapshot.seq, (b"", ""))
        if chain != snapshot.chain:
            raise host.SnapshotError(f"{snapshot.path}: the journal does not lead to this snapshot; delete it")
        if digest and digest != snapshot.digest.hex():
            raise host.SnapshotError(f"{snapshot.path}: not the state that the log leads to; delete it")


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr when that is a terminal; its function takes (bytes done, bytes in all)."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("journal", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _show(found: Verification) -> None:
    """Print the result for a person."""
    facts = [
        ("commands", f"{found.commands:,} in {found.records:,} records, {found.bytes_checked:,} bytes"),
        ("chain", found.chain),
        ("snapshots", ", ".join(f"{seq:,}" for seq in found.snapshots) or "none"),
    ]
    if found.digest:
        facts.append(("state digest", found.digest))
    print(f"{found.journal}, {found.mode} mode")
    print_facts(facts)
    print(found.problem or "everything is whole")
