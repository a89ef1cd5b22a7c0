#!/usr/bin/env bash
# A partial cancel deletes the whole order in hftbacktest's market-by-order book.
#
# Version:    hftbacktest 2.4.4 (databento-dbn 0.70.0 for the format, numba 0.68.1, numpy 2.2.6).
# Source:     The format: databento_dbn/_lib.pyi, class Action: a cancel may be for a part, and T and F leave the book
#             as it is; worked through at databento.com/docs/examples/order-book/order-actions.
#             The reader: hftbacktest/data/utils/databento.py makes one row of each record, letter by letter, and
#             keeps the size; project nkaz001/hftbacktest, hftbacktest/src/backtest/proc/l3_local.rs line 246 and
#             l3_nopartialfillexchange.rs line 390 call delete_order with the id alone.
# Guess:      An order of 10 is filled for 4. A Databento file says that as T, F and then C of size 4. hftbacktest
#             reads such files, so 6 are left in its book.
# Behaviour:  The size of a cancel is never read: the order is gone with all 10, and the best bid falls to the next
#             level. The library's own check of the rows passes. M with the size that is left does what was meant.
# For us:     `lionrock export --format dbn --option fills=reduce` says a fill as T, F and M, and C for a whole order
#             only. A strict reader of the format wants C of the filled size (`fills=strict`): one file cannot serve both.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps \
    hftbacktest==2.4.4 databento-dbn==0.70.0 numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6

cat >"$work/expected" <<'END'
an order of 10 at 100, 4 of it filled, said as T F C(4)
  before: best bid 100, 10 at 100, 5 at 99
  after:  best bid 99, 0 at 100, 5 at 99
the same, said as T F M(6)
  before: best bid 100, 10 at 100, 5 at 99
  after:  best bid 100, 6 at 100, 5 at 99
END

cat >"$work/probe.py" <<'END'
import numpy as np
from databento_dbn import Action
from hftbacktest import BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest import types as hft
from hftbacktest.data import validate_event_order

START_NS = 1_764_000_000_000_000_000
SECOND_NS = 1_000_000_000
BUY, SELL = hft.BUY_EVENT, hft.SELL_EVENT
EVENTS = {  # as hftbacktest/data/utils/databento.py has them
    Action.ADD: hft.ADD_ORDER_EVENT, Action.CANCEL: hft.CANCEL_ORDER_EVENT, Action.MODIFY: hft.MODIFY_ORDER_EVENT,
    Action.TRADE: hft.TRADE_EVENT, Action.FILL: hft.FILL_EVENT,
}


def row(second, action, side, price, size, order_id):
    event = EVENTS[action] | side | hft.EXCH_EVENT | hft.LOCAL_EVENT
    stamp = START_NS + second * SECOND_NS
    return (event, stamp, stamp + 1_000_000, price, size, order_id, 0, 0)


def show(title, last):
    rows = np.array(
        [
            row(0, Action.ADD, BUY, 100, 10, 1),
            row(1, Action.ADD, BUY, 99, 5, 2),
            row(2, Action.ADD, SELL, 101, 8, 3),
            row(9, Action.TRADE, SELL, 100, 4, 0),
            row(9, Action.FILL, BUY, 100, 4, 1),
            row(9, *last),
        ],
        hft.event_dtype,
    )
    validate_event_order(rows)
    print(title)
    asset = (
        BacktestAsset().data(rows).linear_asset(1.0).constant_order_latency(0, 0).l3_fifo_queue_model()
        .no_partial_fill_exchange().trading_value_fee_model(0, 0).tick_size(1.0).lot_size(1.0).roi_lb(0.0).roi_ub(200.0)
    )
    backtest = ROIVectorMarketDepthBacktest([asset])
    for when, seconds in (("before:", 5), ("after: ", 6)):
        backtest.elapse(seconds * SECOND_NS)
        depth = backtest.depth(0)
        at_100, at_99 = depth.bid_qty_at_tick(100), depth.bid_qty_at_tick(99)
        print(f"  {when} best bid {depth.best_bid:.0f}, {at_100:.0f} at 100, {at_99:.0f} at 99")
    backtest.close()


show("an order of 10 at 100, 4 of it filled, said as T F C(4)", (Action.CANCEL, BUY, 100, 4, 1))
show("the same, said as T F M(6)", (Action.MODIFY, BUY, 100, 6, 1))
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
