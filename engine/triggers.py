"""Conditional orders: where they wait, when they fire, and how one that fires goes to the book.

They wait in ladders of trigger prices, rising and falling for each price source. What a source has covered since all
its triggers were worked off is a range; a trigger inside it is due. Firing is bounded per command, the rest waits.
"""

import numpy as np

from engine import admission, book, eligibility, events, matching, taker_row, timed_queues
from engine.code_values import EXEC_CONDITIONAL
from engine.codes import NIL, EventKind, OrdType, PriceSource, Reason, Side, Stage
from engine.kernels import kernel, rare
from engine.row_access import contract_at, detail_at, ladder_at, level_at, order_at
from engine.schema import LADDERS_PER_CONTRACT, TRIGGER_LADDER
from engine.units import MAX_TICKS, SUBTICKS, clamp


@kernel
def ladder_for(contract_slot, source, rising):
    """The ladder of a contract's triggers on one source in one direction."""
    return contract_slot * LADDERS_PER_CONTRACT + TRIGGER_LADDER + 2 * source + (0 if rising else 1)


@kernel
def source_subticks(contract, source):
    """The present value of a price source, 0 where there is none yet."""
    if source == PriceSource.LAST:
        return contract.last_price_ticks * SUBTICKS
    if source == PriceSource.MARK:
        return contract.mark_subticks
    return contract.index_subticks


