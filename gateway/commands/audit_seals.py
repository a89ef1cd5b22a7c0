"""`lionrock audit seal` and `lionrock audit prove`: a day's seal, and what an outsider holds an export against."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from engine import disk
from gateway import clock
from gateway.audit_trail import proofs, seals
from gateway.audit_trail.journal_follower import journal_of
from gateway.audit_trail.venue_files import seals_folder
from gateway.commands.common import account_slot, default_data

_SEAL_EXAMPLES = """examples:
  lionrock audit seal --make-key /media/seal/seal.key
  lionrock audit seal data --key /media/seal/seal.key
  lionrock audit seal data --key /media/seal/seal.key --day 2026-11-26

The key is not the venue's: keep it where the venue's host cannot read it, and give its public half, FILE.pub, to those
who check. Without --day every day that is over and has no seal is sealed. A day that has its seal is worked out again.
Publish the seals, or their hashes: then nobody can replace a day later. A day is one of Hong Kong.
exit codes: 0 sealed, 1 the journal is not what was sealed before, 2 refused
"""
_PROVE_EXAMPLES = """examples:
  lionrock audit prove data --account alice --day 2026-11-26 --output alice-2026-11-26.json
  lionrock audit verify alice.csv --proof alice-2026-11-26.json --public-key seal.key.pub

The proof says how many records the account has that day and what they are. An account without any gets a proof of that.
"""


def add_parsers(actions: Any) -> None:
    """Add both actions."""
    raw = argparse.RawDescriptionHelpFormatter
    seal = actions.add_parser("seal", help="sign a day that is over", epilog=_SEAL_EXAMPLES, formatter_class=raw)
    prove = actions.add_parser("prove", help="an account's sealed day, for an outsider", epilog=_PROVE_EXAMPLES,
                               formatter_class=raw)  # fmt: skip
    for parser in (seal, prove):
        parser.add_argument("data", nargs="?", type=Path, default=default_data(), metavar="DATA",
                            help="a data folder or a journal's folder (default: %(default)s)")  # fmt: skip
        parser.add_argument("--seals", type=Path, metavar="DIR", help="folder of the seals (default: DATA/seals)")
        parser.add_argument("--json", action="store_true", help="print JSON")
    seal.add_argument("--make-key", type=Path, metavar="FILE", help="only make a key: FILE and its public FILE.pub")
    seal.add_argument("--key", type=Path, metavar="FILE", help="the private key to sign with")
    seal.add_argument("--day", type=_day, metavar="DATE", help="no day after this one")
    prove.add_argument("--account", required=True, metavar="A", help="the account, by number or name")
    prove.add_argument("--day", type=_day, required=True, metavar="DATE", help="the day")
    prove.add_argument("--output", type=Path, required=True, metavar="F", help="file to write")
    seal.set_defaults(action=_seal)
    prove.set_defaults(action=_prove)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-11-26") from None


def folder_of(journal: Path, given: Path | None) -> Path:
    """The folder of a journal's seals."""
    return given if given is not None else seals_folder(journal)


def _seal(args: argparse.Namespace) -> int:
    if args.make_key:
        return _make_key(args)
    if args.key is None:
        raise ValueError("--key: name the private key to sign with; --make-key FILE makes one")
    journal = journal_of(args.data)
    if args.key.resolve().is_relative_to(journal.parent.resolve()):
        raise ValueError(
            f"--key {args.key}: it lies in the venue's data folder; keep it where the venue cannot read it"
        )
    key = seals.read_key(args.key)
    with progress_of("journal") as progress:
        made = seals.seal_days(journal, folder_of(journal, args.seals), key, clock.wall_ns(), args.day, progress)
    if args.json:
        rows = [(item, msgspec.to_builtins(item.seal.facts)) for item in made]
        told = [{"file": str(item.path), "is_new": item.is_new, "hash": item.seal.hash} | row for item, row in rows]
        print(json.dumps(told))
        return 0
    for item in made:
        facts = item.seal.facts
        what = "sealed" if item.is_new else "sealed before, and the same now"
        print(f"{facts.day}: {what}: {facts.records:,} records of {facts.accounts:,} accounts, seal {item.seal.hash}")
    if not made:
        print("every day that is over has its seal")
    return 0


def _make_key(args: argparse.Namespace) -> int:
    public_path = seals.make_key(args.make_key)
    if args.json:
        print(json.dumps({"key": str(args.make_key), "public_key": str(public_path)}))
    else:
        print(f"{args.make_key}: the private key, for sealing alone; keep it apart from the venue")
        print(f"{public_path}: the public key, for everybody who checks")
    return 0


def _prove(args: argparse.Namespace) -> int:
    journal = journal_of(args.data)
    account = account_slot(args.data, args.account)
    with progress_of("journal") as progress:
        proof = proofs.prove(journal, folder_of(journal, args.seals), account, args.day, progress)
    disk.write_atomically(args.output, [msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n"])
    count = next((place.count for place in proof.leaves if place.account == account), 0)
    if args.json:
        print(json.dumps({"file": str(args.output), "account": account, "day": str(args.day), "records": count}))
    else:
        print(f"{args.output}: {count:,} records of account {account} on {args.day}, under seal {proof.seal.hash}")
    return 0


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr when that is a terminal; its function takes (bytes done, bytes in all)."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
