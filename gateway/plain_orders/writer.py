"""The compiled writer of replies to plain orders: outcomes to whole websocket frames, a batch in one call.

The replies are those of `render` and `jsonrpc`, byte for byte. A refusal, an order with a condition, a label that
needs escapes: what is not plain is marked slow, and the session's way answers it.
"""

import numpy as np

from engine.code_values import (
    COMMAND_CANCEL,
    EVENT_ACCEPTED,
    EVENT_AMENDED,
    EVENT_CANCELLED,
    EVENT_FILL,
    EVENT_MASS_CANCELLED,
    EVENT_NOTICE_FIRST,
    EVENT_REFUSED,
    EVENT_REJECTED,
    EVENT_REPEATED,
    EXEC_POST_ONLY,
    EXEC_REDUCE_ONLY,
    FLAG_INVOLUNTARY_BITS,
    FLAG_TAKER,
    REASON_AMENDED_AWAY,
    REASON_BY_CLIENT,
    STATUS_CANCELED,
    STATUS_FILLED,
    STATUS_NEW,
    TYPE_LIMIT,
)
from engine.kernels import entry, part
from engine.schema import ORDER_SLOT_BITS
from engine.units import SUBTICKS
from gateway.plain_orders import layout as tables
from gateway.plain_orders.layout import (
    IS_MARKET,
    REPLY_BYTES,
    put,
    put_again,
    put_decimal,
    put_integer,
    put_text,
)
from gateway.read_model.event_fold import ORDER_KIND, SLOT_MASK, TRADE_KIND

_NS_PER_MS = 1_000_000
_ENDED_MASK = tables.ENDED_MASK
_SUBTICK_DECIMALS = 3
_MICRO_DECIMALS = 6
_FRAME_HEAD = 4
_TEXT_FRAME, _TWO_BYTES, _LONGEST = 0x81, 126, 65535
_SAFE_TICK_LOTS = (1 << 62) // SUBTICKS
_MAX_LABEL = 64
_LABEL_BYTES_IN_WORD = 8
_TRADE_BYTES = 1024
"""Room for one trade that is sure to be enough."""
_ORDER_PIECES, _REPLY_PIECES, _PLACED_PIECES, _TRADE_PIECES, _USER_PIECES = (
    tables.ORDER, tables.REPLY, tables.PLACED, tables.TRADE, tables.USER_TRADE,
)  # fmt: skip
_NO_ORDERS, _NOTHING, _ZERO, _NULL, _FALSE, _TRUE, _EMPTY, _QUOTE, _COMMA, _BEGIN, _END = (
    tables.NO_ORDERS, tables.NOTHING, tables.ZERO, tables.NULL, tables.FALSE, tables.TRUE, tables.EMPTY_LABEL,
    tables.QUOTE, tables.COMMA, tables.BEGIN_LIST, tables.END_LIST,
)  # fmt: skip
_CLIENT_ID, _WHY, _FORCED_TEXT, _T, _M = (
    tables.CLIENT_ID_EXTRA, tables.CANCEL_REASON_EXTRA, tables.FORCED_EXTRA, tables.TAKER_TEXT, tables.MAKER_TEXT,
)  # fmt: skip
_US_IN, _US_OUT, _TIME, _UPDATED = (
    tables.MEMO_US_IN, tables.MEMO_US_OUT, tables.MEMO_TIME, tables.MEMO_UPDATED,
)  # fmt: skip
_SIDES, _TYPES, _TIFS, _STATES, _REASONS = (
    tables.SIDE, tables.ORDER_TYPE, tables.TIME_IN_FORCES, tables.STATE, tables.CANCEL_REASON,
)  # fmt: skip


# --- outcomes -----------------------------------------------------------------------------------------------------


@part
def _note_event(request, event):
    """What one event means for the request that caused it, as `sequencer.outcome_of` has it."""
    kind = event.kind
    if kind in (EVENT_REFUSED, EVENT_MASS_CANCELLED):
        request.is_slow = 1
    elif kind >= EVENT_NOTICE_FIRST or event.account_slot != request.account_slot:
        return
    elif kind == EVENT_REJECTED:
        request.is_slow = 1
    elif kind == EVENT_FILL:
        request.has_fills = 1
    elif kind == EVENT_CANCELLED:
        if event.reason in (REASON_BY_CLIENT, REASON_AMENDED_AWAY):
            request.order_id = event.order_id
    elif kind in (EVENT_ACCEPTED, EVENT_REPEATED, EVENT_AMENDED):
        request.order_id = event.order_id


