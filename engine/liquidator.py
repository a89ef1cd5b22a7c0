"""Carries out what `liquidation_rules` decides: the queue of flagged accounts, in bounded items, one round a tick.

A round is about one pool of money: the account's cross pool, or one isolated position. Its stages: cancel the pool's
orders, decide, close a position at the book, deleverage the rest, and settle the fee and what is below zero.
"""

import numpy as np

from engine import (
    adl_ranking,
    cancel_queue,
    collateral,
    eligibility,
    events,
    isolated_margin,
    ledger,
    liquidation_rules,
    margin,
    matching,
    reference_prices,
    taker_row,
)
from engine.code_values import FLAG_INVOLUNTARY_BITS
from engine.codes import (
    NIL,
    EventKind,
    MarginMode,
    MarketState,
    Purpose,
    Reason,
)
from engine.kernels import kernel, rare
from engine.row_access import account_at, contract_at, position_at
from engine.schema import COLLATERAL_ASSETS
from engine.units import SUBTICKS

IDLE, CANCELLING, DECIDING, CLOSING, DELEVERAGING = range(5)
"""Stages of the round of the account at the head of the queue."""


# --- the queue ----------------------------------------------------------------------------------------------------


@kernel
def _append(s, account_slot):
    account_at(s, account_slot).queue_next_slot = NIL
    if s.liquidation_head_slot == NIL:
        s.liquidation_head_slot = account_slot
    else:
        account_at(s, s.liquidation_tail_slot).queue_next_slot = account_slot
    s.liquidation_tail_slot = account_slot
    s.liquidation_count += 1


@kernel
def _take_head(s):
    account_slot = np.int64(s.liquidation_head_slot)
    s.liquidation_head_slot = account_at(s, account_slot).queue_next_slot
    if s.liquidation_head_slot == NIL:
        s.liquidation_tail_slot = NIL
    s.liquidation_count -= 1
    return account_slot


@kernel
def _notice(s, kind, account_slot, contract_slot):
    """A NOTICE with the account's cross equity and MM."""
    row = events.notice(s, kind, account_slot, contract_slot)
    row.old_value = margin.cross_equity_micros(s, account_slot)
    row.new_value = margin.cross_maintenance_micros(s, account_slot)
    row.cash_micros = account_at(s, account_slot).cash_micros
    return row


@kernel
def flag(s, account_slot):
    """Flag an account that is liquidatable: it may neither open nor withdraw, and joins the queue."""
    account = account_at(s, account_slot)
    account.liquidating = 1
    account.warning_level = liquidation_rules.LIQUIDATABLE
    eligibility.set_gate(s, account_slot)
    _append(s, account_slot)
    _notice(s, EventKind.LIQUIDATION_FLAGGED, account_slot, NIL)


@kernel
def _unflag(s, account_slot):
    account = account_at(s, account_slot)
    account.liquidating = 0
    eligibility.set_gate(s, account_slot)
    _notice(s, EventKind.LIQUIDATION_CURED, account_slot, NIL)


@kernel
def has_work(s):
    """Whether an account waits that this tick's round has not reached."""
    head = s.liquidation_head_slot
    return head != NIL and account_at(s, head).liquidated_tick != s.mark_ticks


# --- the end of a round -------------------------------------------------------------------------------------------


@kernel
def _charge_fee(s, account_slot, pool_slot):
    """The liquidation fee, at most the equity that is left, to the fund."""
    equity = margin.cross_equity_micros(s, account_slot)
    if pool_slot != NIL:
        equity = margin.isolated_equity_micros(s, pool_slot)
    fee = min(s.liquidation_owed_micros, max(equity, 0))
    if fee > 0:
        ledger.pay_fund(s, account_slot, pool_slot, fee)
        row = _notice(s, EventKind.LIQUIDATION_FEE, account_slot, NIL)
        row.amount_micros = fee


