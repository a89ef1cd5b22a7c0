"""An open-addressing hash map from ids to slots, in buckets of one cache line; a full one overflows into the next.

A cell is one int64: a 41-bit tag of the id above the slot's 22 bits, 0 when empty; the caller compares the id itself.
A bucket's eight cells are compared at once, so that an id's place in it costs no mispredicted branch.
The table of size n lives at offset n of the cells, so that a doubled table does not overlap the old one. While a table
grows, each change moves a few cells of the old one: the memory touched follows the number of live ids. At most half of
the cells are in use.
"""

import numpy as np

from engine.codes import NIL
from engine.kernels import inlined, kernel, rare
from engine.row_access import CELLS_PER_BUCKET, cell_at, cells_equal
from engine.units import lowest_bit, prefetch, unlikely, wrapping_mul

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
def home_of(tag, mask):
    """The first place of the bucket where a tag belongs; `mask` is the size of the table less one."""
    return tag & (mask - (CELLS_PER_BUCKET - 1))


@inlined
def _next_bucket(place, mask):
    return ((place & -CELLS_PER_BUCKET) + CELLS_PER_BUCKET) & mask


@inlined
def _empty_lanes(s, start, place):
    """Which cells of a place's bucket are empty, as bits."""
    return cells_equal(s, start + (place & -CELLS_PER_BUCKET), 0, 0)


@inlined
def seek(s, start, mask, tag, place):
    """The first place with this tag from `place` on, NIL when a bucket with an empty cell comes first.

    `start` is where the table's cells begin, `mask` its size less one. Begin at `home_of` the tag.
    """
    lanes = cells_equal(s, start + (place & -CELLS_PER_BUCKET), SLOT_BITS, tag) & -(
        1 << (place & (CELLS_PER_BUCKET - 1))
    )
    while lanes == 0:
        if not unlikely(_empty_lanes(s, start, place) == 0):
            return NIL
        place = _next_bucket(place, mask)
        lanes = cells_equal(s, start + place, SLOT_BITS, tag)
    return (place & -CELLS_PER_BUCKET) + lowest_bit(lanes)


@rare
def seek_on(s, start, mask, tag, place):
    """`seek` on from behind a place that had the right tag and another id."""
    return seek(s, start, mask, tag, place + 1)


@inlined
def first_cell(table, size, tag):
    """The first cell of a tag's bucket in the table of a size."""
    return table.base + size + home_of(tag, size - 1)


@inlined
def likely_slot(s, table, tag):
    """A slot from the tag's bucket, the right one for most ids in the map: good enough to prefetch, no more.

    Most often 0 for an id that is not in the map: the last cell of a bucket is seldom used.
    """
    start = first_cell(table, table.size, tag)
    last = 1 << (CELLS_PER_BUCKET - 1)
    return cell_at(s, start + lowest_bit(cells_equal(s, start, SLOT_BITS, tag) | last)).word & SLOT_MASK


@inlined
def slot_at(s, cell):
    """The slot that a cell holds."""
    return cell_at(s, cell).word & SLOT_MASK


@kernel
def ids_left(table):
    """How many ids may be added before the table grows, 0 while it does."""
    return table.size // 2 - table.live if table.old_size == 0 else 0


@inlined
def cell_in_bucket(s, table, tag):
    """The first empty cell of a tag's bucket, in a table that does not grow. NIL: the tag may be in the map, or that
    cell is the last.
    """
    first = table.base + table.size + home_of(tag, table.size - 1)
    if not unlikely(cells_equal(s, first, SLOT_BITS, tag) != 0):
        empty = cells_equal(s, first, 0, 0)
        if not unlikely(empty & (empty - 1) == 0):
            return first + lowest_bit(empty)
    return np.int64(NIL)


@inlined
def free_cell(s, table, tag):
    """`cell_in_bucket`, NIL also while the table grows, or has to with the next id."""
    if table.old_size == 0 and 2 * (table.live + 1) <= table.size:
        return cell_in_bucket(s, table, tag)
    return np.int64(NIL)


