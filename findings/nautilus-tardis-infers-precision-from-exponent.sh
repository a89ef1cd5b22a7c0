#!/usr/bin/env bash
# nautilus_trader reads small numbers of a Tardis file too coarsely: prices collapse into one, small trades vanish.
#
# Version:    nautilus_trader 1.221.0 (the newest for Python 3.11; 1.231.0 on Python 3.13 does the same).
# Source:     nautilus_trader, crates/adapters/tardis/src/csv/mod.rs, infer_precision: it takes the characters behind
#             the point of the shortest text of the float, and that text has an exponent below 0.00001 (8.12e-6 counts
#             as five decimals, "12e-6"; 1e-6 as none). load_trades then leaves out what rounds to an amount of zero.
#             No issue thread was found.
# Guess:      TardisCSVDataLoader() without precisions finds them in the data, as its docstring says: a price of
#             0.00000812 has eight decimals, and each row of the file is a trade.
# Behaviour:  0.00000812 and 0.00000813 are both 0.00001, a fifth too high. A trade of 0.000001 is not in the list,
#             and nothing is said. It is kept only where a longer amount came before it in the file.
# For us:     engine/recordings/out/README.md says to give price_precision and size_precision to this loader. Our own
#             reader takes the decimals from the text.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check nautilus_trader==1.221.0 2>/dev/null

cat >"$work/expected" <<'END'
three trades, prices 0.00000812, 0.00000813, 0.00000812, amount 1000
  no precision given: 0.00001 0.00001 0.00001
  price_precision=8:  0.00000812 0.00000813 0.00000812
three trades at 100.5, amounts 1, 0.000001, 0.005
  no precision given: 1.000 0.005
  size_precision=6:   1.000000 0.000001 0.005000
the same and one of 0.1234567 behind them
  no precision given: 1.0000000 0.0050000 0.1234567
the same with that one ahead of them
  no precision given: 0.1234567 1.0000000 0.0000010 0.0050000
END

cat >"$work/probe.py" <<'END'
import sys

from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader

HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
START_US = 1_764_000_000_000_000
FILE = sys.argv[1] + "/trades.csv"


def show(label, field, trades, **precision):
    with open(FILE, "w") as file:
        file.write(HEADER)
        for number, (price, amount) in enumerate(trades):
            stamp = START_US + number
            file.write(f"binance,ANY,{stamp},{stamp + 1},{number},buy,{price},{amount}\n")
    read = TardisCSVDataLoader(**precision).load_trades(FILE)
    print(f"  {label:19}", *(str(getattr(trade, field)) for trade in read))


prices = [("0.00000812", "1000"), ("0.00000813", "1000"), ("0.00000812", "1000")]
print("three trades, prices 0.00000812, 0.00000813, 0.00000812, amount 1000")
show("no precision given:", "price", prices)
show("price_precision=8:", "price", prices, price_precision=8)
amounts = [("100.5", "1"), ("100.5", "0.000001"), ("100.5", "0.005")]
print("three trades at 100.5, amounts 1, 0.000001, 0.005")
show("no precision given:", "size", amounts)
show("size_precision=6:", "size", amounts, size_precision=6)
print("the same and one of 0.1234567 behind them")
show("no precision given:", "size", [*amounts, ("100.5", "0.1234567")])
print("the same with that one ahead of them")
show("no precision given:", "size", [("100.5", "0.1234567"), *amounts])
END

"$work/venv/bin/python" -I "$work/probe.py" "$work" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
