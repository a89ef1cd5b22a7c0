"""HTTP on the venue's port: one request at a time on each connection, until one asks for a websocket."""

import asyncio
from typing import Any

from gateway import clock, pages
from gateway.document import openrpc
from gateway.net import http_codec
from gateway.net.turns import Connections, Turns
from gateway.net.websocket_upgrade import HANDSHAKE_SECONDS, WebsocketUpgrade
from gateway.sessions.actions import Reply, Submit
from gateway.sessions.http_calls import HttpCall
from gateway.sessions.http_calls import http as serve_http
from gateway.venue.venue import Venue
from gateway.wire import jsonrpc_answers

IDLE_HTTP_SECONDS = 75


class HttpConnection(asyncio.Protocol):
    """A new connection: HTTP until it asks for a websocket. One request at a time; the next waits for the answer."""

    def __init__(self, venue: Venue, turns: Turns, connections: Connections, websockets: WebsocketUpgrade) -> None:
        self._venue = venue
        self._turns = turns
        self._connections = connections
        self._websockets = websockets
        self._data = bytearray()
        self._transport: Any = None
        self._head: http_codec.Head | None = None
        self._response = b""
        self._peer = ""
        self._is_busy = False
        self._timeout: asyncio.TimerHandle | None = None

    # --- the loop's calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if self._connections.is_full:
            transport.write(http_codec.response(503, b'{"error":"too many connections"}', keep_alive=False))
            transport.close()
            return
        self._connections.http.add(self)
        self._wait(HANDSHAKE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._is_busy:
            self._next()

    # --- requests -------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = self._turns.loop.call_later(seconds, self._transport.abort)

    def _let_go(self) -> None:
        self._connections.http.discard(self)
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _next(self) -> None:
        """Serve the next request that is complete."""
        try:
            head = http_codec.parse_head(self._data, self._venue.config.max_frame_bytes)
        except http_codec.BadRequest as bad:
            body = jsonrpc_answers.encode({"error": {"code": bad.status, "message": bad.reason}})
            self._send(http_codec.response(bad.status, body, keep_alive=False), False)
            return
        if head is None or len(self._data) < head.size + head.body_bytes:
            return
        if head.is_upgrade:
            self._upgrade(head)
            return
        body = bytes(self._data[head.size : head.size + head.body_bytes])
        del self._data[: head.size + head.body_bytes]
        self._head, self._is_busy = head, True
        self._serve(head, body)

    def _serve(self, head: http_codec.Head, body: bytes) -> None:
        path = head.target.partition("?")[0]
        if head.verb == "OPTIONS":
            self._send(http_codec.response(204, b"", keep_alive=head.keep_alive), head.keep_alive)
        elif path.startswith("/api/v2/"):
            self._call(head, body)
        elif path == "/openrpc.json":
            self._send(http_codec.response(200, openrpc.text(), keep_alive=head.keep_alive), head.keep_alive)
        else:
            status, content, content_type = pages.find(path)
            self._send(http_codec.response(status, content, content_type, head.keep_alive), head.keep_alive)

    def _call(self, head: http_codec.Head, body: bytes) -> None:
        venue = self._venue
        call = HttpCall(head.verb, head.target, head.headers, body, self._peer)
        actions = serve_http(venue.context, venue.projection, call, clock.wall_ns())
        for action in actions:
            if isinstance(action, Submit):
                venue.sequencer.submit(action.rows, self, action.pending)
            elif isinstance(action, Reply):
                self.answer(action.data)
        self._turns.touch()

    def _upgrade(self, head: http_codec.Head) -> None:
        """This is a websocket from here on."""
        self._let_go()
        data, self._data = bytes(self._data), bytearray()
        self._websockets.hand_over(self._transport, data, head.size, self._peer)

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    # --- answers --------------------------------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Stage the answer of the request being served."""
        keep = self._head is not None and self._head.keep_alive
        self._response = http_codec.response(400 if jsonrpc_answers.is_error(data) else 200, data, keep_alive=keep)
        self._venue.sequencer.dirty.append(self)

    def stage(self, frame: bytes) -> None:
        """Nothing but answers goes out over HTTP."""

    def take_staged(self) -> bytes:
        """The response."""
        return self._response

    def write(self, data: bytes) -> None:
        """Send the response and go on with the next request."""
        self._send(data, self._head is not None and self._head.keep_alive)

    def _send(self, data: bytes, keep_alive: bool) -> None:
        self._is_busy = False
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if not keep_alive:
            self._transport.close()
            return
        self._wait(IDLE_HTTP_SECONDS)
        if self._data:
            self._turns.loop.call_soon(self._next)
