"""The same over real websockets: a proxy cuts the connection after any message, in either direction."""

import asyncio
from dataclasses import replace

import pytest

from gateway.client import Client
from tests.gateway.client.test_once import CHANNELS, ETH, facts
from tests.gateway.live import BTC, config_of, market, play, running, set_up, until
from tests.gateway.socketless_venue import frame_at

UP, DOWN = "up", "down"


class CuttingProxy:
    """Carries one connection after the other to a venue.

    `plan` has a cut for the present connection and for those that follow: after so many messages of a direction.
    """

    def __init__(self, port):
        self._port = port
        self._left = {}
        self._plan = []
        self._silent = False
        self.cuts = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()

    def plan(self, *cuts):
        """Cut the present connection by the first of these (direction, messages), later ones by the others."""
        self._left, self._plan = dict(cuts[:1]), list(cuts[1:])

    def fall_silent(self):
        """Carry nothing more over the present connection, without an end that either side could see."""
        self._silent = True

    async def _connected(self, reader, writer):
        self._silent = False
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ways = [(UP, reader, far_writer), (DOWN, far_reader, writer)]
        carried = [asyncio.ensure_future(self._carry(*way)) for way in ways]
        await asyncio.wait(carried, return_when=asyncio.FIRST_COMPLETED)
        self._left = dict(self._plan[:1])
        del self._plan[:1]
        for task in carried:
            task.cancel()
        for side in (far_writer, writer):
            side.transport.abort()

    async def _carry(self, way, reader, writer):
        """Carry the handshake, then whole messages, until one is not to be carried any more."""
        try:
            writer.write(await reader.readuntil(b"\r\n\r\n"))
            kept = b""
            while data := await reader.read(1 << 16):
                kept += data
                while frame := frame_at(kept, 0):
                    if self._left.get(way) == 0:
                        self.cuts += 1
                        return
                    if not self._silent:
                        writer.write(kept[: frame[0]])
                    kept = kept[frame[0] :]
                    if way in self._left:
                        self._left[way] -= 1
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return


async def trade(me, bob):
    """A story that makes facts in two contracts: fills in parts, an edit, a trigger, several cancels at once."""
    first = await me.buy(BTC, "0.1", price="19900", label=ETH)
    await me.buy(ETH, "1", price="990", label=BTC)
    await bob.batch([("private/sell", {"instrument_name": BTC, "amount": "0.02", "price": "19900"})] * 2)
    await me.edit(first.order.order_id, amount="0.08", price="19901")
    await bob.sell(ETH, "0.3", price="990")
    stop = {"type": "stop_market", "trigger": "last_price", "reduce_only": True}
    await me.sell(BTC, "0.04", trigger_price="19880", **stop)
    await bob.buy(BTC, "0.1", price="19870")
    await bob.sell(BTC, "0.05", price="19870")
    for price in range(3):
        await me.buy(BTC, "0.01", price=str(19500 + price))
    await me.cancel_all()
    await bob.cancel_all()


async def told(clients):
    """What each client's channels said so far."""
    said = [{channel: [] for channel in CHANNELS} for _ in clients]
    for client, heard in zip(clients, said, strict=True):
        for channel, messages in heard.items():
            await client.subscribe(channel, messages.append)
    return said


def plans():
    """After each of the first messages of the story, and of the connections that come after."""
    for count in range(24):
        yield [(DOWN, count)]
    for count in range(6):
        yield [(DOWN, 2), (UP, count)]
        yield [(DOWN, 4), (DOWN, count), (DOWN, 5 - count), (UP, count)]


def test_a_proxy_that_cuts_after_any_message_changes_nothing(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, bob)), CuttingProxy(server.port) as proxy:
            through = Client(f"ws://127.0.0.1:{proxy.port}", alice.key_id, alice._secret)
            await through.connect()
            heard, everything = await told([through, alice])
            made = 0
            for plan in plans():
                proxy.plan(*plan)
                await trade(alice, bob)
                proxy.plan()
                await until(lambda: facts(heard) == facts(everything) and through.is_connected.is_set())
                assert len(everything["user.trades.any.any.raw"]) > made
                made = len(everything["user.trades.any.any.raw"])
            assert proxy.cuts >= 36
            await through.close()

    play(story(), 300)


@pytest.mark.parametrize("keeps_what_was_saved", [True, False])
def test_a_restart_of_the_venue_loses_and_repeats_nothing(tmp_path, keeps_what_was_saved):
    config = config_of(tmp_path)
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    traders = set_up(config)

    async def story():
        async with running(config) as server:
            port = server.port
            keys = [trader.key for trader in (*traders, traders[0])]
            alice, bob, unheard = [Client(f"ws://127.0.0.1:{port}", key.id, key.secret) for key in keys]
            for client in (alice, bob, unheard):
                await client.connect()
            heard, everything = await told([alice, unheard])
            await trade(alice, bob)
            await until(lambda: facts(heard) == facts(everything))
            alice._transport.disconnect()
            await trade(unheard, bob)
            await until(lambda: len(everything["user.trades.any.any.raw"]) == 10)
        if not keeps_what_was_saved:
            next(tmp_path.glob("projection-*")).unlink()
        async with running(replace(config, port=port)):
            await until(lambda: alice.is_connected.is_set() and unheard.is_connected.is_set())
            await until(lambda: facts(heard) == facts(everything))
            before = facts(everything)
            assert len(before["user.trades.any.any.raw"]) == len(before[f"user.trades.{BTC}.100ms"]) + 2 == 10
            await unheard.buy(BTC, "0.1", price="19000")
            await until(lambda: facts(heard) == facts(everything) != before)
            for client in (alice, bob, unheard):
                await client.close()

    play(story(), 300)


def test_a_connection_that_fell_silent_is_noticed_and_nothing_is_missed(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.client.client.PING_SECONDS", 0.2)

    async def story():
        whole = market(tmp_path, ("alice",), idle_seconds=0)  # the venue itself would end a silent connection
        async with whole as (server, (alice,)), CuttingProxy(server.port) as proxy:
            through = Client(f"ws://127.0.0.1:{proxy.port}", alice.key_id, alice._secret)
            heard = []
            async with through:
                await through.subscribe("user.orders.any.any.raw", heard.append)
                await alice.buy(BTC, "0.1", price="19800")
                await until(lambda: len(heard) == 1)
                proxy.fall_silent()
                await alice.buy(BTC, "0.2", price="19800")
                await until(lambda: len(heard) == 2)
            assert [str(order["amount"]) for order in heard] == ["0.1", "0.2"]

    play(story())
