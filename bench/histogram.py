"""A latency histogram in the manner of HDR: every value within about 1 %, any range, constant memory."""

import numpy as np

_BITS = 7
"""Sub-buckets of a power of two, as bits: 2^-7 is the relative error."""
_BUCKETS = 64 << _BITS


class Histogram:
    """Counts durations in nanoseconds.

    >>> histogram = Histogram()
    >>> histogram.add([1_000, 2_000, 3_000])
    >>> histogram.count, 1_980 <= histogram.percentile(50) <= 2_020
    (3, True)
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self.count = 0
        self.largest_ns = 0

    def add(self, values_ns: object) -> None:
        """Count values."""
        values = np.maximum(np.asarray(values_ns, np.int64), 1)
        if not len(values):
            return
        exponent = np.maximum(np.floor(np.log2(values)).astype(np.int64) - _BITS, 0)
        index = (exponent << _BITS) + (values >> exponent)
        np.add.at(self._counts, np.minimum(index, _BUCKETS - 1), 1)
        self.count += len(values)
        self.largest_ns = max(self.largest_ns, int(values.max()))

    def percentile(self, percent: float) -> int:
        """The value below which so many per cent lie; 0 without values."""
        if not self.count:
            return 0
        index = int(np.searchsorted(np.cumsum(self._counts), self.count * percent / 100))
        mantissa_bits = index >> _BITS
        exponent = max(mantissa_bits - 1, 0)
        return (index - (exponent << _BITS)) << exponent

    def summary(self) -> dict[str, float]:
        """p50, p99, p99.9 and the largest value in microseconds."""
        points = {"p50_us": 50.0, "p99_us": 99.0, "p99_9_us": 99.9}
        found = {name: self.percentile(percent) / 1000 for name, percent in points.items()}
        return {**found, "max_us": self.largest_ns / 1000}
