"""`lionrock admin`: name the officers, ask for changes, decide on proposals, read a client's file."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from rich.console import Console

from engine.codes import NIL
from gateway import clock
from gateway.commands import listed_arguments, officer, outcomes
from gateway.commands.common import MAX_ID, left_as_found, open_registry, readable_errors, show, when, whole
from gateway.commands.identity_input import HELP, add_identity_argument, sealed_identity, vault_of
from gateway.commands.noting import note_read
from gateway.commands.outcomes import frozen_words
from gateway.office.changes import KINDS, Kind
from gateway.office.client_records import client_file
from gateway.office.lapse_list import lapses
from gateway.office.officer_params import plain_type
from gateway.office.outcomes import Outcome
from gateway.office.proposals import Office
from gateway.office.unrecorded import Withdrawn, withdraw_unrecorded
from gateway.registry import authentication, identities
from gateway.registry.registry import KeyOrder, Registry, RegistryError
from gateway.wire.plain_text import plain

_EXAMPLES = """examples:
  lionrock admin init --officer "Ann Lee" ann.key ann.identity --officer "Ben Wong" ben.key ben.identity
  lionrock admin record-evidence --client alice --investor individual --as ann.key --reason "opened"
      --item document=custodian_statement date=2026-10-31 date_means=issued hash=statement.pdf asset=mixed
      amount=9000000
  lionrock admin template record-evidence
  lionrock admin list-changes --as ben.key
  lionrock admin approve 12 --as ben.key
  lionrock admin kill-switch --target account --name alice --is-on true --as ann.key --reason "runaway orders"
  lionrock admin client alice --as ann.key --json

changes:
{changes}

A change that loosens anything, or moves prices or money, becomes a proposal that another person approves; one that
tightens acts at once. The answer comes when a running venue has carried the change out, with its sequence in the log
and, for a kill switch, how many orders it cancelled. When no venue runs, the change waits for the next start.
`lionrock admin CHANGE --help` lists what a change takes. Exit codes: 0; 2 for an error, or when the venue refused it.
"""
_READS, _ABOUT = ("list-changes", "show", "client", "lapses"), ("client", "number", "state", "days")
"""What is noted in the gateway's log, and the arguments that say what it is about."""
_QUESTIONS = ("init", "list-changes", "show", "approve", "reject", "client", "lapses", "template")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    names = {name.replace("_", "-"): kind for name, kind in KINDS.items()}
    text = "\n".join(f"  {name:24}{kind.summary}" for name, kind in names.items())
    parser = subparsers.add_parser(
        "admin",
        help="officers, clients' evidence, limits, restrictions, money: with four eyes",
        description="Name the officers of a venue, ask for changes, decide on proposals, read a client's file.",
        epilog=_EXAMPLES.format(changes=text).replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="|".join([*_QUESTIONS, "CHANGE"]))
    _add_questions(actions)
    for name, kind in names.items():
        _add_change(actions, name, kind)
    parser.set_defaults(run=run)


