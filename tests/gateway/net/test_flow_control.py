"""One host cannot stop the venue: what it may leave unread, ask for, open and keep open, over real sockets."""

import asyncio
import errno
import gc
import json
import logging
import resource
import socket
from collections import Counter
from itertools import pairwise

import picows
import pytest

from bench.gateway_load import client_frame
from engine.codes import EventKind
from gateway.client import Client
from gateway.config import ConfigError
from gateway.net import descriptors, listener, websocket_connection
from gateway.net.connections import Connections
from gateway.net.http_connection import HttpConnection
from gateway.net.listener import Listener
from gateway.net.websocket_connection import MAX_ANONYMOUS_BYTES, WebsocketConnection
from gateway.net.websocket_input import WebsocketInput
from gateway.sessions import query_turns
from gateway.sessions.query_turns import Pool
from gateway.sessions.session import Session
from tests.gateway.live import BTC, market, play, request, until
from tests.gateway.net.test_http_connection import answered, get
from tests.gateway.net.test_server import UPGRADE

ORDER = {"instrument_name": BTC, "amount": "0.01", "price": "20000"}


async def trade(alice, bob, times):
    """So many trades between two traders."""
    for client, side in ((alice, "buy"), (bob, "sell")):
        await client.batch([(f"private/{side}", ORDER)] * times)


