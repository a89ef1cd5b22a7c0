"""Frames in front of the websocket library: each is served once, in order, by whose business it is."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.gateway_load import client_frame
from gateway import clock
from gateway.net.websocket_input import ALIVE_NS, hand_over
from gateway.plain_orders.compiled_path import COUNT
from gateway.plain_orders.layout import MAX_REQUESTS
from gateway.sessions.session import Session
from tests.gateway.live import request
from tests.gateway.socketless_venue import Library, Origin, SocketlessVenue, bare, frame_at, replies_of, taken


@pytest.fixture(scope="module")
def socketless(tmp_path_factory):
    made = SocketlessVenue(tmp_path_factory.mktemp("reader"))
    yield made
    made.venue.close()


def test_whatever_the_cuts_every_message_is_served_once_and_in_order(socketless):
    messages = [
        bare(1), bare(2, label="é"), request(3, "public/test"), bare(4, cl_ord_id=440), bare(5, label="x" * 60),
        request(6, "private/cancel", cl_ord_id=440), request("7", "public/get_time"), bare(8), b" " * 300 + bare(9),
    ]  # fmt: skip
    stream = b"".join(map(client_frame, messages))
    for size in (1, 2, 3, 5, 7, 64, 200, len(stream)):
        _, origin, library = socketless.feed(stream, size)
        answered = [reply["id"] for reply in replies_of(b"".join(origin.frames))]
        assert answered == [1, 2, 3, 4, 5, 6, "7", 8, 9]
        assert not library.given
        socketless.send([request(0, "private/cancel_all")])


def test_what_is_no_short_text_goes_to_the_library_as_it_came(socketless):
    ping, part, rest = b"\x89\x81mask\x01", b"\x01\x82mask\x0a\x0b", b"\x80\x81mask\x0c"
    long, padded = client_frame(b" " * 70_000), b"\x81\xfe\x00\x02mask" + bytes([ord("m") ^ 123, ord("a") ^ 125])
    wide = b"\x81\xff" + (200).to_bytes(8) + bytes(4) + b" " * 200
    for frame in (ping, part + ping + rest, long, padded, wide, b"\x88\x80mask"):
        stream = client_frame(bare(1)) + frame + client_frame(bare(2))
        for size in (1, 9, 1000, len(stream)):
            _, origin, library = socketless.feed(stream, size)
            assert taken(b"".join(origin.frames)) == [1, 2]
            assert bytes(library.given) == frame
    socketless.send([request(0, "private/cancel_all")])


def test_a_masked_text_that_is_served_by_the_session_is_opened_once(socketless, monkeypatch):
    """Over the limits a run is read twice: the second time its masks are off."""
    session = socketless.sessions[1]
    bucket = session.limits.orders
    monkeypatch.setattr(bucket, "cost_ns", 10**12)
    monkeypatch.setattr(bucket, "span_ns", 3 * 10**12)
    monkeypatch.setattr(bucket, "full_ns", 0)
    reader, origin, _ = socketless.reader(1)
    reader.take(b"".join(client_frame(bare(number)) for number in range(6)) + client_frame(request(6, "public/test")))
    socketless.settle()
    replies = {reply["id"]: "result" in reply for reply in replies_of(b"".join(origin.frames))}
    assert replies == {0: True, 1: True, 2: True, 3: False, 4: False, 5: False, 6: True}


def test_after_its_close_a_connection_gives_everything_to_the_library(socketless):
    reader, origin, library = socketless.reader(1)
    session = Session(socketless.venue.context, socketless.venue.projection, False, "test", clock.steady_ns())
    session.closed = True
    reader._session = session
    reader.take(client_frame(bare(1)) + client_frame(bare(2)))
    socketless.settle()
    assert not origin.frames
    assert bytes(library.given) == client_frame(bare(1)) + client_frame(bare(2))


def test_after_what_the_library_refuses_nothing_is_served(socketless):
    for frame in (b"\x81\x02{}", b"\x80\x80mask", b"\xc1\x82mask\x16\x1c"):
        stream = client_frame(bare(1)) + frame + client_frame(bare(2)) + client_frame(request(3, "public/test"))
        for size in (1, 9, len(stream)):
            reader, origin, _ = socketless.feed(stream, size)
            assert reader._session.closed
            reader._session.closed = False
            assert [reply["id"] for reply in replies_of(b"".join(origin.frames))] == [1]
            socketless.send([request(0, "private/cancel_all")])


def test_a_text_within_a_message_in_parts_is_the_librarys_to_refuse(socketless):
    """RFC 6455, 5.4: the parts of one message are not mixed with another's; control frames may come between."""
    begin, ping, rest = b"\x01\x80mask", b"\x89\x80mask", b"\x80\x80mask"
    for inner in (bare(1), request(1, "public/test")):
        stream = client_frame(bare(0)) + begin + ping + client_frame(inner) + rest + client_frame(bare(2))
        for size in (1, 7, len(stream)):
            reader, origin, library = socketless.feed(stream, size)
            assert taken(b"".join(origin.frames)) == [0]
            assert library.frames == [(0x01, True, b""), (0x89, True, b""), (0x81, True, inner)]
            reader._session.closed = False
            socketless.send([request(0, "private/cancel_all")])


