"""The alerts of surveillance over the protocol: the list, one with its orders as they were shown, and reviews."""

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from engine.units import INT64_MAX
from gateway.read_model import render
from gateway.registry.errors import in_one_line
from gateway.sessions import operating_params as m
from gateway.sessions import slices
from gateway.sessions.methods.admin import key_of
from gateway.sessions.methods.common import NS_PER_MS, place_of
from gateway.sessions.methods.operating import operation_of
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.surveillance.store import AlertError, AlertStore, Filed, Review
from gateway.wire.decimals import Contract
from gateway.wire.errors import ErrorCode, Refusal, bad_param
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.log_lines import event
from gateway.wire.views import OrderView

_LOG = logging.getLogger("lionrock.office")
_PREFIX = "venue/admin/"
_LOTS = re.compile(r"\b([0-9][0-9,]{0,24})(?: of ([0-9][0-9,]{0,24}))? lots\b")
MOST_ORDERS = 200
"""Of an alert's orders so many are shown, the earliest ones."""


@contextmanager
def _store(call: Call) -> Iterator[AlertStore]:
    """The alerts while they are read or reviewed."""
    try:
        store = operation_of(call).alerts()
    except AlertError as error:
        raise Refusal(ErrorCode.RETRY, str(error)) from None
    try:
        yield store
    except AlertError as error:
        field, found, why = str(error).partition(": ")
        raise bad_param("number" if field.startswith("alert") or not found else field, why or str(error)) from None
    except sqlite3.Error as error:
        reason = f"the alerts cannot be read or written now ({in_one_line(error)}); try again in a moment"
        raise Refusal(ErrorCode.RETRY, reason) from None
    finally:
        store.close()


def list_alerts(session: SessionState, params: m.ListAlerts, call: Call) -> Slices:
    """A page of the alerts of surveillance in a state, the latest first."""
    [before] = place_of(params.continuation, 1) or [INT64_MAX]
    with _store(call) as store:
        found = store.latest("" if params.state == "all" else params.state, params.count + 1, before)
    shown = found[: params.count]
    rows = (encode(_row(call, alert)) for alert in shown)
    return slices.page("alerts", rows, lambda: str(shown[-1].number) if len(found) > len(shown) else None)


def _row(call: Call, alert: Filed) -> dict[str, Any]:
    registry, slot = call.context.registry, alert.contract_slot
    known, contracts = registry.next_account_slot(), call.projection.contracts()
    contract = contracts[slot] if 0 <= slot < len(contracts) else None
    return {
        "number": alert.number,
        "rule": alert.rule,
        "text": _in_amounts(alert.text, contract) if contract else alert.text,
        "timestamp": alert.time_ns // NS_PER_MS,
        "instrument_name": contract.name if contract else None,
        "accounts": [registry.account_at(account).name for account in alert.accounts if 0 <= account < known],
        "first_sequence": alert.first_seq,
        "last_sequence": alert.last_seq,
        "state": alert.state,
        "reviewer": alert.reviewer or None,
        "note": alert.note,
    }


def _in_amounts(text: str, contract: Contract) -> str:
    """What the rules say in lots, as amounts: clients and officers see no lots anywhere else."""

    def told(found: re.Match[str]) -> str:
        amounts = [contract.amount_words(int(lots.replace(",", ""))) for lots in found.groups() if lots]
        return f"{' of '.join(amounts)} {contract.base}"

    return _LOTS.sub(told, text)


def get_alert(session: SessionState, params: m.GetAlert, call: Call) -> Slices:
    """One alert with its figures, its reviews, and its orders: when each was shown and withdrawn, at which price."""
    with _store(call) as store:
        alert, reviews = store.alert(params.number), store.reviews(params.number)
    told = encode({
        **_row(call, alert),
        "figures": alert.evidence["figures"],
        "sequences": alert.evidence["seqs"],
        "order_ids": [str(order_id) for order_id in alert.evidence["order_ids"]],
        "reviews": [
            {"state": one.state, "reviewer": one.reviewer, "note": one.note, "timestamp": one.time_ns // NS_PER_MS}
            for one in reviews
        ],
    })  # fmt: skip
    order_ids = sorted(alert.evidence["order_ids"])[:MOST_ORDERS]
    return Slices(told[:-1] + b',"orders":', (_order(call, alert, order_id) for order_id in order_ids), b"}")


def _order(call: Call, alert: Filed, order_id: int) -> bytes:
    """An order of one of the alert's accounts, as its owner sees it, and its trades; nothing when it is not theirs."""
    for account in alert.accounts:
        view: OrderView | None = call.projection.order(account, order_id)
        if view is not None:
            contract = call.projection.contract_at(view.contract_slot)
            told = msgspec.json.decode(render.order(contract, view), type=dict[str, msgspec.Raw])
            trades = call.projection.order_trades(account, order_id)
            return encode({
                **{name: told[name] for name in _SHOWN if name in told},
                "account": call.context.registry.account_at(account).name,
                "trades": [msgspec.Raw(render.user_trade(contract, trade)) for trade in trades],
            })  # fmt: skip
    return b""


_SHOWN = (
    "order_id", "direction", "price", "amount", "filled_amount", "order_type", "order_state", "creation_timestamp",
    "last_update_timestamp", "cancel_reason", "instrument_name",
)  # fmt: skip


def review_alert(session: SessionState, params: m.ReviewAlert, call: Call) -> bytes:
    """Say what became of an alert: the reviewer is the person of the key. Earlier reviews stay."""
    key = key_of(session)
    reviewer = call.context.registry.person_name(key.person)
    with _store(call) as store:
        alert = store.review(params.number, Review(params.state, reviewer, params.note, call.now_ns))
    told = event("alert_reviewed", alert=params.number, state=params.state, key=key.number, person=key.person)
    _LOG.info("alert %d is %s", params.number, params.state, extra=told)
    return encode(_row(call, alert))


QUESTIONS = frozenset({_PREFIX + "list_alerts", _PREFIX + "get_alert"})
HANDLERS: dict[str, Callable[..., Any]] = {
    _PREFIX + "list_alerts": list_alerts,
    _PREFIX + "get_alert": get_alert,
    _PREFIX + "review_alert": review_alert,
}
