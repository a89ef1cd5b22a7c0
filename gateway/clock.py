"""The only reader of time."""

import time


def wall_ns() -> int:
    """Nanoseconds since the epoch, UTC: what the sequencer stamps and what signatures are checked against."""
    return time.time_ns()


def steady_ns() -> int:
    """Nanoseconds of a clock that never jumps: rate limits, heartbeats and latencies."""
    return time.perf_counter_ns()
