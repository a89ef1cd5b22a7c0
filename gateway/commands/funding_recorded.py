"""`lionrock funding recorded`: a venue's recorded rates, recomputed from its published premium candles."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine.units import PPB
from gateway.commands.common import FAILED, print_facts, print_table, reason_of, whole
from gateway.commands.funding_files import Candles, Rate, fraction_ppb, moment_text, read_candles, read_rates
from gateway.commands.funding_recomputed import Interval, Rule, recompute

OUTSIDE = 1
"""Exit code when a recorded rate is none that premiums within its candles can give."""
BASIS_POINT_PPB = PPB // 10_000
SHOWN = 20
HOUR_S = 3600
RULES = {
    "binance": Rule(8 * HOUR_S, 5, 100_000, 500_000, 3_000_000, 10),
    "bitmex": Rule(8 * HOUR_S, 60, 100_000, 500_000, 3_750_000, 1000, equal_weights=True, lag=1),
    "lionrock": Rule(8 * HOUR_S, 5, 100_000, 500_000, 37_500_000, 10),
}
"""What each publishes of its rule. Binance: BTCUSDT until September 2025, samples each 5 s, linear weights, +/- 0.3 %.
BitMEX: XBTUSD from 21 April 2017, when the interest became a fixed number, to 17 April 2020, when the cap rose: a plain
mean of each minute, paid one interval later. Lionrock: the contracts as shipped."""

_EXAMPLES = """examples:
  lionrock funding recorded --venue binance --candles premium_1h.csv --rates funding.csv
  lionrock funding recorded --venue binance --candles premium_1h.csv --rates funding.csv --weights equal --json
  lionrock funding recorded --venue bitmex --rates XBTUSD.csv --from 2017-04-21T20:00Z --to 2020-04-17T01:00Z
  lionrock funding recorded --venue bitmex --candles XBTUSDPI_1h.csv --candle-time close --rates XBTUSD.csv

Candles are those of the premium index, not of prices: a time, open, high, low and close as fractions. Rates: a time and
the rate. Both are CSV files with the names of columns that the venues use; times are epoch numbers, or dates and times
(UTC where they say nothing). A rate comes from samples of a few seconds; a candle gives the first, the last and the
extreme ones; each sample is put on the line from open to close. Beside the errors stands what that leaves open: the
rates of all lows and of all highs, and a standard error from how far open and close lie apart.
exit codes: 0 each rate lies within the cap and between those of its lows and highs, 1 some do not, 2 nothing to read
"""


@dataclass(frozen=True)
class Limits:
    """What the rates alone show of the rule."""

    rates: int
    first: str
    last: str
    other_interval: int
    """Rates that came another time than one interval after the one before: they are left out of what follows."""
    at_interest: int
    at_cap: int
    beyond_cap: int
    largest_change_ppb: int


@dataclass(frozen=True)
class Errors:
    """The errors at one length of candles, and what candles of that length leave open."""

    candle_s: int
    intervals: int
    exact: int
    """As far as the recorded decimals go."""
    mean_ppb: float
    median_ppb: int
    p90_ppb: int
    p99_ppb: int
    max_ppb: int
    within_low_and_high: int
    median_width_ppb: int
    """From the rate of all lows to that of all highs."""
    median_standard_error_ppb: float
    outside_clamp: int
    """Intervals in which neither rate is the interest alone: only these can show an error of the average."""
    within_one_standard_error: float
    """The share of those, and what it would be if the length of the candles were the only reason of an error."""
    expected_within_one: float
    within_two_standard_errors: float
    expected_within_two: float


def add_parser(actions: Any) -> None:
    """Add the action to those of `lionrock funding`."""
    parser = actions.add_parser(
        "recorded",
        help="another venue's recorded rates, from its premium candles",
        description="Recompute the rates that a venue recorded, from its published premium candles.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--venue", choices=list(RULES), required=True, help="whose published parameters to start from")
    add("--rates", type=Path, required=True, metavar="FILE", help="the recorded rates")
    add("--candles", type=Path, metavar="FILE", help="premium candles; without them only the rates' limits are checked")
    add("--candle-time", choices=["open", "close"], default="open", help="which end its time is (default: open)")
    add("--from", dest="from_s", type=_moment_s, default=0, metavar="T", help="the first settlement (default: all)")
    add("--to", dest="to_s", type=_moment_s, default=1 << 40, metavar="T", help="the settlement after the last")
    add("--interest", type=_fraction, metavar="R", help="per 8 hours, such as 0.0001")
    add("--clamp", type=_fraction, metavar="R", help="how far a rate may be from its premium, such as 0.0005")
    add("--cap", type=_fraction, metavar="R", help="the largest rate per 8 hours, such as 0.003")
    add("--interval-hours", type=whole(1, 24), metavar="N", help="hours from settlement to settlement")
    add("--sample-seconds", type=whole(1, HOUR_S), metavar="N", help="seconds from sample to sample")
    add("--weights", choices=["linear", "equal"], help="whether later samples count more")
    add("--lag", type=whole(0, 3), metavar="N", help="whole intervals from the last sample to the settlement")
    add("--output", type=Path, metavar="FILE", help="write each interval to a CSV file, in ppb")
    add("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(action=_recorded)


def _moment_s(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no date or time such as 2024-03-01T08:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _fraction(text: str) -> int:
    found = fraction_ppb(text)
    if found is None or found < 0:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no fraction from 0 to 1 such as 0.0001")
    return found


def _recorded(args: argparse.Namespace) -> int:
    """0, OUTSIDE or FAILED."""
    try:
        rule = rule_of(args)
        known = read_rates(args.rates)
        rates = [rate for rate in known if args.from_s <= rate.time_s < args.to_s]
        if not rates:
            ends = f"{moment_text(known[0].time_s)} to {moment_text(known[-1].time_s)}"
            raise ValueError(f"{args.rates}: no rate between --from and --to; it has those from {ends}")
        regular = [rate for rate in regular_of(rule, known) if args.from_s <= rate.time_s < args.to_s]
        if not regular:
            raise ValueError(f"{args.rates}: no rate comes {rule.interval_s} s after the one before; --interval-hours")
        limits = limits_of(rule, rates, regular)
        errors: list[Errors] = []
        intervals: list[Interval] = []
        if args.output is not None and args.candles is None:
            raise ValueError("--output: what it would hold comes from candles; give --candles")
        if args.candles is not None:
            candles = read_candles(args.candles, args.candle_time == "close")
            errors = errors_by_length(rule, candles, regular)
            intervals = recompute(rule, candles, regular)
        if args.output is not None:
            _write(args.output, intervals)
    except (OSError, ValueError) as error:
        print(f"lionrock funding: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    outside = [interval for interval in intervals if not interval.is_within(rule.resolution_ppb)]
    if args.json:
        found = {"rule": asdict(rule), "limits": asdict(limits), "errors": [asdict(row) for row in errors]}
        print(json.dumps(found | {"outside": [asdict(interval) for interval in outside]}))
    else:
        _show(limits, errors, outside)
    return OUTSIDE if outside or limits.beyond_cap else 0


def rule_of(args: argparse.Namespace) -> Rule:
    """The venue's rule with what the arguments change of it."""
    given: dict[str, Any] = {
        "interest_ppb": args.interest,
        "clamp_ppb": args.clamp,
        "cap_ppb": args.cap,
        "interval_s": args.interval_hours and args.interval_hours * HOUR_S,
        "sample_s": args.sample_seconds,
        "equal_weights": args.weights and args.weights == "equal",
        "lag": args.lag,
    }
    return replace(RULES[args.venue], **{name: value for name, value in given.items() if value is not None})