def test_time_never_goes_back_within_a_batch(socketless, monkeypatch):
    times = itertools.count(clock.steady_ns(), 1000)
    monkeypatch.setattr(clock, "steady_ns", lambda: next(times))
    reader, _, _ = socketless.reader()
    reader.take(b"".join(map(client_frame, (bare(1), bare(2, label="é"), bare(3), bare(4, label="é"), bare(5)))))
    staged = socketless.sequencer._stage.rows[: socketless.sequencer._count]
    assert len(staged) == 7 and (np.diff(staged["time_ns"]) >= 0).all()
    socketless.settle()
    socketless.send([request(0, "private/cancel_all")])


def test_who_sends_orders_is_no_silent_connection(socketless, monkeypatch):
    """The library asks for a sign of life when it has heard nothing, and plain orders pass in front of it."""
    reader, _, library = socketless.reader()
    steady_ns = clock.steady_ns()
    for later_ns, touched in ((0, 1), (1000, 1), (ALIVE_NS, 2), (2 * ALIVE_NS, 3)):
        monkeypatch.setattr(clock, "steady_ns", lambda: steady_ns + later_ns)  # noqa: B023
        reader.take(client_frame(bare(1)))
        assert library.touched == touched and not library.given
    socketless.settle()
    socketless.send([request(0, "private/cancel_all")])


def test_a_full_batch_that_cannot_be_applied_cuts_the_connection(socketless, monkeypatch):
    """The server says so and ends; until it has, nobody waits for room for ever."""
    cut = []
    monkeypatch.setattr(Origin, "abort", lambda self: cut.append(self), raising=False)
    monkeypatch.setattr(socketless, "settle", lambda: None)
    socketless.sequencer.compiled_path.numbers[COUNT] = MAX_REQUESTS
    try:
        reader, origin, _ = socketless.reader()
        venue = socketless.venue
        origin.session = Session(venue.context, venue.projection, False, "test", clock.steady_ns())
        monkeypatch.setattr(Session, "is_trader", True)
        reader._session = origin.session
        reader.take(client_frame(bare(1)))
        assert cut == [origin] and origin.session.closed
    finally:
        socketless.sequencer.compiled_path.clear()


def masked(first, payload, key, size_bytes=0):
    """A frame of a client with the shortest length, or one of so many bytes."""
    size = len(payload)
    size_bytes = size_bytes or (0 if size < 126 else 2 if size < 65536 else 8)
    head = bytes([first, 0x80 | {0: size, 2: 126, 8: 127}[size_bytes]])
    head += size.to_bytes(size_bytes) if size_bytes else b""
    return head + key + bytes(char ^ key[index % 4] for index, char in enumerate(payload))


def texts(number):
    return [bare(number), request(number, "public/test"), bare(number, label="é"), b" " * 200 + bare(number)]


KEYS = st.one_of(st.just(bytes(4)), st.binary(min_size=4, max_size=4))
FRAMES = st.one_of(
    st.tuples(st.just(0x81), st.integers(0, 3), KEYS, st.just(0)),
    st.tuples(st.sampled_from([0x89, 0x8A, 0x01, 0x00, 0x80, 0x01, 0x00, 0x80]), st.none(), KEYS, st.just(0)),
    st.tuples(st.just(0x81), st.integers(0, 3), KEYS, st.sampled_from([2, 8])),
    st.tuples(st.sampled_from([0xC1, 0x82, 0x02]), st.none(), KEYS, st.just(0)),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(FRAMES, max_size=14), st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_frames_in_any_mixture_and_cut_anywhere_come_where_a_plain_reading_sends_them(socketless, frames, cuts):
    stream = b""
    for number, (first, text, key, size_bytes) in enumerate(frames):
        payload = b"" if text is None else texts(number)[text]
        stream += masked(first, payload, key, size_bytes if not (size_bytes == 2 and len(payload) > 125) else 0)
    plain = Origin(socketless.sequencer, None)
    reference, at, served = Library(plain), 0, []
    while (frame := frame_at(stream, at)) and not plain.is_refused:
        end, first, is_masked, payload = frame
        shortest = len(masked(first, payload, bytes(4))) == end - at
        if first == 0x81 and is_masked and shortest and plain.parts is None:
            served.append(json.loads(payload)["id"])
        else:
            hand_over(reference, stream[at:end])
        at = end
    reader, origin, library = socketless.reader()
    sizes = itertools.cycle(cuts)
    at = 0
    while at < len(stream):
        piece = stream[at : at + next(sizes)]
        hand_over(reader, piece)
        at += len(piece)
    socketless.settle()
    assert reader._session.closed == plain.is_refused
    reader._session.closed = False
    assert sorted(reply["id"] for reply in replies_of(b"".join(origin.frames))) == served
    assert library.frames == reference.frames
    socketless.send([request(0, "private/cancel_all")])
