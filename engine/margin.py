"""What an account has and what it needs: equity, brackets, initial and maintenance margin, reserves, limits. Pure.

A pool of money carries positions: the cross pool of an account (its cash and all its cross positions) or one isolated
position with the money that was moved to it. Equity rounds down, requirements round up.
"""

import numpy as np

from engine import collateral
from engine.codes import NIL, MarginMode, Reason, Side
from engine.kernels import inlined, kernel
from engine.ledger import margin_price_subticks
from engine.row_access import account_at, contract_at, of_side, position_at
from engine.units import PPB, SUBTICKS, against, clamp, fee_micros, mul_div_ceil, mul_div_floor, mul_ppb_ceil


@inlined
def floor_micros(submicros):
    """Whole micros of a product of subticks, lots and micros per tick and lot, rounded down."""
    return submicros // SUBTICKS


@inlined
def ceil_micros(submicros):
    """Whole micros of a product of subticks, lots and micros per tick and lot, rounded up."""
    return -(-submicros // SUBTICKS)


# --- one contract -------------------------------------------------------------------------------------------------


@inlined
def notional_micros(contract, size_lots):
    """What a position is worth at the mark, whatever its side, rounded up."""
    return ceil_micros(contract.mark_subticks * abs(size_lots) * contract.micros_per_tick_lot)


@kernel
def worth_micros(contract, size_lots):
    """What a position is worth at the mark with its sign, rounded down."""
    return floor_micros(contract.mark_subticks * size_lots * contract.micros_per_tick_lot)


@inlined
def unrealised_micros(contract, size_lots, entry_cost_micros):
    """Profit or loss of a position at the mark, rounded down."""
    return worth_micros(contract, size_lots) - entry_cost_micros


@inlined
def bracket_of(contract, notional_micros):
    """The place of the bracket of a notional; a notional exactly at a floor still belongs below it."""
    place = np.int64(contract.brackets) - 1
    while place > 0 and notional_micros <= contract.bracket_floor_micros[place]:
        place -= 1
    return place


@kernel
def maintenance_micros(contract, size_lots):
    """MM = notional * mmr_n - deduction_n, rounded up; nothing for no position."""
    notional = notional_micros(contract, size_lots)
    place = bracket_of(contract, notional)
    return mul_ppb_ceil(notional, contract.bracket_mmr_ppb[place]) - contract.bracket_deduction_micros[place]


@inlined
def effective_leverage(contract, leverage, notional_micros):
    """The leverage that counts: the chosen one, or with 0 the cap; never above the cap of the notional's bracket."""
    cap = contract.bracket_leverage[bracket_of(contract, notional_micros)]
    if leverage <= 0 or leverage > cap:
        return cap
    return leverage


@inlined
def initial_micros(contract, leverage, notional_micros):
    """IM = notional / leverage, rounded up."""
    return -(-notional_micros // effective_leverage(contract, leverage, notional_micros))


@inlined
def worst_notional_micros(contract, size_lots, buys_micros, sells_micros):
    """max(same, other): the position with the orders of its side, or the other side's orders beyond the position."""
    held = notional_micros(contract, size_lots)
    if size_lots > 0:
        return max(held + buys_micros, sells_micros - held)
    if size_lots < 0:
        return max(held + sells_micros, buys_micros - held)
    return max(buys_micros, sells_micros)


@inlined
def reserved_fee_ppb(contract):
    """The fee that an open order reserves: it may fill as taker or as maker, and the dearer of both must be there."""
    return max(contract.taker_fee_ppb, contract.maker_fee_ppb)


@inlined
def required_micros(contract, leverage, size_lots, buys_micros, sells_micros):
    """IM of a position with its open orders, and the fee that these may pay."""
    worst = worst_notional_micros(contract, size_lots, buys_micros, sells_micros)
    fees = mul_ppb_ceil(buys_micros + sells_micros, reserved_fee_ppb(contract))
    return initial_micros(contract, leverage, worst) + fees


@kernel
def requirement_micros(contract, position):
    """What a position and its orders need of the cross pool: IM and reserves; isolated ones only what orders add."""
    unit = np.int64(contract.micros_per_tick_lot)
    buys, sells = ceil_micros(position.buy_subtick_lots * unit), ceil_micros(position.sell_subtick_lots * unit)
    need = required_micros(contract, position.leverage, position.size_lots, buys, sells)
    if position.margin_mode == MarginMode.ISOLATED:
        need -= initial_micros(contract, position.leverage, notional_micros(contract, position.size_lots))
    return need + ceil_micros(position.loss_subtick_lots * unit)


# --- pools --------------------------------------------------------------------------------------------------------


@inlined
def cross_unrealised_micros(s, account_slot):
    """Unrealised profit of an account's cross positions."""
    total = np.int64(0)
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.size_lots != 0 and position.margin_mode == MarginMode.CROSS:
            contract = contract_at(s, position.contract_slot)
            if not contract.margin_free:
                total += unrealised_micros(contract, position.size_lots, position.entry_cost_micros)
        slot = np.int64(position.next_slot)
    return total


@inlined
def money_micros(s, account_slot):
    """What an account has without its positions: cash, which may be negative, and collateral."""
    account = account_at(s, account_slot)
    if account.has_collateral:
        return account.cash_micros + collateral.value_micros(s, account_slot)
    return np.int64(account.cash_micros)


@kernel
def cross_equity_micros(s, account_slot):
    """equity = cash + collateral + unrealised profit at the mark of the positions that share the account's money."""
    return money_micros(s, account_slot) + cross_unrealised_micros(s, account_slot)


@kernel
def cross_maintenance_micros(s, account_slot):
    """MM of all cross positions of an account; NIL when it has none."""
    total, found = np.int64(0), False
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.size_lots != 0 and position.margin_mode == MarginMode.CROSS:
            contract = contract_at(s, position.contract_slot)
            if not contract.margin_free:
                total += maintenance_micros(contract, position.size_lots)
                found = True
        slot = np.int64(position.next_slot)
    return total if found else np.int64(NIL)


@kernel
def isolated_equity_micros(s, position_slot):
    """Money of an isolated position and its unrealised profit."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    return position.isolated_micros + unrealised_micros(contract, position.size_lots, position.entry_cost_micros)


@kernel
def pool_equity_micros(s, position_slot):
    """Equity of the pool that carries a position."""
    position = position_at(s, position_slot)
    if position.margin_mode == MarginMode.ISOLATED:
        return isolated_equity_micros(s, position_slot)
    return cross_equity_micros(s, position.account_slot)


@inlined
def cross_requirement_micros(s, account_slot, except_slot):
    """IM and reserves of all an account's contracts, except those of one position."""
    total = np.int64(0)
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if slot != except_slot and (position.size_lots | position.buy_lots | position.sell_lots) != 0:
            contract = contract_at(s, position.contract_slot)
            if not contract.margin_free:
                total += requirement_micros(contract, position)
        slot = np.int64(position.next_slot)
    return total


@kernel
def withdrawable_micros(s, account_slot):
    """max(0, min(cash, free)); nothing while the account is flagged."""
    account = account_at(s, account_slot)
    if account.liquidating:
        return np.int64(0)
    return max(min(account.cash_micros, free_micros(s, account_slot)), 0)


@kernel
def free_micros(s, account_slot):
    """cash + collateral + min(0, unrealised) - IM - reserves: what may leave the cross pool; negative if too little."""
    loss = min(cross_unrealised_micros(s, account_slot), 0)
    return money_micros(s, account_slot) + loss - cross_requirement_micros(s, account_slot, NIL)


@kernel
def isolated_releasable_micros(s, position_slot):
    """What may leave an isolated position: its money, less its losses and its IM."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    profit = unrealised_micros(contract, position.size_lots, position.entry_cost_micros)
    held = notional_micros(contract, position.size_lots)
    free = position.isolated_micros + min(profit, 0) - initial_micros(contract, position.leverage, held)
    return max(min(position.isolated_micros, free), 0)


@kernel
def is_distressed(s, position_slot):
    """Whether the pool of an open position is liquidatable: equity < MM, strictly."""
    position = position_at(s, position_slot)
    if position.margin_mode == MarginMode.ISOLATED:
        contract = contract_at(s, position.contract_slot)
        return isolated_equity_micros(s, position_slot) < maintenance_micros(contract, position.size_lots)
    maintenance = cross_maintenance_micros(s, position.account_slot)
    return cross_equity_micros(s, position.account_slot) < maintenance


# --- prices -------------------------------------------------------------------------------------------------------


@kernel
def distance_subticks(contract, size_lots, money_micros):
    """How far the mark may move against a position before it has cost this money, rounded down, within the prices."""
    unit = abs(size_lots) * contract.micros_per_tick_lot
    bound = contract.max_price_ticks * SUBTICKS
    if abs(money_micros) // unit > contract.max_price_ticks:
        return bound if money_micros > 0 else -bound
    return mul_div_floor(money_micros, SUBTICKS, unit)


@kernel
def _whole_ticks(contract, size_lots, price_subticks):
    """A closing price in whole ticks, within [1, max], rounded so that it costs less: a long's up, a short's down."""
    ticks = -(-price_subticks // SUBTICKS) if size_lots > 0 else price_subticks // SUBTICKS
    return clamp(ticks, 1, contract.max_price_ticks)


@kernel
def close_price_ticks(contract, size_lots, money_micros):
    """mark -/+ money / |full size|: the worst price at which closing the full position costs no more than the money.

    With the pool's equity as the money this is the bankruptcy price; the fund's help is added to it.
    """
    distance = distance_subticks(contract, size_lots, money_micros)
    away = contract.mark_subticks - distance if size_lots > 0 else contract.mark_subticks + distance
    return _whole_ticks(contract, size_lots, away)


@kernel
def reducing_limit_ticks(contract, size_lots, equity_micros):
    """The worst price for a client's own closing: the bankruptcy price less the taker fee."""
    distance = distance_subticks(contract, size_lots, max(equity_micros, 0))
    fee = np.int64(contract.taker_fee_ppb)
    if size_lots > 0:
        away = mul_div_ceil(contract.mark_subticks - distance, PPB, PPB - fee)
    else:
        away = mul_div_floor(contract.mark_subticks + distance, PPB, PPB + fee)
    return _whole_ticks(contract, size_lots, away)


@kernel
def liquidation_price_subticks(s, position_slot):
    """The mark at which the position's pool becomes liquidatable while all else stays: an estimate, 0 for none.

    Published form: (money - MM of the others + their profit + deduction - entry cost) / (size * (mmr - side)).
    """
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    size = np.int64(position.size_lots)
    if size == 0 or contract.margin_free:
        return np.int64(0)
    spare = pool_equity_micros(s, position_slot) - floor_micros(
        contract.mark_subticks * size * contract.micros_per_tick_lot
    )
    if position.margin_mode == MarginMode.CROSS:
        maintenance = cross_maintenance_micros(s, position.account_slot)
        spare -= maintenance - maintenance_micros(contract, size)
    return liquidation_price_of(contract, size, spare)


@kernel
def liquidation_price_of(contract, size_lots, spare_micros):
    """The mark at which spare + position value = MM; `spare_micros` is money less entry cost and the others' needs."""
    unit = abs(size_lots) * contract.micros_per_tick_lot
    bound = contract.max_price_ticks * SUBTICKS
    price = np.int64(0)
    for place in range(contract.brackets - 1, -1, -1):
        mmr = contract.bracket_mmr_ppb[place]
        needed = distance_subticks(contract, size_lots, spare_micros + contract.bracket_deduction_micros[place])
        if size_lots > 0:
            price = mul_div_floor(-needed, PPB, max(PPB - mmr, SUBTICKS))
        else:
            price = mul_div_floor(needed, PPB, PPB + mmr)
        if 0 < price <= bound and ceil_micros(price * unit) > contract.bracket_floor_micros[place]:
            return price
    return price if 0 < price <= bound else np.int64(0)


# --- orders -------------------------------------------------------------------------------------------------------


@kernel
def opening_micros(contract, leverage, size_after, opened_lots, price_ticks):
    """What a fill that opens brings into an isolated position: IM at its price, its loss at the mark, its fee.

    Where the whole position comes into a bracket of less leverage, also what this asks more for the lots held before.
    """
    unit = np.int64(contract.micros_per_tick_lot)
    notional = opened_lots * price_ticks * unit
    held = notional_micros(contract, abs(size_after) - opened_lots)
    rate = effective_leverage(contract, leverage, notional_micros(contract, size_after))
    raised = -(-held // rate) - initial_micros(contract, leverage, held)
    signed = opened_lots if size_after > 0 else -opened_lots
    loss = max((price_ticks * SUBTICKS - contract.mark_subticks) * signed * unit, 0)
    fee = fee_micros(notional, reserved_fee_ppb(contract))
    return -(-notional // rate) + raised + ceil_micros(loss) + fee


@inlined
def _change_micros(contract, signed_lots, price_ticks, fee_ppb):
    """What a fill does to its pool's equity: the way from its price to the mark, less its fee, and rounding."""
    unit = np.int64(contract.micros_per_tick_lot)
    gain = floor_micros((contract.mark_subticks - price_ticks * SUBTICKS) * signed_lots * unit)
    return gain - max(fee_micros(abs(signed_lots) * price_ticks * unit, fee_ppb), 0) - 1


@kernel
def _isolated_survives(s, position_slot, signed_lots, price_ticks, fee_ppb):
    """An isolated position bears what closes, its account's cash brings what opens."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    size = np.int64(position.size_lots)
    closing = size != 0 and (size > 0) != (signed_lots > 0)
    closed = min(abs(size), abs(signed_lots)) if closing else np.int64(0)
    opened = abs(signed_lots) - closed
    if closed != 0:
        signed = closed if signed_lots > 0 else -closed
        if isolated_equity_micros(s, position_slot) + _change_micros(contract, signed, price_ticks, fee_ppb) < 0:
            return False
    if opened == 0:
        return True
    needed = opening_micros(contract, position.leverage, size + signed_lots, opened, price_ticks)
    return cross_equity_micros(s, position.account_slot) >= needed


@kernel
def survives_fill(s, position_slot, signed_lots, price_ticks, fee_ppb):
    """Whether a pool still has equity >= 0 after a fill at this price with its fee; rounding counts against it."""
    position = position_at(s, position_slot)
    if position.margin_mode == MarginMode.ISOLATED:
        return _isolated_survives(s, position_slot, signed_lots, price_ticks, fee_ppb)
    contract = contract_at(s, position.contract_slot)
    change = _change_micros(contract, signed_lots, price_ticks, fee_ppb)
    return cross_equity_micros(s, position.account_slot) + change >= 0


@inlined
def _order_weight(side, price_ticks, loss_subticks, lots):
    return margin_price_subticks(side, price_ticks, loss_subticks) * lots


@inlined
def adverse_subticks(contract, side, price_ticks):
    """How far a limit lies on the losing side of the mark."""
    distance = price_ticks * SUBTICKS - contract.mark_subticks
    return max(distance if side == Side.BUY else -distance, 0)


@inlined
def _need_with_order_micros(s, taker, contract):
    """What the taker's contract needs once this order is open; an amended order's old part is taken out."""
    buys, sells, size, leverage, loss = np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    isolated = False
    if taker.position_slot != NIL:
        position = position_at(s, taker.position_slot)
        buys, sells, loss = position.buy_subtick_lots, position.sell_subtick_lots, position.loss_subtick_lots
        size, leverage = position.size_lots, np.int64(position.leverage)
        isolated = position.margin_mode == MarginMode.ISOLATED
    weight = _order_weight(taker.side, taker.sweep_ticks, taker.loss_subticks, taker.leaves_lots)
    loss += taker.loss_subticks * taker.leaves_lots
    if taker.old_leaves_lots != 0:
        weight -= _order_weight(taker.side, taker.old_price_ticks, taker.old_loss_subticks, taker.old_leaves_lots)
        loss -= taker.old_loss_subticks * taker.old_leaves_lots
    if taker.side == Side.BUY:
        buys += weight
    else:
        sells += weight
    unit = np.int64(contract.micros_per_tick_lot)
    need = required_micros(contract, leverage, size, ceil_micros(buys * unit), ceil_micros(sells * unit))
    if isolated:
        need -= initial_micros(contract, leverage, notional_micros(contract, size))
    return need + ceil_micros(loss * unit)


@inlined
def _spare_besides_micros(s, account_slot, except_slot):
    """Cross equity less IM and reserves of all contracts but one, in one pass over the account's positions."""
    spare = money_micros(s, account_slot)
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        contract = contract_at(s, position.contract_slot)
        if not contract.margin_free:
            if position.size_lots != 0 and position.margin_mode == MarginMode.CROSS:
                spare += unrealised_micros(contract, position.size_lots, position.entry_cost_micros)
            if slot != except_slot and (position.size_lots | position.buy_lots | position.sell_lots) != 0:
                spare -= requirement_micros(contract, position)
        slot = np.int64(position.next_slot)
    return spare


@inlined
def closable_lots(position, side):
    """What of a position new orders of this side can close: its size less what its orders of that side already may.

    Negative where these may open. Resting reduce-only orders are always of the side that closes.
    """
    return -against(side, position.size_lots) - of_side(position, side).buy_lots - position.reduce_only_lots


@inlined
def order_reason(s, taker, contract):
    """Row 22: equity >= IM + reserves of everything, once this order is open; all else must be known by now."""
    taker.loss_subticks = adverse_subticks(contract, taker.side, taker.sweep_ticks)
    spare = _spare_besides_micros(s, taker.account_slot, taker.position_slot)
    return Reason.INSUFFICIENT_MARGIN if spare < _need_with_order_micros(s, taker, contract) else Reason.NONE


@kernel
def reducing_reason(s, contract, best_ticks):
    """Row 22 for a reduce-only order: its limit is tightened until no fill can leave equity below 0.

    `best_ticks` is the best price of the other side, NIL for none. An order that could trade there, and after the
    tightening cannot, is refused.
    """
    taker = s.taker
    size = np.int64(position_at(s, taker.position_slot).size_lots)
    limit = reducing_limit_ticks(contract, size, pool_equity_micros(s, taker.position_slot))
    asked = np.int64(taker.sweep_ticks)
    tightened = min(asked, limit) if taker.side == Side.BUY else max(asked, limit)
    if tightened == asked:
        return Reason.NONE
    if best_ticks != NIL and taker.side == Side.BUY and asked >= best_ticks > tightened:
        return Reason.INSUFFICIENT_MARGIN
    if best_ticks != NIL and taker.side == Side.SELL and asked <= best_ticks < tightened:
        return Reason.INSUFFICIENT_MARGIN
    taker.sweep_ticks = tightened
    return Reason.NONE
