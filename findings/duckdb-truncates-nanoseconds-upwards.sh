#!/usr/bin/env bash
# The second, and the bar, of an event can be the next one, because nanosecond stamps are first rounded to microseconds.
#
# Version:    duckdb 2.0.1, pyarrow 26.0.1.
# Source:     github.com/duckdb/duckdb: in issue 11995 a cast to a coarser stamp cuts what is too fine. pull request 1702: an
#             interval holds microseconds. That date_trunc rounds was found in no thread.
# Guess:      date_trunc and time_bucket go down, for TIMESTAMP_NS as for TIMESTAMP; the difference of two stamps is exact.
# Behaviour:  Both first round to the nearest microsecond. An event 400 ns before the full second belongs to the next second,
#             and to the next bar. A difference is taken between rounded stamps: 1 ns is 0 or 1000 ns, 999 ns is 1000 ns.
#             Stamps with a zone, as in our exports, go down; but their difference is refused, and the cast to TIMESTAMP that
#             the error advises rounds up as well.
# For us:     Bars and delays of our exports are computed from epoch_ns(...), an integer, which is right in each case.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    duckdb==2.0.1 pyarrow==26.0.1

cat >"$work/expected" <<'END'
        1000 ns: second  0, minute 0; by epoch_ns second  0
        1999 ns: second  0, minute 0; by epoch_ns second  0
   999999400 ns: second  0, minute 0; by epoch_ns second  0
 59999999600 ns: second 60, minute 1; by epoch_ns second 59
        1000 to         1999: 1000 ns; by epoch_ns 999 ns
        1999 to         2000:    0 ns; by epoch_ns   1 ns
   999999400 to    999999500: 1000 ns; by epoch_ns 100 ns
 59999999600 to  59999999700:    0 ns; by epoch_ns 100 ns
with the zone UTC: minutes 0 0 0 0, after a cast to TIMESTAMP 0 0 0 1
with the zone UTC: difference BinderException, by epoch_ns 999 1 100 100
END

cat >"$work/probe.py" <<'END'
import duckdb
import pyarrow

sent_ns = [1000, 1999, 999_999_400, 59_999_999_600]
heard_ns = [1999, 2000, 999_999_500, 59_999_999_700]
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
for name, stamp in (("events", pyarrow.timestamp("ns")), ("zoned", pyarrow.timestamp("ns", "UTC"))):
    db.register(name, pyarrow.table({"sent": pyarrow.array(sent_ns, stamp), "heard": pyarrow.array(heard_ns, stamp)}))


def column(expression, table="events"):
    return [value for (value,) in db.sql(f"SELECT {expression} FROM {table}").fetchall()]


assert column("typeof(sent)") == ["TIMESTAMP_NS"] * 4
seconds = column("epoch_ns(date_trunc('second', sent)) // 1000000000")
bars = column("epoch_ns(time_bucket(INTERVAL 1 MINUTE, sent)) // 60000000000")
right = column("epoch_ns(sent) // 1000000000")
for begin_ns, second, bar, floor in zip(sent_ns, seconds, bars, right, strict=True):
    print(f"{begin_ns:12} ns: second {second:2}, minute {bar}; by epoch_ns second {floor:2}")
subtracted = column("1000 * extract(microseconds FROM heard - sent)")
exact = column("epoch_ns(heard) - epoch_ns(sent)")
for begin_ns, end_ns, wrong, delay in zip(sent_ns, heard_ns, subtracted, exact, strict=True):
    print(f"{begin_ns:12} to {end_ns:12}: {wrong:4} ns; by epoch_ns {delay:3} ns")
BAR = "epoch_ns(time_bucket(INTERVAL 1 MINUTE, {})) // 60000000000"
print("with the zone UTC: minutes", *column(BAR.format("sent"), "zoned"), end=", after a cast to TIMESTAMP ")
print(*column(BAR.format("sent::TIMESTAMP"), "zoned"))
try:
    refused = column("heard - sent", "zoned")
except duckdb.Error as error:
    refused = type(error).__name__
print(f"with the zone UTC: difference {refused}, by epoch_ns", *column("epoch_ns(heard) - epoch_ns(sent)", "zoned"))
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
