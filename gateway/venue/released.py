"""Up to which sequence clients and other processes may hear of what the venue has done: the one place that says so.

A machine alone releases what is on its disk. In a cluster it may also wait until a majority of others has it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from engine import host
from gateway.venue.health import Health


class NotLeadingError(host.JournalError):
    """This node does not lead the venue's log, or may not: one line with the remedy. The venue stops for good."""


class MissetError(host.JournalError):
    """The servers or the settings of a cluster are not as a venue needs them: one line with the remedy."""


class Bases(Protocol):
    """What others can begin from, in the servers' object store."""

    last_seq: int
    """The last command in the newest one that this node has put there; 0 without one."""
    last_ns: int
    """When it was put, wall time."""
    last_seconds: float
    last_bytes: int
    failures: int
    stream_first_seq: int
    """The first message that the stream had then; 0 when nothing is known."""


class Copies(Protocol):
    """Who has copies of the log elsewhere."""

    replicated_seq: int
    """The copies have everything up to here."""
    tip: tuple[int, bytes]
    """That sequence, and the log's hash there."""
    on_replicated: Callable[[], None]
    """Called when they have more."""

    epoch: int
    """In which epoch this node leads."""
    restarts: int
    """How often what sends to them had to be begun again."""

    @property
    def bases(self) -> Bases:
        """What a new one begins from."""
        ...

    @property
    def is_leading(self) -> bool:
        """Whether they take what this node writes."""
        ...

    @property
    def waiting_ns(self) -> int:
        """How long the oldest record has waited for them."""
        ...

    @property
    def unconfirmed_bytes(self) -> int:
        """How many bytes of records they are not known to have."""
        ...

    on_marked: Callable[[int], None]
    """Called with the last sequence before a mark that was asked for."""

    def mark(self) -> None:
        """Have those who follow take the digest of their state behind the records so far."""
        ...

    def digested(self, seq: int, digest: str) -> None:
        """Have them compare it with this one, at a mark."""
        ...

    def on_record(self, record: host.RawRecord) -> None:
        """A record is about to be written."""
        ...

    def has_room(self) -> bool:
        """Whether they take the next record now; otherwise it waits for more commands. Any thread may ask."""
        ...

    def side_changed(self, path: Path) -> None:
        """A file beside the journal has changed: have the copies get it ahead of what is written from here on."""
        ...

    def look(self, health: Health) -> None:
        """Have the venue take nothing while the copies do not keep up, and take it again."""
        ...


class Released:
    """Answers go out up to `seq`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.copies: Copies | None = None
        """Who has copies of the log; None on a machine alone."""
        self.waits = False
        """Whether nothing is released that the copies do not have."""

    @property
    def seq(self) -> int:
        """The last sequence that may be heard of."""
        durable_seq = int(self._engine.durable_seq)
        return min(durable_seq, self.copies.replicated_seq) if self.waits and self.copies else durable_seq

    @property
    def tip(self) -> tuple[int, bytes] | None:
        """A sequence that may be heard of at the end of a record, and the log's hash there; None without a journal."""
        journal = self._engine.journal
        if journal is None:
            return None
        durable: tuple[int, bytes] = journal.durable_tip[:2]
        return min(durable, self.copies.tip) if self.waits and self.copies else durable
