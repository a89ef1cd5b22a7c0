"""How near accounts are to liquidation: maintenance margin as a share of equity, of an account's nearest pool."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import margin
from engine.codes import NIL, MarginMode
from engine.kernels import entry, part
from engine.row_access import account_at, contract_at, position_at
from engine.units import PPB, mul_div_floor

MOST_RATIO_PPB = 1000 * PPB
"""A ratio is told up to this: a pool without equity has no ratio."""


@part
def _ratio_ppb(maintenance_micros, equity_micros):
    """The share, rounded down: liquidation begins above 1."""
    if maintenance_micros <= 0:
        return np.int64(0)
    if equity_micros <= 0 or maintenance_micros // equity_micros >= MOST_RATIO_PPB // PPB:
        return np.int64(MOST_RATIO_PPB)
    return mul_div_floor(maintenance_micros, PPB, equity_micros)


@part
def _account_ratio_ppb(s, account_slot):
    """Of the cross pool and of each isolated position, the largest."""
    found = _ratio_ppb(margin.cross_maintenance_micros(s, account_slot), margin.cross_equity_micros(s, account_slot))
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.size_lots != 0 and position.margin_mode == MarginMode.ISOLATED:
            contract = contract_at(s, position.contract_slot)
            if not contract.margin_free:
                need = margin.maintenance_micros(contract, position.size_lots)
                found = max(found, _ratio_ppb(need, margin.isolated_equity_micros(s, slot)))
        slot = np.int64(position.next_slot)
    return found


@entry
def _ratios(root, account_slots, out):
    s = root[0]
    for place in range(len(account_slots)):
        out[place] = _account_ratio_ppb(s, account_slots[place])


def margin_ratios_ppb(root: Any, account_slots: Sequence[int]) -> list[int]:
    """Maintenance margin as a share of equity in ppb, of the nearest pool of each account, in their order."""
    out = np.zeros(len(account_slots), np.int64)
    _ratios(root, np.asarray(account_slots, np.int64), out)
    found: list[int] = out.tolist()
    return found
