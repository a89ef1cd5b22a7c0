"""The process that puts a base into the object store beside a venue that leads, and then has the stream purged.

`python -m gateway.cluster.base_process` reads one JSON line from standard input and answers with one on standard
output. It runs behind all others, rests after each chunk, and ends at once when its input ends.
"""

import asyncio
import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from engine import disk, host
from gateway import clock
from gateway.cluster import leases
from gateway.cluster.base import FORMAT, REGISTRY, BaseAt, BaseError, File, Manifest, Name, pack_manifest
from gateway.cluster.base import MANIFEST as MANIFEST_NAME
from gateway.cluster.base_store import BaseStore
from gateway.cluster.bases import UPLOADS, BaseDone, BaseOrder
from gateway.cluster.log_stream import LogStream, StreamError
from gateway.cluster.messages import SEGMENT_HEADER_BYTES, DigestMessage, MarkMessage, MessageError
from gateway.cluster.retention import purge
from gateway.config import Config
from gateway.registry.database_copy import copy_database
from gateway.registry.errors import RegistryError
from gateway.venue.beside_venue import ordered, pause, tell
from gateway.venue.disk_space import sparing
from gateway.venue.recovery import projection_path
from gateway.wire.versions import RELEASE

REST_SHARE, LONGEST_REST_SECONDS = 3, 1.0
"""After each chunk the process rests so many times as long as the servers took to store it."""
_LEVEL = 1


class _OvertakenError(BaseError):
    """The snapshot is gone: newer ones are there, and a base is made of the newest."""


class _Part(NamedTuple):
    """One file of a base: its bytes, and by what path a data folder has it."""

    data: memoryview
    path: str


class Packed:
    """The bytes of a part, compressed, as `BaseStore.put` takes them. `sha256` is of what was read."""

    def __init__(self, data: memoryview) -> None:
        self._left, self._hasher = data, hashlib.sha256()
        self._given_ns = clock.steady_ns()
        self._packer = zstandard.ZstdCompressor(_LEVEL).stream_reader(self)  # type: ignore[arg-type]

    def read(self, size_bytes: int) -> bytes:
        """The next bytes as they are."""
        piece = bytes(self._left[:size_bytes])
        self._left = self._left[len(piece) :]
        self._hasher.update(piece)
        return piece

    def readinto(self, room: bytearray) -> int:
        """The next compressed bytes, after a rest: the servers sync the log on the same disks."""
        took_seconds = (clock.steady_ns() - self._given_ns) / 1e9
        time.sleep(min(REST_SHARE * took_seconds, LONGEST_REST_SECONDS))
        done = 0
        while done < len(room) and (size := self._packer.readinto(memoryview(room)[done:])):
            done += size
        self._given_ns = clock.steady_ns()
        return done

    @property
    def sha256(self) -> str:
        """Of everything that was read."""
        return self._hasher.hexdigest()


async def make(order: BaseOrder) -> BaseDone:
    """Put a base, take older ones away, purge. BaseError, StreamError, JournalError, OSError, sqlite3.Error."""
    begun_ns, at = clock.steady_ns(), order.at
    stream = LogStream(order.servers, order.venue)
    await stream.connect()
    try:
        store = BaseStore(stream.connection, order.venue)
        await store.make(order.replicas)
        name = Name(at.stream_seq, at.last_seq)
        await _check_leads(stream, order)
        await _clear(store, stream, name)
        if name not in await store.complete():  # else another process has ended behind its manifest
            await _put_base(store, stream, name, order)
        manifest = await store.manifest(name)
        first_seq = await _shorten(store, stream, name, order)
    finally:
        await stream.close()
    seconds = (clock.steady_ns() - begun_ns) / 1e9
    return BaseDone(
        sequence=at.last_seq, size_bytes=manifest.size_bytes, seconds=seconds, stream_first_seq=first_seq,
        time_ns=manifest.time_ns,
    )  # fmt: skip


