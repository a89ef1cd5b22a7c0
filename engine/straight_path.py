"""The straight path: a limit order without options is admitted, or amended if it then meets nobody, without a detour.

The rules are those of the full path, the same functions; an order for which any of them needs a closer look is left to
it, with nothing written. The order stands in registers, not in `s.taker`.
"""

from engine import admission, book, eligibility, events, limits, margin, matching, orders
from engine.codes import NIL, EventKind, OrdType, Phase, Reason, Stage, TimeInForce
from engine.kernels import apart, inlined
from engine.rows import account_at, contract_at, order_at, passing_taker, position_at
from engine.units import below


@inlined
def _load(s, taker, c, tag):
    """The order that a NEW command without options asks for."""
    taker.cl_ord_id = c.cl_ord_id
    taker.leaves_lots = c.qty_lots
    taker.price_ticks = c.price_ticks
    taker.sweep_ticks = c.price_ticks
    taker.order_id = 0
    taker.filled_lots = 0
    taker.loss_subticks = 0
    taker.old_leaves_lots = 0
    taker.order_slot = NIL
    taker.account_slot = c.account_slot
    taker.contract_slot = c.contract_slot
    taker.position_slot = book.find_position(s, c.account_slot, c.contract_slot)
    taker.group = account_at(s, c.account_slot).group
    taker.flags = 0
    taker.side = c.side
    taker.ord_type = OrdType.LIMIT
    taker.tif = c.tif
    taker.stage = Stage.NEW
    taker.tag = tag


@inlined
def _load_amended(s, taker, slot, c):
    """An order without options as an amendment would have it."""
    order = order_at(s, slot)
    position = position_at(s, order.position_slot)
    taker.cl_ord_id = order.cl_ord_id
    taker.leaves_lots = order.leaves_lots
    taker.price_ticks = order.price_ticks
    taker.order_id = order.order_id
    taker.filled_lots = order.filled_lots
    taker.loss_subticks = 0
    taker.order_slot = slot
    taker.account_slot = c.account_slot
    taker.contract_slot = position.contract_slot
    taker.position_slot = order.position_slot
    taker.group = account_at(s, c.account_slot).group
    taker.flags = 0
    taker.side = order.side
    taker.ord_type = OrdType.LIMIT
    taker.tif = TimeInForce.GTC
    taker.stage = Stage.AMEND
    orders.set_terms(taker, c)
    orders.keep_old(taker, order)
    taker.sweep_ticks = taker.price_ticks


@inlined
def _may_trade(s, account, contract, person):
    """Rows 1 to 15, for one whom they let pass without a closer look; a market that is open is no draft."""
    return contract.gate == 0 and eligibility.passes(s, account, person)


@inlined
def _is_in_order(s, taker, contract):
    """Rows 16 to 21, as far as they are about any order without options."""
    return (
        admission.price_form_reason(taker, contract) == Reason.NONE
        and admission.quantity_reason(s, taker, contract) == Reason.NONE
        and admission.price_reason(taker, contract) == Reason.NONE
        and admission.reference_reason(taker, contract) == Reason.NONE
        and limits.own_reason(s, taker, contract) == Reason.NONE
        and not limits.asks_more(s, taker, contract)
        and book.has_level_room(s)
    )


@apart
def _margin_reason(s, contract):
    return margin.order_reason(s, s.taker, contract)


@inlined
def _has_margin(s, taker, contract):
    """Row 22, the last one; the sums are worked out apart, on what they need of the order."""
    if contract.margin_free:
        return True
    asked = s.taker
    asked.account_slot = taker.account_slot
    asked.position_slot = taker.position_slot
    asked.side = taker.side
    asked.sweep_ticks = taker.sweep_ticks
    asked.leaves_lots = taker.leaves_lots
    asked.old_leaves_lots = taker.old_leaves_lots
    if taker.old_leaves_lots != 0:
        asked.old_price_ticks = taker.old_price_ticks
        asked.old_loss_subticks = taker.old_loss_subticks
    reason = _margin_reason(s, contract)
    taker.loss_subticks = asked.loss_subticks
    return reason == Reason.NONE


@inlined
def _is_new(s, taker, contract):
    """Of row 16, what is about new orders alone."""
    return (
        book.find_client_order(s, taker.tag, taker.account_slot, taker.cl_ord_id) == NIL
        and admission.capacity_reason(s, taker, contract) == Reason.NONE
    )


@inlined
def _enter(s, taker):
    """Give an order that was admitted its id; it rests, or ends where it is."""
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
    """Take an order that was admitted to the book, where it meets others: there it stands in `s.taker`."""
    taker = s.taker
    orders.load_command(s, c, tag)
    taker.position_slot = position_slot
    taker.loss_subticks = loss_subticks
    taker.sweep_ticks = c.price_ticks
    taker.group = account_at(s, c.account_slot).group
    account_at(s, c.account_slot).position_slot = position_slot
    taker.order_slot, taker.order_id = book.take_slot(s)
    events.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
    s.sweeping = 1
    if not orders.finish_sweep(s):
        s.phase = Phase.COMMAND
        s.work_left = 0


@inlined
def new(s, c, tag):
    """Admit a new order and enter it. False: it is not for the straight path, and nothing is written."""
    if not admission.is_plain_new(c) or not admission.is_open_account(s, c.account_slot):
        return False
    if not below(c.contract_slot, s.contracts_used):
        return False
    contract = contract_at(s, c.contract_slot)
    if not _may_trade(s, account_at(s, c.account_slot), contract, c.person):
        return False
    taker = passing_taker()
    _load(s, taker, c, tag)
    if taker.position_slot == NIL or not _is_in_order(s, taker, contract) or not _is_new(s, taker, contract):
        return False
    if not _has_margin(s, taker, contract):
        return False
    if matching.crosses(s, taker):
        _meet(s, c, tag, taker.position_slot, taker.loss_subticks)
    else:
        _enter(s, taker)
    return True


@inlined
def amend(s, c, tag):
    """Amend an order that gives up its place. False: it is not for the straight path, and nothing is written."""
    if orders.account_reason(s, c.account_slot) != Reason.NONE:
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
    _load_amended(s, taker, slot, c)
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
