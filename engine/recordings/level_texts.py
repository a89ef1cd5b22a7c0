"""Levels and trades of messages that have prices and quantities as text, as LEVEL rows, a block at a time."""

import re
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from engine.codes import Side
from engine.recordings.batches import ContractSpec, Wanted
from engine.recordings.decimal_columns import (
    NO_MULTIPLE,
    TOO_MANY,
    Unit,
    decimal_columns,
    lot_of,
    parts_of,
    tick_of,
    unit_text,
)
from engine.recordings.price_levels import LAST, LEVEL, TRADE, LevelBlock
from engine.recordings.source import BadLineError
from engine.schema import MAX_CONTRACTS

Array = np.ndarray[Any, Any]
Levels = list[tuple[str, str]]
"""(price, quantity) as a message has them."""
BEYOND = "levels beyond the largest price"
_SYMBOL = re.compile(r"[!-~]{1,32}")


@dataclass(slots=True)
class Update:
    """One event: levels that are set, or a trade as a level of the side of who took. `last` is the venue's number."""

    line: int
    time_ns: int
    symbol: str
    flags: int
    bids: Levels
    asks: Levels
    last: int = 0


class LevelTexts:
    """Gathers updates. `contracts` are the wanted symbols in the order of their appearance, `seen` has all symbols.
    `units` has the tick and the lot of each contract.

    `beyond` counts levels whose price no contract can have: they are left out.

    A contract's tick and lot are as `wanted` says, else the finest that its first block shows.
    """

    def __init__(self, file: str, wanted: Wanted, skip_bad: bool) -> None:
        self.file, self.wanted, self.skip_bad = file, wanted, skip_bad
        self.contracts: list[ContractSpec] = []
        self.seen: set[str] = set()
        self.bad, self.beyond, self.levels = 0, 0, 0
        self._updates: list[Update] = []
        self._slots: dict[str, int] = {}
        self.units: list[tuple[Unit, Unit]] = []

    def takes(self, symbol: str, line: int) -> bool:
        """Whether a symbol is wanted. BadLineError for what is no symbol."""
        if symbol not in self.seen:
            if not _SYMBOL.fullmatch(symbol):
                raise BadLineError(
                    self.file, line, "symbol", f"{symbol[:40]!r} is not up to 32 letters, digits and signs"
                )
            self.seen.add(symbol)
        return self.wanted.takes(symbol)

    def slot_of(self, symbol: str) -> int | None:
        """The contract that a symbol is; None for one that has not appeared."""
        slot = self._slots.get(symbol)
        return slot if slot is not None and slot < len(self.contracts) else None

    def add(self, update: Update) -> None:
        """Take one update of a wanted symbol."""
        self._updates.append(update)
        self.levels += len(update.bids) + len(update.asks)

    def block(self, read: int) -> LevelBlock:
        """The updates so far. BadLineError for the first price or quantity that is wrong, unless those are left out."""
        updates, self._updates, self.levels = self._updates, [], 0
        sizes = np.array([(len(update.bids), len(update.asks)) for update in updates], np.int64).reshape(-1, 2)
        owner = np.repeat(np.arange(len(updates)), sizes.sum(1))
        rows = np.zeros(len(owner), LEVEL)
        if not len(rows):
            return LevelBlock(rows, read)
        rows["side"] = np.repeat(np.tile([Side.BUY, Side.SELL], len(updates)), sizes.ravel())
        for name in ("time_ns", "flags"):
            rows[name] = np.array([getattr(update, name) for update in updates], np.int64)[owner]
        rows["message"] = np.maximum.accumulate(np.array([update.line for update in updates], np.int64))[owner]
        pairs = list(chain.from_iterable(chain(update.bids, update.asks) for update in updates))
        texts = [price for price, _ in pairs], [quantity for _, quantity in pairs]
        slots = np.array([self._slot(update.symbol, update.line) for update in updates])[owner]
        good = self._count(rows, slots, texts)
        kept = np.flatnonzero(good & ((rows["flags"] & TRADE == 0) | (rows["size_lots"] > 0)))
        ends = np.append(owner[kept][1:] != owner[kept][:-1], True) if len(kept) else kept
        rows = rows[kept]
        rows["flags"] |= np.where(ends, LAST, 0).astype(np.uint8)
        return LevelBlock(rows, read)

    def _slot(self, symbol: str, line: int) -> int:
        if symbol not in self._slots:
            if len(self._slots) == MAX_CONTRACTS:
                reason = f"{symbol} is one more than {MAX_CONTRACTS}; name those wanted with --symbols"
                raise BadLineError(self.file, line, "symbol", reason)
            self._slots[symbol] = len(self._slots)
        return self._slots[symbol]

    def _count(self, rows: Array, slots: Array, texts: tuple[list[str], list[str]]) -> Array:
        """Fill in contracts, ticks and lots; which rows are good."""
        columns = [decimal_columns(column) for column in texts]
        good = np.ones(len(rows), bool)
        for symbol, slot in self._slots.items():
            chosen = slots == slot
            if slot == len(self.contracts):
                shown = [
                    unit_text(digits[chosen & (digits >= 0)], places[chosen & (digits >= 0)])
                    for digits, places in columns
                ]
                spec = self.wanted.spec(ContractSpec(symbol, shown[0], shown[1]))
                self.contracts.append(spec)
                self.units.append((tick_of(spec), lot_of(spec)))
            rows["contract"][chosen] = slot
            names = ("price_ticks", "size_lots")
            for name, unit, (digits, places) in zip(names, self.units[slot], columns, strict=True):
                counts = np.where(digits[chosen] < 0, NO_MULTIPLE, unit.count(digits[chosen], places[chosen]))
                rows[name][chosen] = counts
                wrong = (counts < 1) & (counts != TOO_MANY) if name == "price_ticks" else counts < 0
                good[chosen] &= ~wrong
        if not good.all():
            self._refuse(rows, int(np.flatnonzero(~good)[0]), texts)
            self.bad += int((~good).sum())
        far = rows["price_ticks"] == TOO_MANY
        self.beyond += int((good & far).sum())
        return good & ~far

    def _refuse(self, rows: Array, place: int, texts: tuple[list[str], list[str]]) -> None:
        """BadLineError for a row that is wrong, unless such are left out."""
        if self.skip_bad:
            return
        row = rows[place]
        column = 0 if row["price_ticks"] < 1 else 1
        text, unit = texts[column][place], self.units[row["contract"]][column]
        try:
            digits, places = parts_of(text)
            said = f" with --contract {self.contracts[row['contract']].name},{unit.name}=..."
            reason = unit.refusal(digits, places) + said if digits else "0 is no price"
        except ValueError as error:
            reason = str(error)
        raise BadLineError(self.file, int(row["message"]), ("price", "quantity")[column], reason)
