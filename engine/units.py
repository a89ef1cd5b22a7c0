"""Scales, bounds and fixed-point operations; every rounding rule has its home here.

Integers only. `_ticks` price in the contract's tick, `_subticks` 1/1000 tick, `_lots` quantity, `_micros` settlement
currency in millionths, `_ppb` a rate in 1e-9, `_ns` nanoseconds since the epoch, UTC. Products that can leave int64
go through 128 bits. Each compiled operation that needs an LLVM intrinsic has a plain Python twin, used when the JIT
is off.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

import engine.cache_stamps  # noqa: F401  numba is told before anything is compiled

PPB = 1_000_000_000
SUBTICKS = 1000
MICROS = 1_000_000
NS_PER_S = 1_000_000_000
MAX_TICKS = (1 << 30) - 1
"""Largest price and trigger price in ticks: the price index holds keys below 2^30."""
MAX_DEPOSITS_MICROS = 1 << 60
MAX_LOTS = 1 << 52
"""Largest order quantity in lots that any contract may permit."""
MAX_POSITION_LOTS = 1 << 56
"""Largest position in lots that any contract may permit: what several accounts have open sums within int64."""
MAX_NOTIONAL_SUBMICROS = 1 << 61
"""Bound of max price in subticks x max position in lots x micros per tick and lot, summed over the contracts.

Beside a full position and its orders an account may have as many orders of the other side and reduce-only ones.
"""
MAX_SOURCE_WEIGHT = 1 << 20
"""Largest weight of an index source: all of them at the largest price still sum within int64."""
EPOCH_2025_S = 1_735_689_600
"""2025-01-01T00:00:00Z in seconds: second 0 of the expiry index."""
INT64_MAX = (1 << 63) - 1
FOREVER_NS = INT64_MAX

JIT = not config.DISABLE_JIT
LINE_BYTES = 64
"""Bytes of a cache line."""
_MASK64 = (1 << 64) - 1


def _signed(word: int) -> int:
    """The int64 with the same 64 bits."""
    word &= _MASK64
    return word - (1 << 64) if word >> 63 else word


def alias_tag(module: Any, name: str, whole: str | None = None) -> Any:
    """What a load or a store in a compiled module is about: those of two names never touch the same memory.

    A part and the `whole` that it is read and written with may touch the same memory, two parts of it never do.
    """
    start = ir.Constant(ir.IntType(64), 0)
    above = module.add_metadata(["rows"])
    if whole is not None:
        above = module.add_metadata([whole, above, start])
    node = module.add_metadata([name, above, start])
    return module.add_metadata([node, node, start])


def word_at(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Code for the place of a word in an array of bytes, for intrinsics whose first arguments are (array, index)."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(64).as_pointer())


if JIT:

    @intrinsic
    def load_word(typingctx: Any, data: Any, at: Any) -> Any:
        """Eight bytes of an array of bytes as one number, the first the lowest; nothing is checked."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load(word_at(context, builder, signature, args), align=1)

        return types.int64(data, types.int64), codegen

    @intrinsic
    def wrapping_mul(typingctx: Any, left: Any, right: Any) -> Any:
        """The low 64 bits of a product, as int64."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.mul(args[0], args[1])

        return types.int64(types.int64, types.int64), codegen

    @intrinsic
    def lowest_bit(typingctx: Any, word: Any) -> Any:
        """The index of the lowest set bit of a non-zero word."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.int64), codegen

    @intrinsic
    def highest_bit(typingctx: Any, word: Any) -> Any:
        """The index of the highest set bit of a non-zero word."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            zeros = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))
            return builder.sub(ir.Constant(ir.IntType(64), 63), zeros)

        return types.int64(types.int64), codegen

    @intrinsic
    def below(typingctx: Any, value: Any, bound: Any) -> Any:
        """Whether 0 <= value < bound, for a bound that is not negative: one comparison."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.icmp_unsigned("<", args[0], args[1])

        return types.boolean(types.int64, types.int64), codegen

    @intrinsic
    def unlikely(typingctx: Any, condition: Any) -> Any:
        """The condition itself, for a branch that is seldom taken: what follows it is laid out of the way."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            bit = ir.IntType(1)
            expect = cgutils.get_or_insert_function(builder.module, ir.FunctionType(bit, [bit, bit]), "llvm.expect.i1")
            return builder.call(expect, [args[0], ir.Constant(bit, 0)])

        return types.boolean(types.boolean), codegen

    @intrinsic
    def mul_high(typingctx: Any, left: Any, right: Any) -> Any:
        """The high 64 bits of a signed 128-bit product."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            wide = ir.IntType(128)
            product = builder.mul(builder.sext(args[0], wide), builder.sext(args[1], wide))
            return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

        return types.int64(types.int64, types.int64), codegen

    @intrinsic
    def product_less(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        """Whether a * b < c * d, in 128 bits."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            wide = [builder.sext(arg, ir.IntType(128)) for arg in args]
            return builder.icmp_signed("<", builder.mul(wide[0], wide[1]), builder.mul(wide[2], wide[3]))

        return types.boolean(types.int64, types.int64, types.int64, types.int64), codegen

    def _ask_for_lines(builder: Any, row: Any, lines: int) -> None:
        """Prefetch a record's first lines. The tag says that this reads no field, so stores may pass it."""
        byte_pointer, int32, int64 = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)
        function_type = ir.FunctionType(ir.VoidType(), [byte_pointer, int32, int32, int32])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        constants = [ir.Constant(int32, value) for value in (1, 3, 1)]
        start = builder.bitcast(row, byte_pointer)
        for line in range(lines):
            place = builder.gep(start, [ir.Constant(int64, line * LINE_BYTES)])
            call = builder.call(function, [place, *constants])
            call.set_metadata("tbaa", alias_tag(builder.module, "prefetched"))

    @intrinsic
    def prefetch(typingctx: Any, row: Any) -> Any:
        """Ask the processor for the cache line at the start of a record; no effect on results."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _ask_for_lines(builder, args[0], 1)
            return context.get_dummy_value()

        return types.void(row), codegen

    @intrinsic
    def prefetch_pair(typingctx: Any, row: Any) -> Any:
        """Ask for the first two cache lines of a record."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _ask_for_lines(builder, args[0], 2)
            return context.get_dummy_value()

        return types.void(row), codegen

