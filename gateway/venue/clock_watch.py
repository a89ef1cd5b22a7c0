"""The wall clock of a running venue: what is said while it is not followed, and an officer's word that it is right.

Without that word the venue follows again only when clock and venue agree. Two officers may accept the clock as it is:
a change of the registry, for which the log vouches. It counts when it was proposed after the clock had jumped.
"""

import logging

from gateway.clock import VenueTime, length, utc
from gateway.registry.registry import Registry
from gateway.venue.health import Effect, Health

NAME = "CLOCK_JUMPED"
"""The name under which a wall clock that is not followed is reported."""
_KIND = "accept_clock"
_REMEDY = "set it right, and the venue follows it again; if it is right now: `lionrock admin accept-clock`"
_LOG = logging.getLogger("lionrock.venue")


class ClockWatch:
    """`look` is called some times a second, `tick` about every second."""

    def __init__(self, time: VenueTime, registry: Registry, health: Health, step_ns: int) -> None:
        """`step_ns`: how far clock and venue may be apart."""
        self._time, self._registry, self._health, self._step_ns = time, registry, health, step_ns
        self._known_change: int | None = None
        """The last change of the registry when the clock jumped; None while it is followed."""

    def look(self) -> None:
        """Say when the wall clock is not followed, and when it is again."""
        time = self._time
        if not time.is_doubtful:
            self._known_change = None
        elif self._known_change is None:
            self._known_change = self._registry.last_change()
        if time.is_stopped:
            effect, remedy = Effect.NO_NEW_ORDERS, _REMEDY
            cause = f"the wall clock is {length(time.away_ns)} ahead of the venue's time, {utc(time.now_ns())}"
        elif time.is_doubtful:
            effect, remedy = Effect.ALARM, _REMEDY
            cause = f"the wall clock is {length(-time.away_ns)} behind the venue's time, {utc(time.now_ns())}"
        elif time.lead_ns > self._step_ns:
            effect, remedy = Effect.ALARM, "nothing; see --accept-time in gateway/venue/README.md"
            cause = f"the log is {length(time.lead_ns)} ahead of the wall clock, as an operator has accepted"
        else:
            self._health.clear(NAME)
            return
        self._health.report(NAME, effect, cause, remedy)

    def tick(self) -> None:
        """Go by the clock when officers have accepted it since it jumped."""
        if self._known_change is None:
            return
        number = self._registry.last_change(_KIND)
        if number > self._known_change:
            before_ns = self._time.now_ns()
            self._time.accept()
            _LOG.warning(
                "officers have accepted the clock with change %d: the venue's time was %s, and goes on at %s",
                number, utc(before_ns), utc(self._time.now_ns()),
            )  # fmt: skip
            self.look()
