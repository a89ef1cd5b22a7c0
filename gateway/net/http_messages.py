"""The requests and responses of one HTTP/1.1 connection, read and written by h11: bytes in, bytes out. No I/O.

Here stand the venue's own limits: which methods, how large a head and a body, and that a refusal ends the connection.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

import h11

MAX_HEAD_BYTES = 16 * 1024
PIECE_BYTES = 16 * 1024
"""How much h11 gets at once. It copies what lies behind each request, so it must never hold many requests."""
_NOT_HTTP = "this is not a request of HTTP/1.1 (RFC 9112): check the request line, the headers, Host and Content-Length"
_VERBS = ("GET", "POST", "OPTIONS", "HEAD")
Header = tuple[str, str]
"""A header's name and its value."""


class BadRequest(Exception):  # noqa: N818 - it is answered, not raised to anyone
    """A request that cannot be served: the status and one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(slots=True)
class Request:
    """A request: header names are lower case, the last of equal ones counts, the target is as it was sent."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def is_upgrade(self) -> bool:
        """Whether the client wants a websocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"


class HttpMessages:
    """The messages of one connection. A request is returned when it is complete and the one before it is answered.

    After a `BadRequest` only the answer to it may follow, and the connection is over.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._protocol = h11.Connection(h11.SERVER, MAX_HEAD_BYTES)
        self._request: Request | None = None
        self._head = bytearray()
        """The request's head as it was sent; until the head is complete, all bytes since its first one."""
        self._body = bytearray()
        self._unread = bytearray()
        """What has come and h11 does not have yet."""

    # --- in -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what was read from the socket."""
        self._unread += data

    def next_request(self) -> Request | None:
        """The next request; None while it is incomplete, or while the one before it waits for its answer.

        Raises BadRequest. After a request for a websocket there is no other.
        """
        protocol = self._protocol
        if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
            protocol.start_next_cycle()
            self._request, self._head, self._body = None, bytearray(protocol.trailing_data[0]), bytearray()
        while True:
            event = self._next_event()
            if isinstance(event, h11.Request):
                self._request = _request(event)
                self._check_head(event, self._request)
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage) and self._request is not None:
                self._request.body = bytes(self._body)
                return self._request
            elif event is h11.NEED_DATA and self._unread:
                self._feed()
            else:
                return None

    def _feed(self) -> None:
        """Give h11 the next piece of what has come."""
        piece = bytes(self._unread[:PIECE_BYTES])
        del self._unread[:PIECE_BYTES]
        if self._protocol.their_state is h11.IDLE:
            self._head += piece
        self._protocol.receive_data(piece)

    @property
    def has_begun(self) -> bool:
        """Whether a part of the next request has come."""
        return bool(self._head or self._unread)

    def upgrade_bytes(self) -> tuple[bytes, bytes]:
        """(the head of the request for a websocket as it was sent, the bytes that came after the request)."""
        return bytes(self._head), self._protocol.trailing_data[0] + bytes(self._unread)

    def _next_event(self) -> object:
        try:
            return self._protocol.next_event()
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
                raise _head_too_large() from None
            raise BadRequest(status, _NOT_HTTP) from None

    def _check_head(self, event: h11.Request, request: Request) -> None:
        """Refuse what is not served, before the body is read. h11 has checked the head's form and its lengths."""
        del self._head[len(self._head) - len(self._protocol.trailing_data[0]) :]
        if len(self._head) > MAX_HEAD_BYTES:
            raise _head_too_large()
        if not self._head.endswith(b"\r\n\r\n") or self._head.count(b"\n") != self._head.count(b"\r\n"):
            raise BadRequest(400, "each line of the head must end in CR LF")  # the websocket library waits for that
        if not event.http_version.startswith(b"1.") or not request.target.startswith("/"):
            raise BadRequest(400, _NOT_HTTP)
        if request.verb not in _VERBS:
            raise BadRequest(405, f"{request.verb[:20]}: use GET or POST")
        if "transfer-encoding" in request.headers:
            raise BadRequest(411, "send a Content-Length; chunked bodies are not taken")
        if int(request.headers.get("content-length", "0")) > self._max_body_bytes:
            raise BadRequest(413, f"the body exceeds {self._max_body_bytes} bytes")

    # --- out ------------------------------------------------------------------------------------------------------

    def response(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        close: bool = False,
        headers: Iterable[Header] = (),
    ) -> bytes:
        """The whole response to the request that came last, with more headers.

        A HEAD is answered without the body, and so is the status 304, whose client has it.
        """
        all_headers = [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Connection", "close" if close else "keep-alive"),
            *headers,
        ]
        response = h11.Response(status_code=status, headers=all_headers, reason=HTTPStatus(status).phrase)
        is_head = status == HTTPStatus.NOT_MODIFIED or (self._request is not None and self._request.verb == "HEAD")
        content, send = h11.Data(b"" if is_head else body), self._protocol.send
        return send(response) + send(content) + send(h11.EndOfMessage())

    @property
    def is_over(self) -> bool:
        """Whether the connection closes after the response: either side asked for it, or it is HTTP/1.0."""
        return self._protocol.our_state is not h11.DONE


def _request(event: h11.Request) -> Request:
    headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
    return Request(event.method.decode(), event.target.decode(), headers)


def _head_too_large() -> BadRequest:
    return BadRequest(431, f"the request's head exceeds {MAX_HEAD_BYTES} bytes")
