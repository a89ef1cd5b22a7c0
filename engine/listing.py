"""What a contract must satisfy to be listed, and what follows from its parameters. One clear reason each."""

import numpy as np

from engine.codes import ContractParameter as P
from engine.codes import MarketState, Mode, Reason, VenueState
from engine.kernels import kernel
from engine.schema import MAX_BRACKETS, MAX_SOURCES
from engine.units import (
    MAX_LOTS,
    MAX_NOTIONAL_SUBMICROS,
    MAX_POSITION_LOTS,
    MAX_SOURCE_WEIGHT,
    MAX_TICKS,
    PPB,
    SUBTICKS,
    mul_div_floor,
    mul_high,
    wrapping_mul,
)

MIN_IMPACT_NOTIONAL_MICROS = 20_000_000_000
MAX_FUNDING_INTERVAL_S = 86_400
MAX_FUNDING_RATE_PPB = PPB
"""Of eight hours: bounds the interest, its clamp and the cap, so that no payment leaves int64."""
MIN_INDEX_SOURCES = 3
MAX_LEVERAGE = 1000


@kernel
def derive_intervals(contract):
    """A funding interval keeps the length and the samples that it began with: a change counts from the next one on."""
    contract.funding_interval_s = contract.parameters[P.FUNDING_INTERVAL_S]
    contract.sample_interval_s = contract.parameters[P.SAMPLE_INTERVAL_S]


@kernel
def derive(contract):
    """Copy the parameters as given into the fields that the engine reads."""
    given = contract.parameters
    contract.micros_per_tick_lot = given[P.MICROS_PER_TICK_LOT]
    contract.max_price_ticks = given[P.MAX_PRICE_TICKS]
    contract.min_order_lots = given[P.MIN_ORDER_LOTS]
    contract.max_order_lots = given[P.MAX_ORDER_LOTS]
    contract.lot_step = given[P.LOT_STEP]
    contract.max_position_lots = given[P.MAX_POSITION_LOTS]
    contract.max_order_value_micros = given[P.MAX_ORDER_VALUE_MICROS]
    contract.max_open_interest_lots = given[P.MAX_OPEN_INTEREST_LOTS]
    contract.band_ppb = given[P.BAND_PPB]
    contract.taker_fee_ppb = given[P.TAKER_FEE_PPB]
    contract.maker_fee_ppb = given[P.MAKER_FEE_PPB]
    contract.liquidation_fee_ppb = given[P.LIQUIDATION_FEE_PPB]
    contract.liquidation_enabled = 1 if given[P.LIQUIDATION_ENABLED] != 0 else 0
    contract.base_eligible = 1 if given[P.BASE_ELIGIBLE] != 0 else 0
    contract.needs_index = 1 if given[P.NEEDS_INDEX] != 0 else 0
    contract.allow_thin_index = 1 if given[P.ALLOW_THIN_INDEX] != 0 else 0
    contract.min_sources = given[P.MIN_SOURCES]
    contract.funding_interest_ppb = given[P.FUNDING_INTEREST_PPB]
    contract.funding_clamp_ppb = given[P.FUNDING_CLAMP_PPB]
    contract.funding_cap_ppb = given[P.FUNDING_CAP_PPB]
    contract.funding_equal_weights = given[P.FUNDING_EQUAL_WEIGHTS]
    contract.impact_notional_micros = given[P.IMPACT_NOTIONAL_MICROS]
    contract.impact_excludes_affiliates = given[P.IMPACT_EXCLUDES_AFFILIATES]
    contract.mark_clamp_ppb = given[P.MARK_CLAMP_PPB]
    if contract.next_funding_ns == 0:
        derive_intervals(contract)
    contract.disclosure_product = given[P.DISCLOSURE_PRODUCT]
    contract.disclosure_loss = given[P.DISCLOSURE_LOSS]
    contract.disclosure_affiliate = given[P.DISCLOSURE_AFFILIATE]
    contract.affiliate_present = given[P.AFFILIATE_PRESENT]
    _derive_brackets(contract)
    _derive_sources(contract)
    free = contract.brackets == 0 and contract.taker_fee_ppb == 0 and contract.maker_fee_ppb == 0
    contract.margin_free = 1 if free else 0