async def opened(server, host="127.0.0.1"):
    """A websocket without a library: (reader, writer), the handshake read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(host, 0))
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def anonymous(server):
    """The connection without a login."""
    return next(one for one in server.connections.websockets if one.session.key is None)


def test_who_asks_and_does_not_read_is_not_served_on_and_nobody_else_waits(tmp_path):
    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            await trade(alice, bob, 300)
            _, writer = await opened(server)
            writer.transport.pause_reading()
            question = request(1, "public/get_last_trades_by_instrument", instrument_name=BTC, count=300)
            writer.write(client_frame(question) * 2000)
            connection = anonymous(server)
            await until(lambda: connection.is_slow or connection._is_waiting)
            for step in range(20):
                await alice.buy(BTC, "0.01", price=str(19_000 + step))
            held = connection._unsent_bytes + connection._transport.get_write_buffer_size()
            assert held <= MAX_ANONYMOUS_BYTES + 200_000  # one answer more
            assert len(server.connections.websockets) == 3
            writer.close()

    play(story())


def test_a_question_that_waits_keeps_its_place_between_orders(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            queries = server.turns.queries
            for _ in range(6):
                queries.spent(Pool.CLIENTS, queries.now_ns() - 5_000_000)
            late = queries.served_late
            placed, seen, cancelled, after = await alice.batch(
                [
                    ("private/buy", {"instrument_name": BTC, "amount": "0.1", "price": "19900"}),
                    ("private/get_open_orders", {}),
                    ("private/cancel_all", {}),
                    ("private/get_open_orders", {}),
                ]
            )
            assert [order["order_id"] for order in seen] == [placed["order"]["order_id"]]
            assert (cancelled, after) == (1, []) and queries.served_late > late

    play(story())


def test_rows_reach_a_session_whose_login_had_to_wait(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            queries, reports, waited = server.turns.queries, [], []

            class Waiting(Client):
                async def log_in(self):
                    for _ in range(6):
                        queries.spent(Pool.ANONYMOUS, queries.now_ns() - 5_000_000)
                    late = queries.served_late
                    await super().log_in()
                    waited.append(queries.served_late - late)

            async with Waiting(alice.url, alice.key_id, alice._secret, binary=True) as raw:
                raw.on_rows = reports.append
                assert waited == [1]
                await alice.buy(BTC, "0.1", price="19900")
                await until(lambda: any((rows["kind"] == EventKind.ACCEPTED).any() for rows in reports))

    play(story())


def test_what_waits_of_one_read_is_served_whole_and_in_order(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",), anonymous_queries_burst=10_000) as (server, _):
            reader, writer = await opened(server)
            queries = server.turns.queries
            queries.spent(Pool.ANONYMOUS, queries.now_ns() - 5_000_000)
            writer.write(b"".join(client_frame(request(number, "public/test")) for number in range(1500)))
            heard, ids = b"", []
            async with asyncio.timeout(60):
                while len(ids) < 1500:
                    heard += await reader.read(1 << 16)
                    while len(heard) > 1 and len(heard) >= 4 + int.from_bytes(heard[2:4]):
                        size = int.from_bytes(heard[2:4])
                        assert heard[1] == 126
                        ids.append(json.loads(heard[4 : 4 + size])["id"])
                        heard = heard[4 + size :]
            assert ids == list(range(1500))
            writer.close()

    play(story())


def test_a_large_answer_is_sent_over_several_turns_whole_and_in_its_place(tmp_path, monkeypatch):
    """In one write it would hold the loop for milliseconds. What follows it, the close too, comes behind all of it."""
    monkeypatch.setattr(websocket_connection, "MOST_WRITE_BYTES", 5_000)
    written = []
    write = websocket_connection.WebsocketConnection.write

    def noting(connection, data):
        written.append(len(data))
        write(connection, data)

    monkeypatch.setattr(websocket_connection.WebsocketConnection, "write", noting)

    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            await trade(alice, bob, 300)
            written.clear()
            asked = ("private/get_user_trades_by_instrument", {"instrument_name": BTC, "count": 400})
            first, time_us, second = await alice.batch([asked, ("public/get_time", {}), asked])
            assert first == second and len(first["trades"]) == 300 and time_us > 0
            reader, writer = await opened(server)
            question = request(7, "public/get_last_trades_by_instrument", instrument_name=BTC, count=400)
            writer.write(client_frame(question) + b"\x88\x82\0\0\0\0\x03\xe8")
            heard = await reader.read()
            size = int.from_bytes(heard[2:10])
            answer, close = json.loads(heard[10 : 10 + size]), heard[10 + size :]
            assert heard[:2] == b"\x81\x7f" and len(answer["result"]["trades"]) == 300 and close[:1] == b"\x88"
            writer.close()

    play(story())
    assert max(written) < 5_000 + 20_000 and sum(written) > 150_000


def frames_of(heard):
    """Frames as a server sends them: (first byte, payload)."""
    found = []
    while heard:
        size, at = heard[1], 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(heard[2:at])
        found.append((heard[0], heard[at : at + size]))
        heard = heard[at + size :]
    return found


def test_a_pong_and_a_ping_of_the_venue_come_behind_a_large_answer_that_is_on_its_way(tmp_path, monkeypatch):
    """The websocket library writes them at once by itself: into the midst of the answer's one frame."""
    monkeypatch.setattr(websocket_connection, "MOST_WRITE_BYTES", 2_000)

    async def story():
        async with market(tmp_path) as (server, (alice, bob)):
            await trade(alice, bob, 300)
            reader, writer = await opened(server)
            question = request(7, "public/get_last_trades_by_instrument", instrument_name=BTC, count=400)
            writer.write(client_frame(question))
            connection = anonymous(server)
            for number in range(200):
                writer.write(b"\x89\x81\0\0\0\0%c" % number)
                await asyncio.sleep(0.0005)
                if number % 50 == 10:
                    connection.send_user_specific_ping(connection._websocket)
            await until(lambda: not connection._unsent_bytes)
            writer.write(b"\x88\x82\0\0\0\0\x03\xe8")
            found = frames_of(await reader.read())
            [answer] = [payload for kind, payload in found if kind == 0x81]
            assert len(json.loads(answer)["result"]["trades"]) == 300 and found[-1][0] == 0x88
            assert [payload for kind, payload in found if kind == 0x8A] == [bytes([number]) for number in range(200)]
            assert found.count((0x89, b"")) == 4
            writer.close()

    play(story())


def test_one_address_has_a_limit_of_connections_and_others_have_their_own(tmp_path):
    async def story():
        async with market(tmp_path, (), max_connections_per_address=3) as (server, _):
            links = [await opened(server) for _ in range(3)]
            reader, _ = await asyncio.open_connection("127.0.0.1", server.port)
            status, _, body = await answered(reader)
            assert (status, body) == (503, b'{"error":"too many connections from this address"}')
            links.append(await opened(server, "127.0.0.2"))
            links[0][1].close()
            await until(lambda: server.connections.open == 3)
            links.append(await opened(server))
            assert (server.connections.most, server.connections.turned_away) == (4, 1)

    play(story())


def test_a_full_venue_says_so_and_takes_others_when_somebody_has_gone(tmp_path):
    async def story():
        async with market(tmp_path, (), max_connections=2) as (server, _):
            silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            await until(lambda: server.connections.open == 2)
            reader, _ = await asyncio.open_connection("127.0.0.1", server.port)
            assert (await answered(reader))[::2] == (503, b'{"error":"too many connections"}')
            silent[0][1].close()
            await until(lambda: server.connections.open == 1)
            silent.append(await opened(server))

    play(story())


