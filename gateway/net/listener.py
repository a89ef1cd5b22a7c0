"""Takes new connections from a listening socket: not more than there is room for, and not more than it has time for.

Sockets are counted from the moment they are accepted, so that handshakes that never end count as well. What is too much
is closed at once, with an answer where there is no TLS. When the process has no descriptor left, the venue goes on, and
new connections wait in the system's queue.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from gateway.net.connections import Connections
from gateway.wire.addresses import address_of

ACCEPTS = 16
"""How many connections are taken in one turn of the loop."""
PAUSE_SECONDS = 0.1
"""How long nothing is accepted when the system has nothing left to give."""
TLS_SECONDS, TLS_CLOSE_SECONDS = 10, 5
"""How long a handshake of TLS may take, and the end of a connection."""
BACKLOG = 1024
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BODY = b'{"error":"too many connections%b"}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Connection: close\r\nCache-Control: no-store\r\n\r\n%b"
)
_LOG = logging.getLogger("lionrock.server")


class _Counted(socket.socket):
    """A connection's socket, which counts until it is closed: uvloop detaches it then."""

    def __init__(self, taken: socket.socket, connections: Connections, address: str) -> None:
        super().__init__(taken.family, taken.type, taken.proto, taken.detach())
        self._connections: Connections | None = connections
        self._address = address
        self.setblocking(False)
        connections.opened(address)

    def close(self) -> None:
        super().close()
        self._end()

    def detach(self) -> int:
        self._end()
        return super().detach()

    def _end(self) -> None:
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.closed(self._address)


class Listener:
    """One listening port. `close` ends it; what is connected stays."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connections: Connections, make: Callable[[], Any],
        tls: ssl.SSLContext | None,
    ) -> None:  # fmt: skip
        """`make` gives the protocol of each new connection."""
        self._loop = loop
        self._connections = connections
        self._make = make
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_exhausted = False

    async def start(self, host: str, port: int) -> None:
        """Listen. OSError or OverflowError when that cannot be."""
        found = await self._loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, number, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind, number)
            self._sockets.append(listening)
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listening.bind(address)
                listening.listen(BACKLOG)
            except OSError:
                self.close()
                raise
        for listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else 0

    def close(self) -> None:
        """Take no more connections."""
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets = []

    def _accept(self, listening: socket.socket) -> None:
        """Take the connections that wait, some at a time."""
        for _ in range(ACCEPTS):
            try:
                client, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(listening, error)
                return
            self._is_exhausted = False
            self._take(client, address_of(str(peer[0])))

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        if not self._is_exhausted:
            self._is_exhausted = True
            _LOG.error(
                "new connections wait: %s; lower max_connections, or raise LimitNOFILE of the service (ulimit -n)",
                error.strerror,
            )
        self._loop.remove_reader(listening)
        self._loop.call_later(PAUSE_SECONDS, self._go_on, listening)

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _take(self, client: socket.socket, address: str) -> None:
        why = self._connections.refusal(address)
        if why is not None:
            self._turn_away(client, why)
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        counted = _Counted(client, self._connections, address)
        task = self._loop.create_task(self._connect(counted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: socket.socket) -> None:
        """Hand a socket to the loop, after its handshake where there is TLS."""
        times: dict[str, Any] = (
            {"ssl_handshake_timeout": TLS_SECONDS, "ssl_shutdown_timeout": TLS_CLOSE_SECONDS} if self._tls else {}
        )
        try:
            await self._loop.connect_accepted_socket(self._make, client, ssl=self._tls, **times)
        except OSError:  # no handshake, or not in time: nobody was connected
            client.close()

    def _turn_away(self, client: socket.socket, why: bytes) -> None:
        if self._tls is None:
            body = _BODY % why
            try:
                client.send(_FULL % (len(body), body))
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        client.close()
