"""What is taken for granted of the inside of libraries: each test says what an upgrade would break.

A test that fails here after an upgrade names the place to look at. It is no fault of the library: none of this is
promised by its documentation. The compiler has a module of its own, `test_compiler_contracts`.
"""

import asyncio
import functools
import logging
import socket

import msgspec
import picows
import pytest
import uvloop
from picows.picows import WSProtocol

from gateway.net.websocket_input import hand_over
from gateway.sessions import jsonrpc_requests
from gateway.wire.type_errors import field_and_reason

# --- picows: gateway/net/websocket_upgrade.py, websocket_connection.py, websocket_input.py ------------------------

UPGRADE = (
    b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
LIMIT = 1000
LOG = logging.getLogger("lionrock.tests.websocket")
LOG.setLevel(logging.CRITICAL)


def frame(code, payload=b""):
    """A client's frame with a mask of zeros."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([0x80 | code]) + size + bytes(4) + payload


class Listener(picows.WSListener):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.heard, self.transport = [], None

    def on_ws_connected(self, transport):
        self.transport = transport

    def on_ws_frame(self, transport, frame):
        payload = frame.get_payload_as_bytes()
        assert payload == bytes(frame.get_payload_as_memoryview()) and len(payload) == frame.payload_size
        self.heard.append((frame.msg_type, frame.fin, bool(frame.rsv1 or frame.rsv2 or frame.rsv3), payload))
        if payload == b"raise":
            raise RuntimeError("a listener's fault")


class FrontDoor(asyncio.Protocol):
    """Hands the connection over to the library in the middle of a read, as the server does."""

    def __init__(self, library, rest=b""):
        self.library, self.rest = library, rest

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.set_protocol(self.library)
        self.library.connection_made(self.transport)
        hand_over(self.library, data + self.rest)


def library(listener, handshake_s=10, idle_s=30, reply_s=30):
    """The websocket protocol with its arguments in the server's order."""
    strategy = picows.WSAutoPingStrategy.PING_WHEN_IDLE

    def accept(request):
        assert (request.path, request.headers.get("Host")) == (b"/x", "a")
        response = picows.WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": "p"})
        return picows.WSUpgradeResponseWithListener(response, listener) if listener else None

    return WSProtocol(
        None, None, False, accept, LOG, True, handshake_s, True, idle_s, reply_s, strategy, True, LIMIT, None, 16 * 1024
    )


LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


def conversation(run, make_protocol, talk):
    """Serve the protocol and run `talk(reader, writer)` against it."""

    async def story():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(make_protocol, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(20):
            await talk(reader, writer)
        writer.close()
        server.close()

    run(story())


async def upgraded(reader, writer, sent=UPGRADE):
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"Sec-WebSocket-Protocol: p\r\n" in head


@LOOPS
def test_the_websocket_library_takes_over_a_connection_in_the_middle(run):
    """The server reads HTTP itself, then calls `connection_made`, `get_buffer` and `buffer_updated` of WSProtocol.

    If WSProtocol is no BufferedProtocol any more, or insists on having been there from the start, no websocket opens.
    """
    listener, sent = Listener(), b"x" * 600
    made = LibraryMaker(listener, rest=frame(1, b"first") + b"".join(frame(2, sent) for _ in range(100)))

    async def talk(reader, writer):
        await upgraded(reader, writer)
        assert made.library.listener is listener and listener.transport.underlying_transport is made.door.transport
        writer.write(b"\xc1\x80" + bytes(4))
        while len(listener.heard) < 102:
            await asyncio.sleep(0.01)
        assert listener.heard[0] == (picows.WSMsgType.TEXT, True, False, b"first")
        assert listener.heard[1:101] == [(picows.WSMsgType.BINARY, True, False, sent)] * 100
        assert listener.heard[101] == (picows.WSMsgType.TEXT, True, True, b"")

    conversation(run, made, talk)


class LibraryMaker:
    """Makes the protocols of a connection and remembers them."""

    def __init__(self, listener, rest=b"", **settings):
        self.listener, self.rest, self.settings = listener, rest, settings

    def __call__(self):
        self.library = library(self.listener, **self.settings)
        self.door = FrontDoor(self.library, self.rest)
        return self.door


@LOOPS
def test_the_arguments_of_the_websocket_protocol_mean_what_the_server_takes_them_for(run):
    """WSProtocol is built with 15 arguments by position, which no documentation lists.

    If one is added, or two change places, limits and timeouts would silently be others. Here each one does its work:
    the limit of a frame, the time for a handshake, pings after silence, a time for the answer, pongs, and the end of
    the connection when a listener fails.
    """

    async def too_big(reader, writer):
        await upgraded(reader, writer)
        writer.write(frame(9, b"ping"))
        assert await reader.readexactly(6) == b"\x8a\x04ping"
        writer.write(frame(1, b"x" * LIMIT) + frame(1, b"x" * (LIMIT + 1)))
        heard = await reader.read()
        assert heard[:1] == b"\x88" and heard[2:4] == (1009).to_bytes(2, "big")

    async def no_handshake(reader, writer):
        writer.write(UPGRADE[:-2])
        assert await reader.read() == b""

    async def silent(reader, writer):
        await upgraded(reader, writer)
        heard = await reader.read()
        assert heard[0] == 0x89 and len(heard) >= 2

    async def faulty(reader, writer):
        await upgraded(reader, writer)
        writer.write(frame(1, b"raise"))
        await reader.read()

    async def refused(reader, writer):
        writer.write(UPGRADE)
        assert (await reader.read()).startswith(b"HTTP/1.1 404 ")

    listener = Listener()
    conversation(run, LibraryMaker(listener), too_big)
    assert [len(payload) for *_, payload in listener.heard] == [LIMIT] and listener.transport.is_close_frame_sent
    conversation(run, LibraryMaker(Listener(), handshake_s=0.2), no_handshake)
    conversation(run, LibraryMaker(Listener(), idle_s=0.2, reply_s=0.2), silent)
    conversation(run, LibraryMaker(Listener()), faulty)
    conversation(run, LibraryMaker(None), refused)


@LOOPS
def test_an_empty_read_is_a_sign_of_life(run):
    """websocket_input calls `buffer_updated(0)` once a second while it takes the messages out itself.

    If that no longer counts as something heard, busy clients are pinged and, in time, cut; if it is an error, all are.
    """
    made = LibraryMaker(Listener(), idle_s=0.4, reply_s=0.4)

    async def talk(reader, writer):
        await upgraded(reader, writer)
        for _ in range(20):
            made.library.buffer_updated(0)
            await asyncio.sleep(0.05)
        reading = asyncio.ensure_future(reader.readexactly(2))
        assert not (await asyncio.wait([reading], timeout=0.1))[0]
        assert (await reading)[0] == 0x89

    conversation(run, made, talk)


@LOOPS
def test_a_frame_of_any_size_can_be_handed_over_in_pieces(run):
    """`hand_over` asks `get_buffer` for room and copies in as much as there is.

    If the buffer that comes has no room, or is no buffer of bytes, it would never end or fail.
    """
    listener = Listener()
    made = LibraryMaker(listener)

    async def talk(reader, writer):
        await upgraded(reader, writer)
        stream = b"".join(frame(1, b"%d" % number * 100) for number in range(300))
        for first in range(0, len(stream), 777):
            hand_over(made.library, stream[first : first + 777])
        assert [payload for *_, payload in listener.heard] == [b"%d" % number * 100 for number in range(300)]
        room = made.library.get_buffer(1)
        assert isinstance(memoryview(room), memoryview) and len(room) > 0 and memoryview(room).itemsize == 1

    conversation(run, made, talk)


# --- the event loop: gateway/net/websocket_connection.py, http_connection.py --------------------------------------


class SharedReader(asyncio.BufferedProtocol):
    """All connections read into one buffer; what each one got, and when the turn ended."""

    buffer = bytearray(4096)

    def __init__(self, story):
        self.story, self.is_asked = story, False

    def connection_made(self, transport):
        self.transport = transport
        self.story.append("made")

    def get_buffer(self, sizehint):
        assert not any(other.is_asked for other in self.story.readers)
        self.is_asked = True
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes):
        self.is_asked = False
        self.story.append(bytes(self.buffer[:nbytes]))
        asyncio.get_running_loop().call_soon(self.story.append, "end")


class Story(list):
    """What happened, in order, and the readers of all connections."""

    def __init__(self):
        super().__init__()
        self.readers = []

    def reader(self):
        self.readers.append(SharedReader(self))
        return self.readers[-1]


@LOOPS
def test_what_a_turn_brings_is_read_before_the_turn_ends(run):
    """A read is served before the next one begins, and a callback of `call_soon` comes after all reads of the turn.

    All websockets read into one buffer: if the loop asked two of them for it at once, messages would mix. And if the
    end of a turn came between reads, each message would be a batch and a write to the disk of its own.
    """

    async def talk():
        story, loop = Story(), asyncio.get_running_loop()
        server = await loop.create_server(story.reader, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [socket.create_connection(address) for _ in range(8)]
        while len(story) < 8:
            await asyncio.sleep(0.01)
        story.clear()
        for number, client in enumerate(clients):
            client.send(b"%d" % number)
        while len(story) < 16:
            await asyncio.sleep(0.01)
        assert sorted(story[:8]) == [b"%d" % number for number in range(8)] and story[8:] == ["end"] * 8
        for client in clients:
            client.close()
        server.close()

    run(talk())


@LOOPS
def test_a_transport_whose_peer_has_gone_says_so(run):
    """`is_closing` is true once a connection is lost, not only after `close`.

    HTTP and websocket connections ask it before they serve and write: uvloop raises when a lost one is written to, and
    what raises while answers are sent ends the venue.
    """
    doors = []

    def open_door():
        doors.append(FrontDoor(None))
        return doors[-1]

    async def talk(reader, writer):
        while not doors:
            await asyncio.sleep(0.01)
        assert not doors[0].transport.is_closing()
        writer.close()
        while not doors[0].transport.is_closing():
            await asyncio.sleep(0.01)

    conversation(run, open_door, talk)


# --- msgspec: gateway/sessions/jsonrpc_requests.py ----------------------------------------------------------------


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    names: list[str] = []


class Outer(msgspec.Struct):
    params: Inner


def complaint(data):
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(data, type=Outer)
    return str(refused.value)


@pytest.mark.parametrize(
    ("data", "text", "param"),
    [
        (b'{"params":{}}', "Object missing required field `number` - at `$.params`", "number"),
        (b'{"params":{"number":1,"x":2}}', "Object contains unknown field `x` - at `$.params`", "x"),
        (b'{"params":{"number":"1"}}', "Expected `int`, got `str` - at `$.params.number`", "number"),
        (b'{"params":{"number":1,"names":["",5]}}', "Expected `str`, got `int` - at `$.params.names[1]`", "names[1]"),
        (b'{"params":5}', "Expected `object`, got `int` - at `$.params`", "params"),
        (b"{}", "Object missing required field `params`", "params"),
    ],
)
def test_a_decoder_says_which_field_is_wrong(data, text, param):
    """type_errors reads the field at fault out of msgspec's message.

    If the wording changes, clients are told that `params` is wrong instead of which parameter.
    """
    assert complaint(data) == text
    assert (field_and_reason(text, Inner, ".params")[0] or "params") == param


def test_what_is_no_utf_8_and_what_is_no_json_are_not_told_as_wrong_values():
    """jsonrpc_requests takes a `ValidationError` for a wrong parameter, and all else for a message that is no JSON.

    A text that is not UTF-8 is an `UnicodeDecodeError` up to msgspec 0.22 and a plain `DecodeError` from 0.23.
    """
    with pytest.raises((UnicodeDecodeError, msgspec.DecodeError)) as refused:
        msgspec.json.decode(b'{"params":{"names":["\xff"]}}', type=Outer)
    assert not isinstance(refused.value, msgspec.ValidationError)
    with pytest.raises(msgspec.DecodeError) as refused:
        msgspec.json.decode(b"{", type=Outer)
    assert not isinstance(refused.value, msgspec.ValidationError)


def test_nesting_within_our_limit_is_within_the_decoders():
    """jsonrpc_requests refuses deeper nesting itself; a decoder that gives up earlier raises RecursionError.

    That would end the connection without an answer. The stack of a server is far less deep than the one here.
    """
    deep = jsonrpc_requests.MAX_NESTING

    def below(frames):
        return below(frames - 1) if frames else msgspec.json.decode(b"[" * deep + b"]" * deep)

    assert functools.reduce(lambda value, _: value[0] if value else value, range(deep), below(200)) == []
