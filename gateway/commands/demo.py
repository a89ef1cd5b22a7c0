"""`lionrock demo`: an exchange on loopback with a day behind it and traders on it, to watch and to trade on."""

import argparse
import asyncio
import json
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

import uvloop
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine import disk
from engine.host import holds_journal
from gateway import clock
from gateway.client import Client, demo_traders
from gateway.commands import demo_market
from gateway.commands.common import FAILED, compile_engine, make_data_folder, progress_bar, readable_errors, whole
from gateway.commands.demo_history import HOURS, DayBefore
from gateway.commands.demo_market import YOU
from gateway.config import Config
from gateway.net.server import Server
from gateway.office.bootstrap import Trader
from gateway.registry.authentication import NewKey

_EXAMPLES = """examples:
  lionrock demo
  lionrock demo --seconds 30 --json
  lionrock demo --port 8765 --data my-demo
  lionrock demo --hours 0
  lionrock demo --cluster

Open the address that it prints: it is logged in. Trade with the same key: lionrock trade, lionrock watch, or ccxt.
The hours before (--hours) are traded by the engine itself, at past times, before the demo begins; a day takes seconds.
Ctrl-C or SIGTERM ends it, and a temporary data folder goes with it.
exit codes: 0 ended by a signal or after --seconds, 2 refused or failed
"""
REFRESH_SECONDS = 0.5
READY_LOOK_SECONDS = 0.05
MAX_PORT = 65_535
MAX_HOURS = 24 * 7


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="watch an exchange trade, and trade on it",
        description="Start an exchange on loopback with four perpetuals and a day of trading behind them: an index "
        "that moves, market makers, takers, an arbitrageur, and gamblers who are liquidated.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8765, help="port to listen on; 0 picks a free one (default: 8765)")
    parser.add_argument("--seconds", type=float, default=0, help="stop by itself after so long (default: never)")
    parser.add_argument("--data", default="", metavar="DIR", help="data folder (default: a temporary one)")
    parser.add_argument(
        "--hours", type=whole(0, MAX_HOURS), default=HOURS, metavar="N",
        help=f"hours of trading before the demo in a new data folder, up to {MAX_HOURS} (default: {HOURS})",
    )  # fmt: skip
    parser.add_argument(
        "--cluster", action="store_true",
        help="three servers of the replicated log, a node that leads and its standby: kill the leader and see; needs "
        "the extra cluster",
    )  # fmt: skip
    parser.add_argument("--durability", choices=("fsync", "os", "none"), default="fsync")
    parser.add_argument("--json", action="store_true", help="no table; one JSON object when it runs, one at the end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0, or one line of error and 2."""
    with readable_errors("demo"), _ended_by_signal(), tempfile.TemporaryDirectory(prefix="lionrock-demo-") as temporary:
        if not 0 <= args.port <= MAX_PORT:
            raise ValueError(f"--port {args.port}: must be from 0 to {MAX_PORT}")
        if args.cluster:
            return _run_cluster(args, temporary)
        config = Config(
            data=args.data or temporary, port=args.port, durability=args.durability, testnet=True, max_stop_days=0,
            scripted_index=demo_market.scripted_index(),
        )  # fmt: skip
        make_data_folder(config.data)
        compile_engine()
        traders = _set_up(config, args.hours)
        with suppress(KeyboardInterrupt):
            officers = demo_market.open_officers(config, clock.wall_ns())
            return uvloop.run(_Demo(config, traders, officers, args.seconds, args.json).run())
        return 0


def _run_cluster(args: argparse.Namespace, temporary: str) -> int:
    if args.data:
        raise ValueError("--data: the nodes of --cluster have folders of their own; leave it out")
    from gateway.commands.demo_cluster import run_cluster  # the other demo needs nothing of it

    compile_engine()
    return run_cluster(Path(temporary), args.port, args.seconds, args.json)


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM before the loop runs ends the command in order, so that the temporary folder goes; 0 then, as later."""

    def end(number: int, frame: Any) -> NoReturn:
        raise _EndedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except _EndedError:
        raise SystemExit(0) from None
    finally:
        signal.signal(signal.SIGTERM, before)


class _EndedError(Exception):
    """SIGTERM has come."""


def _set_up(config: Config, hours: int) -> dict[str, Trader]:
    """Contracts, accounts and keys, new in every demo, and hours of trading in a folder that has no log yet."""
    is_new = not holds_journal(config.journal)
    begin_ns = demo_market.began_before(hours if is_new else 0)
    traders = demo_market.set_up(config, begin_ns)
    if is_new and hours:
        with progress_bar("steps of the day before") as show_progress:
            DayBefore(config, traders, begin_ns).write(show_progress)
    return traders


@dataclass
class _Demo:
    """The demo while it runs."""

    config: Config
    traders: dict[str, Trader]
    officers: dict[str, NewKey]
    seconds: float
    as_json: bool
    console: Console = field(default_factory=Console)
    trades: int = 0
    liquidations: int = 0
    volume: Any = 0

    async def run(self) -> int:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        with suppress(asyncio.CancelledError):
            return await self._serve()
        return 0

    async def _serve(self) -> int:
        server = Server(self.config)
        try:
            await server.start()
        except OSError as error:
            print(f"lionrock demo: port {self.config.port}: {error.strerror}; choose another", file=sys.stderr)
            return FAILED
        try:
            await self._trade(server)
        finally:
            await server.stop()
        self._say_end(server)
        return 0

    async def _trade(self, server: Server) -> None:
        """Let the bots trade until the time is over or a signal comes."""
        url = f"ws://127.0.0.1:{server.port}"
        async with AsyncExitStack() as stack:
            clients = {
                name: await stack.enter_async_context(Client(url, trader.key.id, trader.key.secret))
                for name, trader in self.traders.items()
            }
            known = await demo_traders.markets(clients[YOU])
            for market in known:
                await clients[YOU].subscribe(f"trades.{market.name}.100ms", self._count)
                await clients[YOU].subscribe(f"liquidations.{market.name}", self._count_forced)
            tasks = [asyncio.ensure_future(task) for task in demo_market.bots(clients, known)]
            try:
                if await _can_trade(server, known):
                    self._say_begin(url, server.operations_port)
                    await self._watch(server, known, clients)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _count(self, data: Any) -> None:
        self.trades += len(data)
        self.volume += sum(trade["amount"] * trade["price"] for trade in data)

    def _count_forced(self, data: Any) -> None:
        self.liquidations += len(data)

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
        line = f"{self._counts()}, log at {sequence}; Ctrl-C stops"
        return [prices, money, Text(line)]

    def _counts(self) -> str:
        return f"{self.trades} trades, {self.volume:,.0f} USDC, {self.liquidations} liquidations"

    def _say_begin(self, url: str, operations_port: int) -> None:
        you, page = self.traders[YOU], url.replace("ws", "http", 1)
        kept = Path(self.config.data).resolve() / f"{you.name}.key"
        disk.write_new(kept, json.dumps({"id": you.key.id, "secret": you.key.secret}).encode() + b"\n")
        address = _logged_in(page, you.key)
        ann, ben = (_logged_in(f"http://127.0.0.1:{operations_port}", key) for key in self.officers.values())
        if self.as_json:
            officers = [{"person": name, "key": key.id, "secret": key.secret} for name, key in self.officers.items()]
            facts = {
                "address": address, "page": page, "url": f"{url}/ws/api/v2", "key": you.key.id,
                "secret": you.key.secret, "file": str(kept), "console": ann,
                "officers": officers,
            }  # fmt: skip
            print(json.dumps(facts), flush=True)
            return
        settings = f"LIONROCK_URL={url} LIONROCK_SECRET_FILE={shlex.quote(str(kept))}"
        said = partial(self.console.print, soft_wrap=True, highlight=False)
        said("[bold]an exchange to trade on[/], 10,000,000 USDC in your account; open this, it is logged in:")
        said(f"  {address}", markup=False)
        said("or in another terminal:")
        commands = ("watch", "trade buy BTC_USDC-PERPETUAL 0.1 --type market", "trade positions")
        for line in (f"export {settings}", *(f"{_program()} {command}" for command in commands)):
            said(f"  {line}", markup=False)
        said("the console for operators and compliance officers, as one of them, and as the second for four eyes:")
        said(f"  {ann}\n  {ben}", markup=False)

    def _say_end(self, server: Server) -> None:
        facts = {
            "trades": self.trades, "volume": f"{self.volume:f}", "liquidations": self.liquidations,
            "sequence": server.venue.engine.last_seq,
        }  # fmt: skip
        if self.as_json:
            print(json.dumps(facts))
        else:
            self.console.print(f"{self._counts()}, log at {facts['sequence']}")


def _logged_in(page: str, key: NewKey) -> str:
    """The address of a page that logs in with a key."""
    return f"{page}/#{urlencode({'key': key.id, 'secret': key.secret})}"


def _program() -> str:
    """How this program is called from any folder."""
    called = Path(sys.argv[0]).absolute()
    return shlex.quote(str(called)) if called.suffix != ".py" else f"{shlex.quote(sys.executable)} -m gateway.cli"


async def _can_trade(server: Server, known: list[demo_traders.Market]) -> bool:
    """Wait until every contract is open, with an index and both sides of its book; False when the venue stopped before.

    After a start that compiled, the index had been away for so long that the contracts are halted for a minute.
    """
    while not server.failed.done() and not all(_is_tradable(market) for market in known):
        await asyncio.sleep(READY_LOOK_SECONDS)
    return not server.failed.done()


def _is_tradable(market: demo_traders.Market) -> bool:
    return bool(market.index and market.middle) and market.ticker.get("market_state") == "open"


async def _accounts(clients: dict[str, Client]) -> dict[str, Any]:
    """Each trader's money and positions."""
    return {
        name: (await client.call("private/get_account_summary", currency="USDC"), await client.positions())
        for name, client in clients.items()
    }


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:,f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:,}"
