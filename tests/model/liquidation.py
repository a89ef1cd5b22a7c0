"""Liquidation (Rulebook 11.1 to 11.5 and 11.7): who is flagged, and the rounds on flagged accounts, item by item.

A pool is an account's cash with its cross positions, or one isolated position. A round works one pool.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from engine.codes import ContractParameter as P
from engine.codes import EventKind, ExecInst, MarketState, OrdType, PriceSource, Reason, Side, TimeInForce
from tests.model import collateral, deleveraging, isolated, margin, matching, prices, work
from tests.model.ledger import PPB, ceil_div
from tests.model.records import NIL, SUBTICKS, Order, Position

DAY_NS = 86_400 * 1_000_000_000
FLAGGED = 3
"""The warning level of an account that is flagged."""


@dataclass(eq=False)
class Round:
    """One round on one pool."""

    account: object
    pool: object  # the account itself, or an isolated position
    stage: object = None  # what its next item does
    full: bool = False
    position: Position | None = None  # the one that is being closed
    price: int = 0  # its close price in ticks
    left: int = 0  # what of it is still to be closed
    fees: int = 0  # owed so far
    worked: list = field(default_factory=list)


# --- who is liquidatable -------------------------------------------------------------------------------------------


def held(pool):
    """The open positions of a pool."""
    return [position for position in margin.positions_of(pool) if position.size]


def pools(account):
    """The cross pool, then each isolated position, the youngest first."""
    return [account, *(position for position in reversed(account.positions) if position.isolated)]


def is_liquidatable(model, pool):
    """Equity < MM, strictly, with a position; without one whoever owes more than collateral covers (Rulebook 9)."""
    needed = margin.pool_maintenance(model, pool) if held(pool) else 0
    return margin.equity(model, pool) < needed


def is_closable(model, position):
    """A switch per contract stops liquidation (Rulebook 11); what is valued at a frozen mark is not closed (7).

    Of a contract whose settlement price is fixed only what is under water is closed before all others.
    """
    contract = model.contracts[position.contract]
    model.reach("7 valued at a frozen mark and not closed", position.size and contract.mark_frozen)
    model.reach("11 switched off", position.size and not contract.parameters[P.LIQUIDATION_ENABLED, 0])
    if not position.size or contract.mark_frozen or not contract.parameters[P.LIQUIDATION_ENABLED, 0]:
        return False
    under_water = margin.equity(model, margin.pool_of(model, position)) < 0
    return contract.state != MarketState.SETTLED or under_water


def closable(model, pool):
    """The positions of a pool that may be closed by force."""
    return [position for position in margin.positions_of(pool) if is_closable(model, position)]


def has_liquidatable(model, account):
    """Whether any pool of an account is."""
    return any(is_liquidatable(model, pool) for pool in pools(account))


# --- after a mark tick ---------------------------------------------------------------------------------------------


def level_of(model, pool):
    """0, or the margin call that a pool deserves: below 1.5 and below 1.2 times its maintenance margin."""
    if is_liquidatable(model, pool):
        return FLAGGED
    money, needed = margin.equity(model, pool), margin.pool_maintenance(model, pool)
    if not held(pool):
        return 0
    return 2 if 10 * money < 12 * needed else 1 if 10 * money < 15 * needed else 0


def tell(model, kind, account, **values):
    """A notice about an account with its cross pool's figures as they are now."""
    asks = [p for p in held(account) if model.contracts[p.contract].has_margin]
    figures = {
        "old_value": margin.equity(model, account),
        "new_value": margin.cross_maintenance(model, account) if asks else NIL,
        "cash_micros": account.cash,
    }
    model.tell(kind, account.slot, values.pop("contract_slot", NIL), Reason.NONE, **figures, **values)


def flag(model, account):
    """From now on it may neither open nor withdraw, and its turn comes in order of flagging."""
    account.liquidating, account.warning_level = True, FLAGGED
    model.reach("4 second account flagged and waiting", len(model.queue) == 1)
    model.reach("4 many accounts flagged and waiting", len(model.queue) == 3)
    model.queue.append(account)
    tell(model, EventKind.LIQUIDATION_FLAGGED, account)


def recheck(model):
    """Every account after a tick: a tick flags all that it makes liquidatable (Rulebook 4)."""
    for slot in sorted(model.accounts):
        account = model.accounts[slot]
        if account.liquidating or not account.positions:
            continue
        level = max(level_of(model, pool) for pool in pools(account))
        if level == FLAGGED:
            flag(model, account)
            continue
        if level > account.warning_level:
            tell(model, EventKind.MARGIN_CALL, account, code=level)
        account.warning_level = level
    if has_work(model):
        model.liquidation_since_ns = model.now_ns


