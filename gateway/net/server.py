"""Sockets: websocket on the port that `http_connection` answers HTTP on, and the turns of the loop.

Everything that a loop turn brings is one batch, and everything that a connection is to hear of it is one write.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import picows
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from engine import host
from engine.codes import NIL
from gateway import clock
from gateway.config import Config, ConfigError
from gateway.index_feeds.pump import Pump, parse_routes
from gateway.index_feeds.scripted import IndexScriptError, IndexWalk, parse_script
from gateway.market_data.public_topics import Topic
from gateway.net.http_connection import HANDSHAKE_SECONDS, HttpConnection
from gateway.sessions.actions import Action, Close, Reply, Submit, Subscribe, Unsubscribe
from gateway.sessions.session import Session
from gateway.venue.execution_guard import ExecutionGuard
from gateway.venue.intents import index_row
from gateway.venue.venue import Progress, Venue
from gateway.wire.channels import Channel
from gateway.wire.frames import close_frame, text_frame

BINARY_PROTOCOL = "lionrock.binary.v1"
ENDPOINT = "/ws/api/v2"
HIGH_WATER_BYTES = 1 << 20
MAX_BUFFER_BYTES = 16 << 20
"""What may wait for one connection; a reader that lets more gather is closed and resumes by sequence."""
SLOW_SECONDS = 60
TICK_SECONDS = 0.1
TIME_SECONDS = 0.01
INDEX_SECONDS = 0.5
DRAIN_SECONDS = 10
_TEXT, _BINARY, _CONTINUATION = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION
_TOO_SLOW = 4008
_GOING_AWAY = 1001
_LOG = logging.getLogger("lionrock.server")
_WS_LOG = logging.getLogger("lionrock.websocket")
_WS_LOG.setLevel(logging.ERROR)


class Connection(picows.WSListener):
    """One websocket: bytes to its session, actions to the sequencer and the hub, staged frames to the socket."""

    def __init__(self, server: "Server", session: Session) -> None:
        super().__init__()
        self.server = server
        self.session = session
        self.behind: dict[Topic, int] = {}
        self.is_slow = False
        self.slow_since = 0.0
        self.channels: dict[str, int] = {}
        self.parts: bytearray | None = None
        """What has come of a message in several frames."""
        self._staged: list[bytes] = []
        self._is_binary_fragment = False
        self._transport: Any = None
        self._websocket: Any = None
        self._reported_slot = NIL
        self._close_sent = False

    # --- the websocket library's calls ----------------------------------------------------------------------------

    def on_ws_connected(self, transport: Any) -> None:
        self._websocket, self._transport = transport, transport.underlying_transport
        self._transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        self.server.connections.add(self)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.finish(1002, "a reserved bit is set: no extension was agreed on")
        elif kind == _TEXT and frame.fin and self.parts is None:
            self.receive(frame.get_payload_as_bytes(), False)
        elif kind == _BINARY and frame.fin and self.parts is None:
            self.receive(frame.get_payload_as_bytes(), True)
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            self._assemble(frame)
        elif kind == picows.WSMsgType.CLOSE:
            self.finish(frame.get_close_code().value if frame.payload_size else 1000, "")

    def on_ws_disconnected(self, transport: Any) -> None:
        self.server.forget(self)

    def pause_writing(self) -> None:
        self.is_slow = True
        self.slow_since = time.monotonic()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.server.venue.hub.catch_up(self)
        self.is_slow = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self.server.touch()

    @property
    def is_refused(self) -> bool:
        """Whether the library has closed the connection by itself: what came broke the protocol."""
        return self._websocket is not None and bool(self._websocket.is_close_frame_sent)

    # --- in -------------------------------------------------------------------------------------------------------

    def _assemble(self, frame: Any) -> None:
        """A message in several frames."""
        if (self.parts is None) == (frame.msg_type == picows.WSMsgType.CONTINUATION):
            self.finish(1002, "a continuation without a beginning, or a beginning inside a message")
            return
        if self.parts is None:
            self.parts = bytearray()
            self._is_binary_fragment = frame.msg_type == picows.WSMsgType.BINARY
        self.parts += frame.get_payload_as_memoryview()
        if len(self.parts) > self.server.venue.config.max_frame_bytes:
            self.finish(1009, "the message is too big")
        elif frame.fin:
            data, self.parts = bytes(self.parts), None
            self.receive(data, self._is_binary_fragment)

    def receive(self, data: bytes, is_binary: bool) -> None:
        """One message that came by way of the library."""
        session = self.session
        if session.closed:
            return
        if is_binary and not session.binary:
            self.finish(1003, f"binary messages need the sub-protocol {BINARY_PROTOCOL}")
            return
        now_ns = clock.wall_ns()
        self.act(session.receive_rows(data, now_ns) if is_binary else session.receive(data, now_ns))
        if session.binary and session.account_slot != self._reported_slot:
            self._report_to(session.account_slot)

    def act(self, actions: list[Action]) -> None:
        """Do what the session says."""
        for action in actions:
            kind = type(action)
            if kind is Submit:
                self.server.venue.sequencer.submit(action.rows, self, action.pending)  # type: ignore[union-attr]
            elif kind is Reply:
                self.answer(action.data)  # type: ignore[union-attr]
            elif isinstance(action, Subscribe):
                self._subscribe(action.channels)
            elif isinstance(action, Unsubscribe):
                for name in action.names:
                    self._leave(name)
            elif isinstance(action, Close):
                self.finish(action.code, action.reason)
        self.server.touch()

    def _subscribe(self, channels: Any) -> None:
        channel: Channel
        for channel in channels:
            self.channels[channel.name] = channel.account_slot
            self.server.venue.hub.join(self, channel)

    def _leave(self, name: str) -> None:
        self.server.venue.hub.leave(self, name, self.channels.pop(name, NIL))

    def _report_to(self, account_slot: int) -> None:
        """A binary session gets its account's rows from now on."""
        reported = self.server.venue.sequencer.binary
        if self._reported_slot != NIL:
            reported[self._reported_slot].remove(self)
            if not reported[self._reported_slot]:
                del reported[self._reported_slot]
        if account_slot != NIL:
            reported.setdefault(account_slot, []).append(self)
        self._reported_slot = account_slot

    def leave_all(self) -> None:
        """Nothing more is to be heard here."""
        for name in list(self.channels):
            self._leave(name)
        self._report_to(NIL)

    # --- out ------------------------------------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Stage a reply."""
        self.stage(text_frame(data))

    def stage(self, frame: bytes) -> None:
        """Send a frame with this turn's write."""
        if not self._staged:
            self.server.venue.sequencer.dirty.append(self)
        self._staged.append(frame)

    def take_staged(self) -> bytes:
        """Everything staged, as one piece."""
        staged, self._staged = self._staged, []
        return staged[0] if len(staged) == 1 else b"".join(staged)

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket; who does not take them is closed."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if self.is_slow and transport.get_write_buffer_size() > MAX_BUFFER_BYTES:
            self.session.closed = True
            transport.write(close_frame(_TOO_SLOW, "too slow; connect again and resume by sequence"))
            transport.abort()
        elif self._close_sent:
            transport.close()

    def finish(self, code: int, reason: str) -> None:
        """Close with a code, after what was staged before."""
        self.session.closed = True
        if not self._close_sent:
            self.stage(close_frame(code if code != 1005 else 1000, reason))
            self._close_sent = True
        self.server.touch()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()


