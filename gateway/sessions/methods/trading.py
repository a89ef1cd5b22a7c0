"""Orders: what a request becomes as command rows, and what its outcome becomes as an answer."""

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from engine.code_values import (
    EXEC_CONFIRMED,
    EXEC_ICEBERG,
    EXEC_POST_ONLY,
    EXEC_REDUCE_ONLY,
    EXEC_REJECT_POST_ONLY,
    FLAG_MADE_REDUCE_ONLY,
    SELF_TRADE_CANCEL_MAKER,
    SIDE_BUY,
    SIDE_SELL,
    SOURCE_INDEX,
    SOURCE_LAST,
    SOURCE_MARK,
    TIF_FOK,
    TIF_GTC,
    TIF_GTD,
    TIF_IOC,
    TYPE_LIMIT,
    TYPE_STOP_LIMIT,
    TYPE_TAKE_LIMIT,
    TYPE_TRAILING_STOP,
)
from engine.codes import ExecInst, OrdType, Reason, SelfTrade, Switch
from engine.units import INT64_MAX
from gateway.read_model import render
from gateway.sessions import method_table
from gateway.sessions.actions import Action, Submit
from gateway.sessions.dead_mans_switch import SwitchPending, switch_row
from gateway.sessions.methods.common import (
    MAX_MS,
    NS_PER_MS,
    contract_of,
    order_id_of,
    time_ns,
)
from gateway.sessions.state import Call, SessionState
from gateway.wire import command_rows
from gateway.wire.command_rows import NewRow
from gateway.wire.decimals import ABSENT, Contract, given, parse_client_id, parse_integer
from gateway.wire.errors import ErrorCode, Refusal, bad_param, refusal_of
from gateway.wire.views import OrderView, Outcome

# Plain ints: an enum's member costs more to look up and combine than the rest of a request's translation.
ORDER_TYPES: dict[str, int] = {kind.name.lower(): int(kind) for kind in OrdType}
TIMES_IN_FORCE: dict[str | None, int] = {
    None: TIF_GTC,
    "good_til_cancelled": TIF_GTC,
    "good_til_day": TIF_GTD,
    "immediate_or_cancel": TIF_IOC,
    "fill_or_kill": TIF_FOK,
}
SOURCES: dict[str | None, int] = {
    None: SOURCE_MARK,
    "mark_price": SOURCE_MARK,
    "index_price": SOURCE_INDEX,
    "last_price": SOURCE_LAST,
}
SELF_TRADES: dict[str | None, int] = {
    None: SELF_TRADE_CANCEL_MAKER,
    **{mode.name.lower(): int(mode) for mode in SelfTrade},
}
_LIMITS = (TYPE_LIMIT, TYPE_STOP_LIMIT, TYPE_TAKE_LIMIT)
_DAY_NS = 86_400 * 1_000_000_000
_COUNTDOWN_MAX_MS = 24 * 3600 * 1000


# --- pendings -----------------------------------------------------------------------------------------------------


class OrderPending(Struct, gc=False):
    """Waits for one order: answers {order, trades}, or the bare order of a cancel."""

    call: Any
    account_slot: int
    side: int
    is_cancel: bool = False

    def complete(self, outcome: Outcome, now_ns: int) -> bytes:
        """The whole reply."""
        call = self.call
        projection = call.session.projection
        if outcome.reason:
            return call.error(self._refusal(outcome), now_ns)
        view = projection.order(self.account_slot, outcome.order_id)
        if view is None:
            return call.error(_unknown(str(outcome.order_id)), now_ns)
        contract = projection.contract_at(view.contract_slot)
        order = render.order(contract, view)
        if self.is_cancel:
            return call.reply(order, now_ns)
        trades = [render.user_trade(contract, trade) for trade in outcome.trades]
        return call.reply(render.placed(order, trades), now_ns)

    def _refusal(self, outcome: Outcome) -> Refusal:
        reason = Reason(outcome.reason)
        if reason == Reason.UNKNOWN_ORDER and outcome.order_id:
            view = self.call.projection.order(self.account_slot, outcome.order_id)
            if view is not None and not view.is_open:
                return ended(view, ErrorCode.ALREADY_CLOSED if self.is_cancel else ErrorCode.NOT_OPEN_ORDER)
        return refusal_of(reason, outcome.why, self.side)


def ended(view: OrderView, code: ErrorCode) -> Refusal:
    """An order that is asked for is not open any more."""
    return Refusal(code, f"UNKNOWN_ORDER: order {view.order_id} is {render.STATE[view.status].decode()}", "order_id")


