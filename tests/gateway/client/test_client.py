"""The client over a lost connection: it comes back, subscribes again, and hears what it missed, once."""

import asyncio

import pytest

from gateway.client import Client, Disconnected, RpcError
from tests.gateway.live import BTC, market, play, until


def test_a_lost_connection_comes_back_with_what_was_missed(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            trades, orders = [], []
            await alice.subscribe("user.trades.any.any.raw", trades.extend)
            await alice.subscribe("user.orders.any.any.raw", orders.append)
            book = await alice.book(BTC)
            await alice.buy(BTC, "0.5", price="19999")
            await bob.sell(BTC, "0.1", price="19999")
            await until(lambda: len(trades) == 1)
            slot = 0
            next(one for one in server.connections.websockets if one.session.account_slot == slot).abort()
            await until(lambda: not alice.is_connected.is_set())
            await bob.sell(BTC, "0.2", price="19999")
            await until(alice.is_connected.is_set)
            await until(lambda: len(trades) == 2)
            await bob.sell(BTC, "0.05", price="19999")
            await until(lambda: len(trades) == 3 and book.best_bid and str(book.best_bid[1]) == "0.15")
            assert [str(trade["amount"]) for trade in trades] == ["0.1", "0.2", "0.05"]
            assert str(orders[-1]["filled_amount"]) == "0.35"

    play(story())


def test_a_request_without_an_answer_says_so(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            alice._reconnect = False
            waiting = asyncio.ensure_future(alice.call("public/test"))
            await asyncio.sleep(0)
            next(iter(server.connections.websockets)).abort()
            with pytest.raises(Disconnected):
                await waiting
            with pytest.raises(Disconnected):
                await alice.call("public/test")

    play(story())


def test_a_batch_keeps_its_order_and_refusals_their_place(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (_, (alice,)):
            order = {"instrument_name": BTC, "price": "19900"}
            answers = await alice.batch(
                [("private/buy", {**order, "amount": amount}) for amount in ("0.1", "-1", "0.2", "0.00001")]
            )
            assert [type(answer) for answer in answers] == [dict, RpcError, dict, RpcError]
            assert [str(order.amount) for order in await alice.open_orders()] == ["0.2", "0.1"]

    play(story())


def test_a_wrong_secret_and_an_unknown_channel_are_told(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (_, (alice,)):
            with pytest.raises(RpcError) as refused:
                await Client(alice.url, alice.key_id, "wrong", reconnect=False).connect()
            assert refused.value.code == 13004
            with pytest.raises(ValueError, match="no contract 'NOPE'"):
                await alice.subscribe("book.NOPE.raw", print)

    play(story())


def test_a_refusal_says_in_words_what_it_means_and_what_to_do():
    refused = RpcError({"code": 10007, "message": "price_too_high", "data": {"reason": "PRICE_OUT_OF_BAND"}})
    assert str(refused) == (
        "price_too_high (10007): PRICE_OUT_OF_BAND: The price is beyond the band around the mark. "
        "Stay within min_price and max_price."
    )
    invalid = {"code": -32602, "message": "Invalid params", "data": {"param": "amount", "reason": "'x' is no number"}}
    assert str(RpcError(invalid)) == "Invalid params (-32602): amount: 'x' is no number"
    assert str(RpcError({"code": 13009, "message": "unauthorized"})) == "unauthorized (13009): unauthorized"


async def lost(server, client):
    """Cut a client's connection from the venue's side, and wait until it is back."""
    for one in list(server.connections.websockets):
        if one.session.key is not None and one.session.key.id == client.key_id:
            one.abort()
    await until(lambda: not client.is_connected.is_set())
    await until(client.is_connected.is_set)


def test_a_subscription_that_fails_leaves_nothing_behind(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            heard = []
            for channel in ("book.NOPE.raw", "user.orders.NOPE.raw"):
                with pytest.raises(ValueError, match="no contract 'NOPE'"):
                    await alice.subscribe(channel, heard.append)
            alice._transport.disconnect()
            await until(lambda: not alice.is_connected.is_set())
            with pytest.raises(Disconnected):
                await alice.subscribe("user.trades.any.any.raw", heard.append)
            await until(alice.is_connected.is_set)
            await alice.subscribe("user.orders.any.any.raw", heard.append)
            await lost(server, alice)
            await alice.buy(BTC, "0.1", price="19900")
            await until(lambda: len(heard) == 1)

    play(story())


def test_a_callback_that_fails_takes_nothing_from_the_others(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            heard, told = [], []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
            await alice.subscribe("user.orders.any.any.raw", lambda data: data["no such field"])
            await alice.subscribe("user.orders.any.any.raw", heard.append)
            await alice.buy(BTC, "0.1", price="19900")
            await until(lambda: len(heard) == 1)
            assert [type(error) for error in told] == [KeyError] and alice.is_connected.is_set()
            await lost(server, alice)
            await alice.cancel_all()
            await until(lambda: len(heard) == 2)

    play(story())


def test_what_cannot_be_told_any_more_is_a_gap(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            heard, gaps = [], []
            alice.on_gap = gaps.append
            await alice.subscribe("user.orders.any.any.raw", heard.append)
            await alice.buy(BTC, "0.1", price="19900")
            await until(lambda: len(heard) == 1)
            ahead = server.venue.projection.durable_seq + 10**6
            alice._channels._private.caught_up(["user.orders.any.any.raw"], ahead)
            await lost(server, alice)
            [gap] = gaps
            assert (gap.channels, gap.after) == (["user.orders.any.any.raw"], ahead)
            assert "ahead of this venue" in gap.reason
            await alice.buy(BTC, "0.1", price="19800")
            await until(lambda: len(heard) == 2)

    play(story())


def test_a_private_message_tells_where_to_go_on_without_having_asked(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (_, (alice,)):
            assert alice.sequence == 0
            await alice.subscribe("user.orders.any.any.raw", lambda data: None)
            await alice.buy(BTC, "0.1", price="19900")
            await until(lambda: alice.sequence)
            after = await alice.call("venue/resume", sequence=alice.sequence)
            before = await alice.call("venue/resume", sequence=alice.sequence - 1)
            assert not after["events"] and [event["sequence"] for event in before["events"]] == [alice.sequence]
            with pytest.raises(RpcError, match="ahead of this venue"):
                await alice.call("venue/resume", sequence=10**17)

    play(story())


def test_a_broken_book_is_mended_by_one_subscription(tmp_path):
    async def story():
        async with market(tmp_path) as (_, (alice, bob)):
            book = await alice.book(BTC)
            await bob.buy(BTC, "0.1", price="19900")
            await until(lambda: book.best_bid is not None)
            book.change_id = 1
            await bob.batch([("private/buy", {"instrument_name": BTC, "amount": "0.1", "price": "19800"})] * 3)
            await until(lambda: [str(amount) for _, amount in book.depth(5)[0]] == ["0.1", "0.3"])
            assert not alice._channels._mending

    play(story())


def test_a_book_that_is_asked_for_twice_is_one_book_and_has_its_snapshot(tmp_path):
    async def story():
        async with market(tmp_path) as (_, (alice, bob)):
            said = []
            await bob.buy(BTC, "0.1", price="19900")
            await alice.subscribe(f"book.{BTC}.raw", said.append)
            book = await alice.book(BTC)
            assert await alice.book(BTC) is book
            await until(lambda: book.best_bid is not None)
            await bob.batch([("private/buy", {"instrument_name": BTC, "amount": "0.1", "price": "19800"})] * 3)
            await until(lambda: [str(amount) for _, amount in book.depth(5)[0]] == ["0.1", "0.3"])
            assert [message["type"] for message in said].count("snapshot") == 2

    play(story())


def test_each_of_two_that_ask_for_a_channel_at_once_is_told_that_there_is_none(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (_, (alice,)):
            heard = []
            asked = (alice.subscribe("user.orders.NOPE.raw", heard.append) for _ in range(2))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(answer) for answer in answers] == [ValueError] * 2
            await asyncio.gather(*(alice.subscribe("user.orders.any.any.raw", heard.append) for _ in range(2)))
            await alice.buy(BTC, "0.1", price="19900")
            await until(lambda: len(heard) == 2)

    play(story())


def test_a_gap_that_its_receiver_chokes_on_does_not_keep_the_client_from_coming_back(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            heard, told = [], []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
            alice.on_gap = lambda gap: gap.no_such_field
            await alice.subscribe("user.orders.any.any.raw", heard.append)
            alice._channels._private.caught_up(["user.orders.any.any.raw"], server.venue.projection.durable_seq + 10**6)
            await lost(server, alice)
            assert [type(error) for error in told] == [AttributeError]
            await alice.buy(BTC, "0.1", price="19900")
            await until(lambda: len(heard) == 1)

    play(story())


def test_what_a_channel_still_says_after_it_was_left_is_not_a_place_to_go_on_from(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            heard, gathered = [], "user.orders.any.any.100ms"
            await alice.subscribe(gathered, heard.append)
            await alice.unsubscribe(gathered)
            params = b'{"channel":"%b","data":[],"sequence":%d}' % (gathered.encode(), server.venue.engine.last_seq)
            alice._received(b'{"jsonrpc":"2.0","method":"subscription","params":%b}' % params)
            await alice.buy(BTC, "0.1", price="19800")
            await alice.subscribe(gathered, heard.append)
            await lost(server, alice)
            await alice.buy(BTC, "0.1", price="19700")
            await until(lambda: heard)
            assert [order["price"] for message in heard for order in message] == [19_700]

    play(story())
