"""New, amend, cancel and mass cancel."""

import copy

from engine.codes import EventFlag, EventKind, ExecInst, OrdType, Reason
from tests.model import admission, eligibility, matching, work
from tests.model.admission import CONDITIONAL_TYPES, Request, judge
from tests.model.records import MARKET_TYPES, NIL, Order

AMEND_FLAGS = ExecInst.FORFEIT_PRIORITY | ExecInst.QTY_IS_LEAVES | ExecInst.CONFIRMED
ORDERS_OWN = 127
"""The flags that an order keeps; the others are about one report."""
CONTENTS = ORDERS_OWN & ~(ExecInst.CONDITIONAL | ExecInst.AFFILIATE)


def _order_of(command):
    """The order that a NEW asks for; CONFIRMED is about the command and no part of it."""
    conditional = command.ord_type in CONDITIONAL_TYPES
    return Order(
        id=0,
        account=command.account_slot,
        contract=command.contract_slot,
        side=command.side,
        ord_type=command.ord_type,
        tif=command.tif,
        flags=(command.flags & ~ExecInst.CONFIRMED) | (ExecInst.CONDITIONAL if conditional else 0),
        price=command.price_ticks,
        leaves=command.qty_lots,
        self_trade=command.self_trade,
        cl_ord_id=command.cl_ord_id,
        display=command.display_lots,
        source=command.trigger_source,
        trigger=command.trigger_price_ticks,
        offset=command.offset_ticks,
        expire_ns=command.expire_ns,
        person=command.person,
    )


def _same_contents(order, command):
    return (
        order.contract == command.contract_slot
        and order.side == command.side
        and order.ord_type == command.ord_type
        and order.tif == command.tif
        and _asked_flags(order) == command.flags & CONTENTS
        and (order.ord_type in MARKET_TYPES or order.price == command.price_ticks)
        and order.total == command.qty_lots
        and order.expire_ns in (0, command.expire_ns)
        and _same_condition(order, command)
    )


def _asked_flags(order):
    """The flags that the client gave: reduce-only of the venue's making is not among them."""
    return order.flags & CONTENTS & ~(ExecInst.REDUCE_ONLY if order.made_reduce_only else 0)


def _same_condition(order, command):
    if order.ord_type not in CONDITIONAL_TYPES:
        return True
    term = order.offset if order.ord_type == OrdType.TRAILING_STOP else order.trigger
    asked = command.offset_ticks if order.ord_type == OrdType.TRAILING_STOP else command.trigger_price_ticks
    return (order.source, term) == (command.trigger_source, asked)


def _repeat(model, order):
    contract = model.contracts[order.contract]
    level = NIL if order.waiting else contract.visible(order.side, order.price)
    flag = EventFlag.UNTRIGGERED if order.waiting else EventFlag.RESTING
    model.report(EventKind.REPEATED, order, level_lots=level, flags=flag)


def new(model, command, label):
    """Admit an order and put it to work; a repetition is answered with the order that it made before."""
    existing = model.by_client_id(command.account_slot, command.cl_ord_id)
    if existing and _same_contents(existing, command):
        _repeat(model, existing)
        return
    order = _order_of(command)
    reason = judge(model, Request(order, new=True))
    if reason:
        model.reject(command, reason)
        return
    if order.tif != 6:
        order.expire_ns = 0
    order.label = label
    eligibility.classify(model, order)
    model.accept(order)
    if order.flags & ExecInst.CONDITIONAL:
        if order.is_market:
            order.price = 0
        work.place(model, order)
        model.report(EventKind.ACCEPTED, order, level_lots=NIL, flags=EventFlag.UNTRIGGERED)
        order.flags &= ORDERS_OWN
        return
    admission.settle_price(model, order)
    crosses = matching.would_trade(model.contracts[order.contract], order.side, order.price)
    if order.may_rest and not crosses:
        matching.rest(model, order, EventKind.ACCEPTED)
        return
    model.report(EventKind.ACCEPTED, order, level_lots=NIL)
    if crosses:
        work.work(model, order)
    else:
        matching.finish(model, order)


def _named(model, command):
    """The open order that a command names, only if it is this account's; the venue's id counts more."""
    if command.order_id:
        order = model.orders.get(command.order_id)
        return order if order and order.account == command.account_slot else None
    return model.by_client_id(command.account_slot, command.cl_ord_id)


def _amended(command, order):
    """The order as it would be afterwards."""
    changed = copy.copy(order)
    changed.person = command.person
    changed.flags |= EventFlag.MADE_REDUCE_ONLY if order.made_reduce_only else 0
    changed.self_trade = command.self_trade if not order.waiting else order.self_trade
    if command.price_ticks and not order.is_market:
        changed.price = command.price_ticks
    if command.qty_lots:
        wanted = command.qty_lots if command.flags & ExecInst.QTY_IS_LEAVES else command.qty_lots - order.filled
        changed.leaves = wanted
    if command.trigger_price_ticks and order.waiting:
        changed.trigger = command.trigger_price_ticks
    if order.iceberg and not order.waiting:
        changed.display = min(changed.display, changed.total)
    return changed


