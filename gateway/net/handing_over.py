"""A planned handover by the node that leads: it holds what comes in, finishes what it has, and has another node lead.

Nothing is refused while it is not certain who leads: requests wait unread. Once the other node leads, each of them is
answered HANDED_OVER, which says for certain that it was not taken: `Client` sends it to the new leader. If the other
node does not lead, they are served here as if nothing had been.

Only the stream can say who leads. When it goes away in the midst, nobody waits for that any longer than OPEN_SECONDS:
questions are answered from the log, which has ended, and whatever would go into it is refused until the stream tells.
"""

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any, Protocol

from engine import host
from gateway import clock
from gateway.cluster import handover
from gateway.cluster.handover import NAME, Answer, Request
from gateway.cluster.replication import NAME as NOT_REPLICATED
from gateway.cluster.replication import Replication
from gateway.cluster.standby import note_place
from gateway.net.connections import Connections
from gateway.net.loop_turns import Turns
from gateway.registry.errors import in_one_line
from gateway.venue.health import Effect
from gateway.venue.released import NotLeadingError
from gateway.venue.venue import Venue
from gateway.wire.log_lines import event

FINISH_SECONDS = 5.0
"""How long what is under way may take to be finished."""
OPEN_SECONDS = 5.0
"""How long requests wait unread after the other node was asked: far longer than a stream that answers needs."""
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.001
GRACE_SECONDS = 0.5
"""How long connections stay once another node leads, so that each request that waited has its answer."""
_LOG = logging.getLogger("lionrock.cluster")


class Leading(Protocol):
    """What hands over: the server of the node that leads."""

    turns: Turns
    venue: Venue
    connections: Connections
    operations_connections: Connections
    handed: asyncio.Future[str]
    """Done, with the name of the node that leads, once this node has handed the venue over."""

    @property
    def failed(self) -> asyncio.Future[None]:
        """Done when the venue cannot go on."""
        ...

    def tick_sessions(self) -> None:
        """About every second: heartbeats of sessions, and the end of those that are idle or do not read."""
        ...

    async def end_connections(self, why: str) -> None:
        """Take no connection any more, and end each one with a word."""
        ...


