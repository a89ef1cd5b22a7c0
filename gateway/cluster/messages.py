"""The messages of a venue's stream and of its heartbeat, packed and unpacked. Nothing here talks to a server.

A stream `LOG_<venue>` has the one subject `log.<venue>`, so everything has one order and one last sequence. What kind a
message is, who wrote it in which epoch, and the last record up to there stand in its headers: the stream's last message
alone says who leads and how far the log goes. The names of headers are case-sensitive.
"""

import secrets
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import msgspec
import zstandard

Kind = Literal["record", "zstandard", "deflated", "epoch", "side", "handover", "mark", "digest"]
"""What a message is: a record of the journal, one whose body is a frame of zstandard, one whose body is deflated, as
releases before this one wrote it; who leads from here on, pages of a side file, who is asked to lead; a place at which
the state is to be digested, and the leader's digest of one."""
KIND, EPOCH, NODE = "Lionrock-Kind", "Lionrock-Epoch", "Lionrock-Node"
SEGMENT, NUMBER = "Lionrock-Segment", "Lionrock-Record"
FIRST, LAST, CHAIN = "Lionrock-First", "Lionrock-Last", "Lionrock-Chain"
EXPECTED_LAST, EXPECTED_STREAM = "Nats-Expected-Last-Sequence", "Nats-Expected-Stream"
"""The server's own headers: a publish is refused unless the stream ends with this sequence; and unless it is this one.
Misspelt, or in another case, they are ignored and the message is taken."""
SEGMENT_HEADER_BYTES = 256
"""The first record of a segment follows the segment's header, which has so many bytes."""
MAX_PAYLOAD_BYTES = 8 << 20
"""What a server has to take: the largest record has 32,768 rows of 128 bytes, and a batch more."""
SIDE_BYTES = 4 << 20
"""A side file's changes are cut into messages with at most so many bytes of pages."""
CHAIN_BYTES = 32
PROCESS = secrets.token_hex(8)
"""A random number of this process: two live nodes of one name are told apart by it."""
TWIN_SECONDS, TWIN_BEATS = 0.5, 3
COMPRESS_BYTES = 1024
"""From this size on a record is compressed, where that makes it smaller. Rows are alike, so it takes little, and a byte
costs the three servers more: each of them hashes it and writes it twice."""
_LEVEL = 1
Headers = Mapping[str, str]


class MessageError(Exception):
    """A message of the stream is not what it should be: one line that names what is wrong with it."""


class Place(NamedTuple):
    """Which record of the journal it is: the number of its segment, and its own there, from 0."""

    segment: int
    number: int


class Author(NamedTuple):
    """Who wrote a message: the epoch in which it led, and the node's name."""

    epoch: int
    node: str


class RecordMessage(NamedTuple):
    """A record of the journal.

    `body` has its bytes as the segment has them, behind the segment's header where it is the segment's first. A record
    without rows, as closing writes it, has a `last_seq` below its `first_seq` and leaves the chain as it was.
    """

    author: Author
    place: Place
    first_seq: int
    last_seq: int
    chain: bytes
    """The log's hash after this record."""
    body: bytes

    @property
    def segment_header(self) -> bytes:
        """The header of a segment that begins here; empty when none does."""
        return self.body[:SEGMENT_HEADER_BYTES] if self.place.number == 0 else b""

    @property
    def record(self) -> bytes:
        """The record's own bytes."""
        return self.body[SEGMENT_HEADER_BYTES:] if self.place.number == 0 else self.body


Reason = Literal["start", "takeover", "handover"]


