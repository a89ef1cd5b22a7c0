#!/usr/bin/env bash
# Which of several quotes of one instant a trade is joined with depends on how many trades are asked for.
#
# Version:    duckdb 2.0.1, polars 2.1.0, pyarrow 26.0.1.
# Source:     github.com/duckdb/duckdb, issue 25536 (closed, "expected behavior"): nothing breaks a tie of the ordering
#             column, and below the setting asof_loop_join_threshold (64 rows) the plan is another one.
# Guess:      An as-of join takes the newest quote at or before the trade. Of several with the same stamp that is the last
#             one in the table, as polars and pyarrow have it; in any case the same one, whatever else is in the query.
# Behaviour:  One trade alone is joined with the first quote of its instant, the oldest one; the same trade among 63
#             others with the last. With more than one thread it may be any of them; here one thread is used.
# For us:     Our stamps repeat: all events of one command have its time. The sequence is unique: keep one row of each
#             stamp before the join, the one with the highest sequence (the last line shows it).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    duckdb==2.0.1 polars==2.1.0 polars-runtime-32==2.1.0 pyarrow==26.0.1

cat >"$work/expected" <<'END'
quotes: one at time 1, then bids 20, 21, 22 at time 2; the trade is at time 2
polars   the trade alone: bid 22, among 63 others: bid 22
pyarrow  the trade alone: bid 22, among 63 others: bid 22
duckdb   the trade alone: bid 20, among 63 others: bid 22
duckdb, one quote kept of each stamp: bid 22 and 22
END

cat >"$work/probe.py" <<'END'
import duckdb
import polars
import pyarrow

quotes = pyarrow.table({"time": [1, 2, 2, 2], "sequence": [1, 2, 3, 4], "bid": [10, 20, 21, 22]})
db = duckdb.connect(config={"threads": 1})
db.register("quotes", quotes)


def by_duckdb(trades, source="quotes"):
    db.register("trades", trades)
    rows = db.sql(f"SELECT t.id, q.bid FROM trades t ASOF JOIN {source} q ON t.time >= q.time").fetchall()
    return dict(rows)[0]


def by_polars(trades):
    joined = polars.from_arrow(trades).join_asof(polars.from_arrow(quotes), on="time")
    return dict(joined.select("id", "bid").iter_rows())[0]


def by_pyarrow(trades):
    joined = trades.join_asof(quotes, on="time", by=[], tolerance=-10)
    return dict(zip(joined["id"].to_pylist(), joined["bid"].to_pylist(), strict=True))[0]


alone = pyarrow.table({"id": [0], "time": [2]})
among = pyarrow.table({"id": list(range(64)), "time": [2] * 64})
print("quotes: one at time 1, then bids 20, 21, 22 at time 2; the trade is at time 2")
for name, join in (("polars", by_polars), ("pyarrow", by_pyarrow), ("duckdb", by_duckdb)):
    print(f"{name:8} the trade alone: bid {join(alone)}, among 63 others: bid {join(among)}")
newest = "(SELECT time, arg_max(bid, sequence) AS bid FROM quotes GROUP BY time)"
print(f"duckdb, one quote kept of each stamp: bid {by_duckdb(alone, newest)} and {by_duckdb(among, newest)}")
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