@kernel
def _take_collateral(s, account_slot):
    """The fund takes collateral of a cross pool against what its cash is below zero, as far as the fund's reaches."""
    for place in range(COLLATERAL_ASSETS):
        units = collateral.sale_units(s, account_slot, place, -account_at(s, account_slot).cash_micros)
        paid = collateral.sale_micros(s, place, units)
        if paid > 0:
            row = events.notice(s, EventKind.COLLATERAL_TAKEN, account_slot, NIL)
            row.index = place + 1
            row.old_value = account_at(s, account_slot).collateral_units[place]
            ledger.sell_collateral(s, account_slot, place, units, paid)
            row.new_value = account_at(s, account_slot).collateral_units[place]
            row.amount_micros = paid
            row.cash_micros = account_at(s, account_slot).cash_micros


@kernel
def _settle_deficit(s, account_slot, pool_slot):
    """The fund brings a pool without a position and below zero back to zero."""
    if pool_slot == NIL:
        missing = -account_at(s, account_slot).cash_micros
        has_position = margin.cross_maintenance_micros(s, account_slot) != NIL
    else:
        missing = -position_at(s, pool_slot).isolated_micros
        has_position = position_at(s, pool_slot).size_lots != 0
    if has_position or missing <= 0 or s.fund_micros == 0:
        return
    paid = min(missing, s.fund_micros)
    day = s.now_ns // liquidation_rules.DAY_NS
    account = account_at(s, account_slot)
    if account.fund_day != day:
        account.fund_day = day
        account.fund_used_micros = 0
    account.fund_used_micros += paid
    ledger.pay_fund(s, account_slot, pool_slot, -paid)
    row = _notice(s, EventKind.FUND_PAID, account_slot, NIL)
    row.amount_micros = paid


@kernel
def make_whole(s, account_slot, pool_slot):
    """Bring a cross pool's cash back to zero: the fund buys its collateral, and pays what is then still missing."""
    if pool_slot == NIL and account_at(s, account_slot).has_collateral:
        _take_collateral(s, account_slot)
    _settle_deficit(s, account_slot, pool_slot)


@kernel
def _settle(s):
    account_slot, pool = np.int64(s.liquidation_head_slot), np.int64(s.liquidation_pool_slot)
    _charge_fee(s, account_slot, pool)
    make_whole(s, account_slot, pool)
    if pool != NIL and position_at(s, pool).size_lots == 0:
        ledger.move_isolated(s, pool, -position_at(s, pool).isolated_micros)
    s.liquidation_stage = IDLE


# --- a round ------------------------------------------------------------------------------------------------------


@kernel
def _next_pool(s):
    """Begin with the next pool of the account at the head, or be done with the account for this tick."""
    account_slot, tick = np.int64(s.liquidation_head_slot), np.int64(s.mark_ticks)
    account = account_at(s, account_slot)
    s.liquidation_pool_slot = NIL
    if account.cross_tick != tick and liquidation_rules.is_cross_distressed(s, account_slot):
        account.cross_tick = tick
        s.liquidation_stage = CANCELLING
        return
    pool = liquidation_rules.distressed_isolated(s, account_slot, tick)
    if pool != NIL:
        s.liquidation_pool_slot = pool
        s.liquidation_stage = CANCELLING
        return
    _take_head(s)
    account.liquidated_tick = tick
    if liquidation_rules.is_liquidatable(s, account_slot):
        _append(s, account_slot)
    else:
        _unflag(s, account_slot)


@kernel
def _own_order(s, account_slot, pool_slot):
    """An order of the pool: of an isolated position its own, of the cross pool any of the account's."""
    slot = np.int64(account_at(s, account_slot).positions_head) if pool_slot == NIL else pool_slot
    while slot != NIL:
        position = position_at(s, slot)
        if position.own_head_slot != NIL:
            return np.int64(position.own_head_slot)
        slot = np.int64(position.next_slot) if pool_slot == NIL else np.int64(NIL)
    return np.int64(NIL)


@kernel
def _cancel_next(s):
    order_slot = _own_order(s, s.liquidation_head_slot, s.liquidation_pool_slot)
    if order_slot == NIL:
        s.liquidation_stage = DECIDING
    else:
        matching.cancel_order(s, order_slot, Reason.LIQUIDATION)


