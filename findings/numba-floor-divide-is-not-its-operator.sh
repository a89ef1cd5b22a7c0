#!/usr/bin/env bash
# In code compiled by numba np.floor_divide and the operator // put prices into different ticks.
#
# Version:    numba 0.68.1 (llvmlite 0.50.0), numpy 2.4.6.
# Source:     numba's np/npyfuncs.py: np_real_floor_div_impl divides and rounds down; numpy and numba's own // take the
#             remainder off first (numpy/numpy, pull request 7258, made numpy's function agree with Python's operator). Issue
#             5613 of numba/numba tells of division by zero alone; no issue about this was found.
# Guess:      np.floor_divide(a, b) is a // b, as numpy's page of it says, compiled or not.
# Behaviour:  In plain numpy both have 9 tenths in 1.0. Compiled, // of scalars has 9 and np.floor_divide 10; of the first
#             100,000 multiples of 0.1 the operator is a tick short at 86,544 in both, the compiled function at 33,446.
#             So a test with NUMBA_DISABLE_JIT=1 shows another histogram of ticks than the run.
# For us:     Prices are integers of ticks here. Who groups float prices of an export takes price_ticks, or rounds:
#             np.rint(price / tick) is right at all of them, compiled or not.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6

cat >"$work/expected" <<'END'
                 plain: 1.0 by 0.1, wrong of 100000   compiled: 1.0 by 0.1, wrong of 100000
a // b           9, 86544                             9, 86544
np.floor_divide  9, 86544                             10, 33446
np.rint(a / b)   10, 0                                10, 0
END

cat >"$work/probe.py" <<'END'
import numpy as np
from numba import njit

TICKS = np.arange(1, 100_001)
PRICES = TICKS / 10


def operator(price, tick):
    return price // tick


def function(price, tick):
    return np.floor_divide(price, tick)


def nearest(price, tick):
    return np.rint(price / tick)


def answer(divide):
    found = np.array([divide(price, 0.1) for price in PRICES])
    return f"{divide(1.0, 0.1):g}, {np.count_nonzero(found != TICKS)}"


print(f"{'':16} {'plain: 1.0 by 0.1, wrong of 100000':36} compiled: 1.0 by 0.1, wrong of 100000")
for title, divide in [("a // b", operator), ("np.floor_divide", function), ("np.rint(a / b)", nearest)]:
    print(f"{title:16} {answer(divide):36} {answer(njit(divide))}")
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
