"""`lionrock account`: open accounts, list them, record deposits."""

import argparse
from typing import Any

from engine.codes import AccountAttribute, InvestorClass
from gateway import clock
from gateway.commands import officer, outcomes
from gateway.commands.common import (
    FAILED,
    add_data_argument,
    end_of_day_ns,
    number_text,
    open_registry,
    readable_errors,
    show,
    when,
)
from gateway.commands.officer import acting_officer
from gateway.office import onboarding
from gateway.registry.registry import Account, Key, Registry
from gateway.wire.decimals import micros_text, parse_micros

_EXAMPLES = """examples:
  lionrock account create alice --class individual --eligible-until 2027-03-31 --deposit 100000
  lionrock account create alice-bot --parent alice
  lionrock account deposit alice 2500.50
  lionrock account list --json

The answer comes when a running venue has carried it out, with its sequence in the log. When no venue runs, it waits for
the next start. Once officers are named (lionrock admin init), --as FILE and --reason are needed, and evidence decides
the class. Exit codes: 0; 2 for an error, or when the venue refused it.
"""
CLASSES = {kind.name.lower().replace("_", "-"): kind for kind in InvestorClass}


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "account",
        help="open and list accounts",
        description="Open accounts and sub-accounts, list them, record deposits.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="create|deposit|list")
    create = actions.add_parser("create", help="open an account")
    create.add_argument("name", help="a name of your choice, unique")
    create.add_argument("--client", default="", metavar="NAME", help="whose account it is (default: the same name)")
    create.add_argument("--parent", default="", metavar="ACCOUNT", help="make it a sub-account of this account")
    create.add_argument("--class", dest="investor_class", choices=CLASSES, default="none", help="class of investor")
    create.add_argument(
        "--eligible-until",
        type=end_of_day_ns,
        metavar="DATE",
        help="all eligibility evidence is valid through this day",
    )
    create.add_argument(
        "--deposit", type=number_text, metavar="AMOUNT", help="money that has arrived, in the settlement currency"
    )
    deposit = actions.add_parser("deposit", help="record money that has arrived")
    deposit.add_argument("name", help="the account")
    deposit.add_argument("amount", type=number_text, help="in the settlement currency")
    listing = actions.add_parser("list", help="list all accounts")
    for action in (create, deposit):
        officer.add_officer_arguments(action)
    add_data_argument(listing)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; 0, or one line of error and 2."""
    with readable_errors("account"), open_registry(args.data, makes=args.action == "create") as registry:
        acting = acting_officer(registry, args) if args.action != "list" else None
        if acting is not None:
            rows = _ask(registry, args, acting)
            outcomes.show_changes(rows, args.json)
            return officer.exit_code(rows)
        if args.action == "list":
            show([_row(registry, account) for account in registry.accounts()], args.json, "accounts")
            return 0
        return _carry_out(registry, args)


def _carry_out(registry: Registry, args: argparse.Namespace) -> int:
    """Open an account or record a deposit, while the venue has no officers yet."""
    with outcomes.written(registry) as span:
        registry.check_open()
        row = _row(registry, _create(registry, args)) if args.action == "create" else _deposit(registry, args)
    outcome = outcomes.follow_span(registry, args.data, span)
    title = "account" if args.action == "create" else "deposit"
    show([row | outcomes.facts(outcome, args.data)], args.json, title)
    return FAILED if outcome.refused else 0


def _deposit(registry: Registry, args: argparse.Namespace) -> dict[str, object]:
    account, amount = registry.account(args.name), _amount(args.amount)
    registry.add_intents([onboarding.deposit(account.slot, amount, f"deposit to {args.name}")], clock.wall_ns())
    return {"name": account.name, "amount": micros_text(amount)}


def _ask(registry: Registry, args: argparse.Namespace, acting: Key) -> list[dict[str, object]]:
    """Do the same as an officer: opening is done at once, money waits for a second person."""

    def ask(kind: str, **fields: Any) -> dict[str, object]:
        return officer.row(registry, officer.submit(registry, args, acting, kind, **fields), args.data)

    if args.action == "deposit":
        return [ask("record_deposit", account=args.name, amount=args.amount)]
    if args.investor_class != "none" or args.eligible_until:
        raise ValueError("--class: evidence decides it now; see lionrock admin record-evidence --help")
    if args.deposit:
        _amount(args.deposit)
    rows = [ask("open_account", account=args.name, client=args.client or None, parent=args.parent or None)]
    if args.deposit:
        rows.append(ask("record_deposit", account=args.name, amount=args.deposit))
    return rows


def _create(registry: Registry, args: argparse.Namespace) -> Account:
    """Open an account; everything is checked before anything is written."""
    amount = _amount(args.deposit) if args.deposit else 0
    investor_class = CLASSES[args.investor_class]
    if args.eligible_until and investor_class == InvestorClass.NONE:
        raise ValueError("--eligible-until: needs --class; an account without a class may not trade")
    now_ns = clock.wall_ns()
    account = registry.create_account(args.name, now_ns, args.client, args.parent, investor_class)
    intents = []
    if args.eligible_until:
        intents += onboarding.eligible(account.slot, investor_class, args.eligible_until, f"open {args.name}")
    if amount:
        intents.append(onboarding.deposit(account.slot, amount, f"deposit to {args.name}"))
    registry.add_intents(intents, now_ns)
    return account


def _amount(text: str) -> int:
    amount = parse_micros(text.encode(), "amount")
    if amount == 0:
        raise ValueError(f"amount: {text} must be more than 0")
    return amount


def _row(registry: Registry, account: Account) -> dict[str, object]:
    """An account as a row. The class is the one in force: by evidence, or else the one at the opening."""
    names = {other.slot: other.name for other in registry.accounts()}
    decided = registry.attribute(account.slot, AccountAttribute.INVESTOR_CLASS)
    investor_class = account.investor_class if decided is None else InvestorClass(decided)
    return {
        "slot": account.slot,
        "name": account.name,
        "client": account.client,
        "parent": names[account.parent_slot] if account.parent_slot is not None else None,
        "class": investor_class.name.lower().replace("_", "-"),
        "opened": when(account.created_ns),
    }
