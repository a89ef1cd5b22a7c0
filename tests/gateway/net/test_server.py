"""The server over real sockets: orders, batches, books, HTTP, bad input, slow readers, shutdown and restart."""

import asyncio
import json
import socket
from decimal import Decimal
from types import SimpleNamespace

import aiohttp
import numpy as np
import picows
import pytest

from bench.gateway_load import client_frame
from engine.codes import CommandKind, EventKind, OrdType, Side, TimeInForce
from engine.schema import COMMAND
from gateway import pages
from gateway.client import Client, RpcError
from gateway.index_feeds.scripted import IndexScriptError
from gateway.net import websocket_connection
from gateway.net.server import Server
from gateway.registry.registry import Registry
from tests.gateway.live import BTC, config_of, market, play, request, running, set_up, until


def test_an_order_is_placed_filled_and_told_to_both_sides(tmp_path):
    async def story():
        async with market(tmp_path) as (_, (alice, bob)):
            heard = {"alice": [], "bob": []}
            for name, client in (("alice", alice), ("bob", bob)):
                await client.subscribe("user.orders.any.any.raw", heard[name].append)
                await client.subscribe("user.trades.any.any.raw", heard[name].extend)
            resting = await alice.buy(BTC, "0.5", price="19999.5", label="first")
            assert (resting.order.order_state, resting.order.label, resting.trades) == ("open", "first", [])
            taken = await bob.sell(BTC, "0.2", price="19999.5")
            assert taken.order.order_state == "filled"
            assert [(str(trade.price), str(trade.amount), trade.liquidity) for trade in taken.trades] == [
                ("19999.5", "0.2", "T")
            ]
            await until(lambda: len(heard["alice"]) == 3 and len(heard["bob"]) == 2)
            assert [entry["liquidity"] for entry in heard["alice"] if "trade_id" in entry] == ["M"]
            cancelled = await alice.cancel(resting.order.order_id)
            assert (cancelled.order_state, str(cancelled.filled_amount)) == ("cancelled", "0.2")
            assert str(cancelled.average_price) == "19999.5"
            positions = [(await client.positions())[0] for client in (alice, bob)]
            assert [str(position.size) for position in positions] == ["0.2", "-0.2"]

    play(story())


def test_a_venue_that_polls_turns_for_a_while_after_a_message_and_then_sleeps(tmp_path):
    async def story():
        async with market(tmp_path, durability="fsync", busy_poll_us=20_000) as (server, (alice, _)):
            turned = []
            for step in range(20):
                await alice.buy(BTC, "0.001", price=str(19_000 + step))
                turned.append(server.turns.is_awake)
            assert any(turned)
            assert len(await alice.open_orders()) == 20
            await until(lambda: not server.turns.is_awake)

    play(story())


