"""`lionrock verify`: whether a journal and its snapshots are, byte for byte, what was written."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from engine import host
from gateway.commands.common import print_facts, reason_of, whole
from gateway.commands.verify_audit import EVERY, Audit, Auditor, FailedCheckError, narrow
from gateway.config import Config

DAMAGED = 1
"""Exit code when a byte was changed."""
UNREADABLE = 2
"""Exit code when there is no journal, or another release wrote it."""
BROKEN = 3
"""Exit code when the log leads to a state in which an invariant does not hold."""
MAX_EVERY = 1_000_000_000

_EXAMPLES = """examples:
  lionrock verify data
  lionrock verify data/journal --json
  lionrock verify data --replay
  lionrock verify --audit data
  lionrock verify --audit data --every 1000 --json

--audit applies the log, checks every invariant of the engine after every N commands and at the end, and names the
first command after which one does not hold. It never writes; a copy of the folder does as well.
exit codes: 0 everything is whole, 1 damaged or torn, 2 no journal that this release can read, 3 an invariant fails
"""


Rows = Any
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
    tip: int | None = None
    digest: str = ""
    first_bad_file: str = ""
    first_bad_byte: int | None = None
    torn: bool = False
    problem: str = ""
    audit: Audit | None = None


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
    parser.add_argument("--audit", action="store_true", help="also apply the log and check every invariant on the way")
    parser.add_argument(
        "--every",
        type=whole(1, MAX_EVERY),
        metavar="N",
        help=f"with --audit: check after so many commands (default: {EVERY})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check as the arguments say: 0, DAMAGED, UNREADABLE or BROKEN."""
    folder = args.directory
    if args.every is not None and not args.audit:
        print("lionrock verify: --every: says how often --audit checks; add --audit or leave it out", file=sys.stderr)
        return UNREADABLE
    if not host.holds_journal(folder) and host.holds_journal(Config(data=str(folder)).journal):
        folder = Config(data=str(folder)).journal
    try:
        with _progress_bar() as progress:
            found = verify(folder, args.replay, progress, args.every or EVERY if args.audit else 0)
    except (host.JournalError, OSError) as error:
        print(f"lionrock verify: {reason_of(error, args)}", file=sys.stderr)
        return UNREADABLE
    if args.json:
        print(json.dumps(asdict(found)))
    else:
        _show(found)
    if found.problem:
        return DAMAGED
    if found.audit is not None and found.audit.sequence:
        print(f"lionrock verify: {_broken_line(found.audit)}", file=sys.stderr)
        return BROKEN
    return 0


def verify(
    directory: Path, replay: bool, progress: Callable[[int, int], None], audit_every: int = 0
) -> Verification:
    """Check a journal and its snapshots. JournalError when there is none that this release can read.

    `audit_every`: check all invariants after so many commands; 0: not at all.
    """
    found = Verification(str(directory))
    try:
        reader = host.JournalReader(directory)
        found.mode = reader.mode.name.lower()
        marks = _check_log(reader, replay, progress, found, audit_every)
        _check_snapshots(directory, marks, found)
        _check_tip(reader, found)
    except host.CorruptJournalError as error:
        found.problem, found.first_bad_file, found.first_bad_byte = str(error), str(error.path), error.offset
    except (host.SnapshotError, host.LossError) as error:
        found.problem = str(error)
    return found


def _check_log(
    reader: host.JournalReader,
    replay: bool,
    progress: Callable[[int, int], None],
    found: Verification,
    audit_every: int,
) -> dict[int, Mark]:
    """Read the log to its end, and apply it when asked; returns the chain and digest at each snapshot."""
    applied = _Applied(reader, audit_every) if replay or audit_every else None
    wanted = set(host.snapshot_seqs(reader.directory))
    marks: dict[int, Mark] = {}
    try:
        for commands in reader.batches():
            if applied is not None:
                applied.take(commands)
            if reader.last_seq in wanted:
                marks[reader.last_seq] = reader.position.chain, applied.digest() if applied else ""
            progress(reader.bytes_read, reader.bytes_total)
    finally:
        found.records, found.commands = reader.records_read, reader.last_seq
        found.bytes_checked, found.chain = reader.bytes_read, reader.position.chain.hex()
    if applied is not None:
        found.audit = applied.finish(reader.directory, progress)
        found.digest = applied.digest()
    if reader.torn is not None:
        found.torn, found.first_bad_file, found.first_bad_byte = True, str(reader.torn.path), reader.torn.offset
        found.problem = (
            f"{reader.torn.path}: a torn tail of {reader.torn.size_bytes} bytes at byte {reader.torn.offset}, "
            "never acknowledged; the next start cuts it"
        )
    return marks


class _Applied:
    """The log's commands applied, with audits when asked, until an invariant fails."""

    def __init__(self, reader: host.JournalReader, every: int) -> None:
        self._auditor = Auditor(host.Engine(host.create(reader.capacities, reader.mode)), every)
        self._broken: FailedCheckError | None = None

    def take(self, commands: Rows) -> None:
        """The next batch; nothing is applied any more once an invariant has failed."""
        if self._broken is None:
            try:
                self._auditor.feed(commands)
            except FailedCheckError as broken:
                self._broken = broken

    def digest(self) -> str:
        """The state's digest, empty once an invariant has failed."""
        return "" if self._broken else self._auditor.engine.digest()

    def finish(self, directory: Path, progress: Callable[[int, int], None]) -> Audit | None:
        """The audit's result, the first command after which an invariant fails found; None without an audit."""
        auditor = self._auditor
        if self._broken is None and auditor.every:
            try:
                auditor.check_last()
            except FailedCheckError as broken:
                self._broken = broken
        if self._broken is None and not auditor.every:
            return None
        audit = Audit(auditor.every, auditor.checks, held_until=auditor.held_until)
        if self._broken is not None:
            narrow(directory, audit, self._broken, progress)
        return audit


def _check_tip(reader: host.JournalReader, found: Verification) -> None:
    """Check that the journal, as it was when it was opened, is not shorter than its tip, and is the one of it."""
    damage = host.tip_damage(reader.directory)
    if damage:
        raise host.LossError(f"{damage}; restore it from a copy")
    found.tip = reader.tip.seq if reader.tip else None
    if not found.problem:
        reader.check_end()


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
        ("tip", "none" if found.tip is None else f"{found.tip:,}"),
        ("snapshots", ", ".join(f"{seq:,}" for seq in found.snapshots) or "none"),
    ]
    if found.digest:
        facts.append(("state digest", found.digest))
    if found.audit is not None:
        facts.append(("audit", f"{found.audit.checks:,} checks, one each {found.audit.every or EVERY:,} commands"))
    print(f"{found.journal}, {found.mode} mode")
    print_facts(facts)
    if found.audit is not None and found.audit.sequence:
        print(found.problem or "every byte is whole, but what the log leads to is not right")
    else:
        print(found.problem or "everything is whole")


def _broken_line(audit: Audit) -> str:
    """What fails first, for one line."""
    figures = f", {audit.figures}" if audit.figures else ""
    return (
        f"after command {audit.sequence:,} ({audit.command}): {audit.invariant}{figures}; all invariants hold after "
        f"{audit.held_until:,}. Keep this folder: the same commands lead here with this release on every machine"
    )
