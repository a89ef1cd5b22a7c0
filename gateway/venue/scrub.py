"""Has what nobody reads any more checked beside trading, in a process of its own; what is damaged is an alarm."""

import json
from pathlib import Path

from gateway import clock
from gateway.venue import beside_venue
from gateway.venue.beside_venue import Process, release
from gateway.venue.health import Effect, Health
from gateway.venue.scrub_process import HISTORY, JOURNAL, PARTS, REGISTRY

NAME, HISTORY_NAME, REGISTRY_NAME = "JOURNAL_DAMAGED", "HISTORY_DAMAGED", "REGISTRY_DAMAGED"
NAMES = {JOURNAL: NAME, HISTORY: HISTORY_NAME, REGISTRY: REGISTRY_NAME}
_EFFECTS = {NAME: Effect.ALARM, HISTORY_NAME: Effect.ALARM, REGISTRY_NAME: Effect.READ_ONLY}
"""The venue goes by the registry, so it takes nothing more once that is damaged; only a start finds it mended."""
_REMEDY = (
    "trading goes on, but the log cannot be replayed from its beginning: restore this file from a copy of the data "
    "folder and check it with `lionrock verify`"
)
FAILED = "SCRUB_FAILED"
"""The name under which the venue's health has a check that did not come to its end. It says nothing of the files."""
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 60, 3600
"""After such a check the next one of the same parts begins so much later, each time twice as long."""
_HOUR_NS = 3600 * 10**9


class Scrub:
    """Starts a check every so many hours. `faults` has what is damaged, `checked_ns` when all was checked (wall)."""

    def __init__(self, data: Path, hours: int, bytes_per_s: int, health: Health) -> None:
        self._data, self._every_ns, self._bytes_per_s = data, hours * _HOUR_NS, bytes_per_s
        self._health = health
        self._process: Process | None = None
        self._parts: tuple[str, ...] = PARTS
        """What the last check looks at."""
        self._begun_ns = clock.steady_ns()
        self._found: dict[str, list[str]] = {}
        self._is_failing = False
        self._retry_seconds = RETRY_SECONDS
        self.checked_bytes = 0
        self.checked_ns = 0

    @property
    def faults(self) -> list[str]:
        """What the last check of each part found, a line each."""
        return [fault for part in PARTS for fault in self._found.get(part, [])]

    @property
    def is_running(self) -> bool:
        """Whether a check is under way."""
        return self._process is not None

    def tick(self) -> None:
        """About every second: take the result of a check that has ended, or begin one when it is time."""
        waited_ns = clock.steady_ns() - self._begun_ns
        if self._process is not None:
            if self._process.poll() is not None:
                self._take_result(self._process)
        elif self._every_ns and waited_ns >= self._every_ns:
            self.begin()
        elif self._is_failing and waited_ns >= self._retry_seconds * 10**9:
            self._begin(self._parts)

    def start(self, has_left_out: bool) -> None:
        """Begin with the registry when the venue's start has left out rows of it. It gives way to trading at once."""
        if has_left_out:
            self._begin((REGISTRY,))

    def begin(self) -> None:
        """Begin a check of everything now."""
        self._begin(PARTS)

    def _begin(self, parts: tuple[str, ...]) -> None:
        self._parts, self._begun_ns = parts, clock.steady_ns()
        try:
            self._process = beside_venue.begin(
                "gateway.venue.scrub_process", str(self._data), str(self._bytes_per_s), *parts
            )
        except OSError as error:
            self._fail(f"does not begin ({error})")

    def _take_result(self, process: Process) -> None:
        self._process, code = None, process.wait()
        assert process.stdout is not None
        lines = process.stdout.read().splitlines(keepends=True)
        release(process)
        told = [json.loads(line) for line in lines if line.endswith(b"\n")]  # a killed process may end within a line
        is_through = not code and bool(told) and "checked_bytes" in told[-1]
        for part in self._parts:
            faults = [entry["fault"] for entry in told if entry.get("part") == part]
            if faults or is_through:
                self._found[part] = faults
                self._report(NAMES[part], faults)
        if not is_through:
            self._fail(f"ended with code {code} before it was through")
            return
        self._is_failing, self._retry_seconds = False, RETRY_SECONDS
        self._health.clear(FAILED)
        if self._parts == PARTS:
            self.checked_bytes, self.checked_ns = told[-1]["checked_bytes"], clock.wall_ns()

    def _fail(self, why: str) -> None:
        if self._is_failing:
            self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)
        self._is_failing = True
        cause = f"{self._data}: the check of {', '.join(self._parts)} {why}"
        remedy = f"trading goes on; it is tried again in {self._retry_seconds} s"
        self._health.report(FAILED, Effect.ALARM, cause, remedy)

    def _report(self, name: str, faults: list[str]) -> None:
        if faults:
            more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
            # All but the journal's lines say themselves what to do.
            cause, _, remedy = (faults[0], "", _REMEDY) if name == NAME else faults[0].partition("; ")
            self._health.report(name, _EFFECTS[name], cause + more, remedy)
        elif name != REGISTRY_NAME:
            self._health.clear(name)

    def close(self) -> None:
        """End a check that is under way."""
        if self._process is not None:
            beside_venue.end(self._process)
            self._process = None
