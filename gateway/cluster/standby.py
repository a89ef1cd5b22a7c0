"""A standby's life: follow the stream, notice that the leader is silent, and lead if the stream says so.

The stream alone decides who leads: a standby writes an epoch message behind the last message that it has applied, and
leads if the stream takes it. Whoever led before finds its next record refused, so it acknowledges nothing any more.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from engine import disk, host
from gateway import clock
from gateway.cluster.follower import DivergenceError, Follower
from gateway.cluster.log_stream import Bounds, LogStream, NotLastError, PurgedError, Stored, StreamError
from gateway.cluster.messages import EpochMessage, MessageError, Reason, beat_subject, stream_name, unpack_beat
from gateway.wire.log_lines import event

LOOK_SECONDS = 0.025
"""How often the leader's silence is measured."""
LATE_NS = 150_000_000
SYNC_SECONDS = 0.05
"""How often what was taken is synced; the stream has it until then."""
NOTE_NS = 1_000_000_000
"""How often the place in the stream is noted, for the next start."""
AHEAD_NS = 30_000_000_000
"""A journal that has more than the stream for so long is another one. A server that was cut off may show an older end
of the stream until it notices, which takes about 10 s."""
WAIT_SECONDS = 0.2
_LOG = logging.getLogger("lionrock.cluster")


class Node(NamedTuple):
    """This node: its name, where clients find it, and how long a leader may be silent before this node wants it."""

    name: str
    addresses: list[str]
    silence_ms: int = 300


class Led(NamedTuple):
    """What this node leads from: its epoch message, and that message's sequence in the stream."""

    message: EpochMessage
    stream_seq: int


class _Noted(msgspec.Struct):
    """How far the stream was taken, as the last run has noted it."""

    stream_seq: int
    leader: EpochMessage | None


