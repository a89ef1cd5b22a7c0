"""What directed scenes of money share: who begins them, what they say in a line, and the list of them.

A scene is a function of `begin`, which makes the exchange that it plays on: `Stage`, the engine alone, or `PairStage`,
the engine beside the model. It says what must come out in the rulebook's own figures.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.codes import AccountAttribute as A
from engine.codes import Asset, EventKind, MarginMode, Mode, Reason
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests import build
from tests.build import BUY, SELL
from tests.model import Limits
from tests.pair import Pair
from tests.stage import MICROS, WORKED, Stage

__all__ = ["BUY", "MICROS", "SELL", "A", "K", "P", "V"]

RICH = 10_000_000
"""Units that carry everything."""
ACCOUNTS = 8
DAY_NS = 86_400 * build.SECOND
FEES = {"TAKER_FEE_PPB": 500_000, "BAND_PPB": 45_000_000}
"""A taker fee of 0.05 % and a band that leaves room for it."""
TOO_LITTLE = Reason.INSUFFICIENT_MARGIN
COIN = 100_000_000
"""Units of BTC in one."""

LIMITS = Limits(orders=400, accounts=16, positions=64, groups=8, persons=8, jobs=8, clients=8)

Begin = Callable[..., Stage]
Scene = Callable[[Begin], None]
SCENES: dict[str, Scene] = {}


def scene(function: Scene) -> Scene:
    """Enter a function in the list of scenes, under its name in words."""
    SCENES[function.__name__.replace("_", " ")] = function
    return function


class PairStage(Stage):
    """The engine beside the model: every report and all money is compared after each command."""

    pair: Pair

    def create(self) -> Any:
        """An empty exchange of both."""
        self.pair = Pair(LIMITS, Mode.EXCHANGE, watched=True)
        return self.pair.root

    def apply(self, rows: build.Rows) -> build.Rows:
        """What both report on some commands."""
        found = []
        for place in range(len(rows)):
            self.pair.send(rows[place : place + 1])
            found.append(self.pair.reports)
        return np.concatenate(found)


# --- an exchange --------------------------------------------------------------------------------------------------


def market(begin: Begin, *cash: float, contracts: int = 1, fund: float = RICH, **parameters: int) -> Stage:
    """The first accounts have this cash in units, the others are rich; index and mark are 2000."""
    settings = {P[name]: value for name, value in parameters.items()}
    stage = begin(tuple(WORKED | settings for _ in range(contracts)), accounts=ACCOUNTS)
    if fund:
        stage.fund(fund)
    for account in range(ACCOUNTS):
        units = cash[account] if account < len(cash) else RICH
        if units:
            stage.deposit(account, units)
    move(stage, *[2000] * contracts)
    return stage


def move(stage: Stage, *prices: float) -> None:
    """The next mark tick finds the index of each contract, in slot order, at these prices."""
    for contract, price in enumerate(prices):
        stage.send(*[stage.source_price(source, round(price * 1000), contract) for source in range(3)])
    stage.now_ns = (stage.now_ns // build.SECOND + 1) * build.SECOND
    stage.send(build.time())


def trade(stage: Stage, buyer: int, seller: int, lots: int, price: int, contract: int = 0) -> None:
    """The seller quotes and the buyer takes."""
    stage.order(seller, SELL, lots, price, contract_slot=contract)
    stage.order(buyer, BUY, lots, price, contract_slot=contract)


def brackets(stage: Stage, *rows: tuple[int, int, int], contract: int = 0) -> None:
    """Further brackets of a listed contract: floor in units, leverage, MMR in ppb."""
    for place, (floor, leverage, mmr) in enumerate(rows, start=1):
        stage.send(build.contract_set(contract, P.BRACKET_FLOOR_MICROS, floor * MICROS, place))
        stage.send(build.contract_set(contract, P.BRACKET_LEVERAGE, leverage, place))
        stage.send(build.contract_set(contract, P.BRACKET_MMR_PPB, mmr, place))


def patient(stage: Stage) -> None:
    """Sources count for ten days, so that hours may pass in one command."""
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=10 * DAY_NS))


# --- one command --------------------------------------------------------------------------------------------------


def micros(stage: Stage, account: int, amount: int) -> None:
    """A deposit that is exact to the micro."""
    stage.send(build.deposit(account, amount))


def withdraw(stage: Stage, account: int, amount: int, asset: int = 0) -> Reason:
    """Ask for a payout; the answer."""
    stage.send(build.directive(K.WITHDRAW, account_slot=account, amount_micros=amount, index=asset))
    return answer(stage)


def transfer(stage: Stage, account: int, amount: int, contract: int = 0) -> Reason:
    """Move money into an isolated position, or out of it; the answer."""
    stage.send(build.directive(K.TRANSFER, account_slot=account, contract_slot=contract, amount_micros=amount))
    return answer(stage)


def isolate(stage: Stage, account: int, contract: int = 0) -> Reason:
    """Choose isolated margin; the answer."""
    fields = {"account_slot": account, "contract_slot": contract, "value": MarginMode.ISOLATED}
    stage.send(build.directive(K.SET_MARGIN_MODE, **fields))
    return answer(stage)


def leverage(stage: Stage, account: int, value: int, contract: int = 0) -> Reason:
    """Choose a leverage; the answer."""
    fields = {"account_slot": account, "contract_slot": contract, "value": value, "person": 1}
    stage.send(build.directive(K.SET_LEVERAGE, **fields))
    return answer(stage)


def order(stage: Stage, account: int, side: int, lots: int, price: int, **fields: Any) -> Reason:
    """A new order; the answer."""
    stage.order(account, side, lots, price, **fields)
    return answer(stage)


def setting(code: V, value: int, asset: int = Asset.BTC) -> build.Rows:
    """A parameter of a collateral asset."""
    return build.directive(K.VENUE_SET, code=code, index=asset, value=value)


def accept(stage: Stage, cap: int = 10_000, contract: int = 0) -> None:
    """BTC counts from the next tick on, with a haircut of 60 % and up to a cap in units; a coin is a contract's lot."""
    for code, value in (
        (V.COLLATERAL_CONTRACT, contract),
        (V.COLLATERAL_LOTS_PER_COIN, 1),
        (V.COLLATERAL_HAIRCUT_PPB, 600_000_000),
        (V.COLLATERAL_CAP_MICROS, cap * MICROS),
        (V.COLLATERAL_ENABLED, 1),
    ):
        stage.send(setting(code, value))


