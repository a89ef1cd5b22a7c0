"""An order before it is sent: what it would do, as the engine itself says. Nothing is sent and nothing is logged."""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.codes import NIL, Reason, Side
from engine.schema import COMMAND, LABEL
from gateway.audit_trail.refusals import why
from gateway.read_model.render_preview import Previewed, preview, terms
from gateway.sessions import method_table
from gateway.sessions.methods.common import contract_of
from gateway.sessions.methods.trading import asked
from gateway.sessions.methods.venue import rules
from gateway.sessions.state import Call, SessionState
from gateway.wire.decimals import Contract
from gateway.wire.errors import refusal_of
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
    projection, account_slot = call.projection, session.account_slot
    before, held = projection.previews.before(account_slot, contract.slot)
    played = projection.previews.play(rows, call.now_ns)
    order, ticker = rows[0], projection.ticker(contract.slot)
    price_ticks = int(order["price_ticks"]) or int(order["trigger_price_ticks"])
    best_ticks = ticker.best_ask_ticks if side == Side.BUY else ticker.best_bid_ticks
    seen = Previewed(
        int(side), int(order["ord_type"]), int(order["qty_lots"]), price_ticks, best_ticks or NIL,
        ticker.mark_subticks, projection.terms(contract.slot).maker_fee_ppb, before, held, played,
    )  # fmt: skip
    unmet = _unmet(session, contract, call) if played.reason != Reason.NONE or played.made_reduce_only else []
    label = rows[1:].tobytes()[LABEL_AT:].rstrip(b"\0").decode("utf-8", "surrogatepass")
    more = b',%b,"sequence":%d,"failing_rules":%b' % (
        terms(contract, order, label), projection.durable_seq, encode(rules(unmet)),
    )  # fmt: skip
    if params.with_max:
        largest = projection.previews.largest_lots(rows, call.now_ns)
        more += b',"max_amount":%b' % contract.amount_text(largest)
    return preview(contract, seen, _refusal(call, contract, order, played.reason), more)


def _unmet(session: SessionState, contract: Contract, call: Call) -> list[RuleState]:
    """All rules of the ladder that are not met, not only the first one."""
    states = call.projection.admission(session.account_slot, contract.slot, session.signer.person)
    return [state for state in states if not state.is_met]


def _refusal(call: Call, contract: Contract, order: Any, reason: Reason) -> bytes:
    """Why the order would be refused, in the words and with the figures of a refused order; null when it would not."""
    if reason == Reason.NONE:
        return b"null"
    known, projection = Reason(shown(reason)), call.projection
    found = refusal_of(known, projection.previews.why(why, order, known), int(order["side"]))
    fields = {"code": int(found.code), "reason": known.name, "param": found.param, **found.data}
    return encode(fields)


HANDLERS: dict[str, Callable[..., Any]] = {"private/preview_order": preview_order}
