"""What the product takes for granted of the inside of its libraries: each test says what an upgrade would break.

A test that fails here after an upgrade names the place to look at. It is no fault of the library: none of this is
promised by its documentation.
"""

import asyncio
import functools
import logging
import re
import socket

import msgspec
import numba
import numpy as np
import picows
import pytest
import uvloop
from numba.core import event
from numba.core.compiler import DefaultPassBuilder
from numba.core.typed_passes import NativeLowering
from numba.np.numpy_support import from_dtype
from picows.picows import WSProtocol

from engine import kernels, rows, schema, units
from gateway.net.websocket_input import hand_over
from gateway.plain_orders import byte_kernels
from gateway.sessions import jsonrpc_requests

needs_jit = pytest.mark.skipif(not units.JIT, reason="nothing is compiled with the JIT off")

# --- numba's compiler: engine/kernels.py --------------------------------------------------------------------------


@kernels.inlined
def _price(level):
    return level.price_ticks


@kernels.rare
def _seldom(level, amount):
    level.leaves_lots -= amount
    return level.leaves_lots


@kernels.kernel
def _put(level, amount):
    if units.unlikely(amount < 0):
        return _seldom(level, amount)
    level.leaves_lots += amount
    return level.leaves_lots * _price(level)


def _total(levels, amount):
    found = 0
    for place in range(levels.size):
        found += _put(levels[place], amount)
    return found


del kernels.KERNELS[-3:]  # the engine's own are counted


class Compiled:
    """`_total`, compiled anew into a cache of its own."""

    def __init__(self, folder, pipelines):
        self.folder, self.pipelines, self.events = folder, pipelines, event.RecordingListener()
        self.levels = np.zeros(3, schema.LEVEL)
        self.levels["price_ticks"] = 7
        with event.install_listener("numba:compile", self.events):
            self.entry = kernels.entry(_total)
            self.result = self.entry(self.levels, 2)
        self.whole = self.entry.overloads[self.entry.signatures[0]].library
        self.part = _put.overloads[_put.signatures[0]].library


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder, define, managers = tmp_path_factory.mktemp("cache"), DefaultPassBuilder.define_nopython_pipeline, []

    def defined(state, name="nopython"):
        manager = define(state, name)
        managers.append([step for step, _ in manager.passes])
        return manager

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "CACHE_DIR", str(folder))
        patch.setattr(DefaultPassBuilder, "define_nopython_pipeline", defined)
        yield Compiled(folder, managers)


def signature_of(dispatcher):
    [signature] = dispatcher.signatures
    return signature


@needs_jit
def test_the_pipeline_has_one_step_that_lowers(compiled):
    """kernels._pipeline puts its own two steps in the place of NativeLowering.

    If that step goes or gets another name, every kernel is compiled as numba would by itself: optimised and emitted
    with all that it calls, again at each level, so that the cold start takes many times as long.
    """
    assert [steps.count(NativeLowering) for steps in compiled.pipelines] == [1] * 4
    assert isinstance(compiled.part, kernels._Part) and isinstance(compiled.whole, kernels._Whole)


@needs_jit
def test_a_kernel_is_kept_as_it_was_lowered(compiled):
    """kernels._Part switches off the optimiser and the emitter of a code library by overriding three methods.

    If numba no longer calls them, each kernel is optimised and emitted by itself, and the cold start is slow.
    """
    text = str(compiled.part._final_module)
    assert "= alloca " in text and re.search(r"declare .*_seldom", text)
    assert compiled.part.get_pointer_to_function(signature_of(_put)) == 0
    assert compiled.result == 3 * 2 * 7


@needs_jit
def test_an_entry_is_optimised_with_all_that_it_reaches(compiled):
    """kernels._Whole links every library reached, makes its functions internal and optimises them as one module.

    If `_linking_libraries`, `_final_module` or the hook of the optimiser change, calls between kernels stay calls and
    the engine loses most of its speed, or does not link.
    """
    text = compiled.whole.get_llvm_str()
    assert not re.search(r"declare .*(_price|_put|_seldom)", text)
    assert not re.search(r"define .*(_price|_put)", text)
    assert re.search(r"define internal .*_seldom", text)


