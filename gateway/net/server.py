"""A venue on a port: listens, runs the venue's timers and index sources, and shuts down cleanly."""

import asyncio
import logging
import ssl
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from engine import host
from gateway import clock, pages
from gateway.clock import Accepted
from gateway.config import Config, ConfigError
from gateway.net.connections import Connections
from gateway.net.descriptors import room_for
from gateway.net.http_connection import HttpConnection
from gateway.net.index_prices import IndexPrices
from gateway.net.listener import Listener
from gateway.net.loop_turns import Turns
from gateway.net.port import Port
from gateway.net.static_answers import StaticAnswers, begin_document
from gateway.net.websocket_upgrade import WebsocketUpgrade
from gateway.operations.health_pages import HealthPages
from gateway.operations.metrics import Metrics, PortCount
from gateway.sessions.operation import OpenSession
from gateway.sessions.query_turns import QueryTurns
from gateway.sessions.session import ENDED
from gateway.venue.losses import AcceptedLoss
from gateway.venue.read_only import DiskFailure, ReadOnlyVenue
from gateway.venue.venue import Progress, Venue
from gateway.wire.log_lines import event

if TYPE_CHECKING:
    from gateway.cluster.replication import Replication
    from gateway.net.handing_over import HandingOver

SLOW_SECONDS = 60
TICK_SECONDS = 0.1
TIME_SECONDS = 0.01
OPERATIONS_CONNECTIONS = 64
"""Open connections to the operations listener: their own, so that a full public port keeps no officer out."""
DRAIN_SECONDS = 10
GOING_AWAY = 1001
_LOG = logging.getLogger("lionrock.server")


