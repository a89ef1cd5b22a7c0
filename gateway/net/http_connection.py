"""HTTP on the venue's port: one request at a time on each connection, until one asks for a websocket."""

import asyncio
from typing import TYPE_CHECKING, Any

from gateway import clock, pages
from gateway.document import openrpc
from gateway.net.http_messages import BadRequest, HttpMessages, Request
from gateway.net.websocket_input import WebsocketInput, hand_over
from gateway.sessions.actions import Reply, Submit
from gateway.sessions.session import HttpCall
from gateway.sessions.session import http as serve_http
from gateway.wire import jsonrpc_answers

if TYPE_CHECKING:
    from gateway.net.server import Server

HANDSHAKE_SECONDS = 10
IDLE_HTTP_SECONDS = 75


class HttpConnection(asyncio.Protocol):
    """A new connection: HTTP until it asks for a websocket. One request at a time; the next waits for the answer."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self._messages = HttpMessages(server.venue.config.max_frame_bytes)
        self._transport: Any = None
        self._response = b""
        self._peer = ""
        self._is_busy = False
        self._timeout: asyncio.TimerHandle | None = None

    # --- the loop's calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if len(self.server.http_connections) + len(self.server.connections) >= self.server.venue.config.max_connections:
            transport.write(self._messages.response(503, b'{"error":"too many connections"}', close=True))
            transport.close()
            return
        self.server.http_connections.add(self)
        self._wait(HANDSHAKE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()

    def data_received(self, data: bytes) -> None:
        self._messages.receive(data)
        self._next()

    # --- requests -------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = self.server.loop.call_later(seconds, self._transport.abort)

    def _let_go(self) -> None:
        self.server.http_connections.discard(self)
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _next(self) -> None:
        """Serve the next request that is complete."""
        if self._is_busy or self._transport.is_closing():
            return
        try:
            request = self._messages.next_request()
        except BadRequest as bad:
            body = jsonrpc_answers.encode({"error": {"code": bad.status, "message": bad.reason}})
            self.write(self._messages.response(bad.status, body, close=True))
            return
        if request is None:
            return
        if request.is_upgrade:
            self._upgrade()
            return
        self._is_busy = True
        self._serve(request)

    def _serve(self, request: Request) -> None:
        path = request.target.partition("?")[0]
        if request.verb == "OPTIONS":
            self.write(self._messages.response(204, b""))
        elif path.startswith("/api/v2/"):
            self._call(request)
        elif path == "/openrpc.json":
            self.write(self._messages.response(200, openrpc.text()))
        else:
            self.write(self._messages.response(*pages.find(path)))

    def _call(self, request: Request) -> None:
        venue = self.server.venue
        call = HttpCall(request.verb, request.target, request.headers, request.body, self._peer)
        actions = serve_http(venue.context, venue.projection, call, clock.wall_ns())
        for action in actions:
            if isinstance(action, Submit):
                venue.sequencer.submit(action.rows, self, action.pending)
            elif isinstance(action, Reply):
                self.answer(action.data)
        self.server.touch()

    def _upgrade(self) -> None:
        """Hand the connection over to the websocket library with what was read; JSON goes through `websocket_input`."""
        self._let_go()
        library = self.server.websocket(self._peer)
        self._transport.set_protocol(library)
        library.connection_made(self._transport)
        head, behind = self._messages.upgrade_bytes()
        hand_over(library, head)
        connection = library.listener
        if connection not in self.server.connections:
            return  # the library has refused the handshake, and closes
        if connection.session.binary:
            hand_over(library, behind)
            return
        reader = WebsocketInput(self.server, connection, library)
        self._transport.set_protocol(reader)
        reader.take(behind)

    # --- answers --------------------------------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Stage the answer of the request being served."""
        self._response = self._messages.response(400 if jsonrpc_answers.is_error(data) else 200, data)
        self.server.venue.sequencer.dirty.append(self)

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
        self.server.loop.call_soon(self._next)