class Exhausted:
    """A listening socket whose process has no descriptor left, at first."""

    def __init__(self, listening):
        self.listening, self.failures = listening, 3

    def fileno(self):
        return self.listening.fileno()

    def accept(self):
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.listening.accept()

    def close(self):
        self.listening.close()


def test_without_descriptors_new_connections_wait_and_nothing_spins(monkeypatch, caplog):
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.01)

    async def story():
        made = []
        loop = asyncio.get_running_loop()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                made.append(transport)

        connections = Connections(10)
        port = Listener(loop, connections, Protocol, None)
        await port.start("127.0.0.1", 0)
        number = port.port
        loop.remove_reader(port._sockets[0])
        port._sockets[0] = exhausted = Exhausted(port._sockets[0])
        loop.add_reader(exhausted, port._accept, exhausted)
        _, writer = await asyncio.open_connection("127.0.0.1", number)
        await until(lambda: made)
        assert exhausted.failures == 0 and connections.open == 1
        port.close()
        writer.close()

    with caplog.at_level(logging.ERROR):
        play(story())
    [said] = [record.message for record in caplog.records if "new connections wait" in record.message]
    assert said.startswith("new connections wait: Too many open files; lower max_connections, or raise LimitNOFILE")


@pytest.mark.parametrize(
    ("limits", "room", "raised"),
    [((1024, 4096), 2000, (2128, 4096)), ((1024, 1024), 896, None), ((1 << 20, 1 << 20), 2000, None)],
)
def test_descriptors_for_all_connections_or_fewer_connections(monkeypatch, caplog, limits, room, raised):
    changed = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda which, value: changed.append(value))
    assert descriptors.room_for(2000) == room
    assert [value for value in changed if value != limits] == ([raised] if raised else [])
    assert ("896 connections are taken; raise LimitNOFILE" in caplog.text) == (room < 2000)


def test_too_few_descriptors_for_the_venue_itself_are_refused(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100, 100))
    monkeypatch.setattr(resource, "setrlimit", lambda which, value: None)
    with pytest.raises(ConfigError, match="may open 100 files, of which the venue itself needs 128; raise LimitNOFILE"):
        descriptors.room_for(2000)


def test_a_connection_that_has_ended_leaves_nothing_for_the_collector(tmp_path):
    """A running venue hardly ever collects: what holds itself in a circle would stay for ever."""

    def alive():
        kinds = (HttpConnection, Session, WebsocketConnection, WebsocketInput, picows.picows.WSProtocol)
        return Counter(type(found).__name__ for found in gc.get_objects() if issubclass(type(found), kinds))

    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)):
            login = {"grant_type": "client_credentials", "client_id": alice.key_id, "client_secret": alice._secret}
            auth = client_frame(request(1, "public/auth", **login))
            subscribe = client_frame(request(1, "public/subscribe", channels=[f"book.{BTC}.100ms"]))
            order = client_frame(request(2, "private/buy", **ORDER))
            binary = UPGRADE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: lionrock.binary.v1\r\n\r\n")
            goodbye, unmasked, part = b"\x88\x80mask", b"\x81\x02{}", b"\x01\x82mask\x0a\x0b"
            stories = {
                "HTTP": get(), "no such path": UPGRADE.replace(b"/ws/", b"/other/"), "a goodbye": UPGRADE + goodbye,
                "orders": UPGRADE + auth + order, "a goodbye behind an order": UPGRADE + auth + order + goodbye,
                "channels": UPGRADE + subscribe, "half a message": UPGRADE + part, "half a frame": UPGRADE + auth[:9],
                "what the library refuses": UPGRADE + unmasked, "rows": binary + auth, "nothing": b"",
            }  # fmt: skip
            before = alive()
            for name, sent in stories.items():
                for is_cut in (False, True):
                    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                    writer.write(sent)
                    if sent:
                        await reader.read(1)
                    if is_cut:
                        writer.transport.abort()
                    else:
                        writer.close()
                await until(lambda: len(server.connections.websockets) == 1 and not server.connections.http)
                await until(lambda: server.connections.open == 1)
                await asyncio.sleep(0)
                assert alive() == before, name

    gc.collect()
    gc.disable()
    try:
        play(story())
    finally:
        gc.enable()


