"""Runs a client's script against a live venue, through the forwarder that records what it asks."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.client import Client
from tests.gateway.live import config_of, running, set_up
from tests.gateway.peers.recorder import recorded

SCRIPTS = Path(__file__).parent / "scripts"
BTC = "BTC_USDC-PERPETUAL"


class Peer:
    """A venue with a trader for the script and one of our own, `maker`, who makes a market for it."""

    def __init__(self, server, port, calls, key, maker):
        self.server = server
        self.port = port
        self.calls = calls
        self.key = key
        self.maker = maker

    async def run(self, command, *arguments, **environment):
        """What the script printed: one JSON value on each line that begins with `{` or `[`."""
        script = await asyncio.create_subprocess_exec(
            command, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={**os.environ, **self._settings(), **environment},
        )  # fmt: skip
        out, err = await script.communicate()
        text = out.decode() + err.decode()
        assert script.returncode == 0, text[-6000:]
        return [json.loads(line) for line in out.decode().splitlines() if line[:1] in "{["]

    def _settings(self):
        """Where the venue is and who the client is, as the scripts read it."""
        return {"VENUE_PORT": str(self.port), "VENUE_KEY": self.key.id, "VENUE_SECRET": self.key.secret}


@asynccontextmanager
async def peer(folder, tls=None):
    """A `Peer`, for as long as the venue is needed."""
    config = config_of(folder)
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    trader, other = set_up(config, ("alice", "bob"))
    async with running(config) as server, recorded(server.port, tls) as (port, calls):
        maker = Client(f"ws://127.0.0.1:{server.port}", other.key.id, other.key.secret)
        await maker.connect()
        try:
            yield Peer(server, port, calls, trader.key, maker)
        finally:
            await maker.close()


async def quote(maker, amount=0.5):
    """A bid and an ask that stand for as long as nobody takes them."""
    for method, price in (("private/buy", 19_900), ("private/sell", 20_100)):
        await maker.call(method, instrument_name=BTC, amount=amount, price=price)


def script(name):
    """The path of a script."""
    return str(SCRIPTS / name)


PYTHON = sys.executable
