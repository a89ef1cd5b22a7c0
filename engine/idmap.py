"""An open-addressing hash map from ids to slots, for linear probing with backward-shift deletion.

A cell is one int64: a 41-bit tag of the id above the slot's 22 bits, 0 when empty; the caller compares the id itself.
Within its cells the table of size n lives at offset n, so doubling never overlaps: while a table grows, each change
moves a few cells of the old one, and what is touched follows what is alive. At most half of the cells are in use.
"""

from engine.codes import NIL
from engine.kernels import inlined, kernel, rare
from engine.rows import cell_at
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


@inlined
def tag_of(high, low):
    """The tag of a pair of integers: well mixed in its low bits, never 0."""
    word = wrapping_mul(low ^ wrapping_mul(high, _K1), _K2)
    word = wrapping_mul(word ^ (word >> 32), _K3)
    return ((word >> 23) & _TAG_MASK) | _TAG_MARK


@kernel
def reset(table, base):
    """Make an empty table whose cells, all zero, begin at `base`."""
    table.base = base
    table.size = FIRST_SIZE
    table.live = 0
    table.old_size = 0
    table.cursor = 0


@inlined
def seek(s, start, mask, tag, place):
    """The first place from `place` on with this tag, NIL when an empty cell comes first.

    `start` is where the table's cells begin, `mask` its size less one.
    """
    place &= mask
    while True:
        cell = cell_at(s, start + place).word
        if cell == 0:
            return NIL
        if cell >> SLOT_BITS == tag:
            return place
        place = (place + 1) & mask


@inlined
def slot_at(s, start, place):
    """The slot that a place holds."""
    return cell_at(s, start + place).word & SLOT_MASK


@inlined
def _put(s, start, mask, cell):
    place = (cell >> SLOT_BITS) & mask
    while cell_at(s, start + place).word != 0:
        place = (place + 1) & mask
    cell_at(s, start + place).word = cell


@inlined
def _take(s, start, mask, place):
    """Empty a place and shift the cells behind it back, so that no probe meets a hole too early."""
    hole, look = place, place
    while True:
        look = (look + 1) & mask
        cell = cell_at(s, start + look).word
        if cell == 0:
            break
        home = (cell >> SLOT_BITS) & mask
        if (look - home) & mask >= (look - hole) & mask:
            cell_at(s, start + hole).word = cell
            hole = look
    cell_at(s, start + hole).word = 0


@rare
def _move_some(s, table):
    """Carry a few cells of the old table over; what shifts back into a place goes next."""
    for _ in range(CELLS_PER_MOVE):
        if table.cursor == table.old_size:
            table.old_size = 0
            return
        start = table.base + table.old_size
        cell = cell_at(s, start + table.cursor).word
        if cell == 0:
            table.cursor += 1
        else:
            _take(s, start, table.old_size - 1, table.cursor)
            _put(s, table.base + table.size, table.size - 1, cell)


@rare
def _grow(table):
    table.old_size = table.size
    table.size *= 2
    table.cursor = 0


@kernel
def insert(s, table, tag, slot):
    """Add an id that is not in the map; the capacity of the rows bounds the table."""
    if table.old_size != 0:
        _move_some(s, table)
    elif 2 * (table.live + 1) > table.size:
        _grow(table)
    table.live += 1
    _put(s, table.base + table.size, table.size - 1, (tag << SLOT_BITS) | slot)


@kernel
def remove(s, table, tag, slot):
    """Take out the cell of this tag and slot; it is in the map."""
    wanted = (tag << SLOT_BITS) | slot
    mask = table.size - 1
    start = table.base + table.size
    place = tag & mask
    while cell_at(s, start + place).word != wanted:
        if cell_at(s, start + place).word == 0:
            mask = table.old_size - 1
            start = table.base + table.old_size
            place = tag & mask
        else:
            place = (place + 1) & mask
    _take(s, start, mask, place)
    table.live -= 1
    if table.old_size != 0:
        _move_some(s, table)