def _amend_form(command, order):
    """What is wrong with the amendment itself."""
    if command.flags & ~AMEND_FLAGS:
        return Reason.UNSUPPORTED_ORDER
    if command.self_trade not in range(4):
        return Reason.UNSUPPORTED_ORDER
    if command.trigger_price_ticks and order.ord_type == OrdType.TRAILING_STOP and order.waiting:
        return Reason.UNSUPPORTED_ORDER
    return Reason.BAD_LOT if command.qty_lots < 0 else Reason.NONE


def _keeps_place(command, order, changed):
    same = changed.price == order.price and changed.trigger == order.trigger
    return same and changed.leaves <= order.leaves and not command.flags & ExecInst.FORFEIT_PRIORITY


def amend(model, command):
    """Change price or quantity of an open order; checked completely before the old order is touched."""
    order = _named(model, command)
    reason = admission.account_free(model, command.account_slot)
    if not reason:
        ended = order is None or eligibility.covering(model, order)
        reason = Reason.UNKNOWN_ORDER if ended else _amend_form(command, order)
    if reason:
        model.reject(command, reason, EventFlag.AMEND)
        return
    changed = _amended(command, order)
    if changed.leaves <= 0:
        matching.cancel(model, order, Reason.AMENDED_AWAY)
        return
    keeps = _keeps_place(command, order, changed)
    request = Request(changed, replaces=order)
    if keeps and not order.waiting:
        reason = admission.gates(model, request) or (not request.made_reduce_only and admission.form(model, request))
        keeps = not request.made_reduce_only
    if not keeps or order.waiting:
        reason = judge(model, request)
    if reason:
        model.reject(command, reason, EventFlag.AMEND)
        return
    order.person = command.person
    if order.waiting:
        _amend_waiting(model, order, changed, keeps)
    elif _keeps_place(command, order, changed) and not request.made_reduce_only:
        _amend_in_place(model, order, changed)
    else:
        _amend_afresh(model, order, changed)


def _amend_waiting(model, order, changed, keeps):
    order.leaves, order.price, order.trigger = changed.leaves, changed.price, changed.trigger
    order.flags, order.made_reduce_only = changed.flags, changed.made_reduce_only
    if not keeps:
        work.queue_up(model, order)
    model.report(EventKind.AMENDED, order, level_lots=NIL, flags=EventFlag.UNTRIGGERED)
    order.flags &= ORDERS_OWN


def _amend_in_place(model, order, changed):
    order.display = changed.display
    order.shrink(order.leaves - changed.leaves)
    level = model.contracts[order.contract].visible(order.side, order.price)
    model.report(EventKind.AMENDED, order, level_lots=level, flags=EventFlag.RESTING)


def _amend_afresh(model, order, changed):
    """It leaves its place and comes to the book like a new one."""
    contract, old_price = model.contracts[order.contract], order.price
    contract.leave(order)
    level = contract.visible(order.side, old_price)
    order.price, order.leaves, order.display = changed.price, changed.leaves, changed.display
    order.self_trade = changed.self_trade
    order.flags, order.made_reduce_only = changed.flags, changed.made_reduce_only
    order.loss, order.reserve_price = changed.loss, changed.reserve_price
    eligibility.classify(model, order)
    admission.settle_price(model, order)
    model.report(EventKind.AMENDED, order, level_lots=level, entry_cost_micros=old_price)
    work.work(model, order)


def cancel(model, command):
    """Cancel an open order, in every state of the market."""
    order = _named(model, command)
    reason = admission.account_free(model, command.account_slot)
    if not reason and order is None:
        reason = Reason.UNKNOWN_ORDER
    if reason:
        model.reject(command, reason)
        return
    matching.cancel(model, order, command.reason if command.reason > 0 else Reason.BY_CLIENT)


def _mass_cancel_reason(model, command):
    if command.account_slot != NIL:
        reason = admission.account_free(model, command.account_slot)
        if reason:
            return reason
    if command.contract_slot != NIL and command.contract_slot not in model.contracts:
        return Reason.UNKNOWN_CONTRACT
    scope_known = command.side in (0, 1, 2) and command.group >= NIL and command.reason >= 0
    if not scope_known or command.flags & ~(ExecInst.LABELLED | ExecInst.KEEP_PROTECTION):
        return Reason.UNSUPPORTED_ORDER
    return Reason.NONE if model.has_job_room() else Reason.CAPACITY


def mass_cancel(model, command, label):
    """Queue a mass cancel and do its first items."""
    reason = _mass_cancel_reason(model, command)
    if reason:
        model.reject(command, reason)
        return
    job = model.add_job(
        account=command.account_slot,
        contract=command.contract_slot,
        group=command.group,
        side=command.side,
        spare_protection=bool(command.flags & ExecInst.KEEP_PROTECTION),
    )
    if command.reason:
        job.reason = command.reason
    if command.flags & ExecInst.LABELLED:
        job.label = label
