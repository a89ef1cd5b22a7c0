"""Records at an address: kernels read and write the rows of an array without carrying the array through every call.

With the JIT off an "address" is the array itself.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import from_dtype

from engine.units import JIT

if JIT:

    @intrinsic
    def address_of(typingctx: Any, rows: Any) -> Any:
        """Where the first row of an array lies."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, args[0])
            return builder.ptrtoint(array.data, ir.IntType(64))

        return types.int64(rows), codegen

    def reader(dtype: Any) -> Any:
        """A function (address, index) -> the row there, with this layout."""
        row_type = from_dtype(dtype)

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
