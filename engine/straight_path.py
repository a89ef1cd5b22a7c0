"""The straight path: how a limit order without options is admitted, or amended when it then trades with nobody.

The rules are those of the full path: the same functions, or ranges that are worked out of the same fields
(`plain_terms`). An order for which any of them needs a closer look is left to it, with nothing written. The order
stands in registers, not in `s.taker`.
"""

import numpy as np

from engine import (
    admission,
    book,
    eligibility,
    events,
    exposure_limits,
    fleeting_orders,
    idmap,
    margin,
    matching,
    orders,
    plain_terms,
    regular_orders,
    taker_row,
)
from engine.codes import NIL, EventKind, Phase, Reason, TimeInForce
from engine.kernels import apart, inlined
from engine.row_access import account_at, contract_at, order_at, passing_taker, position_at
from engine.units import below


@inlined
def _is_in_order(s, taker, contract, terms):
    """Rows 16 to 21, as far as they are about any order without options; row 5 is in the terms."""
    return (
        plain_terms.admit(s, taker, terms)
        and exposure_limits.own_reason(s, taker, contract) == Reason.NONE
        and not exposure_limits.account_asks_more(s, taker)
        and (terms.more == 0 or _is_in_full_order(s, taker, contract))
    )


@inlined
def _is_in_full_order(s, taker, contract):
    """The same by the rules that only some contracts have."""
    return (
        admission.is_in_steps(taker, contract)
        and admission.is_within_value(taker, contract)
        and not exposure_limits.contract_asks_more(s, taker, contract)
    )


@apart
def _margin_reason(s, contract):
    return margin.order_reason(s, s.taker, contract)


@inlined
def _has_margin(s, taker, contract, terms):
    """Row 22, the last one. A function of its own works out the sums, from what they need of the order."""
    if terms.more == 0 or contract.margin_free:
        return True
    taker_row.load_for_margin(s, taker)
    reason = _margin_reason(s, contract)
    taker.loss_subticks = s.taker.loss_subticks
    return reason == Reason.NONE


@apart
def _admit(s, c):
    """Whether a plain order passes rows 1 to 22 but for its client id; what was found out is kept in `s.regular`.

    False: it is not for the straight path.
    """
    if c.flags != 0 or s.jobs_count != 0 or not admission.is_open_account(s, c.account_slot):
        return False
    if not below(c.contract_slot, s.contracts_used):
        return False
    terms = plain_terms.of_contract(s, c.contract_slot)
    contract, account = contract_at(s, c.contract_slot), account_at(s, c.account_slot)
    if not eligibility.passes(s, account, c.person, s.now_ns) or account.position_slot == NIL:
        return False
    taker = passing_taker()
    taker_row.load_plain(taker, c, 0)
    taker.position_slot = account.position_slot
    if position_at(s, taker.position_slot).contract_slot != c.contract_slot:
        taker.position_slot = book.other_position(s, c.account_slot, c.contract_slot)
        if taker.position_slot == NIL:
            return False
    taker.group = account.group
    if s.orders_live >= s.orders_capacity or not _is_in_order(s, taker, contract, terms):
        return False
    if not _has_margin(s, taker, contract, terms):
        return False
    regular_orders.keep(s, c, taker.position_slot, taker.loss_subticks, terms)
    return True


@apart
def _enter(s, c, tag, position_slot, loss_subticks, free_cell):
    """Give an admitted order that trades with nobody its id; it rests, or ends at once as an IOC."""
    taker = passing_taker()
    taker_row.load_plain(taker, c, tag)
    taker.position_slot = position_slot
    taker.loss_subticks = loss_subticks
    taker.free_cell = free_cell
    account_at(s, taker.account_slot).position_slot = taker.position_slot
    taker.order_slot, taker.order_id = book.take_slot(s)
    regular_orders.count(s)
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
    taker_row.load_plain(taker, c, tag)
    taker.position_slot = position_slot
    taker.loss_subticks = loss_subticks
    taker.group = account_at(s, c.account_slot).group
    account_at(s, c.account_slot).position_slot = position_slot
    taker.order_slot, taker.order_id = book.take_slot(s)
    regular_orders.count(s)
    events.taker_event(s, taker, EventKind.ACCEPTED, 0, 0, NIL)
    s.sweeping = 1
    if orders.finish_sweep(s):
        return True
    s.commands += 1
    s.phase = Phase.COMMAND
    s.work_left = 0
    return False


@inlined
def new(s, c, tag, address, index, last):
    """Admit a new plain order and enter it; it is the command at an index, `last` the index of the last one.

    Returns how many commands it did, with those that take it back, 0: the order is not for the straight path, with
    nothing written, or it paused.
    """
    taker = passing_taker()
    taker_row.load_plain(taker, c, tag)
    known, taker.free_cell = np.int64(NIL), np.int64(NIL)
    if regular_orders.passes(s, c, taker.side) and c.cl_ord_id != 0:
        taker.free_cell = idmap.cell_in_bucket(s, s.order_map, tag)
    elif not _admit(s, c):
        return 0
    if taker.free_cell == NIL:
        known, taker.free_cell = book.find_known_or_free(s, tag, c.account_slot, c.cl_ord_id)
        if known != NIL:
            return 0
    taker.position_slot = s.regular.position_slot
    taker.loss_subticks = s.regular.loss_subticks
    if matching.crosses(s, taker):
        return 1 if _meet(s, c, tag, taker.position_slot, taker.loss_subticks) else 0
    if index < last and taker.free_cell != NIL:
        done = fleeting_orders.pass_by(s, address, index, last, taker.position_slot, taker.loss_subticks)
        if done != 0:
            return done
    _enter(s, c, tag, taker.position_slot, taker.loss_subticks, taker.free_cell)
    return 1


@apart
def amend(s, c, tag):
    """Amend an order that loses its priority. False: it is not for the straight path, and nothing is written."""
    if s.jobs_count != 0 or orders.account_reason(s, c.account_slot) != Reason.NONE:
        return False
    slot = orders.find(s, c, tag)
    if slot == NIL:
        return False
    order = order_at(s, slot)
    contract_slot = np.int64(position_at(s, order.position_slot).contract_slot)
    contract, terms = contract_at(s, contract_slot), plain_terms.of_contract(s, contract_slot)
    if not admission.is_plain_resting(order) or orders.amendment_reason(order, c) != Reason.NONE:
        return False
    if not eligibility.passes(s, account_at(s, c.account_slot), c.person, s.now_ns):
        return False
    taker = passing_taker()
    taker_row.load_plain_amended(s, taker, slot, c)
    if orders.keeps_priority(s, taker, slot, c) or matching.crosses(s, taker):
        return False
    if not _is_in_order(s, taker, contract, terms) or not _has_margin(s, taker, contract, terms):
        return False
    regular_orders.count(s)
    orders.leave_amended(s, taker, slot)
    matching.rest(s, taker, EventKind.RESTED)
    orders.watch_trades(s, taker.contract_slot)
    return True
