#!/usr/bin/env bash
# A test run with NUMBA_BOUNDSCHECK=1 can use machine code that has no bounds checks, and passes.
#
# Version:    numba 0.68.1 (llvmlite 0.50.0, numpy 2.2.6).
# Source:     numba/core/caching.py, Cache._index_key (line 794): the key is signature, target processor, and hashes
#             of the bytecode and the closure. No flag and no environment variable is in it. The documented limits of
#             the cache (developer page "Notes on Caching") do not name the flag; project numba/numba, issue 9304 asks
#             for a key that a user can set, because of edits in other files.
# Guess:      NUMBA_BOUNDSCHECK changes the code that is compiled, so a cached function is compiled again when it
#             changes.
# Behaviour:  A function with cache=True that was first compiled without checks is loaded as it is when the flag is 1:
#             one hit, no miss, and the same file on disk without the error's text. The other way round the checks
#             stay in a run that should be fast. Only an empty cache folder makes the flag count. All calls here stay
#             within bounds.
# For us:     engine/__init__.py names the cache folder by a digest of the engine's sources, the versions of numba,
#             numpy and Python, and every NUMBA_ variable.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps numba==0.68.1 llvmlite==0.50.0 numpy==2.2.6

cat >"$work/expected" <<'END'
first folder, flag 0:  answer 2, hits 0, misses 1, code has the check: no
first folder, flag 1:  answer 2, hits 1, misses 0, code has the check: no
second folder, flag 1: answer 2, hits 0, misses 1, code has the check: yes
second folder, flag 0: answer 2, hits 1, misses 0, code has the check: yes
END

cat >"$work/probe.py" <<'END'
import os
import sys
from pathlib import Path

import numpy as np
from numba import njit


@njit(cache=True)
def pick(values, index):
    return values[index]


answer = pick(np.arange(4), 2)
hits, misses = sum(pick.stats.cache_hits.values()), sum(pick.stats.cache_misses.values())
[code] = Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbc")
check = "yes" if b"index is out of bounds" in code.read_bytes() else "no"
print(f"{sys.argv[1]:22} answer {answer}, hits {hits}, misses {misses}, code has the check: {check}")
END

run() { # folder, flag
    NUMBA_CACHE_DIR="$work/$1" NUMBA_BOUNDSCHECK="$2" "$work/venv/bin/python" -I "$work/probe.py" "$1 folder, flag $2:"
}
{
    run first 0
    run first 1
    run second 1
    run second 0
} >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