def regular_of(rule: Rule, rates: Sequence[Rate]) -> list[Rate]:
    """The rates that came one interval after the one before; the first counts by the step to the second."""
    steps = [later.time_s - earlier.time_s for earlier, later in pairwise(rates)]
    steps = [*steps[:1], *steps] if steps else [rule.interval_s]
    return [rate for rate, step_s in zip(rates, steps, strict=True) if step_s == rule.interval_s]


def limits_of(rule: Rule, rates: Sequence[Rate], regular: Sequence[Rate]) -> Limits:
    """What the rates alone show."""
    highest, lowest = rule.rate_ppb(PPB), rule.rate_ppb(-PPB)
    return Limits(
        rates=len(rates),
        first=moment_text(rates[0].time_s),
        last=moment_text(rates[-1].time_s),
        other_interval=len(rates) - len(regular),
        at_interest=sum(rate.ppb == rule.flat_ppb for rate in regular),
        at_cap=sum(rate.ppb in (lowest, highest) for rate in regular),
        beyond_cap=sum(not lowest <= rate.ppb <= highest for rate in regular),
        largest_change_ppb=max((abs(b.ppb - a.ppb) for a, b in pairwise(rates)), default=0),
    )


def errors_by_length(rule: Rule, candles: Candles, rates: Sequence[Rate]) -> list[Errors]:
    """The errors with the candles as they are, and merged to longer ones, each at least twice the last."""
    found: list[Errors] = []
    most = rule.interval_s // candles.length_s
    for count in range(1, max(most, 1) + 1):
        length_s = count * candles.length_s
        if most % count == 0 and (not found or length_s >= 2 * found[-1].candle_s):
            intervals = recompute(rule, candles, rates, count)
            if not intervals:
                break
            found.append(errors_of(rule, length_s, intervals))
    if not found:
        raise ValueError(f"no rate has candles of {candles.length_s} s through all its {rule.interval_s} s")
    return found


