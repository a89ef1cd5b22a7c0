#!/usr/bin/env bash
# How many rows lie before a time: searchsorted and compiled code answer wrongly when the nanoseconds are uint64.
#
# Version:    numpy 2.2.6 (2.4.6 is the same), numba 0.68.1 (llvmlite 0.50.0).
# Source:     Project numpy/numpy, issue 29727 (searchsorted); project numba/numba, issue 10151 (a sum in a
#             comparison). The numba page "NBEP 1: Changes in integer typing" says that a sum of int64 and uint64 is a
#             float64. Databento's files have their times as uint64.
# Guess:      A comparison of integers is exact, and searchsorted agrees with "<". Since NumPy 2 a Python integer
#             takes the array's type, so a plain number as the cut is safe.
# Behaviour:  numpy: "<" is exact with a Python integer and with an int64. searchsorted of either goes through
#             float64, where today's nanoseconds lie 256 apart: times up to 256 ns from each other are one.
#             numba: "<" itself goes through float64, so code that is exact with NUMBA_DISABLE_JIT=1 is not when
#             compiled. With a uint64 cut all are exact.
# For us:     Times and ids are int64 in every record; what a recording has as uint64 becomes int64 when it is read, and
#             compiled code never mixes the two.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6

cat >"$work/expected" <<'END'
rows at +0, +100, +200, +300 ns; how many are before +101?
numpy "<"           int 2, int64 2, uint64 2
numpy searchsorted  int 0, int64 0, uint64 2
numba "<", plain    int 2, int64 2, uint64 2
numba "<", compiled int 0, int64 0, uint64 2
widest span of times that searchsorted takes for one: 256 ns
END

cat >"$work/probe.py" <<'END'
import numpy as np
from numba import njit

START_NS = 1_764_000_000_000_000_000  # 24 November 2025
STAMPS = np.array([START_NS, START_NS + 100, START_NS + 200, START_NS + 300], np.uint64)
CUT_NS = START_NS + 101


def count_before(stamps, cut):
    count = 0
    for index in range(len(stamps)):
        if stamps[index] < cut:
            count += 1
    return count


def show(title, count):
    answers = ", ".join(f"{kind.__name__} {count(STAMPS, kind(CUT_NS))}" for kind in (int, np.int64, np.uint64))
    print(f"{title:19} {answers}")


print("rows at +0, +100, +200, +300 ns; how many are before +101?")
show('numpy "<"', lambda stamps, cut: np.count_nonzero(stamps < cut))
show("numpy searchsorted", np.searchsorted)
show('numba "<", plain', count_before)
show('numba "<", compiled', njit(count_before))

many = np.arange(START_NS, START_NS + 2000, dtype=np.uint64)
spans = [
    np.searchsorted(many, cut, side="right") - np.searchsorted(many, cut, side="left") - 1
    for cut in range(START_NS + 500, START_NS + 1500)
]
print(f"widest span of times that searchsorted takes for one: {max(spans)} ns")
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
