"""A venue with two officers and traders in a thread of its own, so that a test may drive browsers meanwhile."""

import asyncio
import threading
from contextlib import contextmanager
from types import SimpleNamespace

from engine import host
from gateway.client import Client
from tests.gateway.live import config_of, running, set_up
from tests.gateway.office.test_officers_live import name_officers

START_SECONDS = 300
NAMES = ("alice", "bob", "<i>eve</i>")


@contextmanager
def console_venue(folder, **settings):
    """The venue's ports, the keys of Ann and Ben, a client for each trader, and `run` for coroutines in its loop."""
    found = SimpleNamespace(loop=None, server=None, clients={}, officers={}, fault=None)
    is_up, is_over = threading.Event(), None

    async def live():
        nonlocal is_over
        is_over = asyncio.Event()
        config = config_of(folder, **settings)
        folder.mkdir()
        traders = set_up(config, NAMES)
        found.officers = dict(zip(("Ann", "Ben"), name_officers(config), strict=True))
        async with running(config) as server:
            found.loop, found.server = asyncio.get_running_loop(), server
            for name, trader in zip(NAMES, traders, strict=True):
                client = Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret)
                await client.connect()
                found.clients[name] = client
            is_up.set()
            await is_over.wait()
            for client in found.clients.values():
                await client.close()

    def body():
        try:
            asyncio.run(live())
        except BaseException as error:
            found.fault = error
            is_up.set()

    host.warm_up()
    thread = threading.Thread(target=body, name="venue", daemon=True)
    thread.start()
    assert is_up.wait(START_SECONDS), "the venue did not start"
    if found.fault is not None:
        raise found.fault
    found.address = f"http://127.0.0.1:{found.server.operations_port}"
    found.run = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, found.loop).result(60)
    try:
        yield found
    finally:
        found.loop.call_soon_threadsafe(is_over.set)
        thread.join(60)
