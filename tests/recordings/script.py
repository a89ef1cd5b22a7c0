"""A recording that a test writes: commands, and what should be true after them."""

from collections.abc import Iterator

import numpy as np

from engine.codes import CommandKind, OrdType, Side, TimeInForce
from engine.recordings.batches import READER_ID, Batch, Book, ContractSpec, command_rows
from engine.recordings.checks import ASK_LOTS, ASK_TICKS, BID_LOTS, BID_TICKS, BOOK_WORDS, CHECK, EXECUTION, Checks

Fill = tuple[int, int, int]
"""(maker's cl_ord_id, price_ticks, qty_lots)."""
Execution = tuple[int, int, int, int]
"""(cl_ord_id, side, price_ticks, qty_lots)."""


class Script:
    """A reader of what a test has written."""

    format, has_clock, is_log, total, bad = "script", True, False, 0, 0

    def __init__(self, depth: int = 1) -> None:
        self.contract, self.depth = ContractSpec("SCRIPT"), depth
        self.commands: list[tuple[int, ...]] = []
        self.messages: list[int] = []
        self.checks: list[tuple[int, ...]] = []
        self.executions: list[Execution] = []
        self.books: list[Book] = []

    def check(self, message: int, books: list[Book], executions: list[Execution]) -> None:
        """What should be true after the commands so far."""
        self.checks.append((len(self.commands), message, 0, len(executions), len(books), 0))
        self.books += books
        self.executions += executions

    def trades(self, message: int, fills: list[Fill], executions: list[Execution]) -> None:
        """Orders that give these fills, and the executions that were recorded."""
        for cl_ord_id, price, lots in fills:
            self._new(message, cl_ord_id, (Side.SELL, TimeInForce.GTC), price, lots)
        if fills:
            taken = sum(lots for _, _, lots in fills)
            self._new(message, READER_ID + message, (Side.BUY, TimeInForce.IOC), 1000, taken)
        self.check(message, [], executions)

    def event(self, message: int, lots: int) -> None:
        """One bid at 9 with this quantity, after one recorded event."""
        if message > 1:
            self._add(message, CommandKind.CANCEL, 0, 0, 0, message - 1, 0, 0)
        self._new(message, message, (Side.BUY, TimeInForce.GTC), 9, lots)
        self.check(message, [], [])

    def _new(self, message: int, cl_ord_id: int, how: tuple[int, int], price: int, lots: int) -> None:
        self._add(message, CommandKind.NEW, how[0], OrdType.LIMIT, how[1], cl_ord_id, price, lots)

    def _add(self, message: int, *values: int) -> None:
        self.commands.append((*values, message))
        self.messages.append(message)

    def batches(self) -> Iterator[Batch]:
        """Everything at once."""
        names = ("kind", "side", "ord_type", "tif", "cl_ord_id", "price_ticks", "qty_lots", "time_ns")
        books = np.zeros((len(self.books), self.depth, BOOK_WORDS), np.int64)
        for row, book in zip(books, self.books, strict=True):
            for ticks, lots, side in ((BID_TICKS, BID_LOTS, book[0]), (ASK_TICKS, ASK_LOTS, book[1])):
                for level, pair in enumerate(side):
                    row[level, ticks], row[level, lots] = pair
        checks = Checks(np.array(self.checks, CHECK), np.array(self.executions, EXECUTION), books)
        messages = np.array(self.messages, np.int64)
        read = max([0, *self.messages])
        yield Batch(command_rows(self.commands, names), messages, messages, read, checks)
