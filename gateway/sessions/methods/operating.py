"""What officers ask of the running venue: connections, accounts near liquidation, forced trades, parameters, clients.

Nothing here changes an account or a contract. A connection that is ended is told in the venue's log.
"""

import logging
from collections.abc import Callable, Iterator
from heapq import nlargest
from itertools import chain, islice
from typing import Any

import msgspec

from engine.codes import (
    NIL,
    AccountAttribute,
    Affiliation,
    CommandKind,
    ContractParameter,
    MarketState,
    Reason,
    VenueParameter,
)
from engine.units import INT64_MAX
from gateway.affiliates.governance import governance
from gateway.clock import NS_PER_S
from gateway.office.changes import KINDS, Plan
from gateway.office.client_list import client_rows
from gateway.office.officer_params import whole_numbers
from gateway.office.parameter_list import parameter_rows
from gateway.office.proposals import Office
from gateway.read_model import render
from gateway.read_model.admission_view import PERSONAL
from gateway.registry.identities import is_sealed
from gateway.sessions import operating_params as m
from gateway.sessions import slices
from gateway.sessions.methods.admin import key_of, refusable, sealed_params
from gateway.sessions.methods.common import contract_of, place_of
from gateway.sessions.operation import OpenSession, Operation
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire.decimals import decimal_text, micros_text, ppb_text
from gateway.wire.errors import ErrorCode, Refusal, bad_param
from gateway.wire.jsonrpc_answers import encode, exactly
from gateway.wire.log_lines import event
from gateway.wire.type_errors import field_and_reason
from gateway.wire.views import ForcedTradeView, RiskView, Span

_LOG = logging.getLogger("lionrock.office")
_PREFIX = "venue/admin/"
RANKED = 500
"""So many accounts are ranked between two pauses."""


def operation_of(call: Call) -> Operation:
    """The running venue's parts."""
    found = call.context.operation
    if found is None:
        raise Refusal(ErrorCode.RETRY, "no venue runs behind this session; ask a running one")
    return found


# --- changes ------------------------------------------------------------------------------------------------------


def preview_change(session: SessionState, params: m.PreviewChange, call: Call) -> bytes:
    """What a change would do if this officer asked for it now: each directive with the value before and after it,
    in words what becomes of orders and markets, and whether a second person must approve. Nothing is written."""
    kind = KINDS.get(params.change)
    if kind is None:
        raise bad_param("change", f"{params.change[:40]!r} is no change; the methods {_PREFIX}... name them")
    try:
        typed = kind.of(whole_numbers(params.params, kind.params))
    except msgspec.ValidationError as error:
        field, reason = field_and_reason(str(error), kind.params)
        raise bad_param(".".join(filter(None, ("params", field))), reason) from None
    with refusable():
        if not is_sealed(getattr(typed, "identity", None) or ""):  # a proposal that is looked at has it sealed
            typed = sealed_params(typed, call)
        plan, told = Office(call.context.registry).previewed(params.change, typed, key_of(session), call.now_ns)
    for row in told["directives"]:
        _say_present_state(call, row)
    return encode(exactly({**told, "open_orders": _open_orders(call, plan)}))


def _say_present_state(call: Call, row: dict[str, Any]) -> None:
    """The state of a contract or the venue is the engine's: it changes without officers too, as by a stale index."""
    if row["kind"] == "contract_state" and (contract := call.projection.contract(row["instrument_name"])) is not None:
        row["before"] = MarketState(call.projection.state(contract.slot)).name.lower()
    elif row["kind"] == "venue_state":
        row["before"] = "halted" if call.projection.is_halted() else "open"


