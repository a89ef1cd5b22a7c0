"""Soft confirmation: an order of unusual value, or far from the mark, is taken only when it says `confirm`.

A protection against slips of the hand, by the venue's own settings and no rule of the engine. Reduce-only orders are
never asked. A limit counts at its limit, a conditional market order at its trigger, a market order at the mark.
"""

from typing import Any

import numpy as np
from msgspec import Struct

from engine.code_values import EXEC_CONFIRMED, EXEC_REDUCE_ONLY
from engine.codes import CommandKind, ExecInst
from engine.schema import COMMAND
from engine.units import SUBTICKS
from gateway.wire.decimals import Contract, decimal_text
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.views import OrderView, Projection

_SPARED = EXEC_CONFIRMED | EXEC_REDUCE_ONLY
_BASIS_POINTS = 10_000


class Confirmation(Struct, frozen=True, gc=False):
    """From which value and distance on an order is asked to confirm; 0 is off."""

    value_micros: int = 0
    distance_bp: int = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is ever asked."""
        return self.value_micros > 0 or self.distance_bp > 0

    def check(self, projection: Projection, contract: Contract, price_ticks: int, lots: int) -> None:
        """Refuse an order that has to be confirmed, naming the figures."""
        mark_subticks = projection.mark(contract.slot)
        price_subticks = price_ticks * SUBTICKS or mark_subticks
        why = self._too_large(contract, price_subticks, lots) or self._too_far(contract, price_subticks, mark_subticks)
        if why:
            reason = f"CONFIRMATION_NEEDED: {why}; if that is meant, send it again with confirm true"
            raise Refusal(ErrorCode.INVALID_ARGUMENTS, reason, "confirm")

    def _too_large(self, contract: Contract, price_subticks: int, lots: int) -> str:
        value_micros = contract.notional_micros(price_subticks, lots)
        if not self.value_micros or value_micros <= self.value_micros:
            return ""
        value, limit = contract.money_words(value_micros), contract.money_words(self.value_micros)
        return f"the order is worth {value}, more than {limit}"

    def _too_far(self, contract: Contract, price_subticks: int, mark_subticks: int) -> str:
        distance = abs(price_subticks - mark_subticks) * _BASIS_POINTS
        if not self.distance_bp or not mark_subticks or distance <= self.distance_bp * mark_subticks:
            return ""
        price, mark = (contract.subticks_text(subticks).decode() for subticks in (price_subticks, mark_subticks))
        percent = decimal_text(distance // mark_subticks, -2)
        limit = decimal_text(self.distance_bp, -2)
        return f"the price {price} is {percent} % away from the mark {mark}, more than {limit} %"

    def check_order(self, projection: Projection, contract: Contract, row: Any) -> None:
        """Refuse a new order that has to be confirmed and is not."""
        if not row.flags & _SPARED:
            self.check(projection, contract, row.price_ticks or row.trigger_price_ticks, row.qty_lots)

    def check_amended(
        self, projection: Projection, view: OrderView, price_ticks: int, trigger_ticks: int, lots: int
    ) -> None:
        """Refuse an amendment that has to be confirmed, whatever was before; 0 keeps what the order has."""
        if not view.flags & ExecInst.REDUCE_ONLY:
            price = price_ticks or view.price_ticks or trigger_ticks or view.trigger_price_ticks
            self.check(projection, projection.contract_at(view.contract_slot), price, lots or view.amount_lots)

    def looks_up_orders(self, data: bytes) -> bool:
        """Whether `check_rows` looks at orders that wait: it does for amendments that are not confirmed."""
        rows = np.frombuffer(data, COMMAND)
        return bool(((rows["flags"] & _SPARED == 0) & (rows["kind"] == CommandKind.AMEND)).any())

    def check_rows(self, projection: Projection, data: bytes, account_slot: int) -> None:
        """Refuse a frame with a new or amended order that has to be confirmed and is not; names the first such row."""
        rows = np.frombuffer(data, COMMAND)
        asked = (rows["flags"] & _SPARED == 0) & np.isin(rows["kind"], (CommandKind.NEW, CommandKind.AMEND))
        for index in np.flatnonzero(asked).tolist():
            row = rows[index]
            try:
                if row["kind"] == CommandKind.NEW:
                    self._check_new(projection, row, row)
                else:
                    self._check_amend(projection, row, account_slot, rows[:index])
            except Refusal as refusal:
                raise Refusal(refusal.code, f"row {index}: {refusal.reason}", refusal.param) from None

    def _check_new(self, projection: Projection, row: Any, amended: Any) -> None:
        """A new row, as it is once another has amended it."""
        named = ((amended, "price_ticks"), (row, "price_ticks"), (amended, "trigger_price_ticks"))
        price_ticks = next((int(its[name]) for its, name in named if its[name]), int(row["trigger_price_ticks"]))
        lots = int(amended["qty_lots"]) or int(row["qty_lots"])
        self.check(projection, projection.contract_at(int(row["contract_slot"])), price_ticks, lots)

    def _check_amend(self, projection: Projection, row: Any, account_slot: int, before: Any) -> None:
        """An amended order stands, or was placed by a row of the same frame."""
        order_id, cl_ord_id = int(row["order_id"]), int(row["cl_ord_id"])
        view = projection.order(account_slot, order_id)
        if not order_id and cl_ord_id:
            named = (order for order in projection.open_orders(account_slot) if order.cl_ord_id == cl_ord_id)
            view = next(named, None)
        if view is not None:
            ticks = int(row["price_ticks"]), int(row["trigger_price_ticks"])
            self.check_amended(projection, view, *ticks, int(row["qty_lots"]))
            return
        placed = before[(before["kind"] == CommandKind.NEW) & (before["cl_ord_id"] == cl_ord_id)]
        if cl_ord_id and len(placed) and not placed[-1]["flags"] & ExecInst.REDUCE_ONLY:
            self._check_new(projection, placed[-1], row)
