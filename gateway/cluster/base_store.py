"""The object store that keeps a venue's bases: a bucket of JetStream, as nats-py makes and reads it.

Of an object that is put together only some chunks may be there, when whoever put it has ended; of one that is read
some may be missing, and then the client waits for ever. So what has no name is taken away, and reading has an end.
Chunks are not deleted by the client together with what names them: both are purged here, and nothing of them stays.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import ObjectMeta, ObjectMetaOptions, StorageType
from nats.js.errors import APIError, BucketNotFoundError, NotFoundError
from nats.js.errors import Error as JetStreamError
from nats.js.object_store import ObjectStore

from gateway.cluster.base import MANIFEST, BaseError, Manifest, Name, split, unpack_manifest
from gateway.cluster.messages import base_bucket

CHUNK_BYTES = 1 << 18
"""An object is stored in chunks of so many bytes. The servers sync each of them."""
ASK_SECONDS = 10.0
"""How long the servers may take for an answer. They need 5 to 12 s when the bucket's leader is gone."""
STALL_SECONDS = 30.0
"""An object of which nothing more comes for so long is not whole."""
MANIFEST_BYTES = 1 << 20
FAULTS = (NatsError, JetStreamError, APIError, OSError, asyncio.TimeoutError)
Answer = TypeVar("Answer")


class Source(Protocol):
    """What is put: fills room with the next bytes, 0 at the end. Called in a thread."""

    def readinto(self, room: bytearray) -> int: ...


class Sink(Protocol):
    """What takes the bytes of an object that is read. Called in a thread; BaseError ends the reading."""

    def write(self, data: bytes) -> object: ...


class BaseStore:
    """The bases of one venue. BaseError for whatever the servers refuse, or do not answer."""

    def __init__(self, client: Client, venue: str) -> None:
        self._context = client.jetstream(timeout=ASK_SECONDS)
        self._bucket = base_bucket(venue)
        self._stream = f"OBJ_{self._bucket}"
        self._store: ObjectStore

    async def open(self) -> bool:
        """Whether there is such a bucket."""
        try:
            self._store = await self._asked(self._context.object_store(self._bucket))
        except _MissingError:
            return False
        return True

    async def make(self, replicas: int) -> None:
        """Make the bucket if it is not there, on so many servers."""
        if not await self.open():
            self._store = await self._asked(
                self._context.create_object_store(self._bucket, storage=StorageType.FILE, replicas=replicas)
            )

    async def _asked(self, question: Awaitable[Answer]) -> Answer:
        try:
            return await question
        except (BucketNotFoundError, NotFoundError):
            raise _MissingError("the object store does not have it") from None
        except FAULTS as error:
            raise BaseError(f"object store {self._bucket}: {str(error) or type(error).__name__}") from None

    async def _counted(self, kind: str) -> dict[str, int]:
        """How many messages each subject of one kind has, by its last word: C, chunks; M, what names them."""
        found = await self._asked(self._context.stream_info(self._stream, f"$O.{self._bucket}.{kind}.>"))
        return {subject.rpartition(".")[2]: count for subject, count in (found.state.subjects or {}).items()}

    async def _subjects(self, kind: str) -> list[str]:
        return list(await self._counted(kind))

    async def _purge(self, kind: str, word: str) -> None:
        await self._asked(self._context.purge_stream(self._stream, subject=f"$O.{self._bucket}.{kind}.{word}"))

    # --- what there is --------------------------------------------------------------------------------------------

    async def objects(self) -> dict[Name, set[str]]:
        """The paths of the objects of each base, whole or not."""
        found: dict[Name, set[str]] = {}
        for word in await self._subjects("M"):
            try:
                parts = split(base64.urlsafe_b64decode(word).decode())
            except (binascii.Error, UnicodeDecodeError):
                continue
            if parts is not None:
                found.setdefault(parts[0], set()).add(parts[1])
        return found

    async def complete(self) -> list[Name]:
        """The bases that have a manifest, the newest first."""
        found = await self.objects()
        return sorted((name for name, paths in found.items() if MANIFEST in paths), reverse=True)

    async def is_whole(self, name: Name) -> bool:
        """Whether each file that a base's manifest names is there, with all of its chunks."""
        try:
            files = [file.path for file in (await self.manifest(name)).files]
            found = [await self._asked(self._store.get_info(name.object(path))) for path in files]
        except BaseError:
            return False
        chunks = await self._counted("C")
        return all(chunks.get(str(info.nuid), 0) == info.chunks for info in found)

    async def manifest(self, name: Name) -> Manifest:
        """What a base is made of. BaseError when that cannot be read, or is another one's."""
        taken = _Taken()
        await self.get(name, MANIFEST, taken)
        manifest = unpack_manifest(bytes(taken.data))
        if (manifest.stream_seq, manifest.last_seq) != name:
            raise BaseError("its manifest is of another base")
        return manifest

    # --- reading and writing --------------------------------------------------------------------------------------

    async def put(self, name: Name, path: str, source: Source | bytes) -> None:
        """Store an object. BaseError, and nothing of it is there, but for what a server did not answer."""
        meta = ObjectMeta(name=name.object(path), options=ObjectMetaOptions(max_chunk_size=CHUNK_BYTES))
        await self._asked(self._store.put(name.object(path), source, meta))  # type: ignore[arg-type]

    async def get(self, name: Name, path: str, sink: Sink) -> None:
        """Read an object whole; the store's own hash of it is compared. BaseError when it is not there or not whole."""
        counted = _Counted(sink)
        reading = asyncio.ensure_future(self._store.get(name.object(path), counted))  # type: ignore[arg-type]
        try:
            while not reading.done():
                before = counted.calls
                await asyncio.wait({reading}, timeout=STALL_SECONDS)
                if not reading.done() and counted.calls == before:
                    raise BaseError(f"its {path}: nothing more of it comes for {STALL_SECONDS:g} s; chunks are missing")
            reading.result()
        except NotFoundError:
            raise BaseError(f"its {path} is missing") from None
        except FAULTS as error:
            raise BaseError(f"its {path}: {str(error) or type(error).__name__}") from None
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    # --- taking away ----------------------------------------------------------------------------------------------

    async def remove(self, name: Name) -> None:
        """Take a base away, its manifest first: what is left of it is never used."""
        paths = (await self.objects()).get(name, set())
        for path in sorted(paths, key=lambda path: path != MANIFEST):
            word = base64.urlsafe_b64encode(name.object(path).encode()).decode()
            await self._purge("M", word)
        await self.remove_nameless()

    async def remove_nameless(self) -> None:
        """Take away the chunks that no object has: whoever put them has ended, or they were taken away."""
        named = {await self._nuid(word) for word in await self._subjects("M")}
        for nuid in await self._subjects("C"):
            if nuid not in named:
                await self._purge("C", nuid)

    async def _nuid(self, word: str) -> str:
        try:
            found = await self._asked(self._store.get_info(base64.urlsafe_b64decode(word).decode()))
        except (_MissingError, binascii.Error, UnicodeDecodeError):
            return ""
        return str(found.nuid)


class _MissingError(BaseError):
    """The bucket or the object is not there."""


class _Counted:
    """A sink that counts what comes."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self.calls = sink, 0

    def write(self, data: Any) -> None:
        self.calls += 1
        self._sink.write(bytes(data))


class _Taken:
    """The bytes of a small object."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > MANIFEST_BYTES:
            raise BaseError(f"its manifest has more than {MANIFEST_BYTES} bytes")
