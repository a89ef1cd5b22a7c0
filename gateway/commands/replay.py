"""`lionrock replay`: a recorded order stream through the engine."""

import argparse
import contextlib
import dataclasses
import json
import re
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.host import JournalError, holds_journal
from engine.recordings import FORMATS, OF_MANY_CONTRACTS, open_recording
from engine.recordings.batches import ContractSpec, Reader, Wanted, contracts_of, parse_contract
from engine.recordings.journals import JournalRecording
from engine.recordings.replay import Options, ReplayResult, prepare, replay
from engine.recordings.report_stream import ReportStream
from engine.recordings.source import RecordingError, share_read
from gateway.commands.common import FAILED, NoSecret, compile_engine, progress_bar, reason_of, tell_lost
from gateway.commands.pace import Pace
from gateway.config import Config
from gateway.registry.noted import listed_contracts

MAX_SHOWN_CONTRACTS = 20

_EXAMPLES = """examples:
  lionrock replay normal.bin.xz --reports reports.txt
  lionrock replay LOBSTER_SampleFile_AMZN_2012-06-21_5.zip --json
  lionrock replay 2015-05-01.log.xz --until 2015-05-01T02:00 --speed 60 --depth 5
  lionrock replay 01302020.NASDAQ_ITCH50.gz --symbols AAPL,MSFT --contract tick=0.01
  lionrock replay bzx-20240105.pitch.gz --symbols SPY --contract tick=0.01
  lionrock replay orders.csv --contract BTC_USD,tick=0.01,lot=0.001
  lionrock replay xnas-itch-20231114.mbo.dbn.zst --symbols AAPL,MSFT --from 2023-11-14T14:30 --to 2023-11-14T15:00
  lionrock replay lionrock-data --until 5000
  lionrock replay folder-of-daily-files --from 2023-11-14T14:30 --to 2023-11-16
  lionrock replay 2015-05-01.log.xz --watch --speed 60
  lionrock replay synthetic:1:200000 --plot picture.html
  lionrock replay synthetic:1:500000 --contract tick=0.01,lot=0.01 --accounts 200 --seed 7
  lionrock replay orders.csv --to ws://127.0.0.1:8765 --secret-file alice.key --speed 10

exit codes: 0 replayed, 2 it cannot be read or replayed, 3 replayed without orders that were refused for limits, such as
POSITION_LIMIT, QTY_TOO_LARGE, BAD_TICK, CAPACITY or a repeated order (0 with --allow-refused)
"""
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_NANOS = re.compile(r"(?<=\.\d{6})\d{1,3}", re.ASCII)
"""The digits behind microseconds, which datetime drops."""


