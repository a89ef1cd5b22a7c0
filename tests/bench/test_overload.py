"""The load of `bench.overload` over a pair of sockets: what is due, what the socket takes, what is answered."""

import asyncio
import json
import socket

import pytest

from bench.attackers import PAIRS, Flow
from bench.gateway_load import Connection, json_script
from bench.overload import cancels


@pytest.fixture
def linked():
    """(a flow, the other end of its socket)."""
    link, other = socket.socketpair()
    other.setblocking(False)
    yield Flow(link, 0), other
    link.close()
    other.close()


def unmasked(data):
    """The payloads of masked text frames."""
    found, at = [], 0
    while at < len(data):
        size, head = data[at + 1] & 127, 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2 : at + 4]), 4
        key, first = data[at + head : at + head + 4], at + head + 4
        found.append(json.loads(bytes(char ^ key[place % 4] for place, char in enumerate(data[first : first + size]))))
        at = first + size
    return found


def test_a_flow_sends_what_is_due_and_counts_what_the_socket_has_taken(linked):
    flow, other = linked
    flow.turn(0)
    assert flow.sent == 0
    flow.turn(3)
    flow.turn(3)
    assert flow.sent == 3
    assert [message["method"] for message in unmasked(other.recv(1 << 20))] == ["private/buy"] * 3
    flow.turn(10**9)
    flow.turn(10**9)
    assert flow.sent == 4 * PAIRS
    placed = [message["id"] for message in unmasked(other.recv(1 << 20))][2 * PAIRS - 3 :]
    assert [-number for number in placed[PAIRS:]] == placed[:PAIRS], "each batch cancels what it has placed"
    for _ in range(1000):
        flow.turn(10**9)
    assert flow.sent < 10**6, "the socket is full: what is due waits here"


def test_without_a_rate_a_window_is_under_way(linked):
    flow, other = linked
    for _ in range(3):
        flow.turn()
    assert flow.sent == 2 * PAIRS
    other.send(b'{"id":7,"usOut":1}{"id":-7,"usOut":1}{"id":8,"error":{},"us')
    flow.turn()
    other.send(b'Out":1}')
    flow.turn()
    assert (flow.answers, flow.orders, flow.errors) == (3, 2, 1)
    assert flow.sent == 2 * PAIRS + 3


class Answered(Connection):
    """A connection whose odd messages, the orders, are answered at once, and whose cancels take long."""

    LONG_NS = 10**9

    def __init__(self):
        super().__init__(json_script("X", ["1"], 1, 1))

    def send_due(self, due_ns):
        self.sent += len(due_ns)
        self._due.extend(due_ns)
        asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self):
        self._due.popleft()
        self.delays.append(0 if self.sent % 2 else self.LONG_NS)
        if self.window:
            asyncio.get_running_loop().call_later(0.001, self.send, 1, 0)


@pytest.mark.parametrize("sent_before", [0, 1])
def test_only_the_cancels_are_counted(sent_before):
    async def story():
        connection = Answered()
        connection.sent = sent_before
        found = await cancels(connection, 0.05)
        return found, connection.delays

    found, delays = asyncio.run(story())
    assert found and set(found) == {Answered.LONG_NS}
    assert abs(2 * len(found) - len(delays)) <= 1
