"""Money that moves between an account's cash and an isolated position (Rulebook 8).

Orders reserve from the account's cash; what they reserve for what was filled moves at the fill, and what a closed part
had comes back pro rata.
"""

from engine.codes import Side
from tests.model import margin
from tests.model.ledger import ceil_div, fee_of


def opening_money(position, contract, size, lots, price):
    """What the account gives for lots that open at a price: initial margin, the higher of both fees, and the loss at
    the mark. The leverage is that of the bracket of the whole position, `size` after it; where it is lower than that of
    the lots held before, they get what they need at it as well.
    """
    value = lots * price * margin.unit(contract)
    leverage = margin.leverage_of(position, contract, margin.notional(contract, size))
    loss = margin.loss_of(contract, Side.BUY if size > 0 else Side.SELL, price) * lots
    fee = fee_of(value, max(margin.fee_rate(contract, taker) for taker in (True, False)))
    held = margin.notional(contract, abs(size) - lots)
    raised = ceil_div(held, leverage) - ceil_div(held, margin.leverage_of(position, contract, held))
    return ceil_div(value, leverage) + raised + fee + margin.value_up(contract, loss)


def _move(model, position, micros):
    """From the account's cash into the position, or back."""
    model.accounts[position.account].cash -= micros
    position.isolated_micros += micros


def release_flat(model, position):
    """A flat position keeps no money."""
    if position.isolated and not position.size:
        _move(model, position, -position.isolated_micros)


def after_fill(model, position, before, price):
    """The money of a fill that has just been booked, its fee paid; `before` is the size before it.

    A part that closed takes its share of the position's equity with it, rounded down, at most the money there is. A
    fill at a better price than the order reserved for, and the roundings of many fills, may ask for more than the
    account has: then all it has is moved.
    """
    contract = model.contracts[position.contract]
    if not position.isolated or not contract.has_margin:
        return
    flipped = before * position.size < 0
    if not position.size or flipped:
        model.reach("8 isolated: flat or turned, all money back")
        model.reach("8 isolated: turned", flipped)
        _move(model, position, -position.isolated_micros)
    elif abs(position.size) < abs(before):
        model.reach("8 isolated: a part closed, money back pro rata")
        share = margin.equity(model, position) * (abs(before) - abs(position.size)) // abs(before)
        _move(model, position, -max(0, min(share, position.isolated_micros)))
    opened = abs(position.size) if flipped else abs(position.size) - abs(before)
    if opened > 0:
        model.reach("8 isolated: money in for what opens")
        needed = opening_money(position, contract, position.size, opened, price)
        spare = max(margin.equity(model, model.accounts[position.account]), 0)
        _move(model, position, min(needed, spare))