def test_a_pipelined_query_sees_the_order_before_it(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (_, (alice,)):
            placed, orders, cancelled, after = await alice.batch(
                [
                    ("private/buy", {"instrument_name": BTC, "amount": "0.1", "price": "19900"}),
                    ("private/get_open_orders", {}),
                    ("private/cancel_all", {}),
                    ("private/get_open_orders", {}),
                ]
            )
            assert [order["order_id"] for order in orders] == [placed["order"]["order_id"]]
            assert (cancelled, after) == (1, [])

    play(story())


@pytest.mark.parametrize("interval", ["raw", "100ms"])
def test_a_local_book_follows_the_chain_and_equals_the_engine(tmp_path, interval):
    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            await alice.buy(BTC, "1", price="19990")
            book = await bob.book(BTC, interval)
            await until(lambda: book.change_id is not None)
            for step in range(30):
                await alice.buy(BTC, "0.1", price=str(19980 + step % 7), post_only=True)
                await alice.sell(BTC, "0.1", price=str(20100 + step % 5), post_only=True)
                if step % 3 == 2:
                    await bob.sell(BTC, "0.25", price="19950", time_in_force="immediate_or_cancel")
            await alice.cancel_all()
            await alice.buy(BTC, "0.7", price="19970")
            view = server.venue.projection.book(0, 0)
            await until(lambda: book.change_id == server.venue.projection.books.book(0).change_id)
            contract = server.venue.projection.contract_at(0)
            wanted = [(contract.price_text(price), contract.amount_text(lots)) for price, lots in view.bids]
            assert [(str(price).encode(), str(amount).encode()) for price, amount in book.depth(99)[0]] == wanted
            assert view.asks == []

    play(story())


def test_rows_go_in_and_reports_of_the_account_alone_come_back(tmp_path):
    async def story():
        async with market(tmp_path) as (_, (alice, bob)):
            rows = np.zeros(100, COMMAND)
            rows["kind"], rows["side"], rows["ord_type"] = CommandKind.NEW, Side.SELL, OrdType.LIMIT
            rows["tif"], rows["qty_lots"], rows["price_ticks"] = TimeInForce.GTC, 5, 40_000
            rows["cl_ord_id"] = np.arange(1, 101)
            rows["account_slot"], rows["key"] = 77, 99
            async with Client(alice.url, alice.key_id, alice._secret, binary=True) as maker:
                heard = []
                maker.on_rows = heard.append
                maker.send_rows(rows)
                await until(lambda: sum(map(len, heard)) == 100)
                await bob.buy(BTC, "0.003", price="20000")
                await until(lambda: sum(map(len, heard)) == 101)
                reports = np.concatenate(heard)
                assert set(reports["kind"][:100].tolist()) == {EventKind.ACCEPTED}
                assert reports["cl_ord_id"][:100].tolist() == list(range(1, 101))
                assert (reports["kind"][100], reports["last_lots"][100]) == (EventKind.FILL, 3)
                assert set(reports["account_slot"].tolist()) == {0}

    play(story())


BAD_MESSAGES = [
    (b"{", -32700),
    (b"\xff\xfe", -32700),
    (b"[]", -32600),
    (b'{"jsonrpc":"2.0","id":1}', -32600),
    (request(1, "public/nothing"), -32601),
    (request(1, "private/buy", instrument_name=BTC), 13009),
    (b'{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":7}}', -32602),
    (request(1, "public/get_order_book", instrument_name="NOPE"), 10020),
    (b"[" * 5000, -32600),
]


@pytest.mark.parametrize(("message", "code"), BAD_MESSAGES, ids=[str(index) for index in range(len(BAD_MESSAGES))])
def test_bad_messages_get_an_answer_and_the_session_goes_on(tmp_path, message, code):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)), aiohttp.ClientSession() as http:
            async with http.ws_connect(f"http://127.0.0.1:{server.port}/ws/api/v2") as socket:
                await socket.send_frame(message, aiohttp.WSMsgType.TEXT)
                answer = json.loads((await socket.receive(10)).data)
                assert answer["error"]["code"] == code
                await socket.send_str(request(2, "public/test").decode())
                assert json.loads((await socket.receive(10)).data)["result"]["version"]
            assert (await alice.buy(BTC, "0.1", price="19900")).order.order_state == "open"

    play(story())


async def closed_with(socket):
    """The code that the server closes with."""
    async with asyncio.timeout(120):
        while True:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return socket.close_code


