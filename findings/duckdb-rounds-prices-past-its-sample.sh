#!/usr/bin/env bash
# Prices and amounts of a recording are rounded to whole numbers when the first 20,480 of them happen to be whole.
#
# Version:    duckdb 2.0.1 (polars 2.1.0 and pyarrow 26.0.1 beside it).
# Source:     Project duckdb/duckdb, issues 25824 (CSV) and 25786 (JSON), both open: the type of a column comes from a sample of
#             20,480 rows, and the cast of what follows is less strict than the one that chose the type.
# Guess:      What does not fit the type that was found raises, as a word in a column of numbers does, with the advice to raise
#             sample_size; polars raises here too, and pyarrow, which looks at the first MiB, reads this file as it is.
# Behaviour:  An amount of 0.4 is 0, and a price of 60000.5 is 60001 in CSV and 60000 in JSON lines; nothing is said.
#             Where a writer leaves out the point of a whole number, a quiet hour at whole prices is enough.
# For us:     Our Tardis export writes every number with the places of its tick or lot, so the first row shows them. Recordings
#             of others (engine/recordings/README.md) are looked at with sample_size=-1, as in the last line, or with the
#             types of the columns named.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1

cat >"$work/expected" <<'END'
20480 trades of 1 at 60000, then one of 0.4 at 60000.5, as the readers have the last one
duckdb CSV         BIGINT 60001, BIGINT 0
duckdb CSV, gzip   BIGINT 60001, BIGINT 0
duckdb JSON lines  BIGINT 60000, BIGINT 0
polars CSV         ComputeError
polars JSON lines  ComputeError
pyarrow CSV        60000.5, 0.4
pyarrow JSON lines 60000.5, 0.4
20000 trades before it
duckdb CSV         DOUBLE 60000.5, DOUBLE 0.4
sample_size=-1     DOUBLE 60000.5, DOUBLE 0.4
END

cat >"$work/probe.py" <<'END'
import gzip
import json
import os
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow.csv
import pyarrow.json

os.chdir(sys.argv[1])
START_US = 1_764_000_000_000_000
DATABASE = duckdb.connect()


def write(count):
    trades = [(START_US + place, 60000, 1) for place in range(count)] + [(START_US + count, 60000.5, 0.4)]
    names = ("timestamp", "price", "amount")
    text = ",".join(names) + "\n" + "".join(f"{stamp},{price},{amount}\n" for stamp, price, amount in trades)
    Path("trades.csv").write_text(text)
    Path("trades.csv.gz").write_bytes(gzip.compress(text.encode()))
    Path("trades.jsonl").write_text("".join(json.dumps(dict(zip(names, trade))) + "\n" for trade in trades))


def show(title, read):
    try:
        print(f"{title:18} {read()}")
    except Exception as error:
        print(f"{title:18} {type(error).__name__}")


def by_duckdb(source):
    query = f"SELECT typeof(price), price, typeof(amount), amount FROM {source} ORDER BY timestamp DESC LIMIT 1"
    ((price_type, price, amount_type, amount),) = DATABASE.sql(query).fetchall()
    return f"{price_type} {price}, {amount_type} {amount}"


def by_arrow(table):
    return f"{table['price'][-1]}, {table['amount'][-1]}"


write(20480)
print("20480 trades of 1 at 60000, then one of 0.4 at 60000.5, as the readers have the last one")
show("duckdb CSV", lambda: by_duckdb("'trades.csv'"))
show("duckdb CSV, gzip", lambda: by_duckdb("'trades.csv.gz'"))
show("duckdb JSON lines", lambda: by_duckdb("'trades.jsonl'"))
show("polars CSV", lambda: by_arrow(polars.read_csv("trades.csv")))
show("polars JSON lines", lambda: by_arrow(polars.read_ndjson("trades.jsonl")))
show("pyarrow CSV", lambda: by_arrow(pyarrow.csv.read_csv("trades.csv")))
show("pyarrow JSON lines", lambda: by_arrow(pyarrow.json.read_json("trades.jsonl")))
write(20000)
print("20000 trades before it")
show("duckdb CSV", lambda: by_duckdb("'trades.csv'"))
write(20480)
show("sample_size=-1", lambda: by_duckdb("read_csv('trades.csv', sample_size=-1)"))
END

"$work/venv/bin/python" -I "$work/probe.py" "$work" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
