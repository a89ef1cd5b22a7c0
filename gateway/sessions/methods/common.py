"""What the methods have in common: finding contracts, reading counts and times, and the shape of a handler."""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from engine.codes import OrdType
from engine.units import INT64_MAX
from gateway.wire.currencies import ANY, currency_of, of_kind, settled_in
from gateway.wire.decimals import ABSENT, Contract, given, parse_integer
from gateway.wire.errors import ErrorCode, Refusal, bad_param
from gateway.wire.views import Projection, Span

NS_PER_MS = 1_000_000
MAX_MS = 9_000_000_000_000
"""Times on the wire end in the year 2255, so that their nanoseconds fit int64."""
MAX_COUNT = 1000
OLD_TRADE_NS, OLD_ORDER_NS = 7 * 86_400 * 10**9, 2 * 86_400 * 10**9
"""From which age on trades and closed orders are old, as in the Deribit API."""


_STOPS = frozenset({OrdType.STOP_MARKET, OrdType.STOP_LIMIT})
_TAKES = frozenset({OrdType.TAKE_MARKET, OrdType.TAKE_LIMIT})
_TRAILING = frozenset({OrdType.TRAILING_STOP})
_FAMILIES: dict[str, frozenset[int]] = {
    "all": frozenset(OrdType),
    "limit": frozenset({OrdType.LIMIT}),
    "trigger_all": _STOPS | _TAKES | _TRAILING,
}
WAITING_TYPES: dict[str, frozenset[int]] = {
    **_FAMILIES, "stop_all": _STOPS, "stop_limit": frozenset({OrdType.STOP_LIMIT}),
    "stop_market": frozenset({OrdType.STOP_MARKET}), "take_all": _TAKES,
    "take_limit": frozenset({OrdType.TAKE_LIMIT}), "take_market": frozenset({OrdType.TAKE_MARKET}),
    "trailing_all": _TRAILING, "trailing_stop": _TRAILING,
}  # fmt: skip
"""The order types that a `type` means where orders are listed, as in the Deribit API."""
CANCEL_TYPES: dict[str, frozenset[int]] = {**_FAMILIES, "stop": _STOPS, "take": _TAKES, "trailing_stop": _TRAILING}
"""The same where orders are cancelled."""


def types_of(name: str | None, known: dict[str, frozenset[int]]) -> frozenset[int]:
    """The order types that a `type` means; all without one."""
    if name is not None and name not in known:
        raise bad_param("type", f"{name[:20]!r} is not a type to choose; choose from {', '.join(known)}")
    return known[name or "all"]


def contract_of(projection: Projection, name: str) -> Contract:
    """The contract of this name, or a refusal."""
    contract = projection.contract(name)
    if contract is None:
        reason = f"UNKNOWN_CONTRACT: {name[:40]!r}; public/get_instruments lists them"
        raise Refusal(ErrorCode.INVALID_INSTRUMENT, reason, "instrument_name")
    return contract


def contracts_of(
    projection: Projection, currency: str | None, kind: str | None = None, with_any: bool = False
) -> list[Contract]:
    """Contracts settled in this currency, all without one; `with_any`: where the protocol takes "any" as well."""
    wanted = currency_of(currency, with_any) if currency is not None else ANY
    return of_kind((contract for contract in projection.contracts() if settled_in(contract, wanted)), kind)


def time_ns(raw: Raw, param: str, default_ns: int) -> int:
    """A time in ms on the wire, in ns."""
    return parse_integer(raw, param, 0, MAX_MS) * NS_PER_MS if given(raw) else default_ns


def count_of(raw: Raw, default: int, largest: int = MAX_COUNT) -> int:
    """How many rows are wanted."""
    return parse_integer(raw, "count", 1, largest) if given(raw) else default


def id_of(raw: Raw, param: str, default: int) -> int:
    """A sequence number."""
    return parse_integer(raw, param, 0, 10**18 - 1) if given(raw) else default


def period(start: Raw, end: Raw, now_ns: int) -> tuple[int, int]:
    """A period in ns; the end defaults to now and includes its whole millisecond."""
    start_ns = time_ns(start, "start_timestamp", 0)
    end_ns = time_ns(end, "end_timestamp", now_ns) + NS_PER_MS - 1
    if end_ns < start_ns:
        raise bad_param("end_timestamp", "it is before start_timestamp")
    return start_ns, end_ns


def span_of(params: Any, now_ns: int) -> Span:
    """The part of a list of trades that a request asks for.

    Sorting "asc" begins at the oldest that is asked for, "desc" at the newest; without it, trades come from the
    earliest on when the request says where to start, and from the newest on when it does not. Where `include_old` can
    be given, trades of more than seven days ago need it, or a start.
    """
    has_start = any(given(getattr(params, name, ABSENT)) for name in ("start_timestamp", "start_seq"))
    has_start = has_start or getattr(params, "start_id", None) is not None
    start_ns, end_ns = period(
        getattr(params, "start_timestamp", ABSENT), getattr(params, "end_timestamp", ABSENT), now_ns
    )
    include_old = getattr(params, "include_old", True)
    if include_old is False or (include_old is None and not has_start):
        start_ns = max(start_ns, now_ns - OLD_TRADE_NS)
    return Span(
        start_ns,
        end_ns,
        id_of(getattr(params, "start_seq", ABSENT), "start_seq", 0),
        id_of(getattr(params, "end_seq", ABSENT), "end_seq", (1 << 63) - 1),
        count_of(getattr(params, "count", ABSENT), 10),
        ascending=params.sorting == "asc" or (has_start and params.sorting != "desc"),
    )


def place_of(text: str | None, numbers: int) -> tuple[int, ...] | None:
    """The place behind which the page begins that a `continuation` asks for; None for the first page."""
    if not text:
        return None
    parts = text.split(".")
    if len(parts) != numbers or not all(part.isascii() and part.isdigit() and len(part) <= 19 for part in parts):
        raise bad_param("continuation", f"{text[:20]!r} is not one of an answer; leave it out for the first page")
    return tuple(min(int(part), INT64_MAX) for part in parts)


def slots_of(contracts: Iterable[Contract]) -> frozenset[int]:
    """The slots of contracts."""
    return frozenset(contract.slot for contract in contracts)


def order_id_of(text: str, param: str = "order_id") -> int:
    """An order's id from its text; what cannot be one is ORDER_NOT_FOUND like any other unknown id."""
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 19 and 0 < int(text) < 1 << 63):
        raise Refusal(ErrorCode.ORDER_NOT_FOUND, f"UNKNOWN_ORDER: {text[:40]!r} is no order of this account", param)
    return int(text)
