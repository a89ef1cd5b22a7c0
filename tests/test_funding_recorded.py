"""Recorded funding rates of two venues, recomputed by `lionrock funding`, the engine and the model.

Of Binance's BTCUSDT there are the premium candles, so its rates are recomputed, and what the candles leave open is
measured beside the errors. Of BitMEX's XBTUSD there are the rates alone: they say what the rule's limits are, and each
must come out again from the premium that it stands for. The README of this folder has the tables.
"""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import funding
from engine.kernels import entry
from engine.units import PPB
from gateway.commands.funding_files import Candles, Rate, read_candles, read_rates
from gateway.commands.funding_recomputed import Interval, Rule, Weights, covering, recompute
from gateway.commands.funding_recorded import RULES, Errors, errors_by_length, errors_of, limits_of, regular_of
from tests.model import funding as model_funding
from tests.two_benches import EngineBench, ModelBench, add_sample

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "funding"
README = Path(__file__).parent / "README.md"
BINANCE, BITMEX = RULES["binance"], RULES["bitmex"]
HOUR_S = 3600
FIXED_S = 1_492_804_800
"""2017-04-21T20:00:00Z: BitMEX's first rate with its interest as a fixed number."""
RAISED_S = 1_587_085_200
"""2020-04-17T01:00:00Z: BitMEX's maintenance margin went down, and its cap up."""
LENT_UNTIL_S = 1_465_761_600
"""2016-06-12T20:00:00Z: BitMEX's first rate with a premium in it; before, it was a difference of lending rates."""

needs_data = pytest.mark.skipif(not FOLDER.exists(), reason=f"the recorded data is not there: {FOLDER}")


@cache
def candles(hours: int) -> Candles:
    """Binance's premium candles of one length."""
    return read_candles(FOLDER / f"BTCUSDT_{hours}h_premium_index.csv", stamped_at_close=False)


@cache
def rates() -> list[Rate]:
    """Binance's rates."""
    return read_rates(FOLDER / "BTCUSDT_8h_funding_rates.csv")


@cache
def xbtusd() -> list[Rate]:
    """BitMEX's rates."""
    return read_rates(FOLDER / "XBTUSD_funding_2016-05-14_2020-11-05.csv")


@cache
def errors() -> list[Errors]:
    """The errors of Binance's rule, by length of candles."""
    return errors_by_length(BINANCE, candles(1), rates())


@cache
def hourly(rule: Rule) -> Errors:
    """The errors of a rule with candles of an hour."""
    return errors_of(rule, HOUR_S, recompute(rule, candles(1), rates()))


@cache
def intervals() -> list[Interval]:
    """Each of Binance's rates by its own rule."""
    return recompute(BINANCE, candles(1), rates())


# --- what Binance recorded ----------------------------------------------------------------------------------------


@needs_data
def test_every_rate_but_the_first_has_all_its_candles() -> None:
    assert len(rates()) == 1945 and len(regular_of(BINANCE, rates())) == 1945
    assert [row.intervals for row in errors()] == [1944] * 4, "no candles are there from before the first"


@needs_data
def test_every_rate_lies_between_those_of_its_lows_and_highs() -> None:
    assert [row.within_low_and_high for row in errors()] == [1944] * 4
    own = recompute(BINANCE, candles(8), rates())
    assert len(own) == sum(interval.is_within(BINANCE.resolution_ppb) for interval in own) == 1944


@needs_data
def test_errors_are_what_candles_leave_out() -> None:
    """About two thirds within one standard error, nine tenths within two, as it is when nothing else is missing."""
    for row in errors():
        assert row.within_one_standard_error == pytest.approx(row.expected_within_one, abs=0.06)
        assert row.within_two_standard_errors == pytest.approx(row.expected_within_two, abs=0.05)
    assert errors()[0].outside_clamp > 1000


