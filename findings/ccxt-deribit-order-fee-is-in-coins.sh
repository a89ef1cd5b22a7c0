#!/usr/bin/env bash
# ccxt says of a Deribit order of a USDC contract that its fee was paid in BTC, and turns a rebate into a fee.
#
# Version:    ccxt 4.5.90, Python.
# Source:     ccxt's python/ccxt/deribit.py, parse_order: `fee` has the base currency of the market and the absolute value of
#             `commission`; parse_trade reads `fee_currency`. In the answer of Deribit that ccxt's pull request 15566 shows,
#             0.001 BTC at 20694 have a commission of 0.010347, that is 0.05 % in USDC. No issue of this was found.
# Guess:      `fee` of an order of BTC/USDC:USDC is in USDC, as `fee` of its trades is, and a rebate is below zero in both.
# Behaviour:  A sale for 20.69 USDC costs 0.010347 BTC, which is ten times what was sold; a rebate of 0.0020694 USDC is a fee of
#             0.0020694 BTC. Nothing raises. `fees`, the list beside it, is right where the answer has the trades, as that of
#             an order at its entry; asked for later, an order has none, and `fees` is wrong as well.
# For us:     Our `commission` is in the contract's settlement currency. Who adds up fees with ccxt takes those of
#             `fetch_my_trades`, or `info["commission"]` (gateway/client/README.md).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    --no-deps ccxt==4.5.90 requests==2.34.2 urllib3==2.8.0 certifi==2026.10.19.post1 idna==3.20 charset-normalizer==3.5.3 \
    cryptography==46.0.3 cffi==2.1.1 pycparser==3.0

cat >"$work/expected" <<'END'
0.001 BTC are sold at 20694 USDC for a fee of 0.010347 USDC
create_order     fee 0.010347 BTC      fees 0.010347 USDC
fetch_order      fee 0.010347 BTC      fees 0.010347 BTC
fetch_my_trades  fee 0.010347 USDC     fees 0.010347 USDC
with a rebate of 0.0020694 USDC instead
create_order     fee 0.0020694 BTC     fees -0.0020694 USDC
fetch_order      fee 0.0020694 BTC     fees 0.0020694 BTC
fetch_my_trades  fee -0.0020694 USDC   fees -0.0020694 USDC
END

cat >"$work/probe.py" <<'END'
import ccxt

NAME, SYMBOL, TIME_MS = "BTC_USDC-PERPETUAL", "BTC/USDC:USDC", 1_764_000_000_000


def sold(fee):
    trade = {
        "instrument_name": NAME, "trade_id": "USDC-1", "trade_seq": 1, "order_id": "USDC-1", "timestamp": TIME_MS,
        "price": 20694.0, "amount": 0.001, "direction": "sell", "liquidity": "T", "fee": fee, "fee_currency": "USDC",
        "index_price": 20694.0, "mark_price": 20694.0, "tick_direction": 0, "order_type": "limit", "state": "filled",
    }
    order = {
        "instrument_name": NAME, "order_id": "USDC-1", "direction": "sell", "price": 20694.0, "amount": 0.001,
        "filled_amount": 0.001, "average_price": 20694.0, "commission": fee, "order_type": "limit", "order_state": "filled",
        "time_in_force": "good_til_cancelled", "creation_timestamp": TIME_MS, "last_update_timestamp": TIME_MS,
    }
    return {
        "create_order": {"order": dict(order), "trades": [trade]},
        "fetch_order": order,
        "fetch_my_trades": {"trades": [trade], "has_more": False},
    }


def show(title, found):
    one, (other,) = found["fee"], found["fees"]
    fee, listed = (f"{float(paid['cost']):.8g} {paid['currency']}" for paid in (one, other))
    print(f"{title:16} fee {fee:17} fees {listed}")


deribit = ccxt.deribit({"apiKey": "key", "secret": "secret"})
deribit.set_markets([deribit.safe_market_structure(
    {"id": NAME, "symbol": SYMBOL, "base": "BTC", "quote": "USDC", "settle": "USDC", "type": "swap", "swap": True,
     "contract": True, "linear": True, "inverse": False, "contractSize": 1, "precision": {"price": 1, "amount": 0.001}}
)])
print("0.001 BTC are sold at 20694 USDC for a fee of 0.010347 USDC")
for fee in (0.010347, -0.0020694):
    if fee < 0:
        print("with a rebate of 0.0020694 USDC instead")
    answers = sold(fee)
    for title, call in (
        ("create_order", lambda: deribit.create_order(SYMBOL, "limit", "sell", 0.001, 20694)),
        ("fetch_order", lambda: deribit.fetch_order("USDC-1", SYMBOL)),
        ("fetch_my_trades", lambda: deribit.fetch_my_trades(SYMBOL)[0]),
    ):
        deribit.fetch = lambda *arguments, **named: {"jsonrpc": "2.0", "result": answers[title]}
        show(title, call())
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
