"""A row that struct packs is the row that numpy reads, and the other way round; the gateway states no layout itself."""

import ast
from struct import calcsize, error

import numpy as np
import pytest

from engine.log_rows import COMMAND, DIRECTIVE, EVENT, LABEL, NOTICE
from engine.row_layout import field_byte, row_fields, row_places, row_struct
from gateway.plain_orders.layout import SCALARS
from gateway.read_model.event_fold import LEG_ROW, ORDER_ROW
from gateway.wire import command_rows, event_rows
from tests.test_arrows import ROOT, sources

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


@pytest.mark.parametrize("name", ROWS)
def test_some_fields_alone_are_read_in_their_order(name):
    dtype = ROWS[name]
    some = row_fields(dtype)[1::2]
    data = np.random.default_rng(10).integers(0, 256, dtype.itemsize, np.uint8).tobytes()
    assert row_struct(dtype, *some).unpack(data) == values_of(np.frombuffer(data, dtype)[0], some)
    if len(some) > 1:
        with pytest.raises(AssertionError):
            row_struct(dtype, *some[::-1])


def test_a_gap_is_refused():
    with pytest.raises(AssertionError):
        row_struct(np.dtype([("kind", "i1"), ("seq", "i8")], align=True))


@pytest.mark.parametrize("name", ROWS)
def test_places_and_bytes_are_those_of_the_field(name):
    dtype = ROWS[name]
    data = np.random.default_rng(9).integers(0, 256, dtype.itemsize, np.uint8).tobytes()
    row, fields = np.frombuffer(data, dtype)[0], row_fields(dtype)
    for field, place in zip(fields, row_places(dtype, *fields), strict=True):
        value = row_struct(dtype).unpack(data)[place]
        assert value == values_of(row, [field])[0]
        size = dtype[field].itemsize
        assert data[field_byte(dtype, field) :][:size] == row[field].tobytes()


def test_the_gateways_structs_are_those_of_the_rows():
    structs = {
        "COMMAND": command_rows.COMMAND_ROW, "LABEL": command_rows.LABEL_ROW, "DIRECTIVE": command_rows.DIRECTIVE_ROW,
        "EVENT": event_rows.EVENT_STRUCT, "NOTICE": event_rows.NOTICE_STRUCT,
    }  # fmt: skip
    assert {name: struct.format for name, struct in structs.items()} == {
        name: row_struct(dtype).format for name, dtype in ROWS.items()
    }
    assert event_rows.Event._fields == row_fields(EVENT) and event_rows.Notice._fields == row_fields(NOTICE)
    for name, dtype in ROWS.items():
        assert row_fields(dtype)[:3] == ("seq", "time_ns", "kind"), name
        assert field_byte(dtype, "kind") == command_rows.KIND_BYTE == command_rows.STAMP.size


def test_order_rows_and_leg_rows_lie_on_each_other():
    assert ORDER_ROW.itemsize == LEG_ROW.itemsize
    shared = set(ORDER_ROW.names) & set(LEG_ROW.names)
    assert shared > {"kind", "seq", "account_slot", "label"}
    assert {name for name in shared if ORDER_ROW.fields[name] != LEG_ROW.fields[name]} == set()


def test_what_the_reader_is_told_lies_at_its_beginning():
    assert SCALARS[:10] == [
        "account_slot", "person", "key", "connection", "place", "first_seq", "now_ns", "offset", "filled", "is_trader",
    ]  # fmt: skip


ROW_NAMES = {"row", "leg", "event", "notice", "command", "before"}
SIZES = {COMMAND.itemsize, ORDER_ROW.itemsize}


def is_bare_column(node):
    """Whether a part of a program reads a field of a row's tuple by its number."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
        return False
    of = node.value
    is_row = (isinstance(of, ast.Name) and of.id in ROW_NAMES) or (
        isinstance(of, ast.Call) and isinstance(of.func, ast.Attribute) and "unpack" in of.func.attr
    )
    return is_row and isinstance(node.slice.value, int)


def is_row_format(node):
    """Whether a part of a program is a struct's format of the size of a row."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not node.value.startswith("<"):
        return False
    try:
        return calcsize(node.value) in SIZES
    except error:
        return False


@pytest.mark.parametrize("path", sources("gateway"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_column_number_and_no_format_stands_in_the_gateway(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    assert [node.lineno for node in nodes if is_bare_column(node) or is_row_format(node)] == []


def test_a_planted_column_number_or_format_is_found():
    for text, check in (
        ("row[17]", is_bare_column),
        ("S.unpack_from(data, 3)[4]", is_bare_column),
        ("S = Struct('<qq6bh4i8q2i16x')", is_row_format),
    ):
        assert any(map(check, ast.walk(ast.parse(text)))), text
    assert not any(map(is_bare_column, ast.walk(ast.parse("row[KIND_AT], row['kind'], rows[0]"))))
