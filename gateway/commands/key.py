"""`lionrock key`: make, revoke and list keys of accounts."""

import argparse
import base64
import json
import shlex
from contextlib import nullcontext
from glob import escape
from pathlib import Path
from typing import Any

from engine import disk
from engine.codes import CommandKind
from gateway import clock
from gateway.commands import officer, outcomes
from gateway.commands.common import (
    add_data_argument,
    check_output_is_private,
    end_of_day_ns,
    left_as_found,
    open_registry,
    readable_errors,
    show,
    when,
)
from gateway.commands.identity_input import add_identity_argument, sealed_identity, vault_of
from gateway.commands.officer import acting_officer
from gateway.office import onboarding
from gateway.registry import authentication, identities
from gateway.registry.registry import SCOPES, Intent, Key, KeyOrder, Registry

_EXAMPLES = """examples:
  lionrock key create alice --person "Alice Chan" --knowledge-until 2027-03-31
  lionrock key create alice --person "Alice Chan" --output alice.key     (then: lionrock trade --secret-file alice.key)
  lionrock key create alice --person "Alice Chan" --kind ed25519 --scopes read
  lionrock key create alice --person "Alice Chan" --public-key BASE64 --label bot
  lionrock key revoke lrabcdefghijklmn
  lionrock key list alice --json

The secret is printed once and not kept: only what verification needs is stored. Orders that open risk need a person
whose derivatives knowledge counts: --knowledge-until says till when, for all keys of that person. Once officers are
named (lionrock admin init) --as FILE and --reason are needed, a new person needs --identity-file, and the key can log
in when a second person has approved it.
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "key",
        help="make, revoke and list keys",
        description="Keys let clients log in for an account, each with scopes and the person who holds it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="create|revoke|list")
    create = actions.add_parser("create", help="make a key and print its secret once")
    create.add_argument("account", nargs="?", help="the account that the key trades for; none for an officer's key")
    create.add_argument("--person", required=True, metavar="NAME", help="the natural person who holds the key")
    create.add_argument("--kind", choices=("hmac", "ed25519"), default="hmac", help="kind of key (default: hmac)")
    create.add_argument("--public-key", metavar="BASE64", help="an Ed25519 public key made elsewhere")
    create.add_argument("--scopes", default="read,trade", metavar="LIST", help=f"of {','.join(SCOPES)}")
    create.add_argument("--label", default="", metavar="TEXT", help="what the key is for")
    create.add_argument(
        "--output", default="", metavar="FILE",
        help="write id and secret to this new file, for its owner alone, instead of printing the secret",
    )  # fmt: skip
    create.add_argument(
        "--knowledge-until",
        type=end_of_day_ns,
        metavar="DATE",
        help="the person's derivatives knowledge counts till then",
    )
    add_identity_argument(create)
    revoke = actions.add_parser("revoke", help="end a key for good")
    revoke.add_argument("id", help="the key's id")
    listing = actions.add_parser("list", help="list keys, of one account or of all")
    listing.add_argument("account", nargs="?", help="only the keys of this account")
    for action in (create, revoke):
        officer.add_officer_arguments(action)
    add_data_argument(listing)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; 0, or one line of error and 2."""
    with readable_errors("key"), open_registry(args.data) as registry:
        acting = acting_officer(registry, args) if args.action != "list" else None
        if args.action == "create":
            _make(registry, args, acting)
        elif args.action == "revoke" and acting is not None:
            change = officer.submit(registry, args, acting, "revoke_key", key=args.id)
            outcomes.show_changes([officer.row(registry, change, args.data)], args.json)
        elif args.action == "revoke":
            with outcomes.written(registry) as span:
                registry.check_open()
                key = registry.revoke_key(args.id, clock.wall_ns())
            told = outcomes.told(outcomes.follow_span(registry, args.data, span), args.data)
            show([{"id": key.id, "revoked": True, "orders": told}], args.json, "key revoked")
        else:
            slot = registry.account(args.account).slot if args.account else None
            names = {account.slot: account.name for account in registry.accounts()}
            rows = [_row(key, names) | {"holder": registry.person_name(key.person)} for key in registry.keys(slot)]
            show(rows, args.json, "keys")
    return 0


