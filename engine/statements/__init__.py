"""What an account has and needs, line by line, as the engine's own functions say: for people and for disputes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import collateral, funding, liquidation_rules, margin
from engine.codes import NIL, Asset, MarginMode, Side
from engine.kernels import entry, part
from engine.row_access import account_at, collateral_at, contract_at, position_at
from engine.units import PPB

ACCOUNT_FIGURES, POSITION_FIGURES = 6, 11
"""How many numbers `read_account` and `read_position` write."""


@dataclass(frozen=True)
class PositionStatement:
    """One contract of an account. `requirement_micros` is what it takes of the cross pool: IM, fees and open loss.

    `closable_lots` is what an order may close whatever the margin: the position less the orders that close it already;
    `closing_limit_ticks` is the worst price at which it may do so, 0 without a position.
    """

    position_slot: int
    contract_slot: int
    size_lots: int
    entry_cost_micros: int
    is_isolated: bool
    leverage: int
    notional_micros: int
    unrealised_micros: int
    initial_micros: int
    maintenance_micros: int
    requirement_micros: int
    pool_equity_micros: int
    isolated_micros: int
    liquidation_subticks: int
    bankruptcy_ticks: int
    closable_lots: int
    closing_limit_ticks: int


@dataclass(frozen=True)
class CollateralStatement:
    """What an account holds of one asset, in units of 1e-8 coin, and what that counts for."""

    asset: Asset
    units: int
    coin_micros: int
    haircut_ppb: int
    value_micros: int


@dataclass(frozen=True)
class AccountStatement:
    """The money of an account: its cross pool, what of it is bound, and the distance to liquidation."""

    account_slot: int
    cash_micros: int
    unrealised_micros: int
    equity_micros: int
    maintenance_micros: int
    requirement_micros: int
    withdrawable_micros: int
    is_flagged: bool
    positions: tuple[PositionStatement, ...]
    collateral: tuple[CollateralStatement, ...] = ()

    @property
    def headroom_micros(self) -> int:
        """How much equity may still be lost before the cross pool is liquidatable; all of it without a position."""
        return self.equity_micros - max(self.maintenance_micros, 0)

    @property
    def free_micros(self) -> int:
        """What new orders may still bind."""
        return self.equity_micros - self.requirement_micros


@part
def read_account(s, account_slot, out):
    """The first six numbers of an account's statement."""
    out[0] = account_at(s, account_slot).cash_micros
    out[1] = margin.cross_unrealised_micros(s, account_slot)
    out[2] = margin.cross_equity_micros(s, account_slot)
    out[3] = max(margin.cross_maintenance_micros(s, account_slot), 0)
    out[4] = margin.cross_requirement_micros(s, account_slot, NIL)
    out[5] = margin.withdrawable_micros(s, account_slot)


@entry
def _account_figures(root, account_slot, out):
    read_account(root[0], account_slot, out)


@entry
def _collateral_value(root, place, units):
    s = root[0]
    return min(collateral.value_of(s, place, units), collateral_at(s, place).limit_micros)


def collateral_statements(root: Any, account_slot: int) -> tuple[CollateralStatement, ...]:
    """The assets that an account holds beside the settlement currency."""
    found, state = [], root[0]
    for place, units in enumerate(state["accounts"][account_slot]["collateral_units"].tolist()):
        row = state["collateral"][place]
        if units:
            haircut_ppb, value = PPB - int(row["weight_ppb"]), int(_collateral_value(root, place, units))
            found.append(CollateralStatement(Asset(place + 1), units, int(row["coin_micros"]), haircut_ppb, value))
    return tuple(found)


