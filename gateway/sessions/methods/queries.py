"""A client's own orders and trades."""

from collections.abc import Callable
from typing import Any

from engine.codes import OrdType
from gateway.read_model import render
from gateway.sessions import method_table
from gateway.sessions.methods.common import (
    contract_of,
    contracts_of,
    order_id_of,
    slots_of,
    span_of,
)
from gateway.sessions.state import Call, SessionState
from gateway.wire.decimals import Contract
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.views import OrderView, Span


def _orders(call: Call, views: list[OrderView]) -> bytes:
    return render.array(render.order(call.projection.contract_at(view.contract_slot), view) for view in views)


def _contracts(call: Call, params: Any) -> list[Contract]:
    """The contracts that a request by instrument or by currency means."""
    if hasattr(params, "instrument_name"):
        return [contract_of(call.projection, params.instrument_name)]
    return contracts_of(call.projection, getattr(params, "currency", None), params.kind)


def get_order_state(session: SessionState, params: method_table.OrderIdParams, call: Call) -> bytes:
    """One order, open or closed."""
    view = call.projection.order(session.account_slot, order_id_of(params.order_id))
    if view is None:
        reason = f"UNKNOWN_ORDER: {params.order_id} is no order of this account"
        raise Refusal(ErrorCode.ORDER_NOT_FOUND, reason, "order_id")
    return render.order(call.projection.contract_at(view.contract_slot), view)


def get_open_orders(session: SessionState, params: Any, call: Call) -> bytes:
    """Open and untriggered orders of an instrument, a currency or the whole account; `type` narrows down."""
    slots = slots_of(_contracts(call, params))
    views = call.projection.open_orders(session.account_slot)
    return _orders(call, [view for view in views if view.contract_slot in slots and _is_type(view, params.type)])


def _is_type(view: OrderView, wanted: str | None) -> bool:
    """Whether an order is of a type or of a family such as stop_all or trigger_all."""
    if wanted in (None, "all"):
        return True
    name = OrdType(view.ord_type).name.lower()
    if wanted == "trigger_all":
        return view.ord_type > OrdType.LIMIT
    return name == wanted or (str(wanted).endswith("_all") and name.startswith(str(wanted)[:-4]))


def get_order_history(session: SessionState, params: Any, call: Call) -> bytes:
    """Closed orders, newest first; those without a fill too, unless include_unfilled is false."""
    span = span_of(params, call.now_ns)
    span = Span(count=span.count, offset=span.offset)
    views = call.projection.order_history(session.account_slot, slots_of(_contracts(call, params)), span)
    if params.include_unfilled is False:
        views = [view for view in views if view.filled_lots]
    return _orders(call, views)


def get_user_trades(session: SessionState, params: Any, call: Call) -> bytes:
    """Own trades, newest first unless asked otherwise."""
    slots = slots_of(_contracts(call, params))
    rows, has_more = call.projection.user_trades(session.account_slot, slots, span_of(params, call.now_ns))
    trades = render.array(render.user_trade(call.projection.contract_at(row.trade.contract_slot), row) for row in rows)
    return b'{"trades":%b,"has_more":%b}' % (trades, b"true" if has_more else b"false")


def get_user_trades_by_order(session: SessionState, params: method_table.UserTradesOrderParams, call: Call) -> bytes:
    """The trades of one order, oldest first, as a bare list."""
    rows = call.projection.order_trades(session.account_slot, order_id_of(params.order_id))
    if params.sorting == "desc":
        rows = rows[::-1]
    return render.array(render.user_trade(call.projection.contract_at(row.trade.contract_slot), row) for row in rows)


HANDLERS: dict[str, Callable[..., Any]] = {
    "private/get_order_state": get_order_state,
    "private/get_open_orders": get_open_orders,
    "private/get_open_orders_by_instrument": get_open_orders,
    "private/get_open_orders_by_currency": get_open_orders,
    "private/get_order_history_by_instrument": get_order_history,
    "private/get_order_history_by_currency": get_order_history,
    "private/get_user_trades_by_instrument": get_user_trades,
    "private/get_user_trades_by_instrument_and_time": get_user_trades,
    "private/get_user_trades_by_currency": get_user_trades,
    "private/get_user_trades_by_currency_and_time": get_user_trades,
    "private/get_user_trades_by_order": get_user_trades_by_order,
}