# --- the queue -----------------------------------------------------------------------------------------------------


def has_work(model):
    """One round per account and mark tick: whether the one at the head has still to come."""
    return bool(model.queue) and model.queue[0].liquidated_tick != model.tick_number


def step(model):
    """One item of work."""
    current = model.round
    if current is None:
        next_pool(model)
    else:
        current.stage(model, current)
    if model.round is None and not has_work(model):
        model.liquidation_since_ns = 0


def next_pool(model):
    """A fresh check of the account at the head: a round begins on one of its pools, or its turn is over."""
    account, tick = model.queue[0], model.tick_number
    if account.cross_tick != tick and is_liquidatable(model, account):
        account.cross_tick = tick
        model.reach("11 round on a cross pool")
        model.reach("11 owes without a position", not held(account))
        model.round = Round(account, account, cancel_next)
        return
    for position in pools(account)[1:]:
        if position.worked_tick != tick and is_liquidatable(model, position) and is_closable(model, position):
            model.reach("11 round on an isolated position")
            model.reach("8 isolated round beside cross positions", bool(held(account)))
            model.round = Round(account, position, cancel_next)
            return
    model.queue.pop(0)
    account.liquidated_tick = tick
    if has_liquidatable(model, account):
        model.reach("11 still liquidatable after its round")
        model.queue.append(account)
        return
    account.liquidating = False
    tell(model, EventKind.LIQUIDATION_CURED, account)


# --- a round -------------------------------------------------------------------------------------------------------


def cancel_next(model, current):
    """Rulebook 11.1: all its orders are cancelled; those of an isolated position alone where that is the pool (8)."""
    positions = [current.pool] if isinstance(current.pool, Position) else reversed(current.account.positions)
    order = next((order for position in positions for order in position.orders), None)
    if order is None:
        current.stage = decide
        return
    model.reach("11.1 untriggered order cancelled", order.waiting)
    matching.cancel(model, order, Reason.LIQUIDATION)


def decide(model, current):
    """Collateral first pays for cash below zero (Rulebook 9); then stop if cured (11.1), else partial or full."""
    if current.pool is current.account:
        take_collateral(model, current.account)
    if not is_liquidatable(model, current.pool):
        model.reach("11.1 cured before anything is closed")
        model.round = None
        return
    money, needed = margin.equity(model, current.pool), margin.pool_maintenance(model, current.pool)
    current.full = not 2 * money > needed
    model.reach("11.3 exactly half of MM", 2 * money == needed)
    model.reach("11.3 partial", not current.full)
    model.reach("11.4 full", current.full)
    model.reach("11.4 full, solvent", current.full and money >= 0)
    model.reach("11.4 full, under water", money < 0)
    current.stage = close_next


def close_next(model, current):
    """A reduce-only IOC at the close price: of the position with the largest MM, a part of it or all.

    Money may have come since the decision: whoever is cured before anything was closed keeps it all (Rulebook 11.1).
    """
    if not current.worked and not is_liquidatable(model, current.pool):
        model.reach("11.1 cured between decision and closing")
        model.round = None
        return
    position = next_position(model, current)
    model.reach("11.4 second position of a pool", position is not None and len(current.worked) == 1)
    if position is None:
        model.reach("11 nothing closable")
        settle(model, current)
        return
    current.worked.append(position)
    position.worked_tick = model.tick_number
    current.position = position
    current.price = close_price(model, position)  # from equity before the closing, and the full size (11.2)
    current.left = abs(position.size) if current.full else smallest_cure(model, current.pool, position)
    tell(
        model,
        EventKind.LIQUIDATION_STARTED,
        current.account,
        contract_slot=position.contract,
        code=int(current.full),
        amount_micros=current.left,
        price_subticks=current.price * SUBTICKS,
        position_lots=position.size,
    )
    _reach_close(model, current, position)
    lots = current.left
    current.left = to_book(model, position, lots, current.price)
    owe_fee(model, current, lots - current.left)
    if not current.full:
        model.reach("11.3 the book takes a part of a partial", 0 < current.left < lots)
        model.reach("11.3 the book takes none of a partial", current.left == lots)
        model.reach("11.3 the book takes all of a partial", not current.left)
        settle(model, current)
    elif current.left:
        model.reach("11.4 remainder to deleveraging")
        model.reach("11.4 all of it to deleveraging", current.left == lots)
        current.stage = deleverage
    else:
        model.reach("11.4 the book takes all")
        go_on(model, current)


