"""Whole numbers as decimal text, written by compiled code three digits at a time.

Every store is of eight bytes, so up to seven bytes behind a text are overwritten: an array needs room for them.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from engine.units import JIT, below, word_at

STORE_BYTES = 8
MAX_BYTES = 20 + STORE_BYTES
"""Room that the text of any int64 needs."""
_MINUS = ord("-")
_THOUSAND, _MILLION, _MILLIARD = 10**3, 10**6, 10**9
_IN_THOUSANDS = 4_294_968
"""2^32 / 1000, rounded up: exact for numbers below a million."""
_LENGTH_BIT = 24


def _words(form: str) -> np.ndarray[Any, Any]:
    """The text of each number below 1000 as three bytes, and its length behind them."""
    texts = [form.format(number).encode() for number in range(_THOUSAND)]
    return np.array([int.from_bytes(text, "little") | len(text) << _LENGTH_BIT for text in texts], np.int32)


_PLAIN, _PADDED = _words("{}"), _words("{:03}")
_inlined = njit(_nrt=False, error_model="numpy", forceinline=True)

if JIT:

    @intrinsic
    def store_word(typingctx: Any, data: Any, at: Any, word: Any) -> Any:
        """Store the eight bytes of a number at `at`, the lowest first; nothing is checked."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store(args[2], word_at(context, builder, signature, args), align=1)
            return context.get_dummy_value()

        return types.void(data, types.int64, types.int64), codegen

else:

    def store_word(data: Any, at: Any, word: Any) -> None:
        """Store the eight bytes of a number at `at`, the lowest first."""
        data[at : at + 8] = np.frombuffer((int(word) & (1 << 64) - 1).to_bytes(8, "little"), np.uint8)


@_inlined
def _put_plain(out, at, value):
    """Write a number below 1000; returns its end."""
    word = np.int64(_PLAIN[np.uint64(value)])
    store_word(out, at, word)
    return at + (word >> _LENGTH_BIT)


@_inlined
def _put_padded(out, at, value):
    """Write three digits; returns their end."""
    store_word(out, at, np.int64(_PADDED[np.uint64(value)]))
    return at + 3


@_inlined
def _thousands(value):
    """How many thousands are in a number below a million, and the rest."""
    high = (value * _IN_THOUSANDS) >> 32
    return high, value - high * _THOUSAND


@_inlined
def _put_nine(out, at, value):
    """Write nine digits; returns their end."""
    high = value // _MILLION
    middle, low = _thousands(value - high * _MILLION)
    return _put_padded(out, _put_padded(out, _put_padded(out, at, high), middle), low)


@_inlined
def _put_six(out, at, value):
    """Write a number of four to six digits; returns its end."""
    high, low = _thousands(value)
    return _put_padded(out, _put_plain(out, at, high), low)


@njit(_nrt=False, error_model="numpy")
def _put_start(out, at, value):
    """Write a number of one to nine digits; returns its end."""
    if value < _THOUSAND:
        return _put_plain(out, at, value)
    if value < _MILLION:
        return _put_six(out, at, value)
    high = value // _MILLION
    middle, low = _thousands(value - high * _MILLION)
    return _put_padded(out, _put_padded(out, _put_plain(out, at, high), middle), low)


@njit(_nrt=False, error_model="numpy")
def _put_long(out, at, value):
    """Write a number below 0, or of more than six digits; returns its end."""
    if value < 0:
        out[at] = _MINUS
        at += 1
        value = -value
    high, low = value // _MILLIARD, value % _MILLIARD
    if high >= _MILLIARD:
        at = _put_nine(out, _put_plain(out, at, high // _MILLIARD), high % _MILLIARD)
    elif high:
        at = _put_start(out, at, high)
    else:
        return _put_start(out, at, low)
    return _put_nine(out, at, low)


@_inlined
def put_integer(out, at, value):
    """Write a whole number in decimal, above -2^63; returns its end."""
    value = np.int64(value)
    if below(value, _THOUSAND):
        return _put_plain(out, at, value)
    if below(value, _MILLION):
        return _put_six(out, at, value)
    return _put_long(out, at, value)
