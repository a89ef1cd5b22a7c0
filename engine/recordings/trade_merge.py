"""Trades of a file of their own among the events of a book: each before the first event that is not older."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from engine.recordings.price_levels import LAST, LEVEL, LevelBlock

AFTER_END = "trades after the last event of a book"
NO_BOOK = "trades of symbols without a book"

Array = np.ndarray[Any, Any]


class TradeMerge:
    """Puts trades into the blocks of a book. `after_end` counts those that no event follows.

    `trades` gives blocks of their times and their rows, whatever these are; `levels` makes LEVEL rows of those that are
    due, as far as it takes them: what it knows of the book is then complete up to their time.
    """

    def __init__(self, trades: Iterator[tuple[Array, Array]], levels: Callable[[Array], Array]) -> None:
        self.after_end = 0
        self._trades, self._levels = trades, levels
        self._times: Array = np.zeros(0, np.int64)
        self._rows: Array | None = None
        self._begins = True

    def into(self, block: LevelBlock) -> LevelBlock:
        """The block with the trades that are due before its events."""
        rows = block.rows
        if not len(rows):
            return block
        ends = rows["flags"] & LAST != 0
        starts = np.flatnonzero(np.concatenate([[self._begins], ends[:-1]]))
        self._begins = bool(ends[-1])
        if not len(starts):
            return block
        times = np.maximum.accumulate(rows["time_ns"][starts])
        due = self._due(int(times[-1]))
        if not len(due):
            return block
        places = starts[np.searchsorted(times, np.maximum.accumulate(due["time_ns"]))]
        due["message"] = rows["message"][places]
        return LevelBlock(np.insert(rows, places, due), block.read)

    def _due(self, time_ns: int) -> Array:
        """The trades up to a time as LEVEL rows; the others wait."""
        blocks = [] if self._rows is None else [(self._times, self._rows)]
        while not blocks or not len(blocks[-1][0]) or blocks[-1][0][-1] <= time_ns:
            block = next(self._trades, None)
            if block is None:
                break
            blocks.append(block)
        if not blocks:
            return np.zeros(0, LEVEL)
        times = np.concatenate([each for each, _ in blocks])
        rows = np.concatenate([each for _, each in blocks])
        late = np.maximum.accumulate(times) > time_ns if len(times) else np.zeros(0, bool)
        self._times, self._rows = times[late], rows[late]
        return self._levels(rows[~late])

    def finish(self) -> None:
        """Count what is left."""
        self.after_end = len(self._times) + sum(len(times) for times, _ in self._trades)
