"""Cancelling many orders with one request: what it chooses, and the answer when all of it is done."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from engine.code_values import REASON_BY_CLIENT, REASON_MASS_CANCEL, STATUS_CANCELED, TYPE_LIMIT
from engine.codes import NIL, Reason, Side
from gateway.read_model import render
from gateway.sessions import method_table
from gateway.sessions.actions import Action, Submit
from gateway.sessions.methods.common import CANCEL_TYPES, contract_of, contracts_of, types_of
from gateway.sessions.state import Call, SessionState
from gateway.wire import command_rows
from gateway.wire.decimals import Contract
from gateway.wire.errors import bad_param, refusal_of
from gateway.wire.views import OrderView, Outcome


class CountPending(Struct, gc=False):
    """Waits for one mass cancel, or for several of one request: answers how many orders were cancelled."""

    call: Any
    left: int
    count: int = 0
    refused: int = 0

    def complete(self, outcome: Outcome, now_ns: int) -> bytes | None:
        """The whole reply when the last command is done, nothing before."""
        self.left -= 1
        self.count += outcome.count
        self.refused = self.refused or outcome.reason
        if self.left:
            return None
        if self.refused:
            reason = Reason(self.refused)
            return self.call.error(refusal_of(reason, None), now_ns)
        return self.call.reply(b"%d" % self.count, now_ns)


class ChosenPending(Struct, gc=False):
    """Waits for cancels of orders that were looked up before: answers how many there were, or `detailed` which."""

    call: Any
    left: int
    order_ids: Sequence[int]
    detailed: bool
    refused: int = 0

    def complete(self, outcome: Outcome, now_ns: int) -> bytes | None:
        """The whole reply when the last command is done, nothing before. An order that was filled is not counted."""
        self.left -= 1
        if outcome.reason != Reason.UNKNOWN_ORDER:
            self.refused = self.refused or outcome.reason
        if self.left:
            return None
        if self.refused:
            reason = Reason(self.refused)
            return self.call.error(refusal_of(reason, None), now_ns)
        return self.call.reply(self.answer(), now_ns)

    def answer(self) -> bytes:
        """The result as of now."""
        projection, account_slot = self.call.projection, self.call.session.account_slot
        views = [projection.order(account_slot, order_id) for order_id in self.order_ids]
        gone = [view for view in views if view is not None and _was_asked_for(view)]
        if not self.detailed:
            return b"%d" % len(gone)
        reports: dict[tuple[int, bool], list[bytes]] = {}
        for view in gone:
            contract = projection.contract_at(view.contract_slot)
            place = view.contract_slot, view.ord_type > TYPE_LIMIT
            reports.setdefault(place, []).append(render.order(contract, view))
        return render.array(
            render.cancelled(projection.contract_at(slot), is_trigger, orders)
            for (slot, is_trigger), orders in reports.items()
        )


def _was_asked_for(view: OrderView) -> bool:
    return view.status == STATUS_CANCELED and view.reason in (REASON_MASS_CANCEL, REASON_BY_CLIENT)


class Choice(Struct, gc=False):
    """Which orders to cancel: contracts (None: all), side (0: both), label (empty: any), types (None: all)."""

    contracts: Sequence[Contract] | None = None
    side: int = 0
    label: str = ""
    type: str | None = None
    detailed: bool | None = None


def cancel_chosen(session: SessionState, call: Call, choice: Choice) -> list[Action] | bytes:
    """Cancel the account's orders of a choice: with the engine's mass cancel, or one by one when types are chosen."""
    types = types_of(choice.type, CANCEL_TYPES)
    label = command_rows.label_bytes(choice.label)
    known = call.projection.contracts()
    slots = [NIL] if choice.contracts is None else [contract.slot for contract in choice.contracts]
    if len(slots) == len(known) > 0:
        slots = [NIL]
    packed = [command_rows.mass_cancel_row(session.signer, slot, choice.side, label=label) for slot in slots]
    by_type = types != CANCEL_TYPES["all"]
    if not (choice.detailed or by_type):
        count = CountPending(call, len(packed))
        return [Submit(rows, count) for rows in packed] or b"0"
    order_ids = [view.order_id for view in _chosen(session, call, choice, types)]
    if by_type:
        packed = [command_rows.cancel_row(session.signer, order_id) for order_id in order_ids]
    pending = ChosenPending(call, len(packed), order_ids, bool(choice.detailed))
    return [Submit(rows, pending) for rows in packed] or pending.answer()


def _chosen(session: SessionState, call: Call, choice: Choice, types: frozenset[int]) -> list[OrderView]:
    """The open orders of a choice, as everything received before left them."""
    call.context.settle()
    slots = None if choice.contracts is None else {contract.slot for contract in choice.contracts}
    label = render.encode(choice.label)
    return [
        view
        for view in call.projection.open_orders(session.account_slot)
        if view.ord_type in types
        and (slots is None or view.contract_slot in slots)
        and choice.side in (0, view.side)
        and (not choice.label or view.label_json == label)
    ]


def cancel_all(session: SessionState, params: method_table.CancelAllParams, call: Call) -> list[Action] | bytes:
    """Cancel every order of the account, untriggered ones included."""
    return cancel_chosen(session, call, Choice(detailed=params.detailed))


def cancel_all_by_instrument(
    session: SessionState, params: method_table.CancelInstrumentParams, call: Call
) -> list[Action] | bytes:
    """Cancel the account's orders in one contract, of one side or of some types if asked."""
    contract = contract_of(call.projection, params.instrument_name)
    side = {None: 0, "buy": Side.BUY, "sell": Side.SELL}[params.side]
    return cancel_chosen(session, call, Choice([contract], side, "", params.type, params.detailed))


def cancel_all_by_currency(
    session: SessionState, params: method_table.CancelCurrencyParams, call: Call
) -> list[Action] | bytes:
    """Cancel the account's orders in the contracts settled in one currency, of some types if asked."""
    contracts = contracts_of(call.projection, params.currency, params.kind)
    return cancel_chosen(session, call, Choice(contracts, 0, "", params.type, params.detailed))


def cancel_all_by_kind_or_type(
    session: SessionState, params: method_table.CancelKindParams, call: Call
) -> list[Action] | bytes:
    """Cancel the account's orders in the contracts settled in one currency, in several, or in any."""
    names = [params.currency] if isinstance(params.currency, str) else params.currency
    found = {c.slot: c for name in names for c in contracts_of(call.projection, name, params.kind, with_any=True)}
    return cancel_chosen(session, call, Choice(list(found.values()), 0, "", params.type, params.detailed))


def cancel_by_label(session: SessionState, params: method_table.CancelLabelParams, call: Call) -> list[Action] | bytes:
    """Cancel the account's orders with this label, in the contracts settled in one currency if asked."""
    if not params.label:
        raise bad_param("label", "it is empty; private/cancel_all cancels everything")
    contracts = None if params.currency is None else contracts_of(call.projection, params.currency)
    return cancel_chosen(session, call, Choice(contracts, 0, params.label, None, params.detailed))


HANDLERS: dict[str, Callable[..., Any]] = {
    "private/cancel_all": cancel_all,
    "private/cancel_all_by_instrument": cancel_all_by_instrument,
    "private/cancel_all_by_currency": cancel_all_by_currency,
    "private/cancel_all_by_kind_or_type": cancel_all_by_kind_or_type,
    "private/cancel_by_label": cancel_by_label,
}
