"""Which rows of the history on disk are an account's: sorted runs of entries, merged in the background.

Each write adds a run for its blocks, sorted by account and place. Sixteen runs of one level are merged into one of the
next, so that a question about an account looks into few runs however long the history is. A run is a list of chunks;
its directory says with which account and place each chunk begins. Runs cover blocks without a gap: one that is missing
is noticed. A merge is done in steps, each durable by itself; the run that it makes counts when it is whole.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from engine.disk import Pace
from engine.schema import record
from gateway.read_model.event_fold import ORDER_ROW
from gateway.read_model.history_file import BLOCK_ROWS, HistoryFile, block_notes
from gateway.read_model.row_scans import PLACE_MASK, note_entries, writable
from gateway.read_model.segments import Segment

ENTRY = record(
    [
        ("place", "i8"),
        ("order_id", "i8"),
        ("account_slot", "i4"),
        ("contract_slot", "i2"),
        ("kind", "i1"),
        ("marks", "i1"),  # orders: FILLED, CONDITIONAL
    ]
)
CHUNK_ENTRIES = 4096
FAN_IN = 16
LEVELS = 2
"""Runs of the last level are not merged any more: one has some sixteen million rows."""
STEP_CHUNKS = 16
PART_ROWS = 8 * BLOCK_ROWS
"""So many rows are looked through at once when they are added: some tenths of a millisecond."""
_PLACES = np.dtype([("account_slot", "i8"), ("place", "i8")])
_HEAD = struct.Struct("<qqq")
_NUMBER_BITS = 20
_CACHED_RUNS = 64


class Run(NamedTuple):
    """A run over blocks from `first` to before `past`, and with what each of its chunks begins."""

    number: int
    first: int
    past: int
    level: int
    directory: Any


def warm_up() -> None:
    """Compile what a full segment's way to the disk needs, before one comes."""
    segment = Segment(BLOCK_ROWS)
    segment.used = BLOCK_ROWS
    segment.seal()
    entries_of(0, segment.legs)
    block_notes(0, segment.legs)


def entries_of(first_place: int, legs: Any) -> Any:
    """The entries of rows that belong to accounts, sorted by account; those of one account by place."""
    found = _Found(len(legs))
    found.add(first_place, legs)
    return found.in_order()


class _Found:
    """Entries that are collected in order of place."""

    def __init__(self, rows: int) -> None:
        self._entries, self._keys = np.empty(rows, ENTRY), np.empty(rows, np.int64)
        self._count = 0

    def add(self, first_place: int, legs: Any) -> None:
        """Add those of some rows."""
        rows = writable(legs)
        self._count = note_entries(rows, rows.view(ORDER_ROW), first_place, self._entries, self._keys, self._count)

    def in_order(self) -> Any:
        """All of them by account and place."""
        # Numbers that have account and place are sorted several times as quickly as entries by their accounts.
        keys = self._keys[: self._count]
        keys.sort()
        return self._entries[keys & PLACE_MASK]


