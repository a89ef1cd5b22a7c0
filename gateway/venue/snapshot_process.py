"""The process that writes a snapshot and its read model beside a running venue, archives old segments, and ends.

It recovers as a start does, from the newest pair and what the journal has behind it, so trading stands still for
nothing, and each snapshot proves once more that the journal leads to the state. It reads one JSON line from standard
input and answers with one on standard output. It ends at once when its input ends, as that says that the venue has.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine import host
from gateway import clock
from gateway.config import Config
from gateway.read_model.history import History
from gateway.read_model.history_file import HistoryError
from gateway.read_model.history_store import follow
from gateway.read_model.projection import Projection
from gateway.registry.noted import has_noted, unfinished_sweeps
from gateway.venue.beside_venue import ordered, pause, tell
from gateway.venue.disk_space import sparing
from gateway.venue.recovery import Recovered, projection_path, write_pair
from gateway.venue.sweeps import Sweeps

NOTED_SECONDS = 30.0
"""How long the venue may take to note in the registry what the log holds, before this snapshot is given up."""
LOOK_SECONDS = 0.1


class Order(msgspec.Struct):
    """What the venue asks for: its data folder, and the sequence up to which its log is durable."""

    data: str
    until_seq: int
    report_rows: int
    archive_after_segments: int
    history_rows: int = 0
    compare_seq: int = 0
    """The snapshot of this sequence was written from the venue's memory: its state is compared with the journal's."""
    reserve_bytes: int = 0
    """The venue's `disk_reserve_bytes`: half of it stays free."""


class Done(msgspec.Struct):
    """What came of it."""

    sequence: int = 0
    """Of the snapshot that was written; 0 when nothing was to be written."""
    time_ns: int = 0
    """The venue's time at the newest snapshot's last command."""
    replayed: int = 0
    seconds: float = 0.0
    archived: list[int] = []
    """The segments that were archived."""
    compared_seq: int = 0
    digest: str = ""
    """Of the state in the snapshot that was written."""
    problem: str = ""
    """Why there is no snapshot, in one line."""


class NotTakenError(Exception):
    """There is no snapshot now, and why: one line."""


def take(order: Order, pace: Callable[[], None] = pause) -> Done:
    """Write a pair, then archive. JournalError, NotTakenError, OSError: the pairs before it are there."""
    config, begun = Config(data=order.data), clock.steady_ns()
    done = Done()
    with host.retention.retention_lock(config.journal):
        if order.compare_seq:
            _compare(config, order, done)
        _write(config, order, done, pace)
        _archive(config, order, done, pace)
    done.seconds = (clock.steady_ns() - begun) / 1e9
    return done


def _compare(config: Config, order: Order, done: Done) -> None:
    """Replay the journal from the older snapshot to the one that was written from memory: both must be one state."""
    newer = next((found for found in host.snapshots(config.journal) if found.seq == order.compare_seq), None)
    older = [seq for seq in host.retention.sound_snapshots(config.journal) if seq < order.compare_seq]
    if newer is None or not older:
        return
    state = host.Engine.read(config.journal, newer.seq, from_seq=older[0])
    if state.digest() != newer.digest.hex():
        raise NotTakenError(
            f"{newer.path}: not the state that the journal leads to; what the venue started from may be wrong: stop "
            "it, and run `lionrock verify --audit` on a copy of the data folder"
        )
    done.compared_seq = newer.seq


def _write(config: Config, order: Order, done: Done, pace: Callable[[], None]) -> None:
    """Write the pair of the last durable sequence, when there is something new in the log."""
    data, sweeps = Path(config.data), Sweeps()
    for seq, kind in unfinished_sweeps(config.registry):
        sweeps.begin(seq, kind)
    history = History(follow(config.history) if order.history_rows else None, order.history_rows)
    projection = Projection(host.RING_ROWS, order.report_rows, history)
    recovered = Recovered(projection, sweeps, data)
    engine = host.Engine.read(config.journal, order.until_seq, recovered.sink)
    recovered.finish(engine, config.journal)
    done.replayed = engine.last_seq - engine.recovery.snapshot_seq
    done.time_ns = int(engine.root[0]["now_ns"])
    if done.replayed == 0 and projection_path(data, engine.last_seq).exists():
        return
    _wait_until_noted(config, engine.last_seq, recovered, sweeps)
    projection.attach(engine.root)
    write_pair(engine, projection, data, pace)
    done.sequence, done.digest = engine.last_seq, engine.digest()


def _wait_until_noted(config: Config, seq: int, recovered: Recovered, sweeps: Sweeps) -> None:
    """Wait for the registry to note what the log did with its intents.

    A start replays only what is behind the snapshot, so what the registry does not know by then it would do again.
    """
    last_reference = max(recovered.results, default=0)
    swept = sweeps.ended(seq)
    until_ns = clock.steady_ns() + round(NOTED_SECONDS * 1e9)
    while not has_noted(config.registry, last_reference, swept):
        if clock.steady_ns() > until_ns:
            raise NotTakenError(
                f"{config.registry}: what the log did with changes up to number {last_reference} is not noted there "
                f"after {NOTED_SECONDS:g} s; see why the venue cannot write it"
            )
        time.sleep(LOOK_SECONDS)


def _archive(config: Config, order: Order, done: Done, pace: Callable[[], None]) -> None:
    """Archive the segments that no kept snapshot needs, but for the latest so many of them."""
    kept = host.retention.sound_snapshots(config.journal)
    if len(kept) < host.retention.KEPT_SNAPSHOTS:
        return
    for number in host.retention.retired(config.journal, kept[-1], order.archive_after_segments):
        host.retention.archive_segment(config.journal, number, pace)
        done.archived.append(number)


def answer(order: Order) -> Done:
    """Do what is asked for; a failure is a line of the answer."""
    try:
        return take(order)
    except (host.JournalError, HistoryError, NotTakenError, OSError, sqlite3.Error, MemoryError) as error:
        return Done(problem=str(error) or type(error).__name__)


def main() -> None:
    """Run beside a venue."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    order = msgspec.json.decode(ordered(), type=Order)
    with sparing(Path(order.data), order.reserve_bytes):
        done = answer(order)
    tell(msgspec.to_builtins(done))
    os._exit(1 if done.problem else 0)


if __name__ == "__main__":
    main()
