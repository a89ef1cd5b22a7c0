"""A leader's bases in the object store: when a process that puts one begins, and what became of it.

The venue starts a process and looks after it; it does nothing else, and never waits for it. One that fails is an alarm,
and trading goes on: the base before it is there, the stream keeps what is behind that one, and it is tried again.
"""

from pathlib import Path
from typing import Any

import msgspec

from gateway import clock
from gateway.cluster.base import BaseAt
from gateway.config import Config
from gateway.venue import beside_venue
from gateway.venue.beside_venue import GIVE_WAY, Process, release
from gateway.venue.health import Effect, Health

TROUBLE = "BASE_FAILED"
"""The name under which the venue's health has a failure."""
UPLOADS = "base-upload"
"""The folder of a data folder with what is on its way to the store."""
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 60, 3600
"""After a failure the next process begins so much later, each time twice as long, or with the next snapshot."""
LONGEST_SECONDS = 6 * 3600
"""A process that has not ended after so long is killed. By arithmetic 100 GB at 20 MB/s take 5.6 h with the rests: what
takes longer hangs, or holds newer bases and the purge up."""


class BaseOrder(msgspec.Struct, kw_only=True):
    """What the venue asks for."""

    data: str
    servers: list[str]
    venue: str
    replicas: int
    kept: int
    """So many complete bases stay in the store."""
    retain_commands: int
    standby_lease_seconds: int
    history_rows: int
    reserve_bytes: int
    """The venue's `disk_reserve_bytes`: half of it stays free."""
    at: BaseAt


class BaseDone(msgspec.Struct, kw_only=True):
    """What came of it."""

    sequence: int = 0
    """The last command in the base; 0 where its snapshot had gone, as newer ones are there."""
    size_bytes: int = 0
    seconds: float = 0.0
    stream_first_seq: int = 0
    """The first message that the stream has now."""
    time_ns: int = 0
    problem: str = ""
    """Why there is no base, in one line."""


def image_path(data: Path, stream_seq: int) -> Path:
    """Where the image of the registry goes for the base of a mark."""
    return data / UPLOADS / f"registry-{stream_seq:020d}.copy"


class Bases:
    """Looks after the process. The plain numbers are for whoever shows figures."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._process: Process | None = None
        self._begun_ns = 0
        self._is_killed = False
        """When the process began, and whether it was killed because it took too long."""
        self._now: BaseAt | None = None
        self._next: BaseAt | None = None
        """What a process makes, and what the one after it will make."""
        self._failed_ns = 0
        self._retry_seconds = RETRY_SECONDS
        self._why = ""
        self.last_seq = 0
        """The last command in the newest base that this node has put."""
        self.last_ns = 0
        """The wall time at which it was put."""
        self.last_seconds = 0.0
        self.last_bytes = 0
        self.failures = 0
        self.stream_first_seq = 0
        """The first message that the stream had then; 0 when nothing is known."""

    @property
    def is_running(self) -> bool:
        """Whether a process is at work."""
        return self._process is not None

    def offer(self, at: BaseAt) -> None:
        """A base can be made from here: a snapshot was written, and the stream has its mark."""
        self._next, self._failed_ns = at, 0

    def no_offer(self, why: str) -> None:
        """A snapshot becomes no base, for this reason: there is nothing to try again before the next snapshot.

        An older base that waits for its next try, or is being made, goes on.
        """
        self.failures += 1
        self._why = why

    def look(self, health: Health) -> None:
        """Some times a second: take what a process has done, and begin one when there is something to do."""
        process = self._process
        if process is not None:
            if process.poll() is not None:
                self._ended(process)
            elif not self._is_killed and clock.steady_ns() - self._begun_ns > LONGEST_SECONDS * 1_000_000_000:
                self._is_killed = True
                process.kill()  # a later look sees its end: nothing waits for it here
        elif self._next is not None:
            waited_seconds = (clock.steady_ns() - self._failed_ns) / 1e9
            if not self._failed_ns or waited_seconds >= self._retry_seconds:
                self._begin(self._next)
        if self._why:
            cause = f"no base for standbys since sequence {self.last_seq}: {self._why}"
            health.report(TROUBLE, Effect.ALARM, cause, f"trading goes on, the stream keeps more; {self._follows}")
        else:
            health.clear(TROUBLE)

    @property
    def _follows(self) -> str:
        """What happens next, after a failure."""
        if self._process is not None:
            return "another one is being made"
        if self._next is None:
            return "tried again with the next snapshot"
        return f"tried again {self._retry_seconds} s after that, or with the next snapshot if it is sooner"

    def _begin(self, at: BaseAt) -> None:
        self._now, self._next = at, None
        self._begun_ns, self._is_killed = clock.steady_ns(), False
        config, cluster = self._config, self._config.cluster
        order = BaseOrder(
            data=config.data, servers=cluster.server_list, venue=cluster.venue, replicas=cluster.replicas,
            kept=cluster.bases, retain_commands=cluster.retain_commands,
            standby_lease_seconds=cluster.standby_lease_seconds, history_rows=config.history_rows,
            reserve_bytes=config.disk_reserve_bytes, at=at,
        )  # fmt: skip
        try:
            self._process = beside_venue.begin("gateway.cluster.base_process", GIVE_WAY)
            pipe: Any = self._process.stdin
            pipe.write(msgspec.json.encode(order) + b"\n")
            pipe.flush()
        except OSError as error:
            self._fail(f"its process does not begin ({error})")

    def _ended(self, process: Process) -> None:
        self._process = None
        line: Any = process.stdout.read() if process.stdout else b""
        release(process)
        try:
            done = msgspec.json.decode(line, type=BaseDone)
        except msgspec.DecodeError:
            if self._is_killed:
                self._fail(f"its process had not ended after {LONGEST_SECONDS} s, and was killed")
                return
            self._fail(f"its process ended with exit code {process.returncode}")
            return
        if done.problem:
            self._fail(done.problem)
            return
        if not done.sequence:
            return
        self._why, self._retry_seconds, self._failed_ns = "", RETRY_SECONDS, 0
        self.last_seq, self.last_ns, self.last_seconds = done.sequence, done.time_ns, done.seconds
        self.last_bytes, self.stream_first_seq = done.size_bytes, done.stream_first_seq

    def _fail(self, why: str) -> None:
        self._process = None
        self.failures += 1
        if self._why:
            self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)
        self._why, self._failed_ns = why, clock.steady_ns()
        if self._next is None:
            self._next = self._now
        else:
            self._failed_ns = 0  # there is a newer one to make

    def close(self) -> None:
        """End a process that is at work: a base without its manifest is none."""
        process, self._process = self._process, None
        if process is not None:
            beside_venue.end(process)
