"""Load: many connections, open or closed loop, JSON or rows, and the same against a bare echo server.

Closed loop keeps a fixed number of requests under way on each connection; open loop sends at a fixed rate whatever
comes back, and counts each delay from when the request was due, so a stall is not hidden (no coordinated omission).
Replies on a connection come in order, which is how requests and replies are matched.
"""

import asyncio
import json
import os
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import picows

from bench.histogram import Histogram
from engine.codes import CommandKind, EventKind, OrdType, Reason, Side, TimeInForce
from engine.schema import COMMAND, EVENT
from gateway.wire.frames import binary_frame, text_frame

_MASKED = 0x80
_MASK_KEY = bytes.fromhex("37fa213d")
_TEXT, _BINARY, _CLOSE = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CLOSE
_ERROR_HEAD = 48
"""Within so many bytes of its beginning a reply says whether it is an error."""
READ_BYTES = 1 << 18
"""What one read of a socket takes, here and at the venue: answers that come together are read together."""
WARM_SECONDS = 0.5
DRAIN_SECONDS = 10.0
"""How long the last answers of a measurement are waited for."""
OPEN_ROWS = 512
"""How many orders a connection of rows has open at most: an account may have 1,000."""


def client_frame(payload: bytes, is_binary: bool = False) -> bytes:
    """A frame as a client sends it, prepared once: masked with a key that is always the same."""
    head = bytes([0x82 if is_binary else 0x81])
    size = len(payload)
    if size < 126:
        head += bytes([_MASKED | size])
    elif size < 1 << 16:
        head += bytes([_MASKED | 126]) + size.to_bytes(2)
    else:
        head += bytes([_MASKED | 127]) + size.to_bytes(8)
    mask = (_MASK_KEY * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload) ^ int.from_bytes(mask)
    return head + _MASK_KEY + masked.to_bytes(size)


@dataclass
class Script:
    """What a connection sends over and over, and how many orders each message is."""

    frames: list[bytes]
    orders_per_frame: int = 1
    is_binary: bool = False


def json_script(instrument_name: str, prices: list[str], first_id: int, pairs: int) -> Script:
    """Place and cancel: `pairs` resting buys by client id, then their cancels."""
    news, cancels = [], []
    for place in range(pairs):
        number = first_id + place
        price = prices[place % len(prices)]
        news.append(
            b'{"jsonrpc":"2.0","id":%d,"method":"private/buy","params":{"instrument_name":"%b","amount":0.01,'
            b'"type":"limit","price":%b,"post_only":true,"cl_ord_id":%d}}'
            % (2 * place + 1, instrument_name.encode(), price.encode(), number)
        )
        cancels.append(
            b'{"jsonrpc":"2.0","id":%d,"method":"private/cancel","params":{"cl_ord_id":%d}}' % (2 * place + 2, number)
        )
    return Script([client_frame(message) for message in news + cancels])


def row_script(contract_slot: int, prices_ticks: list[int], first_id: int, rows: int) -> Script:
    """The same as rows: up to `OPEN_ROWS` are placed, then cancelled, and so on; every frame has as many rows."""
    placed = min(rows, OPEN_ROWS)
    news, cancels = np.zeros(placed, COMMAND), np.zeros(placed, COMMAND)
    news["kind"], news["side"], news["ord_type"] = CommandKind.NEW, Side.BUY, OrdType.LIMIT
    news["tif"], news["contract_slot"], news["qty_lots"] = TimeInForce.GTC, contract_slot, 10
    news["price_ticks"] = np.resize(prices_ticks, placed)
    news["cl_ord_id"] = np.arange(first_id, first_id + placed)
    cancels["kind"], cancels["cl_ord_id"] = CommandKind.CANCEL, news["cl_ord_id"]
    cycle = np.tile(np.concatenate((news, cancels)), rows)
    frames = np.lcm(rows, 2 * placed) // rows
    parts = [cycle[place * rows : (place + 1) * rows].tobytes() for place in range(frames)]
    return Script([client_frame(part, True) for part in parts], rows, True)


