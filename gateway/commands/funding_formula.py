"""Premium, average and rate of funding in plain integers, apart from the engine's functions. Rulebook section 10."""

from collections.abc import Mapping
from typing import Any

from engine.units import PPB

RATE_BASE_S = 28_800
"""Rates are made for eight hours and scaled to the interval."""


def premium_ppb(index: int, bid: int, ask: int) -> int:
    """(max(0, bid - index) - max(0, index - ask)) / index, rounded down; a side of price 0 adds nothing."""
    above = max(bid - index, 0) if bid else 0
    below = max(index - ask, 0) if ask else 0
    return max(min((above - below) * PPB // index, PPB), -PPB)


def average_ppb(weighted: int, weights: int) -> int:
    """The weighted sum of the samples over the sum of their weights, rounded down; 0 without samples."""
    return weighted // weights if weights else 0


def rate_ppb(contract: Mapping[str, Any], average: int) -> int:
    """F8 = avg + clamp(interest - avg), within the cap, scaled to the interval; rounded down."""
    reach, cap = int(contract["funding_clamp_ppb"]), int(contract["funding_cap_ppb"])
    rate = average + max(min(int(contract["funding_interest_ppb"]) - average, reach), -reach)
    return max(min(rate, cap), -cap) * int(contract["funding_interval_s"]) // RATE_BASE_S
