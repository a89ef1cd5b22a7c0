"""`lionrock alerts`: the alerts of surveillance and their reviews."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from gateway import clock
from gateway import config as settings
from gateway.audit_trail.journal_follower import journal_of
from gateway.commands import officer
from gateway.commands.common import (
    MAX_ID,
    Names,
    add_data_argument,
    open_registry,
    progress_bar,
    readable_errors,
    when,
    whole,
)
from gateway.commands.noting import note_read
from gateway.surveillance.from_journal import alerts_of, clients_of
from gateway.surveillance.store import STATES, AlertError, AlertStore, Filed, Review, file_of, filed
from gateway.wire.plain_text import plain

_EXAMPLES = """examples:
  lionrock alerts list --state open
  lionrock alerts show 7
  lionrock alerts review 7 --state dismissed --note "two desks, no common interest" --as ann.key
  lionrock alerts list --replay lionrock-data --config lionrock.toml --json

--replay runs the rules over a journal and files nothing; their parameters are the [surveillance] table of --config, and
what officers decided from its place in the log on.
An alert is a question to a person, not a finding: every review names its reviewer and says why, and stays.
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "alerts",
        help="what surveillance has noticed, and reviews of it",
        description="List, show and review the alerts of surveillance.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="list|show|review")
    listing = actions.add_parser("list", help="alerts in the order of filing")
    listing.add_argument("--state", choices=STATES, default="", help="only these")
    listing.add_argument("--rule", default="", metavar="NAME", help="only of this rule")
    shown = actions.add_parser("show", help="one alert with its evidence and reviews")
    for action in (listing, shown):
        action.add_argument("--replay", type=Path, metavar="JOURNAL", help="of this journal instead of the filed ones")
        action.add_argument("--config", metavar="FILE", help="TOML file with the [surveillance] table, for --replay")
        add_data_argument(action)
    review = actions.add_parser("review", help="say what became of an alert")
    review.add_argument("--state", choices=STATES[1:], required=True, help="what became of it")
    review.add_argument("--note", required=True, metavar="TEXT", help="why")
    review.add_argument("--reviewer", default="", metavar="NAME", help="who; an officer with --as is named by the key")
    officer.add_officer_arguments(review)
    for action in (shown, review):
        action.add_argument("number", type=whole(1, MAX_ID), help="the alert's number")
    listing.set_defaults(action=_list)
    shown.set_defaults(action=_show)
    review.set_defaults(action=_review)


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; 0, or one line of error and 2."""
    with readable_errors("alerts"):
        return int(args.action(args))


@contextmanager
def _store(data: str) -> Iterator[AlertStore]:
    path = file_of(Path(data))
    if not path.exists() and not settings.Config(data=data).registry.exists():
        raise AlertError(f"--data: {data} is no data folder of a venue; name one")
    store = AlertStore(path if path.exists() else None)
    try:
        yield store
    finally:
        store.close()


def _replayed(args: argparse.Namespace) -> list[Filed]:
    """The alerts of a journal, numbered in their order."""
    parameters = settings.load(args.config, {}, {}).surveillance
    clients: dict[int, int] = {}
    if settings.Config(data=str(args.replay)).registry.exists():
        with open_registry(str(args.replay)) as registry:
            clients = clients_of(registry)
    with progress_bar("bytes of the journal") as progress:
        found = alerts_of(journal_of(args.replay), parameters, clients, progress)
    return [filed(number, alert) for number, alert in enumerate(found, 1)]


def _list(args: argparse.Namespace) -> int:
    if args.replay:
        found = [row for row in _replayed(args) if args.rule in ("", row.rule) and args.state in ("", row.state)]
    else:
        note_read(args.data, "alerts list", f"state={args.state or 'all'}")
        with _store(args.data) as store:
            found = store.alerts(args.state, args.rule)
    if args.json:
        print(json.dumps([asdict(item) for item in found]))
        return 0
    console, names = Console(highlight=False, soft_wrap=True), Names(args.replay or Path(args.data))
    for item in found:
        console.print(_headline(item, names))
    if not found:
        console.print("no alerts")
    return 0


def _headline(item: Filed, names: Names) -> str:
    accounts = ", ".join(map(names.account, item.accounts)) or "none"
    what = escape(f"contract {names.contract(item.contract_slot)}, accounts {accounts}: {item.text}")
    return f"[bold]{item.number}[/] {when(item.time_ns)} {item.rule}, {item.state}: {what}"


def _show(args: argparse.Namespace) -> int:
    reviews: list[Review] = []
    if args.replay:
        item = next((row for row in _replayed(args) if row.number == args.number), None)
        if item is None:
            raise AlertError(f"alert {args.number}: the journal gives no such alert; `lionrock alerts list` shows them")
    else:
        note_read(args.data, "alerts show", f"number={args.number}")
        with _store(args.data) as store:
            item, reviews = store.alert(args.number), store.reviews(args.number)
    if args.json:
        print(json.dumps(asdict(item) | {"reviews": [asdict(review) for review in reviews]}))
        return 0
    _tell(item, reviews, Names(args.replay or Path(args.data)))
    return 0


def _tell(item: Filed, reviews: list[Review], names: Names) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(_headline(item, names))
    figures = ", ".join(f"{name} {value}" for name, value in item.evidence["figures"].items())
    console.print(f"figures: {figures or 'none'}")
    console.print(f"sequences {item.first_seq} to {item.last_seq}: {', '.join(map(str, item.evidence['seqs']))}")
    console.print(f"orders: {', '.join(map(str, item.evidence['order_ids'])) or 'none'}")
    console.print("`lionrock audit explain ORDER` tells an order's story.")
    for review in reviews:
        console.print(escape(plain(f"{when(review.time_ns)} {review.reviewer}: {review.state}, {review.note}")))


def _review(args: argparse.Namespace) -> int:
    """The reviewer: the officer of the key; before there are officers, the name that was given."""
    with open_registry(args.data) as registry, _store(args.data) as store:
        key = officer.acting_officer(registry, args)
        reviewer = args.reviewer
        if key is not None:
            if not key.is_officers:
                raise AlertError("--as: a review needs a key with the scope compliance or admin")
            reviewer = registry.person_name(key.person)
        item = store.review(args.number, Review(args.state, reviewer, args.note, clock.wall_ns()))
    if args.json:
        print(json.dumps(asdict(item)))
    else:
        print(f"alert {item.number} is {item.state}, by {item.reviewer}")
    return 0
