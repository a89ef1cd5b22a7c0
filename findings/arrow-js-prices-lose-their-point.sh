#!/usr/bin/env bash
# A decimal price of 60000.5 read from Arrow in JavaScript is 600005, and two trades a nanosecond apart have one time.
#
# Version:    apache-arrow 21.2.0 for Node.js, the file by pyarrow 26.0.1; hyparquet 1.33.0 (needs node and npm; node 20 here).
# Source:     Project apache/arrow-js, issues 77 and 100 (open), of the decimals; pull request 341 (open). The package's
#             visitor/get: a nanosecond is made of milliseconds and a fraction, as one float.
# Guess:      The value of a decimal is a number or a text with its point, as the type says its scale; if it is something else,
#             a calculation with it fails.
# Behaviour:  It is an array of words that turns into its digits as a number without the point, in sums, comparisons and JSON:
#             60000.5 > 70000 is true. A time is a float of milliseconds, right to about 200 ns; toArray() is exact.
#             hyparquet has the point, but as a float, and times of whole milliseconds.
# For us:     Our Parquet has whole ticks by default, which are exact BigInts. With `prices=decimal` divide by ten to the
#             type's scale; take times from toArray() of the column.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps pyarrow==26.0.1
(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts apache-arrow@21.2.0 hyparquet@1.33.0 >/dev/null)

cat >"$work/expected" <<'END'
apache-arrow: type                     Decimal of scale 1
price 60000.5 as a number, as text     600005, 600005
price + 1, price > 70000               600006, true
difference of 0.1, as a number         -1
ticks of the same price                600005n
times 1 ns apart are equal             true
their differences from toArray()       1n
hyparquet: price, difference, ticks    60000.5, -0.1, 600005n
an amount of 150000000.123456789       150000000.1234568
time                                   2025-11-24T16:00:00.123Z
END

cat >"$work/write.py" <<'END'
import sys
from decimal import Decimal

import pyarrow
import pyarrow.parquet

folder = sys.argv[1]
table = pyarrow.table(
    {
        "time": pyarrow.array([1_764_000_000_123_456_789, 1_764_000_000_123_456_790], pyarrow.timestamp("ns", "UTC")),
        "price": pyarrow.array([Decimal("60000.5"), Decimal("-0.1")], pyarrow.decimal128(38, 1)),
        "amount": pyarrow.array([Decimal("150000000.123456789"), Decimal(1)], pyarrow.decimal128(38, 9)),
        "price_ticks": pyarrow.array([600_005, -1], pyarrow.int64()),
    }
)
pyarrow.parquet.write_table(table, f"{folder}/table.parquet")
with pyarrow.ipc.new_file(f"{folder}/table.arrow", table.schema) as file:
    file.write_table(table)
END

cat >"$work/probe.mjs" <<'END'
import { readFileSync } from "node:fs";
import { tableFromIPC } from "apache-arrow";
import { parquetReadObjects } from "hyparquet";

const text = (value) => (typeof value === "bigint" ? `${value}n` : String(value));
const show = (title, ...values) => console.log(`${title.padEnd(38)} ${values.map(text).join(", ")}`);

const table = tableFromIPC(readFileSync("table.arrow"));
const column = (name) => table.getChild(name);
const [price, difference] = column("price");
show("apache-arrow: type", `Decimal of scale ${column("price").type.scale}`);
show("price 60000.5 as a number, as text", Number(price), `${price}`);
show("price + 1, price > 70000", Number(price) + 1, price > 70000);
show("difference of 0.1, as a number", Number(difference));
show("ticks of the same price", column("price_ticks").get(0));
const [first, second] = column("time");
show("times 1 ns apart are equal", first === second);
const times = column("time").toArray();
show("their differences from toArray()", times[1] - times[0]);

const bytes = readFileSync("table.parquet");
const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const [row, next] = await parquetReadObjects({ file });
show("hyparquet: price, difference, ticks", row.price, next.price, row.price_ticks);
show("an amount of 150000000.123456789", row.amount);
show("time", row.time.toISOString());
END

"$work/venv/bin/python" -I "$work/write.py" "$work"
(cd "$work" && node probe.mjs >seen)
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
