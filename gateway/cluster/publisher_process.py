"""The process that publishes a venue's log: `python -m gateway.cluster.publisher_process SETTINGS`.

Its standard input is a socket from the venue (see `pipe`). It begins idle, connected, and leads when the venue says so.
It ends when the venue does, and when it cannot lead any more. It has an interpreter of its own: the stream's protocol
takes nothing from the loop that trades.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import traceback
from collections import deque
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from engine import host
from gateway.cluster import led_epochs, pipe
from gateway.cluster.answers import Reply, SetupError, StreamError
from gateway.cluster.base_offers import BaseOffers
from gateway.cluster.beginning import (
    FencedError,
    RefusedError,
    begin,
    digest_message,
    epoch_message,
    handover_message,
    mark_message,
    record_message,
    side_message,
)
from gateway.cluster.led_epochs import LedEpoch
from gateway.cluster.messages import Author, Beat, EpochMessage, Message, Place, twin_seconds
from gateway.cluster.pipe import Digested, FrameReader, Lead, Report, Settings, SideChanged, Standing, Successor
from gateway.cluster.publisher import PAUSE_SECONDS, LostError, Publisher
from gateway.cluster.side_pages import SideFile
from gateway.cluster.stream import Stream

READ_BYTES = 1 << 20
READ_AHEAD = 16
"""So many of the records that the stream lacks are read ahead of what is sent."""
REPLY_SECONDS = 2.0
HANDOVER_SECONDS = 2.0
"""How long after it was asked a node may take to lead; then that is taken back."""
HANDOVER_LOOK_SECONDS = 0.005
ENDS: dict[type[Exception], Standing] = {
    FencedError: "fenced", RefusedError: "refused", SetupError: "setup", LostError: "lost",
    host.JournalError: "refused", host.CorruptJournalError: "refused",
}  # fmt: skip


class PublisherProcess:
    """Between the venue's socket and the stream."""

    def __init__(self, settings: Settings, venue: socket.socket) -> None:
        self._settings, self._venue = settings, venue
        self._stream = Stream(settings.servers, settings.venue)
        self._publisher: Publisher | None = None
        self._author = Author(0, settings.node)
        self._end = host.LogEnd(0, 0, 0, b"")
        """The last record that was queued: what follows is behind it."""
        self._held: deque[tuple[int, bytes]] = deque()
        """Frames that came before it led, or while something ahead of them is being done."""
        self._is_busy = False
        self._holding: asyncio.Task[None] | None = None
        self._side_files: dict[str, SideFile] = {}
        self._reader, self._room = FrameReader(), memoryview(bytearray(READ_BYTES))
        self._task: asyncio.Task[None] | None = None
        self._is_leading = False
        self._offers = BaseOffers(
            self._stream, settings.data, lambda at: self._tell(pipe.message_frame(pipe.BASE, at)),
            lambda why: self._tell(pipe.frame(pipe.NO_BASE, why.encode())), settings.reserve_bytes,
        )  # fmt: skip
        self._is_handing = False
        """Whether another node was asked to lead, and has all of this one's records."""
        self._out = bytearray()
        self._is_writing = False

    async def run(self) -> None:
        """Until the venue ends, or it cannot lead any more."""
        with contextlib.suppress(StreamError):
            await self._stream.connect()
        self._report("idle")
        loop = asyncio.get_running_loop()
        loop.add_reader(self._venue, self._read)  # a record comes in some pieces, and awaiting each takes longer
        await loop.create_future()

    def _read(self) -> None:
        with self._crashing():
            try:
                size_bytes = self._venue.recv_into(self._room)
            except BlockingIOError:
                return
            except ConnectionError:
                size_bytes = 0
            if not size_bytes:
                os._exit(0)  # the venue has ended: nothing that it did not wait for matters
            for kind, content in self._reader.feed(self._room[:size_bytes]):
                self._take(kind, content)

    def _take(self, kind: int, content: bytes) -> None:
        if kind == pipe.LEAD:
            self._task = asyncio.create_task(self._serve(msgspec.msgpack.decode(content, type=Lead)))
        elif kind == pipe.BEAT:
            self._beating = asyncio.create_task(self._beat(pipe.read_beat(content)))
        elif kind == pipe.FIND:
            self._finding = asyncio.create_task(self._find(content.decode()))
        else:
            self._held.append((kind, content))
            self._release()

    def _release(self) -> None:
        """Take what is held, in its order, unless something ahead of it is still being done."""
        while self._held and self._is_leading and not self._is_busy:
            kind, content = self._held.popleft()
            if kind == pipe.RECORD:
                self._queue(pipe.read_record(content))
            elif kind == pipe.SIDE:
                self._hold_for(self._copy_side(msgspec.msgpack.decode(content, type=SideChanged)))
            elif kind == pipe.MARK:
                self._mark()
            elif kind == pipe.DIGEST:
                self._digest(msgspec.msgpack.decode(content, type=Digested))
            elif kind == pipe.HAND_OVER:
                self._hold_for(self._hand_over(content.decode()))
            elif kind == pipe.FINISH:
                self._hold_for(self._finish())

    def _hold_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Hold everything but heartbeats until this is done."""

        async def hold() -> None:
            with self._crashing():
                await work
            self._is_busy = False
            self._release()

        self._is_busy = True
        self._holding = asyncio.create_task(hold())

    @contextlib.contextmanager
    def _crashing(self) -> Iterator[None]:
        """End the process with what goes wrong inside: the venue begins another one."""
        try:
            yield
        except tuple(ENDS) as error:
            if isinstance(error, FencedError) and self._is_handing:
                self._end_with("handed", f"node {error.found.node} leads since epoch {error.found.epoch}")
            self._end_with(ENDS[type(error)], str(error))
        except Exception:
            traceback.print_exc()
            os._exit(1)

    async def _copy_side(self, changed: SideChanged) -> None:
        """Queue the pages of a side file that are new. It is read in a thread: heartbeats go on."""
        file = self._side_files.setdefault(changed.path, SideFile(Path(changed.path)))
        changes = await asyncio.to_thread(file.changes)
        assert self._publisher is not None
        for change in changes:
            self._publisher.put(side_message(self._author, self._end, change))

    def _queue(self, record: host.RawRecord) -> None:
        assert self._publisher is not None
        place = Place(record.segment, record.number)
        if place > (self._end.segment, self._end.number):
            self._end = host.LogEnd(*place, record.last_seq, record.chain)
            self._publisher.put(record_message(self._author, record))
        elif place == (self._end.segment, self._end.number) and record.chain != self._end.chain:
            self._end_with("refused", f"record {place.number} of segment {place.segment} is another one in the stream")
        else:  # the process before this one has sent it
            self._tell(pipe.confirmed_frame(place, record.last_seq))

    def _mark(self) -> None:
        """Have whoever follows take the digest of its state behind the last record."""
        assert self._publisher is not None
        self._offers.marked(self._publisher.put(mark_message(self._author, self._end)), self._end)
        self._tell(pipe.beat_frame(self._end.last_seq, pipe.MARKED))

    def _digest(self, digested: Digested) -> None:
        assert self._publisher is not None
        seq = self._publisher.put(digest_message(self._author, self._end, digested.at_seq, digested.digest))
        self._offers.digested(digested, seq, self._side_files.values())

    async def _beat(self, last_seq: int) -> None:
        if self._is_leading:
            with self._crashing(), contextlib.suppress(StreamError):
                await self._stream.beat(
                    Beat(
                        epoch=self._author.epoch, node=self._author.node, last_seq=last_seq,
                        process=self._settings.process,
                    )
                )  # fmt: skip

    async def _finish(self) -> None:
        """Say when everything is confirmed."""
        while self._publisher is not None and self._publisher.waiting:
            await asyncio.sleep(PAUSE_SECONDS / 10)
        self._tell(pipe.frame(pipe.FINISHED))

    # --- handing over ---------------------------------------------------------------------------------------------

    async def _find(self, wanted: str) -> None:
        """Tell the venue which standby could lead next: this one, or without a name the most advanced."""
        try:
            present = await self._stream.nodes()
        except StreamError as error:
            self._tell(pipe.message_frame(pipe.FOUND, Successor(node="", line=f"the stream does not answer: {error}")))
            return
        named = [node for node in present if wanted in ("", node.node)]
        able = [node.node for node in named if not node.why_not]
        if able:
            found = Successor(node=able[0])
        elif named:
            found = Successor(node="", line=f"node {named[0].node} must not lead now: {named[0].why_not}")
        elif present:
            names = ", ".join(node.node for node in present)
            found = Successor(node="", line=f"no standby {wanted} answers; there is {names}")
        else:
            found = Successor(node="", line="no standby answers; start one: lionrock standby")
        self._tell(pipe.message_frame(pipe.FOUND, found))

    async def _hand_over(self, to: str) -> None:
        """Ask a node to lead, behind all that was sent. Its epoch ends this process; without it this node leads on.

        The offer is taken back in the stream, so that nothing is written while it may still be taken up: also when the
        stream has not answered since, as the offer may be there.
        """
        publisher = self._publisher
        assert publisher is not None
        self._is_handing = True  # ahead of the offer: its answer may be lost where another node has it already
        publisher.put(handover_message(self._author, self._end, to))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HANDOVER_SECONDS
        while loop.time() < deadline:
            if not publisher.waiting:
                publisher.look()
            await asyncio.sleep(HANDOVER_LOOK_SECONDS)
        publisher.put(handover_message(self._author, self._end, self._author.node))
        await self._all_confirmed()
        self._is_handing = False
        line = f"node {to} did not lead within {HANDOVER_SECONDS:g} s; this one leads on"
        self._tell(pipe.message_frame(pipe.KEPT, Successor(node=to, line=line)))

    async def _all_confirmed(self) -> None:
        while self._publisher is not None and self._publisher.waiting:
            await asyncio.sleep(HANDOVER_LOOK_SECONDS / 5)

    # --- leading --------------------------------------------------------------------------------------------------

    async def _serve(self, lead: Lead) -> None:
        with self._crashing():
            await self._lead(lead)

    async def _lead(self, lead: Lead) -> None:
        lacking: Iterator[host.RawRecord] = iter(())
        if lead.sequence:
            sequence, self._author = lead.sequence, Author(lead.epoch, self._settings.node)
            led_epochs.note(Path(lead.journal).parent, LedEpoch(*self._author, sequence))
            self._end = host.LogEnd(*lead.end)
            self._offers.epoch_seq = sequence
        else:
            sequence, lacking = await self._begin_epoch(lead)
        publisher = self._publisher = Publisher(self._stream, self._author, sequence)
        publisher.on_confirmed = self._confirmed
        running = asyncio.create_task(publisher.run())
        for record in lacking:
            while publisher.waiting > READ_AHEAD and not running.done():
                await asyncio.sleep(0)
            self._queue(record)
        while publisher.waiting and not running.done():
            await asyncio.sleep(PAUSE_SECONDS / 10)
        if not running.done():
            publisher.on_state = self._say_state
            self._is_leading = True
            self._report("leading")
            self._release()
        await running

    async def _begin_epoch(self, lead: Lead) -> tuple[int, Iterator[host.RawRecord]]:
        """Compare, and write this epoch's message: its sequence, and the records that the stream lacks."""
        before, data = None if lead.before is None else Place(*lead.before), Path(lead.journal).parent
        heard_of: Author | None = None
        """Whose epoch was the last one when a live node of this name, or of this folder's copy, was listened for."""
        while True:
            try:
                if not self._stream.server:
                    await self._stream.connect()
                await self._stream.ensure(self._settings.replicas)
                sequence, found = await self._stream.last()
                led, is_own = led_epochs.read(data), True
                if found is not None:
                    is_own = led_epochs.is_own(led, found.author, self._settings.node)
                    is_alike = is_own or found.author.node == self._settings.node
                    if is_alike and found.author != heard_of and not (lead.is_again and is_own):
                        await self._listen_for_twin(found.author)
                        heard_of = found.author
                        continue
                begun = begin(Path(lead.journal), found, is_own, before)
                author = Author(1 if found is None else found.author.epoch + 1, self._settings.node)
                message = epoch_message(author, begun.end, lead.reason, lead.addresses, self._settings.process)
                if led is None and is_own and found is not None:  # by its name: known by its epoch from here on
                    led_epochs.note(data, LedEpoch(*found.author, sequence))
                led_epochs.note(data, LedEpoch(*author, sequence + 1))
                if await self._is_written(sequence, message):
                    self._author, self._end = author, begun.end
                    self._offers.epoch_seq = sequence + 1
                    return sequence + 1, begun.lacking
            except StreamError as error:
                self._stream.drop()
                self._report("silent", str(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen_for_twin(self, author: Author) -> None:
        """SetupError when another live node leads that has this name, or a copy of this data folder: its heartbeats are
        heard."""
        own, heard = self._settings, set[Beat]()
        self._stream.on_beat = heard.add
        await asyncio.sleep(twin_seconds(own.heartbeat_ms))
        self._stream.on_beat = lambda beat: None
        if any(beat.node in (own.node, author.node) and beat.process != own.process for beat in heard):
            raise SetupError(
                f"cluster.node {author.node}: another process of this name leads the venue now; two nodes must not "
                "have one name, or copies of one data folder: stop the other one, or choose another name with --node "
                "and start this one as a standby with an empty folder"
            )

    async def _is_written(self, sequence: int, message: EpochMessage) -> bool:
        """Publish an epoch's message behind this sequence; whether the stream ends with it now."""
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        await self._stream.publish(sequence, message, answered.set_result)
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                reply = await answered
        except TimeoutError:
            reply = Reply(0, "no answer")
        if reply.sequence == sequence + 1:
            return True
        last = await self._stream.last()
        return last.sequence == sequence + 1 and last.message == message

    # --- to the venue ---------------------------------------------------------------------------------------------

    def _confirmed(self, message: Message) -> None:
        self._tell(pipe.confirmed_frame(message.place, message.last_seq))

    def _say_state(self) -> None:
        publisher = self._publisher
        assert publisher is not None
        self._report(publisher.state, publisher.why if publisher.state == "silent" else "")

    def _report(self, standing: Standing, line: str = "") -> None:
        stream_seq = 0 if self._publisher is None else self._publisher.confirmed
        report = Report(
            standing=standing, line=line, epoch=self._author.epoch, server=self._stream.server, stream_seq=stream_seq
        )
        self._tell(pipe.message_frame(pipe.STATE, report))

    def _end_with(self, standing: Standing, line: str) -> None:
        """Say why it cannot lead, and end."""
        self._report(standing, line)
        self._venue.setblocking(True)
        with contextlib.suppress(OSError):
            self._venue.sendall(self._out)
        os._exit(0)

    def _tell(self, data: bytes) -> None:
        """Send to the venue, without waiting for it: a stopped venue must not stop what it has already asked for."""
        self._out += data
        if not self._is_writing:
            self._write()

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # it takes no more now, or it has ended, which reading finds too
            sent = self._venue.send(self._out)
            del self._out[:sent]
        if bool(self._out) != self._is_writing:
            self._is_writing = not self._is_writing
            loop = asyncio.get_running_loop()
            if self._is_writing:
                loop.add_writer(self._venue, self._write)
            else:
                loop.remove_writer(self._venue)


def main(settings: str) -> None:
    """Serve the venue at the other end of the standard input."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the venue ends it, when everything is sent
        signal.signal(number, signal.SIG_IGN)
    host.take_precedence()  # every answer waits for it, and it has little to do
    venue = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    venue.setblocking(False)
    uvloop.run(PublisherProcess(msgspec.json.decode(settings, type=Settings), venue).run())


if __name__ == "__main__":
    main(sys.argv[1])
