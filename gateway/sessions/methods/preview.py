"""An order or an amendment before it is sent: what it would do, as the engine says. It sends and logs nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.codes import NIL, Reason, Side
from engine.schema import COMMAND, LABEL
from engine.statements.what_if import Holding, Played, Pool
from gateway.audit_trail.refusals import why
from gateway.read_model.render_preview import Previewed, amended_terms, preview, terms
from gateway.sessions import method_table
from gateway.sessions.methods.common import contract_of
from gateway.sessions.methods.trading import amendment, asked, ended, named_order
from gateway.sessions.methods.venue import rules
from gateway.sessions.state import Call, SessionState
from gateway.wire.decimals import Contract
from gateway.wire.errors import ErrorCode, refusal_of
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.reasons import shown
from gateway.wire.views import RuleState

LABEL_AT = LABEL.fields["text"][1]  # type: ignore[index]
"""Where the text is in a label's row."""


def preview_order(session: SessionState, params: method_table.PreviewParams, call: Call) -> bytes:
    """What an order would do if it came now: as the venue admits, matches and books it, with the reason if it does not.

    What is wrong with a parameter by itself is answered with the error that buy and sell would give; so is any order
    while the venue takes none.
    """
    session.check_taken("orders")
    side = Side.BUY if params.direction == "buy" else Side.SELL
    contract = contract_of(call.projection, params.instrument_name)
    rows = np.frombuffer(asked(session, params, call, side), COMMAND)
    row, previews = rows[0], call.projection.previews
    lots, price_ticks = int(row["qty_lots"]), int(row["price_ticks"]) or int(row["trigger_price_ticks"])
    order = int(side), int(row["ord_type"]), lots, lots, price_ticks
    before = previews.before(session.account_slot, contract.slot)
    seen = _seen(call, contract, order, before, previews.play(rows, call.now_ns))
    label = rows[1:].tobytes()[LABEL_AT:].rstrip(b"\0").decode("utf-8", "surrogatepass")
    more = terms(contract, row, label)
    if params.with_max:
        largest = previews.largest_lots(rows, call.now_ns)
        more += b',"max_amount":%b' % contract.amount_text(largest)
    return _answer(session, call, contract, seen, row, more)


def preview_edit(session: SessionState, params: method_table.EditParams, call: Call) -> bytes:
    """What an amendment would do if it came now, as `preview_order` says it of an order.

    Filled is what the amendment itself fills; the cost is what it takes of the free funds beyond what the order binds.
    """
    session.check_taken("orders")
    view = named_order(session, params.order_id, call)
    if not view.is_open:
        raise ended(view, ErrorCode.NOT_OPEN_ORDER)
    contract, previews = call.projection.contract_at(view.contract_slot), call.projection.previews
    rows = np.frombuffer(amendment(session, params, call, view), COMMAND)
    row = rows[0]
    amount_lots = int(row["qty_lots"])
    trigger_ticks = int(row["trigger_price_ticks"]) or view.trigger_price_ticks
    price_ticks = int(row["price_ticks"]) or view.price_ticks or trigger_ticks
    order = view.side, view.ord_type, amount_lots, max(amount_lots - view.filled_lots, 0), price_ticks
    before = previews.before(session.account_slot, contract.slot)
    played = previews.play_amended(rows, contract.slot, call.now_ns)
    seen = _seen(call, contract, order, before, played)
    more = amended_terms(contract, view.order_id, trigger_ticks, played.keeps_priority)
    return _answer(session, call, contract, seen, row, more)


def _seen(
    call: Call,
    contract: Contract,
    order: tuple[int, int, int, int, int],
    before: tuple[Pool, Holding],
    played: Played,
) -> Previewed:
    """What was asked about, (side, type, lots, open lots, price in ticks), and the market that it met."""
    ticker = call.projection.ticker(contract.slot)
    best_ticks = ticker.best_ask_ticks if order[0] == Side.BUY else ticker.best_bid_ticks
    maker_fee_ppb = call.projection.terms(contract.slot).maker_fee_ppb
    return Previewed(*order, best_ticks or NIL, ticker.mark_subticks, maker_fee_ppb, *before, played)


def _answer(session: SessionState, call: Call, contract: Contract, seen: Previewed, row: Any, more: bytes) -> bytes:
    """The preview of a command's row, with every rule that it fails; `more` are further fields."""
    played = seen.played
    unmet = _unmet(session, contract, call) if played.reason != Reason.NONE or played.made_reduce_only else []
    rest = b',%b,"sequence":%d,"failing_rules":%b' % (more, call.projection.durable_seq, encode(rules(unmet)))
    return preview(contract, seen, _refusal(call, row, seen), rest)


def _unmet(session: SessionState, contract: Contract, call: Call) -> list[RuleState]:
    """All rules of the ladder that are not met, not only the first one."""
    states = call.projection.admission(session.account_slot, contract.slot, session.signer.person)
    return [state for state in states if not state.is_met]


def _refusal(call: Call, row: Any, seen: Previewed) -> bytes:
    """Why the command would be refused, in the words and with the figures of a refused one; null when it would not."""
    if seen.played.reason == Reason.NONE:
        return b"null"
    known = Reason(shown(seen.played.reason))
    found = refusal_of(known, call.projection.previews.why(why, row, known), seen.side)
    fields = {"code": int(found.code), "reason": known.name, "param": found.param, **found.data}
    return encode(fields)


HANDLERS: dict[str, Callable[..., Any]] = {
    "private/preview_order": preview_order,
    "private/preview_edit": preview_edit,
}
