"""The rows that the follower of order lives writes: commands, and what should be true after them."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from engine.code_values import (
    COMMAND_AMEND,
    COMMAND_CANCEL,
    COMMAND_NEW,
    EXEC_QTY_IS_LEAVES,
    SIDE_BUY,
    SIDE_SELL,
    TIF_GTC,
    TIF_IOC,
    TYPE_LIMIT,
)
from engine.recordings.checks import ASK_LOTS, ASK_TICKS, BID_LOTS, BID_TICKS, BOOK_WORDS, CHECK, EXECUTION
from engine.recordings.live_orders import (
    BOOKS,
    CHECKS,
    EXECUTIONS,
    IS_MUTE,
    MESSAGE,
    NEED,
    READER_IDS,
    ROWS,
    TIME_NS,
    ladder_of,
)
from engine.schema import COMMAND

_SPARE_ROWS = 8
"""Rows that most LIFE rows need at most; those that need more say so before they change anything."""

Array = np.ndarray[Any, Any]


class Out(NamedTuple):
    """Where its rows go."""

    commands: Array
    messages: Array
    checks: Array
    executions: Array
    books: Array


def new_out(rows: int, depth: int) -> Out:
    """Room for so many rows, with checks of `depth` levels."""
    rows += _SPARE_ROWS
    return Out(
        np.zeros(rows, COMMAND),
        np.zeros(rows, np.int64),
        np.zeros(2 * rows, CHECK),
        np.zeros(rows, EXECUTION),
        np.zeros((rows, depth, BOOK_WORDS), np.int64),
    )


@njit(cache=True)
def has_rows(f, out, rows):
    """Whether so many commands or executions fit, beside what every row may need."""
    head = f.head
    head[NEED] = rows
    room = min(len(out.commands) - head[ROWS], len(out.executions) - head[EXECUTIONS]) - _SPARE_ROWS
    return head[IS_MUTE] or (rows <= room and head[CHECKS] + 2 <= len(out.checks) and head[BOOKS] < len(out.books))


@njit(cache=True)
def write_command(f, out, slot, kind):
    """A command about an order as it stands now."""
    head, order = f.head, f.orders[slot]
    if head[IS_MUTE]:
        return
    row = out.commands[head[ROWS]]
    row.kind, row.time_ns = kind, head[TIME_NS]
    row.contract_slot, row.cl_ord_id = order.contract, order.cl_ord_id
    if kind == COMMAND_NEW:
        row.side, row.ord_type, row.tif = order.side, TYPE_LIMIT, TIF_GTC
    if kind == COMMAND_AMEND:
        row.flags = EXEC_QTY_IS_LEAVES
    if kind != COMMAND_CANCEL:
        row.qty_lots, row.price_ticks = order.size_lots, order.price_ticks
    out.messages[head[ROWS]] = head[MESSAGE]
    head[ROWS] += 1


@njit(cache=True)
def write_aggressor(f, out, contract, side, price_ticks, qty_lots):
    """An immediate-or-cancel order that takes from the resting side."""
    head = f.head
    if head[IS_MUTE]:
        return
    head[READER_IDS] += 1
    row = out.commands[head[ROWS]]
    row.kind, row.time_ns = COMMAND_NEW, head[TIME_NS]
    row.contract_slot, row.cl_ord_id = contract, head[READER_IDS]
    row.side, row.ord_type, row.tif = SIDE_BUY + SIDE_SELL - side, TYPE_LIMIT, TIF_IOC
    row.qty_lots, row.price_ticks = qty_lots, price_ticks
    out.messages[head[ROWS]] = head[MESSAGE]
    head[ROWS] += 1


@njit(cache=True)
def write_check(f, out, contract, executions, books):
    head = f.head
    row = out.checks[head[CHECKS]]
    row.at, row.message, row.contract = head[ROWS], head[MESSAGE], contract
    row.executions, row.books = executions, books
    head[CHECKS] += 1


@njit(cache=True)
def write_book(f, out, contract):
    """The best levels of a contract as the recording has them."""
    head = f.head
    book = out.books[head[BOOKS]]
    for side in (SIDE_BUY, SIDE_SELL):
        ladder = f.ladders[ladder_of(contract, side)]
        end = ladder.start + ladder.count - 1
        for level in range(min(ladder.count, len(book))):
            row = f.levels[end - level]
            if side == SIDE_BUY:
                book[level, BID_TICKS], book[level, BID_LOTS] = row.price_ticks, row.size_lots
            else:
                book[level, ASK_TICKS], book[level, ASK_LOTS] = row.price_ticks, row.size_lots
    head[BOOKS] += 1
