"""History rows as the views that methods and feeds speak of."""

from struct import Struct
from typing import Any

from engine.code_values import FLAG_DELEVERAGING, FLAG_INVOLUNTARY_BITS, FLAG_TAKER
from engine.codes import CommandKind, EventKind, OrdStatus
from gateway.read_model.event_fold import ORDER_ROW
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.views import Candle, OrderView, TradeView, TransactionView, UserTradeView

ROW = Struct("<15q5ih10b64s")
assert ROW.size == ORDER_ROW.itemsize
_MONEY_NAMES = {
    EventKind.CASH_CHANGED: "transfer",
    EventKind.FUNDING_PAID: "settlement",
    EventKind.LIQUIDATION_FEE: "liquidation_fee",
    EventKind.FUND_PAID: "insurance",
    EventKind.POSITION_SETTLED: "delivery",
    EventKind.COLLATERAL_TAKEN: "collateral_sale",
}
_CASH_NAMES = {CommandKind.DEPOSIT: "deposit", CommandKind.WITHDRAW: "withdrawal"}


def label_json(label: bytes) -> bytes:
    """A label column as JSON text."""
    if label[0] == 0:
        return b'""'
    return encode(label.rstrip(b"\0").decode("utf-8", "replace"))


def order_view(data: Any, offset: int) -> OrderView:
    """The order in an ORDER row."""
    (
        order_id, cl_ord_id, created_ns, updated_ns, _seq, price, qty, _leaves, filled, filled_tick_lots, fee, trigger,
        offset_ticks, display, expire_ns, account_slot, contract_slot, flags, _, _, reason, _, side, ord_type, tif,
        status, source, triggered, replaced, _, _, label,
    ) = ROW.unpack_from(data, offset)  # fmt: skip
    return OrderView(
        order_id, account_slot, contract_slot, side, ord_type, tif, flags, price, qty, created_ns, updated_ns, filled,
        filled_tick_lots, fee, cl_ord_id, label_json(label), status, reason, source, trigger, offset_ticks, display,
        expire_ns, triggered != 0, replaced != 0,
    )  # fmt: skip


def trade_view(data: Any, offset: int) -> TradeView:
    """The public face of the taker's leg in a LEG row."""
    row = ROW.unpack_from(data, offset)
    forced = row[17] & FLAG_INVOLUNTARY_BITS != 0
    return TradeView(row[16], row[8], row[2], row[22], row[5], row[6], row[29], row[12], row[13], forced)


def closed_by_force(data: Any, offset: int) -> tuple[TradeView, bool] | None:
    """The leg of the position that was closed by force and whether by deleveraging; nothing for any other leg.

    At the book that is the taker's leg. A deleveraging trade has its giver's leg first, of the same trade right behind.
    """
    flags = ROW.unpack_from(data, offset)[17]
    if flags & FLAG_INVOLUNTARY_BITS == 0:
        return None
    if flags & FLAG_DELEVERAGING == 0:
        return (trade_view(data, offset), False) if flags & FLAG_TAKER else None
    before = ROW.unpack_from(data, offset - ROW.size) if offset else None
    view = trade_view(data, offset)
    is_second = before is not None and before[17] & FLAG_DELEVERAGING and (before[16], before[8]) == (
        view.contract_slot, view.trade_id
    )  # fmt: skip
    return (view, True) if is_second else None


def user_trade_view(data: Any, offset: int) -> UserTradeView:
    """One leg of a trade as its owner sees it."""
    row = ROW.unpack_from(data, offset)
    is_taker = row[17] & FLAG_TAKER != 0
    taker_side = row[22] if is_taker else 3 - row[22]
    forced = row[17] & FLAG_INVOLUNTARY_BITS != 0
    trade = TradeView(row[16], row[8], row[2], taker_side, row[5], row[6], row[29], row[12], row[13], forced)
    state = OrdStatus.FILLED if row[7] == 0 else OrdStatus.NEW
    return UserTradeView(
        trade, row[15], row[0], row[22], is_taker, row[10], row[23], row[17], state, row[1], label_json(row[31])
    )


def transaction_view(data: Any, offset: int, number: int) -> TransactionView:
    """A change of cash: a trade's leg or a money row."""
    row = ROW.unpack_from(data, offset)
    if row[20] == 0:
        return TransactionView(
            number, row[2], "trade", row[16], row[22], row[6], row[5], row[10], row[14], row[3], row[0], row[8]
        )
    kind = _CASH_NAMES.get(row[17], _MONEY_NAMES[EventKind.CASH_CHANGED])
    kind = kind if row[20] == EventKind.CASH_CHANGED else _MONEY_NAMES[EventKind(row[20])]
    return TransactionView(number, row[2], kind, row[16], 0, 0, 0, 0, row[14], row[3])


def candle_view(data: Any, offset: int) -> tuple[int, Candle]:
    """A closed minute and its contract's slot."""
    row = ROW.unpack_from(data, offset)
    return row[16], Candle(row[2], row[5], row[7], row[8], row[9], row[6], row[14])
