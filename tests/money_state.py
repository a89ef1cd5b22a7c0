"""All money of the engine and of the model under the same names, and where the two part.

The engine's side comes from two compiled calls that write whole numbers into a row: what is kept, and what follows
from it (equity, margin, requirements, what may be withdrawn) by the engine's own functions. The model's side is read
from its objects. Both are cheap enough to be compared after every command.
"""

from typing import Any

import numpy as np

from engine import liquidation_rules, margin
from engine.codes import NIL, MarginMode
from engine.kernels import entry
from engine.row_access import account_at, collateral_at, contract_at, position_at
from engine.schema import BASIS_SAMPLES, COLLATERAL_ASSETS, MAX_SOURCES
from tests.model import Model
from tests.model import margin as model_margin

ROWS = 1 << 14
HEADER = (
    "fund fees deposits withdrawals refusals serial mark_tick_ns next_mark_tick_ns tick_number liquidation_since_ns"
    " flagged"
).split()
ASSET = "enabled contract lots_per_coin haircut cap coin_micros weight_ppb limit deposits fund_units".split()
CONTRACT = (
    "mark index last trades state open_state mark_frozen frozen_since_ns live_since_ns big_trade basis_count basis_sum"
    " samples premium_sum funding_rate funding_start_ns next_sample_ns next_funding_ns delivery_ns delivery_sum"
    " delivery_samples delivery_due_ns open_interest"
).split() + [f"source {place} {name}" for place in range(MAX_SOURCES) for name in ("price", "time_ns")]
ACCOUNT = "cash btc eth flagged warning_level fund_used fund_day".split()
POSITION = (
    "account contract size entry_cost isolated isolated_micros leverage opened_seq realised funding open_lots"
).split()
OF_ACCOUNT = "equity maintenance requirement withdrawable".split()
OF_POSITION = "equity maintenance requirement".split()
"""Of a position: the equity of an isolated one's own pool (else 0), and what it needs."""


# --- the engine's side --------------------------------------------------------------------------------------------


@entry
def _read(root, out):
    """Everything that is kept, in the order of the names above. Returns how many numbers."""
    s = root[0]
    out[0] = s.fund_micros
    out[1] = s.fees_micros
    out[2] = s.deposits_micros
    out[3] = s.withdrawals_micros
    out[4] = s.refusals
    out[5] = s.order_serial
    out[6] = s.mark_tick_ns
    out[7] = s.next_mark_tick_ns
    out[8] = s.mark_ticks
    out[9] = s.liquidation_since_ns
    out[10] = s.liquidation_count
    n = 11
    for place in range(COLLATERAL_ASSETS):
        row = collateral_at(s, place)
        out[n] = row.enabled
        out[n + 1] = row.contract_slot
        out[n + 2] = row.lots_per_coin
        out[n + 3] = row.haircut_ppb
        out[n + 4] = row.cap_micros
        out[n + 5] = row.coin_micros
        out[n + 6] = row.weight_ppb
        out[n + 7] = row.limit_micros
        out[n + 8] = row.deposits_units
        out[n + 9] = row.fund_units
        n += 10
    for slot in range(s.contracts_used):
        contract = contract_at(s, slot)
        count, total = min(np.int64(contract.basis_count), BASIS_SAMPLES), np.int64(0)
        for place in range(count):
            total += contract.basis_subticks[place]
        out[n] = contract.mark_subticks
        out[n + 1] = contract.index_subticks
        out[n + 2] = contract.last_price_ticks
        out[n + 3] = contract.trade_serial
        out[n + 4] = contract.state
        out[n + 5] = contract.open_state
        out[n + 6] = contract.mark_frozen
        out[n + 7] = contract.index_frozen_since_ns
        out[n + 8] = contract.index_live_since_ns
        out[n + 9] = contract.last_big_trade_ticks
        out[n + 10] = count
        out[n + 11] = total
        out[n + 12] = contract.premium_samples
        out[n + 13] = contract.premium_sum_ppb
        out[n + 14] = contract.funding_rate_ppb
        out[n + 15] = contract.funding_start_ns
        out[n + 16] = contract.next_sample_ns
        out[n + 17] = contract.next_funding_ns
        out[n + 18] = contract.delivery_ns
        out[n + 19] = contract.delivery_sum_subticks
        out[n + 20] = contract.delivery_samples
        out[n + 21] = contract.delivery_due_ns
        out[n + 22] = contract.open_interest_lots
        n += 23
        for place in range(MAX_SOURCES):
            out[n] = contract.source[place].price_subticks
            out[n + 1] = contract.source[place].time_ns
            n += 2
    for slot in range(s.accounts_used):
        account = account_at(s, slot)
        out[n] = account.cash_micros
        out[n + 1] = account.collateral_units[0]
        out[n + 2] = account.collateral_units[1]
        out[n + 3] = account.liquidating
        out[n + 4] = account.warning_level
        out[n + 5] = account.fund_used_micros
        out[n + 6] = account.fund_day
        n += 7
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        out[n] = position.account_slot
        out[n + 1] = position.contract_slot
        out[n + 2] = position.size_lots
        out[n + 3] = position.entry_cost_micros
        out[n + 4] = position.margin_mode
        out[n + 5] = position.isolated_micros
        out[n + 6] = position.leverage
        out[n + 7] = position.opened_seq if position.size_lots != 0 else np.int64(0)
        out[n + 8] = position.realised_micros
        out[n + 9] = position.funding_micros
        out[n + 10] = position.buy_lots + position.sell_lots + position.reduce_only_lots
        n += 11
    slot = np.int64(s.liquidation_head_slot)
    while slot != NIL:
        out[n] = slot
        n += 1
        slot = np.int64(account_at(s, slot).queue_next_slot)
    return n


@entry
def _derive(root, out):
    """What follows, of each account and then of each position. Returns how many numbers."""
    s = root[0]
    n = 0
    for slot in range(s.accounts_used):
        if account_at(s, slot).state != 0:
            out[n] = margin.cross_equity_micros(s, slot)
            out[n + 1] = margin.cross_maintenance_micros(s, slot)
            out[n + 2] = margin.cross_requirement_micros(s, slot, np.int64(NIL))
            out[n + 3] = margin.withdrawable_micros(s, slot)
        n += 4
    for slot in range(s.positions_used):
        position = position_at(s, slot)
        contract = contract_at(s, position.contract_slot)
        out[n], out[n + 1], out[n + 2] = 0, 0, 0
        if not contract.margin_free:
            if position.margin_mode == MarginMode.ISOLATED:
                out[n] = margin.isolated_equity_micros(s, slot)
            out[n + 1] = margin.maintenance_micros(contract, position.size_lots)
            out[n + 2] = margin.requirement_micros(contract, position)
        n += 3
    return n


@entry
def _lights(root, out):
    """The place of each position in its side's queue for deleveraging. Returns how many numbers."""
    s = root[0]
    for slot in range(s.positions_used):
        out[slot] = 0
        if not contract_at(s, position_at(s, slot).contract_slot).margin_free:
            out[slot] = liquidation_rules.lights(s, slot)
    return s.positions_used
