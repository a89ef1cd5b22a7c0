#!/usr/bin/env bash
# A price of mantissa and exponent, as many feeds have it, is 0 in code compiled by numba: 10 ** -2 is the integer 0 there.
#
# Version:    numba 0.68.1 (llvmlite 0.50.0), numpy 2.4.6.
# Source:     Project numba/numba, issue 7012 (open; 8169 was closed as the same). numba's cpython/numbers.py, int_power_impl:
#             the power of two integers is an integer of 64 bits.
# Guess:      As in Python 10 ** -2 is 0.01, or it raises, as numpy's integers do; at least a written -2 and a -2 from a record
#             are the same.
# Behaviour:  A written 10 ** -2 is 0.01, which Python works out before numba sees it; with the exponent from an argument or an
#             array it is 0, with no error and no warning, so 6000050 * 10 ** exponent is 0. 10 ** 19 wraps below zero.
#             With 10.0 all are right.
# For us:     Our compiled code has ticks and lots alone. Who compiles his reader of a feed or of our exports writes 10.0.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check --no-deps numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6

cat >"$work/expected" <<'END'
mantissa 6000050, exponent -2   plain                           compiled
written 10 ** -2                60000.5                         60000.5
argument                        60000.5                         0
field of a record               ValueError                      0
argument, 10.0 ** exponent      60000.5                         60000.5
10 ** 19                        10000000000000000000            -8446744073709551616
END

cat >"$work/probe.py" <<'END'
import numpy as np
from numba import njit

ROWS = np.array([(6000050, -2)], [("mantissa", np.int64), ("exponent", np.int64)])


def written(mantissa):
    return mantissa * 10**-2


def argument(mantissa, exponent):
    return mantissa * 10**exponent


def field(rows):
    return rows[0].mantissa * 10 ** rows[0].exponent


def float_base(mantissa, exponent):
    return mantissa * 10.0**exponent


def power(exponent):
    return 10**exponent


def answer(function, arguments):
    try:
        return str(function(*arguments))
    except (ValueError, OverflowError) as error:
        return type(error).__name__


def show(title, function, *arguments):
    print(f"{title:31} {answer(function, arguments):31} {answer(njit(function), arguments)}")


print(f"{'mantissa 6000050, exponent -2':31} {'plain':31} compiled")
show("written 10 ** -2", written, 6000050)
show("argument", argument, 6000050, -2)
show("field of a record", field, ROWS.view(np.recarray))
show("argument, 10.0 ** exponent", float_base, 6000050, -2)
show("10 ** 19", power, 19)
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
