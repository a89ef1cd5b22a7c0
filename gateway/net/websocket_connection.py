"""One websocket: bytes to its session, actions to the sequencer and the hub, staged frames to the socket."""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import picows

from engine.codes import NIL
from gateway import clock
from gateway.market_data.public_topics import Topic
from gateway.net.connections import Connections
from gateway.net.loop_turns import Turns
from gateway.sessions.actions import Action, Close, LargeReply, Later, Reply, Rest, Submit, Subscribe, Unsubscribe
from gateway.sessions.query_turns import Pool
from gateway.sessions.session import Session
from gateway.venue.venue import Venue
from gateway.wire.channels import Channel
from gateway.wire.frames import PING_FRAME, close_frame, pong_frame, text_frame, text_frame_parts
from gateway.wire.log_lines import event

BINARY_PROTOCOL = "lionrock.binary.v1"
HIGH_WATER_BYTES = 1 << 20
MAX_BUFFER_BYTES = 16 << 20
"""The most bytes that may wait for one connection; a slower reader is closed, and resumes by sequence."""
MAX_UNSENT_BYTES, MAX_ANONYMOUS_BYTES = 4 << 20, 1 << 20
"""With so many bytes that are not sent yet nothing more is read from a connection: a client's, an anonymous one."""
MOST_OWED_NS, LONGEST_REST_NS = 250_000_000, 5_000_000_000
"""When what is sent to anonymous readers of channels is paid for only after so long, they rest, at most so long."""
MOST_WRITE_BYTES = 1 << 18
"""So much of what waits for a connection is sent in one turn of the loop, and the rest in the next ones."""
_TEXT, _BINARY, _CONTINUATION = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION
_TOO_SLOW = 4008
_LOG = logging.getLogger("lionrock.connections")


def _nothing(now_ns: int) -> list[Action]:
    return []


