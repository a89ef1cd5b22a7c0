"""The memory of the orders to come, which a thread has the system give before one of them needs it.

A state has no memory where nothing was written yet. The system gives it with the first write, most often two megabytes
at once, and that takes a millisecond or more: the order that writes there would wait, and so would all behind it.
"""

from functools import partial
from typing import Any

from gateway.read_model.rows_ahead import HELPER, give

FIRST_ORDERS = 1 << 12
"""A venue that has had so many orders at once is in use: from then on memory is given ahead."""
ORDERS_AHEAD = 1 << 18
"""For so many orders more, 30 MB; again when half of it is left."""
_POOLS = (
    ("orders", "orders_used", ORDERS_AHEAD),
    ("own", "orders_used", ORDERS_AHEAD),
    ("levels", "levels_used", ORDERS_AHEAD >> 5),
    ("nodes", "nodes_used", ORDERS_AHEAD >> 8),
)
"""Array, what counts its rows in use, and how many more of them the orders ahead may take, as far as prices go."""


class StateAhead:
    """Looks after the memory of one state."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._state = root[0]
        self._given: dict[str, int] = {}

    def look(self) -> None:
        """About every second: have more memory given when it is time."""
        if self._state["orders_used"] >= FIRST_ORDERS:
            self.look_again()

    def look_again(self) -> None:
        """`look`, whether the venue is in use or not; `HELPER.wait` waits for the memory."""
        for name, counter, ahead in _POOLS:
            used = int(self._state[counter])
            self._reach(name, used, used + ahead // 2, used + ahead)
        size = int(self._state["order_map"]["size"])  # of a table, which begins at the cell of this number
        end = max(4 * size, 4 * ORDERS_AHEAD)
        self._reach("cells", size, end, end)

    def _reach(self, name: str, used: int, least: int, end: int) -> None:
        """Have the rows of an array given from those in use up to `end`, if they are not up to `least`."""
        rows, given = self._state[name], self._given.get(name, 0)
        if given < min(least, len(rows)):
            self._given[name] = min(end, len(rows))
            HELPER.do(self._root, partial(give, rows[max(used, given) : end]))