def _reach_close(model, current, position):
    contract, size = model.contracts[position.contract], abs(position.size)
    before, after = (margin.bracket(contract, margin.notional(contract, lots)) for lots in (size, size - current.left))
    over = size - current.left - contract.parameters[P.MIN_ORDER_LOTS, 0]
    model.reach("11.3 partial across brackets", not current.full and before != after)
    model.reach("11.3 partial takes all", not current.full and current.left == size)
    model.reach("11.3 remainder of the minimum or a little more", not current.full and 0 <= over < 3)
    model.reach("11 long closed", position.size > 0)
    model.reach("11 short closed", position.size < 0)


def next_position(model, current):
    """The largest MM first; of equals the youngest position."""
    tick = model.tick_number
    left = [position for position in closable(model, current.pool) if position.worked_tick != tick]
    return max(reversed(left), key=lambda position: margin.maintenance(model, position), default=None)


def go_on(model, current):
    """Another position's turn comes with the next item, or the round ends."""
    if current.full and next_position(model, current) is not None:
        current.stage = close_next
    else:
        settle(model, current)


def to_book(model, position, lots, price):
    """A forced order cancels own-group makers and ignores the band (11.5). Returns what the book did not take."""
    model.serial += 1
    order = Order(
        id=model.serial,
        account=position.account,
        contract=position.contract,
        side=Side.SELL if position.size > 0 else Side.BUY,
        ord_type=OrdType.LIMIT,
        tif=TimeInForce.IOC,
        flags=ExecInst.REDUCE_ONLY,
        price=price,
        leaves=lots,
        forced=True,
    )
    matching.sweep(model, order)
    work.observe(model, model.contracts[position.contract], PriceSource.LAST)
    return order.leaves


def deleverage(model, current):
    """Rulebook 11.4 and 11.6: one item is a look at everybody, one giver's trade, or finding that nobody is left."""
    position = current.position
    if deleveraging.prepare(model, position):
        return
    found = deleveraging.next_giver(model, current.price)
    if found is None:
        if not deleveraging.prepare(model, position):
            exhaust(model, current)
        return
    giver, lots = found[0], min(found[1], current.left)
    deleveraging.give(model, giver, position, lots, current.price)
    current.left -= lots
    owe_fee(model, current, lots)
    if not current.left:
        go_on(model, current)


def exhaust(model, current):
    """None left: the contract halts with a named event (Rulebook 11.6)."""
    position, contract = current.position, model.contracts[current.position.contract]
    model.tell(
        EventKind.DELEVERAGING_EXHAUSTED,
        current.account.slot,
        contract.slot,
        Reason.NONE,
        amount_micros=current.left,
        price_subticks=current.price * SUBTICKS,
        position_lots=position.size,
    )
    if contract.open_state:
        contract.open_state = MarketState.HALTED
    if contract.state != MarketState.SETTLED:
        prices.set_state(model, contract, MarketState.HALTED, Reason.LIQUIDATION)
    go_on(model, current)


# --- prices and quantities -----------------------------------------------------------------------------------------