def test_what_is_static_is_sent_once_to_who_keeps_it(tmp_path):
    async def story():
        async with market(tmp_path, ()) as (server, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for path in (b"/", b"/openrpc.json"):
                writer.write(get(path))
                status, headers, body = await answered(reader)
                assert (status, headers["cache-control"]) == (200, "no-cache") and body
                writer.write(get(path, b"If-None-Match: W/" + headers["etag"].encode()))
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                assert " 304 " in head.split("\r\n")[0] and headers["etag"] in head
                writer.write(get(path, b'If-None-Match: "other"', verb=b"HEAD"))
                status, again, _ = await answered(reader, has_body=False)
                assert (status, again["content-length"]) == (200, str(len(body)))
            writer.write(get())
            assert (await answered(reader))[0] == 200
            writer.close()

    play(story())


def test_who_gets_the_document_over_and_over_is_told_to_wait(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",), anonymous_queries_burst=150, anonymous_queries_per_s=1) as (server, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            statuses = []
            for _ in range(4):
                writer.write(get(b"/openrpc.json"))
                status, headers, _ = await answered(reader)
                statuses.append(status)
            assert statuses[0] == 200 and statuses[-1] == 429 and int(headers["retry-after"]) > 0
            writer.close()

    play(story())


def test_an_idle_connection_without_a_login_is_closed_and_a_listener_is_not(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",), idle_seconds=1) as (server, (alice,)):
            idle, unused = await opened(server)
            hearing, writer = await opened(server)
            writer.write(client_frame(request(1, "public/subscribe", channels=[f"book.{BTC}.100ms"])))
            async with asyncio.timeout(30):
                heard = await idle.read()
            assert heard[:2] == b"\x88" + bytes([len(heard) - 2]) and b"nothing was asked for 1 s" in heard
            assert b'"id":1' in await hearing.read(1000) and not hearing.at_eof()
            assert (await alice.buy(BTC, "0.1", price="19900")).order.order_state == "open"
            assert len(server.connections.websockets) == 2
            for one in (unused, writer):
                one.close()

    play(story())


def test_a_request_that_comes_in_drops_has_a_limit_also_behind_another(tmp_path, monkeypatch):
    from gateway.net import http_connection

    async def story():
        async with market(tmp_path, ()) as (server, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(get())
            assert (await answered(reader))[0] == 200
            monkeypatch.setattr(http_connection, "HANDSHAKE_SECONDS", 0.2)
            writer.write(b"GET /api/v2/public/get_time HTTP/1.1\r\nHost: ven")
            async with asyncio.timeout(20):
                assert await reader.read() == b""
            writer.close()

    play(story())


def test_a_socket_counts_until_it_is_closed_by_whoever():
    connections = Connections(10)
    one, other = socket.socketpair()
    counted = listener._Counted(one, connections, "a")
    assert (connections.open, connections._by_address) == (1, {"a": 1})
    counted.close()
    counted.close()
    assert (connections.open, connections._by_address) == (0, {})
    listener._Counted(other, connections, "b").detach()
    assert connections.open == 0


def test_what_anonymous_readers_hear_is_their_pools_time_and_clients_hear_all(tmp_path, monkeypatch):
    monkeypatch.setattr(query_turns, "PUSH_NS", query_turns.LONGEST_NS)  # each write is as dear as can be

    async def story():
        channel, changes = f"book.{BTC}.raw", []
        async with market(tmp_path) as (server, (alice, bob)):
            reader, writer = await opened(server)
            writer.write(client_frame(request(1, "public/subscribe", channels=[channel])))
            await until(lambda: any(one.channels for one in server.connections.websockets))
            connection = anonymous(server)
            await bob.subscribe(channel, changes.append)
            rested = 0
            for step in range(60):
                await alice.buy(BTC, "0.01", price=str(19_000 + step))
                rested += connection.is_slow
            assert rested
            await until(lambda: len(changes) >= 61)
            assert all(after["prev_change_id"] == before["change_id"] for before, after in pairwise(changes))
            last = changes[-1]["change_id"]
            heard = b""
            while b'"change_id":%d' % last not in heard:  # it is told what it missed
                heard += await asyncio.wait_for(reader.read(1 << 16), 60)
            assert heard.count(b'"method":"subscription"') < 61
            assert not connection._is_full
            writer.close()

    play(story())
