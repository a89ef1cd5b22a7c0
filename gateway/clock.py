"""The only reader of time: the wall clock, the steady clock, and the venue's time, which is made of both.

The wall clock says what time people have, and may jump. The steady clock counts from the start of the machine, sleep
included, and never jumps: rate limits, heartbeats, idle times and latencies run on it. The venue's time stamps
commands: it goes with the steady clock and is drawn towards the wall clock slowly, so no jump gets into the log.
"""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
NS_PER_S = 1_000_000_000
SLEW = 200
"""The venue's time is drawn towards the wall clock by at most this part of the time that passes: 5 ms a second."""
LOOK_NS = 1_000_000
"""A look at both clocks that took longer says nothing of how they agree: the process was interrupted between them."""
Accepted = Literal["", "wall", "log"]
"""Which time an operator has confirmed at a start: neither, the wall clock's, or that of the log's last command."""


def wall_ns() -> int:
    """Nanoseconds since the epoch, UTC, as the machine's clock says: it may jump, and only `VenueTime` trusts it."""
    return time.time_ns()


def steady_ns() -> int:
    """Nanoseconds of a clock that never jumps: rate limits, heartbeats and latencies."""
    return time.clock_gettime_ns(_STEADY)


def process_begun_ns() -> int:
    """When this process began, on the steady clock, to a hundredth of a second; now where the system does not tell."""
    now_ns = steady_ns()
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(_STEADY) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return now_ns
    return now_ns - round(age * 1e9)


class ClockError(ValueError):
    """The wall clock and the log are too far apart to start: one line with the remedy."""


@dataclass(frozen=True)
class TimeBounds:
    """How far apart clocks may be. `step_ns`: while running; `stop_ns`: log and wall clock at a start, 0: any time."""

    step_ns: int = NS_PER_S
    stop_ns: int = 0


class VenueTime:
    """The time that commands are stamped with: it never goes back, and never jumps while the venue runs.

    `offset_ns` more than the steady clock. `lead_ns` of it is how far a log that was written by a wrong clock is ahead
    of the wall clock. Without `start` it is the steady clock itself.
    """

    def __init__(self, bounds: TimeBounds | None = None) -> None:
        self.offset_ns = 0
        self.lead_ns = 0
        self.away_ns = 0
        """How far the wall clock is ahead of the venue's time less its lead; negative: behind."""
        self._bounds = bounds or TimeBounds()
        self._looked_ns = steady_ns()

    def now_ns(self) -> int:
        """The venue's time: nanoseconds since the epoch."""
        return steady_ns() + self.offset_ns

    @property
    def is_stopped(self) -> bool:
        """Whether no orders may be taken, because the wall clock has jumped ahead."""
        return self.away_ns > self._bounds.step_ns

    @property
    def is_doubtful(self) -> bool:
        """Whether the wall clock has jumped, ahead or back, and is not followed."""
        return abs(self.away_ns) > self._bounds.step_ns

    def start(self, log_ns: int, accepted: Accepted = "") -> None:
        """Begin with the wall clock, and never before the log's last command (0: an empty log).

        Raises ClockError when they are too far apart and nobody has accepted it.
        """
        wall, steady = wall_ns(), steady_ns()
        behind_ns, step_ns, stop_ns = log_ns - wall, self._bounds.step_ns, self._bounds.stop_ns
        if behind_ns > step_ns and accepted != "log":
            raise ClockError(
                f"clock: it says {utc(wall)}, {length(behind_ns)} before the log's last command at {utc(log_ns)}; set "
                "it right or wait until then. If the log was written by a wrong clock: --accept-time log goes on from "
                "the log's time"
            )
        if log_ns and stop_ns and -behind_ns > stop_ns and accepted != "wall":
            raise ClockError(
                f"clock: it says {utc(wall)}, {length(-behind_ns)} after the log's last command at {utc(log_ns)}, more "
                f"than max_stop_days allows; set it right. If the venue was stopped for so long: --accept-time wall"
            )
        self._looked_ns, self.lead_ns, self.away_ns = steady, max(0, behind_ns), 0
        self.offset_ns = wall - steady + self.lead_ns

    def accept(self) -> None:
        """Go by the wall clock from now on, as an operator has confirmed: ahead at once, and never back."""
        now_ns = self.now_ns()
        self.start(now_ns, "wall" if wall_ns() > now_ns else "log")

    def follow(self) -> None:
        """Look at both clocks, some times a second: follow the wall clock while it agrees with the steady clock."""
        before, wall, steady = steady_ns(), wall_ns(), steady_ns()
        if steady - before > LOOK_NS:
            return
        reach = (steady - self._looked_ns) // SLEW
        self._looked_ns = steady
        self.away_ns = away = wall - steady - self.offset_ns + self.lead_ns
        regained = min(self.lead_ns, reach)
        self.lead_ns -= regained
        self.offset_ns += (0 if self.is_doubtful else max(-reach, min(reach, away))) - regained


def utc(time_ns: int) -> str:
    """A time for people: `2026-11-29 17:00:00 UTC`."""
    return f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S} UTC"


def length(span_ns: int) -> str:
    """A length of time for people, in the largest unit of which there are two: `36 h`, `400 days`, `2.5 s`."""
    seconds = span_ns / NS_PER_S
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
