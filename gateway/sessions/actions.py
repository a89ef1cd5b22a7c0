"""What a session tells the server. Types only; what it may read is in `gateway.wire.views`.

A session never writes to a socket: `receive`, `tick` and `lost` answer a list of actions. A reply is released when
everything that it can have seen is durable; the server sees to that, so a session just answers with what it reads.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.sessions.query_turns import Pool
from gateway.wire.channels import Channel
from gateway.wire.views import Outcome


class Pending(Protocol):
    """A request that waits for the outcome of its command."""

    def complete(self, outcome: Outcome, now_ns: int) -> bytes | None:
        """The whole reply, None while other commands of the same request are still to come.

        Called once for each command, when it and all its work are done and before the next batch is applied: what the
        projection says then is exactly as of this batch.
        """
        ...


class Reply(Struct, gc=False):
    """Send one message: a JSON-RPC answer or notification."""

    data: bytes


class LargeReply(Struct, gc=False):
    """Send one JSON-RPC answer that is in parts, which belong behind each other."""

    parts: list[bytes]

    @property
    def data(self) -> bytes:
        """The same in one piece."""
        return b"".join(self.parts)


class Submit(Struct, gc=False):
    """Sequence command rows (128 bytes each, sequence and time still zero) in one piece.

    `pending` is None on a binary session: its account's rows go back as they are.
    """

    rows: bytes
    pending: Pending | None


class Subscribe:
    """Join channels; follows the reply that names them."""

    __slots__ = ("channels",)

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.channels = channels


class Unsubscribe:
    """Leave the channels of these names."""

    __slots__ = ("names",)

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names


class Close:
    """End the connection with a websocket close code, after what was queued before."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason


class Rest:
    """Take nothing more from the connection for so long: it was told to wait, and does not.

    What it has sent meanwhile is served afterwards.
    """

    __slots__ = ("rest_ns",)

    def __init__(self, rest_ns: int) -> None:
        self.rest_ns = rest_ns


class Later:
    """Go on with a request when its turn comes: `go_on(steady_ns)` gives the next actions, maybe another Later.

    Nothing that the client sent behind it is served before. Turns are taken by `pool` and `owner`, see `query_turns`.
    """

    __slots__ = ("go_on", "owner", "pool")

    def __init__(self, pool: Pool, owner: Hashable, go_on: "Callable[[int], list[Action]]") -> None:
        self.pool = pool
        self.owner = owner
        self.go_on = go_on


Action = Reply | LargeReply | Submit | Subscribe | Unsubscribe | Close | Later | Rest