def _open_orders(call: Call, plan: Plan) -> int:
    """How many orders rest or wait on the accounts, or else the contracts, that a plan is about; 0 for other plans."""
    accounts = {intent.account_slot for intent in plan.intents if intent.account_slot != NIL}
    clients = {intent.item for intent in plan.intents if intent.kind == CommandKind.CLIENT_SET}
    for client in clients:
        rows = call.context.registry.all("SELECT slot FROM accounts WHERE client_id = ?", client)
        accounts.update(slot for (slot,) in rows)
    states = {intent.contract_slot for intent in plan.intents if intent.kind == CommandKind.CONTRACT_STATE}
    is_venues = any(intent.kind == CommandKind.VENUE_STATE for intent in plan.intents)
    if not accounts and not states and not is_venues:
        return 0
    known = {slot for slot in accounts if slot < call.context.registry.next_account_slot()}
    return operation_of(call).views.open_orders(known, states) if known or states or is_venues else 0


def list_parameters(session: SessionState, params: m.ListParameters, call: Call) -> bytes:
    """Every parameter of a contract, or of the venue, that was set, with the value in force and the change's number."""
    registry = call.context.registry
    if params.instrument_name is None:
        return encode(exactly(parameter_rows(registry, CommandKind.VENUE_SET, NIL, VenueParameter)))
    slot = contract_of(call.projection, params.instrument_name).slot
    return encode(exactly(parameter_rows(registry, CommandKind.CONTRACT_SET, slot, ContractParameter)))


# --- connections --------------------------------------------------------------------------------------------------


def list_sessions(session: SessionState, params: m.ListSessions, call: Call) -> Slices:
    """Who is connected by websocket: account, person, key, address, channels, since when, and who reads too slowly."""
    found = sorted(operation_of(call).sessions(), key=lambda one: one.session.number)
    return Slices(b"", (encode(_session_row(call, one)) for one in found), b"")


def _session_row(call: Call, one: OpenSession) -> dict[str, Any]:
    state, registry = one.session, call.context.registry
    key = state.key
    account = key.account_slot if key is not None else NIL
    steady_ns = call.now_ns - call.context.time.offset_ns
    return {
        "session": state.number,
        "port": one.port,
        "address": state.peer,
        "account": registry.account_at(account).name if account != NIL else None,
        "person": registry.person_name(key.person) if key is not None else None,
        "key": key.id if key is not None else None,
        "scopes": sorted(key.scopes) if key is not None else [],
        "is_binary": state.binary,
        "channels": len(state.channels),
        "open_s": max(steady_ns - state.opened_ns, 0) // NS_PER_S,
        "idle_s": max(steady_ns - state.received_ns, 0) // NS_PER_S,
        "is_slow": one.is_slow,
        "unsent_bytes": one.unsent_bytes,
        "is_own": state is call.session,
    }


def end_session(session: SessionState, params: m.EndSession, call: Call) -> bytes:
    """End a websocket. Its orders stay unless its client has asked for cancel-on-disconnect; it may connect again:
    to keep a client out, revoke the key."""
    if params.session == session.number:
        raise bad_param("session", f"{params.session} is this connection itself; close it from your side")
    if not operation_of(call).end_session(params.session, "ended by an officer of the venue"):
        raise bad_param("session", f"{params.session} is not connected; list_sessions shows who is")
    key = key_of(session)
    told = event("session_ended", session=params.session, connection=session.number, key=key.number, person=key.person)
    _LOG.info("an officer has ended session %d", params.session, extra=told)
    call.context.notes.read(key, _PREFIX + "end_session", f"session={params.session} {params.reason}", call.now_ns)
    return encode({"session": params.session, "state": "ended", "reason": params.reason})


# --- accounts -----------------------------------------------------------------------------------------------------


