"""An account's money and positions as the engine's state has them now."""

from typing import Any

from engine import statements
from gateway.wire.views import AccountView, PositionView

LOOKS_PER_TICK = 10
"""How many positions have their lights looked up for channels at a mark tick; each look is a pass over a contract."""
FORGOTTEN_TICKS = 60
"""How many mark ticks lights are kept, at least, that no channel asks for."""


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
    mark ticks: of n positions each is looked up every n / LOOKS_PER_TICK ticks, also when all were first told of at
    once. Only one that is new or has changed its side is looked up out of turn: a size changes with each trade.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, tuple[int, bool, int]] = {}
        """By position: the mark tick and the side (long or not) that the lights are of, and the lights."""
        self._tick = self._looks = 0
        """A mark tick, and how many positions had their turn in it."""
        self._forget_tick = 0
        """When to forget positions that no channel tells of any more: they would make the others wait."""

    def of(self, slot: int) -> int:
        """A position's lights, not always the latest."""
        state = self._root[0]
        size_lots, tick = int(state["positions"][slot]["size_lots"]), int(state["mark_ticks"])
        if not size_lots:
            self._known.pop(slot, None)
            return 0
        if tick != self._tick:
            self._tick, self._looks = tick, 0
        if tick >= self._forget_tick:
            self._forget(tick)
        known, is_long = self._known.get(slot), size_lots > 0
        if known is None or known[1] != is_long or self._is_turn(tick - known[0]):
            known = self._known[slot] = tick, is_long, int(statements.lights(self._root, slot))
        return known[2]

    def _is_turn(self, age_ticks: int) -> bool:
        if age_ticks <= len(self._known) // LOOKS_PER_TICK or self._looks == LOOKS_PER_TICK:
            return False
        self._looks += 1
        return True

    def _forget(self, tick: int) -> None:
        """Forget what was due long ago and yet not asked for."""
        kept_ticks = FORGOTTEN_TICKS + 2 * len(self._known) // LOOKS_PER_TICK
        self._known = {slot: known for slot, known in self._known.items() if tick - known[0] <= kept_ticks}
        self._forget_tick = tick + FORGOTTEN_TICKS
