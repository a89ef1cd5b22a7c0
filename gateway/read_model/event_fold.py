"""The compiled fold of event rows into what clients ask about: orders as they stand, and a history of what happened.

One record, `VIEW`, holds the present: an order's row is at the slot in its id, an account's open orders form a linked
list, a contract has its running candle. Closed orders, trades, money, funding and closed candles are written as history
rows, ORDER or LEG. Each state that an order passes through, and each notice that is for its client, is a row of the
reports besides. The rules of the venue are the engine's; the same commands and events always give the same rows.
"""

from typing import Any

import numpy as np

from engine.code_values import (
    EXEC_LABELLED,
    FLAG_MADE_REDUCE_ONLY,
    FLAG_RESTING,
    FLAG_TAKER,
    FLAG_UNTRIGGERED,
    MARKET_SETTLED,
)
from engine.codes import NIL, Asset, CommandKind, ContractParameter, EventKind, OrdStatus, Reason
from engine.kernels import entry, part
from engine.schema import LABEL_BYTES, MAX_CONTRACTS, ORDER_SLOT_BITS, VENUE, record
from gateway.read_model.market_minutes import MARKS_KEPT, begin_minute, clear, count_trade, note_mark

SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1

ORDER_KIND = 1
TRADE_KIND = 2
MONEY_KIND = 3
FUNDING_KIND = 4
NOTICE_KIND = 6
DELIVERY_KIND = 7
COLLATERAL_KIND = 8

