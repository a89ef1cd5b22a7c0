"""The messages of a venue as the client reads them: envelopes of answers and pushes, numbers exact."""

from decimal import Decimal

import msgspec


class Refused(msgspec.Struct):
    """A channel that was not subscribed to, and why."""

    channel: str
    reason: str


class Message(msgspec.Struct):
    """An answer, an error without a request, or a push."""

    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"")
    refused: list[Refused] = []
    sequence: int | None = None


class Push(msgspec.Struct):
    """A message of a channel; `more`: another one follows that belongs together with it."""

    channel: str
    data: msgspec.Raw
    sequence: int | None = None
    more: bool = False


class Heartbeat(msgspec.Struct):
    """A sign of life, or a request for one."""

    type: str


class Resumed(msgspec.Struct):
    """A page of what own channels said while the client was away."""

    sequence: int
    has_more: bool
    events: list[Push]


MESSAGE = msgspec.json.Decoder(Message)
PUSH = msgspec.json.Decoder(Push)
HEARTBEAT = msgspec.json.Decoder(Heartbeat)
RESUMED = msgspec.json.Decoder(Resumed)
EXACT = msgspec.json.Decoder(float_hook=Decimal)
