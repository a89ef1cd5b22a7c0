"""Snapshots beside a running venue: when a process that writes one begins, and what became of it.

The venue starts a process and looks after it about once a second; it does nothing else, and never waits for it.
A process that fails is an alarm, and trading goes on: the pairs before it are there, a start only replays more.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway import clock
from gateway.config import Config
from gateway.venue import beside_venue
from gateway.venue.beside_venue import GIVE_WAY, Process, release
from gateway.venue.health import Effect, Health
from gateway.venue.snapshot_process import Done, Order

TROUBLE = "SNAPSHOT_FAILED"
"""The name under which the venue's health has a failure."""
LONGEST_SECONDS = 3600
"""A process that takes longer is ended."""
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 60, 3600
"""After a failure the next process begins so much later, each time twice as long."""
MARK_SECONDS = 10
"""How long a mark may take."""
FAR_BEHIND = 2
"""With so many times `snapshot_commands` to replay, the process no longer gives way to the venue."""
_STARVED = "it hardly got a core"


class Snapshots:
    """Looks after the process; `tick` is called about every second, `close` before the venue writes its last pair.

    `last_seq`, `last_ns`, `last_seconds`, `failures` and `archived_segments` are for whoever shows figures.
    """

    def __init__(self, config: Config, health: Health, recovered_seq: int, recovered_ns: int = 0) -> None:
        """`recovered_seq` is the sequence of the snapshot that the start took, `recovered_ns` its time; 0: none."""
        self._config = config
        self._health = health
        self._process: Process | None = None
        self._until_seq = 0
        self._compare_seq = recovered_seq
        self._last_try_ns = clock.steady_ns()
        self._retry_seconds = RETRY_SECONDS
        self._is_failing = False
        self._gives_way = True
        self._killed_for = ""
        """Why the process at work was killed; it may take a while until it has ended, and the loop does not wait."""
        self.last_seq = recovered_seq
        """The sequence of the newest snapshot that can be used."""
        self.last_ns = recovered_ns
        """The venue's time at its last command, 0 without one."""
        self.last_seconds = 0.0
        self.failures = 0
        self.archived_segments = 0
        self._mark: Callable[[], None] | None = None
        self._digested: Callable[[int, str], None] = lambda seq, digest: None
        self._mark_asked_ns = 0
        self._marked_seq = 0
        """Where the next snapshot ends, as others have taken the digest of their state there; 0 without a mark."""

    def compare_by(self, mark: Callable[[], None], digested: Callable[[int, str], None]) -> None:
        """Others follow the log: each snapshot ends at a mark where they take the digest of their state, and its digest
        is told to them. It costs the venue's loop nothing: the process that writes the snapshot has it."""
        self._mark, self._digested = mark, digested

    def marked(self, seq: int) -> None:
        """The mark that was asked for stands behind this sequence. One that comes too late is of no use."""
        if self._mark_asked_ns:
            self._marked_seq = seq

    @property
    def is_running(self) -> bool:
        """Whether a process is at work."""
        return self._process is not None

    def tick(self, durable_seq: int) -> None:
        """Begin a process when one is due, and take what one has done."""
        process = self._process
        if process is not None:
            if process.poll() is not None:
                self._ended(process, durable_seq)
            elif self._killed_for:
                pass
            elif self._gives_way and self._is_far_behind(durable_seq):
                self._kill(process, _STARVED)  # only the system's administrator could give it more of a core
            elif clock.steady_ns() - self._last_try_ns > LONGEST_SECONDS * 1e9:
                self._kill(process, f"its process was not ready after {LONGEST_SECONDS} s and was ended")
        elif self._is_due(durable_seq):
            self._begin_at_mark(durable_seq)

    def _begin_at_mark(self, durable_seq: int) -> None:
        """Begin where others take their digest; without a mark for long, as while the stream is away, at the end."""
        if self._mark is None:
            self.begin(durable_seq)
        elif self._marked_seq and durable_seq >= self._marked_seq:
            until_seq, self._marked_seq, self._mark_asked_ns = self._marked_seq, 0, 0
            self.begin(until_seq)
        elif not self._mark_asked_ns:
            self._mark_asked_ns = clock.steady_ns()
            self._mark()
        elif clock.steady_ns() - self._mark_asked_ns > MARK_SECONDS * 1e9:
            self._marked_seq = self._mark_asked_ns = 0
            self.begin(durable_seq)

    def _is_due(self, durable_seq: int) -> bool:
        waited = (clock.steady_ns() - self._last_try_ns) / 1e9
        fresh = durable_seq - self.last_seq
        if fresh <= 0 or (self._is_failing and waited < self._retry_seconds):
            return False
        commands, seconds = self._config.snapshot_commands, self._config.snapshot_seconds
        return bool(commands and fresh >= commands) or bool(seconds and waited >= seconds)

    def _is_far_behind(self, durable_seq: int) -> bool:
        """Whether a start would replay much more than is wanted."""
        commands = self._config.snapshot_commands
        return bool(commands) and durable_seq - self.last_seq >= FAR_BEHIND * commands

    def begin(self, durable_seq: int) -> None:
        """Begin a process now, for a snapshot of what is durable up to this sequence; none may be at work."""
        config = self._config
        self._gives_way = not self._is_far_behind(durable_seq)
        order = Order(
            config.data, durable_seq, config.report_rows, config.archive_after_segments, config.history_rows,
            self._compare_seq, config.disk_reserve_bytes,
        )  # fmt: skip
        self._until_seq, self._last_try_ns = durable_seq, clock.steady_ns()
        try:
            arguments = [GIVE_WAY] if self._gives_way else []
            self._process = beside_venue.begin("gateway.venue.snapshot_process", *arguments)
            pipe: Any = self._process.stdin
            pipe.write(msgspec.json.encode(order) + b"\n")
            pipe.flush()
        except OSError as error:
            self._fail(f"its process does not begin ({error})")

    def _kill(self, process: Process, why: str) -> None:
        self._killed_for = why
        process.kill()

    def _ended(self, process: Process, durable_seq: int) -> None:
        self._process, why, self._killed_for = None, self._killed_for, ""
        if why:
            release(process)
            if why is _STARVED:
                self.begin(durable_seq)
            else:
                self._fail(why)
            return
        line: Any = process.stdout.read() if process.stdout else b""
        release(process)
        try:
            done = msgspec.json.decode(line, type=Done)
        except msgspec.DecodeError:
            self._fail(f"its process ended with exit code {process.returncode}")
            return
        if done.problem:
            self._fail(done.problem)
            return
        self._is_failing, self._retry_seconds = False, RETRY_SECONDS
        self._compare_seq = 0
        self.last_seq, self.last_ns = done.sequence or self._until_seq, done.time_ns
        self.last_seconds = done.seconds
        self.archived_segments += len(done.archived)
        self._health.clear(TROUBLE)
        if done.digest:
            self._digested(done.sequence, done.digest)

    def _fail(self, why: str) -> None:
        self._process = None
        self.failures += 1
        if self._is_failing:
            self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)
        self._is_failing = True
        cause = f"no snapshot since sequence {self.last_seq}: {why}"
        remedy = f"trading goes on, a start replays more; tried again in {self._retry_seconds} s"
        self._health.report(TROUBLE, Effect.ALARM, cause, remedy)

    def close(self) -> None:
        """End a process that is at work: what it has not finished is not there."""
        process, self._process, self._killed_for = self._process, None, ""
        if process is not None:
            beside_venue.end(process)
