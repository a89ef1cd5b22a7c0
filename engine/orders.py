"""The handlers of order commands: new, amend, cancel and mass cancel.

Each is a ladder of refusals, then "from here on it must succeed", then the writes.
"""

import numpy as np

from engine import (
    admission,
    book,
    cancel_queue,
    eligibility,
    events,
    ledger,
    liquidator,
    matching,
    taker_row,
    triggers,
)
from engine.code_values import (
    EXEC_AFFILIATE,
    EXEC_AMEND_BITS,
    EXEC_CONDITIONAL,
    EXEC_FORFEIT_PRIORITY,
    EXEC_ICEBERG,
    EXEC_KEEP_PROTECTION,
    EXEC_LABELLED,
    EXEC_MASS_CANCEL_BITS,
    EXEC_REDUCE_ONLY,
    EXEC_ROW_BITS,
    FLAG_AMEND,
    FLAG_MADE_REDUCE_ONLY,
    FLAG_RESTING,
    FLAG_UNTRIGGERED,
    REASON_BY_CLIENT,
)
from engine.codes import NIL, EventKind, OrdType, Purpose, Reason, Restriction, Stage, TimeInForce
from engine.kernels import inlined, kernel, rare
from engine.row_access import (
    account_at,
    contract_at,
    detail_at,
    job_at,
    label_of,
    level_at,
    order_at,
    own_at,
    position_at,
)
from engine.units import EPOCH_2025_S, NS_PER_S

_CONTENTS = EXEC_ROW_BITS & ~(EXEC_CONDITIONAL | EXEC_AFFILIATE)


# --- new ----------------------------------------------------------------------------------------------------------


@kernel
def _same_terms(s, slot, c):
    """Whether a waiting order expires and fires as this NEW asks for."""
    order, detail = order_at(s, slot), detail_at(s, slot)
    if order.tif == TimeInForce.GTD and (detail.expire_s + EPOCH_2025_S) * NS_PER_S != c.expire_ns:
        return False
    if not admission.is_conditional(order.ord_type):
        return True
    if detail.trigger_source != c.trigger_source:
        return False
    if order.ord_type == OrdType.TRAILING_STOP:
        return detail.offset_ticks == c.offset_ticks
    return detail.trigger_price_ticks == c.trigger_price_ticks


@kernel
def _asked_flags(s, slot):
    """The flags that a client gave a waiting order: without reduce-only where that is of the venue's making."""
    order = order_at(s, slot)
    flags = order.flags & _CONTENTS
    if flags & EXEC_REDUCE_ONLY and detail_at(s, slot).made_reduce_only:
        return flags & ~EXEC_REDUCE_ONLY
    return flags


@kernel
def _same_contents(s, slot, c):
    """Whether a waiting order is what this NEW asks for."""
    order = order_at(s, slot)
    return (
        position_at(s, order.position_slot).contract_slot == c.contract_slot
        and order.side == c.side
        and order.ord_type == c.ord_type
        and order.tif == c.tif
        and _asked_flags(s, slot) == c.flags & _CONTENTS
        and (admission.is_market(c.ord_type) or order.price_ticks == c.price_ticks)
        and order.leaves_lots + order.filled_lots == c.qty_lots
        and _same_terms(s, slot, c)
    )


@rare
def _repeats(s, c):
    """The slot of the waiting order that this NEW repeats, NIL when it is no repetition."""
    if c.cl_ord_id == 0 or c.account_slot < 0 or c.account_slot >= s.accounts_used:
        return np.int64(NIL)
    slot = book.find_client_order(s, s.taker.tag, c.account_slot, c.cl_ord_id)
    if slot != NIL and _same_contents(s, slot, c):
        return np.int64(slot)
    return np.int64(NIL)


@rare
def _wait(s):
    """A conditional order waits for its trigger; it holds no margin until then."""
    taker = s.taker
    if admission.is_market(taker.ord_type):
        taker.price_ticks = 0
    matching.write_order(s, taker)
    matching.join_account(s, taker)
    triggers.place(s)
    contract_at(s, taker.contract_slot).untriggered_orders += 1
    event = events.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
    event.flags |= FLAG_UNTRIGGERED
    event.fee_micros = taker.trigger_price_ticks