def _unknown(order_id: str) -> Refusal:
    reason = f"UNKNOWN_ORDER: {order_id[:40]!r} is no order of this account"
    return Refusal(ErrorCode.ORDER_NOT_FOUND, reason, "order_id")


# --- new ----------------------------------------------------------------------------------------------------------


def buy(session: SessionState, params: method_table.OrderParams, call: Call) -> list[Action]:
    """Place a buy order."""
    return _place(session, params, call, SIDE_BUY)


def sell(session: SessionState, params: method_table.OrderParams, call: Call) -> list[Action]:
    """Place a sell order."""
    return _place(session, params, call, SIDE_SELL)


def _place(session: SessionState, params: method_table.OrderParams, call: Call, side: int) -> list[Action]:
    return [Submit(asked(session, params, call, side), OrderPending(call, session.signer.account_slot, side))]


def asked(session: SessionState, params: method_table.OrderParams, call: Call, side: int) -> bytes:
    """The rows of the log that an order's request asks for, its label's among them. Refusal for a bad parameter."""
    contract = contract_of(session.projection, params.instrument_name)
    row = _new_row(contract, params, call.now_ns, side)
    if params.valid_until is not ABSENT:
        _check_deadline(params.valid_until, call.now_ns)
    if session.context.confirmation.is_on:
        session.context.confirmation.check_order(session.projection, contract, row)
    label = b""
    if params.clientOrderId is not None:
        label = _named_by_client(params, row)
    elif params.label:
        label = command_rows.label_bytes(params.label)
    return command_rows.new_row(session.signer, row, label)


def _new_row(contract: Contract, params: method_table.OrderParams, now_ns: int, side: int) -> NewRow:
    """The command that a request asks for; every number exact, nothing that was sent is left out."""
    if params.contracts is not ABSENT or params.direction is not None:
        _check_repeated(contract, params, side)
    elif not given(params.amount):
        raise bad_param("amount", "it is missing; give the quantity in base currency")
    ord_type = ORDER_TYPES[params.type]
    row = NewRow(
        contract.slot,
        side,
        ord_type,
        TIMES_IN_FORCE[params.time_in_force],
        contract.amount_lots(params.amount if given(params.amount) else params.contracts),
        limit_price(contract, params.price, ord_type, params.type),
        _flags(params),
        SELF_TRADES[params.stp],
        SOURCES[params.trigger],
    )
    if not _is_plain(params, row):
        _add_extras(contract, params, row, now_ns)
    return row


def _check_repeated(contract: Contract, params: method_table.OrderParams, side: int) -> None:
    """What a request says twice must be the same."""
    if params.direction is not None and (params.direction == "buy") != (side == SIDE_BUY):
        raise bad_param("direction", f"{params.direction} is not what the method does; leave it out")
    if not given(params.amount) and not given(params.contracts):
        raise bad_param("amount", "it is missing; give the quantity in base currency")
    if given(params.amount) and given(params.contracts):
        if contract.amount_lots(params.amount) != contract.amount_lots(params.contracts, "contracts"):
            raise bad_param("contracts", "it is not the amount; a contract has the size 1: send one of them")


def _is_plain(params: method_table.OrderParams, row: NewRow) -> bool:
    """Whether nothing was sent beyond what most orders have; an absent number is one and the same object."""
    return (
        row.ord_type <= TYPE_LIMIT
        and row.tif != TIF_GTD
        and params.cl_ord_id is ABSENT
        and params.trigger is None
        and params.trigger_price is ABSENT
        and params.trigger_offset is ABSENT
        and params.display_amount is ABSENT
        and params.max_show is ABSENT
        and params.expires_at is ABSENT
    )


def _add_extras(contract: Contract, params: method_table.OrderParams, row: NewRow, now_ns: int) -> None:
    if given(params.cl_ord_id):
        row.cl_ord_id = parse_client_id(params.cl_ord_id, "cl_ord_id")
    if row.ord_type > TYPE_LIMIT or params.trigger or given(params.trigger_price) or given(params.trigger_offset):
        _add_trigger(contract, params, row)
    if given(params.display_amount) and given(params.max_show):
        raise bad_param("max_show", "it is another spelling of display_amount; send one of them")
    for name, display in (("display_amount", params.display_amount), ("max_show", params.max_show)):
        if given(display):
            row.display_lots = contract.amount_lots(display, name)
            row.flags |= EXEC_ICEBERG
    if given(params.expires_at) or row.tif == TIF_GTD:
        _add_expiry(params, row, now_ns)


