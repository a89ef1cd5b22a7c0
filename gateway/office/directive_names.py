"""How the directives of a change are named outside: by their kind and what they set."""

from enum import IntEnum

from engine.codes import (
    AccountAttribute,
    ClientAttribute,
    CommandKind,
    ContractParameter,
    MarketState,
    VenueParameter,
    VenueState,
)
from gateway.registry.registry import Intent

_CODES: dict[int, type[IntEnum]] = {
    CommandKind.ACCOUNT_SET: AccountAttribute,
    CommandKind.CLIENT_SET: ClientAttribute,
    CommandKind.CONTRACT_SET: ContractParameter,
    CommandKind.CONTRACT_STATE: MarketState,
    CommandKind.VENUE_SET: VenueParameter,
    CommandKind.VENUE_STATE: VenueState,
}


def named(intent: Intent) -> dict[str, str | None]:
    """A directive's kind and code, as names."""
    kind = CommandKind(intent.kind)
    codes = _CODES.get(kind)
    return {"kind": kind.name.lower(), "code": codes(intent.code).name.lower() if codes else None}
