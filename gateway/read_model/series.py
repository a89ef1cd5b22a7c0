"""Records of each contract in order of time, such as candles: the latest in memory, full blocks of older on disk."""

from collections import defaultdict
from typing import Any

import numpy as np

from gateway.read_model.history_store import HistoryStore
from gateway.read_model.saved_rows import SavedRows

_CONTRACT_BITS, _BLOCK_BITS = 16, 32
_FIRST_ROWS = 64
_START = np.dtype([("contract_slot", "i8"), ("time_ns", "i8")])


class _Records:
    """One contract's records in memory: those from the ordinal `base` on."""

    __slots__ = ("base", "offered", "rows", "used")

    def __init__(self, dtype: Any) -> None:
        self.base = self.used = self.offered = 0
        self.rows = np.zeros(_FIRST_ROWS, dtype)

    def append(self, values: tuple[int, ...]) -> None:
        if self.used == len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.rows[self.used] = values
        self.used += 1

    def drop(self, count: int) -> None:
        """Let go of the oldest records."""
        self.rows = np.concatenate([self.rows[count : self.used], np.zeros(_FIRST_ROWS, self.rows.dtype)])
        self.base, self.used = self.base + count, self.used - count


class Series:
    """Records by contract slot. A record begins with `time_ns`, which only grows; its ordinal never changes."""

    def __init__(self, name: str, number: int, dtype: Any, block_rows: int, store: HistoryStore | None) -> None:
        """`number` tells one series of a store from another. Two blocks stay in memory at least."""
        self._name, self._number, self._dtype, self._block_rows = name, number, dtype, block_rows
        self._store = store
        self._records: defaultdict[int, _Records] = defaultdict(lambda: _Records(dtype))
        self._starts: defaultdict[int, list[int]] = defaultdict(list)
        """By contract, the time of the first record of each block that is on disk alone."""

    def append(self, contract_slot: int, values: tuple[int, ...]) -> None:
        """Add a record."""
        records, size = self._records[contract_slot], self._block_rows
        records.append(values)
        store = self._store
        if store is None or records.used < 2 * size:
            return
        offered = max(records.offered, records.base)
        if records.base + records.used - offered >= 2 * size:
            first = offered - records.base
            store.keep_series(self._key(contract_slot, offered // size), records.rows[first : first + size].tobytes())
            records.offered = offered + size
        while records.used >= 3 * size and store.has_series(self._key(contract_slot, records.base // size)):
            self._starts[contract_slot].append(int(records.rows["time_ns"][0]))
            records.drop(size)

    def _key(self, contract_slot: int, block: int) -> int:
        return (self._number << _CONTRACT_BITS | contract_slot) << _BLOCK_BITS | block

    def count(self, contract_slot: int) -> int:
        """How many records a contract has had."""
        records = self._records[contract_slot]
        return records.base + records.used

    def ordinal(self, contract_slot: int, time_ns: int) -> int:
        """The ordinal of a contract's first record that is not before a time; how many there are without one."""
        records, starts = self._records[contract_slot], self._starts[contract_slot]
        rows = records.rows["time_ns"][: records.used]
        if not starts or (records.used and rows[0] <= time_ns):
            return records.base + int(np.searchsorted(rows, time_ns))
        block = max(0, int(np.searchsorted(starts, time_ns)) - 1)
        times = self._block(contract_slot, block)["time_ns"]
        return block * self._block_rows + int(np.searchsorted(times, time_ns))

    def rows(self, contract_slot: int, first: int, end: int) -> Any:
        """The records of some ordinals, oldest first."""
        records, size = self._records[contract_slot], self._block_rows
        parts = []
        for block in range(first // size, -(-min(end, records.base) // size)):
            parts.append(self._block(contract_slot, block)[max(0, first - block * size) : end - block * size])
        low = max(first, records.base) - records.base
        parts.append(records.rows[low : max(low, min(end - records.base, records.used))])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _block(self, contract_slot: int, block: int) -> Any:
        assert self._store is not None  # only a store lets blocks leave memory
        return np.frombuffer(self._store.series_block(self._key(contract_slot, block)), self._dtype)

    def saved(self) -> dict[str, Any]:
        """The records in memory and where those on disk begin, to save them."""
        parts = []
        for slot, records in self._records.items():
            part = np.zeros(records.used, self._saved_dtype())
            part["contract_slot"], part["ordinal"] = slot, records.base + np.arange(records.used)
            part["record"] = records.rows[: records.used]
            parts.append(part)
        starts = [(slot, start) for slot, found in self._starts.items() for start in found]
        rows = np.concatenate([np.zeros(0, self._saved_dtype()), *parts])
        return {self._name: rows, f"{self._name}_starts": np.array(starts, _START)}

    def _saved_dtype(self) -> Any:
        return np.dtype([("contract_slot", "i8"), ("ordinal", "i8"), ("record", self._dtype)])

    def saved_rows(self, saved: SavedRows) -> tuple[Any, Any]:
        """(records, starts of blocks) that were saved. SavedRowsError when blocks of them are not on disk."""
        rows, starts = saved.array(self._name, self._saved_dtype()), saved.array(f"{self._name}_starts", _START)
        slots, counts = np.unique(starts["contract_slot"], return_counts=True)
        known = set(self._store.series_keys()) if self._store is not None else set()
        wanted = {
            self._key(slot, block)
            for slot, count in zip(slots.tolist(), counts.tolist(), strict=True) for block in range(count)
        }  # fmt: skip
        if not wanted <= known:
            raise saved.wrong(f"it needs {len(wanted - known)} blocks of {self._name} that are not on disk")
        return rows, starts

    def load(self, rows: Any, starts: Any) -> None:
        """Load what `saved_rows` gave."""
        for slot, start in starts.tolist():
            self._starts[slot].append(start)
        for slot in np.unique(rows["contract_slot"]).tolist():
            own, records = rows[rows["contract_slot"] == slot], self._records[slot]
            records.base, records.used = int(own["ordinal"][0]), len(own)
            records.offered = records.base
            records.rows = np.concatenate([own["record"], np.zeros(_FIRST_ROWS, self._dtype)])
