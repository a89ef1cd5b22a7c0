"""Row 22 in whole numbers of any size: what an account has, what all that it has open needs, and what only closes.

Equity rounds down, requirements round up. An order that equity does not carry but that lies wholly within the position,
less the account's other orders of its side, is admitted as reduce-only: closing is never refused for margin.
"""

from dataclasses import dataclass, field
from enum import Enum

from engine.codes import Side
from tests.model.ledger import PPB, ceil_div
from tests.model.records import SUBTICKS


class Margin(Enum):
    """What margin says of an order: carried as it is, only as reduce-only, or not at all."""

    CARRIED = 1
    CLOSES = 2
    SHORT = 3


@dataclass
class Terms:
    """What margin takes from a contract; `brackets` are (floor in micros, leverage), the lowest first."""

    unit: int
    mark: int
    taker_fee_ppb: int
    brackets: list


@dataclass
class Open:
    """An order on the book, or one that asks to be: `loss` is its distance from the mark on its losing side."""

    side: int
    lots: int
    price: int
    loss: int = 0
    reduce_only: bool = False


@dataclass
class Held:
    """A position with its resting orders."""

    terms: Terms
    size: int = 0
    entry_cost: int = 0
    leverage: int = 0
    isolated: bool = False
    orders: list = field(default_factory=list)


@dataclass
class Pool:
    """An account: cash with the value of its collateral, and all its positions."""

    money: int
    held: list


def loss_of(terms, side, price):
    """How far a limit lies on its losing side of the mark, in subticks."""
    away = price * SUBTICKS - terms.mark
    return max(away if side == Side.BUY else -away, 0)


def _value(terms, subtick_lots):
    return ceil_div(subtick_lots * terms.unit, SUBTICKS)


def _initial(held, notional):
    """Notional / leverage; the leverage chosen, within the cap of the notional's bracket."""
    cap = next(leverage for floor, leverage in reversed(held.terms.brackets) if notional > floor or floor == 0)
    return ceil_div(notional, min(held.leverage or cap, cap))


def need(held):
    """Initial margin of the worst case, the fees of all orders and their loss; reduce-only ones are free."""
    opening = [order for order in held.orders if not order.reduce_only]
    sums = {
        side: _value(
            held.terms,
            sum(
                (order.price * SUBTICKS + (order.loss if side == Side.SELL else 0)) * order.lots
                for order in opening
                if order.side == side
            ),
        )
        for side in (Side.BUY, Side.SELL)
    }
    own = _value(held.terms, held.terms.mark * abs(held.size))
    if held.size:
        same, other = (Side.BUY, Side.SELL) if held.size > 0 else (Side.SELL, Side.BUY)
        worst = max(own + sums[same], sums[other] - own)
    else:
        worst = max(sums.values())
    needed = _initial(held, worst) + ceil_div(sum(sums.values()) * held.terms.taker_fee_ppb, PPB)
    if held.isolated:
        needed -= _initial(held, own)
    return needed + _value(held.terms, sum(order.loss * order.lots for order in opening))


def equity(pool):
    """Money, and the profit at the mark of the positions that share it."""
    total = pool.money
    for held in pool.held:
        if not held.isolated:
            total += held.terms.mark * held.size * held.terms.unit // SUBTICKS - held.entry_cost
    return total


def closable(held, side):
    """What of a position a new order of this side may close: the size less all resting orders of that side."""
    size = held.size if side == Side.SELL else -held.size
    return size - sum(order.lots for order in held.orders if order.side == side)


def judge(pool, held, order):
    """What margin says of one more order in one of the pool's positions."""
    within = 0 < order.lots <= closable(held, order.side)
    held.orders.append(order)
    carried = equity(pool) >= sum(need(one) for one in pool.held if one.size or one.orders)
    held.orders.pop()
    if carried:
        return Margin.CARRIED
    return Margin.CLOSES if within else Margin.SHORT