@pytest.mark.parametrize("case", ["huge", "binary", "protocol", "path"])
def test_hostile_connections_are_refused_and_nobody_notices(tmp_path, case):
    async def story():
        small = market(tmp_path, ("alice",), max_frame_bytes=4096)
        async with small as (server, (alice,)), aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{server.port}/ws/api/v2"
            if case in ("protocol", "path"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await http.ws_connect(url if case == "protocol" else url + "x", protocols=("other.v1",))
                assert refused.value.status == (400 if case == "protocol" else 404)
            else:
                async with http.ws_connect(url, autoclose=False) as socket:
                    await (socket.send_str(" " * 10_000) if case == "huge" else socket.send_bytes(b"rows"))
                    assert await closed_with(socket) == (1009 if case == "huge" else 1003)
            assert (await alice.buy(BTC, "0.1", price="19900")).order.order_state == "open"

    play(story())


BROKEN = {
    "without a mask": b"\x81\x02{}",
    "reserved bit": b"\xc1\x80mask",
    "unknown kind": b"\x83\x80mask",
    "ping in parts": b"\x09\x80mask",
    "nothing to go on with": b"\x80\x80mask",
    "text within parts": b"\x01\x80mask" + client_frame(request(2, "public/test")),
    "length that is too long": b"\x81\xfe\x00\x01mask ",
    "length that is far too long": b"\x81\xff" + (300).to_bytes(8) + b"mask" + bytes(300),
}
UPGRADE = (
    b"GET /ws/api/v2 HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_what_breaks_the_websocket_protocol_ends_it_and_nothing_behind_is_served(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            for name, frame in BROKEN.items():
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                tests = [client_frame(request(number, "public/test")) for number in (1, 3)]
                writer.write(UPGRADE + tests[0] + frame + tests[1])
                heard = await reader.read()
                assert heard.count(b'"result":{"version"') == 1 and b'"id":1' in heard, name
                assert b"\x03\xea" in heard.rpartition(b"\x88")[2], name
                writer.close()
            assert (await alice.buy(BTC, "0.1", price="19900")).order.order_state == "open"

    play(story())


def test_a_batch_that_fails_under_a_query_ends_the_server_too(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            sequencer = server.venue.sequencer

            def broken(events, seq):
                if (events["kind"] == EventKind.ACCEPTED).any():  # a timer's batch is none of the client's
                    sequencer._observers = ()
                    raise RuntimeError("broken")

            sequencer._observers = (SimpleNamespace(offer=broken),)
            order = {"instrument_name": BTC, "amount": "0.1", "price": "19900"}
            answers = await alice.batch([("private/buy", order), ("private/get_open_orders", {})])
            assert all(isinstance(answer, Exception) for answer in answers)
            assert str(server.failed.exception()) == "broken"

    play(story())


def test_work_inside_the_engine_that_fails_ends_the_server_too(tmp_path, monkeypatch):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, _):
            keep_time, has_work = server.venue.sequencer.keep_time, type(server.venue.sequencer).has_work

            def broken():
                server.venue.sequencer.keep_time = keep_time
                monkeypatch.setattr(type(server.venue.sequencer), "has_work", has_work)
                raise RuntimeError("broken")

            monkeypatch.setattr(type(server.venue.sequencer), "has_work", True)
            server.turns.loop.call_soon(server._keep_time_again)
            server.venue.sequencer.keep_time = broken
            await asyncio.wait([server.failed], timeout=120)
            assert str(server.failed.exception()) == "broken"

    play(story())


def test_behind_a_handshake_that_is_refused_nothing_is_served(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, _):
            topics = set(server.venue.hub._topics)
            for wrong in (UPGRADE.replace(b": 13", b": 12"), UPGRADE.replace(b"-Key", b"-Lock")):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(wrong + client_frame(request(1, "public/subscribe", channels=[f"book.{BTC}.raw"])))
                assert (await reader.read()).split()[1] == b"400"
                writer.close()
                assert set(server.venue.hub._topics) == topics

    play(story())


def test_a_message_in_parts_with_a_ping_between_them_is_served(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            text = request(7, "public/test")
            begin, rest = client_frame(text[:9]), client_frame(text[9:])
            ping = b"\x89\x80mask"
            stream = b"\x01" + begin[1:] + ping + b"\x80" + rest[1:] + client_frame(request(8, "public/test"))
            writer.write(UPGRADE)
            for first in range(0, len(stream), 3):
                writer.write(stream[first : first + 3])
                await writer.drain()
            heard = await reader.readuntil(b'"id":8')
            assert heard.index(b"\x8a\x00") < heard.index(b'"id":7')
            writer.close()

    play(story())


def test_raw_bytes_that_are_no_http_get_one_answer(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            put = b"PUT / HTTP/1.1\r\nHost: venue\r\n\r\n"
            for sent, status in ((b"hello\r\n\r\n", b"400"), (put, b"405"), (b"x" * 20_000, b"431")):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(sent)
                assert (await reader.read(100)).split()[1] == status
                writer.close()
            _, half_open = await asyncio.open_connection("127.0.0.1", server.port)
            half_open.write(b"GET /ws/api/v2 HTTP/1.1\r\n")
            assert (await alice.call("public/test"))["version"]
            half_open.close()

    play(story())


def test_http_get_post_pages_and_document(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)), aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{server.port}"
            login = {"grant_type": "client_credentials", "client_id": alice.key_id, "client_secret": alice._secret}
            async with http.get(f"{base}/api/v2/public/auth", params=login) as answer:
                token = (await answer.json())["result"]["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            order = {"instrument_name": BTC, "amount": "0.1", "price": "19900", "post_only": "true"}
            async with http.get(f"{base}/api/v2/private/buy", params=order, headers=headers) as answer:
                assert (answer.status, (await answer.json())["result"]["order"]["order_state"]) == (200, "open")
            body = request(5, "private/get_open_orders").decode()
            async with http.post(f"{base}/api/v2/private/get_open_orders", data=body, headers=headers) as answer:
                assert len((await answer.json())["result"]) == 1
            async with http.get(f"{base}/api/v2/private/get_open_orders") as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (400, 13009)
            assets = ((f"/{name}", "") for name in pages.assets_of("terminal.html"))
            for path, text in (("/", "Lionrock"), *assets, ("/openrpc.json", "openrpc")):
                async with http.get(base + path) as answer:
                    assert answer.status == 200 and text in await answer.text()
            async with http.get(f"{base}/../vault.key") as answer:
                assert answer.status == 404

    play(story())


def test_a_reader_that_stops_costs_the_others_nothing_and_catches_up(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            slow = Client(alice.url)
            await slow.connect()
            book = await slow.book(BTC)
            await until(lambda: len(server.connections.websockets) == 3)
            connection = next(one for one in server.connections.websockets if one.session.account_slot < 0)
            connection.pause_writing()
            keen = await bob.book(BTC)
            for step in range(50):
                await alice.buy(BTC, "0.1", price=str(19900 + step % 9))
            assert keen.depth(1)[0] and not book.bids
            connection.resume_writing()
            await until(lambda: book.change_id == keen.change_id)
            assert book.bids == keen.bids

    play(story())


def test_orders_survive_a_restart_and_the_client_resumes(tmp_path):
    config = config_of(tmp_path, durability="fsync", port=0)
    traders = set_up(config)

    async def before():
        async with running(config) as server:
            url = f"ws://127.0.0.1:{server.port}"
            async with Client(url, traders[0].key.id, traders[0].key.secret) as alice:
                await alice.buy(BTC, "0.5", price="19990", label="stays")
                async with Client(url, traders[1].key.id, traders[1].key.secret) as bob:
                    await bob.sell(BTC, "0.2", price="19990")
                return await facts(alice)

    async def after():
        async with running(config) as server:
            recovery = server.venue.engine.recovery
            assert recovery.snapshot_seq > 0
            async with Client(f"ws://127.0.0.1:{server.port}", traders[0].key.id, traders[0].key.secret) as alice:
                return await facts(alice), server.venue.registry.pending_intents()

    told = play(before())
    again, pending = play(after())
    assert again == told and pending == []
    (tmp_path / next(path.name for path in tmp_path.glob("projection-*"))).unlink()
    rebuilt, _ = play(after())
    assert rebuilt == told


async def facts(client):
    """What an account is told: it must be the same before and after."""
    orders = [(order.order_id, order.label, order.filled_amount) for order in await client.open_orders()]
    trades = [(trade.trade_id, trade.price, trade.label) for trade in await client.user_trades(BTC)]
    positions = [(position.size, position.average_price) for position in await client.positions()]
    resumed = await client.call("venue/resume", sequence=0)
    return orders, trades, positions, [event["data"] for event in resumed["events"]]


def test_orders_are_refused_while_the_venue_shuts_down(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            server.venue.context.shut_down()
            with pytest.raises(RpcError) as refused:
                await alice.buy(BTC, "0.1", price="19900")
            assert refused.value.code == 10040

    play(story())


def test_a_key_revoked_by_another_process_ends_its_sessions(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            other = Registry(server.venue.config.registry)
            other.revoke_key(alice.key_id, 10**19 // 10)
            other.close()
            alice._reconnect = False
            await until(lambda: not alice.is_connected.is_set())

    play(story())


def shrink(transport, option):
    """Let little wait in the system's own buffers."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 4096)


class StoppedReader(picows.WSListener):
    """Subscribes to every book change and then takes nothing more from its socket."""

    def on_ws_connected(self, transport):
        shrink(transport.underlying_transport, socket.SO_RCVBUF)
        transport.send(picows.WSMsgType.TEXT, request(1, "public/subscribe", channels=[f"book.{BTC}.raw"]))

    def on_ws_frame(self, transport, frame):
        transport.underlying_transport.pause_reading()


def test_a_subscriber_that_stops_reading_costs_the_others_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(websocket_connection, "HIGH_WATER_BYTES", 1 << 14)
    rounds = 1500

    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            url = f"ws://127.0.0.1:{server.port}/ws/api/v2"
            before = set(server.connections.websockets)
            stopped, _ = await picows.ws_connect(StoppedReader, url)
            await until(lambda: len(server.connections.websockets) == 3)
            shrink(next(iter(server.connections.websockets - before))._transport, socket.SO_SNDBUF)
            book = await bob.book(BTC)
            slow = []
            for _ in range(rounds):
                calls = [("private/buy", {"instrument_name": BTC, "amount": "0.001", "price": str(19_000 + step)})
                         for step in range(40)]  # fmt: skip
                answers = await alice.batch(calls)
                assert not any(isinstance(answer, Exception) for answer in answers)
                await alice.cancel_all()
                slow = [connection for connection in server.connections.websockets if connection.is_slow]
                if slow:
                    waiting = slow[0]._transport.get_write_buffer_size()
                    await asyncio.sleep(0.1)  # the system may still take some of it
                    if slow[0].is_slow and slow[0]._transport.get_write_buffer_size() == waiting:
                        break
            assert len(slow) == 1 and slow[0] not in before
            buffered = slow[0]._transport.get_write_buffer_size()
            placed = await alice.buy(BTC, "0.001", price="18000")
            await until(lambda: book.change_id is not None and (Decimal(18_000) in book.bids))
            for _ in range(50):
                await alice.edit(placed.order.order_id, "0.002", "18001")
                await alice.edit(placed.order.order_id, "0.001", "18000")
            behind, grown = len(slow[0].behind), slow[0]._transport.get_write_buffer_size() - buffered
            others = [connection for connection in server.connections.websockets if connection is not slow[0]]
            assert not any(connection.is_slow for connection in others)
            stopped.disconnect()
            return behind, grown

    behind, grown = play(story())
    assert behind == 1  # its channel is noted for one catching-up message
    assert grown <= 1 << 14  # and nothing more is queued for it meanwhile


def test_a_contract_has_a_script_or_live_feeds_and_never_both(tmp_path):
    config = config_of(tmp_path, index_feeds=f"{BTC}=kraken:XBT/USD")
    set_up(config)

    async def start():
        server = Server(config)
        try:
            await server.start()
        finally:
            await server.stop()

    with pytest.raises(IndexScriptError, match=f"scripted_index: {BTC} has live index_feeds; leave one of the two out"):
        asyncio.run(start())
