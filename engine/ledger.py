"""The only writer of cash, positions, fees and the sums of open orders. It never reads the book.

Conservation, exactly: sum(cash) - sum(entry cost) + fund + fee account = deposits - withdrawals, and the positions of
a contract sum to zero. Of each collateral asset: sum(units of accounts) + units of the fund = deposits - withdrawals.
Entry cost is the signed sum of trade notionals.
"""

import numpy as np

from engine import running_totals
from engine.code_values import EXEC_REDUCE_ONLY
from engine.codes import NIL, MarginMode
from engine.kernels import inlined, kernel
from engine.row_access import account_at, collateral_at, contract_at, of_side, order_at, position_at
from engine.schema import COLLATERAL_ASSETS
from engine.units import SUBTICKS, fee_micros, if_sell, mul_div_floor


@inlined
def margin_price_subticks(side, price_ticks, loss_subticks):
    """The price at which an order counts for margin: a buy at its limit, a sell at max(limit, mark)."""
    return price_ticks * SUBTICKS + if_sell(side, loss_subticks)


@inlined
def count_open(s, position_slot, order_slot, lots):
    """Add (or, with negative lots, take away) an order's open quantity to the sums that margin and limits read."""
    order = order_at(s, order_slot)
    position = position_at(s, position_slot)
    if order.flags & EXEC_REDUCE_ONLY:
        position.reduce_only_lots += lots
    else:
        count_opening(position, order.side, order.price_ticks, order.loss_subticks, lots)


@inlined
def count_opening(position, side, price_ticks, loss_subticks, lots):
    """The same for an order that opens, by what it is."""
    sums = of_side(position, side)
    sums.buy_lots += lots
    sums.buy_subtick_lots += margin_price_subticks(side, price_ticks, loss_subticks) * lots
    position.loss_subtick_lots += loss_subticks * lots


@inlined
def count_resting(position, taker):
    """The same for an order that comes to rest with all its open quantity."""
    if taker.flags & EXEC_REDUCE_ONLY:
        position.reduce_only_lots += taker.leaves_lots
    else:
        count_opening(position, taker.side, taker.price_ticks, taker.loss_subticks, taker.leaves_lots)


@kernel
def released_cost_micros(entry_cost_micros, closed_lots, size_lots):
    """Entry cost that a partial close releases: floor(cost * closed / |size|), all of it when flat."""
    if closed_lots == size_lots:
        return entry_cost_micros
    return mul_div_floor(entry_cost_micros, closed_lots, size_lots)


@kernel
def book_fill(s, position_slot, signed_lots, price_micros, fee_ppb):
    """Book one side of a trade and return its fee: the closing part realises, the rest opens at the trade price.

    `signed_lots` is positive for the buyer, `price_micros` the notional of one lot. Realised = proceeds of the closed
    part less its released entry cost. The fee rounds up and is taken from cash.
    """
    running_totals.take_position(s, position_slot)
    fee = _fill(s, position_slot, signed_lots, price_micros, fee_ppb)
    running_totals.put_position(s, position_slot)
    return fee


@inlined
def _fill(s, position_slot, signed_lots, price_micros, fee_ppb):
    position = position_at(s, position_slot)
    size = position.size_lots
    closed = np.int64(0)
    if size * np.sign(signed_lots) < 0:
        closed = min(abs(size), abs(signed_lots))
        released = released_cost_micros(position.entry_cost_micros, closed, abs(size))
        realised = np.sign(size) * closed * price_micros - released
        position.entry_cost_micros -= released
        position.realised_micros += realised
        _credit(s, position, realised)
    opened = abs(signed_lots) - closed
    position.entry_cost_micros += np.sign(signed_lots) * opened * price_micros
    position.size_lots = size + signed_lots
    if opened != 0 and opened == abs(position.size_lots):
        position.opened_seq = s.last_seq
    contract_at(s, position.contract_slot).open_interest_lots += max(position.size_lots, 0) - max(size, 0)
    if fee_ppb == 0:
        return np.int64(0)
    fee = fee_micros(abs(signed_lots) * price_micros, fee_ppb)
    _credit(s, position, -fee)
    s.fees_micros += fee
    return fee


