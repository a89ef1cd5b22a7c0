"""Commands of contracts and the venue, and the switch on all directives: refusals, then the writes and one notice."""

import numpy as np

from engine import (
    accounts,
    book,
    cancel_queue,
    clients,
    collateral,
    contract_settlement,
    eligibility,
    eligibility_lapses,
    events,
    listing,
    money,
    reference_prices,
    timers,
)
from engine.codes import (
    NIL,
    CommandKind,
    ContractParameter,
    EventKind,
    MarketState,
    Reason,
    VenueParameter,
    VenueState,
)
from engine.kernels import kernel, rare
from engine.row_access import contract_at, job_at
from engine.schema import MAX_BRACKETS, MAX_CONTRACTS, MAX_SOURCES, MAX_THRESHOLDS, PARAMETERS
from engine.units import INT64_MAX, NS_PER_S

MIN_TICK_NS = NS_PER_S // 1000
MAX_TICK_NS = 60 * NS_PER_S
_FIRST_INDEXED = int(ContractParameter.BRACKET_FLOOR_MICROS)


# --- contracts and the venue --------------------------------------------------------------------------------------


@kernel
def create_contract(s, d):
    """Create a contract in the next slot, as a draft that nobody can trade."""
    if s.contracts_used >= MAX_CONTRACTS:
        return events.refused(s, d, Reason.CAPACITY)
    slot = s.contracts_used
    if d.contract_slot != slot:
        return events.refused(s, d, Reason.UNKNOWN_CONTRACT)
    s.contracts_used += 1
    contract = contract_at(s, slot)
    contract.state = MarketState.DRAFT
    contract.gate = 1
    contract.parameters[ContractParameter.LOT_STEP] = 1
    contract.parameters[ContractParameter.NEEDS_INDEX] = 1
    contract.parameters[ContractParameter.LIQUIDATION_ENABLED] = 1
    book.reset_contract(s, slot)
    listing.derive(contract)
    listing.set_band(contract)
    events.directive_notice(s, EventKind.CONTRACT_CREATED, d)


@kernel
def _known_contract(s, slot):
    return 0 <= slot < s.contracts_used


@kernel
def _swap_parameter(contract, code, index, value):
    """Put in a value and return the one it replaces."""
    if code == ContractParameter.BRACKET_FLOOR_MICROS:
        old = contract.bracket_floor_micros[index]
        contract.bracket_floor_micros[index] = value
    elif code == ContractParameter.BRACKET_LEVERAGE:
        old = contract.bracket_leverage[index]
        contract.bracket_leverage[index] = value
    elif code == ContractParameter.BRACKET_MMR_PPB:
        old = contract.bracket_mmr_ppb[index]
        contract.bracket_mmr_ppb[index] = value
    elif code == ContractParameter.SOURCE_WEIGHT:
        old = contract.source[index].weight
        contract.source[index].weight = value
    else:
        old = contract.parameters[code]
        contract.parameters[code] = value
    return old


@kernel
def _parameter_reason(s, d):
    if not _known_contract(s, d.contract_slot):
        return Reason.UNKNOWN_CONTRACT
    if d.code < 1 or d.code > ContractParameter.SOURCE_WEIGHT or d.code >= PARAMETERS:
        return Reason.BAD_PARAMETER
    indexed = d.code >= _FIRST_INDEXED
    places = MAX_SOURCES if d.code == ContractParameter.SOURCE_WEIGHT else MAX_BRACKETS
    if d.index < 0 or d.index >= (places if indexed else 1):
        return Reason.BAD_PARAMETER
    if d.value < 0 and d.code != ContractParameter.MAKER_FEE_PPB and d.code != ContractParameter.FUNDING_INTEREST_PPB:
        return Reason.BAD_PARAMETER
    if contract_at(s, d.contract_slot).state == MarketState.DRAFT:
        return Reason.NONE
    if contract_at(s, d.contract_slot).state == MarketState.SETTLED:
        return Reason.NOT_LISTED
    if d.code <= ContractParameter.MAX_PRICE_TICKS or d.code == ContractParameter.LOT_STEP:
        return Reason.BAD_PARAMETER
    return Reason.CAPACITY if _is_disclosure(d.code) and not cancel_queue.has_room(s) else Reason.NONE


@kernel
def _is_disclosure(code):
    return ContractParameter.DISCLOSURE_PRODUCT <= code <= ContractParameter.AFFILIATE_PRESENT


@kernel
def _require_disclosures(s, contract_slot):
    """Cancel the opening orders of accounts that have not acknowledged what a contract now requires."""
    if eligibility.require_disclosures(s):
        eligibility.set_all_gates(s)
    contract = contract_at(s, contract_slot)
    job = job_at(s, cancel_queue.add_opening(s, NIL, contract_slot, Reason.DISCLOSURE_NOT_ACKNOWLEDGED))
    job.scope |= cancel_queue.UNACKNOWLEDGED
    job.label[0] = contract.disclosure_product
    job.label[1] = contract.disclosure_loss
    job.label[2] = contract.disclosure_affiliate if contract.affiliate_present else 0


