"""The venue's end of the replicated log: hands each record to the publisher's process, and knows what the stream has.

Nothing here waits for the stream. A record goes into a socket before its own sync begins; what the stream has comes
back through it. A process that ends is replaced, and gets again what is not confirmed.
"""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine import host
from gateway import clock
from gateway.cluster import pipe
from gateway.cluster.base import BaseAt
from gateway.cluster.bases import Bases
from gateway.cluster.messages import PROCESS, Place, Reason
from gateway.cluster.pipe import FrameReader, Lead, Report, Settings, SideChanged, Standing, Successor
from gateway.config import Config
from gateway.venue.health import Effect, Health
from gateway.venue.released import MissetError, NotLeadingError

NAME = "LOG_NOT_REPLICATED"
"""The reason that clients read while the stream does not answer."""
RESTART_SECONDS = 1.0
READ_BYTES = 1 << 16
SEND_BYTES = 1 << 22
SENT_PARTS = 64
FINAL: frozenset[Standing] = frozenset({"fenced", "refused", "setup", "lost", "handed"})
_REMEDY = (
    "nothing acknowledged is lost; orders are taken again by themselves once a majority of the servers answers: see "
    "`nats server list` and their logs"
)
_LOG = logging.getLogger("lionrock.cluster")
_GONE = Successor(node="", line="the process that publishes the log has ended, and another one begins; try again")


class _Sent(NamedTuple):
    place: Place
    last_seq: int
    chain: bytes
    size_bytes: int
    begun_ns: int
    frame: tuple[bytes, ...]


