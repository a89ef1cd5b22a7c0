"""An open-addressing hash map from ids to slots, for linear probing with backward-shift deletion.

A cell is one int64: a 41-bit tag of the id above the slot's 22 bits, 0 when empty; the caller compares the id itself.
The table of size n lives at offset n of its cells, so doubling never overlaps: while a table grows, each change moves
a few cells of the old one, and what is touched follows what is alive. At most half of the cells are in use.
"""

import numpy as np
from numba import njit

from engine.codes import NIL
from engine.units import wrapping_mul

SLOT_BITS = 22
SLOT_MASK = (1 << SLOT_BITS) - 1
FIRST_SIZE = 64
CELLS_PER_MOVE = 8
_TAG_MASK = (1 << 40) - 1
_TAG_MARK = 1 << 40
_K1 = -7046029254386353131
_K2 = -4417276706812531889
_K3 = 1609587929392839161


@njit
def tag_of(high, low):
    """The tag of a pair of integers: well mixed in its low bits, never 0."""
    word = wrapping_mul(low ^ wrapping_mul(high, _K1), _K2)
    word = wrapping_mul(word ^ (word >> 32), _K3)
    return ((word >> 23) & _TAG_MASK) | _TAG_MARK


@njit
def reset(table):
    """Make an empty table; its cells are zero."""
    table.size = FIRST_SIZE
    table.live = 0
    table.old_size = 0
    table.cursor = 0


@njit
def seek(cells, size, tag, place):
    """The first place from `place` on with this tag, NIL when an empty cell comes first."""
    mask = size - 1
    place &= mask
    while True:
        cell = cells[size + place].word
        if cell == 0:
            return NIL
        if cell >> SLOT_BITS == tag:
            return place
        place = (place + 1) & mask


@njit
def slot_at(cells, size, place):
    """The slot that a place holds."""
    return cells[size + place].word & SLOT_MASK


@njit
def _put(cells, size, cell):
    mask = size - 1
    place = (cell >> SLOT_BITS) & mask
    while cells[size + place].word != 0:
        place = (place + 1) & mask
    cells[size + place].word = cell


@njit
def _take(cells, size, place):
    """Empty a place and shift the cells behind it back, so that no probe meets a hole too early."""
    mask = size - 1
    hole, look = place, place
    while True:
        look = (look + 1) & mask
        cell = cells[size + look].word
        if cell == 0:
            break
        home = (cell >> SLOT_BITS) & mask
        if (look - home) & mask >= (look - hole) & mask:
            cells[size + hole].word = cell
            hole = look
    cells[size + hole].word = 0


@njit
def _move_some(table, cells):
    """Carry a few cells of the old table over; what shifts back into a place goes next."""
    for _ in range(CELLS_PER_MOVE):
        if table.cursor == table.old_size:
            table.old_size = 0
            return
        cell = cells[table.old_size + table.cursor].word
        if cell == 0:
            table.cursor += 1
        else:
            _take(cells, table.old_size, table.cursor)
            _put(cells, table.size, cell)


@njit
def insert(table, cells, tag, slot):
    """Add an id that is not in the map; the capacity of the rows bounds the table."""
    if table.old_size != 0:
        _move_some(table, cells)
    elif 2 * (table.live + 1) > table.size:
        table.old_size = table.size
        table.size *= 2
        table.cursor = 0
    table.live += 1
    _put(cells, table.size, (tag << SLOT_BITS) | slot)


@njit
def remove(table, cells, tag, slot):
    """Take out the cell of this tag and slot; it is in the map."""
    wanted = (tag << SLOT_BITS) | np.int64(slot)
    size = table.size
    place = tag & (size - 1)
    while cells[size + place].word != wanted:
        if cells[size + place].word == 0:
            size = table.old_size
            place = tag & (size - 1)
        else:
            place = (place + 1) & (size - 1)
    _take(cells, size, place)
    table.live -= 1
    if table.old_size != 0:
        _move_some(table, cells)
