"""How the order to be judged gets into a TAKER row: what each way does not set is cleared.

Each way begins with `clear`, so that nothing of the order before is left. The compiler drops a store of zero where
another store to the same field follows.
"""

from engine.admission import is_conditional, is_market, plain_style
from engine.code_values import (
    EXEC_CONDITIONAL,
    EXEC_CONFIRMED,
    EXEC_ICEBERG,
    EXEC_QTY_IS_LEAVES,
    EXEC_REDUCE_ONLY,
    FLAG_FORCED,
    FLAG_MADE_REDUCE_ONLY,
)
from engine.codes import NIL, OrdType, Purpose, SelfTrade, Side, Stage, TimeInForce
from engine.kernels import inlined
from engine.row_access import STYLE_MASK, account_at, detail_at, order_at, own_at, position_at, set_style, style_of
from engine.schema import ORDER_SLOT_BITS


@inlined
def clear(taker):
    """Leave no order in the row: slots are NIL, everything else is 0."""
    taker.cl_ord_id = 0
    taker.leaves_lots = 0
    taker.price_ticks = 0
    taker.sweep_ticks = 0
    taker.order_id = 0
    taker.filled_lots = 0
    taker.loss_subticks = 0
    taker.old_leaves_lots = 0
    taker.old_price_ticks = 0
    taker.old_loss_subticks = 0
    taker.group = 0
    taker.done_reason = 0
    taker.purpose = Purpose.CLIENT
    taker.order_slot = NIL
    taker.position_slot = NIL
    taker.free_cell = NIL
    taker.account_slot = NIL
    taker.contract_slot = NIL
    taker.flags = 0
    taker.person = 0
    set_style(taker, 0)
    taker.trigger_source = 0
    taker.stage = Stage.NEW
    taker.made_reduce_only = 0
    taker.tag = 0
    taker.display_lots = 0
    taker.trigger_price_ticks = 0
    taker.offset_ticks = 0
    taker.expire_ns = 0


@inlined
def load_new(taker, c, tag):
    """The order that a NEW command asks for; `tag` is its client id's. Its position and its group are yet to be found.

    Nothing of the command is checked yet: account and contract may not exist.
    """
    clear(taker)
    taker.cl_ord_id = c.cl_ord_id
    taker.leaves_lots = c.qty_lots
    taker.price_ticks = c.price_ticks
    taker.account_slot = c.account_slot
    taker.contract_slot = c.contract_slot
    taker.flags = c.flags & ~EXEC_CONFIRMED
    taker.person = c.person
    set_style(taker, style_of(c))
    taker.tag = tag
    if c.ord_type != OrdType.LIMIT or c.flags != 0 or c.tif == TimeInForce.GTD:
        taker.display_lots = c.display_lots
        taker.trigger_price_ticks = c.trigger_price_ticks
        taker.offset_ticks = c.offset_ticks
        taker.trigger_source = c.trigger_source
        taker.expire_ns = c.expire_ns
        if is_conditional(c.ord_type):
            taker.flags |= EXEC_CONDITIONAL


@inlined
def load_plain(taker, c, tag):
    """`load_new` for a command that asks for no option: what is known of it need not be read again."""
    clear(taker)
    taker.cl_ord_id = c.cl_ord_id
    taker.leaves_lots = c.qty_lots
    taker.price_ticks = c.price_ticks
    taker.sweep_ticks = c.price_ticks
    taker.account_slot = c.account_slot
    taker.contract_slot = c.contract_slot
    taker.person = c.person
    set_style(taker, plain_style(style_of(c)))
    taker.tag = tag


@inlined
def _load_row(s, taker, slot, stage):
    """A waiting order without its flags and its style."""
    order = order_at(s, slot)
    position = position_at(s, order.position_slot)
    clear(taker)
    taker.cl_ord_id = order.cl_ord_id
    taker.leaves_lots = order.leaves_lots
    taker.price_ticks = order.price_ticks
    taker.order_id = order.order_id
    taker.filled_lots = order.filled_lots
    taker.group = account_at(s, position.account_slot).group
    taker.order_slot = slot
    taker.position_slot = order.position_slot
    taker.account_slot = position.account_slot
    taker.contract_slot = position.contract_slot
    taker.stage = stage


