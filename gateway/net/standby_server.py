"""A standby on its ports: it answers questions, and takes orders from the moment that it leads."""

from gateway.clock import Accepted
from gateway.cluster.standby_venue import StandbyVenue
from gateway.config import Config
from gateway.net.server import GOING_AWAY, Server
from gateway.venue.losses import AcceptedLoss
from gateway.venue.venue import Progress, Venue


class StandbyServer(Server):
    """A server whose venue follows another one's log until `lead`."""

    venue: StandbyVenue

    def _venue(
        self, config: Config, progress: Progress | None, accepted: AcceptedLoss | None, accepted_time: Accepted
    ) -> Venue:
        return StandbyVenue(config, progress, self.turns.in_loop, self.turns.fail)

    def lead(self) -> None:
        """Begin to trade from where the log ends. Who has asked this node so far connects again, with a new number.

        Numbers of connections are in the log, and the old leader has given out the same ones.
        """
        for connection in self._websockets:
            connection.finish(GOING_AWAY, "this node leads from now on; connect again")
        self.venue.lead()
        self.venue.start()
        self._index.start()
        self.turns.end()
