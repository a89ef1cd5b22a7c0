"""Plain orders, read and answered by compiled code: the same rows and the same bytes as the session's way."""

import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.confirmation import Confirmation
from gateway.express import COUNT, ROWS, Express
from gateway.express_frames import INCOMPLETE, TEXT
from gateway.express_tables import MAX_REQUESTS
from gateway.intents import index_row
from gateway.interfaces import Submit
from gateway.lane import Lane
from gateway.load import client_frame
from gateway.rows import ROW_BYTES
from gateway.session import Session
from gateway.venue import Venue
from tests.gateway.live import BTC, config_of, request, set_up

INDEX = 20_000
US = re.compile(rb'"usOut":\d+,"usDiff":\d+')


class Origin:
    """A connection that keeps what it is told."""

    def __init__(self, sequencer, session):
        self.sequencer = sequencer
        self.session = session
        self.frames = []
        self.parts = None
        self.is_refused = False

    def act(self, actions):
        for action in actions:
            if isinstance(action, Submit):
                self.sequencer.submit(action.rows, self, action.pending)
            else:
                self.answer(action.data)

    def stage(self, frame):
        self.frames.append(frame)

    def answer(self, data):
        self.frames.append(data)

    def take_staged(self):
        return b""

    def write(self, data):
        pass


class Library:
    """In place of the websocket library and what a connection does with its frames: keeps what it is given."""

    def __init__(self, origin):
        self.given = bytearray()
        self.frames = []
        self._origin = origin
        self._done = 0
        self._buffer = bytearray(100)

    def get_buffer(self, size):
        return memoryview(self._buffer)[: max(1, size)]

    def buffer_updated(self, size):
        self.given += self._buffer[:size]
        while (frame := frame_at(self.given, self._done)) and not self._origin.is_refused:
            self._done, *kept = frame
            self.frames.append(tuple(kept))
            self._take(*kept)

    def _take(self, first, is_masked, payload):
        opcode, origin = first & 15, self._origin
        begins, goes_on = opcode in (1, 2), opcode == 0
        if not is_masked or first & 0x70 or (begins and origin.parts is not None) or (goes_on and origin.parts is None):
            origin.is_refused = True
        elif begins and not first & 0x80:
            origin.parts = payload
        elif goes_on:
            origin.parts = None if first & 0x80 else origin.parts + payload


def frame_at(data, at):
    """A whole frame of RFC 6455 as plainly as it can be read: (its end, first byte, is masked, payload)."""
    if len(data) < at + 2:
        return None
    size, head = data[at + 1] & 127, 2
    if size > 125:
        head = 4 if size == 126 else 10
        size = int.from_bytes(data[at + 2 : at + head])
    is_masked = data[at + 1] > 127
    first = at + head + 4 * is_masked
    if len(data) < max(first + size, at + head):
        return None
    key = data[first - 4 : first] if is_masked else bytes(4)
    payload = bytes(char ^ key[index % 4] for index, char in enumerate(data[first : first + size]))
    return first + size, data[at], is_masked, payload


