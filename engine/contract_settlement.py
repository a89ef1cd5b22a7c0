"""Contract settlement: a window in which positions may only shrink, then one price at which all of them are closed.

The price is the mean of the index at the mark ticks of the window, rounded down; it becomes the contract's last mark.
Accounts that are under water at this price are liquidated first, so that the fund and then deleveraging carry the loss.
If both are not enough, the closing waits and is tried again at each mark tick. All positions close at one instant.
"""

import numpy as np

from engine import (
    cancel_queue,
    collateral,
    events,
    index_and_mark,
    ledger,
    liquidation_rules,
    liquidator,
    listing,
    margin,
    reference_prices,
)
from engine.code_values import MARKET_REDUCE_ONLY
from engine.codes import NIL, EventKind, MarginMode, MarketState, Reason
from engine.kernels import kernel
from engine.row_access import account_at, contract_at, job_at, position_at
from engine.units import NS_PER_S

WINDOW_NS = 30 * 60 * NS_PER_S
"""How long the index is averaged."""


# --- the window ---------------------------------------------------------------------------------------------------


@kernel
def is_possible(s, contract):
    """Whether there is a mark to settle at and a tick that will fix it."""
    return s.mark_tick_ns != 0 and contract.mark_subticks != 0 and reference_prices.is_ticking(contract)


@kernel
def begin(s, contract_slot):
    """The window begins now: the state becomes REDUCE_ONLY or stays what is stricter. The caller reports it."""
    contract = contract_at(s, contract_slot)
    contract.delivery_ns = s.now_ns + WINDOW_NS
    contract.delivery_sum_subticks = 0
    contract.delivery_samples = 0
    state = max(np.int64(contract.state), MARKET_REDUCE_ONLY)
    if contract.open_state != 0:
        contract.open_state = max(np.int64(contract.open_state), MARKET_REDUCE_ONLY)
    reference_prices.change_state(s, contract_slot, state)


@kernel
def _fix(s, contract_slot):
    """Fix the price: trading ends, all orders are cancelled, accounts under water at the price are liquidated first."""
    contract = contract_at(s, contract_slot)
    price = np.int64(contract.mark_subticks)
    if contract.delivery_samples != 0:
        price = contract.delivery_sum_subticks // contract.delivery_samples
    row = events.notice(s, EventKind.CONTRACT_STATE_CHANGED, NIL, contract_slot)
    row.code = MarketState.SETTLED
    row.old_value = contract.state
    row.new_value = MarketState.SETTLED
    row.amount_micros = contract.delivery_samples
    row.price_subticks = price
    row.other_price_subticks = contract.index_subticks
    contract.open_state = 0
    contract.mark_frozen = 0
    reference_prices.set_mark(s, contract_slot, price)
    reference_prices.change_state(s, contract_slot, MarketState.SETTLED)
    job = job_at(s, cancel_queue.add(s, NIL, contract_slot, 0))
    job.scope = cancel_queue.QUIET
    job.reason = Reason.MARKET_STATE
    _is_due(s, contract)


@kernel
def _is_due(s, contract):
    """The closing is due now, after the cancels and the liquidations of this instant."""
    if contract.delivery_due_ns == 0:
        s.deliveries_due += 1
    contract.delivery_due_ns = s.now_ns


@kernel
def tick(s, contract_slot):
    """A mark tick of the window: a sample of the index while its sources are live, and at the end the price."""
    contract = contract_at(s, contract_slot)
    if contract.delivery_ns == 0:
        return
    if contract.state == MarketState.SETTLED:
        _is_due(s, contract)
        return
    if s.now_ns <= contract.delivery_ns:
        if index_and_mark.live_sources(contract, s.now_ns - s.index_stale_ns) >= contract.min_sources:
            contract.delivery_sum_subticks += contract.index_subticks
            contract.delivery_samples += 1
    if s.now_ns >= contract.delivery_ns and cancel_queue.has_room(s):
        _fix(s, contract_slot)


# --- the closing --------------------------------------------------------------------------------------------------


@kernel
def _missing_micros(s, position_slot):
    """What the fund must pay, for collateral or without return, when this position, the last of its pool, is closed."""
    position = position_at(s, position_slot)
    if position.margin_mode == MarginMode.ISOLATED:
        return max(-margin.isolated_equity_micros(s, position_slot), 0)
    slot = np.int64(account_at(s, position.account_slot).positions_head)
    while slot != NIL:
        other = position_at(s, slot)
        if slot != position_slot and other.size_lots != 0 and other.margin_mode == MarginMode.CROSS:
            return np.int64(0)
        slot = np.int64(other.next_slot)
    account = account_at(s, position.account_slot)
    missing = max(-account.cash_micros - margin.cross_unrealised_micros(s, position.account_slot), 0)
    return missing + collateral.excess_micros(s) if missing > 0 and account.has_collateral else missing


@kernel
def _is_covered(s, contract_slot):
    """Whether the fund can make good all that the closing leaves below zero."""
    left = np.int64(s.fund_micros)
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        if position.size_lots != 0 and position.contract_slot == contract_slot:
            left -= _missing_micros(s, slot)
            if left < 0:
                return False
    return True


@kernel
def _close(s, position_slot):
    """Close a position at the mark without a fee; the fund pays what its pool then owes."""
    position = position_at(s, position_slot)
    account_slot, size = np.int64(position.account_slot), np.int64(position.size_lots)
    worth = margin.worth_micros(contract_at(s, position.contract_slot), size)
    realised = ledger.settle_position(s, position_slot, worth)
    isolated = position.margin_mode == MarginMode.ISOLATED
    if isolated:
        liquidator.make_whole(s, account_slot, position_slot)
        ledger.move_isolated(s, position_slot, -position.isolated_micros)
    row = events.notice(s, EventKind.POSITION_SETTLED, account_slot, position.contract_slot)
    row.amount_micros = realised
    row.price_subticks = contract_at(s, position.contract_slot).mark_subticks
    row.position_lots = size
    row.cash_micros = account_at(s, account_slot).cash_micros
    if not isolated and margin.cross_maintenance_micros(s, account_slot) == NIL:
        liquidator.make_whole(s, account_slot, NIL)
    if not account_at(s, account_slot).liquidating and liquidation_rules.is_liquidatable(s, account_slot):
        liquidator.flag(s, account_slot)


@kernel
def _finish(s, contract_slot):
    contract = contract_at(s, contract_slot)
    ledger.close_clearing(s, contract_slot)
    s.listed_submicros -= listing.notional_bound(contract)
    contract.delivery_ns = 0
    contract.delivery_cursor = 0
    _is_done(s, contract)
    if s.liquidation_since_ns == 0 and liquidator.has_work(s):
        s.liquidation_since_ns = s.now_ns


@kernel
def _is_done(s, contract):
    contract.delivery_due_ns = 0
    s.deliveries_due -= 1


@kernel
def settle(s, contract_slot):
    """Close all positions at the price, one instant for all. False when the ring is full: call again."""
    contract = contract_at(s, contract_slot)
    if contract.delivery_cursor == 0:
        contract.next_funding_ns = 0
        contract.next_sample_ns = 0
        if not _is_covered(s, contract_slot):
            _is_done(s, contract)
            return True
        contract.delivery_cursor = 1
    while contract.delivery_cursor <= s.positions_used:
        slot = contract.delivery_cursor - 1
        if position_at(s, slot).size_lots != 0 and position_at(s, slot).contract_slot == contract_slot:
            if not events.has_room(s):
                return False
            _close(s, slot)
        contract.delivery_cursor += 1
    _finish(s, contract_slot)
    return True
