"""Compares what the engine did with what a recording says: books row by row, executions one by one.

The comparison itself is compiled and only counts; of the first differences it keeps notes, which become text here.
"""

from typing import Any

import numpy as np

from engine.code_values import EVENT_FILL, FLAG_TAKER, SIDE_BUY
from engine.kernels import part
from engine.recordings.batches import READER_ID
from engine.recordings.checks import ASK_TICKS, BID_TICKS, BOOK_WORDS, EXECUTION, book_of, copy_book
from engine.recordings.depth import known_levels, write_known_book
from engine.schema import MAX_CONTRACTS, record

KEPT_DIFFERENCES = 5
NOTED_FILLS = 8
"""Of what happened instead of a recorded execution, so many trades are kept."""
SHOWN_FILLS = 3
"""Of our own trades that no recorded one has matched yet, the last so many are shown."""
_SIDES = ("bid", "ask")
_LATE, _FIRST_SLOT, _KEPT_BOOKS = 0, 1, 4
"""Of the books that are kept, one is the recorded one that came early; the other three take turns."""
_FILLS = 4096
CHECKED, EQUAL, EXECUTIONS, AS_RECORDED, _COUNTS = range(5)
"""What is counted for each contract: book rows, and those that are equal; executions, and those as recorded."""

FILL = record([("cl_ord_id", "i8"), ("price_ticks", "i8"), ("qty_lots", "i8")])
"""A trade of ours: the maker's id, price and quantity."""
TALLY = record(
    [
        ("contract", "i8"),  # of the present check
        ("one_event_off", "i8"),
        ("book_notes", "i8"),
        ("execution_notes", "i8"),
        ("fills", "i8"),  # since the last check
        ("loose", "i8"),  # fills that no recorded trade without order ids has matched yet
        ("events", "i8"),  # recorded events so far, up to two
        ("ours", "i8"),  # which of the kept books is the engine's now, after the last event, and after the one before
        ("now", "i8"),
        ("earlier", "i8"),
        ("has_late", "i8"),
        ("next_fill", "i8"),  # of the present check: the fill that is being shared out, and what is taken of it
        ("taken_lots", "i8"),
    ]
)
NOTE = record([("message", "i8"), ("execution", EXECUTION), ("count", "i8"), ("instead", FILL, (NOTED_FILLS,))])
Array = np.ndarray[Any, Any]


class Comparison:
    """Counts of what was compared, and what is kept between checks.

    `counts` has a row for each contract: CHECKED, EQUAL, EXECUTIONS, AS_RECORDED. `book_rows_one_event_off` are rows
    that differ, but equal the engine's book one recorded event earlier or later: a feed that is slower than its
    snapshots. `differences` describes the first rows that differ, `execution_differences` the first executions.
    """

    def __init__(self, depth: int) -> None:
        self.tally, self.counts = np.zeros(1, TALLY), np.zeros((MAX_CONTRACTS, _COUNTS), np.int64)
        self.fills, self.loose = np.zeros(_FILLS, FILL), np.zeros(_FILLS, FILL)
        self.notes, self.book_messages = np.zeros(KEPT_DIFFERENCES, NOTE), np.zeros(KEPT_DIFFERENCES, np.int64)
        self.tally["ours"], self.tally["now"], self.tally["earlier"] = range(_FIRST_SLOT, _KEPT_BOOKS)
        self.set_depth(depth)

    def set_depth(self, depth: int) -> None:
        """Compare so many levels from now on; nothing may have been compared with another depth."""
        self.depth, self.known = depth, known_levels(depth)
        self.books = np.zeros((_KEPT_BOOKS, depth, BOOK_WORDS), np.int64)
        self.book_notes = np.zeros((KEPT_DIFFERENCES, 2, depth, BOOK_WORDS), np.int64)

    def make_room(self) -> None:
        """Room for the fills of one more ring of events, and for all of them to wait for a recorded trade."""
        tally = self.tally[0]
        if len(self.fills) < 2 * tally["fills"] + _FILLS:
            self.fills = np.concatenate([self.fills, np.zeros_like(self.fills)])
        while len(self.loose) < tally["loose"] + len(self.fills):
            self.loose = np.concatenate([self.loose, np.zeros_like(self.loose)])

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What `take_fills` and `compare` need; it changes with `make_room` and `set_depth`."""
        kept = self.tally, self.fills, self.loose, self.books
        return *kept, self.book_messages, self.book_notes, self.notes, self.counts, self.known

    def count(self, column: int) -> int:
        """One of the counts, over all contracts."""
        return int(self.counts[:, column].sum())

    @property
    def book_rows_one_event_off(self) -> int:
        """Rows that equal the book one event earlier or later."""
        return int(self.tally["one_event_off"][0])

    @property
    def differences(self) -> list[str]:
        """The first book rows that differ, for a person."""
        count = int(self.tally["book_notes"][0])
        noted = zip(self.book_messages[:count].tolist(), self.book_notes[:count], strict=True)
        return [describe(message, book_of(recorded), book_of(ours)) for message, (recorded, ours) in noted]

    @property
    def execution_differences(self) -> list[str]:
        """The first executions that differ, for a person."""
        return [describe_execution(note) for note in self.notes[: int(self.tally["execution_notes"][0])]]


# --- compiled ---------------------------------------------------------------------------------------------------------


@part
def take_fills(tally, fills, ring, first, written):
    """Keep the makers' side of every trade among `written` events of the ring from the first one on."""
    used = np.int64(tally.fills)
    for place in range(first, first + written):
        event = ring[place]
        if event.kind == EVENT_FILL and event.flags & FLAG_TAKER == 0:
            fill = fills[used]
            fill.cl_ord_id = event.cl_ord_id
            fill.price_ticks = event.price_ticks
            fill.qty_lots = event.last_lots
            used += 1
    tally.fills = used


