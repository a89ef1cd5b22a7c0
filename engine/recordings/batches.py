"""What every reader yields: batches of command rows, and what the recording says should be true after them.

A reader is a pure function of the recorded bytes: it never asks the engine anything. Its rows are ordinary commands of
one account (slot 0) on one contract (slot 0); the recorded order ids travel as `cl_ord_id`. Whoever applies the rows
stamps `seq`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from engine.codes import CommandKind, OrdType
from engine.schema import COMMAND

BATCH_ROWS = 65_536
READER_ID = 1 << 62
"""Ids from here up are the reader's own: anonymous quantity and aggressors that the recording does not name."""

_COLUMNS = ("kind", "side", "tif", "flags", "cl_ord_id", "price_ticks", "qty_lots", "time_ns")

type Level = tuple[int, int]
type Book = tuple[list[Level], list[Level]]
"""(bids, asks), best first, as (price_ticks, qty_lots)."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A recorded execution; `cl_ord_id` is the order that it should take, 0 when the recording names none."""

    cl_ord_id: int
    price_ticks: int
    qty_lots: int


@dataclass(slots=True)
class Check:
    """What the recording says once the first `at` rows of its batch are applied.

    `books` are the recorded books after each execution of one sweep, the last one after everything; `executions` are
    that sweep's, in order. `line` is the last book's line in its file.
    """

    at: int
    line: int
    books: list[Book] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """Command rows, for each row the number of recorded messages read once it is applied, and the checks."""

    commands: np.ndarray[Any, Any]
    messages: np.ndarray[Any, Any]
    checks: list[Check] = field(default_factory=list)


@dataclass(frozen=True)
class ContractSpec:
    """The recorded market: name, what one tick and one lot are worth as decimal text, the largest price and order."""

    name: str = "RECORDING"
    tick: str = "1"
    lot: str = "1"
    max_price_ticks: int = (1 << 30) - 1
    max_order_lots: int = 1 << 31


class Reader(Protocol):
    """One recording. `bad` counts the lines left out so far, `total` the messages when known beforehand, else 0."""

    format: str
    contract: ContractSpec
    depth: int
    """How many levels of the book the recording shows; 0 when it shows none."""
    has_clock: bool
    total: int
    bad: int

    def batches(self) -> Iterator[Batch]:
        """The whole recording, in order."""
        ...


class Rows:
    """Gathers commands one by one and hands them out as a batch."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.messages: list[int] = []
        self.checks: list[Check] = []
        self.message = 0

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, kind: int, side: int, tif: int, cl_ord_id: int, price_ticks: int, qty_lots: int, time_ns: int) -> None:
        """One command, belonging to the message now being read."""
        self.rows.append((kind, side, tif, 0, cl_ord_id, price_ticks, qty_lots, time_ns))
        self.messages.append(self.message)

    def check(self, check: Check) -> None:
        """What should be true after the commands so far."""
        check.at = len(self.rows)
        self.checks.append(check)

    def flush(self) -> Batch:
        """Everything gathered since the last flush."""
        batch = Batch(command_rows(self.rows), np.array(self.messages, np.int64), self.checks)
        self.rows, self.messages, self.checks = [], [], []
        return batch


def command_rows(rows: list[tuple[int, ...]]) -> np.ndarray[Any, Any]:
    """Command rows from (kind, side, tif, flags, cl_ord_id, price_ticks, qty_lots, time_ns) tuples."""
    commands = np.zeros(len(rows), COMMAND)
    if rows:
        columns = np.array(rows, np.int64)
        for index, name in enumerate(_COLUMNS):
            commands[name] = columns[:, index]
        commands["ord_type"] = np.where(columns[:, 0] == CommandKind.NEW, OrdType.LIMIT, 0)
    return commands
