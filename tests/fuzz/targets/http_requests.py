"""HTTP: whatever bytes a connection sends, in whatever pieces, it gets whole responses and no fault of the venue.

The connection is the real one, with h11 inside, on a transport that keeps what is written and a loop that does one call
at a time. The same bytes in one piece and cut anywhere get the same responses.
"""

import base64
import re
from collections import deque
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import msgspec

from gateway import pages
from gateway.net.connections import Connections
from gateway.net.http_connection import HttpConnection
from gateway.net.loop_turns import Turns
from gateway.net.port import Port
from gateway.net.static_answers import StaticAnswers
from gateway.operations.health_pages import HealthPages
from gateway.sessions.method_table import METHODS
from gateway.wire.errors import ErrorCode
from tests.fuzz.mutate import below, mutated
from tests.fuzz.target import Target, Wrong
from tests.fuzz.targets.json_requests import NUMBERS, TEXTS, made_request
from tests.fuzz.venue import INPUT_NS, FuzzedVenue

_VERBS = (b"GET", b"GET", b"GET", b"POST", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"get", b"GE T", b"DELETE", b"")
_PATHS = (
    b"/", b"/openrpc.json", b"/healthz", b"/readyz", b"/metrics", b"/ws/api/v2", b"/api/v2", b"/api/v2/", b"//", b"*",
    b"/assets/a.css", b"/assets/", b"http://h/api/v2/public/test", b"/api/v2/public/test?", b"/%00", b"/api/v2//", b"x",
)  # fmt: skip
_HEADERS = (
    b"Host: h", b"Host: h", b"Host:", b"Connection: close", b"Connection: keep-alive", b"Connection: Upgrade",
    b"Upgrade: websocket", b"Upgrade: h2c", b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: -1",
    b"Content-Length: 5, 5", b"Content-Length: 99999999999999999999", b"Content-Length: 1e3", b"Content-Length: 007",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", b"Expect: 100-continue",
    b"Origin: https://evil.example",
    b"Origin: null", b"Origin: ", b"If-None-Match: *", b'If-None-Match: "x", W/"y"', b"Accept: */*", b"Cookie: a=b",
    b"Authorization: @ALICE@", b"Authorization: @BOB@", b"Authorization: Bearer x", b"Authorization: Basic !!",
    b"Authorization: deri-hmac-sha256 id=a,ts=1,sig=b,nonce=c", b"Authorization: Basic", b"Authorization:",
    b"X: \xff\xfe", b" folded: x", b"X-Empty:", b"a" * 300 + b": b", b"X: " + b"y" * 5000, b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"no colon", b": no name", b"Content-Type: text/plain",
)  # fmt: skip
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_NAMES = list(METHODS)
_JSON = msgspec.json.Decoder()
_LONGEST_PIECE = 101
_EXPECTED = (501, 503)
"""A way of transfer that nobody knows (RFC 9112, section 6.1), and a venue that is not ready."""


def _query(name: str, chance: Random) -> bytes:
    parts = []
    for field in msgspec.structs.fields(METHODS[name].params)[:12]:
        if chance.random() < 0.6:
            text = chance.choice(TEXTS) if chance.random() < 0.5 else chance.choice(NUMBERS).decode()
            parts.append(f"{field.encode_name}={quote(text) if chance.random() < 0.9 else text}")
    return "&".join(parts).encode("utf-8", "replace")


def made_http(chance: Random) -> bytes:
    """A request, mostly one that is well formed."""
    do = chance.random()
    if do < 0.45:
        name = chance.choice(_NAMES)
        if chance.random() < 0.5:
            body = made_request(chance)
            path = b"/api/v2" if chance.random() < 0.5 else b"/api/v2/" + name.encode()
            return b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%b\r\n%b" % (
                path, len(body), _headers(chance, 1), body,
            )  # fmt: skip
        return b"GET /api/v2/%b?%b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (
            name.encode(), _query(name, chance).replace(b" ", b"+"), _headers(chance, 1),
        )  # fmt: skip
    version = (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"HTTP/1.9", b"")[below(chance, 7)]
    verb = b"GET" if chance.random() < 0.5 else _VERBS[below(chance, len(_VERBS))]
    path = _PATHS[below(chance, len(_PATHS))]
    body = (b"", b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"{}")[below(chance, 5)]
    end = b"\r\n" if chance.random() < 0.93 else b"\n"
    host = b"Host: h\r\n" if chance.random() < 0.9 else b""
    return b"%b %b %b%b%b%b%b%b" % (verb, path, version, end, host, _headers(chance, 3), end, body)


