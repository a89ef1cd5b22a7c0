"""What the venue looks at once on each day of Hong Kong: assessments that end because the client no longer trades."""

import logging
from collections.abc import Callable

from gateway.office import assessments
from gateway.read_model.projection import Projection
from gateway.registry.registry import BusyError, Registry
from gateway.wire.civil_dates import civil_date
from gateway.wire.views import Span

_LOG = logging.getLogger("lionrock.venue")


class DailyReview:
    """Notes when qualified corporations last traded, and takes the class back when that was two years ago."""

    def __init__(self, registry: Registry, projection: Projection, submit_intents: Callable[[], object]) -> None:
        self._registry = registry
        self._projection = projection
        self._submit_intents = submit_intents
        self._done = ""

    def look(self, now_ns: int) -> None:
        """Review once a day; a busy registry is tried again at the next call."""
        today = str(civil_date(now_ns))
        if today == self._done:
            return
        try:
            self._note_trades()
            ended = assessments.end_lapsed(self._registry, now_ns)
        except BusyError as busy:
            _LOG.warning("the review of %s waits: %s", today, busy)
            return
        self._done = today
        if ended:
            self._submit_intents()

    def _note_trades(self) -> None:
        slots = frozenset(contract.slot for contract in self._projection.contracts())
        for account_slot in assessments.qualified_slots(self._registry):
            found, _ = self._projection.user_trades(account_slot, slots, Span(count=1))
            for latest in found:
                assessments.note_trade(self._registry, account_slot, latest.trade.time_ns)