@part
def _match(desk, events, count):
    """Give every request its events."""
    for index in range(desk.count):
        desk.of_place[desk.requests[index].place] = index + 1
    highest = desk.requests[desk.count - 1].place
    for index in range(count):
        place = events[index].seq - desk.first_seq
        if 0 <= place <= highest and desk.of_place[place]:
            _note_event(desk.requests[desk.of_place[place] - 1], events[index])
    for index in range(desk.count):
        desk.of_place[desk.requests[index].place] = 0


@part
def _ended_at(order_id):
    return order_id >> ORDER_SLOT_BITS & _ENDED_MASK


@part
def _note_ended(desk, history):
    """Where the orders that this batch ended are."""
    _, orders, first, end = history
    for index in range(first, end):
        if orders[index].kind == ORDER_KIND:
            desk.ended[_ended_at(orders[index].order_id)] = index


@part
def _find(desk, view, history, request):
    """The row of a request's order: (its place, 0 among the living, 1 in the history), (-1, 0) for none."""
    slot = request.order_id & SLOT_MASK
    row = view.orders[slot]
    if row.order_id == request.order_id:
        return (slot, 0) if row.account_slot == request.account_slot else (-1, 0)
    _, orders, first, end = history
    index = desk.ended[_ended_at(request.order_id)]
    if first <= index < end and orders[index].order_id == request.order_id and orders[index].kind == ORDER_KIND:
        return (index, 1) if orders[index].account_slot == request.account_slot else (-1, 0)
    return -1, 0


# --- text ---------------------------------------------------------------------------------------------------------


@part
def _put_name(out, at, card):
    at = put(out, at, _QUOTE)
    return put(out, put_text(out, at, card.name, 0, card.name_size), _QUOTE)


@part
def _put_flag(out, at, is_set):
    return put(out, at, _TRUE if is_set else _FALSE)


@part
def _put_price(out, at, card, ticks):
    return put_decimal(out, at, ticks * card.tick_mantissa, card.tick_decimals)


@part
def _put_amount(out, at, card, lots):
    return put_decimal(out, at, lots * card.lot_mantissa, card.lot_decimals)


@part
def _put_subticks(out, at, card, subticks):
    return put_decimal(out, at, subticks * card.tick_mantissa, card.tick_decimals + _SUBTICK_DECIMALS)


