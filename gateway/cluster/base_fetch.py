"""How a node begins from a base, where the stream does not have what it needs next any more.

A base is fetched into a folder beside what is there, and everything of it is checked before it takes its place: each
file's hash, the snapshot against the mark of the stream, the journal up to that mark. What the data folder had is moved
aside and kept. A node whose journal goes past the base already takes the registry of it alone, if the two are one log.

A process that ends in the midst does no harm: the next start goes on with the moves, or begins them anew.
"""

import asyncio
import hashlib
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from engine import disk, host
from gateway import clock
from gateway.cluster import led_epochs
from gateway.cluster.base import REGISTRY, BaseError, File, Manifest, Name
from gateway.cluster.base_store import BaseStore
from gateway.cluster.follower import DivergenceError
from gateway.cluster.log_stream import Bounds, LogStream, StreamError
from gateway.cluster.messages import PROCESS, MarkMessage, Present, RecordMessage, nodes_subject, pack_present
from gateway.cluster.side_copy import into_database, note_version
from gateway.cluster.standby import PLACE, WAIT_SECONDS, note_place, noted_seq
from gateway.config import Config
from gateway.read_model.saved_rows import SavedRows, SavedRowsError
from gateway.registry.signatures import SIGNATURES
from gateway.surveillance.store import file_of
from gateway.venue.backup_check import missing_segments
from gateway.venue.recovery import projection_path
from gateway.wire.log_lines import event

PARTIAL, WHOLE = "base.part", "base.whole"
"""The folder into which a base is fetched, and its name once everything of it was checked."""
PROGRESS_NS = 5_000_000_000
_LOG = logging.getLogger("lionrock.cluster")


class Begun(NamedTuple):
    """What a node began from: the base, and the folder that has what the data folder had; None where that stayed."""

    manifest: Manifest
    aside: Path | None

    @property
    def line(self) -> str:
        """For a person."""
        base = f"it began from the base of sequence {self.manifest.last_seq} that {self.manifest.leader.node} had put"
        return base if self.aside is None else f"{base}; what was here, and did not go so far, is in {self.aside}"

    def facts(self) -> dict[str, Any]:
        """For a program."""
        return {
            "sequence": self.manifest.last_seq, "size_bytes": self.manifest.size_bytes,
            "node": self.manifest.leader.node, "aside": None if self.aside is None else str(self.aside),
        }  # fmt: skip


async def begin_from_base(stream: LogStream, config: Config) -> Begun | None:
    """Have a data folder begin from a base where the stream begins behind what it needs; None where it does not, or
    there is no base that can be used, each with a line that says why.

    The journal is not open. DivergenceError for a journal that is another log than the base's. A stream that does not
    answer is waited for.
    """
    data = Path(config.data)
    _finish_moves(data)
    if not host.holds_journal(config.journal) and config.registry.exists() and not (data / REGISTRY).exists():
        return None  # a venue that never ran: its registry is nowhere else
    tried: set[Name] = set()
    while True:
        try:
            bounds = await stream.bounds()
            if bounds is None or (bounds.first_seq <= noted_seq(data) + 1 and not _lacks_beginning(config)):
                return None
            name = await _untried(stream, tried)
            if name is None:
                return None
            tried.add(name)
            async with present(stream, config.cluster.node_name, lambda seq=bounds.first_seq: seq):  # type: ignore[misc]
                return await _from_one(stream, config, name, bounds)
        except _NotNeededError:
            continue  # an older base may have the registry for this journal
        except BaseError as error:
            _LOG.error("a base is not used: %s", error)
        except StreamError as error:
            _LOG.warning("%s; trying again", error)
            tried.clear()
            await asyncio.sleep(WAIT_SECONDS)


class _NotNeededError(Exception):
    """The base begins behind the journal, which can follow the stream from its own end."""