@kernel
def _decide(s):
    """Stop if cured; else partial or full: full when equity is at most half of MM."""
    account_slot, pool = np.int64(s.liquidation_head_slot), np.int64(s.liquidation_pool_slot)
    if pool == NIL and account_at(s, account_slot).has_collateral:
        _take_collateral(s, account_slot)
    if pool == NIL:
        distressed = liquidation_rules.is_cross_distressed(s, account_slot)
        equity = margin.cross_equity_micros(s, account_slot)
        maintenance = margin.cross_maintenance_micros(s, account_slot)
    else:
        distressed = margin.is_distressed(s, pool)
        equity, maintenance = margin.isolated_equity_micros(s, pool), liquidation_rules.pool_maintenance_micros(s, pool)
    s.liquidation_owed_micros = 0
    s.liquidation_position_slot = NIL
    s.liquidation_full = 1 if 2 * equity <= maintenance else 0
    s.liquidation_stage = CLOSING if distressed else IDLE


@kernel
def _next_position(s):
    """The position of the pool that is closed next in this round, NIL when none is left."""
    slot = np.int64(s.liquidation_pool_slot)
    if slot == NIL:
        return liquidation_rules.largest_cross(s, s.liquidation_head_slot, s.mark_ticks)
    return slot if position_at(s, slot).worked_tick != s.mark_ticks else np.int64(NIL)


@kernel
def _position_done(s):
    """Go on to the next position; after the last one settle at once, in the same command."""
    if _next_position(s) == NIL:
        _settle(s)
    else:
        s.liquidation_stage = CLOSING


@kernel
def _send(s, position_slot, lots):
    """Send a forced order for so much of a position to the book."""
    s.order_serial += 1
    taker_row.load_forced(s, s.taker, position_slot, lots)
    s.sweeping = 1


@kernel
def _is_cured(s):
    """Whether money has come to the pool since the decision, before anything was closed."""
    if s.liquidation_position_slot != NIL:
        return False
    if s.liquidation_pool_slot == NIL:
        return not liquidation_rules.is_cross_distressed(s, s.liquidation_head_slot)
    return not margin.is_distressed(s, s.liquidation_pool_slot)


@kernel
def _close_next(s):
    """Send the next position of the pool to the book, or settle when there is none."""
    if _is_cured(s):
        s.liquidation_stage = IDLE
        return
    slot = _next_position(s)
    if slot == NIL:
        return _settle(s)
    position = position_at(s, slot)
    contract = contract_at(s, position.contract_slot)
    lots = abs(position.size_lots)
    if not s.liquidation_full:
        own = margin.maintenance_micros(contract, position.size_lots)
        spare = margin.pool_equity_micros(s, slot) - (liquidation_rules.pool_maintenance_micros(s, slot) - own)
        lots = liquidation_rules.partial_lots(contract, position.size_lots, spare)
    position.worked_tick = s.mark_ticks
    s.liquidation_position_slot = slot
    s.liquidation_price_ticks = liquidation_rules.close_price_ticks(s, slot)
    s.liquidation_lots = lots
    row = _notice(s, EventKind.LIQUIDATION_STARTED, position.account_slot, position.contract_slot)
    row.code = s.liquidation_full
    row.amount_micros = lots
    row.price_subticks = s.liquidation_price_ticks * SUBTICKS
    row.position_lots = position.size_lots
    _send(s, slot, lots)


@kernel
def _owe(s, lots):
    position = position_at(s, s.liquidation_position_slot)
    s.liquidation_owed_micros += liquidation_rules.fee_micros(contract_at(s, position.contract_slot), lots)


@rare
def after_sweep(s):
    """What follows a forced order's sweep: nothing more in a partial round, else deleverage what the book left."""
    filled = np.int64(s.taker.filled_lots)
    s.liquidation_lots -= filled
    _owe(s, filled)
    if s.taker.purpose == Purpose.PARTIAL_LIQUIDATION:
        _settle(s)
    elif s.liquidation_lots > 0:
        s.liquidation_stage = DELEVERAGING
    else:
        _position_done(s)


