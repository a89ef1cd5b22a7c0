"""Which messages of a venue's stream may go: those that neither a kept base nor a standby nor the settings want.

The leader purges the stream by this after each base that it has put into the store.
"""

import asyncio
from collections.abc import Iterable

from gateway import clock
from gateway.cluster.base import BaseError, Name
from gateway.cluster.base_store import ASK_SECONDS, FAULTS
from gateway.cluster.leases import Heard, Leases
from gateway.cluster.log_stream import LogStream
from gateway.cluster.messages import Present, stream_name
from gateway.cluster.nodes import present_nodes

ASKED_TIMES = 5
"""A standby that is busy for a moment does not answer: so often all of them are asked."""
PAUSE_SECONDS = 1.0
LATE_NS = 1_000_000_000
"""A try that took longer misses nobody."""


def first_kept(bases: Iterable[Name], retained_seq: int, standbys: Iterable[Present | Heard]) -> int:
    """The first message that stays: of the oldest base, of what the settings retain, of the slowest standby.

    A base keeps the mark that it begins behind, and a standby the last message that it would not read again: both are
    compared with what the stream says there.
    """
    wanted = [retained_seq, *(name.stream_seq for name in bases), *(standby.noted_seq for standby in standbys)]
    return max(0, min(wanted))


async def purge(
    stream: LogStream, bases: list[Name], kept: int, retain_commands: int, leases: Leases, lease_ns: int
) -> int:
    """Purge what may go; the first message that the stream has then. StreamError, BaseError.

    `leases` takes whom this asks. While it is too new to know of all standbys nothing is purged.

    Nothing is purged while fewer bases than are to be kept are complete: the older one is there for the day on which
    the newest turns out to be damaged.
    """
    bounds = await stream.bounds()
    if bounds is None:
        return 0
    if not retain_commands:
        return bounds.first_seq
    found, is_sure = await _standbys(stream)
    now_ns = clock.wall_ns()
    leases.listen(found, is_sure, now_ns, lease_ns)
    if len(bases) < kept or not leases.are_known(now_ns, lease_ns):
        return bounds.first_seq
    retained_seq = await _retained_from(stream, (bounds.first_seq, bounds.last_seq), retain_commands)
    first_seq = first_kept(bases[:kept], retained_seq, leases.heard.values())
    if first_seq <= bounds.first_seq:
        return bounds.first_seq
    name = stream_name(stream.venue)
    try:
        await stream.connection.jetstream(timeout=ASK_SECONDS).purge_stream(name, seq=first_seq)
    except FAULTS as error:
        raise BaseError(f"stream {name}: it is not purged ({str(error) or type(error).__name__})") from None
    return first_seq


async def _standbys(stream: LogStream) -> tuple[list[Present], bool]:
    """All standbys that answer at least once, each as it was at its first answer; whether one try went in time.

    This process runs behind all others: where it was late an answer may have come and gone.
    """
    found: dict[str, Present] = {}
    is_sure = False
    for _ in range(ASKED_TIMES):
        begun_ns = clock.steady_ns()
        try:
            for standby in await present_nodes(stream.connection, stream.venue):
                found.setdefault(standby.process, standby)
        except FAULTS as error:
            raise BaseError(f"the standbys cannot be asked ({str(error) or type(error).__name__})") from None
        is_sure |= clock.steady_ns() - begun_ns < LATE_NS and stream.connection.is_connected
        await asyncio.sleep(PAUSE_SECONDS)
    return list(found.values()), is_sure


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
