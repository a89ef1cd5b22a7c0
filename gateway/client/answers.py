"""Orders, trades and positions as the venue reports them, numbers exact."""

from decimal import Decimal

import msgspec


class Order(msgspec.Struct, kw_only=True):
    """An order as the venue reports it."""

    order_id: str
    instrument_name: str
    direction: str
    order_type: str
    order_state: str
    given_price: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="price")
    amount: Decimal
    filled_amount: Decimal
    average_price: Decimal
    label: str = ""
    time_in_force: str = ""
    post_only: bool = False
    reduce_only: bool = False
    creation_timestamp: int = 0
    last_update_timestamp: int = 0
    cl_ord_id: int = 0
    cancel_reason: str = ""
    trigger_price: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """Its limit, or of a market order its average; None while a conditional market order waits for its trigger."""
        text = bytes(self.given_price)
        return None if text[:1] in (b'"', b"n") else Decimal(text.decode())


class Trade(msgspec.Struct, kw_only=True):
    """A trade; only own trades have the last fields. `affiliated_maker`: the maker is of the venue's own group."""

    trade_id: str
    trade_seq: int
    timestamp: int
    instrument_name: str
    price: Decimal
    amount: Decimal
    direction: str
    affiliated_maker: bool
    order_id: str = ""
    liquidity: str = ""
    fee: Decimal = Decimal(0)
    label: str = ""


class Placed(msgspec.Struct):
    """The answer to an order: the order and the trades that it made at once."""

    order: Order
    trades: list[Trade]


class Position(msgspec.Struct, kw_only=True):
    """A position; `size` is negative when short."""

    instrument_name: str
    direction: str
    size: Decimal
    average_price: Decimal
    mark_price: Decimal | None = None
    floating_profit_loss: Decimal = Decimal(0)
    realized_profit_loss: Decimal = Decimal(0)
    initial_margin: Decimal = Decimal(0)
    maintenance_margin: Decimal = Decimal(0)
    leverage: int = 0
    estimated_liquidation_price: Decimal | None = None
