"""HTTP over real sockets: pipelines, HEAD, old clients, slow ones, bodies in pieces, and what ends a connection."""

import asyncio
import json
import logging

import pytest

from gateway.net import http_connection
from tests.gateway.live import market, play, request, until
from tests.gateway.net.test_server import UPGRADE

TIME = b"/api/v2/public/get_time"


def get(target=TIME, *lines, verb=b"GET", version=b"1.1"):
    return b"\r\n".join([verb + b" " + target + b" HTTP/" + version, b"Host: venue", *lines, b"", b""])


def post(body, target=b"/api/v2/public/test"):
    return get(target, b"Content-Length: %d" % len(body), verb=b"POST") + body


async def answered(reader, has_body=True):
    """(status, headers, body) of the next response."""
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        body = await reader.readexactly(int(headers["content-length"])) if has_body else b""
    return int(head[0].split()[1]), headers, body


def conversation(folder, talk, **settings):
    """Run `talk(open connection, server)` against a venue."""

    async def story():
        async with market(folder, ("alice",), **settings) as (server, _):
            await talk(lambda: asyncio.open_connection("127.0.0.1", server.port), server)

    play(story())


def test_pipelined_requests_are_answered_one_by_one_in_their_order(tmp_path):
    async def talk(connect, server):
        reader, writer = await connect()
        writer.write(b"".join(post(request(number, "public/test")) for number in range(20)) + get(b"/nothing") + get())
        for number in range(20):
            status, headers, body = await answered(reader)
            assert (status, json.loads(body)["id"], headers["connection"]) == (200, number, "keep-alive")
        assert (await answered(reader))[0] == 404
        assert json.loads((await answered(reader))[2])["result"] > 0
        writer.close()

    conversation(tmp_path, talk)


def test_head_options_and_old_clients(tmp_path):
    async def talk(connect, server):
        reader, writer = await connect()
        for target in (b"/", b"/openrpc.json", b"/nothing", TIME):
            writer.write(get(target, verb=b"HEAD") + get(target))
            status, headers, _ = await answered(reader, has_body=False)
            other_status, other_headers, body = await answered(reader)
            if target == TIME:
                assert (status, other_status) == (400, 200)
            else:
                assert (status, headers) == (other_status, other_headers) and body
        writer.write(get(verb=b"OPTIONS"))
        status, headers, body = await answered(reader)
        assert (status, headers["access-control-allow-origin"], body) == (204, "*", b"")
        writer.write(get(TIME, b"Connection: keep-alive", version=b"1.0") + get())
        assert (await answered(reader))[1]["connection"] == "close"
        assert await reader.read() == b""
        writer.close()

    conversation(tmp_path, talk)


def test_a_body_in_pieces_and_one_that_is_too_big(tmp_path):
    async def talk(connect, server):
        reader, writer = await connect()
        message = post(request(1, "public/test"))
        for first in range(0, len(message), 7):
            writer.write(message[first : first + 7])
            await asyncio.sleep(0.001)
        assert json.loads((await answered(reader))[2])["id"] == 1
        full = post(request(2, "public/test").ljust(4096))
        writer.write(full)
        assert json.loads((await answered(reader))[2])["id"] == 2
        for refused, expected in (
            (get(TIME, b"Content-Length: 4097"), 413),
            (get(TIME, b"Content-Length: " + b"9" * 5000), 400),
            (get(TIME, b"Content-Length: 1", b"Content-Length: 2"), 400),
            (get(TIME, b"Transfer-Encoding: chunked"), 411),
        ):
            reader, writer = await connect()
            writer.write(refused)
            status, headers, body = await answered(reader)
            assert (status, json.loads(body)["error"]["code"], headers["connection"]) == (expected, expected, "close")
            assert await reader.read() == b""
            writer.close()

    conversation(tmp_path, talk, max_frame_bytes=4096)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: ven", post(b"x" * 50)[:-1]])
def test_who_is_too_slow_is_cut_off(tmp_path, monkeypatch, begun):
    async def talk(connect, server):
        monkeypatch.setattr(http_connection, "HANDSHAKE_SECONDS", 0.2)
        reader, writer = await connect()
        writer.write(begun)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        assert not server.connections.http
        writer.close()

    conversation(tmp_path, talk)