class AccountIndex:
    """The runs of a file."""

    def __init__(self, file: HistoryFile) -> None:
        self._file = file
        self._known: dict[int, Run] = {}
        self._next = 1

    def prepare(self) -> int:
        """Take away what merges that were not finished left; answers behind which block nothing is indexed.

        HistoryError when a run is missing between others.
        """
        numbers = sorted(number for (number,) in self._file.run("SELECT number FROM run"))
        for before, after in zip([0, *numbers], [*numbers, 1 << 40], strict=True):
            self._file.run("DELETE FROM chunk WHERE id >= ? AND id < ?", *_ids(before + 1, after))
        self._next = max(numbers, default=0) + 1
        end = -1
        for first, past in self._file.run("SELECT first, past FROM run ORDER BY first"):
            if type(past) is not int or end not in (-1, first):
                raise self._file.wrong(f"its index of the blocks from {end} on is missing")
            end = past
        return max(end, 0)

    def check(self) -> Iterator[int]:
        """Read and check every run: the size of each part in bytes. HistoryError. Others may write meanwhile."""
        end = -1
        for number, first, past in self._file.run("SELECT number, first, past FROM run ORDER BY first"):
            if end not in (-1, first):
                raise self._file.wrong(f"its index of the blocks from {end} on is missing")
            end = past
            yield from self._check_run(number)

    def _check_run(self, number: int) -> Iterator[int]:
        found = self._file.run("SELECT * FROM run WHERE number = ?", number)
        if not found:
            return  # merged into another meanwhile
        run = self._run(found[0])
        for at, start in enumerate(run.directory):
            rows = self._file.run("SELECT data FROM chunk WHERE id = ?", _id(number, at))
            if not rows and not self._file.run("SELECT 1 FROM run WHERE number = ?", number):
                return
            entries = self._entries(run, at, rows[0][0] if rows else None)
            if (entries["account_slot"][0], entries["place"][0]) != tuple(start):
                raise self._file.wrong(f"its run {number} is damaged")
            yield entries.nbytes

    # --- reading --------------------------------------------------------------------------------------------------

    def find(self, account_slot: int, first: int, last: int, is_ascending: bool) -> Iterator[Any]:
        """An account's entries between two places, both included, a chunk at a time, in order of place."""
        while first <= last:
            block = (first if is_ascending else last) // BLOCK_ROWS
            run = self._run_over(block)
            for at in self._chunks(run, account_slot, is_ascending):
                if _is_outside(run.directory[at : at + 2], account_slot, first, last):
                    continue
                rows = self._file.run("SELECT data FROM chunk WHERE id = ?", _id(run.number, at))
                if not rows and not self._file.run("SELECT 1 FROM run WHERE number = ?", run.number):
                    break  # merged into another meanwhile, which is read from here on
                found = self._entries(run, at, rows[0][0] if rows else None)
                places = found["place"]
                found = found[(found["account_slot"] == account_slot) & (places >= first) & (places <= last)]
                if len(found):
                    first, last = (int(found["place"][-1]) + 1, last) if is_ascending else (
                        first, int(found["place"][0]) - 1
                    )  # fmt: skip
                    yield found if is_ascending else found[::-1]
            else:
                first, last = (
                    (max(first, run.past * BLOCK_ROWS), last)
                    if is_ascending
                    else (first, min(last, run.first * BLOCK_ROWS - 1))
                )

    def _run_over(self, block: int) -> Run:
        """The run that has a block."""
        rows = self._file.run("SELECT * FROM run WHERE first <= ? ORDER BY first DESC LIMIT 1", block)
        if not rows or type(rows[0][2]) is not int or rows[0][2] <= block:
            raise self._file.wrong(f"its index of block {block} is missing")
        return self._run(rows[0])

    def _run(self, row: tuple[Any, ...]) -> Run:
        number, *bounds, data = row
        known = self._known.get(number)
        if known is None:
            opened = self._file.opened("run", number, data)
            if list(_HEAD.unpack_from(opened)) != bounds:
                raise self._file.wrong(f"its run {number} is damaged")
            known = Run._make((number, *bounds, np.frombuffer(opened, _PLACES, offset=_HEAD.size)))
            if len(self._known) >= _CACHED_RUNS:
                self._known.clear()
            self._known[number] = known
        return known

    def _chunks(self, run: Run, account_slot: int, is_ascending: bool) -> range:
        """The chunks of a run that may have an account's entries, in the order of the question."""
        accounts = run.directory["account_slot"]
        first = max(0, int(np.searchsorted(accounts, account_slot)) - 1)
        past = int(np.searchsorted(accounts, account_slot, "right"))
        return range(first, past) if is_ascending else range(past - 1, first - 1, -1)

    def _entries(self, run: Run, at: int, data: bytes | None) -> Any:
        key = _id(run.number, at)
        return np.frombuffer(self._file.opened("chunk", key, data), ENTRY)

    # --- writing --------------------------------------------------------------------------------------------------

    def add(self, first_block: int, past_block: int, rows: Any, pace: Pace) -> None:
        """Add a run for new blocks; `rows` are theirs behind the row before them. To be called in a transaction."""
        found, starts = _Found(len(rows) - 1), []
        for first in range(0, len(rows) - 1, PART_ROWS):
            found.add(first_block * BLOCK_ROWS + first, rows[first + 1 : first + 1 + PART_ROWS])
            pace()
        entries = found.in_order()
        for at, first in enumerate(range(0, len(entries), CHUNK_ENTRIES)):
            pace()
            starts.append(self._write_chunk(self._next, at, entries[first : first + CHUNK_ENTRIES]))
        self._write_run((first_block, past_block, 0), starts)

    def _write_chunk(self, number: int, at: int, entries: Any) -> tuple[int, int]:
        key = _id(number, at)
        self._file.run("INSERT INTO chunk VALUES (?, ?)", key, self._file.sealed("chunk", key, entries.tobytes()))
        return int(entries["account_slot"][0]), int(entries["place"][0])

    def _write_run(self, bounds: tuple[int, int, int], starts: list[tuple[int, int]], number: int = 0) -> None:
        if not number:
            number, self._next = self._next, self._next + 1
        data = self._file.sealed("run", number, _HEAD.pack(*bounds) + np.array(starts, _PLACES).tobytes())
        self._file.run("INSERT INTO run VALUES (?, ?, ?, ?, ?)", number, *bounds, data)

    def _delete(self, runs: list[Run]) -> None:
        for run in runs:
            self._file.run("DELETE FROM run WHERE number = ?", run.number)
            self._file.run("DELETE FROM chunk WHERE id >= ? AND id < ?", *_ids(run.number, run.number + 1))

    def merge(self) -> Iterator[None]:
        """Merge the oldest runs of a level that has enough of them, one step at a time; nothing when none has."""
        for level in range(LEVELS):
            rows = self._file.run("SELECT * FROM run WHERE level = ? ORDER BY first LIMIT ?", level, FAN_IN)
            if len(rows) == FAN_IN:
                runs = [self._run(row) for row in rows]
                yield from self._rewrite(runs, level + 1, runs[-1].past)
                return

    def cut(self, block: int) -> None:
        """Have no entries of this block and later ones."""
        for row in self._file.run("SELECT * FROM run WHERE past > ? AND first < ?", block, block):
            run = self._run(row)
            for _ in self._rewrite([run], run.level, block):
                continue
        later = [self._run(row) for row in self._file.run("SELECT * FROM run WHERE first >= ?", block)]
        self._file.in_transaction(lambda: self._delete(later))

    def forget(self, block: int) -> None:
        """Take away runs that have nothing from this block on. To be called in a transaction."""
        self._delete([self._run(row) for row in self._file.run("SELECT * FROM run WHERE past <= ?", block)])

    def _rewrite(self, runs: list[Run], level: int, past: int) -> Iterator[None]:
        """Write runs anew as one, up to a block."""
        number, self._next = self._next, self._next + 1
        starts: list[tuple[int, int]] = []
        waiting: list[Any] = []

        def write(size: int) -> None:
            rows = np.concatenate([*waiting, np.zeros(0, ENTRY)])
            waiting.clear()
            whole = len(rows) - len(rows) % size
            for first in range(0, whole, CHUNK_ENTRIES):
                starts.append(self._write_chunk(number, len(starts), rows[first : min(first + CHUNK_ENTRIES, whole)]))
            waiting.append(rows[whole:])

        def finish() -> None:
            write(1)
            self._write_run((runs[0].first, past, level), starts, number)
            self._delete(runs)

        for entries in self._in_order(runs):
            waiting.append(entries[entries["place"] < past * BLOCK_ROWS])
            if sum(map(len, waiting)) >= STEP_CHUNKS * CHUNK_ENTRIES:
                self._file.in_transaction(lambda: write(CHUNK_ENTRIES))
                yield
        self._file.in_transaction(finish)
        yield

    def _in_order(self, runs: list[Run]) -> Iterator[Any]:
        """The entries of runs by account and place, some at a time. Runs come in order of place."""
        read, left = [0] * len(runs), [np.zeros(0, ENTRY) for _ in runs]
        while True:
            for place, run in enumerate(runs):
                if not len(left[place]) and read[place] < len(run.directory):
                    left[place] = np.frombuffer(self._file.blob("chunk", _id(run.number, read[place])), ENTRY)
                    read[place] += 1
            if not any(map(len, left)):
                return
            # What comes behind the last entry of a run that has more chunks is not known yet.
            ends = [
                (int(left[place]["account_slot"][-1]), place)
                for place, run in enumerate(runs) if read[place] < len(run.directory)
            ]  # fmt: skip
            account, last = min(ends, default=(1 << 32, 0))
            taken = []
            for place, entries in enumerate(left):
                # Runs up to the one that ends first are read to the end of that account, later ones to before it.
                count = int(np.searchsorted(entries["account_slot"], account + (place <= last)))
                taken.append(entries[:count])
                left[place] = entries[count:]
            found = np.concatenate(taken)
            yield found[np.argsort(found["account_slot"], kind="stable")]


def _is_outside(starts: Any, account_slot: int, first: int, last: int) -> bool:
    """Whether a chunk has nothing but rows of one account outside some places; `starts`: its own and the next one's."""
    if len(starts) < 2 or (starts["account_slot"] != account_slot).any():
        return False
    return bool(starts["place"][0] > last or starts["place"][1] <= first)


def _id(number: int, at: int) -> int:
    return number << _NUMBER_BITS | at


def _ids(first: int, past: int) -> tuple[int, int]:
    """The ids of the chunks of runs between two numbers."""
    return first << _NUMBER_BITS, past << _NUMBER_BITS
