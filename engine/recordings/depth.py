"""The visible levels of an engine's book, read by compiled code."""

import numpy as np

from engine import book
from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.codes import NIL
from engine.kernels import entry, part
from engine.recordings.checks import ASK_TICKS, BID_TICKS
from engine.row_access import ladder_at, level_at


@part
def write_side(s, ladder_slot, out, ticks):
    """Write price and visible quantity of the best levels of a ladder to two columns of `out`, then zeros; how many."""
    used = 0
    slot = np.int64(ladder_at(s, ladder_slot).first_slot)
    while slot != NIL and used < len(out):
        level = level_at(s, slot)
        if level.leaves_lots > level.hidden_lots:
            out[used, ticks] = level.price_ticks
            out[used, ticks + 1] = level.leaves_lots - level.hidden_lots
            used += 1
        slot = book.next_level(s, slot)
    for level in range(used, len(out)):
        out[level, ticks] = 0
        out[level, ticks + 1] = 0
    return used


@part
def write_book(s, contract_slot, out):
    """Write the best visible levels of a contract as a row of `Checks.books`; how many bids and asks."""
    if contract_slot >= s.contracts_used:
        out[:] = 0
        return 0, 0
    bids = write_side(s, book.ladder_of(contract_slot, SIDE_BUY), out, BID_TICKS)
    return bids, write_side(s, book.ladder_of(contract_slot, SIDE_SELL), out, ASK_TICKS)


@entry
def read_book(root, contract_slot, out):
    """`write_book` for Python."""
    return write_book(root[0], contract_slot, out)
