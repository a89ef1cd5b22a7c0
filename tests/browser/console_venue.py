"""A venue with two officers and traders in a thread of its own, so that a test may drive browsers meanwhile."""

import asyncio
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace

from gateway.client import Client
from tests.browser.venue import CALL_SECONDS, in_thread
from tests.gateway.live import config_of, running, set_up
from tests.gateway.office.test_officers_live import name_officers

NAMES = ("alice", "bob", "<i>eve</i>")


@asynccontextmanager
async def _live(folder):
    config = config_of(folder)
    folder.mkdir()
    traders = set_up(config, NAMES)
    officers = dict(zip(("Ann", "Ben"), name_officers(config), strict=True))
    async with running(config) as server:
        clients = {}
        for name, trader in zip(NAMES, traders, strict=True):
            clients[name] = Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret)
            await clients[name].connect()
        address = f"http://127.0.0.1:{server.operations_port}"
        yield SimpleNamespace(server=server, officers=officers, clients=clients, address=address)
        for client in clients.values():
            await client.close()


@contextmanager
def console_venue(folder):
    """The server, the address of the console, keys of Ann and Ben, a client for each trader, `run` for coroutines."""
    with in_thread(_live(folder)) as (found, loop):
        found.run = lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(CALL_SECONDS)
        yield found
