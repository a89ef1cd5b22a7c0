"""Compares what the engine did with what a recording says: books row by row, executions one by one."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind
from engine.recordings.batches import Book, Check, Execution

KEPT_DIFFERENCES = 5
_SIDES = ("bid", "ask")

Fill = tuple[int, int, int]
"""(maker's cl_ord_id, price_ticks, qty_lots)."""
DepthOf = Callable[[int], Book]
"""The engine's book now, to so many levels a side."""


@dataclass(slots=True)
class Comparison:
    """Counts of what was compared.

    `book_rows_one_event_off` are rows that differ, but equal the engine's book one recorded event earlier or later:
    a feed that is slower than its snapshots. `differences` describes the first rows that differ.
    """

    depth: int
    book_rows_checked: int = 0
    book_rows_equal: int = 0
    book_rows_one_event_off: int = 0
    executions: int = 0
    executions_as_recorded: int = 0
    differences: list[str] = field(default_factory=list)
    _now: Book | None = None
    _earlier: Book | None = None
    _late: Book | None = None
    _loose: deque[Fill] = field(default_factory=deque)

    def check(self, check: Check, fills: list[Fill], depth_of: DepthOf) -> None:
        """Compare what one check of a recording says with the fills since the last one and the book now."""
        if check.executions and check.executions[0].cl_ord_id:
            self.executions += len(check.executions)
            self.executions_as_recorded += as_recorded(check.executions, fills)
        else:
            self._loose.extend(fills)
            for execution in check.executions:
                self._match_loose(execution)
        if len(check.books) > 1:
            self._compare_sweep(check, fills, depth_of(self.depth + len(check.books)))
        elif check.books:
            self._compare(check.message, check.books[0], depth_of(self.depth))
        elif not check.executions:
            self._event(depth_of(self.depth))

    def _compare(self, message: int, recorded: Book, ours: Book) -> None:
        self.book_rows_checked += 1
        if recorded == ours:
            self.book_rows_equal += 1
            return
        if self._earlier == recorded:
            self.book_rows_one_event_off += 1
        else:
            self._late = recorded
        if len(self.differences) < KEPT_DIFFERENCES:
            self.differences.append(describe(message, recorded, ours))

    def _compare_sweep(self, check: Check, fills: list[Fill], ours: Book) -> None:
        """The books within a sweep are the last one with the later fills put back."""
        side = check.executions[0].side - 1
        levels = dict(ours[side])
        later = list(fills)
        for book, execution in zip(reversed(check.books), reversed(check.executions), strict=True):
            image = list(ours)
            image[side] = sorted(levels.items(), reverse=side == 0)
            truncated = (image[0][: self.depth], image[1][: self.depth])
            self._compare(check.message, book, truncated)
            _put_back(levels, later, execution.qty_lots)

    def _event(self, ours: Book) -> None:
        """A recorded event has been applied: a row that differed may have been ahead of it."""
        if self._late is not None and self._late == ours:
            self.book_rows_one_event_off += 1
        self._late = None
        self._earlier, self._now = self._now, ours

    def _match_loose(self, execution: Execution) -> None:
        """A recorded execution without order ids is as recorded when a fill has its price and quantity."""
        self.executions += 1
        for place, (_, price, quantity) in enumerate(self._loose):
            if (price, quantity) == (execution.price_ticks, execution.qty_lots):
                del self._loose[place]
                self.executions_as_recorded += 1
                return


def as_recorded(executions: list[Execution], fills: list[Fill]) -> int:
    """How many of one sweep's executions took, at their price, the order that the recording names."""
    count, queue = 0, deque(fills)
    for execution in executions:
        missing, good = execution.qty_lots, True
        while missing and queue:
            maker, price, quantity = queue.popleft()
            taken = min(missing, quantity)
            good &= (maker, price) == (execution.cl_ord_id, execution.price_ticks)
            missing -= taken
            if quantity > taken:
                queue.appendleft((maker, price, quantity - taken))
        count += good and not missing
    return count


def describe(message: int, recorded: Book, ours: Book) -> str:
    """The first level at which two books differ, for a person."""
    for name, theirs, mine in zip(_SIDES, recorded, ours, strict=True):
        for level in range(max(len(theirs), len(mine))):
            was = theirs[level] if level < len(theirs) else None
            now = mine[level] if level < len(mine) else None
            if was != now:
                return f"message {message}: {name} {level + 1} is {_level(now)}, recorded {_level(was)}"
    return f"message {message}: equal"


def fills_of(events: np.ndarray[Any, Any]) -> list[Fill]:
    """The makers' side of every trade among events, in order."""
    makers = events[(events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.TAKER == 0)]
    columns = [makers[name].tolist() for name in ("cl_ord_id", "price_ticks", "last_lots")]
    return list(zip(*columns, strict=True))


def _level(level: tuple[int, int] | None) -> str:
    return "empty" if level is None else f"{level[1]} at {level[0]}"


def _put_back(levels: dict[int, int], fills: list[Fill], quantity: int) -> None:
    """Return the last `quantity` of fills to their levels."""
    while quantity and fills:
        maker, price, filled = fills.pop()
        taken = min(quantity, filled)
        levels[price] = levels.get(price, 0) + taken
        quantity -= taken
        if filled > taken:
            fills.append((maker, price, filled - taken))
