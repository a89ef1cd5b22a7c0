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
from collections.abc import Callable
from contextlib import suppress
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


def _orders(first_id: int) -> bytes:
    """Resting buys and their cancels, whose ids are negative, as frames: each batch leaves nothing behind."""
    ids = range(first_id, first_id + PAIRS)
    place = {"instrument_name": _CONTRACT, "amount": 0.01, "type": "limit", "price": 59_900}
    placed = [call(number, "private/buy", **place, cl_ord_id=number) for number in ids]
    return b"".join(placed + [call(-number, "private/cancel", cl_ord_id=number) for number in ids])


class _Flow:
    """One connection that sends orders: as many as the venue takes, or a window of them."""

    def __init__(self, port: int, key: str, secret: str, number: int) -> None:
        self.link = websocket(port)
        self.link.sendall(call(0, "public/auth", grant_type="client_credentials", client_id=key, client_secret=secret))
        self.link.recv(READ_BYTES)
        self.link.setblocking(False)
        self._batch = memoryview(_orders(10**9 + number * PAIRS))
        self._at = 0
        self._tail = b""
        self._under_way = 0
        self.answers = self.orders = self.errors = 0

    def turn(self, is_flood: bool) -> None:
        """Read what there is, and send on: without end, or when the last batch is answered."""
        with suppress(BlockingIOError):
            heard = self._tail + self.link.recv(READ_BYTES)

            def new(words: bytes) -> int:
                return heard.count(words) - self._tail.count(words)

            count = new(b'"usOut"')
            self.answers += count
            self._under_way -= count
            self.orders += new(b'"id":') - new(b'"id":-')
            self.errors += new(b'"error"')
            self._tail = heard[-TAIL_BYTES:]
        with suppress(BlockingIOError):
            if is_flood or self._at or self._under_way <= 0:
                self._at += self.link.send(self._batch[self._at :])
            if self._at == len(self._batch):
                self._at, self._under_way = 0, self._under_way + 2 * PAIRS


def _orders_at(port: int, key: str, secret: str, is_flood: bool) -> None:
    """Send orders over some connections, and print once a second what was acknowledged so far."""
    flows = [_Flow(port, key, secret, number) for number in range(FLOWS)]
    selector = selectors.DefaultSelector()
    for flow in flows:
        selector.register(flow.link, selectors.EVENT_READ, flow)
        flow.turn(is_flood)
    told = time.monotonic()
    while True:
        selector.select(0.001)
        for flow in flows:
            flow.turn(is_flood)
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            facts = {
                "answers": sum(flow.answers for flow in flows), "orders": sum(flow.orders for flow in flows),
                "errors": sum(flow.errors for flow in flows), "at_ms": int(told * 1000),
            }  # fmt: skip
            print(json.dumps(facts), flush=True)


def capacity(port: int, key: str, secret: str) -> None:
    """Orders as quickly as they are answered."""
    _orders_at(port, key, secret, False)


def overload(port: int, key: str, secret: str) -> None:
    """Orders as quickly as the venue reads, whatever is answered: its queues are always full."""
    _orders_at(port, key, secret, True)


LOADS: dict[str, Callable[[int, str, str], None]] = {"capacity": capacity, "overload": overload}
ATTACKS: dict[str, Callable[[int, str, str], None]] = {
    attack.__name__: attack for attack in (trades, cheap, document, pipeline, resume, idle)
}


def _end_with_parent() -> None:
    """End when whoever started this closes its end of the pipe, or is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(arguments: list[str]) -> None:
    """`python -m bench.attackers NAME PORT KEY SECRET`: attack the venue on this port until the input closes."""
    name, port, key, secret = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if name in ATTACKS:
        os.setpriority(os.PRIO_PROCESS, 0, 10)  # the trader who is watched runs on the same core
    with suppress(OSError):
        (ATTACKS | LOADS)[name](int(port), key, secret)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
