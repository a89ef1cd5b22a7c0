"""A standby on its ports: it answers questions, and takes orders from the moment that it leads."""

from collections.abc import Callable

from engine import host
from gateway import clock
from gateway.clock import Accepted
from gateway.cluster.replication import Replication
from gateway.cluster.standby import Led
from gateway.cluster.standby_venue import StandbyVenue
from gateway.config import Config
from gateway.net.server import GOING_AWAY, Server
from gateway.venue.losses import AcceptedLoss
from gateway.venue.venue import Progress, Venue

READY_NS = 30_000_000_000
"""How long the process that publishes has to begin; a node that leads before would keep its clients waiting for it."""


class StandbyServer(Server):
    """A server whose venue follows another one's log until `lead`."""

    venue: StandbyVenue

    def _venue(
        self, config: Config, progress: Progress | None, accepted: AcceptedLoss | None, accepted_time: Accepted
    ) -> Venue:
        return StandbyVenue(config, progress, self.turns.in_loop, self.turns.fail)

    async def stand_by(self, status: Callable[[], dict[str, object]]) -> None:
        """Listen, and have the process ready that publishes the log when this node leads. `status` is for clients."""
        self.venue.context.cluster = status
        await self.start()
        self._replication = Replication(self.venue.config, self._lose_lead)
        self._replication.start()
        self._began_ns = clock.steady_ns()

    @property
    def why_not_to_lead(self) -> str:
        """Why this node must not lead now; empty when it may."""
        replication = self._replication
        is_new = replication is None or (not replication.server and clock.steady_ns() - self._began_ns < READY_NS)
        if self.venue.config.cluster.follows_only:
            return "it only follows (cluster.follows_only)"
        return self.venue.clock_fault or ("the process that publishes its log is still starting" if is_new else "")

    async def lead(self, led: Led) -> None:
        """Have the records of this node go to the stream from now on, and begin to trade. NotLeadingError."""
        message, replication = led.message, self._replication
        assert replication is not None
        end = host.LogEnd(*message.place, message.last_seq, message.chain)
        await replication.lead(end, message.reason, message.epoch, led.stream_seq)
        self.trade(replication)

    def trade(self, replication: Replication | None) -> None:
        """Begin to trade from where the log ends. Whoever has asked this node so far connects again, with a new number.

        Numbers of connections are in the log, and the old leader has given out the same ones.
        """
        for connection in self._websockets:
            connection.finish(GOING_AWAY, "this node leads from now on; connect again")
        self.venue.lead()
        if replication is not None:
            self._copy_to(replication)
        self.venue.start()
        self._index.start()
        self.turns.end()
