#!/usr/bin/env bash
# cryptofeed raises on a Deribit quote whose book has one side only, although the protocol says null for the other.
#
# Version:    cryptofeed 2.4.1 (the newest for Python 3.11; 3.0.1, for 3.13, has the same lines).
# Source:     cryptofeed/exchanges/deribit.py, _quote and _ticker: Decimal() of each best price. Deribit's published schema of
#             best_bid_price: nullable, "null if there aren't any bids".
# Guess:      A feed of a venue with options, whose books are often one-sided, passes an empty side on as None.
# Behaviour:  Decimal(None) raises TypeError. The exception leaves message_handler, so the connection that all contracts share
#             is torn down and made anew, as often as the side stays empty.
# For us:     Our tickers say null too: an invented price would be worse. Who records thin contracts with cryptofeed
#             takes the book channel, which has no such field.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    cryptofeed==2.4.1

cat >"$work/expected" <<'END'
both sides: heard 100.0 / 101.0
no ask: TypeError
END

cat >"$work/probe.py" <<'END'
import asyncio
import json

from cryptofeed.defines import L1_BOOK
from cryptofeed.exchanges import Deribit
from cryptofeed.symbols import Symbols

NAME = "BTC_USDC-PERPETUAL"
BOTH = {
    "timestamp": 1764000000000, "instrument_name": NAME, "best_bid_price": 100.0, "best_bid_amount": 1.0,
    "best_ask_price": 101.0, "best_ask_amount": 2.0,
}
NO_ASK = {**BOTH, "best_ask_price": None, "best_ask_amount": 0.0}
Symbols.set("DERIBIT", {"BTC-USDC-PERP": NAME}, {"instrument_type": {"BTC-USDC-PERP": "perpetual"}})


async def run():
    heard = []

    async def hear(data, receipt_time):
        heard.append(f"heard {data.bid_price} / {data.ask_price}")

    keys = {"deribit": {"key_id": "not-used", "key_secret": "not-used"}}
    feed = Deribit(symbols=["BTC-USDC-PERP"], channels=[L1_BOOK], callbacks={L1_BOOK: hear}, config=keys)
    for title, data in (("both sides", BOTH), ("no ask", NO_ASK)):
        push = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": f"quote.{NAME}", "data": data}}
        try:
            await feed.message_handler(json.dumps(push), None, 0.0)
            print(f"{title}: {heard[-1]}")
        except Exception as error:
            print(f"{title}: {type(error).__name__}")


asyncio.run(run())
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
