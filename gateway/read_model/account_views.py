"""An account's money and positions as the engine's state has them now."""

from typing import Any

from engine import statements
from gateway.wire.views import AccountView, PositionView

LOOKS_PER_TICK = 10
"""How many positions have their lights looked up for channels at a mark tick; each look is a pass over a contract."""


def position_view(root: Any, slot: int, settled_subticks: int, lights: int) -> PositionView:
    """A position by its row; `lights` are those for deleveraging."""
    state = root[0]
    found, row = statements.position_statement(root, slot), state["positions"][slot]
    contract = state["contracts"][found.contract_slot]
    return PositionView(
        found.contract_slot, found.size_lots, found.entry_cost_micros, int(contract["mark_subticks"]),
        int(contract["index_subticks"]), found.unrealised_micros, int(row["realised_micros"]),
        int(row["funding_micros"]), found.initial_micros, found.maintenance_micros, found.leverage,
        found.liquidation_subticks, lights, found.is_isolated, settled_subticks,
    )  # fmt: skip


def account_view(root: Any, account_slot: int) -> AccountView:
    """The money of an account; money of isolated positions is theirs and does not count."""
    state = root[0]
    if not 0 <= account_slot < int(state["accounts_used"]) or not state["accounts"][account_slot]["state"]:
        return AccountView(account_slot)
    found = statements.account_statement(root, account_slot)
    realised = sum(int(state["positions"][position.position_slot]["realised_micros"]) for position in found.positions)
    return AccountView(
        account_slot, found.cash_micros, found.equity_micros, found.unrealised_micros, realised,
        found.requirement_micros, found.maintenance_micros, max(0, found.free_micros), found.withdrawable_micros,
        [
            (one.contract_slot, one.size_lots, int(state["contracts"][one.contract_slot]["mark_subticks"]))
            for one in found.positions
            if one.size_lots
        ],
    )  # fmt: skip


class Lights:
    """The lights for deleveraging of the positions that channels tell of, looked up again from time to time.

    Each look costs a pass over the contract's positions, so with many positions in the channels some wait for several
    mark ticks: of n positions each is looked up every n / LOOKS_PER_TICK ticks.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, tuple[int, int, int]] = {}
        """By position: the mark tick and the size that the lights are of, and the lights."""

    def of(self, slot: int) -> int:
        """A position's lights, not always the latest."""
        state = self._root[0]
        size_lots, tick = int(state["positions"][slot]["size_lots"]), int(state["mark_ticks"])
        if not size_lots:
            self._known.pop(slot, None)
            return 0
        known = self._known.get(slot)
        if known is None or known[1] != size_lots or tick - known[0] > len(self._known) // LOOKS_PER_TICK:
            known = self._known[slot] = tick, size_lots, int(statements.lights(self._root, slot))
        return known[2]
