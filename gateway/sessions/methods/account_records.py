"""Records of an account: its sub-accounts, keys, payments and settlements, and its orders by label or trigger."""

import re
from collections.abc import Callable
from typing import Any

from engine.codes import Asset, CommandKind, OrdType
from engine.units import INT64_MAX
from gateway.read_model import render, render_account, render_records
from gateway.registry.records import Account, Key
from gateway.sessions import method_table, slices
from gateway.sessions import record_params as m
from gateway.sessions.methods.common import (
    MAX_COUNT,
    NS_PER_MS,
    contract_of,
    contracts_of,
    count_of,
    id_of,
    slots_of,
)
from gateway.sessions.methods.market_records import page_of, settled_contracts, settlements_of
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire.command_rows import label_bytes
from gateway.wire.currencies import currency_of
from gateway.wire.decimals import decimal_text, micros_text
from gateway.wire.errors import bad_param
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.views import MovementView, OrderView, Span

_PPB = 10**9
_COLLATERAL = {asset.name: asset for asset in Asset if asset != Asset.SETTLEMENT}
_COLLATERAL_DECIMALS = 8
_SCOPES = {"read": "account:read trade:read wallet:read", "trade": "trade:read_write", "transfer": "wallet:read_write"}


# --- who it is ----------------------------------------------------------------------------------------------------


def get_subaccounts(session: SessionState, params: m.Subaccounts, call: Call) -> bytes:
    """The account and its sub-accounts; what a client may not have here, such as e-mail, is empty."""
    found = call.context.registry.subaccounts(session.account_slot)
    return render.array(_subaccount(call, account, bool(params.with_portfolio)) for account in found)


def _subaccount(call: Call, account: Account, with_portfolio: bool) -> bytes:
    fields = {
        "id": account.slot,
        "username": account.name,
        "system_name": account.name,
        "type": "main" if account.parent_slot is None else "subaccount",
        "email": "",
        "is_password": False,
        "login_enabled": False,
        "receive_notifications": False,
        "security_keys_enabled": False,
        "margin_model": render_account.MARGIN_MODEL.decode(),
    }
    head = encode(fields)
    if not with_portfolio:
        return head
    names = dict.fromkeys(contract.settlement for contract in call.projection.contracts())
    view, contracts = call.projection.account(account.slot), call.projection.contracts()
    money = [b'"%b":%b' % (name.lower().encode(), render_account.account(name, view, contracts)) for name in names]
    return head[:-1] + b',"portfolio":{%b}}' % b",".join(money)


