"""What must hold at the end of every batch. A batch that breaks it is the last one: `apply_rows` does nothing any more.

Asked each time, whatever the batch was about:

- fund >= 0;
- cash + isolated money - entry cost of all rows + fund + fees = deposits - withdrawals, from `running_totals`;
- of each collateral asset: units of all accounts + units of the fund = deposits - withdrawals;
- pools use no more rows than they have;
- of every book: best bid < best ask, whatever the contract's state, since no state crosses a book.

Of the first NOTED_ROWS rows whose money or position changed:

- the positions of their contract sum to zero, and none is larger than its open interest;
- a flat position has no entry cost, one without orders counts none, its reduce-only orders fit its size;
- each pool of an account that is not flagged has equity >= 0 at the mark, and one that is flagged, without a position
  and not waiting for the fund does not owe. A mark moves only at a mark tick, which flags at once all whom it makes
  liquidatable, so this holds between ticks too. Accounts are not asked for what they do in contracts without margin.

Rows behind them are left to the next mark tick. That counts the rows of all accounts: all sums above, the open
interest of each contract and the open orders, from the rows alone.

`invariants` checks all of the state instead of what changed. Neither uses what maintains it: equity is worked out here.
"""

from typing import Any

import numpy as np

from engine import running_totals
from engine.codes import NIL, MarginMode, Violation
from engine.kernels import apart, entry, kernel
from engine.row_access import (
    account_at,
    collateral_at,
    contract_at,
    held_at,
    ladder_at,
    noted_at,
    position_at,
)
from engine.running_totals import adds_up, fail
from engine.schema import COLLATERAL_ASSETS, LADDERS_PER_CONTRACT, NOTED_ROWS
from engine.units import PPB, SUBTICKS, mul_div_floor

_UNITS_PER_COIN = 100_000_000
_ORDERS, _LEVELS, _NODES = range(3)


class InvariantError(Exception):
    """An invariant does not hold after a batch: one line that says which one, where, and with which figures.

    The batch is the commands `first_seq` to `last_seq`, all applied and none of them answered. `seq` is the command of
    it that changed the row at fault last, 0 when the fault is about sums.
    """

    def __init__(self, violation: Violation, figures: str, seq: int, span: tuple[int, int]) -> None:
        self.violation, self.figures, self.seq = violation, figures, seq
        self.first_seq, self.last_seq = span
        where = f"command {span[1]}" if span[0] == span[1] else f"commands {span[0]} to {span[1]}, one batch"
        if seq and span[0] != span[1]:
            where += f", the row last changed by command {seq}"
        super().__init__(f"{violation.name.lower()} after {where}: {figures}")


# --- sums ---------------------------------------------------------------------------------------------------------


@kernel
def _is_pool(s, place, used, live, free_slot):
    """Whether a pool's counts agree: it has a free row exactly when it does not use all it ever used."""
    if 0 <= live <= used and (free_slot == NIL) == (live == used):
        return True
    return fail(s, Violation.POOL, place, 0, live, used)


@kernel
def _sums_hold(s):
    if s.fund_micros < 0:
        return fail(s, Violation.FUND_NEGATIVE, NIL, 0, s.fund_micros, 0)
    if s.orders_live > s.orders_capacity:
        return fail(s, Violation.POOL, _ORDERS, 0, s.orders_live, s.orders_capacity)
    return (
        adds_up(s, s.totals.running)
        and _is_pool(s, _ORDERS, s.orders_used, s.orders_live, s.orders_free_slot)
        and _is_pool(s, _LEVELS, s.levels_used, s.levels_live, s.levels_free_slot)
        and _is_pool(s, _NODES, s.nodes_used, s.nodes_live, s.nodes_free_slot)
    )


# --- books --------------------------------------------------------------------------------------------------------


@kernel
def _books_hold(s):
    for slot in range(s.contracts_used):
        base = slot * LADDERS_PER_CONTRACT
        bid, ask = np.int64(ladder_at(s, base).first_key), np.int64(ladder_at(s, base + 1).first_key)
        if bid != NIL and ask != NIL and bid >= ask:
            return fail(s, Violation.BOOK_CROSSED, slot, 0, bid, ask)
    return True


# --- rows ---------------------------------------------------------------------------------------------------------


@kernel
def collateral_micros(s, account_slot):
    """What an account's BTC and ETH count for at the last mark tick."""
    total = np.int64(0)
    for place in range(COLLATERAL_ASSETS):
        row, units = collateral_at(s, place), account_at(s, account_slot).collateral_units[place]
        worth = mul_div_floor(mul_div_floor(units, row.coin_micros, _UNITS_PER_COIN), row.weight_ppb, PPB)
        total += min(worth, row.limit_micros)
    return total


