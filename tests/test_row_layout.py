"""A row that struct packs is the row that numpy reads, and the other way round."""

import numpy as np
import pytest

from engine.log_rows import COMMAND, DIRECTIVE, EVENT, LABEL, NOTICE
from engine.row_layout import row_fields, row_struct

ROWS = {"COMMAND": COMMAND, "LABEL": LABEL, "DIRECTIVE": DIRECTIVE, "EVENT": EVENT, "NOTICE": NOTICE}
PADDING = {"pad", "spare", "rest"}


def values_of(row, names):
    """The values of a numpy row as struct has them."""
    return tuple(row[name].tobytes() if row[name].ndim else int(row[name]) for name in names)


@pytest.mark.parametrize("name", ROWS)
def test_the_fields_are_all_but_the_padding(name):
    dtype = ROWS[name]
    assert row_fields(dtype) == tuple(field for field in dtype.names if field not in PADDING)
    assert row_struct(dtype).size == dtype.itemsize == 128


@pytest.mark.parametrize("name", ROWS)
def test_unpacking_reads_what_numpy_reads(name):
    dtype = ROWS[name]
    data = np.random.default_rng(7).integers(0, 256, 50 * dtype.itemsize, np.uint8).tobytes()
    rows = np.frombuffer(data, dtype)
    assert list(row_struct(dtype).iter_unpack(data)) == [values_of(row, row_fields(dtype)) for row in rows]


@pytest.mark.parametrize("name", ROWS)
def test_packing_writes_what_numpy_wrote_with_zeros_as_padding(name):
    dtype = ROWS[name]
    rows = np.random.default_rng(8).integers(0, 256, 50 * dtype.itemsize, np.uint8).view(dtype)
    for field in PADDING & set(dtype.names):
        rows[field] = 0
    packed = [row_struct(dtype).pack(*values_of(row, row_fields(dtype))) for row in rows]
    assert b"".join(packed) == rows.tobytes()


def test_a_gap_is_refused():
    with pytest.raises(AssertionError):
        row_struct(np.dtype([("kind", "i1"), ("seq", "i8")], align=True))