async def _can_follow(stream: LogStream, config: Config, bounds: Bounds) -> bool:
    """Whether the journal goes on in the stream without a base: that has each record behind it, and brings the registry
    whole, as to a backup. A folder with a copy of the registry would lack changes of it that were purged."""
    has_venue = host.holds_journal(config.journal) and config.registry.exists()
    if not has_venue or (Path(config.data) / REGISTRY).exists() or _lacks_beginning(config):
        return False
    first = await stream.get(bounds.first_seq)
    if first is None:
        raise StreamError(f"stream {stream.venue}: its first message was purged meanwhile")
    end = host.log_end(config.journal)
    is_next = isinstance(first.message, RecordMessage) and first.message.place == (end.segment, end.number + 1)
    return is_next or first.message.place <= (end.segment, end.number)


def _lacks_beginning(config: Config) -> bool:
    """Whether a cut has taken what is made from the whole log, which is not here: the node had begun from a base."""
    if not host.holds_journal(config.journal) or config.registry.exists():
        return False
    return bool(missing_segments(config.journal))


async def _untried(stream: LogStream, tried: set[Name]) -> Name | None:
    """The newest base that was not tried yet."""
    store = BaseStore(stream.connection, stream.venue)
    try:
        found = await store.complete() if await store.open() else []
    except BaseError as error:
        raise StreamError(str(error)) from None
    return next((name for name in found if name not in tried), None)


@asynccontextmanager
async def present(stream: LogStream, node: str, noted: Callable[[], int]) -> AsyncIterator[None]:
    """Say meanwhile, whenever somebody asks which standbys there are, that this one needs the stream from there on."""

    async def tell(found: Msg) -> None:
        seq = noted()
        told = Present(node=node, process=PROCESS, stream_seq=seq, noted_seq=seq, why_not="its folder is being filled")
        with suppress(NatsError, OSError):
            await found.respond(pack_present(told))

    try:
        asked = await stream.connection.subscribe(nodes_subject(stream.venue), cb=tell)
    except (NatsError, OSError) as error:
        raise StreamError(str(error) or type(error).__name__) from None
    try:
        yield
    finally:
        with suppress(NatsError, OSError):
            await asked.unsubscribe()


async def _from_one(stream: LogStream, config: Config, name: Name, bounds: Bounds) -> Begun:
    """Begin from this base. A connection of its own ends what an object still has under way."""
    own = LogStream(config.cluster.server_list, config.cluster.venue)
    await own.connect()
    try:
        store = BaseStore(own.connection, own.venue)
        if not await store.open():
            raise BaseError("the object store is gone")
        manifest = await store.manifest(name)
        await _check_mark(stream, manifest, bounds)
        can_follow = await _can_follow(stream, config, bounds)
        return await _Fetch(store, config, name, manifest).begin(can_follow)
    except BaseError as error:
        raise BaseError(f"base of sequence {name.last_seq}: {error}") from None
    finally:
        await own.close()


async def _check_mark(stream: LogStream, manifest: Manifest, bounds: Bounds) -> None:
    """BaseError unless the stream goes on from the base: its mark is there and says what the manifest does."""
    at = manifest.stream_seq
    if manifest.venue != stream.venue or not bounds.first_seq <= at <= bounds.last_seq:
        raise BaseError(f"its mark {at} is not in the stream, which has {bounds.first_seq} to {bounds.last_seq}")
    found = await stream.get(at)
    message = None if found is None else found.message
    if not isinstance(message, MarkMessage) or (message.place, message.last_seq, message.chain) != (
        manifest.place, manifest.last_seq, manifest.chain
    ):  # fmt: skip
        raise BaseError(f"message {at} of the stream is not its mark: it is of another log")


