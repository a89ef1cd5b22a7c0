"""The stage of the money flow: contracts with several brackets, accounts of every kind, collateral and a fund.

All of it is drawn from a seed, so that one run has rich makers and a fat fund, and another neither. Units of a tick and
lot are odd numbers, so that roundings happen everywhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, CommandKind, InvestorClass
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests import build
from tests.build import SECOND
from tests.model import Limits

UNIT = 1_000_000
"""Micros in one unit of the settlement currency."""
LIMITS = Limits(orders=900, accounts=16, positions=64, groups=8, persons=8, jobs=8, clients=8)
MAKERS, HOUSE, GAMBLERS, SPARE = (0, 1), 2, tuple(range(3, 12)), (12, 13, 14, 15)
"""The spare ones have nothing but what an episode gives them."""
ACCOUNTS = 12
GROUPS = {1: 1, 5: 2, 6: 2}
CLIENTS = {3: 1, 4: 1, 7: 2}
PERSONS = (1, 2)


@dataclass(frozen=True)
class Market:
    """A contract of the stage: its price at the beginning in ticks, its index sources, and how it is listed."""

    base: int
    weights: tuple[int, ...]
    parameters: dict[Any, int]
    brackets: tuple[tuple[int, int, int], ...]
    """Floors in units, leverage and maintenance rate in ppb."""

    def commands(self, slot: int) -> list[Any]:
        """Create and list it."""
        rows = [build.directive(CommandKind.CONTRACT_CREATE, contract_slot=slot)]
        rows += [build.contract_set(slot, parameter, value) for parameter, value in self.parameters.items()]
        for place, (floor, leverage, rate) in enumerate(self.brackets):
            rows.append(build.contract_set(slot, P.BRACKET_FLOOR_MICROS, floor * UNIT, place))
            rows.append(build.contract_set(slot, P.BRACKET_LEVERAGE, leverage, place))
            rows.append(build.contract_set(slot, P.BRACKET_MMR_PPB, rate, place))
        rows += [build.contract_set(slot, P.SOURCE_WEIGHT, weight, place) for place, weight in enumerate(self.weights)]
        return [*rows, build.directive(CommandKind.CONTRACT_LIST, contract_slot=slot)]


def _common(rng: np.random.Generator, lowest_mmr: int) -> dict[Any, int]:
    """What all contracts share, drawn within what may be listed."""
    taker = int(rng.choice([0, 500_000, 1_000_000]))
    return {
        P.MAX_PRICE_TICKS: 60_000,
        P.MIN_ORDER_LOTS: 1,
        P.MAX_ORDER_LOTS: 4000,
        P.LOT_STEP: 1,
        P.MAX_POSITION_LOTS: 6000,
        P.NEEDS_INDEX: 1,
        P.BASE_ELIGIBLE: 1,
        P.BAND_PPB: lowest_mmr // 2,
        P.TAKER_FEE_PPB: taker,
        P.MAKER_FEE_PPB: int(rng.choice([0, -taker // 2, 200_000])),
        P.LIQUIDATION_FEE_PPB: int(rng.choice([0, 0, 1_000_000, lowest_mmr // 3])),
        P.MARK_CLAMP_PPB: int(rng.choice([lowest_mmr // 2, lowest_mmr // 8])),
        P.FUNDING_INTERVAL_S: 60,
        P.SAMPLE_INTERVAL_S: 5,
        P.FUNDING_INTEREST_PPB: 100_000,
        P.FUNDING_CLAMP_PPB: 500_000,
        P.FUNDING_CAP_PPB: int(rng.choice([3_000_000, 37_500_000])),
        P.IMPACT_NOTIONAL_MICROS: 20_000 * UNIT,
        P.MIN_SOURCES: 2,
        P.DISCLOSURE_PRODUCT: 1,
        P.DISCLOSURE_LOSS: 1,
        P.DISCLOSURE_AFFILIATE: 1,
        P.AFFILIATE_PRESENT: 1,
        P.IMPACT_EXCLUDES_AFFILIATES: int(rng.integers(0, 2)),
    }


def markets(rng: np.random.Generator) -> list[Market]:
    """A large one with many brackets, one of small units and high leverage, and one of few sources."""
    big = Market(
        2000,
        (3, 2, 1, 1),
        _common(rng, 50_000_000) | {P.MICROS_PER_TICK_LOT: 999_983},
        ((0, 15, 50_000_000), (50_000, 10, 60_000_000), (150_000, 5, 100_000_000), (400_000, 2, 250_000_000)),
    )
    small = Market(
        7000,
        (1, 1, 1),
        _common(rng, 20_000_000)
        | {
            P.MICROS_PER_TICK_LOT: 3_571,
            P.LOT_STEP: 2,
            P.MIN_ORDER_LOTS: 6,
            P.SAMPLE_INTERVAL_S: 10,
            P.FUNDING_INTERVAL_S: 120,
            P.FUNDING_EQUAL_WEIGHTS: 1,
        },
        ((0, 40, 20_000_000), (40_000, 20, 40_000_000), (160_000, 8, 100_000_000)),
    )
    thin = Market(
        150,
        (5, 7),
        _common(rng, 50_000_000)
        | {
            P.MICROS_PER_TICK_LOT: 4_000_037,
            P.ALLOW_THIN_INDEX: 1,
            P.MIN_SOURCES: 1,
            P.FUNDING_INTEREST_PPB: -300_000,
            P.MAX_OPEN_INTEREST_LOTS: int(rng.choice([0, 900])),
            P.SAMPLE_INTERVAL_S: 1,
        },
        ((0, 10, 50_000_000), (90_000, 4, 150_000_000)),
    )
    return [big, small, thin][: int(rng.choice([2, 3, 3]))]


def accounts(rng: np.random.Generator) -> list[Any]:
    """Makers with much money, an affiliate that only makes, gamblers with little; groups, and clients of several."""
    rows = [build.person(number) for number in PERSONS]
    for account in range(ACCOUNTS):
        units = int(rng.integers(300_000, 2_000_000)) if account < 2 else int(rng.integers(1, 30_000))
        amount = units * UNIT + int(rng.integers(0, UNIT))
        rows += build.opened(account, GROUPS.get(account, 0), amount, CLIENTS.get(account, 0))
    for account in SPARE:
        rows += build.opened(account, amount_micros=1)
    rows.append(build.account_set(11, A.INVESTOR_CLASS, InvestorClass.INSTITUTIONAL))
    rows.append(build.account_set(HOUSE, A.AFFILIATION, Affiliation.GROUP_COMPANY))
    return rows


def collateral(rng: np.random.Generator, contracts: int) -> list[Any]:
    """BTC is valued by the first contract, ETH by the second."""
    rows = []
    for asset, contract, lots in ((1, 0, 37), (2, 1, 101)):
        if contract < contracts and rng.random() < 0.9:
            parameters = {
                V.COLLATERAL_CONTRACT: contract,
                V.COLLATERAL_LOTS_PER_COIN: lots,
                V.COLLATERAL_HAIRCUT_PPB: int(rng.choice([600_000_000, 650_000_001, 900_000_000])),
                V.COLLATERAL_CAP_MICROS: int(rng.choice([4_000, 40_000])) * UNIT,
                V.COLLATERAL_ENABLED: 1,
            }
            rows += [
                build.directive(CommandKind.VENUE_SET, code=code, index=asset, value=value)
                for code, value in parameters.items()
            ]
    return rows


def fund(rng: np.random.Generator) -> list[Any]:
    """Nothing, a little, or more than enough."""
    units = int(rng.choice([0, 0, 0, 50, 2_000, 1_000_000]))
    return [build.directive(CommandKind.FUND_DEPOSIT, amount_micros=units * UNIT + 7)] if units else []


def setting(rng: np.random.Generator) -> tuple[list[Market], list[Any]]:
    """The contracts of a run and all commands that set its stage."""
    listed = markets(rng)
    rows = accounts(rng)
    for slot, market in enumerate(listed):
        rows += market.commands(slot)
        rows.append(build.approval(HOUSE, slot, build.FAR_NS))
    recovery = int(rng.choice([2, 5, 5, 30])) * SECOND
    rows.append(build.directive(CommandKind.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=recovery))
    return listed, rows + collateral(rng, len(listed)) + fund(rng)