class _Officer(argparse.Action):
    """NAME FILE [IDENTITY_FILE], several times."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if len(values) not in (2, 3):
            parser.error(f"{option_string}: give NAME FILE [IDENTITY_FILE]; {len(values)} words are not that")
        name, file, *identity = values
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or []), (name, file, *(identity or [""]))])


def _add_questions(actions: Any) -> None:
    init = actions.add_parser("init", help="the first-run ceremony: name two officers and make their keys")
    init.add_argument(
        "--officer", dest="officers", nargs="+", action=_Officer, required=True, metavar=("NAME", "FILE"),
        help=f"a person, the file to write the key to, and who the person is: {HELP}; two persons or more",
    )  # fmt: skip
    listing = actions.add_parser("list-changes", help="proposals that wait, or changes in another state")
    states = ("proposed", "approved", "rejected", "expired", "done", "refused", "all")
    listing.add_argument("--state", choices=states, default="proposed", help="only these (default: proposed)")
    listing.add_argument("--count", type=whole(1, 1_000_000), default=100, help="the latest so many (default: 100)")
    shown = actions.add_parser("show", help="one change with everything that is known of it")
    approve = actions.add_parser("approve", help="carry out a proposal, as another person than who proposed it")
    reject = actions.add_parser("reject", help="end a proposal")
    shown.add_argument("number", type=whole(1, MAX_ID), help="the change's number")
    for action in (approve, reject):
        action.add_argument("numbers", type=whole(1, MAX_ID), nargs="+", metavar="NUMBER", help="the proposals")
        action.add_argument("--note", default="", metavar="TEXT", help="a remark to be kept")
    record = actions.add_parser("client", help="a client's file")
    record.add_argument("client", help="the client's name")
    lapsing = actions.add_parser("lapses", help="what lapses soon, or has lapsed")
    lapsing.add_argument("--days", type=whole(0, 10_000), default=60, help="within so many days (default: 60)")
    printing = actions.add_parser("template", help="the CSV file that a change with several documents takes")
    lists = sorted(name.replace("_", "-") for name, kind in KINDS.items() if _lists(kind))
    printing.add_argument("change", choices=lists, help="the change")
    for action in (init, listing, shown, approve, reject, record, lapsing):
        officer.add_officer_arguments(action)


def _add_change(actions: Any, name: str, kind: Kind) -> None:
    parser = actions.add_parser(name, help=kind.summary.replace("%", "%%"), description=kind.summary)
    for field in msgspec.structs.fields(kind.params):
        if field.name == "reason":
            continue
        if field.name == "identity":
            add_identity_argument(parser)
            continue
        hint, text = plain_type(field.type)
        listed = listed_arguments.item_type(hint)
        if listed is not None:
            listed_arguments.add_list(parser, field.name, listed, text)
            continue
        choices = get_args(hint) if get_origin(hint) is Literal else None
        if field.name.endswith("_hash"):
            text += ", or a file to take it of"
        if field.name == "text":
            text += ": a file in UTF-8"
        parser.add_argument(
            "--" + field.name.replace("_", "-"), dest=field.name, required=field.required, choices=choices,
            type=_reader(field.name, hint),
            metavar=None if choices else _METAVARS.get(hint, "TEXT"), help=text.replace("%", "%%"),
        )  # fmt: skip
    officer.add_officer_arguments(parser)


def _yes_or_no(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}: say true or false")
    return text == "true"


def _text_of(path: str) -> str:
    """What is in a file, unchanged, so that its SHA-256 is that of the text."""
    try:
        return Path(path).read_bytes().decode()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path!r}: {error.strerror}; name a file with the text") from None
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f"{path!r} is not UTF-8; save it so") from None


def _reader(name: str, hint: Any) -> Callable[[str], Any]:
    if name.endswith("_hash"):
        return listed_arguments.hash_of
    return _text_of if name == "text" else _READERS.get(hint, str)


def _lists(kind: Kind) -> dict[str, type[msgspec.Struct]]:
    """The parameters of a change that are lists, and what they list."""
    hints = {field.name: plain_type(field.type)[0] for field in msgspec.structs.fields(kind.params)}
    found = {name: listed_arguments.item_type(hint) for name, hint in hints.items()}
    return {name: item for name, item in found.items() if item is not None}


_READERS: dict[Any, Callable[[str], Any]] = {bool: _yes_or_no, int: int}
_METAVARS = {bool: "true|false", int: "NUMBER"}


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; 0, or one line of error and 2."""
    if args.action == "template":
        for item in _lists(KINDS[args.change.replace("-", "_")]).values():
            print(listed_arguments.template(item), end="")
        return 0
    with readable_errors("admin"), open_registry(args.data, makes=args.action == "init") as registry:
        if args.action == "init":
            return _init(registry, args)
        if args.action in _ANSWERS:
            key = officer.acting_officer(registry, args)
            if args.action in _READS:
                about = " ".join(f"{name}={getattr(args, name)}" for name in _ABOUT if hasattr(args, name))
                note_read(args.data, f"admin {args.action}", about, key=key)
            return _ANSWERS[args.action](registry, args)
        kind = args.action.replace("-", "_")
        fields = [field.name for field in msgspec.structs.fields(KINDS[kind].params)]
        names = [name for name in fields if name not in ("reason", "identity")]
        lists = {name: listed_arguments.read_list(args, name, item) for name, item in _lists(KINDS[kind]).items()}
        given = {name: value for name in names if (value := lists.get(name, getattr(args, name))) is not None}
        acting = officer.officer_key(registry, args)
        if kind == "bind_identity" or getattr(args, "identity_file", ""):
            given["identity"] = sealed_identity(args.identity_file, args.person, vault_of(registry, args.data))
        change = officer.submit(registry, args, acting, kind, **given)
        rows = [officer.row(registry, change, args.data)]
        outcomes.show_changes(rows, args.json)
    return officer.exit_code(rows)


def _init(registry: Registry, args: argparse.Namespace) -> int:
    """Name two or more officers, each with a new key. From then on only these keys decide, no older officer's key."""
    names = [name for name, _, _ in args.officers]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise RegistryError("--officer: name at least two different persons, each once")
    now_ns = clock.wall_ns()
    rows: list[dict[str, object]] = []
    with contextlib.ExitStack() as files, outcomes.written(registry) as span:
        registry.govern(now_ns)
        revoked = registry.revoke_officers(now_ns)
        for _, path, _ in args.officers:
            if Path(path).exists():
                raise RegistryError(f"--officer: the file {path} exists; name a new one for the key")
        vault = vault_of(registry, args.data)
        for name, path, identity_file in args.officers:
            new = authentication.new_hmac_key(vault)
            person = registry.person(name, now_ns)
            identities.bind(registry, person, sealed_identity(identity_file, name, vault), 0, now_ns)
            order = KeyOrder(new.id, NIL, person, "hmac", new.verifier, ("compliance", "admin"), "officer")
            registry.add_key(order, now_ns)
            files.enter_context(left_as_found(Path(path).parent, escape(Path(path).name)))
            officer.write_key_file(path, new)
            rows.append({"officer": name, "person": person, "key": new.id, "file": path})
        withdrawn = withdraw_unrecorded(registry, now_ns)
    for key in revoked:
        scopes, holder = " ".join(sorted(key.scopes)), registry.person_name(key.person)
        print(f"revoked: key {key.id} of {holder} ({scopes}), made before the officers were named", file=sys.stderr)
    _tell_withdrawn(withdrawn, outcomes.follow_span(registry, args.data, span), args.data)
    show(rows, args.json, "officers named; their keys are in the files and nowhere else")
    return 0


