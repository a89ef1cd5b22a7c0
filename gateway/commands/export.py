"""`lionrock export`: a recording or a venue's journal as files for the tools that researchers use."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engine import disk
from engine.host import JournalError, holds_journal
from engine.recordings.batches import Reader, contracts_of
from engine.recordings.out.export import FORMATS, MAX_LEVELS, WHAT, Export, Wanted
from engine.recordings.out.file_set import ExportError, FileSet
from engine.recordings.replay import Options, ReplayResult, prepare, replay
from engine.recordings.source import RecordingError, share_read
from gateway.audit_trail.export import paced
from gateway.commands.common import FAILED, compile_engine, progress_bar, reason_of, tell_lost, whole
from gateway.commands.replay import add_input_arguments, data_folder, open_reader
from gateway.config import Config
from gateway.venue.disk_space import beside_running

_EXAMPLES = """examples:
  lionrock export lionrock-data --to files --format parquet --daily
  lionrock export lionrock-data --to files --format parquet --what trades,depth --levels 20
  lionrock export LOBSTER_SampleFile_AMZN_2012-06-21_5.zip --to files --format parquet --option prices=decimal
  lionrock export lionrock-data --to files --format dbn --option fills=reduce
  lionrock export lionrock-data --to files --format tardis --daily
  lionrock export lionrock-data --to files --format hftbacktest --what orders
  (cd files && sha256sum --check *.CHECKSUM)

exit codes: 0 written, 2 it cannot be read or written, 3 written without orders that were refused for limits (0 with
--allow-refused)
"""


@dataclass(frozen=True)
class Exported:
    """The result of an export; `rows` by table, `files` without the checksums beside them."""

    folder: str
    format: str
    messages: int
    commands: int
    bad_lines: int
    rows: dict[str, int]
    files: list[str]
    size_bytes: int
    lost: dict[str, int]
    digest: str
    seconds: float


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write a recording or a venue's journal as files for other tools",
        description="Replay a recording, or the journal of a data folder, and write what happened in another format. "
        "A venue may run meanwhile: its folder is only read.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input_arguments(parser, "--input-format")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where the files go; made if missing")
    parser.add_argument("--format", dest="output_format", choices=FORMATS, required=True, help="of the files")
    parser.add_argument("--what", type=_names, default=(), metavar="A,B", help=f"any of {', '.join(WHAT)}")
    parser.add_argument(
        "--levels", type=whole(1, MAX_LEVELS), default=10, metavar="N", help="levels of depth (default 10)"
    )
    parser.add_argument("--daily", action="store_true", help="a file for each day, UTC, that begins with what rests")
    parser.add_argument("--option", action="append", type=_option, default=[], metavar="NAME=VALUE", help=_options())
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.set_defaults(run=run)


def _options() -> str:
    """The formats' own options, for the help."""
    told = [
        f"{name} {option}={'|'.join(values)}"
        for name, format in FORMATS.items()
        for option, values in format.options.items()
    ]
    return "; ".join(told) + "; the first is the default"


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, text.split(","))))
    for name in names:
        if name not in WHAT:
            raise argparse.ArgumentTypeError(f"{name[:40]!r} is none of {', '.join(WHAT)}")
    return names


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not NAME=VALUE")
    return name, value


def run(args: argparse.Namespace) -> int:
    """Export as the arguments say; 0, or 2 or 3 with one line that says why."""
    try:
        exported = _export(args)
    except (RecordingError, ExportError, JournalError, OSError, ValueError) as error:
        print(f"lionrock export: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(asdict(exported)))
    else:
        _show(exported)
    return tell_lost("export", args, exported.lost, exported.commands)


def _export(args: argparse.Namespace) -> Exported:
    wanted = Wanted(args.output_format, args.what, args.levels, args.daily, dict(args.option))
    wanted.tables()
    reader = open_reader(args)
    _check_folder(args)
    files = FileSet(args.to, disk.private if reader.is_log else None)
    try:
        with beside_running(Config(data=str(data_folder(args.path))), args.to) as pace:
            if pace is not None:
                files.wrap = partial(paced, pace=pace)
            export = Export(files, wanted, contracts_of(reader), reader.has_clock)
            result = _replayed(args, reader, export)
    except BaseException:
        files.abandon()
        raise
    return Exported(
        str(args.to), args.output_format, result.messages, result.commands, result.bad_lines, export.rows,
        files.names, files.size_bytes(), result.lost, result.digest, result.seconds,
    )  # fmt: skip


def _replayed(args: argparse.Namespace, reader: Reader, export: Export) -> ReplayResult:
    compile_engine()
    with progress_bar("messages", lambda: share_read(args.path)) as show_progress:
        until = {"until_message": args.until.message, "until_ns": args.until.time_ns}
        options = Options(**until, reports=export, progress=show_progress, compare=False)
        return replay(reader, prepare(reader), options)


def _check_folder(args: argparse.Namespace) -> None:
    """Refuse the data folder of a venue, and a journal's."""
    if Config(data=str(args.to)).registry.exists() or holds_journal(args.to):
        raise ExportError(f"--to {args.to}: the folder of a venue or of a journal; choose one of its own")


def _show(exported: Exported) -> None:
    print(f"{exported.messages:,} messages as {exported.commands:,} commands, state digest {exported.digest}")
    if exported.bad_lines:
        print(f"{exported.bad_lines:,} malformed lines left out")
    for what, rows in exported.rows.items():
        print(f"{what}: {rows:,} rows")
    if not exported.files:
        print("nothing to write: no file was made")
        return
    shown = ", ".join(exported.files[:5]) + (f" and {len(exported.files) - 5:,} more" if exported.files[5:] else "")
    print(f"{len(exported.files):,} files, {exported.size_bytes:,} bytes, in {exported.folder}: {shown}")
