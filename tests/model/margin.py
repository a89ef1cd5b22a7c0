"""Margin in whole numbers of any size: what a pool of money is worth, what it must carry, and what it may lose.

A pool is what shares its losses: an Account with its cross positions, or one isolated Position. Equity rounds down,
requirements round up (Rulebook 1). Nothing is kept: each answer is worked out from the positions and orders themselves.
"""

from enum import Enum
from fractions import Fraction
from math import ceil, floor

from engine.codes import ContractParameter as P
from engine.codes import Side
from tests.model import collateral, isolated, ledger
from tests.model.ledger import PPB, ceil_div
from tests.model.listing import brackets
from tests.model.records import NIL, SUBTICKS, Position


class Margin(Enum):
    """What margin says of an order: carried as it is, only as reduce-only, or not at all."""

    CARRIED = 1
    CLOSES = 2
    SHORT = 3


# --- values (Rulebook 1) ----------------------------------------------------------------------------------------------


def unit(contract):
    """Micros of one tick on one lot."""
    return contract.parameters[P.MICROS_PER_TICK_LOT, 0]


def value_up(contract, subtick_lots):
    """Quantity times price as a requirement: rounded up."""
    return ceil_div(subtick_lots * unit(contract), SUBTICKS)


def notional(contract, lots):
    """What some lots are worth at the mark, rounded up."""
    return value_up(contract, contract.mark * abs(lots))


def unrealised(model, position):
    """Profit at the mark, rounded down."""
    contract = model.contracts[position.contract]
    if not position.size:
        return 0
    return contract.mark * position.size * unit(contract) // SUBTICKS - position.entry_cost


def fee_rate(contract, taker):
    """By the programme of the contract, never by account (Rulebook 6); a negative one is a rebate."""
    return contract.parameters[P.TAKER_FEE_PPB if taker else P.MAKER_FEE_PPB, 0]


# --- brackets (Rulebook 8) --------------------------------------------------------------------------------------------


def bracket(contract, worth):
    """(floor, leverage, mmr, deduction) of a notional: the last bracket whose floor it exceeds."""
    made = contract.parameters.made
    if "deductions" not in made:
        made["deductions"] = _deductions(contract)
    found = None
    for row in made["deductions"]:
        if found is None or worth > row[0]:
            found = row
    return found


def _deductions(contract):
    """The table with deduction_n = floor_n * (mmr_n - mmr_{n-1}) + deduction_{n-1}."""
    rows, deduction, before = [], 0, 0
    for low, leverage, mmr in brackets(contract):
        deduction += low * (mmr - before) // PPB if low else 0
        before = mmr
        rows.append((low, leverage, mmr, deduction))
    return rows


def leverage_of(position, contract, worth):
    """The leverage that counts: the one chosen, within the cap of the notional's bracket."""
    cap = bracket(contract, worth)[1]
    chosen = position.leverage if position else 0
    return min(chosen or cap, cap)


def initial(position, contract, worth):
    """Initial margin of a notional, rounded up. A contract without rates and fees asks for none."""
    return ceil_div(worth, leverage_of(position, contract, worth)) if contract.has_margin else 0


def maintenance_of(contract, lots):
    """Maintenance margin of some lots at the mark: notional * mmr_n - deduction_n, rounded up."""
    if not lots or not contract.has_margin:
        return 0
    worth = notional(contract, lots)
    _, _, mmr, deduction = bracket(contract, worth)
    return ceil_div(worth * mmr, PPB) - deduction


def maintenance(model, position):
    """Maintenance margin of a position."""
    return maintenance_of(model.contracts[position.contract], position.size)


# --- orders (Rulebook 8) ----------------------------------------------------------------------------------------------


def loss_of(contract, side, price):
    """How far a limit lies on its losing side of the mark, in subticks."""
    away = price * SUBTICKS - contract.mark
    return max(away if side == Side.BUY else -away, 0)


def fix(model, order, price):
    """What is fixed of an order when it is admitted or amended: its adverse distance, and the price it counts at.

    Buys count at their limit, sells at max(limit, mark).
    """
    contract = model.contracts[order.contract]
    order.loss = loss_of(contract, order.side, price)
    limit = price * SUBTICKS
    order.reserve_price = max(limit, contract.mark) if order.side == Side.SELL else limit


def counted(position, replaces=None):
    """The orders that need margin: those on the book that may open, neither reduce-only nor untriggered ones."""
    return [order for order in position.resting() if order is not replaces]


