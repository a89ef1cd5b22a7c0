"""Commands about money: deposits, withdrawals, collateral, isolated margin, leverage, margin mode and the fund."""

import numpy as np

from engine import admission, book, collateral, eligibility, events, ledger, margin, running_totals
from engine.codes import NIL, Asset, EventKind, MarginMode, MarketState, Reason, Restriction, VenueParameter
from engine.kernels import kernel
from engine.row_access import account_at, collateral_at, contract_at, position_at
from engine.schema import COLLATERAL_ASSETS
from engine.units import MAX_DEPOSITS_MICROS, PPB


@kernel
def known_account(s, slot):
    """Whether an account is open."""
    return 0 <= slot < s.accounts_used and account_at(s, slot).state == admission.OPEN_ACCOUNT


@kernel
def _cash_notice(s, d, amount_micros):
    row = events.directive_notice(s, EventKind.CASH_CHANGED, d)
    row.code = d.kind
    row.amount_micros = amount_micros
    row.cash_micros = account_at(s, d.account_slot).cash_micros


@kernel
def _is_asset(index):
    return Asset.BTC <= index <= COLLATERAL_ASSETS


@kernel
def _deposit_collateral(s, d):
    """Add BTC or ETH to an account; `amount_micros` counts units of 1e-8 coin. Any other asset is refused."""
    reason = Reason.COLLATERAL_NOT_ACCEPTED
    if _is_asset(d.index):
        reason = collateral.deposit_reason(s, d.account_slot, d.index - 1, d.amount_micros)
    if reason != Reason.NONE:
        return events.refused(s, d, np.int64(reason))
    ledger.move_collateral(s, d.account_slot, d.index - 1, d.amount_micros)
    _cash_notice(s, d, d.amount_micros)


@kernel
def _withdraw_collateral(s, d):
    """Pay out BTC or ETH, as far as what is left carries the positions and orders."""
    place, units = np.int64(d.index) - 1, np.int64(d.amount_micros)
    held = account_at(s, d.account_slot).collateral_units[place]
    if units > held:
        return events.refused(s, d, Reason.WITHDRAWAL_LIMIT)
    ledger.move_collateral(s, d.account_slot, place, -units)
    if margin.free_micros(s, d.account_slot) < 0:
        ledger.move_collateral(s, d.account_slot, place, units)
        return events.refused(s, d, Reason.WITHDRAWAL_LIMIT)
    _cash_notice(s, d, -units)


@kernel
def deposit(s, d):
    """Add cash to an account; all deposits together stay within 2^60 micros."""
    if not known_account(s, d.account_slot):
        return events.refused(s, d, Reason.UNKNOWN_ACCOUNT)
    if d.index != Asset.SETTLEMENT:
        return _deposit_collateral(s, d)
    if d.amount_micros <= 0 or d.amount_micros > MAX_DEPOSITS_MICROS - s.deposits_micros:
        return events.refused(s, d, Reason.BAD_AMOUNT)
    running_totals.take_account(s, d.account_slot)
    account_at(s, d.account_slot).cash_micros += d.amount_micros
    running_totals.put_account(s, d.account_slot)
    s.deposits_micros += d.amount_micros
    _cash_notice(s, d, d.amount_micros)


@kernel
def deposit_fund(s, d):
    """Seed the insurance fund."""
    if d.amount_micros <= 0 or d.amount_micros > MAX_DEPOSITS_MICROS - s.deposits_micros:
        return events.refused(s, d, Reason.BAD_AMOUNT)
    s.fund_micros += d.amount_micros
    s.deposits_micros += d.amount_micros
    row = events.directive_notice(s, EventKind.FUND_CHANGED, d)
    row.cash_micros = s.fund_micros


@kernel
def _account_reason(s, d):
    """Rows 1, 2 and 4: money and leverage of an account that is unknown, frozen or flagged stay as they are."""
    if not known_account(s, d.account_slot):
        return Reason.UNKNOWN_ACCOUNT
    return _held_reason(s, d)


@kernel
def _owner_reason(s, d):
    """The same for payouts: the owner of a closed account still gets what is in it."""
    if d.account_slot < 0 or d.account_slot >= s.accounts_used or account_at(s, d.account_slot).state == 0:
        return Reason.UNKNOWN_ACCOUNT
    return _held_reason(s, d)


@kernel
def _held_reason(s, d):
    if account_at(s, d.account_slot).restriction == Restriction.FROZEN:
        return Reason.ACCOUNT_RESTRICTED
    if account_at(s, d.account_slot).liquidating:
        return Reason.ACCOUNT_IN_LIQUIDATION
    return Reason.NONE


