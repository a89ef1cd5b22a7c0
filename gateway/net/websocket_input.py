"""Reads the bytes of a JSON websocket, in front of the websocket library.

Compiled code takes all plain orders out of one read of the socket, so a message costs no Python object and no call.
Every frame that is not a short text goes to the library unchanged and in order: control frames, parts of messages,
and what breaks the protocol.
"""

import asyncio
import logging
from typing import Any

from gateway import clock
from gateway.net.fair_reads import LEAST_BYTES, READ_BYTES
from gateway.net.loop_turns import Turns
from gateway.net.websocket_connection import WebsocketConnection
from gateway.plain_orders.compiled_path import COUNT, FRAME_BYTES, OFFSET
from gateway.plain_orders.frame_finder import NO_ROOM, OTHER, TEXT
from gateway.venue.sequencer import OVER_LIMIT
from gateway.venue.venue import Venue
from gateway.wire.log_lines import event

ALIVE_NS = 1_000_000_000
"""How often the library is told that data came: it pings silent clients and closes those that do not answer."""
_LOG = logging.getLogger("lionrock.server")


def hand_over(library: Any, data: Any) -> None:
    """Give bytes to the websocket library, as if it had read them from the socket."""
    left = memoryview(data)
    while left:
        buffer = library.get_buffer(len(left))
        size = min(len(buffer), len(left))
        buffer[:size] = left[:size]
        library.buffer_updated(size)
        left = left[size:]


class WebsocketInput(asyncio.BufferedProtocol):
    """The reading side of one websocket. All websockets share one buffer: a read is served before the next begins."""

    def __init__(self, venue: Venue, turns: Turns, connection: WebsocketConnection, library: Any) -> None:
        self._turns = turns
        self._reads = turns.reads
        self._settle = venue.settle
        self._connection = connection
        self._session = connection.session
        self._library = library
        self._sequencer = venue.sequencer
        self._compiled_path = venue.sequencer.compiled_path
        self._numbers = self._compiled_path.numbers
        self._buffer = self._compiled_path.buffer
        self._room = self._buffer[:READ_BYTES]
        self._kept = b""
        """The beginning of a frame that is not complete yet."""
        self._owed = 0
        """How many bytes are still to come of a frame that goes to the library."""
        self._told_ns = 0
        connection.read_on = self._read_on

    # --- the loop's calls -----------------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> Any:
        kept, size = len(self._kept), self._reads.size_bytes
        if not kept:
            return self._room if size == READ_BYTES else self._room[:size]
        self._buffer[:kept] = self._kept
        return self._buffer[kept : kept + size]

    def buffer_updated(self, nbytes: int) -> None:
        end, self._kept = len(self._kept) + nbytes, b""
        try:
            self._take(end)
        except Exception:
            told = event("connection_cut", connection=self._session.number)
            _LOG.exception("a connection is cut: serving it failed", extra=told)
            self._session.closed = True
            self._connection.abort()
        if nbytes == self._reads.size_bytes:
            self._connection.let_others_read()
        self._turns.touch()

    def _read_on(self) -> None:
        """Go on with what was read when the connection had to wait."""
        kept, self._kept = self._kept, b""
        self.take(kept)

    def eof_received(self) -> bool | None:
        return bool(self._library.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._library.connection_lost(exc)

    def pause_writing(self) -> None:
        self._library.pause_writing()

    def resume_writing(self) -> None:
        self._library.resume_writing()

    # --- frames ---------------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Serve bytes that were read before: with the handshake, or while the connection had to wait."""
        for first in range(0, len(data), LEAST_BYTES - 1):
            if self._connection.is_held:
                self._connection.hold()
                self._kept += data[first:]
                return
            part = data[first : first + LEAST_BYTES - 1]
            self.get_buffer(0)[: len(part)] = part
            self.buffer_updated(len(part))

    def _take(self, end: int) -> None:
        """Serve the bytes in the buffer. Messages of a run that is over the session's limits are served one by one."""
        session, connection, numbers = self._session, self._connection, self._numbers
        steady_ns = clock.steady_ns()
        if steady_ns - self._told_ns >= ALIVE_NS:
            self._told_ns = steady_ns
            self._library.buffer_updated(0)
        offset = self._give(0, end, self._owed) if self._owed else 0
        by_itself = 0
        while offset < end:
            begin = offset
            if session.closed:
                self._give(offset, end, end - offset)
                return
            if connection.is_held:
                connection.hold()
                self._kept = bytes(self._buffer[offset:end])
                return
            if offset < by_itself or connection.parts is not None:
                stop = self._compiled_path.next_text((offset, end))
            else:
                stop = self._sequencer.read(session, (offset, end), connection, steady_ns)
                if stop == OVER_LIMIT:
                    by_itself = numbers[OFFSET]
                    continue
            offset = numbers[OFFSET]
            if stop == TEXT and connection.parts is None:
                connection.act(session.receive(self._compiled_path.text(), steady_ns))
                steady_ns = clock.steady_ns()
            elif stop == TEXT:
                self._give(begin, end, offset - begin)
            elif stop == OTHER:
                offset = self._give(offset, end, numbers[FRAME_BYTES])
                steady_ns = clock.steady_ns()
            elif stop == NO_ROOM:
                self._make_room()
            else:
                self._kept = bytes(self._buffer[offset:end])
                return

    def _make_room(self) -> None:
        """Apply the collected rows to make room. RuntimeError when there is still none: it would never end."""
        self._settle()
        if self._numbers[COUNT]:
            raise RuntimeError("a full batch was not applied")

    def _give(self, offset: int, end: int, size: int) -> int:
        """Give the library a frame, or the part of it that has come; returns where the next one begins."""
        given = min(size, end - offset)
        self._owed = size - given
        hand_over(self._library, bytes(self._buffer[offset : offset + given]))
        if self._connection.is_refused:
            self._session.closed = True
        return offset + given