class _Fetch:
    """One base on its way into a data folder."""

    def __init__(self, store: BaseStore, config: Config, name: Name, manifest: Manifest) -> None:
        self._store, self._config, self._name, self._manifest = store, config, name, manifest
        self._data = Path(config.data)
        self._partial = self._data / PARTIAL
        self._files = manifest.files
        self._done_bytes, self._said_ns = 0, clock.steady_ns()

    async def begin(self, can_follow: bool) -> Begun:
        """Fetch, check, and move what is fetched to its place. BaseError, DivergenceError, JournalError, OSError.

        `can_follow`: the journal needs no base; then nothing is moved aside, and _NotNeededError where it does not go
        past this one.
        """
        shutil.rmtree(self._partial, ignore_errors=True)
        manifest = self._manifest
        has_journal = host.holds_journal(self._config.journal)
        has_all = has_journal and self._goes_past() and not _lacks_beginning(self._config)
        if can_follow and not has_all:
            raise _NotNeededError
        if has_all:
            self._files = [file for file in manifest.files if file.path == REGISTRY]
        self._say("is fetched", True)
        try:
            await self._fetch_all()
            if not has_all:
                await asyncio.to_thread(self._check)
                into_database(self._partial / REGISTRY, self._partial / self._config.registry.name)
            note_version(self._partial / REGISTRY, (manifest.leader.epoch, manifest.registry_version))
            note_place(self._partial, manifest.stream_seq, manifest.leader)
            _sync(self._partial)
            aside = None if has_all else _move_aside(self._config)
            disk.current().rename(self._partial, self._data / WHOLE)
            disk.current().sync_folder(self._data)
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)
        _finish_moves(self._data)
        return Begun(manifest, aside)

    def _goes_past(self) -> bool:
        """Whether the journal that is here has the base's place. DivergenceError when it is another log there."""
        journal, place = self._config.journal, self._manifest.place
        end = host.log_end(journal)
        if (end.segment, end.number) < place:
            return False
        for record in host.raw_records(journal, place.segment):
            if (record.segment, record.number) == place and record.chain == self._manifest.chain:
                return True
            if (record.segment, record.number) >= place:
                break
        raise DivergenceError(
            f"{journal}: its sequence {self._manifest.last_seq} is not the one of the stream: this is another venue's "
            "log, or it was changed; name an empty folder, or the venue of this log with --venue"
        )

    def _say(self, what: str, is_first: bool = False) -> None:
        now_ns = clock.steady_ns()
        if is_first or now_ns - self._said_ns >= PROGRESS_NS:
            self._said_ns = now_ns
            whole_bytes = sum(file.size_bytes for file in self._files)
            _LOG.warning(
                "the base of sequence %d %s: %d of %d bytes", self._manifest.last_seq, what, self._done_bytes,
                whole_bytes, extra=event("base", sequence=self._manifest.last_seq, done_bytes=self._done_bytes,
                                         size_bytes=whole_bytes),
            )  # fmt: skip

    async def _fetch_all(self) -> None:
        needed_bytes = sum(file.size_bytes for file in self._files)
        free_bytes = disk.current().free_bytes(self._data)
        if free_bytes < needed_bytes:
            raise host.JournalError(
                f"{self._data}: {free_bytes} bytes free, the base has {needed_bytes}; make room, then start the "
                "standby again"
            )
        for file in self._files:
            path = self._partial / file.path
            disk.current().make_folder(path.parent)
            sink = _Unpacked(path, file, self._count)
            try:
                await self._store.get(self._name, file.path, sink)
                sink.finish()
            finally:
                sink.close()

    def _count(self, size_bytes: int) -> None:
        self._done_bytes += size_bytes
        self._say("is on its way")

    def _check(self) -> None:
        """Hold the snapshot, the read model and the journal against the manifest, as the mark has it. BaseError."""
        manifest, journal = self._manifest, self._partial / self._config.journal.name
        try:
            (snapshot,) = host.snapshots(journal)
            if (snapshot.seq, snapshot.chain, snapshot.digest.hex()) != (
                manifest.last_seq, manifest.chain, manifest.digest
            ):  # fmt: skip
                raise BaseError("its snapshot is not the state at its mark")
            SavedRows(projection_path(self._partial, manifest.last_seq))
            end = host.log_end(journal)
            if (end.segment, end.number, end.last_seq, end.chain) != (
                *manifest.place, manifest.last_seq, manifest.chain
            ):  # fmt: skip
                raise BaseError("its journal does not end at its mark")
            if not host.JournalReader(journal).seek(manifest.last_seq, manifest.chain):
                raise BaseError("its journal does not lead to its snapshot")
        except (host.JournalError, SavedRowsError, ValueError) as error:
            raise BaseError(str(error)) from None


