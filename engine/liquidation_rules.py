"""Liquidation and auto-deleveraging: whom, how much, at what price, in which order. It decides and never acts."""

import numpy as np

from engine import margin
from engine.codes import NIL, MarginMode, MarketState
from engine.kernels import kernel
from engine.row_access import account_at, contract_at, position_at
from engine.units import PPB, SUBTICKS, mul_div_floor, mul_ppb_ceil, product_less

FUND_SHARE = 10
"""The fund gives at most a tenth of itself per account and day."""
DAY_NS = 86_400_000_000_000
MAX_RATIO = 1 << 61
LIGHTS = 5
LIQUIDATABLE = 3
"""How close an account is that is flagged: above every level of the margin calls."""


# --- whom ---------------------------------------------------------------------------------------------------------


@kernel
def is_closable(contract):
    """Whether the positions of a contract are closed by force: not when switched off, nor while its mark is frozen."""
    return contract.liquidation_enabled != 0 and contract.mark_frozen == 0 and contract.margin_free == 0


@kernel
def _may_be_closed(s, position_slot):
    """Whether a position is closed by force now; of a contract that is being settled only what is under water."""
    contract = contract_at(s, position_at(s, position_slot).contract_slot)
    if not is_closable(contract):
        return False
    return contract.state != MarketState.SETTLED or margin.pool_equity_micros(s, position_slot) < 0


@kernel
def distressed_isolated(s, account_slot, tick):
    """An isolated position of the account that is liquidatable and closable and was not worked at this tick, or NIL."""
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.size_lots != 0 and position.margin_mode == MarginMode.ISOLATED and position.worked_tick != tick:
            if margin.is_distressed(s, slot) and _may_be_closed(s, slot):
                return slot
        slot = np.int64(position.next_slot)
    return np.int64(NIL)


@kernel
def is_cross_distressed(s, account_slot):
    """Whether the account's cross pool is liquidatable: equity < MM, strictly; without a position equity < 0."""
    maintenance = margin.cross_maintenance_micros(s, account_slot)
    return margin.cross_equity_micros(s, account_slot) < max(maintenance, 0)


@kernel
def is_liquidatable(s, account_slot):
    """Whether any pool of the account is liquidatable."""
    if is_cross_distressed(s, account_slot):
        return True
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.size_lots != 0 and position.margin_mode == MarginMode.ISOLATED:
            if margin.is_distressed(s, slot):
                return True
        slot = np.int64(position.next_slot)
    return False


@kernel
def largest_cross(s, account_slot, tick):
    """The closable cross position with the largest MM that was not worked at this tick, NIL when there is none."""
    best, largest = np.int64(NIL), np.int64(NIL)
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        contract = contract_at(s, position.contract_slot)
        open_cross = position.size_lots != 0 and position.margin_mode == MarginMode.CROSS
        if open_cross and position.worked_tick != tick and _may_be_closed(s, slot):
            maintenance = margin.maintenance_micros(contract, position.size_lots)
            if maintenance > largest:
                best, largest = slot, maintenance
        slot = np.int64(position.next_slot)
    return best


@kernel
def pool_maintenance_micros(s, position_slot):
    """MM of the pool that carries an open position."""
    position = position_at(s, position_slot)
    if position.margin_mode == MarginMode.ISOLATED:
        return margin.maintenance_micros(contract_at(s, position.contract_slot), position.size_lots)
    return margin.cross_maintenance_micros(s, position.account_slot)


# --- how much -----------------------------------------------------------------------------------------------------


@kernel
def fee_micros(contract, lots):
    """The liquidation fee on a quantity at the mark, rounded up."""
    return mul_ppb_ceil(margin.notional_micros(contract, lots), contract.liquidation_fee_ppb)


@kernel
def _cures(contract, size_lots, lots, spare_micros):
    """Whether closing `lots` leaves equity less fee at or above MM; `spare_micros` is equity less the others' MM."""
    rest = abs(size_lots) - lots
    return spare_micros - fee_micros(contract, lots) >= margin.maintenance_micros(contract, rest)


