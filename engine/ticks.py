"""The mark tick: every contract's reference prices in slot order, then every account that they make liquidatable."""

import numpy as np

from engine import liquidator, margin, reference, reports
from engine.codes import NIL, MarginMode
from engine.kernels import kernel
from engine.rows import account_at, contract_at, position_at
from engine.units import prefetch

LOOKAHEAD = 16
"""How many accounts ahead the re-check asks for memory."""


@kernel
def _is_liquidatable(s, account_slot):
    """As `liquidation.is_liquidatable`, in one pass over the account's positions: a tick does it for every account."""
    equity, maintenance, found = np.int64(account_at(s, account_slot).cash_micros), np.int64(0), False
    slot = np.int64(account_at(s, account_slot).positions_head)
    while slot != NIL:
        position = position_at(s, slot)
        if position.size_lots != 0:
            contract = contract_at(s, position.contract_slot)
            if contract.margin_free:
                pass
            elif position.margin_mode == MarginMode.ISOLATED:
                if margin.is_distressed(s, slot):
                    return True
            else:
                equity += margin.unrealised_micros(contract, position.size_lots, position.entry_cost_micros)
                maintenance += margin.maintenance_micros(contract, position.size_lots)
                found = True
        slot = np.int64(position.next_slot)
    return found and equity < maintenance


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
            if _is_liquidatable(s, account_slot):
                if not reports.has_room(s):
                    return False
                liquidator.flag(s, account_slot)
        s.tick_cursor += 1
    return True


@kernel
def run(s):
    """One mark tick, at one instant. False when the ring is full: call again before anything else."""
    if s.tick_cursor == 0:
        s.mark_ticks += 1
    while s.tick_cursor < s.contracts_used:
        if not reports.has_room(s):
            return False
        reference.tick_contract(s, s.tick_cursor)
        s.tick_cursor += 1
    if not _recheck(s):
        return False
    s.tick_cursor = 0
    s.next_mark_tick_ns = (s.now_ns // s.mark_tick_ns + 1) * s.mark_tick_ns
    if liquidator.has_work(s):
        s.liquidation_since_ns = s.now_ns
    return True
