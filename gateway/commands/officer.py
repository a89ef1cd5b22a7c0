"""What the operator's commands share: who acts, and whether that needs an officer.

Until officers are named, the venue is being set up and its host may do everything. From then on every command that
changes something needs --as FILE, an officer's key file, and a second person approves as in the protocol.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import msgspec

from gateway import clock
from gateway.commands.common import add_data_argument
from gateway.config import Config
from gateway.office.changes import KINDS
from gateway.office.proposals import Change, Office
from gateway.registry import authentication
from gateway.registry.private_files import write_private
from gateway.registry.registry import Key, Registry, RegistryError

OFFICER_VARIABLE = "LIONROCK_OFFICER"


def add_officer_arguments(parser: argparse.ArgumentParser) -> None:
    """--as, --reason, --data and --json."""
    parser.add_argument(
        "--as",
        dest="officer",
        metavar="FILE",
        default=os.environ.get(OFFICER_VARIABLE, ""),
        help=f"an officer's key file, once officers are named (default: ${OFFICER_VARIABLE})",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept with the change")
    add_data_argument(parser)


def officer_key(registry: Registry, args: argparse.Namespace) -> Key:
    """The key in the file, proved by its secret; a name would prove nothing."""
    if not args.officer:
        raise RegistryError(f"--as: give an officer's key file, or set {OFFICER_VARIABLE}")
    try:
        data = json.loads(Path(args.officer).read_text())
        key_id, secret = str(data["id"]), str(data["secret"])
    except OSError as error:
        text = (error.strerror or "").lower()
        raise RegistryError(f"--as: {args.officer}: {text}; give an officer's key file that you may read") from None
    except (ValueError, KeyError, TypeError):
        raise RegistryError(f"--as: {args.officer} is not a key file with id and secret") from None
    return authentication.prove(registry, authentication.Vault(Path(Config(data=args.data).vault)), key_id, secret)


def acting_officer(registry: Registry, args: argparse.Namespace) -> Key | None:
    """The officer who acts; None while the venue has none yet."""
    return officer_key(registry, args) if registry.is_governed or args.officer else None


def submit(registry: Registry, args: argparse.Namespace, officer: Key, kind: str, /, **fields: Any) -> Change:
    """Ask for a change as an officer; the parameters are checked as in the protocol."""
    if not args.reason:
        raise RegistryError("--reason: it is missing; say why, for the record")
    try:
        params = msgspec.convert({**fields, "reason": args.reason}, KINDS[kind].params)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        raise RegistryError(f"{place.rstrip('`') or 'arguments'}: {text.replace('`', '')}") from None
    return Office(registry).submit(kind, params, officer, clock.wall_ns())


def row(registry: Registry, change: Change) -> dict[str, object]:
    """A change in one line: its result if the venue has answered, else where to see it."""
    office, state = Office(registry), state_of(registry, change)
    what = ""
    if state == "proposed":
        what = f"wait for a second person: lionrock admin approve {change.number} --as FILE"
    elif state == "refused":
        what = f"the venue refused it: {office.refusals(change.number)}"
    elif office.waits_for_engine(change.number):
        what = f"the venue has yet to carry it out: lionrock admin show {change.number} tells how it ended"
    return {"number": change.number, "change": change.kind, "state": state, "next": what}


def state_of(registry: Registry, change: Change) -> str:
    """A change's state for people: the officers' decision, or 'refused' once the engine refused any part of it."""
    return "refused" if Office(registry).refusals(change.number) else change.state


def write_key_file(path: str, new: authentication.NewKey) -> None:
    """Write a key file that only its owner can read; an existing file is not changed."""
    write_private(path, json.dumps({"id": new.id, "secret": new.secret}).encode() + b"\n")