_TAIL: list[Any] = [
    ("account_slot", "i4"),
    ("contract_slot", "i4"),
    ("flags", "i4"),
    ("next_slot", "i4"),  # orders: the account's next open order
    ("prev_slot", "i4"),
    ("reason", "i2"),  # orders: why it ended; money and notices: the EventKind
    ("kind", "i1"),  # one of the kinds above
    ("side", "i1"),
    ("ord_type", "i1"),
    ("tif", "i1"),  # collateral: the Asset
    ("status", "i1"),  # OrdStatus
    ("trigger_source", "i1"),
    ("triggered", "i1"),
    ("replaced", "i1"),
    ("tick_direction", "i1"),
    ("affiliated_maker", "i1"),  # trades, both legs
    ("label", "i8", (LABEL_BYTES // 8,)),
]

ORDER_ROW = record(
    [
        ("order_id", "i8"),
        ("cl_ord_id", "i8"),
        ("time_ns", "i8"),  # accepted
        ("updated_ns", "i8"),
        ("seq", "i8"),  # of the last event
        ("price_ticks", "i8"),
        ("qty_lots", "i8"),  # total, filled included
        ("leaves_lots", "i8"),
        ("filled_lots", "i8"),
        ("filled_tick_lots", "i8"),  # sum of price x quantity of its fills
        ("fee_micros", "i8"),
        ("trigger_price_ticks", "i8"),
        ("offset_ticks", "i8"),
        ("display_lots", "i8"),
        ("expire_ns", "i8"),
        *_TAIL,
    ]
)

LEG_ROW = record(  # trades, money, funding, candles, reference prices and notices
    [
        ("order_id", "i8"),
        ("cl_ord_id", "i8"),
        ("time_ns", "i8"),  # candles and reference prices: the start of the minute
        ("cash_micros", "i8"),  # the account's, after
        ("seq", "i8"),
        ("price_ticks", "i8"),  # candles: open
        ("lots", "i8"),  # candles: volume; funding: the interval in seconds
        ("leaves_lots", "i8"),  # candles: high
        ("trade_id", "i8"),  # candles: low
        ("close_ticks", "i8"),  # candles: close
        ("fee_micros", "i8"),  # money: the event's own amount; an isolated position's is no change of cash
        ("position_lots", "i8"),
        ("mark_subticks", "i8"),
        ("index_subticks", "i8"),
        ("change_micros", "i8"),  # of cash or collateral; funding: the rate in ppb; candles: sum of price x quantity
        *_TAIL,
    ]
)
assert ORDER_ROW.itemsize == LEG_ROW.itemsize

ACCOUNT_ROW = record([("cash_micros", "i8"), ("head_slot", "i4"), ("known", "i4")])

MARKET_ROW = record(
    [
        ("mark_subticks", "i8"),
        ("index_subticks", "i8"),
        ("last_ticks", "i8"),
        ("last_direction", "i8"),
        ("affiliated_maker", "i8"),  # of the trade under way
        ("candle_ns", "i8"),  # start of the running candle, 0: none
        ("open_ticks", "i8"),
        ("high_ticks", "i8"),
        ("low_ticks", "i8"),
        ("volume_lots", "i8"),
        ("volume_tick_lots", "i8"),
        ("reference_ns", "i8"),  # start of the minute in which mark or index changed last, 0: never
        ("funding_interval_s", "i8"),  # of the running interval, which keeps the length that it began with
        ("next_interval_s", "i8"),
        ("has_funding", "i8"),  # intervals run from the first index on
        ("marks_noted", "i8"),  # how many marks there were; the latest are in the rings behind
        ("mark_times_ns", "i8", (MARKS_KEPT,)),
        ("marks_subticks", "i8", (MARKS_KEPT,)),
    ]
)

_NOTED_BITS = 12
_KIND_BITS, _REASON_BITS = 6, 11
_KIND_MASK, _REASON_MASK = (1 << _KIND_BITS) - 1, (1 << _REASON_BITS) - 1
assert max(CommandKind) < 1 << _KIND_BITS and max(Reason) < 1 << _REASON_BITS
_NOTED_MASK = (1 << _NOTED_BITS) - 1

VIEW = record(
    [
        ("applied_seq", "i8"),
        ("orders_used", "i8"),
        ("accounts_used", "i8"),
        ("rare", "i8"),  # candle, reference and funding rows written by the last fold
        ("reported", "i8"),  # where its report rows end
        ("switched", "i8"),  # how many SWITCH commands it accepted
        ("noted", "i4", (1 << _NOTED_BITS,)),  # where a level was noted last, by hash of its key; see `_levels`
        ("markets", MARKET_ROW, (MAX_CONTRACTS,)),
        ("accounts", ACCOUNT_ROW, (VENUE.accounts,)),
        ("orders", ORDER_ROW, (VENUE.orders,)),
        ("connections", "i8", (VENUE.orders,)),  # over which an order was made, by its slot
        ("commands_counted", "i8", (1 << _KIND_BITS,)),  # by CommandKind, since the process began
        ("refusals_counted", "i8", (1 << _REASON_BITS,)),  # by Reason, likewise
    ]
)
assert 0 < VIEW.itemsize < 2**31

CHANGE = record([("key", "i8"), ("lots", "i8")])
"""A price level after an event: `key` is contract, side and price, see `level_key`."""


def level_key(contract_slot: int, side: int, price_ticks: int) -> int:
    """A price level as one number."""
    return contract_slot << 31 | (side - 1) << 30 | price_ticks


@part
def _link(v, slot):
    row = v.orders[slot]
    account = v.accounts[row.account_slot]
    if account.known == 0:
        account.known = 1
        account.head_slot = NIL
    v.accounts_used = max(v.accounts_used, row.account_slot + 1)
    v.orders_used = max(v.orders_used, slot + 1)
    row.prev_slot = NIL
    row.next_slot = account.head_slot
    if account.head_slot != NIL:
        v.orders[account.head_slot].prev_slot = slot
    account.head_slot = slot


@part
def _unlink(v, slot):
    row = v.orders[slot]
    if row.prev_slot == NIL:
        v.accounts[row.account_slot].head_slot = row.next_slot
    else:
        v.orders[row.prev_slot].next_slot = row.next_slot
    if row.next_slot != NIL:
        v.orders[row.next_slot].prev_slot = row.prev_slot


@part
def _accept(v, event, slot):
    """A new order, from its event; `_read_command` adds what only the command has."""
    row = v.orders[slot]
    row.order_id = event.order_id
    row.cl_ord_id = event.cl_ord_id
    row.time_ns = event.time_ns
    row.filled_tick_lots = 0
    row.fee_micros = 0
    row.trigger_price_ticks = 0
    row.offset_ticks = 0
    row.display_lots = 0
    row.expire_ns = 0
    row.account_slot = event.account_slot
    row.contract_slot = event.contract_slot
    row.reason = 0
    row.flags = 0
    row.kind = ORDER_KIND
    row.side = event.side
    row.ord_type = event.ord_type
    row.tif = event.tif
    row.status = OrdStatus.NEW
    row.trigger_source = 0
    row.triggered = 0
    row.replaced = 0
    for word in range(LABEL_BYTES // 8):
        row.label[word] = 0
    _link(v, slot)


@part
def _read_command(row, command, label):
    """Fields of an order that only its command has."""
    row.offset_ticks = command.offset_ticks if command.offset_ticks > 0 else row.offset_ticks
    row.display_lots = command.display_lots if command.display_lots > 0 else row.display_lots
    row.expire_ns = command.expire_ns if command.expire_ns > 0 else row.expire_ns
    if command.kind == CommandKind.NEW:
        row.trigger_source = command.trigger_source
        if command.flags & EXEC_LABELLED and label.kind == CommandKind.LABEL:
            for word in range(LABEL_BYTES // 8):
                row.label[word] = label.text[word]


@part
def _update(row, event):
    """Fields of an order that every event updates."""
    row.updated_ns = event.time_ns
    row.seq = event.seq
    row.leaves_lots = event.leaves_lots
    row.filled_lots = event.filled_lots
    row.flags = event.flags | row.flags & FLAG_MADE_REDUCE_ONLY
    kind = event.kind
    if kind == EventKind.CANCELLED:
        row.status = OrdStatus.CANCELED
        row.reason = event.reason
        return
    row.qty_lots = event.leaves_lots + event.filled_lots
    if kind == EventKind.FILL:
        row.filled_tick_lots += event.price_ticks * event.last_lots
        row.fee_micros += event.fee_micros
    else:
        row.price_ticks = event.price_ticks
    if event.flags & FLAG_UNTRIGGERED:
        row.status = OrdStatus.UNTRIGGERED
        row.trigger_price_ticks = event.fee_micros
    elif event.leaves_lots == 0:
        row.status = OrdStatus.FILLED
    else:
        row.status = OrdStatus.PARTIALLY_FILLED if event.filled_lots > 0 else OrdStatus.NEW
    if kind == EventKind.TRIGGERED:
        row.triggered = 1
        row.trigger_price_ticks = event.fee_micros
    elif kind == EventKind.AMENDED:
        row.replaced = 1


@part
def _set_cash(v, account_slot, cash_micros):
    """Set an account's cash; returns the change against the last known value."""
    account = v.accounts[account_slot]
    if account.known == 0:
        account.known = 1
        account.head_slot = NIL
    v.accounts_used = max(v.accounts_used, account_slot + 1)
    change = cash_micros - account.cash_micros
    account.cash_micros = cash_micros
    return change


@part
def _write_trade(v, event, order, out):
    """One leg of a trade; both legs carry its tick direction and whose its maker is. Deleveraging has no maker."""
    market = v.markets[event.contract_slot]
    clear(out)
    out.kind = TRADE_KIND
    out.order_id = event.order_id
    out.cl_ord_id = event.cl_ord_id
    out.time_ns = event.time_ns
    out.cash_micros = event.cash_micros
    out.seq = event.seq
    out.price_ticks = event.price_ticks
    out.lots = event.last_lots
    out.leaves_lots = event.leaves_lots
    out.trade_id = event.trade_id
    out.fee_micros = event.fee_micros
    out.position_lots = event.position_lots
    out.mark_subticks = market.mark_subticks
    out.index_subticks = market.index_subticks
    out.change_micros = _set_cash(v, event.account_slot, event.cash_micros)
    out.account_slot = event.account_slot
    out.contract_slot = event.contract_slot
    out.flags = event.flags
    out.side = event.side
    out.ord_type = event.ord_type
    out.tif = event.tif
    out.tick_direction = market.last_direction
    out.affiliated_maker = market.affiliated_maker if event.order_id != 0 else 0
    if order.order_id == event.order_id:
        for word in range(LABEL_BYTES // 8):
            out.label[word] = order.label[word]


@part
def _note_asked(v, notice):
    """Count the switches; a change of the funding interval counts from the next interval on. No history: 0."""
    if notice.kind == EventKind.SWITCHED:
        v.switched += 1
    elif notice.code == ContractParameter.FUNDING_INTERVAL_S:
        market = v.markets[notice.contract_slot]
        market.next_interval_s = notice.new_value
        if market.has_funding == 0:
            market.funding_interval_s = notice.new_value
    return 0


@part
def _notice(v, notice, out):
    """Money, prices and funding. Returns how many rows were written."""
    kind = notice.kind
    if kind == EventKind.SWITCHED or kind == EventKind.CONTRACT_CHANGED:
        return _note_asked(v, notice)
    if kind == EventKind.MARK_CHANGED:
        written = begin_minute(v, notice, out)
        note_mark(v.markets[notice.contract_slot], notice)
        return written
    if kind == EventKind.INDEX_CHANGED:
        written = begin_minute(v, notice, out)
        v.markets[notice.contract_slot].index_subticks = notice.price_subticks
        v.markets[notice.contract_slot].has_funding = 1
        return written
    money = (
        (kind == EventKind.CASH_CHANGED and notice.index == Asset.SETTLEMENT)
        or kind == EventKind.COLLATERAL_TAKEN
        or kind == EventKind.FUNDING_PAID
        or kind == EventKind.LIQUIDATION_FEE
        or kind == EventKind.FUND_PAID
        or kind == EventKind.POSITION_SETTLED
    )
    delivered = kind == EventKind.CONTRACT_STATE_CHANGED and notice.code == MARKET_SETTLED
    delivered = delivered and notice.price_subticks > 0  # the order to begin with it has no price yet
    pledged = kind == EventKind.CASH_CHANGED and notice.index != Asset.SETTLEMENT
    if not (money and notice.account_slot >= 0) and kind != EventKind.FUNDING_RATE and not delivered and not pledged:
        return 0
    clear(out)
    out.time_ns = notice.time_ns
    out.seq = notice.seq
    out.contract_slot = notice.contract_slot
    out.account_slot = notice.account_slot
    out.reason = kind
    out.flags = notice.code
    out.position_lots = notice.position_lots
    if kind == EventKind.FUNDING_RATE:
        out.kind = FUNDING_KIND
        out.change_micros = notice.rate_ppb
        out.mark_subticks = v.markets[notice.contract_slot].mark_subticks
        out.index_subticks = v.markets[notice.contract_slot].index_subticks
        out.lots = v.markets[notice.contract_slot].funding_interval_s
        v.markets[notice.contract_slot].funding_interval_s = v.markets[notice.contract_slot].next_interval_s
        v.rare += 1
        return 1
    if notice.contract_slot >= 0:
        out.mark_subticks = notice.price_subticks
        out.index_subticks = v.markets[notice.contract_slot].index_subticks
    if delivered:
        out.kind = DELIVERY_KIND
        return 1
    if pledged:
        out.kind = COLLATERAL_KIND
        out.tif = notice.index
        out.change_micros = notice.amount_micros
        return 1
    out.kind = MONEY_KIND
    out.fee_micros = notice.amount_micros
    out.cash_micros = notice.cash_micros
    out.change_micros = _set_cash(v, notice.account_slot, notice.cash_micros)
    return 1


@part
def _report_notice(v, notice, reports):
    """Keep a notice that an account's client hears: figures where LEG rows have their cash and its change."""
    kind = notice.kind
    if notice.account_slot < 0 or (kind != EventKind.MARGIN_CALL and kind != EventKind.ELIGIBILITY_LAPSED):
        return
    out = reports[v.reported]
    v.reported += 1
    clear(out)
    out.kind = NOTICE_KIND
    out.time_ns = notice.time_ns
    out.seq = notice.seq
    out.account_slot = notice.account_slot
    out.contract_slot = notice.contract_slot
    out.reason = kind
    out.flags = notice.code if kind == EventKind.MARGIN_CALL else notice.reason
    out.cash_micros = notice.old_value
    out.change_micros = notice.new_value


@part
def _order_event(v, event, cause, history, written):
    """Apply one order event; `cause`: its command and the row behind. Returns how many history rows there are then."""
    command, label = cause
    legs, closed, _, reports = history
    slot = event.order_id & SLOT_MASK
    if event.kind == EventKind.ACCEPTED:
        _accept(v, event, slot)
    row = v.orders[slot]
    known = row.order_id == event.order_id and row.kind == ORDER_KIND
    if known:
        named = event.account_slot == command.account_slot and event.seq == command.seq
        if event.kind == EventKind.ACCEPTED:
            v.connections[slot] = command.connection
        if event.kind == EventKind.ACCEPTED or (event.kind == EventKind.AMENDED and named):
            _read_command(row, command, label)
        _update(row, event)
        reports[v.reported] = row
        v.reported += 1
    if event.kind == EventKind.FILL:
        if event.flags & FLAG_TAKER == 0 and event.account_slot >= 0 and event.order_id != 0:
            candles = count_trade(v, event, legs[written])
            v.rare += candles
            written += candles
        _write_trade(v, event, row, legs[written])
        written += 1
    if known and row.leaves_lots == 0:
        _unlink(v, slot)
        closed[written] = row
        row.kind = 0
        written += 1
    return written


@part
def _fold(v, batch, spans, history):
    """Apply one batch to the view; returns where its history rows end."""
    commands, labels, events, notices = batch
    count, events_count, written, v.reported = spans
    v.rare = 0
    v.switched = 0
    first_seq = commands[0].seq
    last = count - 1
    for index in range(count):
        v.commands_counted[commands[index].kind & _KIND_MASK] += 1
    for index in range(events_count):
        event = events[index]
        if event.kind == EventKind.REFUSED:
            v.refusals_counted[notices[index].reason & _REASON_MASK] += 1
        elif event.kind == EventKind.REJECTED:
            v.refusals_counted[event.reason & _REASON_MASK] += 1
        if event.kind >= EventKind.NOTICE_FIRST:
            written += _notice(v, notices[index], history[0][written])
            _report_notice(v, notices[index], history[2])
        elif event.kind == EventKind.REJECTED or event.kind == EventKind.REPEATED:
            continue
        elif event.order_id != 0 or event.kind == EventKind.FILL:  # a deleveraging trade has no orders
            at = min(max(event.seq - first_seq, 0), last)
            cause = (commands[at], labels[min(at + 1, last)])
            written = _order_event(v, event, cause, history, written)
    v.applied_seq = commands[last].seq
    return written


@part
def _levels(v, events, count, changes, written):
    """Note what each price level that events changed shows after them; returns where the notes end.

    `noted` remembers by hash where a level was noted last, so that a level is mostly noted once. When another level
    with the same hash came between, the level is noted again, and the later note counts.
    """
    for index in range(count):
        event = events[index]
        if event.kind >= EventKind.NOTICE_FIRST or event.level_lots == NIL or event.kind == EventKind.REPEATED:
            continue
        price = event.price_ticks
        if event.kind == EventKind.AMENDED and event.flags & FLAG_RESTING == 0:
            price = event.entry_cost_micros  # the price that the order left
        key = (event.contract_slot << 31) | ((event.side - 1) << 30) | price
        place = (key ^ key >> _NOTED_BITS) & _NOTED_MASK
        at = np.int64(v.noted[place])
        if at >= written or changes[at].key != key:
            at = written
            v.noted[place] = at
            changes[at].key = key
            written += 1
        changes[at].lots = event.level_lots
    return written


@entry
def fold(view, batch, spans, history, notes):
    """Apply one batch: (COMMAND rows, the same as LABEL rows, EVENT rows, the same as NOTICE rows).

    `spans`: (how many commands, how many events, index of the first history row, index of the first report).
    `history`: (LEG rows, the same as ORDER rows) with room for 3 rows an event, then the same two for reports with room
    for one an event. `notes`: (CHANGE rows with room for one an event, index of the first). Returns where the history
    rows and the notes end; in the view, `rare` counts candle and funding rows, and `reported` is where the reports end.
    """
    written = _fold(view[0], batch, spans, history)
    return written, _levels(view[0], batch[2], spans[1], notes[0], notes[1])


def empty_view() -> Any:
    """An empty view, an array of one VIEW record."""
    return np.zeros(1, VIEW)
