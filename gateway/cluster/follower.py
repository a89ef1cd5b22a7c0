"""What a standby makes of the stream's messages, in their order. It has no I/O of a network.

A record has to be the next one of the journal, with the same hash after it as its writer had; what the journal has
already is compared. Whatever does not fit is a divergence, and ends the standby: it would lead from another history.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import host
from gateway.cluster.log_stream import Stored
from gateway.cluster.messages import (
    DigestMessage,
    EpochMessage,
    HandoverMessage,
    MarkMessage,
    Message,
    Place,
    RecordMessage,
    SideMessage,
)
from gateway.cluster.side_copy import SideCopy, SideError

REGISTRY = "registry.db"


class DivergenceError(host.JournalError):
    """The stream and what this node has of it are not one history: one line that names both, and what to do."""


class Follower:
    """Takes the stream's messages to a copy of the journal, to the side files and to whoever applies the commands.

    `apply` gets the COMMAND rows of each new record.
    """

    def __init__(self, directory: Path, copy: host.JournalCopy | None, registry: SideCopy) -> None:
        """`copy` is None when there is no journal yet: the log's first record begins it."""
        self.directory = directory
        self.copy = copy
        self.registry = registry
        registry.is_held = copy is not None  # until a message shows that the journal here is this stream's
        self.apply: Callable[[Any], None] = _nothing
        self.digest: Callable[[], str] | None = None
        """The digest of the state as it is, once somebody applies the commands."""
        self._marked = (-1, "")
        """The last sequence before the last mark, and the digest there."""
        self.stream_seq = 0
        """The last message that was taken."""
        self.leader: EpochMessage | None = None
        """Who leads, as the last epoch message says."""
        self.handed_to = ""
        """The node that the leader asks to lead, with the last message that was taken; empty when it asks nobody."""
        end = None if copy is None else host.log_end(directory)
        self.place = Place(0, 0) if end is None else Place(end.segment, end.number)
        """The last record that the copy has; segment 0 without any."""
        self._end: tuple[Place, bytes] | None = None
        """Where the log ended, and its hash there, as the last message says that was taken."""
        self._whole_seq = 0

    @property
    def last_seq(self) -> int:
        """The last sequence that the copy has."""
        return 0 if self.copy is None else self.copy.last_seq

    @property
    def epoch(self) -> int:
        """The epoch of who leads; 0 when nobody ever has."""
        return 0 if self.leader is None else self.leader.epoch

    @property
    def restart_seq(self) -> int:
        """The message behind which another start goes on: ahead of the first part of a side file that is not whole."""
        return self._whole_seq if self.registry.is_partial else self.stream_seq

    @property
    def knows_end(self) -> bool:
        """Whether a message has said where the log ends."""
        return self._end is not None

    @property
    def is_ahead(self) -> bool:
        """Whether the copy is not what the stream has up to the last message: it has more, as after leading itself."""
        return self._end is not None and self.copy is not None and self._end != (self.place, self.copy.position.chain)

    @property
    def why_not_to_lead(self) -> str:
        """Why nobody must lead from what is here, once the stream's end was reached; empty when somebody may."""
        if self.is_ahead:
            return "its journal has more than the stream: the end of it was never replicated"
        if not self.registry.is_whole:
            return "the stream has not brought the whole registry; the leader sends it at its next start"
        return ""

    def ahead(self) -> DivergenceError:
        """What ends a standby that stays ahead."""
        return self._diverged("the stream ends before it: this node led once, and its end was never replicated")

    def note_end(self, message: Message) -> None:
        """The last message that was taken, also by an earlier run. If the journal ends with it, the two are one log."""
        self._end = message.place, message.chain
        if not self.is_ahead:
            self.registry.release()

    def take(self, stored: Stored) -> None:
        """Take the next message. DivergenceError when it does not fit what is here."""
        message = stored.message
        if not self.registry.is_partial:
            self._whole_seq = self.stream_seq
        if isinstance(message, EpochMessage):
            self._take_epoch(message)
        elif message.author.epoch < self.epoch:
            raise DivergenceError(
                f"stream sequence {stored.seq}: a message of {message.author.node} of epoch {message.author.epoch} "
                f"stands behind epoch {self.epoch}: the fence did not hold; stop every node, see RUNBOOK, divergence"
            )
        elif isinstance(message, RecordMessage):
            self._take_record(message)
        elif isinstance(message, SideMessage):
            self._take_side(message)
        elif isinstance(message, MarkMessage):
            self._take_mark(message)
        elif isinstance(message, DigestMessage):
            self._compare_digest(message)
        self.handed_to = ""
        if isinstance(message, HandoverMessage) and message.to != message.node:
            self.handed_to = message.to
        self.stream_seq = stored.seq
        self.note_end(message)

    def _take_epoch(self, message: EpochMessage) -> None:
        if self.place == message.place and self.copy is not None and message.chain != self.copy.position.chain:
            raise self._diverged(f"epoch {message.epoch} leads from sequence {message.last_seq} with another hash")
        self.registry.forget_parts()
        self.leader = message

    def _take_record(self, message: RecordMessage) -> None:
        if self.copy is not None and message.place < self._next(self.copy):
            if message.place == self.place and message.chain != self.copy.position.chain:
                raise self._diverged(f"record {_named(message.place)} has another hash")
            return
        try:
            copy, rows = self._append(message)
        except DivergenceError:
            raise
        except host.JournalError as error:
            raise self._diverged(str(error)) from None
        self.place = message.place
        if (copy.position.chain, copy.last_seq) != (message.chain, message.last_seq):
            raise self._diverged(f"record {_named(message.place)} is not what its headers say")
        if len(rows):
            self.apply(rows)

    def _append(self, message: RecordMessage) -> tuple[host.JournalCopy, Any]:
        header = message.segment_header
        if self.copy is None:
            self.copy = host.JournalCopy.begin(self.directory, header)
        copy, expected = self.copy, self._next(self.copy)
        begins = message.place.segment > expected.segment
        if message.place != (Place(expected.segment + 1, 0) if begins else expected):
            raise self._diverged(f"record {_named(message.place)} comes behind {_named(self.place)}: some are missing")
        return copy, copy.append(message.record, header if begins else b"")

    @staticmethod
    def _next(copy: host.JournalCopy) -> Place:
        """Which record the next one of the present segment is."""
        return Place(copy.position.segment.number, copy.position.records)

    def _take_side(self, message: SideMessage) -> None:
        if message.name != REGISTRY:
            return
        try:
            self.registry.take(message)
        except SideError as error:
            raise DivergenceError(str(error)) from None

    def _take_mark(self, message: MarkMessage) -> None:
        """The state is as it is behind this message, unless the journal has more already."""
        if self.digest is not None and message.place == self.place:
            self._marked = message.last_seq, self.digest()

    def _compare_digest(self, message: DigestMessage) -> None:
        at_seq, digest = self._marked
        if at_seq == message.at_seq and digest != message.digest:
            raise DivergenceError(
                f"{self.directory}: the state at sequence {at_seq} has digest {digest[:16]}, and the journal of "
                f"{message.node} leads to {message.digest[:16]}: the logs are the same, so one of the two machines "
                "computes otherwise or its memory was changed; keep this folder, see RUNBOOK, divergence"
            )

    def _diverged(self, why: str) -> DivergenceError:
        return DivergenceError(
            f"{self.directory}: it ends with record {_named(self.place)}, sequence {self.last_seq}, and the stream "
            f"does not go on from there: {why}; keep this folder, see RUNBOOK, divergence"
        )


def _named(place: Place) -> str:
    return f"{place.number} of segment {place.segment}"


def _nothing(rows: Any) -> None:
    """Nobody applies yet: the journal is only written."""
