"""Blocks of history rows in memory, and which rows of an account each has."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from engine.schema import MAX_CONTRACTS
from gateway.read_model.event_fold import DELIVERY_KIND, FUNDING_KIND, ORDER_KIND, ORDER_ROW
from gateway.read_model.row_scans import PLACE_BITS, PLACE_MASK, note_segment, writable
from gateway.read_model.rows_ahead import BEHIND, new_rows
from gateway.wire.views import Span

MANY_ROWS = 16
"""Of a block of which so many rows are asked for, all of it may stay in memory."""


class Segment:
    """A block of rows, seen as LEG rows and as ORDER rows.

    `first` is the place of its first row in the whole history; `full` has its rows when no more come, `empty` is memory
    for them.
    """

    __slots__ = (
        "_accounts", "_by_account", "_settlements", "_starts", "_times", "_trades", "data", "first", "legs", "orders",
        "used",
    )  # fmt: skip

    def __init__(self, rows: int, first: int = 0, full: Any = None, empty: Any = None) -> None:
        self.first = first
        self.legs = full if full is not None else empty if empty is not None else new_rows(rows)
        self.orders = self.legs.view(ORDER_ROW)
        self.data = self.legs.view(np.uint8).data
        self.used = 0 if full is None else rows
        self._accounts: Any = None
        self._settlements: Any = None
        self._times = (0, BEHIND)
        self._trades: dict[int, tuple[int, int]] = {}

    def seal(self) -> None:
        """Note where each account's rows and the settlements are, and which trades are here; no more rows come."""
        keys, ids = np.empty(self.used, np.int64), np.full((2, MAX_CONTRACTS), -1)
        times = np.array([BEHIND, -1])
        has_settlements = note_segment(writable(self.legs[: self.used]), keys, *ids, times)
        keys.sort()
        self._by_account, accounts = (keys & PLACE_MASK).astype(np.int32), keys >> PLACE_BITS
        self._starts = np.flatnonzero(np.diff(accounts, prepend=accounts[:1] - 1))
        present = accounts[self._starts]
        self._times = (int(times[0]), int(times[1]))
        self._settlements = self._find_settlements() if has_settlements else np.zeros(0, np.int64)
        traded = np.flatnonzero(ids[0] >= 0)
        self._trades = dict(zip(traded.tolist(), map(tuple, ids[:, traded].T.tolist()), strict=True))
        self._accounts = present  # last: another thread may seal, and from now on readers go by what is noted

    def _find_settlements(self) -> Any:
        kinds = self.legs["kind"][: self.used]
        return np.flatnonzero((kinds == FUNDING_KIND) | (kinds == DELIVERY_KIND))

    @property
    def is_sealed(self) -> bool:
        """Whether it is noted what is here."""
        return self._accounts is not None

    def clear(self) -> None:
        """Take rows from the beginning again."""
        self.used, self._accounts, self._settlements, self._times = 0, None, None, (0, BEHIND)

    def is_outside(self, start_ns: int, end_ns: int) -> bool:
        """Whether no trade and no money row of a full segment is within some times."""
        return self._times[0] > end_ns or self._times[1] < start_ns

    def time_ns(self, index: int) -> int:
        """When a row happened; of an order, when it ended."""
        is_order = self.legs["kind"][index] == ORDER_KIND
        return int((self.orders["updated_ns"] if is_order else self.legs["time_ns"])[index])

    def may_have(self, slots: Collection[int], first_id: int, last_id: int) -> bool:
        """Whether a trade of some contracts with such an id may be here; a segment that is not full may have any."""
        if self._accounts is None:
            return True
        ranges = (self._trades.get(slot, (BEHIND, -1)) for slot in slots)
        return any(first <= last_id and last >= first_id for first, last in ranges)

    def settlements(self) -> Any:
        """The places of settled funding and deliveries, in order."""
        return self._find_settlements() if self._accounts is None else self._settlements

    def rows_of(self, account_slot: int) -> Any:
        """The places of an account's rows, in order."""
        if self._accounts is None:
            return np.flatnonzero(self.legs["account_slot"][: self.used] == account_slot)
        at = int(np.searchsorted(self._accounts, account_slot))
        if at == len(self._accounts) or self._accounts[at] != account_slot:
            return self._by_account[:0]
        end = self._starts[at + 1] if at + 1 < len(self._starts) else self.used
        return self._by_account[self._starts[at] : end]

    def told(self, indexes: list[int]) -> Iterator[tuple["Segment", int]]:
        """(segment, index) of some rows."""
        for index in indexes:
            yield self, index

    def within(self, places: Any, span: Span) -> Any:
        """Those of some trades' or money rows that lie within a span's bounds."""
        times, ids = self.legs["time_ns"][places], self.legs["trade_id"][places]
        wanted = (times >= span.start_ns) & (times <= span.end_ns) & (ids >= span.first_id) & (ids <= span.last_id)
        wanted &= (places >= span.first_place - self.first) & (places <= span.last_place - self.first)
        return places[wanted]


class Block(Segment):
    """A block of rows that was read from disk, behind the row before them."""

    __slots__ = ()

    def told(self, indexes: list[int]) -> Iterator[tuple[Segment, int]]:
        """(segment, index) of some rows. Few of them come as copies: who keeps them does not keep all of the block."""
        if len(indexes) >= MANY_ROWS:
            yield from super().told(indexes)
            return
        for index in indexes:
            # With the row before it, as a trade's second leg is told with its first.
            yield Segment(2, self.first + index - 1, self.legs[index - 1 : index + 1].copy()), 1
