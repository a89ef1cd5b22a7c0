"""`lionrock trade`: place, amend and cancel orders, see positions; one command, or a prompt."""

import argparse
import asyncio
import shlex
from typing import Any, NoReturn

from rich.console import Console

from gateway.client import Client, RpcError
from gateway.commands.common import print_json, print_table
from gateway.commands.connection import add_connection_arguments, client_of, run_client

_EXAMPLES = """examples:
  lionrock trade buy BTC_USDC-PERPETUAL 0.5 60000 --post-only
  lionrock trade sell BTC_USDC-PERPETUAL 0.5 --type market --reduce-only
  lionrock trade buy BTC_USDC-PERPETUAL 0.5 --type stop_market --trigger-price 62000
  lionrock trade edit 4194304 0.4 59990
  lionrock trade cancel 4194304
  lionrock trade cancel-all
  lionrock trade orders
  lionrock trade positions --json
  lionrock trade                      a prompt that takes the same words

LIONROCK_URL, LIONROCK_KEY and LIONROCK_SECRET save typing them.
"""
_PROMPT_HELP = """buy CONTRACT AMOUNT [PRICE], sell CONTRACT AMOUNT [PRICE], edit ORDER AMOUNT [PRICE], cancel ORDER,
cancel-all, orders, trades CONTRACT, positions, account; help shows this again; quit, exit or Ctrl-D leaves"""
TYPES = ("limit", "market", "stop_limit", "stop_market", "take_limit", "take_market", "trailing_stop")
TIMES = ("good_til_cancelled", "good_til_day", "immediate_or_cancel", "fill_or_kill")
_COLUMNS = {
    "orders": ("order_id", "instrument_name", "direction", "order_type", "order_state", "price", "amount",
               "filled_amount", "label"),
    "trades": ("trade_id", "instrument_name", "direction", "price", "amount", "fee", "liquidity", "order_id"),
    "positions": ("instrument_name", "direction", "size", "average_price", "mark_price", "floating_profit_loss",
                  "maintenance_margin", "estimated_liquidation_price"),
    "account": ("currency", "equity", "balance", "available_funds", "initial_margin", "maintenance_margin"),
}  # fmt: skip


class _UsageError(ValueError):
    """Words that the prompt does not understand."""


class _Words(argparse.ArgumentParser):
    """A parser that raises instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


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
    _add_actions(parser.add_subparsers(dest="action", metavar="ACTION", parser_class=argparse.ArgumentParser))
    parser.set_defaults(run=run)


def _add_actions(actions: Any) -> None:
    for name in ("buy", "sell"):
        order = actions.add_parser(name, help=f"place a {name} order")
        order.add_argument("instrument_name", metavar="CONTRACT")
        order.add_argument("amount", help="in base currency")
        order.add_argument("price", nargs="?", help="limit price")
        order.add_argument("--type", default="limit", choices=TYPES)
        order.add_argument("--time-in-force", choices=TIMES)
        for text in ("--trigger-price", "--trigger-offset", "--label", "--cl-ord-id", "--display-amount"):
            order.add_argument(text)
        order.add_argument("--trigger", choices=("mark_price", "index_price", "last_price"))
        for text in ("--post-only", "--reject-post-only", "--reduce-only"):
            order.add_argument(text, action="store_true", default=None)
    edit = actions.add_parser("edit", help="amend an order; the amount is the total")
    for name in ("order_id", "amount", "price"):
        edit.add_argument(name, nargs="?" if name == "price" else None)
    cancel = actions.add_parser("cancel", help="cancel an order")
    cancel.add_argument("order_id")
    for name, text in (("cancel-all", "cancel all orders"), ("orders", "open orders"), ("positions", "positions"),
                       ("account", "balance and margin")):  # fmt: skip
        actions.add_parser(name, help=text)
    trades = actions.add_parser("trades", help="own trades of a contract")
    trades.add_argument("instrument_name", metavar="CONTRACT")
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do one thing or prompt; 0, or one line of error and 2."""
    return run_client("trade", _main(args), args.url)


async def _main(args: argparse.Namespace) -> int:
    if not (args.key and args.secret):
        raise ValueError("--key and --secret are needed; `lionrock key create` makes them, `lionrock demo` prints some")
    async with client_of(args) as client:
        if args.action:
            _print(args.action, await _do(client, args), args.json)
        else:
            await _prompt(client, args.json)
    return 0


async def _prompt(client: Client, as_json: bool) -> None:
    """Read lines until the end of input, or until one says quit."""
    words = _Words(prog="", add_help=False)
    _add_actions(words.add_subparsers(dest="action", parser_class=_Words))
    console = Console()
    console.print(_PROMPT_HELP, markup=False, highlight=False)
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
            console.print(_PROMPT_HELP, markup=False, highlight=False)
        if line.strip() in ("", "help", "?"):
            continue
        try:
            given = words.parse_args(shlex.split(line))
            _print(given.action, await _do(client, given), as_json)
        except (_UsageError, RpcError, ValueError) as error:
            console.print(f"[red]{error}[/]", highlight=False)


def _filled(console: Console, data: list[dict[str, Any]]) -> None:
    for trade in data:
        console.print(
            f"[bold]filled[/] {trade['direction']} {trade['amount']} {trade['instrument_name']} at {trade['price']}"
        )


_ORDER_WORDS = (
    "instrument_name", "amount", "price", "type", "time_in_force", "trigger", "trigger_price", "trigger_offset",
    "label", "cl_ord_id", "display_amount", "post_only", "reject_post_only", "reduce_only",
)  # fmt: skip


async def _do(client: Client, given: argparse.Namespace) -> Any:
    """Call the method that the words mean."""
    action = given.action
    if action in ("buy", "sell"):
        params = {name: getattr(given, name) for name in _ORDER_WORDS}
        return await client.call(f"private/{action}", **params)
    if action == "edit":
        return await client.call(
            "private/edit", order_id=given.order_id, amount=given.amount, price=given.price
        )
    if action == "cancel":
        return await client.call("private/cancel", order_id=given.order_id)
    if action == "cancel-all":
        return await client.call("private/cancel_all")
    if action == "orders":
        return await client.call("private/get_open_orders")
    if action == "positions":
        return await client.call("private/get_positions")
    if action == "trades":
        name = given.instrument_name
        return (await client.call("private/get_user_trades_by_instrument", instrument_name=name, count=50))["trades"]
    return (await client.call("private/get_account_summaries"))["summaries"]


def _print(action: str, result: Any, as_json: bool) -> None:
    if as_json:
        print_json(result)
    elif action == "cancel-all":
        print(f"{result} orders cancelled")
    elif action in ("buy", "sell", "edit"):
        _table("orders", [result["order"]])
        if result["trades"]:
            _table("trades", result["trades"])
    elif action == "cancel":
        _table("orders", [result])
    else:
        _table(action, result)


def _table(kind: str, rows: list[dict[str, Any]]) -> None:
    columns = _COLUMNS[kind]
    if not rows:
        print(f"no {kind}")
        return
    print_table(list(columns), [["" if row.get(name) is None else str(row[name]) for name in columns] for row in rows])
