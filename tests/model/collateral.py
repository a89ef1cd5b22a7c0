"""Collateral (Rulebook 9): what deposited BTC and ETH count for, and what the fund takes of it."""

from dataclasses import dataclass

from engine.codes import Asset as Code
from engine.codes import ContractParameter as P
from engine.codes import MarketState
from tests.model.ledger import PPB, ceil_div
from tests.model.records import SUBTICKS

COIN = 100_000_000
"""Units of one coin."""
LEAST_HAIRCUT_PPB = 600_000_000
FUND_PAYS_PPB = 980_000_000
ASSETS = (Code.BTC, Code.ETH)


@dataclass(eq=False)
class Asset:
    """One asset beside the settlement currency, and what of it is in force since the last mark tick."""

    enabled: int = 0
    contract: int = 0  # whose index values it
    lots_per_coin: int = 0
    haircut: int = 0
    cap: int = 0
    deposits: int = 0  # less withdrawals
    fund_units: int = 0
    coin_micros: int = 0
    weight_ppb: int = 0
    limit: int = 0


def has_index(contract):
    """Its index goes on: it has one, and is not being settled or settled."""
    going = contract.state not in (MarketState.DRAFT, MarketState.SETTLED) and not contract.delivery_ns
    return bool(going and contract.has_margin and contract.parameters[P.NEEDS_INDEX, 0])


def is_going(model, slot):
    """Whether a contract's index moves now."""
    contract = model.contracts[slot]
    return has_index(contract) and not contract.open_state


def uncapped(asset, units):
    """qty * index * (1 - haircut), rounded down."""
    return units * asset.coin_micros // COIN * asset.weight_ppb // PPB


def worth(asset, units):
    """What some units count for: at most the concentration cap."""
    return min(uncapped(asset, units), asset.limit)


def value(model, account):
    """What an account's collateral counts for."""
    return sum(worth(model.assets[code], units) for code, units in account.collateral.items() if units)


def coin(model, asset):
    """One coin at the index of its contract, rounded down."""
    contract = model.contracts.get(asset.contract)
    if contract is None:
        return 0
    return contract.index * asset.lots_per_coin * contract.parameters[P.MICROS_PER_TICK_LOT, 0] // SUBTICKS


def revalue(model):
    """At a mark tick: index, haircut and cap count from here on. No contract that is being settled values an asset."""
    for asset in model.assets.values():
        if asset.lots_per_coin:
            settled = not has_index(model.contracts[asset.contract])
            asset.coin_micros, asset.limit = coin(model, asset), asset.cap
            asset.weight_ppb = 0 if settled else PPB - max(asset.haircut, LEAST_HAIRCUT_PPB)


def take(model, account):
    """The fund takes units at index * 0.98 against cash below zero, as far as its own cash reaches.

    Returns what it took: (asset, units, micros) of each.
    """
    taken = []
    for code in ASSETS:
        asset, units = model.assets[code], account.collateral.get(code, 0)
        price = asset.coin_micros * FUND_PAYS_PPB // PPB
        if account.cash >= 0 or not units or not price:
            continue
        wanted = min(units, ceil_div(min(-account.cash, model.fund) * COIN, price))
        if wanted * price // COIN > model.fund:
            wanted -= 1  # the last unit is worth more than the fund still has
        paid = wanted * price // COIN
        if not paid:
            continue
        account.collateral[code] -= wanted
        asset.fund_units += wanted
        account.cash += paid
        model.fund -= paid
        taken.append((code, wanted, paid))
    return taken