class Desk:
    """A venue with two traders and a price, without sockets."""

    def __init__(self, folder):
        config = config_of(folder / "venue")
        config.registry.parent.mkdir(parents=True)
        self.traders = set_up(config)
        self.venue = Venue(config)
        self.venue.take_intents()
        self.sequencer = self.venue.sequencer
        for slot, price in ((0, INDEX), (1, 1000)):
            contract = self.venue.projection.contract_at(slot)
            for source in range(3):
                row = index_row(slot, source, contract.price_ticks(b"%d" % price) * 1000, clock.wall_ns())
                self.sequencer.submit(row, None, None)
        self.sequencer.settle()
        while not self.venue.projection.ticker(1).mark_subticks:
            self.sequencer.keep_time()
        self.sessions = [self._session(trader.key) for trader in self.traders]

    def _session(self, key):
        session = Session(self.venue.context, self.venue.projection, False, "test", clock.wall_ns())
        params = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
        session.receive(request(0, "public/auth", **params), clock.wall_ns())
        assert session.is_trader
        return session

    def read(self, message, session=None):
        """What the express makes of one message, not sequenced: its rows, None when it leaves it to the session."""
        express: Express = self.sequencer.express
        frame = client_frame(message)
        express.buffer[: len(frame)] = frame
        stop = express.read(session or self.sessions[0], (0, 1), (0, len(frame)), clock.wall_ns())
        rows = bytearray(self.sequencer._bytes[: express.numbers[ROWS] * ROW_BYTES])
        express.clear()
        assert (stop == INCOMPLETE) == bool(rows) and stop in (INCOMPLETE, TEXT)
        if stop == TEXT:
            assert express.text() == message
        for first in range(0, len(rows), ROW_BYTES):
            rows[first : first + 16] = bytes(16)
        return bytes(rows) or None

    # --- the same through a lane ----------------------------------------------------------------------------------

    def touch(self):
        """The end of a turn is ours to say."""

    def settle(self):
        self.sequencer.settle()

    def lane(self, who=0):
        """A connection without a socket: (its lane, what is sent back, what the library gets)."""
        origin = Origin(self.sequencer, self.sessions[who])
        library = Library(origin)
        return Lane(self, origin, library), origin, library

    def send(self, messages, who=0):
        """One turn of one connection: every frame and answer that came back."""
        lane, origin, library = self.lane(who)
        lane.take(b"".join(map(client_frame, messages)))
        self.sequencer.settle()
        assert not library.given
        return b"".join(origin.frames)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = Desk(tmp_path_factory.mktemp("express"))
    yield made
    made.venue.close()


def buy(number=1, method="private/buy", **params):
    return request(number, method, **{"instrument_name": BTC, "amount": 0.01, "price": 19_000, **params})


PLAIN = [
    buy(),
    buy("a b"),
    buy(method="private/sell", price="21000.5", amount="0.0100"),
    buy(post_only=True, reject_post_only=True, reduce_only=False),
    buy(reject_post_only=True),
    buy(post_only=False, reduce_only=True, label="mine", cl_ord_id=77),
    buy(label="", cl_ord_id="123456789012345678", time_in_force="fill_or_kill"),
    buy(label="x" * 64, time_in_force="immediate_or_cancel", type="limit"),
    buy(instrument_name="ETH_USDC-PERPETUAL", price=1000.05, amount=1),
    buy(time_in_force="good_til_cancelled", amount=0),
    request(-5, "private/sell", instrument_name=BTC, amount=1, type="market"),
    request(2, "private/cancel", order_id="4194305"),
    request(2, "private/cancel", cl_ord_id=7),
    b'{"id":1,"method":"private/cancel","params":{"cl_ord_id":"9"}}',
    b' {\n"method" : "private/cancel" ,\t"id" : 0 , "params" : { "cl_ord_id" : 9 } } \r\n',
]
OTHER = [
    buy(price=19_000.123),
    buy(price=0),
    buy(price="1e4"),
    buy(amount=0.00001),
    buy(amount="-1"),
    buy(amount=None),
    buy(amount=10**18),
    buy(price="0019000"),
    buy(label='"'),
    buy(label="é"),
    buy(label="x" * 65),
    buy(type="market"),
    buy(type="stop_limit", trigger_price=1),
    buy(time_in_force="good_til_day"),
    buy(post_only=None),
    buy(post_only="true"),
    buy(instrument_name="BTC_USDC-PERPETUA"),
    buy(cl_ord_id=0),
    buy(cl_ord_id=1.5),
    buy(colour="red"),
    buy(None),
    buy("x" * 40),
    request(1, "private/buy", instrument_name=BTC, amount=1),
    request(1, "private/cancel", order_id=5),
    request(1, "private/cancel", order_id="0"),
    request(1, "private/cancel"),
    request(1, "private/cancel", order_id="5", cl_ord_id=5),
    request(1, "private/edit", order_id="5", amount=1),
    request(1, "private/cancel_all"),
    b'{"id":1,"params":{"cl_ord_id":9},"method":"private/cancel"}',
    b'{"id":1,"id":1,"method":"private/cancel","params":{"cl_ord_id":9}}',
    b'{"id":1,"method":"private/cancel","params":{"cl_ord_id":9,"cl_ord_id":9}}',
    b'{"id":01,"method":"private/cancel","params":{"cl_ord_id":9}}',
    b'{"id":-0,"method":"private/cancel","params":{"cl_ord_id":9}}',
    b'{"id":1.0,"method":"private/cancel","params":{"cl_ord_id":9}}',
    b'{"id":1,"method":"private/cancel","params":{"cl_ord_id":9}}x',
    b'{"id":1,"method":"private/cancel","params":{"cl_ord_id":9},}',
    b'{"id":1,"method":"private/cancel","params":{"cl_ord_id":9}',
    b'{"id":1,"method":"private/cancel","params":{"cl_ord_id":09}}',
    b'{"jsonrpc":"1.0","id":1,"method":"private/cancel","params":{"cl_ord_id":9}}',
    b'{"id":1,"method":"private/cancel"}',
    b"[]",
    b"",
    b"{",
]