@inlined
def load_waiting(s, taker, slot, stage):
    """An order that waits, on the book or for its trigger, as it is."""
    order = order_at(s, slot)
    _load_row(s, taker, slot, stage)
    taker.flags = order.flags
    set_style(taker, style_of(order) & STYLE_MASK)
    if order.flags & (EXEC_CONDITIONAL | EXEC_ICEBERG):
        taker.display_lots = detail_at(s, slot).display_lots
    if order.flags & EXEC_REDUCE_ONLY and detail_at(s, slot).made_reduce_only:
        taker.flags |= FLAG_MADE_REDUCE_ONLY
    if order.flags & EXEC_CONDITIONAL:
        detail = detail_at(s, slot)
        taker.trigger_price_ticks = detail.trigger_price_ticks
        taker.offset_ticks = detail.offset_ticks
        taker.trigger_source = detail.trigger_source
        taker.self_trade = detail.self_trade
        taker.person = own_at(s, slot).person


@inlined
def load_asked(taker, c):
    """What an AMEND asks of the order in the row: 0 leaves its limit or its quantity."""
    taker.person = c.person
    if c.price_ticks != 0 and not is_market(taker.ord_type):
        taker.price_ticks = c.price_ticks
    if c.qty_lots != 0:
        taker.leaves_lots = c.qty_lots if c.flags & EXEC_QTY_IS_LEAVES else c.qty_lots - taker.filled_lots


@inlined
def _load_before(taker, order):
    """What an order on the book counted for before its amendment."""
    taker.old_leaves_lots = order.leaves_lots
    taker.old_price_ticks = order.price_ticks
    taker.old_loss_subticks = order.loss_subticks


@inlined
def load_amended(s, taker, slot, c):
    """A waiting order as it would be after an AMEND; 0 leaves its trigger, too."""
    order = order_at(s, slot)
    load_waiting(s, taker, slot, Stage.AMEND)
    taker.self_trade = c.self_trade
    load_asked(taker, c)
    if order.flags & EXEC_CONDITIONAL:
        if c.trigger_price_ticks != 0:
            taker.trigger_price_ticks = c.trigger_price_ticks
        return
    _load_before(taker, order)
    if order.flags & EXEC_ICEBERG:
        taker.display_lots = min(taker.display_lots, taker.leaves_lots + taker.filled_lots)


@inlined
def load_plain_amended(s, taker, slot, c):
    """`load_amended` for an order that has no option: what is known of it need not be read again."""
    order = order_at(s, slot)
    _load_row(s, taker, slot, Stage.AMEND)
    set_style(taker, plain_style(style_of(order)))
    load_asked(taker, c)
    taker.sweep_ticks = taker.price_ticks
    _load_before(taker, order)


@inlined
def load_forced(s, taker, position_slot, lots):
    """A reduce-only IOC that closes so much of a position at the price of its liquidation; no client gave it."""
    position = position_at(s, position_slot)
    clear(taker)
    taker.leaves_lots = lots
    taker.price_ticks = s.liquidation_price_ticks
    taker.sweep_ticks = s.liquidation_price_ticks
    taker.order_id = s.order_serial << ORDER_SLOT_BITS
    taker.group = account_at(s, position.account_slot).group
    taker.purpose = Purpose.FULL_LIQUIDATION if s.liquidation_full else Purpose.PARTIAL_LIQUIDATION
    taker.position_slot = position_slot
    taker.account_slot = position.account_slot
    taker.contract_slot = position.contract_slot
    taker.flags = EXEC_REDUCE_ONLY | FLAG_FORCED
    taker.side = Side.SELL if position.size_lots > 0 else Side.BUY
    taker.ord_type = OrdType.LIMIT
    taker.tif = TimeInForce.IOC
    taker.self_trade = SelfTrade.CANCEL_MAKER


@inlined
def load_for_margin(s, taker):
    """Into `s.taker`: what row 22 asks of an order that stands elsewhere."""
    asked = s.taker
    clear(asked)
    asked.account_slot = taker.account_slot
    asked.position_slot = taker.position_slot
    asked.side = taker.side
    asked.sweep_ticks = taker.sweep_ticks
    asked.leaves_lots = taker.leaves_lots
    asked.old_leaves_lots = taker.old_leaves_lots
    asked.old_price_ticks = taker.old_price_ticks
    asked.old_loss_subticks = taker.old_loss_subticks
