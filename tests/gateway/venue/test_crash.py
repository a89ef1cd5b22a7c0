"""kill -9 under load, again and again: nothing acknowledged is lost or doubled, and history answers as before.

`LIONROCK_CRASHES=50 pytest tests/gateway/venue/test_crash.py` does it fifty times.
"""

import asyncio
import json
import os
import random
import sys

from gateway.client import Client, Disconnected, RpcError
from gateway.registry.registry import Registry
from tests.gateway.live import BTC, INDEX, config_of, play, set_up

CRASHES = int(os.environ.get("LIONROCK_CRASHES", "5"))
START_SECONDS = 300


class Server:
    """`lionrock serve` as a process of its own; every second time it has one core alone and polls."""

    def __init__(self, config):
        self._config = config
        self._starts = 0
        self.process = None
        self.url = ""

    async def start(self):
        flags = {
            "data": self._config.data, "port": 0, "durability": "fsync", "scripted-index": INDEX,
            "orders-per-s": 10**8, "orders-burst": 10**8, "cancels-per-s": 10**8, "cancels-burst": 10**8,
        }  # fmt: skip
        self._starts += 1
        cores = os.sched_getaffinity(0)
        if self._starts % 2 == 0:
            flags["busy-poll-us"] = 200
            cores = {min(cores)}
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli", "serve", "--json", *words, stdout=asyncio.subprocess.PIPE
        )
        os.sched_setaffinity(self.process.pid, cores)
        async with asyncio.timeout(START_SECONDS):
            line = await self.process.stdout.readline()
        self.url = json.loads(line)["url"]

    async def kill(self):
        self.process.kill()
        await self.process.wait()

    async def stop(self):
        self.process.terminate()
        assert await self.process.wait() == 0


class Witness:
    """What a trader was told: orders by client id, and its trades."""

    def __init__(self):
        self.placed = {}
        self.cancelled = set()
        self.trades = set()
        self.next_id = 1

    async def trade(self, client, side, chance):
        """Orders and cancels, several under way at a time, until the connection is gone."""
        while True:
            calls = []
            for _ in range(8):
                number, self.next_id = self.next_id, self.next_id + 1
                price = 20000 + chance.randrange(-6, 7) - (2 if side == "buy" else -2)
                order = {"instrument_name": BTC, "amount": "0.001", "price": str(price), "cl_ord_id": number}
                calls.append((number, f"private/{side}", order))
            for answer in await asyncio.gather(*(self._place(client, *call) for call in calls)):
                if answer and chance.random() < 0.4:
                    await self._cancel(client, answer)

    async def _place(self, client, number, method, order):
        try:
            placed = await client.call(method, **order)
        except RpcError:
            return None
        self.placed[number] = placed["order"]["order_id"]
        self.trades.update((trade["trade_id"], trade["order_id"]) for trade in placed["trades"])
        return placed["order"]["order_id"]

    async def _cancel(self, client, order_id):
        try:
            await client.cancel(order_id)
        except RpcError:
            return
        self.cancelled.add(order_id)

    async def check(self, client):
        """The venue knows everything that it told, once."""
        for order_id in list(self.placed.values())[-300:]:
            state = (await client.call("private/get_order_state", order_id=order_id))["order_state"]
            assert state in ("open", "filled", "cancelled")
            if order_id in self.cancelled:
                assert state == "cancelled"
        orders = [order.cl_ord_id for order in await client.open_orders()]
        assert len(orders) == len(set(orders))
        told = await client.call("private/get_user_trades_by_instrument", instrument_name=BTC, count=1000)
        known = [(trade["trade_id"], trade["order_id"]) for trade in told["trades"]]
        assert len(known) == len(set(known))
        if not told["has_more"]:
            assert self.trades <= set(known)
        self.trades.update(known)


async def crash_and_return(server, traders, witnesses, chance):
    """Trade, die at a random moment, come back, and see that everything is there."""
    await server.start()
    clients = [Client(server.url, trader.key.id, trader.key.secret, reconnect=False) for trader in traders]
    for client in clients:
        await client.connect()
    async with asyncio.timeout(20):
        while not (await clients[0].call("public/ticker", instrument_name=BTC))["mark_price"]:
            await asyncio.sleep(0.05)
    for client, witness in zip(clients, witnesses, strict=True):
        await witness.check(client)
    flows = [
        asyncio.ensure_future(witness.trade(client, side, chance))
        for client, witness, side in zip(clients, witnesses, ("buy", "sell"), strict=True)
    ]
    await asyncio.sleep(0.2 + chance.random())
    await server.kill()
    for outcome in await asyncio.gather(*flows, return_exceptions=True):
        assert isinstance(outcome, Disconnected | TimeoutError), outcome


def test_nothing_acknowledged_is_lost_or_doubled(tmp_path):
    config = config_of(tmp_path)
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    traders = set_up(config)
    server, witnesses, chance = Server(config), [Witness(), Witness()], random.Random(7)

    async def story():
        for _ in range(CRASHES):
            await crash_and_return(server, traders, witnesses, chance)
        await server.start()
        for trader, witness in zip(traders, witnesses, strict=True):
            async with Client(server.url, trader.key.id, trader.key.secret) as client:
                await witness.check(client)
        await server.stop()

    play(story(), START_SECONDS + 30 * CRASHES)
    assert sum(len(witness.placed) for witness in witnesses) > 10 * CRASHES
    assert all(witness.trades for witness in witnesses)
    registry = Registry(config.registry)
    assert registry.pending_intents() == []
    registry.close()
