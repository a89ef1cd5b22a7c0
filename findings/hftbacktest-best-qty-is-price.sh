#!/usr/bin/env bash
# The size at the best price is the price itself in one of hftbacktest's two books.
#
# Version:    hftbacktest 2.4.4 (numba 0.68.1, numpy 2.2.6).
# Source:     hftbacktest/binding.py, class ROIVectorMarketDepth: best_bid_qty (line 284) returns roivecdepth_best_bid
#             and best_ask_qty (line 291) roivecdepth_best_ask; the right functions are declared at lines 204 and 208.
#             The same properties of HashMapMarketDepth (lines 124 and 131) call the right ones. No issue thread was
#             found.
# Guess:      The two books differ in speed and in the range of prices that they hold, so best_bid_qty of both is the
#             size at the best bid, as the docstring of both says.
# Behaviour:  With ROIVectorMarketDepthBacktest, the faster one, best_bid_qty is the best price. No number looks wrong:
#             an imbalance computed from it is always close to 0, here -0.005 instead of 0.667.
# For us:     Nothing here reads it. Who tests a strategy on our recordings asks for the size by price:
#             bid_qty_at_tick(best_bid_tick) is right in both.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps \
    hftbacktest==2.4.4 numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6

cat >"$work/expected" <<'END'
rows: bid 100 with 10, ask 101 with 2
HashMap   best 100 / 101, best_bid_qty 10, best_ask_qty 2, imbalance 0.667
          by tick: 10 and 2
ROIVector best 100 / 101, best_bid_qty 100, best_ask_qty 101, imbalance -0.005
          by tick: 10 and 2
END

cat >"$work/probe.py" <<'END'
import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest
from hftbacktest import types as hft

START_NS = 1_764_000_000_000_000_000
SECOND_NS = 1_000_000_000


def row(second, side, price, size):
    event = hft.DEPTH_EVENT | side | hft.EXCH_EVENT | hft.LOCAL_EVENT
    stamp = START_NS + second * SECOND_NS
    return (event, stamp, stamp + 1_000_000, price, size, 0, 0, 0)


def show(name, kind):
    rows = np.array(
        [row(0, hft.BUY_EVENT, 100, 10), row(1, hft.SELL_EVENT, 101, 2), row(9, hft.BUY_EVENT, 99, 1)], hft.event_dtype
    )
    asset = (
        BacktestAsset().data(rows).linear_asset(1.0).constant_order_latency(0, 0).risk_adverse_queue_model()
        .no_partial_fill_exchange().trading_value_fee_model(0, 0).tick_size(1.0).lot_size(1.0).roi_lb(0.0).roi_ub(200.0)
    )
    backtest = kind([asset])
    backtest.elapse(5 * SECOND_NS)
    depth = backtest.depth(0)
    bid, ask = depth.best_bid_qty, depth.best_ask_qty
    print(
        f"{name:9} best {depth.best_bid:.0f} / {depth.best_ask:.0f}, best_bid_qty {bid:.0f}, best_ask_qty {ask:.0f}, "
        f"imbalance {(bid - ask) / (bid + ask):.3f}"
    )
    bid, ask = depth.bid_qty_at_tick(depth.best_bid_tick), depth.ask_qty_at_tick(depth.best_ask_tick)
    print(f"{'':9} by tick: {bid:.0f} and {ask:.0f}")
    backtest.close()


print("rows: bid 100 with 10, ask 101 with 2")
show("HashMap", HashMapMarketDepthBacktest)
show("ROIVector", ROIVectorMarketDepthBacktest)
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
