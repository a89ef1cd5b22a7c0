"""The straight path: how a limit order without options is admitted, or amended when it then trades with nobody.

The rules are those of the full path, the same functions; an order for which any of them needs a closer look is left to
it, with nothing written. The order stands in registers, not in `s.taker`.
"""

from engine import admission, book, eligibility, events, exposure_limits, margin, matching, orders, taker_row
from engine.codes import NIL, EventKind, Phase, Reason, TimeInForce
from engine.kernels import apart, inlined
from engine.row_access import account_at, contract_at, order_at, passing_taker, position_at
from engine.units import below


@inlined
def _may_trade(s, account, contract, person):
    """Rows 1 to 15: whether the account passes without a closer look. An open market is never a draft."""
    return contract.gate == 0 and eligibility.passes(s, account, person)


@inlined
def _is_in_order(s, taker, contract):
    """Rows 16 to 21, as far as they are about any order without options."""
    return (
        admission.price_form_reason(taker, contract) == Reason.NONE
        and admission.quantity_reason(s, taker, contract) == Reason.NONE
        and admission.price_reason(taker, contract) == Reason.NONE
        and admission.reference_reason(taker, contract) == Reason.NONE
        and exposure_limits.own_reason(s, taker, contract) == Reason.NONE
        and not exposure_limits.asks_more(s, taker, contract)
        and book.has_level_room(s)
    )


@apart
def _margin_reason(s, contract):
    return margin.order_reason(s, s.taker, contract)


@inlined
def _has_margin(s, taker, contract):
    """Row 22, the last one. A function of its own works out the sums, from what they need of the order."""
    if contract.margin_free:
        return True
    taker_row.load_for_margin(s, taker)
    reason = _margin_reason(s, contract)
    taker.loss_subticks = s.taker.loss_subticks
    return reason == Reason.NONE


@inlined
def _is_new(s, taker, contract):
    """Of row 16, what is about new orders alone."""
    known, taker.free_cell = book.find_known_or_free(s, taker.tag, taker.account_slot, taker.cl_ord_id)
    return known == NIL and admission.capacity_reason(s, taker, contract) == Reason.NONE


@inlined
def _enter(s, taker):
    """Give an admitted order that trades with nobody its id; it rests, or ends at once as an IOC."""
    account_at(s, taker.account_slot).position_slot = taker.position_slot
    taker.order_slot, taker.order_id = book.take_slot(s)
    if taker.tif == TimeInForce.IOC:
        events.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
        lots = taker.leaves_lots
        taker.leaves_lots = 0
        events.taker_event(s, taker, EventKind.CANCELLED, Reason.IOC_REMAINDER, lots, NIL)
        book.give_slot(s, taker.order_slot)
        return
    matching.write_order(s, taker)
    matching.join_account(s, taker)
    matching.rest(s, taker, EventKind.ACCEPTED)


@apart
def _meet(s, c, tag, position_slot, loss_subticks):
    """Send an admitted order to the book, where it trades: from here on it stands in `s.taker`. False: it paused."""
    taker = s.taker
    taker_row.load_new(taker, c, tag)
    taker.position_slot = position_slot
    taker.loss_subticks = loss_subticks
    taker.sweep_ticks = c.price_ticks
    taker.group = account_at(s, c.account_slot).group
    account_at(s, c.account_slot).position_slot = position_slot
    taker.order_slot, taker.order_id = book.take_slot(s)
    events.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
    s.sweeping = 1
    if orders.finish_sweep(s):
        return True
    s.commands += 1
    s.phase = Phase.COMMAND
    s.work_left = 0
    return False


@inlined
def new(s, c, tag):
    """Admit a new order and enter it. False: it is not for the straight path, with nothing written, or it paused."""
    if not admission.is_plain_new(c) or not admission.is_open_account(s, c.account_slot):
        return False
    if not below(c.contract_slot, s.contracts_used):
        return False
    contract = contract_at(s, c.contract_slot)
    if not _may_trade(s, account_at(s, c.account_slot), contract, c.person):
        return False
    taker = passing_taker()
    taker_row.load_new(taker, c, tag)
    taker.sweep_ticks = c.price_ticks
    taker.position_slot = book.find_position(s, c.account_slot, c.contract_slot)
    taker.group = account_at(s, c.account_slot).group
    if taker.position_slot == NIL or not _is_in_order(s, taker, contract) or not _is_new(s, taker, contract):
        return False
    if not _has_margin(s, taker, contract):
        return False
    if matching.crosses(s, taker):
        return _meet(s, c, tag, taker.position_slot, taker.loss_subticks)
    _enter(s, taker)
    return True


@inlined
def amend(s, c, tag):
    """Amend an order that loses its priority. False: it is not for the straight path, and nothing is written."""
    if s.jobs_count != 0 or orders.account_reason(s, c.account_slot) != Reason.NONE:
        return False
    slot = orders.find(s, c, tag)
    if slot == NIL:
        return False
    order = order_at(s, slot)
    if not admission.is_plain_resting(order) or orders.amendment_reason(order, c) != Reason.NONE:
        return False
    contract = contract_at(s, position_at(s, order.position_slot).contract_slot)
    if not _may_trade(s, account_at(s, c.account_slot), contract, c.person):
        return False
    taker = passing_taker()
    taker_row.load_amended(s, taker, slot, c)
    taker.sweep_ticks = taker.price_ticks
    if orders.keeps_priority(s, taker, slot, c) or matching.crosses(s, taker):
        return False
    if not _is_in_order(s, taker, contract):
        return False
    if not _has_margin(s, taker, contract):
        return False
    orders.leave_amended(s, taker, slot)
    matching.rest(s, taker, EventKind.RESTED)
    orders.watch_trades(s, taker.contract_slot)
    return True