@kernel
def lowest_equity_micros(s, account_slot):
    """The least equity at the mark of an account's pools of money, and whether it has a position."""
    account = account_at(s, account_slot)
    cross, lowest, exposed = np.int64(account.cash_micros), np.int64(0), False
    if account.has_collateral:
        cross += collateral_micros(s, account_slot)
    slot = np.int64(account.positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        size, profit = np.int64(position.size_lots), np.int64(0)
        if size != 0:
            exposed = True
            contract = contract_at(s, position.contract_slot)
            if not contract.margin_free:
                value = contract.mark_subticks * size * contract.micros_per_tick_lot // SUBTICKS
                profit = value - position.entry_cost_micros
        if position.margin_mode == MarginMode.ISOLATED:
            lowest = min(lowest, position.isolated_micros + profit)
        else:
            cross += profit
        slot = np.int64(position.next_slot)
    return min(lowest, cross), exposed


@kernel
def _account_holds(s, account_slot, seq):
    equity, exposed = lowest_equity_micros(s, account_slot)
    account = account_at(s, account_slot)
    if equity >= 0:
        return True
    if not account.liquidating:
        return fail(s, Violation.EQUITY_NEGATIVE, account_slot, seq, equity, 0)
    if not exposed and not account.has_collateral and s.fund_micros != 0:
        return fail(s, Violation.CASH_NEGATIVE_WITHOUT_POSITION, account_slot, seq, equity, 0)
    return True


@kernel
def _position_holds(s, slot, seq):
    position = position_at(s, slot)
    held, contract = held_at(s, position.contract_slot), contract_at(s, position.contract_slot)
    if held.net_lots != 0:
        return fail(s, Violation.POSITIONS_DO_NOT_CANCEL, position.contract_slot, 0, held.net_lots, 0)
    if abs(position.size_lots) > contract.open_interest_lots:
        found, wanted = abs(position.size_lots), contract.open_interest_lots
        return fail(s, Violation.OPEN_INTEREST, position.contract_slot, seq, found, wanted)
    if position.size_lots == 0 and position.entry_cost_micros != 0:
        return fail(s, Violation.ENTRY_COST_WITHOUT_POSITION, slot, seq, position.entry_cost_micros, 0)
    if not 0 <= position.reduce_only_lots <= abs(position.size_lots):
        return fail(s, Violation.REDUCE_ONLY_EXCESS, slot, seq, position.reduce_only_lots, abs(position.size_lots))
    counted = position.buy_lots | position.sell_lots | position.loss_subtick_lots
    if counted < 0 or (counted != 0 and position.own_head_slot == NIL):
        return fail(s, Violation.OPEN_SUMS, slot, seq, position.buy_lots, position.sell_lots)
    return True


@kernel
def _rows_hold(s):
    for place in range(min(s.totals.noted, NOTED_ROWS)):
        row = noted_at(s, place)
        slot, seq = np.int64(row.slot), np.int64(row.seq)
        if slot < 0:
            if not _account_holds(s, -1 - slot, seq):
                return False
            continue
        if not _position_holds(s, slot, seq):
            return False
        position = position_at(s, slot)
        if not contract_at(s, position.contract_slot).margin_free and not _account_holds(s, position.account_slot, seq):
            return False
    return True


@apart
def holds(s):
    """Whether everything holds. Once it does not, the state says why for ever, and `error_of` puts it into words."""
    holds = s.totals.fault == 0 and _sums_hold(s) and _books_hold(s) and _rows_hold(s)
    s.totals.noted = 0
    return holds


@entry
def recount(root):
    """Make the running totals from the rows, which a snapshot or other hands wrote: whether all of it adds up."""
    s = root[0]
    running_totals.recount(s)
    holds = running_totals.end_count(s) and _sums_hold(s)
    s.totals.fault = 0
    return holds


# --- in words -----------------------------------------------------------------------------------------------------

FIGURES = {
    Violation.FUND_NEGATIVE: "the insurance fund has {found} micros",
    Violation.CASH_NOT_CONSERVED: (
        "accounts, positions, fund and fees sum to {found} micros, deposits less withdrawals to {wanted}"
    ),
    Violation.COLLATERAL_NOT_CONSERVED: "accounts and fund have {found} units of {asset}, {wanted} are deposited",
    Violation.LIVE_ORDERS: "accounts list {found} open orders, {wanted} are in use",
    Violation.POOL: "of the {pool} {found} are in use and {wanted} at most can be",
    Violation.BOOK_CROSSED: "contract {slot} has its best bid at {found} ticks and its best ask at {wanted}",
    Violation.POSITIONS_DO_NOT_CANCEL: "the positions of contract {slot} sum to {found} lots, not to 0",
    Violation.OPEN_INTEREST: "longs of contract {slot} are {found} lots, its open interest says {wanted}",
    Violation.ENTRY_COST_WITHOUT_POSITION: "position {slot} is flat and has {found} micros of entry cost",
    Violation.REDUCE_ONLY_EXCESS: "position {slot} has {found} lots of reduce-only orders on {wanted} lots",
    Violation.OPEN_SUMS: "position {slot} counts {found} lots to buy and {wanted} to sell that no order has",
    Violation.EQUITY_NEGATIVE: "account {slot} has {found} micros of equity and is not flagged for liquidation",
    Violation.CASH_NEGATIVE_WITHOUT_POSITION: "account {slot} owes {found} micros, and the fund has not settled it",
}


def error_of(root: Any, first_seq: int, last_seq: int) -> InvariantError:
    """What a batch of these commands broke."""
    totals = root["totals"][0]
    violation, slot = Violation(int(totals["fault"])), int(totals["fault_slot"])
    figures = FIGURES[violation].format(
        found=f"{int(totals['found']):,}",
        wanted=f"{int(totals['wanted']):,}",
        slot=slot,
        asset=("BTC", "ETH")[slot % COLLATERAL_ASSETS],
        pool=("orders", "price levels", "ladder nodes")[slot % 3],
    )
    return InvariantError(violation, figures, int(totals["fault_seq"]), (first_seq, last_seq))
