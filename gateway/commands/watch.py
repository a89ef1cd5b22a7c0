"""`lionrock watch`: a contract's book, trades and ticker in the terminal, live."""

import argparse
import asyncio
import math
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gateway.client import Client
from gateway.commands.common import print_json
from gateway.commands.connection import add_connection_arguments, client_of, run_client
from gateway.commands.trade_tables import Decimals, decimals_of, number

_EXAMPLES = """examples:
  lionrock watch
  lionrock watch ETH_USDC-PERPETUAL --depth 20
  lionrock watch --url ws://127.0.0.1:8765 --seconds 5 --json

The book is kept from the change chain and checked at every step; Ctrl-C stops.
"""
REFRESH_SECONDS = 0.2
BAR_CELLS = 16


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "watch",
        help="watch a book, its trades and its ticker",
        description="Watch a contract live.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("instrument", nargs="?", default="", help="contract (default: the venue's first)")
    parser.add_argument("--depth", type=int, default=12, help="levels of a side (default: 12)")
    parser.add_argument("--seconds", type=float, default=0, help="stop by itself after so long")
    add_connection_arguments(parser, needs_key=False)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Watch; 0, or one line of error and 2."""
    return run_client("watch", _watch(args), args.url)


async def _watch(args: argparse.Namespace) -> int:
    if args.depth < 1:
        raise ValueError(f"--depth {args.depth}: must be at least 1")
    if not 0 <= args.seconds < math.inf:
        raise ValueError(f"--seconds {args.seconds}: must be 0, for no end, or more")
    async with client_of(args) as client:
        decimals = decimals_of(await client.call("public/get_instruments"))
        names = list(decimals)
        name = args.instrument or (names[0] if names else "")
        if name not in names:
            raise ValueError(f"{name or 'no contract'}: not listed; the venue has {', '.join(names) or 'none'}")
        view = View(name, await client.book(name, "100ms"), args.depth, decimals[name])
        await client.subscribe(f"ticker.{name}.100ms", view.ticker.update)
        await client.subscribe(f"trades.{name}.100ms", view.traded)
        await _show(client, view, args)
    return 0


async def _show(client: Client, view: "View", args: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + args.seconds if args.seconds else None
    if args.json:
        while deadline is None or loop.time() < deadline:
            await asyncio.sleep(1.0 if deadline is None else min(1.0, args.seconds))
            print_json(view.as_dict())
        return
    with Live(console=Console(), auto_refresh=False, screen=deadline is None) as live:
        while deadline is None or loop.time() < deadline:
            live.update(view.render(client.is_connected.is_set()), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)


class Book(Protocol):
    """What has the best prices of a market."""

    def depth(self, levels: int) -> tuple[list[Any], list[Any]]:
        """(bids, asks), best first, as (price, amount)."""


class View:
    """The data on the screen: a book, the ticker's figures, and trades as the venue tells them."""

    def __init__(self, name: str, book: Book, depth: int, decimals: Decimals) -> None:
        self.name = name
        self.decimals = decimals
        self.book = book
        self.depth = depth
        self.ticker: dict[str, Any] = {}
        self.trades: deque[dict[str, Any]] = deque(maxlen=2 * depth)

    def traded(self, data: list[dict[str, Any]]) -> None:
        """The newest first."""
        self.trades.extendleft(data)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        bids, asks = self.book.depth(self.depth)
        names = ("last_price", "mark_price", "index_price", "open_interest")
        facts = {name: self.ticker.get(name) for name in names}
        return {"instrument_name": self.name, "bids": bids, "asks": asks, **facts, "trades_seen": len(self.trades)}

    def render(self, is_connected: bool) -> Group:
        """The screen."""
        state = "" if is_connected else "   [red]connecting again[/]"
        head = Text.from_markup(f"[bold]{escape(self.name)}[/]{state}\n{'   '.join(self.facts())}")
        return Group(head, Columns([self._book_table(), self._trade_table()]))

    def facts(self) -> list[str]:
        """What stands above the book."""
        of = self.decimals
        return [f"{name} {number(self.ticker.get(key), places) or '-'}" for name, key, places in (
            ("last", "last_price", of.price), ("mark", "mark_price", of.price), ("index", "index_price", of.price),
            ("funding 8h", "funding_8h", 0), ("open interest", "open_interest", of.amount),
        )]  # fmt: skip

    def _book_table(self) -> Table:
        bids, asks = self.book.depth(self.depth)
        largest = max([amount for _, amount in bids + asks], default=Decimal(1))
        table = Table("amount", "price", "", title="book")
        table.columns[0].justify = table.columns[1].justify = "right"
        for rows, colour in ((list(reversed(asks)), "red"), (bids, "green")):
            for price, amount in rows:
                bar = "█" * max(1, int(BAR_CELLS * amount / largest))
                shown = number(amount, self.decimals.amount), number(price, self.decimals.price)
                table.add_row(shown[0], Text(shown[1], style=colour), Text(bar, style=colour))
            if colour == "red":
                table.add_section()
        return table

    def _trade_table(self) -> Table:
        table = Table("time", "price", "amount", title="trades")
        table.columns[1].justify = table.columns[2].justify = "right"
        for trade in self.trades:
            at = datetime.fromtimestamp(trade["timestamp"] / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
            colour = "green" if trade["direction"] == "buy" else "red"
            price, amount = number(trade["price"], self.decimals.price), number(trade["amount"], self.decimals.amount)
            table.add_row(at, Text(price, style=colour), amount)
        return table