else:

    def load_word(data: Any, at: Any) -> int:
        return int.from_bytes(data[at : at + 8].tobytes(), "little", signed=True)

    def wrapping_mul(left: int, right: int) -> int:
        return _signed(int(left) * int(right))

    def lowest_bit(word: int) -> int:
        word = int(word) & _MASK64
        return (word & -word).bit_length() - 1

    def highest_bit(word: int) -> int:
        return (int(word) & _MASK64).bit_length() - 1

    def below(value: int, bound: int) -> bool:
        return 0 <= value < bound

    def unlikely(condition: bool) -> bool:
        return condition

    def mul_high(left: int, right: int) -> int:
        return int(left) * int(right) >> 64

    def product_less(a: int, b: int, c: int, d: int) -> bool:
        return int(a) * int(b) < int(c) * int(d)

    def prefetch(row: object) -> None:
        return None

    def prefetch_pair(row: object) -> None:
        return None


@njit(error_model="numpy")
def _divide_wide(high, low, divisor):
    """(high * 2^64 + low) // divisor, unsigned: Knuth's algorithm D in base 2^32 (Hacker's Delight, divlu).

    Needs high < divisor < 2^63. No 128-bit division: LLVM would call a library that a JIT does not link.
    """
    word, half = np.uint64(32), np.uint64(0xFFFFFFFF)
    shift = np.uint64(63 - highest_bit(np.int64(divisor)))
    divisor = divisor << shift
    high = (high << shift) | (low >> (np.uint64(63) - shift) >> np.uint64(1))
    low = low << shift
    divisor_high, divisor_low = divisor >> word, divisor & half
    quotient = np.uint64(0)
    for digit in (low >> word, low & half):
        guess = high // divisor_high
        rest = high - guess * divisor_high
        while guess > half or guess * divisor_low > ((rest << word) | digit):
            guess -= np.uint64(1)
            rest += divisor_high
            if rest > half:
                break
        high = ((high << word) | digit) - guess * divisor
        quotient = (quotient << word) | guess
    return quotient


@njit(error_model="numpy")
def _mul_div_wide(left, right, divisor):
    """floor(left * right / divisor) for a product beyond int64; divisor > 0."""
    high, low = mul_high(left, right), wrapping_mul(left, right)
    if high >= 0:
        return np.int64(_divide_wide(np.uint64(high), np.uint64(low), np.uint64(divisor)))
    # floor(-p / d) = -1 - floor((p - 1) / d), and p - 1 is the complement of -p.
    return -1 - np.int64(_divide_wide(np.uint64(~high), np.uint64(~low), np.uint64(divisor)))


if JIT:

    @njit(error_model="numpy", forceinline=True)
    def mul_div_floor(left, right, divisor):
        """floor(left * right / divisor) through 128 bits; divisor > 0 and the quotient must fit int64."""
        product = wrapping_mul(left, right)
        if mul_high(left, right) == product >> 63:
            return product // divisor
        return _mul_div_wide(left, right, divisor)

else:

    def mul_div_floor(left: int, right: int, divisor: int) -> int:
        return int(left) * int(right) // int(divisor)


@njit(error_model="numpy", forceinline=True)
def mul_div_ceil(left, right, divisor):
    """ceil(left * right / divisor) through 128 bits; divisor > 0 and the quotient must fit int64."""
    return -mul_div_floor(-left, right, divisor)


@njit(error_model="numpy", forceinline=True)
def mul_ppb_floor(amount, rate_ppb):
    """amount * rate, rounded down: what a client receives."""
    return mul_div_floor(amount, rate_ppb, PPB)


@njit(error_model="numpy", forceinline=True)
def mul_ppb_ceil(amount, rate_ppb):
    """amount * rate, rounded up: what a client owes, and every requirement."""
    return -mul_div_floor(-amount, rate_ppb, PPB)


@njit(error_model="numpy", forceinline=True)
def clamp(value, low, high):
    """The nearest value within [low, high]."""
    if value < low:
        return low
    if value > high:
        return high
    return value


@njit(error_model="numpy")
def median3(a, b, c):
    """The middle one of three."""
    return max(min(a, b), min(max(a, b), c))


@njit(error_model="numpy", forceinline=True)
def fee_micros(notional_micros, rate_ppb):
    """A fee rounds up against the client, a rebate (negative) rounds towards zero; both are one ceiling."""
    return mul_ppb_ceil(notional_micros, rate_ppb)


@njit(error_model="numpy", forceinline=True)
def if_sell(side, value):
    """The value for a sell, 0 for a buy. No branch: sides follow no pattern that could be predicted."""
    return value & (1 - side)


@njit(error_model="numpy", forceinline=True)
def against(side, value):
    """The value for a buy, its negative for a sell; without a branch."""
    return (value ^ (1 - side)) - (1 - side)


@njit(error_model="numpy", forceinline=True)
def opposite(side):
    """The other side: BUY is 1, SELL is 2."""
    return 3 - side
