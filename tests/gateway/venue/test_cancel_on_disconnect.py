"""A lost connection takes the orders with it that were made over it, by whichever path they came, and no others."""

import numpy as np

from engine.codes import CommandKind, OrdType, Side, TimeInForce
from engine.schema import COMMAND
from gateway import clock
from gateway.client import Client
from tests.gateway.live import BTC, config_of, market, play, running, set_up, until


async def connected(alice, **options):
    """Another connection of the same key."""
    client = Client(alice.url, alice.key_id, alice._secret, reconnect=False, **options)
    await client.connect()
    return client


async def lose(server, client):
    """Cut a client's connection, as a network does."""
    count = len(server.connections.websockets)
    client._transport.disconnect()
    await until(lambda: len(server.connections.websockets) == count - 1)


async def prices(client):
    return sorted(int(order.price) for order in await client.open_orders())


def test_only_orders_made_over_the_lost_connection_go(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            guarded = await connected(alice)
            await guarded.call("private/enable_cancel_on_disconnect")
            told = []
            await alice.subscribe("user.orders.any.any.raw", told.append)
            plain = await guarded.buy(BTC, "0.1", price="19900")
            await guarded.buy(BTC, "0.1", price="19800", label="with a label", post_only=True)
            await guarded.buy(BTC, "0.1", price="19700", cl_ord_id=77, display_amount="0.01")
            await guarded.buy(BTC, "0.1", type="stop_limit", price="20300", trigger_price="20200")
            await alice.buy(BTC, "0.1", price="19600")
            await alice.edit(plain.order.order_id, amount="0.1", price="19890")
            mine = await alice.buy(BTC, "0.1", price="19500")
            await guarded.edit(mine.order.order_id, amount="0.2", price="19510")
            await bob.buy(BTC, "0.1", price="19400")
            await lose(server, guarded)
            assert await prices(alice) == [19_510, 19_600] and await prices(bob) == [19_400]
            gone = [order for order in told if order["order_state"] == "cancelled"]
            assert len(gone) == 4 and {order["cancel_reason"] for order in gone} == {"cancel_on_disconnect"}

    play(story())


def test_reduce_only_orders_stay(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            guarded = await connected(alice)
            await guarded.call("private/enable_cancel_on_disconnect")
            await bob.sell(BTC, "0.1", price="20000")
            await guarded.buy(BTC, "0.1", price="20000")
            await guarded.sell(BTC, "0.1", type="stop_market", trigger_price="19000", reduce_only=True)
            await guarded.sell(BTC, "0.1", type="stop_market", trigger_price="18900")
            await lose(server, guarded)
            [left] = await alice.open_orders()
            assert (left.reduce_only, str(left.trigger_price)) == (True, "19000")

    play(story())


def test_orders_of_rows_and_those_of_the_present_turn_go_too(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            guarded = await connected(alice, binary=True)
            await guarded.call("private/enable_cancel_on_disconnect")
            rows = np.zeros(3, COMMAND)
            rows["kind"], rows["side"], rows["ord_type"] = CommandKind.NEW, Side.BUY, OrdType.LIMIT
            rows["tif"], rows["qty_lots"], rows["price_ticks"] = TimeInForce.GTC, 100, [39_000, 39_001, 39_002]
            reports = []
            guarded.on_rows = reports.extend
            guarded.send_rows(rows)
            await until(lambda: len(reports) == 3)
            await alice.buy(BTC, "0.1", price="19000")
            session = next(c.session for c in server.connections.websockets if c.session.binary)
            [submit] = session.receive_rows(rows.tobytes(), clock.steady_ns())
            server.venue.sequencer.submit(submit.rows, None, None)
            await lose(server, guarded)
            assert await prices(alice) == [19_000]

    play(story())


def test_a_new_connection_does_not_inherit_orders_of_before_a_restart(tmp_path):
    config = config_of(tmp_path)
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    [trader] = set_up(config, ("alice",))

    async def before(server):
        client = Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret, reconnect=False)
        await client.connect()
        return client

    async def first():
        async with running(config) as server:
            client = await before(server)
            await client.buy(BTC, "0.1", price="19000")

    async def second():
        async with running(config) as server:
            guarded = await before(server)
            await guarded.call("private/enable_cancel_on_disconnect")
            await guarded.buy(BTC, "0.1", price="19100")
            await lose(server, guarded)
            return await prices(await before(server))

    play(first())
    assert play(second()) == [19_000]
