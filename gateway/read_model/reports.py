"""What an account's own channels say: each state of its orders after each command, its trades, and its notices.

The live channels and `venue/resume` read the same rows by the same rule, so both say the same, in the same order. An
order that one command changes several times is said once, as the command leaves it. Order states and notices are kept
in a log of bounded length; trades are in the history.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from engine.codes import EventKind
from gateway.read_model import render
from gateway.read_model.event_fold import LEG_ROW, NOTICE_KIND, TRADE_KIND
from gateway.read_model.history import History
from gateway.read_model.history_store import Part, Range
from gateway.read_model.history_views import HISTORY_ROW_BYTES, notice_view, order_view, user_trade_view
from gateway.read_model.rows_ahead import BEHIND, HELPER, SEGMENT_ROWS, RowsAhead
from gateway.read_model.saved_rows import SavedRows
from gateway.read_model.segments import Segment
from gateway.wire.decimals import Contract
from gateway.wire.reasons import shown
from gateway.wire.views import NoticeView, Report

REPORT_ROWS = 1 << 20
"""How many report rows are kept unless the venue says otherwise."""
_FLOOR = np.dtype([("account_slot", "i8"), ("seq", "i8")])


class Reports:
    """The log of order states and notices of all accounts, and what of it and of the trades is an account's."""

    def __init__(self, history: History, contracts: Sequence[Contract], rows: int = REPORT_ROWS) -> None:
        """`rows` is how many are kept at least; whole segments are forgotten."""
        self._floors = np.zeros(0, np.int64)
        """By account, the sequence of its last row that is forgotten, 0 for none."""
        self._history = history
        self._contracts = contracts
        self._rows = rows
        self._segments = [Segment(min(rows, SEGMENT_ROWS))]
        self._ahead = RowsAhead()
        self._kept = 0
        self._recent: Range = (self._segments[0], 0, 0)

    # --- writing --------------------------------------------------------------------------------------------------

    def room(self, rows: int) -> Segment:
        """The segment that takes the next batch's rows; it has room for so many."""
        last = self._segments[-1]
        if len(last.legs) - last.used < rows:
            HELPER.do(last.legs, last.seal, goes_first=True)
            self._kept += last.used
            last = self._another(rows)
            self._segments.append(last)
        elif last.used >= self._ahead.at:
            will_reuse = self._kept + len(last.legs) - self._segments[0].used >= self._rows
            self._ahead.look(last.legs, last.used, wants_next=not will_reuse)
        return last

    def _another(self, rows: int) -> Segment:
        """A segment for so many rows: the one that is forgotten, whose memory is there already, or a new one."""
        forgotten = None
        while self._kept - self._segments[0].used >= self._rows:
            forgotten = self._forget()
        if forgotten is None or len(forgotten.legs) < rows or not forgotten.is_sealed:
            rows = max(min(self._rows, SEGMENT_ROWS), rows)
            return Segment(rows, empty=self._ahead.take(rows))
        forgotten.clear()
        return forgotten

    def _forget(self) -> Segment:
        oldest = self._segments.pop(0)
        self._kept -= oldest.used
        self._raise_floors(oldest.legs["account_slot"][: oldest.used], oldest.legs["seq"][: oldest.used])
        return oldest

    def _raise_floors(self, accounts: Any, seqs: Any) -> None:
        """Rows of these accounts and sequences are forgotten; of an account the last one counts."""
        owned = accounts >= 0
        room = int(accounts.max(initial=-1)) + 1
        if room > len(self._floors):
            self._floors = np.concatenate((self._floors, np.zeros(2 * room - len(self._floors), np.int64)))
        self._floors[accounts[owned]] = seqs[owned]

    def floor(self, account_slot: int) -> int:
        """What an account is told of later sequences than this one is whole."""
        return int(self._floors[account_slot]) if 0 <= account_slot < len(self._floors) else 0

    @property
    def rows_in_memory(self) -> int:
        """How many rows are kept."""
        return self._kept + self._segments[-1].used

    def noted(self, segment: Segment, end: int) -> None:
        """A batch's rows are written up to `end`."""
        self._recent = (segment, segment.used, end)
        segment.used = end

    def saved(self) -> dict[str, Any]:
        """Copies of all rows and of what was forgotten, to save them."""
        rows = np.concatenate([segment.legs[: segment.used] for segment in self._segments])
        accounts = np.flatnonzero(self._floors)
        floors = np.zeros(len(accounts), _FLOOR)
        floors["account_slot"], floors["seq"] = accounts, self._floors[accounts]
        return {"reports": rows, "report_floors": floors}

    def saved_rows(self, saved: SavedRows) -> tuple[Any, Any]:
        """(rows, what was forgotten) that were saved."""
        return saved.array("reports", LEG_ROW), saved.array("report_floors", _FLOOR)

    def load(self, rows: Any, floors: Any) -> None:
        """Load what `saved` gave, in full segments, so that the first questions after a restart cost what others do."""
        size = min(self._rows, SEGMENT_ROWS)
        parts = [rows[first : first + size] for first in range(0, len(rows), size)]
        self._segments = [Segment(len(part), full=part) for part in parts]
        for segment in self._segments:
            segment.seal()
        self._segments.append(Segment(size))
        self._floors = np.zeros(0, np.int64)
        self._raise_floors(floors["account_slot"], floors["seq"])
        self._kept = len(rows)
        self._recent = (self._segments[-1], 0, 0)

    # --- reading --------------------------------------------------------------------------------------------------

    def of_batch(self, account_slot: int, written: Range) -> list[Report]:
        """An account's facts of the last batch, by sequence; `written` are the batch's history rows."""
        notes, trades = _own(self._recent, account_slot), _own(written, account_slot, TRADE_KIND)
        return [self._report(*place) for place in _in_order([notes], [trades])]

    def since(self, account_slot: int, after: int, until: int, count: int) -> tuple[list[Report], bool]:
        """An account's facts of later sequences than `after`, up to `until`, oldest first, and whether there are more.

        A sequence is never split, so there may be more than `count`; there may be fewer where orders changed several
        times within one.
        """
        notes = _until_more(_later(self._segments, account_slot, after), (after, until), count)
        trades = _until_more(self._trades(account_slot, after), (after, until), count)
        last = _last_sequence([*notes, *trades], count)
        found = _in_order(_up_to(notes, last), _up_to(trades, last))
        end = min(count, len(found))
        while 0 < end < len(found) and found[end][0] == found[end - 1][0]:
            end += 1
        has_more = end < len(found) or any((_seqs(part) > last).any() for part in (*notes, *trades))
        return [self._report(*place) for place in found[:end]], has_more

    def _trades(self, account_slot: int, after: int) -> Iterator[Part]:
        """An account's trades of later sequences than one and maybe some before them, oldest first."""
        return self._history.own_parts(account_slot, self._history.later((TRADE_KIND,), after), is_ascending=True)

    def _report(self, seq: int, segment: Segment, place: int) -> Report:
        offset, kind = place * HISTORY_ROW_BYTES, segment.legs["kind"][place]
        if kind == NOTICE_KIND:
            notice = notice_view(segment.data, offset)
            return Report(seq, "notice", notice.contract_slot, self._notice(notice))
        if kind == TRADE_KIND:
            trade = user_trade_view(segment.data, offset)
            slot = trade.trade.contract_slot
            return Report(seq, "trade", slot, render.user_trade(self._contracts[slot], trade))
        order = order_view(segment.data, offset)
        return Report(seq, "order", order.contract_slot, render.order(self._contracts[order.contract_slot], order))

    def _notice(self, notice: NoticeView) -> bytes:
        if notice.kind == EventKind.MARGIN_CALL:
            return render.margin_call(notice.code, notice.old_value, notice.new_value, notice.time_ns)
        contract = self._contracts[notice.contract_slot] if notice.contract_slot >= 0 else None
        return render.lapsed(contract, shown(notice.code), notice.time_ns)