def errors_of(rule: Rule, candle_s: int, intervals: Sequence[Interval]) -> Errors:
    """The distribution of the errors of some intervals."""
    sizes = sorted(abs(interval.error_ppb) for interval in intervals)
    telling = [i for i in intervals if rule.flat_ppb not in (i.recorded_ppb, i.computed_ppb)]
    return Errors(
        candle_s=candle_s,
        intervals=len(intervals),
        exact=sum(size <= rule.resolution_ppb for size in sizes),
        mean_ppb=round(sum(interval.error_ppb for interval in intervals) / len(intervals), 1),
        median_ppb=_percentile(sizes, 50),
        p90_ppb=_percentile(sizes, 90),
        p99_ppb=_percentile(sizes, 99),
        max_ppb=sizes[-1],
        within_low_and_high=sum(interval.is_within(rule.resolution_ppb) for interval in intervals),
        median_width_ppb=_percentile(sorted(i.highest_ppb - i.lowest_ppb for i in intervals), 50),
        median_standard_error_ppb=round(_percentile(sorted(i.standard_error_ppb for i in intervals), 50), 1),
        outside_clamp=len(telling),
        within_one_standard_error=_share_within(1, telling),
        expected_within_one=round(student_share(1, rule.interval_s // candle_s), 4),
        within_two_standard_errors=_share_within(2, telling),
        expected_within_two=round(student_share(2, rule.interval_s // candle_s), 4),
    )


def _share_within(times: int, intervals: Sequence[Interval]) -> float:
    near = sum(abs(interval.error_ppb) <= times * interval.standard_error_ppb for interval in intervals)
    return round(near / len(intervals), 4) if intervals else 0.0


def student_share(times: float, count: int) -> float:
    """How often an error is within so many standard errors that were themselves estimated from `count` differences.

    Student's distribution with `count` degrees of freedom, by its finite sums (Abramowitz and Stegun, 26.7.3 and 4).
    """
    angle = math.atan(times / math.sqrt(count))
    if count % 2 == 0:
        term = total = 1.0
        for k in range(2, count, 2):
            term *= (k - 1) / k * math.cos(angle) ** 2
            total += term
        return math.sin(angle) * total
    term, total = math.cos(angle), 0.0
    for k in range(1, count, 2):
        total += term
        term *= (k + 1) / (k + 2) * math.cos(angle) ** 2
    return 2 / math.pi * (angle + math.sin(angle) * total)


def _percentile(ordered: Sequence[Any], percent: int) -> Any:
    """The smallest value that so many of a hundred do not exceed."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def _write(path: Path, intervals: Sequence[Interval]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time", "recorded_ppb", "computed_ppb", "lowest_ppb", "highest_ppb", "standard_error_ppb"])
        for found in intervals:
            _, *figures, error = asdict(found).values()
            writer.writerow([moment_text(found.time_s), *figures, round(error)])


def _points(ppb: float) -> str:
    """A rate in basis points."""
    return f"{ppb / BASIS_POINT_PPB:.4f}"


def _show(limits: Limits, errors: Sequence[Errors], outside: Sequence[Interval]) -> None:
    print(f"{limits.rates:,} rates from {limits.first} to {limits.last}")
    regular = limits.rates - limits.other_interval
    print_facts([
        ("after another interval", f"{limits.other_interval:,}, left out"),
        ("the interest alone", f"{limits.at_interest:,} of {regular:,}"),
        ("at the cap", f"{limits.at_cap:,}; beyond it {limits.beyond_cap:,}"),
        ("largest change, bp", _points(limits.largest_change_ppb)),
    ])  # fmt: skip
    if not errors:
        return
    names = ["candle", "rates", "exact", "mean", "median", "90 %", "99 %", "largest", "within low-high", "its width",
             "standard error", "within 1", "within 2"]  # fmt: skip
    rows = [
        [_length(row.candle_s), f"{row.intervals:,}", f"{row.exact:,}"]
        + [_points(figure) for figure in (row.mean_ppb, row.median_ppb, row.p90_ppb, row.p99_ppb, row.max_ppb)]
        + [f"{row.within_low_and_high:,}", _points(row.median_width_ppb), _points(row.median_standard_error_ppb)]
        + [f"{row.within_one_standard_error:.0%} ({row.expected_within_one:.0%})"]
        + [f"{row.within_two_standard_errors:.0%} ({row.expected_within_two:.0%})"]
        for row in errors
    ]
    print_table(names, rows, "errors and what the candles leave open, in basis points:", right=names[1:])
    print(f"within 1 and 2 standard errors: of the {errors[0].outside_clamp:,} intervals in which neither rate is the "
          "interest alone; in brackets what it is if the candles' length is the only reason")  # fmt: skip
    for found in outside[:SHOWN]:
        print(f"{moment_text(found.time_s)}: recorded {_points(found.recorded_ppb)}, but its candles give "
              f"{_points(found.lowest_ppb)} to {_points(found.highest_ppb)}")  # fmt: skip
    if len(outside) > SHOWN:
        print(f"and {len(outside) - SHOWN:,} more")


def _length(seconds: int) -> str:
    return f"{seconds // HOUR_S} h" if seconds % HOUR_S == 0 else f"{seconds} s"
