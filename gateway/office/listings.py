"""The shipped contracts and the venue's settings, and the directives that set them up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.codes import CommandKind, VenueParameter
from engine.codes import ContractParameter as P
from gateway.registry.registry import ContractRecord, Intent

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
VENUE_SETTINGS = (
    (VenueParameter.MARK_TICK_NS, _S),
    (VenueParameter.INDEX_STALE_NS, 10 * _S),
    (VenueParameter.INDEX_RECOVERY_NS, 30 * _S),
)
"""Mark ticks every second, index inputs stale after 10 s and back after 30 s."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract to list: its names, its units, and the rules in these units."""

    base: str
    tick: str
    lot: str
    micros_per_tick_lot: int
    max_price_ticks: int
    settlement: str = "USDC"
    rules: Mapping[P, int | list[int]] = field(default_factory=dict, hash=False)
    """What differs from the shipped rules."""

    @property
    def name(self) -> str:
        """The contract's name."""
        return f"{self.base}_{self.settlement}-PERPETUAL"


SHIPPED = (
    Listing("BTC", "0.5", "0.001", 500, 2 * _MILLION),
    Listing("ETH", "0.05", "0.01", 500, 2 * _MILLION),
)


def listing_record(slot: int, listing: Listing, now_ns: int) -> ContractRecord:
    """A listing as the registry keeps it."""
    return ContractRecord(slot, listing.name, listing.base, listing.settlement, listing.tick, listing.lot, now_ns)


def listing_intents(slot: int, listing: Listing) -> list[Intent]:
    """The directives that create a contract, set it up and list it."""
    units = {P.MICROS_PER_TICK_LOT: listing.micros_per_tick_lot, P.MAX_PRICE_TICKS: listing.max_price_ticks}
    rules = _RULES | units | dict(listing.rules)
    intents = [Intent(CommandKind.CONTRACT_CREATE, contract_slot=slot, note=f"create {listing.name}")]
    for code, values in rules.items():
        for item, value in enumerate(values if isinstance(values, list) else [values]):
            intents.append(Intent(CommandKind.CONTRACT_SET, int(code), contract_slot=slot, item=item, value=value))
    intents.append(Intent(CommandKind.CONTRACT_LIST, contract_slot=slot, note=f"list {listing.name}"))
    return intents
