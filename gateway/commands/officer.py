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

from engine import disk
from gateway import clock
from gateway.commands import outcomes
from gateway.commands.common import FAILED, add_data_argument, key_in_json, warn_of_readers
from gateway.commands.listed_arguments import place_of
from gateway.config import Config
from gateway.office.changes import KINDS
from gateway.office.outcomes import Outcome
from gateway.office.proposals import Change, Office
from gateway.registry import authentication
from gateway.registry.registry import Key, Registry, RegistryError
from gateway.registry.vault import Vault
from gateway.wire.type_errors import field_and_reason

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
    if not args.officer and not registry.is_governed:
        raise RegistryError("--as: only an officer does this, and there is none yet; lionrock admin init names them")
    if not args.officer:
        raise RegistryError(f"--as: give an officer's key file, or set {OFFICER_VARIABLE}")
    return key_in_file(registry, args.officer, args.data)


def key_in_file(registry: Registry, file: str, data_folder: str) -> Key:
    """The key in a key file, proved by its secret."""
    try:
        text = Path(file).read_text()
        warn_of_readers(file)
        key_id, secret = key_in_json(text)
    except OSError as error:
        why = (error.strerror or "").lower()
        raise RegistryError(f"--as: {file}: {why}; give an officer's key file that you may read") from None
    except ValueError:
        raise RegistryError(f"--as: {file} is not a key file with id and secret") from None
    return authentication.prove(registry, Vault(Config(data=data_folder).vault, registry), key_id, secret)


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
        field, reason = field_and_reason(str(error), KINDS[kind].params)
        raise RegistryError(f"{place_of(field) or 'arguments'}: {reason}") from None
    return Office(registry).submit(kind, params, officer, clock.wall_ns())


def row(registry: Registry, change: Change, folder: str) -> dict[str, object]:
    """A change and what has become of it; a running venue is waited for."""
    office = Office(registry)
    known: dict[str, object] = {"number": change.number, "change": change.kind}
    known |= {"remarks": office.remarks(change, clock.wall_ns()), "frozen_clients": office.frozen_clients(change)}
    if change.state not in ("done", "approved"):
        told, following = change.state, ""
        if change.state == "proposed":
            told = "proposed; it waits for a second person"
            following = f"lionrock admin approve {change.number} --as FILE"
        nothing = {"sequence": None, "orders_cancelled": None}
        return {**known, "state": change.state, **nothing, "outcome": told, "next": following}
    outcome = outcomes.follow(lambda: Office(registry).outcome(change.number), folder)
    following = "" if outcome.is_final else f"lionrock admin show {change.number}"
    known |= {"state": state_of(change, outcome), "orders_cancelled": outcome.orders_cancelled}
    return {**known, **outcomes.facts(outcome, folder), "next": following}


def state_of(change: Change, outcome: Outcome) -> str:
    """A change's state for people: the officers' decision, or 'refused' once the engine refused any part of it."""
    return "refused" if outcome.refused else change.state


def exit_code(rows: list[dict[str, object]]) -> int:
    """FAILED when the venue refused a change."""
    return FAILED if any(row["state"] == "refused" for row in rows) else 0


def write_key_file(path: str, new: authentication.NewKey) -> None:
    """Write a key file that only its owner can read; an existing file is not changed."""
    disk.write_new(Path(path), json.dumps({"id": new.id, "secret": new.secret}).encode() + b"\n")
