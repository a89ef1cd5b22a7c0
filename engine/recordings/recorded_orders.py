"""Orders by id, for compiled readers: an open-addressing table of what a recording says rests.

A reader's own notes: they decide nothing and match nothing for the engine. `orders` in the functions is
`OrderTable.arrays`: (head, cells, rows). A cell holds an order's row plus 1, 0 when empty; at most half are in use.
"""

from typing import Any

import numpy as np

from engine.kernels import entry, part
from engine.schema import record
from engine.units import wrapping_mul

NOWHERE = -1
_FIRST_ROWS = 1024
_MIX = -7046029254386353131

ORDER = record(
    [
        ("order_id", "i8"),
        ("size", "i8"),
        ("price", "i8"),
        ("side", "i8"),
        ("next", "i8"),  # behind it in its level's queue; free list
        ("prev", "i8"),
        ("taken", "i8"),  # what the present messages take of it, for who checks that it is enough
    ]
)
HEAD = record(
    [
        ("live", "i8"),
        ("used", "i8"),  # rows that were ever taken
        ("free", "i8"),  # the first row that was given back, NOWHERE: none
    ]
)


class OrderTable:
    """Memory for the orders that rest, as many as there are."""

    def __init__(self) -> None:
        self.head = np.zeros(1, HEAD)
        self.head["free"] = NOWHERE
        self.rows = np.zeros(_FIRST_ROWS, ORDER)
        self.cells = np.zeros(2 * _FIRST_ROWS, np.int64)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What the functions below take; it changes with `grow`."""
        return self.head, self.cells, self.rows

    def grow(self, rows: int) -> None:
        """Room for so many orders more than rest now."""
        wanted, size = int(self.head["live"][0]) + rows, len(self.rows)
        while size < wanted:
            size *= 2
        if size == len(self.rows):
            return
        self.rows = np.concatenate([self.rows, np.zeros(size - len(self.rows), ORDER)])
        live = self.cells[self.cells > 0]
        self.cells = np.zeros(2 * size, np.int64)
        _fill(self.cells, self.rows, live)


@part
def _home(cells, order_id):
    mixed = wrapping_mul(order_id, _MIX)
    return (mixed ^ (mixed >> 32)) & (len(cells) - 1)


@part
def _cell_of(orders, order_id):
    """The cell of an order, or the empty one where it would be."""
    _, cells, rows = orders
    cell = _home(cells, order_id)
    while cells[cell] != 0 and rows[cells[cell] - 1].order_id != order_id:
        cell = (cell + 1) & (len(cells) - 1)
    return cell


@part
def find_order(orders, order_id):
    """The row of an order, NOWHERE when none of this id rests."""
    return orders[1][_cell_of(orders, order_id)] - 1


@part
def has_room(orders, count):
    """Whether so many orders more fit."""
    heads, _, rows = orders
    return heads[0].live + count <= len(rows)


@part
def add_order(orders, order_id, size, price, side):
    """A row for an order whose id does not rest."""
    heads, cells, rows = orders
    head = heads[0]
    row = np.int64(head.free)
    if row == NOWHERE:
        row = np.int64(head.used)
        head.used += 1
    else:
        head.free = rows[row].next
    order = rows[row]
    order.order_id = order_id
    order.size = size
    order.price = price
    order.side = side
    order.next = NOWHERE
    order.prev = NOWHERE
    cells[_cell_of(orders, order_id)] = row + 1
    head.live += 1
    return row


@part
def remove_order(orders, row):
    """Forget an order; its row may be another's at once."""
    heads, cells, rows = orders
    mask = len(cells) - 1
    hole = _cell_of(orders, rows[row].order_id)
    cell = (hole + 1) & mask
    while cells[cell] != 0:
        home = _home(cells, rows[cells[cell] - 1].order_id)
        if (cell - home) & mask >= (cell - hole) & mask:
            cells[hole] = cells[cell]
            hole = cell
        cell = (cell + 1) & mask
    cells[hole] = 0
    rows[row].size = 0
    rows[row].next = heads[0].free
    heads[0].free = row
    heads[0].live -= 1


@entry
def _fill(cells, rows, live):
    """Enter rows, each plus 1, into an empty table."""
    for place in range(len(live)):
        cell = _home(cells, rows[live[place] - 1].order_id)
        while cells[cell] != 0:
            cell = (cell + 1) & (len(cells) - 1)
        cells[cell] = live[place]