async def _shorten(store: BaseStore, stream: LogStream, name: Name, order: BaseOrder) -> int:
    """Take older bases away, and have the stream purged: its first message then.

    This process may have stood still for long: another node that leads meanwhile has bases of its own. So each step
    asks the stream anew whether this node leads.
    """
    await _check_leads(stream, order)
    kept = [each for each in await _keep(store, stream, name, order.kept) if await store.is_whole(each)]
    await _check_leads(stream, order)
    known = leases.read(Path(order.data), order.at.leader.author, clock.wall_ns())
    lease_ns = order.standby_lease_seconds * 1_000_000_000
    try:
        return await purge(stream, kept, order.kept, order.retain_commands, known, lease_ns)
    finally:
        if order.retain_commands:
            leases.write(Path(order.data), known)


async def _clear(store: BaseStore, stream: LogStream, own: Name) -> None:
    """Take away what processes that have ended left: bases without a manifest, chunks without a name."""
    whole = await store.complete()
    for name in await store.objects():
        if name not in whole and not await _is_later(stream, name, own):
            await store.remove(name)
    await store.remove_nameless()


async def _is_later(stream: LogStream, name: Name, own: Name) -> bool:
    """Whether a base is newer than the own one, of the same stream: its mark is there. Another leader puts that."""
    if name <= own:
        return False
    found = await stream.get(name.stream_seq)
    return found is not None and isinstance(found.message, MarkMessage) and found.message.last_seq == name.last_seq


async def _check_leads(stream: LogStream, order: BaseOrder) -> None:
    """BaseError unless the stream has the mark's digest, so all of the base, and this node leads still."""
    found, last = await stream.get(order.at.digest_seq), await stream.last()
    message = None if found is None else found.message
    author = order.at.leader.author
    if not isinstance(message, DigestMessage) or (message.author, message.digest) != (author, order.at.digest):
        raise BaseError(f"the stream does not have this node's digest of sequence {order.at.last_seq}")
    if last is None or last.message.author != author:
        raise BaseError(f"node {author.node} does not lead any more")


async def _put_base(store: BaseStore, stream: LogStream, name: Name, order: BaseOrder) -> None:
    """Put the files and then the manifest; nothing is left of what fails, as far as the servers answer."""
    try:
        files = [await _put(store, name, part) for part in _parts(Config(data=order.data), order)]
        await _check_leads(stream, order)
        await store.put(name, MANIFEST_NAME, pack_manifest(_manifest(order, files)))
    except BaseException:
        with contextlib.suppress(BaseError):
            await store.remove(name)
        raise


async def _put(store: BaseStore, name: Name, part: _Part) -> File:
    packed = Packed(part.data)
    await store.put(name, part.path, packed)
    return File(path=part.path, size_bytes=len(part.data), sha256=packed.sha256)


async def _keep(store: BaseStore, stream: LogStream, newest: Name, kept: int) -> list[Name]:
    """Take away all but the newest bases; those that are left, newest first.

    A later one stays if its mark is in this stream; otherwise it is of a stream that was begun anew.
    """
    found = await store.complete()
    own = [name for name in found if name <= newest]
    for name in found:
        if name not in own[:kept] and not await _is_later(stream, name, newest):
            await store.remove(name)
    return own[:kept]


def _manifest(order: BaseOrder, files: list[File]) -> Manifest:
    at = order.at
    return Manifest(
        format=FORMAT, release=RELEASE, venue=order.venue, stream_seq=at.stream_seq, segment=at.segment,
        number=at.number, last_seq=at.last_seq, chain=at.chain, digest=at.digest, leader=at.leader,
        registry_version=at.registry_version, time_ns=clock.wall_ns(), files=files,
    )  # fmt: skip


# --- what belongs to a base -------------------------------------------------------------------------------------------