def need_of(position, contract, orders):
    """Initial margin of the worst case and the reserves, taken from the pool of the account.

    same = position at mark + orders of its side; other = orders of the other side beyond the position's size, all in
    notional; a flat position compares buys with sells. Reserves: the dearer fee of taker and maker, for who knows
    as which an order will fill, and the open loss over all orders. An
    isolated position carries its own initial margin, so its orders ask the account only for what they add.
    """
    if not contract.has_margin or not (position.size or orders):
        return 0
    buys, sells = (
        value_up(contract, sum(order.reserve_price * order.leaves for order in orders if order.side == side))
        for side in (Side.BUY, Side.SELL)
    )
    own = notional(contract, position.size)
    same, other = (buys, sells) if position.size >= 0 else (sells, buys)
    worst = max(own + same, other - own)
    fees = ceil_div((buys + sells) * max(fee_rate(contract, taker) for taker in (True, False)), PPB)
    losses = value_up(contract, sum(order.loss * order.leaves for order in orders))
    needed = initial(position, contract, worst) + fees + losses
    if position.isolated:
        needed -= initial(position, contract, own)
    return needed


def need(model, position):
    """What a position and its orders ask of the account."""
    return need_of(position, model.contracts[position.contract], counted(position))


# --- pools (Rulebook 8) -----------------------------------------------------------------------------------------------


def crossed(account):
    """The positions that share the account's cash."""
    return [position for position in account.positions if not position.isolated]


def pool_of(model, position):
    """Whose money a position loses."""
    return position if position.isolated else model.accounts[position.account]


def positions_of(pool):
    """The positions of a pool."""
    return [pool] if isinstance(pool, Position) else crossed(pool)


def equity(model, pool):
    """Cash + collateral value + unrealised profit at the mark. An isolated position has its own money alone."""
    money = pool.isolated_micros if isinstance(pool, Position) else pool.cash + collateral.value(model, pool)
    return money + sum(unrealised(model, position) for position in positions_of(pool))


def pool_maintenance(model, pool):
    """Maintenance margin of all positions of a pool."""
    return sum(maintenance(model, position) for position in positions_of(pool))


def cross_maintenance(model, account):
    """Maintenance margin of the positions that share the account's cash as reports tell it, -1 when there are none."""
    held = [position for position in crossed(account) if position.size]
    asks = any(model.contracts[position.contract].has_margin for position in held)
    return pool_maintenance(model, account) if asks else NIL


def own_initial(model, position):
    """Initial margin of a position alone, at the mark."""
    contract = model.contracts[position.contract]
    return initial(position, contract, notional(contract, position.size))


def requirement(model, pool):
    """IM + reserves of all that an account has open; of one position, what it and its orders ask of the account."""
    positions = [pool] if isinstance(pool, Position) else pool.positions
    return sum(need(model, position) for position in positions)


def free(model, account):
    """What all that is open does not need; profit that is not realised does not count."""
    loss = min(0, sum(unrealised(model, position) for position in crossed(account)))
    return account.cash + collateral.value(model, account) + loss - requirement(model, account)


def withdrawable(model, account):
    """max(0, min(cash, cash + min(0, unrealised) - IM - reserves)); none while flagged. Collateral carries its part."""
    return 0 if account.liquidating else max(0, min(account.cash, free(model, account)))


def releasable(model, position):
    """What may leave an isolated position: the same of its own money and initial margin."""
    left = position.isolated_micros + min(0, unrealised(model, position)) - own_initial(model, position)
    return max(0, min(position.isolated_micros, left))


# --- row 22 -----------------------------------------------------------------------------------------------------------


def closable(position, side, replaces=None):
    """What of a position a new order of this side may close: its size less all other resting orders of that side."""
    others = (order for order in position.orders if order.resting and order.side == side and order is not replaces)
    return (position.size if side == Side.SELL else -position.size) - sum(order.leaves for order in others)


def needed_with(model, request):
    """What the account must carry with an order beside all that is open, and without what it replaces."""
    order, total = request.order, 0
    account = model.accounts[order.account]
    position = model.position(order.account, order.contract) or Position(order.account, order.contract)
    for other in {*account.positions, position}:
        orders = counted(other, request.replaces)
        if other is position:
            orders.append(order)
        total += need_of(other, model.contracts[other.contract], orders)
    return total