@kernel
def partial_lots(contract, size_lots, spare_micros):
    """The smallest quantity whose closing cures the pool, bracket by bracket, no remainder below the minimum."""
    size = abs(size_lots)
    step = np.int64(contract.lot_step)
    low, high = np.int64(0), -(-size // step)
    while low < high:
        middle = (low + high) // 2
        if _cures(contract, size_lots, min(middle * step, size), spare_micros):
            high = middle
        else:
            low = middle + 1
    lots = min(max(high, 1) * step, size)
    return lots if size - lots >= contract.min_order_lots else size


# --- at what price ------------------------------------------------------------------------------------------------


@kernel
def fund_allowance_micros(s, account_slot):
    """What the fund may still give to an account today."""
    account = account_at(s, account_slot)
    used = account.fund_used_micros if account.fund_day == s.now_ns // DAY_NS else np.int64(0)
    return max(min((s.fund_micros + used) // FUND_SHARE - used, s.fund_micros), 0)


@kernel
def close_price_ticks(s, position_slot):
    """mark -/+ (equity + the fund's help) / |full size|: equity before the closing, and the full size."""
    position = position_at(s, position_slot)
    equity = margin.pool_equity_micros(s, position_slot)
    aid = min(fund_allowance_micros(s, position.account_slot), max(-equity, 0))
    return margin.close_price_ticks(contract_at(s, position.contract_slot), position.size_lots, equity + aid)


# --- auto-deleveraging --------------------------------------------------------------------------------------------


@kernel
def profit_micros(s, position_slot):
    """Unrealised profit of a position."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    return margin.unrealised_micros(contract, position.size_lots, position.entry_cost_micros)


@kernel
def return_ppb(s, position_slot):
    """r = unrealised profit / |entry cost|, signed."""
    cost = max(abs(position_at(s, position_slot).entry_cost_micros), 1)
    return _capped_ratio(profit_micros(s, position_slot), cost)


@kernel
def pool_leverage_ppb(s, position_slot, equity_micros):
    """l = |notional| / equity of the pool, for equity > 0."""
    position = position_at(s, position_slot)
    notional = margin.notional_micros(contract_at(s, position.contract_slot), position.size_lots)
    return max(_capped_ratio(notional, equity_micros), 1)


@kernel
def _capped_ratio(above, below):
    if product_less(MAX_RATIO, below, abs(above), PPB):
        return np.int64(MAX_RATIO) * (1 if above > 0 else -1)
    return mul_div_floor(above, PPB, below)


@kernel
def outranks(profit, leverage, other_profit, other_leverage):
    """Whether a score is higher: r * l in profit, r / l in loss, compared by cross-multiplication."""
    if profit < 0 and other_profit < 0:
        return product_less(other_profit, leverage, profit, other_leverage)
    if profit < 0 or other_profit < 0:
        return profit > other_profit
    return product_less(other_profit, other_leverage, profit, leverage)


@kernel
def is_older(opened_seq, slot, other_opened_seq, other_slot):
    """Of equal scores: whether a position has been open for longer, or has the lower slot."""
    return opened_seq < other_opened_seq if opened_seq != other_opened_seq else slot < other_slot


@kernel
def goes_first(s, slot, equity_micros, other, other_equity_micros):
    """The higher score goes first; of equals the position that is older since flat, then the lower slot."""
    profit, other_profit = return_ppb(s, slot), return_ppb(s, other)
    leverage = pool_leverage_ppb(s, slot, equity_micros)
    other_leverage = pool_leverage_ppb(s, other, other_equity_micros)
    if outranks(profit, leverage, other_profit, other_leverage):
        return True
    if outranks(other_profit, other_leverage, profit, leverage):
        return False
    return is_older(position_at(s, slot).opened_seq, slot, position_at(s, other).opened_seq, other)


@kernel
def affordable_lots(s, position_slot, price_ticks, equity_micros):
    """How much a candidate can give at this price with equity >= 0 left."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    size = np.int64(position.size_lots)
    loss = contract.mark_subticks - price_ticks * SUBTICKS
    loss = loss if size > 0 else -loss
    if loss <= 0:
        return abs(size)
    step = np.int64(contract.lot_step)
    lots = mul_div_floor(equity_micros, SUBTICKS, loss * contract.micros_per_tick_lot)
    return clamp_lots(lots, size, step)


@kernel
def clamp_lots(lots, size_lots, step):
    """Whole lot steps, the whole position when it is covered."""
    if lots >= abs(size_lots):
        return abs(size_lots)
    return max(lots, 0) // step * step


@kernel
def light_of(cumulated_lots, total_lots):
    """Five lights for the first fifth of a side's quantity, one for the last."""
    return 6 + mul_div_floor(-cumulated_lots, LIGHTS, max(total_lots, 1))


@kernel
def lights(s, position_slot):
    """A position's place in its side's queue for deleveraging, 5 goes first; 0 for no position, 1 without equity."""
    own = position_at(s, position_slot)
    if own.size_lots == 0:
        return np.int64(0)
    own_equity = margin.pool_equity_micros(s, position_slot)
    if own_equity <= 0:
        return np.int64(1)
    cumulated, total = abs(own.size_lots), abs(own.size_lots)
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        if slot == position_slot or position.contract_slot != own.contract_slot:
            continue
        if position.size_lots == 0 or (position.size_lots > 0) != (own.size_lots > 0):
            continue
        total += abs(position.size_lots)
        equity = margin.pool_equity_micros(s, slot)
        if equity > 0 and goes_first(s, slot, equity, position_slot, own_equity):
            cumulated += abs(position.size_lots)
    return light_of(cumulated, total)
