"""Stores and copies of 8 or 32 bytes at once, for compiled writers, since numba copies byte by byte.

And what they write with them: a text, a whole number.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine.kernels import part
from engine.units import JIT, highest_bit, word_at

BLOCK_BYTES = 32
"""How many bytes `copy_block` copies."""

if JIT:

    @intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]
    def copy_block(typingctx: Any, out: Any, at: Any, text: Any, first: Any) -> Any:
        """out[at : at + BLOCK_BYTES] = text[first : first + BLOCK_BYTES], for arrays of bytes; nothing is checked."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            block = ir.VectorType(ir.IntType(8), BLOCK_BYTES).as_pointer()
            places = []
            for array, index in ((0, 1), (2, 3)):
                data = context.make_array(signature.args[array])(context, builder, args[array]).data
                places.append(builder.bitcast(builder.gep(data, [args[index]]), block))
            builder.store(builder.load(places[1], align=1), places[0], align=1)
            return context.get_dummy_value()

        return types.void(out, types.int64, text, types.int64), codegen

    @intrinsic  # type: ignore[misc, untyped-decorator, unused-ignore]
    def store_word(typingctx: Any, data: Any, at: Any, word: Any) -> Any:
        """Store the eight bytes of a number at `at`, the lowest first."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store(args[2], word_at(context, builder, signature, args), align=1)
            return context.get_dummy_value()

        return types.void(data, types.int64, types.int64), codegen

else:

    def copy_block(out: Any, at: Any, text: Any, first: Any) -> None:
        """out[at : at + BLOCK_BYTES] = text[first : first + BLOCK_BYTES]."""
        out[at : at + BLOCK_BYTES] = text[first : first + BLOCK_BYTES]

    def store_word(data: Any, at: Any, word: Any) -> None:
        """Store the eight bytes of a number at `at`, the lowest first."""
        data[at : at + 8] = np.frombuffer((int(word) & (1 << 64) - 1).to_bytes(8, "little"), np.uint8)


PAIRS = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), np.uint8).copy()
POW10 = np.array([10**power for power in range(19)])


@part
def put_text(out, at, text, first, size):
    """Copy a text in blocks, which also overwrites some bytes behind it; returns the end of the text."""
    copy_block(out, at, text, first)
    for done in range(BLOCK_BYTES, size, BLOCK_BYTES):
        copy_block(out, at + done, text, first + done)
    return at + size


@part
def put_integer(out, at, value):
    """Write a whole number in decimal; returns its end."""
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    digits = (highest_bit(value | 1) + 1) * 1233 >> 12  # that many bits times log10(2), rounded down
    digits += 1 if digits == 0 or value >= POW10[digits] else 0
    end = at + digits
    while value >= 100:
        end -= 2
        pair = value % 100 * 2
        out[end], out[end + 1] = PAIRS[pair], PAIRS[pair + 1]
        value //= 100
    if value >= 10:
        out[end - 2], out[end - 1] = PAIRS[value * 2], PAIRS[value * 2 + 1]
    else:
        out[end - 1] = 48 + value
    return at + digits
