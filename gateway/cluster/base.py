"""A base: what a standby begins from where the stream does not have the whole log any more. Nothing here has I/O.

The leader puts one into the object store after each snapshot that ends at a mark of the stream: the snapshot, the saved
read model, the journal's segment up to the mark, the registry as the stream had it, the history. Its manifest is stored
last; without one nothing of a base is used.
"""

import hashlib
from typing import NamedTuple

import msgspec

from gateway.cluster.messages import EpochMessage, Place

FORMAT = "lionrock base 1"
MANIFEST = "manifest.json"
REGISTRY = "registry.copy"
"""The registry in a base: a copy as `SideCopy` keeps it."""


class BaseError(Exception):
    """A base that cannot be made or used: one line."""


class BaseAt(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that publishes the log knows of a base that can be made now."""

    stream_seq: int
    """The sequence of the mark: who begins from the base goes on behind this message."""
    segment: int
    number: int
    last_seq: int
    chain: bytes
    """The last record before the mark, its last sequence, and the log's hash behind it."""
    digest: str
    """Of the state there."""
    digest_seq: int
    """The sequence of the message with that digest. What the base has of the registry stands before it."""
    leader: EpochMessage
    registry: str
    """The file with the registry's image, which belongs to whoever makes the base."""
    registry_version: int

    @property
    def place(self) -> Place:
        """The last record before the mark."""
        return Place(self.segment, self.number)


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a base, by its path in the data folder. Its object is compressed."""

    path: str
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a base is made of. Its fields are those of `BaseAt`, and the files."""

    format: str
    release: str
    venue: str
    stream_seq: int
    segment: int
    number: int
    last_seq: int
    chain: bytes
    digest: str
    leader: EpochMessage
    registry_version: int
    time_ns: int
    """When it was made, wall time."""
    files: list[File]

    @property
    def place(self) -> Place:
        """The last record that it has."""
        return Place(self.segment, self.number)

    @property
    def size_bytes(self) -> int:
        """All files together, as they are on a disk."""
        return sum(file.size_bytes for file in self.files)


class Name(NamedTuple):
    """What a base is called in the store; a greater one is newer, in one stream."""

    stream_seq: int
    last_seq: int

    @property
    def text(self) -> str:
        """As the store has it, before the names of the base's objects."""
        return f"{self.stream_seq:020d}-{self.last_seq}"

    def object(self, path: str) -> str:
        """The name of one of its objects."""
        return f"{self.text}/{path}"


def split(text: str) -> tuple[Name, str] | None:
    """The base, and the path in it, that an object's name says; None for another one's object."""
    name, _, path = text.partition("/")
    stream_seq, _, last_seq = name.partition("-")
    if not (path and stream_seq.isascii() and last_seq.isascii() and stream_seq.isdigit() and last_seq.isdigit()):
        return None
    found = Name(int(stream_seq), int(last_seq))
    return (found, path) if found.text == name else None


class _Envelope(msgspec.Struct):
    sha256: str
    manifest: msgspec.Raw


def pack_manifest(manifest: Manifest) -> bytes:
    """The bytes of a manifest, with a hash of them."""
    body = msgspec.json.encode(manifest)
    return b'{"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'","manifest":' + body + b"}"


def unpack_manifest(data: bytes) -> Manifest:
    """The manifest of these bytes. BaseError when they are not what was written, or lead outside a data folder."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        if hashlib.sha256(bytes(envelope.manifest)).hexdigest() != envelope.sha256:
            raise BaseError("its manifest does not match its hash")
        manifest = msgspec.json.decode(envelope.manifest, type=Manifest)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BaseError(f"its manifest cannot be read ({error})") from None
    if manifest.format != FORMAT:
        raise BaseError(f"it is of format {manifest.format[:40]!r}, this release reads {FORMAT!r}")
    for file in manifest.files:
        if file.path.startswith("/") or ".." in file.path.split("/"):
            raise BaseError(f"its file {file.path[:80]!r} lies outside the data folder")
    return manifest
