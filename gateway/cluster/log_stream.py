"""A venue's stream on its servers: read a message, follow from a sequence, add one message behind a known last one.

The stream decides who may write: a message is taken only behind the sequence that its sender expects. No error says for
certain whether a message was taken, so after any doubt the stream's last message is read and compared.
"""

import asyncio
import base64
import binascii
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from engine import host
from gateway import clock
from gateway.cluster.messages import (
    EXPECTED_LAST,
    EXPECTED_STREAM,
    Headers,
    Message,
    MessageError,
    log_subject,
    pack,
    stream_name,
    unpack,
)

CONNECT_SECONDS = 2.0
RECONNECT_SECONDS = 0.1
REQUEST_SECONDS = 0.5
IDLE_NS = 500_000_000
"""A consumer says that it is alive when it has had nothing to deliver for so long."""
LOST_NS = 3 * IDLE_NS
"""A consumer that was silent for so long is gone, with its server for example; another is made."""
INACTIVE_NS = 10_000_000_000
_NO_MESSAGE = 10037
_LOG = logging.getLogger("lionrock.cluster")


class StreamError(Exception):
    """The stream does not answer, or refuses: one line. What became of a request is not known."""


class NotLastError(StreamError):
    """The stream does not end where the sender thought: somebody else has written."""


class PurgedError(host.JournalError):
    """The stream does not have a message any more that this node needs: one line with the remedy."""

    def __init__(self, stream: str, first_seq: int, needed_seq: int) -> None:
        super().__init__(
            f"stream {stream}: it begins with message {first_seq}, and this node needs {needed_seq}, which was purged; "
            "start it again: it begins from a base in the object store if there is one that can be used, or else begin "
            "with an empty data folder and a newer backup: lionrock restore"
        )


class Stored(NamedTuple):
    """A message as the stream has it."""

    seq: int
    message: Message


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _State(msgspec.Struct):
    first_seq: int
    last_seq: int


class _Raw(msgspec.Struct):
    seq: int
    hdrs: str = ""
    data: str = ""


class _Answer(msgspec.Struct):
    error: _Error | None = None
    state: _State | None = None
    message: _Raw | None = None
    seq: int = 0


class Bounds(NamedTuple):
    """The first and the last sequence that a stream has; the last is one less when it is empty."""

    first_seq: int
    last_seq: int


Taker = Callable[[Stored], None]


