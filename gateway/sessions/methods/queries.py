"""A client's own orders and trades."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from gateway.read_model import render
from gateway.sessions import method_table, slices
from gateway.sessions.methods.common import (
    OLD_ORDER_NS,
    WAITING_TYPES,
    contract_of,
    contracts_of,
    count_of,
    id_of,
    order_id_of,
    slots_of,
    span_of,
    types_of,
)
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire.decimals import Contract
from gateway.wire.errors import ErrorCode, Refusal, bad_param
from gateway.wire.views import OrderView, Span


def _orders(call: Call, views: Iterable[OrderView]) -> Slices:
    return slices.array(render.order(call.projection.contract_at(view.contract_slot), view) for view in views)


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


def get_open_orders(session: SessionState, params: Any, call: Call) -> Slices:
    """Open and untriggered orders of an instrument, a currency or the whole account; `type` narrows down."""
    types = types_of(params.type, WAITING_TYPES)
    slots = slots_of(_contracts(call, params))
    views = call.projection.open_orders(session.account_slot)
    return _orders(call, [view for view in views if view.contract_slot in slots and view.ord_type in types])


def get_order_history(session: SessionState, params: Any, call: Call) -> Slices:
    """Closed orders of the last two days, newest first; `include_old`: of all days, `include_unfilled`: all of them."""
    start_ns = 0 if params.include_old else call.now_ns - OLD_ORDER_NS
    span = Span(start_ns, count=count_of(params.count, 20), offset=id_of(params.offset, "offset", 0))
    slots = slots_of(_contracts(call, params))
    is_asked = params.include_unfilled is True
    views = call.projection.order_history(session.account_slot, slots, span, with_unfilled=is_asked)
    return _orders(call, views)


def get_user_trades(session: SessionState, params: Any, call: Call) -> Slices:
    """Own trades; see `span_of` for their order."""
    contracts = _contracts(call, params)
    span = between_ids(params, call, contracts, span_of(params, call.now_ns))
    rows, has_more = call.projection.user_trades(session.account_slot, slots_of(contracts), span)
    trades = (render.user_trade(call.projection.contract_at(row.trade.contract_slot), row) for row in rows)
    return slices.trades(trades, has_more)


def between_ids(params: Any, call: Call, contracts: list[Contract], span: Span) -> Span:
    """The span from the trade `start_id` to the trade `end_id`, in the order of all trades of the venue."""
    start, end = getattr(params, "start_id", None), getattr(params, "end_id", None)
    if start is not None:
        span = replace(span, first_place=_place(call, contracts, start, "start_id"))
    if end is not None:
        span = replace(span, last_place=_place(call, contracts, end, "end_id"))
    return span


def _place(call: Call, contracts: list[Contract], text: str, param: str) -> int:
    base, _, number = text.rpartition("-")
    for contract in contracts:
        if contract.base == base and number.isascii() and number.isdigit() and len(number) <= 18:
            return call.projection.trade_place(contract.slot, int(number), param == "end_id")
    raise bad_param(param, f"{text[:40]!r} is not the id of a trade in this currency; give a trade_id such as BTC-15")


def get_user_trades_by_order(session: SessionState, params: method_table.UserTradesOrderParams, call: Call) -> Slices:
    """The trades of one order, oldest first, as a bare list."""
    rows = call.projection.order_trades(session.account_slot, order_id_of(params.order_id))
    if params.sorting == "desc":
        rows = rows[::-1]
    return slices.array(render.user_trade(call.projection.contract_at(row.trade.contract_slot), row) for row in rows)


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
