"""Records at an address: kernels read and write the rows of an array without carrying the array through every call.

With the JIT off an "address" is the array itself.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from engine import overlay, schema
from engine.kernels import OVERLAY_TYPE, record_type
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

    def _bring_function(module: Any) -> Any:
        """The function (overlay, first byte, last byte) of a module that copies granules that this call has not yet."""
        word, byte = ir.IntType(64), ir.IntType(8)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word, word])
        function = cgutils.get_or_insert_function(module, kind, "lionrock_bring")
        if not function.is_declaration:
            return function
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block())
        start, first, last = function.args
        fields: Any = overlay.OVERLAY.fields

        def own(name: str) -> Any:
            place = builder.gep(start, [ir.Constant(word, fields[name][1])])
            return builder.bitcast(place, word.as_pointer())

        origin = builder.inttoptr(builder.load(own("origin_address")), byte.as_pointer())
        stamps = builder.inttoptr(builder.load(own("stamps_address")), word.as_pointer())
        call = builder.load(own("call"))
        bits = ir.Constant(word, overlay.GRANULE_BITS)
        stop = builder.add(builder.lshr(last, bits), ir.Constant(word, 1))
        with cgutils.for_range_slice(builder, builder.lshr(first, bits), stop, ir.Constant(word, 1)) as (granule, _):
            stamp = builder.gep(stamps, [granule])
            with builder.if_then(builder.icmp_unsigned("!=", builder.load(stamp), call)):
                builder.store(call, stamp)
                builder.store(builder.add(builder.load(own("granules")), ir.Constant(word, 1)), own("granules"))
                place = builder.shl(granule, bits)
                target, source = builder.gep(start, [place]), builder.gep(origin, [place])
                cgutils.raw_memcpy(builder, target, source, ir.Constant(word, overlay.GRANULE_BYTES), 1)
        builder.ret_void()
        return function

    def _bring(builder: Any, row: Any, place: Any, size_bytes: int) -> None:
        """Before a row of an overlay is used: have its bytes there."""
        start = builder.bitcast(row, ir.IntType(8).as_pointer())
        last = builder.add(place, ir.Constant(ir.IntType(64), size_bytes - 1))
        builder.call(_bring_function(builder.module), [start, place, last])

    @intrinsic
    def bring(typingctx: Any, s: Any, place: Any, size_bytes: Any) -> Any:
        """Have so many bytes of the state, from a place on, in an overlay."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
            last = builder.sub(builder.add(args[1], args[2]), ir.Constant(ir.IntType(64), 1))
            builder.call(_bring_function(builder.module), [start, args[1], last])
            return context.get_dummy_value()

        return types.void(s, types.int64, types.int64), codegen

    def _column(owner: Any, name: str) -> Any:
        """A function (owner row, index) -> the row at this index of one of its arrays; the index is not checked."""
        owner_type = record_type(owner)
        row_dtype = owner.fields[name][0].base
        row_type, offset = record_type(row_dtype), owner.fields[name][1]

        @intrinsic
        def row_at(typingctx: Any, row: Any, index: Any) -> Any:
            is_overlay = row == OVERLAY_TYPE

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                word = ir.IntType(64)
                place = builder.mul(args[1], ir.Constant(word, row_dtype.itemsize), flags=["nsw"])
                place = builder.add(place, ir.Constant(word, offset), flags=["nsw"])
                start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
                if is_overlay:
                    _bring(builder, args[0], place, row_dtype.itemsize)
                return builder.bitcast(builder.gep(start, [place]), context.get_value_type(row_type))

            return row_type(OVERLAY_TYPE if is_overlay else owner_type, types.int64), codegen

        return row_at

    def _words(name: str) -> Any:
        """A function (state, index) -> the number at this index of an array of numbers; the index is not checked."""
        offset = STATE.fields[name][1]  # type: ignore[index]

        @intrinsic
        def word_at(typingctx: Any, s: Any, index: Any) -> Any:
            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                word = ir.IntType(64)
                place = builder.add(builder.mul(args[1], ir.Constant(word, 8)), ir.Constant(word, offset))
                if s == OVERLAY_TYPE:
                    _bring(builder, args[0], place, 8)
                start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
                return builder.load(builder.bitcast(builder.gep(start, [place]), word.as_pointer()))

            return types.int64(s, types.int64), codegen

        return word_at

else:

    def bring(s: Any, place: int, size_bytes: int) -> None:
        """With the JIT off an overlay is a whole copy already."""

    def _column(owner: Any, name: str) -> Any:
        return lambda row, index: row[name][index]

    def _words(name: str) -> Any:
        return lambda s, index: s[name][index]


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
            if s == OVERLAY_TYPE:
                _bring(builder, args[0], place, CELLS_PER_BUCKET * cells.base.itemsize)
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

    def _word_of(dtype: Any, first: str) -> Any:
        """A function (row) -> the eight bytes that begin with a field, as one number, the first the lowest."""
        row_type, place = record_type(dtype), dtype.fields[first][1]

        @intrinsic
        def word_of(typingctx: Any, row: Any) -> Any:
            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
                start = builder.gep(start, [ir.Constant(ir.IntType(64), place)])
                return builder.load(builder.bitcast(start, ir.IntType(64).as_pointer()), align=1)

            return types.int64(row_type), codegen

        return word_of

else:

    def _word_of(dtype: Any, first: str) -> Any:
        return lambda row: np.int64(row.getfield(np.int64, dtype.fields[first][1]))


kind_and_style = _word_of(schema.COMMAND, "kind")
"""Of a command: kind, side, type, time in force, self-trade mode, then trigger source and reason."""
flags_and_account = _word_of(schema.COMMAND, "flags")
"""Of a command: its flags, above them the account."""

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


if JIT:

    def _alone(layout: str, name: str) -> Any:
        """A function (row) -> its int64 of this name, which is never read in one load with the field beside it.

        What was just stored is handed on to a load of the same bytes. One that is wider waits until the cache has them.
        """

        @intrinsic
        def field_of(typingctx: Any, row: Any) -> Any:
            offset = row.offset(name)

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                word = ir.IntType(64)
                start = builder.bitcast(args[0], ir.IntType(8).as_pointer())
                place = builder.bitcast(builder.gep(start, [ir.Constant(word, offset)]), word.as_pointer())
                value = builder.load_atomic(place, "unordered", 8)
                value.set_metadata("tbaa", alias_tag(builder.module, f"{layout}.{name}"))
                return value

            return types.int64(row), codegen

        return field_of

else:

    def _alone(layout: str, name: str) -> Any:
        return lambda row: getattr(row, name)


last_seq_of = _alone("STATE", "last_seq")
now_ns_of = _alone("STATE", "now_ns")
size_lots_of = _alone("POSITION", "size_lots")
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
known_until_ns = _words("persons")
