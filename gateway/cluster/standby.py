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
from gateway.cluster import led_epochs
from gateway.cluster.follower import DivergenceError, Follower
from gateway.cluster.log_stream import Bounds, LogStream, NotLastError, PurgedError, Stored, StreamError
from gateway.cluster.messages import (
    PROCESS,
    EpochMessage,
    MessageError,
    Present,
    Reason,
    beat_subject,
    nodes_subject,
    pack_present,
    stream_name,
    twin_seconds,
    unpack_beat,
)
from gateway.cluster.nodes import present_nodes
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
PLACE = "standby.place"
"""The file of a data folder that keeps the place in the stream."""
_LOG = logging.getLogger("lionrock.cluster")


class Node(NamedTuple):
    """This node: its name, where clients find it, how long a leader may be silent before this node wants it.

    `heartbeat_ms`: how often a leader says that it is there.
    """

    name: str
    addresses: list[str]
    silence_ms: int = 300
    heartbeat_ms: int = 50


class TwinError(host.JournalError):
    """Another live node has this node's name: one line with the remedy."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"cluster.node {name}: another process of this name is up; two nodes must not have one name: stop the "
            "other one, or choose another name with --node"
        )


class Led(NamedTuple):
    """What this node leads from: its epoch message, and that message's sequence in the stream."""

    message: EpochMessage
    stream_seq: int


class _Noted(msgspec.Struct):
    """How far the stream was taken, as the last run has noted it."""

    stream_seq: int
    leader: EpochMessage | None


def note_place(data: Path, stream_seq: int, leader: EpochMessage | None = None) -> None:
    """Note in a data folder that it has everything up to this message of the stream, for the next start. OSError.

    `leader`: who leads there, if it is known.
    """
    disk.write_atomically(data / PLACE, [msgspec.msgpack.encode(_Noted(stream_seq, leader))])


def noted_seq(data: Path) -> int:
    """The message of the stream up to which a data folder has everything; 0 when nothing says so. OSError."""
    notes = data / PLACE
    return msgspec.msgpack.decode(disk.read(notes), type=_Noted).stream_seq if disk.current().is_there(notes) else 0


