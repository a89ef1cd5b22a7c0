"""From HTTP to a websocket: the library does the handshake, then `websocket_input` reads what JSON clients send."""

import logging
from functools import partial
from typing import Any

import picows
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from gateway import clock
from gateway.net.loop_turns import Turns
from gateway.net.port import Port
from gateway.net.websocket_connection import BINARY_PROTOCOL, WebsocketConnection
from gateway.net.websocket_input import WebsocketInput, hand_over
from gateway.sessions.http_calls import foreign_origin
from gateway.sessions.session import Session
from gateway.venue.venue import Venue

ENDPOINT = "/ws/api/v2"
HANDSHAKE_SECONDS = 10
_WS_LOG = logging.getLogger("lionrock.websocket")
_WS_LOG.setLevel(logging.ERROR)


class WebsocketUpgrade:
    """Turns HTTP connections into websockets."""

    def __init__(self, venue: Venue, turns: Turns, port: Port) -> None:
        self._venue = venue
        self._turns = turns
        self._port = port
        self._connections = port.connections

    def hand_over(self, transport: Any, head: bytes, behind: bytes, peer: str) -> None:
        """Give the connection to the websocket library, with the request's head and the bytes read after it."""
        library = self.protocol(peer)
        transport.set_protocol(library)
        library.connection_made(transport)
        hand_over(library, head)
        connection = library.listener
        if connection not in self._connections.websockets:
            return  # the library has refused the handshake, and closes
        if connection.session.binary:
            hand_over(library, behind)
            return
        reader = WebsocketInput(self._venue, self._turns, connection, library)
        transport.set_protocol(reader)
        reader.take(behind)

    def protocol(self, peer: str) -> Any:
        """The websocket library's protocol for a connection that asked for an upgrade."""
        limit = self._venue.config.max_frame_bytes
        strategy = picows.WSAutoPingStrategy.PING_WHEN_IDLE
        return WSProtocol(
            None, None, False, partial(self._accept, peer), _WS_LOG, True, HANDSHAKE_SECONDS, True, 30, 30, strategy,
            False, limit, None, 16 * 1024,
        )  # fmt: skip

    def _accept(self, peer: str, request: Any) -> Any:
        """Accept an upgrade request, or answer why not."""
        path = request.path.decode("latin-1").partition("?")[0]
        if path != ENDPOINT:
            return None
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self._venue.context.origins.is_foreign(headers):
            return _refused(403, foreign_origin(headers))
        header = headers.get("sec-websocket-protocol", "")
        offered = [part.strip() for part in header.split(",") if part.strip()]
        is_binary = BINARY_PROTOCOL in offered
        if offered and not is_binary:
            return _refused(400, f"sub-protocol {offered[0][:40]}: offer {BINARY_PROTOCOL}, or none for JSON")
        session = Session(self._venue.context, self._venue.projection, is_binary, peer, clock.steady_ns())
        session.serves_officers = self._port.serves_officers
        connection = WebsocketConnection(self._venue, self._turns, self._connections, session)
        agreed = {"Sec-WebSocket-Protocol": BINARY_PROTOCOL} if is_binary else None
        response = picows.WSUpgradeResponse.create_101_response(agreed)
        return picows.WSUpgradeResponseWithListener(response, connection)


def _refused(status: int, why: str) -> Any:
    response = picows.WSUpgradeResponse.create_error_response(status, why.encode())
    return picows.WSUpgradeResponseWithListener(response, None)
