"""What every reader yields: batches of command rows, and what the recording says should be true after them.

A reader is a pure function of the recorded bytes: it never asks the engine anything. Its rows are ordinary commands,
of one account (slot 0) on one contract (slot 0) unless it is of `ManyContracts`. The recorded order ids travel as
`cl_ord_id`. Whoever applies the rows stamps `seq`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from engine.recordings.checks import Checks
from engine.schema import COMMAND
from engine.units import MAX_TICKS

BATCH_ROWS = 65_536
READER_ID = 1 << 62
"""Ids from here up are the reader's own: anonymous quantity and aggressors that the recording does not name."""

_DECIMAL = re.compile(r"\d{1,18}(\.\d{1,12})?", re.ASCII)
_COLUMNS = ("kind", "side", "ord_type", "tif", "flags", "cl_ord_id", "price_ticks", "qty_lots", "time_ns")

Level = tuple[int, int]
Book = tuple[list[Level], list[Level]]
"""(bids, asks), best first, as (price_ticks, qty_lots)."""


@dataclass(slots=True)
class Batch:
    """Command rows; for each the number of its recorded message (from 1) and what a report calls it; the checks.

    `read` counts the recorded messages up to the end of this batch, those that became no command included.
    """

    commands: np.ndarray[Any, Any]
    messages: np.ndarray[Any, Any]
    sequences: np.ndarray[Any, Any]
    read: int
    checks: Checks | None = None

    def until(self, message: int | None, time_ns: int | None) -> tuple[int, int, bool]:
        """How many rows come before an end, the messages read until there, and whether it is in this batch.

        The end is behind a message, and before the first row of a later time.
        """
        rows, read, ended = len(self.commands), self.read, False
        is_late = self.commands["time_ns"] > time_ns if time_ns is not None else np.zeros(0, np.bool_)
        if is_late.any():
            rows, ended = int(np.argmax(is_late)), True
            read = int(self.messages[rows]) - 1
        if message is not None and read >= message:
            rows, read, ended = min(rows, int(np.searchsorted(self.messages, message, "right"))), message, True
        return rows, read, ended


@dataclass(frozen=True)
class ContractSpec:
    """The recorded market: its name, what one tick and one lot are worth as decimal text, and the largest price.

    Without a largest price it is as high as the way of replaying allows.
    """

    name: str = "RECORDING"
    tick: str = "1"
    lot: str = "1"
    max_price_ticks: int | None = None


def parse_contract(text: str, recorded: ContractSpec) -> ContractSpec:
    """The recorded market with what a person says about it: `NAME,tick=0.01,lot=0.001,max_price_ticks=100000`.

    Each part may be left out. ValueError names the part that is wrong.
    """
    changes: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            changes["name"] = part
        elif name in ("tick", "lot"):
            if not _DECIMAL.fullmatch(value) or not value.strip("0."):
                raise ValueError(f"contract: {name}={value!r} is not a decimal number above 0")
            changes[name] = value
        elif name == "max_price_ticks":
            if not value.isdecimal() or not 0 < int(value) <= MAX_TICKS:
                raise ValueError(f"contract: max_price_ticks={value!r} is not within 1 to {MAX_TICKS}")
            changes[name] = int(value)
        else:
            raise ValueError(f"contract: {name!r} is none of tick, lot, max_price_ticks")
    return replace(recorded, **changes)


@dataclass(frozen=True)
class Wanted:
    """What part of a recording of many contracts is wanted, and what a person says of its contracts.

    `symbols`: these alone; empty: all. `from_ns`: what comes before is followed, and enters as one snapshot then.
    `contracts`: texts as `parse_contract` reads them; one with a name is about that contract, the others about all.
    `trades`: the trades of a book whose recording has none. `known`: for one of several files, the contracts of
    all files so far, to which more come; with `may_lack` a symbol that is wanted may be missing in it.
    """

    symbols: frozenset[str] = frozenset()
    from_ns: int = 0
    contracts: tuple[str, ...] = ()
    trades: Path | None = None
    known: Sequence[ContractSpec] = ()
    may_lack: bool = False

    def takes(self, name: str) -> bool:
        """Whether a contract is wanted."""
        return not self.symbols or name in self.symbols

    def spec(self, recorded: ContractSpec) -> ContractSpec:
        """A recorded contract with what is said of it, or as it is known already. ValueError as `parse_contract`."""
        for spec in self.known:
            if spec.name == recorded.name:
                return spec
        for text in self.contracts:
            said = parse_contract(text, recorded)
            if said.name == recorded.name:
                recorded = said
        return recorded


EVERYTHING = Wanted()


class Reader(Protocol):
    """One recording."""

    contract: ContractSpec

    @property
    def format(self) -> str:
        """The format's name."""
        ...

    @property
    def depth(self) -> int:
        """How many levels of the book the recording shows; 0 when it shows none."""
        ...

    @property
    def has_clock(self) -> bool:
        """Whether its messages have times."""
        ...

    @property
    def is_log(self) -> bool:
        """Whether the rows are a log: numbered, with accounts, and opening their own market."""
        ...

    @property
    def total(self) -> int:
        """Its messages when they are known beforehand, else 0."""
        ...

    @property
    def bad(self) -> int:
        """The lines left out so far."""
        ...

    def batches(self) -> Iterator[Batch]:
        """The whole recording, in order."""
        ...


@runtime_checkable
class ManyContracts(Protocol):
    """What a reader has beside `Reader` when its recording may hold several contracts or accounts.

    A command's `contract_slot` is an index into `contracts`, which only grows, as contracts appear. `accounts` is how
    many account slots are in use. Both are complete for a batch before the batch is given.
    """

    @property
    def contracts(self) -> list[ContractSpec]:
        """The contracts so far."""
        ...

    @property
    def accounts(self) -> int:
        """How many accounts so far."""
        ...


def contracts_of(reader: Reader) -> list[ContractSpec]:
    """The contracts that have appeared so far: of most recordings there is one."""
    contracts: list[ContractSpec] | None = getattr(reader, "contracts", None)
    return [reader.contract] if contracts is None else contracts


def accounts_of(reader: Reader) -> int:
    """How many accounts have appeared so far."""
    return int(getattr(reader, "accounts", 1))


def command_rows(rows: list[tuple[int, ...]], names: tuple[str, ...] = _COLUMNS) -> np.ndarray[Any, Any]:
    """Command rows from tuples of the named columns."""
    commands = np.zeros(len(rows), COMMAND)
    if rows:
        columns = np.array(rows, np.int64)
        for index, name in enumerate(names):
            commands[name] = columns[:, index]
    return commands
