"""Which messages of a venue's stream may go: those that neither a kept base nor a standby nor the settings want.

The leader purges the stream by this after each base that it has put into the store.
"""

import asyncio
from collections.abc import Iterable

from gateway.cluster.base import BaseError, Name
from gateway.cluster.base_store import ASK_SECONDS, FAULTS
from gateway.cluster.log_stream import LogStream
from gateway.cluster.messages import Present, stream_name
from gateway.cluster.nodes import present_nodes

ASKED_TIMES = 5
"""A standby that is busy for a moment does not answer: so often all of them are asked."""
PAUSE_SECONDS = 1.0


def first_kept(bases: Iterable[Name], retained_seq: int, standbys: Iterable[Present]) -> int:
    """The first message that stays: of the oldest base, of what the settings retain, of the slowest standby.

    A base keeps the mark that it begins behind, and a standby the last message that it would not read again: both are
    compared with what the stream says there.
    """
    wanted = [retained_seq, *(name.stream_seq for name in bases), *(standby.noted_seq for standby in standbys)]
    return max(0, min(wanted))


async def purge(stream: LogStream, bases: list[Name], kept: int, retain_commands: int) -> int:
    """Purge what may go; the first message that the stream has then. StreamError, BaseError.

    Nothing is purged while fewer bases than are to be kept are complete: the older one is there for the day on which
    the newest turns out to be damaged.
    """
    bounds = await stream.bounds()
    if bounds is None:
        return 0
    if not retain_commands or len(bases) < kept:
        return bounds.first_seq
    retained_seq = await _retained_from(stream, (bounds.first_seq, bounds.last_seq), retain_commands)
    first_seq = first_kept(bases[:kept], retained_seq, await _standbys(stream))
    if first_seq <= bounds.first_seq:
        return bounds.first_seq
    name = stream_name(stream.venue)
    try:
        await stream.connection.jetstream(timeout=ASK_SECONDS).purge_stream(name, seq=first_seq)
    except FAULTS as error:
        raise BaseError(f"stream {name}: it is not purged ({str(error) or type(error).__name__})") from None
    return first_seq


async def _standbys(stream: LogStream) -> list[Present]:
    """All standbys that answer at least once, each as it was at its first answer."""
    found: dict[str, Present] = {}
    for _ in range(ASKED_TIMES):
        try:
            for standby in await present_nodes(stream.connection, stream.venue):
                found.setdefault(standby.process, standby)
        except FAULTS as error:
            raise BaseError(f"the standbys cannot be asked ({str(error) or type(error).__name__})") from None
        await asyncio.sleep(PAUSE_SECONDS)
    return list(found.values())


async def _retained_from(stream: LogStream, between: tuple[int, int], retain_commands: int) -> int:
    """The first message behind which the log has at most so many commands; the last one when it has none."""
    low, high = between
    last = await stream.get(high)
    if last is None:
        return low
    limit = last.message.last_seq - retain_commands
    while low < high:
        middle = (low + high) // 2
        found = await stream.get(middle)
        if found is None:
            raise BaseError(f"stream {stream_name(stream.venue)}: it does not have its message {middle}")
        if found.message.last_seq <= limit:
            low = middle + 1
        else:
            high = middle
    return low
