"""Has what nobody reads any more checked beside trading, in a process of its own; what is damaged is an alarm."""

import json
from pathlib import Path

from gateway import clock
from gateway.venue import beside_venue
from gateway.venue.beside_venue import Process, release
from gateway.venue.health import Effect, Health
from gateway.venue.scrub_process import HISTORY, JOURNAL, REGISTRY

NAME, HISTORY_NAME, REGISTRY_NAME = "JOURNAL_DAMAGED", "HISTORY_DAMAGED", "REGISTRY_DAMAGED"
NAMES = {JOURNAL: NAME, HISTORY: HISTORY_NAME, REGISTRY: REGISTRY_NAME}
_EFFECTS = {NAME: Effect.ALARM, HISTORY_NAME: Effect.ALARM, REGISTRY_NAME: Effect.READ_ONLY}
"""The venue goes by the registry, so it takes nothing more once that is damaged; only a start finds it mended."""
_REMEDY = (
    "trading goes on, but the log cannot be replayed from its beginning: restore this file from a copy of the data "
    "folder and check it with `lionrock verify`"
)
_AGAIN = "trading goes on; it is tried again after `scrub_hours`, and after the next start"
_HOUR_NS = 3600 * 10**9


class Scrub:
    """Starts a check every so many hours. `faults` has what the last one found, `checked_ns` when it ended (wall)."""

    def __init__(self, data: Path, hours: int, bytes_per_s: int, health: Health) -> None:
        self._data, self._every_ns, self._bytes_per_s = data, hours * _HOUR_NS, bytes_per_s
        self._health = health
        self._process: Process | None = None
        self._is_of_start = False
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

    def start(self, has_left_out: bool) -> None:
        """Begin with the registry when the venue's start has left out rows of it. It gives way to trading at once."""
        if has_left_out:
            self._begin([REGISTRY])

    def begin(self) -> None:
        """Begin a check of everything now."""
        self._begun_ns = clock.steady_ns()
        self._begin([])

    def _begin(self, parts: list[str]) -> None:
        self._is_of_start = bool(parts)
        arguments = (str(self._data), str(self._bytes_per_s), *parts)
        try:
            self._process = beside_venue.begin("gateway.venue.scrub_process", *arguments)
        except OSError as error:
            self._health.report(NAME, Effect.ALARM, f"{self._data}: the check does not begin ({error})", _AGAIN)

    def _take_result(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        found = [json.loads(line) for line in self._process.stdout.read().splitlines()]
        release(self._process)
        code, self._process = self._process.wait(), None
        by_name: dict[str, list[str]] = {name: [] for name in NAMES.values()}
        for entry in found:
            if "fault" in entry:
                by_name[NAMES[entry["part"]]].append(entry["fault"])
        if code:
            by_name[NAME].append(f"{self._data}: the check ended with code {code} before it was through")
        elif not self._is_of_start:
            self.checked_bytes, self.checked_ns = found[-1]["checked_bytes"], clock.wall_ns()
        self.faults = [fault for faults in by_name.values() for fault in faults]
        for name, faults in by_name.items():
            self._report(name, faults)

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
