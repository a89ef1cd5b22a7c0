"""How a node begins to lead: what the stream ends with is compared with its own journal, before its epoch is written.

The stream decides. A node whose journal has all that the stream has goes on from there, and sends the stream the rest.
One that lacks something, or whose last epoch is over, does not lead.
"""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from engine import host
from gateway import clock
from gateway.cluster.messages import (
    Author,
    DigestMessage,
    EpochMessage,
    HandoverMessage,
    MarkMessage,
    Message,
    Place,
    Reason,
    RecordMessage,
    SideMessage,
)
from gateway.cluster.side_pages import Change

AS_STANDBY = "start it as a standby: lionrock standby"


class FencedError(Exception):
    """Somebody else leads: one line that says who."""

    def __init__(self, found: Author) -> None:
        super().__init__(
            f"node {found.node} leads since epoch {found.epoch}, which this data folder did not write. Nothing was "
            "acknowledged that the log does not have; start this node as a standby, also in its unit or container: "
            "lionrock standby"
        )
        self.found = found


class RefusedError(Exception):
    """This node may not lead as it is: one line with the remedy."""


class Begun(NamedTuple):
    """From where a node leads: where the log ends that the stream has, and the records that the stream lacks."""

    end: host.LogEnd
    lacking: Iterator[host.RawRecord]


def begin(journal: Path, found: Message | None, is_own: bool, before: Place | None = None) -> Begun:
    """What a node leads from. FencedError, RefusedError, JournalError.

    `is_own`: whether this data folder wrote what was found. `before`: the first record that is sent later; it and those
    behind it may not be in the journal's files yet. Without it nobody writes the journal now. A stream that is empty
    begins where the journal does if that has one segment alone; else where it ends, and then a standby begins with a
    backup.
    """
    begun = _begin(journal, found, is_own, before)
    return begun if before is None else Begun(begun.end, _until(begun.lacking, before))


def _until(records: Iterator[host.RawRecord], before: Place) -> Iterator[host.RawRecord]:
    """The records before this one."""
    return takewhile(lambda record: (record.segment, record.number) < before, records)


def _begin(journal: Path, found: Message | None, is_own: bool, before: Place | None) -> Begun:
    if found is None:
        end = host.log_end(journal)
        if not host.is_in_one_segment(journal):
            return Begun(end, iter(()))
        return Begun(host.LogEnd(0, 0, 0, end.chain), host.raw_records(journal, 1))
    if not is_own:
        raise FencedError(found.author)
    here = host.LogEnd(*found.place, found.last_seq, found.chain)
    if before is not None and found.place >= before:
        return Begun(here, iter(()))
    if not here.segment:
        return Begun(here, host.raw_records(journal, 1))
    records = host.raw_records(journal, here.segment)
    for record in records:
        if (record.segment, record.number) == found.place:
            if record.chain != here.chain:
                raise RefusedError(
                    f"{journal}: sequence {here.last_seq} is not the one of the stream: this is another log, or it "
                    f"was changed; move the folder away and {AS_STANDBY}"
                )
            return Begun(here, records)
    raise RefusedError(
        f"{journal}: the stream has record {here.number} of segment {here.segment}, up to sequence {here.last_seq}, "
        f"and this journal ends before it; {AS_STANDBY}"
    )


def epoch_message(
    author: Author, end: host.LogEnd, reason: Reason, addresses: list[str], process: str = ""
) -> EpochMessage:
    """The message with which an epoch begins."""
    return EpochMessage(
        epoch=author.epoch, node=author.node, segment=end.segment, number=end.number, last_seq=end.last_seq,
        chain=end.chain, reason=reason, addresses=addresses, time_ns=clock.wall_ns(), process=process,
    )  # fmt: skip


def handover_message(author: Author, end: host.LogEnd, to: str) -> HandoverMessage:
    """The message that asks a node to lead from this end on; with the author's own name that is taken back."""
    return HandoverMessage(
        epoch=author.epoch, node=author.node, segment=end.segment, number=end.number, last_seq=end.last_seq,
        chain=end.chain, to=to,
    )  # fmt: skip


def mark_message(author: Author, end: host.LogEnd) -> MarkMessage:
    """The message at which whoever follows takes the digest of its state."""
    return MarkMessage(
        epoch=author.epoch, node=author.node, segment=end.segment, number=end.number, last_seq=end.last_seq,
        chain=end.chain,
    )  # fmt: skip


def digest_message(author: Author, end: host.LogEnd, at_seq: int, digest: str) -> DigestMessage:
    """The message with the leader's digest at a mark."""
    return DigestMessage(
        epoch=author.epoch, node=author.node, segment=end.segment, number=end.number, last_seq=end.last_seq,
        chain=end.chain, at_seq=at_seq, digest=digest,
    )  # fmt: skip


def record_message(author: Author, record: host.RawRecord) -> RecordMessage:
    """The message of a record."""
    place, body = Place(record.segment, record.number), b"".join(filter(None, record.parts))  # one part is not copied
    return RecordMessage(author, place, record.first_seq, record.last_seq, record.chain, body)


def side_message(author: Author, end: host.LogEnd, change: Change) -> SideMessage:
    """The message of a part of what has changed in a side file, behind this end of the log."""
    return SideMessage(
        epoch=author.epoch, node=author.node, segment=end.segment, number=end.number, last_seq=end.last_seq,
        chain=end.chain, **change._asdict(),
    )  # fmt: skip