@dataclass(frozen=True)
class Until:
    """Where to stop: after so many messages or at a time."""

    message: int | None = None
    time_ns: int | None = None


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "replay",
        help="replay a recorded order stream through the engine",
        description="Replay a recording: a file, plain or .gz, .xz, .zst or .zip; a LOBSTER zip; a data folder; "
        "a folder of daily files.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input_arguments(parser)
    parser.add_argument("--reports", type=Path, metavar="FILE", help="write the flash1 report stream")
    parser.add_argument("--speed", type=_speed, metavar="X", help="keep X times the recorded pace (default: no pace)")
    parser.add_argument("--watch", action="store_true", help="show the book meanwhile, at the recorded pace or --speed")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw what was recorded: a .png or an .html")
    parser.add_argument("--depth", type=_depth, default=10, metavar="N", help="levels of the final book (default 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--accounts", type=int, metavar="N", help="trade among N funded accounts, with everything on")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="with --accounts: who has and places what")
    parser.add_argument(
        "--to", action=_To, metavar="URL|T",
        help="send the orders to this venue, a connection for each key; a time is as --until",
    )  # fmt: skip
    parser.add_argument(
        "--secret-file", action="append", metavar="FILE",
        help="with --to: a key file (LIONROCK_SECRET_FILE, or LIONROCK_KEY and LIONROCK_SECRET); several for several",
    )  # fmt: skip
    parser.add_argument("--key", action="append", metavar="ID", help="with --to: the key of a file with a secret alone")
    parser.add_argument("--secret", action=NoSecret)
    parser.add_argument(
        "--instrument", default="", metavar="NAME",
        help="with --to, --watch and --plot: the contract (default: the first)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def add_input_arguments(
    parser: argparse.ArgumentParser, format_flag: str = "--format", until_flags: tuple[str, ...] = ("--until",)
) -> None:
    """The arguments that say what to read, shared with `convert` and `export`."""
    parser.add_argument("path", type=Path, metavar="PATH", help="the recording")
    parser.add_argument(
        format_flag, dest="format", choices=("auto", *FORMATS), default="auto", help="default: by its first bytes"
    )
    parser.add_argument(
        "--contract", action="append", default=[], metavar="SPEC",
        help="NAME,tick=0.01,lot=0.001,max_price_ticks=N; of many contracts, once for each that is meant",
    )  # fmt: skip
    parser.add_argument("--symbols", default="", metavar="A,B", help="of many contracts, these alone")
    parser.add_argument(
        "--from", dest="since", type=_time, default=0, metavar="T",
        help="begin at a time (UTC); the book of that time enters first",
    )  # fmt: skip
    parser.add_argument("--book", type=Path, metavar="FILE", help="the recorded book, when it is a file of its own")
    parser.add_argument("--trades", type=Path, metavar="FILE", help="trades beside Tardis' or Binance's book")
    parser.add_argument(
        *until_flags, type=_until, default=Until(), metavar="T|N", help="stop after N messages, or at a time (UTC)"
    )
    parser.add_argument("--skip-bad", action="store_true", help="count malformed lines and go on")
    parser.add_argument(
        "--allow-refused", action="store_true", help="end with 0 though orders were refused for limits (else 3)"
    )


class _To(argparse.Action):
    """`--to URL` names a venue; with a time or a count it is `--until`, beside `--from`."""

    def __call__(self, parser: Any, namespace: Any, value: Any, option: Any = None) -> None:
        if "://" in value:
            namespace.to = value
            return
        try:
            namespace.until = _until(value)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, f"no URL of a venue such as ws://127.0.0.1:8765, and {error}") from None


