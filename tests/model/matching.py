"""One order against the book, written as the rulebook tells it: look at the best order, deal with it, look again."""

from engine.codes import ContractParameter as P
from engine.codes import EventFlag, EventKind, PriceSource, Reason, SelfTrade, Side, TimeInForce
from tests.model import eligibility, isolated, margin
from tests.model.ledger import PPB, ceil_div, settle
from tests.model.records import NIL, other_side


def band_edges(contract):
    """The highest price at which a buyer and the lowest at which a seller may trade now."""
    highest, lowest = contract.parameters[P.MAX_PRICE_TICKS, 0], 1
    band = contract.parameters[P.BAND_PPB, 0]
    if band and contract.mark:
        highest = min(highest, contract.mark * (PPB + band) // (PPB * 1000))
        lowest = max(lowest, ceil_div(contract.mark * (PPB - band), PPB * 1000))
    return highest, lowest


def market_limit(contract, side):
    """How far a market order may go: the band's edge."""
    highest, lowest = band_edges(contract)
    edge = highest if side == Side.BUY else lowest
    return max(1, min(edge, contract.parameters[P.MAX_PRICE_TICKS, 0]))


def in_band(contract, side, price):
    """A price is out of the band only on its owner's losing side."""
    highest, lowest = band_edges(contract)
    return price <= highest if side == Side.BUY else price >= lowest


def reaches(side, limit, price):
    """Whether an order with this limit trades at a price of the other side."""
    return limit >= price if side == Side.BUY else limit <= price


def would_trade(contract, side, limit):
    """Whether the best order of the other side is within reach."""
    best = contract.best(other_side(side))
    return best is not None and reaches(side, limit, best.price)


def remove(model, order):
    """Forget an order that ended."""
    position = model.position(order.account, order.contract)
    position.orders.remove(order)
    del model.orders[order.id]


def cancel(model, order, reason):
    """Take an open order off the venue, resting or untriggered, and say so."""
    contract = model.contracts[order.contract]
    lots, order.leaves = order.leaves, 0
    level = NIL
    if order.resting:
        contract.leave(order)
        level = contract.visible(order.side, order.price)
    model.report(EventKind.CANCELLED, order, reason=reason, last_lots=lots, level_lots=level)
    remove(model, order)


def cut(model, order, lots, reason):
    """Take quantity off a resting order, which keeps its place."""
    if lots >= order.leaves:
        cancel(model, order, reason)
        return
    order.shrink(lots)
    level = model.contracts[order.contract].visible(order.side, order.price)
    model.report(EventKind.REDUCED, order, reason=reason, last_lots=lots, level_lots=level)


def trim(model, position, newcomer=None):
    """Resting reduce-only orders never sum to more than the position: the worst price gives way, then the youngest."""
    while True:
        resting = position.resting(reduce_only=True)
        give_way = [order for order in resting if order is not newcomer]
        if not give_way:
            return
        worst = min(give_way, key=lambda order: (order.price if order.side == Side.BUY else -order.price, -order.id))
        reduces = position.size > 0 if worst.side == Side.SELL else position.size < 0
        excess = sum(order.leaves for order in resting) - (abs(position.size) if reduces else 0)
        if excess <= 0:
            return
        cut(model, worst, excess, Reason.REDUCE_ONLY_EXCESS)


def signed(order, lots):
    """What a fill adds to the position."""
    return lots if order.side == Side.BUY else -lots


def _fill(model, order, lots, price, flag):
    """One leg of a trade: the order's quantity, the account's position and cash, and the report."""
    position, contract = model.position(order.account, order.contract), model.contracts[order.contract]
    order.filled += lots
    order.leaves -= lots
    rate = 0 if flag & EventFlag.FORCED else margin.fee_rate(contract, flag & EventFlag.TAKER)
    before = position.size
    fee = settle(model, position, contract, signed(order, lots), price, rate)
    if not order.forced:
        isolated.after_fill(model, position, before, price)
    model.report(
        EventKind.FILL,
        order,
        price_ticks=price,
        last_lots=lots,
        level_lots=NIL if flag & EventFlag.TAKER else contract.visible(order.side, price),
        flags=flag | (0 if order.leaves else EventFlag.DONE),
        trade_id=contract.trades,
        fee_micros=fee,
        position_lots=position.size,
        entry_cost_micros=position.entry_cost,
        cash_micros=model.accounts[order.account].cash,
    )


def trade(model, taker, maker, contract):
    """Both legs at the maker's price, then what follows for the maker's order and for reduce-only orders."""
    lots, price = min(taker.leaves, maker.shown), maker.price
    contract.trades += 1
    contract.last = price
    contract.notice(PriceSource.LAST)
    value = lots * price * contract.parameters[P.MICROS_PER_TICK_LOT, 0]
    if 10 * value >= contract.parameters[P.IMPACT_NOTIONAL_MICROS, 0]:
        contract.big_trade = price  # Rulebook 7, P3: at least a tenth of the impact notional
    forced = EventFlag.FORCED if taker.forced else 0
    maker.shown -= lots
    if maker.leaves == lots:
        contract.leave(maker)
    makers, takers = model.position(maker.account, maker.contract), model.position(taker.account, taker.contract)
    _fill(model, maker, lots, price, forced)
    _fill(model, taker, lots, price, forced | EventFlag.TAKER)
    if maker.leaves == 0:
        remove(model, maker)
    elif maker.shown == 0:
        contract.leave(maker)
        maker.show()
        contract.join(maker)
        model.report(EventKind.REFILLED, maker, level_lots=contract.visible(maker.side, maker.price))
    trim(model, makers)
    trim(model, takers)


def _self_trade(model, taker, maker):
    """Two orders of one group meet."""
    if taker.self_trade == SelfTrade.DECREMENT:
        lots = min(taker.leaves, maker.leaves)
        cut(model, maker, lots, Reason.SELF_TRADE)
        taker.leaves -= lots
        kind = EventKind.REDUCED if taker.leaves else EventKind.CANCELLED
        model.report(kind, taker, reason=Reason.SELF_TRADE, last_lots=lots, level_lots=NIL)
        return
    if taker.self_trade != SelfTrade.CANCEL_TAKER:
        cancel(model, maker, Reason.SELF_TRADE)
    if taker.self_trade != SelfTrade.CANCEL_MAKER:
        taker.done_reason = Reason.SELF_TRADE


def _is_borne(model, order, taker, maker):
    """Whether the margin of one of two orders bears what they would trade (Rulebook 3: equity never below zero)."""
    contract, lots = model.contracts[order.contract], min(taker.leaves, maker.shown)
    rate = 0 if taker.forced else margin.fee_rate(contract, order is taker)
    return margin.bears(model, model.position(order.account, order.contract), signed(order, lots), maker.price, rate)


def sweep(model, taker):
    """Work the taker until it is filled, out of reach of the book, or stopped."""
    contract = model.contracts[taker.contract]
    group = model.accounts[taker.account].group
    while taker.leaves and not taker.done_reason:
        maker = contract.best(other_side(taker.side))
        if maker is None or not reaches(taker.side, taker.price, maker.price):
            return
        cause = eligibility.lost(model, maker)
        if cause:
            job = eligibility.covering(model, maker)
            if job:
                job.cancelled.append(maker.id)
            cancel(model, maker, cause)
        elif not taker.forced and not in_band(contract, maker.side, maker.price):
            cancel(model, maker, Reason.OUT_OF_BAND)
        elif group and model.accounts[maker.account].group == group:
            _self_trade(model, taker, maker)
        elif not _is_borne(model, maker, taker, maker):
            cancel(model, maker, Reason.INSUFFICIENT_MARGIN)
        elif taker.reduce_only and not taker.forced and not _is_borne(model, taker, taker, maker):
            taker.done_reason = Reason.INSUFFICIENT_MARGIN
        else:
            trade(model, taker, maker, contract)


def end_reason(taker):
    """Why a remainder that may not rest is cancelled."""
    if taker.done_reason:
        return taker.done_reason
    return Reason.NO_LIQUIDITY if taker.is_market else Reason.IOC_REMAINDER


def rest(model, order, kind, flags=0):
    """Put an order on the book, where a reduce-only one keeps its size and makes the others give way."""
    contract = model.contracts[order.contract]
    order.show()
    contract.join(order)
    level = contract.visible(order.side, order.price)
    model.report(kind, order, level_lots=level, flags=flags | EventFlag.RESTING)
    order.flags &= 127
    if order.reduce_only:
        trim(model, model.position(order.account, order.contract), newcomer=order)


def finish(model, taker):
    """What follows a sweep: the remainder rests, or ends with its reason."""
    in_part = taker.leaves and taker.filled
    assert not (in_part and taker.tif == TimeInForce.FOK), "a fill-or-kill order was filled in part"
    if taker.leaves and not taker.done_reason and taker.may_rest:
        rest(model, taker, EventKind.RESTED)
        return
    if taker.leaves:
        lots, taker.leaves = taker.leaves, 0
        model.report(EventKind.CANCELLED, taker, reason=end_reason(taker), last_lots=lots, level_lots=NIL)
    remove(model, taker)