@part
def compare(s, compared, check, said, first):
    """Compare one check with the fills since the last one and the book now.

    `said`: (executions, books) of the batch; `first`: which rows of them are the check's first.
    """
    tallies, _, _, books, _, _, _, _, known = compared
    tally = tallies[0]
    tally.contract = check.contract
    executions, recorded = said
    first_execution, first_book = first
    if check.executions > 0 and executions[first_execution].cl_ord_id != 0:
        tally.next_fill = 0
        tally.taken_lots = 0
        for place in range(first_execution, first_execution + check.executions):
            _take_named(tally, compared, check.message, executions[place])
    else:
        _loosen(compared)
        for place in range(first_execution, first_execution + check.executions):
            _match_loose(tally, compared, check.message, executions[place])
    if check.books > 1:
        write_known_book(s, check.contract, known, books[tally.ours])
        _compare_sweep(tally, compared, check, said, first)
    elif check.books == 1:
        write_known_book(s, check.contract, known, books[tally.ours])
        _compare_book(tally, compared, check.message, recorded[first_book])
    elif check.executions == 0:
        write_known_book(s, check.contract, known, books[tally.ours])
        _pass_event(tally, books)
    tally.fills = 0


@part
def _are_equal(left, right):
    for level in range(len(left)):
        for word in range(BOOK_WORDS):
            if left[level, word] != right[level, word]:
                return False
    return True


@part
def _compare_book(tally, compared, message, recorded):
    _, _, _, books, book_messages, book_notes, _, counts, _ = compared
    counts[tally.contract, CHECKED] += 1
    if _are_equal(recorded, books[tally.ours]):
        counts[tally.contract, EQUAL] += 1
        return
    if tally.events > 1 and _are_equal(books[tally.earlier], recorded):
        tally.one_event_off += 1
    else:
        tally.has_late = 1
        copy_book(books[_LATE], recorded)
    if tally.book_notes < KEPT_DIFFERENCES:
        note = np.int64(tally.book_notes)
        book_messages[note] = message
        copy_book(book_notes[note, 0], recorded)
        copy_book(book_notes[note, 1], books[tally.ours])
        tally.book_notes += 1


@part
def _compare_sweep(tally, compared, check, said, first):
    """The books within a sweep are the last one with the later fills put back."""
    _, fills, _, books, _, _, _, _, _ = compared
    executions, recorded = said
    first_execution, first_book = first
    left, open_lots = np.int64(tally.fills), np.int64(0)
    if left > 0:
        open_lots = np.int64(fills[left - 1].qty_lots)
    for back in range(check.books - 1, -1, -1):
        _compare_book(tally, compared, check.message, recorded[first_book + back])
        execution = executions[first_execution + back]
        missing = np.int64(execution.qty_lots)
        while missing > 0 and left > 0:
            lots = min(missing, open_lots)
            _put_back(books[tally.ours], execution.side, fills[left - 1].price_ticks, lots)
            missing -= lots
            open_lots -= lots
            if open_lots == 0:
                left -= 1
                if left > 0:
                    open_lots = np.int64(fills[left - 1].qty_lots)


@part
def _put_back(ours, side, price, lots):
    """Add quantity to a level of one side, which only the best levels are kept of."""
    ticks = BID_TICKS if side == SIDE_BUY else ASK_TICKS
    for level in range(len(ours)):
        at = ours[level, ticks]
        is_open = ours[level, ticks + 1] != 0
        if is_open and at == price:
            ours[level, ticks + 1] += lots
            return
        if not is_open or (price > at if side == SIDE_BUY else price < at):
            for worse in range(len(ours) - 1, level, -1):
                ours[worse, ticks] = ours[worse - 1, ticks]
                ours[worse, ticks + 1] = ours[worse - 1, ticks + 1]
            ours[level, ticks] = price
            ours[level, ticks + 1] = lots
            return


@part
def _pass_event(tally, books):
    """A recorded event has been applied: a row that differed may have been ahead of it."""
    if tally.has_late and _are_equal(books[_LATE], books[tally.ours]):
        tally.one_event_off += 1
    tally.has_late = 0
    tally.events = min(tally.events + 1, 2)
    free = np.int64(tally.earlier)
    tally.earlier = tally.now
    tally.now = tally.ours
    tally.ours = free


