"""What a start makes of a data folder besides the engine's state, and the files that spare it the whole journal.

A snapshot of the engine and the read model as it stood at the same sequence are a pair. Two pairs are kept. A start
takes the newest snapshot, loads its read model and folds what the journal has behind it; where the read model cannot be
used it is made again from the older pair, or from the whole journal. The process that writes pairs beside the venue
recovers by this code too.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import disk, host
from gateway import clock
from gateway.read_model.projection import Projection
from gateway.read_model.saved_rows import SavedRowsError
from gateway.venue.registry_intents import replayed_results
from gateway.venue.sweeps import Sweeps

Progress = Callable[[int, int], None]
_LOG = logging.getLogger("lionrock.recovery")


class Recovered:
    """Loads the read model of the engine's snapshot, then folds what is replayed: `sink` takes it, then `finish`."""

    def __init__(self, projection: Projection, sweeps: Sweeps, data: Path) -> None:
        self._projection = projection
        self._sweeps = sweeps
        self._data = data
        self._begun = False
        self._is_whole = True
        self.results: dict[int, tuple[int, int, int]] = {}
        """(reference, sequence, reason or 0) of the registry's intents in what was replayed, by reference."""
        self.load_seconds = 0.0
        """How long the read model took, within the replay when there was one."""

    def sink(self, commands: Any, events: Any) -> None:
        """Replayed commands and what they did, as `host.Sink` says."""
        if not self._begun:
            self._begin(int(commands[0]["seq"]) - 1)
        self.results.update((result[0], result) for result in replayed_results(commands, events))
        self._sweeps.begin_replayed(commands)
        self._sweeps.offer(events, int(commands[-1]["seq"]))
        if self._is_whole:
            self._projection.replay(commands, events)
            self._projection.books.forget_noted()

    def _begin(self, seq: int) -> None:
        self._begun = True
        if seq == 0:
            return
        begun_ns = clock.steady_ns()
        try:
            self._projection.load(projection_path(self._data, seq))
        except SavedRowsError as error:
            _LOG.warning("%s", error)
            self._is_whole = False
        self.load_seconds = (clock.steady_ns() - begun_ns) / 1e9

    def finish(self, engine: host.Engine, journal: Path, progress: Progress | None = None) -> None:
        """After recovery: a read model that could not be loaded is made again."""
        if not self._begun:
            self._begin(engine.last_seq)
        if not self._is_whole:
            self._fold_again(engine, journal, progress or (lambda done, total: None))

    def _fold_again(self, engine: host.Engine, journal: Path, progress: Progress) -> None:
        """Fold the log from an older pair on, or from its beginning."""
        fold = self._projection.replay
        for seq in host.retention.sound_snapshots(journal):
            if seq < engine.recovery.snapshot_seq:
                try:
                    self._projection.load(projection_path(self._data, seq))
                except SavedRowsError as error:
                    _LOG.warning("%s", error)
                    continue
                host.Engine.read(journal, engine.last_seq, fold, progress, from_seq=seq)
                return
        reader = host.JournalReader(journal)
        scratch = host.Engine(host.create(reader.capacities, reader.mode))
        host.replay(reader, scratch, engine.last_seq, fold, progress)


def projection_path(data: Path, seq: int) -> Path:
    """Where the read model of a sequence is saved."""
    return data / f"projection-{seq:020d}.rows"


def write_pair(engine: host.Engine, projection: Projection, data: Path, pace: disk.Pace | None = None) -> None:
    """Write the read model and then the snapshot of a state, and remove what is older than the two pairs kept.

    The snapshot is last, so none is without its read model. JournalError or OSError: the pairs before it are there.
    """
    projection.save(projection_path(data, engine.last_seq), pace)
    engine.snapshot(pace)
    assert engine.directory is not None
    kept = {projection_path(data, seq) for seq in host.snapshot_seqs(engine.directory)}
    for path in disk.current().files(data, "projection-*"):
        if path not in kept:
            disk.remove(path, pace)