class Server:
    """A venue on a port: `start`, then `stop`. Everything runs in the loop that started it."""

    def __init__(self, config: Config, progress: Progress | None = None) -> None:
        host.warm_up()
        self.venue = Venue(config, progress)
        self.connections: set[Connection] = set()
        self.http_connections: set[HttpConnection] = set()
        self.loop: asyncio.AbstractEventLoop
        self.failed: asyncio.Future[None]
        self._listener: asyncio.Server | None = None
        self._is_touched = False
        self._busy_poll_s = config.busy_poll_us / 1e6
        self._is_awake = False
        self._awake_until = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self._feeds: list[asyncio.Task[None]] = []
        self._execution_guard = ExecutionGuard(self.venue, self._from_thread)
        self._seconds = 0

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; from here on the venue trades."""
        self.loop = asyncio.get_running_loop()
        self.failed = self.loop.create_future()
        self.venue.projection.settle = self.settle
        journal = self.venue.engine.journal
        if journal is not None:
            journal.watch(self._journalled, lambda error: self._from_thread(self._fail, error))
        config = self.venue.config
        self._listener = await self.loop.create_server(
            partial(HttpConnection, self), config.host, config.port, ssl=_tls(config), backlog=1024
        )
        self._execution_guard.start()
        self.venue.take_intents()
        self._start_index()
        self._every(TIME_SECONDS, self._keep_time)
        self._every(TICK_SECONDS, self._tick)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._listener is None:
            return 0
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Refuse new, answer what is under way, make everything safe, write a snapshot, close."""
        self.venue.context.accepting = False
        if self._listener is not None:
            self._listener.close()
        deadline = self.loop.time() + DRAIN_SECONDS
        self.venue.sequencer.close_turn()
        while not self.venue.sequencer.is_idle and self.loop.time() < deadline and not self.failed.done():
            await asyncio.sleep(0.005)
        for timer in self._timers:
            timer.cancel()
        for feed in self._feeds:
            feed.cancel()
        for connection in list(self.connections):
            connection.finish(_GOING_AWAY, "the venue is shutting down; connect again in a moment")
        self.venue.sequencer.close_turn()
        await asyncio.sleep(0.05)
        for connection in list(self.connections):
            connection.abort()
        for http_connection in list(self.http_connections):
            http_connection._transport.abort()
        await asyncio.sleep(0)
        self.venue.sequencer.settle()
        self.venue.engine.commit()
        self._execution_guard.close()
        await asyncio.sleep(0)
        self.venue.close()

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    # --- turns ----------------------------------------------------------------------------------------------------

    def touch(self) -> None:
        """Something happened in this turn: it ends with one batch and one write for each connection."""
        if not self._is_touched:
            self._is_touched = True
            self.loop.call_soon(self._end_turn)
            if self._busy_poll_s:
                self._awake_until = time.monotonic() + self._busy_poll_s
                if not self._is_awake:
                    self._is_awake = True
                    self.loop.call_soon(self._stay_awake)

    def _stay_awake(self) -> None:
        """Keep the loop turning for a while, so that it looks for more without sleeping: to be woken takes longer."""
        self._is_awake = time.monotonic() < self._awake_until
        if self._is_awake:
            self.loop.call_soon(self._stay_awake)

    def _end_turn(self) -> None:
        self._is_touched = False
        self._do(self.venue.sequencer.close_turn)

    def settle(self) -> None:
        """Apply what was collected, before the turn ends: the batch is full, or a question is to see it."""
        try:
            self.venue.sequencer.settle()
        except Exception as error:
            self._fail(error)
            raise

    def _do(self, step: Callable[[], None]) -> None:
        """A batch that fails ends the server: nothing may be said of what cannot be journalled."""
        try:
            step()
        except Exception as error:
            _LOG.exception("the venue stops: a batch failed")
            self._fail(error)

    def _from_thread(self, call: Callable[..., None], *args: Any) -> None:
        """Run in the loop, from the journal's thread; a loop that is gone needs nothing."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call, *args)

    def _journalled(self, seq: int) -> None:
        """The journal's thread has made something durable."""
        self._from_thread(self.venue.sequencer.release)

    def _every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call again and again; a fault ends the server instead of going unnoticed."""
        place = len(self._timers)

        def again() -> None:
            try:
                call()
            except Exception as error:
                _LOG.exception("the venue stops: a timer failed")
                self._fail(error)
                return
            self._timers[place] = self.loop.call_later(seconds, again)

        self._timers.append(self.loop.call_later(seconds, again))

    def _keep_time(self) -> None:
        self.venue.sequencer.keep_time()
        self._end_turn()
        if self.venue.sequencer.has_work:
            self.loop.call_soon(self._keep_time_again)

    def _keep_time_again(self) -> None:
        """Work inside the engine goes on as fast as the loop turns."""
        if not self.failed.done():
            self._do(self.venue.sequencer.keep_time)
            self._end_turn()
            if self.venue.sequencer.has_work:
                self.loop.call_soon(self._keep_time_again)

    def _tick(self) -> None:
        self.venue.take_intents()
        self.venue.hub.tick()
        self._seconds += 1
        if self._seconds % 10 == 0:
            self._second()
        self._end_turn()

    def _start_index(self) -> None:
        """The index that is configured: live feeds, or a script."""
        self._start_feeds()
        for name, price in parse_script(self.venue.config.scripted_index).items():
            contract = self.venue.projection.contract(name)
            if contract is None:
                raise IndexScriptError(f"scripted_index: {name} is not listed")
            walk = IndexWalk(contract, price)
            self._step_index(walk)
            self._every(INDEX_SECONDS, partial(self._step_index, walk))

    def _start_feeds(self) -> None:
        """The live sources, kept connected for as long as the server runs."""
        routes = parse_routes(self.venue.config.index_feeds)
        if routes:
            pump = Pump(routes, self.venue.projection.contract, {})
            self._feeds = [self.loop.create_task(source.run()) for source in pump.sources]
            self._every(INDEX_SECONDS, partial(self._step_feeds, pump))

    def _step_feeds(self, pump: Pump) -> None:
        for row in pump.rows(clock.wall_ns()):
            self.venue.sequencer.submit(row, None, None)
        self.touch()

    def _step_index(self, walk: IndexWalk) -> None:
        now_ns = clock.wall_ns()
        for source, price_subticks in enumerate(walk.step()):
            row = index_row(walk.contract.slot, source, price_subticks, now_ns)
            self.venue.sequencer.submit(row, None, None)
        self.touch()

    def _second(self) -> None:
        self.venue.tick()
        self._execution_guard.tick()
        now_ns, now = clock.wall_ns(), time.monotonic()
        for connection in list(self.connections):
            connection.act(connection.session.tick(now_ns))
            if connection.is_slow and now - connection.slow_since > SLOW_SECONDS:
                connection.abort()

    # --- connections ----------------------------------------------------------------------------------------------

    def websocket(self, peer: str) -> Any:
        """The websocket library's protocol for a connection that asked for an upgrade."""
        limit = self.venue.config.max_frame_bytes
        strategy = picows.WSAutoPingStrategy.PING_WHEN_IDLE
        return WSProtocol(
            None, None, False, partial(self._accept, peer), _WS_LOG, True, HANDSHAKE_SECONDS, True, 30, 30, strategy,
            True, limit, None, 16 * 1024,
        )  # fmt: skip

    def _accept(self, peer: str, request: Any) -> Any:
        """A connection for an upgrade request, or the answer that there is none."""
        path = request.path.decode("latin-1").partition("?")[0]
        if path != ENDPOINT:
            return None
        header = request.headers.get("Sec-WebSocket-Protocol", "")
        offered = [part.strip() for part in header.split(",") if part.strip()]
        is_binary = BINARY_PROTOCOL in offered
        if offered and not is_binary:
            body = f"sub-protocol {offered[0][:40]}: offer {BINARY_PROTOCOL}, or none for JSON".encode()
            refused = picows.WSUpgradeResponse.create_error_response(400, body)
            return picows.WSUpgradeResponseWithListener(refused, None)
        session = Session(self.venue.context, self.venue.projection, is_binary, peer, clock.wall_ns())
        headers = {"Sec-WebSocket-Protocol": BINARY_PROTOCOL} if is_binary else None
        response = picows.WSUpgradeResponse.create_101_response(headers)
        return picows.WSUpgradeResponseWithListener(response, Connection(self, session))

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        connection.leave_all()
        for action in connection.session.lost(clock.wall_ns()):
            if isinstance(action, Submit):
                self.venue.sequencer.submit(action.rows, None, action.pending)
        self.touch()


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
