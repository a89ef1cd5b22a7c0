"""Funding rates from premium candles, with what the candles leave open about each. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


class Weights:
    """How an interval is averaged with candles of one length: the weight of each sample, and of each candle."""

    def __init__(self, rule: Rule, candle_s: int) -> None:
        if rule.interval_s % candle_s or candle_s % rule.sample_s:
            raise ValueError(
                f"candles of {candle_s} s: they must divide the interval of {rule.interval_s} s and hold whole samples "
                f"of {rule.sample_s} s; merge them to whole hours, or give --interval-hours or --sample-seconds"
            )
        samples, self.candles = candle_s // rule.sample_s, rule.interval_s // candle_s
        numbers = np.arange(1, samples * self.candles + 1, dtype=np.int64).reshape(self.candles, samples)
        self.of_samples = np.ones_like(numbers) if rule.equal_weights else numbers
        self.of_candles = [int(weight) for weight in self.of_samples.sum(axis=1)]
        self.total = sum(self.of_candles)
        self._steps = 2 * np.arange(samples, dtype=np.int64) + 1
        squares = sum(weight * weight for weight in self.of_candles)
        self.error_share = math.sqrt(squares / 2) / self.total
        """Standard error of the average in standard deviations of a sample: each candle's mean is that of two."""

    def samples(self, candles: Sequence[Candle]) -> Any:
        """The premium of each sample, a row for each candle, on the line from its open to its close."""
        ends = np.array([(first, last) for first, _, _, last in candles], dtype=np.int64)
        rise = (ends[:, 1] - ends[:, 0])[:, None] * self._steps
        return ends[:, :1] + rise // (2 * len(self._steps))

    def line(self, candles: Sequence[Candle]) -> int:
        """The average of these samples."""
        return average_ppb(int((self.samples(candles) * self.of_samples).sum()), self.total)

    def flat(self, premiums: Sequence[int]) -> int:
        """The average premium if all samples of a candle are the same."""
        return average_ppb(sum(p * w for p, w in zip(premiums, self.of_candles, strict=True)), self.total)

    def standard_error(self, candles: Sequence[Candle]) -> float:
        """Of the average: open and close are two samples of their candle, half their squared distance its variance."""
        variance = sum((last - first) ** 2 for first, _, _, last in candles) / (2 * len(candles))
        return self.error_share * math.sqrt(variance)


def merged(candles: Sequence[Candle], count: int) -> list[Candle]:
    """Longer candles, each of `count` that follow each other."""
    found = []
    for place in range(0, len(candles), count):
        firsts, highs, lows, lasts = zip(*candles[place : place + count], strict=True)
        found.append((firsts[0], max(highs), min(lows), lasts[-1]))
    return found


def recompute(rule: Rule, candles: Candles, rates: Sequence[Rate], count: int = 1) -> list[Interval]:
    """Each rate whose interval is wholly covered by candles, merged to `count` times their length; earliest first."""
    weights = Weights(rule, candles.length_s * count)
    found = []
    for rate in rates:
        begun_s = rate.time_s - (1 + rule.lag) * rule.interval_s
        inside = covering(candles, begun_s, begun_s + rule.interval_s)
        if inside:
            used = merged(inside, count) if count > 1 else inside
            found.append(
                Interval(
                    rate.time_s,
                    rate.ppb,
                    rule.rate_ppb(weights.line(used)),
                    rule.rate_ppb(weights.flat([low for _, _, low, _ in used])),
                    rule.rate_ppb(weights.flat([high for _, high, _, _ in used])),
                    weights.standard_error(used),
                )
            )
    return found


def covering(candles: Candles, begun_s: int, until_s: int) -> list[Candle]:
    """The candles of a period without a gap; none where one is missing."""
    found = [candles.by_time.get(time_s) for time_s in range(begun_s, until_s, candles.length_s)]
    inside = [candle for candle in found if candle is not None]
    return inside if len(inside) == len(found) else []
