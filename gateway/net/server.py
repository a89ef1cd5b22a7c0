"""A venue on a port: listens, runs the venue's timers and index sources, and shuts down cleanly."""

import asyncio
import ssl
import time
from functools import partial

from engine import host
from gateway import clock
from gateway.clock import Accepted
from gateway.config import Config, ConfigError
from gateway.net.connections import Connections
from gateway.net.http_connection import HttpConnection
from gateway.net.index_prices import IndexPrices
from gateway.net.loop_turns import Turns
from gateway.net.websocket_upgrade import WebsocketUpgrade
from gateway.venue.venue import Progress, Venue

SLOW_SECONDS = 60
TICK_SECONDS = 0.1
TIME_SECONDS = 0.01
DRAIN_SECONDS = 10
_GOING_AWAY = 1001


class Server:
    """A venue on a port: `start`, then `stop`. Everything runs in the loop that started it."""

    def __init__(self, config: Config, progress: Progress | None = None, accepted_time: Accepted = "") -> None:
        host.warm_up()
        self.turns = Turns(config.busy_poll_us)
        self.venue = Venue(config, progress, self.turns.in_loop, self.turns.fail, accepted_time)
        self.connections = Connections(config.max_connections)
        self._listener: asyncio.Server | None = None
        self._index = IndexPrices(self.venue, self.turns)
        self._ticks = 0

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and begin to trade."""
        venue, turns, config = self.venue, self.turns, self.venue.config
        turns.start(venue.sequencer.close_turn)
        venue.watch_journal()
        websockets = WebsocketUpgrade(venue, turns, self.connections)
        accept = partial(HttpConnection, venue, turns, self.connections, websockets)
        self._listener = await turns.loop.create_server(
            accept, config.host, config.port, ssl=_tls(config), backlog=1024
        )
        venue.start()
        self._index.start()
        turns.every(TIME_SECONDS, self._keep_time)
        turns.every(TICK_SECONDS, self._tick)

    @property
    def failed(self) -> asyncio.Future[None]:
        """Done, with the error, when the venue must stop."""
        return self.turns.failed

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._listener is None:
            return 0
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Refuse new orders, answer what is under way, fsync the journal, write a snapshot, close."""
        self.venue.context.shut_down()
        if self._listener is not None:
            self._listener.close()
        deadline = self.turns.loop.time() + DRAIN_SECONDS
        self.venue.sequencer.close_turn()
        while not self.venue.sequencer.is_idle and self.turns.loop.time() < deadline and not self.failed.done():
            await asyncio.sleep(0.005)
        self.turns.stop_timers()
        self._index.stop()
        for connection in list(self.connections.websockets):
            connection.finish(_GOING_AWAY, "the venue is shutting down; connect again in a moment")
        self.venue.sequencer.close_turn()
        await asyncio.sleep(0.05)
        for connection in [*self.connections.websockets, *self.connections.http]:
            connection.abort()
        await asyncio.sleep(0)
        self.venue.sequencer.settle()
        self.venue.engine.commit()
        self.venue.execution_throttle.close()
        await asyncio.sleep(0)
        self.venue.close()

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
        self._index.refresh()
        steady_ns, now = clock.steady_ns(), time.monotonic()
        for connection in list(self.connections.websockets):
            connection.act(connection.session.tick(steady_ns))
            if connection.is_slow and now - connection.slow_since > SLOW_SECONDS:
                connection.abort()


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
