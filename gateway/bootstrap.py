"""A venue to begin with: the shipped BTC and ETH contracts, and traders who may trade.

Everything goes through the registry as intents, so the log has it like any other change.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.codes import CommandKind, InvestorClass, VenueParameter
from engine.codes import ContractParameter as P
from engine.units import FOREVER_NS
from gateway.auth import NewKey, Vault, new_ed25519_key, new_hmac_key
from gateway.onboarding import deposit, eligible, knowledge
from gateway.registry import ContractRecord, Intent, KeyOrder, Registry

_S = 1_000_000_000
_MILLION = 1_000_000
_RULES: dict[P, int | list[int]] = {
    P.BASE_ELIGIBLE: 1,
    P.NEEDS_INDEX: 1,
    P.MIN_ORDER_LOTS: 1,
    P.MAX_ORDER_LOTS: 100_000,
    P.LOT_STEP: 1,
    P.MAX_POSITION_LOTS: _MILLION,
    P.BAND_PPB: 30_000_000,
    P.TAKER_FEE_PPB: 500_000,
    P.MAKER_FEE_PPB: 200_000,
    P.LIQUIDATION_FEE_PPB: 10_000_000,
    P.LIQUIDATION_ENABLED: 1,
    P.MIN_SOURCES: 2,
    P.FUNDING_INTERVAL_S: 28_800,
    P.FUNDING_INTEREST_PPB: 100_000,
    P.FUNDING_CLAMP_PPB: 500_000,
    P.FUNDING_CAP_PPB: 37_500_000,
    P.IMPACT_NOTIONAL_MICROS: 20_000 * _MILLION,
    P.MARK_CLAMP_PPB: 25_000_000,
    P.SAMPLE_INTERVAL_S: 5,
    P.DISCLOSURE_PRODUCT: 1,
    P.DISCLOSURE_LOSS: 1,
    P.DISCLOSURE_AFFILIATE: 1,
    P.BRACKET_FLOOR_MICROS: [0, 10_000_000 * _MILLION],
    P.BRACKET_LEVERAGE: [10, 5],
    P.BRACKET_MMR_PPB: [50_000_000, 100_000_000],
    P.SOURCE_WEIGHT: [1, 1, 1],
}
"""Leverage 10, maintenance 5 %, band 3 %, taker 0.05 %, maker 0.02 %, funding every 8 hours, three index sources."""
INDEX_SOURCES = 3
VENUE_SETTINGS = (
    (VenueParameter.MARK_TICK_NS, _S),
    (VenueParameter.INDEX_STALE_NS, 10 * _S),
    (VenueParameter.INDEX_RECOVERY_NS, 30 * _S),
)
"""Mark ticks every second, index inputs stale after 10 s and back after 30 s."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract to list: its names, its units, and what its units make of the rules."""

    base: str
    tick: str
    lot: str
    micros_per_tick_lot: int
    max_price_ticks: int
    settlement: str = "USDC"

    @property
    def name(self) -> str:
        """The contract's name."""
        return f"{self.base}_{self.settlement}-PERPETUAL"


SHIPPED = (
    Listing("BTC", "0.5", "0.001", 500, 2 * _MILLION),
    Listing("ETH", "0.05", "0.01", 500, 2 * _MILLION),
)


def list_contracts(registry: Registry, now_ns: int, listings: Iterable[Listing] = SHIPPED) -> None:
    """Ask for the contracts to be created, set up and listed; those that exist are left alone."""
    registry.check_open()
    known = {record.name for record in registry.contracts()}
    slot = len(known)
    for listing in listings:
        if listing.name in known:
            continue
        registry.add_contract(listing_record(slot, listing, now_ns), listing_intents(slot, listing))
        slot += 1


def listing_record(slot: int, listing: Listing, now_ns: int) -> ContractRecord:
    """A listing as the registry keeps it."""
    return ContractRecord(slot, listing.name, listing.base, listing.settlement, listing.tick, listing.lot, now_ns)


def listing_intents(slot: int, listing: Listing) -> list[Intent]:
    """The directives that create a contract, set it up and list it."""
    rules = _RULES | {P.MICROS_PER_TICK_LOT: listing.micros_per_tick_lot, P.MAX_PRICE_TICKS: listing.max_price_ticks}
    intents = [Intent(CommandKind.CONTRACT_CREATE, contract_slot=slot, note=f"create {listing.name}")]
    for code, values in rules.items():
        for item, value in enumerate(values if isinstance(values, list) else [values]):
            intents.append(Intent(CommandKind.CONTRACT_SET, int(code), contract_slot=slot, item=item, value=value))
    intents.append(Intent(CommandKind.CONTRACT_LIST, contract_slot=slot, note=f"list {listing.name}"))
    return intents


def set_up_venue(registry: Registry, now_ns: int, fund_micros: int) -> None:
    """The venue's settings and a seeded insurance fund."""
    registry.check_open()
    intents = [Intent(CommandKind.VENUE_SET, int(code), value=value) for code, value in VENUE_SETTINGS]
    intents.append(Intent(CommandKind.FUND_DEPOSIT, amount_micros=fund_micros, note="seed the insurance fund"))
    registry.add_intents(intents, now_ns)


@dataclass(frozen=True, slots=True)
class Trader:
    """An account that may trade, and a key of it."""

    name: str
    account_slot: int
    key: NewKey


def open_trader(
    registry: Registry, vault: Vault, name: str, deposit_micros: int, now_ns: int, kind: str = "hmac"
) -> Trader:
    """Open an eligible individual account with money and a key that may read and trade."""
    registry.check_open()
    account = registry.create_account(name, now_ns, investor_class=InvestorClass.INDIVIDUAL)
    person = registry.person(name, now_ns)
    intents = [
        *eligible(account.slot, InvestorClass.INDIVIDUAL, FOREVER_NS, name),
        knowledge(person, FOREVER_NS, name),
        deposit(account.slot, deposit_micros, name),
    ]
    registry.add_intents(intents, now_ns)
    key = new_hmac_key(vault) if kind == "hmac" else new_ed25519_key()
    registry.add_key(KeyOrder(key.id, account.slot, person, kind, key.verifier, ("read", "trade"), name), now_ns)
    return Trader(name, account.slot, key)
