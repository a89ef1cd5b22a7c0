"""Plain orders, read and answered by compiled code: the same rows and the same bytes as the session's way."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.gateway_load import client_frame
from engine.codes import AccountAttribute, Affiliation, CommandKind
from gateway import clock
from gateway.plain_orders import layout, reply_writer
from gateway.plain_orders.compiled_path import OFFSET, ROWS, SLOW, CompiledPath
from gateway.plain_orders.frame_finder import INCOMPLETE, TEXT
from gateway.plain_orders.layout import MAX_REQUESTS
from gateway.read_model import render
from gateway.registry.registry import Intent, Registry
from gateway.sessions.actions import Submit
from gateway.sessions.order_confirmation import Confirmation
from gateway.wire import jsonrpc_answers
from gateway.wire.byte_kernels import BLOCK_BYTES
from tests.gateway.live import BTC, request
from tests.gateway.socketless_venue import SocketlessVenue, buy, replies_of

US = re.compile(rb'"usOut":\d+,"usDiff":\d+')


@pytest.fixture(scope="module")
def socketless(tmp_path_factory):
    made = SocketlessVenue(tmp_path_factory.mktemp("compiled_path"))
    yield made
    made.venue.close()


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
    buy(reduce_only="false", label="mine"),
    buy(clientOrderId="mine"),
    buy(clientOrderId=5),
    buy(method="/private/sell"),
    request(1, "/private/cancel", cl_ord_id=9),
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


def by_session(socketless, message):
    """The rows that the session makes of a message, None when it makes none."""
    actions = socketless.sessions[0].receive(message, clock.steady_ns())
    return actions[0].rows if isinstance(actions[0], Submit) else None


@pytest.mark.parametrize("message", PLAIN)
def test_a_plain_order_gives_the_rows_that_the_session_gives(socketless, message):
    rows = socketless.read(message)
    assert rows is not None
    assert rows == by_session(socketless, message)


@pytest.mark.parametrize("message", OTHER)
def test_what_is_not_plain_is_left_to_the_session(socketless, message):
    assert socketless.read(message) is None


MUTATED = st.tuples(st.sampled_from(PLAIN + OTHER), st.integers(0, 300), st.binary(min_size=0, max_size=3))


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(MUTATED, st.integers(0, 3))
def test_whatever_the_compiled_path_takes_the_session_takes_the_same(socketless, mutation, cut):
    message, at, inserted = mutation
    changed = message[:at] + inserted.replace(b"\0", b"0") + message[at + cut :]
    rows = socketless.read(changed)
    if rows is not None:
        assert rows == by_session(socketless, changed)


NUMBER = st.builds(
    lambda whole, digits, quoted: json.dumps(f"{whole}{digits}") if quoted else f"{whole}{digits}",
    st.integers(0, 10**12),
    st.sampled_from(["", ".5", ".05", ".0001", ".00010", ".000000000001", ".123456789012", ".0"]),
    st.booleans(),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(NUMBER, NUMBER)
def test_numbers_are_read_exactly_or_not_at_all(socketless, amount, price):
    message = b'{"id":1,"method":"private/buy","params":{"instrument_name":"%b","amount":%b,"price":%b}}' % (
        BTC.encode(), amount.encode(), price.encode(),
    )  # fmt: skip
    rows, expected = socketless.read(message), by_session(socketless, message)
    assert rows in (None, expected)


def both_ways(socketless, monkeypatch):
    """Have every reply of the compiled path compared with the session's; answers how many were made, how many left."""
    compiled_path = socketless.sequencer.compiled_path
    counts = [0, 0]
    original = compiled_path.replies

    def compared(run, complete):
        for index in range(run.first, run.end):
            if compiled_path._slow[index]:
                counts[1] += 1
                continue
            counts[0] += 1
            made, wanted = compiled_path._frames(index, index + 1), compiled_path._slow_reply(run, index, complete)
            assert US.sub(b"", made[4:]) == US.sub(b"", wanted[4:])
            assert made[:2] == b"\x81\x7e" and int.from_bytes(made[2:4]) == len(made) - 4
        return original(run, complete)

    monkeypatch.setattr(compiled_path, "replies", compared)
    monkeypatch.setattr(CompiledPath, "has_slow", True)  # so that the sequencer makes the rows
    return counts


