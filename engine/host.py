"""The engine with its memory, its journal and its recovery: the one object that the gateway sees.

Journal before effect: a batch is appended before it is applied, and nobody may hear of what it did before the journal
says that it is durable. Recovery, verification and standby are one loop, `replay`: the log's batches applied in order.
"""

import contextlib
import gc
import time
from collections.abc import Callable
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numba.core import event

from engine import batch_end, disk, row_access, step
from engine.batch_slices import SLICE_ROWS, slice_end, told_end
from engine.codes import CommandKind, Mode
from engine.journal import (
    CorruptJournalError,
    Durability,
    End,
    Expected,
    Journal,
    JournalCopy,
    JournalError,
    JournalOptions,
    JournalReader,
    LogEnd,
    LossError,
    Proof,
    RawRecord,
    Snapshot,
    SnapshotError,
    archive,
    begin_anew,
    begin_reading,
    begin_segment,
    digest,
    gathered,
    genesis,
    is_in_one_segment,
    log_end,
    raw_records,
    retention,
    snapshot_seqs,
    snapshots,
    sound_headers,
    tip_damage,
    tip_path,
    write_read_again,
    write_snapshot,
)
from engine.journal.lock import LOCK, Lock, is_written
from engine.journal.precedence import take_precedence
from engine.journal.scrub import faults as scrub_faults
from engine.kernels import KERNELS, direct
from engine.recovery import Recovery, newest_root, restore
from engine.schema import COMMAND, EVENT, SMALL, VENUE, Capacities
from engine.state_memory import allocate

__all__ = [
    "LOCK",
    "RING_ROWS",
    "BrokenError",
    "CorruptJournalError",
    "Durability",
    "End",
    "Engine",
    "Expected",
    "JournalCopy",
    "JournalError",
    "JournalOptions",
    "JournalReader",
    "Lock",
    "LogEnd",
    "LossError",
    "Proof",
    "RawRecord",
    "Recovery",
    "SnapshotError",
    "archive",
    "create",
    "digest",
    "gathered",
    "holds_journal",
    "is_in_one_segment",
    "is_written",
    "log_end",
    "raw_records",
    "replay",
    "restore",
    "retention",
    "scrub_faults",
    "snapshot_seqs",
    "snapshots",
    "sound_headers",
    "take_precedence",
    "tip_damage",
    "tip_path",
    "warm_up",
]

RING_ROWS = 1 << 16
"""How many events one call of the kernel may write."""
_ROW_WORDS = COMMAND.itemsize // 8
STAGE_ROWS = 128
"""Batches up to this size are copied to a buffer whose address is known before the kernel is called."""
HUGE_PAGE_ORDERS = 1 << 16
"""A state for at least so many orders asks for huge pages; a small one would only waste them."""
Rows = np.ndarray[Any, Any]
Sink = Callable[[Rows, Rows], None]
"""(commands, events): some commands and what they did; the events' rows are used again afterwards. Each command comes
once, but for one whose events fill a ring: it comes with each of its rings."""
Progress = Callable[[int, int], None]
"""(how much is done, how much there is)."""
_FUNCTIONS = len(KERNELS) + len((step.initialise, step.apply_rows, batch_end.recount))
"""How many functions are compiled: the kernels and those that Python calls."""


def _ignore(first: Any, second: Any) -> None:
    return None


def create(capacities: Capacities = VENUE, mode: Mode = Mode.EXCHANGE) -> Rows:
    """An empty state in a mode that it keeps for life. ValueError for capacities beyond the layout's."""
    for name, value, largest in zip(_capacity_names(), astuple(capacities), astuple(VENUE), strict=True):
        if not 0 < value <= largest:
            raise ValueError(f"capacity {name}: {value} is not in 1..{largest}")
    root = allocate(capacities.orders >= HUGE_PAGE_ORDERS)
    for name, value in zip(_capacity_names(), astuple(capacities), strict=True):
        root[f"{name}_capacity"] = value
    step.initialise(root, int(mode))
    return root


def _capacity_names() -> list[str]:
    return [entry.name for entry in fields(Capacities)]


