"""The part of the history that is on disk, as the read model asks for it, and how it gets there.

A store is read by one thread. The venue's own store has a writer beside it, a thread that takes full segments and makes
their rows durable as soon as the commands behind them are; another process may follow the file without writing it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from engine import disk
from gateway.read_model.account_index import AccountIndex
from gateway.read_model.event_fold import LEG_ROW, TRADE_KIND
from gateway.read_model.history_file import (
    BLOCK_ROWS,
    HistoryDiskError,
    HistoryError,
    HistoryFile,
    UnmadeError,
    contracts_mask,
)
from gateway.read_model.rows_ahead import BEHIND
from gateway.read_model.segments import MANY_ROWS, Segment
from gateway.wire.errors import ErrorCode, Refusal

WAITING_SEGMENTS = 8
"""When so many full segments wait to be written the fold waits for the writer: memory stays bounded."""
PAUSE_SHARE, LONGEST_PAUSE_SECONDS = 3, 0.02
"""The writer rests so many times as long as it worked, after each block and each step of a merge. Without that a full
segment, 40 to 70 ms of work, keeps orders waiting for as long on a core that it shares with the loop."""
DAY_NS = 86_400_000_000_000
_RETRY_SECONDS, _LOOK_SECONDS = 1.0, 0.02
_FORGOTTEN_BLOCKS = 256
_LOG = logging.getLogger("lionrock.history")
Part = tuple[Segment, Any]
"""Some rows of one segment or block: (segment, their indexes in order of place)."""
Answer = TypeVar("Answer")
Range = tuple[Segment, int, int]
"""Rows of one segment or block that follow each other: (segment, first index, end)."""


@dataclass(frozen=True, slots=True)
class Own:
    """Which rows of an account: of these kinds, of these contracts if given, and so on; places are included bounds."""

    kinds: tuple[int, ...]
    slots: Collection[int] | None = None
    marks: int = 0
    order_id: int = 0
    first_place: int = 0
    last_place: int = BEHIND
    start_ns: int = 0
    end_ns: int = BEHIND

    def among(self, entries: Any) -> Any:
        """Those entries of the index that are wanted, times aside."""
        wanted = np.isin(entries["kind"], self.kinds)
        if self.slots is not None:
            wanted &= np.isin(entries["contract_slot"], list(self.slots))
        if self.marks:
            wanted &= entries["marks"] & self.marks == self.marks
        if self.order_id:
            wanted &= entries["order_id"] == self.order_id
        return entries[wanted]


class HistoryStore:
    """The history of a file that another process writes, as far as it is on disk at each moment."""

    def __init__(self, path: Path) -> None:
        """HistoryError when the file is not there, damaged or of another format."""
        self._file = HistoryFile(path)
        self._index = AccountIndex(self._file)

    @property
    def end(self) -> int:
        """The place behind the last row that is on disk."""
        return self._file.bounds()[1] * BLOCK_ROWS

    @property
    def on_disk(self) -> int:
        """The place behind the last row that an earlier run left on disk."""
        return self.end

    def begin(self, place: int, last: Any) -> None:
        """From this place on rows come from memory; `last` is the row at the place before, if it is known."""

    def offer(self, segment: Segment, seq: int) -> None:
        """A segment is full with the events of commands up to a sequence."""
        segment.seal()

    def keep_series(self, key: int, data: bytes) -> None:
        """A block of a series is full; it goes to disk with the next segment."""

    def has_series(self, key: int) -> bool:
        """Whether such a block is on disk, so that it may leave memory."""
        return False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is, after a disk that failed."""
        self.close()

    # --- reading --------------------------------------------------------------------------------------------------

    def own(self, account_slot: int, own: Own, is_ascending: bool) -> Iterator[Part]:
        """An account's wanted rows, block by block; times are those of blocks, so a few rows are outside them."""
        return _told(self._own(account_slot, own, is_ascending))

    def _own(self, account_slot: int, own: Own, is_ascending: bool) -> Iterator[Part]:
        first, last = self._between(own.first_place, own.last_place, own.start_ns, own.end_ns)
        for entries in self._index.find(account_slot, first, last, is_ascending):
            places = own.among(entries)["place"]
            blocks = places // BLOCK_ROWS
            starts = np.flatnonzero(np.diff(blocks, prepend=-1)).tolist()
            for start, end in pairwise([*starts, len(places)]):
                block = self._file.block(int(blocks[start]))
                indexes = places[start:end] - block.first  # in the order of the question
                if len(indexes) >= MANY_ROWS:
                    yield block, indexes if is_ascending else indexes[::-1]
                else:
                    for segment, index in block.told(indexes.tolist()):
                        yield segment, np.array([index])

    def ranges(self, wanted: str, mask: int, bounds: tuple[int, int, int, int], is_ascending: bool) -> Iterator[Range]:
        """The rows of blocks that have wanted rows; `bounds`: first and last place, first and last time."""
        return _told(self._ranges(wanted, mask, bounds, is_ascending))

    def _ranges(self, wanted: str, mask: int, bounds: tuple[int, int, int, int], is_ascending: bool) -> Iterator[Range]:
        first, last = self._between(*bounds)
        for note in self._file.notes(first // BLOCK_ROWS, last // BLOCK_ROWS, wanted, is_ascending, mask):
            block = self._file.block(note.n)
            yield block, max(1, first - block.first), min(BLOCK_ROWS, last - block.first) + 1

    def place_of_trade(self, contract_slot: int, trade_id: int) -> int:
        """Where the first block begins with which the ids of a contract's trades have come to at least this one.

        Without one on disk, the place behind the last block. Ids only grow.
        """
        return next(_told(self._place_of_trade(contract_slot, trade_id)))

    def _place_of_trade(self, contract_slot: int, trade_id: int) -> Iterator[int]:
        first, past = self._file.bounds()
        while first < past:
            middle = (first + past) // 2
            for note in self._file.notes(first, middle, "traded", False, contracts_mask((contract_slot,))):
                rows = self._file.block(note.n).legs[1:]
                ids = rows["trade_id"][(rows["kind"] == TRADE_KIND) & (rows["contract_slot"] == contract_slot)]
                if len(ids):
                    first, past = (first, note.n) if ids[-1] >= trade_id else (middle + 1, past)
                    break
            else:
                first = middle + 1
        yield first * BLOCK_ROWS

    def first_place_after(self, seq: int) -> int:
        """A place that no row of a sequence up to this one comes behind by more than a block."""
        return next(_told(self._first_place_after(seq)))

    def _first_place_after(self, seq: int) -> Iterator[int]:
        first, past = self._file.bounds()
        yield self._file.place_of(4, seq + 1, first, past) * BLOCK_ROWS

    def _between(self, first_place: int, last_place: int, start_ns: int, end_ns: int) -> tuple[int, int]:
        """Places in what is on disk between which all rows of some places and times are."""
        first, past = self._file.bounds()
        low = self._file.place_of(2, start_ns, first, past) if start_ns > 0 else first
        high = self._file.place_of(1, end_ns + 1, first, past) if end_ns < BEHIND else past
        return max(first_place, low * BLOCK_ROWS), min(last_place, high * BLOCK_ROWS - 1)

    def series_block(self, key: int) -> bytes:
        """A block of a series."""
        return next(_told(self._file.blob("series", key) for _ in (0,)))

    def series_keys(self) -> list[int]:
        """The keys of all blocks of series, in order."""
        return [key for (key,) in self._file.run("SELECT id FROM series ORDER BY id")]


def _told(found: Iterator[Answer]) -> Iterator[Answer]:
    """What is read from disk; when it cannot be read the question is refused, and the operator is told why."""
    try:
        yield from found
    except HistoryError as error:
        _LOG.error("a question about the history is refused: %s", error)
        reason = "HISTORY_UNREADABLE: older rows cannot be read at the moment; the venue's operator has been told"
        raise Refusal(ErrorCode.RETRY, reason) from error


class _Joined:
    """Some rows behind others. Parts of them are copied only where they have some of both.

    To copy a segment would hold the interpreter for as long as the system takes to give so much new memory.
    """

    def __init__(self, head: Any, body: Any) -> None:
        self._head, self._body = head, body

    def __len__(self) -> int:
        return len(self._head) + len(self._body)

    def __getitem__(self, part: slice) -> Any:
        first, end, _ = part.indices(len(self))
        head = len(self._head)
        if first >= head:
            return self._body[first - head : end - head]
        return np.concatenate([self._head[first:end], self._body[: max(0, end - head)]])

    def between(self, first: int, end: int) -> "_Joined":
        """Those from one to before another."""
        head = len(self._head)
        return _Joined(self._head[first:end], self._body[max(0, first - head) : max(0, end - head)])


class Offer(NamedTuple):
    """A full segment, the sequence up to which its commands must be durable, and full blocks of series by key."""

    segment: Segment
    seq: int
    series: dict[int, bytes]


@dataclass(slots=True)
class Figures:
    """What there is to tell about the writer; plain numbers that anybody may read."""

    segments_waiting: int = 0
    rows_written: int = 0
    fold_waited_ns: int = 0
    fault: str = ""
    """What is wrong now; the rows wait in memory meanwhile."""
    index_fault: str = ""
    """Why the index is not merged any more: questions about accounts get slower."""


class WrittenStore(HistoryStore):
    """The venue's own store. Rows that are on disk already are compared and not written twice."""

    def __init__(self, path: Path, days: int = 0, is_threaded: bool = True) -> None:
        """`days`: how long rows are kept, 0 for ever; without a thread, rows are written where they are offered.

        HistoryError when the file is damaged or of another format.
        """
        self._path, self._is_open, self._blocks_end = path, False, 0
        if disk.current().is_there(path):
            self._open()
        self.figures = Figures()
        self.durable_seq: Callable[[], int] = lambda: BEHIND
        """Up to which sequence commands are durable; all of them until the venue says otherwise."""
        self._days = days
        self._offers: deque[Offer] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        """Held by whoever uses the writer's connection."""
        self._is_closing = self._is_awaited = False
        self._resumed_ns = 0
        """When the writer went on after its last pause."""
        self._merging: Iterator[None] = iter(())
        self._end = 0
        self._tail = np.zeros(1, LEG_ROW)
        self._series: dict[int, bytes] = {}
        self._series_written: set[int] = set()
        self._is_threaded = is_threaded
        self._thread: threading.Thread | None = None

    def _open(self) -> None:
        """Open the file, or make it: that waits until there is something to write."""
        self._out = HistoryFile(self._path, is_written=True)
        self._out_index = AccountIndex(self._out)
        self._blocks_end = min(self._out.bounds()[1], self._out_index.prepare())
        if self._blocks_end < self._out.bounds()[1]:
            self._out.delete_blocks(self._blocks_end, self._out.bounds()[1])
        super().__init__(self._path)
        self._is_open = True

    # --- the loop's side ------------------------------------------------------------------------------------------

    @property
    def end(self) -> int:
        """The place up to which rows are on disk, and are known to be those of this log."""
        return self._end

    @property
    def on_disk(self) -> int:
        """The place behind the last row that an earlier run left on disk."""
        return self._blocks_end * BLOCK_ROWS

    def series_keys(self) -> list[int]:
        return super().series_keys() if self._is_open else []

    def begin(self, place: int, last: Any) -> None:
        """From this place on rows come from memory; the rows before it must be on disk. `last` is the row before."""
        self.drain()
        first_block = -(-place // BLOCK_ROWS)
        with self._writing:
            self._end = first_block * BLOCK_ROWS
            self._tail = np.zeros(1, LEG_ROW)
            if first_block:
                self._tail[0] = self._out.block(first_block - 1).legs[-1] if self._end == place else last

    def offer(self, segment: Segment, seq: int) -> None:
        """Have a full segment written; waits while too many wait and the writer can go on."""
        offer = Offer(segment, seq, self._series)
        self._series = {}
        with self._changed:
            self._offers.append(offer)
            self.figures.segments_waiting = len(self._offers)
            self._changed.notify_all()
        if not self._is_threaded:
            self.drain()
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="history", daemon=True)
            self._thread.start()
        if len(self._offers) > WAITING_SEGMENTS:
            self._wait(lambda: len(self._offers) <= WAITING_SEGMENTS or not self._can_write())

    def keep_series(self, key: int, data: bytes) -> None:
        self._series[key] = data

    def has_series(self, key: int) -> bool:
        return key in self._series_written

    def _can_write(self) -> bool:
        return not self.figures.fault and bool(self._offers) and self._offers[0].seq <= self.durable_seq()

    def _wait(self, is_over: Callable[[], bool]) -> None:
        begun, self._is_awaited = time.perf_counter_ns(), True
        with self._changed:
            while not is_over():
                self._changed.wait(_LOOK_SECONDS)
        self._is_awaited = False
        self.figures.fold_waited_ns += time.perf_counter_ns() - begun

    def drain(self) -> None:
        """Wait until everything offered is written, as far as it is durable and the disk takes it."""
        if not self._is_threaded:
            while self._can_write():
                self._write_next()
                while self._merge_step():
                    continue
        else:
            self._wait(lambda: not self._can_write())

    def cut(self, end: int) -> None:
        """Take away what is on disk behind the log's last row: a log that lost its end had more when it was written."""
        self.drain()
        with self._writing:
            self._cut(end // BLOCK_ROWS)

    def close(self) -> None:
        """Write what is durable, and close the file."""
        self.drain()
        self.abandon()

    def abandon(self) -> None:
        self._is_closing = True
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._is_open:
            self._out.close()
            super().close()

    # --- the writer's side ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        """The thread: write what is offered, and merge the index one step at a time beside it."""
        while not self._is_closing:
            if self._can_write():
                self._write_next()
            self._resumed_ns = time.perf_counter_ns()
            has_merged = self._merge_step()  # without the lock: the loop takes it to offer a segment
            self._pause()
            with self._changed:
                if not has_merged and not self._can_write() and not self._is_closing:
                    self._changed.wait(_RETRY_SECONDS if not self._offers else _LOOK_SECONDS)
                    if self.figures.fault:
                        self._changed.wait(_RETRY_SECONDS)
                        self.figures.fault = ""

    def _pause(self) -> None:
        """Let the loop have the core for some times as long as the writer has had it, unless somebody waits for it."""
        if self._is_awaited or self._is_closing or not self._is_threaded or len(self._offers) > 1:
            return
        worked_ns = time.perf_counter_ns() - self._resumed_ns
        time.sleep(min(PAUSE_SHARE * worked_ns / 1e9, LONGEST_PAUSE_SECONDS))
        self._resumed_ns = time.perf_counter_ns()

    def _write_next(self) -> None:
        """Write the oldest offer. What fails is told, and tried again a second later; the rows stay in memory."""
        offer, self._resumed_ns = self._offers[0], time.perf_counter_ns()
        try:
            with self._writing:
                if not self._is_open:
                    self._open()
                self._write(offer)
        except HistoryError as error:
            if self.figures.fault != str(error):
                _LOG.error("history is not written, its rows wait in memory: %s", error)
            self.figures.fault = str(error)
            return
        with self._changed:
            self._offers.popleft()
            self.figures.segments_waiting = len(self._offers)
            self._changed.notify_all()

    def _write(self, offer: Offer) -> None:
        segment = offer.segment
        segment.seal()
        begin = self._end + len(self._tail) - 1
        rows = _Joined(self._tail, segment.legs[max(0, begin - segment.first) : segment.used])
        first, end = self._end // BLOCK_ROWS, self._end // BLOCK_ROWS + (len(rows) - 1) // BLOCK_ROWS
        block = self._compared(first, end, rows)
        new = rows.between((block - first) * BLOCK_ROWS, (end - first) * BLOCK_ROWS + 1)

        def write() -> None:
            if block < end:
                self._out.add_blocks(block, new, self._pause)
                self._out_index.add(block, end, new, self._pause)
            for key, data in offer.series.items():
                self._out.run("INSERT OR REPLACE INTO series VALUES (?, ?)", key, self._out.sealed("series", key, data))
            if self._days:
                self._forget()

        if block < end or offer.series:
            self._out.in_transaction(write)
        self._blocks_end = max(self._blocks_end, end)
        self.figures.rows_written += (end - block) * BLOCK_ROWS
        self._tail = rows[(end - first) * BLOCK_ROWS :].copy()
        self._series_written.update(offer.series)
        self._end = end * BLOCK_ROWS

    def _compared(self, first: int, end: int, rows: Any) -> int:
        """From which of some blocks on the rows are to be written; what is on disk and other is taken away before."""
        oldest = self._out.bounds()[0]
        for n in range(first, min(end, self._blocks_end)):
            at = (n - first) * BLOCK_ROWS
            if n >= oldest and not self._out.has_same(n, rows[at : at + BLOCK_ROWS + 1]):
                _LOG.warning("history on disk is not that of this log from row %d on: written again", n * BLOCK_ROWS)
                self._cut(n)
                return n
        return max(first, min(end, self._blocks_end))

    def _cut(self, block: int) -> None:
        if self._is_open and block < self._blocks_end:
            self._merging = iter(())
            self._out_index.cut(block)
            self._out.in_transaction(lambda: self._out.delete_blocks(block, self._blocks_end))
            self._blocks_end = block

    def _merge_step(self) -> bool:
        """One step of a merge; whether there was one to do. After a fault the index is left as it is."""
        if self.figures.index_fault or not self._is_open:
            return False
        try:
            with self._writing:
                if next(self._merging, 0) == 0:
                    self._merging = self._out_index.merge()
                    return next(self._merging, 0) != 0
        except HistoryError as error:
            self.figures.index_fault = str(error)
            _LOG.error("the index of the history is not merged any more: %s", error)
            return False
        return True

    def _forget(self) -> None:
        """Take away some blocks that are older than what is kept. To be called in a transaction."""
        first, past = self._out.bounds()
        newest = self._out.note(past - 1)
        if newest is not None:
            oldest = self._out.place_of(2, newest.last_ns - self._days * DAY_NS, first, past)
            oldest = min(oldest, first + _FORGOTTEN_BLOCKS)
            self._out.delete_blocks(first, oldest)
            self._out_index.forget(oldest)


def follow(path: Path) -> HistoryStore | None:
    """The store that another process writes; None where there is no file, or one that cannot be used, with a word."""
    try:
        return HistoryStore(path) if disk.current().is_there(path) else None
    except UnmadeError:
        return None
    except HistoryError as error:
        _LOG.warning("%s", error)
        return None


def open_store(path: Path, days: int) -> WrittenStore:
    """The venue's store. A damaged file is deleted, with a word: the journal has what was in it.

    HistoryDiskError, and nothing is deleted, when the disk cannot read or write it now.
    """
    try:
        return WrittenStore(path, days)
    except HistoryDiskError:
        raise
    except HistoryError as error:
        _LOG.warning("%s: deleted, and made again", error)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        if disk.current().is_there(path.with_name(name)):
            disk.current().unlink(path.with_name(name))
    return WrittenStore(path, days)
