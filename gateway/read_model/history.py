"""The history: closed orders, trades, money, funding and candles, in the order in which they happened.

Rows are kept in segments. A sealed segment knows where each account's rows are, so a question about one account costs
what that account has. It knows its settlements too, and which trades of which contracts it has, so that a question that
anybody may ask does not read all that ever happened. All rows can be rebuilt from the journal.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import OrdType
from engine.schema import LABEL_BYTES
from gateway.read_model.event_fold import (
    DELIVERY_KIND,
    FUNDING_KIND,
    LEG_ROW,
    MONEY_KIND,
    ORDER_KIND,
    ORDER_ROW,
    TRADE_KIND,
)
from gateway.wire.views import Span

SEGMENT_ROWS = 1 << 16
BEHIND = (1 << 63) - 1
"""A place behind every row."""


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which closed orders: of these contracts, ended within these times; with this label, if there is one."""

    slots: Collection[int]
    start_ns: int = 0
    end_ns: int = BEHIND
    is_filled: bool = False
    is_conditional: bool = False
    label: bytes = b""

    def among(self, orders: Any, places: Any) -> Any:
        """Those of some orders' places that are wanted; whole columns at once, as there may be millions of orders."""
        ended = orders["updated_ns"][places]
        wanted = (ended >= self.start_ns) & (ended <= self.end_ns)
        wanted &= np.isin(orders["contract_slot"][places], list(self.slots))
        if self.is_filled:
            wanted &= orders["filled_lots"][places] != 0
        if self.is_conditional:
            wanted &= orders["ord_type"][places] > OrdType.LIMIT
        if self.label:
            words = np.frombuffer(self.label.ljust(LABEL_BYTES, b"\0"), np.int64)
            wanted &= (orders["label"][places] == words).all(axis=1)
        return places[wanted]


