#!/usr/bin/env bash
# ccxt in JavaScript rounds every negative number away from zero to the next tick; ccxt in Python rounds to the nearest one.
#
# Version:    ccxt 4.5.84 in JavaScript (needs node and npm; node 20 here) and in Python.
# Source:     ccxt's js/src/base/functions/number.js, decimalToPrecision, the case of TICK_SIZE (line 219 and after) against
#             python/ccxt/base/decimal_to_precision.py. The languages are generated from one source, but this function is
#             written by hand in each.
# Guess:      priceToPrecision gives the same string in every language of ccxt, and the sign makes no difference to it.
# Behaviour:  Of -20.72 at a tick of 0.5 Python makes -20.5, JavaScript -21. Positive numbers agree. Numbers below zero are
#             prices of spreads and basis trades, and signed positions and profits that a program shortens.
# For us:     Our prices are positive, so no order here is touched. Who shortens a signed position or profit with ccxt in
#             JavaScript rounds its absolute value.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts ccxt@4.5.84 >/dev/null)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps \
    ccxt==4.5.84 requests==2.34.2 urllib3==2.8.0 certifi==2026.10.19.post1 idna==3.20 charset-normalizer==3.5.3 \
    cryptography==46.0.3 cffi==2.1.1 pycparser==3.0

cat >"$work/expected" <<'END'
number   tick  Python   JavaScript
20.72    0.5   20.5     20.5
-20.72   0.5   -20.5    -21
-77.5508 0.05  -77.55   -77.6
-61.5015 0.1   -61.5    -61.6
-0.1396  0.5   0        -0.5
END

cat >"$work/probe.py" <<'END'
import subprocess
import sys

from ccxt.base.decimal_to_precision import NO_PADDING, ROUND, TICK_SIZE, decimal_to_precision

CASES = [("20.72", 0.5), ("-20.72", 0.5), ("-77.5508", 0.05), ("-61.5015", 0.1), ("-0.1396", 0.5)]

command = ["node", "probe.mjs", *(f"{number}/{tick}" for number, tick in CASES)]
in_javascript = subprocess.run(command, cwd=sys.argv[1], check=True, capture_output=True, text=True).stdout.split()
print(f"{'number':8} {'tick':5} {'Python':8} JavaScript")
for (number, tick), other in zip(CASES, in_javascript, strict=True):
    rounded = decimal_to_precision(number, ROUND, tick, TICK_SIZE, NO_PADDING)
    print(f"{number:8} {tick:<5} {rounded:8} {other}")
END

cat >"$work/probe.mjs" <<'END'
import ccxt from "ccxt";

for (const line of process.argv.slice(2)) {
    const [number, tick] = line.split("/");
    console.log(ccxt.decimalToPrecision(number, ccxt.ROUND, Number(tick), ccxt.TICK_SIZE, ccxt.NO_PADDING));
}
END

"$work/venv/bin/python" -I "$work/probe.py" "$work" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