@kernel
def withdraw(s, d):
    """Pay out cash, at most what is withdrawable; nothing while the account is flagged."""
    reason = _owner_reason(s, d)
    if reason == Reason.NONE and d.amount_micros <= 0:
        reason = Reason.BAD_AMOUNT
    if reason == Reason.NONE and d.index != Asset.SETTLEMENT and not _is_asset(d.index):
        reason = Reason.COLLATERAL_NOT_ACCEPTED
    if reason == Reason.NONE and d.index == Asset.SETTLEMENT:
        if d.amount_micros > margin.withdrawable_micros(s, d.account_slot):
            reason = Reason.WITHDRAWAL_LIMIT
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    if d.index != Asset.SETTLEMENT:
        return _withdraw_collateral(s, d)
    running_totals.take_account(s, d.account_slot)
    account_at(s, d.account_slot).cash_micros -= d.amount_micros
    running_totals.put_account(s, d.account_slot)
    s.withdrawals_micros += d.amount_micros
    _cash_notice(s, d, -d.amount_micros)


@kernel
def _contract_reason(s, d):
    reason = _account_reason(s, d)
    if reason != Reason.NONE:
        return reason
    if d.contract_slot < 0 or d.contract_slot >= s.contracts_used:
        return Reason.UNKNOWN_CONTRACT
    contract = contract_at(s, d.contract_slot)
    if contract.state == MarketState.DRAFT or contract.margin_free:
        return Reason.UNKNOWN_CONTRACT
    return Reason.NONE


@kernel
def _transfer_reason(s, d, slot):
    if slot == NIL or position_at(s, slot).margin_mode != MarginMode.ISOLATED or position_at(s, slot).size_lots == 0:
        return Reason.BAD_PARAMETER
    if d.amount_micros == 0 or not -MAX_DEPOSITS_MICROS <= d.amount_micros <= MAX_DEPOSITS_MICROS:
        return Reason.BAD_AMOUNT
    free = margin.withdrawable_micros(s, d.account_slot)
    if d.amount_micros < 0:
        free = margin.isolated_releasable_micros(s, slot)
    return Reason.WITHDRAWAL_LIMIT if abs(d.amount_micros) > free else Reason.NONE


@kernel
def transfer(s, d):
    """Move money into an isolated position, or with a negative amount what its margin can spare out of it."""
    reason, slot = _contract_reason(s, d), np.int64(NIL)
    if reason == Reason.NONE:
        slot = np.int64(book.find_position(s, d.account_slot, d.contract_slot))
        reason = _transfer_reason(s, d, slot)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    ledger.move_isolated(s, slot, d.amount_micros)
    _cash_notice(s, d, -d.amount_micros)


@kernel
def _own_position(s, d):
    """The account's row in the contract, made if it is missing; NIL when there is no room for it."""
    slot = np.int64(book.find_position(s, d.account_slot, d.contract_slot))
    if slot == NIL and s.positions_used < s.positions_capacity:
        return np.int64(book.open_position(s, d.account_slot, d.contract_slot))
    return slot


@kernel
def _raising_reason(s, d):
    """Who may not open risk in this contract, the account or the person who asks, may only lower its leverage."""
    account = account_at(s, d.account_slot)
    if account.restriction == Restriction.SUSPENDED or account.killed:
        return Reason.ACCOUNT_SUSPENDED
    if account.restriction != Restriction.NONE:
        return Reason.ACCOUNT_RESTRICTED
    reason = eligibility.client_reason(s, np.int64(d.account_slot), np.int64(d.person))
    if reason != Reason.NONE:
        return reason
    return eligibility.contract_reason(s, np.int64(d.account_slot), np.int64(d.contract_slot))


@kernel
def _leverage_reason(s, d, slot):
    """The position and all its open orders must be carried at the new leverage too."""
    position = position_at(s, slot)
    contract = contract_at(s, d.contract_slot)
    old = np.int64(position.leverage)
    if d.value == old:
        return Reason.NONE
    chosen = d.value if d.value != 0 else np.int64(contract.bracket_leverage[0])
    if chosen > (old if old != 0 else contract.bracket_leverage[0]):
        return _raising_reason(s, d)
    position.leverage = d.value
    enough = margin.cross_equity_micros(s, d.account_slot) >= margin.cross_requirement_micros(s, d.account_slot, NIL)
    if enough and position.margin_mode == MarginMode.ISOLATED and position.size_lots != 0:
        held = margin.notional_micros(contract, position.size_lots)
        enough = margin.isolated_equity_micros(s, slot) >= margin.initial_micros(contract, d.value, held)
    position.leverage = old
    return Reason.NONE if enough else Reason.INSUFFICIENT_MARGIN