@pytest.mark.parametrize("what", ["the disk", "a turn"])
def test_who_waits_for_the_venue_is_answered_however_long_it_takes(tmp_path, monkeypatch, what):
    expired, time_is_up = [], http_connection.HttpConnection._time_is_up

    def noted(connection):
        expired.append(connection)
        time_is_up(connection)

    async def talk(connect, server):
        monkeypatch.setattr(http_connection, "HANDSHAKE_SECONDS", 0.05)
        monkeypatch.setattr(http_connection.HttpConnection, "_time_is_up", noted)
        engine, queries = type(server.venue.engine), server.turns.queries
        with monkeypatch.context() as waiting:
            if what == "the disk":
                waiting.setattr(engine, "durable_seq", property(lambda engine: 0))
            else:
                waiting.setattr(queries, "is_open", lambda pool: False)
                waiting.setattr(queries, "take", lambda: None)
            reader, writer = await connect()
            writer.write(get())
            await until(lambda: len(expired) > 2)
        server.turns.loop.call_soon(server.turns._serve)
        assert (await answered(reader))[0] == 200
        writer.close()

    conversation(tmp_path, talk)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "in its turn"])
@pytest.mark.parametrize(("name", "target"), [("is_call", TIME), ("tag_of", b"/")])
def test_a_connection_that_cannot_be_served_is_cut_and_told_once(tmp_path, monkeypatch, caplog, name, target, waits):
    def broken(*_):
        raise KeyError("a fault of ours")

    async def talk(connect, server):
        reader, writer = await connect()
        with monkeypatch.context() as patched:
            patched.setattr(http_connection, name, broken)
            patched.setattr(server.turns.queries, "is_open", lambda pool: not waits)
            writer.write(get(verb=b"OPTIONS") + get(target))  # the second one is served by a call of the loop
            assert (await answered(reader, has_body=False))[0] == 204
            async with asyncio.timeout(20):
                assert await reader.read() == b""
        assert not server.connections.http
        writer.close()
        reader, writer = await connect()
        writer.write(get())
        assert (await answered(reader))[0] == 200
        writer.close()

    with caplog.at_level(logging.ERROR, "lionrock.server"):
        conversation(tmp_path, talk)
    assert [record.event for record in caplog.records] == ["connection_cut"]


def test_a_websocket_may_follow_requests_on_the_same_connection(tmp_path):
    async def talk(connect, server):
        reader, writer = await connect()
        writer.write(get() + get(b"/nothing") + UPGRADE)
        assert (await answered(reader))[0] == 200
        assert (await answered(reader))[0] == 404
        assert (await answered(reader, has_body=False))[0] == 101
        writer.close()

    conversation(tmp_path, talk)


def test_too_many_connections_get_one_answer(tmp_path):
    async def talk(connect, server):
        reader, writer = await connect()
        await asyncio.sleep(0.05)
        refused, other = await connect()
        status, headers, body = await answered(refused)
        assert (status, json.loads(body), headers["connection"]) == (503, {"error": "too many connections"}, "close")
        assert await refused.read() == b""
        writer.write(get())
        assert (await answered(reader))[0] == 200
        for one in (writer, other):
            one.close()

    conversation(tmp_path, talk, max_connections=2)


def test_who_sends_much_at_once_is_read_no_faster_than_served(tmp_path):
    """What waits for a connection is one read of its socket; others are served meanwhile."""

    async def talk(connect, server):
        reader, writer = await connect()
        writer.write(get(b"/nothing") * 100_000)
        other_reader, other_writer = await connect()
        for _ in range(20):
            other_writer.write(get())
            assert (await answered(other_reader))[0] == 200
            waiting = [len(connection._messages._unread) for connection in server.connections.http]
            assert max(waiting) <= 1 << 20
        for _ in range(100):
            assert (await answered(reader))[0] == 404
        writer.close()
        other_writer.close()

    conversation(tmp_path, talk)


def test_while_the_venue_holds_only_health_is_answered_and_the_rest_waits_in_its_order(tmp_path):
    async def talk(connect, server):
        server.turns.hold()
        (health, writer), (waits, other), (upgrades, third) = [await connect() for _ in range(3)]
        other.write(get(b"/healthz") + get() + get(b"/healthz"))
        third.write(UPGRADE)
        for target in (b"/healthz", b"/readyz"):
            writer.write(get(target) + get(target, verb=b"HEAD"))
            assert [(await answered(health, has_body))[0] for has_body in (True, False)] == [200, 200]
        assert (await answered(waits))[0] == 200
        operations, writer = await asyncio.open_connection("127.0.0.1", server.operations_port)
        writer.write(get(b"/metrics"))
        assert b"lionrock_ready" in (await answered(operations))[2]
        await until(lambda: sum(each._held is not None for each in server.connections.http) == 2)
        for each in server.connections.http:
            if each._held is not None:
                each._time_is_up()
        await asyncio.sleep(0.1)
        assert not waits._buffer and not upgrades._buffer and not waits.at_eof() and not upgrades.at_eof()
        server.turns.go_on([*server.connections.http, *server.operations_connections.http])
        assert json.loads((await answered(waits))[2])["result"] > 0
        assert (await answered(waits))[2] == b'{"live":true}'
        assert (await upgrades.readline()).split()[1] == b"101"
        for each in (other, third, writer):
            each.close()

    conversation(tmp_path, talk)