def _named_by_client(params: method_table.OrderParams, row: NewRow) -> bytes:
    """The label of an order with `clientOrderId`, which is the order's client id if it can be one, else its label."""
    text = str(params.clientOrderId)
    client_id = int(text) if re.fullmatch("[1-9][0-9]{0,18}", text) else 0
    if 0 < client_id <= INT64_MAX:
        if row.cl_ord_id not in (0, client_id):
            raise bad_param("clientOrderId", f"{text} is not cl_ord_id {row.cl_ord_id}; send one of them")
        row.cl_ord_id = client_id
        return command_rows.label_bytes(params.label)
    if params.label and params.label != text:
        raise bad_param("clientOrderId", f"{text[:64]!r} is not the label {params.label[:64]!r}; send one of them")
    return command_rows.label_bytes(text, "clientOrderId")


def limit_price(contract: Contract, price: Any, ord_type: int, name: str) -> int:
    """An order's limit in ticks, 0 for a type without one; `name` is the type's."""
    if ord_type in _LIMITS:
        if not given(price):
            raise bad_param("price", f"it is missing; an order of type {name} has a price")
        return contract.price_ticks(price)
    if given(price):
        raise bad_param("price", f"an order of type {name} takes no price; leave it out")
    return 0


def _flags(params: method_table.OrderParams) -> int:
    flags = 0
    if params.post_only:
        flags = EXEC_POST_ONLY | EXEC_REJECT_POST_ONLY if params.reject_post_only else EXEC_POST_ONLY
    if params.reduce_only or params.reduceOnly:
        flags |= EXEC_REDUCE_ONLY
    if params.confirm:
        flags |= EXEC_CONFIRMED
    return flags


def _add_trigger(contract: Contract, params: method_table.OrderParams, row: NewRow) -> None:
    """Trigger price or offset: exactly what the type needs, so that no trigger is dropped in silence."""
    trailing = row.ord_type == TYPE_TRAILING_STOP
    conditional = row.ord_type > TYPE_LIMIT
    for name, raw, wanted in (
        ("trigger_price", params.trigger_price, conditional and not trailing),
        ("trigger_offset", params.trigger_offset, trailing),
    ):
        if given(raw) and not wanted:
            raise bad_param(name, f"an order of type {params.type} takes no {name}; leave it out or change the type")
        if wanted and not given(raw):
            raise bad_param(name, f"it is missing; an order of type {params.type} needs it")
    if params.trigger and not conditional:
        raise bad_param("trigger", f"an order of type {params.type} has no trigger; leave it out or change the type")
    if trailing:
        row.offset_ticks = contract.price_ticks(params.trigger_offset, "trigger_offset")
    else:
        row.trigger_price_ticks = contract.price_ticks(params.trigger_price, "trigger_price")


