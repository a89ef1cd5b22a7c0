"""A venue whose disk has failed: it answers questions from what is durable, and nothing goes into its log any more.

What was applied but never became durable was answered to nobody, so it must not be seen either: the state is made again
from the journal, up to the last durable command. The process stays until it is told to stop. Whoever starts the venue
again finds a journal that is written again where the last run could not know whether the disk has it.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from engine import host
from gateway.clock import Accepted, VenueTime
from gateway.config import Config
from gateway.sessions.actions import Pending
from gateway.venue.health import Effect
from gateway.venue.recovery import Recovered
from gateway.venue.sequencer import Origin, Sequencer
from gateway.venue.venue import InLoop, Progress, Venue

NAME = "DISK_FAILED"
_REMEDY = (
    "nothing acknowledged is lost; stop the venue, look at the disk and at what the system says of it, replace it or "
    "make room, then start again"
)


class DiskFailure(NamedTuple):
    """Why a venue's journal cannot be written any more, up to which sequence it is durable, and the venue's time."""

    durable_seq: int
    cause: str
    time: VenueTime

    @property
    def line(self) -> str:
        """Cause and remedy in one line."""
        return f"{self.cause}; {_REMEDY}"


def stop_failure(venue: Venue, error: Exception) -> str:
    """Why a stop came to no snapshot and what to do, in one line."""
    failure = disk_failure(venue)
    if failure is not None:
        return failure.line
    return (
        f"{venue.config.data}: the stop could not write all of it ({error}); nothing acknowledged is lost, and the "
        "next start replays what the snapshot would have had; look at the disk and at what the system says of it, "
        "replace it or make room, then start again"
    )


def disk_failure(venue: Venue) -> DiskFailure | None:
    """What the disk did to a venue that has failed; None when something else was the cause."""
    journal = venue.engine.journal
    if journal is None or not isinstance(journal.failure, OSError):
        return None
    return DiskFailure(
        journal.durable_seq,
        f"{journal.directory}: the journal cannot be written ({journal.failure}); it is durable up to sequence "
        f"{journal.durable_seq}",
        venue.time,
    )


class ReadOnlySequencer(Sequencer):
    """Takes no commands: sessions refuse theirs, and what the venue itself would do is left undone."""

    @property
    def has_work(self) -> bool:
        return False

    def submit(self, rows: bytes, origin: Origin | None, pending: Pending | None) -> int:
        """Nothing goes into the log."""
        return self.engine.last_seq

    def keep_time(self) -> None:
        """Time stands still."""


class ReadOnlyVenue(Venue):
    """A venue made again from the durable part of its journal. It writes nothing of its own accord."""

    takes_commands = False
    sequencer_type = ReadOnlySequencer

    def __init__(self, config: Config, failure: DiskFailure, progress: Progress | None, in_loop: InLoop) -> None:
        self._failure = failure
        super().__init__(config, progress, in_loop)
        self.health.report(NAME, Effect.READ_ONLY, failure.cause, _REMEDY)

    def _open_engine(self, progress: Progress | None, expected: host.Expected) -> host.Engine:
        journal, until_seq = self.config.journal, self._failure.durable_seq
        recovered = Recovered(self.projection, self._sweeps, Path(self.config.data))
        engine = host.Engine.read(journal, until_seq, recovered.sink, progress)
        recovered.finish(engine, journal)
        return engine

    def _start_time(self, accepted: Accepted) -> VenueTime:
        """The time goes on: with that of a wall clock that has jumped, recent trades would count as old."""
        return self._failure.time

    def _take_up(self) -> None:
        """The registry stays as it is."""

    def start(self) -> None:
        """Nothing begins."""

    def take_intents(self) -> None:
        """What the registry wants waits for the next start."""

    def tick(self) -> None:
        """Learn which keys were revoked; nothing else happens."""
        with contextlib.suppress(sqlite3.Error):
            self.context.end_revoked_keys()

    def close(self) -> None:
        """Let go of everything; no snapshot is written."""
        self.abandon()
