"""`lionrock trade`: place, amend and cancel orders, see positions; one command, or a prompt."""

import argparse
import asyncio
import contextlib
import shlex
from typing import Any, NoReturn

from rich.console import Console

from gateway.client import Client, RpcError
from gateway.commands.common import print_json, print_table
from gateway.commands.connection import NO_KEY, add_connection_arguments, client_of, run_client
from gateway.commands.trade_actions import ACTIONS, add_actions, check, do
from gateway.commands.trade_tables import Tables, decimals_of, number
from gateway.wire.plain_text import plain

_EXAMPLES = """examples:
  lionrock trade buy BTC_USDC-PERPETUAL 0.5 60000 --post-only
  lionrock trade sell BTC_USDC-PERPETUAL 0.5 --type market --reduce-only
  lionrock trade buy BTC_USDC-PERPETUAL 0.5 --type stop_market --trigger-price 62000
  lionrock trade sell BTC_USDC-PERPETUAL 0.5 --type trailing_stop --trigger-offset 200
  lionrock trade buy BTC_USDC-PERPETUAL 0.5 60000 --expires-at 2026-12-01T16:00:00Z
  lionrock trade edit 4194304 0.4 59990
  lionrock trade cancel 4194304
  lionrock trade cancel-all
  lionrock trade close BTC_USDC-PERPETUAL
  lionrock trade orders
  lionrock trade positions --json
  lionrock trade admission BTC_USDC-PERPETUAL
  lionrock trade disclosures
  lionrock trade acknowledge product 1
  lionrock trade --secret-file alice.key     a prompt that takes the same words

`lionrock trade ACTION --help` lists what an action takes. Options may stand before or after the action. LIONROCK_URL,
LIONROCK_KEY, and LIONROCK_SECRET or LIONROCK_SECRET_FILE save typing them; a secret never stands among the arguments,
which other users of the machine can read. Exit codes: 0; 2 for an error or a refusal.
"""
_PROMPT_HELP = """buy CONTRACT AMOUNT [PRICE], sell CONTRACT AMOUNT [PRICE], edit ORDER AMOUNT [PRICE], cancel ORDER,
cancel-all [CONTRACT], close CONTRACT [PRICE], orders, trades CONTRACT, positions, account, admission [CONTRACT],
disclosures [DISCLOSURE], acknowledge DISCLOSURE VERSION; with the options of the command line: buy --help lists them.
help shows this again; quit, exit or Ctrl-D leaves"""


class _UsageError(ValueError):
    """Words that the prompt does not understand."""


class _Words(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _UsageError(message or "")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "trade",
        help="place, amend and cancel orders; see positions",
        description="Trade from the terminal.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connection_arguments(parser, needs_key=True)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    add_actions(actions, lambda action: add_connection_arguments(action, needs_key=True, is_action=True))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do one thing or prompt; 0, or one line of error and 2."""
    return run_client("trade", _main(args), args.url)


async def _main(args: argparse.Namespace) -> int:
    if args.action:
        check(args)
    client = client_of(args)
    if not client.key_id:
        raise ValueError(NO_KEY)
    async with client:
        if args.action:
            await _one(client, args, args.json)
        else:
            await _prompt(client, args.json)
    return 0


async def _one(client: Client, given: argparse.Namespace, as_json: bool) -> None:
    """Do one action and print its answer."""
    result = await do(client, given)
    if as_json:
        print_json(result)
    else:
        _print(given, result, Tables(decimals_of(await client.call("public/get_instruments"))))


async def _prompt(client: Client, as_json: bool) -> None:
    """Read lines until the end of input, or until one says quit."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives the prompt its history and its arrow keys
    words = _Words(prog="", add_help=False)
    add_actions(
        words.add_subparsers(dest="action", parser_class=_Words),
        lambda action: action.add_argument("--json", action="store_true", default=as_json, help="print JSON"),
    )
    console = Console()
    print(_PROMPT_HELP)
    await client.subscribe("user.trades.any.any.raw", lambda data: _filled(console, data))
    while True:
        try:
            line = await asyncio.to_thread(input, "> ")
        except EOFError:
            console.print()
            return
        if line.strip() in ("quit", "exit"):
            return
        if line.strip() in ("help", "?"):
            print(_PROMPT_HELP)
        if line.strip() in ("", "help", "?"):
            continue
        try:
            given = words.parse_args(shlex.split(line))
            await _one(client, given, given.json)
        except (_UsageError, RpcError, ValueError) as error:
            if str(error):
                console.print(plain(str(error)), style="red", markup=False, highlight=False, soft_wrap=True)


def _filled(console: Console, data: list[dict[str, Any]]) -> None:
    for trade in data:
        told = f"{trade['direction']} {number(trade['amount'], 0)} {trade['instrument_name']}"
        console.print(f"[bold]filled[/] {told} at {number(trade['price'], 0)}", highlight=False)


def _print(given: argparse.Namespace, result: Any, tables: Tables) -> None:
    """An answer for people."""
    shows = ACTIONS[given.action].shows
    if shows == "count":
        print(f"{result} order{'' if result == 1 else 's'} cancelled")
    elif shows == "placed":
        tables.orders(result.get("orders", [result["order"]]))
        if result["trades"]:
            tables.trades(result["trades"])
        if "refused" in result:
            print(f"further orders of this closing were refused: {result['refused']}")
    elif shows == "order":
        tables.orders([result])
    elif shows == "admission":
        _admission(result)
    elif shows == "acknowledged":
        which = f", SHA-256 {result['hash']}" if result["hash"] else ""
        print(f"the {given.disclosure} disclosure is acknowledged in version {given.version}{which}")
    elif shows == "disclosures":
        _disclosures(result)
    else:
        getattr(tables, shows)(result)


def _disclosures(result: list[dict[str, Any]]) -> None:
    """The texts, each under what it is."""
    for row in result:
        since = f"from {row['effective_from']}" + ("" if row["is_required"] else ", not required yet")
        print(plain(f"{row['disclosure']} disclosure, version {row['version']}, {since}"))
        print(f"SHA-256 {row['hash']}\n")
        for line in row["text"].splitlines():
            print(plain(line))
        print(f"\nto acknowledge it: lionrock trade acknowledge {row['disclosure']} {row['version']}\n")
    if not result:
        print("no text is published")


def _admission(result: dict[str, Any]) -> None:
    """Which rules of admission are not met, and what lapses soon."""
    unmet = [[rule["reason"], rule["detail"] or rule["meaning"], rule["remedy"]] for rule in result["rules"]
             if not rule["met"]]  # fmt: skip
    print("you may open positions" if result["may_open"] else "you may not open positions; closing and cancelling work")
    if unmet:
        print_table(["rule", "why", "remedy"], unmet)
    if any(reason == "DISCLOSURE_NOT_ACKNOWLEDGED" for reason, _, _ in unmet):
        print("read it: lionrock trade disclosures; then: lionrock trade acknowledge DISCLOSURE VERSION")
    for warning in result["warnings"]:
        print(f"lapses soon: {warning['reason']}, after {warning['valid_through']}")
