"""Has old segments and snapshots checked beside trading, in a process of its own; a bad one is an alarm."""

import json
import subprocess
import sys
from pathlib import Path

from gateway import clock
from gateway.venue.health import Effect, Health

NAME = "JOURNAL_DAMAGED"
_REMEDY = (
    "trading goes on, but the log cannot be replayed from its beginning: restore this file from a copy of the data "
    "folder and check it with `lionrock verify`"
)
_HOUR_NS = 3600 * 10**9


class Scrub:
    """Starts a check every so many hours. `faults` has what the last one found, `checked_ns` when it ended (wall)."""

    def __init__(self, journal: Path, hours: int, bytes_per_s: int, health: Health) -> None:
        self._journal, self._every_ns, self._bytes_per_s = journal, hours * _HOUR_NS, bytes_per_s
        self._health = health
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_ns = clock.steady_ns()
        self.faults: list[str] = []
        self.checked_bytes = 0
        self.checked_ns = 0

    @property
    def is_running(self) -> bool:
        """Whether a check is under way."""
        return self._process is not None

    def tick(self) -> None:
        """About every second: take the result of a check that has ended, or begin one when it is time."""
        if self._process is not None:
            if self._process.poll() is not None:
                self._take_result()
        elif self._every_ns and clock.steady_ns() - self._begun_ns >= self._every_ns:
            self.begin()

    def begin(self) -> None:
        """Begin a check now."""
        self._begun_ns = clock.steady_ns()
        command = [sys.executable, "-m", "gateway.venue.scrub_process", str(self._journal), str(self._bytes_per_s)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def _take_result(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        found = [json.loads(line) for line in self._process.stdout.read().splitlines()]
        self._process.stdout.close()
        code, self._process = self._process.wait(), None
        self.faults = [entry["fault"] for entry in found if "fault" in entry]
        if code:
            self.faults.append(f"{self._journal}: the check ended with code {code} before it was through")
        else:
            self.checked_bytes, self.checked_ns = found[-1]["checked_bytes"], clock.wall_ns()
        if self.faults:
            more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
            self._health.report(NAME, Effect.ALARM, self.faults[0] + more, _REMEDY)
        else:
            self._health.clear(NAME)

    def close(self) -> None:
        """End a check that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
