"""What a contract's trades and prices make minute by minute: candles, and the mark and index at the end of each.

Compiled parts of the fold. A minute that is over becomes a history row; the running one is in the MARKET row.
"""

from engine.code_values import EXEC_AFFILIATE
from engine.codes import NIL
from engine.kernels import part
from engine.schema import LABEL_BYTES

CANDLE_NS = 60_000_000_000
"""The shortest candle; longer ones are made of these. Mark and index are kept for as long."""
MARKS_KEPT = 512
"""How many changes of each contract's mark are kept: at one a second, more than eight minutes."""
CANDLE_KIND = 5
REFERENCE_KIND = 9
"""The other kinds of history rows are in `event_fold`."""


@part
def clear(out):
    # Every field: the memory may have held another row before, and the same log has to make the same bytes.
    out.order_id = 0
    out.cl_ord_id = 0
    out.time_ns = 0
    out.cash_micros = 0
    out.seq = 0
    out.price_ticks = 0
    out.lots = 0
    out.leaves_lots = 0
    out.trade_id = 0
    out.close_ticks = 0
    out.fee_micros = 0
    out.position_lots = 0
    out.mark_subticks = 0
    out.index_subticks = 0
    out.change_micros = 0
    out.account_slot = NIL
    out.contract_slot = 0
    out.flags = 0
    out.next_slot = 0
    out.prev_slot = 0
    out.reason = 0
    out.kind = 0
    out.side = 0
    out.ord_type = 0
    out.tif = 0
    out.status = 0
    out.trigger_source = 0
    out.triggered = 0
    out.replaced = 0
    out.tick_direction = 0
    out.affiliated_maker = 0
    for word in range(LABEL_BYTES // 8):
        out.label[word] = 0


@part
def _write_candle(market, contract_slot, out):
    clear(out)
    out.kind = CANDLE_KIND
    out.contract_slot = contract_slot
    out.time_ns = market.candle_ns
    out.price_ticks = market.open_ticks
    out.leaves_lots = market.high_ticks
    out.trade_id = market.low_ticks
    out.close_ticks = market.last_ticks
    out.lots = market.volume_lots
    out.change_micros = market.volume_tick_lots
    out.seq = 0


@part
def count_trade(v, event, out):
    """A public trade, from its maker's leg: its contract's last price and candle, and of what class its maker is.

    Returns how many candle rows were written.
    """
    market = v.markets[event.contract_slot]
    written = 0
    start_ns = event.time_ns - event.time_ns % CANDLE_NS
    if market.candle_ns != start_ns:
        if market.candle_ns != 0:
            _write_candle(market, event.contract_slot, out)
            written = 1
        market.candle_ns = start_ns
        market.open_ticks = event.price_ticks
        market.high_ticks = event.price_ticks
        market.low_ticks = event.price_ticks
        market.volume_lots = 0
        market.volume_tick_lots = 0
    same = market.last_direction | 1
    if event.price_ticks != market.last_ticks:
        market.last_direction = 0 if event.price_ticks > market.last_ticks else 2
    else:
        market.last_direction = same
    market.last_ticks = event.price_ticks
    market.affiliated_maker = 1 if event.flags & EXEC_AFFILIATE else 0
    market.high_ticks = max(market.high_ticks, event.price_ticks)
    market.low_ticks = min(market.low_ticks, event.price_ticks)
    market.volume_lots += event.last_lots
    market.volume_tick_lots += event.last_lots * event.price_ticks
    return written


@part
def begin_minute(v, notice, out):
    """Before mark or index changes: when a minute is over, write what they were. Returns how many rows it wrote."""
    market = v.markets[notice.contract_slot]
    start_ns = notice.time_ns - notice.time_ns % CANDLE_NS
    before_ns = market.reference_ns
    market.reference_ns = start_ns
    if before_ns == start_ns or before_ns == 0 or market.mark_subticks == 0 or market.index_subticks == 0:
        return 0
    clear(out)
    out.kind = REFERENCE_KIND
    out.contract_slot = notice.contract_slot
    out.time_ns = before_ns
    out.mark_subticks = market.mark_subticks
    out.index_subticks = market.index_subticks
    out.seq = 0
    v.rare += 1
    return 1


@part
def note_mark(market, notice):
    market.mark_subticks = notice.price_subticks
    place = market.marks_noted % MARKS_KEPT
    market.mark_times_ns[place] = notice.time_ns
    market.marks_subticks[place] = notice.price_subticks
    market.marks_noted += 1
