#!/usr/bin/env bash
# For nautilus_trader 1.221.0 a second snapshot in a Tardis file adds to the book; the book stays crossed.
#
# Version:    nautilus_trader 1.221.0, the newest for Python 3.11 (1.231.0, for Python 3.12 on, clears the book).
# Source:     https://docs.tardis.dev/downloadable-csv-files#incremental_book_l2: a row with is_snapshot true after one
#             with false begins a new snapshot, and the local book must be discarded first. nautilus_trader,
#             crates/adapters/tardis/src/csv: each row of a snapshot becomes ADD, and no CLEAR comes before it.
# Guess:      The loader of Tardis' format follows the rule that its data's page begins with: after a snapshot the book
#             has the levels of the snapshot alone.
# Behaviour:  Levels of before stay. Each day's file begins with a snapshot, and one follows each lost connection: from
#             then on the best bid may be above the best ask, and nothing raises.
# For us:     engine/recordings/out/README.md says it beside our Tardis export: who loads several days with this version
#             puts each day into a book of its own. Our own reader clears.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check nautilus_trader==1.221.0 2>/dev/null

cat >"$work/expected" <<'END'
the file: snapshot 100 / 101, change of the bid, snapshot 98 / 99
actions: ADD ADD UPDATE ADD ADD
best bid 100, best ask 99, levels 2 and 2
END

cat >"$work/probe.py" <<'END'
import sys

from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookAction, BookType
from nautilus_trader.model.identifiers import InstrumentId

START_US = 1_764_000_000_000_000
ROWS = (
    (0, "true", "bid", 100, 1), (0, "true", "ask", 101, 2), (5, "false", "bid", 100, 3),
    (9, "true", "bid", 98, 1), (9, "true", "ask", 99, 1),
)
FILE = sys.argv[1] + "/book.csv"
with open(FILE, "w") as file:
    file.write("exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n")
    for after, snapshot, side, price, amount in ROWS:
        stamp = START_US + after
        file.write(f"deribit,BTC-PERPETUAL,{stamp},{stamp + 1},{snapshot},{side},{price},{amount}\n")
deltas = TardisCSVDataLoader(price_precision=0, size_precision=0).load_deltas(FILE)
book = OrderBook(InstrumentId.from_str("BTC-PERPETUAL.DERIBIT"), BookType.L2_MBP)
for delta in deltas:
    book.apply_delta(delta)
print("the file: snapshot 100 / 101, change of the bid, snapshot 98 / 99")
print("actions:", *(BookAction(delta.action).name for delta in deltas))
print(
    f"best bid {book.best_bid_price()}, best ask {book.best_ask_price()}, "
    f"levels {len(book.bids())} and {len(book.asks())}"
)
END

"$work/venv/bin/python" -I "$work/probe.py" "$work" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
