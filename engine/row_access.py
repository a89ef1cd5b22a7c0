"""Records at an address: kernels read and write the rows of an array without carrying the array through every call.

With the JIT off an "address" is the array itself.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from engine import schema
from engine.kernels import record_type
from engine.schema import NODE, SELLS, STATE, TAKER
from engine.units import JIT, alias_tag

if JIT:

    def address_of(rows: Any) -> Any:
        """Where the first row of an array lies."""
        return rows.ctypes.data

    def at_address(dtype: Any) -> Any:
        """A function (address) -> the row there, with this layout."""
        row_type = record_type(dtype)

        @intrinsic
        def row_at(typingctx: Any, address: Any) -> Any:
            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                return builder.inttoptr(args[0], context.get_value_type(row_type))

            return row_type(types.int64), codegen

        return row_at

    def reader(dtype: Any) -> Any:
        """A function (address, index) -> the row there, with this layout."""
        row_type = record_type(dtype)

        @intrinsic
        def row_at(typingctx: Any, address: Any, index: Any) -> Any:
            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                offset = builder.mul(args[1], ir.Constant(ir.IntType(64), dtype.itemsize))
                return builder.inttoptr(builder.add(args[0], offset), context.get_value_type(row_type))

            return row_type(types.int64, types.int64), codegen

        return row_at

else:

    def address_of(rows: Any) -> Any:
        return rows

    def reader(dtype: Any) -> Any:
        return lambda rows, index: rows.view(dtype)[index]


if JIT:

    def _column(owner: Any, name: str) -> Any:
        """A function (owner row, index) -> the row at this index of one of its arrays; the index is not checked."""
        owner_type = record_type(owner)
        row_dtype = owner.fields[name][0].base
        row_type, offset = record_type(row_dtype), owner.fields[name][1]

        @intrinsic
        def row_at(typingctx: Any, row: Any, index: Any) -> Any:
            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                word = ir.IntType(64)
                place = builder.mul(args[1], ir.Constant(word, row_dtype.itemsize), flags=["nsw"])
                place = builder.add(place, ir.Constant(word, offset), flags=["nsw"])
                start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
                return builder.bitcast(builder.gep(start, [place]), context.get_value_type(row_type))

            return row_type(owner_type, types.int64), codegen

        return row_at

else:

    def _column(owner: Any, name: str) -> Any:
        return lambda row, index: row[name][index]


CELLS_PER_BUCKET = 8
"""Cells of the id maps in one cache line."""

if JIT:

    @intrinsic
    def cells_equal(typingctx: Any, s: Any, first: Any, shift: Any, wanted: Any) -> Any:
        """Bit i is set where cell `first` + i, shifted right, is `wanted`: eight cells at once, without a branch."""

        fields: Any = STATE.fields

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word, lanes = ir.IntType(64), ir.VectorType(ir.IntType(64), CELLS_PER_BUCKET)
            nothing, zero = ir.Constant(lanes, ir.Undefined), ir.Constant(ir.IntType(32), 0)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), CELLS_PER_BUCKET), [0] * CELLS_PER_BUCKET)

            def spread(value: Any) -> Any:
                return builder.shuffle_vector(builder.insert_element(nothing, value, zero), nothing, everywhere)

            cells, offset = fields["cells"][:2]
            place = builder.mul(args[1], ir.Constant(word, cells.base.itemsize), flags=["nsw"])
            place = builder.add(place, ir.Constant(word, offset), flags=["nsw"])
            start = builder.gep(builder.bitcast(args[0], ir.IntType(8).as_pointer()), [place])
            words = builder.load(builder.bitcast(start, lanes.as_pointer()), align=8)
            words.set_metadata("tbaa", alias_tag(builder.module, "CELL.word"))
            same = builder.icmp_unsigned("==", builder.lshr(words, spread(args[2])), spread(args[3]))
            return builder.zext(builder.bitcast(same, ir.IntType(CELLS_PER_BUCKET)), word)

        return types.int64(s, types.int64, types.int64, types.int64), codegen

else:

    def cells_equal(s: Any, first: int, shift: int, wanted: int) -> int:
        words = s["cells"]["word"][first : first + CELLS_PER_BUCKET]
        return sum(1 << lane for lane, word in enumerate(words) if int(word) >> shift == wanted)


if JIT:

    @intrinsic
    def of_side(typingctx: Any, row: Any, side: Any) -> Any:
        """The row seen from a side: for a sell, its fields about buys are those about sells. Use no others."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = builder.mul(builder.sub(args[1], ir.Constant(ir.IntType(64), 1)), ir.Constant(ir.IntType(64), 8))
            start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
            return builder.bitcast(builder.gep(start, [place]), args[0].type)

        return row(row, types.int64), codegen

else:

    class _Selling:
        """A row seen from the side of sells."""

        def __init__(self, row: Any) -> None:
            object.__setattr__(self, "_row", row)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._row, _BY_BUY[name])

        def __setattr__(self, name: str, value: Any) -> None:
            setattr(self._row, _BY_BUY[name], value)

    _BY_BUY = {buy: sell for sell, buy in SELLS.items()}

    def of_side(row: Any, side: int) -> Any:
        return row if side == 1 else _Selling(row)


