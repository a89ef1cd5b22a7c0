"""What a session tells the server, what it may read, and the rows that both speak of. Types only.

A session never writes to a socket: `receive`, `tick` and `lost` answer a list of actions. A reply is released when
everything that it can have seen is durable; the server sees to that, so a session just answers with what it reads.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.translate import Contract

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
    index: int
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
    """A request that waits for what the engine makes of its commands."""

    def complete(self, rows: list[Row], reader: "Reader", now_ns: int) -> bytes | None:
        """The whole reply, from the rows that the request's commands caused; None: it is not complete yet.

        Called right after the batch was applied, before the next one is, with every row that carries the sequence of
        the request's first command (rows of due timers and of other accounts among them). An incomplete one is called
        again with each later batch's rows that carry that sequence: MASS_CANCELLED may come late.
        """
        ...


class Reply:
    """Send one message: a JSON-RPC answer or notification."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Submit:
    """Sequence command rows (128 bytes each, sequence and time still zero) in one piece.

    `pending` is None on a binary session: its account's rows go back as they are.
    """

    __slots__ = ("pending", "rows")

    def __init__(self, rows: bytes, pending: Pending | None) -> None:
        self.rows = rows
        self.pending = pending


class Subscribe:
    """Join channels, all of them acceptable to `Reader.accepts`; follows the reply that names them."""

    __slots__ = ("channels",)

    def __init__(self, channels: Sequence[str]) -> None:
        self.channels = channels


class Unsubscribe:
    """Leave channels."""

    __slots__ = ("channels",)

    def __init__(self, channels: Sequence[str]) -> None:
        self.channels = channels


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


# --- what may be read ---------------------------------------------------------------------------------------------


class Order(NamedTuple):
    """An order, open or closed."""

    order_id: int
    cl_ord_id: int
    created_ns: int
    updated_ns: int
    updated_seq: int
    price_ticks: int
    qty_lots: int  # total, filled included
    leaves_lots: int
    filled_lots: int
    cost_tick_lots: int  # sum of price x quantity of its fills
    fee_micros: int  # sum over its fills
    trigger_price_ticks: int
    account_slot: int
    contract_slot: int
    flags: int  # ExecInst bits
    side: int
    ord_type: int
    tif: int
    status: int  # OrdStatus
    reason: int  # why it ended; 0 while open or filled
    amended: int  # 1: was amended
    triggered: int  # 1: was conditional and has triggered
    label: bytes


class Trade(NamedTuple):
    """One leg of a trade: the taker's leg is the public one."""

    seq: int
    time_ns: int
    order_id: int
    cl_ord_id: int
    trade_id: int
    price_ticks: int
    lots: int
    leaves_lots: int
    fee_micros: int
    position_lots: int
    cash_micros: int
    mark_subticks: int
    index_subticks: int
    account_slot: int
    contract_slot: int
    flags: int  # ExecInst and EventFlag bits
    side: int
    ord_type: int
    tick_direction: int  # 0 plus, 1 zero-plus, 2 minus, 3 zero-minus
    label: bytes


class Position(NamedTuple):
    """An account's position in one contract."""

    contract_slot: int
    size_lots: int
    entry_cost_micros: int
    realised_micros: int
    funding_micros: int
    leverage: int
    margin_mode: int
    isolated_micros: int
    initial_margin_micros: int
    maintenance_margin_micros: int
    unrealised_micros: int
    liquidation_subticks: int  # 0: none
    adl_lights: int


class Figures(NamedTuple):
    """An account's money."""

    cash_micros: int
    equity_micros: int
    unrealised_micros: int
    initial_margin_micros: int
    maintenance_margin_micros: int
    available_micros: int
    withdrawable_micros: int
    realised_micros: int


class Ticker(NamedTuple):
    """A contract as it stands; prices 0 and lots 0 when there is none."""

    time_ns: int
    state: int  # MarketState
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    last_ticks: int
    mark_subticks: int
    index_subticks: int
    min_ticks: int
    max_ticks: int
    funding_rate_ppb: int  # of the last settled interval
    predicted_rate_ppb: int
    open_interest_lots: int
    high_ticks: int  # of the last 24 hours, as the next four
    low_ticks: int
    volume_lots: int
    volume_micros: int
    open_ticks: int


class Candle(NamedTuple):
    """Open, high, low, close and volume of one period."""

    start_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    cost_micros: int


class Funding(NamedTuple):
    """One settled funding rate."""

    time_ns: int
    rate_ppb: int
    index_subticks: int
    mark_subticks: int


class Book(NamedTuple):
    """Depth: (price_ticks, lots), best first."""

    change_id: int
    time_ns: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class Reader(Protocol):
    """Everything that a method may ask. It sees every command received so far; times in ns, contract NIL = all."""

    contracts: dict[str, Contract]  # by name
    slots: list[Contract]  # by slot
    last_seq: int
    accepting: bool  # False: shutting down, orders are refused

    def accepts(self, channel: str, account_slot: int) -> bool: ...
    def order(self, order_id: int) -> Order | None: ...
    def find_order(self, account_slot: int, cl_ord_id: int) -> Order | None: ...
    def open_orders(self, account_slot: int, contract_slot: int) -> list[Order]: ...
    def order_history(self, account_slot: int, contract_slot: int, count: int, offset: int) -> list[Order]: ...
    def user_trades(
        self, account_slot: int, contract_slot: int, start_ns: int, end_ns: int, count: int, newest_first: bool
    ) -> tuple[list[Trade], bool]: ...
    def order_trades(self, account_slot: int, order_id: int) -> list[Trade]: ...
    def trades(
        self, contract_slot: int, start_ns: int, end_ns: int, count: int, newest_first: bool
    ) -> tuple[list[Trade], bool]: ...
    def position(self, account_slot: int, contract_slot: int) -> Position: ...
    def positions(self, account_slot: int) -> list[Position]: ...
    def figures(self, account_slot: int) -> Figures: ...
    def transactions(self, account_slot: int, start_ns: int, end_ns: int) -> list[Row]: ...
    def events_since(self, account_slot: int, seq: int, count: int) -> list[Row]: ...
    def ticker(self, contract_slot: int) -> Ticker: ...
    def book(self, contract_slot: int, depth: int) -> Book: ...
    def candles(self, contract_slot: int, period_s: int, start_ns: int, end_ns: int) -> list[Candle]: ...
    def funding(self, contract_slot: int, start_ns: int, end_ns: int) -> list[Funding]: ...
