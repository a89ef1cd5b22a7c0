"""Conditional orders: where they wait, when they fire, and how one that fires goes to the book.

They wait in ladders of trigger prices, rising and falling for each price source. What a source has covered since all
its triggers were worked off is a range; a trigger inside it is due. Firing is bounded per command, the rest waits.
"""

import numpy as np
from numba import njit

from engine import admission, book, reports
from engine.codes import NIL, EventKind, ExecInst, OrdType, PriceSource, Side, Stage
from engine.schema import LADDERS_PER_CONTRACT, TRIGGER_LADDER
from engine.units import MAX_TICKS, SUBTICKS, clamp

_CONDITIONAL = int(ExecInst.CONDITIONAL)


@njit
def ladder_for(contract_slot, source, rising):
    """The ladder of a contract's triggers on one source in one direction."""
    return contract_slot * LADDERS_PER_CONTRACT + TRIGGER_LADDER + 2 * source + (0 if rising else 1)


@njit
def source_subticks(contract, source):
    """The present value of a price source, 0 where there is none yet."""
    if source == PriceSource.LAST:
        return contract.last_price_ticks * SUBTICKS
    if source == PriceSource.MARK:
        return contract.mark_subticks
    return contract.index_subticks


@njit
def _trail(detail, side, value_subticks):
    """Move a trailing stop's watermark with its source and return its trigger price, in whole ticks towards it."""
    if side == Side.SELL:
        detail.watermark_subticks = max(detail.watermark_subticks, value_subticks)
        price = detail.watermark_subticks // SUBTICKS - detail.offset_ticks
    else:
        detail.watermark_subticks = min(detail.watermark_subticks, value_subticks)
        price = -(-detail.watermark_subticks // SUBTICKS) + detail.offset_ticks
    return clamp(price, 1, MAX_TICKS)


@njit
def place(s):
    """Put the conditional order in `s.taker`, whose row is written, where it waits."""
    taker = s.taker
    slot = taker.order_slot
    contract, detail = s.contracts[taker.contract_slot], s.details[slot]
    detail.trigger_source = taker.trigger_source
    detail.offset_ticks = taker.offset_ticks
    detail.self_trade = taker.self_trade
    detail.person = taker.person
    detail.display_lots = taker.display_lots
    detail.shown_lots = taker.leaves_lots
    if taker.ord_type == OrdType.TRAILING_STOP:
        value = source_subticks(contract, taker.trigger_source)
        detail.watermark_subticks = value
        taker.trigger_price_ticks = _trail(detail, taker.side, value)
    detail.trigger_price_ticks = taker.trigger_price_ticks
    rising = admission.fires_rising(taker.ord_type, taker.side)
    detail.trigger_ladder = ladder_for(taker.contract_slot, taker.trigger_source, rising)
    book.join_queue(s, slot, detail.trigger_ladder, taker.trigger_price_ticks)


@njit
def _retrail(s, contract, source):
    """Re-key every trailing stop on a source whose trigger price its present value moves."""
    value = source_subticks(contract, source)
    slot = np.int64(contract.trailing_head_slot)
    while slot != NIL:
        detail = s.details[slot]
        if detail.trigger_source == source:
            price = _trail(detail, s.orders[slot].side, value)
            if price != detail.trigger_price_ticks:
                book.leave_queue(s, slot)
                detail.trigger_price_ticks = price
                book.join_queue(s, slot, detail.trigger_ladder, price)
        slot = np.int64(detail.trail_next_slot)


@njit
def _first_due(s, contract_slot):
    """The order that fires next in a contract, NIL when none is due."""
    contract = s.contracts[contract_slot]
    for source in range(3):
        low, high = admission.source_range(contract, source)
        if low == 0:
            continue
        ladder = s.ladders[ladder_for(contract_slot, source, True)]
        if ladder.first_slot != NIL and ladder.first_key <= high:
            return np.int64(s.levels[ladder.first_slot].head_slot)
        ladder = s.ladders[ladder_for(contract_slot, source, False)]
        if ladder.first_slot != NIL and ladder.first_key >= low:
            return np.int64(s.levels[ladder.first_slot].head_slot)
    return np.int64(NIL)


@njit
def _forget_ranges(contract):
    """All is worked off: each source's range is its present value again."""
    contract.last_high_ticks = contract.last_price_ticks
    contract.last_low_ticks = contract.last_price_ticks
    contract.mark_high_subticks = contract.mark_subticks
    contract.mark_low_subticks = contract.mark_subticks
    contract.index_high_subticks = contract.index_subticks
    contract.index_low_subticks = contract.index_subticks
    contract.triggers_since_ns = 0


@njit
def observe(s, contract_slot, source):
    """A source of this contract has moved: trail what trails, and note whether anything is due.

    Outside OPEN triggers are frozen: only the present value counts when it opens again.
    """
    contract = s.contracts[contract_slot]
    if contract.untriggered_orders != 0 and contract.gate == 0:
        if contract.trailing_head_slot != NIL:
            _retrail(s, contract, source)
        if _first_due(s, contract_slot) != NIL:
            if contract.triggers_since_ns == 0:
                contract.triggers_since_ns = s.now_ns
            if s.triggers_since_ns == 0:
                s.triggers_since_ns = s.now_ns
            s.next_due_ns = 0
            return
    _forget_ranges(contract)


@njit
def load(s, slot, stage):
    """Copy a waiting order into `s.taker`."""
    taker, order, detail = s.taker, s.orders[slot], s.details[slot]
    position = s.positions[order.position_slot]
    taker.order_slot = slot
    taker.order_id = order.order_id
    taker.cl_ord_id = order.cl_ord_id
    taker.leaves_lots = order.leaves_lots
    taker.filled_lots = order.filled_lots
    taker.price_ticks = order.price_ticks
    taker.loss_subticks = 0
    taker.flags = order.flags
    taker.side = order.side
    taker.ord_type = order.ord_type
    taker.tif = order.tif
    taker.account_slot = position.account_slot
    taker.contract_slot = position.contract_slot
    taker.position_slot = order.position_slot
    taker.group = s.accounts[position.account_slot].group
    taker.display_lots = detail.display_lots
    taker.trigger_price_ticks = detail.trigger_price_ticks
    taker.offset_ticks = detail.offset_ticks
    taker.trigger_source = detail.trigger_source
    taker.self_trade = detail.self_trade
    taker.person = detail.person
    taker.expire_ns = 0
    taker.old_leaves_lots = 0
    taker.old_price_ticks = 0
    taker.old_loss_subticks = 0
    taker.done_reason = 0
    taker.purpose = 0
    taker.stage = stage


@njit
def _next_contract(s):
    """The first contract in slot order with triggers due, NIL when there is none."""
    for contract_slot in range(s.contracts_used):
        if s.contracts[contract_slot].triggers_since_ns != 0:
            return contract_slot
    return NIL


@njit
def fire_next(s):
    """Fire one due order: False when none is due; then `s.sweeping` says whether it is at the book."""
    contract_slot = _next_contract(s)
    if contract_slot == NIL:
        s.triggers_since_ns = 0
        return False
    slot = _first_due(s, contract_slot)
    if slot == NIL or s.contracts[contract_slot].gate != 0:
        _forget_ranges(s.contracts[contract_slot])
        return True
    _fire(s, slot)
    return True


@njit
def _fire(s, slot):
    """An order whose condition holds is judged again, in full, and goes to the book or ends with the reason."""
    order = s.orders[slot]
    book.leave_queue(s, slot)
    load(s, slot, Stage.TRIGGER)
    contract = s.contracts[s.taker.contract_slot]
    reports.order_event(s, EventKind.TRIGGERED, slot, 0, 0, NIL)
    if order.ord_type == OrdType.TRAILING_STOP:
        book.leave_trailing(s, slot, s.taker.contract_slot)
    contract.untriggered_orders -= 1
    order.flags &= ~_CONDITIONAL
    s.taker.flags = order.flags
    s.taker.done_reason = admission.order_reason(s)
    s.sweeping = 1
