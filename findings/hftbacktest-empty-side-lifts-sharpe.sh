#!/usr/bin/env bash
# A moment in which the book has one side only takes the move around it out of hftbacktest's Sharpe ratio.
#
# Version:    hftbacktest 2.4.4 (numba 0.68.1, numpy 2.2.6, polars 2.1.0).
# Source:     hftbacktest/recorder.py: the price of a record is the middle of best bid and ask, NaN where one is missing.
#             hftbacktest/stats/metrics.py: SR and Sortino take the differences of equity and drop what is NaN, which are both
#             the one before such a record and the one behind it. Issue 175 of nkaz001/hftbacktest (closed) is about statistics
#             that are NaN themselves; of this none was found.
# Guess:      A sample without a price is left out, and the next difference goes from the last known equity to the next one:
#             the differences add up to the return.
# Behaviour:  The move across the gap is in no difference. A position of 1 falls from 110 to 90 while the bids are gone for a
#             moment, as in a crash: the Sharpe ratio is 2254, where it is 298 with a bid in that moment, and Sortino is
#             infinite, since no loss is left. Return and MaxDrawdown see the fall. Nothing is said.
# For us:     Our hftbacktest export shows a book as it was, one-sided in a liquidation or before the first quotes too. Records
#             without a price are dropped before the statistics, as in the last line.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps \
    hftbacktest==2.4.4 numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6 polars==2.1.0 polars-runtime-32==2.1.0

cat >"$work/expected" <<'END'
middle of the book: 100 110 none 90 95 120 115
with a bid in each moment   Return 15, MaxDrawdown 20, SR 298, Sortino 495
no bid in the third         Return 15, MaxDrawdown 20, SR 2254, Sortino inf
the third record dropped    Return 15, MaxDrawdown 20, SR 325, Sortino 553
END

cat >"$work/probe.py" <<'END'
import math

import numpy as np
from hftbacktest import GTC, LIMIT, BacktestAsset, HashMapMarketDepthBacktest, Recorder
from hftbacktest import types as hft
from hftbacktest.stats import SR, LinearAssetRecord, MaxDrawdown, Ret, Sortino

START_NS = 1_764_000_000_000_000_000
STEP_NS = 10_000_000_000
MIDDLES = (100, 110, 110, 90, 95, 120, 115)
GAP = 2


def rows(has_gap):
    found, old = [], None
    for place, middle in enumerate(MIDDLES):
        stamp = START_NS + place * STEP_NS
        levels = [] if old is None else [(hft.BUY_EVENT, old - 1, 0), (hft.SELL_EVENT, old + 1, 0)]
        levels += [(hft.SELL_EVENT, middle + 1, 5)] + [(hft.BUY_EVENT, middle - 1, 5)] * (not has_gap or place != GAP)
        found += [
            (hft.DEPTH_EVENT | side | hft.EXCH_EVENT | hft.LOCAL_EVENT, stamp, stamp, price, size, 0, 0, 0)
            for side, price, size in levels
        ]
        old = middle
    return np.array(found, hft.event_dtype)


def records(has_gap):
    data = rows(has_gap)  # the library keeps no reference to it
    asset = (
        BacktestAsset().data(data).linear_asset(1.0).constant_order_latency(0, 0).risk_adverse_queue_model()
        .no_partial_fill_exchange().trading_value_fee_model(0, 0).tick_size(1.0).lot_size(1.0)
    )
    backtest = HashMapMarketDepthBacktest([asset])
    recorder = Recorder(1, 100)
    backtest.elapse(1)
    backtest.submit_buy_order(0, 1, 101.0, 1.0, GTC, LIMIT, False)
    backtest.elapse(1)
    for place in range(len(MIDDLES)):
        recorder.recorder.record(backtest)
        backtest.elapse(STEP_NS)
    backtest.close()
    return recorder.get(0)


def show(title, records):
    stats = LinearAssetRecord(records).stats(metrics=[Ret, MaxDrawdown, SR, Sortino]).splits[-1]
    numbers = (f"{name} {stats[name]:g}" for name in ("Return", "MaxDrawdown"))
    ratios = (f"{name} {stats[name]:.0f}" for name in ("SR", "Sortino"))
    print(f"{title:27} {', '.join((*numbers, *ratios))}")


gapped = records(True)
print("middle of the book:", *("none" if math.isnan(price) else f"{price:g}" for price in gapped["price"]))
show("with a bid in each moment", records(False))
show("no bid in the third", gapped)
show("the third record dropped", gapped[~np.isnan(gapped["price"])])
END

"$work/venv/bin/python" -I -W ignore "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