@dataclass
class Result:
    """What a run measured."""

    name: str
    connections: int
    seconds: float = 0.0
    orders: int = 0
    errors: int = 0
    late: int = 0  # open loop: still unanswered at the end
    messages: int = 0  # market data that subscribers got meanwhile
    cpu_seconds: float = 0.0  # of the server's process
    histogram: Histogram = field(default_factory=Histogram)
    sender: Histogram = field(default_factory=Histogram)  # open loop: how late the load itself sent them

    @property
    def rate(self) -> float:
        """Orders acknowledged in a second."""
        return self.orders / self.seconds if self.seconds else 0.0

    @property
    def cpu_us(self) -> float:
        """What an order cost the server's processor: unlike the rate, other work on the machine hardly changes it."""
        return self.cpu_seconds * 1e6 / self.orders if self.orders else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "name": self.name, "connections": self.connections, "orders": self.orders, "errors": self.errors,
            "late": self.late, "messages": self.messages, "seconds": round(self.seconds, 3),
            "orders_per_s": round(self.rate), "cpu_us": round(self.cpu_us, 3), **self.histogram.summary(),
        }  # fmt: skip


class Connection(picows.WSListener):
    """One connection under load."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.transport: Any = None
        self.answered = 0
        self.errors = 0
        self.delays: list[int] = []
        self.window = 0
        self.is_echo = False
        self.sent = 0
        self.first_error = b""
        self._due: deque[int] = deque()
        self._next = 0
        self._ready = 0
        self._rows = 0
        self._reply: asyncio.Future[bytes] | None = None

    def on_ws_connected(self, transport: Any) -> None:
        self.transport = transport.underlying_transport
        self._websocket = transport

    async def log_in(self, message: bytes) -> bytes:
        """Send one request and wait for its answer."""
        self._reply = asyncio.get_running_loop().create_future()
        self._websocket.send(picows.WSMsgType.TEXT, message)
        return await self._reply

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        kind = frame.msg_type
        if kind == _BINARY:
            self._count_rows(frame)
        elif kind == _TEXT:
            if self._reply is not None:
                self._reply.set_result(frame.get_payload_as_bytes())
                self._reply = None
                return
            self._count_text(frame.get_payload_as_memoryview())
        if frame.last_in_buffer and self._ready:
            self._account()

    def _count_text(self, payload: memoryview) -> None:
        self._ready += 1
        if not self.is_echo and b'"error"' in bytes(payload[:_ERROR_HEAD]):
            self.errors += 1
            self.first_error = self.first_error or bytes(payload)

    def _count_rows(self, frame: Any) -> None:
        if self.is_echo:
            self._ready += 1
            return
        events = np.frombuffer(frame.get_payload_as_bytes(), EVENT)
        kinds = events["kind"]
        done = (kinds == EventKind.ACCEPTED) | (kinds == EventKind.CANCELLED) | (kinds == EventKind.REJECTED)
        rejected = np.flatnonzero(kinds == EventKind.REJECTED)
        if len(rejected):
            self.errors += len(rejected)
            self.first_error = self.first_error or Reason(events["reason"][rejected[0]]).name.encode()
        self._rows += int(np.count_nonzero(done))
        whole, self._rows = divmod(self._rows, self.script.orders_per_frame)
        self._ready += whole

    def _account(self) -> None:
        """Note the delays of what was answered; in a closed loop send as many again."""
        now = time.perf_counter_ns()
        ready, self._ready = self._ready, 0
        due = self._due
        self.delays += [now - due.popleft() for _ in range(min(ready, len(due)))]
        self.answered += ready
        if self.window:
            self.send(ready, now)

    def send(self, count: int, due_ns: int) -> None:
        """Send the next messages in one write."""
        self.send_due([due_ns] * count)

    def send_due(self, due_ns: list[int]) -> None:
        """Send the next messages, which were due at these instants, in one write."""
        frames, count = self.script.frames, len(due_ns)
        first = self._next % len(frames)
        self._next += count
        self.sent += count
        self._due.extend(due_ns)
        if first + count <= len(frames):
            self.transport.write(b"".join(frames[first : first + count]))
        else:
            self.transport.write(b"".join(frames[(first + place) % len(frames)] for place in range(count)))

    def pause_writing(self) -> None:
        """What is written waits: the loops send no more than so much before an answer, or measure how long it takes."""

    def resume_writing(self) -> None:
        """It goes on by itself."""

    @property
    def under_way(self) -> int:
        """Requests without an answer."""
        return len(self._due)


@dataclass
class Target:
    """Where to send: an address, and for a venue how each connection logs in."""

    url: str
    log_ins: list[bytes] = field(default_factory=list)
    is_echo: bool = False
    protocol: str = ""
    pid: int = 0


def _same(listener: Connection) -> Connection:
    return listener


def log_in(key_id: str, secret: str) -> bytes:
    """The request with which a client logs in by a key and its secret."""
    params = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": secret}
    return json.dumps({"jsonrpc": "2.0", "id": 0, "method": "public/auth", "params": params}).encode()


async def connect(target: Target, scripts: list[Script]) -> list[Connection]:
    """A connection for each script."""
    connections: list[Connection] = []
    for place, script in enumerate(scripts):
        headers = {"Sec-WebSocket-Protocol": target.protocol} if target.protocol else None
        listener = Connection(script)
        await picows.ws_connect(
            partial(_same, listener), target.url, extra_headers=headers, max_frame_size=1 << 26,
            read_buffer_init_size=READ_BYTES,
        )
        listener.is_echo = target.is_echo
        if target.log_ins:
            answer = await listener.log_in(target.log_ins[place % len(target.log_ins)])
            if b'"error"' in answer[:_ERROR_HEAD]:
                raise ValueError(f"login refused: {answer.decode()[:200]}")
        connections.append(listener)
    return connections


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used, 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def closed_loop(result: Result, connections: list[Connection], window: int, seconds: float, pid: int = 0) -> None:
    """Keep `window` requests under way on each connection, and add what is measured to a result."""
    begun = time.perf_counter_ns()
    for connection in connections:
        connection.window = window
        connection.send(window, begun)
    await asyncio.sleep(WARM_SECONDS)
    await _measure(result, connections, seconds, pid)
    for connection in connections:
        connection.window = 0
    await _drain(connections)


@dataclass(frozen=True)
class EvenStream:
    """Requests that are due one after the other: `n` at `begun_ns + n * gap_ns`, each on the next connection."""

    connections: list[Connection]
    begun_ns: int
    gap_ns: float

    async def send(self, first: int, stop: int) -> list[tuple[int, int, int]]:
        """Send requests `first` to `stop` (not included), each as soon as it is due. The core is polled without a rest.

        Returns for each turn of the loop: when it was (since the stream's begin), and the first and last request sent.
        """
        begun_ns, gap_ns, count, turns = self.begun_ns, self.gap_ns, len(self.connections), []
        while first < stop:
            now_ns = time.perf_counter_ns() - begun_ns
            due = min(stop, int(now_ns / gap_ns) + 1)
            for place in range(first, min(first + count, due)):
                instants = [begun_ns + int(number * gap_ns) for number in range(place, due, count)]
                self.connections[place % count].send_due(instants)
            if due > first:
                turns.append((now_ns, first, due))
                first = due
            await asyncio.sleep(0)
        return turns

    def lateness_ns(self, turns: list[tuple[int, int, int]]) -> np.ndarray[Any, Any]:
        """How long after its instant each request was sent: what the load's own process adds to the delays."""
        now_ns, first, stop = np.array(turns, np.int64).reshape(-1, 3).T
        numbers = np.arange(first[0], stop[-1]) if len(first) else first
        return np.repeat(now_ns, stop - first) - (numbers * self.gap_ns).astype(np.int64)


async def open_loop(result: Result, connections: list[Connection], rate: float, seconds: float, pid: int = 0) -> None:
    """Send `rate` requests a second, evenly over all connections, whatever comes back, and add what is measured.

    Every request that was due after the warm-up counts, with its delay from when it was due, also one that is answered
    after the last was sent. What is not answered in the end is in `result.late`.
    """
    warm, total, count = int(rate * WARM_SECONDS), int(rate * (WARM_SECONDS + seconds)), len(connections)
    for connection in connections:
        connection.delays, connection.errors = [], 0
    stream = EvenStream(connections, time.perf_counter_ns(), 1e9 / rate)
    await stream.send(0, warm)
    spent, begun = cpu_seconds(pid), time.perf_counter()
    turns = await stream.send(warm, total)
    result.cpu_seconds += cpu_seconds(pid) - spent
    await _drain(connections)
    result.seconds += time.perf_counter() - begun
    result.sender.add(stream.lateness_ns(turns))
    for place, connection in enumerate(connections):
        delays = connection.delays[len(range(place, warm, count)) :]
        result.orders += len(delays) * connection.script.orders_per_frame
        result.errors += connection.errors
        result.late += connection.under_way
        result.histogram.add(delays)


async def _measure(result: Result, connections: list[Connection], seconds: float, pid: int = 0) -> None:
    """Count what is answered during so many seconds."""
    for connection in connections:
        connection.delays, connection.answered, connection.errors = [], 0, 0
    begun, spent = time.perf_counter(), cpu_seconds(pid)
    await asyncio.sleep(seconds)
    result.cpu_seconds += cpu_seconds(pid) - spent
    result.seconds += time.perf_counter() - begun
    for connection in connections:
        result.orders += connection.answered * connection.script.orders_per_frame
        result.errors += connection.errors
        result.histogram.add(connection.delays)


async def _drain(connections: list[Connection]) -> None:
    """Wait, within reason, until everything is answered."""
    deadline = time.perf_counter() + DRAIN_SECONDS
    while any(connection.under_way for connection in connections) and time.perf_counter() < deadline:
        await asyncio.sleep(0.001)


def disconnect(connections: list[Connection]) -> None:
    """Close them all."""
    for connection in connections:
        connection.transport.close()


class Subscriber(picows.WSListener):
    """A connection that only listens to one channel, and counts."""

    def __init__(self, channel: str) -> None:
        super().__init__()
        self.messages = 0
        self.transport: Any = None
        self._channel = channel.encode()

    def on_ws_connected(self, transport: Any) -> None:
        self.transport = transport.underlying_transport
        request = b'{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":["%b"]}}' % self._channel
        transport.send(_TEXT, request)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        self.messages += 1


async def subscribe(url: str, channel: str, count: int) -> list[Subscriber]:
    """So many subscribers of one channel."""
    readers = [Subscriber(channel) for _ in range(count)]
    for reader in readers:
        await picows.ws_connect(partial(_listener, reader), url, max_frame_size=1 << 26)
    return readers


def _listener(reader: Subscriber) -> Subscriber:
    return reader


class _Echo(picows.WSListener):
    """Sends back what it gets, with one write for what one read brought: the least that a server can do.

    With a reply of its own it sends that instead: as much as a venue has to send.
    """

    def __init__(self, reply_bytes: int = 0) -> None:
        super().__init__()
        self._back: list[bytes] = []
        self._reply = text_frame(b"x" * reply_bytes) if reply_bytes else b""

    def on_ws_connected(self, transport: Any) -> None:
        self._transport = transport.underlying_transport

    def pause_writing(self) -> None:
        """A client that sends and does not read: what it gets back waits here."""

    def resume_writing(self) -> None:
        """It goes on by itself."""

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        message_kind = frame.msg_type
        if message_kind == _CLOSE:
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        self._back.append(self._reply or (text_frame if message_kind == _TEXT else binary_frame)(payload))
        if frame.last_in_buffer:
            back, self._back = self._back, []
            self._transport.write(b"".join(back))


class _BareEcho(picows.WSListener):
    """Sends back each frame as it comes, as the library's own example does."""

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == _CLOSE:
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())

    def pause_writing(self) -> None:
        """A client that sends and does not read: what it gets back waits here."""

    def resume_writing(self) -> None:
        """It goes on by itself."""


async def serve_echo(port: int, reply_bytes: int = 0, is_bare: bool = False) -> tuple[asyncio.Server, int]:
    """An echo server of the same websocket library, (server, its port).

    It gathers what one read brought into one write, and replies with a size if given; a bare one sends frame by frame.
    """
    server = await picows.ws_create_server(
        lambda request: _BareEcho() if is_bare else _Echo(reply_bytes),
        "127.0.0.1", port, max_frame_size=1 << 26, read_buffer_init_size=READ_BYTES,
    )
    return server, server.sockets[0].getsockname()[1]
