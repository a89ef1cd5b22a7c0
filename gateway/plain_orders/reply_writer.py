"""The compiled writer of replies to plain orders: outcomes to whole websocket frames, a batch in one call.

The replies are those of `render` and `jsonrpc_answers`, byte for byte. A request whose reply is not plain is marked
slow, and the session answers it: a refusal, an order with a condition, a label that needs escapes.

Functions that write text return where it ends, or -1 when the session must answer the request.
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
from engine.schema import LABEL_BYTES, ORDER_SLOT_BITS
from engine.units import SUBTICKS
from gateway.plain_orders import layout
from gateway.plain_orders.layout import (
    IS_MARKET,
    REPLY_BYTES,
    put,
    put_cached,
    put_decimal,
    put_integer,
    put_text,
)
from gateway.read_model.event_fold import ORDER_KIND, SLOT_MASK, TRADE_KIND

_NS_PER_MS = 1_000_000
_ENDED_MASK = layout.ENDED_MASK
_SUBTICK_DECIMALS = 3
_MICRO_DECIMALS = 6
_FRAME_HEAD = 4
_TEXT_FRAME, _TWO_BYTES, _LONGEST = 0x81, 126, 65535
_SAFE_TICK_LOTS = (1 << 62) // SUBTICKS
_LABEL_BYTES_IN_WORD = 8
_TRADE_BYTES = 1024
"""No trade is longer than this."""
_ORDER_TEXTS, _REPLY_TEXTS, _PLACED_TEXTS, _TRADE_TEXTS, _USER_TEXTS = (
    layout.ORDER, layout.REPLY, layout.PLACED, layout.TRADE, layout.USER_TRADE,
)  # fmt: skip
_NO_ORDERS, _NOTHING, _ZERO, _NULL, _FALSE, _TRUE, _EMPTY, _QUOTE, _COMMA, _BEGIN, _END = (
    layout.NO_ORDERS, layout.NOTHING, layout.ZERO, layout.NULL, layout.FALSE, layout.TRUE, layout.EMPTY_LABEL,
    layout.QUOTE, layout.COMMA, layout.BEGIN_LIST, layout.END_LIST,
)  # fmt: skip
_CLIENT_ID, _CANCEL_REASON, _FORCED_TEXT, _TAKER_TEXT, _MAKER_TEXT = (
    layout.CLIENT_ID_EXTRA, layout.CANCEL_REASON_EXTRA, layout.FORCED_EXTRA, layout.TAKER_TEXT, layout.MAKER_TEXT,
)  # fmt: skip
_US_IN, _US_OUT, _TIME, _UPDATED = (
    layout.CACHED_US_IN, layout.CACHED_US_OUT, layout.CACHED_TIME, layout.CACHED_UPDATED,
)  # fmt: skip
_SIDES, _TYPES, _TIFS, _STATES, _REASONS = (
    layout.SIDE, layout.ORDER_TYPE, layout.TIME_IN_FORCES, layout.STATE, layout.CANCEL_REASON,
)  # fmt: skip


# --- outcomes -----------------------------------------------------------------------------------------------------


@part
def _note_event(request, event):
    """Note what one event means for the request that caused it: the same rules as `sequencer.outcome_of`."""
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
def _match(work, events, count):
    """Note for every request what its events mean."""
    for index in range(work.count):
        work.of_place[work.requests[index].place] = index + 1
    highest = work.requests[work.count - 1].place
    for index in range(count):
        place = events[index].seq - work.first_seq
        if 0 <= place <= highest and work.of_place[place]:
            _note_event(work.requests[work.of_place[place] - 1], events[index])
    for index in range(work.count):
        work.of_place[work.requests[index].place] = 0


@part
def _ended_at(order_id):
    return order_id >> ORDER_SLOT_BITS & _ENDED_MASK


@part
def _note_ended(work, history):
    """Note where the history rows of the orders are that this batch ended."""
    _, orders, first, end = history
    for index in range(first, end):
        if orders[index].kind == ORDER_KIND:
            work.ended[_ended_at(orders[index].order_id)] = index


@part
def _find(work, view, history, request):
    """(Place of the row of a request's order, 0 for an open order or 1 for a history row); (-1, 0) for none."""
    slot = request.order_id & SLOT_MASK
    row = view.orders[slot]
    if row.order_id == request.order_id:
        return (slot, 0) if row.account_slot == request.account_slot else (-1, 0)
    _, orders, first, end = history
    index = work.ended[_ended_at(request.order_id)]
    if first <= index < end and orders[index].order_id == request.order_id and orders[index].kind == ORDER_KIND:
        return (index, 1) if orders[index].account_slot == request.account_slot else (-1, 0)
    return -1, 0


# --- text ---------------------------------------------------------------------------------------------------------


@part
def _put_name(out, at, listing):
    at = put(out, at, _QUOTE)
    return put(out, put_text(out, at, listing.name, 0, listing.name_size), _QUOTE)


@part
def _put_flag(out, at, is_set):
    return put(out, at, _TRUE if is_set else _FALSE)


@part
def _put_price(out, at, listing, ticks):
    return put_decimal(out, at, ticks * listing.tick_mantissa, listing.tick_decimals)


@part
def _put_amount(out, at, listing, lots):
    return put_decimal(out, at, lots * listing.lot_mantissa, listing.lot_decimals)


@part
def _put_subticks(out, at, listing, subticks):
    return put_decimal(out, at, subticks * listing.tick_mantissa, listing.tick_decimals + _SUBTICK_DECIMALS)


@part
def _put_label(out, at, label):
    """A label as JSON text; one that needs escapes is not plain."""
    if label[0] == 0:
        return put(out, at, _EMPTY)
    at = put(out, at, _QUOTE)
    for index in range(LABEL_BYTES):
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
def _is_plain(listing, row):
    """Whether an order has only what every order has."""
    return (
        listing.name_size > 0
        and row.ord_type <= TYPE_LIMIT
        and row.display_lots == 0
        and row.expire_ns == 0
        and row.offset_ticks == 0
        and row.filled_tick_lots < _SAFE_TICK_LOTS
        and (row.status != STATUS_CANCELED or _REASONS[row.reason] != _NOTHING)
    )


@part
def _put_average(out, at, listing, row):
    if row.filled_lots == 0:
        return put(out, at, _ZERO)
    return _put_subticks(out, at, listing, row.filled_tick_lots * SUBTICKS // row.filled_lots)


@part
def _put_order_head(out, at, listing, row):
    """The first half of `render.ORDER`, up to the average price."""
    at = put_integer(out, put(out, at, _ORDER_TEXTS), row.order_id)
    at = _put_name(out, put(out, at, _ORDER_TEXTS + 1), listing)
    at = put(out, put(out, at, _ORDER_TEXTS + 2), _SIDES[row.side])
    at = put(out, put(out, at, _ORDER_TEXTS + 3), _TYPES[row.ord_type])
    at = put(out, put(out, at, _ORDER_TEXTS + 4), _STATES[row.status])
    at = put(out, at, _ORDER_TEXTS + 5)
    if IS_MARKET[row.ord_type]:
        at = _put_average(out, at, listing, row)
    else:
        at = _put_price(out, at, listing, row.price_ticks)
    at = _put_amount(out, put(out, at, _ORDER_TEXTS + 6), listing, row.qty_lots)
    at = _put_amount(out, put(out, at, _ORDER_TEXTS + 7), listing, row.filled_lots)
    return _put_average(out, put(out, at, _ORDER_TEXTS + 8), listing, row)


@part
def _put_order(work, out, at, row):
    """An order as `render.order` writes it."""
    listing = work.listings[row.contract_slot]
    at = _put_order_head(out, at, listing, row)
    at = put(out, put(out, at, _ORDER_TEXTS + 9), _TIFS[row.tif])
    at = _put_flag(out, put(out, at, _ORDER_TEXTS + 10), row.flags & EXEC_POST_ONLY)
    at = _put_flag(out, put(out, at, _ORDER_TEXTS + 11), row.flags & EXEC_REDUCE_ONLY)
    at = _put_label(out, put(out, at, _ORDER_TEXTS + 12), row.label)
    if at < 0:
        return -1
    at = put_cached(work, out, put(out, at, _ORDER_TEXTS + 13), row.time_ns // _NS_PER_MS, _TIME)
    at = put_cached(work, out, put(out, at, _ORDER_TEXTS + 14), row.updated_ns // _NS_PER_MS, _UPDATED)
    at = put_decimal(out, put(out, at, _ORDER_TEXTS + 15), row.fee_micros, _MICRO_DECIMALS)
    at = _put_flag(out, put(out, at, _ORDER_TEXTS + 16), row.replaced)
    at = put(out, at, _ORDER_TEXTS + 17)
    if row.cl_ord_id:
        at = put_integer(out, put(out, at, _CLIENT_ID), row.cl_ord_id)
        at = put(out, at, _CLIENT_ID + 1)
    if row.status == STATUS_CANCELED:
        at = put(out, put(out, at, _CANCEL_REASON), _REASONS[row.reason])
        at = put(out, at, _CANCEL_REASON + 1)
    return put(out, at, _ORDER_TEXTS + 18)


@part
def _put_reference(out, at, listing, subticks):
    return _put_subticks(out, at, listing, subticks) if subticks else put(out, at, _NULL)


@part
def _put_trade_head(out, at, listing, leg):
    """`render.TRADE` up to its extras."""
    at = put_text(out, put(out, at, _TRADE_TEXTS), listing.base, 0, listing.base_size)
    at = put_integer(out, put(out, at, _TRADE_TEXTS + 1), leg.trade_id)
    at = put_integer(out, put(out, at, _TRADE_TEXTS + 2), leg.trade_id)
    at = put_integer(out, put(out, at, _TRADE_TEXTS + 3), leg.time_ns // _NS_PER_MS)
    at = _put_name(out, put(out, at, _TRADE_TEXTS + 4), listing)
    at = _put_price(out, put(out, at, _TRADE_TEXTS + 5), listing, leg.price_ticks)
    at = _put_amount(out, put(out, at, _TRADE_TEXTS + 6), listing, leg.lots)
    at = put(out, put(out, at, _TRADE_TEXTS + 7), _SIDES[leg.side])
    at = put_integer(out, put(out, at, _TRADE_TEXTS + 8), leg.tick_direction)
    at = _put_reference(out, put(out, at, _TRADE_TEXTS + 9), listing, leg.mark_subticks)
    at = _put_reference(out, put(out, at, _TRADE_TEXTS + 10), listing, leg.index_subticks)
    return _put_flag(out, put(out, at, _TRADE_TEXTS + 11), leg.affiliated_maker)


@part
def _put_trade(out, at, listing, leg):
    """A trade as `render.user_trade` writes it."""
    at = put(out, _put_trade_head(out, at, listing, leg), _TRADE_TEXTS + 12)
    at = put_integer(out, put(out, at, _USER_TEXTS), leg.order_id)
    at = _put_label(out, put(out, at, _USER_TEXTS + 1), leg.label)
    if at < 0:
        return -1
    at = put(out, put(out, at, _USER_TEXTS + 2), _TAKER_TEXT if leg.flags & FLAG_TAKER else _MAKER_TEXT)
    at = put_decimal(out, put(out, at, _USER_TEXTS + 3), leg.fee_micros, _MICRO_DECIMALS)
    at = put_text(out, put(out, at, _USER_TEXTS + 4), listing.settlement, 0, listing.settlement_size)
    at = put(out, put(out, at, _USER_TEXTS + 5), _STATES[STATUS_FILLED if leg.leaves_lots == 0 else STATUS_NEW])
    at = put(out, put(out, at, _USER_TEXTS + 6), _TYPES[leg.ord_type])
    at = _put_flag(out, put(out, at, _USER_TEXTS + 7), leg.flags & EXEC_REDUCE_ONLY)
    at = _put_flag(out, put(out, at, _USER_TEXTS + 8), leg.flags & EXEC_POST_ONLY)
    at = put(out, at, _USER_TEXTS + 9)
    if leg.cl_ord_id:
        at = put_integer(out, put(out, at, _CLIENT_ID), leg.cl_ord_id)
        at = put(out, at, _CLIENT_ID + 1)
    at = put(out, at, _USER_TEXTS + 10)
    if leg.flags & FLAG_INVOLUNTARY_BITS:
        at = put(out, at, _FORCED_TEXT)
    return put(out, put(out, at, _USER_TEXTS + 11), _TRADE_TEXTS + 13)


@part
def _put_trades(out, at, listing, request, legs_from):
    """The trades that a request made, as a list; the session answers when there is no room for them."""
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
        at = _put_trade(out, at, listing, leg)
        if at < 0:
            return -1
        count += 1
    return put(out, at, _END)


# --- replies ------------------------------------------------------------------------------------------------------


@part
def _put_result(work, out, at, row, request_from):
    """The result of a request: a cancel's order, or the order and its trades."""
    request, history, limit = request_from
    if request.kind == COMMAND_CANCEL:
        return _put_order(work, out, at, row)
    at = _put_order(work, out, put(out, at, _PLACED_TEXTS), row)
    if at < 0:
        return -1
    at = put(out, at, _PLACED_TEXTS + 1)
    if request.has_fills:
        legs_from = (history[0], np.int64(request.first_leg), history[3], limit)
        at = _put_trades(out, at, work.listings[row.contract_slot], request, legs_from)
    else:
        at = put(out, at, _NO_ORDERS)
    return put(out, at, _PLACED_TEXTS + 2) if at >= 0 else -1


@part
def _put_reply(work, out, at, row, request_from):
    """One reply as a frame."""
    request, _, limit = request_from
    listing = work.listings[row.contract_slot]
    if at + REPLY_BYTES > limit or row.contract_slot >= work.listings_used or not _is_plain(listing, row):
        return -1
    begun = at + _FRAME_HEAD
    at = put_text(out, put(out, begun, _REPLY_TEXTS), request.id, 0, request.id_size)
    at = _put_result(work, out, put(out, at, _REPLY_TEXTS + 1), row, request_from)
    if at < 0:
        return -1
    at = put_cached(work, out, put(out, at, _REPLY_TEXTS + 2), request.us_in, _US_IN)
    at = put_cached(work, out, put(out, at, _REPLY_TEXTS + 3), work.us_out, _US_OUT)
    at = put_integer(out, put(out, at, _REPLY_TEXTS + 4), work.us_out - request.us_in)
    at = _put_flag(out, put(out, at, _REPLY_TEXTS + 5), work.testnet)
    at = put(out, at, _REPLY_TEXTS + 6)
    size = at - begun
    if size < _TWO_BYTES or size > _LONGEST:
        return -1
    out[begun - 4], out[begun - 3], out[begun - 2], out[begun - 1] = _TEXT_FRAME, _TWO_BYTES, size >> 8, size & 255
    return at


@part
def _note_legs(work, history):
    """Note where each request's first trade is."""
    legs, _, first, end = history
    for index in range(work.count):
        work.of_place[work.requests[index].place] = index + 1
        work.requests[index].first_leg = end
    highest = work.requests[work.count - 1].place
    for index in range(end - 1, first - 1, -1):
        place = legs[index].seq - work.first_seq
        if legs[index].kind == TRADE_KIND and 0 <= place <= highest and work.of_place[place]:
            work.requests[work.of_place[place] - 1].first_leg = index
    for index in range(work.count):
        work.of_place[work.requests[index].place] = 0


@entry
def write(view, workspace, events, history, out):
    """Write the replies to all requests of a batch, one behind the other; returns how many the session must answer.

    `events`: (EVENT rows, how many). `history`: the batch's rows as (LEG rows, ORDER rows, first, end).
    """
    work = workspace[0]
    if work.count == 0:
        return 0
    _match(work, events[0], events[1])
    _note_ended(work, history)
    _note_legs(work, history)
    at, slow, limit = 0, 0, len(out)
    for index in range(work.count):
        request = work.requests[index]
        end = -1
        if not request.is_slow and request.order_id > 0:
            place, is_over = _find(work, view[0], history, request)
            if place >= 0:
                row = history[1][place] if is_over else view[0].orders[place]
                end = _put_reply(work, out, at, row, (request, history, limit))
        request.is_slow = 1 if end < 0 else 0
        slow += request.is_slow
        at = end if end >= 0 else at
        work.ends[index + 1] = at
    return slow