class Segment:
    """A block of rows, seen as LEG rows and as ORDER rows.

    `first` rows are in the segments before it; `full` has its rows when no more come.
    """

    __slots__ = (
        "_accounts", "_by_account", "_settlements", "_starts", "_times", "_trades", "data", "first", "legs", "orders",
        "used",
    )  # fmt: skip

    def __init__(self, rows: int, first: int = 0, full: Any = None) -> None:
        self.first = first
        self.legs = np.zeros(rows, LEG_ROW) if full is None else full
        self.orders = self.legs.view(ORDER_ROW)
        self.data = self.legs.view(np.uint8).data
        self.used = 0 if full is None else rows
        self._accounts: Any = None
        self._settlements: Any = None
        self._times = (0, BEHIND)
        self._trades: dict[int, tuple[int, int]] = {}

    def seal(self) -> None:
        """Note where each account's rows and the settlements are, and which trades are here; no more rows come."""
        accounts = self.legs["account_slot"][: self.used]
        self._by_account = np.argsort(accounts, kind="stable").astype(np.int32)
        self._accounts, self._starts = np.unique(accounts[self._by_account], return_index=True)
        moved = np.isin(self.legs["kind"][: self.used], (TRADE_KIND, MONEY_KIND))
        times = self.legs["time_ns"][: self.used][moved]
        self._times = (int(times.min()), int(times.max())) if len(times) else (BEHIND, -1)
        self._settlements = self._find_settlements()
        self._trades = self._find_trades()

    def _find_settlements(self) -> Any:
        kinds = self.legs["kind"][: self.used]
        return np.flatnonzero((kinds == FUNDING_KIND) | (kinds == DELIVERY_KIND))

    def _find_trades(self) -> dict[int, tuple[int, int]]:
        """The first and the last trade id of each contract; a contract's ids only grow."""
        rows = self.legs[: self.used]
        trades = rows[rows["kind"] == TRADE_KIND]
        slots, first = np.unique(trades["contract_slot"], return_index=True)
        _, last = np.unique(trades["contract_slot"][::-1], return_index=True)
        ids = trades["trade_id"]
        firsts, lasts = ids[first].tolist(), ids[::-1][last].tolist()
        return dict(zip(slots.tolist(), zip(firsts, lasts, strict=True), strict=True))

    def clear(self) -> None:
        """Take rows from the beginning again."""
        self.used, self._accounts, self._settlements, self._times = 0, None, None, (0, BEHIND)

    def is_outside(self, span: Span) -> bool:
        """Whether no trade and no money row of a full segment is within a span's times."""
        return self._times[0] > span.end_ns or self._times[1] < span.start_ns

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

    def within(self, places: Any, span: Span) -> Any:
        """Those of some trades' or money rows that lie within a span's bounds."""
        times, ids = self.legs["time_ns"][places], self.legs["trade_id"][places]
        wanted = (times >= span.start_ns) & (times <= span.end_ns) & (ids >= span.first_id) & (ids <= span.last_id)
        wanted &= (places >= span.first_place - self.first) & (places <= span.last_place - self.first)
        return places[wanted]


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

    def closed_orders(self, account_slot: int, wanted: OrderFilter) -> Iterator[Any]:
        """(segment, index) of those of an account's closed orders that are wanted, the latest first."""
        for segment in reversed(self.segments):
            places = segment.rows_of(account_slot)
            places = places[segment.legs["kind"][places] == ORDER_KIND]
            for index in wanted.among(segment.orders, places).tolist()[::-1]:
                yield segment, index
            if len(places) and segment.orders["updated_ns"][places[0]] < wanted.start_ns:
                return

    def trades(self, account_slot: int, slots: Collection[int], span: Span) -> Iterator[Any]:
        """(segment, index) of an account's trades in some contracts within a span's bounds, in its order."""
        order = 1 if span.ascending else -1
        for segment in self.segments[::order]:
            if segment.is_outside(span):
                continue
            places = segment.rows_of(account_slot)
            places = places[segment.legs["kind"][places] == TRADE_KIND]
            found = segment.within(places[np.isin(segment.legs["contract_slot"][places], list(slots))], span)
            for index in found.tolist()[::order]:
                yield segment, index

    def of_order(self, account_slot: int, order_id: int, kind: int) -> Iterator[Any]:
        """(segment, index) of an order's trades, or of the order itself when it is closed, oldest first."""
        for segment in self.segments:
            places = segment.rows_of(account_slot)
            wanted = (segment.legs["order_id"][places] == order_id) & (segment.legs["kind"][places] == kind)
            for index in places[wanted].tolist():
                yield segment, index

    def of_contracts(self, slots: Collection[int], flag: int, span: Span) -> Iterator[Any]:
        """(segment, index) of some contracts' trades with a flag within a span's bounds, in its order."""
        order = 1 if span.ascending else -1
        for segment in self.segments[::order]:
            if segment.is_outside(span) or not segment.may_have(slots, span.first_id, span.last_id):
                continue
            rows = segment.legs[: segment.used]
            wanted = (rows["kind"] == TRADE_KIND) & (rows["flags"] & flag != 0)
            wanted &= np.isin(rows["contract_slot"], list(slots))
            for index in segment.within(np.flatnonzero(wanted), span).tolist()[::order]:
                yield segment, index

    def trade_place(self, contract_slot: int, trade_id: int, is_last: bool) -> int:
        """The place of a contract's trade in the whole history, from 0: its first row, or with `is_last` its last one.

        An id that the contract has not given yet is behind every row, one before its first trade before every row.
        """
        first_id, last_id = (0, trade_id) if is_last else (trade_id, BEHIND)
        for segment in self.segments[:: -1 if is_last else 1]:
            if not segment.may_have((contract_slot,), first_id, last_id):
                continue
            rows = segment.legs[: segment.used]
            within = rows["trade_id"] <= trade_id if is_last else rows["trade_id"] >= trade_id
            found = np.flatnonzero((rows["contract_slot"] == contract_slot) & (rows["kind"] == TRADE_KIND) & within)
            if len(found):
                index = int(found[-1 if is_last else 0])
                return segment.first + index if int(rows["trade_id"][index]) == trade_id else BEHIND if is_last else 0
        return -1 if is_last else BEHIND

    def money(self, account_slot: int, span: Span) -> Iterator[Any]:
        """(number, segment, index) of an account's trades and money rows, newest first; numbers begin at 1.

        Of the span, the times count, and `last_id` is the highest number.
        """
        bounds = Span(span.start_ns, span.end_ns, last_place=span.last_id - 1)
        for segment in reversed(self.segments):
            if segment.is_outside(span):
                continue
            places = segment.rows_of(account_slot)
            kinds = segment.legs["kind"][places]
            found = segment.within(places[(kinds == TRADE_KIND) | (kinds == MONEY_KIND)], bounds)
            for index in found.tolist()[::-1]:
                yield segment.first + index + 1, segment, index

    def rows(self) -> Any:
        """A copy of all rows in one array, to save it."""
        return np.concatenate([segment.legs[: segment.used] for segment in self.segments])

    def load(self, rows: Any) -> None:
        """Load saved rows, in segments as they were written: the legs of one trade stay together."""
        self.segments, first = [], 0
        while len(rows) - first > SEGMENT_ROWS:
            end = first + SEGMENT_ROWS
            while end < len(rows) and rows["trade_id"][end] == rows["trade_id"][end - 1] != 0:
                end += 1
            self.segments.append(Segment(end - first, first, rows[first:end]))
            self.segments[-1].seal()
            first = end
        last = Segment(SEGMENT_ROWS, first)
        last.used = len(rows) - first
        last.legs[: last.used] = rows[first:]
        self.segments.append(last)
