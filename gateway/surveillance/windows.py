"""What the rules look at: the rows of the last steps, with what is known at their end."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.code_values import FLAG_INVOLUNTARY_BITS, FLAG_TAKER
from engine.codes import EventKind
from gateway.surveillance.activity import NS_PER_S, PPB, Rows
from gateway.surveillance.shown_orders import Habits


class Kept:
    """The rows of the last seconds, kept by steps; of more than `most` rows the oldest steps are forgotten."""

    def __init__(self, dtype: np.dtype[Any], seconds: int, most: int = 1_000_000) -> None:
        self._keep_ns = seconds * NS_PER_S
        self._most = most
        self._parts: deque[Rows] = deque()
        self._empty = np.zeros(0, dtype)
        self._count = 0
        self.new = self._empty

    def add(self, rows: Rows, end_ns: int) -> None:
        """Add the rows of a step that ends now."""
        self.new = rows
        if len(rows):
            self._parts.append(rows)
            self._count += len(rows)
        while self._parts and (int(self._parts[0]["time_ns"][-1]) <= end_ns - self._keep_ns or self._is_full()):
            self._count -= len(self._parts.popleft())

    def _is_full(self) -> bool:
        return self._count > self._most and len(self._parts) > 1

    @property
    def rows(self) -> Rows:
        """All that is kept."""
        if len(self._parts) > 1:
            whole = np.concatenate(self._parts)
            self._parts = deque([whole]) if len(whole) == 0 else self._parts
            return whole
        return self._parts[0] if self._parts else self._empty


def since(rows: Rows, at_ns: int) -> Rows:
    """The rows after an instant."""
    return rows[bisect_right(rows["time_ns"], at_ns) :]


def voluntary_fills(rows: Rows) -> Rows:
    """Trades that are neither liquidation nor deleveraging."""
    return rows[(rows["kind"] == EventKind.FILL) & (rows["flags"] & FLAG_INVOLUNTARY_BITS == 0)]


def taken(fills: Rows) -> Rows:
    """The takers' sides of trades."""
    return fills[fills["flags"] & FLAG_TAKER != 0]


@dataclass(frozen=True)
class Look:
    """What the rules see at the end of a step."""

    end_ns: int
    step_ns: int
    rows: Rows
    """The step's own activity."""
    fills: Rows
    """Voluntary fills of the longest window that a rule of fills has."""
    habits: Habits
    positions: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """(account, contract) -> lots."""
    owners: Mapping[int, int] = field(default_factory=dict)
    """Account -> owner, of the accounts with a position."""
    index: Rows | None = None
    """Changes of the index, over the window of the fills."""

    def last(self, seconds: int) -> Rows:
        """The fills of the last seconds."""
        return since(self.fills, self.end_ns - seconds * NS_PER_S)

    def index_move_ppb(self, contract: int, from_ns: int, until_ns: int) -> int:
        """How far the index has moved between two instants; 0 where nothing is known of it."""
        if self.index is None:
            return 0
        rows = self.index[self.index["contract_slot"] == contract]
        begin, end = bisect_left(rows["time_ns"], from_ns) - 1, bisect_right(rows["time_ns"], until_ns) - 1
        if end < 0:
            return 0
        first = int(rows["price_subticks"][begin] if begin >= 0 else rows["index_subticks"][0])
        return (int(rows["price_subticks"][end]) - first) * PPB // first if first else 0

    def held_lots(self, contract: int, owner: int) -> int:
        """An owner's position in a contract over all its accounts."""
        return sum(
            lots
            for (account, its_contract), lots in self.positions.items()
            if its_contract == contract and self.owners.get(account) == owner
        )
