"""Collateral beside the settlement currency: what BTC and ETH that an account has deposited count for. Pure but for
the revaluation at a mark tick.

value = units * index * (1 - haircut), at most the cap of one account, rounded down. Index, haircut and cap are those of
the last mark tick, so that nothing moves equity between two re-checks.
"""

import numpy as np

from engine.codes import MarketState, Reason
from engine.kernels import kernel
from engine.row_access import account_at, collateral_at, contract_at
from engine.schema import COLLATERAL_ASSETS
from engine.units import MAX_DEPOSITS_MICROS, PPB, SUBTICKS, mul_div_ceil, mul_div_floor, mul_ppb_floor

UNITS_PER_COIN = 100_000_000
MIN_HAIRCUT_PPB = 600_000_000
"""The value of volatile collateral is cut by at least 60 %."""
FUND_DISCOUNT_PPB = 20_000_000
"""In liquidation the fund takes collateral at index * 0.98."""
MAX_CAP_MICROS = 1 << 55


@kernel
def coins_micros(coin_micros, units):
    """What units are worth at the price of a coin, rounded down; never more than all deposits may be."""
    if coin_micros == 0 or units // UNITS_PER_COIN > MAX_DEPOSITS_MICROS // coin_micros:
        return np.int64(MAX_DEPOSITS_MICROS) if coin_micros != 0 else np.int64(0)
    return mul_div_floor(units, coin_micros, UNITS_PER_COIN)


@kernel
def value_of(s, place, units):
    """What units of an asset count for in one account before the cap."""
    row = collateral_at(s, place)
    return mul_ppb_floor(coins_micros(row.coin_micros, units), row.weight_ppb)


@kernel
def value_micros(s, account_slot):
    """What all collateral of an account counts for."""
    total = np.int64(0)
    for place in range(COLLATERAL_ASSETS):
        units = account_at(s, account_slot).collateral_units[place]
        if units != 0:
            total += min(value_of(s, place, units), collateral_at(s, place).limit_micros)
    return total


@kernel
def is_ending(contract):
    """Whether a contract's index has ended or soon will: its settlement has begun."""
    return contract.delivery_ns != 0 or contract.state == MarketState.SETTLED


@kernel
def values_deposits(s, contract_slot):
    """Whether deposits of clients count for something at the index of a contract, which then may not end."""
    for place in range(COLLATERAL_ASSETS):
        row = collateral_at(s, place)
        counts = row.lots_per_coin != 0 and row.weight_ppb != 0 and row.deposits_units != row.fund_units
        if counts and row.contract_slot == contract_slot:
            return True
    return False


@kernel
def revalue(s):
    """At a mark tick: the present index, haircut and cap of each asset come into force; an index that ends is none."""
    for place in range(COLLATERAL_ASSETS):
        row = collateral_at(s, place)
        if row.lots_per_coin != 0:
            contract = contract_at(s, row.contract_slot)
            lot_submicros = contract.index_subticks * contract.micros_per_tick_lot
            row.coin_micros = lot_submicros * row.lots_per_coin // SUBTICKS
            row.weight_ppb = 0 if is_ending(contract) else PPB - max(row.haircut_ppb, MIN_HAIRCUT_PPB)
            row.limit_micros = row.cap_micros


@kernel
def deposit_reason(s, account_slot, place, units):
    """Why a deposit of an asset is refused; while its index stands still it may be worth less."""
    row = collateral_at(s, place)
    contract = contract_at(s, row.contract_slot)
    if row.enabled == 0 or row.coin_micros == 0 or contract.open_state != 0 or is_ending(contract):
        return Reason.COLLATERAL_NOT_ACCEPTED
    if units <= 0 or units > MAX_DEPOSITS_MICROS - row.deposits_units:
        return Reason.BAD_AMOUNT
    held = account_at(s, account_slot).collateral_units[place]
    if value_of(s, place, held + units) > row.limit_micros:
        return Reason.CONCENTRATION_CAP
    return Reason.NONE


@kernel
def excess_micros(s):
    """How much more than is missing a sale may bring in, since only whole units are sold."""
    total = np.int64(0)
    for place in range(COLLATERAL_ASSETS):
        total += collateral_at(s, place).coin_micros // UNITS_PER_COIN + 1
    return total


@kernel
def sale_units(s, account_slot, place, missing_micros):
    """How many units the fund takes at index * 0.98 to bring in what is missing, as far as its cash reaches."""
    price = mul_ppb_floor(collateral_at(s, place).coin_micros, PPB - FUND_DISCOUNT_PPB)
    money = min(missing_micros, s.fund_micros)
    if price == 0 or money <= 0:
        return np.int64(0)
    held = account_at(s, account_slot).collateral_units[place]
    if money // price > held // UNITS_PER_COIN:
        wanted = held
    else:
        wanted = min(held, mul_div_ceil(money, UNITS_PER_COIN, price))
    if sale_micros(s, place, wanted) > s.fund_micros:
        wanted = mul_div_floor(s.fund_micros, UNITS_PER_COIN, price)
    return wanted


@kernel
def sale_micros(s, place, units):
    """What the fund pays for units, rounded down."""
    price = mul_ppb_floor(collateral_at(s, place).coin_micros, PPB - FUND_DISCOUNT_PPB)
    return coins_micros(price, units)
