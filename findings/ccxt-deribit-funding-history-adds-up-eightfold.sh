#!/usr/bin/env bash
# ccxt's funding history of Deribit has a row for each hour, and in each row the rate of eight hours: added up, eight times.
#
# Version:    ccxt 4.5.90, Python.
# Source:     ccxt's python/ccxt/deribit.py, parse_funding_rate: `fundingRate` is the field `interest_8h`. docs.deribit.com,
#             public/get_funding_rate_history: "hourly historical funding rate data", `interest_1h` and `interest_8h`. In the
#             answer that ccxt's pull request 18781 shows, rows are an hour apart and interest_8h is that of the trailing eight.
# Guess:      fetchFundingRateHistory has what was paid at each of its times, as with other venues, so its sum over a day is
#             what a long position of one paid in that day.
# Behaviour:  For a day at 0.01 % for eight hours, 0.03 % in all, the sum is 0.24 %. Each row says interval 8h, and the next
#             one is an hour later; nothing raises.
# For us:     Our rows come at each settlement, and have `funding_rate` and `interval_s` beside Deribit's two fields. With an
#             interval of eight hours ccxt's fundingRate is what was paid; with a shorter one it is that of eight hours still,
#             so who adds up takes info["funding_rate"].
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    --no-deps ccxt==4.5.90 requests==2.34.2 urllib3==2.8.0 certifi==2026.10.19.post1 idna==3.20 charset-normalizer==3.5.3 \
    cryptography==46.0.3 cffi==2.1.1 pycparser==3.0

cat >"$work/expected" <<'END'
venue    rows  apart  interval  fundingRate  sum of a day
deribit  24    1 h    8h        0.0001       0.0024
binance  3     8 h    None      0.0001       0.0003
deribit, sum of info["interest_1h"]: 0.0003
END

cat >"$work/probe.py" <<'END'
import ccxt

DAY_MS, HOUR_MS = 1_709_251_200_000, 3_600_000
HOURLY = [
    {"timestamp": DAY_MS + hour * HOUR_MS, "index_price": 60000.0, "prev_index_price": 60000.0, "interest_8h": 0.0001,
     "interest_1h": 0.0000125}
    for hour in range(1, 25)
]
SETTLED = [
    {"symbol": "BTCUSDT", "fundingTime": DAY_MS + hour * HOUR_MS, "fundingRate": "0.00010000", "markPrice": "60000.0"}
    for hour in (8, 16, 24)
]


def history(name, market_id, symbol, answer):
    venue = getattr(ccxt, name)()
    market = venue.safe_market_structure(
        {"id": market_id, "symbol": symbol, "base": "BTC", "quote": symbol[4:8], "settle": symbol[9:], "type": "swap",
         "swap": True, "spot": False, "contract": True, "linear": True, "inverse": False, "contractSize": 1}
    )
    venue.markets, venue.markets_by_id = {symbol: market}, {market_id: [market]}
    venue.fetch = lambda *arguments, **named: answer
    return venue.fetch_funding_rate_history(symbol, DAY_MS, 100)


print(f"{'venue':8} {'rows':5} {'apart':6} {'interval':9} {'fundingRate':12} sum of a day")
for name, market_id, symbol, answer in (
    ("deribit", "BTC_USDC-PERPETUAL", "BTC/USDC:USDC", {"jsonrpc": "2.0", "result": HOURLY}),
    ("binance", "BTCUSDT", "BTC/USDT:USDT", SETTLED),
):
    rows = history(name, market_id, symbol, answer)
    apart = (rows[1]["timestamp"] - rows[0]["timestamp"]) // HOUR_MS
    total = round(sum(row["fundingRate"] for row in rows), 10)
    interval = str(rows[0].get("interval"))
    print(f"{name:8} {len(rows):<5} {apart} h    {interval:9} {rows[0]['fundingRate']:<12} {total}")
    if name == "deribit":
        paid = round(sum(float(row["info"]["interest_1h"]) for row in rows), 10)
print(f'deribit, sum of info["interest_1h"]: {paid}')
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
