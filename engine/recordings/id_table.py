"""A compiled table from ids to two numbers, for decoders that must know what an id stood for: open addressing.

A table is an int64 array of rows (id, first, second), a power of two of them, at most half in use; a row whose first is
EMPTY is free. Rows that follow a removed one move up, so that a search ends at the first free row.
"""

from typing import Any

import numpy as np
from numba import njit

EMPTY = -(1 << 62)
FIRST_ROWS = 1 << 12

Table = np.ndarray[Any, Any]


def new_table(rows: int = FIRST_ROWS) -> Table:
    """An empty table of a power of two of rows."""
    table = np.zeros((rows, 3), np.int64)
    table[:, 1] = EMPTY
    return table


def rebuilt(table: Table, kept: Table) -> Table:
    """The rows of a table that a mask keeps, in a new one with room for as many again."""
    rows = len(table)
    while rows < 4 * int(kept.sum()):
        rows *= 2
    larger = new_table(rows)
    put_all(larger, table[kept & (table[:, 1] != EMPTY)])
    return larger


@njit(cache=True)
def put_all(table, rows):
    """Enter rows."""
    for index in range(len(rows)):
        place = find(table, rows[index, 0])
        table[place, 0] = rows[index, 0]
        table[place, 1] = rows[index, 1]
        table[place, 2] = rows[index, 2]


@njit(cache=True)
def home_of(key, mask):
    """Where an id belongs."""
    return (key ^ (key >> 13) ^ (key >> 29) ^ (key >> 43)) & mask


@njit(cache=True)
def find(table, key):
    """The row of an id, or the free row where it would stand."""
    mask = len(table) - 1
    place = home_of(key, mask)
    while table[place, 1] != EMPTY and table[place, 0] != key:
        place = (place + 1) & mask
    return place


@njit(cache=True)
def remove(table, place):
    """Free a row that is in use."""
    mask = len(table) - 1
    free = place
    while True:
        place = (place + 1) & mask
        if table[place, 1] == EMPTY:
            break
        distance = (place - home_of(table[place, 0], mask)) & mask
        if distance >= (place - free) & mask:
            for column in range(3):
                table[free, column] = table[place, column]
            free = place
    table[free, 1] = EMPTY
