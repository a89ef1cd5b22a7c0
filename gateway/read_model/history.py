"""The history: closed orders, trades, money, funding and candles, in the order in which they happened.

Rows are kept in segments; a sealed segment has the set of its accounts, so a question about one account skips the
other segments. All rows can be rebuilt from the journal.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gateway.read_model.event_fold import LEG_ROW, MONEY_KIND, ORDER_ROW, TRADE_KIND

SEGMENT_ROWS = 1 << 16
BEHIND = (1 << 63) - 1
"""A place behind every row."""


class Segment:
    """A block of rows, seen as LEG rows and as ORDER rows. `first` rows are in the segments before it."""

    __slots__ = ("accounts", "data", "first", "legs", "orders", "used")

    def __init__(self, rows: int, first: int = 0) -> None:
        self.first = first
        self.legs = np.zeros(rows, LEG_ROW)
        self.orders = self.legs.view(ORDER_ROW)
        self.data = self.legs.view(np.uint8).data
        self.used = 0
        self.accounts: frozenset[int] | None = None

    def seal(self) -> None:
        """Note the accounts; no more rows come."""
        self.accounts = frozenset(np.unique(self.legs["account_slot"][: self.used]).tolist())

    def speaks_of(self, account_slot: int) -> bool:
        """Whether a row of this account may be here."""
        return self.accounts is None or account_slot in self.accounts


class History:
    """All segments, oldest first; rows are only ever added."""

    def __init__(self) -> None:
        self.segments = [Segment(SEGMENT_ROWS)]

    def room(self, rows: int) -> Segment:
        """The segment that takes the next rows; it has room for so many."""
        last = self.segments[-1]
        if len(last.legs) - last.used < rows:
            last.seal()
            last = Segment(max(SEGMENT_ROWS, rows), last.first + last.used)
            self.segments.append(last)
        return last

    def newest(self, account_slot: int, kind: int) -> Iterator[Any]:
        """(segment, index) of an account's rows of a kind, newest first."""
        for segment in reversed(self.segments):
            if segment.speaks_of(account_slot):
                rows = segment.legs[: segment.used]
                found = np.flatnonzero((rows["account_slot"] == account_slot) & (rows["kind"] == kind))
                for index in reversed(found.tolist()):
                    yield segment, index

    def oldest(self, account_slot: int, kind: int) -> Iterator[Any]:
        """(segment, index) of an account's rows of a kind, oldest first."""
        for segment in self.segments:
            if segment.speaks_of(account_slot):
                rows = segment.legs[: segment.used]
                found = np.flatnonzero((rows["account_slot"] == account_slot) & (rows["kind"] == kind))
                for index in found.tolist():
                    yield segment, index

    def of_contract(self, contract_slot: int, kind: int, flag: int, is_ascending: bool) -> Iterator[Any]:
        """(segment, index) of a contract's rows of a kind with a flag (0: any), newest first unless ascending."""
        order = 1 if is_ascending else -1
        for segment in self.segments[::order]:
            rows = segment.legs[: segment.used]
            wanted = (rows["contract_slot"] == contract_slot) & (rows["kind"] == kind)
            if flag:
                wanted &= rows["flags"] & flag != 0
            for index in np.flatnonzero(wanted).tolist()[::order]:
                yield segment, index

    def trade_place(self, contract_slot: int, trade_id: int, is_last: bool) -> int:
        """The place of a contract's trade in the whole history, from 0: its first row, or with `is_last` its last one.

        An id that the contract has not given yet is behind every row, one before its first trade before every row.
        """
        for segment in self.segments[:: -1 if is_last else 1]:
            rows = segment.legs[: segment.used]
            within = rows["trade_id"] <= trade_id if is_last else rows["trade_id"] >= trade_id
            found = np.flatnonzero((rows["contract_slot"] == contract_slot) & (rows["kind"] == TRADE_KIND) & within)
            if len(found):
                index = int(found[-1 if is_last else 0])
                return segment.first + index if int(rows["trade_id"][index]) == trade_id else BEHIND if is_last else 0
        return -1 if is_last else BEHIND

    def money(self, account_slot: int) -> Iterator[Any]:
        """(number, segment, index) of an account's trades and money rows, newest first; numbers begin at 1."""
        for segment in reversed(self.segments):
            if segment.speaks_of(account_slot):
                rows = segment.legs[: segment.used]
                moved = (rows["kind"] == TRADE_KIND) | (rows["kind"] == MONEY_KIND)
                for index in reversed(np.flatnonzero((rows["account_slot"] == account_slot) & moved).tolist()):
                    yield segment.first + index + 1, segment, index

    def rows(self) -> Any:
        """A copy of all rows in one array, to save it."""
        return np.concatenate([segment.legs[: segment.used] for segment in self.segments])

    def load(self, rows: Any) -> None:
        """Load saved rows."""
        first = Segment(max(SEGMENT_ROWS, len(rows)))
        first.legs[: len(rows)] = rows
        first.used = len(rows)
        self.segments = [first]