class _CompileListener(event.Listener):
    """Counts functions compiled."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._done = progress, 0

    def on_start(self, event: Any) -> None:
        return None

    def on_end(self, event: Any) -> None:
        self._done += 1
        self._progress(min(self._done, _FUNCTIONS), _FUNCTIONS)


def warm_up(progress: Progress = _ignore) -> None:
    """Compile everything that the engine calls, or load it from the cache; `progress` gets functions done and in all.

    Costs one to two minutes after an installation or an update, else a moment. The compiler's objects are not
    garbage, so the garbage collector is off meanwhile.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with event.install_listener("numba:compile", _CompileListener(progress)):
            engine = Engine(create(SMALL, Mode.RESEARCH))
            tick = np.zeros(1, COMMAND)
            tick["seq"], tick["kind"] = 1, CommandKind.TIME
            engine.submit(tick)
            batch_end.recount(engine.root)
    finally:
        if collecting:
            gc.enable()
    progress(_FUNCTIONS, _FUNCTIONS)


def holds_journal(directory: Path) -> bool:
    """Whether a folder has a journal to open."""
    return bool(disk.current().files(directory, "journal-*.log"))


class BrokenError(JournalError):
    """An invariant does not hold after a batch; `fault` says which one. The engine does nothing any more.

    With a journal that it writes the batch was just submitted, and nobody has heard of it. Without one the batch is of
    a log that is replayed.
    """

    def __init__(self, fault: batch_end.InvariantError, directory: Path | None) -> None:
        self.fault = fault
        if directory is None:
            super().__init__(f"the log leads to {fault}; `lionrock verify --audit` names the command")
        else:
            super().__init__(
                f"{directory}: {fault}; none of this batch was answered, and the journal has it. Keep a copy of the "
                "folder, then run `lionrock verify --audit` on it: if it finds nothing, the journal is right and the "
                "memory of this process was not, and a start goes on from it; else the fault is in this release"
            )