class LogStream:
    """One connection to the servers of a venue's stream. `connect`, then `close`. One loop uses it."""

    def __init__(self, servers: Sequence[str], venue: str) -> None:
        self.venue = venue
        self._servers = list(servers)
        self._stream, self._subject = stream_name(venue), log_subject(venue)
        self._connection = Connection()
        self._said = ""

    async def connect(self) -> None:
        """Connect to one of the servers. StreamError when none answers; later it connects again by itself."""
        faults: deque[Exception] = deque(maxlen=1)

        async def note(error: Exception) -> None:
            """Later the connection comes back by itself; who waits for it hears of it by its own request."""
            faults.append(error)

        connection = self._connection = Connection()
        options: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS, "reconnect_time_wait": RECONNECT_SECONDS, "error_cb": note,
            "max_reconnect_attempts": -1, "allow_reconnect": True, "ping_interval": 1, "max_outstanding_pings": 2,
        }  # fmt: skip
        try:  # by itself it would try for ever
            async with asyncio.timeout(CONNECT_SECONDS * len(self._servers)):
                await connection.connect(self._servers, **options)
        except (OSError, TimeoutError, NatsError) as error:
            await self.close()
            places, fault = ", ".join(self._servers), faults[0] if faults else error
            raise StreamError(f"cluster {places}: no server answers ({str(fault) or type(fault).__name__})") from None

    async def close(self) -> None:
        """End the connection."""
        with suppress(NatsError, OSError, TimeoutError):
            await self._connection.close()

    @property
    def connection(self) -> Connection:
        """The connection, for subjects that no stream keeps."""
        return self._connection

    async def bounds(self) -> Bounds | None:
        """What the stream has; None when there is no such stream. StreamError when nobody says."""
        answer = await self._ask(f"$JS.API.STREAM.INFO.{self._stream}", b"")
        if answer.error is not None and answer.error.code == 404:
            return None
        if answer.state is None:
            raise self._refused(answer)
        return Bounds(answer.state.first_seq, answer.state.last_seq)

    async def last(self) -> Stored | None:
        """The stream's last message; None when it has none."""
        return await self._get({"last_by_subj": self._subject})

    async def get(self, seq: int) -> Stored | None:
        """The message of a sequence; None when it is not there."""
        return await self._get({"seq": seq})

    async def publish(self, message: Message, expected_seq: int) -> int:
        """Add a message right behind a sequence; its own. NotLastError when the stream does not end there.

        StreamError when it is not known whether it was taken: `last` says so later.
        """
        headers, body = pack(message)
        headers |= {EXPECTED_LAST: str(expected_seq), EXPECTED_STREAM: self._stream}
        problem = "no answer"
        try:
            reply = await self._connection.request(self._subject, body, REQUEST_SECONDS, headers=headers)
            answer = msgspec.json.decode(reply.data, type=_Answer)
            if answer.error is None:
                return answer.seq
            problem = answer.error.description
        except (NatsError, OSError, TimeoutError, msgspec.DecodeError) as error:
            problem = str(error) or type(error).__name__
        found = await self.last()
        if found is not None and found.seq == expected_seq + 1 and found.message == message:
            return found.seq
        if found is not None and found.seq > expected_seq:
            raise NotLastError(f"stream {self._stream}: it ends with {found.seq}, {expected_seq} was expected")
        raise StreamError(f"stream {self._stream}: {problem}")

    async def follow(self, first_seq: int, take: Taker, until: Callable[[], bool] = lambda: False) -> None:
        """Hand every message from a sequence on to a function, in order and once each, until something is true.

        It goes on over lost connections and servers. What the function raises ends it, and so does PurgedError, or a
        MessageError for what nobody's venue has written.
        """
        next_seq = first_seq
        while not until():
            try:
                next_seq = await self._follow_once(next_seq, take, until)
            except (StreamError, NatsError, OSError, TimeoutError) as error:
                self._say_once(str(error) or type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)

    def _say_once(self, why: str) -> None:
        if why != self._said:
            self._said = why
            _LOG.warning("it is tried again until the stream answers: %s", why)

    async def _follow_once(self, first_seq: int, take: Taker, until: Callable[[], bool]) -> int:
        """Follow by one consumer until it is lost: the sequence to go on from."""
        inbox, queue = self._connection.new_inbox(), asyncio.Queue[Msg]()

        async def receive(message: Msg) -> None:
            queue.put_nowait(message)

        subscription = await self._connection.subscribe(inbox, cb=receive, pending_bytes_limit=-1)
        try:
            await self._consume(inbox, first_seq)
            next_seq = first_seq
            heard_ns = clock.steady_ns()
            while not until() and clock.steady_ns() - heard_ns < LOST_NS:
                try:
                    async with asyncio.timeout(IDLE_NS / 1e9):
                        message = await queue.get()
                except TimeoutError:
                    continue
                heard_ns = clock.steady_ns()
                if await self._is_control(message):
                    continue
                seq = message.metadata.sequence.stream
                if seq > next_seq:
                    await self._check_there(next_seq)
                    return next_seq  # something was lost on the way: another consumer brings it
                if seq == next_seq:
                    take(_stored(seq, message.headers or {}, message.data))
                    next_seq = seq + 1
            return next_seq
        finally:
            with suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def _check_there(self, seq: int) -> None:
        """PurgedError when the stream does not have this message any more."""
        bounds = await self.bounds()
        if bounds is not None and bounds.first_seq > seq:
            raise PurgedError(self._stream, bounds.first_seq, seq)

    async def _is_control(self, message: Msg) -> bool:
        """Whether it is the consumer's own: that it is alive, or that it waits for a word that all was read."""
        headers = message.headers or {}
        if headers.get("Status") is None:
            return False
        stalled = message.reply or headers.get("Nats-Consumer-Stalled", "")
        if stalled:
            await self._connection.publish(stalled, b"")
        return True

    async def _consume(self, inbox: str, first_seq: int) -> None:
        """Have the server deliver everything from a sequence on."""
        config = {
            "deliver_subject": inbox, "deliver_policy": "by_start_sequence", "opt_start_seq": first_seq,
            "ack_policy": "none", "replay_policy": "instant", "flow_control": True, "idle_heartbeat": IDLE_NS,
            "mem_storage": True, "num_replicas": 1, "inactive_threshold": INACTIVE_NS,
        }  # fmt: skip
        body = msgspec.json.encode({"stream_name": self._stream, "config": config})
        answer = await self._ask(f"$JS.API.CONSUMER.CREATE.{self._stream}", body)
        if answer.error is not None:
            raise self._refused(answer)

    async def _get(self, wanted: dict[str, Any]) -> Stored | None:
        answer = await self._ask(f"$JS.API.STREAM.MSG.GET.{self._stream}", msgspec.json.encode(wanted))
        if answer.error is not None and answer.error.err_code == _NO_MESSAGE:
            return None
        if answer.message is None:
            raise self._refused(answer)
        raw = answer.message
        try:
            headers, body = base64.b64decode(raw.hdrs), base64.b64decode(raw.data)
        except binascii.Error as error:
            raise StreamError(f"stream {self._stream}: message {raw.seq} cannot be read ({error})") from None
        return _stored(raw.seq, _headers(headers), body)

    async def _ask(self, subject: str, body: bytes) -> _Answer:
        try:
            reply = await self._connection.request(subject, body, REQUEST_SECONDS)
            return msgspec.json.decode(reply.data, type=_Answer)
        except NoRespondersError:
            raise StreamError(f"stream {self._stream}: no server leads it") from None
        except (NatsError, OSError, TimeoutError, msgspec.DecodeError) as error:
            raise StreamError(f"stream {self._stream}: {str(error) or type(error).__name__}") from None

    def _refused(self, answer: _Answer) -> StreamError:
        told = "an answer without contents" if answer.error is None else answer.error.description
        return StreamError(f"stream {self._stream}: {told}")


def _stored(seq: int, headers: Headers, body: bytes) -> Stored:
    """A message of the stream. MessageError with its sequence."""
    try:
        return Stored(seq, unpack(headers, body))
    except MessageError as error:
        raise MessageError(f"stream sequence {seq}: {error}") from None


def _headers(data: bytes) -> dict[str, str]:
    """The headers of a stored message: a version line, then `Name: value` lines."""
    pairs = (line.partition(":") for line in data.decode().split("\r\n")[1:] if line)
    return {name: value.strip() for name, _, value in pairs}