TIF_SHIFT, STYLE_BITS = 16, 24
STYLE_MASK = (1 << STYLE_BITS) - 1
"""Of a style what every row has: side, type and time in force."""
_STYLE_TYPES = {record_type(getattr(schema, name)): name for name in schema.STYLES} if JIT else {}

if JIT:

    def _at_once(builder: Any, row: Any, dtype: Any, first: str) -> Any:
        """Where four bytes of a row begin, as the address of an int32."""
        place = ir.Constant(ir.IntType(64), dtype.fields[first][1])
        start = builder.gep(builder.bitcast(row, ir.IntType(8).as_pointer()), [place])
        return builder.bitcast(start, ir.IntType(32).as_pointer())

    @intrinsic
    def style_of(typingctx: Any, row: Any) -> Any:
        """Side, type, time in force and one byte more of a row that has them side by side: one number, read at once."""
        name = _STYLE_TYPES[row]

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = builder.load(_at_once(builder, args[0], getattr(schema, name), "side"), align=1)
            word.set_metadata("tbaa", alias_tag(builder.module, f"{name}.style"))
            return builder.zext(word, ir.IntType(64))

        return types.int64(row), codegen

    @intrinsic
    def set_style(typingctx: Any, row: Any, style: Any) -> Any:
        """Write what `style_of` reads."""
        name = _STYLE_TYPES[row]

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = builder.trunc(args[1], ir.IntType(32))
            store = builder.store(word, _at_once(builder, args[0], getattr(schema, name), "side"), align=1)
            store.set_metadata("tbaa", alias_tag(builder.module, f"{name}.style"))
            return context.get_dummy_value()

        return types.void(row, types.int64), codegen

    @intrinsic
    def set_kind_and_style(typingctx: Any, event: Any, word: Any) -> Any:
        """Write an event's kind, then side, type and time in force above it, at once. Nothing reads them back."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            low = builder.trunc(args[1], ir.IntType(32))
            store = builder.store(low, _at_once(builder, args[0], schema.EVENT, "kind"), align=1)
            store.set_metadata("tbaa", alias_tag(builder.module, "EVENT.kind"))
            return context.get_dummy_value()

        return types.void(event, types.int64), codegen

else:

    def _fourth(row: Any) -> str:
        return "self_trade" if "self_trade" in row.dtype.names else "flags"

    def style_of(row: Any) -> int:
        return sum((int(getattr(row, name)) & 0xFF) << 8 * place for place, name in enumerate(_style_names(row)))

    def set_style(row: Any, style: int) -> None:
        for place, name in enumerate(_style_names(row)):
            setattr(row, name, np.int64(int(style) >> 8 * place & 0xFF).astype(np.int8))

    def _style_names(row: Any) -> tuple[str, ...]:
        return "side", "ord_type", "tif", _fourth(row)

    def set_kind_and_style(event: Any, word: int) -> None:
        for place, name in enumerate(("kind", "side", "ord_type", "tif")):
            setattr(event, name, np.int64(int(word) >> 8 * place & 0xFF).astype(np.int8))


if JIT:

    @intrinsic
    def passing_taker(typingctx: Any) -> Any:
        """A TAKER row in registers, nothing written yet; pass it to inlined functions only."""
        row_type = record_type(TAKER)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            words = ir.ArrayType(ir.IntType(64), TAKER.itemsize // 8)
            return builder.bitcast(cgutils.alloca_once(builder, words), context.get_value_type(row_type))

        return row_type(), codegen

else:

    def passing_taker() -> Any:
        return np.zeros(1, TAKER)[0]


contract_at = _column(STATE, "contracts")
ladder_at = _column(STATE, "ladders")
job_at = _column(STATE, "jobs")
ranked_at = _column(STATE, "ranked")
account_at = _column(STATE, "accounts")
profile_at = _column(STATE, "profiles")
position_at = _column(STATE, "positions")
group_at = _column(STATE, "groups")
client_at = _column(STATE, "clients")
group_limit_at = _column(STATE, "group_limits")
approval_at = _column(STATE, "approvals")
collateral_at = _column(STATE, "collateral")
order_at = _column(STATE, "orders")
detail_at = _column(STATE, "details")
own_at = _column(STATE, "own")
account_lapse_at = _column(STATE, "account_lapses")
person_lapse_at = _column(STATE, "person_lapses")
label_of = _column(STATE, "labels")
level_at = _column(STATE, "levels")
node_at = _column(STATE, "nodes")
cell_at = _column(STATE, "cells")
ahead_at = _column(STATE, "ahead")
follower_at = _column(STATE, "followers")
child_at = _column(NODE, "child")
noted_at = _column(STATE, "noted")
held_at = _column(STATE, "held")
branch_at = _column(STATE, "branches")
terms_at = _column(STATE, "terms")
