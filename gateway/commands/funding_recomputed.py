"""Funding rates from premium candles, with what the candles leave open about each. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.commands.funding_files import Candle, Candles, Rate
from gateway.commands.funding_formula import average_ppb, rate_ppb


@dataclass(frozen=True)
class Rule:
    """A venue's published parameters; rates are per eight hours."""

    interval_s: int
    sample_s: int
    interest_ppb: int
    clamp_ppb: int
    cap_ppb: int
    resolution_ppb: int
    """The last decimal of a recorded rate."""
    equal_weights: bool = False
    lag: int = 0
    """Whole intervals between the end of the samples and the settlement."""

    def rate_ppb(self, average: int) -> int:
        """The rate of one interval from its average premium."""
        contract = {
            "funding_interest_ppb": self.interest_ppb,
            "funding_clamp_ppb": self.clamp_ppb,
            "funding_cap_ppb": self.cap_ppb,
            "funding_interval_s": self.interval_s,
        }
        return rate_ppb(contract, average)

    @property
    def flat_ppb(self) -> int:
        """The rate while the average premium is within the clamp of the interest: it says nothing of the premium."""
        return self.rate_ppb(self.interest_ppb)


@dataclass(frozen=True)
class Interval:
    """One settlement: what was recorded, what follows from the candles, and what they leave open."""

    time_s: int
    recorded_ppb: int
    computed_ppb: int
    lowest_ppb: int
    """The rate if each sample had been its candle's low."""
    highest_ppb: int
    standard_error_ppb: float
    """Of the average premium, from how far open and close of its candles lie apart."""

    @property
    def error_ppb(self) -> int:
        """Computed less recorded."""
        return self.computed_ppb - self.recorded_ppb

    def is_within(self, resolution_ppb: int) -> bool:
        """Whether some premiums within the candles give the recorded rate."""
        return self.lowest_ppb - resolution_ppb <= self.recorded_ppb <= self.highest_ppb + resolution_ppb


class _Weights:
    """The weights of an interval's samples: of each candle their sum, and that of place within the candle."""

    def __init__(self, rule: Rule, candle_s: int) -> None:
        if rule.interval_s % candle_s or candle_s % rule.sample_s:
            raise ValueError(
                f"candles of {candle_s} s: they must divide the interval of {rule.interval_s} s and hold whole samples "
                f"of {rule.sample_s} s; merge them to whole hours, or give --interval-hours or --sample-seconds"
            )
        self.samples = candle_s // rule.sample_s
        self.candles = rule.interval_s // candle_s
        numbers = np.arange(1, self.samples * self.candles + 1, dtype=np.int64).reshape(self.candles, self.samples)
        self.of_samples = np.ones_like(numbers) if rule.equal_weights else numbers
        self.of_candles = [int(weight) for weight in self.of_samples.sum(axis=1)]
        self.total = sum(self.of_candles)
        self._steps = 2 * np.arange(self.samples, dtype=np.int64) + 1
        squares = sum(weight * weight for weight in self.of_candles)
        self.error_share = math.sqrt(squares / 2) / self.total
        """Standard error of the average in standard deviations of a sample: each candle's mean is that of two."""

    def line(self, candles: Sequence[Candle]) -> int:
        """The average premium if each sample lies on the line from its candle's open to its close."""
        ends = np.array([(first, last) for first, _, _, last in candles], dtype=np.int64)
        rise = (ends[:, 1] - ends[:, 0])[:, None] * self._steps
        samples = ends[:, :1] + rise // (2 * self.samples)
        return average_ppb(int((samples * self.of_samples).sum()), self.total)

    def flat(self, premiums: Sequence[int]) -> int:
        """The average premium if all samples of a candle are the same."""
        return average_ppb(sum(p * w for p, w in zip(premiums, self.of_candles, strict=True)), self.total)

    def standard_error(self, candles: Sequence[Candle]) -> float:
        """Of the average: open and close are two samples of their candle, half their squared distance its variance."""
        variance = sum((last - first) ** 2 for first, _, _, last in candles) / (2 * len(candles))
        return self.error_share * math.sqrt(variance)


def recompute(rule: Rule, candles: Candles, rates: Sequence[Rate]) -> list[Interval]:
    """Each recorded rate whose interval is wholly covered by candles, from the earliest."""
    weights = _Weights(rule, candles.length_s)
    found = []
    for rate in rates:
        begun = rate.time_s - (1 + rule.lag) * rule.interval_s
        parts = [candles.by_time.get(begun + place * candles.length_s) for place in range(weights.candles)]
        inside = [part for part in parts if part is not None]
        if len(inside) == len(parts):
            lows, highs = [low for _, _, low, _ in inside], [high for _, high, _, _ in inside]
            found.append(
                Interval(
                    rate.time_s,
                    rate.ppb,
                    rule.rate_ppb(weights.line(inside)),
                    rule.rate_ppb(weights.flat(lows)),
                    rule.rate_ppb(weights.flat(highs)),
                    weights.standard_error(inside),
                )
            )
    return found
