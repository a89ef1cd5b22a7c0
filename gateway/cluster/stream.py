"""One connection to a venue's stream: what it ends with, and publishing on condition that it still ends so.

A connection that is in doubt is dropped, never mended: another one, to the next server, asks the stream what it has.
The client's own way to reconnect would send again what was in its buffer.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from gateway.cluster import messages
from gateway.cluster.answers import Last, Reply, SetupError, StreamError
from gateway.cluster.messages import Beat, Message, MessageError, Present
from gateway.cluster.nodes import present_nodes

CONNECT_SECONDS = 1.0
ASK_SECONDS = 2.0
"""How long a question to the stream may take."""
CLOSE_SECONDS = 2.0
_NO_STREAM = 10059
_NOT_CLUSTERED = 10074
_NO_RESPONDERS = "503"
FAULTS = (NatsError, APIError, OSError, asyncio.TimeoutError, MessageError, ValueError)
"""What a server that is away, busy or electing does to whoever asks it."""


class Stream:
    """A connection to the first server that answers. Everything but `connect` raises StreamError once it is lost."""

    def __init__(self, servers: list[str], venue: str) -> None:
        self._servers, self._venue = list(servers), venue
        self._client: Client | None = None
        self._inbox = ""
        self._waiting: dict[str, Callable[[Reply], None]] = {}
        self._tokens = 0
        self._closing: set[asyncio.Task[None]] = set()
        self.on_lost: Callable[[], None] = lambda: None
        """Called when the connection ends, unless it was dropped."""
        self.on_beat: Callable[[Beat], None] = lambda beat: None
        """Called with each heartbeat that somebody sends."""

    @property
    def server(self) -> str:
        """The server that it is connected to; empty when it is not."""
        return "" if self._client is None or self._client.connected_url is None else self._client.connected_url.netloc

    async def connect(self) -> None:
        """Connect to the next server that answers. StreamError when none does."""
        self.drop()
        faults = []
        for _ in range(len(self._servers)):
            server = self._servers[0]
            self._servers = [*self._servers[1:], server]
            try:
                async with asyncio.timeout(2 * CONNECT_SECONDS):
                    client = await self._connect_to(server)
                await self._listen(client)
            except FAULTS as error:
                faults.append(f"{server}: {str(error) or type(error).__name__}")
                continue
            self._client = client
            return
        raise StreamError(f"no server answers ({'; '.join(faults)})")

    async def _connect_to(self, server: str) -> Client:
        client: Client = await nats.connect(
            server, allow_reconnect=False, connect_timeout=int(CONNECT_SECONDS), ping_interval=1,
            max_outstanding_pings=2, error_cb=_ignore, name=f"lionrock {self._venue}",
            disconnected_cb=self._lost, closed_cb=self._lost,
        )  # fmt: skip
        return client

    async def _listen(self, client: Client) -> None:
        """Have the replies to what is published, and heartbeats, come to this connection."""
        self._inbox = client.new_inbox()
        await client.subscribe(f"{self._inbox}.*", cb=self._answered)
        await client.subscribe(messages.beat_subject(self._venue), cb=self._beaten)

    async def _lost(self) -> None:
        if self._client is not None and not self._client.is_connected:
            self.drop()
            self.on_lost()

    def drop(self) -> None:
        """Let the connection go; what was published and not answered stays in doubt."""
        client, self._client = self._client, None
        self._waiting.clear()
        if client is not None:
            task = asyncio.get_running_loop().create_task(_close(client))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise StreamError("there is no connection to a server")
        return self._client

    # --- the stream -----------------------------------------------------------------------------------------------

    async def ensure(self, replicas: int) -> None:
        """Make the stream if it is not there, and check that it is one that a venue may rely on.

        SetupError when it is not; StreamError when that cannot be found out now.
        """
        client = self._connected()
        if client.max_payload < messages.MAX_PAYLOAD_BYTES:
            raise SetupError(
                f"{self.server}: max_payload is {client.max_payload} bytes; {messages.MAX_PAYLOAD_BYTES} are needed: "
                "set max_payload: 8MB in the server's file"
            )
        wanted = StreamConfig(
            name=messages.stream_name(self._venue), subjects=[messages.log_subject(self._venue)],
            retention=RetentionPolicy.LIMITS, storage=StorageType.FILE, discard=DiscardPolicy.NEW,
            num_replicas=replicas, allow_direct=False,
        )  # fmt: skip
        try:
            try:
                found = (await client.jetstream(timeout=ASK_SECONDS).stream_info(str(wanted.name))).config
            except NotFoundError:
                found = (await client.jetstream(timeout=ASK_SECONDS).add_stream(wanted)).config
        except FAULTS as error:
            if getattr(error, "err_code", 0) == _NOT_CLUSTERED:
                raise SetupError(
                    f"{self.server}: this server is alone, and cluster.replicas is {replicas}; run as many servers, or "
                    "set replicas = 1 for a trial"
                ) from None
            raise StreamError(_told(error)) from None
        for field in ("subjects", "storage", "retention", "discard", "num_replicas"):
            if getattr(found, field) != getattr(wanted, field):
                raise SetupError(
                    f"stream {wanted.name}: {field} is {_shown(getattr(found, field))}, "
                    f"{_shown(getattr(wanted, field))} is wanted; change the stream with the nats tool, or the settings"
                )

    async def last(self) -> Last:
        """What the stream ends with. StreamError when it does not say."""
        name, subject = messages.stream_name(self._venue), messages.log_subject(self._venue)
        context = self._connected().jetstream(timeout=ASK_SECONDS)
        try:
            try:
                found = await context.get_last_msg(name, subject)
            except NotFoundError as error:
                if error.err_code == _NO_STREAM:
                    raise
                return Last((await context.stream_info(name)).state.last_seq, None)
            message = messages.unpack(found.headers or {}, found.data or b"")
        except FAULTS as error:
            raise StreamError(_told(error)) from None
        return Last(int(found.seq or 0), message)

    async def get(self, sequence: int) -> Message:
        """The message at a sequence. StreamError when the stream does not say, or does not have it."""
        name = messages.stream_name(self._venue)
        try:
            found = await self._connected().jetstream(timeout=ASK_SECONDS).get_msg(name, sequence)
            return messages.unpack(found.headers or {}, found.data or b"")
        except FAULTS as error:
            raise StreamError(_told(error)) from None

    async def publish(self, expected: int, message: Message, answered: Callable[[Reply], None]) -> None:
        """Send a message that is to be stored behind this sequence; `answered` hears of it, unless the connection goes.

        StreamError when it was not sent.
        """
        client = self._connected()
        headers, body = messages.pack(message)
        headers[messages.EXPECTED_LAST] = str(expected)
        headers[messages.EXPECTED_STREAM] = messages.stream_name(self._venue)
        self._tokens += 1
        token = str(self._tokens)
        self._waiting[token] = answered
        try:
            await client.publish(messages.log_subject(self._venue), body, f"{self._inbox}.{token}", headers)
        except FAULTS as error:
            self._waiting.pop(token, None)
            raise StreamError(_told(error)) from None

    async def nodes(self) -> list[Present]:
        """The standbys that there are, the most advanced first. StreamError."""
        try:
            return await present_nodes(self._connected(), self._venue)
        except FAULTS as error:
            raise StreamError(_told(error)) from None

    async def beat(self, beat: Beat) -> None:
        """Send a heartbeat; nobody answers it."""
        try:
            await self._connected().publish(messages.beat_subject(self._venue), messages.pack_beat(beat))
        except FAULTS as error:
            raise StreamError(_told(error)) from None

    async def _answered(self, found: Msg) -> None:
        answered = self._waiting.pop(found.subject.rpartition(".")[2], None)
        if answered is not None:
            answered(_reply(found))

    async def _beaten(self, found: Msg) -> None:
        with contextlib.suppress(MessageError):
            self.on_beat(messages.unpack_beat(found.data))


def _reply(found: Msg) -> Reply:
    if (found.headers or {}).get("Status") == _NO_RESPONDERS:
        return Reply(0, "the stream has no leader now")
    try:
        answer: dict[str, Any] = json.loads(found.data)
        fault = answer.get("error")
        return Reply(0, str(fault)) if fault else Reply(int(answer["seq"]), "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Reply(0, f"an answer that cannot be read: {found.data[:80]!r}")


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _shown(value: Any) -> str:
    return str(getattr(value, "value", value))


async def _close(client: Client) -> None:
    with contextlib.suppress(*FAULTS):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()


async def _ignore(error: Exception) -> None:
    """What goes wrong is seen by whoever waits for an answer."""
