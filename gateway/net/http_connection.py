"""HTTP on the venue's port: one request at a time on each connection, until one asks for a websocket."""

import asyncio
from functools import partial
from typing import Any

from gateway import clock
from gateway.net import http_headers
from gateway.net.http_messages import BadRequest, Header, HttpMessages, Request
from gateway.net.loop_turns import Turns
from gateway.net.port import Port
from gateway.net.static_answers import Page, encoded, has_present, tag_of
from gateway.net.websocket_upgrade import HANDSHAKE_SECONDS, WebsocketUpgrade
from gateway.sessions.actions import Action, LargeReply, Later, Reply, Rest, Submit
from gateway.sessions.http_calls import HttpCall, is_call
from gateway.sessions.http_calls import http as serve_http
from gateway.sessions.query_turns import Pool
from gateway.sessions.rate_limits import tokens_of
from gateway.sessions.session import REST_NS
from gateway.venue.venue import Venue
from gateway.wire import jsonrpc_answers
from gateway.wire.addresses import address_of

IDLE_HTTP_SECONDS = 75
_TOO_MANY = b"too many requests from this address; wait as Retry-After says, and keep what has an ETag"
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
        self._held: Request | None = None
        """A request that waits because this node hands over."""
        self._headers: list[Header] = []
        self._peer = ""
        self._address = ""
        self._client: int | None = None
        """The account whose key has signed a request on this connection: its next ones have the clients' time."""
        self._is_busy = False
        self._is_scheduled = False
        self._is_slow = False
        self._is_resting = False
        self._is_receiving = True
        """Whether the time runs within which a request must be complete."""
        self._timeout: asyncio.TimerHandle | None = None

    # --- the loop's calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._address = address_of(self._peer)
        self._connections.http.add(self)
        self._wait(HANDSHAKE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()

    def data_received(self, data: bytes) -> None:
        self._messages.receive(data)
        self._transport.pause_reading()  # until all of it is served: what waits here is one read of the socket
        if not self._is_scheduled:
            self._turns.guard(self, self._next)

    def pause_writing(self) -> None:
        self._is_slow = True

    def resume_writing(self) -> None:
        self._is_slow = False
        self._schedule_next()

    # --- requests -------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = self._turns.loop.call_later(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        """End the connection, unless it is the venue that keeps it waiting: for a turn, the disk, another node."""
        if self._is_busy or self._held is not None:
            self._wait(HANDSHAKE_SECONDS)
        else:
            self._transport.abort()

    def _let_go(self) -> None:
        self._connections.http.discard(self)
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _next(self) -> None:
        """Serve the next request that is complete; read on when none is."""
        self._is_scheduled = False
        if self._is_busy or self._is_slow or self._is_resting or self._transport.is_closing():
            return
        if self._turns.is_holding:
            self._hold_next()
            return
        self._is_busy = True
        pool = Pool.ANONYMOUS if self._client is None else Pool.CLIENTS
        if self._turns.queries.is_open(pool):
            self._take_next(pool)
        else:
            owner = self._address if self._client is None else self._client
            self._turns.wait(self, Later(pool, owner, lambda now_ns: self._take_next(pool)))

    def _take_next(self, pool: Pool) -> list[Action]:
        """The same, when there is time for it."""
        begun_ns = self._turns.queries.now_ns()
        self._is_busy = False
        try:
            request, self._held = self._held or self._messages.next_request(), None
        except BadRequest as bad:
            self._refuse(bad)
            return []
        finally:
            self._turns.queries.spent(pool, begun_ns)
        if request is None:
            self._receive_more()
        elif request.is_upgrade:
            self._upgrade()
        else:
            self._is_busy, self._is_receiving = True, False
            self._serve(request)
        return []

    def _hold_next(self) -> None:
        """While this node hands over: give a page of health or metrics at once; any other request waits."""
        try:
            request = self._held = self._held or self._messages.next_request()
        except BadRequest as bad:
            self._refuse(bad)
            return
        if request is None:
            self._receive_more()
            return
        self._is_receiving = False
        page = None if request.is_upgrade or request.verb == "OPTIONS" else self._port.find(_path_of(request))
        if page is not None:
            self._held = None
            self._headers = http_headers.of(request, self._venue.context.origins)
            self.write(self._messages.response(*page, headers=self._headers))

    def _receive_more(self) -> None:
        """Read on; a request that has begun must be complete in time."""
        if self._messages.has_begun and not self._is_receiving:
            self._is_receiving = True
            self._wait(HANDSHAKE_SECONDS)
        self._transport.resume_reading()

    def _rest(self, rest_ns: int) -> None:
        """Take no request for so long."""
        self._is_resting = True
        self._turns.loop.call_later(rest_ns / 1e9, self._wake)

    def _wake(self) -> None:
        self._is_resting = False
        self._schedule_next()

    def serve_late(self, go_on: Any) -> None:
        """It is the turn of the request that waits."""
        if not self._transport.is_closing():
            self._act(go_on(clock.steady_ns()))

    def _refuse(self, bad: BadRequest) -> None:
        """Answer a request that cannot be served, and end the connection."""
        body = jsonrpc_answers.encode({"error": {"code": bad.status, "message": bad.reason}})
        self.write(self._messages.response(bad.status, body, close=True, headers=http_headers.of_refusal()))

    def _serve(self, request: Request) -> None:
        path = _path_of(request)
        self._headers = http_headers.of(request, self._venue.context.origins)
        if request.verb == "OPTIONS":
            self.write(self._messages.response(204, b"", headers=self._headers))
        elif is_call(path):
            self._call(request)
        elif (page := self._port.find(path)) is not None:
            self.write(self._messages.response(*page, headers=self._headers))
        elif self._port.static.is_known(path):
            self._port.static.give(path, partial(self._turns.guard, self, self._give, request))
        else:
            self.write(self._messages.response(404, _NOT_FOUND, "text/plain", headers=self._headers))

    def _give(self, request: Request, page: Page) -> None:
        """Answer with something static, of which the address may take so much in a while."""
        if self._transport.is_closing():
            return
        status, body, content_type = page
        body, encoding = encoded(request, body)
        tag, steady_ns = tag_of(body), clock.steady_ns()
        bucket = self._venue.context.address_limits(self._address).queries
        wait_ns = bucket.take(steady_ns)
        if wait_ns:
            headers = [*self._headers, ("Retry-After", str(-(-wait_ns // 1_000_000_000)))]
            self.write(self._messages.response(429, _TOO_MANY, "text/plain", headers=headers))
            self._rest(REST_NS)
            return
        is_sent = request.verb == "GET" and not has_present(request.headers, tag)
        if is_sent:
            bucket.charge(steady_ns, tokens_of(len(body)))
            self._turns.queries.spent_bytes(Pool.ANONYMOUS, len(body))
        headers = [*http_headers.of_static(request, self._venue.context.origins, tag), *encoding]
        if has_present(request.headers, tag):
            status, body = 304, b""
        self.write(self._messages.response(status, body, content_type, headers=headers))

    def _call(self, request: Request) -> None:
        venue = self._venue
        call = HttpCall(
            request.verb, request.target, request.headers, request.body, self._peer, self._port.serves_officers,
            self._note_client,
        )  # fmt: skip
        self._act(serve_http(venue.context, venue.projection, call, clock.steady_ns()))

    def _note_client(self, account_slot: int) -> None:
        self._client = account_slot

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Submit):
                self._venue.sequencer.submit(action.rows, self, action.pending)
            elif isinstance(action, Reply | LargeReply):
                self.answer(action.data)
            elif isinstance(action, Later):
                self._turns.wait(self, action)
            elif isinstance(action, Rest):
                self._rest(action.rest_ns)
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

    def go_on_if_free(self) -> None:
        """Serve what has come while the venue held."""
        self._schedule_next()

    def _schedule_next(self) -> None:
        """Serve the next request in the next turn of the loop: others come first."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._turns.loop.call_soon(self._turns.guard, self, self._next)


def _path_of(request: Request) -> str:
    """The path that is asked for, without a query."""
    return request.target.partition("?")[0]