def list_api_keys(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """The account's keys that can log in. No secret is kept that could be shown."""
    keys = call.context.registry.keys(session.account_slot)
    return encode([_key(key) for key in keys if key.revoked_ns is None])


def _key(key: Key) -> dict[str, object]:
    return {
        "id": key.number,
        "client_id": key.id,
        "client_secret": "",
        "name": key.label,
        "timestamp": key.created_ns // NS_PER_MS,
        "max_scope": " ".join(_SCOPES[scope] for scope in ("read", "trade", "transfer") if scope in key.scopes),
        "enabled": True,
        "default": False,
        "enabled_features": [],
        "ip_whitelist": [],
    }


# --- money --------------------------------------------------------------------------------------------------------


def _movements(command: CommandKind, row: Callable[[Call, str, MovementView], bytes]) -> Callable[..., bytes]:
    def answer(session: SessionState, params: m.Movements, call: Call) -> bytes:
        currency = currency_of(params.currency)
        span = Span(count=count_of(params.count, 10), offset=id_of(params.offset, "offset", 0))
        asset = Asset.SETTLEMENT if contracts_of(call.projection, currency) else _COLLATERAL.get(currency)
        found: list[MovementView] = []
        total = 0
        if asset is not None:
            records = call.projection.money_records
            found, total = records.movements(session.account_slot, command, asset, span)
        rows = render.array(row(call, currency, view) for view in found)
        return b'{"data":%b,"count":%d}' % (rows, total)

    return answer


def _amount(currency: str, amount: int) -> bytes:
    """Settlement currency is counted in micros, collateral in 1e-8 coin."""
    text = decimal_text(amount, -_COLLATERAL_DECIMALS) if currency in _COLLATERAL else micros_text(amount)
    return text.encode()


def _deposit(call: Call, currency: str, view: MovementView) -> bytes:
    ms = view.time_ns // NS_PER_MS
    return (
        b'{"currency":"%b","amount":%b,"state":"completed","address":"","transaction_id":null,'
        b'"received_timestamp":%d,"updated_timestamp":%d}'
    ) % (currency.encode(), _amount(currency, view.amount), ms, ms)


def _withdrawal(call: Call, currency: str, view: MovementView) -> bytes:
    ms = view.time_ns // NS_PER_MS
    return (
        b'{"id":%d,"currency":"%b","amount":%b,"fee":0,"state":"completed","address":"","transaction_id":null,'
        b'"created_timestamp":%d,"confirmed_timestamp":%d,"updated_timestamp":%d}'
    ) % (view.number, currency.encode(), _amount(currency, -view.amount), ms, ms, ms)


def _transfer(call: Call, currency: str, view: MovementView) -> bytes:
    """Money that went into an isolated position or came out of it: the other side is its contract."""
    ms = view.time_ns // NS_PER_MS
    direction = b"payment" if view.amount < 0 else b"income"
    return (
        b'{"id":%d,"currency":"%b","amount":%b,"direction":"%b","type":"subaccount","other_side":%b,'
        b'"state":"confirmed","created_timestamp":%d,"updated_timestamp":%d}'
    ) % (
        view.number, currency.encode(), _amount(currency, abs(view.amount)), direction,
        call.projection.contract_at(view.contract_slot).json_name, ms, ms,
    )  # fmt: skip


def get_settlement_history(session: SessionState, params: Any, call: Call) -> bytes:
    """The account's settled funding and deliveries, newest first."""
    slots = slots_of(settled_contracts(call, params))
    page = page_of(params, call.now_ns)
    found = call.projection.money_records.own_settlements(session.account_slot, slots, params.type, page)
    return settlements_of(call, found)


def get_margins(session: SessionState, params: m.Margins, call: Call) -> bytes:
    """What one order alone would take: initial margin at the account's leverage, and both fees, rounded up.

    Buys count at their price, sells at the mark if that is higher; a position or other orders of the contract are not
    taken into account.
    """
    contract = contract_of(call.projection, params.instrument_name)
    lots = contract.amount_lots(params.amount)
    ticks = contract.price_ticks(params.price)
    terms, view = call.projection.terms(contract.slot), call.projection.ticker(contract.slot)
    buy = ticks * lots * contract.micros_per_tick_lot
    sell = max(buy, contract.notional_micros(view.mark_subticks, lots))
    leverage = call.projection.positions.leverage(session.account_slot, contract.slot) or terms.max_leverage

    def margin(notional: int) -> bytes:
        caps = [cap for floor, cap, _ in terms.brackets if floor < notional]
        return micros_text(-(-notional // min(leverage, caps[-1] if caps else leverage))).encode()

    def fee(rate_ppb: int) -> bytes:
        return micros_text(-(-buy * rate_ppb // _PPB)).encode()

    taker, maker = fee(terms.taker_fee_ppb), fee(terms.maker_fee_ppb)
    return (
        b'{"buy":%b,"sell":%b,"buy_taker_fee":%b,"buy_maker_fee":%b,"sell_taker_fee":%b,"sell_maker_fee":%b,'
        b'"min_price":%b,"max_price":%b}'
    ) % (
        margin(buy), margin(sell), taker, maker, taker, maker, contract.price_text(view.min_price_ticks),
        contract.price_text(view.max_price_ticks),
    )  # fmt: skip


# --- orders -------------------------------------------------------------------------------------------------------


def _of_currency(call: Call, currency: str) -> frozenset[int]:
    return slots_of(contracts_of(call.projection, currency))


def _labelled(views: list[OrderView], label: str) -> list[OrderView]:
    label_bytes(label)
    wanted = render.encode(label)
    return [view for view in views if view.label_json == wanted]


def _orders(call: Call, views: list[OrderView]) -> Slices:
    return slices.array(render.order(call.projection.contract_at(view.contract_slot), view) for view in views)


def get_open_orders_by_label(session: SessionState, params: m.OrdersByLabel, call: Call) -> Slices:
    """Open and untriggered orders of a currency with a label; those without one when none is named."""
    slots = _of_currency(call, params.currency)
    views = [view for view in call.projection.open_orders(session.account_slot) if view.contract_slot in slots]
    return _orders(call, _labelled(views, params.label or ""))


def get_order_state_by_label(session: SessionState, params: m.OrderStateByLabel, call: Call) -> Slices:
    """The orders of a currency with a label: those that are open, and of the closed ones the latest 1,000."""
    if not params.label:
        raise bad_param("label", "it is empty; name the label")
    slots, views = _of_currency(call, params.currency), call.projection.open_orders(session.account_slot)
    found = _labelled([view for view in views if view.contract_slot in slots], params.label)
    span = Span(count=MAX_COUNT)
    return _orders(
        call, [*found, *call.projection.order_history(session.account_slot, slots, span, label=params.label)]
    )


def get_trigger_order_history(session: SessionState, params: m.TriggerHistory, call: Call) -> bytes:
    """Conditional orders that were triggered or have ended before, the latest first; `continuation` gives the next."""
    slots = _of_currency(call, params.currency)
    if params.instrument_name is not None:
        slots &= {contract_of(call.projection, params.instrument_name).slot}
    before, count = _place(params.continuation), count_of(params.count, 20)
    views = call.projection.open_orders(session.account_slot)
    found = [view for view in views if view.contract_slot in slots and _is_triggered(view) and _ended(view) <= before]
    found += _ended_before(session, call, slots, before, count + 1)
    found.sort(key=_ended, reverse=True)
    rows = render.array(
        render_records.trigger_record(call.projection.contract_at(view.contract_slot), view) for view in found[:count]
    )
    more = b"%d-%d" % _ended(found[count]) if len(found) > count else b""
    return b'{"entries":%b,"continuation":"%b"}' % (rows, more)


def _ended_before(
    session: SessionState, call: Call, slots: frozenset[int], before: tuple[int, int], count: int
) -> list[OrderView]:
    """At least so many closed conditional orders from a place on, if there are so many; with all of one instant."""
    asked, (end_ns, _) = count, before
    while True:
        span = Span(end_ns=end_ns, count=asked)
        views = list(call.projection.order_history(session.account_slot, slots, span, conditional=True))
        found = [view for view in views if _ended(view) <= before]
        if len(views) < asked or (len(found) > count and found[count].updated_ns > views[-1].updated_ns):
            return found
        asked *= 4


def _is_triggered(view: OrderView) -> bool:
    return view.ord_type > OrdType.LIMIT and view.triggered


def _ended(view: OrderView) -> tuple[int, int]:
    """Its place in the history: when it changed last, and its id."""
    return view.updated_ns, view.order_id


def _place(text: str | None) -> tuple[int, int]:
    """The place that an answer's `continuation` names; the newest of all when there is none."""
    if not text:
        return INT64_MAX, INT64_MAX
    match = re.fullmatch("([0-9]{1,18}|[0-8][0-9]{18})-([0-9]{1,19})", text)
    if match is None:
        raise bad_param("continuation", f"{text[:20]!r} is not one of an answer; leave it out to begin at the newest")
    return int(match[1]), int(match[2])


HANDLERS: dict[str, Callable[..., Any]] = {
    "private/get_subaccounts": get_subaccounts,
    "private/list_api_keys": list_api_keys,
    "private/get_deposits": _movements(CommandKind.DEPOSIT, _deposit),
    "private/get_withdrawals": _movements(CommandKind.WITHDRAW, _withdrawal),
    "private/get_transfers": _movements(CommandKind.TRANSFER, _transfer),
    "private/get_settlement_history_by_instrument": get_settlement_history,
    "private/get_settlement_history_by_currency": get_settlement_history,
    "private/get_margins": get_margins,
    "private/get_open_orders_by_label": get_open_orders_by_label,
    "private/get_order_state_by_label": get_order_state_by_label,
    "private/get_trigger_order_history": get_trigger_order_history,
}
