"""A virtual network: links that carry bytes when they are told to, and may be cut, stall, or be dead on one side only.

A link is a byte stream each way, as TCP: nothing on it is lost, doubled or changes places while it lives. When it is
cut, what is under way is lost. A half-open link carries nothing any more, and the venue has not noticed it. The same
message comes twice only because a client sends it again over another link.
"""

from typing import Any

from gateway import clock
from gateway.net.server import Server
from gateway.net.websocket_connection import WebsocketConnection
from gateway.net.websocket_input import WebsocketInput
from gateway.sessions.session import Session

HIGH_WATER_BYTES, LOW_WATER_BYTES = 1 << 14, 1 << 12
"""How much may wait for a reader before the venue is asked to stop writing, and from where on it goes on."""
_TEXT, _CLOSE, _MASKED = 0x81, 0x88, 0x80


def client_frame(payload: bytes) -> bytes:
    """A text as a client sends it, under the mask zero."""
    size = len(payload)
    if size < 126:
        return b"\x81%c\0\0\0\0%b" % (_MASKED | size, payload)
    return b"\x81\xfe%b\0\0\0\0%b" % (size.to_bytes(2), payload)


class Link:
    """One connection between a client and the venue, and in place of the venue's transport."""

    def __init__(self, server: Server, peer: str) -> None:
        venue = server.venue
        self.to_venue = bytearray()
        self.to_client = bytearray()
        self.is_open = True
        """Whether the client can still use it."""
        self.is_half_open = False
        self._is_ended = False
        self._is_paused = self._is_unread = False
        self._server = server
        self.is_close_frame_sent = False
        session = Session(venue.context, venue.projection, False, peer, clock.steady_ns())
        self.connection = WebsocketConnection(venue, server.turns, server.connections, session)
        self._input = WebsocketInput(venue, server.turns, self.connection, _Library(self))
        self.connection.on_ws_connected(self)

    # --- the client's side --------------------------------------------------------------------------------------------

    def carry(self, size_bytes: int) -> None:
        """Bring so many bytes to the venue, unless it reads nothing now."""
        if self._is_unread:
            return
        data = bytes(self.to_venue[:size_bytes])
        del self.to_venue[:size_bytes]
        if data and not self._is_ended and not self.is_half_open:
            self._input.take(data)

    def received(self, size_bytes: int) -> list[bytes]:
        """Bring so many bytes to the client: the whole messages among what it has by now; empty is a close."""
        messages, done = [], 0
        data = self.to_client
        end = min(size_bytes, len(data))
        while (frame := _frame(data, done, end)) is not None:
            kind, first, done = frame
            messages.append(bytes(data[first:done]) if kind == _TEXT else b"")
        del data[:done]
        if self._is_paused and len(data) < LOW_WATER_BYTES:
            self._is_paused = False
            self.connection.resume_writing()
        return messages

    def cut(self) -> None:
        """The connection is reset: both sides notice, and what was under way is lost."""
        self.is_open = False
        self.to_venue.clear()
        self.to_client.clear()
        self.abort()

    def fall_silent(self) -> None:
        """Nothing gets through any more, and only the client knows."""
        self.is_open, self.is_half_open = False, True
        self.to_venue.clear()
        self.to_client.clear()

    # --- what the venue calls -----------------------------------------------------------------------------------------

    @property
    def underlying_transport(self) -> "Link":
        return self

    def set_write_buffer_limits(self, size_bytes: int) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return len(self.to_client)

    def is_closing(self) -> bool:
        return self._is_ended

    def write(self, data: bytes) -> None:
        self.to_client += data
        if len(self.to_client) > HIGH_WATER_BYTES and not self._is_paused:
            self._is_paused = True
            self.connection.pause_writing()

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._server.turns.loop.call_soon(self.connection.on_ws_disconnected, self)

    def pause_reading(self) -> None:
        self._is_unread = True

    def resume_reading(self) -> None:
        self._is_unread = False

    @property
    def is_ended(self) -> bool:
        """Whether the venue has closed it."""
        return self._is_ended


def _frame(data: bytearray, at: int, end: int) -> tuple[int, int, int] | None:
    """A whole frame of the venue's: (kind, first byte of the payload, end)."""
    if end < at + 2:
        return None
    size, first = data[at + 1], at + 2
    if size == 126:
        size, first = int.from_bytes(data[at + 2 : at + 4]), at + 4
    elif size == 127:
        size, first = int.from_bytes(data[at + 2 : at + 10]), at + 10
    return (data[at], first, first + size) if first + size <= end else None


class _Library:
    """In place of the websocket library: it gets what is no whole text, which is a close here."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._buffer = bytearray(1 << 10)

    def get_buffer(self, size: int) -> Any:
        return memoryview(self._buffer)

    def buffer_updated(self, size: int) -> None:
        if size and self._buffer[0] == _CLOSE:
            self._link.connection.finish(1000, "")

    def eof_received(self) -> bool:
        return False