@part
def _take_named(tally, compared, message, execution):
    """Share out the next fills of a sweep: as recorded is what took, at its price and in full, the named order."""
    _, fills, _, _, _, _, notes, _, _ = compared
    missing, same, count = np.int64(execution.qty_lots), True, 0
    note = min(np.int64(tally.execution_notes), KEPT_DIFFERENCES - 1)
    is_noted = tally.execution_notes < KEPT_DIFFERENCES
    while missing > 0 and tally.next_fill < tally.fills:
        fill = fills[tally.next_fill]
        lots = min(missing, fill.qty_lots - tally.taken_lots)
        same = same and fill.cl_ord_id == execution.cl_ord_id and fill.price_ticks == execution.price_ticks
        if is_noted and count < NOTED_FILLS:
            _note_fill(notes[note].instead[count], fill, lots)
        count += 1
        missing -= lots
        tally.taken_lots += lots
        if tally.taken_lots == fill.qty_lots:
            tally.next_fill += 1
            tally.taken_lots = 0
    _count(tally, compared, message, execution, (same and missing == 0, count))


@part
def _note_fill(noted, fill, lots):
    noted.cl_ord_id = fill.cl_ord_id
    noted.price_ticks = fill.price_ticks
    noted.qty_lots = lots


@part
def _count(tally, compared, message, execution, found):
    """Count an execution; what happened instead, `found[1]` trades, is in the next note by now."""
    _, _, _, _, _, _, notes, counts, _ = compared
    is_equal, count = found
    counts[tally.contract, EXECUTIONS] += 1
    if is_equal:
        counts[tally.contract, AS_RECORDED] += 1
    elif tally.execution_notes < KEPT_DIFFERENCES:
        note = notes[tally.execution_notes]
        note.message = message
        note.count = count
        note.execution.cl_ord_id = execution.cl_ord_id
        note.execution.price_ticks = execution.price_ticks
        note.execution.qty_lots = execution.qty_lots
        tally.execution_notes += 1


@part
def _loosen(compared):
    """The fills since the last check may be matched by trades that are recorded later."""
    tallies, fills, loose, _, _, _, _, _, _ = compared
    tally = tallies[0]
    for place in range(tally.fills):
        loose[tally.loose] = fills[place]
        tally.loose += 1


@part
def _match_loose(tally, compared, message, execution):
    """A recorded execution without order ids is as recorded when a fill has its price and quantity."""
    _, _, loose, _, _, _, notes, _, _ = compared
    for place in range(tally.loose):
        if loose[place].price_ticks == execution.price_ticks and loose[place].qty_lots == execution.qty_lots:
            for behind in range(place + 1, tally.loose):
                loose[behind - 1] = loose[behind]
            tally.loose -= 1
            _count(tally, compared, message, execution, (True, 0))
            return
    count = min(np.int64(tally.loose), SHOWN_FILLS)
    if tally.execution_notes < KEPT_DIFFERENCES:
        for place in range(count):
            fill = loose[tally.loose - count + place]
            _note_fill(notes[tally.execution_notes].instead[place], fill, fill.qty_lots)
    _count(tally, compared, message, execution, (False, count))


# --- for a person -----------------------------------------------------------------------------------------------------


def describe(message: int, recorded: Any, ours: Any) -> str:
    """The first level at which two books, each (bids, asks), differ, for a person."""
    for name, theirs, mine in zip(_SIDES, recorded, ours, strict=True):
        for level in range(max(len(theirs), len(mine))):
            was = theirs[level] if level < len(theirs) else None
            now = mine[level] if level < len(mine) else None
            if was != now:
                return f"message {message}: {name} {level + 1} is {_level(now)}, recorded {_level(was)}"
    return f"message {message}: equal"


def describe_execution(note: Any) -> str:
    """What a recorded execution was, and what happened here instead, for a person. `note` is one NOTE."""
    execution, count = note["execution"], int(note["count"])
    head = f"message {note['message']}: recorded {_fill(execution)}; here"
    if not count:
        return f"{head} nothing traded"
    instead = ", ".join(map(_fill, note["instead"][: min(count, NOTED_FILLS)]))
    if count > NOTED_FILLS:
        instead += f" and {count - NOTED_FILLS} trades more"
    if execution["cl_ord_id"]:
        return f"{head} {instead}"
    return f"{head} no such trade, not matched so far: {instead}"


def _level(level: tuple[int, int] | None) -> str:
    return "empty" if level is None else f"{level[1]} at {level[0]}"


def _fill(fill: Any) -> str:
    maker, quantity = int(fill["cl_ord_id"]), f"{fill['qty_lots']} at {fill['price_ticks']}"
    if not maker:
        return quantity
    name = f"order {maker}" if maker < READER_ID else "an order that it does not name"
    return f"{quantity} from {name}"
