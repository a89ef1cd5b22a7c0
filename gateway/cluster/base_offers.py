"""What the process that publishes the log knows of a base, once its snapshot is written: told to the venue.

It has the registry as the stream has it, and knows where in the stream the mark stands at which the snapshot ends.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from engine import disk, host
from gateway.cluster.answers import StreamError
from gateway.cluster.base import BaseAt, BaseError
from gateway.cluster.bases import image_path
from gateway.cluster.messages import EpochMessage, MessageError
from gateway.cluster.pipe import Digested
from gateway.cluster.side_pages import SideFile
from gateway.cluster.stream import Stream
from gateway.venue.beside_venue import pause
from gateway.venue.disk_space import sparing


class BaseOffers:
    """`marked`, then `digested`, tell what a base can be made of, or in one line why there is nothing of the kind.

    Without a data folder nothing is told.
    """

    def __init__(
        self,
        stream: Stream,
        data: str,
        tell: Callable[[BaseAt], None],
        tell_failure: Callable[[str], None],
        reserve_bytes: int,
    ) -> None:
        self._stream, self._data = stream, Path(data) if data else None
        self._tell, self._tell_failure, self._reserve_bytes = tell, tell_failure, reserve_bytes
        self._mark = (0, host.LogEnd(0, 0, 0, b""))
        self._leader: EpochMessage | None = None
        self.epoch_seq = 0
        """The sequence of the message with which this node leads."""
        self._task: asyncio.Task[None] | None = None

    def marked(self, stream_seq: int, end: host.LogEnd) -> None:
        """A mark was sent, behind this end of the log."""
        self._mark = stream_seq, end

    def digested(self, digested: Digested, digest_seq: int, files: Iterable[SideFile]) -> None:
        """The snapshot of a mark is written, and its digest was sent. The registry is as it is now in the stream."""
        end = self._mark[1]
        sent = next((file.sent for file in files), (0, b""))
        if self._data is None or end.last_seq != digested.at_seq or not end.segment or not sent[0]:
            return
        self._task = asyncio.create_task(self._tell_offer(self._mark, digested.digest, digest_seq, sent))

    async def _tell_offer(
        self, mark: tuple[int, host.LogEnd], digest: str, digest_seq: int, sent: tuple[int, bytes]
    ) -> None:
        try:
            self._tell(await self._offer(mark, digest, digest_seq, sent))
        except BaseError as error:
            self._tell_failure(str(error))
        except Exception as error:  # a fault of the program ends this task alone: without a word nobody would know
            self._tell_failure(f"its offer ended with {type(error).__name__}: {' '.join(str(error).split())}")

    def _write(self, path: Path, image: bytes) -> None:
        """Write the image, and leave half of the disk's reserve to the journal. OSError."""
        with sparing(path.parent, self._reserve_bytes):
            disk.write_atomically(path, [image], pause)

    async def _offer(
        self, mark: tuple[int, host.LogEnd], digest: str, digest_seq: int, sent: tuple[int, bytes]
    ) -> BaseAt:
        """Write the registry's image, in a thread and a piece at a time: what there is. BaseError."""
        (stream_seq, end), data, (version, image) = mark, self._data, sent
        assert data is not None
        if self._leader is None:
            try:
                found = await self._stream.get(self.epoch_seq)
            except (StreamError, MessageError) as error:
                raise BaseError(f"the stream does not say who leads, message {self.epoch_seq} ({error})") from None
            if not isinstance(found, EpochMessage):
                raise BaseError(f"message {self.epoch_seq} of the stream does not say who leads")
            self._leader = found
        path = image_path(data, stream_seq)
        try:
            disk.current().make_folder(path.parent)
            await asyncio.to_thread(self._write, path, image)
        except OSError as error:
            raise BaseError(f"{path}: the registry's image is not written ({error.strerror or error})") from None
        return BaseAt(
            stream_seq=stream_seq, segment=end.segment, number=end.number, last_seq=end.last_seq, chain=end.chain,
            digest=digest, digest_seq=digest_seq, leader=self._leader, registry=str(path), registry_version=version,
        )  # fmt: skip
