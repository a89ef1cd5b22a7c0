"""Index, impact prices and mark: what the venue holds a contract to be worth. Pure; every price rounds down."""

import numpy as np

from engine import book
from engine.codes import NIL
from engine.kernels import kernel, rare
from engine.row_access import contract_at, ladder_at, level_at, order_at
from engine.schema import BASIS_SAMPLES, MAX_SOURCES
from engine.units import PPB, SUBTICKS, clamp, median3, mul_div_floor, mul_high, mul_ppb_floor

INDEX_CAP_PPB = 5_000_000
"""A source counts at most half a percent away from the median of all."""
WILD_FACTOR = 2
"""A source's price beyond this multiple of a live index, or below its inverse, is refused."""
BIG_TRADE_SHARE = 10
"""A trade moves the mark from a tenth of the impact notional on."""


# --- index --------------------------------------------------------------------------------------------------------


@kernel
def is_live(contract, place, oldest_ns):
    """Whether a source has a weight and a price that was made at `oldest_ns` or later."""
    source = contract.source[place]
    return source.weight > 0 and source.price_subticks > 0 and source.time_ns >= oldest_ns


@kernel
def live_sources(contract, oldest_ns):
    """How many sources count."""
    count = np.int64(0)
    for place in range(MAX_SOURCES):
        if is_live(contract, place, oldest_ns):
            count += 1
    return count


@kernel
def _ranked_price(contract, oldest_ns, rank):
    """The price of the live source that is number `rank` from below; ties by place."""
    for place in range(MAX_SOURCES):
        if not is_live(contract, place, oldest_ns):
            continue
        price, below = contract.source[place].price_subticks, np.int64(0)
        for other in range(MAX_SOURCES):
            if is_live(contract, other, oldest_ns):
                value = contract.source[other].price_subticks
                if value < price or (value == price and other < place):
                    below += 1
        if below == rank:
            return price
    return np.int64(0)


@kernel
def median_subticks(contract, oldest_ns):
    """The median of the live sources, of an even count the mean of the two in the middle; 0 when there is none."""
    count = live_sources(contract, oldest_ns)
    if count == 0:
        return np.int64(0)
    upper = _ranked_price(contract, oldest_ns, count // 2)
    if count % 2 == 1:
        return upper
    return (_ranked_price(contract, oldest_ns, count // 2 - 1) + upper) // 2


@kernel
def index_subticks(contract, oldest_ns):
    """The weighted mean of the live sources, each clamped to the median +/- 0.5 %; 0 when there is none."""
    median = median_subticks(contract, oldest_ns)
    low = mul_ppb_floor(median, PPB - INDEX_CAP_PPB)
    high = mul_ppb_floor(median, PPB + INDEX_CAP_PPB)
    total, weights = np.int64(0), np.int64(0)
    for place in range(MAX_SOURCES):
        if is_live(contract, place, oldest_ns):
            source = contract.source[place]
            total += source.weight * clamp(source.price_subticks, low, high)
            weights += source.weight
    return total // weights if weights > 0 else np.int64(0)


@kernel
def is_wild(contract, price_subticks, oldest_ns):
    """Whether a source's price is out of all proportion to the index, while that is live."""
    if contract.index_subticks == 0 or live_sources(contract, oldest_ns) < contract.min_sources:
        return False
    index = np.int64(contract.index_subticks)
    return price_subticks > WILD_FACTOR * index or WILD_FACTOR * price_subticks < index


# --- impact prices ------------------------------------------------------------------------------------------------


@kernel
def _quoted_lots(s, contract, level):
    """What a level shows; affiliated makers' orders are left out when the contract says so."""
    lots = level.leaves_lots - level.hidden_lots
    if contract.impact_excludes_affiliates == 0:
        return lots
    slot = np.int64(level.affiliated_head_slot)
    while slot != NIL:
        lots -= book.shown_lots(s, slot)
        slot = np.int64(order_at(s, slot).next_slot)
    return lots


@kernel
def impact_subticks(s, contract_slot, side):
    """The average price of trading the impact notional against the orders of a side; 0 when it is too thin."""
    contract = contract_at(s, contract_slot)
    unit, left = np.int64(contract.micros_per_tick_lot), np.int64(contract.impact_notional_micros)
    lots = np.int64(0)
    level_slot = np.int64(ladder_at(s, book.ladder_of(contract_slot, side)).first_slot)
    while level_slot != NIL:
        level = level_at(s, level_slot)
        price, quoted = np.int64(level.price_ticks), _quoted_lots(s, contract, level)
        if quoted >= -(-left // (price * unit)):
            return _average_subticks(contract, price, lots, left)
        left -= quoted * price * unit
        lots += quoted
        level_slot = book.next_level(s, level_slot)
    return np.int64(0)


@kernel
def _average_subticks(contract, price_ticks, lots, left_micros):
    """Impact notional / (whole lots + the rest of it at this price)."""
    value_per_tick = lots * contract.micros_per_tick_lot
    if mul_high(value_per_tick, price_ticks) != 0:
        return np.int64(0)
    worth = value_per_tick * price_ticks + left_micros
    if worth <= 0:
        return np.int64(0)
    return mul_div_floor(contract.impact_notional_micros, price_ticks * SUBTICKS, worth)


@kernel
def basis_subticks(contract, bid_subticks, ask_subticks):
    """Impact mid less index, clamped to half the lowest MMR of the index on both sides."""
    bound = mul_ppb_floor(contract.index_subticks, contract.bracket_mmr_ppb[0]) // 2
    return clamp((bid_subticks + ask_subticks) // 2 - contract.index_subticks, -bound, bound)


# --- mark ---------------------------------------------------------------------------------------------------------


@kernel
def funded_index_subticks(contract, now_ns):
    """P1 = index * (1 + last funding rate * time to funding / interval)."""
    interval_ns = contract.funding_interval_s * 1_000_000_000
    remaining = clamp(contract.next_funding_ns - now_ns, 0, interval_ns)
    rate = mul_div_floor(contract.funding_rate_ppb, remaining, interval_ns)
    return contract.index_subticks + mul_ppb_floor(contract.index_subticks, rate)


@kernel
def basis_price_subticks(contract):
    """P2 = index + mean of the last samples of impact mid less index; the index while there is none."""
    count = min(np.int64(contract.basis_count), BASIS_SAMPLES)
    if count == 0:
        return np.int64(contract.index_subticks)
    total = np.int64(0)
    for place in range(count):
        total += contract.basis_subticks[place]
    return contract.index_subticks + total // count


@kernel
def mark_subticks(contract, now_ns):
    """median(P1, P2, P3), within index +/- the mark clamp; P3 is the last big trade, else P1."""
    first = funded_index_subticks(contract, now_ns)
    third = contract.last_big_trade_ticks * SUBTICKS if contract.last_big_trade_ticks != 0 else first
    mark = median3(first, basis_price_subticks(contract), third)
    reach = mul_ppb_floor(contract.index_subticks, contract.mark_clamp_ppb)
    mark = clamp(mark, contract.index_subticks - reach, contract.index_subticks + reach)
    return clamp(mark, SUBTICKS, contract.max_price_ticks * SUBTICKS)


@rare
def is_big_trade(contract, notional_micros):
    """Whether a trade is large enough to count for the mark: one-lot trades move nothing."""
    return notional_micros * BIG_TRADE_SHARE >= contract.impact_notional_micros
