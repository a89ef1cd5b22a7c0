"""Channel names: what can be subscribed to, and what each name means."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.wire.currencies import ANY, CURRENCIES, KINDS, is_currency
from gateway.wire.decimals import Contract

Kind = Literal[
    "book", "grouped_book", "trades", "ticker", "incremental_ticker", "quote", "perpetual", "index", "chart",
    "liquidations", "kind_trades", "instrument_state", "user.orders", "user.trades", "user.changes", "user.portfolio",
    "user.positions", "user.notices", "platform_state",
]  # fmt: skip
RESOLUTIONS_S = {
    "1": 60, "3": 180, "5": 300, "10": 600, "15": 900, "30": 1800, "60": 3600, "120": 7200, "180": 10800, "240": 14400,
    "360": 21600, "720": 43200, "1D": 86400,
}  # fmt: skip
DEPTHS = (1, 5, 10, 20, 50, 100)
_USER = re.compile(
    rf"user\.(orders|trades|changes)\.(?:(?P<kind>{'|'.join(KINDS)})\.)?(?P<what>[^.]+)\.(?P<interval>raw|100ms|agg2)"
)
_BY_CURRENCY: list[tuple[Kind, re.Pattern[str]]] = [
    ("kind_trades", re.compile(r"trades\.(?P<kind>[^.]+)\.(?P<currency>[^.]+)\.(?P<interval>raw|100ms|agg2)")),
    ("instrument_state", re.compile(r"instrument\.state\.(?P<kind>[^.]+)\.(?P<currency>[^.]+)")),
]
_PATTERNS: list[tuple[Kind, re.Pattern[str]]] = [
    ("book", re.compile(r"book\.(?P<name>[^.]+)\.(?P<interval>raw|100ms|agg2)")),
    ("grouped_book", re.compile(r"book\.(?P<name>[^.]+)\.none\.(?P<depth>\d{1,3})\.(?P<interval>raw|100ms|agg2)")),
    ("trades", re.compile(r"trades\.(?P<name>[^.]+)\.(?P<interval>raw|100ms|agg2)")),
    ("liquidations", re.compile(r"liquidations\.(?P<name>[^.]+)")),
    ("ticker", re.compile(r"ticker\.(?P<name>[^.]+)\.(?P<interval>raw|100ms|agg2)")),
    ("incremental_ticker", re.compile(r"incremental_ticker\.(?P<name>[^.]+)")),
    ("quote", re.compile(r"quote\.(?P<name>[^.]+)")),
    ("perpetual", re.compile(r"perpetual\.(?P<name>[^.]+)\.(?P<interval>raw|100ms|agg2)")),
    ("chart", re.compile(r"chart\.trades\.(?P<name>[^.]+)\.(?P<resolution>[0-9]{1,3}|1D)")),
]


@dataclass(frozen=True, slots=True)
class Channel:
    """One subscription: `name` is echoed byte for byte. `contract_slot` is -1 for all or none."""

    name: str
    kind: Kind
    contract_slot: int = -1
    interval: str = "raw"
    depth: int = 0
    resolution_s: int = 0
    currency: str = ANY
    account_slot: int = -1

    @property
    def is_private(self) -> bool:
        """Whether only the account's own sessions may subscribe to it."""
        return self.account_slot >= 0


Find = Callable[[str], Contract | None]


class NoChannelError(ValueError):
    """There is no such channel, or not for this session; the text says why and what to do."""


def parse(name: str, find: Find, account_slot: int = -1) -> Channel:
    """The channel of this name. NoChannelError when there is none, or when it is private and nobody may hear it."""
    if name.startswith("user."):
        if account_slot < 0:
            raise NoChannelError("it is an account's own channel; log in with a key that has the scope read")
        return _private(name, find, account_slot)
    if name == "platform_state":
        return Channel(name, "platform_state")
    if name.startswith("deribit_price_index."):
        return _index(name, name.partition(".")[2], find)
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(name)
        if match:
            return _public(name, kind, match.groupdict(), find)
    for kind, pattern in _BY_CURRENCY:
        match = pattern.fullmatch(name)
        if match:
            return _by_currency(name, kind, match.groupdict())
    raise NoChannelError(_UNKNOWN)


_UNKNOWN = "there is no channel of this form; /openrpc.json lists them all"


def _contract(name: str, find: Find) -> Contract:
    contract = find(name)
    if contract is None:
        raise NoChannelError(f"there is no contract {name[:40]!r}; public/get_instruments lists them")
    return contract


NOTHING = ""
"""The currency of a channel about a kind of instruments that there are none of here: nothing is settled in it."""


def _by_currency(name: str, kind: Kind, parts: dict[str, str | None]) -> Channel:
    of_kind = parts["kind"] or ""
    if of_kind not in KINDS:
        raise NoChannelError(f"{of_kind[:20]!r} is not a kind of instrument; choose from {', '.join(KINDS)}")
    heard = _heard(of_kind, parts["currency"] or "")
    return Channel(name, kind, interval=parts.get("interval") or "raw", currency=heard)


def _heard(kind: str, currency: str) -> str:
    if currency.upper() != ANY and not is_currency(currency):
        raise NoChannelError(f"{currency[:20]!r} is not a currency; choose from any, {', '.join(CURRENCIES)}")
    return currency.upper() if kind in ("any", "future") else NOTHING


def _index(name: str, index_name: str, find: Find) -> Channel:
    contract = find(f"{index_name.upper()}-PERPETUAL")
    if contract is None or contract.index_name != index_name:
        raise NoChannelError(f"there is no index {index_name[:40]!r}; say one like btc_usdc")
    return Channel(name, "index", currency=index_name)


def _public(name: str, kind: Kind, parts: dict[str, str | None], find: Find) -> Channel:
    contract = _contract(parts["name"] or "", find)
    depth = int(parts.get("depth") or 0)
    resolution = parts.get("resolution")
    if kind == "grouped_book" and depth not in DEPTHS:
        raise NoChannelError(f"depth {depth}: give one of {', '.join(map(str, DEPTHS))}")
    if kind == "chart" and resolution not in RESOLUTIONS_S:
        raise NoChannelError(f"resolution {resolution}: give one of {', '.join(RESOLUTIONS_S)}")
    interval = parts.get("interval") or "raw"
    return Channel(name, kind, contract.slot, interval, depth, RESOLUTIONS_S.get(resolution or "", 0))


def _private(name: str, find: Find, account_slot: int) -> Channel:
    if name.startswith("user.portfolio."):
        currency = name.removeprefix("user.portfolio.")
        return Channel(name, "user.portfolio", currency=_heard("any", currency), account_slot=account_slot)
    if name.startswith("user.positions."):
        return _positions(name, find, account_slot)
    if name == "user.notices":
        return Channel(name, "user.notices", account_slot=account_slot)
    match = _USER.fullmatch(name)
    if match is None:
        raise NoChannelError(_UNKNOWN)
    kind: Kind = f"user.{match[1]}"  # type: ignore[assignment]
    interval = match["interval"]
    if match["kind"]:
        heard = _heard(match["kind"], match["what"])
        return Channel(name, kind, interval=interval, currency=heard, account_slot=account_slot)
    contract = _contract(match["what"], find)
    return Channel(name, kind, contract.slot, interval, account_slot=account_slot)


def _positions(name: str, find: Find, account_slot: int) -> Channel:
    what = name.removeprefix("user.positions.")
    contract = find(what)
    if contract is not None:
        return Channel(name, "user.positions", contract.slot, account_slot=account_slot)
    return Channel(name, "user.positions", currency=_heard("any", what), account_slot=account_slot)