@kernel
def set_leverage(s, d):
    """Choose the leverage of a contract, 0 for its cap; checked with the position and all open orders."""
    reason, slot = _contract_reason(s, d), np.int64(NIL)
    if reason == Reason.NONE and d.value < 0:
        reason = Reason.BAD_PARAMETER
    if reason == Reason.NONE:
        cap, own_cap = contract_at(s, d.contract_slot).bracket_leverage[0], account_at(s, d.account_slot).max_leverage
        if d.value > cap or (own_cap != 0 and (d.value if d.value != 0 else cap) > own_cap):
            reason = Reason.LEVERAGE_LIMIT
    if reason == Reason.NONE:
        slot = np.int64(book.find_position(s, d.account_slot, d.contract_slot))
        if slot != NIL:
            reason = _leverage_reason(s, d, slot)
        elif s.positions_used >= s.positions_capacity:
            reason = Reason.CAPACITY
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    slot = _own_position(s, d)
    row = events.directive_notice(s, EventKind.LEVERAGE_CHANGED, d)
    row.old_value = position_at(s, slot).leverage
    position_at(s, slot).leverage = d.value


@kernel
def set_margin_mode(s, d):
    """Choose cross or isolated margin of a contract, only when flat and without orders there."""
    reason, slot = _contract_reason(s, d), np.int64(NIL)
    if reason == Reason.NONE and (d.value < MarginMode.CROSS or d.value > MarginMode.ISOLATED):
        reason = Reason.BAD_PARAMETER
    if reason == Reason.NONE:
        slot = np.int64(book.find_position(s, d.account_slot, d.contract_slot))
        if slot == NIL:
            reason = Reason.NONE if s.positions_used < s.positions_capacity else Reason.CAPACITY
        elif position_at(s, slot).size_lots != 0 or position_at(s, slot).own_head_slot != NIL:
            reason = Reason.HAS_POSITION
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    slot = _own_position(s, d)
    row = events.directive_notice(s, EventKind.MARGIN_MODE_CHANGED, d)
    row.old_value = position_at(s, slot).margin_mode
    position_at(s, slot).margin_mode = d.value


# --- what is accepted as collateral -------------------------------------------------------------------------------


@kernel
def _has_index(contract):
    """Whether a contract has an index that goes on."""
    return contract.state != MarketState.DRAFT and contract.margin_free == 0 and not collateral.is_ending(contract)


@kernel
def _asset_reason(s, d):
    """Why a parameter of a collateral asset is refused."""
    if not _is_asset(d.index) or d.value < 0:
        return Reason.BAD_PARAMETER
    row = collateral_at(s, d.index - 1)
    if d.code == VenueParameter.COLLATERAL_CONTRACT:
        if d.value >= s.contracts_used or contract_at(s, d.value).state == MarketState.DRAFT:
            return Reason.UNKNOWN_CONTRACT
        free = row.lots_per_coin == 0 or contract_at(s, row.contract_slot).state == MarketState.SETTLED
        return Reason.NONE if free and _has_index(contract_at(s, d.value)) else Reason.BAD_PARAMETER
    if d.code == VenueParameter.COLLATERAL_LOTS_PER_COIN:
        valued = contract_at(s, row.contract_slot)
        fits = 0 < d.value <= valued.max_position_lots and (row.lots_per_coin == 0 or row.deposits_units == 0)
        return Reason.NONE if fits and _has_index(valued) else Reason.BAD_PARAMETER
    if d.code == VenueParameter.COLLATERAL_HAIRCUT_PPB:
        if d.value < collateral.MIN_HAIRCUT_PPB:
            return Reason.HAIRCUT_TOO_LOW
        return Reason.BAD_PARAMETER if d.value > PPB else Reason.NONE
    if d.code == VenueParameter.COLLATERAL_CAP_MICROS:
        return Reason.BAD_PARAMETER if d.value == 0 or d.value > collateral.MAX_CAP_MICROS else Reason.NONE
    complete = row.lots_per_coin != 0 and row.haircut_ppb != 0 and row.cap_micros != 0
    return Reason.NONE if d.value == 0 or (d.value == 1 and complete) else Reason.BAD_PARAMETER


@kernel
def set_collateral(s, d):
    """Set a parameter of a collateral asset; it counts from the next mark tick on, when all accounts are re-checked.

    Another contract may value an asset once the old one is settled; how many lots are a coin is then asked again.
    """
    reason = _asset_reason(s, d)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    row = collateral_at(s, d.index - 1)
    notice = events.directive_notice(s, EventKind.VENUE_CHANGED, d)
    if d.code == VenueParameter.COLLATERAL_CONTRACT:
        notice.old_value = row.contract_slot
        row.contract_slot = d.value
        row.lots_per_coin = 0
        row.enabled = 0
    elif d.code == VenueParameter.COLLATERAL_LOTS_PER_COIN:
        notice.old_value = row.lots_per_coin
        row.lots_per_coin = d.value
    elif d.code == VenueParameter.COLLATERAL_HAIRCUT_PPB:
        notice.old_value = row.haircut_ppb
        row.haircut_ppb = d.value
    elif d.code == VenueParameter.COLLATERAL_CAP_MICROS:
        notice.old_value = row.cap_micros
        row.cap_micros = d.value
    else:
        notice.old_value = row.enabled
        row.enabled = d.value
