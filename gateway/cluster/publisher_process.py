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
from gateway.cluster import pipe
from gateway.cluster.answers import Reply, SetupError, StreamError
from gateway.cluster.beginning import FencedError, RefusedError, begin, epoch_message, record_message, side_message
from gateway.cluster.messages import Author, Beat, EpochMessage, Message, Place
from gateway.cluster.pipe import FrameReader, Lead, Report, Settings, SideChanged, Standing
from gateway.cluster.publisher import PAUSE_SECONDS, LostError, Publisher
from gateway.cluster.side_pages import SideFile
from gateway.cluster.stream import Stream

READ_BYTES = 1 << 20
REPLY_SECONDS = 2.0
ENDS: dict[type[Exception], Standing] = {
    FencedError: "fenced", RefusedError: "refused", SetupError: "refused", LostError: "lost",
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
        self._reader = FrameReader()
        self._task: asyncio.Task[None] | None = None
        self._is_leading = False
        self._out = bytearray()
        self._is_writing = False

    async def run(self) -> None:
        """Until the venue ends, or it cannot lead any more."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(StreamError):
            await self._stream.connect()
        self._report("idle")
        room = memoryview(bytearray(READ_BYTES))
        with contextlib.suppress(ConnectionError):
            while size_bytes := await loop.sock_recv_into(self._venue, room):
                for kind, content in self._reader.feed(room[:size_bytes]):
                    await self._take(kind, content)
        os._exit(0)  # the venue has ended: nothing that it did not wait for matters

    async def _take(self, kind: int, content: bytes) -> None:
        if kind == pipe.LEAD:
            self._task = asyncio.create_task(self._serve(msgspec.msgpack.decode(content, type=Lead)))
        elif kind == pipe.BEAT:
            await self._beat(pipe.read_beat(content))
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

    async def _beat(self, last_seq: int) -> None:
        if self._is_leading:
            with contextlib.suppress(StreamError):
                await self._stream.beat(Beat(epoch=self._author.epoch, node=self._author.node, last_seq=last_seq))

    async def _finish(self) -> None:
        """Say when everything is confirmed."""
        while self._publisher is not None and self._publisher.waiting:
            await asyncio.sleep(PAUSE_SECONDS / 10)
        self._tell(pipe.frame(pipe.FINISHED))

    # --- leading --------------------------------------------------------------------------------------------------

    async def _serve(self, lead: Lead) -> None:
        with self._crashing():
            await self._lead(lead)

    async def _lead(self, lead: Lead) -> None:
        lacking: Iterator[host.RawRecord] = iter(())
        if lead.sequence:
            sequence, self._author = lead.sequence, Author(lead.epoch, self._settings.node)
            self._end = host.LogEnd(*lead.end)
        else:
            sequence, lacking = await self._begin_epoch(lead)
        publisher = self._publisher = Publisher(self._stream, self._author, sequence, self._settings.window)
        publisher.on_confirmed = self._confirmed
        running = asyncio.create_task(publisher.run())
        for record in lacking:
            while publisher.waiting > self._settings.window and not running.done():
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
        before = None if lead.before is None else Place(*lead.before)
        while True:
            try:
                if not self._stream.server:
                    await self._stream.connect()
                await self._stream.ensure(self._settings.replicas)
                sequence, found = await self._stream.last()
                begun = begin(Path(lead.journal), self._settings.node, found, before)
                author = Author(1 if found is None else found.author.epoch + 1, self._settings.node)
                message = epoch_message(author, begun.end, lead.reason, lead.addresses)
                if await self._is_written(sequence, message):
                    self._author, self._end = author, begun.end
                    return sequence + 1, begun.lacking
            except StreamError as error:
                self._stream.drop()
                self._report("silent", str(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _is_written(self, sequence: int, message: EpochMessage) -> bool:
        """Publish an epoch's message behind this sequence; whether the stream ends with it now."""
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        await self._stream.publish(sequence, message, answered.set_result)
        try:
            reply = await asyncio.wait_for(answered, REPLY_SECONDS)
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
        report = Report(standing=standing, line=line, epoch=self._author.epoch, server=self._stream.server)
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
