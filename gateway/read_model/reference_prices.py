"""The mark and the index of each contract as they were at the end of each minute, for charts."""

from typing import Any

import numpy as np

from gateway.read_model.history_store import HistoryStore
from gateway.read_model.market_minutes import MARKS_KEPT
from gateway.read_model.series import Series
from gateway.wire.views import ReferenceView

MINUTE = np.dtype([("time_ns", "i8"), ("mark_subticks", "i8"), ("index_subticks", "i8")])  # when it began
_BLOCK_MINUTES = 1440
_SERIES = 3
"""The number of these minutes in a store."""


class ReferencePrices:
    """Minutes by contract slot, in order of time; one in which neither price changed has none."""

    def __init__(self, store: HistoryStore | None = None) -> None:
        self.series = Series("reference_prices", _SERIES, MINUTE, _BLOCK_MINUTES, store)

    def add(self, contract_slot: int, minute: ReferenceView) -> None:
        """Add a minute that is over."""
        self.series.append(contract_slot, minute)

    def period(
        self, contract_slot: int, resolution_s: int, start_ns: int, end_ns: int, market: Any
    ) -> list[ReferenceView]:
        """What held at the end of each period from the one of `start_ns` to the one of `end_ns`, or holds there now.

        A period without a change has the prices before it. There is none before the first prices of all. `market`
        is the contract's MARKET row, which has the running minute.
        """
        step_ns = resolution_s * 1_000_000_000
        first_ns, last_ns = start_ns - start_ns % step_ns, end_ns - end_ns % step_ns
        first = max(self.series.ordinal(contract_slot, first_ns) - 1, 0)
        minutes = self.series.rows(contract_slot, first, self.series.ordinal(contract_slot, last_ns + step_ns))
        running = int(market["reference_ns"]), int(market["mark_subticks"]), int(market["index_subticks"])
        if all(running) and running[0] < last_ns + step_ns:
            minutes = np.append(minutes, np.array([running], MINUTE))
        begins = np.arange(first_ns, last_ns + 1, step_ns)
        at = np.searchsorted(minutes["time_ns"], begins + step_ns) - 1
        begins, at = begins[at >= 0], at[at >= 0]
        columns = begins, minutes["mark_subticks"][at], minutes["index_subticks"][at]
        return [ReferenceView(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def latest_marks(market: Any, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """(time in ns, mark in subticks) of the latest changes of a mark, oldest first, from a contract's MARKET row."""
    noted = int(market["marks_noted"])
    places = np.arange(max(0, noted - MARKS_KEPT), noted) % MARKS_KEPT
    times, marks = market["mark_times_ns"][places], market["marks_subticks"][places]
    inside = (times >= start_ns) & (times <= end_ns)
    return list(zip(times[inside].tolist(), marks[inside].tolist(), strict=True))
