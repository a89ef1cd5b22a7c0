"""What a stream answers, and what whoever publishes needs of a connection to it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from gateway.cluster.messages import Beat, Message


class StreamError(Exception):
    """The stream cannot be used now, in one line; another try may help."""


class SetupError(Exception):
    """The stream or a server is not set up as a venue needs it: one line with the remedy. Another try does not help."""


class Last(NamedTuple):
    """What the stream ends with: its last sequence, and the message there; no message in an empty stream."""

    sequence: int
    message: Message | None


class Reply(NamedTuple):
    """What became of a publish: the sequence at which it is stored, or 0 and why it is not known to be."""

    sequence: int
    fault: str


class LogStream(Protocol):
    """A connection to a venue's stream. Everything but `connect` and `drop` raises StreamError once it is lost."""

    on_lost: Callable[[], None]
    on_beat: Callable[[Beat], None]

    @property
    def server(self) -> str:
        """The server that it is connected to; empty when it is not."""
        ...

    async def connect(self) -> None:
        """Connect to the next server that answers."""
        ...

    def drop(self) -> None:
        """Let the connection go; what was published and not answered stays in doubt."""
        ...

    async def last(self) -> Last:
        """What the stream ends with."""
        ...

    async def publish(self, expected: int, message: Message, answered: Callable[[Reply], None]) -> None:
        """Send a message to be stored behind this sequence; `answered` hears of it, unless the connection goes."""
        ...