@needs_data
def test_errors_shrink_with_the_candles() -> None:
    """A wrong rule would leave an error that no finer candle takes away."""
    medians, most = [row.median_ppb for row in errors()], [row.p90_ppb for row in errors()]
    assert medians == sorted(medians) and most == sorted(most)
    assert medians[0] < 9_000 and most[0] < 52_000, "0.09 and 0.52 basis points"
    assert medians[-1] > 2 * medians[0] and most[-1] > 2 * most[0]
    assert abs(errors()[0].mean_ppb) < 2_000


OTHERS = {
    "as published": {},
    "all samples equal": {"equal_weights": True},
    "paid an interval later": {"lag": 1},
    "no interest": {"interest_ppb": 0},
    "a clamp of half the size": {"clamp_ppb": BINANCE.clamp_ppb // 2},
    "a clamp of twice the size": {"clamp_ppb": BINANCE.clamp_ppb * 2},
}
"""Rules that the same candles are put to."""


@needs_data
def test_no_other_rule_does_as_well() -> None:
    """Where neither rate is the interest alone, an error shows: no other rule keeps as many within standard errors."""
    kept = {name: hourly(replace(BINANCE, **what)) for name, what in OTHERS.items()}
    best = kept.pop("as published")
    for name, row in kept.items():
        assert row.median_ppb > 1.1 * best.median_ppb, name
        assert row.within_one_standard_error < best.within_one_standard_error - 0.06, name
        assert row.within_two_standard_errors < best.within_two_standard_errors - 0.05, name


@needs_data
def test_the_venues_long_candles_are_not_always_made_of_its_short_ones() -> None:
    """Two candles of eight hours of 1,944 begin three and four hours late."""
    short, found = candles(1), {}
    for time_s, own in candles(8).by_time.items():
        parts = covering(short, time_s, time_s + 8 * HOUR_S)
        if parts and own != (parts[0][0], max(p[1] for p in parts), min(p[2] for p in parts), parts[-1][3]):
            found[time_s] = [part[0] for part in parts].index(own[0])
    assert found == {1_690_761_600: 3, 1_699_574_400: 4}


# --- engine, model and command ------------------------------------------------------------------------------------


@entry
def engine_rate(root, premiums):
    """The rate of one interval from its premium samples, in ppb."""
    contract = root[0].contracts[0]
    contract.premium_sum_ppb = 0
    contract.premium_weight = 0
    contract.premium_samples = 0
    for premium in premiums:
        weight = funding.sample_weight(contract)
        contract.premium_sum_ppb += weight * premium
        contract.premium_weight += weight
        contract.premium_samples += 1
    return funding.interval_rate_ppb(contract, funding.average_ppb(contract))


def put(bench: Any, rule: Rule) -> Any:
    """A bench with a rule."""
    rates_8h = (rule.interest_ppb, rule.clamp_ppb, rule.cap_ppb)
    bench.set_funding(rule.interval_s, *(ppb / PPB for ppb in rates_8h), rule.equal_weights)
    return bench


def model_rate(contract: Any, premiums: list[int]) -> int:
    """The same by the model."""
    contract.samples, contract.weights = [], []
    for premium in premiums:
        add_sample(contract, premium)
    return int(model_funding.rate(contract))


@needs_data
def test_engine_model_and_command_agree_on_every_interval() -> None:
    """Of all 5,760 samples of each interval; the model, which adds them one by one, of every fortieth."""
    weights = Weights(BINANCE, HOUR_S)
    bench, contract = put(EngineBench(), BINANCE), put(ModelBench(), BINANCE).contract
    for number, interval in enumerate(intervals()):
        inside = covering(candles(1), interval.time_s - BINANCE.interval_s, interval.time_s)
        samples = weights.samples(inside).reshape(-1)
        assert len(samples) == 5760
        assert int(engine_rate(bench.root, samples)) == interval.computed_ppb
        if number % 40 == 0:
            assert model_rate(contract, samples.tolist()) == interval.computed_ppb


def premium_behind(rule: Rule, rate: int) -> int:
    """An average premium that a rate stands for: beyond the interest by the clamp, or just the interest."""
    if rate == rule.interest_ppb:
        return rate
    return rate + (rule.clamp_ppb if rate > rule.interest_ppb else -rule.clamp_ppb)


@needs_data
@pytest.mark.parametrize(("rule", "read"), [(BINANCE, rates), (BITMEX, xbtusd)], ids=["Binance", "BitMEX"])
def test_every_recorded_rate_comes_out_of_its_premium(rule: Rule, read: Any) -> None:
    bench, contract = put(EngineBench(), rule), put(ModelBench(), rule).contract
    for rate in read():
        wanted = max(min(rate.ppb, rule.cap_ppb), -rule.cap_ppb)
        premium = premium_behind(rule, rate.ppb)
        assert rule.rate_ppb(premium) == wanted
        assert int(engine_rate(bench.root, np.array([premium]))) == model_rate(contract, [premium]) == wanted


# --- what BitMEX recorded -----------------------------------------------------------------------------------------


@needs_data
def test_bitmex_keeps_to_the_published_limits() -> None:
    """Since its interest is a number of its own: that number, the cap, and the largest step that it allows."""
    regular = regular_of(BITMEX, xbtusd())
    assert len(xbtusd()) - len(regular) == 22, "before June 2016 a day apart"
    ruled = [rate for rate in regular if FIXED_S <= rate.time_s < RAISED_S]
    found = limits_of(BITMEX, ruled, ruled)
    assert (found.rates, found.at_interest, found.at_cap, found.beyond_cap) == (3274, 1176, 126, 0)
    assert found.largest_change_ppb == BITMEX.cap_ppb, "75 % of its maintenance margin, as is its cap"


@needs_data
def test_bitmex_had_other_rules_before() -> None:
    regular = regular_of(BITMEX, xbtusd())
    lent = [rate.ppb for rate in regular if rate.time_s < LENT_UNTIL_S]
    assert (len(lent), min(lent), max(lent)) == (24, 142_000, 547_000), "a difference of lending rates, no premium"
    before = [rate.ppb for rate in regular if LENT_UNTIL_S <= rate.time_s < FIXED_S]
    assert (len(before), before.count(BITMEX.interest_ppb)) == (939, 2), "its interest was the market's"
    assert max(before) == 3 * BITMEX.cap_ppb
    after = [rate.ppb for rate in regular if rate.time_s >= RAISED_S]
    assert (len(after), max(map(abs, after)) < BITMEX.cap_ppb) == (607, True)


# --- the tables ---------------------------------------------------------------------------------------------------


def points(ppb: float) -> str:
    """A rate in basis points, as the README has it."""
    return f"{ppb / 100_000:.3f}"


def table() -> list[str]:
    """The rows of the README's tables, from a run."""
    found = []
    for row in errors():
        cells = [f"{row.candle_s // HOUR_S} h", f"{row.exact:,}"]
        cells += [points(figure) for figure in (row.median_ppb, row.p90_ppb, row.p99_ppb, row.max_ppb, row.mean_ppb)]
        cells += [f"{row.within_low_and_high:,} of {row.intervals:,}", points(row.median_width_ppb)]
        cells.append(points(row.median_standard_error_ppb))
        cells.append(f"{row.within_one_standard_error:.0%} ({row.expected_within_one:.0%})")
        cells.append(f"{row.within_two_standard_errors:.0%} ({row.expected_within_two:.0%})")
        found.append(f"| {' | '.join(cells)} |")
    for name, what in OTHERS.items():
        row = hourly(replace(BINANCE, **what))
        shares = f"{row.within_one_standard_error:.0%} | {row.within_two_standard_errors:.0%}"
        within = f"{row.within_low_and_high:,}"
        found.append(f"| {name} | {points(row.median_ppb)} | {points(row.p90_ppb)} | {within} | {shares} |")
    return found


@needs_data
def test_the_tables_in_the_readme_are_those_of_this_run() -> None:
    text = README.read_text()
    for row in table():
        assert row in text
    assert len(re.findall(r"^\| as published", text, re.MULTILINE)) == 1


if __name__ == "__main__":
    print("\n".join(table()))