def _make(registry: Registry, args: argparse.Namespace, acting: Key | None) -> None:
    """Make a key; what it holds goes to the new file, or is printed once."""
    kept = Path(args.output) if args.output else None
    if kept is None and not args.public_key:
        check_output_is_private("name a new file with --output")
    if kept is not None and args.public_key:
        raise ValueError("--output: a key with --public-key has no secret here to keep; leave --output out")
    if kept is not None and kept.exists():
        raise ValueError(f"--output: the file {kept} exists; name a new one")
    with left_as_found(kept.parent, escape(kept.name)) if kept is not None else nullcontext():
        if kept is not None:
            disk.write_new(kept, b"")  # a place that cannot be written is known before the key is made
        made = _create(registry, args) if acting is None else _ask_for(registry, args, acting)
        if kept is not None:
            content = json.dumps({"id": made["id"], "secret": made.pop("secret")}) + "\n"
            disk.write_atomically(kept, [content.encode()])
            made["file"] = str(kept)
    show([made], args.json, "key made" if kept is not None else "key made; the secret is not shown again")


def _new_key(registry: Registry, args: argparse.Namespace) -> tuple[str, authentication.NewKey]:
    if args.public_key:
        return "ed25519", authentication.imported_ed25519_key(args.public_key)
    if args.kind == "ed25519":
        return "ed25519", authentication.new_ed25519_key()
    return "hmac", authentication.new_hmac_key(vault_of(registry, args.data))


def _create(registry: Registry, args: argparse.Namespace) -> dict[str, object]:
    """While the venue has no officers yet."""
    if not args.account:
        raise ValueError("account: it is missing; officers' keys are made by lionrock admin init")
    account = registry.account(args.account)
    now_ns = clock.wall_ns()
    kind, new = _new_key(registry, args)
    scopes = [scope.strip() for scope in args.scopes.split(",") if scope.strip()]
    with outcomes.written(registry) as span:
        registry.check_open()
        person = registry.person(args.person, now_ns)
        key = registry.add_key(KeyOrder(new.id, account.slot, person, kind, new.verifier, scopes, args.label), now_ns)
        if args.knowledge_until:
            registry.add_intents([onboarding.knowledge(person, args.knowledge_until, f"key {new.id}")], now_ns)
    row = _row(key, {account.slot: account.name})
    made = {"id": new.id, "secret": new.secret or None, **{name: row[name] for name in ("account", "kind", "scopes")}}
    if args.knowledge_until:
        made["knowledge"] = outcomes.told(outcomes.follow_span(registry, args.data, span), args.data)
    return made | _missing(registry, args, person, key, now_ns)


def _missing(registry: Registry, args: argparse.Namespace, person: int, key: Key, now_ns: int) -> dict[str, object]:
    """What a key for trading lacks to open risk, with the command that mends it; nothing if it lacks nothing."""
    known = registry.known_value(Intent(CommandKind.PERSON_SET, person=person)) or 0
    if "trade" not in key.scopes or known > now_ns:
        return {}
    command = f"lionrock key create {shlex.join([args.account, '--person', args.person])} --knowledge-until DATE"
    return {"missing": f"DERIVATIVES_KNOWLEDGE_REQUIRED: this person's keys open no risk before: {command}"}


def _ask_for(registry: Registry, args: argparse.Namespace, acting: Key) -> dict[str, object]:
    """Act as an officer: the key is made now and can log in once the change is approved."""
    if args.knowledge_until:
        raise ValueError("--knowledge-until: it takes evidence now; see lionrock admin record-knowledge --help")
    kind, new = _new_key(registry, args)
    verifier = base64.b64encode(new.verifier).decode()
    fields = {"key": new.id, "person": args.person, "scopes": args.scopes, "kind": kind, "verifier": verifier}
    more = {"account": args.account, "label": args.label}
    person = registry.find_person(args.person)
    is_known = bool(person) and identities.is_bound(registry, person)
    if args.identity_file or (registry.is_governed and not is_known):
        more["identity"] = sealed_identity(args.identity_file, args.person, vault_of(registry, args.data))
    row = officer.row(registry, officer.submit(registry, args, acting, "issue_key", **fields, **more), args.data)
    told = {name: row[name] for name in ("number", "change", "state", "outcome", "next")}
    return {"id": new.id, "secret": new.secret or None, **told}


def _row(key: Key, names: dict[int, str]) -> dict[str, object]:
    return {
        "id": key.id,
        "account": names.get(key.account_slot),
        "kind": key.kind,
        "scopes": " ".join(sorted(key.scopes)),
        "person": key.person,
        "label": key.label,
        "made": when(key.created_ns),
        "revoked": when(key.revoked_ns),
    }