def _add_expiry(params: method_table.OrderParams, row: NewRow, now_ns: int) -> None:
    """good_til_day ends at the next 00:00 UTC; `expires_at` names the instant, in ms and whole seconds."""
    if not given(params.expires_at):
        row.expire_ns = (now_ns // _DAY_NS + 1) * _DAY_NS
        return
    if row.tif not in (TIF_GTC, TIF_GTD):
        raise bad_param("expires_at", f"an order that is {params.time_in_force} does not wait; leave it out")
    row.expire_ns = parse_integer(params.expires_at, "expires_at", 0, MAX_MS) * NS_PER_MS
    row.tif = TIF_GTD


def _check_deadline(raw: Any, now_ns: int) -> None:
    if given(raw) and time_ns(raw, "valid_until", 0) < now_ns:
        raise Refusal(ErrorCode.INVALID_ARGUMENTS, "the request came after its valid_until", "valid_until")


# --- amend --------------------------------------------------------------------------------------------------------


def edit(session: SessionState, params: method_table.EditParams, call: Call) -> list[Action]:
    """Amend an order by its id."""
    return _amend(session, params, call, named_order(session, params.order_id, call))


def named_order(session: SessionState, order_id: str, call: Call) -> OrderView:
    """The account's order with this id, which may have ended. Refusal for any other id."""
    view = call.projection.order(session.account_slot, order_id_of(order_id))
    if view is None:
        raise _unknown(order_id)
    return view


def edit_by_label(session: SessionState, params: method_table.EditByLabelParams, call: Call) -> list[Action]:
    """Amend the one open order of the contract with this label."""
    contract = contract_of(call.projection, params.instrument_name)
    wanted = render.encode(params.label)
    found = [
        view
        for view in call.projection.open_orders(session.account_slot)
        if view.contract_slot == contract.slot and view.label_json == wanted
    ]
    if len(found) != 1:
        code = ErrorCode.INVALID_ARGUMENTS if found else ErrorCode.ORDER_NOT_FOUND
        raise Refusal(code, f"{len(found)} open orders have this label; exactly one must", "label")
    return _amend(session, params, call, found[0])


def _amend(session: SessionState, params: Any, call: Call, view: OrderView) -> list[Action]:
    packed = amendment(session, params, call, view)
    return [Submit(packed, OrderPending(call, session.signer.account_slot, view.side))]


def amendment(session: SessionState, params: Any, call: Call, view: OrderView) -> bytes:
    """The AMEND row that an order's change asks for; its side, type and flags never change."""
    contract = call.projection.contract_at(view.contract_slot)
    for name, flag in (
        ("post_only", ExecInst.POST_ONLY),
        ("reject_post_only", ExecInst.REJECT_POST_ONLY),
        ("reduce_only", ExecInst.REDUCE_ONLY),
    ):
        asked = getattr(params, name)
        of_its_own = flag == ExecInst.REDUCE_ONLY and view.flags & FLAG_MADE_REDUCE_ONLY
        if asked is not None and asked != (view.flags & flag != 0) and not of_its_own:
            raise _cannot_change(name)
    for name in ("trigger_offset", "display_amount"):
        if given(getattr(params, name)):
            raise _cannot_change(name)
    _check_deadline(params.valid_until, call.now_ns)
    qty_lots = contract.amount_lots(params.amount) if given(params.amount) else view.amount_lots
    if qty_lots == 0:
        raise Refusal(ErrorCode.QTY_TOO_LOW, "QTY_TOO_SMALL: an amount of 0; use private/cancel", "amount")
    price_ticks = contract.price_ticks(params.price) if given(params.price) else 0
    trigger_ticks = 0
    if given(params.trigger_price):
        trigger_ticks = contract.price_ticks(params.trigger_price, "trigger_price")
    confirmation = session.context.confirmation
    if confirmation.is_on and not params.confirm:
        confirmation.check_amended(session.projection, view, price_ticks, trigger_ticks, qty_lots)
    flags = ExecInst.FORFEIT_PRIORITY if params.forfeit_priority else 0
    return command_rows.amend_row(session.signer, view.order_id, qty_lots, price_ticks, trigger_ticks, int(flags))


def _cannot_change(name: str) -> Refusal:
    reason = f"UNSUPPORTED_ORDER: {name} of an order cannot change; cancel it and place another"
    return Refusal(ErrorCode.INVALID_ARGUMENTS, reason, name)


# --- cancel -------------------------------------------------------------------------------------------------------


def cancel(session: SessionState, params: method_table.CancelParams, call: Call) -> list[Action]:
    """Cancel one order by the venue's id or the client's."""
    if (params.order_id is None) == (not given(params.cl_ord_id)):
        raise bad_param("order_id", "give order_id or cl_ord_id, one of them")
    if params.order_id is not None:
        packed = command_rows.cancel_row(session.signer, order_id_of(params.order_id))
    else:
        packed = command_rows.cancel_row(session.signer, 0, parse_client_id(params.cl_ord_id, "cl_ord_id"))
    return [Submit(packed, OrderPending(call, session.signer.account_slot, 0, True))]


def countdown_cancel_all(session: SessionState, params: method_table.CountdownParams, call: Call) -> list[Action]:
    """Cancel all orders but reduce-only stops unless this is called again within the time; 0 stops the countdown."""
    timeout_ms = parse_integer(params.timeout_ms, "timeout_ms", 0, _COUNTDOWN_MAX_MS)
    row = switch_row(Switch.COUNTDOWN, session.signer, timeout_ms * NS_PER_MS)
    return [Submit(row, SwitchPending(call, timeout_ms))]


HANDLERS: dict[str, Callable[..., Any]] = {
    "private/buy": buy,
    "private/sell": sell,
    "private/edit": edit,
    "private/edit_by_label": edit_by_label,
    "private/cancel": cancel,
    "venue/countdown_cancel_all": countdown_cancel_all,
}
