"""How long batches take from stage to stage, in buckets that double.

A turn of the loop only keeps its four times; they are counted a thousand turns at once, or when somebody asks.
"""

from array import array
from typing import Any

import numpy as np

FIRST_BOUND_NS = 1 << 12
"""The bound of the first bucket, 4.096 us. Each bound is twice the one before it."""
BUCKETS = 24
"""The last of them has no bound; the one before it ends at 17 s."""
KEPT_TURNS = 1024
_BOUNDS_NS = np.array([FIRST_BOUND_NS << place for place in range(BUCKETS - 1)])
_TIMES = 4


class Histogram:
    """Durations counted by bucket: bucket `i` has those below FIRST_BOUND_NS * 2**i and not below the bound before."""

    def __init__(self) -> None:
        self.counts = np.zeros(BUCKETS, np.int64)
        self.sum_ns = 0

    def add(self, durations_ns: Any) -> None:
        """Count durations, an array or a list; those below 0 count as 0."""
        found = np.maximum(np.asarray(durations_ns, np.int64), 0)
        self.counts += np.bincount(np.searchsorted(_BOUNDS_NS, found, side="right"), minlength=BUCKETS)
        self.sum_ns += int(found.sum())


class StageTimes:
    """What the sequencer notes of each turn that answers somebody. All times are of the steady clock, in ns.

    Received: the batch's first command was there. Applied: the engine has answered. Durable: the journal has told it.
    Sent: the answers were handed to the sockets.
    """

    def __init__(self) -> None:
        self.durable_ns = 0
        """When the journal's thread last told that something is durable."""
        self._kept = array("q")
        self._found = {name: Histogram() for name in ("received_to_applied", "applied_to_durable", "durable_to_sent")}

    def sent(self, times: tuple[int, int], begun_ns: int, now_ns: int) -> None:
        """The answers of a batch, received and applied at these times, were sent; sending began as it was durable."""
        durable_ns = self.durable_ns if times[1] <= self.durable_ns <= begun_ns else begun_ns
        self._kept.extend((*times, durable_ns, now_ns))
        if len(self._kept) >= KEPT_TURNS * _TIMES:
            self._count()

    def _count(self) -> None:
        """Count what is kept."""
        durations = np.diff(np.frombuffer(self._kept, np.int64).reshape(-1, _TIMES), axis=1)
        for place, histogram in enumerate(self._found.values()):
            histogram.add(durations[:, place])
        self._kept = array("q")

    def histograms(self) -> dict[str, Histogram]:
        """The durations of each stage, by its name."""
        if self._kept:
            self._count()
        return self._found
