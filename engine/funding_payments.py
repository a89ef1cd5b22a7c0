"""Funding settlements: one rate for a contract's interval, then a payment for each of its positions, all at once."""

import numpy as np

from engine import events, funding, ledger, listing
from engine.codes import NIL, EventKind
from engine.kernels import kernel
from engine.row_access import account_at, contract_at, position_at


@kernel
def _fix_rate(s, contract_slot):
    """The rate of the interval that ends, with what it was made of; below half of its samples it is not paid."""
    contract = contract_at(s, contract_slot)
    average = funding.average_ppb(contract)
    payable = funding.is_payable(contract) and contract.mark_subticks != 0
    contract.funding_rate_ppb = funding.interval_rate_ppb(contract, average) if payable else 0
    row = events.notice(s, EventKind.FUNDING_RATE, NIL, contract_slot)
    row.code = 1 if payable else 0
    row.old_value = average
    row.new_value = contract.premium_samples
    row.amount_micros = contract.premium_sum_ppb
    row.price_subticks = contract.mark_subticks
    row.other_price_subticks = contract.index_subticks
    row.rate_ppb = contract.funding_rate_ppb


@kernel
def _pay(s, position_slot, rate_ppb):
    position = position_at(s, position_slot)
    amount = funding.payment_micros(contract_at(s, position.contract_slot), position.size_lots, rate_ppb)
    ledger.pay_funding(s, position_slot, amount)
    row = events.notice(s, EventKind.FUNDING_PAID, position.account_slot, position.contract_slot)
    row.amount_micros = -amount
    row.price_subticks = contract_at(s, position.contract_slot).mark_subticks
    row.rate_ppb = rate_ppb
    row.position_lots = position.size_lots
    row.cash_micros = account_at(s, position.account_slot).cash_micros


@kernel
def _finish(s, contract_slot):
    """A new interval begins; one that was missed in an outage is not paid later."""
    contract = contract_at(s, contract_slot)
    contract.funding_cursor = 0
    contract.premium_sum_ppb = 0
    contract.premium_weight = 0
    contract.premium_samples = 0
    contract.funding_start_ns = contract.next_funding_ns
    listing.derive_intervals(contract)
    contract.next_funding_ns = funding.next_boundary_ns(contract, s.now_ns)


@kernel
def settle(s, contract_slot):
    """Pay the funding that is due, one instant for all positions. False when the ring is full: call again."""
    contract = contract_at(s, contract_slot)
    if contract.funding_cursor == 0:
        if not events.has_room(s):
            return False
        _fix_rate(s, contract_slot)
        contract.funding_cursor = 1
    rate = np.int64(contract.funding_rate_ppb)
    while rate != 0 and contract.funding_cursor <= s.positions_used:
        position = position_at(s, contract.funding_cursor - 1)
        if position.size_lots != 0 and position.contract_slot == contract_slot:
            if not events.has_room(s):
                return False
            _pay(s, contract.funding_cursor - 1, rate)
        contract.funding_cursor += 1
    _finish(s, contract_slot)
    return True
