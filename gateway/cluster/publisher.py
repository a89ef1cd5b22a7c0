"""Publishes a leader's messages: in order, each once, one of them under way at a time.

The message for each sequence of the stream is fixed when it is queued. So after any doubt (no answer, a refusal, a lost
connection) nothing is interpreted: the stream's last message is read and compared, and what it lacks is sent again. One
that still arrives late is stored where it belongs, or refused.

Never two are under way: a message is taken behind any message with the sequence that it expects. Where another node has
written its epoch in the place of the first, the second would be stored behind that, and who reads the stream's last
message would find this node's own there.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

from gateway import clock
from gateway.cluster.answers import LogStream, Reply, StreamError
from gateway.cluster.beginning import FencedError
from gateway.cluster.messages import Author, Beat, Message

REPLY_MS = 1000
"""A publish that is not answered for so long is in doubt."""
LOST_MS = 30_000
"""A server that was cut off may show an older end of the stream until it notices, which takes about 10 s: only then is
what it lacks lost."""
PAUSE_SECONDS = 0.05
"""How long after a stream that did not answer it is asked again."""
State = Literal["leading", "silent"]


class LostError(Exception):
    """The stream does not have what it has confirmed: one line."""


class _Queued(NamedTuple):
    sequence: int
    message: Message


class Publisher:
    """The one writer of an epoch. `run` goes on until it is cancelled, or raises FencedError or LostError."""

    def __init__(self, stream: LogStream, author: Author, sequence: int) -> None:
        """`sequence`: where the stream ends, with a message of this author's."""
        self._stream, self.author = stream, author
        self._queue: deque[_Queued] = deque()
        """What is not confirmed, in order."""
        self._is_sent = False
        """Whether the first of them is under way."""
        self._sent_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        """Looks whether an answer has been out for too long: one for many messages, as a timer is slow to set up."""
        self._try = 0
        """Counts the times of doubt: an answer from before one is not heard any more."""
        self.confirmed = sequence
        self._queued = sequence
        self._is_in_doubt = False
        self._wake = asyncio.Event()
        self.state: State = "leading"
        self.why = ""
        """Why it is silent."""
        self.on_confirmed: Callable[[Message], None] = lambda message: None
        """Called with the newest message that the stream is known to have."""
        self.on_state: Callable[[], None] = lambda: None
        stream.on_lost = lambda: self._doubt("the connection to the server ended")
        stream.on_beat = self._heard

    @property
    def waiting(self) -> int:
        """How many messages are not confirmed."""
        return len(self._queue)

    def put(self, message: Message) -> int:
        """Queue a message: the sequence at which the stream will have it."""
        self._queued += 1
        self._queue.append(_Queued(self._queued, message))
        self._wake.set()
        return self._queued

    async def run(self) -> None:
        """Publish what is queued, as it comes."""
        try:
            while True:
                self._wake.clear()
                if not self._is_in_doubt and (self._is_sent or not self._queue):
                    await self._wake.wait()
                if self._is_in_doubt:
                    await self._settle()
                while not self._is_in_doubt and self._queue and not self._is_sent:
                    await self._send()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _look_for_answer(self) -> None:
        """Doubt a message whose answer has been out for too long; while one is out, look again when it would be."""
        self._timer = None
        if self._is_in_doubt or not self._is_sent:
            return
        left_ms = REPLY_MS - (clock.steady_ns() - self._sent_ns) / 1e6
        if left_ms > 0:
            self._timer = asyncio.get_running_loop().call_later(left_ms / 1000, self._look_for_answer)
        else:
            self._stream.drop()
            self._doubt(f"the stream has not answered for {REPLY_MS} ms")

    async def _send(self) -> None:
        sequence, message = self._queue[0]
        self._sent_ns, self._is_sent = clock.steady_ns(), True
        if self._timer is None:
            self._look_for_answer()
        number = self._try
        try:
            await self._stream.publish(sequence - 1, message, lambda reply: self._answered(sequence, number, reply))
        except StreamError as error:
            self._doubt(str(error))

    def _answered(self, sequence: int, number: int, reply: Reply) -> None:
        if number != self._try or self._is_in_doubt:
            return
        if reply.sequence != sequence:
            self._doubt(reply.fault or f"stored at sequence {reply.sequence}, {sequence} was wanted")
            return
        self._confirm(sequence)
        self._wake.set()

    def _confirm(self, sequence: int) -> None:
        """The stream has everything up to this sequence."""
        newest = None
        while self._queue and self._queue[0].sequence <= sequence:
            newest = self._queue.popleft()
            self._is_sent = False
        self.confirmed = max(self.confirmed, sequence)
        if newest is not None:
            self.on_confirmed(newest.message)

    def look(self) -> None:
        """Have the stream say what it ends with: does another node lead?"""
        self._doubt("another node was asked to lead")

    # --- doubt ----------------------------------------------------------------------------------------------------

    def _doubt(self, why: str) -> None:
        """Something went wrong: what is under way may be stored or not."""
        self._is_in_doubt, self.why = True, why
        self._try += 1
        self._wake.set()

    def _heard(self, beat: Beat) -> None:
        """Somebody beats: is it another one who leads by now? The stream says so."""
        if beat.epoch > self.author.epoch:
            self._doubt(f"node {beat.node} says that it leads in epoch {beat.epoch}")

    async def _settle(self) -> None:
        """Ask until the stream says what it ends with, and go on behind it."""
        begun_ns = clock.steady_ns()
        while True:
            try:
                if not self._stream.server:
                    await self._stream.connect()
                sequence, message = await self._stream.last()
                if sequence >= self.confirmed or clock.steady_ns() - begun_ns >= LOST_MS * 1_000_000:
                    break
                raise StreamError(f"the server says sequence {sequence}, and {self.confirmed} was confirmed")
            except StreamError as error:
                self._stream.drop()
                self.why = str(error)
                if clock.steady_ns() - begun_ns >= REPLY_MS * 1_000_000:
                    self._say("silent")
                await asyncio.sleep(PAUSE_SECONDS)
        self._compare(sequence, message)
        self._is_sent, self._is_in_doubt = False, False
        self._say("leading")

    def _compare(self, sequence: int, message: Message | None) -> None:
        """Take up what the stream has of ours. FencedError, LostError."""
        if message is not None and message.author.epoch > self.author.epoch:
            raise FencedError(message.author)
        if sequence < self.confirmed or message is None or message.author != self.author:
            raise LostError(
                f"the stream ends at sequence {sequence} and had confirmed {self.confirmed}: it has lost messages"
            )
        if sequence > self._queued or (
            sequence > self.confirmed and self._queue[sequence - self._queue[0].sequence].message != message
        ):
            raise LostError(f"the stream has a message at sequence {sequence} that this process did not send")
        self._confirm(sequence)

    def _say(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self.on_state()
