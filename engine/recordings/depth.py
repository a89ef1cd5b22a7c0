"""The visible levels of an engine's book, read by compiled code."""

from typing import Any

import numpy as np

from engine import book, ladder
from engine.code_values import SIDE_BUY, SIDE_SELL
from engine.codes import NIL
from engine.kernels import entry, part
from engine.recordings.checks import ASK_TICKS, BID_TICKS
from engine.recordings.recorded_orders import NOWHERE
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
def _is_named(s, ladder_slot, slot, price):
    """Whether a ladder names a level at a price still: its leaf says it, whatever the row was used for since."""
    level = level_at(s, slot)
    is_it = level.ladder_slot == ladder_slot and level.price_ticks == price
    return is_it and ladder.at(s, level.leaf_node, price) == slot


@part
def _write_known_side(s, ladder_slot, known, out, ticks):
    """`write_side` without a walk, as long as the ladder has the same levels as the last time, all of them in view.

    `known`: (how many, the ladder), then (slot, price) of each level; NOWHERE levels when they were not all.
    """
    entries = np.int64(ladder_at(s, ladder_slot).entries)
    used = np.int64(0)
    if known[0, 0] == entries and known[0, 1] == ladder_slot:
        while used < entries and _is_named(s, ladder_slot, known[used + 1, 0], known[used + 1, 1]):
            level = level_at(s, known[used + 1, 0])
            if level.leaves_lots <= level.hidden_lots:
                break
            out[used, ticks] = level.price_ticks
            out[used, ticks + 1] = level.leaves_lots - level.hidden_lots
            used += 1
        if used == entries:
            for place in range(used, len(out)):
                out[place, ticks] = 0
                out[place, ticks + 1] = 0
            return
    used = write_side(s, ladder_slot, out, ticks)
    known[0, 0] = NOWHERE
    if used != entries:
        return
    slot = np.int64(ladder_at(s, ladder_slot).first_slot)
    for place in range(used):
        known[place + 1, 0] = slot
        known[place + 1, 1] = out[place, ticks]
        slot = np.int64(book.next_level(s, slot))
    known[0, 0] = used
    known[0, 1] = ladder_slot


@part
def write_known_book(s, contract_slot, known, out):
    """`write_book` for a book that is written after most commands: `known` is `known_levels`, and nobody else's."""
    if contract_slot >= s.contracts_used:
        out[:] = 0
        return
    _write_known_side(s, book.ladder_of(contract_slot, SIDE_BUY), known[0], out, BID_TICKS)
    _write_known_side(s, book.ladder_of(contract_slot, SIDE_SELL), known[1], out, ASK_TICKS)


def known_levels(depth: int) -> np.ndarray[Any, Any]:
    """Room for what `write_known_book` knows of a book of so many levels; nothing yet."""
    return np.full((2, depth + 1, 2), NOWHERE, np.int64)


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
