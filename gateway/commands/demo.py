"""`lionrock demo`: an exchange on loopback with traders on it, to watch and to trade on."""

import argparse
import asyncio
import json
import shlex
import sys
import tempfile
from contextlib import AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine import disk
from gateway import clock
from gateway.client import Client, demo_traders
from gateway.commands.common import FAILED, compile_engine, make_data_folder, readable_errors
from gateway.config import Config
from gateway.net.server import Server
from gateway.office.bootstrap import SHIPPED, Trader, list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault

_EXAMPLES = """examples:
  lionrock demo
  lionrock demo --seconds 30 --json
  lionrock demo --port 8765 --data my-demo

Trade with the address and keys that it prints: lionrock trade, lionrock watch, the page in a browser, or ccxt.
"""
PRICES = {"BTC": "60000", "ETH": "3000"}
MILLION_MICROS = 1_000_000 * 1_000_000
REFRESH_SECONDS = 0.5
READY_LOOK_SECONDS = 0.05
MAX_PORT = 65_535


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="watch an exchange trade, and trade on it",
        description="Start an exchange on loopback with BTC and ETH perpetuals, an index that moves, market makers, "
        "takers and an arbitrageur.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8765, help="port to listen on; 0 picks a free one (default: 8765)")
    parser.add_argument("--seconds", type=float, default=0, help="stop by itself after so long (default: never)")
    parser.add_argument("--data", default="", metavar="DIR", help="data folder (default: a temporary one)")
    parser.add_argument("--durability", choices=("fsync", "os", "none"), default="fsync")
    parser.add_argument("--json", action="store_true", help="no table; one JSON object when it runs, one at the end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0, or one line of error and 2."""
    with readable_errors("demo"), tempfile.TemporaryDirectory(prefix="lionrock-demo-") as temporary:
        config = Config(
            data=args.data or temporary, port=args.port, durability=args.durability, testnet=True, max_stop_days=0,
            scripted_index=",".join(f"{listing.name}={PRICES[listing.base]}" for listing in SHIPPED),
        )  # fmt: skip
        if not 0 <= args.port <= MAX_PORT:
            raise ValueError(f"--port {args.port}: must be from 0 to {MAX_PORT}")
        make_data_folder(config.data)
        compile_engine()
        with suppress(KeyboardInterrupt):
            return uvloop.run(_Demo(config, args.seconds, args.json).run())
        return 0


@dataclass
class _Demo:
    """The demo while it runs."""

    config: Config
    seconds: float
    as_json: bool
    console: Console = field(default_factory=Console)
    trades: int = 0
    volume: Any = 0

    async def run(self) -> int:
        traders = self._set_up()
        server = Server(self.config)
        try:
            await server.start()
        except OSError as error:
            print(f"lionrock demo: port {self.config.port}: {error.strerror}; choose another", file=sys.stderr)
            return FAILED
        try:
            await self._trade(server, traders)
        finally:
            await server.stop()
        self._say_end(server)
        return 0

    def _set_up(self) -> dict[str, Trader]:
        """Set up the venue's contracts, accounts and keys, new in every demo."""
        registry, now_ns = Registry(self.config.registry), clock.wall_ns()
        vault = Vault(self.config.vault, registry)
        if not registry.contracts():
            set_up_venue(registry, now_ns, 10 * MILLION_MICROS)
            list_contracts(registry, now_ns)
        run_name = f"{len(registry.accounts())}"
        names = ("maker-1", "maker-2", "taker-1", "taker-2", "arbitrageur", "you")
        traders = {
            name: open_trader(registry, vault, f"{name}-{run_name}", 10 * MILLION_MICROS, now_ns) for name in names
        }
        registry.close()
        return traders

    async def _trade(self, server: Server, traders: dict[str, Trader]) -> None:
        """Let the bots trade until the time is over or a signal comes."""
        url = f"ws://127.0.0.1:{server.port}"
        async with AsyncExitStack() as stack:
            clients = {
                name: await stack.enter_async_context(Client(url, trader.key.id, trader.key.secret))
                for name, trader in traders.items()
            }
            known = await demo_traders.markets(clients["you"])
            for market in known:
                await clients["you"].subscribe(f"trades.{market.name}.100ms", self._count)
            tasks = [asyncio.ensure_future(task) for task in self._bots(clients, known)]
            try:
                if await _can_trade(server, known):
                    self._say_begin(url, traders["you"])
                    await self._watch(server, known, clients)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _bots(self, clients: dict[str, Client], known: list[demo_traders.Market]) -> list[Any]:
        steps = [
            (demo_traders.Maker(clients["maker-1"], 1, 0.0004, 20_000).step, 0.4),
            (demo_traders.Maker(clients["maker-2"], 2, 0.0008, 60_000).step, 0.6),
            (demo_traders.Taker(clients["taker-1"], 3, 8_000).step, 0.15),
            (demo_traders.Taker(clients["taker-2"], 4, 25_000).step, 0.5),
            (demo_traders.Arbitrageur(clients["arbitrageur"], 5, 30_000).step, 0.3),
        ]
        return [demo_traders.run(step, known, seconds, seed) for seed, (step, seconds) in enumerate(steps)]

    def _count(self, data: Any) -> None:
        self.trades += len(data)
        self.volume += sum(trade["amount"] * trade["price"] for trade in data)

    async def _watch(self, server: Server, known: list[demo_traders.Market], clients: dict[str, Client]) -> None:
        """Show what happens until the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.seconds if self.seconds else None
        live = Live(console=self.console, auto_refresh=False, transient=True)
        with nullcontext() if self.as_json else live:
            while (deadline is None or loop.time() < deadline) and not server.failed.done():
                await asyncio.sleep(REFRESH_SECONDS)
                if not self.as_json:
                    live.update(Group(*self._tables(server, known, await _accounts(clients))), refresh=True)

    # --- what is shown --------------------------------------------------------------------------------------------

    def _tables(self, server: Server, known: list[demo_traders.Market], accounts: dict[str, Any]) -> list[Any]:
        columns = ("contract", "index", "mark", "bid", "ask", "last", "24h volume", "open interest")
        prices = Table(*columns, title="markets")
        for market in known:
            row = market.ticker
            names = ("index_price", "mark_price", "best_bid_price", "best_ask_price", "last_price")
            volume = row.get("stats", {}).get("volume", 0)
            cells = [*(row.get(name) for name in names), volume, row.get("open_interest")]
            prices.add_row(market.name, *[_cell(value) for value in cells])
        money = Table("trader", "equity", "free", "positions", title="traders")
        for name, (summary, positions) in accounts.items():
            held = ", ".join(f"{position.size} {position.instrument_name.partition('_')[0]}" for position in positions)
            money.add_row(name, _cell(summary["equity"]), _cell(summary["available_funds"]), held or "flat")
        sequence = server.venue.engine.last_seq
        line = f"{self.trades} trades, {self.volume:,.0f} USDC, log at {sequence}; Ctrl-C stops"
        return [prices, money, Text(line)]

    def _say_begin(self, url: str, you: Trader) -> None:
        page = url.replace("ws", "http", 1)
        kept = Path(self.config.data).resolve() / f"{you.name}.key"
        disk.write_new(kept, json.dumps({"id": you.key.id, "secret": you.key.secret}).encode() + b"\n")
        facts = {
            "url": f"{url}/ws/api/v2", "page": page, "key": you.key.id, "secret": you.key.secret, "file": str(kept),
        }  # fmt: skip
        if self.as_json:
            print(json.dumps(facts), flush=True)
            return
        self.console.print("[bold]an exchange to trade on[/], 10,000,000 USDC in your account")
        for name, value in facts.items():
            self.console.print(f"  {name:7} {value}", soft_wrap=True)
        self.console.print("in another terminal, then lionrock watch, lionrock trade:")
        settings = f"LIONROCK_URL={url} LIONROCK_SECRET_FILE={shlex.quote(str(kept))}"
        self.console.print(f"  export {settings}", soft_wrap=True, highlight=False)

    def _say_end(self, server: Server) -> None:
        facts = {"trades": self.trades, "volume": f"{self.volume:f}", "sequence": server.venue.engine.last_seq}
        if self.as_json:
            print(json.dumps(facts))
        else:
            self.console.print(f"{self.trades} trades, {self.volume:,.0f} USDC, log at {facts['sequence']}")


async def _can_trade(server: Server, known: list[demo_traders.Market]) -> bool:
    """Wait until every contract has an index and both sides of its book; False when the venue stopped before."""
    while not server.failed.done() and not all(market.index and market.middle for market in known):
        await asyncio.sleep(READY_LOOK_SECONDS)
    return not server.failed.done()


async def _accounts(clients: dict[str, Client]) -> dict[str, Any]:
    """Each trader's money and positions."""
    return {
        name: (await client.call("private/get_account_summary", currency="USDC"), await client.positions())
        for name, client in clients.items()
    }


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:,f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:,}"
