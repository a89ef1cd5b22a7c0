"""Prefetching what a taker will need: the orders at the front of a level, and the rows that they lead to.

They are the oldest orders at their price, so no cache has them, and each leads to the next: an order to its position,
that one to its account. Nothing here changes a result.
"""

import numpy as np

from engine import idmap
from engine.kernels import apart, inlined
from engine.row_access import account_at, cell_at, level_at, order_at, own_at, position_at
from engine.units import prefetch, prefetch_pair

CACHED_ACCOUNTS = 1 << 12
"""Up to so many accounts stay in the near caches anyway, and prefetching would only cost."""


@inlined
def look_for_maker(s, slot):
    """Prefetch the position of an order that a taker may meet, its place in its owner's list, the order behind it."""
    order = order_at(s, slot)
    prefetch_pair(position_at(s, order.position_slot))
    prefetch(own_at(s, slot))
    prefetch(order_at(s, order.next_slot))


@inlined
def look_for_owner(s, slot):
    """Prefetch the account of such an order, and the cells where its client id may be."""
    order, table = order_at(s, slot), s.order_map
    account_slot = np.int64(position_at(s, order.position_slot).account_slot)
    prefetch(account_at(s, account_slot))
    prefetch(cell_at(s, idmap.first_cell(table, table.size, idmap.tag_of(account_slot, order.cl_ord_id))))


@apart
def _look_behind(s, level_slot):
    slot = np.int64(level_at(s, level_slot).head_slot)
    look_for_owner(s, slot)
    look_for_maker(s, order_at(s, slot).next_slot)


@inlined
def look_behind(s, level_slot):
    """After a trade: the owner of the level's first order and the position of the second, for the next taker.

    The row at NIL, where there is no second one, leads to rows that exist.
    """
    if s.accounts_used > CACHED_ACCOUNTS:
        _look_behind(s, level_slot)
