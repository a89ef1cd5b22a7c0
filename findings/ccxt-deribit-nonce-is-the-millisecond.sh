#!/usr/bin/env bash
# Two equal private calls within one millisecond have one signature in ccxt's deribit: the second looks like a replay.
#
# Version:    ccxt 4.5.90, Python.
# Source:     ccxt's python/ccxt/deribit.py, sign and nonce: nonce and timestamp are both the clock's millisecond. Project
#             ccxt/ccxt, issue 12618 (deribit's answer 13004 with "invalid": "nonce") and issue 30348: hyperliquid had the same,
#             and since then takes incrementing_nonce() for each signed action.
# Guess:      A nonce is used once: each signed call has its own.
# Behaviour:  Without the rate limiter 20 equal orders of one gather() have fewer headers than orders; the limiter, where it is
#             on, keeps calls of one object apart, but not those of two objects. A counter as nonce makes each its own.
# For us:     A replayed signature is refused (13004), except for questions and cancels by `order_id`. Give equal orders
#             a `label` each, or set `nonce` of the object to a counter (gateway/client/README.md).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    --no-deps ccxt==4.5.90 requests==2.34.2 urllib3==2.8.0 certifi==2026.10.19.post1 idna==3.20 charset-normalizer==3.5.3 \
    cryptography==46.0.3 cffi==2.1.1 pycparser==3.0

cat >"$work/expected" <<'END'
1000 equal orders signed in a loop:       fewer headers than orders
with a label each:                        1000 headers
with a counter as nonce:                  1000 headers
hyperliquid's nonce, 1000 times:          1000 nonces
deribit's nonce, 1000 times:              fewer nonces than calls
END

cat >"$work/probe.py" <<'END'
import itertools

import ccxt

COUNT = 1000
ORDER = {"instrument_name": "BTC_USDC-PERPETUAL", "amount": 1, "type": "limit", "price": 20000}


def header(exchange, **more):
    return exchange.sign("buy", ["private"], "GET", ORDER | more)["headers"]["Authorization"]


def show(title, things, name="headers", calls="orders"):
    count = len(set(things))
    print(f"{title:41} " + (f"{count} {name}" if count == COUNT else f"fewer {name} than {calls}"))


keys = {"apiKey": "key", "secret": "secret"}
deribit = ccxt.deribit(keys)
show("1000 equal orders signed in a loop:", [header(deribit) for _ in range(COUNT)])
show("with a label each:", [header(deribit, label=str(place)) for place in range(COUNT)])
counted = ccxt.deribit(keys)
counted.nonce = itertools.count(counted.milliseconds()).__next__
show("with a counter as nonce:", [header(counted) for _ in range(COUNT)])
hyperliquid = ccxt.hyperliquid()
show("hyperliquid's nonce, 1000 times:", [hyperliquid.incrementing_nonce() for _ in range(COUNT)], "nonces", "calls")
show("deribit's nonce, 1000 times:", [deribit.nonce() for _ in range(COUNT)], "nonces", "calls")
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
