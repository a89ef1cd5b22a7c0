"""A forwarder between a client and the venue that notes what is called and how it is answered; it changes nothing.

It reads HTTP messages that have a content length, which those of the venue and of all known clients have, and
websockets by their frames. The venue offers no compression, so every frame is readable.
"""

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

ANSWERED = "answered"
_ENDPOINT = "/api/v2"


class Calls:
    """What a client has asked: by method, how it was answered; by channel, whether it was given."""

    def __init__(self):
        self.methods = {}
        self.channels = {}
        self.refusals = []

    def answered(self, method, params, answer):
        """A call and its answer."""
        error = answer.get("error")
        self.methods.setdefault(method.strip("/"), set()).add(error["code"] if error else ANSWERED)
        if error:
            self.refusals.append((method, params, error))
        elif method.endswith("/subscribe"):
            self.channels.update((name, name in answer["result"]) for name in params["channels"])


class _Http:
    """Messages out of the bytes of one direction: (first line, headers, body)."""

    def __init__(self):
        self.rest = b""

    def messages(self, data):
        self.rest += data
        while b"\r\n\r\n" in self.rest:
            head, _, rest = self.rest.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            size = int(headers.get("content-length", 0))
            if len(rest) < size:
                return
            self.rest = rest[size:]
            yield first, headers, rest[:size]


class _Frames:
    """Messages out of the bytes of one direction of a websocket."""

    def __init__(self):
        self._bytes = bytearray()
        self._message = b""

    def messages(self, data):
        self._bytes += data
        while (found := self._frame()) is not None:
            is_final, opcode, payload = found
            if opcode > 2:  # close, ping, pong
                continue
            self._message += payload
            if is_final:
                message, self._message = self._message, b""
                yield json.loads(message)

    def _frame(self):
        data = self._bytes
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(data[2:at])
        is_masked = data[1] & 0x80
        end = at + 4 * (is_masked != 0) + size
        if len(data) < end:
            return None
        payload = bytes(data[end - size : end])
        if is_masked:
            mask = data[at : at + 4] * (size // 4 + 1)
            payload = bytes(one ^ other for one, other in zip(payload, mask, strict=False))
        found = bool(data[0] & 0x80), data[0] & 0x0F, payload
        del data[:end]
        return found


class _Conversation:
    """One connection: each answer finds its request, by its id on a websocket, by its turn over HTTP."""

    def __init__(self, calls):
        self._calls = calls
        self._up, self._down = _Http(), _Http()
        self._turns = deque()
        self._ids = {}

    def sent(self, data):
        """Bytes of the client."""
        for message in self._up.messages(data):
            if isinstance(message, dict):
                self._ids[message.get("id")] = (message["method"], message.get("params"))
                continue
            first, headers, body = message
            self._turns.append(None if "upgrade" in headers else _call(first.split(" ")[1], body))
            if "upgrade" in headers:
                self._up = _Frames()

    def received(self, data):
        """Bytes of the venue."""
        for message in self._down.messages(data):
            if isinstance(message, dict):
                if message.get("id") in self._ids and "method" not in message:
                    self._calls.answered(*self._ids.pop(message["id"]), message)
                continue
            _, _, body = message
            call = self._turns.popleft()
            if call is not None:
                self._calls.answered(*call, json.loads(body))
            elif isinstance(self._up, _Frames):
                rest, self._down = self._down.rest, _Frames()
                self.received(rest)
                return


def _call(target, body):
    url = urlsplit(target)
    if not url.path.startswith(_ENDPOINT):
        return None
    if body:
        call = json.loads(body)
        return call["method"], call.get("params")
    return url.path.removeprefix(_ENDPOINT), dict(parse_qsl(url.query))


@asynccontextmanager
async def recorded(port, tls=None):
    """(port, calls): a port of this machine that leads to the venue's, by TLS if asked, and what comes through it."""
    calls = Calls()

    async def forward(reader, writer, note):
        try:
            while data := await reader.read(1 << 16):
                note(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def accept(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", port)
        conversation = _Conversation(calls)
        await asyncio.gather(forward(reader, back, conversation.sent), forward(there, writer, conversation.received))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], calls
