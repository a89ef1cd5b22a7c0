"""The visible books: what each price level shows, kept from the event stream.

Every order event that touches a level carries what the level shows afterwards, so a book is a map from price to
quantity, and of a batch only the last event on each price counts.
"""

from heapq import nlargest, nsmallest
from typing import Any

import numpy as np

from engine.codes import Side
from engine.schema import LADDERS_PER_CONTRACT
from gateway.read_model.event_fold import CHANGE, level_key

Changes = dict[tuple[int, int], int]
"""(side, price_ticks) -> lots shown now, 0 when the level is gone."""
Moves = dict[tuple[int, int], tuple[int, int]]
"""(side, price_ticks) -> (lots shown before, lots shown now)."""
_PRICE_MASK = (1 << 30) - 1
TOMBSTONES = 100_000
GATHER_ROWS = 1024
"""When nobody reads the books, changes are gathered once so many are noted: gathering more at once would take long."""


class Book:
    """One contract's visible levels. `touched` has the id of each level's last change, removed levels included."""

    __slots__ = ("change_id", "floor_id", "sides", "touched")

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.touched: Changes = {}
        self.change_id = 0
        self.floor_id = 0

    def apply(self, changes: Changes, change_id: int) -> Moves:
        """Set some levels; returns what each showed before and shows now."""
        moves: Moves = {}
        for place, lots in changes.items():
            side, price = place
            levels_of_side = self.sides[side - 1]
            moves[place] = (levels_of_side.get(price, 0), lots)
            if lots:
                levels_of_side[price] = lots
            else:
                levels_of_side.pop(price, None)
            self.touched[place] = change_id
        self.change_id = change_id
        if len(self.touched) > TOMBSTONES + 2 * (len(self.sides[0]) + len(self.sides[1])):
            self._forget()
        return moves

    def _forget(self) -> None:
        """Forget removed levels: a reader that is behind this change needs a snapshot."""
        self.touched = {
            (side, price): at for (side, price), at in self.touched.items() if price in self.sides[side - 1]
        }
        self.floor_id = self.change_id

    def since(self, change_id: int) -> Changes | None:
        """All levels that changed after `change_id`, as they are now; None when a snapshot is needed."""
        if change_id < self.floor_id:
            return None
        return {
            (side, price): self.sides[side - 1].get(price, 0)
            for (side, price), at in self.touched.items()
            if at > change_id
        }

    def best(self, side: int, depth: int) -> list[tuple[int, int]]:
        """The levels of a side, the best first, at most `depth`; 0 is all."""
        rows = self.sides[side - 1].items()
        if not depth or depth >= len(rows):
            return sorted(rows, reverse=side == Side.BUY)
        return nlargest(depth, rows) if side == Side.BUY else nsmallest(depth, rows)


    def shown_lots(self, side: int, ticks: int) -> int:
        """What a side shows at a price or better."""
        rows = self.sides[side - 1].items()
        if side == Side.BUY:
            return sum(lots for price, lots in rows if price >= ticks)
        return sum(lots for price, lots in rows if price <= ticks)


class Books:
    """All books. Changes are collected as they come and applied when somebody reads a book."""

    def __init__(self, event_rows: int) -> None:
        self._books: dict[int, Book] = {}
        self._changes = np.zeros(event_rows, CHANGE)
        self._noted = 0
        self._pending: dict[int, int] = {}
        self._pending_id = 0

    def book(self, contract_slot: int) -> Book:
        """A contract's book, up to date."""
        if self._noted or self._pending:
            self.fold()
        return self._books.setdefault(contract_slot, Book())

    def room(self, rows: int) -> tuple[Any, int]:
        """Room to note the next batch's changes: (CHANGE rows, at which the next one goes)."""
        if self._noted > GATHER_ROWS:
            self._gather()
        if self._noted + rows > len(self._changes):
            self._gather()
            self._changes = np.zeros(max(rows, len(self._changes)), CHANGE)
        return self._changes, self._noted

    def noted(self, end: int, seq: int) -> None:
        """A batch's changes are noted up to `end`; `seq`, its last command, is the change id of all that is pending."""
        if end:
            self._noted, self._pending_id = end, seq

    def forget_noted(self) -> None:
        """Let go of what was noted: nobody reads the books before `load`."""
        self._noted = 0

    def _gather(self) -> None:
        """Keep the last noted change of each level."""
        count, self._noted = self._noted, 0
        notes = self._changes[:count]
        self._pending.update(zip(notes["key"].tolist(), notes["lots"].tolist(), strict=True))

    def fold(self) -> list[tuple[int, Moves]]:
        """Apply the collected changes; returns what moved, by contract."""
        if self._noted:
            self._gather()
        by_contract: dict[int, Changes] = {}
        for key, lots in self._pending.items():
            changes = by_contract.setdefault(key >> 31, {})
            changes[(key >> 30 & 1) + 1, key & _PRICE_MASK] = lots
        self._pending = {}
        return [
            (contract_slot, self._books.setdefault(contract_slot, Book()).apply(changes, self._pending_id))
            for contract_slot, changes in by_contract.items()
        ]

    def load(self, state: Any) -> None:
        """Load the levels of an engine state, one STATE row."""
        self._books = {}
        self._pending = {}
        self._noted = 0
        rows = state["levels"][: int(state["levels_used"])]
        live = rows[(rows["orders"] > 0) & (rows["ladder_slot"] >= 0)]
        for row in live:
            contract_slot, ladder = divmod(int(row["ladder_slot"]), LADDERS_PER_CONTRACT)
            shown = int(row["leaves_lots"]) - int(row["hidden_lots"])
            if ladder < Side.SELL and shown > 0:
                self._pending[level_key(contract_slot, ladder + 1, int(row["price_ticks"]))] = shown
        self._pending_id = int(state["last_seq"])
        self.fold()
