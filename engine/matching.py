"""One order against the book, in price-time priority; a fill is at the maker's price.

The order stands in `s.taker` and survives a pause there: each step of the sweep begins only when the event ring has
room for all that one step can cause.
"""

import numpy as np

from engine import (
    admission,
    book,
    cancel_queue,
    events,
    index_and_mark,
    isolated_margin,
    ledger,
    makers_ahead,
    margin,
    standing,
    timed_queues,
)
from engine.code_values import (
    EXEC_CONDITIONAL,
    EXEC_ICEBERG,
    EXEC_REDUCE_ONLY,
    EXEC_ROW_BITS,
    FLAG_FORCED,
    FLAG_MADE_REDUCE_ONLY,
    FLAG_RESTING,
    FLAG_SLID,
    FLAG_TAKER,
    REASON_IOC_REMAINDER,
    REASON_NO_LIQUIDITY,
)
from engine.codes import (
    NIL,
    EventKind,
    MarginMode,
    OrdType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from engine.kernels import inlined, kernel, rare
from engine.row_access import (
    STYLE_BITS,
    STYLE_MASK,
    account_at,
    contract_at,
    detail_at,
    job_at,
    ladder_at,
    level_at,
    order_at,
    own_at,
    position_at,
    set_style,
    style_of,
)
from engine.units import EPOCH_2025_S, NS_PER_S, opposite

# --- orders that leave --------------------------------------------------------------------------------------------


@inlined
def _release(s, slot, cell):
    """Free the row of an order that is in no queue any more; `cell` is its client id's in the map, NIL if unknown."""
    order = order_at(s, slot)
    position_slot = np.int64(order.position_slot)
    position = position_at(s, position_slot)
    if order.tif == TimeInForce.GTD:
        timed_queues.leave_expiry(s, slot)
    if order.flags & EXEC_CONDITIONAL:
        contract_at(s, position.contract_slot).untriggered_orders -= 1
        if order.ord_type == OrdType.TRAILING_STOP:
            timed_queues.leave_trailing(s, slot, position.contract_slot)
    elif order.flags & EXEC_REDUCE_ONLY:
        position.reduce_only_orders -= 1
    book.leave_own(s, slot)
    book.forget_order(s, slot, position.account_slot, cell)
    book.give_slot(s, slot)


@inlined
def cancel_order(s, slot, reason):
    """Take a waiting order off the venue, resting or untriggered, and report it."""
    cancel_found(s, slot, NIL, reason)


@inlined
def cancel_found(s, slot, cell, reason):
    """The same for an order whose client id's cell in the map is known; NIL if not."""
    order = order_at(s, slot)
    lots = order.leaves_lots
    shown = book.leave_queue(s, slot) if order.level_slot != NIL else np.int64(NIL)
    if order.flags & EXEC_CONDITIONAL:
        shown = np.int64(NIL)
    else:
        ledger.count_open(s, order.position_slot, slot, -lots)
    order.leaves_lots = 0
    events.order_event(s, EventKind.CANCELLED, slot, reason, lots, shown)
    _release(s, slot, cell)


@kernel
def reduce_order(s, slot, lots, reason):
    """Cut a resting order, which keeps its place; one with nothing left is cancelled."""
    order = order_at(s, slot)
    if lots >= order.leaves_lots:
        cancel_order(s, slot, reason)
        return
    ledger.count_open(s, order.position_slot, slot, -lots)
    shown = book.reduce(s, slot, lots)
    events.order_event(s, EventKind.REDUCED, slot, reason, lots, shown)


@kernel
def _worst_reduce_only(s, position, spared_slot):
    """The resting reduce-only order with the worst price, the youngest of equals; NIL when there is none."""
    worst = np.int64(NIL)
    slot = np.int64(position.own_head_slot)
    while slot != NIL:
        order = order_at(s, slot)
        if order.flags & (EXEC_REDUCE_ONLY | EXEC_CONDITIONAL) == EXEC_REDUCE_ONLY and slot != spared_slot:
            if order.level_slot != NIL and (worst == NIL or _no_better(s, order, worst)):
                worst = slot
        slot = np.int64(own_at(s, slot).next_slot)
    return worst


@kernel
def _no_better(s, order, worst_slot):
    worst = order_at(s, worst_slot)
    if order.price_ticks == worst.price_ticks:
        return order.order_id > worst.order_id
    return (order.price_ticks < worst.price_ticks) == (order.side == Side.BUY)


@rare
def trim_reduce_only(s, position_slot, spared_slot):
    """Resting reduce-only quantity never exceeds the position: the excess is cut from the worst-priced orders."""
    position = position_at(s, position_slot)
    while position.reduce_only_lots > 0:
        slot = _worst_reduce_only(s, position, spared_slot)
        if slot == NIL:
            return
        reducing = (position.size_lots > 0) == (order_at(s, slot).side == Side.SELL) and position.size_lots != 0
        excess = position.reduce_only_lots - (abs(position.size_lots) if reducing else 0)
        if excess <= 0:
            return
        reduce_order(s, slot, excess, Reason.REDUCE_ONLY_EXCESS)


# --- one step of a sweep ------------------------------------------------------------------------------------------


@inlined
def _book_leg(s, contract, position_slot, signed_lots, price_ticks, fee_ppb):
    """Book one side of a trade and return its fee: forced trades have none, an isolated position's money moves."""
    forced = s.taker.flags & FLAG_FORCED
    price_micros = price_ticks * contract.micros_per_tick_lot
    fee = ledger.book_fill(s, position_slot, signed_lots, price_micros, 0 if forced else fee_ppb)
    position = position_at(s, position_slot)
    if position.margin_mode == MarginMode.ISOLATED and not (forced and position_slot == s.taker.position_slot):
        isolated_margin.after_fill(s, position_slot, position.size_lots - signed_lots, price_ticks)
    return fee


@kernel
def _carried(s, contract, maker_slot, price_ticks):
    """Whether both sides can carry the trade that is next; a maker that cannot is cancelled, a taker ends.

    A maker's margin was checked when its order came; losses elsewhere may have used it up since.
    """
    taker, maker = s.taker, order_at(s, maker_slot)
    lots = min(taker.leaves_lots, book.shown_lots(s, maker_slot))
    signed, forced = lots if taker.side == Side.BUY else -lots, taker.flags & FLAG_FORCED
    maker_fee = 0 if forced else contract.maker_fee_ppb
    if not margin.survives_fill(s, maker.position_slot, -signed, price_ticks, maker_fee):
        cancel_order(s, maker_slot, Reason.INSUFFICIENT_MARGIN)
        return False
    if taker.flags & EXEC_REDUCE_ONLY and not forced:
        if not margin.survives_fill(s, taker.position_slot, signed, price_ticks, contract.taker_fee_ppb):
            taker.done_reason = Reason.INSUFFICIENT_MARGIN
            return False
    return True


@kernel
def _trade(s, contract, maker_slot, price_ticks):
    """Trade the taker with the order at the head of the best level: maker's leg first, each reported to its owner."""
    taker, maker = s.taker, order_at(s, maker_slot)
    lots = min(taker.leaves_lots, book.shown_lots(s, maker_slot))
    forced = taker.flags & FLAG_FORCED
    maker_position, signed = np.int64(maker.position_slot), lots if taker.side == Side.BUY else -lots
    contract.trade_serial += 1
    contract.last_price_ticks = price_ticks
    contract.last_high_ticks = max(contract.last_high_ticks, price_ticks)
    if price_ticks < contract.last_low_ticks or contract.last_low_ticks == 0:
        contract.last_low_ticks = price_ticks
    value_micros = lots * price_ticks * contract.micros_per_tick_lot
    if not contract.margin_free and index_and_mark.is_big_trade(contract, value_micros):
        contract.last_big_trade_ticks = price_ticks
    ledger.count_open(s, maker_position, maker_slot, -lots)
    shown = book.hit(s, maker_slot, lots)
    if maker.leaves_lots == 0:
        shown = book.leave_queue(s, maker_slot)
    maker_fee = _book_leg(s, contract, maker_position, -signed, price_ticks, contract.maker_fee_ppb)
    event = events.order_event(s, EventKind.FILL, maker_slot, 0, lots, shown)
    event.flags |= forced
    events.price_of_fill(s, event, price_ticks, maker_fee, maker_position)
    taker.leaves_lots -= lots
    taker.filled_lots += lots
    taker_fee = _book_leg(s, contract, taker.position_slot, signed, price_ticks, contract.taker_fee_ppb)
    event = events.taker_event(s, taker, EventKind.FILL, 0, lots, NIL)
    event.flags |= FLAG_TAKER
    events.price_of_fill(s, event, price_ticks, taker_fee, taker.position_slot)
    _after_trade(s, maker_slot, maker_position)


@kernel
def _after_trade(s, maker_slot, maker_position):
    """Free a maker that is done, show an iceberg's next part, and cut what is no longer reduce-only."""
    maker = order_at(s, maker_slot)
    if maker.leaves_lots == 0:
        _release(s, maker_slot, NIL)
    elif maker.flags & EXEC_ICEBERG and detail_at(s, maker_slot).shown_lots == 0:
        shown = book.refill(s, maker_slot)
        events.order_event(s, EventKind.REFILLED, maker_slot, 0, 0, shown)
    if position_at(s, maker_position).reduce_only_lots > 0:
        trim_reduce_only(s, maker_position, NIL)
    if position_at(s, s.taker.position_slot).reduce_only_lots > 0:
        trim_reduce_only(s, s.taker.position_slot, NIL)


@rare
def _prevent_self_trade(s, maker_slot):
    """Two orders of one group meet: the mode says which of them gives way."""
    taker = s.taker
    mode = taker.self_trade
    if mode == SelfTrade.DECREMENT:
        lots = min(taker.leaves_lots, order_at(s, maker_slot).leaves_lots)
        reduce_order(s, maker_slot, lots, Reason.SELF_TRADE)
        taker.leaves_lots -= lots
        kind = EventKind.CANCELLED if taker.leaves_lots == 0 else EventKind.REDUCED
        events.taker_event(s, taker, kind, Reason.SELF_TRADE, lots, NIL)
        if taker.leaves_lots == 0:
            taker.done_reason = Reason.SELF_TRADE
        return
    if mode != SelfTrade.CANCEL_TAKER:
        cancel_order(s, maker_slot, Reason.SELF_TRADE)
    if mode != SelfTrade.CANCEL_MAKER:
        taker.done_reason = Reason.SELF_TRADE


@rare
def _cancel_lost(s, maker_slot, reason):
    """Cancel an order on contact that may not trade any more, ahead of the job that would take it, if one would."""
    place = cancel_queue.covering(s, maker_slot)
    if place != NIL:
        job_at(s, place).cancelled += 1
    cancel_order(s, maker_slot, reason)


@kernel
def sweep(s):
    """Work the taker against the book. False when the ring is full: call again with an empty one."""
    taker = s.taker
    contract = contract_at(s, taker.contract_slot)
    maker_side = opposite(taker.side)
    ladder = ladder_at(s, book.ladder_of(taker.contract_slot, maker_side))
    while taker.leaves_lots > 0 and taker.done_reason == 0:
        price_ticks = np.int64(ladder.first_key)
        if not admission.reaches(taker.side, taker.sweep_ticks, price_ticks):
            break
        if not events.has_room(s):
            return False
        maker_slot = np.int64(level_at(s, ladder.first_slot).head_slot)
        lost = standing.lost_reason(s, maker_slot)
        if lost != 0:
            _cancel_lost(s, maker_slot, lost)
            continue
        if not admission.in_band(contract, maker_side, price_ticks) and taker.flags & FLAG_FORCED == 0:
            cancel_order(s, maker_slot, Reason.OUT_OF_BAND)
            continue
        if taker.group != 0:
            maker_position = position_at(s, order_at(s, maker_slot).position_slot)
            if account_at(s, maker_position.account_slot).group == taker.group:
                _prevent_self_trade(s, maker_slot)
                continue
        if contract.margin_free or _carried(s, contract, maker_slot, price_ticks):
            _trade(s, contract, maker_slot, price_ticks)
            makers_ahead.look_behind(s, ladder.first_slot)
    return True


# --- before and after the sweep -----------------------------------------------------------------------------------


@inlined
def settle_price(taker):
    """A post-only order's slide becomes its limit."""
    if taker.sweep_ticks != taker.price_ticks:
        taker.price_ticks = taker.sweep_ticks
        taker.flags |= FLAG_SLID


@inlined
def crosses(s, taker):
    """Whether the taker would trade now."""
    best = book.best_price(s, taker.contract_slot, opposite(taker.side))
    return admission.reaches(taker.side, taker.sweep_ticks, best)


@inlined
def may_rest(taker):
    """Whether a remainder may stay on the book."""
    return not admission.is_market(taker.ord_type) and (taker.tif == TimeInForce.GTC or taker.tif == TimeInForce.GTD)


@inlined
def write_order(s, taker):
    """Write the row of an order that is being worked."""
    order = order_at(s, taker.order_slot)
    order.order_id = taker.order_id
    order.cl_ord_id = taker.cl_ord_id
    order.leaves_lots = taker.leaves_lots
    order.filled_lots = taker.filled_lots
    order.loss_subticks = taker.loss_subticks
    order.price_ticks = taker.price_ticks
    order.position_slot = taker.position_slot
    set_style(order, style_of(taker) & STYLE_MASK | (taker.flags & EXEC_ROW_BITS) << STYLE_BITS)
    if taker.flags & EXEC_REDUCE_ONLY:
        detail_at(s, taker.order_slot).made_reduce_only = 1 if taker.flags & FLAG_MADE_REDUCE_ONLY else 0


@inlined
def join_account(s, taker):
    """Enter a new order, whose row is written, into its account's lists, the map of client ids and the expiry queue."""
    book.join_own(s, taker.order_slot, taker.person)
    book.name_order(s, taker.tag, taker.order_slot, taker.free_cell)
    if taker.tif == TimeInForce.GTD:
        detail_at(s, taker.order_slot).expire_s = taker.expire_ns // NS_PER_S - EPOCH_2025_S
        timed_queues.join_expiry(s, taker.order_slot)
        s.next_due_ns = min(s.next_due_ns, taker.expire_ns)


@inlined
def join_book(s, taker):
    """Put an order, whose row is written, on the book and return what its level shows."""
    slot, position = taker.order_slot, position_at(s, taker.position_slot)
    hidden = np.int64(0)
    if taker.flags & EXEC_ICEBERG:
        detail_at(s, slot).display_lots = taker.display_lots
        detail_at(s, slot).shown_lots = min(taker.display_lots, taker.leaves_lots)
        hidden = taker.leaves_lots - detail_at(s, slot).shown_lots
    ladder_slot = book.ladder_of(taker.contract_slot, taker.side)
    shown = book.join_queue(s, slot, ladder_slot, taker.price_ticks, taker.leaves_lots, hidden)
    ledger.count_resting(position, taker)
    if taker.flags & EXEC_REDUCE_ONLY:
        position.reduce_only_orders += 1
    return shown


@inlined
def report_rested(s, taker, event_kind, shown_lots):
    """Report that an order rests, and what its level shows."""
    event = events.taker_event(s, taker, event_kind, 0, 0, shown_lots)
    event.flags |= FLAG_RESTING


@inlined
def rest(s, taker, event_kind):
    """Rest an order, whose row is written, and report it; a newcomer keeps its size, others give way."""
    report_rested(s, taker, event_kind, join_book(s, taker))
    if taker.flags & EXEC_REDUCE_ONLY:
        trim_reduce_only(s, taker.position_slot, taker.order_slot)


@kernel
def finish(s, listed):
    """What follows a sweep: the remainder rests, or ends with a reason. `listed`: its account has it in the list."""
    taker = s.taker
    if taker.leaves_lots > 0 and taker.done_reason == 0 and may_rest(taker):
        write_order(s, taker)
        if not listed:
            join_account(s, taker)
        rest(s, taker, EventKind.RESTED)
        return
    if taker.leaves_lots > 0:
        lots = taker.leaves_lots
        taker.leaves_lots = 0
        events.taker_event(s, taker, EventKind.CANCELLED, _end_reason(taker), lots, NIL)
    if listed:
        write_order(s, taker)
        _leave_unqueued(s, taker.order_slot)
    else:
        book.give_slot(s, taker.order_slot)


@kernel
def _end_reason(taker):
    if taker.done_reason != 0:
        return np.int64(taker.done_reason)
    if admission.is_market(taker.ord_type):
        return np.int64(REASON_NO_LIQUIDITY)
    return np.int64(REASON_IOC_REMAINDER)


@kernel
def _leave_unqueued(s, slot):
    """Release an order that was taken off its queue to be worked."""
    order = order_at(s, slot)
    if order.flags & EXEC_REDUCE_ONLY:
        position_at(s, order.position_slot).reduce_only_orders += 1
    _release(s, slot, NIL)