@kernel
def _trail(detail, side, value_subticks):
    """Move a trailing stop's watermark with its source and return its trigger price, in whole ticks towards it."""
    if side == Side.SELL:
        detail.watermark_subticks = max(detail.watermark_subticks, value_subticks)
        price = detail.watermark_subticks // SUBTICKS - detail.offset_ticks
    else:
        detail.watermark_subticks = min(detail.watermark_subticks, value_subticks)
        price = -(-detail.watermark_subticks // SUBTICKS) + detail.offset_ticks
    return clamp(price, 1, MAX_TICKS)


@rare
def place(s):
    """Put the conditional order in `s.taker`, whose row is written, where it waits."""
    taker = s.taker
    slot = taker.order_slot
    contract, detail = contract_at(s, taker.contract_slot), detail_at(s, slot)
    detail.trigger_source = taker.trigger_source
    detail.offset_ticks = taker.offset_ticks
    detail.self_trade = taker.self_trade
    detail.display_lots = taker.display_lots
    detail.shown_lots = taker.leaves_lots
    if taker.ord_type == OrdType.TRAILING_STOP:
        value = source_subticks(contract, taker.trigger_source)
        detail.watermark_subticks = value
        taker.trigger_price_ticks = _trail(detail, taker.side, value)
    detail.trigger_price_ticks = taker.trigger_price_ticks
    rising = admission.fires_rising(taker.ord_type, taker.side)
    detail.trigger_ladder = ladder_for(taker.contract_slot, taker.trigger_source, rising)
    if taker.ord_type == OrdType.TRAILING_STOP:
        timed_queues.join_trailing(s, slot, taker.contract_slot)
    else:
        book.queue_order(s, slot, detail.trigger_ladder, taker.trigger_price_ticks)


@kernel
def _trail_all(s, contract, source):
    """Move the trailing stops on a source with its present value; one that it reaches queues at its trigger price.

    What the source covered on the way does not count: a price that rose by more than a stop's offset has not fallen.
    """
    value = source_subticks(contract, source)
    slot = np.int64(contract.trailing_head_slot)
    while slot != NIL:
        detail, order = detail_at(s, slot), order_at(s, slot)
        if detail.trigger_source == source and order.level_slot == NIL:
            price = _trail(detail, order.side, value)
            detail.trigger_price_ticks = price
            gap = value - price * SUBTICKS
            reached = (gap >= 0 and order.side == Side.BUY) or (gap <= 0 and order.side == Side.SELL)
            if reached and book.has_level_room(s):
                book.queue_order(s, slot, detail.trigger_ladder, price)
        slot = np.int64(detail.trail_next_slot)


@kernel
def _freeze(s, contract):
    """The market left OPEN: what was due is judged afresh when it opens again."""
    slot = np.int64(contract.trailing_head_slot)
    while slot != NIL:
        if order_at(s, slot).level_slot != NIL:
            book.leave_queue(s, slot)
        slot = np.int64(detail_at(s, slot).trail_next_slot)
    _forget_ranges(contract)


@kernel
def _first_due(s, contract_slot):
    """The order that fires next in a contract, NIL when none is due."""
    contract = contract_at(s, contract_slot)
    for source in range(3):
        low, high = admission.source_range(contract, source)
        if low == 0:
            continue
        ladder = ladder_at(s, ladder_for(contract_slot, source, True))
        if ladder.first_slot != NIL and ladder.first_key <= high:
            return np.int64(level_at(s, ladder.first_slot).head_slot)
        ladder = ladder_at(s, ladder_for(contract_slot, source, False))
        if ladder.first_slot != NIL and ladder.first_key >= low:
            return np.int64(level_at(s, ladder.first_slot).head_slot)
    return np.int64(NIL)


@kernel
def _forget_ranges(contract):
    """All is worked off: each source's range is its present value again."""
    contract.last_high_ticks = contract.last_price_ticks
    contract.last_low_ticks = contract.last_price_ticks
    contract.mark_high_subticks = contract.mark_subticks
    contract.mark_low_subticks = contract.mark_subticks
    contract.index_high_subticks = contract.index_subticks
    contract.index_low_subticks = contract.index_subticks
    contract.triggers_since_ns = 0


@rare
def observe(s, contract_slot, source):
    """A source of this contract has moved: trail what trails, and note whether anything is due.

    Outside OPEN triggers are frozen: only the present value counts when it opens again.
    """
    contract = contract_at(s, contract_slot)
    if contract.gate != 0:
        _freeze(s, contract)
        return
    if contract.untriggered_orders != 0:
        if contract.trailing_head_slot != NIL:
            _trail_all(s, contract, source)
        if _first_due(s, contract_slot) != NIL:
            if contract.triggers_since_ns == 0:
                contract.triggers_since_ns = s.now_ns
            if s.triggers_since_ns == 0:
                s.triggers_since_ns = s.now_ns
            s.next_due_ns = 0
            return
    _forget_ranges(contract)


@kernel
def _next_contract(s):
    """The first contract in slot order with triggers due, NIL when there is none."""
    for contract_slot in range(s.contracts_used):
        if contract_at(s, contract_slot).triggers_since_ns != 0:
            return contract_slot
    return NIL


@kernel
def fire_next(s):
    """Fire one due order: False when none is due; then `s.sweeping` says whether it is at the book."""
    contract_slot = _next_contract(s)
    if contract_slot == NIL:
        s.triggers_since_ns = 0
        return False
    contract = contract_at(s, contract_slot)
    if contract.gate != 0:
        _freeze(s, contract)
        return True
    slot = _first_due(s, contract_slot)
    if slot == NIL:
        _forget_ranges(contract)
    else:
        _fire(s, slot)
    return True


@kernel
def _fire(s, slot):
    """An order whose condition holds is judged again, in full, and goes to the book or ends with the reason."""
    order = order_at(s, slot)
    book.leave_queue(s, slot)
    taker_row.load_waiting(s, s.taker, slot, Stage.TRIGGER)
    contract = contract_at(s, s.taker.contract_slot)
    events.order_event(s, EventKind.TRIGGERED, slot, 0, 0, NIL)
    if order.ord_type == OrdType.TRAILING_STOP:
        timed_queues.leave_trailing(s, slot, s.taker.contract_slot)
    contract.untriggered_orders -= 1
    order.flags &= ~EXEC_CONDITIONAL
    s.taker.flags &= ~EXEC_CONDITIONAL
    eligibility.classify(s, s.taker)
    s.taker.done_reason = admission.order_reason(s)
    if s.taker.done_reason == Reason.NONE:
        matching.settle_price(s.taker)
    s.sweeping = 1
