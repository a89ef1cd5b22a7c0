"""Up to which sequence clients and other processes may hear of what the venue has done: the one place that says so.

A machine alone releases what is on its disk. In a cluster it may also wait until a majority of others has it.
"""

from collections.abc import Callable
from typing import Any, Protocol

from engine import host
from gateway.venue.health import Health


class NotLeadingError(host.JournalError):
    """This node does not lead the venue's log, or may not: one line with the remedy. The venue stops for good."""


class Copies(Protocol):
    """Who has copies of the log elsewhere."""

    replicated_seq: int
    """The copies have everything up to here."""
    tip: tuple[int, bytes]
    """That sequence, and the log's hash there."""
    on_replicated: Callable[[], None]
    """Called when they have more."""

    def on_record(self, record: host.RawRecord) -> None:
        """A record is about to be written."""
        ...

    def look(self, health: Health) -> None:
        """Have the venue take nothing while the copies do not keep up, and take it again."""
        ...


class Released:
    """Answers go out up to `seq`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._awaited: Copies | None = None

    def wait_for(self, copies: Copies) -> None:
        """From now on nothing is released that the copies do not have."""
        self._awaited = copies

    @property
    def seq(self) -> int:
        """The last sequence that may be heard of."""
        durable_seq = int(self._engine.durable_seq)
        return durable_seq if self._awaited is None else min(durable_seq, self._awaited.replicated_seq)

    @property
    def tip(self) -> tuple[int, bytes] | None:
        """A sequence that may be heard of at the end of a record, and the log's hash there; None without a journal."""
        journal = self._engine.journal
        if journal is None:
            return None
        durable: tuple[int, bytes] = journal.durable_tip[:2]
        return durable if self._awaited is None else min(durable, self._awaited.tip)