def _own(part: Range, account_slot: int, kind: int = 0) -> tuple[Segment, Any]:
    """The places of an account's rows in a part, of one kind if given."""
    segment, first, end = part
    rows = segment.legs[first:end]
    wanted = rows["account_slot"] == account_slot
    if kind:
        wanted &= rows["kind"] == kind
    return segment, first + np.flatnonzero(wanted)


def _later(segments: list[Segment], account_slot: int, after: int) -> Iterator[Part]:
    """An account's rows of segments that have later sequences than one, oldest first. Sequences never go back."""
    for segment in segments:
        if segment.used and segment.legs["seq"][segment.used - 1] > after:
            yield segment, segment.rows_of(account_slot)


def _until_more(parts: Iterable[Part], span: tuple[int, int], count: int) -> list[Part]:
    """Rows of sequences after one and up to another, until there are more than so many with whole sequences."""
    found: list[Part] = []
    seqs = np.zeros(0, np.int64)
    for segment, places in parts:
        own = segment.legs["seq"][places]
        first, end = np.searchsorted(own, span, "right")
        found.append((segment, places[first:end]))
        seqs = np.append(seqs, own[first:end])
        if end < len(own) or (len(seqs) > count and seqs[count] < seqs[-1]):
            break
    return found


def _seqs(part: Part) -> Any:
    segment, places = part
    return segment.legs["seq"][places]


def _last_sequence(parts: list[Part], count: int) -> int:
    """The sequence with which the first so many rows are whole; a page costs what it has, not what is behind it."""
    seqs = np.concatenate([np.zeros(0, np.int64), *map(_seqs, parts)])
    return int(np.partition(seqs, count)[count]) if count < len(seqs) else BEHIND


def _up_to(parts: list[Part], last: int) -> list[Part]:
    return [(part[0], part[1][_seqs(part) <= last]) for part in parts]


def _in_order(notes: list[Part], trades: list[Part]) -> list[tuple[int, Segment, int]]:
    """(sequence, segment, place) of facts, by sequence; of one sequence its orders as it touched them, then its trades.

    Of the states that an order had within one sequence the last one counts.
    """
    last: dict[tuple[int, int], tuple[Segment, int]] = {}
    for segment, places in notes:
        rows = segment.legs[places]
        ids = np.where(rows["kind"] == NOTICE_KIND, -1 - places, rows["order_id"])
        for seq, order_id, place in zip(rows["seq"].tolist(), ids.tolist(), places.tolist(), strict=True):
            last[seq, order_id] = (segment, place)
    found = [(seq, *where) for (seq, _), where in last.items()]
    for segment, places in trades:
        seqs = segment.legs["seq"][places].tolist()
        found += [(seq, segment, place) for seq, place in zip(seqs, places.tolist(), strict=True)]
    found.sort(key=itemgetter(0))
    return found
