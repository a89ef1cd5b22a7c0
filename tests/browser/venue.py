"""A real venue for a browser: its server runs in a thread of its own, its index is moved by hand.

Everything that a test asks of the venue runs in the venue's loop, by `run`. Makers and other traders are clients over
sockets, as in `tests/gateway/live.py`.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from engine import host
from engine.codes import AccountAttribute, CommandKind
from gateway import clock
from gateway.client import Client
from gateway.net.server import Server
from gateway.office.bootstrap import Trader, list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Intent, Registry
from gateway.registry.vault import Vault
from gateway.wire.command_rows import index_row
from tests.gateway.live import BTC, config_of, until

MICROS = 1_000_000
START_SECONDS, CALL_SECONDS = 300, 60
FIRST_PRICES = {BTC: 20_000.0, "ETH_USDC-PERPETUAL": 1_000.0}
SOURCES = 3
INDEX_SECONDS = 0.5
Told = Callable[[], bool]
Served = TypeVar("Served")


@dataclass
class BrowserVenue:
    """A running venue: its address, its traders with their clients, and an index that goes where `prices` says."""

    server: Server
    loop: asyncio.AbstractEventLoop
    traders: dict[str, Trader]
    clients: dict[str, Client] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=lambda: dict(FIRST_PRICES))

    @property
    def page(self) -> str:
        """The address of the terminal."""
        return f"http://127.0.0.1:{self.server.port}/"

    def address(self, name: str) -> str:
        """The terminal's address, logged in as a trader."""
        key = self.traders[name].key
        return f"{self.page}#key={key.id}&secret={key.secret}"

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Wait for a coroutine in the venue's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(CALL_SECONDS)

    def call(self, name: str, method: str, **params: Any) -> Any:
        """The answer to a trader's request."""
        return self.run(self.clients[name].call(method, **params))

    def place(self, name: str, side: str, amount: str, price: str | None = None, **params: Any) -> Any:
        """A trader's order: a limit order with a price, else a market order; the answer's order."""
        terms = {"type": "market"} if price is None else {"price": price}
        answer = self.call(name, f"private/{side}", **{"instrument_name": BTC, "amount": amount} | terms | params)
        return answer["order"]

    def orders(self, name: str) -> list[dict[str, Any]]:
        """A trader's open orders."""
        return list(self.call(name, "private/get_open_orders"))

    def size(self, name: str) -> float:
        """A trader's position in BTC."""
        return float(self.call(name, "private/get_position", instrument_name=BTC)["size"])

    def until(self, condition: Told, seconds: float = CALL_SECONDS) -> None:
        """Wait until something that the venue's loop looks at is true."""
        self.run(until(condition, seconds))

    def quote(self, middle: float = FIRST_PRICES[BTC], levels: int = 5, amount: str = "2", step: float = 5) -> None:
        """The maker's book, anew: levels around a middle price."""
        self.call("maker", "private/cancel_all")
        for level in range(1, levels + 1):
            self.place("maker", "buy", amount, str(middle - level * step))
            self.place("maker", "sell", amount, str(middle + level * step))

    def set_attribute(self, name: str, attribute: AccountAttribute, value: int) -> None:
        """Give or take what an account needs to open risk, as an officer's decision reaches the log."""
        slot = self.traders[name].account_slot
        registry = Registry(self.server.venue.config.registry)
        intent = Intent(CommandKind.ACCOUNT_SET, int(attribute), slot, value=value, note="a test's", sweeps=True)
        registry.add_intents([intent], clock.wall_ns())
        registry.close()

    def mark(self) -> int:
        """BTC's mark in subticks."""
        return int(self.server.venue.projection.ticker(0).mark_subticks)

    def _tell_index(self) -> None:
        venue = self.server.venue
        now_ns = venue.time.now_ns()
        for contract in venue.projection.contracts():
            tick = contract.tick.mantissa * 10.0**contract.tick.exponent
            subticks = round(self.prices[contract.name] / tick * 1000)
            for source in range(SOURCES):
                venue.sequencer.submit(index_row(contract.slot, source, subticks, now_ns), None, None)
        self.server.turns.touch()


def set_up(config: Any, cash: Mapping[str, int], fund: int) -> dict[str, Trader]:
    """Contracts and eligible traders with so much money, in whole USDC, before the first start."""
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    registry, now_ns = Registry(config.registry), clock.wall_ns()
    vault = Vault(config.vault, registry)
    set_up_venue(registry, now_ns, fund * MICROS)
    list_contracts(registry, now_ns)
    traders = {name: open_trader(registry, vault, name, money * MICROS, now_ns) for name, money in cash.items()}
    registry.close()
    return traders


@contextmanager
def in_thread(server: AbstractAsyncContextManager[Served]) -> Iterator[tuple[Served, asyncio.AbstractEventLoop]]:
    """Run a server in a thread until the test is over: what it gives, and its loop. Its faults are raised."""
    up, over, found, faults = threading.Event(), asyncio.Event(), [], list[BaseException]()

    async def live() -> None:
        async with server as given:
            found.append((given, asyncio.get_running_loop()))
            up.set()
            await over.wait()

    def body() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            faults.append(error)
        finally:
            up.set()

    host.warm_up()
    thread = threading.Thread(target=body, name="venue", daemon=True)
    thread.start()
    assert up.wait(START_SECONDS), "the venue did not start"
    if found:
        try:
            yield found[0]
        finally:
            found[0][1].call_soon_threadsafe(over.set)
            thread.join(START_SECONDS)
    if faults:
        raise faults[0]


@asynccontextmanager
async def _live(folder: Path, cash: Mapping[str, int], fund: int) -> AsyncIterator[BrowserVenue]:
    config = config_of(folder, scripted_index="")
    traders = set_up(config, {"maker": 100_000_000, **cash}, fund)
    server = Server(config)
    await server.start()
    venue = BrowserVenue(server, asyncio.get_running_loop(), traders)
    server.turns.every(INDEX_SECONDS, venue._tell_index)
    try:
        await until(lambda: bool(server.venue.projection.contracts() and venue.mark()))
        for name, trader in traders.items():
            venue.clients[name] = Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret)
            await venue.clients[name].connect()
        yield venue
        for client in venue.clients.values():
            await client.close()
    finally:
        await server.stop()


@contextmanager
def browser_venue(folder: Path, cash: Mapping[str, int], fund: int = 10_000_000) -> Iterator[BrowserVenue]:
    """A venue with a maker and these traders, until the test is over."""
    with in_thread(_live(folder, cash, fund)) as (venue, _):
        yield venue
