"""A replay from compiled code: commands are applied by the engine's own entry, called at its address.

So that what reads the state before and after each command of a long log need not come back to Python for it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine import row_access, step
from engine.code_values import COMMAND_TIME
from engine.kernels import code_at, part
from engine.schema import COMMAND, EVENT
from engine.units import FOREVER_NS, JIT

ROW_BYTES = COMMAND.itemsize
assert EVENT.itemsize == ROW_BYTES
address_of = row_access.address_of
Span = Any
"""An address, the first row there that is meant, and how many rows."""


_codes: list[int] = []


def code_of_apply(root: Any) -> int:
    """Where the code of `apply_rows` lies, for `apply_at`: the same for every state. To find it takes 20 ms, once."""
    if not _codes:
        _codes.append(code_at(step.apply_rows, root, 0, 0, 0, 0))
    return _codes[0]


if JIT:

    @intrinsic
    def apply_at(typingctx: Any, code: Any, root: Any, commands: Any, ring: Any) -> Any:
        """`apply_rows` on a span of commands with a span of a ring -> (consumed, written)."""
        result, taken = types.UniTuple(types.int64, 2), (root, *[types.int64] * 4)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def begin_and_rows(span: Any) -> list[Any]:
                address, first, rows = (builder.extract_value(span, place) for place in range(3))
                offset = builder.mul(first, ir.Constant(ir.IntType(64), ROW_BYTES))
                return [builder.add(address, offset), rows]

            convention = context.call_conv
            function = builder.inttoptr(args[0], convention.get_function_type(result, taken).as_pointer())
            given = [args[1], *begin_and_rows(args[2]), *begin_and_rows(args[3])]
            return convention.call_function(builder, function, result, taken, given)[1]

        span = types.UniTuple(types.int64, 3)
        return result(types.int64, root, span, span), codegen

else:

    def apply_at(code: int, root: Any, commands: Span, ring: Span) -> Any:
        """`apply_rows` on a span of commands with a span of a ring -> (consumed, written)."""
        (rows, first, count), (events, filled, room) = commands, ring
        return step.apply_rows(root, rows[first:], count, events[filled:], room)


@part
def begin_first_half(tick, c):
    """Make of a COMMAND row the TIME command that does what is due before another one; `end_first_half` follows it."""
    tick.kind, tick.seq, tick.time_ns = COMMAND_TIME, c.seq, c.time_ns


@part
def end_first_half(s):
    """Uncount the first half. Returns when the work that it left over was due, FOREVER_NS for none."""
    s.last_seq -= 1
    s.commands -= 1
    return s.next_due_ns if s.next_due_ns <= s.now_ns else FOREVER_NS


@part
def begin_second_half(s, left_ns):
    """Keep the command itself from going on with what its first half left over: its bound of work is used up."""
    if left_ns != FOREVER_NS:
        s.next_due_ns = FOREVER_NS


@part
def end_second_half(s, left_ns):
    """The work that was left over is due again."""
    s.next_due_ns = min(left_ns, s.next_due_ns)
