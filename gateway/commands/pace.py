"""Keeps a recording's pace by the wall."""

import time

from gateway import clock

MAX_WAIT_S = 0.05
"""The longest sleep while keeping a pace, so that an interrupt is noticed."""


class Pace:
    """Waits so that recorded time passes at `speed` times the wall's."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._recorded_ns, self._steady_ns = 0, 0

    def left_s(self, time_ns: int) -> float:
        """How long until it is time for what was recorded at `time_ns`; what opens a market carries no time, 0."""
        if not time_ns:
            return 0.0
        if not self._steady_ns:
            self._recorded_ns, self._steady_ns = time_ns, clock.steady_ns()
        due_ns = self._steady_ns + int((time_ns - self._recorded_ns) / self.speed)
        return max(0.0, (due_ns - clock.steady_ns()) / 1e9)

    def __call__(self, time_ns: int) -> None:
        """Return when it is time."""
        while left_s := self.left_s(time_ns):
            time.sleep(min(left_s, MAX_WAIT_S))
