#!/usr/bin/env bash
# A decimal of a hundred-millionth is text with an exponent when pyarrow writes it, and a zero with eight places too.
#
# Version:    pyarrow 26.0.1, polars 2.1.0.
# Source:     The page "Reading and Writing CSV files" of Arrow's documentation says nothing of it. Arrow's C++ source,
#             cpp/src/arrow/util/decimal.cc, `AdjustIntegerStringWithScale`: an exponent where it is below -6, as in Java.
# Guess:      A decimal column with eight places is written with eight places, whatever its value; that is why one
#             takes a decimal column and not a float.
# Behaviour:  From 0.000001 on it is so. Below, and for zero, pyarrow's `write_csv` and its cast to string write
#             1.0E-7 and 0E-8. polars writes the same column plainly. A size of some satoshi is below.
# For us:     `lionrock export --format tardis` makes the text of its prices and amounts itself where they have more than
#             six places. Readers of such files often take a cell's text apart at the point.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check pyarrow==26.0.1 polars==2.1.0

cat >"$work/expected" <<'END'
pyarrow write_csv  0.00012345 0.00000100 9.9E-7 1.0E-7 0E-8
pyarrow cast       0.00012345 0.00000100 9.9E-7 1.0E-7 0E-8
polars write_csv   0.00012345 0.00000100 0.00000099 0.00000010 0.00000000
END

cat >"$work/probe.py" <<'END'
import io
from decimal import Decimal

import polars
import pyarrow
import pyarrow.csv

AMOUNTS = ("0.00012345", "0.00000100", "0.00000099", "0.00000010", "0.00000000")
table = pyarrow.table({"amount": pyarrow.array([Decimal(text) for text in AMOUNTS], pyarrow.decimal128(18, 8))})
written = io.BytesIO()
pyarrow.csv.write_csv(table, written)
print("pyarrow write_csv ", *written.getvalue().decode().split()[1:])
print("pyarrow cast      ", *table["amount"].cast(pyarrow.string()).to_pylist())
print("polars write_csv  ", *polars.from_arrow(table).write_csv().split()[1:])
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
