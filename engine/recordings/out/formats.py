"""What a format of files has to offer to an export."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import IO, Any, Protocol

import numpy as np

from engine.recordings.batches import ContractSpec

Rows = np.ndarray[Any, Any]
DAY_NS = 86_400 * 10**9
_EPOCH = date(1970, 1, 1)


class Writer(Protocol):
    """Writes one file. `rows` is how many rows it has so far, `waiting_bytes` what it holds in memory."""

    rows: int
    waiting_bytes: int

    def write(self, rows: Rows) -> None:
        """The next rows of the file's source, in order."""
        ...

    def flush(self) -> None:
        """Let go of what is held in memory, as far as the format permits."""
        ...

    def close(self) -> None:
        """Write what is left; the file itself stays open."""
        ...


class GroupWriter(ABC):
    """A writer that holds rows until there are `group_rows` of them, and then writes them together."""

    def __init__(self, group_rows: int) -> None:
        self._group_rows = group_rows
        self._waiting: list[Rows] = []
        self._waiting_rows = 0
        self.rows = self.waiting_bytes = 0

    def keep(self, rows: Rows) -> Rows:
        """Those rows of the source that the file has."""
        return rows

    @abstractmethod
    def put(self, rows: Rows) -> int:
        """Write rows that were kept; how many rows of the file they make."""

    def write(self, rows: Rows) -> None:
        """The next rows of the source."""
        rows = self.keep(rows)
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        self.waiting_bytes += rows.nbytes
        if self._waiting_rows >= self._group_rows:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            rows = np.concatenate(self._waiting)
            self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0
            self.rows += self.put(rows)


@dataclass(frozen=True)
class Opening:
    """How a file begins.

    `contract` is its slot: -1 for a file of all contracts, or of what concerns none. `specs` are those known, by slot.
    `resting` are ORDER rows of what the books show before its first row, the first in each queue first; `time_ns` says
    since when. `day` counts from 1970 in UTC and is None for a file of everything.
    `spool` opens a file without a name for what has to wait.
    """

    what: str
    contract: int
    specs: list[ContractSpec]
    day: int | None
    resting: Rows
    time_ns: int
    has_clock: bool
    levels: int
    options: Mapping[str, str]
    spool: Callable[[], IO[bytes]]

    @property
    def spec(self) -> ContractSpec:
        """Its contract."""
        return self.spec_of(self.contract)

    def spec_of(self, contract: int) -> ContractSpec:
        """A contract; one that nobody has named is called by its number."""
        if contract < 0:
            return ContractSpec("VENUE")
        return self.specs[contract] if contract < len(self.specs) else ContractSpec(f"C{contract}")

    @property
    def name(self) -> str:
        """The contract's name, as far as a file's name can have it."""
        kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in self.spec.name)
        return kept.lstrip(".") or "contract"

    def dated(self, form: str) -> str:
        """The day of a daily file in a form of `strftime`; empty for a file of everything."""
        if self.day is None:
            return ""
        return (_EPOCH + timedelta(days=self.day)).strftime(form)


@dataclass(frozen=True)
class Table:
    """One kind of file: the rows that it is made of, its name, and who writes it.

    `source` is changes, depth, events, ticker or funding. `whole` files have all contracts in one.
    """

    source: str
    file_name: Callable[[Opening], str]
    writer: Callable[[IO[bytes], Opening], Writer]
    whole: bool = False


@dataclass(frozen=True)
class Format:
    """A format: its tables by what they have, those that are written unless others are asked for, and its options.

    `needs_clock`: it means nothing without times. `check` raises ExportError when it cannot be written here.
    """

    tables: Mapping[str, Table]
    default: tuple[str, ...]
    check: Callable[[], None]
    needs_clock: bool = True
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
