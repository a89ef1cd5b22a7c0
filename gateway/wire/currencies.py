"""The names by which clients narrow a question down: currencies and kinds of instruments.

A `currency` is always the one in which a contract is settled, as in the Deribit API: BTC_USDC-PERPETUAL belongs to
USDC, and BTC has no contract here. Names of the protocol without business here answer empty, because clients loop over
all of them; any other name is refused.
"""

from collections.abc import Iterable

from gateway.wire.decimals import Contract
from gateway.wire.errors import bad_param

CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR", "SOL")
"""The currencies of the protocol; cryptofeed 3.0.1 asks for SOL, which it had, and does not start on a refusal."""
KINDS = ("future", "option", "spot", "future_combo", "option_combo", "combo", "any")
"""The kinds of instruments of the protocol; a perpetual is a future."""
ANY = "ANY"


def is_currency(name: str) -> bool:
    """Whether this is a currency of the protocol, in upper or lower case."""
    return name.upper() in CURRENCIES


def currency_of(name: str, with_any: bool = False) -> str:
    """The currency in its own spelling, or `ANY` where that is allowed; otherwise a refusal that lists what is."""
    upper = name.upper()
    if upper in CURRENCIES or (with_any and upper == ANY):
        return upper
    allowed = ", ".join((*CURRENCIES, "any") if with_any else CURRENCIES)
    raise bad_param("currency", f"{name[:20]!r} is not a currency here; choose from {allowed}")


def settled_in(contract: Contract, currency: str) -> bool:
    """Whether a contract is settled in a currency; `ANY` is all of them."""
    return currency in (ANY, contract.settlement.upper())


def of_kind(contracts: Iterable[Contract], kind: str | None) -> list[Contract]:
    """The contracts of a kind, all of them without one; a refusal for a kind that the protocol does not have."""
    if kind is not None and kind not in KINDS:
        raise bad_param("kind", f"{kind[:20]!r} is not a kind of instrument; choose from {', '.join(KINDS)}")
    return list(contracts) if kind in (None, "any", "future") else []
