"""The only reader of time."""

import os
import time
from pathlib import Path


def wall_ns() -> int:
    """Nanoseconds since the epoch, UTC: what the sequencer stamps and what signatures are checked against."""
    return time.time_ns()


def steady_ns() -> int:
    """Nanoseconds of a clock that never jumps: rate limits, heartbeats and latencies."""
    return time.perf_counter_ns()


def process_begun_ns() -> int:
    """When this process began, on the steady clock, to a hundredth of a second; now where the system does not tell."""
    now_ns = steady_ns()
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return now_ns
    return now_ns - round(age * 1e9)