@kernel
def _derive_brackets(contract):
    """deduction_n = floor_n * (mmr_n - mmr_{n-1}) + deduction_{n-1}; a bracket without a rate ends the table."""
    contract.brackets = 0
    for place in range(MAX_BRACKETS):
        contract.bracket_deduction_micros[place] = 0
        if contract.bracket_mmr_ppb[place] == 0:
            return
        contract.brackets += 1
        if place > 0:
            step = contract.bracket_mmr_ppb[place] - contract.bracket_mmr_ppb[place - 1]
            more = mul_div_floor(contract.bracket_floor_micros[place], step, PPB)
            contract.bracket_deduction_micros[place] = contract.bracket_deduction_micros[place - 1] + more


@kernel
def _derive_sources(contract):
    contract.sources = 0
    for place in range(MAX_SOURCES):
        if contract.source[place].weight > 0:
            contract.sources += 1


@kernel
def set_gate(s, contract):
    """An order needs a closer look at the market unless venue and contract are open."""
    plain = contract.state == MarketState.OPEN and s.venue_state == VenueState.OPEN
    contract.gate = 0 if plain else 1


@kernel
def set_band(contract):
    """The band's edges around the mark, in whole ticks inside it; without a band or a mark every price is in it."""
    contract.max_buy_ticks = contract.max_price_ticks
    contract.min_sell_ticks = 1
    if contract.band_ppb != 0 and contract.mark_subticks != 0:
        highest = mul_div_floor(contract.mark_subticks, PPB + contract.band_ppb, PPB) // SUBTICKS
        lowest = mul_div_floor(contract.mark_subticks, PPB - contract.band_ppb, PPB)
        exact = wrapping_mul(contract.mark_subticks, PPB - contract.band_ppb) == wrapping_mul(lowest, PPB)
        lowest = lowest if exact else lowest + 1
        contract.max_buy_ticks = min(highest, contract.max_price_ticks)
        contract.min_sell_ticks = max(-(-lowest // SUBTICKS), 1)


@kernel
def _is_without_money(s, contract):
    """Whether nothing is at stake: a tick on a lot of a recorded contract is worth nothing, and no sum of money grows.

    Only what margin would be worked out from still sums prices; nothing reads it, and it may wrap.
    """
    return contract.micros_per_tick_lot == 0 and contract.margin_free != 0 and s.mode == Mode.RESEARCH


@kernel
def notional_bound(contract):
    """Largest price in subticks x largest position x micros per tick and lot; -1 when it leaves the bound."""
    if contract.micros_per_tick_lot == 0:
        return np.int64(0)
    price_submicros = contract.max_price_ticks * SUBTICKS
    if mul_high(price_submicros, contract.micros_per_tick_lot) != 0:
        return np.int64(-1)
    unit = wrapping_mul(price_submicros, contract.micros_per_tick_lot)
    if unit <= 0 or contract.max_position_lots > MAX_NOTIONAL_SUBMICROS // unit:
        return np.int64(-1)
    return unit * contract.max_position_lots


@kernel
def _range_reason(s, contract, listed_submicros):
    if contract.micros_per_tick_lot < 1 and not _is_without_money(s, contract):
        return Reason.BAD_UNIT
    if contract.max_price_ticks < 1 or contract.max_price_ticks > MAX_TICKS:
        return Reason.BAD_RANGE
    if contract.lot_step < 1 or contract.min_order_lots < 1 or contract.max_order_lots < contract.min_order_lots:
        return Reason.BAD_RANGE
    if contract.max_order_lots > MAX_LOTS or contract.max_position_lots < contract.min_order_lots:
        return Reason.BAD_RANGE
    if contract.max_order_lots > contract.max_position_lots or contract.max_position_lots > MAX_POSITION_LOTS:
        return Reason.BAD_RANGE
    if contract.max_order_value_micros < 0 or contract.max_open_interest_lots < 0:
        return Reason.BAD_RANGE
    bound = notional_bound(contract)
    if bound < 0 or bound > MAX_NOTIONAL_SUBMICROS - listed_submicros:
        return Reason.BAD_RANGE
    return Reason.NONE


@kernel
def _bracket_reason(contract):
    """Contiguous from 0, rates that do not fall, IM above MM above 0, whole deductions."""
    if contract.brackets == 0 or contract.bracket_floor_micros[0] != 0:
        return Reason.BAD_BRACKETS
    for place in range(contract.brackets):
        leverage, mmr = contract.bracket_leverage[place], contract.bracket_mmr_ppb[place]
        if leverage < 1 or leverage > MAX_LEVERAGE or mmr <= 0 or mmr * leverage >= PPB:
            return Reason.BAD_BRACKETS
        if place > 0:
            floor = contract.bracket_floor_micros[place]
            step = mmr - contract.bracket_mmr_ppb[place - 1]
            if floor <= contract.bracket_floor_micros[place - 1] or step < 0:
                return Reason.BAD_BRACKETS
            if leverage > contract.bracket_leverage[place - 1]:
                return Reason.BAD_BRACKETS
            whole = mul_div_floor(floor, step, PPB)
            if wrapping_mul(whole, PPB) != wrapping_mul(floor, step):
                return Reason.BAD_BRACKETS
    return Reason.NONE


@kernel
def _risk_reason(contract):
    """Bands, clamps and fees that keep a liquidation within its margin."""
    lowest_mmr = contract.bracket_mmr_ppb[0]
    if contract.band_ppb <= 0 or contract.band_ppb + contract.taker_fee_ppb > lowest_mmr:
        return Reason.BAND_TOO_WIDE
    if contract.mark_clamp_ppb <= 0 or 2 * contract.mark_clamp_ppb > lowest_mmr:
        return Reason.MARK_CLAMP_TOO_WIDE
    if contract.liquidation_fee_ppb < 0 or contract.liquidation_fee_ppb > lowest_mmr - contract.taker_fee_ppb:
        return Reason.LIQUIDATION_FEE_TOO_HIGH
    if contract.taker_fee_ppb + contract.maker_fee_ppb < 0 or contract.taker_fee_ppb < 0:
        return Reason.FEES_NEGATIVE
    return Reason.NONE


@kernel
def _reference_reason(contract):
    """Index sources, impact notional and disclosures."""
    for place in range(MAX_SOURCES):
        if contract.source[place].weight > MAX_SOURCE_WEIGHT:
            return Reason.SOURCE_WEIGHT_TOO_HIGH
    thin = contract.sources < MIN_INDEX_SOURCES and not contract.allow_thin_index
    if contract.needs_index == 0 or contract.sources == 0 or thin:
        return Reason.THIN_INDEX
    if contract.min_sources < 1 or contract.min_sources > contract.sources:
        return Reason.THIN_INDEX
    if contract.impact_notional_micros < MIN_IMPACT_NOTIONAL_MICROS:
        return Reason.IMPACT_NOTIONAL_TOO_SMALL
    versions = min(contract.disclosure_product, contract.disclosure_loss)
    if versions < 1 or (contract.affiliate_present and contract.disclosure_affiliate < 1):
        return Reason.DISCLOSURE_VERSIONS_MISSING
    return Reason.NONE


@kernel
def _interval_reason(contract):
    interval, sample = contract.parameters[P.FUNDING_INTERVAL_S], contract.parameters[P.SAMPLE_INTERVAL_S]
    if interval < 1 or interval > MAX_FUNDING_INTERVAL_S or 86_400 % interval != 0:
        return Reason.BAD_INTERVAL
    if sample < 1 or interval % sample != 0:
        return Reason.BAD_INTERVAL
    if contract.funding_cap_ppb < 0 or contract.funding_clamp_ppb < 0:
        return Reason.BAD_INTERVAL
    highest = max(contract.funding_cap_ppb, contract.funding_clamp_ppb, contract.funding_interest_ppb)
    if highest > MAX_FUNDING_RATE_PPB or contract.funding_interest_ppb < -MAX_FUNDING_RATE_PPB:
        return Reason.BAD_INTERVAL
    return Reason.NONE


@kernel
def reason(s, contract, listed_submicros):
    """Why this contract may not be listed as it is; `listed_submicros` is the bound that the others take already."""
    found = _range_reason(s, contract, listed_submicros)
    if found != Reason.NONE:
        return found
    if contract.margin_free:
        return Reason.NONE if s.mode == Mode.RESEARCH else Reason.RESEARCH_ONLY
    if not contract.base_eligible:
        return Reason.BASE_NOT_ELIGIBLE
    found = _interval_reason(contract)
    if found == Reason.NONE:
        found = _bracket_reason(contract)
    if found == Reason.NONE:
        found = _risk_reason(contract)
    if found == Reason.NONE:
        found = _reference_reason(contract)
    return found
