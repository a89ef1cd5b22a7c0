"""`lionrock audit`: every decision with the figures it was made on, from the journal alone."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.host import JournalError
from gateway import clock
from gateway.audit_trail import export
from gateway.audit_trail.admission_ladder import when
from gateway.audit_trail.journal_follower import journal_of
from gateway.audit_trail.linked_blocks import last_chain, linked
from gateway.audit_trail.order_story import Step, story, story_at
from gateway.audit_trail.proofs import read_proof
from gateway.audit_trail.queue_priority import check_queues
from gateway.audit_trail.records import FOREVER_NS, Scope
from gateway.audit_trail.seals import NotSealedError, read_public_key
from gateway.audit_trail.venue_files import check_beside
from gateway.audit_trail.verify_export import Against, Checked, check
from gateway.audit_trail.whole_trail import trail_of
from gateway.commands import audit_seals
from gateway.commands.audit_seals import progress_of
from gateway.commands.common import FAILED, MAX_ID, account_slot, default_data, end_of_day_ns, reason_of, whole
from gateway.commands.noting import note_read
from gateway.commands.officer import OFFICER_VARIABLE
from gateway.config import Config
from gateway.registry.registry import RegistryError
from gateway.venue.disk_space import beside_running
from gateway.wire.civil_dates import start_ns

DIFFERENT = 1
"""Exit code when a file was changed, or differs from the journal."""
EARLIER = 3
"""Exit code when an export is whole, but the journal holds more of what it covers after its end."""
_UNPROVEN = (
    "  in itself only: whoever made the file could have left records out or changed them and computed the chain anew;\n"
    "  --journal compares it with the log, --proof with --public-key with a sealed day"
)
_GOES_ON = "decisions are of what it covers; export again to have them, or give --to"
_EXAMPLES = """examples:
  lionrock audit export data --format csv --output trail.csv
  lionrock audit export data --account alice --from 2026-03-02 --to 2026-03-31 --output alice.parquet
  lionrock audit verify trail.csv --journal data
  lionrock audit verify --journal data --public-key seal.key.pub
  lionrock audit verify alice.csv --proof alice-2026-11-26.json --public-key seal.key.pub
  lionrock audit seal --make-key seal.key
  lionrock audit seal data --key seal.key
  lionrock audit prove data --account alice --day 2026-11-26 --output alice-2026-11-26.json
  lionrock audit explain 4194305
  lionrock audit explain 77 --account alice --data data
  lionrock audit explain 120344 --sequence

The trail is made from the journal by replay: exporting twice gives the same bytes, and a running exchange is not held
up. A date is a day in Hong Kong; a time such as 2026-03-02T10:00+08:00 is taken as it stands, without offset as UTC.
exit codes: 0 done and whole, 1 not what was written, 2 refused, 3 whole, but the journal holds more behind its end
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "audit",
        help="export, check and explain decisions",
        description="Every decision with the figures it was made on, hash-chained, from the journal alone.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_export(actions)
    _add_verify(actions)
    _add_explain(actions)
    audit_seals.add_parsers(actions)