class Engine:
    """A state and, for an exchange, its journal. One thread uses it; it never reads a clock for its rules.

    `Engine(root)` has no journal; `Engine.create` and `Engine.open` have one in a directory. `engine_seconds` is the
    time spent in the kernels when `timed`.
    """

    def __init__(self, root: Rows, timed: bool = False) -> None:
        self.root = root
        self.journal: Journal | None = None
        self.copy: JournalCopy | None = None
        """The log that another process writes and this engine follows."""
        self.directory: Path | None = None
        self.recovery = Recovery()
        self.timed = timed
        self.engine_seconds = 0.0
        self.last_seq = int(root["last_seq"][0])
        self.ring = np.zeros(RING_ROWS, EVENT)
        self.ring_address = row_access.address_of(self.ring)
        stage = np.zeros(STAGE_ROWS, COMMAND)
        self._stage = stage.view(np.uint8).data
        self._stage_address = row_access.address_of(stage)
        self._lock: Lock | None = None
        self._broken: BrokenError | None = None
        self._log: JournalReader | None = None
        self._chain = b""
        """The log that a state without a journal was read from, and its hash there."""

    @classmethod
    def create(
        cls,
        directory: Path,
        mode: Mode = Mode.EXCHANGE,
        capacities: Capacities = VENUE,
        options: JournalOptions | None = None,
        expected: Expected | None = None,
    ) -> "Engine":
        """An empty state with a new journal. JournalError when the directory has one already or is in use.

        LossError when something shows that it had one, unless that is accepted.
        """
        disk.current().make_folder(directory)
        lock = Lock(directory)
        try:
            if holds_journal(directory):
                raise JournalError(f"{directory}: holds a journal already; open it or choose another folder")
            engine = cls(create(capacities, mode))
            set_aside = begin_anew(directory, expected or Expected())
            begin_segment(directory, genesis(mode, capacities))
            engine.recovery = Recovery(set_aside=set_aside)
            engine.directory, engine._lock = directory, lock
            engine.journal = Journal(directory, JournalReader(directory).position, options)
        except BaseException:
            lock.release()
            raise
        return engine

    @classmethod
    def open(
        cls,
        directory: Path,
        mode: Mode = Mode.EXCHANGE,
        options: JournalOptions | None = None,
        sink: Sink = _ignore,
        progress: Progress | None = None,
        expected: Expected | None = None,
    ) -> "Engine":
        """Recover from the newest sound snapshot and the journal after it; `sink` gets what is replayed.

        JournalError for no journal, another mode, another version, corruption, or another process that writes it.
        LossError for a journal that is shorter than its tip, a snapshot or what is expected, or not the one of these.
        """
        engine, reader = cls._opened(directory, mode, sink, progress, expected)
        try:
            if options is not None and options.keeps_tip:
                write_read_again(reader)
            engine.journal = Journal(directory, reader.position, options)
        except BaseException:
            engine.close()
            raise
        return engine

    @classmethod
    def follow(
        cls,
        directory: Path,
        sink: Sink = _ignore,
        progress: Progress | None = None,
        expected: Expected | None = None,
    ) -> "Engine":
        """Recover an exchange as `open` does, to go on with the records of another writer: `copy` takes them.

        Whoever takes a record applies it. `lead` ends that. Errors as of `open`.
        """
        engine, reader = cls._opened(directory, Mode.EXCHANGE, sink, progress, expected)
        try:
            engine.copy = JournalCopy(directory, reader.position)
        except BaseException:
            engine.close()
            raise
        return engine

    def lead(self, options: JournalOptions) -> None:
        """Go on as the one writer of the log that was followed. Everything that was taken has to be applied."""
        assert self.copy is not None and self.directory is not None and self.copy.last_seq == self.last_seq
        self.copy.close()
        self.journal = Journal(self.directory, self.copy.position, options)
        self.copy = None

    @classmethod
    def _opened(
        cls, directory: Path, mode: Mode, sink: Sink, progress: Progress | None, expected: Expected | None
    ) -> tuple["Engine", JournalReader]:
        """An engine that holds the folder's lock, recovered, and the reader at the log's end."""
        if not holds_journal(directory):
            raise JournalError(f"{directory}: holds no journal; create one first")
        lock = Lock(directory)
        try:
            reader = JournalReader(directory)
            _check_mode(reader, mode)
            previous = reader.tip
            engine = cls._recovered(reader, sink, progress or _ignore, expected or Expected())
            engine.recovery = replace(engine.recovery, previous_end=previous.end if previous else None)
            engine.directory, engine._lock = directory, lock
        except BaseException:
            lock.release()
            raise
        return engine, reader

    @classmethod
    def read(
        cls,
        directory: Path,
        until_seq: int | None = None,
        sink: Sink = _ignore,
        progress: Progress | None = None,
        *,
        from_seq: int | None = None,
    ) -> "Engine":
        """The state that the log leads to, recovered as by `open` while another process may write: no journal is open.

        `until_seq`: it ends with the last record that lies up to this sequence. `from_seq`: from the snapshot of this
        sequence instead of the newest. `snapshot` writes the state. JournalError.
        """
        reader = JournalReader(directory)
        engine = cls._restored(reader, from_seq)
        for commands in gathered(reader.whole_records(until_seq), SLICE_ROWS):
            engine.feed(commands, sink)
            if progress is not None:
                progress(reader.bytes_read, reader.bytes_total)
        engine.directory, engine._log, engine._chain = directory, reader, reader.whole_chain
        engine.recovery = replace(engine.recovery, replayed=engine.last_seq - engine.recovery.snapshot_seq)
        return engine

    def submit(self, commands: Rows) -> Rows:
        """Journal a batch, apply it and return its events, valid until the next call.

        Commands are numbered on from `last_seq`: ValueError otherwise, and nothing has happened. BrokenError when an
        invariant does not hold after them: they are in the journal, nobody may hear of them, and the engine does
        nothing any more.
        """
        self._accept(commands)
        return self._finish(commands, *self._advance(commands, 0, len(commands)))

    def stage(self, capacity: int) -> "Stage":
        """Room for batches of up to so many commands, to be filled in place."""
        return Stage(self, capacity)

    def _finish(self, commands: Rows, done: int, events: Rows) -> Rows:
        """Go on with a batch to its end; what it did in all."""
        if done == len(commands):
            return events
        rings = [events.copy()]
        while done < len(commands):
            done, events = self._advance(commands, done, len(commands))
            rings.append(events.copy())
        return np.concatenate(rings)

    def feed(self, commands: Rows, sink: Sink) -> None:
        """`submit` that hands the events over a ring at a time, each with the commands that they are of."""
        self._accept(commands)
        done = 0
        while done < len(commands):
            begun = done
            done, events = self._advance(commands, done, slice_end(commands, done))
            sink(commands[begun : told_end(commands, done, events)], events)

    def apply_by(self, commands: Rows, apply: Callable[[], tuple[int, int]]) -> None:
        """`submit` for compiled code that calls the kernel itself and looks at the events.

        `apply` has the whole batch applied to `root`, with `ring` for the events. It returns how many rows that were,
        NIL when an invariant does not hold any more, and the nanoseconds that the kernel took.
        """
        self._accept(commands)
        consumed, engine_ns = apply()
        self.engine_seconds += engine_ns / 1e9
        if consumed != len(commands):
            raise self._break(self.last_seq + 1, self.last_seq + len(commands))
        self.last_seq += consumed

    def commit(self) -> None:
        """Have everything submitted made durable; see `Journal.commit`."""
        if self.journal is not None:
            self.journal.commit()

    @property
    def durable_seq(self) -> int:
        """Up to which sequence everything is durable; without a journal, everything applied counts as durable."""
        return self.last_seq if self.journal is None else self.journal.durable_seq

    def digest(self) -> str:
        """The state's digest: see `engine.journal.digest`."""
        return digest(self.root)

    def snapshot(self, pace: disk.Pace | None = None) -> Snapshot:
        """Write the state beside the journal, after the journal, and remove all but the newest two sound ones.

        JournalError for an engine that is not of a journal. `pace` as in `disk.write_atomically`.
        """
        if self.directory is None:
            raise JournalError("this engine has no journal, so nowhere to put a snapshot")
        chain = self._chain
        if self.journal is not None:
            self.journal.sync()
            chain = self.journal.chain
        elif self.copy is not None:
            self.copy.sync()
            chain = self.copy.position.chain
        elif self._log is not None:
            self._log.sync()
        written = write_snapshot(self.directory, self.root, chain, pace)
        if written.seq not in retention.remove_old_snapshots(self.directory, pace):
            raise SnapshotError(f"{written.path}: what was read back is not what was written; check the disk")
        return written

    def close(self) -> None:
        """Sync the journal, close it and let another process have the directory."""
        try:
            for log in (self.journal, self.copy):
                if log is not None:
                    log.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    @classmethod
    def _restored(cls, reader: JournalReader, seq: int | None = None) -> "Engine":
        """The state of the newest snapshot that can be used, or an empty one; the reader stands behind it.

        With a sequence it is the snapshot of that one: SnapshotError when it cannot be used.
        """
        seconds: dict[str, float] = {}
        root, ignored = newest_root(reader, seconds, seq)
        if root is None and seq is not None:
            raise SnapshotError("; ".join(ignored) or f"{reader.directory}: no snapshot of sequence {seq}")
        engine = cls(create(reader.capacities, reader.mode) if root is None else root)
        engine.recovery = Recovery(engine.last_seq, int(engine.root[0]["now_ns"]), ignored=ignored, seconds=seconds)
        return engine

    @classmethod
    def _recovered(cls, reader: JournalReader, sink: Sink, progress: Progress, expected: Expected) -> "Engine":
        set_aside = begin_reading(reader, expected)
        engine = cls._restored(reader)
        found, begun = engine.recovery, time.perf_counter()
        replay(reader, engine, sink=sink, progress=progress)
        reader.check_end()
        seconds = found.seconds | {"replay": time.perf_counter() - begun}
        engine.recovery = replace(
            found, replayed=engine.last_seq - found.snapshot_seq, set_aside=set_aside, seconds=seconds,
            cut_bytes=reader.torn.size_bytes if reader.torn else 0,
        )  # fmt: skip
        return engine

    def _accept(self, commands: Rows) -> None:
        """Check that a batch goes on where the last one ended, and journal it."""
        count = len(commands)
        if count == 0 or commands.dtype != COMMAND or not commands.flags.c_contiguous:
            raise ValueError("commands: one or more contiguous COMMAND rows are needed")
        seqs = commands["seq"]
        if seqs[0] != self.last_seq + 1 or (count > 1 and not (seqs[1:] - seqs[:-1] == 1).all()):
            raise ValueError(f"commands: seq {seqs[0]}..{seqs[-1]} do not follow {self.last_seq} one by one")
        if self.journal is not None:
            self.journal.append(commands.tobytes())

    def _advance(self, commands: Rows, done: int, end: int) -> tuple[int, Rows]:
        """Go on with a batch up to `end` or until the ring is full: how many rows are done now, and what happened."""
        begun = time.perf_counter() if self.timed else 0.0
        consumed, written = self._call(commands[done:end], end - done)
        if self.timed:
            self.engine_seconds += time.perf_counter() - begun
        if consumed < 0:
            raise self._break(self.last_seq + 1 + done, self.last_seq + end)
        done += consumed
        if done == len(commands):
            self.last_seq += done
        return done, self.ring[:written]

    def _break(self, first_seq: int, last_seq: int) -> "BrokenError":
        """An invariant does not hold after these commands: they are kept in the journal, and it takes no others."""
        if self._broken is None:
            self._broken = BrokenError(batch_end.error_of(self.root, first_seq, last_seq), self.directory)
            if self.journal is not None:
                with contextlib.suppress(JournalError, OSError):
                    self.journal.sync()
                self.journal.refuse(self._broken)
        return self._broken

    def _call(self, commands: Rows, count: int) -> tuple[int, int]:
        """One call of the kernel. A few rows are copied to a buffer of known address: asking numpy takes longer."""
        if count > STAGE_ROWS:
            return step.apply_rows(self.root, row_access.address_of(commands), count, self.ring_address, RING_ROWS)
        self._stage[: count * COMMAND.itemsize] = commands.tobytes()
        return step.apply_rows(self.root, self._stage_address, count, self.ring_address, RING_ROWS)