class WebsocketConnection(picows.WSListener):
    """One websocket: bytes to its session, actions to the sequencer and the hub, staged frames to the socket."""

    def __init__(self, venue: Venue, turns: Turns, connections: Connections, session: Session) -> None:
        super().__init__()
        self.session = session
        self._venue = venue
        self._turns = turns
        self._connections = connections
        self.behind: dict[Topic, int] = {}
        self.is_slow = False
        self.slow_since = 0.0
        self.channels: dict[str, int] = {}
        self.parts: bytearray | None = None
        """The received part of a message that is sent in several frames."""
        self.read_on: Callable[[], None] | None = None
        """Serves what was read and not served, where the library does not read the socket itself."""
        self._backlog: deque[tuple[bytes, bool]] = deque()
        """Messages that the library had read already when the connection had to wait."""
        self._is_waiting = False
        self._is_stopped = False
        self._is_full = False
        """Whether the socket takes no more for now."""
        self._unsent_bytes = 0
        self._staged: list[bytes] = []
        self._staged_bytes = 0
        self._is_binary_fragment = False
        self._transport: Any = None
        self._websocket: Any = None
        self._reported_slot = NIL
        self._close_sent = False

    # --- the websocket library's calls ----------------------------------------------------------------------------

    def on_ws_connected(self, transport: Any) -> None:
        self._websocket, self._transport = transport, transport.underlying_transport
        self._transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        self._connections.websockets.add(self)
        if _LOG.isEnabledFor(logging.DEBUG):
            told = event("connected", connection=self.session.number, peer=self.session.peer)
            _LOG.debug("a websocket was opened", extra=told)

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
        elif kind == picows.WSMsgType.PING:
            # The library would write it at once: into the midst of a frame that is sent over several turns.
            self._venue.sequencer.stage_in_turn(self, pong_frame(frame.get_payload_as_bytes()))
            self._turns.touch()
        elif kind == picows.WSMsgType.CLOSE:
            self.finish(frame.get_close_code().value if frame.payload_size else 1000, "")

    def send_user_specific_ping(self, transport: Any) -> None:
        """The library asks whether an idle client is there: behind what is on its way, as all that is sent."""
        self.stage(PING_FRAME)
        self._turns.touch()

    def on_ws_disconnected(self, transport: Any) -> None:
        self._connections.websockets.discard(self)
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("a websocket has ended", extra=event("disconnected", connection=self.session.number))
        self.leave_all()
        for action in self.session.lost():
            if isinstance(action, Submit):
                self._venue.sequencer.submit(action.rows, None, action.pending)
        # Nothing holds itself from here on: a cycle would stay in memory until the collector looks at all objects.
        self._websocket = self.read_on = None
        self._turns.touch()

    def pause_writing(self) -> None:
        self._is_full = True
        self._be_slow()

    def resume_writing(self) -> None:
        self._is_full = False
        self._turns.do(self._catch_up)

    def _be_slow(self) -> None:
        """Hear nothing of channels until `_catch_up`, which says in one message what was missed."""
        self.is_slow = True
        self.slow_since = time.monotonic()
        self._transport.pause_reading()

    def _catch_up(self) -> None:
        self._venue.settle()
        self._venue.hub.catch_up(self)
        self.is_slow = False
        self._go_on()
        self._turns.touch()

    def _pay_for_pushes(self, size_bytes: int) -> None:
        """What anonymous readers of channels hear takes time of their pool; when that is used up they rest."""
        owed_ns = self._turns.queries.pushed(Pool.ANONYMOUS, size_bytes)
        if owed_ns > MOST_OWED_NS and not self.is_slow:
            self._be_slow()
            self._turns.loop.call_later(min(owed_ns, LONGEST_REST_NS) / 1e9, self._turns.do, self._rested)

    def _rested(self) -> None:
        """Hear again, unless the socket is full: then that ends it."""
        if self.is_slow and not self._is_full and not self._transport.is_closing():
            begun_ns = self._turns.queries.now_ns()
            self._catch_up()
            self._turns.queries.spent(Pool.ANONYMOUS, begun_ns)

    # --- waiting --------------------------------------------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """What is answered or told and not sent yet."""
        return self._unsent_bytes

    @property
    def is_held(self) -> bool:
        """Whether nothing may be served now: a request waits for its turn, what was answered is not sent yet, or this
        node hands over."""
        most = MAX_ANONYMOUS_BYTES if self.session.key is None else MAX_UNSENT_BYTES
        return self._is_waiting or self.is_slow or self._unsent_bytes > most or self._turns.is_holding

    def hold(self) -> None:
        """Read nothing more until `is_held` ends."""
        if not self._is_stopped:
            self._is_stopped = True
            self._transport.pause_reading()

    def let_others_read(self) -> None:
        """Read nothing more in this turn of the loop."""
        self.hold()
        self._turns.reads.filled(self)

    def serve_late(self, go_on: Any) -> None:
        """It is the turn of the request that waits."""
        self._is_waiting = False
        if not self.session.closed:
            self.act(go_on(clock.steady_ns()))
            self._go_on()

    def _go_on(self) -> None:
        """Serve what was read and not served, then read on."""
        while self._backlog and not self.is_held and not self.session.closed:
            self.receive(*self._backlog.popleft())
        if self.is_held or self._transport.is_closing():
            self._is_stopped = True  # reading is paused already; `go_on_if_free` goes on
            return
        self._is_stopped = False
        if self.read_on is not None:
            self.read_on()
        if not self._is_stopped and not self.is_slow:
            self._transport.resume_reading()

    def go_on_if_free(self) -> None:
        """Serve and read on, unless there is another reason to wait."""
        if self._is_stopped and not self.is_held:
            self._go_on()

    @property
    def is_refused(self) -> bool:
        """Whether the library has closed the connection because the client broke the protocol."""
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
        if len(self.parts) > self._venue.config.max_frame_bytes:
            self.finish(1009, "the message is too big")
        elif frame.fin:
            data, self.parts = bytes(self.parts), None
            self.receive(data, self._is_binary_fragment)

    def receive(self, data: bytes, is_binary: bool) -> None:
        """Serve one message that the library has read."""
        session = self.session
        if session.closed:
            return
        if self.is_held:
            self._backlog.append((data, is_binary))
            self.hold()
            return
        if is_binary and not session.binary:
            self.finish(1003, f"binary messages need the sub-protocol {BINARY_PROTOCOL}")
            return
        steady_ns = clock.steady_ns()
        self.act(session.receive_rows(data, steady_ns) if is_binary else session.receive(data, steady_ns))

    def act(self, actions: list[Action]) -> None:
        """Carry out the session's actions."""
        for action in actions:
            kind = type(action)
            if kind is Submit:
                self._venue.sequencer.submit(action.rows, self, action.pending)  # type: ignore[union-attr]
            elif kind is Reply:
                frame = text_frame(action.data)  # type: ignore[union-attr]
                self._venue.sequencer.stage_in_turn(self, frame)
            elif isinstance(action, LargeReply):
                for part in text_frame_parts(action.parts):
                    self._venue.sequencer.stage_in_turn(self, part)
            elif isinstance(action, Subscribe):
                self._venue.settle()  # the first messages follow the reply that names the channels
                self._subscribe(action.channels)
            elif isinstance(action, Unsubscribe):
                for name in action.names:
                    self._leave(name)
            elif isinstance(action, Later):
                self._is_waiting = True
                self.hold()
                self._turns.wait(self, action)
            elif isinstance(action, Rest):
                self._is_waiting = True
                self.hold()
                self._turns.loop.call_later(action.rest_ns / 1e9, self._turns.guard, self, self.serve_late, _nothing)
            elif isinstance(action, Close):
                self.finish(action.code, action.reason)
        if self.session.binary and self.session.account_slot != self._reported_slot:
            self._report_to(self.session.account_slot)
        self._turns.touch()

    def _subscribe(self, channels: Any) -> None:
        channel: Channel
        for channel in channels:
            self.channels[channel.name] = channel.account_slot
            self._venue.hub.join(self, channel)

    def _leave(self, name: str) -> None:
        self._venue.hub.leave(self, name, self.channels.pop(name, NIL))

    def _report_to(self, account_slot: int) -> None:
        """Send a binary session the event rows of its account from now on."""
        reported = self._venue.sequencer.binary
        if self._reported_slot != NIL:
            reported[self._reported_slot].remove(self)
            if not reported[self._reported_slot]:
                del reported[self._reported_slot]
        if account_slot != NIL:
            reported.setdefault(account_slot, []).append(self)
        self._reported_slot = account_slot

    def leave_all(self) -> None:
        """Leave every channel."""
        for name in list(self.channels):
            self._leave(name)
        self._report_to(NIL)

    # --- out ------------------------------------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Stage a reply."""
        self.stage(text_frame(data))

    def stage(self, frame: bytes) -> None:
        """Send a frame, or the next part of one, with this turn's write; nothing follows the one that closes."""
        if self._close_sent:
            return
        if not self._staged:
            self._venue.sequencer.dirty.append(self)
        self._staged.append(frame)
        self._unsent_bytes += len(frame)
        self._staged_bytes += len(frame)

    def take_staged(self) -> bytes:
        """What is staged, as one piece; of much only the beginning."""
        staged = self._staged
        if self._staged_bytes > MOST_WRITE_BYTES:
            taken_bytes, count = 0, 0
            while taken_bytes < MOST_WRITE_BYTES and count < len(staged):
                taken_bytes += len(staged[count])
                count += 1
            staged, self._staged = staged[:count], staged[count:]
            self._staged_bytes -= taken_bytes
            if self._staged:
                self._turns.loop.call_soon(self._stage_rest)
        else:
            self._staged, self._staged_bytes = [], 0
        return staged[0] if len(staged) == 1 else b"".join(staged)

    def _stage_rest(self) -> None:
        """Send more of what is staged with this turn's write."""
        self._venue.sequencer.dirty.append(self)
        self._turns.touch()

    def write(self, data: bytes) -> None:
        """Write to the socket; close a client that does not read."""
        transport = self._transport
        self._unsent_bytes -= len(data)
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if self.channels and self.session.key is None:
            self._pay_for_pushes(len(data))
        if self._is_stopped:
            self._turns.loop.call_soon(self._turns.guard, self, self.go_on_if_free)
        if self.is_slow and transport.get_write_buffer_size() > MAX_BUFFER_BYTES:
            self.session.closed = True
            transport.write(close_frame(_TOO_SLOW, "too slow; connect again and resume by sequence"))
            transport.abort()
        elif self._close_sent and not self._unsent_bytes:
            transport.close()

    def finish(self, code: int, reason: str) -> None:
        """Answer what was received before, then close with a code."""
        self.session.closed = True
        if not self._close_sent:
            self._venue.settle()
            self.stage(close_frame(code if code != 1005 else 1000, reason))
            self._close_sent = True
        self._turns.touch()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
