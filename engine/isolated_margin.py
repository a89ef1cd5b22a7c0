"""Money of isolated positions: from the account's cash when a fill opens, back pro rata when one closes."""

import numpy as np

from engine import ledger, margin
from engine.kernels import kernel, rare
from engine.row_access import contract_at, position_at
from engine.units import clamp, mul_div_floor


@kernel
def _released_micros(s, position_slot, closed_lots, size_before):
    """What a close gives back: the closed share of the position's equity, at most its money; all of it when flat."""
    position = position_at(s, position_slot)
    if closed_lots == abs(size_before):
        return np.int64(position.isolated_micros)
    share = mul_div_floor(margin.isolated_equity_micros(s, position_slot), closed_lots, abs(size_before))
    return clamp(share, 0, max(position.isolated_micros, 0))


@rare
def after_fill(s, position_slot, size_before, price_ticks):
    """Move money between cash and an isolated position after a fill: out for what closed, in for what opened.

    A fill at a better price than the order reserved for may need a little more than is there: then all there is moves.
    """
    position = position_at(s, position_slot)
    size = np.int64(position.size_lots)
    flipped = size_before != 0 and size != 0 and (size_before > 0) != (size > 0)
    kept = 0 if flipped else min(abs(size), abs(size_before))
    if abs(size_before) > kept:
        released = _released_micros(s, position_slot, abs(size_before) - kept, size_before)
        ledger.move_isolated(s, position_slot, -released)
    if abs(size) > kept:
        contract = contract_at(s, position.contract_slot)
        needed = margin.opening_micros(contract, position.leverage, size, abs(size) - kept, price_ticks)
        spare = max(margin.cross_equity_micros(s, position.account_slot), 0)
        ledger.move_isolated(s, position_slot, min(needed, spare))
