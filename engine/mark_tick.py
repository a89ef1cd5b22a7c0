"""The mark tick: every contract's reference prices in slot order, then every account that they make liquidatable."""

import numpy as np

from engine import collateral, contract_settlement, events, liquidator, margin, reference_prices
from engine.codes import NIL, EventKind, MarginMode
from engine.kernels import inlined, kernel
from engine.liquidation_rules import LIQUIDATABLE
from engine.row_access import account_at, contract_at, position_at
from engine.units import prefetch

LOOKAHEAD = 16
"""How many accounts ahead the re-check prefetches."""
LAST_TICK = (1 << 31) - 1
"""Ticks are counted in the 32 bits that accounts and positions keep of them, and begin again at 1."""
FIRST_CALL, LAST_CALL = 2, 5
"""An account is warned when its equity is less than MM + MM / 2, and again below MM + MM / 5."""


@inlined
def _severity(equity_micros, maintenance_micros):
    """How close a pool is: LIQUIDATABLE, or the level of the margin call, 0 for none."""
    headroom = equity_micros - maintenance_micros
    if headroom < 0:
        return LIQUIDATABLE
    if headroom < -(-maintenance_micros // LAST_CALL):
        return 2
    return 1 if headroom < -(-maintenance_micros // FIRST_CALL) else 0


@kernel
def _standing(s, account_slot):
    """The severest of an account's pools, as `liquidation.is_liquidatable`, in one pass over its positions."""
    equity, maintenance, severity = margin.money_micros(s, account_slot), np.int64(0), np.int64(0)
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.size_lots != 0:
            contract = contract_at(s, position.contract_slot)
            if contract.margin_free:
                pass
            elif position.margin_mode == MarginMode.ISOLATED:
                needed = margin.maintenance_micros(contract, position.size_lots)
                severity = max(severity, _severity(margin.isolated_equity_micros(s, slot), needed))
            else:
                equity += margin.unrealised_micros(contract, position.size_lots, position.entry_cost_micros)
                maintenance += margin.maintenance_micros(contract, position.size_lots)
        slot = np.int64(position.next_slot)
    return max(severity, _severity(equity, maintenance))


@kernel
def _warn(s, account_slot, severity):
    """Report a margin call when it gets more severe; forget it when it eases."""
    account = account_at(s, account_slot)
    if severity > account.warning_level:
        row = events.notice(s, EventKind.MARGIN_CALL, account_slot, NIL)
        row.code = severity
        row.old_value = margin.cross_equity_micros(s, account_slot)
        row.new_value = margin.cross_maintenance_micros(s, account_slot)
        row.cash_micros = account.cash_micros
    account.warning_level = severity


@kernel
def _recheck(s):
    """Flag every account that is liquidatable now. False when the ring is full: call again."""
    while s.tick_cursor < s.contracts_used + s.accounts_used:
        account_slot = s.tick_cursor - s.contracts_used
        ahead = account_slot + LOOKAHEAD
        if ahead < s.accounts_used:
            prefetch(account_at(s, ahead))
            nearer = account_at(s, account_slot + LOOKAHEAD // 2).positions_head
            if nearer != NIL:
                prefetch(position_at(s, nearer))
        account = account_at(s, account_slot)
        if account.state != 0 and account.positions_head != NIL and not account.liquidating:
            standing = _standing(s, account_slot)
            if standing == LIQUIDATABLE or standing > account.warning_level:
                if not events.has_room(s):
                    return False
            if standing == LIQUIDATABLE:
                liquidator.flag(s, account_slot)
            elif standing != account.warning_level:
                _warn(s, account_slot, standing)
        s.tick_cursor += 1
    return True


@kernel
def run(s):
    """One mark tick, at one instant. False when the ring is full: call again before anything else."""
    if s.tick_cursor == 0:
        s.mark_ticks = s.mark_ticks % LAST_TICK + 1
    while s.tick_cursor < s.contracts_used:
        if not events.has_room(s):
            return False
        reference_prices.tick_contract(s, s.tick_cursor)
        contract_settlement.tick(s, s.tick_cursor)
        s.tick_cursor += 1
    if s.tick_cursor == s.contracts_used:
        collateral.revalue(s)
    if not _recheck(s):
        return False
    s.tick_cursor = 0
    s.next_mark_tick_ns = (s.now_ns // s.mark_tick_ns + 1) * s.mark_tick_ns
    if liquidator.has_work(s):
        s.liquidation_since_ns = s.now_ns
    return True
