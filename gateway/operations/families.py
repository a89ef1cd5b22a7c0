"""How figures are written as Prometheus families: names with their unit, labels, and histograms of stage times."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway.venue.stage_times import BUCKETS, FIRST_BOUND_NS, Histogram

NS_PER_S = 1_000_000_000
PREFIX = "lionrock_"
Row = tuple[Sequence[str], float]
"""The values of a family's labels, and the figure."""
_BOUNDS = [*(str(FIRST_BOUND_NS * 2**place / NS_PER_S) for place in range(BUCKETS - 1)), "+Inf"]


def gauge(name: str, text: str, value: float) -> Metric:
    """One figure that rises and falls."""
    return GaugeMetricFamily(PREFIX + name, text, value)


def gauges(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """A figure for each combination of labels."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """One figure that only rises while the process lives; `_total` is put behind its name."""
    return CounterMetricFamily(PREFIX + name, text, value)


def counters(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """Such a figure for each combination of labels."""
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def histograms(name: str, text: str, label: str, found: Mapping[str, Histogram]) -> Metric:
    """Durations in seconds, a histogram for each value of a label."""
    family = HistogramMetricFamily(PREFIX + name, text, labels=[label])
    for value, histogram in found.items():
        seen, buckets = 0, []
        for bound, count in zip(_BOUNDS, histogram.counts.tolist(), strict=True):
            seen += count
            buckets.append((bound, float(seen)))
        family.add_metric([value], buckets, histogram.sum_ns / NS_PER_S)
    return family