def list_risks(session: SessionState, params: m.ListRisks, call: Call) -> Slices:
    """A page of the accounts that hold positions, the one nearest to liquidation first, each read at its own moment.
    `margin_ratio` is maintenance margin divided by equity, of the nearest pool; liquidation begins above 1."""
    views, place = operation_of(call).views, place_of(params.continuation, 2)
    before = (place[0], -place[1]) if place else (INT64_MAX, 0)
    nearest: list[tuple[int, int]] = []

    def rows() -> Iterator[bytes]:
        nonlocal nearest
        slots = views.exposed_accounts()
        for first in range(0, len(slots), RANKED):
            part = slots[first : first + RANKED]
            keys = zip(views.ratios_ppb(part), (-slot for slot in part), strict=True)
            nearest = nlargest(params.count + 1, chain(nearest, (key for key in keys if key < before)))
            yield b""
        for _, negative in nearest[: params.count]:
            yield encode(_risk_row(call, views.risk(-negative)))

    def continuation() -> str | None:
        if len(nearest) <= params.count:
            return None
        ratio_ppb, negative = nearest[params.count - 1]
        return f"{ratio_ppb}.{-negative}"

    return slices.page("risks", rows(), continuation)


def _risk_row(call: Call, view: RiskView) -> dict[str, Any]:
    account = call.context.registry.account_at(view.account_slot)
    return {
        "account": account.name,
        "client": account.client,
        "equity": _number(micros_text(view.equity_micros)),
        "initial_margin": _number(micros_text(view.requirement_micros)),
        "maintenance_margin": _number(micros_text(view.maintenance_micros)),
        "margin_ratio": _number(ppb_text(view.ratio_ppb)),
        "is_liquidating": view.is_flagged,
        "margin_call": view.warning_level,
        "open_orders": view.open_orders,
        "positions": [_position(call, *position) for position in view.positions],
    }


def _position(call: Call, slot: int, lots: int, liquidation_subticks: int, is_isolated: bool) -> dict[str, Any]:
    contract = call.projection.contract_at(slot)
    liquidation = contract.subticks_text(liquidation_subticks) if liquidation_subticks else b"null"
    mark = call.projection.mark(slot)
    away = abs(liquidation_subticks - mark) * 10_000 // mark if mark and liquidation_subticks else None
    return {
        "instrument_name": contract.name,
        "size": msgspec.Raw(contract.amount_text(lots)),
        "mark_price": msgspec.Raw(render.reference(contract, mark)),
        "liquidation_price": msgspec.Raw(liquidation),
        "distance_percent": None if away is None else _number(decimal_text(away, -2)),
        "margin_mode": "isolated" if is_isolated else "cross",
    }


def _number(text: str) -> msgspec.Raw:
    """Decimal text as a JSON number."""
    return msgspec.Raw(text.encode())


def list_forced_trades(session: SessionState, params: m.ListForcedTrades, call: Call) -> Slices:
    """A page of what liquidation and deleveraging have closed, the latest first: whose position, and who gave up its
    profit."""
    place = place_of(params.continuation, 1)
    last_place = place[0] - 1 if place else INT64_MAX
    named = [contract_of(call.projection, params.instrument_name)] if params.instrument_name else None
    slots = {contract.slot for contract in named or call.projection.contracts()}
    found = operation_of(call).views.forced_trades(slots, Span(last_place=last_place))

    def rows() -> Iterator[bytes]:
        nonlocal last_place
        for one in islice(found, params.count):
            last_place = one.place
            yield encode(_forced_row(call, one))

    return slices.page("trades", rows(), lambda: str(last_place) if next(found, None) is not None else None)


def _forced_row(call: Call, found: ForcedTradeView) -> dict[str, Any]:
    registry, trade = call.context.registry, found.trade
    contract = call.projection.contract_at(trade.contract_slot)
    is_deleveraging = found.against_slot != NIL
    return {
        **msgspec.json.decode(render.liquidation(contract, trade, is_deleveraging), type=dict[str, msgspec.Raw]),
        "mark_price": msgspec.Raw(render.reference(contract, trade.mark_subticks)),
        "account": registry.account_at(found.account_slot).name,
        "against": registry.account_at(found.against_slot).name if is_deleveraging else None,
    }


def explain_account(session: SessionState, params: m.ExplainAccount, call: Call) -> bytes:
    """An account's margin line by line, and its rules of admission but those about the person who places an order."""
    with refusable():
        account = call.context.registry.account(params.account)
        statement = call.projection.explanation(account.slot)  # the log may not have it yet, or have refused it
    rules = [
        {"reason": Reason(row.reason).name, "met": row.is_met, "detail": row.detail}
        for row in call.projection.admission(account.slot, NIL, 0)
        if row.reason not in PERSONAL
    ]
    return encode({"account": account.name, "client": account.client, "statement": statement, "rules": rules})