@part
def read_position(s, position_slot, out):
    """The figures of a position's statement, from its leverage on."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    size = np.int64(position.size_lots)
    for place in range(POSITION_FIGURES):
        out[place] = 0
    if contract.margin_free:
        return
    notional = margin.notional_micros(contract, size)
    out[0] = margin.effective_leverage(contract, position.leverage, notional)
    out[1] = notional
    out[2] = margin.unrealised_micros(contract, size, position.entry_cost_micros)
    out[3] = margin.initial_micros(contract, position.leverage, notional)
    out[4] = margin.maintenance_micros(contract, size)
    out[5] = margin.requirement_micros(contract, position)
    out[6] = margin.pool_equity_micros(s, position_slot)
    out[7] = margin.liquidation_price_subticks(s, position_slot)
    if size != 0:
        out[8] = margin.close_price_ticks(contract, size, out[6])
        out[9] = max(margin.closable_lots(position, Side.SELL if size > 0 else Side.BUY), 0)
        out[10] = margin.reducing_limit_ticks(contract, size, out[6])


@entry
def _position_figures(root, position_slot, out):
    read_position(root[0], position_slot, out)


@entry
def lights(root, position_slot):
    """A position's five lights for deleveraging; it looks at every position of the contract."""
    return liquidation_rules.lights(root[0], position_slot)


@dataclass(frozen=True)
class FundingStatement:
    """A contract's running funding interval: the rate at which it would be paid if it ended now, and that for 8 h."""

    rate_ppb: int
    rate_8h_ppb: int


@entry
def _funding_figures(root, contract_slot, out):
    contract = contract_at(root[0], contract_slot)
    average = funding.average_ppb(contract)
    out[0] = funding.interval_rate_ppb(contract, average)
    out[1] = funding.rate_8h_ppb(contract, average)


def funding_statement(root: Any, contract_slot: int) -> FundingStatement:
    """The running interval's funding, with the samples so far; before the first one the interest alone.

    An interval with fewer than half of its samples is not paid, whatever its rate.
    """
    out = np.zeros(2, np.int64)
    _funding_figures(root, contract_slot, out)
    return FundingStatement(*out.tolist())


def position_slots(root: Any, account_slot: int) -> list[int]:
    """The rows of an account's contracts, the one opened last first."""
    state, found = root[0], []
    slot = int(state["accounts"][account_slot]["positions_head"])
    while slot != NIL:
        found.append(slot)
        slot = int(state["positions"][slot]["next_slot"])
    return found


def position_statement(root: Any, slot: int) -> PositionStatement:
    """One contract of an account, by its row."""
    row, out = root[0]["positions"][slot], np.zeros(POSITION_FIGURES, np.int64)
    _position_figures(root, slot, out)
    leverage, notional, unrealised, initial, maintenance, need, equity, price, bankruptcy, *closing = out.tolist()
    return PositionStatement(
        slot,
        int(row["contract_slot"]),
        int(row["size_lots"]),
        int(row["entry_cost_micros"]),
        int(row["margin_mode"]) == MarginMode.ISOLATED,
        leverage,
        notional,
        unrealised,
        initial,
        maintenance,
        need,
        equity,
        int(row["isolated_micros"]),
        price,
        bankruptcy,
        *closing,
    )


def account_statement(root: Any, account_slot: int) -> AccountStatement:
    """An account's money, line by line. ValueError for an account that was never opened."""
    state = root[0]
    if not 0 <= account_slot < int(state["accounts_used"]) or not state["accounts"][account_slot]["state"]:
        raise ValueError(f"account {account_slot} was never opened")
    out = np.zeros(6, np.int64)
    _account_figures(root, account_slot, out)
    cash, unrealised, equity, maintenance, requirement, withdrawable = out.tolist()
    positions = tuple(position_statement(root, slot) for slot in position_slots(root, account_slot))
    flagged = bool(state["accounts"][account_slot]["liquidating"])
    return AccountStatement(
        account_slot,
        cash,
        unrealised,
        equity,
        maintenance,
        requirement,
        withdrawable,
        flagged,
        positions,
        collateral_statements(root, account_slot),
    )


def warm_up(root: Any) -> None:
    """Compile everything here; the first account and the first position of this state are in use."""
    account_statement(root, 0)
    position_statement(root, 0)
    lights(root, 0)
    funding_statement(root, 0)