@kernel
def new(s, c, tag, label):
    """Admit a new order and put it to work; `tag` is its client id's, `label` the row behind the command if any."""
    taker = s.taker
    taker_row.load_new(taker, c, tag)
    reason = admission.known_reason(s, c.account_slot, c.contract_slot)
    if reason == Reason.NONE:
        taker.position_slot = book.find_position(s, c.account_slot, c.contract_slot)
        taker.group = account_at(s, c.account_slot).group
        reason = admission.known_order_reason(s)
    if reason != Reason.NONE:
        slot = _repeats(s, c)
        if slot == NIL:
            events.rejected(s, c, reason, 0)
        else:
            _repeat(s, slot)
        return
    if taker.position_slot == NIL:
        taker.position_slot = book.open_position(s, c.account_slot, c.contract_slot)
    else:
        account_at(s, c.account_slot).position_slot = taker.position_slot
    eligibility.classify(s, taker)
    taker.order_slot, taker.order_id = book.take_slot(s)
    if c.flags & EXEC_LABELLED:
        for word in range(8):
            label_of(s, taker.order_slot).text[word] = label.text[word]
    if taker.flags & EXEC_CONDITIONAL:
        _wait(s)
        return
    matching.settle_price(taker)
    if matching.crosses(s, taker):
        events.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
        s.sweeping = 1
    elif matching.may_rest(taker):
        matching.write_order(s, taker)
        matching.join_account(s, taker)
        matching.rest(s, taker, EventKind.ACCEPTED)
    else:
        events.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
        matching.finish(s, False)


@inlined
def _shown_of(s, slot):
    """What the level of a resting order shows, NIL for an untriggered one."""
    if order_at(s, slot).flags & EXEC_CONDITIONAL:
        return np.int64(NIL)
    level = level_at(s, order_at(s, slot).level_slot)
    return level.leaves_lots - level.hidden_lots


@rare
def _repeat(s, slot):
    """A repeated command is answered with the order that it made before."""
    event = events.order_event(s, EventKind.REPEATED, slot, 0, 0, _shown_of(s, slot))
    event.flags |= FLAG_UNTRIGGERED if order_at(s, slot).flags & EXEC_CONDITIONAL else FLAG_RESTING


# --- amend --------------------------------------------------------------------------------------------------------


@inlined
def find(s, c, tag):
    """The waiting order that a CANCEL or AMEND names, NIL unless it is this account's."""
    if c.order_id == 0:
        return np.int64(book.find_client_order(s, tag, c.account_slot, c.cl_ord_id))
    slot = book.find_order(s, c.order_id)
    if slot == NIL or position_at(s, order_at(s, slot).position_slot).account_slot != c.account_slot:
        return np.int64(NIL)
    return np.int64(slot)


@inlined
def account_reason(s, account_slot):
    """Rows 1 and 2, which even a cancel has to pass."""
    if not admission.is_open_account(s, account_slot):
        return admission.not_open_reason(s, account_slot)
    if account_at(s, account_slot).restriction == Restriction.FROZEN:
        return Reason.ACCOUNT_RESTRICTED
    return Reason.NONE


@inlined
def has_amend_form(c):
    """Whether an AMEND has flags and a self-trade mode that it may have."""
    return c.flags & ~EXEC_AMEND_BITS == 0 and 0 <= c.self_trade <= 3


@inlined
def amendment_reason(order, c):
    """What is wrong with the amendment itself; a trailing stop's trigger follows its source alone."""
    if not has_amend_form(c):
        return Reason.UNSUPPORTED_ORDER
    if c.trigger_price_ticks != 0 and order.ord_type == OrdType.TRAILING_STOP and order.flags & EXEC_CONDITIONAL:
        return Reason.UNSUPPORTED_ORDER
    return Reason.BAD_LOT if c.qty_lots < 0 else Reason.NONE


