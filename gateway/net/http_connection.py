"""HTTP on the venue's port: one request at a time on each connection, until one asks for a websocket."""

import asyncio
from typing import Any

from gateway import clock
from gateway.document import openrpc
from gateway.net import http_headers
from gateway.net.http_messages import BadRequest, Header, HttpMessages, Request
from gateway.net.loop_turns import Turns
from gateway.net.port import Port
from gateway.net.websocket_upgrade import HANDSHAKE_SECONDS, WebsocketUpgrade
from gateway.sessions.actions import Reply, Submit
from gateway.sessions.http_calls import HttpCall, is_call
from gateway.sessions.http_calls import http as serve_http
from gateway.venue.venue import Venue
from gateway.wire import jsonrpc_answers

IDLE_HTTP_SECONDS = 75
_NOT_FOUND = b"not found: the methods are at /api/v2/, the websocket is at /ws/api/v2, the document at /openrpc.json"


class HttpConnection(asyncio.Protocol):
    """A new connection: HTTP until it asks for a websocket. One request at a time; the next waits for the answer."""

    def __init__(self, venue: Venue, turns: Turns, port: Port, websockets: WebsocketUpgrade) -> None:
        self._venue = venue
        self._turns = turns
        self._port = port
        self._connections = port.connections
        self._websockets = websockets
        self._messages = HttpMessages(venue.config.max_frame_bytes)
        self._transport: Any = None
        self._response = b""
        self._headers: list[Header] = []
        self._peer = ""
        self._is_busy = False
        self._is_scheduled = False
        self._is_slow = False
        self._timeout: asyncio.TimerHandle | None = None

    # --- the loop's calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if self._connections.is_full:
            self._refuse(503, b'{"error":"too many connections"}')
            transport.close()
            return
        self._connections.http.add(self)
        self._wait(HANDSHAKE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()

    def data_received(self, data: bytes) -> None:
        self._messages.receive(data)
        self._transport.pause_reading()  # until all of it is served: what waits here is one read of the socket
        if not self._is_scheduled:
            self._next()

    def pause_writing(self) -> None:
        self._is_slow = True

    def resume_writing(self) -> None:
        self._is_slow = False
        self._schedule_next()

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
        """Serve the next request that is complete; read on when none is."""
        self._is_scheduled = False
        if self._is_busy or self._is_slow or self._transport.is_closing():
            return
        try:
            request = self._messages.next_request()
        except BadRequest as bad:
            body = jsonrpc_answers.encode({"error": {"code": bad.status, "message": bad.reason}})
            self._refuse(bad.status, body)
            return
        if request is None:
            self._transport.resume_reading()
            return
        if request.is_upgrade:
            self._upgrade()
            return
        self._is_busy = True
        self._serve(request)

    def _refuse(self, status: int, body: bytes) -> None:
        """Answer a request that cannot be served, and end the connection."""
        self.write(self._messages.response(status, body, close=True, headers=http_headers.of_refusal()))

    def _serve(self, request: Request) -> None:
        path = request.target.partition("?")[0]
        self._headers = http_headers.of(request, self._venue.context.origins)
        if request.verb == "OPTIONS":
            self.write(self._messages.response(204, b"", headers=self._headers))
        elif is_call(path):
            self._call(request)
        elif path == "/openrpc.json":
            self.write(self._messages.response(200, openrpc.text(), headers=self._headers))
        elif (page := self._port.find(path)) is not None:
            self.write(self._messages.response(*page, headers=http_headers.of_page()))
        else:
            self.write(self._messages.response(404, _NOT_FOUND, "text/plain", headers=self._headers))

    def _call(self, request: Request) -> None:
        venue = self._venue
        call = HttpCall(
            request.verb, request.target, request.headers, request.body, self._peer, self._port.serves_officers
        )
        actions = serve_http(venue.context, venue.projection, call, clock.wall_ns())
        for action in actions:
            if isinstance(action, Submit):
                venue.sequencer.submit(action.rows, self, action.pending)
            elif isinstance(action, Reply):
                self.answer(action.data)
        self._turns.touch()

    def _upgrade(self) -> None:
        """Turn the connection into a websocket."""
        self._let_go()
        self._transport.resume_reading()
        head, behind = self._messages.upgrade_bytes()
        self._websockets.hand_over(self._transport, head, behind, self._peer)

    def abort(self) -> None:
        """Close the connection at once, without an answer."""
        self._transport.abort()

    # --- answers --------------------------------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Stage the answer of the request being served."""
        status = 400 if jsonrpc_answers.is_error(data) else 200
        self._response = self._messages.response(status, data, headers=self._headers)
        self._venue.sequencer.dirty.append(self)

    def stage(self, frame: bytes) -> None:
        """Nothing but answers goes out over HTTP."""

    def take_staged(self) -> bytes:
        """The response."""
        return self._response

    def write(self, data: bytes) -> None:
        """Send the response and go on with the next request."""
        self._is_busy = False
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._messages.is_over:
            self._transport.close()
            return
        self._wait(IDLE_HTTP_SECONDS)
        self._schedule_next()

    def _schedule_next(self) -> None:
        """Serve the next request in the next turn of the loop: others come first."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._turns.loop.call_soon(self._next)
