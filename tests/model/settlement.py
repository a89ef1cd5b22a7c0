"""Contract settlement (Rulebook 2: SETTLED at the 30-minute index mean, no fee; engine/README.md, "Money and risk").

A window of samples, a price, deleveraging of whoever is under water at it, then all positions at one instant.
"""

from engine.codes import EventKind, MarketState, Reason
from tests.model import liquidation, margin, prices
from tests.model.records import NIL

WINDOW_NS = 1800 * 1_000_000_000


# --- the window ----------------------------------------------------------------------------------------------------


def values_collateral(model, contract):
    """Whether what clients hold as collateral counts for anything at this contract's index."""
    for code, asset in model.assets.items():
        held = sum(account.collateral.get(code, 0) for account in model.accounts.values())
        if asset.contract == contract.slot and held and asset.weight_ppb:
            return True
    return False


def refusal(model, contract):
    """Why a settlement cannot begin."""
    if not (model.mark_tick_ns and contract.mark and prices.has_index(contract)):
        return Reason.REFERENCE_PRICE_UNAVAILABLE
    if values_collateral(model, contract):
        return Reason.VALUES_COLLATERAL
    return Reason.NONE if model.has_job_room() else Reason.CAPACITY


def begin(model, contract, directive):
    """The command: the contract is REDUCE_ONLY from here on, or stays in a stricter state."""
    reason = refusal(model, contract)
    if reason:
        return reason
    contract.delivery_ns = model.now_ns + WINDOW_NS
    old = contract.state
    contract.state = max(old, MarketState.REDUCE_ONLY)
    if contract.open_state:
        contract.open_state = max(contract.open_state, MarketState.REDUCE_ONLY)
    if contract.state == MarketState.REDUCE_ONLY:
        prices.reduce_only(model, contract)
    values = {"old_value": old, "new_value": contract.state, "amount_micros": contract.delivery_ns}
    model.notice(EventKind.CONTRACT_STATE_CHANGED, directive, **values)
    return Reason.NONE


def tick(model, contract):
    """A sample of a live index at each tick of the window; after its end the price is fixed."""
    if not contract.delivery_ns:
        return
    if contract.state == MarketState.SETTLED:
        model.reach("2 settlement waited for money")
        contract.delivery_due_ns = model.now_ns  # the closing waits for money: try again
        return
    if model.now_ns <= contract.delivery_ns and prices.has_live_index(model, contract):
        model.reach("2 settlement sample")
        contract.delivery_samples.append(contract.index)
    if model.now_ns >= contract.delivery_ns and model.has_job_room():
        fix(model, contract)


def price_of(contract):
    """The mean of the samples, rounded down; the mark itself when there was none."""
    samples = contract.delivery_samples
    return sum(samples) // len(samples) if samples else contract.mark


def fix(model, contract):
    """The price becomes the last mark, and all orders go."""
    old, price = contract.state, price_of(contract)
    model.reach("2 settlement price is the mark: no sample", not contract.delivery_samples)
    model.reach("2 settlement price is a mean", contract.delivery_samples)
    contract.state, contract.open_state, contract.mark_frozen = MarketState.SETTLED, 0, False
    model.tell(
        EventKind.CONTRACT_STATE_CHANGED,
        NIL,
        contract.slot,
        Reason.NONE,
        code=int(MarketState.SETTLED),
        old_value=int(old),
        new_value=int(MarketState.SETTLED),
        amount_micros=len(contract.delivery_samples),
        price_subticks=price,
        other_price_subticks=contract.index,
    )
    prices.set_mark(model, contract, price)
    model.add_job(contract=contract.slot, reason=Reason.MARKET_STATE, quiet=True)
    contract.delivery_due_ns = model.now_ns


# --- the closing ---------------------------------------------------------------------------------------------------


def open_positions(model, contract):
    """The open positions of a contract, as they were created."""
    return [position for position in model.positions if position.contract == contract.slot and position.size]


def is_last(position, pool):
    """Nothing but this position is open in its pool."""
    return all(other is position or not other.size for other in margin.positions_of(pool))


def needed_of_fund(model, contract):
    """What the fund would have to pay so that no pool without a position is left owing, collateral bought included."""
    total = 0
    for position in open_positions(model, contract):
        pool = margin.pool_of(model, position)
        money = pool.isolated_micros if position.isolated else pool.cash
        if is_last(position, pool):
            total += max(0, -(money + margin.unrealised(model, position)))
    return total


def settle(model, contract):
    """All positions at one instant and one price, or none yet: what the fund does not cover waits for money."""
    contract.next_funding_ns = contract.next_sample_ns = contract.delivery_due_ns = 0
    model.reach("2 settlement covered by the fund", 0 < needed_of_fund(model, contract) <= model.fund)
    if needed_of_fund(model, contract) > model.fund:
        return
    for position in open_positions(model, contract):
        close(model, contract, position)
    contract.delivery_ns = 0
    model.fund += contract.delivery_clearing  # what was taken less what was given: dust
    contract.delivery_clearing = 0
    if liquidation.has_work(model) and not model.liquidation_since_ns:
        model.liquidation_since_ns = model.now_ns


def close(model, contract, position):
    """A long gets its value rounded down, a short owes it rounded up; then nobody is left owing, or overburdened."""
    account, size, result = model.accounts[position.account], position.size, margin.unrealised(model, position)
    pool = margin.pool_of(model, position)
    model.reach("2 isolated position settled", position.isolated)
    contract.delivery_clearing -= result + position.entry_cost
    liquidation.pay(pool, result)
    position.realised += result
    position.size = position.entry_cost = 0
    if not liquidation.held(pool) and position.isolated:
        liquidation.make_whole(model, pool)
    model.tell(
        EventKind.POSITION_SETTLED,
        account.slot,
        contract.slot,
        Reason.NONE,
        amount_micros=result,
        price_subticks=contract.mark,
        position_lots=size,
        cash_micros=account.cash,
    )
    if not liquidation.held(pool) and not position.isolated:
        liquidation.make_whole(model, pool)
    if not account.liquidating and liquidation.has_liquidatable(model, account):
        model.reach("2 settlement left an account liquidatable")
        liquidation.flag(model, account)