class _Unpacked:
    """Writes what comes of an object into a file: decompressed, no more than it ought to be, hashed."""

    def __init__(self, path: Path, file: File, count: Callable[[int], None]) -> None:
        self._path, self._file, self._count = path, file, count
        self._hasher, self._unpacker = hashlib.sha256(), zstandard.ZstdDecompressor().decompressobj()
        self._size_bytes = 0
        self._disk = disk.current()
        self._descriptor = self._disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def write(self, data: bytes) -> None:
        """Take the next bytes of the object. BaseError, OSError."""
        try:
            piece = self._unpacker.decompress(data)
        except zstandard.ZstdError as error:
            raise BaseError(f"its {self._file.path} cannot be decompressed ({error})") from None
        if self._size_bytes + len(piece) > self._file.size_bytes:
            raise BaseError(f"its {self._file.path} has more than {self._file.size_bytes} bytes")
        self._hasher.update(piece)
        try:
            self._size_bytes = disk.write_all(self._descriptor, [piece], self._size_bytes)
        except OSError as error:  # an older base would not be written either
            raise host.JournalError(
                f"{self._path}: it cannot be written ({error.strerror}); make room or replace the disk, then start the "
                "standby again"
            ) from error
        self._count(len(piece))

    def finish(self) -> None:
        """Everything came. BaseError when it is not what the manifest says."""
        if (self._size_bytes, self._hasher.hexdigest()) != (self._file.size_bytes, self._file.sha256):
            raise BaseError(f"its {self._file.path} does not match its hash: it was damaged in the store")
        self._disk.sync(self._descriptor)

    def close(self) -> None:
        """Let the file go."""
        self._disk.close(self._descriptor)


# --- moving -----------------------------------------------------------------------------------------------------------


def _sync(folder: Path) -> None:
    for place in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        disk.current().sync_folder(place)


def _of_venue(data: Path) -> list[Path]:
    """What a data folder has of a venue's log and of what was made from it, the journal first; not the vault's key.

    The journal's tip goes with it: it would say that the journal of the base has lost its end.
    """
    config = Config(data=str(data))
    journal = config.journal
    found = [
        journal, host.tip_path(journal), data / led_epochs.FILE, data / "archive", data / "seals", config.gateway_log,
        data / PLACE,
    ]  # fmt: skip
    for pattern in ("projection-*", "registry.copy*"):
        found += sorted(data.glob(pattern))
    for path in (config.registry, config.history, file_of(data), data / SIGNATURES):
        found += sorted(data.glob(f"{path.name}*"))
    return [path for path in found if path.exists()]


def _move_aside(config: Config) -> Path | None:
    """Move what the data folder has into a folder of its own, which is kept; None when there is nothing."""
    data = Path(config.data)
    if not _of_venue(data):
        return None
    seq = host.log_end(config.journal).last_seq if host.holds_journal(config.journal) else 0
    name, number = f"purged-{seq}", 1
    while (data / name).exists():
        name, number = f"purged-{seq}-{number}", number + 1
    if host.holds_journal(config.journal):
        with closing(_Locked(config.journal)):  # no venue runs on it
            pass
    disk.current().make_folder(data / f"{name}.part")
    _finish_aside(data)
    return data / name


class _Locked:
    """The journal's lock."""

    def __init__(self, journal: Path) -> None:
        self._lock = host.Lock(journal)

    def close(self) -> None:
        """Let another process have it."""
        self._lock.release()


def _finish_aside(data: Path) -> None:
    """Move everything of the venue into the folder that was made for it."""
    for moving in data.glob("purged-*.part"):
        for path in _of_venue(data):
            disk.current().rename(path, moving / path.name)
        disk.current().sync_folder(moving)
        disk.current().rename(moving, moving.with_suffix(""))
        disk.current().sync_folder(data)


def _finish_moves(data: Path) -> None:
    """Go on with the moves of a run that ended in the midst: what is moved aside, and a whole base to its place."""
    _finish_aside(data)
    shutil.rmtree(data / PARTIAL, ignore_errors=True)
    whole = data / WHOLE
    if not whole.exists():
        return
    for path in sorted(whole.iterdir(), key=lambda path: path.name == Config().journal.name):
        disk.current().rename(path, data / path.name)
        disk.current().sync_folder(data)
    whole.rmdir()
