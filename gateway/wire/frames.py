"""Websocket frames as the server sends them: unmasked and whole. A frame is encoded once for all its receivers."""

_TEXT, _BINARY, _CLOSE = b"\x81", b"\x82", b"\x88"


def _length(size: int) -> bytes:
    if size < 126:
        return size.to_bytes(1)
    if size < 1 << 16:
        return b"\x7e" + size.to_bytes(2)
    return b"\x7f" + size.to_bytes(8)


def text_frame(payload: bytes) -> bytes:
    """A text message."""
    size = len(payload)
    if 126 <= size < 1 << 16:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return _TEXT + _length(size) + payload


def text_frame_parts(parts: list[bytes]) -> list[bytes]:
    """A text message whose payload is in parts, in parts."""
    return [_TEXT + _length(sum(map(len, parts))), *parts]


def binary_frame(payload: bytes) -> bytes:
    """A binary message."""
    return _BINARY + _length(len(payload)) + payload


PING_FRAME = b"\x89\x00"
"""Asks the other side whether it is there."""


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping, with the bytes that it brought, 125 at most."""
    return b"\x8a" + len(payload).to_bytes(1) + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close frame with its code and at most 123 bytes of reason."""
    payload = code.to_bytes(2) + reason.encode()[:123]
    return _CLOSE + _length(len(payload)) + payload