class Stage:
    """Room for one batch: its owner writes commands into `rows`, numbered on, and submits them from the front.

    The same as `Engine.submit`, but nothing is copied except for the journal: the quickest way for a single command.
    """

    def __init__(self, engine: Engine, capacity: int) -> None:
        self.rows = np.zeros(capacity, COMMAND)
        self._engine = engine
        self._bytes = self.rows.view(np.uint8).data
        self._words = self._bytes.cast("q")
        self._address = row_access.address_of(self.rows)
        self._apply = direct(step.apply_rows, engine.root, self._address, 1, engine.ring_address, RING_ROWS)

    def submit(self, count: int) -> Rows:
        """Journal the first `count` rows, apply them and return their events, valid until the next call.

        ValueError when the first or the last of them is not numbered on from `last_seq`, and nothing has happened.
        BrokenError as from `Engine.submit`.
        """
        engine, seq = self._engine, self._engine.last_seq
        within = min(max(count, 1), len(self.rows))
        first, last = self._words[0], self._words[(within - 1) * _ROW_WORDS]
        if within != count or first != seq + 1 or last != seq + count:
            raise ValueError(f"rows: {count} with seq {first}..{last} do not follow {seq} one by one")
        if engine.journal is not None:
            engine.journal.append(bytes(self._bytes[: count * COMMAND.itemsize]))
        consumed, written = self._apply(engine.root, self._address, count, engine.ring_address, RING_ROWS)
        if consumed == count:
            engine.last_seq = seq + count
            return engine.ring[:written]
        if consumed < 0:
            raise engine._break(seq + 1, seq + count)
        return engine._finish(self.rows[:count], consumed, engine.ring[:written])


def replay(
    reader: JournalReader,
    engine: Engine,
    until_seq: int | None = None,
    sink: Sink = _ignore,
    progress: Progress = _ignore,
) -> None:
    """Apply the log from the reader's position, up to a sequence or its end. The engine must stand there too."""
    for commands in gathered(reader.batches(until_seq), SLICE_ROWS):
        engine.feed(commands, sink)
        progress(reader.bytes_read, reader.bytes_total)


def _check_mode(reader: JournalReader, mode: Mode) -> None:
    if reader.mode != mode:
        raise JournalError(
            f"{reader.directory}: a journal of {reader.mode.name.lower()} mode, {mode.name.lower()} is wanted; "
            "choose another folder, or read it with lionrock replay"
        )