@part
def _put_label(out, at, label):
    """A label as JSON text; -1 when it needs escapes."""
    if label[0] == 0:
        return put(out, at, _EMPTY)
    at = put(out, at, _QUOTE)
    for index in range(_MAX_LABEL):
        char = label[index // _LABEL_BYTES_IN_WORD] >> (8 * (index % _LABEL_BYTES_IN_WORD)) & 255
        if char == 0:
            break
        if char < 32 or char > 126 or char == 34 or char == 92:
            return -1
        out[at] = char
        at += 1
    return put(out, at, _QUOTE)


# --- orders and trades --------------------------------------------------------------------------------------------


@part
def _is_plain(card, row):
    """Whether an order has nothing but what every order has."""
    return (
        card.name_size > 0
        and row.ord_type <= TYPE_LIMIT
        and row.display_lots == 0
        and row.expire_ns == 0
        and row.offset_ticks == 0
        and row.filled_tick_lots < _SAFE_TICK_LOTS
        and (row.status != STATUS_CANCELED or _REASONS[row.reason] != _NOTHING)
    )


@part
def _put_average(out, at, card, row):
    if row.filled_lots == 0:
        return put(out, at, _ZERO)
    return _put_subticks(out, at, card, row.filled_tick_lots * SUBTICKS // row.filled_lots)


@part
def _put_order_head(out, at, card, row):
    """The first half of `render.ORDER`, to the average price."""
    at = put_integer(out, put(out, at, _ORDER_PIECES), row.order_id)
    at = _put_name(out, put(out, at, _ORDER_PIECES + 1), card)
    at = put(out, put(out, at, _ORDER_PIECES + 2), _SIDES[row.side])
    at = put(out, put(out, at, _ORDER_PIECES + 3), _TYPES[row.ord_type])
    at = put(out, put(out, at, _ORDER_PIECES + 4), _STATES[row.status])
    at = put(out, at, _ORDER_PIECES + 5)
    if IS_MARKET[row.ord_type]:
        at = _put_average(out, at, card, row)
    else:
        at = _put_price(out, at, card, row.price_ticks)
    at = _put_amount(out, put(out, at, _ORDER_PIECES + 6), card, row.qty_lots)
    at = _put_amount(out, put(out, at, _ORDER_PIECES + 7), card, row.filled_lots)
    return _put_average(out, put(out, at, _ORDER_PIECES + 8), card, row)


@part
def _put_order(desk, out, at, row):
    """An order as `render.order` has it; -1 when its label needs escapes."""
    card = desk.cards[row.contract_slot]
    at = _put_order_head(out, at, card, row)
    at = put(out, put(out, at, _ORDER_PIECES + 9), _TIFS[row.tif])
    at = _put_flag(out, put(out, at, _ORDER_PIECES + 10), row.flags & EXEC_POST_ONLY)
    at = _put_flag(out, put(out, at, _ORDER_PIECES + 11), row.flags & EXEC_REDUCE_ONLY)
    at = _put_label(out, put(out, at, _ORDER_PIECES + 12), row.label)
    if at < 0:
        return -1
    at = put_again(desk, out, put(out, at, _ORDER_PIECES + 13), row.time_ns // _NS_PER_MS, _TIME)
    at = put_again(desk, out, put(out, at, _ORDER_PIECES + 14), row.updated_ns // _NS_PER_MS, _UPDATED)
    at = put_decimal(out, put(out, at, _ORDER_PIECES + 15), row.fee_micros, _MICRO_DECIMALS)
    at = _put_flag(out, put(out, at, _ORDER_PIECES + 16), row.replaced)
    at = put(out, at, _ORDER_PIECES + 17)
    if row.cl_ord_id:
        at = put_integer(out, put(out, at, _CLIENT_ID), row.cl_ord_id)
        at = put(out, at, _CLIENT_ID + 1)
    if row.status == STATUS_CANCELED:
        at = put(out, put(out, at, _WHY), _REASONS[row.reason])
        at = put(out, at, _WHY + 1)
    return put(out, at, _ORDER_PIECES + 18)


@part
def _put_reference(out, at, card, subticks):
    return _put_subticks(out, at, card, subticks) if subticks else put(out, at, _NULL)


@part
def _put_trade_head(out, at, card, leg):
    """`render.TRADE` to its extras."""
    at = put_text(out, put(out, at, _TRADE_PIECES), card.base, 0, card.base_size)
    at = put_integer(out, put(out, at, _TRADE_PIECES + 1), leg.trade_id)
    at = put_integer(out, put(out, at, _TRADE_PIECES + 2), leg.trade_id)
    at = put_integer(out, put(out, at, _TRADE_PIECES + 3), leg.time_ns // _NS_PER_MS)
    at = _put_name(out, put(out, at, _TRADE_PIECES + 4), card)
    at = _put_price(out, put(out, at, _TRADE_PIECES + 5), card, leg.price_ticks)
    at = _put_amount(out, put(out, at, _TRADE_PIECES + 6), card, leg.lots)
    at = put(out, put(out, at, _TRADE_PIECES + 7), _SIDES[leg.side])
    at = put_integer(out, put(out, at, _TRADE_PIECES + 8), leg.tick_direction)
    at = _put_reference(out, put(out, at, _TRADE_PIECES + 9), card, leg.mark_subticks)
    return _put_reference(out, put(out, at, _TRADE_PIECES + 10), card, leg.index_subticks)


@part
def _put_trade(out, at, card, leg):
    """A trade as `render.user_trade` has it; -1 when its label needs escapes."""
    at = put(out, _put_trade_head(out, at, card, leg), _TRADE_PIECES + 11)
    at = put_integer(out, put(out, at, _USER_PIECES), leg.order_id)
    at = _put_label(out, put(out, at, _USER_PIECES + 1), leg.label)
    if at < 0:
        return -1
    at = put(out, put(out, at, _USER_PIECES + 2), _T if leg.flags & FLAG_TAKER else _M)
    at = put_decimal(out, put(out, at, _USER_PIECES + 3), leg.fee_micros, _MICRO_DECIMALS)
    at = put_text(out, put(out, at, _USER_PIECES + 4), card.settlement, 0, card.settlement_size)
    at = put(out, put(out, at, _USER_PIECES + 5), _STATES[STATUS_FILLED if leg.leaves_lots == 0 else STATUS_NEW])
    at = put(out, put(out, at, _USER_PIECES + 6), _TYPES[leg.ord_type])
    at = _put_flag(out, put(out, at, _USER_PIECES + 7), leg.flags & EXEC_REDUCE_ONLY)
    at = _put_flag(out, put(out, at, _USER_PIECES + 8), leg.flags & EXEC_POST_ONLY)
    at = put(out, at, _USER_PIECES + 9)
    if leg.cl_ord_id:
        at = put_integer(out, put(out, at, _CLIENT_ID), leg.cl_ord_id)
        at = put(out, at, _CLIENT_ID + 1)
    at = put(out, at, _USER_PIECES + 10)
    if leg.flags & FLAG_INVOLUNTARY_BITS:
        at = put(out, at, _FORCED_TEXT)
    return put(out, put(out, at, _USER_PIECES + 11), _TRADE_PIECES + 12)


@part
def _put_trades(out, at, card, request, legs_from):
    """The trades that a request made, in a list; -1 when one is not plain or there is no room for them."""
    legs, first, last, limit = legs_from
    seq = legs[first].seq if first < last else 0
    at = put(out, at, _BEGIN)
    count = 0
    index = first
    while index < last and (legs[index].kind != TRADE_KIND or legs[index].seq == seq):
        leg = legs[index]
        index += 1
        if leg.kind != TRADE_KIND or leg.order_id != request.order_id:
            continue
        if at + _TRADE_BYTES > limit:
            return -1
        at = put(out, at, _COMMA) if count else at
        at = _put_trade(out, at, card, leg)
        if at < 0:
            return -1
        count += 1
    return put(out, at, _END)


# --- replies ------------------------------------------------------------------------------------------------------


@part
def _put_result(desk, out, at, row, request_from):
    """The result of a request: a cancel's order, or the order and its trades; -1 when it is not plain."""
    request, history, limit = request_from
    if request.kind == COMMAND_CANCEL:
        return _put_order(desk, out, at, row)
    at = _put_order(desk, out, put(out, at, _PLACED_PIECES), row)
    if at < 0:
        return -1
    at = put(out, at, _PLACED_PIECES + 1)
    if request.has_fills:
        legs_from = (history[0], np.int64(request.first_leg), history[3], limit)
        at = _put_trades(out, at, desk.cards[row.contract_slot], request, legs_from)
    else:
        at = put(out, at, _NO_ORDERS)
    return put(out, at, _PLACED_PIECES + 2) if at >= 0 else -1


@part
def _put_reply(desk, out, at, row, request_from):
    """One reply as a frame; behind it, or -1 when it is not plain."""
    request, _, limit = request_from
    card = desk.cards[row.contract_slot]
    if at + REPLY_BYTES > limit or row.contract_slot >= desk.cards_used or not _is_plain(card, row):
        return -1
    begun = at + _FRAME_HEAD
    at = put_text(out, put(out, begun, _REPLY_PIECES), request.id, 0, request.id_size)
    at = _put_result(desk, out, put(out, at, _REPLY_PIECES + 1), row, request_from)
    if at < 0:
        return -1
    at = put_again(desk, out, put(out, at, _REPLY_PIECES + 2), request.us_in, _US_IN)
    at = put_again(desk, out, put(out, at, _REPLY_PIECES + 3), desk.us_out, _US_OUT)
    at = put_integer(out, put(out, at, _REPLY_PIECES + 4), desk.us_out - request.us_in)
    at = _put_flag(out, put(out, at, _REPLY_PIECES + 5), desk.testnet)
    at = put(out, at, _REPLY_PIECES + 6)
    size = at - begun
    if size < _TWO_BYTES or size > _LONGEST:
        return -1
    out[begun - 4], out[begun - 3], out[begun - 2], out[begun - 1] = _TEXT_FRAME, _TWO_BYTES, size >> 8, size & 255
    return at


@part
def _note_legs(desk, history):
    """Where each request's first trade is."""
    legs, _, first, end = history
    for index in range(desk.count):
        desk.of_place[desk.requests[index].place] = index + 1
        desk.requests[index].first_leg = end
    highest = desk.requests[desk.count - 1].place
    for index in range(end - 1, first - 1, -1):
        place = legs[index].seq - desk.first_seq
        if legs[index].kind == TRADE_KIND and 0 <= place <= highest and desk.of_place[place]:
            desk.requests[desk.of_place[place] - 1].first_leg = index
    for index in range(desk.count):
        desk.of_place[desk.requests[index].place] = 0


@entry
def write(view, desks, events, history, out):
    """The replies to all requests of a batch, one behind the other; answers how many were left out as slow.

    `events`: (EVENT rows, how many). `history`: the batch's rows as (LEG rows, ORDER rows, first, end).
    """
    desk = desks[0]
    if desk.count == 0:
        return 0
    _match(desk, events[0], events[1])
    _note_ended(desk, history)
    _note_legs(desk, history)
    at, slow, limit = 0, 0, len(out)
    for index in range(desk.count):
        request = desk.requests[index]
        end = -1
        if not request.is_slow and request.order_id > 0:
            place, is_over = _find(desk, view[0], history, request)
            if place >= 0:
                row = history[1][place] if is_over else view[0].orders[place]
                end = _put_reply(desk, out, at, row, (request, history, limit))
        request.is_slow = 1 if end < 0 else 0
        slow += request.is_slow
        at = end if end >= 0 else at
        desk.ends[index + 1] = at
    return slow