def _tell_withdrawn(withdrawn: Withdrawn, outcome: Outcome, folder: str) -> None:
    """Whose eligibility had no record behind it: how many, who, and what the venue made of it."""
    lost = (("the eligibility of", "account", withdrawn.accounts), ("the knowledge of", "person", withdrawn.persons))
    for what, kind, names in lost:
        if names:
            many = f"{len(names)} {kind}{'s' if len(names) > 1 else ''}: {', '.join(names)}"
            print(plain(f"withdrawn, as no record is behind it: {what} {many}"), file=sys.stderr)
    if outcome.directives:
        print(f"withdrawn: {outcomes.told(outcome, folder)}; evidence restores it, with two officers", file=sys.stderr)


def _list_changes(registry: Registry, args: argparse.Namespace) -> int:
    office, now_ns = Office(registry), clock.wall_ns()
    rows: list[dict[str, Any]] = [
        {
            "number": change.number,
            "change": change.kind,
            "state": officer.state_of(change, outcome),
            "refused": " ".join(reason.name for reason in outcome.refused) or None,
            "sequence": outcome.sequence,
            "waits_for_venue": outcome.waits,
            "by": registry.person_name(change.actor),
            "approver": registry.person_name(change.approver),
            "made": when(change.created_ns),
            "reason": change.reason,
            "frozen_clients": office.frozen_clients(change),
            "of": " ".join(f"{key}={_word(value)}" for key, value in given.items() if key not in _UNTOLD),
            "remarks": office.remarks(change, now_ns, is_listed=True),
        }
        for change in office.changes(args.state, args.count, now_ns)
        for given in [{key: value for key, value in change.params.items() if value is not None}]
        for outcome in [office.outcome(change.number)]
    ]
    if args.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            why = f" ({row['refused']})" if row["refused"] else ""
            if row["waits_for_venue"]:
                why = " (the venue has yet to carry it out)"
            told = plain("{change}  {of}  ({by}, {made}: {reason})".format(**row) + frozen_words(row["frozen_clients"]))
            print(f"{row['number']:5}  {row['state']}{why}  {told}")
            for remark in row["remarks"]:
                print(plain(f"       note: {remark}"))
        print(f"{len(rows)} changes")
    return 0


_UNTOLD = ("reason", "verifier", "identity", "text")
"""Parameters that are shown elsewhere in the line, or mean nothing to a person."""


def _word(value: object) -> str:
    """A parameter's value, quoted where it could be read as two; a list's items with their own values."""
    if isinstance(value, list):
        return "; ".join(f"[{_pairs_of(item)}]" for item in value)
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text else text


def _pairs_of(item: dict[str, Any]) -> str:
    return " ".join(f"{key}={_word(value)}" for key, value in item.items() if value is not None)


def _show(registry: Registry, args: argparse.Namespace) -> int:
    office, now_ns = Office(registry), clock.wall_ns()
    _print(office.described(office.change(args.number, now_ns), now_ns), args.json)
    return 0


def _decide(registry: Registry, args: argparse.Namespace) -> int:
    office, key, now_ns = Office(registry), officer.officer_key(registry, args), clock.wall_ns()
    decide = office.approve if args.action == "approve" else office.reject
    rows: list[dict[str, object]] = []
    try:
        for number in args.numbers:
            rows.append(officer.row(registry, decide(number, key, args.note, now_ns), args.data))
    finally:
        if rows:
            outcomes.show_changes(rows, args.json)
    return officer.exit_code(rows)


def _client(registry: Registry, args: argparse.Namespace) -> int:
    _print(client_file(registry, args.client, clock.wall_ns()), args.json)
    return 0


def _lapses(registry: Registry, args: argparse.Namespace) -> int:
    show(lapses(registry, args.days, clock.wall_ns()), args.json, "lapses")
    return 0


def _print(value: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(value))
    else:
        Console().print_json(json.dumps(value))


_ANSWERS: dict[str, Callable[[Registry, argparse.Namespace], int]] = {
    "list-changes": _list_changes,
    "show": _show,
    "approve": _decide,
    "reject": _decide,
    "client": _client,
    "lapses": _lapses,
}
