"""Running totals of money, positions and collateral: what the rows say, and not what their writers worked out.

Whoever changes the money or the position in a row takes the row out of the totals before and puts it back after. No
total knows an amount: a leg that is missing, doubled, rounded apart or credited to a row that was not meant moves the
totals apart from what was deposited, which `batch_end` compares after every batch.

What changes a row without taking it out, such as a fault of the memory, moves no total. So each mark tick, which
re-checks every account anyway, counts all rows anew on the way and compares (`end_count`).

The first NOTED_ROWS rows of a batch are noted too, for `batch_end` to look at each of them. Those behind are left to
the totals and to the next mark tick. All of this is scratch: no snapshot has it, `recount` makes it from the rows.
"""

import numpy as np

from engine.codes import NIL, Violation
from engine.kernels import inlined, kernel, rare
from engine.row_access import account_at, collateral_at, contract_at, held_at, noted_at, position_at
from engine.schema import COLLATERAL_ASSETS, NOTED_ROWS


@rare
def fail(s, violation, slot, seq, found, wanted):
    """Keep the first invariant that does not hold, with its figures. False."""
    totals = s.totals
    if totals.fault == 0:
        totals.fault = violation
        totals.fault_slot = slot
        totals.fault_seq = seq
        totals.found = found
        totals.wanted = wanted
    return False


@inlined
def _move_position(s, position_slot, sign):
    position = position_at(s, position_slot)
    held = held_at(s, position.contract_slot)
    held.net_lots += sign * position.size_lots
    cash = account_at(s, position.account_slot).cash_micros
    s.totals.running.money_micros += sign * (cash + position.isolated_micros - position.entry_cost_micros)


@inlined
def _move_account(s, account_slot, sign):
    account, running = account_at(s, account_slot), s.totals.running
    running.money_micros += sign * account.cash_micros
    for place in range(COLLATERAL_ASSETS):
        running.units[place] += sign * account.collateral_units[place]


@inlined
def _note(s, slot):
    place = min(s.totals.noted, NOTED_ROWS)
    row = noted_at(s, place)
    row.slot = slot
    row.seq = s.last_seq
    s.totals.noted = place + 1


@inlined
def take_position(s, position_slot):
    """A position is about to change: its size, its cost, its isolated money or its account's cash."""
    _note(s, position_slot)
    _move_position(s, position_slot, -1)


@inlined
def put_position(s, position_slot):
    """It has changed."""
    _move_position(s, position_slot, 1)


@inlined
def take_account(s, account_slot):
    """An account's cash or collateral is about to change."""
    _note(s, -1 - account_slot)
    _move_account(s, account_slot, -1)


@inlined
def put_account(s, account_slot):
    """It has changed."""
    _move_account(s, account_slot, 1)


@kernel
def begin_count(s):
    """Begin to count all rows."""
    counted = s.totals.counted
    counted.money_micros = 0
    counted.listed_orders = 0
    for place in range(COLLATERAL_ASSETS):
        counted.units[place] = 0
    for contract_slot in range(s.contracts_used):
        held_at(s, contract_slot).counted_net_lots = 0
        held_at(s, contract_slot).counted_long_lots = 0


@inlined
def count_account(s, account_slot):
    """Count an account and its positions; a row that was never opened has neither."""
    account, counted = account_at(s, account_slot), s.totals.counted
    money = np.int64(account.cash_micros)
    counted.listed_orders += account.open_orders
    if account.has_collateral:
        for place in range(COLLATERAL_ASSETS):
            counted.units[place] += account.collateral_units[place]
    slot = np.int64(account.positions_head) if account.state != 0 else np.int64(NIL)
    while slot != NIL:
        position = position_at(s, slot)
        held = held_at(s, position.contract_slot)
        held.counted_net_lots += position.size_lots
        held.counted_long_lots += max(position.size_lots, 0)
        money += position.isolated_micros - position.entry_cost_micros
        slot = np.int64(position.next_slot)
    counted.money_micros += money


@kernel
def _contracts_add_up(s):
    for slot in range(s.contracts_used):
        held, contract = held_at(s, slot), contract_at(s, slot)
        if held.counted_net_lots != 0:
            return fail(s, Violation.POSITIONS_DO_NOT_CANCEL, slot, s.last_seq, held.counted_net_lots, 0)
        if held.counted_long_lots != contract.open_interest_lots:
            found, wanted = held.counted_long_lots, contract.open_interest_lots
            return fail(s, Violation.OPEN_INTEREST, slot, s.last_seq, found, wanted)
    return True


@kernel
def adds_up(s, sums):
    """Whether money and coins of all rows are what was deposited and not withdrawn."""
    found, wanted = sums.money_micros + s.fund_micros + s.fees_micros, s.deposits_micros - s.withdrawals_micros
    if found != wanted:
        return fail(s, Violation.CASH_NOT_CONSERVED, NIL, 0, found, wanted)
    for place in range(COLLATERAL_ASSETS):
        row = collateral_at(s, place)
        found = sums.units[place] + row.fund_units
        if found != row.deposits_units:
            return fail(s, Violation.COLLATERAL_NOT_CONSERVED, place, 0, found, row.deposits_units)
    return True


@kernel
def end_count(s):
    """All rows are counted: whether they add up. Where they do not the engine stops at the end of the batch."""
    counted = s.totals.counted
    if counted.listed_orders != s.orders_live:
        return fail(s, Violation.LIVE_ORDERS, NIL, s.last_seq, counted.listed_orders, s.orders_live)
    return _contracts_add_up(s) and adds_up(s, counted)


@kernel
def recount(s):
    """Make the totals from the rows: after a state was loaded, or its rows were written by other hands."""
    begin_count(s)
    for account_slot in range(s.accounts_used):
        count_account(s, account_slot)
    running, counted = s.totals.running, s.totals.counted
    running.money_micros = counted.money_micros
    for place in range(COLLATERAL_ASSETS):
        running.units[place] = counted.units[place]
    for contract_slot in range(s.contracts_used):
        held_at(s, contract_slot).net_lots = held_at(s, contract_slot).counted_net_lots
    s.totals.noted = 0