class _Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What every message says that is not a record itself: who wrote it, and the last record before it."""

    epoch: int
    node: str
    segment: int
    number: int
    """The last record before it; segment 0 when there is none."""
    last_seq: int
    chain: bytes

    @property
    def author(self) -> Author:
        """Who wrote it."""
        return Author(self.epoch, self.node)

    @property
    def place(self) -> Place:
        """The last record before it."""
        return Place(self.segment, self.number)


class EpochMessage(_Beside, frozen=True, kw_only=True):
    """From here on one node leads, from one place of the log on. Everything of an older epoch behind it is void."""

    reason: Reason
    addresses: list[str]
    """Where clients find the node: websocket addresses."""
    time_ns: int
    process: str = ""
    """The random number of the process that leads: two live nodes of one name are told apart by it."""


class HandoverMessage(_Beside, frozen=True, kw_only=True):
    """The leader asks another node to lead from here on, without waiting for silence. It writes nothing more.

    With its own name it takes that back. Whatever is written next, by whom the stream takes it, ends the offer.
    """

    to: str


class SideMessage(_Beside, frozen=True, kw_only=True):
    """Changed pages of a file beside the journal, one of `parts` messages that belong together, from 0."""

    name: str
    version: int
    """Counts the file's changes as one process sends them. Version 1 has every page: what was known before is void."""
    part: int
    parts: int
    page_bytes: int
    file_bytes: int
    digest: bytes
    """BLAKE3 of the whole file once all the parts are in it."""
    pages: dict[int, bytes]


class MarkMessage(_Beside, frozen=True, kw_only=True):
    """Whoever follows takes the digest of its state here, behind the last record: the leader's comes later."""


class DigestMessage(_Beside, frozen=True, kw_only=True):
    """The digest of the state to which the leader's journal leads at a mark before."""

    at_seq: int
    """The last sequence before the mark."""
    digest: str


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """The leader's heartbeat, on a subject of its own that no stream keeps."""

    epoch: int
    node: str
    last_seq: int
    process: str = ""


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """What a standby answers when somebody asks which nodes there are."""

    node: str
    process: str
    stream_seq: int
    """How far it has the stream."""
    noted_seq: int = 0
    """The message behind which it would go on if it were begun again now; a release before this one does not say."""
    why_not: str = ""
    """Why it must not lead now; empty when it may."""


Beside = EpochMessage | SideMessage | HandoverMessage | MarkMessage | DigestMessage
Message = RecordMessage | Beside
_BODIES: dict[str, type[Beside]] = {
    "epoch": EpochMessage, "side": SideMessage, "handover": HandoverMessage, "mark": MarkMessage,
    "digest": DigestMessage,
}  # fmt: skip
_KINDS: dict[type[Message], Kind] = {
    RecordMessage: "record", EpochMessage: "epoch", SideMessage: "side", HandoverMessage: "handover",
    MarkMessage: "mark", DigestMessage: "digest",
}  # fmt: skip


def stream_name(venue: str) -> str:
    """The stream of a venue's log."""
    return f"LOG_{venue}"


def log_subject(venue: str) -> str:
    """The one subject of that stream."""
    return f"log.{venue}"


def base_bucket(venue: str) -> str:
    """The bucket of the object store that has what a standby can begin from."""
    return f"BASE_{venue}"


def beat_subject(venue: str) -> str:
    """The subject of the leader's heartbeat."""
    return f"beat.{venue}"


def nodes_subject(venue: str) -> str:
    """The subject on which the standbys are asked which of them there are."""
    return f"nodes.{venue}"


def pack(message: Message) -> tuple[dict[str, str], bytes]:
    """A message's headers and body."""
    author, place = message.author, message.place
    headers = {
        KIND: _KINDS[type(message)], EPOCH: str(author.epoch), NODE: author.node, SEGMENT: str(place.segment),
        NUMBER: str(place.number), LAST: str(message.last_seq), CHAIN: message.chain.hex(),
    }  # fmt: skip
    if isinstance(message, RecordMessage):
        headers[FIRST] = str(message.first_seq)
        if len(message.body) >= COMPRESS_BYTES:
            compressed = _CODEC.compressor.compress(message.body)
            if len(compressed) < len(message.body):
                return headers | {KIND: "zstandard"}, compressed
        return headers, message.body
    return headers, msgspec.msgpack.encode(message)


