#!/usr/bin/env bash
# `used` of a Deribit balance in ccxt is the maintenance margin: free and used are less than total.
#
# Version:    ccxt 4.5.90, Python.
# Source:     ccxt's python/ccxt/deribit.py, parse_balance: free is `available_funds`, used is `maintenance_margin`, total is
#             `equity`. Its manual, "Balance Structure": used is money on hold, locked or pending, and total is both together.
#             The answer in its pull request 19524 shows the same. No issue was found.
# Guess:      What is not free is used: an account of 1,000 with 900 available uses 100, the initial margin of its positions
#             and orders, as safe_balance of the same library computes it when two of the three are given.
# Behaviour:  It uses 50, and 50 are nowhere. An order that waits binds money and needs no maintenance margin: used is 0.
# For us:     Our account summaries have these fields, so this meets our clients too. What is bound is total less free, or
#             `info["initial_margin"]` (gateway/client/README.md).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    --no-deps ccxt==4.5.90 requests==2.34.2 urllib3==2.8.0 certifi==2026.10.19.post1 idna==3.20 charset-normalizer==3.5.3 \
    cryptography==46.0.3 cffi==2.1.1 pycparser==3.0

cat >"$work/expected" <<'END'
a position with initial margin 100, maintenance margin 50: total 1000, free 900, used 50, missing 50
an order alone that binds 100:                             total 1000, free 900, used 0, missing 100
safe_balance, of total and free alone:                     total 1000, free 900, used 100, missing 0
END

cat >"$work/probe.py" <<'END'
import ccxt

deribit = ccxt.deribit({"apiKey": "key", "secret": "secret"})
deribit.set_markets([])


def show(title, balance):
    total, free, used = (balance["USDC"][name] for name in ("total", "free", "used"))
    print(f"{title:58} total {total:g}, free {free:g}, used {used:g}, missing {total - free - used:g}")


def summary(maintenance_margin):
    account = {
        "currency": "USDC", "balance": 1000.0, "equity": 1000.0, "margin_balance": 1000.0, "available_funds": 900.0,
        "available_withdrawal_funds": 900.0, "initial_margin": 100.0, "maintenance_margin": maintenance_margin,
    }
    deribit.fetch = lambda *arguments, **named: {"jsonrpc": "2.0", "result": {"summaries": [account]}}
    return deribit.fetch_balance()


show("a position with initial margin 100, maintenance margin 50:", summary(50.0))
show("an order alone that binds 100:", summary(0.0))
show("safe_balance, of total and free alone:", deribit.safe_balance({"USDC": {"total": "1000", "free": "900"}}))
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
