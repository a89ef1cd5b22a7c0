"""The latency histogram against exact percentiles."""

import numpy as np
import pytest

from bench.histogram import Histogram


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 99.9])
def test_percentiles_are_within_a_hundredth(percent):
    values = np.random.default_rng(5).lognormal(11, 1.5, 50_000).astype(np.int64) + 1
    histogram = Histogram()
    for part in np.array_split(values, 7):
        histogram.add(part)
    assert histogram.count == len(values)
    assert histogram.percentile(percent) == pytest.approx(np.percentile(values, percent), rel=0.01)


def test_an_empty_histogram_says_zero():
    histogram = Histogram()
    histogram.add([])
    assert (histogram.count, histogram.percentile(50), histogram.summary()["max_us"]) == (0, 0, 0)