@inlined
def _credit(s, position, amount_micros):
    """Profit, fees and funding of a position go to the pool of money that carries it."""
    if position.margin_mode == MarginMode.ISOLATED:
        position.isolated_micros += amount_micros
    else:
        account_at(s, position.account_slot).cash_micros += amount_micros


@kernel
def move_isolated(s, position_slot, amount_micros):
    """Move money from an account's cash into an isolated position, or with a negative amount out of it."""
    running_totals.take_position(s, position_slot)
    position = position_at(s, position_slot)
    position.isolated_micros += amount_micros
    account_at(s, position.account_slot).cash_micros -= amount_micros
    running_totals.put_position(s, position_slot)


@kernel
def pay_funding(s, position_slot, amount_micros):
    """A position pays funding, or with a negative amount receives it; the dust of all payments stays with the fund."""
    running_totals.take_position(s, position_slot)
    position = position_at(s, position_slot)
    position.funding_micros -= amount_micros
    _credit(s, position, -amount_micros)
    s.fund_micros += amount_micros
    running_totals.put_position(s, position_slot)


@kernel
def move_collateral(s, account_slot, place, units):
    """An account deposits units of an asset, or with negative units withdraws them."""
    running_totals.take_account(s, account_slot)
    account, row = account_at(s, account_slot), collateral_at(s, place)
    account.collateral_units[place] += units
    row.deposits_units += units
    _note_collateral(account)
    running_totals.put_account(s, account_slot)


@kernel
def sell_collateral(s, account_slot, place, units, amount_micros):
    """The insurance fund takes units of an account's collateral against cash."""
    running_totals.take_account(s, account_slot)
    account, row = account_at(s, account_slot), collateral_at(s, place)
    account.collateral_units[place] -= units
    row.fund_units += units
    account.cash_micros += amount_micros
    s.fund_micros -= amount_micros
    _note_collateral(account)
    running_totals.put_account(s, account_slot)


@kernel
def _note_collateral(account):
    held = np.int64(0)
    for place in range(COLLATERAL_ASSETS):
        held |= account.collateral_units[place]
    account.has_collateral = 1 if held != 0 else 0


@kernel
def settle_position(s, position_slot, value_micros):
    """Close a whole position at what it is worth and return what that realises; a clearing account is the other side.

    A long receives its value rounded down, a short owes it rounded up: what is left over at the end is never negative.
    """
    running_totals.take_position(s, position_slot)
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    realised = value_micros - position.entry_cost_micros
    contract.open_interest_lots -= max(position.size_lots, 0)
    contract.delivery_clearing_micros -= value_micros
    position.realised_micros += realised
    position.entry_cost_micros = 0
    position.size_lots = 0
    _credit(s, position, realised)
    running_totals.put_position(s, position_slot)
    return realised


@kernel
def close_clearing(s, contract_slot):
    """The dust of a settlement goes to the fund."""
    contract = contract_at(s, contract_slot)
    s.fund_micros += contract.delivery_clearing_micros
    contract.delivery_clearing_micros = 0


@kernel
def pay_fund(s, account_slot, pool_slot, amount_micros):
    """A pool pays into the insurance fund, or with a negative amount is paid by it; NIL is the cross pool."""
    if pool_slot == NIL:
        running_totals.take_account(s, account_slot)
        account_at(s, account_slot).cash_micros -= amount_micros
        running_totals.put_account(s, account_slot)
    else:
        running_totals.take_position(s, pool_slot)
        position_at(s, pool_slot).isolated_micros -= amount_micros
        running_totals.put_position(s, pool_slot)
    s.fund_micros += amount_micros
