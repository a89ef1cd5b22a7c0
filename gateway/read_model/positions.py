"""Accounts' positions, read from the engine's state as it is now."""

from collections.abc import Callable
from typing import Any

from engine import statements
from engine.codes import NIL
from gateway.read_model.account_views import Lights, position_view
from gateway.wire.views import PositionView


class Positions:
    """Reads of positions; what does not exist gives nothing, or a flat position."""

    def __init__(self, root: Any, settled_mark: Callable[[int], int]) -> None:
        """`settled_mark` gives the mark in subticks that a contract's funding was last settled at."""
        self._root, self._settled_mark = root, settled_mark
        self._state = root[0]
        self._engine_contracts = self._state["contracts"]
        self._positions = self._state["positions"]
        self._lights = Lights(root)

    def _slots(self, account_slot: int) -> list[int]:
        """The slots of an account's positions."""
        if not 0 <= account_slot < int(self._state["accounts_used"]):
            return []
        return statements.position_slots(self._root, account_slot)

    def one(self, account_slot: int, contract_slot: int) -> PositionView:
        """The position in one contract; flat when there never was one."""
        for slot in self._slots(account_slot):
            if int(self._positions[slot]["contract_slot"]) == contract_slot:
                return self._view(slot)
        contract = self._engine_contracts[contract_slot]
        view = PositionView(contract_slot, 0, 0, int(contract["mark_subticks"]), int(contract["index_subticks"]))
        view.settlement_subticks = self._settled_mark(contract_slot)
        return view

    def size_lots(self, account_slot: int, contract_slot: int) -> int:
        """The size of the position in one contract alone, negative when short."""
        for slot in self._slots(account_slot):
            if int(self._positions[slot]["contract_slot"]) == contract_slot:
                return int(self._positions[slot]["size_lots"])
        return 0

    def of_account(self, account_slot: int) -> list[PositionView]:
        """Every position that is not flat."""
        return [self._view(slot) for slot in self._slots(account_slot) if self._positions[slot]["size_lots"]]

    def heard(self, account_slot: int, contract_slot: int) -> list[PositionView]:
        """The positions as channels tell them: every one, or (not NIL) one contract's, also when it is flat."""
        slots = self._slots(account_slot)
        if contract_slot == NIL:
            wanted = [slot for slot in slots if self._positions[slot]["size_lots"]]
        else:
            wanted = [slot for slot in slots if int(self._positions[slot]["contract_slot"]) == contract_slot]
            if not wanted:
                return [self.one(account_slot, contract_slot)]
        return [self._view(slot, self._lights.of(slot)) for slot in wanted]

    def has_any(self, account_slot: int) -> bool:
        """Whether an account has a position that is not flat."""
        return any(self._positions[slot]["size_lots"] for slot in self._slots(account_slot))

    def leverage(self, account_slot: int, contract_slot: int) -> int:
        """The leverage chosen for a contract, or the first bracket's cap."""
        contract = self._engine_contracts[contract_slot]
        for slot in self._slots(account_slot):
            if int(self._positions[slot]["contract_slot"]) == contract_slot and self._positions[slot]["leverage"]:
                return int(self._positions[slot]["leverage"])
        return int(contract["bracket_leverage"][0]) or 1

    def _view(self, slot: int, lights: int | None = None) -> PositionView:
        contract_slot = int(self._positions[slot]["contract_slot"])
        if lights is None:
            lights = int(statements.lights(self._root, slot)) if self._positions[slot]["size_lots"] else 0
        return position_view(self._root, slot, self._settled_mark(contract_slot), lights)
