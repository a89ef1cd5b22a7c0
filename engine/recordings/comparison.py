"""Compares what the engine did with what a recording says: books row by row, executions one by one."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind
from engine.recordings.batches import READER_ID, Book, Check, Execution

KEPT_DIFFERENCES = 5
SHOWN_FILLS = 3
"""Of our own trades that no recorded one has matched yet, the last so many are shown."""
_SIDES = ("bid", "ask")

Fill = tuple[int, int, int]
"""(maker's cl_ord_id, price_ticks, qty_lots)."""
DepthOf = Callable[[int], Book]
"""The engine's book now, to so many levels a side."""


@dataclass(slots=True)
class Comparison:
    """Counts of what was compared.

    `book_rows_one_event_off` are rows that differ, but equal the engine's book one recorded event earlier or later:
    a feed that is slower than its snapshots. `differences` describes the first rows that differ,
    `execution_differences` the first executions.
    """

    depth: int
    book_rows_checked: int = 0
    book_rows_equal: int = 0
    book_rows_one_event_off: int = 0
    executions: int = 0
    executions_as_recorded: int = 0
    differences: list[str] = field(default_factory=list)
    execution_differences: list[str] = field(default_factory=list)
    _now: Book | None = None
    _earlier: Book | None = None
    _late: Book | None = None
    _loose: deque[Fill] = field(default_factory=deque)

    def check(self, check: Check, fills: list[Fill], depth_of: DepthOf) -> None:
        """Compare what one check of a recording says with the fills since the last one and the book now."""
        if check.executions and check.executions[0].cl_ord_id:
            for execution, taken in taken_by(check.executions, fills):
                self._count(check.message, execution, taken, is_as_recorded(execution, taken))
        else:
            self._loose.extend(fills)
            for execution in check.executions:
                self._match_loose(check.message, execution)
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

    def _match_loose(self, message: int, execution: Execution) -> None:
        """A recorded execution without order ids is as recorded when a fill has its price and quantity."""
        for place, (_, price, quantity) in enumerate(self._loose):
            if (price, quantity) == (execution.price_ticks, execution.qty_lots):
                del self._loose[place]
                self._count(message, execution, [], True)
                return
        self._count(message, execution, list(self._loose)[-SHOWN_FILLS:], False)

    def _count(self, message: int, execution: Execution, instead: list[Fill], is_equal: bool) -> None:
        self.executions += 1
        self.executions_as_recorded += is_equal
        if not is_equal and len(self.execution_differences) < KEPT_DIFFERENCES:
            self.execution_differences.append(describe_execution(message, execution, instead))


def taken_by(executions: list[Execution], fills: list[Fill]) -> Iterator[tuple[Execution, list[Fill]]]:
    """Each of one sweep's executions, with the fills that its quantity makes up when the sweep is filled in order."""
    queue = deque(fills)
    for execution in executions:
        missing, taken = execution.qty_lots, []
        while missing and queue:
            maker, price, quantity = queue.popleft()
            part = min(missing, quantity)
            taken.append((maker, price, part))
            missing -= part
            if quantity > part:
                queue.appendleft((maker, price, quantity - part))
        yield execution, taken


def is_as_recorded(execution: Execution, taken: list[Fill]) -> bool:
    """Whether an execution took, at its price and in full, the order that the recording names."""
    same = all((maker, price) == (execution.cl_ord_id, execution.price_ticks) for maker, price, _ in taken)
    return same and sum(quantity for _, _, quantity in taken) == execution.qty_lots


def describe(message: int, recorded: Book, ours: Book) -> str:
    """The first level at which two books differ, for a person."""
    for name, theirs, mine in zip(_SIDES, recorded, ours, strict=True):
        for level in range(max(len(theirs), len(mine))):
            was = theirs[level] if level < len(theirs) else None
            now = mine[level] if level < len(mine) else None
            if was != now:
                return f"message {message}: {name} {level + 1} is {_level(now)}, recorded {_level(was)}"
    return f"message {message}: equal"


def describe_execution(message: int, execution: Execution, instead: list[Fill]) -> str:
    """What a recorded execution was, and what happened here instead, for a person."""
    recorded = _fill((execution.cl_ord_id, execution.price_ticks, execution.qty_lots))
    if not instead:
        return f"message {message}: recorded {recorded}; here nothing traded"
    if execution.cl_ord_id:
        return f"message {message}: recorded {recorded}; here {', '.join(map(_fill, instead))}"
    unmatched = ", ".join(map(_fill, instead))
    return f"message {message}: recorded {recorded}; here no such trade, not matched so far: {unmatched}"


def fills_of(events: np.ndarray[Any, Any]) -> list[Fill]:
    """The makers' side of every trade among events, in order."""
    makers = events[(events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.TAKER == 0)]
    columns = [makers[name].tolist() for name in ("cl_ord_id", "price_ticks", "last_lots")]
    return list(zip(*columns, strict=True))


def _level(level: tuple[int, int] | None) -> str:
    return "empty" if level is None else f"{level[1]} at {level[0]}"


def _fill(fill: Fill) -> str:
    maker, price, quantity = fill
    if not maker:
        return f"{quantity} at {price}"
    name = f"order {maker}" if maker < READER_ID else "an order that it does not name"
    return f"{quantity} at {price} from {name}"


def _put_back(levels: dict[int, int], fills: list[Fill], quantity: int) -> None:
    """Return the last `quantity` of fills to their levels."""
    while quantity and fills:
        maker, price, filled = fills.pop()
        taken = min(quantity, filled)
        levels[price] = levels.get(price, 0) + taken
        quantity -= taken
        if filled > taken:
            fills.append((maker, price, filled - taken))
