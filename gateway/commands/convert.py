"""`lionrock convert`: any readable recording as a journal."""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.host import JournalError, holds_journal
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import RecordingError, share_read
from gateway.commands.common import FAILED, compile_engine, left_as_found, progress_bar, reason_of, tell_lost
from gateway.commands.replay import add_input_arguments, open_reader
from gateway.config import Config

_EXAMPLES = """examples:
  lionrock convert normal.bin.xz journal
  lionrock convert orders.csv journal --until 100000 && lionrock replay journal

exit codes: 0 written, 2 it cannot be read or written, 3 written without orders that were refused for limits (0 with
--allow-refused)
"""


@dataclass(frozen=True)
class Converted:
    """The result of a conversion: `seq` is the journal's last, the commands that open the market included."""

    journal: str
    messages: int
    commands: int
    bad_lines: int
    lost: dict[str, int]
    seq: int
    digest: str


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "convert",
        help="write a recorded order stream as a journal",
        description="Run a recording through the engine with a journal; replaying that gives the same digest.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input_arguments(parser, until_flags=("--until", "--to"))
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="folder for the journal; it must hold none yet")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert as the arguments say; 0, or 2 or 3 with one line that says why."""
    try:
        converted = _convert(args)
    except (RecordingError, JournalError, OSError, ValueError) as error:
        print(f"lionrock convert: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(vars(converted)))
    else:
        _show(converted)
    return tell_lost("convert", args, converted.lost, converted.commands)


def _show(converted: Converted) -> None:
    print(f"{converted.messages:,} messages as {converted.commands:,} commands in {converted.journal}")
    if converted.bad_lines:
        print(f"{converted.bad_lines:,} malformed lines left out")
    print(f"last sequence {converted.seq:,}, state digest {converted.digest}")


def _check_folder(folder: Path) -> None:
    """Refuse the data folder of a venue, and the journal's place inside one."""
    for place in (folder, folder.absolute().parent):
        venue = Config(data=str(place))
        if venue.registry.exists() or (place == folder and venue.journal.exists()):
            raise ValueError(f"{folder}: {place} is the data folder of a venue; choose a folder of its own")


def _convert(args: argparse.Namespace) -> Converted:
    _check_folder(args.journal)
    reader = open_reader(args)
    compile_engine()
    if args.journal.is_dir() and holds_journal(args.journal):
        raise JournalError(f"{args.journal}: holds a journal already; choose another folder")
    with left_as_found(args.journal, "journal-*", "lock"):
        runner = prepare(reader, args.journal)
        try:
            with progress_bar("messages", lambda: share_read(args.path)) as show_progress:
                until = {"until_message": args.until.message, "until_ns": args.until.time_ns}
                result = replay(reader, runner, Options(**until, progress=show_progress, compare=False))
        finally:
            runner.engine.close()
    folder, seq = str(args.journal), runner.engine.last_seq
    return Converted(folder, result.messages, result.commands, result.bad_lines, result.lost, seq, result.digest)