@kernel
def amend(s, c, tag):
    """Change price or quantity of a waiting order. Checked completely before the old order is touched.

    One that a mass cancel in the queue takes is gone already. Who amends an order takes it over.
    """
    reason = account_reason(s, c.account_slot)
    if reason != Reason.NONE:
        return events.rejected(s, c, reason, FLAG_AMEND)
    slot = find(s, c, tag)
    if slot == NIL or (s.jobs_count != 0 and cancel_queue.covering(s, slot) != NIL):
        return events.rejected(s, c, Reason.UNKNOWN_ORDER, FLAG_AMEND)
    reason = amendment_reason(order_at(s, slot), c)
    if reason != Reason.NONE:
        return events.rejected(s, c, reason, FLAG_AMEND)
    taker_row.load_amended(s, s.taker, slot, c)
    if s.taker.leaves_lots <= 0:
        matching.cancel_order(s, slot, Reason.AMENDED_AWAY)
        return
    reason = _amend_reason(s, slot, c)
    if reason != Reason.NONE:
        return events.rejected(s, c, reason, FLAG_AMEND)
    if order_at(s, slot).flags & EXEC_CONDITIONAL:
        _amend_untriggered(s, slot, keeps_priority(s, s.taker, slot, c))
    elif keeps_priority(s, s.taker, slot, c) and not s.taker.made_reduce_only:
        _amend_in_place(s, slot)
    else:
        _amend_afresh(s, slot)


@inlined
def keeps_priority(s, taker, slot, c):
    """No more quantity at the same price keeps the place in the queue, unless the client forfeits it."""
    order = order_at(s, slot)
    same_price = taker.price_ticks == order.price_ticks
    if order.flags & EXEC_CONDITIONAL:
        same_price = same_price and taker.trigger_price_ticks == detail_at(s, slot).trigger_price_ticks
    return same_price and taker.leaves_lots <= order.leaves_lots and c.flags & EXEC_FORFEIT_PRIORITY == 0


@kernel
def _amend_reason(s, slot, c):
    """The ladder for the amended order; one that only shrinks adds no risk, so only its form is judged.

    One that has become reduce-only by who amends it is judged in full, since it comes to the book like a new one.
    """
    untriggered = order_at(s, slot).flags & EXEC_CONDITIONAL
    if not untriggered and keeps_priority(s, s.taker, slot, c):
        reason = admission.gate_reason(s)
        if not s.taker.made_reduce_only:
            if reason == Reason.NONE:
                reason = admission.form_reason(s, contract_at(s, s.taker.contract_slot))
            return reason
    return admission.order_reason(s)


@rare
def _amend_untriggered(s, slot, keeps_priority):
    """A waiting conditional order takes its new trigger, limit and quantity."""
    order, detail, taker = order_at(s, slot), detail_at(s, slot), s.taker
    queued = order.level_slot != NIL
    if queued and keeps_priority:
        book.reduce(s, slot, order.leaves_lots - taker.leaves_lots)
    elif queued:
        book.leave_queue(s, slot)
    order.leaves_lots = taker.leaves_lots
    order.price_ticks = taker.price_ticks
    detail.shown_lots = taker.leaves_lots
    detail.trigger_price_ticks = taker.trigger_price_ticks
    own_at(s, slot).person = taker.person
    if queued and not keeps_priority:
        book.queue_order(s, slot, detail.trigger_ladder, detail.trigger_price_ticks)
    if taker.made_reduce_only:
        order.flags |= EXEC_REDUCE_ONLY
        detail.made_reduce_only = 1
    event = events.order_event(s, EventKind.AMENDED, slot, 0, 0, NIL)
    event.flags |= FLAG_UNTRIGGERED | (taker.flags & FLAG_MADE_REDUCE_ONLY)


@kernel
def _amend_in_place(s, slot):
    order = order_at(s, slot)
    lots = order.leaves_lots - s.taker.leaves_lots
    shown = _shown_of(s, slot)
    if lots > 0:
        ledger.count_open(s, order.position_slot, slot, -lots)
        shown = book.reduce(s, slot, lots)
    if order.flags & EXEC_ICEBERG:
        detail_at(s, slot).display_lots = s.taker.display_lots
    own_at(s, slot).person = s.taker.person
    event = events.order_event(s, EventKind.AMENDED, slot, 0, 0, shown)
    event.flags |= FLAG_RESTING


