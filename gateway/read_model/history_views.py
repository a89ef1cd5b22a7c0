"""History rows as the views that methods and channels answer with.

Each view has a struct of its own that reads only the fields that it needs.
"""

from typing import Any, NamedTuple

from engine.code_values import FLAG_DELEVERAGING, FLAG_INVOLUNTARY_BITS, FLAG_TAKER, SIDE_BUY, SIDE_SELL
from engine.codes import CommandKind, EventKind, OrdStatus
from engine.row_layout import row_struct
from gateway.read_model.event_fold import LEG_ROW, ORDER_ROW
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.views import (
    Candle,
    NoticeView,
    OrderView,
    ReferenceView,
    TradeView,
    TransactionView,
    UserTradeView,
)

HISTORY_ROW_BYTES = ORDER_ROW.itemsize
_ORDER = row_struct(
    ORDER_ROW, "order_id", "cl_ord_id", "time_ns", "updated_ns", "price_ticks", "qty_lots", "filled_lots",
    "filled_tick_lots", "fee_micros", "trigger_price_ticks", "offset_ticks", "display_lots", "expire_ns",
    "account_slot", "contract_slot", "flags", "reason", "side", "ord_type", "tif", "status", "trigger_source",
    "triggered", "replaced", "label",
)  # fmt: skip
_TRADE = row_struct(
    LEG_ROW, "time_ns", "price_ticks", "lots", "trade_id", "mark_subticks", "index_subticks", "contract_slot", "flags",
    "side", "tick_direction", "affiliated_maker",
)  # fmt: skip
_FLAGS = row_struct(LEG_ROW, "flags")
_TRADE_OF_LEG = row_struct(LEG_ROW, "trade_id", "contract_slot", "flags")
_USER_TRADE = row_struct(
    LEG_ROW, "order_id", "cl_ord_id", "time_ns", "price_ticks", "lots", "leaves_lots", "trade_id", "fee_micros",
    "mark_subticks", "index_subticks", "account_slot", "contract_slot", "flags", "side", "ord_type", "tick_direction",
    "affiliated_maker", "label",
)  # fmt: skip
_CASH_CHANGE = row_struct(
    LEG_ROW, "order_id", "time_ns", "cash_micros", "price_ticks", "lots", "trade_id", "fee_micros", "position_lots",
    "change_micros", "contract_slot", "flags", "reason", "side",
)  # fmt: skip
_FUNDING = row_struct(LEG_ROW, "time_ns", "lots", "mark_subticks", "index_subticks", "change_micros", "contract_slot")
_CANDLE = row_struct(
    LEG_ROW, "time_ns", "price_ticks", "lots", "leaves_lots", "trade_id", "close_ticks", "change_micros",
    "contract_slot",
)  # fmt: skip
_REFERENCE = row_struct(LEG_ROW, "time_ns", "mark_subticks", "index_subticks", "contract_slot")
_NOTICE = row_struct(LEG_ROW, "time_ns", "cash_micros", "change_micros", "contract_slot", "flags", "reason")
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
        order_id, cl_ord_id, created_ns, updated_ns, price, qty, filled, filled_tick_lots, fee, trigger, trailing,
        display, expire_ns, account_slot, contract_slot, flags, reason, side, ord_type, tif, status, source, triggered,
        replaced, label,
    ) = _ORDER.unpack_from(data, offset)  # fmt: skip
    return OrderView(
        order_id, account_slot, contract_slot, side, ord_type, tif, flags, price, qty, created_ns, updated_ns, filled,
        filled_tick_lots, fee, cl_ord_id, label_json(label), status, reason, source, trigger, trailing, display,
        expire_ns, triggered != 0, replaced != 0,
    )  # fmt: skip


def trade_view(data: Any, offset: int) -> TradeView:
    """The public trade of a taker's LEG row."""
    row = _TRADE.unpack_from(data, offset)
    time_ns, price, lots, trade_id, mark, index, contract_slot, flags, side, direction, affiliated = row
    forced = flags & FLAG_INVOLUNTARY_BITS != 0
    return TradeView(
        contract_slot, trade_id, time_ns, side, price, lots, direction, mark, index, forced, affiliated != 0
    )


