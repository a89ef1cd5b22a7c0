"""Funding: premium, average, rate and payment. Pure. Rates round down; what a position pays rounds up, what it gets
down, and the difference goes to the insurance fund."""

import numpy as np

from engine.kernels import kernel
from engine.units import PPB, SUBTICKS, clamp, mul_div_ceil, mul_div_floor

RATE_BASE_S = 28_800
"""Rates are made for eight hours and scaled to the interval."""
MAX_PREMIUM_PPB = PPB


@kernel
def premium_ppb(index_subticks, bid_subticks, ask_subticks):
    """P = (max(0, impact_bid - index) - max(0, index - impact_ask)) / index; a side of price 0 is too thin."""
    above = max(bid_subticks - index_subticks, 0)
    below = max(index_subticks - ask_subticks, 0) if ask_subticks != 0 else np.int64(0)
    premium = mul_div_floor(above - below, PPB, index_subticks)
    return clamp(premium, -MAX_PREMIUM_PPB, MAX_PREMIUM_PPB)


@kernel
def sample_weight(contract):
    """The weight of the next sample of the interval: 1, 2, 3... or all equal."""
    return np.int64(1) if contract.funding_equal_weights else contract.premium_samples + 1


@kernel
def average_ppb(contract):
    """The weighted average premium of the running interval, 0 while there is no sample."""
    if contract.premium_weight == 0:
        return np.int64(0)
    return contract.premium_sum_ppb // contract.premium_weight


@kernel
def rate_8h_ppb(contract, average_ppb):
    """F8 = avg + clamp(interest - avg, -clamp, +clamp), then within +/- cap."""
    reach = contract.funding_clamp_ppb
    rate = average_ppb + clamp(contract.funding_interest_ppb - average_ppb, -reach, reach)
    return clamp(rate, -contract.funding_cap_ppb, contract.funding_cap_ppb)


@kernel
def interval_rate_ppb(contract, average_ppb):
    """The rate of one interval: that of eight hours, scaled."""
    return mul_div_floor(rate_8h_ppb(contract, average_ppb), contract.funding_interval_s, RATE_BASE_S)


@kernel
def is_payable(contract):
    """Whether the interval has at least half of its samples; with fewer it is not paid at all."""
    return 2 * contract.premium_samples >= contract.funding_interval_s // contract.sample_interval_s


@kernel
def payment_micros(contract, size_lots, rate_ppb):
    """What a position pays at the mark, negative when it receives: one ceiling for both."""
    value = contract.mark_subticks * size_lots * contract.micros_per_tick_lot
    return mul_div_ceil(value, rate_ppb, SUBTICKS * PPB)


@kernel
def next_boundary_ns(contract, now_ns):
    """The first settlement after a time: whole intervals since midnight UTC."""
    interval_ns = contract.funding_interval_s * 1_000_000_000
    return (now_ns // interval_ns + 1) * interval_ns
