"""Databento's market by order: DBN files (`dbn_file`) and the same records as CSV (`databento_csv`).

What a record means for a book:

- *A* (add): an order rests. *M* (modify): it has another price or size; one that never came is entered. *C* (cancel):
  its size is taken away, in part or in whole. *R* (clear): all orders of its instrument are gone.
- *T* (trade) and *F* (fill) change no book by themselves. The effect of a fill is the cancel or the modify of the same
  order that follows within its event: so much of the fill is an execution of that order, and so much of the cancel is
  done with it. A fill without one touched no visible order.
- *N* (none) has no effect. What is no market by order, aggregated levels (F_MBP, F_TOB), and orders without a side, a
  price or a size are left out and counted.

*Events* end with F_LAST: there the book is compared. *Seeding*: a snapshot (F_SNAPSHOT) is a clear and adds, and enters
as such wherever it stands. *Forgetting*: nothing. F_MAYBE_BAD_BOOK is counted, and the book goes on.

*Times* are `ts_recv`, by which these files are ordered; `ts_event` where it is undefined or bad (F_BAD_TS_RECV).
*Contracts* are instruments of one publisher, named by the file's mappings, else by their number; of several publishers
of one instrument the later ones have their number behind an @. Above MAX_CONTRACTS those wanted must be named. *Ticks*
are those that `--contract NAME,tick=...` says, else those of definitions in the file, else the finest power of ten that
leaves room for prices eight times as high as those of the contract's first block, or a finer tick of which all these
are multiples. An order whose price is not above zero, as of a spread, is left out and counted.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import njit

from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.recordings.batches import ContractSpec, Wanted
from engine.recordings.databento_csv import MboCsv, is_csv
from engine.recordings.dbn_file import MBO, DbnFile, is_dbn
from engine.recordings.order_lives import BLOCK_ROWS, LIFE, LifeAction, LifeBlock, LifeFlag
from engine.recordings.recorded_contracts import RecordedContracts, refuse_unknown_symbols
from engine.recordings.source import RecordingError, Source
from engine.units import MAX_TICKS

__all__ = ["MboDecoder", "decoder", "is_csv", "is_dbn"]

PRICE_NANOS = 10**9
UNDEF_PRICE = (1 << 63) - 1
UNDEF_SIZE = (1 << 32) - 1
IGNORED = (
    "record that is no market by order",
    "record of an instrument that is not wanted, or has no price yet",
    "record of an aggregated level",
    "order without a side, a price or a size",
    "order whose price is not above zero",
    "fill without an effect on the visible book",
    "record marked as of a book that may be bad",
)
_OTHER, _UNWANTED, _LEVEL, _INCOMPLETE, _NOT_ABOVE, _NO_EFFECT, _BAD_BOOK = range(len(IGNORED))
_ROOM = 8
_LOOK_AHEAD = 1 << 12
"""How many records behind a fill its cancel is looked for."""
_F_LAST, _F_LEVEL, _F_SNAPSHOT, _F_BAD_TIME, _F_BAD_BOOK = 128, 64 | 16, 32, 8, 4
_A, _M, _C, _R, _T, _F, _N = (ord(letter) for letter in "AMCRTFN")
_BID, _ASK = ord("B"), ord("A")
_ADD, _REDUCE, _RESIZE = int(LifeAction.ADD), int(LifeAction.REDUCE), int(LifeAction.RESIZE)
_DELETE, _EXECUTE = int(LifeAction.DELETE), int(LifeAction.EXECUTE)
_CLEAR, _STATUS = int(LifeAction.CLEAR), int(LifeAction.STATUS)
_LAST, _SNAPSHOT, _AGGRESSOR = int(LifeFlag.LAST), int(LifeFlag.SNAPSHOT), int(LifeFlag.AGGRESSOR)
_TIME_NS, _TRADE_ORDER, _IS_NEW_TRADE, _STATE_WORDS = range(4)

Array = np.ndarray[Any, Any]


class Records(Protocol):
    """A file's MBO records; what it says of instruments is complete for the blocks given so far."""

    source: Source
    ticks: dict[int, int]
    others: int
    listed: frozenset[str]

    def records(self) -> Iterator[Array]:
        """MBO rows in blocks."""
        ...

    def name(self, instrument_id: int, block: Array, row: int) -> str:
        """The symbol of the instrument that a row of the last block is about."""
        ...