class Replication:
    """Used in the venue's loop, but for `on_record`, which any one thread calls at a time."""

    def __init__(self, config: Config, fail: Callable[[host.JournalError], None]) -> None:
        """`fail` gets the error that ends this node's lead."""
        self._config, self._cluster, self._fail = config, config.cluster, fail
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._reader = FrameReader()
        self._loop: asyncio.AbstractEventLoop
        self._lock = threading.Lock()
        self._unconfirmed: deque[_Sent] = deque()
        self._unsent: deque[memoryview | bytes] = deque()
        self._unconfirmed_bytes = 0
        self._sides: dict[Path, bytes] = {}
        """What says that a side file has changed: another process sends each of them whole first."""
        self._is_writing = False
        self._lead: Lead | None = None
        self._is_closing = False
        self._changed: asyncio.Event
        self.replicated_seq = 0
        """The stream has everything up to here."""
        self.tip: tuple[int, bytes] = (0, b"")
        """The last sequence that the stream has, and the log's hash there."""
        self.on_replicated: Callable[[], None] = lambda: None
        """Called when the stream has more."""
        self.on_marked: Callable[[int], None] = lambda seq: None
        """Called with the last sequence before a mark that was asked for."""
        self.standing: Standing = "idle"
        self.line = ""
        self.epoch = 0
        self.server = ""
        self.stream_seq = 0
        """Once another node leads as it was asked to: where the stream ended, with everything of this node."""
        self.restarts = 0
        self.bases = Bases(config)
        self._told: Successor | None = None

    @property
    def is_leading(self) -> bool:
        """Whether the stream takes what this node writes."""
        return self.standing == "leading"

    @property
    def unconfirmed_bytes(self) -> int:
        """How many bytes of records the stream is not known to have."""
        return self._unconfirmed_bytes

    @property
    def waiting_ns(self) -> int:
        """How long the oldest record has waited for the stream."""
        with self._lock:
            return clock.steady_ns() - self._unconfirmed[0].begun_ns if self._unconfirmed else 0

    # --- the process ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the process, in the running loop; it does nothing but connect until `lead`."""
        self._loop, self._changed = asyncio.get_running_loop(), asyncio.Event()
        self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        cluster = self._cluster
        settings = Settings(
            servers=cluster.server_list, venue=cluster.venue, node=cluster.node_name, replicas=cluster.replicas,
            process=PROCESS, heartbeat_ms=cluster.heartbeat_ms,
            data=str(Path(self._config.data).resolve()) if cluster.bases else "",
            reserve_bytes=self._config.disk_reserve_bytes,
        )  # fmt: skip
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cluster.publisher_process", msgspec.json.encode(settings).decode()],
            stdin=theirs.fileno(), env=os.environ | {"PYTHONPATH": paths},
        )  # fmt: skip
        theirs.close()
        ours.setblocking(False)
        self._socket, self._reader = ours, FrameReader()
        self._loop.add_reader(ours, self._read)

    async def lead(self, journal: host.LogEnd, reason: Reason = "start", epoch: int = 0, sequence: int = 0) -> None:
        """Lead from the end of the journal on; on return the stream has all of it.

        `epoch` and `sequence` when the epoch's message is in the stream already. While the stream does not answer this
        waits, and says so in the log. NotLeadingError when this node may not lead.
        """
        folder, addresses = str(self._config.journal.resolve()), self._cluster.address_list
        end = (journal.segment, journal.number, journal.last_seq, journal.chain)
        self._lead = Lead(
            journal=folder, addresses=addresses, reason=reason, epoch=epoch, sequence=sequence, end=end
        )  # fmt: skip
        self.replicated_seq, self.tip = journal.last_seq, (journal.last_seq, journal.chain)
        self._send([pipe.message_frame(pipe.LEAD, self._lead)])
        while self.standing not in ("leading", *FINAL):
            self._changed.clear()
            await self._changed.wait()
        if self.standing in FINAL:
            self.close()
            raise self._error()

    def _error(self) -> host.JournalError:
        """Why this node does not lead."""
        return MissetError(self.line) if self.standing == "setup" else NotLeadingError(self.line)

    def _fall(self) -> None:
        """The process has ended."""
        self._let_go()
        if self._is_closing:
            return
        if self.standing in FINAL:
            if self.standing != "handed":
                self._fail(self._error())
            return
        self.restarts += 1
        self._told = _GONE
        self._changed.set()
        self.standing, self.line = "silent", "the process that publishes the log has ended; another one begins"
        _LOG.error("%s", self.line)
        self._loop.call_later(RESTART_SECONDS, self._again)

    def _again(self) -> None:
        """Begin another process, and send it what is not confirmed."""
        if self._is_closing:
            return
        try:
            self._begin()
        except OSError as error:
            _LOG.error("the process that publishes the log does not begin (%s)", error)
            self._loop.call_later(RESTART_SECONDS, self._again)
            return
        if self._lead is None:
            return
        with self._lock:
            sent, self._is_writing = list(self._unconfirmed), False
            before = sent[0].place if sent else None
            again = msgspec.structs.replace(
                self._lead, reason="start", epoch=0, sequence=0, before=before, is_again=True
            )
            self._unsent = deque([pipe.message_frame(pipe.LEAD, again), *self._sides.values()])
            for entry in sent:
                self._unsent.extend(entry.frame)
            self._flush()

    def _let_go(self) -> None:
        process, ours = self._process, self._socket
        self._process = self._socket = None
        if ours is not None:
            self._loop.remove_reader(ours)
            self._loop.remove_writer(ours)
            ours.close()
        if process is not None:
            process.kill()
            process.wait()

    # --- out ------------------------------------------------------------------------------------------------------

    def on_record(self, record: host.RawRecord) -> None:
        """A record is about to be written: send it. Called by the journal, in its own thread or the loop's."""
        frame = (pipe.record_head(record), *record.parts)
        size_bytes = sum(map(len, frame))
        place = Place(record.segment, record.number)
        sent = _Sent(place, record.last_seq, record.chain, size_bytes, clock.steady_ns(), frame)
        with self._lock:
            self._unconfirmed.append(sent)
            self._unconfirmed_bytes += size_bytes
            self._unsent.extend(part for part in frame if part)
            self._flush()

    def has_room(self) -> bool:
        """Whether the journal may begin another record: few are under way. More at a time would only be smaller."""
        return len(self._unconfirmed) < self._cluster.under_way

    def side_changed(self, path: Path) -> None:
        """A file beside the journal has changed: have it sent behind the records so far, ahead of those to come."""
        self._sides[path] = pipe.message_frame(pipe.SIDE, SideChanged(path=str(path.resolve())))
        self._send([self._sides[path]])

    def beat(self, last_seq: int) -> None:
        """Say that the venue's loop turns, unless what it has to say is stuck already."""
        with self._lock:
            if not self._unsent and self._socket is not None and self.standing == "leading":
                self._unsent.append(pipe.beat_frame(last_seq))
                self._flush()

    def _send(self, frames: list[bytes]) -> None:
        with self._lock:
            self._unsent.extend(frames)
            self._flush()

    def _flush(self) -> None:
        """Send what the socket takes; the loop goes on with the rest. The lock is held."""
        if self._socket is None:
            return
        while self._unsent:
            try:
                sent = self._socket.sendmsg(list(islice(self._unsent, SENT_PARTS)))
            except BlockingIOError:
                break
            except OSError:  # the process has ended; reading finds that too
                return
            while sent:
                part = self._unsent.popleft()
                if sent < len(part):
                    self._unsent.appendleft(memoryview(part)[sent:])
                    break
                sent -= len(part)
        if bool(self._unsent) != self._is_writing:
            self._is_writing = not self._is_writing
            self._loop.call_soon_threadsafe(self._watch_writing)

    def _watch_writing(self) -> None:
        with self._lock:
            if self._socket is None:
                return
            if self._is_writing:
                self._loop.add_writer(self._socket, self._go_on)
            else:
                self._loop.remove_writer(self._socket)

    def _go_on(self) -> None:
        with self._lock:
            self._flush()

    def mark(self) -> None:
        """Have whoever follows take the digest of its state behind the records so far; `on_marked` says where."""
        self._send([pipe.frame(pipe.MARK)])

    def digested(self, seq: int, digest: str) -> None:
        """Have whoever follows compare: the journal leads to this digest at a mark."""
        self._send([pipe.message_frame(pipe.DIGEST, pipe.Digested(at_seq=seq, digest=digest))])

    # --- in -------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._fall()
            return
        newest = None
        for kind, content in self._reader.feed(data):
            if kind == pipe.CONFIRMED:
                newest = pipe.read_confirmed(content)[0]
            elif kind == pipe.STATE:
                self._stand(msgspec.msgpack.decode(content, type=Report))
            elif kind in (pipe.FOUND, pipe.KEPT):
                self._told = msgspec.msgpack.decode(content, type=Successor)
                self._changed.set()
            elif kind == pipe.MARKED:
                self.on_marked(pipe.read_beat(content))
            elif kind == pipe.BASE:
                self.bases.offer(msgspec.msgpack.decode(content, type=BaseAt))
            elif kind == pipe.NO_BASE:
                self.bases.no_offer(content.decode())
            elif kind == pipe.FINISHED:
                self._is_closing = True
                self._changed.set()
        if newest is not None:
            self._confirm(newest)

    def _confirm(self, place: Place) -> None:
        """The stream has everything up to this record."""
        last: _Sent | None = None
        with self._lock:
            while self._unconfirmed and self._unconfirmed[0].place <= place:
                last = self._unconfirmed.popleft()
                self._unconfirmed_bytes -= last.size_bytes
        if last is not None:
            self.tip = (last.last_seq, last.chain)
            self.replicated_seq = last.last_seq
            self.on_replicated()

    def _stand(self, report: Report) -> None:
        if report.standing != self.standing or report.line != self.line:
            level = logging.INFO if report.standing in ("idle", "leading", "handed") else logging.ERROR
            _LOG.log(level, "the log's publisher is %s%s", report.standing, report.line and f": {report.line}")
        self.standing, self.line, self.epoch, self.server = report.standing, report.line, report.epoch, report.server
        self.stream_seq = report.stream_seq
        self._changed.set()

    def look(self, health: Health) -> None:
        """Some times a second: have the venue take nothing while the stream does not keep up, and take it again."""
        cluster, waiting_ms = self._cluster, self.waiting_ns // 1_000_000
        if self._unconfirmed_bytes > cluster.window_bytes or waiting_ms > cluster.stall_ms:
            cause = f"the stream has not confirmed {self._unconfirmed_bytes} bytes for {waiting_ms} ms"
            why = f" ({self.line})" if self.standing != "leading" and self.line else ""
            health.report(NAME, Effect.READ_ONLY, f"{cause}{why}", _REMEDY)
        elif self._unconfirmed_bytes <= cluster.window_bytes // 2:
            health.clear(NAME)
        self.bases.look(health)

    def status(self) -> dict[str, object]:
        """What clients are told of the cluster."""
        return {
            "role": "leader", "node": self._cluster.node_name, "epoch": self.epoch,
            "began": "" if self._lead is None else self._lead.reason,
            "acknowledge": self._cluster.acknowledge, "replicated_sequence": self.replicated_seq,
        }  # fmt: skip

    # --- handing over ---------------------------------------------------------------------------------------------

    async def find_successor(self, wanted: str) -> Successor:
        """The standby that could lead next: this one, or without a name the most advanced; or why there is none."""
        return await self._asked(pipe.frame(pipe.FIND, wanted.encode()))

    async def hand_over(self, to: str) -> str:
        """Have this node lead behind everything that was sent: why it does not, or nothing once it does.

        Nothing may be written until this returns, however long the stream does not answer: that node may lead already.
        JournalError when this node cannot lead any more either.
        """
        told = await self._asked(pipe.frame(pipe.HAND_OVER, to.encode()))
        while told is _GONE and self.standing not in ("leading", *FINAL):  # until another process has asked the stream
            self._changed.clear()
            await self._changed.wait()
        if self.standing in FINAL and self.standing != "handed":
            raise self._error()
        return "" if self.standing == "handed" else told.line

    async def _asked(self, frame: bytes) -> Successor:
        """What the process says, or that it has ended. Without one nothing is asked: the next one would not hear it."""
        if self._socket is None:
            return _GONE
        self._told = None
        self._send([frame])
        while self._told is None and self.standing not in FINAL:
            self._changed.clear()
            await self._changed.wait()
        if self.standing in FINAL:
            return Successor(node="", line="" if self.standing == "handed" else self.line)
        assert self._told is not None
        return self._told

    # --- the end --------------------------------------------------------------------------------------------------

    async def finish(self, seconds: float) -> bool:
        """Wait until the stream has everything; whether it has, within so long. A node that never led has nothing."""
        if self._lead is None:
            return True
        self._send([pipe.frame(pipe.FINISH)])
        deadline = self._loop.time() + seconds
        while not self._is_closing and self._socket is not None and self._loop.time() < deadline:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                break
        return self._is_closing and not self._unconfirmed

    def close(self) -> None:
        """End the process, whatever it has still to do."""
        self._is_closing = True
        self.bases.close()
        self._let_go()