def closed_by_force(data: Any, offset: int) -> tuple[TradeView, bool] | None:
    """The trade that a LEG row closed by force, and whether by deleveraging; None for a leg that closed nothing so.

    A liquidation trades at the book, and the taker's leg closes. A deleveraging trade has two legs in a row: the first
    belongs to the account that gives up its profit, the second to the account that is closed.
    """
    (flags,) = _FLAGS.unpack_from(data, offset)
    if flags & FLAG_INVOLUNTARY_BITS == 0:
        return None
    if flags & FLAG_DELEVERAGING == 0:
        return (trade_view(data, offset), False) if flags & FLAG_TAKER else None
    view = trade_view(data, offset)
    if not offset:
        return None
    trade_id, contract_slot, flags_before = _TRADE_OF_LEG.unpack_from(data, offset - HISTORY_ROW_BYTES)
    is_same = (contract_slot, trade_id) == (view.contract_slot, view.trade_id)
    return (view, True) if is_same and flags_before & FLAG_DELEVERAGING else None


def user_trade_view(data: Any, offset: int) -> UserTradeView:
    """One leg of a trade as its owner sees it; the public trade in it has the taker's side."""
    (
        order_id, cl_ord_id, time_ns, price, lots, leaves, trade_id, fee, mark, index, account_slot, contract_slot,
        flags, side, ord_type, direction, affiliated, label,
    ) = _USER_TRADE.unpack_from(data, offset)  # fmt: skip
    is_taker = flags & FLAG_TAKER != 0
    taker_side = side if is_taker else SIDE_BUY + SIDE_SELL - side
    forced = flags & FLAG_INVOLUNTARY_BITS != 0
    trade = TradeView(
        contract_slot, trade_id, time_ns, taker_side, price, lots, direction, mark, index, forced, affiliated != 0
    )
    state = OrdStatus.FILLED if leaves == 0 else OrdStatus.NEW
    return UserTradeView(
        trade, account_slot, order_id, side, is_taker, fee, ord_type, flags, state, cl_ord_id, label_json(label)
    )


def transaction_view(data: Any, offset: int, number: int) -> TransactionView:
    """A change of cash: a trade's leg, or a money row, which has the EventKind in `reason` and its code in `flags`."""
    (
        order_id, time_ns, cash, price, lots, trade_id, fee, position, change, contract_slot, flags, reason, side,
    ) = _CASH_CHANGE.unpack_from(data, offset)  # fmt: skip
    if reason == 0:
        gained = position if side == SIDE_BUY else -position  # the position after it, seen from the trade's own side
        return TransactionView(
            number, time_ns, "trade", contract_slot, side, lots, price, fee, change, cash, order_id, trade_id,
            flags & FLAG_TAKER != 0, gained > 0, gained < lots, flags & FLAG_INVOLUNTARY_BITS != 0,
        )  # fmt: skip
    kind = _MONEY_NAMES[EventKind(reason)]
    if reason == EventKind.CASH_CHANGED:
        kind = _CASH_NAMES.get(flags, kind)
    return TransactionView(number, time_ns, kind, contract_slot, 0, 0, 0, 0, change, cash)


class FundingRate(NamedTuple):
    """The rate of a settled interval, its length, and the index and the mark then."""

    time_ns: int
    index_subticks: int
    rate_ppb: int
    mark_subticks: int
    interval_s: int


def funding_rate(data: Any, offset: int) -> tuple[int, FundingRate]:
    """(contract slot, rate) of a funding row."""
    time_ns, interval_s, mark_subticks, index_subticks, rate_ppb, contract_slot = _FUNDING.unpack_from(data, offset)
    return contract_slot, FundingRate(time_ns, index_subticks, rate_ppb, mark_subticks, interval_s)


def notice_view(data: Any, offset: int) -> NoticeView:
    """A notice in a LEG row of the reports: its code or reason is in `flags`, its two figures where cash is."""
    time_ns, old_value, new_value, contract_slot, code, kind = _NOTICE.unpack_from(data, offset)
    return NoticeView(kind, contract_slot, code, old_value, new_value, time_ns)


def candle_view(data: Any, offset: int) -> tuple[int, Candle]:
    """(contract slot, closed minute) of a candle row, whose prices and volumes lie where LEG_ROW says."""
    (
        start_ns, open_ticks, lots, high_ticks, low_ticks, close_ticks, tick_lots, contract_slot,
    ) = _CANDLE.unpack_from(data, offset)  # fmt: skip
    return contract_slot, Candle(start_ns, open_ticks, high_ticks, low_ticks, close_ticks, lots, tick_lots)


def reference_view(data: Any, offset: int) -> tuple[int, ReferenceView]:
    """(contract slot, minute that is over) of a row of reference prices."""
    start_ns, mark_subticks, index_subticks, contract_slot = _REFERENCE.unpack_from(data, offset)
    return contract_slot, ReferenceView(start_ns, mark_subticks, index_subticks)