@kernel
def set_parameter(s, d):
    """Set one parameter; a listed contract must stay listable as a whole, or the change is taken back."""
    reason = _parameter_reason(s, d)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    contract = contract_at(s, d.contract_slot)
    listed = contract.state != MarketState.DRAFT
    bound = listing.notional_bound(contract) if listed else np.int64(0)
    old = _swap_parameter(contract, d.code, d.index, d.value)
    listing.derive(contract)
    if listed:
        reason = listing.reason(s, contract, s.listed_submicros - bound)
        if reason != Reason.NONE:
            _swap_parameter(contract, d.code, d.index, old)
            listing.derive(contract)
            return events.refused(s, d, reason)
        s.listed_submicros += listing.notional_bound(contract) - bound
    listing.set_band(contract)
    row = events.directive_notice(s, EventKind.CONTRACT_CHANGED, d)
    row.old_value = old
    if listed and _is_disclosure(d.code):
        _require_disclosures(s, d.contract_slot)


@kernel
def list_contract(s, d):
    """Open a draft for trading when it satisfies every rule of listing."""
    if not _known_contract(s, d.contract_slot):
        return events.refused(s, d, Reason.UNKNOWN_CONTRACT)
    contract = contract_at(s, d.contract_slot)
    if contract.state != MarketState.DRAFT:
        return events.refused(s, d, Reason.ALREADY_EXISTS)
    reason = listing.reason(s, contract, s.listed_submicros)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    s.listed_submicros += listing.notional_bound(contract)
    contract.state = MarketState.OPEN
    listing.set_gate(s, contract)
    listing.set_band(contract)
    events.directive_notice(s, EventKind.CONTRACT_LISTED, d)
    if eligibility.require_disclosures(s):
        eligibility.set_all_gates(s)


@kernel
def _settle_contract(s, d):
    """Begin the settlement of a contract; it cannot be taken back."""
    contract = contract_at(s, d.contract_slot)
    if not contract_settlement.is_possible(s, contract):
        return events.refused(s, d, Reason.REFERENCE_PRICE_UNAVAILABLE)
    if collateral.values_deposits(s, d.contract_slot):
        return events.refused(s, d, Reason.VALUES_COLLATERAL)
    if not cancel_queue.has_room(s):
        return events.refused(s, d, Reason.CAPACITY)
    row = events.directive_notice(s, EventKind.CONTRACT_STATE_CHANGED, d)
    row.old_value = contract.state
    contract_settlement.begin(s, d.contract_slot)
    row.new_value = contract.state
    row.amount_micros = contract.delivery_ns


@kernel
def set_contract_state(s, d):
    """Change a listed contract's state; REDUCE_ONLY also cancels its resting opening orders, SETTLED begins its end."""
    if not _known_contract(s, d.contract_slot):
        return events.refused(s, d, Reason.UNKNOWN_CONTRACT)
    contract = contract_at(s, d.contract_slot)
    if contract.state == MarketState.DRAFT or contract.state == MarketState.SETTLED:
        return events.refused(s, d, Reason.NOT_LISTED)
    if d.code < MarketState.OPEN or d.code > MarketState.SETTLED:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    if contract.delivery_ns != 0 and (d.code < MarketState.REDUCE_ONLY or d.code == MarketState.SETTLED):
        return events.refused(s, d, Reason.SETTLEMENT_UNDER_WAY)
    if d.code == MarketState.SETTLED:
        return _settle_contract(s, d)
    if d.code == MarketState.REDUCE_ONLY and not cancel_queue.has_room(s):
        return events.refused(s, d, Reason.CAPACITY)
    old, state = np.int64(contract.state), np.int64(d.code)
    if contract.open_state != 0:
        if state < MarketState.REDUCE_ONLY:
            return events.refused(s, d, Reason.REFERENCE_PRICE_UNAVAILABLE)
        contract.open_state = state
        state = max(state, reference_prices.lock_state(contract))
    reference_prices.change_state(s, d.contract_slot, state)
    row = events.directive_notice(s, EventKind.CONTRACT_STATE_CHANGED, d)
    row.old_value = old
    row.new_value = state


@kernel
def set_venue_state(s, d):
    """Halt or resume the whole venue."""
    if d.code != VenueState.OPEN and d.code != VenueState.HALTED:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    row = events.directive_notice(s, EventKind.VENUE_STATE_CHANGED, d)
    row.old_value = s.venue_state
    row.new_value = d.code
    s.venue_state = d.code
    for slot in range(s.contracts_used):
        listing.set_gate(s, contract_at(s, slot))


@kernel
def _is_collateral(code):
    return (
        VenueParameter.COLLATERAL_ENABLED <= code <= VenueParameter.COLLATERAL_CAP_MICROS
        or code == VenueParameter.COLLATERAL_LOTS_PER_COIN
    )


