#!/usr/bin/env bash
# A day's turnover in whole ticks times whole lots wraps around in polars, pyarrow and DataFusion, checked products or not.
#
# Version:    polars 2.1.0, pyarrow 26.0.1, datafusion 55.0.0, duckdb 2.0.1.
# Source:     apache/arrow, issue 37090 (open): sum does not check. apache/datafusion, issue 3520 (open): integers wrap. The
#             documentation of polars' sum: integers of 8 and 16 bits are cast to Int64 "to prevent overflow issues"; of Int64
#             it says nothing.
# Guess:      Engines for data widen a sum or raise, as duckdb does: it sums into 128 bits. With multiply_checked, which
#             "returns an error on overflow", pyarrow raises at the latest. And 64 bits hold 9.2e18.
# Behaviour:  A bitcoin at 60,000 is 6e14 ticks of 0.01 times lots of 1e-8, so 15,373 bitcoins are more than 64 bits hold. Of
#             20,000 the average price is -32,233.72; of 40,000 it is 13,883.14, which looks like a price. Nothing is said.
# For us:     Our Parquet exports have whole ticks and lots. Their page (engine/recordings/out/README.md) says to sum products
#             in duckdb, as Int128 or as floats (the last three lines).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    polars==2.1.0 pyarrow==26.0.1 datafusion==55.0.0 duckdb==2.0.1 numpy==2.4.6

cat >"$work/expected" <<'END'
average price of trades of 1 bitcoin at 60000.00, ticks of 0.01, lots of 1e-8
                           15372     20000     40000 trades
polars                  60000.00 -32233.72  13883.14
polars, streaming       60000.00 -32233.72  13883.14
polars, SQL             60000.00 -32233.72  13883.14
pyarrow                 60000.00 -32233.72  13883.14
pyarrow, checked        60000.00 -32233.72  13883.14
datafusion              60000.00 -32233.72  13883.14
duckdb                  60000.00  60000.00  60000.00
polars, Int128          60000.00  60000.00  60000.00
pyarrow, floats         60000.00  60000.00  60000.00
END

cat >"$work/probe.py" <<'END'
import os
import sys

import datafusion
import duckdb
import numpy
import polars
import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet

PATH = os.path.join(sys.argv[1], "trades.parquet")
QUERY = "SELECT sum(price_ticks * qty_lots) FROM "
PRODUCT = polars.col("price_ticks") * polars.col("qty_lots")
WIDE = polars.col("price_ticks").cast(polars.Int128) * polars.col("qty_lots")


def arrow_sum(table, multiply):
    return compute.sum(multiply(table["price_ticks"], table["qty_lots"])).as_py()


def by_datafusion():
    context = datafusion.SessionContext()
    context.register_parquet("trades", PATH)
    return context.sql(QUERY + "trades").to_pydict().popitem()[1][0]


def as_floats(left, right):
    return compute.multiply(compute.cast(left, "float64"), compute.cast(right, "float64"))


def turnovers(count):
    numbers = {"price_ticks": numpy.full(count, 6_000_000), "qty_lots": numpy.full(count, 100_000_000)}
    pyarrow.parquet.write_table(pyarrow.table(numbers), PATH)
    table, frame, lazy = pyarrow.parquet.read_table(PATH), polars.read_parquet(PATH), polars.scan_parquet(PATH)
    return {
        "polars": frame.select(PRODUCT.sum()).item(),
        "polars, streaming": lazy.select(PRODUCT.sum()).collect(engine="streaming").item(),
        "polars, SQL": frame.sql(QUERY + "self").item(),
        "pyarrow": arrow_sum(table, compute.multiply),
        "pyarrow, checked": arrow_sum(table, compute.multiply_checked),
        "datafusion": by_datafusion(),
        "duckdb": duckdb.connect().sql(f"{QUERY}'{PATH}'").fetchall()[0][0],
        "polars, Int128": frame.select(WIDE.sum()).item(),
        "pyarrow, floats": arrow_sum(table, as_floats),
    }


COUNTS = (15372, 20000, 40000)
by_count = [turnovers(count) for count in COUNTS]
print("average price of trades of 1 bitcoin at 60000.00, ticks of 0.01, lots of 1e-8")
print(f"{'':22}" + "".join(f"{count:10}" for count in COUNTS) + " trades")
for name in by_count[0]:
    prices = [found[name] / (count * 100_000_000) * 0.01 for count, found in zip(COUNTS, by_count)]
    print(f"{name:22}" + "".join(f"{price:10.2f}" for price in prices))
END

"$work/venv/bin/python" -I "$work/probe.py" "$work" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
