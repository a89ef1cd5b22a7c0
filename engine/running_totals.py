"""Running totals of cash, positions, entry cost, collateral and orders, told by the rows and not by who writes them.

Whoever changes the money or the position in a row only notes which row it is. Folding a row adds to the totals what it
says now less what it said when it was looked at last, which is kept beside it. So no total knows an amount that the
ledger worked out: a leg that is missing, doubled, rounded apart or credited to a row that was not meant moves the
totals of the rows apart from what was deposited, and so does a byte of a noted row that changed by itself.

Rows are noted in a list of NOTED_ROWS. A list that is full is folded at once, and the totals stay exact; what
`batch_end` asks of single rows is then asked only of those noted since. All of this is scratch: no snapshot has it, and
`recount` makes it from the rows.
"""

import numpy as np

from engine.kernels import apart, inlined, kernel, rare
from engine.row_access import (
    account_at,
    book_word_at,
    held_at,
    noted_at,
    position_at,
    seen_account_at,
    seen_position_at,
)
from engine.schema import COLLATERAL_ASSETS, MAX_CONTRACTS, NOTED_ROWS
from engine.units import prefetch, unlikely


@kernel
def _fold_account(s, account_slot):
    account, seen, totals = account_at(s, account_slot), seen_account_at(s, account_slot), s.totals
    totals.cash_micros += account.cash_micros - seen.cash_micros
    seen.cash_micros = account.cash_micros
    if account.has_collateral or (seen.units[0] | seen.units[1]) != 0:
        for place in range(COLLATERAL_ASSETS):
            totals.units[place] += account.collateral_units[place] - seen.units[place]
            seen.units[place] = account.collateral_units[place]


@kernel
def _fold_position(s, position_slot):
    position, seen = position_at(s, position_slot), seen_position_at(s, position_slot)
    held = held_at(s, position.contract_slot)
    size, before = np.int64(position.size_lots), np.int64(seen.size_lots)
    held.net_lots += size - before
    held.long_lots += max(size, 0) - max(before, 0)
    carried = position.isolated_micros - position.entry_cost_micros
    s.totals.carried_micros += carried - seen.carried_micros
    seen.size_lots = size
    seen.carried_micros = carried


@kernel
def account_of(s, noted_slot):
    """The account that a noted row is, or that its position is of."""
    return position_at(s, noted_slot).account_slot if noted_slot >= 0 else -1 - noted_slot


@apart
def fold(s):
    """Add to the totals what the noted rows say now; they stay noted."""
    for place in range(s.totals.noted):
        slot = noted_at(s, place).slot
        if slot >= 0:
            _fold_position(s, slot)
        _fold_account(s, account_of(s, slot))
    return s.totals.noted


@rare
def _make_room(s):
    fold(s)
    s.totals.noted = 0
    return 0


@inlined
def _note(s, slot):
    if unlikely(s.totals.noted == NOTED_ROWS):
        _make_room(s)
    row = noted_at(s, s.totals.noted)
    row.slot = slot
    row.seq = s.last_seq
    s.totals.noted += 1


@inlined
def note_position(s, position_slot):
    """A position changes: its size, its cost, its isolated money or its account's cash."""
    prefetch(seen_position_at(s, position_slot))
    prefetch(seen_account_at(s, position_at(s, position_slot).account_slot))
    _note(s, position_slot)


@inlined
def note_account(s, account_slot):
    """An account's cash or collateral changes."""
    _note(s, -1 - account_slot)


@inlined
def note_book(s, contract_slot):
    """An order comes to a contract's book."""
    word = book_word_at(s, contract_slot >> 6)
    word.bits |= np.int64(1) << (contract_slot & 63)


@inlined
def note_listed(s, change):
    """An account's list of open orders gets an order, or with -1 loses one."""
    s.totals.listed_orders += change


@kernel
def recount(s):
    """Make the totals from the rows: after a state was loaded, or its rows were written by other hands."""
    totals = s.totals
    totals.noted = 0
    totals.listed_orders = 0
    totals.cash_micros = 0
    totals.carried_micros = 0
    for place in range(COLLATERAL_ASSETS):
        totals.units[place] = 0
    for contract_slot in range(MAX_CONTRACTS):
        held_at(s, contract_slot).net_lots = 0
        held_at(s, contract_slot).long_lots = 0
    for slot in range(s.accounts_used):
        seen = seen_account_at(s, slot)
        seen.cash_micros = 0
        for place in range(COLLATERAL_ASSETS):
            seen.units[place] = 0
        totals.listed_orders += account_at(s, slot).open_orders
        _fold_account(s, slot)
    for slot in range(s.positions_used):
        seen_position_at(s, slot).size_lots = 0
        seen_position_at(s, slot).carried_micros = 0
        _fold_position(s, slot)