@needs_jit
def test_attributes_stay_with_the_function_that_they_were_put_on(compiled):
    """kernels._compile_once puts `cold` and `noinline` on a kernel's function in its module, found by its LLVM name.

    If the name or the module is another one, what is seldom used is laid out in the middle of what is always used.
    """
    text = compiled.whole.get_llvm_str()
    group = re.search(r"define internal .*_seldom.* #(\d+) ", text)[1]
    attributes = re.search(rf"attributes #{group} = {{(.*)}}", text)[1].split()
    assert {"cold", "noinline"} <= set(attributes)


@needs_jit
def test_loads_and_stores_are_tagged_with_their_field(compiled):
    """kernels._TaggedLower overrides `lower_expr` and `lower_inst` and finds the load or store just written.

    If numba lowers a field's access otherwise, the tags are missing or on the wrong instruction. Missing, the
    optimiser must read rows again after each store; on the wrong one it may move a load past a store: wrong results.
    """
    names = {"leaves_lots": "8", "price_ticks": "0"}
    text = str(compiled.part._final_module)
    for field, offset in names.items():
        if field == "price_ticks":
            text = str(_price.overloads[signature_of(_price)].library._final_module)
        node = re.search(rf'!(\d+) = !{{!"LEVEL.{field}"', text)[1]
        tag = re.search(rf"!(\d+) = !{{!{node}, !{node}, i64 0}}", text)[1]
        tagged = re.findall(rf"(?:load|store) .*ptr (%[\w.]+), align 1, !tbaa !{tag}\n", text)
        casts = dict(re.findall(r"(%[\w.]+) = bitcast ptr (%[\w.]+) to ptr", text))
        offsets = dict(re.findall(r"(%[\w.]+) = getelementptr inbounds .*, i32 0, i32 (\d+)", text))
        assert tagged and {offsets[casts[place]] for place in tagged} == {offset}
    assert '"LEVEL.leaves_lots"' in compiled.whole.get_llvm_str()


@needs_jit
def test_a_place_for_a_result_is_not_cleared_before_the_call(compiled):
    """kernels._TaggedLower.lower_normal_function takes out the store of zero to what a call is about to fill.

    It takes the first argument of each call for that place. If numba passes results otherwise, the stores come back,
    or a store that is needed goes.
    """
    text = str(compiled.part._final_module)
    filled = set(re.findall(r"call i32 @_ZN\S+\(ptr (%[\w.]+),", text))
    cleared = set(re.findall(r"store \S+ (?:0|null), ptr (%[\w.]+),", text))
    assert len(filled) == 2 and cleared and not filled & cleared


@needs_jit
def test_an_entry_is_loaded_from_the_cache_on_disk(compiled):
    """An entry's library keeps its object code (`enable_object_caching`), and numba finds it in NUMBA_CACHE_DIR.

    If a library of our own class is no longer stored or loaded, every start compiles the engine for a minute.
    """
    assert list(compiled.folder.rglob("*.nbi")) and list(compiled.folder.rglob("*.nbc"))
    again = kernels.entry(_total)
    assert again(compiled.levels, 0) == 3 * 2 * 7
    assert sum(again.stats.cache_hits.values()) == 1 and not again.stats.cache_misses


@needs_jit
def test_a_kernel_is_compiled_once_for_the_types_that_its_names_say(compiled):
    """kernels._compile_once replaces a dispatcher's `get_call_template`, which numba asks when it types a call.

    If it asks something else, kernels are compiled for whatever types they are called with.
    """
    assert [str(kind) for kind in signature_of(_put)][1:] == ["int64"]
    assert signature_of(_put)[0] == from_dtype(schema.LEVEL)
    assert not _put._can_compile