@inlined
def _put(s, start, mask, tag, slot):
    """Fill the first empty cell for a tag. Returns its number, NIL when it was the last one of its bucket."""
    place = home_of(tag, mask)
    lanes = _empty_lanes(s, start, place)
    while unlikely(lanes == 0):
        place = _next_bucket(place, mask)
        lanes = _empty_lanes(s, start, place)
    number = start + place + lowest_bit(lanes)
    cell_at(s, number).word = (tag << SLOT_BITS) | slot
    return number if lanes & (lanes - 1) != 0 else NIL


@rare
def _pull_back(s, start, mask, hole):
    """Fill a hole in a bucket that was full with a cell that had overflowed past it: no search may end too early."""
    place = _next_bucket(hole, mask)
    while True:
        full = _empty_lanes(s, start, place) == 0
        for look in range(place, place + CELLS_PER_BUCKET):
            cell = cell_at(s, start + look).word
            home = home_of(cell >> SLOT_BITS, mask)
            if cell != 0 and (place - home) & mask >= (place - (hole & -CELLS_PER_BUCKET)) & mask:
                cell_at(s, start + hole).word = cell
                cell_at(s, start + look).word = 0
                hole = look
                break
        if not full:
            return
        place = _next_bucket(place, mask)


@inlined
def _take(s, start, mask, place):
    """Empty a place."""
    was_full = _empty_lanes(s, start, place) == 0
    cell_at(s, start + place).word = 0
    if unlikely(was_full):
        _pull_back(s, start, mask, place)


@rare
def _move_some(s, table):
    """Move a few cells of the old table to the new one; a cell that shifts back into an emptied place is next."""
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
            _put(s, table.base + table.size, table.size - 1, cell >> SLOT_BITS, cell & SLOT_MASK)
    behind = table.cursor + CELLS_PER_BUCKET
    for first in (table.base + table.old_size, table.base + table.size, table.base + table.size + table.old_size):
        prefetch(cell_at(s, first + behind))  # the next bucket, and the two where its cells go


@rare
def _grow(table):
    table.old_size = table.size
    table.size *= 2
    table.cursor = 0


@rare
def insert(s, table, tag, slot):
    """Add an id that is not in the map; the capacity of the rows bounds the table. Returns what `_put` does."""
    if table.old_size != 0:
        _move_some(s, table)
    elif 2 * (table.live + 1) > table.size:
        _grow(table)
    table.live += 1
    return _put(s, table.base + table.size, table.size - 1, tag, slot)


@inlined
def fill(s, table, tag, slot, cell):
    """`insert` into the cell that `free_cell` has found since the last other change of the map."""
    table.live += 1
    cell_at(s, cell).word = (tag << SLOT_BITS) | slot


@inlined
def cell_of(s, table, tag, slot):
    """The cell of this tag and slot, which is in the map."""
    wanted = (tag << SLOT_BITS) | slot
    mask = table.size - 1
    start = table.base + table.size
    place = home_of(tag, mask)
    lanes = cells_equal(s, start + place, 0, wanted)
    while unlikely(lanes == 0):
        if _empty_lanes(s, start, place) != 0:
            mask = table.old_size - 1
            start = table.base + table.old_size
            place = home_of(tag, mask)
        else:
            place = _next_bucket(place, mask)
        lanes = cells_equal(s, start + place, 0, wanted)
    return start + place + lowest_bit(lanes)


@rare
def _pull_back_to(s, table, cell):
    """`_pull_back` to a cell of the table or of the one that is being emptied."""
    size = table.size if cell >= table.base + table.size else table.old_size
    start = table.base + size
    _pull_back(s, start, size - 1, cell - start)


@inlined
def remove(s, table, cell):
    """Empty a cell of the map. Its number says where its bucket begins, since tables begin where buckets do."""
    was_full = _empty_lanes(s, 0, cell) == 0
    cell_at(s, cell).word = 0
    if unlikely(was_full):
        _pull_back_to(s, table, cell)
    _count_out(s, table)


@inlined
def remove_newest(s, table, cell):
    """Empty the cell that was filled last, in a bucket that has another empty one: nothing moves up."""
    cell_at(s, cell).word = 0
    _count_out(s, table)


@inlined
def _count_out(s, table):
    table.live -= 1
    if table.old_size != 0:
        _move_some(s, table)