class HandingOver:
    """Looks for a request, and carries it out. The server's `handed` is done once another node leads."""

    def __init__(self, server: Leading, replication: Replication) -> None:
        self._server, self._replication = server, replication
        self._data = Path(server.venue.config.data)
        self._task: asyncio.Task[None] | None = None
        self._open = ""
        """Why it is not known who leads, while clients are read again."""
        handover.withdraw(self._data)  # of a run before this one: nobody waits for it any more

    def look(self) -> None:
        """Some times a second: has somebody asked?"""
        if self._task is not None and not self._open:
            return
        try:
            request = handover.take(self._data)
        except (OSError, ValueError) as error:
            why = in_one_line(error)
            _LOG.error("a request for a handover cannot be read (%s); ask as the user that the venue runs as", why)
            return
        if request is not None and self._open:
            self._answer(self._refused(request, self._open))
        elif request is not None:
            self._task = self._server.turns.loop.create_task(self._serve(request))

    def close(self) -> None:
        """Carry out nothing any more."""
        if self._task is not None:
            self._task.cancel()

    async def _serve(self, request: Request) -> None:
        try:
            answer = await self.hand_over(request)
        except Exception as error:  # requests are held and would stay so: stop, and a standby takes over
            self._server.turns.fail(error)
            return
        finally:
            self._task = None
        self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        try:
            handover.answer(self._data, answer)
        except OSError as error:
            _LOG.error("the answer to a handover cannot be written: %s", error)

    async def hand_over(self, request: Request) -> Answer:
        """Have another node lead: done, or refused with the reason, and then this node leads on."""
        server, replication = self._server, self._replication
        found = await replication.find_successor(request.to)
        if not found.node:
            return self._refused(request, found.line)
        _LOG.warning("node %s is asked to lead: %s", found.node, request.reason,
                     extra=event("handing_over", to=found.node, by=request.by))  # fmt: skip
        begun_ns = clock.steady_ns()
        server.turns.hold()
        try:
            why = await self._finish_under_way()
        except (sqlite3.Error, host.JournalError) as error:
            why = f"what was under way was not finished ({error}); this node leads on"
        if not why:
            server.venue.sequencer.hold()
            why = await self._ask_to_lead(found.node, request)
        if why:
            self._go_on()
            return self._refused(request, why)
        held_ns = clock.steady_ns() - begun_ns
        self._be_handed(found.node, held_ns)
        return Answer(token=request.token, state="done", node=found.node, held_ms=round(held_ns / 1e6, 1))

    async def _ask_to_lead(self, node: str, request: Request) -> str:
        """Have a node lead, however long it takes until the stream says whether it does: why it does not."""
        asked = self._server.turns.loop.create_task(self._replication.hand_over(node))
        try:
            await asyncio.wait({asked}, timeout=OPEN_SECONDS)
            if not asked.done():
                self._read_on(node, request)
            while not asked.done():
                await asyncio.wait({asked}, timeout=BEAT_SECONDS)
                self._server.venue.context.end_revoked_keys()
                self._server.venue.disk_space.look()
                self._server.tick_sessions()
            return asked.result()
        finally:
            self._open = ""
            asked.cancel()

    def _read_on(self, node: str, request: Request) -> None:
        """The stream does not say who leads: read clients, and take nothing until it does."""
        server = self._server
        self._open = (
            f"node {node} was asked to lead, and the stream has not answered for {OPEN_SECONDS:g} s: it is not known "
            "who leads"
        )
        remedy = "nothing is lost, and orders are taken where the stream says, by themselves: see the servers' logs"
        server.venue.health.report(NOT_REPLICATED, Effect.READ_ONLY, self._open, remedy)
        server.turns.read_on(self._connections)
        self._answer(Answer(token=request.token, state="open", node=node, line=f"{self._open}; {remedy}"))

    async def _finish_under_way(self) -> str:
        """Have everything that was read done, answered, in the stream, and known to the registry; else why not."""
        server, venue = self._server, self._server.venue
        deadline, sequencer = server.turns.loop.time() + FINISH_SECONDS, venue.sequencer
        has_noted = False
        while not (has_noted and sequencer.is_done and self._replication.replicated_seq >= venue.engine.last_seq):
            if server.failed.done() or server.turns.loop.time() > deadline:
                return f"what was under way was not finished within {FINISH_SECONDS:g} s; this node leads on"
            if sequencer.has_work or not has_noted:
                server.turns.do(sequencer.keep_time)
            server.turns.end()
            if sequencer.is_done and not has_noted:
                venue.settle_registry()
                has_noted = True
            await asyncio.sleep(LOOK_SECONDS)
        return ""

    def _go_on(self) -> None:
        """Nobody else leads: serve what has waited."""
        self._replication.look(self._server.venue.health)
        if self._server.venue.sequencer.is_held:
            self._server.venue.sequencer.go_on()
        self._server.turns.go_on(self._connections)

    def _be_handed(self, node: str, held_ns: int) -> None:
        """Another node leads: tell each client whose request waits, and have this node leave."""
        server = self._server
        cause = f"this node has handed the venue over to node {node}"
        server.venue.health.report(NAME, Effect.READ_ONLY, cause, "send orders to the node that leads", is_meant=True)
        server.venue.health.clear(NOT_REPLICATED)
        epoch = self._replication.epoch
        server.venue.context.cluster = lambda: {"role": "handed_over", "epoch": epoch, "leader": node}
        server.turns.stop_timers()
        server.turns.go_on(self._connections)
        _LOG.warning("%s", cause, extra=event("handed_over", to=node, held_us=held_ns // 1000))
        server.handed.set_result(node)

    def _refused(self, request: Request, why: str) -> Answer:
        _LOG.warning("no handover: %s", why, extra=event("handover_refused", cause=why))
        return Answer(token=request.token, state="refused", line=why)

    @property
    def _connections(self) -> list[Any]:
        server = self._server
        ports = (server.connections, server.operations_connections)
        return [connection for port in ports for connection in (*port.websockets, *port.http)]

    async def leave(self, node: str) -> None:
        """Let go of the data folder in order once `node` leads: a standby goes on in it from where this node ended."""
        server, venue = self._server, self._server.venue
        await asyncio.sleep(GRACE_SECONDS)  # what has waited is answered, and clients leave by themselves
        await server.end_connections(f"node {node} leads from now on; connect again")
        venue.leave(NotLeadingError(f"this node has handed the venue over to node {node}; it writes nothing any more"))
        note_place(self._data, self._replication.stream_seq)
        self._replication.close()
