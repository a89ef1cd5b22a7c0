"""Which method serves a request, and what it needs: scope, rate limit, and whether it reads the venue's state."""

from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.sessions.method_table import METHODS, REQUESTS
from gateway.sessions.methods import (
    account,
    account_records,
    admin,
    alerts,
    closing,
    market,
    market_records,
    mass_cancels,
    operating,
    preview,
    queries,
    session,
    trading,
    venue,
)

OFFICERS_SCOPES = frozenset({"compliance", "admin", "officer"})
"""Scopes whose methods are served at the operations listener alone."""


class Route(NamedTuple):
    """How a request is served. `reads`: everything received before it is applied first, so that its answer shows it.

    `is_officers_question`: it goes into the gateway's log who asked. `writes`: what it puts into the log of commands,
    "orders", "cancels" or "changes"; empty for a question.
    """

    handler: Callable[..., Any]
    scope: str
    bucket: str
    name: str
    reads: bool
    is_officers_question: bool
    writes: str


_HANDLERS: dict[str, Callable[..., Any]] = {
    **session.HANDLERS,
    **market.HANDLERS,
    **market_records.HANDLERS,
    **account_records.HANDLERS,
    **trading.HANDLERS,
    **mass_cancels.HANDLERS,
    **closing.HANDLERS,
    **preview.HANDLERS,
    **queries.HANDLERS,
    **account.HANDLERS,
    **venue.HANDLERS,
    **admin.HANDLERS,
    **operating.HANDLERS,
    **alerts.HANDLERS,
}
_ASKING = (market, market_records, preview, queries, account, account_records, venue)
_READS = frozenset(name for module in _ASKING for name in module.HANDLERS) - {
    "public/get_time", "public/get_currencies", "public/get_instruments", "public/get_instrument", "public/status",
    "public/get_contract_size", "public/get_index_price_names", "public/get_supported_index_names",
    "private/list_api_keys", "private/get_leverage", "private/set_leverage", "venue/get_reject_reasons",
    "venue/get_rules",
} | {"private/close_position", "private/edit", "private/edit_by_label"} | operating.READS  # fmt: skip
"""Methods that look at what orders change: books, trades, orders, positions and money."""
_OFFICERS_QUESTIONS = admin.QUESTIONS | operating.QUESTIONS | alerts.QUESTIONS
_CHANGES = frozenset(admin.HANDLERS) - admin.QUESTIONS - {"venue/get_disclosures"}
"""Methods of officers, and of clients about their own standing, that the log hears of."""


def _writes(name: str) -> str:
    bucket = METHODS[name].bucket
    return bucket if bucket != "queries" else "changes" if name in _CHANGES else ""


ROUTES: dict[type, Route] = {
    REQUESTS[name]: Route(
        _HANDLERS[name], method.scope, method.bucket, name, name in _READS, name in _OFFICERS_QUESTIONS, _writes(name)
    )
    for name, method in METHODS.items()
}
