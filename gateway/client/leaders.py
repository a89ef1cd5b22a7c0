"""Which of some nodes leads a venue: each is asked what it is, and the one with the highest epoch is it.

A node that was cut off may still believe that it leads; it acknowledges nothing, and its epoch is lower.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import picows

ASK_SECONDS = 0.25
"""How long a node may take to say what it is; one that takes longer does not lead for a client."""
_QUESTION = b'{"jsonrpc":"2.0","id":1,"method":"public/status","params":{}}'


class Leader(NamedTuple):
    """A node that leads: its epoch, 0 for a venue on a machine alone, and where it is."""

    epoch: int
    url: str
    began: str = ""
    """How its epoch began: start, takeover, handover."""


class _Cluster(msgspec.Struct):
    role: str = ""
    epoch: int = 0
    began: str = ""


class _Status(msgspec.Struct):
    cluster: _Cluster | None = None


class _Answer(msgspec.Struct):
    result: _Status | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


class _Asker(picows.WSListener):
    """Asks once, and keeps the first answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: Any) -> None:
        transport.send(picows.WSMsgType.TEXT, _QUESTION)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT and not self.answer.done():
            self.answer.set_result(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(b"{}")


async def find_leader(urls: Sequence[str]) -> Leader | None:
    """The node that leads, of those that answer within ASK_SECONDS; None when none of them does."""
    found = await asyncio.gather(*(_ask(url) for url in urls))
    return max((leader for leader in found if leader is not None), default=None)


async def _ask(url: str) -> Leader | None:
    asker, transport = _Asker(), None
    try:
        async with asyncio.timeout(ASK_SECONDS):
            transport, _ = await picows.ws_connect(lambda: asker, url)
            status = _ANSWER.decode(await asker.answer).result
    except (TimeoutError, OSError, picows.WSError, msgspec.DecodeError):
        return None
    finally:
        if transport is not None:
            with suppress(OSError):
                transport.disconnect()
    if status is None or (status.cluster is not None and status.cluster.role != "leader"):
        return None
    cluster = status.cluster or _Cluster()
    return Leader(cluster.epoch, url, cluster.began)
