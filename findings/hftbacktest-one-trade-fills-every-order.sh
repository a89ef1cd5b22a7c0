#!/usr/bin/env bash
# In hftbacktest one recorded trade fills each of the own orders at its price with its whole size.
#
# Version:    hftbacktest 2.4.4 (numba 0.68.1, numpy 2.2.6).
# Source:     Project nkaz001/hftbacktest, hftbacktest/src/backtest/proc/partialfillexchange.rs, check_if_buy_filled: it is
#             called for one order after the other with the size of the trade, and what one order took is taken from no other.
#             The documentation of PartialFillExchange says "filled by (remaining) sell trade quantity". No issue was found.
# Guess:      Of a trade of 1 at their price three own orders of 1 get 1 together, at least with partial_fill_exchange(), which
#             limits a fill to the trade's size; so it does not matter whether a quote is one order or three.
# Behaviour:  They get 3. A quote of 3 in one order gets 1 of the same trade with partial fills (which its position does not
#             show before the order is full), and 3 without them. So a strategy that layers its quotes earns a multiple of
#             what was traded. Nothing is raised.
# For us:     Who tests a strategy on our hftbacktest export keeps one order at a price. In our own backtest
#             (engine/recordings/README.md, "Strategies") an aggressor has what it has: what one own order takes, no other gets.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps \
    hftbacktest==2.4.4 numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6

cat >"$work/expected" <<'END'
buy orders at 100 with nothing before them, then 1 is sold there
partial_fill_exchange    3 orders of 1: bought 3
partial_fill_exchange    1 order of 3:  bought 1
no_partial_fill_exchange 3 orders of 1: bought 3
no_partial_fill_exchange 1 order of 3:  bought 3
END

cat >"$work/probe.py" <<'END'
import numpy as np
from hftbacktest import GTC, LIMIT, BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest import types as hft

START_NS = 1_764_000_000_000_000_000
SECOND_NS = 1_000_000_000


def row(second, kind, side, price, size):
    stamp = START_NS + second * SECOND_NS
    return (kind | side | hft.EXCH_EVENT | hft.LOCAL_EVENT, stamp, stamp, price, size, 0, 0, 0)


ROWS = np.array(
    [
        row(0, hft.DEPTH_EVENT, hft.BUY_EVENT, 99, 5),
        row(0, hft.DEPTH_EVENT, hft.SELL_EVENT, 101, 5),
        row(10, hft.TRADE_EVENT, hft.SELL_EVENT, 100, 1),
        row(60, hft.DEPTH_EVENT, hft.BUY_EVENT, 99, 6),
    ],
    hft.event_dtype,
)


def bought(exchange, count, size):
    asset = (
        BacktestAsset().data(ROWS).linear_asset(1.0).constant_order_latency(0, 0).risk_adverse_queue_model()
        .trading_value_fee_model(0, 0).tick_size(1.0).lot_size(1.0)
    )
    backtest = HashMapMarketDepthBacktest([getattr(asset, exchange)()])
    backtest.elapse(5 * SECOND_NS)
    for order_id in range(1, count + 1):
        backtest.submit_buy_order(0, order_id, 100.0, float(size), GTC, LIMIT, False)
    backtest.elapse(10 * SECOND_NS)
    orders = [backtest.orders(0).get(order_id) for order_id in range(1, count + 1)]
    total = sum(order.qty - order.leaves_qty for order in orders)
    backtest.close()
    return total


print("buy orders at 100 with nothing before them, then 1 is sold there")
for exchange in ("partial_fill_exchange", "no_partial_fill_exchange"):
    print(f"{exchange:24} 3 orders of 1: bought {bought(exchange, 3, 1):g}")
    print(f"{exchange:24} 1 order of 3:  bought {bought(exchange, 1, 3):g}")
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
