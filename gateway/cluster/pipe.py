"""What a venue and its publisher's process say to each other: frames over a pair of sockets.

A frame is its kind, its size and its content. The venue sends its records as they are written, so a record's content is
not copied here: `record_head` is what goes before its parts.
"""

import struct
from collections.abc import Iterator
from typing import Literal

import msgspec

from engine.host import RawRecord
from gateway.cluster.messages import Place, Reason

LEAD, RECORD, BEAT, SIDE, FINISH, FIND, HAND_OVER, MARK, DIGEST = 1, 2, 3, 4, 5, 6, 7, 8, 9
"""From the venue: lead from here on; a record; a heartbeat; a file beside the journal has changed; send all and end;
find who could lead next; ask this node to lead behind what was sent; mark its end; a digest at a mark."""
CONFIRMED, STATE, FINISHED, FOUND, KEPT, MARKED, BASE, NO_BASE = 16, 17, 18, 19, 20, 21, 22, 23
"""From the publisher: the stream has everything up to this record; how it stands; all is sent; who could lead next;
this node leads on, and why; the last sequence before a mark; what a base can be made of (`base.BaseAt`);
why a snapshot becomes none, in one line."""
_HEAD = struct.Struct("<BI")
_RECORD = struct.Struct("<IIqq32s")
_CONFIRMED = struct.Struct("<IIq")
_BEAT = struct.Struct("<q")
Standing = Literal["idle", "leading", "silent", "fenced", "refused", "setup", "lost", "handed"]
"""How a publisher stands: it waits to lead; it leads; the stream does not answer; another node leads; this node may not
lead; servers or settings are not as a venue needs them; the stream has lost what it had confirmed; another node leads,
as it was asked to. After the last five it ends."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the publisher's process is told when it begins."""

    servers: list[str]
    venue: str
    node: str
    replicas: int
    process: str = ""
    """The random number of the venue's process."""
    heartbeat_ms: int = 50
    """How often who leads says that it is there."""
    data: str = ""
    """The data folder, where the registry's image for a base goes; empty: no bases are made."""
    reserve_bytes: int = 0
    """The venue's `disk_reserve_bytes`: that image leaves half of it free."""


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """Lead from here on."""

    journal: str
    addresses: list[str] = []
    reason: Reason = "start"
    epoch: int = 0
    sequence: int = 0
    """The stream's sequence of the epoch's message, when that is written already; 0: compare and write it."""
    end: tuple[int, int, int, bytes] = (0, 0, 0, b"")
    """Then also the log's end: segment, record, last sequence, chain."""
    is_again: bool = False
    """Whether a process before this one has led for the same venue."""
    before: tuple[int, int] | None = None
    """The first record that is sent through the pipe, when the venue trades already."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How the publisher stands."""

    standing: Standing
    line: str = ""
    epoch: int = 0
    server: str = ""
    stream_seq: int = 0
    """Once it has handed over: where the stream ended, with everything of this node."""


class Digested(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of the state at a mark."""

    at_seq: int
    digest: str


class Successor(msgspec.Struct, frozen=True, kw_only=True):
    """Who could lead next; no node, and why, when nobody can."""

    node: str
    line: str = ""


class SideChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A file beside the journal has changed: send what is new in it, behind the records sent so far."""

    path: str


def frame(kind: int, content: bytes = b"") -> bytes:
    """A frame's bytes."""
    return _HEAD.pack(kind, len(content)) + content


def message_frame(kind: int, message: msgspec.Struct) -> bytes:
    """A frame with a message of more than a number or two."""
    return frame(kind, msgspec.msgpack.encode(message))


def record_head(record: RawRecord) -> bytes:
    """What goes before the parts of a record."""
    size_bytes = _RECORD.size + sum(map(len, record.parts))
    facts = _RECORD.pack(record.segment, record.number, record.first_seq, record.last_seq, record.chain)
    return _HEAD.pack(RECORD, size_bytes) + facts


def read_record(content: bytes) -> RawRecord:
    """The record of a frame; its bytes are all in its last part."""
    segment, number, first_seq, last_seq, chain = _RECORD.unpack_from(content)
    return RawRecord(segment, number, first_seq, last_seq, chain, (b"", b"", content[_RECORD.size :]))


def beat_frame(last_seq: int, kind: int = BEAT) -> bytes:
    """A heartbeat, or where a mark stands."""
    return frame(kind, _BEAT.pack(last_seq))


def read_beat(content: bytes) -> int:
    """The last sequence of a heartbeat or a mark."""
    (last_seq,) = _BEAT.unpack(content)
    return int(last_seq)


def confirmed_frame(place: Place, last_seq: int) -> bytes:
    """The stream has everything up to this record, whose last sequence this is."""
    return frame(CONFIRMED, _CONFIRMED.pack(*place, last_seq))


def read_confirmed(content: bytes) -> tuple[Place, int]:
    """The record up to which the stream has everything, and its last sequence."""
    segment, number, last_seq = _CONFIRMED.unpack(content)
    return Place(segment, number), last_seq


class FrameReader:
    """Cuts what comes out of a socket into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
        """More bytes came: the kind and content of each frame that is whole now."""
        self._data += data
        place = 0
        try:
            while len(self._data) - place >= _HEAD.size:
                kind, size_bytes = _HEAD.unpack_from(self._data, place)
                end = place + _HEAD.size + size_bytes
                if end > len(self._data):
                    return
                with memoryview(self._data) as whole:  # a slice of the data itself would be one more copy
                    content = bytes(whole[place + _HEAD.size : end])
                place = end
                yield kind, content
        finally:
            del self._data[:place]