def run(args: argparse.Namespace) -> int:
    """Replay as the arguments say; 0, or 2 or 3 with one line that says why."""
    try:
        _check_together(args)
        if args.to:
            from gateway.commands import replay_to  # here and below, so that a plain replay does not wait for it

            return replay_to.run(args, open_reader(args))
        if args.plot:
            from engine.recordings.drawing import check_drawable

            check_drawable(args.plot)
        with contextlib.ExitStack() as stack:
            reports = stack.enter_context(args.reports.open("wb")) if args.reports else None
            reader = open_reader(args)
            result = _replay(args, reader, ReportStream(reports) if reports else None)
        if args.plot:
            _plot(args)
    except (RecordingError, JournalError, OSError, ValueError) as error:
        print(f"lionrock replay: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(result.as_json()))
    else:
        show(result, (contracts_of(reader) or [reader.contract])[0])
    return tell_lost("replay", args, result.lost, result.commands)


def _check_together(args: argparse.Namespace) -> None:
    """ValueError for options that do not go together."""
    shows = "--watch" if args.watch else "--plot" if args.plot else ""
    elsewhere = "--to" if args.to else "--accounts" if args.accounts is not None else ""
    if shows and elsewhere:
        raise ValueError(f"{shows}: it shows the recording's own market; leave it out with {elsewhere}")
    if args.to and args.reports:
        raise ValueError("--reports: a venue's reports are not the recording's; leave it out with --to")
    if args.to and args.accounts is not None:
        raise ValueError("--accounts: a venue has its own accounts; leave it out with --to")
    if args.watch and args.json:
        raise ValueError("--watch: it is for a person who looks; leave it out with --json")


def open_reader(args: argparse.Namespace) -> Reader:
    """The recording that the arguments name, with its contract as they say."""
    journal = Path(Config(data=str(args.path)).journal)
    path = journal if not holds_journal(args.path) and holds_journal(journal) else args.path
    symbols = frozenset(filter(None, args.symbols.split(",")))
    wanted = Wanted(symbols, args.since, tuple(args.contract), args.trades)
    reader = open_recording(path, args.format, args.book, args.skip_bad, wanted)
    if isinstance(reader, JournalRecording):
        reader.contracts = named_contracts(data_folder(args.path), args.contract)
    elif reader.format not in OF_MANY_CONTRACTS:
        for text in args.contract:
            reader.contract = parse_contract(text, reader.contract)
    return reader


def data_folder(path: Path) -> Path:
    """The data folder that a path names, or the journal in it; of any other path the folder that it lies in."""
    return path if Path(Config(data=str(path)).journal).is_dir() else path.absolute().parent


def named_contracts(folder: Path, texts: Sequence[str] = ()) -> list[ContractSpec]:
    """A journal's contracts by slot, as the registry beside it names them; each `--contract` is about the next slot."""
    specs: list[ContractSpec] = []
    registry = Config(data=str(folder)).registry
    if registry.exists():
        try:
            listed = listed_contracts(registry)
        except sqlite3.Error as error:
            remedy = "restore the data folder from a backup, or copy its journal alone to another folder"
            raise ValueError(f"{registry}: the contracts cannot be read: {error}; {remedy}") from None
        for slot, name, tick, lot in listed:
            specs += [ContractSpec(f"C{missing}") for missing in range(len(specs), slot)]
            specs.append(ContractSpec(name, tick, lot))
    for slot, text in enumerate(texts):
        specs[slot : slot + 1] = [parse_contract(text, specs[slot] if slot < len(specs) else ContractSpec(f"C{slot}"))]
    return specs


def _replay(args: argparse.Namespace, reader: Reader, reports: ReportStream | None) -> ReplayResult:
    compile_engine()
    options = Options(
        until_message=args.until.message,
        until_ns=args.until.time_ns,
        reports=reports,
        pace=Pace(args.speed) if args.speed else None,
        levels=args.depth,
    )
    if args.watch:
        from gateway.commands.replay_watch import Watch

        runner = prepare(reader)
        watch = Watch(reader, runner, Pace(args.speed or 1), args.depth, args.instrument)
        watch.reports = reports
        with watch.on(Console()):
            return replay(reader, runner, dataclasses.replace(options, pace=watch, reports=watch))
    with progress_bar("messages", lambda: share_read(args.path)) as show_progress:
        options = dataclasses.replace(options, progress=show_progress)
        if args.accounts is not None:
            from engine.recordings.funded_replay import replay_funded

            return replay_funded(reader, args.accounts, args.seed, options)
        return replay(reader, prepare(reader), options)


def _plot(args: argparse.Namespace) -> None:
    """Read the recording again for its picture: checked or not, it is the same."""
    from engine.recordings.drawing import draw
    from engine.recordings.pictures import gather

    with progress_bar("messages drawn", lambda: share_read(args.path)) as show_progress:
        reader = open_reader(args)
        picture = gather(reader, args.instrument, args.until.message, args.until.time_ns, show_progress)
    draw(picture, args.plot)


def show(result: ReplayResult, spec: ContractSpec) -> None:
    """Print a summary for a person."""
    console = Console(highlight=False)
    console.print(_summary(result, spec))
    if result.differences:
        console.print("first differences from the recorded book:")
        for difference in result.differences:
            console.print(f"  {difference}")
    if result.execution_differences:
        console.print("first differences from the recorded executions:")
        for difference in result.execution_differences:
            console.print(f"  {difference}")
    if len(result.contracts) > 1 and result.book_rows_checked is not None:
        console.print(_contracts_table(result))
    console.print(_depth_table(result, spec))
    console.print(f"state digest {result.digest}", soft_wrap=True)


def _summary(result: ReplayResult, spec: ContractSpec) -> Table:
    table = Table(title=f"{result.contract}, {result.format}", show_header=False, title_justify="left")
    table.add_row("messages", f"{result.messages:,} as {result.commands:,} commands")
    table.add_row("rate", f"{_rate(result.messages, result.seconds)}; {result.seconds:.3f} s in all")
    table.add_row("in the engine", f"{_rate(result.commands, result.engine_seconds)}; {result.engine_seconds:.3f} s")
    table.add_row("trades", f"{result.trades:,}")
    if len(result.contracts) < 2:  # lots of different contracts have no sum
        table.add_row("volume", f"{_amount(result.volume_lots, spec.lot)}")
    for name, count in result.ignored.items():
        table.add_row(name, f"{count:,}")
    for reason, count in sorted(result.rejects.items(), key=lambda item: -item[1]):
        table.add_row(f"refused {reason}", f"{count:,}")
    if result.repeated:
        table.add_row("repeated orders", f"{result.repeated:,}")
    if type(result) is not ReplayResult:
        _add_funded(table, result)
    if result.bad_lines:
        table.add_row("malformed lines left out", f"{result.bad_lines:,}")
    if result.times_out_of_order:
        table.add_row("times out of order", f"{result.times_out_of_order:,}; the engine's clock does not go back")
    if result.book_rows_checked is not None:
        table.add_row("book rows equal", _share(result.book_rows_equal or 0, result.book_rows_checked))
        if result.book_rows_one_event_off:
            table.add_row("book rows one event early or late", f"{result.book_rows_one_event_off:,}")
        table.add_row("executions as recorded", _share(result.executions_as_recorded or 0, result.executions or 0))
    return table


def _add_funded(table: Table, result: ReplayResult) -> None:
    """The rows of a replay among funded accounts."""
    from engine.recordings.funded_replay import FundedResult

    if isinstance(result, FundedResult):
        table.add_row("accounts, seed", f"{result.accounts:,}, {result.seed}")
        table.add_row("liquidations", f"{result.liquidations:,}; {result.deleveraged:,} trades by deleveraging")
        table.add_row("funding", f"{result.funding_payments:,} payments, {_units(result.funding_micros)} paid")
        table.add_row("fees", _units(result.fees_micros))
        table.add_row("change of the insurance fund", _units(result.fund_change_micros))


def _contracts_table(result: ReplayResult) -> Table:
    shown = list(result.contracts.items())[:MAX_SHOWN_CONTRACTS]
    more = f"; the first {len(shown)}, --json has all" if len(shown) < len(result.contracts) else ""
    table = Table(title=f"{len(result.contracts)} contracts{more}", title_justify="left")
    for heading in ("contract", "book rows equal", "executions as recorded"):
        table.add_column(heading)
    for name, each in shown:
        rows = _share(each.book_rows_equal, each.book_rows_checked)
        table.add_row(name, rows, _share(each.executions_as_recorded, each.executions))
    return table


def _depth_table(result: ReplayResult, spec: ContractSpec) -> Table:
    title = f"final depth of {spec.name}" if len(result.contracts) > 1 else "final depth"
    table = Table(title=title, title_justify="left")
    for heading in ("bid quantity", "bid", "ask", "ask quantity"):
        table.add_column(heading, justify="right")
    bids, asks = result.depth
    for level in range(max(len(bids), len(asks))):
        bid = _level(bids[level], spec) if level < len(bids) else ("", "")
        ask = _level(asks[level], spec) if level < len(asks) else ("", "")
        table.add_row(bid[1], bid[0], *ask)
    return table


def _level(level: tuple[int, int], spec: ContractSpec) -> tuple[str, str]:
    return _amount(level[0], spec.tick), _amount(level[1], spec.lot)


def _amount(units: int, unit: str) -> str:
    return f"{units * Decimal(unit):,f}"


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}/s" if seconds else "no time measured"


def _units(micros: int) -> str:
    return f"{Decimal(micros) / 1_000_000:,.2f}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" + (f" ({100 * part / whole:.3f} %)" if whole else "")


def _until(text: str) -> Until:
    if _COUNT.fullmatch(text):
        return Until(message=int(text))
    return Until(time_ns=_time(text, "neither a count of messages nor"))


def _time(text: str, is_not: str = "not") -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is {is_not} a time like 2015-05-01T02:00") from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    nanos = _NANOS.search(text)
    return int(when.timestamp() * 1_000_000) * 1000 + (int(nanos[0].ljust(3, "0")) if nanos else 0)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a factor above 0, such as 1 or 60")
    return speed


def _depth(text: str) -> int:
    if not _COUNT.fullmatch(text) or not 0 < int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of levels within 1 to 10000")
    return int(text)
