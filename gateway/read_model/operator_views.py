"""What officers and operators ask about all accounts: who is near liquidation, what was closed by force, open orders.

Read from the engine's state and from the history, as everything here. An account's figures are the engine's own.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from engine import statements
from engine.code_values import FLAG_FORCED
from engine.codes import NIL
from engine.schema import LADDERS_PER_CONTRACT
from engine.statements import margin_ratios
from gateway.read_model.history import History
from gateway.read_model.history_views import HISTORY_ROW_BYTES, closed_by_force, user_trade_view
from gateway.wire.views import ForcedTradeView, RiskView, Span


class OperatorViews:
    """Reads over all accounts. A read changes nothing."""

    def __init__(self, history: History, root: Any) -> None:
        self._history, self._root, self._state = history, root, root[0]

    def exposed_accounts(self) -> list[int]:
        """The accounts that hold a position, by slot."""
        rows = self._state["positions"][: int(self._state["positions_used"])]
        counts = np.bincount(rows["account_slot"][rows["size_lots"] != 0])  # not np.unique: that sorts all of them
        slots: list[int] = np.flatnonzero(counts).tolist()
        return slots

    def ratios_ppb(self, account_slots: Sequence[int]) -> list[int]:
        """Maintenance margin as a share of equity: of each account's cross pool and isolated positions the nearest."""
        return margin_ratios.margin_ratios_ppb(self._root, account_slots)

    def risk(self, account_slot: int) -> RiskView:
        """How far an account is from liquidation, with its positions."""
        found, row = statements.account_statement(self._root, account_slot), self._state["accounts"][account_slot]
        held = [position for position in found.positions if position.size_lots]
        return RiskView(
            account_slot, found.equity_micros, found.maintenance_micros, found.requirement_micros,
            self.ratios_ppb([account_slot])[0], found.is_flagged, int(row["warning_level"]),
            int(row["open_orders"]),
            [(one.contract_slot, one.size_lots, one.liquidation_subticks, one.is_isolated) for one in held],
        )  # fmt: skip

    def forced_trades(self, slots: Collection[int], span: Span) -> Iterator[ForcedTradeView]:
        """What was closed by force in some contracts, the latest first, each found when it is asked for: whose
        position, and who gave up its profit. A span bounds places and times; its count does not matter."""
        for segment, index in self._history.of_contracts(slots, FLAG_FORCED, span):
            view = _forced(segment.data, index * HISTORY_ROW_BYTES, segment.first + index)
            if view is not None:
                yield view

    def open_orders(self, accounts: Collection[int], contracts: Collection[int]) -> int:
        """How many orders rest or wait: of some accounts, or of some contracts; of all when none is named."""
        if accounts:
            return sum(int(self._state["accounts"][slot]["open_orders"]) for slot in accounts)
        if not contracts:
            return int(self._state["orders_live"])
        levels = self._state["levels"][: int(self._state["levels_used"])]
        is_theirs = np.isin(levels["ladder_slot"] // LADDERS_PER_CONTRACT, list(contracts))
        return int(levels["orders"][is_theirs & (levels["orders"] > 0)].sum())


def _forced(data: Any, offset: int, place: int) -> ForcedTradeView | None:
    closed = closed_by_force(data, offset)
    if closed is None:
        return None
    trade, is_deleveraging = closed
    account_slot = user_trade_view(data, offset).account_slot
    against = user_trade_view(data, offset - HISTORY_ROW_BYTES).account_slot if is_deleveraging else NIL
    return ForcedTradeView(place, trade, account_slot, against)