# --- auto-deleveraging --------------------------------------------------------------------------------------------


@kernel
def _deleverage_next(s):
    """Trade the rest with the next candidate at the close price; with none left the contract halts."""
    slot, price_ticks = np.int64(s.liquidation_position_slot), np.int64(s.liquidation_price_ticks)
    candidate = adl_ranking.next_candidate(s, slot, price_ticks)
    if candidate == adl_ranking.PENDING:
        return
    if candidate == NIL:
        _exhausted(s, slot)
        return _position_done(s)
    equity = margin.pool_equity_micros(s, candidate)
    lots = min(s.liquidation_lots, liquidation_rules.affordable_lots(s, candidate, price_ticks, equity))
    _deleverage(s, slot, candidate, lots)
    adl_ranking.rank_giver(s)
    s.liquidation_lots -= lots
    _owe(s, lots)
    if s.liquidation_lots == 0:
        _position_done(s)


@kernel
def _exhausted(s, position_slot):
    contract_slot = np.int64(position_at(s, position_slot).contract_slot)
    row = events.notice(s, EventKind.DELEVERAGING_EXHAUSTED, position_at(s, position_slot).account_slot, contract_slot)
    row.amount_micros = s.liquidation_lots
    row.price_subticks = s.liquidation_price_ticks * SUBTICKS
    row.position_lots = position_at(s, position_slot).size_lots
    contract = contract_at(s, contract_slot)
    if contract.state == MarketState.SETTLED:
        return
    if contract.open_state != 0:
        contract.open_state = MarketState.HALTED
    reference_prices.force_state(s, contract_slot, MarketState.HALTED, Reason.LIQUIDATION)


@kernel
def _deleverage(s, position_slot, candidate, lots):
    """One deleveraging trade, without fee: both legs at the close price, then the candidate's orders give way."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    contract.trade_serial += 1
    signed = -lots if position.size_lots > 0 else lots
    held = s.rank_ahead_lots + abs(position_at(s, candidate).size_lots)
    rank = liquidation_rules.light_of(held, contract.open_interest_lots)
    _deleverage_leg(s, candidate, -signed)
    _deleverage_leg(s, position_slot, signed)
    giver = position_at(s, candidate)
    row = events.notice(s, EventKind.DELEVERAGED, giver.account_slot, giver.contract_slot)
    row.code = rank
    row.amount_micros = lots
    row.price_subticks = s.liquidation_price_ticks * SUBTICKS
    row.position_lots = giver.size_lots
    row.cash_micros = account_at(s, giver.account_slot).cash_micros
    if giver.reduce_only_lots > 0:
        matching.trim_reduce_only(s, candidate, NIL)
    if (giver.buy_lots | giver.sell_lots) != 0 and cancel_queue.has_room(s):
        cancel_queue.add_opening(s, giver.account_slot, giver.contract_slot, Reason.LIQUIDATION)


@kernel
def _deleverage_leg(s, position_slot, signed_lots):
    position = position_at(s, position_slot)
    price_micros = s.liquidation_price_ticks * contract_at(s, position.contract_slot).micros_per_tick_lot
    size = np.int64(position.size_lots)
    ledger.book_fill(s, position_slot, signed_lots, price_micros, 0)
    events.forced_fill(s, position_slot, signed_lots, s.liquidation_price_ticks, FLAG_INVOLUNTARY_BITS)
    if position.margin_mode == MarginMode.ISOLATED and position_slot != s.liquidation_position_slot:
        isolated_margin.after_fill(s, position_slot, size, s.liquidation_price_ticks)


# --- one item ----------------------------------------------------------------------------------------------------


@kernel
def step(s):
    """One item of work on the account at the head of the queue; afterwards `s.sweeping` may be set."""
    stage = s.liquidation_stage
    if stage == IDLE:
        _next_pool(s)
    elif stage == CANCELLING:
        _cancel_next(s)
    elif stage == DECIDING:
        _decide(s)
    elif stage == CLOSING:
        _close_next(s)
    else:
        _deleverage_next(s)
