#!/usr/bin/env bash
# ccxt gives the value of a linear Deribit position in coins, and its margin as 200,000 per cent.
#
# Version:    ccxt 4.5.90, Python.
# Source:     ccxt's python/ccxt/deribit.py, parse_position: `notional` is the field `size_currency`, and the percentages are
#             the margins divided by it. docs.deribit.com, private/get_position: `size_currency` is "in base currency".
# Guess:      `notional` is the value of a position in the settlement currency, as ccxt's manual has it and as the other
#             venues in ccxt give it; for 0.5 BTC at 20,000 USDC that is 10,000, and a margin of 1,000 is 0.1 of it.
# Behaviour:  notional is 0.5. A margin of 1,000 USDC is divided by it: initialMarginPercentage 200000. Nothing raises, and a
#             risk report that adds up notionals adds coins to dollars.
# For us:     Our positions say size and size_currency in base currency, as the protocol does. The value is `contracts` times
#             `markPrice`, the margin rates are in venue/get_rules (gateway/README.md, "Decisions").
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    --no-deps ccxt==4.5.90 requests==2.34.2 urllib3==2.8.0 certifi==2026.10.19.post1 idna==3.20 charset-normalizer==3.5.3 \
    cryptography==46.0.3 cffi==2.1.1 pycparser==3.0

cat >"$work/expected" <<'END'
position: 0.5 BTC at a mark of 20000 USDC, initial margin 1000 USDC
contracts 0.5, markPrice 20000.0, notional 0.5
initialMarginPercentage 200000.0, maintenanceMarginPercentage 100000.0
contracts times markPrice: 10000.0
END

cat >"$work/probe.py" <<'END'
import ccxt

SYMBOL, NAME = "BTC/USDC:USDC", "BTC_USDC-PERPETUAL"
deribit = ccxt.deribit()
market = deribit.safe_market_structure(
    {"id": NAME, "symbol": SYMBOL, "base": "BTC", "quote": "USDC", "settle": "USDC", "type": "swap", "swap": True,
     "contract": True, "linear": True, "inverse": False, "contractSize": 1}
)
deribit.markets, deribit.markets_by_id = {SYMBOL: market}, {NAME: [market]}
position = deribit.parse_position(
    {"instrument_name": NAME, "kind": "future", "direction": "buy", "size": 0.5, "size_currency": 0.5, "leverage": 10,
     "average_price": 20000, "mark_price": 20000, "index_price": 20000, "initial_margin": 1000, "maintenance_margin": 500,
     "floating_profit_loss": 0.0, "realized_profit_loss": 0.0, "total_profit_loss": 0.0}
)
print("position: 0.5 BTC at a mark of 20000 USDC, initial margin 1000 USDC")
print(f"contracts {position['contracts']}, markPrice {position['markPrice']}, notional {position['notional']}")
shares = position["initialMarginPercentage"], position["maintenanceMarginPercentage"]
print(f"initialMarginPercentage {shares[0]}, maintenanceMarginPercentage {shares[1]}")
print("contracts times markPrice:", position["contracts"] * position["markPrice"])
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