@inlined
def leave_amended(s, taker, slot):
    """An amended order leaves its place, to come to the book like a new one."""
    order = order_at(s, slot)
    old_price_ticks = np.int64(order.price_ticks)
    ledger.count_open(s, order.position_slot, slot, -order.leaves_lots)
    if order.flags & EXEC_REDUCE_ONLY:
        position_at(s, order.position_slot).reduce_only_orders -= 1
    shown = book.leave_queue(s, slot)
    matching.settle_price(taker)
    event = events.taker_event(s, taker, EventKind.AMENDED, 0, 0, shown)
    event.entry_cost_micros = old_price_ticks
    matching.write_order(s, taker)
    own_at(s, slot).person = taker.person
    taker.old_leaves_lots = 0


@kernel
def _amend_afresh(s, slot):
    eligibility.classify(s, s.taker)
    leave_amended(s, s.taker, slot)
    s.sweeping = 1


# --- cancel -------------------------------------------------------------------------------------------------------


@inlined
def cancel_cause(c):
    """The Reason that the report of a cancel gives."""
    return np.int64(c.reason if c.reason > 0 else REASON_BY_CLIENT)


@inlined
def cancel(s, c, tag):
    """Cancel a waiting order by the venue's or the client's id; cancels work in every market state."""
    reason = account_reason(s, c.account_slot)
    if reason != Reason.NONE:
        return events.rejected(s, c, reason, 0)
    if c.order_id == 0:
        cell, slot = book.find_client_id(s, tag, c.account_slot, c.cl_ord_id)
    else:
        cell, slot = np.int64(NIL), find(s, c, tag)
    if slot == NIL:
        return events.rejected(s, c, Reason.UNKNOWN_ORDER, 0)
    order = order_at(s, slot)
    cause = cancel_cause(c)
    if order.flags == 0 and order.tif != TimeInForce.GTD:
        matching.cancel_found(s, slot, cell, cause)
    else:
        _cancel_with_options(s, slot, cell, cause)


@kernel
def _cancel_with_options(s, slot, cell, cause):
    """The same steps for an order that may use any option; where it uses none, the compiler drops what options need."""
    matching.cancel_found(s, slot, cell, cause)


@kernel
def _mass_cancel_reason(s, c):
    if c.account_slot != NIL:
        reason = account_reason(s, c.account_slot)
        if reason != Reason.NONE:
            return reason
    if c.contract_slot != NIL and (c.contract_slot < 0 or c.contract_slot >= s.contracts_used):
        return Reason.UNKNOWN_CONTRACT
    if c.side < 0 or c.side > 2 or c.group < NIL or c.reason < 0:
        return Reason.UNSUPPORTED_ORDER
    if c.flags & ~EXEC_MASS_CANCEL_BITS != 0:
        return Reason.UNSUPPORTED_ORDER
    if not cancel_queue.has_room(s):
        return Reason.CAPACITY
    return Reason.NONE


@rare
def mass_cancel_orders(s, c, label):
    """Queue a mass cancel; its first items are worked off in the same command."""
    reason = _mass_cancel_reason(s, c)
    if reason != Reason.NONE:
        return events.rejected(s, c, reason, 0)
    job = job_at(s, cancel_queue.add(s, c.account_slot, c.contract_slot, c.side))
    job.group = c.group
    if c.reason != 0:
        job.reason = c.reason
    if c.flags & EXEC_KEEP_PROTECTION:
        job.scope |= cancel_queue.KEEP_PROTECTION
    if c.flags & EXEC_LABELLED:
        job.scope |= cancel_queue.BY_LABEL
        for word in range(8):
            job.label[word] = label.text[word]


@inlined
def watches_trades(contract):
    """Whether triggers have something to look at."""
    return contract.last_high_ticks != contract.last_low_ticks or contract.untriggered_orders != 0


@inlined
def watch_trades(s, contract_slot):
    """After an order was at the book: triggers see the prices of its trades."""
    if watches_trades(contract_at(s, contract_slot)):
        triggers.observe(s, contract_slot, 2)


@kernel
def finish_sweep(s):
    """Work the order at the book to its end. False when the event ring is full first."""
    taker = s.taker
    if not matching.sweep(s) or not events.has_room(s):
        return False
    s.sweeping = 0
    if taker.purpose == Purpose.CLIENT:
        matching.finish(s, taker.stage != Stage.NEW)
    else:
        liquidator.after_sweep(s)
    watch_trades(s, taker.contract_slot)
    return True