def list_orders(session: SessionState, params: m.ListOrders, call: Call) -> Slices:
    """An account's open orders, then those that have ended, the latest first, as their owner sees them."""
    with refusable():
        slot = call.context.registry.account(params.account).slot
    projection = call.projection
    contracts = projection.contracts()
    span = Span(count=params.count, offset=params.offset)
    ended = projection.order_history(slot, frozenset(contract.slot for contract in contracts), span)
    views = chain(projection.open_orders(slot) if not params.offset else (), ended)
    return Slices(b"", (render.order(contracts[view.contract_slot], view) for view in views), b"")


def explain_order(session: SessionState, params: m.ExplainOrder, call: Call) -> bytes:
    """An order's decisions row by row and its life, or what one command did, from the journal alone. It is read by a
    process that runs behind all others: while `state` is running or waiting, ask again."""
    story = operation_of(call).stories(params.by, params.number)
    steps = [{**step, "record": {name: _exact(name, value) for name, value in step["record"].items()}}
             for step in story.steps]  # fmt: skip
    return encode({"state": story.state, "steps": steps, "problem": story.problem})


def _exact(name: str, value: Any) -> Any:
    """Ids and times as text, and whatever else is too large for those who read numbers of JSON as floating point."""
    return str(value) if name.endswith(("_id", "_ns")) and type(value) is int else exactly(value)


# --- clients ------------------------------------------------------------------------------------------------------


def list_clients(session: SessionState, params: m.ListClients, call: Call) -> Slices:
    """Clients by name with their accounts, class, restriction, and the first day on which something lapses."""
    found = client_rows(call.context.registry, params.name, params.after, params.count, call.now_ns)
    return Slices(b"", (b"" if row is None else encode(row) for row in found), b"")


def list_affiliates(session: SessionState, params: m.ListAffiliates, call: Call) -> bytes:
    """The operator's group companies: each account and contract with its approval and who answers for conflicts."""
    registry, rows, company = call.context.registry, [], int(Affiliation.GROUP_COMPANY)
    for slot, _ in registry.accounts_with(AccountAttribute.AFFILIATION, company, company):
        account = registry.account_at(slot)
        approvals = [
            {
                "instrument_name": contract.name, "valid_from": found.valid_from or None,
                "valid_through": found.valid_through, "responsible_officer": found.responsible_officer,
                "information_barriers_hash": found.information_barriers_hash, "change": found.change,
            }
            for contract in registry.contracts()
            if (found := governance(registry, slot, contract.name, call.now_ns)) is not None
        ]  # fmt: skip
        rows.append({"client": account.client, "account": account.name, "approvals": approvals})
    return encode(rows)


READS = frozenset(
    _PREFIX + name for name in ("preview_change", "list_risks", "list_forced_trades", "explain_account", "list_orders")
)
"""Those that look at orders, positions and money."""
QUESTIONS = frozenset(_PREFIX + name for name in ("explain_account", "explain_order", "list_orders", "list_clients"))
"""Those that look at a client's own affairs: the gateway's log hears who asked."""
HANDLERS: dict[str, Callable[..., Any]] = {
    _PREFIX + "preview_change": preview_change,
    _PREFIX + "list_parameters": list_parameters,
    _PREFIX + "list_sessions": list_sessions,
    _PREFIX + "end_session": end_session,
    _PREFIX + "list_risks": list_risks,
    _PREFIX + "list_forced_trades": list_forced_trades,
    _PREFIX + "explain_account": explain_account,
    _PREFIX + "list_orders": list_orders,
    _PREFIX + "explain_order": explain_order,
    _PREFIX + "list_clients": list_clients,
    _PREFIX + "list_affiliates": list_affiliates,
}
