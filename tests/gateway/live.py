"""A real server on a free port, in the loop of the test; traders with keys; plain requests."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

from engine import host
from gateway import clock
from gateway.client import Client
from gateway.config import Config
from gateway.net.server import Server
from gateway.office.bootstrap import list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault
from gateway.surveillance.parameters import SILENT
from tests.patience import patience_s

MILLION_MICROS = 10**12
BTC = "BTC_USDC-PERPETUAL"
UNLIMITED = 10**8
INDEX = f"{BTC}=20000,ETH_USDC-PERPETUAL=1000"


def config_of(folder, **settings):
    """The settings of a test's server."""
    config = Config(
        data=str(folder), port=0, durability="os", scripted_index=INDEX, orders_per_s=UNLIMITED, orders_burst=UNLIMITED,
        cancels_per_s=UNLIMITED, cancels_burst=UNLIMITED, logins_burst=UNLIMITED, surveillance=SILENT,
    )  # fmt: skip
    return replace(config, **settings)


def set_up(config, names=("alice", "bob")):
    """Contracts and traders, before the first start."""
    registry, now_ns = Registry(config.registry), clock.wall_ns()
    vault = Vault(config.vault, registry)
    set_up_venue(registry, now_ns, 10 * MILLION_MICROS)
    list_contracts(registry, now_ns)
    traders = [open_trader(registry, vault, name, 10 * MILLION_MICROS, now_ns) for name in names]
    registry.close()
    return traders


async def until(condition, seconds=None):
    """Wait for something to become true."""
    async with asyncio.timeout(seconds or patience_s()):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(config):
    """A server that has its mark prices."""
    server = Server(config)
    await server.start()
    try:
        await until(lambda: server.venue.projection.contracts() and server.venue.projection.ticker(0).mark_subticks)
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def market(folder, names=("alice", "bob"), **settings):
    """A server and a logged-in client for each name."""
    config = config_of(folder, **settings)
    Registry(_ready(config)).close()
    traders = set_up(config, names)
    async with running(config) as server:
        clients = [Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret) for trader in traders]
        for client in clients:
            await client.connect()
        try:
            yield server, clients
        finally:
            for client in clients:
                await client.close()


def _ready(config):
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    return config.registry


def play(story, seconds=None):
    """Run a coroutine with a time limit that no healthy run comes near."""

    async def limited():
        async with asyncio.timeout(seconds or 6 * patience_s()):
            return await story

    host.warm_up()
    return asyncio.run(limited())


def key_file(folder, key_id, secret):
    """A key file as commands take it with --secret-file; its path."""
    path = folder / f"{key_id}.key"
    path.touch(0o600)
    path.write_text(json.dumps({"id": key_id, "secret": secret}))
    return str(path)


def request(number, method, **params):
    """A JSON-RPC request as bytes."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
