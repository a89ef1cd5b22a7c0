"""The history: closed orders, trades, money, funding and candles, in the order in which they happened.

Each row has a place, which is a pure function of the log. The latest rows are in memory, in segments; older ones are
in a store on disk if there is one, else in memory as well. A full segment knows where each account's rows are, and a
store has an index of them, so a question about one account costs what that account has. Both know which trades of which
contracts they have, so that a question that anybody may ask does not read all that ever happened.

Answers come from iterators: a step reads one segment or one block of the store, whatever there is behind it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from msgspec.structs import replace as replace_struct

from engine.code_values import FLAG_FORCED
from engine.codes import OrdType
from engine.schema import LABEL_BYTES
from gateway.read_model.event_fold import LEG_ROW, MONEY_KIND, ORDER_KIND, TRADE_KIND
from gateway.read_model.history_file import BLOCK_ROWS, contracts_mask
from gateway.read_model.history_store import HistoryStore, Own, Part, Range, WrittenStore
from gateway.read_model.row_scans import CONDITIONAL, FILLED
from gateway.read_model.rows_ahead import BEHIND, SEGMENT_ROWS, RowsAhead
from gateway.read_model.saved_rows import SavedRows
from gateway.read_model.segments import Segment
from gateway.wire.views import Span

_FIRST = np.dtype([("place", "i8")])


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

    def own(self) -> Own:
        """What of this an index knows."""
        marks = FILLED * self.is_filled | CONDITIONAL * self.is_conditional
        return Own((ORDER_KIND,), self.slots, marks, start_ns=self.start_ns, end_ns=self.end_ns)


class History:
    """All rows, oldest first; rows are only ever added. An answer has the rows that there are when it begins."""

    def __init__(self, store: HistoryStore | None = None, memory_rows: int = 0) -> None:
        """With a store, segments that are on disk leave memory as long as so many rows stay there."""
        self.segments = [Segment(SEGMENT_ROWS)]
        self._ahead = RowsAhead()
        self.store = store
        self._memory_rows = memory_rows

    # --- writing --------------------------------------------------------------------------------------------------

    @property
    def end(self) -> int:
        """The place behind the last row."""
        return self.segments[-1].first + self.segments[-1].used

    @property
    def rows_in_memory(self) -> int:
        """How many rows are in memory."""
        return self.end - self.segments[0].first

    def room(self, rows: int, seq: int = 0) -> Segment:
        """The segment that takes the next rows; it has room for so many. `seq`: the last command whose rows it has."""
        last = self.segments[-1]
        if len(last.legs) - last.used < rows:
            self._fill(last, seq)
            rows = max(SEGMENT_ROWS, rows)
            last = Segment(rows, last.first + last.used, empty=self._ahead.take(rows))
            self.segments.append(last)
        elif last.used >= self._ahead.at:
            self._ahead.look(last.legs, last.used)
        return last

    def _fill(self, segment: Segment, seq: int) -> None:
        """A segment is full: it goes to the store, and what is on disk may leave memory."""
        if self.store is None:
            segment.seal()
            return
        self.store.offer(segment, seq)
        end = self.store.end
        while len(self.segments) > 1 and self.segments[1].first <= end:
            if self.end - self.segments[1].first < self._memory_rows:
                return
            self._ahead.let_go(self.segments.pop(0).legs)

    def saved(self) -> dict[str, Any]:
        """The rows that are not on disk, and the place of the first of them."""
        first = self.segments[0].first
        if self.store is not None:
            first = max(first, min(self.store.end, self.end) // BLOCK_ROWS * BLOCK_ROWS - 1)
        parts = [segment.legs[max(0, first - segment.first) : segment.used] for segment in self.segments]
        return {"history": np.concatenate(parts), "history_first": np.array([(first,)], _FIRST)}

    def saved_rows(self, saved: SavedRows) -> tuple[int, Any]:
        """(place of the first, rows) that were saved. SavedRowsError when those before them are not on disk."""
        first, on_disk = int(saved.array("history_first", _FIRST)["place"][0]), 0
        if self.store is not None:
            on_disk = self.store.on_disk
        if first > on_disk:
            raise saved.wrong(f"it needs {first} rows of history on disk, where there are {on_disk}")
        return first, saved.array("history", LEG_ROW)

    def load(self, begin: int, rows: Any) -> None:
        """Load saved rows, in segments as they were written: the legs of one trade stay together."""
        self.segments, first = [], 0
        if self.store is not None:
            self.store.begin(begin, rows[0] if len(rows) else None)
        while len(rows) - first > SEGMENT_ROWS:
            end = first + SEGMENT_ROWS
            while end < len(rows) and rows["trade_id"][end] == rows["trade_id"][end - 1] != 0:
                end += 1
            self.segments.append(Segment(end - first, begin + first, rows[first:end]))
            self._fill(self.segments[-1], 0)
            first = end
        last = Segment(SEGMENT_ROWS, begin + first)
        last.used = len(rows) - first
        last.legs[: last.used] = rows[first:]
        self.segments.append(last)

    # --- reading: parts -------------------------------------------------------------------------------------------

    def own_parts(self, account_slot: int, own: Own, is_ascending: bool = False) -> Iterator[Part]:
        """An account's rows of some kinds, in order, a segment or block at a time: the wanted ones, and maybe more."""
        memory = self.segments.copy()
        recent = self._own_in_memory(memory[:: 1 if is_ascending else -1], account_slot, own)
        if self.store is None or memory[0].first == 0:
            return recent
        older = replace(own, last_place=min(own.last_place, memory[0].first - 1))
        on_disk = self.store.own(account_slot, older, is_ascending)
        return chain(on_disk, recent) if is_ascending else chain(recent, on_disk)

    def _own_in_memory(self, segments: list[Segment], account_slot: int, own: Own) -> Iterator[Part]:
        for segment in segments:
            if ORDER_KIND not in own.kinds and segment.is_outside(own.start_ns, own.end_ns):
                continue
            if segment.first > own.last_place or segment.first + segment.used <= own.first_place:
                continue
            places = segment.rows_of(account_slot)
            kinds = segment.legs["kind"][places]
            is_wanted = kinds == own.kinds[0]
            for kind in own.kinds[1:]:
                is_wanted |= kinds == kind
            yield segment, places[is_wanted]

    def ranges(self, wanted: str, slots: Collection[int], span: Span) -> Iterator[Range]:
        """(segment, first, end) of what may have rows as one of `history_file.WANTED` says, in the span's order."""
        memory, order = self.segments.copy(), 1 if span.ascending else -1
        recent = ((segment, 0, segment.used) for segment in memory[::order])
        if self.store is None or memory[0].first == 0:
            return recent
        last = min(span.last_place, memory[0].first - 1)
        bounds = (span.first_place, last, span.start_ns, span.end_ns)
        on_disk = self.store.ranges(wanted, contracts_mask(slots), bounds, span.ascending)
        return chain(on_disk, recent) if span.ascending else chain(recent, on_disk)

    # --- reading: rows --------------------------------------------------------------------------------------------

    def closed_orders(self, account_slot: int, wanted: OrderFilter) -> Iterator[Any]:
        """(segment, index) of those of an account's closed orders that are wanted, the latest first."""
        for segment, places in self.own_parts(account_slot, wanted.own()):
            yield from segment.told(wanted.among(segment.orders, places).tolist()[::-1])
            if len(places) and segment.orders["updated_ns"][places[0]] < wanted.start_ns:
                return

    def trades(self, account_slot: int, slots: Collection[int], span: Span) -> Iterator[Any]:
        """(segment, index) of an account's trades in some contracts within a span's bounds, in its order."""
        order = 1 if span.ascending else -1
        near = self._near(slots, span)
        for segment, places in self.own_parts(account_slot, _within((TRADE_KIND,), slots, near), span.ascending):
            found = segment.within(places[np.isin(segment.legs["contract_slot"][places], list(slots))], span)
            yield from segment.told(found.tolist()[::order])

    def of_order(self, account_slot: int, order_id: int, kind: int) -> Iterator[Any]:
        """(segment, index) of an order's trades, or of the order itself when it is closed, oldest first."""
        for segment, places in self.own_parts(account_slot, Own((kind,), order_id=order_id), is_ascending=True):
            yield from segment.told(places[segment.legs["order_id"][places] == order_id].tolist())

    def of_contracts(self, slots: Collection[int], flag: int, span: Span) -> Iterator[Any]:
        """(segment, index) of some contracts' trades with a flag within a span's bounds, in its order."""
        order = 1 if span.ascending else -1
        wanted_blocks = "forced" if flag == FLAG_FORCED else "traded"
        for segment, first, end in self.ranges(wanted_blocks, slots, self._near(slots, span)):
            if segment.is_outside(span.start_ns, span.end_ns):
                continue
            if not segment.may_have(slots, span.first_id, span.last_id):
                continue
            rows = segment.legs[first:end]
            wanted = (rows["kind"] == TRADE_KIND) & (rows["flags"] & flag != 0)
            wanted &= np.isin(rows["contract_slot"], list(slots))
            yield from segment.told(segment.within(first + np.flatnonzero(wanted), span).tolist()[::order])

    def _near(self, slots: Collection[int], span: Span) -> Span:
        """A span with bounds of places for its bounds of ids, so that a store need not be read for others."""
        has_ids = span.first_id > 0 or span.last_id < BEHIND
        if self.store is None or not self.segments[0].first or not has_ids or len(slots) != 1:
            return span
        (slot,) = slots
        first = self.store.place_of_trade(slot, span.first_id) if span.first_id > 0 else 0
        last = self.store.place_of_trade(slot, span.last_id + 1) + BLOCK_ROWS if span.last_id < BEHIND else BEHIND
        return replace_struct(
            span, first_place=max(span.first_place, first), last_place=min(span.last_place, last)
        )

    def trade_place(self, contract_slot: int, trade_id: int, is_last: bool) -> int:
        """The place of a contract's trade in the whole history, from 0: its first row, or with `is_last` its last one.

        An id that the contract has not given yet is behind every row, one before its first trade before every row.
        """
        first_id, last_id = (0, trade_id) if is_last else (trade_id, BEHIND)
        for segment, first, end in self._near_trade(contract_slot, trade_id, is_last):
            if not segment.may_have((contract_slot,), first_id, last_id):
                continue
            rows = segment.legs[first:end]
            within = rows["trade_id"] <= trade_id if is_last else rows["trade_id"] >= trade_id
            found = np.flatnonzero((rows["contract_slot"] == contract_slot) & (rows["kind"] == TRADE_KIND) & within)
            if len(found):
                index = first + int(found[-1 if is_last else 0])
                is_it = int(segment.legs["trade_id"][index]) == trade_id
                return segment.first + index if is_it else BEHIND if is_last else 0
        return -1 if is_last else BEHIND

    def _near_trade(self, contract_slot: int, trade_id: int, is_last: bool) -> Iterator[Range]:
        """Where to look for a trade, in this order."""
        first, last = 0, BEHIND
        if self.store is not None and self.segments[0].first > 0:
            near = self.store.place_of_trade(contract_slot, trade_id + is_last)
            first, last = (0, near + BLOCK_ROWS) if is_last else (near, BEHIND)
        return self.ranges("traded", (contract_slot,), Span(first_place=first, last_place=last, ascending=not is_last))

    def money(self, account_slot: int, span: Span) -> Iterator[Any]:
        """(number, segment, index) of an account's trades and money rows, newest first; numbers begin at 1.

        Of the span, the times count, and `last_id` is the highest number.
        """
        bounds = Span(span.start_ns, span.end_ns, last_place=span.last_id - 1)
        for segment, places in self.own_parts(account_slot, _within((TRADE_KIND, MONEY_KIND), None, bounds)):
            for near, index in segment.told(segment.within(places, bounds).tolist()[::-1]):
                yield near.first + index + 1, near, index

    def later(self, kinds: tuple[int, ...], after: int) -> Own:
        """Rows of some kinds of later sequences than one, and maybe some before them. Sequences never go back."""
        first = self.segments[0].first
        if first and self.store is not None and self._first_seq() > after:
            return Own(kinds, first_place=self.store.first_place_after(after))
        for segment in self.segments:
            if _last_seq(segment) > after:
                break
            first = segment.first + segment.used
        return Own(kinds, first_place=first)

    def _first_seq(self) -> int:
        """A sequence that no row in memory is before; the first row may be a candle, which has none."""
        seqs = self.segments[0].legs["seq"][: min(self.segments[0].used, BLOCK_ROWS)]
        return int(seqs[seqs > 0].min(initial=BEHIND))

    def follow(self, durable_seq: Callable[[], int]) -> None:
        """All that the log had is applied: from here on write what is durable, up to this sequence each time.

        What the store has behind it is of a log that was longer: it is taken away.
        """
        if isinstance(self.store, WrittenStore):
            self.store.cut(self.end)
            self.store.durable_seq = durable_seq

    def close(self) -> None:
        """Write what is durable, and close the store."""
        if self.store is not None:
            self.store.close()

    def abandon(self) -> None:
        """Close the store as it is, after a disk that failed."""
        if self.store is not None:
            self.store.abandon()

    def newest_ns(self) -> int:
        """The time of the last row, 0 without one."""
        for segment in reversed(self.segments):
            if segment.used:
                return segment.time_ns(segment.used - 1)
        return 0


def _last_seq(segment: Segment) -> int:
    """The last sequence of a segment's rows; the last row may be a candle, which has none, behind its trade's legs."""
    return int(segment.legs["seq"][max(0, segment.used - BLOCK_ROWS) : segment.used].max(initial=0))


def _within(kinds: tuple[int, ...], slots: Collection[int] | None, span: Span) -> Own:
    """What an index is asked for a span."""
    return Own(
        kinds, slots, first_place=span.first_place, last_place=span.last_place, start_ns=span.start_ns,
        end_ns=span.end_ns,
    )  # fmt: skip
