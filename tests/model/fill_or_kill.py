"""What a fill-or-kill order is sure to get (Rulebook 3 and 6), counted conservatively as the venue has decided.

A maker counts for what is sure to be there when its turn comes, and only if its margin bears all its orders of that
side at the best price within reach; roundings of each fill count against it. The order itself, if it reduces, must
bear all of its fills at the worst of their prices. So it is never filled in part.
"""

from engine.codes import SelfTrade, Side
from tests.model import eligibility, isolated, ledger, margin, matching
from tests.model.ledger import ceil_div

ROUNDING = 4
"""Micros that one fill may lose to roundings."""
CUTS = 102
"""So many fills an order may be in, at most, with the roundings of what follows them."""
MOST_FILLS = 40


def _loss(contract, side, lots, price, rate):
    """What lots at a price cost against the mark, fee included; never a gain."""
    fee = ledger.fee_of(lots * price * margin.unit(contract), rate)
    return max(max(fee, 0) - margin.gain(contract, lots if side == Side.BUY else -lots, price), 0)


def _fills_of(order):
    """In how many fills an order may end."""
    return ceil_div(order.leaves, order.display) + 1 if order.iceberg else 1


def _reaching(model, taker, limit):
    """The prices of the other side within reach whose orders the band lets trade, best first."""
    contract, side = model.contracts[taker.contract], matching.other_side(taker.side)
    prices = contract.levels[side] if side == Side.SELL else reversed(contract.levels[side])
    for price in prices:
        if not matching.reaches(taker.side, limit, price):
            return
        if matching.in_band(contract, side, price):
            yield price


def _is_own(model, order, taker):
    """Of the taker's group: the two never trade."""
    group = model.accounts[taker.account].group
    return bool(group and group == model.accounts[order.account].group)


def _resting(position, side):
    """The orders of one side that could fill: reduce-only ones where the position is on the side that they reduce."""
    reducible = position.size < 0 if side == Side.BUY else position.size > 0
    own = (order for order in position.orders if order.resting and order.side == side)
    return [order for order in own if reducible or not order.reduce_only]


def _maker_bears(model, maker, taker, limit, best):
    """Whether the maker's margin bears all its orders of that side at the best price within reach."""
    contract, position = model.contracts[maker.contract], model.position(maker.account, maker.contract)
    if not contract.has_margin:
        return True
    orders, rate = _resting(position, maker.side), margin.fee_rate(contract, taker=False)
    lots = sum(order.leaves for order in orders)
    account = model.accounts[maker.account]
    if not position.isolated:
        needed = _loss(contract, maker.side, lots, best, rate)
        if maker.account == taker.account:
            needed += _loss(contract, taker.side, taker.leaves, limit, margin.fee_rate(contract, taker=True))
        return margin.equity(model, account) >= needed + ROUNDING * CUTS * len(account.orders)
    if maker.account == taker.account:
        return False
    signed = matching.signed(maker, lots)
    closed = margin.closed_part(position, signed)
    fills = sum(_fills_of(order) for order in orders if matching.reaches(taker.side, limit, order.price))
    if closed:
        needed = min(fills, MOST_FILLS) * _loss(contract, maker.side, closed, best, rate) + ROUNDING * fills
        if margin.equity(model, position) < needed:
            return False
    if lots == closed:
        return True
    price = max(best, limit)
    needed = isolated.opening_money(position, contract, position.size + signed, lots - closed, price)
    needed += _loss(contract, maker.side, lots - closed, best, 0) + ROUNDING * fills
    return margin.equity(model, account) >= needed


def _sure(model, maker, taker, limit, best):
    """What is sure to be there of a resting order when its turn comes.

    A reduce-only one shrinks with its owner's position: it counts for what it keeps if all its owner's other orders
    of that side fill first.
    """
    if not _maker_bears(model, maker, taker, limit, best):
        return 0
    if not maker.reduce_only or maker.account == taker.account:
        return maker.leaves
    position = model.position(maker.account, maker.contract)
    others = sum(order.leaves for order in position.resting(side=maker.side))
    slack = abs(position.size) - sum(order.leaves for order in position.resting(reduce_only=True))
    return max(0, maker.leaves - max(0, others - slack))


def _walk(model, taker, limit):
    """(order, sure lots) until they are enough, or until an order of the taker's own group ends it."""
    contract, side, left, best = model.contracts[taker.contract], matching.other_side(taker.side), taker.leaves, None
    for price in _reaching(model, taker, limit):
        best = best or price
        queue = [order for order in contract.levels[side][price] if not eligibility.lost(model, order)]
        own = [order for order in queue if _is_own(model, order, taker)]
        stop = own[0] if own and taker.self_trade != SelfTrade.CANCEL_MAKER else None
        for order in queue:
            if order is stop:
                return
            if order in own:
                continue
            lots = _sure(model, order, taker, limit, best)
            if stop and order.affiliated == stop.affiliated:
                lots = min(lots, order.shown)  # what it hides comes back behind the order that ends it
            yield order, lots
            left -= lots
            if left <= 0:
                return


def fills(model, taker, limit):
    """Row 21: whether an order with this limit is sure to be filled."""
    return sum(lots for _, lots in _walk(model, taker, limit)) >= taker.leaves


def bears(model, taker, limit):
    """Row 22: whether a reducing order's pool bears all its fills at the worst of their prices, and its own makers."""
    contract, position = model.contracts[taker.contract], model.position(taker.account, taker.contract)
    if not contract.has_margin:
        return True
    met = list(_walk(model, taker, limit))
    fills_met = sum(_fills_of(order) for order, _ in met)
    loss = _loss(contract, taker.side, taker.leaves, met[-1][0].price, margin.fee_rate(contract, taker=True))
    other = matching.other_side(taker.side)
    own = sum(order.leaves for order in _resting(position, other))
    money = margin.equity(model, margin.pool_of(model, position))
    if position.isolated:
        return not own and money >= min(fills_met, MOST_FILLS) * loss + ROUNDING * fills_met
    if own:
        loss += _loss(contract, other, own, met[0][0].price, margin.fee_rate(contract, taker=False))
    return money >= loss + 2 * ROUNDING * fills_met