class Work(NamedTuple):
    """Whole events of wanted instruments and what compiled code notes about them."""

    records: Array
    contracts: Array  # of each record
    messages: Array  # number of each record in the file
    nanos: Array  # of one tick, by contract
    eaten: Array  # how much of each cancel its fills are
    counts: Array
    state: Array


def decoder(source: Source, wanted: Wanted, skip_bad: bool) -> "MboDecoder":
    """The decoder of a DBN file or of its CSV."""
    head = source.head()
    return MboDecoder(DbnFile(source) if is_dbn(head) else MboCsv(source, skip_bad), wanted, skip_bad)


class MboDecoder(RecordedContracts):
    """Decodes MBO records into the lives of their orders."""

    format = "databento"
    total = 0

    def __init__(self, file: Records, wanted: Wanted, skip_bad: bool = False) -> None:
        super().__init__(file.source, wanted)
        self.file, self.skip_bad = file, skip_bad
        self._bad = 0
        self._slots: dict[int, int] = {}
        self._nanos = np.zeros(0, np.int64)
        self._counts = np.zeros(len(IGNORED), np.int64)
        self._state = np.zeros(_STATE_WORDS, np.int64)

    @property
    def bad(self) -> int:
        """Records, or lines of a CSV, that were left out as malformed."""
        return self._bad + int(getattr(self.file, "bad", 0))

    @property
    def ignored(self) -> dict[str, int]:
        """How many records had no effect, or less than they say, by why."""
        self._counts[_OTHER] = self.file.others
        return {name: int(count) for name, count in zip(IGNORED, self._counts, strict=True) if count}

    def blocks(self) -> Iterator[LifeBlock]:
        """The whole file, event by event: a fill and its cancel are never parted by the end of a block."""
        rest: tuple[Array, Array, Array] = (np.zeros(0, MBO), np.zeros(0, np.int64), np.zeros(0, np.int64))
        read = 0
        for records in self.file.records():
            numbers = np.arange(read + 1, read + 1 + len(records))
            read += len(records)
            self._refuse_unlisted()
            kept = self._checked(records, self._contracts_of(records), numbers)
            joined = [np.concatenate(pair) for pair in zip(rest, kept, strict=True)] if len(rest[0]) else list(kept)
            whole = _whole_events(joined[0])
            reached = int(joined[2][whole]) - 1 if whole < len(joined[2]) else read
            yield self._decoded(joined, whole, reached)
            rest = (joined[0][whole:], joined[1][whole:], joined[2][whole:])
        yield self._decoded(list(rest), len(rest[0]), read)

    def _decoded(self, joined: list[Array], whole: int, read: int) -> LifeBlock:
        records, contracts, numbers = (each[:whole] for each in joined)
        out = np.zeros(whole, LIFE)
        work = Work(records, contracts, numbers, self._nanos, np.zeros(whole, np.int64), self._counts, self._state)
        return LifeBlock(out[: _decode(work, out)], read)

    def _refuse_unlisted(self) -> None:
        """Where all names are listed in front of the records, a symbol that is none of them is refused at once.

        An instrument without a name is called by its number.
        """
        if self.file.listed:
            numbers = {symbol for symbol in self.wanted.symbols if symbol.isdecimal()}
            refuse_unknown_symbols(self.wanted, self.seen | self.file.listed | numbers)

    # --- instruments --------------------------------------------------------------------------------------------------

    def _contracts_of(self, records: Array) -> Array:
        """The contract of each record; -1 for those that are not wanted or have no price yet."""
        both = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
        keys, first, places = np.unique(both, return_index=True, return_inverse=True)
        slots = np.full(len(keys), -1, np.int64)
        for index in np.argsort(first).tolist():
            key = int(keys[index])
            if key not in self._slots:
                self._meet(key, records, places == index)
            slots[index] = self._slots.get(key, -1)
        return slots[places]

    def _meet(self, key: int, records: Array, is_its: Array) -> None:
        """A publisher's first records of an instrument: a contract when it is wanted and has a price."""
        publisher_id, instrument_id = key >> 32, key & 0xFFFF_FFFF
        name = self.file.name(instrument_id, records, int(np.argmax(is_its)))
        if not self.takes(name):
            self._slots[key] = -1
            return
        prices = records["price"][is_its]
        prices = prices[(prices > 0) & (prices != UNDEF_PRICE)]
        if not len(prices):
            return
        if any(other & 0xFFFF_FFFF == instrument_id for other, slot in self._slots.items() if slot >= 0):
            name = f"{name}@{publisher_id}"
        if any(each.name == name for each in self.contracts):
            name = f"{name}:{instrument_id}"
        nanos = self.file.ticks.get(instrument_id) or _tick_of(prices)
        slot = self.append(ContractSpec(name, tick=_decimal(nanos)))
        spec = self.contracts[slot]
        said = Decimal(spec.tick) * PRICE_NANOS
        if said != int(said):
            raise RecordingError(
                f"{self.file.source.name}: a tick of {spec.tick} is finer than the format's 0.000000001"
            )
        self._slots[key] = slot
        self._nanos = np.append(self._nanos, np.int64(said))

    # --- records ------------------------------------------------------------------------------------------------------

    def _checked(self, records: Array, contracts: Array, numbers: Array) -> tuple[Array, Array, Array]:
        """The records that are wanted and sound. RecordingError for one that is not, unless those are to be skipped."""
        wanted = contracts >= 0
        self._counts[_UNWANTED] += len(records) - int(wanted.sum())
        if not wanted.all():
            records, contracts, numbers = records[wanted], contracts[wanted], numbers[wanted]
        wrong = ~_ACTIONS[records["action"]]
        nanos = self._nanos[contracts] if len(contracts) else np.zeros(0, np.int64)
        prices = records["price"]
        priced = ((records["action"] == _A) | (records["action"] == _M)) & (prices > 0) & (prices != UNDEF_PRICE)
        wrong |= priced & ((prices % np.maximum(nanos, 1) != 0) | (prices // np.maximum(nanos, 1) > MAX_TICKS))
        if wrong.any():
            if not self.skip_bad:
                row = int(np.argmax(wrong))
                self._refuse(records[row], self.contracts[int(contracts[row])], int(numbers[row]))
            self._bad += int(wrong.sum())
            records, contracts, numbers = records[~wrong], contracts[~wrong], numbers[~wrong]
        return records, contracts, numbers

    def _refuse(self, row: Any, spec: ContractSpec, number: int) -> None:
        where, price = f"{self.file.source.name}, record {number:,}", _decimal(int(row["price"]))
        if not _ACTIONS[row["action"]]:
            letter = bytes([int(row["action"])]).decode("ascii", "replace")
            raise RecordingError(f"{where}, action: {letter!r} is none of A, C, M, R, T, F, N")
        if int(row["price"]) % int(Decimal(spec.tick) * PRICE_NANOS):
            reason = (
                f"{price} is no multiple of the tick {spec.tick}; name a finer one with --contract {spec.name},tick=..."
            )
            raise RecordingError(f"{where}, price: {reason}")
        reason = f"{price} is above {MAX_TICKS:,} ticks of {spec.tick}"
        raise RecordingError(f"{where}, price: {reason}; name a coarser one with --contract {spec.name},tick=...")


_ACTIONS = np.zeros(256, bool)
_ACTIONS[[_A, _M, _C, _R, _T, _F, _N]] = True


def _tick_of(prices: Array) -> int:
    """The finest power of ten that leaves prices room, or a finer tick of which all these are multiples, in 1e-9."""
    fine = 1
    while int(prices.max()) * _ROOM > fine * MAX_TICKS:
        fine *= 10
    return int(np.gcd(np.gcd.reduce(prices), fine))


def _decimal(nanos: int) -> str:
    return f"{(Decimal(nanos) / PRICE_NANOS).normalize():f}"


def _whole_events(records: Array) -> int:
    """How many records may be decoded before the next block is seen."""
    action = records["action"]
    ends = np.flatnonzero((records["flags"] & _F_LAST != 0) & (action != _T) & (action != _F))
    if len(ends):
        return int(ends[-1]) + 1
    return len(records) if len(records) >= 2 * BLOCK_ROWS else 0


@njit(cache=True)
def _executed(w, first):
    """How much of a fill its order's cancel or modify takes from the book, within the same event."""
    fill, records = w.records[first], w.records
    left = np.int64(fill.size)
    for index in range(first + 1, min(len(records), first + _LOOK_AHEAD)):
        row = records[index]
        if w.contracts[index] != w.contracts[first]:
            continue
        if row.ts_event != fill.ts_event or row.action == _A or row.action == _R:
            break
        if row.order_id == fill.order_id and row.action == _M:
            return np.int64(fill.size)
        if row.order_id == fill.order_id and row.action == _C:
            part = min(left, np.int64(row.size) - w.eaten[index])
            w.eaten[index] += part
            left -= part
            if left == 0:
                break
        if row.flags & _F_LAST and row.action != _T and row.action != _F:
            break
    return np.int64(fill.size) - left


@njit(cache=True)
def _time_of(w, row):
    """ts_recv, else ts_event, else the time of the record before. A snapshot's ts_recv is when it was made."""
    time_ns = row.ts_recv
    if time_ns < 0 or row.flags & (_F_BAD_TIME | _F_SNAPSHOT) == _F_BAD_TIME:
        time_ns = row.ts_event if row.ts_event >= 0 else time_ns
    if time_ns >= 0:
        w.state[_TIME_NS] = time_ns
    return w.state[_TIME_NS]


@njit(cache=True)
def _fill(w, index, life):
    """An execution of what the fill took from the book; whether there was any."""
    size = _executed(w, index)
    if size == 0:
        w.counts[_NO_EFFECT] += 1
        return False
    life.action, life.size_lots = _EXECUTE, size
    if w.state[_IS_NEW_TRADE]:
        life.flags |= _AGGRESSOR
        w.state[_IS_NEW_TRADE] = 0
    return True


@njit(cache=True)
def _place(w, index, life):
    """An add or a modify; whether it says enough."""
    row = w.records[index]
    if row.action == _M and row.size == 0:
        life.action = _DELETE
        return True
    if (row.side != _BID and row.side != _ASK) or row.price == UNDEF_PRICE or row.size == 0 or row.size == UNDEF_SIZE:
        w.counts[_INCOMPLETE] += 1
        return False
    life.side = SIDE_BUY if row.side == _BID else SIDE_SELL
    life.size_lots = row.size
    life.action = _ADD if row.action == _A else _RESIZE
    if row.price <= 0:
        w.counts[_NOT_ABOVE] += 1
        life.action = _DELETE
        return row.action == _M
    life.price_ticks = row.price // w.nanos[w.contracts[index]]
    return True


@njit(cache=True)
def _fill_in(w, index, life):
    """Say in `life` what a record means; whether it means anything for a book."""
    row = w.records[index]
    if row.flags & _F_LEVEL:
        w.counts[_LEVEL] += 1
        return False
    if row.action == _T:
        if row.order_id != 0 and row.order_id != w.state[_TRADE_ORDER]:
            w.state[_TRADE_ORDER], w.state[_IS_NEW_TRADE] = row.order_id, 1
        return False
    if row.action == _F:
        return _fill(w, index, life)
    if row.action == _A or row.action == _M:
        return _place(w, index, life)
    if row.action == _C:
        life.action = _DELETE if row.size == UNDEF_SIZE else _REDUCE
        life.size_lots = np.int64(row.size) - w.eaten[index]
        return life.size_lots > 0
    life.action = _CLEAR
    return row.action == _R


@njit(cache=True)
def _decode(w, out):
    """LIFE rows of whole events; how many."""
    written = 0
    for index in range(len(w.records)):
        row, life = w.records[index], out[written]
        contract = w.contracts[index]
        w.counts[_BAD_BOOK] += row.flags & _F_BAD_BOOK != 0
        life.flags = _SNAPSHOT if row.flags & _F_SNAPSHOT else 0
        life.time_ns, life.message, life.contract = _time_of(w, row), w.messages[index], contract
        life.order_id = row.order_id
        is_told = _fill_in(w, index, life)
        if row.flags & _F_LAST and not is_told:
            if written and out[written - 1].contract == contract:
                out[written - 1].flags |= _LAST
            else:
                life.action, life.size_lots, life.price_ticks, life.side = _STATUS, 0, 0, 0
                is_told = True
        if is_told:
            life.flags |= _LAST if row.flags & _F_LAST else 0
            written += 1
        else:
            life.size_lots = life.price_ticks = 0
            life.side = 0
    return written
