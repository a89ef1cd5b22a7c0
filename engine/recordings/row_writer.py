"""How compiled readers write command rows: one function for each kind of instruction, and one for a check.

`out` is (cursor, commands, messages): a CURSOR row, zeroed COMMAND rows, and the recorded message of each. The caller
sees to it that there is room.
"""

from typing import Any

import numpy as np

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_NEW,
    EXEC_QTY_IS_LEAVES,
    TYPE_LIMIT,
)
from engine.kernels import part
from engine.schema import record

CURSOR = record(
    [
        ("rows", "i8"),  # how many are written
        ("message", "i8"),  # what follows belongs to this recorded message
        ("time_ns", "i8"),  # and carries its time
        ("checks", "i8"),  # how many checks, executions and books are written
        ("executions", "i8"),
        ("books", "i8"),
    ]
)
Array = np.ndarray[Any, Any]


@part
def _begin_row(out):
    cursors, commands, messages = out
    cursor = cursors[0]
    row = commands[cursor.rows]
    messages[cursor.rows] = cursor.message
    row.time_ns = cursor.time_ns
    cursor.rows += 1
    return row


@part
def write_new(out, cl_ord_id, side, price_ticks, qty_lots, tif):
    """A limit order."""
    row = _begin_row(out)
    row.kind = COMMAND_NEW
    row.side = side
    row.ord_type = TYPE_LIMIT
    row.tif = tif
    row.cl_ord_id = cl_ord_id
    row.price_ticks = price_ticks
    row.qty_lots = qty_lots


@part
def write_cancel(out, cl_ord_id):
    """Cancel an order."""
    row = _begin_row(out)
    row.kind = COMMAND_CANCEL
    row.cl_ord_id = cl_ord_id


@part
def write_amend(out, cl_ord_id, leaves_lots, price_ticks):
    """Leave an order with this open quantity; less at the same price (0 keeps it) keeps its priority."""
    row = _begin_row(out)
    row.kind = COMMAND_AMEND
    row.flags = EXEC_QTY_IS_LEAVES
    row.cl_ord_id = cl_ord_id
    row.price_ticks = price_ticks
    row.qty_lots = leaves_lots


@part
def write_check(cursor, checks, executions, books):
    """What should be true after the rows so far: the next so many of the executions and of the books."""
    check = checks[cursor.checks]
    check.at = cursor.rows
    check.message = cursor.message
    check.contract = 0
    check.executions = executions
    check.books = books
    cursor.checks += 1
    cursor.executions += executions
    cursor.books += books
