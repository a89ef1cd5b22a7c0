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
    if field.subdtype is not None or field.kind in "SV":
        return f"{field.itemsize}s"
    return _CODES[field.str[1:]]


def row_fields(dtype: np.dtype[Any]) -> tuple[str, ...]:
    """The names of a record's fields in the order in which `row_struct` packs them: all but arrays of bytes."""
    fields: Any = dtype.fields
    return tuple(name for name in fields if not _is_padding(fields[name][0]))


def row_struct(dtype: np.dtype[Any], *names: str) -> Struct:
    """The struct of a record, little-endian, one value per name of `row_fields`, or of these names alone.

    What is left out is skipped, and packed as zeros: fields without a name here, and arrays of bytes, which are
    padding. Any other array, such as a label's words of text, is one value, its bytes. Names come in the order of the
    record's fields. The record must have no gaps and no fields of other kinds than integers, bytes and arrays.
    """
    assert dtype.fields is not None
    fields, wanted = dtype.fields, names or row_fields(dtype)
    assert wanted == tuple(name for name in dtype.names or () if name in wanted), wanted
    codes = (_code(fields[name][0]) if name in wanted else f"{fields[name][0].itemsize}x" for name in fields)
    struct = Struct("<" + "".join(codes))
    assert struct.size == dtype.itemsize, dtype
    return struct


def row_places(dtype: np.dtype[Any], *names: str) -> tuple[int, ...]:
    """Where fields stand in the tuple that `row_struct` unpacks: constants by which code reads such a tuple."""
    fields = row_fields(dtype)
    return tuple(fields.index(name) for name in names)


def field_byte(dtype: np.dtype[Any], name: str) -> int:
    """At which byte of a row a field begins."""
    assert dtype.fields is not None
    return int(dtype.fields[name][1])