def _headers(chance: Random, most: int) -> bytes:
    return b"".join(_HEADERS[below(chance, len(_HEADERS))] + b"\r\n" for _ in range(below(chance, most + 1)))


class Loop:
    """Calls of one connection, one at a time; timers are kept and never due."""

    def __init__(self) -> None:
        self.calls: deque[tuple[Any, tuple[Any, ...]]] = deque()
        self.soon: list[Any] = []

    def call_soon(self, call: Any, *args: Any) -> None:
        """Do it soon."""
        self.calls.append((call, args))

    def call_later(self, seconds: float, call: Any, *args: Any) -> "Timer":
        """A short rest is over at once; other timers are for connections that say nothing."""
        if seconds < 1:
            self.call_soon(call, *args)
        return Timer()

    def run(self) -> None:
        """Do what is to be done, and what that makes."""
        while self.calls:
            call, args = self.calls.popleft()
            call(*args)


class Timer:
    """A timer of the loop."""

    def cancel(self) -> None:
        """It is not wanted any more."""


class Transport:
    """What a connection writes."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_reading, self.is_closed = True, False

    def get_extra_info(self, name: str) -> Any:
        """Where the client is."""
        return ("192.0.2.1", 5000) if name == "peername" else None

    def write(self, data: bytes) -> None:
        """Send it."""
        if self.is_closed:
            raise Wrong("something is written to a closed connection")
        self.written += data

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self.is_closed

    def close(self) -> None:
        """Close it."""
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        """Read no more."""
        self.is_reading = False

    def resume_reading(self) -> None:
        """Read on."""
        self.is_reading = True


class Upgrades:
    """Takes connections that are websockets from then on."""

    def __init__(self) -> None:
        self.heads: list[tuple[bytes, bytes]] = []

    def hand_over(self, transport: Transport, head: bytes, behind: bytes, peer: str) -> None:
        """A connection wants to be one."""
        self.heads.append((head, behind))
        transport.close()


class Document:
    """The protocol's document, as it is when it has been made."""

    def done(self) -> bool:
        """It is."""
        return True

    def exception(self) -> None:
        """It could be made."""

    def result(self) -> bytes:
        """Its text, here a short one."""
        return b"{}"