def fund_may_give(model, account):
    """The fund gives at most 10 % of itself per account and day (Rulebook 11.2): of it before it gave to that one."""
    used = account.fund_used if account.fund_day == model.now_ns // DAY_NS else 0
    return max(0, (model.fund + used) // 10 - used)


def close_price(model, position):
    """bankruptcy price -/+ F / |size|, F what the fund gives of an equity below zero (Rulebook 11.2).

    In whole ticks away from the closing side's loss: long up, short down, within [1, max] (Rulebook 1).
    """
    contract, account = model.contracts[position.contract], model.accounts[position.account]
    short_of = max(0, -margin.equity(model, margin.pool_of(model, position)))
    given = min(fund_may_give(model, account), short_of)
    model.reach("11.2 no help is needed", not short_of)
    model.reach("11.2 the fund helps with all that is missing", short_of and given == short_of)
    model.reach("11.2 the fund's daily tenth is the bound", 0 < given < short_of)
    model.reach("11.2 the fund is near 0", short_of and model.fund < 1_000_000)
    model.reach("11.2 the fund has given all that it may today", short_of and model.fund and not given)
    today = model.now_ns // DAY_NS
    model.reach("11.2 a later day: the tenth begins anew", short_of and account.fund_used and account.fund_day != today)
    per_lot = Fraction(given * SUBTICKS, abs(position.size) * margin.unit(contract))
    bankruptcy = margin.bankruptcy(model, position)
    price = (bankruptcy - per_lot if position.size > 0 else bankruptcy + per_lot) / SUBTICKS
    price = ceil(price) if position.size > 0 else floor(price)
    return max(1, min(price, contract.parameters[P.MAX_PRICE_TICKS, 0]))


def fee_for(contract, lots):
    """The liquidation fee of some lots at the mark, rounded up (Rulebook 11.5)."""
    return ceil_div(margin.notional(contract, lots) * contract.parameters[P.LIQUIDATION_FEE_PPB, 0], PPB)


def cures(model, pool, position, lots):
    """equity - liquidation fee(q) >= MM of the rest at mark."""
    contract = model.contracts[position.contract]
    rest = margin.pool_maintenance(model, pool) - margin.maintenance(model, position)
    rest += margin.maintenance_of(contract, abs(position.size) - lots)
    return margin.equity(model, pool) - fee_for(contract, lots) >= rest


def smallest_cure(model, pool, position):
    """The smallest quantity in whole lot steps that cures, no remainder below the minimum (Rulebook 11.3).

    Closing more frees more margin than it costs in fees, so a bisection finds it; roundings of a micro or two can let
    a smaller one do as well, so it is looked for from there downwards. All of it, where nothing less cures.
    """
    contract, size = model.contracts[position.contract], abs(position.size)
    lot_step = contract.parameters[P.LOT_STEP, 0]
    low, high = 0, ceil_div(size, lot_step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cures(model, pool, position, middle * lot_step) else (middle, high)
    nearby = range(max(high - 3, 1), high)
    steps = next((steps for steps in nearby if cures(model, pool, position, steps * lot_step)), high)
    lots = min(steps * lot_step, size)
    return size if 0 < size - lots < contract.parameters[P.MIN_ORDER_LOTS, 0] else lots


# --- the end of a round --------------------------------------------------------------------------------------------


def owe_fee(model, current, lots):
    """The fee is taken after everything else; until then it is only counted."""
    current.fees += fee_for(model.contracts[current.position.contract], lots)


def settle(model, current):
    """Rulebook 11.5 and 11.7: the fee, as far as equity remains; then nobody without a position is left owing."""
    account, pool = current.account, current.pool
    fee = min(current.fees, max(0, margin.equity(model, pool)))
    model.reach("11.5 fee in full", fee and fee == current.fees)
    model.reach("11.5 fee is what is left", 0 < fee < current.fees)
    model.reach("11.5 nothing left for the fee", current.fees and not fee)
    if fee:
        pay(pool, -fee)
        model.fund += fee
        tell(model, EventKind.LIQUIDATION_FEE, account, amount_micros=fee)
    make_whole(model, pool)
    model.round = None


def pay(pool, amount):
    """Change a pool's money."""
    if isinstance(pool, Position):
        pool.isolated_micros += amount
    else:
        pool.cash += amount


def make_whole(model, pool):
    """An account without position and with cash < 0 is settled by the fund, and so is an isolated position (11.7).

    Collateral goes first, at the fund's price (Rulebook 9). What a flat isolated position has left goes back to cash.
    """
    own = isinstance(pool, Position)
    account = model.accounts[pool.account] if own else pool
    if not own:
        take_collateral(model, account)
    owed = -(pool.isolated_micros if own else pool.cash)
    paid = min(owed, model.fund)
    if paid > 0 and not held(pool):
        model.reach("11.7 the fund settles an account", not own)
        model.reach("11.7 the fund settles an isolated position", own)
        model.reach("11.7 the fund pays a part", paid < owed)
        pay(pool, paid)
        model.fund -= paid
        use_fund(model, account, paid)
        tell(model, EventKind.FUND_PAID, account, amount_micros=paid)
    if own:
        isolated.release_flat(model, pool)


def use_fund(model, account, paid):
    """What the fund has given for an account today."""
    today = model.now_ns // DAY_NS
    account.fund_used = paid + (account.fund_used if account.fund_day == today else 0)
    account.fund_day = today


def take_collateral(model, account):
    """What the fund takes of it, with a notice of each asset."""
    cash = account.cash
    for asset, units, paid in collateral.take(model, account):
        cash += paid
        model.reach("9 the fund takes collateral")
        model.reach("9 the fund takes all there is", not account.collateral[asset])
        left = account.collateral[asset]
        values = {"index": int(asset), "old_value": left + units, "new_value": left, "amount_micros": paid}
        model.tell(EventKind.COLLATERAL_TAKEN, account.slot, NIL, Reason.NONE, **values, cash_micros=cash)
