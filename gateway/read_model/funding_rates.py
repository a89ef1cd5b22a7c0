"""The settled funding rates of each contract, in order of time."""

import numpy as np

from gateway.read_model.history_store import HistoryStore
from gateway.read_model.history_views import FundingRate
from gateway.read_model.series import Series
from gateway.wire.views import FundingView

RATE = np.dtype([(name, "i8") for name in FundingRate._fields])
BLOCK_RATES = 256
_SERIES = 2
"""The number of the rates in a store."""


class FundingRates:
    """Rates by contract slot."""

    def __init__(self, store: HistoryStore | None = None) -> None:
        self.series = Series("funding", _SERIES, RATE, BLOCK_RATES, store)

    def add(self, contract_slot: int, rate: FundingRate) -> None:
        """Add the rate of an interval that is settled."""
        self.series.append(contract_slot, rate)

    def between(self, contract_slot: int, start_ns: int, end_ns: int) -> list[FundingView]:
        """The rates settled within some times, both included; each with the index of the one before it."""
        first, end = self.series.ordinal(contract_slot, start_ns), self.series.ordinal(contract_slot, end_ns + 1)
        rates = [FundingRate(*row) for row in self.series.rows(contract_slot, max(first - 1, 0), end).tolist()]
        before = 0 if first == 0 else rates.pop(0).index_subticks
        found = []
        for rate in rates:
            found.append(FundingView(rate.time_ns, rate.index_subticks, before, rate.rate_ppb, rate.interval_s))
            before = rate.index_subticks
        return found

    def settled_mark(self, contract_slot: int) -> int:
        """The mark of the last settlement, 0 without one."""
        count = self.series.count(contract_slot)
        return int(self.series.rows(contract_slot, count - 1, count)["mark_subticks"][0]) if count else 0
