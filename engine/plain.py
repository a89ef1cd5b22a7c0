"""The straight path: a new limit order without options that meets nobody, judged and entered without a detour.

The rules are those of the full path, the same functions; an order for which any of them needs a closer look is left to
it, with nothing written. The order stands in registers, not in `s.taker`.
"""

from engine import admission, book, eligibility, limits, margin, matching, reports
from engine.codes import NIL, EventKind, OrdType, Reason, Stage, TimeInForce
from engine.kernels import apart, inlined
from engine.rows import account_at, contract_at, passing_taker


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
def _is_in_order(s, taker, contract):
    """Rows 16 to 21, as far as they say anything about an order without options."""
    return (
        admission.price_form_reason(taker, contract) == Reason.NONE
        and admission.quantity_reason(s, taker, contract) == Reason.NONE
        and admission.price_reason(taker, contract) == Reason.NONE
        and admission.reference_reason(taker, contract) == Reason.NONE
        and limits.own_reason(s, taker, contract) == Reason.NONE
        and not limits.asks_more(s, taker, contract)
        and book.find_client_order(s, taker.tag, taker.account_slot, taker.cl_ord_id) == NIL
        and admission.capacity_reason(s, taker, contract) == Reason.NONE
    )


@inlined
def _enter(s, taker):
    """Give an order that was admitted its id; it rests, or ends where it is."""
    account_at(s, taker.account_slot).position_slot = taker.position_slot
    taker.order_slot, taker.order_id = book.take_slot(s)
    if taker.tif == TimeInForce.IOC:
        reports.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
        lots = taker.leaves_lots
        taker.leaves_lots = 0
        reports.taker_event(s, taker, EventKind.CANCELLED, Reason.IOC_REMAINDER, lots, NIL)
        book.give_slot(s, taker.order_slot)
        return
    matching.write_order(s, taker)
    matching.join_account(s, taker)
    matching.rest(s, taker, EventKind.ACCEPTED)


@apart
def new(s, c, tag):
    """Admit a new order and enter it. False: it is not for the straight path, and nothing is written."""
    if not admission.is_plain_new(c) or admission.known_reason(s, c.account_slot, c.contract_slot) != Reason.NONE:
        return False
    account, contract = account_at(s, c.account_slot), contract_at(s, c.contract_slot)
    if contract.gate != 0 or not eligibility.passes(s, account, c.person):
        return False
    taker = passing_taker()
    _load(s, taker, c, tag)
    if taker.position_slot == NIL or matching.crosses(s, taker) or not _is_in_order(s, taker, contract):
        return False
    if not contract.margin_free and margin.order_reason(s, taker, contract) != Reason.NONE:
        return False
    _enter(s, taker)
    return True
