"""Closing a whole position with one request.

A position larger than one order may be is closed with several, and what is below the smallest order with an order of
that size: all of them only reduce, so together they never do more than close.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from engine.code_values import EXEC_REDUCE_ONLY, SIDE_BUY, SIDE_SELL, TIF_GTC, TIF_IOC, TYPE_LIMIT
from engine.codes import Reason
from gateway.read_model import render
from gateway.sessions import method_table
from gateway.sessions.actions import Action, Submit
from gateway.sessions.methods.common import contract_of
from gateway.sessions.methods.trading import ORDER_TYPES, limit_price
from gateway.sessions.state import Call, SessionState
from gateway.wire import command_rows
from gateway.wire.command_rows import NewRow
from gateway.wire.decimals import Contract
from gateway.wire.errors import ErrorCode, Refusal, refusal_of
from gateway.wire.views import Outcome

MAX_ORDERS = 500
"""The most orders that one request makes."""


class ClosingPending(Struct, gc=False):
    """Waits for the orders of one closing. `order` of the answer is the first, `orders` all if there are more."""

    call: Any
    side: int
    left: int
    orders: list[bytes] = []
    trades: list[bytes] = []
    refused: int = 0
    why: Any = None

    def complete(self, outcome: Outcome, now_ns: int) -> bytes | None:
        """The whole reply when the last order is done, nothing before; an error when the first was refused."""
        self.left -= 1
        if outcome.reason and not self.refused:
            self.refused, self.why = outcome.reason, outcome.why
        projection = self.call.projection
        view = None if outcome.reason else projection.order(self.call.session.account_slot, outcome.order_id)
        if view is not None:
            contract = projection.contract_at(view.contract_slot)
            self.orders.append(render.order(contract, view))
            self.trades += [render.user_trade(contract, trade) for trade in outcome.trades]
        if self.left:
            return None
        if not self.orders:
            reason = Reason(self.refused or Reason.UNKNOWN_ORDER)
            return self.call.error(refusal_of(reason, self.why, self.side), now_ns)
        refused = Reason(self.refused).name if self.refused else ""
        return self.call.reply(render.closed(self.orders, self.trades, refused), now_ns)


def close_position(session: SessionState, params: method_table.ClosePositionParams, call: Call) -> list[Action]:
    """Reduce-only orders for the whole position: market, or limit at a price."""
    contract = contract_of(call.projection, params.instrument_name)
    size = call.projection.positions.size_lots(session.account_slot, contract.slot)
    if size == 0:
        raise Refusal(ErrorCode.ALREADY_CLOSED, f"there is no position in {contract.name}", "instrument_name")
    side = SIDE_SELL if size > 0 else SIDE_BUY
    ord_type = ORDER_TYPES[params.type]
    price_ticks = limit_price(contract, params.price, ord_type, params.type)
    tif = TIF_GTC if ord_type == TYPE_LIMIT else TIF_IOC
    parts = _parts(call, contract, abs(size), price_ticks or _market_price(call, contract, side))
    pending = ClosingPending(call, side, len(parts))
    return [
        Submit(
            command_rows.new_row(
                session.signer, NewRow(contract.slot, side, ord_type, tif, lots, price_ticks, EXEC_REDUCE_ONLY)
            ),
            pending,
        )
        for lots in parts
    ]


def _market_price(call: Call, contract: Contract, side: int) -> int:
    """The limit that the engine gives a market order: the edge of the price band."""
    view = call.projection.ticker(contract.slot)
    return view.max_price_ticks if side == SIDE_BUY else view.min_price_ticks


def _parts(call: Call, contract: Contract, lots: int, price_ticks: int) -> list[int]:
    """The quantities of the orders that close so much: as large as one order may be, the last at least the smallest."""
    terms = call.projection.terms(contract.slot)
    step = terms.lot_step
    most = terms.max_order_lots
    if terms.max_order_value_micros and price_ticks:
        most = min(most, terms.max_order_value_micros // (price_ticks * contract.micros_per_tick_lot))
    smallest = -(-terms.min_order_lots // step) * step
    most = max(most // step * step, smallest)
    whole, rest = divmod(lots, most)
    count = whole + (rest > 0)
    if count > MAX_ORDERS:
        reason = (
            f"QTY_TOO_LARGE: closing {contract.amount_words(lots)} takes {count:,} orders of at most "
            f"{contract.amount_words(most)}, more than {MAX_ORDERS}; reduce the position first"
        )
        raise Refusal(ErrorCode.INVALID_ARGUMENTS, reason, "instrument_name")
    return [most] * whole + ([max(rest, smallest)] if rest else [])


HANDLERS: dict[str, Callable[..., Any]] = {"private/close_position": close_position}