class Standby:
    """Follows one stream. `catch_up`, then `run`, which returns when this node leads."""

    def __init__(self, stream: LogStream, follower: Follower, node: Node, notes: Path) -> None:
        """`notes` is the file that keeps the place in the stream over a restart."""
        self._stream, self._follower, self._node, self._notes = stream, follower, node, notes
        self._heard_ns = self._taken_ns = 0
        self._wanted: EpochMessage | None = None
        self._led: Led | None = None
        self._said = ""
        self.on_taken: Callable[[], None] = _nothing
        """Called after each message that was taken: a server tells whoever listens."""
        self.can_lead: Callable[[], str] = lambda: ""
        """Why this node must not lead now; empty when it may."""

    @property
    def follower(self) -> Follower:
        """What was made of the stream so far."""
        return self._follower

    @property
    def silent_ms(self) -> int:
        """For how long nothing of the leader was heard."""
        return (clock.steady_ns() - self._heard_ns) // 1_000_000

    def set_addresses(self, addresses: list[str]) -> None:
        """Where clients find this node, once it listens."""
        self._node = self._node._replace(addresses=addresses)

    def wait_for_silence(self, silence_ms: int) -> None:
        """From now on a leader that is silent for so long is followed no longer."""
        self._node = self._node._replace(silence_ms=silence_ms)

    def status(self) -> dict[str, object]:
        """What clients are told of the cluster."""
        follower = self._follower
        return {
            "role": "standby", "node": self._node.name, "epoch": follower.epoch,
            "leader": "" if follower.leader is None else follower.leader.node,
            "leader_addresses": [] if follower.leader is None else follower.leader.addresses,
            "applied_sequence": follower.last_seq, "silent_ms": self.silent_ms,
            "why_not_to_lead": self.can_lead() or follower.why_not_to_lead,
        }  # fmt: skip

    async def catch_up(self, is_enough: Callable[[], bool]) -> None:
        """Take what the stream has, until there is enough and no more of it: on return the stream's end was reached.

        DivergenceError when the stream is not the one that was followed before, PurgedError when it does not begin
        early enough.
        """
        while True:
            bounds = await self._bounds()
            taken = self._follower.stream_seq
            if bounds is None or bounds.last_seq < taken:
                if taken:
                    raise DivergenceError(
                        f"stream of venue {self._stream.venue}: it ends with {bounds and bounds.last_seq}, and this "
                        f"node had {taken} of it: it is another stream; see RUNBOOK, divergence"
                    )
                name = stream_name(self._stream.venue)
                self._say_once(
                    f"there is nothing in stream {name} yet: it waits for a leader of a venue of this name",
                    logging.WARNING,
                )
            elif self._follower.copy is None and bounds.first_seq > taken + 1:
                raise PurgedError(stream_name(self._stream.venue), bounds.first_seq, taken + 1)
            elif taken == bounds.last_seq and is_enough():
                return
            elif taken < bounds.last_seq:
                await self._follow_to(max(taken + 1, bounds.first_seq), bounds.last_seq)
                continue
            await asyncio.sleep(WAIT_SECONDS)

    def begin(self) -> None:
        """Go on where the last run has noted that it was."""
        if disk.current().is_there(self._notes):
            noted = msgspec.msgpack.decode(disk.read(self._notes), type=_Noted)
            self._follower.stream_seq, self._follower.leader = noted.stream_seq, noted.leader

    async def _bounds(self) -> Bounds | None:
        """What the stream has, however long it takes to find out."""
        while True:
            try:
                return await self._stream.bounds()
            except StreamError as error:
                self._say_once(str(error), logging.WARNING)
                await asyncio.sleep(WAIT_SECONDS)

    async def _follow_to(self, first_seq: int, last_seq: int) -> None:
        await self._stream.follow(first_seq, self._take, lambda: self._follower.stream_seq >= last_seq)

    # --- following ------------------------------------------------------------------------------------------------

    async def run(self) -> Led:
        """Follow, and lead when the leader is silent or hands over. DivergenceError as from `Follower.take`.

        A backup that nobody has followed from yet begins with what the stream still has.
        """
        first_seq = self._follower.stream_seq + 1
        if first_seq == 1 and (bounds := await self._bounds()) is not None:
            first_seq = max(first_seq, bounds.first_seq)
        beats = await self._stream.connection.subscribe(beat_subject(self._stream.venue), cb=self._beaten)
        self._heard_ns = self._taken_ns = clock.steady_ns()
        follow = self._stream.follow(first_seq, self._take, lambda: self._led is not None)
        tasks = [asyncio.create_task(work) for work in (follow, self._watch(), self._keep())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(NatsError, OSError):
                await beats.unsubscribe()
        assert self._led is not None
        return self._led

    def _take(self, stored: Stored) -> None:
        """Take the next message; one that came another way already is passed over."""
        if stored.seq <= self._follower.stream_seq:
            return
        try:
            self._follower.take(stored)
        except OSError as error:  # the stream would be asked again for ever
            raise host.JournalError(
                f"{self._follower.directory}: it cannot be written ({error}); make room or replace the disk, then "
                "start the standby again"
            ) from error
        self._heard_ns = self._taken_ns = clock.steady_ns()
        if self._wanted is not None and stored.message == self._wanted:
            self._led = Led(self._wanted, stored.seq)
        self.on_taken()

    async def _beaten(self, found: Msg) -> None:
        with suppress(MessageError):
            if unpack_beat(found.data).epoch >= self._follower.epoch:
                self._heard_ns = clock.steady_ns()

    async def _watch(self) -> None:
        """Look at the leader's silence. A look that comes late says that this node stood still, not the leader."""
        looked_ns = clock.steady_ns()
        while self._led is None:
            await asyncio.sleep(LOOK_SECONDS)
            now_ns = clock.steady_ns()
            if now_ns - looked_ns > LATE_NS:
                self._heard_ns = now_ns
            looked_ns = now_ns
            if self._follower.is_ahead and now_ns - self._taken_ns > AHEAD_NS:
                await self._end_ahead()
            has_led = self._follower.leader is not None and self._follower.copy is not None
            if has_led and self.silent_ms >= self._node.silence_ms:
                await self._take_over("takeover")
                looked_ns = clock.steady_ns()

    async def _end_ahead(self) -> None:
        """DivergenceError when the journal has more than the whole stream."""
        with suppress(StreamError):
            bounds = await self._stream.bounds()
            if bounds is not None and bounds.last_seq <= self._follower.stream_seq and self._follower.is_ahead:
                raise self._follower.ahead()
        self._taken_ns = clock.steady_ns()

    async def _keep(self) -> None:
        """Have what was taken on the disk, and note the place in the stream."""
        loop, noted_ns = asyncio.get_running_loop(), 0
        while self._led is None:
            await asyncio.sleep(SYNC_SECONDS)
            follower, copy = self._follower, self._follower.copy
            if copy is None:
                continue
            noted = _Noted(follower.restart_seq, follower.leader)
            if copy.last_seq > copy.synced_seq:
                await loop.run_in_executor(None, copy.sync)
            if clock.steady_ns() - noted_ns >= NOTE_NS:
                noted_ns = clock.steady_ns()
                data = msgspec.msgpack.encode(noted)
                await loop.run_in_executor(None, disk.write_atomically, self._notes, [data])

    # --- leading --------------------------------------------------------------------------------------------------

    async def _take_over(self, reason: Reason) -> None:
        """Take all that the stream has, and ask it to let this node lead from there. It may say no: then go on."""
        follower = self._follower
        try:
            why = self.can_lead() or await self._take_rest()
            if why:
                self._say_once(f"the leader is silent, and this node does not lead: {why}")
            if why or self._led is not None:
                return
            begun_ns, self._wanted = clock.steady_ns(), self._epoch(reason)
            seq = await self._stream.publish(self._wanted, follower.stream_seq)
        except NotLastError as error:
            _LOG.info("%s: the leader writes, or another standby leads", error)
            return
        except (StreamError, MessageError) as error:
            self._say_once(f"the leader is silent, and this node does not lead: {error}")
            self._heard_ns = clock.steady_ns()  # the stream's silence made it silent: once it answers, it has its time
            return
        self._take(Stored(seq, self._wanted))
        self._led = Led(self._wanted, seq)
        _LOG.warning(
            "this node leads in epoch %d from sequence %d on", self._wanted.epoch, follower.last_seq,
            extra=event("takeover", epoch=self._wanted.epoch, sequence=follower.last_seq, stream_sequence=seq,
                        silent_ms=self.silent_ms, publish_us=(clock.steady_ns() - begun_ns) // 1000),
        )  # fmt: skip

    async def _take_rest(self) -> str:
        """Take all that the stream has: why this node must not lead from there, empty when it may. StreamError."""
        follower, name = self._follower, stream_name(self._stream.venue)
        taken, bounds = follower.stream_seq, await self._stream.bounds()
        if bounds is None or bounds.last_seq < taken:
            last_seq = 0 if bounds is None else bounds.last_seq
            return f"stream {name} ends with {last_seq}, and this node had {taken} of it"
        while follower.stream_seq < bounds.last_seq:
            stored = await self._stream.get(follower.stream_seq + 1)
            if stored is None:
                return f"stream {name} does not have its message {follower.stream_seq + 1}"
            self._take(stored)
        if not follower.knows_end and (stored := await self._stream.get(follower.stream_seq)) is not None:
            follower.note_end(stored.message)
        return follower.why_not_to_lead

    def _epoch(self, reason: Reason) -> EpochMessage:
        follower, node = self._follower, self._node
        assert follower.copy is not None
        return EpochMessage(
            epoch=follower.epoch + 1, node=node.name, reason=reason, addresses=node.addresses,
            segment=follower.place.segment, number=follower.place.number, last_seq=follower.last_seq,
            chain=follower.copy.position.chain, time_ns=clock.wall_ns(),
        )  # fmt: skip

    def _say_once(self, line: str, level: int = logging.ERROR) -> None:
        if line != self._said:
            self._said = line
            _LOG.log(level, "%s", line)


def _nothing() -> None:
    """Nobody listens yet."""
