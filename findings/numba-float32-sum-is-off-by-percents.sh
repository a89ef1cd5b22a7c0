#!/usr/bin/env bash
# Ten million float32 trades of 0.1 add up to 1,087,937 in code compiled by numba, and to 1,000,000 in numpy.
#
# Version:    numba 0.68.1 (llvmlite 0.50.0), numpy 2.4.6.
# Source:     Project numba/numba, issues 2855 (sum) and 3702 (mean), both open: one element after the other in the type of the
#             array, where numpy adds in pairs (numpy/numpy, pull request 3685).
# Guess:      sum() and mean() of an array are the same compiled, but for the last digits.
# Behaviour:  Compiled, the running sum has 24 bits: above 524,288 the steps of a float32 are 0.0625, and each 0.1 is added as
#             0.125. The mean of trades that are all 0.1 is 0.1088. A compiled loop from a float64 zero is right, and so is
#             an array of float64.
# For us:     Our records have whole lots, which add up exactly. Who keeps amounts of an export as float32 to save memory adds
#             them up in float64, or before compiled code.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6

cat >"$work/expected" <<'END'
10,000,000 trades of 0.1    numpy           compiled
sum of float32              1000000         1087937
mean of float32             0.100000        0.108794
loop from a float64 zero    1000000         1000000
sum of float64              1000000         1000000
END

cat >"$work/probe.py" <<'END'
import numpy as np
from numba import njit

SMALL = np.full(10_000_000, 0.1, np.float32)


def add(amounts):
    return amounts.sum()


def average(amounts):
    return amounts.mean()


@njit
def loop(amounts):
    total = np.float64(0)
    for amount in amounts:
        total += amount
    return total


print("10,000,000 trades of 0.1    numpy           compiled")
print(f"sum of float32              {add(SMALL):<15.0f} {njit(add)(SMALL):.0f}")
print(f"mean of float32             {average(SMALL):<15.6f} {njit(average)(SMALL):.6f}")
print(f"loop from a float64 zero    {SMALL.sum(dtype=np.float64):<15.0f} {loop(SMALL):.0f}")
wide = np.full(10_000_000, 0.1)
print(f"sum of float64              {add(wide):<15.0f} {njit(add)(wide):.0f}")
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