@kernel
def _setting_place(s, d):
    """Where a value is kept that has no effect on orders; NIL when it cannot be."""
    if d.code == VenueParameter.SURVEILLANCE:
        return np.int64(d.index) if 1 <= d.index < MAX_THRESHOLDS else np.int64(NIL)
    if d.code == VenueParameter.INDEX_SOURCE:
        if not _known_contract(s, d.contract_slot) or d.index < 0 or d.index >= MAX_SOURCES:
            return np.int64(NIL)
        return np.int64(MAX_THRESHOLDS + d.contract_slot * MAX_SOURCES + d.index)
    return np.int64(0 if d.value <= 1 else NIL)


@kernel
def _keep_setting(s, d):
    """Keep and tell a value for the processes around the engine; the old value is -1 when there was none."""
    place = _setting_place(s, d)
    if place == NIL or d.value < 0 or d.value == INT64_MAX:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    row = events.directive_notice(s, EventKind.VENUE_CHANGED, d)
    row.old_value = s.settings[place] - 1
    s.settings[place] = d.value + 1


@kernel
def set_venue_parameter(s, d):
    """Set one parameter of the whole venue."""
    if _is_collateral(d.code):
        return money.set_collateral(s, d)
    if VenueParameter.SURVEILLANCE <= d.code <= VenueParameter.ONE_PAIR_MAY_GRANT_AND_PAY:
        return _keep_setting(s, d)
    row_kind = EventKind.VENUE_CHANGED
    if d.value < 0:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    if d.code == VenueParameter.MARK_TICK_NS:
        if d.value != 0 and (d.value < MIN_TICK_NS or d.value > MAX_TICK_NS):
            return events.refused(s, d, Reason.BAD_PARAMETER)
        old = s.mark_tick_ns
        s.mark_tick_ns = d.value
        s.next_mark_tick_ns = s.now_ns + d.value
        timers.refresh(s)
    elif d.code == VenueParameter.INDEX_STALE_NS:
        old = s.index_stale_ns
        s.index_stale_ns = d.value
    elif d.code == VenueParameter.INDEX_RECOVERY_NS:
        old = s.index_recovery_ns
        s.index_recovery_ns = d.value
    elif d.code == VenueParameter.AFFILIATE_POST_ONLY:
        old = s.affiliate_post_only
        s.affiliate_post_only = d.value
    elif d.code == VenueParameter.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE:
        old = s.institutions_skip_knowledge
        asks = old != 0 and d.value == 0
        if asks and not cancel_queue.has_room(s):
            return events.refused(s, d, Reason.CAPACITY)
        s.institutions_skip_knowledge = d.value
        eligibility.set_all_gates(s)
        if asks:
            eligibility_lapses.ask_persons(s, NIL)
    else:
        return events.refused(s, d, Reason.BAD_PARAMETER)
    row = events.directive_notice(s, row_kind, d)
    row.old_value = old


@rare
def apply(s, d):
    """The switch on directives."""
    kind = d.kind
    if kind == CommandKind.ACCOUNT_OPEN:
        accounts.open_account(s, d)
    elif kind == CommandKind.ACCOUNT_SET:
        accounts.set_attribute(s, d)
    elif kind == CommandKind.PERSON_SET:
        accounts.set_person(s, d)
    elif kind == CommandKind.KEY_REVOKE:
        accounts.revoke_key(s, d)
    elif kind == CommandKind.CLIENT_SET:
        clients.set_client(s, d)
    elif kind == CommandKind.GROUP_SET:
        accounts.set_group_limit(s, d)
    elif kind == CommandKind.AFFILIATE_APPROVAL:
        accounts.approve_affiliate(s, d)
    elif kind == CommandKind.ATTEST:
        events.directive_notice(s, EventKind.ATTESTED, d)
    elif kind == CommandKind.SWITCH:
        accounts.set_switch(s, d)
    elif kind == CommandKind.DEPOSIT:
        money.deposit(s, d)
    elif kind == CommandKind.WITHDRAW:
        money.withdraw(s, d)
    elif kind == CommandKind.TRANSFER:
        money.transfer(s, d)
    elif kind == CommandKind.SET_LEVERAGE:
        money.set_leverage(s, d)
    elif kind == CommandKind.SET_MARGIN_MODE:
        money.set_margin_mode(s, d)
    elif kind == CommandKind.INDEX_PRICE:
        reference_prices.record_price(s, d)
    elif kind == CommandKind.FUND_DEPOSIT:
        money.deposit_fund(s, d)
    elif kind == CommandKind.CONTRACT_CREATE:
        create_contract(s, d)
    elif kind == CommandKind.CONTRACT_SET:
        set_parameter(s, d)
    elif kind == CommandKind.CONTRACT_LIST:
        list_contract(s, d)
    elif kind == CommandKind.CONTRACT_STATE:
        set_contract_state(s, d)
    elif kind == CommandKind.VENUE_STATE:
        set_venue_state(s, d)
    elif kind == CommandKind.VENUE_SET:
        set_venue_parameter(s, d)
    else:
        events.refused(s, d, Reason.BAD_COMMAND)