def judge(model, request, price):
    """An order is admitted when equity >= IM + reserves after it; one that only closes is never refused for margin.

    `price` is the limit that it will have.
    """
    order = request.order
    fix(model, order, price)
    if not model.contracts[order.contract].has_margin:
        return Margin.CARRIED
    spare = equity(model, model.accounts[order.account]) - needed_with(model, request)
    if spare >= 0:
        _reach(model, request, spare)
        return Margin.CARRIED
    position = model.position(order.account, order.contract)
    within = position is not None and 0 < order.leaves <= closable(position, order.side, request.replaces)
    model.reach("8 closing goes on as reduce-only", within)
    model.reach("8 not within what may be closed", not within and position is not None and position.size)
    return Margin.CLOSES if within else Margin.SHORT


def _reach(model, request, spare):
    order = request.order
    account, contract = model.accounts[order.account], model.contracts[order.contract]
    position = model.position(order.account, order.contract)
    size = position.size if position else 0
    signed = order.leaves if order.side == Side.BUY else -order.leaves
    model.reach("22 carried with nothing to spare", spare < 1_000_000)
    model.reach("8 order of the position's side", size * signed > 0)
    model.reach("8 order of the other side within the position", size * signed < 0 and abs(signed) <= abs(size))
    model.reach("8 order of the other side beyond the position", size * signed < 0 and abs(signed) > abs(size))
    model.reach("8 sell below the mark", order.side == Side.SELL and order.loss)
    model.reach("8 buy above the mark", order.side == Side.BUY and order.loss)
    model.reach("8 isolated order", position is not None and position.isolated)
    model.reach("8 amended order", request.replaces is not None)
    model.reach("9 carried by collateral", spare < collateral.value(model, account))
    model.reach("8 chosen leverage", position is not None and position.leverage)
    worth = notional(contract, abs(size) + order.leaves)
    model.reach("8 beyond the first bracket", bracket(contract, worth)[0])
    chosen = position.leverage if position else 0
    model.reach("8 the bracket caps the chosen leverage", chosen and leverage_of(position, contract, worth) < chosen)


# --- fills (Rulebook 3) -----------------------------------------------------------------------------------------------


def bankruptcy(model, position):
    """The price at which closing all of a position leaves its pool nothing, exactly: mark -/+ equity / |size|."""
    contract, pool = model.contracts[position.contract], pool_of(model, position)
    per_lot = Fraction(equity(model, pool) * SUBTICKS, abs(position.size) * unit(contract))
    sign = 1 if position.size > 0 else -1
    return Fraction(contract.mark) - sign * per_lot


def closing_limit(model, order):
    """The limit of an order that reduces, tightened so that no fill leaves equity below zero: the bankruptcy price less
    the taker's fee, in whole ticks away from the closing side's loss."""
    position = model.position(order.account, order.contract)
    contract = model.contracts[order.contract]
    if not contract.has_margin:
        return order.price
    rate = Fraction(fee_rate(contract, taker=True), PPB)
    price = bankruptcy(model, position) / SUBTICKS
    model.reach("3 limit of a reducing order")
    if order.side == Side.SELL:
        return max(order.price, ceil(price / (1 - rate)))
    return min(order.price, floor(price / (1 + rate)))


def gain(contract, lots, price):
    """What signed lots traded at a price gain at the mark, rounded down."""
    return (contract.mark - price * SUBTICKS) * lots * unit(contract) // SUBTICKS


def closed_part(position, lots):
    """How many of some signed lots close."""
    return min(abs(lots), abs(position.size)) if position.size * lots < 0 else 0


def bears(model, position, lots, price, rate):
    """Whether a fill of signed lots leaves no pool that it touches with equity below zero.

    Rounding counts against it: one micro, and no rebate. What opens of an isolated position is paid by the account.
    """
    contract, account = model.contracts[position.contract], model.accounts[position.account]
    if not contract.has_margin:
        return True
    closing = closed_part(position, lots) if position.isolated else abs(lots)
    opening, direction = abs(lots) - closing, 1 if lots > 0 else -1
    if closing:
        fee = ledger.fee_of(closing * price * unit(contract), rate)
        left = equity(model, pool_of(model, position)) + gain(contract, direction * closing, price)
        if left - max(fee, 0) - 1 < 0:
            return False
    money = isolated.opening_money(position, contract, position.size + lots, opening, price) if opening else 0
    return equity(model, account) >= money if opening else True
