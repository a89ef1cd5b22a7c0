"""What a recording says should be true after some of its commands, as columns that compiled code reads."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.kernels import part
from engine.schema import record

CHECK = record(
    [
        ("at", "i8"),  # how many rows of the batch are applied before
        ("message", "i8"),  # the last recorded message, from 1
        ("contract", "i4"),  # whose book
        ("executions", "i4"),  # of one sweep, in order: so many of the next rows of `executions`
        ("books", "i4"),  # so many of the next rows of `books`: one, or one after each execution of the sweep
        ("pad", "i4"),
    ]
)
EXECUTION = record(
    [
        ("cl_ord_id", "i8"),  # the resting order that it should take; 0 when the recording names none
        ("side", "i8"),  # of that order; 0 when the recording does not say it
        ("price_ticks", "i8"),
        ("qty_lots", "i8"),
    ]
)
ASK_TICKS, ASK_LOTS, BID_TICKS, BID_LOTS, BOOK_WORDS = range(5)
"""The words of one level of a recorded book, as LOBSTER orders them."""

Array = np.ndarray[Any, Any]


@part
def copy_book(target, source):
    """Write one row of books over another."""
    for level in range(len(target)):
        for word in range(BOOK_WORDS):
            target[level, word] = source[level, word]


@dataclass(slots=True)
class Checks:
    """The checks of one batch in order, with the executions and the books that they name.

    `books` is an int64 array (books, levels, BOOK_WORDS): the levels of each side best first, then zeros. A check
    without books and executions marks an event of the recording: see `Comparison`.
    """

    rows: Array
    executions: Array
    books: Array

    def __len__(self) -> int:
        return len(self.rows)

    def cut(self, rows: int, read: int) -> "Checks":
        """Those that only need so many rows of the batch and so many messages."""
        kept = int(((self.rows["at"] <= rows) & (self.rows["message"] <= read)).sum())
        left = self.rows[:kept]
        return Checks(left, self.executions[: left["executions"].sum()], self.books[: left["books"].sum()])


def no_checks(levels: int = 0) -> Checks:
    """Nothing to check, of a recording whose book has so many levels."""
    return Checks(np.zeros(0, CHECK), np.zeros(0, EXECUTION), np.zeros((0, levels, BOOK_WORDS), np.int64))


def book_of(row: Array) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(bids, asks) of one row of `Checks.books`."""
    words = row.tolist()
    bids = [(level[BID_TICKS], level[BID_LOTS]) for level in words if level[BID_LOTS]]
    return bids, [(level[ASK_TICKS], level[ASK_LOTS]) for level in words if level[ASK_LOTS]]
