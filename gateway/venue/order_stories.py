"""The lives of orders that officers ask for: read out of the journal by a process beside the venue, one at a time.

Reading a long journal takes a while, so an answer says how far it is, and the same question later has the rest.
"""

import threading
from pathlib import Path
from typing import Any

import msgspec

from gateway import clock
from gateway.sessions.operation import Story
from gateway.venue import beside_venue
from gateway.venue.story_process import StoryDone, StoryOrder

KEPT = 16
"""So many lives are kept after they were read, the latest ones."""
LONGEST_SECONDS = 1800


class _Reading:
    """A process at work, and what it has written when it has ended."""

    def __init__(self, order: StoryOrder) -> None:
        self.begun_ns = clock.steady_ns()
        self.process = beside_venue.begin("gateway.venue.story_process")
        self.output: bytes | None = None
        pipe: Any = self.process.stdin
        pipe.write(msgspec.json.encode(order) + b"\n")
        pipe.flush()
        threading.Thread(target=self._collect, name="story", daemon=True).start()

    def _collect(self) -> None:
        """What is written is taken at once: a full pipe would hold the process."""
        pipe: Any = self.process.stdout
        self.output = pipe.read()


class OrderStories:
    """The lives that were asked for, by what was asked."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._reading: dict[tuple[str, int], _Reading] = {}
        self._known: dict[tuple[str, int], Story] = {}

    def ask(self, by: Any, number: int) -> Story:
        """The life of an order, or what one command did; begins to read it when nothing else is being read."""
        asked = (by, number)
        if asked in self._reading:
            return self._look(asked)
        if asked in self._known:
            return self._known.pop(asked)  # told once: the log may have gone on when it is asked for again
        for other in list(self._reading):
            self._keep(other, self._look(other))
        if self._reading:
            return Story("waiting")
        try:
            self._reading[asked] = _Reading(StoryOrder(str(self._data), by, number))
        except OSError as error:
            return Story("failed", problem=f"the process that reads the journal does not begin ({error})")
        return Story("running")

    def _look(self, asked: tuple[str, int]) -> Story:
        reading = self._reading[asked]
        if reading.output is None:
            if clock.steady_ns() - reading.begun_ns < LONGEST_SECONDS * 1e9:
                return Story("running")
            self._end(asked)
            return Story("failed", problem=f"it was not read after {LONGEST_SECONDS} s; use lionrock audit explain")
        self._end(asked)
        try:
            done = msgspec.json.decode(reading.output, type=StoryDone)
        except msgspec.DecodeError:
            return Story("failed", problem="the process that reads the journal ended before it was done; ask again")
        return Story("failed", problem=done.problem) if done.problem else Story("done", done.steps)

    def _keep(self, asked: tuple[str, int], story: Story) -> None:
        if story.state == "running":
            return
        self._known[asked] = story
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]

    def _end(self, asked: tuple[str, int]) -> None:
        beside_venue.end(self._reading.pop(asked).process)

    def close(self) -> None:
        """End what is being read."""
        for asked in list(self._reading):
            self._end(asked)