def coins(stage: Stage, account: int, units: int) -> Reason:
    """A deposit of BTC in units of 1e-8; the answer."""
    stage.send(build.directive(K.DEPOSIT, account_slot=account, index=Asset.BTC, amount_micros=units))
    return answer(stage)


# --- what came of it ----------------------------------------------------------------------------------------------


def answer(stage: Stage) -> Reason:
    """Why the last command was refused, NONE when it was not."""
    rows = stage.of(EventKind.REJECTED, EventKind.REFUSED)
    return Reason(rows[0]["reason"]) if rows else Reason.NONE


def isolated(stage: Stage, account: int, contract: int = 0) -> float:
    """The money of an isolated position in units."""
    return float(stage.position(account, contract)["isolated_micros"]) / MICROS


def flagged(stage: Stage) -> list[tuple[int, int, int]]:
    """Account, equity and maintenance margin of each flagging so far, in micros."""
    rows = stage.history(EventKind.LIQUIDATION_FLAGGED)
    return [(row["account_slot"], row["old_value"], row["new_value"]) for row in rows]


def rounds(stage: Stage) -> list[tuple[int, int, int, int]]:
    """Account, whether full, lots and close price in ticks of each forced order so far."""
    rows = stage.history(EventKind.LIQUIDATION_STARTED)
    return [(row["account_slot"], row["code"], row["amount_micros"], row["price_subticks"] // 1000) for row in rows]


def given(stage: Stage) -> list[tuple[int, int, int]]:
    """Account, lots and price in ticks of each who was deleveraged so far."""
    rows = stage.history(EventKind.DELEVERAGED)
    return [(row["account_slot"], row["amount_micros"], row["price_subticks"] // 1000) for row in rows]


def mark(stage: Stage, contract: int = 0) -> int:
    """The mark in subticks."""
    return int(stage.state["contracts"][contract]["mark_subticks"])


def index(stage: Stage, contract: int = 0) -> int:
    """The index in subticks."""
    return int(stage.state["contracts"][contract]["index_subticks"])


def helped(stage: Stage) -> list[float]:
    """What the fund paid each time, in units."""
    return [row["amount_micros"] / MICROS for row in stage.history(EventKind.FUND_PAID)]
