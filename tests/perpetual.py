"""One contract and one position on a bare state, and the engine's pure kernels callable from Python."""

from typing import Any

import numpy as np

from engine import funding, index_and_mark, liquidation_rules, margin
from engine.kernels import entry
from engine.schema import STATE
from engine.units import PPB

MICROS = 1_000_000


def ppb(rate: float) -> int:
    """A rate as an integer in 1e-9."""
    return round(rate * PPB)


class Bench:
    """A contract whose tick and lot are powers of ten of a unit, so that published figures can be put in exactly."""

    def __init__(self, tick: float = 0.01, lot: float = 0.001) -> None:
        self.root = np.zeros(1, STATE)
        state = self.root[0]
        state["accounts_used"], state["contracts_used"] = 1, 1
        self.tick, self.lot = tick, lot
        self.contract = state["contracts"][0]
        self.contract["micros_per_tick_lot"] = round(tick * lot * MICROS)
        assert self.contract["micros_per_tick_lot"] >= 1, "tick x lot must be a whole micro"
        self.contract["max_price_ticks"] = (1 << 30) - 1
        self.contract["brackets"] = 1
        self.contract["bracket_leverage"][0] = 10
        self.contract["bracket_mmr_ppb"][0] = ppb(0.05)
        self.contract["lot_step"] = self.contract["min_order_lots"] = 1
        self.contract["liquidation_enabled"] = 1
        state["accounts"][0]["positions_head"] = -1

    def ticks(self, price: float) -> int:
        """A price in ticks."""
        return round(price / self.tick)

    def subticks(self, price: float) -> int:
        """A price in subticks."""
        return round(price / self.tick * 1000)

    def lots(self, qty: float) -> int:
        """A quantity in lots."""
        return round(qty / self.lot)

    def price(self, subticks: int) -> float:
        """Subticks as a price."""
        return subticks / 1000 * self.tick

    def brackets(self, *rows: tuple[float, int, float]) -> None:
        """(floor, leverage, mmr) of each bracket; deductions follow as at listing."""
        deduction, last = 0, 0
        self.contract["brackets"] = len(rows)
        for place, (floor, leverage, mmr) in enumerate(rows):
            deduction += round(floor * MICROS) * (ppb(mmr) - last) // PPB
            last = ppb(mmr)
            self.contract["bracket_floor_micros"][place] = round(floor * MICROS)
            self.contract["bracket_leverage"][place] = leverage
            self.contract["bracket_mmr_ppb"][place] = ppb(mmr)
            self.contract["bracket_deduction_micros"][place] = deduction

    def hold(self, qty: float, entry: float, slot: int = 0, contract: int = 0) -> Any:
        """A position of account 0, signed, opened at a price."""
        state = self.root[0]
        row = state["positions"][slot]
        row["contract_slot"], row["size_lots"] = contract, self.lots(qty)
        row["entry_cost_micros"] = round(entry * qty * MICROS)
        row["next_slot"] = state["accounts"][0]["positions_head"]
        row["own_head_slot"] = row["own_tail_slot"] = -1
        state["accounts"][0]["positions_head"] = slot
        state["positions_used"] = max(int(state["positions_used"]), slot + 1)
        return row

    def cash(self, units: float) -> None:
        """Account 0's cash in units."""
        self.root[0]["accounts"][0]["cash_micros"] = round(units * MICROS)


@entry
def notional(root, contract_slot, size):
    return margin.notional_micros(root[0].contracts[contract_slot], size)


@entry
def maintenance(root, contract_slot, size):
    return margin.maintenance_micros(root[0].contracts[contract_slot], size)


@entry
def initial(root, leverage, notional_micros):
    return margin.initial_micros(root[0].contracts[0], leverage, notional_micros)


@entry
def requirement(root, position_slot):
    s = root[0]
    position = s.positions[position_slot]
    return margin.requirement_micros(s.contracts[position.contract_slot], position)


@entry
def worst_notional(root, position_slot):
    s = root[0]
    position = s.positions[position_slot]
    contract = s.contracts[position.contract_slot]
    unit = contract.micros_per_tick_lot
    buys, sells = position.buy_subtick_lots * unit // 1000, position.sell_subtick_lots * unit // 1000
    return margin.worst_notional_micros(contract, position.size_lots, buys, sells)


@entry
def liquidation_price(root, position_slot):
    return margin.liquidation_price_subticks(root[0], position_slot)


@entry
def unrealised(root, position_slot):
    position = root[0].positions[position_slot]
    contract = root[0].contracts[position.contract_slot]
    return margin.unrealised_micros(contract, position.size_lots, position.entry_cost_micros)


@entry
def cross_equity(root, account_slot):
    return margin.cross_equity_micros(root[0], account_slot)


@entry
def withdrawable(root, account_slot):
    return margin.withdrawable_micros(root[0], account_slot)


@entry
def close_price(root, size, money):
    return margin.close_price_ticks(root[0].contracts[0], size, money)


@entry
def reducing_limit(root, size, equity):
    return margin.reducing_limit_ticks(root[0].contracts[0], size, equity)


@entry
def adverse(root, side, price_ticks):
    return margin.adverse_subticks(root[0].contracts[0], side, price_ticks)


@entry
def partial(root, size, spare):
    return liquidation_rules.partial_lots(root[0].contracts[0], size, spare)


@entry
def light(cumulated, total):
    return liquidation_rules.light_of(cumulated, total)


@entry
def outranks(profit, leverage, other_profit, other_leverage):
    return liquidation_rules.outranks(profit, leverage, other_profit, other_leverage)


@entry
def premium(index, bid, ask):
    return funding.premium_ppb(index, bid, ask)


@entry
def average(root):
    return funding.average_ppb(root[0].contracts[0])


@entry
def rate_8h(root, average_ppb):
    return funding.rate_8h_ppb(root[0].contracts[0], average_ppb)


@entry
def interval_rate(root, average_ppb):
    return funding.interval_rate_ppb(root[0].contracts[0], average_ppb)


@entry
def payment(root, size, rate):
    return funding.payment_micros(root[0].contracts[0], size, rate)


@entry
def add_sample(root, premium_ppb):
    contract = root[0].contracts[0]
    weight = funding.sample_weight(contract)
    contract.premium_sum_ppb += weight * premium_ppb
    contract.premium_weight += weight
    contract.premium_samples += 1


@entry
def index(root, oldest_ns):
    return index_and_mark.index_subticks(root[0].contracts[0], oldest_ns)


@entry
def median(root, oldest_ns):
    return index_and_mark.median_subticks(root[0].contracts[0], oldest_ns)


@entry
def mark(root, now_ns):
    return index_and_mark.mark_subticks(root[0].contracts[0], now_ns)


@entry
def impact(root, side):
    return index_and_mark.impact_subticks(root[0], 0, side)


@entry
def liquidation_fee(root, lots):
    return liquidation_rules.fee_micros(root[0].contracts[0], lots)
