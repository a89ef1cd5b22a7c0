"""What a session tells the server, and the event rows as tuples. Types only; what it may read is in `views`.

A session never writes to a socket: `receive`, `tick` and `lost` answer a list of actions. A reply is released when
everything that it can have seen is durable; the server sees to that, so a session just answers with what it reads.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from gateway.wire.channels import Channel
from gateway.wire.views import Outcome

# --- event rows ---------------------------------------------------------------------------------------------------

EVENT_STRUCT = struct.Struct("<qqbbbbihhiqqqqqqqqqqqq")
NOTICE_STRUCT = struct.Struct("<qqb3xihhiiiqqqqqqqqiiq8x")
assert EVENT_STRUCT.size == NOTICE_STRUCT.size == 128

Row = tuple[int, ...]
"""An event as a plain tuple: `Event` names its places; from EventKind.NOTICE_FIRST on, `Notice` does."""


class Event(NamedTuple):
    """The fields of an EVENT row in order."""

    seq: int
    time_ns: int
    kind: int
    side: int
    ord_type: int
    tif: int
    flags: int
    reason: int
    contract_slot: int
    account_slot: int
    order_id: int
    cl_ord_id: int
    price_ticks: int
    last_lots: int
    leaves_lots: int
    filled_lots: int
    level_lots: int
    trade_id: int
    fee_micros: int
    position_lots: int
    entry_cost_micros: int
    cash_micros: int


class Notice(NamedTuple):
    """The fields of a NOTICE row in order."""

    seq: int
    time_ns: int
    kind: int
    code: int
    reason: int
    contract_slot: int
    account_slot: int
    item: int  # `index` of the row
    person: int
    old_value: int
    new_value: int
    amount_micros: int
    price_subticks: int
    other_price_subticks: int
    rate_ppb: int
    position_lots: int
    cash_micros: int
    actor: int
    approver: int
    reference: int


# --- actions ------------------------------------------------------------------------------------------------------


class Pending(Protocol):
    """A request that waits for what the engine makes of its command."""

    def complete(self, outcome: Outcome, now_ns: int) -> bytes | None:
        """The whole reply, None while other commands of the same request are still to come.

        Called once for each command, when it and all its work are done and before the next batch is applied: what the
        projection says then is exactly as of this batch.
        """
        ...


class Reply(Struct, gc=False):
    """Send one message: a JSON-RPC answer or notification."""

    data: bytes


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


Action = Reply | Submit | Subscribe | Unsubscribe | Close


class SessionLike(Protocol):
    """What the server expects of a session."""

    account_slot: int  # NIL before a login
    binary: bool  # the binary sub-protocol was chosen
    closed: bool  # nothing more is to be received

    def receive(self, data: bytes, now_ns: int) -> list[Action]:
        """One text message."""
        ...

    def receive_rows(self, data: bytes, now_ns: int) -> list[Action]:
        """One binary message; only a binary session takes them."""
        ...

    def tick(self, now_ns: int) -> list[Action]:
        """Called about every second: heartbeats, countdowns, ended keys."""
        ...

    def lost(self, now_ns: int) -> list[Action]:
        """The connection is gone; only `Submit` makes sense now."""
        ...
