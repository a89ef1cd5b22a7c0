"""An account's money, positions, leverage and transactions."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from engine.codes import NIL, CommandKind, Reason, Side
from gateway.read_model import render, render_account
from gateway.sessions import method_table
from gateway.sessions.actions import Action, Submit
from gateway.sessions.methods.common import NS_PER_MS, contract_of, contracts_of, count_of, id_of, period
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire import command_rows
from gateway.wire.currencies import currency_of
from gateway.wire.decimals import Contract, parse_integer
from gateway.wire.errors import bad_param, refusal_of
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.views import AccountView, Outcome, Span, TransactionView


def get_account_summary(session: SessionState, params: method_table.SummaryParams, call: Call) -> bytes:
    """Balance and margin in one currency; one in which nothing is settled here shows zeros."""
    more = b"," + _identity(call, session.account_slot, True) if params.extended else b""
    return _summary(session, call, currency_of(params.currency), more)


def get_account_summaries(session: SessionState, params: method_table.SummariesParams, call: Call) -> bytes:
    """Balance and margin in every settlement currency."""
    names = dict.fromkeys(contract.settlement for contract in call.projection.contracts())
    summaries = render.array(_summary(session, call, name, b"") for name in names)
    identity = _identity(call, session.account_slot, bool(params.extended))
    return b'{"summaries":%b,%b}' % (summaries, identity)


def _summary(session: SessionState, call: Call, currency: str, more: bytes) -> bytes:
    account = session.account_slot
    settles = bool(contracts_of(call.projection, currency))
    view = call.projection.account(account) if settles else AccountView(account)
    return render_account.account(currency, view, call.projection.contracts(), more)


def _identity(call: Call, account_slot: int, extended: bool) -> bytes:
    """Who the account is, as fields. No fees are among them: they are the contracts', the same for every account."""
    account = call.context.registry.account_at(account_slot)
    fields = {"id": account.slot, "type": "main" if account.parent_slot is None else "subaccount"}
    more = {
        "username": account.name,
        "system_name": account.name,
        "creation_timestamp": account.created_ns // NS_PER_MS,
        "self_trading_reject_mode": "cancel_maker",
        "self_trading_extended_to_subaccounts": False,
        "interuser_transfers_enabled": False,
        "mmp_enabled": False,
    }
    return encode({**fields, **more} if extended else fields)[1:-1]


def get_position(session: SessionState, params: method_table.InstrumentParams, call: Call) -> bytes:
    """The position in one contract, of size 0 when there is none."""
    contract = contract_of(call.projection, params.instrument_name)
    return render.position(contract, call.projection.positions.one(session.account_slot, contract.slot))


def get_positions(session: SessionState, params: method_table.PositionsParams, call: Call) -> bytes:
    """Positions that are not flat, by currency and kind if asked."""
    found = contracts_of(call.projection, params.currency, params.kind, with_any=True)
    slots = {contract.slot: contract for contract in found}
    views = call.projection.positions.of_account(session.account_slot)
    return render.array(render.position(slots[v.contract_slot], v) for v in views if v.contract_slot in slots)


_CASH_KINDS = (
    "trade", "transfer", "deposit", "withdrawal", "settlement", "delivery", "liquidation_fee", "insurance",
    "collateral_sale",
)  # fmt: skip
_QUERIES: dict[str, Callable[[TransactionView], bool]] = {
    **{kind: lambda view, kind=kind: view.kind == kind for kind in _CASH_KINDS},  # type: ignore[misc]
    "maker": lambda view: view.kind == "trade" and not view.is_taker,
    "taker": lambda view: view.is_taker,
    "open": lambda view: view.opens,
    "close": lambda view: view.closes,
    "liquidation": lambda view: view.forced or view.kind == "liquidation_fee",
    "buy": lambda view: view.side == Side.BUY,
    "sell": lambda view: view.side == Side.SELL,
    "future": lambda view: view.contract_slot != NIL,
    **dict.fromkeys(("option", "correction", "block_trade", "swap"), lambda view: False),
}
"""What each keyword of the transaction log keeps; the last four name business that is not done here."""


def get_transaction_log(session: SessionState, params: method_table.TransactionLogParams, call: Call) -> bytes | Slices:
    """Changes of cash of a period, newest first; `continuation` of one answer asks for the next."""
    currency = currency_of(params.currency)
    is_wanted = _wanted(params.query)
    start_ns, end_ns = period(params.start_timestamp, params.end_timestamp, call.now_ns)
    last_id = id_of(params.continuation, "continuation", (1 << 63) - 1)
    span = Span(start_ns, end_ns, last_id=last_id, count=count_of(params.count, 100))
    if not contracts_of(call.projection, currency):
        return b'{"logs":[],"continuation":null}'
    views, next_id = call.projection.transactions(session.account_slot, span, is_wanted)
    account_slot = session.account_slot
    logs = (render.transaction(_contract_at(call, view.contract_slot), currency, view, account_slot) for view in views)
    return Slices(b'{"logs":', logs, b',"continuation":%b}' % (b"%d" % next_id if next_id else b"null"))


def _wanted(query: str | None) -> Callable[[TransactionView], bool]:
    if query is None:
        return lambda view: True
    if query not in _QUERIES:
        raise bad_param("query", f"{query[:20]!r} is not a keyword of the log; choose from {', '.join(_QUERIES)}")
    return _QUERIES[query]


def _contract_at(call: Call, slot: int) -> Contract | None:
    return call.projection.contract_at(slot) if slot != NIL else None


def get_leverage(session: SessionState, params: method_table.InstrumentParams, call: Call) -> bytes:
    """The leverage chosen for a contract, or the bracket's cap."""
    contract = contract_of(call.projection, params.instrument_name)
    return _leverage(session, call, contract)


def _leverage(session: SessionState, call: Call, contract: Contract) -> bytes:
    terms = call.projection.terms(contract.slot)
    chosen = call.projection.positions.leverage(session.account_slot, contract.slot) or terms.max_leverage
    return b'{"instrument_name":%b,"leverage":%d,"max_leverage":%d}' % (contract.json_name, chosen, terms.max_leverage)


class LeveragePending(Struct, gc=False):
    """Waits for a change of leverage."""

    call: Any
    contract: Contract

    def complete(self, outcome: Outcome, now_ns: int) -> bytes:
        """The leverage in force, or the refusal."""
        if outcome.reason:
            return self.call.error(refusal_of(Reason(outcome.reason), outcome.why), now_ns)
        return self.call.reply(_leverage(self.call.session, self.call, self.contract), now_ns)


def set_leverage(session: SessionState, params: method_table.SetLeverageParams, call: Call) -> list[Action]:
    """Choose the leverage for a contract; all its open orders are judged again."""
    contract = contract_of(call.projection, params.instrument_name)
    leverage = parse_integer(params.leverage, "leverage", 1, 1000)
    signer = session.signer
    packed = command_rows.pack_directive(
        kind=CommandKind.SET_LEVERAGE, account_slot=signer.account_slot, contract_slot=contract.slot,
        person=signer.person, value=leverage, key=signer.key,
    )  # fmt: skip
    return [Submit(packed, LeveragePending(call, contract))]


HANDLERS: dict[str, Callable[..., Any]] = {
    "private/get_account_summary": get_account_summary,
    "private/get_account_summaries": get_account_summaries,
    "private/get_position": get_position,
    "private/get_positions": get_positions,
    "private/get_transaction_log": get_transaction_log,
    "private/get_leverage": get_leverage,
    "private/set_leverage": set_leverage,
}
