"""What Python packs and unpacks of a row is derived from the row's dtype, where each field is stated once.

For code that takes one row at a time from bytes: `struct` is several times as fast there as numpy.
"""

from struct import Struct
from typing import Any

import numpy as np

_CODES = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def _is_padding(field: np.dtype[Any]) -> bool:
    return field.subdtype is not None and field.subdtype[0].itemsize == 1


def _code(field: np.dtype[Any]) -> str:
    if _is_padding(field):
        return f"{field.itemsize}x"
    if field.subdtype is not None or field.kind in "SV":
        return f"{field.itemsize}s"
    return _CODES[field.str[1:]]


def row_fields(dtype: np.dtype[Any]) -> tuple[str, ...]:
    """The names of a record's fields in the order in which `row_struct` packs them: all but arrays of bytes."""
    fields: Any = dtype.fields
    return tuple(name for name in fields if not _is_padding(fields[name][0]))


def row_struct(dtype: np.dtype[Any]) -> Struct:
    """The struct of a record, little-endian, one value per name of `row_fields`.

    An array of bytes is padding: skipped, and packed as zeros. Any other array, such as a label's words of text, is
    one value, its bytes. The record must have no gaps and no fields of other kinds than integers, bytes and arrays.
    """
    fields: Any = dtype.fields
    struct = Struct("<" + "".join(_code(fields[name][0]) for name in fields))
    assert struct.size == dtype.itemsize, dtype
    return struct
