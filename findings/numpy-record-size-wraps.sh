#!/usr/bin/env bash
# A NumPy record of more than 2 GiB gets a small or negative size, without an error.
#
# Version:    numpy 2.4.6 (2.2.6 is the same).
# Source:     Project numpy/numpy: issue 6235 (closed) and pull request 31332 (open), which lets structured types be
#             larger than a C int. The documentation names the limit for the key "itemsize" of the dictionary form
#             alone.
# Guess:      A type that is too large is refused: a single field of 2 GiB is, and so is a stated itemsize.
# Behaviour:  The sum over the fields is not checked. Five fields of 1 GiB make a record of 1 GiB, a size that looks
#             sound, and its last field lies on its first one. Two fields make a negative size, four a size of 0. Only
#             the types are made here: nothing is allocated.
# For us:     All state is one record of 1.8 GiB. engine/schema.py asserts 0 < STATE.itemsize < 2**31 at import, which
#             catches a record of 2 to 4 GiB. Between 4 and 6 GiB only the sum of the fields' sizes, in Python's
#             integers, tells.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps numpy==2.4.6

cat >"$work/expected" <<'END'
one field of 2 GiB: ValueError
itemsize stated as 5 GiB: ValueError
1 fields of 1 GiB: itemsize 1073741824, offsets in GiB 0
2 fields of 1 GiB: itemsize -2147483648, offsets in GiB 0 1
3 fields of 1 GiB: itemsize -1073741824, offsets in GiB 0 1 -2
4 fields of 1 GiB: itemsize 0, offsets in GiB 0 1 -2 -1
5 fields of 1 GiB: itemsize 1073741824, offsets in GiB 0 1 -2 -1 0
END

cat >"$work/probe.py" <<'END'
import numpy as np

GIB = 1 << 30
TABLE = ("i8", (GIB // 8,))


def refusal(title, specification):
    try:
        print(f"{title}: itemsize {np.dtype(specification).itemsize}")
    except ValueError as error:
        print(f"{title}: {type(error).__name__}")


refusal("one field of 2 GiB", [("orders", "i8", (GIB // 4,))])
refusal("itemsize stated as 5 GiB", {"names": ["orders"], "formats": ["i8"], "itemsize": 5 * GIB})
for count in range(1, 6):
    record = np.dtype([(name, *TABLE) for name in ("orders", "levels", "accounts", "positions", "timers")[:count]])
    offsets = " ".join(f"{offset / GIB:g}" for _, offset in record.fields.values())
    print(f"{count} fields of 1 GiB: itemsize {record.itemsize}, offsets in GiB {offsets}")
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