class Server:
    """A venue on a port: `start`, then `stop`. Everything runs in the loop that started it."""

    def __init__(
        self,
        config: Config,
        progress: Progress | None = None,
        accepted: AcceptedLoss | None = None,
        accepted_time: Accepted = "",
        failure: DiskFailure | None = None,
    ) -> None:
        """`failure`: serve questions alone, after a disk that failed."""
        host.warm_up()
        self.turns = Turns(config.busy_poll_us)
        if failure is None:
            self.venue = self._venue(config, progress, accepted, accepted_time)
        else:
            self.venue = ReadOnlyVenue(config, failure, progress, self.turns.in_loop)
        self.turns.queries = self.venue.context.turns = QueryTurns(clock.steady_ns)
        room = room_for(config.max_connections + OPERATIONS_CONNECTIONS) - OPERATIONS_CONNECTIONS
        self.connections = Connections(room, config.max_connections_per_address)
        self.operations_connections = Connections(OPERATIONS_CONNECTIONS)
        self._listener: Listener | None = None
        self._operations_listener: Listener | None = None
        operation = self.venue.context.operation
        if operation is not None:
            operation.sessions, operation.end_session = self._open_sessions, self._end_session
        self.handed: asyncio.Future[str]
        """Done, with the name of the node that leads, once this node has handed the venue over; then `leave`."""
        self._index = IndexPrices(self.venue, self.turns)
        self._replication: Replication | None = None
        self._handing: HandingOver | None = None
        self._ticks = 0

    def _venue(
        self, config: Config, progress: Progress | None, accepted: AcceptedLoss | None, accepted_time: Accepted
    ) -> Venue:
        return Venue(config, progress, self.turns.in_loop, self.turns.fail, accepted, accepted_time)

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and begin to trade."""
        venue, turns, config = self.venue, self.turns, self.venue.config
        turns.start(venue.sequencer.close_turn)
        self.handed = turns.loop.create_future()
        if config.cluster.is_on and venue.takes_commands:
            await self._lead()
        venue.watch_journal()
        await self._listen(_tls(config))
        venue.start()
        if venue.takes_commands:
            self._index.start()
        turns.every(TIME_SECONDS, self._keep_time)
        turns.every(TICK_SECONDS, self._tick)

    async def _lead(self) -> None:
        """Have the cluster's stream say that this node leads. NotLeadingError when it does not, MissetError."""
        from gateway.cluster.replication import Replication  # a machine alone needs nothing of it

        replication = self._replication = Replication(self.venue.config, self._lose_lead)
        replication.start()
        await replication.lead(host.log_end(self.venue.config.journal))
        self._copy_to(replication)

    def _copy_to(self, replication: "Replication") -> None:
        """This node leads: its records go to the stream from now on."""
        from gateway.net.handing_over import HandingOver  # a machine alone needs nothing of it

        venue, handing = self.venue, HandingOver(self, replication)
        self._handing = handing
        venue.copy_to(replication)
        venue.context.cluster = replication.status
        beat_seconds = venue.config.cluster.heartbeat_ms / 1000
        self.turns.every(beat_seconds, lambda: replication.beat(venue.engine.last_seq), is_held=False)
        self.turns.every(TICK_SECONDS, handing.look, is_held=False)

    def _lose_lead(self, error: host.JournalError) -> None:
        """Another node leads: nothing is written any more, and nobody hears of what the stream does not have."""
        _LOG.critical("the venue stops: %s", error, extra=event("fenced", cause=str(error)))
        if self.venue.engine.journal is not None:
            self.venue.engine.journal.refuse(error)
        self.turns.fail(error)

    async def _listen(self, tls: ssl.SSLContext | None) -> None:
        """Open both ports: the operator's first, so that whoever is served can be looked at."""
        config, health = self.venue.config, HealthPages(self.venue, self.failed.done)
        metrics = Metrics(self.venue, health, self._port_counts, self.turns.lag)
        document = begin_document(self.turns.loop)
        public = Port(self.connections, health.brief, StaticAnswers(pages.terminal, document), False)
        console = StaticAnswers(pages.console, document)
        operations = Port(
            self.operations_connections, lambda path: health.full(path) or metrics.find(path), console, True
        )
        wanted = config.operations_port or (config.port and config.port + 1)
        try:
            self._operations_listener = await self._open(operations, config.operations_host, wanted, tls)
        except (OSError, OverflowError) as error:
            place = f"operations_host {config.operations_host}, operations_port {wanted}"
            raise ConfigError(f"{place}: {_told(error)}; choose others with these settings") from None
        self._listener = await self._open(public, config.host, config.port, tls)
        scheme = "wss" if tls else "ws"
        self.venue.context.operations_place = f"{scheme}://{config.operations_host}:{self.operations_port}"

    async def _open(self, port: Port, host: str, number: int, tls: ssl.SSLContext | None) -> Listener:
        websockets = WebsocketUpgrade(self.venue, self.turns, port)
        accept = partial(HttpConnection, self.venue, self.turns, port, websockets)
        listener = Listener(self.turns.loop, port.connections, accept, tls)
        await listener.start(host, number)
        return listener

    @property
    def failed(self) -> asyncio.Future[None]:
        """Done, with the error, when the venue must stop."""
        return self.turns.failed

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._listener.port if self._listener is not None else 0

    @property
    def operations_port(self) -> int:
        """The port for officers, metrics and health."""
        return self._operations_listener.port if self._operations_listener is not None else 0

    @property
    def _websockets(self) -> list[Any]:
        return [*self.connections.websockets, *self.operations_connections.websockets]

    async def stop(self) -> None:
        """Refuse new orders, answer what is under way, fsync the journal, write a snapshot, close."""
        self.venue.context.shut_down()
        for listener in (self._listener, self._operations_listener):
            if listener is not None:
                listener.close()
        deadline = self.turns.loop.time() + DRAIN_SECONDS
        self.venue.sequencer.close_turn()
        while not self.venue.sequencer.is_idle and self.turns.loop.time() < deadline and not self.failed.done():
            await asyncio.sleep(0.005)
        self.turns.stop_timers()
        if self._handing is not None:
            self._handing.close()
        await self.end_connections("the venue is shutting down; connect again in a moment")
        self.venue.sequencer.settle()
        self.venue.engine.commit()
        self.venue.execution_throttle.close()
        await asyncio.sleep(0)
        self.venue.close()
        if self._replication is not None:
            has_all = await self._replication.finish(DRAIN_SECONDS)
            self._replication.close()
            if self.failed.done():
                self.failed.exception()  # another node leads already, as the log says; nobody waits for it any more
            elif not has_all:
                _LOG.warning("the stream does not have the end of the log yet; the next start of this node sends it")

    async def leave(self) -> None:
        """After a handover: end the connections, and let go of the data folder so that a standby goes on in it."""
        assert self._handing is not None
        await self._handing.leave(self.handed.result())

    async def end_connections(self, why: str) -> None:
        """Take no connection any more, and end each one with a word."""
        for listener in (self._listener, self._operations_listener):
            if listener is not None:
                listener.close()
        self._index.stop()
        for connection in self._websockets:
            connection.finish(GOING_AWAY, why)
        self.venue.sequencer.close_turn()
        await asyncio.sleep(0.05)
        for connection in [*self._websockets, *self.connections.http, *self.operations_connections.http]:
            connection.abort()
        await asyncio.sleep(0)

    async def abandon(self) -> None:
        """Close every connection and let go of the data folder as it is, after the disk failed."""
        for listener in (self._listener, self._operations_listener):
            if listener is not None:
                listener.close()
        self.turns.stop_timers()
        if self._handing is not None:
            self._handing.close()
        self._index.stop()
        for connection in [*self._websockets, *self.connections.http, *self.operations_connections.http]:
            connection.abort()
        await asyncio.sleep(0)
        self.venue.execution_throttle.close()
        self.venue.abandon()
        if self._replication is not None:
            self._replication.close()
        if self.failed.done():
            clear_frames(self.failed.exception())

    def _port_counts(self) -> list[PortCount]:
        """Who is connected to the two ports."""
        return [
            _count("public", self.connections),
            _count("operations", self.operations_connections),
        ]

    def _open_sessions(self) -> list[OpenSession]:
        """Who is connected to the two ports by websocket."""
        ports = (("public", self.connections), ("operations", self.operations_connections))
        return [
            OpenSession(port, connection.session, connection.is_slow, connection.unsent_bytes)
            for port, connections in ports
            for connection in connections.websockets
        ]

    def _end_session(self, number: int, why: str) -> bool:
        """Close the websocket of a session; False when there is none with this number."""
        found = [connection for connection in self._websockets if connection.session.number == number]
        for connection in found:
            connection.act([connection.session.close(ENDED, why)])
        return bool(found)

    # --- time -----------------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        self.venue.keep_time()
        self.turns.end()
        if self.venue.sequencer.has_work:
            self.turns.loop.call_soon(self._keep_time_again)

    def _keep_time_again(self) -> None:
        """Go on with work inside the engine at each turn of the loop."""
        if not self.failed.done():
            self.turns.do(self.venue.sequencer.keep_time)
            self.turns.end()
            if self.venue.sequencer.has_work:
                self.turns.loop.call_soon(self._keep_time_again)

    def _tick(self) -> None:
        self.venue.take_intents()
        self.venue.settle()
        self.venue.hub.tick()
        self._ticks += 1
        if self._ticks % 10 == 0:
            self._second()
        self.turns.end()

    def _second(self) -> None:
        self.venue.tick()
        if self.venue.takes_commands:
            self._index.refresh()
        self.tick_sessions()

    def tick_sessions(self) -> None:
        """About every second: heartbeats of sessions, and the end of those that are idle or do not read."""
        steady_ns, now = clock.steady_ns(), time.monotonic()
        for connection in self._websockets:
            connection.act(connection.session.tick(steady_ns))
            if connection.is_slow and now - connection.slow_since > SLOW_SECONDS:
                connection.abort()


def clear_frames(error: BaseException | None) -> None:
    """Have a failure hold nothing of the venue that failed: its traceback has the variables of every call."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _count(port: str, connections: Connections) -> PortCount:
    websockets = connections.websockets
    logged_in = sum(connection.session.key is not None for connection in websockets)
    slow = sum(connection.is_slow for connection in websockets)
    anonymous = len(websockets) - logged_in
    limit, turned_away = connections.limit, connections.turned_away
    return PortCount(port, len(connections.http), anonymous, logged_in, slow, limit, turned_away)


def _told(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except OSError as error:
        files = f"tls_certificate {config.tls_certificate}, tls_key {config.tls_key}"
        raise ConfigError(f"{files}: {error.strerror or error}; name a PEM certificate and its key") from None
    return context