def by_session(desk, message):
    """The rows that the session makes of a message, None when it makes none."""
    actions = desk.sessions[0].receive(message, clock.wall_ns())
    return actions[0].rows if isinstance(actions[0], Submit) else None


@pytest.mark.parametrize("message", PLAIN)
def test_a_plain_order_gives_the_rows_that_the_session_gives(desk, message):
    rows = desk.read(message)
    assert rows is not None
    assert rows == by_session(desk, message)


@pytest.mark.parametrize("message", OTHER)
def test_what_is_not_plain_is_left_to_the_session(desk, message):
    assert desk.read(message) is None


MUTATED = st.tuples(st.sampled_from(PLAIN + OTHER), st.integers(0, 300), st.binary(min_size=0, max_size=3))


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(MUTATED, st.integers(0, 3))
def test_whatever_the_express_takes_the_session_takes_the_same(desk, mutation, cut):
    message, at, inserted = mutation
    changed = message[:at] + inserted.replace(b"\0", b"0") + message[at + cut :]
    rows = desk.read(changed)
    if rows is not None:
        assert rows == by_session(desk, changed)


NUMBER = st.builds(
    lambda whole, digits, quoted: json.dumps(f"{whole}{digits}") if quoted else f"{whole}{digits}",
    st.integers(0, 10**12),
    st.sampled_from(["", ".5", ".05", ".0001", ".00010", ".000000000001", ".123456789012", ".0"]),
    st.booleans(),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(NUMBER, NUMBER)
def test_numbers_are_read_exactly_or_not_at_all(desk, amount, price):
    message = b'{"id":1,"method":"private/buy","params":{"instrument_name":"%b","amount":%b,"price":%b}}' % (
        BTC.encode(), amount.encode(), price.encode(),
    )  # fmt: skip
    rows, expected = desk.read(message), by_session(desk, message)
    assert rows in (None, expected)


def both_ways(desk, monkeypatch):
    """Have every reply of the express compared with the session's; answers how many were made and how many left."""
    express = desk.sequencer.express
    counts = [0, 0]
    original = express.replies

    def compared(run, complete):
        for index in range(run.first, run.end):
            if express._slow[index]:
                counts[1] += 1
                continue
            counts[0] += 1
            made, wanted = express._frames(index, index + 1), express._slow_reply(run, index, complete)
            assert US.sub(b"", made[4:]) == US.sub(b"", wanted[4:])
            assert made[:2] == b"\x81\x7e" and int.from_bytes(made[2:4]) == len(made) - 4
        return original(run, complete)

    monkeypatch.setattr(express, "replies", compared)
    monkeypatch.setattr(Express, "has_slow", True)  # so that the sequencer has the rows that the session's way needs
    return counts


def replies_of(frames):
    return [json.loads(part) for part in re.findall(rb'\{"jsonrpc".*?"testnet":(?:true|false)\}', frames)]


def test_replies_are_the_sessions_byte_for_byte(desk, monkeypatch):
    counts = both_ways(desk, monkeypatch)
    first = replies_of(desk.send([
        buy(1, price=19_500, amount=0.05, label="resting", cl_ord_id=901),
        buy(2, price=19_400, post_only=True),
        buy("three", method="private/sell", price=20_500, amount=0.03),
    ]))  # fmt: skip
    assert [reply["id"] for reply in first] == [1, 2, "three"]
    order_ids = [reply["result"]["order"]["order_id"] for reply in first]
    second = replies_of(desk.send([
        buy(4, price=20_500, amount=0.01, label="taker", cl_ord_id=902),
        buy(5, method="private/sell", price=19_400, amount=0.08),
        request(6, "private/buy", instrument_name=BTC, amount=0.01, type="market"),
        buy(7, price=19_000, time_in_force="immediate_or_cancel"),
    ], who=1))  # fmt: skip
    assert [len(reply["result"]["trades"]) for reply in second] == [1, 2, 1, 0]
    third = replies_of(desk.send([
        request(8, "private/edit", order_id=order_ids[2], amount=0.04, price=20_400.5),
        request(9, "private/cancel", order_id=order_ids[2]),
        request(10, "private/cancel", cl_ord_id=901),
        buy(11, price=19_001), request(12, "private/cancel", cl_ord_id=1), buy(13, price=19_002, cl_ord_id=14),
        request(14, "private/cancel", cl_ord_id=14), buy(15, price=19_003, cl_ord_id=14), buy(16, price=19_004),
    ]))  # fmt: skip
    assert [reply["id"] for reply in third] == list(range(8, 17))
    assert third[0]["result"]["order"]["replaced"] and third[1]["result"]["order_state"] == "cancelled"
    assert "error" in third[2] and "error" in third[4]
    assert counts[0] >= 13 and counts[1] >= 2


def test_order_of_arrival_is_kept_among_plain_and_other_messages(desk):
    messages = [
        buy(1, price=19_001), buy(2, price=19_002, label="ü"), buy(3, price=19_003),
        request(4, "private/cancel_all"), buy(5, price=19_004),
    ]  # fmt: skip
    replies = replies_of(desk.send(messages))
    assert [reply["id"] for reply in replies] == [1, 2, 3, 4, 5]
    assert replies[3]["result"] >= 3
    assert replies[4]["result"]["order"]["order_state"] == "open"
    assert all("result" in reply for reply in replies)


def test_a_run_longer_than_the_desk_is_answered_in_full(desk):
    count = 5000
    assert 2 * count > MAX_REQUESTS
    messages = [
        part
        for n in range(count)
        for part in (
            buy(2 * n, price=19_001, cl_ord_id=10_000 + n),
            request(2 * n + 1, "private/cancel", cl_ord_id=10_000 + n),
        )
    ]
    replies = replies_of(desk.send(messages))
    assert [reply["id"] for reply in replies] == list(range(2 * count))
    assert all("result" in reply for reply in replies)


def test_over_the_rate_limit_each_order_is_refused_by_itself(desk, monkeypatch):
    session = desk.sessions[1]
    bucket = session.limits.orders
    monkeypatch.setattr(bucket, "cost_ns", 10**12)
    monkeypatch.setattr(bucket, "span_ns", 2 * 10**12)
    monkeypatch.setattr(bucket, "full_ns", 0)
    replies = replies_of(desk.send([buy(number) for number in range(4)], who=1))
    assert [(reply["id"], "result" in reply) for reply in sorted(replies, key=lambda reply: reply["id"])] == [
        (0, True), (1, True), (2, False), (3, False),
    ]  # fmt: skip
    assert {reply["error"]["message"] for reply in replies if "error" in reply} == {"too_many_requests"}


def test_where_unusual_orders_are_confirmed_the_session_looks_at_every_order(desk, monkeypatch):
    asked = Confirmation(value_micros=1)
    monkeypatch.setattr(desk.venue.context, "confirmation", asked)
    [plain], [confirmed] = replies_of(desk.send([buy(1)])), replies_of(desk.send([buy(2, confirm=True)]))
    assert "confirm" in json.dumps(plain["error"]["data"])
    assert confirmed["result"]["order"]["order_state"] == "open"


def bare(number, **params):
    """A small order, far from the others."""
    return buy(number, price=18_000, **params)


def taken(frames):
    return [reply["id"] for reply in replies_of(frames) if "result" in reply]


def test_a_message_with_a_zero_byte_cannot_pass_for_two(desk):
    replies = replies_of(desk.send([buy(1) + b"\0" + buy(2)]))
    assert [reply["error"]["code"] for reply in replies] == [-32700]


# --- frames -----------------------------------------------------------------------------------------------------------


def test_whatever_the_cuts_every_message_is_served_once_and_in_order(desk):
    messages = [
        bare(1), bare(2, label="é"), request(3, "public/test"), bare(4, cl_ord_id=440), bare(5, label="x" * 60),
        request(6, "private/cancel", cl_ord_id=440), request("7", "public/get_time"), bare(8), b" " * 300 + bare(9),
    ]  # fmt: skip
    stream = b"".join(map(client_frame, messages))
    for size in (1, 2, 3, 5, 7, 64, 200, len(stream)):
        lane, origin, library = desk.lane()
        for first in range(0, len(stream), size):
            part = stream[first : first + size]
            lane.get_buffer(0)[: len(part)] = part
            lane.buffer_updated(len(part))
        desk.settle()
        answered = [reply["id"] for reply in replies_of(b"".join(origin.frames))]
        assert sorted(map(str, answered)) == sorted(map(str, [1, 2, 3, 4, 5, 6, "7", 8, 9]))
        assert [number for number in answered if number not in (3, "7")] == [1, 2, 4, 5, 6, 8, 9]
        assert not library.given
        desk.send([request(0, "private/cancel_all")])


def test_what_is_no_short_text_goes_to_the_library_as_it_came(desk):
    ping, part, rest = b"\x89\x81mask\x01", b"\x01\x82mask\x0a\x0b", b"\x80\x81mask\x0c"
    long, padded = client_frame(b" " * 70_000), b"\x81\xfe\x00\x02mask" + bytes([ord("m") ^ 123, ord("a") ^ 125])
    wide = b"\x81\xff" + (200).to_bytes(8) + bytes(4) + b" " * 200
    for frame in (ping, part + ping + rest, long, padded, wide, b"\x88\x80mask"):
        stream = client_frame(bare(1)) + frame + client_frame(bare(2))
        for size in (1, 9, 1000, len(stream)):
            lane, origin, library = desk.lane()
            for first in range(0, len(stream), size):
                piece = stream[first : first + size]
                lane.get_buffer(0)[: len(piece)] = piece
                lane.buffer_updated(len(piece))
            desk.settle()
            assert taken(b"".join(origin.frames)) == [1, 2]
            assert bytes(library.given) == frame
    desk.send([request(0, "private/cancel_all")])


def test_a_masked_text_that_is_served_by_the_session_is_opened_once(desk, monkeypatch):
    """Over the limits a run is read twice: the second time its masks are off."""
    session = desk.sessions[1]
    bucket = session.limits.orders
    monkeypatch.setattr(bucket, "cost_ns", 10**12)
    monkeypatch.setattr(bucket, "span_ns", 3 * 10**12)
    monkeypatch.setattr(bucket, "full_ns", 0)
    lane, origin, _ = desk.lane(1)
    lane.take(b"".join(client_frame(bare(number)) for number in range(6)) + client_frame(request(6, "public/test")))
    desk.settle()
    replies = {reply["id"]: "result" in reply for reply in replies_of(b"".join(origin.frames))}
    assert replies == {0: True, 1: True, 2: True, 3: False, 4: False, 5: False, 6: True}


def test_after_its_close_a_connection_gives_everything_to_the_library(desk):
    lane, origin, library = desk.lane(1)
    session = Session(desk.venue.context, desk.venue.projection, False, "test", clock.wall_ns())
    session.closed = True
    lane._session = session
    lane.take(client_frame(bare(1)) + client_frame(bare(2)))
    desk.settle()
    assert not origin.frames
    assert bytes(library.given) == client_frame(bare(1)) + client_frame(bare(2))


def test_after_what_the_library_refuses_nothing_is_served(desk):
    for frame in (b"\x81\x02{}", b"\x80\x80mask", b"\xc1\x82mask\x16\x1c"):
        stream = client_frame(bare(1)) + frame + client_frame(bare(2)) + client_frame(request(3, "public/test"))
        for size in (1, 9, len(stream)):
            lane, origin, _ = desk.lane()
            for first in range(0, len(stream), size):
                piece = stream[first : first + size]
                lane.get_buffer(0)[: len(piece)] = piece
                lane.buffer_updated(len(piece))
            desk.settle()
            assert lane._session.closed
            lane._session.closed = False
            assert [reply["id"] for reply in replies_of(b"".join(origin.frames))] == [1]
            desk.send([request(0, "private/cancel_all")])


def test_a_text_within_a_message_in_parts_is_the_librarys_to_refuse(desk):
    """RFC 6455, 5.4: the parts of one message are not mixed with another's; control frames may come between."""
    begin, ping, rest = b"\x01\x80mask", b"\x89\x80mask", b"\x80\x80mask"
    for inner in (bare(1), request(1, "public/test")):
        stream = client_frame(bare(0)) + begin + ping + client_frame(inner) + rest + client_frame(bare(2))
        for size in (1, 7, len(stream)):
            lane, origin, library = desk.lane()
            for first in range(0, len(stream), size):
                piece = stream[first : first + size]
                lane.get_buffer(0)[: len(piece)] = piece
                lane.buffer_updated(len(piece))
            desk.settle()
            assert taken(b"".join(origin.frames)) == [0]
            assert library.frames == [(0x01, True, b""), (0x89, True, b""), (0x81, True, inner)]
            lane._session.closed = False
            desk.send([request(0, "private/cancel_all")])


def test_time_never_goes_back_within_a_batch(desk, monkeypatch):
    times = itertools.count(clock.wall_ns(), 1000)
    monkeypatch.setattr(clock, "wall_ns", lambda: next(times))
    lane, _, _ = desk.lane()
    lane.take(b"".join(map(client_frame, (bare(1), bare(2, label="é"), bare(3), bare(4, label="é"), bare(5)))))
    staged = desk.sequencer._stage.rows[: desk.sequencer._count]
    assert len(staged) == 7 and (np.diff(staged["time_ns"]) >= 0).all()
    desk.settle()
    desk.send([request(0, "private/cancel_all")])


def test_a_contract_that_the_express_does_not_know_has_no_name_there(desk):
    express: Express = desk.sequencer.express
    desk.read(PLAIN[0])
    card = express._desk["cards"][1]
    size, card["name_size"] = int(card["name_size"]), 0
    try:
        assert desk.read(buy(instrument_name="")) is None
        message = request(1, "private/buy", instrument_name="", amount=0, type="market")
        assert desk.read(message) is None
    finally:
        card["name_size"] = size


def test_a_full_batch_that_cannot_be_applied_cuts_the_connection(desk, monkeypatch):
    """The server says so and ends; until it has, nobody waits for room for ever."""
    cut = []
    monkeypatch.setattr(Origin, "abort", lambda self: cut.append(self), raising=False)
    monkeypatch.setattr(desk, "settle", lambda: None)
    desk.sequencer.express.numbers[COUNT] = MAX_REQUESTS
    try:
        lane, origin, _ = desk.lane()
        origin.session = Session(desk.venue.context, desk.venue.projection, False, "test", clock.wall_ns())
        monkeypatch.setattr(Session, "is_trader", True)
        lane._session = origin.session
        lane.take(client_frame(bare(1)))
        assert cut == [origin] and origin.session.closed
    finally:
        desk.sequencer.express.clear()
