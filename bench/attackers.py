"""What one hostile host may do to a venue, each as a loop over plain sockets: the other side of `bench.attacks`.

Runs in a process of its own, against this machine alone, and ends when its standard input closes: an attack never
outlives who started it. Nothing but the standard library is imported, so that an attack begins at once.
"""

import json
import os
import selectors
import socket
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate
from typing import NoReturn

LOOPBACK = "127.0.0.1"
READ_BYTES = 1 << 20
FLOWS, PAIRS = 8, 64
"""Connections of a load, and how many orders each has open at most."""
TELL_SECONDS = 0.25
TAIL_BYTES = 40
"""What is kept of one read, longer than the words that are looked for: they may begin in it."""
WINDOW = 32
"""Requests that an attacker keeps under way on each websocket."""
_KEY = bytes.fromhex("37fa213d")
_UPGRADE = (
    b"GET /ws/api/v2 HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_CONTRACT = "BTC_USDC-PERPETUAL"


def call(number: int, method: str, **params: object) -> bytes:
    """A request in a masked text frame."""
    payload = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2)
    masked = int.from_bytes(payload) ^ int.from_bytes((_KEY * (size // 4 + 1))[:size])
    return head + _KEY + masked.to_bytes(size)


def websocket(port: int) -> socket.socket:
    """A connected websocket."""
    link = socket.create_connection((LOOPBACK, port))
    link.sendall(_UPGRADE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += link.recv(1)
    return link


def flood(links: list[socket.socket], frame: bytes) -> NoReturn:
    """Send a request over and over on each websocket, a window of them under way, and read what comes."""
    selector = selectors.DefaultSelector()
    tails: dict[socket.socket, bytes] = {}
    for begun in links:
        begun.sendall(frame * WINDOW)
        selector.register(begun, selectors.EVENT_READ, begun)
    while True:
        for key, _ in selector.select():
            link: socket.socket = key.data
            heard = link.recv(READ_BYTES)
            if not heard:
                selector.unregister(link)
                continue
            known = tails.get(link, b"")
            link.sendall(frame * ((known + heard).count(b'"usOut"') - known.count(b'"usOut"')))
            tails[link] = (known + heard)[-TAIL_BYTES:]


def trades(port: int, key: str, secret: str) -> None:
    """Six anonymous websockets ask for 1,000 trades each time."""
    frame = call(1, "public/get_last_trades_by_instrument", instrument_name=_CONTRACT, count=1000)
    flood([websocket(port) for _ in range(6)], frame)


def cheap(port: int, key: str, secret: str) -> None:
    """Six anonymous websockets ask for the time."""
    flood([websocket(port) for _ in range(6)], call(1, "public/get_time"))


def document(port: int, key: str, secret: str) -> None:
    """Four HTTP connections get the protocol's document over and over."""

    def get() -> None:
        link = socket.create_connection((LOOPBACK, port))
        while True:
            link.sendall(b"GET /openrpc.json HTTP/1.1\r\nHost: venue\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                heard = link.recv(READ_BYTES)
                if not heard:
                    return
                head += heard
            text, _, body = head.partition(b"\r\n\r\n")
            size = int(text.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            left = size - len(body)
            while left > 0:
                heard = link.recv(READ_BYTES)
                if not heard:
                    return
                left -= len(heard)

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def pipeline(port: int, key: str, secret: str) -> None:
    """One HTTP connection sends requests without end and reads nothing."""
    link = socket.create_connection((LOOPBACK, port))
    requests = b"GET /openrpc.json HTTP/1.1\r\nHost: venue\r\n\r\n" * 1000
    while True:
        link.sendall(requests)


def resume(port: int, key: str, secret: str) -> None:
    """A trader asks for 10,000 reports a thousand times in one write, over and over."""
    link = websocket(port)
    link.sendall(call(1, "public/auth", grant_type="client_credentials", client_id=key, client_secret=secret))
    link.recv(READ_BYTES)
    frame = call(2, "venue/resume", sequence=0, count=10_000)
    link.sendall(frame * 1000)
    while heard := link.recv(READ_BYTES):
        link.sendall(frame * heard.count(b'"usOut"'))


def idle(port: int, key: str, secret: str) -> None:
    """A thousand connections that say nothing, half of them websockets."""
    links: list[socket.socket] = []
    for number in range(1000):
        try:
            links.append(socket.create_connection((LOOPBACK, port)))
            if number % 2:
                links[-1].sendall(_UPGRADE)
        except OSError:
            continue
    threading.Event().wait()


def _orders(first_id: int) -> list[bytes]:
    """Resting buys and their cancels, whose ids are negative, as frames: each batch leaves nothing behind."""
    ids = range(first_id, first_id + PAIRS)
    place = {"instrument_name": _CONTRACT, "amount": 0.01, "type": "limit", "price": 59_900}
    placed = [call(number, "private/buy", **place, cl_ord_id=number) for number in ids]
    return placed + [call(-number, "private/cancel", cl_ord_id=number) for number in ids]


class Flow:
    """One connection that sends orders over and over: those that are due, or a window of them."""

    def __init__(self, link: socket.socket, number: int) -> None:
        self.link = link
        self.link.setblocking(False)
        messages = _orders(10**9 + number * PAIRS)
        self._batch = memoryview(b"".join(messages))
        self._ends = [0, *accumulate(map(len, messages))]
        self._at = 0
        self._batches = 0
        self._tail = b""
        self.answers = self.orders = self.errors = 0

    @property
    def sent(self) -> int:
        """How many messages the socket has taken whole."""
        return self._batches * 2 * PAIRS + bisect_right(self._ends, self._at) - 1

    def turn(self, due: int | None = None) -> None:
        """Read what there is, and send on: so many messages in all, or as many as keep a window under way."""
        self._read()
        with suppress(BlockingIOError):
            left = (self.answers + 2 * PAIRS if due is None else due) - self._batches * 2 * PAIRS
            end = self._ends[min(left, 2 * PAIRS)] if left > 0 else 0
            if end > self._at:
                self._at += self.link.send(self._batch[self._at : end])
            if self._at == len(self._batch):
                self._at, self._batches = 0, self._batches + 1

    def _read(self) -> None:
        with suppress(BlockingIOError):
            heard = self._tail + self.link.recv(READ_BYTES)

            def new(words: bytes) -> int:
                return heard.count(words) - self._tail.count(words)

            self.answers += new(b'"usOut"')
            self.orders += new(b'"id":') - new(b'"id":-')
            self.errors += new(b'"error"')
            self._tail = heard[-TAIL_BYTES:]


def logged_in(port: int, key: str, secret: str) -> socket.socket:
    """A websocket of a trader."""
    link = websocket(port)
    link.sendall(call(0, "public/auth", grant_type="client_credentials", client_id=key, client_secret=secret))
    link.recv(READ_BYTES)
    return link


def load(port: int, key: str, secret: str, rate_per_s: int) -> NoReturn:
    """Orders and cancels over some connections; tells some times a second what was due, sent and answered so far.

    A rate of 0: as quickly as they are answered, a window on each connection. Else so many a second are due, whatever
    is answered; what the sockets do not take waits here.
    """
    flows = [Flow(logged_in(port, key, secret), number) for number in range(FLOWS)]
    selector = selectors.DefaultSelector()
    for flow in flows:
        selector.register(flow.link, selectors.EVENT_READ, flow)
    begun = told = time.monotonic()
    while True:
        due = int((time.monotonic() - begun) * rate_per_s / FLOWS)
        for flow in flows:
            flow.turn(due if rate_per_s else None)
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            names = ("sent", "answers", "orders", "errors")
            facts = {name: sum(getattr(flow, name) for flow in flows) for name in names}
            print(json.dumps({**facts, "due": due * FLOWS, "at_ms": int(told * 1000)}), flush=True)
        selector.select(0.001)


LOAD = "load"
ATTACKS: dict[str, Callable[[int, str, str], None]] = {
    attack.__name__: attack for attack in (trades, cheap, document, pipeline, resume, idle)
}


def _end_with_parent() -> None:
    """End when whoever started this closes its end of the pipe, or is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(arguments: list[str]) -> None:
    """`python -m bench.attackers NAME PORT KEY SECRET [RATE]`: attack the venue there until the input closes."""
    name, port, key, secret, *rate_per_s = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.setpriority(os.PRIO_PROCESS, 0, 10)  # the trader who is watched runs on the same core
    with suppress(OSError):
        if name == LOAD:
            load(int(port), key, secret, int(rate_per_s[0]))
        ATTACKS[name](int(port), key, secret)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