class HttpRequests(Target):
    """Connections of the public port and of the operations listener."""

    name = "http"
    round_inputs = 30_000
    ending = "txt"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fuzzed = FuzzedVenue(folder, max_frame_bytes=4096)
        self.turns = Turns(0)
        self.loop = self.turns.loop = Loop()
        venue = self.fuzzed.venue
        self.turns._close_turn = venue.sequencer.close_turn
        self.turns.fail = _fail
        self.turns.guard = lambda connection, call, *args: call(*args)  # what would cut a connection is a finding
        health = HealthPages(venue, lambda: False)
        self.ports = (
            Port(Connections(10**9), health.brief, StaticAnswers(pages.terminal, Document()), False),
            Port(Connections(10**9), health.full, StaticAnswers(pages.console, Document()), True),
        )
        keys = [base64.b64encode(":".join(self.fuzzed.secret_of(who)).encode()) for who in (0, 1)]
        self._basic = [b"Basic " + key for key in keys]

    def bases(self) -> list[bytes]:
        chance = Random(0)
        return [b"0" + made_http(chance) for _ in range(100)]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        if chance.random() < 0.75:
            data = b"".join(made_http(chance) for _ in range(1 + (below(chance, 4) if chance.random() < 0.3 else 0)))
        else:
            data = pool[below(chance, len(pool))][1:]
        if chance.random() < 0.25:
            data = mutated(data, chance)
        return (b"0", b"0", b"0", b"1")[below(chance, 4)] + data

    def check(self, data: bytes) -> str:
        port, sent = self.ports[data[:1] == b"1"], data[1:].replace(b"@ALICE@", self._basic[0])
        sent = sent.replace(b"@BOB@", self._basic[1])
        whole, upgrades = self._talk(port, sent, 1 << 16)
        statuses, bodies = _responses(whole, sent)
        for status, body in bodies:
            self._check_body(status, body)
        if len(sent) % 5 == 0 and len(sent) < 2000 and b"uthorization" not in sent:
            cut = self._talk(port, sent, 1 + len(sent) * 7 % _LONGEST_PIECE)
            if _responses(cut[0], sent)[0] != statuses or cut[1] != upgrades:
                raise Wrong(f"cut into pieces it is answered with {cut[0]!r:.300} instead of {whole!r:.300}")
        told = sorted({_told(body) for status, body in bodies})
        return f"{statuses[:3]} {len(upgrades)} {' '.join(told)[:80]}"

    def _talk(self, port: Port, sent: bytes, piece_bytes: int) -> tuple[bytes, list]:
        """What a connection answers that sends this in pieces and then nothing more."""
        fuzzed, upgrades, transport = self.fuzzed, Upgrades(), Transport()
        fuzzed.clock.steady_now_ns += INPUT_NS
        connection = HttpConnection(fuzzed.venue, self.turns, port, upgrades)
        connection.connection_made(transport)
        for first in range(0, len(sent), piece_bytes):
            if transport.is_closed:
                break
            if not transport.is_reading:
                raise Wrong("a connection reads no more, and has nothing to do")
            connection.data_received(sent[first : first + piece_bytes])
            self.loop.run()
            fuzzed.settle()
            fuzzed.sequencer.close_turn()
            self.loop.run()
        heads = upgrades.heads
        connection.connection_lost(None)
        return bytes(transport.written), [(head, b"") for head, _ in heads]

    def _check_body(self, status: int, body: Any) -> None:
        if status >= 500 and status not in _EXPECTED:
            raise Wrong(f"status {status}: {body!r:.300} {self.fuzzed.faults.last}")
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict) and error.get("code") == ErrorCode.INTERNAL_SERVER_ERROR:
            raise Wrong(f"internal error: {self.fuzzed.faults.last}")

    def close(self) -> None:
        self.fuzzed.close()


def _told(body: Any) -> str:
    """What an answer says, in a word or two."""
    if not isinstance(body, dict):
        return str(len(body).bit_length())
    error = body.get("error")
    return str(error.get("message"))[:24] + str(error.get("data", {}).get("param", ""))[:20] if error else "done"


def _fail(error: Exception) -> None:
    raise error


def _responses(written: bytes, sent: bytes) -> tuple[list[int], list[tuple[int, Any]]]:
    """Statuses, and (status, body) of each response. Raises Wrong where it is none."""
    at, statuses, bodies = 0, [], []
    has_head = b"HEAD" in sent
    while at < len(written):
        line = _STATUS.match(written, at)
        end = written.find(b"\r\n\r\n", at) + 4
        if line is None or end < 4:
            raise Wrong(f"no response: {written[at:]!r:.300}")
        status, length = int(line[1]), _LENGTH.search(written, at, end)
        if length is None and status != 204:
            raise Wrong(f"a response without a length: {written[at:end]!r:.300}")
        size = int(length[1]) if length else 0
        if status == 304 or (has_head and (end == len(written) or _STATUS.match(written, end))):
            size = 0
        body: Any = written[end : end + size]
        if len(body) != size:
            raise Wrong(f"a response that is cut: {written[at:]!r:.300}")
        if size and b"application/json" in written[at:end]:
            try:
                body = _JSON.decode(body)
            except msgspec.DecodeError as error:
                raise Wrong(f"a body that is not JSON ({error}): {body!r:.300}") from None
        statuses.append(status)
        bodies.append((status, body))
        at = end + size
    return statuses, bodies
