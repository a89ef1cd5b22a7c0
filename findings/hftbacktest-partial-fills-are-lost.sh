#!/usr/bin/env bash
# With hftbacktest's exchange for partial fills, a partial fill never reaches the position, the balance or the fee.
#
# Version:    hftbacktest 2.4.4 (numba 0.68.1, numpy 2.2.6).
# Source:     Project nkaz001/hftbacktest, issue 316 (open): hftbacktest/src/backtest/proc/local.rs, process_recv_order_,
#             applies an answer to the account where its status is Filled and in no other case. The documentation of
#             PartialFillExchange says when an order is filled in part, and nothing of the account.
# Guess:      partial_fill_exchange() is the more exact of the two exchanges: who gets 4 of 10 and cancels the rest is long 4.
# Behaviour:  He is flat: the order says PARTIALLY_FILLED with 6 left, position and balance say 0. Where the order is filled
#             to its end, only the last piece counts: bought 4, 3 and 3 of 10, long 3. Nothing is raised, and the statistics
#             are computed from these numbers.
# For us:     Who tests a strategy on our hftbacktest export with this exchange adds up qty - leaves_qty of his orders. Our own
#             backtest (engine/recordings/README.md, "Strategies") runs the orders through the venue's engine.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps \
    hftbacktest==2.4.4 numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6

cat >"$work/expected" <<'END'
a buy order of 10 at 100 with nothing before it; 4, 3 and 8 are sold at 100
after 4   order PARTIALLY_FILLED with 6 left   bought 4   position 0, balance 0, fee 0
after 3   order PARTIALLY_FILLED with 3 left   bought 7   position 0, balance 0, fee 0
after 8   order FILLED with 0 left             bought 10  position 3, balance -300, fee 3
the same order, canceled after the 4
canceled  order CANCELED with 6 left           bought 4   position 0, balance 0, fee 0
END

cat >"$work/probe.py" <<'END'
import numpy as np
from hftbacktest import GTC, LIMIT, BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest import types as hft

START_NS = 1_764_000_000_000_000_000
SECOND_NS = 1_000_000_000
STATUS = {1: "NEW", 3: "FILLED", 4: "CANCELED", 5: "PARTIALLY_FILLED"}


def row(second, kind, side, price, size):
    stamp = START_NS + second * SECOND_NS
    return (kind | side | hft.EXCH_EVENT | hft.LOCAL_EVENT, stamp, stamp, price, size, 0, 0, 0)


ROWS = np.array(
    [
        row(0, hft.DEPTH_EVENT, hft.BUY_EVENT, 99, 5),
        row(0, hft.DEPTH_EVENT, hft.SELL_EVENT, 101, 5),
        row(10, hft.TRADE_EVENT, hft.SELL_EVENT, 100, 4),
        row(20, hft.TRADE_EVENT, hft.SELL_EVENT, 100, 3),
        row(30, hft.TRADE_EVENT, hft.SELL_EVENT, 100, 8),
        row(60, hft.DEPTH_EVENT, hft.BUY_EVENT, 99, 6),
    ],
    hft.event_dtype,
)


def begin():
    asset = (
        BacktestAsset().data(ROWS).linear_asset(1.0).constant_order_latency(0, 0).risk_adverse_queue_model()
        .partial_fill_exchange().trading_value_fee_model(0.01, 0.01).tick_size(1.0).lot_size(1.0)
    )
    backtest = HashMapMarketDepthBacktest([asset])
    backtest.elapse(5 * SECOND_NS)
    backtest.submit_buy_order(0, 1, 100.0, 10.0, GTC, LIMIT, False)
    return backtest


def show(title, backtest):
    order, account = backtest.orders(0).get(1), backtest.state_values(0)
    left = f"order {STATUS[order.status]} with {order.leaves_qty:g} left"
    print(
        f"{title:9} {left:36} bought {order.qty - order.leaves_qty:<3g} position {account.position:g}, "
        f"balance {account.balance:g}, fee {account.fee:g}"
    )


print("a buy order of 10 at 100 with nothing before it; 4, 3 and 8 are sold at 100")
backtest = begin()
for size in (4, 3, 8):
    backtest.elapse(10 * SECOND_NS)
    show(f"after {size}", backtest)
backtest.close()
print("the same order, canceled after the 4")
backtest = begin()
backtest.elapse(10 * SECOND_NS)
backtest.cancel(0, 1, False)
backtest.elapse(2 * SECOND_NS)
show("canceled", backtest)
backtest.close()
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