def unpack(headers: Headers, body: bytes) -> Message:
    """The message of these headers and this body. MessageError for anything that `pack` does not write."""
    kind = headers.get(KIND, "")
    if kind not in get_args(Kind):
        raise MessageError(f"{KIND} {kind[:40]!r}: no kind that this release knows; is its sender a newer release?")
    author = author_of(headers)
    if kind in _RECORD_BODIES:
        return _record(headers, author, _RECORD_BODIES[kind](body))
    try:
        message = msgspec.msgpack.decode(body, type=_BODIES[kind])
    except (msgspec.DecodeError, ValueError) as error:
        raise MessageError(f"a message of kind {kind} that cannot be read: {error}") from None
    if message.author != author:
        raise MessageError(f"a message of kind {kind} from {message.author} whose headers say {author}")
    return message


def author_of(headers: Headers) -> Author:
    """Who wrote a message. MessageError."""
    return Author(_number(headers, EPOCH), headers.get(NODE, ""))


class _Codec(threading.local):
    """Kept from one record to the next, as they are slow to make; each thread's own, as they have a state."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_CODEC = _Codec()


def _decompressed(body: bytes) -> bytes:
    try:
        size_bytes = zstandard.frame_content_size(body)
        if not 0 < size_bytes <= MAX_PAYLOAD_BYTES:  # so much memory is about to be taken
            raise MessageError(
                f"a record whose frame of zstandard does not say that it has at most {MAX_PAYLOAD_BYTES} bytes"
            )
        return _CODEC.decompressor.decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise MessageError(f"a record in zstandard that cannot be read: {error}") from None


def _inflated(body: bytes) -> bytes:
    inflating = zlib.decompressobj()
    try:
        found = inflating.decompress(body, MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise MessageError(f"a deflated record that cannot be read: {error}") from None
    if not inflating.eof or inflating.unused_data:
        raise MessageError(f"a deflated record that does not end where it should, within {MAX_PAYLOAD_BYTES} bytes")
    return found


_RECORD_BODIES: dict[str, Callable[[bytes], bytes]] = {
    "record": bytes, "zstandard": _decompressed, "deflated": _inflated,
}  # fmt: skip


def _record(headers: Headers, author: Author, body: bytes) -> RecordMessage:
    try:
        chain = bytes.fromhex(headers.get(CHAIN, ""))
    except ValueError:
        chain = b""
    if len(chain) != CHAIN_BYTES:
        raise MessageError(f"{CHAIN} {headers.get(CHAIN, '')[:80]!r}: {2 * CHAIN_BYTES} hexadecimal digits are needed")
    place = Place(_number(headers, SEGMENT), _number(headers, NUMBER))
    if place.number == 0 and len(body) < SEGMENT_HEADER_BYTES:
        raise MessageError(f"the first record of segment {place.segment} comes without the segment's header")
    return RecordMessage(author, place, _number(headers, FIRST), _number(headers, LAST), chain, body)


def _number(headers: Headers, name: str) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise MessageError(f"{name} {text[:40]!r}: a whole number is needed")
    return int(text)


def twin_seconds(heartbeat_ms: int) -> float:
    """How long a live node of the same name is listened for: some of its heartbeats may be lost."""
    return max(TWIN_SECONDS, TWIN_BEATS * heartbeat_ms / 1000)


def pack_beat(beat: Beat) -> bytes:
    """A heartbeat's bytes."""
    return msgspec.msgpack.encode(beat)


def unpack_beat(data: bytes) -> Beat:
    """The heartbeat of these bytes. MessageError."""
    try:
        return msgspec.msgpack.decode(data, type=Beat)
    except (msgspec.DecodeError, ValueError) as error:
        raise MessageError(f"a heartbeat that cannot be read: {error}") from None


def pack_present(present: Present) -> bytes:
    """The bytes of what a standby answers."""
    return msgspec.msgpack.encode(present)


def unpack_present(data: bytes) -> Present:
    """What a standby has answered. MessageError."""
    try:
        return msgspec.msgpack.decode(data, type=Present)
    except (msgspec.DecodeError, ValueError) as error:
        raise MessageError(f"an answer of a node that cannot be read: {error}") from None
