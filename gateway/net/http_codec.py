"""HTTP/1.1 as far as the venue speaks it: request heads in, whole responses out. No I/O."""

from dataclasses import dataclass
from http import HTTPStatus

MAX_HEAD_BYTES = 16 * 1024
_VERBS = ("GET", "POST", "OPTIONS", "HEAD")


class BadRequest(Exception):  # noqa: N818 - it is answered, not raised to anyone
    """A request that cannot be served: the status and one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(slots=True)
class Head:
    """The head of a request; header names are lower case, the target is as it was sent."""

    verb: str
    target: str
    headers: dict[str, str]
    size: int
    body_bytes: int
    keep_alive: bool

    @property
    def is_upgrade(self) -> bool:
        """Whether the client wants a websocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"


def parse_head(data: bytes | bytearray, max_body_bytes: int) -> Head | None:
    """The head at the start of `data`, or None when it is not complete yet."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > MAX_HEAD_BYTES:
            raise BadRequest(431, f"the request's head exceeds {MAX_HEAD_BYTES} bytes")
        return None
    lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
        raise BadRequest(400, "this is not an HTTP/1.1 request")
    if parts[0] not in _VERBS:
        raise BadRequest(405, f"{parts[0][:20]}: use GET or POST")
    headers = _headers(lines[1:])
    if "transfer-encoding" in headers:
        raise BadRequest(411, "send a Content-Length; chunked bodies are not taken")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(400, "Content-Length must be a whole number")
    if int(length) > max_body_bytes:
        raise BadRequest(413, f"the body exceeds {max_body_bytes} bytes")
    keep = headers.get("connection", "").lower() != "close" and parts[2] == "HTTP/1.1"
    return Head(parts[0], parts[1], headers, end + 4, int(length), keep)


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, found, value = line.partition(":")
        name = name.lower()
        if not found or not name or name != name.strip():
            raise BadRequest(400, "a header line is malformed")
        if name == "content-length" and headers.get(name, value.strip()) != value.strip():
            raise BadRequest(400, "two different Content-Length headers")
        headers[name] = value.strip()
    return headers


def response(status: int, body: bytes, content_type: str = "application/json", keep_alive: bool = True) -> bytes:
    """A whole response."""
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: %b\r\n"
        b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\n"
        b"Access-Control-Allow-Headers: authorization, content-type\r\n\r\n"
    ) % (
        status,
        HTTPStatus(status).phrase.encode(),
        content_type.encode(),
        len(body),
        b"keep-alive" if keep_alive else b"close",
    ) + body