class Standby:
    """Follows one stream. `catch_up`, then `run`, which returns when this node leads."""

    def __init__(self, stream: LogStream, follower: Follower, node: Node, notes: Path) -> None:
        """`notes` is the file that keeps the place in the stream over a restart."""
        self._stream, self._follower, self._node, self._notes = stream, follower, node, notes
        self._heard_ns = self._taken_ns = 0
        self._wanted: EpochMessage | None = None
        self._led: Led | None = None
        self._said = ""
        self._wake = asyncio.Event()
        """Set when the leader hands over to this node."""
        self._has_twin = False
        self._noted_seq = 0
        """The message behind which another start would go on."""
        self._leader_seq = 0
        """The last sequence that the leader has said it has."""
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
            "behind_commands": max(0, self._leader_seq - follower.last_seq),
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
        self._noted_seq = self._follower.stream_seq

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
        connection, venue = self._stream.connection, self._stream.venue
        beats = await connection.subscribe(beat_subject(venue), cb=self._beaten)
        await self._refuse_twin()
        asked = await connection.subscribe(nodes_subject(venue), cb=self._tell_present)
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
            for subscription in (beats, asked):
                with suppress(NatsError, OSError):
                    await subscription.unsubscribe()
        assert self._led is not None
        return self._led

    def _take(self, stored: Stored) -> None:
        """Take the next message; one that came another way already is passed over."""
        if stored.seq <= self._follower.stream_seq:
            return
        try:
            self._follower.take(stored)
            if isinstance(stored.message, EpochMessage):
                self._forget_led(stored.message)
        except OSError as error:  # the stream would be asked again for ever
            raise host.JournalError(
                f"{self._follower.directory}: it cannot be written ({error}); make room or replace the disk, then "
                "start the standby again"
            ) from error
        self._heard_ns = self._taken_ns = clock.steady_ns()
        if self._follower.handed_to == self._node.name:
            self._wake.set()
        if self._wanted is not None and stored.message == self._wanted:
            self._led = Led(self._wanted, stored.seq)
        self.on_taken()

    def _forget_led(self, message: EpochMessage) -> None:
        """Another node leads from where this node's journal ends: all that comes into it now comes from the stream."""
        data = self._notes.parent
        led = led_epochs.read(data)
        if led and not self._follower.is_ahead and all(message.epoch > each.epoch for each in led):
            led_epochs.clear(data)

    async def _beaten(self, found: Msg) -> None:
        with suppress(MessageError):
            beat = unpack_beat(found.data)
            if beat.epoch >= self._follower.epoch:
                self._heard_ns, self._leader_seq = clock.steady_ns(), beat.last_seq
            self._has_twin |= beat.node == self._node.name and beat.process != PROCESS

    async def _refuse_twin(self) -> None:
        """TwinError when another live node of this name leads, or follows too. A stream that is away says nothing."""
        heard_by = clock.steady_ns() + twin_seconds(self._node.heartbeat_ms) * 1e9
        with suppress(NatsError, OSError):
            present = await present_nodes(self._stream.connection, self._stream.venue)
            self._has_twin |= any(node.node == self._node.name and node.process != PROCESS for node in present)
        while not self._has_twin and clock.steady_ns() < heard_by:
            await asyncio.sleep(LOOK_SECONDS)
        if self._has_twin:
            raise TwinError(self._node.name)

    async def _tell_present(self, found: Msg) -> None:
        """Somebody asks which standbys there are."""
        follower = self._follower
        why_not = self.can_lead() or follower.why_not_to_lead
        if follower.leader is None or follower.copy is None:
            why_not = why_not or "it has not seen who leads yet"
        present = Present(
            node=self._node.name, process=PROCESS, stream_seq=follower.stream_seq, why_not=why_not,
            noted_seq=self._noted_seq,
        )  # fmt: skip
        with suppress(NatsError, OSError):
            await found.respond(pack_present(present))

    async def _watch(self) -> None:
        """Look at the leader's silence. A look that comes late says that this node stood still, not the leader."""
        looked_ns = clock.steady_ns()
        while self._led is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            now_ns = clock.steady_ns()
            if now_ns - looked_ns > LATE_NS:
                self._heard_ns = now_ns
            looked_ns = now_ns
            if self._follower.is_ahead and now_ns - self._taken_ns > AHEAD_NS:
                await self._end_ahead()
            has_led = self._follower.leader is not None and self._follower.copy is not None
            is_asked = self._follower.handed_to == self._node.name
            if has_led and (is_asked or self.silent_ms >= self._node.silence_ms):
                await self._take_over("handover" if is_asked else "takeover")
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
                self._noted_seq = noted.stream_seq

    # --- leading --------------------------------------------------------------------------------------------------

    async def _take_over(self, reason: Reason) -> None:
        """Take all that the stream has, and ask it to let this node lead from there. It may say no: then go on."""
        follower = self._follower
        try:
            why = self.can_lead() or await self._take_rest()
            if why:
                self._say_once(f"the leader is silent or hands over, and this node does not lead: {why}")
            if why or self._led is not None:
                return
            begun_ns, self._wanted = clock.steady_ns(), self._epoch(reason)
            seq = await self._stream.publish(self._wanted, follower.stream_seq)
        except NotLastError as error:
            _LOG.info("%s: the leader writes, or another standby leads", error)
            return
        except (StreamError, MessageError) as error:
            self._say_once(f"the leader is silent or hands over, and this node does not lead: {error}")
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
            chain=follower.copy.position.chain, time_ns=clock.wall_ns(), process=PROCESS,
        )  # fmt: skip

    def _say_once(self, line: str, level: int = logging.ERROR) -> None:
        if line != self._said:
            self._said = line
            _LOG.log(level, "%s", line)


def _nothing() -> None:
    """Nobody listens yet."""
