"""How long batches take from stage to stage, in buckets that double: a few additions a batch, none a message."""

FIRST_BOUND_NS = 1 << 12
"""The bound of the first bucket, 4.096 us. Each bound is twice the one before it."""
BUCKETS = 24
"""The last of them has no bound; the one before it ends at 17 s."""
_SHIFT = FIRST_BOUND_NS.bit_length() - 1


class Histogram:
    """Durations counted by bucket: bucket `i` has those below FIRST_BOUND_NS * 2**i and not below the bound before."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sum_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count a duration; one below 0 counts as 0."""
        duration_ns = max(duration_ns, 0)
        self.counts[min((duration_ns >> _SHIFT).bit_length(), BUCKETS - 1)] += 1
        self.sum_ns += duration_ns


class StageTimes:
    """What the sequencer notes of each batch. All times are of the steady clock, in ns.

    Received: the batch's first command was there. Applied: the engine has answered. Durable: the journal has told it.
    Sent: the answers were handed to the sockets. Only batches that answer somebody are durable and sent here.
    """

    def __init__(self) -> None:
        self.received_ns = 0
        """When the first command of the batch being collected came."""
        self.applied_ns = 0
        self.durable_ns = 0
        """When the journal's thread last told that something is durable."""
        self.received_to_applied = Histogram()
        self.applied_to_durable = Histogram()
        self.durable_to_sent = Histogram()

    def applied(self, now_ns: int) -> None:
        """The collected batch was applied."""
        self.applied_ns = now_ns
        self.received_to_applied.add(now_ns - self.received_ns)

    def released(self, applied_ns: int, begun_ns: int, now_ns: int) -> None:
        """The answers of what was applied then were sent; sending began when it was known to be durable."""
        durable_ns = self.durable_ns if applied_ns <= self.durable_ns <= begun_ns else begun_ns
        self.applied_to_durable.add(durable_ns - applied_ns)
        self.durable_to_sent.add(now_ns - durable_ns)
