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
from collections.abc import Callable
from typing import NoReturn

LOOPBACK = "127.0.0.1"
READ_BYTES = 1 << 20
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
            link.sendall(frame * heard.count(b'"usOut"'))


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
    os.nice(10)
    try:
        ATTACKS[name](int(port), key, secret)
    except OSError:
        pass
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