def _parts(config: Config, order: BaseOrder) -> Iterator[_Part]:
    """The files. All are mapped at first: then nobody cuts them, as is done with an older snapshot that goes.

    The history is copied when its turn comes. It may have more than the snapshot, which does no harm. _OvertakenError.
    """
    at, data = order.at, Path(config.data)
    try:
        files = [_snapshot(config.journal, at), projection_path(data, at.last_seq)]
        parts = [_mapped(path, str(path.relative_to(data))) for path in files]
        for path, size_bytes in _segments(config.journal, at):
            parts.append(_mapped(path, str(path.relative_to(data)), size_bytes))
    except (FileNotFoundError, BlockingIOError):
        raise _OvertakenError from None
    parts.append(_mapped(Path(at.registry), REGISTRY))
    yield from parts
    if order.history_rows and config.history.exists():
        with _copied(config.history, data / UPLOADS / config.history.name) as copy:
            yield _mapped(copy, config.history.name)


def _mapped(path: Path, name: str, size_bytes: int | None = None) -> _Part:
    """The first bytes of a file, or all of them."""
    data = memoryview(disk.map_file(path))[:size_bytes]
    if size_bytes is not None and len(data) != size_bytes:
        raise BaseError(f"{path}: it has {len(data)} bytes instead of {size_bytes}")
    return _Part(data, name)


def _snapshot(journal: Path, at: BaseAt) -> Path:
    """The snapshot at the mark."""
    for found in host.sound_headers(journal):
        if found.seq == at.last_seq:
            if (found.chain, found.digest.hex()) != (at.chain, at.digest):
                raise BaseError(f"{found.path}: it is not the one at the mark")
            return found.path
    raise _OvertakenError


def _segments(journal: Path, at: BaseAt) -> Iterator[tuple[Path, int]]:
    """The segment of the last record up to that record, and the one before where that has the last command."""
    segments = host.retention.segments_of(journal)
    first = at.segment
    if first < segments.first:
        raise _OvertakenError
    while first > segments.first and segments.header(first).first_seq > at.last_seq:
        first -= 1
        yield segments.path(first), disk.size_bytes(segments.path(first))
    size_bytes = SEGMENT_HEADER_BYTES
    for record in host.raw_records(journal, at.segment):
        if record.segment != at.segment:
            break
        size_bytes += sum(map(len, record.parts[1:]))
        if record.number == at.number:
            if record.chain != at.chain:
                raise BaseError(f"{journal}: record {at.number} of segment {at.segment} is not the one at the mark")
            yield segments.path(at.segment), size_bytes
            return
    raise BaseError(f"{journal}: it does not have record {at.number} of segment {at.segment}")


@contextmanager
def _copied(path: Path, copy: Path) -> Iterator[Path]:
    """A copy of an SQLite file for a while."""
    try:
        copy_database(path, copy, pause)
        yield copy
    finally:
        for suffix in ("", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


# --- the process ------------------------------------------------------------------------------------------------------


def answer(order: BaseOrder) -> BaseDone:
    """Do what is asked for; a failure is a line of the answer."""
    faults = (
        BaseError, StreamError, MessageError, host.JournalError, RegistryError, OSError, sqlite3.Error, ValueError,
        MemoryError,
    )  # fmt: skip
    try:
        return asyncio.run(make(order))
    except _OvertakenError:
        return BaseDone()
    except faults as error:
        return BaseDone(problem=" ".join(str(error).split()) or type(error).__name__)


def forget_images(needed: Path, *, itself: bool) -> None:
    """Take away the images of registries that are older than one, and that one too once its base is there.

    They may be large: a piece at a time, and never in the venue, which would stand still meanwhile. What a process that
    has ended left half cut or half written goes too.
    """
    for path, leftover in disk.leftovers(needed.parent).items():
        if path < needed and path.match("registry-*.copy"):
            with contextlib.suppress(OSError):
                disk.remove(leftover)
    for path in disk.current().files(needed.parent, "registry-*.copy"):
        if path < needed or (itself and path == needed):
            with contextlib.suppress(OSError):
                disk.remove(path, pause)


def main() -> None:
    """Run beside a venue."""
    order = msgspec.json.decode(ordered(), type=BaseOrder)
    image = Path(order.at.registry)
    forget_images(image, itself=False)
    with sparing(Path(order.data), order.reserve_bytes):
        done = answer(order)
    forget_images(image, itself=bool(done.sequence))
    tell(msgspec.to_builtins(done))
    os._exit(1 if done.problem else 0)


if __name__ == "__main__":
    main()
