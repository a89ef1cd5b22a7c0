#!/usr/bin/env bash
# hftbacktest's converters add `base_latency` only where the recorded latency is below zero somewhere in the file.
#
# Version:    hftbacktest 2.4.4 (numba 0.68.1, numpy 2.2.6, polars 2.1.0).
# Source:     The documentation of the converters: "base_latency: The value to be added to the feed latency", as for
#             correct_local_timestamp, with the formula local_timestamp + min(feed_latency, 0) + base_latency. The code
#             (hftbacktest/data/validation.py, correct_local_timestamp) adds it within `if latency < 0`. No issue was found.
# Guess:      A file whose local times are the venue's times, as an export from a venue's own log has them, is converted with
#             base_latency=1_000_000, and the strategy hears of each event a millisecond later.
# Behaviour:  Nothing is added: it hears of each event at once. One row whose local time is 1 us before its venue's time, and
#             all rows of the file get the millisecond and that microsecond. Nothing is said in the first case.
# For us:     Our Tardis and hftbacktest exports have no latency of their own. Who wants one adds it to `local_ts` of the
#             converted rows, as in the last line, or sets constant_order_latency for the way of the orders.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps \
    hftbacktest==2.4.4 numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6 polars==2.1.0 polars-runtime-32==2.1.0

cat >"$work/expected" <<'END'
local time less venue's time, in ns, of three trades converted with base_latency=1_000_000
recorded 0, 0, 0 us       0, 0, 0
recorded 0, 500, 0 us     0, 500000, 0
recorded 0, -1, 0 us      1001000, 1000000, 1001000
added to local_ts by hand 1000000, 1000000, 1000000
END

cat >"$work/probe.py" <<'END'
import contextlib
import gzip
import os
import sys

from hftbacktest.data.utils import tardis

START_US = 1_764_000_000_000_000
LATENCY_NS = 1_000_000
PATH = os.path.join(sys.argv[1], "trades.csv.gz")


def convert(latencies_us):
    with gzip.open(PATH, "wt") as file:
        file.write("exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n")
        for place, latency_us in enumerate(latencies_us):
            stamp_us = START_US + place * 1_000_000
            file.write(f"lionrock,BTC_PERP,{stamp_us},{stamp_us + latency_us},{place},buy,100,1\n")
    with contextlib.redirect_stdout(sys.stderr):
        return tardis.convert([PATH], base_latency=LATENCY_NS, buffer_size=100)


def show(title, rows):
    print(f"{title:25} {', '.join(str(delay) for delay in rows['local_ts'] - rows['exch_ts'])}")


print("local time less venue's time, in ns, of three trades converted with base_latency=1_000_000")
for latencies_us in ((0, 0, 0), (0, 500, 0), (0, -1, 0)):
    show(f"recorded {', '.join(map(str, latencies_us))} us", convert(latencies_us))
rows = convert((0, 0, 0))
rows["local_ts"] += LATENCY_NS
show("added to local_ts by hand", rows)
END

"$work/venv/bin/python" -I "$work/probe.py" "$work" >"$work/seen" 2>"$work/log" || { cat "$work/log"; exit 1; }
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