def _add_export(actions: Any) -> None:
    parser = actions.add_parser("export", help="write the trail", epilog=_EXAMPLES.split("\n\n")[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("data", nargs="?", type=Path, default=default_data(), metavar="DATA",
                        help="a data folder or a journal's folder (default: %(default)s)")  # fmt: skip
    parser.add_argument("--account", metavar="A", help="one account, by number or name (default: all)")
    parser.add_argument("--from", dest="from_ns", type=_from_ns, default=0, metavar="T", help="first day or instant")
    parser.add_argument("--to", dest="to_ns", type=_to_ns, default=FOREVER_NS, metavar="T",
                        help="last day, or the instant after the last")  # fmt: skip
    parser.add_argument("--with-index", action="store_true", help="also each index price that was taken (many)")
    parser.add_argument("--with-gateway", action="store_true",
                        help="also the account's refusals and logins; without --account always")  # fmt: skip
    parser.add_argument("--as", dest="officer", metavar="FILE", default=os.environ.get(OFFICER_VARIABLE, ""),
                        help=f"an officer's key file: who exports is noted (default: ${OFFICER_VARIABLE})")  # fmt: skip
    parser.add_argument("--format", choices=export.FORMATS, help="default: as the output's name says, else jsonl")
    parser.add_argument("--output", type=Path, metavar="F", help="file to write (default: standard output)")
    parser.add_argument("--json", action="store_true", help="print one JSON object about the file; needs --output")
    parser.set_defaults(action=_export)


def _add_verify(actions: Any) -> None:
    parser = actions.add_parser("verify", help="recompute the chain of an export")
    parser.add_argument("path", nargs="?", type=Path, metavar="FILE|DIR", help="an export, or a folder of exports")
    parser.add_argument("--journal", type=Path, metavar="DIR", help="make each export again from this journal, check "
                        "that clients came first, and check the registry beside it")  # fmt: skip
    parser.add_argument("--proof", dest="proofs", action="append", type=Path, default=[], metavar="FILE",
                        help="an account's sealed day, from lionrock audit prove; again for further days")  # fmt: skip
    parser.add_argument("--public-key", type=Path, metavar="FILE", help="the seals' public key, for --proof")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.set_defaults(action=_verify)


def _add_explain(actions: Any) -> None:
    parser = actions.add_parser("explain", help="an order's decisions row by row, and its life")
    parser.add_argument("order", type=whole(1, MAX_ID), metavar="ORDER",
                        help="the venue's order id; with --account the cl_ord_id")  # fmt: skip
    parser.add_argument("--account", metavar="A", help="number or name; its latest order of that cl_ord_id is meant")
    parser.add_argument("--sequence", action="store_true", help="ORDER is the sequence of a command in the log")
    parser.add_argument("--data", type=Path, default=default_data(), metavar="DIR",
                        help="a data folder or a journal's folder (default: %(default)s)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.set_defaults(action=_explain)


def run(args: argparse.Namespace) -> int:
    """Act as the arguments say: 0, DIFFERENT, or FAILED with one line of error."""
    try:
        return int(args.action(args))
    except (JournalError, RegistryError, OSError, ValueError) as error:
        print(f"lionrock audit: {reason_of(error, args)}", file=sys.stderr)
        return DIFFERENT if isinstance(error, NotSealedError) else FAILED


def _instant_ns(text: str) -> int | None:
    """A time of day as ns; None when the text is a date alone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: say 2026-03-02 or 2026-03-02T10:00+08:00") from None
    if len(text) <= len("2026-03-02"):
        return None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000) * 1000


def _from_ns(text: str) -> int:
    at_ns = _instant_ns(text)
    if at_ns is not None:
        return at_ns
    return start_ns(datetime.fromisoformat(text).date())


def _to_ns(text: str) -> int:
    at_ns = _instant_ns(text)
    return end_of_day_ns(text) if at_ns is None else at_ns


def _export(args: argparse.Namespace) -> int:
    kind = args.format or (export.format_of(args.output) if args.output else "jsonl")
    if args.output is None and (args.json or kind == "parquet"):
        raise ValueError("--output: name the file to write")
    if args.output is not None and export.format_of(args.output) != kind:
        raise ValueError(f"--output {args.output}: a {kind} file's name ends in .{kind}")
    account = -1 if args.account is None else account_slot(args.data, args.account)
    if args.from_ns >= args.to_ns:
        raise ValueError("--to: it is not after --from")
    journal = journal_of(args.data)
    has_log = Config(data=str(journal.parent)).gateway_log.is_dir()
    with_gateway = has_log and (args.with_gateway or account < 0)
    scope = Scope(account, args.from_ns, args.to_ns, args.with_index, with_gateway)
    note_read(args.data, "audit export", _about(args), args.officer)
    with progress_of("journal") as progress:
        found = trail_of(journal, scope, progress)
        items = linked(found.items, found.note, kind)
        if args.output is None:
            export.write_to(items, sys.stdout.buffer, kind)
            return 0
        last = ""

        def noted() -> Iterator[Any]:
            nonlocal last
            for item in items:
                last = last_chain(item)
                yield item

        with beside_running(Config(data=str(journal.parent)), args.output.parent) as pace:
            count = export.write(noted(), args.output, kind, pace)
    if args.json:
        print(json.dumps({"file": str(args.output), "format": kind, "records": count, "chain": last}))
    else:
        print(f"{args.output}: {count:,} records, chain {last}")
    return 0


def _about(args: argparse.Namespace) -> str:
    """What an export is about, for the record."""
    return "all accounts" if args.account is None else f"account={args.account}"


def _verify(args: argparse.Namespace) -> int:
    """Check exports, and with --journal also what lies beside the journal."""
    if args.path is None and args.journal is None:
        raise ValueError("FILE|DIR: name an export, or --journal DATA to check the venue's own files")
    paths = _exports_of(args.path)
    if bool(args.proofs) != bool(args.public_key) and (args.proofs or args.journal is None):
        raise ValueError("--proof and --public-key: give both or neither; the key is what makes a proof one")
    journal = journal_of(args.journal) if args.journal else None
    key = read_public_key(args.public_key) if args.public_key else None
    against = Against(journal, tuple(map(read_proof, args.proofs)), key)
    with progress_of("journal") as progress:
        found = [check(path, against, progress) for path in paths]
        queues = [check_queues(journal, progress)] if journal else []
        beside = check_beside(journal, key, clock.wall_ns(), progress) if journal else []
    if args.json:
        print(json.dumps([*map(asdict, found), *map(asdict, queues), *map(asdict, beside)]))
    else:
        lines = [*map(_verdict, found), *(rule.verdict() for rule in queues)]
        for part in beside:
            lines += [f"{part.what}: {problem}" for problem in part.problems] or [f"{part.what}: {part.summary}"]
        print("\n".join(lines))
    problems = [*(item.problem for item in found), *(rule.problem for rule in queues)]
    if any(problems) or any(part.problems for part in beside):
        return DIFFERENT
    return EARLIER if any(item.later for item in found) else 0


def _exports_of(path: Path | None) -> list[Path]:
    if path is None or not path.is_dir():
        return [path] if path else []
    paths = sorted(file for file in path.iterdir() if file.suffix[1:] in export.FORMATS)
    if not paths:
        raise ValueError(f"{path}: holds no .csv, .jsonl or .parquet file")
    return paths


def _verdict(found: Checked) -> str:
    """What a check has shown, and what it could not show."""
    if found.problem:
        return found.problem
    whole = f"{found.file}: {found.records:,} records are whole, chain {found.chain}"
    whole += "".join(f"\n  proved: {what}" for what in found.proved)
    if not found.journal:
        return whole if found.proved else f"{whole}\n{_UNPROVEN}"
    whole += f"\n  as {found.journal} gives them up to sequence {found.last_seq:,}"
    return f"{whole}\n  the journal goes on: {found.later:,} further {_GOES_ON}" if found.later else whole


def _explain(args: argparse.Namespace) -> int:
    journal = journal_of(args.data)
    if args.sequence:
        steps = story_at(journal, args.order)
    elif args.account is None:
        steps = story(journal, args.order)
    else:
        steps = story(journal, 0, account_slot(args.data, args.account), args.order)
    if args.json:
        print(json.dumps([step.as_dict() for step in steps]))
        return 0
    console = Console(highlight=False)
    for step in steps:
        _show(console, step)
    return 0


def _show(console: Console, step: Step) -> None:
    """One step of an order's history for a person, with the ladder of a decision."""
    record = step.record
    console.print(f"[bold]{when(record['time_ns'])}[/] sequence {record['seq']:,}: {_line(record)}", soft_wrap=True)
    if not step.ladder:
        return
    table = Table(title="admission ladder", title_justify="left")
    for name in ("row", "check", "outcome", "figures"):
        table.add_column(name, no_wrap=name == "check")
    for rung in step.ladder:
        outcome = f"{rung.outcome}: {rung.reason}" if rung.reason else rung.outcome
        table.add_row(str(rung.row), rung.check, outcome, rung.figures)
    console.print(table)


def _line(record: dict[str, Any]) -> str:
    """A record in one line."""
    words = [f"{record['command']} {record['outcome']}"] if record["record"] != "event" else [record["command"]]
    words += [record[name] for name in ("reason", "side", "ord_type", "tif") if record.get(name, "0") != "0"]
    names = (
        "account_slot", "contract_slot", "person", "key", "order_id", "qty_lots", "price_ticks", "last_lots",
        "leaves_lots", "trade_id", "fee_micros", "code", "old_value", "new_value", "actor", "approver", "reason_number",
        "reference",
    )  # fmt: skip
    return " ".join(words) + ": " + ", ".join(f"{name} {record[name]}" for name in names if record.get(name))
