"""Money of isolated positions: from the account's cash when a fill opens, back pro rata when one closes."""

import numpy as np

from engine import ledger, margin
from engine.kernels import kernel
from engine.rows import contract_at, position_at
from engine.units import SUBTICKS, clamp, fee_micros, mul_div_floor


@kernel
def _opening_micros(contract, position, opened_lots, price_ticks):
    """What a fill that opens brings along: IM of the opened part at the fill's price, its loss at the mark, its fee."""
    unit = np.int64(contract.micros_per_tick_lot)
    notional = opened_lots * price_ticks * unit
    held = margin.notional_micros(contract, position.size_lots)
    leverage = margin.effective_leverage(contract, position.leverage, held)
    signed = opened_lots if position.size_lots > 0 else -opened_lots
    loss = max((price_ticks * SUBTICKS - contract.mark_subticks) * signed * unit, 0)
    fee = fee_micros(notional, max(contract.taker_fee_ppb, contract.maker_fee_ppb))
    return -(-notional // leverage) + margin.ceil_micros(loss) + fee


@kernel
def _released_micros(s, position_slot, closed_lots, size_before):
    """What a close gives back: the closed share of the position's equity, at most its money; all of it when flat."""
    position = position_at(s, position_slot)
    if closed_lots == abs(size_before):
        return np.int64(position.isolated_micros)
    share = mul_div_floor(margin.isolated_equity_micros(s, position_slot), closed_lots, abs(size_before))
    return clamp(share, 0, max(position.isolated_micros, 0))


@kernel
def after_fill(s, position_slot, size_before, price_ticks):
    """Move money between cash and an isolated position after a fill: out for what closed, in for what opened."""
    position = position_at(s, position_slot)
    size = np.int64(position.size_lots)
    flipped = size_before != 0 and size != 0 and (size_before > 0) != (size > 0)
    kept = 0 if flipped else min(abs(size), abs(size_before))
    if abs(size_before) > kept:
        released = _released_micros(s, position_slot, abs(size_before) - kept, size_before)
        ledger.move_isolated(s, position_slot, -released)
    if abs(size) > kept:
        needed = _opening_micros(contract_at(s, position.contract_slot), position, abs(size) - kept, price_ticks)
        ledger.move_isolated(s, position_slot, needed)
