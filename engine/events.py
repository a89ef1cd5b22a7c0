"""What the engine tells the outside: it writes EVENT and NOTICE rows into the ring that the caller gave.

The ring's address and fill are in the header only during a call, so that no helper has to carry an array.
"""

from typing import Any

import numpy as np

from engine import row_access
from engine.code_values import EXEC_CONDITIONAL, FLAG_DONE
from engine.codes import NIL, EventKind, Side
from engine.kernels import inlined, kernel, rare
from engine.row_access import (
    account_at,
    contract_at,
    detail_at,
    last_seq_of,
    now_ns_of,
    order_at,
    position_at,
    set_kind_and_style,
    size_lots_of,
    style_of,
)
from engine.schema import EVENT, EVENT_HEADROOM, NOTICE
from engine.units import JIT, prefetch_pair

EVENTS_AHEAD = 6
"""How many rows ahead of the one being written the ring is prefetched."""

_ROW_BYTES = EVENT.itemsize

if JIT:

    @inlined
    def _keep(ring):
        return ring

    _event_at = row_access.at_address(EVENT)
    _notice_at = row_access.at_address(NOTICE)

    @inlined
    def _ask_for(address):
        prefetch_pair(_event_at(address))

else:
    _ring: list[Any] = [None]

    def _keep(ring: Any) -> int:
        _ring[0] = ring
        return 0

    def _event_at(address: int) -> Any:
        return _ring[0][address // _ROW_BYTES]

    def _notice_at(address: int) -> Any:
        return _ring[0].view(NOTICE)[address // _ROW_BYTES]

    def _ask_for(address: int) -> None:
        return None


@kernel
def open_ring(s, ring, count):
    """Direct events to the address of `count` rows until `close_ring`."""
    s.ring_address = _keep(ring)
    s.ring_last = s.ring_address + (count - EVENT_HEADROOM) * _ROW_BYTES
    s.ring_next = s.ring_address


@kernel
def close_ring(s):
    """Forget the ring and return how many rows were written."""
    written = (s.ring_next - s.ring_address) // _ROW_BYTES
    s.ring_address = 0
    s.ring_last = 0
    s.ring_next = 0
    return written


@inlined
def has_room(s):
    """Whether a step that cannot pause may begin."""
    return s.ring_next <= s.ring_last


@inlined
def has_room_behind(s, count):
    """Whether a step that cannot pause may begin after so many more events."""
    return s.ring_next + count * _ROW_BYTES <= s.ring_last


@inlined
def _next_event(s, kind, style):
    """The next row, with side, type and time in force as `row_access.style_of` has them, and zero where only fills say
    something.
    """
    address = s.ring_next
    s.ring_next = address + _ROW_BYTES
    _ask_for(address + EVENTS_AHEAD * _ROW_BYTES)
    event = _event_at(address)
    event.seq = last_seq_of(s)
    event.time_ns = now_ns_of(s)
    set_kind_and_style(event, kind | style << 8)
    event.trade_id = 0
    event.fee_micros = 0
    event.position_lots = 0
    event.entry_cost_micros = 0
    event.cash_micros = 0
    return event


@inlined
def order_event(s, kind, slot, reason, last_lots, level_lots):
    """Report on an order by its row: what became of `last_lots` of it and what its level shows afterwards."""
    order = order_at(s, slot)
    position = position_at(s, order.position_slot)
    event = _next_event(s, kind, style_of(order))
    event.flags = order.flags
    event.reason = reason
    event.contract_slot = position.contract_slot
    event.account_slot = position.account_slot
    event.order_id = order.order_id
    event.cl_ord_id = order.cl_ord_id
    event.price_ticks = order.price_ticks
    event.last_lots = last_lots
    event.leaves_lots = order.leaves_lots
    event.filled_lots = order.filled_lots
    event.level_lots = level_lots
    if order.flags & EXEC_CONDITIONAL:
        event.fee_micros = detail_at(s, slot).trigger_price_ticks
    return event


@inlined
def taker_event(s, taker, kind, reason, last_lots, level_lots):
    """Report on an order that is being judged or worked."""
    event = _next_event(s, kind, style_of(taker))
    event.flags = taker.flags
    event.reason = reason
    event.contract_slot = taker.contract_slot
    event.account_slot = taker.account_slot
    event.order_id = taker.order_id
    event.cl_ord_id = taker.cl_ord_id
    event.price_ticks = taker.price_ticks
    event.last_lots = last_lots
    event.leaves_lots = taker.leaves_lots
    event.filled_lots = taker.filled_lots
    event.level_lots = level_lots
    return event


@inlined
def price_of_fill(s, event, price_ticks, fee_micros, position_slot):
    """Complete a FILL: its price and fee, and the account's position and cash after it."""
    position = position_at(s, position_slot)
    event.price_ticks = price_ticks
    event.trade_id = contract_at(s, position.contract_slot).trade_serial
    event.fee_micros = fee_micros
    event.position_lots = size_lots_of(position)
    event.entry_cost_micros = position.entry_cost_micros
    event.cash_micros = account_at(s, position.account_slot).cash_micros
    if event.leaves_lots == 0:
        event.flags |= FLAG_DONE


@kernel
def forced_fill(s, position_slot, signed_lots, price_ticks, flags):
    """One side of a trade that no order made: deleveraging."""
    event = _next_event(s, EventKind.FILL, Side.BUY if signed_lots > 0 else Side.SELL)
    position = position_at(s, position_slot)
    event.flags = flags
    event.reason = 0
    event.contract_slot = position.contract_slot
    event.account_slot = position.account_slot
    event.order_id = 0
    event.cl_ord_id = 0
    event.last_lots = abs(signed_lots)
    event.leaves_lots = 0
    event.filled_lots = abs(signed_lots)
    event.level_lots = NIL
    price_of_fill(s, event, price_ticks, 0, position_slot)


@rare
def rejected(s, c, reason, flag):
    """A refused order command, with what it asked for."""
    event = _next_event(s, EventKind.REJECTED, style_of(c))
    event.flags = c.flags | flag
    event.reason = reason
    event.contract_slot = max(min(np.int64(c.contract_slot), 32767), NIL)
    event.account_slot = c.account_slot
    event.order_id = c.order_id
    event.cl_ord_id = c.cl_ord_id
    event.price_ticks = c.price_ticks
    event.last_lots = c.qty_lots
    event.leaves_lots = 0
    event.filled_lots = 0
    event.level_lots = NIL
    s.refusals += 1


@kernel
def mass_cancelled(s, job):
    """The end of a mass cancel: how many orders it took."""
    event = _next_event(s, EventKind.MASS_CANCELLED, job.side & 0xFF)
    event.seq = job.seq
    event.flags = 0
    event.reason = job.reason
    event.contract_slot = job.contract_slot
    event.account_slot = job.account_slot
    event.order_id = 0
    event.cl_ord_id = 0
    event.price_ticks = 0
    event.last_lots = job.cancelled
    event.leaves_lots = 0
    event.filled_lots = 0
    event.level_lots = NIL


@kernel
def notice(s, kind, account_slot, contract_slot):
    """An empty NOTICE of a kind; the caller fills in what it is about."""
    row = _notice_at(s.ring_next)
    s.ring_next += _ROW_BYTES
    row.seq = s.last_seq
    row.time_ns = s.now_ns
    row.kind = kind
    for place in range(3):
        row.pad[place] = 0
    row.code = 0
    row.reason = 0
    row.contract_slot = contract_slot
    row.account_slot = account_slot
    row.index = 0
    row.person = 0
    row.old_value = 0
    row.new_value = 0
    row.amount_micros = 0
    row.price_subticks = 0
    row.other_price_subticks = 0
    row.rate_ppb = 0
    row.position_lots = 0
    row.cash_micros = 0
    row.actor = 0
    row.approver = 0
    row.reference = 0
    for place in range(8):
        row.spare[place] = 0
    return row


@kernel
def directive_notice(s, kind, d):
    """A NOTICE about a directive: whom and what it names, and who asked for it."""
    row = notice(s, kind, d.account_slot, max(min(np.int64(d.contract_slot), 32767), NIL))
    row.code = d.code
    row.index = d.index
    row.person = d.person
    row.new_value = d.value
    row.amount_micros = d.amount_micros
    row.actor = d.actor
    row.approver = d.approver
    row.reference = d.reference
    return row


@kernel
def refused(s, d, reason):
    """A refused directive."""
    row = directive_notice(s, EventKind.REFUSED, d)
    row.code = d.kind
    row.reason = reason
    row.price_subticks = d.price_subticks
    s.refusals += 1