@needs_jit
def test_compiling_says_when_it_has_ended(compiled):
    """host.warm_up counts the events `numba:compile` for the progress of a first start."""
    assert sum(happened.is_end for _, happened in compiled.events.buffer) == 4


@needs_jit
def test_the_text_of_a_record_type_is_made_once():
    """kernels puts the text of a record type into its `__dict__`: numba asks for it at every call.

    If it is no longer asked through `__repr__`, or a record type has no `__dict__`, calls of entries get slow.
    """
    level = from_dtype(schema.LEVEL)
    assert repr(level) is repr(level) and repr(level) == kernels._describe(level)


@needs_jit
def test_the_code_of_an_entry_can_be_called_without_its_dispatcher(compiled):
    """kernels.direct calls `entry_point` of an overload with arguments of exactly its types."""
    call = kernels.direct(compiled.entry, compiled.levels, 1)
    assert call(compiled.levels, 0) == 3 * 2 * 7


# --- LLVM's intrinsics: engine/units.py, engine/rows.py, gateway/plain_orders/byte_kernels.py ---------------------

_level_at = rows.reader(schema.LEVEL)


def _operations(address, left, right):
    """Every intrinsic on two numbers and a row; the last results come out of the row at the address."""
    level = _level_at(address, 1)
    units.prefetch(level)
    return (
        units.wrapping_mul(left, right), units.lowest_bit(left), units.highest_bit(left), units.below(right, left),
        units.mul_high(left, right), units.product_less(left, right, right, right), level.price_ticks,
    )  # fmt: skip


def _bytes(out, text):
    byte_kernels.copy_block(out, 1, text, 2)
    byte_kernels.store_word(out, 40, byte_kernels.load_word(text, 3))


@needs_jit
def test_llvm_intrinsics_do_what_their_names_say():
    """The engine writes LLVM's intrinsics by name and its instructions by llvmlite's builder.

    If llvmlite renames a method, or LLVM an intrinsic (`llvm.prefetch.p0`, `llvm.expect.i1`), it does not compile or
    not link; if the meaning of a flag changes, results do.
    """
    levels = np.zeros(2, schema.LEVEL)
    levels["price_ticks"] = 5, 77
    left, right = -(5 << 60), 3 << 61
    operations = numba.njit(error_model="numpy")(_operations)
    low = (left * right & (1 << 64) - 1) - (1 << 64)
    assert operations(rows.address_of(levels), left, right) == (
        low if low >= -(1 << 63) else low + (1 << 64), 60, 63, True, left * right >> 64, True, 77,
    )  # fmt: skip
    assert "llvm.prefetch.p0" in operations.inspect_llvm(operations.signatures[0])
    out, text = np.zeros(64, np.uint8), np.arange(64, dtype=np.uint8)
    numba.njit(_bytes)(out, text)
    assert out[1:33].tolist() == list(range(2, 34)) and out[40:48].tolist() == list(range(3, 11))
    assert out.sum() == sum(range(2, 34)) + sum(range(3, 11))


# --- picows: gateway/net/server.py, gateway/net/websocket_input.py ------------------------------------------------

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


# --- the event loop: gateway/net/server.py ------------------------------------------------------------------------


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
    """jsonrpc_requests reads the field at fault out of msgspec's message.

    If the wording changes, clients are told that `params` is wrong instead of which parameter.
    """
    assert complaint(data) == text
    assert jsonrpc_requests._param_refusal(complaint(data)).param == param


def test_what_is_no_utf_8_is_told_apart_from_what_is_no_json():
    """jsonrpc_requests gives `UnicodeDecodeError` and `DecodeError` different reasons; both leave the decoder."""
    with pytest.raises(UnicodeDecodeError):
        msgspec.json.decode(b'{"params":{"names":["\xff"]}}', type=Outer)
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