def test_replies_are_the_sessions_byte_for_byte(socketless, monkeypatch):
    counts = both_ways(socketless, monkeypatch)
    first = replies_of(socketless.send([
        buy(1, price=19_500, amount=0.05, label="resting", cl_ord_id=901),
        buy(2, price=19_400, post_only=True),
        buy("three", method="private/sell", price=20_500, amount=0.03),
    ]))  # fmt: skip
    assert [reply["id"] for reply in first] == [1, 2, "three"]
    order_ids = [reply["result"]["order"]["order_id"] for reply in first]
    second = replies_of(socketless.send([
        buy(4, price=20_500, amount=0.01, label="taker", cl_ord_id=902),
        buy(5, method="private/sell", price=19_400, amount=0.08),
        request(6, "private/buy", instrument_name=BTC, amount=0.01, type="market"),
        buy(7, price=19_000, time_in_force="immediate_or_cancel"),
    ], who=1))  # fmt: skip
    assert [len(reply["result"]["trades"]) for reply in second] == [1, 2, 1, 0]
    third = replies_of(socketless.send([
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


def tag(socketless, affiliation):
    """The first trader's account is no client's any more, and approved; or a client's again."""
    slot = socketless.sessions[0].account_slot
    intents = [Intent(CommandKind.ACCOUNT_SET, int(AccountAttribute.AFFILIATION), slot, value=affiliation)]
    if affiliation != Affiliation.CLIENT:
        until = clock.wall_ns() + 10**15
        intents.append(Intent(CommandKind.AFFILIATE_APPROVAL, account_slot=slot, contract_slot=0, value=until))
    registry = Registry(socketless.venue.config.registry)
    registry.add_intents(intents, clock.wall_ns())
    registry.close()
    socketless.venue.take_intents()
    socketless.sequencer.settle()


def test_trades_with_an_affiliated_maker_say_so_both_ways(socketless, monkeypatch):
    counts = both_ways(socketless, monkeypatch)
    for who in (0, 1):
        socketless.send([request(0, "private/cancel_all")], who=who)
    tag(socketless, Affiliation.GROUP_COMPANY)
    assert "result" in replies_of(socketless.send([buy(1, method="private/sell", price=19_900, post_only=True)]))[0]
    [taken_of_house] = replies_of(socketless.send([buy(2, price=19_900, amount=0.01)], who=1))
    replies_of(socketless.send([request(3, "private/cancel_all")]))
    tag(socketless, Affiliation.CLIENT)
    replies_of(socketless.send([buy(4, method="private/sell", price=19_900, amount=0.01)]))
    [taken_of_client] = replies_of(socketless.send([buy(5, price=19_900, amount=0.01)], who=1))
    trades = [reply["result"]["trades"] for reply in (taken_of_house, taken_of_client)]
    assert [[trade["affiliated_maker"] for trade in made] for made in trades] == [[True], [False]] and counts[0] >= 2
    told = json.loads(ask_public(socketless))["result"]["trades"]
    assert [trade["affiliated_maker"] for trade in told[-2:]] == [True, False]


def ask_public(socketless):
    """The public trades of the contract, oldest first, as text."""
    session = socketless.sessions[1]
    message = request(9, "public/get_last_trades_by_instrument", instrument_name=BTC, count=100, sorting="asc")
    [answer] = session.receive(message, clock.steady_ns())
    return answer.data


def test_there_is_room_for_the_longest_reply_and_the_longest_trade():
    """Nothing checks where compiled code writes: the room that it asks for has to be enough for whatever there is."""

    def said(template):
        return len(re.sub(rb"%[bd]", b"", template))

    def longest(table):
        return max(int(layout.SPANS[fragment, 1] - layout.SPANS[fragment, 0]) for fragment in table)

    text, number, word = 64 + len('""'), len(str(-(2**63))) + len("."), len("false")
    extras = said(render.CLIENT_ID_EXTRA) + number + said(render.CANCEL_REASON_EXTRA) + longest(layout.CANCEL_REASON)
    codes = sum(longest(table) for table in (layout.SIDE, layout.ORDER_TYPE, layout.STATE, layout.TIME_IN_FORCES))
    order = said(render.ORDER) + render.ORDER.count(b"%") * number + 2 * text + 3 * word + codes + extras
    envelope = said(jsonrpc_answers.REPLY) + 3 * number + word + len("[]")
    reply = said(render.PLACED) + order + envelope + layout.MAX_ID_BYTES
    assert reply + BLOCK_BYTES <= layout.REPLY_BYTES
    trade = said(render.TRADE) + said(render.USER_TRADE) + said(render.CLIENT_ID_EXTRA) + said(render.FORCED_EXTRA)
    trade += 2 * text + 2 * 32 + 10 * number + codes + 3 * word
    assert trade + envelope + BLOCK_BYTES <= reply_writer._TRADE_BYTES


def test_order_of_arrival_is_kept_among_plain_and_other_messages(socketless):
    messages = [
        buy(1, price=19_001), buy(2, price=19_002, label="ü"), buy(3, price=19_003),
        request(4, "private/cancel_all"), buy(5, price=19_004),
    ]  # fmt: skip
    replies = replies_of(socketless.send(messages))
    assert [reply["id"] for reply in replies] == [1, 2, 3, 4, 5]
    assert replies[3]["result"] >= 3
    assert replies[4]["result"]["order"]["order_state"] == "open"
    assert all("result" in reply for reply in replies)


def test_a_run_longer_than_the_desk_is_answered_in_full(socketless):
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
    replies = replies_of(socketless.send(messages))
    assert [reply["id"] for reply in replies] == list(range(2 * count))
    assert all("result" in reply for reply in replies)


def test_orders_that_come_and_go_in_one_batch_are_all_answered_by_the_compiled_path(socketless, monkeypatch):
    """They share a few slots, each used again at once."""
    compiled_path, slow = socketless.sequencer.compiled_path, []
    original = compiled_path.write
    said = compiled_path.numbers
    monkeypatch.setattr(compiled_path, "write", lambda *given: (original(*given), slow.append(said[SLOW])))
    for gap in (1, 7, 200):
        messages = []
        for first in range(0, 1400, gap):
            numbers = range(first, min(first + gap, 1400))
            messages += [buy(2 * n, price=19_001, cl_ord_id=30_000 + n) for n in numbers]
            messages += [request(2 * n + 1, "private/cancel", cl_ord_id=30_000 + n) for n in numbers]
        replies = replies_of(socketless.send(messages))
        assert sorted(reply["id"] for reply in replies) == list(range(2800))
        states = {reply["result"].get("order", reply["result"])["order_state"] for reply in replies}
        assert states == {"cancelled"}
    assert slow and not any(slow)


def test_over_the_rate_limit_each_order_is_refused_by_itself(socketless, monkeypatch):
    session = socketless.sessions[1]
    bucket = session.limits.orders
    monkeypatch.setattr(bucket, "cost_ns", 10**12)
    monkeypatch.setattr(bucket, "span_ns", 2 * 10**12)
    monkeypatch.setattr(bucket, "full_ns", 0)
    replies = replies_of(socketless.send([buy(number) for number in range(4)], who=1))
    assert [(reply["id"], "result" in reply) for reply in sorted(replies, key=lambda reply: reply["id"])] == [
        (0, True), (1, True), (2, False), (3, False),
    ]  # fmt: skip
    assert {reply["error"]["message"] for reply in replies if "error" in reply} == {"too_many_requests"}


def test_where_unusual_orders_are_confirmed_the_session_looks_at_every_order(socketless, monkeypatch):
    asked = Confirmation(value_micros=1)
    monkeypatch.setattr(socketless.venue.context, "confirmation", asked)
    [plain], [confirmed] = replies_of(socketless.send([buy(1)])), replies_of(socketless.send([buy(2, confirm=True)]))
    assert "confirm" in json.dumps(plain["error"]["data"])
    assert confirmed["result"]["order"]["order_state"] == "open"


def test_a_message_with_a_zero_byte_cannot_pass_for_two(socketless):
    replies = replies_of(socketless.send([buy(1) + b"\0" + buy(2)]))
    assert [reply["error"]["code"] for reply in replies] == [-32700]


def test_a_contract_that_the_compiled_path_does_not_know_has_no_name_there(socketless):
    compiled_path: CompiledPath = socketless.sequencer.compiled_path
    socketless.read(PLAIN[0])
    listing = compiled_path._work["listings"][1]
    size, listing["name_size"] = int(listing["name_size"]), 0
    try:
        assert socketless.read(buy(instrument_name="")) is None
        message = request(1, "private/buy", instrument_name="", amount=0, type="market")
        assert socketless.read(message) is None
    finally:
        listing["name_size"] = size


def at_the_end(socketless, frame):
    """A frame read as the last thing that the buffer has room for."""
    compiled_path: CompiledPath = socketless.sequencer.compiled_path
    end = len(compiled_path.buffer)
    compiled_path._data[end:] = 0xFF
    compiled_path.buffer[end - len(frame) :] = frame
    stop = compiled_path.read(socketless.sessions[0], (0, 1), (end - len(frame), end), clock.wall_ns())
    rows = compiled_path.numbers[ROWS]
    compiled_path.clear()
    compiled_path._data[end:] = 0
    return stop, rows, compiled_path.numbers[OFFSET] - end


@pytest.mark.parametrize("message", PLAIN)
def test_what_fills_the_buffer_is_read_to_its_last_byte(socketless, message):
    stop, rows, behind = at_the_end(socketless, client_frame(message))
    assert stop == INCOMPLETE and rows >= 1 and behind == 0


def test_nothing_behind_the_buffer_is_taken_for_a_message(socketless):
    whole = buy(1, label="x" * 60)
    for cut in range(len(whole)):
        assert at_the_end(socketless, client_frame(whole[:cut])) == (TEXT, 0, 0)
    frame = client_frame(whole)
    for cut in range(1, len(frame)):
        assert at_the_end(socketless, frame[:cut]) == (INCOMPLETE, 0, -cut)


SPACE = st.text(" \t\r\n", max_size=2)
VALUES = {
    "instrument_name": [BTC, "ETH_USDC-PERPETUAL"], "amount": [0.01, "0.02", 1], "price": [19_000, "19000.5", 21_000.0],
    "type": ["limit", "market"], "time_in_force": ["good_til_cancelled", "immediate_or_cancel", "fill_or_kill"],
    "post_only": [True, False], "reject_post_only": [True, False], "reduce_only": [True, False], "label": ["", "a b"],
    "cl_ord_id": [7, "8"], "order_id": ["4194305"],
}  # fmt: skip
CALLS = st.tuples(
    st.sampled_from(["private/buy", "private/sell", "private/cancel"]),
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(CALLS, st.randoms(use_true_random=False), st.lists(SPACE, min_size=80, max_size=80))
def test_fields_in_any_order_and_with_any_space_mean_the_same(socketless, call, chance, spaces):
    method, params = call

    def shuffled(fields):
        chance.shuffle(fields)
        parts = (
            f"{spaces.pop()}{json.dumps(name)}{spaces.pop()}:{spaces.pop()}{text}{spaces.pop()}"
            for name, text in fields
        )
        return "{" + ",".join(parts) + "}"

    inner = shuffled([(name, json.dumps(value)) for name, value in params.items()])
    message = shuffled([("jsonrpc", '"2.0"'), ("id", "1"), ("method", json.dumps(method)), ("params", inner)]).encode()
    rows = socketless.read(message)
    assert rows is None or rows == by_session(socketless, message)
